/* SPDX-License-Identifier: Apache-2.0 */
/* See scan_merge.h. A page holds its events as number, length and bytes; a heap has the stream with the least head on top. */
#include "broker/store/redis/scan_merge.h"

#include <stdlib.h>

#include "broker/base/check.h"

enum { FRAME_BYTES = 12 };

void
merge_init(struct merge *m, unsigned streams)
{
	*m = (struct merge){.n = streams};
	m->streams = calloc(streams, sizeof(m->streams[0]));
	m->heap = calloc(streams, sizeof(m->heap[0]));
	CHECK(m->streams != NULL && m->heap != NULL);
}

void
merge_clear(struct merge *m)
{
	for (unsigned i = 0; i < m->n; i++)
		bytes_clear(&m->streams[i].page);
	free(m->streams);
	free(m->heap);
	*m = (struct merge){0};
}

void
merge_open(struct merge *m, unsigned i, uint64_t after)
{
	struct merge_stream *s = &m->streams[i];

	CHECK(i < m->n && !s->open);
	s->open = s->more = true;
	s->last = after;
	bytes_init(&s->page, SIZE_MAX / 2);
	m->hungry++;
	m->look = 0;
}

bool
merge_want(struct merge *m, unsigned *i, uint64_t *after)
{
	for (; m->hungry > 0 && m->look < m->n; m->look++) {
		struct merge_stream *s = &m->streams[m->look];

		if (s->open && s->more && !s->asked && s->page.buf.len == 0) {
			s->asked = true;
			*i = m->look++;
			*after = s->last;
			return true;
		}
	}
	return false;
}

enum cs_err
merge_put(struct merge *m, unsigned i, uint64_t seq, struct view bytes)
{
	struct merge_stream *s = &m->streams[i];

	CHECK(s->open && s->asked);
	if (seq <= s->last || bytes.len > UINT32_MAX)
		return CS_ERR_CORRUPT;
	s->last = seq;
	buf_put_u64(&s->page.buf, seq);
	buf_put_u32(&s->page.buf, (uint32_t)bytes.len);
	buf_put_view(&s->page.buf, bytes);
	CHECK(!s->page.buf.full);
	return CS_OK;
}

static void
heap_swap(struct merge *m, unsigned a, unsigned b)
{
	unsigned x = m->heap[a];

	m->heap[a] = m->heap[b];
	m->heap[b] = x;
}

static bool
less(const struct merge *m, unsigned a, unsigned b)
{
	return m->streams[m->heap[a]].head < m->streams[m->heap[b]].head;
}

static void
heap_add(struct merge *m, unsigned stream)
{
	unsigned at = m->heap_n++;

	m->heap[at] = stream;
	for (; at > 0 && less(m, at, (at - 1) / 2); at = (at - 1) / 2)
		heap_swap(m, at, (at - 1) / 2);
}

static void
heap_sink(struct merge *m)
{
	unsigned at = 0;

	for (;;) {
		unsigned child = 2 * at + 1;

		if (child >= m->heap_n)
			return;
		if (child + 1 < m->heap_n && less(m, child + 1, child))
			child++;
		if (!less(m, child, at))
			return;
		heap_swap(m, at, child);
		at = child;
	}
}

/* Reads the frame at `from`; false at the page's end. */
static bool
head_read(struct merge_stream *s, size_t from)
{
	struct cursor c = cursor_over(s->page.buf.data + from, s->page.buf.len - from);

	if (cursor_left(&c) == 0)
		return false;
	s->head = cursor_u64(&c);
	CHECK(!c.bad);
	s->at = from + 8;
	return true;
}

static struct view
head_bytes(const struct merge_stream *s)
{
	struct cursor c = cursor_over(s->page.buf.data + s->at, s->page.buf.len - s->at);
	uint32_t len = cursor_u32(&c);

	CHECK(!c.bad && len <= cursor_left(&c));
	return view_of(c.at, len);
}

enum cs_err
merge_fed(struct merge *m, unsigned i, bool more)
{
	struct merge_stream *s = &m->streams[i];

	CHECK(s->open && s->asked);
	s->asked = false;
	m->hungry--;
	s->more = more;
	if (head_read(s, 0)) {
		heap_add(m, i);
		return CS_OK;
	}
	s->open = false;
	bytes_clear(&s->page);
	return more ? CS_ERR_CORRUPT : CS_OK;
}

/* Moves the stream on top beyond the head that was given. */
static void
advance(struct merge *m)
{
	struct merge_stream *s = &m->streams[m->heap[0]];

	if (head_read(s, s->at + FRAME_BYTES - 8 + head_bytes(s).len)) {
		heap_sink(m);
		return;
	}
	m->heap[0] = m->heap[--m->heap_n];
	heap_sink(m);
	bytes_clear(&s->page);
	if (s->more) {
		bytes_init(&s->page, SIZE_MAX / 2);
		m->hungry++;
		m->look = 0;
	} else {
		s->open = false;
	}
}

bool
merge_next(struct merge *m, uint64_t *seq, struct view *bytes)
{
	struct merge_stream *s;

	/* The one that was given last is passed only now: its bytes lived until this call. */
	if (m->given)
		advance(m);
	m->given = false;
	if (m->hungry > 0 || m->heap_n == 0)
		return false;
	s = &m->streams[m->heap[0]];
	*seq = s->head;
	*bytes = head_bytes(s);
	m->given = true;
	return true;
}
