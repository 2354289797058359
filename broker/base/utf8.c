/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8: a lead byte fixes the length and the range of the second byte; the rest are 80 to BF. */
#include "broker/base/utf8.h"

static inline bool
continues(uint8_t c)
{
	return (c & 0xc0) == 0x80;
}

size_t
utf8_sequence(const uint8_t *p, const uint8_t *end, uint32_t *code)
{
	size_t len;
	uint32_t c, least;

	if (p >= end)
		return 0;
	c = p[0];
	if (c < 0x80) {
		if (code != NULL)
			*code = c;
		return 1;
	}
	if (c < 0xc2 || c > 0xf4)
		return 0;
	len = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	least = len == 2 ? 0x80 : len == 3 ? 0x800 : 0x10000;
	if ((size_t)(end - p) < len)
		return 0;
	c &= 0x7fu >> len;
	for (size_t i = 1; i < len; i++) {
		if (!continues(p[i]))
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	if (code != NULL)
		*code = c;
	return len;
}

size_t
utf8_put(uint32_t code, uint8_t *to)
{
	if (code < 0x80) {
		to[0] = (uint8_t)code;
		return 1;
	}
	if (code < 0x800) {
		to[0] = (uint8_t)(0xc0 | code >> 6);
		to[1] = (uint8_t)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		to[0] = (uint8_t)(0xe0 | code >> 12);
		to[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
		to[2] = (uint8_t)(0x80 | (code & 0x3f));
		return 3;
	}
	to[0] = (uint8_t)(0xf0 | code >> 18);
	to[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
	to[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
	to[3] = (uint8_t)(0x80 | (code & 0x3f));
	return 4;
}

bool
utf8_code_printable(uint32_t code)
{
	if (code < 0x20 || (code >= 0x7f && code <= 0x9f))
		return false;
	if (code == 0x61c || code == 0x200e || code == 0x200f || code == 0x2028 || code == 0x2029)
		return false;
	return !(code >= 0x202a && code <= 0x202e) && !(code >= 0x2066 && code <= 0x2069);
}
