/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The prover of stacks: counts of stacks that can be counted by hand; small stacks made at random against all results of
 * all lines, run one by one by the core's dispatch; and proofs, of the core and of a decide() that is broken.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker/ctl/prove.h"

static struct walk w;
static struct proof proof;

/* Each line: "level control", where control is a keyword or stands in brackets; "level substack" is a mark. */
static void
stack_of(struct stack *s, enum op op, const char *const *lines, size_t n)
{
	static const struct view args[] = {{"result=denied", 13}};
	struct stack_error err;

	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < n; i++) {
		bool mark = strcmp(lines[i] + 2, "substack") == 0;
		struct stack_text text = {.operation = view_str(op_name(op)), .control = view_str(lines[i] + 2),
		    .rule = mark ? VIEW("file") : VIEW("debug"), .args = args, .args_n = mark ? 0 : 1,
		    .number = (uint16_t)(i + 1), .level = (uint8_t)(lines[i][0] - '0'), .under_test = true};

		if (stack_add(s, &text, &err) != CS_OK)
			fail_msg("%s: %s; %s", lines[i], err.message, err.mend);
	}
	if (!stack_finish(s, &err))
		fail_msg("%s", err.message);
}
#define STACK_OF(s, ...)                                                                           \
	stack_of((s), OP_SPEND, (const char *const[]){__VA_ARGS__},                                \
	    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static bool
walked(const struct stack *s)
{
	memset(&w, 0, sizeof(w));
	walk_stack(&w, s, OP_SPEND);
	return walk_run(&w);
}

static uint64_t
ways(const struct stack *s)
{
	uint64_t n;

	assert_true(walked(s));
	n = w.states[0].ways;
	walk_clear(&w);
	return n;
}

/* --- counts --- */

static void
counts(void **state)
{
	static struct stack s;

	(void)state;
	memset(&s, 0, sizeof(s));
	assert_int_equal(ways(&s), 1);
	/* Success, ignore and failure. */
	STACK_OF(&s, "0 required", "0 required");
	assert_int_equal(ways(&s), 9);
	/* A failure ends it. */
	STACK_OF(&s, "0 requisite", "0 requisite", "0 requisite");
	assert_int_equal(ways(&s), 1 + 2 * (1 + 2 * 3));
	STACK_OF(&s, "0 sufficient", "0 required");
	assert_int_equal(ways(&s), 1 + 3);
	/* After a failure a sufficient line ends nothing. */
	STACK_OF(&s, "0 required", "0 sufficient", "0 optional");
	assert_int_equal(ways(&s), 2 * (1 + 2) + (2 + 2));
	STACK_OF(&s, "0 [success=1 default=ignore]", "0 required", "0 required");
	assert_int_equal(ways(&s), 3 + 9);
	/* A substack counts as one; done ends it alone. */
	STACK_OF(&s, "0 [success=1 default=ignore]", "0 substack", "1 sufficient", "1 required", "0 required");
	assert_int_equal(ways(&s), 3 + (1 + 3) * 3);
}

static void
more_than_fit_a_number(void **state)
{
	static struct stack s;
	const char *lines[STACK_LINES_MAX];

	(void)state;
	for (size_t i = 0; i < STACK_LINES_MAX; i++)
		lines[i] = "0 required";
	stack_of(&s, OP_SPEND, lines, STACK_LINES_MAX);
	assert_true(ways(&s) == UINT64_MAX);
	prove_stack(&s, OP_SPEND, decide, &proof);
	assert_int_equal(proof.end, PROOF_HOLDS);
	assert_true(proof.states < 4 * STACK_LINES_MAX);
}

/* --- all results of all lines --- */

enum { RANDOM_LINES = 5, RANDOM_STACKS = 120 };

static uint64_t seed;

static uint32_t
draw(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed >> 11) % below);
}

static void
random_stack(struct stack *s)
{
	static const char *const texts[] = {"required", "requisite", "sufficient", "optional",
	    "[success=ok default=reset]", "[success=1 default=ignore]", "[denied=2 default=ok]", "[success=ok ignore=done default=1]",
	    "[unavailable=die default=done]", "[success=reset denied=ignore default=bad]", "substack"};
	char memory[RANDOM_LINES][64];
	const char *lines[RANDOM_LINES];
	struct stack_error err;
	size_t n;
	int level = 0;

	do {
		n = 1 + draw(RANDOM_LINES);
		level = 0;
		for (size_t i = 0; i < n; i++) {
			const char *text = texts[draw(sizeof(texts) / sizeof(texts[0]))];

			if (level > 0 && draw(3) == 0)
				level -= 1 + (int)draw((uint32_t)level);
			(void)snprintf(memory[i], sizeof(memory[i]), "%d %s", level, text);
			lines[i] = memory[i];
			level += strcmp(text, "substack") == 0;
		}
		memset(s, 0, sizeof(*s));
		for (size_t i = 0; i < n; i++) {
			static const struct view args[] = {{"result=denied", 13}};
			bool mark = strcmp(lines[i] + 2, "substack") == 0;
			struct stack_text text = {.operation = VIEW("spend"), .control = view_str(lines[i] + 2),
			    .rule = mark ? VIEW("file") : VIEW("debug"), .args = args, .args_n = mark ? 0 : 1,
			    .level = (uint8_t)(lines[i][0] - '0'), .under_test = true};

			assert_int_equal(stack_add(s, &text, &err), CS_OK);
		}
	} while (!stack_finish(s, &err)); /* a jump past the end does not load */
}

static enum result
debugged(void *ctx, const struct stack_line *line, enum reason *reason)
{
	(void)ctx, (void)reason;
	return (enum result)line->debug;
}

static bool
run_one(const struct stack *s, struct stack_verdict *v)
{
	const struct stack_run run = {.stack = s, .op = OP_SPEND, .ask = debugged};

	stack_evaluate(&run, v);
	return v->permit;
}

/* Every result of every line, as the digits of a number. */
static void
compare(struct stack *s)
{
	static struct stack_verdict v, other;
	bool asked[RANDOM_LINES] = {false}, matters[RANDOM_LINES] = {false}, any_yes = false, model_yes = false;
	uint32_t all = 1;

	for (uint16_t i = 0; i < s->lines_n; i++)
		all *= RESULT__COUNT;
	for (uint32_t number = 0; number < all; number++) {
		uint32_t left = number;
		bool yes;

		for (uint16_t i = 0; i < s->lines_n; i++, left /= RESULT__COUNT)
			s->lines[i].debug = (uint8_t)(left % RESULT__COUNT);
		yes = run_one(s, &v);
		any_yes = any_yes || yes;
		for (uint16_t k = 0; k < v.executed_n; k++) {
			struct stack_line *line = &s->lines[v.executed[k].line];

			asked[v.executed[k].line] = true;
			for (uint8_t r = 0; r < RESULT__COUNT; r++) {
				line->debug = r;
				matters[v.executed[k].line] |= run_one(s, &other) != yes;
			}
			line->debug = v.executed[k].result;
		}
	}
	assert_true(walked(s));
	for (uint32_t i = 0; i < w.states_n; i++)
		model_yes = model_yes || walk_end_permits(&w, i);
	assert_int_equal(model_yes, any_yes);
	for (uint16_t i = 0; i < s->lines_n; i++) {
		assert_int_equal(w.asked[i], asked[i]);
		assert_int_equal(w.matters[i], matters[i]);
	}
	walk_clear(&w);
	prove_stack(s, OP_SPEND, decide, &proof);
	assert_int_equal(proof.end, PROOF_HOLDS);
}

static void
as_brute_force_says(void **state)
{
	static struct stack s;
	const char *given = getenv("SEED");

	(void)state;
	seed = given == NULL ? (uint64_t)time(NULL) * 2654435761u + 1 : strtoull(given, NULL, 10);
	print_message("SEED=%llu\n", (unsigned long long)seed);
	for (int i = 0; i < RANDOM_STACKS; i++) {
		random_stack(&s);
		compare(&s);
	}
}

/* --- marks --- */

static void
marks(void **state)
{
	static struct stack s;
	struct walk_step steps[WALK_LINES_MAX];
	size_t n = 0;

	(void)state;
	/* A yes without the second line: the first alone is enough. */
	STACK_OF(&s, "0 sufficient", "0 required");
	memset(&w, 0, sizeof(w));
	walk_stack(&w, &s, OP_SPEND);
	w.lines[1].marks = 1;
	w.lines[1].marking = 1 << RESULT_SUCCESS;
	assert_true(walk_run(&w));
	for (uint32_t i = 0; i < w.states_n && n == 0; i++)
		if (walk_end_permits(&w, i) && walk_end_marks(&w, i) == 0)
			n = walk_way(&w, i, steps);
	assert_int_equal(n, 1);
	assert_int_equal(steps[0].line, 0);
	assert_int_equal(steps[0].result, RESULT_SUCCESS);
	walk_clear(&w);
}

/* --- proofs --- */

static void
every_operation_holds(void **state)
{
	static struct stack s;

	(void)state;
	for (int op = OP_SPEND; op < OP__COUNT; op++) {
		stack_of(&s, (enum op)op, (const char *const[]){"0 sufficient", "0 [default=ok]", "0 optional"}, 3);
		prove_stack(&s, (enum op)op, decide, &proof);
		assert_int_equal(proof.end, PROOF_HOLDS);
		assert_true(proof.runs > 0);
		memset(&s, 0, sizeof(s));
		prove_stack(&s, (enum op)op, decide, &proof);
		assert_int_equal(proof.end, PROOF_HOLDS);
		assert_int_equal(proof.combinations, 1);
	}
}

/* What if the stack alone decided? */
static void
decide_by_stack(const struct asked *asked, const struct account *a, const struct request *r, struct decision *d)
{
	static struct stack_verdict v;
	const struct stack_run run = {.stack = policy_service(asked->policy, asked->service)->stack, .op = (uint8_t)r->op,
	    .ask = debugged};

	decide(asked, a, r, d);
	stack_evaluate(&run, &v);
	if (v.permit)
		d->outcome = OUTCOME_PERMIT;
}

static void
a_broken_core_is_found(void **state)
{
	static struct stack s;

	(void)state;
	STACK_OF(&s, "0 requisite", "0 sufficient", "0 required");
	prove_stack(&s, OP_SPEND, decide_by_stack, &proof);
	assert_int_equal(proof.end, PROOF_BROKEN);
	assert_string_equal(proof.account, "an account without any countersignature");
	assert_int_equal(proof.steps_n, 2);
	assert_int_equal(proof.steps[1].line, 1);
	assert_int_equal(proof.steps[1].result, RESULT_SUCCESS);
	/* A stack that never says yes is safe even then. */
	STACK_OF(&s, "0 [default=bad]");
	prove_stack(&s, OP_SPEND, decide_by_stack, &proof);
	assert_int_equal(proof.end, PROOF_HOLDS);
}

/* Rule 11 forgotten: whoever signed, it counts. */
static void
decide_without_independence(const struct asked *asked, const struct account *a, const struct request *r,
    struct decision *d)
{
	static struct policy p;
	struct asked other = *asked;

	p = *asked->policy;
	p.providers[0].controls_kinds = 0;
	other.policy = &p;
	decide(&other, a, r, d);
}

/* Rule 12 forgotten: what was used is taken again. */
static void
decide_without_single_use(const struct asked *asked, const struct account *a, const struct request *r, struct decision *d)
{
	static struct account other;

	other = *a;
	for (size_t i = 0; i < other.challenges_n; i++)
		if (other.challenges[i].state == CHALLENGE_USED)
			other.challenges[i].state = CHALLENGE_DONE;
	decide(asked, &other, r, d);
}

/* Rule 10 forgotten for allowances: any session will do. */
static void
decide_in_any_session(const struct asked *asked, const struct account *a, const struct request *r, struct decision *d)
{
	decide(asked, a, r, d);
	for (size_t i = 0; i < a->allowances_n; i++)
		if (a->allowances[i].state == ALLOWANCE_OPEN && r->op == OP_SPEND)
			d->outcome = OUTCOME_PERMIT;
}

static void
each_forgotten_rule_is_found(void **state)
{
	static const struct {
		decide_fn *decide;
		const char *account;
	} broken[] = {
	    {decide_without_independence, "the provider controls"},
	    {decide_without_single_use, "used before"},
	    {decide_in_any_session, "never countersigned"},
	};
	static struct stack s;

	(void)state;
	STACK_OF(&s, "0 required");
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		prove_stack(&s, OP_SPEND, broken[i].decide, &proof);
		assert_int_equal(proof.end, PROOF_BROKEN);
		assert_non_null(strstr(proof.account, broken[i].account));
	}
}

/* What denies everything proves nothing. */
static void
decide_never(const struct asked *asked, const struct account *a, const struct request *r, struct decision *d)
{
	decide(asked, a, r, d);
	d->outcome = OUTCOME_DENY;
}

static void
an_empty_proof_is_none(void **state)
{
	static struct stack s;

	(void)state;
	STACK_OF(&s, "0 required");
	prove_stack(&s, OP_SPEND, decide_never, &proof);
	assert_int_equal(proof.end, PROOF_DIFFERS);
}

/* A reset at the bottom of substacks in substacks looks at what each of them began with, and that may be much. */
static void
too_large(void **state)
{
	static struct stack s;
	static char memory[STACK_LINES_MAX][80];
	const char *lines[STACK_LINES_MAX];
	size_t n = 0;

	(void)state;
	for (int level = 0; n < STACK_LINES_MAX; n++) {
		bool mark = level + 1 < STACK_LEVELS_MAX && n % 2 == 1;

		(void)snprintf(memory[n], sizeof(memory[n]), "%c %s", '0' + level,
		    mark ? "substack" : "[success=ok denied=bad unavailable=ok error=reset default=ignore]");
		lines[n] = memory[n];
		level += mark;
	}
	stack_of(&s, OP_SPEND, lines, n);
	prove_stack(&s, OP_SPEND, decide, &proof);
	assert_int_equal(proof.end, PROOF_TOO_LARGE);
	assert_int_equal(proof.runs, 0);
	assert_int_equal(proof.states, WALK_STATES_MAX);
	/* Fewer lines, as deep, are enumerated. */
	stack_of(&s, OP_SPEND, lines, 33);
	prove_stack(&s, OP_SPEND, decide, &proof);
	assert_int_equal(proof.end, PROOF_HOLDS);
	print_message("%u states, %u decisions\n", proof.states, proof.runs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counts),
	    cmocka_unit_test(more_than_fit_a_number),
	    cmocka_unit_test(as_brute_force_says),
	    cmocka_unit_test(marks),
	    cmocka_unit_test(every_operation_holds),
	    cmocka_unit_test(a_broken_core_is_found),
	    cmocka_unit_test(each_forgotten_rule_is_found),
	    cmocka_unit_test(an_empty_proof_is_none),
	    cmocka_unit_test(too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
