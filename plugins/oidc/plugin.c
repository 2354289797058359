/* SPDX-License-Identifier: Apache-2.0 */
/* The provider `oidc`: any OpenID Provider with discovery. See README.md. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#include "plugins/oidc/encoding.h"
#include "plugins/oidc/flow.h"
#include "plugins/oidc/jwks.h"
#include "plugins/oidc/oidc.h"
#include "plugins/oidc/signature.h"

static const struct countersign_config_key config[] = {
    {.name = "issuer",
	.type = COUNTERSIGN_CONFIG_URL,
	.flags = COUNTERSIGN_CONFIG_REQUIRED,
	.min = 9,
	.max = OIDC_TEXT_MAX,
	.help = "The issuer, letter for letter as its discovery document and tokens say it."},
    {.name = "issuer-alias",
	.type = COUNTERSIGN_CONFIG_STRING,
	.flags = COUNTERSIGN_CONFIG_MANY,
	.min = 1,
	.max = OIDC_TEXT_MAX,
	.help = "Another spelling of the issuer in tokens (Google has two)."},
    {.name = "client-id",
	.type = COUNTERSIGN_CONFIG_STRING,
	.flags = COUNTERSIGN_CONFIG_REQUIRED | COUNTERSIGN_CONFIG_MANY,
	.min = 1,
	.max = OIDC_TEXT_MAX,
	.help = "A client id that may begin the code flow."},
    {.name = "client-secret",
	.type = COUNTERSIGN_CONFIG_SECRET,
	.min = 1,
	.max = OIDC_SECRET_MAX,
	.help = "The client's secret at the token endpoint."},
    {.name = "client-authentication",
	.type = COUNTERSIGN_CONFIG_WORD,
	.words = "client_secret_basic client_secret_post none",
	.help = "How the client shows its secret; by default client_secret_basic where there is "
		"a secret, else none."},
    {.name = "scope",
	.type = COUNTERSIGN_CONFIG_STRING,
	.min = 6,
	.max = 255,
	.default_value = "openid",
	.help = "What is asked for; must contain openid."},
    {.name = "algorithm",
	.type = COUNTERSIGN_CONFIG_WORD,
	.flags = COUNTERSIGN_CONFIG_MANY,
	.words = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA",
	.help = "An algorithm that ID tokens may be signed with; by default RS256 and ES256."},
    {.name = "clock-skew",
	.type = COUNTERSIGN_CONFIG_INT,
	.min = 0,
	.max = 300,
	.default_value = "10",
	.help = "Seconds that the provider's clock may be off."},
    {.name = "token-lifetime",
	.type = COUNTERSIGN_CONFIG_INT,
	.min = 1,
	.max = 604800,
	.default_value = "86400",
	.help = "Seconds from iat to exp at most; a token that lasts longer is refused."},
    {.name = "token-age",
	.type = COUNTERSIGN_CONFIG_INT,
	.min = 1,
	.max = 86400,
	.default_value = "600",
	.help = "Seconds since iat at most; a sign-in is fresh."},
    {.name = "max-age",
	.type = COUNTERSIGN_CONFIG_INT,
	.min = 0,
	.max = 2592000,
	.default_value = "0",
	.help = "Asks for a sign-in at most so many seconds old and checks auth_time; 0: not."},
    {.name = "prompt",
	.type = COUNTERSIGN_CONFIG_WORD,
	.words = "login consent select_account",
	.help = "What the provider should show."},
    {.name = "response-mode",
	.type = COUNTERSIGN_CONFIG_WORD,
	.words = "query form_post",
	.help = "How the code comes back, where the provider needs to be told."},
    {.name = "display-claim",
	.type = COUNTERSIGN_CONFIG_WORD,
	.words = "none email name preferred_username phone_number",
	.default_value = "email",
	.help = "The claim by which people are shown which ID it was; proves nothing."},
    {.name = "keys-max-age",
	.type = COUNTERSIGN_CONFIG_INT,
	.min = 60,
	.max = 86400,
	.default_value = "3600",
	.help = "Seconds that fetched keys are used; they are fetched again at half of it."},
    {.name = "keys-min-interval",
	.type = COUNTERSIGN_CONFIG_INT,
	.min = 1,
	.max = 3600,
	.default_value = "60",
	.help = "Seconds between two fetches of keys, after a burst of four."},
    {.name = "honours-max-age",
	.type = COUNTERSIGN_CONFIG_BOOL,
	.default_value = "no",
	.help = "Whether the provider signs people in anew when max_age says so."},
};

void
oidc_log(const struct oidc *o, int level, const char *text, struct countersign_view detail)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "%s%s%.*s", text, detail.data == NULL ? "" : " ",
	    detail.len < 128 ? (int)detail.len : 128, detail.data == NULL ? "" : detail.data);

	o->host->log(o->host->context, level, (struct countersign_view){line,
	    n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1});
}

int
oidc_fetch(struct oidc *o, const char *url, struct countersign_view body,
    struct countersign_view authorization, int *status, json_t **json)
{
	struct countersign_http_request request = {
		.size = sizeof(request),
		.url = countersign_view_of(url),
		.accept = countersign_view_of("application/json"),
		.authorization = authorization,
		.body = body,
	};
	struct countersign_http_response response = {.size = sizeof(response)};
	int rc;

	response.body.data = o->host->scratch(o->host->context, OIDC_DOCUMENT_MAX);
	response.body.cap = OIDC_DOCUMENT_MAX;
	if (response.body.data == NULL)
		return COUNTERSIGN_INTERNAL;
	if (body.data != NULL)
		request.content_type = countersign_view_of("application/x-www-form-urlencoded");
	rc = o->host->http(o->host->context, &request, &response);
	/* Metadata that leads astray is not kept: the next call reads it again. */
	if (rc == COUNTERSIGN_INVALID) {
		o->metadata.known = false;
		oidc_log(o, COUNTERSIGN_LOG_WARN, "the provider names an address that is not "
		    "allowed; write it as allow-url if it is right:", request.url);
	}
	if (rc == COUNTERSIGN_INVALID || rc == COUNTERSIGN_FULL)
		return COUNTERSIGN_PROVIDER_ERROR;
	if (rc != COUNTERSIGN_OK)
		return rc;
	*json = json_read_object(response.body.data, response.body.len);
	*status = response.status;
	OPENSSL_cleanse(response.body.data, response.body.len);
	return COUNTERSIGN_OK;
}

static int
oidc_self_test(const struct countersign_host_v1 *host)
{
	struct signature *s = signature_open();
	int rc = s == NULL ? COUNTERSIGN_INTERNAL : signature_self_test(s);

	(void)host;
	signature_close(s);
	return rc;
}

/* Views of all values of a key that may be given several times. */
static size_t
read_many(const struct countersign_host_v1 *h, const char *name, struct countersign_view *to,
    size_t max)
{
	size_t n = h->config_count(h->context, name);

	for (size_t i = 0; i < n && i < max; i++)
		to[i] = h->config_text(h->context, name, i);
	return n;
}

static bool
has_word(struct countersign_view text, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= text.len; i++)
		if (memcmp(text.data + i, word, len) == 0 && (i == 0 || text.data[i - 1] == ' ') &&
		    (i + len == text.len || text.data[i + len] == ' '))
			return true;
	return false;
}

static int
read_algorithms(struct oidc *o)
{
	struct countersign_view names[OIDC_ALGORITHM_COUNT];
	size_t n = read_many(o->host, "algorithm", names, OIDC_ALGORITHM_COUNT);

	if (n > OIDC_ALGORITHM_COUNT)
		return COUNTERSIGN_INVALID;
	for (size_t i = 0; i < n; i++) {
		enum oidc_algorithm a = signature_algorithm_of(names[i]);

		if (a == OIDC_ALGORITHM_COUNT)
			return COUNTERSIGN_INVALID;
		o->settings.algorithms |= 1U << a;
	}
	if (n == 0)
		o->settings.algorithms = 1U << OIDC_RS256 | 1U << OIDC_ES256;
	return COUNTERSIGN_OK;
}

/* The secret and how it is shown must agree. NULL, or a sentence. */
static const char *
read_authentication(struct oidc *o)
{
	const struct countersign_host_v1 *h = o->host;
	struct countersign_view how = h->config_text(h->context, "client-authentication", 0);
	struct countersign_buffer to = {o->secret, sizeof(o->secret), 0};
	bool secret = h->config_secret(h->context, "client-secret", &to) == COUNTERSIGN_OK;

	o->secret_len = to.len;
	if (how.data == NULL)
		o->settings.authentication = secret ? OIDC_SECRET_BASIC : OIDC_SECRET_NONE;
	else if (view_is_text(how, "none"))
		o->settings.authentication = OIDC_SECRET_NONE;
	else
		o->settings.authentication = view_is_text(how, "client_secret_post") ?
		    OIDC_SECRET_POST : OIDC_SECRET_BASIC;
	if (o->settings.authentication != OIDC_SECRET_NONE && !secret)
		return "client-authentication needs a client-secret: give its file, or write none";
	if (o->settings.authentication == OIDC_SECRET_NONE && secret)
		return "client-secret is given, but client-authentication is none: drop one of "
		       "them";
	return NULL;
}

/* NULL, or a sentence that says what is wrong. */
static const char *
read_settings(struct oidc *o)
{
	const struct countersign_host_v1 *h = o->host;
	struct oidc_settings *s = &o->settings;

	s->issuer = h->config_text(h->context, "issuer", 0);
	s->aliases_count = read_many(h, "issuer-alias", s->aliases, OIDC_ALIASES_MAX);
	s->clients_count = read_many(h, "client-id", s->clients, OIDC_CLIENTS_MAX);
	s->scope = h->config_text(h->context, "scope", 0);
	s->prompt = h->config_text(h->context, "prompt", 0);
	s->response_mode = h->config_text(h->context, "response-mode", 0);
	s->display_claim = h->config_text(h->context, "display-claim", 0);
	s->skew_s = h->config_int(h->context, "clock-skew", 10);
	s->lifetime_max_s = h->config_int(h->context, "token-lifetime", 86400);
	s->age_max_s = h->config_int(h->context, "token-age", 600);
	s->max_age_s = h->config_int(h->context, "max-age", 0);
	s->keys_max_age_ms = 1000 * h->config_int(h->context, "keys-max-age", 3600);
	s->keys_min_interval_ms = 1000 * h->config_int(h->context, "keys-min-interval", 60);
	if (s->issuer.len == 0)
		return "issuer is missing";
	if (memchr(s->issuer.data, '?', s->issuer.len) != NULL)
		return "issuer has a query: write it as the discovery document does";
	if (s->aliases_count > OIDC_ALIASES_MAX || s->clients_count > OIDC_CLIENTS_MAX)
		return "too many values: at most 4 of issuer-alias and 8 of client-id";
	if (!has_word(s->scope, "openid"))
		return "scope must contain openid";
	if (read_algorithms(o) != COUNTERSIGN_OK)
		return "algorithm names an unknown algorithm, or one twice";
	return read_authentication(o);
}

static void
oidc_fini(void *instance)
{
	struct oidc *o = instance;

	jwks_free(o->signature, o->keys);
	signature_close(o->signature);
	OPENSSL_cleanse(o, sizeof(*o));
	free(o);
}

static int
oidc_init(const struct countersign_host_v1 *host, void **instance)
{
	struct oidc *o = calloc(1, sizeof(*o));
	const char *problem;

	if (o == NULL)
		return COUNTERSIGN_INTERNAL;
	o->host = host;
	problem = read_settings(o);
	if (problem == NULL) {
		o->signature = signature_open();
		if (o->signature == NULL)
			problem = "liboauth2 does not start: is /dev/shm there?";
	}
	if (problem != NULL) {
		oidc_log(o, COUNTERSIGN_LOG_ERROR, problem, countersign_view_of(NULL));
		OPENSSL_cleanse(o, sizeof(*o));
		free(o);
		return COUNTERSIGN_INVALID;
	}
	*instance = o;
	return COUNTERSIGN_OK;
}

/*
 * OpenID Connect Core 1.0 section 2: a sub is never reassigned within the issuer. Nothing else is
 * promised.
 */
static int
oidc_profile(void *instance, struct countersign_profile *profile)
{
	const struct oidc *o = instance;

	profile->assurance = COUNTERSIGN_STABLE_SUBJECT;
	if (o != NULL && o->host->config_int(o->host->context, "honours-max-age", 0) == 1)
		profile->assurance |= COUNTERSIGN_HONOURS_MAX_AGE;
	profile->controls = NULL;
	return COUNTERSIGN_OK;
}

static int
oidc_authorization_url(void *instance, const struct countersign_authorize *in,
    struct countersign_authorize_answer *out)
{
	int rc = flow_authorization_url(instance, in, out);

	return rc != COUNTERSIGN_OK ? rc :
	    countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

static int
oidc_identify(void *instance, const struct countersign_identify *in,
    struct countersign_identity *out)
{
	int rc = flow_identify(instance, in, out);

	return rc != COUNTERSIGN_OK ? rc :
	    countersign_put(&out->request, in->call.request.data, in->call.request.len);
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_provider_v1 provider = {
		.size = sizeof(provider),
		.authorization_url = oidc_authorization_url,
		.identify = oidc_identify,
	};
	static const struct countersign_plugin_v1 plugin = {
		.size = sizeof(plugin),
		.abi = COUNTERSIGN_PLUGIN_ABI,
		.kinds = COUNTERSIGN_KIND_PROVIDER,
		.flags = COUNTERSIGN_USES_HTTP,
		.config_count = sizeof(config) / sizeof(config[0]),
		.config_key_size = sizeof(config[0]),
		.config = config,
		.name = "oidc",
		.version = "1",
		.help = "Any OpenID Provider that has a discovery document.",
		.self_test = oidc_self_test,
		.init = oidc_init,
		.fini = oidc_fini,
		.profile = oidc_profile,
		.provider = &provider,
	};

	return &plugin;
}
