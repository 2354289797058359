/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery codes: how one is made, printed, read back and compared. Pure but for the digest: no clock, no host.
 *
 * A code is 15 random letters and a check letter, in groups of four: "7KQ2-M0XT-9ZVB-CD41". Letters are Crockford's
 * base32 (no I, L, O, U), so a code holds 75 bits.
 */
#ifndef CS_PLUGIN_RECOVERY_CODES_H
#define CS_PLUGIN_RECOVERY_CODES_H

#include <stdbool.h>
#include <stdint.h>

#include "countersign/plugin.h"

enum {
	RECOVERY_COUNT = 10,         /* codes of a set: enough for years, and still one slip of paper */
	RECOVERY_LETTERS = 16,       /* of a code, with the check letter */
	RECOVERY_RANDOM_BYTES = 15,  /* one for each letter; the low five bits are used */
	RECOVERY_PRINTED = RECOVERY_LETTERS + RECOVERY_LETTERS / 4 - 1,
	RECOVERY_TYPED_MAX = 64,     /* bytes of an answer that are looked at: a code with blanks round every letter */
	RECOVERY_SALT_BYTES = 16,
	RECOVERY_DIGEST_BYTES = 16,  /* 128 bits of each code's digest: more than the code holds */
	RECOVERY_SECRET_BYTES = 2 + RECOVERY_SALT_BYTES + RECOVERY_COUNT * RECOVERY_DIGEST_BYTES,
};

enum recovery_reading {
	RECOVERY_READ,      /* a code, its check letter fits */
	RECOVERY_MISTYPED,  /* of the right length and letters, but no code has this check letter */
	RECOVERY_NO_CODE,
};

/* From 15 random bytes, letters as small numbers 0 to 31, the check letter last. */
void recovery_make(const uint8_t random[RECOVERY_RANDOM_BYTES], uint8_t letters[RECOVERY_LETTERS]);
/* In groups, without a NUL. */
void recovery_print(const uint8_t letters[RECOVERY_LETTERS], char to[RECOVERY_PRINTED]);
/*
 * What a person typed: small or large letters, with hyphens and blanks wherever they like, O for 0 and I or L for 1.
 * letters are set with RECOVERY_READ only.
 */
enum recovery_reading recovery_read(struct countersign_view typed, uint8_t letters[RECOVERY_LETTERS]);

/* What is kept of a set: version, count, salt and a digest of each code. COUNTERSIGN_OK or COUNTERSIGN_INTERNAL. */
int recovery_seal(const uint8_t salt[RECOVERY_SALT_BYTES], uint8_t codes[RECOVERY_COUNT][RECOVERY_LETTERS],
    uint8_t secret[RECOVERY_SECRET_BYTES]);
/* Whether it is such a set. */
bool recovery_is_secret(struct countersign_view secret);
/*
 * *index is the number of the code in the set, or -1; in a time that does not depend on which. COUNTERSIGN_OK or
 * COUNTERSIGN_INTERNAL.
 */
int recovery_find(struct countersign_view secret, const uint8_t letters[RECOVERY_LETTERS], int *index);

#endif
