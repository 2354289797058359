/* SPDX-License-Identifier: Apache-2.0 */
/* The signature of a notice, after Standard Webhooks 1.0.0 (symmetric, "v1"). */
#ifndef CS_WEBHOOK_SIGNATURE_H
#define CS_WEBHOOK_SIGNATURE_H

#include "countersign/plugin.h"

enum {
	WEBHOOK_SECRET_MIN = 24,  /* bytes, as the specification recommends: 192 bits */
	WEBHOOK_SECRET_MAX = 64,  /* likewise: 512 bits */
	WEBHOOK_SIGNATURE_MAX = sizeof("v1,") + 44,
};

/*
 * "v1," and the base64 of HMAC-SHA256 over "id.seconds.body", as a string in `to` (WEBHOOK_SIGNATURE_MAX bytes).
 * COUNTERSIGN_OK, or COUNTERSIGN_INTERNAL where the library fails.
 */
int webhook_sign(struct countersign_view secret, struct countersign_view id, const char *seconds,
    struct countersign_view body, char *to);

#endif
