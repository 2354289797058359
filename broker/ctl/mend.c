/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What would make it pass. Where it can, this asks decide() again with something changed instead of reasoning about the
 * rules: what is offered here does pass.
 */
#include "broker/ctl/mend.h"

#include <stdarg.h>
#include <stdio.h>

#include "broker/base/check.h"
#include "broker/core/apply.h"
#include "broker/core/money.h"
#include "broker/engine/steps.h"

enum { SENTENCE_MAX = 512, PLACE_MAX = 160, AMOUNT_MAX = MONEY_TEXT_MAX + 8 };

struct mend {
	struct json_writer *w;
	const struct suppose *s;
	const struct decision *d;
	/* the line of the stack that said no, where one did */
	const struct config_line *line;
	const struct stack_line *compiled;
	char place[PLACE_MAX]; /* "checkout:5" */
};

static void __attribute__((format(printf, 2, 3)))
say(const struct mend *m, const char *format, ...)
{
	char text[SENTENCE_MAX];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	json_put_str(m->w, view_str(text));
}

/* "20.00 CNY" */
static const char *
amount_text(int64_t minor, uint16_t currency, char to[AMOUNT_MAX])
{
	const struct currency *c = currency_get(currency);
	size_t len = money_format(minor, currency, to);

	(void)snprintf(to + len, AMOUNT_MAX - len, " %s", c == NULL ? "" : c->code);
	return to;
}

static const char *
provider_name(const struct mend *m)
{
	return ruleset_provider_name(m->s->rules, m->s->provider->tag);
}

/* The outcome with something changed in the supposition. */
static enum outcome
outcome_of(struct suppose *s)
{
	static struct decision d;

	suppose_account(s);
	suppose_decide(s, true, NULL, &d);
	return (enum outcome)d.outcome;
}

static const struct stack_line *
compiled_line(const struct stack *stack, uint16_t index)
{
	for (size_t i = 0; i < stack->lines_n; i++)
		if (stack->lines[i].index == index)
			return &stack->lines[i];
	return NULL;
}

/* The last line that said no decided: a stack ends at its first requisite failure, and runs on past others. */
static void
find_line(struct mend *m, const struct decision_trace *t)
{
	const struct config *c = m->s->rules->config;
	const struct config_stack *from = &c->stacks[m->s->service->stack_index];
	const struct steps_stack stack = {c, from, m->s->op, false};
	const struct config_line *lines[TRACE_STEPS_MAX];

	steps_lines(t, &stack, lines);
	for (size_t i = 0; i < t->n; i++) {
		if (lines[i] == NULL || t->steps[i].reason != m->d->reason)
			continue;
		m->line = lines[i];
		m->compiled = compiled_line(&m->s->rules->stacks[m->s->service->stack_index], t->steps[i].index);
	}
	if (m->line == NULL)
		return;
	(void)steps_line_text(m->line, m->place, sizeof(m->place));
	m->place[strcspn(m->place, " ")] = '\0';
}

/* --- step_up --- */

static void
kinds_text(uint8_t kinds, char *to, size_t size)
{
	size_t len = 0;

	to[0] = '\0';
	for (int k = 0; k < FACTOR__COUNT; k++)
		if ((kinds & 1 << k) != 0 && len < size)
			len += (size_t)snprintf(to + len, size - len, "%s%s", len == 0 ? "" : " or ",
			    factor_kind_name((enum factor_kind)k));
}

static uint8_t
kinds_held(const struct suppose *s)
{
	uint8_t held = 0;

	for (size_t i = 0; i < s->kinds_n; i++)
		held |= (uint8_t)(1 << s->kinds[i]);
	return held;
}

static bool
stack_asks(const struct suppose *s, enum rule rule)
{
	const struct stack *stack = &s->rules->stacks[s->service->stack_index];

	for (uint16_t i = 0; i < stack->lines_n; i++)
		if (stack->lines[i].op == s->op && stack->lines[i].rule == rule)
			return true;
	return false;
}

/* Opens the prompt, and asks of each factor whether it may answer. *need: how many of them must. */
static uint8_t
kinds_answering(const struct suppose *s, int64_t *need)
{
	static struct account a;
	static struct decision d;
	const struct asked asked = suppose_asked(s);
	const struct challenge *c;
	struct apply_left left;
	uint8_t kinds = 0;

	suppose_decide(s, false, NULL, &d);
	CHECK(d.outcome == OUTCOME_STEP_UP && d.events_n == 1);
	a = s->account;
	CHECK(apply(&a, &d.events[0], &left) == CS_OK);
	c = account_challenge(&a, &d.id);
	CHECK(c != NULL);
	*need = c->need;
	for (size_t i = 0; i < a.factors_n; i++) {
		int64_t until_ms;

		if (decide_may_answer(&asked, &a, c, &a.factors[i], &until_ms) == REASON_NONE)
			kinds |= (uint8_t)(1 << a.factors[i].kind);
	}
	return kinds;
}

static void
mend_step_up(const struct mend *m)
{
	char kinds[PLACE_MAX], amount[AMOUNT_MAX];
	int64_t need;

	kinds_text(kinds_answering(m->s, &need), kinds, sizeof(kinds));
	if (need > 1)
		say(m, "the owner countersigns with %lld different factors: %s", (long long)need, kinds);
	else
		say(m, "the owner countersigns with %s", kinds);
	if (m->d->reason == REASON_NEW_SESSION)
		say(m, "once this session is countersigned, the allowance covers it");
	else if (m->s->op == OP_SPEND && stack_asks(m->s, RULE_ALLOWANCE))
		say(m, "or %s allowance covers %s: see --allowance", m->s->allowance ? "a wider" : "an",
		    amount_text(m->s->amount_minor, m->s->currency, amount));
}

/* --- limits --- */

/* The largest amount that is not denied; 0: none. Limits only bite from above, so halving finds it. */
static int64_t
room(const struct suppose *from)
{
	static struct suppose s;
	int64_t low = 0, high = from->amount_minor;

	s = *from;
	while (high - low > 1) {
		s.amount_minor = low + (high - low) / 2;
		if (outcome_of(&s) == OUTCOME_DENY)
			high = s.amount_minor;
		else
			low = s.amount_minor;
	}
	return low;
}

static void
limit_place(const struct mend *m, char *to, size_t size)
{
	if (m->line != NULL)
		(void)snprintf(to, size, "%s", m->place);
	else if (m->d->detail.link_no != 0)
		(void)snprintf(to, size, "limits of provider \"%s\"", provider_name(m));
	else
		(void)snprintf(to, size, "policy-limits");
}

static void
mend_limit(const struct mend *m)
{
	static const char *const options[REASON__COUNT] = {[REASON_LIMIT_PAYMENT] = "per-payment",
	    [REASON_LIMIT_DAY] = "per-day", [REASON_LIMIT_MONTH] = "per-month",
	    [REASON_LIMIT_COUNT] = "count-day or count-month", [REASON_LIMIT_YEAR] = "per-year",
	    [REASON_LIMIT_TOTAL] = "in-all", [REASON_LIMIT_24H] = "per-24h or count-24h",
	    [REASON_LIMIT_STEPUP] = "per-stepup or count-stepup", [REASON_LIMIT_FIRST_USE] = "first-use",
	    [REASON_DRAIN_SUSPECTED] = "count or sum"};
	const struct detail *detail = &m->d->detail;
	int64_t most = room(m->s);
	char place[PLACE_MAX], one[AMOUNT_MAX], two[AMOUNT_MAX];

	limit_place(m, place, sizeof(place));
	if (most > 0)
		say(m, "ask for at most %s", amount_text(most, m->s->currency, one));
	else
		say(m, "no amount passes: wait until the limit's time is over");
	if (!detail->set || currency_get(detail->currency) == NULL)
		say(m, "or raise %s in %s", options[m->d->reason], place);
	else if (m->d->reason == REASON_LIMIT_PAYMENT || m->d->reason == REASON_LIMIT_FIRST_USE)
		say(m, "or raise %s in %s (%s)", options[m->d->reason], place, amount_text(detail->limit, detail->currency, one));
	else
		say(m, "or raise %s in %s (%s, of which %s are spent)", options[m->d->reason], place,
		    amount_text(detail->limit, detail->currency, one), amount_text(detail->used, detail->currency, two));
}

static void
mend_undefined(const struct mend *m)
{
	const struct currency *c = currency_get(m->s->currency);

	say(m, "write in the configuration: policy-limits %s { per-payment ... per-day ... per-month ... count-day ... "
	    "count-month ... }", c == NULL ? "" : c->code);
}

/* --- factors --- */

/* Why this factor of the account does not count against the provider. */
static void
mend_dependent(const struct mend *m, const struct factor *f)
{
	const struct policy *p = m->s->rules->policy;
	const char *kind = factor_kind_name((enum factor_kind)f->kind), *provider = provider_name(m);
	const struct factor *support = account_factor_by_no(&m->s->account, f->rests_on[0]);

	if (p->factors[f->kind].plugin == m->s->provider->plugin)
		say(m, "%s and provider \"%s\" use the same plugin: give one of them another", kind, provider);
	else if (m->s->provider->syncs_secrets && (m->s->provider->assume_kinds & 1 << f->kind) == 0)
		say(m, "provider \"%s\" may hold copies of a user's %s; if you know better, write in its block: "
		    "assume-independent %s", provider, kind, kind);
	else if (support != NULL)
		say(m, "%s was enrolled with %s and rests on it: enrol %s first", kind,
		    factor_kind_name((enum factor_kind)support->kind), kind);
	else
		say(m, "%s is not known to be independent of provider \"%s\"", kind, provider);
}

static void
mend_untrusted(const struct mend *m, const struct factor *f)
{
	const char *kind = factor_kind_name((enum factor_kind)f->kind);
	const struct policy *p = m->s->rules->policy;
	const struct policy_limit *trusted = policy_limit(p->trusted, p->trusted_n, m->s->currency);
	char amount[AMOUNT_MAX];

	if (m->s->op == OP_SPEND && !p->factors[f->kind].reverified && f->kind != FACTOR_RECOVERY &&
	    (trusted == NULL || m->s->amount_minor > trusted->per_payment_minor))
		say(m, "the broker cannot verify %s by itself: raise trusted-factor-limit to %s", kind,
		    amount_text(m->s->amount_minor, m->s->currency, amount));
}

/* Each configured kind that the account lacks, and that would do alone. */
static bool
mend_other_factor(const struct mend *m)
{
	static struct suppose s;
	bool any = false;

	for (uint8_t k = 0; k < FACTOR__COUNT; k++) {
		if (!m->s->rules->policy->factors[k].enabled || (kinds_held(m->s) & 1 << k) != 0)
			continue;
		s = *m->s;
		s.kinds[0] = k;
		s.kinds_n = 1;
		if (outcome_of(&s) == OUTCOME_DENY)
			continue;
		say(m, "an account with the factor %s passes: --factor %s", factor_kind_name((enum factor_kind)k),
		    factor_kind_name((enum factor_kind)k));
		any = true;
	}
	return any;
}

static uint8_t
kinds_configured(const struct suppose *s)
{
	uint8_t kinds = 0;

	for (int k = 0; k < FACTOR__COUNT; k++)
		if (s->rules->policy->factors[k].enabled)
			kinds |= (uint8_t)(1 << k);
	return kinds;
}

static void
mend_factor(const struct mend *m)
{
	const struct asked asked = suppose_asked(m->s);
	uint8_t wanted = m->compiled == NULL || m->compiled->rule != RULE_STEPUP || m->compiled->kinds == 0 ?
	    FACTOR_KINDS_ALL : m->compiled->kinds;
	char kinds[PLACE_MAX];

	for (size_t i = 0; m->s->provider != NULL && i < m->s->account.factors_n; i++) {
		const struct factor *f = &m->s->account.factors[i];
		bool assumed = false;

		if ((wanted & 1 << f->kind) == 0)
			continue;
		if (!factor_independent(&asked, &m->s->account, f, m->s->provider->tag, &assumed))
			mend_dependent(m, f);
		else
			mend_untrusted(m, f);
	}
	kinds_text(wanted, kinds, sizeof(kinds));
	if (mend_other_factor(m))
		return;
	if ((wanted & kinds_configured(m->s)) == 0)
		say(m, "%s asks for %s, and no such factor is configured: add a `factor` block", m->place, kinds);
	else if (m->compiled != NULL && m->compiled->need > 1)
		say(m, "%s asks for %d different factors", m->place, m->compiled->need);
	else if ((wanted & kinds_held(m->s)) == 0)
		say(m, "%s asks for %s", m->place, kinds);
}

/* --- the rest --- */

static bool
names_provider(const struct mend *m)
{
	for (uint8_t i = 0; m->s->provider != NULL && i < m->compiled->providers_n; i++)
		if (m->compiled->providers[i] == m->s->provider->tag)
			return true;
	return false;
}

static void
mend_provider_line(const struct mend *m)
{
	if (m->s->provider == NULL)
		say(m, "%s asks for a provider, and none is configured: write a `provider` block", m->place);
	else if (names_provider(m))
		say(m, "%s asks for a link, and %s goes through none: take the line away", m->place, op_name(m->s->op));
	else
		say(m, "name %s in %s", provider_name(m), m->place);
}

static void
mend_stack(const struct mend *m)
{
	const char *op = op_name(m->s->op);
	bool any = false;

	for (int rule = 0; rule < RULE__COUNT; rule++)
		any = any || stack_asks(m->s, (enum rule)rule);
	if (!any)
		say(m, "the stack \"%s\" needs a line for %s, such as: %s required stepup", m->s->service->stack, op, op);
	else if (m->compiled == NULL && stack_asks(m->s, RULE_ALLOWANCE))
		say(m, "the stack \"%s\" permits what an allowance covers and nothing else: see --allowance",
		    m->s->service->stack);
	else if (m->compiled == NULL)
		say(m, "none of the lines for %s in the stack \"%s\" says yes", op, m->s->service->stack);
	else if (m->compiled->rule == RULE_PROVIDER)
		mend_provider_line(m);
	else if (m->compiled->rule == RULE_DENY)
		say(m, "%s denies whatever comes: take it away", m->place);
	else
		say(m, "%s says no", m->place);
}

static void
mend_right(const struct mend *m)
{
	static const char *const rights[OP__COUNT] = {[OP_SPEND] = "spend", [OP_LINK] = "link", [OP_FACTOR] = "enrol",
	    [OP_GRANT] = "spend", [OP_LIMIT] = "spend", [OP_THAW] = "link", [OP_RECOVER] = "enrol"};

	say(m, "write `%s` into the rights of service \"%s\"", rights[m->s->op], m->s->service->name);
	if (m->s->service->doors == 0)
		say(m, "open a door for it: door unix");
}

static void
mend_unknown(const struct mend *m)
{
	say(m, "no factor is configured, and without one no account can be opened: write a `factor` block");
}

static void
mend_no_link(const struct mend *m)
{
	say(m, "no provider is configured, and so nothing can be linked: write a `provider` block");
}

/* What the admin wrote is not met: after the place of the line. */
static void
mend_line(const struct mend *m)
{
	static const char *const texts[REASON__COUNT] = {
	    [REASON_PAYEE_NOT_LISTED] = " names whom to pay: add this payee's id, or pay it once where the line is not asked",
	    [REASON_SERVICE_NOT_LISTED] = " names who may ask: add the service",
	    [REASON_OUTSIDE_HOURS] = " says when: ask then, or widen its hours and days",
	    [REASON_ACCOUNT_TOO_NEW] = " asks for an older account or link: wait, or ask for less age",
	    [REASON_ACCOUNT_FACTORS] = " asks for factors that the account lacks: enrol them, or ask for fewer",
	    [REASON_SESSION_EXPIRED] = " asks for a newer sign-in: sign in again, at a provider that says when",
	    [REASON_RISK_HIGH] = " lets pass a score up to its max: raise that, if the plugin is too strict",
	    [REASON_RISK_UNAVAILABLE] = " asks a risk plugin, and here nobody supposes its answer: ask the daemon",
	};
	const char *text = texts[m->d->reason];

	if (text == NULL || m->line == NULL)
		say(m, "%s", reason_text_en((enum reason)m->d->reason));
	else
		say(m, "%s%s", m->place, text);
}

static void
mend_text(const struct mend *m)
{
	say(m, "%s", reason_text_en((enum reason)m->d->reason));
}

static const struct {
	enum reason reason;
	void (*write)(const struct mend *m);
} mends[] = {
	{REASON_LIMIT_PAYMENT, mend_limit}, {REASON_LIMIT_DAY, mend_limit}, {REASON_LIMIT_MONTH, mend_limit},
	{REASON_LIMIT_COUNT, mend_limit}, {REASON_LIMIT_YEAR, mend_limit}, {REASON_LIMIT_TOTAL, mend_limit},
	{REASON_LIMIT_24H, mend_limit}, {REASON_LIMIT_STEPUP, mend_limit}, {REASON_LIMIT_FIRST_USE, mend_limit},
	{REASON_DRAIN_SUSPECTED, mend_limit}, {REASON_PAYEE_NOT_LISTED, mend_line}, {REASON_SERVICE_NOT_LISTED, mend_line},
	{REASON_OUTSIDE_HOURS, mend_line}, {REASON_ACCOUNT_TOO_NEW, mend_line}, {REASON_ACCOUNT_FACTORS, mend_line},
	{REASON_SESSION_EXPIRED, mend_line}, {REASON_RISK_HIGH, mend_line}, {REASON_RISK_UNAVAILABLE, mend_line},
	{REASON_LIMIT_UNDEFINED, mend_undefined},
	{REASON_NO_INDEPENDENT_FACTOR, mend_factor}, {REASON_STACK, mend_stack}, {REASON_SERVICE_RIGHT, mend_right},
	{REASON_ACCOUNT_UNKNOWN, mend_unknown}, {REASON_LINK_UNKNOWN, mend_no_link}, {REASON_SESSION_INVALID, mend_no_link},
};

void
mend_write(struct json_writer *w, const struct suppose *s, const struct decision *d, const struct decision_trace *t)
{
	struct mend m = {.w = w, .s = s, .d = d};

	if (d->outcome == OUTCOME_PERMIT)
		return;
	find_line(&m, t);
	if (d->outcome == OUTCOME_STEP_UP) {
		mend_step_up(&m);
		return;
	}
	for (size_t i = 0; i < sizeof(mends) / sizeof(mends[0]); i++) {
		if (mends[i].reason == d->reason) {
			mends[i].write(&m);
			return;
		}
	}
	mend_text(&m);
}
