/* SPDX-License-Identifier: Apache-2.0 */
/* ID tokens. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <strings.h>

#include "plugins/oidc/encoding.h"
#include "plugins/oidc/idtoken.h"
#include "plugins/oidc/jwks.h"
#include "plugins/oidc/signature.h"

enum {
	AUDIENCES_MAX = 16,
};

/* The end of the year 9999: far from any overflow once it is in milliseconds. */
#define TIME_MAX_S INT64_C(253402300799)

static struct countersign_view
string_of(const json_t *v)
{
	if (!json_is_string(v))
		return countersign_view_of(NULL);
	return (struct countersign_view){json_string_value(v), json_string_length(v)};
}

/*
 * One part, decoded and parsed; NULL where it is not base64url of a JSON object without duplicate
 * members.
 */
static json_t *
part_read(struct countersign_view part)
{
	size_t cap = part.len, len;
	unsigned char *bytes = malloc(cap + 1);
	json_t *v = NULL;

	if (bytes != NULL && base64url_decode(part, bytes, cap, &len))
		v = json_read_object((char *)bytes, len);
	free(bytes);
	return v;
}

int
idtoken_read(struct countersign_view text, struct idtoken *t)
{
	struct idtoken got = {.algorithm = OIDC_ALGORITHM_COUNT};
	const char *first, *second;

	if (text.len == 0 || text.len > OIDC_TOKEN_MAX || memchr(text.data, '\0', text.len) != NULL)
		return COUNTERSIGN_BAD_TOKEN;
	got.text = strndup(text.data, text.len);
	if (got.text == NULL)
		return COUNTERSIGN_INTERNAL;
	first = strchr(got.text, '.');
	second = first == NULL ? NULL : strchr(first + 1, '.');
	/* Three parts: five are an encrypted token, which nobody asked for. */
	if (second != NULL && strchr(second + 1, '.') == NULL) {
		got.header = part_read((struct countersign_view){got.text,
		    (size_t)(first - got.text)});
		got.claims = part_read((struct countersign_view){first + 1,
		    (size_t)(second - first - 1)});
	}
	if (got.header == NULL || got.claims == NULL) {
		idtoken_clear(&got);
		return COUNTERSIGN_BAD_TOKEN;
	}
	*t = got;
	return COUNTERSIGN_OK;
}

void
idtoken_clear(struct idtoken *t)
{
	json_decref(t->header);
	json_decref(t->claims);
	if (t->text != NULL)
		OPENSSL_cleanse(t->text, strlen(t->text));
	free(t->text);
	memset(t, 0, sizeof(*t));
}

int
idtoken_check_header(const struct oidc_settings *settings, struct idtoken *t)
{
	const json_t *typ = json_object_get(t->header, "typ"),
		     *kid = json_object_get(t->header, "kid");

	/*
	 * RFC 8725 section 3.11: an access token, a logout token and a security event name
	 * themselves here.
	 */
	if (typ != NULL && (!json_is_string(typ) || strcasecmp(json_string_value(typ), "JWT") != 0))
		return COUNTERSIGN_BAD_TYPE;
	if (json_object_get(t->header, "crit") != NULL ||
	    json_object_get(t->header, "b64") != NULL ||
	    json_object_get(t->header, "zip") != NULL || json_object_get(t->header, "enc") != NULL)
		return COUNTERSIGN_BAD_TOKEN;
	t->algorithm = signature_algorithm_of(string_of(json_object_get(t->header, "alg")));
	if (t->algorithm == OIDC_ALGORITHM_COUNT ||
	    (settings->algorithms & 1U << t->algorithm) == 0)
		return COUNTERSIGN_BAD_ALGORITHM;
	t->kid = string_of(kid);
	if (kid != NULL && (t->kid.data == NULL || t->kid.len == 0 || t->kid.len > JWKS_KID_MAX))
		return COUNTERSIGN_BAD_KEY;
	return COUNTERSIGN_OK;
}

int
idtoken_check_issuer(const struct oidc_settings *settings, const struct idtoken *t)
{
	struct countersign_view iss = string_of(json_object_get(t->claims, "iss"));

	if (iss.data == NULL)
		return COUNTERSIGN_BAD_TOKEN;
	if (view_is(iss, settings->issuer))
		return COUNTERSIGN_OK;
	for (size_t i = 0; i < settings->aliases_count; i++)
		if (view_is(iss, settings->aliases[i]))
			return COUNTERSIGN_OK;
	return COUNTERSIGN_BAD_ISSUER;
}

/* A NumericDate (RFC 7519 section 2): seconds, a fraction is cut off. */
static int
read_time(const json_t *claims, const char *name, bool required, bool *present, int64_t *to)
{
	const json_t *v = json_object_get(claims, name);
	double d = json_number_value(v);

	*present = v != NULL;
	if (v == NULL)
		return required ? COUNTERSIGN_BAD_TOKEN : COUNTERSIGN_OK;
	if (!json_is_number(v) || !(d >= 0) || d > (double)TIME_MAX_S)
		return COUNTERSIGN_BAD_TOKEN;
	*to = (int64_t)d;
	return COUNTERSIGN_OK;
}

static int
check_times(const struct oidc_settings *s, const struct idtoken *t, int64_t now,
    struct countersign_identity *identity)
{
	int64_t exp = 0, iat = 0, nbf = 0, auth = 0;
	bool has, has_nbf, has_auth;

	if (read_time(t->claims, "exp", true, &has, &exp) != COUNTERSIGN_OK ||
	    read_time(t->claims, "iat", true, &has, &iat) != COUNTERSIGN_OK ||
	    read_time(t->claims, "nbf", false, &has_nbf, &nbf) != COUNTERSIGN_OK ||
	    read_time(t->claims, "auth_time", s->max_age_s > 0, &has_auth, &auth) !=
	        COUNTERSIGN_OK)
		return COUNTERSIGN_BAD_TOKEN;
	if (iat > now + s->skew_s || (has_nbf && nbf > now + s->skew_s) ||
	    (has_auth && auth > now + s->skew_s))
		return COUNTERSIGN_NOT_YET_VALID;
	if (exp + s->skew_s <= now || now - iat > s->age_max_s + s->skew_s)
		return COUNTERSIGN_EXPIRED;
	if (s->max_age_s > 0 && now - auth > s->max_age_s + s->skew_s)
		return COUNTERSIGN_EXPIRED;
	if (exp <= iat || exp - iat > s->lifetime_max_s)
		return COUNTERSIGN_BAD_TOKEN;
	identity->auth_time_ms = has_auth ? auth * 1000 : COUNTERSIGN_NO_TIME;
	identity->issued_at_ms = iat * 1000;
	identity->expires_at_ms = exp * 1000;
	return COUNTERSIGN_OK;
}

static bool
is_client(const struct idtoken_expect *e, struct countersign_view id)
{
	for (size_t i = 0; i < e->clients_count; i++)
		if (id.len > 0 && view_is(id, e->clients[i]))
			return true;
	return false;
}

/*
 * Every audience must be a client of ours: one that we do not know could replay the token to us.
 * With several, azp must say for which of them it was made; and where it is present at all, it must
 * be ours.
 */
static int
check_audience(const struct idtoken *t, const struct idtoken_expect *e,
    struct countersign_buffer *audience)
{
	const json_t *aud = json_object_get(t->claims, "aud");
	const json_t *azp_value = json_object_get(t->claims, "azp");
	struct countersign_view azp = string_of(azp_value), found;
	size_t n = json_is_array(aud) ? json_array_size(aud) : 1;

	found = string_of(json_is_array(aud) ? json_array_get(aud, 0) : aud);
	if (found.data == NULL || n > AUDIENCES_MAX || (azp_value != NULL && azp.data == NULL))
		return COUNTERSIGN_BAD_TOKEN;
	for (size_t i = 0; i < n; i++) {
		struct countersign_view one =
		    string_of(json_is_array(aud) ? json_array_get(aud, i) : aud);

		if (one.data == NULL)
			return COUNTERSIGN_BAD_TOKEN;
		if (!is_client(e, one))
			return COUNTERSIGN_BAD_AUDIENCE;
		if (azp.data != NULL && view_is(one, azp))
			found = one;
	}
	if ((azp.data != NULL && !is_client(e, azp)) || (azp.data == NULL && n > 1))
		return COUNTERSIGN_BAD_AUDIENCE;
	return countersign_put(audience, found.data, found.len);
}

static int
check_nonce(const struct idtoken *t, const struct idtoken_expect *e, struct countersign_buffer *to)
{
	struct countersign_view nonce = string_of(json_object_get(t->claims, "nonce"));

	if (nonce.len == 0 || nonce.len != e->nonce.len ||
	    CRYPTO_memcmp(nonce.data, e->nonce.data, nonce.len) != 0)
		return COUNTERSIGN_BAD_NONCE;
	return countersign_put(to, nonce.data, nonce.len);
}

static int
put_subject(const struct idtoken *t, struct countersign_buffer *to)
{
	struct countersign_view sub = string_of(json_object_get(t->claims, "sub"));

	if (sub.len == 0 || sub.len > OIDC_TEXT_MAX)
		return COUNTERSIGN_BAD_TOKEN;
	for (size_t i = 0; i < sub.len; i++)
		if ((unsigned char)sub.data[i] < ' ' || sub.data[i] == 0x7f)
			return COUNTERSIGN_BAD_TOKEN;
	return countersign_put(to, sub.data, sub.len);
}

/* For people only; too long is as good as absent. */
static void
put_display(const struct oidc_settings *s, const struct idtoken *t, struct countersign_buffer *to)
{
	char name[64];
	struct countersign_view v;

	to->len = 0;
	if (s->display_claim.len >= sizeof(name) || view_is_text(s->display_claim, "none"))
		return;
	memcpy(name, s->display_claim.data, s->display_claim.len);
	name[s->display_claim.len] = '\0';
	v = string_of(json_object_get(t->claims, name));
	if (v.len <= OIDC_TEXT_MAX)
		(void)countersign_put(to, v.data, v.len);
}

int
idtoken_check_claims(const struct oidc_settings *s, const struct idtoken *t,
    const struct idtoken_expect *expect, struct countersign_identity *identity)
{
	int rc = idtoken_check_issuer(s, t);

	/*
	 * OpenID Connect Back-Channel Logout 2.4: a logout token has iss, aud, iat, sub too, and
	 * `events`.
	 */
	if (rc == COUNTERSIGN_OK && json_object_get(t->claims, "events") != NULL)
		rc = COUNTERSIGN_BAD_TYPE;
	if (rc == COUNTERSIGN_OK)
		rc = check_audience(t, expect, &identity->audience);
	if (rc == COUNTERSIGN_OK)
		rc = check_times(s, t, expect->now_s, identity);
	if (rc == COUNTERSIGN_OK)
		rc = check_nonce(t, expect, &identity->nonce);
	if (rc == COUNTERSIGN_OK)
		rc = put_subject(t, &identity->subject);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&identity->issuer, s->issuer.data, s->issuer.len);
	if (rc == COUNTERSIGN_OK)
		put_display(s, t, &identity->display);
	return rc;
}

static const EVP_MD *
hash_of(enum oidc_algorithm a)
{
	switch (a) {
	case OIDC_RS384:
	case OIDC_PS384:
	case OIDC_ES384:
		return EVP_sha384();
	case OIDC_RS512:
	case OIDC_PS512:
	case OIDC_ES512:
	case OIDC_EDDSA:  /* Ed25519 hashes with SHA-512 */
		return EVP_sha512();
	default:
		return EVP_sha256();
	}
}

int
idtoken_check_at_hash(const struct idtoken *t, struct countersign_view access_token)
{
	const json_t *claim = json_object_get(t->claims, "at_hash");
	unsigned char hash[EVP_MAX_MD_SIZE], said[EVP_MAX_MD_SIZE];
	unsigned hash_len = 0;
	size_t len;

	if (claim == NULL)
		return COUNTERSIGN_OK;
	if (access_token.data == NULL ||
	    !base64url_decode(string_of(claim), said, sizeof(said), &len) ||
	    EVP_Digest(access_token.data, access_token.len, hash, &hash_len,
	        hash_of(t->algorithm), NULL) != 1)
		return COUNTERSIGN_BAD_TOKEN;
	return len == hash_len / 2 && CRYPTO_memcmp(hash, said, len) == 0 ? COUNTERSIGN_OK :
	    COUNTERSIGN_BAD_TOKEN;
}

int
idtoken_verify(struct oidc *o, struct idtoken *t, const struct idtoken_expect *expect,
    struct countersign_identity *identity)
{
	const struct signature_key *key = NULL;
	int rc = idtoken_check_header(&o->settings, t);

	if (rc == COUNTERSIGN_OK)
		rc = idtoken_check_issuer(&o->settings, t);
	if (rc == COUNTERSIGN_OK)
		rc = jwks_lookup(o, t->kid, t->algorithm, &key);
	if (rc == COUNTERSIGN_OK)
		rc = signature_verify(o->signature, key, t->algorithm, t->text);
	if (rc == COUNTERSIGN_OK)
		rc = idtoken_check_claims(&o->settings, t, expect, identity);
	return rc;
}
