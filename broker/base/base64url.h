/* SPDX-License-Identifier: Apache-2.0 */
/* base64url without padding (RFC 4648, 5; RFC 7515, 2). */
#ifndef CS_BASE_BASE64URL_H
#define CS_BASE_BASE64URL_H

#include "broker/base/buf.h"
#include "broker/base/err.h"

/* Characters that so many bytes become. */
#define BASE64URL_LEN(bytes) (((bytes) * 4 + 2) / 3)

/* BASE64URL_LEN(n) characters, without NUL; returns their number. */
size_t base64url_encode(const uint8_t *bytes, size_t n, char *to);
/* At most cap bytes; CS_ERR_SYNTAX where it is not canonical base64url, or longer. */
enum cs_err base64url_decode(struct view text, uint8_t *to, size_t cap, size_t *len);

#endif
