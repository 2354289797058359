/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of CBOR. */
#include "plugins/webauthn/cbor.h"

enum major { UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE };
enum { SIMPLE_FALSE = 20, SIMPLE_TRUE = 21, SIMPLE_NULL = 22, SIMPLE_UNDEFINED = 23 };

struct cbor
cbor_over(struct countersign_view v)
{
	const unsigned char *at = (const unsigned char *)v.data;

	return (struct cbor){at, v.len == 0 ? at : at + v.len, false};
}

bool
cbor_done(const struct cbor *c)
{
	return !c->bad && c->at == c->end;
}

static bool
bad(struct cbor *c)
{
	c->bad = true;
	return false;
}

/* The head of an item: its type and its number (RFC 8949, section 3). */
static bool
head(struct cbor *c, unsigned *major, uint64_t *number)
{
	unsigned low;
	size_t more;
	uint64_t n = 0;

	if (c->bad || c->at == c->end)
		return bad(c);
	*major = *c->at >> 5;
	low = *c->at++ & 31;
	if (low < 24) {
		*number = low;
		return true;
	}
	/* 28 to 30 mean nothing, 31 is an indefinite length; a float is no part of WebAuthn. */
	if (low > 27 || *major == SIMPLE)
		return bad(c);
	more = (size_t)1 << (low - 24);
	if ((size_t)(c->end - c->at) < more)
		return bad(c);
	for (size_t i = 0; i < more; i++)
		n = n << 8 | *c->at++;
	/* A number that a shorter form could have said has two spellings. */
	if (n < 24 || (more > 1 && n >> (more * 4) == 0))
		return bad(c);
	*number = n;
	return true;
}

static bool
expect(struct cbor *c, unsigned want, uint64_t *number)
{
	unsigned major;

	return head(c, &major, number) && (major == want || bad(c));
}

bool
cbor_int(struct cbor *c, int64_t *value)
{
	unsigned major;
	uint64_t n;

	if (!head(c, &major, &n))
		return false;
	if (major > NEGATIVE || n > INT64_MAX)
		return bad(c);
	*value = major == UNSIGNED ? (int64_t)n : -1 - (int64_t)n;
	return true;
}

static bool
string(struct cbor *c, unsigned major, struct countersign_view *value)
{
	uint64_t n;

	if (!expect(c, major, &n))
		return false;
	if (n > (uint64_t)(c->end - c->at))
		return bad(c);
	*value = (struct countersign_view){(const char *)c->at, (size_t)n};
	c->at += n;
	return true;
}

bool
cbor_bytes(struct cbor *c, struct countersign_view *value)
{
	return string(c, BYTES, value);
}

bool
cbor_text(struct cbor *c, struct countersign_view *value)
{
	return string(c, TEXT, value);
}

bool
cbor_bool(struct cbor *c, bool *value)
{
	uint64_t n;

	if (!expect(c, SIMPLE, &n) || (n != SIMPLE_FALSE && n != SIMPLE_TRUE))
		return bad(c);
	*value = n == SIMPLE_TRUE;
	return true;
}

static bool
members(struct cbor *c, unsigned major, size_t *count)
{
	uint64_t n;

	if (!expect(c, major, &n))
		return false;
	if (n > CBOR_MEMBERS_MAX)
		return bad(c);
	*count = (size_t)n;
	return true;
}

bool
cbor_array(struct cbor *c, size_t *count)
{
	return members(c, ARRAY, count);
}

bool
cbor_map(struct cbor *c, size_t *pairs)
{
	return members(c, MAP, pairs);
}

static bool
skip(struct cbor *c, unsigned depth)
{
	unsigned major;
	uint64_t n;

	if (depth > CBOR_DEPTH_MAX)
		return bad(c);
	if (!head(c, &major, &n))
		return false;
	switch ((enum major)major) {
	case UNSIGNED:
	case NEGATIVE:
		return true;
	case BYTES:
	case TEXT:
		if (n > (uint64_t)(c->end - c->at))
			return bad(c);
		c->at += n;
		return true;
	case ARRAY:
	case MAP:
		if (n > CBOR_MEMBERS_MAX)
			return bad(c);
		for (uint64_t i = 0; i < (major == MAP ? 2 * n : n); i++)
			if (!skip(c, depth + 1))
				return false;
		return true;
	case SIMPLE:
		return (n >= SIMPLE_FALSE && n <= SIMPLE_UNDEFINED) || bad(c);
	default:
		return bad(c);
	}
}

bool
cbor_skip(struct cbor *c, struct countersign_view *whole)
{
	const unsigned char *from = c->at;

	if (!skip(c, 1))
		return false;
	*whole = (struct countersign_view){(const char *)from, (size_t)(c->at - from)};
	return true;
}
