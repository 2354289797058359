/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoded records in memory, within a budget of bytes. One allocation a record holds both its
 * parts. Records lie in key order (open addressing by the first bits of the key, each run of
 * neighbours sorted), so that folding walks them in the order of the pages on disk. A record that
 * is dirty or pinned stays; of the others, those not asked for since the clock hand's last visit go
 * first. Nothing here knows a disk.
 */
#ifndef CS_STORE_CACHE_H
#define CS_STORE_CACHE_H

#include "broker/store/store.h"

struct cache_entry {
	struct store_key key;
	uint64_t revision;
	uint64_t last_seq; /* of the record's newest event */
	uint64_t row_id;   /* where its snapshot lies; meaningful when has_row */
	uint32_t hot_len, cold_len, making_len;
	uint16_t pins;
	bool has_row;
	bool dirty; /* newer than its snapshot; in a cache, change it with cache_set_dirty() only */
	uint8_t bytes[]; /* hot, cold, making */
};

/*
 * The marks are here so that the hand and the folding pass over records without touching their
 * memory.
 */
struct cache_slot {
	uint64_t prefix;  /* first eight bytes of the key, big-endian */
	uintptr_t tagged; /* struct cache_entry *, with a mark for dirty and one for asked for since
			     the hand came by */
};

struct cache {
	struct cache_slot *slots;
	unsigned home_bits; /* 2^home_bits homes; the rest takes what the last ones push on */
	size_t slots_n;
	size_t hand;
	size_t budget, bytes; /* bytes includes the slots */
	size_t records;
	size_t dirty_records, dirty_bytes;
};

void cache_init(struct cache *c, size_t budget_bytes);
void cache_clear(struct cache *c);

/*
 * A record of its own, in no cache; freed by cache_entry_free() or given to cache_put(). Zero but
 * for what is given.
 */
struct cache_entry *cache_entry_new(
    const struct store_key *key, uint64_t revision, struct view hot, struct view cold);
/* With what a shared store says of the commit that made it, which is somebody else's; any bytes. */
struct cache_entry *cache_entry_new_made(
    const struct store_key *key, uint64_t revision, struct view hot, struct view cold, struct view making);
void cache_entry_free(struct cache_entry *e);
struct view cache_hot(const struct cache_entry *e);
struct view cache_cold(const struct cache_entry *e);
struct view cache_making(const struct cache_entry *e);
/* Of an entry in the cache. */
void cache_forget_making(struct cache *c, struct cache_entry *e);

/* Borrowed, or NULL. */
struct cache_entry *cache_get(struct cache *c, const struct store_key *key);
/*
 * Takes e, with its dirty flag; returns the entry of that key which it replaces (now the caller's)
 * or NULL.
 */
struct cache_entry *cache_put(struct cache *c, struct cache_entry *e);
/* Takes it out; the caller's, or NULL. */
struct cache_entry *cache_take(struct cache *c, const struct store_key *key);
void cache_set_dirty(struct cache *c, struct cache_entry *e, bool dirty);
/* The first dirty record after the key (NULL: from the start), or NULL. */
struct cache_entry *cache_next_dirty(struct cache *c, const struct store_key *after);
/* Drops what is neither dirty nor pinned of the records from first to last. */
void cache_drop_range(struct cache *c, const struct store_key *first, const struct store_key *last);
/* Drops clean records until the budget is kept, or none can go. */
void cache_trim(struct cache *c);

#endif
