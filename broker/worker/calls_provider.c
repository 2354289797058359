/* SPDX-License-Identifier: Apache-2.0 */
/* The operations of providers: the address of a sign-in, and who came back. */
#include "broker/worker/calls_run.h"

/* ---- AuthorizationUrl ------------------------------------------------------------------------ */

const struct json_field authorize_fields[] = {
	HEAD(authorize_parameters),
	TEXT(authorize_parameters, state, true, TEXT_MAX),
	TEXT(authorize_parameters, nonce, true, TEXT_MAX),
	TEXT(authorize_parameters, code_challenge, true, TEXT_MAX),
	TEXT(authorize_parameters, redirect_uri, true, 1024),
	TEXT(authorize_parameters, client_id, true, TEXT_MAX),
	{.name = NULL},
};

int
run_authorize(struct run *r)
{
	const struct authorize_parameters *p = r->parameters;
	struct countersign_authorize in = {
		.size = sizeof(in),
		.call = r->call,
		.state = run_view(p->state),
		.nonce = run_view(p->nonce),
		.code_challenge = run_view(p->code_challenge),
		.redirect_uri = run_view(p->redirect_uri),
		.client_id = run_view(p->client_id),
	};
	struct countersign_authorize_answer out = {
		.size = sizeof(out),
		.request = run_text(r, 0),
		.url = run_big(r),
	};
	int rc = r->calls->plugin->provider->authorization_url(r->calls->instance, &in, &out);

	if (rc != COUNTERSIGN_OK)
		return rc;
	if (!run_is_text(&out.request, 0, TEXT_MAX) || !run_is_text(&out.url, 1, URL_MAX_BYTES))
		return GARBAGE;
	r->reply = varlink_reply_begin(r->out, false);
	run_member(r, "request", &out.request);
	run_member(r, "url", &out.url);
	varlink_end(&r->reply);
	return COUNTERSIGN_OK;
}

/* ---- Identify -------------------------------------------------------------------------------- */

const struct json_field identify_fields[] = {
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

/* Whether a line is KIND SECONDS [VALUE], as plugin.h has it. */
static bool
is_evidence(struct view line)
{
	enum { KIND_MAX = 32, SECONDS_DIGITS = 11, VALUE_MAX = 254 };
	size_t kind = 0, digits = 0, at;

	while (kind < line.len && ((line.data[kind] >= 'a' && line.data[kind] <= 'z') || line.data[kind] == '-'))
		kind++;
	at = kind + 1;
	while (at + digits < line.len && line.data[at + digits] >= '0' && line.data[at + digits] <= '9')
		digits++;
	if (kind == 0 || kind > KIND_MAX || kind >= line.len || line.data[kind] != ' ' || digits == 0 ||
	    digits > SECONDS_DIGITS)
		return false;
	at += digits;
	return at == line.len || (line.data[at] == ' ' && line.len - at - 1 >= 1 && line.len - at - 1 <= VALUE_MAX);
}

static bool
evidence_good(const struct countersign_buffer *b)
{
	struct view line;
	size_t at = 0;

	if (b->len == 0)
		return true;
	if (!run_is_lines(b, 1, COUNTERSIGN_EVIDENCE_LINES, COUNTERSIGN_EVIDENCE_MAX))
		return false;
	while (run_next_line(b, &at, &line))
		if (!is_evidence(line))
			return false;
	return true;
}

/* auth_time, issued_at and expires_at are in milliseconds, as all times between our processes. */
static void
put_identity(struct run *r, const struct countersign_identity *id)
{
	r->reply = varlink_reply_begin(r->out, false);
	run_member(r, "request", &id->request);
	run_member(r, "issuer", &id->issuer);
	run_member(r, "subject", &id->subject);
	run_member(r, "audience", &id->audience);
	run_member(r, "nonce", &id->nonce);
	if (id->auth_time_ms != COUNTERSIGN_NO_TIME)
		json_member_int(&r->reply, "auth_time", id->auth_time_ms);
	json_member_int(&r->reply, "issued_at", id->issued_at_ms);
	json_member_int(&r->reply, "expires_at", id->expires_at_ms);
	if (id->display.len > 0 && run_is_text(&id->display, 1, TEXT_MAX))
		run_member(r, "display", &id->display);
	if (id->was_subject.len > 0) {
		run_member(r, "was_issuer", &id->was_issuer);
		run_member(r, "was_subject", &id->was_subject);
	}
	if (id->evidence.len > 0)
		run_put_lines(&r->reply, "evidence", &id->evidence, 0);
	varlink_end(&r->reply);
}

int
run_identify(struct run *r)
{
	const struct identify_parameters *p = r->parameters;
	struct countersign_view ids[COUNTERSIGN_CLIENT_IDS_MAX];
	struct countersign_identify in = {
		.size = sizeof(in),
		.call = r->call,
		.nonce = run_view(p->nonce),
		.client_ids = ids,
		.id_token = run_view(p->id_token),
		.code = run_view(p->code),
		.code_verifier = run_view(p->code_verifier),
		.redirect_uri = run_view(p->redirect_uri),
		.iss = run_view(p->iss),
	};
	struct countersign_identity out = {
		.size = sizeof(out),
		.request = run_text(r, 0),
		.issuer = run_text(r, 1),
		.subject = run_text(r, 2),
		.audience = run_text(r, 3),
		.nonce = run_text(r, 4),
		.display = run_text(r, 5),
		.was_issuer = run_text(r, 6),
		.was_subject = run_text(r, 7),
		.evidence = {r->big, COUNTERSIGN_EVIDENCE_MAX, 0},
		.auth_time_ms = COUNTERSIGN_NO_TIME,
	};
	int rc;

	if (!run_views(r->doc, p->client_ids, TEXT_MAX, ids, COUNTERSIGN_CLIENT_IDS_MAX, &in.client_ids_count) ||
	    in.client_ids_count == 0 || (p->id_token.len > 0) == (p->code.len > 0))
		return COUNTERSIGN_INVALID;
	rc = r->calls->plugin->provider->identify(r->calls->instance, &in, &out);
	if (rc != COUNTERSIGN_OK)
		return rc;
	if (!run_is_text(&out.request, 0, TEXT_MAX) || !run_is_text(&out.issuer, 1, TEXT_MAX) ||
	    !run_is_text(&out.subject, 1, TEXT_MAX) || !run_is_text(&out.audience, 1, TEXT_MAX) ||
	    !run_is_text(&out.nonce, 0, TEXT_MAX) || out.display.len > TEXT_MAX ||
	    !run_is_text(&out.was_issuer, 0, TEXT_MAX) || !run_is_text(&out.was_subject, 0, TEXT_MAX) ||
	    (out.was_issuer.len > 0) != (out.was_subject.len > 0) || !evidence_good(&out.evidence))
		return GARBAGE;
	put_identity(r, &out);
	return COUNTERSIGN_OK;
}

/* ---- Rekey ----------------------------------------------------------------------------------- */

const struct json_field rekey_fields[] = {
    HEAD(rekey_parameters),
    NOW(rekey_parameters),
    TEXT(rekey_parameters, issuer, true, TEXT_MAX),
    TEXT(rekey_parameters, subject, true, TEXT_MAX),
    TEXT(rekey_parameters, proof, false, REKEY_PROOF_MAX),
    TEXT(rekey_parameters, client_id, true, TEXT_MAX),
    {.name = NULL},
};

int
run_rekey(struct run *r)
{
	const struct rekey_parameters *p = r->parameters;
	const struct countersign_provider_v1 *provider = r->calls->plugin->provider;
	const struct countersign_rekey in = {
		.size = sizeof(in),
		.call = r->call,
		.issuer = run_view(p->issuer),
		.subject = run_view(p->subject),
		.proof = run_view(p->proof),
		.client_id = run_view(p->client_id),
	};
	struct countersign_rekey_answer out = {
		.size = sizeof(out),
		.request = run_text(r, 0),
		.issuer = run_text(r, 1),
		.subject = run_text(r, 2),
	};
	int rc = load_provider_rekeys(provider) ? provider->rekey(r->calls->instance, &in, &out) : COUNTERSIGN_INVALID;

	if (rc != COUNTERSIGN_OK)
		return rc;
	if (!run_is_text(&out.request, 0, TEXT_MAX) || !run_is_text(&out.issuer, 1, TEXT_MAX) ||
	    !run_is_text(&out.subject, 1, TEXT_MAX))
		return GARBAGE;
	r->reply = varlink_reply_begin(r->out, false);
	run_member(r, "request", &out.request);
	run_member(r, "issuer", &out.issuer);
	run_member(r, "subject", &out.subject);
	varlink_end(&r->reply);
	return COUNTERSIGN_OK;
}
