/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal of what a broker acknowledged: what was synced is there after every kind of end, in order, and nothing
 * else; a disk that is full or a file that is damaged is said, never hidden.
 */
#include "tests/store/harness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/store/redis/journal_int.h"

enum { BODY = 600, MODEL_MAX = 3000 };

static const struct store_key realm = {{1, 2, 3}};

static const char *
path_of(const char *dir, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static struct journal *
open_at(const char *dir, uint64_t bytes_max, int64_t keep_ms)
{
	struct journal_options o = {path_of(dir, "journal"), &realm, bytes_max, keep_ms};
	struct journal *j = NULL;
	char why[JOURNAL_WHY_TEXT] = "";

	if (journal_open(&o, &j, why) != CS_OK)
		fail_msg("%s", why);
	return j;
}

static enum cs_err
open_fails(const char *path, const struct store_key *with, char why[JOURNAL_WHY_TEXT])
{
	struct journal_options o = {path, with, 0, 0};
	struct journal *j = NULL;
	enum cs_err err = journal_open(&o, &j, why);

	journal_close(j);
	return err;
}

/* What a body holds follows from bucket and n. */
static struct view
body_of(unsigned bucket, uint64_t n, char to[BODY + 200])
{
	int len = snprintf(to, BODY, "entry %llu of %u ", (unsigned long long)n, bucket);
	size_t all = BODY + (size_t)((n * 13 + bucket) % 150);

	memset(to + len, (int)('a' + n % 26), all - (size_t)len);
	return view_of(to, all);
}

static void
put(struct journal *j, unsigned bucket, uint64_t n)
{
	char body[BODY + 200];
	struct journal_entry e = {.kind = n % 7 == 0 ? JOURNAL_CLAIM : JOURNAL_COMMIT,
	    .bucket = (uint16_t)bucket,
	    .n = n,
	    .key = key_of(n),
	    .revision = n + 1,
	    .seq = n * 1024 + bucket,
	    .body = body_of(bucket, n, body)};

	journal_put(j, &e);
}

struct got {
	unsigned bucket;
	uint64_t n[MODEL_MAX];
	size_t count;
};

static bool
got_one(void *ctx, const struct journal_entry *e)
{
	struct got *g = ctx;
	char body[BODY + 200];
	struct store_key key = key_of(e->n);

	assert_int_equal(e->bucket, g->bucket);
	assert_view(e->body, body_of(e->bucket, e->n, body));
	assert_memory_equal(&e->key, &key, sizeof(key));
	assert_int_equal(e->revision, e->n + 1);
	assert_int_equal(e->seq, e->n * 1024 + e->bucket);
	assert_int_equal(e->kind, e->n % 7 == 0 ? JOURNAL_CLAIM : JOURNAL_COMMIT);
	if (g->count > 0)
		assert_true(e->n > g->n[g->count - 1]);
	g->n[g->count++] = e->n;
	return true;
}

static enum cs_err
since(struct journal *j, unsigned bucket, uint64_t after, struct got *g)
{
	g->bucket = bucket;
	g->count = 0;
	return journal_since(j, bucket, after, SIZE_MAX, got_one, g);
}

static void
test_kept(void **state)
{
	char *dir = scratch_make();
	struct journal *j = open_at(dir, 0, 0);
	char id[JOURNAL_MEMBER_TEXT];
	static struct got g;

	(void)state;
	snprintf(id, sizeof(id), "%s", journal_member(j));
	assert_int_equal(strlen(id), 16);
	for (uint64_t n = 1; n <= 100; n++) {
		put(j, 5, n);
		put(j, 1023, n * 3);
		if (n % 7 == 0)
			assert_int_equal(journal_sync(j, (int64_t)n), CS_OK);
	}
	/* What no sync made durable is no position, and is not there after a crash. */
	assert_int_equal(journal_position(j, 5), 98);
	journal_close(j);

	j = open_at(dir, 0, 0);
	assert_string_equal(journal_member(j), id);
	assert_int_equal(journal_position(j, 5), 98);
	assert_int_equal(journal_position(j, 1023), 98 * 3);
	assert_int_equal(journal_position(j, 6), 0);
	assert_int_equal(since(j, 5, 90, &g), CS_OK);
	assert_int_equal(g.count, 8);
	assert_int_equal(g.n[0], 91);
	assert_int_equal(since(j, 1023, 0, &g), CS_OK);
	assert_int_equal(g.count, 98);
	assert_int_equal(since(j, 5, 98, &g), CS_OK);
	assert_int_equal(g.count, 0);
	assert_int_equal(since(j, 6, 0, &g), CS_OK);
	assert_int_equal(g.count, 0);
	journal_close(j);
	scratch_remove(dir);
}

/* Replies come over several connections: an older write may be acknowledged after a newer one. */
static void
test_out_of_order(void **state)
{
	static const uint64_t order[] = {1, 3, 2, 9, 5, 8, 7};
	char *dir = scratch_make();
	struct journal *j = open_at(dir, 0, 0);
	static struct got g;

	(void)state;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		put(j, 9, order[i]);
		assert_int_equal(journal_sync(j, 1), CS_OK);
	}
	assert_int_equal(journal_position(j, 9), 9);
	assert_int_equal(since(j, 9, 6, &g), CS_OK);
	assert_int_equal(g.count, 3);
	assert_int_equal(g.n[0], 7);
	assert_int_equal(g.n[2], 9);
	assert_int_equal(since(j, 9, 1, &g), CS_OK);
	assert_int_equal(g.count, 6);
	journal_close(j);
	scratch_remove(dir);
}

static void
test_refused(void **state)
{
	char *dir = scratch_make();
	struct journal *j = open_at(dir, 0, 0);
	struct store_key other = {{9}};
	char why[JOURNAL_WHY_TEXT], path[256];
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s", path_of(dir, "journal"));
	assert_int_equal(open_fails(path, &realm, why), CS_ERR_CONFLICT);
	assert_non_null(strstr(why, "each broker its own"));
	put(j, 1, 1);
	assert_int_equal(journal_sync(j, 1), CS_OK);
	journal_close(j);
	assert_int_equal(open_fails(path, &other, why), CS_ERR_DENIED);
	assert_non_null(strstr(why, "another store"));
	chmod(path, 0644);
	assert_int_equal(open_fails(path, &realm, why), CS_ERR_DENIED);
	assert_non_null(strstr(why, "chmod 0600"));
	snprintf(path, sizeof(path), "%s", path_of(dir, "text"));
	f = fopen(path, "w");
	for (int i = 0; i < 1000; i++)
		fputs("not a journal at all\n", f);
	fclose(f);
	chmod(path, 0600);
	assert_int_equal(open_fails(path, &realm, why), CS_ERR_CORRUPT);
	assert_non_null(strstr(why, "move it away"));
	scratch_remove(dir);
}

static void
test_pruned(void **state)
{
	char *dir = scratch_make();
	struct journal *j = open_at(dir, 0, 1000);
	static struct got g;

	(void)state;
	for (uint64_t n = 1; n <= 20; n++) {
		put(j, 3, n);
		assert_int_equal(journal_sync(j, (int64_t)n * 100), CS_OK);
	}
	/* Old, but nobody says that the store is whole. */
	assert_false(journal_idle(j, 2500, false, 1000));
	assert_int_equal(since(j, 3, 0, &g), CS_OK);
	assert_int_equal(g.count, 20);
	/* Entries up to 1,500 are older than a second. */
	assert_false(journal_idle(j, 2500, true, 1000));
	assert_int_equal(journal_pruned(j, 3), 15);
	assert_int_equal(since(j, 3, 14, &g), CS_ERR_NOT_FOUND);
	assert_int_equal(since(j, 3, 15, &g), CS_OK);
	assert_int_equal(g.count, 5);
	journal_close(j);

	/* A broker that was down for long, or whose clock begins anew, makes nothing old. */
	j = open_at(dir, 0, 1000);
	assert_int_equal(journal_pruned(j, 3), 15);
	assert_false(journal_idle(j, 900000, true, 1000));
	assert_false(journal_idle(j, 900050, true, 1000));
	assert_int_equal(journal_pruned(j, 3), 15);
	assert_int_equal(since(j, 3, 15, &g), CS_OK);
	assert_int_equal(g.count, 5);
	assert_false(journal_idle(j, 902000, true, 1000));
	assert_int_equal(journal_pruned(j, 3), 20);
	assert_int_equal(journal_position(j, 3), 20);
	journal_close(j);
	scratch_remove(dir);
}

static void
test_full_by_size(void **state)
{
	char *dir = scratch_make();
	struct journal *j = open_at(dir, 64 * 1024, 1000);
	char why[JOURNAL_WHY_TEXT];
	uint64_t n = 0;

	(void)state;
	for (enum cs_err err = CS_OK; err == CS_OK; n += err == CS_OK) {
		put(j, 3, n + 1);
		err = journal_sync(j, 1);
		assert_true(err == CS_OK || err == CS_ERR_FULL);
	}
	assert_true(n > 70);
	assert_int_equal(journal_position(j, 3), n);
	assert_int_equal(journal_health(j, why), CS_ERR_FULL);
	assert_non_null(strstr(why, "nothing is old enough"));
	journal_idle(j, 900, true, 100000);
	assert_int_equal(journal_health(j, why), CS_ERR_FULL);
	journal_idle(j, 2001, true, 1000000);
	assert_int_equal(journal_health(j, why), CS_OK);
	assert_string_equal(why, "");
	put(j, 3, n + 1);
	assert_int_equal(journal_sync(j, 2002), CS_OK);
	journal_close(j);
	scratch_remove(dir);
}

/* In a child, since a limit on file sizes holds for all of the process. */
static int
full_disk_child(const char *dir)
{
	struct journal *j = open_at(dir, 0, 0);
	struct rlimit limit = {2 << 20, RLIM_INFINITY};
	enum cs_err err = CS_OK;
	uint64_t n = 0, held;

	signal(SIGXFSZ, SIG_IGN);
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	while (err == CS_OK && n < 5000) {
		put(j, (unsigned)(n % 5), n / 5 + 1);
		err = journal_sync(j, 1);
		n += err == CS_OK;
	}
	CHECK(err == CS_ERR_FULL && journal_health(j, NULL) == CS_ERR_FULL && n > 100);
	held = journal_position(j, 0);
	put(j, 0, held + 1);
	CHECK(journal_sync(j, 2) == CS_ERR_FULL && journal_position(j, 0) == held);
	limit.rlim_cur = RLIM_INFINITY;
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	journal_idle(j, 5000, false, 1000);
	CHECK(journal_health(j, NULL) == CS_OK);
	put(j, 0, held + 1);
	CHECK(journal_sync(j, 5001) == CS_OK);
	printf("%llu\n", (unsigned long long)held + 1);
	fflush(stdout);
	_exit(0); /* as killed: nothing is closed */
}

static void
test_full_disk(void **state)
{
	char *dir = scratch_make();
	int pipe_fds[2], status;
	char told[32] = "";
	struct journal *j;
	static struct got g;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	child = fork();
	if (child == 0) {
		dup2(pipe_fds[1], 1);
		full_disk_child(dir);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(read(pipe_fds[0], told, sizeof(told) - 1) > 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	j = open_at(dir, 0, 0);
	assert_int_equal(since(j, 0, 0, &g), CS_OK);
	assert_int_equal(g.count, strtoull(told, NULL, 10));
	assert_int_equal(g.n[g.count - 1], g.count);
	journal_close(j);
	scratch_remove(dir);
}

/* Every row's frames once more, with one byte changed: never another entry than the one that was put. */
static void
test_damaged_rows(void **state)
{
	struct journal_frame f = {{JOURNAL_COMMIT, 7, 3, key_of(3), 4, 99, VIEW("the whole of it")}, 2, 1}, g;
	uint8_t memory[256], copy[256];
	struct buf b = buf_over(memory, sizeof(memory));
	struct cursor frames;
	uint64_t time_ms;

	(void)state;
	journal_row_begin(&b);
	journal_put_frame(&b, &f);
	journal_row_end(&b, 12, 77);
	assert_int_equal(journal_row_open(buf_view(&b), 12, &time_ms, &frames), CS_OK);
	assert_int_equal(time_ms, 77);
	assert_int_equal(journal_get_frame(&frames, &g), CS_OK);
	assert_int_equal(g.before_row, 2);
	assert_view(g.entry.body, f.entry.body);
	assert_int_equal(journal_get_frame(&frames, &g), CS_ERR_NOT_FOUND);
	assert_int_equal(journal_row_open(buf_view(&b), 13, &time_ms, &frames), CS_ERR_CORRUPT);
	for (size_t i = 0; i < b.len; i++) {
		memcpy(copy, memory, b.len);
		copy[i] ^= 0x20;
		assert_int_not_equal(journal_row_open(view_of(copy, b.len), 12, &time_ms, &frames), CS_OK);
		assert_int_not_equal(journal_row_open(view_of(memory, i), 12, &time_ms, &frames), CS_OK);
	}
}

/* A byte of the file changes after it was checkpointed: the entries are refused, not handed out and not left out. */
static void
test_damaged_file(void **state)
{
	char *dir = scratch_make(), path[256], why[JOURNAL_WHY_TEXT];
	struct journal *j = open_at(dir, 0, 0);
	static char file[4 << 20];
	char want[BODY + 200];
	struct view body = body_of(4, 5, want);
	static struct got g;
	ssize_t len;
	char *at;
	int fd;

	(void)state;
	for (uint64_t n = 1; n <= 300; n++) {
		put(j, 4, n);
		assert_int_equal(journal_sync(j, 1), CS_OK);
	}
	journal_close(j);
	snprintf(path, sizeof(path), "%s", path_of(dir, "journal"));
	fd = open(path, O_RDWR);
	len = read(fd, file, sizeof(file));
	at = memmem(file, (size_t)len, body.data, 40);
	assert_non_null(at);
	assert_int_equal(pwrite(fd, "E", 1, at - file), 1);
	close(fd);
	j = open_at(dir, 0, 0);
	assert_int_equal(since(j, 4, 5, &g), CS_OK);
	assert_int_equal(g.count, 295);
	assert_int_equal(since(j, 4, 4, &g), CS_ERR_CORRUPT);
	assert_int_equal(since(j, 4, 0, &g), CS_ERR_CORRUPT);
	journal_close(j);

	/* The heads: the start is refused, with words. */
	fd = open(path, O_RDWR);
	for (off_t o = 0; o < len; o += 4096)
		if (o >= 4096)
			assert_int_equal(pwrite(fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, o), 8);
	close(fd);
	assert_int_equal(open_fails(path, &realm, why), CS_ERR_CORRUPT);
	assert_non_null(strstr(why, "move it away"));
	scratch_remove(dir);
}

/* The WAL ends anywhere at all, as a power cut leaves it: a beginning of what was put, whole. */
static void
test_torn(void **state)
{
	char *dir = scratch_make(), command[1024];
	struct journal *j = open_at(dir, 0, 0);
	uint64_t last = 0;
	static struct got g;
	struct stat st;

	(void)state;
	for (uint64_t n = 1; n <= 40; n++) {
		put(j, 8, n);
		assert_int_equal(journal_sync(j, 1), CS_OK);
	}
	assert_int_equal(stat(path_of(dir, "journal-wal"), &st), 0);
	for (off_t cut = 0; cut <= st.st_size; cut += 1777) {
		struct journal *k;
		char to[200];

		snprintf(to, sizeof(to), "%s/torn", dir);
		snprintf(command, sizeof(command), "rm -rf '%s'; mkdir '%s' && cp '%s/journal' '%s/journal-wal' '%s' && truncate -s %lld '%s/journal-wal'", to,
		    to, dir, dir, to, (long long)cut, to);
		assert_int_equal(system(command), 0);
		k = open_at(to, 0, 0);
		/* The log was never shorter than what made the file: then it is another journal, of another broker. */
		assert_int_equal(since(k, 8, 0, &g), CS_OK);
		assert_int_equal(g.count, journal_position(k, 8));
		if (strcmp(journal_member(k), journal_member(j)) != 0)
			assert_int_equal(g.count, 0);
		assert_true(g.count >= last);
		last = g.count;
		journal_close(k);
	}
	assert_true(last >= 39);
	journal_close(j);
	scratch_remove(dir);
}

static void
test_members(void **state)
{
	char *dir = scratch_make();
	struct journal *j = open_at(dir, 0, 0);
	const char *name;
	char id[JOURNAL_MEMBER_TEXT];

	(void)state;
	assert_int_equal(journal_members_n(j), 0);
	assert_int_equal(journal_member_add(j, "00000000000000bb", "second"), CS_OK);
	assert_int_equal(journal_member_add(j, "00000000000000aa", "first"), CS_OK);
	assert_int_equal(journal_member_add(j, "00000000000000aa", "renamed"), CS_OK);
	assert_int_equal(journal_member_add(j, "00000000000000cc", "third"), CS_OK);
	assert_int_equal(journal_member_drop(j, "00000000000000bb"), CS_OK);
	journal_close(j);
	j = open_at(dir, 0, 0);
	assert_int_equal(journal_members_n(j), 2);
	assert_string_equal(journal_member_at(j, 0, &name), "00000000000000aa");
	assert_string_equal(name, "renamed");
	assert_string_equal(journal_member_at(j, 1, &name), "00000000000000cc");
	for (unsigned i = 2; i < JOURNAL_MEMBERS_MAX; i++) {
		snprintf(id, sizeof(id), "%016x", i);
		assert_int_equal(journal_member_add(j, id, ""), CS_OK);
	}
	assert_int_equal(journal_member_add(j, "00000000000000dd", ""), CS_ERR_FULL);
	journal_close(j);
	scratch_remove(dir);
}

/* SQLite may take for written what a failed sync has lost: nothing is called durable after one. */
static void
test_failed_sync(void **state)
{
	char *dir = scratch_make();
	struct journal *j = open_at(dir, 0, 0);
	char why[JOURNAL_WHY_TEXT];

	(void)state;
	assert_int_equal(journal_member_add(j, "00000000000000aa", "known"), CS_OK);
	assert_int_equal(journal_failed(j, SQLITE_IOERR_FSYNC), CS_ERR_UNAVAILABLE);
	put(j, 3, 1);
	assert_int_equal(journal_sync(j, 1), CS_ERR_UNAVAILABLE);
	assert_int_equal(journal_position(j, 3), 0);
	assert_int_equal(journal_member_add(j, "00000000000000bb", "new"), CS_ERR_UNAVAILABLE);
	assert_int_equal(journal_member_drop(j, "00000000000000aa"), CS_ERR_UNAVAILABLE);
	/* What comes afterwards does not make it well again. */
	assert_int_equal(journal_failed(j, SQLITE_FULL), CS_ERR_UNAVAILABLE);
	assert_false(journal_idle(j, 100000, true, 1000));
	assert_int_equal(journal_health(j, why), CS_ERR_UNAVAILABLE);
	assert_non_null(strstr(why, "failed a sync"));
	journal_close(j);
	j = open_at(dir, 0, 0);
	assert_int_equal(journal_members_n(j), 1);
	assert_int_equal(journal_position(j, 3), 0);
	journal_close(j);
	scratch_remove(dir);
}

/* Random puts, syncs and crashes against a list. */
static void
test_random(void **state)
{
	uint64_t random = seed_pick("test_journal");
	static uint64_t n[JOURNAL_BUCKETS];
	char *dir = scratch_make();
	struct journal *j = open_at(dir, 0, 0);
	static struct got g;

	(void)state;
	for (int round = 0; round < 400; round++) {
		unsigned puts = 1 + (unsigned)(random_next(&random) % 12);
		static uint64_t before[JOURNAL_BUCKETS];

		memcpy(before, n, sizeof(n));
		for (unsigned i = 0; i < puts; i++) {
			unsigned bucket = (unsigned)(random_next(&random) % 6) * 200;

			put(j, bucket, ++n[bucket]);
		}
		if (random_next(&random) % 50 == 0) {
			journal_close(j);
			j = open_at(dir, 0, 0);
			memcpy(n, before, sizeof(n));
		} else {
			assert_int_equal(journal_sync(j, round), CS_OK);
		}
	}
	for (unsigned bucket = 0; bucket < JOURNAL_BUCKETS; bucket += 200) {
		uint64_t after = random_next(&random) % (n[bucket] + 1);

		assert_int_equal(journal_position(j, bucket), n[bucket]);
		assert_int_equal(since(j, bucket, after, &g), CS_OK);
		assert_int_equal(g.count, n[bucket] - after);
	}
	journal_close(j);
	scratch_remove(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_kept),
	    cmocka_unit_test(test_out_of_order),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_pruned),
	    cmocka_unit_test(test_full_by_size),
	    cmocka_unit_test(test_full_disk),
	    cmocka_unit_test(test_damaged_rows),
	    cmocka_unit_test(test_damaged_file),
	    cmocka_unit_test(test_torn),
	    cmocka_unit_test(test_members),
	    cmocka_unit_test(test_failed_sync),
	    cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
