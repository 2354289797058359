/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store beside a bare SQLite: what one durable commit costs at 1 and at 64 a flush, over
 * 100,000 records with uniformly random keys, loads included, against a group commit of rows of the
 * same size and nothing else. Both run in turns in one process, so that the ratio holds whatever
 * the disk does meanwhile.
 *
 *   bench_store [DIR [RECORDS [COMMITS [PER_FLUSH]]]]
 *
 * With PER_FLUSH only that many a flush, on a store that was closed and opened again after it was filled.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/store/sqlite.h"

enum { HOT_BYTES = 450, EVENT_BYTES = 220, EXTRA_BYTES = 60, ROUNDS = 4, TURN = 64 };

struct bench {
	struct store *store;
	uint64_t records;
	uint64_t revision; /* of the record loaded last */
	uint64_t random;
	uint64_t failed;
	int64_t load_ns; /* spent in loads: seven in ten find nothing in the cache */
	uint8_t hot[HOT_BYTES];
	uint8_t event[EVENT_BYTES + EXTRA_BYTES];
};

static int64_t
now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* splitmix64: keys as evenly spread as salted hashes are. */
static uint64_t
mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static struct store_key
key_of(uint64_t n)
{
	struct store_key key;
	uint64_t x[2] = {mix(n), mix(~n)};

	memcpy(key.b, x, sizeof(key.b));
	return key;
}

static void
loaded(void *ctx, enum cs_err err, const struct store_record *record)
{
	struct bench *b = ctx;

	CHECK(err == CS_OK || err == CS_ERR_NOT_FOUND);
	b->revision = err == CS_OK ? record->revision : 0;
}

static void
committed(void *ctx, enum cs_err err)
{
	struct bench *b = ctx;

	b->failed += err != CS_OK;
}

static void
commit_one(struct bench *b, uint64_t n)
{
	struct store_event event = {
	    view_of(b->event, EVENT_BYTES), view_of(b->event + EVENT_BYTES, EXTRA_BYTES)};
	struct store_commit c = {.key = key_of(n),
	    .events = &event,
	    .events_n = 1,
	    .hot = view_of(b->hot, sizeof(b->hot))};
	int64_t start = now_ns(CLOCK_MONOTONIC);

	store_load(b->store, &c.key, loaded, b);
	b->load_ns += now_ns(CLOCK_MONOTONIC) - start;
	c.expected = b->revision;
	memcpy(b->hot, &c.expected, sizeof(c.expected));
	store_commit(b->store, &c, committed, b);
}

static enum cs_err
replay(void *ctx, const struct store_key *key, uint64_t revision, struct buf *hot, struct buf *cold,
    struct view event, struct view extra)
{
	(void)ctx, (void)key, (void)revision, (void)cold, (void)event, (void)extra;
	if (hot->len == 0)
		hot->len = HOT_BYTES;
	return CS_OK;
}

/* Nanoseconds a commit, all in all, and of them in loads and computed by the loop's thread. */
struct cost {
	double all, load, cpu;
};

static void
store_round(struct bench *b, uint64_t commits, unsigned a_flush, struct cost *sum)
{
	int64_t start = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);

	b->load_ns = 0;
	for (uint64_t i = 0; i < commits; i++) {
		b->random = mix(b->random);
		commit_one(b, b->random % b->records);
		if (i % a_flush == a_flush - 1)
			store_flush(b->store);
	}
	store_flush(b->store);
	sum->cpu += (double)(now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu) / (double)commits;
	sum->load += (double)b->load_ns / (double)commits;
	sum->all += (double)(now_ns(CLOCK_MONOTONIC) - start) / (double)commits;
}

static void
fill(struct bench *b)
{
	for (uint64_t n = 0; n < b->records; n++) {
		commit_one(b, n);
		if (n % 1024 == 1023)
			store_flush(b->store);
	}
	store_flush(b->store);
}

static void
must(sqlite3 *db, int rc)
{
	if (rc != SQLITE_OK && rc != SQLITE_DONE) {
		fprintf(stderr, "bench_store: sqlite: %s\n", sqlite3_errmsg(db));
		exit(1);
	}
}

static sqlite3 *
bare_open(const char *path)
{
	sqlite3 *db;

	must(NULL, sqlite3_open(path, &db));
	must(db, sqlite3_exec(db,
		     "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
		     "CREATE TABLE log(seq INTEGER PRIMARY KEY, row BLOB)",
		     NULL, NULL, NULL));
	return db;
}

static double
bare_round(sqlite3 *db, uint64_t commits, unsigned a_flush)
{
	static const uint8_t row[EVENT_BYTES + EXTRA_BYTES + 30];
	int64_t start = now_ns(CLOCK_MONOTONIC);
	sqlite3_stmt *insert;

	must(db, sqlite3_prepare_v2(db, "INSERT INTO log(row) VALUES(?)", -1, &insert, NULL));
	for (uint64_t i = 0; i < commits;) {
		must(db, sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
		for (unsigned n = 0; n < a_flush && i < commits; n++, i++) {
			sqlite3_bind_blob(insert, 1, row, sizeof(row), SQLITE_STATIC);
			must(db, sqlite3_step(insert));
			sqlite3_reset(insert);
		}
		must(db, sqlite3_exec(db, "COMMIT", NULL, NULL, NULL));
	}
	sqlite3_finalize(insert);
	return (double)(now_ns(CLOCK_MONOTONIC) - start) / (double)commits;
}

static void
compare(struct bench *b, sqlite3 *bare, uint64_t commits, unsigned a_flush)
{
	struct cost sum = {0};
	double theirs = 0, ours, us = 1e3 * ROUNDS;

	for (int i = 0; i < ROUNDS; i++) {
		store_round(b, commits / ROUNDS, a_flush, &sum);
		theirs += bare_round(bare, commits / ROUNDS, a_flush);
	}
	ours = sum.all - sum.load;
	printf("%2u a flush: %7.0f commits/s, %6.2f us each (loads %.2f, commit and flush %.2f; "
	       "cpu of the loop %.2f)\n",
	    a_flush, 1e6 / (sum.all / us), sum.all / us, sum.load / us, ours / us, sum.cpu / us);
	printf("   bare SQLite: %7.0f commits/s, %6.2f us each; bare / (commit and flush) = %.2f\n",
	    1e6 / (theirs / us), theirs / us, theirs / ours);
}

static void
print_memory(struct store *store)
{
	struct store_status st;
	char line[128];
	FILE *f = fopen("/proc/self/status", "r");

	store_status(store, &st);
	printf("records %llu  log %llu  folded %llu  cache %llu KiB in %llu records, %llu dirty  "
	       "wal %llu KiB  file %llu KiB\n",
	    (unsigned long long)st.records, (unsigned long long)st.log_last,
	    (unsigned long long)st.folded, (unsigned long long)st.cache_bytes / 1024,
	    (unsigned long long)st.cache_records, (unsigned long long)st.dirty_records,
	    (unsigned long long)st.wal_bytes / 1024, (unsigned long long)st.db_bytes / 1024);
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "VmRSS", 5) == 0 || strncmp(line, "VmHWM", 5) == 0 ||
		    strncmp(line, "RssAnon", 7) == 0)
			fputs(line, stdout);
	}
	if (f != NULL)
		fclose(f);
}

static const char *
path_in(char *to, size_t cap, const char *dir, const char *name)
{
	snprintf(to, cap, "%s/%s", dir, name);
	return to;
}

static void
remove_all(const char *dir)
{
	static const char *const names[] = {"store.db", "store.db-wal", "store.db-shm",
	    "store.db.lock", "bare.db", "bare.db-wal", "bare.db-shm"};
	char path[512];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(path_in(path, sizeof(path), dir, names[i]));
}

int
main(int argc, char **argv)
{
	char made[] = "/tmp/bench_store.XXXXXX", path[512], why[256] = "";
	const char *dir = argc > 1 ? argv[1] : mkdtemp(made);
	struct bench b = {.records = argc > 2 ? strtoull(argv[2], NULL, 10) : 100000, .random = 1};
	uint64_t commits = argc > 3 ? strtoull(argv[3], NULL, 10) : 400000;
	unsigned only = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 0;
	struct store_sqlite_options options = {.path = path, .replay = replay};
	struct cost warm = {0};
	sqlite3 *bare;

	log_init("bench", LOG_LEVEL_WARN);
	CHECK(dir != NULL && b.records > 0 && commits >= 1000);
	remove_all(dir);
	bare = bare_open(path_in(path, sizeof(path), dir, "bare.db"));
	path_in(path, sizeof(path), dir, "store.db");
	if (store_sqlite_open(&options, &b.store, why) != CS_OK) {
		fprintf(stderr, "bench_store: %s\n", why);
		return 1;
	}
	fill(&b);
	if (only > 0) {
		store_close(b.store);
		CHECK(store_sqlite_open(&options, &b.store, why) == CS_OK);
		compare(&b, bare, commits, only);
	} else {
		store_round(&b, commits / 4, TURN, &warm);
		compare(&b, bare, commits, TURN);
		compare(&b, bare, commits / 40, 1);
	}
	print_memory(b.store);
	store_close(b.store);
	sqlite3_close(bare);
	remove_all(dir);
	if (argc <= 1)
		rmdir(dir);
	if (b.failed > 0)
		fprintf(stderr, "bench_store: %llu commits failed\n", (unsigned long long)b.failed);
	return b.failed > 0;
}
