/* SPDX-License-Identifier: Apache-2.0 */
/* Letters, check letter and digest of recovery codes. */
#include "plugins/recovery/codes.h"

#include <openssl/evp.h>

enum {
	SECRET_VERSION = 1,
	/*
	 * scrypt with 8 MiB and about 20 ms a guess. A code holds 75 bits, which is out of reach for anybody's own machines
	 * even with a fast digest; but a stolen store could be given to machines that were built for SHA-256 and try 2^70
	 * in a minute. Those compute no scrypt, and its memory leaves little for others to gain.
	 */
	SCRYPT_N = 8192,
	SCRYPT_R = 8,
	SCRYPT_P = 1,
	SCRYPT_MEMORY_MAX = 16 * 1024 * 1024,
};

static const char letters_printed[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* In GF(32), modulo x^5 + x^2 + 1: multiplied by x. */
static uint8_t
times_x(uint8_t v)
{
	v = (uint8_t)(v << 1);
	return (v & 32) != 0 ? v ^ 37 : v;
}

/*
 * The sum of letter i times x^(i+1): the powers differ, and so one wrong letter or two letters changed for each other are
 * always seen.
 */
static uint8_t
check_letter(const uint8_t *letters)
{
	uint8_t sum = 0;

	for (int i = RECOVERY_LETTERS - 2; i >= 0; i--)
		sum = times_x(sum ^ letters[i]);
	return sum;
}

void
recovery_make(const uint8_t random[RECOVERY_RANDOM_BYTES], uint8_t letters[RECOVERY_LETTERS])
{
	for (size_t i = 0; i < RECOVERY_RANDOM_BYTES; i++)
		letters[i] = random[i] & 31;
	letters[RECOVERY_LETTERS - 1] = check_letter(letters);
}

void
recovery_print(const uint8_t letters[RECOVERY_LETTERS], char to[RECOVERY_PRINTED])
{
	size_t n = 0;

	for (size_t i = 0; i < RECOVERY_LETTERS; i++) {
		if (i > 0 && i % 4 == 0)
			to[n++] = '-';
		to[n++] = letters_printed[letters[i] & 31];
	}
}

/* The letter's number; 32: it is none; 33: it stands between letters. */
static uint8_t
letter_of(char c)
{
	const char *at;

	if (c == '-' || c == ' ' || c == '.')
		return 33;
	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	if (c == 'O')
		c = '0';
	if (c == 'I' || c == 'L')
		c = '1';
	at = c == '\0' ? NULL : strchr(letters_printed, c);
	return at == NULL ? 32 : (uint8_t)(at - letters_printed);
}

enum recovery_reading
recovery_read(struct countersign_view typed, uint8_t letters[RECOVERY_LETTERS])
{
	uint8_t found[RECOVERY_LETTERS];
	size_t n = 0;
	enum recovery_reading reading = RECOVERY_NO_CODE;

	if (typed.len > RECOVERY_TYPED_MAX)
		return RECOVERY_NO_CODE;
	for (size_t i = 0; i < typed.len; i++) {
		uint8_t letter = letter_of(typed.data[i]);

		if (letter == 33)
			continue;
		if (letter == 32 || n == RECOVERY_LETTERS)
			goto out;
		found[n++] = letter;
	}
	if (n < RECOVERY_LETTERS)
		goto out;
	reading = RECOVERY_MISTYPED;
	if (check_letter(found) != found[RECOVERY_LETTERS - 1])
		goto out;
	memcpy(letters, found, sizeof(found));
	reading = RECOVERY_READ;
out:
	explicit_bzero(found, sizeof(found));
	return reading;
}

static bool
digest(const uint8_t *salt, const uint8_t letters[RECOVERY_LETTERS], uint8_t to[RECOVERY_DIGEST_BYTES])
{
	return EVP_PBE_scrypt((const char *)letters, RECOVERY_LETTERS, salt, RECOVERY_SALT_BYTES, SCRYPT_N, SCRYPT_R,
		   SCRYPT_P, SCRYPT_MEMORY_MAX, to, RECOVERY_DIGEST_BYTES) == 1;
}

int
recovery_seal(const uint8_t salt[RECOVERY_SALT_BYTES], uint8_t codes[RECOVERY_COUNT][RECOVERY_LETTERS],
    uint8_t secret[RECOVERY_SECRET_BYTES])
{
	uint8_t *to = secret + 2 + RECOVERY_SALT_BYTES;

	secret[0] = SECRET_VERSION;
	secret[1] = RECOVERY_COUNT;
	memcpy(secret + 2, salt, RECOVERY_SALT_BYTES);
	for (size_t i = 0; i < RECOVERY_COUNT; i++, to += RECOVERY_DIGEST_BYTES)
		if (!digest(salt, codes[i], to))
			return COUNTERSIGN_INTERNAL;
	return COUNTERSIGN_OK;
}

bool
recovery_is_secret(struct countersign_view secret)
{
	return secret.len == RECOVERY_SECRET_BYTES && secret.data[0] == SECRET_VERSION && secret.data[1] == RECOVERY_COUNT;
}

int
recovery_find(struct countersign_view secret, const uint8_t letters[RECOVERY_LETTERS], int *index)
{
	const uint8_t *salt = (const uint8_t *)secret.data + 2, *of = salt + RECOVERY_SALT_BYTES;
	uint8_t wanted[RECOVERY_DIGEST_BYTES];
	int found = -1;

	if (!recovery_is_secret(secret))
		return COUNTERSIGN_INVALID;
	if (!digest(salt, letters, wanted))
		return COUNTERSIGN_INTERNAL;
	for (int i = 0; i < RECOVERY_COUNT; i++, of += RECOVERY_DIGEST_BYTES) {
		uint8_t differs = 0;

		for (size_t k = 0; k < RECOVERY_DIGEST_BYTES; k++)
			differs |= of[k] ^ wanted[k];
		found = differs == 0 ? i : found;
	}
	explicit_bzero(wanted, sizeof(wanted));
	*index = found;
	return COUNTERSIGN_OK;
}
