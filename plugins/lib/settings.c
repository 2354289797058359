/* SPDX-License-Identifier: Apache-2.0 */
/* The shared keys of the configuration. */
#include <openssl/crypto.h>
#include <stdlib.h>

#include "plugins/lib/encoding.h"
#include "plugins/lib/settings.h"
#include "plugins/lib/signing.h"

size_t
settings_many(const struct countersign_host_v1 *h, const char *name, struct countersign_view *to, size_t max)
{
	size_t n = h->config_count(h->context, name);

	for (size_t i = 0; i < n && i < max; i++)
		to[i] = h->config_text(h->context, name, i);
	return n;
}

void
settings_endpoint(const struct oidc *o, const char *name, char to[OIDC_URL_MAX])
{
	struct countersign_view v = o->host->config_text(o->host->context, name, 0);

	if (v.data == NULL || v.len >= OIDC_URL_MAX)
		v = countersign_view_of("");
	memcpy(to, v.data, v.len);
	to[v.len] = '\0';
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

static bool
read_algorithms(struct oidc *o)
{
	const struct oidc_kind *kind = o->settings.kind;
	struct countersign_view names[OIDC_ALGORITHM_COUNT];
	size_t n = settings_many(o->host, "algorithm", names, OIDC_ALGORITHM_COUNT);

	if (n > OIDC_ALGORITHM_COUNT)
		return false;
	for (size_t i = 0; i < n; i++) {
		enum oidc_algorithm a = algorithm_of(names[i]);

		if (a == OIDC_ALGORITHM_COUNT)
			return false;
		o->settings.algorithms |= 1U << a;
	}
	if (n == 0)
		o->settings.algorithms = kind != NULL && kind->algorithms != 0 ? kind->algorithms :
		    1U << OIDC_RS256 | 1U << OIDC_ES256;
	return true;
}

static const char *
read_client_key(struct oidc *o)
{
	const struct countersign_host_v1 *h = o->host;
	struct countersign_view name = h->config_text(h->context, "client-key-algorithm", 0);
	char memory[SIGNING_PEM_MAX];
	struct countersign_buffer pem = {memory, sizeof(memory), 0};

	if (h->config_secret(h->context, "client-key", &pem) != COUNTERSIGN_OK)
		return NULL;
	o->client_key = signing_key_new((struct countersign_view){pem.data, pem.len});
	OPENSSL_cleanse(memory, sizeof(memory));
	if (o->client_key == NULL)
		return "client-key is not a private key in PEM without a passphrase: RSA of 2048 bits or more, P-256, "
		       "P-384, P-521 or Ed25519";
	o->client_algorithm = name.data == NULL ? signing_key_algorithm(o->client_key) : algorithm_of(name);
	if (!signing_key_can(o->client_key, o->client_algorithm))
		return "client-key cannot sign with client-key-algorithm: they are of different kinds";
	o->client_kid = h->config_text(h->context, "client-key-id", 0);
	o->client_thumbprint = h->config_text(h->context, "client-key-thumbprint", 0);
	o->assertion_for_endpoint = view_is_text(h->config_text(h->context, "client-key-audience", 0), "endpoint");
	return NULL;
}

static const struct {
	const char *name;
	enum oidc_client_authentication how;
} ways[] = {
	{"client_secret_basic", OIDC_SECRET_BASIC},
	{"client_secret_post", OIDC_SECRET_POST},
	{"private_key_jwt", OIDC_PRIVATE_KEY_JWT},
	{"tls_client_auth", OIDC_TLS},
	{"none", OIDC_SECRET_NONE},
};

/* Where the configuration does not say how: what it gives is what is meant. */
static enum oidc_client_authentication
usual_way(const struct oidc *o, bool secret)
{
	const struct oidc_kind *kind = o->settings.kind;

	if (kind != NULL && kind->put_secret != NULL)
		return OIDC_SECRET_POST;
	if (o->client_key != NULL)
		return OIDC_PRIVATE_KEY_JWT;
	return secret ? OIDC_SECRET_BASIC : OIDC_SECRET_NONE;
}

/* What is given and how it is shown must agree. NULL, or a sentence. */
static const char *
read_authentication(struct oidc *o)
{
	const struct countersign_host_v1 *h = o->host;
	struct countersign_view how = h->config_text(h->context, "client-authentication", 0);
	struct countersign_buffer to = {o->secret, sizeof(o->secret), 0};
	bool secret = h->config_secret(h->context, "client-secret", &to) == COUNTERSIGN_OK;
	bool made = o->settings.kind != NULL && o->settings.kind->put_secret != NULL;
	const char *problem = read_client_key(o);
	enum oidc_client_authentication a = usual_way(o, secret);

	o->secret_len = to.len;
	for (size_t i = 0; how.data != NULL && i < sizeof(ways) / sizeof(ways[0]); i++)
		if (view_is_text(how, ways[i].name))
			a = ways[i].how;
	o->settings.authentication = a;
	if (problem != NULL)
		return problem;
	if ((a == OIDC_SECRET_BASIC || a == OIDC_SECRET_POST) && !secret && !made)
		return "client-authentication needs a client-secret: give its file, or write none";
	if (secret && a != OIDC_SECRET_BASIC && a != OIDC_SECRET_POST)
		return "client-secret is given, but client-authentication does not use it: drop one of them";
	if ((a == OIDC_PRIVATE_KEY_JWT) != (o->client_key != NULL))
		return "private_key_jwt and client-key belong together: give both or neither";
	return NULL;
}

/* NAME=VALUE; false: it is not, or the name is too long. */
static bool
read_condition(struct countersign_view text, struct oidc_condition *to)
{
	const char *equals = text.data == NULL ? NULL : memchr(text.data, '=', text.len);
	size_t len = equals == NULL ? 0 : (size_t)(equals - text.data);

	if (len == 0 || len >= sizeof(to->name))
		return false;
	memcpy(to->name, text.data, len);
	to->name[len] = '\0';
	to->value = (struct countersign_view){equals + 1, text.len - len - 1};
	return true;
}

static const char *
read_conditions(struct oidc *o)
{
	struct oidc_settings *s = &o->settings;
	struct countersign_view texts[OIDC_CONDITIONS_MAX];

	s->audiences_count = settings_many(o->host, "extra-audience", s->audiences, OIDC_CONDITIONS_MAX);
	s->acr_count = settings_many(o->host, "acr", s->acr, OIDC_CONDITIONS_MAX);
	s->conditions_count = settings_many(o->host, "claim", texts, OIDC_CONDITIONS_MAX);
	if (s->audiences_count > OIDC_CONDITIONS_MAX || s->acr_count > OIDC_CONDITIONS_MAX ||
	    s->conditions_count > OIDC_CONDITIONS_MAX)
		return "too many values: at most 8 of extra-audience, of acr and of claim";
	for (size_t i = 0; i < s->conditions_count; i++)
		if (!read_condition(texts[i], &s->conditions[i]))
			return "claim must be written NAME=VALUE, with a name of 1 to 63 bytes";
	return NULL;
}

/* A key of type WORD that may be given several times. */
static bool
says_word(const struct countersign_host_v1 *h, const char *name, const char *word)
{
	for (size_t i = h->config_count(h->context, name); i > 0; i--)
		if (view_is_text(h->config_text(h->context, name, i - 1), word))
			return true;
	return false;
}

static void
read_request(struct oidc *o)
{
	const struct countersign_host_v1 *h = o->host;
	struct oidc_settings *s = &o->settings;
	struct countersign_view par = h->config_text(h->context, "pushed-request", 0);

	s->scope = h->config_text(h->context, "scope", 0);
	if (s->scope.data == NULL)
		s->scope = countersign_view_of("openid");
	s->prompt = h->config_text(h->context, "prompt", 0);
	s->response_mode = h->config_text(h->context, "response-mode", 0);
	s->display_claim = h->config_text(h->context, "display-claim", 0);
	s->email_evidence = says_word(h, "evidence", "email");
	s->phone_evidence = says_word(h, "evidence", "phone");
	s->par = view_is_text(par, "always") ? OIDC_PAR_ALWAYS :
	    view_is_text(par, "never") ? OIDC_PAR_NEVER : OIDC_PAR_WHERE_OFFERED;
}

static void
read_times(struct oidc *o)
{
	const struct countersign_host_v1 *h = o->host;
	struct oidc_settings *s = &o->settings;

	s->skew_s = h->config_int(h->context, "clock-skew", 10);
	s->lifetime_max_s = h->config_int(h->context, "token-lifetime", 86400);
	s->age_max_s = h->config_int(h->context, "token-age", 600);
	s->max_age_s = h->config_int(h->context, "max-age", 0);
	s->keys_max_age_ms = 1000 * h->config_int(h->context, "keys-max-age", 3600);
	s->keys_min_interval_ms = 1000 * h->config_int(h->context, "keys-min-interval", 60);
}

static const char *
read_issuer(struct oidc *o)
{
	const struct oidc_kind *kind = o->settings.kind;
	struct oidc_settings *s = &o->settings;

	s->clients_count = settings_many(o->host, "client-id", s->clients, OIDC_CLIENTS_MAX);
	s->aliases_count = settings_many(o->host, "issuer-alias", s->aliases, OIDC_ALIASES_MAX);
	s->issuer = o->host->config_text(o->host->context, "issuer", 0);
	if (kind != NULL && kind->issuer != NULL)
		s->issuer = countersign_view_of(kind->issuer);
	for (size_t i = 0; kind != NULL && kind->aliases != NULL && kind->aliases[i] != NULL &&
	     s->aliases_count < OIDC_ALIASES_MAX; i++)
		s->aliases[s->aliases_count++] = countersign_view_of(kind->aliases[i]);
	if (s->issuer.len == 0 && (kind == NULL || kind->configure == NULL))
		return "issuer is missing";
	if (s->issuer.len > 0 && memchr(s->issuer.data, '?', s->issuer.len) != NULL)
		return "issuer has a query: write it as the discovery document does";
	if (s->aliases_count > OIDC_ALIASES_MAX || s->clients_count > OIDC_CLIENTS_MAX)
		return "too many values: at most 4 of issuer-alias and 8 of client-id";
	return NULL;
}

const char *
settings_read(struct oidc *o)
{
	const struct oidc_kind *kind = o->settings.kind;
	const char *problem = read_issuer(o);

	read_request(o);
	read_times(o);
	if (problem == NULL && !has_word(o->settings.scope, "openid"))
		problem = "scope must contain openid";
	if (problem == NULL && !read_algorithms(o))
		problem = "algorithm names an unknown algorithm, or one twice";
	if (problem == NULL)
		problem = read_conditions(o);
	if (problem == NULL)
		problem = read_authentication(o);
	if (problem == NULL && kind != NULL && kind->configure != NULL)
		problem = kind->configure(o);
	return problem;
}

void
settings_clear(struct oidc *o)
{
	const struct oidc_kind *kind = o->settings.kind;

	if (kind != NULL && kind->release != NULL)
		kind->release(o);
	signing_key_free(o->client_key);
	OPENSSL_cleanse(o->secret, sizeof(o->secret));
}
