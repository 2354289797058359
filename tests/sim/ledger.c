/* SPDX-License-Identifier: Apache-2.0 */
/* The oracle. */
#include "tests/sim/ledger.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/core/again.h"
#include "broker/core/counters.h"
#include "broker/core/money.h"

uint64_t ledger_decided;

struct replayed {
	struct world *world;
	struct bytes hot, cold;
	uint64_t revision;
	bool whole;
};

/* The policy that decided decides the same again; what made the account was never decided. */
static void
decide_row(struct replayed *r, const struct store_row *row)
{
	static struct broker_state broker;
	static struct account before;
	static struct again again;
	struct event ev;
	struct id key;

	CHECK(event_decode(row->event, &ev) == CS_OK);
	if (id_zero(&ev.policy) || r->hot.buf.len == 0)
		return;
	memcpy(key.b, row->key.b, sizeof(key.b));
	CHECK(account_decode(buf_view(&r->hot.buf), &key, row->revision - 1, &before) == CS_OK);
	broker = r->world->engine->broker;
	if (!decide_again(r->world->engine->rules->policy, &broker, &before, &ev, &again))
		return;
	CHECK(!again_differs(&again));
	ledger_decided++;
}

static bool
replay_row(void *ctx, const struct store_row *row)
{
	struct replayed *r = ctx;

	decide_row(r, row);
	r->revision++;
	CHECK(row->revision == r->revision);
	CHECK(engine_replay(NULL, &row->key, row->revision, &r->hot.buf, &r->cold.buf, row->event, row->extra) == CS_OK);
	return true;
}

static void
scanned(void *ctx, enum cs_err err, uint64_t next)
{
	(void)next;
	CHECK(err == CS_OK);
	((struct replayed *)ctx)->whole = true;
}

struct held {
	struct account account;
	struct bytes hot;
	bool there;
};

static void
loaded(void *ctx, enum cs_err err, const struct store_record *record)
{
	struct held *h = ctx;
	struct id key = h->account.key;

	CHECK(err == CS_OK);
	CHECK(account_decode(record->hot, &key, record->revision, &h->account) == CS_OK);
	buf_put_view(&h->hot.buf, record->hot);
	h->there = true;
}

static struct payment left_ring;
static bool left_found;

static void
old_payment(void *ctx, enum cs_err err, struct view summary)
{
	(void)ctx;
	left_found = err == CS_OK && payment_decode(summary, &left_ring) == CS_OK;
}

static const struct payment *
find(struct world *w, const struct account *a, const struct id *id)
{
	const struct payment *p = account_payment(a, id);
	struct store_key key, payment;

	if (p != NULL)
		return p;
	memcpy(key.b, a->key.b, sizeof(key.b));
	memcpy(payment.b, id->b, sizeof(payment.b));
	store_find_payment(w->store, &key, &payment, old_payment, NULL);
	return left_found ? &left_ring : NULL;
}

/* 1. What was acknowledged is there. */
static void
check_told(struct world *w, const struct account *a, const struct told *t)
{
	const struct payment *p;
	struct id key, id;

	if (!t->permitted)
		return;
	CHECK(id_parse(ID_HOLD, view_of(t->hold, t->hold_len), &key, &id) == CS_OK);
	p = find(w, a, &id);
	CHECK(p != NULL && p->amount_minor == t->amount);
	CHECK(!t->captured || p->state == PAYMENT_CAPTURED);
	CHECK(!t->released || p->state == PAYMENT_RELEASED);
	CHECK(p->refunded_minor >= t->refunded && p->refunded_minor <= p->captured_minor);
}

/* 3. The sums. */
static void
check_sums(const struct account *a)
{
	static const struct id whole;
	uint16_t cny = currency_find(VIEW("CNY"));
	const struct counter *all = account_counter(a, &whole, cny);
	const struct counter *link = account_counter(a, &a->links[0].subject, cny);
	const struct allowance *w = &a->allowances[0];
	int64_t in_ring = 0;

	CHECK(w->spent_minor <= ALLOWANCE_TOTAL && w->day_spent_minor <= ALLOWANCE_DAY);
	if (all == NULL)
		return;
	for (size_t i = 0; i < a->payments_n; i++) {
		const struct payment *p = &a->payments[i];

		CHECK(p->amount_minor <= ALLOWANCE_EACH && p->basis == BASIS_ALLOWANCE);
		if (p->state == PAYMENT_HELD)
			in_ring += p->amount_minor;
		else if (p->state == PAYMENT_CAPTURED)
			in_ring += p->captured_minor;
	}
	/* per-day 400 of the policy, 300 of the provider; the allowance is narrower still */
	CHECK(all->day_minor <= 40000 && link->day_minor <= 30000 && all->day_minor == link->day_minor);
	/* What the stack's line counts beyond days is the same sum, or a part of it. */
	CHECK(counters_standing(a, COUNTER_TOTAL, COUNTER_OF_SUBJECT, &whole, cny, all->month, a->time_ms).minor ==
	    w->spent_minor);
	CHECK(counters_standing(a, COUNTER_HOURS, COUNTER_OF_SUBJECT, &whole, cny, all->month, a->time_ms).minor <=
	    w->spent_minor);
	CHECK(all->month_minor == w->spent_minor && (a->overflowed || all->month_minor == in_ring));
}

void
ledger_check(struct world *w, const struct ledger *l)
{
	static struct held h;
	struct replayed r = {.world = w};
	struct store_key key;
	struct store_scan scan = {.limit = 1000000, .key = &key};

	memcpy(key.b, l->person.key.b, sizeof(key.b));
	h.account.key = l->person.key;
	h.there = false;
	bytes_init(&h.hot, STORE_HOT_MAX);
	store_load(w->store, &key, loaded, &h);
	CHECK(h.there);

	/* 2. The log, replayed, is the state. */
	bytes_init(&r.hot, STORE_HOT_MAX);
	bytes_init(&r.cold, STORE_COLD_MAX);
	store_scan(w->store, &scan, replay_row, scanned, &r);
	CHECK(r.whole && r.revision == h.account.revision);
	CHECK(view_equal(buf_view(&r.hot.buf), buf_view(&h.hot.buf)));

	for (int i = 0; i < LEDGER_PAYMENTS; i++)
		check_told(w, &h.account, &l->told[i]);
	check_sums(&h.account);
	bytes_clear(&r.hot);
	bytes_clear(&r.cold);
	bytes_clear(&h.hot);
}
