/* SPDX-License-Identifier: Apache-2.0 */
/* The provider `oidc`: any OpenID Provider with discovery. See README.md. */
#include "plugins/lib/keys.h"
#include "plugins/lib/provider.h"
#include "plugins/lib/signal_keys.h"

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
	.help = "Another spelling of the issuer in tokens."},
    OIDC_KEYS_CLIENT,
    OIDC_KEYS_SECRET,
    {.name = "client-authentication",
	.type = COUNTERSIGN_CONFIG_WORD,
	.words = "client_secret_basic client_secret_post private_key_jwt tls_client_auth none",
	.help = "How the client proves itself; by default private_key_jwt where there is a client-key, "
		"client_secret_basic where there is a secret, else none."},
    OIDC_KEYS_PRIVATE_KEY,
    {.name = "client-key-audience",
	.type = COUNTERSIGN_CONFIG_WORD,
	.words = "issuer endpoint",
	.default_value = "issuer",
	.help = "For whom private_key_jwt is made; some older providers want their endpoint's address."},
    {.name = "scope",
	.type = COUNTERSIGN_CONFIG_STRING,
	.min = 6,
	.max = 255,
	.default_value = "openid",
	.help = "What is asked for; must contain openid."},
    {.name = "pushed-request",
	.type = COUNTERSIGN_CONFIG_WORD,
	.words = "offered always never",
	.default_value = "offered",
	.help = "Whether requests are pushed (RFC 9126): where the provider offers it, always, never."},
    {.name = "algorithm",
	.type = COUNTERSIGN_CONFIG_WORD,
	.flags = COUNTERSIGN_CONFIG_MANY,
	.words = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA",
	.help = "An algorithm that ID tokens may be signed with; by default RS256 and ES256."},
    OIDC_KEYS_TIMES,
    OIDC_KEYS_MAX_AGE,
    {.name = "acr",
	.type = COUNTERSIGN_CONFIG_STRING,
	.flags = COUNTERSIGN_CONFIG_MANY,
	.min = 1,
	.max = 128,
	.help = "A class of sign-in that is good enough: asked for in this order, and one of them required."},
    {.name = "claim",
	.type = COUNTERSIGN_CONFIG_STRING,
	.flags = COUNTERSIGN_CONFIG_MANY,
	.min = 3,
	.max = 255,
	.help = "NAME=VALUE: a claim that must have this value, or hold it where it is a list."},
    {.name = "extra-audience",
	.type = COUNTERSIGN_CONFIG_STRING,
	.flags = COUNTERSIGN_CONFIG_MANY,
	.min = 1,
	.max = OIDC_TEXT_MAX,
	.help = "An audience that may stand in tokens beside the client's own."},
    OIDC_KEYS_PROMPT,
    {.name = "response-mode",
	.type = COUNTERSIGN_CONFIG_WORD,
	.words = "query form_post",
	.help = "How the code comes back, where the provider needs to be told."},
    OIDC_KEYS_DISPLAY("email"),
    {.name = "evidence",
	.type = COUNTERSIGN_CONFIG_WORD,
	.flags = COUNTERSIGN_CONFIG_MANY,
	.words = "email phone",
	.help = "What the provider verifies by itself, so that its word is kept as evidence on links."},
    OIDC_KEYS_FETCHING,
    SIGNAL_KEYS,
    SIGNAL_KEYS_SSF,
    {.name = "honours-max-age",
	.type = COUNTERSIGN_CONFIG_BOOL,
	.default_value = "no",
	.help = "Whether the provider signs people in anew when max_age says so."},
};

static int
plugin_init(const struct countersign_host_v1 *host, void **instance)
{
	static const struct oidc_kind kind = {0};

	return oidc_open(host, &kind, instance);
}

/*
 * OpenID Connect Core 1.0 section 2: a sub is never reassigned within the issuer. Nothing else is
 * promised.
 */
static int
plugin_profile(void *instance, struct countersign_profile *profile)
{
	const struct oidc *o = instance;

	profile->assurance = COUNTERSIGN_STABLE_SUBJECT;
	if (o != NULL && o->host->config_int(o->host->context, "honours-max-age", 0) == 1)
		profile->assurance |= COUNTERSIGN_HONOURS_MAX_AGE;
	if (o != NULL && o->signals->separate)
		profile->assurance |= COUNTERSIGN_SENDS_SIGNALS;
	if (o != NULL && o->settings.email_evidence)
		profile->assurance |= COUNTERSIGN_VERIFIED_EMAIL;
	profile->controls = NULL;
	return COUNTERSIGN_OK;
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_provider_v1 provider = {
		.size = sizeof(provider),
		.authorization_url = oidc_authorization_url,
		.identify = oidc_identify,
		.signal = signals_signal,
		.poll = signals_poll,
		.stream = signals_stream,
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
		.init = plugin_init,
		.fini = oidc_fini,
		.profile = plugin_profile,
		.provider = &provider,
	};

	return &plugin;
}
