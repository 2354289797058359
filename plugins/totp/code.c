/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Codes by liboath; comparison and the choice of the step are ours, because liboath guards against
 * neither replay.
 */
#include <liboath/oath.h>
#include <stdio.h>

#include "plugins/totp/code.h"

static const struct {
	const char *name;
	int flags;  /* of oath_totp_generate2() */
} algorithms[TOTP_ALGORITHM_COUNT] = {
	[TOTP_SHA1] = {"SHA1", 0},
	[TOTP_SHA256] = {"SHA256", OATH_TOTP_HMAC_SHA256},
	[TOTP_SHA512] = {"SHA512", OATH_TOTP_HMAC_SHA512},
};

const char *
totp_algorithm_name(enum totp_algorithm algorithm)
{
	return algorithm < TOTP_ALGORITHM_COUNT ? algorithms[algorithm].name : NULL;
}

enum totp_algorithm
totp_algorithm_of(struct countersign_view name)
{
	int i;

	for (i = 0; i < TOTP_ALGORITHM_COUNT; i++) {
		const char *n = algorithms[i].name;

		if (strlen(n) == name.len && memcmp(n, name.data, name.len) == 0)
			break;
	}
	return (enum totp_algorithm)i;
}

int
totp_code(const struct totp_parameters *p, struct countersign_view secret, int64_t step, char *code)
{
	/*
	 * The step is given as a time with a period of one second, so that no multiplication can
	 * overflow.
	 */
	int rc = oath_totp_generate2(secret.data, secret.len, (time_t)step, 1, 0, p->digits,
	    algorithms[p->algorithm].flags, code);

	return rc == OATH_OK ? COUNTERSIGN_OK : COUNTERSIGN_INTERNAL;
}

/* 1 when equal, in a time that depends on len alone. */
static unsigned
bytes_equal(const char *a, const char *b, size_t len)
{
	unsigned char differ = 0;

	for (size_t i = 0; i < len; i++)
		differ |= (unsigned char)(a[i] ^ b[i]);
	return differ == 0;
}

int
totp_match(const struct totp_parameters *p, struct countersign_view secret,
    struct countersign_view answer, int64_t last_step, int64_t now_ms, int64_t *step)
{
	char code[TOTP_DIGITS_MAX + 1], typed[TOTP_DIGITS_MAX + 1] = {0};
	int64_t now = now_ms / 1000 / p->period_s, found = -1;

	if (now_ms < 0 || p->period_s == 0)
		return COUNTERSIGN_INVALID;
	/* A wrong length is compared too, with bytes that no code contains. */
	if (answer.len == p->digits)
		memcpy(typed, answer.data, answer.len);
	for (int64_t s = now - p->drift; s <= now + p->drift; s++) {
		if (totp_code(p, secret, s < 0 ? 0 : s, code) != COUNTERSIGN_OK)
			return COUNTERSIGN_INTERNAL;
		if (bytes_equal(code, typed, p->digits) && s > last_step && s >= 0)
			found = s;
	}
	explicit_bzero(code, sizeof(code));
	*step = found;
	return COUNTERSIGN_OK;
}

static void
put_text(struct countersign_buffer *to, int *rc, const char *text, size_t len)
{
	if (*rc != COUNTERSIGN_OK || len > to->cap - to->len) {
		*rc = COUNTERSIGN_FULL;
		return;
	}
	memcpy(to->data + to->len, text, len);
	to->len += len;
}

/* RFC 3986 percent-encoding of all but unreserved characters. */
static void
put_escaped(struct countersign_buffer *to, int *rc, struct countersign_view v)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < v.len; i++) {
		unsigned char c = (unsigned char)v.data[i];
		char escaped[3] = {'%', hex[c >> 4], hex[c & 15]};

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '.' || c == '_' || c == '~')
			put_text(to, rc, v.data + i, 1);
		else
			put_text(to, rc, escaped, sizeof(escaped));
	}
}

/* RFC 4648 base32 without padding, as apps expect it. */
static void
put_base32(struct countersign_buffer *to, int *rc, struct countersign_view v)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	unsigned bits = 0, have = 0;

	for (size_t i = 0; i < v.len || have > 0;) {
		if (have < 5 && i < v.len) {
			bits = bits << 8 | (unsigned char)v.data[i++];
			have += 8;
		} else if (have < 5) {
			bits <<= 5 - have;
			have = 5;
		}
		while (have >= 5) {
			put_text(to, rc, &letters[bits >> (have - 5) & 31], 1);
			have -= 5;
		}
		bits &= 0xff;
	}
}

int
totp_uri(const struct totp_parameters *p, struct countersign_view secret,
    struct countersign_view issuer, struct countersign_view account, struct countersign_buffer *to)
{
	char tail[64];
	int rc = COUNTERSIGN_OK;
	int n = snprintf(tail, sizeof(tail), "&algorithm=%s&digits=%u&period=%u",
	    totp_algorithm_name(p->algorithm), p->digits, p->period_s);

	to->len = 0;
	put_text(to, &rc, "otpauth://totp/", strlen("otpauth://totp/"));
	put_escaped(to, &rc, issuer);
	put_text(to, &rc, ":", 1);
	put_escaped(to, &rc, account);
	put_text(to, &rc, "?secret=", strlen("?secret="));
	put_base32(to, &rc, secret);
	put_text(to, &rc, "&issuer=", strlen("&issuer="));
	put_escaped(to, &rc, issuer);
	put_text(to, &rc, tail, (size_t)n);
	return rc;
}
