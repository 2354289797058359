/* SPDX-License-Identifier: Apache-2.0 */
/* Scans: their beginning, their end, and what scans of all and of one share. */
#include "broker/store/redis/scan_int.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/store/redis/scripts.h"

enum { NUMBER_DIGITS_MAX = 16 /* of what is below 2^53 */ };

bool
scans_enter(struct scans *s, unsigned bucket, struct gate_pass *pass)
{
	return !s->stopped && gate_enter(&s->o.gate, bucket, pass);
}

long long
scans_answer(const struct fleet_reply *r)
{
	const struct redisReply *v = r->value;

	return v->type == REDIS_REPLY_ARRAY && v->elements > 0 && v->element[0]->type == REDIS_REPLY_INTEGER ? v->element[0]->integer : 0;
}

bool
scans_number(const struct redisReply *r, uint64_t *out)
{
	uint64_t v = 0;

	if (r->type == REDIS_REPLY_INTEGER && r->integer >= 0) {
		*out = (uint64_t)r->integer;
		return true;
	}
	if (r->type != REDIS_REPLY_STRING || r->len == 0 || r->len > NUMBER_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < (size_t)r->len; i++) {
		if (r->str[i] < '0' || r->str[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(r->str[i] - '0');
	}
	*out = v;
	return v < (uint64_t)1 << 53;
}

struct view
scans_bytes(const struct redisReply *r)
{
	return r->type == REDIS_REPLY_STRING ? view_of(r->str, (size_t)r->len) : view_of(NULL, 0);
}

enum cs_err
job_answer(struct scans *s, const struct gate_pass *pass, enum cs_err err, const struct fleet_reply *r)
{
	if (err == CS_ERR_CORRUPT)
		log_error("msg=\"Redis could not read its log\" error=%s", log_value(view_of(r->value->str, (size_t)r->value->len)));
	if (err != CS_OK)
		return err == CS_ERR_CORRUPT ? CS_ERR_CORRUPT : CS_ERR_UNAVAILABLE;
	if (s->stopped || !gate_holds(&s->o.gate, pass))
		return CS_ERR_UNAVAILABLE;
	switch (scans_answer(r)) {
	case ANSWER_DONE:
		return CS_OK;
	case ANSWER_SUSPECT:
		s->o.gate.doubt(s->o.gate.ctx, pass->bucket);
		return CS_ERR_UNAVAILABLE;
	case ANSWER_GONE:
		return CS_ERR_NOT_FOUND;
	default:
		return CS_ERR_CORRUPT;
	}
}

bool
job_give(struct scan_job *job, uint64_t seq, struct view bytes)
{
	struct layout_event ev;
	struct store_row row;

	if (layout_get_event(bytes, &ev) != CS_OK || (job->one && memcmp(ev.key.b, job->key.b, sizeof(ev.key.b)) != 0)) {
		log_error("msg=\"an event in the log is damaged\" seq=%llu", (unsigned long long)seq);
		job->err = CS_ERR_CORRUPT;
		return false;
	}
	row = (struct store_row){seq, ev.key, ev.revision, ev.event, ev.extra};
	job->next = job->back && ev.back == 0 ? 0 : seq;
	job->left--;
	job->given++;
	job->until_ms = job->s->now_ms + job->s->o.timeout_ms;
	job->stopped = !job->row(job->ctx, &row);
	return !job->stopped && job->left > 0;
}

void
scans_forget(struct scans *s)
{
	if (s->spare)
		merge_clear(&s->spare_merge);
	s->spare = false;
}

/* For a scan that goes on here. */
static void
spare_keep(struct scan_job *job)
{
	struct scans *s = job->s;

	scans_forget(s);
	s->spare = true;
	s->spare_merge = job->merge;
	s->spare_streams = job->streams;
	s->spare_after = job->next;
	s->spare_upto = job->upto;
}

void
job_end(struct scan_job *job, enum cs_err err)
{
	struct scans *s = job->s;
	struct scan_job was = *job;

	CHECK(job->asked == 0);
	if (err != CS_OK && err != CS_ERR_UNAVAILABLE)
		err = CS_ERR_CORRUPT; /* a newer version's row, too: the contract knows no more */
	if (job->merging && err == CS_OK && !s->stopped)
		spare_keep(job);
	else if (job->merging)
		merge_clear(&job->merge);
	*(job->older != NULL ? &job->older->newer : &s->oldest) = job->newer;
	*(job->newer != NULL ? &job->newer->older : &s->newest) = job->older;
	free(job->ring);
	free(job);
	was.done(was.ctx, was.given > 0 ? CS_OK : err, was.given > 0 ? was.next : was.after);
}

void
job_later(struct scan_job *job)
{
	struct scans *s = job->s;

	if (s->stopped || s->now_ms >= job->until_ms) {
		job_end(job, CS_ERR_UNAVAILABLE);
		return;
	}
	job->state = SCAN_DUE;
	job->again_ms = s->now_ms + SCANS_AGAIN_MS;
}

void
heads_over(struct scans *s, bool succeeded)
{
	struct scan_job *next;

	for (struct scan_job *job = s->oldest; job != NULL; job = next) {
		next = job->newer;
		if (job->state != SCAN_HEADS)
			continue;
		if (succeeded) {
			job->state = SCAN_DUE;
			job->again_ms = s->now_ms;
			all_go(job);
		} else if (s->stopped || s->now_ms >= job->until_ms) {
			job_end(job, CS_ERR_UNAVAILABLE);
		}
	}
}

void
scans_start(struct scans *s, const struct store_scan *scan, store_row_fn *row, store_scan_fn *done, void *ctx)
{
	struct scan_job *job = calloc(1, sizeof(*job));

	CHECK(job != NULL);
	*job = (struct scan_job){.s = s, .older = s->newest, .state = SCAN_DUE, .one = scan->key != NULL, .back = scan->back,
	    .after = scan->after, .next = scan->after, .left = scan->limit < SCANS_ROWS_MAX ? scan->limit : SCANS_ROWS_MAX,
	    .until_ms = s->now_ms + s->o.timeout_ms, .again_ms = s->now_ms, .row = row, .done = done, .ctx = ctx,
	    .upto = scan->after, .want = s->own, .round = s->heads.round + s->heads.busy};
	if (job->one)
		job->key = *scan->key;
	if (job->back) {
		job->at = scan->after;
		job->walked = scan->after == 0;
	}
	*(s->newest != NULL ? &s->newest->newer : &s->oldest) = job;
	s->newest = job;
}

void
scans_touch(struct scans *s, uint64_t seq)
{
	s->own = seq > s->own ? seq : s->own;
}

static void
heads_due(struct scans *s, int64_t *next_ms)
{
	int64_t in_ms = s->heads.round == 0 && s->heads.tried_ms == 0 ? 0 : s->heads.tried_ms + SCANS_HEADS_EVERY_MS - s->now_ms;
	bool wanted = false;

	for (struct scan_job *job = s->oldest; job != NULL; job = job->newer)
		wanted = wanted || job->state == SCAN_HEADS;
	if (!wanted || s->heads.busy)
		return;
	if (in_ms <= 0 || s->stopped) {
		heads_begin(s);
		in_ms = SCANS_HEADS_EVERY_MS;
	}
	*next_ms = in_ms < *next_ms ? in_ms : *next_ms;
}

int64_t
scans_tick(struct scans *s, int64_t now_mono_ms)
{
	int64_t next_ms = INT64_MAX;
	struct scan_job *next;

	s->now_ms = now_mono_ms;
	for (struct scan_job *job = s->oldest; job != NULL; job = next) {
		next = job->newer;
		if (job->state == SCAN_DUE && (s->stopped || now_mono_ms >= job->again_ms))
			(job->one ? one_go : all_go)(job);
	}
	heads_due(s, &next_ms);
	for (struct scan_job *job = s->oldest; job != NULL; job = job->newer) {
		if (job->state == SCAN_DUE && job->again_ms - now_mono_ms < next_ms)
			next_ms = job->again_ms - now_mono_ms;
	}
	return next_ms < 1 ? 1 : next_ms;
}

uint64_t
scans_floor(const struct scans *s)
{
	return s->heads.watermark == 0 ? 0 : layout_units_of(s->heads.watermark) + 1;
}

void
scans_view(const struct scans *s, struct scans_view *out)
{
	*out = (struct scans_view){s->heads.watermark, s->heads_reads, s->pages};
}

struct scans *
scans_new(const struct scans_options *o)
{
	struct scans *s = calloc(1, sizeof(*s));

	CHECK(s != NULL && o->gate.open != NULL && o->timeout_ms > 0);
	s->o = *o;
	return s;
}

void
scans_stop(struct scans *s)
{
	s->stopped = true;
	scans_tick(s, s->now_ms);
}

void
scans_free(struct scans *s)
{
	CHECK(s->oldest == NULL);
	scans_forget(s);
	heads_clear(&s->heads);
	free(s);
}
