/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Varlink (varlink.org): a message is a JSON object and a NUL byte. This file reads calls and
 * replies and writes them; it knows no socket. Used on every Unix socket of the broker, ours and
 * our own processes'.
 */
#ifndef CS_BASE_VARLINK_H
#define CS_BASE_VARLINK_H

#include "broker/base/json.h"

enum {
	VARLINK_MESSAGE_MAX = JSON_TEXT_MAX, /* without the NUL */
	VARLINK_METHOD_MAX = 255,            /* full name of a method or error; ours have 40 */
};

struct varlink_call {
	struct view method;   /* "org.countersign.Payments.Authorize" */
	uint32_t parameters;  /* object token, or 0 where there is none */
	bool more, oneway, upgrade;
};

struct varlink_reply {
	struct view error;    /* empty: a success */
	uint32_t parameters;  /* object token, or 0 */
	bool continues;
};

/*
 * Length of the first whole message in data without its NUL: *len is set. CS_ERR_NOT_FOUND: not all
 * there yet; CS_ERR_FULL: longer than VARLINK_MESSAGE_MAX. `scanned` (may be NULL) remembers how
 * far was searched for the NUL.
 */
enum cs_err varlink_frame(const char *data, size_t have, size_t *scanned, size_t *len);

/* Errors: CS_ERR_SYNTAX (not JSON, not an object, unknown or mistyped member), CS_ERR_FULL. */
enum cs_err varlink_read_call(char *text, size_t len, struct json_token *tokens, size_t cap,
    struct json *doc, struct varlink_call *call, struct json_error *err);
enum cs_err varlink_read_reply(char *text, size_t len, struct json_token *tokens, size_t cap,
    struct json *doc, struct varlink_reply *reply, struct json_error *err);

/*
 * Writing: begin leaves the writer inside "parameters"; end closes all and puts the NUL. A message
 * that overran VARLINK_MESSAGE_MAX is taken back by the caller (remember out->len before).
 */
struct json_writer varlink_call_begin(struct buf *out, struct view method, bool more);
struct json_writer varlink_reply_begin(struct buf *out, bool continues);
struct json_writer varlink_error_begin(struct buf *out, struct view error);
void varlink_end(struct json_writer *w);

/* Splits "org.countersign.Payments.Authorize" at its last dot; false where a side is empty. */
bool varlink_split(struct view method, struct view *interface, struct view *member);

#endif
