/* SPDX-License-Identifier: Apache-2.0 */
/* apply() for payments: the allowance, and the ring of finished payments. */
#include "broker/core/apply_internal.h"
#include "broker/core/counters.h"
#include "broker/core/money.h"

static int64_t
less(int64_t from, int64_t amount)
{
	return from > amount ? from - amount : 0;
}

static void
give_back(struct account *a, const struct payment *p, const struct event *e, int64_t amount)
{
	struct allowance *w = account_allowance_by_no(a, p->allowance_no);

	counters_give_back(a, p, (int32_t)e->day, (int32_t)e->month, amount);
	if (w == NULL)
		return;
	w->spent_minor = less(w->spent_minor, amount);
	if (w->day == e->day)
		w->day_spent_minor = less(w->day_spent_minor, amount);
}

/*
 * Of more than `keep` finished payments the one that was permitted first leaves for the store's table; the one that was
 * finished last stays, for its answer is still to be written. So whatever has left was permitted before all that stay but
 * this one: the rule `drain` rests on it.
 */
static void
ring_trim(struct account *a, size_t keep, struct apply_left *left)
{
	size_t finished = 0, oldest = 0, last = a->payments_n;

	if (left->payments_n > 0)
		return;
	while (last > 0 && a->payments[last - 1].state == PAYMENT_HELD)
		last--;
	for (size_t i = 0; i < last; i++) {
		if (a->payments[i].state == PAYMENT_HELD)
			continue;
		if (finished++ == 0 || (i + 1 < last && a->payments[i].permitted_ms < a->payments[oldest].permitted_ms))
			oldest = i;
	}
	if (finished <= keep)
		return;
	left->payment = a->payments[oldest];
	left->payments_n = 1;
	a->overflowed = 1;
	memmove(&a->payments[oldest], &a->payments[oldest + 1],
	    (a->payments_n - oldest - 1) * sizeof(a->payments[0]));
	a->payments_n--;
}

static bool
debit(struct account *a, const struct event *e)
{
	struct allowance *w = account_allowance_by_no(a, (uint32_t)e->allowance_no);

	if (w == NULL || w->state != ALLOWANCE_OPEN)
		return false;
	if (w->day < e->day) {
		w->day = e->day;
		w->day_spent_minor = 0;
	}
	w->day_spent_minor = money_add(w->day_spent_minor, e->amount_minor);
	w->spent_minor = money_add(w->spent_minor, e->amount_minor);
	return w->spent_minor <= w->total_minor && w->day_spent_minor <= w->per_day_minor;
}

bool
apply_permitted(struct account *a, const struct event *e, struct apply_left *left)
{
	const struct counting k = {.subject = &e->subject, .payee = &e->payee, .needs = (uint32_t)e->needs,
	    .currency = (uint16_t)e->currency, .countersigned = e->basis == BASIS_COUNTERSIGNATURE,
	    .day = (int32_t)e->day, .month = (int32_t)e->month, .ms = e->time_ms, .amount_minor = e->amount_minor};
	bool capture = (e->flags & EVENT_FLAG_CAPTURE) != 0;
	struct session *s = account_session(a, &e->session);
	struct payment *p;

	/* After many holds were voided at once the ring is longer than its share, and may fill the array. */
	if (a->payments_n == ACCOUNT_PAYMENTS_MAX)
		ring_trim(a, 0, left);
	if (account_payment(a, &e->payment) != NULL || a->payments_n == ACCOUNT_PAYMENTS_MAX || e->amount_minor <= 0)
		return false;
	if (e->basis == BASIS_COUNTERSIGNATURE ? !challenge_use(a, e->challenge_no) : !debit(a, e))
		return false;
	if (e->needs < 0 || e->needs > NEEDS_ALL || !counters_add(a->counters, &a->counters_n, &k))
		return false;
	p = &a->payments[a->payments_n++];
	*p = (struct payment){.id = e->payment, .subject = e->subject, .service = e->service,
	    .link_no = (uint32_t)e->link_no, .allowance_no = (uint32_t)e->allowance_no,
	    .currency = (uint16_t)e->currency, .state = capture ? PAYMENT_CAPTURED : PAYMENT_HELD,
	    .basis = (uint8_t)e->basis, .needs = (uint16_t)e->needs, .amount_minor = e->amount_minor,
	    .captured_minor = capture ? e->amount_minor : 0, .permitted_ms = e->time_ms, .expires_ms = e->expires_ms};
	memcpy(p->content.b, e->content.b, sizeof(p->content.b));
	if (s != NULL)
		s->used_ms = e->time_ms;
	ring_trim(a, ACCOUNT_RECENT_MAX, left);
	return true;
}

/* The newest finished payment stands last, so that the ring keeps it. */
static struct payment *
to_end(struct account *a, struct payment *p)
{
	struct payment moved = *p;
	size_t i = (size_t)(p - a->payments);

	memmove(p, p + 1, (a->payments_n - i - 1) * sizeof(*p));
	a->payments[a->payments_n - 1] = moved;
	return &a->payments[a->payments_n - 1];
}

bool
apply_captured(struct account *a, const struct event *e, struct apply_left *left)
{
	struct payment *p = account_payment(a, &e->payment);

	if (p == NULL || p->state != PAYMENT_HELD || e->captured_minor <= 0 || e->captured_minor > p->amount_minor)
		return false;
	p = to_end(a, p);
	p->state = PAYMENT_CAPTURED;
	p->captured_minor = e->captured_minor;
	p->capture = e->capture;
	give_back(a, p, e, p->amount_minor - p->captured_minor);
	ring_trim(a, ACCOUNT_RECENT_MAX, left);
	return true;
}

bool
apply_given_back(struct account *a, const struct event *e, struct apply_left *left)
{
	struct payment *p = account_payment(a, &e->payment);

	if (p == NULL || p->state != PAYMENT_HELD)
		return false;
	p = to_end(a, p);
	p->state = e->type == EVENT_PAYMENT_EXPIRED ? PAYMENT_EXPIRED : PAYMENT_RELEASED;
	give_back(a, p, e, p->amount_minor);
	ring_trim(a, ACCOUNT_RECENT_MAX, left);
	return true;
}

static bool
revive(struct account *a, const struct event *e, struct apply_left *left)
{
	struct payment *p;

	if (a->payments_n == ACCOUNT_PAYMENTS_MAX)
		ring_trim(a, 0, left);
	if (a->payments_n == ACCOUNT_PAYMENTS_MAX)
		return false;
	p = &a->payments[a->payments_n++];
	*p = (struct payment){.id = e->payment, .subject = e->subject, .service = e->service, .capture = e->capture,
	    .link_no = (uint32_t)e->link_no, .allowance_no = (uint32_t)e->allowance_no,
	    .currency = (uint16_t)e->currency, .state = PAYMENT_CAPTURED, .basis = (uint8_t)e->basis,
	    .amount_minor = e->total_minor, .captured_minor = e->captured_minor, .refunded_minor = e->count,
	    .permitted_ms = e->usable_ms};
	memcpy(p->content.b, e->content.b, sizeof(p->content.b));
	return true;
}

bool
apply_refunded(struct account *a, const struct event *e, struct apply_left *left)
{
	struct payment *p;

	if ((e->flags & EVENT_FLAG_REVIVED) != 0 && !revive(a, e, left))
		return false;
	p = account_payment(a, &e->payment);
	if (p == NULL || p->state != PAYMENT_CAPTURED || e->amount_minor <= 0 ||
	    e->amount_minor > p->captured_minor - p->refunded_minor)
		return false;
	p->refunded_minor += e->amount_minor;
	if (a->refunds_n == ACCOUNT_REFUNDS_MAX) {
		left->refund = a->refunds[0];
		left->refunds_n = 1;
		memmove(&a->refunds[0], &a->refunds[1], (ACCOUNT_REFUNDS_MAX - 1) * sizeof(a->refunds[0]));
		a->refunds_n--;
	}
	a->refunds[a->refunds_n++] = (struct refund){.id = e->id, .payment = e->payment,
	    .amount_minor = e->amount_minor};
	ring_trim(a, ACCOUNT_RECENT_MAX, left);
	return true;
}

void
holds_void(struct account *a, uint32_t link_no)
{
	for (size_t i = 0; i < a->payments_n; i++) {
		struct payment *p = &a->payments[i];

		if (p->state == PAYMENT_HELD && (link_no == 0 || p->link_no == link_no))
			p->state = PAYMENT_RELEASED;
	}
}
