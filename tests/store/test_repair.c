/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing acknowledged is lost, on a server that loses what it acknowledged: its data are set back to what they were, to
 * nothing, or to another history; brokers die, sleep, come late. What was acknowledged is found again, in order, or its
 * account is held; never is it overwritten.
 */
#include "tests/store/repair_world.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/store/redis/tenure_int.h"

static int
two_brokers_on(void **state, bool durable)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	world_init(w, BUCKETS, durable, 1);
	*state = w;
	broker_start(w, 0);
	world_settle(w);
	broker_start(w, 1);
	world_settle(w);
	return 0;
}

static int
two_brokers(void **state)
{
	return two_brokers_on(state, false);
}

static int
two_brokers_durable(void **state)
{
	return two_brokers_on(state, true);
}

static int
over(void **state)
{
	world_clear(*state);
	free(*state);
	return 0;
}

static void
set_back(struct world *w, const struct snapshot *s)
{
	world_set_back(w, s, false);
	world_tell(w);
}

/* An empty store of full size: one broker opens all of it, in few rounds. */
static void
test_first_start(void **state)
{
	struct world w;
	struct timespec a, b;
	int rounds = 0;

	(void)state;
	world_init(&w, 0, false, 1);
	broker_start(&w, 0);
	clock_gettime(CLOCK_MONOTONIC, &a);
	while (tenure_whole_for_ms(w.brokers[0].tenure, w.now_ms + 1) == 0 && rounds++ < 100)
		world_step(&w);
	clock_gettime(CLOCK_MONOTONIC, &b);
	print_message("1024 buckets of an empty store opened in %ld ms\n", (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000);
	assert_in_range(rounds, 1, 10);
	/* And again under a new tenure. */
	world_set_back(&w, NULL, false);
	world_tell(&w);
	assert_null(tenure_open(w.brokers[0].tenure, 700));
	for (rounds = 0; tenure_whole_for_ms(w.brokers[0].tenure, w.now_ms + 1) == 0 && rounds < 100; rounds++)
		world_step(&w);
	assert_in_range(rounds, 1, 10);
	world_clear(&w);
}

/* What a server is asked at once, and how often each bucket. */
struct proofs {
	unsigned at_once, of[JOURNAL_BUCKETS];
	bool refuse;
};

static enum plain_fate
proof_counted(void *ctx, unsigned bucket, int script)
{
	struct proofs *p = ctx;

	if (script == SCRIPT_PROVE) {
		p->at_once++;
		p->of[bucket]++;
	}
	return script == SCRIPT_PROVE && p->refuse ? FATE_REFUSED : FATE_DONE;
}

/*
 * A server that is slow, or does not answer in time, is asked for some buckets at a time, and for all of them before it is asked for
 * one again: so it opens some, and then some more, however slow it is.
 */
static void
test_some_at_a_time(void **state)
{
	enum { AT_ONCE = 128 };
	static struct proofs p;
	struct world w;
	unsigned n = 0;

	(void)state;
	world_init(&w, 0, false, 1);
	broker_start(&w, 0);
	plain_fleet_fate(w.brokers[0].fleet, proof_counted, &p);
	for (p.refuse = true; n < JOURNAL_BUCKETS; n += p.at_once) {
		p.at_once = 0;
		world_step(&w);
		assert_in_range(p.at_once, 1, AT_ONCE);
	}
	for (unsigned i = 0; i < JOURNAL_BUCKETS; i++)
		assert_int_equal(p.of[i], 1);
	p.refuse = false;
	for (int rounds = 0; tenure_whole_for_ms(w.brokers[0].tenure, w.now_ms + 1) == 0; rounds++) {
		assert_true(rounds < 200);
		p.at_once = 0;
		world_step(&w);
		assert_in_range(p.at_once, 0, AT_ONCE);
	}
	world_clear(&w);
}

/* A broker writes nothing before the others have it in their journals: else none would wait for it after a failover. */
static void
test_joining(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, BUCKETS, false, 1);
	broker_start(&w, 0);
	world_settle(&w);
	w.brokers[0].quiet = true;
	broker_start(&w, 1);
	for (int i = 0; i < 20; i++)
		world_step(&w);
	assert_int_equal(tenure_state(w.brokers[1].tenure, 0), TENURE_JOINING);
	assert_false(broker_commit(&w, 1, 0));
	assert_int_equal(journal_members_n(w.brokers[0].journal), 0);
	w.brokers[0].quiet = false;
	world_settle(&w);
	assert_int_equal(journal_members_n(w.brokers[0].journal), 1);
	assert_string_equal(journal_member_at(w.brokers[0].journal, 0, NULL), journal_member(w.brokers[1].journal));
	assert_int_equal(journal_members_n(w.brokers[1].journal), 1);
	world_commit(&w, 1, 0);
	world_verify(&w);
	world_clear(&w);
}

/* Entries of two brokers for one record, one upon the other, all lost. */
static void
test_interleaved(void **state)
{
	struct world *w = *state;
	struct snapshot *s;
	struct tenure_status status;

	world_commit(w, 0, 3);
	s = snapshot_take(w);
	for (int i = 0; i < 6; i++) {
		world_commit(w, (unsigned)i % 2, 3);
		world_commit(w, (unsigned)i % 2, 4);
	}
	set_back(w, s);
	assert_false(broker_commit(w, 0, 3));
	world_settle(w);
	world_verify(w);
	assert_int_equal(world_held(w), 0);
	tenure_status(w->brokers[0].tenure, &status);
	assert_int_equal(status.lost, 6);
	world_commit(w, 1, 3);
	world_verify(w);
	snapshot_free(s);
}

/* The same with a real server that is killed and comes back with an older copy of its directory. */
static void
test_older_files(void **state)
{
	struct world *w = *state;
	char command[1024];

	for (unsigned i = 0; i < 10; i++)
		world_commit(w, i % 2, i % ACCOUNTS);
	snprintf(command, sizeof(command), "cp -r '%s/appendonlydir' '%s/copy'", w->server.dir, w->dir);
	assert_int_equal(system(command), 0);
	for (unsigned i = 0; i < 30; i++)
		world_commit(w, i % 2, i % ACCOUNTS);
	redis_server_kill(&w->server);
	snprintf(command, sizeof(command), "rm -r '%s/appendonlydir' && mv '%s/copy' '%s/appendonlydir'", w->server.dir, w->dir, w->server.dir);
	assert_int_equal(system(command), 0);
	redis_server_again(&w->server);
	plain_fleet_reconnect(w->control, w->server.socket);
	for (unsigned i = 0; i < 2; i++)
		plain_fleet_reconnect(w->brokers[i].fleet, w->server.socket);
	world_look(w);
	world_tell(w);
	world_settle(w);
	world_verify(w);
	assert_int_equal(world_held(w), 0);
}

/* An admin's FLUSHALL: the same tenure, and no head. And a server that comes back with nothing. */
static void
test_emptied(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 20; i++)
		world_commit(w, i % 2, i % ACCOUNTS);
	world_set_back(w, NULL, true);
	assert_true(broker_commit(w, 0, 1));
	world_step(w);
	for (unsigned i = 0; i < BUCKETS; i++)
		broker_commit(w, 1, i);
	world_settle(w);
	for (unsigned i = 0; i < BUCKETS; i++)
		broker_commit(w, 0, i);
	world_settle(w);
	world_verify(w);
	assert_int_equal(world_held(w), 0);
	set_back(w, NULL);
	world_settle(w);
	world_verify(w);
	assert_int_equal(world_held(w), 0);
}

/* The same server, older data, and no sign of it (DEBUG RELOAD): the count of who wrote tells, also where nobody writes any more. */
static void
test_set_back_unseen(void **state)
{
	struct world *w = *state;
	struct snapshot *s;

	world_commit(w, 0, 1);
	world_commit(w, 1, 1);
	s = snapshot_take(w);
	world_commit(w, 1, 1);
	world_commit(w, 1, 2);
	world_set_back(w, s, true);
	for (int i = 0; i < 2500 / STEP_MS; i++)
		world_step(w);
	world_settle(w);
	world_verify(w);
	assert_int_equal(world_held(w), 0);
	world_set_back(w, s, true);
	assert_true(broker_commit(w, 1, 1));
	for (int i = 0; i < 2500 / STEP_MS; i++)
		world_step(w);
	world_settle(w);
	world_verify(w);
	snapshot_free(s);
}

/* A member that is gone and was put out is not waited for; one that was not, is. */
static void
test_absent(void **state)
{
	struct world *w = *state;
	struct snapshot *before, *after;
	struct tenure_status status;

	world_commit(w, 0, 1);
	world_commit(w, 1, 1);
	before = snapshot_take(w);
	world_commit(w, 1, 1);
	broker_kill(w, 1);
	for (int i = 0; i < 3 * LEASE_MS / STEP_MS; i++)
		world_step(w);
	world_commit(w, 0, 1);
	after = snapshot_take(w);
	world_commit(w, 0, 1);

	set_back(w, after);
	world_settle(w);
	world_verify(w);

	/* Before its last write and the mark: what it wrote is missing, and nobody else has it. */
	set_back(w, before);
	for (int i = 0; i < 300; i++)
		world_step(w);
	assert_int_equal(tenure_state(w->brokers[0].tenure, 1), TENURE_WAITING);
	assert_false(broker_commit(w, 0, 1));
	tenure_status(w->brokers[0].tenure, &status);
	assert_int_equal(status.waits_n, 1);
	assert_string_equal(status.waits[0], "broker-1");
	broker_start(w, 1);
	world_settle(w);
	world_verify(w);
	assert_int_equal(world_held(w), 0);
	snapshot_free(before);
	snapshot_free(after);
}

/* A broker that was stopped in order is not waited for, at once; and is back at once. */
static void
test_left(void **state)
{
	struct world *w = *state;
	struct snapshot *s;
	int rounds = 0;

	world_commit(w, 1, 1);
	tenure_leave(w->brokers[1].tenure);
	assert_false(broker_commit(w, 1, 1));
	while (!tenure_left(w->brokers[1].tenure) && rounds++ < 10)
		world_step(w);
	for (rounds = 0; rounds < LEASE_MS / STEP_MS; rounds++)
		world_step(w); /* it goes on to beat */
	assert_true(tenure_left(w->brokers[1].tenure));
	broker_kill(w, 1);
	s = snapshot_take(w);
	world_commit(w, 0, 1);
	set_back(w, s);
	world_settle(w);
	world_commit(w, 0, 1);
	world_verify(w);
	broker_start(w, 1);
	world_settle(w);
	world_commit(w, 1, 1);
	world_verify(w);
	snapshot_free(s);
}

static void
done(void *ctx, enum cs_err err)
{
	*(int *)ctx = (int)err;
}

/* The journal of a dead broker is lost with it: the admin's word opens, and what only it knew is missing. It returns. */
static void
test_forgotten_comes_late(void **state)
{
	struct world *w = *state;
	struct snapshot *s;
	struct member_status member;
	struct tenure_status status;
	struct store_key key = account_key(2);
	int said = -1;

	world_commit(w, 0, 1);
	world_commit(w, 0, 2);
	s = snapshot_take(w);
	world_commit(w, 1, 1);
	world_commit(w, 1, 2);
	broker_kill(w, 1);
	set_back(w, s);
	for (int i = 0; i < 100; i++)
		world_step(w);
	assert_int_equal(tenure_state(w->brokers[0].tenure, 1), TENURE_WAITING);
	assert_int_equal(members_find(w->brokers[0].members, "broker-1", w->now_ms, &member), CS_OK);
	tenure_forget(w->brokers[0].tenure, member.id, done, &said);
	for (int i = 0; i < 10; i++)
		world_step(w);
	assert_int_equal(said, CS_OK);
	world_settle(w);
	assert_int_equal(journal_members_n(w->brokers[0].journal), 0);

	/* It was not lost after all. What fits comes back; what was built over is held. */
	world_commit(w, 0, 2);
	broker_start(w, 1);
	world_settle(w);
	tenure_status(w->brokers[1].tenure, &status);
	assert_int_equal(status.late, 2);
	assert_false(account_held(w, 1));
	assert_true(account_held(w, 2));
	world_verify(w);

	tenure_release_record(w->brokers[0].tenure, &key, done, &said);
	said = -1;
	world_settle(w);
	assert_int_equal(said, CS_OK);
	assert_false(account_held(w, 2));
	world_commit(w, 1, 2);
	tenure_release_record(w->brokers[0].tenure, &key, done, &said);
	world_settle(w);
	assert_int_equal(said, CS_ERR_NOT_FOUND);
	snapshot_free(s);
}

/* A commit that is executed, and nobody hears of it. */
static void
commit_unheard(struct world *w, unsigned i, unsigned account)
{
	size_t acked = w->acked_n;

	w->brokers[i].unheard = true;
	assert_true(broker_commit(w, i, account));
	while (w->brokers[i].ops > 0)
		world_step(w);
	w->brokers[i].unheard = false;
	assert_int_equal(w->acked_n, acked);
}

/* One broker goes on, for so many steps or until it has the bucket open; the other one stands still. */
static void
only(struct world *w, unsigned i, unsigned bucket, int steps)
{
	w->brokers[1 - i].quiet = true;
	for (int n = 0; n < steps && tenure_state(w->brokers[i].tenure, bucket) != TENURE_OPEN; n++)
		world_step(w);
	w->brokers[1 - i].quiet = false;
}

static bool
repairs(const struct world *w, unsigned i, unsigned bucket)
{
	return w->brokers[i].tenure->buckets[bucket].repair != NULL;
}

/* Until it is about to look at what lies in the repair area. */
static void
until_repair(struct world *w, unsigned i, unsigned bucket)
{
	for (int n = 0; !repairs(w, i, bucket); n++) {
		assert_true(n < 200);
		only(w, i, bucket, 1);
	}
}

/* How many steps each of two goes on in turn, before both go on to the end. */
struct schedule {
	int first, second, again, more;
};

static void
repair_by_two(struct world *w, const struct snapshot *lost, unsigned account, const struct schedule *at)
{
	enum { ENOUGH = 60 };
	unsigned bucket = account % BUCKETS;

	set_back(w, lost);
	/* Both have proved themselves, and put back what they have. */
	for (int n = 0; !repairs(w, 0, bucket) && !repairs(w, 1, bucket); n++) {
		assert_true(n < 200);
		world_step(w);
	}
	until_repair(w, 0, bucket);
	until_repair(w, 1, bucket);
	only(w, 0, bucket, at->first);
	only(w, 1, bucket, at->second);
	only(w, 0, bucket, at->again);
	only(w, 1, bucket, at->more);
	only(w, 0, bucket, ENOUGH);
	world_settle(w);
	if (world_held(w) != 0)
		fail_msg("held, though nothing is missing: by turns after %d, %d, %d, %d steps", at->first, at->second, at->again, at->more);
	world_verify(w);
}

/*
 * Two members repair the same at a time: a commit with the three that it was built on, which no journal has for themselves. Each step
 * is one question to the server: which entries, the entry, the commit, what it was built on, what that was, and up again. One of
 * them is overtaken on its way down, once and twice.
 */
static void
test_repaired_by_two_at_once(void **state)
{
	enum { ACCOUNT = 3 };
	struct world *w = *state;
	struct snapshot *s;
	struct schedule at;

	world_commit(w, 1, ACCOUNT);
	s = snapshot_take(w);
	commit_unheard(w, 1, ACCOUNT);
	commit_unheard(w, 1, ACCOUNT);
	commit_unheard(w, 1, ACCOUNT);
	world_commit(w, 1, ACCOUNT);
	for (at.first = 3; at.first <= 5; at.first++) {
		for (at.second = 4; at.second <= 8; at.second++) {
			for (at.again = 0; at.again <= 3; at.again += at.again > 0 ? 1 : 2) {
				for (at.more = at.again > 0; at.more <= (at.again > 0 ? 2 : 0); at.more++)
					repair_by_two(w, s, ACCOUNT, &at);
			}
		}
	}
	snapshot_free(s);
}

/* The place of a lost change is taken by one that nobody acknowledged: not guessed. */
static void
test_conflict_is_held(void **state)
{
	struct world *w = *state;
	struct snapshot *common = NULL, *other;

	world_commit(w, 0, 5);
	common = snapshot_take(w);
	/* In one history a change is executed, and its broker dies before it hears of it. */
	w->brokers[1].dies_unheard = true;
	assert_true(broker_commit(w, 1, 5));
	for (int i = 0; i < 5; i++)
		world_step(w);
	assert_false(w->brokers[1].up);
	other = snapshot_take(w);
	broker_start(w, 1);
	world_set_back(w, common, false);
	world_tell(w);
	world_settle(w);
	/* In the other one another change is acknowledged. Then the first comes back. */
	world_commit(w, 0, 5);
	world_commit(w, 1, 5);
	set_back(w, other);
	world_settle(w);
	world_verify(w);
	snapshot_free(common);
	snapshot_free(other);
}

/* The journal no longer has what is missing. */
static void
test_pruned_is_held(void **state)
{
	struct world *w = *state;
	struct snapshot *s = NULL;
	int said = -1;

	for (int i = 0; i < 5; i++)
		world_commit(w, 0, 2);
	journal_idle(w->brokers[0].journal, w->now_ms + 3600001, true, 1000000);
	assert_true(journal_pruned(w->brokers[0].journal, 2) > 0);
	w->acked_n = 0;
	world_commit(w, 0, 1);
	set_back(w, NULL);
	for (int i = 0; i < 300; i++)
		world_step(w);
	assert_int_equal(tenure_state(w->brokers[0].tenure, 2), TENURE_HELD);
	assert_int_equal(tenure_state(w->brokers[1].tenure, 2), TENURE_HELD);
	assert_int_equal(tenure_state(w->brokers[1].tenure, 1), TENURE_OPEN);
	assert_false(broker_commit(w, 1, 2));
	tenure_release_bucket(w->brokers[1].tenure, 2, done, &said);
	world_settle(w);
	assert_int_equal(said, CS_OK);
	world_commit(w, 1, 2);
	world_verify(w);
	snapshot_free(s);
}

/* Cut off after each single step, with and without another loss on top. */
static void
test_interrupted(void **state)
{
	for (unsigned k = 1; k < 40; k += 1 + k / 12) {
		struct world *w;
		struct snapshot *s;

		if (k > 1)
			two_brokers(state);
		w = *state;
		world_commit(w, 0, 0);
		s = snapshot_take(w);
		for (int i = 0; i < 4; i++) {
			world_commit(w, 0, 0);
			world_commit(w, 1, 0);
			world_commit(w, 1, 4);
		}
		world_set_back(w, s, false);
		w->brokers[0].die_at = k;
		world_tell(w);
		for (unsigned i = 0; i < 6 + k % 3; i++)
			world_step(w);
		if (k % 2 == 0) {
			/* A second failover in the middle: to what the first repair had done until then. */
			snapshot_free(s);
			s = snapshot_take(w);
			for (int i = 0; i < 3; i++)
				world_step(w);
			world_set_back(w, s, false);
			world_tell(w);
		}
		for (int i = 0; i < 200 && w->brokers[0].up; i++)
			world_step(w);
		if (!w->brokers[0].up)
			broker_start(w, 0);
		w->brokers[0].die_at = 0;
		world_settle(w);
		world_verify(w);
		assert_int_equal(world_held(w), 0);
		snapshot_free(s);
		if (k < 39)
			over(state);
	}
	two_brokers(state);
}

/* Stopped for minutes, then continued with old ideas of everything. */
static void
test_sleeper(void **state)
{
	struct world *w = *state;
	struct snapshot *s;

	world_commit(w, 1, 1);
	s = snapshot_take(w);
	world_commit(w, 1, 1);
	/* A commit of its own lies unheard while it sleeps; the others put it out, and the server forgets. */
	assert_true(broker_commit(w, 1, 2));
	w->brokers[1].quiet = true;
	for (int i = 0; i < 3 * LEASE_MS / STEP_MS; i++)
		world_step(w);
	assert_false(members_view(w->brokers[1].members, w->now_ms).fresh);
	assert_true(members_view(w->brokers[0].members, w->now_ms).leads);
	world_commit(w, 0, 2);
	world_commit(w, 0, 1);
	world_set_back(w, s, false);
	plain_fleet_tenure(w->brokers[0].fleet, w->real);
	for (int i = 0; i < 50; i++)
		world_step(w);
	w->brokers[1].quiet = false;
	for (int i = 0; i < 5; i++)
		world_step(w);
	world_tell(w);
	world_settle(w);
	world_verify(w);
	snapshot_free(s);
}

/* Two processes with one journal: the one that was there first stops. */
static void
test_copied_journal(void **state)
{
	struct world *w = *state;
	char command[600];
	const char *why;

	world_commit(w, 0, 1);
	snprintf(command, sizeof(command), "cp '%s/journal-0' '%s/journal-2' && cp '%s/journal-0-wal' '%s/journal-2-wal'", w->dir, w->dir, w->dir, w->dir);
	assert_int_equal(system(command), 0);
	broker_start(w, 2);
	for (int i = 0; i < LEASE_MS / STEP_MS; i++)
		world_step(w);
	why = members_why(w->brokers[0].members);
	assert_non_null(strstr(why, "must not be copied"));
	assert_null(tenure_open(w->brokers[0].tenure, 1));
	assert_false(broker_commit(w, 0, 1));
}

static void
test_leader(void **state)
{
	struct world *w = *state;
	unsigned leader;

	for (int i = 0; i < 2 * LEASE_MS / STEP_MS; i++)
		world_step(w);
	leader = members_view(w->brokers[0].members, w->now_ms).leads ? 0 : 1;
	assert_true(members_view(w->brokers[leader].members, w->now_ms).leads);
	assert_false(members_view(w->brokers[1 - leader].members, w->now_ms).leads);
	assert_true(members_view(w->brokers[1 - leader].members, w->now_ms).fresh);
	broker_kill(w, leader);
	for (int i = 0; i < 2 * LEASE_MS / STEP_MS; i++)
		world_step(w);
	assert_true(members_view(w->brokers[1 - leader].members, w->now_ms).leads);
}

/* Anything at any time. */
static void
random_round(struct world *w, struct snapshot *snapshots[], size_t n)
{
	uint64_t r = random_next(&w->random) % 1000;
	unsigned i = (unsigned)(random_next(&w->random) % BROKERS), account = (unsigned)(random_next(&w->random) % ACCOUNTS);
	size_t at = random_next(&w->random) % n;

	if (r < 500) {
		if (w->brokers[i].up && w->brokers[i].ops < 3)
			(r % 4 == 0 ? broker_answer : broker_commit)(w, i, account);
	} else if (r < 530) {
		snapshot_free(snapshots[at]);
		snapshots[at] = snapshot_take(w);
	} else if (r < 537) {
		/* Any snapshot: also one of a history that was left. Now and then nothing is lost, or everything. */
		world_set_back(w, r == 530 ? NULL : snapshots[at], false);
	} else if (r < 550) {
		broker_kill(w, i);
	} else if (r < 590) {
		if (!w->brokers[i].up)
			broker_start(w, i);
	} else if (r < 593) {
		w->brokers[i].quiet = true;
	} else if (r < 630) {
		w->brokers[i].quiet = false;
	} else if (r < 800) {
		if (w->brokers[i].up)
			plain_fleet_tenure(w->brokers[i].fleet, w->real);
	}
	world_step(w);
}

static void
run_model(uint64_t seed, unsigned rounds)
{
	struct snapshot *snapshots[3] = {NULL};
	static struct world w;

	world_init(&w, BUCKETS, false, seed);
	for (unsigned i = 0; i < BROKERS; i++)
		broker_start(&w, i);
	world_settle(&w);
	for (size_t i = 0; i < 3; i++)
		snapshots[i] = snapshot_take(&w);
	w.chaos = true;
	for (unsigned i = 0; i < rounds; i++)
		random_round(&w, snapshots, 3);
	w.chaos = false;
	for (unsigned i = 0; i < BROKERS; i++) {
		w.brokers[i].quiet = false;
		if (!w.brokers[i].up)
			broker_start(&w, i);
	}
	world_tell(&w);
	world_settle(&w);
	world_verify(&w);
	print_message("seed %llu: %llu commits, %zu acknowledged, %zu of %d accounts held\n", (unsigned long long)seed, (unsigned long long)w.commits, w.acked_n,
	    world_held(&w), ACCOUNTS);
	for (size_t i = 0; i < 3; i++)
		snapshot_free(snapshots[i]);
	world_clear(&w);
}

static void
test_model(void **state)
{
	bool is_long = getenv("CS_LONG") != NULL;
	uint64_t seed = seed_pick("test_repair");

	(void)state;
	for (unsigned i = 0; i < (is_long ? 200 : 3); i++)
		run_model(seed + i, is_long ? 3000 : 1200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_first_start),
	    cmocka_unit_test(test_some_at_a_time),
	    cmocka_unit_test(test_joining),
	    cmocka_unit_test_setup_teardown(test_interleaved, two_brokers, over),
	    cmocka_unit_test_setup_teardown(test_older_files, two_brokers_durable, over),
	    cmocka_unit_test_setup_teardown(test_emptied, two_brokers, over),
	    cmocka_unit_test_setup_teardown(test_set_back_unseen, two_brokers, over),
	    cmocka_unit_test_setup_teardown(test_absent, two_brokers, over),
	    cmocka_unit_test_setup_teardown(test_left, two_brokers, over),
	    cmocka_unit_test_setup_teardown(test_forgotten_comes_late, two_brokers, over),
	    cmocka_unit_test_setup_teardown(test_repaired_by_two_at_once, two_brokers, over),
	    cmocka_unit_test_setup_teardown(test_conflict_is_held, two_brokers, over),
	    cmocka_unit_test_setup_teardown(test_pruned_is_held, two_brokers, over),
	    cmocka_unit_test_setup_teardown(test_interrupted, two_brokers, over),
	    cmocka_unit_test_setup_teardown(test_sleeper, two_brokers, over),
	    cmocka_unit_test_setup_teardown(test_copied_journal, two_brokers, over),
	    cmocka_unit_test_setup_teardown(test_leader, two_brokers, over),
	    cmocka_unit_test(test_model),
	};

	if (!redis_server_there())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
