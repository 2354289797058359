/* SPDX-License-Identifier: Apache-2.0 */
/* The authorization code flow. */
#include <openssl/crypto.h>
#include <stdio.h>

#include "plugins/oidc/discovery.h"
#include "plugins/oidc/encoding.h"
#include "plugins/oidc/flow.h"
#include "plugins/oidc/idtoken.h"

enum {
	FORM_MAX = 8 * 1024, /* of a token request: code and verifier are well under 2 KiB each */
	CODE_MAX = 2048,     /* Microsoft's codes reach 1.5 KiB */
	VERIFIER_MIN = 43,   /* RFC 7636 section 4.1 */
	VERIFIER_MAX = 128,
	CHALLENGE_LEN = 43, /* base64url of SHA-256 */
};

static bool
is_configured_client(const struct oidc *o, struct countersign_view id)
{
	for (size_t i = 0; i < o->settings.clients_count; i++)
		if (id.len > 0 && view_is(id, o->settings.clients[i]))
			return true;
	return false;
}

int
flow_authorization_url(struct oidc *o, const struct countersign_authorize *in,
    struct countersign_authorize_answer *out)
{
	const struct oidc_settings *s = &o->settings;
	struct countersign_buffer *url = &out->url;
	char max_age[24];
	size_t from;
	int rc;

	if (in->state.len == 0 || in->nonce.len == 0 || in->redirect_uri.len == 0 ||
	    in->code_challenge.len != CHALLENGE_LEN)
		return COUNTERSIGN_INVALID;
	if (!is_configured_client(o, in->client_id))
		return COUNTERSIGN_BAD_AUDIENCE;
	rc = discovery_need(o);
	if (rc != COUNTERSIGN_OK)
		return rc;
	url->len = 0;
	put_text(url, &rc, o->metadata.authorization_endpoint);
	put_text(url, &rc, strchr(o->metadata.authorization_endpoint, '?') == NULL ? "?" : "&");
	from = url->len;
	put_pair(url, &rc, from, "response_type", countersign_view_of("code"));
	put_pair(url, &rc, from, "client_id", in->client_id);
	put_pair(url, &rc, from, "redirect_uri", in->redirect_uri);
	put_pair(url, &rc, from, "scope", s->scope);
	put_pair(url, &rc, from, "state", in->state);
	put_pair(url, &rc, from, "nonce", in->nonce);
	put_pair(url, &rc, from, "code_challenge", in->code_challenge);
	put_pair(url, &rc, from, "code_challenge_method", countersign_view_of("S256"));
	if (s->response_mode.len > 0)
		put_pair(url, &rc, from, "response_mode", s->response_mode);
	if (s->prompt.len > 0)
		put_pair(url, &rc, from, "prompt", s->prompt);
	snprintf(max_age, sizeof(max_age), "%lld", (long long)s->max_age_s);
	if (s->max_age_s > 0)
		put_pair(url, &rc, from, "max_age", countersign_view_of(max_age));
	return rc;
}

/* RFC 6749 section 2.3.1: id and secret are form-encoded before they are joined. */
static int
put_basic(const struct oidc *o, struct countersign_view client, struct countersign_buffer *to)
{
	char memory[3 * (OIDC_SECRET_MAX + OIDC_TEXT_MAX) + 2];
	struct countersign_buffer pair = {memory, sizeof(memory), 0};
	int rc = COUNTERSIGN_OK;

	put_escaped(&pair, &rc, client);
	put_text(&pair, &rc, ":");
	put_escaped(&pair, &rc, (struct countersign_view){o->secret, o->secret_len});
	put_text(to, &rc, "Basic ");
	put_base64(to, &rc, (struct countersign_view){pair.data, pair.len});
	OPENSSL_cleanse(memory, sizeof(memory));
	return rc;
}

static int
put_form(const struct oidc *o, const struct countersign_identify *in, struct countersign_buffer *to)
{
	int rc = COUNTERSIGN_OK;

	put_pair(to, &rc, 0, "grant_type", countersign_view_of("authorization_code"));
	put_pair(to, &rc, 0, "code", in->code);
	put_pair(to, &rc, 0, "redirect_uri", in->redirect_uri);
	put_pair(to, &rc, 0, "code_verifier", in->code_verifier);
	if (o->settings.authentication != OIDC_SECRET_BASIC)
		put_pair(to, &rc, 0, "client_id", in->client_ids[0]);
	if (o->settings.authentication == OIDC_SECRET_POST)
		put_pair(to, &rc, 0, "client_secret",
		    (struct countersign_view){o->secret, o->secret_len});
	return rc;
}

/* RFC 6749 section 5.2: what a refusal of the token endpoint means to us. */
static int
judge_refusal(const struct oidc *o, int status, const json_t *answer)
{
	const char *error = json_string_value(json_object_get(answer, "error"));

	if (status >= 500 || status == 429)
		return COUNTERSIGN_UNREACHABLE;
	if (error != NULL && strcmp(error, "invalid_grant") == 0)
		return COUNTERSIGN_BAD_CODE;
	oidc_log(o, COUNTERSIGN_LOG_WARN, "the token endpoint refused:",
	    countersign_view_of(error != NULL ? error : "without a reason"));
	return COUNTERSIGN_PROVIDER_ERROR;
}

/* On success *answer is the token endpoint's object. */
static int
exchange(struct oidc *o, const struct countersign_identify *in, json_t **answer)
{
	size_t basic_max = 4 * (OIDC_SECRET_MAX + OIDC_TEXT_MAX) + 16;
	char *memory = o->host->scratch(o->host->context, FORM_MAX + basic_max);
	struct countersign_buffer form, basic;
	json_t *got = NULL;
	int status = 0, rc = COUNTERSIGN_OK;

	if (memory == NULL)
		return COUNTERSIGN_INTERNAL;
	form = (struct countersign_buffer){memory, FORM_MAX, 0};
	basic = (struct countersign_buffer){memory + FORM_MAX, basic_max, 0};
	rc = put_form(o, in, &form);
	if (rc == COUNTERSIGN_OK && o->settings.authentication == OIDC_SECRET_BASIC)
		rc = put_basic(o, in->client_ids[0], &basic);
	if (rc == COUNTERSIGN_OK)
		rc = oidc_fetch(o, o->metadata.token_endpoint,
		    (struct countersign_view){form.data, form.len},
		    (struct countersign_view){basic.data, basic.len}, &status, &got);
	OPENSSL_cleanse(memory, FORM_MAX + basic_max);
	if (rc == COUNTERSIGN_OK && status != 200)
		rc = judge_refusal(o, status, got);
	if (rc == COUNTERSIGN_OK && got == NULL)
		rc = COUNTERSIGN_PROVIDER_ERROR;
	if (rc != COUNTERSIGN_OK) {
		json_decref(got);
		return rc;
	}
	*answer = got;
	return COUNTERSIGN_OK;
}

/* RFC 9207 section 2.4. Of the answer that brought the code; a token names its issuer itself. */
static int
check_iss_parameter(const struct oidc *o, const struct countersign_identify *in)
{
	if (in->iss.len == 0)
		return o->metadata.iss_parameter ? COUNTERSIGN_BAD_ISSUER : COUNTERSIGN_OK;
	return view_is(in->iss, o->settings.issuer) ? COUNTERSIGN_OK : COUNTERSIGN_BAD_ISSUER;
}

static int
verify_text(struct oidc *o, const struct countersign_identify *in, size_t clients_count,
    struct countersign_view text, struct countersign_view access_token,
    struct countersign_identity *out)
{
	struct idtoken_expect expect = {
		.nonce = in->nonce,
		.clients = in->client_ids,
		.clients_count = clients_count,
		.now_s = in->call.now_ms / 1000,
	};
	struct idtoken t;
	int rc = idtoken_read(text, &t);

	if (rc != COUNTERSIGN_OK)
		return rc;
	rc = idtoken_verify(o, &t, &expect, out);
	if (rc == COUNTERSIGN_OK && access_token.data != NULL)
		rc = idtoken_check_at_hash(&t, access_token);
	idtoken_clear(&t);
	return rc;
}

static int
identify_by_code(struct oidc *o, const struct countersign_identify *in,
    struct countersign_identity *out)
{
	struct countersign_view token, access;
	const json_t *token_value, *access_value;
	json_t *answer = NULL;
	int rc;

	if (in->code.len > CODE_MAX || in->code_verifier.len < VERIFIER_MIN ||
	    in->code_verifier.len > VERIFIER_MAX || in->redirect_uri.len == 0)
		return COUNTERSIGN_BAD_CODE;
	if (!is_configured_client(o, in->client_ids[0]))
		return COUNTERSIGN_BAD_AUDIENCE;
	rc = discovery_need(o);
	if (rc == COUNTERSIGN_OK)
		rc = check_iss_parameter(o, in);
	if (rc == COUNTERSIGN_OK)
		rc = exchange(o, in, &answer);
	if (rc != COUNTERSIGN_OK)
		return rc;
	token_value = json_object_get(answer, "id_token");
	access_value = json_object_get(answer, "access_token");
	token = (struct countersign_view){json_string_value(token_value),
	    json_string_length(token_value)};
	access = (struct countersign_view){json_string_value(access_value),
	    json_string_length(access_value)};
	/* The client that sent the code is the only audience that its token may have. */
	rc = token.data == NULL ? COUNTERSIGN_PROVIDER_ERROR :
	    verify_text(o, in, 1, token, access, out);
	json_decref(answer);
	return rc;
}

int
flow_identify(struct oidc *o, const struct countersign_identify *in,
    struct countersign_identity *out)
{
	if ((in->id_token.len > 0) == (in->code.len > 0) || in->client_ids_count == 0 ||
	    in->client_ids_count > COUNTERSIGN_CLIENT_IDS_MAX)
		return COUNTERSIGN_INVALID;
	if (in->nonce.len == 0)
		return COUNTERSIGN_BAD_NONCE;
	if (in->code.len > 0)
		return identify_by_code(o, in, out);
	return verify_text(o, in, in->client_ids_count, in->id_token, countersign_view_of(NULL),
	    out);
}
