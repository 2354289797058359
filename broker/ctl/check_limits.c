/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits that can never bind, because a smaller one always does: of the same spending or more of it, in the same time or
 * a longer one. A limit of the stack counts as always asked where every yes needs its success.
 */
#include <stdio.h>

#include "broker/core/money.h"
#include "broker/ctl/check.h"
#include "broker/engine/engine.h"

/* What a limit counts: the sums of a line, and its numbers of payments. */
enum window {
	WINDOW_COUNT_DAY = SUM__COUNT,
	WINDOW_COUNT_MONTH,
	WINDOW_COUNT_24H,
	WINDOW__COUNT
};

#define IN(window) (1u << (window))

static const struct {
	const char *name;
	unsigned within; /* mask of windows that hold whatever this one holds */
} windows[WINDOW__COUNT] = {
    [SUM_PAYMENT] = {"per-payment", IN(SUM_DAY) | IN(SUM_MONTH) | IN(SUM_YEAR) | IN(SUM_TOTAL) | IN(SUM_24H)},
    [SUM_FIRST_USE] = {"first-use",
	IN(SUM_PAYMENT) | IN(SUM_DAY) | IN(SUM_MONTH) | IN(SUM_YEAR) | IN(SUM_TOTAL) | IN(SUM_24H)},
    [SUM_DAY] = {"per-day", IN(SUM_MONTH) | IN(SUM_YEAR) | IN(SUM_TOTAL) | IN(SUM_24H)},
    [SUM_MONTH] = {"per-month", IN(SUM_YEAR) | IN(SUM_TOTAL)},
    [SUM_YEAR] = {"per-year", IN(SUM_TOTAL)},
    [SUM_24H] = {"per-24h", IN(SUM_TOTAL)},
    [SUM_STEPUP] = {"per-stepup", IN(SUM_TOTAL)},
    [SUM_TOTAL] = {"in-all", 0},
    [WINDOW_COUNT_DAY] = {"count-day", IN(WINDOW_COUNT_MONTH) | IN(WINDOW_COUNT_24H)},
    [WINDOW_COUNT_24H] = {"count-24h", 0},
    [WINDOW_COUNT_MONTH] = {"count-month", 0},
};

/* Of one level in one currency; -1: none. */
struct bounds {
	uint8_t scope; /* enum need_scope */
	int64_t of[WINDOW__COUNT];
};

static struct bounds
bounds_of_policy(const struct policy_limit *l, enum need_scope scope)
{
	struct bounds b = {.scope = (uint8_t)scope};

	for (int i = 0; i < WINDOW__COUNT; i++)
		b.of[i] = -1;
	b.of[SUM_PAYMENT] = l->per_payment_minor;
	b.of[SUM_DAY] = l->per_day_minor;
	b.of[SUM_MONTH] = l->per_month_minor;
	b.of[WINDOW_COUNT_DAY] = l->count_day;
	b.of[WINDOW_COUNT_MONTH] = l->count_month;
	return b;
}

static struct bounds
bounds_of_line(const struct stack *s, const struct stack_line *line, uint16_t currency)
{
	struct bounds b = {.scope = line->scope};

	for (int i = 0; i < WINDOW__COUNT; i++)
		b.of[i] = -1;
	for (uint8_t i = 0; i < line->sums_n; i++)
		if (s->sums[line->sums_at + i].currency == currency)
			memcpy(b.of, s->sums[line->sums_at + i].minor, sizeof(s->sums[0].minor));
	b.of[WINDOW_COUNT_DAY] = line->count_day;
	b.of[WINDOW_COUNT_MONTH] = line->count_month;
	b.of[WINDOW_COUNT_24H] = line->count_24h;
	return b;
}

/* What one link spends the account spends, and what is spent at one payee. */
static bool
scope_within(uint8_t inner, uint8_t outer)
{
	return inner == outer || outer == NEED_OF_ACCOUNT;
}

/* The window of the smaller one that binds first, or WINDOW__COUNT. */
static int
beaten(const struct bounds *one, int window, const struct bounds *by)
{
	if (!scope_within(one->scope, by->scope))
		return WINDOW__COUNT;
	for (int i = 0; i < WINDOW__COUNT; i++) {
		bool holds = i == window || (windows[window].within & IN(i)) != 0;

		if (holds && by->of[i] >= 0 && by->of[i] < one->of[window])
			return i;
	}
	return WINDOW__COUNT;
}

static const char *
bound_text(int window, int64_t value, uint16_t currency, char to[64])
{
	const struct currency *c = currency_get(currency);
	char amount[MONEY_TEXT_MAX + 1];

	if (window >= SUM__COUNT || c == NULL) {
		(void)snprintf(to, 64, "%s=%lld", windows[window].name, (long long)value);
		return to;
	}
	amount[money_format(value, currency, amount)] = '\0';
	(void)snprintf(to, 64, "%s=%s%s", windows[window].name, amount, c->code);
	return to;
}

/* Each bound of `one`, at this place, against those of `by`, said to stand there. */
static void
compare(struct findings *to, const struct config_line *at, const char *where, const struct bounds *one,
    const struct bounds *by, const char *there, uint16_t currency)
{
	for (int window = 0; window < WINDOW__COUNT; window++) {
		char mine[64], smaller[64];
		int found = one->of[window] < 0 ? WINDOW__COUNT : beaten(one, window, by);
		struct finding *f;

		if (found == WINDOW__COUNT)
			continue;
		f = finding_add(to, at, "%s%s can never bind", where, bound_text(window, one->of[window], currency, mine));
		finding_why(f, "%s%s is smaller, and always asked too", there,
		    bound_text(found, by->of[found], currency, smaller));
		finding_mend(f, "write less, or leave it out");
	}
}

/* --- lines --- */

/* A line that only branches by its limit is a threshold, and may stand above what anybody can spend. */
static bool
denies(const struct stack_line *line)
{
	int action = line->actions[RESULT_EXCEEDED];

	return line->rule == RULE_LIMIT && (action == ACTION_BAD || action == ACTION_DIE);
}

/* Whether every yes to a payment in this currency needs this line's success. */
static bool
always_asked(const struct subject *s, uint16_t line, uint16_t currency)
{
	static struct walk w;
	bool always = true;

	memset(&w, 0, sizeof(w));
	subject_program(s, currency, &w);
	for (uint16_t i = 0; i < w.lines_n; i++) {
		w.lines[i].marks = w.lines[i].line == line;
		w.lines[i].marking = 1 << RESULT_SUCCESS;
	}
	if (!walk_run(&w))
		always = false;
	for (uint32_t i = 0; always && i < w.states_n; i++)
		always = !walk_end_permits(&w, i) || walk_end_marks(&w, i) != 0;
	walk_clear(&w);
	return always;
}

static void
compare_lines(const struct subject *s, uint16_t index, uint16_t currency, const struct bounds *one)
{
	char there[160], place[128];

	for (uint16_t i = 0; i < s->stack->count[s->op]; i++) {
		uint16_t other = (uint16_t)(s->stack->first[s->op] + i);
		const struct stack_line *line = &s->stack->lines[other];
		struct bounds by;

		/* What several stacks include is wider than what one of them writes for itself, and is meant to be. */
		if (line->rule != RULE_LIMIT || line->file != s->stack->lines[index].file)
			continue;
		by = bounds_of_line(s->stack, line, currency);
		(void)snprintf(there, sizeof(there), "%s: ", finding_place(subject_line(s, other), place, sizeof(place)));
		if (other == index)
			compare(s->to, subject_line(s, index), "", one, &by, "", currency);
		else if (denies(line) && always_asked(s, other, currency))
			compare(s->to, subject_line(s, index), "", one, &by, there, currency);
	}
}

static void
check_line(const struct subject *s, uint16_t index)
{
	const struct stack_line *line = &s->stack->lines[index];
	const struct policy *p = s->rules == NULL ? NULL : s->rules->policy;

	if (!denies(line))
		return;
	for (uint8_t i = 0; i < line->sums_n; i++) {
		uint16_t currency = s->stack->sums[line->sums_at + i].currency;
		struct bounds one = bounds_of_line(s->stack, line, currency);
		const struct policy_limit *l = p == NULL ? NULL : policy_limit(p->limits, p->limits_n, currency);
		struct bounds by;

		compare_lines(s, index, currency, &one);
		if (l == NULL)
			continue;
		by = bounds_of_policy(l, NEED_OF_ACCOUNT);
		compare(s->to, subject_line(s, index), "", &one, &by, "policy-limits: ", currency);
	}
}

void
check_limits(const struct subject *s)
{
	for (uint16_t i = 0; s->op == OP_SPEND && i < s->stack->count[s->op]; i++)
		check_line(s, (uint16_t)(s->stack->first[s->op] + i));
}

/* --- the configuration --- */

void
check_policy_limits(const struct ruleset *rules, struct findings *to)
{
	const struct policy *p = rules->policy;
	char where[96];

	for (uint16_t i = 0; i < p->providers_n; i++) {
		(void)snprintf(where, sizeof(where), "provider \"%s\": ", rules->config->providers[i].name);
		for (uint8_t k = 0; k < p->providers[i].limits_n; k++) {
			const struct policy_limit *mine = &p->providers[i].limits[k];
			const struct policy_limit *l = policy_limit(p->limits, p->limits_n, mine->currency);
			struct bounds one = bounds_of_policy(mine, NEED_OF_LINK), by;

			/* What contradicts itself in one block does not load. */
			if (l == NULL)
				continue;
			by = bounds_of_policy(l, NEED_OF_ACCOUNT);
			compare(to, NULL, where, &one, &by, "policy-limits: ", mine->currency);
		}
	}
}
