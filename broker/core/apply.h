/* SPDX-License-Identifier: Apache-2.0 */
/* apply(state, event): the next state. Pure and total: an event that does not fit the state is a broken invariant. */
#ifndef CS_CORE_APPLY_H
#define CS_CORE_APPLY_H

#include "broker/core/event.h"

/*
 * CS_ERR_CONFLICT where the event does not fit (a log that was edited, or a bug): then *a may be half changed and must be
 * thrown away. A payment that leaves the ring is given in *left, and *left_n set to 1; the caller gives it to the store.
 */
struct apply_left {
	uint8_t payments_n, refunds_n;
	struct payment payment;
	struct refund refund;
};
enum cs_err apply(struct account *a, const struct event *e, struct apply_left *left);

#endif
