/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of a SQLite store into Redis: snapshots, link keys and old payments, page by page while its broker writes on; and
 * at the end once more what changed meanwhile.
 */
#include "broker/ctl/store_import.h"

#include <stdio.h>
#include <stdlib.h>

enum { RECORDS_AT_ONCE = 1024 };

typedef enum cs_err page_fn(struct moving *m, struct store_pages_place *at);

struct table {
	const char *name;
	page_fn *page;
	uint64_t *count;
};

static bool
give_record(void *ctx, const struct record_snapshot *snapshot)
{
	struct moving *m = ctx;

	import_record(m->import, snapshot);
	m->records++;
	return true;
}

static enum cs_err
page_records(struct moving *m, struct store_pages_place *at)
{
	return store_pages_records(m->pages, at, give_record, m, m->why);
}

static bool
give_claim(void *ctx, const struct record_claim *claim)
{
	struct moving *m = ctx;

	import_claim(m->import, claim);
	m->claims++;
	return true;
}

static enum cs_err
page_claims(struct moving *m, struct store_pages_place *at)
{
	return store_pages_claims(m->pages, at, give_claim, m, m->why);
}

static bool
give_payment(void *ctx, const struct record_payment *payment)
{
	struct moving *m = ctx;

	import_payment(m->import, payment);
	m->payments++;
	return true;
}

static enum cs_err
page_payments(struct moving *m, struct store_pages_place *at)
{
	return store_pages_payments(m->pages, at, give_payment, m, m->why);
}

/* "1 ID KEY PAYMENT COUNT", or "done COUNT" */
static void
place_write(char to[TOOL_META_TEXT], const struct store_pages_place *at, bool done, uint64_t count)
{
	char key[33], payment[33];

	for (size_t i = 0; i < sizeof(at->key.b); i++) {
		(void)snprintf(key + 2 * i, 3, "%02x", at->key.b[i]);
		(void)snprintf(payment + 2 * i, 3, "%02x", at->payment.b[i]);
	}
	if (done)
		(void)snprintf(to, TOOL_META_TEXT, "done %llu", (unsigned long long)count);
	else
		(void)snprintf(to, TOOL_META_TEXT, "%lld %s %s %llu", (long long)at->id, key, payment, (unsigned long long)count);
}

static void
place_read(const char *text, struct store_pages_place *at, bool *done, uint64_t *count)
{
	char key[33] = "", payment[33] = "";
	unsigned long long n = 0;
	long long id = 0;

	*done = strncmp(text, "done ", 5) == 0;
	*at = (struct store_pages_place){.begun = false};
	if (*done) {
		*count = strtoull(text + 5, NULL, 10);
		return;
	}
	if (sscanf(text, "%lld %32s %32s %llu", &id, key, payment, &n) != 4)
		return;
	*at = (struct store_pages_place){.begun = true, .id = id};
	*count = n;
	for (size_t i = 0; i < sizeof(at->key.b); i++) {
		unsigned k = 0, p = 0;

		(void)sscanf(key + 2 * i, "%2x", &k);
		(void)sscanf(payment + 2 * i, "%2x", &p);
		at->key.b[i] = (uint8_t)k;
		at->payment.b[i] = (uint8_t)p;
	}
}

static int
copy_table(struct moving *m, const struct table *t, uint64_t total)
{
	struct store_pages_place at, before;
	char text[TOOL_META_TEXT];
	int64_t until = 0;
	uint64_t count;
	bool done;
	int rc;
	enum cs_err err = import_mark_get(m->import, t->name, text, m->why);

	if (err != CS_OK)
		return moving_fail(m, err);
	place_read(text, &at, &done, t->count);
	if (done)
		return CTL_OK;
	bar_phase(&m->bar, t->name, *t->count, total);
	do {
		before = at;
		count = *t->count;
		err = t->page(m, &at);
		if (err != CS_OK)
			return moving_fail(m, err);
		err = import_wait(m->import, m->why);
		if (moving_again(err, &until)) {
			at = before;
			*t->count = count;
			continue;
		}
		if (err != CS_OK)
			return moving_fail(m, err);
		until = 0;
		done = store_pages_same(&at, &before);
		place_write(text, &at, done, *t->count);
		rc = moving_mark(m, t->name, text);
		if (rc != CTL_OK)
			return rc;
		bar_at(&m->bar, *t->count);
	} while (!done);
	return CTL_OK;
}

/* The marks that the copy of the tables begins at. */
static int
begin_tables(struct moving *m)
{
	struct record_meta meta;
	bool there;
	int rc = moving_marked_number(m, "folded", &m->folded, &there);
	enum cs_err err = CS_OK;

	if (rc == CTL_OK && !there) {
		err = store_pages_meta(m->pages, &meta, m->why);
		m->folded = meta.folded;
		rc = err == CS_OK ? moving_mark_number(m, "folded", m->folded) : moving_fail(m, err);
	}
	if (rc == CTL_OK)
		rc = moving_marked_number(m, "since", &m->since, &there);
	if (rc == CTL_OK && !there) {
		err = store_pages_last(m->pages, &m->since, m->why);
		rc = err == CS_OK ? moving_mark_number(m, "since", m->since) : moving_fail(m, err);
	}
	return rc;
}

int
moving_tables(struct moving *m)
{
	const struct table records = {"records", page_records, &m->records}, claims = {"claims", page_claims, &m->claims},
	    payments = {"payments", page_payments, &m->payments};
	struct record_meta meta = {.records = 0};
	uint64_t n = 0;
	int rc = begin_tables(m);

	if (rc == CTL_OK && store_pages_meta(m->pages, &meta, m->why) == CS_OK)
		rc = copy_table(m, &records, meta.records);
	if (rc == CTL_OK && store_pages_count_claims(m->pages, &n, m->why) == CS_OK)
		rc = copy_table(m, &claims, n);
	if (rc == CTL_OK && store_pages_count_payments(m->pages, &n, m->why) == CS_OK)
		rc = copy_table(m, &payments, n);
	return rc;
}

/* --- what changed while the tables were copied --- */

static bool
again_claim(void *ctx, const struct record_claim *claim)
{
	struct moving *m = ctx;

	m->claims++;
	if (key_table_get(&m->touched, &claim->holder) != NULL)
		import_claim(m->import, claim);
	return true;
}

static enum cs_err
page_claims_again(struct moving *m, struct store_pages_place *at)
{
	return store_pages_claims(m->pages, at, again_claim, m, m->why);
}

int
moving_claims_again(struct moving *m)
{
	struct store_pages_place at, before;
	int64_t until = 0;
	enum cs_err err;

	do {
		m->claims = 0;
		at = (struct store_pages_place){.begun = false};
		for (size_t i = 0; i < m->touched.cap; i++) {
			if (m->touched.entries[i].used)
				import_claims_drop(m->import, &m->touched.entries[i].key);
		}
		err = import_wait(m->import, m->why);
		do {
			before = at;
			if (err == CS_OK)
				err = page_claims_again(m, &at);
			if (err == CS_OK)
				err = import_wait(m->import, m->why);
		} while (err == CS_OK && !store_pages_same(&at, &before));
	} while (moving_again(err, &until));
	return err == CS_OK ? CTL_OK : moving_fail(m, err);
}

static bool
again_payment(void *ctx, const struct record_payment *payment)
{
	struct moving *m = ctx;

	if (key_table_get(&m->touched, &payment->key) != NULL)
		import_payment(m->import, payment);
	return true;
}

/* Those of one record stand together. */
struct own_payments {
	struct moving *m;
	const struct store_key *key;
};

static bool
own_payment(void *ctx, const struct record_payment *payment)
{
	struct own_payments *o = ctx;

	return memcmp(payment->key.b, o->key->b, sizeof(payment->key.b)) == 0 && again_payment(o->m, payment);
}

static enum cs_err
payments_of(struct moving *m, const struct store_key *key)
{
	struct store_pages_place at = {.begun = true, .key = *key}, before;
	struct own_payments own = {m, key};
	enum cs_err err;

	do {
		before = at;
		err = store_pages_payments(m->pages, &at, own_payment, &own, m->why);
	} while (err == CS_OK && !store_pages_same(&at, &before));
	return err;
}

int
moving_payments_again(struct moving *m)
{
	int64_t until = 0;
	enum cs_err err;

	do {
		err = CS_OK;
		for (size_t i = 0; err == CS_OK && i < m->touched.cap; i++) {
			if (m->touched.entries[i].used)
				err = payments_of(m, &m->touched.entries[i].key);
			if (err == CS_OK && i % RECORDS_AT_ONCE == RECORDS_AT_ONCE - 1)
				err = import_wait(m->import, m->why);
		}
		if (err == CS_OK)
			err = import_wait(m->import, m->why);
	} while (moving_again(err, &until));
	return err == CS_OK ? CTL_OK : moving_fail(m, err);
}
