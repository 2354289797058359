/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and filling templates. */
#include "plugins/otp/template.h"

#include <stdint.h>
#include <stdio.h>

static const char *const names[OTP_FIELD_COUNT] = {
    [OTP_CODE] = "code",
    [OTP_AMOUNT] = "amount",
    [OTP_CURRENCY] = "currency",
    [OTP_PAYEE] = "payee",
    [OTP_SERVICE] = "service",
    [OTP_MINUTES] = "minutes",
    [OTP_WHAT] = "what",
    [OTP_ABOUT] = "about",
    [OTP_ACCOUNT] = "account",
    [OTP_TIME] = "time",
    [OTP_TO] = "to",
    [OTP_TEXT] = "text",
};

const char *
otp_field_name(enum otp_field field)
{
	return names[field];
}

/* One character of UTF-8 at *at, which moves behind it. False: there is none, or it is malformed. */
static bool
next_character(struct countersign_view v, size_t *at, uint32_t *c)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	unsigned char first;
	size_t more;

	if (*at >= v.len)
		return false;
	first = (unsigned char)v.data[*at];
	more = first < 0x80 ? 0 : (first & 0xe0) == 0xc0 ? 1 : (first & 0xf0) == 0xe0 ? 2 : (first & 0xf8) == 0xf0 ? 3 : 4;
	if (more == 4 || more > v.len - *at - 1)
		return false;
	*c = more == 0 ? first : first & (0x3fU >> more);
	for (size_t i = 1; i <= more; i++) {
		unsigned char b = (unsigned char)v.data[*at + i];

		if ((b & 0xc0) != 0x80)
			return false;
		*c = *c << 6 | (b & 0x3f);
	}
	*at += more + 1;
	return *c >= least[more] && *c <= 0x10ffff && (*c < 0xd800 || *c > 0xdfff);
}

/* A new line in a name would be a header; a mark that turns the writing would show another amount. */
static bool
is_allowed(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return false;
	if (c >= 0x2028 && c <= 0x202e)
		return false;
	return (c < 0x2066 || c > 0x2069) && c != 0xfeff;
}

static bool
is_text(struct countersign_view v, bool lines)
{
	size_t at = 0;
	uint32_t c = 0;

	while (at < v.len)
		if (!next_character(v, &at, &c) || (!is_allowed(c) && !(lines && c == '\n')))
			return false;
	return true;
}

bool
otp_is_text(struct countersign_view v)
{
	return is_text(v, false);
}

/* The field that begins at `at`, or OTP_FIELD_COUNT; *len: how long it is, with its braces. */
static enum otp_field
field_at(struct countersign_view t, size_t at, size_t *len)
{
	if (t.data[at] != '{')
		return OTP_FIELD_COUNT;
	for (int i = 0; i < OTP_FIELD_COUNT; i++) {
		size_t n = strlen(names[i]);

		if (t.len - at >= n + 2 && memcmp(t.data + at + 1, names[i], n) == 0 && t.data[at + 1 + n] == '}') {
			*len = n + 2;
			return (enum otp_field)i;
		}
	}
	return OTP_FIELD_COUNT;
}

const char *
otp_template_problem(struct countersign_view t, unsigned allowed, unsigned needed, bool literal)
{
	unsigned found = 0;

	if (t.len == 0 || t.len > OTP_TEMPLATE_MAX)
		return "it must have 1 to 600 bytes";
	if (!otp_is_text(t))
		return "it holds a control character, or is not UTF-8: write \\n for a new line";
	for (size_t i = 0; i < t.len;) {
		size_t len = 1;
		enum otp_field f = field_at(t, i, &len);

		if (f != OTP_FIELD_COUNT && (allowed & 1U << f) != 0)
			found |= 1U << f;
		else if (!literal && (t.data[i] == '{' || t.data[i] == '}'))
			return "it has a brace that begins no field which may stand here";
		i += len;
	}
	return (found & needed) == needed ? NULL : "it lacks a field that must stand here";
}

static size_t
first_of(struct countersign_view t, enum otp_field field)
{
	for (size_t i = 0; i < t.len; i++) {
		size_t len;

		if (field_at(t, i, &len) == field)
			return i;
	}
	return t.len;
}

bool
otp_template_order(struct countersign_view t, enum otp_field field, enum otp_field other)
{
	return first_of(t, field) < first_of(t, other) && first_of(t, other) < t.len;
}

static int
append(struct countersign_buffer *to, const char *text, size_t len)
{
	if (len > to->cap - to->len)
		return COUNTERSIGN_FULL;
	if (len > 0)
		memcpy(to->data + to->len, text, len);
	to->len += len;
	return COUNTERSIGN_OK;
}

static int
append_json(struct countersign_buffer *to, char c)
{
	char escaped[8];

	if (c == '"' || c == '\\')
		snprintf(escaped, sizeof(escaped), "\\%c", c);
	else if (c == '\n')
		snprintf(escaped, sizeof(escaped), "\\n");
	else
		snprintf(escaped, sizeof(escaped), "%c", c);
	return append(to, escaped, strlen(escaped));
}

/* application/x-www-form-urlencoded. */
static int
append_form(struct countersign_buffer *to, char c)
{
	char escaped[4];

	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_')
		return append(to, &c, 1);
	snprintf(escaped, sizeof(escaped), "%%%02X", (unsigned)(unsigned char)c);
	return append(to, escaped, 3);
}

static int
append_value(struct countersign_buffer *to, struct countersign_view v, enum otp_escape escape)
{
	int rc = COUNTERSIGN_OK;

	if (escape == OTP_PLAIN)
		return append(to, v.data, v.len);
	for (size_t i = 0; rc == COUNTERSIGN_OK && i < v.len; i++)
		rc = escape == OTP_JSON ? append_json(to, v.data[i]) : append_form(to, v.data[i]);
	return rc;
}

int
otp_template_fill(struct countersign_view t, const struct otp_values *values, enum otp_escape escape,
    struct countersign_buffer *to)
{
	int rc = COUNTERSIGN_OK;

	to->len = 0;
	for (int i = 0; i < OTP_FIELD_COUNT; i++)
		if (!is_text(values->of[i], i == OTP_TEXT && escape != OTP_PLAIN))
			return COUNTERSIGN_INVALID;
	for (size_t i = 0; rc == COUNTERSIGN_OK && i < t.len;) {
		size_t len = 1;
		/* Of a body, {to} and {text} alone are meant: other braces are the body's own. */
		enum otp_field f = field_at(t, i, &len);

		if (f != OTP_FIELD_COUNT && (escape == OTP_PLAIN || f == OTP_TO || f == OTP_TEXT)) {
			rc = append_value(to, values->of[f], escape);
		} else if (escape == OTP_PLAIN && t.data[i] == '\\' && i + 1 < t.len && t.data[i + 1] == 'n') {
			rc = append(to, "\n", 1);
			len = 2;
		} else {
			len = 1;
			rc = append(to, t.data + i, 1);
		}
		i += len;
	}
	return rc;
}
