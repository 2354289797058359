/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One code: how it is made, what is kept of it, and how an answer is held against that. What is kept is a salted digest
 * over the challenge, the address and the code, and when it ends: a code of another challenge or another address has
 * another digest.
 */
#ifndef CS_PLUGIN_OTP_CODE_H
#define CS_PLUGIN_OTP_CODE_H

#include <stdbool.h>
#include <stdint.h>

#include "countersign/plugin.h"

enum {
	OTP_DIGITS_MIN = 6,
	OTP_DIGITS_MAX = 10,
	OTP_SALT_BYTES = 16,
	OTP_DIGEST_BYTES = 32,
	OTP_KEPT_BYTES = 2 + OTP_SALT_BYTES + OTP_DIGEST_BYTES + 8,
	OTP_CHALLENGE_MAX = 128,  /* plugin.h */
};

/* What a code is good for. challenge is absent while the factor is enrolled. */
struct otp_purpose {
	struct countersign_view challenge, address;
};

/* `digits` random digits and a NUL; each code is as likely as any other. */
void otp_code_make(const struct countersign_host_v1 *host, unsigned digits, char code[OTP_DIGITS_MAX + 1]);
/* COUNTERSIGN_OK, or COUNTERSIGN_INTERNAL where the library fails. */
int otp_code_keep(const struct countersign_host_v1 *host, const struct otp_purpose *purpose, const char *code,
    int64_t expires_ms, uint8_t kept[OTP_KEPT_BYTES]);
/*
 * *right: whether this is the code, at this time. Blanks and hyphens in it do not count. COUNTERSIGN_INVALID: what is kept
 * is nothing that otp_code_keep() made.
 */
int otp_code_check(const struct otp_purpose *purpose, struct countersign_view kept, struct countersign_view answer,
    int64_t now_ms, bool *right);

#endif
