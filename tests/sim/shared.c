/* SPDX-License-Identifier: Apache-2.0 */
/* The truth, and what each broker knows of it. */
#include "tests/sim/shared.h"

#include <stdlib.h>

#include "broker/base/bytes.h"
#include "broker/base/check.h"
#include "broker/store/cache.h"

enum {
	CHANCE_ONE = 1000,
	DELAY_TURNS_MAX = 3,
	REPAIR_TURNS_MAX = 12,
	LEASE_LOST_ONE_IN = 400,  /* turns of a broker */
	LEASE_LOST_TURNS_MAX = 20,
	BEAT_ONE_IN = 4,          /* turns */
	HELD_MAX = 256,
	JOURNAL_KEEP = 512,       /* entries; many more than can be forgotten */
	WORDS_MAX = 8,
	WORD_NAME_MAX = STORE_KEY_BYTES, /* it stands where a key does */
};

/* A commit, copied. */
struct copy {
	struct store_commit c;
	struct store_event events[STORE_BATCH_MAX];
	struct store_claim claims[STORE_CLAIMS_MAX];
	struct store_payment payments[STORE_PAYMENTS_MAX];
	uint8_t bytes[];
};

enum op_kind { OP_LOAD, OP_COMMIT, OP_FIND, OP_PAYMENT, OP_SCAN, OP_WORD, OP_TOLD };

struct op {
	enum op_kind kind;
	bool sent;                /* and carried out: its reply is on the way */
	unsigned turns;
	uint64_t tenure;          /* under which it was asked, and then carried out */
	struct store_key key, second;
	struct copy *commit;
	struct cache_entry *got;  /* by a load */
	enum cs_err err;
	struct store_scan scan;
	store_row_fn *row;
	union {
		store_load_fn *load;
		store_commit_fn *commit;
		store_find_fn *find;
		store_payment_fn *payment;
		store_scan_fn *scan;
		store_word_fn *word;
	} done;
	void *ctx;
};

struct port {
	struct store base;
	struct shared *shared;
	unsigned number;
	struct store_mem_options options;
	struct cache memory;      /* what it saw, perhaps long ago */
	struct op *ops;
	size_t ops_n, ops_cap;
	struct copy *journal[JOURNAL_KEEP];
	uint64_t journal_n;
	uint64_t zero_seen;
	unsigned lease_lost;      /* turns to go */
	bool open;
};

struct shared {
	struct store *truth;
	uint64_t random, tenure;
	enum shared_fault fault;
	struct port *ports[SHARED_BROKERS_MAX];
	size_t ports_n;
	unsigned repair_in;       /* turns; 0: it serves */
	size_t forgettable;       /* commits */
	struct {
		struct copy *copy;
		bool noted;       /* some broker has it in its journal */
	} fresh[SHARED_HISTORY];  /* these commits, the newest last */
	size_t fresh_n;
	struct said {
		char name[WORD_NAME_MAX];
		bool told;
	} words[WORDS_MAX];
	size_t words_n;
	bool all_lead;
	struct store_key held[HELD_MAX];
	size_t held_n;
	struct shared_counts counts;
};

static const struct store_key zero_key;
/* A revision that no record has, and its journal's entry is not put back. */
#define NEVER (UINT64_MAX - STORE_BATCH_MAX)

/* splitmix64 */
static uint64_t
next_random(struct shared *s, uint64_t below)
{
	uint64_t x = s->random += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return (x ^ x >> 31) % below;
}

static bool
chance(struct shared *s, uint16_t of_thousand)
{
	return of_thousand > 0 && next_random(s, CHANCE_ONE) < of_thousand;
}

static bool
same(const struct store_key *a, const struct store_key *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

/* --- copies --- */

static struct view
take(uint8_t **at, struct view v)
{
	struct view to = view_of(*at, v.len);

	if (v.len > 0)
		memcpy(*at, v.data, v.len);
	*at += v.len;
	return v.data == NULL ? v : to;
}

static struct copy *
copy_new(const struct store_commit *c)
{
	size_t size = c->hot.len + c->cold.len;
	struct copy *to;
	uint8_t *at;

	for (size_t i = 0; i < c->events_n; i++)
		size += c->events[i].event.len + c->events[i].extra.len;
	for (size_t i = 0; i < c->payments_n; i++)
		size += c->payments[i].summary.len;
	to = calloc(1, sizeof(*to) + size);
	CHECK(to != NULL);
	at = to->bytes;
	to->c = *c;
	to->c.hot = take(&at, c->hot);
	to->c.cold = take(&at, c->cold);
	for (size_t i = 0; i < c->events_n; i++)
		to->events[i] = (struct store_event){take(&at, c->events[i].event), take(&at, c->events[i].extra)};
	for (size_t i = 0; i < c->claims_n; i++)
		to->claims[i] = c->claims[i];
	for (size_t i = 0; i < c->payments_n; i++)
		to->payments[i] = (struct store_payment){c->payments[i].payment, take(&at, c->payments[i].summary)};
	to->c.events = to->events;
	to->c.claims = to->claims;
	to->c.payments = to->payments;
	return to;
}

/* --- what may be forgotten --- */

static void
fresh_push(struct shared *s, const struct store_commit *c)
{
	if (s->fresh_n == SHARED_HISTORY) {
		free(s->fresh[0].copy);
		memmove(&s->fresh[0], &s->fresh[1], --s->fresh_n * sizeof(s->fresh[0]));
	}
	s->fresh[s->fresh_n].copy = copy_new(c);
	s->fresh[s->fresh_n++].noted = false;
}

static void
fresh_pop(struct shared *s, size_t n)
{
	for (; n > 0 && s->fresh_n > 0; n--)
		free(s->fresh[--s->fresh_n].copy);
}

/* --- the truth --- */

static void
told(void *ctx, enum cs_err err)
{
	*(enum cs_err *)ctx = err;
}

static enum cs_err
truth_commit(struct shared *s, const struct store_commit *c)
{
	enum cs_err err = CS_ERR_UNKNOWN;

	store_commit(s->truth, c, told, &err);
	store_flush(s->truth);
	if (err == CS_OK && c->events_n > 0) {
		s->forgettable++;
		fresh_push(s, c);
	}
	return err;
}

static void
loaded(void *ctx, enum cs_err err, const struct store_record *record)
{
	struct op *op = ctx;

	op->err = err;
	if (err == CS_OK)
		op->got = cache_entry_new(&op->key, record->revision, record->hot, record->cold);
}

/* NULL: there is none. The caller's. */
static struct cache_entry *
truth_load(struct shared *s, const struct store_key *key)
{
	struct op op = {.key = *key};

	store_load(s->truth, key, loaded, &op);
	return op.got;
}

static uint64_t
truth_revision(struct shared *s, const struct store_key *key)
{
	struct cache_entry *e = truth_load(s, key);
	uint64_t revision = e == NULL ? 0 : e->revision;

	if (e != NULL)
		cache_entry_free(e);
	return revision;
}

/* --- what a broker remembers --- */

static void
forget_key(struct port *p, const struct store_key *key)
{
	struct cache_entry *e = cache_take(&p->memory, key);

	if (e != NULL)
		cache_entry_free(e);
}

static void
remember(struct port *p, struct cache_entry *e)
{
	struct cache_entry *old = cache_put(&p->memory, e);

	if (old != NULL)
		cache_entry_free(old);
}

static void
forget_all(struct port *p)
{
	cache_clear(&p->memory);
	cache_init(&p->memory, SIZE_MAX);
}

/* An absent record is remembered by nobody: a first commit is held against the truth alone. */
static bool
remembers(struct port *p, const struct store_commit *c)
{
	struct cache_entry *e = cache_get(&p->memory, &c->key);

	return c->expected == 0 || (e != NULL && e->revision == c->expected);
}

static void
journal_put(struct port *p, struct copy *c)
{
	struct copy **at = &p->journal[p->journal_n++ % JOURNAL_KEEP];

	free(*at);
	*at = c;
}

/* The commit stands in a journal. */
static void
note(struct shared *s, const struct store_commit *c)
{
	for (size_t i = 0; i < s->fresh_n; i++)
		if (same(&s->fresh[i].copy->c.key, &c->key) && s->fresh[i].copy->c.expected == c->expected)
			s->fresh[i].noted = true;
}

/* Where tenures do not count it is left out, too: it hides nearly all of what that does. */
static bool
grounds(const struct shared *s)
{
	return s->fault != SHARED_NO_JOURNAL && s->fault != SHARED_NO_GROUND && s->fault != SHARED_NO_TENURE;
}

/*
 * An answer without events rests on all that brought the record there. What nobody acknowledged, as its broker died or never
 * heard of it, is in no journal: it goes into this one's.
 */
static void
journal_ground(struct port *p, const struct store_commit *question)
{
	struct shared *s = p->shared;

	for (size_t i = 0; i < s->fresh_n; i++) {
		const struct store_commit *c = &s->fresh[i].copy->c;

		if (s->fresh[i].noted || !same(&c->key, &question->key) || c->expected + c->events_n > question->expected)
			continue;
		journal_put(p, copy_new(c));
		s->fresh[i].noted = true;
	}
}

/* --- carrying out --- */

static unsigned
turns_to_wait(struct port *p)
{
	return chance(p->shared, p->options.delay) ? 1 + (unsigned)next_random(p->shared, DELAY_TURNS_MAX) : 0;
}

static bool
serves(const struct port *p, const struct store_key *key)
{
	return p->shared->repair_in == 0 && !shared_held(p->shared, key);
}

static enum cs_err
commit_out(struct port *p, struct op *op)
{
	const struct store_commit *c = &op->commit->c;
	struct shared *s = p->shared;

	if (!serves(p, &c->key) || chance(s, p->options.fail))
		return CS_ERR_UNAVAILABLE;
	if (c->events_n > 0 && !c->narrows && p->lease_lost > 0)
		return CS_ERR_UNAVAILABLE;
	if (c->events_n == 0 && s->fault == SHARED_NO_QUESTION)
		return CS_OK;
	if (s->fault != SHARED_NO_TENURE && op->tenure != s->tenure)
		return CS_ERR_CONFLICT;
	if (chance(s, p->options.conflict))
		return CS_ERR_CONFLICT;
	if (c->events_n > 0 && chance(s, p->options.lose_write))
		return CS_ERR_UNKNOWN;
	op->err = truth_commit(s, c);
	return op->err == CS_OK && chance(s, p->options.lose_reply) ? CS_ERR_UNKNOWN : op->err;
}

static void
carry_out(struct port *p, struct op *op)
{
	switch (op->kind) {
	case OP_COMMIT:
		op->err = commit_out(p, op);
		break;
	case OP_LOAD:
		op->err = CS_ERR_UNAVAILABLE;
		if (!serves(p, &op->key))
			break;
		op->got = truth_load(p->shared, &op->key);
		op->err = op->got == NULL ? CS_ERR_NOT_FOUND : CS_OK;
		break;
	default:
		break;
	}
	op->tenure = p->shared->tenure;
	op->sent = true;
	op->turns = turns_to_wait(p);
}

/* --- replies --- */

static void
commit_reply(struct port *p, struct op *op)
{
	struct shared *s = p->shared;
	struct copy *copy = op->commit;

	/* The fence: a reply of a server that is none any more says nothing. */
	if (op->tenure != s->tenure && op->err == CS_OK)
		op->err = CS_ERR_UNKNOWN;
	if (op->err == CS_OK && copy->c.events_n > 0) {
		struct cache_entry *old = cache_get(&p->memory, &copy->c.key);
		struct view cold = copy->c.cold.data == NULL && old != NULL ? cache_cold(old) : copy->c.cold;

		remember(p, cache_entry_new(&copy->c.key, copy->c.expected + copy->c.events_n, copy->c.hot, cold));
		if (s->fault != SHARED_NO_JOURNAL) {
			note(s, &copy->c);
			journal_put(p, copy);
			copy = NULL;
		}
	} else if (op->err == CS_OK && grounds(s)) {
		journal_ground(p, &copy->c);
	} else if (op->err != CS_OK) {
		forget_key(p, &copy->c.key);
	}
	s->counts.conflicts += op->err == CS_ERR_CONFLICT;
	free(copy);
	op->done.commit(op->ctx, op->err);
}

static void
load_reply(struct port *p, struct op *op)
{
	struct store_record record;
	struct cache_entry *e = op->got;

	if (op->tenure != p->shared->tenure && e != NULL) {
		cache_entry_free(e);
		e = NULL;
		op->err = CS_ERR_UNAVAILABLE;
	}
	if (e == NULL) {
		op->done.load(op->ctx, op->err, NULL);
		return;
	}
	/* What was committed since it was sent is newer. */
	if (cache_get(&p->memory, &op->key) == NULL || cache_get(&p->memory, &op->key)->revision <= e->revision) {
		remember(p, e);
		e->pins++;
	} else {
		cache_entry_free(e);
		e = cache_get(&p->memory, &op->key);
		e->pins++;
	}
	record = (struct store_record){e->revision, cache_hot(e), cache_cold(e)};
	op->done.load(op->ctx, CS_OK, &record);
	e->pins--;
}

struct found_by {
	enum cs_err err;
	struct store_key holder;
	bool tombstone;
};

static void
found(void *ctx, enum cs_err err, const struct store_key *holder, bool tombstone)
{
	struct found_by *f = ctx;

	f->err = err;
	f->tombstone = tombstone;
	if (holder != NULL)
		f->holder = *holder;
}

/* These three are read when they are told. */
static void
find_reply(struct port *p, struct op *op)
{
	struct found_by f = {.err = CS_ERR_UNAVAILABLE};

	if (p->shared->repair_in == 0)
		store_find(p->shared->truth, &op->key, found, &f);
	op->done.find(op->ctx, f.err, f.err == CS_OK ? &f.holder : NULL, f.tombstone);
}

static void
payment_reply(struct port *p, struct op *op)
{
	if (serves(p, &op->key))
		store_find_payment(p->shared->truth, &op->key, &op->second, op->done.payment, op->ctx);
	else
		op->done.payment(op->ctx, CS_ERR_UNAVAILABLE, view_of(NULL, 0));
}

static void
scan_reply(struct port *p, struct op *op)
{
	if (op->scan.key != NULL)
		op->scan.key = &op->key;
	if (p->shared->repair_in == 0)
		store_scan(p->shared->truth, &op->scan, op->row, op->done.scan, op->ctx);
	else
		op->done.scan(op->ctx, CS_ERR_UNAVAILABLE, op->scan.after);
}

static void
word_reply(struct port *p, struct op *op)
{
	const struct shared *s = p->shared;

	for (size_t i = 0; i < s->words_n; i++) {
		struct store_word word = {.name = view_str(s->words[i].name), .said_ms = 1, .bucket = -1, .member = view_str(s->words[i].name),
		    .by = VIEW("uid 0"), .reason = VIEW("burnt")};

		if (s->words[i].told)
			continue;
		op->done.word(op->ctx, CS_OK, &word);
		return;
	}
	op->done.word(op->ctx, CS_ERR_NOT_FOUND, NULL);
}

static void
told_reply(struct port *p, struct op *op)
{
	struct shared *s = p->shared;

	for (size_t i = 0; i < s->words_n; i++)
		s->words[i].told |= memcmp(s->words[i].name, op->key.b, sizeof(op->key.b)) == 0;
	op->done.commit(op->ctx, CS_OK);
}

static void
reply(struct port *p, struct op *op)
{
	switch (op->kind) {
	case OP_COMMIT:
		commit_reply(p, op);
		break;
	case OP_LOAD:
		load_reply(p, op);
		break;
	case OP_FIND:
		find_reply(p, op);
		break;
	case OP_PAYMENT:
		payment_reply(p, op);
		break;
	case OP_SCAN:
		scan_reply(p, op);
		break;
	case OP_WORD:
		word_reply(p, op);
		break;
	case OP_TOLD:
		told_reply(p, op);
		break;
	}
}

static struct op *
op_push(struct port *p, struct op op)
{
	if (p->ops_n == p->ops_cap) {
		p->ops_cap = p->ops_cap == 0 ? 16 : p->ops_cap * 2;
		p->ops = realloc(p->ops, p->ops_cap * sizeof(p->ops[0]));
		CHECK(p->ops != NULL);
	}
	op.tenure = p->shared->tenure;
	op.turns = turns_to_wait(p);
	p->ops[p->ops_n++] = op;
	return &p->ops[p->ops_n - 1];
}

/* One step of whatever is due. What is asked meanwhile waits for the next. */
static void
run(struct port *p, bool all)
{
	struct op *ops = p->ops, *ready;
	size_t n = p->ops_n, ready_n = 0;

	if (n == 0)
		return;
	ready = malloc(n * sizeof(ready[0]));
	CHECK(ready != NULL);
	p->ops_n = 0;
	for (size_t i = 0; i < n; i++) {
		struct op *op = &ops[i];

		if (!all && op->turns > 0) {
			op->turns--;
		} else if (!op->sent) {
			carry_out(p, op);
			if (!all && op->turns == 0)
				op->turns = 1;
		} else {
			ready[ready_n++] = *op;
			continue;
		}
		p->ops[p->ops_n++] = *op;
	}
	for (size_t i = ready_n; i > 1 && p->options.reorder > 0; i--) {
		size_t other = chance(p->shared, p->options.reorder) ? (size_t)next_random(p->shared, i) : i - 1;
		struct op swap = ready[i - 1];

		ready[i - 1] = ready[other];
		ready[other] = swap;
	}
	for (size_t i = 0; i < ready_n; i++)
		reply(p, &ready[i]);
	free(ready);
}

/* --- the contract --- */

static void
op_load(struct store *base, const struct store_key *key, store_load_fn *done, void *ctx)
{
	struct port *p = (struct port *)base;
	struct cache_entry *e = same(key, &zero_key) ? NULL : cache_get(&p->memory, key);

	if (e == NULL) {
		op_push(p, (struct op){.kind = OP_LOAD, .key = *key, .done.load = done, .ctx = ctx});
		return;
	}
	p->shared->counts.stale_loads += e->revision != truth_revision(p->shared, key);
	e->pins++;
	done(ctx, CS_OK, &(struct store_record){e->revision, cache_hot(e), cache_cold(e)});
	e->pins--;
}

static void
op_commit(struct store *base, const struct store_commit *c, store_commit_fn *done, void *ctx)
{
	struct port *p = (struct port *)base;
	struct op *op = op_push(p, (struct op){.kind = OP_COMMIT, .key = c->key, .commit = copy_new(c), .done.commit = done,
	    .ctx = ctx});

	/* Another of the same revision may have come after the one that was lost: only what is remembered is committed on. */
	if (p->shared->fault != SHARED_NO_TENURE && !remembers(p, c)) {
		op->sent = true;
		op->err = CS_ERR_CONFLICT;
	}
}

static void
op_find(struct store *base, const struct store_key *claim, store_find_fn *done, void *ctx)
{
	op_push((struct port *)base, (struct op){.kind = OP_FIND, .key = *claim, .done.find = done, .ctx = ctx});
}

static void
op_find_payment(struct store *base, const struct store_key *key, const struct store_key *payment,
    store_payment_fn *done, void *ctx)
{
	op_push((struct port *)base, (struct op){.kind = OP_PAYMENT, .key = *key, .second = *payment, .done.payment = done,
	    .ctx = ctx});
}

static void
op_scan(struct store *base, const struct store_scan *scan, store_row_fn *row, store_scan_fn *done, void *ctx)
{
	op_push((struct port *)base, (struct op){.kind = OP_SCAN, .key = scan->key != NULL ? *scan->key : zero_key,
	    .scan = *scan, .row = row, .done.scan = done, .ctx = ctx});
}

static void
op_word(struct store *base, store_word_fn *done, void *ctx)
{
	/* Where nobody says any the schedule is as without them. */
	if (((struct port *)base)->shared->words_n == 0)
		done(ctx, CS_ERR_NOT_FOUND, NULL);
	else
		op_push((struct port *)base, (struct op){.kind = OP_WORD, .done.word = done, .ctx = ctx});
}

static void
op_word_told(struct store *base, struct view name, store_commit_fn *done, void *ctx)
{
	struct op op = {.kind = OP_TOLD, .done.commit = done, .ctx = ctx};

	CHECK(name.len < sizeof(op.key.b));
	memcpy(op.key.b, name.data, name.len);
	op_push((struct port *)base, op);
}

static void
op_flush(struct store *base)
{
	run((struct port *)base, false);
}

static bool
op_idle(struct store *base, int64_t budget_us)
{
	(void)budget_us;
	run((struct port *)base, false);
	return ((struct port *)base)->ops_n > 0;
}

static int64_t
op_tick(struct store *base, int64_t now_mono_ms)
{
	(void)now_mono_ms;
	run((struct port *)base, false);
	return 1;
}

static void
op_view(struct store *base, struct store_view *out)
{
	struct port *p = (struct port *)base;
	bool least = true;

	for (size_t i = 0; i < p->shared->ports_n; i++)
		least &= i >= p->number || p->shared->all_lead || !p->shared->ports[i]->open || p->shared->ports[i]->lease_lost > 0;
	*out = (struct store_view){.fresh = p->lease_lost == 0, .leads = least && p->lease_lost == 0,
	    .zero_revision = p->zero_seen};
}

static void
op_status(struct store *base, struct store_status *out)
{
	(void)base;
	out->log_last = 0;
}

static void
op_close(struct store *base)
{
	struct port *p = (struct port *)base;

	while (p->ops_n > 0)
		run(p, true);
	p->open = false;
	forget_all(p);
	cache_clear(&p->memory);
	free(p->ops);
	for (size_t i = 0; i < JOURNAL_KEEP; i++)
		free(p->journal[i]);
	store_clear(base);
}

static const struct store_ops ops = {
    .kind = "shared",
    .shared = true,
    .load = op_load,
    .commit = op_commit,
    .find = op_find,
    .find_payment = op_find_payment,
    .scan = op_scan,
    .flush = op_flush,
    .idle = op_idle,
    .tick = op_tick,
    .view = op_view,
    .status = op_status,
    .word = op_word,
    .word_told = op_word_told,
    .close = op_close,
};

struct store *
shared_open(struct shared *s)
{
	struct port *p = calloc(1, sizeof(*p));

	CHECK(p != NULL && s->ports_n < SHARED_BROKERS_MAX);
	p->shared = s;
	p->number = (unsigned)s->ports_n;
	p->open = true;
	s->ports[s->ports_n++] = p;
	cache_init(&p->memory, SIZE_MAX);
	store_init(&p->base, &ops);
	return &p->base;
}

void
shared_misbehave(struct store *port, const struct store_mem_options *options)
{
	((struct port *)port)->options = *options;
}

void
shared_crash(struct store *port)
{
	struct port *p = (struct port *)port;

	for (size_t i = 0; i < p->ops_n; i++) {
		struct op *op = &p->ops[i];

		if (!op->sent && op->kind == OP_COMMIT && next_random(p->shared, 2) == 0)
			carry_out(p, op);
		if (op->got != NULL)
			cache_entry_free(op->got);
		free(op->commit);
	}
	p->ops_n = 0;
	p->lease_lost = 0;
	forget_all(p);
	store_forget(port);
}

/* --- the whole --- */

struct shared *
shared_new(uint64_t seed, enum shared_fault fault)
{
	const struct store_mem_options honest = {.seed = seed, .history = SHARED_HISTORY};
	struct shared *s = calloc(1, sizeof(*s));

	CHECK(s != NULL);
	s->random = seed;
	s->fault = fault;
	s->tenure = 1;
	s->truth = store_mem_open(&honest);
	return s;
}

void
shared_free(struct shared *s)
{
	for (size_t i = 0; i < s->ports_n; i++)
		free(s->ports[i]);
	fresh_pop(s, s->fresh_n);
	store_close(s->truth);
	free(s);
}

struct store *
shared_truth(struct shared *s)
{
	return s->truth;
}

void
shared_forget(struct shared *s, size_t n)
{
	if (s->repair_in > 0)
		return;
	if (s->forgettable > SHARED_HISTORY)
		s->forgettable = SHARED_HISTORY;
	n = store_mem_forget(s->truth, n < s->forgettable ? n : s->forgettable);
	s->forgettable -= n;
	fresh_pop(s, n);
	s->counts.forgotten += n;
	s->tenure++;
	s->repair_in = 1 + (unsigned)next_random(s, REPAIR_TURNS_MAX);
	for (size_t i = 0; i < s->ports_n && s->fault != SHARED_NO_TENURE; i++)
		forget_all(s->ports[i]);
}

void
shared_say(struct shared *s, const char *name)
{
	struct said *word = &s->words[s->words_n++];

	CHECK(s->words_n <= WORDS_MAX && strlen(name) < sizeof(word->name));
	memset(word, 0, sizeof(*word));
	memcpy(word->name, name, strlen(name));
}

bool
shared_told(const struct shared *s)
{
	for (size_t i = 0; i < s->words_n; i++)
		if (!s->words[i].told)
			return false;
	return true;
}

void
shared_all_lead(struct shared *s)
{
	s->all_lead = true;
}

void
shared_keep(struct shared *s)
{
	s->forgettable = 0;
	fresh_pop(s, s->fresh_n);
}

/* Puts back what follows on the records as they are. Whether something was. */
static bool
put_back(struct shared *s, struct port *p)
{
	uint64_t first = p->journal_n > JOURNAL_KEEP ? p->journal_n - JOURNAL_KEEP : 0;
	bool moved = false;

	for (uint64_t i = first; i < p->journal_n; i++) {
		const struct store_commit *c = &p->journal[i % JOURNAL_KEEP]->c;

		if (truth_revision(s, &c->key) != c->expected)
			continue;
		CHECK(truth_commit(s, c) == CS_OK);
		note(s, c);
		s->counts.put_back++;
		moved = true;
	}
	return moved;
}

/* What was acknowledged and does not follow on anything. Of the broker's own record an admin says at once that it may go on. */
static void
hold(struct shared *s, struct port *p)
{
	uint64_t first = p->journal_n > JOURNAL_KEEP ? p->journal_n - JOURNAL_KEEP : 0;

	for (uint64_t i = first; i < p->journal_n; i++) {
		struct store_commit *c = &p->journal[i % JOURNAL_KEEP]->c;

		if (truth_revision(s, &c->key) >= c->expected + c->events_n || shared_held(s, &c->key))
			continue;
		if (same(&c->key, &zero_key)) {
			c->expected = NEVER;
			continue;
		}
		CHECK(s->held_n < HELD_MAX);
		s->held[s->held_n++] = c->key;
		s->counts.held++;
	}
}

static void
repair(struct shared *s)
{
	bool moved = s->fault != SHARED_NO_REPAIR;

	while (moved) {
		moved = false;
		for (size_t i = 0; i < s->ports_n; i++)
			moved |= put_back(s, s->ports[i]);
	}
	for (size_t i = 0; i < s->ports_n && s->fault != SHARED_NO_REPAIR; i++)
		hold(s, s->ports[i]);
}

void
shared_turn(struct shared *s)
{
	if (s->repair_in > 0 && --s->repair_in == 0)
		repair(s);
	for (size_t i = 0; i < s->ports_n; i++) {
		struct port *p = s->ports[i];

		if (p->lease_lost > 0)
			p->lease_lost--;
		else if (p->options.fail > 0 && next_random(s, LEASE_LOST_ONE_IN) == 0)
			p->lease_lost = 1 + (unsigned)next_random(s, LEASE_LOST_TURNS_MAX);
		if (p->lease_lost == 0 && s->repair_in == 0 && next_random(s, BEAT_ONE_IN) == 0)
			p->zero_seen = truth_revision(s, &zero_key);
	}
}

void
shared_lose_lease(struct store *port, unsigned turns)
{
	((struct port *)port)->lease_lost = turns;
}

void
shared_settle(struct shared *s)
{
	if (s->repair_in > 0) {
		s->repair_in = 0;
		repair(s);
	}
	for (size_t i = 0; i < s->ports_n; i++) {
		s->ports[i]->lease_lost = 0;
		s->ports[i]->zero_seen = truth_revision(s, &zero_key);
	}
}

bool
shared_whole(const struct shared *s)
{
	return s->repair_in == 0;
}

bool
shared_held(const struct shared *s, const struct store_key *key)
{
	for (size_t i = 0; i < s->held_n; i++) {
		if (same(&s->held[i], key))
			return true;
	}
	return false;
}

struct shared_counts
shared_counts(const struct shared *s)
{
	return s->counts;
}
