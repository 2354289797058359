/* SPDX-License-Identifier: Apache-2.0 */
/* CheckToken of token plugins: which client of an authorization server a service is. */
#include "broker/worker/calls_run.h"

const struct json_field token_fields[] = {
    HEAD(token_parameters),
    NOW(token_parameters),
    TEXT(token_parameters, token, true, ACCESS_TOKEN_MAX),
    TEXT(token_parameters, scheme, true, TEXT_MAX),
    TEXT(token_parameters, proof, false, PROOF_MAX),
    TEXT(token_parameters, method, true, TEXT_MAX),
    TEXT(token_parameters, url, true, REQUEST_URL_MAX),
    {"certificate", JSON_F_ID, false, offsetof(struct token_parameters, certificate), CERTIFICATE_DIGITS,
	CERTIFICATE_DIGITS},
    {.name = NULL},
};

static bool
parameters_good(const struct token_parameters *p)
{
	if (!view_equal(p->scheme, VIEW("Bearer")) && !view_equal(p->scheme, VIEW("DPoP")))
		return false;
	for (size_t i = 0; i < p->certificate.len; i++)
		if (memchr("0123456789abcdef", p->certificate.data[i], 16) == NULL)
			return false;
	return p->certificate.len == 0 || p->certificate.len == CERTIFICATE_DIGITS;
}

/* An answer that outlives its token is none. */
static bool
answer_good(const struct countersign_token_answer *out)
{
	return run_is_text(&out->request, 0, TEXT_MAX) && run_is_text(&out->issuer, 1, TEXT_MAX) &&
	    run_is_text(&out->client, 1, TEXT_MAX) && run_is_text(&out->proof_id, 0, TEXT_MAX) &&
	    (out->proof_id.len > 0) == (out->proof_at_ms > 0) && out->proof_at_ms >= 0 && out->expires_at_ms >= 0 && out->cache_until_ms >= 0 && out->cache_until_ms <= out->expires_at_ms;
}

int
run_token(struct run *r)
{
	const struct token_parameters *p = r->parameters;
	const struct countersign_token in = {
		.size = sizeof(in),
		.call = r->call,
		.token = run_view(p->token),
		.scheme = run_view(p->scheme),
		.proof = run_view(p->proof),
		.method = run_view(p->method),
		.url = run_view(p->url),
		.certificate = run_view(p->certificate),
	};
	struct countersign_token_answer out = {
		.size = sizeof(out),
		.request = run_text(r, 0),
		.issuer = run_text(r, 1),
		.client = run_text(r, 2),
		.proof_id = run_text(r, 3),
		.expires_at_ms = -1, /* a plugin that forgets it has said nothing */
	};
	int rc = parameters_good(p) ? r->calls->plugin->token->check(r->calls->instance, &in, &out) : COUNTERSIGN_INVALID;

	if (rc != COUNTERSIGN_OK)
		return rc;
	if (!answer_good(&out))
		return GARBAGE;
	r->reply = varlink_reply_begin(r->out, false);
	run_member(r, "request", &out.request);
	run_member(r, "issuer", &out.issuer);
	run_member(r, "client", &out.client);
	if (out.proof_id.len > 0)
		run_member(r, "proof_id", &out.proof_id);
	if (out.proof_at_ms > 0)
		json_member_int(&r->reply, "proof_at", out.proof_at_ms);
	json_member_int(&r->reply, "expires_at", out.expires_at_ms);
	if (out.cache_until_ms > 0)
		json_member_int(&r->reply, "cache_until", out.cache_until_ms);
	varlink_end(&r->reply);
	return COUNTERSIGN_OK;
}
