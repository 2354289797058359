/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stack of 20 lines adds to a decision: the same spend, covered by an allowance, decided with a stack of one line
 * and with one of 20, all of them asked; and the dispatch by itself. Best of several rounds, in nanoseconds of CPU time.
 * Exit status 1 where it adds more than its target.
 */
#include <stdio.h>
#include <time.h>

#include "broker/base/check.h"
#include "tests/unit/core_fixture.h"

enum { ROUNDS = 15, DECISIONS = 20000, PAYMENTS = 64, LINES = 20, TARGET_NS = 500 };

static struct fixture f;
static struct request spends[PAYMENTS];

static double
cpu_ns(void)
{
	struct timespec t;

	CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* One decision after another, none committed. */
static double
decide_ns(void)
{
	double best = 1e18;

	for (int round = 0; round < ROUNDS; round++) {
		double began = cpu_ns(), took;

		for (int i = 0; i < DECISIONS; i++) {
			decide(&f.asked, &f.account, &spends[i % PAYMENTS], &f.d);
			CHECK(f.d.outcome == OUTCOME_PERMIT);
		}
		took = (cpu_ns() - began) / DECISIONS;
		best = took < best ? took : best;
	}
	return best;
}

static enum result
succeed(void *ctx, const struct stack_line *line, enum reason *reason)
{
	(void)ctx;
	(void)line;
	(void)reason;
	return RESULT_SUCCESS;
}

static double
dispatch_ns(void)
{
	const struct stack_run run = {&f.checkout, OP_SPEND, succeed, NULL};
	struct stack_verdict v = {.executed_n = 0};
	double best = 1e18;

	for (int round = 0; round < ROUNDS; round++) {
		double began = cpu_ns(), took;

		for (int i = 0; i < DECISIONS; i++) {
			stack_evaluate(&run, &v);
			CHECK(v.permit && v.executed_n == LINES);
		}
		took = (cpu_ns() - began) / DECISIONS;
		best = took < best ? took : best;
	}
	return best;
}

int
main(void)
{
	double one, twenty, alone;
	struct grant g;
	struct id id;
	uint32_t no;

	fixture_ready(&f);
	g = grant_of(&f);
	CHECK(do_grant(&f, &g, f.totp, &id, &no) == REASON_COUNTERSIGNED);
	fixture_begin(&f);
	for (unsigned i = 0; i < PAYMENTS; i++)
		spends[i] = spend_of(&f, 100 + i, 100);
	STACK(&f, &f.checkout, "spend", "required allowance");
	one = decide_ns();
	STACK(&f, &f.checkout, "spend", "requisite session max-age=30d", "requisite provider apple google",
	    "requisite limit per-payment=200CNY", "requisite limit per-day=1000CNY,150USD other=ignore",
	    "required limit per-month=5000CNY", "[success=ok exceeded=die default=bad] limit count-day=20",
	    "[success=ok default=bad] limit count-month=100", "[success=ok ignore=ignore default=die] limit per-day=900CNY",
	    "required time from=00:00 to=23:59", "[default=ignore] time days=sat,sun", "optional permit",
	    "[success=ok default=die] account factors=1", "required session", "required permit", "[default=ignore] deny",
	    "optional deny", "required permit", "required permit", "required allowance", "required permit");
	CHECK(f.checkout.count[OP_SPEND] == LINES);
	twenty = decide_ns();
	alone = dispatch_ns();
	printf("a decision: %.0f ns with 1 line, %.0f ns with %d; these add %.0f ns (target: below %d)\n"
	       "the dispatch of %d lines by itself: %.0f ns\n", one, twenty, LINES, twenty - one, TARGET_NS, LINES, alone);
	return twenty - one < TARGET_NS ? 0 : 1;
}
