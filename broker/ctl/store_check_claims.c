/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link keys of a shared store: what each record holds against the index, and the index against the records. What is just
 * being taken is looked at again after a minute.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "broker/base/check.h"
#include "broker/ctl/store_check_redis.h"
#include "broker/store/redis/scripts.h"

enum {
	PENDING_S = 60,          /* a commit takes a second: who is still taking a key after so long has died */
	POISON_S = 24 * 3600,
	INDEX_AT_ONCE = 2000,
};

void
check_claim_keep(struct claim_seen **list, size_t *n, size_t *cap, const struct claim_seen *seen)
{
	if (*n == *cap) {
		*cap = *cap == 0 ? 256 : *cap * 2;
		*list = realloc(*list, *cap * sizeof((*list)[0]));
		CHECK(*list != NULL);
	}
	(*list)[(*n)++] = *seen;
}

static void
index_read(void *ctx, uint64_t i, const struct redisReply *value)
{
	struct claim_seen *seen = (struct claim_seen *)ctx + i;
	struct view v = tool_bytes(value);

	seen->damaged = v.data != NULL && claim_decode(v, &seen->claim, &seen->value) != CS_OK;
	seen->len = v.data == NULL || v.len > sizeof(seen->bytes) ? 0 : v.len;
	if (seen->len > 0)
		memcpy(seen->bytes, v.data, v.len);
}

static enum cs_err
read_index(struct checking *c, struct claim_seen *list, size_t n)
{
	enum cs_err err = CS_OK;

	for (size_t i = 0; err == CS_OK && i < n; i++) {
		check_ask(c, "GET", LAYOUT_CLAIM, &list[i].claim, view_of(NULL, 0), index_read, list, i);
		if (i % INDEX_AT_ONCE == INDEX_AT_ONCE - 1)
			err = tool_wait(c->tool, c->why);
	}
	return err == CS_OK ? tool_wait(c->tool, c->why) : err;
}

static void
truth_read(void *ctx, uint64_t tag, const struct redisReply *value)
{
	(void)tag;
	*(int64_t *)ctx = tool_number(value);
}

/* Whether that record's set has the claim. */
static enum cs_err
holds(struct checking *c, const struct store_key *record, const struct store_key *claim, bool *yes)
{
	int64_t n = 0;
	enum cs_err err;

	check_ask(c, "SISMEMBER", LAYOUT_CLAIMS, record, view_of(claim->b, sizeof(claim->b)), truth_read, &n, 0);
	err = tool_wait(c->tool, c->why);
	*yes = n == 1;
	return err;
}

static void
answer_read(void *ctx, uint64_t tag, const struct redisReply *value)
{
	(void)tag;
	*(int64_t *)ctx = tool_number(tool_element(value, 0));
}

/* The index says now that this record holds it. False: something moved meanwhile, or the bucket is not open. */
static bool
mend_index(struct checking *c, const struct claim_seen *seen, const struct claim_value *to)
{
	unsigned bucket = layout_bucket(&seen->claim);
	struct layout_key names[2];
	struct view keys[2] = {layout_key(tool_layout(c->tool), bucket, LAYOUT_HEAD, NULL, 0, &names[0]),
	    layout_key_of(tool_layout(c->tool), LAYOUT_CLAIM, &seen->claim, &names[1])};
	uint8_t bytes[CLAIM_BYTES];
	struct view args[3] = {view_str(c->heads[bucket].tenure), view_of(seen->bytes, seen->len), view_of(bytes, sizeof(bytes))};
	int64_t answer = 0;

	claim_encode(bytes, &seen->claim, to);
	tool_script(c->tool, bucket, SCRIPT_MEND_CLAIM, keys, 2, args, 3, answer_read, &answer, 0);
	return tool_wait(c->tool, c->why) == CS_OK && answer == ANSWER_DONE;
}

static void
told(struct checking *c, const struct claim_seen *seen, const char *what, bool can, const struct claim_value *to)
{
	const char *mend = can ? "`countersignctl store check --repair` puts the index right by what the accounts hold" :
	    "look at both accounts' events; unlink at one of them";

	if (seen->damaged)
		(void)key_table_put(&c->damaged, &seen->claim);
	if (can && c->ctl->repair)
		mend = mend_index(c, seen, to) ? NULL : "it changed while it was looked at: check again";
	store_found(&c->findings, what, check_place(c, "link key", &seen->claim, 0), mend);
}

/* What a record holds, and what the index says of it. */
static enum cs_err
look_at_held(struct checking *c, const struct claim_seen *seen)
{
	struct claim_value right = {.version = seen->value.version + 1, .state = CLAIM_SETTLED, .holder = seen->record};
	bool own = memcmp(seen->value.holder.b, seen->record.b, STORE_KEY_BYTES) == 0, still = false, other = false;
	enum cs_err err;

	c->claims++;
	if (seen->len > 0 && !seen->damaged && own && seen->value.state == CLAIM_SETTLED)
		return CS_OK;
	/* Given up meanwhile, or taken by another since: look at the set again, after the index. */
	err = holds(c, &seen->record, &seen->claim, &still);
	if (err != CS_OK || !still)
		return err;
	if (seen->damaged || seen->len == 0) {
		if (seen->damaged)
			right.version = (uint64_t)check_now_ms() << 16; /* above whatever it was */
		told(c, seen, seen->damaged ? "the index of a link key fails its checksum" : "a link key that an account holds is not in the index",
		    true, &right);
		return CS_OK;
	}
	if (seen->value.state == CLAIM_PENDING) {
		check_claim_keep(&c->pending, &c->pending_n, &c->pending_cap, seen);
		return CS_OK;
	}
	if (!own && seen->value.state == CLAIM_SETTLED)
		err = holds(c, &seen->value.holder, &seen->claim, &other);
	if (err == CS_OK)
		told(c, seen, other ? "a link key is held by two accounts" : "the index of a link key names an account that does not hold it", !other,
		    &right);
	return err;
}

enum cs_err
check_claims_held(struct checking *c)
{
	enum cs_err err = read_index(c, c->held, c->held_n);

	for (size_t i = 0; err == CS_OK && i < c->held_n; i++)
		err = look_at_held(c, &c->held[i]);
	c->held_n = 0;
	return err;
}

/* What was gathered of the index: what is damaged, and what is being taken, which is told if it is so after a minute. */
static enum cs_err
look_at_index(struct checking *c)
{
	enum cs_err err = read_index(c, c->held, c->held_n);

	for (size_t i = 0; err == CS_OK && i < c->held_n; i++) {
		const struct claim_seen *seen = &c->held[i];

		if (seen->damaged && key_table_get(&c->damaged, &seen->claim) != NULL)
			continue; /* told, by the account that holds it */
		if (seen->damaged)
			store_found(&c->findings, "the index of a link key fails its checksum", check_place(c, "link key", &seen->claim, 0),
			    "`countersignctl store check --repair` mends it where an account holds it");
		else if (seen->len > 0 && seen->value.state == CLAIM_PENDING)
			check_claim_keep(&c->pending, &c->pending_n, &c->pending_cap, seen);
	}
	c->held_n = 0;
	return err;
}

static bool
claim_name(void *ctx, unsigned bucket, struct view rest)
{
	struct checking *c = ctx;
	struct claim_seen seen = {.len = 0};

	(void)bucket;
	if (rest.len != sizeof(seen.claim.b))
		return true;
	memcpy(seen.claim.b, rest.data, rest.len);
	check_claim_keep(&c->held, &c->held_n, &c->held_cap, &seen);
	if (c->held_n == INDEX_AT_ONCE)
		c->err = look_at_index(c);
	return c->err == CS_OK;
}

enum cs_err
check_claims_pending(struct checking *c)
{
	enum cs_err err;

	c->held_n = 0;
	bar_phase(&c->bar, "index", 0, 0);
	err = tool_keys(c->tool, LAYOUT_CLAIM, claim_name, c, c->why);
	if (err == CS_OK)
		err = c->err;
	return err == CS_OK ? look_at_index(c) : err;
}

/* The record's set says whether it was taken; where it was not, the commit that would do it is forbidden in the same step. */
static enum cs_err
verify_pending(struct checking *c, const struct claim_seen *p, int64_t answer[2])
{
	unsigned bucket = layout_bucket(&p->value.holder);
	const struct layout *l = tool_layout(c->tool);
	char seconds[16];
	struct layout_key names[5];
	struct view keys[5] = {layout_key(l, bucket, LAYOUT_HEAD, NULL, 0, &names[0]),
	    layout_key_of(l, LAYOUT_RECORD, &p->value.holder, &names[1]), layout_key_of(l, LAYOUT_CLAIMS, &p->value.holder, &names[2]),
	    layout_key_of(l, LAYOUT_HELD_MARK, &p->value.holder, &names[3]),
	    layout_key(l, bucket, LAYOUT_POISON, p->value.commit, sizeof(p->value.commit), &names[4])};
	struct view args[4] = {view_str(c->heads[bucket].tenure), view_of(p->claim.b, sizeof(p->claim.b)), VIEW("1")};

	(void)snprintf(seconds, sizeof(seconds), "%d", POISON_S);
	args[3] = view_str(seconds);
	answer[0] = 0;
	tool_script(c->tool, bucket, SCRIPT_CLAIM_VERIFY, keys, 5, args, 4, answer_read, &answer[0], 0);
	if (tool_wait(c->tool, c->why) != CS_OK)
		return CS_ERR_UNAVAILABLE;
	{
		bool yes = false;
		enum cs_err err = holds(c, &p->value.holder, &p->claim, &yes);

		answer[1] = yes;
		return err;
	}
}

static enum cs_err
look_at_pending(struct checking *c, const struct claim_seen *p)
{
	const char *mend = "the next who takes this link key mends it; or say --repair";
	int64_t answer[2];
	bool taken = false;
	enum cs_err err;

	if (c->ctl->repair) {
		err = verify_pending(c, p, answer);
		if (err == CS_OK && answer[0] == ANSWER_DONE) {
			struct claim_value after = claim_after(&p->value, answer[1] == 1);

			mend = mend_index(c, p, &after) ? NULL : "it changed while it was looked at: check again";
		} else if (err == CS_OK) {
			mend = "its bucket is not open, or its account is held: see `countersignctl store status`";
		}
	} else {
		err = holds(c, &p->value.holder, &p->claim, &taken);
	}
	if (err == CS_OK)
		store_found(&c->findings, "a link key was being taken for more than a minute: its broker died", check_place(c, "link key", &p->claim, 0), mend);
	return err;
}

enum cs_err
check_claims_again(struct checking *c)
{
	struct claim_seen *before;
	int64_t wait = c->begun_ms + PENDING_S * 1000 - check_now_ms();
	struct timespec pause = {wait / 1000, wait % 1000 * 1000000};
	enum cs_err err;

	if (c->pending_n == 0)
		return CS_OK;
	if (wait > 0) {
		bar_note(&c->bar, "%zu link keys are being taken: they are looked at again in %lld s", c->pending_n, (long long)(wait + 999) / 1000);
		(void)nanosleep(&pause, NULL);
	}
	before = calloc(c->pending_n, sizeof(before[0]));
	CHECK(before != NULL);
	memcpy(before, c->pending, c->pending_n * sizeof(before[0]));
	err = read_index(c, c->pending, c->pending_n);
	for (size_t i = 0; err == CS_OK && i < c->pending_n; i++) {
		bool twice = false;

		for (size_t k = 0; k < i && !twice; k++)
			twice = memcmp(before[k].claim.b, before[i].claim.b, STORE_KEY_BYTES) == 0;
		if (!twice && c->pending[i].len == before[i].len && memcmp(c->pending[i].bytes, before[i].bytes, before[i].len) == 0)
			err = look_at_pending(c, &c->pending[i]);
	}
	free(before);
	return err;
}
