/* SPDX-License-Identifier: Apache-2.0 */
/* Rules 10 to 12 for what is there: which countersignature or allowance covers the request. */
#include "broker/core/inquiry.h"
#include "broker/core/money.h"

/* Rule 10, a countersignature: completed, not used, in time, for exactly this and in this session. */
static bool
signature_covers(const struct inquiry *q, const struct challenge *c)
{
	const struct request *r = q->request;

	return challenge_redeemable(q->asked->policy, c, q->now_ms) && c->op == r->op &&
	    c->service == q->asked->service && c->link_no == (q->link == NULL ? 0 : q->link->no) &&
	    c->target_no == r->target_no && id_equal(&c->payment, &r->payment) &&
	    id_equal(&c->session, &r->session) && hash_equal(&c->content, &r->content);
}

enum reason
signature_factors(struct inquiry *q, const struct challenge *c)
{
	size_t n = 0;

	for (size_t i = 0; i < CHALLENGE_FACTORS_MAX && c->factors[i] != 0; i++, n++) {
		const struct factor *f = account_factor_by_no(q->account, c->factors[i]);
		enum reason why = REASON_NO_INDEPENDENT_FACTOR;
		int64_t until_ms;

		if (f == NULL || !factor_usable(q, f, &why, &until_ms))
			return why;
		(void)factor_stands_apart(q, f, &q->assumed);
	}
	return n == 0 ? REASON_NO_INDEPENDENT_FACTOR : REASON_NONE;
}

/* Rule 10, an allowance: open, of this service, link, payee and currency, and wide enough. */
static bool
allowance_covers(const struct inquiry *q, const struct allowance *w)
{
	const struct request *r = q->request;
	bool mandate = w->kind == ALLOWANCE_MANDATE;
	int64_t today = w->day >= q->day ? w->day_spent_minor : 0;

	if (w->state != ALLOWANCE_OPEN || w->expires_ms <= q->now_ms || w->service != q->asked->service ||
	    w->link_no != q->link->no || w->currency != r->currency)
		return false;
	if (mandate ? q->allowance != w : q->session == NULL)
		return false;
	if (!id_zero(&w->payee) && !id_equal(&w->payee, &r->payee))
		return false;
	return r->amount_minor <= w->per_payment_minor &&
	    money_add(today, r->amount_minor) <= w->per_day_minor &&
	    money_add(w->spent_minor, r->amount_minor) <= w->total_minor;
}

/* Rule 11 for an allowance: who signed it must still count. A lock stops new countersignatures, not allowances. */
static bool
allowance_factors(struct inquiry *q, const struct allowance *w)
{
	bool any = false;

	for (size_t i = 0; i < CHALLENGE_FACTORS_MAX && w->factors[i] != 0; i++, any = true) {
		const struct factor *f = account_factor_by_no(q->account, w->factors[i]);

		if (f == NULL || factor_gone(q->account, f, q->now_ms) || !factor_independent(q->asked, q->account, f, q->link->provider,
		    &q->assumed))
			return false;
	}
	return any;
}

/*
 * Who may enrol a factor or look at the page has what was asked for in their own hands. So a request of that sort shares no
 * challenge with another one for the same (decide.c), and is covered by the one that it names alone: whoever asks at the
 * owner's time, by a stolen ID, gets nothing of what the owner countersigns.
 */
void
find_cover(struct inquiry *q)
{
	const struct account *a = q->account;
	const struct allowance *found = NULL;

	for (size_t i = 0; i < a->challenges_n; i++) {
		const struct challenge *c = &a->challenges[i];

		if ((q->request->own || !id_zero(&q->request->challenge)) && !id_equal(&q->request->challenge, &c->id))
			continue;
		if (signature_covers(q, c) && signature_factors(q, c) == REASON_NONE)
			q->signature = c;
	}
	for (size_t i = 0; q->request->op == OP_SPEND && i < a->allowances_n && found == NULL; i++) {
		const struct allowance *w = &a->allowances[i];

		if (!allowance_covers(q, w) || !allowance_factors(q, w))
			continue;
		/* Paused by a security event: what is countersigned in a session that began later opens it. */
		if (w->paused_ms != 0) {
			q->paused = true;
			q->new_session |= w->kind == ALLOWANCE_SESSION && q->session->opened_ms > w->paused_ms;
			continue;
		}
		/* A stolen ID in a session of its own finds the allowance shut. */
		if (w->kind == ALLOWANCE_SESSION && !q->session->countersigned)
			q->new_session = true;
		else
			found = w;
	}
	q->allowance = found;
}
