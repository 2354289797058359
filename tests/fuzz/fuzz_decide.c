/* SPDX-License-Identifier: Apache-2.0 */
/* The input is a program of steps for the walk over the core (tests/unit/core_walk.h): one byte a
 * choice. */
#include "tests/unit/core_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { STEPS_MAX = 512 };

struct bytes {
	struct walk_source source;
	const uint8_t *data;
	size_t left;
};

/* What has run out chooses the first of everything. */
static uint32_t
pick_byte(struct walk_source *source, uint32_t n)
{
	struct bytes *b = (struct bytes *)source;

	if (b->left == 0)
		return 0;
	b->left--;
	return *b->data++ % n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct walk w;
	struct bytes b = {{pick_byte}, data, len};

	walk_begin(&w, &b.source);
	for (size_t i = 0; i < STEPS_MAX && b.left > 0; i++)
		walk_step(&w);
	return 0;
}
