/* SPDX-License-Identifier: Apache-2.0 */
/* ID tokens. */
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "plugins/lib/encoding.h"
#include "plugins/lib/evidence.h"
#include "plugins/lib/idtoken.h"

enum {
	AUDIENCES_MAX = 16,
};

int
idtoken_check_header(const struct oidc_settings *settings, struct jws *t)
{
	return jws_check_header(settings, t, "JWT", true);
}

int
idtoken_check_issuer(const struct oidc_settings *settings, const struct jws *t)
{
	struct countersign_view iss = json_member_text(t->claims, "iss");

	if (iss.data == NULL)
		return COUNTERSIGN_BAD_TOKEN;
	if (settings->kind != NULL && settings->kind->check_issuer != NULL)
		return settings->kind->check_issuer(settings, t);
	if (view_is(iss, settings->issuer))
		return COUNTERSIGN_OK;
	for (size_t i = 0; i < settings->aliases_count; i++)
		if (view_is(iss, settings->aliases[i]))
			return COUNTERSIGN_OK;
	return COUNTERSIGN_BAD_ISSUER;
}

static int
check_times(const struct oidc_settings *s, const struct jws *t, int64_t now,
    struct countersign_identity *identity)
{
	int64_t exp = 0, iat = 0, nbf = 0, auth = 0;
	bool has, has_nbf, has_auth;

	if (jws_time(t->claims, "exp", true, &has, &exp) != COUNTERSIGN_OK ||
	    jws_time(t->claims, "iat", true, &has, &iat) != COUNTERSIGN_OK ||
	    jws_time(t->claims, "nbf", false, &has_nbf, &nbf) != COUNTERSIGN_OK ||
	    jws_time(t->claims, "auth_time", s->max_age_s > 0, &has_auth, &auth) !=
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

static bool
is_other_audience(const struct oidc_settings *s, struct countersign_view id)
{
	for (size_t i = 0; i < s->audiences_count; i++)
		if (id.len > 0 && view_is(id, s->audiences[i]))
			return true;
	return false;
}

/*
 * Every audience must be a client of ours, or configured as harmless: one that we do not know could replay
 * the token to us. With several, azp must say for which of them it was made; and where it is present at
 * all, it must be ours.
 */
static int
check_audience(const struct oidc_settings *s, const struct jws *t, const struct idtoken_expect *e,
    struct countersign_buffer *audience)
{
	const json_t *aud = json_object_get(t->claims, "aud");
	const json_t *azp_value = json_object_get(t->claims, "azp");
	struct countersign_view azp = json_text(azp_value), found = {NULL, 0};
	size_t n = json_is_array(aud) ? json_array_size(aud) : 1;

	if (n > AUDIENCES_MAX || (azp_value != NULL && azp.data == NULL))
		return COUNTERSIGN_BAD_TOKEN;
	for (size_t i = 0; i < n; i++) {
		struct countersign_view one = json_text(json_is_array(aud) ? json_array_get(aud, i) : aud);

		if (one.data == NULL)
			return COUNTERSIGN_BAD_TOKEN;
		if (!is_client(e, one) && !is_other_audience(s, one))
			return COUNTERSIGN_BAD_AUDIENCE;
		if (is_client(e, one) && (found.data == NULL || (azp.data != NULL && view_is(one, azp))))
			found = one;
	}
	if (n == 0)
		return COUNTERSIGN_BAD_TOKEN;
	if (found.data == NULL || (azp.data != NULL && !is_client(e, azp)) || (azp.data == NULL && n > 1))
		return COUNTERSIGN_BAD_AUDIENCE;
	return countersign_put(audience, found.data, found.len);
}

static int
check_nonce(const struct jws *t, const struct idtoken_expect *e, struct countersign_buffer *to)
{
	struct countersign_view nonce = json_member_text(t->claims, "nonce");

	if (nonce.len == 0 || nonce.len != e->nonce.len ||
	    CRYPTO_memcmp(nonce.data, e->nonce.data, nonce.len) != 0)
		return COUNTERSIGN_BAD_NONCE;
	return countersign_put(to, nonce.data, nonce.len);
}

static int
put_subject(const struct jws *t, struct countersign_buffer *to)
{
	struct countersign_view sub = json_member_text(t->claims, "sub");

	if (sub.len == 0 || sub.len > OIDC_TEXT_MAX || !view_is_printable(sub))
		return COUNTERSIGN_BAD_TOKEN;
	return countersign_put(to, sub.data, sub.len);
}

/* For people only; too long is as good as absent. */
static void
put_display(const struct oidc_settings *s, const struct jws *t, struct countersign_buffer *to)
{
	char name[64];
	struct countersign_view v;

	to->len = 0;
	if (s->display_claim.len >= sizeof(name) || view_is_text(s->display_claim, "none"))
		return;
	memcpy(name, s->display_claim.data, s->display_claim.len);
	name[s->display_claim.len] = '\0';
	v = json_member_text(t->claims, name);
	if (v.len <= OIDC_TEXT_MAX)
		(void)countersign_put(to, v.data, v.len);
}

/* Whether a claim says so: as a string, as true or false, or as a member of an array of strings. */
static bool
says(const json_t *claim, struct countersign_view value)
{
	const json_t *one;
	size_t i;

	if (json_is_boolean(claim))
		return view_is_text(value, json_is_true(claim) ? "true" : "false");
	if (json_is_string(claim))
		return view_is(json_text(claim), value);
	json_array_foreach(claim, i, one)
		if (json_is_string(one) && view_is(json_text(one), value))
			return true;
	return false;
}

/* OpenID Connect Core 1.0 section 3.1.3.7, number 12: what was asked for must have been reached. */
static bool
check_acr(const struct oidc_settings *s, const struct jws *t)
{
	struct countersign_view acr = json_member_text(t->claims, "acr");

	for (size_t i = 0; i < s->acr_count; i++)
		if (acr.len > 0 && view_is(acr, s->acr[i]))
			return true;
	return s->acr_count == 0;
}

static int
check_conditions(const struct oidc_settings *s, const struct jws *t)
{
	if (!check_acr(s, t))
		return COUNTERSIGN_BAD_TOKEN;
	for (size_t i = 0; i < s->conditions_count; i++)
		if (!says(json_object_get(t->claims, s->conditions[i].name), s->conditions[i].value))
			return COUNTERSIGN_BAD_TOKEN;
	return COUNTERSIGN_OK;
}

/* OpenID Connect Core 1.0 section 5.1: the provider took steps to make sure that the person controls it. */
static void
put_evidence(const struct oidc_settings *s, const struct jws *t, struct countersign_identity *identity)
{
	if (s->email_evidence && claim_is_true(t->claims, "email_verified"))
		evidence_put(identity, "email", 0, json_member_text(t->claims, "email"));
	if (s->phone_evidence && claim_is_true(t->claims, "phone_number_verified"))
		evidence_put(identity, "phone", 0, json_member_text(t->claims, "phone_number"));
}

int
idtoken_check_claims(const struct oidc_settings *s, const struct jws *t,
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
		rc = check_audience(s, t, expect, &identity->audience);
	if (rc == COUNTERSIGN_OK)
		rc = check_times(s, t, expect->now_s, identity);
	if (rc == COUNTERSIGN_OK)
		rc = check_nonce(t, expect, &identity->nonce);
	if (rc == COUNTERSIGN_OK)
		rc = put_subject(t, &identity->subject);
	if (rc == COUNTERSIGN_OK)
		rc = countersign_put(&identity->issuer, s->issuer.data, s->issuer.len);
	if (rc == COUNTERSIGN_OK)
		rc = check_conditions(s, t);
	if (rc == COUNTERSIGN_OK) {
		put_display(s, t, &identity->display);
		put_evidence(s, t, identity);
	}
	if (rc == COUNTERSIGN_OK && s->kind != NULL && s->kind->check_claims != NULL)
		rc = s->kind->check_claims(s, t, identity);
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
idtoken_check_at_hash(const struct jws *t, struct countersign_view access_token)
{
	const json_t *claim = json_object_get(t->claims, "at_hash");
	unsigned char hash[EVP_MAX_MD_SIZE], said[EVP_MAX_MD_SIZE];
	unsigned hash_len = 0;
	size_t len;

	if (claim == NULL)
		return COUNTERSIGN_OK;
	if (access_token.data == NULL ||
	    !base64url_decode(json_text(claim), said, sizeof(said), &len) ||
	    EVP_Digest(access_token.data, access_token.len, hash, &hash_len,
	        hash_of(t->algorithm), NULL) != 1)
		return COUNTERSIGN_BAD_TOKEN;
	return len == hash_len / 2 && CRYPTO_memcmp(hash, said, len) == 0 ? COUNTERSIGN_OK :
	    COUNTERSIGN_BAD_TOKEN;
}

int
idtoken_verify(struct oidc *o, struct jws *t, const struct idtoken_expect *expect,
    struct countersign_identity *identity)
{
	int rc = idtoken_check_header(&o->settings, t);

	if (rc == COUNTERSIGN_OK)
		rc = idtoken_check_issuer(&o->settings, t);
	if (rc == COUNTERSIGN_OK)
		rc = jws_verify(o, t, NULL);
	if (rc == COUNTERSIGN_OK)
		rc = idtoken_check_claims(&o->settings, t, expect, identity);
	return rc;
}
