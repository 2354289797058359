/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Payments that left the state long ago, for a decision. A store may find them later: then the account is held as it is, the
 * call is decided again first of all, and what was found counts as long as the state does. A commit of another broker in
 * between is a conflict, as ever.
 */
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/engine/txn_state.h"

void
txn_found_forget(struct txn *t)
{
	if (t->finding != NULL)
		t->finding->txn = NULL;
	t->finding = NULL;
	t->found_n = 0;
}

void
txn_found_changed(struct txn *t)
{
	for (size_t i = 0; t->found_n > 0 && i < t->payments_n; i++) {
		for (size_t k = 0; k < t->found_n; k++) {
			if (memcmp(t->payments[i].payment.b, t->found[k].id.b, sizeof(t->found[k].id.b)) == 0)
				t->found[k--] = t->found[--t->found_n];
		}
	}
}

static void
remember(struct txn *t, const struct id *id, enum cs_err err, struct view summary)
{
	struct found *f;

	if (t->found == NULL) {
		t->found = calloc(TXN_FOUND_MAX, sizeof(t->found[0]));
		CHECK(t->found != NULL);
	}
	/* Of the call that waits there is one place at most: the other's is free. */
	if (t->found_n == TXN_FOUND_MAX)
		memmove(t->found, t->found + 1, --t->found_n * sizeof(t->found[0]));
	f = &t->found[t->found_n++];
	*f = (struct found){.id = *id, .err = err, .len = summary.len};
	CHECK(summary.len <= sizeof(f->summary));
	if (summary.len > 0)
		memcpy(f->summary, summary.data, summary.len);
}

static void
on_found(void *ctx, enum cs_err err, struct view summary)
{
	struct finding *f = ctx;
	struct txn *t = f->txn;

	*f->at = f->next;
	if (f->next != NULL)
		f->next->at = f->at;
	if (t != NULL) {
		t->finding = NULL;
		remember(t, &f->id, err, summary);
		if (!f->at_once) {
			if (err != CS_OK && err != CS_ERR_NOT_FOUND)
				txn_fail_tired(t);
			txn_go_on(t);
			txn_list(t->engine, t);
		}
	}
	free(f);
}

/* An error is told once; the next one asks again. */
static bool
recall(struct txn *t, const struct id *id, struct view *summary, enum cs_err *err)
{
	for (size_t i = 0; i < t->found_n; i++) {
		if (!id_equal(&t->found[i].id, id))
			continue;
		*summary = view_of(t->found[i].summary, t->found[i].len);
		*err = t->found[i].err;
		if (*err != CS_OK && *err != CS_ERR_NOT_FOUND)
			t->found[i] = t->found[--t->found_n];
		return true;
	}
	return false;
}

static struct finding *
finding_new(struct txn *t, const struct id *id)
{
	struct txns *x = t->engine->txns;
	struct finding *f = malloc(sizeof(*f));

	CHECK(f != NULL);
	*f = (struct finding){.txn = t, .id = *id, .at_once = true, .next = x->findings, .at = &x->findings};
	if (f->next != NULL)
		f->next->at = &f->next;
	x->findings = f;
	return f;
}

bool
txn_find_payment(struct txn *t, struct call *call, const struct id *id, txn_fn *fn, struct view *summary, enum cs_err *err)
{
	struct store_key key, payment;

	if (recall(t, id, summary, err))
		return true;
	memcpy(key.b, t->key.b, sizeof(key.b));
	memcpy(payment.b, id->b, sizeof(payment.b));
	t->finding = finding_new(t, id);
	store_find_payment(t->engine->store, &key, &payment, on_found, t->finding);
	if (t->finding == NULL) {
		CHECK(recall(t, id, summary, err));
		return true;
	}
	t->finding->at_once = false;
	txn_wait_first(t, call, fn);
	return false;
}
