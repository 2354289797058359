/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a store's log without being its engine. */
#include "broker/store/sqlite_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "broker/base/check.h"
#include "broker/store/sqlite_int.h"

struct store_reader {
	sqlite3 *db;
	sqlite3_stmt *rows;
	const char *path;
	struct bytes row;     /* a copy: a statement's memory lives until its next step */
	struct cursor at;
	uint64_t seq, last;   /* of the next frame in the row; of the log */
};

static int64_t
number_of(sqlite3 *db, const char *sql, int *rc)
{
	sqlite3_stmt *stmt = NULL;
	int64_t value = 0;

	*rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
	if (*rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
		value = sqlite3_column_int64(stmt, 0);
	if (*rc == SQLITE_OK)
		*rc = sqlite3_finalize(stmt);
	return value;
}

static enum cs_err
fail(const struct store_reader *r, int rc, char why[256])
{
	snprintf(why, WHY_MAX, "%s: %s: give a copy of the store's file, with the -wal file beside it if there is one",
	    r->path, sqlite3_errmsg(r->db));
	return rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT ? CS_ERR_CORRUPT : CS_ERR_SYSTEM;
}

static enum cs_err
look(struct store_reader *r, char why[256])
{
	int64_t id, version;
	int rc;

	id = number_of(r->db, "PRAGMA application_id", &rc);
	if (rc != SQLITE_OK)
		return fail(r, rc, why);
	if (id != APPLICATION_ID) {
		snprintf(why, WHY_MAX, "%s is no store of Countersign: give the file that `store sqlite` names, or a copy",
		    r->path);
		return CS_ERR_CORRUPT;
	}
	version = number_of(r->db, "PRAGMA user_version", &rc);
	if (version > SCHEMA_VERSION) {
		snprintf(why, WHY_MAX, "%s has schema %lld and this program knows up to %d: use the newer program", r->path,
		    (long long)version, SCHEMA_VERSION);
		return CS_ERR_VERSION;
	}
	/* The first event of the last row: close enough to show progress by. */
	r->last = (uint64_t)number_of(r->db, "SELECT max(seq) FROM log", &rc);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(r->db, "SELECT seq, row FROM log ORDER BY seq", -1, &r->rows, NULL);
	return rc == SQLITE_OK ? CS_OK : fail(r, rc, why);
}

enum cs_err
store_reader_open(const char *path, struct store_reader **out, char why[256])
{
	struct store_reader *r;
	struct stat st;
	char *uri;
	enum cs_err err;
	int rc;

	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
		snprintf(why, WHY_MAX, "%.160s: there is no such file: give the store's file, or a copy", path);
		return CS_ERR_NOT_FOUND;
	}
	r = calloc(1, sizeof(*r));
	CHECK(r != NULL);
	r->path = path;
	bytes_init(&r->row, ROW_BYTES_MAX + RECORD_FRAME_MAX);
	uri = sqlite_uri(path, true);
	rc = sqlite3_open_v2(uri, &r->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
	sqlite3_free(uri);
	err = rc == SQLITE_OK ? look(r, why) : fail(r, rc, why);
	if (err != CS_OK) {
		store_reader_close(r);
		return err;
	}
	*out = r;
	return CS_OK;
}

uint64_t
store_reader_last(const struct store_reader *r)
{
	return r->last;
}

static enum cs_err
next_row(struct store_reader *r, char why[256])
{
	int rc = sqlite3_step(r->rows);

	if (rc == SQLITE_DONE)
		return CS_ERR_NOT_FOUND;
	if (rc != SQLITE_ROW)
		return fail(r, rc, why);
	r->seq = (uint64_t)sqlite3_column_int64(r->rows, 0);
	r->row.buf.len = 0;
	buf_put(&r->row.buf, sqlite3_column_blob(r->rows, 1), (size_t)sqlite3_column_bytes(r->rows, 1));
	r->at = cursor_over(r->row.buf.data, r->row.buf.len);
	return CS_OK;
}

enum cs_err
store_reader_next(struct store_reader *r, struct store_row *row, char why[256])
{
	struct record_frame frame;
	enum cs_err err = CS_OK;

	while (cursor_left(&r->at) == 0 && err == CS_OK)
		err = next_row(r, why);
	if (err != CS_OK)
		return err;
	if (r->row.buf.full || record_get_frame(&r->at, r->seq, &frame) != CS_OK) {
		snprintf(why, WHY_MAX, "%s: event %llu of the log is damaged: take another copy", r->path,
		    (unsigned long long)r->seq);
		return CS_ERR_CORRUPT;
	}
	*row = (struct store_row){r->seq++, frame.key, frame.revision, frame.event, frame.extra};
	return CS_OK;
}

enum cs_err
store_reader_snapshots(struct store_reader *r, store_snapshot_fn *fn, void *ctx, char why[256])
{
	sqlite3_stmt *stmt = NULL;
	struct record_snapshot s;
	enum cs_err err = CS_OK;
	int rc = sqlite3_prepare_v2(r->db, "SELECT row FROM record", -1, &stmt, NULL);

	while (rc == SQLITE_OK && err == CS_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		err = record_get_snapshot(
		    view_of(sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0)), &s);
		if (err == CS_OK)
			fn(ctx, &s.key, s.revision, s.hot);
		else
			snprintf(why, WHY_MAX, "%s: the snapshot of an account is damaged: take another copy", r->path);
		rc = SQLITE_OK;
	}
	if (rc != SQLITE_OK && rc != SQLITE_DONE)
		err = fail(r, rc, why);
	sqlite3_finalize(stmt);
	return err;
}

uint64_t
store_reader_folded(struct store_reader *r)
{
	sqlite3_stmt *stmt = NULL;
	struct record_meta meta = {.folded = 0};

	if (sqlite3_prepare_v2(r->db, "SELECT row FROM meta", -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		(void)record_get_meta(
		    view_of(sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0)), &meta);
	sqlite3_finalize(stmt);
	return meta.folded;
}

void
store_reader_close(struct store_reader *r)
{
	sqlite3_finalize(r->rows);
	sqlite3_close(r->db);
	bytes_clear(&r->row);
	free(r);
}
