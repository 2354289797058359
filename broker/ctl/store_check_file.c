/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store check of a SQLite file, beside its broker or without one: what SQLite says of it, the log without gaps, each
 * record's events one after the other, its snapshot, and link keys whose holder is unknown. Nothing of it can be mended
 * without a backup, so --repair only says so.
 */
#include "broker/ctl/store.h"

#include <stdio.h>
#include <unistd.h>

#include "broker/core/account.h"
#include "broker/ctl/key_table.h"
#include "broker/engine/record_state.h"
#include "broker/store/sqlite_pages.h"

#define BACKUP "restore the file from a backup; `countersignctl events verify --database FILE` says how far its log is whole"

struct checking {
	struct store_findings *findings;
	struct bar *bar;
	struct key_table keys;
	uint64_t events, records, claims, payments;
	char where[256], why[256];
};

static const char *
place_of_key(struct checking *c, const struct store_key *key, uint64_t seq)
{
	size_t n = 0;

	n = (size_t)snprintf(c->where, sizeof(c->where), "account ");
	for (size_t i = 0; i < sizeof(key->b); i++)
		n += (size_t)snprintf(c->where + n, sizeof(c->where) - n, "%02x", key->b[i]);
	if (seq != 0)
		(void)snprintf(c->where + n, sizeof(c->where) - n, ", event %llu", (unsigned long long)seq);
	return c->where;
}

static bool
event_read(void *ctx, uint64_t seq, const struct record_frame *frame)
{
	struct checking *c = ctx;
	struct key_entry *e = key_table_put(&c->keys, &frame->key);

	if (frame->revision != e->revision + 1)
		store_found(c->findings, "a revision is missing in the log", place_of_key(c, &frame->key, seq), BACKUP);
	else if (frame->back != (e->seq == 0 ? 0 : seq - e->seq))
		store_found(c->findings, "an event names another one as the one before it", place_of_key(c, &frame->key, seq), BACKUP);
	e->revision = frame->revision;
	e->seq = seq;
	c->events++;
	return true;
}

static bool
sound_state(const struct record_snapshot *s)
{
	static const struct store_key zero;
	static struct account a;
	static struct record_state record;
	struct id id;

	memcpy(id.b, s->key.b, sizeof(id.b));
	if (memcmp(s->key.b, zero.b, sizeof(zero.b)) == 0)
		return record_state_decode(s->hot, &record) == CS_OK;
	return account_decode(s->hot, &id, s->revision, &a) == CS_OK;
}

/* Of this record the log must tell up to that revision: it is read last, so that beside a broker it is the newest. */
static void
expect(struct checking *c, const struct store_key *key, uint64_t revision)
{
	struct key_entry *e = key_table_put(&c->keys, key);

	if (e->seen < revision)
		e->seen = revision;
}

static bool
record_read(void *ctx, const struct record_snapshot *s)
{
	struct checking *c = ctx;

	c->records++;
	expect(c, &s->key, s->revision);
	if (!sound_state(s))
		store_found(c->findings, "a snapshot is no state of an account", place_of_key(c, &s->key, 0), BACKUP);
	return true;
}

static bool
claim_read(void *ctx, const struct record_claim *claim)
{
	struct checking *c = ctx;

	c->claims++;
	expect(c, &claim->holder, 1);
	return true;
}

static bool
payment_read(void *ctx, const struct record_payment *payment)
{
	struct checking *c = ctx;

	c->payments++;
	expect(c, &payment->key, 1);
	return true;
}

static void
compare(struct checking *c)
{
	for (size_t i = 0; i < c->keys.cap; i++) {
		const struct key_entry *e = &c->keys.entries[i];

		if (e->used && e->revision == 0)
			store_found(c->findings, "there is no event of an account that a snapshot, a link key or a payment names",
			    place_of_key(c, &e->key, 0), BACKUP);
		else if (e->used && e->revision < e->seen)
			store_found(c->findings, "a snapshot is newer than all events of its account", place_of_key(c, &e->key, 0), BACKUP);
	}
}

/* What cannot be read ends one walk and is a finding; the others go on. */
static void
ended(struct checking *c, enum cs_err err)
{
	if (err != CS_OK)
		store_found(c->findings, "it cannot be read to its end", c->why, BACKUP);
}

static void
walk_events(struct checking *c, struct store_pages *p)
{
	uint64_t at = 0, before, last = 0;
	enum cs_err err = store_pages_last(p, &last, c->why);

	bar_phase(c->bar, "log", 0, last);
	do {
		before = at;
		if (err == CS_OK)
			err = store_pages_events(p, &at, event_read, c, c->why);
		bar_at(c->bar, at);
	} while (err == CS_OK && at != before);
	ended(c, err);
}

typedef enum cs_err walk_fn(struct store_pages *p, struct store_pages_place *at, struct checking *c);

static enum cs_err
page_records(struct store_pages *p, struct store_pages_place *at, struct checking *c)
{
	return store_pages_records(p, at, record_read, c, c->why);
}

static enum cs_err
page_claims(struct store_pages *p, struct store_pages_place *at, struct checking *c)
{
	return store_pages_claims(p, at, claim_read, c, c->why);
}

static enum cs_err
page_payments(struct store_pages *p, struct store_pages_place *at, struct checking *c)
{
	return store_pages_payments(p, at, payment_read, c, c->why);
}

static void
walk(struct checking *c, struct store_pages *p, const char *phase, uint64_t total, const uint64_t *count, walk_fn *page)
{
	struct store_pages_place at = {.begun = false}, before;
	enum cs_err err;

	bar_phase(c->bar, phase, 0, total);
	do {
		before = at;
		err = page(p, &at, c);
		bar_at(c->bar, *count);
	} while (err == CS_OK && !store_pages_same(&at, &before));
	ended(c, err);
}

static void
tell(struct ctl *ctl, const struct checking *c, const char *path)
{
	char events[32], records[32], claims[32], payments[32];

	if (ctl->json) {
		(void)printf("{\"whole\": %s, \"findings\": %llu, \"events\": %llu, \"records\": %llu, \"claims\": %llu, \"payments\": %llu}\n",
		    c->findings->bad == 0 ? "true" : "false", (unsigned long long)c->findings->bad, (unsigned long long)c->events,
		    (unsigned long long)c->records, (unsigned long long)c->claims, (unsigned long long)c->payments);
		return;
	}
	(void)printf("%s: %s events of %s records, %s link keys, %s old payments in %s\n",
	    c->findings->bad == 0 ? "whole" : "NOT WHOLE", bar_number(c->events, events), bar_number(c->keys.n, records),
	    bar_number(c->claims, claims), bar_number(c->payments, payments), path);
}

/* With the broker kept out, or beside it. */
int
store_check_file(struct ctl *ctl, const char *path)
{
	struct bar bar;
	struct store_findings findings = {.ctl = ctl, .bar = &bar};
	struct checking c = {.findings = &findings, .bar = &bar};
	struct store_pages *pages;
	struct record_meta meta = {.records = 0};
	int lock = -1;
	/* A copy that may only be read is nobody's. */
	bool copy = access(path, R_OK) == 0 && access(path, W_OK) != 0;
	enum cs_err err = copy || access(path, F_OK) != 0 ? CS_OK : store_pages_lock(path, &lock, c.why);

	if (err != CS_OK && err != CS_ERR_CONFLICT)
		return ctl_fail(ctl, CTL_FAILED, "%s", c.why);
	err = store_pages_open(path, copy || lock >= 0, &pages, c.why);
	if (err != CS_OK) {
		if (lock >= 0)
			(void)close(lock);
		return ctl_fail(ctl, err == CS_ERR_NOT_FOUND ? CTL_NOT_FOUND : CTL_FAILED, "%s", c.why);
	}
	bar_init(&bar, ctl);
	key_table_init(&c.keys);
	if (store_pages_integrity(pages, c.why) != CS_OK)
		store_found(&findings, "the file is damaged", c.why, BACKUP);
	if (store_pages_meta(pages, &meta, c.why) != CS_OK)
		store_found(&findings, "its head record is damaged", c.why, BACKUP);
	walk(&c, pages, "payments", 0, &c.payments, page_payments);
	walk(&c, pages, "claims", 0, &c.claims, page_claims);
	walk(&c, pages, "records", meta.records, &c.records, page_records);
	walk_events(&c, pages);
	compare(&c);
	bar_phase(&bar, NULL, 0, 0);
	tell(ctl, &c, path);
	key_table_clear(&c.keys);
	store_pages_close(pages);
	if (lock >= 0)
		(void)close(lock);
	return findings.bad == 0 ? CTL_OK : CTL_REFUSED;
}
