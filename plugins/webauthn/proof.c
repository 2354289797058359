/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures and certificates. */
#include "plugins/webauthn/proof.h"

#include <fido.h>
#include <fido/eddsa.h>
#include <fido/es256.h>
#include <fido/rs256.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509v3.h>

enum { AAGUID_EXTENSION_BYTES = 18 }; /* an octet string of 16 bytes within the extension's own */

static const int cose_of[] = {
    [ALGORITHM_ES256] = COSE_ES256,
    [ALGORITHM_EDDSA] = COSE_EDDSA,
    [ALGORITHM_RS256] = COSE_RS256,
};

void
proof_hash(struct countersign_view data, unsigned char to[CLIENT_DATA_HASH])
{
	unsigned n = CLIENT_DATA_HASH;

	if (EVP_Digest(data.data, data.len, to, &n, EVP_sha256(), NULL) != 1)
		memset(to, 0, CLIENT_DATA_HASH); /* the hash of nothing that anybody signed */
}

/* ---- what libfido2 cannot: RSA of another size than 2048 bits ----------------------------------
 */

enum { FIDO_RS256_LEN = 259, EXPONENT = 3 };

static bool
beyond_fido(const struct webauthn_key *key)
{
	return key->algorithm == ALGORITHM_RS256 && key->len != FIDO_RS256_LEN;
}

static EVP_PKEY *
rsa_new(const struct webauthn_key *key)
{
	BIGNUM *n = BN_bin2bn(key->bytes, (int)key->len - EXPONENT, NULL);
	BIGNUM *e = BN_bin2bn(key->bytes + key->len - EXPONENT, EXPONENT, NULL);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	EVP_PKEY *p = NULL;

	if (n != NULL && e != NULL && ctx != NULL && bld != NULL &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1)
		params = OSSL_PARAM_BLD_to_param(bld);
	if (params != NULL && EVP_PKEY_fromdata_init(ctx) == 1)
		(void)EVP_PKEY_fromdata(ctx, &p, EVP_PKEY_PUBLIC_KEY, params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	BN_free(n);
	BN_free(e);
	return p;
}

/* Over authenticator data and the hash, by a key that must be of this COSE algorithm. */
static int
verify(EVP_PKEY *p, int64_t cose, struct countersign_view authdata, const unsigned char *hash,
    struct countersign_view signature)
{
	static const struct {
		int64_t cose;
		int type;
	} types[] = {
	    {COSE_ES256, EVP_PKEY_EC}, {COSE_EDDSA, EVP_PKEY_ED25519}, {COSE_RS256, EVP_PKEY_RSA}};
	unsigned char signed_data[4096];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int rc = COUNTERSIGN_BAD_SIGNATURE;
	bool fits = false;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		fits = fits || (types[i].cose == cose && EVP_PKEY_get_base_id(p) == types[i].type);
	if (ctx == NULL || authdata.len > sizeof(signed_data) - CLIENT_DATA_HASH) {
		rc = COUNTERSIGN_INTERNAL;
	} else if (fits) {
		const EVP_MD *md = cose == COSE_EDDSA ? NULL : EVP_sha256();

		memcpy(signed_data, authdata.data, authdata.len);
		memcpy(signed_data + authdata.len, hash, CLIENT_DATA_HASH);
		if (EVP_DigestVerifyInit(ctx, NULL, md, NULL, p) == 1 &&
		    EVP_DigestVerify(ctx, (const unsigned char *)signature.data, signature.len,
			signed_data, authdata.len + CLIENT_DATA_HASH) == 1)
			rc = COUNTERSIGN_OK;
	}
	EVP_MD_CTX_free(ctx);
	return rc;
}

static int
attested_beyond_fido(const struct attestation *at, const struct authdata *a,
    const struct webauthn_key *key, bool self, const unsigned char *hash)
{
	X509 *x = NULL;
	EVP_PKEY *p = NULL;
	struct statement s;
	int rc = COUNTERSIGN_BAD_SIGNATURE;

	if (!statement_read(at->statement, &s))
		return rc;
	if (self) {
		p = rsa_new(key);
	} else {
		const unsigned char *der = (const unsigned char *)s.certificate.data;

		x = d2i_X509(NULL, &der, (long)s.certificate.len);
		p = x == NULL ? NULL : X509_get_pubkey(x);
	}
	if (p != NULL)
		rc = verify(p, s.algorithm, a->raw, hash, s.signature);
	EVP_PKEY_free(p);
	X509_free(x);
	return rc;
}

/* ---- libfido2 -------------------------------------------------------------------------------- */

/* The key as libfido2 has it; exactly one is there. */
struct fido_key {
	es256_pk_t *es256;
	eddsa_pk_t *eddsa;
	rs256_pk_t *rs256;
};

static const void *
key_new(const struct webauthn_key *key, struct fido_key *to)
{
	*to = (struct fido_key){NULL, NULL, NULL};
	switch (key->algorithm) {
	case ALGORITHM_ES256:
		to->es256 = es256_pk_new();
		return to->es256 != NULL &&
			       es256_pk_from_ptr(to->es256, key->bytes, key->len) == FIDO_OK
			   ? to->es256
			   : NULL;
	case ALGORITHM_EDDSA:
		to->eddsa = eddsa_pk_new();
		return to->eddsa != NULL &&
			       eddsa_pk_from_ptr(to->eddsa, key->bytes, key->len) == FIDO_OK
			   ? to->eddsa
			   : NULL;
	case ALGORITHM_RS256:
		to->rs256 = rs256_pk_new();
		return to->rs256 != NULL &&
			       rs256_pk_from_ptr(to->rs256, key->bytes, key->len) == FIDO_OK
			   ? to->rs256
			   : NULL;
	default:
		return NULL;
	}
}

static void
key_clear(struct fido_key *k)
{
	es256_pk_free(&k->es256);
	eddsa_pk_free(&k->eddsa);
	rs256_pk_free(&k->rs256);
}

bool
proof_key_good(const struct webauthn_key *key)
{
	struct fido_key k;
	EVP_PKEY *p = NULL;
	bool good;

	if (beyond_fido(key)) {
		k = (struct fido_key){NULL, NULL, NULL};
		p = rsa_new(key);
	} else if (key_new(key, &k) != NULL) {
		p = k.es256 != NULL   ? es256_pk_to_EVP_PKEY(k.es256)
		    : k.eddsa != NULL ? eddsa_pk_to_EVP_PKEY(k.eddsa)
				      : rs256_pk_to_EVP_PKEY(k.rs256);
	}
	good = p != NULL;
	if (good && key->algorithm == ALGORITHM_RS256) {
		/* 2048 bits at least; an exponent of one or an even one signs for everybody or
		 * nobody. */
		const unsigned char *e = key->bytes + key->len - EXPONENT;

		good = key->bytes[0] != 0 && EVP_PKEY_get_bits(p) >= 2048 && (e[2] & 1) != 0 &&
		       (e[0] != 0 || e[1] != 0 || e[2] > 1);
	}
	EVP_PKEY_free(p);
	key_clear(&k);
	return good;
}

/* libfido2 wants to be told of the extensions that it will find. */
static bool
set_extensions(fido_cred_t *c, const struct authdata_extensions *x)
{
	int mask =
	    (x->hmac_secret ? FIDO_EXT_HMAC_SECRET : 0) | (x->cred_blob ? FIDO_EXT_CRED_BLOB : 0);

	if (mask != 0 && fido_cred_set_extensions(c, mask) != FIDO_OK)
		return false;
	if (x->cred_protect > 0 && fido_cred_set_prot(c, (int)x->cred_protect) != FIDO_OK)
		return false;
	return x->min_pin_length < 0 ||
	       fido_cred_set_pin_minlen(c, (size_t)x->min_pin_length) == FIDO_OK;
}

static bool
fill(fido_cred_t *c, const struct attestation *at, const struct authdata *a,
    enum webauthn_algorithm algorithm, const char *rp_id, const unsigned char *hash)
{
	char format[16] = {0};

	if (at->format.len >= sizeof(format))
		return false;
	memcpy(format, at->format.data, at->format.len);
	/* The type first: authenticator data with a key of another one is refused. */
	return fido_cred_set_type(c, cose_of[algorithm]) == FIDO_OK &&
	       fido_cred_set_rp(c, rp_id, NULL) == FIDO_OK &&
	       fido_cred_set_clientdata_hash(c, hash, CLIENT_DATA_HASH) == FIDO_OK &&
	       fido_cred_set_authdata_raw(c, (const unsigned char *)a->raw.data, a->raw.len) ==
		   FIDO_OK &&
	       fido_cred_set_fmt(c, format) == FIDO_OK &&
	       fido_cred_set_attstmt(
		   c, (const unsigned char *)at->statement.data, at->statement.len) == FIDO_OK &&
	       set_extensions(c, &a->extensions);
}

/* rp_id with the NUL that libfido2 wants. */
static bool
text(struct countersign_view v, char to[256])
{
	if (v.len > 255)
		return false;
	memcpy(to, v.data, v.len);
	to[v.len] = '\0';
	return true;
}

int
proof_attestation(struct countersign_view rp_id, const struct attestation *at,
    const struct authdata *a, const struct webauthn_key *key, bool self,
    const unsigned char client_data_hash[CLIENT_DATA_HASH])
{
	fido_cred_t *c;
	char rp[256];
	int rc = COUNTERSIGN_BAD_SIGNATURE;

	if (beyond_fido(key))
		return attested_beyond_fido(at, a, key, self, client_data_hash);
	c = fido_cred_new();
	if (c == NULL || !text(rp_id, rp)) {
		fido_cred_free(&c);
		return COUNTERSIGN_INTERNAL;
	}
	if (fill(c, at, a, key->algorithm, rp, client_data_hash) &&
	    (self ? fido_cred_verify_self(c) : fido_cred_verify(c)) == FIDO_OK)
		rc = COUNTERSIGN_OK;
	fido_cred_free(&c);
	return rc;
}

/* id-fido-gen-ce-aaguid, where it is there, not critical and of this authenticator. */
static bool
names_aaguid(const X509 *x, struct countersign_view aaguid)
{
	ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.45724.1.1.4", 1);
	int at = oid == NULL ? -1 : X509_get_ext_by_OBJ(x, oid, -1);
	const X509_EXTENSION *e = at < 0 ? NULL : X509_get_ext(x, at);
	const ASN1_OCTET_STRING *v =
	    e == NULL ? NULL : X509_EXTENSION_get_data((X509_EXTENSION *)e);
	bool good = oid != NULL && at < 0;

	if (v != NULL) {
		const unsigned char *b = ASN1_STRING_get0_data(v);

		good = X509_EXTENSION_get_critical(e) == 0 &&
		       ASN1_STRING_length(v) == AAGUID_EXTENSION_BYTES &&
		       b[0] == V_ASN1_OCTET_STRING && b[1] == AUTHDATA_AAGUID &&
		       memcmp(b + 2, aaguid.data, AUTHDATA_AAGUID) == 0;
	}
	ASN1_OBJECT_free(oid);
	return good;
}

static bool
names_authenticator(X509 *x)
{
	X509_NAME *subject = X509_get_subject_name(x);
	char unit[64];

	return X509_NAME_get_index_by_NID(subject, NID_countryName, -1) >= 0 &&
	       X509_NAME_get_index_by_NID(subject, NID_organizationName, -1) >= 0 &&
	       X509_NAME_get_index_by_NID(subject, NID_commonName, -1) >= 0 &&
	       X509_NAME_get_text_by_NID(subject, NID_organizationalUnitName, unit, sizeof(unit)) >
		   0 &&
	       strcmp(unit, "Authenticator Attestation") == 0;
}

static bool
on_p256(X509 *x)
{
	EVP_PKEY *p = X509_get0_pubkey(x);
	char group[32];
	size_t len;

	return p != NULL && EVP_PKEY_get_base_id(p) == EVP_PKEY_EC &&
	       EVP_PKEY_get_group_name(p, group, sizeof(group), &len) == 1 &&
	       strcmp(group, "prime256v1") == 0;
}

bool
proof_certificate_good(struct countersign_view der, struct countersign_view aaguid, bool u2f)
{
	const unsigned char *at = (const unsigned char *)der.data;
	X509 *x = d2i_X509(NULL, &at, (long)der.len);
	bool good = x != NULL && at == (const unsigned char *)der.data + der.len;

	if (good && u2f)
		good = on_p256(x);
	else if (good)
		good = X509_get_version(x) == X509_VERSION_3 && X509_check_ca(x) == 0 &&
		       names_authenticator(x) && names_aaguid(x, aaguid);
	X509_free(x);
	return good;
}

int
proof_assertion(struct countersign_view rp_id, const struct webauthn_key *key,
    struct countersign_view authdata, const unsigned char client_data_hash[CLIENT_DATA_HASH],
    struct countersign_view signature)
{
	fido_assert_t *a;
	struct fido_key k;
	const void *pk;
	char rp[256];
	int rc = COUNTERSIGN_INTERNAL;

	if (beyond_fido(key)) {
		EVP_PKEY *p = rsa_new(key);

		rc = p == NULL ? rc : verify(p, COSE_RS256, authdata, client_data_hash, signature);
		EVP_PKEY_free(p);
		return rc;
	}
	a = fido_assert_new();
	pk = key_new(key, &k);
	if (a != NULL && pk != NULL && text(rp_id, rp)) {
		rc = fido_assert_set_rp(a, rp) == FIDO_OK &&
			     fido_assert_set_count(a, 1) == FIDO_OK &&
			     fido_assert_set_clientdata_hash(
				 a, client_data_hash, CLIENT_DATA_HASH) == FIDO_OK &&
			     fido_assert_set_authdata_raw(a, 0,
				 (const unsigned char *)authdata.data, authdata.len) == FIDO_OK &&
			     fido_assert_set_sig(a, 0, (const unsigned char *)signature.data,
				 signature.len) == FIDO_OK &&
			     fido_assert_verify(a, 0, cose_of[key->algorithm], pk) == FIDO_OK
			 ? COUNTERSIGN_OK
			 : COUNTERSIGN_BAD_SIGNATURE;
	}
	key_clear(&k);
	fido_assert_free(&a);
	return rc;
}
