/* SPDX-License-Identifier: Apache-2.0 */
/* What a client signs, by OpenSSL. */
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "plugins/lib/encoding.h"
#include "plugins/lib/signing.h"

enum { RSA_BITS_MIN = 2048 };  /* RFC 7518 section 3.3 */

struct signing_key {
	EVP_PKEY *key;
	unsigned can;               /* 1 << enum oidc_algorithm */
	enum oidc_algorithm usual;
	int coordinate;             /* bytes of r and of s; 0: not ECDSA */
};

/* By group or type of a key: what it signs, and how. */
static const struct {
	const char *type, *group;
	enum oidc_algorithm first, last;  /* of the enum's order */
	int coordinate;
} kinds[] = {
	{"RSA", NULL, OIDC_RS256, OIDC_PS512, 0},
	{"EC", "prime256v1", OIDC_ES256, OIDC_ES256, 32},
	{"EC", "secp384r1", OIDC_ES384, OIDC_ES384, 48},
	{"EC", "secp521r1", OIDC_ES512, OIDC_ES512, 66},
	{"ED25519", NULL, OIDC_EDDSA, OIDC_EDDSA, 0},
};

int
signing_no_passphrase(char *to, int size, int writing, void *context)
{
	(void)to, (void)size, (void)writing, (void)context;
	return -1;
}

static bool
classify(struct signing_key *k)
{
	char group[32] = "";

	(void)EVP_PKEY_get_utf8_string_param(k->key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group), NULL);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!EVP_PKEY_is_a(k->key, kinds[i].type) ||
		    (kinds[i].group != NULL && strcmp(kinds[i].group, group) != 0))
			continue;
		for (int a = (int)kinds[i].first; a <= (int)kinds[i].last; a++)
			k->can |= 1U << a;
		k->usual = kinds[i].first;
		k->coordinate = kinds[i].coordinate;
		return !EVP_PKEY_is_a(k->key, "RSA") || EVP_PKEY_get_bits(k->key) >= RSA_BITS_MIN;
	}
	return false;
}

struct signing_key *
signing_key_new(struct countersign_view pem)
{
	struct signing_key *k = calloc(1, sizeof(*k));
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);

	if (k != NULL && bio != NULL && pem.len > 0 && pem.len <= SIGNING_PEM_MAX)
		k->key = PEM_read_bio_PrivateKey(bio, NULL, signing_no_passphrase, NULL);
	BIO_free(bio);
	ERR_clear_error();
	if (k != NULL && k->key != NULL && classify(k))
		return k;
	signing_key_free(k);
	return NULL;
}

void
signing_key_free(struct signing_key *k)
{
	if (k == NULL)
		return;
	EVP_PKEY_free(k->key);
	free(k);
}

enum oidc_algorithm
signing_key_algorithm(const struct signing_key *k)
{
	return k->usual;
}

bool
signing_key_can(const struct signing_key *k, enum oidc_algorithm a)
{
	return a < OIDC_ALGORITHM_COUNT && (k->can & 1U << a) != 0;
}

static const EVP_MD *
hash_of(enum oidc_algorithm a)
{
	static const EVP_MD *(*const hashes[OIDC_ALGORITHM_COUNT])(void) = {
		[OIDC_RS256] = EVP_sha256, [OIDC_PS256] = EVP_sha256, [OIDC_ES256] = EVP_sha256,
		[OIDC_RS384] = EVP_sha384, [OIDC_PS384] = EVP_sha384, [OIDC_ES384] = EVP_sha384,
		[OIDC_RS512] = EVP_sha512, [OIDC_PS512] = EVP_sha512, [OIDC_ES512] = EVP_sha512,
	};

	return hashes[a] == NULL ? NULL : hashes[a]();
}

/* RFC 7518 section 3.5: the salt is as long as the hash. */
static bool
set_padding(EVP_PKEY_CTX *ctx, enum oidc_algorithm a)
{
	if (a != OIDC_PS256 && a != OIDC_PS384 && a != OIDC_PS512)
		return true;
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0;
}

/* RFC 7518 section 3.4: r and s in fixed width instead of DER. False where it is no signature. */
static bool
flatten(unsigned char *signature, size_t *len, int coordinate)
{
	const unsigned char *at = signature;
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)*len);
	bool good = pair != NULL &&
	    BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, coordinate) == coordinate &&
	    BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + coordinate, coordinate) == coordinate;

	ECDSA_SIG_free(pair);
	*len = 2 * (size_t)coordinate;
	return good;
}

int
signing_sign(const struct signing_key *k, enum oidc_algorithm a, struct countersign_view data,
    struct countersign_buffer *to)
{
	unsigned char signature[SIGNING_BYTES_MAX];
	size_t len = sizeof(signature);
	EVP_MD_CTX *ctx;
	EVP_PKEY_CTX *key = NULL;
	bool good;

	if (!signing_key_can(k, a))
		return COUNTERSIGN_INVALID;
	ctx = EVP_MD_CTX_new();
	good = ctx != NULL && EVP_DigestSignInit(ctx, &key, hash_of(a), NULL, k->key) == 1 &&
	    set_padding(key, a) &&
	    EVP_DigestSign(ctx, signature, &len, (const unsigned char *)data.data, data.len) == 1;
	EVP_MD_CTX_free(ctx);
	if (!good || (k->coordinate != 0 && !flatten(signature, &len, k->coordinate)))
		return COUNTERSIGN_INTERNAL;
	return countersign_put(to, signature, len);
}

/* A JSON object, base64url. */
static void
put_part(struct countersign_buffer *to, int *rc, const json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);

	if (text == NULL)
		*rc = COUNTERSIGN_INTERNAL;
	else
		put_base64url(to, rc, countersign_view_of(text));
	free(text);
}

int
signing_put_jwt(const struct signing_key *k, enum oidc_algorithm a, const json_t *header,
    const json_t *claims, struct countersign_buffer *to)
{
	char memory[SIGNING_BYTES_MAX];
	struct countersign_buffer signature = {memory, sizeof(memory), 0};
	size_t from = to->len;
	json_t *whole = json_pack("{ss}", "alg", algorithm_name(a));
	int rc = COUNTERSIGN_OK;

	if (whole == NULL || (header != NULL && json_object_update_missing(whole, (json_t *)header) != 0))
		rc = COUNTERSIGN_INTERNAL;
	if (rc == COUNTERSIGN_OK)
		put_part(to, &rc, whole);
	json_decref(whole);
	put_text(to, &rc, ".");
	if (rc == COUNTERSIGN_OK)
		put_part(to, &rc, claims);
	if (rc == COUNTERSIGN_OK)
		rc = signing_sign(k, a, (struct countersign_view){to->data + from, to->len - from}, &signature);
	put_text(to, &rc, ".");
	put_base64url(to, &rc, (struct countersign_view){signature.data, signature.len});
	if (rc != COUNTERSIGN_OK)
		to->len = from;
	return rc;
}
