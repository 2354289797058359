/* SPDX-License-Identifier: Apache-2.0 */
/* Base64url, JSON and form encoding. */
#include "plugins/lib/encoding.h"

/* Value of a base64url letter, or -1. */
static int
letter_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool
base64url_decode(struct countersign_view text, unsigned char *to, size_t cap, size_t *len)
{
	unsigned bits = 0, have = 0;
	size_t n = 0;

	if (text.len % 4 == 1)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		int value = letter_value(text.data[i]);

		if (value < 0)
			return false;
		bits = bits << 6 | (unsigned)value;
		have += 6;
		if (have < 8)
			continue;
		if (n == cap)
			return false;
		have -= 8;
		to[n++] = (unsigned char)(bits >> have);
		bits &= (1U << have) - 1;
	}
	if (bits != 0)
		return false;
	*len = n;
	return true;
}

/* jansson's own limit is 2048, each level of which costs stack. */
static bool
is_shallow(const char *text, size_t len)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (in_string && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			in_string = !in_string;
		else if (!in_string && (text[i] == '{' || text[i] == '[') &&
			 ++depth > JSON_DEPTH_MAX)
			return false;
		else if (!in_string && (text[i] == '}' || text[i] == ']'))
			depth--;
	}
	return true;
}

json_t *
json_read_object(const char *text, size_t len)
{
	json_t *v = is_shallow(text, len) ?
	    json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL) : NULL;

	if (json_is_object(v))
		return v;
	json_decref(v);
	return NULL;
}

struct countersign_view
json_text(const json_t *v)
{
	if (!json_is_string(v))
		return countersign_view_of(NULL);
	return (struct countersign_view){json_string_value(v), json_string_length(v)};
}

struct countersign_view
json_member_text(const json_t *object, const char *name)
{
	return json_text(json_object_get(object, name));
}

void
put_view(struct countersign_buffer *to, int *rc, struct countersign_view v)
{
	if (*rc != COUNTERSIGN_OK)
		return;
	if (v.len > to->cap - to->len) {
		*rc = COUNTERSIGN_FULL;
		return;
	}
	if (v.len > 0)
		memcpy(to->data + to->len, v.data, v.len);
	to->len += v.len;
}

void
put_text(struct countersign_buffer *to, int *rc, const char *text)
{
	put_view(to, rc, countersign_view_of(text));
}

void
put_escaped(struct countersign_buffer *to, int *rc, struct countersign_view v)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < v.len; i++) {
		unsigned char c = (unsigned char)v.data[i];
		char escaped[3] = {'%', hex[c >> 4], hex[c & 15]};
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
		struct countersign_view one = {plain ? v.data + i : escaped, plain ? 1 : 3};

		put_view(to, rc, one);
	}
}

/* One of the two alphabets; padded: with "=". */
static void
put_64(struct countersign_buffer *to, int *rc, struct countersign_view v, const char letters[65], bool padded)
{
	for (size_t i = 0; i < v.len; i += 3) {
		size_t n = v.len - i < 3 ? v.len - i : 3;
		unsigned bits = 0;
		char four[4] = {'=', '=', '=', '='};

		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (k < n ? (unsigned char)v.data[i + k] : 0);
		for (size_t k = 0; k <= n; k++)
			four[k] = letters[bits >> (18 - 6 * k) & 63];
		put_view(to, rc, (struct countersign_view){four, padded ? sizeof(four) : n + 1});
	}
}

void
put_base64(struct countersign_buffer *to, int *rc, struct countersign_view v)
{
	put_64(to, rc, v, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", true);
}

void
put_base64url(struct countersign_buffer *to, int *rc, struct countersign_view v)
{
	put_64(to, rc, v, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", false);
}

void
put_pair(struct countersign_buffer *to, int *rc, size_t from, const char *name,
    struct countersign_view value)
{
	if (to->len > from)
		put_text(to, rc, "&");
	put_text(to, rc, name);
	put_text(to, rc, "=");
	put_escaped(to, rc, value);
}

void
put_words(struct countersign_buffer *to, int *rc, size_t from, const char *name,
    const struct countersign_view *values, size_t count)
{
	put_pair(to, rc, from, name, count > 0 ? values[0] : countersign_view_of(""));
	for (size_t i = 1; i < count; i++) {
		put_text(to, rc, "%20");
		put_escaped(to, rc, values[i]);
	}
}

bool
view_is(struct countersign_view a, struct countersign_view b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Unicode's Cc; U+061C, 200E, 200F, 2028, 2029, 202A to 202E, 2066 to 2069. No second byte can be taken for a first. */
bool
view_is_printable(struct countersign_view v)
{
	for (size_t i = 0; i < v.len; i++) {
		unsigned char a = (unsigned char)v.data[i];
		unsigned char b = i + 1 < v.len ? (unsigned char)v.data[i + 1] : 0;
		unsigned char c = i + 2 < v.len ? (unsigned char)v.data[i + 2] : 0;

		if (a < ' ' || a == 0x7f || (a == 0xc2 && b >= 0x80 && b <= 0x9f) || (a == 0xd8 && b == 0x9c))
			return false;
		if (a == 0xe2 && b == 0x80 && (c == 0x8e || c == 0x8f || (c >= 0xa8 && c <= 0xae)))
			return false;
		if (a == 0xe2 && b == 0x81 && c >= 0xa6 && c <= 0xa9)
			return false;
	}
	return true;
}

bool
view_is_text(struct countersign_view a, const char *b)
{
	return view_is(a, countersign_view_of(b));
}
