/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /ssf/{provider}: security events that a provider pushes (RFC 8935), and the formats of providers that came before
 * it. Anybody can post here, so nothing is looked at but the outside: the engine has a worker verify it, and its answer
 * comes after the event is durable. Taken is 202 without a body, whomever it concerns; a refusal is 400 with
 * {err, description}, and says something about the message alone.
 */
#include "broker/gateway/ssf.h"

#include <string.h>

#include "broker/base/base64url.h"
#include "broker/base/check.h"
#include "broker/gateway/exchange.h"
#include "broker/gateway/handlers.h"

/* What refusals may be called: RFC 8935 section 2.4, and invalid_state of SSF 1.0 section 8.1.4.2. */
static const struct view known_errors[] = {VIEW("invalid_request"), VIEW("invalid_key"), VIEW("invalid_issuer"),
    VIEW("invalid_audience"), VIEW("authentication_failed"), VIEW("access_denied"), VIEW("invalid_state")};

/* RFC 8935 section 2; Apple wraps its token in JSON. */
static const struct view known_types[] = {VIEW("application/secevent+jwt"), VIEW("application/json")};

void
ssf_refuse(struct exchange *x, struct view err, struct view description)
{
	struct json_writer w;
	size_t mark;

	reply_begin(x, 400);
	/* Section 2.3: descriptions are for people, in a language that the answer names. */
	reply_header(x, VIEW("Content-Language"), VIEW("en"));
	buf_put_view(x->out, VIEW("Cache-Control: no-store\r\n"));
	http_response_body(x->out, VIEW("application/json"), &mark);
	w = json_to(x->out);
	json_object_begin(&w);
	json_member_str(&w, "err", err);
	json_member_str(&w, "description", description);
	json_object_end(&w);
	reply_end(x, mark);
}

static void
invalid(struct exchange *x, const char *why)
{
	ssf_refuse(x, VIEW("invalid_request"), view_str(why));
}

static bool
is_one_of(struct view v, const struct view *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (view_equal(v, names[i]))
			return true;
	return false;
}

static void
answer_write(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);
	struct view state = result_str(&r, "state"), err = result_str(&r, "err");

	if (r.error.len > 0) {
		if (error_status(r.error) == 400)
			invalid(x, "this is not a security event that can be read");
		else
			reply_problem_of(x, &r);
	} else if (view_equal(state, VIEW("taken"))) {
		reply_begin(x, 202);
		reply_empty(x);
	} else if (view_equal(state, VIEW("refused"))) {
		if (!is_one_of(err, known_errors, sizeof(known_errors) / sizeof(known_errors[0])))
			err = known_errors[0];
		ssf_refuse(x, err, result_str(&r, "description"));
	} else {
		reply_problem(x, 503, "org.countersign.Unavailable", "the broker did not answer; send it again");
	}
}

/* A place is free again when the engine has done its work, not when the sender has gone away. */
static void
answered(void *arg, const struct engine_answer *answer)
{
	struct ssf_push *push = arg;
	struct exchange *x = push->exchange;

	push->used = false;
	if (x == NULL)
		return;
	x->state = NULL;
	answer_write(x, answer);
}

static void
sender_gone(void *state)
{
	struct ssf_push *push = state;

	CHECK(push->used);
	push->exchange = NULL;
}

/* NULL, or what is wrong with the outside. */
static const char *
outside_check(const struct exchange *x, struct view *type)
{
	const struct http_request *q = x->request;
	struct view encoding = http_header(q, VIEW("content-encoding"));

	for (size_t i = 0; i < sizeof(known_types) / sizeof(known_types[0]); i++)
		if (http_type_is(q->content_type, known_types[i]))
			*type = known_types[i];
	if (type->data == NULL)
		return "send Content-Type: application/secevent+jwt";
	if (encoding.data != NULL && !view_equal(encoding, VIEW("identity")))
		return "send the body without a content coding";
	if (q->body.len == 0)
		return "the body is empty: it must be one security event token";
	if (q->body.len > SSF_BODY_MAX)
		return "the body is larger than 16384 bytes";
	if (q->authorization.len > SSF_AUTHORIZATION_MAX)
		return "the header Authorization is longer than 4096 bytes";
	return NULL;
}

/* One of the places for pushes in flight; NULL: none is free, or this peer has its share. */
static struct ssf_push *
place_take(struct exchange *x)
{
	struct ssf_push *pushes = x->gateway->pushes, *found = NULL;
	size_t same = 0;

	for (size_t i = 0; i < SSF_PUSHES_MAX; i++) {
		if (!pushes[i].used)
			found = &pushes[i];
		else if (view_equal(view_of(pushes[i].ip, pushes[i].ip_len), x->ip))
			same++;
	}
	if (found == NULL || same >= SSF_PUSHES_OF_PEER || x->ip.len > sizeof(found->ip))
		return NULL;
	found->used = true;
	found->exchange = x;
	found->ip_len = x->ip.len;
	if (x->ip.len > 0)
		memcpy(found->ip, x->ip.data, x->ip.len);
	return found;
}

/* False: the engine takes no call now. */
static bool
push_send(struct exchange *x, struct ssf_push *push, struct view type)
{
	const struct http_request *q = x->request;
	char *text = (char *)x->gateway->scratch;
	struct json_writer w;

	_Static_assert(BASE64URL_LEN(SSF_BODY_MAX) <= sizeof(x->gateway->scratch), "the body fits when encoded");
	if (!exchange_call_begin(x, ENGINE_SLOW, VIEW("org.countersign.Internal.SignalPush"), &w))
		return false;
	json_member_str(&w, "provider", x->params[0]);
	json_member_str(&w, "body",
	    view_of(text, base64url_encode((const uint8_t *)q->body.data, q->body.len, text)));
	json_member_str(&w, "content_type", type);
	if (q->authorization.data != NULL)
		json_member_str(&w, "authorization", q->authorization);
	json_member_str(&w, "ip", x->ip);
	varlink_end(&w);
	return engine_commit(x->gateway->engine, answered, push) != NULL;
}

void
ssf_push(struct exchange *x)
{
	struct view type = {NULL, 0};
	const char *wrong = outside_check(x, &type);
	struct ssf_push *push;

	if (wrong != NULL) {
		invalid(x, wrong);
		return;
	}
	push = place_take(x);
	if (push == NULL) {
		reply_problem(x, 429, "org.countersign.TooMany", "too many are being looked at; send it again");
		return;
	}
	if (!push_send(x, push, type)) {
		push->used = false;
		reply_problem(x, 503, "org.countersign.Unavailable", "the broker takes no call now; send it again");
		return;
	}
	x->state = push;
	x->state_free = sender_gone;
}
