/* SPDX-License-Identifier: Apache-2.0 */
/* The providers' security events: what is on its way, what was heard, and when nothing is. */
#include "broker/engine/signals_state.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/engine/record.h"
#include "broker/engine/workers.h"

enum {
	UNKNOWN_EVERY_MS = 100,   /* so often subjects that nobody has linked take a commit of their own, at most */
	WORDS_BYTES = 160,        /* fits what the record takes */
};

#define SILENT_AFTER_MS (7 * DAY_MS)

struct signals *
signals_new(void)
{
	struct signals *s = calloc(1, sizeof(*s));

	CHECK(s != NULL);
	return s;
}

void
signals_free(struct signals *s)
{
	for (struct signal_job *j = s->jobs, *next; j != NULL; j = next) {
		next = j->next;
		free(j);
	}
	free(s);
}

static struct signal_source *
source_find(const struct signals *s, uint64_t provider)
{
	for (uint32_t i = 0; i < s->sources_n; i++) {
		if (s->sources[i].provider == provider)
			return (struct signal_source *)&s->sources[i];
	}
	return NULL;
}

/* A provider that the configuration has no more gives its place away. */
static struct signal_source *
source_place(struct engine *e)
{
	struct signals *s = e->signals;

	if (s->sources_n < SIGNAL_SOURCES_MAX)
		return &s->sources[s->sources_n++];
	for (uint32_t i = 0; i < s->sources_n; i++) {
		if (ruleset_provider(e->rules, s->sources[i].provider) == NULL && !s->sources[i].polling)
			return &s->sources[i];
	}
	CHECK(!"there is a place for every provider that is, and was");
}

struct signal_source *
signal_source(struct engine *e, uint64_t provider)
{
	struct signal_source *s = source_find(e->signals, provider);

	if (s == NULL) {
		s = source_place(e);
		*s = (struct signal_source){.provider = provider};
	}
	return s;
}

void
signal_heard(struct engine *e, struct signal_source *s)
{
	s->stats.heard_ms = e->now.wall_ms;
	s->heard_again |= s->silent;
}

void
signal_unknown(struct signal_source *s, const struct signal_event *ev)
{
	s->unknown_claim = s->unknown_n == 0 ? ev->claim : (struct id){{0}};
	s->unknown_kind = s->unknown_n == 0 || s->unknown_kind == ev->kind ? ev->kind : SIGNAL_KIND_OTHER;
	s->unknown_n++;
	s->stats.unknown++;
}

void
signals_verification(struct engine *e, uint64_t provider, struct view state)
{
	struct signal_source *s = signal_source(e, provider);

	CHECK(state.len <= SIGNAL_STATE_MAX);
	memcpy(s->state, state.data, state.len);
	s->state[state.len] = '\0';
	s->stats.asked_ms = e->now.wall_ms;
}

/* Counted from the last message; where the admin wrote it, from the start too. */
static int64_t
silent_after(const struct engine *e, const struct signal_source *s, const struct config_provider *p)
{
	if (!workers_said(e, view_str(p->name)).signals || (s->stats.heard_ms == 0 && p->signals.silent_after_ms < 0))
		return -1;
	return p->signals.silent_after_ms < 0 ? SILENT_AFTER_MS : p->signals.silent_after_ms;
}

bool
signals_stats(const struct engine *e, size_t i, struct signal_stats *out)
{
	const struct config *c = e->rules->config;
	const struct signal_source *s;
	struct worker_said said;

	if (i >= c->provider_count)
		return false;
	s = source_find(e->signals, e->rules->policy->providers[i].tag);
	said = workers_said(e, view_str(c->providers[i].name));
	*out = s == NULL ? (struct signal_stats){0} : s->stats;
	out->provider = c->providers[i].name;
	out->can = said.signals;
	out->polls = said.polls;
	out->streams = said.streams;
	out->poll_ms = c->providers[i].signals.poll_ms;
	out->silent_after_ms = s == NULL ? -1 : silent_after(e, s, &c->providers[i]);
	out->silent = s != NULL && s->silent;
	return true;
}

/* --- into the broker's own record --- */

/* Messages whose last unknown subject is durable now, or could not be made so. */
static void
unknown_done(struct engine *e, uint64_t provider, bool durable)
{
	struct signal_job *next;

	for (struct signal_job *j = e->signals->jobs; j != NULL; j = next) {
		next = j->next;
		if (j->state == SIGNAL_JOB_UNKNOWN && j->provider == provider)
			signal_job_end(e, j, durable ? SIGNAL_TAKEN : SIGNAL_FAILED, NULL, NULL);
	}
}

static void
unknown_write(struct engine *e, struct signal_source *s)
{
	struct event ev = {.type = EVENT_SIGNAL_UNKNOWN, .reason = REASON_SIGNALLED, .provider = s->provider,
	    .kind = s->unknown_kind, .count = s->unknown_n, .subject = s->unknown_claim};
	bool durable;

	if (s->unknown_n == 0) {
		unknown_done(e, s->provider, true);
		return;
	}
	if (e->now.boot_ms - s->unknown_boot_ms < UNKNOWN_EVERY_MS)
		return;
	s->unknown_boot_ms = e->now.boot_ms;
	durable = record_note(e, &ev, view_of(NULL, 0));
	if (durable)
		s->unknown_n = 0;
	unknown_done(e, s->provider, durable);
}

/*
 * Said once, when it begins and when it ends; of brokers that share a store by the one that leads, of what it was sent itself.
 */
static void
silence(struct engine *e, struct signal_source *s, const struct config_provider *p)
{
	int64_t after_ms = silent_after(e, s, p);
	int64_t since_ms = s->stats.heard_ms > e->signals->started_ms ? s->stats.heard_ms : e->signals->started_ms;
	struct event ev = {.reason = REASON_ASKED, .provider = s->provider};

	if (s->heard_again) {
		ev.type = EVENT_STREAM_HEARD;
		if (record_note(e, &ev, view_of(NULL, 0)))
			s->silent = s->heard_again = false;
		return;
	}
	if (after_ms < 0 || s->silent || !e->view.leads || e->now.wall_ms - since_ms < after_ms)
		return;
	ev.type = EVENT_STREAM_SILENT;
	if (!record_note(e, &ev, view_of(NULL, 0)))
		return;
	s->silent = true;
	log_warn("msg=\"nothing was heard of a provider's security events for long: see countersignctl provider stream %s "
	    "status\" provider=%s", p->name, p->name);
}

/* --- time --- */

static int64_t
source_tick(struct engine *e, struct signal_source *s, const struct config_provider *p)
{
	int64_t due_ms = signal_poll_tick(e, s, p);

	unknown_write(e, s);
	silence(e, s, p);
	if (s->unknown_n > 0 && due_ms > UNKNOWN_EVERY_MS)
		due_ms = UNKNOWN_EVERY_MS;
	return due_ms;
}

int64_t
signals_tick(struct engine *e)
{
	const struct config *c = e->rules->config;
	int64_t due_ms = INT64_MAX;
	struct signal_job *next;

	if (e->signals->started_ms == 0)
		e->signals->started_ms = e->now.wall_ms;
	for (struct signal_job *j = e->signals->jobs; j != NULL; j = next) {
		next = j->next;
		if (j->state == SIGNAL_JOB_READY || j->state == SIGNAL_JOB_FAILED)
			signal_job_step(e, j);
	}
	for (uint16_t i = 0; i < c->provider_count; i++) {
		int64_t its_ms = source_tick(e, signal_source(e, e->rules->policy->providers[i].tag), &c->providers[i]);

		due_ms = its_ms < due_ms ? its_ms : due_ms;
	}
	for (struct signal_job *j = e->signals->jobs; j != NULL; j = j->next) {
		if (j->state == SIGNAL_JOB_READY || j->state == SIGNAL_JOB_FAILED)
			due_ms = 0;
	}
	return due_ms;
}
