/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and what is done with them, over OpenSSL's EVP. A failure in here is a broken invariant. */
#include "broker/engine/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>

#include "broker/base/base64url.h"
#include "broker/base/check.h"
#include "broker/base/secret.h"

enum { SEAL_VERSION = 1, NONCE_BYTES = 12, TAG_BYTES = 16, KEY_BYTES = 32 };

struct keyring {
	EVP_MD *sha256;
	EVP_MD_CTX *digest;      /* has taken the digest key in: copied for each digest */
	EVP_MD_CTX *work;
	EVP_CIPHER *gcm, *ecb;
	EVP_CIPHER_CTX *seal;    /* keyed anew for each use */
	EVP_CIPHER_CTX *derive;  /* AES as the function that gives an account's key from its salt */
	uint8_t seal_key[KEY_BYTES];
	EVP_PKEY *receipt;
	char kid[32];
	char x[44], y[44];       /* public point, base64url */
};

static void
hkdf(const uint8_t master[KEY_BYTES], const char *label, uint8_t *to, size_t n)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)master, KEY_BYTES),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)label, strlen(label)),
		OSSL_PARAM_construct_end(),
	};

	CHECK(ctx != NULL && EVP_KDF_derive(ctx, to, n, params) == 1);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

/* A private key in 1..n-1 from 48 derived bytes: the bias of the reduction is below 2^-128 (FIPS 186-5, A.2.1). */
static EVP_PKEY *
receipt_key(const uint8_t master[KEY_BYTES])
{
	uint8_t wide[48], point[65];
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	BN_CTX *bn = BN_CTX_secure_new();
	BIGNUM *d = BN_secure_new(), *order = BN_new();
	EC_POINT *q = EC_POINT_new(group);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;
	OSSL_PARAM *params;

	hkdf(master, "countersign receipt", wide, sizeof(wide));
	CHECK(BN_bin2bn(wide, sizeof(wide), d) != NULL && EC_GROUP_get_order(group, order, bn) == 1);
	CHECK(BN_sub_word(order, 1) == 1 && BN_mod(d, d, order, bn) == 1 && BN_add_word(d, 1) == 1);
	CHECK(EC_POINT_mul(group, q, d, NULL, NULL, bn) == 1);
	CHECK(EC_POINT_point2oct(group, q, POINT_CONVERSION_UNCOMPRESSED, point, sizeof(point), bn) == sizeof(point));
	CHECK(OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) == 1 &&
	    OSSL_PARAM_BLD_push_BN_pad(bld, OSSL_PKEY_PARAM_PRIV_KEY, d, KEY_BYTES) == 1);
	params = OSSL_PARAM_BLD_to_param(bld);
	CHECK(EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params) == 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	EC_POINT_free(q);
	EC_GROUP_free(group);
	BN_clear_free(d);
	BN_free(order);
	BN_CTX_free(bn);
	secret_wipe(wide, sizeof(wide));
	return key;
}

static void
receipt_public(struct keyring *k)
{
	uint8_t point[65];
	size_t len = 0;
	struct hash thumb;
	char text[160];
	int n;

	CHECK(EVP_PKEY_get_octet_string_param(k->receipt, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &len) == 1 &&
	    len == sizeof(point));
	k->x[base64url_encode(point + 1, 32, k->x)] = '\0';
	k->y[base64url_encode(point + 33, 32, k->y)] = '\0';
	/* The kid is the key's thumbprint (RFC 7638), cut. */
	n = snprintf(text, sizeof(text), "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", k->x, k->y);
	CHECK(n > 0 && (size_t)n < sizeof(text));
	CHECK(EVP_Digest(text, (size_t)n, thumb.b, NULL, k->sha256, NULL) == 1);
	k->kid[base64url_encode(thumb.b, 16, k->kid)] = '\0';
}

struct keyring *
keyring_from(const uint8_t master[KEY_BYTES])
{
	struct keyring *k = calloc(1, sizeof(*k));
	uint8_t key[KEY_BYTES];

	CHECK(k != NULL);
	k->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	k->gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	k->ecb = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
	k->digest = EVP_MD_CTX_new();
	k->work = EVP_MD_CTX_new();
	k->seal = EVP_CIPHER_CTX_new();
	k->derive = EVP_CIPHER_CTX_new();
	CHECK(k->sha256 && k->gcm && k->ecb && k->digest && k->work && k->seal && k->derive);
	hkdf(master, "countersign digests", key, sizeof(key));
	CHECK(EVP_DigestInit_ex(k->digest, k->sha256, NULL) == 1 &&
	    EVP_DigestUpdate(k->digest, key, sizeof(key)) == 1 && EVP_DigestUpdate(k->digest, key, sizeof(key)) == 1);
	hkdf(master, "countersign account keys", key, sizeof(key));
	CHECK(EVP_EncryptInit_ex2(k->derive, k->ecb, key, NULL, NULL) == 1 &&
	    EVP_CIPHER_CTX_set_padding(k->derive, 0) == 1);
	hkdf(master, "countersign factor secrets", k->seal_key, sizeof(k->seal_key));
	secret_wipe(key, sizeof(key));
	k->receipt = receipt_key(master);
	receipt_public(k);
	return k;
}

static enum cs_err
make_master(const char *path, char why[256])
{
	uint8_t master[KEY_BYTES];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool written;

	if (fd < 0) {
		snprintf(why, 256, "%s: the master key cannot be made: %s", path, strerror(errno));
		return CS_ERR_SYSTEM;
	}
	secret_random(master, sizeof(master));
	written = write(fd, master, sizeof(master)) == (ssize_t)sizeof(master) && fsync(fd) == 0;
	secret_wipe(master, sizeof(master));
	close(fd);
	if (written)
		return CS_OK;
	snprintf(why, 256, "%s: the master key cannot be written: %s", path, strerror(errno));
	unlink(path);
	return CS_ERR_SYSTEM;
}

enum cs_err
keyring_open(const char *path, struct keyring **out, char why[256])
{
	struct secret *s = calloc(1, sizeof(*s));
	enum cs_err err;

	CHECK(s != NULL);
	if (access(path, F_OK) != 0 && errno == ENOENT && (err = make_master(path, why)) != CS_OK) {
		free(s);
		return err;
	}
	err = secret_read_file(path, false, s);
	if (err == CS_ERR_DENIED)
		snprintf(why, 256, "%s: others may read the master key, or it is not ours: chmod 600 and chown it", path);
	else if (err != CS_OK)
		snprintf(why, 256, "%s: the master key cannot be read: %s", path, strerror(errno));
	else if (s->len != KEY_BYTES) {
		snprintf(why, 256, "%s: a master key has %d bytes, this file has %zu: restore it from its copy", path,
		    KEY_BYTES, s->len);
		err = CS_ERR_RANGE;
	} else {
		*out = keyring_from(s->bytes);
	}
	secret_clear(s);
	free(s);
	return err;
}

void
keyring_free(struct keyring *k)
{
	if (k == NULL)
		return;
	EVP_MD_CTX_free(k->digest);
	EVP_MD_CTX_free(k->work);
	EVP_CIPHER_CTX_free(k->seal);
	EVP_CIPHER_CTX_free(k->derive);
	EVP_MD_free(k->sha256);
	EVP_CIPHER_free(k->gcm);
	EVP_CIPHER_free(k->ecb);
	EVP_PKEY_free(k->receipt);
	secret_wipe(k, sizeof(*k));
	free(k);
}

void
keyring_digest(const struct keyring *k, enum digest_kind kind, const struct view *parts, size_t n, struct hash *to)
{
	uint8_t head[5] = {(uint8_t)kind};

	/* The two key blocks before are already in: one copy of a context is cheaper than HMAC's two passes. */
	CHECK(EVP_MD_CTX_copy_ex(k->work, k->digest) == 1 && EVP_DigestUpdate(k->work, head, 1) == 1);
	for (size_t i = 0; i < n; i++) {
		uint32_t len = (uint32_t)parts[i].len;

		for (int b = 0; b < 4; b++)
			head[b] = (uint8_t)(len >> (8 * b));
		CHECK(EVP_DigestUpdate(k->work, head, 4) == 1 &&
		    EVP_DigestUpdate(k->work, parts[i].data, parts[i].len) == 1);
	}
	CHECK(EVP_DigestFinal_ex(k->work, to->b, NULL) == 1);
}

struct id
keyring_id(const struct keyring *k, enum digest_kind kind, const struct view *parts, size_t n)
{
	struct hash h;
	struct id id;

	keyring_digest(k, kind, parts, n, &h);
	memcpy(id.b, h.b, sizeof(id.b));
	return id;
}

void
sha256(struct view bytes, struct hash *to)
{
	static EVP_MD *md;
	static EVP_MD_CTX *ctx;

	if (md == NULL) {
		md = EVP_MD_fetch(NULL, "SHA256", NULL);
		ctx = EVP_MD_CTX_new();
	}
	CHECK(EVP_DigestInit_ex(ctx, md, NULL) == 1 && EVP_DigestUpdate(ctx, bytes.data, bytes.len) == 1 &&
	    EVP_DigestFinal_ex(ctx, to->b, NULL) == 1);
}

uint64_t
name_tag(struct view name)
{
	struct hash h;
	struct cursor c;
	uint64_t tag;

	sha256(name, &h);
	c = cursor_over(h.b, sizeof(h.b));
	tag = cursor_u64(&c);
	return tag == 0 ? 1 : tag;
}

/* An account's key: two blocks of AES over its salt, under a key that is used for nothing else. */
static void
account_key(const struct keyring *k, const struct id *salt, uint8_t key[KEY_BYTES])
{
	uint8_t blocks[KEY_BYTES];
	int n = 0;

	memcpy(blocks, salt->b, 16);
	memcpy(blocks + 16, salt->b, 16);
	blocks[31] ^= 1;
	CHECK(EVP_EncryptUpdate(k->derive, key, &n, blocks, sizeof(blocks)) == 1 && n == KEY_BYTES);
}

void
keyring_seal(const struct keyring *k, const struct id *salt, struct view aad, struct view text, struct buf *out)
{
	uint8_t key[KEY_BYTES], *to = buf_room(out, text.len + SEAL_OVERHEAD);
	int n;

	if (to == NULL)
		return;
	to[0] = SEAL_VERSION;
	secret_random(to + 1, NONCE_BYTES);
	if (salt != NULL)
		account_key(k, salt, key);
	CHECK(EVP_EncryptInit_ex2(k->seal, k->gcm, salt != NULL ? key : k->seal_key, to + 1, NULL) == 1);
	CHECK(aad.len == 0 || EVP_EncryptUpdate(k->seal, NULL, &n, (const uint8_t *)aad.data, (int)aad.len) == 1);
	CHECK(EVP_EncryptUpdate(k->seal, to + 1 + NONCE_BYTES, &n, (const uint8_t *)text.data, (int)text.len) == 1);
	CHECK(EVP_EncryptFinal_ex(k->seal, to + 1 + NONCE_BYTES + text.len, &n) == 1);
	CHECK(EVP_CIPHER_CTX_ctrl(k->seal, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, to + 1 + NONCE_BYTES + text.len) == 1);
	out->len += text.len + SEAL_OVERHEAD;
	secret_wipe(key, sizeof(key));
}

enum cs_err
keyring_open_sealed(const struct keyring *k, const struct id *salt, struct view aad, struct view sealed,
    struct buf *out)
{
	const uint8_t *from = (const uint8_t *)sealed.data;
	uint8_t key[KEY_BYTES], tag[TAG_BYTES], *to;
	size_t len;
	int n;
	bool good;

	if (sealed.len < SEAL_OVERHEAD || from[0] != SEAL_VERSION)
		return CS_ERR_CORRUPT;
	len = sealed.len - SEAL_OVERHEAD;
	if ((to = buf_room(out, len + 1)) == NULL)
		return CS_ERR_FULL;
	if (salt != NULL)
		account_key(k, salt, key);
	memcpy(tag, from + 1 + NONCE_BYTES + len, sizeof(tag));
	CHECK(EVP_DecryptInit_ex2(k->seal, k->gcm, salt != NULL ? key : k->seal_key, from + 1, NULL) == 1);
	CHECK(aad.len == 0 || EVP_DecryptUpdate(k->seal, NULL, &n, (const uint8_t *)aad.data, (int)aad.len) == 1);
	good = EVP_DecryptUpdate(k->seal, to, &n, from + 1 + NONCE_BYTES, (int)len) == 1 &&
	    EVP_CIPHER_CTX_ctrl(k->seal, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1 &&
	    EVP_DecryptFinal_ex(k->seal, to + len, &n) == 1;
	secret_wipe(key, sizeof(key));
	if (!good) {
		secret_wipe(to, len);
		return CS_ERR_CORRUPT;
	}
	out->len += len;
	return CS_OK;
}

void
keyring_sign(const struct keyring *k, struct view bytes, uint8_t signature[64])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[80];
	const uint8_t *at = der;
	size_t len = sizeof(der);
	ECDSA_SIG *sig;

	CHECK(ctx != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, k->receipt) == 1 &&
	    EVP_DigestSign(ctx, der, &len, (const uint8_t *)bytes.data, bytes.len) == 1);
	sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
	CHECK(sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), signature, 32) == 32 &&
	    BN_bn2binpad(ECDSA_SIG_get0_s(sig), signature + 32, 32) == 32);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(ctx);
}

void
keyring_jwk(const struct keyring *k, struct buf *out)
{
	char text[256];
	int n = snprintf(text, sizeof(text), "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\",\"kid\":\"%s\","
	    "\"alg\":\"ES256\",\"use\":\"sig\"}", k->x, k->y, k->kid);

	CHECK(n > 0 && (size_t)n < sizeof(text));
	buf_put(out, text, (size_t)n);
}

struct view
keyring_kid(const struct keyring *k)
{
	return view_str(k->kid);
}

uint32_t
totp_code(struct view secret, uint64_t step, unsigned digits, unsigned algorithm)
{
	static const uint32_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
	const EVP_MD *md = algorithm == 512 ? EVP_sha512() : algorithm == 256 ? EVP_sha256() : EVP_sha1();
	uint8_t counter[8], mac[EVP_MAX_MD_SIZE];
	unsigned len = 0, at;
	uint32_t number;

	CHECK(digits >= 6 && digits <= 8);
	for (int i = 0; i < 8; i++)
		counter[i] = (uint8_t)(step >> (56 - 8 * i));
	CHECK(HMAC(md, secret.data, (int)secret.len, counter, sizeof(counter), mac, &len) != NULL);
	at = mac[len - 1] & 15;
	number = (uint32_t)(mac[at] & 0x7f) << 24 | (uint32_t)mac[at + 1] << 16 | (uint32_t)mac[at + 2] << 8 |
	    mac[at + 3];
	secret_wipe(mac, sizeof(mac));
	return number % powers[digits];
}
