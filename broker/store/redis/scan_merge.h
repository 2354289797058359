/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many streams of events, each in order and read in pages, as one stream in order. A value without I/O: it says which
 * streams want their next page, and gives events as long as none does. Memory: what is in the pages that were put and
 * not yet given.
 */
#ifndef CS_STORE_REDIS_SCAN_MERGE_H
#define CS_STORE_REDIS_SCAN_MERGE_H

#include "broker/base/bytes.h"
#include "broker/base/err.h"

struct merge_stream {
	uint64_t last;       /* number of the newest event that was put, or what the stream begins after */
	uint64_t head;       /* number of the event at `at` */
	bool open, more;     /* more: the page was cut, there is another */
	bool asked;          /* its page is under way */
	struct bytes page;
	size_t at;           /* in the page, behind the number of the head */
};

struct merge {
	struct merge_stream *streams;
	unsigned n;
	unsigned hungry;     /* streams that want a page, asked or not */
	unsigned *heap;      /* streams with a head, the least first */
	unsigned heap_n;
	unsigned look;       /* where the search for a hungry one goes on */
	bool given;          /* the head on top was given */
};

void merge_init(struct merge *m, unsigned streams);
void merge_clear(struct merge *m);
/* Stream i has events after `after`; wants its first page. */
void merge_open(struct merge *m, unsigned i, uint64_t after);
/* The next stream whose page is to be asked, after that number; each is told once. */
bool merge_want(struct merge *m, unsigned *i, uint64_t *after);
/* One event of the page; CS_ERR_CORRUPT where it is not after the one before. */
enum cs_err merge_put(struct merge *m, unsigned i, uint64_t seq, struct view bytes);
/* The page is whole. more: it was cut. CS_ERR_CORRUPT: it was cut without giving anything. */
enum cs_err merge_fed(struct merge *m, unsigned i, bool more);
/* Nothing wants a page: what merge_next() gives is the next of all. */
static inline bool
merge_ready(const struct merge *m)
{
	return m->hungry == 0;
}
/* The next event; the view lives until the next call. False: there is none, or a page is wanted first. */
bool merge_next(struct merge *m, uint64_t *seq, struct view *bytes);

#endif
