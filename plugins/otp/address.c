/* SPDX-License-Identifier: Apache-2.0 */
/* Phone numbers and mailboxes. What is refused here can never reach a gateway or a mail header. */
#include "plugins/otp/address.h"

#include <stdio.h>

enum {
	LOCAL_PART_MAX = 64,  /* RFC 5321, 4.5.3.1.1 */
	LABEL_MAX = 63,       /* RFC 1035, 2.3.4 */
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What people put between the digits of a number. */
static bool
is_between(char c)
{
	return c == ' ' || c == '-' || c == '.' || c == '(' || c == ')';
}

static bool
read_phone(struct countersign_view typed, struct countersign_view country, struct otp_address *to)
{
	char digits[OTP_PHONE_DIGITS_MAX + 1];
	bool plus = typed.len > 0 && typed.data[0] == '+';
	size_t n = 0, i = plus;

	if (!plus && country.len > OTP_PHONE_DIGITS_MAX - OTP_PHONE_DIGITS_MIN)
		return false;
	if (!plus && country.len == 0)
		return false;
	for (size_t k = 0; !plus && k < country.len; k++)
		digits[n++] = country.data[k];
	/* A trunk prefix is not dialled from abroad. */
	while (!plus && i < typed.len && typed.data[i] == '0')
		i++;
	for (; i < typed.len; i++) {
		if (is_between(typed.data[i]))
			continue;
		if (!is_digit(typed.data[i]) || n == OTP_PHONE_DIGITS_MAX)
			return false;
		digits[n++] = typed.data[i];
	}
	if (n < OTP_PHONE_DIGITS_MIN || digits[0] == '0')
		return false;
	to->text[0] = '+';
	memcpy(to->text + 1, digits, n);
	to->text[n + 1] = '\0';
	to->len = n + 1;
	return true;
}

/* A dot-atom without the characters that shells, templates and address lists give a meaning to. */
static bool
is_local_part(const char *s, size_t len)
{
	if (len == 0 || len > LOCAL_PART_MAX || s[0] == '.' || s[0] == '-' || s[len - 1] == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '.' && s[i + 1] == '.')
			return false;
		if (!is_letter(s[i]) && !is_digit(s[i]) && s[i] != '.' && s[i] != '_' && s[i] != '-' && s[i] != '+')
			return false;
	}
	return true;
}

/* At least two labels of letters, digits and hyphens; the last is no number, so that it is no IP address. */
static bool
is_domain(const char *s, size_t len)
{
	size_t label = 0, labels = 1;
	bool letter = false;

	for (size_t i = 0; i < len; i++) {
		if (s[i] == '.') {
			if (label == 0 || s[i - 1] == '-')
				return false;
			labels++;
			label = 0;
			letter = false;
			continue;
		}
		if (!is_letter(s[i]) && !is_digit(s[i]) && (s[i] != '-' || label == 0))
			return false;
		letter = letter || is_letter(s[i]);
		if (++label > LABEL_MAX)
			return false;
	}
	return labels >= 2 && label > 0 && s[len - 1] != '-' && letter;
}

static bool
read_mail(struct countersign_view typed, struct otp_address *to)
{
	const char *at = typed.len == 0 ? NULL : memchr(typed.data, '@', typed.len);
	size_t local = at == NULL ? 0 : (size_t)(at - typed.data);

	if (at == NULL || typed.len > OTP_ADDRESS_MAX || !is_local_part(typed.data, local) ||
	    !is_domain(at + 1, typed.len - local - 1))
		return false;
	memcpy(to->text, typed.data, typed.len);
	to->text[typed.len] = '\0';
	to->len = typed.len;
	for (char *c = to->text + local; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return true;
}

bool
otp_address_read(enum otp_channel channel, struct countersign_view typed, struct countersign_view country,
    struct otp_address *to)
{
	while (typed.len > 0 && typed.data[0] == ' ') {
		typed.data++;
		typed.len--;
	}
	while (typed.len > 0 && typed.data[typed.len - 1] == ' ')
		typed.len--;
	return channel == OTP_SMS ? read_phone(typed, country, to) : read_mail(typed, to);
}

/* Digits of the country code that the number begins with: ITU-T E.164, list of assigned codes. */
static size_t
country_digits(const char *digits)
{
	static const char *const two[] = {"20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44",
	    "45", "46", "47", "48", "49", "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64",
	    "65", "66", "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98"};

	if (digits[0] == '1' || digits[0] == '7')
		return 1;
	for (size_t i = 0; i < sizeof(two) / sizeof(two[0]); i++)
		if (memcmp(digits, two[i], 2) == 0)
			return 2;
	return 3;
}

/* At least four digits stay hidden, however short the number is. */
static size_t
mask_phone(const struct otp_address *a, char *to)
{
	size_t code = country_digits(a->text + 1), rest = a->len - 1 - code;
	const char *number = a->text + 1 + code;
	size_t tail = rest >= 8 ? 4 : rest > 4 ? rest - 4 : 0;
	size_t head = rest >= 11 ? 3 : rest >= 9 ? rest - 8 : 0;

	return (size_t)snprintf(to, OTP_MASKED_MAX, "+%.*s %.*s****%.*s", (int)code, a->text + 1, (int)head, number,
	    (int)tail, number + rest - tail);
}

static size_t
mask_mail(const struct otp_address *a, char *to)
{
	const char *at = memchr(a->text, '@', a->len);
	size_t domain = a->len - (size_t)(at - a->text), keep = OTP_MASKED_MAX - 8;

	/* The end of a long domain says more than its beginning. */
	if (domain <= keep)
		return (size_t)snprintf(to, OTP_MASKED_MAX, "%c***%s", a->text[0], at);
	return (size_t)snprintf(to, OTP_MASKED_MAX, "%c***@*%s", a->text[0], a->text + a->len - (keep - 2));
}

size_t
otp_address_mask(enum otp_channel channel, const struct otp_address *a, char to[OTP_MASKED_MAX])
{
	return channel == OTP_SMS ? mask_phone(a, to) : mask_mail(a, to);
}

bool
otp_address_under(enum otp_channel channel, const struct otp_address *a, struct countersign_view entry)
{
	const char *domain = a->text;
	size_t len = a->len;

	if (entry.len == 0)
		return false;
	if (channel == OTP_SMS)
		return entry.len <= len && memcmp(a->text, entry.data, entry.len) == 0;
	domain = memchr(a->text, '@', a->len);
	len = a->len - (size_t)(domain - a->text);
	return entry.len < len && memcmp(domain + len - entry.len, entry.data, entry.len) == 0 &&
	    (domain[len - entry.len - 1] == '@' || domain[len - entry.len - 1] == '.');
}

int
otp_address_rests_on(enum otp_channel channel, const struct otp_address *a, struct countersign_buffer *to)
{
	char line[OTP_ADDRESS_MAX + sizeof("mail-domain:")];
	int n;

	if (channel == OTP_SMS)
		n = snprintf(line, sizeof(line), "phone:%s", a->text);
	else
		n = snprintf(line, sizeof(line), "mail-domain:%s", (const char *)memchr(a->text, '@', a->len) + 1);
	return countersign_put(to, line, (size_t)n);
}
