/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What would make a request pass, in sentences. Where it can, this asks decide() again with something changed instead of
 * reasoning about the rules: what is offered here does pass. Nothing changes.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "broker/base/clock.h"
#include "broker/core/apply.h"
#include "broker/core/money.h"
#include "broker/engine/steps.h"

enum { SENTENCE_MAX = 256 };

#define MONTH_MS (INT64_C(32) * DAY_MS) /* longer than any */

static void __attribute__((format(printf, 2, 3)))
say(struct json_writer *w, const char *format, ...)
{
	char text[SENTENCE_MAX];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	json_put_str(w, view_str(text));
}

/* The kinds that may answer the prompt which this decision opened, or would open. */
static uint8_t
kinds_answering(const struct asked *asked, const struct account *now, const struct request *r, const struct decision *d,
    int *need)
{
	static struct account a;
	static struct decision again;
	struct asked quiet = *asked;
	struct request earnest = *r;
	const struct challenge *c = account_challenge(now, &d->id);
	struct apply_left left;
	uint8_t kinds = 0;

	a = *now;
	quiet.trace = NULL;
	earnest.dry = false;
	if (c == NULL) {
		decide(&quiet, &a, &earnest, &again);
		if (again.events_n > 0 && apply(&a, &again.events[0], &left) != CS_OK)
			return 0;
		c = account_challenge(&a, &again.id);
	}
	if (c == NULL)
		return 0;
	*need = c->need;
	for (size_t i = 0; i < a.factors_n; i++) {
		int64_t until_ms;

		if (decide_may_answer(&quiet, &a, c, &a.factors[i], &until_ms) == REASON_NONE)
			kinds |= (uint8_t)(1 << a.factors[i].kind);
	}
	return kinds;
}

/*
 * The outcome in a session that was countersigned; later, too, where later_ms is set: then in one that was opened then, since
 * who waits signs in again.
 */
static enum outcome
outcome_at(const struct asked *asked, const struct account *now, const struct request *r, int64_t later_ms)
{
	static struct account a;
	static struct decision d;
	struct asked quiet = *asked;
	struct request dry = *r;

	a = *now;
	quiet.trace = NULL;
	dry.dry = true;
	for (size_t i = 0; i < a.sessions_n; i++) {
		struct session *s = &a.sessions[i];

		if (!id_equal(&s->id, &r->session))
			continue;
		if (later_ms == 0)
			s->countersigned = true;
		else
			s->opened_ms = s->used_ms = s->auth_ms = later_ms;
	}
	if (later_ms != 0)
		quiet.now_ms = later_ms;
	decide(&quiet, &a, &dry, &d);
	return (enum outcome)d.outcome;
}

static const struct link *
link_asked(const struct account *a, const struct request *r)
{
	const struct session *s = account_session(a, &r->session);
	const struct allowance *w = account_allowance(a, &r->allowance);

	return account_link_by_no(a, r->link_no != 0 ? r->link_no : s != NULL ? s->link_no : w != NULL ? w->link_no : 0);
}

/* What a security event paused, and what lifts that. */
static void
mend_pause(struct json_writer *w, const struct account *a, const struct request *r)
{
	const struct link *l = link_asked(a, r);
	char text[CLOCK_TEXT_MAX];

	if (l == NULL || l->signalled_ms == 0)
		return;
	say(w, "the ID's provider told of %s, which paused its allowances: they go on once a payment is countersigned in a "
	    "session of this link that was opened after %.*s", signal_name((enum signal_kind)l->signal),
	    (int)clock_text(l->signalled_ms, text), text);
}

/* The same for what suspended the link. */
static void
mend_suspended(struct json_writer *w, const struct account *a, const struct request *r)
{
	const struct link *l = link_asked(a, r);
	char text[CLOCK_TEXT_MAX];

	if (l == NULL || l->signalled_ms == 0 || l->state != LINK_SUSPENDED)
		say(w, "%s", reason_text_en(REASON_LINK_SUSPENDED));
	else
		say(w, "the ID's provider told of %s at %.*s, which suspended the link: the owner resumes it with a factor of "
		    "their own, on the page of linked IDs or through a service (Links.Resume)",
		    signal_name((enum signal_kind)l->signal), (int)clock_text(l->signalled_ms, text), text);
}

static void
mend_step_up(struct json_writer *w, const struct asked *asked, const struct account *a, const struct request *r,
    const struct decision *d)
{
	char text[SENTENCE_MAX / 2] = "";
	size_t len = 0;
	int need = 1;
	uint8_t kinds = kinds_answering(asked, a, r, d, &need);

	for (int k = 0; k < FACTOR__COUNT; k++)
		if ((kinds & 1 << k) != 0 && len < sizeof(text))
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len == 0 ? "" : " or ",
			    factor_kind_name((enum factor_kind)k));
	if (len == 0)
		say(w, "the owner countersigns");
	else if (need > 1)
		say(w, "the owner countersigns with %d different factors: %s", need, text);
	else
		say(w, "the owner countersigns with %s", text);
	if (d->reason == REASON_ALLOWANCE_PAUSED)
		mend_pause(w, a, r);
	if (d->reason == REASON_NEW_SESSION && outcome_at(asked, a, r, 0) == OUTCOME_PERMIT)
		say(w, "once this session is countersigned, the allowance covers it");
}

/* The largest amount that is not denied; 0: none. Limits only bite from above, so halving finds it. */
static int64_t
room(const struct asked *asked, const struct account *a, const struct request *from)
{
	static struct decision d;
	struct asked quiet = *asked;
	struct request r = *from;
	int64_t low = 0, high = from->amount_minor;

	quiet.trace = NULL;
	r.dry = true;
	while (high - low > 1) {
		r.amount_minor = low + (high - low) / 2;
		decide(&quiet, a, &r, &d);
		if (d.outcome == OUTCOME_DENY)
			high = r.amount_minor;
		else
			low = r.amount_minor;
	}
	return low;
}

static bool
is_limit(enum reason reason)
{
	return strncmp(reason_name(reason), "limit_", 6) == 0 && reason != REASON_LIMIT_UNDEFINED;
}

static void
mend_limit(struct json_writer *w, const struct asked *asked, const struct account *a, const struct request *r)
{
	const struct currency *c = currency_get(r->currency);
	char text[MONEY_TEXT_MAX + 1];
	int64_t most = room(asked, a, r);

	if (most > 0) {
		text[money_format(most, r->currency, text)] = '\0';
		say(w, "ask for at most %s %s", text, c == NULL ? "" : c->code);
	} else if (outcome_at(asked, a, r, asked->now_ms + MONTH_MS) != OUTCOME_DENY) {
		say(w, "no amount passes now: wait until the limit's window is over");
	} else {
		say(w, "no amount passes now");
	}
}

void
steps_mend(struct json_writer *w, const struct asked *asked, const struct account *a, const struct request *r,
    const struct decision *d)
{
	char text[CLOCK_TEXT_MAX];

	if (d->outcome == OUTCOME_PERMIT)
		return;
	if (d->outcome == OUTCOME_STEP_UP)
		mend_step_up(w, asked, a, r, d);
	else if (d->detail.until_ms != 0)
		say(w, "wait until %.*s%s", (int)clock_text(d->detail.until_ms, text), text,
		    outcome_at(asked, a, r, d->detail.until_ms) == OUTCOME_DENY ? "; by itself that is not enough" : "");
	else if (r->op == OP_SPEND && r->amount_minor > 0 && is_limit((enum reason)d->reason))
		mend_limit(w, asked, a, r);
	else if (d->reason == REASON_LINK_SUSPENDED)
		mend_suspended(w, a, r);
	else if (d->reason == REASON_MANDATE_PAUSED)
		mend_pause(w, a, r);
	else
		say(w, "%s", reason_text_en((enum reason)d->reason));
}
