/* SPDX-License-Identifier: Apache-2.0 */
/* Replies that wait for a commit, in a list of their stream. */
#include "broker/engine/place.h"

#include <stdlib.h>

#include "broker/base/check.h"

struct place *
place_new(struct stream *s, size_t start, struct call *call)
{
	struct place *p = malloc(sizeof(*p));

	CHECK(p != NULL && start <= s->out.buf.len);
	*p = (struct place){s, call, start, s->out.buf.len - start, s->places, &s->places};
	if (p->next != NULL)
		p->next->at = &p->next;
	s->places = p;
	s->unsettled++;
	return p;
}

bool
place_fits(const struct place *p, size_t len)
{
	return p->stream == NULL || len <= STREAM_SHORT || p->stream->out.buf.len - p->len + len <= STREAM_LONG_MAX;
}

void
place_put(struct place *p, struct view reply)
{
	struct buf *out;
	size_t tail;
	bool newer = true;

	if (p->stream == NULL)
		return;
	out = &p->stream->out.buf;
	tail = out->len - p->start - p->len;
	if (reply.len > p->len)
		CHECK(buf_room(out, reply.len - p->len) != NULL);
	memmove(out->data + p->start + reply.len, out->data + p->start + p->len, tail);
	if (reply.len > 0)
		memcpy(out->data + p->start, reply.data, reply.len);
	out->len = p->start + reply.len + tail;
	/* The newest is the first: of two that begin at the same byte, the newer one is behind. */
	for (struct place *o = p->stream->places; o != NULL; o = o->next) {
		newer = newer && o != p;
		if (o->start > p->start || (o->start == p->start && newer))
			o->start = o->start - p->len + reply.len;
	}
	p->len = reply.len;
}

void
place_end(struct engine *e, struct place *p)
{
	struct stream *s = p->stream;

	if (s != NULL) {
		*p->at = p->next;
		if (p->next != NULL)
			p->next->at = p->at;
		CHECK(s->unsettled > 0);
		s->unsettled--;
		/* What was read in this round is looked at when the round ends. */
		if (!s->listed)
			engine_ready(e, s);
	}
	free(p);
}

void
places_gone(struct stream *s, struct stream_left *left)
{
	for (struct place *p = s->places, *next; p != NULL; p = next) {
		next = p->next;
		p->stream = p->call->stream = NULL;
		p->call->left = left;
		left->calls++;
	}
	s->places = NULL;
	s->unsettled = 0;
}
