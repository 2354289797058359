/* SPDX-License-Identifier: Apache-2.0 */
/* Events of a transaction: chained, encoded, applied; and what stands in the state after them. */
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/core/apply.h"
#include "broker/engine/notify.h"
#include "broker/engine/shadow.h"
#include "broker/engine/txn_state.h"

static void
take_left(struct txn *t, const struct apply_left *left)
{
	if (left->payments_n + left->refunds_n > 0 && t->summaries == NULL) {
		t->summaries = malloc(STORE_BATCH_MAX * 2 * sizeof(t->summaries[0]));
		CHECK(t->summaries != NULL);
	}
	for (int i = 0; i < left->payments_n + left->refunds_n; i++) {
		struct store_payment *p = &t->payments[t->payments_n];
		struct buf summary = buf_over(t->summaries[t->payments_n], PAYMENT_BYTES_MAX);

		if (i < left->payments_n) {
			memcpy(p->payment.b, left->payment.id.b, sizeof(p->payment.b));
			payment_encode(&left->payment, &summary);
		} else {
			memcpy(p->payment.b, left->refund.id.b, sizeof(p->payment.b));
			buf_put(&summary, left->refund.payment.b, sizeof(left->refund.payment.b));
			buf_put_u64(&summary, (uint64_t)left->refund.amount_minor);
		}
		CHECK(!summary.full);
		p->summary = buf_view(&summary);
		t->payments_n++;
	}
}

/* The cold map after the changes that this event brings; a spend brings none. */
static void
take_cold(struct txn *t, struct view extra)
{
	struct bytes next;
	bool changed = false;

	if (!extra_changes_cold(extra))
		return;
	bytes_init(&next, STORE_COLD_MAX);
	CHECK(cold_apply(buf_view(&t->cold.buf), extra, &next.buf, &changed) == CS_OK);
	if (changed) {
		bytes_clear(&t->cold);
		t->cold = next;
		t->cold_changed = true;
	} else {
		bytes_clear(&next);
	}
}

void
txn_event(struct txn *t, struct account *a, struct event *ev, struct extra *extra)
{
	struct apply_left left;
	struct view x = extra == NULL ? view_of(NULL, 0) : buf_view(&extra->buf);
	size_t n = t->events_n;

	CHECK(n < STORE_BATCH_MAX && (extra == NULL || !extra->buf.full));
	CHECK(!id_zero(&a->salt));
	ev->prev = a->chain;
	if (x.len > 0) {
		struct hash h;

		sha256(x, &h);
		memcpy(ev->extra.b, h.b, sizeof(ev->extra.b));
	}
	t->event_at[n] = t->log.buf.len;
	event_encode(ev, &t->log.buf);
	t->extra_at[n] = t->log.buf.len;
	buf_put_view(&t->log.buf, x);
	t->end_at[n] = t->log.buf.len;
	CHECK(!t->log.buf.full);
	t->types[n] = (uint8_t)ev->type;
	t->events_n++;
	if (t->engine->shadow != NULL)
		shadow_look(t->engine, a, ev);
	CHECK(apply(a, ev, &left) == CS_OK);
	sha256(view_of(t->log.buf.data + t->event_at[n], t->extra_at[n] - t->event_at[n]), &a->chain);
	take_left(t, &left);
	if (x.len > 0)
		take_cold(t, x);
	t->revision = a->revision;
}

void
txn_decision(struct txn *t, struct account *a, struct decision *d, struct extra *extra)
{
	for (size_t i = 0; i < d->events_n; i++)
		txn_event(t, a, &d->events[i], i == 0 ? extra : NULL);
}

void
txn_claim(struct txn *t, const struct id *claim, bool release)
{
	CHECK(t->claims_n < STORE_CLAIMS_MAX);
	t->claims[t->claims_n] = (struct store_claim){.release = release};
	memcpy(t->claims[t->claims_n++].claim.b, claim->b, sizeof(claim->b));
}

void
txn_claim_once(struct txn *t, const struct id *claim)
{
	txn_claim(t, claim, false);
	t->claims[t->claims_n - 1].once = true;
}

bool
txn_pending(const struct txn *t)
{
	return t->events_n > 0;
}

struct view
txn_cold(const struct txn *t)
{
	return buf_view(&t->cold.buf);
}

struct view
txn_left(const struct txn *t, const struct id *id)
{
	for (size_t i = t->payments_n; i > 0; i--) {
		if (memcmp(t->payments[i - 1].payment.b, id->b, sizeof(id->b)) == 0)
			return t->payments[i - 1].summary;
	}
	return view_of(NULL, 0);
}

void
txn_notice(struct txn *t, struct notice_queued *notice)
{
	notify_append(&t->notices, notice);
}

void
txn_narrows(struct txn *t)
{
	t->narrows = true;
}
