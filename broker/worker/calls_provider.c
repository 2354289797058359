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
		ids[i] = run_view(json_text(doc, at));
	}
	*count = n;
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
		.auth_time_ms = COUNTERSIGN_NO_TIME,
	};
	int rc;

	if (!read_client_ids(r->doc, p->client_ids, ids, &in.client_ids_count) ||
	    (p->id_token.len > 0) == (p->code.len > 0))
		return COUNTERSIGN_INVALID;
	rc = r->calls->plugin->provider->identify(r->calls->instance, &in, &out);
	if (rc != COUNTERSIGN_OK)
		return rc;
	if (!run_is_text(&out.request, 0, TEXT_MAX) || !run_is_text(&out.issuer, 1, TEXT_MAX) ||
	    !run_is_text(&out.subject, 1, TEXT_MAX) || !run_is_text(&out.audience, 1, TEXT_MAX) ||
	    !run_is_text(&out.nonce, 0, TEXT_MAX) || out.display.len > TEXT_MAX)
		return GARBAGE;
	put_identity(r, &out);
	return COUNTERSIGN_OK;
}
