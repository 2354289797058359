/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache against a plain model, with keys as hashes are and with the worst keys there are; and
 * the checksum.
 */
#include "tests/store/harness.h"

#include <stdlib.h>

#include "broker/store/cache.h"
#include "broker/store/crc32c.h"

enum { KEYS = 3000, STEPS = 60000 };

/* 0: spread; 1: all in the last home; 2: all in the first. */
static struct store_key
key_in(int kind, unsigned n)
{
	struct store_key key = key_of(n);

	if (kind > 0) {
		memset(key.b, kind == 1 ? 0xff : 0, 8);
		key.b[7] = (uint8_t)(n % 3);
	}
	return key;
}

static void
check_walk(struct cache *c, size_t dirty_n)
{
	struct cache_entry *e = cache_next_dirty(c, NULL), *before = NULL;
	size_t n = 0;

	for (; e != NULL; before = e, e = cache_next_dirty(c, &e->key), n++) {
		assert_true(e->dirty);
		if (before != NULL)
			assert_true(memcmp(before->key.b, e->key.b, STORE_KEY_BYTES) < 0);
	}
	assert_int_equal(n, dirty_n);
	assert_int_equal(c->dirty_records, dirty_n);
}

static void
play(int kind, uint64_t seed)
{
	struct cache c;
	struct {
		uint64_t revision;
		bool dirty;
	} *model = calloc(KEYS, sizeof(*model));
	size_t dirty_n = 0, n_steps = kind == 0 ? STEPS : STEPS / 20;

	cache_init(&c, 200 * 1024);
	for (size_t step = 0; step < n_steps; step++) {
		unsigned n = (unsigned)(random_next(&seed) % (kind == 0 ? KEYS : KEYS / 20)),
			 dice = (unsigned)(random_next(&seed) % 100);
		struct store_key key = key_in(kind, n);
		struct cache_entry *e = cache_get(&c, &key);

		/* Clean ones may have been dropped, dirty ones never. */
		assert_true(e == NULL
				? !model[n].dirty
				: e->revision == model[n].revision && e->dirty == model[n].dirty);
		if (dice < 40) {
			char text[200] = {0};

			e = cache_entry_new(
			    &key, ++model[n].revision, view_of(text, dice), view_of(text, 150));
			e->dirty = dice < 20;
			cache_entry_free(cache_put(&c, e));
			dirty_n = dirty_n - model[n].dirty + e->dirty;
			model[n].dirty = e->dirty;
		} else if (dice < 60 && e != NULL) {
			cache_set_dirty(&c, e, false);
			dirty_n -= model[n].dirty;
			model[n].dirty = false;
		} else if (dice < 63) {
			cache_entry_free(cache_take(&c, &key));
			dirty_n -= model[n].dirty;
			model[n].dirty = false;
		} else if (dice < 70) {
			cache_trim(&c);
			assert_true(c.bytes <= c.budget || c.records == c.dirty_records);
		}
		if (step % 500 == 0)
			check_walk(&c, dirty_n);
	}
	check_walk(&c, dirty_n);
	cache_clear(&c);
	free(model);
}

static void
the_cache_holds_what_a_plain_model_says(void **state)
{
	uint64_t seed = seed_pick("test_cache");

	(void)state;
	for (int kind = 0; kind < 3; kind++)
		play(kind, seed);
}

static void
the_checksum_is_crc_32c(void **state)
{
	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c_portable(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_cache_holds_what_a_plain_model_says),
	    cmocka_unit_test(the_checksum_is_crc_32c),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
