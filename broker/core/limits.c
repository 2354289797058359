/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule 8: with this payment added, no limit is passed. Limits stand at four levels: the policy and the account bind what
 * the whole account spends; the provider and the link bind what is spent through one subject. All apply; the smallest
 * room wins. Holds count as spent, since they are in the counters from the permit on.
 */
#include "broker/core/counters.h"
#include "broker/core/inquiry.h"
#include "broker/core/money.h"

/* Days since 1970-01-01 to civil year and month, in eras of 400 years that begin on 1 March. */
static int32_t
month_of_day(int64_t day)
{
	int64_t z = day + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t day_of_era = z - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t shifted = (5 * day_of_year + 2) / 153; /* 0 is March */
	int64_t month = shifted < 10 ? shifted + 2 : shifted - 10; /* 0 is January */
	int64_t year = year_of_era + era * 400 + (month <= 1);

	return (int32_t)((year - 1970) * 12 + month);
}

int32_t
window_day(const struct policy *p, int64_t ms)
{
	int64_t local_ms = ms + (int64_t)p->utc_offset_s * 1000;
	int64_t day = local_ms / DAY_MS;

	return (int32_t)(local_ms < 0 && local_ms % DAY_MS != 0 ? day - 1 : day);
}

int32_t
window_month(const struct policy *p, int64_t ms)
{
	return month_of_day(window_day(p, ms));
}

struct used {
	int64_t day_minor, month_minor;
	int64_t day_count, month_count;
};

static struct used
used_by(const struct inquiry *q, const struct id *subject, uint16_t currency)
{
	const struct counter *money = account_counter(q->account, subject, currency);
	const struct counter *count = account_counter(q->account, subject, CURRENCY_NONE);
	struct used u = {0};

	/* A window ahead of ours is ours, too: the zone was changed, and that must not empty the counters. */
	if (money != NULL && money->day >= q->day)
		u.day_minor = money->day_minor;
	if (money != NULL && money->month >= q->month)
		u.month_minor = money->month_minor;
	if (count != NULL && count->day >= q->day)
		u.day_count = count->day_count;
	if (count != NULL && count->month >= q->month)
		u.month_count = count->month_count;
	return u;
}

static enum reason
passed(struct inquiry *q, enum reason reason, int64_t limit, int64_t used, uint16_t currency, uint32_t link_no)
{
	q->detail = (struct detail){.limit = limit, .used = used, .currency = currency, .link_no = link_no, .set = true};
	return reason;
}

/* A capture asks whether what stands in the counters, itself included, is still within: then nothing is added to them. */
static enum reason
check_one(struct inquiry *q, const struct policy_limit *l, const struct used *u, int64_t amount, uint32_t link_no)
{
	int64_t one = q->counted ? 0 : 1;

	if (l->per_payment_minor >= 0 && amount > l->per_payment_minor)
		return passed(q, REASON_LIMIT_PAYMENT, l->per_payment_minor, 0, l->currency, link_no);
	if (q->counted)
		amount = 0;
	if (l->per_day_minor >= 0 && money_add(u->day_minor, amount) > l->per_day_minor)
		return passed(q, REASON_LIMIT_DAY, l->per_day_minor, u->day_minor, l->currency, link_no);
	if (l->per_month_minor >= 0 && money_add(u->month_minor, amount) > l->per_month_minor)
		return passed(q, REASON_LIMIT_MONTH, l->per_month_minor, u->month_minor, l->currency, link_no);
	if (l->count_day >= 0 && u->day_count + one > l->count_day)
		return passed(q, REASON_LIMIT_COUNT, l->count_day, u->day_count, CURRENCY_NONE, link_no);
	if (l->count_month >= 0 && u->month_count + one > l->count_month)
		return passed(q, REASON_LIMIT_COUNT, l->count_month, u->month_count, CURRENCY_NONE, link_no);
	return REASON_NONE;
}

static enum reason
check_level(struct inquiry *q, const struct policy_limit *limits, size_t n, uint16_t currency, const struct used *u,
    int64_t amount, uint32_t link_no)
{
	const struct policy_limit *l = policy_limit(limits, n, currency);
	const struct policy_limit *any = policy_limit(limits, n, CURRENCY_NONE);
	enum reason reason = l == NULL ? REASON_NONE : check_one(q, l, u, amount, link_no);

	return reason != REASON_NONE || any == NULL ? reason : check_one(q, any, u, amount, link_no);
}

/* Limits that the user or an admin wrote for this account or this link. */
static enum reason
check_own(struct inquiry *q, uint16_t currency, const struct used *u, int64_t amount, uint32_t link_no)
{
	const struct account *a = q->account;

	for (size_t i = 0; i < a->limits_n; i++) {
		const struct limit *own = &a->limits[i];
		struct policy_limit l = {own->currency, own->per_payment_minor, own->per_day_minor, own->per_month_minor,
		    own->count_day, own->count_month};
		enum reason reason;

		/* One without a currency counts payments of all. */
		if (own->link_no != link_no || (own->currency != currency && own->currency != CURRENCY_NONE) ||
		    !account_limit_binds(a, own, q->now_ms))
			continue;
		reason = check_one(q, &l, u, amount, link_no);
		if (reason != REASON_NONE)
			return reason;
	}
	return REASON_NONE;
}

enum reason
limits_check(struct inquiry *q, uint16_t currency, int64_t amount_minor)
{
	static const struct id whole;
	const struct policy *p = q->asked->policy;
	struct used account = used_by(q, &whole, currency);
	enum reason reason;

	if (policy_limit(p->limits, p->limits_n, currency) == NULL)
		return REASON_LIMIT_UNDEFINED;
	if ((reason = check_level(q, p->limits, p->limits_n, currency, &account, amount_minor, 0)) != REASON_NONE ||
	    (reason = check_own(q, currency, &account, amount_minor, 0)) != REASON_NONE)
		return reason;
	if (q->link == NULL)
		return REASON_NONE;

	struct used subject = used_by(q, &q->link->subject, currency);
	uint32_t no = q->link->no;

	if (q->provider != NULL && (reason = check_level(q, q->provider->limits, q->provider->limits_n, currency, &subject,
	    amount_minor, no)) != REASON_NONE)
		return reason;
	if (q->provider_state != NULL && (reason = check_level(q, q->provider_state->limits,
	    q->provider_state->limits_n, currency, &subject, amount_minor, no)) != REASON_NONE)
		return reason;
	return check_own(q, currency, &subject, amount_minor, no);
}

enum reason
limit_line_check(struct inquiry *q, const struct stack_line *line)
{
	static const struct id whole;
	struct policy_limit l = {line->currency, line->per_payment_minor, line->per_day_minor, line->per_month_minor,
	    line->count_day, line->count_month};
	struct used account = used_by(q, &whole, q->request->currency);

	return check_one(q, &l, &account, q->request->amount_minor, 0);
}

bool
counters_fit(const struct inquiry *q, uint16_t currency)
{
	const struct counting k = {.subject = &q->link->subject, .payee = &q->request->payee,
	    .needs = q->asked->policy->needs, .currency = currency, .day = q->day, .month = q->month, .ms = q->now_ms,
	    .amount_minor = q->request->amount_minor};

	return counters_room(q->account, &k);
}

void
counters_note(const struct inquiry *q, uint16_t currency, struct event *e)
{
	static const struct id whole;
	struct used u = used_by(q, &whole, currency);

	e->day = q->day;
	e->month = q->month;
	e->seen_day_minor = u.day_minor;
	e->seen_month_minor = u.month_minor;
	e->seen_count = u.day_count;
}
