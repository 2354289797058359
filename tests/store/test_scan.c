/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scans of the shared store against a plain list: the merge alone, then everything over a real server: many buckets and
 * segments, commits under way, clocks, buckets that are not open, damage.
 */
#include "tests/store/harness.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/store/redis/commit_code.h"
#include "broker/store/redis/scan.h"
#include "broker/store/redis/scan_merge.h"
#include "broker/store/redis/scripts.h"
#include "tests/store/plain_fleet.h"
#include "tests/store/redis_server.h"

enum { TIMEOUT_MS = 400, TURNS_MAX = 400, SEGMENT = 40, RECORDS = 60, ROWS_MAX = 8192 };

/* --- the merge --- */

enum { STREAMS = 50, EVENTS = 3000 };

static void
a_merge_gives_every_event_once_in_order(void **state)
{
	uint64_t random = seed_pick("merge"), seqs[STREAMS][EVENTS], wanted = 0;
	size_t n[STREAMS] = {0}, put[STREAMS] = {0}, given = 0;
	struct merge m;

	(void)state;
	for (uint64_t seq = 1; seq <= EVENTS; seq++) {
		unsigned i = (unsigned)(random_next(&random) % (STREAMS - 1)); /* the last has none */

		seqs[i][n[i]++] = seq * 3;
	}
	merge_init(&m, STREAMS);
	for (unsigned i = 0; i < STREAMS; i++)
		merge_open(&m, i, 0);
	while (given < EVENTS) {
		uint64_t seq, after;
		struct view bytes;
		unsigned i;

		while (merge_want(&m, &i, &after)) {
			size_t page = 1 + random_next(&random) % 5;

			assert_int_equal(after, put[i] == 0 ? 0 : seqs[i][put[i] - 1]);
			for (; page > 0 && put[i] < n[i]; page--, put[i]++)
				assert_int_equal(merge_put(&m, i, seqs[i][put[i]], view_of(&seqs[i][put[i]], put[i] % 8)), CS_OK);
			/* A page that is full is not known to be the last. */
			assert_int_equal(merge_fed(&m, i, page == 0 && put[i] < n[i]), CS_OK);
			wanted++;
		}
		assert_true(merge_ready(&m));
		while (merge_next(&m, &seq, &bytes)) {
			assert_int_equal(seq, ++given * 3);
			assert_true(bytes.len < 8);
		}
	}
	assert_true(merge_ready(&m) && wanted > STREAMS);
	merge_clear(&m);
}

static void
a_merge_refuses_streams_out_of_order(void **state)
{
	struct merge m;
	uint64_t after;
	unsigned i;

	(void)state;
	merge_init(&m, 2);
	merge_open(&m, 1, 10);
	assert_true(merge_want(&m, &i, &after));
	assert_false(merge_want(&m, &i, &after));
	assert_int_equal(merge_put(&m, 1, 10, VIEW("")), CS_ERR_CORRUPT);
	assert_int_equal(merge_put(&m, 1, 12, VIEW("")), CS_OK);
	assert_int_equal(merge_put(&m, 1, 11, VIEW("")), CS_ERR_CORRUPT);
	merge_clear(&m);
	merge_init(&m, 1);
	merge_open(&m, 0, 0);
	assert_true(merge_want(&m, &i, &after));
	assert_int_equal(merge_fed(&m, 0, true), CS_ERR_CORRUPT);
	merge_clear(&m);
}

/* --- over a server --- */

static struct redis_server server;
static struct layout layout;

struct event_known {
	uint64_t seq, revision;
	unsigned record;
};

struct fixture {
	struct fleet *fleet;
	struct scans *scans;
	int64_t now_ms;
	const char *open;
	uint32_t turn;
	unsigned doubts;
	int closed;
	int script, count;
	enum plain_fate what;
	uint64_t random;
	uint64_t revisions[RECORDS], last[RECORDS], in_bucket[LAYOUT_BUCKETS], segment[LAYOUT_BUCKETS];
	struct event_known rows[ROWS_MAX];
	size_t rows_n;
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

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct scans_options options;
	struct layout_key k;

	f->fleet = plain_fleet_new(server.socket, "first");
	f->open = "first";
	f->closed = f->script = -2;
	f->now_ms = 1000;
	options = (struct scans_options){f->fleet, &layout, {open_of, turn_of, doubt_of, f}, TIMEOUT_MS};
	f->scans = scans_new(&options);
	scans_tick(f->scans, f->now_ms);
	freeReplyObject(PLAIN_NOW(f->fleet, VIEW("FLUSHALL")));
	for (unsigned b = 0; b < LAYOUT_BUCKETS; b++)
		freeReplyObject(PLAIN_NOW(f->fleet, VIEW("HSET"), layout_key(&layout, b, LAYOUT_HEAD, NULL, 0, &k), VIEW("t"),
		    view_str(f->open), VIEW("w:m"), VIEW("0")));
	plain_fleet_fate(f->fleet, fate_of, f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	scans_stop(f->scans);
	fleet_free(f->fleet);
	scans_free(f->scans);
	free(f);
	return 0;
}

/* Some records share a bucket. */
static struct store_key
record_key(unsigned record)
{
	struct store_key key = key_of(record);

	if (record % 3 == 0)
		key.b[0] = key.b[1] = 7;
	return key;
}

static struct view
key_of_bucket(unsigned bucket, enum layout_kind kind, struct layout_key *k)
{
	return layout_key(&layout, bucket, kind, NULL, 0, k);
}

/* One event as a commit leaves it, with small segments; size: of its extra. */
static void
write_event(struct fixture *f, unsigned record, uint64_t seq, size_t size)
{
	static char big[STORE_EXTRA_MAX];
	struct store_key key = record_key(record);
	unsigned bucket = layout_bucket(&key);
	struct store_event event = {VIEW("event"), view_of(big, size)};
	uint8_t value[LAYOUT_EVENT_MAX], header[LAYOUT_HEADER_BYTES] = {0};
	struct buf b = buf_over(value, sizeof(value));
	struct layout_key k;
	char id[24], segment[24];

	if (f->in_bucket[bucket]++ % SEGMENT == 0) {
		snprintf(segment, sizeof(segment), "%llu", (unsigned long long)++f->segment[bucket]);
		snprintf(id, sizeof(id), "%llu", (unsigned long long)seq);
		freeReplyObject(PLAIN_NOW(f->fleet, VIEW("ZADD"), key_of_bucket(bucket, LAYOUT_SEGMENTS, &k), view_str(id), view_str(segment)));
	}
	layout_put_be(header, f->last[record]);
	buf_put(&b, header, 8);
	layout_put_event(&b, &key, ++f->revisions[record], &event);
	assert_false(b.full);
	snprintf(id, sizeof(id), "%llu-0", (unsigned long long)seq);
	freeReplyObject(PLAIN_NOW(f->fleet, VIEW("XADD"), layout_log(&layout, bucket, f->segment[bucket], &k), view_str(id), VIEW("e"),
	    view_of(value, b.len)));
	layout_put_be(header, f->revisions[record]);
	layout_put_be(header + 16, seq);
	freeReplyObject(PLAIN_NOW(f->fleet, VIEW("SET"), layout_key_of(&layout, LAYOUT_RECORD, &key, &k), view_of(header, sizeof(header))));
	snprintf(id, sizeof(id), "%llu", (unsigned long long)seq);
	freeReplyObject(PLAIN_NOW(f->fleet, VIEW("HSET"), key_of_bucket(bucket, LAYOUT_HEAD, &k), VIEW("l"), view_str(id)));
	f->last[record] = seq;
	assert_true(f->rows_n < ROWS_MAX);
	f->rows[f->rows_n++] = (struct event_known){seq, f->revisions[record], record};
}

static void
write_many(struct fixture *f, size_t n, size_t size)
{
	uint64_t seq = f->rows_n == 0 ? 1000 : f->rows[f->rows_n - 1].seq;

	for (size_t i = 0; i < n; i++) {
		seq += 1 + random_next(&f->random) % 100;
		/* Half of all are of one record. */
		write_event(f, random_next(&f->random) % 2 == 0 ? 3 : (unsigned)(random_next(&f->random) % RECORDS), seq, size);
	}
}

static uint64_t
server_units(struct fixture *f)
{
	redisReply *r = PLAIN_NOW(f->fleet, VIEW("TIME"));
	uint64_t units = layout_units_at(strtoll(r->element[0]->str, NULL, 10) * 1000000 + strtoll(r->element[1]->str, NULL, 10));

	freeReplyObject(r);
	return units;
}

struct got {
	struct fixture *f;
	int calls;
	enum cs_err err;
	uint64_t next;
	size_t n, stop_at;
	struct event_known rows[SCANS_ROWS_MAX];
};

static bool
on_row(void *ctx, const struct store_row *row)
{
	struct got *g = ctx;

	g->rows[g->n] = (struct event_known){row->seq, row->revision, RECORDS};
	for (unsigned i = 0; i < RECORDS; i++) {
		struct store_key key = record_key(i);

		if (memcmp(key.b, row->key.b, sizeof(key.b)) == 0)
			g->rows[g->n].record = i;
	}
	assert_view(row->event, VIEW("event"));
	return ++g->n != g->stop_at;
}

static void
on_end(void *ctx, enum cs_err err, uint64_t next)
{
	struct got *g = ctx;

	g->calls++;
	g->err = err;
	g->next = next;
}

static void
turn(struct fixture *f)
{
	fleet_flush(f->fleet);
	f->now_ms += 5;
	scans_tick(f->scans, f->now_ms);
}

static void
scan_now(struct fixture *f, struct got *g, struct store_scan scan)
{
	g->calls = 0;
	g->n = 0;
	scans_start(f->scans, &scan, on_row, on_end, g);
	for (int i = 0; i < TURNS_MAX && g->calls == 0; i++)
		turn(f);
	assert_int_equal(g->calls, 1);
	for (size_t i = 1; i < g->n; i++)
		assert_true(scan.back ? g->rows[i].seq < g->rows[i - 1].seq : g->rows[i].seq > g->rows[i - 1].seq);
}

static void
assert_row(const struct event_known *got, const struct event_known *want)
{
	assert_int_equal(got->seq, want->seq);
	assert_int_equal(got->revision, want->revision);
	assert_int_equal(got->record, want->record);
}

static void
all_pages_together_are_the_log(void **state)
{
	static const uint64_t limits[] = {1, 7, 100, 4096};
	struct fixture *f = *state;
	struct got *g = calloc(1, sizeof(*g));
	struct scans_view before, after;

	f->random = seed_pick("all pages");
	scan_now(f, g, (struct store_scan){.limit = 10});
	assert_int_equal(g->err, CS_OK);
	assert_int_equal(g->n, 0);
	assert_int_equal(g->next, 0);
	write_many(f, 1500, 0);
	f->now_ms += SCANS_HEADS_MS;
	for (size_t l = 0; l < sizeof(limits) / sizeof(limits[0]); l++) {
		size_t seen = 0;
		uint64_t from;

		scans_view(f->scans, &before);
		g->next = 0;
		do {
			from = g->next;
			scan_now(f, g, (struct store_scan){.after = from, .limit = limits[l]});
			assert_int_equal(g->err, CS_OK);
			assert_true(g->n <= limits[l]);
			for (size_t i = 0; i < g->n; i++)
				assert_row(&g->rows[i], &f->rows[seen++]);
			assert_int_equal(g->next, seen == 0 ? 0 : f->rows[seen - 1].seq);
		} while (g->next != from);
		assert_int_equal(seen, f->rows_n);
		/* What one scan read and did not give, the next begins with. */
		scans_view(f->scans, &after);
		assert_true(after.pages - before.pages < 1500);
	}
	free(g);
}

static void
a_scan_begins_anywhere_and_stops_where_it_is_told(void **state)
{
	struct fixture *f = *state;
	struct got *g = calloc(1, sizeof(*g));

	f->random = seed_pick("anywhere");
	write_many(f, 600, 100);
	for (int i = 0; i < 30; i++) {
		size_t at = random_next(&f->random) % 590, n = 1 + random_next(&f->random) % 10;

		g->stop_at = i % 3 == 0 ? n : 0;
		scan_now(f, g, (struct store_scan){.after = f->rows[at].seq + i % 2, .limit = i % 3 == 0 ? 500 : n});
		assert_int_equal(g->err, CS_OK);
		/* One number on may be the next event's own. */
		if (f->rows[at + 1].seq == f->rows[at].seq + i % 2)
			at++;
		assert_int_equal(g->n, n < f->rows_n - at - 1 ? n : f->rows_n - at - 1);
		for (size_t j = 0; j < g->n; j++)
			assert_row(&g->rows[j], &f->rows[at + 1 + j]);
	}
	g->stop_at = 0;
	scan_now(f, g, (struct store_scan){.after = UINT64_MAX / 2, .limit = 5});
	assert_int_equal(g->err, CS_OK);
	assert_int_equal(g->n, 0);
	assert_int_equal(g->next, UINT64_MAX / 2);
	free(g);
}

static void
one_record_s_events_come_in_order_and_back(void **state)
{
	static const unsigned of[] = {3, 0, 5, 59};
	struct fixture *f = *state;
	struct got *g = calloc(1, sizeof(*g));

	f->random = seed_pick("one record");
	write_many(f, 2500, 0);
	for (size_t r = 0; r < 4; r++) {
		struct store_key key = record_key(of[r]);
		struct event_known *own[ROWS_MAX];
		size_t n = 0, seen;

		for (size_t i = 0; i < f->rows_n; i++) {
			if (f->rows[i].record == of[r])
				own[n++] = &f->rows[i];
		}
		for (uint64_t limit = 1000, back = 0; back < 2; limit = 37, back++) {
			uint64_t from;

			seen = 0;
			g->next = 0;
			do {
				from = g->next;
				scan_now(f, g, (struct store_scan){.after = from, .limit = limit, .key = &key});
				assert_int_equal(g->err, CS_OK);
				for (size_t i = 0; i < g->n; i++)
					assert_row(&g->rows[i], own[seen++]);
			} while (g->next != from);
			assert_int_equal(seen, n);
			do {
				scan_now(f, g, (struct store_scan){.after = from == g->next ? 0 : g->next, .limit = limit, .key = &key, .back = true});
				from = UINT64_MAX;
				assert_int_equal(g->err, CS_OK);
				assert_true(g->n > 0);
				for (size_t i = 0; i < g->n; i++)
					assert_row(&g->rows[i], own[--seen]);
				assert_int_equal(g->next, seen == 0 ? 0 : own[seen]->seq);
			} while (g->next != 0);
			assert_int_equal(seen, 0);
		}
		/* From a number that is none of its own. */
		scan_now(f, g, (struct store_scan){.after = own[0]->seq + 1, .limit = 3, .key = &key, .back = true});
		assert_int_equal(g->err, CS_OK);
		assert_int_equal(g->n + g->next, 0);
	}
	/* Another's, in the same bucket. */
	scan_now(f, g, (struct store_scan){.after = f->last[6], .limit = 3, .key = &(struct store_key){.b = {7, 7}}, .back = true});
	assert_int_equal(g->err, CS_OK);
	assert_int_equal(g->n + g->next, 0);
	scan_now(f, g, (struct store_scan){.limit = 3, .key = &(struct store_key){.b = {7, 7}}});
	assert_int_equal(g->err, CS_OK);
	assert_int_equal(g->n + g->next, 0);
	free(g);
}

static void
large_events_are_read_in_small_pages(void **state)
{
	struct fixture *f = *state;
	struct got *g = calloc(1, sizeof(*g));
	struct store_key key = record_key(3);

	f->random = seed_pick("large");
	write_many(f, 300, STORE_EXTRA_MAX);
	scan_now(f, g, (struct store_scan){.limit = 4096});
	assert_int_equal(g->err, CS_OK);
	assert_int_equal(g->n, 300);
	scan_now(f, g, (struct store_scan){.limit = 4096, .key = &key});
	assert_int_equal(g->n, f->revisions[3]);
	scan_now(f, g, (struct store_scan){.limit = 4096, .key = &key, .back = true});
	assert_int_equal(g->n, f->revisions[3]);
	assert_int_equal(g->next, 0);
	free(g);
}

/* Above the clock that was read something may still come in below it. */
static void
nothing_above_the_clocks_is_told_but_an_own_commit_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct got *g = calloc(1, sizeof(*g));
	uint64_t now = server_units(f), far = layout_seq(now + 10 * 1000000 / LAYOUT_UNIT_US, 1);

	write_event(f, 1, layout_seq(now - 100, 1), 0);
	write_event(f, 2, far, 0);
	scan_now(f, g, (struct store_scan){.limit = 10});
	assert_int_equal(g->n, 1);
	assert_int_equal(g->next, f->rows[0].seq);
	/* A clock that is seconds behind is not waited for. */
	scans_touch(f->scans, far);
	scan_now(f, g, (struct store_scan){.limit = 10});
	assert_int_equal(g->err, CS_OK);
	assert_int_equal(g->n, 1);
	free(g);
}

static void
an_own_commit_just_ahead_of_the_clock_is_shown(void **state)
{
	struct fixture *f = *state;
	struct got *g = calloc(1, sizeof(*g));
	uint64_t near = layout_seq(server_units(f) + 3000 / LAYOUT_UNIT_US, 1);

	write_event(f, 1, near, 0);
	scans_touch(f->scans, near);
	scan_now(f, g, (struct store_scan){.limit = 10});
	assert_int_equal(g->n, 1);
	free(g);
}

static void
when_nothing_is_new_the_heads_are_not_read_again(void **state)
{
	struct fixture *f = *state;
	struct got *g = calloc(1, sizeof(*g));
	struct scans_view first, then;

	f->random = seed_pick("nothing new");
	write_many(f, 20, 0);
	scan_now(f, g, (struct store_scan){.limit = 100});
	assert_int_equal(g->n, 20);
	scans_view(f->scans, &first);
	for (int i = 0; i < 5; i++) {
		scan_now(f, g, (struct store_scan){.after = g->next, .limit = 100});
		assert_int_equal(g->n, 0);
	}
	scans_view(f->scans, &then);
	assert_int_equal(then.heads_reads, first.heads_reads);
	assert_int_equal(then.pages, first.pages);
	/* Others commit too. */
	write_many(f, 1, 0);
	f->now_ms += SCANS_HEADS_MS;
	scan_now(f, g, (struct store_scan){.after = g->next, .limit = 100});
	assert_int_equal(g->n, 1);
	/* And an own one is seen at once. */
	write_many(f, 1, 0);
	scans_view(f->scans, &then);
	scans_touch(f->scans, layout_seq(server_units(f), 0));
	scan_now(f, g, (struct store_scan){.after = g->next, .limit = 100});
	assert_int_equal(g->n, 1);
	free(g);
}

static void
a_bucket_that_is_not_open_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct got *g = calloc(1, sizeof(*g));
	struct store_key key = record_key(3);
	struct layout_key k;

	f->random = seed_pick("not open");
	write_many(f, 100, 0);
	f->closed = 1000; /* nothing in it, as far as one knows */
	scan_now(f, g, (struct store_scan){.limit = 200});
	assert_int_equal(g->err, CS_ERR_UNAVAILABLE);
	assert_int_equal(g->n, 0);
	f->closed = (int)layout_bucket(&key);
	scan_now(f, g, (struct store_scan){.limit = 200, .key = &key});
	assert_int_equal(g->err, CS_ERR_UNAVAILABLE);
	scan_now(f, g, (struct store_scan){.limit = 200, .key = &key, .back = true});
	assert_int_equal(g->err, CS_ERR_UNAVAILABLE);
	/* It opens while one waits. */
	g->calls = 0;
	scans_start(f->scans, &(struct store_scan){.limit = 200}, on_row, on_end, g);
	for (int i = 0; i < 20; i++)
		turn(f);
	assert_int_equal(g->calls, 0);
	f->closed = -1;
	for (int i = 0; i < 20; i++)
		turn(f);
	assert_int_equal(g->calls, 1);
	assert_int_equal(g->n, 100);
	/* Opened under another tenure than that of the master that answers: not asked. */
	freeReplyObject(PLAIN_NOW(f->fleet, VIEW("HSET"), key_of_bucket(1000, LAYOUT_HEAD, &k), VIEW("t"), VIEW("older")));
	f->now_ms += SCANS_HEADS_MS;
	scan_now(f, g, (struct store_scan){.after = 1, .limit = 200});
	assert_int_equal(g->n, 100); /* from the heads that are known */
	scan_now(f, g, (struct store_scan){.after = g->next, .limit = 200});
	assert_int_equal(g->err, CS_ERR_UNAVAILABLE);
	assert_true(f->doubts > 0);
	free(g);
}

static void
pages_that_are_lost_are_asked_again(void **state)
{
	struct fixture *f = *state;
	struct got *g = calloc(1, sizeof(*g));
	struct store_key key = record_key(3);

	f->random = seed_pick("lost pages");
	write_many(f, 100, 0);
	for (int script = -1; script < SCRIPT__COUNT; script++) {
		f->script = script;
		f->what = FATE_UNHEARD;
		f->count = 3;
		scan_now(f, g, (struct store_scan){.limit = 200});
		assert_int_equal(g->err, CS_OK);
		assert_int_equal(g->n, 100);
		scan_now(f, g, (struct store_scan){.limit = 200, .key = &key});
		assert_int_equal(g->n, f->revisions[3]);
		scan_now(f, g, (struct store_scan){.limit = 200, .key = &key, .back = true});
		assert_int_equal(g->n, f->revisions[3]);
		f->now_ms += SCANS_HEADS_MS;
	}
	free(g);
}

static void
damage_is_told_and_what_lies_before_it_given(void **state)
{
	struct fixture *f = *state;
	struct got *g = calloc(1, sizeof(*g));
	struct store_key key = record_key(1);
	struct layout_key k;

	write_event(f, 1, 1000, 0);
	write_event(f, 2, 2000, 0);
	freeReplyObject(PLAIN_NOW(f->fleet, VIEW("XADD"), layout_log(&layout, layout_bucket(&key), 1, &k), VIEW("3000-0"), VIEW("e"),
	    VIEW("1234567890123456789012345678901234567890")));
	freeReplyObject(PLAIN_NOW(f->fleet, VIEW("HSET"), key_of_bucket(layout_bucket(&key), LAYOUT_HEAD, &k), VIEW("l"), VIEW("3000")));
	scan_now(f, g, (struct store_scan){.limit = 10});
	assert_int_equal(g->err, CS_OK);
	assert_int_equal(g->n, 2);
	assert_int_equal(g->next, 2000);
	scan_now(f, g, (struct store_scan){.after = g->next, .limit = 10});
	assert_int_equal(g->err, CS_ERR_CORRUPT);
	/* An event that is gone from the middle of a chain. */
	write_event(f, 2, 4000, 0);
	write_event(f, 2, 5000, 0);
	key = record_key(2);
	freeReplyObject(PLAIN_NOW(f->fleet, VIEW("XDEL"), layout_log(&layout, layout_bucket(&key), 1, &k), VIEW("4000-0")));
	scan_now(f, g, (struct store_scan){.limit = 10, .key = &key});
	assert_int_equal(g->err, CS_ERR_CORRUPT);
	scan_now(f, g, (struct store_scan){.limit = 10, .key = &key, .back = true});
	assert_int_equal(g->err, CS_OK);
	assert_int_equal(g->n, 1);
	assert_int_equal(g->next, 5000);
	scan_now(f, g, (struct store_scan){.after = g->next, .limit = 10, .key = &key, .back = true});
	assert_int_equal(g->err, CS_ERR_CORRUPT);
	free(g);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_merge_gives_every_event_once_in_order),
	    cmocka_unit_test(a_merge_refuses_streams_out_of_order),
	    TEST(all_pages_together_are_the_log),
	    TEST(a_scan_begins_anywhere_and_stops_where_it_is_told),
	    TEST(one_record_s_events_come_in_order_and_back),
	    TEST(large_events_are_read_in_small_pages),
	    TEST(nothing_above_the_clocks_is_told_but_an_own_commit_is_waited_for),
	    TEST(an_own_commit_just_ahead_of_the_clock_is_shown),
	    TEST(when_nothing_is_new_the_heads_are_not_read_again),
	    TEST(a_bucket_that_is_not_open_is_waited_for),
	    TEST(pages_that_are_lost_are_asked_again),
	    TEST(damage_is_told_and_what_lies_before_it_given),
	};
	int failed;

	if (!redis_server_there())
		return 77;
	log_init("test_scan", LOG_LEVEL_WARN);
	CHECK(layout_init(&layout, "test") == CS_OK);
	redis_server_start(&server, false);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	redis_server_stop(&server);
	return failed == 0 ? 0 : 1;
}
