/* SPDX-License-Identifier: Apache-2.0 */
/* The provider `google`: Sign in with Google. See README.md. */
#include <stdlib.h>

#include "plugins/lib/encoding.h"
#include "plugins/lib/evidence.h"
#include "plugins/lib/jws.h"
#include "plugins/lib/keys.h"
#include "plugins/lib/provider.h"
#include "plugins/lib/settings.h"
#include "plugins/lib/signal_keys.h"
#include "plugins/lib/signals.h"

enum {
	DOMAINS_MAX = 8,    /* of one block; more organizations are more blocks */
	DOMAIN_BYTES = 253, /* RFC 1035 section 2.3.4 */
};

#define ISSUER "https://accounts.google.com"

static const struct countersign_config_key config[] = {
    OIDC_KEYS_CLIENT,
    OIDC_KEYS_SECRET,
    {.name = "hosted-domain",
	.type = COUNTERSIGN_CONFIG_STRING,
	.flags = COUNTERSIGN_CONFIG_MANY,
	.min = 1,
	.max = DOMAIN_BYTES,
	.help = "A Workspace domain whose people may sign in; by default everybody with a Google Account."},
    {.name = "scope",
	.type = COUNTERSIGN_CONFIG_STRING,
	.min = 6,
	.max = 255,
	.default_value = "openid email",
	.help = "What is asked for; must contain openid."},
    {.name = "prompt",
	.type = COUNTERSIGN_CONFIG_WORD,
	.words = "consent select_account",
	.help = "What Google should show."},
    OIDC_KEYS_TIMES,
    OIDC_KEYS_DISPLAY("email"),
    OIDC_KEYS_FETCHING,
    SIGNAL_KEYS,
    SIGNAL_KEYS_GOOGLE,
    {.name = "authorization-endpoint",
	.type = COUNTERSIGN_CONFIG_URL,
	.min = 9,
	.max = OIDC_TEXT_MAX,
	.default_value = ISSUER "/o/oauth2/v2/auth",
	.help = "Where browsers are sent; only for tests to change."},
    {.name = "token-endpoint",
	.type = COUNTERSIGN_CONFIG_URL,
	.min = 9,
	.max = OIDC_TEXT_MAX,
	.default_value = "https://oauth2.googleapis.com/token",
	.help = "Where codes are exchanged; only for tests to change."},
    {.name = "jwks-uri",
	.type = COUNTERSIGN_CONFIG_URL,
	.min = 9,
	.max = OIDC_TEXT_MAX,
	.default_value = "https://www.googleapis.com/oauth2/v3/certs",
	.help = "Where Google's keys are; only for tests to change."},
};

/* What of the configuration is Google's alone. */
struct domains {
	struct countersign_view names[DOMAINS_MAX];
	size_t count;
	char controls_text[DOMAINS_MAX][sizeof("mail-domain:") + DOMAIN_BYTES];
	const char *controls[DOMAINS_MAX + 4];
};

/* What falls with a Google Account wherever it is from; packaging/profiles/google.conf says how this is known. */
static const char *const usual_controls[] = {
	"mail-domain:gmail.com",
	"mail-domain:googlemail.com",
	"aaguid:ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4",
	NULL,
};

static void
list_controls(struct domains *d)
{
	size_t n = 0;

	for (; usual_controls[n] != NULL; n++)
		d->controls[n] = usual_controls[n];
	for (size_t i = 0; i < d->count; i++) {
		struct countersign_buffer text = {d->controls_text[i], sizeof(d->controls_text[i]) - 1, 0};
		int rc = COUNTERSIGN_OK;

		put_text(&text, &rc, "mail-domain:");
		put_view(&text, &rc, d->names[i]);
		d->controls[n++] = d->controls_text[i];
	}
}

static const char *
configure(struct oidc *o)
{
	struct domains *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return "memory ran out";
	o->settings.own = d;
	d->count = settings_many(o->host, "hosted-domain", d->names, DOMAINS_MAX);
	if (d->count > DOMAINS_MAX)
		return "too many values: at most 8 of hosted-domain";
	list_controls(d);
	settings_endpoint(o, "authorization-endpoint", o->metadata.authorization_endpoint);
	settings_endpoint(o, "token-endpoint", o->metadata.token_endpoint);
	settings_endpoint(o, "jwks-uri", o->metadata.jwks_uri);
	o->metadata.known = o->metadata.fixed = true;
	return NULL;
}

static void
release(struct oidc *o)
{
	free(o->settings.own);
}

/* A hint of what will be checked: "*" is any Workspace domain. */
static void
put_request(const struct oidc_settings *s, struct countersign_buffer *url, int *rc, size_t from)
{
	const struct domains *d = s->own;

	if (d->count > 0)
		put_pair(url, rc, from, "hd", d->count == 1 ? d->names[0] : countersign_view_of("*"));
}

/*
 * `hd` is Google's word that the account is the organization's; the domain of a mail address is not. An
 * address is Google's to vouch for where it keeps the mailbox: of its own domain, or of an organization.
 */
static int
check_claims(const struct oidc_settings *s, const struct jws *t, struct countersign_identity *identity)
{
	static const char gmail[] = "@gmail.com";
	const struct domains *d = s->own;
	struct countersign_view hd = json_member_text(t->claims, "hd"), email = json_member_text(t->claims, "email");
	bool known = d->count == 0;
	bool own = email.len > sizeof(gmail) - 1 &&
	    memcmp(email.data + email.len - (sizeof(gmail) - 1), gmail, sizeof(gmail) - 1) == 0;

	for (size_t i = 0; i < d->count; i++)
		known = known || (hd.len > 0 && view_is(hd, d->names[i]));
	if (!known)
		return COUNTERSIGN_BAD_TOKEN;
	if (claim_is_true(t->claims, "email_verified") && (own || hd.len > 0))
		evidence_put(identity, "email", 0, email);
	return COUNTERSIGN_OK;
}

static int
google_init(const struct countersign_host_v1 *host, void **instance)
{
	static const char *const aliases[] = {"accounts.google.com", NULL};
	static const struct oidc_kind kind = {
		.issuer = ISSUER,
		.aliases = aliases,
		.algorithms = 1U << OIDC_RS256,
		.configure = configure,
		.release = release,
		.check_claims = check_claims,
		.put_request = put_request,
		.signals = SET_GOOGLE,
	};

	return oidc_open(host, &kind, instance);
}

static int
google_profile(void *instance, struct countersign_profile *profile)
{
	const struct oidc *o = instance;
	const struct domains *d = o == NULL ? NULL : o->settings.own;

	profile->assurance = COUNTERSIGN_STABLE_SUBJECT | COUNTERSIGN_VERIFIED_EMAIL | COUNTERSIGN_SYNCS_SECRETS |
	    COUNTERSIGN_SENDS_SIGNALS;
	profile->controls = d == NULL ? usual_controls : d->controls;
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
		.name = "google",
		.version = "1",
		.help = "Sign in with Google.",
		.self_test = oidc_self_test,
		.init = google_init,
		.fini = oidc_fini,
		.profile = google_profile,
		.provider = &provider,
	};

	return &plugin;
}
