/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is true of the embedded store alone: what it refuses to open, and what it says when the disk
 * fails it.
 */
#include "tests/store/harness.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/log.h"

#define NO_COLD view_of(NULL, 0)

enum { OTHER_UID = 65534 };

static int
setup(void **state)
{
	*state = scratch_make();
	return 0;
}

static int
teardown(void **state)
{
	scratch_remove(*state);
	return 0;
}

static struct store *
open_at(const char *dir)
{
	struct store *s = NULL;
	char why[256] = "";

	if (sqlite_open_at(dir, 0, 0, &s, why) != CS_OK)
		fail_msg("%s", why);
	return s;
}

/* Opening fails like this, with a sentence that has this word in it. */
static void
assert_refused(const char *dir, enum cs_err want, const char *word)
{
	struct store *s = NULL;
	char why[256] = "";

	assert_int_equal(sqlite_open_at(dir, 0, 0, &s, why), want);
	assert_null(s);
	if (strstr(why, word) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why, word);
}

/* As an admin might with another tool. */
static void
sql(const char *dir, const char *text)
{
	sqlite3 *db;
	char *said = NULL;

	assert_int_equal(sqlite3_open(scratch_db(dir), &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, &said) != SQLITE_OK)
		fail_msg("%s: %s", text, said);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void
write_records(struct store *s, unsigned n, uint64_t expected)
{
	struct store_commit c = {.expected = expected};

	for (unsigned i = 0; i < n; i++) {
		char hot[32];

		snprintf(hot, sizeof(hot), "record %u at %u", i, (unsigned)expected + 1);
		c.key = key_of(i);
		assert_int_equal(commit_now(s, c, view_str(hot), NO_COLD), CS_OK);
	}
}

/* Runs in a child that ends without closing its store. */
static void
crash_after(const char *dir, unsigned records, uint64_t expected)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		write_records(open_at(dir), records, expected);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
a_new_file_is_for_its_owner_alone(void **state)
{
	struct stat st;
	mode_t old = umask(0);
	struct store *s = open_at(*state);

	umask(old);
	write_records(s, 1, 0);
	assert_int_equal(stat(scratch_db(*state), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	store_close(s);
}

static void
a_second_engine_is_refused(void **state)
{
	struct store *s = open_at(*state);

	assert_refused(*state, CS_ERR_CONFLICT, "another engine");
	store_close(s);
	store_close(open_at(*state));
}

static void
a_newer_schema_is_refused(void **state)
{
	store_close(open_at(*state));
	sql(*state, "PRAGMA user_version=2");
	assert_refused(*state, CS_ERR_VERSION, "schema 2");
}

static void
another_program_s_database_is_refused_and_left_alone(void **state)
{
	int fd = open(scratch_db(*state), O_CREAT | O_RDWR, 0600);

	close(fd);
	sql(*state, "CREATE TABLE theirs(x); INSERT INTO theirs VALUES(1)");
	assert_refused(*state, CS_ERR_CORRUPT, "something else");
	sql(*state, "INSERT INTO theirs VALUES(2)");
}

static void
a_file_that_is_no_database_is_refused(void **state)
{
	int fd = open(scratch_db(*state), O_CREAT | O_RDWR, 0600);
	char text[8192];

	memset(text, 'x', sizeof(text));
	assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
	close(fd);
	assert_refused(*state, CS_ERR_CORRUPT, "store.db");
}

static void
a_file_open_to_others_is_refused(void **state)
{
	store_close(open_at(*state));
	assert_int_equal(chmod(scratch_db(*state), 0640), 0);
	assert_refused(*state, CS_ERR_DENIED, "chmod 0600");
}

static void
a_file_with_two_names_is_refused(void **state)
{
	char other[600];

	store_close(open_at(*state));
	snprintf(other, sizeof(other), "%s/other.db", (char *)*state);
	assert_int_equal(link(scratch_db(*state), other), 0);
	assert_refused(*state, CS_ERR_DENIED, "one name");
}

/* Root may write everything, so the child is nobody. */
static void
a_read_only_file_is_refused(void **state)
{
	pid_t pid;
	int status;

	store_close(open_at(*state));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char lock[600];

		snprintf(lock, sizeof(lock), "%s.lock", scratch_db(*state));
		if (geteuid() == 0)
			CHECK(chown(*state, OTHER_UID, OTHER_UID) == 0 &&
			      chown(lock, OTHER_UID, OTHER_UID) == 0 &&
			      chown(scratch_db(*state), OTHER_UID, OTHER_UID) == 0 &&
			      setgid(OTHER_UID) == 0 && setuid(OTHER_UID) == 0);
		CHECK(chmod(scratch_db(*state), 0400) == 0);
		assert_refused(*state, CS_ERR_DENIED, "read-only");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static struct rlimit
limit_file_size(uint64_t bytes)
{
	struct rlimit old, now;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	now = (struct rlimit){bytes, old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
	return old;
}

enum { WAL_LIMIT_BYTES = 100000 };

static void
fill_the_disk(const char *dir, size_t cache_bytes)
{
	struct store *s;
	struct store_claim claim = {key_of(77), false, false};
	struct store_commit c = {.expected = 1};
	struct committed done[20];
	struct scanned *rows = calloc(1, sizeof(*rows));
	struct store_key fresh = key_of(500);
	struct rlimit old;
	uint8_t large[3000];
	char why[256];

	assert_int_equal(sqlite_open_at(dir, cache_bytes, 0, &s, why), CS_OK);
	memset(large, 1, sizeof(large));
	signal(SIGXFSZ, SIG_IGN);
	write_records(s, 20, 0);
	/* The WAL holds more than half of this by now, and is as long already; a write beyond it fails. */
	old = limit_file_size(WAL_LIMIT_BYTES);
	for (unsigned i = 0; i < 20; i++) {
		c.key = i == 19 ? fresh : key_of(i);
		c.expected = i == 19 ? 0 : 1;
		c.claims = &claim;
		c.claims_n = i == 19;
		commit_set(s, c, view_of(large, sizeof(large)), NO_COLD, &done[i]);
	}
	store_flush(s);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(done[i].calls, 1);
		assert_true(done[i].err == CS_ERR_UNAVAILABLE || done[i].err == CS_ERR_FULL);
		c.key = key_of(i);
		assert_int_equal(load(s, &c.key)->revision, i < 20 ? 1 : 0);
	}
	assert_int_equal(load(s, &fresh)->err, CS_ERR_NOT_FOUND);
	assert_int_equal(find(s, &claim.claim).err, CS_ERR_NOT_FOUND);
	scan(s, 0, 100, NULL, rows);
	assert_int_equal(rows->rows_n, 20);

	/* With room again it goes on, in this process and in the next. */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	write_records(s, 20, 1);
	scan(s, 0, 100, NULL, rows);
	assert_int_equal(rows->rows_n, 40);
	/* The events that were taken back left no hole: a replay would stop there. */
	for (size_t i = 0; i < rows->rows_n; i++)
		assert_int_equal(rows->rows[i].seq, i + 1);
	store_close(s);
	s = open_at(dir);
	for (unsigned i = 0; i < 20; i++) {
		c.key = key_of(i);
		assert_int_equal(load(s, &c.key)->revision, 2);
	}
	store_close(s);
	free(rows);
}

static void
a_turn_that_does_not_fit_on_the_disk_is_taken_back_whole(void **state)
{
	fill_the_disk(*state, 0);
}

/* The cache is so small that every flush writes snapshots: they are taken back too. */
static void
so_are_the_snapshots_that_came_with_it(void **state)
{
	fill_the_disk(*state, 1);
}

static void
a_nearly_full_disk_takes_only_what_narrows(void **state)
{
	struct store_sqlite_options options = {
	    .path = scratch_db(*state), .disk_reserve_bytes = UINT64_MAX, .replay = event_replay};
	struct store_commit c = {.key = key_of(1)};
	struct store_status st;
	struct store *s;
	char why[256];

	assert_int_equal(store_sqlite_open(&options, &s, why), CS_OK);
	assert_int_equal(commit_now(s, c, VIEW("spend"), NO_COLD), CS_ERR_FULL);
	c.narrows = true;
	assert_int_equal(commit_now(s, c, VIEW("freeze"), NO_COLD), CS_OK);
	store_status(s, &st);
	assert_true(st.narrow_only);
	store_close(s);
}

static void
a_clean_close_leaves_nothing_to_replay(void **state)
{
	struct store_sqlite_options options = {.path = scratch_db(*state)};
	struct store *s = open_at(*state);
	struct store_status st;
	struct store_key key = key_of(7);
	char why[256];

	write_records(s, 50, 0);
	store_close(s);
	assert_int_equal(store_sqlite_open(&options, &s, why), CS_OK);
	store_status(s, &st);
	assert_int_equal(st.folded, 50);
	assert_int_equal(st.log_last, 50);
	assert_int_equal(st.records, 50);
	assert_view(load(s, &key)->hot, VIEW("record 7 at 1"));
	store_close(s);
}

static void
a_crash_is_replayed_to_the_same_state(void **state)
{
	struct store *s;
	struct store_key key = key_of(7);

	crash_after(*state, 50, 0);
	crash_after(*state, 20, 1);
	s = open_at(*state);
	assert_view(load(s, &key)->hot, VIEW("record 7 at 2"));
	key = key_of(30);
	assert_view(load(s, &key)->hot, VIEW("record 30 at 1"));
	store_close(s);
}

static void
a_log_with_a_hole_is_refused(void **state)
{
	crash_after(*state, 50, 0);
	sql(*state, "DELETE FROM log WHERE seq = 20");
	assert_refused(*state, CS_ERR_CORRUPT, "stopped at event 20");
}

static void
an_event_moved_to_another_place_is_refused(void **state)
{
	crash_after(*state, 50, 0);
	sql(*state, "UPDATE log SET row = (SELECT row FROM log WHERE seq = 11) WHERE seq = 12");
	assert_refused(*state, CS_ERR_CORRUPT, "event 12");
}

static void
a_changed_head_record_is_refused(void **state)
{
	store_close(open_at(*state));
	sql(*state, "UPDATE meta SET row = x'0132000100000000'");
	assert_refused(*state, CS_ERR_CORRUPT, "head record");
}

static void
a_damaged_record_is_said_to_be_corrupt_and_others_live(void **state)
{
	struct store *s = open_at(*state);
	struct store_key key = key_of(3), other = key_of(4);
	struct store_commit c = {.key = key, .expected = 1};
	char text[200];
	uint64_t id = 0;

	write_records(s, 10, 0);
	store_close(s);
	for (int i = 0; i < 8; i++)
		id = id << 8 | key.b[i];
	snprintf(text, sizeof(text),
	    "UPDATE record SET row = substr(row, 1, 30) || x'ff' || substr(row, 32) WHERE id = "
	    "%lld",
	    (long long)id);
	sql(*state, text);
	s = open_at(*state);
	assert_int_equal(load(s, &key)->err, CS_ERR_CORRUPT);
	assert_int_equal(commit_now(s, c, VIEW("x"), NO_COLD), CS_ERR_CORRUPT);
	assert_int_equal(load(s, &other)->err, CS_OK);
	store_close(s);
}

static void
a_damaged_page_is_found_after_a_crash(void **state)
{
	uint8_t garbage[4096];
	int fd;

	/* The second crash leaves the pages of a whole close behind it in the file. */
	store_close(open_at(*state));
	crash_after(*state, 50, 0);
	sql(*state, "PRAGMA wal_checkpoint(TRUNCATE)");
	memset(garbage, 0xa5, sizeof(garbage));
	fd = open(scratch_db(*state), O_RDWR);
	assert_int_equal(pwrite(fd, garbage, sizeof(garbage), 4096), sizeof(garbage));
	close(fd);
	assert_refused(*state, CS_ERR_CORRUPT, "damaged");
}

static void
commit_many(struct store *s, unsigned turns, uint64_t revisions[100], enum cs_err *last)
{
	uint8_t large[3000];
	struct committed done[20];

	memset(large, 1, sizeof(large));
	for (unsigned turn = 0; turn < turns; turn++) {
		for (unsigned i = 0; i < 20; i++) {
			unsigned n = (turn * 20 + i) % 100;
			struct store_commit c = {.key = key_of(n), .expected = revisions[n]};

			commit_set(s, c, view_of(large, sizeof(large)), NO_COLD, &done[i]);
		}
		store_flush(s);
		for (unsigned i = 0; i < 20; i++)
			revisions[(turn * 20 + i) % 100] += done[i].err == CS_OK;
		*last = done[19].err;
	}
}

/* An admin's backup that reads for hours must not let the WAL fill the disk. */
static void
the_wal_keeps_its_cap_and_a_long_reader_stops_spending_only(void **state)
{
	const uint64_t cap = 1 << 20, turn_bytes = 400 * 1024;
	uint64_t revisions[100] = {0};
	struct store_commit c = {.key = key_of(900), .narrows = true};
	struct store_status st;
	struct store *s;
	sqlite3 *reader;
	enum cs_err last;
	char why[256];

	assert_int_equal(sqlite_open_at(*state, 0, cap, &s, why), CS_OK);
	commit_many(s, 100, revisions, &last);
	assert_int_equal(last, CS_OK);
	store_status(s, &st);
	assert_true(st.wal_bytes <= cap + turn_bytes);

	assert_int_equal(sqlite3_open(scratch_db(*state), &reader), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM log", NULL, NULL, NULL), SQLITE_OK);
	commit_many(s, 100, revisions, &last);
	assert_int_equal(last, CS_ERR_FULL);
	store_status(s, &st);
	assert_true(st.narrow_only);
	assert_true(st.wal_bytes <= cap + turn_bytes);
	assert_non_null(strstr(st.detail, "reader"));
	assert_int_equal(commit_now(s, c, VIEW("freeze"), NO_COLD), CS_OK);

	sqlite3_close(reader);
	commit_many(s, 2, revisions, &last);
	assert_int_equal(last, CS_OK);
	store_close(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_new_file_is_for_its_owner_alone),
	    TEST(a_second_engine_is_refused),
	    TEST(a_newer_schema_is_refused),
	    TEST(another_program_s_database_is_refused_and_left_alone),
	    TEST(a_file_that_is_no_database_is_refused),
	    TEST(a_file_open_to_others_is_refused),
	    TEST(a_file_with_two_names_is_refused),
	    TEST(a_read_only_file_is_refused),
	    TEST(a_turn_that_does_not_fit_on_the_disk_is_taken_back_whole),
	    TEST(so_are_the_snapshots_that_came_with_it),
	    TEST(a_nearly_full_disk_takes_only_what_narrows),
	    TEST(a_clean_close_leaves_nothing_to_replay),
	    TEST(a_crash_is_replayed_to_the_same_state),
	    TEST(a_log_with_a_hole_is_refused),
	    TEST(an_event_moved_to_another_place_is_refused),
	    TEST(a_changed_head_record_is_refused),
	    TEST(a_damaged_record_is_said_to_be_corrupt_and_others_live),
	    TEST(a_damaged_page_is_found_after_a_crash),
	    TEST(the_wal_keeps_its_cap_and_a_long_reader_stops_spending_only),
	};

	log_init("test_sqlite", LOG_LEVEL_WARN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
