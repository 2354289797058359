/* SPDX-License-Identifier: Apache-2.0 */
/* The authorization code flow. */
#include <stdio.h>

#include "plugins/lib/client.h"
#include "plugins/lib/discovery.h"
#include "plugins/lib/encoding.h"
#include "plugins/lib/flow.h"
#include "plugins/lib/idtoken.h"

enum {
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

/* All members of the request, as a query or a form; client may be absent, where the proof has it. */
static void
put_request(const struct oidc_settings *s, const struct countersign_authorize *in,
    struct countersign_view client, struct countersign_buffer *to, int *rc, size_t from)
{
	char max_age[24];

	put_pair(to, rc, from, "response_type", countersign_view_of("code"));
	if (client.data != NULL)
		put_pair(to, rc, from, "client_id", client);
	put_pair(to, rc, from, "redirect_uri", in->redirect_uri);
	put_pair(to, rc, from, "scope", s->scope);
	put_pair(to, rc, from, "state", in->state);
	put_pair(to, rc, from, "nonce", in->nonce);
	put_pair(to, rc, from, "code_challenge", in->code_challenge);
	put_pair(to, rc, from, "code_challenge_method", countersign_view_of("S256"));
	if (s->response_mode.len > 0)
		put_pair(to, rc, from, "response_mode", s->response_mode);
	if (s->prompt.len > 0)
		put_pair(to, rc, from, "prompt", s->prompt);
	snprintf(max_age, sizeof(max_age), "%lld", (long long)s->max_age_s);
	if (s->max_age_s > 0)
		put_pair(to, rc, from, "max_age", countersign_view_of(max_age));
	if (s->acr_count > 0)
		put_words(to, rc, from, "acr_values", s->acr, s->acr_count);
	if (s->kind != NULL && s->kind->put_request != NULL)
		s->kind->put_request(s, to, rc, from);
}

/* RFC 8705 section 5: who shows a certificate goes where one is asked for. */
static const char *
endpoint_of(const struct oidc *o, const char *usual, const char *tls)
{
	return o->settings.authentication == OIDC_TLS && tls[0] != '\0' ? tls : usual;
}

/* RFC 9126 section 2: the request goes to the provider itself, and the browser carries its name alone. */
static int
push_request(struct oidc *o, const struct countersign_authorize *in, struct countersign_buffer *url, size_t from)
{
	struct countersign_view client = o->settings.authentication == OIDC_SECRET_BASIC ? in->client_id :
	    countersign_view_of(NULL);
	const char *to = endpoint_of(o, o->metadata.par_endpoint, o->metadata.tls_par_endpoint);
	struct countersign_view name;
	struct countersign_buffer form;
	json_t *got = NULL;
	int status = 0, rc = client_form(o, &form);

	if (rc == COUNTERSIGN_OK)
		put_request(&o->settings, in, client, &form, &rc, 0);
	/* No time comes with this call: nothing is judged by it. */
	if (rc == COUNTERSIGN_OK)
		rc = client_post(o, to, in->client_id, o->host->wall_ms(o->host->context), &form, &status, &got);
	name = json_member_text(got, "request_uri");
	if (rc == COUNTERSIGN_OK && status != 201 && status != 200)
		rc = client_judge_refusal(o, status, got);
	else if (rc == COUNTERSIGN_OK && name.len == 0)
		rc = COUNTERSIGN_PROVIDER_ERROR;
	put_pair(url, &rc, from, "client_id", in->client_id);
	put_pair(url, &rc, from, "request_uri", name);
	json_decref(got);
	return rc;
}

/* Whether to push; *problem: it must be done and cannot be, or the reverse. */
static bool
must_push(const struct oidc *o, bool *problem)
{
	bool offered = o->metadata.par_endpoint[0] != '\0';

	*problem = (o->settings.par == OIDC_PAR_ALWAYS && !offered) ||
	    (o->settings.par == OIDC_PAR_NEVER && o->metadata.par_required);
	return offered && o->settings.par != OIDC_PAR_NEVER;
}

int
flow_authorization_url(struct oidc *o, const struct countersign_authorize *in,
    struct countersign_authorize_answer *out)
{
	struct countersign_buffer *url = &out->url;
	bool problem, push;
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
	push = must_push(o, &problem);
	if (problem) {
		oidc_log(o, COUNTERSIGN_LOG_WARN, "the key pushed-request and the provider's metadata contradict each "
		    "other about pushed authorization requests", countersign_view_of(NULL));
		return COUNTERSIGN_PROVIDER_ERROR;
	}
	url->len = 0;
	put_text(url, &rc, o->metadata.authorization_endpoint);
	put_text(url, &rc, strchr(o->metadata.authorization_endpoint, '?') == NULL ? "?" : "&");
	from = url->len;
	if (push)
		rc = rc != COUNTERSIGN_OK ? rc : push_request(o, in, url, from);
	else
		put_request(&o->settings, in, in->client_id, url, &rc, from);
	return rc;
}

static int
put_form(const struct countersign_identify *in, struct countersign_buffer *to)
{
	int rc = COUNTERSIGN_OK;

	put_pair(to, &rc, 0, "grant_type", countersign_view_of("authorization_code"));
	put_pair(to, &rc, 0, "code", in->code);
	if (in->code_verifier.len > 0) {
		put_pair(to, &rc, 0, "redirect_uri", in->redirect_uri);
		put_pair(to, &rc, 0, "code_verifier", in->code_verifier);
	}
	return rc;
}

/* On success *answer is the token endpoint's object. */
static int
exchange(struct oidc *o, const struct countersign_identify *in, json_t **answer)
{
	const char *url = endpoint_of(o, o->metadata.token_endpoint, o->metadata.tls_token_endpoint);
	struct countersign_buffer form;
	json_t *got = NULL;
	int status = 0, rc = client_form(o, &form);

	if (rc == COUNTERSIGN_OK)
		rc = put_form(in, &form);
	if (rc == COUNTERSIGN_OK)
		rc = client_post(o, url, in->client_ids[0], in->call.now_ms, &form, &status, &got);
	if (rc == COUNTERSIGN_OK && status != 200)
		rc = client_judge_refusal(o, status, got);
	if (rc == COUNTERSIGN_OK && got == NULL)
		rc = COUNTERSIGN_PROVIDER_ERROR;
	if (rc != COUNTERSIGN_OK) {
		json_decref(got);
		return rc;
	}
	*answer = got;
	return COUNTERSIGN_OK;
}

/*
 * RFC 9207 section 2.4. Of the answer that brought the code; a token names its issuer itself. Where the issuer is known
 * from the token alone (Microsoft's), the two are compared afterwards.
 */
static int
check_iss_parameter(const struct oidc *o, const struct countersign_identify *in)
{
	const struct oidc_kind *kind = o->settings.kind;

	if (in->iss.len == 0)
		return o->metadata.iss_parameter ? COUNTERSIGN_BAD_ISSUER : COUNTERSIGN_OK;
	if (kind != NULL && kind->check_issuer != NULL)
		return COUNTERSIGN_OK;
	return view_is(in->iss, o->settings.issuer) ? COUNTERSIGN_OK : COUNTERSIGN_BAD_ISSUER;
}

static bool
iss_fits_token(const struct oidc *o, const struct countersign_identify *in, const struct jws *t)
{
	const struct oidc_kind *kind = o->settings.kind;

	return in->iss.len == 0 || kind == NULL || kind->check_issuer == NULL ||
	    view_is(in->iss, json_member_text(t->claims, "iss"));
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
	struct jws t;
	int rc = jws_read(text, &t);

	if (rc != COUNTERSIGN_OK)
		return rc;
	rc = idtoken_verify(o, &t, &expect, out);
	if (rc == COUNTERSIGN_OK && !iss_fits_token(o, in, &t))
		rc = COUNTERSIGN_BAD_ISSUER;
	if (rc == COUNTERSIGN_OK && access_token.data != NULL)
		rc = idtoken_check_at_hash(&t, access_token);
	jws_clear(&t);
	return rc;
}

/*
 * A browser's code is bound by the verifier. An app's own is not, as we had no part in asking for it: the client must
 * prove itself then, and the nonce in the token binds it to this sign-in (RFC 9700 section 4.5.3).
 */
static bool
is_bound(const struct oidc *o, const struct countersign_identify *in)
{
	if (in->code_verifier.len == 0 && in->redirect_uri.len == 0)
		return o->settings.authentication != OIDC_SECRET_NONE;
	return in->code_verifier.len >= VERIFIER_MIN && in->code_verifier.len <= VERIFIER_MAX &&
	    in->redirect_uri.len > 0;
}

static int
identify_by_code(struct oidc *o, const struct countersign_identify *in,
    struct countersign_identity *out)
{
	struct countersign_view token, access;
	const json_t *token_value, *access_value;
	json_t *answer = NULL;
	int rc;

	if (in->code.len > CODE_MAX || !is_bound(o, in))
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
