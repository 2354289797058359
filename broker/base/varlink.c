/* SPDX-License-Identifier: Apache-2.0 */
/* Varlink messages: the two envelopes as tables, and how they are written. */
#include "broker/base/varlink.h"

#include "broker/base/check.h"

enum { PARAMETERS_DEPTH = 2 }; /* inside "parameters" of the message */

static const struct json_field call_fields[] = {
	{"method", JSON_F_ID, true, offsetof(struct varlink_call, method), 1, VARLINK_METHOD_MAX},
	{"parameters", JSON_F_OBJECT, false, offsetof(struct varlink_call, parameters), 0, 0},
	{"more", JSON_F_BOOL, false, offsetof(struct varlink_call, more), 0, 0},
	{"oneway", JSON_F_BOOL, false, offsetof(struct varlink_call, oneway), 0, 0},
	{"upgrade", JSON_F_BOOL, false, offsetof(struct varlink_call, upgrade), 0, 0},
	{.name = NULL},
};

static const struct json_field reply_fields[] = {
	{"error", JSON_F_ID, false, offsetof(struct varlink_reply, error), 1, VARLINK_METHOD_MAX},
	{"parameters", JSON_F_OBJECT, false, offsetof(struct varlink_reply, parameters), 0, 0},
	{"continues", JSON_F_BOOL, false, offsetof(struct varlink_reply, continues), 0, 0},
	{.name = NULL},
};

/* What each member must be, to say it in one static text. */
static const struct {
	const char *field, *reason;
} member_reasons[] = {
	{"method", "method must be a name"},
	{"parameters", "parameters must be an object"},
	{"more", "more must be true or false"},
	{"oneway", "oneway must be true or false"},
	{"upgrade", "upgrade must be true or false"},
	{"error", "error must be a name"},
	{"continues", "continues must be true or false"},
};

enum cs_err
varlink_frame(const char *data, size_t have, size_t *scanned, size_t *len)
{
	size_t from = scanned == NULL || *scanned > have ? 0 : *scanned;
	size_t limit = have > VARLINK_MESSAGE_MAX + 1 ? VARLINK_MESSAGE_MAX + 1 : have;
	const char *nul = from >= limit ? NULL : memchr(data + from, '\0', limit - from);

	if (nul != NULL) {
		if (scanned != NULL)
			*scanned = 0;
		*len = (size_t)(nul - data);
		return CS_OK;
	}
	if (have > VARLINK_MESSAGE_MAX)
		return CS_ERR_FULL;
	if (scanned != NULL)
		*scanned = have;
	return CS_ERR_NOT_FOUND;
}

static const char *
reason_of(const struct json_problem *problem)
{
	const size_t n = sizeof(member_reasons) / sizeof(member_reasons[0]);

	if (problem->field == NULL)
		return problem->member.data == NULL ? "a message must be an object"
						    : "unknown member";
	for (size_t i = 0; i < n; i++)
		if (strcmp(member_reasons[i].field, problem->field) == 0)
			return member_reasons[i].reason;
	return problem->reason;
}

/* Reads text into doc and, by fields, into *to, which the caller has zeroed. */
static enum cs_err
envelope_read(char *text, size_t len, struct json_token *tokens, size_t cap,
    const struct json_field *fields, struct json *doc, void *to, struct json_error *err)
{
	struct json_problem problem;
	struct json got;
	enum cs_err rc = json_read(text, len, tokens, cap, &got, err);

	if (rc != CS_OK)
		return rc;
	rc = json_bind(&got, 0, fields, false, to, &problem);
	if (rc != CS_OK) {
		if (err != NULL)
			*err = (struct json_error){.reason = reason_of(&problem)};
		if (err != NULL && problem.member.data >= text && problem.member.data < text + len)
			err->offset = (uint32_t)(problem.member.data - text);
		return rc;
	}
	*doc = got;
	return CS_OK;
}

enum cs_err
varlink_read_call(char *text, size_t len, struct json_token *tokens, size_t cap, struct json *doc,
    struct varlink_call *call, struct json_error *err)
{
	struct varlink_call got = {.parameters = 0};
	enum cs_err rc = envelope_read(text, len, tokens, cap, call_fields, doc, &got, err);

	if (rc == CS_OK)
		*call = got;
	return rc;
}

enum cs_err
varlink_read_reply(char *text, size_t len, struct json_token *tokens, size_t cap, struct json *doc,
    struct varlink_reply *reply, struct json_error *err)
{
	struct varlink_reply got = {.parameters = 0};
	enum cs_err rc = envelope_read(text, len, tokens, cap, reply_fields, doc, &got, err);

	if (rc == CS_OK)
		*reply = got;
	return rc;
}

static void
parameters_begin(struct json_writer *w)
{
	json_key(w, VIEW("parameters"));
	json_object_begin(w);
}

struct json_writer
varlink_call_begin(struct buf *out, struct view method, bool more)
{
	struct json_writer w = json_to(out);

	json_object_begin(&w);
	json_member_str(&w, "method", method);
	if (more)
		json_member_bool(&w, "more", true);
	parameters_begin(&w);
	return w;
}

struct json_writer
varlink_reply_begin(struct buf *out, bool continues)
{
	struct json_writer w = json_to(out);

	json_object_begin(&w);
	if (continues)
		json_member_bool(&w, "continues", true);
	parameters_begin(&w);
	return w;
}

struct json_writer
varlink_error_begin(struct buf *out, struct view error)
{
	struct json_writer w = json_to(out);

	json_object_begin(&w);
	json_member_str(&w, "error", error);
	parameters_begin(&w);
	return w;
}

void
varlink_end(struct json_writer *w)
{
	CHECK(w->depth == PARAMETERS_DEPTH);
	json_object_end(w);
	json_object_end(w);
	buf_put_u8(w->out, 0);
}

bool
varlink_split(struct view method, struct view *interface, struct view *member)
{
	const char *dot = method.len == 0 ? NULL : memrchr(method.data, '.', method.len);
	size_t before;

	if (dot == NULL)
		return false;
	before = (size_t)(dot - method.data);
	if (before == 0 || before + 1 == method.len)
		return false;
	*interface = view_of(method.data, before);
	*member = view_of(dot + 1, method.len - before - 1);
	return true;
}
