/* SPDX-License-Identifier: Apache-2.0 */
/* Records by key. */
#include "broker/ctl/key_table.h"

#include <stdlib.h>

#include "broker/base/check.h"

enum { FIRST = 1024 };

static struct key_entry *
place_of(const struct key_table *t, const struct store_key *key)
{
	uint64_t at;

	memcpy(&at, key->b, sizeof(at));
	for (at %= t->cap; t->entries[at].used && memcmp(t->entries[at].key.b, key->b, sizeof(key->b)) != 0; at = (at + 1) % t->cap)
		continue;
	return &t->entries[at];
}

static void
grow(struct key_table *t)
{
	struct key_table old = *t;

	t->cap = old.cap == 0 ? FIRST : old.cap * 2;
	t->entries = calloc(t->cap, sizeof(t->entries[0]));
	CHECK(t->entries != NULL);
	for (size_t i = 0; i < old.cap; i++) {
		if (old.entries[i].used)
			*place_of(t, &old.entries[i].key) = old.entries[i];
	}
	free(old.entries);
}

void
key_table_init(struct key_table *t)
{
	*t = (struct key_table){.n = 0};
	grow(t);
}

void
key_table_clear(struct key_table *t)
{
	free(t->entries);
	t->entries = NULL;
	t->n = t->cap = 0;
}

struct key_entry *
key_table_put(struct key_table *t, const struct store_key *key)
{
	struct key_entry *e;

	if (t->n * 2 >= t->cap)
		grow(t);
	e = place_of(t, key);
	if (!e->used) {
		*e = (struct key_entry){.key = *key, .used = true};
		t->n++;
	}
	return e;
}

struct key_entry *
key_table_get(const struct key_table *t, const struct store_key *key)
{
	struct key_entry *e = place_of(t, key);

	return e->used ? e : NULL;
}
