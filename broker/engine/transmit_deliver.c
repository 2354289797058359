/* SPDX-License-Identifier: Apache-2.0 */
/* How an event of a stream is told: the account behind it, its token, and pushing. */
#include "broker/engine/transmit_deliver.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/base/secret.h"
#include "broker/engine/things.h"
#include "broker/engine/transmit_set.h"
#include "broker/engine/transmit_state.h"
#include "broker/engine/workers.h"

enum {
	RETRY_FIRST_MS = 1000,
	RETRY_MAX_MS = 5 * 60 * 1000,
};

/* --- the accounts behind events --- */

struct look {
	struct engine *engine;
	uint64_t service;
	struct id key;
	size_t most;
	bool asking, answered, failed;
	transmit_looked_fn *done;
	void *ctx;
};

static void look_on(struct look *l);

/* Of the account as it is now, for all its events. */
static void
look_put(struct look *l, const struct account *a, struct view name)
{
	struct receiver *r = transmit_receiver(l->engine, l->service);

	for (size_t i = 0; r != NULL && i < r->n; i++) {
		struct transmit_item *item = &r->items[(r->first + i) % TRANSMIT_QUEUE];
		const struct link *of = a == NULL ? NULL : account_link_by_no(a, item->link_no);

		if (item->seq == 0 || item->looked || !id_equal(&item->key, &l->key))
			continue;
		item->looked = true;
		item->erased = name.len == 0;
		item->name_len = (uint8_t)name.len;
		if (name.len > 0)
			memcpy(item->name, name.data, name.len);
		item->now_link = of != NULL ? of->id : (struct id){{0}};
		item->now_provider = of != NULL ? of->provider : 0;
	}
}

static void
look_loaded(void *ctx, enum cs_err err, const struct store_record *record)
{
	static struct account a;
	static struct texts texts;
	struct look *l = ctx;
	struct view name;

	if (err == CS_OK && account_decode(record->hot, &l->key, record->revision, &a) == CS_OK) {
		name = things_account(l->engine->keys, &a, record->cold, &texts);
		CHECK(name.len <= OUTSIDE_ID_MAX);
		look_put(l, &a, name);
	} else {
		l->failed = true;
	}
	l->answered = true;
	if (!l->asking)
		look_on(l);
}

static struct transmit_item *
look_next(const struct look *l)
{
	struct receiver *r = transmit_receiver(l->engine, l->service);
	size_t seen = 0;

	for (size_t i = 0; r != NULL && i < r->n && seen < l->most; i++) {
		struct transmit_item *item = &r->items[(r->first + i) % TRANSMIT_QUEUE];

		if (item->done)
			continue;
		seen++;
		if (item->seq != 0 && !item->looked)
			return item;
	}
	return NULL;
}

static void
look_on(struct look *l)
{
	struct transmit_item *item;
	struct store_key key;

	while (!l->failed && (item = look_next(l)) != NULL) {
		l->key = item->key;
		memcpy(key.b, l->key.b, sizeof(key.b));
		l->asking = true;
		l->answered = false;
		store_load(l->engine->store, &key, look_loaded, l);
		l->asking = false;
		if (!l->answered)
			return;
	}
	l->done(l->engine, l->ctx);
	free(l);
}

void
transmit_look(struct engine *e, struct receiver *r, size_t most, transmit_looked_fn *done, void *ctx)
{
	struct look *l = malloc(sizeof(*l));

	CHECK(l != NULL);
	*l = (struct look){.engine = e, .service = r->of.service, .most = most, .done = done, .ctx = ctx};
	look_on(l);
}

enum cs_err
transmit_set(struct engine *e, struct receiver *r, const struct transmit_item *item, struct buf *out)
{
	struct transmit_item *own = &r->items[item - r->items];
	char jti[TRANSMIT_JTI_MAX], stream[32];
	struct transmit_facts f = {.base = transmit_issuer(e), .jti = transmit_jti(r, item, jti),
	    .audience = view_str(ruleset_service_name(e->rules, r->of.service)),
	    .stream = transmit_stream_id(&r->of.id, stream), .state = view_of(r->state, r->state_len)};
	struct id_text link;
	struct id id = item->link;

	if (item->what == TRANSMIT_VERIFICATION) {
		transmit_set_write(e, item, &f, out);
		return CS_OK;
	}
	if (!item->looked)
		return CS_ERR_UNAVAILABLE;
	/* The next token looks again: an account may be erased in between. */
	own->looked = false;
	if (item->erased)
		return CS_ERR_NOT_FOUND;
	f.account = view_of(item->name, item->name_len);
	if (id_zero(&id))
		id = item->now_link;
	if (!id_zero(&id)) {
		link = id_format(ID_LINK, &item->key, &id);
		f.link = id_view(&link);
	}
	if (item->provider != 0 || item->now_provider != 0)
		f.provider = view_str(ruleset_provider_name(e->rules, item->provider != 0 ? item->provider : item->now_provider));
	transmit_set_write(e, item, &f, out);
	return out->full ? CS_ERR_FULL : CS_OK;
}

/* --- pushing --- */

struct flight {
	uint64_t service, number;
	char jti[TRANSMIT_JTI_MAX];
	size_t jti_len;
};

static void
push_failed(struct engine *e, struct receiver *r, struct view why)
{
	int64_t wait = RETRY_FIRST_MS;

	for (unsigned i = 0; i < r->failures && wait < RETRY_MAX_MS; i++)
		wait *= 2;
	if (wait > RETRY_MAX_MS)
		wait = RETRY_MAX_MS;
	r->failures++;
	r->next_try_ms = e->now.boot_ms + wait;
	log_warn("msg=\"a security event was not delivered; it is tried again\" service=%s why=%s tries=%u again_ms=%lld",
	    ruleset_service_name(e->rules, r->of.service), log_value(why), r->failures, (long long)wait);
}

static void
pushed(struct engine *e, void *ctx, const struct worker_result *result)
{
	struct flight *f = ctx;
	struct receiver *r = transmit_receiver(e, f->service);

	/* The stream may be another by now: then the event is told again, with the same jti. */
	if (r != NULL && r->in_flight && r->flight == f->number) {
		r->in_flight = false;
		if (result->err == CS_OK || result->err == CS_ERR_DENIED) {
			r->failures = 0;
			transmit_taken(e, r, view_of(f->jti, f->jti_len), result->err == CS_ERR_DENIED);
		} else {
			push_failed(e, r, result->reason);
		}
	}
	free(f);
}

static void
push_send(struct engine *e, struct receiver *r, struct view name, struct view jti, struct view set)
{
	struct flight *f = calloc(1, sizeof(*f));
	struct bytes document, members;
	struct json_writer w;

	CHECK(f != NULL);
	*f = (struct flight){.service = r->of.service, .number = ++r->flight, .jti_len = jti.len};
	memcpy(f->jti, jti.data, jti.len);
	bytes_init(&document, WORKER_REQUEST_MAX);
	w = json_to(&document.buf);
	json_object_begin(&w);
	json_member_str(&w, "endpoint_url", view_of(r->endpoint, r->endpoint_len));
	if (r->header_len > 0)
		json_member_str(&w, "authorization_header", view_of(r->header, r->header_len));
	json_member_str(&w, "set", set);
	json_object_end(&w);
	bytes_init(&members, WORKER_REQUEST_MAX);
	w = json_to(&members.buf);
	json_object_begin(&w);
	json_member_str(&w, "id", jti);
	json_member_str(&w, "document", buf_view(&document.buf));
	json_member_int(&w, "now_ms", e->now.wall_ms);
	json_object_end(&w);
	CHECK(!members.buf.full && !document.buf.full);
	r->in_flight = true;
	workers_ask(e, name, "Deliver", view_of(members.buf.data + 1, members.buf.len - 2), pushed, f);
	secret_wipe(members.buf.data, members.buf.len);
	secret_wipe(document.buf.data, document.buf.len);
	bytes_clear(&members);
	bytes_clear(&document);
}

static bool
may_push(const struct engine *e, const struct receiver *r)
{
	return r->allowed && r->of.method == RECEIVER_PUSH && r->of.status == RECEIVER_ENABLED && !r->in_flight && !r->looking &&
	    r->n > 0 && e->now.boot_ms >= r->next_try_ms;
}

/* The next run pushes it; or the store is asked again after a while. */
static void
push_looked(struct engine *e, void *ctx)
{
	struct flight *f = ctx;
	struct receiver *r = transmit_receiver(e, f->service);

	if (r != NULL) {
		const struct transmit_item *item = transmit_waiting(r, 0);

		r->looking = false;
		if (item != NULL && item->seq != 0 && !item->looked)
			push_failed(e, r, VIEW("store"));
	}
	free(f);
}

static void
push_look(struct engine *e, struct receiver *r)
{
	struct flight *f = calloc(1, sizeof(*f));

	CHECK(f != NULL);
	f->service = r->of.service;
	r->looking = true;
	transmit_look(e, r, 1, push_looked, f);
}

void
transmit_push(struct engine *e, struct receiver *r)
{
	const struct config_service *s = ruleset_service(e->rules, r->of.service);
	uint8_t bytes[2 * TRANSMIT_SET_MAX];

	while (may_push(e, r)) {
		const struct transmit_item *item = transmit_waiting(r, 0);
		struct buf set = buf_over(bytes, sizeof(bytes));
		char text[TRANSMIT_JTI_MAX];
		struct view jti = transmit_jti(r, item, text);
		enum cs_err err;

		if (s->push != NULL && item->seq != 0 && !item->looked) {
			push_look(e, r);
			continue;
		}
		err = s->push == NULL ? CS_ERR_DENIED : transmit_set(e, r, item, &set);

		if (err == CS_OK)
			push_send(e, r, view_str(s->push), jti, buf_view(&set));
		else if (err == CS_ERR_NOT_FOUND)
			transmit_taken(e, r, jti, false);
		else
			push_failed(e, r, err == CS_ERR_DENIED ? VIEW("no push plugin is configured for it") : VIEW("store"));
	}
}
