/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls that are open: they wait in lanes behind earlier ones of the same record, are asked when their bucket is
 * open, and end together: one sync of the journal, then their completions.
 */
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/base/log.h"
#include "broker/store/redis/redis_int.h"

static void
list_add(struct call_list *l, struct call *call)
{
	if (l->first == NULL)
		l->end = &l->first;
	call->next = NULL;
	*l->end = call;
	l->end = &call->next;
	l->n++;
}

static struct call *
list_take_all(struct call_list *l)
{
	struct call *first = l->first;

	*l = (struct call_list){.first = NULL};
	return first;
}

struct call *
call_new(struct store_redis *s, enum call_kind kind, const struct store_key *key, void *ctx)
{
	struct call *call = calloc(1, sizeof(*call));

	CHECK(call != NULL);
	call->s = s;
	call->kind = kind;
	call->key = *key;
	call->ctx = ctx;
	call->begun_ms = clock_steady_ms();
	call->older = s->newest;
	*(s->newest != NULL ? &s->newest->newer : &s->oldest) = call;
	s->newest = call;
	s->calls_n++;
	bytes_init(&call->body, COMMIT_CODE_MAX);
	bytes_init(&call->ground, COMMIT_GROUNDS_BYTES);
	return call;
}

static void
call_free(struct call *call)
{
	struct store_redis *s = call->s;

	*(call->older != NULL ? &call->older->newer : &s->oldest) = call->newer;
	*(call->newer != NULL ? &call->newer->older : &s->newest) = call->older;
	s->calls_n--;
	bytes_clear(&call->body);
	bytes_clear(&call->ground);
	if (call->known != NULL)
		call->known->pins--;
	cache_entry_free(call->entry);
	free(call);
}

static void
call_ready(struct call *call)
{
	call->state = CALL_READY;
	list_add(&call->s->ready, call);
}

void
call_begin(struct call *call, const struct store_claim *more, size_t more_n)
{
	struct store_key ids[LANES_PLACES_MAX] = {call->key};

	if (call->s->calls_n > STORE_REDIS_CALLS_MAX || call->s->closing) {
		call_finish(call, CS_ERR_UNAVAILABLE);
		return;
	}
	for (size_t i = 0; i < more_n; i++)
		ids[1 + i] = more[i].claim;
	call->state = CALL_WAITING;
	if (lanes_enter(&call->s->lanes, &call->ticket, ids, 1 + more_n))
		call_ready(call);
}

/* What the contract knows as an answer; all else, of parts below, means that it was not done. */
static enum cs_err
answer_of(const struct call *call, enum cs_err err)
{
	static const unsigned reads = 1u << CS_OK | 1u << CS_ERR_NOT_FOUND | 1u << CS_ERR_CORRUPT,
			      commits = 1u << CS_OK | 1u << CS_ERR_CONFLICT | 1u << CS_ERR_FULL | 1u << CS_ERR_UNKNOWN | 1u << CS_ERR_CORRUPT;
	bool reads_only = call->kind == CALL_LOAD || call->kind == CALL_FIND || call->kind == CALL_PAYMENT || call->kind == CALL_SAID;

	if (call->kind == CALL_WORD)
		return err;
	return ((reads_only ? reads : commits) & 1u << err) != 0 ? err : CS_ERR_UNAVAILABLE;
}

static void
claims_over(void *ctx)
{
	struct call *call = ctx;

	call_finish(call, call->err);
}

void
call_finish(struct call *call, enum cs_err err)
{
	struct claims_hold *hold = call->hold;

	CHECK(call->state != CALL_ENDED);
	if (hold != NULL) {
		call->hold = NULL;
		call->err = err;
		call->state = CALL_ASKED;
		claims_settle(hold,
		    err == CS_OK			     ? CLAIMS_COMMITTED
			: err == CS_ERR_UNKNOWN || call->maybe ? CLAIMS_UNKNOWN
							       : CLAIMS_NOT_COMMITTED,
		    claims_over, call);
		return;
	}
	call->state = CALL_ENDED;
	call->err = answer_of(call, err);
	list_add(&call->s->ended, call);
}

bool
call_in_time(const struct call *call)
{
	return clock_steady_ms() - call->begun_ms < call->s->timeout_ms / 2 && !call->s->closing;
}

bool
call_holds(const struct call *call)
{
	return tenure_holds(call->s->tenure, layout_bucket(&call->key), call->turn);
}

/* Where others or the admin are needed it takes long: no call waits for that. */
static bool
soon(const struct call *call)
{
	enum tenure_state state = tenure_state(call->s->tenure, layout_bucket(&call->key));

	return state != TENURE_WAITING && state != TENURE_HELD;
}

void
call_later(struct call *call, enum cs_err err)
{
	if (call_in_time(call) && soon(call))
		call_ready(call);
	else
		call_finish(call, call->maybe ? CS_ERR_UNKNOWN : err);
}

static void
call_ask(struct call *call)
{
	const char *tenure;

	call->turn = tenure_turn(call->s->tenure, layout_bucket(&call->key));
	if (call->kind == CALL_FIND) {
		call->state = CALL_ASKED;
		find_ask(call);
		return;
	}
	tenure = call->hold != NULL ? claims_tenure(call->hold) : tenure_open(call->s->tenure, layout_bucket(&call->key));
	if (tenure == NULL) {
		call_later(call, CS_ERR_UNAVAILABLE);
		return;
	}
	call->state = CALL_ASKED;
	switch (call->kind) {
	case CALL_LOAD:
		load_ask(call, tenure);
		break;
	case CALL_COMMIT:
		commit_ask(call, tenure);
		break;
	case CALL_CHECK:
		check_ask(call, tenure);
		break;
	case CALL_PAYMENT:
		payment_ask(call, tenure);
		break;
	default:
		break;
	}
}

void
calls_ask(struct store_redis *s)
{
	struct call *call = list_take_all(&s->ready), *next;

	for (; call != NULL; call = next) {
		next = call->next;
		call_ask(call);
	}
}

/* Those that were asked are left to the fleet, which has deadlines of its own. */
void
calls_expire(struct store_redis *s)
{
	struct call *call = s->oldest, *newer;
	int64_t before_ms = clock_steady_ms() - s->timeout_ms;

	for (; call != NULL && call->begun_ms <= before_ms; call = newer) {
		newer = call->newer;
		if (call->state == CALL_WAITING)
			call_finish(call, CS_ERR_UNAVAILABLE);
	}
}

static void
go_on(void *ctx, struct lane_ticket *ticket)
{
	struct call *call = (struct call *)ticket;

	(void)ctx;
	if (call->state == CALL_WAITING)
		call_ready(call);
}

static void
load_complete(struct call *call)
{
	struct cache_entry *e = call->entry != NULL ? call->entry : call->known;
	struct store_record record;

	if (call->err != CS_OK) {
		call->done.load(call->ctx, call->err, NULL);
		return;
	}
	record = (struct store_record){e->revision, cache_hot(e), cache_cold(e)};
	e->pins++;
	call->done.load(call->ctx, CS_OK, &record);
	e->pins--;
}

static void
call_complete(struct call *call)
{
	struct view nothing = view_of(NULL, 0);
	bool ok = call->err == CS_OK;

	switch (call->kind) {
	case CALL_LOAD:
		load_complete(call);
		break;
	case CALL_COMMIT:
	case CALL_CHECK:
	case CALL_WORD:
		call->done.commit(call->ctx, call->err);
		break;
	case CALL_FIND:
		call->done.find(call->ctx, call->err, ok ? &call->holder : NULL, ok && call->tombstone);
		break;
	case CALL_SAID:
		word_complete(call);
		break;
	case CALL_PAYMENT:
		call->done.payment(call->ctx, call->err, ok ? buf_view(&call->body.buf) : nothing);
		break;
	}
}

/* What a load read belongs to the cache from now on. A load that is behind in its lane finds it there. */
static void
load_remember(struct call *call)
{
	if (call->err != CS_OK || call->entry == NULL)
		return;
	cache_entry_free(cache_put(&call->s->cache, call->entry));
	call->known = call->entry;
	call->known->pins++;
	call->entry = NULL;
}

/* It changed something, or rests on what nobody else may have. */
static bool
for_journal(const struct call *call)
{
	return call->err == CS_OK && (call->kind == CALL_COMMIT || (call->kind == CALL_CHECK && call->n > 0));
}

static void
not_in_journal(struct call *call)
{
	call->err = call->kind == CALL_COMMIT ? CS_ERR_UNKNOWN : CS_ERR_UNAVAILABLE;
}

/* What is not in the journal was executed, but nobody could put it back: it must not be acknowledged. */
static void
journal_settle(struct store_redis *s, struct call *first)
{
	enum cs_err err;

	for (struct call *call = first; call != NULL; call = call->next) {
		if (!for_journal(call))
			continue;
		if (call_holds(call))
			commit_record(call);
		else
			not_in_journal(call);
	}
	if (!journal_waits(s->journal))
		return;
	err = journal_sync(s->journal, clock_steady_ms());
	for (struct call *call = first; call != NULL && err != CS_OK; call = call->next) {
		if (for_journal(call))
			not_in_journal(call);
	}
	claims_synced(s->claims, err);
}

void
calls_settle(struct store_redis *s)
{
	struct call *first = list_take_all(&s->ended), *next;

	journal_settle(s, first);
	for (struct call *call = first; call != NULL; call = call->next) {
		if (call->kind == CALL_COMMIT || call->kind == CALL_CHECK)
			commit_remember(call);
		else if (call->kind == CALL_LOAD)
			load_remember(call);
		lanes_leave(&s->lanes, &call->ticket, go_on, NULL);
	}
	for (struct call *call = first; call != NULL; call = next) {
		next = call->next;
		call_complete(call);
		call_free(call);
	}
}
