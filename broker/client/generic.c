/* SPDX-License-Identifier: Apache-2.0 */
/* Any method, with JSON in and out. */
#include "broker/client/fields.h"

/*
 * The parameters go out as they are, once they were read as JSON by themselves, so that they cannot end our envelope
 * early and smuggle in members of its own. Read from a copy, since reading unescapes in place; `in` holds nothing that
 * is still wanted.
 */
static void
check_parameters(struct call *c, struct view parameters)
{
	struct wire *w = &c->handle->wire;
	struct json_error err = {.reason = "it is none"};

	if (parameters.len > VARLINK_MESSAGE_MAX) {
		call_fail(c, CS_STATUS_TOO_BIG, "parameters", "the call is longer than a message may be (%d bytes)",
		    VARLINK_MESSAGE_MAX);
		return;
	}
	w->have = w->taken = w->scanned = 0;
	memcpy(w->in, parameters.data, parameters.len);
	if (json_read(w->in, parameters.len, w->tokens, WIRE_TOKENS_MAX, &c->doc, &err) != CS_OK ||
	    json_type(&c->doc, 0) != JSON_OBJECT)
		call_fail(c, CS_STATUS_ARGUMENT, "parameters", "parameters must be one JSON object: %s", err.reason);
}

static void
put_message(struct call *c, struct view method, struct view parameters)
{
	c->out = buf_over(c->handle->out, sizeof(c->handle->out));
	c->w = json_to(&c->out);
	json_object_begin(&c->w);
	json_member_str(&c->w, "method", method);
	json_key(&c->w, VIEW("parameters"));
	json_put_raw(&c->w, parameters);
	json_object_end(&c->w);
	buf_put_u8(&c->out, '\0');
}

static bool
is_method(const char *method)
{
	struct view interface, member;

	return method != NULL && json_printable(view_str(method)) &&
	    varlink_split(view_str(method), &interface, &member);
}

static void
take_raw(struct call *c, char *reply, size_t reply_size, size_t *reply_len)
{
	struct json_writer w;
	struct buf out;

	if (c->status != CS_STATUS_OK)
		return;
	out = buf_over(reply, reply_size - 1);
	w = json_to(&out);
	if (c->object == 0)
		json_put_raw(&w, VIEW("{}"));
	else
		json_put_copy(&w, &c->doc, c->object);
	if (out.full) {
		call_fail(c, CS_STATUS_TOO_BIG, "reply", "the reply does not fit %zu bytes: it was done, look for its effect",
		    reply_size);
		return;
	}
	reply[out.len] = '\0';
	*reply_len = out.len;
}

CS_PUBLIC enum cs_status
cs_call(struct cs *handle, const char *method, const char *parameters, char *reply, size_t reply_size,
    size_t *reply_len, struct cs_error *error)
{
	struct view given = view_str(parameters == NULL ? "{}" : parameters);
	struct call c;

	call_begin(&c, handle, "", CALL_ONCE, error);
	if (!is_method(method))
		call_fail(&c, CS_STATUS_ARGUMENT, "method", "method must be INTERFACE.METHOD");
	if (reply == NULL || reply_size < 1 || reply_len == NULL)
		call_fail(&c, CS_STATUS_ARGUMENT, "reply", "reply and reply_len must be given");
	if (c.status == CS_STATUS_OK)
		check_parameters(&c, given);
	if (c.status == CS_STATUS_OK)
		put_message(&c, view_str(method), given);
	call_send(&c);
	take_raw(&c, reply, reply_size, reply_len);
	return call_end(&c);
}
