/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded store: opening, loading, idle work, status and closing. See README.md for the life
 * of a commit.
 */
#include "broker/store/sqlite_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "broker/base/check.h"
#include "broker/base/log.h"

enum {
	CACHE_BYTES_DEFAULT = 16 << 20,
	WAL_BYTES_DEFAULT = 64 << 20,
	WAL_BYTES_MIN = 256 << 10,
	DISK_RESERVE_BYTES_DEFAULT = 64 << 20, /* a full WAL fits into it */
};

static const char *const statements[STMT__COUNT] = {
    [STMT_BEGIN] = "BEGIN IMMEDIATE",
    [STMT_COMMIT] = "COMMIT",
    [STMT_ROLLBACK] = "ROLLBACK",
    [STMT_LOG_INSERT] = "INSERT INTO log(seq, row) VALUES(?, ?)",
    [STMT_LOG_AT] = "SELECT seq, row FROM log WHERE seq <= ? ORDER BY seq DESC LIMIT 1",
    [STMT_RECORD_GET] = "SELECT row FROM record WHERE id = ?",
    [STMT_RECORD_PUT] = "REPLACE INTO record(id, row) VALUES(?, ?)",
    [STMT_CLAIM_GET] = "SELECT row FROM claim WHERE claim = ?",
    [STMT_CLAIM_PUT] = "REPLACE INTO claim(claim, row) VALUES(?, ?)",
    [STMT_PAYMENT_GET] = "SELECT row FROM payment WHERE key = ? AND payment = ?",
    [STMT_PAYMENT_PUT] = "REPLACE INTO payment(key, payment, row) VALUES(?, ?, ?)",
    [STMT_META_PUT] = "UPDATE meta SET row = ? WHERE id = 1",
};

int64_t
sqlite_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
op_load(struct store *base, const struct store_key *key, store_load_fn *done, void *ctx)
{
	struct cache_entry *e;
	enum cs_err err = sqlite_record((struct store_sqlite *)base, key, &e);
	struct store_record record;

	if (err != CS_OK) {
		done(ctx, err, NULL);
		return;
	}
	record = (struct store_record){e->revision, cache_hot(e), cache_cold(e)};
	/*
	 * A commit made by the completion puts another entry in its place; this one lives until the
	 * flush.
	 */
	e->pins++;
	done(ctx, CS_OK, &record);
	e->pins--;
}

static bool
op_idle(struct store *base, int64_t budget_us)
{
	struct store_sqlite *s = (struct store_sqlite *)base;
	bool more = false;

	if (s->turn.pending_n > 0)
		return true;
	turn_rest(s);
	more = fold_idle(s, sqlite_now_us() + budget_us);
	cache_trim(&s->cache);
	return checkpoint_turn(s) || more;
}

static uint64_t
file_bytes(const char *path, const char *suffix)
{
	char *name = sqlite3_mprintf("%s%s", path, suffix);
	struct stat st;
	uint64_t n;

	CHECK(name != NULL);
	n = stat(name, &st) == 0 ? (uint64_t)st.st_size : 0;
	sqlite3_free(name);
	return n;
}

static void
op_status(struct store *base, struct store_status *out)
{
	struct store_sqlite *s = (struct store_sqlite *)base;

	sqlite_disk_check(s);
	out->records = s->records;
	out->log_first = s->log_durable == 0 ? 0 : 1;
	out->log_last = s->log_durable;
	out->folded = s->folded;
	out->cache_bytes = s->cache.bytes;
	out->cache_records = s->cache.records;
	out->dirty_records = s->cache.dirty_records;
	out->wal_bytes = file_bytes(s->path, "-wal");
	out->db_bytes = file_bytes(s->path, "");
	out->disk_free_bytes = s->disk_free_bytes;
	out->narrow_only = s->disk_low || s->wal_stuck;
	snprintf(out->detail, sizeof(out->detail), "%s",
	    s->wal_stuck  ? "the WAL is full and another reader holds it: end that reader"
	    : s->disk_low ? "the disk is nearly full: make room"
			  : "");
}

static void
destroy(struct store_sqlite *s)
{
	checkpoint_stop(s);
	cache_clear(&s->cache);
	turn_clear(s);
	bytes_clear(&s->scratch);
	free(s->fold.done);
	sqlite_file_close(s);
	store_clear(&s->base);
	free(s);
}

static void
op_close(struct store *base)
{
	struct store_sqlite *s = (struct store_sqlite *)base;
	struct record_meta meta;

	turn_flush(base);
	/* Completions of that flush may have committed once more: those are answered, not written.
	 */
	while (s->turn.pending_n > 0) {
		turn_fail(s, SQLITE_ABORT);
		turn_flush(base);
	}
	if (fold_all(s) == CS_OK) {
		meta =
		    (struct record_meta){.folded = s->folded, .records = s->records, .clean = true};
		if (sqlite_meta_write(s, &meta) != SQLITE_OK)
			log_warn("store not marked as cleanly closed reason=\"%s\"",
			    sqlite3_errmsg(s->db));
	}
	destroy(s);
}

static const struct store_ops ops = {
    .kind = "sqlite",
    .load = op_load,
    .commit = turn_commit,
    .find = claim_find,
    .find_payment = payment_find,
    .scan = log_scan,
    .flush = turn_flush,
    .idle = op_idle,
    .status = op_status,
    .close = op_close,
};

static int
wal_grew(void *ctx, sqlite3 *db, const char *name, int frames)
{
	struct store_sqlite *s = ctx;

	(void)db;
	(void)name;
	s->wal_frames = (uint64_t)frames;
	return SQLITE_OK;
}

static int
prepare_all(struct store_sqlite *s)
{
	char limit[64];
	int rc = SQLITE_OK;

	for (int i = 0; i < STMT__COUNT && rc == SQLITE_OK; i++)
		rc = sqlite3_prepare_v3(
		    s->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &s->stmt[i], NULL);
	snprintf(limit, sizeof(limit), "PRAGMA journal_size_limit=%llu",
	    (unsigned long long)s->wal_max_bytes);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(s->db, limit, NULL, NULL, NULL);
	sqlite3_wal_hook(s->db, wal_grew, s);
	return rc;
}

static void
apply_options(struct store_sqlite *s, const struct store_sqlite_options *o)
{
	cache_init(&s->cache, o->cache_bytes != 0 ? o->cache_bytes : CACHE_BYTES_DEFAULT);
	bytes_init(&s->turn.row, ROW_BYTES_MAX + RECORD_FRAME_MAX);
	bytes_init(&s->scratch, RECORD_SNAPSHOT_MAX);
	s->wal_max_bytes = o->wal_max_bytes != 0 ? o->wal_max_bytes : WAL_BYTES_DEFAULT;
	if (s->wal_max_bytes < WAL_BYTES_MIN)
		s->wal_max_bytes = WAL_BYTES_MIN;
	s->disk_reserve_bytes =
	    o->disk_reserve_bytes != 0 ? o->disk_reserve_bytes : DISK_RESERVE_BYTES_DEFAULT;
	s->replay = o->replay;
	s->replay_ctx = o->replay_ctx;
	s->lock_fd = -1;
}

/* Everything after the file is there: from here on this process is its only writer. */
static enum cs_err
start(struct store_sqlite *s, char *why)
{
	struct record_meta meta;
	enum cs_err err = sqlite_meta_read(s, &meta, why);

	if (err == CS_OK && !meta.clean)
		err = sqlite_quick_check(s, why);
	if (err != CS_OK)
		return err;
	s->folded = meta.folded;
	s->records = meta.records;
	snprintf(why, WHY_MAX, "cannot read the log of %s: restore it from a backup", s->path);
	if (prepare_all(s) != SQLITE_OK)
		return CS_ERR_CORRUPT;
	err = log_bounds(s);
	if (err != CS_OK)
		return err;
	meta.clean = false;
	if (sqlite_meta_write(s, &meta) != SQLITE_OK) {
		snprintf(why, WHY_MAX, "cannot write %s: %s", s->path, sqlite3_errmsg(s->db));
		return CS_ERR_SYSTEM;
	}
	err = log_replay(s, why);
	if (err != CS_OK)
		return err;
	sqlite_disk_check(s);
	snprintf(why, WHY_MAX, "cannot start the checkpoint thread of %s", s->path);
	return checkpoint_start(s);
}

enum cs_err
store_sqlite_open(const struct store_sqlite_options *options, struct store **out, char why[256])
{
	struct store_sqlite *s = calloc(1, sizeof(*s));
	char said[WHY_MAX] = "";
	enum cs_err err;

	CHECK(s != NULL && options->path != NULL);
	store_init(&s->base, &ops);
	apply_options(s, options);
	err = sqlite_file_open(s, options->path, said);
	if (err == CS_OK)
		err = start(s, said);
	if (err != CS_OK) {
		memcpy(why, said, WHY_MAX);
		destroy(s);
		return err;
	}
	*out = &s->base;
	return CS_OK;
}
