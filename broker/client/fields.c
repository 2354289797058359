/* SPDX-License-Identifier: Apache-2.0 */
/* Writing parameters and reading results, with their bounds. */
#include "broker/client/fields.h"

#include <limits.h>

void
put_text(struct call *c, const char *name, const char *value, size_t max, int required)
{
	struct view v = view_str(value);

	if (c->status != CS_STATUS_OK || (value == NULL && required == PUT_OPTIONAL))
		return;
	if (value == NULL)
		call_fail(c, CS_STATUS_ARGUMENT, name, "%s is missing", name);
	else if (v.len == 0 || v.len > max)
		call_fail(c, CS_STATUS_ARGUMENT, name, "%s must be 1 to %zu bytes long, and is %zu", name, max, v.len);
	else if (!json_printable(v))
		call_fail(c, CS_STATUS_ARGUMENT, name, "%s must be UTF-8 without control characters", name);
	else
		json_member_str(&c->w, name, v);
}

void
put_bool(struct call *c, const char *name, bool value)
{
	if (c->status == CS_STATUS_OK)
		json_member_bool(&c->w, name, value);
}

void
put_object_begin(struct call *c, const char *name)
{
	if (c->status != CS_STATUS_OK)
		return;
	json_key(&c->w, view_str(name));
	json_object_begin(&c->w);
}

void
put_object_end(struct call *c)
{
	if (c->status == CS_STATUS_OK)
		json_object_end(&c->w);
}

static void
bad_reply(struct call *c, const char *name, const char *why)
{
	call_fail(c, CS_STATUS_PROTOCOL, name, "the broker's reply cannot be understood: %s %s", name, why);
}

/* Printable, line by line. */
static bool
lines_printable(struct view v)
{
	while (v.len > 0) {
		const char *end = memchr(v.data, '\n', v.len);
		size_t len = end == NULL ? v.len : (size_t)(end - v.data);

		if (!json_printable(view_of(v.data, len)))
			return false;
		v = end == NULL ? view_of(NULL, 0) : view_of(end + 1, v.len - len - 1);
	}
	return true;
}

static void
take_text(struct call *c, uint32_t token, const char *name, bool lines, char *to, size_t size)
{
	struct view v = json_text(&c->doc, token);

	if (json_type(&c->doc, token) != JSON_STRING)
		bad_reply(c, name, "is no string");
	else if (v.len >= size)
		bad_reply(c, name, "is too long");
	else if (lines ? !lines_printable(v) : !json_printable(v))
		bad_reply(c, name, "has control characters");
	else {
		if (v.len > 0)
			memcpy(to, v.data, v.len);
		to[v.len] = '\0';
	}
}

static void
take_int(struct call *c, uint32_t token, const char *name, char *to)
{
	int64_t got = 0;
	int value;

	if (json_int(&c->doc, token, &got) != CS_OK || got < INT_MIN || got > INT_MAX) {
		bad_reply(c, name, "is no integer in range");
		return;
	}
	value = (int)got;
	memcpy(to, &value, sizeof(value));
}

static void
take_bool(struct call *c, uint32_t token, const char *name, char *to)
{
	enum json_type type = json_type(&c->doc, token);
	bool value = type == JSON_TRUE;

	if (type != JSON_TRUE && type != JSON_FALSE)
		bad_reply(c, name, "is neither true nor false");
	else
		memcpy(to, &value, sizeof(value));
}

static void
take_word(struct call *c, uint32_t token, const char *name, const char *const *words, char *to)
{
	struct view v = json_text(&c->doc, token);

	for (int i = 0; json_type(&c->doc, token) == JSON_STRING && words[i] != NULL; i++) {
		if (view_equal(v, view_str(words[i]))) {
			memcpy(to, &i, sizeof(i));
			return;
		}
	}
	bad_reply(c, name, "is a word that this version of libcountersign does not know");
}

static void
take_array(struct call *c, uint32_t token, const struct take_field *f, char *to)
{
	size_t count = c->doc.tokens[token].count;
	uint32_t at = json_first(&c->doc, token);

	if (json_type(&c->doc, token) != JSON_ARRAY) {
		bad_reply(c, f->name, "is no array");
		return;
	}
	if (count > f->max) {
		bad_reply(c, f->name, "has too many elements");
		return;
	}
	for (size_t i = 0; i < count && c->status == CS_STATUS_OK; i++) {
		char *element = to + f->offset + i * f->size;

		if (f->type == TAKE_TEXTS)
			take_text(c, at, f->name, false, element, f->size);
		else
			take_object(c, at, f->inner, element);
		at = json_next(&c->doc, at);
	}
	memcpy(to + f->count_offset, &count, sizeof(count));
}

static void
take_one(struct call *c, uint32_t token, const struct take_field *f, char *to)
{
	switch (f->type) {
	case TAKE_TEXT:
	case TAKE_LINES:
		take_text(c, token, f->name, f->type == TAKE_LINES, to + f->offset, f->size);
		break;
	case TAKE_BOOL:
		take_bool(c, token, f->name, to + f->offset);
		break;
	case TAKE_INT:
		take_int(c, token, f->name, to + f->offset);
		break;
	case TAKE_WORD:
		take_word(c, token, f->name, f->words, to + f->offset);
		break;
	case TAKE_OBJECT:
		take_object(c, token, f->inner, to + f->offset);
		break;
	case TAKE_TEXTS:
	case TAKE_OBJECTS:
		take_array(c, token, f, to);
		break;
	}
}

void
take_object(struct call *c, uint32_t object, const struct take_field *fields, void *to)
{
	if (json_type(&c->doc, object) != JSON_OBJECT) {
		call_fail(c, CS_STATUS_PROTOCOL, NULL, "the broker's reply cannot be understood: an object is missing");
		return;
	}
	for (const struct take_field *f = fields; f->name != NULL && c->status == CS_STATUS_OK; f++) {
		uint32_t token = json_get(&c->doc, object, view_str(f->name));

		if (token != 0 && json_type(&c->doc, token) != JSON_NULL)
			take_one(c, token, f, to);
		else if (f->required)
			bad_reply(c, f->name, "is missing");
	}
}

void
take_fields(struct call *c, const struct take_field *fields, void *to)
{
	if (c->status != CS_STATUS_OK)
		return;
	if (c->object == 0)
		call_fail(c, CS_STATUS_PROTOCOL, NULL, "the broker's reply has no parameters");
	else
		take_object(c, c->object, fields, to);
}
