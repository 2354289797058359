/* SPDX-License-Identifier: Apache-2.0 */
/* Access tokens of one authorization server: which client was this one given to? See README.md. */
#include <stdio.h>
#include <stdlib.h>

#include "plugins/lib/client.h"
#include "plugins/lib/encoding.h"
#include "plugins/lib/jws.h"
#include "plugins/lib/keys.h"
#include "plugins/lib/provider.h"
#include "plugins/lib/settings.h"
#include "plugins/oauth2/oauth2.h"

static const struct countersign_config_key config[] = {
    {.name = "issuer", .type = COUNTERSIGN_CONFIG_URL, .flags = COUNTERSIGN_CONFIG_REQUIRED, .min = 9,
	.max = OIDC_TEXT_MAX, .help = "The authorization server, letter for letter as its tokens say it."},
    {.name = "audience", .type = COUNTERSIGN_CONFIG_STRING,
	.flags = COUNTERSIGN_CONFIG_REQUIRED | COUNTERSIGN_CONFIG_MANY, .min = 1, .max = OIDC_TEXT_MAX,
	.help = "What the authorization server calls this broker: a token must be made for it."},
    {.name = "jwks-uri", .type = COUNTERSIGN_CONFIG_URL, .max = OIDC_URL_MAX - 1, .min = 9,
	.help = "Where its keys are, for tokens that are JWTs (RFC 9068)."},
    {.name = "introspection-uri", .type = COUNTERSIGN_CONFIG_URL, .max = OIDC_URL_MAX - 1, .min = 9,
	.help = "Where it is asked about each token instead (RFC 7662)."},
    {.name = "client-id", .type = COUNTERSIGN_CONFIG_STRING, .min = 1, .max = OIDC_TEXT_MAX,
	.help = "This broker's own client id there, for introspection."},
    OIDC_KEYS_SECRET,
    {.name = "client-authentication", .type = COUNTERSIGN_CONFIG_WORD,
	.words = "client_secret_basic client_secret_post private_key_jwt tls_client_auth",
	.help = "How the broker proves itself for introspection; by default private_key_jwt where there is a "
		"client-key, else client_secret_basic."},
    OIDC_KEYS_PRIVATE_KEY,
    {.name = "token-type", .type = COUNTERSIGN_CONFIG_WORD, .words = "at+jwt jwt", .default_value = "at+jwt",
	.help = "What the header typ of a JWT says; jwt is for servers older than RFC 9068."},
    {.name = "binding", .type = COUNTERSIGN_CONFIG_WORD, .words = "required optional", .default_value = "required",
	.help = "Whether a token must be bound to a key or certificate that the service shows (RFC 8705, RFC 9449); "
		"optional also takes tokens that whoever finds them may use."},
    {.name = "require-scope", .type = COUNTERSIGN_CONFIG_STRING, .flags = COUNTERSIGN_CONFIG_MANY, .min = 1, .max = 128,
	.help = "A scope that must have been granted."},
    {.name = "algorithm", .type = COUNTERSIGN_CONFIG_WORD, .flags = COUNTERSIGN_CONFIG_MANY,
	.words = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA",
	.help = "An algorithm that tokens and proofs may be signed with; by default PS256, ES256 and EdDSA."},
    {.name = "clock-skew", .type = COUNTERSIGN_CONFIG_INT, .min = 0, .max = 60, .default_value = "10",
	.help = "Seconds that the clocks of server and services may be ahead."},
    {.name = "token-lifetime", .type = COUNTERSIGN_CONFIG_INT, .min = 1, .max = 604800, .default_value = "86400",
	.help = "Seconds from iat to exp at most; a token that lasts longer is refused."},
    {.name = "proof-age", .type = COUNTERSIGN_CONFIG_INT, .min = 1, .max = 60, .default_value = "60",
	.help = "Seconds since a DPoP proof was made, at most."},
    {.name = "cache", .type = COUNTERSIGN_CONFIG_INT, .min = 0, .max = 60, .default_value = "10",
	.help = "Seconds that an answer may stand for the same token; so long one that was taken back still serves."},
    OIDC_KEYS_FETCHING,
};

/* NULL, or what is wrong. */
static const char *
read_own(struct oidc *o, struct oauth2 *a)
{
	const struct countersign_host_v1 *h = o->host;
	struct countersign_view keys = h->config_text(h->context, "jwks-uri", 0);

	a->audiences_count = settings_many(h, "audience", a->audiences, OIDC_CONDITIONS_MAX);
	a->scopes_count = settings_many(h, "require-scope", a->scopes, OAUTH2_SCOPES_MAX);
	a->introspection = h->config_text(h->context, "introspection-uri", 0);
	a->plain_jwt = view_is_text(h->config_text(h->context, "token-type", 0), "jwt");
	a->bound = !view_is_text(h->config_text(h->context, "binding", 0), "optional");
	a->cache_ms = 1000 * h->config_int(h->context, "cache", 10);
	a->proof_age_s = h->config_int(h->context, "proof-age", 60);
	/* Those of struct oidc_settings are claims of an ID token, and nobody signs in here. */
	o->settings.scope = countersign_view_of(NULL);
	if (a->audiences_count > OIDC_CONDITIONS_MAX || a->scopes_count > OAUTH2_SCOPES_MAX)
		return "too many values: at most 8 of audience and of require-scope";
	if ((keys.len > 0) == (a->introspection.len > 0))
		return "give either jwks-uri, for tokens that are JWTs, or introspection-uri";
	if (a->introspection.len > 0 &&
	    (o->settings.clients_count != 1 || o->settings.authentication == OIDC_SECRET_NONE))
		return "introspection needs a client-id and a client-secret or client-key: without them anybody could ask";
	if (a->introspection.len == 0 && (o->settings.clients_count > 0 || o->settings.authentication != OIDC_SECRET_NONE))
		return "client-id, client-secret and client-key are for introspection: drop them, or give introspection-uri";
	if (keys.len >= sizeof(o->metadata.jwks_uri))
		return "jwks-uri is too long";
	if (keys.len > 0)
		memcpy(o->metadata.jwks_uri, keys.data, keys.len);
	o->metadata.fixed = true;
	return NULL;
}

static const char *
configure(struct oidc *o)
{
	o->settings.own = calloc(1, sizeof(struct oauth2));
	return o->settings.own == NULL ? "there is no memory left" : read_own(o, o->settings.own);
}

static void
release(struct oidc *o)
{
	free(o->settings.own);
	o->settings.own = NULL;
}

static int
plugin_init(const struct countersign_host_v1 *host, void **instance)
{
	static const struct oidc_kind kind = {
		.algorithms = 1U << OIDC_PS256 | 1U << OIDC_ES256 | 1U << OIDC_EDDSA,
		.configure = configure,
		.release = release,
	};

	return oidc_open(host, &kind, instance);
}

static int
read_jwt(struct oidc *o, const struct countersign_token *in, json_t **claims)
{
	struct jws t;
	int rc = jws_read(in->token, &t);

	/* What is no JWT may still be the token of a server that is asked about its tokens. */
	if (rc != COUNTERSIGN_OK)
		return rc == COUNTERSIGN_BAD_TOKEN ? COUNTERSIGN_BAD_ISSUER : rc;
	/* Another server's token is its own block's to judge, and no key is fetched for it. */
	if (!view_is(json_member_text(t.claims, "iss"), o->settings.issuer))
		rc = COUNTERSIGN_BAD_ISSUER;
	else if (oauth2_of(o)->plain_jwt)
		rc = jws_check_header(&o->settings, &t, "JWT", true);
	else
		rc = jws_check_header(&o->settings, &t, "at+jwt", false);
	if (rc == COUNTERSIGN_OK)
		rc = jws_verify(o, &t, NULL);
	if (rc == COUNTERSIGN_OK)
		*claims = json_incref(t.claims);
	jws_clear(&t);
	return rc;
}

/* A JWT that names another issuer is not shown to this one; of anything else it alone can tell. */
static bool
is_of_another(const struct oidc *o, struct countersign_view token)
{
	struct countersign_view iss;
	bool other = false;
	struct jws t;

	if (jws_read(token, &t) != COUNTERSIGN_OK)
		return false;
	iss = json_member_text(t.claims, "iss");
	other = iss.len > 0 && !view_is(iss, o->settings.issuer);
	jws_clear(&t);
	return other;
}

static int
introspect(struct oidc *o, const struct countersign_token *in, json_t **claims)
{
	char url[OIDC_URL_MAX];
	struct countersign_view at = oauth2_of(o)->introspection;
	struct countersign_buffer form;
	json_t *answer = NULL;
	int status = 0, rc = COUNTERSIGN_OK;

	if (is_of_another(o, in->token))
		return COUNTERSIGN_BAD_ISSUER;
	snprintf(url, sizeof(url), "%.*s", (int)at.len, at.data);
	rc = client_form(o, &form);
	if (rc != COUNTERSIGN_OK)
		return rc;
	put_pair(&form, &rc, 0, "token", in->token);
	put_pair(&form, &rc, 0, "token_type_hint", countersign_view_of("access_token"));
	if (rc == COUNTERSIGN_OK)
		rc = client_post(o, url, o->settings.clients[0], in->call.now_ms, &form, &status, &answer);
	if (rc == COUNTERSIGN_OK && (status != 200 || answer == NULL)) {
		web_log(o->host, COUNTERSIGN_LOG_WARN, "introspection failed: is the client right?", countersign_view_of(NULL));
		rc = status >= 500 || status == 429 ? COUNTERSIGN_UNREACHABLE : COUNTERSIGN_PROVIDER_ERROR;
	}
	/* RFC 7662 section 2.2: why is not said. Nothing but true is true. */
	if (rc == COUNTERSIGN_OK && !json_is_true(json_object_get(answer, "active")))
		rc = COUNTERSIGN_REVOKED;
	if (rc == COUNTERSIGN_OK)
		*claims = json_incref(answer);
	json_decref(answer);
	return rc;
}

static int
answer_put(const struct oidc *o, const struct countersign_token *in, const struct grant *g,
    struct countersign_token_answer *out)
{
	int rc = countersign_put(&out->request, in->call.request.data, in->call.request.len);

	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->issuer, o->settings.issuer.data, o->settings.issuer.len);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&out->client, g->client.data, g->client.len);
	out->expires_at_ms = g->expires_s * 1000;
	out->cache_until_ms = in->call.now_ms + oauth2_of(o)->cache_ms;
	if (out->cache_until_ms > out->expires_at_ms)
		out->cache_until_ms = out->expires_at_ms;
	return rc;
}

static int
token_check(void *instance, const struct countersign_token *in, struct countersign_token_answer *out)
{
	struct oidc *o = instance;
	const bool asked = oauth2_of(o)->introspection.len > 0, dpop = in->proof.len > 0;
	char thumbprint[OAUTH2_DIGEST_TEXT + 1] = "";
	struct grant g = {0};
	json_t *claims = NULL;
	int rc;

	if (view_is_text(in->scheme, "DPoP") != dpop)
		return COUNTERSIGN_BAD_BINDING;
	rc = asked ? introspect(o, in, &claims) : read_jwt(o, in, &claims);
	if (rc == COUNTERSIGN_OK)
		rc = grant_read(o, claims, in->call.now_ms / 1000, asked, &g);
	if (rc == COUNTERSIGN_OK && dpop)
		rc = proof_check(o, in, thumbprint, out);
	if (rc == COUNTERSIGN_OK)
		rc = grant_check_binding(o, &g, in, countersign_view_of(dpop ? thumbprint : NULL));
	if (rc == COUNTERSIGN_OK)
		rc = answer_put(o, in, &g, out);
	json_decref(claims);
	return rc;
}

/* RFC 7638 section 3.1. */
static int
plugin_self_test(const struct countersign_host_v1 *host)
{
	static const char jwk[] = "{\"kty\":\"RSA\",\"n\":\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7"
	    "aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2"
	    "QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3"
	    "XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw\",\"e\":\"AQAB\",\"alg\":\"RS256\",\"kid\":\"2011-04-29\"}";
	char thumbprint[OAUTH2_DIGEST_TEXT + 1];
	json_t *key = json_read_object(jwk, sizeof(jwk) - 1);
	bool good = key != NULL && proof_thumbprint(key, thumbprint) &&
	    strcmp(thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs") == 0;

	json_decref(key);
	return good ? oidc_self_test(host) : COUNTERSIGN_INTERNAL;
}

static int
plugin_profile(void *instance, struct countersign_profile *profile)
{
	(void)instance;
	profile->assurance = 0;
	profile->controls = NULL;
	return COUNTERSIGN_OK;
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_token_v1 token = {.size = sizeof(token), .check = token_check};
	static const struct countersign_plugin_v1 plugin = {
		.size = sizeof(plugin),
		.abi = COUNTERSIGN_PLUGIN_ABI,
		.kinds = COUNTERSIGN_KIND_TOKEN,
		.flags = COUNTERSIGN_USES_HTTP,
		.config_count = sizeof(config) / sizeof(config[0]),
		.config_key_size = sizeof(config[0]),
		.config = config,
		.name = "oauth2",
		.version = "1",
		.help = "Access tokens of an OAuth authorization server, for services that come through HTTPS.",
		.self_test = plugin_self_test,
		.init = plugin_init,
		.fini = oidc_fini,
		.profile = plugin_profile,
		.token = &token,
	};

	return &plugin;
}
