/* SPDX-License-Identifier: Apache-2.0 */
/* Reads an object into a struct by a table of its members. */
#include "broker/base/json.h"

#include "broker/base/check.h"

enum { FIELDS_MAX = 64 }; /* one bit each, to know which were there */

static bool
bounded(const struct json_field *f)
{
	return f->min != 0 || f->max != 0;
}

/* NULL, or what is wrong with the length of a string or the count of an array. */
static const char *
size_problem(const struct json_field *f, size_t size)
{
	if (!bounded(f))
		return NULL;
	if ((int64_t)size < f->min)
		return size == 0 ? "must not be empty" : "is too short";
	return f->max != 0 && (int64_t)size > f->max ? "is too long" : NULL;
}

static const char *
bind_text(const struct json *doc, uint32_t token, const struct json_field *f, struct view *to)
{
	struct view v = json_text(doc, token);
	const char *reason;

	if (json_type(doc, token) != JSON_STRING)
		return "must be a string";
	if (f->type == JSON_F_ID && v.len == 0)
		return "must not be empty";
	reason = size_problem(f, v.len);
	if (reason != NULL)
		return reason;
	if (f->type == JSON_F_ID && !json_printable(v))
		return "contains control characters";
	*to = v;
	return NULL;
}

static const char *
bind_int(const struct json *doc, uint32_t token, const struct json_field *f, int64_t *to)
{
	int64_t v = 0;
	enum cs_err rc = json_int(doc, token, &v);

	if (rc == CS_ERR_SYNTAX)
		return "must be an integer";
	if (rc != CS_OK || (bounded(f) && (v < f->min || v > f->max)))
		return "is out of range";
	*to = v;
	return NULL;
}

static const char *
bind_bool(const struct json *doc, uint32_t token, bool *to)
{
	enum json_type type = json_type(doc, token);

	if (type != JSON_TRUE && type != JSON_FALSE)
		return "must be true or false";
	*to = type == JSON_TRUE;
	return NULL;
}

static const char *
bind_token(const struct json *doc, uint32_t token, const struct json_field *f, uint32_t *to)
{
	enum json_type type = json_type(doc, token);
	const char *reason = NULL;

	if (f->type == JSON_F_OBJECT && type != JSON_OBJECT)
		return "must be an object";
	if (f->type == JSON_F_ARRAY && type != JSON_ARRAY)
		return "must be an array";
	if (f->type == JSON_F_ARRAY)
		reason = size_problem(f, doc->tokens[token].count);
	if (reason == NULL)
		*to = token;
	return reason;
}

/* NULL, or the reason for which the value was not taken. */
static const char *
bind_value(const struct json *doc, uint32_t token, const struct json_field *f, void *to)
{
	void *at = (char *)to + f->offset;

	switch ((enum json_field_type)f->type) {
	case JSON_F_STRING:
	case JSON_F_ID:
		return bind_text(doc, token, f, at);
	case JSON_F_INT:
		return bind_int(doc, token, f, at);
	case JSON_F_BOOL:
		return bind_bool(doc, token, at);
	case JSON_F_OBJECT:
	case JSON_F_ARRAY:
	case JSON_F_ANY:
		return bind_token(doc, token, f, at);
	}
	CHECK(!"a type of enum json_field_type");
	return NULL;
}

static bool
name_is(const char *name, struct view v)
{
	size_t i = 0;

	while (i < v.len && name[i] == v.data[i] && name[i] != '\0')
		i++;
	return i == v.len && name[i] == '\0';
}

/*
 * Searches from `guess` on and round: members mostly come in the table's order. `n` where there is
 * none.
 */
static size_t
field_find(const struct json_field *fields, size_t n, size_t guess, struct view name)
{
	for (size_t i = guess; i < n; i++)
		if (name_is(fields[i].name, name))
			return i;
	for (size_t i = 0; i < guess; i++)
		if (name_is(fields[i].name, name))
			return i;
	return n;
}

static enum cs_err
refuse(struct json_problem *problem, const char *field, struct view member, const char *reason)
{
	*problem = (struct json_problem){field, member, reason};
	return CS_ERR_SYNTAX;
}

enum cs_err
json_bind(const struct json *doc, uint32_t object, const struct json_field *fields, bool lax,
    void *to, struct json_problem *problem)
{
	uint32_t at = object + 1;
	size_t n = 0, guess = 0;
	uint64_t got = 0;

	if (json_type(doc, object) != JSON_OBJECT)
		return refuse(problem, NULL, view_of(NULL, 0), "must be an object");
	while (fields[n].name != NULL)
		n++;
	CHECK(n <= FIELDS_MAX);
	for (unsigned i = 0; i < doc->tokens[object].count; i++) {
		struct view name = json_text(doc, at);
		uint32_t value = at + 1;
		size_t f = field_find(fields, n, guess, name);
		const char *reason;

		at = json_next(doc, value);
		if (f == n && !lax)
			return refuse(problem, NULL, name, "is unknown");
		if (f == n || json_type(doc, value) == JSON_NULL)
			continue;
		reason = bind_value(doc, value, &fields[f], to);
		if (reason != NULL)
			return refuse(problem, fields[f].name, name, reason);
		got |= UINT64_C(1) << f;
		guess = f + 1;
	}
	for (size_t f = 0; f < n; f++)
		if (fields[f].required && (got >> f & 1) == 0)
			return refuse(
			    problem, fields[f].name, view_str(fields[f].name), "is missing");
	return CS_OK;
}
