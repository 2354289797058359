/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's life: start, turns, time, reload. */
#include "broker/engine/bearer.h"
#include "broker/engine/engine.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/core/apply.h"
#include "broker/engine/admin.h"
#include "broker/engine/call.h"
#include "broker/engine/cold.h"
#include "broker/engine/enrolment.h"
#include "broker/engine/page.h"
#include "broker/engine/place.h"
#include "broker/engine/record.h"
#include "broker/engine/said.h"
#include "broker/engine/shadow.h"
#include "broker/engine/signals.h"
#include "broker/engine/signin.h"
#include "broker/engine/strangers.h"
#include "broker/engine/talk.h"
#include "broker/engine/transmit.h"
#include "broker/engine/txn.h"
#include "broker/engine/view.h"
#include "broker/engine/watch.h"
#include "broker/engine/workers.h"

enum {
	TICK_MS = 500,             /* nothing waits on it for longer */
	LOOK_EVERY_MS = 500,       /* for whoever waits for something that may happen at another broker */
	CLOCK_TOLERANCE_MS = 30000,/* of wall clock against boot clock: what time services slew */
	TURN_ROUNDS_MAX = 64,      /* commits in one turn, each waking what waited for it */
	ROUND_CALLS_MAX = 512,     /* before a commit, so that a crowd costs neither memory nor the first one's time */
};

enum cs_err
engine_new(struct config *config, struct keyring *keys, struct store *store, const struct stream_ops *io,
    const struct clock_now *now, struct engine **out, char why[256])
{
	struct engine *e = calloc(1, sizeof(*e));
	enum cs_err err;

	CHECK(e != NULL);
	if ((err = ruleset_new(config, &e->rules, why)) != CS_OK) {
		free(e);
		return err;
	}
	if ((err = shadow_new(config, &e->shadow, why)) != CS_OK) {
		e->rules->config = NULL;
		ruleset_free(e->rules);
		free(e);
		return err;
	}
	e->keys = keys;
	ruleset_payees(e->rules, keys);
	shadow_payees(e->shadow, keys);
	e->store = store;
	e->io = *io;
	e->now = *now;
	e->started_boot_ms = now->boot_ms;
	e->clock_delta_ms = now->wall_ms - now->boot_ms;
	e->broker.clock_ok = true;
	e->view = store_view(store);
	e->control_fd = -1;
	e->ready_end = &e->ready;
	e->txns = txns_new();
	e->watches = watches_new();
	e->transmit = transmit_new(e->view.leads);
	e->pages = pages_new();
	e->views = views_new();
	e->signins = signins_new();
	e->enrolments = enrolments_new();
	e->talks = talks_new();
	e->workers = workers_new();
	e->signals = signals_new();
	e->bearers = bearers_new();
	e->strangers = strangers_new();
	e->said = said_new();
	if ((err = record_open(e, why)) != CS_OK) {
		/* The caller keeps its config: it was not taken over. */
		e->rules->config = NULL;
		engine_free(e);
		return err;
	}
	transmit_configure(e);
	workers_configure(e);
	*out = e;
	return CS_OK;
}

void
engine_free(struct engine *e)
{
	if (e == NULL)
		return;
	shadow_free(e->shadow);
	strangers_free(e->strangers);
	said_free(e->said);
	signals_free(e->signals);
	workers_free(e->workers);
	bearers_free(e->bearers);
	signins_free(e->signins);
	enrolments_free(e->enrolments);
	talks_free(e->talks);
	record_free(e->record);
	pages_free(e->pages);
	views_free(e->views);
	watches_free(e->watches);
	transmit_free(e->transmit);
	txns_free(e->txns);
	ruleset_free(e->rules);
	free(e);
}

/* Rule: time never goes back, and a clock that jumps holds decisions until it agrees again or the engine restarts. */
static void
check_clock(struct engine *e)
{
	int64_t drift = e->now.wall_ms - e->now.boot_ms - e->clock_delta_ms;
	bool ok = drift < CLOCK_TOLERANCE_MS && drift > -CLOCK_TOLERANCE_MS;

	if (ok != e->broker.clock_ok)
		log_at(ok ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "msg=\"%s\" drift_ms=%lld",
		    ok ? "the wall clock agrees with the boot clock again" :
		    "the wall clock jumped: decisions are held; set it right, or restart the broker when it is right",
		    (long long)drift);
	e->broker.clock_ok = ok;
	/* What happens meanwhile happens at the time that the boot clock tells: no account follows the jump. */
	if (!ok)
		e->now.wall_ms = e->now.boot_ms + e->clock_delta_ms;
}

/* What other brokers may have done; what may widen power is held where it is not known. */
static void
check_shared(struct engine *e)
{
	bool stale;

	if (!e->store->ops->shared)
		return;
	store_tick(e->store, e->now.steady_ms);
	e->view = store_view(e->store);
	stale = !record_turn(e);
	if (stale != e->broker.stale)
		log_at(stale ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "msg=\"%s\"", stale ?
		    "the shared store was not heard for longer than the lease: what widens power is refused until it is" :
		    "the shared store is heard again");
	e->broker.stale = stale;
}

void
engine_turn_begin(struct engine *e, const struct clock_now *now)
{
	e->now = *now;
	check_clock(e);
	check_shared(e);
}

int64_t
engine_store_rest(struct engine *e)
{
	if (!e->store->ops->shared)
		return INT64_MAX;
	store_flush(e->store);
	return store_tick(e->store, e->now.steady_ms);
}

void
engine_ready(struct engine *e, struct stream *s)
{
	if (s->queued)
		return;
	s->queued = true;
	s->next = NULL;
	*e->ready_end = s;
	e->ready_end = &s->next;
}

static struct stream *
take_ready(struct engine *e)
{
	struct stream *list = e->ready;

	e->ready = NULL;
	e->ready_end = &e->ready;
	return list;
}

/* Handled bytes leave the buffer when no call looks into it: one that is held, or that may have to be decided again. */
static void
stream_tidy(struct stream *s)
{
	if (s->held == NULL && s->unsettled == 0 && s->taken > 0) {
		bytes_consume(&s->in, s->taken);
		s->taken = 0;
	}
}

/* Streams of which nothing was read keep their place before those that had their share. */
static void
put_back(struct engine *e, struct stream *list)
{
	struct stream **end = &list;

	while (*end != NULL)
		end = &(*end)->next;
	*end = e->ready;
	if (e->ready == NULL)
		e->ready_end = end;
	e->ready = list;
}

/* Reads what has arrived, up to a round's share; returns the streams that were read. */
static struct stream *
read_round(struct engine *e)
{
	struct stream *touched = NULL, *s, *next;

	e->round_left = ROUND_CALLS_MAX;
	for (s = take_ready(e); s != NULL && e->round_left > 0; s = next) {
		next = s->next;
		s->queued = false;
		if (s->kind == STREAM_WORKER)
			workers_read(e, s);
		else
			calls_read(e, s);
		if (e->round_left == 0)
			engine_ready(e, s);
		s->listed = true;
		s->touched_next = touched;
		touched = s;
	}
	if (s != NULL)
		put_back(e, s);
	return touched;
}

/* Before the next round, so that nobody's answer waits for what others ask. */
static void
update_all(struct engine *e, struct stream *touched)
{
	while (touched != NULL) {
		struct stream *s = touched;

		touched = s->touched_next;
		s->listed = false;
		stream_tidy(s);
		/* It was full when it was read, and what it was full of was answered in the same round: nothing else would wake it. */
		if (s->kind != STREAM_WORKER && calls_unread(s))
			engine_ready(e, s);
		e->io.update(e->io.ctx, s);
	}
}

void
engine_turn_end(struct engine *e)
{
	/* Whose time has come, though nothing else happens. */
	watches_run(e);
	for (int round = 0; round < TURN_ROUNDS_MAX && (e->ready != NULL || txns_busy(e)); round++) {
		struct stream *touched = read_round(e);

		txns_commit(e);
		watches_run(e);
		transmit_run(e);
		update_all(e, touched);
		if (!engine_waits(e))
			break;
	}
}

bool
engine_waits(const struct engine *e)
{
	return e->ready != NULL || txns_listed(e);
}

int64_t
engine_tick(struct engine *e)
{
	int64_t due_ms, sending_ms, signals_ms;

	pages_tick(e);
	views_tick(e);
	due_ms = workers_tick(e);
	sending_ms = transmit_tick(e);
	if (sending_ms < due_ms)
		due_ms = sending_ms;
	signins_tick(e);
	enrolments_tick(e);
	talks_tick(e);
	watches_tick(e);
	if (e->store->ops->shared && e->now.boot_ms - e->looked_ms >= LOOK_EVERY_MS) {
		e->looked_ms = e->now.boot_ms;
		watches_all(e);
	}
	strangers_tick(e);
	shadow_tick(e);
	said_tick(e);
	signals_ms = signals_tick(e);
	due_ms = signals_ms < due_ms ? signals_ms : due_ms;
	return due_ms < TICK_MS ? due_ms : TICK_MS;
}

/* Its calls go on without it; what they look into stays. */
static void
calls_gone(struct engine *e, struct stream *s)
{
	struct call *held = s->held;
	struct stream_left *left;

	if (held == NULL && s->places == NULL)
		return;
	left = calloc(1, sizeof(*left));
	CHECK(left != NULL);
	left->in = s->in;
	bytes_init(&s->in, STREAM_IN_MAX);
	for (struct place *p = s->places; p != NULL; p = p->next)
		watches_gone(e, p->call);
	places_gone(s, left);
	if (held == NULL)
		return;
	held->stream = NULL;
	held->left = left;
	left->calls++;
	s->held = NULL;
	watches_gone(e, held);
}

void
engine_gone(struct engine *e, struct stream *s)
{
	struct stream **at = &e->ready;

	while (*at != NULL && *at != s)
		at = &(*at)->next;
	if (*at == s) {
		*at = s->next;
		if (*at == NULL)
			e->ready_end = at;
	}
	if (s->kind == STREAM_WORKER)
		workers_gone(e, s);
	else
		calls_gone(e, s);
}

enum cs_err
engine_reload(struct engine *e, struct config *config, char why[256])
{
	struct ruleset *next;
	struct shadow *shadow;
	enum cs_err err = ruleset_new(config, &next, why);

	if (err != CS_OK)
		return err;
	ruleset_payees(next, e->keys);
	if ((err = shadow_new(config, &shadow, why)) != CS_OK) {
		next->config = NULL;
		ruleset_free(next);
		return err;
	}
	shadow_payees(shadow, e->keys);
	shadow_write_all(e);
	ruleset_free(e->rules);
	e->rules = next;
	shadow_free(e->shadow);
	e->shadow = shadow;
	record_configure(e);
	transmit_configure(e);
	bearers_configure(e);
	workers_configure(e);
	return CS_OK;
}

void
engine_reloaded(struct engine *e, uint64_t generation, const char *why)
{
	if (why != NULL)
		log_warn("msg=\"reload refused\" generation=%llu why=%s", (unsigned long long)generation,
		    log_value(view_str(why)));
	else
		log_info("msg=reloaded generation=%llu", (unsigned long long)generation);
	admin_reloaded(e, generation, why);
}
