/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Codes of RFC 6238 (TOTP) and the otpauth URI that authenticator apps read. Pure: no clock, no
 * host.
 */
#ifndef CS_PLUGIN_TOTP_CODE_H
#define CS_PLUGIN_TOTP_CODE_H

#include "countersign/plugin.h"

enum {
	TOTP_SECRET_BYTES = 20,      /* 160 bits, as RFC 4226 section 4 recommends */
	TOTP_SECRET_MIN_BYTES = 16,  /* RFC 4226 R6: at least 128 bits */
	TOTP_SECRET_MAX_BYTES = 64,  /* the block of SHA-512; longer seeds would be hashed first */
	TOTP_DIGITS_MIN = 6,         /* RFC 4226 R4 */
	TOTP_DIGITS_MAX = 8,
	TOTP_PERIOD_MAX_S = 60,
	TOTP_DRIFT_MAX = 2,          /* RFC 6238 section 5.2 recommends at most one step */
};

enum totp_algorithm { TOTP_SHA1, TOTP_SHA256, TOTP_SHA512, TOTP_ALGORITHM_COUNT };

struct totp_parameters {
	enum totp_algorithm algorithm;
	unsigned period_s, digits, drift;
};

/* The name as in configuration and URI, or NULL. */
const char *totp_algorithm_name(enum totp_algorithm algorithm);
/* The inverse; TOTP_ALGORITHM_COUNT where there is none. */
enum totp_algorithm totp_algorithm_of(struct countersign_view name);

/* code has room for TOTP_DIGITS_MAX + 1. COUNTERSIGN_OK or COUNTERSIGN_INTERNAL. */
int totp_code(const struct totp_parameters *p, struct countersign_view secret, int64_t step,
    char *code);

/*
 * Looks for the answer in the window of `drift` steps round now_ms. *step is the newest step that
 * matches and is later than last_step, or -1: the answer is wrong, or was used. Takes the same time
 * whichever it is.
 */
int totp_match(const struct totp_parameters *p, struct countersign_view secret,
    struct countersign_view answer, int64_t last_step, int64_t now_ms, int64_t *step);

/* otpauth://totp/ISSUER:ACCOUNT?secret=...; COUNTERSIGN_FULL where it does not fit. */
int totp_uri(const struct totp_parameters *p, struct countersign_view secret,
    struct countersign_view issuer, struct countersign_view account, struct countersign_buffer *to);

#endif
