/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that concern the same record or claim run one after the other, in the order in which they were made: each
 * enters the lanes of what it concerns, and goes when it is the first in all of them.
 */
#ifndef CS_STORE_REDIS_LANES_H
#define CS_STORE_REDIS_LANES_H

#include "broker/store/store.h"

enum {
	LANES_CHAINS = 4096, /* a power of two: calls that are open at a time, about */
	LANES_PLACES_MAX = 1 + STORE_CLAIMS_MAX,
};

struct lane_ticket;

struct lane_place {
	struct store_key id;
	struct lane_ticket *ticket;
	struct lane_place *next; /* of the chain, entered later */
};

struct lane_ticket {
	struct lane_place places[LANES_PLACES_MAX];
	unsigned places_n;
	unsigned blocked; /* places that are not the first of their lane */
};

struct lanes {
	struct lane_place *chains[LANES_CHAINS];
};

/* Whether it may go at once. `ids` may name the same twice. */
bool lanes_enter(struct lanes *l, struct lane_ticket *t, const struct store_key *ids, size_t n);
/* `go` is called for each ticket that may go now. */
void lanes_leave(struct lanes *l, struct lane_ticket *t, void (*go)(void *ctx, struct lane_ticket *t), void *ctx);
bool lanes_busy(const struct lanes *l, const struct store_key *id);

#endif
