/* SPDX-License-Identifier: Apache-2.0 */
/* Words as lines: the format's number, "forget" or "release", the member's id or the bucket, the member's name, who, why. */
#include "broker/store/redis/word_code.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "broker/base/check.h"
#include "broker/base/json.h"
#include "broker/store/redis/layout.h"

enum { PREFIX = 5, MS_DIGITS = 13, RANDOM_DIGITS = 8, NAME_LEN = PREFIX + MS_DIGITS + 1 + RANDOM_DIGITS, LINES = 6 };

_Static_assert((int)NAME_LEN < (int)WORD_NAME_TEXT, "a name fits");

void
word_name(char to[WORD_NAME_TEXT], int64_t said_ms)
{
	static const int64_t last_ms = 9999999999999; /* of thirteen digits */
	uint32_t random;
	int n;

	CHECK(getrandom(&random, sizeof(random), 0) == (ssize_t)sizeof(random));
	n = snprintf(to, WORD_NAME_TEXT, "word:%013lld:%08x", (long long)(said_ms < 0 ? 0 : said_ms > last_ms ? last_ms : said_ms), random);
	CHECK(n == NAME_LEN);
}

bool
word_named(struct view field)
{
	return field.len == NAME_LEN && memcmp(field.data, "word:", PREFIX) == 0;
}

void
word_told_name(char to[WORD_NAME_TEXT], struct view name)
{
	CHECK(word_named(name));
	(void)snprintf(to, WORD_NAME_TEXT, "told:%.*s", (int)(name.len - PREFIX), name.data + PREFIX);
}

enum cs_err
word_encode(struct buf *out, const struct store_word *word)
{
	const struct view texts[] = {word->member, word->by, word->reason, word->member_id};
	char first[64];
	int n = word->bucket >= 0 ? snprintf(first, sizeof(first), "1\nrelease\n%d", word->bucket) :
	    snprintf(first, sizeof(first), "1\nforget\n%.*s", (int)word->member_id.len, word->member_id.len > 0 ? word->member_id.data : "");

	CHECK(n > 0 && (size_t)n < sizeof(first));
	buf_put(out, first, (size_t)n);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (!json_printable(texts[i]))
			return CS_ERR_RANGE;
	for (size_t i = 0; i < 3; i++) {
		buf_put_u8(out, '\n');
		buf_put_view(out, texts[i]);
	}
	return out->full || out->len > WORD_BYTES_MAX ? CS_ERR_RANGE : CS_OK;
}

/* Digits alone; -1 where it is something else. */
static int64_t
number(struct view text, size_t digits_max)
{
	int64_t n = 0;

	if (text.len == 0 || text.len > digits_max)
		return -1;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return -1;
		n = n * 10 + (text.data[i] - '0');
	}
	return n;
}

int64_t
word_said_ms(struct view name)
{
	return number(view_of(name.data + PREFIX, MS_DIGITS), MS_DIGITS);
}

/* Exactly so many lines, each printable. */
static bool
lines_of(struct view value, struct view lines[LINES])
{
	size_t n = 0, from = 0;

	if (value.len > WORD_BYTES_MAX)
		return false;
	for (size_t i = 0; i <= value.len; i++) {
		if (i < value.len && value.data[i] != '\n')
			continue;
		if (n == LINES)
			return false;
		lines[n] = view_of(value.data + from, i - from);
		if (!json_printable(lines[n++]))
			return false;
		from = i + 1;
	}
	return n == LINES;
}

enum cs_err
word_decode(struct view name, struct view value, struct store_word *out)
{
	struct view lines[LINES];
	struct store_word w = {.name = name, .bucket = -1};

	if (!word_named(name) || !lines_of(value, lines) || !view_equal(lines[0], VIEW("1")))
		return CS_ERR_CORRUPT;
	w.said_ms = word_said_ms(name);
	w.member = lines[3];
	w.by = lines[4];
	w.reason = lines[5];
	if (view_equal(lines[1], VIEW("forget"))) {
		w.member_id = lines[2];
	} else {
		int64_t bucket = view_equal(lines[1], VIEW("release")) ? number(lines[2], 4) : -1;

		if (bucket < 0 || bucket >= LAYOUT_BUCKETS)
			return CS_ERR_CORRUPT;
		w.bucket = (int)bucket;
	}
	if (w.said_ms < 0)
		return CS_ERR_CORRUPT;
	*out = w;
	return CS_OK;
}
