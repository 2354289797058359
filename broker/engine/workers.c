/* SPDX-License-Identifier: Apache-2.0 */
/* Queues and connections of the plugins. */
#include "broker/engine/workers.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/base/secret.h"

enum {
	TARGETS_MAX = CONFIG_INSTANCES_MAX,
	SERVERS_MAX = 16,
	BREAK_AFTER = 5,           /* failures in a row: more of them would only cost every caller its deadline */
	REST_MIN_MS = 1000,        /* then it is not asked for so long; doubled by each failure of the one call that tries it */
	REST_MAX_MS = 60 * 1000,
	RECONNECT_MS = 250,        /* a worker that is down is looked for this often, while something waits for it */
};

struct ask {
	worker_done_fn *done;
	void *ctx;
	const char *method;        /* a constant */
	struct bytes members;      /* of its parameters, as JSON */
	int64_t deadline_ms;       /* boot clock */
	uint64_t request;
	bool tries;                /* the one call that shows whether a plugin at rest answers again */
	bool aside;                /* of a provider's security events: see is_aside() */
	struct ask *next;
};

struct server {
	struct target *target;
	struct stream *stream;     /* NULL: not connected */
	struct ask *ask;           /* that it works on */
	uint64_t number;           /* of this connection */
	bool lied;                 /* it is given up when its call has ended */
};

struct target {
	char name[CONFIG_NAME_MAX + 1];
	char path[CONFIG_SOCKET_PATH_MAX + 1];
	char plugin[64];
	enum config_kind kind;
	bool current;
	uint32_t servers_n, queue_max, queued;
	int64_t deadline_ms, tried_ms;
	struct worker_said said;   /* of a factor or a provider */
	bool hearing;              /* it is being asked */
	int64_t heard_ms;          /* boot clock: when it was asked last */
	uint64_t failures;
	uint32_t row;              /* failures in a row */
	bool tried;                /* at rest, a call is trying it */
	int64_t rest_ms, rest_until_ms;
	char last_error[96];
	struct server servers[SERVERS_MAX];
	struct ask *first, **last;
};

struct workers {
	struct target *targets[TARGETS_MAX * 2]; /* old ones stay until their calls have ended */
	size_t n;
	uint64_t requests, connections;
};

struct workers *
workers_new(void)
{
	struct workers *w = calloc(1, sizeof(*w));

	CHECK(w != NULL);
	return w;
}

static void
ask_free(struct ask *a)
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
		ask_free(a);
	}
	for (uint32_t i = 0; i < t->servers_n; i++) {
		if (t->servers[i].ask != NULL)
			ask_free(t->servers[i].ask);
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

static struct target *
target_find(const struct workers *w, struct view name)
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
	struct target *t = target_find(w, view_str(c->name));
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

/* A target that the configuration has no more closes its connections when its last call has ended. */
static void
retire(struct engine *e)
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
	retire(e);
}

static void
finish(struct engine *e, struct ask *a, const struct worker_result *result)
{
	worker_done_fn *done = a->done;
	void *ctx = a->ctx;

	ask_free(a);
	done(e, ctx, result);
}

/*
 * The breaker: closed while there are fewer than BREAK_AFTER failures in a row, then at rest; after the rest one call
 * tries the plugin. Its success closes the breaker, its failure doubles the rest.
 */
static bool
rests(const struct engine *e, const struct target *t)
{
	return t->row >= BREAK_AFTER && (t->tried || e->now.boot_ms < t->rest_until_ms);
}

/*
 * What asks where the provider's security events come from, which is not where people sign in, and of which the first is
 * asked for whoever posts at the gateway. That those servers do not answer says nothing of the plugin: it must keep nobody
 * from signing in. A plugin that crashes, hangs or speaks garbage over them does count.
 */
static bool
is_aside(const char *method)
{
	static const char *const names[] = {"Signal", "Poll", "Stream"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(method, names[i]) == 0)
			return true;
	}
	return false;
}

/*
 * The worker, or the plugin, would not look at what it was asked. Of much of that a stranger has the words: who asks the
 * same nonsense again and again must not shut the plugin for everybody.
 */
static bool
is_of_question(struct view error, struct view reason)
{
	return !view_equal(error, VIEW("org.countersign.Worker.Failed")) || view_equal(reason, VIEW("invalid")) ||
	    view_equal(reason, VIEW("full"));
}

static void
breaker_good(struct target *t)
{
	if (t->row >= BREAK_AFTER)
		log_info("msg=\"a plugin answers again\" plugin=%s", t->name);
	t->row = 0;
	t->tried = false;
	t->rest_ms = 0;
}

/* counts: the plugin was really asked. Describe tells of a worker that is not there yet, and that is no failure. */
static void
breaker_bad(const struct engine *e, struct target *t, const struct ask *a, bool counts)
{
	if (a->tries)
		t->tried = false;
	if (!counts && !a->tries)
		return;
	if (t->row < BREAK_AFTER)
		t->row++;
	else if (!a->tries)
		return;
	if (t->row < BREAK_AFTER)
		return;
	t->rest_ms = t->rest_ms == 0 ? REST_MIN_MS : t->rest_ms * 2 < REST_MAX_MS ? t->rest_ms * 2 : REST_MAX_MS;
	t->rest_until_ms = e->now.boot_ms + t->rest_ms;
	log_warn("msg=\"a plugin failed too often in a row and is not asked for a while\" plugin=%s rest_ms=%lld", t->name,
	    (long long)t->rest_ms);
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
	breaker_bad(e, t, a, false);
	finish(e, a, &result);
}

static void said(struct engine *e, void *ctx, const struct worker_result *result);

static void
fail(struct engine *e, struct target *t, struct ask *a, const char *why)
{
	if (a->done != said) {
		breaker_bad(e, t, a, true);
		a->tries = false;
	}
	fail_unasked(e, t, a, why);
}

/* Neither an answer, nor a sign that the plugin is unwell: whoever is next may try it again. */
static void
fail_unanswered(struct engine *e, struct target *t, struct ask *a)
{
	if (a->tries)
		t->tried = false;
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
	struct target *t = target_find(w, name);
	struct ask *a = calloc(1, sizeof(*a));

	CHECK(a != NULL);
	*a = (struct ask){.method = method, .done = done, .ctx = ctx, .request = ++w->requests};
	bytes_init(&a->members, WORKER_REQUEST_MAX);
	buf_put_view(&a->members.buf, parameters);
	if (t == NULL || t->queued >= t->queue_max || rests(e, t)) {
		struct worker_result result = {.err = CS_ERR_UNAVAILABLE, .reason = t == NULL ? VIEW("no such plugin") :
			t->queued >= t->queue_max ? VIEW("queue full") : VIEW("at rest after failures in a row")};

		finish(e, a, &result);
		return;
	}
	a->aside = is_aside(method);
	if (t->row >= BREAK_AFTER && !a->aside)
		a->tries = t->tried = true;
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
	const struct target *t = target_find(e->workers, name);

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

			if ((a->aside && !garbage) || is_of_question(reply.error, result.reason))
				fail_unanswered(e, v->target, a);
			else
				fail(e, v->target, a, "the plugin failed");
			/* A server whose plugin spoke garbage says so and ends: the next call goes to its successor. */
			return !garbage;
		}
		result.err = CS_ERR_DENIED;
		breaker_good(v->target);
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
	breaker_good(v->target);
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
	retire(e);
	return due_ms == INT64_MAX ? INT64_MAX : due_ms > e->now.boot_ms ? due_ms - e->now.boot_ms : 0;
}

bool
workers_status(const struct engine *e, size_t i, struct worker_status *out)
{
	struct config_instance c;
	const struct target *t;

	if (!config_instance_at(e->rules->config, i, &c))
		return false;
	t = target_find(e->workers, view_str(c.name));
	CHECK(t != NULL);
	*out = (struct worker_status){.name = t->name, .plugin = t->plugin, .kind = t->kind,
	    .servers = t->servers_n, .queued = t->queued, .failures = t->failures};
	if (rests(e, t))
		out->rest_ms = t->rest_until_ms > e->now.boot_ms ? t->rest_until_ms - e->now.boot_ms : 1;
	for (uint32_t k = 0; k < t->servers_n; k++)
		out->busy += t->servers[k].ask != NULL;
	snprintf(out->last_error, sizeof(out->last_error), "%s", t->last_error);
	return true;
}
