/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions in memory: found by their account, used again. */
#include "broker/engine/txn_state.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/engine/notify.h"

struct txns *
txns_new(void)
{
	struct txns *x = calloc(1, sizeof(*x));

	CHECK(x != NULL);
	return x;
}

static void
attempts_clear(struct attempt *a)
{
	for (struct attempt *next; a != NULL; a = next) {
		next = a->next;
		if (a->call != NULL)
			call_free(a->call);
		/* Its stream, if it is there at all, is not used any more. */
		free(a->place);
		free(a);
	}
}

static void
txn_free(struct txn *t)
{
	for (struct waiting *w = t->waiting, *next; w != NULL; w = next) {
		next = w->next;
		free(w->call->place);
		call_free(w->call);
		free(w);
	}
	attempts_clear(t->attempts);
	attempts_clear(t->again);
	bytes_clear(&t->hot);
	bytes_clear(&t->cold);
	bytes_clear(&t->log);
	notify_drop(&t->notices);
	txn_found_forget(t);
	free(t->found);
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
	attempts_clear(x->free_attempts);
	for (struct finding *f = x->findings, *next; f != NULL; f = next) {
		next = f->next;
		free(f);
	}
	free(x);
}

static struct txn **
bucket(struct txns *x, const struct id *key)
{
	/* Keys are digests: any two bytes of them are as good as a hash. */
	return &x->buckets[(key->b[0] | key->b[1] << 8) % TXN_BUCKETS];
}

struct txn *
txn_find(struct txns *x, const struct id *key)
{
	for (struct txn *t = *bucket(x, key); t != NULL; t = t->next) {
		if (id_equal(&t->key, key))
			return t;
	}
	return NULL;
}

struct txn *
txn_take(struct engine *e, const struct id *key)
{
	struct txns *x = e->txns;
	struct txn *t = x->free, **at = bucket(x, key);

	if (t != NULL) {
		x->free = t->next;
	} else {
		t = calloc(1, sizeof(*t));
		CHECK(t != NULL);
		bytes_init(&t->hot, STORE_HOT_MAX);
		bytes_init(&t->cold, STORE_COLD_MAX);
		bytes_init(&t->log, STORE_BATCH_MAX * (STORE_EVENT_MAX + STORE_EXTRA_MAX));
	}
	t->engine = e;
	t->key = *key;
	txn_forget(t);
	t->committing = t->listed = false;
	t->running = t->attempts = t->again = NULL;
	t->attempts_end = &t->attempts;
	t->asking_n = t->taken_n = 0;
	t->waiting = NULL;
	t->waiting_end = &t->waiting;
	t->next = *at;
	*at = t;
	txn_list(e, t);
	return t;
}

void
txn_drop(struct txns *x, struct txn *t)
{
	struct txn **at = bucket(x, &t->key);

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	txn_found_forget(t);
	t->next = x->free;
	x->free = t;
}

void
txn_forget(struct txn *t)
{
	notify_drop(&t->notices);
	txn_found_forget(t);
	t->loaded = t->load_failed = false;
	t->expected = t->revision = 0;
	t->hot.buf.len = t->cold.buf.len = t->log.buf.len = 0;
	t->events_n = t->claims_n = t->payments_n = 0;
	t->cold_changed = t->narrows = t->looked = false;
}

void
txn_list(struct engine *e, struct txn *t)
{
	if (t->listed)
		return;
	t->dirty_next = e->txns->dirty;
	e->txns->dirty = t;
	t->listed = true;
}

struct attempt *
attempt_new(struct txns *x, struct call *call, txn_fn *fn, unsigned tries)
{
	struct attempt *a = x->free_attempts;
	struct call *copy = NULL;

	if (a != NULL) {
		x->free_attempts = a->next;
		copy = a->call;
	} else {
		a = malloc(sizeof(*a));
	}
	if (copy == NULL)
		copy = malloc(sizeof(*copy));
	CHECK(a != NULL && copy != NULL);
	memcpy(copy, call, offsetof(struct call, memory) + call->used);
	copy->again = true;
	if (copy->left != NULL)
		copy->left->calls++;
	*a = (struct attempt){.call = copy, .fn = fn, .tries = tries};
	return a;
}

void
attempt_free(struct txns *x, struct attempt *a)
{
	if (a->call != NULL) {
		stream_left_drop(a->call->left);
		a->call->left = NULL;
		secret_wipe(a->call->memory, a->call->used);
	}
	a->place = NULL;
	a->next = x->free_attempts;
	x->free_attempts = a;
}
