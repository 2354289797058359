/* SPDX-License-Identifier: Apache-2.0 */
/* What lets a payment past the limits: less of it, or limits that are raised. */
#include <stdio.h>

#include "broker/ctl/mend_internal.h"
#include "broker/engine/steps.h"

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
		mend_place(line, to);
	else if (detail->link_no != 0)
		(void)snprintf(to, PLACE_MAX, "limits of provider \"%s\"", mend_provider(m));
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
		    mend_amount(detail->limit, detail->currency, one));
	return (size_t)snprintf(to, size, "raise %s in %s (%s, of which %s are spent)", options[d->reason], place,
	    mend_amount(detail->limit, detail->currency, one), mend_amount(detail->used, detail->currency, two));
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

void
mend_known_payee(const struct mend *m)
{
	trial_begin(m->trial, m->s);
	m->trial->s.payee_known = true;
	if (!m->s->payee_known && trial_passes(m->trial))
		mend_say(m, "or to a payee that was paid before: see --payee-known");
}

void
mend_limit(const struct mend *m)
{
	int64_t most = room(m);
	char one[AMOUNT_MAX], raises[SENTENCE_MAX];

	if (most > 0) {
		mend_say(m, "ask for at most %s", mend_amount(most, m->s->currency, one));
	} else {
		trial_begin(m->trial, m->s);
		m->trial->s.spent_minor = 0;
		mend_say(m, "no amount passes%s", trial_passes(m->trial) ? ": wait until the limit's time is over" : "");
	}
	if (m->d->reason == REASON_LIMIT_FIRST_USE)
		mend_known_payee(m);
	if (raises_text(m, raises))
		mend_say_rest(m, "or ", raises);
}

void
mend_undefined(const struct mend *m)
{
	char raises[SENTENCE_MAX];

	if (raises_text(m, raises))
		mend_say_rest(m, "", raises);
	else
		mend_say(m, "%s", reason_text_en(REASON_LIMIT_UNDEFINED));
}
