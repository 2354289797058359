/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heads of all buckets, and the watermark. The clocks are read, and their answers are there, before the first head is
 * asked for: so each head is younger than its owner's clock, and misses nothing below it.
 */
#include "broker/store/redis/scan_int.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"

static void
one_over(struct scans *s)
{
	struct heads *h = &s->heads;

	if (--h->left > 0)
		return;
	h->busy = false;
	heads_over(s, false);
}

static void
end(struct scans *s)
{
	struct heads *h = &s->heads;
	int64_t least_us = INT64_MAX;

	h->busy = false;
	if (h->failed) {
		heads_over(s, false);
		return;
	}
	for (size_t i = 0; i < h->owners_n; i++)
		least_us = h->owners[i].time_us < least_us ? h->owners[i].time_us : least_us;
	/* Never back, where an owner's clock is behind that of one before: what lies between was told. */
	if (layout_seq_before(least_us) > h->watermark)
		h->watermark = layout_seq_before(least_us);
	memcpy(h->last, h->reading, sizeof(h->last));
	h->began_ms = h->tried_ms;
	h->round++;
	heads_over(s, true);
}

/* The bucket is open under the tenure of who answers, which is that of the clock that was read. */
static bool
head_read(struct scans *s, unsigned bucket, const struct fleet_reply *r)
{
	struct heads *h = &s->heads;
	const struct redisReply *v = r->value;
	struct view tenure;

	if (v->type != REDIS_REPLY_ARRAY || v->elements != 2)
		return false;
	tenure = scans_bytes(v->element[0]);
	if (!view_equal(tenure, view_str(r->tenure)))
		s->o.gate.doubt(s->o.gate.ctx, bucket);
	if (s->o.gate.open(s->o.gate.ctx, bucket) == NULL || s->o.gate.turn(s->o.gate.ctx, bucket) != h->turns[bucket] ||
	    !view_equal(tenure, view_str(r->tenure)) || !view_equal(tenure, view_str(h->owners[h->owner_of[bucket]].pass.tenure)))
		return false;
	if (v->element[1]->type == REDIS_REPLY_NIL) {
		h->reading[bucket] = 0;
		return true;
	}
	return scans_number(v->element[1], &h->reading[bucket]);
}

static void
head_told(void *ctx, enum cs_err err, const struct fleet_reply *r)
{
	struct heads_ask *ask = ctx;
	struct heads *h = &ask->s->heads;

	if (err != CS_OK || !head_read(ask->s, ask->number, r))
		h->failed = true;
	if (--h->left == 0)
		end(ask->s);
}

static void
ask_heads(struct scans *s)
{
	struct heads *h = &s->heads;

	h->left = LAYOUT_BUCKETS;
	for (unsigned b = 0; b < LAYOUT_BUCKETS; b++) {
		struct layout_key k;
		struct view argv[4] = {VIEW("HMGET"), layout_key(s->o.layout, b, LAYOUT_HEAD, NULL, 0, &k), VIEW("t"), VIEW("l")};

		h->asks[b] = (struct heads_ask){s, b};
		fleet_ask(s->o.fleet, b, argv, 4, FLEET_READS, head_told, &h->asks[b]);
	}
}

static bool
time_read(struct heads_owner *o, const struct fleet_reply *r)
{
	const struct redisReply *v = r->value;
	uint64_t seconds, us;

	if (v->type != REDIS_REPLY_ARRAY || v->elements != 2 || !scans_number(v->element[0], &seconds) ||
	    !scans_number(v->element[1], &us) || seconds > INT64_MAX / 2000000 || us > 999999 || strcmp(r->tenure, o->pass.tenure) != 0)
		return false;
	o->time_us = (int64_t)(seconds * 1000000 + us);
	return true;
}

static void
time_told(void *ctx, enum cs_err err, const struct fleet_reply *r)
{
	struct heads_ask *ask = ctx;
	struct heads *h = &ask->s->heads;

	if (err != CS_OK || !time_read(&h->owners[ask->number], r))
		h->failed = true;
	if (h->left == 1 && !h->failed)
		ask_heads(ask->s);
	else
		one_over(ask->s);
}

static struct heads_owner *
owner_add(struct heads *h)
{
	if (h->owners_n == h->owners_cap) {
		h->owners_cap = h->owners_cap == 0 ? 8 : 2 * h->owners_cap;
		h->owners = realloc(h->owners, h->owners_cap * sizeof(h->owners[0]));
		CHECK(h->owners != NULL);
	}
	return &h->owners[h->owners_n++];
}

/* Who owns what; false: a bucket is not open. */
static bool
owners_find(struct scans *s)
{
	struct heads *h = &s->heads;
	bool all = true;

	h->owners_n = 0;
	for (unsigned b = 0; b < LAYOUT_BUCKETS; b++) {
		const char *tenure = s->o.gate.open(s->o.gate.ctx, b);
		size_t i = b == 0 ? 0 : h->owner_of[b - 1];

		/* Each is asked, so that each is being opened. */
		if (tenure == NULL)
			all = false;
		if (!all)
			continue;
		h->turns[b] = s->o.gate.turn(s->o.gate.ctx, b);
		/* Neighbours mostly have one owner. */
		if (h->owners_n == 0 || strcmp(h->owners[i].pass.tenure, tenure) != 0) {
			for (i = 0; i < h->owners_n && strcmp(h->owners[i].pass.tenure, tenure) != 0; i++)
				;
		}
		if (i == h->owners_n) {
			struct heads_owner *o = owner_add(h);

			*o = (struct heads_owner){.time_us = 0};
			if (!gate_enter(&s->o.gate, b, &o->pass))
				all = false;
		}
		h->owner_of[b] = (uint16_t)i;
	}
	return all;
}

void
heads_begin(struct scans *s)
{
	struct heads *h = &s->heads;

	CHECK(!h->busy);
	h->tried_ms = s->now_ms;
	h->failed = false;
	if (s->stopped || !owners_find(s)) {
		heads_over(s, false);
		return;
	}
	s->heads_reads++;
	h->busy = true;
	h->left = (unsigned)h->owners_n;
	for (unsigned i = 0; i < h->owners_n; i++) {
		struct view argv[1] = {VIEW("TIME")};

		h->asks[i] = (struct heads_ask){s, i};
		fleet_ask(s->o.fleet, h->owners[i].pass.bucket, argv, 1, FLEET_READS, time_told, &h->asks[i]);
	}
}

void
heads_clear(struct heads *h)
{
	free(h->owners);
}
