/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of access tokens and their proofs: for as long as was said, once, and within bounds. */
#include <stdlib.h>
#include <string.h>

#include "broker/engine/bearer_seen.h"
#include "tests/unit/unit.h"

enum { NOW = 1000, MANY = 3000 };

static struct seen *
fresh(void)
{
	struct seen *s = malloc(sizeof(*s));

	assert_non_null(s);
	seen_init(s);
	return s;
}

static void
drop(struct seen *s)
{
	seen_clear(s);
	free(s);
}

static struct id
id_of(uint64_t n)
{
	struct id id = {{0}};

	/* Digests are even; these are as uneven as they come, so that places are fought for. */
	memcpy(id.b, &(uint64_t){n % 7}, 8);
	memcpy(id.b + 8, &n, 8);
	return id;
}

static void
a_proof_counts_once(void **state)
{
	struct seen *s = fresh();
	struct id id = id_of(1), other = id_of(8);

	(void)state;
	assert_int_equal(seen_proof(s, &id, 5, NOW, NOW + 10), SEEN_FIRST);
	assert_int_equal(seen_proof(s, &id, 6, NOW, NOW + 10), SEEN_AGAIN);
	assert_int_equal(seen_proof(s, &id, 6, NOW + 9, NOW + 99), SEEN_AGAIN);
	/* The calls of one request show it together. */
	assert_int_equal(seen_proof(s, &id, 5, NOW, NOW + 10), SEEN_FIRST);
	assert_int_equal(seen_proof(s, &other, 6, NOW, NOW + 10), SEEN_FIRST);
	/* After its time it is too old for the caller, and may be forgotten. */
	assert_int_equal(seen_proof(s, &id, 7, NOW + 10, NOW + 20), SEEN_FIRST);
	drop(s);
}

static void
many_proofs(void **state)
{
	struct seen *s = fresh();

	(void)state;
	for (uint64_t i = 0; i < MANY; i++) {
		struct id id = id_of(i);

		assert_int_equal(seen_proof(s, &id, 1, NOW, NOW + 10), SEEN_FIRST);
	}
	for (uint64_t i = 0; i < MANY; i++) {
		struct id id = id_of(i);

		assert_int_equal(seen_proof(s, &id, 2, NOW + 9, NOW + 20), SEEN_AGAIN);
	}
	assert_true(s->proofs_cap >= 2 * MANY);
	/* Those that are over give their room back. */
	for (uint64_t i = 0; i < MANY; i++) {
		struct id id = id_of(MANY + i);

		assert_int_equal(seen_proof(s, &id, 3, NOW + 1000 * (int64_t)i, NOW + 1000 * (int64_t)i + 10), SEEN_FIRST);
	}
	assert_int_equal(s->proofs_cap, SEEN_PROOFS_MIN);
	drop(s);
}

/* Beyond the bound the answer is no: nothing that was used is forgotten for it. */
static void
too_many_proofs(void **state)
{
	struct seen *s = fresh();
	struct id first = {{0}}, id = {{0}};
	uint64_t n = 0;
	enum seen_once once;

	(void)state;
	do {
		n++;
		memcpy(id.b, &(uint64_t){n * UINT64_C(0x9e3779b97f4a7c15)}, 8);
		if (n == 1)
			first = id;
		once = seen_proof(s, &id, 1, NOW, NOW + 10);
	} while (once == SEEN_FIRST);
	assert_int_equal(once, SEEN_FULL);
	assert_int_equal(n, SEEN_PROOFS_MAX / 2 + 1);
	assert_int_equal(seen_proof(s, &first, 2, NOW, NOW + 10), SEEN_FULL);
	assert_int_equal(seen_proof(s, &id, 1, NOW + 10, NOW + 20), SEEN_FIRST);
	drop(s);
}

static void
tokens(void **state)
{
	struct seen *s = fresh();
	struct hash key = {{1}};
	unsigned found = 0;

	(void)state;
	assert_int_equal(seen_token(s, &key, NOW), 0);
	seen_token_put(s, &key, 42, NOW + 10);
	assert_int_equal(seen_token(s, &key, NOW + 9), 42);
	assert_int_equal(seen_token(s, &key, NOW + 10), 0);
	seen_token_put(s, &key, 43, NOW + 10);
	assert_int_equal(seen_token(s, &key, NOW), 43);
	seen_forget_tokens(s);
	assert_int_equal(seen_token(s, &key, NOW), 0);
	for (unsigned i = 0; i < 4 * SEEN_TOKENS; i++) {
		memcpy(key.b + 8, &i, sizeof(i));
		memcpy(key.b, &(uint64_t){i}, 8);
		seen_token_put(s, &key, 1 + i, NOW + 10 + i);
		assert_int_equal(seen_token(s, &key, NOW), 1 + i);
	}
	for (unsigned i = 0; i < 4 * SEEN_TOKENS; i++) {
		memcpy(key.b + 8, &i, sizeof(i));
		memcpy(key.b, &(uint64_t){i}, 8);
		found += seen_token(s, &key, NOW) == 1 + i;
	}
	assert_int_equal(found, SEEN_TOKENS);
	drop(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_proof_counts_once),
		cmocka_unit_test(many_proofs),
		cmocka_unit_test(too_many_proofs),
		cmocka_unit_test(tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
