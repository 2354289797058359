/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds a claim: what its key says, then the set of the record that it names. Two answers from two moments, and yet one
 * that was true at a moment between them: as long as the key says so, the claim is in no other set than that one.
 */
#include "broker/store/redis/claims_int.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/store/redis/scripts.h"

struct claims_find {
	struct claims *c;
	struct claims_find *next;
	struct claims_find **at;       /* who points here */
	struct store_key claim;
	struct claim_value value;
	struct gate_pass asked;
	bool waiting, verifying;
	int64_t until_ms, again_ms;
	store_find_fn *done;
	void *ctx;
};

static void
end(struct claims_find *f, enum cs_err err, const struct store_key *holder, bool tombstone)
{
	struct store_key key = {{0}};
	store_find_fn *done = f->done;
	void *ctx = f->ctx;

	if (holder != NULL)
		key = *holder;
	*f->at = f->next;
	if (f->next != NULL)
		f->next->at = f->at;
	free(f);
	done(ctx, err, err == CS_OK ? &key : NULL, tombstone);
}

static void
later(struct claims_find *f)
{
	struct claims *c = f->c;

	if (c->stopped || c->now_ms >= f->until_ms) {
		end(f, CS_ERR_UNAVAILABLE, NULL, false);
		return;
	}
	f->waiting = true;
	f->again_ms = c->now_ms + CLAIMS_AGAIN_MS;
}

/* Whether it is an answer; else the find is gone on with. */
static bool
answered(struct claims_find *f, enum cs_err err, const struct fleet_reply *r)
{
	claims_doubt(f->c, f->asked.bucket, err, r);
	if (err == CS_OK && claims_answer(r) == ANSWER_DONE && !f->c->stopped && gate_holds(&f->c->o.gate, &f->asked))
		return true;
	if (err == CS_ERR_CORRUPT)
		end(f, CS_ERR_CORRUPT, NULL, false);
	else if (err == CS_ERR_DENIED || (err == CS_OK && claims_answer(r) == ANSWER_HELD))
		end(f, CS_ERR_UNAVAILABLE, NULL, false);
	else
		later(f);
	return false;
}

static void
verified(void *ctx, enum cs_err err, const struct fleet_reply *r)
{
	struct claims_find *f = ctx;
	const struct claim_value *v = &f->value;
	uint64_t holds;

	if (!answered(f, err, r))
		return;
	if (!claims_answer_number(r, 1, &holds))
		end(f, CS_ERR_CORRUPT, NULL, false);
	else if (holds == 1)
		end(f, CS_OK, &v->holder, false);
	else if (v->state == CLAIM_SETTLED)
		end(f, CS_OK, &v->holder, true);
	else if (v->has_last)
		end(f, CS_OK, &v->last, true);
	else
		end(f, CS_ERR_NOT_FOUND, NULL, false);
}

static void ask(struct claims_find *f);

static void
looked(void *ctx, enum cs_err err, const struct fleet_reply *r)
{
	struct claims_find *f = ctx;

	if (!answered(f, err, r))
		return;
	err = claim_decode(claims_answer_bytes(r, 1), &f->claim, &f->value);
	if (err == CS_OK && f->value.state != CLAIM_FREE) {
		f->verifying = true;
		ask(f);
	} else {
		end(f, err == CS_OK ? CS_ERR_NOT_FOUND : err, NULL, false);
	}
}

static void
ask(struct claims_find *f)
{
	struct claims *c = f->c;
	unsigned bucket = layout_bucket(f->verifying ? &f->value.holder : &f->claim);
	struct layout_key k[2];
	struct view keys[2], args[1];

	f->waiting = false;
	if (!claims_enter(c, bucket, &f->asked)) {
		later(f);
	} else if (f->verifying) {
		claims_ask_verify(c, &f->claim, &f->value, CLAIM_POISON_NEVER, f->asked.tenure, FLEET_READS, verified, f);
	} else {
		keys[0] = layout_key(c->o.layout, bucket, LAYOUT_HEAD, NULL, 0, &k[0]);
		keys[1] = layout_key_of(c->o.layout, LAYOUT_CLAIM, &f->claim, &k[1]);
		args[0] = view_str(f->asked.tenure);
		fleet_script(c->o.fleet, bucket, SCRIPT_READ, keys, 2, args, 1, FLEET_READS, looked, f);
	}
}

void
claims_find(struct claims *c, const struct store_key *claim, store_find_fn *done, void *ctx)
{
	struct claims_find *f = calloc(1, sizeof(*f));

	CHECK(f != NULL);
	*f = (struct claims_find){.c = c, .next = c->finds, .at = &c->finds, .claim = *claim, .until_ms = c->now_ms + c->o.timeout_ms,
	    .done = done, .ctx = ctx};
	if (f->next != NULL)
		f->next->at = &f->next;
	c->finds = f;
	ask(f);
}

void
claims_finds_tick(struct claims *c, int64_t *next_ms)
{
	struct claims_find *next;

	/* What begins meanwhile is before the first. */
	for (struct claims_find *f = c->finds; f != NULL; f = next) {
		next = f->next;
		if (f->waiting && (c->stopped || c->now_ms >= f->again_ms))
			ask(f);
	}
	for (struct claims_find *f = c->finds; f != NULL; f = f->next) {
		if (f->waiting && f->again_ms - c->now_ms < *next_ms)
			*next_ms = f->again_ms - c->now_ms;
	}
}

void
claims_finds_stop(struct claims *c)
{
	int64_t next_ms = INT64_MAX;

	claims_finds_tick(c, &next_ms);
}
