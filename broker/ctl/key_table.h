/* SPDX-License-Identifier: Apache-2.0 */
/* Records by key, with a few numbers each: what a walk over a log remembers. Open addressing: keys are digests. */
#ifndef CS_CTL_KEY_TABLE_H
#define CS_CTL_KEY_TABLE_H

#include "broker/store/store.h"

struct key_entry {
	struct store_key key;
	bool used;
	uint64_t revision; /* newest event's */
	uint64_t seq;      /* its place in the log */
	uint64_t seen;     /* the walk's own */
};

struct key_table {
	struct key_entry *entries;
	size_t n, cap;
};

void key_table_init(struct key_table *t);
void key_table_clear(struct key_table *t);
/* Borrowed until the next of these; made where it is not there. */
struct key_entry *key_table_put(struct key_table *t, const struct store_key *key);
/* Borrowed, or NULL. */
struct key_entry *key_table_get(const struct key_table *t, const struct store_key *key);

#endif
