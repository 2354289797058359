/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenID AuthZEN Authorization API 1.0. An evaluation is Payments.Authorize ("spend") or
 * Payments.Evaluate ("can_spend") in other words. A denial is 200 with decision false; only an
 * outcome of exactly "permit" is true. A step_up is a denial that says how to ask again, in the
 * members of the draft Access Request and Approval profile.
 */
#include <stdlib.h>

#include "broker/base/bytes.h"
#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/gateway/exchange.h"
#include "broker/gateway/handlers.h"

enum {
	ITEMS_MAX = 64,		   /* of one batch; they are decided one by one */
	ITEM_TEXT_MAX = 32 * 1024, /* an answer without explain takes a few hundred bytes */
};

/* The four entities of one question, as tokens; 0 where absent. */
struct question {
	uint32_t subject, action, resource, context;
};

enum semantic { EXECUTE_ALL, DENY_ON_FIRST_DENY, PERMIT_ON_FIRST_PERMIT };

static const struct view semantic_names[] = {
    [EXECUTE_ALL] = VIEW("execute_all"),
    [DENY_ON_FIRST_DENY] = VIEW("deny_on_first_deny"),
    [PERMIT_ON_FIRST_PERMIT] = VIEW("permit_on_first_permit"),
};

struct item {
	struct batch *batch;
	struct question question;
	struct engine_call *call; /* in flight */
	bool answered, decision;
	struct bytes text;
};

struct batch {
	struct exchange *exchange;
	struct json doc;
	enum semantic semantic;
	size_t count, open; /* items; questions not yet answered */
	bool sending;
	struct item items[];
};

static void
error_reply(struct exchange *x, unsigned status, struct view message)
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
static const char *
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
static const char *
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
static struct view
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

static void
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
static bool
decision_write(struct json_writer *w, const struct exchange_result *r)
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
static void
not_applicable_write(struct json_writer *w)
{
	json_put_raw(w, VIEW("{\"decision\":false,\"context\":{\"outcome\":\"deny\",\"reason\":"
			     "\"not_applicable\"}}"));
}

/* One line for people: what the engine's error says. */
static struct view
error_message(const struct exchange_result *r, char *to, size_t size)
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

enum { MESSAGE_MAX = 512 };

/* No, because of an error that belongs to this question alone. */
static void
error_decision_write(struct json_writer *w, unsigned status, struct view message)
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
	struct exchange_result r = forward_result(answer);
	char message[MESSAGE_MAX];
	struct json_writer w;
	size_t mark;
	unsigned status = r.error.len > 0 ? error_status(r.error) : 200;

	if (status != 200 && status != 404 && status != 409) {
		error_reply(x, status, error_message(&r, message, sizeof(message)));
		return;
	}
	mark = reply_json_begin(x, 200);
	w = json_to(x->out);
	/* A session that does not exist for this service permits nothing: AuthZEN has no 404 or
	 * 409. */
	if (status == 200)
		decision_write(&w, &r);
	else
		error_decision_write(&w, status, error_message(&r, message, sizeof(message)));
	reply_end(x, mark);
}

static void
evaluate_one(struct exchange *x, const struct json *doc, const struct question *q)
{
	const char *missing = question_check(doc, q);
	struct view method;
	struct json_writer w;
	size_t mark;

	if (missing != NULL) {
		error_reply(x, 400, view_str(missing));
		return;
	}
	method = question_method(doc, q);
	if (method.len == 0) {
		mark = reply_json_begin(x, 200);
		w = json_to(x->out);
		not_applicable_write(&w);
		reply_end(x, mark);
		return;
	}
	if (!exchange_forward_begin(x, x->gateway->decisions, method, &w)) {
		error_reply(x, 503, VIEW("Unavailable: the broker is not there now; ask again"));
		return;
	}
	question_write(&w, doc, q);
	if (!exchange_send(x, &w, evaluation_answered))
		error_reply(x, 413, VIEW("the body is too large"));
}

/* False: an answer was given. */
static bool
body_read(struct exchange *x, struct json *doc, struct question *q)
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
		error_reply(x, 400, buf_view(&message));
		return false;
	}
	if (reason != NULL)
		error_reply(x, 400, view_str(reason));
	return reason == NULL;
}

void
authzen_evaluation(struct exchange *x)
{
	struct question q = {0};
	struct json doc;

	if (body_read(x, &doc, &q))
		evaluate_one(x, &doc, &q);
}

static void
batch_free(void *state)
{
	struct batch *b = state;

	for (size_t i = 0; i < b->count; i++) {
		if (b->items[i].call != NULL)
			engine_cancel(b->items[i].call);
		bytes_clear(&b->items[i].text);
	}
	free(b->doc.tokens);
	free(b);
}

static void
item_error(struct item *it, unsigned status, struct view message)
{
	struct json_writer w = json_to(&it->text.buf);

	error_decision_write(&w, status, message);
	it->answered = true;
}

static void
item_settle(struct item *it, const struct exchange_result *r)
{
	struct json_writer w = json_to(&it->text.buf);
	char message[MESSAGE_MAX];

	if (r->error.len > 0) {
		item_error(it, error_status(r->error), error_message(r, message, sizeof(message)));
		return;
	}
	it->decision = decision_write(&w, r);
	it->answered = true;
	if (!it->text.buf.full)
		return;
	it->text.buf.full = false;
	it->text.buf.len = 0;
	it->decision = false;
	item_error(it, 500, VIEW("the answer is too large"));
}

static void batch_go(struct batch *b);

static void
item_answered(void *arg, const struct engine_answer *answer)
{
	struct item *it = arg;
	struct exchange_result r = forward_result(answer);

	it->call = NULL;
	it->batch->open--;
	item_settle(it, &r);
	batch_go(it->batch);
}

/* Asks the engine, or settles at once what needs no engine. */
static void
item_ask(struct item *it)
{
	struct batch *b = it->batch;
	const char *missing = question_check(&b->doc, &it->question);
	struct view method =
	    missing != NULL ? view_of(NULL, 0) : question_method(&b->doc, &it->question);
	struct json_writer w;

	if (missing != NULL) {
		item_error(it, 400, view_str(missing));
	} else if (method.len == 0) {
		w = json_to(&it->text.buf);
		not_applicable_write(&w);
		it->answered = true;
	} else if (!exchange_forward_begin(
		       b->exchange, b->exchange->gateway->decisions, method, &w)) {
		item_error(it, 503, VIEW("Unavailable"));
	} else {
		question_write(&w, &b->doc, &it->question);
		json_object_end(&w);
		varlink_end(&w);
		it->call = engine_commit(b->exchange->gateway->engine, item_answered, it);
		if (it->call == NULL)
			item_error(it, 413, VIEW("the item is too large"));
		else
			b->open++;
	}
}

/* May the item after this one still be asked? */
static bool
batch_goes_on(const struct batch *b, const struct item *it)
{
	switch (b->semantic) {
	case DENY_ON_FIRST_DENY:
		return it->decision;
	case PERMIT_ON_FIRST_PERMIT:
		return !it->decision;
	case EXECUTE_ALL:
		break;
	}
	return true;
}

static void
batch_reply(struct batch *b)
{
	struct exchange *x = b->exchange;
	size_t mark = reply_json_begin(x, 200);
	struct json_writer w = json_to(x->out);

	json_object_begin(&w);
	json_key(&w, VIEW("evaluations"));
	json_array_begin(&w);
	for (size_t i = 0; i < b->count && b->items[i].answered; i++) {
		json_put_raw(&w, buf_view(&b->items[i].text.buf));
		if (!batch_goes_on(b, &b->items[i]))
			break;
	}
	json_array_end(&w);
	json_object_end(&w);
	x->state = NULL;
	batch_free(b);
	reply_end(x, mark);
}

/* Asks what may be asked now; answers when nothing is left. A short circuit asks one by one: asking
 * has effects. */
static void
batch_go(struct batch *b)
{
	bool stopped = false;

	if (b->sending)
		return;
	b->sending = true;
	for (size_t i = 0; i < b->count && !stopped; i++) {
		struct item *it = &b->items[i];

		if (!it->answered && it->call == NULL)
			item_ask(it);
		stopped = b->semantic != EXECUTE_ALL && (!it->answered || !batch_goes_on(b, it));
	}
	b->sending = false;
	if (b->open == 0)
		batch_reply(b);
}

static const char *
semantic_read(const struct json *doc, enum semantic *to)
{
	uint32_t options = json_get(doc, 0, VIEW("options"));
	uint32_t token = options == 0 || json_type(doc, options) != JSON_OBJECT
			     ? 0
			     : json_get(doc, options, VIEW("evaluations_semantic"));

	*to = EXECUTE_ALL;
	if (options != 0 && json_type(doc, options) != JSON_OBJECT)
		return "options must be an object";
	if (token == 0)
		return NULL;
	for (size_t i = 0; i < sizeof(semantic_names) / sizeof(semantic_names[0]); i++) {
		if (json_type(doc, token) == JSON_STRING &&
		    view_equal(json_text(doc, token), semantic_names[i])) {
			*to = (enum semantic)i;
			return NULL;
		}
	}
	return "evaluations_semantic must be execute_all, deny_on_first_deny or "
	       "permit_on_first_permit";
}

static struct batch *
batch_new(struct exchange *x, const struct json *doc, size_t count, enum semantic semantic)
{
	struct batch *b = calloc(1, sizeof(*b) + count * sizeof(b->items[0]));

	CHECK(b != NULL);
	b->exchange = x;
	b->doc = *doc;
	b->doc.tokens = malloc(doc->count * sizeof(*doc->tokens));
	CHECK(b->doc.tokens != NULL);
	memcpy(b->doc.tokens, doc->tokens, doc->count * sizeof(*doc->tokens));
	b->semantic = semantic;
	b->count = count;
	for (size_t i = 0; i < count; i++) {
		b->items[i].batch = b;
		bytes_init(&b->items[i].text, ITEM_TEXT_MAX);
	}
	x->state = b;
	x->state_free = batch_free;
	return b;
}

static void
batch_start(struct exchange *x, const struct json *doc, uint32_t list,
    const struct question *defaults, enum semantic semantic)
{
	struct batch *b = batch_new(x, doc, doc->tokens[list].count, semantic);
	uint32_t at = json_first(doc, list);

	for (size_t i = 0; i < b->count; i++) {
		struct item *it = &b->items[i];
		const char *reason = "an item must be an object";

		it->question = *defaults;
		if (json_type(doc, at) == JSON_OBJECT)
			reason = question_read(doc, at, &it->question);
		if (reason != NULL)
			item_error(it, 400, view_str(reason));
		at = json_next(doc, at);
	}
	batch_go(b);
}

void
authzen_evaluations(struct exchange *x)
{
	struct question q = {0};
	enum semantic semantic;
	const char *reason;
	struct json doc;
	uint32_t list;

	if (!body_read(x, &doc, &q))
		return;
	list = json_get(&doc, 0, VIEW("evaluations"));
	reason = semantic_read(&doc, &semantic);
	if (reason == NULL && list != 0 && json_type(&doc, list) != JSON_ARRAY)
		reason = "evaluations must be an array";
	if (reason == NULL && list != 0 && doc.tokens[list].count > ITEMS_MAX)
		reason = "at most 64 evaluations in one request";
	if (reason != NULL)
		error_reply(x, 400, view_str(reason));
	else if (list == 0 || doc.tokens[list].count == 0)
		evaluate_one(x, &doc, &q);
	else
		batch_start(x, &doc, list, &q, semantic);
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
