/* SPDX-License-Identifier: Apache-2.0 */
/* The file: its lock, its mode, its schema and version, and the settings of every connection to it.
 */
#include "broker/store/sqlite_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/log.h"

enum {
	BUSY_MS = 50, /* an admin's own tool may hold the write lock for a moment */
	QUICK_CHECK_BYTES_MAX =
	    64 << 20, /* about half a second; a larger file is checked row by row as it is read */
};

/*
 * log: rows of frames, see record.h; seq is that of the first frame. record: snapshots; id is the
 * first eight bytes of the key, or the next free id after it. A claim and a payment hold their key
 * in the blob as well.
 */
static const char schema[] =
    "CREATE TABLE log(seq INTEGER PRIMARY KEY, row BLOB NOT NULL);"
    "CREATE TABLE record(id INTEGER PRIMARY KEY, row BLOB NOT NULL);"
    "CREATE TABLE claim(claim BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE payment(key BLOB, payment BLOB, row BLOB NOT NULL, PRIMARY KEY(key, payment)) "
    "WITHOUT ROWID;"
    "CREATE TABLE meta(id INTEGER PRIMARY KEY CHECK(id = 1), row BLOB NOT NULL);";

static const char settings[] = "PRAGMA synchronous=FULL;"
			       "PRAGMA mmap_size=0;"
			       "PRAGMA cache_size=-2048;"
			       "PRAGMA temp_store=MEMORY;"
			       "PRAGMA trusted_schema=OFF;"
			       "PRAGMA cell_size_check=ON;"
			       "PRAGMA wal_autocheckpoint=0;";

static enum cs_err
why_system(char *why, const char *what, const char *path)
{
	snprintf(why, WHY_MAX, "%s %s: %s", what, path, strerror(errno));
	return CS_ERR_SYSTEM;
}

static enum cs_err
why_sqlite(char *why, const char *what, const struct store_sqlite *s, int rc)
{
	snprintf(why, WHY_MAX, "%s %s: %s", what, s->path, sqlite3_errstr(rc));
	return rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB ? CS_ERR_CORRUPT : CS_ERR_SYSTEM;
}

/*
 * A file beside the store, since SQLite drops every lock of a process on its own file when one
 * descriptor closes.
 */
enum cs_err
sqlite_path_lock(const char *of, int *fd, char *why)
{
	char *path = sqlite3_mprintf("%s.lock", of);
	enum cs_err err = CS_OK;

	CHECK(path != NULL);
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd < 0) {
		err = why_system(why, "cannot open the lock file", path);
	} else if (flock(*fd, LOCK_EX | LOCK_NB) < 0) {
		snprintf(why, WHY_MAX,
		    "another engine is using %s: stop it first, or give this one a store of its "
		    "own",
		    of);
		err = CS_ERR_CONFLICT;
	}
	sqlite3_free(path);
	return err;
}

/* A new file is made here, so that it never exists with a wider mode; its name is made durable too.
 */
static enum cs_err
file_create(const char *path, char *why)
{
	const char *slash = strrchr(path, '/');
	char *dir =
	    slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int dir_fd;
	enum cs_err err = CS_OK;

	CHECK(dir != NULL);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		err = why_system(why, "cannot make", path);
	else if (dir_fd < 0 || fsync(dir_fd) < 0)
		err = why_system(why, "cannot sync the directory", dir);
	if (fd >= 0)
		close(fd);
	if (dir_fd >= 0)
		close(dir_fd);
	free(dir);
	return err;
}

enum cs_err
sqlite_path_check(const char *path, char *why)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		if (errno != ENOENT)
			return why_system(why, "cannot look at", path);
		return file_create(path, why);
	}
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1) {
		snprintf(why, WHY_MAX,
		    "%s is not a plain file with one name: give the store's own path", path);
		return CS_ERR_DENIED;
	}
	if (st.st_uid != geteuid()) {
		snprintf(why, WHY_MAX, "%s belongs to uid %u, not to uid %u: chown it", path,
		    (unsigned)st.st_uid, (unsigned)geteuid());
		return CS_ERR_DENIED;
	}
	if ((st.st_mode & 077) != 0) {
		snprintf(why, WHY_MAX, "%s has mode %04o, which lets others in: chmod 0600 %s",
		    path, (unsigned)(st.st_mode & 07777), path);
		return CS_ERR_DENIED;
	}
	return CS_OK;
}

int
sqlite_connect(const char *path, const char *vfs, sqlite3 **db)
{
	int rc = sqlite3_open_v2(path, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, vfs);

	if (rc == SQLITE_OK)
		rc = sqlite3_busy_timeout(*db, BUSY_MS);
	if (rc == SQLITE_OK)
		rc = sqlite3_extended_result_codes(*db, 0);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(*db, settings, NULL, NULL, NULL);
	return rc;
}

static int
pragma_int(sqlite3 *db, const char *sql, int64_t *value)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK) {
		rc = sqlite3_step(stmt);
		if (rc == SQLITE_ROW) {
			*value = sqlite3_column_int64(stmt, 0);
			rc = SQLITE_OK;
		}
	}
	sqlite3_finalize(stmt);
	return rc;
}

static int
schema_create(struct store_sqlite *s)
{
	struct record_meta meta = {.clean = true};
	uint8_t row[64];
	struct buf b = buf_over(row, sizeof(row));
	sqlite3_stmt *stmt = NULL;
	char *sql =
	    sqlite3_mprintf("BEGIN IMMEDIATE;%s PRAGMA application_id=%d; PRAGMA user_version=%d;",
		schema, APPLICATION_ID, SCHEMA_VERSION);
	int rc;

	CHECK(sql != NULL);
	record_put_meta(&b, &meta);
	rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
	sqlite3_free(sql);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(s->db, "INSERT INTO meta VALUES(1, ?)", -1, &stmt, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_bind_blob(stmt, 1, b.data, (int)b.len, SQLITE_STATIC);
		rc = sqlite_run(stmt);
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_OK ? sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL) : rc;
}

static enum cs_err
schema_check(struct store_sqlite *s, char *why)
{
	int64_t id = 0, version = 0, pages = 0;
	int rc = pragma_int(s->db, "PRAGMA application_id", &id);

	if (rc == SQLITE_OK)
		rc = pragma_int(s->db, "PRAGMA user_version", &version);
	if (rc == SQLITE_OK)
		rc = pragma_int(s->db, "PRAGMA page_count", &pages);
	if (rc != SQLITE_OK)
		return why_sqlite(why, "cannot read the store", s, rc);
	if (pages > 0 && id != APPLICATION_ID) {
		snprintf(why, WHY_MAX,
		    "%s is a database of something else: give the store a path of its own",
		    s->path);
		return CS_ERR_CORRUPT;
	}
	if (version > SCHEMA_VERSION) {
		snprintf(why, WHY_MAX,
		    "%s has schema %lld and this program knows up to %d: use the newer program "
		    "that "
		    "wrote it",
		    s->path, (long long)version, SCHEMA_VERSION);
		return CS_ERR_VERSION;
	}
	if (sqlite3_db_readonly(s->db, "main") != 0) {
		snprintf(why, WHY_MAX,
		    "%s cannot be written: its mode or its file system is read-only", s->path);
		return CS_ERR_DENIED;
	}
	if (pages == 0) {
		rc = sqlite3_exec(s->db,
		    "PRAGMA page_size=4096; PRAGMA auto_vacuum=NONE; PRAGMA journal_mode=WAL;",
		    NULL, NULL, NULL);
		if (rc == SQLITE_OK)
			rc = schema_create(s);
	} else {
		rc = sqlite3_exec(s->db, "PRAGMA journal_mode=WAL;", NULL, NULL, NULL);
	}
	return rc == SQLITE_OK ? CS_OK : why_sqlite(why, "cannot set up", s, rc);
}

enum cs_err
sqlite_file_open(struct store_sqlite *s, const char *path, char *why)
{
	enum cs_err err;
	int rc;

	s->path = strdup(path);
	CHECK(s->path != NULL);
	err = sqlite_path_lock(path, &s->lock_fd, why);
	if (err == CS_OK)
		err = sqlite_path_check(path, why);
	if (err != CS_OK)
		return err;
	rc = sqlite_connect(path, sqlite_gathering_vfs(), &s->db);
	if (rc != SQLITE_OK)
		return why_sqlite(why, "cannot open", s, rc);
	return schema_check(s, why);
}

void
sqlite_file_close(struct store_sqlite *s)
{
	for (int i = 0; i < STMT__COUNT; i++)
		sqlite3_finalize(s->stmt[i]);
	CHECK(s->db == NULL || sqlite3_close(s->db) == SQLITE_OK);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s->path);
}

enum cs_err
sqlite_meta_read(struct store_sqlite *s, struct record_meta *meta, char *why)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(s->db, "SELECT row FROM meta WHERE id = 1", -1, &stmt, NULL);
	enum cs_err err = CS_ERR_CORRUPT;

	if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
		const void *blob = sqlite3_column_blob(stmt, 0);

		err = record_get_meta(view_of(blob, (size_t)sqlite3_column_bytes(stmt, 0)), meta);
	}
	sqlite3_finalize(stmt);
	if (err != CS_OK)
		snprintf(why, WHY_MAX, "%s is damaged (its head record): restore it from a backup",
		    s->path);
	return err;
}

int
sqlite_meta_write(struct store_sqlite *s, const struct record_meta *meta)
{
	sqlite3_stmt *stmt = s->stmt[STMT_META_PUT];
	uint8_t row[64];
	struct buf b = buf_over(row, sizeof(row));

	record_put_meta(&b, meta);
	CHECK(!b.full);
	sqlite3_bind_blob(stmt, 1, b.data, (int)b.len, SQLITE_STATIC);
	return sqlite_run(stmt);
}

enum cs_err
sqlite_quick_check(struct store_sqlite *s, char *why)
{
	sqlite3_stmt *stmt = NULL;
	int64_t pages = 0;
	int rc = pragma_int(s->db, "PRAGMA page_count", &pages);
	bool good = false;

	if (rc == SQLITE_OK && pages > QUICK_CHECK_BYTES_MAX / PAGE_BYTES) {
		log_info("store not checked as a whole path=%s pages=%lld reason=large", s->path,
		    (long long)pages);
		return CS_OK;
	}
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
	if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
		const char *said = (const char *)sqlite3_column_text(stmt, 0);

		good = said != NULL && strcmp(said, "ok") == 0;
	}
	sqlite3_finalize(stmt);
	if (good)
		return CS_OK;
	snprintf(why, WHY_MAX, "%s is damaged: keep a copy for study and restore it from a backup",
	    s->path);
	return CS_ERR_CORRUPT;
}

void
sqlite_disk_check(struct store_sqlite *s)
{
	struct statvfs fs;
	bool low;

	if (fstatvfs(s->lock_fd, &fs) < 0)
		return;
	s->disk_free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	low = s->disk_free_bytes < s->disk_reserve_bytes;
	if (low != s->disk_low)
		log_warn("store disk=%s free_bytes=%llu reserve_bytes=%llu",
		    low ? "nearly_full" : "has_room_again", (unsigned long long)s->disk_free_bytes,
		    (unsigned long long)s->disk_reserve_bytes);
	s->disk_low = low;
}
