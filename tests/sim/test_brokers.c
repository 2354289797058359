/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two brokers over one store, step by step: what one did the other knows, what it may not know it refuses; and a store that
 * answers everything later.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "tests/sim/accounts.h"
#include "tests/sim/bare.h"
#include "tests/sim/shared.h"

enum { A, B, BROKERS };

static const struct world_store port = {shared_misbehave, shared_crash};
static struct shared *shared;
static struct world worlds[BROKERS];
static struct person person;
static struct clock_now now;

static void
brokers_open(const struct bare *of_b)
{
	static const struct world_store mem = {store_mem_misbehave, store_mem_crash};
	struct world outside;

	log_init("test", LOG_LEVEL_ERROR);
	shared = shared_new(2, SHARED_SOUND);
	for (int i = 0; i < BROKERS; i++) {
		world_open_with(&worlds[i], 2, shared_open(shared), &port, i == B ? of_b : NULL);
		worlds[i].faults = (struct store_mem_options){0};
		world_misbehave(&worlds[i], true);
	}
	now = worlds[A].now;
	outside = worlds[A];
	outside.of = &mem;
	outside.store = shared_truth(shared);
	outside.faults = (struct store_mem_options){0};
	person_make(&outside, 1, &person);
	shared_keep(shared);
	shared_settle(shared);
}

static int
setup(void **state)
{
	(void)state;
	brokers_open(NULL);
	return 0;
}

static int
setup_other_issuer(void **state)
{
	static const struct bare other = {.realm = "simulated", .shop = "rights spend refund lookup",
	    .sandbox = "limits CNY { per-day 300 } set jwks-uri \"https://elsewhere.test/keys\""};

	(void)state;
	brokers_open(&other);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < BROKERS; i++) {
		shared_crash(worlds[i].store);
		world_close(&worlds[i]);
	}
	shared_free(shared);
	return 0;
}

static void
turns(int n)
{
	for (int i = 0; i < n; i++) {
		for (int b = 0; b < BROKERS; b++) {
			worlds[b].now = now;
			world_everybody(&worlds[b]);
			now = worlds[b].now;
		}
	}
}

/* The lease is renewed, which tells of a newer record: that is read. */
static void
beat(void)
{
	shared_settle(shared);
	turns(4);
}

/* The text goes to the broker; its answer has this in it, and is the only one. */
static void
asks(int broker, const char *text, const char *needle)
{
	static uint8_t bytes[VARLINK_MESSAGE_MAX + 1];
	struct buf reply = buf_over(bytes, sizeof(bytes) - 1);

	buf_put(&worlds[broker].clients[0]->in.buf, text, strlen(text) + 1);
	turns(8);
	assert_true(world_reply(&worlds[broker], 0, &reply));
	bytes[reply.len] = '\0';
	if (strstr((char *)bytes, needle) == NULL)
		fail_msg("no %s in %s", needle, (char *)bytes);
	assert_int_equal(worlds[broker].clients[0]->out.buf.len, 0);
}

static void
authorize(int broker, const char *payment, const char *needle)
{
	char text[512];

	snprintf(text, sizeof(text), "{\"method\":\"org.countersign.Payments.Authorize\",\"parameters\":{"
	    "\"session\":\"%.*s\",\"payment\":{\"id\":\"%s\",\"amount\":\"1.00\",\"currency\":\"CNY\","
	    "\"payee\":{\"id\":\"m\"}}}}", (int)person.session_text.len, person.session_text.data, payment);
	asks(broker, text, needle);
}

static void
get(int broker, const char *payment, const char *needle)
{
	char text[512];

	snprintf(text, sizeof(text), "{\"method\":\"org.countersign.Payments.Get\",\"parameters\":{"
	    "\"account\":\"%s\",\"payment\":\"%s\"}}", person.name, payment);
	asks(broker, text, needle);
}

/* As an admin: the connection is another's from here on. */
static void
admin(int broker, const char *text, const char *needle)
{
	worlds[broker].clients[0]->kind = STREAM_ADMIN;
	asks(broker, text, needle);
	worlds[broker].clients[0]->kind = STREAM_SERVICE;
}

static void
test_an_answer_is_never_older_than_another_brokers(void **state)
{
	(void)state;
	/* Both remember the account as it was. */
	get(A, "p", "NotFound");
	get(B, "p", "NotFound");
	authorize(A, "p", "\"outcome\":\"permit\"");
	get(B, "p", "\"state\":\"open\"");
	authorize(B, "p", "\"replayed\":true");
}

static void
test_a_freeze_is_in_force_at_the_other_broker(void **state)
{
	(void)state;
	authorize(B, "before", "permit");
	admin(A, "{\"method\":\"org.countersign.Admin.Freeze\",\"parameters\":{\"scope\":\"provider\","
	    "\"target\":\"sandbox\",\"reason\":\"breach\"}}", "\"frozen\":true");
	beat();
	authorize(B, "p", "provider_frozen");
	admin(B, "{\"method\":\"org.countersign.Admin.Thaw\",\"parameters\":{\"scope\":\"provider\","
	    "\"target\":\"sandbox\",\"reason\":\"mended\"}}", "\"frozen\":false");
	beat();
	admin(A, "{\"method\":\"org.countersign.Admin.Providers\"}", "\"state\":\"active\"");
}

/* Both change the record at once: the second is made again on what the first left. */
static void
test_changes_of_two_brokers_meet(void **state)
{
	static const char *const freeze = "{\"method\":\"org.countersign.Admin.Freeze\",\"parameters\":{"
	    "\"scope\":\"provider\",\"target\":\"sandbox\",\"reason\":\"breach\"}}";

	(void)state;
	for (int b = 0; b < BROKERS; b++) {
		worlds[b].clients[0]->kind = STREAM_ADMIN;
		buf_put(&worlds[b].clients[0]->in.buf, freeze, strlen(freeze) + 1);
	}
	turns(12);
	for (int b = 0; b < BROKERS; b++) {
		static uint8_t bytes[VARLINK_MESSAGE_MAX + 1];
		struct buf reply = buf_over(bytes, sizeof(bytes) - 1);

		assert_true(world_reply(&worlds[b], 0, &reply));
		bytes[reply.len] = '\0';
		assert_non_null(strstr((char *)bytes, "\"frozen\":true"));
		worlds[b].clients[0]->kind = STREAM_SERVICE;
		authorize(b, "p", "provider_frozen");
	}
}

static void
test_without_its_lease_a_broker_denies_and_says_so(void **state)
{
	(void)state;
	authorize(B, "before", "permit");
	shared_lose_lease(worlds[B].store, 1000);
	authorize(B, "p", "provider_stale");
	admin(B, "{\"method\":\"org.countersign.Admin.Providers\"}", "\"state\":\"stale\"");
	/* The other one goes on; and what it did is seen even now. */
	authorize(A, "p", "\"outcome\":\"permit\"");
	get(B, "p", "\"state\":\"open\"");
	shared_settle(shared);
	authorize(B, "q", "\"outcome\":\"permit\"");
}

static void
test_another_configuration_of_a_provider_spends_nothing(void **state)
{
	(void)state;
	authorize(A, "p", "\"outcome\":\"permit\"");
	authorize(B, "q", "provider_changed");
	admin(B, "{\"method\":\"org.countersign.Admin.Providers\"}", "\"state\":\"changed\"");
}

static void
test_pages_of_the_log_come_later(void **state)
{
	(void)state;
	authorize(A, "p", "permit");
	for (int i = 0; i < BROKERS; i++) {
		admin(i, "{\"method\":\"org.countersign.Admin.Log\"}", "\"rows\":[\"");
		admin(i, "{\"method\":\"org.countersign.Admin.Events\",\"parameters\":{\"limit\":1000}}",
		    "\"type\":\"payment_permitted\"");
	}
}

/* Whoever watches at one broker hears what another one did. */
static void
test_a_watch_hears_of_the_other_brokers_events(void **state)
{
	static const char text[] = "{\"method\":\"org.countersign.Admin.Events\",\"more\":true,\"parameters\":{"
	    "\"follow\":true}}";
	static uint8_t bytes[VARLINK_MESSAGE_MAX + 1];
	bool heard = false;

	(void)state;
	worlds[B].clients[1]->kind = STREAM_ADMIN;
	buf_put(&worlds[B].clients[1]->in.buf, text, sizeof(text));
	turns(20);
	authorize(A, "p", "permit");
	for (int i = 0; i < 400 && !heard; i++) {
		struct buf reply = buf_over(bytes, sizeof(bytes) - 1);

		turns(1);
		while (world_reply(&worlds[B], 1, &reply)) {
			bytes[reply.len] = '\0';
			heard |= strstr((char *)bytes, "payment_permitted") != NULL;
		}
	}
	assert_true(heard);
	/* It goes while a page is on its way. */
	authorize(A, "q", "permit");
	for (int i = 0; i < 100; i++) {
		worlds[B].now = now;
		world_turn(&worlds[B]);
	}
	world_leave(&worlds[B], 1);
	turns(20);
}

static void
test_one_leads_and_the_next_takes_over(void **state)
{
	(void)state;
	turns(1);
	assert_true(worlds[A].engine->view.leads);
	assert_false(worlds[B].engine->view.leads);
	shared_lose_lease(worlds[A].store, 1000);
	turns(1);
	assert_false(worlds[A].engine->view.leads);
	assert_true(worlds[B].engine->view.leads);
}

/* What is looked for in the log, and how often it is there. */
struct telling {
	const char *name;
	unsigned n;
	bool over;
};

static bool
row_seen(void *ctx, const struct store_row *row)
{
	struct telling *t = ctx;
	struct event ev;

	assert_int_equal(event_decode(row->event, &ev), CS_OK);
	t->n += ev.type == EVENT_MEMBER_FORGOTTEN && (ev.flags & EVENT_FLAG_OFFLINE) != 0 && ev.author == AUTHOR_ADMIN &&
	    memmem(row->extra.data, row->extra.len, t->name, strlen(t->name)) != NULL;
	return true;
}

static void
scanned(void *ctx, enum cs_err err, uint64_t next)
{
	(void)next;
	((struct telling *)ctx)->over = err == CS_OK;
}

/* How often the log tells of the word of this member. */
static unsigned
told_times(const char *name)
{
	static const struct store_scan all = {.limit = 100000};
	struct telling t = {.name = name};

	store_scan(shared_truth(shared), &all, row_seen, scanned, &t);
	assert_true(t.over);
	return t.n;
}

static void
words_settle(void)
{
	for (int i = 0; i < 4000 && !shared_told(shared); i++)
		turns(1);
	assert_true(shared_told(shared));
	/* And then for a while: nobody tells it again. */
	turns(40);
}

static void
test_a_word_that_was_said_offline_is_told_once_though_both_tell_it(void **state)
{
	(void)state;
	shared_all_lead(shared);
	shared_say(shared, "one-that-burnt");
	shared_say(shared, "one-drowned");
	words_settle();
	assert_int_equal(told_times("one-that-burnt: burnt (offline by uid 0"), 1);
	assert_int_equal(told_times("one-drowned: burnt (offline by uid 0"), 1);
}

/* The event is there, and its broker never hears of it. */
static void
test_a_word_whose_events_answer_is_lost_is_told_once(void **state)
{
	(void)state;
	worlds[A].faults.lose_reply = 1000;
	world_misbehave(&worlds[A], false);
	shared_say(shared, "one-that-burnt");
	for (int i = 0; i < 4000 && told_times("one-that-burnt") == 0; i++)
		turns(1);
	assert_false(shared_told(shared));
	world_misbehave(&worlds[A], true);
	words_settle();
	assert_int_equal(told_times("one-that-burnt"), 1);
}

/* Killed after each of its steps, and started again; then another one goes on with it. */
static void
test_a_word_is_told_once_wherever_its_broker_dies(void **state)
{
	bool untold = false, between = false;

	(void)state;
	for (int k = 0; k < 24; k++) {
		char name[24];

		(void)snprintf(name, sizeof(name), "broker-%02d", k);
		brokers_open(NULL);
		shared_say(shared, name);
		for (int i = 0; i < k; i++) {
			worlds[A].now = now;
			world_everybody(&worlds[A]);
			now = worlds[A].now;
		}
		untold |= told_times(name) == 0;
		between |= told_times(name) == 1 && !shared_told(shared);
		world_crash(&worlds[A]);
		shared_lose_lease(worlds[A].store, 1000);
		words_settle();
		assert_int_equal(told_times(name), 1);
		teardown(NULL);
	}
	/* Before the event, and between the event and its mark. */
	assert_true(untold && between);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_an_answer_is_never_older_than_another_brokers),
	    TEST(test_a_freeze_is_in_force_at_the_other_broker),
	    TEST(test_changes_of_two_brokers_meet),
	    TEST(test_without_its_lease_a_broker_denies_and_says_so),
	    cmocka_unit_test_setup_teardown(test_another_configuration_of_a_provider_spends_nothing, setup_other_issuer, teardown),
	    TEST(test_pages_of_the_log_come_later),
	    TEST(test_a_watch_hears_of_the_other_brokers_events),
	    TEST(test_one_leads_and_the_next_takes_over),
	    TEST(test_a_word_that_was_said_offline_is_told_once_though_both_tell_it),
	    TEST(test_a_word_whose_events_answer_is_lost_is_told_once),
	    cmocka_unit_test(test_a_word_is_told_once_wherever_its_broker_dies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
