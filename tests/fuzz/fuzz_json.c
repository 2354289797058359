/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON reader and writer against jansson: what we accept, jansson accepts; what we refuse as
 * malformed, jansson refuses; and what we read and write again is the same value to jansson.
 */
#include <stdlib.h>
#include <string.h>

#include "broker/base/check.h"
#include "broker/base/json.h"
#include "tests/fuzz/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* An escape of six bytes for one of input is the most that writing adds. */
enum { GROWTH = 6 };

static struct json_token tokens[JSON_TOKENS_MAX];
static char again[GROWTH * JSON_TEXT_MAX];

/* Every token lies in the text, and every container's extent is that of what it contains. */
static void
tokens_check(const struct json *doc, size_t len)
{
	CHECK(doc->count > 0 && doc->tokens[0].next == doc->count);
	for (uint32_t i = 0; i < doc->count; i++) {
		const struct json_token *t = &doc->tokens[i];
		uint32_t at = i + 1;

		CHECK(t->start <= len && t->len <= len - t->start);
		CHECK(t->next > i && t->next <= doc->count);
		for (unsigned n = 0; n < t->count; n++) {
			if (t->type == JSON_OBJECT) {
				CHECK(doc->tokens[at].type == JSON_STRING);
				CHECK(json_get(doc, i, json_text(doc, at)) == at + 1);
				at++;
			}
			at = json_next(doc, at);
		}
		CHECK(at == t->next);
	}
}

static void
accepted(const uint8_t *data, size_t len, const struct json *doc)
{
	struct buf out = buf_over(again, sizeof(again));
	struct json_writer w = json_to(&out);
	struct json_token *second = malloc(sizeof(tokens));
	struct json reread;
	size_t written;
	char *copy;

	CHECK(second != NULL);
	tokens_check(doc, len);
	CHECK(reference_accepts((const char *)data, len));
	json_put_copy(&w, doc, 0);
	CHECK(!out.full);
	written = out.len;
	CHECK(reference_equal((const char *)data, len, again, written));
	copy = malloc(written);
	CHECK(copy != NULL);
	memcpy(copy, again, written);
	/* Control characters grow when written, so the second text may pass the bound. */
	if (written <= JSON_TEXT_MAX) {
		CHECK(json_read(copy, written, second, JSON_TOKENS_MAX, &reread, NULL) == CS_OK);
		CHECK(reread.count == doc->count);
	}
	free(copy);
	free(second);
}

/*
 * jansson takes a NUL byte for the end of the text, and rounds what is too small for a double to
 * zero.
 */
static bool
jansson_is_laxer(const uint8_t *data, size_t len, const char *reason)
{
	return strcmp(reason, "number out of range") == 0 ||
	    (len > 0 && memchr(data, 0, len) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct json_error error = {0, NULL};
	struct json doc;
	char *text = malloc(len == 0 ? 1 : len);
	enum cs_err rc;

	CHECK(text != NULL);
	if (len > 0)
		memcpy(text, data, len);
	rc = json_read(text, len, tokens, JSON_TOKENS_MAX, &doc, &error);
	if (rc == CS_OK) {
		accepted(data, len, &doc);
	} else {
		CHECK(error.reason != NULL && error.offset <= len);
		if (rc == CS_ERR_SYNTAX && !jansson_is_laxer(data, len, error.reason))
			CHECK(!reference_accepts((const char *)data, len));
	}
	free(text);
	return 0;
}
