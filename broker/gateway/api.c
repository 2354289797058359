/* SPDX-License-Identifier: Apache-2.0 */
/* The REST routes: a row of the table says everything, so one handler serves them all. And keys and
 * health. */
#include <string.h>

#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/gateway/exchange.h"
#include "broker/gateway/handlers.h"
#include "broker/gateway/routes.h"

enum { QUERY_INT_DIGITS_MAX = 18 }; /* always within int64 */

static void
forward_answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = forward_result(x, answer);
	struct json_writer w;
	size_t mark;

	if (r.error.len > 0) {
		reply_problem_of(x, &r);
		return;
	}
	if (x->route->status == 204) {
		reply_begin(x, 204);
		reply_empty(x);
		return;
	}
	mark = reply_json_begin(x, x->route->status);
	w = json_to(x->out);
	json_put_copy(&w, r.doc, r.body);
	reply_end(x, mark);
}

static bool
is_path_member(const struct exchange *x, struct view name)
{
	struct view member;

	for (size_t n = 0; (member = route_member(x->route->path, n)).len > 0; n++)
		if (view_equal(member, name))
			return true;
	return false;
}

/* Is `name` one of the route's query members? *integer: it is to be a number. */
static bool
is_query_member(const char *query, struct view name, bool *integer)
{
	while (query != NULL && *query != '\0') {
		size_t len = strcspn(query, " ");

		*integer = *query == '#';
		if (view_equal(view_of(query + *integer, len - *integer), name))
			return true;
		query += len + strspn(query + len, " ");
	}
	return false;
}

static bool
is_int(struct view v)
{
	for (size_t i = 0; i < v.len; i++)
		if (v.data[i] < '0' || v.data[i] > '9')
			return false;
	return v.len > 0 && v.len <= QUERY_INT_DIGITS_MAX && (v.len == 1 || v.data[0] != '0');
}

/* Checks the query. False: an answer was given. */
static bool
query_read(struct exchange *x, struct http_pair pairs[HTTP_PAIRS_MAX], size_t *count)
{
	struct buf text = buf_over(x->gateway->scratch, sizeof(x->gateway->scratch));
	bool integer;

	if (http_pairs(x->request->query, &text, pairs, count) != CS_OK) {
		reply_invalid(x, VIEW("query"), "is not well formed, or names a member twice");
		return false;
	}
	for (size_t i = 0; i < *count; i++) {
		if (!is_query_member(x->route->query, pairs[i].name, &integer)) {
			reply_invalid(x, pairs[i].name, "is unknown");
			return false;
		}
		if (integer && !is_int(pairs[i].value)) {
			reply_invalid(x, pairs[i].name, "must be a whole number");
			return false;
		}
	}
	return true;
}

/* Reads the body, if there is one. doc->count stays 0 without. False: an answer was given. */
static bool
body_read(struct exchange *x, struct json *doc)
{
	const char *reason;
	uint32_t at;

	if ((x->route->flags & ROUTE_BODY) == 0 || x->request->body.len == 0)
		return true;
	if (!http_type_is(x->request->content_type, VIEW("application/json"))) {
		reply_problem(x, 415, "org.countersign.InvalidParameter",
		    "send Content-Type: application/json");
		return false;
	}
	if (!exchange_json(x, doc, &reason)) {
		reply_invalid(x, VIEW("body"), reason);
		return false;
	}
	at = json_first(doc, 0);
	for (unsigned i = 0; i < doc->tokens[0].count; i++) {
		if (is_path_member(x, json_text(doc, at))) {
			reply_invalid(x, json_text(doc, at), "stands in the path already");
			return false;
		}
		at = json_next(doc, at + 1);
	}
	return true;
}

static void
parameters_write(struct exchange *x, struct json_writer *w, const struct http_pair *pairs,
    size_t count, const struct json *doc)
{
	uint32_t at = doc->count == 0 ? 0 : json_first(doc, 0);
	struct view member;
	bool integer;

	for (size_t n = 0; (member = route_member(x->route->path, n)).len > 0; n++) {
		json_key(w, member);
		json_put_str(w, x->params[n]);
	}
	for (size_t i = 0; i < count; i++) {
		CHECK(is_query_member(x->route->query, pairs[i].name, &integer));
		json_key(w, pairs[i].name);
		if (integer)
			json_put_raw(w, pairs[i].value);
		else
			json_put_str(w, pairs[i].value);
	}
	for (unsigned i = 0; doc->count > 0 && i < doc->tokens[0].count; i++) {
		json_key(w, json_text(doc, at));
		json_put_copy(w, doc, at + 1);
		at = json_next(doc, at + 1);
	}
}

void
api_forward(struct exchange *x)
{
	struct http_pair pairs[HTTP_PAIRS_MAX];
	struct json doc = {.count = 0};
	struct json_writer w;
	size_t count = 0;
	enum engine_lane lane = (x->route->flags & ROUTE_SLOW) != 0 ? ENGINE_SLOW : ENGINE_FAST;

	if (!query_read(x, pairs, &count) || !body_read(x, &doc))
		return;
	if (!exchange_forward_begin(x, lane, view_str(x->route->call), &w)) {
		reply_problem(x, 503, "org.countersign.Unavailable",
		    "the broker is not there now; ask again");
		return;
	}
	parameters_write(x, &w, pairs, count, &doc);
	if (!exchange_send(x, &w, forward_answered))
		reply_problem(x, 413, "org.countersign.InvalidParameter", "the body is too large");
}

static void
health_reply(struct exchange *x, bool ok, struct view reason)
{
	size_t mark = reply_json_begin(x, ok ? 200 : 503);
	struct json_writer w = json_to(x->out);

	json_object_begin(&w);
	json_member_bool(&w, "ok", ok);
	json_member_str(&w, "reason", reason);
	json_object_end(&w);
	reply_end(x, mark);
}

static void
health_answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);

	if (r.error.len > 0)
		health_reply(x, false, VIEW("the engine does not answer"));
	else
		health_reply(x, result_bool(&r, "ok"), result_str(&r, "reason"));
}

void
api_health(struct exchange *x)
{
	struct json_writer w;

	if (!exchange_call_begin(x, ENGINE_FAST, VIEW("org.countersign.Internal.Health"), &w) ||
	    !exchange_send(x, &w, health_answered))
		health_reply(x, false, VIEW("the engine is away"));
}

static void
keys_reply(struct exchange *x)
{
	size_t mark;

	reply_begin(x, 200);
	reply_header(x, VIEW("Cache-Control"), VIEW("public, max-age=60"));
	http_response_body(x->out, VIEW("application/jwk-set+json"), &mark);
	buf_put(x->out, x->gateway->keys.text, x->gateway->keys.len);
	reply_end(x, mark);
}

static void
keys_answered(struct exchange *x, const struct engine_answer *answer)
{
	struct gateway *g = x->gateway;
	struct exchange_result r = call_result(answer);
	uint32_t jwks = result_get(&r, "jwks", JSON_OBJECT);
	struct buf text = buf_over(g->keys.text, sizeof(g->keys.text));
	struct json_writer w = json_to(&text);
	struct clock_now now;

	if (r.error.len > 0) {
		reply_problem_of(x, &r);
		return;
	}
	g->keys.len = 0;
	if (jwks != 0)
		json_put_copy(&w, r.doc, jwks);
	if (jwks == 0 || text.full) {
		reply_problem(
		    x, 503, "org.countersign.Unavailable", "the keys are not to be had now");
		return;
	}
	clock_read(&now);
	g->keys.len = text.len;
	g->keys.fresh_until_ms = now.boot_ms + KEYS_FRESH_MS;
	keys_reply(x);
}

void
api_keys(struct exchange *x)
{
	struct json_writer w;
	struct clock_now now;

	clock_read(&now);
	if (x->gateway->keys.len > 0 && now.boot_ms < x->gateway->keys.fresh_until_ms) {
		keys_reply(x);
		return;
	}
	if (!exchange_call_begin(x, ENGINE_FAST, VIEW("org.countersign.Internal.Keys"), &w) ||
	    !exchange_send(x, &w, keys_answered))
		reply_problem(x, 503, "org.countersign.Unavailable",
		    "the broker is not there now; ask again");
}
