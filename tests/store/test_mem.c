/* SPDX-License-Identifier: Apache-2.0 */
/* The misbehaviours of the store in memory: each does what its name says, and a seed repeats them.
 */
#include "tests/store/harness.h"

#include <stdio.h>
#include <stdlib.h>

#define NO_COLD view_of(NULL, 0)

enum { ALWAYS = 1000, MANY = 200 };

static void
a_crash_forgets_what_was_not_flushed(void **state)
{
	struct store *s = store_mem_open(NULL);
	struct store_claim take = {key_of(50), false, false}, release = {key_of(50), true, false};
	struct store_payment paid = {key_of(60), VIEW("paid")};
	struct store_commit c = {.key = key_of(1), .claims = &take, .claims_n = 1};
	struct store_key other = key_of(2);
	struct committed first, second;

	(void)state;
	assert_int_equal(commit_now(s, c, VIEW("1"), VIEW("cold")), CS_OK);
	c.expected = 1;
	c.claims = &release;
	c.payments = &paid;
	c.payments_n = 1;
	commit_set(s, c, VIEW("2"), VIEW("other"), &first);
	c = (struct store_commit){.key = other};
	commit_set(s, c, VIEW("1"), NO_COLD, &second);
	store_mem_crash(s);
	store_flush(s);
	assert_int_equal(first.calls + second.calls, 0);
	c.key = key_of(1);
	assert_int_equal(load(s, &c.key)->revision, 1);
	assert_view(load(s, &c.key)->cold, VIEW("cold"));
	assert_false(find(s, &take.claim).tombstone);
	assert_null(find_payment(s, &c.key, &paid.payment));
	assert_int_equal(load(s, &other)->err, CS_ERR_NOT_FOUND);
	c.expected = 1;
	assert_int_equal(commit_now(s, c, VIEW("2"), NO_COLD), CS_OK);
	store_close(s);
}

static void
failed_and_lost_commits_write_what_they_should(void **state)
{
	static const struct {
		struct store_mem_options options;
		enum cs_err err;
		uint64_t revision;
	} cases[] = {
	    {{.fail = ALWAYS}, CS_ERR_UNAVAILABLE, 0},
	    {{.conflict = ALWAYS}, CS_ERR_CONFLICT, 0},
	    {{.lose_write = ALWAYS}, CS_ERR_UNKNOWN, 0},
	    {{.lose_reply = ALWAYS}, CS_ERR_UNKNOWN, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct store *s = store_mem_open(&cases[i].options);
		struct store_commit c = {.key = key_of(1)};
		const struct loaded *l;

		assert_int_equal(commit_now(s, c, VIEW("x"), NO_COLD), cases[i].err);
		l = load(s, &c.key);
		assert_int_equal(l->err == CS_OK ? l->revision : 0, cases[i].revision);
		store_close(s);
	}
}

/* The order and the turns of all completions as one number. */
static uint64_t
history(uint64_t seed, unsigned *late)
{
	struct store_mem_options options = {
	    .seed = seed, .delay = 300, .reorder = 500, .fail = 100};
	struct store *s = store_mem_open(&options);
	struct committed *done = calloc(MANY, sizeof(*done));
	int *seen = calloc(MANY, sizeof(*seen));
	uint64_t digest = seed;
	unsigned open = 0;

	*late = 0;
	for (unsigned i = 0; i < MANY; i++) {
		struct store_commit c = {.key = key_of(i)};

		commit_set(s, c, VIEW("x"), NO_COLD, &done[i]);
		open++;
		if (i % 10 != 9)
			continue;
		store_flush(s);
		for (unsigned k = 0; k <= i; k++) {
			assert_true(done[k].calls <= 1);
			if (done[k].calls > seen[k]) {
				seen[k] = 1;
				open--;
				*late += k / 10 != i / 10;
				digest = digest * 31 + k * 16 + (unsigned)done[k].err;
			}
		}
	}
	while (store_idle(s, 100))
		;
	for (unsigned k = 0; k < MANY; k++)
		assert_int_equal(done[k].calls, 1);
	store_close(s);
	free(done);
	free(seen);
	return digest;
}

static void
delays_hold_back_completions_and_a_seed_repeats_them(void **state)
{
	unsigned late, again;
	uint64_t digest = history(7, &late);

	(void)state;
	assert_true(late > MANY / 10);
	assert_true(history(7, &again) == digest);
	assert_int_equal(again, late);
	assert_true(history(8, &again) != digest);
}

static void
commits_that_were_answered_are_forgotten(void **state)
{
	const struct store_mem_options options = {.history = 2};
	struct store *s = store_mem_open(&options);
	struct store_claim take = {.claim = key_of(99)};
	struct store_commit c = {.key = key_of(1)};

	(void)state;
	assert_int_equal(commit_now(s, c, VIEW("1"), VIEW("cold")), CS_OK);
	c.expected = 1;
	c.claims = &take;
	c.claims_n = 1;
	assert_int_equal(commit_now(s, c, VIEW("2"), NO_COLD), CS_OK);
	assert_int_equal(store_mem_forget(s, 1), 1);
	assert_int_equal(load(s, &c.key)->revision, 1);
	assert_view(load(s, &c.key)->hot, VIEW("1"));
	assert_int_equal(find(s, &take.claim).err, CS_ERR_NOT_FOUND);
	/* It goes on from there, and no more is forgotten than there is. */
	assert_int_equal(commit_now(s, c, VIEW("other"), NO_COLD), CS_OK);
	assert_view(load(s, &c.key)->hot, VIEW("other"));
	assert_int_equal(store_mem_forget(s, 9), 2);
	assert_int_equal(load(s, &c.key)->err, CS_ERR_NOT_FOUND);
	store_close(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_crash_forgets_what_was_not_flushed),
	    cmocka_unit_test(failed_and_lost_commits_write_what_they_should),
	    cmocka_unit_test(delays_hold_back_completions_and_a_seed_repeats_them),
	    cmocka_unit_test(commits_that_were_answered_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
