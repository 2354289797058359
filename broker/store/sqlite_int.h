/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the embedded store. The files: sqlite.c (open, close, look-ups), sqlite_schema.c (the file
 * and what is checked before it is used), sqlite_turn.c (commits and the flush), sqlite_log.c (rows
 * of the log, scan, replay), sqlite_fold.c (snapshots), sqlite_claim.c (link keys, old payments),
 * sqlite_checkpoint.c (the helper thread), sqlite_vfs.c (fewer writes to the WAL).
 */
#ifndef CS_STORE_SQLITE_INT_H
#define CS_STORE_SQLITE_INT_H

#include <sqlite3.h>

#include "broker/base/bytes.h"
#include "broker/store/cache.h"
#include "broker/store/record.h"
#include "broker/store/sqlite.h"

enum {
	/* Frames gathered before they are written as one row: small enough that a scan's step is
	   short. */
	ROW_FRAMES_MAX = 64,
	ROW_BYTES_MAX = 64 * 1024,
	WHY_MAX = 256,
	PAGE_BYTES = 4096,
	WAL_FRAME_HEAD_BYTES = 24,
	APPLICATION_ID = 0x43735331, /* "CsS1" */
	SCHEMA_VERSION = 1,
};

enum statement {
	STMT_BEGIN,
	STMT_COMMIT,
	STMT_ROLLBACK,
	STMT_LOG_INSERT,
	STMT_LOG_AT,
	STMT_RECORD_GET,
	STMT_RECORD_PUT,
	STMT_CLAIM_GET,
	STMT_CLAIM_PUT,
	STMT_PAYMENT_GET,
	STMT_PAYMENT_PUT,
	STMT_META_PUT,
	STMT__COUNT
};

struct pending {
	store_commit_fn *done;
	void *ctx;
	enum cs_err err;
};

/* What a record was before this turn changed it: NULL where there was none in the cache or on disk.
 */
struct undo {
	struct store_key key;
	struct cache_entry *before;
};

/* From the first commit after a flush to the end of the next flush. */
struct turn {
	struct pending *pending;
	size_t pending_n, pending_cap;
	struct undo *undo;
	size_t undo_n, undo_cap;
	struct bytes row;   /* frames not yet written */
	uint64_t row_first; /* sequence number of the first of them */
	size_t row_frames;
	bool open;	    /* a transaction is open */
	bool wrote;	    /* something is to be committed */
	enum cs_err failed; /* the turn was taken back; every later commit in it gets this */
};

struct fold {
	bool running;
	struct store_key at; /* the last one folded */
	bool started;	     /* `at` is set */
	uint64_t mark;	     /* what `folded` becomes when the run is through */
	struct folded {
		struct cache_entry *entry;
		bool fresh; /* it had no row before */
	} * done;	    /* folded in the open transaction: clean once it is committed */
	size_t done_n, done_cap;
	bool finished; /* the mark was written in the open transaction */
};

struct checkpointer;

struct store_sqlite {
	struct store base;
	sqlite3 *db;
	sqlite3_stmt *stmt[STMT__COUNT];
	int lock_fd;
	char *path;
	struct cache cache;
	struct turn turn;
	struct pending *completing; /* the other half of turn.pending, swapped in flush */
	size_t completing_cap;
	struct fold fold;
	struct bytes scratch; /* one encoded record */
	uint64_t folded;      /* durable */
	uint64_t log_issued;  /* last sequence number given to an event */
	uint64_t log_durable; /* last one that a finished flush wrote */
	uint64_t records;
	uint64_t wal_frames, wal_max_bytes;
	struct checkpointer *checkpointer;
	uint64_t disk_reserve_bytes, disk_free_bytes;
	unsigned flushes_to_disk_check;
	bool disk_low, wal_stuck;
	store_replay_fn *replay;
	void *replay_ctx;
};

/* schema: sets *why on failure. */
/* Takes the lock beside the file; *fd holds it until it is closed, and is set on failure too (-1: nothing to close). */
enum cs_err sqlite_path_lock(const char *path, int *fd, char *why);
/* Makes the file where it is absent; refuses what others could have put there or could read. */
enum cs_err sqlite_path_check(const char *path, char *why);
enum cs_err sqlite_file_open(struct store_sqlite *s, const char *path, char *why);
void sqlite_file_close(struct store_sqlite *s);
/*
 * A connection with this store's settings; the checkpoint thread's too, whose vfs is NULL. SQLite's
 * result code.
 */
int sqlite_connect(const char *path, const char *vfs, sqlite3 **db);
/*
 * sqlite_uri.c. For reading alone; freed by sqlite3_free(). alone: nobody has it open, so that without a WAL it is read as what it
 * is: SQLite would make files beside it otherwise.
 */
char *sqlite_uri(const char *path, bool alone);
/* Reads the mark; says whether the last close was orderly. */
enum cs_err sqlite_meta_read(struct store_sqlite *s, struct record_meta *meta, char *why);
int sqlite_meta_write(struct store_sqlite *s, const struct record_meta *meta);
enum cs_err sqlite_quick_check(struct store_sqlite *s, char *why);
/* Refreshes disk_free_bytes and disk_low. */
void sqlite_disk_check(struct store_sqlite *s);

/* vfs: the name of the layer that writes the WAL in few calls. */
const char *sqlite_gathering_vfs(void);
struct wal_ahead;
/* Of the engine's own connection, whose WAL is open; borrowed until it closes. NULL where it has none. */
struct wal_ahead *wal_ahead_of(sqlite3 *db);
/* Up to here the WAL has been written, with zeros at the end. */
uint64_t wal_ahead_end(const struct wal_ahead *a);
/*
 * Adds some zeros, to that length at most, and syncs them, through a descriptor of the caller's own; by
 * any one thread beside the writer. False where the disk takes no more.
 */
bool wal_ahead_grow(struct wal_ahead *a, int fd, uint64_t to);

/* turn: */
void turn_commit(
    struct store *base, const struct store_commit *c, store_commit_fn *done, void *ctx);
void turn_flush(struct store *base);
/*
 * Opens the transaction where it is not yet. SQLite's result code, as from all below that return
 * int.
 */
int turn_begin(struct store_sqlite *s);
/* Ends the transaction; takes everything back, and returns what to answer, where it failed. */
enum cs_err turn_end(struct store_sqlite *s);
/* Takes the turn back after a statement failed with rc. */
void turn_fail(struct store_sqlite *s, int rc);
/* Ends a transaction that only read. */
void turn_rest(struct store_sqlite *s);
void turn_clear(struct store_sqlite *s);
/*
 * The record's entry from the cache or the disk; *e NULL with CS_ERR_NOT_FOUND. Never leaves the
 * budget for long.
 */
enum cs_err sqlite_record(
    struct store_sqlite *s, const struct store_key *key, struct cache_entry **e);
/*
 * The record's snapshot as a new entry, past the cache; on CS_ERR_NOT_FOUND *id is where it
 * belongs.
 */
enum cs_err sqlite_row_find(
    struct store_sqlite *s, const struct store_key *key, uint64_t *id, struct cache_entry **e);
uint64_t sqlite_first_id(const struct store_key *key);

/* log: */
int log_append(struct store_sqlite *s, uint64_t seq, const struct record_frame *frame);
/* Writes the gathered frames. */
int log_write(struct store_sqlite *s);
enum cs_err log_bounds(struct store_sqlite *s);
enum cs_err log_replay(struct store_sqlite *s, char *why);
void log_scan(struct store *base, const struct store_scan *scan, store_row_fn *row,
    store_scan_fn *done, void *ctx);

/* fold: */
/* Writes at most `most` snapshots into the open transaction. */
int fold_step(struct store_sqlite *s, size_t most);
/* As many as the cache's budget asks for. */
int fold_due(struct store_sqlite *s);
/* The transaction was committed, or taken back. */
void fold_committed(struct store_sqlite *s);
void fold_rolled_back(struct store_sqlite *s);
/* Between turns, in transactions of its own, until `until_us`; returns whether more is waiting. */
bool fold_idle(struct store_sqlite *s, int64_t until_us);
enum cs_err fold_all(struct store_sqlite *s);

/* claim: */
enum cs_err claims_check(struct store_sqlite *s, const struct store_commit *c);
int claims_write(struct store_sqlite *s, const struct store_commit *c);
void claim_find(struct store *base, const struct store_key *claim, store_find_fn *done, void *ctx);
int payments_write(struct store_sqlite *s, const struct store_commit *c);
void payment_find(struct store *base, const struct store_key *key, const struct store_key *payment,
    store_payment_fn *done, void *ctx);

/* checkpoint: */
enum cs_err checkpoint_start(struct store_sqlite *s);
void checkpoint_stop(struct store_sqlite *s);
/*
 * After a flush or in idle: asks the helper, or ends its work. Returns whether the WAL is longer
 * than it should be.
 */
bool checkpoint_turn(struct store_sqlite *s);
/*
 * The thread is moving the last frames: scattered pages written now would hold up the loop at the
 * end.
 */
bool checkpoint_ending(const struct store_sqlite *s);

/* What a caller is told of SQLite's result code; out of memory ends the process. */
enum cs_err sqlite_err(int rc);
/* Steps a statement that gives no row, and resets it. */
int sqlite_run(sqlite3_stmt *stmt);
int64_t sqlite_now_us(void);
/* Room for one more element of `size` bytes after n of them. */
void *sqlite_room(void *array, size_t n, size_t *cap, size_t size);

#endif
