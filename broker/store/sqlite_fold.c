/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folding: dirty records are written as snapshots, in key order, a few with each flush. A run goes
 * once through all keys; what was dirty when it began has then been written, so every event up to
 * the run's mark is in a snapshot.
 */
#include "broker/store/sqlite_int.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"

enum {
	REPLAY_EVENTS_SOFT =
	    64 * 1024, /* a start replays about twice as many at most: some tenths of a second */
	HURRY = 4,     /* snapshots for each dirtied record when the cache is nearly all dirty */
	HURRY_MORE = 64,
	IDLE_STEP = 16,
};

static int
snapshot_put(struct store_sqlite *s, struct cache_entry *e)
{
	sqlite3_stmt *stmt = s->stmt[STMT_RECORD_PUT];
	struct record_snapshot r = {.key = e->key,
	    .revision = e->revision,
	    .last_seq = e->last_seq,
	    .hot = cache_hot(e),
	    .cold = cache_cold(e)};

	s->scratch.buf.len = 0;
	record_put_snapshot(&s->scratch.buf, &r);
	CHECK(!s->scratch.buf.full);
	sqlite3_bind_int64(stmt, 1, (int64_t)e->row_id);
	sqlite3_bind_blob(stmt, 2, s->scratch.buf.data, (int)s->scratch.buf.len, SQLITE_STATIC);
	return sqlite_run(stmt);
}

static int
fold_one(struct store_sqlite *s, struct cache_entry *e)
{
	struct fold *f = &s->fold;
	struct cache_entry *stored = NULL;
	uint64_t id;

	f->done = sqlite_room(f->done, f->done_n, &f->done_cap, sizeof(f->done[0]));
	f->done[f->done_n] = (struct folded){e, !e->has_row};
	if (!e->has_row) {
		enum cs_err err = sqlite_row_find(s, &e->key, &id, &stored);

		cache_entry_free(stored);
		if (err != CS_ERR_NOT_FOUND)
			return err == CS_OK || err == CS_ERR_CORRUPT ? SQLITE_CORRUPT
								     : SQLITE_IOERR;
		e->row_id = id;
		e->has_row = true;
	}
	f->done_n++;
	return snapshot_put(s, e);
}

int
fold_step(struct store_sqlite *s, size_t most)
{
	struct fold *f = &s->fold;
	struct record_meta meta = {.records = s->records};
	int rc = SQLITE_OK;

	if (!f->running) {
		f->running = true;
		f->started = false;
		f->mark = s->log_durable;
	}
	for (; rc == SQLITE_OK && most > 0; most--) {
		struct cache_entry *e = cache_next_dirty(&s->cache, f->started ? &f->at : NULL);

		if (e == NULL) {
			meta.folded = f->mark;
			f->finished = true;
			f->running = false;
			return sqlite_meta_write(s, &meta);
		}
		rc = fold_one(s, e);
		f->at = e->key;
		f->started = true;
	}
	return rc;
}

int
fold_due(struct store_sqlite *s)
{
	size_t dirty = s->cache.dirty_bytes, budget = s->cache.budget;
	size_t changed = s->turn.undo_n;

	/*
	 * The more of the records that share a page are dirty when it is written, the less it
	 * costs: so, late.
	 */
	if (dirty > budget / 8 * 7)
		return fold_step(s, HURRY * changed + HURRY_MORE);
	if (checkpoint_ending(s))
		return SQLITE_OK;
	if (dirty > budget / 4 * 3)
		return fold_step(s, changed + 1);
	if (s->log_issued - s->folded > REPLAY_EVENTS_SOFT)
		return fold_step(s, changed / 2 + 1);
	return SQLITE_OK;
}

void
fold_committed(struct store_sqlite *s)
{
	struct fold *f = &s->fold;

	for (size_t i = 0; i < f->done_n; i++)
		cache_set_dirty(&s->cache, f->done[i].entry, false);
	f->done_n = 0;
	if (f->finished)
		s->folded = f->mark;
	f->finished = false;
}

void
fold_rolled_back(struct store_sqlite *s)
{
	struct fold *f = &s->fold;

	for (size_t i = 0; i < f->done_n; i++) {
		if (f->done[i].fresh)
			f->done[i].entry->has_row = false;
	}
	f->done_n = 0;
	f->finished = false;
	f->running = false;
}

/* One transaction of its own. */
static enum cs_err
fold_some(struct store_sqlite *s, size_t most)
{
	int rc = turn_begin(s);

	if (rc == SQLITE_OK)
		rc = fold_step(s, most);
	if (rc == SQLITE_OK)
		return turn_end(s);
	turn_fail(s, rc);
	return sqlite_err(rc);
}

bool
fold_idle(struct store_sqlite *s, int64_t until_us)
{
	/*
	 * Few dirty records share a page when they are written early, so idle time is not a reason
	 * by itself.
	 */
	while (s->fold.running || s->cache.dirty_bytes > s->cache.budget / 4 ||
	       s->log_durable - s->folded > REPLAY_EVENTS_SOFT / 2) {
		if (sqlite_now_us() >= until_us)
			return true;
		if (fold_some(s, IDLE_STEP) != CS_OK) {
			s->turn.failed = CS_OK;
			return false;
		}
	}
	return false;
}

enum cs_err
fold_all(struct store_sqlite *s)
{
	enum cs_err err = CS_OK;

	while (err == CS_OK && s->folded < s->log_durable)
		err = fold_some(s, SIZE_MAX);
	return err;
}
