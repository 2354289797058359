/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions over the store: who is decided when, and what becomes of it. */
#include "broker/engine/txn.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/core/apply.h"
#include "broker/engine/notify.h"
#include "broker/engine/transmit_queue.h"
#include "broker/engine/txn_state.h"
#include "broker/engine/watch.h"

struct call *
txn_wait_first(struct txn *t, struct call *call, txn_fn *fn)
{
	struct waiting *w = calloc(1, sizeof(*w));

	CHECK(w != NULL);
	w->call = call_put_aside(call);
	w->fn = fn;
	w->tries = t->running->tries;
	w->since_ms = t->engine->now.boot_ms;
	w->next = t->waiting;
	if (t->waiting == NULL)
		t->waiting_end = &w->next;
	t->waiting = w;
	return w->call;
}

static struct call *
wait_for(struct txn *t, struct call *call, txn_fn *fn, bool durable)
{
	struct waiting *w = calloc(1, sizeof(*w));

	CHECK(w != NULL);
	w->call = call_put_aside(call);
	w->fn = fn;
	w->durable = durable;
	w->since_ms = t->engine->now.boot_ms;
	*t->waiting_end = w;
	t->waiting_end = &w->next;
	return w->call;
}

/* Holds whose time is over give their amounts back before anything else is decided. */
static void
settle_due(struct txn *t, struct account *a)
{
	struct asked asked = {.policy = t->engine->rules->policy, .broker = &t->engine->broker,
	    .now_ms = t->engine->now.wall_ms};
	struct decision d;

	while (t->events_n < STORE_BATCH_MAX / 2) {
		decide_due(&asked, a, &d);
		if (d.outcome != OUTCOME_PERMIT)
			return;
		txn_decision(t, a, &d, NULL);
	}
}

static bool
shared(const struct txn *t)
{
	return t->engine->store->ops->shared;
}

/* What was decided waits for the commit; where nothing is to be committed, it stands: unless others write the store too. */
static void
keep_attempt(struct txn *t, struct attempt *now, struct call *call, bool decided)
{
	CHECK(!decided || now->answered || now->waits != NULL);
	t->looked |= shared(t);
	if ((t->events_n > 0 || shared(t)) && (now->answered || (now->waits != NULL && (decided || shared(t))))) {
		call_after(now->call, call->after, call->ends);
		call->after = NULL;
		*t->attempts_end = now;
		t->attempts_end = &now->next;
		return;
	}
	attempt_free(t->engine->txns, now);
	if (call->after != NULL && call->answered) {
		call->after(call, call->ends);
		call->after = NULL;
	}
}

void
txn_decide(struct txn *t, struct call *call, txn_fn *fn, unsigned tries)
{
	struct engine *e = t->engine;
	struct account *a = &e->account;
	uint64_t before = t->revision, due;

	if (t->revision == 0)
		account_init(a, &t->key);
	else
		CHECK(account_decode(buf_view(&t->hot.buf), &t->key, t->revision, a) == CS_OK);
	CHECK(t->running == NULL);
	t->running = attempt_new(e->txns, call, fn, tries);
	call->txn = t;
	settle_due(t, a);
	due = t->revision;
	fn(t, a, call);
	if (t->revision != before) {
		t->hot.buf.len = 0;
		account_encode(a, &t->hot.buf);
		CHECK(!t->hot.buf.full);
	}
	keep_attempt(t, t->running, call, t->revision != due);
	t->running = NULL;
}

bool
txn_full(const struct txn *t)
{
	return t->events_n >= STORE_BATCH_MAX / 2 || t->claims_n + TXN_CLAIMS_OF_CALL > STORE_CLAIMS_MAX;
}

void
txn_go_on(struct txn *t)
{
	if (t->committing || !t->loaded || t->finding != NULL)
		return;
	attempts_again(t);
	while (t->waiting != NULL && t->again == NULL && t->finding == NULL && !txn_full(t)) {
		struct waiting *w = t->waiting;

		if (w->durable && (t->events_n > 0 || t->looked))
			return;
		t->waiting = w->next;
		if (t->waiting == NULL)
			t->waiting_end = &t->waiting;
		txn_decide(t, w->call, w->fn, w->tries);
		if (w->call->answered)
			call_release(w->call);
		free(w);
	}
}

static void
fail_one(struct waiting *w)
{
	w->call->txn = NULL;
	call_unavailable(w->call, "store");
	call_release(w->call);
	free(w);
}

static void
fail_waiting(struct txn *t)
{
	while (t->waiting != NULL) {
		struct waiting *w = t->waiting;

		t->waiting = w->next;
		fail_one(w);
	}
	t->waiting_end = &t->waiting;
}

void
txn_fail_tired(struct txn *t)
{
	int64_t since_ms = t->engine->now.boot_ms - TXN_PATIENCE_MS;
	struct waiting **at = &t->waiting;

	while (*at != NULL) {
		struct waiting *w = *at;

		/* What waits for its own commit ends with that. */
		if (w->durable || w->since_ms > since_ms) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		fail_one(w);
	}
	t->waiting_end = at;
}

void
txn_loaded(struct txn *t, enum cs_err err, const struct store_record *record)
{
	if (err != CS_OK && err != CS_ERR_NOT_FOUND) {
		log_warn("msg=\"an account cannot be loaded\" err=%s", cs_err_name(err));
		t->load_failed = true;
		fail_waiting(t);
		return;
	}
	t->loaded = true;
	if (err != CS_OK)
		return;
	t->expected = t->revision = record->revision;
	buf_put_view(&t->hot.buf, record->hot);
	buf_put_view(&t->cold.buf, record->cold);
	CHECK(!t->hot.buf.full && !t->cold.buf.full);
}

static void
first_loaded(void *ctx, enum cs_err err, const struct store_record *record)
{
	struct txn *t = ctx;
	bool at_once = t->waiting == NULL;

	txn_loaded(t, err, record);
	if (at_once)
		return;
	txn_go_on(t);
	/* The turn that began it is over: this one commits it, or drops it. */
	txn_list(t->engine, t);
}

bool
txn_run(struct engine *e, const struct id *key, struct call *call, txn_fn *fn)
{
	struct store_key k;
	struct txn *t = txn_find(e->txns, key);

	memcpy(k.b, key->b, sizeof(k.b));
	if (t == NULL) {
		t = txn_take(e, key);
		store_load(e->store, &k, first_loaded, t);
	} else if (!t->committing) {
		txn_list(e, t);
	}
	if (t->load_failed) {
		call_unavailable(call, "store");
		return true;
	}
	if (!t->loaded || t->committing || t->again != NULL || t->waiting != NULL || t->finding != NULL || txn_full(t)) {
		wait_for(t, call, fn, false);
		return false;
	}
	txn_decide(t, call, fn, 0);
	return true;
}

void
txn_run_held(struct engine *e, const struct id *key, struct call *call, txn_fn *fn)
{
	if (txn_run(e, key, call, fn) && call->answered)
		call_release(call);
}

void
txn_then(struct txn *t, struct call *call, txn_fn *fn)
{
	CHECK(t->running != NULL && !t->running->answered && t->events_n > 0);
	t->running->waits = wait_for(t, call, fn, true);
	txn_list(t->engine, t);
}

bool
txn_sure(struct txn *t, struct call *call, txn_fn *fn)
{
	if (!shared(t))
		return false;
	CHECK(t->running != NULL && !t->running->answered);
	t->running->waits = wait_for(t, call, fn, true);
	txn_list(t->engine, t);
	return true;
}

void
txn_reply(struct txn *t, struct call *call, size_t start)
{
	struct attempt *now = t->running;

	CHECK(now != NULL);
	/* More replies follow: it is a look at what may have moved since, and the next one says so. */
	if (t->events_n == 0 && !call->answered)
		return;
	now->answered = true;
	if ((t->events_n == 0 && !shared(t)) || call->stream == NULL)
		return;
	CHECK(call->answered);
	now->place = call->place != NULL ? call->place : place_new(call->stream, start, NULL);
	now->place->call = now->call;
	call->place = NULL;
}

static void
after_success(struct engine *e, struct txn *t)
{
	struct attempt *list = t->attempts;

	for (size_t i = 0; i < t->events_n; i++) {
		struct view event = view_of(t->log.buf.data + t->event_at[i], t->extra_at[i] - t->event_at[i]);

		watches_event(e, &t->key, event);
		transmit_event(e, event);
	}
	notify_send(e, &t->notices);
	t->expected = t->revision;
	txn_found_changed(t);
	t->events_n = t->claims_n = t->payments_n = 0;
	t->log.buf.len = 0;
	t->cold_changed = t->narrows = t->looked = false;
	t->taken_n = 0;
	t->attempts = NULL;
	t->attempts_end = &t->attempts;
	for (struct attempt *a = list, *next; a != NULL; a = next) {
		next = a->next;
		if (a->place != NULL)
			place_end(e, a->place);
		if (a->call->after != NULL)
			a->call->after(a->call, a->call->ends);
		attempt_free(e->txns, a);
	}
	txn_go_on(t);
}

static void
after_failure(struct txn *t, enum cs_err err)
{
	/* That another broker was faster is no news. */
	log_at(err == CS_ERR_CONFLICT && shared(t) ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN,
	    "msg=\"a commit failed; its calls are %s\" err=%s events=%zu", err == CS_ERR_CONFLICT ?
	    "decided again" : "answered Unavailable", cs_err_name(err), t->events_n);
	attempts_failed(t, err);
	if (err != CS_ERR_CONFLICT)
		txn_fail_tired(t);
	txn_forget(t);
	if (t->again != NULL || t->waiting != NULL)
		attempts_reload(t);
}

static void
committed(void *ctx, enum cs_err err)
{
	struct txn *t = ctx;
	struct engine *e = t->engine;

	CHECK(t->committing);
	t->committing = false;
	e->txns->committing--;
	if (err == CS_OK)
		after_success(e, t);
	else
		after_failure(t, err);
	if (t->waiting != NULL || t->again != NULL || t->events_n > 0 || t->looked)
		txn_list(e, t);
	else if (!t->listed)
		txn_drop(e->txns, t);
}

/* A commit that holds nothing but denials takes no power: it is written down even where the view of others is old. */
static bool
denials_only(const struct txn *t)
{
	for (size_t i = 0; i < t->events_n; i++) {
		if (t->types[i] != EVENT_DENIED)
			return false;
	}
	return t->events_n > 0;
}

static void
commit(struct engine *e, struct txn *t)
{
	struct store_event events[STORE_BATCH_MAX];
	struct store_commit c = {.expected = t->expected, .events = events, .events_n = t->events_n,
	    .hot = buf_view(&t->hot.buf), .cold = view_of(NULL, 0), .claims = t->claims, .claims_n = t->claims_n,
	    .payments = t->payments, .payments_n = t->payments_n,
	    .narrows = t->narrows || (e->broker.stale && denials_only(t))};

	memcpy(c.key.b, t->key.b, sizeof(c.key.b));
	for (size_t i = 0; i < t->events_n; i++) {
		events[i].event = view_of(t->log.buf.data + t->event_at[i], t->extra_at[i] - t->event_at[i]);
		events[i].extra = view_of(t->log.buf.data + t->extra_at[i], t->end_at[i] - t->extra_at[i]);
	}
	if (t->events_n == 0)
		c.hot = view_of(NULL, 0);
	if (t->cold_changed)
		c.cold = view_of(t->cold.buf.data == NULL ? (const void *)"" : t->cold.buf.data, t->cold.buf.len);
	t->committing = true;
	e->txns->committing++;
	store_commit(e->store, &c, committed, t);
}

void
txns_commit(struct engine *e)
{
	struct txns *x = e->txns;
	struct txn *list = x->dirty;

	x->dirty = NULL;
	for (struct txn *t = list, *next; t != NULL; t = next) {
		next = t->dirty_next;
		t->listed = false;
		if (t->committing)
			continue;
		if (t->events_n > 0 || t->looked)
			commit(e, t);
		else if (t->waiting == NULL && t->again == NULL)
			txn_drop(x, t);
	}
	store_flush(e->store);
}

bool
txns_listed(const struct engine *e)
{
	return e->txns->dirty != NULL;
}

bool
txns_busy(const struct engine *e)
{
	return e->txns->committing > 0 || e->txns->dirty != NULL;
}
