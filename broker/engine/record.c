/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's own record. Where the store is shared, other brokers write it too: an event that meets a conflict is made again
 * on the record as it is then, unless what it changes was changed meanwhile; and it is read again when the lease tells of a
 * newer one.
 */
#include "broker/engine/record.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/engine/record_state.h"
#include "broker/engine/shadow.h"
#include "broker/engine/texts.h"
#include "broker/engine/transmit.h"
#include "broker/engine/watch.h"

enum {
	WORDS_MAX = 200,
	TRIES_MAX = 8,             /* commits of one event that met a conflict */
	START_WAIT_MS = 8 * 1000,  /* for a shared store that is not ready yet; then it is told that it takes long, every few seconds: */
	LATE_FIRST_MS = 1000,
	LATE_EVERY_MS = 5 * 1000,
	LATE_TEXT = 512,
	NOTE_WAIT_MS = 500,        /* for one event while the broker serves; the loop stands still */
	STEP_WAIT_MS = 50,
	ROUNDS_MAX = 1000,         /* instead of time, where the store has nothing to wait for */
	RELOAD_EVERY_MS = 50,      /* where it did not work */
	PINS_EVERY_MS = 5000,
	BEHIND_MAX_MS = 1000,      /* that a newer record is known of and not read, before decisions are held */
};

struct broker_record {
	struct record_state now;
	uint64_t revision;
	uint32_t history, history_asked;        /* of the store, at the last load; at the one under way */
	bool committing;                        /* an event is on its way, perhaps for the second time */
	bool loading;                           /* it is read again */
	bool again;                             /* and then the event is committed again */
	bool caller_decides;                    /* or not: whoever waits for it decides anew */
	unsigned tries;
	enum cs_err err;                        /* of the last load */
	enum cs_err outcome;                    /* of the last event */
	int64_t behind_ms, next_load_ms, next_pins_ms; /* steady clock; 0: not behind */
	bool starting;                          /* record_open() waits for the store */
	bool pins_due;                          /* of the configuration: they could not be written */
	struct id pins[POLICY_PROVIDERS_MAX];   /* of the providers as configured */
	struct bytes hot, event, extra, words, changes;
	struct bytes cold, cold_next;           /* as it is; after the event in flight */
	bool cold_changes;
	char freeze_words[RECORD_ENTRIES_MAX][WORDS_MAX];
	struct call *call;
	record_done_fn *done;
	struct event in_flight;
	struct record_entry was_entry;          /* what it was decided on */
	struct record_receiver was_receiver;
	bool had_entry, had_receiver;
};

static const struct store_key zero_key;

/* What decisions see. */
static void
publish(struct engine *e)
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

static void commit_try(struct engine *e);
static void reload(struct engine *e);

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
	if (err != CS_OK && !r->starting)
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
		r->again = true;
		reload(e);
		return;
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
		publish(e);
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
	if (r->cold_changes)
		c.cold = buf_view(&r->cold_next.buf);
	store_commit(e->store, &c, record_committed, e);
}

/* `changes`: of the cold state, as extra_put() and extra_drop() write them. */
static void
commit(struct engine *e, struct event *ev, struct view words, struct view changes)
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
	remember_decided_on(r, ev);
	r->committing = true;
	/* One that is on its way already tells of a change: it is waited for. */
	r->again = r->loading;
	r->tries = r->again ? 1 : 0;
	if (!r->again)
		commit_try(e);
}

/* --- as other brokers left it --- */

/* What an admin should hear of, that happened at another broker. */
static void
tell_changes(const struct engine *e, const struct broker_state *before)
{
	const struct broker_state *now = &e->broker;

	if (before->frozen != now->frozen)
		log_warn("msg=\"the broker was %s at another broker\"", now->frozen ? "frozen" : "thawed");
	for (uint8_t i = 0; i < now->providers_n && i < before->providers_n; i++) {
		const struct broker_provider *a = &before->providers[i], *b = &now->providers[i];
		const char *name = ruleset_provider_name(e->rules, b->tag);

		if (a->tag != b->tag)
			continue;
		if (a->frozen != b->frozen && (a->pinned || a->frozen))
			log_warn("msg=\"provider %s was %s at another broker\" provider=%s", name,
			    b->frozen ? "frozen" : "thawed", name);
		if (a->pinned && !b->pinned)
			log_error("msg=\"provider %s is another one in the configuration of the broker that accepted it last, so "
			    "nothing may be spent through it here: give all brokers the same plugin, issuer and client ids for "
			    "it\" provider=%s", name, name);
	}
}

static void
take_it(struct engine *e, const struct store_record *rec)
{
	struct broker_record *r = e->record;
	struct record_state *next = malloc(sizeof(*next));
	struct broker_state *before = malloc(sizeof(*before));

	CHECK(next != NULL && before != NULL);
	r->err = record_state_decode(rec->hot, next);
	if (r->err != CS_OK) {
		log_error("msg=\"the broker's own record cannot be read\" err=%s", cs_err_name(r->err));
	} else if (rec->revision != r->revision || !hash_equal(&next->chain, &r->now.chain)) {
		for (uint16_t i = 0; i < next->n; i++) {
			/* The words that it was frozen with are in the log alone. */
			if (next->entries[i].frozen && next->entries[i].since_ms != r->now.entries[i].since_ms)
				r->freeze_words[i][0] = '\0';
		}
		r->now = *next;
		r->revision = rec->revision;
		r->cold.buf.len = 0;
		buf_put_view(&r->cold.buf, rec->cold);
		*before = e->broker;
		publish(e);
		tell_changes(e, before);
		transmit_configure(e);
		watches_event(e, &(struct id){{0}}, view_of(NULL, 0));
	}
	free(next);
	free(before);
}

static void
reloaded(void *ctx, enum cs_err err, const struct store_record *rec)
{
	struct engine *e = ctx;
	struct broker_record *r = e->record;

	r->loading = false;
	r->err = err;
	/* After a failover it may be another of the same revision, or an older one: what was not acknowledged may be gone. */
	if (err == CS_OK) {
		take_it(e, rec);
		r->history = r->history_asked;
	}
	r->next_load_ms = e->now.steady_ms + RELOAD_EVERY_MS;
	if (!r->again)
		return;
	r->again = false;
	if (r->err != CS_OK)
		finish(e, CS_ERR_UNAVAILABLE);
	else if (!still_meant(r, &r->in_flight))
		finish(e, CS_ERR_CONFLICT);
	else
		commit_try(e);
}

static void
reload(struct engine *e)
{
	struct broker_record *r = e->record;

	if (r->loading)
		return;
	r->loading = true;
	r->history_asked = e->view.history;
	store_load(e->store, &zero_key, reloaded, e);
}

struct looking {
	struct engine *engine;
	struct call *call;
	record_done_fn *fn;
};

static void
look_over(struct looking *l, enum cs_err err)
{
	struct call *call = l->call;
	record_done_fn *fn = l->fn;

	free(l);
	if (err == CS_OK)
		fn(call);
	else
		call_unavailable(call, "store");
	if (call->answered)
		call_release(call);
}

static void
looked_again(void *ctx, enum cs_err err, const struct store_record *rec)
{
	struct looking *l = ctx;
	struct broker_record *r = l->engine->record;

	if (err == CS_OK && !r->committing)
		take_it(l->engine, rec);
	look_over(l, err);
}

static void
looked(void *ctx, enum cs_err err)
{
	struct looking *l = ctx;

	if (err == CS_ERR_CONFLICT)
		store_load(l->engine->store, &zero_key, looked_again, l);
	else
		look_over(l, err);
}

void
record_current(struct engine *e, struct call *call, record_done_fn *fn)
{
	const struct store_commit c = {.key = zero_key, .expected = e->record->revision};
	struct looking *l;

	if (!e->store->ops->shared) {
		fn(call);
		return;
	}
	l = malloc(sizeof(*l));
	CHECK(l != NULL);
	*l = (struct looking){e, call_hold(call), fn};
	store_commit(e->store, &c, looked, l);
}

/* Nothing of the record is on its way any more, or the time is over. Outside completions. */
static void
settle(struct engine *e, int64_t wait_ms)
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
	reload(e);
	settle(e, wait_ms);
	return e->record->loading ? CS_ERR_UNAVAILABLE : e->record->err;
}

bool
record_turn(struct engine *e)
{
	struct broker_record *r = e->record;
	int64_t now_ms = e->now.steady_ms;
	bool behind = e->view.zero_revision > r->revision || e->view.history != r->history;

	if (!behind)
		r->behind_ms = 0;
	else if (r->behind_ms == 0)
		r->behind_ms = now_ms > 0 ? now_ms : 1;
	if (behind && !r->committing && !r->loading && now_ms >= r->next_load_ms)
		reload(e);
	if (r->pins_due && e->view.fresh && !behind && !r->committing && now_ms >= r->next_pins_ms)
		record_configure(e);
	return e->view.fresh && (!behind || now_ms - r->behind_ms <= BEHIND_MAX_MS);
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
	commit(e, ev, words, changes);
}

/*
 * Commits on its own behalf, before the first turn or between turns: waits for the store. CS_ERR_CONFLICT, where the caller
 * decides: the record was read again.
 */
static enum cs_err
commit_now(struct engine *e, struct event *ev, struct view words, bool caller_decides, int64_t wait_ms)
{
	struct broker_record *r = e->record;

	ev->time_ms = e->now.wall_ms;
	ev->policy = e->rules->policy->digest;
	ev->author = AUTHOR_BROKER;
	r->outcome = CS_ERR_UNAVAILABLE;
	r->caller_decides = caller_decides;
	commit(e, ev, words, view_of(NULL, 0));
	settle(e, wait_ms);
	r->caller_decides = false;
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
	return !record_busy(e) && !e->broker.stale && commit_now(e, ev, words, false, NOTE_WAIT_MS) == CS_OK;
}

/* One provider; CS_ERR_CONFLICT: another broker wrote the record meanwhile. */
static enum cs_err
pin_provider(struct engine *e, uint16_t i, int64_t wait_ms)
{
	struct broker_record *r = e->record;
	const struct config *c = e->rules->config;
	uint64_t tag = e->rules->policy->providers[i].tag;
	const struct record_entry *en = record_entry_of(&r->now, tag);
	struct event ev = {.type = EVENT_PROVIDER_PINNED, .reason = REASON_ASKED, .provider = tag,
	    .plugin = e->rules->policy->providers[i].plugin, .id = r->pins[i]};

	if (en == NULL || id_zero(&en->pin))
		return commit_now(e, &ev, view_of(NULL, 0), true, wait_ms);
	if (!id_equal(&en->pin, &r->pins[i]))
		log_error("msg=\"provider %s is not the one that it was: its plugin, issuer or client ids "
		    "changed, so nothing may be spent through it; if that is meant: countersignctl provider "
		    "rekey %s REASON\" provider=%s", c->providers[i].name, c->providers[i].name,
		    c->providers[i].name);
	return CS_OK;
}

static enum cs_err
pin_providers(struct engine *e, int64_t wait_ms)
{
	const struct config *c = e->rules->config;
	enum cs_err err = CS_OK;

	record_pins(c, e->record->pins);
	for (uint16_t i = 0; i < c->provider_count && err == CS_OK; i++) {
		unsigned tries = 0;

		while ((err = pin_provider(e, i, wait_ms)) == CS_ERR_CONFLICT && ++tries < TRIES_MAX)
			;
	}
	return err;
}

static void
record_loaded(void *ctx, enum cs_err err, const struct store_record *rec)
{
	struct broker_record *r = ctx;

	r->loading = false;
	r->err = err == CS_ERR_NOT_FOUND ? CS_OK : err;
	if (err != CS_OK)
		return;
	r->revision = rec->revision;
	r->err = record_state_decode(rec->hot, &r->now);
	buf_put_view(&r->cold.buf, rec->cold);
}

/* Of one start, whatever it waits for. */
struct patience {
	int64_t until_ms, tell_ms;
	char what[LATE_TEXT];
};

/*
 * A shared store may be on its way back from a failover, or wait for other brokers or an admin's word: it is asked again, for as long
 * as whoever started this process likes, who is told why.
 */
static bool
start_waits(struct engine *e, struct patience *p, const char *what)
{
	static const char offline[] = " --offline -f CONF";
	int64_t now_ms = clock_steady_ms();
	struct store_status s;

	store_status(e->store, &s);
	if (s.detail[0] != '\0')
		what = s.detail;
	(void)snprintf(p->what, LATE_TEXT, "%s%s%s%s", what, s.way_out[0] != '\0' ? ": " : "", s.way_out, s.way_out[0] != '\0' ? offline : "");
	if (e->io.wait == NULL || !e->store->ops->shared)
		return false;
	if (now_ms >= p->tell_ms) {
		p->tell_ms = now_ms + LATE_EVERY_MS;
		if (s.way_out[0] != '\0')
			log_warn("msg=\"this broker cannot serve yet\" why=%s way_out=\"%s%s\"", log_value(view_str(what)), s.way_out, offline);
		else
			log_warn("msg=\"this broker cannot serve yet\" why=%s", log_value(view_str(what)));
		if (e->io.late != NULL)
			e->io.late(e->io.ctx, p->what);
	}
	if (e->io.late == NULL && now_ms >= p->until_ms)
		return false;
	e->io.wait(e->io.ctx, STEP_WAIT_MS);
	return true;
}

static enum cs_err
first_load(struct engine *e, struct patience *p)
{
	struct broker_record *r = e->record;

	do {
		if (!r->loading) {
			r->err = CS_ERR_UNAVAILABLE;
			r->loading = true;
			store_load(e->store, &zero_key, record_loaded, r);
		}
		settle(e, LATE_EVERY_MS);
	} while ((r->loading || r->err == CS_ERR_UNAVAILABLE) && start_waits(e, p, "the shared store does not answer"));
	return r->loading ? CS_ERR_UNAVAILABLE : r->err;
}

/* That it starts, and its providers. */
static enum cs_err
first_events(struct engine *e, struct patience *p)
{
	struct event started = {.type = EVENT_BROKER_STARTED, .reason = REASON_ASKED};
	enum cs_err err;

	do {
		if (e->record->committing) {
			settle(e, LATE_EVERY_MS);
			err = CS_ERR_UNAVAILABLE;
			continue;
		}
		err = commit_now(e, &started, view_of(NULL, 0), false, LATE_EVERY_MS);
		if (err == CS_OK)
			err = pin_providers(e, LATE_EVERY_MS);
	} while (err != CS_OK && start_waits(e, p, "the shared store does not take the broker's own events"));
	return err;
}

enum cs_err
record_open(struct engine *e, char why[256])
{
	struct broker_record *r = calloc(1, sizeof(*r));
	struct patience patience = {clock_steady_ms() + START_WAIT_MS, clock_steady_ms() + LATE_FIRST_MS, ""};

	CHECK(r != NULL);
	r->starting = true;
	bytes_init(&r->hot, STORE_HOT_MAX);
	bytes_init(&r->event, STORE_EVENT_MAX);
	bytes_init(&r->extra, STORE_EXTRA_MAX);
	bytes_init(&r->words, WORDS_MAX);
	bytes_init(&r->changes, STORE_EXTRA_MAX);
	bytes_init(&r->cold, STORE_COLD_MAX);
	bytes_init(&r->cold_next, STORE_COLD_MAX);
	e->record = r;
	r->history = e->view.history;
	r->err = first_load(e, &patience);
	if (r->err != CS_OK) {
		snprintf(why, 256, "the broker's own record cannot be read: %.200s", r->err == CS_ERR_UNAVAILABLE ? patience.what : cs_err_name(r->err));
		return r->err;
	}
	if (first_events(e, &patience) != CS_OK) {
		snprintf(why, 256, "%.255s", patience.what);
		return CS_ERR_UNAVAILABLE;
	}
	r->starting = false;
	publish(e);
	return CS_OK;
}

void
record_configure(struct engine *e)
{
	struct event ev = {.type = EVENT_CONFIGURED, .reason = REASON_ASKED};

	struct broker_record *r = e->record;

	/* What is decided on is the new configuration from now on, written down or not. */
	record_pins(e->rules->config, r->pins);
	r->pins_due = record_busy(e) || commit_now(e, &ev, view_of(NULL, 0), false, NOTE_WAIT_MS) != CS_OK ||
	    pin_providers(e, NOTE_WAIT_MS) != CS_OK;
	r->next_pins_ms = e->now.steady_ms + PINS_EVERY_MS;
	if (r->pins_due)
		log_error("msg=\"the new configuration's providers could not be pinned; they stay shut%s\"",
		    e->store->ops->shared ? " until that is done" : "");
	publish(e);
}

void
record_free(struct broker_record *r)
{
	if (r == NULL)
		return;
	bytes_clear(&r->hot);
	bytes_clear(&r->event);
	bytes_clear(&r->extra);
	bytes_clear(&r->words);
	bytes_clear(&r->changes);
	bytes_clear(&r->cold);
	bytes_clear(&r->cold_next);
	free(r);
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
