/* SPDX-License-Identifier: Apache-2.0 */
/* jansson as the judge of a JSON text. */
#include "tests/fuzz/reference.h"

#include <jansson.h>

/* jansson has integers of 64 bits: what is larger it reads as a real when told so. */
static json_t *
load(const char *text, size_t len)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
	json_t *value = json_loadb(text, len, flags, NULL);

	return value != NULL ? value : json_loadb(text, len, flags | JSON_DECODE_INT_AS_REAL, NULL);
}

bool
reference_accepts(const char *text, size_t len)
{
	json_t *value = load(text, len);
	bool ok = value != NULL;

	json_decref(value);
	return ok;
}

bool
reference_equal(const char *a, size_t a_len, const char *b, size_t b_len)
{
	json_t *x = load(a, a_len), *y = load(b, b_len);
	bool equal = x != NULL && y != NULL && json_equal(x, y);

	json_decref(x);
	json_decref(y);
	return equal;
}
