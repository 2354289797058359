/* SPDX-License-Identifier: Apache-2.0 */
/* What is thrown at a plugin under test: tokens that nobody signed, texts that nobody would type, and marks for what no log may hold. */
#ifndef CS_CTL_PLUGIN_HOSTILE_H
#define CS_CTL_PLUGIN_HOSTILE_H

#include "broker/base/bytes.h"

/* For whom a token pretends to be. */
struct hostile_for {
	const char *issuer, *audience, *nonce, *type; /* type: header typ, "JWT", "secevent+jwt", "at+jwt" */
	int64_t now_ms;
};

/* The i-th; NULL beyond, else what it is, in words. Nothing signed any of them. */
const char *hostile_token(size_t i, const struct hostile_for *f, struct buf *to);
/* The i-th text: never a right answer, a code or a document. */
const char *hostile_text(size_t i, struct buf *to);

/* Each stands in one place of what is asked; none may be seen in the log. */
#define MARK_TOKEN "countersign-test-mark-of-a-token"
#define MARK_CODE "countersign-test-mark-of-a-code"
#define MARK_VERIFIER "countersign-test-mark-of-a-code-verifier-that-is-long-enough"
#define MARK_ANSWER "countersign-test-mark-of-an-answer"
#define MARK_SECRET "countersign-test-mark-of-a-secret-of-the-configuration"
#define MARK_HEADER "countersign-test-mark-of-an-authorization-header"

struct hostile_mark {
	const char *text, *what;
};

/* Ended by text NULL. */
extern const struct hostile_mark hostile_marks[];

#endif
