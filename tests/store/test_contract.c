/* SPDX-License-Identifier: Apache-2.0 */
/* The store contract, once, against every store. Each test starts with an empty one. */
#include "tests/store/openers.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/log.h"

static const struct opener *opener;

struct fixture {
	char *dir;
	struct store *s;
};

#define NO_COLD view_of(NULL, 0)

enum { SCAN_TRIES_MAX = 2000 };

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->dir = scratch_make();
	f->s = opener->open(f->dir);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	store_close(f->s);
	scratch_remove(f->dir);
	free(f);
	return 0;
}

/* Where the store keeps nothing, this leaves it alone: what follows must hold there too. */
static void
reopen(struct fixture *f)
{
	if (!opener->keeps)
		return;
	store_close(f->s);
	f->s = opener->open(f->dir);
}

static void
a_record_that_was_never_written_is_not_found(void **state)
{
	struct fixture *f = *state;
	struct store_key key = key_of(1);

	assert_int_equal(load(f->s, &key)->err, CS_ERR_NOT_FOUND);
}

static void
a_commit_is_loaded_as_it_was_written(void **state)
{
	struct fixture *f = *state;
	struct store_commit c = {.key = key_of(1)};
	const struct loaded *l;

	assert_int_equal(commit_now(f->s, c, VIEW("hot"), VIEW("cold")), CS_OK);
	for (int i = 0; i < 2; i++, reopen(f)) {
		l = load(f->s, &c.key);
		assert_int_equal(l->err, CS_OK);
		assert_int_equal(l->revision, 1);
		assert_view(l->hot, VIEW("hot"));
		assert_view(l->cold, VIEW("cold"));
	}
}

static void
the_broker_s_own_record_is_like_any_other(void **state)
{
	struct fixture *f = *state;
	struct store_commit c = {0};

	assert_int_equal(commit_now(f->s, c, VIEW("own"), NO_COLD), CS_OK);
	reopen(f);
	assert_view(load(f->s, &c.key)->hot, VIEW("own"));
}

static void
another_revision_is_a_conflict_and_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct store_commit c = {.key = key_of(1)};
	static const uint64_t wrong[] = {0, 2, 77};

	assert_int_equal(commit_now(f->s, c, VIEW("one"), VIEW("cold")), CS_OK);
	for (size_t i = 0; i < 3; i++) {
		c.expected = wrong[i];
		assert_int_equal(commit_now(f->s, c, VIEW("two"), VIEW("other")), CS_ERR_CONFLICT);
	}
	reopen(f);
	assert_int_equal(load(f->s, &c.key)->revision, 1);
	assert_view(load(f->s, &c.key)->hot, VIEW("one"));
	assert_view(load(f->s, &c.key)->cold, VIEW("cold"));
	c.key = key_of(2);
	assert_int_equal(commit_now(f->s, c, VIEW("two"), NO_COLD), CS_ERR_CONFLICT);
	assert_int_equal(load(f->s, &c.key)->err, CS_ERR_NOT_FOUND);
}

/* Whether the record is at this revision: a commit without events. */
static enum cs_err
still_at(struct fixture *f, struct store_key key, uint64_t revision)
{
	struct store_commit c = {.key = key, .expected = revision};
	struct committed done;

	commit_begin(f->s, &c, &done);
	assert_int_equal(done.calls, 0);
	await(f->s, &done.calls);
	return done.err;
}

static void
a_commit_without_events_asks_and_writes_nothing(void **state)
{
	struct fixture *f = *state;
	struct store_commit c = {.key = key_of(1)};
	struct store_status before, after;

	assert_int_equal(still_at(f, c.key, 0), CS_OK);
	assert_int_equal(still_at(f, c.key, 1), CS_ERR_CONFLICT);
	assert_int_equal(load(f->s, &c.key)->err, CS_ERR_NOT_FOUND);
	assert_int_equal(commit_now(f->s, c, VIEW("one"), VIEW("cold")), CS_OK);
	store_status(f->s, &before);
	for (int i = 0; i < 2; i++, reopen(f)) {
		assert_int_equal(still_at(f, c.key, 1), CS_OK);
		assert_int_equal(still_at(f, c.key, 0), CS_ERR_CONFLICT);
		assert_int_equal(still_at(f, c.key, 2), CS_ERR_CONFLICT);
	}
	store_status(f->s, &after);
	if (!f->s->ops->shared) /* one that is shared tells what it has seen since it was opened */
		assert_int_equal(after.log_last, before.log_last);
	assert_int_equal(load(f->s, &c.key)->revision, 1);
	assert_view(load(f->s, &c.key)->cold, VIEW("cold"));
}

static void
cold_stays_unless_it_is_given(void **state)
{
	struct fixture *f = *state;
	struct store_commit c = {.key = key_of(1)};

	assert_int_equal(commit_now(f->s, c, VIEW("1"), VIEW("cold")), CS_OK);
	c.expected = 1;
	assert_int_equal(commit_now(f->s, c, VIEW("2"), NO_COLD), CS_OK);
	assert_view(load(f->s, &c.key)->cold, VIEW("cold"));
	c.expected = 2;
	assert_int_equal(commit_now(f->s, c, VIEW("3"), VIEW("")), CS_OK);
	reopen(f);
	assert_int_equal(load(f->s, &c.key)->cold.len, 0);
	assert_view(load(f->s, &c.key)->hot, VIEW("3"));
}

static void
loads_see_commits_before_the_flush_and_completions_wait_for_it(void **state)
{
	struct fixture *f = *state;
	struct store_commit c = {.key = key_of(1)};
	struct committed first, second, third;

	commit_set(f->s, c, VIEW("1"), NO_COLD, &first);
	assert_int_equal(load(f->s, &c.key)->revision, 1);
	c.expected = 1;
	commit_set(f->s, c, VIEW("2"), NO_COLD, &second);
	commit_set(f->s, c, VIEW("lost"), NO_COLD, &third);
	assert_view(load(f->s, &c.key)->hot, VIEW("2"));
	/* Where the load had to wait for the commits they are over; else nothing is before the flush. */
	if (!f->s->ops->shared)
		assert_int_equal(first.calls + second.calls + third.calls, 0);
	settle(f->s);
	assert_int_equal(first.calls, 1);
	assert_int_equal(first.err, CS_OK);
	assert_int_equal(second.calls, 1);
	assert_int_equal(second.err, CS_OK);
	assert_int_equal(third.calls, 1);
	assert_int_equal(third.err, CS_ERR_CONFLICT);
	reopen(f);
	assert_int_equal(load(f->s, &c.key)->revision, 2);
	assert_view(load(f->s, &c.key)->hot, VIEW("2"));
}

struct again {
	struct fixture *f;
	struct store_commit c;
	struct committed inner;
	int calls;
};

static void
commit_again(void *ctx, enum cs_err err)
{
	struct again *a = ctx;

	assert_int_equal(err, CS_OK);
	a->calls++;
	a->c.expected = 1;
	commit_set(a->f->s, a->c, VIEW("inner"), NO_COLD, &a->inner);
}

static void
what_a_completion_commits_belongs_to_the_next_turn(void **state)
{
	struct fixture *f = *state;
	uint8_t memory[64];
	struct buf b = buf_over(memory, sizeof(memory));
	struct store_event event;
	struct again a = {.f = f, .c = {.key = key_of(1)}};

	event_make(&b, VIEW("outer"), false);
	event = (struct store_event){buf_view(&b), NO_COLD};
	a.c.events = &event;
	a.c.events_n = 1;
	a.c.hot = VIEW("outer");
	store_commit(f->s, &a.c, commit_again, &a);
	assert_int_equal(a.calls, 0);
	await(f->s, &a.calls);
	assert_int_equal(a.inner.calls, 0);
	await(f->s, &a.inner.calls);
	assert_int_equal(a.inner.err, CS_OK);
	reopen(f);
	assert_view(load(f->s, &a.c.key)->hot, VIEW("inner"));
}

/* A shared store tells of an event once no other broker can write one before it. */
static void
scan_all_of(struct fixture *f, const struct store_key *key, size_t n, struct scanned *rows)
{
	unsigned tries = 0;

	do
		scan(f->s, 0, n, key, rows);
	while (f->s->ops->shared && rows->rows_n < n && tries++ < SCAN_TRIES_MAX);
	assert_int_equal(rows->err, CS_OK);
	assert_int_equal(rows->rows_n, n);
}

static void
a_batch_is_one_commit_of_many_revisions(void **state)
{
	struct fixture *f = *state;
	struct store_event events[STORE_BATCH_MAX];
	uint8_t memory[STORE_BATCH_MAX][32];
	struct store_commit c = {.key = key_of(1), .events = events, .events_n = STORE_BATCH_MAX};
	struct committed done;
	struct scanned *rows = calloc(1, sizeof(*rows));
	char hot[16];

	for (size_t i = 0; i < STORE_BATCH_MAX; i++) {
		struct buf b = buf_over(memory[i], sizeof(memory[i]));

		snprintf(hot, sizeof(hot), "state %zu", i);
		event_make(&b, view_str(hot), false);
		events[i] = (struct store_event){buf_view(&b), NO_COLD};
	}
	c.hot = view_str(hot);
	for (int round = 1; round <= 2; round++) {
		commit_begin(f->s, &c, &done);
		await(f->s, &done.calls);
		assert_int_equal(done.err, CS_OK);
		reopen(f);
		assert_int_equal(load(f->s, &c.key)->revision, round * STORE_BATCH_MAX);
		assert_view(load(f->s, &c.key)->hot, c.hot);
		c.expected += STORE_BATCH_MAX;
		c.events_n = STORE_BATCH_MAX;
	}
	scan_all_of(f, &c.key, 2 * STORE_BATCH_MAX, rows);
	for (size_t i = 0; i < rows->rows_n; i++)
		assert_int_equal(rows->rows[i].revision, i + 1);
	free(rows);
}

static void
claims_belong_to_one_record(void **state)
{
	struct fixture *f = *state;
	struct store_claim take = {key_of(100), false, false}, release = {key_of(100), true, false};
	struct store_commit a = {.key = key_of(1), .claims = &take, .claims_n = 1};
	struct store_commit b = {.key = key_of(2), .claims = &take, .claims_n = 1};
	struct found found;

	assert_int_equal(find(f->s, &take.claim).err, CS_ERR_NOT_FOUND);
	assert_int_equal(commit_now(f->s, a, VIEW("a"), NO_COLD), CS_OK);
	assert_int_equal(commit_now(f->s, b, VIEW("b"), NO_COLD), CS_ERR_CONFLICT);
	assert_int_equal(load(f->s, &b.key)->err, CS_ERR_NOT_FOUND);
	b.claims = &release;
	assert_int_equal(commit_now(f->s, b, VIEW("b"), NO_COLD), CS_ERR_CONFLICT);
	reopen(f);
	found = find(f->s, &take.claim);
	assert_int_equal(found.err, CS_OK);
	assert_memory_equal(found.holder.b, a.key.b, STORE_KEY_BYTES);
	assert_false(found.tombstone);

	/* Taking what one holds is no conflict. */
	a.expected = 1;
	assert_int_equal(commit_now(f->s, a, VIEW("a"), NO_COLD), CS_OK);
	a.expected = 2;
	a.claims = &release;
	assert_int_equal(commit_now(f->s, a, VIEW("a"), NO_COLD), CS_OK);
	reopen(f);
	found = find(f->s, &take.claim);
	assert_int_equal(found.err, CS_OK);
	assert_memory_equal(found.holder.b, a.key.b, STORE_KEY_BYTES);
	assert_true(found.tombstone);

	b.claims = &take;
	assert_int_equal(commit_now(f->s, b, VIEW("b"), NO_COLD), CS_OK);
	found = find(f->s, &take.claim);
	assert_memory_equal(found.holder.b, b.key.b, STORE_KEY_BYTES);
	assert_false(found.tombstone);
}

static void
a_claim_that_is_taken_once_is_not_taken_again_by_its_holder(void **state)
{
	struct fixture *f = *state;
	struct store_claim take[2] = {{key_of(101), false, false}, {key_of(100), false, true}};
	struct store_commit a = {.key = key_of(1), .claims = take, .claims_n = 2};
	struct store_commit b = {.key = key_of(2), .claims = take, .claims_n = 2};
	struct committed first, second;

	/* Nor with the next commit of the same turn. */
	commit_set(f->s, a, VIEW("a"), NO_COLD, &first);
	a.expected = 1;
	commit_set(f->s, a, VIEW("a"), NO_COLD, &second);
	settle(f->s);
	assert_int_equal(first.err, CS_OK);
	assert_int_equal(second.err, CS_ERR_CONFLICT);
	assert_int_equal(commit_now(f->s, a, VIEW("a"), NO_COLD), CS_ERR_CONFLICT);
	assert_int_equal(commit_now(f->s, b, VIEW("b"), NO_COLD), CS_ERR_CONFLICT);
	reopen(f);
	assert_int_equal(load(f->s, &a.key)->revision, 1);
	assert_int_equal(commit_now(f->s, a, VIEW("a"), NO_COLD), CS_ERR_CONFLICT);
	assert_memory_equal(find(f->s, &take[1].claim).holder.b, a.key.b, STORE_KEY_BYTES);
	a.claims_n = 1;
	assert_int_equal(commit_now(f->s, a, VIEW("a"), NO_COLD), CS_OK);
}

static void
two_records_that_claim_the_same_in_one_turn_do_not_both_get_it(void **state)
{
	struct fixture *f = *state;
	struct store_claim claims[2] = {{key_of(101), false, false}, {key_of(100), false, false}};
	struct store_commit a = {.key = key_of(1), .claims = &claims[1], .claims_n = 1};
	struct store_commit b = {.key = key_of(2), .claims = claims, .claims_n = 2};
	struct committed first, second;

	commit_set(f->s, a, VIEW("a"), NO_COLD, &first);
	commit_set(f->s, b, VIEW("b"), NO_COLD, &second);
	assert_int_equal(find(f->s, &claims[1].claim).err, CS_OK);
	settle(f->s);
	assert_int_equal(first.err, CS_OK);
	assert_int_equal(second.err, CS_ERR_CONFLICT);
	/* The other claim of the refused commit was not taken either. */
	assert_int_equal(find(f->s, &claims[0].claim).err, CS_ERR_NOT_FOUND);
	assert_int_equal(load(f->s, &b.key)->err, CS_ERR_NOT_FOUND);
}

static void
payments_are_found_by_record_and_digest(void **state)
{
	struct fixture *f = *state;
	struct store_payment p[2] = {{key_of(50), VIEW("first")}, {key_of(51), VIEW("")}};
	struct store_commit c = {.key = key_of(1), .payments = p, .payments_n = 2};
	struct store_key other = key_of(2);

	assert_null(find_payment(f->s, &c.key, &p[0].payment));
	assert_int_equal(commit_now(f->s, c, VIEW("1"), NO_COLD), CS_OK);
	reopen(f);
	assert_string_equal(find_payment(f->s, &c.key, &p[0].payment), "first");
	assert_string_equal(find_payment(f->s, &c.key, &p[1].payment), "");
	assert_null(find_payment(f->s, &other, &p[0].payment));
	/* A refused commit writes none. */
	p[0].summary = VIEW("refused");
	assert_int_equal(commit_now(f->s, c, VIEW("1"), NO_COLD), CS_ERR_CONFLICT);
	assert_string_equal(find_payment(f->s, &c.key, &p[0].payment), "first");
	c.expected = 1;
	p[0].summary = VIEW("second");
	assert_int_equal(commit_now(f->s, c, VIEW("2"), NO_COLD), CS_OK);
	assert_string_equal(find_payment(f->s, &c.key, &p[0].payment), "second");
}

static unsigned
number_of(const struct store_key *key)
{
	unsigned n = 0;
	struct store_key k;

	for (k = key_of(n); n < 2 && memcmp(k.b, key->b, sizeof(k.b)) != 0; k = key_of(++n))
		;
	return n;
}

/* In the order of commits; what was under way at the same time to several masters has none, but for each record's own. */
static void
scans_give_every_event_in_order(void **state)
{
	struct fixture *f = *state;
	struct scanned *out = calloc(1, sizeof(*out));
	uint64_t revisions[3] = {0}, told[3] = {0};
	uint64_t seen = 0, after = 0;
	unsigned tries = 0;
	struct committed done;
	struct store_key one = key_of(1);
	struct store_commit c;

	for (unsigned i = 0; i < 100; i++) {
		c = (struct store_commit){.key = key_of(i % 3), .expected = revisions[i % 3]++};
		commit_set(f->s, c, VIEW("state"), i % 2 == 0 ? NO_COLD : VIEW("cold"), &done);
		if (i % 7 == 0)
			settle(f->s);
	}
	settle(f->s);
	reopen(f);
	do {
		after = out->next;
		scan(f->s, after, 9, NULL, out);
		assert_int_equal(out->err, CS_OK);
		for (size_t i = 0; i < out->rows_n; i++, seen++) {
			unsigned n = f->s->ops->shared ? number_of(&out->rows[i].key) : (unsigned)seen % 3;
			struct store_key key = key_of(n);

			assert_memory_equal(out->rows[i].key.b, key.b, STORE_KEY_BYTES);
			assert_int_equal(out->rows[i].revision, ++told[n]);
			assert_int_equal(out->rows[i].extra_len, (3 * (told[n] - 1) + n) % 2 == 0 ? 0 : 4);
		}
	} while (out->next > after || (f->s->ops->shared && seen < 100 && tries++ < SCAN_TRIES_MAX));
	assert_int_equal(seen, 100);

	/* One record's own, in steps. */
	seen = after = out->next = 0;
	do {
		after = out->next;
		scan(f->s, after, 4, &one, out);
		assert_int_equal(out->err, CS_OK);
		for (size_t i = 0; i < out->rows_n; i++, seen++)
			assert_int_equal(out->rows[i].revision, seen + 1);
	} while (out->next > after);
	assert_int_equal(seen, 33);

	/* And newest first. */
	seen = 33;
	out->next = 0;
	do {
		scan_back(f->s, out->next, 4, &one, out);
		assert_int_equal(out->err, CS_OK);
		assert_true(out->rows_n > 0 && out->rows_n <= 4);
		for (size_t i = 0; i < out->rows_n; i++)
			assert_int_equal(out->rows[i].revision, seen--);
		assert_true(out->next == 0 || out->next == out->rows[out->rows_n - 1].seq);
	} while (out->next != 0);
	assert_int_equal(seen, 0);
	scan_back(f->s, UINT64_MAX / 2, 4, &one, out);
	assert_int_equal(out->rows_n, 0);
	assert_int_equal(out->next, 0);
	out->stop_at = 2;
	scan_back(f->s, 0, 50, &one, out);
	assert_int_equal(out->rows_n, 2);
	assert_int_equal(out->next, out->rows[1].seq);

	out->stop_at = 5;
	scan(f->s, 0, 50, NULL, out);
	assert_int_equal(out->rows_n, 5);
	assert_int_equal(out->next, out->rows[4].seq);
	out->stop_at = 0;
	scan(f->s, UINT64_MAX / 2, 50, NULL, out);
	assert_int_equal(out->rows_n, 0);
	free(out);
}

static void
scans_do_not_tell_what_is_not_durable(void **state)
{
	struct fixture *f = *state;
	struct store_claim claim = {key_of(9), false, false};
	struct store_commit c = {.key = key_of(1)};
	struct scanned *out = calloc(1, sizeof(*out));
	struct committed done;

	assert_int_equal(commit_now(f->s, c, VIEW("1"), NO_COLD), CS_OK);
	c.expected = 1;
	c.claims = &claim;
	c.claims_n = 1;
	commit_set(f->s, c, VIEW("2"), NO_COLD, &done);
	if (!f->s->ops->shared) {
		scan(f->s, 0, 10, NULL, out);
		assert_int_equal(out->rows_n, 1);
		scan(f->s, 0, 10, &c.key, out);
		assert_int_equal(out->rows_n, 1);
	}
	settle(f->s);
	scan_all_of(f, &c.key, 2, out);
	free(out);
}

static void
the_largest_record_and_events_fit(void **state)
{
	struct fixture *f = *state;
	uint8_t *bytes = malloc(STORE_COLD_MAX);
	struct store_event events[STORE_BATCH_MAX];
	struct store_commit c = {.key = key_of(1), .events = events, .events_n = STORE_BATCH_MAX};
	struct scanned *out = calloc(1, sizeof(*out));
	struct committed done = {0};

	for (size_t i = 0; i < STORE_COLD_MAX; i++)
		bytes[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < STORE_BATCH_MAX; i++)
		events[i] = (struct store_event){
		    view_of(bytes, STORE_EVENT_MAX), view_of(bytes + 5, STORE_EXTRA_MAX)};
	c.hot = view_of(bytes, STORE_HOT_MAX);
	c.cold = view_of(bytes, STORE_COLD_MAX);
	commit_begin(f->s, &c, &done);
	settle(f->s);
	assert_int_equal(done.err, CS_OK);
	assert_int_equal(load(f->s, &c.key)->revision, STORE_BATCH_MAX);
	assert_view(load(f->s, &c.key)->hot, c.hot);
	assert_view(load(f->s, &c.key)->cold, c.cold);
	scan_all_of(f, &c.key, STORE_BATCH_MAX, out);
	assert_int_equal(out->rows[63].event_len, STORE_EVENT_MAX);
	assert_int_equal(out->rows[63].extra_len, STORE_EXTRA_MAX);
	free(out);
	free(bytes);
}

static void
keys_alike_in_their_first_half_are_two_records(void **state)
{
	struct fixture *f = *state;
	struct store_commit c = {.key = key_of(1)};

	for (uint8_t i = 0; i < 4; i++) {
		c.key.b[15] = i;
		assert_int_equal(commit_now(f->s, c, view_of(&i, 1), NO_COLD), CS_OK);
	}
	reopen(f);
	for (uint8_t i = 0; i < 4; i++) {
		c.key.b[15] = i;
		assert_view(load(f->s, &c.key)->hot, view_of(&i, 1));
	}
	c.key.b[15] = 4;
	assert_int_equal(load(f->s, &c.key)->err, CS_ERR_NOT_FOUND);
}

enum { MODEL_RECORDS = 300, MODEL_CLAIMS = 20, MODEL_STEPS = 6000, MODEL_STEPS_SHARED = 1000, MODEL_HOT = 900 };

/* What must be there, kept in the plainest way. */
struct model {
	uint64_t random;
	struct {
		uint64_t revision;
		uint8_t fill, cold_fill;
		size_t len;
	} records[MODEL_RECORDS];
	int holder[MODEL_CLAIMS]; /* -1: nobody yet */
	bool tombstone[MODEL_CLAIMS];
	struct committed done[64];
	enum cs_err want[64];
	size_t open;
};

static void
model_flush(struct fixture *f, struct model *m)
{
	settle(f->s);
	for (size_t i = 0; i < m->open; i++) {
		assert_int_equal(m->done[i].calls, 1);
		assert_int_equal(m->done[i].err, m->want[i]);
	}
	m->open = 0;
}

static void
model_check(struct fixture *f, struct model *m, unsigned n)
{
	struct store_key key = key_of(n);
	const struct loaded *l = load(f->s, &key);
	uint8_t want[MODEL_HOT];

	if (m->records[n].revision == 0) {
		assert_int_equal(l->err, CS_ERR_NOT_FOUND);
		return;
	}
	memset(want, m->records[n].fill, sizeof(want));
	assert_int_equal(l->err, CS_OK);
	assert_int_equal(l->revision, m->records[n].revision);
	assert_view(l->hot, view_of(want, m->records[n].len));
	memset(want, m->records[n].cold_fill, sizeof(want));
	assert_view(l->cold, view_of(want, m->records[n].cold_fill));
}

static void
model_commit(struct fixture *f, struct model *m)
{
	unsigned n = (unsigned)(random_next(&m->random) % MODEL_RECORDS),
		 k = (unsigned)(random_next(&m->random) % MODEL_CLAIMS);
	struct store_claim claim = {key_of(1000 + k), random_next(&m->random) % 2 == 0, false};
	struct store_commit c = {.key = key_of(n), .expected = m->records[n].revision};
	uint8_t hot[MODEL_HOT], cold[256], fill = (uint8_t)random_next(&m->random);
	size_t len = random_next(&m->random) % MODEL_HOT;
	bool with_cold = random_next(&m->random) % 4 == 0,
	     with_claim = random_next(&m->random) % 5 == 0;
	bool own = m->holder[k] == (int)n && !m->tombstone[k],
	     held = m->holder[k] >= 0 && !m->tombstone[k];
	bool fits;

	claim.once = !claim.release && random_next(&m->random) % 4 == 0;
	fits = !with_claim || (claim.release ? own : !held || (own && !claim.once));
	if (random_next(&m->random) % 16 == 0) {
		c.expected += 1 + random_next(&m->random) % 3;
		fits = false;
	}
	memset(hot, fill, sizeof(hot));
	memset(cold, fill, sizeof(cold));
	c.claims = &claim;
	c.claims_n = with_claim ? 1 : 0;
	m->want[m->open] = fits ? CS_OK : CS_ERR_CONFLICT;
	commit_set(f->s, c, view_of(hot, len), with_cold ? view_of(cold, fill) : NO_COLD,
	    &m->done[m->open++]);
	if (!fits)
		return;
	m->records[n].revision++;
	m->records[n].fill = fill;
	m->records[n].len = len;
	if (with_cold)
		m->records[n].cold_fill = fill;
	if (with_claim) {
		m->holder[k] = (int)n;
		m->tombstone[k] = claim.release;
	}
}

static void
any_history_leaves_what_a_plain_model_says(void **state)
{
	struct fixture *f = *state;
	struct model *m = calloc(1, sizeof(*m));

	m->random = seed_pick(opener->name);
	for (int k = 0; k < MODEL_CLAIMS; k++)
		m->holder[k] = -1;
	for (int step = 0; step < (f->s->ops->shared ? MODEL_STEPS_SHARED : MODEL_STEPS); step++) {
		uint64_t dice = random_next(&m->random) % 1000;

		if (dice < 800)
			model_commit(f, m);
		else if (dice < 950)
			model_check(f, m, (unsigned)(random_next(&m->random) % MODEL_RECORDS));
		if (m->open == 64 || dice >= 950)
			model_flush(f, m);
		if (dice == 998)
			store_idle(f->s, 200);
		if (dice == 999) {
			model_flush(f, m);
			reopen(f);
		}
	}
	model_flush(f, m);
	reopen(f);
	for (unsigned n = 0; n < MODEL_RECORDS; n++)
		model_check(f, m, n);
	for (int k = 0; k < MODEL_CLAIMS; k++) {
		struct store_key claim = key_of(1000 + (unsigned)k), holder;
		struct found found = find(f->s, &claim);

		assert_int_equal(found.err, m->holder[k] < 0 ? CS_ERR_NOT_FOUND : CS_OK);
		if (found.err != CS_OK)
			continue;
		holder = key_of((unsigned)m->holder[k]);
		assert_memory_equal(found.holder.b, holder.b, STORE_KEY_BYTES);
		assert_int_equal(found.tombstone, m->tombstone[k]);
	}
	free(m);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_record_that_was_never_written_is_not_found),
	    TEST(a_commit_is_loaded_as_it_was_written),
	    TEST(the_broker_s_own_record_is_like_any_other),
	    TEST(another_revision_is_a_conflict_and_changes_nothing),
	    TEST(a_commit_without_events_asks_and_writes_nothing),
	    TEST(cold_stays_unless_it_is_given),
	    TEST(loads_see_commits_before_the_flush_and_completions_wait_for_it),
	    TEST(what_a_completion_commits_belongs_to_the_next_turn),
	    TEST(a_batch_is_one_commit_of_many_revisions),
	    TEST(claims_belong_to_one_record),
	    TEST(a_claim_that_is_taken_once_is_not_taken_again_by_its_holder),
	    TEST(two_records_that_claim_the_same_in_one_turn_do_not_both_get_it),
	    TEST(payments_are_found_by_record_and_digest),
	    TEST(scans_give_every_event_in_order),
	    TEST(scans_do_not_tell_what_is_not_durable),
	    TEST(the_largest_record_and_events_fit),
	    TEST(keys_alike_in_their_first_half_are_two_records),
	    TEST(any_history_leaves_what_a_plain_model_says),
	};
	const char *only = getenv("STORE"); /* those that have this in their name */
	int failed = 0;

	log_init("test_contract", LOG_LEVEL_WARN);
	for (size_t i = 0; i < openers_n; i++) {
		opener = &openers[i];
		if (only != NULL && strstr(opener->name, only) == NULL)
			continue;
		if (opener->begin != NULL && !opener->begin())
			continue;
		failed += cmocka_run_group_tests_name(opener->name, tests, NULL, NULL);
		if (opener->end != NULL)
			opener->end();
	}
	return failed == 0 ? 0 : 1;
}
