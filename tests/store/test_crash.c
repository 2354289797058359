/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9 in the middle of a burst. A child commits, flushes, and tells over a pipe what was
 * acknowledged; the parent kills it after a random number of those words, opens the store and
 * looks: all that was told is there, and nothing is there by half. What a record holds follows from
 * its number and revision, so that every byte can be checked.
 */
#include "tests/store/harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/base/log.h"

enum { RECORDS = 200, ROUNDS = 24, ACKS_MAX = 900, TURN_MAX = 24, CLAIM_EVERY = 5 };

struct ack {
	uint32_t record, revision;
};

/* Both claims and payments carry this. */
static struct store_key
mark_of(uint64_t record, uint64_t revision)
{
	return key_of(1000000 + record * 100000 + revision);
}

static struct view
state_of(uint64_t record, uint64_t revision, char *to, size_t cap)
{
	size_t n = (size_t)snprintf(to, cap, "record %llu at %llu ", (unsigned long long)record,
	    (unsigned long long)revision);
	size_t len = 100 + (size_t)((record * 31 + revision * 17) % 700);

	memset(to + n, (int)('a' + revision % 26), len - n);
	return view_of(to, len);
}

struct child {
	struct store *s;
	uint64_t random;
	int pipe;
	struct ack told[TURN_MAX];
	struct ack *next;
};

static void
child_told(void *ctx, enum cs_err err)
{
	struct ack *ack = ctx;

	CHECK(err == CS_OK);
	ack->revision |= 0x80000000; /* the completion ran */
}

static void
child_loaded(void *ctx, enum cs_err err, const struct store_record *r)
{
	CHECK(err == CS_OK || err == CS_ERR_NOT_FOUND);
	*(uint64_t *)ctx = err == CS_OK ? r->revision : 0;
}

static void
child_commit(struct child *c, struct ack *ack)
{
	uint64_t n = random_next(&c->random) % RECORDS, revision = 0;
	char hot[1000], cold[1000];
	uint8_t memory[STORE_EVENT_MAX];
	struct buf b = buf_over(memory, sizeof(memory));
	struct store_commit commit = {.key = key_of(n), .events_n = 1};
	struct store_claim claim;
	struct store_payment payment;
	struct store_event event;

	store_load(c->s, &commit.key, child_loaded, &revision);
	commit.expected = revision++;
	commit.hot = state_of(n, revision, hot, sizeof(hot));
	if (revision % CLAIM_EVERY == 1) {
		claim = (struct store_claim){mark_of(n, revision), false, false};
		payment = (struct store_payment){mark_of(n, revision), VIEW("paid")};
		commit.claims = &claim;
		commit.payments = &payment;
		commit.claims_n = commit.payments_n = 1;
		commit.cold = state_of(n, revision, cold, sizeof(cold));
	}
	event_make(&b, commit.hot, commit.cold.data != NULL);
	event = (struct store_event){buf_view(&b), commit.cold};
	commit.events = &event;
	*ack = (struct ack){(uint32_t)n, (uint32_t)revision};
	store_commit(c->s, &commit, child_told, ack);
}

static _Noreturn void
child_run(const char *dir, uint64_t seed, int out)
{
	struct child c = {.random = seed, .pipe = out};
	char why[256];

	CHECK(sqlite_open_at(
		  dir, seed % 2 == 0 ? 0 : 60 * 1024, seed % 3 == 0 ? 0 : 1, &c.s, why) == CS_OK);
	for (;;) {
		size_t n = 1 + random_next(&c.random) % TURN_MAX;

		for (size_t i = 0; i < n; i++)
			child_commit(&c, &c.told[i]);
		store_flush(c.s);
		for (size_t i = 0; i < n; i++) {
			CHECK((c.told[i].revision & 0x80000000) != 0);
			c.told[i].revision &= 0x7fffffff;
		}
		if (write(out, c.told, n * sizeof(c.told[0])) < 0)
			_exit(0);
		if (random_next(&c.random) % 8 == 0)
			store_idle(c.s, 300);
	}
}

/* Runs a child until it has told `acks` and kills it; whatever it still told counts. */
static void
burst(const char *dir, uint64_t seed, unsigned acks, uint64_t acked[RECORDS])
{
	int fds[2], status;
	unsigned seen = 0;
	struct ack ack;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		child_run(dir, seed, fds[1]);
	}
	close(fds[1]);
	while (seen < acks && read(fds[0], &ack, sizeof(ack)) == (ssize_t)sizeof(ack)) {
		seen++;
		acked[ack.record] =
		    ack.revision > acked[ack.record] ? ack.revision : acked[ack.record];
	}
	kill(pid, SIGKILL);
	while (read(fds[0], &ack, sizeof(ack)) == (ssize_t)sizeof(ack))
		acked[ack.record] =
		    ack.revision > acked[ack.record] ? ack.revision : acked[ack.record];
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void
check_record(struct store *s, uint64_t n, uint64_t acked)
{
	struct store_key key = key_of(n);
	const struct loaded *l = load(s, &key);
	uint64_t revision = l->err == CS_OK ? l->revision : 0;
	char want[1000];

	assert_true(revision >= acked);
	if (revision == 0) {
		assert_int_equal(l->err, CS_ERR_NOT_FOUND);
		return;
	}
	assert_view(l->hot, state_of(n, revision, want, sizeof(want)));
	assert_view(l->cold,
	    state_of(n, (revision - 1) / CLAIM_EVERY * CLAIM_EVERY + 1, want, sizeof(want)));
	for (uint64_t r = 1; r <= revision + 2 * CLAIM_EVERY; r += CLAIM_EVERY) {
		struct store_key mark = mark_of(n, r);

		assert_int_equal(find(s, &mark).err, r <= revision ? CS_OK : CS_ERR_NOT_FOUND);
		assert_true((find_payment(s, &key, &mark) != NULL) == (r <= revision));
	}
}

static void
check_log(struct store *s)
{
	static struct scanned rows;
	struct store_key keys[RECORDS];
	uint64_t revisions[RECORDS] = {0};
	uint64_t after = 0;

	for (uint64_t n = 0; n < RECORDS; n++)
		keys[n] = key_of(n);
	for (;;) {
		scan(s, after, SCANNED_MAX, NULL, &rows);
		assert_int_equal(rows.err, CS_OK);
		if (rows.next == after)
			break;
		after = rows.next;
		for (size_t i = 0; i < rows.rows_n; i++) {
			uint64_t n = 0;

			while (memcmp(keys[n].b, rows.rows[i].key.b, STORE_KEY_BYTES) != 0)
				n++;
			assert_int_equal(rows.rows[i].revision, ++revisions[n]);
		}
	}
	for (uint64_t n = 0; n < RECORDS; n++)
		assert_int_equal(revisions[n], load(s, &keys[n])->revision);
}

static void
a_killed_engine_loses_nothing_it_has_told(void **state)
{
	uint64_t random = seed_pick("test_crash"), acked[RECORDS] = {0};
	char *dir = scratch_make(), why[256] = "";
	struct store *s;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t seed = random_next(&random);

		burst(dir, seed, (unsigned)(random_next(&random) % ACKS_MAX), acked);
		/* In half of the rounds one crash follows upon another with no clean close between.
		 */
		if (random_next(&random) % 2 == 0 && round < ROUNDS - 1)
			continue;
		if (sqlite_open_at(dir, 0, 0, &s, why) != CS_OK)
			fail_msg("%s", why);
		for (uint64_t n = 0; n < RECORDS; n++)
			check_record(s, n, acked[n]);
		check_log(s);
		store_close(s);
	}
	scratch_remove(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_killed_engine_loses_nothing_it_has_told),
	};

	log_init("test_crash", LOG_LEVEL_WARN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
