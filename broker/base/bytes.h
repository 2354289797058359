/* SPDX-License-Identifier: Apache-2.0 */
/* A buf on the heap that grows up to a maximum; for sockets and files. */
#ifndef CS_BASE_BYTES_H
#define CS_BASE_BYTES_H

#include "broker/base/buf.h"

struct bytes {
	struct buf buf;   /* first member: a struct bytes is written to through its buf */
	size_t max;
};

/* Nothing is allocated until the first put. */
void bytes_init(struct bytes *b, size_t max);
void bytes_clear(struct bytes *b);
/* Drops n bytes at the front. */
void bytes_consume(struct bytes *b, size_t n);
/* Gives back memory beyond `keep` bytes of capacity when empty. */
void bytes_shrink(struct bytes *b, size_t keep);

#endif
