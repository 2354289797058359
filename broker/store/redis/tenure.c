/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proofs: each bucket that is not open is asked about until it is. One script is under way for a bucket at a time, and
 * those of all buckets go together, so that a new tenure of 1024 buckets costs a few batches.
 */
#include "broker/store/redis/tenure.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/store/redis/tenure_int.h"

enum {
	RETRY_MS = 20,          /* at first; doubled each time, */
	RETRY_MAX_MS = 640,     /* so that what waits for another broker costs the server little */
	HELD_MS = 1000,
	TICK_OPEN_MS = 100,     /* a change of tenure is seen by whoever asks; this is for the quiet buckets */
	TICK_CLOSED_MS = 10,
	TELL_EVERY_MS = 1000,
	LOOK_ALL_MS = 2000,     /* each open bucket is looked at so often: somebody may have emptied the server */
	BUSY_MAX = 128,         /* buckets that are asked for at once, each some 0.1 ms of a server */
	PROVE_ARGS = 6,         /* of prove.lua, before the members */
	AHEAD_US = 1000000,     /* the log goes on at least so far after an opening, so that no earlier mark of a scan lies above */
};

static const char *const names[TENURE__STATES] = {
    [TENURE_AWAY] = "away",
    [TENURE_CHECKING] = "checking",
    [TENURE_WAITING] = "waiting",
    [TENURE_REPAIR] = "repair",
    [TENURE_JOINING] = "joining",
    [TENURE_HELD] = "held",
    [TENURE_OPEN] = "open",
};

const char *
tenure_state_name(enum tenure_state state)
{
	return names[state];
}

struct tenure *
tenure_new(const struct tenure_options *o)
{
	struct tenure *t = calloc(1, sizeof(*t));

	CHECK(t != NULL);
	t->o = *o;
	t->n = o->buckets != 0 ? o->buckets : JOURNAL_BUCKETS;
	CHECK(t->n <= JOURNAL_BUCKETS);
	t->whole_ms = -1;
	for (unsigned i = 0; i < JOURNAL_BUCKETS; i++) {
		t->buckets[i].t = t;
		t->buckets[i].index = i;
		t->buckets[i].due_ms = INT64_MIN;
	}
	return t;
}

void
tenure_free(struct tenure *t)
{
	if (t == NULL)
		return;
	for (unsigned i = 0; i < JOURNAL_BUCKETS; i++)
		repair_free(t->buckets[i].repair);
	while (t->outs != NULL) {
		struct out *out = t->outs;

		t->outs = out->next;
		free(out);
	}
	free(t->peers);
	free(t);
}

long long
proof_code(const struct redisReply *r)
{
	if (r == NULL || r->type != REDIS_REPLY_ARRAY || r->elements == 0 || r->element[0]->type != REDIS_REPLY_INTEGER)
		return 0;
	return r->element[0]->integer;
}

struct view
proof_text(const struct redisReply *r, size_t i)
{
	if (i >= r->elements || r->element[i]->type != REDIS_REPLY_STRING)
		return view_of(NULL, 0);
	return view_of(r->element[i]->str, r->element[i]->len);
}

static void
bucket_open(struct tenure_bucket *b)
{
	struct tenure *t = b->t;

	CHECK(b->state != TENURE_OPEN);
	b->state = TENURE_OPEN;
	b->tries = 0;
	t->count.opened++;
	if (++t->open_n == t->n)
		t->whole_ms = t->now_ms;
}

/* Nothing is served from it any more, and what is under way for it does not count. */
static void
bucket_leave(struct tenure_bucket *b, enum tenure_state to)
{
	struct tenure *t = b->t;

	if (b->state == TENURE_OPEN) {
		b->turn++;
		t->open_n--;
		t->whole_ms = -1;
	}
	b->state = to;
	outs_reset(t, b->index);
	if (t->o.hooks.closed != NULL)
		t->o.hooks.closed(t->o.hooks.arg, b->index);
}

void
bucket_later(struct tenure_bucket *b, int64_t ms, bool backs_off)
{
	b->busy = false;
	if (backs_off) {
		ms = ms << (b->tries < 5 ? b->tries : 5);
		b->tries++;
	}
	b->due_ms = b->t->now_ms + ms;
}

static void
waits_note(struct tenure_bucket *b, const struct redisReply *r)
{
	b->waits_n = r->elements - 1;
	for (size_t i = 0; i < b->waits_n && i < WAITS_KEPT; i++) {
		struct view id = proof_text(r, 1 + i);

		snprintf(b->waits[i], sizeof(b->waits[i]), "%.*s", (int)id.len, id.data == NULL ? "" : id.data);
	}
}

/* 1024 buckets may have the same to say, and each of them says it again and again. */
static bool
may_tell(struct tenure *t)
{
	if (t->told_ms != 0 && t->now_ms - t->told_ms < TELL_EVERY_MS)
		return false;
	t->told_ms = t->now_ms > 0 ? t->now_ms : 1;
	return true;
}

/* Members that this journal did not know: they are written down before this broker takes part. False: none was. */
static bool
learn(struct tenure_bucket *b, const struct redisReply *r)
{
	size_t learnt = 0;

	for (size_t i = 1; i + 1 < r->elements; i += 2) {
		struct view id = proof_text(r, i), name = proof_text(r, i + 1);
		char id_text[JOURNAL_MEMBER_TEXT], name_text[JOURNAL_NAME_TEXT];
		enum cs_err err;

		if (id.len != JOURNAL_MEMBER_TEXT - 1 || memchr(id.data, '\0', id.len) != NULL)
			continue;
		snprintf(id_text, sizeof(id_text), "%.*s", (int)id.len, id.data);
		snprintf(name_text, sizeof(name_text), "%.*s", (int)(name.len < sizeof(name_text) ? name.len : sizeof(name_text) - 1), name.data);
		err = journal_member_add(b->t->o.journal, id_text, name_text);
		if (err != CS_OK) {
			if (may_tell(b->t))
				log_error("store cannot note broker id=%s in its journal, so its part of the data stays closed err=%s: %s", id_text, cs_err_name(err),
				    err == CS_ERR_FULL && journal_members_n(b->t->o.journal) == JOURNAL_MEMBERS_MAX ?
				    "'store forget' those that will never come back" : "see 'store status' for what is wrong with the journal");
			return false;
		}
		learnt++;
	}
	return learnt > 0;
}

static void
proved(void *ctx, enum cs_err err, const struct fleet_reply *reply)
{
	struct tenure_bucket *b = ctx;
	const struct redisReply *r = err == CS_OK ? reply->value : NULL;
	bool again = b->doubted;

	b->busy = false;
	b->doubted = false;
	b->waits_n = 0;
	if (proof_code(r) != 0 && proof_code(r) != PROOF_TENURE)
		snprintf(b->proved, sizeof(b->proved), "%s", b->tenure);
	if (err == CS_ERR_CORRUPT && may_tell(b->t))
		log_warn("store bucket=%u cannot be checked: %s", b->index, log_value(view_of(reply->value->str, reply->value->len)));
	if (again) {
		bucket_step(b);
		return;
	}
	switch (proof_code(r)) {
	case PROOF_OPEN:
		bucket_open(b);
		return;
	case PROOF_LOST:
		b->busy = true;
		repair_put(b, r->elements > 1 && r->element[1]->type == REDIS_REPLY_INTEGER ? (uint64_t)r->element[1]->integer : 0);
		return;
	case PROOF_WAITING:
		b->state = TENURE_WAITING;
		waits_note(b, r);
		break;
	case PROOF_REPAIR:
		b->busy = true;
		b->state = TENURE_REPAIR;
		repair_apply(b, proof_text(r, 1));
		return;
	case PROOF_LEARN:
		if (learn(b, r)) {
			bucket_step(b);
			return;
		}
		break;
	case PROOF_HELD:
		b->state = TENURE_HELD;
		waits_note(b, r);
		bucket_later(b, HELD_MS, false);
		return;
	case PROOF_JOINING:
		b->state = TENURE_JOINING;
		waits_note(b, r);
		break;
	default:
		b->state = TENURE_CHECKING;
		break;
	}
	bucket_later(b, RETRY_MS, true);
}

static struct peer *
peer_of(struct tenure *t, const char *id)
{
	for (size_t i = 0; i < t->peers_n; i++)
		if (strcmp(t->peers[i].id, id) == 0)
			return &t->peers[i];
	t->peers = realloc(t->peers, (t->peers_n + 1) * sizeof(*t->peers));
	CHECK(t->peers != NULL);
	t->peers[t->peers_n] = (struct peer){.live_until_ms = INT64_MIN};
	snprintf(t->peers[t->peers_n].id, JOURNAL_MEMBER_TEXT, "%s", id);
	return &t->peers[t->peers_n++];
}

/* The greatest of the owners' clocks, once a tick. */
static int64_t
owners_time_us(struct tenure *t)
{
	if (t->time_us != 0)
		return t->time_us;
	t->time_us = 1;
	for (unsigned i = 0; i < t->n; i++) {
		int64_t us = fleet_time_us(t->o.fleet, i);

		if (us > t->time_us)
			t->time_us = us;
	}
	return t->time_us;
}

static struct view
peer_flags(struct tenure *t, const char *id)
{
	const struct peer *p = peer_of(t, id);
	bool live = t->now_ms < p->live_until_ms;

	return p->confirmed ? live ? VIEW("11") : VIEW("10") : live ? VIEW("01") : VIEW("00");
}

void
bucket_step(struct tenure_bucket *b)
{
	struct tenure *t = b->t;
	struct journal *j = t->o.journal;
	const char *now = fleet_tenure(t->o.fleet, b->index), *name;
	struct view keys[2], args[PROVE_ARGS + 3 * JOURNAL_MEMBERS_MAX];
	struct layout_key key[2];
	char position[24], least[24];
	size_t n = PROVE_ARGS;

	if (b->busy)
		return;
	if (journal_waits(j)) {
		/* What is acknowledged in a moment belongs to the proof. */
		bucket_later(b, 0, false);
		return;
	}
	if (now == NULL) {
		b->state = TENURE_AWAY;
		bucket_later(b, RETRY_MS, false);
		return;
	}
	if (b->state == TENURE_AWAY || strcmp(now, b->tenure) != 0)
		b->state = TENURE_CHECKING;
	snprintf(b->tenure, sizeof(b->tenure), "%s", now);
	snprintf(position, sizeof(position), "%llu", (unsigned long long)journal_position(j, b->index));
	snprintf(least, sizeof(least), "%llu", (unsigned long long)layout_seq(layout_units_at(owners_time_us(t) + AHEAD_US), b->index));
	keys[0] = layout_key(t->o.layout, b->index, LAYOUT_HEAD, NULL, 0, &key[0]);
	keys[1] = layout_key(t->o.layout, b->index, LAYOUT_REPAIR, NULL, 0, &key[1]);
	args[0] = view_str(b->tenure);
	args[1] = view_str(journal_member(j));
	args[2] = view_str(t->o.name);
	args[3] = view_str(position);
	args[4] = view_str(least);
	args[5] = b->proved[0] != '\0' && strcmp(b->proved, b->tenure) != 0 ? VIEW("1") : VIEW("0");
	for (size_t i = 0; i < journal_members_n(j); i++) {
		const char *id = journal_member_at(j, i, &name);

		args[n++] = view_str(id);
		args[n++] = view_str(name);
		args[n++] = peer_flags(t, id);
	}
	b->busy = true;
	fleet_script(t->o.fleet, b->index, SCRIPT_PROVE, keys, 2, args, n, FLEET_AGAIN, proved, b);
}

/* Whether what was open still is: the owner may be another now. */
static bool
bucket_current(struct tenure_bucket *b)
{
	const char *now = fleet_tenure(b->t->o.fleet, b->index);

	return now != NULL && strcmp(now, b->tenure) == 0;
}

static uint64_t
count_of(struct view text)
{
	char copy[24];

	snprintf(copy, sizeof(copy), "%.*s", (int)(text.len < sizeof(copy) ? text.len : 0), text.data == NULL ? "" : text.data);
	return strtoull(copy, NULL, 10);
}

static void
looked(void *ctx, enum cs_err err, const struct fleet_reply *reply)
{
	struct tenure_bucket *b = ctx;
	const struct redisReply *r = err == CS_OK ? reply->value : NULL;

	b->looking = false;
	if (r == NULL || b->state != TENURE_OPEN || strcmp(reply->tenure, b->tenure) != 0)
		return;
	if (!view_equal(proof_text(r, 0), view_str(b->tenure)) || count_of(proof_text(r, 1)) < journal_position(b->t->o.journal, b->index))
		tenure_doubt(b->t, b->index);
}

/*
 * Data may go without a change of tenure: by a FLUSHALL, or where another member found them gone. Whoever uses a bucket
 * sees it at once; this is so that nobody waits for a member that has nothing to do there.
 */
static void
look_again(struct tenure *t)
{
	int64_t passed = t->now_ms - t->looked_ms;
	unsigned n = passed >= LOOK_ALL_MS ? t->n : (unsigned)(passed * t->n / LOOK_ALL_MS);

	if (n == 0)
		return;
	t->looked_ms = t->now_ms;
	for (unsigned i = 0; i < n; i++) {
		struct tenure_bucket *b = &t->buckets[t->look_at++ % t->n];
		struct layout_key name;
		char field[JOURNAL_MEMBER_TEXT + 2];
		struct view argv[4] = {VIEW("HMGET"), layout_key(t->o.layout, b->index, LAYOUT_HEAD, NULL, 0, &name), VIEW("t"), {field, 0}};

		if (b->state != TENURE_OPEN || b->looking)
			continue;
		b->looking = true;
		argv[3].len = (size_t)snprintf(field, sizeof(field), "w:%s", journal_member(t->o.journal));
		fleet_ask(t->o.fleet, b->index, argv, 4, FLEET_READS | FLEET_UNFENCED, looked, b);
	}
}

static void
bucket_left(struct tenure_bucket *b)
{
	bucket_leave(b, TENURE_CHECKING);
	b->due_ms = b->t->now_ms;
	b->tries = 0;
}

/*
 * Not all that are due are asked for at once: a server that is slow just then could not answer them in time, and would be
 * asked for all of them again and again. So it opens some, and then some more.
 */
static void
buckets_sweep(struct tenure *t)
{
	unsigned busy = 0, from = t->sweep_at;

	for (unsigned i = 0; i < t->n; i++) {
		struct tenure_bucket *b = &t->buckets[i];

		if ((b->state == TENURE_OPEN || b->state == TENURE_JOINING) && !bucket_current(b))
			bucket_left(b);
		busy += b->busy;
	}
	for (unsigned i = 0; i < t->n && busy < BUSY_MAX; i++) {
		struct tenure_bucket *b = &t->buckets[(from + i) % t->n];

		if (b->state == TENURE_OPEN || b->busy || b->due_ms > t->now_ms)
			continue;
		bucket_step(b);
		busy += b->busy;
		t->sweep_at = b->index + 1;
	}
}

int64_t
tenure_tick(struct tenure *t, int64_t now_mono_ms)
{
	t->now_ms = now_mono_ms;
	t->time_us = 0;
	if (t->barred) {
		outs_sweep(t);
		return TICK_CLOSED_MS;
	}
	/* Called in each turn of the loop: whoever uses a bucket sees for itself whether it is current. */
	if (t->open_n < t->n || now_mono_ms - t->swept_ms >= TICK_OPEN_MS) {
		t->swept_ms = now_mono_ms;
		buckets_sweep(t);
		outs_sweep(t);
	}
	look_again(t);
	return t->open_n == t->n ? TICK_OPEN_MS : TICK_CLOSED_MS;
}

const char *
tenure_open(struct tenure *t, unsigned bucket)
{
	struct tenure_bucket *b = &t->buckets[bucket];

	CHECK(bucket < JOURNAL_BUCKETS);
	if (b->state != TENURE_OPEN || t->barred)
		return NULL;
	if (bucket_current(b))
		return b->tenure;
	bucket_left(b);
	return NULL;
}

const char *
tenure_shared(const struct tenure *t, unsigned bucket)
{
	const struct tenure_bucket *b = &t->buckets[bucket];
	const char *now = fleet_tenure(t->o.fleet, bucket);

	if ((b->state != TENURE_OPEN && b->state != TENURE_JOINING) || now == NULL || strcmp(now, b->tenure) != 0)
		return NULL;
	return b->tenure;
}

enum tenure_state
tenure_state(const struct tenure *t, unsigned bucket)
{
	CHECK(bucket < JOURNAL_BUCKETS);
	return t->buckets[bucket].state;
}

uint32_t
tenure_turn(const struct tenure *t, unsigned bucket)
{
	CHECK(bucket < JOURNAL_BUCKETS);
	return t->buckets[bucket].turn;
}

bool
tenure_holds(const struct tenure *t, unsigned bucket, uint32_t turn)
{
	CHECK(bucket < JOURNAL_BUCKETS);
	return t->buckets[bucket].state == TENURE_OPEN && t->buckets[bucket].turn == turn && !t->barred;
}

void
tenure_doubt(struct tenure *t, unsigned bucket)
{
	struct tenure_bucket *b = &t->buckets[bucket];

	CHECK(bucket < JOURNAL_BUCKETS);
	if (b->state == TENURE_OPEN || b->state == TENURE_JOINING)
		bucket_leave(b, TENURE_CHECKING);
	if (b->busy) {
		b->doubted = true;
		return;
	}
	b->tries = 0;
	b->due_ms = t->now_ms;
}

int64_t
tenure_whole_for_ms(const struct tenure *t, int64_t now_mono_ms)
{
	return t->whole_ms < 0 || now_mono_ms <= t->whole_ms ? 0 : now_mono_ms - t->whole_ms;
}

void
tenure_confirmed(struct tenure *t, const char *id)
{
	struct peer *p = peer_of(t, id);

	if (p->confirmed)
		return;
	p->confirmed = true;
	for (unsigned i = 0; i < t->n; i++)
		if (t->buckets[i].state == TENURE_JOINING)
			t->buckets[i].due_ms = t->now_ms;
}

void
tenure_seen_live(struct tenure *t, const char *id, int64_t until_mono_ms)
{
	peer_of(t, id)->live_until_ms = until_mono_ms;
}

void
tenure_bar(struct tenure *t)
{
	t->barred = true;
}

static const char *
name_of(const struct tenure *t, const char *id)
{
	const char *name;

	for (size_t i = 0; i < journal_members_n(t->o.journal); i++)
		if (strcmp(journal_member_at(t->o.journal, i, &name), id) == 0 && name[0] != '\0')
			return name;
	return strcmp(id, journal_member(t->o.journal)) == 0 ? t->o.name : id;
}

static void
status_wait(const struct tenure *t, const char *id, struct tenure_status *out)
{
	const char *name = name_of(t, id);
	size_t kept = out->waits_n < sizeof(out->waits) / sizeof(out->waits[0]) ? out->waits_n : sizeof(out->waits) / sizeof(out->waits[0]);

	for (size_t i = 0; i < kept; i++)
		if (strncmp(out->waits[i], name, JOURNAL_NAME_TEXT - 1) == 0)
			return;
	if (kept < sizeof(out->waits) / sizeof(out->waits[0]))
		snprintf(out->waits[kept], JOURNAL_NAME_TEXT, "%s", name);
	out->waits_n = kept + 1;
}

void
tenure_status(const struct tenure *t, struct tenure_status *out)
{
	*out = t->count;
	memset(out->buckets, 0, sizeof(out->buckets));
	out->waits_n = 0;
	for (unsigned i = 0; i < t->n; i++) {
		const struct tenure_bucket *b = &t->buckets[i];

		if (b->state == TENURE_HELD && out->buckets[TENURE_HELD] == 0)
			out->first_held = i;
		out->buckets[b->state]++;
		if (b->state == TENURE_WAITING || b->state == TENURE_HELD || b->state == TENURE_JOINING)
			for (size_t w = 0; w < b->waits_n && w < WAITS_KEPT; w++)
				status_wait(t, b->waits[w], out);
	}
}
