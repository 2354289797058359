/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that an embedded store's file holds, page by page: for a copy that is made beside the broker that writes it. Each
 * page is a read of its own, so that no checkpoint of the broker ever waits for this reader, and two pages may show
 * two moments: what one of them was too early for stands in the log after it. Nothing is written.
 */
#ifndef CS_STORE_SQLITE_PAGES_H
#define CS_STORE_SQLITE_PAGES_H

#include "broker/store/record.h"

struct store_pages;

enum { STORE_PAGE_BYTES = 4 << 20 }; /* a page ends after about so much */

/*
 * alone: no broker has it open, and none will before this is closed (see store_pages_lock). *why as for store_sqlite_open().
 * CS_ERR_NOT_FOUND, CS_ERR_VERSION, CS_ERR_CORRUPT (it is no store), CS_ERR_SYSTEM.
 */
enum cs_err store_pages_open(const char *path, bool alone, struct store_pages **out, char why[256]);
void store_pages_close(struct store_pages *p);

/*
 * The lock that a broker holds while it runs: *fd is to be closed by the caller, who then keeps every broker out.
 * CS_ERR_CONFLICT while a broker runs.
 */
enum cs_err store_pages_lock(const char *path, int *fd, char why[256]);

/* Newest event, or 0. */
enum cs_err store_pages_last(struct store_pages *p, uint64_t *seq, char why[256]);
/* Every event up to here stands in a snapshot; how many records there are is an estimate. */
enum cs_err store_pages_meta(struct store_pages *p, struct record_meta *meta, char why[256]);
enum cs_err store_pages_count_claims(struct store_pages *p, uint64_t *n, char why[256]);
enum cs_err store_pages_count_payments(struct store_pages *p, uint64_t *n, char why[256]);

/*
 * Each page gives what comes after *at and moves it on; *at unchanged: there is nothing more. What is given is borrowed
 * until the function returns. All check CRCs: CS_ERR_CORRUPT, CS_ERR_SYSTEM with *why. fn false: the page ends before this
 * one, which the next page gives again.
 */
typedef bool store_pages_event_fn(void *ctx, uint64_t seq, const struct record_frame *frame);
typedef bool store_pages_record_fn(void *ctx, const struct record_snapshot *snapshot);
typedef bool store_pages_claim_fn(void *ctx, const struct record_claim *claim);
typedef bool store_pages_payment_fn(void *ctx, const struct record_payment *payment);

enum cs_err store_pages_events(struct store_pages *p, uint64_t *at, store_pages_event_fn *fn, void *ctx, char why[256]);

/* Where a walk through the records stands: zero before the first. */
struct store_pages_place {
	bool begun;
	int64_t id;
	struct store_key key, payment;
};
/* After a page: there was nothing more. */
bool store_pages_same(const struct store_pages_place *a, const struct store_pages_place *b);
enum cs_err store_pages_records(
    struct store_pages *p, struct store_pages_place *at, store_pages_record_fn *fn, void *ctx, char why[256]);
enum cs_err store_pages_claims(
    struct store_pages *p, struct store_pages_place *at, store_pages_claim_fn *fn, void *ctx, char why[256]);
enum cs_err store_pages_payments(
    struct store_pages *p, struct store_pages_place *at, store_pages_payment_fn *fn, void *ctx, char why[256]);

/* One record's. CS_ERR_NOT_FOUND: it has no snapshot. */
enum cs_err store_pages_record(
    struct store_pages *p, const struct store_key *key, store_pages_record_fn *fn, void *ctx, char why[256]);
/* Whether SQLite itself finds the file whole; CS_ERR_CORRUPT with its words. */
enum cs_err store_pages_integrity(struct store_pages *p, char why[256]);

#endif
