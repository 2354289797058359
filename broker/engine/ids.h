/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids that the broker gives out: a prefix, then base32 (RFC 4648, lower case, no padding). Those that belong to an
 * account carry the account's key and 128 bits of their own, so that the engine finds the account without an index.
 */
#ifndef CS_ENGINE_IDS_H
#define CS_ENGINE_IDS_H

#include "broker/base/err.h"
#include "broker/core/types.h"

enum id_kind { ID_HOLD, ID_CHALLENGE, ID_SESSION, ID_LINK, ID_FACTOR, ID_ALLOWANCE, ID_EVENT, ID_SIGN_IN, ID_ENROLMENT,
	ID__COUNT };

enum { ID_TEXT_MAX = 64 };

struct id_text {
	size_t len;
	char data[ID_TEXT_MAX];
};

/* Of an account's thing; sign-ins and enrolments have no account: NULL. */
struct id_text id_format(enum id_kind kind, const struct id *account, const struct id *id);
struct view id_view(const struct id_text *t);
/* CS_ERR_SYNTAX where it is not an id of this kind, or is one of the zero key, which no account has. account may be NULL for the kinds without one. */
enum cs_err id_parse(enum id_kind kind, struct view text, struct id *account, struct id *id);

/* n bytes to base32, without NUL; returns the length. */
size_t base32_encode(const uint8_t *bytes, size_t n, char *to);
/* Exactly n bytes; false where the text is not their encoding. */
bool base32_decode(struct view text, uint8_t *to, size_t n);

#endif
