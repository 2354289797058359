/* SPDX-License-Identifier: Apache-2.0 */
/* Queues and connections of the plugins: calls to them, their deadlines and answers. */
#include "broker/engine/workers.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/engine/workers_state.h"

enum {
	RECONNECT_MS = 250,        /* a worker that is down is looked for this often, while something waits for it */
};

static void
finish(struct engine *e, struct ask *a, const struct worker_result *result)
{
	worker_done_fn *done = a->done;
	void *ctx = a->ctx;

	worker_ask_free(a);
	done(e, ctx, result);
}

/* What says the same whether the plugin was asked or not. */
static void
fail_unasked(struct engine *e, struct target *t, struct ask *a, const char *why)
{
	struct worker_result result = {.err = CS_ERR_UNAVAILABLE, .reason = view_str(why)};

	t->failures++;
	snprintf(t->last_error, sizeof(t->last_error), "%s", why);
	log_warn("msg=\"a plugin gave no usable answer\" plugin=%s why=\"%s\" request=%llu", t->name, why,
	    (unsigned long long)a->request);
	breaker_bad(&t->breaker, t->name, a->tries, false, e->now.boot_ms);
	finish(e, a, &result);
}

static void said(struct engine *e, void *ctx, const struct worker_result *result);

static void
fail(struct engine *e, struct target *t, struct ask *a, const char *why)
{
	if (a->done != said) {
		/* Describe tells of a worker that is not there yet, and that is no failure. */
		breaker_bad(&t->breaker, t->name, a->tries, true, e->now.boot_ms);
		a->tries = false;
	}
	fail_unasked(e, t, a, why);
}

/* Neither an answer, nor a sign that the plugin is unwell: whoever is next may try it again. */
static void
fail_unanswered(struct engine *e, struct target *t, struct ask *a)
{
	if (a->tries)
		breaker_open_to_try(&t->breaker);
	a->tries = false;
	fail_unasked(e, t, a, "the plugin failed");
}

/* The server's connection ends: the worker replaces a server that was late or lied. */
static void
server_drop(struct engine *e, struct server *v)
{
	struct stream *s = v->stream;

	if (s == NULL)
		return;
	v->stream = NULL;
	s->owner = NULL;
	s->failed = true;
	engine_ready(e, s);
}

static bool
server_connect(struct engine *e, struct server *v)
{
	struct target *t = v->target;

	if (v->stream != NULL)
		return true;
	if (e->now.boot_ms - t->tried_ms < RECONNECT_MS)
		return false;
	v->stream = e->io.connect(e->io.ctx, t->path);
	if (v->stream == NULL) {
		t->tried_ms = e->now.boot_ms;
		return false;
	}
	v->stream->owner = v;
	v->number = ++e->workers->connections;
	v->lied = false;
	return true;
}

/* The server is told what is left of the call's time: what waited long must not hold it up long. */
static void
write_message(const struct ask *a, int64_t left_ms, struct buf *out)
{
	char name[96], request[32];
	int n = snprintf(name, sizeof(name), "org.countersign.Worker.%s", a->method);
	int len = snprintf(request, sizeof(request), "%llu", (unsigned long long)a->request);
	struct json_writer w;

	CHECK(n > 0 && (size_t)n < sizeof(name));
	w = varlink_call_begin(out, view_of(name, (size_t)n), false);
	json_member_int(&w, "deadline_ms", left_ms);
	json_member_str(&w, "request", view_of(request, (size_t)len));
	if (a->members.buf.len > 0) {
		buf_put_u8(out, ',');
		buf_put_view(out, buf_view(&a->members.buf));
	}
	varlink_end(&w);
}

static void
pump(struct engine *e, struct target *t)
{
	for (uint32_t i = 0; i < t->servers_n && t->first != NULL; i++) {
		struct server *v = &t->servers[i];
		struct ask *a = t->first;

		if (a->deadline_ms <= e->now.boot_ms)
			break; /* it is over; the tick of this turn says so */
		if (v->ask != NULL || (v->stream != NULL && v->lied) || !server_connect(e, v))
			continue;
		t->first = a->next;
		if (t->first == NULL)
			t->last = &t->first;
		t->queued--;
		v->ask = a;
		write_message(a, a->deadline_ms - e->now.boot_ms, &v->stream->out.buf);
		engine_ready(e, v->stream);
	}
}

void
workers_ask(struct engine *e, struct view name, const char *method, struct view parameters, worker_done_fn *done,
    void *ctx)
{
	workers_ask_within(e, name, INT64_MAX, method, parameters, done, ctx);
}

void
workers_ask_within(struct engine *e, struct view name, int64_t within_ms, const char *method, struct view parameters,
    worker_done_fn *done, void *ctx)
{
	struct workers *w = e->workers;
	struct target *t = worker_target_find(w, name);
	struct ask *a = calloc(1, sizeof(*a));

	CHECK(a != NULL);
	*a = (struct ask){.method = method, .done = done, .ctx = ctx, .request = ++w->requests};
	bytes_init(&a->members, WORKER_REQUEST_MAX);
	buf_put_view(&a->members.buf, parameters);
	if (t == NULL || t->queued >= t->queue_max || breaker_rests(&t->breaker, e->now.boot_ms)) {
		struct worker_result result = {.err = CS_ERR_UNAVAILABLE, .reason = t == NULL ? VIEW("no such plugin") :
			t->queued >= t->queue_max ? VIEW("queue full") : VIEW("at rest after failures in a row")};

		finish(e, a, &result);
		return;
	}
	a->aside = breaker_is_aside(method);
	a->tries = !a->aside && breaker_try(&t->breaker);
	a->deadline_ms = e->now.boot_ms + (within_ms < t->deadline_ms ? within_ms : t->deadline_ms);
	if (a->members.buf.full) {
		fail_unasked(e, t, a, "request too long");
		return;
	}
	*t->last = a;
	t->last = &a->next;
	t->queued++;
	pump(e, t);
}

static void
said(struct engine *e, void *ctx, const struct worker_result *result)
{
	struct answer {
		struct worker_said said;
		struct view code_parameter;
	} got = {.code_parameter = VIEW("code")};
	static const struct json_field fields[] = {
		{"begins", JSON_F_BOOL, false, offsetof(struct answer, said.begins), 0, 0},
		{"sends", JSON_F_BOOL, false, offsetof(struct answer, said.sends), 0, 0},
		{"tells", JSON_F_BOOL, false, offsetof(struct answer, said.tells), 0, 0},
		{"code_alone", JSON_F_BOOL, false, offsetof(struct answer, said.code_alone), 0, 0},
		{"signals", JSON_F_BOOL, false, offsetof(struct answer, said.signals), 0, 0},
		{"polls", JSON_F_BOOL, false, offsetof(struct answer, said.polls), 0, 0},
		{"streams", JSON_F_BOOL, false, offsetof(struct answer, said.streams), 0, 0},
		{"rekeys", JSON_F_BOOL, false, offsetof(struct answer, said.rekeys), 0, 0},
		{"code_parameter", JSON_F_ID, false, offsetof(struct answer, code_parameter), 1, WORKER_PARAMETER_MAX},
		{0},
	};
	struct target *t = ctx;
	struct json_problem problem = {0};

	(void)e;
	t->hearing = false;
	if (result->err != CS_OK || result->parameters == 0 ||
	    json_bind(result->doc, result->parameters, fields, true, &got, &problem) != CS_OK)
		return;
	memcpy(got.said.code_parameter, got.code_parameter.data, got.code_parameter.len);
	t->said = got.said;
	t->said.heard = true;
}

/* Whether its plugin has something to say of itself that this engine uses. */
static bool
speaks(const struct target *t)
{
	return t->current && (t->kind == CONFIG_FACTOR || t->kind == CONFIG_PROVIDER);
}

/* Asks a plugin what it can do, as soon as its worker is there; a worker that is not is nobody's failure yet. */
static void
hear(struct engine *e, struct target *t)
{
	struct ask *a;

	if (!speaks(t) || t->said.heard || t->hearing ||
	    e->now.boot_ms - t->heard_ms < RECONNECT_MS || t->first != NULL || t->servers[0].ask != NULL ||
	    !server_connect(e, &t->servers[0]))
		return;
	a = calloc(1, sizeof(*a));
	CHECK(a != NULL);
	*a = (struct ask){.method = "Describe", .done = said, .ctx = t, .request = ++e->workers->requests,
	    .deadline_ms = e->now.boot_ms + t->deadline_ms};
	bytes_init(&a->members, WORKER_REQUEST_MAX);
	t->hearing = true;
	t->heard_ms = e->now.boot_ms;
	*t->last = a;
	t->last = &a->next;
	t->queued++;
	pump(e, t);
}

struct worker_said
workers_said(const struct engine *e, struct view name)
{
	const struct target *t = worker_target_find(e->workers, name);

	return t == NULL || !t->said.heard ? (struct worker_said){.code_parameter = "code"} : t->said;
}

static bool
same_request(const struct json *doc, uint32_t parameters, uint64_t request)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)request);
	uint32_t at = parameters == 0 ? 0 : json_get(doc, parameters, VIEW("request"));

	return at != 0 && json_type(doc, at) == JSON_STRING &&
	    view_equal(json_text(doc, at), view_of(text, (size_t)n));
}

static void
note_lie(struct target *t)
{
	t->failures++;
	snprintf(t->last_error, sizeof(t->last_error), "the answer contradicts the question");
	log_warn("msg=\"a plugin's answer contradicts the question\" plugin=%s", t->name);
}

/* One reply. False where the server cannot be trusted with another call. */
static bool
take_reply(struct engine *e, struct server *v, char *text, size_t len)
{
	struct ask *a = v->ask;
	struct worker_result result = {.err = CS_OK};
	struct varlink_reply reply;
	struct json_error err;
	struct json doc;
	bool lied = false;
	uint32_t at;

	if (a == NULL)
		return false;
	v->ask = NULL;
	if (varlink_read_reply(text, len, e->tokens, JSON_TOKENS_MAX, &doc, &reply, &err) != CS_OK ||
	    reply.continues) {
		fail(e, v->target, a, "the answer is garbage");
		return false;
	}
	at = reply.parameters == 0 ? 0 : json_get(&doc, reply.parameters, VIEW("reason"));
	if (at != 0 && json_type(&doc, at) == JSON_STRING)
		result.reason = json_text(&doc, at);
	if (reply.error.len > 0) {
		if (!view_equal(reply.error, VIEW("org.countersign.Worker.Refused"))) {
			bool garbage = view_equal(result.reason, VIEW("garbage"));

			if ((a->aside && !garbage) || breaker_is_of_question(reply.error, result.reason))
				fail_unanswered(e, v->target, a);
			else
				fail(e, v->target, a, "the plugin failed");
			/* A server whose plugin spoke garbage says so and ends: the next call goes to its successor. */
			return !garbage;
		}
		result.err = CS_ERR_DENIED;
		breaker_good(&v->target->breaker, v->target->name);
		finish(e, a, &result);
		return !v->lied;
	}
	if (!same_request(&doc, reply.parameters, a->request)) {
		fail(e, v->target, a, "the answer is to another request");
		return false;
	}
	result.doc = &doc;
	result.parameters = reply.parameters;
	result.server = v->number;
	result.lied = &lied;
	breaker_good(&v->target->breaker, v->target->name);
	finish(e, a, &result);
	if (lied)
		note_lie(v->target);
	return !lied && !v->lied;
}

void
workers_lied(struct engine *e, uint64_t server)
{
	for (size_t i = 0; i < e->workers->n; i++) {
		struct target *t = e->workers->targets[i];

		for (uint32_t k = 0; k < SERVERS_MAX; k++) {
			struct server *v = &t->servers[k];

			if (v->stream == NULL || v->number != server || v->lied)
				continue;
			/* Dropped when its call has ended, or with the next tick: it may be reading its reply just now. */
			note_lie(t);
			v->lied = true;
			return;
		}
	}
}

void
workers_read(struct engine *e, struct stream *s)
{
	struct server *v = s->owner;
	size_t len;

	if (v == NULL) {
		s->taken = s->in.buf.len;
		return;
	}
	while (varlink_frame((char *)s->in.buf.data + s->taken, s->in.buf.len - s->taken, &s->scanned, &len) == CS_OK) {
		char *at = (char *)s->in.buf.data + s->taken;

		s->scanned = 0;
		s->taken += len + 1;
		if (!take_reply(e, v, at, len)) {
			server_drop(e, v);
			return;
		}
	}
	if (s->ended || s->failed || s->in.buf.len - s->taken > VARLINK_MESSAGE_MAX) {
		struct ask *a = v->ask;

		v->ask = NULL;
		server_drop(e, v);
		if (a != NULL)
			fail(e, v->target, a, "the plugin's process ended");
	}
	pump(e, v->target);
}

void
workers_gone(struct engine *e, struct stream *s)
{
	struct server *v = s->owner;
	struct ask *a;

	if (v == NULL)
		return;
	v->stream = NULL;
	s->owner = NULL;
	a = v->ask;
	v->ask = NULL;
	if (a != NULL)
		fail(e, v->target, a, "the plugin's process ended");
}

/* Calls past their deadline end, queued or at a server; that server's connection ends with them. */
static void
expire(struct engine *e, struct target *t)
{
	/* Queued calls may have different times: those that are over leave from where they stand. */
	struct ask **at = &t->first, *late = NULL, **late_end = &late;

	for (uint32_t i = 0; i < SERVERS_MAX; i++) {
		struct ask *a = t->servers[i].ask;

		if (a == NULL || a->deadline_ms > e->now.boot_ms)
			continue;
		t->servers[i].ask = NULL;
		server_drop(e, &t->servers[i]);
		fail(e, t, a, "too late");
	}
	while (*at != NULL) {
		struct ask *a = *at;

		if (a->deadline_ms > e->now.boot_ms) {
			at = &a->next;
			continue;
		}
		*at = a->next;
		a->next = NULL;
		*late_end = a;
		late_end = &a->next;
		t->queued--;
	}
	t->last = at;
	/* Only now: whoever is told may ask again. */
	while (late != NULL) {
		struct ask *a = late;

		late = a->next;
		fail_unasked(e, t, a, "too late in the queue");
	}
}

static void
drop_liars(struct engine *e, struct target *t)
{
	for (uint32_t i = 0; i < SERVERS_MAX; i++) {
		if (t->servers[i].lied && t->servers[i].ask == NULL)
			server_drop(e, &t->servers[i]);
	}
}

/* The earliest time at which a call of this target is over. */
static int64_t
target_due(const struct target *t, int64_t due_ms)
{
	for (uint32_t i = 0; i < t->servers_n; i++)
		if (t->servers[i].ask != NULL && t->servers[i].ask->deadline_ms < due_ms)
			due_ms = t->servers[i].ask->deadline_ms;
	for (const struct ask *a = t->first; a != NULL; a = a->next)
		if (a->deadline_ms < due_ms)
			due_ms = a->deadline_ms;
	return due_ms;
}

int64_t
workers_tick(struct engine *e)
{
	int64_t due_ms = INT64_MAX;

	for (size_t i = 0; i < e->workers->n; i++) {
		struct target *t = e->workers->targets[i];

		expire(e, t);
		drop_liars(e, t);
		if (t->first != NULL)
			pump(e, t);
		hear(e, t);
		due_ms = target_due(t, due_ms);
		if (speaks(t) && !t->said.heard && !t->hearing &&
		    e->now.boot_ms + RECONNECT_MS < due_ms)
			due_ms = e->now.boot_ms + RECONNECT_MS;
	}
	worker_targets_retire(e);
	return due_ms == INT64_MAX ? INT64_MAX : due_ms > e->now.boot_ms ? due_ms - e->now.boot_ms : 0;
}
