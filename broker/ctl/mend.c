/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What would make it pass. Where it can, this asks decide() again with something changed instead of reasoning about the
 * rules: what is offered here does pass.
 */
#include "broker/ctl/mend_internal.h"

#include <stdarg.h>
#include <stdio.h>

#include "broker/base/check.h"
#include "broker/core/apply.h"
#include "broker/engine/steps.h"

void
mend_say(const struct mend *m, const char *format, ...)
{
	char text[SENTENCE_MAX];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	json_put_str(m->w, view_str(text));
}

const char *
mend_amount(int64_t minor, uint16_t currency, char to[AMOUNT_MAX])
{
	const struct currency *c = currency_get(currency);
	size_t len = money_format(minor, currency, to);

	(void)snprintf(to + len, AMOUNT_MAX - len, " %s", c == NULL ? "" : c->code);
	return to;
}

const char *
mend_provider(const struct mend *m)
{
	return ruleset_provider_name(m->s->rules, m->s->provider->tag);
}

void
mend_say_rest(const struct mend *m, const char *or, const char *text)
{
	if (m->trial->d.outcome != OUTCOME_DENY)
		mend_say(m, "%s%s", or, text);
	else
		mend_say(m, "%s%s. By itself that is not enough: %s", or, text, reason_text_en((enum reason)m->trial->d.reason));
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
	mend_say_rest(m, "", text);
}

/* A new trial of what is supposed, and in it the line that said no. */
static struct stack_line *
try_line(const struct mend *m)
{
	trial_begin(m->trial, m->s);
	return m->line == NULL ? NULL : trial_compiled(m->trial, m->index);
}

void
mend_place(const struct config_line *line, char to[PLACE_MAX])
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
	mend_place(m->line, m->place);
}

/* --- step_up --- */

void
mend_kinds(uint8_t kinds, char *to, size_t size)
{
	size_t len = 0;

	to[0] = '\0';
	for (int k = 0; k < FACTOR__COUNT; k++)
		if ((kinds & 1 << k) != 0 && len < size)
			len += (size_t)snprintf(to + len, size - len, "%s%s", len == 0 ? "" : " or ",
			    factor_kind_name((enum factor_kind)k));
}

uint8_t
mend_kinds_held(const struct suppose *s)
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

	(void)mend_amount(m->s->amount_minor, m->s->currency, amount);
	if (m->s->allowance && !m->s->countersigned) {
		trial_begin(m->trial, m->s);
		m->trial->s.countersigned = true;
		if (trial_ask(m->trial) == OUTCOME_PERMIT)
			mend_say(m, "once this session is countersigned, the allowance covers it");
	} else if (allowance_permits(m, m->s->payee_known)) {
		mend_say(m, "or %s allowance covers %s: see --allowance", m->s->allowance ? "a wider" : "an", amount);
	} else if (!m->s->payee_known && allowance_permits(m, true)) {
		mend_say(m, "or an allowance covers %s to a payee that was paid before: see --payee-known and --allowance", amount);
	}
}

static void
mend_step_up(const struct mend *m)
{
	char kinds[PLACE_MAX];
	int64_t need;

	mend_kinds(kinds_answering(m->s, &need), kinds, sizeof(kinds));
	if (need > 1)
		mend_say(m, "the owner countersigns with %lld different factors: %s", (long long)need, kinds);
	else
		mend_say(m, "the owner countersigns with %s", kinds);
	if (m->s->op == OP_SPEND)
		mend_allowance(m);
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
		mend_say(m, "%s asks for a provider, and none is configured: write a `provider` block", m->place);
	else if (names_provider(m))
		say_tried(m, "%s asks for a link, and %s goes through none: take the line away", m->place, op_name(m->s->op));
	else
		say_tried(m, "name %s in %s", mend_provider(m), m->place);
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
		mend_say(m, "the stack \"%s\" permits what an allowance covers and nothing else: see --allowance",
		    m->s->service->stack);
	} else if (m->compiled == NULL) {
		mend_say(m, "none of the lines for %s in the stack \"%s\" says yes", op, m->s->service->stack);
	} else if (m->compiled->rule == RULE_PROVIDER) {
		mend_provider_line(m);
	} else if (m->compiled->rule == RULE_DENY) {
		trial_line_away(try_line(m));
		say_tried(m, "%s denies whatever comes: take it away", m->place);
	} else {
		mend_say(m, "%s says no", m->place);
	}
}

static void
mend_right(const struct mend *m)
{
	static const char *const rights[OP__COUNT] = {[OP_SPEND] = "spend", [OP_LINK] = "link", [OP_FACTOR] = "enrol",
	    [OP_GRANT] = "spend", [OP_LIMIT] = "spend", [OP_THAW] = "link", [OP_RECOVER] = "enrol",
	    [OP_VIEW] = "link"};

	trial_begin(m->trial, m->s);
	m->trial->service->rights = UINT32_MAX;
	m->trial->service->doors = UINT32_MAX;
	say_tried(m, "write `%s` into the rights of service \"%s\"", rights[m->s->op], m->s->service->name);
	if (m->s->service->doors == 0)
		mend_say(m, "open a door for it: door unix");
}

static void
mend_unknown(const struct mend *m)
{
	mend_say(m, "no factor is configured, and without one no account can be opened: write a `factor` block");
}

static void
mend_no_link(const struct mend *m)
{
	mend_say(m, "no provider is configured, and so nothing can be linked: write a `provider` block");
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
	    [REASON_ASSURANCE_MISSING] = " asks for evidence that nobody has given of this link: let a service attest it "
		"(Links.Attest), or ask for less",
	    [REASON_ASSURANCE_LOWERED] = " asks for evidence that has changed or is too old: verify it again and attest it, or "
		"allow more age",
	    [REASON_RISK_UNAVAILABLE] = " asks a risk plugin, and here nobody supposes its answer: ask the daemon",
	};
	const char *text = texts[m->d->reason];

	if (text == NULL || m->line == NULL) {
		mend_say(m, "%s", reason_text_en((enum reason)m->d->reason));
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
	mend_say(m, "%s", reason_text_en((enum reason)m->d->reason));
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
	{REASON_ASSURANCE_MISSING, mend_line}, {REASON_ASSURANCE_LOWERED, mend_line},
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
