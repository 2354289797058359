/* SPDX-License-Identifier: Apache-2.0 */
/* Claims over the fleet's interface and a real server: commits of two brokers, lost answers, failovers, deadlines, finds. */
#include "tests/store/harness.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/store/redis/claim_code.h"
#include "broker/store/redis/claims.h"
#include "broker/store/redis/commit_code.h"
#include "broker/store/redis/journal.h"
#include "broker/store/redis/scripts.h"
#include "tests/store/plain_fleet.h"
#include "tests/store/redis_server.h"

enum { TIMEOUT_MS = 1000, TURNS_MAX = 200 };

static struct redis_server server;
static struct layout layout;

/* What the test says of buckets. */
struct fixture {
	struct fleet *fleet;
	struct journal *journal;
	struct claims *claims;
	char *dir;
	int64_t now_ms;
	const char *open;
	uint32_t turn;
	unsigned doubts;
	int closed;        /* this bucket is not open; -1: all are */
	enum cs_err sync;
	uint8_t next_id;
	plain_fate_fn *fate;
	int script;        /* fates: of this script, */
	int count;         /* for so many of its asks, */
	enum plain_fate what;
};

static const char *
open_of(void *ctx, unsigned bucket)
{
	struct fixture *f = ctx;

	return (int)bucket == f->closed ? NULL : f->open;
}

static uint32_t
turn_of(void *ctx, unsigned bucket)
{
	(void)bucket;
	return ((struct fixture *)ctx)->turn;
}

static void
doubt_of(void *ctx, unsigned bucket)
{
	(void)bucket;
	((struct fixture *)ctx)->doubts++;
}

static enum plain_fate
fate_of(void *ctx, unsigned bucket, int script)
{
	struct fixture *f = ctx;

	(void)bucket;
	if (script != f->script || f->count == 0)
		return FATE_DONE;
	f->count--;
	return f->what;
}

static void
put_heads(struct fixture *f, const char *tenure)
{
	struct layout_key k;

	for (unsigned b = 0; b < LAYOUT_BUCKETS; b++)
		freeReplyObject(PLAIN_NOW(f->fleet, VIEW("HSET"), layout_key(&layout, b, LAYOUT_HEAD, NULL, 0, &k), VIEW("t"),
		    view_str(tenure), VIEW("w:m"), VIEW("0")));
}

static int
setup(void **state)
{
	static const struct store_key realm;
	struct fixture *f = calloc(1, sizeof(*f));
	char path[300], why[JOURNAL_WHY_TEXT];
	struct journal_options journal = {.path = path, .realm = &realm};
	struct claims_options options;

	f->fleet = plain_fleet_new(server.socket, "first");
	f->dir = scratch_make();
	f->open = "first";
	f->closed = f->script = -1;
	f->now_ms = 1000;
	snprintf(path, sizeof(path), "%s/journal.db", f->dir);
	if (journal_open(&journal, &f->journal, why) != CS_OK)
		fail_msg("%s", why);
	options = (struct claims_options){.fleet = f->fleet, .layout = &layout, .journal = f->journal, .member = "m", .gate = {open_of, turn_of, doubt_of, f},
	    .timeout_ms = TIMEOUT_MS};
	f->claims = claims_new(&options);
	claims_tick(f->claims, f->now_ms);
	freeReplyObject(PLAIN_NOW(f->fleet, VIEW("FLUSHALL")));
	put_heads(f, f->open);
	plain_fleet_fate(f->fleet, fate_of, f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	claims_stop(f->claims);
	fleet_free(f->fleet);
	claims_free(f->claims);
	journal_close(f->journal);
	scratch_remove(f->dir);
	free(f);
	return 0;
}

/* One turn of a loop, and some time. */
static void
turn(struct fixture *f)
{
	enum cs_err err;

	fleet_flush(f->fleet);
	err = f->sync == CS_OK ? journal_sync(f->journal, f->now_ms) : f->sync;
	claims_synced(f->claims, err);
	f->now_ms += 10;
	claims_tick(f->claims, f->now_ms);
}

/* A commit, as a store makes it. */
struct commit {
	struct fixture *f;
	struct store_claim claims[STORE_CLAIMS_MAX];
	struct store_event event;
	struct commit_image image;
	struct claims_hold *hold;
	enum cs_err err;
	int calls, turns;
	bool settled;
};

static void
taken(void *ctx, enum cs_err err, struct claims_hold *hold)
{
	struct commit *c = ctx;

	c->calls++;
	c->err = err;
	c->hold = hold;
	assert_true((err == CS_OK) == (hold != NULL));
}

static void
settled(void *ctx)
{
	struct commit *c = ctx;

	c->settled = true;
}

static void
begin(struct fixture *f, struct commit *c, unsigned record, uint64_t expected, const struct store_claim *claims, size_t n)
{
	*c = (struct commit){.f = f, .event = {.event = VIEW("event")}};
	memcpy(c->claims, claims, n * sizeof(claims[0]));
	c->image.commit = (struct store_commit){.key = key_of(record), .expected = expected, .events = &c->event, .events_n = 1,
	    .hot = VIEW("hot"), .claims = c->claims, .claims_n = n};
	c->image.id[0] = ++f->next_id;
	if (claims_needed(&c->image))
		claims_take(f->claims, &c->image, taken, c);
}

static enum cs_err
wait_taken(struct commit *c)
{
	for (c->turns = 0; c->calls == 0 && c->turns < TURNS_MAX; c->turns++)
		turn(c->f);
	assert_int_equal(c->calls, 1);
	return c->err;
}

/* The commit's script, at once. */
static long long
send(struct commit *c)
{
	struct commit_where where = {.layout = &layout, .member = "m", .segment = 1,
	    .tenure = c->hold != NULL ? claims_tenure(c->hold) : c->f->open};
	struct view argv[3 + COMMIT_KEYS_MAX + COMMIT_ARGS_MAX] = {VIEW("EVAL"), view_str(script_texts[SCRIPT_COMMIT])};
	struct commit_call call;
	long long code;
	char keys_n[24];
	redisReply *r;

	commit_call_init(&call);
	commit_call_make(&call, &where, &c->image);
	snprintf(keys_n, sizeof(keys_n), "%zu", call.keys_n);
	argv[2] = view_str(keys_n);
	memcpy(argv + 3, call.keys, call.keys_n * sizeof(argv[0]));
	memcpy(argv + 3 + call.keys_n, call.args, call.args_n * sizeof(argv[0]));
	r = plain_fleet_now(c->f->fleet, argv, 3 + call.keys_n + call.args_n);
	code = r->element[0]->integer;
	freeReplyObject(r);
	commit_call_clear(&call);
	return code;
}

static void
commit_settle(struct commit *c, enum claims_outcome outcome)
{
	claims_settle(c->hold, outcome, settled, c);
	for (int i = 0; i < TURNS_MAX && !c->settled; i++)
		turn(c->f);
	assert_true(c->settled);
}

static void
commit_whole(struct fixture *f, unsigned record, uint64_t expected, const struct store_claim *claims, size_t n)
{
	struct commit c;

	begin(f, &c, record, expected, claims, n);
	if (claims_needed(&c.image))
		assert_int_equal(wait_taken(&c), CS_OK);
	assert_int_equal(send(&c), ANSWER_DONE);
	if (c.hold != NULL)
		commit_settle(&c, CLAIMS_COMMITTED);
}

static void
found_one(void *ctx, enum cs_err err, const struct store_key *holder, bool tombstone)
{
	struct found *out = ctx;

	out->calls++;
	out->err = err;
	out->tombstone = tombstone;
	if (holder != NULL)
		out->holder = *holder;
}

static struct found
look_for(struct fixture *f, const struct store_key *claim)
{
	struct found found = {0};

	claims_find(f->claims, claim, found_one, &found);
	for (int i = 0; i < TURNS_MAX && found.calls == 0; i++)
		turn(f);
	assert_int_equal(found.calls, 1);
	return found;
}

static void
assert_held(struct fixture *f, const struct store_key *claim, unsigned record, bool tombstone)
{
	struct found found = look_for(f, claim);
	struct store_key key = key_of(record);

	assert_int_equal(found.err, CS_OK);
	assert_memory_equal(found.holder.b, key.b, sizeof(key.b));
	assert_int_equal(found.tombstone, tombstone);
}

static struct claim_value
value_of(struct fixture *f, const struct store_key *claim)
{
	struct layout_key k;
	redisReply *r = PLAIN_NOW(f->fleet, VIEW("GET"), layout_key_of(&layout, LAYOUT_CLAIM, claim, &k));
	struct claim_value v;

	assert_int_equal(claim_decode(view_of(r->str, (size_t)r->len), claim, &v), CS_OK);
	freeReplyObject(r);
	return v;
}

static void
a_claim_is_taken_found_released_and_taken_by_another(void **state)
{
	struct fixture *f = *state;
	struct store_claim take = {key_of(100), false, false}, release = {key_of(100), true, false};
	struct commit c;

	assert_int_equal(look_for(f, &take.claim).err, CS_ERR_NOT_FOUND);
	commit_whole(f, 1, 0, &take, 1);
	assert_held(f, &take.claim, 1, false);
	begin(f, &c, 2, 0, &take, 1);
	assert_int_equal(wait_taken(&c), CS_ERR_CONFLICT);
	commit_whole(f, 1, 1, &take, 1); /* what one has is no conflict */
	commit_whole(f, 1, 2, &release, 1);
	assert_held(f, &take.claim, 1, true);
	commit_whole(f, 2, 0, &take, 1);
	assert_held(f, &take.claim, 2, false);
	begin(f, &c, 1, 3, &release, 1);
	assert_int_equal(send(&c), ANSWER_CLAIM);
}

static void
nothing_is_left_of_a_commit_that_did_not_happen(void **state)
{
	struct fixture *f = *state;
	struct store_claim claims[2] = {{key_of(100), false, false}, {key_of(101), false, false}};
	struct commit c;

	begin(f, &c, 1, 7, claims, 2);
	assert_int_equal(wait_taken(&c), CS_OK);
	assert_int_equal(look_for(f, &claims[0].claim).err, CS_ERR_NOT_FOUND);
	assert_int_equal(send(&c), ANSWER_CONFLICT);
	commit_settle(&c, CLAIMS_NOT_COMMITTED);
	assert_int_equal(value_of(f, &claims[0].claim).state, CLAIM_FREE);
	assert_int_equal(look_for(f, &claims[1].claim).err, CS_ERR_NOT_FOUND);
	/* And nobody waits for it. */
	begin(f, &c, 2, 0, claims, 2);
	assert_int_equal(wait_taken(&c), CS_OK);
	assert_true(c.turns < 8);
	commit_settle(&c, CLAIMS_NOT_COMMITTED);
}

static void
one_of_several_that_is_held_gives_the_others_back(void **state)
{
	struct fixture *f = *state;
	struct store_claim claims[3] = {{key_of(100), false, false}, {key_of(101), false, false}, {key_of(102), false, false}};
	struct commit c;

	for (unsigned held = 0; held < 3; held++) {
		struct store_claim release = {claims[held].claim, true, false};

		commit_whole(f, 9, held * 2, &claims[held], 1);
		begin(f, &c, 1, 0, claims, 3);
		assert_int_equal(wait_taken(&c), CS_ERR_CONFLICT);
		for (unsigned i = 0; i < 3; i++) {
			if (i != held)
				assert_true(look_for(f, &claims[i].claim).err == CS_ERR_NOT_FOUND || look_for(f, &claims[i].claim).tombstone);
		}
		commit_whole(f, 9, held * 2 + 1, &release, 1);
	}
	commit_whole(f, 1, 0, claims, 3);
	assert_held(f, &claims[1].claim, 1, false);
}

static void
a_dead_broker_s_claim_is_broken_after_some_patience(void **state)
{
	struct fixture *f = *state;
	struct store_claim take = {key_of(100), false, false};
	struct commit dead, c;

	begin(f, &dead, 1, 0, &take, 1);
	assert_int_equal(wait_taken(&dead), CS_OK);
	begin(f, &c, 2, 0, &take, 1);
	assert_int_equal(wait_taken(&c), CS_OK);
	assert_in_range(c.turns, CLAIMS_PATIENCE_MS / 10, CLAIMS_PATIENCE_MS / 10 + 20);
	/* What it had under way comes too late. */
	assert_int_equal(send(&dead), ANSWER_POISONED);
	assert_int_equal(send(&c), ANSWER_DONE);
	commit_settle(&c, CLAIMS_COMMITTED);
	commit_settle(&dead, CLAIMS_NOT_COMMITTED);
	assert_held(f, &take.claim, 2, false);
}

static void
a_commit_that_was_not_settled_holds_all_the_same(void **state)
{
	struct fixture *f = *state;
	struct store_claim take = {key_of(100), false, false};
	struct commit dead, c;

	begin(f, &dead, 1, 0, &take, 1);
	assert_int_equal(wait_taken(&dead), CS_OK);
	assert_int_equal(send(&dead), ANSWER_DONE);
	commit_settle(&dead, CLAIMS_UNKNOWN);
	assert_int_equal(value_of(f, &take.claim).state, CLAIM_PENDING);
	assert_held(f, &take.claim, 1, false);
	begin(f, &c, 2, 0, &take, 1);
	assert_int_equal(wait_taken(&c), CS_ERR_CONFLICT);
	assert_true(c.turns < 8); /* nobody waits for what the set says */
}

static void
who_waits_gets_it_as_soon_as_the_other_is_over(void **state)
{
	struct fixture *f = *state;
	struct store_claim take = {key_of(100), false, false};
	struct commit other, c;

	begin(f, &other, 1, 0, &take, 1);
	assert_int_equal(wait_taken(&other), CS_OK);
	begin(f, &c, 2, 0, &take, 1);
	for (int i = 0; i < 10; i++)
		turn(f);
	assert_int_equal(c.calls, 0);
	commit_settle(&other, CLAIMS_NOT_COMMITTED);
	assert_int_equal(wait_taken(&c), CS_OK);
	assert_true(c.turns < 8);
	commit_settle(&c, CLAIMS_NOT_COMMITTED);
}

static void
lost_messages_are_asked_again_until_the_deadline(void **state)
{
	static const enum plain_fate fates[] = {FATE_LOST, FATE_UNHEARD, FATE_REFUSED};
	struct fixture *f = *state;
	struct commit c;

	for (unsigned i = 0; i < 3; i++) {
		struct store_claim take = {key_of(100 + i), false, false};

		f->script = SCRIPT_CLAIM_CAS;
		f->what = fates[i];
		f->count = 3;
		commit_whole(f, 1, i, &take, 1);
		assert_int_equal(f->count, 0);
		assert_held(f, &take.claim, 1, false);
		take.claim = key_of(200 + i);
		f->count = 100000;
		begin(f, &c, 2, 0, &take, 1);
		assert_int_equal(wait_taken(&c), CS_ERR_UNAVAILABLE);
		assert_in_range(c.turns, TIMEOUT_MS / 10 - 2, TIMEOUT_MS / 10 + 5);
		f->count = 0;
		commit_whole(f, 9, i, &take, 1); /* blocks nobody */
	}
	f->what = FATE_FULL;
	f->count = 100000;
	begin(f, &c, 2, 0, &(struct store_claim){key_of(300), false, false}, 1);
	assert_int_equal(wait_taken(&c), CS_ERR_FULL);
}

static void
no_commit_is_sent_before_the_journal_is_on_disk(void **state)
{
	struct fixture *f = *state;
	struct store_claim claims[2] = {{key_of(100), false, false}, {key_of(101), false, false}};
	struct commit c;

	f->sync = CS_ERR_FULL;
	begin(f, &c, 1, 0, claims, 2);
	assert_int_equal(wait_taken(&c), CS_ERR_FULL);
	f->sync = CS_OK;
	begin(f, &c, 2, 0, claims, 2);
	assert_int_equal(wait_taken(&c), CS_OK);
	assert_true(c.turns < 8);
	assert_true(journal_position(f->journal, layout_bucket(&claims[0].claim)) > 0);
	assert_true(journal_position(f->journal, layout_bucket(&claims[1].claim)) > 0);
	commit_settle(&c, CLAIMS_UNKNOWN);
}

static void
a_failover_ends_what_was_begun_before_it(void **state)
{
	struct fixture *f = *state;
	struct store_claim take = {key_of(100), false, false};
	struct commit dead, c;

	begin(f, &dead, 1, 0, &take, 1);
	assert_int_equal(wait_taken(&dead), CS_OK);
	begin(f, &c, 2, 0, &take, 1);
	assert_int_equal(wait_taken(&c), CS_OK);
	/* The poison is lost with the master; the commit is not sent under the new tenure, or refused. */
	freeReplyObject(PLAIN_NOW(f->fleet, VIEW("FLUSHALL")));
	put_heads(f, "second");
	plain_fleet_tenure(f->fleet, f->open = "second");
	assert_int_equal(send(&dead), ANSWER_SUSPECT);
	commit_settle(&dead, CLAIMS_NOT_COMMITTED);
	commit_settle(&c, CLAIMS_NOT_COMMITTED);
}

static void
a_bucket_that_is_not_open_says_nothing(void **state)
{
	struct fixture *f = *state;
	struct store_claim take = {key_of(100), false, false};
	struct store_key record = key_of(1);
	struct commit c;

	f->closed = (int)layout_bucket(&take.claim);
	assert_int_equal(look_for(f, &take.claim).err, CS_ERR_UNAVAILABLE);
	begin(f, &c, 1, 0, &take, 1);
	assert_int_equal(wait_taken(&c), CS_ERR_UNAVAILABLE);
	f->closed = (int)layout_bucket(&record);
	begin(f, &c, 1, 0, &take, 1);
	assert_int_equal(c.calls, 1);
	assert_int_equal(c.err, CS_ERR_UNAVAILABLE);
	f->closed = -1;
	commit_whole(f, 1, 0, &take, 1);
	f->closed = (int)layout_bucket(&record);
	assert_int_equal(look_for(f, &take.claim).err, CS_ERR_UNAVAILABLE);
	begin(f, &c, 2, 0, &take, 1);
	assert_int_equal(wait_taken(&c), CS_ERR_UNAVAILABLE);
	f->closed = -1;
	assert_held(f, &take.claim, 1, false);
}

static void
what_was_opened_under_another_tenure_is_doubted(void **state)
{
	struct fixture *f = *state;
	struct store_claim take = {key_of(100), false, false};
	struct layout_key k;
	struct commit c;

	freeReplyObject(PLAIN_NOW(f->fleet, VIEW("HSET"), layout_key(&layout, layout_bucket(&take.claim), LAYOUT_HEAD, NULL, 0, &k),
	    VIEW("t"), VIEW("other")));
	begin(f, &c, 1, 0, &take, 1);
	assert_int_equal(wait_taken(&c), CS_ERR_UNAVAILABLE);
	assert_true(f->doubts > 0);
	f->doubts = 0;
	assert_int_equal(look_for(f, &take.claim).err, CS_ERR_UNAVAILABLE);
	assert_true(f->doubts > 0);
}

/* What was done before may be gone: it counts only when it was seen after. */
static void
an_answer_from_before_a_pause_does_not_count(void **state)
{
	struct fixture *f = *state;
	struct store_claim take = {key_of(100), false, false};
	struct commit c;

	begin(f, &c, 1, 0, &take, 1);
	f->turn++;
	fleet_flush(f->fleet);
	assert_int_equal(value_of(f, &take.claim).state, CLAIM_PENDING);
	claims_synced(f->claims, CS_OK);
	assert_int_equal(c.calls, 0);
	assert_false(journal_waits(f->journal));
	assert_int_equal(wait_taken(&c), CS_OK);
	commit_settle(&c, CLAIMS_UNKNOWN);
}

/* A server that came back with older data, under the same tenure: no count is given twice. */
static void
a_count_that_went_back_is_doubted(void **state)
{
	struct fixture *f = *state;
	struct store_claim take = {key_of(100), false, false}, release = {key_of(100), true, false};
	struct layout_key k;
	struct commit c;

	commit_whole(f, 1, 0, &take, 1);
	commit_whole(f, 1, 1, &release, 1);
	freeReplyObject(PLAIN_NOW(f->fleet, VIEW("HSET"), layout_key(&layout, layout_bucket(&take.claim), LAYOUT_HEAD, NULL, 0, &k),
	    VIEW("w:m"), VIEW("0")));
	begin(f, &c, 2, 0, &take, 1);
	assert_int_equal(wait_taken(&c), CS_ERR_UNAVAILABLE);
	assert_true(f->doubts > 0);
}

static void
nobody_can_say_what_a_held_record_holds(void **state)
{
	struct fixture *f = *state;
	struct store_claim take = {key_of(100), false, false};
	struct store_key record = key_of(1);
	struct layout_key k;
	struct commit c;

	commit_whole(f, 1, 0, &take, 1);
	freeReplyObject(PLAIN_NOW(f->fleet, VIEW("SET"), layout_key_of(&layout, LAYOUT_HELD_MARK, &record, &k), VIEW("1")));
	assert_int_equal(look_for(f, &take.claim).err, CS_ERR_UNAVAILABLE);
	begin(f, &c, 2, 0, &take, 1);
	assert_int_equal(wait_taken(&c), CS_ERR_UNAVAILABLE);
}

static void
a_damaged_claim_is_told(void **state)
{
	struct fixture *f = *state;
	struct store_claim take = {key_of(100), false, false};
	struct layout_key k;
	struct commit c;

	freeReplyObject(PLAIN_NOW(f->fleet, VIEW("SET"), layout_key_of(&layout, LAYOUT_CLAIM, &take.claim, &k), VIEW("nonsense")));
	assert_int_equal(look_for(f, &take.claim).err, CS_ERR_CORRUPT);
	begin(f, &c, 2, 0, &take, 1);
	assert_int_equal(wait_taken(&c), CS_ERR_CORRUPT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_claim_is_taken_found_released_and_taken_by_another),
	    TEST(nothing_is_left_of_a_commit_that_did_not_happen),
	    TEST(one_of_several_that_is_held_gives_the_others_back),
	    TEST(a_dead_broker_s_claim_is_broken_after_some_patience),
	    TEST(a_commit_that_was_not_settled_holds_all_the_same),
	    TEST(who_waits_gets_it_as_soon_as_the_other_is_over),
	    TEST(lost_messages_are_asked_again_until_the_deadline),
	    TEST(no_commit_is_sent_before_the_journal_is_on_disk),
	    TEST(a_failover_ends_what_was_begun_before_it),
	    TEST(a_bucket_that_is_not_open_says_nothing),
	    TEST(what_was_opened_under_another_tenure_is_doubted),
	    TEST(an_answer_from_before_a_pause_does_not_count),
	    TEST(a_count_that_went_back_is_doubted),
	    TEST(nobody_can_say_what_a_held_record_holds),
	    TEST(a_damaged_claim_is_told),
	};
	int failed;

	if (!redis_server_there())
		return 77;
	log_init("test_claims", LOG_LEVEL_WARN);
	CHECK(layout_init(&layout, "test") == CS_OK);
	redis_server_start(&server, false);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	redis_server_stop(&server);
	return failed == 0 ? 0 : 1;
}
