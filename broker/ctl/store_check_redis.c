/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store check of a shared store, beside its brokers. The logs tell which records there are, and what each must be by now;
 * then each record's state and set of link keys, and for each of these keys its place in the index. What a broker writes
 * meanwhile makes things newer, never older: so only what is older, missing or contradicts itself is told, and what looks
 * as if it were under way is looked at again at the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "broker/base/check.h"
#include "broker/base/bytes.h"
#include "broker/core/account.h"
#include "broker/ctl/key_table.h"
#include "broker/ctl/store.h"
#include "broker/engine/record_state.h"
#include "broker/store/redis/claim_code.h"
#include "broker/store/redis/scripts.h"
#include "broker/store/redis/tool.h"

#define SET_FIRST "100"
#define SET_PAGE "500"

enum {
	CURSOR_TEXT = 24,
	BUCKETS_AT_ONCE = 16,
	PENDING_S = 60,          /* a commit takes a second: who is still taking a key after so long has died */
	POISON_S = 24 * 3600,
	STATES_AT_ONCE = 2000,
	SETS_AT_ONCE = 128,      /* sets that are longer than what comes with the first answer */
	HELD_AT_ONCE = 65536,    /* link keys in hand, before the index is asked for them */
};

#define BACKUP "let the brokers' journals put it back: start all of them, and look at `store status`; else restore the servers from a backup"

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

static int64_t
now_ms(void)
{
	struct timespec t;

	CHECK(clock_gettime(CLOCK_BOOTTIME, &t) == 0);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const char *
place(struct checking *c, const char *what, const struct store_key *key, uint64_t seq)
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

static void
keep(struct claim_seen **list, size_t *n, size_t *cap, const struct claim_seen *seen)
{
	if (*n == *cap) {
		*cap = *cap == 0 ? 256 : *cap * 2;
		*list = realloc(*list, *cap * sizeof((*list)[0]));
		CHECK(*list != NULL);
	}
	(*list)[(*n)++] = *seen;
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
		store_found(&c->findings, "an event lies in another bucket than its account", place(c, "account", &ev->key, seq), BACKUP);
	else if (ev->revision != e->revision + 1)
		store_found(&c->findings, "a revision is missing in the log", place(c, "account", &ev->key, seq), BACKUP);
	else if (ev->back != e->seq)
		store_found(&c->findings, "an event names another one as the one before it", place(c, "account", &ev->key, seq), BACKUP);
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
		store_found(&c->findings, "an account with events has no state", place(c, "account", &s->of->key, s->of->seq), BACKUP);
	else if (s->bad)
		store_found(&c->findings, "a state fails its checksum", place(c, "account", &s->of->key, 0), BACKUP);
	else if (s->hot.held)
		store_found(&c->findings, "an account is held: not all that was acknowledged could be put back in its place",
		    place(c, "account", &s->of->key, 0), "look at its events; `countersignctl store release ACCOUNT REASON` lets it go on as it stands");
	else if (s->hot.revision < s->of->revision)
		store_found(&c->findings, "a state is older than its newest event", place(c, "account", &s->of->key, s->of->seq), BACKUP);
	else if (s->hot.revision == s->of->revision && s->hot.last_seq != s->of->seq)
		store_found(&c->findings, "a state names another event as its newest", place(c, "account", &s->of->key, s->hot.last_seq), BACKUP);
	else if (!sound_state(&s->of->key, &s->hot))
		store_found(&c->findings, "a state is none of an account", place(c, "account", &s->of->key, 0), BACKUP);
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
		    place(s->c, "account", &s->of->key, 0), BACKUP);
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
			store_found(&s->c->findings, "what an account holds is no link key", place(s->c, "account", &s->of->key, 0), BACKUP);
			continue;
		}
		memcpy(seen.claim.b, v.data, v.len);
		keep(&s->c->held, &s->c->held_n, &s->c->held_cap, &seen);
	}
}

static void
ask(struct checking *c, const char *command, enum layout_kind kind, const struct store_key *key, struct view more, tool_fn *fn,
    void *ctx, uint64_t tag)
{
	struct layout_key name;
	struct view argv[3] = {view_str(command), layout_key_of(tool_layout(c->tool), kind, key, &name), more};

	tool_ask(c->tool, layout_bucket(key), argv, more.data == NULL ? 2 : 3, FLEET_READS, fn, ctx, tag);
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

static enum cs_err look_at_all_held(struct checking *c);

/* What did not come with the first answer. */
static enum cs_err
read_long_sets(struct checking *c, struct state *states, size_t n)
{
	enum cs_err err = CS_OK;
	size_t asked;

	do {
		if (c->held_n >= HELD_AT_ONCE)
			err = look_at_all_held(c);
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
			ask(c, "GET", LAYOUT_RECORD, &states[n].of->key, view_of(NULL, 0), hot_read, &states[n], 0);
			ask(c, "GET", LAYOUT_COLD, &states[n].of->key, view_of(NULL, 0), cold_read, &states[n], 0);
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

/* --- link keys --- */

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
		ask(c, "GET", LAYOUT_CLAIM, &list[i].claim, view_of(NULL, 0), index_read, list, i);
		if (i % STATES_AT_ONCE == STATES_AT_ONCE - 1)
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

	ask(c, "SISMEMBER", LAYOUT_CLAIMS, record, view_of(claim->b, sizeof(claim->b)), truth_read, &n, 0);
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
	store_found(&c->findings, what, place(c, "link key", &seen->claim, 0), mend);
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
			right.version = (uint64_t)now_ms() << 16; /* above whatever it was */
		told(c, seen, seen->damaged ? "the index of a link key fails its checksum" : "a link key that an account holds is not in the index",
		    true, &right);
		return CS_OK;
	}
	if (seen->value.state == CLAIM_PENDING) {
		keep(&c->pending, &c->pending_n, &c->pending_cap, seen);
		return CS_OK;
	}
	if (!own && seen->value.state == CLAIM_SETTLED)
		err = holds(c, &seen->value.holder, &seen->claim, &other);
	if (err == CS_OK)
		told(c, seen, other ? "a link key is held by two accounts" : "the index of a link key names an account that does not hold it", !other,
		    &right);
	return err;
}

static enum cs_err
look_at_all_held(struct checking *c)
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
			store_found(&c->findings, "the index of a link key fails its checksum", place(c, "link key", &seen->claim, 0),
			    "`countersignctl store check --repair` mends it where an account holds it");
		else if (seen->len > 0 && seen->value.state == CLAIM_PENDING)
			keep(&c->pending, &c->pending_n, &c->pending_cap, seen);
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
	keep(&c->held, &c->held_n, &c->held_cap, &seen);
	if (c->held_n == STATES_AT_ONCE)
		c->err = look_at_index(c);
	return c->err == CS_OK;
}

static enum cs_err
find_pending(struct checking *c)
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
		store_found(&c->findings, "a link key was being taken for more than a minute: its broker died", place(c, "link key", &p->claim, 0), mend);
	return err;
}

static enum cs_err
look_again(struct checking *c)
{
	struct claim_seen *before;
	int64_t wait = c->begun_ms + PENDING_S * 1000 - now_ms();
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
	store_found(&c->findings, "something of an account could not be put back in its place", place(c, "account", &key, 0),
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
			err = look_at_all_held(c);
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
	struct checking c = {.ctl = ctl, .begun_ms = now_ms()};
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
		err = find_pending(&c);
	if (err == CS_OK)
		err = tool_keys(c.tool, LAYOUT_HELD_MARK, mark_name, &c, c.why);
	if (err == CS_OK)
		err = look_again(&c);
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
