/* SPDX-License-Identifier: Apache-2.0 */
/* The check of a shared store: what its walk through the records and that through the link keys share. */
#ifndef CS_CTL_STORE_CHECK_REDIS_H
#define CS_CTL_STORE_CHECK_REDIS_H

#include "broker/ctl/key_table.h"
#include "broker/ctl/store.h"
#include "broker/store/redis/claim_code.h"
#include "broker/store/redis/tool.h"

/* A link key that a record holds, or whose index says that it is being taken. */
struct claim_seen {
	struct store_key claim, record;
	struct claim_value value;
	uint8_t bytes[CLAIM_BYTES];
	size_t len;              /* 0: it is not in the index */
	bool damaged;
};

struct checking {
	struct ctl *ctl;
	struct store_findings findings;
	struct bar bar;
	struct tool *tool;
	struct tool_head *heads;
	struct key_table keys;   /* of the buckets in hand; seen: events of the log came by */
	uint64_t events, records, claims;
	struct claim_seen *held; /* by the records in hand */
	size_t held_n, held_cap;
	struct key_table damaged; /* link keys */
	struct claim_seen *pending;
	size_t pending_n, pending_cap;
	int64_t begun_ms;
	enum cs_err err;         /* of what a walk through keys asked */
	char where[256], why[TOOL_WHY_TEXT];
};

/* store_check_redis.c */
int64_t check_now_ms(void);
/* Where something was found, in words; until the next call. seq 0: no event. */
const char *check_place(struct checking *c, const char *what, const struct store_key *key, uint64_t seq);
/* A command with the one key of this kind, and `more` behind it where that is not NULL. */
void check_ask(struct checking *c, const char *command, enum layout_kind kind, const struct store_key *key, struct view more, tool_fn *fn,
    void *ctx, uint64_t tag);

/* store_check_claims.c: puts one more into a list that grows. */
void check_claim_keep(struct claim_seen **list, size_t *n, size_t *cap, const struct claim_seen *seen);
/* What the records in hand hold, against the index; then none is in hand. */
enum cs_err check_claims_held(struct checking *c);
/* All of the index: what is damaged, and what is being taken. */
enum cs_err check_claims_pending(struct checking *c);
/* What was being taken, a minute later. */
enum cs_err check_claims_again(struct checking *c);

#endif
