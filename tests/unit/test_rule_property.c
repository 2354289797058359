/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A long random walk over the core (see core_walk.h). SEED=number repeats one; STEPS=number makes
 * it longer. A broken invariant aborts after the seed was printed.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/core_walk.h"

enum { STEPS_USUAL = 200000, STEPS_OF_AN_ACCOUNT = 1000 };

struct seeded {
	struct walk_source source;
	uint64_t state;
};

/* splitmix64 */
static uint32_t
pick_seeded(struct walk_source *source, uint32_t n)
{
	struct seeded *s = (struct seeded *)source;
	uint64_t z = s->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)(z >> 33) % n;
}

static uint64_t
number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text == NULL ? otherwise : strtoull(text, NULL, 0);
}

static void
the_rule_holds_on_a_random_walk(void **state)
{
	static struct walk w;
	struct seeded s = {{pick_seeded}, number_from("SEED", (uint64_t)time(NULL))};
	uint64_t steps = number_from("STEPS", STEPS_USUAL), repeated = 0;

	(void)state;
	fprintf(stderr, "SEED=%llu\n", (unsigned long long)s.state);
	for (uint64_t i = 0; i < steps; i++) {
		if (i % STEPS_OF_AN_ACCOUNT == 0)
			walk_begin(&w, &s.source);
		walk_step(&w);
		if (i % STEPS_OF_AN_ACCOUNT == STEPS_OF_AN_ACCOUNT - 1)
			repeated += w.f.again;
	}
	fprintf(stderr, "permitted %u, captured %u, linked %u, enrolled %u, recovered %u, unlocked %u, taken back %u, resumed %u, "
	    "rekeyed %u, raised %u, decided again %llu\n", w.permitted, w.captured, w.linked, w.enrolled, w.recovered,
	    w.unlocked, w.taken_back, w.resumed, w.rekeyed, w.raised, (unsigned long long)repeated);
	/* A walk that gets nowhere proves nothing. */
	assert_true(w.permitted > steps / 1000 && w.captured > steps / 20000);
	assert_true(repeated > steps / 20);
	assert_true(w.linked > steps / 20000 && w.enrolled > steps / 5000);
	assert_true(w.resumed > steps / 50000);
	assert_true(w.recovered > steps / 20000 && w.taken_back > steps / 20000);
	assert_true(w.rekeyed > steps / 20000 && w.raised > steps / 5000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_rule_holds_on_a_random_walk)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
