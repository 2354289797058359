/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures of passkeys: ES256, EdDSA and RS256, by OpenSSL. */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "broker/base/check.h"
#include "broker/engine/passkey.h"
#include "countersign/passkey.h"

enum {
	POINT_HALF = 32,
	ED25519_KEY = 32,
	RSA_MODULUS_MIN = 256,
	RSA_EXPONENT = 3,
	SIGNED_MAX = 2048 + 32,  /* authenticator data, then the hash */
};

static EVP_PKEY *
from_params(const char *type, OSSL_PARAM_BLD *bld)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	CHECK(params != NULL && ctx != NULL);
	if (EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	return key;
}

/* A point on P-256; OpenSSL refuses one that is not. */
static EVP_PKEY *
es256_key(struct view v)
{
	uint8_t point[1 + 2 * POINT_HALF] = {4};
	OSSL_PARAM_BLD *bld;
	EVP_PKEY *key;

	if (v.len != sizeof(point) - 1)
		return NULL;
	memcpy(point + 1, v.data, v.len);
	bld = OSSL_PARAM_BLD_new();
	CHECK(bld != NULL && OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) == 1);
	key = from_params("EC", bld);
	OSSL_PARAM_BLD_free(bld);
	return key;
}

static EVP_PKEY *
rs256_key(struct view v)
{
	OSSL_PARAM_BLD *bld;
	BIGNUM *n, *e;
	EVP_PKEY *key;

	if (v.len < RSA_MODULUS_MIN + RSA_EXPONENT)
		return NULL;
	n = BN_bin2bn((const uint8_t *)v.data, (int)v.len - RSA_EXPONENT, NULL);
	e = BN_bin2bn((const uint8_t *)v.data + v.len - RSA_EXPONENT, RSA_EXPONENT, NULL);
	bld = OSSL_PARAM_BLD_new();
	CHECK(n != NULL && e != NULL && bld != NULL && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1);
	/* A modulus that is shorter than its bytes, and an exponent of one, sign anything too easily. */
	key = BN_num_bits(n) < 8 * RSA_MODULUS_MIN - 7 || BN_is_one(e) || !BN_is_odd(e) ? NULL : from_params("RSA", bld);
	OSSL_PARAM_BLD_free(bld);
	BN_free(n);
	BN_free(e);
	return key;
}

static EVP_PKEY *
key_of(unsigned algorithm, struct view v)
{
	switch (algorithm) {
	case COUNTERSIGN_PASSKEY_ES256:
		return es256_key(v);
	case COUNTERSIGN_PASSKEY_EDDSA:
		return v.len != ED25519_KEY ? NULL :
		    EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const uint8_t *)v.data, v.len);
	case COUNTERSIGN_PASSKEY_RS256:
		return rs256_key(v);
	default:
		return NULL;
	}
}

bool
passkey_signed(unsigned algorithm, struct view key, struct view signature, struct view authdata,
    const uint8_t client_data_hash[32])
{
	uint8_t bytes[SIGNED_MAX];
	struct buf b = buf_over(bytes, sizeof(bytes));
	EVP_PKEY *pkey = key_of(algorithm, key);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good;

	CHECK(ctx != NULL);
	buf_put_view(&b, authdata);
	buf_put(&b, client_data_hash, 32);
	good = pkey != NULL && !b.full &&
	    EVP_DigestVerifyInit(ctx, NULL, algorithm == COUNTERSIGN_PASSKEY_EDDSA ? NULL : EVP_sha256(), NULL, pkey) == 1 &&
	    EVP_DigestVerify(ctx, (const uint8_t *)signature.data, signature.len, b.data, b.len) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return good;
}
