/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scans of the shared store, as store_scan() has them. What is given is durable: every read is fenced, and of a bucket that
 * is open, under the tenure that it was opened under. A bucket that is not open is waited for, and never passed over.
 *
 * All events: they lie in 1024 logs. First the clock of every owner is read, then the head of every bucket. A commit that
 * executes after that gets a number above the clock's, so up to the least of the clocks (the watermark) the heads tell all that
 * there will ever be; the logs that have something new are read in pages up to there, and merged. What is above is given by a later scan.
 * The heads are read once for all scans, again when they are SCANS_HEADS_MS old, or when an own commit is not below them.
 *
 * One record: along its own events, each of which says where the one before lies; newest first as they come, in order by
 * collecting their numbers first. Every script is bounded.
 */
#ifndef CS_STORE_REDIS_SCAN_H
#define CS_STORE_REDIS_SCAN_H

#include "broker/store/redis/gate.h"
#include "broker/store/redis/layout.h"

struct scans;

enum {
	SCANS_HEADS_MS = 200,          /* heads this old may still say that there is nothing new */
	SCANS_HEADS_EVERY_MS = 50,     /* they are read no more often */
	SCANS_AGAIN_MS = 20,           /* what could not be read is asked again after that */
	SCANS_ROWS_MAX = 4096,         /* one scan gives no more */
	SCANS_AHEAD_MS = 100,          /* an own commit so far above the watermark is waited for: a burst in one bucket runs ahead of the clock */
	SCANS_PAGES_BYTES = 4 << 20,   /* of all pages of a scan that are wanted at a time; each has one event at least */
	SCANS_PAGE_BYTES_MAX = 256 << 10,
	SCANS_WALK_STEPS = 1024,       /* numbers that one script collects: under 5 ms */
	SCANS_WALK_ROWS = 128,         /* events that one script reads along a record */
};

/* Everything is borrowed, for as long as the scans live. */
struct scans_options {
	struct fleet *fleet;
	const struct layout *layout;
	struct gate gate;
	int64_t timeout_ms;            /* without anything new for so long, a scan ends: CS_ERR_UNAVAILABLE */
};

struct scans *scans_new(const struct scans_options *o);
/* As claims_stop(), claims_free(). */
void scans_stop(struct scans *s);
void scans_free(struct scans *s);

/*
 * Rows and completion come inside fleet_flush(), fleet_tick(), scans_tick() or scans_stop(). Where some rows were given and
 * the rest cannot be had, it ends well, with `next` behind what was given.
 */
void scans_start(struct scans *s, const struct store_scan *scan, store_row_fn *row, store_scan_fn *done, void *ctx);
/* An own commit with this newest number was acknowledged: a scan that begins after this shows it. */
void scans_touch(struct scans *s, uint64_t seq);
/* A bucket was closed: what was read of it ahead of the scan that goes on may not be there any more. */
void scans_forget(struct scans *s);
/* Returns in how many ms it wants to be called again; INT64_MAX: not before something is asked. Time is taken from here only. */
int64_t scans_tick(struct scans *s, int64_t now_mono_ms);

/* Units of time that an own commit must not be before: where a server's clock was set back, it would be below what was scanned. */
uint64_t scans_floor(const struct scans *s);

struct scans_view {
	uint64_t watermark;            /* of the heads that were read last; 0: never */
	uint64_t heads_reads, pages;   /* asked since the start */
};
void scans_view(const struct scans *s, struct scans_view *out);

#endif
