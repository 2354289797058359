/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events that are fetched (RFC 8936): asked for every so often, looked at as if they had been pushed, and acknowledged at the
 * next poll when they are durable. What could not be looked at is acknowledged in no way, so that the provider gives it
 * again.
 */
#include "broker/engine/signals_state.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/engine/workers.h"

enum { AT_ONCE_MS = 100 }; /* between polls of a provider that has more */

/* One set, on its way: which provider's, and what that calls it. */
struct set {
	uint64_t provider;
	char id[SIGNAL_TEXT_MAX + 1];
};

struct set_fields {
	struct view id, set;
};

static void
acknowledge(struct signal_ack *list, uint32_t *n, const char *id)
{
	/* More than one poll can tell of: it comes again, and is a duplicate. */
	if (*n == SIGNAL_ACKS_MAX)
		return;
	memcpy(list[*n].id, id, strlen(id) + 1);
	(*n)++;
}

static void
poll_over(struct engine *e, struct signal_source *s)
{
	const struct config_provider *p = ruleset_provider(e->rules, s->provider);

	s->polling = false;
	s->next_poll_ms = e->now.boot_ms + (s->more || p == NULL || p->signals.poll_ms < 0 ? AT_ONCE_MS : p->signals.poll_ms);
}

static void
set_done(struct engine *e, void *ctx, struct call *call, enum signal_end end, const char *err, const char *description)
{
	struct set *set = ctx;
	struct signal_source *s = signal_source(e, set->provider);

	(void)err, (void)description;
	if (end == SIGNAL_TAKEN)
		acknowledge(s->taken, &s->taken_n, set->id);
	else if (end == SIGNAL_REFUSED)
		acknowledge(s->refused, &s->refused_n, set->id);
	CHECK(s->sets_open > 0);
	if (--s->sets_open == 0)
		poll_over(e, s);
	free(set);
	if (call != NULL)
		call_release(call);
}

/* By a call that nobody made: it has no peer, and what it is answered goes nowhere. */
static void
take_set(struct engine *e, struct signal_source *s, const struct set_fields *f)
{
	struct call *call = calloc(1, sizeof(*call));
	struct set *set = calloc(1, sizeof(*set));

	CHECK(call != NULL && set != NULL);
	call->engine = e;
	call->number = ++e->calls;
	set->provider = s->provider;
	memcpy(set->id, f->id.data, f->id.len);
	s->sets_open++;
	signal_take(e, call, s->provider, f->set, view_of(NULL, 0), view_of(NULL, 0), set_done, set);
}

struct answer_fields {
	uint32_t sets;
	bool more;
};

static const struct json_field answer_table[] = {
	{"sets", JSON_F_ARRAY, true, offsetof(struct answer_fields, sets), 0, SIGNAL_SETS_MAX},
	{"more", JSON_F_BOOL, true, offsetof(struct answer_fields, more), 0, 0},
	{0},
};

static const struct json_field set_table[] = {
	{"id", JSON_F_ID, true, offsetof(struct set_fields, id), 1, SIGNAL_TEXT_MAX},
	{"set", JSON_F_STRING, true, offsetof(struct set_fields, set), 1, SIGNAL_BODY_TEXT_MAX},
	{0},
};

/* Those that this poll told of; what came meanwhile stays. */
static void
forget(struct signal_ack *list, uint32_t *n, uint32_t told)
{
	memmove(list, list + told, (*n - told) * sizeof(*list));
	*n -= told;
}

static void
take_sets(struct engine *e, struct signal_source *s, const struct json *doc, uint32_t array)
{
	uint32_t at = json_first(doc, array), n = doc->tokens[array].count;
	struct json_problem problem;

	/* One more than there are, so that none that ends at once ends the poll. */
	s->sets_open = 1;
	for (uint32_t i = 0; i < n && i < SIGNAL_SETS_MAX; i++, at = json_next(doc, at)) {
		struct set_fields f;

		if (json_bind(doc, at, set_table, true, &f, &problem) != CS_OK)
			continue;
		take_set(e, s, &f);
	}
	if (--s->sets_open == 0)
		poll_over(e, s);
}

static void
answered(struct engine *e, void *ctx, const struct worker_result *result)
{
	struct signal_source *s = ctx;
	struct answer_fields f = {0};
	struct json_problem problem;

	s->more = false;
	if (result->err != CS_OK ||
	    json_bind(result->doc, result->parameters, answer_table, true, &f, &problem) != CS_OK) {
		s->stats.failed++;
		poll_over(e, s);
		return;
	}
	signal_heard(e, s);
	forget(s->taken, &s->taken_n, s->told_n);
	forget(s->refused, &s->refused_n, s->told_refused_n);
	s->more = f.more;
	take_sets(e, s, result->doc, f.sets);
}

static void
put_acks(struct json_writer *w, const char *name, const struct signal_ack *list, uint32_t n)
{
	json_key(w, view_str(name));
	json_array_begin(w);
	for (uint32_t i = 0; i < n; i++)
		json_put_str(w, view_str(list[i].id));
	json_array_end(w);
}

static void
poll_now(struct engine *e, struct signal_source *s, const char *name)
{
	static uint8_t bytes[WORKER_REQUEST_MAX];
	struct buf text = buf_over(bytes, sizeof(bytes));
	struct json_writer w = json_to(&text);

	s->polling = true;
	s->told_n = s->taken_n;
	s->told_refused_n = s->refused_n;
	json_object_begin(&w);
	put_acks(&w, "taken", s->taken, s->taken_n);
	put_acks(&w, "refused", s->refused, s->refused_n);
	json_member_int(&w, "now_ms", e->now.wall_ms);
	json_object_end(&w);
	CHECK(!text.full);
	workers_ask(e, view_str(name), "Poll", view_of(text.data + 1, text.len - 2), answered, s);
}

int64_t
signal_poll_tick(struct engine *e, struct signal_source *s, const struct config_provider *p)
{
	/* One of the brokers that share a store: what it was given and did not acknowledge is given to the next one. */
	if (!e->view.leads || p->signals.poll_ms < 0 || s->polling || !workers_said(e, view_str(p->name)).polls)
		return INT64_MAX;
	/* A shorter time than it was when the last one ended. */
	if (s->next_poll_ms > e->now.boot_ms + p->signals.poll_ms)
		s->next_poll_ms = e->now.boot_ms + p->signals.poll_ms;
	if (s->next_poll_ms > e->now.boot_ms)
		return s->next_poll_ms - e->now.boot_ms;
	poll_now(e, s, p->name);
	return INT64_MAX;
}
