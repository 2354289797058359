/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A strict subset of HTTP/1.1 (RFC 9110, RFC 9112) as pure functions over bytes: no socket, heap,
 * clock or log.
 *
 * Accepted: version 1.1; targets in origin form; lines ended by CRLF; bodies measured by one
 * Content-Length of digits. Refused with the status that says why: bare LF or CR, any
 * Transfer-Encoding, a second or odd Content-Length, a missing or second Host, names with anything
 * but letters, digits, '-' and '_', line folding, control characters, a second header of those that
 * we act on, and whatever passes the limits below. Two readers of one request can only disagree
 * about what one of them guessed at; this one does not guess.
 */
#ifndef CS_GATEWAY_HTTP_H
#define CS_GATEWAY_HTTP_H

#include "broker/base/buf.h"
#include "broker/base/err.h"

enum {
	HTTP_HEAD_MAX = 8 * 1024,  /* request line and headers: browsers send under two */
	HTTP_BODY_MAX = 64 * 1024, /* one message to the engine is no larger */
	HTTP_HEADERS_MAX = 64,
	HTTP_PAIRS_MAX = 32, /* members of a query or form; a provider's callback sends under ten */
};

struct http_header {
	struct view name, value; /* value without white space round it */
};

/* Views into the bytes that were read. What is absent has NULL data. */
struct http_request {
	struct view method, target;
	struct view path, query; /* target, split at the first '?'; both still percent-encoded */
	struct http_header headers[HTTP_HEADERS_MAX];
	size_t header_count;
	struct view host, content_type, cookie, origin, request_id, accept_language, fetch_site;
	struct view authorization, dpop; /* secrets: never logged */
	bool expect_continue;
	bool close; /* Connection: close */
	struct view body;
};

enum http_result {
	HTTP_MORE, /* not all there yet; *need is how many bytes in all, as far as known */
	HTTP_DONE, /* *used bytes were one request */
	HTTP_BAD,  /* *refusal says why; the connection is to be closed after the answer */
};

struct http_refusal {
	unsigned status;
	const char *reason; /* static text */
};

/*
 * Reads one request from the front of data. On HTTP_MORE with the head complete, *request is filled
 * but for its body (so that "Expect: 100-continue" can be answered) and *need > have; otherwise
 * *need is 0.
 */
enum http_result http_read(const char *data, size_t have, struct http_request *request,
    size_t *used, size_t *need, struct http_refusal *refusal);

/* The first header of that name (compared without case), or NULL data. */
struct view http_header(const struct http_request *request, struct view name);

/* Is the media type `type` ("application/json"), parameters aside? */
bool http_type_is(struct view content_type, struct view type);

/*
 * Decodes %XX, and '+' as a space when `form`, into out. CS_ERR_SYNTAX (broken escape, NUL, or no
 * UTF-8); CS_ERR_FULL. *to is a view into out's memory.
 */
enum cs_err http_decode(struct view v, bool form, struct buf *out, struct view *to);

struct http_pair {
	struct view name, value;
};

/*
 * A query or an application/x-www-form-urlencoded body as decoded pairs, text in `out`.
 * CS_ERR_SYNTAX: broken escapes, an empty name, or one name twice; CS_ERR_FULL: more than
 * HTTP_PAIRS_MAX, or out is full. *count is set on success.
 */
enum cs_err http_pairs(
    struct view v, struct buf *out, struct http_pair pairs[HTTP_PAIRS_MAX], size_t *count);
/* NULL data where there is none. */
struct view http_pair_get(const struct http_pair *pairs, size_t count, struct view name);

/* A cookie's value (RFC 6265 section 5.4 spelling); NULL data where there is none, or where there
 * are two. */
struct view http_cookie(struct view header, struct view name);

/* "OK", "Not Found", ... */
const char *http_status_text(unsigned status);

/* Writing a response: begin, any headers, then the body. Values must hold neither CR nor LF
 * (checked). */
void http_response_begin(struct buf *out, unsigned status, bool close);
void http_response_header(struct buf *out, struct view name, struct view value);
/*
 * Ends the head. The length is written at a fixed width, to be set by http_response_end() when the
 * body stands after it; *mark is for that.
 */
void http_response_body(struct buf *out, struct view content_type, size_t *mark);
void http_response_end(struct buf *out, size_t mark);
/* Ends the head of a response that has no body (204 has none at all, others a Content-Length of 0).
 */
void http_response_empty(struct buf *out, unsigned status);

#endif
