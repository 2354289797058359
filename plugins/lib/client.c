/* SPDX-License-Identifier: Apache-2.0 */
/* How the client proves itself to the provider. */
#include <openssl/crypto.h>

#include "plugins/lib/client.h"
#include "plugins/lib/encoding.h"
#include "plugins/lib/signing.h"

enum {
	BASIC_MAX = 4 * (OIDC_SECRET_MAX + OIDC_TEXT_MAX) + 16,
	JTI_BYTES = 16,
	ASSERTION_LIFETIME_S = 60, /* it is made for this one request */
};

int
client_form(struct oidc *o, struct countersign_buffer *form)
{
	char *memory = o->host->scratch(o->host->context, CLIENT_FORM_MAX);

	if (memory == NULL)
		return COUNTERSIGN_INTERNAL;
	*form = (struct countersign_buffer){memory, CLIENT_FORM_MAX, 0};
	return COUNTERSIGN_OK;
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

static json_t *
assertion_header(const struct oidc *o)
{
	json_t *header = json_pack("{ss}", "typ", "JWT");

	if (header != NULL && o->client_kid.len > 0)
		json_object_set_new(header, "kid", json_stringn(o->client_kid.data, o->client_kid.len));
	if (header != NULL && o->client_thumbprint.len > 0)
		json_object_set_new(header, "x5t#S256",
		    json_stringn(o->client_thumbprint.data, o->client_thumbprint.len));
	return header;
}

/* RFC 7523 section 3. The audience is the issuer: an endpoint could belong to another server. */
static json_t *
assertion_claims(const struct oidc *o, struct countersign_view client, const char *url, int64_t now_s)
{
	struct countersign_view audience = o->assertion_for_endpoint ? countersign_view_of(url) :
	    o->settings.issuer;
	char bytes[JTI_BYTES], memory[2 * JTI_BYTES];
	struct countersign_buffer jti = {memory, sizeof(memory), 0};
	int rc = COUNTERSIGN_OK;

	o->host->random(o->host->context, bytes, sizeof(bytes));
	put_base64url(&jti, &rc, (struct countersign_view){bytes, sizeof(bytes)});
	return json_pack("{ss% ss% ss% ss% sI sI}", "iss", client.data, client.len, "sub", client.data,
	    client.len, "aud", audience.data, audience.len, "jti", jti.data, jti.len, "iat", (json_int_t)now_s,
	    "exp", (json_int_t)now_s + ASSERTION_LIFETIME_S);
}

static int
put_assertion(const struct oidc *o, struct countersign_view client, const char *url, int64_t now_s,
    struct countersign_buffer *form)
{
	char memory[SIGNING_JWT_MAX];
	struct countersign_buffer jwt = {memory, sizeof(memory), 0};
	json_t *header = assertion_header(o), *claims = assertion_claims(o, client, url, now_s);
	int rc = header == NULL || claims == NULL ? COUNTERSIGN_INTERNAL :
	    signing_put_jwt(o->client_key, o->client_algorithm, header, claims, &jwt);

	json_decref(header);
	json_decref(claims);
	put_pair(form, &rc, 0, "client_assertion_type",
	    countersign_view_of("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
	put_pair(form, &rc, 0, "client_assertion", (struct countersign_view){jwt.data, jwt.len});
	OPENSSL_cleanse(memory, sizeof(memory));
	return rc;
}

static int
put_secret(struct oidc *o, struct countersign_view client, int64_t now_ms, struct countersign_buffer *form)
{
	const struct oidc_kind *kind = o->settings.kind;
	char memory[SIGNING_JWT_MAX];
	struct countersign_buffer secret = {o->secret, sizeof(o->secret), o->secret_len};
	int rc = COUNTERSIGN_OK;

	if (kind != NULL && kind->put_secret != NULL) {
		secret = (struct countersign_buffer){memory, sizeof(memory), 0};
		rc = kind->put_secret(o, client, now_ms, &secret);
	}
	put_pair(form, &rc, 0, "client_secret", (struct countersign_view){secret.data, secret.len});
	OPENSSL_cleanse(memory, sizeof(memory));
	return rc;
}

/* What goes into the form; the rest is in the request's headers. */
static int
put_proof(struct oidc *o, const char *url, struct countersign_view client, int64_t now_ms,
    struct countersign_buffer *form)
{
	enum oidc_client_authentication how = o->settings.authentication;
	int rc = COUNTERSIGN_OK;

	if (how != OIDC_SECRET_BASIC)
		put_pair(form, &rc, 0, "client_id", client);
	if (rc == COUNTERSIGN_OK && how == OIDC_SECRET_POST)
		rc = put_secret(o, client, now_ms, form);
	if (rc == COUNTERSIGN_OK && how == OIDC_PRIVATE_KEY_JWT)
		rc = put_assertion(o, client, url, now_ms / 1000, form);
	return rc;
}

int
client_post(struct oidc *o, const char *url, struct countersign_view client, int64_t now_ms,
    struct countersign_buffer *form, int *status, json_t **json)
{
	struct countersign_http_request request = {.url = countersign_view_of(url)};
	char memory[BASIC_MAX];
	struct countersign_buffer basic = {memory, sizeof(memory), 0};
	int rc = put_proof(o, url, client, now_ms, form);

	if (rc == COUNTERSIGN_OK && o->settings.authentication == OIDC_SECRET_BASIC)
		rc = put_basic(o, client, &basic);
	request.body = (struct countersign_view){form->data, form->len};
	request.authorization = (struct countersign_view){basic.len > 0 ? basic.data : NULL, basic.len};
	request.shows_certificate = o->settings.authentication == OIDC_TLS;
	if (rc == COUNTERSIGN_OK)
		rc = oidc_send(o, &request, status, json);
	OPENSSL_cleanse(memory, sizeof(memory));
	OPENSSL_cleanse(form->data, form->cap);
	form->len = 0;
	return rc;
}

int
client_judge_refusal(const struct oidc *o, int status, const json_t *answer)
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
