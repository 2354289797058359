/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenID AuthZEN Authorization API 1.0. An evaluation is Payments.Authorize ("spend") or
 * Payments.Evaluate ("can_spend") in other words. A denial is 200 with decision false; only an
 * outcome of exactly "permit" is true. A step_up is a denial that says how to ask again, in the
 * members of the draft Access Request and Approval profile.
 */
#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/gateway/authzen.h"
#include "broker/gateway/handlers.h"

void
authzen_error(struct exchange *x, unsigned status, struct view message)
{
	size_t mark = reply_json_begin(x, status);
	struct json_writer w = json_to(x->out);

	json_put_str(&w, message);
	reply_end(x, mark);
}

static uint32_t
member(const struct json *doc, uint32_t object, const char *name, enum json_type type)
{
	uint32_t token = json_get(doc, object, view_str(name));

	return token != 0 && json_type(doc, token) == type ? token : 0;
}

static bool
member_is(const struct json *doc, uint32_t object, const char *name, struct view value)
{
	uint32_t token = member(doc, object, name, JSON_STRING);

	return token != 0 && view_equal(json_text(doc, token), value);
}

/* Reads the entities that stand in `object` over those in *q: a key replaces the whole entity. */
const char *
question_read(const struct json *doc, uint32_t object, struct question *q)
{
	struct {
		const char *name;
		uint32_t *to;
	} entities[] = {
	    {"subject", &q->subject},
	    {"action", &q->action},
	    {"resource", &q->resource},
	    {"context", &q->context},
	};

	for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
		uint32_t token = json_get(doc, object, view_str(entities[i].name));

		if (token == 0)
			continue;
		if (json_type(doc, token) != JSON_OBJECT)
			return "subject, action, resource and context must be objects";
		*entities[i].to = token;
	}
	return NULL;
}

/* What AuthZEN requires of any question; NULL when it is all there. */
const char *
question_check(const struct json *doc, const struct question *q)
{
	if (q->subject == 0 || member(doc, q->subject, "type", JSON_STRING) == 0 ||
	    member(doc, q->subject, "id", JSON_STRING) == 0)
		return "subject must have type and id, both strings";
	if (q->action == 0 || member(doc, q->action, "name", JSON_STRING) == 0)
		return "action must have name, a string";
	if (q->resource == 0 || member(doc, q->resource, "type", JSON_STRING) == 0 ||
	    member(doc, q->resource, "id", JSON_STRING) == 0)
		return "resource must have type and id, both strings";
	return NULL;
}

/* The method that answers it; empty: none does, and then the answer is no. */
struct view
question_method(const struct json *doc, const struct question *q)
{
	if (!member_is(doc, q->subject, "type", VIEW("account")) ||
	    !member_is(doc, q->resource, "type", VIEW("payment")))
		return view_of(NULL, 0);
	if (member_is(doc, q->action, "name", VIEW("spend")))
		return VIEW("org.countersign.Payments.Authorize");
	if (member_is(doc, q->action, "name", VIEW("can_spend")))
		return VIEW("org.countersign.Payments.Evaluate");
	return view_of(NULL, 0);
}

/* Copies a member, if the object is there and has it, under the same or another name. */
static void
copy(struct json_writer *w, const struct json *doc, uint32_t object, const char *name,
    const char *as)
{
	uint32_t token = object == 0 ? 0 : json_get(doc, object, view_str(name));

	if (token == 0)
		return;
	json_key(w, view_str(as));
	json_put_copy(w, doc, token);
}

/* Of what may stand there only what we know is passed on: AuthZEN says that the rest is to be
 * ignored. */
static void
payment_write(struct json_writer *w, const struct json *doc, const struct question *q)
{
	uint32_t properties = member(doc, q->resource, "properties", JSON_OBJECT);
	uint32_t payee = properties == 0 ? 0 : member(doc, properties, "payee", JSON_OBJECT);

	json_key(w, VIEW("payment"));
	json_object_begin(w);
	copy(w, doc, q->resource, "id", "id");
	copy(w, doc, properties, "amount", "amount");
	copy(w, doc, properties, "currency", "currency");
	if (payee == 0) {
		copy(w, doc, properties, "payee", "payee");
	} else {
		json_key(w, VIEW("payee"));
		json_object_begin(w);
		copy(w, doc, payee, "id", "id");
		copy(w, doc, payee, "name", "name");
		json_object_end(w);
	}
	json_object_end(w);
}

/* Where the question says whether it wants to know why: in the context, or in the action as the other wishes do. */
static uint32_t
asks_why(const struct json *doc, const struct question *q, uint32_t action)
{
	return q->context != 0 && json_get(doc, q->context, VIEW("explain")) != 0 ? q->context : action;
}

void
question_write(struct json_writer *w, const struct json *doc, const struct question *q)
{
	uint32_t subject = member(doc, q->subject, "properties", JSON_OBJECT);
	uint32_t action = member(doc, q->action, "properties", JSON_OBJECT);
	bool spend = member_is(doc, q->action, "name", VIEW("spend"));

	copy(w, doc, subject, "session", "session");
	copy(w, doc, subject, "allowance", "allowance");
	copy(w, doc, q->subject, "id", "account");
	payment_write(w, doc, q);
	if (q->context != 0) {
		json_key(w, VIEW("context"));
		json_object_begin(w);
		copy(w, doc, q->context, "ip", "ip");
		copy(w, doc, q->context, "device", "device");
		json_object_end(w);
	}
	copy(w, doc, asks_why(doc, q, action), "explain", "explain");
	if (!spend)
		return;
	copy(w, doc, q->context, "return_url", "return_url");
	copy(w, doc, action, "capture", "capture");
	copy(w, doc, action, "receipt", "receipt");
}

/* How to ask again after a step-up, in the profile's words. The service asks with the same payment
 * id. */
static void
access_request_write(struct json_writer *w, const struct exchange_result *r)
{
	struct exchange_result challenge = {
	    .doc = r->doc, .body = result_get(r, "challenge", JSON_OBJECT)};
	struct view url = result_str(&challenge, "url");
	struct clock_now now;
	char text[CLOCK_TEXT_MAX];

	if (challenge.body == 0)
		return;
	clock_read(&now);
	json_member_str(w, "evaluation_id", result_str(&challenge, "id"));
	json_member_str(w, "evaluated_at", view_of(text, clock_text(now.wall_ms, text)));
	if (url.data == NULL)
		return;
	json_key(w, VIEW("access_request"));
	json_object_begin(w);
	json_member_str(w, "form_url", url);
	json_member_str(w, "expires_at", result_str(&challenge, "expires_at"));
	json_object_end(w);
}

/* {"decision": ..., "context": {...}}; returns the decision. */
bool
authzen_decision_write(struct json_writer *w, const struct exchange_result *r)
{
	struct view outcome = result_str(r, "outcome");
	bool permit = view_equal(outcome, VIEW("permit"));
	uint32_t at = json_first(r->doc, r->body);

	json_object_begin(w);
	json_member_bool(w, "decision", permit);
	json_key(w, VIEW("context"));
	json_object_begin(w);
	for (unsigned i = 0; i < r->doc->tokens[r->body].count; i++) {
		if (json_type(r->doc, at + 1) != JSON_NULL) {
			json_key(w, json_text(r->doc, at));
			json_put_copy(w, r->doc, at + 1);
		}
		at = json_next(r->doc, at + 1);
	}
	if (view_equal(outcome, VIEW("step_up")))
		access_request_write(w, r);
	json_object_end(w);
	json_object_end(w);
	return permit;
}

/* A question that is none of ours: nobody may do that here. */
void
authzen_not_applicable(struct json_writer *w)
{
	json_put_raw(w, VIEW("{\"decision\":false,\"context\":{\"outcome\":\"deny\",\"reason\":"
			     "\"not_applicable\"}}"));
}

/* One line for people: what the engine's error says. */
struct view
authzen_error_message(const struct exchange_result *r, char *to, size_t size)
{
	struct buf text = buf_over(to, size);
	struct view name = r->error;
	struct view field = result_str(r, "field"), reason = result_str(r, "reason"),
		    what = result_str(r, "what");
	struct view right = result_str(r, "right");
	const char *dot = name.len == 0 ? NULL : memrchr(name.data, '.', name.len);

	if (dot != NULL)
		name = view_of(dot + 1, name.len - (size_t)(dot + 1 - name.data));
	buf_put_view(&text, name);
	if (field.len > 0) {
		buf_put_view(&text, VIEW(": "));
		buf_put_view(&text, field);
		buf_put_view(&text, VIEW(" "));
		buf_put_view(&text, reason);
	} else if (what.len > 0 || right.len > 0) {
		buf_put_view(&text, VIEW(": "));
		buf_put_view(&text, what.len > 0 ? what : right);
	}
	return buf_view(&text);
}

/* No, because of an error that belongs to this question alone. */
void
authzen_error_decision(struct json_writer *w, unsigned status, struct view message)
{
	json_object_begin(w);
	json_member_bool(w, "decision", false);
	json_key(w, VIEW("context"));
	json_object_begin(w);
	json_key(w, VIEW("error"));
	json_object_begin(w);
	json_member_int(w, "status", status);
	json_member_str(w, "message", message);
	json_object_end(w);
	json_object_end(w);
	json_object_end(w);
}

static void
evaluation_answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = forward_result(x, answer);
	char message[MESSAGE_MAX];
	struct json_writer w;
	size_t mark;
	unsigned status = r.error.len > 0 ? error_status(r.error) : 200;

	if (status != 200 && status != 404 && status != 409) {
		authzen_error(x, status, authzen_error_message(&r, message, sizeof(message)));
		return;
	}
	mark = reply_json_begin(x, 200);
	w = json_to(x->out);
	/* A session that does not exist for this service permits nothing: AuthZEN has no 404 or
	 * 409. */
	if (status == 200)
		authzen_decision_write(&w, &r);
	else
		authzen_error_decision(&w, status, authzen_error_message(&r, message, sizeof(message)));
	reply_end(x, mark);
}

void
authzen_evaluate(struct exchange *x, const struct json *doc, const struct question *q)
{
	const char *missing = question_check(doc, q);
	struct view method;
	struct json_writer w;
	size_t mark;

	if (missing != NULL) {
		authzen_error(x, 400, view_str(missing));
		return;
	}
	method = question_method(doc, q);
	if (method.len == 0) {
		mark = reply_json_begin(x, 200);
		w = json_to(x->out);
		authzen_not_applicable(&w);
		reply_end(x, mark);
		return;
	}
	if (!exchange_forward_begin(x, x->gateway->decisions, method, &w)) {
		authzen_error(x, 503, VIEW("Unavailable: the broker is not there now; ask again"));
		return;
	}
	question_write(&w, doc, q);
	if (!exchange_send(x, &w, evaluation_answered))
		authzen_error(x, 413, VIEW("the body is too large"));
}

/* False: an answer was given. */
bool
authzen_body(struct exchange *x, struct json *doc, struct question *q)
{
	const char *reason = NULL;
	char text[MESSAGE_MAX];
	struct buf message = buf_over(text, sizeof(text));

	if (!http_type_is(x->request->content_type, VIEW("application/json"))) {
		reason = "send Content-Type: application/json";
	} else if (exchange_json(x, doc, &reason)) {
		reason = question_read(doc, 0, q);
	} else {
		buf_put_view(&message, VIEW("InvalidParameter: body "));
		buf_put_view(&message, view_str(reason));
		authzen_error(x, 400, buf_view(&message));
		return false;
	}
	if (reason != NULL)
		authzen_error(x, 400, view_str(reason));
	return reason == NULL;
}

void
authzen_evaluation(struct exchange *x)
{
	struct question q = {0};
	struct json doc;

	if (authzen_body(x, &doc, &q))
		authzen_evaluate(x, &doc, &q);
}

static void
url_member(struct json_writer *w, const char *name, struct view base, const char *path)
{
	char text[1024];
	struct buf b = buf_over(text, sizeof(text));

	buf_put_view(&b, base);
	buf_put_view(&b, view_str(path));
	CHECK(!b.full);
	json_member_str(w, name, buf_view(&b));
}

void
authzen_configuration(struct exchange *x)
{
	struct view base = x->gateway->public_url;
	size_t mark = reply_json_begin(x, 200);
	struct json_writer w = json_to(x->out);

	json_object_begin(&w);
	json_member_str(&w, "policy_decision_point", base);
	url_member(&w, "access_evaluation_endpoint", base, "/access/v1/evaluation");
	url_member(&w, "access_evaluations_endpoint", base, "/access/v1/evaluations");
	json_object_end(&w);
	reply_end(x, mark);
}
