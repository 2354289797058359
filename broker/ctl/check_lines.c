/* SPDX-License-Identifier: Apache-2.0 */
/* What single lines of a stack may answer, and what they say that can never come true. */
#include <stdio.h>

#include "broker/core/money.h"
#include "broker/ctl/check.h"
#include "broker/engine/engine.h"

#define ONE(result) ((uint8_t)(1 << RESULT_##result))

/* --- what a line may answer --- */

/* A row that is missing may answer anything. */
static const uint8_t answers[RULE__COUNT] = {
    [RULE_PROVIDER] = ONE(SUCCESS) | ONE(DENIED) | ONE(IGNORE),
    [RULE_SESSION] = ONE(SUCCESS) | ONE(DENIED) | ONE(IGNORE) | ONE(UNVERIFIED),
    [RULE_LIMIT] = ONE(SUCCESS) | ONE(EXCEEDED) | ONE(DENIED) | ONE(IGNORE),
    [RULE_ALLOWANCE] = ONE(SUCCESS) | ONE(UNVERIFIED),
    [RULE_STEPUP] = ONE(SUCCESS) | ONE(UNVERIFIED),
    [RULE_PERMIT] = ONE(SUCCESS),
    [RULE_DENY] = ONE(DENIED),
    [RULE_PAYEE] = ONE(SUCCESS) | ONE(DENIED),
    [RULE_SERVICE] = ONE(SUCCESS) | ONE(DENIED),
    [RULE_TIME] = ONE(SUCCESS) | ONE(DENIED),
    [RULE_ACCOUNT] = ONE(SUCCESS) | ONE(DENIED),
    [RULE_DRAIN] = ONE(SUCCESS) | ONE(EXCEEDED) | ONE(IGNORE),
    [RULE_RISK] = ONE(SUCCESS) | ONE(DENIED) | ONE(UNAVAILABLE),
    [RULE_NOTIFY] = ONE(IGNORE),
    [RULE_ASSURANCE] = ONE(SUCCESS) | ONE(DENIED) | ONE(IGNORE),
};

static uint8_t
limit_results(const struct subject *s, const struct stack_line *line, uint16_t currency)
{
	if (s->op != OP_SPEND)
		return ONE(IGNORE);
	if (currency == CURRENCY_NONE)
		return answers[RULE_LIMIT];
	for (uint8_t i = 0; i < line->sums_n; i++) {
		if (s->stack->sums[line->sums_at + i].currency == currency)
			return ONE(SUCCESS) | ONE(EXCEEDED);
	}
	return line->sums_n == 0 ? ONE(SUCCESS) | ONE(EXCEEDED) : line->other_ignored ? ONE(IGNORE) : ONE(DENIED);
}

static bool
names_provider(const struct stack_line *line, uint64_t provider)
{
	for (uint8_t i = 0; i < line->providers_n; i++)
		if (line->providers[i] == provider)
			return true;
	return false;
}

uint8_t
line_results(const struct subject *s, uint16_t index, uint16_t currency)
{
	const struct stack_line *line = &s->stack->lines[index];

	if (line->absent)
		return ONE(UNAVAILABLE);
	if (line->rule == RULE_DEBUG)
		return (uint8_t)(1 << line->debug);
	if (line->rule == RULE_LIMIT)
		return limit_results(s, line, currency);
	if (line->rule == RULE_PROVIDER && s->provider != 0)
		return names_provider(line, s->provider) ? ONE(SUCCESS) : ONE(DENIED);
	return answers[line->rule] == 0 ? WALK_ALL_RESULTS : answers[line->rule];
}

void
subject_program(const struct subject *s, uint16_t currency, struct walk *w)
{
	walk_stack(w, s->stack, s->op);
	for (uint16_t i = 0; i < w->lines_n; i++)
		if (w->lines[i].results != 0)
			w->lines[i].results = line_results(s, w->lines[i].line, currency);
}

/* --- currencies --- */

static void
check_limit_currency(const struct subject *s, uint16_t index)
{
	const struct stack_line *line = &s->stack->lines[index];

	if (line->rule != RULE_LIMIT || s->rules == NULL)
		return;
	for (uint8_t i = 0; i < line->sums_n; i++)
		check_currency(s->rules->policy, s->stack->sums[line->sums_at + i].currency, subject_line(s, index),
		    "`limit`", s->to);
}

/* --- risk --- */

/* Who can silence the plugin goes past such a line. A leading "-" says that this is meant. */
static void
check_risk_open(const struct subject *s, uint16_t index)
{
	const struct stack_line *line = &s->stack->lines[index];
	int8_t action = line->actions[RESULT_UNAVAILABLE];
	struct finding *f;

	if (line->substack || line->rule != RULE_RISK || line->lenient ||
	    (action != ACTION_IGNORE && action != ACTION_OK && action != ACTION_DONE))
		return;
	f = finding_add(s->to, subject_line(s, index), "without an answer of the plugin this line does not stop %s",
	    op_name(s->op));
	finding_why(f, "it fails open: unavailable=%s, whatever the score would have been; rules 10 to 12 are asked all the same",
	    action == ACTION_IGNORE ? "ignore" : action == ACTION_OK ? "ok" : "done");
	finding_mend(f, "write unavailable=die, or a jump to `stepup`; where it is meant, begin the line with -");
}

void
check_lines(const struct subject *s)
{
	for (uint16_t i = 0; i < s->stack->count[s->op]; i++) {
		uint16_t index = (uint16_t)(s->stack->first[s->op] + i);

		check_limit_currency(s, index);
		check_risk_open(s, index);
	}
}
