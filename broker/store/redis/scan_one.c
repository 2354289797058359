/* SPDX-License-Identifier: Apache-2.0 */
/* A scan of one record, along its own events. */
#include "broker/store/redis/scan_int.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/store/redis/scripts.h"

enum { DECIMAL = 24 };

static struct view
decimal(char to[DECIMAL], uint64_t v)
{
	return view_of(to, (size_t)snprintf(to, DECIMAL, "%llu", (unsigned long long)v));
}

/* bytes 0: numbers only. */
static void
walk_ask(struct scan_job *job, uint64_t after, uint64_t rows, uint64_t bytes, fleet_fn *done)
{
	struct scans *s = job->s;
	unsigned bucket = layout_bucket(&job->key);
	struct layout_key k[4];
	struct view keys[3] = {layout_key(s->o.layout, bucket, LAYOUT_HEAD, NULL, 0, &k[0]),
	    layout_key_of(s->o.layout, LAYOUT_RECORD, &job->key, &k[1]), layout_key(s->o.layout, bucket, LAYOUT_SEGMENTS, NULL, 0, &k[2])};
	char at[DECIMAL], numbers[3][DECIMAL];
	struct view args[6] = {view_str(job->pass.tenure), job->at == 0 ? view_of(NULL, 0) : decimal(at, job->at), decimal(numbers[0], after),
	    decimal(numbers[1], rows), decimal(numbers[2], bytes), layout_key(s->o.layout, bucket, LAYOUT_LOG, NULL, 0, &k[3])};

	job->asked = 1;
	fleet_script(s->o.fleet, bucket, SCRIPT_SCAN_WALK, keys, 3, args, 6, FLEET_READS, done, job);
}

/* Newest first, and the end is reached without a row. */
static void
end_of_nothing(struct scan_job *job)
{
	job->after = 0;
	job_end(job, CS_OK);
}

/* An answer was no answer; where it begins, a number that is none of the record's means that there is nothing. */
static void
refused(struct scan_job *job, enum cs_err err)
{
	if (err == CS_ERR_UNAVAILABLE && job->given == 0)
		job_later(job);
	else if (err == CS_ERR_NOT_FOUND && job->back && !job->walked)
		end_of_nothing(job);
	else
		job_end(job, err == CS_ERR_NOT_FOUND ? CS_ERR_CORRUPT : err);
}

/* --- newest first --- */

/* The event that the caller named: no row, but where its chain goes on. */
static enum cs_err
start_check(const struct scan_job *job, const struct redisReply *r)
{
	struct layout_event ev;
	uint64_t seq;

	if (r->elements < 4 || !scans_number(r->element[2], &seq) || seq != job->after ||
	    layout_get_event(scans_bytes(r->element[3]), &ev) != CS_OK)
		return CS_ERR_CORRUPT;
	return memcmp(ev.key.b, job->key.b, sizeof(ev.key.b)) == 0 ? CS_OK : CS_ERR_NOT_FOUND;
}

static void
back_told(void *ctx, enum cs_err err, const struct fleet_reply *r)
{
	struct scan_job *job = ctx;
	const struct redisReply *v;
	bool start = !job->walked;
	uint64_t seq, at;

	job->asked = 0;
	err = job_answer(job->s, &job->pass, err, r);
	v = err == CS_OK ? r->value : NULL;
	if (err == CS_OK && (v->elements < 2 || v->elements % 2 != 0 || !scans_number(v->element[1], &at)))
		err = CS_ERR_CORRUPT;
	if (err == CS_OK && start)
		err = start_check(job, v);
	job->walked = job->walked || err == CS_OK;
	for (size_t i = start ? 4 : 2; err == CS_OK && i < v->elements; i += 2) {
		if (!scans_number(v->element[i], &seq))
			err = CS_ERR_CORRUPT;
		else if (!job_give(job, seq, scans_bytes(v->element[i + 1]))) {
			job_end(job, job->err);
			return;
		}
	}
	if (err != CS_OK) {
		refused(job, err);
	} else if (at == 0) {
		end_of_nothing(job);
	} else if (v->elements == 2) {
		refused(job, CS_ERR_CORRUPT);
	} else {
		/* Below the last that was read; the row that the caller named is behind us. */
		job->at = at;
		one_go(job);
	}
}

/* --- in order --- */

static void
rows_told(void *ctx, enum cs_err err, const struct fleet_reply *r)
{
	struct scan_job *job = ctx;
	const struct redisReply *v;
	uint64_t seq;

	job->asked = 0;
	err = job_answer(job->s, &job->pass, err, r);
	v = err == CS_OK ? r->value : NULL;
	if (err == CS_OK && (v->elements < 3 || v->elements % 2 != 1))
		err = CS_ERR_CORRUPT;
	for (size_t i = 1; err == CS_OK && i < v->elements; i += 2) {
		if (!scans_number(v->element[i], &seq)) {
			err = CS_ERR_CORRUPT;
			break;
		}
		job->ring_given++;
		if (!job_give(job, seq, scans_bytes(v->element[i + 1]))) {
			job_end(job, job->err);
			return;
		}
	}
	if (err != CS_OK)
		refused(job, err);
	else
		one_go(job);
}

/* The numbers of the ring from the oldest on, those that were given left out. */
static void
rows_ask(struct scan_job *job)
{
	struct scans *s = job->s;
	unsigned bucket = layout_bucket(&job->key);
	size_t kept = job->ring_n < job->ring_cap ? job->ring_n : job->ring_cap, n = kept - job->ring_given;
	struct layout_key k[3];
	struct view keys[2] = {layout_key(s->o.layout, bucket, LAYOUT_HEAD, NULL, 0, &k[0]),
	    layout_key(s->o.layout, bucket, LAYOUT_SEGMENTS, NULL, 0, &k[1])};
	uint8_t seqs[SCANS_WALK_ROWS * 8];
	char bytes[DECIMAL];
	struct view args[4];

	n = n < SCANS_WALK_ROWS ? n : SCANS_WALK_ROWS;
	for (size_t i = 0; i < n; i++)
		layout_put_be(seqs + 8 * i, job->ring[(job->ring_n - 1 - job->ring_given - i) % job->ring_cap]);
	args[0] = view_str(job->pass.tenure);
	args[1] = view_of(seqs, 8 * n);
	args[2] = decimal(bytes, SCANS_PAGE_BYTES_MAX);
	args[3] = layout_key(s->o.layout, bucket, LAYOUT_LOG, NULL, 0, &k[2]);
	job->asked = 1;
	fleet_script(s->o.fleet, bucket, SCRIPT_SCAN_ROWS, keys, 2, args, 4, FLEET_READS, rows_told, job);
}

static void
numbers_told(void *ctx, enum cs_err err, const struct fleet_reply *r)
{
	struct scan_job *job = ctx;
	struct view numbers = view_of(NULL, 0);
	uint64_t at = 0;

	job->asked = 0;
	err = job_answer(job->s, &job->pass, err, r);
	if (err == CS_OK && (r->value->elements < 2 || !scans_number(r->value->element[1], &at)))
		err = CS_ERR_CORRUPT;
	if (err == CS_OK && r->value->elements > 2)
		numbers = scans_bytes(r->value->element[2]);
	if (err != CS_OK || numbers.len % 8 != 0 || (numbers.len == 0 && at > job->after)) {
		refused(job, err != CS_OK ? err : CS_ERR_CORRUPT);
		return;
	}
	for (size_t i = 0; i < numbers.len; i += 8)
		job->ring[job->ring_n++ % job->ring_cap] = layout_get_be((const uint8_t *)numbers.data + i);
	job->until_ms = job->s->now_ms + job->s->o.timeout_ms;
	job->at = at;
	job->walked = at <= job->after;
	one_go(job);
}

void
one_go(struct scan_job *job)
{
	if (job->s->stopped || !scans_enter(job->s, layout_bucket(&job->key), &job->pass)) {
		if (job->given > 0)
			job_end(job, CS_OK);
		else
			job_later(job);
		return;
	}
	job->state = SCAN_ASKED;
	if (job->back) {
		uint64_t rows = job->left + !job->walked;

		walk_ask(job, 0, rows < SCANS_WALK_ROWS ? rows : SCANS_WALK_ROWS, SCANS_PAGE_BYTES_MAX, back_told);
		return;
	}
	if (job->ring == NULL) {
		job->ring_cap = (size_t)job->left;
		job->ring = calloc(job->ring_cap, sizeof(job->ring[0]));
		CHECK(job->ring != NULL);
	}
	if (!job->walked)
		walk_ask(job, job->after, SCANS_WALK_STEPS, 0, numbers_told);
	else if (job->ring_given < (job->ring_n < job->ring_cap ? job->ring_n : job->ring_cap))
		rows_ask(job);
	else
		job_end(job, CS_OK);
}
