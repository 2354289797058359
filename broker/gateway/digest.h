/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256, for what pages are named and proved by. */
#ifndef CS_GATEWAY_DIGEST_H
#define CS_GATEWAY_DIGEST_H

#include "broker/base/buf.h"

enum { DIGEST_HEX = 64, DIGEST_BASE64 = 44 };

/* Over a label and two texts, each ended by a NUL, which none of them can hold; in hexadecimal, no NUL. */
void digest_hex(const char *label, struct view a, struct view b, char to[DIGEST_HEX]);
/* Over bytes; base64 with its padding, and a NUL. */
void digest_base64(struct view bytes, char to[DIGEST_BASE64 + 1]);

#endif
