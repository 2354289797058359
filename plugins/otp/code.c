/* SPDX-License-Identifier: Apache-2.0 */
/* Making and checking codes; the digest is libcrypto's. */
#include "plugins/otp/code.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>

enum {
	KEPT_VERSION = 1,
	ANSWER_MAX = 32,  /* bytes of an answer that are looked at: ten digits with blanks between */
	INPUT_MAX = OTP_SALT_BYTES + 2 + OTP_CHALLENGE_MAX + 2 + 254 + OTP_DIGITS_MAX,
};

void
otp_code_make(const struct countersign_host_v1 *host, unsigned digits, char code[OTP_DIGITS_MAX + 1])
{
	uint64_t range = 1, value, most;

	for (unsigned i = 0; i < digits; i++)
		range *= 10;
	/* Values past the last whole range would make small codes likelier. */
	most = UINT64_MAX - UINT64_MAX % range;
	do {
		host->random(host->context, &value, sizeof(value));
	} while (value >= most);
	snprintf(code, OTP_DIGITS_MAX + 1, "%0*llu", (int)digits, (unsigned long long)(value % range));
	explicit_bzero(&value, sizeof(value));
}

static size_t
add(unsigned char *to, size_t n, struct countersign_view v)
{
	to[n] = (unsigned char)(v.len >> 8);
	to[n + 1] = (unsigned char)v.len;
	if (v.len > 0)
		memcpy(to + n + 2, v.data, v.len);
	return n + 2 + v.len;
}

/* Lengths stand before what has one, so that no two inputs run into the same bytes. */
static int
digest(const struct otp_purpose *p, const uint8_t *salt, const char *code, size_t code_len, uint8_t to[OTP_DIGEST_BYTES])
{
	unsigned char input[INPUT_MAX];
	size_t n = OTP_SALT_BYTES;
	int ok;

	if (p->challenge.len > OTP_CHALLENGE_MAX || p->address.len > 254 || code_len > OTP_DIGITS_MAX)
		return COUNTERSIGN_INVALID;
	memcpy(input, salt, OTP_SALT_BYTES);
	n = add(input, n, p->challenge);
	n = add(input, n, p->address);
	memcpy(input + n, code, code_len);
	ok = EVP_Digest(input, n + code_len, to, NULL, EVP_sha256(), NULL);
	explicit_bzero(input, sizeof(input));
	return ok == 1 ? COUNTERSIGN_OK : COUNTERSIGN_INTERNAL;
}

int
otp_code_keep(const struct countersign_host_v1 *host, const struct otp_purpose *purpose, const char *code,
    int64_t expires_ms, uint8_t kept[OTP_KEPT_BYTES])
{
	uint8_t *salt = kept + 2, *end = salt + OTP_SALT_BYTES + OTP_DIGEST_BYTES;

	kept[0] = KEPT_VERSION;
	kept[1] = (uint8_t)strlen(code);
	host->random(host->context, salt, OTP_SALT_BYTES);
	for (int i = 0; i < 8; i++)
		end[i] = (uint8_t)((uint64_t)expires_ms >> (56 - 8 * i));
	return digest(purpose, salt, code, strlen(code), salt + OTP_SALT_BYTES);
}

/* The digits of an answer; what is too long or holds anything else becomes a code that nothing can match. */
static void
digits_of(struct countersign_view answer, size_t digits, char *to)
{
	size_t n = 0;

	memset(to, 'x', digits);
	for (size_t i = 0; i < answer.len && answer.len <= ANSWER_MAX; i++) {
		char c = answer.data[i];

		if (c == ' ' || c == '-')
			continue;
		if (c < '0' || c > '9' || n == digits) {
			n = 0;
			break;
		}
		to[n++] = c;
	}
	if (n != digits)
		memset(to, 'x', digits);
}

int
otp_code_check(const struct otp_purpose *purpose, struct countersign_view kept, struct countersign_view answer,
    int64_t now_ms, bool *right)
{
	const uint8_t *k = (const uint8_t *)kept.data;
	uint8_t wanted[OTP_DIGEST_BYTES];
	char typed[OTP_DIGITS_MAX];
	uint64_t expires = 0;
	int rc;

	if (kept.len != OTP_KEPT_BYTES || k[0] != KEPT_VERSION || k[1] < OTP_DIGITS_MIN || k[1] > OTP_DIGITS_MAX)
		return COUNTERSIGN_INVALID;
	for (size_t i = OTP_KEPT_BYTES - 8; i < OTP_KEPT_BYTES; i++)
		expires = expires << 8 | k[i];
	digits_of(answer, k[1], typed);
	rc = digest(purpose, k + 2, typed, k[1], wanted);
	explicit_bzero(typed, sizeof(typed));
	if (rc == COUNTERSIGN_OK)
		*right = CRYPTO_memcmp(wanted, k + 2 + OTP_SALT_BYTES, OTP_DIGEST_BYTES) == 0 && now_ms < (int64_t)expires;
	return rc;
}
