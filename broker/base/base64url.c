/* SPDX-License-Identifier: Apache-2.0 */
/* base64url: the one place that knows its letters. */
#include "broker/base/base64url.h"

#include <string.h>

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t
base64url_encode(const uint8_t *bytes, size_t n, char *to)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | bytes[i];
		for (have += 8; have >= 6; have -= 6)
			to[len++] = base64[bits >> (have - 6) & 63];
	}
	if (have > 0)
		to[len++] = base64[bits << (6 - have) & 63];
	return len;
}

enum cs_err
base64url_decode(struct view text, uint8_t *to, size_t cap, size_t *len)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		const char *at = text.data[i] == '\0' ? NULL : strchr(base64, text.data[i]);

		if (at == NULL)
			return CS_ERR_SYNTAX;
		bits = bits << 6 | (uint32_t)(at - base64);
		have += 6;
		if (have >= 8) {
			have -= 8;
			if (n == cap)
				return CS_ERR_SYNTAX;
			to[n++] = (uint8_t)(bits >> have);
		}
	}
	if (have >= 6 || (bits & ((1u << have) - 1)) != 0)
		return CS_ERR_SYNTAX;
	*len = n;
	return CS_OK;
}
