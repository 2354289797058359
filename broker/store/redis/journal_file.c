/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's file: what is checked before it is used, its statements, its transactions, and the brokers that it knows. */
#include "broker/store/redis/journal_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/store/sqlite_int.h"

enum {
	JOURNAL_APPLICATION_ID = 0x4373534a, /* "CsSJ" */
	JOURNAL_SCHEMA_VERSION = 1,
};

/* row: see journal_code.h. meta: 1 the heads, 2 the realm, 3 this member's id. */
static const char schema[] =
    "CREATE TABLE row(id INTEGER PRIMARY KEY, row BLOB NOT NULL);"
    "CREATE TABLE meta(id INTEGER PRIMARY KEY, value BLOB NOT NULL);"
    "CREATE TABLE member(id TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;";

static const char *const statements[JOURNAL__STATEMENTS] = {
    [JOURNAL_INSERT] = "INSERT INTO row(id, row) VALUES(?, ?)",
    [JOURNAL_GET] = "SELECT row FROM row WHERE id = ?",
    [JOURNAL_OLDEST] = "SELECT id, row FROM row ORDER BY id LIMIT 1",
    [JOURNAL_DELETE] = "DELETE FROM row WHERE id = ?",
    [JOURNAL_HEADS_PUT] = "REPLACE INTO meta(id, value) VALUES(1, ?)",
    [JOURNAL_MEMBER_PUT] = "REPLACE INTO member(id, name) VALUES(?, ?)",
    [JOURNAL_MEMBER_DELETE] = "DELETE FROM member WHERE id = ?",
};

static enum cs_err
why_sqlite(const struct journal *j, char *why, const char *what, int rc)
{
	snprintf(why, JOURNAL_WHY_TEXT, "%s %s: %s", what, j->path, sqlite3_errstr(rc));
	return rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB ? CS_ERR_CORRUPT : CS_ERR_SYSTEM;
}

/* What is said of a damaged journal: it must not be thrown away without knowing what it was for. */
static enum cs_err
why_damaged(const struct journal *j, char *why, const char *what)
{
	snprintf(why, JOURNAL_WHY_TEXT,
	    "%s is damaged (%s): move it away, keep it, and start again; the broker joins as a new one, and where Redis lost data the old one is waited for until 'store forget'",
	    j->path, what);
	return CS_ERR_CORRUPT;
}

static int
pragma_int(sqlite3 *db, const char *sql, int64_t *value)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		*value = sqlite3_column_int64(stmt, 0);
		rc = SQLITE_OK;
	}
	sqlite3_finalize(stmt);
	return rc;
}

static int
meta_put(struct journal *j, int id, const void *value, size_t n)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(j->db, "REPLACE INTO meta(id, value) VALUES(?, ?)", -1, &stmt, NULL);

	if (rc == SQLITE_OK) {
		sqlite3_bind_int(stmt, 1, id);
		sqlite3_bind_blob(stmt, 2, value, (int)n, SQLITE_STATIC);
		rc = sqlite_run(stmt);
	}
	sqlite3_finalize(stmt);
	return rc;
}

/* The value copied into a new allocation; NULL where there is none. */
static uint8_t *
meta_get(struct journal *j, int id, size_t *n)
{
	sqlite3_stmt *stmt = NULL;
	uint8_t *copy = NULL;

	if (sqlite3_prepare_v2(j->db, "SELECT value FROM meta WHERE id = ?", -1, &stmt, NULL) == SQLITE_OK) {
		sqlite3_bind_int(stmt, 1, id);
		if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_bytes(stmt, 0) > 0) {
			*n = (size_t)sqlite3_column_bytes(stmt, 0);
			copy = malloc(*n);
			CHECK(copy != NULL);
			memcpy(copy, sqlite3_column_blob(stmt, 0), *n);
		}
	}
	sqlite3_finalize(stmt);
	return copy;
}

int
journal_begin(struct journal *j)
{
	return sqlite3_exec(j->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
}

int
journal_end(struct journal *j, int rc)
{
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(j->db, "COMMIT", NULL, NULL, NULL);
	if (rc != SQLITE_OK) {
		int extended = sqlite3_extended_errcode(j->db);

		if ((extended & 0xff) == (rc & 0xff))
			rc = extended;
		(void)sqlite3_exec(j->db, "ROLLBACK", NULL, NULL, NULL);
	}
	return rc;
}

int
journal_heads_write(struct journal *j)
{
	struct bytes b;
	int rc;

	bytes_init(&b, JOURNAL_HEADS_MAX);
	journal_put_heads(&b.buf, &j->heads);
	CHECK(!b.buf.full);
	sqlite3_bind_blob(j->stmt[JOURNAL_HEADS_PUT], 1, b.buf.data, (int)b.buf.len, SQLITE_STATIC);
	rc = sqlite_run(j->stmt[JOURNAL_HEADS_PUT]);
	bytes_clear(&b);
	return rc;
}

static int
schema_create(struct journal *j, const struct store_key *realm)
{
	char sql[sizeof(schema) + 128];
	uint8_t id[8];
	int rc;

	CHECK(getrandom(id, sizeof(id), 0) == (ssize_t)sizeof(id));
	for (size_t i = 0; i < sizeof(id); i++)
		snprintf(j->member + 2 * i, sizeof(j->member) - 2 * i, "%02x", id[i]);
	snprintf(sql, sizeof(sql), "%s PRAGMA application_id=%d; PRAGMA user_version=%d;", schema, JOURNAL_APPLICATION_ID,
	    JOURNAL_SCHEMA_VERSION);
	rc = journal_begin(j);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(j->db, sql, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = meta_put(j, 2, realm->b, sizeof(realm->b));
	if (rc == SQLITE_OK)
		rc = meta_put(j, 3, j->member, JOURNAL_MEMBER_TEXT - 1);
	return journal_end(j, rc);
}

static enum cs_err
schema_check(struct journal *j, const struct store_key *realm, char *why)
{
	int64_t id = 0, version = 0, pages = 0, tables = 0;
	int rc = pragma_int(j->db, "PRAGMA application_id", &id);

	if (rc == SQLITE_OK)
		rc = pragma_int(j->db, "PRAGMA user_version", &version);
	if (rc == SQLITE_OK)
		rc = pragma_int(j->db, "PRAGMA page_count", &pages);
	if (rc == SQLITE_OK)
		rc = pragma_int(j->db, "SELECT count(*) FROM sqlite_master", &tables);
	if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB)
		return why_damaged(j, why, sqlite3_errstr(rc));
	if (rc != SQLITE_OK)
		return why_sqlite(j, why, "cannot read the journal", rc);
	/* A crash while it was made leaves a file without tables. */
	if (tables > 0 && id != JOURNAL_APPLICATION_ID) {
		snprintf(why, JOURNAL_WHY_TEXT, "%s is a database of something else: give the journal a path of its own", j->path);
		return CS_ERR_DENIED;
	}
	if (version > JOURNAL_SCHEMA_VERSION) {
		snprintf(why, JOURNAL_WHY_TEXT, "%s has version %lld and this program knows up to %d: use the newer program that wrote it",
		    j->path, (long long)version, JOURNAL_SCHEMA_VERSION);
		return CS_ERR_VERSION;
	}
	if (sqlite3_db_readonly(j->db, "main") != 0) {
		snprintf(why, JOURNAL_WHY_TEXT, "%s cannot be written: its mode or its file system is read-only", j->path);
		return CS_ERR_DENIED;
	}
	if (pages == 0)
		rc = sqlite3_exec(j->db, "PRAGMA page_size=4096; PRAGMA auto_vacuum=NONE; PRAGMA journal_mode=WAL;", NULL, NULL, NULL);
	else
		rc = sqlite3_exec(j->db, "PRAGMA journal_mode=WAL;", NULL, NULL, NULL);
	if (rc == SQLITE_OK && tables == 0)
		rc = schema_create(j, realm);
	return rc == SQLITE_OK ? CS_OK : why_sqlite(j, why, "cannot set up the journal", rc);
}

static enum cs_err
identity_read(struct journal *j, const struct store_key *realm, char *why)
{
	size_t realm_n = 0, member_n = 0;
	uint8_t *in = meta_get(j, 2, &realm_n), *member = meta_get(j, 3, &member_n);
	enum cs_err err = CS_OK;

	if (in == NULL || member == NULL || realm_n != sizeof(realm->b) || member_n != JOURNAL_MEMBER_TEXT - 1) {
		err = why_damaged(j, why, "its identity");
	} else if (memcmp(in, realm->b, sizeof(realm->b)) != 0) {
		snprintf(why, JOURNAL_WHY_TEXT,
		    "%s belongs to another store (another key file or prefix): give this store a journal of its own", j->path);
		err = CS_ERR_DENIED;
	} else {
		memcpy(j->member, member, member_n);
	}
	free(in);
	free(member);
	return err;
}

/* The heads as last written, and the rows since. */
static enum cs_err
heads_read(struct journal *j, char *why)
{
	size_t n = 0;
	uint8_t *in = meta_get(j, 1, &n);
	sqlite3_stmt *stmt = NULL;
	enum cs_err err = in == NULL ? CS_OK : journal_get_heads(view_of(in, n), &j->heads);
	int rc;

	free(in);
	if (err != CS_OK)
		return why_damaged(j, why, "its heads");
	j->heads_row = j->heads.row;
	rc = sqlite3_prepare_v2(j->db, "SELECT id, row FROM row WHERE id > ? ORDER BY id", -1, &stmt, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_bind_int64(stmt, 1, (int64_t)j->heads.row);
		while (err == CS_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
			uint64_t row = (uint64_t)sqlite3_column_int64(stmt, 0);

			err = row != j->heads.row + 1 ? CS_ERR_CORRUPT :
			    journal_row_account(&j->heads, row, view_of(sqlite3_column_blob(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1)));
		}
	}
	sqlite3_finalize(stmt);
	if (err == CS_OK && rc == SQLITE_DONE)
		return CS_OK;
	return err == CS_OK && rc != SQLITE_CORRUPT ? why_sqlite(j, why, "cannot read the journal", rc) : why_damaged(j, why, "a row");
}

static enum cs_err
members_read(struct journal *j, char *why)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(j->db, "SELECT id, name FROM member ORDER BY id", -1, &stmt, NULL);

	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(stmt);
		if (rc != SQLITE_ROW)
			break;
		if (j->known_n == JOURNAL_MEMBERS_MAX || sqlite3_column_bytes(stmt, 0) != JOURNAL_MEMBER_TEXT - 1) {
			rc = SQLITE_CORRUPT;
			break;
		}
		snprintf(j->known[j->known_n].id, JOURNAL_MEMBER_TEXT, "%s", (const char *)sqlite3_column_text(stmt, 0));
		snprintf(j->known[j->known_n].name, JOURNAL_NAME_TEXT, "%s", (const char *)sqlite3_column_text(stmt, 1));
		j->known_n++;
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? CS_OK : why_damaged(j, why, "the brokers it knows");
}

static int
wal_grew(void *arg, sqlite3 *db, const char *name, int frames)
{
	(void)db;
	(void)name;
	((struct journal *)arg)->wal_frames = frames;
	return SQLITE_OK;
}

enum cs_err
journal_file_open(struct journal *j, const struct store_key *realm, char *why)
{
	enum cs_err err;
	int rc;

	err = sqlite_path_lock(j->path, &j->lock_fd, why);
	if (err == CS_ERR_CONFLICT)
		snprintf(why, JOURNAL_WHY_TEXT, "another broker is using the journal %s: give each broker its own", j->path);
	if (err == CS_OK)
		err = sqlite_path_check(j->path, why);
	if (err != CS_OK)
		return err;
	rc = sqlite_connect(j->path, sqlite_gathering_vfs(), &j->db);
	if (rc != SQLITE_OK)
		return rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT ? why_damaged(j, why, sqlite3_errstr(rc)) : why_sqlite(j, why, "cannot open", rc);
	err = schema_check(j, realm, why);
	for (size_t i = 0; err == CS_OK && i < JOURNAL__STATEMENTS; i++) {
		rc = sqlite3_prepare_v3(j->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &j->stmt[i], NULL);
		if (rc != SQLITE_OK)
			err = why_damaged(j, why, sqlite3_errmsg(j->db));
	}
	if (err == CS_OK)
		err = identity_read(j, realm, why);
	if (err == CS_OK)
		err = heads_read(j, why);
	if (err == CS_OK)
		err = members_read(j, why);
	if (err == CS_OK)
		sqlite3_wal_hook(j->db, wal_grew, j);
	return err;
}

void
journal_file_close(struct journal *j)
{
	for (size_t i = 0; i < JOURNAL__STATEMENTS; i++)
		sqlite3_finalize(j->stmt[i]);
	CHECK(j->db == NULL || sqlite3_close(j->db) == SQLITE_OK);
	if (j->lock_fd >= 0)
		close(j->lock_fd);
}

static size_t
known_place(const struct journal *j, const char *id, bool *there)
{
	size_t i = 0;

	while (i < j->known_n && strcmp(j->known[i].id, id) < 0)
		i++;
	*there = i < j->known_n && strcmp(j->known[i].id, id) == 0;
	return i;
}

enum cs_err
journal_member_add(struct journal *j, const char *id, const char *name)
{
	sqlite3_stmt *stmt = j->stmt[JOURNAL_MEMBER_PUT];
	bool there;
	size_t i = known_place(j, id, &there);
	int rc;

	CHECK(strlen(id) == JOURNAL_MEMBER_TEXT - 1);
	/* After a sync that failed SQLite may take for written what is not: nothing is durable any more. */
	if (j->health == CS_ERR_UNAVAILABLE)
		return j->health;
	if (there && strncmp(j->known[i].name, name, JOURNAL_NAME_TEXT - 1) == 0)
		return CS_OK;
	if (!there && j->known_n == JOURNAL_MEMBERS_MAX)
		return CS_ERR_FULL;
	rc = journal_begin(j);
	if (rc == SQLITE_OK) {
		sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
		sqlite3_bind_text(stmt, 2, name, -1, SQLITE_STATIC);
		rc = journal_end(j, sqlite_run(stmt));
	}
	if (rc != SQLITE_OK)
		return journal_failed(j, rc);
	if (!there) {
		memmove(&j->known[i + 1], &j->known[i], (j->known_n - i) * sizeof(j->known[0]));
		j->known_n++;
		snprintf(j->known[i].id, JOURNAL_MEMBER_TEXT, "%s", id);
	}
	snprintf(j->known[i].name, JOURNAL_NAME_TEXT, "%s", name);
	return CS_OK;
}

enum cs_err
journal_member_drop(struct journal *j, const char *id)
{
	sqlite3_stmt *stmt = j->stmt[JOURNAL_MEMBER_DELETE];
	bool there;
	size_t i = known_place(j, id, &there);
	int rc;

	if (!there)
		return CS_OK;
	if (j->health == CS_ERR_UNAVAILABLE)
		return j->health;
	rc = journal_begin(j);
	if (rc == SQLITE_OK) {
		sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
		rc = journal_end(j, sqlite_run(stmt));
	}
	if (rc != SQLITE_OK)
		return journal_failed(j, rc);
	j->known_n--;
	memmove(&j->known[i], &j->known[i + 1], (j->known_n - i) * sizeof(j->known[0]));
	return CS_OK;
}
