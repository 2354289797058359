/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Money: int64 in minor units, and a currency by its ISO 4217 numeric code. Outside it is a decimal string with at most
 * the currency's digits. No floating point anywhere.
 */
#ifndef CS_CORE_MONEY_H
#define CS_CORE_MONEY_H

#include "broker/base/buf.h"
#include "broker/base/err.h"

/*
 * The largest amount of one payment or limit: a hundred million million minor units. Far above any payment, and so far
 * below 2^63 that the sums of a full account cannot overflow; every sum is checked all the same.
 */
#define MONEY_MAX INT64_C(100000000000000)

enum { MONEY_TEXT_MAX = 24, CURRENCY_NONE = 0, CURRENCY_NUMBER_MAX = 999 };

struct currency {
	char code[4];
	uint16_t number;
	uint8_t exponent;
};

extern const struct currency currencies[]; /* sorted by code */
extern const size_t currencies_n;

/* ISO numeric code of an upper-case alphabetic code, or CURRENCY_NONE. */
uint16_t currency_find(struct view code);
/* The entry of a numeric code, or NULL. */
const struct currency *currency_get(uint16_t number);

/*
 * "20", "20.0" and "20.00" CNY are 2000. Refused: sign, exponent, spaces, leading zeros ("020"), a bare dot, more digits
 * than the currency has (CS_ERR_SYNTAX), unknown currency, above MONEY_MAX (CS_ERR_RANGE). Zero is well formed.
 */
enum cs_err money_parse(struct view text, uint16_t currency, int64_t *minor);
/* With all the currency's digits: "20.00". Writes at most MONEY_TEXT_MAX bytes, no NUL; returns the length. */
size_t money_format(int64_t minor, uint16_t currency, char *to);

/* a + b, or INT64_MAX where it would pass it: a sum that saturates is over every limit. Both at least 0. */
int64_t money_add(int64_t a, int64_t b);

#endif
