/* SPDX-License-Identifier: Apache-2.0 */
/* explain --config: the files' rules on an account that is supposed, by the very function that the daemon decides with. */
#include <stdio.h>

#include "broker/base/clock.h"
#include "broker/core/money.h"
#include "broker/ctl/check.h"
#include "broker/ctl/explain.h"
#include "broker/ctl/mend.h"
#include "broker/engine/steps.h"

enum {
	AMOUNT_WORD_MAX = 64,
	SUPPOSED_MAX = 160,
};

static int
read_amount(struct ctl *ctl, const char *what, const char *text, size_t len, uint16_t currency, int64_t *to)
{
	if (money_parse(view_of(text, len), currency, to) == CS_OK)
		return CTL_OK;
	return ctl_fail(ctl, CTL_USAGE, "%s %.*s: write a decimal amount with at most the currency's digits, such as 20",
	    what, (int)len, text);
}

static int
read_payment(struct ctl *ctl, struct suppose *s, char **args, int count)
{
	int rc;

	if (count < 4 && (s->op == OP_SPEND || s->op == OP_GRANT))
		return ctl_fail(ctl, CTL_USAGE, "usage: countersignctl explain --config FILE SERVICE AMOUNT CURRENCY PAYEE");
	if (count < 3)
		return CTL_OK;
	s->currency = currency_find(view_str(args[2]));
	if (s->currency == CURRENCY_NONE)
		return ctl_fail(ctl, CTL_USAGE, "%s: write an ISO 4217 code, such as CNY", args[2]);
	rc = read_amount(ctl, "the amount", args[1], strlen(args[1]), s->currency, &s->amount_minor);
	if (rc == CTL_OK && s->amount_minor == 0)
		return ctl_fail(ctl, CTL_USAGE, "the amount: nothing is not a payment");
	/* What a grant would be asked for, where it is not said. */
	s->per_payment_minor = s->per_day_minor = s->total_minor = s->amount_minor;
	return rc;
}

/* EACH,DAY,TOTAL */
static int
read_allowance(struct ctl *ctl, struct suppose *s)
{
	int64_t *to[] = {&s->per_payment_minor, &s->per_day_minor, &s->total_minor};
	const char *at = ctl->allowance;
	int rc = CTL_OK;

	if (at == NULL)
		return CTL_OK;
	if (s->currency == CURRENCY_NONE)
		return ctl_fail(ctl, CTL_USAGE, "--allowance needs an amount and its currency to go by");
	for (int i = 0; i < 3 && rc == CTL_OK; i++) {
		size_t len = strcspn(at, ",");

		if ((at[len] == ',') != (i < 2))
			return ctl_fail(ctl, CTL_USAGE, "--allowance %s: write EACH,DAY,TOTAL, as in 50,200,1000",
			    ctl->allowance);
		rc = read_amount(ctl, "--allowance", at, len, s->currency, to[i]);
		at += len + (i < 2);
	}
	if (rc == CTL_OK && (s->per_payment_minor == 0 || s->per_day_minor < s->per_payment_minor ||
	    s->total_minor < s->per_payment_minor))
		return ctl_fail(ctl, CTL_USAGE, "--allowance %s: a day and the total hold at least one payment", ctl->allowance);
	s->allowance = s->op == OP_SPEND;
	return rc;
}

static int
read_spent(struct ctl *ctl, struct suppose *s)
{
	if (ctl->spent == NULL)
		return CTL_OK;
	if (s->currency == CURRENCY_NONE)
		return ctl_fail(ctl, CTL_USAGE, "--spent-today needs an amount and its currency to go by");
	return read_amount(ctl, "--spent-today", ctl->spent, strlen(ctl->spent), s->currency, &s->spent_minor);
}

static int
read_names(struct ctl *ctl, struct suppose *s, const char *service)
{
	const struct config *c = s->rules->config;
	int at = config_find_service(c, view_str(service));

	if (at < 0)
		return ctl_fail(ctl, CTL_NOT_FOUND, "%s has no service \"%s\"", ctl->config, service);
	s->service = &c->services[at];
	s->op = ctl->operation == NULL ? OP_SPEND : op_find(view_str(ctl->operation));
	if (s->op == OP_NONE)
		return ctl_fail(ctl, CTL_USAGE, "--operation %s: one of spend, link, factor, grant, limit, thaw, recover",
		    ctl->operation);
	at = ctl->provider == NULL ? c->provider_count - 1 : config_find_provider(c, view_str(ctl->provider));
	if (ctl->provider == NULL && at >= 0)
		at = 0;
	if (at < 0 && ctl->provider != NULL)
		return ctl_fail(ctl, CTL_NOT_FOUND, "%s has no provider \"%s\"", ctl->config, ctl->provider);
	s->provider = at < 0 ? NULL : &s->rules->policy->providers[at];
	return CTL_OK;
}

/* Whether a factor of this kind, alone, would be independent of the provider. */
static bool
stands_apart(const struct suppose *from, uint8_t kind)
{
	static struct suppose s;
	struct asked asked;
	bool assumed = false;

	s = *from;
	s.kinds[0] = kind;
	s.kinds_n = 1;
	suppose_account(&s);
	asked = suppose_asked(&s);
	return s.provider == NULL ||
	    factor_independent(&asked, &s.account, &s.account.factors[0], s.provider->tag, &assumed);
}

/* All that are configured; an independent one first, since the others' enrolment rests on it. */
static void
take_all_factors(struct suppose *s)
{
	static struct suppose bare;

	bare = *s;
	bare.op = OP_LINK; /* the least that makes an account */
	for (int apart = 1; apart >= 0; apart--)
		for (uint8_t k = 0; k < FACTOR__COUNT; k++)
			if (s->rules->policy->factors[k].enabled && stands_apart(&bare, k) == (apart != 0))
				s->kinds[s->kinds_n++] = k;
}

static int
read_factors(struct ctl *ctl, struct suppose *s)
{
	for (size_t i = 0; i < ctl->factors_n; i++) {
		enum factor_kind kind = factor_kind_find(view_str(ctl->factors[i]));

		if (kind == FACTOR__COUNT || !s->rules->policy->factors[kind].enabled)
			return ctl_fail(ctl, CTL_NOT_FOUND, "%s has no factor \"%s\"", ctl->config, ctl->factors[i]);
		if (memchr(s->kinds, (int)kind, s->kinds_n) != NULL)
			return ctl_fail(ctl, CTL_USAGE, "--factor %s: say it once; one of each kind is supposed", ctl->factors[i]);
		s->kinds[s->kinds_n++] = (uint8_t)kind;
	}
	if (ctl->factors_n == 0)
		take_all_factors(s);
	return CTL_OK;
}

/*
 * There is no key to make digests of payees with. Those that the stack names are told apart by where they stand there;
 * whoever is paid and is not named is none of them.
 */
static void
read_payee(struct suppose *s, const char *payee)
{
	struct stack *stack = &s->rules->stacks[s->service->stack_index];

	for (uint16_t i = 0; i < stack->ids_n; i++) {
		uint16_t first = 0;

		while (!view_equal(stack->id_texts[first], stack->id_texts[i]))
			first++;
		first++;
		stack->ids[i] = (struct id){{SUPPOSE_PAYEE_MARK, (uint8_t)first, (uint8_t)(first >> 8)}};
		if (payee != NULL && view_equal(stack->id_texts[i], view_str(payee)))
			s->payee = stack->ids[i];
	}
}

static int
read_supposition(struct ctl *ctl, struct suppose *s, char **args, int count)
{
	int rc = read_names(ctl, s, args[0]);

	if (rc == CTL_OK)
		rc = read_payment(ctl, s, args, count);
	if (rc == CTL_OK)
		rc = read_allowance(ctl, s);
	if (rc == CTL_OK)
		rc = read_spent(ctl, s);
	if (rc == CTL_OK)
		rc = read_factors(ctl, s);
	if (rc == CTL_OK)
		read_payee(s, count < 4 ? NULL : args[3]);
	s->countersigned = !ctl->not_countersigned;
	s->payee_known = ctl->payee_known;
	return rc;
}

/* What the answer rests on, before the rules: nobody shall take it for an account that exists. */
static void
put_supposed(struct json_writer *w, const struct suppose *s)
{
	char text[SUPPOSED_MAX];
	struct buf b = buf_over(text, sizeof(text) - 1);

	for (size_t i = 0; i < s->kinds_n; i++) {
		buf_put_view(&b, i == 0 ? VIEW("with ") : VIEW(", "));
		buf_put_view(&b, view_str(factor_kind_name((enum factor_kind)s->kinds[i])));
	}
	text[b.len] = '\0';
	step_write(w, VIEW("account"), "supposed", s->kinds_n == 0 ? "without any factor: there can be none" : text);
	if (s->provider == NULL || s->kinds_n == 0)
		return;
	(void)snprintf(text, sizeof(text), "at %s%s", ruleset_provider_name(s->rules, s->provider->tag),
	    s->op == OP_LINK ? ", proposed" : "");
	step_write(w, VIEW("link"), "supposed", text);
	if (s->op == OP_SPEND || s->op == OP_GRANT)
		step_write(w, VIEW("session"), "supposed", s->countersigned ? "countersigned once" : "not countersigned yet");
	if (s->op == OP_SPEND && s->payee_known)
		step_write(w, VIEW("payee"), "supposed", "paid before");
}

static void
put_answer(struct json_writer *w, const struct suppose *s)
{
	const struct config *c = s->rules->config;
	struct steps_stack stack = {c, &c->stacks[s->service->stack_index], s->op, false};
	struct asked asked = suppose_asked(s);
	static struct decision_trace trace;
	static struct decision d;

	suppose_decide(s, true, &trace, &d);
	json_object_begin(w);
	json_member_str(w, "outcome", view_str(outcome_name((enum outcome)d.outcome)));
	json_member_str(w, "reason", view_str(reason_name((enum reason)d.reason)));
	json_key(w, VIEW("steps"));
	json_array_begin(w);
	put_supposed(w, s);
	steps_write(w, &trace, &stack);
	steps_factors(w, s->rules, &asked, &s->account, s->provider == NULL ? 0 : s->provider->tag);
	json_array_end(w);
	json_key(w, VIEW("mend"));
	json_array_begin(w);
	mend_write(w, s, &d, &trace);
	json_array_end(w);
	json_object_end(w);
}

/* The answer as the daemon would have sent it, so that one printer prints both. */
static int
answer(struct ctl *ctl, const struct suppose *s)
{
	static struct json_token tokens[JSON_TOKENS_MAX];
	struct json_writer w;

	ctl->out = buf_over(ctl->message, sizeof(ctl->message));
	w = json_to(&ctl->out);
	put_answer(&w, s);
	if (ctl->out.full || json_read(ctl->message, ctl->out.len, tokens, JSON_TOKENS_MAX, &ctl->doc, NULL) != CS_OK)
		return ctl_fail(ctl, CTL_FAILED, "the answer is longer than a message: ask with a shorter stack");
	ctl->reply = 0;
	return explain_print(ctl);
}

int
explain_files(struct ctl *ctl, char **args, int count)
{
	static struct suppose s;
	struct ruleset *rules = NULL;
	struct clock_now now;
	int rc = check_rules(ctl, &rules);

	if (rc != CTL_OK)
		return rc;
	clock_read(&now);
	s = (struct suppose){.rules = rules, .now_ms = now.wall_ms};
	rc = read_supposition(ctl, &s, args, count);
	if (rc == CTL_OK) {
		suppose_account(&s);
		rc = answer(ctl, &s);
	}
	ruleset_free(rules);
	return rc;
}
