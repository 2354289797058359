/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in a stream's `out` a reply stands that rests on a commit, or will stand that waits for an account. It may be
 * replaced there, by the answer of another try or by an error, while replies behind it stay what they are. A stream with
 * places sends nothing.
 */
#ifndef CS_ENGINE_PLACE_H
#define CS_ENGINE_PLACE_H

#include "broker/engine/call.h"

struct place {
	struct stream *stream;  /* NULL: the peer is gone */
	struct call *call;      /* that is asked again when the commit meets a conflict, or waits to be asked */
	size_t start, len;
	struct place *next, **at;
};

/* Of the bytes at the end of the stream's out, from start on. */
struct place *place_new(struct stream *s, size_t start, struct call *call);
/*
 * Whether a reply of so many bytes may stand there. All that waits may be answered at once, at length: then some hear Unavailable,
 * and for that there is always room.
 */
bool place_fits(const struct place *p, size_t len);
/* These bytes instead, which fit. */
void place_put(struct place *p, struct view reply);
/* The reply stands. Frees the place. */
void place_end(struct engine *e, struct place *p);
/* The stream is gone: its replies go nowhere; their calls look into `left` from now on. */
void places_gone(struct stream *s, struct stream_left *left);

#endif
