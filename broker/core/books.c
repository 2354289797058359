/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to a hold: capture, release, refund, expiry. Each is safe to ask again. */
#include "broker/core/inquiry.h"

static struct event *
payment_event(struct decision *d, struct inquiry *q, const struct payment *p, enum event_type type, enum reason reason)
{
	struct event *e = decision_event(d, q, type, reason);

	e->payment = p->id;
	e->subject = p->subject;
	e->link_no = p->link_no;
	e->currency = p->currency;
	e->amount_minor = p->amount_minor;
	/* The windows that the payment was counted in: what is given back is given back there. */
	e->day = window_day(q->asked->policy, p->permitted_ms);
	e->month = window_month(q->asked->policy, p->permitted_ms);
	return e;
}

static bool
begin(struct inquiry *q, const struct asked *asked, const struct account *a, const struct payment *p,
    struct decision *d)
{
	*d = (struct decision){0};
	inquiry_begin(q, asked, a, NULL);
	decision_set(d, REASON_HOLD_EXPIRED);
	/* Another service's does not exist. */
	if (p == NULL || (asked->service != 0 && p->service != asked->service))
		return false;
	d->id = p->id;
	inquiry_link(q, account_link_by_no(a, p->link_no));
	return true;
}

/* Rule 1. */
static bool
service_may(const struct inquiry *q, uint32_t right)
{
	return q->service != NULL && (q->service->rights & right) != 0 && (q->service->doors & q->asked->door) != 0;
}

static enum reason
capture_rules(struct inquiry *q, const struct payment *p, int64_t amount_minor)
{
	enum reason reason;

	if (!service_may(q, RIGHT_SPEND))
		return REASON_SERVICE_RIGHT;
	if (q->link == NULL)
		return REASON_LINK_REVOKED;
	if ((reason = rule_account(q)) != REASON_NONE || (reason = rule_provider(q)) != REASON_NONE ||
	    (reason = rule_link(q)) != REASON_NONE)
		return reason;
	/* Lowered limits: one payment's, and the sums that hold this payment already. */
	q->counted = true;
	return limits_check(q, p->currency, amount_minor);
}

static enum reason
finished(const struct payment *p)
{
	return p->state == PAYMENT_RELEASED ? REASON_HOLD_RELEASED : REASON_HOLD_EXPIRED;
}

void
decide_capture(const struct asked *asked, const struct account *a, const struct payment *old, const struct id *hold,
    const struct id *capture, int64_t amount_minor, struct decision *d)
{
	const struct payment *p = account_payment(a, hold);
	struct inquiry q;
	enum reason reason;
	struct event *e;

	/* What left the ring is finished: it can only be told again. */
	if (p == NULL)
		p = old;
	if (!begin(&q, asked, a, p, d))
		return;
	if (amount_minor == -1)
		amount_minor = p->state == PAYMENT_CAPTURED ? p->captured_minor : p->amount_minor;
	if (p->state == PAYMENT_CAPTURED) {
		bool same = id_equal(&p->capture, capture) && p->captured_minor == amount_minor;

		d->replayed = same;
		decision_set(d, same ? REASON_ASKED : REASON_PAYMENT_MISMATCH);
		return;
	}
	if (p->state != PAYMENT_HELD || p->expires_ms <= q.now_ms) {
		decision_set(d, finished(p));
		return;
	}
	reason = amount_minor <= 0 || amount_minor > p->amount_minor ? REASON_PAYMENT_MISMATCH :
	    capture_rules(&q, p, amount_minor);
	if (reason != REASON_NONE) {
		decision_set(d, reason);
		d->detail = q.detail;
		e = payment_event(d, &q, p, EVENT_DENIED, reason);
		e->capture = *capture;
		e->amount_minor = amount_minor;
		return;
	}
	decision_set(d, REASON_ASKED);
	e = payment_event(d, &q, p, EVENT_PAYMENT_CAPTURED, REASON_ASKED);
	e->capture = *capture;
	e->captured_minor = amount_minor;
}

void
decide_release(const struct asked *asked, const struct account *a, const struct id *hold, struct decision *d)
{
	const struct payment *p = account_payment(a, hold);
	struct inquiry q;

	if (!begin(&q, asked, a, p, d))
		return;
	if (p->state == PAYMENT_RELEASED || p->state == PAYMENT_EXPIRED) {
		d->replayed = true;
		decision_set(d, REASON_NARROWS);
	} else if (p->state == PAYMENT_HELD) {
		decision_set(d, REASON_NARROWS);
		payment_event(d, &q, p, EVENT_PAYMENT_RELEASED, REASON_NARROWS);
	} else {
		decision_set(d, REASON_PAYMENT_MISMATCH);
	}
}

void
decide_refund(const struct asked *asked, const struct account *a, const struct payment *old, const struct id *payment,
    const struct id *refund, int64_t amount_minor, struct decision *d)
{
	const struct payment *p = account_payment(a, payment);
	const struct refund *before = account_refund(a, refund);
	struct inquiry q;
	struct event *e;

	if (p == NULL)
		p = old;
	if (!begin(&q, asked, a, p, d))
		return;
	if (!service_may(&q, RIGHT_REFUND)) {
		decision_set(d, REASON_SERVICE_RIGHT);
		return;
	}
	decision_set(d, REASON_PAYMENT_MISMATCH);
	if (before != NULL) {
		d->replayed = id_equal(&before->payment, payment) && before->amount_minor == amount_minor;
		if (d->replayed)
			decision_set(d, REASON_ASKED);
		return;
	}
	if (p->state != PAYMENT_CAPTURED || amount_minor <= 0 || amount_minor > p->captured_minor - p->refunded_minor)
		return;
	decision_set(d, REASON_ASKED);
	e = payment_event(d, &q, p, EVENT_PAYMENT_REFUNDED, REASON_ASKED);
	e->amount_minor = amount_minor;
	e->id = *refund;
	/* What apply() needs to bring a payment back that had left the ring. */
	if (p == old) {
		e->flags |= EVENT_FLAG_REVIVED;
		e->service = p->service;
		e->content = (struct hash){{0}};
		memcpy(e->content.b, p->content.b, sizeof(p->content.b));
		e->capture = p->capture;
		e->captured_minor = p->captured_minor;
		e->total_minor = p->amount_minor;
		e->count = p->refunded_minor;
		e->basis = p->basis;
		e->allowance_no = p->allowance_no;
		e->usable_ms = p->permitted_ms;
	}
}

void
decide_due(const struct asked *asked, const struct account *a, struct decision *d)
{
	struct inquiry q;

	*d = (struct decision){0};
	inquiry_begin(&q, asked, a, NULL);
	decision_set(d, REASON_STACK);
	for (size_t i = 0; i < a->payments_n; i++) {
		const struct payment *p = &a->payments[i];

		if (p->state != PAYMENT_HELD || p->expires_ms > q.now_ms)
			continue;
		d->id = p->id;
		decision_set(d, REASON_EXPIRED);
		payment_event(d, &q, p, EVENT_PAYMENT_EXPIRED, REASON_EXPIRED);
		return;
	}
}
