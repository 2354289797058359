/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store check of a shared store, beside its brokers. The logs tell which records there are, and what each must be by now;
 * then each record's state and set of link keys, and for each of these keys its place in the index. What a broker writes
 * meanwhile makes things newer, never older: so only what is older, missing or contradicts itself is told, and what looks
 * as if it were under way is looked at again at the end.
 */
#include "broker/ctl/store_check_redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "broker/base/check.h"
#include "broker/core/account.h"
#include "broker/engine/record_state.h"

#define SET_FIRST "100"
#define SET_PAGE "500"

enum {
	CURSOR_TEXT = 24,
	BUCKETS_AT_ONCE = 16,
	STATES_AT_ONCE = 2000,
	SETS_AT_ONCE = 128,      /* sets that are longer than what comes with the first answer */
	HELD_AT_ONCE = 65536,    /* link keys in hand, before the index is asked for them */
};

#define BACKUP "let the brokers' journals put it back: start all of them, and look at `store status`; else restore the servers from a backup"

int64_t
check_now_ms(void)
{
	struct timespec t;

	CHECK(clock_gettime(CLOCK_BOOTTIME, &t) == 0);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

const char *
check_place(struct checking *c, const char *what, const struct store_key *key, uint64_t seq)
{
	size_t n = (size_t)snprintf(c->where, sizeof(c->where), "bucket %u, %s ", layout_bucket(key), what);

	for (size_t i = 0; i < sizeof(key->b); i++)
		n += (size_t)snprintf(c->where + n, sizeof(c->where) - n, "%02x", key->b[i]);
	if (seq != 0)
		(void)snprintf(c->where + n, sizeof(c->where) - n, ", event %llu", (unsigned long long)seq);
	return c->where;
}

static const char *
place_bucket(struct checking *c, unsigned bucket, uint64_t seq)
{
	size_t n = (size_t)snprintf(c->where, sizeof(c->where), "bucket %u", bucket);

	if (seq != 0)
		(void)snprintf(c->where + n, sizeof(c->where) - n, ", event %llu", (unsigned long long)seq);
	return c->where;
}

void
check_ask(struct checking *c, const char *command, enum layout_kind kind, const struct store_key *key, struct view more, tool_fn *fn,
    void *ctx, uint64_t tag)
{
	struct layout_key name;
	struct view argv[3] = {view_str(command), layout_key_of(tool_layout(c->tool), kind, key, &name), more};

	tool_ask(c->tool, layout_bucket(key), argv, more.data == NULL ? 2 : 3, FLEET_READS, fn, ctx, tag);
}

/* --- heads --- */

static void
look_at_heads(struct checking *c)
{
	for (unsigned b = 0; b < LAYOUT_BUCKETS; b++) {
		const struct tool_head *h = &c->heads[b];
		const char *tenure = fleet_tenure(tool_fleet(c->tool), b);

		if (h->tenure[0] != '\0' && (tenure == NULL || strcmp(tenure, h->tenure) != 0))
			store_found(&c->findings, "a bucket was not opened since its server started, or a failover", place_bucket(c, b, 0),
			    "start every broker that shares the store, and look at `countersignctl store status`: it opens when all have proved "
			    "what they acknowledged");
		if ((h->segment == 0) != (h->in_segment == 0) || (h->segment == 0 && h->last != 0 && h->tenure[0] == '\0'))
			store_found(&c->findings, "the head of a bucket contradicts itself", place_bucket(c, b, 0), BACKUP);
	}
}

/* --- logs --- */

static bool
event_read(void *ctx, unsigned bucket, uint64_t seq, const struct layout_event *ev)
{
	struct checking *c = ctx;
	struct key_entry *e;

	c->events++;
	if (ev == NULL) {
		store_found(&c->findings, "an event fails its checksum", place_bucket(c, bucket, seq), BACKUP);
		return true;
	}
	e = key_table_put(&c->keys, &ev->key);
	if (layout_bucket(&ev->key) != bucket)
		store_found(&c->findings, "an event lies in another bucket than its account", check_place(c, "account", &ev->key, seq), BACKUP);
	else if (ev->revision != e->revision + 1)
		store_found(&c->findings, "a revision is missing in the log", check_place(c, "account", &ev->key, seq), BACKUP);
	else if (ev->back != e->seq)
		store_found(&c->findings, "an event names another one as the one before it", check_place(c, "account", &ev->key, seq), BACKUP);
	e->revision = ev->revision;
	e->seq = seq;
	return true;
}

/* --- segments --- */

struct segments {
	struct checking *c;
	unsigned bucket;
	uint64_t last, first;
	int64_t len;
};

static void
segments_read(void *ctx, uint64_t bucket, const struct redisReply *value)
{
	struct segments *s = (struct segments *)ctx + bucket;
	size_t n = tool_count(value) / 2;

	s->last = n == 0 ? 0 : (uint64_t)tool_number(tool_element(value, 2 * (n - 1)));
	s->first = n == 0 ? 0 : (uint64_t)tool_number(tool_element(value, 2 * (n - 1) + 1));
}

static void
length_read(void *ctx, uint64_t bucket, const struct redisReply *value)
{
	((struct segments *)ctx + bucket)->len = tool_number(value);
}

static enum cs_err
look_at_segments(struct checking *c)
{
	struct segments *all = calloc(LAYOUT_BUCKETS, sizeof(all[0]));
	struct layout_key key;
	enum cs_err err;

	CHECK(all != NULL);
	for (unsigned b = 0; b < LAYOUT_BUCKETS; b++) {
		struct view range[5] = {VIEW("ZRANGE"), layout_key(tool_layout(c->tool), b, LAYOUT_SEGMENTS, NULL, 0, &key), VIEW("0"), VIEW("-1"),
			VIEW("WITHSCORES")};

		tool_ask(c->tool, b, range, 5, FLEET_READS, segments_read, all, b);
	}
	err = tool_wait(c->tool, c->why);
	for (unsigned b = 0; err == CS_OK && b < LAYOUT_BUCKETS; b++) {
		struct view len[2] = {VIEW("XLEN"), layout_log(tool_layout(c->tool), b, c->heads[b].segment, &key)};

		if (c->heads[b].segment != 0)
			tool_ask(c->tool, b, len, 2, FLEET_READS, length_read, all, b);
	}
	if (err == CS_OK)
		err = tool_wait(c->tool, c->why);
	for (unsigned b = 0; err == CS_OK && b < LAYOUT_BUCKETS; b++) {
		const struct tool_head *h = &c->heads[b];

		if (h->segment != 0 && all[b].last < h->segment)
			store_found(&c->findings, "the newest part of a log is not in the list of its parts", place_bucket(c, b, 0), BACKUP);
		else if (h->segment != 0 && all[b].len < (int64_t)h->in_segment)
			store_found(&c->findings, "the newest part of a log has fewer events than its head counts", place_bucket(c, b, 0), BACKUP);
	}
	free(all);
	return err;
}

/* --- records --- */

struct state {
	struct checking *c;
	const struct key_entry *of;
	struct layout_hot hot;
	bool bad, gone;
	char cursor[CURSOR_TEXT]; /* in its set of link keys; "0": all of it was read */
};

static bool
sound_state(const struct store_key *key, const struct layout_hot *hot)
{
	static const struct store_key zero;
	static struct account a;
	static struct record_state record;
	struct id id;

	memcpy(id.b, key->b, sizeof(id.b));
	if (memcmp(key->b, zero.b, sizeof(zero.b)) == 0)
		return record_state_decode(hot->hot, &record) == CS_OK;
	return account_decode(hot->hot, &id, hot->revision, &a) == CS_OK;
}

static void
hot_read(void *ctx, uint64_t tag, const struct redisReply *value)
{
	struct state *s = ctx;
	struct checking *c = s->c;
	struct view v = tool_bytes(value);

	(void)tag;
	s->gone = v.data == NULL;
	s->bad = !s->gone && layout_get_hot(v, &s->of->key, &s->hot) != CS_OK;
	if (s->gone)
		store_found(&c->findings, "an account with events has no state", check_place(c, "account", &s->of->key, s->of->seq), BACKUP);
	else if (s->bad)
		store_found(&c->findings, "a state fails its checksum", check_place(c, "account", &s->of->key, 0), BACKUP);
	else if (s->hot.held)
		store_found(&c->findings, "an account is held: not all that was acknowledged could be put back in its place",
		    check_place(c, "account", &s->of->key, 0), "look at its events; `countersignctl store release ACCOUNT REASON` lets it go on as it stands");
	else if (s->hot.revision < s->of->revision)
		store_found(&c->findings, "a state is older than its newest event", check_place(c, "account", &s->of->key, s->of->seq), BACKUP);
	else if (s->hot.revision == s->of->revision && s->hot.last_seq != s->of->seq)
		store_found(&c->findings, "a state names another event as its newest", check_place(c, "account", &s->of->key, s->hot.last_seq), BACKUP);
	else if (!sound_state(&s->of->key, &s->hot))
		store_found(&c->findings, "a state is none of an account", check_place(c, "account", &s->of->key, 0), BACKUP);
}

static void
cold_read(void *ctx, uint64_t tag, const struct redisReply *value)
{
	struct state *s = ctx;
	struct view v = tool_bytes(value), cold;
	uint64_t revision = s->hot.cold_revision;

	(void)tag;
	if (s->gone || s->bad || s->hot.held || revision == 0)
		return;
	/* A broker may have written a newer one between the two answers; then its revision is greater. */
	if (layout_get_cold(v, &s->of->key, revision, &cold) != CS_OK &&
	    !(v.len >= 8 && layout_get_be((const uint8_t *)v.data) > revision))
		store_found(&s->c->findings, "the part of a state with links and factors is missing or fails its checksum",
		    check_place(s->c, "account", &s->of->key, 0), BACKUP);
}

static void
set_read(void *ctx, uint64_t tag, const struct redisReply *value)
{
	struct state *s = ctx;
	struct view next = tool_bytes(tool_element(value, 0));
	const struct redisReply *members = tool_element(value, 1);

	(void)tag;
	/* What is no page must not look like the last one; nor may the same page come for ever. */
	if (next.len == 0 || next.len >= sizeof(s->cursor) || members == NULL ||
	    (strcmp(s->cursor, "0") != 0 && view_equal(next, view_str(s->cursor)))) {
		tool_wrong(s->c->tool, layout_bucket(&s->of->key), "no list of link keys where one was asked for");
		return;
	}
	(void)snprintf(s->cursor, sizeof(s->cursor), "%.*s", (int)next.len, next.data);
	for (size_t i = 0; i < tool_count(members); i++) {
		struct view v = tool_bytes(tool_element(members, i));
		struct claim_seen seen = {.record = s->of->key};

		if (v.len != sizeof(seen.claim.b)) {
			store_found(&s->c->findings, "what an account holds is no link key", check_place(s->c, "account", &s->of->key, 0), BACKUP);
			continue;
		}
		memcpy(seen.claim.b, v.data, v.len);
		check_claim_keep(&s->c->held, &s->c->held_n, &s->c->held_cap, &seen);
	}
}

/* An account that got many security events holds as many marks: no reply has all of them. */
static void
ask_set(struct checking *c, struct state *s, const char *count)
{
	struct layout_key name;
	struct view argv[5] = {VIEW("SSCAN"), layout_key_of(tool_layout(c->tool), LAYOUT_CLAIMS, &s->of->key, &name), view_str(s->cursor),
	    VIEW("COUNT"), view_str(count)};

	tool_ask(c->tool, layout_bucket(&s->of->key), argv, 5, FLEET_READS, set_read, s, 0);
}

/* What did not come with the first answer. */
static enum cs_err
read_long_sets(struct checking *c, struct state *states, size_t n)
{
	enum cs_err err = CS_OK;
	size_t asked;

	do {
		if (c->held_n >= HELD_AT_ONCE)
			err = check_claims_held(c);
		asked = 0;
		for (size_t i = 0; err == CS_OK && i < n && asked < SETS_AT_ONCE; i++) {
			if (strcmp(states[i].cursor, "0") == 0)
				continue;
			ask_set(c, &states[i], SET_PAGE);
			asked++;
		}
		if (err == CS_OK)
			err = tool_wait(c->tool, c->why);
	} while (err == CS_OK && asked > 0);
	return err;
}

static enum cs_err
look_at_states(struct checking *c)
{
	struct state *states = calloc(STATES_AT_ONCE, sizeof(states[0]));
	size_t n = 0;
	enum cs_err err = CS_OK;

	CHECK(states != NULL);
	for (size_t i = 0; err == CS_OK && i < c->keys.cap; i++) {
		if (c->keys.entries[i].used) {
			states[n] = (struct state){.c = c, .of = &c->keys.entries[i], .cursor = "0"};
			check_ask(c, "GET", LAYOUT_RECORD, &states[n].of->key, view_of(NULL, 0), hot_read, &states[n], 0);
			check_ask(c, "GET", LAYOUT_COLD, &states[n].of->key, view_of(NULL, 0), cold_read, &states[n], 0);
			ask_set(c, &states[n], SET_FIRST);
			n++;
		}
		if (n == STATES_AT_ONCE || i + 1 == c->keys.cap) {
			err = tool_wait(c->tool, c->why);
			if (err == CS_OK)
				err = read_long_sets(c, states, n);
			n = 0;
		}
	}
	c->records += c->keys.n;
	free(states);
	return err;
}

/* --- records held back that have no events --- */

static bool
mark_name(void *ctx, unsigned bucket, struct view rest)
{
	struct checking *c = ctx;
	struct store_key key;

	(void)bucket;
	if (rest.len != sizeof(key.b))
		return true;
	memcpy(key.b, rest.data, rest.len);
	store_found(&c->findings, "something of an account could not be put back in its place", check_place(c, "account", &key, 0),
	    "look at its events; `countersignctl store release ACCOUNT REASON` drops what does not fit");
	return true;
}

/* --- all of it --- */

static enum cs_err
walk_buckets(struct checking *c)
{
	enum cs_err err = CS_OK;

	bar_phase(&c->bar, "buckets", 0, LAYOUT_BUCKETS);
	for (unsigned b = 0; err == CS_OK && b < LAYOUT_BUCKETS; b += BUCKETS_AT_ONCE) {
		key_table_clear(&c->keys);
		key_table_init(&c->keys);
		c->held_n = 0;
		err = tool_log(c->tool, b, BUCKETS_AT_ONCE, event_read, c, c->why);
		if (err == CS_OK)
			err = look_at_states(c);
		if (err == CS_OK)
			err = check_claims_held(c);
		bar_at(&c->bar, b + BUCKETS_AT_ONCE);
	}
	return err;
}

static void
tell(struct checking *c, const char *where)
{
	char events[32], records[32], claims[32];

	bar_clear(&c->bar);
	if (c->ctl->json)
		(void)printf("{\"whole\": %s, \"findings\": %llu, \"mended\": %llu, \"events\": %llu, \"records\": %llu, \"claims\": %llu}\n",
		    c->findings.bad == 0 ? "true" : "false", (unsigned long long)c->findings.bad, (unsigned long long)c->findings.mended,
		    (unsigned long long)c->events, (unsigned long long)c->records, (unsigned long long)c->claims);
	else
		(void)printf("%s: %s events of %s records, %s link keys held under the prefix %s\n",
		    c->findings.bad == 0 ? "whole" : "NOT WHOLE", bar_number(c->events, events), bar_number(c->records, records),
		    bar_number(c->claims, claims), where);
}

int
store_check_redis(struct ctl *ctl, const struct config *config)
{
	struct checking c = {.ctl = ctl, .begun_ms = check_now_ms()};
	enum cs_err err;
	int rc = store_become_owner(ctl, config->key_file);

	if (rc == CTL_OK)
		rc = store_tool(ctl, config, &c.tool);
	if (rc != CTL_OK)
		return rc;
	bar_init(&c.bar, ctl);
	c.findings = (struct store_findings){.ctl = ctl, .bar = &c.bar};
	c.heads = calloc(LAYOUT_BUCKETS, sizeof(c.heads[0]));
	CHECK(c.heads != NULL);
	key_table_init(&c.keys);
	key_table_init(&c.damaged);
	err = tool_heads(c.tool, c.heads, c.why);
	if (err == CS_OK) {
		look_at_heads(&c);
		err = look_at_segments(&c);
	}
	if (err == CS_OK)
		err = walk_buckets(&c);
	if (err == CS_OK)
		err = check_claims_pending(&c);
	if (err == CS_OK)
		err = tool_keys(c.tool, LAYOUT_HELD_MARK, mark_name, &c, c.why);
	if (err == CS_OK)
		err = check_claims_again(&c);
	bar_phase(&c.bar, NULL, 0, 0);
	if (err == CS_OK)
		tell(&c, config->store.redis.prefix);
	else
		rc = ctl_fail(ctl, CTL_UNREACHABLE, "the check did not come to its end: %s", c.why);
	if (err == CS_OK && c.findings.bad > 0)
		rc = CTL_REFUSED;
	key_table_clear(&c.keys);
	key_table_clear(&c.damaged);
	free(c.heads);
	free(c.held);
	free(c.pending);
	tool_close(c.tool);
	return rc;
}
