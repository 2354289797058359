/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON reader: recursive descent in one pass, over tables of character classes. Recursion is
 * bounded by JSON_DEPTH_MAX. A string shrinks in place when it is unescaped, so writing never
 * overtakes reading.
 */
#include "broker/base/json.h"

#include "broker/base/ascii.h"
#include "broker/base/check.h"
#include "broker/base/utf8.h"

enum {
	/* A double's largest value is 1.797...e308, its smallest 4.9e-324. */
	DOUBLE_EXP_MAX = 308,
	DOUBLE_EXP_MIN = -324,
	/* Larger than any exponent that the digits of one text could compensate. */
	EXP_CAP = 16 * JSON_TEXT_MAX,
};

/* Decimal digits of the largest double, as it is printed to be read back. */
static const char double_max_digits[] = "17976931348623157";

enum char_class { CHAR_PLAIN, CHAR_QUOTE, CHAR_ESCAPE, CHAR_MULTI, CHAR_CONTROL };

static const uint8_t char_class[256] = {
	[0x00 ... 0x1f] = CHAR_CONTROL,
	['"'] = CHAR_QUOTE,
	['\\'] = CHAR_ESCAPE,
	[0x80 ... 0xff] = CHAR_MULTI,
};

/* What stands after a backslash, and what it means; \u is apart. */
static const uint8_t escape_of[256] = {
	['"'] = '"',
	['\\'] = '\\',
	['/'] = '/',
	['b'] = '\b',
	['f'] = '\f',
	['n'] = '\n',
	['r'] = '\r',
	['t'] = '\t',
};

/* One more than the value, so that 0 means: no hexadecimal digit. */
static const uint8_t hex_of[256] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8,
	['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15,
	['f'] = 16, ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

struct reader {
	uint8_t *text, *at, *end;
	struct json_token *tokens;
	uint32_t count, cap;
	unsigned depth;
	enum cs_err rc;
	const char *reason;
};

/* Which key hashes an object has had: most members need no search for a duplicate. */
struct seen {
	uint64_t bits[4];
};

static bool read_value(struct reader *r);

static bool
fail(struct reader *r, enum cs_err rc, const char *reason)
{
	r->rc = rc;
	r->reason = reason;
	return false;
}

static bool
bad(struct reader *r, const char *reason)
{
	return fail(r, CS_ERR_SYNTAX, reason);
}

static inline bool
is_digit(const uint8_t *p, const uint8_t *end)
{
	return p < end && *p >= '0' && *p <= '9';
}

/* The next byte that is not white space, left in place, or -1 at the end. */
static inline int
peek(struct reader *r)
{
	while (r->at < r->end) {
		uint8_t c = *r->at;

		if (c > ' ' || (c != ' ' && c != '\n' && c != '\r' && c != '\t'))
			return c;
		r->at++;
	}
	return -1;
}

static struct json_token *
token_new(struct reader *r, enum json_type type)
{
	struct json_token *t = &r->tokens[r->count];

	if (r->count == r->cap) {
		fail(r, CS_ERR_FULL, "too many values");
		return NULL;
	}
	r->count++;
	*t = (struct json_token){
	    .start = (uint32_t)(r->at - r->text), .next = r->count, .type = (uint8_t)type};
	return t;
}

/* Length, ends and middle tell the names of one object apart well enough for eight bits. */
static inline uint8_t
key_hash(const uint8_t *name, size_t len)
{
	if (len == 0)
		return 0;
	return (uint8_t)(len * 7 + name[0] * 31u + name[len - 1] * 131u + name[len / 2] * 17u);
}

/* Four hexadecimal digits at p as a UTF-16 unit, or -1. */
static int
read_unit(const uint8_t *p, const uint8_t *end)
{
	int unit = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		if (hex_of[p[i]] == 0)
			return -1;
		unit = unit << 4 | (hex_of[p[i]] - 1);
	}
	return unit;
}

/* r->at is at the 'u' of an escape. */
static bool
read_unicode_escape(struct reader *r, uint8_t **out)
{
	int unit = read_unit(r->at + 1, r->end);
	uint32_t code = (uint32_t)unit;

	if (unit < 0)
		return bad(r, "\\u needs four hexadecimal digits");
	if (unit == 0)
		return bad(r, "\\u0000 is not allowed");
	r->at += 5;
	if (unit >= 0xdc00 && unit <= 0xdfff)
		return bad(r, "lone surrogate");
	if (unit >= 0xd800 && unit <= 0xdbff) {
		int low = r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u'
		    ? read_unit(r->at + 2, r->end)
		    : -1;

		if (low < 0xdc00 || low > 0xdfff)
			return bad(r, "lone surrogate");
		code = 0x10000 + ((code - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
		r->at += 6;
	}
	*out += utf8_put(code, *out);
	return true;
}

/* r->at is at the backslash. */
static bool
read_escape(struct reader *r, uint8_t **out)
{
	r->at++;
	if (r->at == r->end)
		return bad(r, "string does not end");
	if (*r->at == 'u')
		return read_unicode_escape(r, out);
	if (escape_of[*r->at] == 0)
		return bad(r, "unknown escape");
	*(*out)++ = escape_of[*r->at++];
	return true;
}

static bool
read_multi(struct reader *r, uint8_t **out)
{
	size_t n = utf8_sequence(r->at, r->end, NULL);

	if (n == 0)
		return bad(r, "invalid UTF-8");
	if (*out != r->at)
		memmove(*out, r->at, n);
	*out += n;
	r->at += n;
	return true;
}

/* The text from the first byte on that is more than a plain one; t is its token. */
static struct json_token *
read_string_rest(struct reader *r, struct json_token *t)
{
	uint8_t *out = r->at;
	bool ok = true;

	while (ok && r->at < r->end) {
		switch (char_class[*r->at]) {
		case CHAR_PLAIN:
			*out++ = *r->at++;
			break;
		case CHAR_QUOTE:
			t->len = (uint32_t)(out - r->text) - t->start;
			r->at++;
			return t;
		case CHAR_ESCAPE:
			ok = read_escape(r, &out);
			break;
		case CHAR_MULTI:
			ok = read_multi(r, &out);
			break;
		default:
			ok = bad(r, "control character in a string");
			break;
		}
	}
	if (ok)
		bad(r, "string does not end");
	return NULL;
}

/* r->at is at the opening quote. */
static struct json_token *
read_string(struct reader *r)
{
	struct json_token *t;

	r->at++;
	t = token_new(r, JSON_STRING);
	if (t == NULL)
		return NULL;
	r->at += ascii_plain(r->at, (size_t)(r->end - r->at));
	if (r->at < r->end && *r->at == '"') {
		t->len = (uint32_t)(r->at++ - r->text) - t->start;
		return t;
	}
	return read_string_rest(r, t);
}

/* An exponent's value, cut at EXP_CAP; p is after the 'e', the grammar was checked. */
static int64_t
exponent_value(const uint8_t *p, const uint8_t *end)
{
	bool negative = *p == '-';
	int64_t v = 0;

	if (*p == '-' || *p == '+')
		p++;
	for (; p < end; p++)
		if (v < EXP_CAP)
			v = v * 10 + (*p - '0');
	if (v > EXP_CAP)
		v = EXP_CAP;
	return negative ? -v : v;
}

/*
 * Whether a number of sound grammar lies within an IEEE double. Written as d.ddd times ten to some
 * power, the power decides, and at the edge its digits do.
 */
static bool
number_fits(const uint8_t *p, const uint8_t *end)
{
	const size_t edge = sizeof(double_max_digits) - 1;
	int64_t power = -1, digits = 0;
	bool fraction = false;
	int order = 0;

	for (; p < end && *p != 'e' && *p != 'E'; p++) {
		if (*p == '-')
			continue;
		if (*p == '.') {
			fraction = true;
			continue;
		}
		if (*p != '0' || digits > 0) {
			uint8_t at_edge =
			    digits < (int64_t)edge ? (uint8_t)double_max_digits[digits] : '0';

			if (order == 0 && *p != at_edge)
				order = *p < at_edge ? -1 : 1;
			digits++;
			power += fraction ? 0 : 1;
		} else if (fraction) {
			power--;
		}
	}
	if (digits == 0)
		return true;
	if (order == 0 && digits < (int64_t)edge)
		order = -1;
	if (p < end)
		power += exponent_value(p + 1, end);
	if (power == DOUBLE_EXP_MAX)
		return order <= 0;
	return power < DOUBLE_EXP_MAX && power >= DOUBLE_EXP_MIN;
}

/* Fraction and exponent at p; NULL where they are malformed. */
static uint8_t *
skip_fraction(uint8_t *p, const uint8_t *end)
{
	if (p < end && *p == '.') {
		p++;
		if (!is_digit(p, end))
			return NULL;
		while (is_digit(p, end))
			p++;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		if (!is_digit(p, end))
			return NULL;
		while (is_digit(p, end))
			p++;
	}
	return p;
}

static bool
read_number(struct reader *r)
{
	struct json_token *t = token_new(r, JSON_NUMBER);
	uint8_t *from = r->at, *p = r->at;

	if (t == NULL)
		return false;
	if (*p == '-')
		p++;
	if (!is_digit(p, r->end))
		return bad(r, "malformed number");
	if (*p == '0' && is_digit(p + 1, r->end))
		return bad(r, "leading zero");
	while (is_digit(p, r->end))
		p++;
	if (p < r->end && (*p == '.' || *p == 'e' || *p == 'E')) {
		p = skip_fraction(p, r->end);
		if (p == NULL)
			return bad(r, "malformed number");
		if (!number_fits(from, p))
			return bad(r, "number out of range");
	} else if (p - from > DOUBLE_EXP_MAX && !number_fits(from, p)) {
		return bad(r, "number out of range");
	}
	t->len = (uint32_t)(p - from);
	r->at = p;
	return true;
}

static bool
read_literal(struct reader *r, enum json_type type, const char *word, size_t len)
{
	struct json_token *t = token_new(r, type);

	if (t == NULL)
		return false;
	if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
		return bad(r, "unknown word");
	t->len = (uint32_t)len;
	r->at += len;
	return true;
}

/* r->at is at the bracket. */
static struct json_token *
container_begin(struct reader *r, enum json_type type)
{
	struct json_token *t = token_new(r, type);

	if (t == NULL)
		return NULL;
	if (r->depth == JSON_DEPTH_MAX) {
		fail(r, CS_ERR_FULL, "nested too deeply");
		return NULL;
	}
	r->depth++;
	r->at++;
	return t;
}

static bool
container_end(struct reader *r, struct json_token *t)
{
	r->at++;
	r->depth--;
	t->len = (uint32_t)(r->at - r->text) - t->start;
	t->next = r->count;
	return true;
}

/* Whether the newest token repeats an earlier key of the object whose first key is at `first`. */
static bool
key_repeats(const struct reader *r, uint32_t first)
{
	const struct json_token *key = &r->tokens[r->count - 1];

	for (const struct json_token *k = &r->tokens[first]; k < key; k = &r->tokens[k[1].next]) {
		if (k->hash == key->hash && k->len == key->len &&
		    memcmp(r->text + k->start, r->text + key->start, key->len) == 0)
			return true;
	}
	return false;
}

static bool
read_key(struct reader *r, uint32_t first, struct seen *seen)
{
	uint8_t *from = r->at;
	struct json_token *key = read_string(r);
	uint64_t bit, *word;

	if (key == NULL)
		return false;
	key->hash = key_hash(r->text + key->start, key->len);
	word = &seen->bits[key->hash >> 6];
	bit = UINT64_C(1) << (key->hash & 63);
	if ((*word & bit) != 0 && key_repeats(r, first)) {
		r->at = from;
		return bad(r, "duplicate member");
	}
	*word |= bit;
	if (peek(r) != ':')
		return bad(r, "a colon is expected");
	r->at++;
	return true;
}

static bool
read_object(struct reader *r)
{
	struct json_token *t = container_begin(r, JSON_OBJECT);
	struct seen seen = {{0}};
	uint32_t first = r->count;

	if (t == NULL)
		return false;
	if (peek(r) == '}')
		return container_end(r, t);
	for (;;) {
		int c = peek(r);

		if (c != '"')
			return bad(r, "a member's name is expected");
		if (!read_key(r, first, &seen) || !read_value(r))
			return false;
		t->count++;
		c = peek(r);
		if (c == '}')
			return container_end(r, t);
		if (c != ',')
			return bad(r, "a comma or closing brace is expected");
		r->at++;
	}
}

static bool
read_array(struct reader *r)
{
	struct json_token *t = container_begin(r, JSON_ARRAY);

	if (t == NULL)
		return false;
	if (peek(r) == ']')
		return container_end(r, t);
	for (;;) {
		int c;

		if (!read_value(r))
			return false;
		t->count++;
		c = peek(r);
		if (c == ']')
			return container_end(r, t);
		if (c != ',')
			return bad(r, "a comma or closing bracket is expected");
		r->at++;
	}
}

static bool
read_value(struct reader *r)
{
	int c = peek(r);

	switch (c) {
	case '"':
		return read_string(r) != NULL;
	case '{':
		return read_object(r);
	case '[':
		return read_array(r);
	case 't':
		return read_literal(r, JSON_TRUE, "true", 4);
	case 'f':
		return read_literal(r, JSON_FALSE, "false", 5);
	case 'n':
		return read_literal(r, JSON_NULL, "null", 4);
	default:
		if (c == '-' || (c >= '0' && c <= '9'))
			return read_number(r);
		return bad(r, c < 0 ? "text ends too early" : "a value is expected");
	}
}

enum cs_err
json_read(char *text, size_t len, struct json_token *tokens, size_t cap, struct json *doc,
    struct json_error *err)
{
	uint8_t *bytes = (uint8_t *)text;
	struct reader r = {.text = bytes,
	    .at = bytes,
	    .end = len == 0 ? bytes : bytes + len,
	    .tokens = tokens,
	    .cap = cap > JSON_TEXT_MAX ? JSON_TEXT_MAX : (uint32_t)cap};

	if (len > JSON_TEXT_MAX)
		fail(&r, CS_ERR_FULL, "text is too long");
	else if (read_value(&r) && peek(&r) >= 0)
		bad(&r, "bytes after the end");
	if (r.rc == CS_OK)
		*doc = (struct json){text, tokens, r.count};
	else if (err != NULL)
		*err = (struct json_error){(uint32_t)(r.at - r.text), r.reason};
	return r.rc;
}

uint32_t
json_get(const struct json *doc, uint32_t object, struct view name)
{
	const struct json_token *t = json_token_at(doc, object);
	uint8_t hash = key_hash((const uint8_t *)name.data, name.len);
	uint32_t at = object + 1;

	if (t->type != JSON_OBJECT)
		return 0;
	for (unsigned i = 0; i < t->count; i++) {
		const struct json_token *key = &doc->tokens[at];

		if (key->hash == hash && view_equal(json_text(doc, at), name))
			return at + 1;
		at = key[1].next;
	}
	return 0;
}

enum cs_err
json_int(const struct json *doc, uint32_t token, int64_t *value)
{
	struct view v = json_text(doc, token);
	bool negative = v.len > 0 && v.data[0] == '-';
	int64_t sum = 0;

	if (json_type(doc, token) != JSON_NUMBER)
		return CS_ERR_SYNTAX;
	for (size_t i = negative ? 1 : 0; i < v.len; i++) {
		int digit = v.data[i] - '0';

		if (digit < 0 || digit > 9)
			return CS_ERR_SYNTAX;
		if (__builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, negative ? -digit : digit, &sum))
			return CS_ERR_RANGE;
	}
	/* A minus sign before zero is no amount that anyone meant. */
	if (negative && sum == 0)
		return CS_ERR_RANGE;
	*value = sum;
	return CS_OK;
}
