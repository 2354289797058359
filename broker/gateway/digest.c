/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 by OpenSSL. */
#include "broker/gateway/digest.h"

#include <openssl/evp.h>

#include "broker/base/check.h"

enum { DIGEST_BYTES = DIGEST_HEX / 2 };

static void
hex_put(char *to, const uint8_t *from, size_t n)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		to[2 * i] = hex[from[i] >> 4];
		to[2 * i + 1] = hex[from[i] & 15];
	}
}

void
digest_hex(const char *label, struct view a, struct view b, char to[DIGEST_HEX])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t sum[DIGEST_BYTES];

	CHECK(ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1);
	CHECK(EVP_DigestUpdate(ctx, label, strlen(label) + 1) == 1);
	CHECK(EVP_DigestUpdate(ctx, a.data, a.len) == 1 && EVP_DigestUpdate(ctx, "", 1) == 1);
	CHECK(EVP_DigestUpdate(ctx, b.data, b.len) == 1 && EVP_DigestFinal_ex(ctx, sum, NULL) == 1);
	EVP_MD_CTX_free(ctx);
	hex_put(to, sum, sizeof(sum));
}

void
digest_base64(struct view bytes, char to[DIGEST_BASE64 + 1])
{
	uint8_t sum[DIGEST_BYTES];

	CHECK(EVP_Digest(bytes.data, bytes.len, sum, NULL, EVP_sha256(), NULL) == 1);
	CHECK(EVP_EncodeBlock((uint8_t *)to, sum, sizeof(sum)) == DIGEST_BASE64);
}
