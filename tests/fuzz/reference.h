/* SPDX-License-Identifier: Apache-2.0 */
/* jansson as the judge of a JSON text, in a file of its own: its header and ours share names. */
#ifndef CS_TESTS_FUZZ_REFERENCE_H
#define CS_TESTS_FUZZ_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether jansson reads the text, duplicates refused. */
bool reference_accepts(const char *text, size_t len);
/* Whether it reads both to the same value. */
bool reference_equal(const char *a, size_t a_len, const char *b, size_t b_len);

#endif
