/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table: a slot's home is given by the first bits of its key; a run of neighbours is kept in
 * key order.
 */
#include "broker/store/cache.h"

#include <stdlib.h>

#include "broker/base/check.h"

enum {
	HOME_BITS_FIRST = 10,
	HOME_BITS_MAX = 30,
	ALLOCATION_OVERHEAD = 16, /* what malloc adds, about */

	/* In the low bits of a slot's pointer; malloc aligns by 16. */
	SLOT_DIRTY = 1,
	SLOT_RECENT = 2,
	SLOT_MARKS = SLOT_DIRTY | SLOT_RECENT,
};

static struct cache_entry *
slot_entry(const struct cache_slot *slot)
{
	return (struct cache_entry *)(slot->tagged & ~(uintptr_t)SLOT_MARKS);
}

static bool
slot_empty(const struct cache_slot *slot)
{
	return slot->tagged == 0;
}

static uint64_t
key_prefix(const struct store_key *key)
{
	uint64_t v;

	memcpy(&v, key->b, sizeof(v));
	return __builtin_bswap64(v); /* little-endian hosts only; see the assertion below */
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "key_prefix swaps");

static size_t
slot_home(const struct cache *c, uint64_t prefix)
{
	return (size_t)(prefix >> (64 - c->home_bits));
}

static size_t
homes(const struct cache *c)
{
	return (size_t)1 << c->home_bits;
}

static size_t
entry_bytes(const struct cache_entry *e)
{
	return sizeof(*e) + e->hot_len + e->cold_len + e->making_len + ALLOCATION_OVERHEAD;
}

static int
slot_compare(const struct cache_slot *slot, uint64_t prefix, const struct store_key *key)
{
	if (slot->prefix != prefix)
		return slot->prefix < prefix ? -1 : 1;
	return memcmp(slot_entry(slot)->key.b, key->b, sizeof(key->b));
}

/* Where the key is, or where it belongs. */
static size_t
slot_find(const struct cache *c, uint64_t prefix, const struct store_key *key, bool *found)
{
	size_t i = slot_home(c, prefix);
	int order = 1;

	while (!slot_empty(&c->slots[i]) && (order = slot_compare(&c->slots[i], prefix, key)) < 0)
		i++;
	*found = !slot_empty(&c->slots[i]) && order == 0;
	return i;
}

/*
 * Records fill three quarters of the homes at most. Room for all of them beyond the last home, and
 * one slot that is always empty, mean that no run ever leaves the table, whatever the keys are.
 */
static void
slots_allocate(struct cache *c, unsigned home_bits)
{
	CHECK(home_bits <= HOME_BITS_MAX);
	c->home_bits = home_bits;
	c->slots_n = homes(c) + homes(c) / 4 * 3 + 1;
	c->slots = calloc(c->slots_n, sizeof(c->slots[0]));
	CHECK(c->slots != NULL);
	c->bytes += homes(c) * sizeof(c->slots[0]);
	c->hand = 0;
}

static void
slots_double(struct cache *c)
{
	struct cache_slot *old = c->slots;
	size_t old_n = c->slots_n;
	size_t next = 0;

	c->bytes -= homes(c) * sizeof(old[0]);
	slots_allocate(c, c->home_bits + 1);
	for (size_t i = 0; i < old_n; i++) {
		size_t home;

		if (slot_empty(&old[i]))
			continue;
		home = slot_home(c, old[i].prefix);
		next = home > next ? home : next;
		c->slots[next++] = old[i];
	}
	free(old);
}

static void
slot_insert(struct cache *c, size_t i, struct cache_slot slot)
{
	while (!slot_empty(&slot)) {
		struct cache_slot pushed = c->slots[i];

		c->slots[i++] = slot;
		slot = pushed;
	}
	CHECK(i < c->slots_n);
}

/* Those behind it move up while that brings them no further than their home. */
static void
slot_remove(struct cache *c, size_t i)
{
	for (; !slot_empty(&c->slots[i + 1]) && slot_home(c, c->slots[i + 1].prefix) <= i; i++)
		c->slots[i] = c->slots[i + 1];
	c->slots[i].tagged = 0;
}

void
cache_init(struct cache *c, size_t budget_bytes)
{
	*c = (struct cache){.budget = budget_bytes};
	slots_allocate(c, HOME_BITS_FIRST);
}

void
cache_clear(struct cache *c)
{
	for (size_t i = 0; i < c->slots_n; i++)
		free(slot_entry(&c->slots[i]));
	free(c->slots);
	*c = (struct cache){0};
}

struct cache_entry *
cache_entry_new(const struct store_key *key, uint64_t revision, struct view hot, struct view cold)
{
	return cache_entry_new_made(key, revision, hot, cold, view_of(NULL, 0));
}

struct cache_entry *
cache_entry_new_made(const struct store_key *key, uint64_t revision, struct view hot, struct view cold, struct view making)
{
	struct cache_entry *e = malloc(sizeof(*e) + hot.len + cold.len + making.len);

	CHECK(e != NULL && hot.len <= STORE_HOT_MAX && cold.len <= STORE_COLD_MAX);
	*e = (struct cache_entry){.key = *key,
	    .revision = revision,
	    .hot_len = (uint32_t)hot.len,
	    .cold_len = (uint32_t)cold.len,
	    .making_len = (uint32_t)making.len};
	if (hot.len > 0)
		memcpy(e->bytes, hot.data, hot.len);
	if (cold.len > 0)
		memcpy(e->bytes + hot.len, cold.data, cold.len);
	if (making.len > 0)
		memcpy(e->bytes + hot.len + cold.len, making.data, making.len);
	return e;
}

void
cache_entry_free(struct cache_entry *e)
{
	free(e);
}

struct view
cache_hot(const struct cache_entry *e)
{
	return view_of(e->bytes, e->hot_len);
}

struct view
cache_cold(const struct cache_entry *e)
{
	return view_of(e->bytes + e->hot_len, e->cold_len);
}

struct view
cache_making(const struct cache_entry *e)
{
	return view_of(e->bytes + e->hot_len + e->cold_len, e->making_len);
}

void
cache_forget_making(struct cache *c, struct cache_entry *e)
{
	CHECK(!e->dirty);
	c->bytes -= e->making_len;
	e->making_len = 0;
}

struct cache_entry *
cache_get(struct cache *c, const struct store_key *key)
{
	bool found;
	size_t i = slot_find(c, key_prefix(key), key, &found);

	if (!found)
		return NULL;
	c->slots[i].tagged |= SLOT_RECENT;
	return slot_entry(&c->slots[i]);
}

static void
entry_count(struct cache *c, const struct cache_entry *e, bool in)
{
	size_t n = entry_bytes(e);

	c->bytes = in ? c->bytes + n : c->bytes - n;
	c->records = in ? c->records + 1 : c->records - 1;
	if (e->dirty) {
		c->dirty_records = in ? c->dirty_records + 1 : c->dirty_records - 1;
		c->dirty_bytes = in ? c->dirty_bytes + n : c->dirty_bytes - n;
	}
}

struct cache_entry *
cache_put(struct cache *c, struct cache_entry *e)
{
	struct cache_slot slot = {
	    key_prefix(&e->key), (uintptr_t)e | SLOT_RECENT | (e->dirty ? SLOT_DIRTY : 0)};
	struct cache_entry *old = NULL;
	bool found;
	size_t i;

	if (c->records + 1 > homes(c) / 4 * 3)
		slots_double(c);
	i = slot_find(c, slot.prefix, &e->key, &found);
	if (found) {
		old = slot_entry(&c->slots[i]);
		entry_count(c, old, false);
		c->slots[i] = slot;
	} else {
		slot_insert(c, i, slot);
	}
	entry_count(c, e, true);
	return old;
}

struct cache_entry *
cache_take(struct cache *c, const struct store_key *key)
{
	bool found;
	size_t i = slot_find(c, key_prefix(key), key, &found);
	struct cache_entry *e;

	if (!found)
		return NULL;
	e = slot_entry(&c->slots[i]);
	slot_remove(c, i);
	entry_count(c, e, false);
	return e;
}

void
cache_set_dirty(struct cache *c, struct cache_entry *e, bool dirty)
{
	bool found;
	size_t i = slot_find(c, key_prefix(&e->key), &e->key, &found);

	CHECK(found && slot_entry(&c->slots[i]) == e);
	if (e->dirty == dirty)
		return;
	e->dirty = dirty;
	c->slots[i].tagged ^= SLOT_DIRTY;
	c->dirty_records = dirty ? c->dirty_records + 1 : c->dirty_records - 1;
	c->dirty_bytes = dirty ? c->dirty_bytes + entry_bytes(e) : c->dirty_bytes - entry_bytes(e);
}

struct cache_entry *
cache_next_dirty(struct cache *c, const struct store_key *after)
{
	uint64_t prefix = after == NULL ? 0 : key_prefix(after);

	if (c->dirty_records == 0)
		return NULL;
	for (size_t i = slot_home(c, prefix); i < c->slots_n; i++) {
		struct cache_slot *slot = &c->slots[i];

		if (i >= homes(c) && slot_empty(slot))
			break;
		if ((slot->tagged & SLOT_DIRTY) == 0)
			continue;
		if (after == NULL || slot_compare(slot, prefix, after) > 0)
			return slot_entry(slot);
	}
	return NULL;
}

void
cache_drop_range(struct cache *c, const struct store_key *first, const struct store_key *last)
{
	uint64_t end = key_prefix(last);
	bool found;
	size_t i = slot_find(c, key_prefix(first), first, &found);

	while (i < c->slots_n) {
		struct cache_slot *slot = &c->slots[i];
		struct cache_entry *e = slot_entry(slot);

		if (slot_empty(slot)) {
			if (i++ >= slot_home(c, end))
				return;
			continue;
		}
		if (slot_compare(slot, end, last) > 0)
			return;
		if (e->dirty || e->pins > 0) {
			i++;
			continue;
		}
		slot_remove(c, i);
		entry_count(c, e, false);
		free(e);
	}
}

void
cache_trim(struct cache *c)
{
	/* Two rounds: the first may only take the mark of recent use from every record. */
	for (size_t left = 2 * c->slots_n;
	     c->bytes > c->budget && left > 0 && c->records > c->dirty_records; left--) {
		struct cache_slot *slot = &c->slots[c->hand];
		struct cache_entry *e = slot_entry(slot);

		if ((slot->tagged & SLOT_MARKS) != 0 || e == NULL || e->pins > 0) {
			slot->tagged &= ~(uintptr_t)SLOT_RECENT;
			c->hand++;
			if (c->hand >= homes(c) && slot_empty(&c->slots[c->hand]))
				c->hand = 0;
			continue;
		}
		slot_remove(c, c->hand);
		entry_count(c, e, false);
		free(e);
	}
}
