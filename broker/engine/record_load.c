/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's own record as other brokers left it, where the store is shared: it is read again when the lease tells of a newer
 * one, when an event met a conflict, and before an admin's change.
 */
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/engine/record_internal.h"
#include "broker/engine/transmit.h"
#include "broker/engine/watch.h"

enum {
	RELOAD_EVERY_MS = 50,      /* where it did not work */
	BEHIND_MAX_MS = 1000,      /* that a newer record is known of and not read, before decisions are held */
};

static const struct store_key zero_key;

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
		record_publish(e);
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
	if (r->again)
		record_commit_again(e);
}

void
record_reload(struct engine *e)
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
		record_reload(e);
	if (r->pins_due && e->view.fresh && !behind && !r->committing && now_ms >= r->next_pins_ms)
		record_configure(e);
	return e->view.fresh && (!behind || now_ms - r->behind_ms <= BEHIND_MAX_MS);
}
