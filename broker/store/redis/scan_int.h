/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the scans share. */
#ifndef CS_STORE_REDIS_SCAN_INT_H
#define CS_STORE_REDIS_SCAN_INT_H

#include "broker/store/redis/fleet.h"
#include "broker/store/redis/scan.h"
#include "broker/store/redis/scan_merge.h"

enum scan_state {
	SCAN_DUE,     /* at `again_ms` */
	SCAN_ASKED,   /* the fleet has questions of it */
	SCAN_HEADS,   /* waits for heads that are read from now on */
};

struct scan_job {
	struct scans *s;
	struct scan_job *older, *newer;
	enum scan_state state;
	struct store_key key;
	bool one, back;
	bool stopped;              /* the caller wants no more */
	uint64_t after, next, left, given;
	int64_t until_ms, again_ms;
	unsigned asked;            /* answers that are awaited */
	enum cs_err err;           /* of one of them */
	store_row_fn *row;
	store_scan_fn *done;
	void *ctx;

	/* All. */
	bool merging;
	struct merge merge;
	unsigned streams;          /* in it, at its beginning */
	uint64_t upto;             /* everything up to there was given, or is in the merge */
	uint64_t want;             /* an own commit that must not be missed */
	uint64_t round;            /* heads up to this reading were begun before the scan */
	unsigned ahead;            /* times that it waited for `want` */

	/* One. */
	struct gate_pass pass;     /* to its bucket */
	uint64_t at;               /* number to go on with; 0: the newest */
	bool walked;               /* numbers are collected. Back: the row that the caller named is passed */
	uint64_t *ring;            /* the oldest `ring_cap` numbers that were met; newest first */
	size_t ring_cap, ring_n, ring_given;
};

struct heads_owner {
	struct gate_pass pass;     /* to one of its buckets */
	int64_t time_us;
};

struct heads_ask {
	struct scans *s;
	unsigned number;           /* of the owner, or the bucket */
};

struct heads {
	uint64_t last[LAYOUT_BUCKETS];
	uint64_t watermark;
	uint64_t round;            /* readings that succeeded */
	int64_t began_ms;          /* the last of them */

	/* The one under way. */
	bool busy, failed;
	unsigned left;
	int64_t tried_ms;
	uint64_t reading[LAYOUT_BUCKETS];
	struct heads_owner *owners;
	size_t owners_n, owners_cap;
	uint16_t owner_of[LAYOUT_BUCKETS];
	uint32_t turns[LAYOUT_BUCKETS];
	struct heads_ask asks[LAYOUT_BUCKETS];
};

struct scans {
	struct scans_options o;
	int64_t now_ms;
	bool stopped;
	uint64_t own;              /* newest of the own commits */
	uint64_t heads_reads, pages;
	struct heads heads;
	struct scan_job *oldest, *newest;
	/* What the scan before had read and not given: the next one often begins there. */
	bool spare;
	struct merge spare_merge;
	unsigned spare_streams;
	uint64_t spare_after, spare_upto;
};

struct redisReply;

/* Whether the bucket may be asked. */
bool scans_enter(struct scans *s, unsigned bucket, struct gate_pass *pass);
/* First number of a reply; 0 where it has none. */
long long scans_answer(const struct fleet_reply *r);
/* Decimal digits; false where it is none, or above 2^53. */
bool scans_number(const struct redisReply *r, uint64_t *out);
struct view scans_bytes(const struct redisReply *r);

/* Gives one event; false: an end was reached (job->stopped, no rows left, or damage: job->err). */
bool job_give(struct scan_job *job, uint64_t seq, struct view bytes);
/* Ends it. Rows that were given make an error a short scan. */
void job_end(struct scan_job *job, enum cs_err err);
/* Could not be read now. */
void job_later(struct scan_job *job);
/* What went wrong with an answer, if anything: CS_OK; UNAVAILABLE: asked again later; NOT_FOUND: no such event; CORRUPT. */
enum cs_err job_answer(struct scans *s, const struct gate_pass *pass, enum cs_err err, const struct fleet_reply *r);

/* scan_all.c, scan_one.c: goes on where no answer is awaited. */
void all_go(struct scan_job *job);
void one_go(struct scan_job *job);

/* scan_heads.c */
void heads_begin(struct scans *s);
void heads_clear(struct heads *h);
/* scan.c: a reading is over. */
void heads_over(struct scans *s, bool succeeded);

#endif
