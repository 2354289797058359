/* SPDX-License-Identifier: Apache-2.0 */
/* A SQLite file's way into Redis: what the copy and its verification share. */
#ifndef CS_CTL_STORE_IMPORT_H
#define CS_CTL_STORE_IMPORT_H

#include "broker/base/bytes.h"
#include "broker/ctl/key_table.h"
#include "broker/ctl/store.h"
#include "broker/store/redis/import.h"
#include "broker/store/sqlite_pages.h"

typedef void store_event_seen_fn(void *ctx, uint64_t seq);

struct moving {
	struct ctl *ctl;
	struct bar bar;
	const char *path;
	struct store_pages *pages;
	int lock;                /* -1: a broker has the file */
	unsigned gone;           /* looks in a row that found none */
	struct tool *tool;
	struct import *import;
	uint64_t folded;         /* before the snapshots were read, all up to here stood in them */
	uint64_t since;          /* link keys and payments were read after this event */
	struct key_table touched;/* records with events since then */
	uint64_t records, claims, payments, events;
	/* From Redis: the file has numbers of its own. */
	bool renumbered;
	store_event_seen_fn *seen; /* of every event in Redis while both sides are compared; NULL: nobody asks */
	void *seen_ctx;
	char why[TOOL_WHY_TEXT];
};

/* Compares both sides, nobody writing to either; CTL_REFUSED where they differ, and says where. *head: over all events. */
int store_import_verify(struct moving *m, char head[65]);

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
