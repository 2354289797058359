/* SPDX-License-Identifier: Apache-2.0 */
/* The keys: known answers that were computed without this code, and what must not open or verify. */
#include "broker/engine/keyring.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "broker/base/base64url.h"
#include "tests/unit/unit.h"

static struct keyring *
counting(void)
{
	uint8_t master[32];

	for (int i = 0; i < 32; i++)
		master[i] = (uint8_t)i;
	return keyring_from(master);
}

static void
to_hex(const uint8_t *bytes, size_t n, char *to)
{
	for (size_t i = 0; i < n; i++)
		snprintf(to + 2 * i, 3, "%02x", bytes[i]);
}

/* HKDF, the digest and the receipt key, as Python's hmac, hashlib and cryptography compute them from the same bytes. */
static void
test_known_answers(void **state)
{
	struct keyring *k = counting();
	struct view parts[2] = {VIEW("realm"), VIEW("alice")};
	uint8_t jwk[512];
	struct buf b = buf_over(jwk, sizeof(jwk) - 1);
	char hex[65];
	struct hash h;

	(void)state;
	keyring_digest(k, DIGEST_ACCOUNT, parts, 2, &h);
	to_hex(h.b, sizeof(h.b), hex);
	assert_string_equal(hex, "224152203d932ff6d0e167b053b55e8500c333bf7368c386e6cbc8b34e40ab22");
	keyring_jwk(k, &b);
	jwk[b.len] = '\0';
	assert_non_null(strstr((char *)jwk, "\"x\":\"OYLIt58nhruKHQNd7Q9ZneGm2RBc69wgGOXFXbWFQNo\""));
	assert_non_null(strstr((char *)jwk, "\"y\":\"AsfBNIK1TGyBOX9TH__WiSVmMOzylEtCXk192xZe2eU\""));
	keyring_free(k);
}

static void
test_digests_differ(void **state)
{
	static const enum digest_kind kinds[] = {DIGEST_ACCOUNT, DIGEST_SUBJECT, DIGEST_PAYMENT, DIGEST_PAYEE,
		DIGEST_CAPTURE, DIGEST_REFUND, DIGEST_CONTENT, DIGEST_PAIRWISE};
	enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };
	struct view whole[2] = {VIEW("ab"), VIEW("c")}, split[2] = {VIEW("a"), VIEW("bc")};
	struct id ids[KINDS], other;
	struct keyring *k = counting();
	static const uint8_t master[32] = {1};
	struct keyring *stranger = keyring_from(master);

	(void)state;
	/* By kind: the same bytes in two roles. */
	for (int i = 0; i < KINDS; i++) {
		ids[i] = keyring_id(k, kinds[i], whole, 2);
		for (int j = 0; j < i; j++)
			assert_false(id_equal(&ids[i], &ids[j]));
	}
	/* By where the parts end, by how many there are, and by the key. */
	other = keyring_id(k, DIGEST_ACCOUNT, split, 2);
	assert_false(id_equal(&ids[0], &other));
	other = keyring_id(k, DIGEST_ACCOUNT, whole, 1);
	assert_false(id_equal(&ids[0], &other));
	other = keyring_id(stranger, DIGEST_ACCOUNT, whole, 2);
	assert_false(id_equal(&ids[0], &other));
	other = keyring_id(k, DIGEST_ACCOUNT, whole, 2);
	assert_true(id_equal(&ids[0], &other));
	keyring_free(stranger);
	keyring_free(k);
}

static enum cs_err
open_with(const struct keyring *k, const struct id *salt, struct view aad, struct view sealed)
{
	uint8_t clear[64] = {0};
	struct buf b = buf_over(clear, sizeof(clear));
	enum cs_err err = keyring_open_sealed(k, salt, aad, sealed, &b);

	if (err == CS_OK)
		assert_view_equal(buf_view(&b), "secret");
	else
		assert_null(memmem(clear, sizeof(clear), "secret", 6));
	return err;
}

static void
test_seal_opens_in_its_place_alone(void **state)
{
	static const uint8_t master[32] = {1};
	static const struct id salt = {{5}}, other_salt = {{6}};
	struct keyring *k = counting(), *stranger = keyring_from(master);
	uint8_t bytes[64];

	(void)state;
	for (int i = 0; i < 2; i++) {
		const struct id *s = i == 0 ? &salt : NULL;
		struct buf b = buf_over(bytes, sizeof(bytes));
		struct view sealed;

		keyring_seal(k, s, VIEW("place"), VIEW("secret"), &b);
		sealed = buf_view(&b);
		assert_int_equal(sealed.len, 6 + SEAL_OVERHEAD);
		assert_int_equal(open_with(k, s, VIEW("place"), sealed), CS_OK);
		assert_int_equal(open_with(k, s, VIEW("other"), sealed), CS_ERR_CORRUPT);
		assert_int_equal(open_with(k, s, VIEW(""), sealed), CS_ERR_CORRUPT);
		assert_int_equal(open_with(k, &other_salt, VIEW("place"), sealed), CS_ERR_CORRUPT);
		assert_int_equal(open_with(k, i == 0 ? NULL : &salt, VIEW("place"), sealed), CS_ERR_CORRUPT);
		assert_int_equal(open_with(stranger, s, VIEW("place"), sealed), CS_ERR_CORRUPT);
		for (size_t at = 0; at < sealed.len; at++) {
			bytes[at] ^= 0x40;
			assert_int_equal(open_with(k, s, VIEW("place"), sealed), CS_ERR_CORRUPT);
			bytes[at] ^= 0x40;
		}
	}
	keyring_free(stranger);
	keyring_free(k);
}

static void
test_the_same_text_never_seals_the_same(void **state)
{
	struct keyring *k = counting();
	uint8_t a[64], b[64];
	struct buf to_a = buf_over(a, sizeof(a)), to_b = buf_over(b, sizeof(b));

	(void)state;
	keyring_seal(k, NULL, VIEW("p"), VIEW("secret"), &to_a);
	keyring_seal(k, NULL, VIEW("p"), VIEW("secret"), &to_b);
	assert_memory_not_equal(a, b, to_a.len);
	keyring_free(k);
}

/* The public key as a relying party reads it: from the JWK alone. */
static EVP_PKEY *
key_of_jwk(const struct keyring *k)
{
	uint8_t text[512], point[65] = {4};
	struct buf b = buf_over(text, sizeof(text));
	json_t *jwk;
	size_t n;
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;
	OSSL_PARAM *params;

	keyring_jwk(k, &b);
	jwk = json_loadb((char *)text, b.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(jwk);
	for (int i = 0; i < 2; i++) {
		const char *v = json_string_value(json_object_get(jwk, i == 0 ? "x" : "y"));

		assert_int_equal(base64url_decode(view_str(v), point + 1 + 32 * i, 32, &n), CS_OK);
		assert_int_equal(n, 32);
	}
	assert_string_equal(json_string_value(json_object_get(jwk, "alg")), "ES256");
	assert_string_equal(json_string_value(json_object_get(jwk, "use")), "sig");
	json_decref(jwk);
	OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
	OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point));
	params = OSSL_PARAM_BLD_to_param(bld);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static bool
verifies(EVP_PKEY *key, const uint8_t signature[64], struct view text)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t *der = NULL;
	int len;
	bool good;

	ECDSA_SIG_set0(sig, BN_bin2bn(signature, 32, NULL), BN_bin2bn(signature + 32, 32, NULL));
	len = i2d_ECDSA_SIG(sig, &der);
	assert_true(len > 0);
	assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
	good = EVP_DigestVerify(ctx, der, (size_t)len, (const uint8_t *)text.data, text.len) == 1;
	OPENSSL_free(der);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(ctx);
	return good;
}

static void
test_receipts_verify_with_the_published_key(void **state)
{
	static const uint8_t master[32] = {1};
	struct keyring *k = counting(), *stranger = keyring_from(master);
	EVP_PKEY *key = key_of_jwk(k), *other = key_of_jwk(stranger);
	uint8_t signature[64];

	(void)state;
	/* Often, so that short numbers occur: r and s keep their leading zeros. */
	for (int i = 0; i < 300; i++) {
		keyring_sign(k, VIEW("header.payload"), signature);
		assert_true(verifies(key, signature, VIEW("header.payload")));
	}
	assert_false(verifies(key, signature, VIEW("header.payloae")));
	assert_false(verifies(other, signature, VIEW("header.payload")));
	signature[40] ^= 1;
	assert_false(verifies(key, signature, VIEW("header.payload")));
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
	keyring_free(stranger);
	keyring_free(k);
}

static void
test_master_key_is_made_once_and_kept_close(void **state)
{
	char dir[] = "/tmp/cs-keyring-XXXXXX", path[64], why[256] = "";
	struct view part = VIEW("x");
	struct keyring *k;
	struct id before, after;
	struct stat st;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/master.key", dir);
	assert_int_equal(keyring_open(path, &k, why), CS_OK);
	before = keyring_id(k, DIGEST_ACCOUNT, &part, 1);
	keyring_free(k);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(keyring_open(path, &k, why), CS_OK);
	after = keyring_id(k, DIGEST_ACCOUNT, &part, 1);
	keyring_free(k);
	assert_true(id_equal(&before, &after));

	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(keyring_open(path, &k, why), CS_ERR_DENIED);
	assert_non_null(strstr(why, "chmod 600"));
	assert_int_equal(chmod(path, 0600), 0);
	fd = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "short", 5), 5);
	close(fd);
	assert_int_equal(keyring_open(path, &k, why), CS_ERR_RANGE);
	unlink(path);
	rmdir(dir);
}

/* RFC 4226, appendix D. */
static void
test_hotp_vectors(void **state)
{
	static const uint32_t values[] = {755224, 287082, 359152, 969429, 338314, 254676, 287922, 162583, 399871, 520489};

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(totp_code(VIEW("12345678901234567890"), i, 6, 1), values[i]);
}

/* RFC 6238, appendix B, with the secrets of errata 2866. */
static void
test_totp_vectors(void **state)
{
	static const struct {
		uint64_t time;
		uint32_t sha1, sha256, sha512;
	} cases[] = {
		{59, 94287082, 46119246, 90693936},
		{1111111109, 7081804, 68084774, 25091201},
		{1111111111, 14050471, 67062674, 99943326},
		{1234567890, 89005924, 91819424, 93441116},
		{2000000000, 69279037, 90698825, 38618901},
		{20000000000, 65353130, 77737706, 47863826},
	};
	static const char seed[] = "1234567890123456789012345678901234567890123456789012345678901234";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(totp_code(view_of(seed, 20), cases[i].time / 30, 8, 1), cases[i].sha1);
		assert_int_equal(totp_code(view_of(seed, 32), cases[i].time / 30, 8, 256), cases[i].sha256);
		assert_int_equal(totp_code(view_of(seed, 64), cases[i].time / 30, 8, 512), cases[i].sha512);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_answers),
		cmocka_unit_test(test_digests_differ),
		cmocka_unit_test(test_seal_opens_in_its_place_alone),
		cmocka_unit_test(test_the_same_text_never_seals_the_same),
		cmocka_unit_test(test_receipts_verify_with_the_published_key),
		cmocka_unit_test(test_master_key_is_made_once_and_kept_close),
		cmocka_unit_test(test_hotp_vectors),
		cmocka_unit_test(test_totp_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
