/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks: Linux-PAM's controls with Linux-PAM's verdicts. Known cases after its xtests, then every
 * stack of up to three lines against a reference that was written from the documentation of the
 * keywords alone.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "broker/core/stack.h"

enum { REQUIRED, REQUISITE, SUFFICIENT, OPTIONAL, CONTROLS, LINES_MAX = 3 };

static const char *const controls[CONTROLS] = {"required", "requisite", "sufficient", "optional"};

static uint64_t
name_tag(void *ctx, enum stack_name kind, struct view name)
{
	(void)ctx;
	(void)kind;
	return view_equal(name, VIEW("apple")) ? 1 : view_equal(name, VIEW("wechat")) ? 2 : 0;
}

/* "operation control rule arguments", single spaces between. */
static enum cs_err
add(struct stack *s, const char *text, struct stack_error *err)
{
	struct view words[24];
	size_t n = 0;
	struct stack_text line = {.number = 7, .name_tag = name_tag};

	for (const char *p = text; *p != '\0';) {
		size_t len = strcspn(p, " ");

		assert_true(n < sizeof(words) / sizeof(words[0]));
		words[n++] = view_of(p, len);
		p += len + (p[len] == ' ');
	}
	assert_true(n >= 3);
	line.operation = words[0];
	line.control = words[1];
	line.rule = words[2];
	line.args = words + 3;
	line.args_n = n - 3;
	return stack_add(s, &line, err);
}

static void
add_ok(struct stack *s, const char *text)
{
	struct stack_error err = {0};

	if (add(s, text, &err) != CS_OK)
		fail_msg("%s: %s; %s", text, err.message, err.mend);
}

/* --- running --- */

struct script {
	const enum result *results;
	size_t asked;
};

/* Line i, counted among those asked, gives its scripted result and a reason that tells the line. */
static enum result
scripted(void *ctx, const struct stack_line *line, enum reason *reason)
{
	struct script *s = ctx;

	s->asked++;
	if (s->results[line->number] != RESULT_SUCCESS && s->results[line->number] != RESULT_IGNORE)
		*reason = (enum reason)(REASON_LIMIT_PAYMENT + line->number);
	return s->results[line->number];
}

struct ran {
	bool permit;
	enum reason reason;
	uint64_t executed; /* mask of the lines that were asked, by their place in the file */
};

static struct ran
run(const struct stack *s, enum op op, const enum result *results)
{
	struct script script = {results, 0};
	struct stack_run r = {s, (uint8_t)op, scripted, &script};
	struct stack_verdict v;
	struct ran o;

	stack_evaluate(&r, &v);
	assert_int_equal(v.executed_n, script.asked);
	o = (struct ran){v.permit, v.reason, 0};
	for (size_t i = 0; i < v.executed_n; i++)
		o.executed |= UINT64_C(1) << s->lines[v.executed[i].line].index;
	return o;
}

static struct stack
stack_of(const int *kinds, size_t n)
{
	struct stack s = {0};

	for (size_t i = 0; i < n; i++) {
		char text[64] = "spend ";

		memcpy(text + 6, controls[kinds[i]], strlen(controls[kinds[i]]) + 1);
		memcpy(text + strlen(text), " permit", 8);
		add_ok(&s, text);
		s.lines[i].number = (uint16_t)i;
	}
	return s;
}

static void
known_stacks_give_known_verdicts(void **state)
{
	static const struct {
		const char *name;
		size_t n;
		int kinds[LINES_MAX];
		enum result results[LINES_MAX];
		bool permit;
		uint64_t executed;
	} cases[] = {
	    {"empty", 0, {0}, {0}, false, 0},
	    {"dispatch3", 3, {OPTIONAL, SUFFICIENT, REQUIRED},
		{RESULT_DENIED, RESULT_SUCCESS, RESULT_DENIED}, true, 3},
	    {"required only", 1, {REQUIRED}, {RESULT_SUCCESS}, true, 1},
	    {"ignored only", 1, {REQUIRED}, {RESULT_IGNORE}, false, 1},
	    {"optional alone decides", 1, {OPTIONAL}, {RESULT_SUCCESS}, true, 1},
	    {"optional failure alone is no yes", 1, {OPTIONAL}, {RESULT_DENIED}, false, 1},
	    {"required goes on after a failure", 2, {REQUIRED, REQUIRED},
		{RESULT_DENIED, RESULT_SUCCESS}, false, 3},
	    {"requisite ends at once", 2, {REQUISITE, REQUIRED}, {RESULT_DENIED, RESULT_SUCCESS},
		false, 1},
	    {"sufficient ends at once", 2, {SUFFICIENT, REQUIRED}, {RESULT_SUCCESS, RESULT_DENIED},
		true, 1},
	    {"sufficient after a failure ends nothing", 3, {REQUIRED, SUFFICIENT, REQUIRED},
		{RESULT_DENIED, RESULT_SUCCESS, RESULT_SUCCESS}, false, 7},
	    {"sufficient that fails does no harm", 2, {SUFFICIENT, REQUIRED},
		{RESULT_EXCEEDED, RESULT_SUCCESS}, true, 3},
	    {"unavailable is a failure", 1, {REQUIRED}, {RESULT_UNAVAILABLE}, false, 1},
	    {"error is a failure", 1, {REQUISITE}, {RESULT_ERROR}, false, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stack s = stack_of(cases[i].kinds, cases[i].n);
		struct ran v = run(&s, OP_SPEND, cases[i].results);

		if (v.permit != cases[i].permit || v.executed != cases[i].executed)
			fail_msg("%s: permit %d, executed %llx", cases[i].name, v.permit,
			    (unsigned long long)v.executed);
	}
}

/*
 * The reference, in the words of pam.d(5), without a state machine. The stack ends early after the
 * first failed requisite line, or after the first sufficient line that succeeds while no required
 * or requisite line before it has failed. It grants when, among the lines that were reached, no
 * required or requisite one failed and at least one line of any kind succeeded.
 */
static void
reference(const int *kinds, const enum result *results, size_t n, bool *permit, size_t *reached,
    int *first_failure)
{
	bool success = false;

	*first_failure = -1;
	for (*reached = 0; *reached < n;) {
		size_t i = (*reached)++;
		bool must = kinds[i] == REQUIRED || kinds[i] == REQUISITE;
		bool ok = results[i] == RESULT_SUCCESS;

		success |= ok;
		if (must && !ok && results[i] != RESULT_IGNORE && *first_failure < 0)
			*first_failure = (int)i;
		if (kinds[i] == REQUISITE && !ok && results[i] != RESULT_IGNORE)
			break;
		if (kinds[i] == SUFFICIENT && ok && *first_failure < 0)
			break;
	}
	*permit = success && *first_failure < 0;
}

static void
compare(const int *kinds, const enum result *results, size_t n)
{
	struct stack s = stack_of(kinds, n);
	struct ran v = run(&s, OP_SPEND, results);
	enum reason reason = REASON_NONE;
	bool permit;
	size_t reached;
	int failed;

	reference(kinds, results, n, &permit, &reached, &failed);
	if (!permit)
		reason = failed < 0 ? REASON_STACK : (enum reason)(REASON_LIMIT_PAYMENT + failed);
	if (v.permit != permit || v.reason != reason || v.executed != (UINT64_C(1) << reached) - 1)
		fail_msg("%zu lines, %s %d, %s %d, %s %d: permit %d, reason %s, executed %llx", n,
		    controls[kinds[0]], results[0], controls[kinds[1]], results[1],
		    controls[kinds[2]], results[2], v.permit, reason_name(v.reason),
		    (unsigned long long)v.executed);
}

static void
every_short_stack_agrees_with_the_documentation(void **state)
{
	enum { CHOICES = CONTROLS * RESULT__COUNT };

	(void)state;
	for (size_t n = 1; n <= LINES_MAX; n++) {
		size_t all = n == 1   ? CHOICES
			     : n == 2 ? CHOICES * CHOICES
				      : CHOICES * CHOICES * CHOICES;

		for (size_t code = 0; code < all; code++) {
			int kinds[LINES_MAX] = {0};
			enum result results[LINES_MAX] = {0};
			size_t rest = code;

			for (size_t i = 0; i < n; i++, rest /= CHOICES) {
				kinds[i] = (int)(rest % CHOICES / RESULT__COUNT);
				results[i] = (enum result)(rest % RESULT__COUNT);
			}
			compare(kinds, results, n);
		}
	}
}

static enum result
nonsense(void *ctx, const struct stack_line *line, enum reason *reason)
{
	(void)ctx;
	(void)line;
	(void)reason;
	return (enum result)RESULT__COUNT;
}

static void
a_result_that_does_not_exist_denies(void **state)
{
	struct stack s = {0};
	struct stack_verdict v = {.permit = true};

	(void)state;
	add_ok(&s, "spend optional permit");
	stack_evaluate(&(struct stack_run){&s, OP_SPEND, nonsense, NULL}, &v);
	assert_false(v.permit);
	assert_int_equal(v.reason, REASON_STACK);
}

static void
lines_of_other_operations_are_not_asked(void **state)
{
	static const enum result results[8] = {RESULT_SUCCESS};
	struct stack s = {0};

	(void)state;
	add_ok(&s, "link required deny");
	add_ok(&s, "spend required permit");
	assert_int_equal(run(&s, OP_SPEND, results).executed, 2);
	assert_false(run(&s, OP_GRANT, results).permit);
	assert_int_equal(run(&s, OP_GRANT, results).reason, REASON_STACK);
}

/* --- compiling --- */

static void
arguments_become_numbers(void **state)
{
	struct stack s = {0};
	const struct stack_line *l[7];

	(void)state;
	add_ok(&s, "LINK Requisite provider apple wechat");
	add_ok(&s, "spend required session max-age=30d");
	add_ok(&s, "spend required session");
	add_ok(&s, "spend requisite limit per-payment=200CNY per-day=1000.50CNY count-day=20");
	add_ok(&s, "spend sufficient allowance");
	add_ok(&s, "spend required stepup any=webauthn,totp factors=2");
	add_ok(&s, "factor required stepup");
	assert_int_equal(s.lines_n, 7);
	for (size_t i = 0; i < 7; i++)
		l[s.lines[i].index] = &s.lines[i];
	assert_int_equal(l[0]->op, OP_LINK);
	assert_int_equal(l[0]->number, 7);
	assert_int_equal(l[0]->providers_n, 2);
	assert_true(l[0]->providers[0] == 1 && l[0]->providers[1] == 2);
	assert_int_equal(l[1]->max_age_ms, 30 * DAY_MS);
	assert_int_equal(l[2]->max_age_ms, -1);
	assert_int_equal(l[3]->sums_n, 1);
	assert_int_equal(s.sums[l[3]->sums_at].currency, 156);
	assert_int_equal(s.sums[l[3]->sums_at].minor[SUM_PAYMENT], 20000);
	assert_int_equal(s.sums[l[3]->sums_at].minor[SUM_DAY], 100050);
	assert_int_equal(s.sums[l[3]->sums_at].minor[SUM_MONTH], -1);
	assert_int_equal(s.needs, 0);
	assert_int_equal(l[3]->count_day, 20);
	assert_int_equal(l[3]->count_month, -1);
	assert_int_equal(l[5]->kinds, 1 << FACTOR_WEBAUTHN | 1 << FACTOR_TOTP);
	assert_int_equal(l[5]->need, 2);
	assert_int_equal(l[6]->kinds, 0);
	assert_int_equal(l[6]->need, 1);
}

static void
bad_lines_say_where_and_how_to_mend(void **state)
{
	static const struct {
		const char *text;
		int arg;
		const char *mend; /* a part of it */
	} cases[] = {
	    {"pay required permit", STACK_AT_OPERATION, "spend, link"},
	    {"spned required permit", STACK_AT_OPERATION, "did you mean \"spend\"?"},
	    {"none required permit", STACK_AT_OPERATION, "spend, link"},
	    {"spend require permit", STACK_AT_CONTROL, "did you mean \"required\"?"},
	    {"spend include common", STACK_AT_CONTROL, "in a stack's file"},
	    {"spend [success=0] permit", STACK_AT_CONTROL, "how many lines"},
	    {"spend required setpup", STACK_AT_RULE, "did you mean \"stepup\"?"},
	    {"spend required alowance", STACK_AT_RULE, "did you mean \"allowance\"?"},
	    {"spend required webhook", STACK_AT_RULE, "provider, session"},
	    {"spend required PERMIT", STACK_AT_RULE, "provider, session"},
	    {"link required allowance", STACK_AT_RULE, "spend"},
	    {"link required provider", STACK_AT_RULE, "apple"},
	    {"link required provider apple gogle", 1, "configuration"},
	    {"link required provider apple apple", 1, "once"},
	    {"spend required session maxage=30d", 0, "did you mean \"max-age\"?"},
	    {"spend required session any=totp", 0, "max-age=DURATION"},
	    {"spend required session max-age", 0, "NAME=VALUE"},
	    {"spend required session max-age=", 0, "30d"},
	    {"spend required session max-age=30", 0, "30d"},
	    {"spend required session max-age=0d", 0, "30d"},
	    {"spend required session max-age=-1d", 0, "30d"},
	    {"spend required session max-age=030d", 0, "30d"},
	    {"spend required session max-age=30x", 0, "30d"},
	    {"spend required session max-age=4000d", 0, "30d"},
	    {"spend required session max-age=99999999999999999999d", 0, "30d"},
	    {"spend required session max-age=1h max-age=1h", 1, "once"},
	    {"spend required limit", STACK_AT_RULE, "per-payment=200CNY"},
	    {"spend required limit per-pament=20CNY", 0, "did you mean \"per-payment\"?"},
	    {"spend required limit per-payment=CNY", 0, "200CNY"},
	    {"spend required limit per-payment=20", 0, "200CNY"},
	    {"spend required limit per-payment=20cny", 0, "capitals"},
	    {"spend required limit per-payment=20.005CNY", 0, "decimals"},
	    {"spend required limit per-payment=-20CNY", 0, "decimals"},
	    {"spend required limit per-payment=1e3CNY", 0, "decimals"},
	    {"spend required limit per-payment=10000000000000CNY", 0, "at most"},
	    {"spend required limit per-payment=20CNY,30CNY", 0, "one amount in each currency"},
	    {"spend required limit count-day=1.5", 0, "number of payments"},
	    {"spend required limit count-day=20CNY", 0, "number of payments"},
	    {"spend required stepup any=sms", 0, "totp, webauthn"},
	    {"spend required stepup any=webautn", 0, "did you mean \"webauthn\"?"},
	    {"spend required stepup any=", 0, "totp, webauthn"},
	    {"spend required stepup any=totp,", 0, "totp, webauthn"},
	    {"spend required stepup any=totp,totp", 0, "once"},
	    {"spend required stepup factors=0", 0, "1, 2, 3 or 4"},
	    {"spend required stepup factors=5", 0, "1, 2, 3 or 4"},
	    {"spend required stepup any=totp factors=x", 1, "1, 2, 3 or 4"},
	    {"spend required limit per-day=10CNY,", 0, "200CNY"},
	    {"spend required limit per-day=1CNY,1USD,1EUR,1JPY,1GBP,1HKD,1KRW,1INR,1SGD", 0, "at most eight"},
	    {"spend required limit for=link", STACK_AT_RULE, "at least one limit"},
	    {"spend required limit per-day=1CNY for=shop", 1, "for=payee"},
	    {"spend required limit per-day=1CNY for=acount", 1, "did you mean \"account\"?"},
	    {"spend required limit per-day=1CNY other=permit", 1, "other=ignore"},
	    {"spend required limit count-day=1 other=ignore", STACK_AT_RULE, "leave it out"},
	    {"spend required limit first-use=1CNY for=payee", STACK_AT_RULE, "without for="},
	    {"spend required limit per-decade=1CNY", 0, "in-all="},
	    {"spend required stepup all=sms", 0, "totp, webauthn"},
	    {"spend required stepup categories=4", 0, "1, 2 or 3"},
	    {"spend required stepup strongest=yes", 0, "the word alone"},
	    {"spend required stepup max-age=6m", 0, "at most 5m"},
	    {"spend required stepup exact exact", 1, "once"},
	    {"spend required session countersigned=1", 0, "the word alone"},
	    {"spend required payee", STACK_AT_RULE, "known"},
	    {"spend required payee id=", 0, "as the service sends them"},
	    {"grant required payee known", STACK_AT_RULE, "operation spend"},
	    {"link required drain", STACK_AT_RULE, "operation spend"},
	    {"spend required drain count=1", 0, "2 to 16"},
	    {"spend required drain count=17", 0, "2 to 16"},
	    {"spend required drain within=61m", 0, "60m"},
	    {"spend required service", STACK_AT_RULE, "service checkout"},
	    {"spend required time", STACK_AT_RULE, "days=mon-fri"},
	    {"spend required time from=08:00", STACK_AT_RULE, "to=HH:MM"},
	    {"spend required time from=8:00 to=09:00", 0, "two digits"},
	    {"spend required time from=24:00 to=09:00", 0, "two digits"},
	    {"spend required time from=08:60 to=09:00", 0, "two digits"},
	    {"spend required time from=08:00 to=08:00", STACK_AT_RULE, "whole day"},
	    {"spend required time days=mon-", 0, "mon, tue"},
	    {"spend required time days=mon-wed,tue", 0, "once"},
	    {"spend required account", STACK_AT_RULE, "link-age="},
	    {"spend required account factors=5", 0, "1, 2, 3 or 4"},
	    {"spend required risk", STACK_AT_RULE, "risk NAME"},
	    {"spend required risk nobody", 0, "risk block"},
	    {"spend required risk nobody max=101", 0, "risk block"},
	    {"spend required risk max=101", 0, "0 to 100"},
	    {"spend required risk deadline=5ms", 0, "10ms to 5s"},
	    {"spend required risk deadline=6s", 0, "10ms to 5s"},
	    {"spend required notify", STACK_AT_RULE, "notify NAME"},
	    {"spend required permit note=liability", 0, "liability-institution"},
	    {"spend required permit always", 0, "note=NAME"},
	    {"spend required deny =", 0, "note=NAME"},
	    {"link required provider a b c d e f g h i j k l m n o p q", STACK_ARGS_MAX,
		"at most 16"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stack s = {0};
		struct stack_error err = {0};

		if (add(&s, cases[i].text, &err) != CS_ERR_SYNTAX || err.arg != cases[i].arg ||
		    s.lines_n != 0 || strstr(err.mend, cases[i].mend) == NULL)
			fail_msg(
			    "%s: at %d, %s; %s", cases[i].text, err.arg, err.message, err.mend);
	}
}

static void
a_full_stack_takes_no_more(void **state)
{
	static struct stack s;
	struct stack_error err = {0};

	(void)state;
	for (int i = 0; i < STACK_LINES_MAX; i++)
		add_ok(&s, "spend required permit");
	assert_int_equal(add(&s, "spend required permit", &err), CS_ERR_FULL);
	assert_int_equal(s.lines_n, STACK_LINES_MAX);
	assert_non_null(err.mend);
}

static void
rules_and_results_have_names(void **state)
{
	(void)state;
	assert_string_equal(rule_name(RULE_PROVIDER), "provider");
	assert_string_equal(rule_name(RULE_DENY), "deny");
	assert_string_equal(result_name(RESULT_SUCCESS), "success");
	assert_string_equal(result_name(RESULT_ERROR), "error");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_stacks_give_known_verdicts),
	    cmocka_unit_test(every_short_stack_agrees_with_the_documentation),
	    cmocka_unit_test(a_result_that_does_not_exist_denies),
	    cmocka_unit_test(lines_of_other_operations_are_not_asked),
	    cmocka_unit_test(arguments_become_numbers),
	    cmocka_unit_test(bad_lines_say_where_and_how_to_mend),
	    cmocka_unit_test(a_full_stack_takes_no_more),
	    cmocka_unit_test(rules_and_results_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
