/* SPDX-License-Identifier: Apache-2.0 */
/* The broker's own record. */
#include "broker/engine/record.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/engine/texts.h"
#include "broker/engine/watch.h"

enum { RECORD_VERSION = 1, WORDS_MAX = 200 };

struct entry {
	uint64_t tag;              /* 0: the broker itself */
	struct id pin;             /* of plugin, issuer and client ids at the first load */
	uint8_t frozen;
	int64_t since_ms;          /* of the freeze */
	int64_t sessions_since_ms;
	uint8_t limits_n;
	struct policy_limit limits[POLICY_LIMITS_MAX];
};

struct state {
	struct hash chain;
	int64_t time_ms;
	uint16_t n;
	struct entry entries[POLICY_PROVIDERS_MAX * 4 + 1]; /* providers that were removed are remembered */
};

struct broker_record {
	struct state now;
	uint64_t revision;
	bool loaded, committing;
	enum cs_err err;
	struct id pins[POLICY_PROVIDERS_MAX];   /* of the providers as configured */
	struct bytes hot, event, extra, words;
	char freeze_words[POLICY_PROVIDERS_MAX * 4 + 1][WORDS_MAX];
	struct call *call;
	record_done_fn *done;
	struct event in_flight;
};

static const struct store_key zero_key;

static struct entry *
entry_of(struct state *s, uint64_t tag)
{
	for (uint16_t i = 0; i < s->n; i++) {
		if (s->entries[i].tag == tag)
			return &s->entries[i];
	}
	return NULL;
}

static void
state_encode(const struct state *s, struct buf *out)
{
	buf_put_u8(out, RECORD_VERSION);
	buf_put(out, s->chain.b, sizeof(s->chain.b));
	buf_put_svar(out, s->time_ms);
	buf_put_var(out, s->n);
	for (uint16_t i = 0; i < s->n; i++) {
		const struct entry *e = &s->entries[i];

		buf_put_u64(out, e->tag);
		buf_put(out, e->pin.b, sizeof(e->pin.b));
		buf_put_u8(out, e->frozen);
		buf_put_svar(out, e->since_ms);
		buf_put_svar(out, e->sessions_since_ms);
		buf_put_u8(out, e->limits_n);
		for (uint8_t k = 0; k < e->limits_n; k++) {
			const struct policy_limit *l = &e->limits[k];
			const int64_t v[6] = {l->currency, l->per_payment_minor, l->per_day_minor, l->per_month_minor,
			    l->count_day, l->count_month};

			for (int j = 0; j < 6; j++)
				buf_put_svar(out, v[j]);
		}
	}
}

static enum cs_err
state_decode(struct view bytes, struct state *s)
{
	struct cursor c = cursor_over(bytes.data, bytes.len);
	uint8_t version = cursor_u8(&c);

	*s = (struct state){0};
	if (bytes.len == 0)
		return CS_OK;
	if (version != RECORD_VERSION)
		return version > RECORD_VERSION ? CS_ERR_VERSION : CS_ERR_CORRUPT;
	cursor_get(&c, s->chain.b, sizeof(s->chain.b));
	s->time_ms = cursor_svar(&c);
	uint64_t n = cursor_var(&c);
	if (n > sizeof(s->entries) / sizeof(s->entries[0]))
		return CS_ERR_CORRUPT;
	for (s->n = 0; s->n < n && !c.bad; s->n++) {
		struct entry *e = &s->entries[s->n];

		e->tag = cursor_u64(&c);
		cursor_get(&c, e->pin.b, sizeof(e->pin.b));
		e->frozen = cursor_u8(&c);
		e->since_ms = cursor_svar(&c);
		e->sessions_since_ms = cursor_svar(&c);
		uint8_t limits = cursor_u8(&c);
		if (limits > POLICY_LIMITS_MAX || e->frozen > 1)
			return CS_ERR_CORRUPT;
		for (e->limits_n = 0; e->limits_n < limits; e->limits_n++) {
			struct policy_limit *l = &e->limits[e->limits_n];

			l->currency = (uint16_t)cursor_svar(&c);
			l->per_payment_minor = cursor_svar(&c);
			l->per_day_minor = cursor_svar(&c);
			l->per_month_minor = cursor_svar(&c);
			l->count_day = cursor_svar(&c);
			l->count_month = cursor_svar(&c);
		}
	}
	return c.bad || cursor_left(&c) != 0 ? CS_ERR_CORRUPT : CS_OK;
}

static bool
set_limit(struct entry *e, const struct event *ev)
{
	struct policy_limit to = {(uint16_t)ev->currency, ev->per_payment_minor - 1, ev->per_day_minor - 1,
	    ev->per_month_minor - 1, ev->count_day - 1, ev->count_month - 1};

	for (uint8_t i = 0; i < e->limits_n; i++) {
		if (e->limits[i].currency == to.currency) {
			e->limits[i] = to;
			return true;
		}
	}
	if (e->limits_n == POLICY_LIMITS_MAX)
		return false;
	e->limits[e->limits_n++] = to;
	return true;
}

/* The next state; like core's apply(), total and without decisions. */
static bool
state_apply(struct state *s, const struct event *ev)
{
	struct entry *e = entry_of(s, ev->provider);
	bool about = ev->type == EVENT_PROVIDER_PINNED || ev->type == EVENT_PROVIDER_FROZEN ||
	    ev->type == EVENT_PROVIDER_THAWED || ev->type == EVENT_PROVIDER_LIMIT || ev->type == EVENT_BROKER_FROZEN ||
	    ev->type == EVENT_BROKER_THAWED;

	s->time_ms = ev->time_ms;
	if (!about)
		return true;
	if (e == NULL) {
		if (s->n == sizeof(s->entries) / sizeof(s->entries[0]))
			return false;
		e = &s->entries[s->n++];
		*e = (struct entry){.tag = ev->provider};
	}
	switch (ev->type) {
	case EVENT_PROVIDER_PINNED:
		e->pin = ev->id;
		return true;
	case EVENT_PROVIDER_FROZEN:
	case EVENT_BROKER_FROZEN:
		e->frozen = 1;
		e->since_ms = e->sessions_since_ms = ev->time_ms;
		return true;
	case EVENT_PROVIDER_THAWED:
	case EVENT_BROKER_THAWED:
		e->frozen = 0;
		return true;
	default:
		return set_limit(e, ev);
	}
}

enum cs_err
record_replay(struct buf *hot, struct buf *cold, struct view event, struct view extra)
{
	struct state *s = calloc(1, sizeof(*s));
	struct event ev;
	struct hash h;
	enum cs_err err;

	(void)cold;
	(void)extra;
	CHECK(s != NULL);
	err = state_decode(buf_view(hot), s);
	if (err == CS_OK)
		err = event_decode(event, &ev);
	if (err == CS_OK && (!hash_equal(&ev.prev, &s->chain) || !state_apply(s, &ev)))
		err = CS_ERR_CORRUPT;
	if (err == CS_OK) {
		sha256(event, &h);
		s->chain = h;
		hot->len = 0;
		state_encode(s, hot);
	}
	free(s);
	return err;
}

/* What decisions see: every configured provider, as the record has it. */
static void
publish(struct engine *e)
{
	struct broker_record *r = e->record;
	const struct policy *p = e->rules->policy;
	const struct entry *self = entry_of(&r->now, 0);
	struct broker_state *b = &e->broker;

	b->revision = r->revision;
	b->frozen = self != NULL && self->frozen;
	b->providers_n = 0;
	for (uint16_t i = 0; i < p->providers_n; i++) {
		const struct entry *en = entry_of(&r->now, p->providers[i].tag);
		struct broker_provider *to = &b->providers[b->providers_n++];

		*to = (struct broker_provider){.tag = p->providers[i].tag, .enabled = true, .fresh = r->loaded,
		    .pinned = en != NULL && id_equal(&en->pin, &r->pins[i]), .frozen = en == NULL || en->frozen};
		if (en == NULL)
			continue;
		to->sessions_since_ms = en->sessions_since_ms;
		to->limits_n = en->limits_n;
		memcpy(to->limits, en->limits, sizeof(to->limits));
	}
}

/* A digest of what makes a provider the one that it is: its plugin, its issuer and its aliases, its client ids. */
static struct id
pin_of(const struct config *c, uint16_t index)
{
	const struct config_provider *p = &c->providers[index];
	struct bytes text;
	struct hash h;
	struct id id;

	bytes_init(&text, 64 * 1024);
	buf_put_lv(&text.buf, view_str(p->plugin));
	for (uint16_t i = 0; i < p->setting_count; i++) {
		if (strcmp(p->settings[i].name, "issuer") != 0 && strcmp(p->settings[i].name, "issuer-alias") != 0)
			continue;
		buf_put_lv(&text.buf, view_str(p->settings[i].name));
		for (uint16_t k = 0; k < p->settings[i].value_count; k++)
			buf_put_lv(&text.buf, view_str(p->settings[i].values[k]));
	}
	for (uint16_t i = 0; i < c->service_count; i++) {
		for (uint16_t k = 0; k < c->services[i].client_count; k++) {
			if (c->services[i].clients[k].provider_index == index) {
				buf_put_lv(&text.buf, view_str(c->services[i].name));
				buf_put_lv(&text.buf, view_str(c->services[i].clients[k].id));
			}
		}
	}
	sha256(buf_view(&text.buf), &h);
	memcpy(id.b, h.b, sizeof(id.b));
	bytes_clear(&text);
	return id;
}

static void
keep_words(struct broker_record *r, const struct event *ev)
{
	struct entry *en = entry_of(&r->now, ev->provider);
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
		CHECK(state_apply(&r->now, &r->in_flight));
		sha256(buf_view(&r->event.buf), &r->now.chain);
		r->revision++;
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

static void
commit(struct engine *e, struct event *ev, struct view words)
{
	struct broker_record *r = e->record;
	struct state *next = malloc(sizeof(*next));
	struct store_event event;
	struct store_commit c = {.key = zero_key, .expected = r->revision, .events = &event, .events_n = 1,
	    .narrows = ev->type == EVENT_PROVIDER_FROZEN || ev->type == EVENT_BROKER_FROZEN};

	CHECK(next != NULL && !r->committing);
	if (ev->time_ms < r->now.time_ms)
		ev->time_ms = r->now.time_ms;
	r->extra.buf.len = r->event.buf.len = r->hot.buf.len = r->words.buf.len = 0;
	buf_put_view(&r->words.buf, words);
	if (words.len > 0) {
		struct hash h;

		/* An admin's words are not personal: in the clear, outside the chain, its hash inside. */
		buf_put_u8(&r->extra.buf, EXTRA_TEXT);
		buf_put_lv(&r->extra.buf, words);
		sha256(buf_view(&r->extra.buf), &h);
		memcpy(ev->extra.b, h.b, sizeof(ev->extra.b));
	}
	ev->prev = r->now.chain;
	event_encode(ev, &r->event.buf);
	*next = r->now;
	CHECK(state_apply(next, ev));
	sha256(buf_view(&r->event.buf), &next->chain);
	state_encode(next, &r->hot.buf);
	free(next);
	CHECK(!r->hot.buf.full && !r->event.buf.full && !r->extra.buf.full);
	event = (struct store_event){buf_view(&r->event.buf), buf_view(&r->extra.buf)};
	c.hot = buf_view(&r->hot.buf);
	r->in_flight = *ev;
	r->committing = true;
	store_commit(e->store, &c, record_committed, e);
}

void
record_commit(struct engine *e, struct event *ev, struct view words, struct call *call, record_done_fn *done)
{
	struct broker_record *r = e->record;

	if (r->committing) {
		call_too_many(call, "another change of the broker is under way", 100);
		return;
	}
	ev->time_ms = e->now.wall_ms;
	ev->policy = e->rules->policy->digest;
	ev->author = AUTHOR_ADMIN;
	r->call = call_hold(call);
	r->done = done;
	commit(e, ev, words);
}

/* Commits on its own behalf, before the first turn or between turns: waits for the store. */
static enum cs_err
commit_now(struct engine *e, struct event *ev, struct view words)
{
	uint64_t before = e->record->revision;

	ev->time_ms = e->now.wall_ms;
	ev->policy = e->rules->policy->digest;
	ev->author = AUTHOR_BROKER;
	commit(e, ev, words);
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

	for (uint16_t i = 0; i < c->provider_count; i++) {
		uint64_t tag = e->rules->policy->providers[i].tag;
		const struct entry *en = entry_of(&r->now, tag);
		struct event ev = {.type = EVENT_PROVIDER_PINNED, .reason = REASON_ASKED, .provider = tag,
		    .plugin = e->rules->policy->providers[i].plugin};

		r->pins[i] = pin_of(c, i);
		ev.id = r->pins[i];
		if (en != NULL && !id_zero(&en->pin)) {
			if (!id_equal(&en->pin, &r->pins[i]))
				log_error("msg=\"provider %s is not the one that it was: its plugin, issuer or client ids "
				    "changed, so nothing may be spent through it\" provider=%s", c->providers[i].name,
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
	r->err = state_decode(rec->hot, &r->now);
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
	free(r);
}

bool
record_frozen(const struct engine *e, uint64_t tag, int64_t *since_ms, struct view *words)
{
	struct broker_record *r = e->record;
	const struct entry *en = entry_of(&r->now, tag);

	if (en == NULL || !en->frozen)
		return false;
	*since_ms = en->since_ms;
	*words = view_str(r->freeze_words[en - r->now.entries]);
	return true;
}
