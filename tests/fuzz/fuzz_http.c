/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of HTTP requests: the verdict is the same however the bytes arrive, what was read lies
 * within the bytes, and a request that was read has none of the marks that two servers read
 * differently.
 */
#include <string.h>

#include "broker/base/check.h"
#include "broker/gateway/http.h"
#include "broker/gateway/prompt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
within(struct view v, const char *data, size_t used)
{
	CHECK(v.data == NULL || (v.data >= data && v.data + v.len <= data + used));
}

/* What a form answers is JSON, whatever was typed into it. */
static void
answers_check(const struct http_pair pairs[HTTP_PAIRS_MAX], size_t count)
{
	static char text[6 * HTTP_BODY_MAX + 4096];
	static struct json_token tokens[JSON_TOKENS_MAX];
	struct buf out = buf_over(text, sizeof(text));
	struct json_writer w = json_to(&out);
	struct json_error err;
	struct form form = {.count = count};
	struct json doc;
	bool answered;

	memcpy(form.pairs, pairs, count * sizeof(pairs[0]));
	json_object_begin(&w);
	answered = prompt_answers(&form, &w);
	json_object_end(&w);
	CHECK(!out.full && answered == prompt_answered(&form));
	if (out.len <= JSON_TEXT_MAX)
		CHECK(json_read(text, out.len, tokens, JSON_TOKENS_MAX, &doc, &err) == CS_OK);
}

static void
request_check(const struct http_request *q, const char *data, size_t used)
{
	static char text[HTTP_BODY_MAX];
	struct buf out = buf_over(text, sizeof(text));
	struct http_pair pairs[HTTP_PAIRS_MAX];
	struct view decoded;
	size_t count;

	CHECK(q->host.len > 0 && q->path.len > 0 && q->path.data[0] == '/');
	CHECK(q->header_count <= HTTP_HEADERS_MAX && q->body.len <= HTTP_BODY_MAX);
	within(q->method, data, used);
	within(q->target, data, used);
	within(q->body, data, used);
	for (size_t i = 0; i < q->header_count; i++) {
		within(q->headers[i].name, data, used);
		within(q->headers[i].value, data, used);
		CHECK(memchr(q->headers[i].value.data, '\n', q->headers[i].value.len) == NULL);
		CHECK(memchr(q->headers[i].value.data, '\r', q->headers[i].value.len) == NULL);
	}
	CHECK(http_header(q, VIEW("Transfer-Encoding")).data == NULL);
	(void)http_cookie(q->cookie, VIEW("__Host-start"));
	(void)http_type_is(q->content_type, VIEW("application/json"));
	(void)http_decode(q->path, false, &out, &decoded);
	out = buf_over(text, sizeof(text));
	if (http_pairs(q->query, &out, pairs, &count) == CS_OK)
		CHECK(count <= HTTP_PAIRS_MAX);
	out = buf_over(text, sizeof(text));
	if (http_pairs(q->body, &out, pairs, &count) == CS_OK) {
		CHECK(count <= HTTP_PAIRS_MAX);
		answers_check(pairs, count);
	}
}

/* A prefix is never judged otherwise than the whole: it wants more, or says the same. */
static void
prefix_check(const char *data, size_t len, size_t cut, enum http_result whole, size_t used)
{
	struct http_refusal refusal;
	struct http_request q;
	size_t prefix_used = 0, need;
	enum http_result got = http_read(data, cut, &q, &prefix_used, &need, &refusal);

	CHECK(cut <= len);
	if (got == HTTP_DONE)
		CHECK(whole == HTTP_DONE && prefix_used == used);
	else if (got == HTTP_BAD)
		CHECK(whole == HTTP_BAD);
	else
		CHECK(whole != HTTP_DONE || cut < used);
	CHECK(got != HTTP_MORE || need == 0 || need > cut);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data;

	while (len > 0) {
		struct http_refusal refusal = {0};
		struct http_request q;
		size_t used = 0, need;
		enum http_result got = http_read(text, len, &q, &used, &need, &refusal);

		for (size_t cut = len / 2; cut > 0; cut /= 2)
			prefix_check(text, len, cut, got, used);
		if (got == HTTP_BAD)
			CHECK(refusal.status >= 400 && refusal.reason != NULL);
		if (got != HTTP_DONE)
			break;
		CHECK(used > 0 && used <= len);
		request_check(&q, text, used);
		text += used;
		len -= used;
	}
	return 0;
}
