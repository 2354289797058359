/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: frames gathered into rows, rows read back, scans, and the replay of what no snapshot
 * holds yet.
 */
#include "broker/store/sqlite_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"

enum {
	SCAN_ROWS_MAX = 4096,	/* one scan gives no more, so that the loop goes on */
	REPLAY_FOLD_STEP = 256, /* snapshots in one transaction of the replay */
};

/* A row of the log, copied, so that no statement is open while a callback runs. */
struct log_row {
	struct bytes bytes;
	uint64_t first; /* sequence number of the frame at `at` */
	struct cursor at;
};

int
log_append(struct store_sqlite *s, uint64_t seq, const struct record_frame *frame)
{
	struct turn *t = &s->turn;

	if (t->row_frames == 0)
		t->row_first = seq;
	record_put_frame(&t->row.buf, seq, frame);
	CHECK(!t->row.buf.full);
	t->row_frames++;
	if (t->row_frames < ROW_FRAMES_MAX && t->row.buf.len < ROW_BYTES_MAX)
		return SQLITE_OK;
	return log_write(s);
}

int
log_write(struct store_sqlite *s)
{
	struct turn *t = &s->turn;
	sqlite3_stmt *stmt = s->stmt[STMT_LOG_INSERT];
	int rc;

	if (t->row_frames == 0)
		return SQLITE_OK;
	rc = turn_begin(s);
	if (rc != SQLITE_OK)
		return rc;
	sqlite3_bind_int64(stmt, 1, (int64_t)t->row_first);
	sqlite3_bind_blob(stmt, 2, t->row.buf.data, (int)t->row.buf.len, SQLITE_STATIC);
	rc = sqlite_run(stmt);
	t->row.buf.len = 0;
	t->row_frames = 0;
	return rc;
}

/* The row that holds seq, or the last one before it. CS_ERR_NOT_FOUND: there is none. */
static enum cs_err
row_read(struct store_sqlite *s, uint64_t seq, struct log_row *row)
{
	sqlite3_stmt *stmt = s->stmt[STMT_LOG_AT];
	enum cs_err err = CS_ERR_NOT_FOUND;
	int rc;

	row->bytes.buf.len = 0;
	sqlite3_bind_int64(stmt, 1, (int64_t)seq);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		const void *blob = sqlite3_column_blob(stmt, 1);
		size_t len = (size_t)sqlite3_column_bytes(stmt, 1);

		row->first = (uint64_t)sqlite3_column_int64(stmt, 0);
		buf_put(&row->bytes.buf, blob, len);
		err = row->bytes.buf.full || len == 0 ? CS_ERR_CORRUPT : CS_OK;
		row->at = (struct cursor){row->bytes.buf.data, row->bytes.buf.data + len, false};
	} else if (rc != SQLITE_DONE) {
		err = sqlite_err(rc);
	}
	sqlite3_reset(stmt);
	return err;
}

/* Next frame of the row; CS_ERR_NOT_FOUND at its end. */
static enum cs_err
row_next(struct log_row *row, uint64_t *seq, struct record_frame *frame)
{
	enum cs_err err;

	if (row->at.at == row->at.end)
		return CS_ERR_NOT_FOUND;
	err = record_get_frame(&row->at, row->first, frame);
	if (err == CS_OK)
		*seq = row->first++;
	return err == CS_ERR_VERSION ? CS_ERR_CORRUPT : err;
}

/* The frame of exactly this sequence number. */
static enum cs_err
row_seek(struct store_sqlite *s, uint64_t seq, struct log_row *row, struct record_frame *frame)
{
	uint64_t at = 0;
	enum cs_err err = row_read(s, seq, row);

	while (err == CS_OK && at != seq)
		err = row_next(row, &at, frame);
	return err == CS_ERR_NOT_FOUND ? CS_ERR_CORRUPT : err;
}

static void
row_init(struct log_row *row)
{
	*row = (struct log_row){0};
	bytes_init(&row->bytes, ROW_BYTES_MAX + RECORD_FRAME_MAX);
}

enum cs_err
log_bounds(struct store_sqlite *s)
{
	struct log_row row;
	struct record_frame frame;
	uint64_t last = 0;
	enum cs_err err;

	row_init(&row);
	err = row_read(s, INT64_MAX, &row);
	if (err == CS_OK) {
		while ((err = row_next(&row, &last, &frame)) == CS_OK)
			;
	}
	bytes_clear(&row.bytes);
	if (err != CS_ERR_NOT_FOUND)
		return err;
	s->log_issued = s->log_durable = last;
	return CS_OK;
}

/* The state after the frame takes the place of the state before it. */
static enum cs_err
replay_frame(struct store_sqlite *s, uint64_t seq, const struct record_frame *frame,
    struct buf *hot, struct buf *cold)
{
	struct cache_entry *old, *e;
	uint64_t revision;
	enum cs_err err = sqlite_record(s, &frame->key, &old);

	if (err != CS_OK && err != CS_ERR_NOT_FOUND)
		return err;
	revision = old == NULL ? 0 : old->revision;
	if (frame->revision <= revision)
		return CS_OK;
	if (frame->revision != revision + 1 || s->replay == NULL)
		return CS_ERR_CORRUPT;
	hot->len = cold->len = 0;
	if (old != NULL) {
		buf_put_view(hot, cache_hot(old));
		buf_put_view(cold, cache_cold(old));
	}
	err = s->replay(
	    s->replay_ctx, &frame->key, frame->revision, hot, cold, frame->event, frame->extra);
	if (err != CS_OK || hot->full || cold->full)
		return err == CS_OK ? CS_ERR_CORRUPT : err;
	e = cache_entry_new(&frame->key, frame->revision, buf_view(hot), buf_view(cold));
	e->last_seq = seq;
	e->row_id = old == NULL ? 0 : old->row_id;
	e->has_row = old != NULL && old->has_row;
	e->dirty = true;
	if (old == NULL)
		s->records++;
	cache_entry_free(cache_put(&s->cache, e));
	return CS_OK;
}

/* Snapshots leave the cache while the replay runs, as they do in a turn. */
static enum cs_err
replay_fold(struct store_sqlite *s)
{
	enum cs_err err = CS_OK;

	while (err == CS_OK && s->cache.dirty_bytes > s->cache.budget / 2) {
		int rc = turn_begin(s);

		if (rc == SQLITE_OK)
			rc = fold_step(s, REPLAY_FOLD_STEP);
		if (rc != SQLITE_OK) {
			turn_fail(s, rc);
			return sqlite_err(rc);
		}
		err = turn_end(s);
	}
	cache_trim(&s->cache);
	return err;
}

static enum cs_err
replay_row(
    struct store_sqlite *s, struct log_row *row, uint64_t *seq, struct buf *hot, struct buf *cold)
{
	struct record_frame frame;
	uint64_t at;
	enum cs_err err;

	while ((err = row_next(row, &at, &frame)) == CS_OK) {
		if (at < *seq)
			continue;
		if (at != *seq)
			return CS_ERR_CORRUPT;
		err = replay_frame(s, at, &frame, hot, cold);
		if (err != CS_OK)
			return err;
		/* A run of folding that begins now covers what has been replayed, and no more. */
		s->log_durable = at;
		*seq = at + 1;
	}
	return err == CS_ERR_NOT_FOUND ? CS_OK : err;
}

enum cs_err
log_replay(struct store_sqlite *s, char *why)
{
	uint64_t seq = s->folded + 1, last = s->log_issued;
	uint8_t *memory = malloc(STORE_HOT_MAX + STORE_COLD_MAX);
	struct log_row row;
	enum cs_err err = s->folded > last ? CS_ERR_CORRUPT : CS_OK;

	CHECK(memory != NULL);
	row_init(&row);
	while (err == CS_OK && seq <= last) {
		struct buf hot = buf_over(memory, STORE_HOT_MAX);
		struct buf cold = buf_over(memory + STORE_HOT_MAX, STORE_COLD_MAX);
		uint64_t before = seq;

		err = row_read(s, seq, &row);
		if (err == CS_OK)
			err = replay_row(s, &row, &seq, &hot, &cold);
		if (err == CS_OK && seq == before)
			err = CS_ERR_CORRUPT;
		if (err == CS_OK)
			err = replay_fold(s);
	}
	turn_rest(s);
	bytes_clear(&row.bytes);
	free(memory);
	if (err == CS_OK) {
		s->log_durable = last;
		log_at(last > s->folded ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG,
		    "store replayed events=%llu last=%llu", (unsigned long long)(last - s->folded),
		    (unsigned long long)last);
	} else {
		snprintf(why, WHY_MAX,
		    "%s: replay of the log stopped at event %llu (%s): restore it from a backup, "
		    "or "
		    "start the program version that wrote it",
		    s->path, (unsigned long long)seq, cs_err_name(err));
	}
	return err;
}

static bool
give(
    struct store_row *out, uint64_t seq, const struct record_frame *f, store_row_fn *row, void *ctx)
{
	*out = (struct store_row){seq, f->key, f->revision, f->event, f->extra};
	return row(ctx, out);
}

static enum cs_err
scan_all(
    struct store_sqlite *s, uint64_t limit, uint64_t *next, store_row_fn *row, void *ctx)
{
	uint64_t last = s->log_durable;
	struct log_row r;
	enum cs_err err = CS_OK;
	bool more = true;

	row_init(&r);
	while (err == CS_OK && more && limit > 0 && *next < last) {
		struct record_frame frame;
		struct store_row out;
		uint64_t before = *next;

		err = row_read(s, *next + 1, &r);
		while (err == CS_OK && more && limit > 0 && *next < last) {
			uint64_t seq = 0;

			err = row_next(&r, &seq, &frame);
			/* Also where the row that should follow is gone, and this is the one before it again. */
			if (err != CS_OK || seq <= *next)
				continue;
			*next = seq;
			limit--;
			more = give(&out, seq, &frame, row, ctx);
		}
		err = err == CS_ERR_NOT_FOUND && *next > before ? CS_OK : err;
	}
	bytes_clear(&r.bytes);
	return err == CS_ERR_NOT_FOUND ? CS_ERR_CORRUPT : err;
}

/* The newest durable event of the record; 0 where it has none. */
static enum cs_err
newest_of(struct store_sqlite *s, const struct store_key *key, uint64_t *seq)
{
	struct cache_entry *e;
	enum cs_err err;

	for (size_t i = 0; i < s->turn.undo_n; i++) {
		const struct undo *u = &s->turn.undo[i];

		if (memcmp(u->key.b, key->b, sizeof(key->b)) == 0) {
			*seq = u->before == NULL ? 0 : u->before->last_seq;
			return CS_OK;
		}
	}
	err = sqlite_record(s, key, &e);
	if (err == CS_OK)
		*seq = e->last_seq;
	else if (err == CS_ERR_NOT_FOUND)
		*seq = 0;
	return err == CS_ERR_NOT_FOUND ? CS_OK : err;
}

/*
 * Back along the record's own chain, keeping the oldest `limit` after scan->after; then forward
 * over those.
 */
static enum cs_err
scan_one(struct store_sqlite *s, const struct store_scan *scan, uint64_t limit, uint64_t *next,
    store_row_fn *row, void *ctx)
{
	uint64_t *ring = calloc(limit, sizeof(ring[0]));
	uint64_t last = s->log_durable, seq = 0, n = 0;
	struct record_frame frame;
	struct store_row out;
	struct log_row r;
	bool more = true;
	enum cs_err err = newest_of(s, scan->key, &seq);

	CHECK(ring != NULL);
	row_init(&r);
	while (err == CS_OK && seq > scan->after) {
		ring[n++ % limit] = seq;
		err = row_seek(s, seq, &r, &frame);
		if (err == CS_OK && memcmp(frame.key.b, scan->key->b, sizeof(frame.key.b)) != 0)
			err = CS_ERR_CORRUPT;
		seq = err == CS_OK && frame.back > 0 ? seq - frame.back : 0;
	}
	for (uint64_t kept = n < limit ? n : limit; err == CS_OK && more && kept > 0; kept--) {
		seq = ring[--n % limit];
		err = row_seek(s, seq, &r, &frame);
		if (err != CS_OK)
			break;
		*next = seq;
		more = give(&out, seq, &frame, row, ctx);
		if (more && kept == 1 && n == 0)
			*next = last;
	}
	bytes_clear(&r.bytes);
	free(ring);
	return err;
}

/* Where a scan back begins: the row before scan->after, which is this record's own, or its newest. 0: nowhere. */
static enum cs_err
back_from(struct store_sqlite *s, const struct store_scan *scan, struct log_row *r, uint64_t *seq)
{
	struct record_frame frame;
	enum cs_err err;

	*seq = 0;
	if (scan->after == 0)
		return newest_of(s, scan->key, seq);
	if (scan->after > s->log_durable)
		return CS_OK;
	err = row_seek(s, scan->after, r, &frame);
	if (err == CS_OK && frame.back > 0 && memcmp(frame.key.b, scan->key->b, sizeof(frame.key.b)) == 0)
		*seq = scan->after - frame.back;
	return err == CS_ERR_NOT_FOUND ? CS_OK : err;
}

/* Back along the record's own chain, each row as it comes. */
static enum cs_err
scan_back(struct store_sqlite *s, const struct store_scan *scan, uint64_t limit, uint64_t *next, store_row_fn *row,
    void *ctx)
{
	struct record_frame frame;
	struct store_row out;
	struct log_row r;
	uint64_t seq;
	bool more = true;
	enum cs_err err;

	row_init(&r);
	err = back_from(s, scan, &r, &seq);
	*next = 0;
	while (err == CS_OK && more && limit > 0 && seq > 0) {
		err = row_seek(s, seq, &r, &frame);
		if (err == CS_OK && memcmp(frame.key.b, scan->key->b, sizeof(frame.key.b)) != 0)
			err = CS_ERR_CORRUPT;
		if (err != CS_OK)
			break;
		*next = frame.back > 0 ? seq : 0;
		limit--;
		more = give(&out, seq, &frame, row, ctx);
		seq = frame.back > 0 ? seq - frame.back : 0;
	}
	bytes_clear(&r.bytes);
	return err;
}

void
log_scan(struct store *base, const struct store_scan *scan, store_row_fn *row, store_scan_fn *done,
    void *ctx)
{
	struct store_sqlite *s = (struct store_sqlite *)base;
	uint64_t limit = scan->limit < SCAN_ROWS_MAX ? scan->limit : SCAN_ROWS_MAX;
	uint64_t next = scan->after;
	enum cs_err err = scan->key == NULL ? scan_all(s, limit, &next, row, ctx) :
	    (scan->back ? scan_back : scan_one)(s, scan, limit, &next, row, ctx);

	done(ctx, err, next);
}
