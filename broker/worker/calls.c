/* SPDX-License-Identifier: Apache-2.0 */
/* The methods of org.countersign.Worker, as a table. */
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/clock.h"
#include "broker/base/log.h"
#include "broker/worker/calls_run.h"

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
	{COUNTERSIGN_BAD_ADDRESS, "bad_address"},
	{COUNTERSIGN_BAD_BINDING, "bad_binding"},
	{COUNTERSIGN_REVOKED, "revoked"},
	{COUNTERSIGN_UNREACHABLE, "unreachable"},
	{COUNTERSIGN_TOO_LATE, "too_late"},
	{COUNTERSIGN_FULL, "full"},
	{COUNTERSIGN_INVALID, "invalid"},
	{COUNTERSIGN_INTERNAL, "internal"},
	{GARBAGE, "garbage"},
};

int
calls_result_of(struct view reason)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (view_equal(reason, view_str(reasons[i].reason)))
			return reasons[i].result;
	return GARBAGE;
}

struct countersign_view
run_view(struct view v)
{
	return (struct countersign_view){v.data, v.len};
}

struct countersign_buffer
run_text(struct run *r, size_t index)
{
	return (struct countersign_buffer){r->memory[index], TEXT_MAX, 0};
}

struct countersign_buffer
run_big(struct run *r)
{
	return (struct countersign_buffer){r->big, URL_MAX_BYTES, 0};
}

bool
run_is_text(const struct countersign_buffer *b, size_t min, size_t cap)
{
	return b->len >= min && b->len <= cap && json_printable(view_of(b->data, b->len));
}

void
run_member(struct run *r, const char *name, const struct countersign_buffer *b)
{
	json_member_str(&r->reply, name, view_of(b->len == 0 ? "" : b->data, b->len));
}

bool
run_views(const struct json *doc, uint32_t array, size_t max, struct countersign_view *to, size_t cap, size_t *count)
{
	size_t n = array == 0 ? 0 : doc->tokens[array].count;
	uint32_t at = n == 0 ? 0 : json_first(doc, array);

	if (n > cap)
		return false;
	for (size_t i = 0; i < n; i++, at = json_next(doc, at)) {
		if (json_type(doc, at) != JSON_STRING)
			return false;
		to[i] = run_view(json_text(doc, at));
		if (to[i].len == 0 || to[i].len > max)
			return false;
	}
	*count = n;
	return true;
}

/* ---- Describe -------------------------------------------------------------------------------- */

static const struct json_field describe_fields[] = {
	{"deadline_ms", JSON_F_INT, false, offsetof(struct head, deadline_ms), 1, DEADLINE_MAX_MS},
	{"request", JSON_F_ID, false, offsetof(struct head, request), 1, REQUEST_MAX},
	{.name = NULL},
};

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

static void
put_factor(struct json_writer *w, const struct countersign_plugin_v1 *p)
{
	json_member_str(w, "factor_kind", view_str(p->factor->kind));
	json_member_bool(w, "begins", load_factor_begins(p->factor));
	json_member_bool(w, "sends", load_factor_begins(p->factor) && (p->flags & COUNTERSIGN_SENDS) != 0);
	json_member_bool(w, "tells", load_factor_tells(p->factor));
}

static void
put_provider(struct json_writer *w, const struct countersign_plugin_v1 *p, const struct countersign_profile *profile)
{
	json_member_bool(w, "stable_subject", (profile->assurance & COUNTERSIGN_STABLE_SUBJECT) != 0);
	json_member_bool(w, "honours_max_age", (profile->assurance & COUNTERSIGN_HONOURS_MAX_AGE) != 0);
	json_member_bool(w, "code_alone", (profile->assurance & COUNTERSIGN_CODE_ALONE) != 0);
	json_member_str(w, "code_parameter", view_str(profile->code_parameter));
	json_member_bool(w, "signals", load_provider_signals(p->provider));
	json_member_bool(w, "polls", load_provider_polls(p->provider));
	json_member_bool(w, "streams", load_provider_streams(p->provider));
	json_member_bool(w, "rekeys", load_provider_rekeys(p->provider));
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
	if (!load_parameter_good(profile.code_parameter))
		return GARBAGE;
	r->reply = varlink_reply_begin(r->out, false);
	w = &r->reply;
	json_member_str(w, "request", view_of(r->call.request.data, r->call.request.len));
	json_member_str(w, "name", view_str(p->name));
	put_kinds(w, p->kinds);
	json_member_str(w, "version", view_str(p->version));
	if ((p->kinds & COUNTERSIGN_KIND_FACTOR) != 0)
		put_factor(w, p);
	if ((p->kinds & COUNTERSIGN_KIND_PROVIDER) != 0)
		put_provider(w, p, &profile);
	json_key(w, VIEW("controls"));
	json_array_begin(w);
	for (size_t i = 0; profile.controls != NULL && profile.controls[i] != NULL; i++)
		json_put_str(w, view_str(profile.controls[i]));
	json_array_end(w);
	varlink_end(w);
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
	{"Signal", COUNTERSIGN_KIND_PROVIDER, signal_fields, run_signal},
	{"Poll", COUNTERSIGN_KIND_PROVIDER, poll_fields, run_poll},
	{"Stream", COUNTERSIGN_KIND_PROVIDER, stream_fields, run_stream},
	{"Rekey", COUNTERSIGN_KIND_PROVIDER, rekey_fields, run_rekey},
	{"Enrol", COUNTERSIGN_KIND_FACTOR, enrol_fields, run_enrol},
	{"Verify", COUNTERSIGN_KIND_FACTOR, verify_fields, run_verify},
	{"Begin", COUNTERSIGN_KIND_FACTOR, begin_fields, run_begin},
	{"Tell", COUNTERSIGN_KIND_FACTOR, tell_fields, run_tell},
	{"Assess", COUNTERSIGN_KIND_RISK, assess_fields, run_assess},
	{"Deliver", COUNTERSIGN_KIND_NOTIFY, deliver_fields, run_deliver},
	{"CheckToken", COUNTERSIGN_KIND_TOKEN, token_fields, run_token},
};

union parameters {
	struct head head;
	struct authorize_parameters authorize;
	struct identify_parameters identify;
	struct signal_parameters signal;
	struct poll_parameters poll;
	struct stream_parameters stream;
	struct rekey_parameters rekey;
	struct enrol_parameters enrol;
	struct verify_parameters verify;
	struct begin_parameters begin;
	struct tell_parameters tell;
	struct assess_parameters assess;
	struct deliver_parameters deliver;
	struct token_parameters token;
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
	if (at != 0 ? json_bind(doc, at, m->fields, false, &p, &problem) != CS_OK : m->fields[0].required) {
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
	r->call.request = run_view(p.head.request);
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
