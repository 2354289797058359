/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commits that meet a conflict, one by one: the calls are decided again and answered once, as if nothing had been; who
 * loses three times hears Unavailable; a link key that another account holds is its own answer.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/json.h"
#include "broker/base/log.h"
#include "broker/core/money.h"
#include "broker/engine/call.h"
#include "broker/engine/signin.h"
#include "broker/engine/txn.h"
#include "tests/sim/ledger.h"

static struct world world;
static struct ledger people[2];

static int
setup(void **state)
{
	(void)state;
	log_init("test", LOG_LEVEL_ERROR);
	world_open(&world, 1);
	world.faults = (struct store_mem_options){0};
	for (int i = 0; i < 2; i++) {
		people[i] = (struct ledger){0};
		person_make(&world, i, &people[i].person);
	}
	return 0;
}

static int
teardown(void **state)
{
	struct store_mem_options honest = {0};

	(void)state;
	store_mem_misbehave(world.store, &honest);
	for (int i = 0; i < 2; i++)
		ledger_check(&world, &people[i]);
	world_close(&world);
	return 0;
}

static void
conflicts(uint32_t n)
{
	world.faults.conflicts = n;
	store_mem_misbehave(world.store, &world.faults);
}

static void
authorize(int client, int person, const char *payment)
{
	char text[512];
	const struct id_text *session = &people[person].person.session_text;
	int n = snprintf(text, sizeof(text), "{\"method\":\"org.countersign.Payments.Authorize\",\"parameters\":{"
	    "\"session\":\"%.*s\",\"payment\":{\"id\":\"%s\",\"amount\":\"1.00\",\"currency\":\"CNY\","
	    "\"payee\":{\"id\":\"m\"}}}}", (int)session->len, session->data, payment);

	buf_put(&world.clients[client]->in.buf, text, (size_t)n + 1);
}

static void
ask_for(int client, int person, const char *payment)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "{\"method\":\"org.countersign.Payments.Get\",\"parameters\":{"
	    "\"account\":\"%s\",\"payment\":\"%s\"}}", people[person].person.name, payment);

	buf_put(&world.clients[client]->in.buf, text, (size_t)n + 1);
}

/* Whether the client's next reply has this text in it. */
static bool
hears(int client, const char *needle)
{
	static uint8_t bytes[VARLINK_MESSAGE_MAX + 1];
	struct buf text = buf_over(bytes, sizeof(bytes) - 1);

	if (!world_reply(&world, client, &text))
		return false;
	bytes[text.len] = '\0';
	return strstr((char *)bytes, needle) != NULL;
}

/* The next reply has one of them in it: whether it is the first. */
static bool
hears_either(int client, const char *one, const char *other)
{
	static uint8_t bytes[VARLINK_MESSAGE_MAX + 1];
	struct buf text = buf_over(bytes, sizeof(bytes) - 1);

	assert_true(world_reply(&world, client, &text));
	bytes[text.len] = '\0';
	assert_true(strstr((char *)bytes, one) != NULL || strstr((char *)bytes, other) != NULL);
	return strstr((char *)bytes, one) != NULL;
}

static void
assert_silent(int client)
{
	assert_int_equal(world.clients[client]->out.buf.len, 0);
}

static void
turns(int n)
{
	for (int i = 0; i < n; i++)
		world_everybody(&world);
}

struct count {
	size_t all, of_type;
	enum event_type type;
};

static bool
count_row(void *ctx, const struct store_row *row)
{
	struct count *c = ctx;
	struct event e;

	assert_int_equal(event_decode(row->event, &e), CS_OK);
	c->all++;
	c->of_type += e.type == c->type;
	return true;
}

static void
counted(void *ctx, enum cs_err err, uint64_t next)
{
	(void)ctx;
	(void)next;
	assert_int_equal(err, CS_OK);
}

/* Events of this kind in the person's log. */
static size_t
events(int person, enum event_type type)
{
	struct store_mem_options honest = {0};
	struct count c = {.type = type};
	struct store_key key;
	struct store_scan scan = {.limit = 1000, .key = &key};

	memcpy(key.b, people[person].person.key.b, sizeof(key.b));
	store_mem_misbehave(world.store, &honest);
	store_scan(world.store, &scan, count_row, counted, &c);
	world.faults.conflicts = 0;
	store_mem_misbehave(world.store, &world.faults);
	return c.of_type;
}

static void
answered_once_after(uint32_t n)
{
	conflicts(n);
	authorize(0, 0, "p");
	turns(8);
	assert_true(hears(0, "\"outcome\":\"permit\""));
	assert_silent(0);
	assert_int_equal(events(0, EVENT_PAYMENT_PERMITTED), 1);
}

static void
test_one_conflict_is_not_seen(void **state)
{
	(void)state;
	answered_once_after(1);
}

static void
test_two_conflicts_are_not_seen(void **state)
{
	(void)state;
	answered_once_after(2);
}

static void
test_three_are_unavailable(void **state)
{
	(void)state;
	conflicts(3);
	authorize(0, 0, "p");
	turns(8);
	assert_true(hears(0, "\"error\":\"org.countersign.Unavailable\",\"parameters\":{\"what\":\"store\""));
	assert_silent(0);
	assert_int_equal(events(0, EVENT_PAYMENT_PERMITTED), 0);
	/* Asked again, it is new. */
	authorize(0, 0, "p");
	turns(2);
	assert_true(hears(0, "\"outcome\":\"permit\""));
	assert_int_equal(events(0, EVENT_PAYMENT_PERMITTED), 1);
}

static void
test_a_batch_is_decided_again_in_order(void **state)
{
	(void)state;
	conflicts(2);
	authorize(0, 0, "p");
	ask_for(0, 0, "p");
	authorize(0, 0, "p");
	authorize(1, 0, "q");
	turns(8);
	assert_true(hears(0, "\"outcome\":\"permit\""));
	assert_true(hears(0, "\"state\":\"open\""));
	assert_true(hears(0, "\"replayed\":true"));
	assert_true(hears(1, "\"outcome\":\"permit\""));
	assert_silent(0);
	assert_silent(1);
	assert_int_equal(events(0, EVENT_PAYMENT_PERMITTED), 2);
}

/* Replies of other accounts on the same connection keep their order and their bytes, whatever becomes of those before. */
static void
test_replies_around_it_stay(void **state)
{
	(void)state;
	authorize(0, 1, "before");
	turns(2);
	assert_true(hears(0, "permit"));
	conflicts(3);
	ask_for(0, 1, "before");
	authorize(0, 0, "p");
	ask_for(0, 1, "before");
	ask_for(0, 1, "nothing");
	turns(8);
	assert_true(hears(0, "\"state\":\"open\""));
	assert_true(hears(0, "org.countersign.Unavailable"));
	assert_true(hears(0, "\"state\":\"open\""));
	assert_true(hears(0, "org.countersign.NotFound"));
	assert_silent(0);
}

/* The answer to a commit comes turns later: meanwhile nothing is said, and more may be asked. */
static void
test_a_conflict_that_is_told_late(void **state)
{
	(void)state;
	world.faults.delay = 1000;
	conflicts(1);
	authorize(0, 0, "p");
	world_everybody(&world);
	assert_false(hears(0, ""));
	authorize(1, 0, "q");
	world_settle(&world);
	assert_true(hears(0, "\"outcome\":\"permit\""));
	assert_true(hears(1, "\"outcome\":\"permit\""));
	assert_silent(0);
	assert_int_equal(events(0, EVENT_PAYMENT_PERMITTED), 2);
	world.faults.delay = 0;
}

static void
test_a_peer_that_leaves_meanwhile(void **state)
{
	(void)state;
	world.faults.delay = 1000;
	conflicts(1);
	authorize(0, 0, "p");
	world_everybody(&world);
	world_leave(&world, 0);
	world_settle(&world);
	assert_silent(0);
	assert_int_equal(events(0, EVENT_PAYMENT_PERMITTED), 1);
	world.faults.delay = 0;
}

static void
test_other_failures_are_not_tried_again(void **state)
{
	(void)state;
	world.faults.fail = 1000;
	conflicts(0);
	authorize(0, 0, "p");
	turns(1);
	world.faults.fail = 0;
	conflicts(0);
	turns(4);
	assert_true(hears(0, "org.countersign.Unavailable"));
	assert_silent(0);
	assert_int_equal(events(0, EVENT_PAYMENT_PERMITTED), 0);
}

/* ---- many that wait for one account ---- */

/* Turns in which nothing arrives. */
static void
quiet_turns(int n)
{
	for (int i = 0; i < n; i++) {
		engine_turn_end(world.engine);
		store_idle(world.store, 1000);
		engine_turn_end(world.engine);
	}
}

/*
 * More is asked than may wait at a time, and all that waits is answered within the very round that read up to that bound: what was
 * not looked at is looked at, though nothing more arrives. When the commit is done is the store's to say, so it is asked at several times.
 */
static void
test_what_a_crowd_left_unread_is_read(void **state)
{
	enum { BEFORE = 100, AFTER = 600 };
	char payment[16];

	(void)state;
	for (int flushes = 0; flushes < 6; flushes++) {
		world.faults.delay = 1000;
		conflicts(0);
		snprintf(payment, sizeof(payment), "p%d", flushes);
		authorize(1, 0, payment);
		for (int i = 0; i < BEFORE; i++)
			ask_for(0, 0, payment);
		engine_ready(world.engine, world.clients[1]);
		engine_ready(world.engine, world.clients[0]);
		engine_turn_end(world.engine);
		for (int i = 0; i < flushes; i++)
			store_flush(world.store);
		world.faults.delay = 0;
		conflicts(0);
		for (int i = 0; i < AFTER; i++)
			ask_for(0, 0, payment);
		engine_ready(world.engine, world.clients[0]);
		quiet_turns(8);
		assert_true(hears(1, "\"outcome\":\"permit\""));
		for (int i = 0; i < BEFORE + AFTER; i++)
			assert_true(hears(0, "\"state\":\"open\""));
		assert_silent(0);
	}
}

static void
long_txn(struct txn *t, struct account *a, struct call *call)
{
	static char text[60000];
	struct json_writer w = call_reply(call);

	(void)t;
	(void)a;
	memset(text, 'x', sizeof(text));
	json_member_int(&w, "number", (int64_t)call->number);
	json_member_str(&w, "text", view_of(text, sizeof(text)));
	call_end(call, &w);
}

/* All that waits is answered at once, at length: more than a connection keeps. Each has an answer, in its place. */
static void
test_long_answers_to_a_crowd(void **state)
{
	char number[32];
	size_t whole = 0;

	(void)state;
	world.faults.delay = 1000;
	conflicts(0);
	authorize(1, 0, "p");
	engine_ready(world.engine, world.clients[1]);
	engine_turn_end(world.engine);
	for (uint64_t i = 0; i < STREAM_UNSETTLED_FULL; i++) {
		struct call call = {.engine = world.engine, .stream = world.clients[0], .number = 1000 + i};

		txn_run(world.engine, &people[0].person.key, &call, long_txn);
	}
	assert_int_equal(world.clients[0]->unsettled, STREAM_UNSETTLED_FULL);
	world.faults.delay = 0;
	conflicts(0);
	quiet_turns(8);
	assert_true(hears(1, "\"outcome\":\"permit\""));
	assert_true(world.clients[0]->out.buf.len > STREAM_OUT_FULL);
	for (uint64_t i = 0; i < STREAM_UNSETTLED_FULL; i++) {
		snprintf(number, sizeof(number), "\"number\":%llu,", (unsigned long long)(1000 + i));
		whole += hears_either(0, number, "{\"error\":\"org.countersign.Unavailable\",\"parameters\":{\"what\":\"reply\"");
	}
	assert_true(whole >= 16);
	assert_silent(0);
}

static void
number_txn(struct txn *t, struct account *a, struct call *call)
{
	struct json_writer w = call_reply(call);

	(void)t;
	(void)a;
	json_member_int(&w, "number", (int64_t)call->number);
	call_end(call, &w);
}

/* ---- link keys ---- */

static const struct id claim = {{7, 7, 7}};
static unsigned tries, taken, ends, then;

static void
ended(struct call *call, void *ends_ctx)
{
	assert_null(ends_ctx);
	assert_non_null(call->engine);
	ends++;
}

static void
note(struct txn *t, struct account *a, bool with_claim)
{
	struct event ev = {.type = EVENT_DENIED, .reason = REASON_LINK_TAKEN, .op = OP_LINK, .time_ms = a->time_ms};

	txn_event(t, a, &ev, NULL);
	if (with_claim)
		txn_claim(t, &claim, false);
}

static void
denied_txn(struct txn *t, struct account *a, struct call *call)
{
	note(t, a, false);
	number_txn(t, a, call);
}

static void
ask_number(int client, uint64_t number, txn_fn *fn)
{
	struct call call = {.engine = world.engine, .stream = world.clients[client], .number = number};

	txn_run(world.engine, &people[0].person.key, &call, fn);
}

/* Each of the crowd before it may take the store's whole time to fail: nobody waits for all of them. */
static void
test_who_has_waited_long_hears_that_the_store_fails(void **state)
{
	(void)state;
	world.faults.fail = 1000;
	conflicts(0);
	ask_number(1, 1, denied_txn);
	world.faults.delay = 1000;
	conflicts(0);
	engine_turn_end(world.engine);
	world.faults.delay = world.faults.fail = 0;
	conflicts(0);
	/* When that fails, the second has waited for as long as anybody does, and the third for a little less. */
	ask_number(0, 2, number_txn);
	world.engine->now.boot_ms++;
	ask_number(0, 3, number_txn);
	world.engine->now.boot_ms += TXN_PATIENCE_MS - 1;
	ask_number(0, 4, number_txn);
	assert_int_equal(world.clients[1]->unsettled, 1);
	quiet_turns(8);
	assert_true(hears(1, "org.countersign.Unavailable"));
	assert_true(hears(0, "org.countersign.Unavailable"));
	assert_true(hears(0, "\"number\":3"));
	assert_true(hears(0, "\"number\":4"));
	assert_silent(0);
}

static void
claim_txn(struct txn *t, struct account *a, struct call *call)
{
	unsigned *memory = CALL_MEMORY_AS(unsigned, call);

	/* Whatever a try leaves in the call's memory, the next does not see. */
	assert_int_equal((*memory)++, 0);
	tries++;
	if (txn_taken(t, &claim))
		taken++;
	note(t, a, !txn_taken(t, &claim));
	call_after(call, ended, NULL);
	call_done(call);
}

static void
afterwards_txn(struct txn *t, struct account *a, struct call *call)
{
	(void)a;
	assert_false(txn_pending(t));
	then++;
	call_done(call);
}

static void
step_txn(struct txn *t, struct account *a, struct call *call)
{
	tries++;
	note(t, a, false);
	txn_then(t, call, afterwards_txn);
}

/* As somebody whose connection is gone, so that nothing but the account is in play. */
static void
run(int person, txn_fn *fn)
{
	struct call *call = calloc(1, sizeof(*call));

	assert_non_null(call);
	call->engine = world.engine;
	tries = taken = ends = then = 0;
	(void)CALL_MEMORY_AS(unsigned, call);
	txn_run_held(world.engine, &people[person].person.key, call, fn);
	engine_turn_end(world.engine);
}

static void
test_a_key_that_another_account_holds(void **state)
{
	(void)state;
	conflicts(0);
	run(0, claim_txn);
	assert_int_equal(tries, 1);
	assert_int_equal(ends, 1);
	run(1, claim_txn);
	assert_int_equal(tries, 2);
	assert_int_equal(taken, 1);
	assert_int_equal(ends, 1);
	assert_int_equal(events(1, EVENT_DENIED), 1);
	/* Its holder may take it again. */
	run(0, claim_txn);
	assert_int_equal(tries, 1);
}

static void
test_a_conflict_that_is_not_about_the_key(void **state)
{
	(void)state;
	conflicts(2);
	run(0, claim_txn);
	assert_int_equal(tries, 3);
	assert_int_equal(taken, 0);
	assert_int_equal(ends, 1);
	assert_int_equal(events(0, EVENT_DENIED), 1);
}

static void
test_what_comes_afterwards_waits_for_the_commit(void **state)
{
	(void)state;
	conflicts(2);
	run(0, step_txn);
	assert_int_equal(tries, 3);
	assert_int_equal(then, 1);
	assert_int_equal(events(0, EVENT_DENIED), 1);
	conflicts(3);
	run(0, step_txn);
	assert_int_equal(tries, 3);
	assert_int_equal(then, 0);
	assert_int_equal(events(0, EVENT_DENIED), 1);
}

/* ---- a sign-in that a browser brought home ---- */

static struct signin *home;

static void
home_txn(struct txn *t, struct account *a, struct call *call)
{
	/* Else a service that asks for it takes it away, and frees it, before this is decided again. */
	assert_int_equal(home->state, SIGNIN_CHECKING);
	tries++;
	note(t, a, false);
	signin_comes_home(call, home, SIGNIN_FAILED);
	call_done(call);
	assert_int_equal(home->state, SIGNIN_CHECKING);
}

static void
test_a_sign_in_is_home_when_its_answer_stands(void **state)
{
	(void)state;
	home = signin_begin(world.engine);
	assert_non_null(home);
	home->state = SIGNIN_CHECKING;
	conflicts(2);
	run(0, home_txn);
	assert_int_equal(tries, 3);
	assert_int_equal(home->state, SIGNIN_FAILED);
	signin_end(world.engine, home);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_one_conflict_is_not_seen),
	    TEST(test_two_conflicts_are_not_seen),
	    TEST(test_three_are_unavailable),
	    TEST(test_a_batch_is_decided_again_in_order),
	    TEST(test_replies_around_it_stay),
	    TEST(test_a_conflict_that_is_told_late),
	    TEST(test_a_peer_that_leaves_meanwhile),
	    TEST(test_other_failures_are_not_tried_again),
	    TEST(test_what_a_crowd_left_unread_is_read),
	    TEST(test_long_answers_to_a_crowd),
	    TEST(test_who_has_waited_long_hears_that_the_store_fails),
	    TEST(test_a_key_that_another_account_holds),
	    TEST(test_a_conflict_that_is_not_about_the_key),
	    TEST(test_what_comes_afterwards_waits_for_the_commit),
	    TEST(test_a_sign_in_is_home_when_its_answer_stands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
