/* SPDX-License-Identifier: Apache-2.0 */
/* The broker's own record at a start and after a reload: first read, waited for where the store is shared, providers pinned. */
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/engine/record_internal.h"

enum {
	START_WAIT_MS = 8 * 1000,  /* for a shared store that is not ready yet; then it is told that it takes long, every few seconds: */
	LATE_FIRST_MS = 1000,
	LATE_EVERY_MS = 5 * 1000,
	LATE_TEXT = 512,
	PINS_EVERY_MS = 5000,
};

static const struct store_key zero_key;

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
		return record_commit_now(e, &ev, view_of(NULL, 0), true, wait_ms);
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
		record_settle(e, LATE_EVERY_MS);
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
			record_settle(e, LATE_EVERY_MS);
			err = CS_ERR_UNAVAILABLE;
			continue;
		}
		err = record_commit_now(e, &started, view_of(NULL, 0), false, LATE_EVERY_MS);
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
	bytes_init(&r->words, RECORD_WORDS_MAX);
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
	record_publish(e);
	return CS_OK;
}

void
record_configure(struct engine *e)
{
	struct event ev = {.type = EVENT_CONFIGURED, .reason = REASON_ASKED};

	struct broker_record *r = e->record;

	/* What is decided on is the new configuration from now on, written down or not. */
	record_pins(e->rules->config, r->pins);
	r->pins_due = record_busy(e) || record_commit_now(e, &ev, view_of(NULL, 0), false, NOTE_WAIT_MS) != CS_OK ||
	    pin_providers(e, NOTE_WAIT_MS) != CS_OK;
	r->next_pins_ms = e->now.steady_ms + PINS_EVERY_MS;
	if (r->pins_due)
		log_error("msg=\"the new configuration's providers could not be pinned; they stay shut%s\"",
		    e->store->ops->shared ? " until that is done" : "");
	record_publish(e);
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
