/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines `stepup` that nobody could satisfy. The core is asked: an account with several of every factor that may countersign
 * for the provider asks for something that this line alone guards.
 */
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/core/money.h"
#include "broker/ctl/check.h"
#include "broker/ctl/suppose.h"

enum { NAMES_MAX = 160, RULE_MAX = 160 };

#define SUPPOSED_NOW_MS (INT64_C(20000) * DAY_MS)

/* The configuration's policy with one service, whose stack is one line, and one currency without limits. */
struct world {
	struct ruleset rules;
	struct policy policy;
	struct stack stack;
	struct config_service service;
};

static struct world *
world_new(const struct subject *s, uint16_t line)
{
	struct world *w = calloc(1, sizeof(*w));
	struct policy *p;

	CHECK(w != NULL);
	p = &w->policy;
	*p = *s->rules->policy;
	w->rules = *s->rules;
	w->rules.policy = p;
	w->service = (struct config_service){.name = "check", .doors = DOOR_UNIX};
	w->stack.lines_n = w->stack.count[s->op] = 1;
	w->stack.lines[0] = s->stack->lines[line];
	w->stack.lines[0].level = 0;
	for (int r = 0; r < RESULT__COUNT; r++)
		w->stack.lines[0].actions[r] = r == RESULT_SUCCESS ? ACTION_OK : ACTION_DIE;
	p->services_n = 1;
	p->services[0] = (struct policy_service){.tag = name_tag(view_str(w->service.name)), .rights = UINT32_MAX,
	    .doors = DOOR_UNIX, .stack = &w->stack};
	/* What the broker cannot verify itself countersigns small amounts, where it does at all. */
	p->limits_n = 1;
	p->limits[0] = (struct policy_limit){p->trusted_n > 0 ? p->trusted[0].currency : currency_find(VIEW("CNY")), -1, -1,
	    -1, -1, -1};
	return w;
}

/* One of each kind, and then again: a line may ask for several that differ in nothing but their secrets. */
static void
take_kinds(struct suppose *to, uint8_t kinds)
{
	/* Of recovery codes an owner has one list. */
	if (to->op == OP_RECOVER)
		to->kinds[to->kinds_n++] = FACTOR_RECOVERY;
	while (to->op != OP_RECOVER && kinds != 0 && to->kinds_n < FACTOR__COUNT)
		for (uint8_t k = 0; k < FACTOR__COUNT && to->kinds_n < FACTOR__COUNT; k++)
			if ((kinds & 1 << k) != 0)
				to->kinds[to->kinds_n++] = k;
}

static bool
satisfiable(struct world *w, enum op op, uint16_t provider, uint8_t kinds)
{
	static struct suppose supposed;
	static struct decision d;

	w->policy.providers[provider].limits_n = 0;
	supposed = (struct suppose){.rules = &w->rules, .now_ms = SUPPOSED_NOW_MS, .service = &w->service,
	    .provider = &w->policy.providers[provider], .op = op, .countersigned = true,
	    .currency = w->policy.limits[0].currency, .amount_minor = 1, .per_payment_minor = 1, .per_day_minor = 1,
	    .total_minor = 1, .bound = true};
	take_kinds(&supposed, kinds);
	suppose_account(&supposed);
	suppose_decide(&supposed, true, NULL, &d);
	return d.outcome != OUTCOME_DENY;
}

/* Through this provider the line is asked at all. */
static bool
reached(const struct subject *s, uint16_t line, uint64_t provider)
{
	static struct walk w;
	struct subject through = *s;
	bool asked = false;

	memset(&w, 0, sizeof(w));
	through.provider = provider;
	subject_program(&through, CURRENCY_NONE, &w);
	if (walk_run(&w))
		for (uint16_t i = 0; i < w.lines_n; i++)
			asked = asked || (w.lines[i].line == line && w.asked[i]);
	walk_clear(&w);
	return asked;
}

static void
list_add(char to[NAMES_MAX], const char *name)
{
	size_t len = strlen(to);

	(void)snprintf(to + len, NAMES_MAX - len, "%s%s", len == 0 ? "" : ", ", name);
}

/* A recovery is asked of the account, not of a provider: what holds for one holds for all. */
static void
check_recovery(const struct subject *s, uint16_t line)
{
	struct world *w = world_new(s, line);
	char rule[RULE_MAX];
	struct finding *f;
	bool satisfied = w->policy.providers_n == 0 || satisfiable(w, s->op, 0, 0);

	free(w);
	if (satisfied)
		return;
	f = finding_add(s->to, subject_line(s, line), "no recovery code could ever satisfy this line");
	finding_why(f, "it asks for `%s`, and a recovery is countersigned by one recovery code and nothing else",
	    finding_rule(subject_line(s, line), rule, sizeof(rule)));
	finding_mend(f, "write: recover required stepup");
}

static void
check_stepup(const struct subject *s, uint16_t line)
{
	const struct policy *p = s->rules->policy;
	char names[NAMES_MAX] = "", kinds_text[NAMES_MAX] = "", rule[RULE_MAX];
	struct world *w = world_new(s, line);
	uint8_t all_kinds = 0;
	struct finding *f;

	for (uint16_t i = 0; i < p->providers_n; i++) {
		/* Where nothing countersigns at all, that is said of the provider. */
		if (s->kinds[i] == 0 || satisfiable(w, s->op, i, s->kinds[i]) || !reached(s, line, p->providers[i].tag))
			continue;
		list_add(names, s->rules->config->providers[i].name);
		all_kinds |= s->kinds[i];
	}
	free(w);
	if (names[0] == '\0')
		return;
	for (int k = 0; k < FACTOR__COUNT; k++)
		if ((all_kinds & 1 << k) != 0)
			list_add(kinds_text, factor_kind_name((enum factor_kind)k));
	f = finding_add(s->to, subject_line(s, line), "no configured factor could ever satisfy this line for provider %s", names);
	finding_why(f, "it asks for `%s`, and what is independent of the provider is: %s",
	    finding_rule(subject_line(s, line), rule, sizeof(rule)), kinds_text);
	finding_mend(f, "configure a factor that it asks for, or ask for less");
}

void
check_stepups(const struct subject *s)
{
	for (uint16_t i = 0; s->rules != NULL && i < s->stack->count[s->op]; i++) {
		uint16_t line = (uint16_t)(s->stack->first[s->op] + i);

		if (s->stack->lines[line].rule != RULE_STEPUP)
			continue;
		if (s->op != OP_RECOVER)
			check_stepup(s, line);
		else if (s->rules->policy->factors[FACTOR_RECOVERY].enabled)
			check_recovery(s, line);
	}
}
