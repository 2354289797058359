/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store in memory. It is an oracle, so it is plain: records in a map, all else in arrays. Claims
 * and payments are found by chains through their arrays, newest first. A list of what each commit of
 * the turn changed serves the crash; a queue of completions serves the delays.
 */
#include "broker/store/mem.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/store/cache.h"

enum { DELAY_TURNS_MAX = 3, CHANCE_ONE = 1000, CHAINS = 1 << 14 };

struct mem_row {
	struct store_key key;
	uint64_t revision;
	size_t event_len, extra_len;
	uint8_t *bytes; /* event, then extra */
};

struct mem_claim {
	struct store_key claim, holder;
	bool held;
	size_t older; /* the next in its chain, counted from 1 */
};

struct mem_payment {
	struct store_key key, payment;
	size_t len;
	uint8_t summary[STORE_SUMMARY_MAX];
	size_t older;
};

/*
 * What a commit of this turn found. Claims and payments are appended, the newest counts, so a
 * length is enough.
 */
struct mem_undo {
	struct store_key key;
	struct cache_entry *before;
	size_t rows_n, claims_n, payments_n;
};

enum call_kind { CALL_LOAD, CALL_COMMIT, CALL_FIND, CALL_PAYMENT, CALL_SCAN };

struct call {
	enum call_kind kind;
	unsigned turns; /* to wait */
	struct store_key key, second;
	enum cs_err err;
	union {
		store_load_fn *load;
		store_commit_fn *commit;
		store_find_fn *find;
		store_payment_fn *payment;
		store_scan_fn *scan;
	} done;
	struct store_scan scan; /* its key, if any, is `key` */
	store_row_fn *row;
	void *ctx;
};

struct store_mem {
	struct store base;
	struct store_mem_options options;
	uint64_t random;
	struct cache records;
	struct mem_row *rows;
	struct mem_claim *claims;
	struct mem_payment *payments;
	struct mem_undo *undo;
	struct call *calls;
	size_t rows_n, rows_cap, claims_n, claims_cap, payments_n, payments_cap, undo_n, undo_cap,
	    calls_n, calls_cap;
	size_t durable_rows;
	size_t history, undo_durable; /* of undo: its first, of commits that are durable and may be forgotten */
	size_t claim_chains[CHAINS], payment_chains[CHAINS]; /* the newest of each, counted from 1 */
};

/* One more element at the end of a growing array. */
#define PUSH(s, array)                                                                             \
	(*(__typeof__((s)->array))push(                                                            \
	    (void **)&(s)->array, &(s)->array##_n, &(s)->array##_cap, sizeof((s)->array[0])))

static void *
push(void **array, size_t *n, size_t *cap, size_t size)
{
	if (*n == *cap) {
		*cap = *cap == 0 ? 16 : *cap * 2;
		*array = realloc(*array, *cap * size);
		CHECK(*array != NULL);
	}
	return (char *)*array + size * (*n)++;
}

static bool
same(const struct store_key *a, const struct store_key *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

/* splitmix64 */
static uint64_t
next_random(struct store_mem *s)
{
	uint64_t x = s->random += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

static bool
chance(struct store_mem *s, uint16_t of_thousand)
{
	return of_thousand > 0 && next_random(s) % CHANCE_ONE < of_thousand;
}

static unsigned
turns_to_wait(struct store_mem *s)
{
	return chance(s, s->options.delay) ? 1 + (unsigned)(next_random(s) % DELAY_TURNS_MAX) : 0;
}

/* Keys are digests: any bits of them are as good as a hash. */
static size_t *
chain(size_t chains[CHAINS], const struct store_key *key)
{
	return &chains[(key->b[0] | key->b[1] << 8) % CHAINS];
}

static const struct mem_claim *
claim_find(struct store_mem *s, const struct store_key *claim)
{
	for (size_t i = *chain(s->claim_chains, claim); i > 0; i = s->claims[i - 1].older) {
		if (same(&s->claims[i - 1].claim, claim))
			return &s->claims[i - 1];
	}
	return NULL;
}

static const struct mem_payment *
payment_find(struct store_mem *s, const struct store_key *key, const struct store_key *payment)
{
	for (size_t i = *chain(s->payment_chains, payment); i > 0; i = s->payments[i - 1].older) {
		if (same(&s->payments[i - 1].key, key) &&
		    same(&s->payments[i - 1].payment, payment))
			return &s->payments[i - 1];
	}
	return NULL;
}

static bool
claims_fit(struct store_mem *s, const struct store_commit *c)
{
	for (size_t i = 0; i < c->claims_n; i++) {
		const struct mem_claim *now = claim_find(s, &c->claims[i].claim);
		bool held = now != NULL && now->held;
		bool own = held && same(&now->holder, &c->key);

		if (c->claims[i].release ? !own : held && (!own || c->claims[i].once))
			return false;
	}
	return true;
}

static void
row_add(struct store_mem *s, const struct store_key *key, uint64_t revision,
    const struct store_event *e)
{
	uint8_t *bytes = malloc(e->event.len + e->extra.len);

	CHECK(bytes != NULL);
	memcpy(bytes, e->event.data, e->event.len);
	if (e->extra.len > 0)
		memcpy(bytes + e->event.len, e->extra.data, e->extra.len);
	PUSH(s, rows) = (struct mem_row){*key, revision, e->event.len, e->extra.len, bytes};
}

static void
commit_write(struct store_mem *s, const struct store_commit *c, struct cache_entry *old)
{
	struct view cold = c->cold.data == NULL && old != NULL ? cache_cold(old) : c->cold;
	struct cache_entry *e = cache_entry_new(&c->key, c->expected + c->events_n, c->hot, cold);

	PUSH(s, undo) = (struct mem_undo){c->key, old, s->rows_n, s->claims_n, s->payments_n};
	CHECK(cache_put(&s->records, e) == old);
	for (size_t i = 0; i < c->events_n; i++)
		row_add(s, &c->key, c->expected + i + 1, &c->events[i]);
	for (size_t i = 0; i < c->claims_n; i++) {
		size_t *newest = chain(s->claim_chains, &c->claims[i].claim);

		PUSH(s, claims) = (struct mem_claim){
		    c->claims[i].claim, c->key, !c->claims[i].release, *newest};
		*newest = s->claims_n;
	}
	for (size_t i = 0; i < c->payments_n; i++) {
		struct mem_payment *p = &PUSH(s, payments);
		size_t *newest = chain(s->payment_chains, &c->payments[i].payment);

		*p = (struct mem_payment){.key = c->key,
		    .payment = c->payments[i].payment,
		    .len = c->payments[i].summary.len,
		    .older = *newest};
		*newest = s->payments_n;
		if (p->len > 0)
			memcpy(p->summary, c->payments[i].summary.data, p->len);
	}
}

static enum cs_err
commit_try(struct store_mem *s, const struct store_commit *c)
{
	struct cache_entry *old = cache_get(&s->records, &c->key);

	if ((old == NULL ? 0 : old->revision) != c->expected || !claims_fit(s, c) ||
	    chance(s, s->options.conflict))
		return CS_ERR_CONFLICT;
	if (s->options.conflicts > 0) {
		s->options.conflicts--;
		return CS_ERR_CONFLICT;
	}
	if (chance(s, s->options.fail))
		return CS_ERR_UNAVAILABLE;
	if (c->events_n == 0)
		return CS_OK;
	if (chance(s, s->options.lose_write))
		return CS_ERR_UNKNOWN;
	commit_write(s, c, old);
	return chance(s, s->options.lose_reply) ? CS_ERR_UNKNOWN : CS_OK;
}

static void scan_run(struct store_mem *s, const struct call *call);

static void
call_run(struct store_mem *s, const struct call *call)
{
	const struct cache_entry *e;
	const struct mem_claim *claim;
	const struct mem_payment *payment;
	struct store_record record;
	struct mem_payment copy;
	struct store_key holder;

	switch (call->kind) {
	case CALL_LOAD:
		e = cache_get(&s->records, &call->key);
		if (e != NULL)
			record = (struct store_record){e->revision, cache_hot(e), cache_cold(e)};
		call->done.load(
		    call->ctx, e == NULL ? CS_ERR_NOT_FOUND : CS_OK, e == NULL ? NULL : &record);
		break;
	case CALL_COMMIT:
		call->done.commit(call->ctx, call->err);
		break;
	case CALL_FIND:
		claim = claim_find(s, &call->key);
		holder = claim == NULL ? call->key : claim->holder;
		call->done.find(call->ctx, claim == NULL ? CS_ERR_NOT_FOUND : CS_OK,
		    claim == NULL ? NULL : &holder, claim != NULL && !claim->held);
		break;
	case CALL_PAYMENT:
		payment = payment_find(s, &call->key, &call->second);
		if (payment != NULL)
			copy = *payment;
		call->done.payment(call->ctx, payment == NULL ? CS_ERR_NOT_FOUND : CS_OK,
		    payment == NULL ? view_of(NULL, 0) : view_of(copy.summary, copy.len));
		break;
	case CALL_SCAN:
		scan_run(s, call);
		break;
	}
}

/* At once, or in a later turn. */
static void
call_ask(struct store_mem *s, struct call call)
{
	call.turns = turns_to_wait(s);
	if (call.turns == 0)
		call_run(s, &call);
	else
		PUSH(s, calls) = call;
}

static void
op_load(struct store *base, const struct store_key *key, store_load_fn *done, void *ctx)
{
	call_ask((struct store_mem *)base,
	    (struct call){.kind = CALL_LOAD, .key = *key, .done.load = done, .ctx = ctx});
}

static void
op_commit(struct store *base, const struct store_commit *c, store_commit_fn *done, void *ctx)
{
	struct store_mem *s = (struct store_mem *)base;
	enum cs_err err = commit_try(s, c);
	unsigned turns = turns_to_wait(s);

	PUSH(s, calls) = (struct call){
	    .kind = CALL_COMMIT, .turns = turns, .err = err, .done.commit = done, .ctx = ctx};
}

static void
op_find(struct store *base, const struct store_key *claim, store_find_fn *done, void *ctx)
{
	call_ask((struct store_mem *)base,
	    (struct call){.kind = CALL_FIND, .key = *claim, .done.find = done, .ctx = ctx});
}

static void
op_find_payment(struct store *base, const struct store_key *key, const struct store_key *payment,
    store_payment_fn *done, void *ctx)
{
	call_ask((struct store_mem *)base, (struct call){.kind = CALL_PAYMENT,
					       .key = *key,
					       .second = *payment,
					       .done.payment = done,
					       .ctx = ctx});
}

static void
scan_back(struct store_mem *s, const struct store_scan *scan, store_row_fn *row, void *ctx, uint64_t *next)
{
	uint64_t at = scan->after == 0 ? s->durable_rows : scan->after - 1, left = scan->limit;
	bool more = true;

	for (*next = 0; at > 0 && at <= s->durable_rows; at--) {
		struct mem_row r = s->rows[at - 1];
		struct store_row out = {at, r.key, r.revision, view_of(r.bytes, r.event_len),
		    view_of(r.bytes + r.event_len, r.extra_len)};

		if (!same(scan->key, &r.key))
			continue;
		if (!more || left == 0)
			return;
		*next = at;
		left--;
		more = row(ctx, &out);
	}
	*next = 0;
}

static void
scan_run(struct store_mem *s, const struct call *call)
{
	struct store_scan copy = call->scan;
	const struct store_scan *scan = &copy;
	store_row_fn *row = call->row;
	void *ctx = call->ctx;
	uint64_t next = scan->after, left = scan->limit;
	size_t durable = s->durable_rows;
	bool more = true;

	if (copy.key != NULL)
		copy.key = &call->key;
	if (scan->back) {
		scan_back(s, scan, row, ctx, &next);
		call->done.scan(ctx, CS_OK, next);
		return;
	}

	while (more && left > 0 && next < durable) {
		struct mem_row r = s->rows[next++];
		struct store_row out = {next, r.key, r.revision, view_of(r.bytes, r.event_len),
		    view_of(r.bytes + r.event_len, r.extra_len)};

		if (scan->key != NULL && !same(scan->key, &r.key))
			continue;
		left--;
		more = row(ctx, &out);
	}
	call->done.scan(ctx, CS_OK, next);
}

static void
op_scan(struct store *base, const struct store_scan *scan, store_row_fn *row, store_scan_fn *done,
    void *ctx)
{
	struct call call = {
	    .kind = CALL_SCAN, .scan = *scan, .row = row, .done.scan = done, .ctx = ctx};

	if (scan->key != NULL)
		call.key = *scan->key;
	call_ask((struct store_mem *)base, call);
}

/* Runs the calls whose turn has come; what they ask for anew waits for the next one. */
static void
calls_turn(struct store_mem *s, bool commits, bool all)
{
	struct call *calls = s->calls;
	size_t n = s->calls_n, ready = 0;
	struct call *run = malloc((n + 1) * sizeof(run[0]));

	CHECK(run != NULL);
	s->calls_n = 0;
	for (size_t i = 0; i < n; i++) {
		bool now =
		    all || (calls[i].turns == 0 && (commits || calls[i].kind != CALL_COMMIT));

		if (now) {
			run[ready++] = calls[i];
			continue;
		}
		calls[i].turns -= calls[i].turns > 0;
		calls[s->calls_n++] = calls[i];
	}
	for (size_t i = ready; i > 1 && s->options.reorder > 0; i--) {
		struct call swap = run[i - 1];
		size_t other = chance(s, s->options.reorder) ? next_random(s) % i : i - 1;

		run[i - 1] = run[other];
		run[other] = swap;
	}
	for (size_t i = 0; i < ready; i++)
		call_run(s, &run[i]);
	free(run);
}

static void
make_durable(struct store_mem *s)
{
	/* Twice as many are kept, so that they are moved seldom. */
	size_t drop = s->history == 0 ? s->undo_n : s->undo_n > 2 * s->history ? s->undo_n - s->history : 0;

	for (size_t i = 0; i < drop; i++)
		cache_entry_free(s->undo[i].before);
	s->undo_n -= drop;
	if (drop > 0 && s->undo_n > 0)
		memmove(s->undo, s->undo + drop, s->undo_n * sizeof(s->undo[0]));
	s->undo_durable = s->undo_n;
	s->durable_rows = s->rows_n;
}

static void
op_flush(struct store *base)
{
	struct store_mem *s = (struct store_mem *)base;

	make_durable(s);
	calls_turn(s, true, false);
}

/* A commit that was not flushed yet is not answered here. */
static bool
op_idle(struct store *base, int64_t budget_us)
{
	struct store_mem *s = (struct store_mem *)base;

	(void)budget_us;
	calls_turn(s, s->undo_n == s->undo_durable, false);
	return s->calls_n > 0;
}

static void
op_status(struct store *base, struct store_status *out)
{
	struct store_mem *s = (struct store_mem *)base;

	out->records = out->cache_records = s->records.records;
	out->cache_bytes = s->records.bytes;
	out->log_first = s->durable_rows == 0 ? 0 : 1;
	out->log_last = out->folded = s->durable_rows;
	snprintf(out->detail, sizeof(out->detail), "everything is lost when the process ends");
}

static void
op_close(struct store *base)
{
	struct store_mem *s = (struct store_mem *)base;

	do {
		make_durable(s);
		calls_turn(s, true, true);
	} while (s->calls_n > 0);
	s->history = 0;
	make_durable(s);
	for (size_t i = 0; i < s->rows_n; i++)
		free(s->rows[i].bytes);
	cache_clear(&s->records);
	free(s->rows);
	free(s->claims);
	free(s->payments);
	free(s->undo);
	free(s->calls);
	store_clear(base);
	free(s);
}

/* The newest commits, until so many are left that can be taken back. */
static void
undo_to(struct store_mem *s, size_t left)
{
	while (s->undo_n > left) {
		struct mem_undo u = s->undo[--s->undo_n];

		cache_entry_free(u.before != NULL ? cache_put(&s->records, u.before)
						  : cache_take(&s->records, &u.key));
		while (s->rows_n > u.rows_n)
			free(s->rows[--s->rows_n].bytes);
		for (; s->claims_n > u.claims_n; s->claims_n--) {
			const struct mem_claim *c = &s->claims[s->claims_n - 1];

			*chain(s->claim_chains, &c->claim) = c->older;
		}
		for (; s->payments_n > u.payments_n; s->payments_n--) {
			const struct mem_payment *p = &s->payments[s->payments_n - 1];

			*chain(s->payment_chains, &p->payment) = p->older;
		}
	}
}

void
store_mem_crash(struct store *base)
{
	struct store_mem *s = (struct store_mem *)base;

	undo_to(s, s->undo_durable);
	s->calls_n = 0;
	store_forget(base);
}

size_t
store_mem_forget(struct store *base, size_t n)
{
	struct store_mem *s = (struct store_mem *)base;

	CHECK(s->undo_n == s->undo_durable && s->calls_n == 0);
	if (n > s->undo_n)
		n = s->undo_n;
	undo_to(s, s->undo_n - n);
	s->undo_durable = s->undo_n;
	s->durable_rows = s->rows_n;
	return n;
}

void
store_mem_misbehave(struct store *base, const struct store_mem_options *options)
{
	struct store_mem *s = (struct store_mem *)base;
	uint64_t seed = s->options.seed;

	s->options = *options;
	s->options.seed = seed;
}

static const struct store_ops ops = {
    .kind = "mem",
    .load = op_load,
    .commit = op_commit,
    .find = op_find,
    .find_payment = op_find_payment,
    .scan = op_scan,
    .flush = op_flush,
    .idle = op_idle,
    .status = op_status,
    .close = op_close,
};

struct store *
store_mem_open(const struct store_mem_options *options)
{
	struct store_mem *s = calloc(1, sizeof(*s));

	CHECK(s != NULL);
	if (options != NULL)
		s->options = *options;
	s->random = s->options.seed;
	s->history = s->options.history;
	cache_init(&s->records, SIZE_MAX);
	store_init(&s->base, &ops);
	return &s->base;
}
