/* SPDX-License-Identifier: Apache-2.0 */
/* The provider's metadata. */
#include <stdio.h>

#include "plugins/lib/discovery.h"
#include "plugins/lib/encoding.h"

/* An https URL without a fragment, blanks or control characters. */
static bool
read_url(const json_t *document, const char *name, char to[OIDC_URL_MAX])
{
	const json_t *v = json_object_get(document, name);
	const char *url = json_string_value(v);
	size_t len = json_string_length(v);

	if (url == NULL || len >= OIDC_URL_MAX || strncmp(url, "https://", 8) != 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)url[i] <= ' ' || (unsigned char)url[i] >= 0x7f || url[i] == '#')
			return false;
	memcpy(to, url, len + 1);
	return true;
}

/* An endpoint that need not be there; what is no https URL is as good as absent. */
static void
read_optional(const json_t *document, const char *name, char to[OIDC_URL_MAX])
{
	if (!read_url(document, name, to))
		to[0] = '\0';
}

/* Absent says nothing; present without S256 would be a downgrade. */
static bool
pkce_possible(const json_t *document)
{
	const json_t *methods = json_object_get(document, "code_challenge_methods_supported"), *m;
	size_t i;

	if (methods == NULL)
		return true;
	json_array_foreach(methods, i, m)
		if (json_is_string(m) && strcmp(json_string_value(m), "S256") == 0)
			return true;
	return false;
}

const char *
discovery_read(
    const struct oidc_settings *settings, const json_t *document, struct oidc_metadata *m)
{
	struct oidc_metadata got = {.known = true};
	const json_t *issuer = json_object_get(document, "issuer");
	const json_t *tls = json_object_get(document, "mtls_endpoint_aliases");
	struct countersign_view is = {json_string_value(issuer), json_string_length(issuer)};

	if (is.data == NULL || !view_is(is, settings->issuer))
		return "its issuer is not the configured one";
	if (!read_url(document, "authorization_endpoint", got.authorization_endpoint))
		return "its authorization_endpoint is not an https URL";
	if (!read_url(document, "token_endpoint", got.token_endpoint))
		return "its token_endpoint is not an https URL";
	if (!read_url(document, "jwks_uri", got.jwks_uri))
		return "its jwks_uri is not an https URL";
	if (!pkce_possible(document))
		return "it does not support PKCE with S256";
	read_optional(document, "pushed_authorization_request_endpoint", got.par_endpoint);
	got.par_required = json_is_true(json_object_get(document, "require_pushed_authorization_requests"));
	if (got.par_required && got.par_endpoint[0] == '\0')
		return "it requires pushed authorization requests, but has no https URL for them";
	read_optional(tls, "token_endpoint", got.tls_token_endpoint);
	read_optional(tls, "pushed_authorization_request_endpoint", got.tls_par_endpoint);
	got.iss_parameter = json_is_true(
	    json_object_get(document, "authorization_response_iss_parameter_supported"));
	*m = got;
	return NULL;
}

static int
discovery_fetch(struct oidc *o)
{
	static const char path[] = "/.well-known/openid-configuration";
	struct countersign_view issuer = o->settings.issuer;
	char url[OIDC_URL_MAX + sizeof(path)];
	const char *why = "the answer is not a JSON object with status 200";
	json_t *document = NULL;
	int status = 0, rc;

	/* Section 4.1: a slash at the issuer's end is dropped before the path is added. */
	if (issuer.data[issuer.len - 1] == '/')
		issuer.len--;
	snprintf(url, sizeof(url), "%.*s%s", (int)issuer.len, issuer.data, path);
	rc = oidc_fetch(o, url, countersign_view_of(NULL), countersign_view_of(NULL), &status,
	    &document);
	if (rc != COUNTERSIGN_OK)
		return rc;
	if (status == 200 && document != NULL)
		why = discovery_read(&o->settings, document, &o->metadata);
	json_decref(document);
	if (status >= 500)
		return COUNTERSIGN_UNREACHABLE;
	if (why != NULL) {
		oidc_log(o, COUNTERSIGN_LOG_WARN, "discovery refused:", countersign_view_of(why));
		return COUNTERSIGN_PROVIDER_ERROR;
	}
	o->metadata.fetched_boot_ms = o->host->boot_ms(o->host->context);
	return COUNTERSIGN_OK;
}

int
discovery_need(struct oidc *o)
{
	int64_t age = o->host->boot_ms(o->host->context) - o->metadata.fetched_boot_ms;

	if (o->metadata.fixed || (o->metadata.known && age < o->settings.keys_max_age_ms))
		return COUNTERSIGN_OK;
	return discovery_fetch(o);
}
