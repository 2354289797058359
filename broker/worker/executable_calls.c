/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of a program, as tables: which members of org.countersign.Plugin the members of plugin.h's structs are.
 * Only the form is looked at here that the struct cannot show; the rest is calls*.c's, as for every plugin.
 */
#include <stdlib.h>

#include "broker/base/base64url.h"
#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/worker/executable_run.h"

/* ---- what is asked --------------------------------------------------------------------------- */

enum shape { TEXT, BYTES, INT64, INT32, TEXTS, ACTION };

struct asked {
	const char *name;
	enum shape shape;
	size_t at;
	size_t count_at;   /* of TEXTS */
};

#define ASK(shape, type, member) {#member, shape, offsetof(struct countersign_##type, member), 0}
#define ASK_AS(name, shape, type, member) {name, shape, offsetof(struct countersign_##type, member), 0}
#define ASK_MANY(type, member)                                                                     \
	{#member, TEXTS, offsetof(struct countersign_##type, member), offsetof(struct countersign_##type, member##_count)}

static void
put_bytes(struct json_writer *w, const char *name, struct countersign_view v)
{
	size_t room = BASE64URL_LEN(v.len + 1);
	char *text = malloc(room);

	CHECK(text != NULL);
	json_member_str(w, name, view_of(text, base64url_encode((const uint8_t *)v.data, v.len, text)));
	secret_wipe(text, room);
	free(text);
}

static void
put_texts(struct json_writer *w, const char *name, const struct countersign_view *v, size_t n)
{
	json_key(w, view_str(name));
	json_array_begin(w);
	for (size_t i = 0; i < n; i++)
		json_put_str(w, view_of(v[i].data, v[i].len));
	json_array_end(w);
}

/* What is absent in the struct is absent in the message. */
static void
put_asked(struct json_writer *w, const struct asked *a, const void *in)
{
	static const char *const actions[] = {"", "status", "create", "verify", "delete"};
	const char *at = (const char *)in + a->at;
	const struct countersign_view *v = (const void *)at;

	switch (a->shape) {
	case TEXT:
		json_member_str(w, a->name, view_of(v->len == 0 ? NULL : v->data, v->len));
		break;
	case BYTES:
		if (v->len > 0)
			put_bytes(w, a->name, *v);
		break;
	case INT64:
		json_member_int(w, a->name, *(const int64_t *)(const void *)at);
		break;
	case INT32:
		json_member_int(w, a->name, *(const int32_t *)(const void *)at);
		break;
	case TEXTS:
		put_texts(w, a->name, *(const struct countersign_view *const *)(const void *)at,
		    *(const size_t *)(const void *)((const char *)in + a->count_at));
		break;
	case ACTION:
		json_member_str(w, a->name, view_str(actions[*(const uint32_t *)(const void *)at]));
		break;
	}
}

/* ---- what is answered ------------------------------------------------------------------------ */

enum answer_shape { A_TEXT, A_BYTES, A_INT64, A_INT32, A_LINES, A_STEPS, A_VERDICT, A_EVENTS, A_SETS, A_BOOL };

struct answered {
	const char *name;
	enum answer_shape shape;
	size_t at;
	size_t count_at;   /* of STEPS, EVENTS and SETS */
};

#define SAY(shape, type, member) {#member, shape, offsetof(struct countersign_##type, member), 0}
#define SAY_AS(name, shape, type, member) {name, shape, offsetof(struct countersign_##type, member), 0}
#define SAY_MANY(shape, type, member)                                                              \
	{#member, shape, offsetof(struct countersign_##type, member), offsetof(struct countersign_##type, member##_count)}

static bool
take_text(const struct json *doc, uint32_t at, struct countersign_buffer *to)
{
	struct view v;

	if (json_type(doc, at) != JSON_STRING)
		return false;
	v = json_text(doc, at);
	return countersign_put(to, v.data, v.len) == COUNTERSIGN_OK;
}

static bool
take_bytes(const struct json *doc, uint32_t at, struct countersign_buffer *to)
{
	return json_type(doc, at) == JSON_STRING &&
	    base64url_decode(json_text(doc, at), (uint8_t *)to->data, to->cap, &to->len) == CS_OK;
}

/* One member of an object into a buffer; where it is absent nothing is written. */
static bool
take_member(const struct json *doc, uint32_t object, const char *name, struct countersign_buffer *to)
{
	uint32_t at = json_get(doc, object, view_str(name));

	return at == 0 || json_type(doc, at) == JSON_NULL || take_text(doc, at, to);
}

static bool
add(struct countersign_buffer *to, const char *data, size_t len)
{
	if (len > to->cap - to->len)
		return false;
	if (len > 0)
		memcpy(to->data + to->len, data, len);
	to->len += len;
	return true;
}

/* An array of strings as lines behind what is there already. */
static bool
take_lines(const struct json *doc, uint32_t array, struct countersign_buffer *to)
{
	uint32_t at;

	if (json_type(doc, array) != JSON_ARRAY)
		return false;
	at = json_first(doc, array);
	for (size_t i = 0; i < doc->tokens[array].count; i++, at = json_next(doc, at)) {
		struct view line;

		if (json_type(doc, at) != JSON_STRING)
			return false;
		line = json_text(doc, at);
		if (line.len == 0 || memchr(line.data, '\n', line.len) != NULL || (to->len > 0 && !add(to, "\n", 1)) ||
		    !add(to, line.data, line.len))
			return false;
	}
	return true;
}

static bool
take_step(const struct json *doc, uint32_t object, struct countersign_step *to)
{
	static const struct {
		const char *type, *member;
		uint32_t kind;
	} types[] = {
	    {"show", "text", COUNTERSIGN_STEP_SHOW},
	    {"code", "label", COUNTERSIGN_STEP_CODE},
	    {"passkey", "options", COUNTERSIGN_STEP_PASSKEY},
	    {"text", "label", COUNTERSIGN_STEP_TEXT},
	    {"secret", "label", COUNTERSIGN_STEP_SECRET},
	    {"choice", "label", COUNTERSIGN_STEP_CHOICE},
	    {"approve", "label", COUNTERSIGN_STEP_APPROVE},
	};
	uint32_t type, choices, digits;
	int64_t number = 0;

	if (json_type(doc, object) != JSON_OBJECT)
		return false;
	type = json_get(doc, object, VIEW("type"));
	choices = json_get(doc, object, VIEW("choices"));
	digits = json_get(doc, object, VIEW("digits"));
	if (type == 0 || json_type(doc, type) != JSON_STRING ||
	    (digits != 0 && (json_int(doc, digits, &number) != CS_OK || number < 0 || number > 99)))
		return false;
	to->digits = (uint32_t)number;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (!view_equal(json_text(doc, type), view_str(types[i].type)))
			continue;
		to->kind = types[i].kind;
		if (!take_member(doc, object, types[i].member, &to->value) ||
		    (to->kind == COUNTERSIGN_STEP_SHOW && !take_member(doc, object, "uri", &to->value)))
			return false;
		return to->kind != COUNTERSIGN_STEP_CHOICE || (choices != 0 && take_lines(doc, choices, &to->value));
	}
	return false;
}

static bool
take_event(const struct json *doc, uint32_t object, struct countersign_security_event *to)
{
	uint32_t at;

	if (json_type(doc, object) != JSON_OBJECT)
		return false;
	at = json_get(doc, object, VIEW("at"));
	return (at == 0 || json_int(doc, at, &to->at_ms) == CS_OK) && take_member(doc, object, "name", &to->name) &&
	    take_member(doc, object, "issuer", &to->issuer) && take_member(doc, object, "subject", &to->subject) &&
	    take_member(doc, object, "detail", &to->detail);
}

/* Sets and their ids lie in two arrays of one answer. */
static bool
take_set(const struct json *doc, uint32_t object, struct countersign_poll_answer *out, size_t i)
{
	uint32_t set;

	if (json_type(doc, object) != JSON_OBJECT)
		return false;
	set = json_get(doc, object, VIEW("set"));
	return set != 0 && take_bytes(doc, set, &out->sets[i]) && take_member(doc, object, "id", &out->ids[i]);
}

static bool
take_many(const struct json *doc, uint32_t array, const struct answered *a, char *out)
{
	static const size_t most[] = {
	    [A_STEPS] = COUNTERSIGN_STEPS_MAX, [A_EVENTS] = COUNTERSIGN_SIGNAL_EVENTS, [A_SETS] = COUNTERSIGN_SETS_MAX};
	bool good = json_type(doc, array) == JSON_ARRAY && doc->tokens[array].count <= most[a->shape];
	uint32_t at = good ? json_first(doc, array) : 0;
	size_t n = good ? doc->tokens[array].count : 0;

	for (size_t i = 0; good && i < n; i++, at = json_next(doc, at))
		good = a->shape == A_STEPS ? take_step(doc, at, (struct countersign_step *)(void *)(out + a->at) + i) :
		    a->shape == A_SETS ? take_set(doc, at, (struct countersign_poll_answer *)(void *)out, i) :
		    take_event(doc, at, (struct countersign_security_event *)(void *)(out + a->at) + i);
	*(size_t *)(void *)(out + a->count_at) = n;
	return good;
}

static bool
take_bool(const struct json *doc, uint32_t at, int32_t *to)
{
	if (json_type(doc, at) != JSON_TRUE && json_type(doc, at) != JSON_FALSE)
		return false;
	*to = json_type(doc, at) == JSON_TRUE;
	return true;
}

/* "verdict", and "more" beside it, are one member of the struct; both at once make no sense. */
static bool
take_verdict(const struct json *doc, uint32_t parameters, uint32_t at, int32_t *to)
{
	uint32_t more_at = json_get(doc, parameters, VIEW("more"));
	int32_t more = 0;

	if (!take_bool(doc, at, to) || (more_at != 0 && !take_bool(doc, more_at, &more)) || (more == 1 && *to == 1))
		return false;
	if (more == 1)
		*to = COUNTERSIGN_MORE;
	return true;
}

static bool
take_answered(const struct json *doc, uint32_t parameters, const struct answered *a, void *out)
{
	uint32_t value = json_get(doc, parameters, view_str(a->name));
	char *at = (char *)out + a->at;
	int64_t number;

	if (value == 0 || json_type(doc, value) == JSON_NULL)
		return true; /* whether it had to be there, calls*.c knows */
	switch (a->shape) {
	case A_TEXT:
		return take_text(doc, value, (void *)at);
	case A_BYTES:
		return take_bytes(doc, value, (void *)at);
	case A_INT64:
		return json_int(doc, value, (int64_t *)(void *)at) == CS_OK;
	case A_INT32:
		if (json_int(doc, value, &number) != CS_OK || number < INT32_MIN || number > INT32_MAX)
			return false;
		*(int32_t *)(void *)at = (int32_t)number;
		return true;
	case A_LINES:
		return take_lines(doc, value, (void *)at);
	case A_VERDICT:
		return take_verdict(doc, parameters, value, (void *)at);
	case A_BOOL:
		return take_bool(doc, value, (void *)at);
	case A_STEPS:
	case A_EVENTS:
	case A_SETS:
		return take_many(doc, value, a, out);
	}
	return false;
}

/* ---- one call -------------------------------------------------------------------------------- */

/* Every input has its call at the same place, and every answer its request. */
static int
ask(void *instance, const char *method, const struct asked *asked, const void *in, const struct answered *answered, void *out)
{
	const struct countersign_call *call = (const void *)((const char *)in + offsetof(struct countersign_tell, call));
	struct countersign_buffer *request = (void *)((char *)out + offsetof(struct countersign_tell_answer, request));
	struct executable *x = instance;
	struct json_writer w = executable_begin(x, method);
	uint32_t parameters = 0;
	int64_t left = call->deadline_boot_ms - executable_boot_ms();
	int rc;

	json_member_int(&w, "deadline_ms", left > 0 ? left : 0);
	json_member_str(&w, "request", view_of(call->request.data, call->request.len));
	json_member_int(&w, "now_ms", call->now_ms);
	for (const struct asked *a = asked; a != NULL && a->name != NULL; a++)
		put_asked(&w, a, in);
	rc = executable_ask(x, &w, call->deadline_boot_ms, &parameters);
	if (rc == COUNTERSIGN_OK && (parameters == 0 || !take_member(&x->doc, parameters, "request", request)))
		rc = EXECUTABLE_GARBAGE;
	for (const struct answered *a = answered; rc == COUNTERSIGN_OK && a != NULL && a->name != NULL; a++)
		if (!take_answered(&x->doc, parameters, a, out))
			rc = EXECUTABLE_GARBAGE;
	executable_forget(x);
	return rc;
}

#define OPERATION(function, method, type, answer_type)                                             \
	static int                                                                                 \
	function(void *instance, const struct countersign_##type *in, struct countersign_##answer_type *out) \
	{                                                                                          \
		return ask(instance, "org.countersign.Plugin." method, asked_##function, in, answered_##function, out); \
	}

static const struct asked asked_authorization_url[] = {
    ASK(TEXT, authorize, state), ASK(TEXT, authorize, nonce), ASK(TEXT, authorize, code_challenge),
    ASK(TEXT, authorize, redirect_uri), ASK(TEXT, authorize, client_id), {.name = NULL},
};
static const struct answered answered_authorization_url[] = {SAY(A_TEXT, authorize_answer, url), {.name = NULL}};
OPERATION(authorization_url, "AuthorizationUrl", authorize, authorize_answer)

static const struct asked asked_identify[] = {
    ASK(TEXT, identify, nonce), ASK_MANY(identify, client_ids), ASK(TEXT, identify, id_token), ASK(TEXT, identify, code),
    ASK(TEXT, identify, code_verifier), ASK(TEXT, identify, redirect_uri), ASK(TEXT, identify, iss), {.name = NULL},
};
static const struct answered answered_identify[] = {
    SAY(A_TEXT, identity, issuer), SAY(A_TEXT, identity, subject), SAY(A_TEXT, identity, audience),
    SAY(A_TEXT, identity, nonce), SAY(A_TEXT, identity, display), SAY_AS("auth_time", A_INT64, identity, auth_time_ms),
    SAY_AS("issued_at", A_INT64, identity, issued_at_ms), SAY_AS("expires_at", A_INT64, identity, expires_at_ms),
    SAY(A_TEXT, identity, was_issuer), SAY(A_TEXT, identity, was_subject), SAY(A_LINES, identity, evidence), {.name = NULL},
};
OPERATION(identify, "Identify", identify, identity)

static const struct asked asked_take_signal[] = {
    ASK(BYTES, signal, body), ASK(TEXT, signal, content_type), ASK(TEXT, signal, authorization),
    ASK_MANY(signal, client_ids), {.name = NULL},
};
static const struct answered answered_take_signal[] = {
    SAY(A_TEXT, signal_answer, issuer), SAY(A_TEXT, signal_answer, id), SAY(A_TEXT, signal_answer, audience),
    SAY(A_TEXT, signal_answer, state), SAY_AS("issued_at", A_INT64, signal_answer, issued_at_ms),
    SAY_MANY(A_EVENTS, signal_answer, events), {.name = NULL},
};
OPERATION(take_signal, "Signal", signal, signal_answer)

static const struct asked asked_fetch_sets[] = {ASK_MANY(poll, taken), ASK_MANY(poll, refused), {.name = NULL}};
static const struct answered answered_fetch_sets[] = {
    SAY_MANY(A_SETS, poll_answer, sets), SAY(A_BOOL, poll_answer, more), {.name = NULL}};
OPERATION(fetch_sets, "Poll", poll, poll_answer)

static const struct asked asked_stream[] = {
    ASK(ACTION, stream, action), ASK(TEXT, stream, endpoint), ASK(TEXT, stream, state), {.name = NULL}};
static const struct answered answered_stream[] = {SAY(A_TEXT, stream_answer, document), {.name = NULL}};
OPERATION(stream, "Stream", stream, stream_answer)

static const struct asked asked_rekey[] = {
    ASK(TEXT, rekey, issuer), ASK(TEXT, rekey, subject), ASK(TEXT, rekey, proof), ASK(TEXT, rekey, client_id), {.name = NULL}};
static const struct answered answered_rekey[] = {
    SAY(A_TEXT, rekey_answer, issuer), SAY(A_TEXT, rekey_answer, subject), {.name = NULL}};
OPERATION(rekey, "Rekey", rekey, rekey_answer)

static const struct asked asked_enrol[] = {
    ASK(TEXT, enrol, account_hint), ASK(TEXT, enrol, issuer), ASK(TEXT, enrol, address), ASK(TEXT, enrol, language),
    {.name = NULL}};
static const struct answered answered_enrol[] = {
    SAY(A_BYTES, enrol_answer, secret), SAY_MANY(A_STEPS, enrol_answer, steps), {.name = NULL}};
OPERATION(enrol, "Enrol", enrol, enrol_answer)

static const struct asked asked_verify[] = {
    ASK(BYTES, verify, secret), ASK(TEXT, verify, answer), ASK(INT64, verify, last_step), ASK(BYTES, verify, challenge),
    ASK(TEXT, verify, operation), ASK(BYTES, verify, state), ASK(TEXT, verify, card), {.name = NULL},
};
static const struct answered answered_verify[] = {
    SAY(A_VERDICT, verify_answer, verdict), SAY(A_INT64, verify_answer, step), SAY(A_BYTES, verify_answer, secret),
    SAY(A_LINES, verify_answer, rests_on), SAY(A_BYTES, verify_answer, state), SAY_MANY(A_STEPS, verify_answer, steps),
    {.name = NULL},
};
OPERATION(verify, "Verify", verify, verify_answer)

static const struct asked asked_begin[] = {
    ASK(BYTES, begin, secret), ASK(BYTES, begin, challenge), ASK(TEXT, begin, operation), ASK(TEXT, begin, card),
    ASK(TEXT, begin, language), ASK(BYTES, begin, state), ASK(INT32, begin, number), {.name = NULL},
};
static const struct answered answered_begin[] = {
    SAY(A_BYTES, begin_answer, state), SAY(A_TEXT, begin_answer, destination), SAY_MANY(A_STEPS, begin_answer, steps),
    SAY(A_INT64, begin_answer, expires_ms), {.name = NULL},
};
OPERATION(begin, "Begin", begin, begin_answer)

static const struct asked asked_tell[] = {
    ASK(BYTES, tell, secret), ASK(TEXT, tell, message), ASK(TEXT, tell, language), {.name = NULL}};
static const struct answered answered_tell[] = {{.name = NULL}};
OPERATION(tell, "Tell", tell, tell_answer)

static const struct asked asked_assess[] = {
    ASK(TEXT, assess, service), ASK(TEXT, assess, operation), ASK(TEXT, assess, provider), ASK(TEXT, assess, account),
    ASK(TEXT, assess, currency), ASK(TEXT, assess, payee), ASK(TEXT, assess, ip), ASK(TEXT, assess, device),
    ASK_AS("amount", INT64, assess, amount_minor), ASK_AS("digits", INT32, assess, currency_digits),
    ASK(INT32, assess, factors), ASK(INT64, assess, account_age_ms), ASK(INT64, assess, link_age_ms),
    ASK(INT64, assess, session_age_ms), {.name = NULL},
};
static const struct answered answered_assess[] = {
    SAY(A_INT32, assessment, score), SAY(A_TEXT, assessment, reason), {.name = NULL}};
OPERATION(assess, "Assess", assess, assessment)

static const struct asked asked_deliver[] = {ASK(TEXT, deliver, id), ASK(TEXT, deliver, document), {.name = NULL}};
static const struct answered answered_deliver[] = {{.name = NULL}};
OPERATION(deliver, "Deliver", deliver, delivery)

static const struct asked asked_check_token[] = {
    ASK(TEXT, token, token), ASK(TEXT, token, scheme), ASK(TEXT, token, proof), ASK(TEXT, token, method),
    ASK(TEXT, token, url), ASK(TEXT, token, certificate), {.name = NULL},
};
static const struct answered answered_check_token[] = {
    SAY(A_TEXT, token_answer, issuer), SAY(A_TEXT, token_answer, client), SAY(A_TEXT, token_answer, proof_id),
    SAY_AS("proof_at", A_INT64, token_answer, proof_at_ms), SAY_AS("expires_at", A_INT64, token_answer, expires_at_ms),
    SAY_AS("cache_until", A_INT64, token_answer, cache_until_ms), {.name = NULL},
};
OPERATION(check_token, "CheckToken", token, token_answer)

/* Every struct of an operation begins alike: ask() counts on it. */
#define LIKE(type, answer_type)                                                                    \
	_Static_assert(offsetof(struct countersign_##type, call) == offsetof(struct countersign_tell, call) && \
	        offsetof(struct countersign_##answer_type, request) == offsetof(struct countersign_tell_answer, request), \
	    "the structs of operations begin alike")
LIKE(authorize, authorize_answer);
LIKE(identify, identity);
LIKE(signal, signal_answer);
LIKE(poll, poll_answer);
LIKE(stream, stream_answer);
LIKE(rekey, rekey_answer);
LIKE(enrol, enrol_answer);
LIKE(verify, verify_answer);
LIKE(begin, begin_answer);
LIKE(assess, assessment);
LIKE(deliver, delivery);
LIKE(token, token_answer);

/* ---- what it has ----------------------------------------------------------------------------- */

static bool
has(const struct json *doc, uint32_t array, const char *word)
{
	uint32_t at = array == 0 ? 0 : json_first(doc, array);

	for (size_t i = 0; array != 0 && i < doc->tokens[array].count; i++, at = json_next(doc, at))
		if (json_type(doc, at) == JSON_STRING && view_equal(json_text(doc, at), view_str(word)))
			return true;
	return false;
}

void
executable_operations(struct executable *x, const struct json *doc, uint32_t may)
{
	x->provider = (struct countersign_provider_v1){
	    .size = sizeof(x->provider),
	    .authorization_url = authorization_url,
	    .identify = identify,
	    .signal = has(doc, may, "signal") ? take_signal : NULL,
	    .poll = has(doc, may, "poll") ? fetch_sets : NULL,
	    .stream = has(doc, may, "stream") ? stream : NULL,
	    .rekey = has(doc, may, "rekey") ? rekey : NULL,
	};
	x->factor.size = sizeof(x->factor);
	x->factor.enrol = enrol;
	x->factor.verify = verify;
	x->factor.begin = has(doc, may, "begin") ? begin : NULL;
	x->factor.tell = has(doc, may, "tell") ? tell : NULL;
	x->risk = (struct countersign_risk_v1){sizeof(x->risk), assess};
	x->notify = (struct countersign_notify_v1){sizeof(x->notify), deliver};
	x->token = (struct countersign_token_v1){sizeof(x->token), check_token};
	x->plugin.provider = (x->plugin.kinds & COUNTERSIGN_KIND_PROVIDER) != 0 ? &x->provider : NULL;
	x->plugin.factor = (x->plugin.kinds & COUNTERSIGN_KIND_FACTOR) != 0 ? &x->factor : NULL;
	x->plugin.risk = (x->plugin.kinds & COUNTERSIGN_KIND_RISK) != 0 ? &x->risk : NULL;
	x->plugin.notify = (x->plugin.kinds & COUNTERSIGN_KIND_NOTIFY) != 0 ? &x->notify : NULL;
	x->plugin.token = (x->plugin.kinds & COUNTERSIGN_KIND_TOKEN) != 0 ? &x->token : NULL;
}
