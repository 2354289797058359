/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a store's file in short steps, beside its broker. */
#include "broker/store/sqlite_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/store/sqlite_int.h"

enum {
	PAGE_ROWS = 8192,
	PATIENCE_MS = 2000, /* a broker that starts holds the file for a moment */
};

enum { ASK_EVENTS, ASK_RECORDS, ASK_RECORD, ASK_CLAIMS, ASK_PAYMENTS, ASK__COUNT };

static const char *const questions[ASK__COUNT] = {
	[ASK_EVENTS] = "SELECT seq, row FROM log WHERE seq >= coalesce((SELECT max(seq) FROM log WHERE seq <= ?1), 0) "
	               "ORDER BY seq LIMIT ?2",
	[ASK_RECORDS] = "SELECT id, row FROM record WHERE ?1 = 0 OR id > ?2 ORDER BY id LIMIT ?3",
	[ASK_RECORD] = "SELECT id, row FROM record WHERE id >= ?1 AND id <= ?1 + 7",
	[ASK_CLAIMS] = "SELECT claim, row FROM claim WHERE ?1 = 0 OR claim > ?2 ORDER BY claim LIMIT ?3",
	[ASK_PAYMENTS] = "SELECT key, payment, row FROM payment WHERE ?1 = 0 OR (key, payment) > (?2, ?3) "
	                 "ORDER BY key, payment LIMIT ?4",
};

struct store_pages {
	sqlite3 *db;
	sqlite3_stmt *ask[ASK__COUNT];
	char *path;
};

static enum cs_err
fail(const struct store_pages *p, int rc, char why[256])
{
	snprintf(why, WHY_MAX, "%.160s: %.80s", p->path, sqlite3_errmsg(p->db));
	return rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT ? CS_ERR_CORRUPT : CS_ERR_SYSTEM;
}

static enum cs_err
damaged(const struct store_pages *p, const char *what, char why[256])
{
	snprintf(why, WHY_MAX, "%.160s: %.60s fails its checksum: restore the file from a backup", p->path, what);
	return CS_ERR_CORRUPT;
}

static enum cs_err
number_of(struct store_pages *p, const char *sql, int64_t *value, char why[256])
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(p->db, sql, -1, &stmt, NULL);
	int64_t n = 0;

	if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
		n = sqlite3_column_int64(stmt, 0);
	rc = rc == SQLITE_OK ? sqlite3_finalize(stmt) : rc;
	if (rc != SQLITE_OK)
		return fail(p, rc, why);
	*value = n;
	return CS_OK;
}

static enum cs_err
look(struct store_pages *p, char why[256])
{
	int64_t id = 0, version = 0;
	enum cs_err err = number_of(p, "PRAGMA application_id", &id, why);

	if (err == CS_OK)
		err = number_of(p, "PRAGMA user_version", &version, why);
	if (err != CS_OK)
		return err;
	if (id != APPLICATION_ID) {
		snprintf(why, WHY_MAX, "%.160s is no store of Countersign: give the file that `store sqlite` names", p->path);
		return CS_ERR_CORRUPT;
	}
	if (version != SCHEMA_VERSION) {
		snprintf(why, WHY_MAX, "%.120s has schema %lld and this program knows %d: use the program that wrote it", p->path,
		    (long long)version, SCHEMA_VERSION);
		return CS_ERR_VERSION;
	}
	for (int i = 0; i < ASK__COUNT; i++) {
		int rc = sqlite3_prepare_v3(p->db, questions[i], -1, SQLITE_PREPARE_PERSISTENT, &p->ask[i], NULL);

		if (rc != SQLITE_OK)
			return fail(p, rc, why);
	}
	return CS_OK;
}

enum cs_err
store_pages_open(const char *path, bool alone, struct store_pages **out, char why[256])
{
	struct store_pages *p;
	struct stat st;
	char *uri;
	enum cs_err err;
	int rc;

	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
		snprintf(why, WHY_MAX, "%.160s: there is no such file: give the one that `store sqlite` names", path);
		return CS_ERR_NOT_FOUND;
	}
	p = calloc(1, sizeof(*p));
	CHECK(p != NULL);
	p->path = strdup(path);
	CHECK(p->path != NULL);
	uri = sqlite_uri(path, alone);
	rc = sqlite3_open_v2(uri, &p->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
	sqlite3_free(uri);
	if (rc == SQLITE_OK)
		rc = sqlite3_busy_timeout(p->db, PATIENCE_MS);
	err = rc == SQLITE_OK ? look(p, why) : fail(p, rc, why);
	if (err != CS_OK) {
		store_pages_close(p);
		return err;
	}
	*out = p;
	return CS_OK;
}

void
store_pages_close(struct store_pages *p)
{
	if (p == NULL)
		return;
	for (int i = 0; i < ASK__COUNT; i++)
		sqlite3_finalize(p->ask[i]);
	sqlite3_close(p->db);
	free(p->path);
	free(p);
}

enum cs_err
store_pages_lock(const char *path, int *fd, char why[256])
{
	char *name = sqlite3_mprintf("%s.lock", path);
	struct stat st;
	int lock;
	enum cs_err err = CS_OK;

	CHECK(name != NULL);
	lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0) {
		snprintf(why, WHY_MAX, "cannot open %.160s: %s: run this as root, or as the broker's user", name, strerror(errno));
		err = CS_ERR_SYSTEM;
	} else if (flock(lock, LOCK_EX | LOCK_NB) < 0) {
		snprintf(why, WHY_MAX, "a broker has %.160s open", path);
		err = CS_ERR_CONFLICT;
	} else if (geteuid() == 0 && stat(path, &st) == 0 && fchown(lock, st.st_uid, st.st_gid) < 0) {
		/* The broker must be able to open it afterwards. */
		snprintf(why, WHY_MAX, "cannot give %.160s to the broker's user: %s", name, strerror(errno));
		err = CS_ERR_SYSTEM;
	}
	sqlite3_free(name);
	if (err != CS_OK && lock >= 0)
		close(lock);
	if (err == CS_OK)
		*fd = lock;
	return err;
}

static enum cs_err
bad_event(const struct store_pages *p, uint64_t seq, char why[256])
{
	snprintf(why, WHY_MAX, "%.160s: event %llu of the log is missing or damaged: restore the file from a backup", p->path,
	    (unsigned long long)seq);
	return CS_ERR_CORRUPT;
}

enum cs_err
store_pages_last(struct store_pages *p, uint64_t *seq, char why[256])
{
	sqlite3_stmt *ask = p->ask[ASK_EVENTS];
	struct record_frame frame;
	uint64_t last = 0;
	enum cs_err err = CS_OK;
	int rc;

	sqlite3_bind_int64(ask, 1, INT64_MAX);
	sqlite3_bind_int64(ask, 2, 1);
	rc = sqlite3_step(ask);
	if (rc == SQLITE_ROW) {
		struct cursor c = cursor_over(sqlite3_column_blob(ask, 1), (size_t)sqlite3_column_bytes(ask, 1));

		last = (uint64_t)sqlite3_column_int64(ask, 0) - 1;
		while (err == CS_OK && cursor_left(&c) > 0)
			err = record_get_frame(&c, ++last, &frame);
		if (err != CS_OK)
			err = bad_event(p, last, why);
	} else if (rc != SQLITE_DONE) {
		err = fail(p, rc, why);
	}
	sqlite3_reset(ask);
	if (err == CS_OK)
		*seq = last;
	return err;
}

enum cs_err
store_pages_meta(struct store_pages *p, struct record_meta *meta, char why[256])
{
	sqlite3_stmt *stmt = NULL;
	enum cs_err err = CS_ERR_CORRUPT;
	int rc = sqlite3_prepare_v2(p->db, "SELECT row FROM meta WHERE id = 1", -1, &stmt, NULL);

	if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
		err = record_get_meta(
		    view_of(sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0)), meta);
	sqlite3_finalize(stmt);
	return err == CS_OK ? CS_OK : damaged(p, "the head record", why);
}

enum cs_err
store_pages_count_claims(struct store_pages *p, uint64_t *n, char why[256])
{
	return number_of(p, "SELECT count(*) FROM claim", (int64_t *)n, why);
}

enum cs_err
store_pages_count_payments(struct store_pages *p, uint64_t *n, char why[256])
{
	return number_of(p, "SELECT count(*) FROM payment", (int64_t *)n, why);
}

/* The frames of one row from *at on. *more false: fn had enough. */
static enum cs_err
row_events(struct store_pages *p, sqlite3_stmt *ask, uint64_t *at, store_pages_event_fn *fn, void *ctx, size_t *bytes,
    bool *more, char why[256])
{
	uint64_t seq = (uint64_t)sqlite3_column_int64(ask, 0);
	struct cursor c = cursor_over(sqlite3_column_blob(ask, 1), (size_t)sqlite3_column_bytes(ask, 1));
	struct record_frame frame;

	*bytes += cursor_left(&c);
	for (; *more && cursor_left(&c) > 0; seq++) {
		if (record_get_frame(&c, seq, &frame) != CS_OK)
			return bad_event(p, seq, why);
		if (seq <= *at)
			continue;
		if (seq != *at + 1)
			return bad_event(p, *at + 1, why);
		*more = fn(ctx, seq, &frame);
		if (*more)
			*at = seq;
	}
	return CS_OK;
}

enum cs_err
store_pages_events(struct store_pages *p, uint64_t *at, store_pages_event_fn *fn, void *ctx, char why[256])
{
	sqlite3_stmt *ask = p->ask[ASK_EVENTS];
	enum cs_err err = CS_OK;
	size_t bytes = 0;
	bool more = true;
	int rc = SQLITE_ROW;

	sqlite3_bind_int64(ask, 1, (int64_t)*at + 1);
	sqlite3_bind_int64(ask, 2, PAGE_ROWS);
	while (err == CS_OK && more && bytes < STORE_PAGE_BYTES && (rc = sqlite3_step(ask)) == SQLITE_ROW)
		err = row_events(p, ask, at, fn, ctx, &bytes, &more, why);
	if (err == CS_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
		err = fail(p, rc, why);
	sqlite3_reset(ask);
	return err;
}

bool
store_pages_same(const struct store_pages_place *a, const struct store_pages_place *b)
{
	return a->begun == b->begun && a->id == b->id && memcmp(a->key.b, b->key.b, sizeof(a->key.b)) == 0 &&
	    memcmp(a->payment.b, b->payment.b, sizeof(a->payment.b)) == 0;
}

static struct view
blob_of(sqlite3_stmt *ask, int column)
{
	return view_of(sqlite3_column_blob(ask, column), (size_t)sqlite3_column_bytes(ask, column));
}

static enum cs_err
give_record(struct store_pages *p, sqlite3_stmt *ask, const struct store_key *only, store_pages_record_fn *fn, void *ctx,
    bool *more, char why[256])
{
	struct record_snapshot s;

	if (record_get_snapshot(blob_of(ask, 1), &s) != CS_OK)
		return damaged(p, "the snapshot of an account", why);
	if (only != NULL && memcmp(only->b, s.key.b, sizeof(only->b)) != 0)
		return CS_ERR_NOT_FOUND;
	*more = fn(ctx, &s);
	return CS_OK;
}

enum cs_err
store_pages_records(struct store_pages *p, struct store_pages_place *at, store_pages_record_fn *fn, void *ctx,
    char why[256])
{
	sqlite3_stmt *ask = p->ask[ASK_RECORDS];
	enum cs_err err = CS_OK;
	size_t bytes = 0;
	bool more = true;
	int rc = SQLITE_ROW;

	sqlite3_bind_int(ask, 1, at->begun);
	sqlite3_bind_int64(ask, 2, at->id);
	sqlite3_bind_int64(ask, 3, PAGE_ROWS);
	while (err == CS_OK && more && bytes < STORE_PAGE_BYTES && (rc = sqlite3_step(ask)) == SQLITE_ROW) {
		bytes += (size_t)sqlite3_column_bytes(ask, 1);
		err = give_record(p, ask, NULL, fn, ctx, &more, why);
		if (err == CS_OK && more) {
			at->begun = true;
			at->id = sqlite3_column_int64(ask, 0);
		}
	}
	if (err == CS_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
		err = fail(p, rc, why);
	sqlite3_reset(ask);
	return err;
}

enum cs_err
store_pages_record(struct store_pages *p, const struct store_key *key, store_pages_record_fn *fn, void *ctx, char why[256])
{
	sqlite3_stmt *ask = p->ask[ASK_RECORD];
	enum cs_err err = CS_ERR_NOT_FOUND;
	bool more;
	int rc = SQLITE_ROW;

	sqlite3_bind_int64(ask, 1, (int64_t)sqlite_first_id(key));
	while (err == CS_ERR_NOT_FOUND && (rc = sqlite3_step(ask)) == SQLITE_ROW)
		err = give_record(p, ask, key, fn, ctx, &more, why);
	if (err == CS_ERR_NOT_FOUND && rc != SQLITE_DONE)
		err = fail(p, rc, why);
	sqlite3_reset(ask);
	return err;
}

enum cs_err
store_pages_claims(struct store_pages *p, struct store_pages_place *at, store_pages_claim_fn *fn, void *ctx, char why[256])
{
	sqlite3_stmt *ask = p->ask[ASK_CLAIMS];
	struct store_key from = at->key;
	enum cs_err err = CS_OK;
	bool more = true;
	int rc = SQLITE_ROW;

	sqlite3_bind_int(ask, 1, at->begun);
	sqlite3_bind_blob(ask, 2, from.b, sizeof(from.b), SQLITE_STATIC);
	sqlite3_bind_int64(ask, 3, PAGE_ROWS);
	while (err == CS_OK && more && (rc = sqlite3_step(ask)) == SQLITE_ROW) {
		struct view key = blob_of(ask, 0);
		struct record_claim c;

		if (record_get_claim(blob_of(ask, 1), &c) != CS_OK || key.len != sizeof(c.claim.b) ||
		    memcmp(key.data, c.claim.b, key.len) != 0)
			err = damaged(p, "a link key", why);
		else
			more = fn(ctx, &c);
		if (err == CS_OK && more) {
			at->begun = true;
			at->key = c.claim;
		}
	}
	if (err == CS_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
		err = fail(p, rc, why);
	sqlite3_reset(ask);
	return err;
}

enum cs_err
store_pages_payments(struct store_pages *p, struct store_pages_place *at, store_pages_payment_fn *fn, void *ctx,
    char why[256])
{
	sqlite3_stmt *ask = p->ask[ASK_PAYMENTS];
	struct store_pages_place from = *at;
	enum cs_err err = CS_OK;
	bool more = true;
	int rc = SQLITE_ROW;

	sqlite3_bind_int(ask, 1, from.begun);
	sqlite3_bind_blob(ask, 2, from.key.b, sizeof(from.key.b), SQLITE_STATIC);
	sqlite3_bind_blob(ask, 3, from.payment.b, sizeof(from.payment.b), SQLITE_STATIC);
	sqlite3_bind_int64(ask, 4, PAGE_ROWS);
	while (err == CS_OK && more && (rc = sqlite3_step(ask)) == SQLITE_ROW) {
		struct view key = blob_of(ask, 0), payment = blob_of(ask, 1);
		struct record_payment r;

		if (record_get_payment(blob_of(ask, 2), &r) != CS_OK || key.len != sizeof(r.key.b) ||
		    payment.len != sizeof(r.payment.b) || memcmp(key.data, r.key.b, key.len) != 0 ||
		    memcmp(payment.data, r.payment.b, payment.len) != 0)
			err = damaged(p, "an old payment", why);
		else
			more = fn(ctx, &r);
		if (err == CS_OK && more)
			*at = (struct store_pages_place){.begun = true, .key = r.key, .payment = r.payment};
	}
	if (err == CS_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
		err = fail(p, rc, why);
	sqlite3_reset(ask);
	return err;
}

enum cs_err
store_pages_integrity(struct store_pages *p, char why[256])
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(p->db, "PRAGMA integrity_check(1)", -1, &stmt, NULL);
	enum cs_err err = CS_ERR_CORRUPT;

	snprintf(why, WHY_MAX, "%.160s: SQLite cannot check it: %.60s", p->path, sqlite3_errmsg(p->db));
	if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
		const char *said = (const char *)sqlite3_column_text(stmt, 0);

		if (said != NULL && strcmp(said, "ok") == 0)
			err = CS_OK;
		else
			snprintf(why, WHY_MAX, "%.120s: SQLite says: %.100s", p->path, said == NULL ? "nothing" : said);
	}
	sqlite3_finalize(stmt);
	return err;
}
