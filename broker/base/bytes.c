/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A buf that grows by doubling, up to its maximum. Running out of memory aborts: the parent
 * restarts.
 */
#include "broker/base/bytes.h"

#include <stdlib.h>

#include "broker/base/check.h"

enum { BYTES_FIRST = 1024 };

static bool
bytes_grow(struct buf *buf, size_t need)
{
	struct bytes *b = (struct bytes *)buf;
	size_t cap = buf->cap == 0 ? BYTES_FIRST : buf->cap;

	if (need > b->max || buf->len > b->max - need)
		return false;
	while (cap - buf->len < need)
		cap *= 2;
	if (cap > b->max)
		cap = b->max;
	buf->data = realloc(buf->data, cap);
	CHECK(buf->data != NULL);
	buf->cap = cap;
	return true;
}

void
bytes_init(struct bytes *b, size_t max)
{
	*b = (struct bytes){.buf = {.grow = bytes_grow}, .max = max};
}

void
bytes_clear(struct bytes *b)
{
	free(b->buf.data);
	bytes_init(b, b->max);
}

void
bytes_consume(struct bytes *b, size_t n)
{
	CHECK(n <= b->buf.len);
	b->buf.len -= n;
	if (b->buf.len > 0 && n > 0)
		memmove(b->buf.data, b->buf.data + n, b->buf.len);
}

void
bytes_shrink(struct bytes *b, size_t keep)
{
	if (b->buf.len == 0 && b->buf.cap > keep)
		bytes_clear(b);
}
