/* SPDX-License-Identifier: Apache-2.0 */
/* One request: to its route, to the engine, and back. */
#include "broker/gateway/exchange.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/gateway/credentials.h"
#include "broker/gateway/handlers.h"
#include "broker/gateway/routes.h"

/* An answer that no handler gave, in the form that the route's callers expect. */
static void
refuse(struct exchange *x, unsigned status, const char *error, const char *detail)
{
	size_t mark;
	struct json_writer w;

	if (x->route != NULL && (x->route->flags & ROUTE_PAGE) != 0) {
		page_error(x, status);
	} else if (x->route != NULL && (x->route->flags & ROUTE_SET) != 0 && status == 400) {
		ssf_refuse(x, VIEW("invalid_request"), view_str(detail));
	} else if (x->route != NULL && (x->route->flags & ROUTE_AUTHZEN) != 0) {
		mark = reply_json_begin(x, status);
		w = json_to(x->out);
		json_put_str(&w, view_str(detail));
		reply_end(x, mark);
	} else {
		reply_problem(x, status, error, detail);
	}
}

static bool
params_decode(struct exchange *x, const struct view raw[ROUTE_PARAMS_MAX])
{
	struct buf text = buf_over(x->text, sizeof(x->text));

	for (size_t i = 0; i < ROUTE_PARAMS_MAX && raw[i].data != NULL; i++)
		if (http_decode(raw[i], false, &text, &x->params[i]) != CS_OK ||
		    x->params[i].len == 0)
			return false;
	x->text_len = text.len;
	return true;
}

static void
route_refuse(struct exchange *x, enum cs_err rc, const char *allow)
{
	size_t mark;
	struct json_writer w;

	/* No route takes HEAD, and an answer to HEAD has no body. */
	if (view_equal(x->request->method, VIEW("HEAD"))) {
		reply_begin(x, rc == CS_ERR_NOT_FOUND ? 404 : 405);
		if (rc != CS_ERR_NOT_FOUND)
			reply_header(x, VIEW("Allow"), view_str(allow));
		reply_empty(x);
		return;
	}
	if (rc == CS_ERR_NOT_FOUND) {
		reply_problem(x, 404, "org.countersign.NotFound", "there is nothing at this path");
		return;
	}
	reply_begin(x, 405);
	reply_header(x, VIEW("Allow"), view_str(allow));
	http_response_body(x->out, VIEW("application/problem+json"), &mark);
	w = json_to(x->out);
	json_object_begin(&w);
	json_member_str(&w, "type", VIEW("about:blank"));
	json_member_str(&w, "title", VIEW("Method Not Allowed"));
	json_member_int(&w, "status", 405);
	json_member_str(&w, "error", VIEW("org.varlink.service.MethodNotFound"));
	json_member_str(&w, "detail", VIEW("the header Allow names the methods of this path"));
	json_object_end(&w);
	reply_end(x, mark);
}

static void
run(struct exchange *x)
{
	const struct http_request *q = x->request;
	struct view raw[ROUTE_PARAMS_MAX] = {{NULL, 0}};
	char allow[ROUTE_ALLOW_MAX];
	const char *why;
	enum cs_err rc = route_find(q->method, q->path, &x->route, raw, allow);

	if (rc != CS_OK) {
		route_refuse(x, rc, allow);
		return;
	}
	if (!params_decode(x, raw)) {
		refuse(x, 400, "org.countersign.InvalidParameter", "the path is not well encoded");
		return;
	}
	if ((x->route->flags & ROUTE_SERVICE) != 0 && (why = credentials_read(x)) != NULL) {
		refuse(x, 401, "org.countersign.NotAuthenticated", why);
		return;
	}
	x->route->handle(x);
}

void
exchange_start(struct exchange *x)
{
	x->route = NULL;
	x->finished = x->close = x->streaming = false;
	x->step = NULL;
	x->call = NULL;
	x->detail = x->status = x->language = 0;
	x->token = view_of(NULL, 0);
	x->token_dpop = false;
	x->refused = NULL;
	x->language_asked = false;
	memset(x->params, 0, sizeof(x->params));
	CHECK(x->state == NULL);
	x->starting = true;
	run(x);
	x->starting = false;
	CHECK(x->finished || x->call != NULL || x->state != NULL);
}

void
exchange_clear(struct exchange *x)
{
	if (x->call != NULL)
		engine_cancel(x->call);
	x->call = NULL;
	if (x->state != NULL)
		x->state_free(x->state);
	x->state = NULL;
}

bool
exchange_call_begin(
    struct exchange *x, enum engine_lane lane, struct view method, struct json_writer *w)
{
	struct buf *out = engine_begin(x->gateway->engine, lane, x->affinity);

	if (out == NULL)
		return false;
	*w = varlink_call_begin(out, method, lane == ENGINE_WATCH);
	return true;
}

bool
exchange_watch_begin(struct exchange *x, struct view method, struct json_writer *w)
{
	return exchange_forward_begin(x, ENGINE_WATCH, method, w);
}

bool
exchange_forward_begin(
    struct exchange *x, enum engine_lane lane, struct view method, struct json_writer *w)
{
	/* A token may have to be asked about, which nobody else's call waits for. */
	if (x->token.data != NULL && lane == ENGINE_FAST)
		lane = ENGINE_SLOW;
	if (!exchange_call_begin(x, lane, VIEW("org.countersign.Internal.Forward"), w))
		return false;
	credentials_write(x, w);
	json_member_str(w, "ip", x->ip);
	json_member_str(w, "method", method);
	json_key(w, VIEW("parameters"));
	json_object_begin(w);
	return true;
}

static void
answered(void *arg, const struct engine_answer *answer)
{
	struct exchange *x = arg;

	if (answer->doc == NULL || !answer->reply.continues)
		x->call = NULL;
	x->step(x, answer);
}

bool
exchange_send(struct exchange *x, struct json_writer *w, exchange_step *step)
{
	enum { CALL_DEPTH = 2 }; /* inside the parameters of the message itself */

	while (w->depth > CALL_DEPTH)
		json_object_end(w);
	varlink_end(w);
	x->step = step;
	x->call = engine_commit(x->gateway->engine, answered, x);
	return x->call != NULL;
}

static const struct exchange_result no_answer = {NULL, VIEW("org.countersign.Unavailable"), 0};

struct exchange_result
call_result(const struct engine_answer *answer)
{
	if (answer->doc == NULL)
		return no_answer;
	return (struct exchange_result){answer->doc, answer->reply.error, answer->reply.parameters};
}

struct exchange_result
forward_result(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result outer = call_result(answer);
	struct exchange_result inner = {.doc = outer.doc};

	if (outer.error.len > 0)
		return outer;
	inner.error = result_str(&outer, "error");
	inner.body = result_get(&outer, "reply", JSON_OBJECT);
	if (view_equal(inner.error, VIEW("org.countersign.NotAuthenticated")))
		credentials_refused(x, result_str(&inner, "reason"));
	return inner.body == 0 ? no_answer : inner;
}

uint32_t
result_get(const struct exchange_result *r, const char *name, enum json_type type)
{
	uint32_t token =
	    r->doc == NULL || r->body == 0 ? 0 : json_get(r->doc, r->body, view_str(name));

	return token != 0 && json_type(r->doc, token) == type ? token : 0;
}

struct view
result_str(const struct exchange_result *r, const char *name)
{
	uint32_t token = result_get(r, name, JSON_STRING);

	return token == 0 ? view_of(NULL, 0) : json_text(r->doc, token);
}

int64_t
result_int(const struct exchange_result *r, const char *name, int64_t otherwise)
{
	uint32_t token = result_get(r, name, JSON_NUMBER);
	int64_t v;

	return token != 0 && json_int(r->doc, token, &v) == CS_OK ? v : otherwise;
}

bool
result_bool(const struct exchange_result *r, const char *name)
{
	return result_get(r, name, JSON_TRUE) != 0;
}

/* How deep the value at `token` nests; a scalar is 0 deep. Recursion is bounded by the reader. */
static unsigned
depth_of(const struct json *doc, uint32_t token)
{
	bool object = json_type(doc, token) == JSON_OBJECT;
	uint32_t at = json_first(doc, token);
	unsigned deepest = 0;

	if (!object && json_type(doc, token) != JSON_ARRAY)
		return 0;
	for (unsigned i = 0; i < doc->tokens[token].count; i++) {
		unsigned d;

		if (object)
			at++;
		d = depth_of(doc, at);
		if (d > deepest)
			deepest = d;
		at = json_next(doc, at);
	}
	return deepest + 1;
}

bool
exchange_json(struct exchange *x, struct json *doc, const char **reason)
{
	const struct http_request *q = x->request;
	struct json_error err;

	/* The connection's buffer is ours until the answer is written. */
	if (json_read((char *)(uintptr_t)q->body.data, q->body.len, x->gateway->tokens,
		JSON_TOKENS_MAX, doc, &err) != CS_OK) {
		*reason = err.reason;
		return false;
	}
	if (json_type(doc, 0) != JSON_OBJECT) {
		*reason = "must be a JSON object";
		return false;
	}
	if (depth_of(doc, 0) > EXCHANGE_DEPTH_MAX) {
		*reason = "nests too deeply";
		return false;
	}
	return true;
}

void
reply_begin(struct exchange *x, unsigned status)
{
	CHECK(!x->finished);
	x->status = status;
	http_response_begin(x->out, status, x->close || x->request->close);
	if (x->request->request_id.data != NULL)
		http_response_header(x->out, VIEW("X-Request-ID"), x->request->request_id);
	if (status == 401)
		credentials_ask(x);
}

void
reply_header(struct exchange *x, struct view name, struct view value)
{
	http_response_header(x->out, name, value);
}

size_t
reply_json_begin(struct exchange *x, unsigned status)
{
	size_t mark;

	reply_begin(x, status);
	buf_put_view(x->out, VIEW("Cache-Control: no-store\r\n"));
	http_response_body(x->out, VIEW("application/json"), &mark);
	return mark;
}

static void
finish(struct exchange *x)
{
	x->finished = true;
	log_debug("answered method=%s route=%s status=%u",
	    x->route == NULL ? "-" : x->route->method, x->route == NULL ? "-" : x->route->path,
	    x->status);
	if (!x->starting)
		x->wake(x);
}

void
reply_end(struct exchange *x, size_t mark)
{
	http_response_end(x->out, mark);
	finish(x);
}

void
reply_stream_begin(struct exchange *x, struct view content_type)
{
	x->close = x->streaming = true;
	reply_begin(x, 200);
	reply_header(x, VIEW("Content-Type"), content_type);
	reply_header(x, VIEW("Cache-Control"), VIEW("no-store"));
	reply_header(x, VIEW("X-Content-Type-Options"), VIEW("nosniff"));
	buf_put_view(x->out, VIEW("\r\n"));
}

void
reply_stream_push(struct exchange *x)
{
	x->push(x);
}

void
reply_stream_end(struct exchange *x)
{
	finish(x);
}

void
reply_empty(struct exchange *x)
{
	http_response_empty(x->out, x->status);
	finish(x);
}

/* The errors of the public interfaces, and what each is over HTTP. */
static const struct {
	struct view name;
	unsigned status;
	const char *title;
} errors[] = {
    {VIEW("org.countersign.InvalidParameter"), 400, "A parameter is missing or not acceptable"},
    {VIEW("org.countersign.NotAuthenticated"), 401, "The caller is not a known service"},
    {VIEW("org.countersign.NotPermitted"), 403, "The caller lacks this right"},
    {VIEW("org.countersign.NotFound"), 404, "No such thing"},
    {VIEW("org.countersign.Conflict"), 409, "The thing is in another state than the call supposes"},
    {VIEW("org.countersign.TooMany"), 429, "A bound or a rate was reached"},
    {VIEW("org.countersign.Unavailable"), 503,
	"The broker cannot answer now; nothing was decided in your favour"},
    {VIEW("org.varlink.service.InvalidParameter"), 400, "A parameter is missing or not acceptable"},
};

static size_t
error_find(struct view error)
{
	size_t i = 0;

	while (i < sizeof(errors) / sizeof(errors[0]) && !view_equal(errors[i].name, error))
		i++;
	return i;
}

unsigned
error_status(struct view error)
{
	size_t i = error_find(error);

	return i < sizeof(errors) / sizeof(errors[0]) ? errors[i].status : 500;
}

static void
retry_after(struct exchange *x, int64_t ms)
{
	uint8_t text[24];
	struct buf b = buf_over(text, sizeof(text));
	struct json_writer w = json_to(&b);

	/* At most a day: what a peer says is bounded before it is passed on. */
	ms = ms < 0 ? 0 : ms > 86400000 ? 86400000 : ms;
	json_put_int(&w, (ms + 999) / 1000);
	reply_header(x, VIEW("Retry-After"), buf_view(&b));
}

static size_t
problem_begin(struct exchange *x, unsigned status, struct view error, int64_t retry_after_ms,
    struct json_writer *w)
{
	size_t i = error_find(error), mark;

	reply_begin(x, status);
	if (status == 429 || status == 503)
		retry_after(x, retry_after_ms);
	buf_put_view(x->out, VIEW("Cache-Control: no-store\r\n"));
	http_response_body(x->out, VIEW("application/problem+json"), &mark);
	*w = json_to(x->out);
	json_object_begin(w);
	json_member_str(w, "type", VIEW("about:blank"));
	json_member_str(w, "title",
	    view_str(i < sizeof(errors) / sizeof(errors[0]) ? errors[i].title
							    : http_status_text(status)));
	json_member_int(w, "status", status);
	json_member_str(w, "error", error);
	return mark;
}

void
reply_problem(struct exchange *x, unsigned status, const char *error, const char *detail)
{
	struct json_writer w;
	size_t mark = problem_begin(x, status, view_str(error), ENGINE_RETRY_MS, &w);

	json_member_str(&w, "detail", view_str(detail));
	json_object_end(&w);
	reply_end(x, mark);
}

void
reply_invalid(struct exchange *x, struct view field, const char *reason)
{
	struct json_writer w;
	size_t mark =
	    problem_begin(x, 400, VIEW("org.countersign.InvalidParameter"), ENGINE_RETRY_MS, &w);

	json_member_str(&w, "field", field);
	json_member_str(&w, "reason", view_str(reason));
	json_object_end(&w);
	reply_end(x, mark);
}

/* Members of the engine's error, except those that RFC 9457 gives a meaning of its own. */
static void
problem_members(struct json_writer *w, const struct exchange_result *r)
{
	static const struct view ours[] = {VIEW("type"), VIEW("title"), VIEW("status"),
	    VIEW("error"), VIEW("detail"), VIEW("instance")};
	uint32_t at = json_first(r->doc, r->body);

	for (unsigned i = 0; i < r->doc->tokens[r->body].count; i++) {
		struct view name = json_text(r->doc, at);
		bool taken = false;

		for (size_t k = 0; k < sizeof(ours) / sizeof(ours[0]); k++)
			taken = taken || view_equal(ours[k], name);
		if (!taken) {
			json_key(w, name);
			json_put_copy(w, r->doc, at + 1);
		}
		at = json_next(r->doc, at + 1);
	}
}

void
reply_problem_of(struct exchange *x, const struct exchange_result *r)
{
	unsigned status = error_status(r->error);
	struct json_writer w;
	size_t mark;

	if (r->doc == NULL) {
		reply_problem(x, status, "org.countersign.Unavailable",
		    "the broker did not answer; ask again");
		return;
	}
	mark = problem_begin(
	    x, status, r->error, result_int(r, "retry_after_ms", ENGINE_RETRY_MS), &w);
	if (r->body != 0)
		problem_members(&w, r);
	json_object_end(&w);
	reply_end(x, mark);
}
