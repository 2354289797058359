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
zone_offset_s(const struct policy *p, int64_t ms)
{
	int32_t offset_s = p->utc_offset_s;

	for (uint16_t i = 0; i < p->transitions_n && p->transitions[i].at_ms <= ms; i++)
		offset_s = p->transitions[i].offset_s;
	return offset_s;
}

int32_t
window_day(const struct policy *p, int64_t ms)
{
	int64_t local_ms = ms + (int64_t)zone_offset_s(p, ms) * 1000;
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
	q->detail = (struct detail){.limit = limit, .used = used, .currency = currency, .bound = (uint16_t)reason,
	    .link_no = link_no, .set = true};
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

/* --- lines of a stack --- */

/* One bound of a line against what stands there. A trace keeps the bound with the least room, or the one that was passed. */
struct bound {
	struct inquiry *q;
	uint16_t currency;        /* 0: a count */
	uint32_t link_no;
	enum reason passed;       /* the first bound that was passed, or none */
};

static void
bound_check(struct bound *b, enum reason reason, int64_t limit, int64_t used, int64_t more)
{
	struct detail *seen = &b->q->seen;

	if (limit < 0 || b->passed != REASON_NONE)
		return;
	if (money_add(used, more) > limit) {
		b->passed = passed(b->q, reason, limit, used, b->currency, b->link_no);
		*seen = b->q->detail;
	} else if (!seen->set || (seen->currency == b->currency && limit - used < seen->limit - seen->used)) {
		/* Amounts come before counts, and the two do not compare. */
		*seen = (struct detail){.limit = limit, .used = used, .currency = b->currency, .bound = (uint16_t)reason,
		    .link_no = b->link_no, .set = true};
	}
}

struct line_used {
	struct standing day, month;
	const struct id *owner;
	enum counter_of of;
};

static struct line_used
line_used(const struct inquiry *q, const struct stack_line *line)
{
	static const struct id whole;
	uint16_t currency = q->request->currency;
	struct line_used u = {.owner = &whole};
	struct used days;

	if (line->scope == NEED_OF_PAYEE) {
		u.owner = &q->request->payee;
		u.of = COUNTER_OF_PAYEE;
		counters_payee_days(q->account, u.owner, currency, q->day, q->month, &u.day, &u.month);
		return u;
	}
	if (line->scope == NEED_OF_LINK)
		u.owner = &q->link->subject;
	days = used_by(q, u.owner, currency);
	u.day = (struct standing){days.day_minor, days.day_count};
	u.month = (struct standing){days.month_minor, days.month_count};
	return u;
}

static struct standing
line_standing(const struct inquiry *q, const struct line_used *u, enum counter_kind kind)
{
	return counters_standing(q->account, kind, u->of, u->owner, q->request->currency, q->month, q->now_ms);
}

static void
sums_check(struct bound *b, const struct stack_sums *sums, const struct line_used *u)
{
	static const struct {
		uint8_t sum, counter;
		uint16_t reason;
	} kept[] = {{SUM_YEAR, COUNTER_YEAR, REASON_LIMIT_YEAR}, {SUM_TOTAL, COUNTER_TOTAL, REASON_LIMIT_TOTAL},
	    {SUM_24H, COUNTER_HOURS, REASON_LIMIT_24H}, {SUM_STEPUP, COUNTER_STEPUP, REASON_LIMIT_STEPUP}};
	struct inquiry *q = b->q;
	int64_t amount = q->request->amount_minor;

	b->currency = sums->currency;
	bound_check(b, REASON_LIMIT_PAYMENT, sums->minor[SUM_PAYMENT], 0, amount);
	bound_check(b, REASON_LIMIT_DAY, sums->minor[SUM_DAY], u->day.minor, amount);
	bound_check(b, REASON_LIMIT_MONTH, sums->minor[SUM_MONTH], u->month.minor, amount);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (sums->minor[kept[i].sum] >= 0)
			bound_check(b, (enum reason)kept[i].reason, sums->minor[kept[i].sum],
			    line_standing(q, u, (enum counter_kind)kept[i].counter).minor, amount);
	}
	if (sums->minor[SUM_FIRST_USE] >= 0 && !counters_known(q->account, &q->request->payee))
		bound_check(b, REASON_LIMIT_FIRST_USE, sums->minor[SUM_FIRST_USE], 0, amount);
}

static void
counts_check(struct bound *b, const struct stack_line *line, const struct line_used *u)
{
	struct inquiry *q = b->q;

	b->currency = CURRENCY_NONE;
	bound_check(b, REASON_LIMIT_COUNT, line->count_day, u->day.count, 1);
	bound_check(b, REASON_LIMIT_COUNT, line->count_month, u->month.count, 1);
	if (line->count_24h >= 0)
		bound_check(b, REASON_LIMIT_24H, line->count_24h, line_standing(q, u, COUNTER_HOURS).count, 1);
	if (line->count_stepup >= 0)
		bound_check(b, REASON_LIMIT_STEPUP, line->count_stepup, line_standing(q, u, COUNTER_STEPUP).count, 1);
}

/*
 * The same answer whether this payment is countersigned or not: so a stack that asks for more beyond `per-stepup` asks for
 * it when the signature is redeemed, too. Such a line jumps to a `stepup`; as a requisite it would deny for ever.
 */
enum result
limit_line_ask(struct inquiry *q, const struct stack_line *line, enum reason *reason)
{
	const struct stack *s = q->service->stack;
	const struct stack_sums *sums = NULL;
	struct bound b = {.q = q, .link_no = line->scope == NEED_OF_LINK && q->link != NULL ? q->link->no : 0,
	    .passed = REASON_NONE};
	struct line_used u;

	if (q->request->op != OP_SPEND || (line->scope == NEED_OF_LINK && q->link == NULL))
		return RESULT_IGNORE;
	for (uint8_t i = 0; i < line->sums_n && sums == NULL; i++) {
		if (s->sums[line->sums_at + i].currency == q->request->currency)
			sums = &s->sums[line->sums_at + i];
	}
	if (sums == NULL && line->sums_n > 0) {
		*reason = REASON_LIMIT_UNDEFINED;
		return line->other_ignored ? RESULT_IGNORE : RESULT_DENIED;
	}
	u = line_used(q, line);
	if (sums != NULL)
		sums_check(&b, sums, &u);
	counts_check(&b, line, &u);
	*reason = b.passed;
	return b.passed == REASON_NONE ? RESULT_SUCCESS : RESULT_EXCEEDED;
}

/* Whether this payment stands in the time that a drain is looked for in. */
static bool
drain_counts(const struct inquiry *q, const struct stack_line *line, const struct payment *p)
{
	return q->now_ms - p->permitted_ms < line->within_ms;
}

/*
 * The ring holds every hold and, of the finished payments, those that were permitted last; beside them the one that was
 * finished last, of any age. Should all of those lie within the time, older ones that do may have left: then the whole
 * account's payments count, so that never too few do.
 */
static bool
drain_overflowed(const struct inquiry *q, const struct stack_line *line)
{
	const struct account *a = q->account;
	bool last = true;

	for (size_t i = a->payments_n; a->overflowed && i > 0; i--) {
		const struct payment *p = &a->payments[i - 1];

		if (p->state == PAYMENT_HELD)
			continue;
		if (!last && !drain_counts(q, line, p))
			return false;
		last = false;
	}
	return a->overflowed;
}

enum result
drain_line_ask(struct inquiry *q, const struct stack_line *line, enum reason *reason)
{
	const struct account *a = q->account;
	const struct stack *s = q->service->stack;
	struct bound b = {.q = q, .link_no = q->link == NULL ? 0 : q->link->no, .passed = REASON_NONE};
	struct standing found = {0};
	bool all;

	if (q->request->op != OP_SPEND || q->link == NULL)
		return RESULT_IGNORE;
	all = drain_overflowed(q, line);
	for (size_t i = 0; i < a->payments_n; i++) {
		const struct payment *p = &a->payments[i];

		if (!drain_counts(q, line, p) || (!all && !id_equal(&p->subject, &q->link->subject)))
			continue;
		found.count++;
		if (p->currency == q->request->currency)
			found.minor = money_add(found.minor, p->state == PAYMENT_HELD ? p->amount_minor :
			    p->captured_minor);
	}
	/* With this payment so many would be too many. */
	bound_check(&b, REASON_DRAIN_SUSPECTED, line->drain_count - 1, found.count, 1);
	for (uint8_t i = 0; i < line->sums_n; i++) {
		const struct stack_sums *sums = &s->sums[line->sums_at + i];

		b.currency = sums->currency;
		if (sums->currency == q->request->currency)
			bound_check(&b, REASON_DRAIN_SUSPECTED, sums->minor[SUM_PAYMENT], found.minor,
			    q->request->amount_minor);
	}
	*reason = b.passed;
	return b.passed == REASON_NONE ? RESULT_SUCCESS : RESULT_EXCEEDED;
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
