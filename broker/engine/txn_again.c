/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conflicts: somebody else changed the account, or holds a claim. What was decided is decided again, in the same order,
 * on the account as it is now; of the try before nothing is left but its count. A call that was answered goes on as a
 * copy of what it was, and its new answer stands where the old one stood.
 */
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/engine/txn_state.h"

/* The call as it was, ready to be decided again or answered; the attempt is over. */
static struct call *
call_of(struct attempt *a)
{
	struct call *call = a->call;

	if (a->waits != NULL) {
		/* It was never answered: the same call again, with the memory of before; its peer may be gone since. */
		memcpy(a->waits->memory, call->memory, call->used);
		a->waits->used = call->used;
		call = a->waits;
	} else {
		a->call = NULL;
		call->place = a->place;
		CHECK(call->place == NULL || call->place->call == call);
	}
	call->answered = false;
	call->txn = NULL;
	call->after = NULL;
	return call;
}

static void
take_from_queue(struct txn *t, const struct call *call)
{
	for (struct waiting **at = &t->waiting; *at != NULL; at = &(*at)->next) {
		struct waiting *w = *at;

		if (w->call != call)
			continue;
		*at = w->next;
		if (*at == NULL)
			t->waiting_end = at;
		free(w);
		return;
	}
	CHECK(!"a call that waits for its own commit is in the queue");
}

static void
fail(struct txn *t, struct attempt *a)
{
	void (*after)(struct call *, void *) = a->call->after;
	void *ends = a->call->ends;
	struct call *call = call_of(a);

	call_after(call, after, ends);
	attempt_free(t->engine->txns, a);
	call_unavailable(call, "store");
	call_release(call);
}

void
attempts_failed(struct txn *t, enum cs_err err)
{
	/* What did not fit into this commit comes after it again. */
	struct attempt *list = t->attempts, *later = t->again, **end = &t->again;

	t->attempts = NULL;
	t->attempts_end = &t->attempts;
	for (struct attempt *a = list, *next; a != NULL; a = next) {
		next = a->next;
		if (a->waits != NULL)
			take_from_queue(t, a->waits);
		if (err != CS_ERR_CONFLICT || ++a->tries >= TXN_TRIES_MAX) {
			fail(t, a);
			continue;
		}
		*end = a;
		end = &a->next;
	}
	*end = later;
	memcpy(t->asking, t->claims, t->claims_n * sizeof(t->claims[0]));
	t->asking_n = t->again == NULL ? 0 : t->claims_n;
	t->taken_n = 0;
}

void
attempts_again(struct txn *t)
{
	while (t->again != NULL && t->finding == NULL && !txn_full(t)) {
		struct attempt *a = t->again;
		struct call *call = call_of(a);
		txn_fn *fn = a->fn;
		unsigned tries = a->tries;

		t->again = a->next;
		attempt_free(t->engine->txns, a);
		txn_decide(t, call, fn, tries);
		if (call->answered)
			call_release(call);
	}
}

static void
reloaded(void *ctx, enum cs_err err, const struct store_record *record)
{
	struct txn *t = ctx;

	txn_loaded(t, err, record);
	if (t->load_failed) {
		while (t->again != NULL) {
			struct attempt *a = t->again;

			t->again = a->next;
			fail(t, a);
		}
	}
	txn_go_on(t);
	txn_list(t->engine, t);
}

static void
holder_found(void *ctx, enum cs_err err, const struct store_key *holder, bool tombstone)
{
	struct txn *t = ctx;
	const struct store_claim *c = &t->asking[--t->asking_n];

	if (err == CS_OK && !tombstone && (c->once || memcmp(holder->b, t->key.b, sizeof(holder->b)) != 0))
		memcpy(t->taken[t->taken_n++].b, c->claim.b, sizeof(c->claim.b));
	attempts_reload(t);
}

void
attempts_reload(struct txn *t)
{
	struct store_key k;

	while (t->asking_n > 0 && t->asking[t->asking_n - 1].release)
		t->asking_n--;
	if (t->asking_n > 0) {
		store_find(t->engine->store, &t->asking[t->asking_n - 1].claim, holder_found, t);
		return;
	}
	memcpy(k.b, t->key.b, sizeof(k.b));
	store_load(t->engine->store, &k, reloaded, t);
}

bool
txn_taken(const struct txn *t, const struct id *claim)
{
	for (size_t i = 0; i < t->taken_n; i++) {
		if (id_equal(&t->taken[i], claim))
			return true;
	}
	return false;
}
