/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands between the engine and every backend: arguments are checked before, results after,
 * and a completion that runs twice or at the wrong time ends the process. Each open call has a
 * ticket, which is what the backend gets as its context.
 */
#include "broker/store/store.h"

#include <stdlib.h>

#include "broker/base/check.h"

enum { TICKETS_CHUNK = 64 };

enum ticket_kind {
	TICKET_FREE,
	TICKET_LOAD,
	TICKET_COMMIT,
	TICKET_FIND,
	TICKET_PAYMENT,
	TICKET_SCAN,
	TICKET_WORD,
	TICKET_SAID
};

struct ticket {
	enum ticket_kind kind;
	struct store_guard *guard;
	void *ctx;
	union {
		store_load_fn *load;
		store_commit_fn *commit;
		store_find_fn *find;
		store_payment_fn *payment;
		store_scan_fn *scan;
		store_word_fn *word;
	} done;
	store_row_fn *row;
	uint64_t seq, left;  /* of a scan: last row seen, rows it may still give */
	bool back;           /* of a scan: newest first */
	struct ticket *next; /* free ones */
};

struct ticket_chunk {
	struct ticket_chunk *next;
	struct ticket tickets[TICKETS_CHUNK];
};

struct store_guard {
	struct ticket *free;
	struct ticket_chunk *chunks;
	size_t open;	 /* tickets in use */
	unsigned depth;	 /* completions and row callbacks that are running */
	bool committing; /* inside ops->commit */
};

static void
chunk_add(struct store_guard *g)
{
	struct ticket_chunk *chunk = calloc(1, sizeof(*chunk));

	CHECK(chunk != NULL);
	chunk->next = g->chunks;
	g->chunks = chunk;
	for (size_t i = 0; i < TICKETS_CHUNK; i++) {
		chunk->tickets[i].guard = g;
		chunk->tickets[i].next = g->free;
		g->free = &chunk->tickets[i];
	}
}

static struct ticket *
ticket_take(struct store *s, enum ticket_kind kind, void *ctx)
{
	struct store_guard *g = s->guard;
	struct ticket *t;

	if (g->free == NULL)
		chunk_add(g);
	t = g->free;
	g->free = t->next;
	g->open++;
	t->kind = kind;
	t->ctx = ctx;
	return t;
}

/* Closes the ticket, which may be used again at once; returns what it was. */
static struct ticket
ticket_close(struct ticket *t, enum ticket_kind kind, enum cs_err err, unsigned may)
{
	struct ticket was = *t;

	CHECK(t->kind == kind);
	CHECK(err == CS_OK || (may & 1u << err) != 0);
	t->kind = TICKET_FREE;
	t->next = t->guard->free;
	t->guard->free = t;
	t->guard->open--;
	return was;
}

#define MAY(name) (1u << CS_ERR_##name)

void
store_init(struct store *s, const struct store_ops *ops)
{
	s->ops = ops;
	s->guard = calloc(1, sizeof(*s->guard));
	CHECK(s->guard != NULL);
}

void
store_forget(struct store *s)
{
	s->guard->open = 0;
	store_clear(s);
	store_init(s, s->ops);
}

void
store_clear(struct store *s)
{
	struct store_guard *g = s->guard;

	CHECK(g->open == 0 && g->depth == 0);
	while (g->chunks != NULL) {
		struct ticket_chunk *chunk = g->chunks;

		g->chunks = chunk->next;
		free(chunk);
	}
	free(g);
	s->guard = NULL;
}

static void
load_done(void *ctx, enum cs_err err, const struct store_record *record)
{
	struct ticket t =
	    ticket_close(ctx, TICKET_LOAD, err, MAY(NOT_FOUND) | MAY(UNAVAILABLE) | MAY(CORRUPT));

	CHECK((err == CS_OK) == (record != NULL));
	CHECK(record == NULL || (record->revision > 0 && record->hot.len <= STORE_HOT_MAX &&
				    record->cold.len <= STORE_COLD_MAX));
	t.guard->depth++;
	t.done.load(t.ctx, err, record);
	t.guard->depth--;
}

void
store_load(struct store *s, const struct store_key *key, store_load_fn *done, void *ctx)
{
	struct ticket *t = ticket_take(s, TICKET_LOAD, ctx);

	CHECK(key != NULL && done != NULL);
	t->done.load = done;
	s->ops->load(s, key, load_done, t);
}

static void
commit_done(void *ctx, enum cs_err err)
{
	struct ticket t = ticket_close(ctx, TICKET_COMMIT, err,
	    MAY(CONFLICT) | MAY(FULL) | MAY(UNAVAILABLE) | MAY(UNKNOWN) | MAY(CORRUPT));

	CHECK(!t.guard->committing);
	t.guard->depth++;
	t.done.commit(t.ctx, err);
	t.guard->depth--;
}

static void
commit_check(const struct store_commit *c)
{
	CHECK(c->events_n <= STORE_BATCH_MAX);
	CHECK(c->events_n > 0 || (c->hot.len == 0 && c->cold.data == NULL && c->claims_n == 0 && c->payments_n == 0));
	CHECK(c->expected <= UINT64_MAX - c->events_n);
	for (size_t i = 0; i < c->events_n; i++) {
		CHECK(c->events[i].event.len >= 1 && c->events[i].event.len <= STORE_EVENT_MAX);
		CHECK(c->events[i].extra.len <= STORE_EXTRA_MAX);
	}
	CHECK(c->hot.len <= STORE_HOT_MAX && c->cold.len <= STORE_COLD_MAX);
	CHECK(c->claims_n <= STORE_CLAIMS_MAX && c->payments_n <= STORE_PAYMENTS_MAX);
	for (size_t i = 0; i < c->claims_n; i++)
		CHECK(!c->claims[i].release || !c->claims[i].once);
	for (size_t i = 0; i < c->payments_n; i++)
		CHECK(c->payments[i].summary.len <= STORE_SUMMARY_MAX);
}

void
store_commit(struct store *s, const struct store_commit *c, store_commit_fn *done, void *ctx)
{
	struct ticket *t = ticket_take(s, TICKET_COMMIT, ctx);

	CHECK(c != NULL && done != NULL);
	commit_check(c);
	t->done.commit = done;
	s->guard->committing = true;
	s->ops->commit(s, c, commit_done, t);
	s->guard->committing = false;
}

static void
find_done(void *ctx, enum cs_err err, const struct store_key *holder, bool tombstone)
{
	struct ticket t =
	    ticket_close(ctx, TICKET_FIND, err, MAY(NOT_FOUND) | MAY(UNAVAILABLE) | MAY(CORRUPT));

	CHECK((err == CS_OK) == (holder != NULL));
	t.guard->depth++;
	t.done.find(t.ctx, err, holder, tombstone);
	t.guard->depth--;
}

void
store_find(struct store *s, const struct store_key *claim, store_find_fn *done, void *ctx)
{
	struct ticket *t = ticket_take(s, TICKET_FIND, ctx);

	CHECK(claim != NULL && done != NULL);
	t->done.find = done;
	s->ops->find(s, claim, find_done, t);
}

static void
payment_done(void *ctx, enum cs_err err, struct view summary)
{
	struct ticket t = ticket_close(
	    ctx, TICKET_PAYMENT, err, MAY(NOT_FOUND) | MAY(UNAVAILABLE) | MAY(CORRUPT));

	CHECK(summary.len <= (err == CS_OK ? STORE_SUMMARY_MAX : 0));
	t.guard->depth++;
	t.done.payment(t.ctx, err, summary);
	t.guard->depth--;
}

void
store_find_payment(struct store *s, const struct store_key *key, const struct store_key *payment,
    store_payment_fn *done, void *ctx)
{
	struct ticket *t = ticket_take(s, TICKET_PAYMENT, ctx);

	CHECK(key != NULL && payment != NULL && done != NULL);
	t->done.payment = done;
	s->ops->find_payment(s, key, payment, payment_done, t);
}

static bool
scan_row(void *ctx, const struct store_row *row)
{
	struct ticket *t = ctx;
	bool more;

	CHECK(t->kind == TICKET_SCAN && t->left > 0 && (t->back ? row->seq < t->seq : row->seq > t->seq));
	CHECK(row->event.len <= STORE_EVENT_MAX && row->extra.len <= STORE_EXTRA_MAX);
	t->seq = row->seq;
	t->left--;
	t->guard->depth++;
	more = t->row(t->ctx, row);
	t->guard->depth--;
	return more;
}

static void
scan_done(void *ctx, enum cs_err err, uint64_t next)
{
	struct ticket t = ticket_close(ctx, TICKET_SCAN, err, MAY(UNAVAILABLE) | MAY(CORRUPT));

	CHECK(err != CS_OK || (t.back ? next <= t.seq : next >= t.seq));
	t.guard->depth++;
	t.done.scan(t.ctx, err, next);
	t.guard->depth--;
}

void
store_scan(struct store *s, const struct store_scan *scan, store_row_fn *row, store_scan_fn *done,
    void *ctx)
{
	struct ticket *t = ticket_take(s, TICKET_SCAN, ctx);

	CHECK(scan != NULL && scan->limit > 0 && row != NULL && done != NULL && (!scan->back || scan->key != NULL));
	t->done.scan = done;
	t->row = row;
	t->back = scan->back;
	t->seq = scan->back && scan->after == 0 ? UINT64_MAX : scan->after;
	t->left = scan->limit;
	s->ops->scan(s, scan, scan_row, scan_done, t);
}

void
store_flush(struct store *s)
{
	CHECK(s->guard->depth == 0);
	s->ops->flush(s);
}

bool
store_idle(struct store *s, int64_t budget_us)
{
	CHECK(s->guard->depth == 0 && budget_us >= 0);
	return s->ops->idle(s, budget_us);
}

int64_t
store_tick(struct store *s, int64_t now_mono_ms)
{
	CHECK(s->guard->depth == 0);
	return s->ops->tick == NULL ? INT64_MAX : s->ops->tick(s, now_mono_ms);
}

struct store_view
store_view(const struct store *s)
{
	struct store_view view = {.fresh = true, .leads = true};

	if (s->ops->view != NULL)
		s->ops->view((struct store *)s, &view);
	return view;
}

void
store_status(struct store *s, struct store_status *out)
{
	*out = (struct store_status){.kind = s->ops->kind, .fresh = true, .leads = true, .fresh_for_ms = INT64_MAX};
	s->ops->status(s, out);
	CHECK(out->folded <= out->log_last);
}

bool
store_report(struct store *s, struct json_writer *w)
{
	if (s->ops->report != NULL)
		s->ops->report(s, w);
	return s->ops->report != NULL;
}

static void
word_done(void *ctx, enum cs_err err)
{
	struct ticket t = ticket_close(ctx, TICKET_WORD, err,
	    MAY(NOT_FOUND) | MAY(CONFLICT) | MAY(UNAVAILABLE) | MAY(UNKNOWN) | MAY(CORRUPT) | MAY(DENIED));

	t.guard->depth++;
	t.done.commit(t.ctx, err);
	t.guard->depth--;
}

void
store_forget_member(struct store *s, const char *name, store_commit_fn *done, void *ctx)
{
	struct ticket *t = ticket_take(s, TICKET_WORD, ctx);

	CHECK(name != NULL && done != NULL);
	t->done.commit = done;
	if (s->ops->forget_member != NULL)
		s->ops->forget_member(s, name, word_done, t);
	else
		word_done(t, CS_ERR_DENIED);
}

void
store_release(struct store *s, const struct store_key *key, int bucket, store_commit_fn *done, void *ctx)
{
	struct ticket *t = ticket_take(s, TICKET_WORD, ctx);

	CHECK(key != NULL && done != NULL);
	t->done.commit = done;
	if (s->ops->release != NULL)
		s->ops->release(s, key, bucket, word_done, t);
	else
		word_done(t, CS_ERR_DENIED);
}

static void
said_done(void *ctx, enum cs_err err, const struct store_word *word)
{
	struct ticket t = ticket_close(ctx, TICKET_SAID, err, MAY(NOT_FOUND) | MAY(UNAVAILABLE) | MAY(CORRUPT));

	CHECK((err == CS_OK) == (word != NULL));
	CHECK(word == NULL || (word->name.len > 0 && word->bucket >= -1));
	t.guard->depth++;
	t.done.word(t.ctx, err, word);
	t.guard->depth--;
}

void
store_word(struct store *s, store_word_fn *done, void *ctx)
{
	struct ticket *t = ticket_take(s, TICKET_SAID, ctx);

	CHECK(done != NULL);
	t->done.word = done;
	if (s->ops->word != NULL)
		s->ops->word(s, said_done, t);
	else
		said_done(t, CS_ERR_NOT_FOUND, NULL);
}

void
store_word_told(struct store *s, struct view name, store_commit_fn *done, void *ctx)
{
	struct ticket *t = ticket_take(s, TICKET_WORD, ctx);

	CHECK(name.len > 0 && done != NULL);
	t->done.commit = done;
	if (s->ops->word_told != NULL)
		s->ops->word_told(s, name, word_done, t);
	else
		word_done(t, CS_ERR_NOT_FOUND);
}

void
store_close(struct store *s)
{
	CHECK(s->guard->depth == 0);
	s->ops->close(s);
}
