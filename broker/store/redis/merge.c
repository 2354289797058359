/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merging logs: of each bucket some events lie ready; the one with the least number goes next, and where a bucket has
 * none ready, all that run low are filled up at once.
 */
#include "broker/store/redis/merge.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/bytes.h"
#include "broker/base/check.h"

enum {
	PAGE = 64,              /* events of a bucket in one answer */
	LOW = PAGE / 2,         /* filled up with the others */
	MARGIN_US = 1000 * 1000,
	LANE_BYTES_MAX = (PAGE + LOW) * (LAYOUT_EVENT_MAX + 16),
};

struct lane {
	uint64_t *segments, *firsts;
	size_t segments_n, at;
	uint64_t after;          /* read up to here */
	bool done;               /* nothing more is to be read */
	struct bytes bytes;      /* number, value, ... */
	size_t taken, ready;     /* bytes given out; events that lie ready */
	uint64_t seq;            /* of the next one that is ready */
};

struct merging {
	struct tool *tool;
	uint64_t upto;
	struct lane *lanes;
	unsigned *heap;          /* lanes with something ready, least first */
	size_t heap_n;
	tool_event_fn *fn;
	void *ctx;
	bool more;
};

enum cs_err
merge_watermark(struct tool *t, uint64_t *upto, char why[TOOL_WHY_TEXT])
{
	int64_t least = INT64_MAX;

	for (unsigned b = 0; b < LAYOUT_BUCKETS; b++) {
		int64_t us = fleet_time_us(tool_fleet(t), b);

		if (us < 0) {
			(void)snprintf(why, TOOL_WHY_TEXT, "the clock of the owner of bucket %u is not known", b);
			return CS_ERR_UNAVAILABLE;
		}
		least = us < least ? us : least;
	}
	*upto = layout_seq_before(least - MARGIN_US);
	return CS_OK;
}

static void
segments_read(void *ctx, uint64_t b, const struct redisReply *value)
{
	struct merging *m = ctx;
	struct lane *l = &m->lanes[b];
	size_t n = tool_count(value) / 2;

	l->segments = calloc(n + 1, sizeof(l->segments[0]));
	l->firsts = calloc(n + 1, sizeof(l->firsts[0]));
	CHECK(l->segments != NULL && l->firsts != NULL);
	if (value->type != REDIS_REPLY_ARRAY)
		tool_wrong(m->tool, (unsigned)b, "no list of the parts of its log");
	for (size_t i = 0; i < n; i++) {
		int64_t segment = tool_number(tool_element(value, 2 * i)), first = tool_number(tool_element(value, 2 * i + 1));

		/* Where one could not be read all after it would be passed over. */
		if (segment <= 0 || first < 0)
			tool_wrong(m->tool, (unsigned)b, "a part of its log without a number");
		l->segments[i] = (uint64_t)segment;
		l->firsts[i] = (uint64_t)first;
	}
	l->segments_n = n;
	while (l->at + 1 < n && l->firsts[l->at + 1] <= l->after)
		l->at++;
	l->done = n == 0 || l->firsts[l->at] > m->upto;
}

static uint64_t
next_seq(const struct lane *l)
{
	return layout_get_be((const uint8_t *)l->bytes.buf.data + l->taken);
}

static void
events_read(void *ctx, uint64_t b, const struct redisReply *value)
{
	struct merging *m = ctx;
	struct lane *l = &m->lanes[b];
	size_t n = tool_count(value);

	if (value->type != REDIS_REPLY_ARRAY || n > PAGE) {
		tool_wrong(m->tool, (unsigned)b, "no page of events where one was asked for");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const struct redisReply *row = tool_element(value, i);
		struct view id = tool_bytes(tool_element(row, 0)), event = tool_bytes(tool_element(tool_element(row, 1), 1));
		uint8_t number[8];
		uint64_t seq = 0;

		for (size_t d = 0; d < id.len && id.data[d] >= '0' && id.data[d] <= '9'; d++)
			seq = seq * 10 + (uint64_t)(id.data[d] - '0');
		if (seq <= l->after || event.len > LAYOUT_EVENT_MAX) {
			tool_wrong(m->tool, (unsigned)b, "events that are not in their order, or larger than any");
			return;
		}
		layout_put_be(number, seq);
		buf_put(&l->bytes.buf, number, sizeof(number));
		buf_put_lv(&l->bytes.buf, event);
		l->after = seq;
		l->ready++;
	}
	CHECK(!l->bytes.buf.full);
	if (n < PAGE)
		l->at++;
	l->done = l->at == l->segments_n || l->firsts[l->at] > m->upto;
}

static void
fill_ask(struct merging *m, unsigned b)
{
	struct lane *l = &m->lanes[b];
	struct layout_key key;
	char after[32], upto[32], count[16];
	struct view argv[6] = {VIEW("XRANGE"), layout_log(tool_layout(m->tool), b, l->segments[l->at], &key), [4] = VIEW("COUNT")};

	(void)snprintf(after, sizeof(after), "(%llu", (unsigned long long)l->after);
	if (m->upto >= INT64_MAX)
		(void)snprintf(upto, sizeof(upto), "+");
	else
		(void)snprintf(upto, sizeof(upto), "%llu", (unsigned long long)m->upto);
	(void)snprintf(count, sizeof(count), "%d", PAGE);
	argv[2] = view_str(after);
	argv[3] = view_str(upto);
	argv[5] = view_str(count);
	tool_ask(m->tool, b, argv, 6, FLEET_READS, events_read, m, b);
}

/* --- the heap --- */

static bool
before(const struct merging *m, unsigned a, unsigned b)
{
	return m->lanes[a].seq < m->lanes[b].seq;
}

static void
sink(struct merging *m, size_t i)
{
	for (;;) {
		size_t least = i, left = 2 * i + 1;
		unsigned lane = m->heap[i];

		for (size_t k = left; k < left + 2 && k < m->heap_n; k++) {
			if (before(m, m->heap[k], m->heap[least]))
				least = k;
		}
		if (least == i)
			return;
		m->heap[i] = m->heap[least];
		m->heap[least] = lane;
		i = least;
	}
}

/* Every lane that has something; false: one that should have has nothing, and is to be filled first. */
static bool
heap_make(struct merging *m)
{
	m->heap_n = 0;
	for (unsigned b = 0; b < LAYOUT_BUCKETS; b++) {
		struct lane *l = &m->lanes[b];

		if (l->ready == 0 && !l->done)
			return false;
		if (l->ready == 0)
			continue;
		l->seq = next_seq(l);
		m->heap[m->heap_n++] = b;
	}
	for (size_t i = m->heap_n; i-- > 0;)
		sink(m, i);
	return true;
}

static enum cs_err
fill(struct merging *m, char why[TOOL_WHY_TEXT])
{
	enum cs_err err = CS_OK;

	do {
		for (unsigned b = 0; b < LAYOUT_BUCKETS; b++) {
			struct lane *l = &m->lanes[b];

			if (l->done || l->ready > LOW)
				continue;
			bytes_consume(&l->bytes, l->taken);
			l->taken = 0;
			fill_ask(m, b);
		}
		err = tool_wait(m->tool, why);
	} while (err == CS_OK && !heap_make(m));
	return err;
}

static void
give(struct merging *m, unsigned b)
{
	struct lane *l = &m->lanes[b];
	struct cursor c = cursor_over((const uint8_t *)l->bytes.buf.data + l->taken, l->bytes.buf.len - l->taken);
	uint64_t seq = cursor_u64(&c);
	struct view value = cursor_lv(&c, LAYOUT_EVENT_MAX);
	struct layout_event ev;

	seq = l->seq;
	l->taken = l->bytes.buf.len - cursor_left(&c);
	l->ready--;
	m->more = m->fn(m->ctx, b, seq, layout_get_event(value, &ev) == CS_OK ? &ev : NULL);
}

/* Until a lane that has more to come is empty. */
static bool
drain(struct merging *m)
{
	while (m->heap_n > 0 && m->more) {
		unsigned b = m->heap[0];
		struct lane *l = &m->lanes[b];

		give(m, b);
		if (l->ready == 0 && !l->done)
			return true;
		if (l->ready == 0)
			m->heap[0] = m->heap[--m->heap_n];
		else
			l->seq = next_seq(l);
		sink(m, 0);
	}
	return false;
}

enum cs_err
merge_log(struct tool *t, uint64_t after, uint64_t upto, tool_event_fn *fn, void *ctx, char why[TOOL_WHY_TEXT])
{
	struct merging m = {.tool = t, .upto = upto, .fn = fn, .ctx = ctx, .more = true};
	enum cs_err err;

	m.lanes = calloc(LAYOUT_BUCKETS, sizeof(m.lanes[0]));
	m.heap = calloc(LAYOUT_BUCKETS, sizeof(m.heap[0]));
	CHECK(m.lanes != NULL && m.heap != NULL);
	for (unsigned b = 0; b < LAYOUT_BUCKETS; b++) {
		struct layout_key key;
		struct view argv[5] = {VIEW("ZRANGE"), layout_key(tool_layout(t), b, LAYOUT_SEGMENTS, NULL, 0, &key), VIEW("0"), VIEW("-1"),
			VIEW("WITHSCORES")};

		m.lanes[b].after = after;
		bytes_init(&m.lanes[b].bytes, LANE_BYTES_MAX);
		tool_ask(t, b, argv, 5, FLEET_READS, segments_read, &m, b);
	}
	err = tool_wait(t, why);
	if (err == CS_OK && !heap_make(&m))
		err = fill(&m, why);
	while (err == CS_OK && drain(&m))
		err = fill(&m, why);
	for (unsigned b = 0; b < LAYOUT_BUCKETS; b++) {
		free(m.lanes[b].segments);
		free(m.lanes[b].firsts);
		bytes_clear(&m.lanes[b].bytes);
	}
	free(m.lanes);
	free(m.heap);
	return err;
}
