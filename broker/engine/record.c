/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's own record: its events are committed here. Where the store is shared, other brokers write it too: an event that
 * meets a conflict is made again on the record as it is then, unless what it changes was changed meanwhile.
 */
#include "broker/engine/record.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/engine/record_internal.h"
#include "broker/engine/shadow.h"
#include "broker/engine/texts.h"
#include "broker/engine/watch.h"

enum {
	ROUNDS_MAX = 1000,         /* instead of time, where the store has nothing to wait for */
};

static const struct store_key zero_key;

void
record_publish(struct engine *e)
{
	struct broker_record *r = e->record;

	record_state_publish(&r->now, r->revision, e->rules->policy, r->pins, &e->broker);
	shadow_publish(e);
}

void
record_view(const struct engine *e, const struct policy *p, const struct id *pins, struct broker_state *to)
{
	record_state_publish(&e->record->now, e->record->revision, p, pins, to);
}

static void
keep_words(struct broker_record *r, const struct event *ev)
{
	struct record_entry *en = record_entry_of(&r->now, ev->provider);
	size_t i = en == NULL ? 0 : (size_t)(en - r->now.entries);

	if (en == NULL || (ev->type != EVENT_PROVIDER_FROZEN && ev->type != EVENT_BROKER_FROZEN))
		return;
	snprintf(r->freeze_words[i], WORDS_MAX, "%.*s", (int)r->words.buf.len, (const char *)r->words.buf.data);
}

static bool
entry_same(const struct record_entry *a, const struct record_entry *b)
{
	if (!id_equal(&a->pin, &b->pin) || !id_equal(&a->was_pin, &b->was_pin) || a->rekey_until_ms != b->rekey_until_ms ||
	    a->frozen != b->frozen || a->since_ms != b->since_ms || a->sessions_since_ms != b->sessions_since_ms ||
	    a->limits_n != b->limits_n)
		return false;
	for (uint8_t i = 0; i < a->limits_n; i++) {
		const struct policy_limit *x = &a->limits[i], *y = &b->limits[i];

		if (x->currency != y->currency || x->per_payment_minor != y->per_payment_minor ||
		    x->per_day_minor != y->per_day_minor || x->per_month_minor != y->per_month_minor ||
		    x->count_day != y->count_day || x->count_month != y->count_month)
			return false;
	}
	return true;
}

static void
remember_decided_on(struct broker_record *r, const struct event *ev)
{
	const struct record_entry *en = record_entry_of(&r->now, ev->provider);
	const struct record_receiver *of = record_receiver_of(&r->now, ev->service);

	r->had_entry = en != NULL;
	if (en != NULL)
		r->was_entry = *en;
	r->had_receiver = of != NULL;
	if (of != NULL)
		r->was_receiver = *of;
}

/* Whether the event means the same on the record as it is now. What takes power away always does. */
static bool
still_meant(const struct broker_record *r, const struct event *ev)
{
	const struct record_entry *en = record_entry_of(&r->now, ev->provider);
	const struct record_receiver *of = record_receiver_of(&r->now, ev->service);

	switch (ev->type) {
	case EVENT_PROVIDER_PINNED:
	case EVENT_PROVIDER_REKEYED:
	case EVENT_PROVIDER_WINDOW:
	case EVENT_PROVIDER_THAWED:
	case EVENT_BROKER_THAWED:
	case EVENT_PROVIDER_LIMIT:
		return r->had_entry == (en != NULL) && (en == NULL || entry_same(&r->was_entry, en));
	case EVENT_RECEIVER_SET:
	case EVENT_RECEIVER_ENDED:
	case EVENT_RECEIVER_SENT:
		return r->had_receiver == (of != NULL) && (of == NULL || (id_equal(&r->was_receiver.id, &of->id) &&
		    r->was_receiver.method == of->method && r->was_receiver.status == of->status &&
		    (ev->type != EVENT_RECEIVER_SENT || (uint64_t)ev->count > of->position)));
	default:
		return true;
	}
}

/* The event is done with; whoever asked hears of it. */
static void
finish(struct engine *e, enum cs_err err)
{
	struct broker_record *r = e->record;
	struct call *call = r->call;

	r->committing = r->again = false;
	r->outcome = err;
	r->call = NULL;
	/* A start tries again, and says itself what it waits for. */
	if (err != CS_OK && !r->starting && !(err == CS_ERR_CONFLICT && r->has_once))
		log_error("msg=\"an event of the broker was not committed\" err=%s", cs_err_name(err));
	if (call == NULL)
		return;
	if (err == CS_OK)
		r->done(call);
	else if (err == CS_ERR_CONFLICT)
		call_conflict(call, "another broker changed the same meanwhile; look again");
	else
		call_unavailable(call, "store");
	call_release(call);
}

static void
record_committed(void *ctx, enum cs_err err)
{
	struct engine *e = ctx;
	struct broker_record *r = e->record;

	if (err == CS_ERR_CONFLICT && !r->caller_decides && ++r->tries < TRIES_MAX) {
		bool again = !r->has_once;

		r->again = again;
		record_reload(e);
		if (again)
			return;
		/* What happens once may have happened: whoever asked looks for that first. */
	}
	if (err == CS_OK) {
		struct event ev;

		CHECK(event_decode(buf_view(&r->event.buf), &ev) == CS_OK && record_state_apply(&r->now, &ev));
		sha256(buf_view(&r->event.buf), &r->now.chain);
		r->revision++;
		if (r->cold_changes) {
			r->cold.buf.len = 0;
			buf_put_view(&r->cold.buf, buf_view(&r->cold_next.buf));
		}
		keep_words(r, &ev);
		record_publish(e);
		watches_event(e, &(struct id){{0}}, buf_view(&r->event.buf));
	}
	finish(e, err);
}

/* The event in flight, on the record as it is now. */
static void
commit_try(struct engine *e)
{
	struct broker_record *r = e->record;
	struct record_state *next = malloc(sizeof(*next));
	struct event ev = r->in_flight;
	struct store_event event;
	struct store_commit c = {.key = zero_key, .expected = r->revision, .events = &event, .events_n = 1,
	    .narrows = ev.type == EVENT_PROVIDER_FROZEN || ev.type == EVENT_BROKER_FROZEN};
	bool fits;

	CHECK(next != NULL && r->committing);
	if (ev.time_ms < r->now.time_ms)
		ev.time_ms = r->now.time_ms;
	r->extra.buf.len = r->event.buf.len = r->hot.buf.len = r->cold_next.buf.len = 0;
	/* An admin's words are not personal: in the clear, outside the chain, its hash inside. */
	if (r->words.buf.len > 0) {
		buf_put_u8(&r->extra.buf, EXTRA_TEXT);
		buf_put_lv(&r->extra.buf, buf_view(&r->words.buf));
	}
	buf_put_view(&r->extra.buf, buf_view(&r->changes.buf));
	if (r->extra.buf.len > 0) {
		struct hash h;

		sha256(buf_view(&r->extra.buf), &h);
		memcpy(ev.extra.b, h.b, sizeof(ev.extra.b));
	}
	CHECK(cold_apply(buf_view(&r->cold.buf), buf_view(&r->extra.buf), &r->cold_next.buf, &r->cold_changes) == CS_OK);
	ev.prev = r->now.chain;
	event_encode(&ev, &r->event.buf);
	*next = r->now;
	fits = record_state_apply(next, &ev);
	sha256(buf_view(&r->event.buf), &next->chain);
	record_state_encode(next, &r->hot.buf);
	free(next);
	if (!fits) {
		/* There was room when it was asked for: another broker took it. */
		CHECK(r->tries > 0);
		finish(e, CS_ERR_CONFLICT);
		return;
	}
	CHECK(!r->hot.buf.full && !r->event.buf.full && !r->extra.buf.full);
	event = (struct store_event){buf_view(&r->event.buf), buf_view(&r->extra.buf)};
	c.hot = buf_view(&r->hot.buf);
	c.claims = &r->once;
	c.claims_n = r->has_once ? 1 : 0;
	if (r->cold_changes)
		c.cold = buf_view(&r->cold_next.buf);
	store_commit(e->store, &c, record_committed, e);
}

/* `changes`: of the cold state, as extra_put() and extra_drop() write them. */
static void
commit(struct engine *e, struct event *ev, struct view words, struct view changes, const struct store_claim *once)
{
	struct broker_record *r = e->record;

	CHECK(!r->committing);
	r->words.buf.len = r->changes.buf.len = 0;
	/* Words that are too long to be kept, such as a stream's endpoint, must not cost the next ones. */
	r->words.buf.full = false;
	buf_put_view(&r->words.buf, words);
	buf_put_view(&r->changes.buf, changes);
	CHECK(!r->changes.buf.full);
	r->in_flight = *ev;
	r->has_once = once != NULL;
	if (once != NULL)
		r->once = *once;
	remember_decided_on(r, ev);
	r->committing = true;
	/* One that is on its way already tells of a change: it is waited for. */
	r->again = r->loading;
	r->tries = r->again ? 1 : 0;
	if (!r->again)
		commit_try(e);
}

void
record_commit_again(struct engine *e)
{
	struct broker_record *r = e->record;

	CHECK(r->again);
	r->again = false;
	if (r->err != CS_OK)
		finish(e, CS_ERR_UNAVAILABLE);
	else if (!still_meant(r, &r->in_flight))
		finish(e, CS_ERR_CONFLICT);
	else
		commit_try(e);
}

void
record_settle(struct engine *e, int64_t wait_ms)
{
	struct broker_record *r = e->record;
	bool waits = e->store->ops->shared && e->io.wait != NULL;
	int64_t until_ms = clock_steady_ms() + wait_ms, now_ms;

	for (int i = 0; r->committing || r->loading; i++) {
		store_flush(e->store);
		if (!waits) {
			store_idle(e->store, 1000);
			store_tick(e->store, e->now.steady_ms);
			if (i >= ROUNDS_MAX)
				return;
			continue;
		}
		now_ms = clock_steady_ms();
		store_tick(e->store, now_ms);
		if (!r->committing && !r->loading)
			return;
		if (now_ms >= until_ms)
			return;
		e->io.wait(e->io.ctx, until_ms - now_ms < STEP_WAIT_MS ? until_ms - now_ms : STEP_WAIT_MS);
	}
}

/* Reads it again and waits for that. */
static enum cs_err
reload_now(struct engine *e, int64_t wait_ms)
{
	record_reload(e);
	record_settle(e, wait_ms);
	return e->record->loading ? CS_ERR_UNAVAILABLE : e->record->err;
}

void
record_commit(struct engine *e, struct event *ev, struct view words, struct call *call, record_done_fn *done)
{
	record_change(e, ev, AUTHOR_ADMIN, words, view_of(NULL, 0), call, done);
}

void
record_change(struct engine *e, struct event *ev, enum author author, struct view words, struct view changes,
    struct call *call, record_done_fn *done)
{
	struct broker_record *r = e->record;

	if (record_busy(e)) {
		call_too_many(call, "another change of the broker is under way", 100);
		return;
	}
	ev->time_ms = e->now.wall_ms;
	ev->policy = e->rules->policy->digest;
	ev->author = author;
	r->call = call_hold(call);
	r->done = done;
	commit(e, ev, words, changes, NULL);
}

static void
commit_wait(struct engine *e, struct event *ev, struct view words, const struct store_claim *once, bool caller_decides, int64_t wait_ms)
{
	struct broker_record *r = e->record;

	ev->time_ms = e->now.wall_ms;
	ev->policy = e->rules->policy->digest;
	r->outcome = CS_ERR_UNAVAILABLE;
	r->caller_decides = caller_decides;
	commit(e, ev, words, view_of(NULL, 0), once);
	record_settle(e, wait_ms);
	r->caller_decides = false;
}

enum cs_err
record_commit_now(struct engine *e, struct event *ev, struct view words, bool caller_decides, int64_t wait_ms)
{
	struct broker_record *r = e->record;

	ev->author = AUTHOR_BROKER;
	commit_wait(e, ev, words, NULL, caller_decides, wait_ms);
	if (r->committing)
		return CS_ERR_UNAVAILABLE;
	if (r->outcome == CS_ERR_CONFLICT && caller_decides && reload_now(e, wait_ms) != CS_OK)
		return CS_ERR_UNAVAILABLE;
	return r->outcome;
}

bool
record_note(struct engine *e, struct event *ev, struct view words)
{
	/* A shared store that is not heard of would hold up the loop. */
	return !record_busy(e) && !e->broker.stale && record_commit_now(e, ev, words, false, NOTE_WAIT_MS) == CS_OK;
}

bool
record_note_once(struct engine *e, struct event *ev, struct view words, const struct store_claim *once)
{
	if (record_busy(e) || e->broker.stale)
		return false;
	ev->author = AUTHOR_ADMIN;
	commit_wait(e, ev, words, once, false, NOTE_WAIT_MS);
	return !e->record->committing && e->record->outcome == CS_OK;
}

const struct record_state *
record_state_of(const struct engine *e)
{
	return &e->record->now;
}

struct view
record_cold(const struct engine *e, const struct id *id)
{
	return cold_get(buf_view(&e->record->cold.buf), id);
}

bool
record_busy(const struct engine *e)
{
	return e->record->committing;
}

struct record_pin
record_pin(const struct engine *e, uint64_t tag)
{
	const struct record_entry *en = record_entry_of(&e->record->now, tag);
	struct record_pin p = {.configured = {{0}}};

	for (uint16_t i = 0; i < e->rules->policy->providers_n; i++) {
		if (e->rules->policy->providers[i].tag == tag)
			p.configured = e->record->pins[i];
	}
	if (en != NULL) {
		p.accepted = en->pin;
		p.before = en->was_pin;
	}
	return p;
}

bool
record_frozen(const struct engine *e, uint64_t tag, int64_t *since_ms, struct view *words)
{
	struct broker_record *r = e->record;
	const struct record_entry *en = record_entry_of(&r->now, tag);

	if (en == NULL || !en->frozen)
		return false;
	*since_ms = en->since_ms;
	*words = view_str(r->freeze_words[en - r->now.entries]);
	return true;
}
