/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared store where it is shared: two brokers' stores on one redis-server, each with its own journal, and what that
 * server does to them. Their time goes on together.
 */
#include "tests/store/harness.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "broker/base/clock.h"
#include "broker/base/log.h"
#include "broker/store/redis/redis_int.h"
#include "tests/store/redis_server.h"

enum { TIMEOUT_MS = 1000, LEASE_MS = 3000,  WAIT_MS = 5, LATE_MS = 500, STORES = 2, RIVALS_STEPS = 300, MANY = 512, PATIENCE_S = 20 };

#define NO_COLD view_of(NULL, 0)

static struct redis_server server;
static struct pollset pollset;
static struct store *stores[STORES];
static char *dirs[STORES];

/* All of them go on: a store whose time stands still loses its lease. */
static void
wait_round(void)
{
	pollset_wait(&pollset, WAIT_MS);
	for (size_t i = 0; i < STORES; i++) {
		if (stores[i] == NULL)
			continue;
		store_flush(stores[i]);
		store_tick(stores[i], clock_steady_ms());
	}
}

static enum cs_err
open_one(const char *dir, const char *name, uint8_t realm, struct store **s, char why[STORE_REDIS_WHY_TEXT])
{
	struct fleet_address address;
	char journal[600];
	struct store_redis_options o = {
	    .fleet = {.mode = FLEET_SINGLE, .servers = &address, .servers_n = 1, .prefix = "cs", .timeout_ms = TIMEOUT_MS},
	    .name = name,
	    .realm = {{realm}},
	    .lease_ms = LEASE_MS,
	    .journal_path = journal,
	    .open_ms = 1000 * PATIENCE_S};

	snprintf(address.text, sizeof(address.text), "unix:%s", server.socket);
	snprintf(journal, sizeof(journal), "%s/journal.db", dir);
	return store_redis_open(&o, &pollset.poller, s, why);
}

static bool
ready(struct store *s)
{
	return store_view(s).fresh && tenure_whole_for_ms(((struct store_redis *)s)->tenure, clock_steady_ms()) > 0;
}

static void
both_ready(void)
{
	time_t since = time(NULL);

	while (!ready(stores[0]) || !ready(stores[1])) {
		wait_round();
		assert_true(time(NULL) - since < PATIENCE_S);
	}
}

/* Opening waits for itself alone, so one has to be closed while the other joins what it keeps. */
static int
setup(void **state)
{
	char why[STORE_REDIS_WHY_TEXT] = "";

	(void)state;
	pollset_init(&pollset);
	harness_wait = wait_round;
	redis_server_start(&server, true);
	for (size_t i = 0; i < STORES; i++)
		dirs[i] = scratch_make();
	if (open_one(dirs[0], "one", 1, &stores[0], why) != CS_OK)
		fail_msg("%s", why);
	store_close(stores[0]);
	stores[0] = NULL;
	if (open_one(dirs[1], "two", 1, &stores[1], why) != CS_OK || open_one(dirs[0], "one", 1, &stores[0], why) != CS_OK)
		fail_msg("%s", why);
	both_ready();
	return 0;
}

/* Before each: a machine that is busy may have taken a lease. */
static int
again(void **state)
{
	(void)state;
	both_ready();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < STORES; i++) {
		if (stores[i] != NULL)
			store_close(stores[i]);
		stores[i] = NULL;
		scratch_remove(dirs[i]);
	}
	pollset_clear(&pollset);
	redis_server_stop(&server);
	return 0;
}

/* One command, beside the stores. */
static long long
direct(const char *format, ...)
{
	redisContext *c = redisConnectUnix(server.socket);
	redisReply *r;
	long long answer;
	va_list args;

	assert_true(c != NULL && c->err == 0);
	va_start(args, format);
	r = redisvCommand(c, format, args);
	va_end(args);
	assert_true(r != NULL && r->type != REDIS_REPLY_ERROR);
	answer = r->integer;
	freeReplyObject(r);
	redisFree(c);
	return answer;
}

static struct view
name_of(const struct store_key *key, enum layout_kind kind)
{
	static struct layout_key name;

	return layout_key_of(&((struct store_redis *)stores[0])->layout, kind, key, &name);
}

static enum cs_err
still_at(struct store *s, struct store_key key, uint64_t revision)
{
	struct store_commit c = {.key = key, .expected = revision};
	struct committed done;

	commit_begin(s, &c, &done);
	await(s, &done.calls);
	return done.err;
}

static void
what_one_broker_commits_the_other_meets_as_a_conflict_and_then_loads(void **state)
{
	struct store_commit c = {.key = key_of(10000 + 1)};

	(void)state;
	assert_int_equal(commit_now(stores[0], c, VIEW("first"), VIEW("cold")), CS_OK);
	assert_view(load(stores[1], &c.key)->hot, VIEW("first"));
	c.expected = 1;
	assert_int_equal(commit_now(stores[1], c, VIEW("second"), VIEW("cold 2")), CS_OK);

	/* The first remembers its own state and may give it, but nothing can rest on that. */
	assert_int_equal(load(stores[0], &c.key)->revision, 1);
	assert_int_equal(still_at(stores[0], c.key, 1), CS_ERR_CONFLICT);
	assert_int_equal(load(stores[0], &c.key)->revision, 2);
	assert_view(load(stores[0], &c.key)->hot, VIEW("second"));
	assert_view(load(stores[0], &c.key)->cold, VIEW("cold 2"));
	c.expected = 2;
	assert_int_equal(commit_now(stores[0], c, VIEW("third"), NO_COLD), CS_OK);
	assert_int_equal(commit_now(stores[1], c, VIEW("lost"), NO_COLD), CS_ERR_CONFLICT);
	assert_view(load(stores[1], &c.key)->hot, VIEW("third"));
	assert_view(load(stores[1], &c.key)->cold, VIEW("cold 2"));
}

static void
two_brokers_that_claim_the_same_at_once_do_not_both_get_it(void **state)
{
	struct store_claim claim = {key_of(20000 + 100), false, false};
	struct committed done[STORES];
	unsigned got = 0;

	(void)state;
	for (uint64_t round = 0; round < 8; round++) {
		claim.claim = key_of(20000 + 100 + round);
		for (uint64_t i = 0; i < STORES; i++)
			commit_set(stores[i], (struct store_commit){.key = key_of(20000 + 2 * round + i), .claims = &claim, .claims_n = 1},
			    VIEW("linked"), NO_COLD, &done[i]);
		for (size_t i = 0; i < STORES; i++)
			await(stores[i], &done[i].calls);
		got = 0;
		for (uint64_t i = 0; i < STORES; i++) {
			struct store_key key = key_of(20000 + 2 * round + i);

			assert_true(done[i].err == CS_OK || done[i].err == CS_ERR_CONFLICT || done[i].err == CS_ERR_UNAVAILABLE);
			if (done[i].err != CS_OK)
				continue;
			got++;
			for (size_t k = 0; k < STORES; k++)
				assert_memory_equal(find(stores[k], &claim.claim).holder.b, key.b, STORE_KEY_BYTES);
		}
		assert_true(got <= 1);
	}
}

/* On several connections and behind one another: their answers come in any order. */
static void
many_commits_in_one_bucket_at_once_are_all_acknowledged(void **state)
{
	static struct committed done[MANY];

	(void)state;
	for (uint64_t i = 0; i < MANY; i++) {
		struct store_commit c = {.key = key_of(35000 + i)};

		c.key.b[0] = c.key.b[1] = 0x77;
		commit_set(stores[i % STORES], c, VIEW("state"), i % 3 == 0 ? VIEW("cold") : NO_COLD, &done[i]);
		if (i % 5 == 0)
			store_flush(stores[i % STORES]);
	}
	for (size_t i = 0; i < STORES; i++)
		settle(stores[i]);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(done[i].err, CS_OK);
}

/* Each takes the record by turns and at random, and gives up nothing that it was told was done. */
static void
no_update_of_two_rivals_is_lost(void **state)
{
	uint64_t seed = seed_pick("rivals"), known[STORES] = {0}, good = 0;
	struct store_key key = key_of(30000 + 7);
	struct committed done[STORES];
	struct scanned *rows = calloc(1, sizeof(*rows));

	(void)state;
	for (int step = 0; step < RIVALS_STEPS; step++) {
		bool both = random_next(&seed) % 2 == 0;
		size_t first = random_next(&seed) % STORES;

		for (size_t k = 0; k < (both ? 2 : 1); k++) {
			size_t i = (first + k) % STORES;

			commit_set(stores[i], (struct store_commit){.key = key, .expected = known[i]}, view_of(&i, 1), NO_COLD, &done[i]);
		}
		for (size_t k = 0; k < (both ? 2 : 1); k++) {
			size_t i = (first + k) % STORES;

			await(stores[i], &done[i].calls);
			assert_true(done[i].err == CS_OK || done[i].err == CS_ERR_CONFLICT);
			good += done[i].err == CS_OK;
			known[i] = done[i].err == CS_OK ? known[i] + 1 : load(stores[i], &key)->revision;
		}
	}
	for (size_t i = 0; i < STORES; i++) {
		assert_int_equal(still_at(stores[i], key, good), CS_OK);
		do
			scan(stores[i], 0, SCANNED_MAX, &key, rows);
		while (rows->rows_n < good);
		assert_int_equal(rows->rows_n, good);
	}
	free(rows);
}

static void
a_damaged_record_is_found_out_and_the_others_live(void **state)
{
	struct store_commit a = {.key = key_of(40000 + 1)}, b = {.key = key_of(40000 + 2)};
	struct view name;

	(void)state;
	assert_int_equal(commit_now(stores[0], a, VIEW("a"), VIEW("cold")), CS_OK);
	assert_int_equal(commit_now(stores[0], b, VIEW("b"), VIEW("cold")), CS_OK);
	name = name_of(&a.key, LAYOUT_RECORD);
	direct("SETRANGE %b %d %s", name.data, name.len, LAYOUT_HEADER_BYTES + 5, "x");
	assert_int_equal(load(stores[1], &a.key)->err, CS_ERR_CORRUPT);
	assert_view(load(stores[1], &b.key)->hot, VIEW("b"));
	direct("SET %b %s", name.data, name.len, "no record");
	a.expected = 1;
	assert_int_equal(commit_now(stores[0], a, VIEW("2"), NO_COLD), CS_ERR_CORRUPT);
	b.expected = 1;
	assert_int_equal(commit_now(stores[0], b, VIEW("2"), NO_COLD), CS_OK);
	/* A cold part that is gone, too. */
	name = name_of(&b.key, LAYOUT_COLD);
	direct("DEL %b", name.data, name.len);
	assert_int_equal(still_at(stores[1], b.key, 1), CS_ERR_CONFLICT);
	assert_int_equal(load(stores[1], &b.key)->err, CS_ERR_CORRUPT);
	/* And a type that is no string. */
	name = name_of(&b.key, LAYOUT_RECORD);
	direct("DEL %b", name.data, name.len);
	direct("LPUSH %b x", name.data, name.len);
	b.expected = 2;
	assert_int_equal(commit_now(stores[0], b, VIEW("3"), NO_COLD), CS_ERR_CORRUPT);
}

/* A key of another type ends the script behind the record's own change: nobody else may come by what that took. */
static void
a_commit_that_broke_off_midway_keeps_its_claim(void **state)
{
	struct store_claim claim = {key_of(45000 + 9), false, false};
	struct store_commit a = {.claims = &claim, .claims_n = 1}, b = {.key = key_of(45000 + 1), .claims = &claim, .claims_n = 1};
	struct store_redis *s = (struct store_redis *)stores[0];
	struct layout_key key;
	struct view head, segments;
	uint64_t n = 45000 + 2;

	(void)state;
	/* In a bucket without a log: the first commit writes its index, last of all but the head. */
	do {
		a.key = key_of(n++);
		head = layout_key(&s->layout, layout_bucket(&a.key), LAYOUT_HEAD, NULL, 0, &key);
	} while (direct("HEXISTS %b g", head.data, head.len) == 1);
	segments = layout_key(&s->layout, layout_bucket(&a.key), LAYOUT_SEGMENTS, NULL, 0, &key);
	direct("SET %b %s", segments.data, segments.len, "no sorted set");
	assert_int_equal(commit_now(stores[0], a, VIEW("a"), NO_COLD), CS_ERR_CORRUPT);
	assert_int_equal(load(stores[1], &a.key)->revision, 1);
	assert_int_equal(commit_now(stores[1], b, VIEW("b"), NO_COLD), CS_ERR_CONFLICT);
	assert_memory_equal(find(stores[1], &claim.claim).holder.b, a.key.b, STORE_KEY_BYTES);
	direct("DEL %b", segments.data, segments.len);
}

static void
a_held_record_is_not_served(void **state)
{
	struct store_commit c = {.key = key_of(50000 + 1)};
	struct view name;

	(void)state;
	assert_int_equal(commit_now(stores[0], c, VIEW("1"), NO_COLD), CS_OK);
	name = name_of(&c.key, LAYOUT_RECORD);
	direct("SETRANGE %b 0 %b", name.data, name.len, "\x80", (size_t)1);
	c.expected = 1;
	assert_int_equal(commit_now(stores[0], c, VIEW("2"), NO_COLD), CS_ERR_CONFLICT);
	assert_int_equal(load(stores[0], &c.key)->err, CS_ERR_UNAVAILABLE);
	assert_int_equal(load(stores[1], &c.key)->err, CS_ERR_UNAVAILABLE);
	direct("SETRANGE %b 0 %b", name.data, name.len, "\0", (size_t)1);
	assert_int_equal(load(stores[0], &c.key)->err, CS_OK);
	assert_int_equal(commit_now(stores[0], c, VIEW("2"), NO_COLD), CS_OK);
}

static void
a_log_goes_on_in_another_segment(void **state)
{
	static uint8_t bytes[1] = {'e'};
	struct store_event events[STORE_BATCH_MAX];
	struct store_commit c = {.key = key_of(60000 + 3), .events = events, .events_n = STORE_BATCH_MAX, .hot = VIEW("state")};
	struct scanned *rows = calloc(1, sizeof(*rows));
	struct committed done;
	uint64_t seen = 0;
	unsigned rounds = LAYOUT_SEGMENT_EVENTS / STORE_BATCH_MAX + 3;

	(void)state;
	for (size_t i = 0; i < STORE_BATCH_MAX; i++)
		events[i] = (struct store_event){view_of(bytes, 1), NO_COLD};
	for (unsigned i = 0; i < rounds; i++) {
		if (i > 0)
			load(stores[i % 2], &c.key);
		if (i > 0 && still_at(stores[i % 2], c.key, c.expected) != CS_OK)
			load(stores[i % 2], &c.key);
		commit_begin(stores[i % 2], &c, &done);
		await(stores[i % 2], &done.calls);
		assert_int_equal(done.err, CS_OK);
		c.expected += STORE_BATCH_MAX;
	}
	while (seen < c.expected) {
		scan(stores[0], rows->next, 500, &c.key, rows);
		assert_int_equal(rows->err, CS_OK);
		for (size_t i = 0; i < rows->rows_n; i++)
			assert_int_equal(rows->rows[i].revision, ++seen);
	}
	assert_int_equal(seen, rounds * STORE_BATCH_MAX);
	free(rows);
}

static void
in_time(struct store *s, const int *calls)
{
	int64_t since_ms = clock_steady_ms();

	await(s, calls);
	assert_true(clock_steady_ms() - since_ms <= TIMEOUT_MS + LATE_MS);
}

static void
a_server_that_stands_still_hangs_nobody_and_loses_nothing(void **state)
{
	struct store_commit c = {.key = key_of(70000 + 1)}, other = {.key = key_of(70000 + 2)};
	struct committed first, second;
	time_t since;

	(void)state;
	assert_int_equal(commit_now(stores[0], c, VIEW("1"), NO_COLD), CS_OK);
	kill(server.pid, SIGSTOP);
	c.expected = 1;
	commit_set(stores[0], c, VIEW("2"), NO_COLD, &first);
	commit_set(stores[0], other, VIEW("x"), NO_COLD, &second);
	in_time(stores[0], &first.calls);
	in_time(stores[0], &second.calls);
	assert_true(first.err == CS_ERR_UNKNOWN || first.err == CS_ERR_UNAVAILABLE);
	assert_true(second.err == CS_ERR_UNKNOWN || second.err == CS_ERR_UNAVAILABLE);
	/* Beyond the lease nothing that widens power is even tried. */
	while (store_view(stores[0]).fresh)
		wait_round();
	commit_set(stores[0], other, VIEW("x"), NO_COLD, &second);
	in_time(stores[0], &second.calls);
	assert_int_equal(second.err, CS_ERR_UNAVAILABLE);
	kill(server.pid, SIGCONT);
	for (since = time(NULL); !store_view(stores[0]).fresh && time(NULL) - since < PATIENCE_S;)
		wait_round();
	/* Done or not, it is one of both, and both stores see the same. */
	c.expected = load(stores[0], &c.key)->revision;
	assert_true(c.expected == 1 || (c.expected == 2 && first.err == CS_ERR_UNKNOWN));
	assert_int_equal(load(stores[1], &c.key)->revision, c.expected);
	assert_int_equal(commit_now(stores[0], c, VIEW("3"), NO_COLD), CS_OK);
}

struct given {
	int calls;
	enum cs_err err;
	char name[64], reason[64];
};

static void
word_given(void *ctx, enum cs_err err, const struct store_word *word)
{
	struct given *g = ctx;

	g->calls++;
	g->err = err;
	if (word == NULL)
		return;
	snprintf(g->name, sizeof(g->name), "%.*s", (int)word->name.len, word->name.data);
	snprintf(g->reason, sizeof(g->reason), "%.*s", (int)word->reason.len, word->reason.data);
}

static struct given
word_of(struct store *s)
{
	struct given g = {.calls = 0};

	store_word(s, word_given, &g);
	await(s, &g.calls);
	return g;
}

static void
word_over(struct store *s, const char *name)
{
	struct committed done = {.calls = 0};

	store_word_told(s, view_str(name), commit_told, &done);
	await(s, &done.calls);
	assert_int_equal(done.err, CS_OK);
}

static void
words_said_offline_are_given_oldest_first_to_each_until_they_are_told(void **state)
{
	static const char meta[] = "HSET cs{%s}meta %s %b";
	static const char later[] = "1\nforget\n0123456789abcdef\nb\nuid 0 on c\nlater", first[] = "1\nrelease\n17\n\nuid 0 on c\nfirst";
	struct given g;

	(void)state;
	assert_int_equal(word_of(stores[0]).err, CS_ERR_NOT_FOUND);
	direct(meta, slots_tag(0), "word:1700000000002:89abcdef", later, sizeof(later) - 1);
	direct(meta, slots_tag(0), "word:1700000000001:01234567", first, sizeof(first) - 1);
	/* What no broker of this version wrote is not made an event of, and hides nothing. */
	direct(meta, slots_tag(0), "word:1700000000000:00000000", "nonsense", strlen("nonsense"));
	direct(meta, slots_tag(0), "word:17", first, sizeof(first) - 1);
	for (int i = 0; i < 4; i++) {
		g = word_of(stores[i % 2]);
		assert_int_equal(g.err, CS_OK);
		assert_string_equal(g.name, "word:1700000000001:01234567");
		assert_string_equal(g.reason, "first");
	}
	word_over(stores[1], g.name);
	word_over(stores[0], g.name);
	g = word_of(stores[0]);
	assert_string_equal(g.reason, "later");
	word_over(stores[0], g.name);
	assert_int_equal(word_of(stores[1]).err, CS_ERR_NOT_FOUND);
	/* They stay, for who asks offline what was said. */
	assert_int_equal(direct("HEXISTS cs{%s}meta word:1700000000001:01234567", slots_tag(0)), 1);
}

static void
a_server_killed_comes_back_with_all_that_was_acknowledged(void **state)
{
	struct store_commit c = {.key = key_of(80000 + 1)};
	time_t since = time(NULL);
	enum cs_err err;

	(void)state;
	for (; c.expected < 20; c.expected++) {
		err = commit_now(stores[0], c, view_of(&c.expected, 1), NO_COLD);
		assert_int_equal(err, CS_OK);
	}
	redis_server_kill(&server);
	redis_server_again(&server);
	do {
		wait_round();
		assert_true(time(NULL) - since < PATIENCE_S);
		err = load(stores[1], &c.key)->err;
	} while (err == CS_ERR_UNAVAILABLE);
	assert_int_equal(load(stores[1], &c.key)->revision, 20);
	while (!store_view(stores[0]).fresh || load(stores[0], &c.key)->err != CS_OK) {
		wait_round();
		assert_true(time(NULL) - since < PATIENCE_S);
	}
	assert_int_equal(commit_now(stores[0], c, VIEW("on"), NO_COLD), CS_OK);
}

static void
full_memory_is_said_and_over_when_there_is_room(void **state)
{
	struct store_commit c = {.key = key_of(90000 + 1)};
	struct store_status status;
	time_t since = time(NULL);
	enum cs_err err;

	(void)state;
	assert_int_equal(commit_now(stores[0], c, VIEW("1"), NO_COLD), CS_OK);
	direct("CONFIG SET maxmemory %s", "1mb");
	c.expected = 1;
	err = commit_now(stores[0], c, VIEW("2"), NO_COLD);
	assert_true(err == CS_ERR_FULL || err == CS_ERR_UNAVAILABLE);
	store_status(stores[0], &status);
	direct("CONFIG SET maxmemory %s", "0");
	while ((err = commit_now(stores[0], c, VIEW("2"), NO_COLD)) != CS_OK) {
		assert_true(err == CS_ERR_FULL || err == CS_ERR_UNAVAILABLE);
		assert_true(time(NULL) - since < PATIENCE_S);
	}
	assert_int_equal(load(stores[1], &c.key)->revision, 2);
}

static void
a_store_of_other_brokers_is_not_opened(void **state)
{
	char why[STORE_REDIS_WHY_TEXT] = "";
	struct store *s = NULL;
	char *dir = scratch_make();

	(void)state;
	assert_int_equal(open_one(dir, "three", 2, &s, why), CS_ERR_DENIED);
	assert_non_null(strstr(why, "key file"));
	direct("HSET cs{%s}meta state import", slots_tag(0));
	scratch_remove(dir);
	dir = scratch_make();
	assert_int_equal(open_one(dir, "three", 1, &s, why), CS_ERR_DENIED);
	assert_non_null(strstr(why, "migrate"));
	scratch_remove(dir);
}

#define TEST(name) cmocka_unit_test_setup(name, again)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(what_one_broker_commits_the_other_meets_as_a_conflict_and_then_loads),
	    TEST(two_brokers_that_claim_the_same_at_once_do_not_both_get_it),
	    TEST(many_commits_in_one_bucket_at_once_are_all_acknowledged),
	    TEST(no_update_of_two_rivals_is_lost),
	    TEST(a_damaged_record_is_found_out_and_the_others_live),
	    TEST(a_commit_that_broke_off_midway_keeps_its_claim),
	    TEST(a_held_record_is_not_served),
	    TEST(a_log_goes_on_in_another_segment),
	    TEST(a_server_that_stands_still_hangs_nobody_and_loses_nothing),
	    TEST(words_said_offline_are_given_oldest_first_to_each_until_they_are_told),
	    TEST(a_server_killed_comes_back_with_all_that_was_acknowledged),
	    TEST(full_memory_is_said_and_over_when_there_is_room),
	    TEST(a_store_of_other_brokers_is_not_opened),
	};

	if (!redis_server_there())
		return 77;
	log_init("test_redis_two", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, setup, teardown);
}
