/* SPDX-License-Identifier: Apache-2.0 */
/* DPoP: a proof for one request, by the key that the token is bound to (RFC 9449). */
#include <stdio.h>
#include <strings.h>

#include "plugins/lib/encoding.h"
#include "plugins/lib/jws.h"
#include "plugins/lib/signature.h"
#include "plugins/oauth2/oauth2.h"

enum {
	JWK_TEXT_MAX = 2048,    /* the members of a key that count; RSA of 8192 bits takes 1400 */
	JTI_MAX = 255,
};

/* RFC 7638 section 3.2: the members that make a key, in the order of their names. */
static const struct {
	const char *type;
	const char *members[4];
} kinds[] = {
	{"EC", {"crv", "kty", "x", "y"}},
	{"OKP", {"crv", "kty", "x", NULL}},
	{"RSA", {"e", "kty", "n", NULL}},
};

/* All of these values are names or base64url, so that none needs escaping. */
static bool
plain(struct countersign_view v)
{
	for (size_t i = 0; i < v.len; i++)
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", v.data[i]) == NULL)
			return false;
	return v.len > 0;
}

static bool
is_private(const json_t *jwk)
{
	static const char *const members[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (json_object_get(jwk, members[i]) != NULL)
			return true;
	return false;
}

bool
proof_thumbprint(const json_t *jwk, char to[OAUTH2_DIGEST_TEXT + 1])
{
	struct countersign_view type = json_member_text(jwk, "kty");
	char memory[JWK_TEXT_MAX];
	struct countersign_buffer text = {memory, sizeof(memory), 0};
	int rc = COUNTERSIGN_OK;
	size_t kind = 0;

	while (kind < sizeof(kinds) / sizeof(kinds[0]) && !view_is_text(type, kinds[kind].type))
		kind++;
	if (kind == sizeof(kinds) / sizeof(kinds[0]) || is_private(jwk))
		return false;
	for (size_t i = 0; i < 4 && kinds[kind].members[i] != NULL; i++) {
		struct countersign_view v = json_member_text(jwk, kinds[kind].members[i]);

		if (!plain(v))
			return false;
		put_text(&text, &rc, i == 0 ? "{\"" : ",\"");
		put_text(&text, &rc, kinds[kind].members[i]);
		put_text(&text, &rc, "\":\"");
		put_view(&text, &rc, v);
		put_text(&text, &rc, "\"");
	}
	put_text(&text, &rc, "}");
	return rc == COUNTERSIGN_OK && oauth2_digest((struct countersign_view){text.data, text.len}, to);
}

/* Section 4.3, item 9: without query and fragment; scheme and host in any case. */
static bool
same_target(struct countersign_view htu, struct countersign_view url)
{
	const char *end = htu.data == NULL ? NULL : htu.data + strcspn(htu.data, "?#"), *path;
	size_t authority;

	if (end == NULL || (size_t)(end - htu.data) != url.len || url.len < sizeof("https://") - 1)
		return false;
	path = memchr(url.data + sizeof("https://") - 1, '/', url.len - (sizeof("https://") - 1));
	authority = path == NULL ? url.len : (size_t)(path - url.data);
	return strncasecmp(htu.data, url.data, authority) == 0 &&
	    memcmp(htu.data + authority, url.data + authority, url.len - authority) == 0;
}

static int
check_claims(const struct oidc *o, const json_t *claims, const struct countersign_token *in,
    struct countersign_token_answer *out)
{
	struct countersign_view jti = json_member_text(claims, "jti"), ath = json_member_text(claims, "ath");
	char digest[OAUTH2_DIGEST_TEXT + 1];
	int64_t iat = 0, now = in->call.now_ms / 1000;
	bool has;

	if (jti.len == 0 || jti.len > JTI_MAX || !view_is_printable(jti) || jws_time(claims, "iat", true, &has, &iat) != COUNTERSIGN_OK)
		return COUNTERSIGN_BAD_TOKEN;
	if (!view_is(json_member_text(claims, "htm"), in->method) ||
	    !same_target(json_member_text(claims, "htu"), in->url))
		return COUNTERSIGN_BAD_BINDING;
	if (!oauth2_digest(in->token, digest))
		return COUNTERSIGN_INTERNAL;
	if (!view_is_text(ath, digest))
		return COUNTERSIGN_BAD_BINDING;
	if (iat > now + o->settings.skew_s)
		return COUNTERSIGN_NOT_YET_VALID;
	if (iat < now - oauth2_of(o)->proof_age_s)
		return COUNTERSIGN_EXPIRED;
	out->proof_at_ms = iat * 1000;
	return countersign_put(&out->proof_id, jti.data, jti.len);
}

/* By the key that it carries: that this is the right one says the token, which names the key's thumbprint. */
static int
check_signature(struct oidc *o, const struct jws *t, char thumbprint[OAUTH2_DIGEST_TEXT + 1])
{
	const json_t *jwk = json_object_get(t->header, "jwk");
	struct signature_key *key;
	unsigned algorithms = 0;
	int rc = COUNTERSIGN_BAD_KEY;

	if (!json_is_object(jwk) || !proof_thumbprint(jwk, thumbprint))
		return COUNTERSIGN_BAD_KEY;
	key = signature_key_new(o->signature, jwk, &algorithms);
	if (key == NULL)
		return COUNTERSIGN_BAD_KEY;
	if ((algorithms & 1U << t->algorithm) != 0)
		rc = signature_verify(o->signature, key, t->algorithm, t->text);
	signature_key_free(o->signature, key);
	return rc;
}

int
proof_check(struct oidc *o, const struct countersign_token *in, char thumbprint[OAUTH2_DIGEST_TEXT + 1],
    struct countersign_token_answer *out)
{
	struct jws t;
	int rc = jws_read(in->proof, &t);

	if (rc != COUNTERSIGN_OK)
		return rc;
	rc = jws_check_header(&o->settings, &t, "dpop+jwt", false);
	if (rc == COUNTERSIGN_OK)
		rc = check_signature(o, &t, thumbprint);
	if (rc == COUNTERSIGN_OK)
		rc = check_claims(o, t.claims, in, out);
	jws_clear(&t);
	return rc;
}
