/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared store without a server: names of keys, the bytes of values and of commits, sequence numbers, and the lanes
 * in which calls wait for one another.
 */
#include "tests/store/harness.h"

#include <stdlib.h>

#include "broker/store/redis/commit_code.h"
#include "broker/store/redis/ground.h"
#include "broker/store/redis/lanes.h"
#include "broker/store/redis/layout.h"
#include "broker/store/redis/word_code.h"
#include "broker/store/record.h"

enum { ROUNDS = 200, CALLS = 400, IDS = 40 };

static const uint8_t id[LAYOUT_ID_BYTES] = "commit1";

static void
a_prefix_has_only_what_a_key_may_have(void **state)
{
	static const char *const bad[] = {"", "a{b", "a b", "12345678901234567890123456789012x", "a\n"};
	struct layout l;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(layout_init(&l, bad[i]), CS_ERR_RANGE);
	assert_int_equal(layout_init(&l, "shop-2.test_A:x"), CS_OK);
}

static void
all_keys_of_a_bucket_lie_in_its_slots(void **state)
{
	struct layout l;
	struct layout_key name;

	(void)state;
	assert_int_equal(layout_init(&l, "cs"), CS_OK);
	for (unsigned n = 0; n < 3000; n++) {
		struct store_key key = key_of(n), payment = key_of(n + 1);
		unsigned bucket = layout_bucket(&key);
		struct view names[5];
		struct layout_key memory[5];

		assert_int_equal(bucket, key.b[0] << 2 | key.b[1] >> 6);
		names[0] = layout_key(&l, bucket, LAYOUT_HEAD, NULL, 0, &memory[0]);
		names[1] = layout_key_of(&l, LAYOUT_RECORD, &key, &memory[1]);
		names[2] = layout_payment(&l, &key, &payment, &memory[2]);
		names[3] = layout_log(&l, bucket, UINT64_MAX, &memory[3]);
		names[4] = layout_key(&l, bucket, LAYOUT_POISON, id, sizeof(id), &memory[4]);
		for (size_t i = 0; i < 5; i++)
			assert_int_equal(slots_of_key(names[i]) / 16, bucket);
	}
	assert_view(layout_key(&l, 1023, LAYOUT_HEAD, NULL, 0, &name), layout_key(&l, 1023, LAYOUT_HEAD, "", 0, &name));
}

static void
sequence_numbers_hold_time_and_bucket(void **state)
{
	/* 2060-01-01: still below what scripts and JSON can hold. */
	uint64_t units = layout_units_at(2840140800LL * 1000000), seq = layout_seq(units, 1023);

	(void)state;
	assert_true(seq < (uint64_t)1 << 53);
	assert_int_equal(layout_units_of(seq), units);
	assert_int_equal(layout_units_at(0), 0);
	assert_int_equal(layout_seq_before(0), 0);
	assert_true(layout_seq_before(2840140800LL * 1000000) < layout_seq(units, 0));
	assert_true(layout_seq_before(2840140800LL * 1000000) >= layout_seq(units - 1, 1023));
}

/* As the script makes it. */
static void
put_hot(struct buf *b, uint64_t revision, uint64_t cold_revision, const struct store_key *key, struct view hot)
{
	uint64_t numbers[] = {revision, 0, 77, 5, cold_revision};
	uint8_t be[8];

	for (size_t i = 0; i < 5; i++) {
		layout_put_be(be, numbers[i]);
		buf_put(b, i == 1 ? id : be, sizeof(be));
	}
	layout_put_tail(b, key, revision, id, VIEW("making"), hot);
}

static void
a_record_reads_as_it_was_written_and_no_changed_byte_passes(void **state)
{
	uint8_t memory[400];
	struct buf b = buf_over(memory, sizeof(memory));
	struct store_key key = key_of(1), other = key_of(2);
	struct layout_hot hot;
	struct view cold;

	(void)state;
	put_hot(&b, 9, 3, &key, VIEW("state"));
	assert_int_equal(layout_get_hot(buf_view(&b), &key, &hot), CS_OK);
	assert_int_equal(hot.revision, 9);
	assert_int_equal(hot.last_seq, 77);
	assert_int_equal(hot.n, 5);
	assert_int_equal(hot.cold_revision, 3);
	assert_false(hot.held);
	assert_view(hot.making, VIEW("making"));
	assert_view(hot.hot, VIEW("state"));
	assert_int_equal(layout_get_hot(buf_view(&b), &other, &hot), CS_ERR_CORRUPT);
	for (size_t len = 0; len < b.len; len++)
		assert_int_not_equal(layout_get_hot(view_of(memory, len), &key, &hot), CS_OK);
	for (size_t i = 0; i < b.len; i++) {
		bool guarded = i < 16 || i >= LAYOUT_HEADER_BYTES;

		memory[i] ^= 1;
		if (guarded)
			assert_int_not_equal(layout_get_hot(buf_view(&b), &key, &hot), CS_OK);
		memory[i] ^= 1;
	}
	memory[0] |= LAYOUT_HELD;
	assert_int_equal(layout_get_hot(buf_view(&b), &key, &hot), CS_OK);
	assert_true(hot.held);

	b.len = 0;
	layout_put_cold(&b, &key, 3, VIEW("cold"));
	assert_int_equal(layout_get_cold(buf_view(&b), &key, 3, &cold), CS_OK);
	assert_view(cold, VIEW("cold"));
	assert_int_equal(layout_get_cold(buf_view(&b), &key, 4, &cold), CS_ERR_CORRUPT);
	for (size_t i = 0; i < b.len; i++) {
		memory[i] ^= 0x10;
		assert_int_not_equal(layout_get_cold(buf_view(&b), &key, 3, &cold), CS_OK);
		memory[i] ^= 0x10;
	}
}

static void
an_event_of_the_log_reads_as_it_was_written(void **state)
{
	uint8_t memory[200];
	struct buf b = buf_over(memory, sizeof(memory));
	struct store_key key = key_of(1);
	struct store_event event = {VIEW("event"), VIEW("extra")};
	struct layout_event got;

	(void)state;
	layout_put_be(memory, 1234);
	b.len = LAYOUT_EVENT_BACK_BYTES;
	layout_put_event(&b, &key, 300, &event);
	assert_int_equal(layout_get_event(buf_view(&b), &got), CS_OK);
	assert_memory_equal(got.key.b, key.b, STORE_KEY_BYTES);
	assert_int_equal(got.revision, 300);
	assert_int_equal(got.back, 1234);
	assert_view(got.event, event.event);
	assert_view(got.extra, event.extra);
	for (size_t i = LAYOUT_EVENT_BACK_BYTES; i < b.len; i++) {
		memory[i] ^= 4;
		assert_int_not_equal(layout_get_event(buf_view(&b), &got), CS_OK);
		memory[i] ^= 4;
	}
}

/* A commit with everything, or with little, as the dice fall. */
static void
image_make(struct commit_image *image, uint64_t *seed, const uint8_t *bytes)
{
	struct store_commit *c = &image->commit;

	*image = (struct commit_image){.commit = {.key = key_of(random_next(seed)), .expected = random_next(seed) % 1000}};
	memcpy(image->id, id, sizeof(id));
	c->events_n = 1 + random_next(seed) % 5;
	c->claims_n = random_next(seed) % (STORE_CLAIMS_MAX + 1);
	c->payments_n = random_next(seed) % 4;
	c->hot = view_of(bytes, random_next(seed) % 300);
	if (random_next(seed) % 2 == 0)
		c->cold = view_of(bytes, random_next(seed) % 300);
	for (size_t i = 0; i < c->events_n; i++)
		image->events[i] = (struct store_event){view_of(bytes, 1 + random_next(seed) % 90), view_of(bytes, random_next(seed) % 9)};
	for (size_t i = 0; i < c->claims_n; i++)
		image->claims[i] = (struct store_claim){key_of(i), random_next(seed) % 2 == 0, false};
	for (size_t i = 0; i < c->claims_n; i++)
		image->claims[i].once = !image->claims[i].release && random_next(seed) % 2 == 0;
	for (size_t i = 0; i < c->payments_n; i++)
		image->payments[i] = (struct store_payment){key_of(i), view_of(bytes + i, 20)};
	c->events = image->events;
	c->claims = image->claims;
	c->payments = image->payments;
}

static void
same_commit(const struct store_commit *a, const struct store_commit *b)
{
	assert_memory_equal(a->key.b, b->key.b, STORE_KEY_BYTES);
	assert_int_equal(a->expected, b->expected);
	assert_int_equal(a->events_n, b->events_n);
	assert_int_equal(a->claims_n, b->claims_n);
	assert_int_equal(a->payments_n, b->payments_n);
	assert_view(a->hot, b->hot);
	assert_int_equal(a->cold.data == NULL, b->cold.data == NULL);
	assert_view(a->cold, b->cold);
	for (size_t i = 0; i < a->events_n; i++) {
		assert_view(a->events[i].event, b->events[i].event);
		assert_view(a->events[i].extra, b->events[i].extra);
	}
	for (size_t i = 0; i < a->claims_n; i++) {
		assert_memory_equal(a->claims[i].claim.b, b->claims[i].claim.b, STORE_KEY_BYTES);
		assert_int_equal(a->claims[i].release, b->claims[i].release);
		assert_int_equal(a->claims[i].once, b->claims[i].once);
	}
	for (size_t i = 0; i < a->payments_n; i++)
		assert_view(a->payments[i].summary, b->payments[i].summary);
}

static void
a_commit_survives_the_journal_and_no_changed_byte_passes(void **state)
{
	static struct commit_image image, again;
	uint64_t seed = seed_pick("test_redis_code");
	uint8_t bytes[512], memory[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)random_next(&seed);
	for (int round = 0; round < ROUNDS; round++) {
		struct buf b = buf_over(memory, sizeof(memory));
		size_t at;

		image_make(&image, &seed, bytes);
		commit_encode(&b, &image);
		assert_int_not_equal(commit_decode(buf_view(&b), &again), CS_OK);
		commit_view(buf_view(&b), &again);
		same_commit(&image.commit, &again.commit);
		commit_seal(&b, 4711);
		assert_int_equal(commit_decode(buf_view(&b), &again), CS_OK);
		assert_int_equal(again.last_seq, 4711);
		assert_memory_equal(again.id, id, sizeof(id));
		same_commit(&image.commit, &again.commit);
		at = random_next(&seed) % b.len;
		memory[at] ^= (uint8_t)(1 << random_next(&seed) % 8);
		assert_int_not_equal(commit_decode(buf_view(&b), &again), CS_OK);
		assert_int_not_equal(commit_decode(view_of(memory, at), &again), CS_OK);
	}
}

/* A hot value as commit.lua puts it together, of a commit of the fixture. */
static struct cache_entry *
entry_of(const struct commit_image *image, const struct layout *l, struct layout_hot *hot, uint64_t last_seq)
{
	static uint8_t memory[8192];
	struct buf value = buf_over(memory, sizeof(memory));
	const struct store_commit *c = &image->commit;
	uint64_t revision = c->expected + c->events_n, numbers[] = {revision, 0, last_seq, 1, c->cold.data == NULL ? 0 : revision};
	struct commit_call call;
	struct cache_entry *e;
	uint8_t be[8];

	commit_call_init(&call);
	commit_call_make(&call, &(struct commit_where){.layout = l, .tenure = "t", .member = "m", .segment = 1}, image);
	for (size_t i = 0; i < 5; i++) {
		layout_put_be(be, numbers[i]);
		buf_put(&value, i == 1 ? image->id : be, sizeof(be));
	}
	buf_put_view(&value, call.args[8]);
	assert_int_equal(layout_get_hot(buf_view(&value), &c->key, hot), CS_OK);
	commit_call_clear(&call);
	e = cache_entry_new_made(&c->key, revision, hot->hot, c->cold.data == NULL ? VIEW("kept") : c->cold, hot->making);
	e->last_seq = last_seq;
	memcpy(&e->row_id, hot->id, sizeof(e->row_id));
	return e;
}

static void
a_record_tells_of_the_commit_that_made_it(void **state)
{
	static struct commit_image image, again;
	uint64_t seed = seed_pick("making");
	uint8_t bytes[512], memory[8192];
	struct doubts doubts;
	struct layout l;

	(void)state;
	doubts_init(&doubts);
	assert_int_equal(layout_init(&l, "p"), CS_OK);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)random_next(&seed);
	for (int round = 0; round < ROUNDS; round++) {
		struct buf grounds = buf_over(memory, sizeof(memory));
		struct view parts[COMMIT_GROUNDS_MAX + 1];
		struct cache_entry *e;
		struct layout_hot hot;

		image_make(&image, &seed, bytes);
		memcpy(image.before, "who knew", LAYOUT_ID_BYTES);
		e = entry_of(&image, &l, &hot, 4711);
		assert_view(hot.hot, image.commit.hot);
		ground_put(&doubts, e, &grounds);
		assert_int_equal(commit_grounds(buf_view(&grounds)), 1);
		/* The same twice: once for itself, and once with another one upon it. */
		for (size_t n = 1; n <= 2; n++) {
			uint8_t whole[16384];
			struct buf b = buf_over(whole, sizeof(whole));

			commit_put_grounded(&b, buf_view(&grounds), n == 1 ? VIEW("") : VIEW("another"));
			assert_int_equal(commit_parts(buf_view(&b), parts), n);
			assert_int_equal(commit_decode(parts[0], &again), CS_OK);
			same_commit(&image.commit, &again.commit);
			assert_memory_equal(again.id, image.id, LAYOUT_ID_BYTES);
			assert_memory_equal(again.before, image.before, LAYOUT_ID_BYTES);
			assert_int_equal(again.last_seq, 4711);
			if (n == 2)
				assert_view(parts[1], VIEW("another"));
		}
		/* What says less than there is says nothing. */
		e->making_len--;
		grounds.len = 0;
		ground_put(&doubts, e, &grounds);
		assert_int_equal(grounds.len, 0);
		cache_entry_free(e);
	}
	doubts_clear(&doubts);
}

static void
a_broker_knows_its_own_commits_and_doubts_those_it_never_heard_of_again(void **state)
{
	struct doubts doubts;
	uint8_t ids[2 * DOUBTS_MAX][LAYOUT_ID_BYTES];

	(void)state;
	doubts_init(&doubts);
	assert_false(doubts_known(&doubts, (const uint8_t *)"another1"));
	for (size_t i = 0; i < 2 * DOUBTS_MAX; i++) {
		doubts_next_id(&doubts, ids[i]);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(ids[i], ids[k], LAYOUT_ID_BYTES);
	}
	for (size_t i = 0; i < 2 * DOUBTS_MAX; i++)
		assert_true(doubts_known(&doubts, ids[i]));
	doubts_add(&doubts, ids[3], view_of(NULL, 0));
	for (size_t i = 0; i < 2 * DOUBTS_MAX; i++)
		assert_int_equal(doubts_known(&doubts, ids[i]), i != 3);
	/* More than it remembers: then all of that time are in doubt. */
	for (size_t i = 8; i < 8 + DOUBTS_MAX; i++)
		doubts_add(&doubts, ids[i], view_of(NULL, 0));
	for (size_t i = 0; i < 2 * DOUBTS_MAX; i++)
		assert_int_equal(doubts_known(&doubts, ids[i]), i > 3 && (i < 8 || i >= 8 + DOUBTS_MAX));
	doubts_clear(&doubts);
}

static void
the_largest_commit_fits_the_journal_and_the_script(void **state)
{
	struct commit_image *image = calloc(1, sizeof(*image)), *again = calloc(1, sizeof(*again));
	uint8_t *bytes = calloc(1, STORE_COLD_MAX);
	struct store_commit *c = &image->commit;
	struct layout l;
	struct commit_call call;
	struct bytes body;

	(void)state;
	*c = (struct store_commit){.key = key_of(1), .expected = 5, .events_n = STORE_BATCH_MAX, .claims_n = STORE_CLAIMS_MAX,
	    .payments_n = STORE_PAYMENTS_MAX, .events = image->events, .claims = image->claims, .payments = image->payments,
	    .hot = view_of(bytes, STORE_HOT_MAX), .cold = view_of(bytes, STORE_COLD_MAX)};
	for (size_t i = 0; i < STORE_BATCH_MAX; i++)
		image->events[i] = (struct store_event){view_of(bytes, STORE_EVENT_MAX), view_of(bytes, STORE_EXTRA_MAX)};
	for (size_t i = 0; i < STORE_PAYMENTS_MAX; i++)
		image->payments[i].summary = view_of(bytes, STORE_SUMMARY_MAX);
	image->claims[1].release = true;
	bytes_init(&body, COMMIT_CODE_MAX);
	commit_encode(&body.buf, image);
	assert_false(body.buf.full);
	commit_seal(&body.buf, 1);
	assert_int_equal(commit_decode(buf_view(&body.buf), again), CS_OK);
	same_commit(c, &again->commit);

	assert_int_equal(layout_init(&l, "12345678901234567890123456789012"), CS_OK);
	commit_call_init(&call);
	commit_call_make(&call, &(struct commit_where){.layout = &l, .tenure = "t", .member = "m", .segment = UINT64_MAX}, again);
	assert_int_equal(call.keys_n, COMMIT_KEYS_MAX);
	assert_int_equal(call.args_n, COMMIT_ARGS_MAX);
	assert_int_equal(call.args[8].len, 5 + 1 + STORE_HOT_MAX); /* too large to be kept with the record */
	commit_call_clear(&call);
	bytes_clear(&body);
	free(bytes);
	free(image);
	free(again);
}

struct waiting {
	struct lane_ticket ticket;
	unsigned number;
	bool runs, over;
	struct store_key ids[3];
};

static void
may_go(void *ctx, struct lane_ticket *t)
{
	(void)ctx;
	assert_false(((struct waiting *)t)->runs);
	((struct waiting *)t)->runs = true;
}

static bool
shares(const struct waiting *a, const struct waiting *b)
{
	for (size_t i = 0; i < 3; i++) {
		for (size_t k = 0; k < 3; k++) {
			if (memcmp(a->ids[i].b, b->ids[k].b, STORE_KEY_BYTES) == 0)
				return true;
		}
	}
	return false;
}

static void
calls_of_one_record_run_in_their_order_and_all_of_them_run(void **state)
{
	static struct lanes lanes;
	struct waiting *calls = calloc(CALLS, sizeof(*calls));
	uint64_t seed = seed_pick("lanes");
	size_t over = 0, entered = 0;

	(void)state;
	while (over < CALLS) {
		if (entered < CALLS && random_next(&seed) % 2 == 0) {
			struct waiting *w = &calls[entered++];

			for (size_t i = 0; i < 3; i++) {
				w->ids[i] = key_of(random_next(&seed) % IDS);
				w->ids[i].b[14] = w->ids[i].b[15] = 0; /* one chain for all */
			}
			w->runs = lanes_enter(&lanes, &w->ticket, w->ids, 3);
		} else if (entered > 0) {
			struct waiting *w = &calls[random_next(&seed) % entered];

			/* Some give up before their turn came. */
			if (w->over || (!w->runs && random_next(&seed) % 8 != 0))
				continue;
			w->over = true;
			over++;
			lanes_leave(&lanes, &w->ticket, may_go, NULL);
		}
		for (size_t i = 0; i < entered; i++) {
			bool first = !calls[i].over;

			for (size_t k = 0; k < i && first; k++)
				first = calls[k].over || !shares(&calls[k], &calls[i]);
			if (!calls[i].over)
				assert_int_equal(calls[i].runs, first);
		}
	}
	assert_false(lanes_busy(&lanes, &calls[0].ids[0]));
	free(calls);
}

static void
a_word_said_offline_reads_as_it_was_said_and_no_other_passes(void **state)
{
	static const char *const bad[] = {"", "1", "2\nforget\nid\nb\nby\nwhy", "1\nforgive\nid\nb\nby\nwhy", "1\nforget\nid\nb\nby",
	    "1\nforget\nid\nb\nby\nwhy\nmore", "1\nrelease\n1024\n\nby\nwhy", "1\nrelease\n-1\n\nby\nwhy", "1\nrelease\n\n\nby\nwhy",
	    "1\nforget\nid\nb\033\nby\nwhy", "1\nforget\nid\nb\nby\nwhy\xff"};
	struct store_word said = {.bucket = -1, .member = VIEW("b"), .member_id = VIEW("0123456789abcdef"), .by = VIEW("uid 0 on c"),
	    .reason = VIEW("its disk burnt")}, got;
	char name[WORD_NAME_TEXT], told[WORD_NAME_TEXT];
	struct bytes value;

	(void)state;
	bytes_init(&value, 2 * WORD_BYTES_MAX);
	word_name(name, 1700000000001);
	assert_true(word_named(view_str(name)));
	word_told_name(told, view_str(name));
	assert_false(word_named(view_str(told)));
	assert_int_equal(word_encode(&value.buf, &said), CS_OK);
	assert_int_equal(word_decode(view_str(name), buf_view(&value.buf), &got), CS_OK);
	assert_int_equal(got.said_ms, 1700000000001);
	assert_int_equal(got.bucket, -1);
	assert_view(got.member, said.member);
	assert_view(got.member_id, said.member_id);
	assert_view(got.by, said.by);
	assert_view(got.reason, said.reason);
	said = (struct store_word){.bucket = 1023, .by = VIEW("uid 0 on c"), .reason = VIEW("r")};
	value.buf.len = 0;
	assert_int_equal(word_encode(&value.buf, &said), CS_OK);
	assert_int_equal(word_decode(view_str(name), buf_view(&value.buf), &got), CS_OK);
	assert_int_equal(got.bucket, 1023);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(word_decode(view_str(name), view_str(bad[i]), &got), CS_ERR_CORRUPT);
	/* It could forge another line. */
	said.reason = VIEW("r\nx");
	assert_int_equal(word_encode(&value.buf, &said), CS_ERR_RANGE);
	bytes_clear(&value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_prefix_has_only_what_a_key_may_have),
	    cmocka_unit_test(all_keys_of_a_bucket_lie_in_its_slots),
	    cmocka_unit_test(sequence_numbers_hold_time_and_bucket),
	    cmocka_unit_test(a_record_reads_as_it_was_written_and_no_changed_byte_passes),
	    cmocka_unit_test(an_event_of_the_log_reads_as_it_was_written),
	    cmocka_unit_test(a_commit_survives_the_journal_and_no_changed_byte_passes),
	    cmocka_unit_test(a_record_tells_of_the_commit_that_made_it),
	    cmocka_unit_test(a_broker_knows_its_own_commits_and_doubts_those_it_never_heard_of_again),
	    cmocka_unit_test(the_largest_commit_fits_the_journal_and_the_script),
	    cmocka_unit_test(calls_of_one_record_run_in_their_order_and_all_of_them_run),
	    cmocka_unit_test(a_word_said_offline_reads_as_it_was_said_and_no_other_passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
