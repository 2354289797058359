/* SPDX-License-Identifier: Apache-2.0 */
/* A scan of all events: the logs that have something up to the watermark, in pages, merged. */
#include "broker/store/redis/scan_int.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/store/redis/scripts.h"

enum { PAGE_ROWS_MIN = 4, PAGE_BYTES_MIN = 4096, DECIMAL = 24, AHEAD_TRIES = 2 * SCANS_AHEAD_MS / SCANS_HEADS_EVERY_MS };

struct page {
	struct scan_job *job;
	struct gate_pass pass;
};

static enum cs_err
page_put(struct scan_job *job, unsigned bucket, const struct redisReply *r)
{
	enum cs_err err = CS_OK;

	if (r->elements < 2 || r->elements % 2 != 0 || r->element[1]->type != REDIS_REPLY_INTEGER)
		return CS_ERR_CORRUPT;
	for (size_t i = 2; err == CS_OK && i < r->elements; i += 2) {
		uint64_t seq;

		err = scans_number(r->element[i], &seq) ? merge_put(&job->merge, bucket, seq, scans_bytes(r->element[i + 1])) : CS_ERR_CORRUPT;
	}
	return err == CS_OK ? merge_fed(&job->merge, bucket, r->element[1]->integer == 1) : err;
}

static void
page_told(void *ctx, enum cs_err err, const struct fleet_reply *r)
{
	struct page *p = ctx;
	struct scan_job *job = p->job;

	err = job_answer(job->s, &p->pass, err, r);
	if (err == CS_OK)
		err = page_put(job, p->pass.bucket, r->value);
	free(p);
	if (err != CS_OK && job->err != CS_ERR_CORRUPT)
		job->err = err;
	if (--job->asked == 0)
		all_go(job);
}

static uint64_t
share(uint64_t all, unsigned n, uint64_t least, uint64_t most)
{
	uint64_t each = all / n + 1;

	return each < least ? least : each > most ? most : each;
}

static void
page_ask(struct scan_job *job, const struct gate_pass *pass, uint64_t after)
{
	struct scans *s = job->s;
	unsigned bucket = pass->bucket;
	struct layout_key k[3];
	struct view keys[2] = {layout_key(s->o.layout, bucket, LAYOUT_HEAD, NULL, 0, &k[0]),
	    layout_key(s->o.layout, bucket, LAYOUT_SEGMENTS, NULL, 0, &k[1])};
	char numbers[4][DECIMAL];
	struct view args[6] = {[0] = view_str(pass->tenure), [5] = layout_key(s->o.layout, bucket, LAYOUT_LOG, NULL, 0, &k[2])};
	uint64_t values[4] = {after, job->upto, share(job->left, job->streams, PAGE_ROWS_MIN, SCANS_ROWS_MAX),
	    share(SCANS_PAGES_BYTES, job->streams, PAGE_BYTES_MIN, SCANS_PAGE_BYTES_MAX)};
	struct page *p = malloc(sizeof(*p));

	CHECK(p != NULL);
	*p = (struct page){job, *pass};
	for (int i = 0; i < 4; i++) {
		snprintf(numbers[i], DECIMAL, "%llu", (unsigned long long)values[i]);
		args[1 + i] = view_str(numbers[i]);
	}
	job->asked++;
	s->pages++;
	fleet_script(s->o.fleet, bucket, SCRIPT_SCAN_PAGE, keys, 2, args, 6, FLEET_READS, page_told, p);
}

/* Asks for all pages that are wanted. False: a bucket is not open. */
static bool
pages_ask(struct scan_job *job)
{
	struct gate_pass pass;
	uint64_t after;
	unsigned bucket;

	while (merge_want(&job->merge, &bucket, &after)) {
		if (!scans_enter(job->s, bucket, &pass)) {
			job->err = CS_ERR_UNAVAILABLE;
			return false;
		}
		page_ask(job, &pass, after);
	}
	return true;
}

/* What the heads say that there is, above what was given. */
static void
merge_begin(struct scan_job *job)
{
	struct scans *s = job->s;
	const struct heads *h = &s->heads;

	job->upto = h->watermark;
	job->streams = 0;
	for (unsigned b = 0; b < LAYOUT_BUCKETS; b++)
		job->streams += h->last[b] > job->next;
	if (job->streams == 0)
		return;
	job->merging = true;
	merge_init(&job->merge, LAYOUT_BUCKETS);
	for (unsigned b = 0; b < LAYOUT_BUCKETS; b++) {
		if (h->last[b] > job->next)
			merge_open(&job->merge, b, job->next);
	}
}

static void
spare_take(struct scan_job *job)
{
	struct scans *s = job->s;

	if (!s->spare || s->spare_after != job->next)
		return;
	s->spare = false;
	job->merging = true;
	job->merge = s->spare_merge;
	job->streams = s->spare_streams;
	job->upto = s->spare_upto;
}

/* Nothing of what the heads told is left. Whether newer heads might have more for this scan. */
static bool
heads_wanted(struct scan_job *job)
{
	const struct scans *s = job->s;
	const struct heads *h = &s->heads;
	bool own_below = h->watermark >= job->want, since = h->round > job->round;

	if (h->round > 0 && own_below && (since || s->now_ms - h->began_ms < SCANS_HEADS_MS))
		return false;
	if (since && !own_below) {
		uint64_t units = layout_units_of(job->want) - layout_units_of(h->watermark);

		/* A burst in one bucket runs ahead of the clock; a clock that is far behind is not waited for. */
		if (units * LAYOUT_UNIT_US / 1000 > SCANS_AHEAD_MS || job->ahead++ > AHEAD_TRIES)
			return false;
	}
	return true;
}

void
all_go(struct scan_job *job)
{
	uint64_t seq;
	struct view bytes;

	if (job->asked > 0)
		return;
	if (job->err != CS_OK || job->s->stopped) {
		bool again = job->err == CS_ERR_UNAVAILABLE && job->given == 0;

		/* The pages are asked anew: what of them is there is not known here. */
		if (job->merging)
			merge_clear(&job->merge);
		job->merging = false;
		job->upto = job->next;
		if (again) {
			job->err = CS_OK;
			job_later(job);
		} else {
			job_end(job, job->s->stopped ? CS_ERR_UNAVAILABLE : job->err);
		}
		return;
	}
	if (!job->merging && job->given == 0)
		spare_take(job);
	for (;;) {
		if (!job->merging && job->upto < job->s->heads.watermark)
			merge_begin(job);
		if (!job->merging)
			break;
		while (merge_next(&job->merge, &seq, &bytes)) {
			if (!job_give(job, seq, bytes)) {
				job_end(job, job->err);
				return;
			}
		}
		if (!merge_ready(&job->merge)) {
			job->state = SCAN_ASKED;
			if (!pages_ask(job) && job->asked == 0)
				all_go(job);
			return;
		}
		merge_clear(&job->merge);
		job->merging = false;
	}
	if (heads_wanted(job))
		job->state = SCAN_HEADS;
	else
		job_end(job, CS_OK);
}
