/* SPDX-License-Identifier: Apache-2.0 */
/* The broker's own record. */
#include "broker/engine/record.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/engine/record_state.h"
#include "broker/engine/shadow.h"
#include "broker/engine/texts.h"
#include "broker/engine/watch.h"

enum { WORDS_MAX = 200 };

struct broker_record {
	struct record_state now;
	uint64_t revision;
	bool loaded, committing;
	enum cs_err err;
	struct id pins[POLICY_PROVIDERS_MAX];   /* of the providers as configured */
	struct bytes hot, event, extra, words;
	struct bytes cold, cold_next;           /* as it is; after the event in flight */
	bool cold_changes;
	char freeze_words[RECORD_ENTRIES_MAX][WORDS_MAX];
	struct call *call;
	record_done_fn *done;
	struct event in_flight;
};

static const struct store_key zero_key;

/* What the event's extra bytes change in the cold state. */
static enum cs_err
cold_replay(struct buf *cold, struct view extra)
{
	struct bytes next;
	bool changed;
	enum cs_err err;

	bytes_init(&next, STORE_COLD_MAX);
	err = cold_apply(buf_view(cold), extra, &next.buf, &changed);
	if (err == CS_OK && changed) {
		cold->len = 0;
		buf_put_view(cold, buf_view(&next.buf));
	}
	bytes_clear(&next);
	return err == CS_OK && cold->full ? CS_ERR_FULL : err;
}

enum cs_err
record_replay(struct buf *hot, struct buf *cold, struct view event, struct view extra)
{
	struct record_state *s = calloc(1, sizeof(*s));
	struct event ev;
	struct hash h;
	enum cs_err err;

	CHECK(s != NULL);
	err = record_state_decode(buf_view(hot), s);
	if (err == CS_OK)
		err = event_decode(event, &ev);
	if (err == CS_OK && (!hash_equal(&ev.prev, &s->chain) || !record_state_apply(s, &ev)))
		err = CS_ERR_CORRUPT;
	if (err == CS_OK) {
		sha256(event, &h);
		s->chain = h;
		hot->len = 0;
		record_state_encode(s, hot);
		err = cold_replay(cold, extra);
	}
	free(s);
	return err;
}

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

static void
record_committed(void *ctx, enum cs_err err)
{
	struct engine *e = ctx;
	struct broker_record *r = e->record;
	struct call *call = r->call;

	r->committing = false;
	r->call = NULL;
	if (err == CS_OK) {
		CHECK(record_state_apply(&r->now, &r->in_flight));
		sha256(buf_view(&r->event.buf), &r->now.chain);
		r->revision++;
		if (r->cold_changes) {
			r->cold.buf.len = 0;
			buf_put_view(&r->cold.buf, buf_view(&r->cold_next.buf));
		}
		keep_words(r, &r->in_flight);
		publish(e);
		watches_event(e, &(struct id){{0}}, buf_view(&r->event.buf));
	} else {
		log_error("msg=\"an event of the broker was not committed\" err=%s", cs_err_name(err));
	}
	if (call == NULL)
		return;
	if (err == CS_OK)
		r->done(call);
	else
		call_unavailable(call, "store");
	call_release(call);
}

/* `changes`: of the cold state, as extra_put() and extra_drop() write them. */
static void
commit(struct engine *e, struct event *ev, struct view words, struct view changes)
{
	struct broker_record *r = e->record;
	struct record_state *next = malloc(sizeof(*next));
	struct store_event event;
	struct store_commit c = {.key = zero_key, .expected = r->revision, .events = &event, .events_n = 1,
	    .narrows = ev->type == EVENT_PROVIDER_FROZEN || ev->type == EVENT_BROKER_FROZEN};

	CHECK(next != NULL && !r->committing);
	if (ev->time_ms < r->now.time_ms)
		ev->time_ms = r->now.time_ms;
	r->extra.buf.len = r->event.buf.len = r->hot.buf.len = r->words.buf.len = 0;
	/* Words that are too long to be kept, such as a stream's endpoint, must not cost the next ones. */
	r->words.buf.full = false;
	buf_put_view(&r->words.buf, words);
	/* An admin's words are not personal: in the clear, outside the chain, its hash inside. */
	if (words.len > 0) {
		buf_put_u8(&r->extra.buf, EXTRA_TEXT);
		buf_put_lv(&r->extra.buf, words);
	}
	buf_put_view(&r->extra.buf, changes);
	if (r->extra.buf.len > 0) {
		struct hash h;

		sha256(buf_view(&r->extra.buf), &h);
		memcpy(ev->extra.b, h.b, sizeof(ev->extra.b));
	}
	r->cold_next.buf.len = 0;
	CHECK(cold_apply(buf_view(&r->cold.buf), buf_view(&r->extra.buf), &r->cold_next.buf, &r->cold_changes) == CS_OK);
	ev->prev = r->now.chain;
	event_encode(ev, &r->event.buf);
	*next = r->now;
	CHECK(record_state_apply(next, ev));
	sha256(buf_view(&r->event.buf), &next->chain);
	record_state_encode(next, &r->hot.buf);
	free(next);
	CHECK(!r->hot.buf.full && !r->event.buf.full && !r->extra.buf.full);
	event = (struct store_event){buf_view(&r->event.buf), buf_view(&r->extra.buf)};
	c.hot = buf_view(&r->hot.buf);
	if (r->cold_changes)
		c.cold = buf_view(&r->cold_next.buf);
	r->in_flight = *ev;
	r->committing = true;
	store_commit(e->store, &c, record_committed, e);
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

	if (r->committing) {
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

/* Commits on its own behalf, before the first turn or between turns: waits for the store. */
static enum cs_err
commit_now(struct engine *e, struct event *ev, struct view words)
{
	uint64_t before = e->record->revision;

	ev->time_ms = e->now.wall_ms;
	ev->policy = e->rules->policy->digest;
	ev->author = AUTHOR_BROKER;
	commit(e, ev, words, view_of(NULL, 0));
	for (int i = 0; e->record->committing && i < 1000; i++) {
		store_flush(e->store);
		store_idle(e->store, 1000);
	}
	return e->record->revision == before + 1 ? CS_OK : CS_ERR_UNAVAILABLE;
}

bool
record_note(struct engine *e, struct event *ev, struct view words)
{
	return !e->record->committing && commit_now(e, ev, words) == CS_OK;
}

static enum cs_err
pin_providers(struct engine *e)
{
	struct broker_record *r = e->record;
	const struct config *c = e->rules->config;

	record_pins(c, r->pins);
	for (uint16_t i = 0; i < c->provider_count; i++) {
		uint64_t tag = e->rules->policy->providers[i].tag;
		const struct record_entry *en = record_entry_of(&r->now, tag);
		struct event ev = {.type = EVENT_PROVIDER_PINNED, .reason = REASON_ASKED, .provider = tag,
		    .plugin = e->rules->policy->providers[i].plugin};

		ev.id = r->pins[i];
		if (en != NULL && !id_zero(&en->pin)) {
			if (!id_equal(&en->pin, &r->pins[i]))
				log_error("msg=\"provider %s is not the one that it was: its plugin, issuer or client ids "
				    "changed, so nothing may be spent through it; if that is meant: countersignctl provider "
				    "rekey %s REASON\" provider=%s", c->providers[i].name, c->providers[i].name,
				    c->providers[i].name);
			continue;
		}
		if (commit_now(e, &ev, view_of(NULL, 0)) != CS_OK)
			return CS_ERR_UNAVAILABLE;
	}
	return CS_OK;
}

static void
record_loaded(void *ctx, enum cs_err err, const struct store_record *rec)
{
	struct broker_record *r = ctx;

	r->err = err;
	if (err == CS_ERR_NOT_FOUND)
		r->err = CS_OK;
	if (err != CS_OK)
		return;
	r->revision = rec->revision;
	r->err = record_state_decode(rec->hot, &r->now);
	buf_put_view(&r->cold.buf, rec->cold);
}

enum cs_err
record_open(struct engine *e, char why[256])
{
	struct broker_record *r = calloc(1, sizeof(*r));
	struct event started = {.type = EVENT_BROKER_STARTED, .reason = REASON_ASKED};

	CHECK(r != NULL);
	bytes_init(&r->hot, STORE_HOT_MAX);
	bytes_init(&r->event, STORE_EVENT_MAX);
	bytes_init(&r->extra, STORE_EXTRA_MAX);
	bytes_init(&r->words, WORDS_MAX);
	bytes_init(&r->cold, STORE_COLD_MAX);
	bytes_init(&r->cold_next, STORE_COLD_MAX);
	e->record = r;
	r->err = CS_ERR_UNAVAILABLE;
	store_load(e->store, &zero_key, record_loaded, r);
	for (int i = 0; r->err == CS_ERR_UNAVAILABLE && i < 1000; i++)
		store_idle(e->store, 1000);
	if (r->err != CS_OK) {
		snprintf(why, 256, "the broker's own record cannot be read: %s", cs_err_name(r->err));
		return r->err;
	}
	r->loaded = true;
	if (commit_now(e, &started, view_of(NULL, 0)) != CS_OK || pin_providers(e) != CS_OK) {
		snprintf(why, 256, "the store does not take the broker's own events");
		return CS_ERR_UNAVAILABLE;
	}
	publish(e);
	return CS_OK;
}

void
record_configure(struct engine *e)
{
	struct event ev = {.type = EVENT_CONFIGURED, .reason = REASON_ASKED};

	if (e->record->committing || commit_now(e, &ev, view_of(NULL, 0)) != CS_OK || pin_providers(e) != CS_OK)
		log_error("msg=\"the new configuration's providers could not be pinned; they stay shut\"");
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
