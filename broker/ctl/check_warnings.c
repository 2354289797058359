/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration can say without being wrong, and hardly means: it denies more than its author thinks. */
#include <stdarg.h>
#include <stdio.h>

#include "broker/core/money.h"
#include "broker/ctl/check.h"
#include "broker/ctl/suppose.h"

enum { LIST_MAX = 128 };

struct warnings {
	struct check_warning *to;
	size_t n;
	const struct ruleset *rules;
};

static void __attribute__((format(printf, 2, 3)))
warn(struct warnings *w, const char *format, ...)
{
	va_list ap;

	if (w->n == CHECK_WARNINGS_MAX)
		return;
	va_start(ap, format);
	(void)vsnprintf(w->to[w->n].text, sizeof(w->to[w->n].text), format, ap);
	va_end(ap);
	w->to[w->n++].mend[0] = '\0';
}

/* Of the warning before. */
static void __attribute__((format(printf, 2, 3)))
mend(struct warnings *w, const char *format, ...)
{
	va_list ap;

	if (w->n == 0 || w->to[w->n - 1].mend[0] != '\0')
		return;
	va_start(ap, format);
	(void)vsnprintf(w->to[w->n - 1].mend, sizeof(w->to[w->n - 1].mend), format, ap);
	va_end(ap);
}

static void
list_add(char list[LIST_MAX], const char *word)
{
	size_t len = strlen(list);

	(void)snprintf(list + len, LIST_MAX - len, "%s%s", len == 0 ? "" : ", ", word);
}

/* --- stacks --- */

static const struct {
	enum op op;
	uint32_t right;
} needs[] = {
	{OP_SPEND, RIGHT_SPEND}, {OP_GRANT, RIGHT_SPEND}, {OP_LIMIT, RIGHT_SPEND}, {OP_LINK, RIGHT_LINK},
	{OP_THAW, RIGHT_LINK}, {OP_FACTOR, RIGHT_ENROL}, {OP_RECOVER, RIGHT_ENROL},
};

static bool
has_line(const struct stack *s, enum op op)
{
	for (uint16_t i = 0; i < s->lines_n; i++)
		if (s->lines[i].op == op)
			return true;
	return false;
}

static void
warn_stack(struct warnings *w, const struct config_service *service)
{
	const struct stack *stack = &w->rules->stacks[service->stack_index];
	char missing[LIST_MAX] = "";
	const char *first = NULL;

	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		if ((service->rights & needs[i].right) == 0 || has_line(stack, needs[i].op))
			continue;
		list_add(missing, op_name(needs[i].op));
		first = first == NULL ? op_name(needs[i].op) : first;
	}
	if (first == NULL)
		return;
	warn(w, "service \"%s\" has the right, but its stack \"%s\" has no line, for: %s; so these are always denied",
	    service->name, service->stack, missing);
	mend(w, "write what they need, such as: %s required stepup", first);
}

/* --- currencies --- */

/* Nothing is permitted in a currency without a policy limit, so whatever else is written of it has no effect. */
static void
warn_currency(struct warnings *w, uint16_t currency, const char *where, const char *name)
{
	const struct policy *p = w->rules->policy;
	const struct currency *c = currency_get(currency);

	if (c == NULL || policy_limit(p->limits, p->limits_n, currency) != NULL)
		return;
	warn(w, "%s%s speaks of %s, which has no policy limit: every payment in it is denied", where, name, c->code);
	mend(w, "write: policy-limits %s { per-payment ... per-day ... per-month ... }", c->code);
}

static void
warn_currencies(struct warnings *w)
{
	const struct config *c = w->rules->config;
	const struct policy *p = w->rules->policy;
	char name[LIST_MAX];

	if (p->limits_n == 0) {
		warn(w, "there are no policy limits: every payment in every currency is denied");
		mend(w, "write: policy-limits CNY { per-payment ... per-day ... per-month ... }");
	}
	for (uint8_t i = 0; i < p->trusted_n; i++)
		warn_currency(w, p->trusted[i].currency, "trusted-factor-limit", "");
	for (uint16_t i = 0; i < p->providers_n; i++) {
		(void)snprintf(name, sizeof(name), "\"%s\"", c->providers[i].name);
		for (uint8_t k = 0; k < p->providers[i].limits_n; k++)
			warn_currency(w, p->providers[i].limits[k].currency, "provider ", name);
	}
	for (uint16_t i = 0; i < c->stack_count; i++) {
		for (uint16_t k = 0; k < w->rules->stacks[i].lines_n; k++) {
			const struct stack_line *line = &w->rules->stacks[i].lines[k];

			(void)snprintf(name, sizeof(name), "\"%s\", line %u,", c->stacks[i].name, line->number);
			warn_currency(w, line->rule == RULE_LIMIT ? line->currency : CURRENCY_NONE, "stack ", name);
		}
	}
}

/* --- factors --- */

/* Rule 11 itself is asked, of an account with this factor alone. */
static bool
could_countersign(const struct ruleset *rules, const struct policy_provider *p, enum factor_kind kind)
{
	static const struct config_service nobody = {.name = ""};
	static struct suppose s;
	bool assumed = false;
	struct asked asked;

	if (!rules->policy->factors[kind].enabled || kind == FACTOR_RECOVERY)
		return false;
	if (!rules->policy->factors[kind].reverified && rules->policy->trusted_n == 0)
		return false;
	s = (struct suppose){.rules = rules, .now_ms = 2 * DAY_MS, .service = &nobody, .provider = p, .kinds = {kind},
	    .kinds_n = 1, .op = OP_LINK};
	suppose_account(&s);
	asked = suppose_asked(&s);
	return factor_independent(&asked, &s.account, &s.account.factors[0], p->tag, &assumed);
}

static void
warn_provider(struct warnings *w, const struct policy_provider *p, const char *name)
{
	char synced[LIST_MAX] = "";

	for (int k = 0; k < FACTOR__COUNT; k++) {
		if (could_countersign(w->rules, p, (enum factor_kind)k))
			return;
		if (w->rules->policy->factors[k].enabled && k != FACTOR_RECOVERY)
			list_add(synced, factor_kind_name((enum factor_kind)k));
	}
	warn(w, "no configured factor could ever countersign for provider \"%s\": nothing that needs a countersignature is "
	        "ever permitted through it (factors: %s)", name, synced[0] == '\0' ? "none" : synced);
	if (p->syncs_secrets && synced[0] != '\0')
		mend(w, "if its users' secrets are not copied to it, write in its block: assume-independent with the factor's "
		        "name; or configure an independent factor");
	else
		mend(w, "configure a factor with a plugin of its own; one that the broker cannot verify itself needs "
		        "trusted-factor-limit too");
}

size_t
check_warnings(const struct ruleset *rules, struct check_warning *to)
{
	struct warnings w = {.to = to, .rules = rules};

	for (uint16_t i = 0; i < rules->config->service_count; i++)
		warn_stack(&w, &rules->config->services[i]);
	warn_currencies(&w);
	for (uint16_t i = 0; i < rules->policy->providers_n; i++)
		warn_provider(&w, &rules->policy->providers[i], rules->config->providers[i].name);
	return w.n;
}
