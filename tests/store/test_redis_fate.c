/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a commit whose answer was lost: it is asked again with the same id and happens once; and what cannot be
 * known is not made up. And of what others built on it, when the server then forgets all. The real scripts on a real
 * redis-server, over a fleet that loses what the test says.
 */
#include "tests/store/harness.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "broker/base/clock.h"
#include "broker/base/log.h"
#include "broker/store/redis/redis_int.h"
#include "tests/store/plain_fleet.h"
#include "tests/store/redis_server.h"

enum { TIMEOUT_MS = 400, LEASE_MS = 1000, PATIENCE_S = 60 };

#define NO_COLD view_of(NULL, 0)

static struct redis_server server;

struct world {
	struct store *s;
	char *dir;
	unsigned commits;	   /* that were asked */
	enum plain_fate fates[64]; /* of each of them; DONE behind the last */
	bool all_lost, all_unheard;
	struct store_key key;
};

static void
watch(void *loop, int fd, short events, poller_fn *ready, void *arg)
{
	(void)loop, (void)fd, (void)events, (void)ready, (void)arg;
}

/* Another broker's store; its time goes on with the other one's. */
static struct store *other;

/* There is nothing to wait for but the time-out. */
static void
wait_round(void)
{
	poll(NULL, 0, 1);
	if (other == NULL)
		return;
	store_flush(other);
	store_tick(other, clock_steady_ms());
}

static const struct poller poller = {NULL, watch};

static struct store *
open_as(const char *dir, const char *name, int64_t lease_ms)
{
	struct fleet_address address;
	char journal[600], why[STORE_REDIS_WHY_TEXT] = "";
	struct store_redis_options o = {
	    .fleet = {.servers = &address, .servers_n = 1, .prefix = strrchr(dir, '/') + 1, .timeout_ms = TIMEOUT_MS},
	    .name = name,
	    .lease_ms = lease_ms,
	    .journal_path = journal};
	struct store *s = NULL;

	snprintf(address.text, sizeof(address.text), "unix:%s", server.socket);
	snprintf(journal, sizeof(journal), "%s/%s.db", dir, name);
	if (store_redis_open(&o, &poller, &s, why) != CS_OK)
		fail_msg("%s", why);
	return s;
}

static enum plain_fate
fate(void *ctx, unsigned bucket, int script)
{
	struct world *w = ctx;
	unsigned i = w->commits;

	(void)bucket;
	if (script != SCRIPT_COMMIT)
		return FATE_DONE;
	w->commits++;
	return w->all_lost ? FATE_LOST : w->all_unheard ? FATE_UNHEARD : i < sizeof(w->fates) / sizeof(w->fates[0]) ? w->fates[i] : FATE_DONE;
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->dir = scratch_make();
	w->s = open_as(w->dir, "one", 60000);
	w->key = key_of(1);
	plain_fleet_fate(((struct store_redis *)w->s)->fleet, fate, w);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	plain_fleet_fate(((struct store_redis *)w->s)->fleet, NULL, NULL);
	if (other != NULL)
		store_close(other);
	other = NULL;
	store_close(w->s);
	scratch_remove(w->dir);
	free(w);
	return 0;
}

static void
has_events(struct world *w, uint64_t n)
{
	struct scanned *rows = calloc(1, sizeof(*rows));

	for (int tries = 0; tries == 0 || (rows->rows_n < n && tries < 2000); tries++)
		scan(w->s, 0, SCANNED_MAX, &w->key, rows);
	assert_int_equal(rows->rows_n, n);
	free(rows);
}

static void
one_whose_answer_was_lost_happens_once_and_is_acknowledged(void **state)
{
	struct world *w = *state;
	struct store_payment payment = {key_of(9), VIEW("summary")};
	struct store_claim claim = {key_of(10), false, false};
	struct store_commit c = {.key = w->key, .payments = &payment, .payments_n = 1};

	for (int i = 0; i < 3; i++)
		w->fates[i] = FATE_UNHEARD;
	assert_int_equal(commit_now(w->s, c, VIEW("1"), VIEW("cold")), CS_OK);
	assert_int_equal(w->commits, 4);
	has_events(w, 1);

	/* With a claim, too; and the next one builds on it. */
	w->fates[4] = w->fates[6] = FATE_UNHEARD;
	c = (struct store_commit){.key = w->key, .expected = 1, .claims = &claim, .claims_n = 1};
	assert_int_equal(commit_now(w->s, c, VIEW("2"), NO_COLD), CS_OK);
	assert_memory_equal(find(w->s, &claim.claim).holder.b, w->key.b, STORE_KEY_BYTES);
	c = (struct store_commit){.key = w->key, .expected = 2};
	assert_int_equal(commit_now(w->s, c, VIEW("3"), NO_COLD), CS_OK);
	has_events(w, 3);
	assert_view(load(w->s, &w->key)->cold, VIEW("cold"));
}

static void
one_that_never_came_there_is_asked_again(void **state)
{
	struct world *w = *state;
	struct store_commit c = {.key = w->key};

	w->fates[0] = w->fates[1] = FATE_LOST;
	w->fates[2] = FATE_REFUSED;
	assert_int_equal(commit_now(w->s, c, VIEW("1"), NO_COLD), CS_OK);
	has_events(w, 1);
}

static void
one_that_nobody_can_tell_of_is_said_to_be_unknown_in_time_and_not_remembered(void **state)
{
	struct world *w = *state;
	struct store_commit c = {.key = w->key};

	assert_int_equal(commit_now(w->s, c, VIEW("1"), NO_COLD), CS_OK);
	w->all_lost = true;
	c.expected = 1;
	assert_int_equal(commit_now(w->s, c, VIEW("2"), NO_COLD), CS_ERR_UNKNOWN);
	w->all_lost = false;
	assert_int_equal(load(w->s, &w->key)->revision, 1);
	assert_int_equal(commit_now(w->s, c, VIEW("2"), NO_COLD), CS_OK);
	has_events(w, 2);
}

static void
a_conflict_is_one_though_the_first_answer_was_lost(void **state)
{
	struct world *w = *state;
	struct store_commit c = {.key = w->key};

	assert_int_equal(commit_now(w->s, c, VIEW("1"), NO_COLD), CS_OK);
	w->fates[1] = FATE_UNHEARD;
	assert_int_equal(commit_now(w->s, c, VIEW("other"), NO_COLD), CS_ERR_CONFLICT);
	assert_int_equal(load(w->s, &w->key)->revision, 1);
}

/* Somebody else's commit, made directly: revision, id of it, and the rest as it was. */
static void
overwrite(struct world *w, uint64_t revision)
{
	struct store_redis *s = (struct store_redis *)w->s;
	struct layout_key name;
	struct view key = layout_key_of(&s->layout, LAYOUT_RECORD, &w->key, &name);
	uint8_t header[16] = {0};

	layout_put_be(header, revision);
	memcpy(header + 8, "another1", 8);
	freeReplyObject(PLAIN_NOW(s->fleet, VIEW("SETRANGE"), key, VIEW("0"), view_of(header, sizeof(header))));
}

static enum plain_fate
overtaken(void *ctx, unsigned bucket, int script)
{
	struct world *w = ctx;

	(void)bucket;
	if (script != SCRIPT_COMMIT)
		return FATE_DONE;
	if (w->commits++ == 0)
		return FATE_UNHEARD;
	overwrite(w, 3);
	return FATE_DONE;
}

static void
one_that_others_have_built_on_meanwhile_is_not_called_a_conflict(void **state)
{
	struct world *w = *state;
	struct store_commit c = {.key = w->key};

	assert_int_equal(commit_now(w->s, c, VIEW("1"), NO_COLD), CS_OK);
	w->commits = 0;
	plain_fleet_fate(((struct store_redis *)w->s)->fleet, overtaken, w);
	c.expected = 1;
	assert_int_equal(commit_now(w->s, c, VIEW("2"), NO_COLD), CS_ERR_UNKNOWN);
}

static void
full_memory_refuses_and_is_shown(void **state)
{
	struct world *w = *state;
	struct store_commit c = {.key = w->key};
	struct store_status status;

	w->fates[0] = FATE_FULL;
	assert_int_equal(commit_now(w->s, c, VIEW("1"), NO_COLD), CS_ERR_FULL);
	store_status(w->s, &status);
	assert_true(status.narrow_only);
	assert_int_equal(commit_now(w->s, c, VIEW("1"), NO_COLD), CS_OK);
	store_status(w->s, &status);
	assert_false(status.narrow_only);
}

/* The record's bucket is as if nothing had ever been there. */
static void
bucket_forget(struct world *w)
{
	struct store_redis *s = (struct store_redis *)w->s;
	char pattern[LAYOUT_KEY_MAX];
	redisReply *r;
	int n = snprintf(pattern, sizeof(pattern), "%s{%s}*", s->layout.prefix, slots_tag(layout_bucket(&w->key)));

	r = PLAIN_NOW(s->fleet, VIEW("KEYS"), view_of(pattern, (size_t)n));
	assert_true(r->elements > 3);
	for (size_t i = 0; i < r->elements; i++)
		freeReplyObject(PLAIN_NOW(s->fleet, VIEW("DEL"), view_of(r->element[i]->str, r->element[i]->len)));
	freeReplyObject(r);
}

/* Only what the journals have comes back. Waits until the record is served again. */
static void
all_forgotten(struct world *w)
{
	time_t since = time(NULL);
	struct store_commit question = {.key = w->key, .expected = UINT64_MAX / 2};
	struct committed done;

	w->all_unheard = false;
	bucket_forget(w);
	do {
		wait_round();
		store_tick(w->s, clock_steady_ms());
		assert_true(time(NULL) - since < PATIENCE_S);
		commit_begin(w->s, &question, &done);
		await(w->s, &done.calls);
	} while (done.err != CS_ERR_CONFLICT);
	while (load(w->s, &w->key)->err == CS_ERR_UNAVAILABLE) {
		wait_round();
		store_tick(w->s, clock_steady_ms());
		assert_true(time(NULL) - since < PATIENCE_S);
	}
}

static enum cs_err
still_at(struct store *s, struct world *w, uint64_t revision)
{
	struct store_commit c = {.key = w->key, .expected = revision};
	struct committed done;

	commit_begin(s, &c, &done);
	await(s, &done.calls);
	return done.err;
}

/* The same for a claim, which lies elsewhere. */
static struct store_key
found_again(struct world *w, const struct store_key *claim)
{
	time_t since = time(NULL);
	struct found found;

	while ((found = find(w->s, claim)).err == CS_ERR_UNAVAILABLE) {
		wait_round();
		store_tick(w->s, clock_steady_ms());
		assert_true(time(NULL) - since < PATIENCE_S);
	}
	assert_int_equal(found.err, CS_OK);
	return found.holder;
}

/* Nobody acknowledged the first two, so no journal has them for themselves: they come back as what the third was built on. */
static void
what_was_built_on_answers_that_were_lost_comes_back_with_them(void **state)
{
	struct world *w = *state;
	struct store_claim claim = {key_of(10), false, false};
	struct store_payment payment = {key_of(9), VIEW("summary")};
	struct store_commit c = {.key = w->key, .payments = &payment, .payments_n = 1};

	w->all_unheard = true;
	assert_int_equal(commit_now(w->s, c, VIEW("1"), VIEW("cold")), CS_ERR_UNKNOWN);
	assert_int_equal(load(w->s, &w->key)->revision, 1);
	c = (struct store_commit){.key = w->key, .expected = 1, .claims = &claim, .claims_n = 1};
	assert_int_equal(commit_now(w->s, c, VIEW("2"), NO_COLD), CS_ERR_UNKNOWN);
	assert_int_equal(load(w->s, &w->key)->revision, 2);
	w->all_unheard = false;
	c = (struct store_commit){.key = w->key, .expected = 2};
	assert_int_equal(commit_now(w->s, c, VIEW("3"), NO_COLD), CS_OK);

	all_forgotten(w);
	assert_int_equal(load(w->s, &w->key)->err, CS_OK);
	assert_int_equal(load(w->s, &w->key)->revision, 3);
	assert_view(load(w->s, &w->key)->hot, VIEW("3"));
	assert_view(load(w->s, &w->key)->cold, VIEW("cold"));
	assert_memory_equal(found_again(w, &claim.claim).b, w->key.b, STORE_KEY_BYTES);
	assert_non_null(find_payment(w->s, &w->key, &payment.payment));
	has_events(w, 3);
}

static bool
ready(struct store *s)
{
	return store_view(s).fresh && tenure_whole_for_ms(((struct store_redis *)s)->tenure, clock_steady_ms()) > 0;
}

static void
both_ready(struct world *w)
{
	time_t since = time(NULL);

	while (!ready(w->s) || !ready(other)) {
		wait_round();
		store_flush(w->s);
		store_tick(w->s, clock_steady_ms());
		assert_true(time(NULL) - since < PATIENCE_S);
	}
}

/* A second broker, of which this one hears nothing but what it wrote. Each joins while the other is away. */
static void
two_brokers(struct world *w)
{
	plain_fleet_fate(((struct store_redis *)w->s)->fleet, NULL, NULL);
	store_close(w->s);
	other = open_as(w->dir, "two", LEASE_MS);
	w->s = open_as(w->dir, "one", LEASE_MS);
	both_ready(w);
	plain_fleet_fate(((struct store_redis *)other)->fleet, fate, w);
	w->all_unheard = true;
}

static void
what_another_broker_wrote_and_never_acknowledged_comes_back_with_what_was_built_on_it(void **state)
{
	struct world *w = *state;
	struct store_commit c = {.key = w->key};

	two_brokers(w);
	assert_int_equal(commit_now(other, c, VIEW("1"), VIEW("cold")), CS_ERR_UNKNOWN);
	assert_int_equal(load(w->s, &w->key)->revision, 1);
	c.expected = 1;
	assert_int_equal(commit_now(w->s, c, VIEW("2"), NO_COLD), CS_OK);
	all_forgotten(w);
	assert_int_equal(load(w->s, &w->key)->revision, 2);
	assert_view(load(w->s, &w->key)->cold, VIEW("cold"));
	has_events(w, 2);
}

static void
what_was_answered_from_what_another_broker_never_acknowledged_is_not_lost(void **state)
{
	struct world *w = *state;
	struct store_commit c = {.key = w->key};
	struct journal_status before, after;

	two_brokers(w);
	assert_int_equal(commit_now(other, c, VIEW("1"), VIEW("cold")), CS_ERR_UNKNOWN);
	assert_int_equal(load(w->s, &w->key)->revision, 1);
	journal_status(((struct store_redis *)w->s)->journal, clock_steady_ms(), &before);
	assert_int_equal(still_at(w->s, w, 1), CS_OK);
	assert_int_equal(still_at(w->s, w, 1), CS_OK);
	journal_status(((struct store_redis *)w->s)->journal, clock_steady_ms(), &after);
	assert_int_equal(after.entries, before.entries + 1); /* once is enough */
	all_forgotten(w);
	assert_int_equal(load(w->s, &w->key)->revision, 1);
	assert_view(load(w->s, &w->key)->cold, VIEW("cold"));
	has_events(w, 1);
}

/* A life later this broker does not know what it wrote itself: the answer's entry, without ground, must not take the place of the commit's. */
static void
what_is_answered_after_a_restart_takes_no_ground_away(void **state)
{
	struct world *w = *state;
	struct store_commit c = {.key = w->key};

	two_brokers(w);
	assert_int_equal(commit_now(other, c, VIEW("1"), VIEW("cold")), CS_ERR_UNKNOWN);
	assert_int_equal(load(w->s, &w->key)->revision, 1);
	c.expected = 1;
	assert_int_equal(commit_now(w->s, c, VIEW("2"), NO_COLD), CS_OK);
	store_close(w->s);
	w->s = open_as(w->dir, "one", LEASE_MS);
	both_ready(w);
	assert_int_equal(load(w->s, &w->key)->revision, 2);
	assert_int_equal(still_at(w->s, w, 2), CS_OK);
	all_forgotten(w);
	assert_int_equal(load(w->s, &w->key)->revision, 2);
	assert_view(load(w->s, &w->key)->cold, VIEW("cold"));
	has_events(w, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(one_whose_answer_was_lost_happens_once_and_is_acknowledged),
	    TEST(one_that_never_came_there_is_asked_again),
	    TEST(one_that_nobody_can_tell_of_is_said_to_be_unknown_in_time_and_not_remembered),
	    TEST(a_conflict_is_one_though_the_first_answer_was_lost),
	    TEST(one_that_others_have_built_on_meanwhile_is_not_called_a_conflict),
	    TEST(full_memory_refuses_and_is_shown),
	    TEST(what_was_built_on_answers_that_were_lost_comes_back_with_them),
	    TEST(what_another_broker_wrote_and_never_acknowledged_comes_back_with_what_was_built_on_it),
	    TEST(what_was_answered_from_what_another_broker_never_acknowledged_is_not_lost),
	    TEST(what_is_answered_after_a_restart_takes_no_ground_away),
	};
	int failed;

	if (!redis_server_there())
		return 77;
	log_init("test_redis_fate", LOG_LEVEL_ERROR);
	harness_wait = wait_round;
	redis_server_start(&server, false);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	redis_server_stop(&server);
	return failed;
}
