/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bare SQLite group commit: WAL, synchronous=FULL, one insert of a record of the size of a
 * decision, so many to a commit. No broker that keeps its log in SQLite is faster than this.
 *
 *   bare_sqlite FILE [--per-commit N] [--bytes N] [--seconds S]
 */
#include <err.h>
#include <getopt.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KEY_BYTES = 16, RECORD_MAX = 4096 };

static void
run(sqlite3 *db, const char *sql)
{
	char *why = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		errx(1, "%s: %s", sql, why);
}

static sqlite3_stmt *
prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK)
		errx(1, "%s: %s", sql, sqlite3_errmsg(db));
	return stmt;
}

static void
step(sqlite3 *db, sqlite3_stmt *stmt)
{
	if (sqlite3_step(stmt) != SQLITE_DONE)
		errx(1, "%s", sqlite3_errmsg(db));
	sqlite3_reset(stmt);
}

static double
now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
measure(sqlite3 *db, unsigned long per_commit, unsigned long bytes, double seconds)
{
	sqlite3_stmt *begin = prepare(db, "BEGIN IMMEDIATE"), *commit = prepare(db, "COMMIT");
	sqlite3_stmt *insert =
	    prepare(db, "INSERT INTO log (key, revision, event) VALUES (?1, ?2, ?3)");
	unsigned char key[KEY_BYTES], record[RECORD_MAX];
	double start = now_s(), at;
	uint64_t n = 0;

	memset(record, 0x5a, sizeof(record));
	memset(key, 0x33, sizeof(key));
	do {
		step(db, begin);
		for (unsigned long i = 0; i < per_commit; i++, n++) {
			memcpy(record, &n, sizeof(n));
			memcpy(key, &n, sizeof(n));
			sqlite3_bind_blob(insert, 1, key, sizeof(key), SQLITE_STATIC);
			sqlite3_bind_int64(insert, 2, (sqlite3_int64)n);
			sqlite3_bind_blob(insert, 3, record, (int)bytes, SQLITE_STATIC);
			step(db, insert);
		}
		step(db, commit);
		at = now_s();
	} while (at - start < seconds);
	printf("{\"name\":\"bare_sqlite\",\"per_commit\":%lu,\"bytes\":%lu,\"seconds\":%.3f,"
	       "\"answers\":%llu,\"rate\":%.1f}\n",
	    per_commit, bytes, at - start, (unsigned long long)n, (double)n / (at - start));
	sqlite3_finalize(begin);
	sqlite3_finalize(insert);
	sqlite3_finalize(commit);
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {{"per-commit", required_argument, NULL, 'p'},
	    {"bytes", required_argument, NULL, 'b'}, {"seconds", required_argument, NULL, 's'},
	    {NULL, 0, NULL, 0}};
	unsigned long per_commit = 1, bytes = 400;
	double seconds = 2;
	sqlite3 *db;
	int c;

	while ((c = getopt_long(argc, argv, "p:b:s:", longs, NULL)) != -1) {
		if (c == 'p')
			per_commit = strtoul(optarg, NULL, 10);
		else if (c == 'b')
			bytes = strtoul(optarg, NULL, 10);
		else if (c == 's')
			seconds = strtod(optarg, NULL);
		else
			return 2;
	}
	if (argc - optind != 1 || per_commit < 1 || bytes < sizeof(uint64_t) || bytes > RECORD_MAX)
		errx(2, "usage: bare_sqlite FILE [--per-commit N] [--bytes 8-%d] [--seconds S]",
		    RECORD_MAX);
	if (sqlite3_open(argv[optind], &db) != SQLITE_OK)
		errx(1, "%s: %s", argv[optind], sqlite3_errmsg(db));
	run(db, "PRAGMA journal_mode=WAL");
	run(db, "PRAGMA synchronous=FULL");
	run(db, "CREATE TABLE IF NOT EXISTS log (seq INTEGER PRIMARY KEY, key BLOB, revision "
		"INTEGER, event BLOB)");
	measure(db, per_commit, bytes, seconds);
	sqlite3_close(db);
	return 0;
}
