/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of an embedded store's file, read only: for tools that look at a copy, or beside a broker that runs. It takes
 * no lock of the store and writes nothing into the file; keys and secrets are not needed, as sealed texts stay sealed.
 */
#ifndef CS_STORE_SQLITE_READ_H
#define CS_STORE_SQLITE_READ_H

#include "broker/store/store.h"

struct store_reader;

/* *why as for store_sqlite_open(). CS_ERR_NOT_FOUND, CS_ERR_VERSION, CS_ERR_CORRUPT (it is no store), CS_ERR_SYSTEM. */
enum cs_err store_reader_open(const char *path, struct store_reader **out, char why[256]);
/* The newest sequence number, or 0. */
uint64_t store_reader_last(const struct store_reader *r);
/*
 * The next event, oldest first; borrowed until the next call. CS_ERR_NOT_FOUND at the end; CS_ERR_CORRUPT, CS_ERR_SYSTEM
 * with *why.
 */
enum cs_err store_reader_next(struct store_reader *r, struct store_row *row, char why[256]);
/* Each record's snapshot, in no order: its revision and its encoded state, borrowed. */
typedef void store_snapshot_fn(void *ctx, const struct store_key *key, uint64_t revision, struct view hot);
/* CS_OK after the last; CS_ERR_CORRUPT, CS_ERR_SYSTEM with *why. */
enum cs_err store_reader_snapshots(struct store_reader *r, store_snapshot_fn *fn, void *ctx, char why[256]);
/* Every event up to this one stands in a snapshot; 0 where that is not known. */
uint64_t store_reader_folded(struct store_reader *r);
void store_reader_close(struct store_reader *r);

#endif
