/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of Varlink messages: frames are the same however the bytes arrive, and a call or reply
 * that was read is read again as the same after it was written.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/base/check.h"
#include "broker/base/varlink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { GROWTH = 6, TOKENS_AGAIN = JSON_TOKENS_MAX + 8 /* a written envelope has "parameters" */ };

static struct json_token tokens[JSON_TOKENS_MAX], tokens_again[TOKENS_AGAIN];
static char again[GROWTH * VARLINK_MESSAGE_MAX];

static void
members_copy(struct json_writer *w, const struct json *doc, uint32_t object)
{
	uint32_t at = object == 0 ? 0 : json_first(doc, object);

	for (unsigned i = 0; at != 0 && i < doc->tokens[object].count; i++) {
		json_key(w, json_text(doc, at));
		json_put_copy(w, doc, at + 1);
		at = json_next(doc, at + 1);
	}
}

/* What was written since the last frame, without its NUL; false when it has outgrown a message. */
static bool
frame_written(const struct buf *out, size_t *len)
{
	enum cs_err rc = varlink_frame(again, out->len, NULL, len);

	CHECK(!out->full);
	if (rc == CS_ERR_FULL)
		return false;
	CHECK(rc == CS_OK && *len == out->len - 1);
	return true;
}

static void
call_again(const struct json *doc, const struct varlink_call *call)
{
	struct buf out = buf_over(again, sizeof(again));
	struct json_writer w = varlink_call_begin(&out, call->method, call->more);
	struct varlink_call second;
	struct json reread;
	struct view interface, member;
	size_t len;

	members_copy(&w, doc, call->parameters);
	varlink_end(&w);
	if (!frame_written(&out, &len))
		return;
	CHECK(varlink_read_call(
		  again, len, tokens_again, TOKENS_AGAIN, &reread, &second, NULL) == CS_OK);
	CHECK(view_equal(second.method, call->method) && second.more == call->more);
	if (varlink_split(call->method, &interface, &member))
		CHECK(interface.len + member.len + 1 == call->method.len);
}

static void
reply_again(const struct json *doc, const struct varlink_reply *reply)
{
	struct buf out = buf_over(again, sizeof(again));
	struct json_writer w = reply->error.len > 0 ? varlink_error_begin(&out, reply->error)
						    : varlink_reply_begin(&out, reply->continues);
	struct varlink_reply second = {.parameters = 0};
	struct json reread;
	size_t len;

	members_copy(&w, doc, reply->parameters);
	varlink_end(&w);
	if (!frame_written(&out, &len))
		return;
	CHECK(varlink_read_reply(
		  again, len, tokens_again, TOKENS_AGAIN, &reread, &second, NULL) == CS_OK);
	CHECK(view_equal(second.error, reply->error));
}

static void
message_try(const char *data, size_t len)
{
	char *text = malloc(len == 0 ? 1 : len);
	struct varlink_call call;
	struct varlink_reply reply;
	struct json doc;

	CHECK(text != NULL);
	memcpy(text, data, len);
	if (varlink_read_call(text, len, tokens, JSON_TOKENS_MAX, &doc, &call, NULL) == CS_OK)
		call_again(&doc, &call);
	memcpy(text, data, len);
	if (varlink_read_reply(text, len, tokens, JSON_TOKENS_MAX, &doc, &reply, NULL) == CS_OK)
		reply_again(&doc, &reply);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *at = (const char *)data;
	size_t left = len;

	for (;;) {
		size_t scanned = 0, whole = 0, piece = 0;
		enum cs_err rc = varlink_frame(at, left, NULL, &whole);
		enum cs_err rc_piece = CS_ERR_NOT_FOUND;

		/* The same stream, arriving seven bytes at a time. */
		for (size_t have = 0; rc_piece == CS_ERR_NOT_FOUND && have < left;) {
			have = left - have > 7 ? have + 7 : left;
			rc_piece = varlink_frame(at, have, &scanned, &piece);
		}
		CHECK(rc == rc_piece && whole == piece);
		if (rc != CS_OK)
			return 0;
		message_try(at, whole);
		at += whole + 1;
		left -= whole + 1;
	}
}
