/* SPDX-License-Identifier: Apache-2.0 */
/* The plugins as the configuration has them, each with its servers and its queue. */
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/engine/workers_state.h"

struct workers *
workers_new(void)
{
	struct workers *w = calloc(1, sizeof(*w));

	CHECK(w != NULL);
	return w;
}

void
worker_ask_free(struct ask *a)
{
	/* It may hold the secret of a factor. */
	secret_wipe(a->members.buf.data, a->members.buf.len);
	bytes_clear(&a->members);
	free(a);
}

static void
target_free(struct target *t)
{
	for (struct ask *a = t->first, *next; a != NULL; a = next) {
		next = a->next;
		worker_ask_free(a);
	}
	for (uint32_t i = 0; i < t->servers_n; i++) {
		if (t->servers[i].ask != NULL)
			worker_ask_free(t->servers[i].ask);
	}
	free(t);
}

void
workers_free(struct workers *w)
{
	for (size_t i = 0; i < w->n; i++)
		target_free(w->targets[i]);
	free(w);
}

struct target *
worker_target_find(const struct workers *w, struct view name)
{
	for (size_t i = 0; i < w->n; i++) {
		if (w->targets[i]->current && view_equal(name, view_str(w->targets[i]->name)))
			return w->targets[i];
	}
	return NULL;
}

static void
configure(struct engine *e, const struct config_instance *c)
{
	struct workers *w = e->workers;
	struct target *t = worker_target_find(w, view_str(c->name));
	const char *path = c->socket == NULL ? "" : c->socket;

	if (t != NULL && strcmp(t->path, path) != 0) {
		t->current = false;
		t = NULL;
	}
	if (t == NULL) {
		CHECK(w->n < TARGETS_MAX * 2);
		t = calloc(1, sizeof(*t));
		CHECK(t != NULL);
		snprintf(t->name, sizeof(t->name), "%s", c->name);
		snprintf(t->path, sizeof(t->path), "%s", path);
		t->last = &t->first;
		t->tried_ms = t->heard_ms = INT64_MIN / 2;
		w->targets[w->n++] = t;
	}
	snprintf(t->plugin, sizeof(t->plugin), "%s", c->plugin);
	t->current = true;
	t->kind = c->kind;
	t->servers_n = c->servers < SERVERS_MAX ? c->servers : SERVERS_MAX;
	t->queue_max = c->queue;
	t->deadline_ms = c->deadline_ms;
	for (uint32_t i = 0; i < SERVERS_MAX; i++)
		t->servers[i].target = t;
}

static bool
target_idle(const struct target *t)
{
	for (uint32_t i = 0; i < SERVERS_MAX; i++) {
		if (t->servers[i].ask != NULL)
			return false;
	}
	return t->first == NULL;
}

void
worker_targets_retire(struct engine *e)
{
	struct workers *w = e->workers;
	size_t kept = 0;

	for (size_t i = 0; i < w->n; i++) {
		struct target *t = w->targets[i];

		if (t->current || !target_idle(t)) {
			w->targets[kept++] = t;
			continue;
		}
		for (uint32_t k = 0; k < SERVERS_MAX; k++) {
			struct stream *s = t->servers[k].stream;

			if (s == NULL)
				continue;
			s->owner = NULL;
			s->failed = true;
			engine_ready(e, s);
		}
		target_free(t);
	}
	w->n = kept;
}

void
workers_configure(struct engine *e)
{
	const struct config *c = e->rules->config;
	struct workers *w = e->workers;
	struct config_instance found;

	for (size_t i = 0; i < w->n; i++) {
		if (!config_instance_find(c, view_str(w->targets[i]->name), &found))
			w->targets[i]->current = false;
	}
	for (size_t i = 0; config_instance_at(c, i, &found); i++)
		configure(e, &found);
	worker_targets_retire(e);
}

bool
workers_status(const struct engine *e, size_t i, struct worker_status *out)
{
	struct config_instance c;
	const struct target *t;

	if (!config_instance_at(e->rules->config, i, &c))
		return false;
	t = worker_target_find(e->workers, view_str(c.name));
	CHECK(t != NULL);
	*out = (struct worker_status){.name = t->name, .plugin = t->plugin, .kind = t->kind,
	    .servers = t->servers_n, .queued = t->queued, .failures = t->failures};
	if (breaker_rests(&t->breaker, e->now.boot_ms))
		out->rest_ms = t->breaker.rest_until_ms > e->now.boot_ms ? t->breaker.rest_until_ms - e->now.boot_ms : 1;
	for (uint32_t k = 0; k < t->servers_n; k++)
		out->busy += t->servers[k].ask != NULL;
	snprintf(out->last_error, sizeof(out->last_error), "%s", t->last_error);
	return true;
}
