/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions over the store. */
#include "broker/engine/txn.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/base/secret.h"
#include "broker/core/apply.h"
#include "broker/engine/call.h"
#include "broker/engine/watch.h"

enum {
	TXN_BUCKETS = 512,
	TXN_CLAIMS_MAX = STORE_CLAIMS_MAX,
	HOT_BYTES = STORE_HOT_MAX,
};

/* A call that waits for an account: for its load, or for the commit before it. */
struct waiting {
	struct call *call;
	txn_fn *fn;
	struct waiting *next;
};

/* A reply in some stream's out, of a transaction. */
struct pending {
	struct stream *stream;
	size_t start, len;
	bool forwarded;
	struct pending *next;
};

struct txn {
	struct engine *engine;
	struct id key;
	uint64_t expected;          /* revision that was loaded */
	uint64_t revision;
	struct bytes hot, cold;     /* state after the events so far */
	struct bytes log;           /* event and extra bytes of this turn */
	size_t event_at[STORE_BATCH_MAX], extra_at[STORE_BATCH_MAX], end_at[STORE_BATCH_MAX];
	uint8_t types[STORE_BATCH_MAX];
	size_t events_n;
	struct store_claim claims[TXN_CLAIMS_MAX];
	size_t claims_n;
	struct store_payment payments[STORE_BATCH_MAX * 2];
	uint8_t (*summaries)[PAYMENT_BYTES_MAX]; /* as many; made when first needed */
	size_t payments_n;
	bool loaded, load_failed;   /* neither: the load is on its way */
	bool cold_changed, narrows, committing, listed;
	struct pending *pending;
	struct waiting *waiting, **waiting_end;
	struct txn *next;           /* in its bucket, or in the free list */
	struct txn *dirty_next;
};

struct txns {
	struct txn *buckets[TXN_BUCKETS];
	struct txn *free;
	struct txn *dirty;          /* with something to commit, or only loaded in this turn */
	struct pending *free_pending;
	size_t committing;
};

struct txns *
txns_new(void)
{
	struct txns *x = calloc(1, sizeof(*x));

	CHECK(x != NULL);
	return x;
}

static void
txn_free(struct txn *t)
{
	for (struct waiting *w = t->waiting, *next; w != NULL; w = next) {
		next = w->next;
		secret_wipe(w->call->memory, sizeof(w->call->memory));
		free(w->call);
		free(w);
	}
	for (struct pending *p = t->pending, *next; p != NULL; p = next) {
		next = p->next;
		free(p);
	}
	bytes_clear(&t->hot);
	bytes_clear(&t->cold);
	bytes_clear(&t->log);
	free(t->summaries);
	free(t);
}

void
txns_free(struct txns *x)
{
	for (size_t i = 0; i < TXN_BUCKETS; i++) {
		for (struct txn *t = x->buckets[i], *next; t != NULL; t = next) {
			next = t->next;
			txn_free(t);
		}
	}
	for (struct txn *t = x->free, *next; t != NULL; t = next) {
		next = t->next;
		txn_free(t);
	}
	for (struct pending *p = x->free_pending, *next; p != NULL; p = next) {
		next = p->next;
		free(p);
	}
	free(x);
}

static struct txn **
bucket(struct txns *x, const struct id *key)
{
	/* Keys are digests: any two bytes of them are as good as a hash. */
	return &x->buckets[(key->b[0] | key->b[1] << 8) % TXN_BUCKETS];
}

static struct txn *
txn_find(struct txns *x, const struct id *key)
{
	for (struct txn *t = *bucket(x, key); t != NULL; t = t->next) {
		if (id_equal(&t->key, key))
			return t;
	}
	return NULL;
}

static struct txn *
txn_take(struct engine *e, const struct id *key)
{
	struct txns *x = e->txns;
	struct txn *t = x->free, **at = bucket(x, key);

	if (t != NULL) {
		x->free = t->next;
	} else {
		t = calloc(1, sizeof(*t));
		CHECK(t != NULL);
		bytes_init(&t->hot, HOT_BYTES);
		bytes_init(&t->cold, STORE_COLD_MAX);
		bytes_init(&t->log, STORE_BATCH_MAX * (STORE_EVENT_MAX + STORE_EXTRA_MAX));
	}
	t->engine = e;
	t->key = *key;
	t->expected = t->revision = 0;
	t->hot.buf.len = t->cold.buf.len = t->log.buf.len = 0;
	t->events_n = t->claims_n = t->payments_n = 0;
	t->loaded = t->load_failed = t->cold_changed = t->narrows = t->committing = false;
	t->pending = NULL;
	t->waiting = NULL;
	t->waiting_end = &t->waiting;
	t->next = *at;
	*at = t;
	t->dirty_next = x->dirty;
	x->dirty = t;
	t->listed = true;
	return t;
}

static void
txn_drop(struct txns *x, struct txn *t)
{
	struct txn **at = bucket(x, &t->key);

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	t->next = x->free;
	x->free = t;
}

static void
wait_for(struct txn *t, struct call *call, txn_fn *fn)
{
	struct waiting *w = calloc(1, sizeof(*w));

	CHECK(w != NULL);
	w->call = call_hold(call);
	w->fn = fn;
	*t->waiting_end = w;
	t->waiting_end = &w->next;
}

/* Holds whose time is over give their amounts back before anything else is decided. */
static void
settle_due(struct txn *t, struct account *a)
{
	struct asked asked = {.policy = t->engine->rules->policy, .broker = &t->engine->broker,
	    .now_ms = t->engine->now.wall_ms};
	struct decision d;

	while (t->events_n < STORE_BATCH_MAX / 2) {
		decide_due(&asked, a, &d);
		if (d.outcome != OUTCOME_PERMIT)
			return;
		txn_decision(t, a, &d, NULL);
	}
}

static void
run(struct txn *t, struct call *call, txn_fn *fn)
{
	struct engine *e = t->engine;
	struct account *a = &e->account;
	uint64_t before = t->revision;

	if (t->revision == 0)
		account_init(a, &t->key);
	else
		CHECK(account_decode(buf_view(&t->hot.buf), &t->key, t->revision, a) == CS_OK);
	call->txn = t;
	settle_due(t, a);
	fn(t, a, call);
	if (t->revision == before)
		return;
	t->hot.buf.len = 0;
	account_encode(a, &t->hot.buf);
	CHECK(!t->hot.buf.full);
}

/* What one call may add must still fit: a handful of events, one claim. */
static bool
txn_full(const struct txn *t)
{
	return t->events_n >= STORE_BATCH_MAX / 2 || t->claims_n >= TXN_CLAIMS_MAX;
}

static void
run_waiting(struct txn *t)
{
	while (t->waiting != NULL && !t->committing && t->loaded && !txn_full(t)) {
		struct waiting *w = t->waiting;

		t->waiting = w->next;
		if (t->waiting == NULL)
			t->waiting_end = &t->waiting;
		run(t, w->call, w->fn);
		if (w->call->answered)
			call_release(w->call);
		free(w);
	}
}

static void
fail_waiting(struct txn *t)
{
	while (t->waiting != NULL) {
		struct waiting *w = t->waiting;

		t->waiting = w->next;
		w->call->txn = NULL;
		call_unavailable(w->call, "store");
		call_release(w->call);
		free(w);
	}
	t->waiting_end = &t->waiting;
}

static void
loaded(void *ctx, enum cs_err err, const struct store_record *record)
{
	struct txn *t = ctx;

	if (err != CS_OK && err != CS_ERR_NOT_FOUND) {
		log_warn("msg=\"an account cannot be loaded\" err=%s", cs_err_name(err));
		t->load_failed = true;
		fail_waiting(t);
		return;
	}
	t->loaded = true;
	if (err != CS_OK)
		return;
	t->expected = t->revision = record->revision;
	buf_put_view(&t->hot.buf, record->hot);
	buf_put_view(&t->cold.buf, record->cold);
	CHECK(!t->hot.buf.full && !t->cold.buf.full);
}

static void
list_again(struct engine *e, struct txn *t)
{
	if (t->listed)
		return;
	t->dirty_next = e->txns->dirty;
	e->txns->dirty = t;
	t->listed = true;
}

static void
loaded_later(void *ctx, enum cs_err err, const struct store_record *record)
{
	struct txn *t = ctx;
	bool at_once = t->waiting == NULL;

	loaded(ctx, err, record);
	if (at_once)
		return;
	run_waiting(t);
	/* The turn that began it is over: this one commits it, or drops it. */
	list_again(t->engine, t);
}

bool
txn_run(struct engine *e, const struct id *key, struct call *call, txn_fn *fn)
{
	struct store_key k;
	struct txn *t = txn_find(e->txns, key);

	memcpy(k.b, key->b, sizeof(k.b));
	if (t == NULL) {
		t = txn_take(e, key);
		store_load(e->store, &k, loaded_later, t);
	} else if (!t->committing) {
		list_again(e, t);
	}
	if (t->load_failed) {
		call_unavailable(call, "store");
		return true;
	}
	if (!t->loaded || t->committing || t->waiting != NULL || txn_full(t)) {
		wait_for(t, call, fn);
		return false;
	}
	run(t, call, fn);
	return true;
}

void
txn_run_held(struct engine *e, const struct id *key, struct call *call, txn_fn *fn)
{
	if (txn_run(e, key, call, fn) && call->answered)
		call_release(call);
}

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
	CHECK(t->claims_n < TXN_CLAIMS_MAX);
	memcpy(t->claims[t->claims_n].claim.b, claim->b, sizeof(claim->b));
	t->claims[t->claims_n++].release = release;
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
txn_narrows(struct txn *t)
{
	t->narrows = true;
}

void
txn_reply(struct txn *t, struct call *call, size_t start)
{
	struct txns *x = t->engine->txns;
	struct pending *p;

	if (t->events_n == 0 || call->stream == NULL)
		return;
	if ((p = x->free_pending) != NULL)
		x->free_pending = p->next;
	else
		p = calloc(1, sizeof(*p));
	CHECK(p != NULL);
	*p = (struct pending){.stream = call->stream, .start = start, .len = call->stream->out.buf.len - start,
	    .forwarded = call->forwarded, .next = t->pending};
	t->pending = p;
	call->stream->unsettled++;
}

/* Puts an error in the place of a reply that must not be given. Replies behind it move. */
static void
replace_reply(struct engine *e, struct pending *p)
{
	struct stream *s = p->stream;
	struct bytes error;
	size_t tail = s->out.buf.len - p->start - p->len;
	ptrdiff_t grown;

	bytes_init(&error, VARLINK_MESSAGE_MAX);
	call_write_unavailable(&error.buf, p->forwarded, "store");
	grown = (ptrdiff_t)error.buf.len - (ptrdiff_t)p->len;
	if (grown > 0)
		CHECK(buf_room(&s->out.buf, (size_t)grown) != NULL);
	memmove(s->out.buf.data + p->start + error.buf.len, s->out.buf.data + p->start + p->len, tail);
	memcpy(s->out.buf.data + p->start, error.buf.data, error.buf.len);
	s->out.buf.len += (size_t)grown;
	bytes_clear(&error);
	for (size_t i = 0; i < TXN_BUCKETS; i++) {
		for (struct txn *t = e->txns->buckets[i]; t != NULL; t = t->next) {
			for (struct pending *o = t->pending; o != NULL; o = o->next) {
				if (o != p && o->stream == s && o->start > p->start)
					o->start = (size_t)((ptrdiff_t)o->start + grown);
			}
		}
	}
}

static void
settle(struct engine *e, struct txn *t, enum cs_err err)
{
	while (t->pending != NULL) {
		struct pending *p = t->pending;

		if (err != CS_OK && p->stream != NULL)
			replace_reply(e, p);
		t->pending = p->next;
		if (p->stream != NULL) {
			CHECK(p->stream->unsettled > 0);
			p->stream->unsettled--;
			/* What was read in this round is looked at when the round ends. */
			if (!p->stream->listed)
				engine_ready(e, p->stream);
		}
		p->next = e->txns->free_pending;
		e->txns->free_pending = p;
	}
}

/* Forgets what this turn decided; what waits is decided on the state that is loaded next. */
static void
forget(struct txn *t)
{
	t->loaded = t->load_failed = false;
	t->expected = t->revision = 0;
	t->hot.buf.len = t->cold.buf.len = t->log.buf.len = 0;
	t->events_n = t->claims_n = t->payments_n = 0;
	t->cold_changed = t->narrows = false;
}

static void
after_success(struct engine *e, struct txn *t)
{
	for (size_t i = 0; i < t->events_n; i++)
		watches_event(e, &t->key, view_of(t->log.buf.data + t->event_at[i], t->extra_at[i] - t->event_at[i]));
	t->expected = t->revision;
	t->events_n = t->claims_n = t->payments_n = 0;
	t->log.buf.len = 0;
	t->cold_changed = t->narrows = false;
	run_waiting(t);
}

static void
after_failure(struct engine *e, struct txn *t)
{
	struct store_key k;

	forget(t);
	if (t->waiting == NULL)
		return;
	memcpy(k.b, t->key.b, sizeof(k.b));
	store_load(e->store, &k, loaded_later, t);
}

static void
committed(void *ctx, enum cs_err err)
{
	struct txn *t = ctx;
	struct engine *e = t->engine;

	CHECK(t->committing);
	t->committing = false;
	e->txns->committing--;
	if (err != CS_OK)
		log_warn("msg=\"a commit failed; its calls are answered Unavailable\" err=%s events=%zu",
		    cs_err_name(err), t->events_n);
	settle(e, t, err);
	if (err == CS_OK)
		after_success(e, t);
	else
		after_failure(e, t);
	if (t->waiting != NULL || t->events_n > 0)
		list_again(e, t);
	else if (!t->listed)
		txn_drop(e->txns, t);
}

static void
commit(struct engine *e, struct txn *t)
{
	struct store_event events[STORE_BATCH_MAX];
	struct store_commit c = {.expected = t->expected, .events = events, .events_n = t->events_n,
	    .hot = buf_view(&t->hot.buf), .cold = view_of(NULL, 0), .claims = t->claims, .claims_n = t->claims_n,
	    .payments = t->payments, .payments_n = t->payments_n, .narrows = t->narrows};

	memcpy(c.key.b, t->key.b, sizeof(c.key.b));
	for (size_t i = 0; i < t->events_n; i++) {
		events[i].event = view_of(t->log.buf.data + t->event_at[i], t->extra_at[i] - t->event_at[i]);
		events[i].extra = view_of(t->log.buf.data + t->extra_at[i], t->end_at[i] - t->extra_at[i]);
	}
	if (t->cold_changed)
		c.cold = view_of(t->cold.buf.data == NULL ? (const void *)"" : t->cold.buf.data, t->cold.buf.len);
	t->committing = true;
	e->txns->committing++;
	store_commit(e->store, &c, committed, t);
}

void
txns_commit(struct engine *e)
{
	struct txns *x = e->txns;
	struct txn *list = x->dirty;

	x->dirty = NULL;
	for (struct txn *t = list, *next; t != NULL; t = next) {
		next = t->dirty_next;
		t->listed = false;
		if (t->committing)
			continue;
		if (t->events_n > 0)
			commit(e, t);
		else if (t->waiting == NULL)
			txn_drop(x, t);
	}
	store_flush(e->store);
}

void
txns_gone(struct engine *e, struct stream *s)
{
	for (size_t i = 0; i < TXN_BUCKETS; i++) {
		for (struct txn *t = e->txns->buckets[i]; t != NULL; t = t->next) {
			for (struct pending *p = t->pending; p != NULL; p = p->next) {
				if (p->stream == s)
					p->stream = NULL;
			}
		}
	}
}

bool
txns_listed(const struct engine *e)
{
	return e->txns->dirty != NULL;
}

bool
txns_busy(const struct engine *e)
{
	return e->txns->committing > 0 || e->txns->dirty != NULL;
}
