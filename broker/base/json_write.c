/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON writer: escapes, commas and balance; and the check of text from outside. */
#include "broker/base/json.h"

#include "broker/base/ascii.h"
#include "broker/base/check.h"
#include "broker/base/utf8.h"

enum { INT_TEXT_MAX = sizeof("-9223372036854775808") };

/*
 * 0: copied as it is. 'u': as \u00XX. 'm': a sequence of several bytes. Else the letter after the
 * backslash.
 */
static const char escape_with[256] = {
	[0x00 ... 0x07] = 'u',
	['\b'] = 'b',
	['\t'] = 't',
	['\n'] = 'n',
	[0x0b] = 'u',
	['\f'] = 'f',
	['\r'] = 'r',
	[0x0e ... 0x1f] = 'u',
	['"'] = '"',
	['\\'] = '\\',
	[0x7f] = 'u',
	[0x80 ... 0xff] = 'm',
};

struct json_writer
json_to(struct buf *out)
{
	return (struct json_writer){.out = out};
}

/* What stands before every value: a comma, or nothing after a key. */
static void
value_begin(struct json_writer *w)
{
	bool in_object = w->depth > 0 && (w->objects >> (w->depth - 1) & 1) != 0;

	CHECK(w->keyed == in_object);
	CHECK(w->depth > 0 || !w->comma);
	if (w->comma && !w->keyed)
		buf_put_u8(w->out, ',');
	w->keyed = false;
	w->comma = true;
}

static void
container_begin(struct json_writer *w, bool object)
{
	value_begin(w);
	CHECK(w->depth < JSON_DEPTH_MAX);
	w->objects = (w->objects & ~(1u << w->depth)) | (uint32_t)object << w->depth;
	w->depth++;
	w->comma = false;
	buf_put_u8(w->out, object ? '{' : '[');
}

static void
container_end(struct json_writer *w, bool object)
{
	CHECK(w->depth > 0 && !w->keyed);
	w->depth--;
	CHECK((w->objects >> w->depth & 1) == object);
	w->comma = true;
	buf_put_u8(w->out, object ? '}' : ']');
}

void
json_object_begin(struct json_writer *w)
{
	container_begin(w, true);
}

void
json_object_end(struct json_writer *w)
{
	container_end(w, true);
}

void
json_array_begin(struct json_writer *w)
{
	container_begin(w, false);
}

void
json_array_end(struct json_writer *w)
{
	container_end(w, false);
}

static void
put_escape(struct buf *out, uint8_t c)
{
	static const char hex[] = "0123456789abcdef";
	char with = escape_with[c];
	char text[6] = {'\\', with, '0', '0', hex[c >> 4], hex[c & 15]};

	buf_put(out, text, with == 'u' ? 6 : 2);
}

/* The text between quotes. Stretches that need nothing done are copied as one. */
static void
put_quoted(struct buf *out, struct view v)
{
	const uint8_t *at = (const uint8_t *)(v.len == 0 ? "" : v.data);
	const uint8_t *end = at + v.len;
	const uint8_t *from = at;

	buf_put_u8(out, '"');
	while ((at += ascii_plain(at, (size_t)(end - at))) < end) {
		char with = escape_with[*at];
		size_t n = with == 'm' ? utf8_sequence(at, end, NULL) : 1;

		if (with == 0 || (with == 'm' && n > 0)) {
			at += n;
			continue;
		}
		buf_put(out, from, (size_t)(at - from));
		if (with == 'm')
			buf_put_view(out, VIEW("\xef\xbf\xbd"));
		else
			put_escape(out, *at);
		from = ++at;
	}
	buf_put(out, from, (size_t)(at - from));
	buf_put_u8(out, '"');
}

static void
key_begin(struct json_writer *w)
{
	CHECK(w->depth > 0 && (w->objects >> (w->depth - 1) & 1) != 0 && !w->keyed);
	if (w->comma)
		buf_put_u8(w->out, ',');
	w->keyed = true;
}

void
json_key(struct json_writer *w, struct view name)
{
	key_begin(w);
	put_quoted(w->out, name);
	buf_put_u8(w->out, ':');
}

/* A name from the source code: nothing in it needs escaping. One piece of room, one copy. */
static void
put_name(struct json_writer *w, const char *name)
{
	size_t len = strlen(name);
	uint8_t *to;

	key_begin(w);
	to = buf_room(w->out, len + 3);
	if (to == NULL)
		return;
	to[0] = '"';
	memcpy(to + 1, name, len);
	to[len + 1] = '"';
	to[len + 2] = ':';
	w->out->len += len + 3;
}

void
json_put_str(struct json_writer *w, struct view v)
{
	value_begin(w);
	put_quoted(w->out, v);
}

void
json_put_int(struct json_writer *w, int64_t v)
{
	uint64_t left = v < 0 ? -(uint64_t)v : (uint64_t)v;
	char text[INT_TEXT_MAX];
	size_t at = sizeof(text);

	value_begin(w);
	do {
		text[--at] = (char)('0' + left % 10);
		left /= 10;
	} while (left != 0);
	if (v < 0)
		text[--at] = '-';
	buf_put(w->out, text + at, sizeof(text) - at);
}

void
json_put_bool(struct json_writer *w, bool v)
{
	json_put_raw(w, v ? VIEW("true") : VIEW("false"));
}

void
json_put_null(struct json_writer *w)
{
	json_put_raw(w, VIEW("null"));
}

void
json_put_raw(struct json_writer *w, struct view v)
{
	value_begin(w);
	buf_put_view(w->out, v);
}

void
json_member_str(struct json_writer *w, const char *name, struct view v)
{
	if (v.data == NULL)
		return;
	put_name(w, name);
	json_put_str(w, v);
}

void
json_member_int(struct json_writer *w, const char *name, int64_t v)
{
	put_name(w, name);
	json_put_int(w, v);
}

void
json_member_bool(struct json_writer *w, const char *name, bool v)
{
	put_name(w, name);
	json_put_bool(w, v);
}

/* Recursion is bounded: the reader let no deeper text in. */
void
json_put_copy(struct json_writer *w, const struct json *doc, uint32_t token)
{
	enum json_type type = json_type(doc, token);
	bool object = type == JSON_OBJECT;
	uint32_t at = json_first(doc, token);

	if (type == JSON_STRING) {
		json_put_str(w, json_text(doc, token));
		return;
	}
	if (!object && type != JSON_ARRAY) {
		json_put_raw(w, json_text(doc, token));
		return;
	}
	container_begin(w, object);
	for (unsigned i = 0; i < doc->tokens[token].count; i++) {
		if (object)
			json_key(w, json_text(doc, at++));
		json_put_copy(w, doc, at);
		at = json_next(doc, at);
	}
	container_end(w, object);
}

static bool
text_check(struct view v, bool printable)
{
	const uint8_t *at = (const uint8_t *)(v.len == 0 ? "" : v.data);
	const uint8_t *end = at + v.len;

	while ((at += ascii_plain(at, (size_t)(end - at))) < end) {
		uint32_t code;
		size_t n = utf8_sequence(at, end, &code);

		if (n == 0 || (printable && !utf8_code_printable(code)))
			return false;
		at += n;
	}
	return true;
}

bool
json_printable(struct view v)
{
	return text_check(v, true);
}

bool
json_utf8(struct view v)
{
	return text_check(v, false);
}
