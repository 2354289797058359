/* SPDX-License-Identifier: Apache-2.0 */
/* The provider `microsoft`: accounts of organizations (Entra ID) and personal ones. See README.md. */
#include <stdio.h>
#include <stdlib.h>

#include "plugins/lib/encoding.h"
#include "plugins/lib/evidence.h"
#include "plugins/lib/jwks.h"
#include "plugins/lib/jws.h"
#include "plugins/lib/keys.h"
#include "plugins/lib/provider.h"
#include "plugins/lib/settings.h"

enum {
	TENANTS_MAX = 64,   /* of one block */
	TENANT_BYTES = 128, /* an id has 36; a domain that stands for one may be longer */
	ID_BYTES = 36,
	AUTHORITY_BYTES = 128,
};

/* Where all personal accounts live. */
#define PERSONAL "9188040d-6c67-4c5b-b112-36a304b66dad"

static const struct countersign_config_key config[] = {
    {.name = "tenant",
	.type = COUNTERSIGN_CONFIG_STRING,
	.flags = COUNTERSIGN_CONFIG_REQUIRED,
	.min = 1,
	.max = TENANT_BYTES,
	.help = "Whose people are asked: a tenant's id, organizations, consumers (personal accounts) or common (both)."},
    {.name = "allow-tenant",
	.type = COUNTERSIGN_CONFIG_STRING,
	.flags = COUNTERSIGN_CONFIG_MANY,
	.min = 1,
	.max = ID_BYTES,
	.help = "The id of a tenant whose people may sign in, personal, or any; needed unless tenant is an id or consumers."},
    OIDC_KEYS_CLIENT,
    OIDC_KEYS_SECRET,
    {.name = "client-authentication",
	.type = COUNTERSIGN_CONFIG_WORD,
	.words = "client_secret_basic client_secret_post private_key_jwt none",
	.help = "How the client proves itself; by default private_key_jwt where there is a client-key, "
		"client_secret_basic where there is a secret, else none."},
    OIDC_KEYS_PRIVATE_KEY,
    {.name = "client-key-audience",
	.type = COUNTERSIGN_CONFIG_WORD,
	.words = "issuer endpoint",
	.default_value = "endpoint",
	.help = "For whom private_key_jwt is made; Microsoft wants its endpoint's address."},
    {.name = "scope",
	.type = COUNTERSIGN_CONFIG_STRING,
	.min = 6,
	.max = 255,
	.default_value = "openid profile",
	.help = "What is asked for; must contain openid, and profile, without which there is no oid."},
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
    OIDC_KEYS_PROMPT,
    OIDC_KEYS_TIMES,
    OIDC_KEYS_MAX_AGE,
    OIDC_KEYS_DISPLAY("preferred_username"),
    OIDC_KEYS_FETCHING,
    {.name = "authority",
	.type = COUNTERSIGN_CONFIG_URL,
	.min = 9,
	.max = AUTHORITY_BYTES,
	.default_value = "https://login.microsoftonline.com",
	.help = "The cloud: https://login.partner.microsoftonline.cn is the one in China, https://login.microsoftonline.us "
		"the one of the US government."},
};

struct tenants {
	struct countersign_view ids[TENANTS_MAX];
	size_t count;
	bool any;
	char issuer[AUTHORITY_BYTES + TENANT_BYTES + 16]; /* of the configured tenant */
	char authority[OIDC_URL_MAX];
};

/* 8-4-4-4-12 hexadecimal digits in lower case, as tokens have it. */
static bool
is_id(struct countersign_view v)
{
	if (v.len != ID_BYTES)
		return false;
	for (size_t i = 0; i < v.len; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		char c = v.data[i];

		if (dash ? c != '-' : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return true;
}

static const char *
read_allowed(struct oidc *o, struct tenants *t, struct countersign_view tenant)
{
	t->count = settings_many(o->host, "allow-tenant", t->ids, TENANTS_MAX);
	if (t->count > TENANTS_MAX)
		return "too many values: at most 64 of allow-tenant";
	for (size_t i = 0; i < t->count; i++) {
		if (view_is_text(t->ids[i], "any"))
			t->any = true;
		else if (view_is_text(t->ids[i], "personal"))
			t->ids[i] = countersign_view_of(PERSONAL);
		else if (!is_id(t->ids[i]))
			return "allow-tenant must be a tenant's id in lower case (8-4-4-4-12 hexadecimal digits), personal, or any";
	}
	if (t->count == 0 && view_is_text(tenant, "consumers"))
		t->ids[t->count++] = countersign_view_of(PERSONAL);
	if (t->count == 0 && is_id(tenant))
		t->ids[t->count++] = tenant;
	return t->count > 0 ? NULL :
	    "allow-tenant is missing: write the id of each tenant whose people may sign in, or any";
}

/* A tenant stands in a path. */
static bool
is_path_segment(struct countersign_view v)
{
	for (size_t i = 0; i < v.len; i++) {
		char c = v.data[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.'))
			return false;
	}
	return v.len > 0 && v.data[0] != '.';
}

static void
write_endpoints(struct oidc *o, const char *authority, struct countersign_view tenant)
{
	struct oidc_metadata *m = &o->metadata;
	int len = (int)tenant.len;

	snprintf(m->authorization_endpoint, OIDC_URL_MAX, "%.*s/%.*s/oauth2/v2.0/authorize", AUTHORITY_BYTES, authority, len,
	    tenant.data);
	snprintf(m->token_endpoint, OIDC_URL_MAX, "%.*s/%.*s/oauth2/v2.0/token", AUTHORITY_BYTES, authority, len, tenant.data);
	snprintf(m->jwks_uri, OIDC_URL_MAX, "%.*s/%.*s/discovery/v2.0/keys", AUTHORITY_BYTES, authority, len, tenant.data);
	m->known = m->fixed = true;
}

static const char *
configure(struct oidc *o)
{
	struct countersign_view tenant = o->host->config_text(o->host->context, "tenant", 0);
	struct tenants *t = calloc(1, sizeof(*t));
	size_t len;

	if (t == NULL)
		return "memory ran out";
	o->settings.own = t;
	if (tenant.len > TENANT_BYTES || !is_path_segment(tenant))
		return "tenant must be an id or a name of letters, digits, dots and dashes";
	settings_endpoint(o, "authority", t->authority);
	len = strlen(t->authority);
	if (len == 0 || len > AUTHORITY_BYTES || t->authority[len - 1] == '/')
		return "authority must be an https origin without a slash at its end";
	snprintf(t->issuer, sizeof(t->issuer), "%.*s/%.*s/v2.0", AUTHORITY_BYTES, t->authority, (int)tenant.len, tenant.data);
	o->settings.issuer = countersign_view_of(t->issuer);
	write_endpoints(o, t->authority, tenant);
	return read_allowed(o, t, tenant);
}

static void
release(struct oidc *o)
{
	free(o->settings.own);
}

/* Whether text is prefix, id, suffix. */
static bool
is_made_of(struct countersign_view text, const char *prefix, struct countersign_view id, const char *suffix)
{
	size_t before = strlen(prefix), after = strlen(suffix);

	return text.len == before + id.len + after && memcmp(text.data, prefix, before) == 0 &&
	    memcmp(text.data + before, id.data, id.len) == 0 &&
	    memcmp(text.data + before + id.len, suffix, after) == 0;
}

/* iss is AUTHORITY/TID/v2.0 with the token's own tid, and its people may sign in. */
static bool
is_issuer_of(const struct tenants *t, struct countersign_view iss, struct countersign_view tid)
{
	size_t len = strlen(t->authority);

	if (iss.len <= len || memcmp(iss.data, t->authority, len) != 0 || iss.data[len] != '/')
		return false;
	return is_made_of((struct countersign_view){iss.data + len + 1, iss.len - len - 1}, "", tid, "/v2.0");
}

static int
check_issuer(const struct oidc_settings *s, const struct jws *t)
{
	const struct tenants *own = s->own;
	struct countersign_view iss = json_member_text(t->claims, "iss"), tid = json_member_text(t->claims, "tid");

	if (!is_id(tid) || !is_issuer_of(own, iss, tid))
		return COUNTERSIGN_BAD_ISSUER;
	for (size_t i = 0; i < own->count; i++)
		if (own->any || view_is(own->ids[i], tid))
			return COUNTERSIGN_OK;
	return COUNTERSIGN_BAD_ISSUER;
}

/*
 * Keys of all tenants stand in one set, and name in `issuer` whom they may sign for: one tenant, or every
 * one by "{tenantid}".
 */
static int
check_key(const struct oidc_settings *s, const struct jws *t, const struct jwks_key *key)
{
	static const char everyone[] = "{tenantid}";
	struct countersign_view iss = json_member_text(t->claims, "iss");
	struct countersign_view of = countersign_view_of(key->issuer);
	const struct tenants *own = s->own;

	if (of.len == 0 || view_is(of, iss))
		return COUNTERSIGN_OK;
	return is_issuer_of(own, of, countersign_view_of(everyone)) ? COUNTERSIGN_OK : COUNTERSIGN_BAD_KEY;
}

/* Seen as true, 1 and "1": the address is of a domain whose owner proved it. */
static bool
is_domain_owners(const json_t *claims)
{
	const json_t *v = json_object_get(claims, "xms_edov");

	return json_is_true(v) || json_integer_value(v) == 1 || view_is_text(json_text(v), "1") ||
	    view_is_text(json_text(v), "true");
}

/*
 * The person is tid and oid: the same for every client of a tenant, and changed by nobody. email,
 * preferred_username and upn are whatever the tenant's administrator writes there.
 */
static int
check_claims(const struct oidc_settings *s, const struct jws *t, struct countersign_identity *identity)
{
	struct countersign_view iss = json_member_text(t->claims, "iss"), oid = json_member_text(t->claims, "oid");
	int rc;

	(void)s;
	if (!is_id(oid))
		return COUNTERSIGN_BAD_TOKEN;
	rc = countersign_put(&identity->issuer, iss.data, iss.len);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&identity->subject, oid.data, oid.len);
	if (rc == COUNTERSIGN_OK && is_domain_owners(t->claims))
		evidence_put(identity, "email", 0, json_member_text(t->claims, "email"));
	return rc;
}

static int
microsoft_init(const struct countersign_host_v1 *host, void **instance)
{
	static const struct oidc_kind kind = {
		.algorithms = 1U << OIDC_RS256,
		.configure = configure,
		.release = release,
		.check_issuer = check_issuer,
		.check_key = check_key,
		.check_claims = check_claims,
	};

	return oidc_open(host, &kind, instance);
}

/* What falls with a personal account; packaging/profiles/microsoft.conf says how this is known. */
static int
microsoft_profile(void *instance, struct countersign_profile *profile)
{
	static const char *const controls[] = {
		"mail-domain:outlook.com",
		"mail-domain:hotmail.com",
		"mail-domain:live.com",
		"mail-domain:msn.com",
		"aaguid:d3452668-01fd-4c12-926c-83a4204853aa",
		NULL,
	};

	(void)instance;
	profile->assurance = COUNTERSIGN_STABLE_SUBJECT | COUNTERSIGN_SYNCS_SECRETS;
	profile->controls = controls;
	return COUNTERSIGN_OK;
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
		.name = "microsoft",
		.version = "1",
		.help = "Microsoft accounts, of organizations and personal.",
		.self_test = oidc_self_test,
		.init = microsoft_init,
		.fini = oidc_fini,
		.profile = microsoft_profile,
		.provider = &provider,
	};

	return &plugin;
}
