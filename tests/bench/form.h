/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message prepared once and filled in for each request: %1 and %2 stand for the words of a
 * person, %n for a payment id that is never used twice, %0 for a NUL byte, %p for a word given at
 * the start (a provider's name), %t for the time of the start in seconds (10 digits), and %l, at
 * most once, for the number of bytes after the blank line that ends the header (5 digits).
 */
#ifndef CS_BENCH_FORM_H
#define CS_BENCH_FORM_H

#include "tests/bench/people.h"

enum { FORM_PARTS = 24 };

struct form {
	struct {
		const char *text;
		size_t len;
		char field; /* what follows the text; '\0' at the end */
	} parts[FORM_PARTS];
	const char *param;
	char now[24];
	char payment[32]; /* prefix, then a counter */
	size_t prefix_len;
	unsigned long long serial;
};

void form_init(struct form *f, const char *text, const char *param);
/* Writes at most `cap` bytes; exits where that is not enough. Returns the length. */
size_t form_fill(struct form *f, const struct person *who, char *out, size_t cap);

#endif
