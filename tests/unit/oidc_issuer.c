/* SPDX-License-Identifier: Apache-2.0 */
/* An issuer for tests. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>
#include <stdio.h>

#include "tests/unit/oidc_issuer.h"
#include "tests/unit/unit.h"

struct issuer_key
issuer_key_new(const char *kid, const char *alg)
{
	struct issuer_key k = {.kid = kid, .alg = alg};

	if (strcmp(alg, "RS256") == 0)
		k.key = EVP_RSA_gen(2048);
	else if (strcmp(alg, "ES256") == 0)
		k.key = EVP_EC_gen("P-256");
	else
		k.key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	assert_non_null(k.key);
	return k;
}

void
issuer_key_free(struct issuer_key *k)
{
	EVP_PKEY_free(k->key);
	k->key = NULL;
}

char *
issuer_base64url(const void *data, size_t len)
{
	char *text = malloc(4 * ((len + 2) / 3) + 1);
	int n = EVP_EncodeBlock((unsigned char *)text, data, (int)len);

	while (n > 0 && text[n - 1] == '=')
		n--;
	text[n] = '\0';
	for (int i = 0; i < n; i++)
		text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
	return text;
}

static void
set_number(json_t *jwk, const char *name, const struct issuer_key *k, const char *parameter,
    int width)
{
	unsigned char bytes[512];
	BIGNUM *n = NULL;
	char *text;

	assert_int_equal(EVP_PKEY_get_bn_param(k->key, parameter, &n), 1);
	if (width == 0)
		width = BN_num_bytes(n);
	BN_bn2binpad(n, bytes, width);
	text = issuer_base64url(bytes, (size_t)width);
	json_object_set_new(jwk, name, json_string(text));
	free(text);
	BN_free(n);
}

json_t *
issuer_jwk(const struct issuer_key *k)
{
	json_t *jwk = json_pack("{ss ss ss}", "kid", k->kid, "alg", k->alg, "use", "sig");

	if (strcmp(k->alg, "RS256") == 0) {
		json_object_set_new(jwk, "kty", json_string("RSA"));
		set_number(jwk, "n", k, OSSL_PKEY_PARAM_RSA_N, 0);
		set_number(jwk, "e", k, OSSL_PKEY_PARAM_RSA_E, 0);
	} else if (strcmp(k->alg, "ES256") == 0) {
		json_object_set_new(jwk, "kty", json_string("EC"));
		json_object_set_new(jwk, "crv", json_string("P-256"));
		set_number(jwk, "x", k, OSSL_PKEY_PARAM_EC_PUB_X, 32);
		set_number(jwk, "y", k, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
	} else {
		unsigned char x[32];
		size_t len = sizeof(x);
		char *text;

		assert_int_equal(EVP_PKEY_get_raw_public_key(k->key, x, &len), 1);
		text = issuer_base64url(x, len);
		json_object_set_new(jwk, "kty", json_string("OKP"));
		json_object_set_new(jwk, "crv", json_string("Ed25519"));
		json_object_set_new(jwk, "x", json_string(text));
		free(text);
	}
	return jwk;
}

json_t *
issuer_patch(json_t *base, const char *patch)
{
	json_t *changes = json_loads(patch == NULL ? "{}" : patch, 0, NULL), *v;
	const char *name;

	assert_non_null(changes);
	json_object_foreach(changes, name, v)
	{
		if (json_is_null(v))
			json_object_del(base, name);
		else
			json_object_set(base, name, v);
	}
	json_decref(changes);
	return base;
}

static char *
part(json_t *value)
{
	char *json = json_dumps(value, JSON_COMPACT), *text;

	text = issuer_base64url(json, strlen(json));
	free(json);
	json_decref(value);
	return text;
}

/* ECDSA as JOSE writes it: r and s, 32 bytes each. */
static size_t
to_jose(unsigned char *signature, size_t len)
{
	const unsigned char *at = signature;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)len);

	BN_bn2binpad(ECDSA_SIG_get0_r(sig), signature, 32);
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), signature + 32, 32);
	ECDSA_SIG_free(sig);
	return 64;
}

char *
issuer_sign(const struct issuer_key *k, json_t *header, json_t *claims)
{
	unsigned char signature[512];
	size_t len = sizeof(signature);
	char *h = part(header), *c = part(claims), *text = NULL, *s;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool eddsa = strcmp(k->alg, "EdDSA") == 0;
	char *input = malloc(strlen(h) + strlen(c) + 2);

	snprintf(input, strlen(h) + strlen(c) + 2, "%s.%s", h, c);
	assert_int_equal(
	    EVP_DigestSignInit(ctx, NULL, eddsa ? NULL : EVP_sha256(), NULL, k->key), 1);
	assert_int_equal(
	    EVP_DigestSign(ctx, signature, &len, (unsigned char *)input, strlen(input)), 1);
	EVP_MD_CTX_free(ctx);
	if (strcmp(k->alg, "ES256") == 0)
		len = to_jose(signature, len);
	s = issuer_base64url(signature, len);
	text = malloc(strlen(input) + strlen(s) + 2);
	snprintf(text, strlen(input) + strlen(s) + 2, "%s.%s", input, s);
	free(input);
	free(h);
	free(c);
	free(s);
	return text;
}
