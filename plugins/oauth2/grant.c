/* SPDX-License-Identifier: Apache-2.0 */
/* What a token must say, whether it says so itself (RFC 9068) or its issuer does (RFC 7662). */
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "plugins/lib/encoding.h"
#include "plugins/lib/jws.h"
#include "plugins/oauth2/oauth2.h"

bool
oauth2_digest(struct countersign_view data, char to[OAUTH2_DIGEST_TEXT + 1])
{
	unsigned char digest[OAUTH2_DIGEST];
	struct countersign_buffer text = {to, OAUTH2_DIGEST_TEXT, 0};
	unsigned len = 0;
	int rc = COUNTERSIGN_OK;

	if (EVP_Digest(data.data, data.len, digest, &len, EVP_sha256(), NULL) != 1 || len != sizeof(digest))
		return false;
	put_base64url(&text, &rc, (struct countersign_view){(char *)digest, len});
	to[text.len] = '\0';
	return rc == COUNTERSIGN_OK;
}

static bool
has_audience(const struct oauth2 *a, const json_t *aud)
{
	size_t n = json_is_array(aud) ? json_array_size(aud) : 1;

	for (size_t i = 0; i < n; i++) {
		struct countersign_view one = json_text(json_is_array(aud) ? json_array_get(aud, i) : aud);

		for (size_t k = 0; one.len > 0 && k < a->audiences_count; k++)
			if (view_is(one, a->audiences[k]))
				return true;
	}
	return false;
}

/* RFC 6749 section 3.3: words parted by a space. */
static bool
has_scope(struct countersign_view granted, struct countersign_view scope)
{
	const char *at = granted.data, *end = at == NULL ? NULL : at + granted.len;

	while (at != NULL && at < end) {
		const char *space = memchr(at, ' ', (size_t)(end - at));
		size_t len = (size_t)((space == NULL ? end : space) - at);

		if (view_is((struct countersign_view){at, len}, scope))
			return true;
		at = space == NULL ? NULL : space + 1;
	}
	return false;
}

static int
check_times(const struct oidc_settings *s, const json_t *claims, int64_t now, bool introspected, struct grant *g)
{
	int64_t iat = 0, nbf = 0;
	bool has, has_iat, has_nbf;

	if (jws_time(claims, "exp", true, &has, &g->expires_s) != COUNTERSIGN_OK ||
	    jws_time(claims, "iat", !introspected, &has_iat, &iat) != COUNTERSIGN_OK ||
	    jws_time(claims, "nbf", false, &has_nbf, &nbf) != COUNTERSIGN_OK)
		return COUNTERSIGN_BAD_TOKEN;
	if (iat > now + s->skew_s || (has_nbf && nbf > now + s->skew_s))
		return COUNTERSIGN_NOT_YET_VALID;
	/* No skew here: the broker takes no token that is over by its own clock. */
	if (g->expires_s <= now)
		return COUNTERSIGN_EXPIRED;
	if (has_iat && (g->expires_s <= iat || g->expires_s - iat > s->lifetime_max_s))
		return COUNTERSIGN_BAD_TOKEN;
	return COUNTERSIGN_OK;
}

/* A way of binding that we do not know is one that we cannot check. */
static int
read_binding(const struct oauth2 *a, const json_t *claims, struct grant *g)
{
	const json_t *cnf = json_object_get(claims, "cnf");

	if (cnf == NULL)
		return a->bound ? COUNTERSIGN_BAD_BINDING : COUNTERSIGN_OK;
	if (!json_is_object(cnf))
		return COUNTERSIGN_BAD_TOKEN;
	g->certificate = json_member_text(cnf, "x5t#S256");
	g->key = json_member_text(cnf, "jkt");
	if (json_object_size(cnf) != (size_t)(g->certificate.len > 0) + (g->key.len > 0) || json_object_size(cnf) == 0)
		return COUNTERSIGN_BAD_BINDING;
	return COUNTERSIGN_OK;
}

static int
read_client(const json_t *claims, struct grant *g)
{
	g->client = json_member_text(claims, "client_id");
	if (g->client.data == NULL)
		g->client = json_member_text(claims, "azp");
	return g->client.len == 0 || g->client.len > OIDC_TEXT_MAX || !view_is_printable(g->client) ? COUNTERSIGN_BAD_TOKEN :
	    COUNTERSIGN_OK;
}

int
grant_read(const struct oidc *o, const json_t *claims, int64_t now_s, bool introspected, struct grant *g)
{
	const struct oauth2 *a = oauth2_of(o);
	const json_t *iss = json_object_get(claims, "iss"), *aud = json_object_get(claims, "aud");
	int rc;

	if ((iss != NULL || !introspected) && !view_is(json_text(iss), o->settings.issuer))
		return COUNTERSIGN_BAD_ISSUER;
	if (aud == NULL || !has_audience(a, aud))
		return COUNTERSIGN_BAD_AUDIENCE;
	/*
	 * An ID token, a logout token and a security event have the same issuer and keys, and perhaps the same
	 * audience; the last two are for nobody's session.
	 */
	if (json_object_get(claims, "nonce") != NULL || json_object_get(claims, "at_hash") != NULL ||
	    json_object_get(claims, "events") != NULL)
		return COUNTERSIGN_BAD_TYPE;
	rc = check_times(&o->settings, claims, now_s, introspected, g);
	if (rc == COUNTERSIGN_OK)
		rc = read_client(claims, g);
	for (size_t i = 0; rc == COUNTERSIGN_OK && i < a->scopes_count; i++)
		if (!has_scope(json_member_text(claims, "scope"), a->scopes[i]))
			rc = COUNTERSIGN_BAD_AUDIENCE;
	return rc == COUNTERSIGN_OK ? read_binding(a, claims, g) : rc;
}

static int
hex_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 8705 section 3.1: the digest of the certificate as base64url; the broker says it in hexadecimal. */
static bool
certificate_is(struct countersign_view hex, struct countersign_view thumbprint)
{
	unsigned char is[OAUTH2_DIGEST], want[OAUTH2_DIGEST + 1];
	size_t len;

	if (hex.len != 2 * sizeof(is) || !base64url_decode(thumbprint, want, sizeof(want), &len) || len != sizeof(is))
		return false;
	for (size_t i = 0; i < sizeof(is); i++) {
		int high = hex_of(hex.data[2 * i]), low = hex_of(hex.data[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		is[i] = (unsigned char)(high << 4 | low);
	}
	return CRYPTO_memcmp(is, want, sizeof(is)) == 0;
}

int
grant_check_binding(const struct oidc *o, const struct grant *g, const struct countersign_token *in,
    struct countersign_view jkt)
{
	(void)o;
	if (g->certificate.len > 0 && !certificate_is(in->certificate, g->certificate))
		return COUNTERSIGN_BAD_BINDING;
	/* Both ways: a bound token as a bearer's (section 7.2), and a bearer's with whatever proof (section 7.1). */
	if ((g->key.len > 0) != (jkt.len > 0))
		return COUNTERSIGN_BAD_BINDING;
	if (g->key.len > 0 && !view_is(g->key, jkt))
		return COUNTERSIGN_BAD_BINDING;
	return COUNTERSIGN_OK;
}
