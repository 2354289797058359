/* SPDX-License-Identifier: Apache-2.0 */
/* The provider `apple`: Sign in with Apple. See README.md. */
#include <stdlib.h>

#include "plugins/apple/claims.h"
#include "plugins/apple/migration.h"
#include "plugins/apple/team.h"
#include "plugins/lib/jws.h"
#include "plugins/lib/keys.h"
#include "plugins/lib/provider.h"
#include "plugins/lib/signal_keys.h"
#include "plugins/lib/signals.h"

#define TEAM_KEYS(prefix, flag, whose) \
	{.name = prefix "team-id", .type = COUNTERSIGN_CONFIG_STRING, .flags = (flag), .min = TEAM_ID_LEN, \
	    .max = TEAM_ID_LEN, .help = "The Team ID" whose "."}, \
	{.name = prefix "key-id", .type = COUNTERSIGN_CONFIG_STRING, .flags = (flag), .min = TEAM_ID_LEN, \
	    .max = TEAM_ID_LEN, .help = "The Key ID of " prefix "private-key."}, \
	{.name = prefix "private-key", .type = COUNTERSIGN_CONFIG_SECRET, .flags = (flag), .min = 64, \
	    .max = SIGNING_PEM_MAX, \
	    .help = "The key for Sign in with Apple" whose ": the .p8 file as Apple gives it."}

static const struct countersign_config_key config[] = {
    {.name = "client-id",
	.type = COUNTERSIGN_CONFIG_STRING,
	.flags = COUNTERSIGN_CONFIG_REQUIRED | COUNTERSIGN_CONFIG_MANY,
	.min = 1,
	.max = OIDC_TEXT_MAX,
	.help = "The Services ID of the web page, and the bundle ids of apps whose codes are exchanged."},
    TEAM_KEYS("", COUNTERSIGN_CONFIG_REQUIRED, ""),
    TEAM_KEYS("previous-", 0, " of the team that the app came from, while its users are re-keyed"),
    {.name = "scope",
	.type = COUNTERSIGN_CONFIG_STRING,
	.min = 6,
	.max = 64,
	.default_value = "openid email name",
	.help = "What is asked for: openid, and of email and name what people shall be shown."},
    {.name = "display-claim",
	.type = COUNTERSIGN_CONFIG_WORD,
	.words = "none email",
	.default_value = "email",
	.help = "The claim by which people are shown which ID it was; proves nothing."},
    OIDC_KEYS_TIMES,
    OIDC_KEYS_FETCHING,
    SIGNAL_KEYS,
    {.name = "issuer",
	.type = COUNTERSIGN_CONFIG_URL,
	.min = 9,
	.max = OIDC_TEXT_MAX,
	.default_value = "https://appleid.apple.com",
	.help = "Apple's issuer, where everything else is found."},
};

struct apple {
	struct team now, before;
};

static const char *
configure(struct oidc *o)
{
	struct apple *a = calloc(1, sizeof(*a));
	const char *problem;

	if (a == NULL)
		return "there is no memory";
	o->settings.own = a;
	/* Asked for a name or an address, Apple answers in no other way. */
	o->settings.response_mode = countersign_view_of("form_post");
	problem = team_read(o->host, "team-id", "key-id", "private-key", &a->now);
	if (problem == NULL && a->now.key == NULL)
		problem = "team-id, key-id and private-key are missing";
	if (problem == NULL)
		problem = team_read(o->host, "previous-team-id", "previous-key-id", "previous-private-key",
		    &a->before);
	return problem;
}

static void
release(struct oidc *o)
{
	struct apple *a = o->settings.own;

	if (a == NULL)
		return;
	team_clear(&a->now);
	team_clear(&a->before);
	free(a);
}

static int
put_secret(struct oidc *o, struct countersign_view client, int64_t now_ms, struct countersign_buffer *to)
{
	const struct apple *a = o->settings.own;

	return team_put_secret(&a->now, o->settings.issuer, client, now_ms, to);
}

static int
check_claims(const struct oidc_settings *s, const struct jws *t, struct countersign_identity *identity)
{
	(void)s;
	if (COUNTERSIGN_HAS(identity, struct countersign_identity, evidence) && identity->evidence.cap > 0)
		claims_put_evidence(t->claims, &identity->evidence);
	return COUNTERSIGN_OK;
}

static int
apple_init(const struct countersign_host_v1 *host, void **instance)
{
	static const struct oidc_kind kind = {
		.algorithms = 1U << OIDC_RS256,
		.configure = configure,
		.release = release,
		.check_claims = check_claims,
		.put_secret = put_secret,
		.signals = SET_APPLE,
	};

	return oidc_open(host, &kind, instance);
}

static int
apple_profile(void *instance, struct countersign_profile *profile)
{
	static const char *const controls[] = {"mail-domain:icloud.com", "mail-domain:me.com", "mail-domain:mac.com",
	    "mail-domain:privaterelay.appleid.com", "aaguid:fbfc3007-154e-4ecc-8c0b-6e020557d7bd",
	    "aaguid:dd4ec289-e01d-41c9-bb89-70fa845d4bf2", NULL};

	(void)instance;
	profile->assurance = COUNTERSIGN_STABLE_SUBJECT | COUNTERSIGN_VERIFIED_EMAIL | COUNTERSIGN_SENDS_SIGNALS |
	    COUNTERSIGN_SYNCS_SECRETS;
	profile->controls = controls;
	return COUNTERSIGN_OK;
}

static int
apple_rekey(void *instance, const struct countersign_rekey *in, struct countersign_rekey_answer *out)
{
	struct oidc *o = instance;
	const struct apple *a = o->settings.own;

	return migration_rekey(o, &a->now, &a->before, in, out);
}

const struct countersign_plugin_v1 *
countersign_plugin_v1(void)
{
	static const struct countersign_provider_v1 provider = {
		.size = sizeof(provider),
		.authorization_url = oidc_authorization_url,
		.identify = oidc_identify,
		.signal = signals_signal,
		.rekey = apple_rekey,
	};
	static const struct countersign_plugin_v1 plugin = {
		.size = sizeof(plugin),
		.abi = COUNTERSIGN_PLUGIN_ABI,
		.kinds = COUNTERSIGN_KIND_PROVIDER,
		.flags = COUNTERSIGN_USES_HTTP,
		.config_count = sizeof(config) / sizeof(config[0]),
		.config_key_size = sizeof(config[0]),
		.config = config,
		.name = "apple",
		.version = "1",
		.help = "Sign in with Apple.",
		.self_test = oidc_self_test,
		.init = apple_init,
		.fini = oidc_fini,
		.profile = apple_profile,
		.provider = &provider,
	};

	return &plugin;
}
