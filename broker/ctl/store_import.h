/* SPDX-License-Identifier: Apache-2.0 */
/* A SQLite file's way into Redis: what the copy and its verification share. */
#ifndef CS_CTL_STORE_IMPORT_H
#define CS_CTL_STORE_IMPORT_H

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

/* store_import.c: says why, and gives the exit code. */
int moving_fail(struct moving *m, enum cs_err err);
/* Whether to ask again what Redis did not do for certain: waits a moment. *until: 0 before the first time. */
bool moving_again(enum cs_err err, int64_t *until);
/* Marks of where each part is, which stand in Redis. */
int moving_mark(struct moving *m, const char *name, const char *text);
int moving_mark_number(struct moving *m, const char *name, uint64_t value);
int moving_marked_number(struct moving *m, const char *name, uint64_t *value, bool *there);

/* store_import_tables.c: snapshots, link keys and payments, as they are at that moment. */
int moving_tables(struct moving *m);
/* Of what had events since: the link keys and payments, once more. */
int moving_claims_again(struct moving *m);
int moving_payments_again(struct moving *m);

#endif
