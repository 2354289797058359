/* SPDX-License-Identifier: Apache-2.0 */
/* Suppositions tried with something changed. */
#include "broker/ctl/trial.h"

#include "broker/base/check.h"
#include "broker/core/money.h"
#include "broker/engine/steps.h"

void
trial_begin(struct trial *t, const struct suppose *from)
{
	const struct policy *p = from->rules->policy;

	t->s = *from;
	t->policy = *p;
	t->rules = *from->rules;
	t->rules.policy = &t->policy;
	t->s.rules = &t->rules;
	t->service = NULL;
	for (uint16_t i = 0; i < p->services_n; i++) {
		if (p->services[i].tag == name_tag(view_str(from->service->name)))
			t->service = &t->policy.services[i];
	}
	CHECK(t->service != NULL);
	t->stack = *t->service->stack;
	t->service->stack = &t->stack;
	t->provider = from->provider == NULL ? NULL : &t->policy.providers[from->provider - p->providers];
	t->s.provider = t->provider;
}

enum outcome
trial_ask(struct trial *t)
{
	suppose_account(&t->s);
	suppose_decide(&t->s, true, &t->trace, &t->d);
	return (enum outcome)t->d.outcome;
}

bool
trial_passes(struct trial *t)
{
	return trial_ask(t) != OUTCOME_DENY;
}

/* The last line that said no decided: a stack ends at its first requisite failure, and runs on past others. */
const struct config_line *
trial_line(const struct suppose *s, const struct decision_trace *t, enum reason reason, uint16_t *index)
{
	const struct config *c = s->rules->config;
	const struct steps_stack stack = {c, &c->stacks[s->service->stack_index], s->op, false};
	const struct config_line *lines[TRACE_STEPS_MAX], *found = NULL;

	steps_lines(t, &stack, lines);
	for (size_t i = 0; i < t->n; i++) {
		if (lines[i] == NULL || t->steps[i].reason != reason)
			continue;
		found = lines[i];
		*index = t->steps[i].index;
	}
	return found;
}

struct stack_line *
trial_compiled(struct trial *t, uint16_t index)
{
	for (size_t i = 0; i < t->stack.lines_n; i++)
		if (t->stack.lines[i].index == index)
			return &t->stack.lines[i];
	return NULL;
}

void
trial_line_yes(struct stack_line *line)
{
	line->rule = RULE_PERMIT;
}

void
trial_line_away(struct stack_line *line)
{
	line->rule = RULE_PERMIT;
	memset(line->actions, ACTION_IGNORE, sizeof(line->actions));
}

/* The line names the currency, too, with room for any amount. Its sums stand together, so all of them move. */
static bool
name_currency(struct trial *t, struct stack_line *line)
{
	struct stack *s = &t->stack;
	struct stack_sums *sums = &s->sums[s->sums_n];

	if (line->rule != RULE_LIMIT || s->sums_n + line->sums_n >= STACK_SUMS_MAX)
		return false;
	memcpy(sums, &s->sums[line->sums_at], line->sums_n * sizeof(*sums));
	line->sums_at = s->sums_n;
	sums += line->sums_n++;
	s->sums_n = (uint16_t)(s->sums_n + line->sums_n);
	sums->currency = t->s.currency;
	for (int i = 0; i < SUM__COUNT; i++)
		sums->minor[i] = -1;
	return true;
}

static bool
lift_line(struct trial *t, struct stack_line *line, enum reason reason)
{
	static const uint8_t sums[REASON__COUNT] = {[REASON_LIMIT_PAYMENT] = SUM_PAYMENT + 1, [REASON_LIMIT_DAY] = SUM_DAY + 1,
	    [REASON_LIMIT_MONTH] = SUM_MONTH + 1, [REASON_LIMIT_YEAR] = SUM_YEAR + 1, [REASON_LIMIT_TOTAL] = SUM_TOTAL + 1,
	    [REASON_LIMIT_24H] = SUM_24H + 1, [REASON_LIMIT_STEPUP] = SUM_STEPUP + 1,
	    [REASON_LIMIT_FIRST_USE] = SUM_FIRST_USE + 1, [REASON_DRAIN_SUSPECTED] = SUM_PAYMENT + 1};

	if (reason == REASON_LIMIT_UNDEFINED)
		return name_currency(t, line);
	if (line->rule != RULE_LIMIT && line->rule != RULE_DRAIN)
		return false;
	for (uint8_t i = 0; sums[reason] != 0 && i < line->sums_n; i++)
		t->stack.sums[line->sums_at + i].minor[sums[reason] - 1] = -1;
	if (reason == REASON_LIMIT_COUNT)
		line->count_day = line->count_month = -1;
	else if (reason == REASON_LIMIT_24H)
		line->count_24h = -1;
	else if (reason == REASON_LIMIT_STEPUP)
		line->count_stepup = -1;
	else if (reason == REASON_DRAIN_SUSPECTED)
		line->drain_count = UINT8_MAX;
	else
		return sums[reason] != 0;
	return true;
}

static bool
lift_level(struct policy_limit *limits, size_t n, uint16_t currency, enum reason reason)
{
	bool lifted = false;

	for (size_t i = 0; i < n; i++) {
		struct policy_limit *l = &limits[i];

		if (l->currency != currency && l->currency != CURRENCY_NONE)
			continue;
		lifted = true;
		if (reason == REASON_LIMIT_PAYMENT)
			l->per_payment_minor = -1;
		else if (reason == REASON_LIMIT_DAY)
			l->per_day_minor = -1;
		else if (reason == REASON_LIMIT_MONTH)
			l->per_month_minor = -1;
		else if (reason == REASON_LIMIT_COUNT)
			l->count_day = l->count_month = -1;
		else
			return false;
	}
	return lifted;
}

bool
trial_lift(struct trial *t, const struct decision *d, struct stack_line *line)
{
	struct policy *p = &t->policy;
	enum reason reason = (enum reason)d->reason;

	if (line != NULL)
		return lift_line(t, line, reason);
	if (reason == REASON_LIMIT_UNDEFINED) {
		if (p->limits_n == POLICY_LIMITS_MAX)
			return false;
		p->limits[p->limits_n++] = (struct policy_limit){t->s.currency, -1, -1, -1, -1, -1};
		return true;
	}
	if (d->detail.link_no != 0)
		return t->provider != NULL && lift_level(t->provider->limits, t->provider->limits_n, t->s.currency, reason);
	return lift_level(p->limits, p->limits_n, t->s.currency, reason);
}
