/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the claims share. */
#ifndef CS_STORE_REDIS_CLAIMS_INT_H
#define CS_STORE_REDIS_CLAIMS_INT_H

#include "broker/store/redis/claim_take.h"
#include "broker/store/redis/claims.h"

struct claims_find;

enum hold_state {
	HOLD_ASKED,    /* the fleet has a question of it */
	HOLD_WAITING,  /* is looked at again at `again_ms` */
	HOLD_SYNCING,  /* all are put down; the journal is not on disk yet */
	HOLD_READY,    /* the commit's */
	HOLD_SETTLING,
};

struct claims_hold {
	struct claims *c;
	struct claims_hold *older, *newer;   /* all that live */
	enum hold_state state;
	struct gate_pass record;             /* to its bucket */
	struct gate_pass asked;              /* to the bucket of the question under way */
	struct claim_take takes[STORE_CLAIMS_MAX];
	size_t takes_n, at;                  /* those before `at` are put down */
	bool lost;                           /* a journal entry of it was dropped: it must not go on */
	int64_t until_ms, again_ms;
	uint64_t met_version;                /* of the pending claim that is waited for, */
	int64_t met_ms;                      /* since then */
	enum cs_err err;
	unsigned left;                       /* settling: questions under way */
	claims_taken_fn *taken;
	claims_settled_fn *settled;
	void *ctx;
};

struct claims {
	struct claims_options o;
	char field[64];                      /* "w:<member>" */
	int64_t now_ms;
	bool stopped;
	struct claims_hold *oldest, *newest;
	struct claims_find *finds;
};

/* Whether the bucket may be asked. */
bool claims_enter(struct claims *c, unsigned bucket, struct gate_pass *pass);
/* Something does not fit: the bucket is to be looked at. */
void claims_doubt(struct claims *c, unsigned bucket, enum cs_err err, const struct fleet_reply *r);
/* The set of the value's holder is asked; flags as for fleet_script(). Under the tenure that is open, and told in *tenure. */
void claims_ask_verify(struct claims *c, const struct store_key *claim, const struct claim_value *v, enum claim_poison poison,
    const char *tenure, unsigned flags, fleet_fn *done, void *ctx);
/* First number of the reply; 0 where it has none. */
long long claims_answer(const struct fleet_reply *r);
/* Element i of the reply, where it is a number from 0 on. */
bool claims_answer_number(const struct fleet_reply *r, size_t i, uint64_t *out);
/* Element i of the reply as bytes; empty where it has none. */
struct view claims_answer_bytes(const struct fleet_reply *r, size_t i);

/* claims_find.c */
void claims_finds_tick(struct claims *c, int64_t *next_ms);
void claims_finds_stop(struct claims *c);

#endif
