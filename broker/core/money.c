/* SPDX-License-Identifier: Apache-2.0 */
/* Money to text and back. */
#include "broker/core/money.h"

#include "broker/base/check.h"

uint16_t
currency_find(struct view code)
{
	size_t low = 0, high = currencies_n;

	if (code.len != 3)
		return CURRENCY_NONE;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = memcmp(code.data, currencies[mid].code, 3);

		if (order == 0)
			return currencies[mid].number;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return CURRENCY_NONE;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

enum cs_err
money_parse(struct view text, uint16_t currency, int64_t *minor)
{
	const struct currency *c = currency_get(currency);
	int64_t value = 0;
	size_t i = 0, digits = 0;

	if (c == NULL)
		return CS_ERR_RANGE;
	if (text.len == 0 || !is_digit(text.data[0]))
		return CS_ERR_SYNTAX;
	if (text.data[0] == '0' && text.len > 1 && text.data[1] != '.')
		return CS_ERR_SYNTAX;
	for (; i < text.len && is_digit(text.data[i]); i++) {
		value = value * 10 + (text.data[i] - '0');
		if (value > MONEY_MAX)
			return CS_ERR_RANGE;
	}
	if (i < text.len) {
		if (text.data[i++] != '.' || i == text.len)
			return CS_ERR_SYNTAX;
		for (; i < text.len && is_digit(text.data[i]); i++, digits++) {
			if (digits == c->exponent)
				return CS_ERR_SYNTAX;
			value = value * 10 + (text.data[i] - '0');
			if (value > MONEY_MAX)
				return CS_ERR_RANGE;
		}
		if (i < text.len)
			return CS_ERR_SYNTAX;
	}
	for (; digits < c->exponent; digits++)
		value *= 10;
	if (value > MONEY_MAX)
		return CS_ERR_RANGE;
	*minor = value;
	return CS_OK;
}

size_t
money_format(int64_t minor, uint16_t currency, char *to)
{
	const struct currency *c = currency_get(currency);
	char back[MONEY_TEXT_MAX];
	size_t n = 0, len = 0;

	CHECK(c != NULL && minor >= 0);
	do {
		if (n == c->exponent && n > 0)
			back[len++] = '.';
		back[len++] = (char)('0' + minor % 10);
		minor /= 10;
		n++;
	} while (minor > 0 || n <= c->exponent);
	for (size_t i = 0; i < len; i++)
		to[i] = back[len - 1 - i];
	return len;
}

int64_t
money_add(int64_t a, int64_t b)
{
	CHECK(a >= 0 && b >= 0);
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}
