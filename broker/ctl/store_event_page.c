/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of a SQLite store's events, in memory of their own. */
#include "broker/ctl/store_event_page.h"

#include <stdlib.h>

#include "broker/base/check.h"

enum {
	FIRST_EVENTS = 1024,
	PAGE_BYTES_MAX = 16 << 20,
};

void
store_event_page_init(struct store_event_page *page)
{
	*page = (struct store_event_page){.n = 0};
	bytes_init(&page->bytes, PAGE_BYTES_MAX);
}

void
store_event_page_clear(struct store_event_page *page)
{
	free(page->events);
	free(page->offsets);
	bytes_clear(&page->bytes);
}

static bool
event_keep(void *ctx, uint64_t seq, const struct record_frame *frame)
{
	struct store_event_page *page = ctx;

	if (page->bytes.buf.len + frame->event.len + frame->extra.len > PAGE_BYTES_MAX)
		return false;
	if (page->n == page->cap) {
		page->cap = page->cap == 0 ? FIRST_EVENTS : page->cap * 2;
		page->events = realloc(page->events, page->cap * sizeof(page->events[0]));
		page->offsets = realloc(page->offsets, page->cap * sizeof(page->offsets[0]));
		CHECK(page->events != NULL && page->offsets != NULL);
	}
	page->offsets[page->n] = page->bytes.buf.len;
	buf_put_view(&page->bytes.buf, frame->event);
	buf_put_view(&page->bytes.buf, frame->extra);
	page->events[page->n++] = (struct import_event){.seq = seq, .key = frame->key, .revision = frame->revision,
	    .back = frame->back == 0 ? 0 : seq - frame->back, .event = view_of(NULL, frame->event.len),
	    .extra = view_of(NULL, frame->extra.len)};
	return true;
}

enum cs_err
store_event_page_read(struct store_event_page *page, struct store_pages *pages, uint64_t *at, char why[256])
{
	enum cs_err err;

	page->n = 0;
	page->bytes.buf.len = 0;
	err = store_pages_events(pages, at, event_keep, page, why);
	CHECK(!page->bytes.buf.full);
	for (size_t i = 0; i < page->n; i++) {
		const char *from = (const char *)page->bytes.buf.data + page->offsets[i];

		page->events[i].event.data = from;
		page->events[i].extra.data = from + page->events[i].event.len;
	}
	return err;
}
