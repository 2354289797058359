/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commits: one script in one round trip. Where its fate is unknown it is asked again with the same id, which the script
 * recognises; what stays unknown is said to be so.
 */
#include <hiredis/hiredis.h>
#include <stdio.h>

#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/base/log.h"
#include "broker/store/redis/redis_int.h"

_Static_assert(COMMIT_CODE_MAX + COMMIT_GROUNDS_BYTES + 8 <= JOURNAL_BODY_MAX, "a commit with all of its ground fits the journal");

enum { SEGMENT_TRIES_MAX = 4 /* others roll it on meanwhile, once in 4096 events */ };

static void commit_answered(void *ctx, enum cs_err err, const struct fleet_reply *r);

long long
answer_code(const struct redisReply *r)
{
	if (r->type != REDIS_REPLY_ARRAY || r->elements == 0 || r->element[0]->type != REDIS_REPLY_INTEGER)
		return 0;
	return r->element[0]->integer;
}

static uint64_t
answer_number(const struct redisReply *r, size_t i)
{
	return i < r->elements && r->element[i]->type == REDIS_REPLY_INTEGER && r->element[i]->integer > 0
	    ? (uint64_t)r->element[i]->integer
	    : 0;
}

static void
cache_drop(struct store_redis *s, const struct store_key *key)
{
	cache_entry_free(cache_take(&s->cache, key));
}

/* What the cache knows of the revision that is expected; NULL where that is another or none. */
static struct cache_entry *
expected_entry(struct call *call)
{
	struct cache_entry *e = cache_get(&call->s->cache, &call->key);

	return e != NULL && e->revision == call->expected ? e : NULL;
}

/* Which of the commits that could have made the revision is meant: so that one from a history that was lost does not pass. */
static void
before_set(struct call *call)
{
	static const uint8_t unknown[LAYOUT_ID_BYTES];
	const struct cache_entry *e = expected_entry(call);

	/* What was read since the bucket was closed is not what the caller decided on. */
	if (e == NULL || memcmp(call->before, unknown, sizeof(unknown)) != 0 ||
	    call->begun_turn != tenure_turn(call->s->tenure, layout_bucket(&call->key)))
		return;
	memcpy(call->before, &e->row_id, sizeof(call->before));
	call->seq = e->last_seq;
	if (cache_making(e).len > 0)
		ground_put(&call->s->doubts, e, &call->ground.buf);
}

static void
claims_taken(void *ctx, enum cs_err err, struct claims_hold *hold)
{
	struct call *call = ctx;

	if (err != CS_OK) {
		call_finish(call, err);
		return;
	}
	call->hold = hold;
	call->state = CALL_ASKED;
	commit_ask(call, claims_tenure(hold));
}

/* Surely not executed now; but perhaps when it was asked before. */
static void
commit_refused(struct call *call, enum cs_err err)
{
	call_finish(call, call->maybe ? CS_ERR_UNKNOWN : err);
}

/*
 * Which commit made the revision that is expected is not known here any more, and the bucket was closed since the store was
 * opened: the record may have come by that number in a history that is lost. Read again, it is known.
 */
static bool
may_be_another(const struct call *call)
{
	static const uint8_t unknown[LAYOUT_ID_BYTES];

	return call->expected > 0 && memcmp(call->before, unknown, sizeof(unknown)) == 0 &&
	    call->turn != call->s->first_turn;
}

/*
 * Whether what widens power rests on a view of providers and freezes that is not too old, and is still as it was when the
 * caller decided: a commit may have waited for long. The broker's own record proves itself by its revision.
 */
static bool
view_serves(struct call *call, enum cs_err *why)
{
	static const struct store_key zero;
	struct store_view view;

	if (call->narrows)
		return true;
	view = members_view(call->s->members, clock_steady_ms());
	*why = view.fresh ? CS_ERR_CONFLICT : CS_ERR_UNAVAILABLE;
	return view.fresh && (view.zero_revision == call->zero_revision || memcmp(call->key.b, zero.b, sizeof(zero.b)) == 0);
}

void
commit_ask(struct call *call, const char *tenure)
{
	struct store_redis *s = call->s;
	unsigned bucket = layout_bucket(&call->key);
	struct commit_where where = {
	    .layout = &s->layout, .tenure = tenure, .member = s->member, .segment = s->segments[bucket], .floor = scans_floor(s->scans),
	    .n_known = journal_position(s->journal, bucket)};
	struct commit_image image;
	char why[JOURNAL_WHY_TEXT];
	enum cs_err err;

	commit_view(buf_view(&call->body.buf), &image);
	err = call->maybe ? CS_OK : journal_health(s->journal, why);
	if (err != CS_OK) {
		call_finish(call, err);
		return;
	}
	if (claims_needed(&image) && call->hold == NULL) {
		claims_take(s->claims, &image, claims_taken, call);
		return;
	}
	if (!view_serves(call, &err)) {
		if (err == CS_ERR_CONFLICT)
			commit_refused(call, err);
		else
			call_later(call, err);
		return;
	}
	if (!call->maybe) {
		before_set(call);
		commit_set_before(&call->body.buf, call->before);
	}
	if (may_be_another(call)) {
		commit_refused(call, CS_ERR_CONFLICT);
		return;
	}
	memcpy(image.before, call->before, sizeof(image.before));
	commit_call_make(&s->commit_call, &where, &image);
	fleet_script(s->fleet, bucket, SCRIPT_COMMIT, s->commit_call.keys, s->commit_call.keys_n, s->commit_call.args,
	    s->commit_call.args_n, 0, commit_answered, call);
}

/*
 * Revisions only grow: where the record has not come as far as the commit would have brought it, it was not executed; nor
 * where it has come just as far, by another commit.
 */
static bool
never_executed(const struct call *call, const struct redisReply *r)
{
	const struct redisReply *now = r->elements > 1 ? r->element[1] : NULL;

	if (now == NULL || now->type != REDIS_REPLY_STRING)
		return false;
	return now->len == 0 || (now->len == 8 && layout_get_be((const uint8_t *)now->str) <= call->expected + call->events_n);
}

static void
commit_answer(struct call *call, const struct redisReply *r)
{
	struct store_redis *s = call->s;
	unsigned bucket = layout_bucket(&call->key);

	switch (answer_code(r)) {
	case ANSWER_DONE:
		call->n = answer_number(r, 1);
		call->seq = answer_number(r, 2);
		/*
		 * The script has seen that the count is as far as what was acknowledged when it was asked. Those in flight beside it,
		 * on other connections, may have been answered before it: their counts say nothing of this one.
		 */
		call_finish(call, call->n > 0 && call->seq > 0 ? CS_OK : CS_ERR_UNKNOWN);
		break;
	case ANSWER_SEGMENT:
		s->segments[bucket] = answer_number(r, 1);
		if (call->segments++ < SEGMENT_TRIES_MAX)
			call_later(call, CS_ERR_UNAVAILABLE);
		else
			commit_refused(call, CS_ERR_UNAVAILABLE);
		break;
	case ANSWER_CONFLICT:
		s->conflicts++;
		if (never_executed(call, r))
			call->maybe = false;
		commit_refused(call, CS_ERR_CONFLICT);
		break;
	case ANSWER_CLAIM:
	case ANSWER_POISONED: /* looked at only where the record is as it was before the commit */
		s->conflicts++;
		call->maybe = false;
		commit_refused(call, CS_ERR_CONFLICT);
		break;
	case ANSWER_STRANGER:
	case ANSWER_SUSPECT: /* claims are put down for one tenure only */
		tenure_doubt(s->tenure, bucket);
		if (call->hold != NULL)
			commit_refused(call, CS_ERR_UNAVAILABLE);
		else
			call_later(call, CS_ERR_UNAVAILABLE);
		break;
	case ANSWER_CORRUPT:
		commit_refused(call, CS_ERR_CORRUPT);
		break;
	default:
		log_warn("msg=\"a commit was refused\" answer=%lld", answer_code(r));
		commit_refused(call, CS_ERR_UNAVAILABLE);
		break;
	}
}

static void
commit_answered(void *ctx, enum cs_err err, const struct fleet_reply *r)
{
	struct call *call = ctx;

	switch (err) {
	case CS_OK:
		if (call_holds(call)) {
			commit_answer(call, r->value);
			break;
		}
		/* fall through */
	case CS_ERR_UNKNOWN:
		call->maybe = true;
		call->s->retries++;
		call_later(call, CS_ERR_UNKNOWN);
		break;
	case CS_ERR_UNAVAILABLE:
		call_later(call, CS_ERR_UNAVAILABLE);
		break;
	case CS_ERR_FULL:
		call->s->full = true;
		commit_refused(call, CS_ERR_FULL);
		break;
	case CS_ERR_CORRUPT:
		log_error("msg=\"Redis could not execute a commit\" error=%s",
		    log_value(view_of(r->value->str, (size_t)r->value->len)));
		err = call->maybe ? CS_ERR_UNKNOWN : CS_ERR_CORRUPT;
		/* A script that ends with an error takes nothing back: its claims may stand in the record's set. */
		call->maybe = true;
		call_finish(call, err);
		break;
	default:
		commit_refused(call, CS_ERR_UNAVAILABLE);
		break;
	}
}

static void
check_answered(void *ctx, enum cs_err err, const struct fleet_reply *r)
{
	struct call *call = ctx;
	long long code = err == CS_OK ? answer_code(r->value) : 0;

	if (code == ANSWER_SUSPECT || code == ANSWER_STRANGER)
		tenure_doubt(call->s->tenure, layout_bucket(&call->key));
	if (err == CS_OK && !call_holds(call))
		call_later(call, CS_ERR_UNAVAILABLE);
	else if (code == ANSWER_DONE) {
		call->n = answer_number(r->value, 1);
		call_finish(call, CS_OK);
	} else if (code == ANSWER_CONFLICT)
		call_finish(call, CS_ERR_CONFLICT);
	else if (code == ANSWER_SUSPECT || code == ANSWER_STRANGER || err == CS_ERR_UNAVAILABLE || err == CS_ERR_UNKNOWN)
		call_later(call, CS_ERR_UNAVAILABLE);
	else
		call_finish(call, CS_ERR_UNAVAILABLE);
}

/*
 * What is answered from what somebody else wrote must be there as long as what we wrote ourselves, and perhaps nobody else has it in a
 * journal: so it is counted, and goes into ours.
 */
static size_t
check_counts(struct call *call, char member[JOURNAL_MEMBER_TEXT + 2], char known[24], struct view args[2])
{
	const struct store_redis *s = call->s;

	if (call->ground.buf.len == 0)
		return 0;
	args[0] = view_of(member, (size_t)snprintf(member, JOURNAL_MEMBER_TEXT + 2, "w:%s", s->member));
	args[1] = view_of(known, (size_t)snprintf(known, 24, "%llu",
	    (unsigned long long)journal_position(s->journal, layout_bucket(&call->key))));
	return 2;
}

void
check_ask(struct call *call, const char *tenure)
{
	struct store_redis *s = call->s;
	unsigned bucket = layout_bucket(&call->key);
	struct layout_key head, record;
	struct view keys[2] = {layout_key(&s->layout, bucket, LAYOUT_HEAD, NULL, 0, &head),
	    layout_key_of(&s->layout, LAYOUT_RECORD, &call->key, &record)};
	static const uint8_t unknown[LAYOUT_ID_BYTES];
	uint8_t expected[8 + LAYOUT_ID_BYTES];
	struct view args[4] = {view_str(tenure)};
	char member[JOURNAL_MEMBER_TEXT + 2], known[24];
	size_t args_n;

	before_set(call);
	if (may_be_another(call)) {
		call_finish(call, CS_ERR_CONFLICT);
		return;
	}
	args_n = 2 + check_counts(call, member, known, args + 2);
	layout_put_be(expected, call->expected);
	memcpy(expected + 8, call->before, LAYOUT_ID_BYTES);
	args[1] = view_of(expected,
	    call->expected == 0					      ? 0
		: memcmp(call->before, unknown, LAYOUT_ID_BYTES) == 0 ? 8
								      : sizeof(expected));
	fleet_script(s->fleet, bucket, SCRIPT_CHECK, keys, 2, args, args_n, args_n > 2 ? FLEET_AGAIN : FLEET_READS,
	    check_answered, call);
}

/* A cold part that did not change comes from the state before; where that is not at hand, the record is read anew. */
static struct cache_entry *
entry_after(struct call *call, const struct commit_image *image)
{
	const struct cache_entry *before = expected_entry(call);
	struct view cold = image->commit.cold;
	struct cache_entry *e;

	if (cold.data == NULL && call->expected > 0) {
		if (before == NULL)
			return NULL;
		cold = cache_cold(before);
	}
	e = cache_entry_new(&call->key, call->expected + image->commit.events_n, image->commit.hot, cold);
	e->last_seq = call->seq;
	memcpy(&e->row_id, image->id, sizeof(e->row_id));
	return e;
}

void
commit_record(struct call *call)
{
	struct bytes grounded;
	struct journal_entry entry = {.kind = JOURNAL_COMMIT, .bucket = (uint16_t)layout_bucket(&call->key), .n = call->n,
	    .key = call->key, .seq = call->seq};

	if (call->kind == CALL_COMMIT)
		commit_seal(&call->body.buf, call->seq);
	entry.revision = call->expected + call->events_n;
	entry.body = buf_view(&call->body.buf);
	bytes_init(&grounded, JOURNAL_BODY_MAX);
	if (call->ground.buf.len > 0) {
		commit_put_grounded(&grounded.buf, buf_view(&call->ground.buf), entry.body);
		CHECK(!grounded.buf.full);
		entry.body = buf_view(&grounded.buf);
	}
	journal_put(call->s->journal, &entry);
	bytes_clear(&grounded);
}

/* What became of it nobody knows; who finds it in the record must know what it was built on. */
static void
commit_doubt(struct call *call)
{
	struct commit_image image;

	call->s->unknowns++;
	commit_view(buf_view(&call->body.buf), &image);
	doubts_add(&call->s->doubts, image.id, buf_view(&call->ground.buf));
}

/* It is in the journal now, so that it is ground no more. */
static void
check_remember(struct call *call)
{
	struct cache_entry *e = expected_entry(call);

	if (call->n > 0 && e != NULL && memcmp(&e->row_id, call->before, sizeof(call->before)) == 0)
		cache_forget_making(&call->s->cache, e);
}

void
commit_remember(struct call *call)
{
	struct store_redis *s = call->s;
	struct commit_image image;
	struct cache_entry *e;

	if (call->err == CS_ERR_UNKNOWN || (call->err == CS_ERR_CORRUPT && call->maybe))
		commit_doubt(call);
	if (call->kind == CALL_CHECK || call->err != CS_OK) {
		if (call->err == CS_OK)
			check_remember(call);
		else if (call->err == CS_ERR_CONFLICT || call->err == CS_ERR_UNKNOWN || call->err == CS_ERR_CORRUPT)
			cache_drop(s, &call->key);
		return;
	}
	commit_view(buf_view(&call->body.buf), &image);
	e = entry_after(call, &image);
	if (e != NULL)
		cache_entry_free(cache_put(&s->cache, e));
	else
		cache_drop(s, &call->key);
	s->last_seq = call->seq > s->last_seq ? call->seq : s->last_seq;
	scans_touch(s->scans, call->seq);
	s->full = false;
}

void
redis_commit(struct store *base, const struct store_commit *c, store_commit_fn *done, void *ctx)
{
	struct store_redis *s = (struct store_redis *)base;
	struct call *call = call_new(s, c->events_n == 0 ? CALL_CHECK : CALL_COMMIT, &c->key, ctx);
	struct commit_image image = {.last_seq = 0};

	call->done.commit = done;
	call->expected = c->expected;
	call->narrows = c->narrows;
	call->begun_turn = tenure_turn(s->tenure, layout_bucket(&c->key));
	call->zero_revision = members_view(s->members, clock_steady_ms()).zero_revision;
	before_set(call);
	if (call->kind == CALL_COMMIT) {
		call->events_n = c->events_n;
		image.commit = *c;
		doubts_next_id(&s->doubts, image.id);
		commit_encode(&call->body.buf, &image);
		CHECK(!call->body.buf.full);
	}
	/* What widens power rests on a view of providers and freezes that is not too old. */
	if (call->kind == CALL_COMMIT && !c->narrows && !members_view(s->members, clock_steady_ms()).fresh) {
		call_finish(call, CS_ERR_UNAVAILABLE);
		return;
	}
	call_begin(call, c->claims, c->claims_n);
}
