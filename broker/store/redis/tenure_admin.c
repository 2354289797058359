/* SPDX-License-Identifier: Apache-2.0 */
/* Members that are put out of the buckets, because they are silent or because the admin says so; and held things released. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/store/redis/tenure_int.h"

enum { DONE = 1, NOTHING = 2 };

/* One question of a sweep: of a member and a bucket. */
struct out_ask {
	struct tenure *t;
	unsigned bucket;
	char id[JOURNAL_MEMBER_TEXT];
};

static bool
bit(const uint8_t *bits, unsigned i)
{
	return (bits[i / 8] >> (i % 8) & 1) != 0;
}

static void
bit_set(uint8_t *bits, unsigned i, bool on)
{
	bits[i / 8] = (uint8_t)(on ? bits[i / 8] | 1u << (i % 8) : bits[i / 8] & ~(1u << (i % 8)));
}

static struct out *
out_find(struct tenure *t, const char *id)
{
	for (struct out *out = t->outs; out != NULL; out = out->next)
		if (strcmp(out->id, id) == 0)
			return out;
	return NULL;
}

static void
out_answered(void *ctx, enum cs_err err, const struct fleet_reply *reply)
{
	struct out_ask *ask = ctx;
	struct out *out = out_find(ask->t, ask->id);

	if (out != NULL) {
		bit_set(out->asked, ask->bucket, false);
		if (err == CS_OK && proof_code(reply->value) == DONE)
			bit_set(out->done, ask->bucket, true);
	}
	free(ask);
}

static void
put_out(struct tenure *t, unsigned bucket, const char *tenure, const char *id, bool word, fleet_fn *done, void *ctx)
{
	struct layout_key name;
	struct view keys[1] = {layout_key(t->o.layout, bucket, LAYOUT_HEAD, NULL, 0, &name)};
	struct view args[3] = {view_str(tenure), view_str(id), word ? VIEW("1") : VIEW("0")};

	fleet_script(t->o.fleet, bucket, SCRIPT_PUTOUT, keys, 1, args, 3, FLEET_AGAIN, done, ctx);
}

void
outs_sweep(struct tenure *t)
{
	for (struct out *out = t->outs; out != NULL; out = out->next) {
		for (unsigned i = 0; i < t->n; i++) {
			const char *tenure;
			struct out_ask *ask;

			if (bit(out->done, i) || bit(out->asked, i) || (tenure = tenure_shared(t, i)) == NULL)
				continue;
			ask = calloc(1, sizeof(*ask));
			CHECK(ask != NULL);
			ask->t = t;
			ask->bucket = i;
			memcpy(ask->id, out->id, sizeof(ask->id));
			bit_set(out->asked, i, true);
			put_out(t, i, tenure, out->id, false, out_answered, ask);
		}
	}
}

void
outs_reset(struct tenure *t, unsigned bucket)
{
	for (struct out *out = t->outs; out != NULL; out = out->next)
		bit_set(out->done, bucket, false);
}

static void
out_add(struct tenure *t, const char *id)
{
	struct out *out = calloc(1, sizeof(*out));

	CHECK(out != NULL);
	snprintf(out->id, sizeof(out->id), "%s", id);
	out->next = t->outs;
	t->outs = out;
}

void
tenure_put_out(struct tenure *t, const char *id)
{
	if (!t->leaving && strcmp(id, journal_member(t->o.journal)) != 0 && out_find(t, id) == NULL)
		out_add(t, id);
}

void
tenure_leave(struct tenure *t)
{
	if (t->leaving)
		return;
	t->barred = true;
	while (t->outs != NULL)
		tenure_put_in(t, t->outs->id);
	t->leaving = true;
	out_add(t, journal_member(t->o.journal));
}

bool
tenure_left(const struct tenure *t)
{
	for (unsigned i = 0; t->leaving && i < t->n; i++)
		if (tenure_shared(t, i) != NULL && !bit(t->outs->done, i))
			return false;
	return t->leaving;
}

void
tenure_put_in(struct tenure *t, const char *id)
{
	if (t->leaving)
		return; /* our own beats say that we are alive */
	for (struct out **at = &t->outs; *at != NULL; at = &(*at)->next) {
		if (strcmp((*at)->id, id) == 0) {
			struct out *out = *at;

			*at = out->next;
			free(out);
			return;
		}
	}
}

/* The admin's word, in all buckets. */
struct forget {
	struct tenure *t;
	char id[JOURNAL_MEMBER_TEXT];
	size_t open;
	enum cs_err err;
	tenure_done_fn *done;
	void *ctx;
};

static void
forget_end(struct forget *f)
{
	if (--f->open > 0)
		return;
	if (f->err == CS_OK)
		f->err = journal_member_drop(f->t->o.journal, f->id);
	f->done(f->ctx, f->err);
	free(f);
}

static void
forgot_one(void *ctx, enum cs_err err, const struct fleet_reply *reply)
{
	struct forget *f = ctx;

	if (err != CS_OK || proof_code(reply->value) != DONE)
		f->err = CS_ERR_UNAVAILABLE;
	forget_end(f);
}

static void
forgot_beats(void *ctx, enum cs_err err, const struct fleet_reply *reply)
{
	(void)reply;
	if (err != CS_OK)
		((struct forget *)ctx)->err = CS_ERR_UNAVAILABLE;
	forget_end(ctx);
}

/* The others see the mark with their next beat, and drop the member from their journals. */
static void
forget_beats(struct tenure *t, struct forget *f)
{
	struct layout_key name;
	char fields[5][JOURNAL_MEMBER_TEXT + 2];
	static const char kinds[5] = {'c', 'n', 'k', 'b', 'f'};
	struct view key = layout_key(t->o.layout, 0, LAYOUT_BEATS, NULL, 0, &name);
	struct view drop[6] = {VIEW("HDEL"), key}, mark[4] = {VIEW("HSET"), key, {NULL, 0}, VIEW("1")};

	for (size_t i = 0; i < 5; i++)
		snprintf(fields[i], sizeof(fields[i]), "%c:%s", kinds[i], f->id);
	for (size_t i = 0; i < 4; i++)
		drop[2 + i] = view_str(fields[i]);
	mark[2] = view_str(fields[4]);
	f->open += 2;
	fleet_ask(t->o.fleet, 0, drop, 6, FLEET_AGAIN, forgot_beats, f);
	fleet_ask(t->o.fleet, 0, mark, 4, FLEET_AGAIN, forgot_beats, f);
}

void
tenure_forget(struct tenure *t, const char *id, tenure_done_fn *done, void *ctx)
{
	struct forget *f = calloc(1, sizeof(*f));

	CHECK(f != NULL);
	*f = (struct forget){.t = t, .open = 1, .err = CS_OK, .done = done, .ctx = ctx};
	snprintf(f->id, sizeof(f->id), "%s", id);
	log_warn("store broker id=%s is forgotten by an admin's word", id);
	for (unsigned i = 0; i < t->n; i++) {
		const char *tenure = fleet_tenure(t->o.fleet, i);

		if (tenure == NULL) {
			f->err = CS_ERR_UNAVAILABLE;
			continue;
		}
		f->open++;
		put_out(t, i, tenure, f->id, true, forgot_one, f);
	}
	forget_beats(t, f);
	forget_end(f);
}

struct release {
	struct tenure *t;
	unsigned bucket;
	tenure_done_fn *done;
	void *ctx;
};

static void
released(void *ctx, enum cs_err err, const struct fleet_reply *reply)
{
	struct release *r = ctx;

	if (err == CS_OK) {
		long long code = proof_code(reply->value);

		err = code == DONE ? CS_OK : code == NOTHING ? CS_ERR_NOT_FOUND : CS_ERR_UNAVAILABLE;
	} else if (err != CS_ERR_UNKNOWN) {
		err = CS_ERR_UNAVAILABLE;
	}
	if (err == CS_OK)
		tenure_doubt(r->t, r->bucket);
	r->done(r->ctx, err);
	free(r);
}

static void
release(struct tenure *t, unsigned bucket, const struct view *keys, size_t keys_n, tenure_done_fn *done, void *ctx)
{
	const char *tenure = fleet_tenure(t->o.fleet, bucket);
	struct release *r;
	struct view args[1];

	if (tenure == NULL) {
		done(ctx, CS_ERR_UNAVAILABLE);
		return;
	}
	r = calloc(1, sizeof(*r));
	CHECK(r != NULL);
	*r = (struct release){t, bucket, done, ctx};
	args[0] = view_str(tenure);
	fleet_script(t->o.fleet, bucket, SCRIPT_RELEASE, keys, keys_n, args, 1, FLEET_AGAIN, released, r);
}

void
tenure_release_record(struct tenure *t, const struct store_key *key, tenure_done_fn *done, void *ctx)
{
	unsigned bucket = layout_bucket(key);
	struct layout_key names[3];
	struct view keys[3] = {layout_key(t->o.layout, bucket, LAYOUT_HEAD, NULL, 0, &names[0]),
	    layout_key_of(t->o.layout, LAYOUT_HELD_MARK, key, &names[1]), layout_key_of(t->o.layout, LAYOUT_RECORD, key, &names[2])};

	log_warn("store record=%02x%02x%02x%02x... is released by an admin's word", key->b[0], key->b[1], key->b[2], key->b[3]);
	release(t, bucket, keys, 3, done, ctx);
}

void
tenure_release_bucket(struct tenure *t, unsigned bucket, tenure_done_fn *done, void *ctx)
{
	struct layout_key name;
	struct view keys[1];

	CHECK(bucket < JOURNAL_BUCKETS);
	keys[0] = layout_key(t->o.layout, bucket, LAYOUT_HEAD, NULL, 0, &name);
	log_warn("store bucket=%u is released by an admin's word", bucket);
	release(t, bucket, keys, 1, done, ctx);
}
