/* SPDX-License-Identifier: Apache-2.0 */
/* Taking and settling the claims of a commit, over the fleet: the steps are those of claim_take.h. */
#include "broker/store/redis/claims_int.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/store/redis/commit_code.h"
#include "broker/store/redis/journal.h"
#include "broker/store/redis/scripts.h"

static void step(struct claims_hold *h);

/* --- shared with claims_find.c --- */

bool
claims_enter(struct claims *c, unsigned bucket, struct gate_pass *pass)
{
	return !c->stopped && gate_enter(&c->o.gate, bucket, pass);
}

void
claims_doubt(struct claims *c, unsigned bucket, enum cs_err err, const struct fleet_reply *r)
{
	if (err == CS_OK && (claims_answer(r) == ANSWER_SUSPECT || claims_answer(r) == ANSWER_STRANGER))
		c->o.gate.doubt(c->o.gate.ctx, bucket);
}

long long
claims_answer(const struct fleet_reply *r)
{
	const struct redisReply *v = r->value;

	return v->type == REDIS_REPLY_ARRAY && v->elements > 0 && v->element[0]->type == REDIS_REPLY_INTEGER ? v->element[0]->integer : 0;
}

bool
claims_answer_number(const struct fleet_reply *r, size_t i, uint64_t *out)
{
	const struct redisReply *v = r->value;

	if (i >= v->elements || v->element[i]->type != REDIS_REPLY_INTEGER || v->element[i]->integer < 0)
		return false;
	*out = (uint64_t)v->element[i]->integer;
	return true;
}

struct view
claims_answer_bytes(const struct fleet_reply *r, size_t i)
{
	const struct redisReply *v = r->value;

	if (i >= v->elements || v->element[i]->type != REDIS_REPLY_STRING)
		return view_of(NULL, 0);
	return view_of(v->element[i]->str, (size_t)v->element[i]->len);
}

void
claims_ask_verify(struct claims *c, const struct store_key *claim, const struct claim_value *v, enum claim_poison poison,
    const char *tenure, unsigned flags, fleet_fn *done, void *ctx)
{
	static const char *const modes[] = {
	    [CLAIM_POISON_NEVER] = "0", [CLAIM_POISON_UNLESS_HELD] = "1", [CLAIM_POISON_ALWAYS] = "2"};
	unsigned bucket = layout_bucket(&v->holder);
	struct layout_key k[5];
	struct view keys[5], args[4];
	char seconds[16];

	snprintf(seconds, sizeof(seconds), "%d", CLAIMS_POISON_S);
	keys[0] = layout_key(c->o.layout, bucket, LAYOUT_HEAD, NULL, 0, &k[0]);
	keys[1] = layout_key_of(c->o.layout, LAYOUT_RECORD, &v->holder, &k[1]);
	keys[2] = layout_key_of(c->o.layout, LAYOUT_CLAIMS, &v->holder, &k[2]);
	keys[3] = layout_key_of(c->o.layout, LAYOUT_HELD_MARK, &v->holder, &k[3]);
	keys[4] = layout_key(c->o.layout, bucket, LAYOUT_POISON, v->commit, sizeof(v->commit), &k[4]);
	args[0] = view_str(tenure);
	args[1] = view_of(claim->b, sizeof(claim->b));
	args[2] = view_str(modes[poison]);
	args[3] = view_str(seconds);
	fleet_script(c->o.fleet, bucket, SCRIPT_CLAIM_VERIFY, keys, 5, args, 4, flags, done, ctx);
}

/* --- holds --- */

static void
hold_free(struct claims_hold *h)
{
	struct claims *c = h->c;

	*(h->older != NULL ? &h->older->newer : &c->oldest) = h->newer;
	*(h->newer != NULL ? &h->newer->older : &c->newest) = h->older;
	free(h);
}

static void
settle_end(struct claims_hold *h)
{
	claims_settled_fn *settled = h->settled;
	claims_taken_fn *taken = h->taken;
	enum cs_err err = h->err;
	void *ctx = h->ctx;

	hold_free(h);
	if (settled != NULL)
		settled(ctx);
	else
		taken(ctx, err, NULL); /* of a taking that did not come to its end */
}

static void
settle_told(void *ctx, enum cs_err err, const struct fleet_reply *r)
{
	struct claims_hold *h = ctx;

	(void)err, (void)r;
	if (--h->left == 0)
		settle_end(h);
}

static void
cas_ask(struct claims_hold *h, const struct claim_take *t, struct view seen, const struct claim_value *to, const char *tenure, fleet_fn *done)
{
	struct claims *c = h->c;
	unsigned bucket = layout_bucket(&t->claim);
	struct layout_key k[2];
	struct view keys[2] = {layout_key(c->o.layout, bucket, LAYOUT_HEAD, NULL, 0, &k[0]),
	    layout_key_of(c->o.layout, LAYOUT_CLAIM, &t->claim, &k[1])};
	uint8_t value[CLAIM_BYTES];
	char known[24];
	struct view args[5] = {view_str(tenure), view_str(c->field), seen, view_of(value, sizeof(value)), view_of(known, 0)};

	args[4].len = (size_t)snprintf(known, sizeof(known), "%llu", (unsigned long long)journal_position(c->o.journal, bucket));

	claim_encode(value, &t->claim, to);
	fleet_script(c->o.fleet, bucket, SCRIPT_CLAIM_CAS, keys, 2, args, 5, FLEET_AGAIN, done, h);
}

/* The first n takes are settled, as far as their buckets are open. */
static void
settle(struct claims_hold *h, size_t n, bool committed)
{
	h->state = HOLD_SETTLING;
	h->left = 1;
	for (size_t i = 0; i < n; i++) {
		struct claim_take *t = &h->takes[i];
		struct claim_value after = claim_after(&t->mine, committed);
		uint8_t mine[CLAIM_BYTES];

		if (!claims_enter(h->c, layout_bucket(&t->claim), &h->asked))
			continue;
		claim_encode(mine, &t->claim, &t->mine);
		h->left++;
		cas_ask(h, t, view_of(mine, sizeof(mine)), &after, h->asked.tenure, settle_told);
	}
	if (--h->left == 0)
		settle_end(h);
}

/* The commit will not be sent. */
static void
fail(struct claims_hold *h, enum cs_err err)
{
	h->err = err;
	settle(h, h->at, false);
}

/* What cannot be asked now, or was lost; every question may be asked again. */
static void
later(struct claims_hold *h)
{
	struct claims *c = h->c;

	if (c->stopped || c->now_ms >= h->until_ms) {
		fail(h, CS_ERR_UNAVAILABLE);
		return;
	}
	h->state = HOLD_WAITING;
	h->again_ms = c->now_ms + CLAIMS_AGAIN_MS;
}

/* Whether the answer counts: what the bucket said while it was open, and is open still. */
static bool
told_well(struct claims_hold *h, enum cs_err err, const struct fleet_reply *r)
{
	claims_doubt(h->c, h->asked.bucket, err, r);
	if (err == CS_ERR_CORRUPT)
		log_error("msg=\"Redis could not look after a claim\" error=%s", log_value(view_of(r->value->str, (size_t)r->value->len)));
	if (err == CS_OK && (claims_answer(r) == ANSWER_DONE || claims_answer(r) == ANSWER_CONFLICT)) {
		/* Else it may be gone with the tenure, and its journal entry would come too late for the repair. */
		if (!h->c->stopped && gate_holds(&h->c->o.gate, &h->asked))
			return true;
		later(h);
	} else if (err == CS_OK && (claims_answer(r) == ANSWER_STRANGER || claims_answer(r) == ANSWER_HELD)) {
		fail(h, CS_ERR_UNAVAILABLE);
	} else if (err == CS_ERR_CORRUPT || err == CS_ERR_FULL || err == CS_ERR_DENIED) {
		fail(h, err == CS_ERR_DENIED ? CS_ERR_UNAVAILABLE : err);
	} else {
		later(h);
	}
	return false;
}

static void
put_down(struct claims_hold *h, const struct claim_take *t, uint64_t n)
{
	uint8_t value[CLAIM_BYTES];
	struct journal_entry e = {.kind = JOURNAL_CLAIM, .bucket = (uint16_t)layout_bucket(&t->claim), .n = n, .key = t->claim,
	    .revision = t->mine.version, .body = view_of(value, sizeof(value))};

	claim_encode(value, &t->claim, &t->mine);
	journal_put(h->c->o.journal, &e);
}

static void
cas_told(void *ctx, enum cs_err err, const struct fleet_reply *r)
{
	struct claims_hold *h = ctx;
	struct claim_take *t = &h->takes[h->at];
	bool done;
	uint64_t n = 0;

	if (!told_well(h, err, r))
		return;
	done = claims_answer(r) == ANSWER_DONE;
	if (done && (!claims_answer_number(r, 1, &n) || n == 0)) {
		fail(h, CS_ERR_CORRUPT);
		return;
	}
	err = claim_take_cas_told(t, done, done ? view_of(NULL, 0) : claims_answer_bytes(r, 1));
	if (err != CS_OK) {
		log_error("msg=\"a claim in Redis is no claim\"");
		fail(h, CS_ERR_CORRUPT);
		return;
	}
	if (done)
		put_down(h, t, n);
	step(h);
}

static void
verify_told(void *ctx, enum cs_err err, const struct fleet_reply *r)
{
	struct claims_hold *h = ctx;
	struct claim_take *t = &h->takes[h->at];
	uint64_t holds = 0;

	if (!told_well(h, err, r))
		return;
	if (!claims_answer_number(r, 1, &holds)) {
		fail(h, CS_ERR_CORRUPT);
		return;
	}
	claim_take_verify_told(t, holds == 1);
	step(h);
}

static void
wait(struct claims_hold *h)
{
	const struct claim_take *t = &h->takes[h->at];

	if (h->met_version != t->now.version) {
		h->met_version = t->now.version;
		h->met_ms = h->c->now_ms;
	}
	h->state = HOLD_WAITING;
	h->again_ms = h->c->now_ms + CLAIMS_AGAIN_MS;
}

/* Asks what is to be asked next. */
static void
step(struct claims_hold *h)
{
	struct claim_take *t;
	unsigned bucket;

	for (; h->at < h->takes_n && h->takes[h->at].ask == CLAIM_TAKEN; h->at++)
		h->met_version = 0;
	if (h->lost) {
		fail(h, h->err);
		return;
	}
	if (h->at == h->takes_n) {
		h->state = HOLD_SYNCING;
		return;
	}
	t = &h->takes[h->at];
	if (t->ask == CLAIM_REFUSED) {
		fail(h, CS_ERR_CONFLICT);
		return;
	}
	if (t->ask == CLAIM_ASK_WAIT) {
		wait(h);
		return;
	}
	bucket = layout_bucket(t->ask == CLAIM_ASK_CAS ? &t->claim : &t->now.holder);
	if (!claims_enter(h->c, bucket, &h->asked)) {
		later(h);
		return;
	}
	h->state = HOLD_ASKED;
	if (t->ask == CLAIM_ASK_CAS)
		cas_ask(h, t, claim_take_seen(t), &t->mine, h->asked.tenure, cas_told);
	else
		claims_ask_verify(h->c, &t->claim, &t->now, t->poison, h->asked.tenure, FLEET_AGAIN, verify_told, h);
}

/* --- from outside --- */

bool
claims_needed(const struct commit_image *image)
{
	for (size_t i = 0; i < image->commit.claims_n; i++) {
		if (!image->commit.claims[i].release)
			return true;
	}
	return false;
}

static int
by_claim(const void *a, const void *b)
{
	return memcmp(((const struct claim_take *)a)->claim.b, ((const struct claim_take *)b)->claim.b, STORE_KEY_BYTES);
}

void
claims_take(struct claims *c, const struct commit_image *image, claims_taken_fn *done, void *ctx)
{
	const struct store_commit *commit = &image->commit;
	struct claims_hold *h = calloc(1, sizeof(*h));

	CHECK(h != NULL && claims_needed(image));
	h->c = c;
	h->taken = done;
	h->ctx = ctx;
	h->until_ms = c->now_ms + c->o.timeout_ms;
	for (size_t i = 0; i < commit->claims_n; i++) {
		if (!commit->claims[i].release)
			claim_take_begin(&h->takes[h->takes_n++], &commit->claims[i].claim, &commit->key, image->id);
	}
	/* Everybody in the same order, so that two who want the same never wait for each other. */
	qsort(h->takes, h->takes_n, sizeof(h->takes[0]), by_claim);
	h->older = c->newest;
	*(c->newest != NULL ? &c->newest->newer : &c->oldest) = h;
	c->newest = h;
	/* Before any claim is put down: see claims.h. */
	if (!claims_enter(c, layout_bucket(&commit->key), &h->record))
		fail(h, CS_ERR_UNAVAILABLE);
	else
		step(h);
}

const char *
claims_tenure(const struct claims_hold *hold)
{
	return hold->record.tenure;
}

void
claims_settle(struct claims_hold *hold, enum claims_outcome outcome, claims_settled_fn *done, void *ctx)
{
	CHECK(hold->state == HOLD_READY && done != NULL);
	hold->settled = done;
	hold->ctx = ctx;
	settle(hold, outcome == CLAIMS_UNKNOWN ? 0 : hold->takes_n, outcome == CLAIMS_COMMITTED);
}

void
claims_synced(struct claims *c, enum cs_err err)
{
	struct claims_hold *next;

	for (struct claims_hold *h = c->oldest; h != NULL && err != CS_OK; h = h->newer) {
		if (h->state != HOLD_READY && h->state != HOLD_SETTLING && h->at > 0) {
			h->lost = true;
			h->err = err == CS_ERR_FULL ? CS_ERR_FULL : CS_ERR_UNAVAILABLE;
		}
	}
	/* What a completion begins is newer; what it settles is itself. */
	for (struct claims_hold *h = c->oldest; h != NULL; h = next) {
		next = h->newer;
		if (h->state != HOLD_SYNCING)
			continue;
		if (h->lost) {
			fail(h, h->err);
			continue;
		}
		h->state = HOLD_READY;
		h->taken(h->ctx, CS_OK, h);
	}
}

static void
look_again(struct claims_hold *h)
{
	struct claims *c = h->c;
	struct claim_take *t = &h->takes[h->at];

	if (c->stopped || c->now_ms >= h->until_ms)
		fail(h, CS_ERR_UNAVAILABLE);
	else {
		if (t->ask == CLAIM_ASK_WAIT)
			claim_take_waited(t, c->now_ms - h->met_ms >= CLAIMS_PATIENCE_MS);
		step(h);
	}
}

int64_t
claims_tick(struct claims *c, int64_t now_mono_ms)
{
	int64_t next_ms = INT64_MAX;
	struct claims_hold *next;

	c->now_ms = now_mono_ms;
	for (struct claims_hold *h = c->oldest; h != NULL; h = next) {
		next = h->newer;
		if (h->state == HOLD_WAITING && (c->stopped || now_mono_ms >= h->again_ms))
			look_again(h);
	}
	for (struct claims_hold *h = c->oldest; h != NULL; h = h->newer) {
		if (h->state == HOLD_WAITING && h->again_ms - now_mono_ms < next_ms)
			next_ms = h->again_ms - now_mono_ms;
	}
	claims_finds_tick(c, &next_ms);
	return next_ms < 1 ? 1 : next_ms;
}

struct claims *
claims_new(const struct claims_options *o)
{
	struct claims *c = calloc(1, sizeof(*c));

	CHECK(c != NULL && o->gate.open != NULL && o->timeout_ms > 0);
	c->o = *o;
	snprintf(c->field, sizeof(c->field), "w:%s", o->member);
	return c;
}

void
claims_stop(struct claims *c)
{
	c->stopped = true;
	claims_tick(c, c->now_ms);
	claims_synced(c, CS_ERR_UNAVAILABLE);
	claims_finds_stop(c);
}

void
claims_free(struct claims *c)
{
	CHECK(c->oldest == NULL && c->finds == NULL);
	free(c);
}
