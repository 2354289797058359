/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A turn: commits are taken into the cache and gathered as frames; the flush writes them as rows of
 * the log, some snapshots with them, and commits. Whatever fails before that is taken back as a
 * whole: the cache then holds what it held when the turn began.
 */
#include "broker/store/sqlite_int.h"

#include <stdlib.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/log.h"

enum {
	DISK_CHECK_FLUSHES = 64,
	ID_PROBES_MAX = 8, /* keys that share their first 64 bits: more than two will not be seen */
	EXIT_UNKNOWN = 75, /* EX_TEMPFAIL: the parent starts another engine, whose replay decides */
};

int
sqlite_run(sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);
	int again = sqlite3_reset(stmt);

	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : again != SQLITE_OK ? again : rc;
}

enum cs_err
sqlite_err(int rc)
{
	rc &= 0xff;
	CHECK(rc != SQLITE_NOMEM && rc != SQLITE_MISUSE);
	switch (rc) {
	case SQLITE_OK:
		return CS_OK;
	case SQLITE_FULL:
		return CS_ERR_FULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return CS_ERR_CORRUPT;
	default:
		return CS_ERR_UNAVAILABLE;
	}
}

void *
sqlite_room(void *array, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return array;
	*cap = *cap == 0 ? 64 : *cap * 2;
	array = realloc(array, *cap * size);
	CHECK(array != NULL);
	return array;
}

/*
 * The row with this id as a cache entry. CS_ERR_NOT_FOUND: no row; CS_ERR_CONFLICT: a row of
 * another key.
 */
static enum cs_err
row_read(struct store_sqlite *s, uint64_t id, const struct store_key *key, struct cache_entry **out)
{
	sqlite3_stmt *stmt = s->stmt[STMT_RECORD_GET];
	struct record_snapshot r;
	enum cs_err err = CS_ERR_NOT_FOUND;
	int rc;

	sqlite3_bind_int64(stmt, 1, (int64_t)id);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		const void *blob = sqlite3_column_blob(stmt, 0);

		err = record_get_snapshot(view_of(blob, (size_t)sqlite3_column_bytes(stmt, 0)), &r);
		if (err == CS_OK && memcmp(r.key.b, key->b, sizeof(r.key.b)) != 0)
			err = CS_ERR_CONFLICT;
		else if (err == CS_ERR_VERSION)
			err = CS_ERR_CORRUPT;
	} else if (rc != SQLITE_DONE) {
		err = sqlite_err(rc);
	}
	if (err == CS_OK) {
		*out = cache_entry_new(key, r.revision, r.hot, r.cold);
		(*out)->last_seq = r.last_seq;
		(*out)->row_id = id;
		(*out)->has_row = true;
	}
	sqlite3_reset(stmt);
	return err;
}

uint64_t
sqlite_first_id(const struct store_key *key)
{
	uint64_t id = 0;

	for (int i = 0; i < 8; i++)
		id = id << 8 | key->b[i];
	return id;
}

enum cs_err
sqlite_row_find(
    struct store_sqlite *s, const struct store_key *key, uint64_t *id, struct cache_entry **e)
{
	enum cs_err err = CS_ERR_CONFLICT;

	*id = sqlite_first_id(key);
	for (int i = 0; i < ID_PROBES_MAX; i++, ++*id) {
		err = row_read(s, *id, key, e);
		if (err != CS_ERR_CONFLICT)
			return err;
	}
	return CS_ERR_CORRUPT;
}

enum cs_err
sqlite_record(struct store_sqlite *s, const struct store_key *key, struct cache_entry **e)
{
	struct cache_entry *found = cache_get(&s->cache, key);
	uint64_t id;
	enum cs_err err = CS_OK;

	if (found == NULL) {
		/*
		 * Outside a transaction every read would lock and unlock the WAL's index; where it
		 * fails, that does.
		 */
		(void)turn_begin(s);
		err = sqlite_row_find(s, key, &id, &found);
		if (err == CS_OK) {
			CHECK(cache_put(&s->cache, found) == NULL);
			found->pins++;
			cache_trim(&s->cache);
			found->pins--;
		}
	}
	*e = err == CS_OK ? found : NULL;
	return err;
}

static void
undo_push(struct turn *t, const struct store_key *key, struct cache_entry *before)
{
	t->undo = sqlite_room(t->undo, t->undo_n, &t->undo_cap, sizeof(t->undo[0]));
	t->undo[t->undo_n++] = (struct undo){*key, before};
}

int
turn_begin(struct store_sqlite *s)
{
	int rc = SQLITE_OK;

	/* A failed read may have taken the transaction back behind us. */
	if (s->turn.open && sqlite3_get_autocommit(s->db) != 0)
		return SQLITE_IOERR;
	if (!s->turn.open) {
		rc = sqlite_run(s->stmt[STMT_BEGIN]);
		s->turn.open = rc == SQLITE_OK;
	}
	return rc;
}

/* Newest change first, so that the oldest state stays. */
static void
undo_all(struct store_sqlite *s)
{
	struct turn *t = &s->turn;

	while (t->undo_n > 0) {
		struct undo *u = &t->undo[--t->undo_n];
		struct cache_entry *now = u->before != NULL ? cache_put(&s->cache, u->before)
							    : cache_take(&s->cache, &u->key);

		CHECK(now != NULL);
		if (u->before == NULL)
			s->records--;
		cache_entry_free(now);
	}
}

void
turn_fail(struct store_sqlite *s, int rc)
{
	struct turn *t = &s->turn;

	log_error("store turn taken back commits=%zu reason=\"%s\" errno=%d", t->pending_n,
	    sqlite3_errstr(rc), sqlite3_system_errno(s->db));
	if (sqlite3_get_autocommit(s->db) == 0)
		sqlite_run(s->stmt[STMT_ROLLBACK]);
	CHECK(sqlite3_get_autocommit(s->db) != 0);
	fold_rolled_back(s);
	undo_all(s);
	t->open = false;
	t->wrote = false;
	t->row.buf.len = 0;
	t->row_frames = 0;
	t->failed = sqlite_err(rc);
	s->log_issued = s->log_durable;
	for (size_t i = 0; i < t->pending_n; i++) {
		if (t->pending[i].err == CS_OK)
			t->pending[i].err = t->failed;
	}
	sqlite_disk_check(s);
	s->flushes_to_disk_check = 0;
}

/*
 * The commit frame is the last write before the sync. A write that failed leaves no valid commit
 * frame behind, so nothing happened. Anything else, a failed sync above all, may have happened.
 */
static bool
surely_not_committed(int rc)
{
	static const int sure[] = {
	    SQLITE_FULL, SQLITE_BUSY, SQLITE_LOCKED, SQLITE_READONLY, SQLITE_NOMEM};

	if (rc == SQLITE_IOERR_WRITE || rc == SQLITE_IOERR_READ || rc == SQLITE_IOERR_SHORT_READ)
		return true;
	for (size_t i = 0; i < sizeof(sure) / sizeof(sure[0]); i++) {
		if ((rc & 0xff) == sure[i])
			return true;
	}
	return false;
}

enum cs_err
turn_end(struct store_sqlite *s)
{
	int rc = sqlite_run(s->stmt[STMT_COMMIT]);

	if (rc == SQLITE_OK) {
		s->turn.open = false;
		fold_committed(s);
		return CS_OK;
	}
	rc = sqlite3_extended_errcode(s->db);
	if (!surely_not_committed(rc)) {
		log_error("store commit of unknown fate, exiting so that the log decides code=%d "
			  "reason=\"%s\" errno=%d",
		    rc, sqlite3_errstr(rc), sqlite3_system_errno(s->db));
		_exit(EXIT_UNKNOWN);
	}
	turn_fail(s, rc);
	return s->turn.failed;
}

/*
 * The events become frames and the state a dirty record. Nothing can fail but the writing of a full
 * row.
 */
static int
commit_take(struct store_sqlite *s, const struct store_commit *c, struct cache_entry *old)
{
	struct view cold = c->cold.data == NULL && old != NULL ? cache_cold(old) : c->cold;
	struct cache_entry *e = cache_entry_new(&c->key, c->expected + c->events_n, c->hot, cold);
	uint64_t last = old == NULL ? 0 : old->last_seq;
	int rc = SQLITE_OK;

	for (size_t i = 0; i < c->events_n && rc == SQLITE_OK; i++) {
		uint64_t seq = ++s->log_issued;
		struct record_frame frame = {.key = c->key,
		    .revision = c->expected + i + 1,
		    .back = last == 0 ? 0 : seq - last,
		    .event = c->events[i].event,
		    .extra = c->events[i].extra};

		rc = log_append(s, seq, &frame);
		last = seq;
	}
	e->last_seq = last;
	if (old != NULL) {
		e->row_id = old->row_id;
		e->has_row = old->has_row;
	} else {
		s->records++;
	}
	e->dirty = true;
	undo_push(&s->turn, &c->key, cache_put(&s->cache, e));
	s->turn.wrote = true;
	return rc;
}

static enum cs_err
commit_try(struct store_sqlite *s, const struct store_commit *c)
{
	struct cache_entry *old;
	enum cs_err err;
	int rc = SQLITE_OK;

	if (s->turn.failed != CS_OK)
		return s->turn.failed;
	if ((s->disk_low || s->wal_stuck) && !c->narrows && c->events_n > 0)
		return CS_ERR_FULL;
	err = sqlite_record(s, &c->key, &old);
	if (err != CS_OK && err != CS_ERR_NOT_FOUND)
		return err;
	if ((old == NULL ? 0 : old->revision) != c->expected)
		return CS_ERR_CONFLICT;
	if (c->events_n == 0)
		return CS_OK;
	err = claims_check(s, c);
	if (err != CS_OK)
		return err;
	if (c->claims_n > 0 || c->payments_n > 0)
		rc = turn_begin(s);
	if (rc == SQLITE_OK)
		rc = claims_write(s, c);
	if (rc == SQLITE_OK)
		rc = payments_write(s, c);
	if (rc == SQLITE_OK)
		rc = commit_take(s, c, old);
	if (rc == SQLITE_OK)
		return CS_OK;
	turn_fail(s, rc);
	return s->turn.failed;
}

void
turn_commit(struct store *base, const struct store_commit *c, store_commit_fn *done, void *ctx)
{
	struct store_sqlite *s = (struct store_sqlite *)base;
	struct turn *t = &s->turn;
	enum cs_err err = commit_try(s, c);

	t->pending = sqlite_room(t->pending, t->pending_n, &t->pending_cap, sizeof(t->pending[0]));
	t->pending[t->pending_n++] = (struct pending){done, ctx, err};
}

static void
turn_write(struct store_sqlite *s)
{
	int rc = turn_begin(s);

	if (rc == SQLITE_OK)
		rc = log_write(s);
	if (rc == SQLITE_OK)
		rc = fold_due(s);
	if (rc != SQLITE_OK) {
		turn_fail(s, rc);
		return;
	}
	if (turn_end(s) != CS_OK)
		return;
	s->log_durable = s->log_issued;
	while (s->turn.undo_n > 0)
		cache_entry_free(s->turn.undo[--s->turn.undo_n].before);
	s->turn.wrote = false;
}

void
turn_flush(struct store *base)
{
	struct store_sqlite *s = (struct store_sqlite *)base;
	struct turn *t = &s->turn;
	struct pending *run = t->pending;
	size_t run_n = t->pending_n, run_cap = t->pending_cap;

	if (t->wrote)
		turn_write(s);
	turn_rest(s);
	if (run_n == 0)
		return;
	cache_trim(&s->cache);
	if (s->flushes_to_disk_check++ % DISK_CHECK_FLUSHES == 0 || s->disk_low)
		sqlite_disk_check(s);
	checkpoint_turn(s);

	/* What a completion commits belongs to the next turn. */
	t->failed = CS_OK;
	t->pending = s->completing;
	t->pending_cap = s->completing_cap;
	t->pending_n = 0;
	s->completing = run;
	s->completing_cap = run_cap;
	for (size_t i = 0; i < run_n; i++)
		run[i].done(run[i].ctx, run[i].err);
}

void
turn_rest(struct store_sqlite *s)
{
	if (!s->turn.open)
		return;
	if (sqlite3_get_autocommit(s->db) == 0)
		CHECK(sqlite_run(s->stmt[STMT_ROLLBACK]) == SQLITE_OK);
	s->turn.open = false;
}

void
turn_clear(struct store_sqlite *s)
{
	CHECK(s->turn.undo_n == 0);
	free(s->turn.undo);
	free(s->turn.pending);
	free(s->completing);
	bytes_clear(&s->turn.row);
}
