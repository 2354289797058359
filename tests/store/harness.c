/* SPDX-License-Identifier: Apache-2.0 */
/* See harness.h. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "tests/store/harness.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/check.h"

enum { ANSWER_TURNS_MAX = 64, ANSWER_S_MAX = 20 };

enum cs_err
sqlite_open_at(
    const char *dir, size_t cache_bytes, uint64_t wal_max_bytes, struct store **s, char why[256])
{
	struct store_sqlite_options options = {.path = scratch_db(dir),
	    .cache_bytes = cache_bytes,
	    .wal_max_bytes = wal_max_bytes,
	    .disk_reserve_bytes = 1,
	    .replay = event_replay};

	return store_sqlite_open(&options, s, why);
}

void (*harness_wait)(void);
static size_t commits_open;

char *
scratch_make(void)
{
	const char *tmp = getenv("TMPDIR");
	char name[512];

	snprintf(name, sizeof(name), "%s/store.XXXXXX", tmp != NULL ? tmp : "/tmp");
	CHECK(mkdtemp(name) != NULL);
	return strdup(name);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st, (void)kind, (void)where;
	return remove(path);
}

void
scratch_remove(char *dir)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(dir);
}

const char *
scratch_db(const char *dir)
{
	static char path[600];

	snprintf(path, sizeof(path), "%s/store.db", dir);
	return path;
}

static uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

struct store_key
key_of(uint64_t n)
{
	uint64_t x[2] = {mix(n + 0x9e3779b97f4a7c15), mix(~n)};
	struct store_key key;

	memcpy(key.b, x, sizeof(key.b));
	return key;
}

uint64_t
random_next(uint64_t *state)
{
	return mix(*state += 0x9e3779b97f4a7c15);
}

uint64_t
seed_pick(const char *test)
{
	const char *given = getenv("SEED");
	struct timespec t;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &t);
	seed = given != NULL ? strtoull(given, NULL, 10)
			     : (uint64_t)t.tv_sec * 1000003 + (uint64_t)t.tv_nsec;
	printf("# %s: repeat with SEED=%llu\n", test, (unsigned long long)seed);
	fflush(stdout);
	return seed;
}

static void
on_load(void *ctx, enum cs_err err, const struct store_record *r)
{
	struct loaded *l = ctx;

	l->calls++;
	l->err = err;
	if (err != CS_OK)
		return;
	l->revision = r->revision;
	memcpy(l->bytes, r->hot.data, r->hot.len);
	if (r->cold.len > 0)
		memcpy(l->bytes + r->hot.len, r->cold.data, r->cold.len);
	l->hot = view_of(l->bytes, r->hot.len);
	l->cold = view_of(l->bytes + r->hot.len, r->cold.len);
}

/* Whether it may still come; a round of waiting lies behind it. */
static bool
wait_more(struct store *s, unsigned turns, time_t since)
{
	if (!s->ops->shared || harness_wait == NULL)
		return turns < ANSWER_TURNS_MAX;
	harness_wait();
	return time(NULL) - since < ANSWER_S_MAX;
}

void
await(struct store *s, const int *calls)
{
	time_t since = time(NULL);

	if (*calls == 0)
		store_flush(s);
	for (unsigned i = 0; *calls == 0 && wait_more(s, i, since); i++) {
		store_tick(s, 0);
		if (*calls == 0)
			store_flush(s);
	}
	assert_int_equal(*calls, 1);
}

void
settle(struct store *s)
{
	time_t since = time(NULL);

	store_flush(s);
	for (unsigned i = 0; commits_open > 0 && wait_more(s, i, since); i++) {
		store_tick(s, 0);
		store_flush(s);
	}
	assert_int_equal(commits_open, 0);
}

const struct loaded *
load(struct store *s, const struct store_key *key)
{
	static struct loaded l;

	memset(&l, 0, sizeof(l));
	store_load(s, key, on_load, &l);
	await(s, &l.calls);
	return &l;
}

void
event_make(struct buf *to, struct view hot, bool has_cold)
{
	buf_put_u8(to, has_cold ? 'C' : 'H');
	buf_put_lv(to, hot);
	CHECK(!to->full);
}

enum cs_err
event_replay(void *ctx, const struct store_key *key, uint64_t revision, struct buf *hot,
    struct buf *cold, struct view event, struct view extra)
{
	struct cursor c = {
	    (const uint8_t *)event.data, (const uint8_t *)event.data + event.len, false};
	uint8_t kind = cursor_u8(&c);
	struct view set = cursor_lv(&c, STORE_HOT_MAX);

	(void)ctx, (void)key, (void)revision;
	if (c.bad)
		return CS_ERR_CORRUPT;
	hot->len = 0;
	buf_put_view(hot, set);
	if (kind == 'C') {
		cold->len = 0;
		buf_put_view(cold, extra);
	}
	return CS_OK;
}

void
commit_told(void *ctx, enum cs_err err)
{
	struct committed *c = ctx;

	c->calls++;
	c->err = err;
	commits_open--;
}

void
commit_begin(struct store *s, const struct store_commit *c, struct committed *done)
{
	*done = (struct committed){0, CS_OK};
	commits_open++;
	store_commit(s, c, commit_told, done);
}

void
commit_set(struct store *s, struct store_commit c, struct view hot, struct view cold,
    struct committed *done)
{
	uint8_t memory[STORE_EVENT_MAX];
	struct buf b = buf_over(memory, sizeof(memory));
	struct store_event event;

	event_make(&b, hot, cold.data != NULL);
	event = (struct store_event){buf_view(&b), cold};
	c.events = &event;
	c.events_n = 1;
	c.hot = hot;
	c.cold = cold;
	commit_begin(s, &c, done);
}

enum cs_err
commit_now(struct store *s, struct store_commit c, struct view hot, struct view cold)
{
	struct committed done;

	commit_set(s, c, hot, cold, &done);
	assert_int_equal(done.calls, 0);
	await(s, &done.calls);
	return done.err;
}

static void
on_find(void *ctx, enum cs_err err, const struct store_key *holder, bool tombstone)
{
	struct found *f = ctx;

	f->calls++;
	f->err = err;
	if (holder != NULL)
		f->holder = *holder;
	f->tombstone = tombstone;
}

struct found
find(struct store *s, const struct store_key *claim)
{
	struct found f = {0};

	store_find(s, claim, on_find, &f);
	await(s, &f.calls);
	return f;
}

struct paid {
	int calls;
	enum cs_err err;
	char text[STORE_SUMMARY_MAX + 1];
};

static void
on_payment(void *ctx, enum cs_err err, struct view summary)
{
	struct paid *p = ctx;

	p->calls++;
	p->err = err;
	if (summary.len > 0)
		memcpy(p->text, summary.data, summary.len);
	p->text[summary.len] = '\0';
}

const char *
find_payment(struct store *s, const struct store_key *key, const struct store_key *payment)
{
	static struct paid p;

	memset(&p, 0, sizeof(p));
	store_find_payment(s, key, payment, on_payment, &p);
	await(s, &p.calls);
	assert_true(p.err == CS_OK || p.err == CS_ERR_NOT_FOUND);
	return p.err == CS_OK ? p.text : NULL;
}

static bool
on_row(void *ctx, const struct store_row *row)
{
	struct scanned *out = ctx;
	size_t i = out->rows_n++;

	assert_true(i < SCANNED_MAX);
	out->rows[i].seq = row->seq;
	out->rows[i].revision = row->revision;
	out->rows[i].key = row->key;
	out->rows[i].event_len = row->event.len;
	out->rows[i].extra_len = row->extra.len;
	return out->rows_n != out->stop_at;
}

static void
on_scan(void *ctx, enum cs_err err, uint64_t next)
{
	struct scanned *out = ctx;

	out->calls++;
	out->err = err;
	out->next = next;
}

static void
scan_as(struct store *s, const struct store_scan *what, struct scanned *out)
{
	size_t stop_at = out->stop_at;

	memset(out, 0, sizeof(*out));
	out->stop_at = stop_at;
	store_scan(s, what, on_row, on_scan, out);
	await(s, &out->calls);
}

void
scan(struct store *s, uint64_t after, uint64_t limit, const struct store_key *key,
    struct scanned *out)
{
	scan_as(s, &(struct store_scan){.after = after, .limit = limit, .key = key}, out);
}

void
scan_back(struct store *s, uint64_t before, uint64_t limit, const struct store_key *key, struct scanned *out)
{
	scan_as(s, &(struct store_scan){.after = before, .limit = limit, .key = key, .back = true}, out);
}
