/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How we show who we are at a stream's management: a bearer token that is given; one that is fetched with our credentials
 * (RFC 6749 section 4.4, as CAEP Interoperability Profile 1.0 wants it); Google's, which we sign ourselves.
 */
#include <openssl/crypto.h>

#include "plugins/lib/encoding.h"
#include "plugins/lib/google_stream.h"
#include "plugins/lib/signals.h"

enum {
	TOKEN_EARLY_MS = 30 * 1000,  /* a token that ends while it is shown is no use */
	TOKEN_LIFETIME_S = 300,      /* where the answer names none */
	FORM_MAX = 2048,
	BASIC_MAX = 2 * OIDC_SECRET_MAX + OIDC_TEXT_MAX + 16,
};

/* Header Authorization: Basic, with both parts escaped first (RFC 6749 section 2.3.1). */
static int
put_basic(struct signals *s, struct countersign_buffer *to)
{
	const struct countersign_host_v1 *h = s->source.host;
	char secret[OIDC_SECRET_MAX], pair[BASIC_MAX];
	struct countersign_buffer given = {secret, sizeof(secret), 0}, b = {pair, sizeof(pair), 0};
	int rc = h->config_secret(h->context, "stream-client-secret", &given);

	if (rc == COUNTERSIGN_OK)
		put_escaped(&b, &rc, h->config_text(h->context, "stream-client-id", 0));
	put_text(&b, &rc, ":");
	put_escaped(&b, &rc, (struct countersign_view){given.data, given.len});
	put_text(to, &rc, "Basic ");
	put_base64(to, &rc, (struct countersign_view){b.data, b.len});
	OPENSSL_cleanse(secret, sizeof(secret));
	OPENSSL_cleanse(pair, sizeof(pair));
	return rc;
}

static int
take_token(struct signals *s, int status, const json_t *answer, int64_t now_ms)
{
	struct countersign_view token = json_member_text(answer, "access_token");
	json_int_t lifetime_s = json_integer_value(json_object_get(answer, "expires_in"));

	if (status != 200 || token.len == 0 || token.len > sizeof(s->token)) {
		oidc_log(&s->source, COUNTERSIGN_LOG_WARN, "stream-token-endpoint gives no access token:",
		    json_member_text(answer, "error"));
		return status >= 500 ? COUNTERSIGN_UNREACHABLE : COUNTERSIGN_PROVIDER_ERROR;
	}
	if (lifetime_s <= 0 || lifetime_s > 86400)
		lifetime_s = TOKEN_LIFETIME_S;
	memcpy(s->token, token.data, token.len);
	s->token_len = token.len;
	s->token_fetched = true;
	s->token_until_ms = now_ms + lifetime_s * 1000;
	return COUNTERSIGN_OK;
}

static int
fetch_token(struct signals *s, struct countersign_view endpoint, int64_t now_ms)
{
	const struct countersign_host_v1 *h = s->source.host;
	char form[FORM_MAX], basic[2 * BASIC_MAX];
	struct countersign_buffer b = {form, sizeof(form), 0}, a = {basic, sizeof(basic), 0};
	struct countersign_http_request request = {.url = endpoint};
	json_t *answer = NULL;
	int status = 0, rc = put_basic(s, &a);

	put_pair(&b, &rc, 0, "grant_type", countersign_view_of("client_credentials"));
	put_pair(&b, &rc, 0, "scope", h->config_text(h->context, "stream-scope", 0));
	request.authorization = (struct countersign_view){a.data, a.len};
	request.body = (struct countersign_view){b.data, b.len};
	if (rc == COUNTERSIGN_OK)
		rc = web_fetch(h, &request, &status, &answer);
	OPENSSL_cleanse(basic, sizeof(basic));
	if (rc == COUNTERSIGN_OK)
		rc = take_token(s, status, answer, now_ms);
	json_decref(answer);
	return rc == COUNTERSIGN_INVALID ? COUNTERSIGN_PROVIDER_ERROR : rc;
}

int
signals_authorization(struct signals *s, int64_t now_ms, struct countersign_buffer *to)
{
	struct countersign_view endpoint = s->source.host->config_text(s->source.host->context, "stream-token-endpoint", 0);
	int rc = COUNTERSIGN_OK;

	if (s->format == SET_GOOGLE)
		return google_stream_authorization(s, now_ms, to);
	if (endpoint.len > 0 && (s->token_len == 0 || s->token_until_ms - TOKEN_EARLY_MS < now_ms))
		rc = fetch_token(s, endpoint, now_ms);
	if (rc != COUNTERSIGN_OK || s->token_len == 0)
		return rc;
	put_text(to, &rc, "Bearer ");
	put_view(to, &rc, (struct countersign_view){s->token, s->token_len});
	return rc;
}
