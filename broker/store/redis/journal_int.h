/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the journal: journal.c (puts, syncs, reads, pruning) and journal_file.c (the file, its checks, the members). */
#ifndef CS_STORE_REDIS_JOURNAL_INT_H
#define CS_STORE_REDIS_JOURNAL_INT_H

#include <sqlite3.h>

#include "broker/base/bytes.h"
#include "broker/store/redis/journal_code.h"

enum journal_statement {
	JOURNAL_INSERT,
	JOURNAL_GET,
	JOURNAL_OLDEST,
	JOURNAL_DELETE,
	JOURNAL_HEADS_PUT,
	JOURNAL_MEMBER_PUT,
	JOURNAL_MEMBER_DELETE,
	JOURNAL__STATEMENTS
};

struct journal_row {
	struct bytes bytes;
	uint64_t row;
	size_t entries;
};

struct journal_known {
	char id[JOURNAL_MEMBER_TEXT];
	char name[JOURNAL_NAME_TEXT];
};

struct journal {
	sqlite3 *db;
	sqlite3_stmt *stmt[JOURNAL__STATEMENTS];
	char *path;
	int lock_fd;
	uint64_t bytes_max;
	int64_t keep_ms;
	char member[JOURNAL_MEMBER_TEXT];
	struct journal_known *known; /* by growing id */
	size_t known_n;
	struct journal_heads heads;  /* of what is durable */
	uint64_t heads_row;          /* heads on disk hold all rows up to this one */
	struct journal_head *ahead;  /* with what is gathered; JOURNAL_BUCKETS */
	uint16_t *touched;           /* buckets where ahead differs; twice where put twice */
	size_t touched_n, touched_cap;
	struct journal_row *rows;    /* gathered */
	size_t rows_n, rows_cap, rows_spare;
	size_t gathered;             /* bytes */
	int64_t mono_ms;             /* the caller's clock when heads.time_ms was; -1: not yet known */
	uint64_t oldest_time_ms;     /* of the oldest row, once pruning has looked; 0: unknown */
	int wal_frames;
	uint64_t syncs;
	enum cs_err health;
	int64_t tried_ms;            /* when a full disk was last tried again */
	char why[JOURNAL_WHY_TEXT];
};

/* file: sets why on failure. */
enum cs_err journal_file_open(struct journal *j, const struct store_key *realm, char *why);
void journal_file_close(struct journal *j);
int journal_begin(struct journal *j);
/* Ends the transaction: commits where rc is SQLITE_OK, else takes it back. Returns what came of it. */
int journal_end(struct journal *j, int rc);
int journal_heads_write(struct journal *j);
/* Sets health and why by SQLite's code; a failed sync is for good. */
enum cs_err journal_failed(struct journal *j, int rc);
/* A row's bytes, borrowed until the statement is reset by the next call. CS_ERR_NOT_FOUND. */
enum cs_err journal_row_get(struct journal *j, uint64_t row, struct view *out);
/* Heads take in a row that is durable. */
enum cs_err journal_row_account(struct journal_heads *h, uint64_t row, struct view bytes);

#endif
