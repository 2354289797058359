/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A decision taken again, from the event that recorded it: what would this policy have said? The request is rebuilt from
 * the event and from the account as it was before; the very functions decide that decided then. So the policy that
 * decided gives what is recorded, and any other differs for a reason.
 */
#ifndef CS_CORE_AGAIN_H
#define CS_CORE_AGAIN_H

#include "broker/core/decide.h"

struct again {
	enum op op;
	bool capture;             /* the capture of a hold; op is OP_SPEND */
	uint8_t outcome, reason;  /* as recorded */
	uint16_t currency;        /* 0: no amount */
	int64_t amount_minor;
	struct decision now;      /* by this policy; its events are nothing to anybody */
};

/*
 * Whether the event records a decision about a payment, a capture, or an operation that widens power; then *out says
 * what was decided and what the policy decides. `before` is the account that the event was decided on, `broker` what the
 * broker was to it (its clock_ok and stale are set here: the event tells).
 */
bool decide_again(const struct policy *policy, struct broker_state *broker, const struct account *before,
    const struct event *e, struct again *out);

/* Whether outcome or reason are others than recorded. */
bool again_differs(const struct again *a);

#endif
