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
#include "broker/ctl/trial.h"
#include "broker/engine/steps.h"

enum {
	SENTENCE_MAX = 1024,
	PLACE_MAX = 160,
	AMOUNT_MAX = MONEY_TEXT_MAX + 8,
	RAISES_MAX = 8, /* who must change more than that at once is not helped by a sentence */
};

struct mend {
	struct json_writer *w;
	const struct suppose *s;
	const struct decision *d;
	/* the line of the stack that said no, where one did */
	const struct config_line *line;
	const struct stack_line *compiled;
	uint16_t index;
	char place[PLACE_MAX]; /* "checkout:5" */
	struct trial *trial;   /* scratch */
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

/* A change that was tried. Where more is in the way, this says what. */
static void
say_with_rest(const struct mend *m, const char *or, const char *text)
{
	if (m->trial->d.outcome != OUTCOME_DENY)
		say(m, "%s%s", or, text);
	else
		say(m, "%s%s. By itself that is not enough: %s", or, text, reason_text_en((enum reason)m->trial->d.reason));
}

/* A sentence about one change, which was made in the trial. */
static void __attribute__((format(printf, 2, 3)))
say_tried(const struct mend *m, const char *format, ...)
{
	char text[SENTENCE_MAX / 2];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	(void)trial_ask(m->trial);
	say_with_rest(m, "", text);
}

/* A new trial of what is supposed, and in it the line that said no. */
static struct stack_line *
try_line(const struct mend *m)
{
	trial_begin(m->trial, m->s);
	return m->line == NULL ? NULL : trial_compiled(m->trial, m->index);
}

static void
place_text(const struct config_line *line, char to[PLACE_MAX])
{
	(void)steps_line_text(line, to, PLACE_MAX);
	to[strcspn(to, " ")] = '\0';
}

static void
find_line(struct mend *m, const struct decision_trace *t)
{
	const struct stack *stack = &m->s->rules->stacks[m->s->service->stack_index];

	m->line = trial_line(m->s, t, (enum reason)m->d->reason, &m->index);
	if (m->line == NULL)
		return;
	for (size_t i = 0; i < stack->lines_n; i++) {
		if (stack->lines[i].index == m->index)
			m->compiled = &stack->lines[i];
	}
	place_text(m->line, m->place);
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

/* Whether an allowance just wide enough permits it. */
static bool
allowance_permits(const struct mend *m, bool payee_known)
{
	struct suppose *s = &m->trial->s;
	int64_t sum = money_add(m->s->spent_minor, m->s->amount_minor);

	trial_begin(m->trial, m->s);
	s->payee_known = payee_known;
	s->allowance = true;
	s->per_payment_minor = s->amount_minor;
	s->per_day_minor = s->total_minor = sum;
	return trial_ask(m->trial) == OUTCOME_PERMIT;
}

static void
mend_allowance(const struct mend *m)
{
	char amount[AMOUNT_MAX];

	(void)amount_text(m->s->amount_minor, m->s->currency, amount);
	if (m->s->allowance && !m->s->countersigned) {
		trial_begin(m->trial, m->s);
		m->trial->s.countersigned = true;
		if (trial_ask(m->trial) == OUTCOME_PERMIT)
			say(m, "once this session is countersigned, the allowance covers it");
	} else if (allowance_permits(m, m->s->payee_known)) {
		say(m, "or %s allowance covers %s: see --allowance", m->s->allowance ? "a wider" : "an", amount);
	} else if (!m->s->payee_known && allowance_permits(m, true)) {
		say(m, "or an allowance covers %s to a payee that was paid before: see --payee-known and --allowance", amount);
	}
}

static void
mend_step_up(const struct mend *m)
{
	char kinds[PLACE_MAX];
	int64_t need;

	kinds_text(kinds_answering(m->s, &need), kinds, sizeof(kinds));
	if (need > 1)
		say(m, "the owner countersigns with %lld different factors: %s", (long long)need, kinds);
	else
		say(m, "the owner countersigns with %s", kinds);
	if (m->s->op == OP_SPEND)
		mend_allowance(m);
}

/* --- limits --- */

/* The largest amount that is not denied; 0: none. Limits only bite from above, so halving finds it. */
static int64_t
room(const struct mend *m)
{
	int64_t low = 0, high = m->s->amount_minor;

	trial_begin(m->trial, m->s);
	while (high - low > 1) {
		m->trial->s.amount_minor = low + (high - low) / 2;
		if (trial_passes(m->trial))
			low = m->trial->s.amount_minor;
		else
			high = m->trial->s.amount_minor;
	}
	return low;
}

static void
limit_place(const struct mend *m, const struct config_line *line, const struct detail *detail, char to[PLACE_MAX])
{
	if (line != NULL)
		place_text(line, to);
	else if (detail->link_no != 0)
		(void)snprintf(to, PLACE_MAX, "limits of provider \"%s\"", provider_name(m));
	else
		(void)snprintf(to, PLACE_MAX, "policy-limits");
}

/* "per-day in checkout:5 (800.00 CNY, of which 750.00 CNY are spent)": what a denial asks to raise. */
static size_t
raise_text(const struct mend *m, const struct decision *d, const struct config_line *line, char *to, size_t size)
{
	static const char *const options[REASON__COUNT] = {[REASON_LIMIT_PAYMENT] = "per-payment",
	    [REASON_LIMIT_DAY] = "per-day", [REASON_LIMIT_MONTH] = "per-month",
	    [REASON_LIMIT_COUNT] = "count-day or count-month", [REASON_LIMIT_YEAR] = "per-year",
	    [REASON_LIMIT_TOTAL] = "in-all", [REASON_LIMIT_24H] = "per-24h or count-24h",
	    [REASON_LIMIT_STEPUP] = "per-stepup or count-stepup", [REASON_LIMIT_FIRST_USE] = "first-use",
	    [REASON_DRAIN_SUSPECTED] = "count or sum"};
	const struct currency *c = currency_get(m->s->currency);
	const struct detail *detail = &d->detail;
	char place[PLACE_MAX], one[AMOUNT_MAX], two[AMOUNT_MAX];

	limit_place(m, line, detail, place);
	if (d->reason == REASON_LIMIT_UNDEFINED && line != NULL)
		return (size_t)snprintf(to, size, "name an amount of %s in %s", c->code, place);
	if (d->reason == REASON_LIMIT_UNDEFINED)
		return (size_t)snprintf(to, size, "write in the configuration: policy-limits %s { per-payment ... per-day ... "
		    "per-month ... count-day ... count-month ... }", c->code);
	if (!detail->set || currency_get(detail->currency) == NULL)
		return (size_t)snprintf(to, size, "raise %s in %s", options[d->reason], place);
	if (d->reason == REASON_LIMIT_PAYMENT || d->reason == REASON_LIMIT_FIRST_USE)
		return (size_t)snprintf(to, size, "raise %s in %s (%s)", options[d->reason], place,
		    amount_text(detail->limit, detail->currency, one));
	return (size_t)snprintf(to, size, "raise %s in %s (%s, of which %s are spent)", options[d->reason], place,
	    amount_text(detail->limit, detail->currency, one), amount_text(detail->used, detail->currency, two));
}

/*
 * One limit after the other is lifted until none is in the way: all of them must be raised. The trial's decision says
 * whether something else is. False where there is nothing to raise.
 */
static bool
raises_text(const struct mend *m, char text[SENTENCE_MAX])
{
	struct trial *t = m->trial;
	size_t len = 0;

	trial_begin(t, m->s);
	for (int i = 0; i < RAISES_MAX; i++) {
		const struct config_line *line;
		uint16_t index = 0;

		if (trial_passes(t))
			return i > 0;
		line = trial_line(m->s, &t->trace, (enum reason)t->d.reason, &index);
		if (!trial_lift(t, &t->d, line == NULL ? NULL : trial_compiled(t, index)))
			return i > 0;
		if (i > 0)
			len += (size_t)snprintf(text + len, SENTENCE_MAX - len, " and ");
		if (len < SENTENCE_MAX)
			len += raise_text(m, &t->d, line, text + len, SENTENCE_MAX - len);
		if (len >= SENTENCE_MAX)
			return false;
	}
	(void)trial_ask(t);
	return true;
}

static void
mend_known_payee(const struct mend *m)
{
	trial_begin(m->trial, m->s);
	m->trial->s.payee_known = true;
	if (!m->s->payee_known && trial_passes(m->trial))
		say(m, "or to a payee that was paid before: see --payee-known");
}

static void
mend_limit(const struct mend *m)
{
	int64_t most = room(m);
	char one[AMOUNT_MAX], raises[SENTENCE_MAX];

	if (most > 0) {
		say(m, "ask for at most %s", amount_text(most, m->s->currency, one));
	} else {
		trial_begin(m->trial, m->s);
		m->trial->s.spent_minor = 0;
		say(m, "no amount passes%s", trial_passes(m->trial) ? ": wait until the limit's time is over" : "");
	}
	if (m->d->reason == REASON_LIMIT_FIRST_USE)
		mend_known_payee(m);
	if (raises_text(m, raises))
		say_with_rest(m, "or ", raises);
}

static void
mend_undefined(const struct mend *m)
{
	char raises[SENTENCE_MAX];

	if (raises_text(m, raises))
		say_with_rest(m, "", raises);
	else
		say(m, "%s", reason_text_en(REASON_LIMIT_UNDEFINED));
}

/* --- factors --- */

/* "; and " between the parts of one mend. */
static void __attribute__((format(printf, 2, 3)))
add(char text[SENTENCE_MAX], const char *format, ...)
{
	size_t len = strlen(text);
	va_list ap;

	if (len > 0)
		len += (size_t)snprintf(text + len, SENTENCE_MAX - len, "; and ");
	va_start(ap, format);
	if (len < SENTENCE_MAX)
		(void)vsnprintf(text + len, SENTENCE_MAX - len, format, ap);
	va_end(ap);
}

/* The factor is enrolled before the others, so that it rests on none. */
static void
enrol_first(struct suppose *s, uint8_t kind)
{
	size_t at = 0;

	while (at < s->kinds_n && s->kinds[at] != kind)
		at++;
	memmove(s->kinds + 1, s->kinds, at);
	s->kinds[0] = kind;
}

/* What would make this factor of the account count against the provider; changed in the trial, too. */
static void
try_independent(const struct mend *m, const struct factor *f, char text[SENTENCE_MAX])
{
	struct trial *t = m->trial;
	const char *kind = factor_kind_name((enum factor_kind)f->kind), *provider = provider_name(m);
	const struct factor *support = account_factor_by_no(&m->s->account, f->rests_on[0]);
	struct asked asked;
	bool assumed = false;

	if (t->policy.factors[f->kind].plugin == t->provider->plugin) {
		t->policy.factors[f->kind].plugin = ~t->provider->plugin;
		add(text, "%s and provider \"%s\" use the same plugin: give one of them another", kind, provider);
	}
	if (t->provider->syncs_secrets && (t->provider->assume_kinds & 1 << f->kind) == 0) {
		t->provider->assume_kinds |= (uint8_t)(1 << f->kind);
		add(text, "provider \"%s\" may hold copies of a user's %s; if you know better, write in its block: "
		    "assume-independent %s", provider, kind, kind);
	}
	suppose_account(&t->s);
	asked = suppose_asked(&t->s);
	f = account_factor_by_no(&t->s.account, f->no);
	if (support != NULL && f != NULL && !factor_independent(&asked, &t->s.account, f, t->provider->tag, &assumed)) {
		enrol_first(&t->s, f->kind);
		add(text, "%s was enrolled with %s and rests on it: enrol %s first", kind,
		    factor_kind_name((enum factor_kind)support->kind), kind);
	}
}

static void
try_trusted(const struct mend *m, const struct factor *f, char text[SENTENCE_MAX])
{
	const char *kind = factor_kind_name((enum factor_kind)f->kind);
	struct policy *p = &m->trial->policy;
	const struct policy_limit *trusted = policy_limit(p->trusted, p->trusted_n, m->s->currency);
	char amount[AMOUNT_MAX];

	if (m->s->op != OP_SPEND || p->factors[f->kind].reverified || f->kind == FACTOR_RECOVERY ||
	    (trusted != NULL && m->s->amount_minor <= trusted->per_payment_minor))
		return;
	p->trusted_n = 1;
	p->trusted[0] = (struct policy_limit){.currency = m->s->currency, .per_payment_minor = m->s->amount_minor};
	add(text, "the broker cannot verify %s by itself: raise trusted-factor-limit to %s", kind,
	    amount_text(m->s->amount_minor, m->s->currency, amount));
}

/* A factor of the account that does not count as it is, and would do with this changed. */
static bool
mend_held(const struct mend *m, const struct factor *f)
{
	const struct asked asked = suppose_asked(m->s);
	char text[SENTENCE_MAX] = "";
	bool assumed = false;

	trial_begin(m->trial, m->s);
	if (!factor_independent(&asked, &m->s->account, f, m->s->provider->tag, &assumed))
		try_independent(m, f, text);
	try_trusted(m, f, text);
	if (text[0] == '\0' || !trial_passes(m->trial))
		return false;
	say(m, "%s", text);
	return true;
}

/* Each configured kind that the account lacks, and that would do alone. */
static bool
mend_other_factor(const struct mend *m)
{
	bool any = false;

	trial_begin(m->trial, m->s);
	for (uint8_t k = 0; k < FACTOR__COUNT; k++) {
		if (!m->s->rules->policy->factors[k].enabled || (kinds_held(m->s) & 1 << k) != 0)
			continue;
		m->trial->s.kinds[0] = k;
		m->trial->s.kinds_n = 1;
		if (!trial_passes(m->trial))
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
	uint8_t wanted = m->compiled == NULL || m->compiled->rule != RULE_STEPUP || m->compiled->kinds == 0 ?
	    FACTOR_KINDS_ALL : m->compiled->kinds;
	char kinds[PLACE_MAX];
	bool any = false;

	for (size_t i = 0; m->s->provider != NULL && i < m->s->account.factors_n; i++)
		if ((wanted & 1 << m->s->account.factors[i].kind) != 0)
			any |= mend_held(m, &m->s->account.factors[i]);
	kinds_text(wanted, kinds, sizeof(kinds));
	if (mend_other_factor(m))
		return;
	if (m->line != NULL && (wanted & kinds_configured(m->s)) == 0)
		say(m, "%s asks for %s, and no such factor is configured: add a `factor` block", m->place, kinds);
	else if (m->compiled != NULL && m->compiled->rule == RULE_STEPUP && m->compiled->need > 1)
		say(m, "%s asks for %d different factors", m->place, m->compiled->need);
	else if (m->line != NULL && (wanted & kinds_held(m->s)) == 0)
		say(m, "%s asks for %s", m->place, kinds);
	else if (!any)
		say(m, "%s", reason_text_en((enum reason)m->d->reason));
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
	struct stack_line *line = try_line(m);

	if (m->s->provider != NULL)
		(names_provider(m) ? trial_line_away : trial_line_yes)(line);
	if (m->s->provider == NULL)
		say(m, "%s asks for a provider, and none is configured: write a `provider` block", m->place);
	else if (names_provider(m))
		say_tried(m, "%s asks for a link, and %s goes through none: take the line away", m->place, op_name(m->s->op));
	else
		say_tried(m, "name %s in %s", provider_name(m), m->place);
}

/* Where the operation has no line, the one that asks for a countersignature. */
static void
mend_no_line(const struct mend *m)
{
	const char *op = op_name(m->s->op);
	const struct stack_text text = {.operation = view_str(op), .control = VIEW("required"), .rule = VIEW("stepup")};
	struct stack_error error;

	trial_begin(m->trial, m->s);
	memset(&m->trial->stack, 0, sizeof(m->trial->stack));
	CHECK(stack_add(&m->trial->stack, &text, &error) == CS_OK);
	say_tried(m, "the stack \"%s\" needs a line for %s, such as: %s required stepup", m->s->service->stack, op, op);
}

static void
mend_stack(const struct mend *m)
{
	const char *op = op_name(m->s->op);
	bool any = false;

	for (int rule = 0; rule < RULE__COUNT; rule++)
		any = any || stack_asks(m->s, (enum rule)rule);
	if (!any) {
		mend_no_line(m);
	} else if (m->compiled == NULL && m->s->op == OP_SPEND && allowance_permits(m, m->s->payee_known)) {
		say(m, "the stack \"%s\" permits what an allowance covers and nothing else: see --allowance",
		    m->s->service->stack);
	} else if (m->compiled == NULL) {
		say(m, "none of the lines for %s in the stack \"%s\" says yes", op, m->s->service->stack);
	} else if (m->compiled->rule == RULE_PROVIDER) {
		mend_provider_line(m);
	} else if (m->compiled->rule == RULE_DENY) {
		trial_line_away(try_line(m));
		say_tried(m, "%s denies whatever comes: take it away", m->place);
	} else {
		say(m, "%s says no", m->place);
	}
}

static void
mend_right(const struct mend *m)
{
	static const char *const rights[OP__COUNT] = {[OP_SPEND] = "spend", [OP_LINK] = "link", [OP_FACTOR] = "enrol",
	    [OP_GRANT] = "spend", [OP_LIMIT] = "spend", [OP_THAW] = "link", [OP_RECOVER] = "enrol"};

	trial_begin(m->trial, m->s);
	m->trial->service->rights = UINT32_MAX;
	m->trial->service->doors = UINT32_MAX;
	say_tried(m, "write `%s` into the rights of service \"%s\"", rights[m->s->op], m->s->service->name);
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

	if (text == NULL || m->line == NULL) {
		say(m, "%s", reason_text_en((enum reason)m->d->reason));
		return;
	}
	trial_line_yes(try_line(m));
	say_tried(m, "%s%s", m->place, text);
	if (m->d->reason == REASON_PAYEE_NOT_LISTED)
		mend_known_payee(m);
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
	static struct trial trial;
	struct mend m = {.w = w, .s = s, .d = d, .trial = &trial};

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
