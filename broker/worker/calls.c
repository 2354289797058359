/* SPDX-License-Identifier: Apache-2.0 */
/* The methods of org.countersign.Worker, as a table. */
#include "broker/worker/calls.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/base/log.h"
#include "broker/worker/load.h"

enum {
	REQUEST_MAX = 64,	 /* the engine's name of a call */
	TEXT_MAX = 255,		 /* issuer, subject, audience, nonce, display: as the core has it */
	URL_MAX_BYTES = 4096,	 /* an authorization URL; the plugin's own bounds are tighter */
	STEP_VALUE_MAX = 2048,	 /* a step's URI, or the options of a passkey */
	PLUGIN_SECRET_MAX = 1664, /* bytes that a factor asks the engine to keep: a passkey with the longest id */
	SECRET_TEXT_MAX = (PLUGIN_SECRET_MAX + 2) / 3 * 4,
	ANSWER_MAX = 12 * 1024,	 /* a new passkey with the certificates of its maker */
	CHALLENGE_MAX = 128,	 /* bytes that a factor is given to sign */
	TOKEN_MAX = 32 * 1024,	 /* an ID token */
	OUTSIDE_MAX = 128,	 /* ids in a service's words, as the engine has it */
	DOCUMENT_MAX = 8 * 1024, /* a notice */
	NOW_MAX_MS = INT64_MAX / 2,
	DEADLINE_MAX_MS = 60 * 1000,
	GARBAGE = 255, /* beside enum countersign_result: the answer is none */
};

static const struct {
	int result;
	const char *reason;
} reasons[] = {
	{COUNTERSIGN_BAD_SIGNATURE, "bad_signature"},
	{COUNTERSIGN_BAD_ISSUER, "bad_issuer"},
	{COUNTERSIGN_BAD_AUDIENCE, "bad_audience"},
	{COUNTERSIGN_BAD_NONCE, "bad_nonce"},
	{COUNTERSIGN_EXPIRED, "expired"},
	{COUNTERSIGN_NOT_YET_VALID, "not_yet_valid"},
	{COUNTERSIGN_BAD_ALGORITHM, "bad_algorithm"},
	{COUNTERSIGN_BAD_KEY, "bad_key"},
	{COUNTERSIGN_BAD_TYPE, "bad_type"},
	{COUNTERSIGN_BAD_TOKEN, "bad_token"},
	{COUNTERSIGN_BAD_CODE, "bad_code"},
	{COUNTERSIGN_BAD_STATE, "bad_state"},
	{COUNTERSIGN_PROVIDER_ERROR, "provider_error"},
	{COUNTERSIGN_UNREACHABLE, "unreachable"},
	{COUNTERSIGN_TOO_LATE, "too_late"},
	{COUNTERSIGN_FULL, "full"},
	{COUNTERSIGN_INVALID, "invalid"},
	{COUNTERSIGN_INTERNAL, "internal"},
	{GARBAGE, "garbage"},
};

/* First member of every method's parameters but Describe's. */
struct head {
	int64_t deadline_ms, now_ms;
	struct view request;
};

/* What an operation runs on: the parameters, the message they came in, and where the reply goes. */
struct run {
	struct calls *calls;
	const struct json *doc;
	const void *parameters;
	struct countersign_call call;
	struct json_writer reply;
	struct buf *out;
	char memory[8][TEXT_MAX];  /* for what the plugin writes */
	char big[COUNTERSIGN_STEPS_MAX * STEP_VALUE_MAX]; /* of all steps together, or a URL */
};

static struct countersign_view
to_plugin(struct view v)
{
	return (struct countersign_view){v.data, v.len};
}

static struct countersign_buffer
text_buffer(struct run *r, size_t index)
{
	return (struct countersign_buffer){r->memory[index], TEXT_MAX, 0};
}

static struct countersign_buffer
big_buffer(struct run *r)
{
	return (struct countersign_buffer){r->big, URL_MAX_BYTES, 0};
}

/* Between min bytes and what was given, printable: terminals, pages and logs may show it. */
static bool
is_text(const struct countersign_buffer *b, size_t min, size_t cap)
{
	return b->len >= min && b->len <= cap && json_printable(view_of(b->data, b->len));
}

static void
member(struct run *r, const char *name, const struct countersign_buffer *b)
{
	json_member_str(&r->reply, name, view_of(b->len == 0 ? "" : b->data, b->len));
}

/* ---- Describe -------------------------------------------------------------------------------- */

static const struct json_field describe_fields[] = {{.name = NULL}};

static void
put_kinds(struct json_writer *w, uint32_t kinds)
{
	const char *name;

	json_key(w, VIEW("kinds"));
	json_array_begin(w);
	for (size_t i = 0; (name = load_kind_name(kinds, i)) != NULL; i++)
		json_put_str(w, view_str(name));
	json_array_end(w);
}

static int
run_describe(struct run *r)
{
	const struct countersign_plugin_v1 *p = r->calls->plugin;
	struct countersign_profile profile = {.size = sizeof(profile)};
	struct json_writer *w;
	int rc = p->profile(r->calls->instance, &profile);

	if (rc != COUNTERSIGN_OK)
		return rc;
	r->reply = varlink_reply_begin(r->out, false);
	w = &r->reply;
	json_member_str(w, "name", view_str(p->name));
	put_kinds(w, p->kinds);
	json_member_str(w, "version", view_str(p->version));
	if ((p->kinds & COUNTERSIGN_KIND_FACTOR) != 0)
		json_member_str(w, "factor_kind", view_str(p->factor->kind));
	if ((p->kinds & COUNTERSIGN_KIND_PROVIDER) != 0) {
		json_member_bool(w, "stable_subject",
		    (profile.assurance & COUNTERSIGN_STABLE_SUBJECT) != 0);
		json_member_bool(w, "honours_max_age",
		    (profile.assurance & COUNTERSIGN_HONOURS_MAX_AGE) != 0);
	}
	json_key(w, VIEW("controls"));
	json_array_begin(w);
	for (size_t i = 0; profile.controls != NULL && profile.controls[i] != NULL; i++)
		json_put_str(w, view_str(profile.controls[i]));
	json_array_end(w);
	varlink_end(w);
	return COUNTERSIGN_OK;
}

/* ---- AuthorizationUrl ------------------------------------------------------------------------ */

struct authorize_parameters {
	struct head head;
	struct view state, nonce, code_challenge, redirect_uri, client_id;
};

#define HEAD(type)                                                                                 \
	{"deadline_ms", JSON_F_INT, true, offsetof(struct type, head.deadline_ms), 1,              \
	    DEADLINE_MAX_MS},                                                                      \
	{"request", JSON_F_ID, true, offsetof(struct type, head.request), 1, REQUEST_MAX}
#define NOW(type) {"now_ms", JSON_F_INT, true, offsetof(struct type, head.now_ms), 1, NOW_MAX_MS}
#define TEXT(type, member, required, max)                                                          \
	{#member, JSON_F_ID, required, offsetof(struct type, member), 1, max}

static const struct json_field authorize_fields[] = {
	HEAD(authorize_parameters),
	TEXT(authorize_parameters, state, true, TEXT_MAX),
	TEXT(authorize_parameters, nonce, true, TEXT_MAX),
	TEXT(authorize_parameters, code_challenge, true, TEXT_MAX),
	TEXT(authorize_parameters, redirect_uri, true, 1024),
	TEXT(authorize_parameters, client_id, true, TEXT_MAX),
	{.name = NULL},
};

static int
run_authorize(struct run *r)
{
	const struct authorize_parameters *p = r->parameters;
	struct countersign_authorize in = {
		.size = sizeof(in),
		.call = r->call,
		.state = to_plugin(p->state),
		.nonce = to_plugin(p->nonce),
		.code_challenge = to_plugin(p->code_challenge),
		.redirect_uri = to_plugin(p->redirect_uri),
		.client_id = to_plugin(p->client_id),
	};
	struct countersign_authorize_answer out = {
		.size = sizeof(out),
		.request = text_buffer(r, 0),
		.url = big_buffer(r),
	};
	int rc = r->calls->plugin->provider->authorization_url(r->calls->instance, &in, &out);

	if (rc != COUNTERSIGN_OK)
		return rc;
	if (!is_text(&out.request, 0, TEXT_MAX) || !is_text(&out.url, 1, URL_MAX_BYTES))
		return GARBAGE;
	r->reply = varlink_reply_begin(r->out, false);
	member(r, "request", &out.request);
	member(r, "url", &out.url);
	varlink_end(&r->reply);
	return COUNTERSIGN_OK;
}

/* ---- Identify -------------------------------------------------------------------------------- */

struct identify_parameters {
	struct head head;
	struct view nonce, id_token, code, code_verifier, redirect_uri, iss;
	uint32_t client_ids;
};

static const struct json_field identify_fields[] = {
    HEAD(identify_parameters),
    NOW(identify_parameters),
    TEXT(identify_parameters, nonce, true, TEXT_MAX),
    {"client_ids", JSON_F_ARRAY, true, offsetof(struct identify_parameters, client_ids), 1,
	COUNTERSIGN_CLIENT_IDS_MAX},
    {"id_token", JSON_F_STRING, false, offsetof(struct identify_parameters, id_token), 1,
	TOKEN_MAX},
    {"code", JSON_F_STRING, false, offsetof(struct identify_parameters, code), 1, 4096},
    TEXT(identify_parameters, code_verifier, false, TEXT_MAX),
    TEXT(identify_parameters, redirect_uri, false, 1024),
    {"iss", JSON_F_STRING, false, offsetof(struct identify_parameters, iss), 1, 1024},
    {.name = NULL},
};

static bool
read_client_ids(const struct json *doc, uint32_t array,
    struct countersign_view ids[COUNTERSIGN_CLIENT_IDS_MAX], size_t *count)
{
	uint32_t at = json_first(doc, array);
	size_t n = doc->tokens[array].count;

	if (n == 0 || n > COUNTERSIGN_CLIENT_IDS_MAX)
		return false;
	for (size_t i = 0; i < n; i++, at = json_next(doc, at)) {
		if (json_type(doc, at) != JSON_STRING)
			return false;
		ids[i] = to_plugin(json_text(doc, at));
	}
	*count = n;
	return true;
}

/* auth_time, issued_at and expires_at are in milliseconds, as all times between our processes. */
static void
put_identity(struct run *r, const struct countersign_identity *id)
{
	r->reply = varlink_reply_begin(r->out, false);
	member(r, "request", &id->request);
	member(r, "issuer", &id->issuer);
	member(r, "subject", &id->subject);
	member(r, "audience", &id->audience);
	member(r, "nonce", &id->nonce);
	if (id->auth_time_ms != COUNTERSIGN_NO_TIME)
		json_member_int(&r->reply, "auth_time", id->auth_time_ms);
	json_member_int(&r->reply, "issued_at", id->issued_at_ms);
	json_member_int(&r->reply, "expires_at", id->expires_at_ms);
	if (id->display.len > 0 && is_text(&id->display, 1, TEXT_MAX))
		member(r, "display", &id->display);
	varlink_end(&r->reply);
}

static int
run_identify(struct run *r)
{
	const struct identify_parameters *p = r->parameters;
	struct countersign_view ids[COUNTERSIGN_CLIENT_IDS_MAX];
	struct countersign_identify in = {
		.size = sizeof(in),
		.call = r->call,
		.nonce = to_plugin(p->nonce),
		.client_ids = ids,
		.id_token = to_plugin(p->id_token),
		.code = to_plugin(p->code),
		.code_verifier = to_plugin(p->code_verifier),
		.redirect_uri = to_plugin(p->redirect_uri),
		.iss = to_plugin(p->iss),
	};
	struct countersign_identity out = {
		.size = sizeof(out),
		.request = text_buffer(r, 0),
		.issuer = text_buffer(r, 1),
		.subject = text_buffer(r, 2),
		.audience = text_buffer(r, 3),
		.nonce = text_buffer(r, 4),
		.display = text_buffer(r, 5),
		.auth_time_ms = COUNTERSIGN_NO_TIME,
	};
	int rc;

	if (!read_client_ids(r->doc, p->client_ids, ids, &in.client_ids_count) ||
	    (p->id_token.len > 0) == (p->code.len > 0))
		return COUNTERSIGN_INVALID;
	rc = r->calls->plugin->provider->identify(r->calls->instance, &in, &out);
	if (rc != COUNTERSIGN_OK)
		return rc;
	if (!is_text(&out.request, 0, TEXT_MAX) || !is_text(&out.issuer, 1, TEXT_MAX) ||
	    !is_text(&out.subject, 1, TEXT_MAX) || !is_text(&out.audience, 1, TEXT_MAX) ||
	    !is_text(&out.nonce, 0, TEXT_MAX) || out.display.len > TEXT_MAX)
		return GARBAGE;
	put_identity(r, &out);
	return COUNTERSIGN_OK;
}

/* ---- Enrol ----------------------------------------------------------------------------------- */

struct enrol_parameters {
	struct head head;
	struct view account_hint, issuer;
};

static const struct json_field enrol_fields[] = {
	HEAD(enrol_parameters),
	NOW(enrol_parameters),
	TEXT(enrol_parameters, account_hint, true, TEXT_MAX),
	TEXT(enrol_parameters, issuer, true, TEXT_MAX),
	{.name = NULL},
};

static const char base64url_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Without padding; the secret is wiped from here by its caller. */
static size_t
base64url_encode(const uint8_t *data, size_t len, char *to)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i += 3) {
		size_t have = len - i < 3 ? len - i : 3;
		uint32_t bits = (uint32_t)data[i] << 16 |
				(have > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
				(have > 2 ? data[i + 2] : 0);

		for (size_t k = 0; k <= have; k++)
			to[n++] = base64url_letters[bits >> (18 - 6 * k) & 63];
	}
	return n;
}

static bool
base64url_decode(struct view text, uint8_t *to, size_t cap, size_t *len)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		const char *at =
		    text.data[i] == '\0' ? NULL : strchr(base64url_letters, text.data[i]);

		if (at == NULL)
			return false;
		bits = bits << 6 | (uint32_t)(at - base64url_letters);
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		if (n == cap)
			return false;
		to[n++] = (uint8_t)(bits >> have);
		bits &= (1U << have) - 1;
	}
	*len = n;
	return bits == 0 && text.len % 4 != 1;
}

static bool
steps_are_good(const struct countersign_enrol_answer *out)
{
	if (out->steps_count == 0 || out->steps_count > COUNTERSIGN_STEPS_MAX)
		return false;
	for (size_t i = 0; i < out->steps_count; i++) {
		const struct countersign_step *s = &out->steps[i];

		if (s->kind != COUNTERSIGN_STEP_CODE && !is_text(&s->value, 1, STEP_VALUE_MAX))
			return false;
		if (s->kind == COUNTERSIGN_STEP_CODE && (s->digits == 0 || s->digits > 12))
			return false;
		if (s->kind < COUNTERSIGN_STEP_SHOW || s->kind > COUNTERSIGN_STEP_PASSKEY)
			return false;
	}
	return true;
}

static void
put_steps(struct json_writer *w, const struct countersign_enrol_answer *out)
{
	json_key(w, VIEW("steps"));
	json_array_begin(w);
	for (size_t i = 0; i < out->steps_count; i++) {
		const struct countersign_step *s = &out->steps[i];

		json_object_begin(w);
		if (s->kind == COUNTERSIGN_STEP_SHOW) {
			json_member_str(w, "type", VIEW("show"));
			json_member_str(w, "uri", view_of(s->value.data, s->value.len));
		} else if (s->kind == COUNTERSIGN_STEP_PASSKEY) {
			json_member_str(w, "type", VIEW("passkey"));
			json_member_str(w, "options", view_of(s->value.data, s->value.len));
		} else {
			json_member_str(w, "type", VIEW("code"));
			json_member_int(w, "digits", s->digits);
		}
		json_object_end(w);
	}
	json_array_end(w);
}

static int
run_enrol(struct run *r)
{
	const struct enrol_parameters *p = r->parameters;
	struct countersign_enrol in = {
		.size = sizeof(in),
		.call = r->call,
		.account_hint = to_plugin(p->account_hint),
		.issuer = to_plugin(p->issuer),
	};
	struct countersign_enrol_answer out = {.size = sizeof(out), .request = text_buffer(r, 0)};
	uint8_t secret[PLUGIN_SECRET_MAX];
	char text[SECRET_TEXT_MAX];
	int rc;

	out.secret = (struct countersign_buffer){(char *)secret, sizeof(secret), 0};
	for (size_t i = 0; i < COUNTERSIGN_STEPS_MAX; i++)
		out.steps[i].value = (struct countersign_buffer){r->big + i * STEP_VALUE_MAX, STEP_VALUE_MAX, 0};
	rc = r->calls->plugin->factor->enrol(r->calls->instance, &in, &out);
	if (rc == COUNTERSIGN_OK && (out.secret.len == 0 || out.secret.len > sizeof(secret) ||
	    !is_text(&out.request, 0, TEXT_MAX) || !steps_are_good(&out)))
		rc = GARBAGE;
	if (rc == COUNTERSIGN_OK) {
		r->reply = varlink_reply_begin(r->out, false);
		member(r, "request", &out.request);
		json_member_str(&r->reply, "secret",
		    view_of(text, base64url_encode(secret, out.secret.len, text)));
		put_steps(&r->reply, &out);
		varlink_end(&r->reply);
	}
	secret_wipe(secret, sizeof(secret));
	secret_wipe(text, sizeof(text));
	return rc;
}

/* ---- Verify ---------------------------------------------------------------------------------- */

struct verify_parameters {
	struct head head;
	struct view secret, answer, challenge, operation;
	int64_t last_step;
};

static const struct json_field verify_fields[] = {
    HEAD(verify_parameters),
    NOW(verify_parameters),
    {"secret", JSON_F_STRING, true, offsetof(struct verify_parameters, secret), 1, SECRET_TEXT_MAX},
    {"answer", JSON_F_STRING, true, offsetof(struct verify_parameters, answer), 0, ANSWER_MAX},
    {"last_step", JSON_F_INT, true, offsetof(struct verify_parameters, last_step), -1, NOW_MAX_MS},
    {"challenge", JSON_F_STRING, false, offsetof(struct verify_parameters, challenge), 1,
	2 * CHALLENGE_MAX},
    TEXT(verify_parameters, operation, false, OUTSIDE_MAX),
    {.name = NULL},
};

static int
put_verdict(struct run *r, const struct countersign_verify_answer *out)
{
	char text[SECRET_TEXT_MAX];

	if (!is_text(&out->request, 0, TEXT_MAX) || (out->verdict != 0 && out->verdict != 1) ||
	    out->secret.len > PLUGIN_SECRET_MAX)
		return GARBAGE;
	r->reply = varlink_reply_begin(r->out, false);
	member(r, "request", &out->request);
	json_member_bool(&r->reply, "verdict", out->verdict == 1);
	json_member_int(&r->reply, "step", out->step);
	if (out->secret.len > 0)
		json_member_str(&r->reply, "secret", view_of(text,
		    base64url_encode((const uint8_t *)out->secret.data, out->secret.len, text)));
	varlink_end(&r->reply);
	secret_wipe(text, sizeof(text));
	return COUNTERSIGN_OK;
}

static int
run_verify(struct run *r)
{
	const struct verify_parameters *p = r->parameters;
	uint8_t secret[PLUGIN_SECRET_MAX], kept[PLUGIN_SECRET_MAX], challenge[CHALLENGE_MAX];
	struct countersign_verify in = {
		.size = sizeof(in),
		.call = r->call,
		.answer = to_plugin(p->answer),
		.last_step = p->last_step,
		.operation = to_plugin(p->operation),
	};
	struct countersign_verify_answer out = {
		.size = sizeof(out),
		.request = text_buffer(r, 0),
		.step = -1,
		.secret = {(char *)kept, sizeof(kept), 0},
	};
	int rc = COUNTERSIGN_INVALID;

	in.secret.data = (char *)secret;
	in.challenge.data = (char *)challenge;
	if (base64url_decode(p->secret, secret, sizeof(secret), &in.secret.len) &&
	    base64url_decode(p->challenge, challenge, sizeof(challenge), &in.challenge.len))
		rc = r->calls->plugin->factor->verify(r->calls->instance, &in, &out);
	if (rc == COUNTERSIGN_OK)
		rc = put_verdict(r, &out);
	secret_wipe(secret, sizeof(secret));
	secret_wipe(kept, sizeof(kept));
	return rc;
}

/* ---- Assess ---------------------------------------------------------------------------------- */

struct assess_parameters {
	struct head head;
	struct view service, operation, provider, account, currency, payee, ip, device;
	int64_t amount, digits, factors, account_age_ms, link_age_ms, session_age_ms;
};

#define AGE(member)                                                                                \
	{#member, JSON_F_INT, true, offsetof(struct assess_parameters, member), -1, NOW_MAX_MS}

static const struct json_field assess_fields[] = {
    HEAD(assess_parameters),
    NOW(assess_parameters),
    TEXT(assess_parameters, service, true, OUTSIDE_MAX),
    TEXT(assess_parameters, operation, true, OUTSIDE_MAX),
    TEXT(assess_parameters, provider, false, OUTSIDE_MAX),
    TEXT(assess_parameters, account, true, OUTSIDE_MAX),
    TEXT(assess_parameters, currency, false, 3),
    TEXT(assess_parameters, payee, false, OUTSIDE_MAX),
    TEXT(assess_parameters, ip, false, OUTSIDE_MAX),
    TEXT(assess_parameters, device, false, OUTSIDE_MAX),
    {"amount", JSON_F_INT, false, offsetof(struct assess_parameters, amount), 0, NOW_MAX_MS},
    {"digits", JSON_F_INT, false, offsetof(struct assess_parameters, digits), 0, 4},
    {"factors", JSON_F_INT, true, offsetof(struct assess_parameters, factors), 0, OUTSIDE_MAX},
    AGE(account_age_ms),
    AGE(link_age_ms),
    AGE(session_age_ms),
    {.name = NULL},
};

static bool
is_reason(const struct countersign_buffer *b)
{
	if (b->len > COUNTERSIGN_REASON_MAX)
		return false;
	for (size_t i = 0; i < b->len; i++)
		if (!(b->data[i] >= 'a' && b->data[i] <= 'z') && b->data[i] != '_' &&
		    !(b->data[i] >= '0' && b->data[i] <= '9'))
			return false;
	return true;
}

static int
run_assess(struct run *r)
{
	const struct assess_parameters *p = r->parameters;
	const struct countersign_assess in = {
		.size = sizeof(in),
		.call = r->call,
		.service = to_plugin(p->service),
		.operation = to_plugin(p->operation),
		.provider = to_plugin(p->provider),
		.account = to_plugin(p->account),
		.currency = to_plugin(p->currency),
		.payee = to_plugin(p->payee),
		.ip = to_plugin(p->ip),
		.device = to_plugin(p->device),
		.amount_minor = p->amount,
		.currency_digits = (int32_t)p->digits,
		.factors = (int32_t)p->factors,
		.account_age_ms = p->account_age_ms,
		.link_age_ms = p->link_age_ms,
		.session_age_ms = p->session_age_ms,
	};
	struct countersign_assessment out = {
		.size = sizeof(out),
		.request = text_buffer(r, 0),
		.reason = {r->memory[1], COUNTERSIGN_REASON_MAX, 0},
		.score = -1, /* a plugin that forgets it has said nothing */
	};
	int rc = r->calls->plugin->risk->assess(r->calls->instance, &in, &out);

	if (rc != COUNTERSIGN_OK)
		return rc;
	if (!is_text(&out.request, 0, TEXT_MAX) || !is_reason(&out.reason) || out.score < 0 ||
	    out.score > COUNTERSIGN_SCORE_MAX)
		return GARBAGE;
	r->reply = varlink_reply_begin(r->out, false);
	member(r, "request", &out.request);
	json_member_int(&r->reply, "score", out.score);
	member(r, "reason", &out.reason);
	varlink_end(&r->reply);
	return COUNTERSIGN_OK;
}

/* ---- Deliver --------------------------------------------------------------------------------- */

struct deliver_parameters {
	struct head head;
	struct view id, document;
};

static const struct json_field deliver_fields[] = {
    HEAD(deliver_parameters),
    NOW(deliver_parameters),
    TEXT(deliver_parameters, id, true, OUTSIDE_MAX),
    TEXT(deliver_parameters, document, true, DOCUMENT_MAX),
    {.name = NULL},
};

static int
run_deliver(struct run *r)
{
	const struct deliver_parameters *p = r->parameters;
	const struct countersign_deliver in = {
		.size = sizeof(in),
		.call = r->call,
		.id = to_plugin(p->id),
		.document = to_plugin(p->document),
	};
	struct countersign_delivery out = {.size = sizeof(out), .request = text_buffer(r, 0)};
	int rc = r->calls->plugin->notify->deliver(r->calls->instance, &in, &out);

	if (rc != COUNTERSIGN_OK)
		return rc;
	if (!is_text(&out.request, 0, TEXT_MAX))
		return GARBAGE;
	r->reply = varlink_reply_begin(r->out, false);
	member(r, "request", &out.request);
	varlink_end(&r->reply);
	return COUNTERSIGN_OK;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct method {
	const char *name;
	uint32_t kind;                    /* 0: of every plugin */
	const struct json_field *fields;
	int (*run)(struct run *r);
} methods[] = {
	{"Describe", 0, describe_fields, run_describe},
	{"AuthorizationUrl", COUNTERSIGN_KIND_PROVIDER, authorize_fields, run_authorize},
	{"Identify", COUNTERSIGN_KIND_PROVIDER, identify_fields, run_identify},
	{"Enrol", COUNTERSIGN_KIND_FACTOR, enrol_fields, run_enrol},
	{"Verify", COUNTERSIGN_KIND_FACTOR, verify_fields, run_verify},
	{"Assess", COUNTERSIGN_KIND_RISK, assess_fields, run_assess},
	{"Deliver", COUNTERSIGN_KIND_NOTIFY, deliver_fields, run_deliver},
};

union parameters {
	struct head head;
	struct authorize_parameters authorize;
	struct identify_parameters identify;
	struct enrol_parameters enrol;
	struct verify_parameters verify;
	struct assess_parameters assess;
	struct deliver_parameters deliver;
};

static void
put_error(struct buf *out, struct view error, const char *name, struct view value)
{
	struct json_writer w = varlink_error_begin(out, error);

	json_member_str(&w, name, value);
	varlink_end(&w);
}

static void
put_result(struct calls *c, struct buf *out, const struct method *m, int result)
{
	const char *reason = NULL;

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].result == result)
			reason = reasons[i].reason;
	if (reason == NULL || result == GARBAGE) {
		log_error("call method=%s msg=\"the plugin's answer is malformed\" result=%d",
		    m->name, result);
		c->broken = true;
		reason = "garbage";
		result = GARBAGE;
	}
	if (result < COUNTERSIGN_UNREACHABLE)
		put_error(out, VIEW("org.countersign.Worker.Refused"), "reason", view_str(reason));
	else
		put_error(out, VIEW("org.countersign.Worker.Failed"), "reason", view_str(reason));
	log_info("call method=%s reason=%s", m->name, reason);
}

static void
run_method(struct calls *c, const struct method *m, const struct json *doc, uint32_t at,
    struct buf *out)
{
	struct run *r = calloc(1, sizeof(*r));
	union parameters p = {.head = {.deadline_ms = c->settings->deadline_ms}};
	struct json_problem problem = {.field = NULL};
	struct clock_now now;
	int64_t deadline_ms;
	int rc;

	CHECK(r != NULL);
	if (at != 0 ? json_bind(doc, at, m->fields, false, &p, &problem) != CS_OK :
	    m->fields[0].name != NULL) {
		put_error(out, VIEW("org.varlink.service.InvalidParameter"), "parameter",
		    problem.field != NULL ? view_str(problem.field) :
		    problem.member.data != NULL ? problem.member : VIEW("parameters"));
		free(r);
		return;
	}
	clock_read(&now);
	deadline_ms = p.head.deadline_ms < c->settings->deadline_ms ? p.head.deadline_ms :
	    c->settings->deadline_ms;
	*r = (struct run){.calls = c, .doc = doc, .parameters = &p, .out = out};
	r->call.request = to_plugin(p.head.request);
	r->call.now_ms = p.head.now_ms;
	r->call.deadline_boot_ms = now.boot_ms + deadline_ms;
	c->deadline(c->deadline_context, r->call.deadline_boot_ms);
	host_call_begin(c->host, r->call.deadline_boot_ms);
	rc = m->run(r);
	host_call_end(c->host);
	c->deadline(c->deadline_context, 0);
	if (rc != COUNTERSIGN_OK)
		put_result(c, out, m, rc);
	secret_wipe(r, sizeof(*r));
	free(r);
}

void
calls_answer(struct calls *c, char *text, size_t len, struct buf *out)
{
	static struct json_token tokens[JSON_TOKENS_MAX];
	struct varlink_call call;
	struct json_error err = {.reason = ""};
	struct view interface, name;
	struct json doc;

	if (varlink_read_call(text, len, tokens, JSON_TOKENS_MAX, &doc, &call, &err) != CS_OK) {
		put_error(out, VIEW("org.varlink.service.InvalidParameter"), "parameter",
		    view_str(err.reason));
		return;
	}
	if (varlink_split(call.method, &interface, &name) &&
	    view_equal(interface, VIEW("org.countersign.Worker")) && !call.more && !call.oneway)
		for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
			if (view_equal(name, view_str(methods[i].name)) &&
			    (methods[i].kind & ~c->plugin->kinds) == 0) {
				run_method(c, &methods[i], &doc, call.parameters, out);
				return;
			}
	put_error(out, VIEW("org.varlink.service.MethodNotFound"), "method", call.method);
}
