/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ground: what a commit builds on. A broker's journal has what the broker acknowledged; but a broker may also build on a commit
 * that it only read, of another broker that died before its journal had it, or one of its own whose answer was lost. Nobody
 * might put that back. So it is kept with what was built on it: in the same entry of the journal, to be applied before it
 * where a repair finds that it is missing.
 */
#ifndef CS_STORE_REDIS_GROUND_H
#define CS_STORE_REDIS_GROUND_H

#include "broker/base/bytes.h"
#include "broker/store/cache.h"
#include "broker/store/redis/layout.h"

enum { DOUBTS_MAX = 64 };

/* The ids of this process's commits, and those of which it never heard what became of them. */
struct doubts {
	uint64_t first, given; /* ids are a counter that is mixed: where it began, and how many were given */
	uint64_t forgotten;    /* those up to this number may have been in doubt, too */
	struct doubt {
		uint64_t number; /* 0: none */
		struct bytes ground;
	} of[DOUBTS_MAX];
	size_t next;
};

void doubts_init(struct doubts *d);
void doubts_clear(struct doubts *d);
/* An id that no commit had. */
void doubts_next_id(struct doubts *d, uint8_t id[LAYOUT_ID_BYTES]);
/* A commit with this id ended, and nobody knows whether it was executed; on what it would be built. */
void doubts_add(struct doubts *d, const uint8_t id[LAYOUT_ID_BYTES], struct view ground);
/* Whether who reads a record that this commit made has that commit in his journal: he acknowledged it in this life. */
bool doubts_known(const struct doubts *d, const uint8_t id[LAYOUT_ID_BYTES]);
/* Puts the commit that made this record, and what that was built on, as far as it is known; nothing where it is not. */
void ground_put(const struct doubts *d, const struct cache_entry *e, struct buf *out);

#endif
