/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether Redis holds what the file holds, with nobody writing to either: the log by a checksum a bucket, every record's state,
 * link keys and old payment by itself. A state is compared with the file's snapshot, or where the broker was killed, with
 * what the file's own log makes of that.
 */
#include "broker/ctl/store_import.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/ctl/store_digest.h"
#include "broker/ctl/store_event_page.h"
#include "broker/engine/engine.h"
#include "broker/store/redis/claim_code.h"

enum { BUCKETS_AT_ONCE = 64 };

/* A state that is newer than its snapshot. */
struct late {
	struct store_key key;
	uint64_t revision, seq;
	struct bytes hot, cold;
	bool seen;               /* its snapshot came by */
};

struct verifying {
	struct moving *m;
	struct store_digest *mine, *theirs; /* a bucket each */
	struct late *late;
	size_t late_n, late_cap;
	struct key_table places; /* of late: seen is its index + 1 */
	uint64_t done, claims, held, sets;
	bool bad;
	char what[TOOL_WHY_TEXT];
};

/* What one answer is compared with. */
struct expected {
	struct verifying *v;
	struct store_key key, other;
	uint64_t revision, seq;
	struct hash hot, cold;
	uint8_t payment[STORE_SUMMARY_MAX + 64];
	size_t payment_len;
	bool held;
};

static void
differs(struct verifying *v, const struct store_key *key, const char *what)
{
	size_t n;

	if (v->bad)
		return;
	v->bad = true;
	n = (size_t)snprintf(v->what, sizeof(v->what), "%s of account ", what);
	for (size_t i = 0; i < sizeof(key->b); i++)
		n += (size_t)snprintf(v->what + n, sizeof(v->what) - n, "%02x", key->b[i]);
	(void)snprintf(v->what + n, sizeof(v->what) - n, " (bucket %u)", layout_bucket(key));
}

/* --- states --- */

/* Both parts in one answer, so that they are of one moment. */
static void
record_answered(void *ctx, uint64_t tag, const struct redisReply *value)
{
	struct expected *x = ctx;
	struct view cold = view_of(NULL, 0);
	struct layout_hot hot;
	struct hash h, c;

	(void)tag;
	if (layout_get_hot(tool_bytes(tool_element(value, 0)), &x->key, &hot) != CS_OK || hot.held || hot.revision != x->revision ||
	    (!x->v->m->renumbered && hot.last_seq != x->seq) ||
	    (hot.cold_revision != 0 &&
	     layout_get_cold(tool_bytes(tool_element(value, 1)), &x->key, hot.cold_revision, &cold) != CS_OK)) {
		differs(x->v, &x->key, "the state");
	} else {
		sha256(hot.hot, &h);
		sha256(cold, &c);
		if (!hash_equal(&h, &x->hot) || !hash_equal(&c, &x->cold))
			differs(x->v, &x->key, "the state");
	}
	free(x);
}

static void
set_answered(void *ctx, uint64_t tag, const struct redisReply *value)
{
	struct verifying *v = ctx;
	int64_t n = tool_number(value);

	(void)tag;
	v->sets += n > 0 ? (uint64_t)n : 0;
}

static void
ask_key(struct verifying *v, const char *command, enum layout_kind kind, const struct store_key *key, struct view member,
    tool_fn *fn, void *x)
{
	struct layout_key name;
	struct view argv[3] = {view_str(command), layout_key_of(tool_layout(v->m->tool), kind, key, &name), member};

	tool_ask(v->m->tool, layout_bucket(key), argv, member.data == NULL ? 2 : 3, FLEET_READS, fn, x, 0);
}

static void
expect_record(struct verifying *v, const struct store_key *key, uint64_t revision, uint64_t seq, struct view hot, struct view cold)
{
	struct expected *x = calloc(1, sizeof(*x));
	const struct layout *l = tool_layout(v->m->tool);
	struct layout_key names[2];
	struct view argv[3] = {VIEW("MGET"), layout_key_of(l, LAYOUT_RECORD, key, &names[0]), layout_key_of(l, LAYOUT_COLD, key, &names[1])};

	CHECK(x != NULL);
	*x = (struct expected){.v = v, .key = *key, .revision = revision, .seq = seq};
	sha256(hot, &x->hot);
	sha256(cold, &x->cold);
	tool_ask(v->m->tool, layout_bucket(key), argv, 3, FLEET_READS, record_answered, x, 0);
	ask_key(v, "SCARD", LAYOUT_CLAIMS, key, view_of(NULL, 0), set_answered, v);
	v->done++;
}

static struct late *
late_of(struct verifying *v, const struct store_key *key)
{
	const struct key_entry *e = key_table_get(&v->places, key);

	return e == NULL ? NULL : &v->late[e->seen - 1];
}

static bool
give_record(void *ctx, const struct record_snapshot *s)
{
	struct verifying *v = ctx;
	struct late *late = late_of(v, &s->key);

	if (late == NULL)
		expect_record(v, &s->key, s->revision, s->last_seq, s->hot, s->cold);
	else
		late->seen = true;
	return true;
}

static bool
late_begin(void *ctx, const struct record_snapshot *s)
{
	struct late *l = ctx;

	l->revision = s->revision;
	l->seq = s->last_seq;
	buf_put_view(&l->hot.buf, s->hot);
	buf_put_view(&l->cold.buf, s->cold);
	return true;
}

static enum cs_err
late_new(struct verifying *v, const struct store_key *key, struct late **out)
{
	struct late *l;
	enum cs_err err;

	if (v->late_n == v->late_cap) {
		v->late_cap = v->late_cap == 0 ? 256 : v->late_cap * 2;
		v->late = realloc(v->late, v->late_cap * sizeof(v->late[0]));
		CHECK(v->late != NULL);
	}
	l = &v->late[v->late_n++];
	*l = (struct late){.key = *key};
	bytes_init(&l->hot, STORE_HOT_MAX);
	bytes_init(&l->cold, STORE_COLD_MAX);
	key_table_put(&v->places, key)->seen = v->late_n;
	err = store_pages_record(v->m->pages, key, late_begin, l, v->m->why);
	*out = l;
	return err == CS_ERR_NOT_FOUND ? CS_OK : err;
}

static enum cs_err
late_event(struct verifying *v, const struct import_event *ev)
{
	struct late *l = late_of(v, &ev->key);
	struct bytes hot, cold;
	enum cs_err err = l == NULL ? late_new(v, &ev->key, &l) : CS_OK;

	if (err != CS_OK || ev->revision <= l->revision)
		return err;
	/* The function wants room to the limit from the beginning. */
	bytes_init(&hot, STORE_HOT_MAX);
	bytes_init(&cold, STORE_COLD_MAX);
	buf_put_view(&hot.buf, buf_view(&l->hot.buf));
	buf_put_view(&cold.buf, buf_view(&l->cold.buf));
	err = engine_replay(NULL, &ev->key, ev->revision, &hot.buf, &cold.buf, ev->event, ev->extra);
	bytes_clear(&l->hot);
	bytes_clear(&l->cold);
	l->hot = hot;
	l->cold = cold;
	l->revision = ev->revision;
	l->seq = ev->seq;
	if (err != CS_OK)
		(void)snprintf(v->m->why, TOOL_WHY_TEXT, "event %llu does not fit the record that it is of", (unsigned long long)ev->seq);
	return err;
}

/* --- the log --- */

static enum cs_err
read_mine(struct verifying *v, uint64_t folded)
{
	struct store_event_page page;
	uint64_t at = 0;
	enum cs_err err;

	store_event_page_init(&page);
	do {
		err = store_event_page_read(&page, v->m->pages, &at, v->m->why);
		for (size_t i = 0; err == CS_OK && i < page.n; i++) {
			const struct import_event *ev = &page.events[i];

			store_digest_event(&v->mine[layout_bucket(&ev->key)], v->m->renumbered ? 0 : ev->seq, &ev->key, ev->revision, ev->event,
			    ev->extra);
			if (ev->seq > folded)
				err = late_event(v, ev);
		}
		bar_at(&v->m->bar, at);
	} while (err == CS_OK && page.n > 0);
	store_event_page_clear(&page);
	return err;
}

static bool
event_theirs(void *ctx, unsigned bucket, uint64_t seq, const struct layout_event *ev)
{
	struct verifying *v = ctx;

	if (ev == NULL) {
		if (!v->bad)
			(void)snprintf(v->what, sizeof(v->what), "event %llu (bucket %u), whose bytes fail their checksum,", (unsigned long long)seq, bucket);
		v->bad = true;
		return false;
	}
	if (v->m->seen != NULL)
		v->m->seen(v->m->seen_ctx, seq);
	store_digest_event(&v->theirs[bucket], v->m->renumbered ? 0 : seq, &ev->key, ev->revision, ev->event, ev->extra);
	if (++v->done % 256 == 0)
		bar_at(&v->m->bar, v->done);
	return true;
}

static enum cs_err
verify_log(struct verifying *v, uint64_t folded)
{
	enum cs_err err;

	bar_phase(&v->m->bar, "reading", 0, v->m->events);
	err = read_mine(v, folded);
	bar_phase(&v->m->bar, "comparing", 0, v->m->events);
	for (unsigned b = 0; err == CS_OK && !v->bad && b < LAYOUT_BUCKETS; b += BUCKETS_AT_ONCE)
		err = tool_log(v->m->tool, b, BUCKETS_AT_ONCE, event_theirs, v, v->m->why);
	for (unsigned b = 0; err == CS_OK && !v->bad && b < LAYOUT_BUCKETS; b++) {
		if (store_digest_equal(&v->mine[b], &v->theirs[b]))
			continue;
		v->bad = true;
		(void)snprintf(v->what, sizeof(v->what), "the log of bucket %u (%llu events here, %llu in Redis)", b,
		    (unsigned long long)v->mine[b].n, (unsigned long long)v->theirs[b].n);
	}
	return err;
}

/* --- link keys and payments --- */

static void
claim_answered(void *ctx, uint64_t tag, const struct redisReply *value)
{
	struct expected *x = ctx;
	struct claim_value claim;
	bool same;

	(void)tag;
	/* A commit that died half way leaves a key pending: who holds it says the set, which is asked besides. */
	same = claim_decode(tool_bytes(value), &x->key, &claim) == CS_OK &&
	    (memcmp(claim.holder.b, x->other.b, sizeof(x->other.b)) == 0 || (x->v->m->renumbered && claim.state == CLAIM_PENDING));
	if (!same)
		differs(x->v, &x->other, "a link key");
	free(x);
}

static void
holder_answered(void *ctx, uint64_t tag, const struct redisReply *value)
{
	struct expected *x = ctx;

	(void)tag;
	if ((tool_number(value) == 1) != x->held)
		differs(x->v, &x->other, "a link key");
	free(x);
}

static struct expected *
expect_claim(struct verifying *v, const struct record_claim *claim)
{
	struct expected *x = calloc(1, sizeof(*x));

	CHECK(x != NULL);
	*x = (struct expected){.v = v, .key = claim->claim, .other = claim->holder, .held = claim->held};
	return x;
}

static bool
give_claim(void *ctx, const struct record_claim *claim)
{
	struct verifying *v = ctx;

	ask_key(v, "GET", LAYOUT_CLAIM, &claim->claim, view_of(NULL, 0), claim_answered, expect_claim(v, claim));
	ask_key(v, "SISMEMBER", LAYOUT_CLAIMS, &claim->holder, view_of(claim->claim.b, sizeof(claim->claim.b)), holder_answered,
	    expect_claim(v, claim));
	v->claims++;
	v->held += claim->held;
	return true;
}

static void
payment_answered(void *ctx, uint64_t tag, const struct redisReply *value)
{
	struct expected *x = ctx;

	(void)tag;
	if (!view_equal(tool_bytes(value), view_of(x->payment, x->payment_len)))
		differs(x->v, &x->key, "an old payment");
	free(x);
}

static bool
give_payment(void *ctx, const struct record_payment *payment)
{
	struct verifying *v = ctx;
	struct expected *x = calloc(1, sizeof(*x));
	struct layout_key name;
	struct view argv[2] = {VIEW("GET"), layout_payment(tool_layout(v->m->tool), &payment->key, &payment->payment, &name)};
	struct buf b;

	CHECK(x != NULL);
	*x = (struct expected){.v = v, .key = payment->key};
	b = buf_over(x->payment, sizeof(x->payment));
	record_put_payment(&b, payment);
	x->payment_len = b.len;
	tool_ask(v->m->tool, layout_bucket(&payment->key), argv, 2, FLEET_READS, payment_answered, x, 0);
	v->done++;
	return true;
}

/* --- all of it --- */

typedef enum cs_err page_fn(struct verifying *v, struct store_pages_place *at);

static enum cs_err
page_records(struct verifying *v, struct store_pages_place *at)
{
	return store_pages_records(v->m->pages, at, give_record, v, v->m->why);
}

static enum cs_err
page_claims(struct verifying *v, struct store_pages_place *at)
{
	return store_pages_claims(v->m->pages, at, give_claim, v, v->m->why);
}

static enum cs_err
page_payments(struct verifying *v, struct store_pages_place *at)
{
	return store_pages_payments(v->m->pages, at, give_payment, v, v->m->why);
}

static enum cs_err
walk(struct verifying *v, const char *phase, uint64_t total, const uint64_t *count, page_fn *page)
{
	struct store_pages_place at = {.begun = false}, before;
	enum cs_err err;

	bar_phase(&v->m->bar, phase, 0, total);
	do {
		before = at;
		err = page(v, &at);
		if (err == CS_OK)
			err = tool_wait(v->m->tool, v->m->why);
		bar_at(&v->m->bar, *count);
	} while (err == CS_OK && !v->bad && !store_pages_same(&at, &before));
	return err;
}

static enum cs_err
verify_records(struct verifying *v)
{
	enum cs_err err;

	v->done = 0;
	err = walk(v, "comparing", v->m->records, &v->done, page_records);
	for (size_t i = 0; err == CS_OK && i < v->late_n; i++) {
		const struct late *l = &v->late[i];

		expect_record(v, &l->key, l->revision, l->seq, buf_view(&l->hot.buf), buf_view(&l->cold.buf));
		if (i % 256 == 255)
			err = tool_wait(v->m->tool, v->m->why);
	}
	if (err == CS_OK)
		err = tool_wait(v->m->tool, v->m->why);
	v->m->records = v->done;
	return err;
}

static enum cs_err
verify_all(struct verifying *v, uint64_t folded)
{
	enum cs_err err = verify_log(v, folded);

	if (err == CS_OK && !v->bad)
		err = verify_records(v);
	if (err == CS_OK && !v->bad)
		err = walk(v, "comparing", v->m->claims, &v->claims, page_claims);
	if (err == CS_OK && !v->bad && v->sets != v->held) {
		v->bad = true;
		(void)snprintf(v->what, sizeof(v->what), "the number of link keys that are held (%llu here, %llu in Redis)",
		    (unsigned long long)v->held, (unsigned long long)v->sets);
	}
	v->m->claims = v->claims;
	v->done = 0;
	if (err == CS_OK && !v->bad)
		err = walk(v, "comparing", v->m->payments, &v->done, page_payments);
	v->m->payments = v->done;
	return err;
}

int
store_import_verify(struct moving *m, char head[65])
{
	struct verifying v = {.m = m};
	struct store_digest all = {.n = 0};
	struct record_meta meta = {.folded = 0};
	enum cs_err err = store_pages_meta(m->pages, &meta, m->why);

	v.mine = calloc(LAYOUT_BUCKETS, sizeof(v.mine[0]));
	v.theirs = calloc(LAYOUT_BUCKETS, sizeof(v.theirs[0]));
	CHECK(v.mine != NULL && v.theirs != NULL);
	key_table_init(&v.places);
	if (err == CS_OK)
		err = verify_all(&v, meta.folded);
	for (unsigned b = 0; b < LAYOUT_BUCKETS; b++)
		store_digest_add(&all, &v.mine[b]);
	(void)store_digest_text(&all, head);
	for (size_t i = 0; i < v.late_n; i++) {
		bytes_clear(&v.late[i].hot);
		bytes_clear(&v.late[i].cold);
	}
	free(v.late);
	free(v.mine);
	free(v.theirs);
	key_table_clear(&v.places);
	bar_clear(&m->bar);
	if (err == CS_ERR_UNAVAILABLE || err == CS_ERR_UNKNOWN)
		return ctl_fail(m->ctl, CTL_UNREACHABLE, "Redis does not answer: %s. Say the same command again: it compares once more", m->why);
	if (err != CS_OK)
		return ctl_fail(m->ctl, CTL_FAILED, "%s", m->why);
	if (v.bad && m->renumbered)
		return ctl_fail(m->ctl, CTL_REFUSED, "the copy is not the same as the store on Redis: %s differs. Delete %s.migrating and migrate again, with all "
		    "brokers stopped; if it differs again, `countersignctl store check` says what is wrong", v.what, m->path);
	if (v.bad)
		return ctl_fail(m->ctl, CTL_REFUSED, "the copy is not the same as %s: %s differs. No broker will start on it. Delete the keys that "
		    "begin with \"%s{\" and migrate again; if it differs again, a disk or memory is bad", m->path, v.what,
		    tool_layout(m->tool)->prefix);
	return CTL_OK;
}
