/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of a SQLite store's events, in memory of their own: for Redis, and for a comparison with it. */
#ifndef CS_CTL_STORE_EVENT_PAGE_H
#define CS_CTL_STORE_EVENT_PAGE_H

#include "broker/base/bytes.h"
#include "broker/store/redis/import.h"
#include "broker/store/sqlite_pages.h"

/* Copies the events of one page; *at is moved on. */
struct store_event_page {
	struct import_event *events;
	size_t n, cap;
	struct bytes bytes;
	size_t *offsets;         /* of event and extra, while the bytes grow */
};
void store_event_page_init(struct store_event_page *page);
void store_event_page_clear(struct store_event_page *page);
enum cs_err store_event_page_read(struct store_event_page *page, struct store_pages *pages, uint64_t *at, char why[256]);

#endif
