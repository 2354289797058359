/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal: gathering, the sync, reading back by bucket, pruning. A row holds what was gathered; the frames of one
 * bucket are a chain from its newest to its oldest, so that a repair reads what it needs and a put appends.
 */
#include "broker/store/redis/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "broker/base/check.h"
#include "broker/store/redis/journal_int.h"
#include "broker/store/sqlite_int.h"

enum {
	KEEP_MS_DEFAULT = 10 * 60 * 1000,
	GATHERED_ROW_BYTES = 256 * 1024,  /* then another row is begun */
	HEADS_EVERY = 256,                /* rows that a start reads at most, about */
	PRUNE_ROWS = 64,                  /* in one transaction */
	CHECKPOINT_FRAMES = 1024,         /* 4 MiB, moved in a quiet moment */
	CHECKPOINT_FRAMES_MAX = 8192,     /* 32 MiB, moved by a sync */
	TRY_AGAIN_MS = 1000,              /* a full disk */
};
static const uint64_t BYTES_MAX_DEFAULT = (uint64_t)2 << 30; /* ten minutes at 2,000 commits of 1.5 KiB a second */

enum cs_err
journal_open(const struct journal_options *o, struct journal **out, char why[JOURNAL_WHY_TEXT])
{
	struct journal *j = calloc(1, sizeof(*j));
	enum cs_err err;

	CHECK(j != NULL);
	j->path = strdup(o->path);
	j->known = calloc(JOURNAL_MEMBERS_MAX + 1, sizeof(*j->known));
	j->ahead = calloc(JOURNAL_BUCKETS, sizeof(*j->ahead));
	CHECK(j->path != NULL && j->known != NULL && j->ahead != NULL);
	j->lock_fd = -1;
	j->mono_ms = -1;
	j->bytes_max = o->bytes_max != 0 ? o->bytes_max : BYTES_MAX_DEFAULT;
	j->keep_ms = o->keep_ms != 0 ? o->keep_ms : KEEP_MS_DEFAULT;
	err = journal_file_open(j, o->realm, why);
	if (err != CS_OK) {
		journal_close(j);
		return err;
	}
	if (j->heads.time_ms == 0)
		j->heads.time_ms = 1; /* 0 stands for unknown */
	memcpy(j->ahead, j->heads.of, sizeof(j->heads.of));
	*out = j;
	return CS_OK;
}

void
journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	if (j->db != NULL && j->health == CS_OK && j->heads.row > j->heads_row && journal_begin(j) == SQLITE_OK)
		(void)journal_end(j, journal_heads_write(j));
	journal_file_close(j);
	for (size_t i = 0; i < j->rows_cap; i++)
		bytes_clear(&j->rows[i].bytes);
	free(j->rows);
	free(j->touched);
	free(j->ahead);
	free(j->known);
	free(j->path);
	free(j);
}

const char *
journal_member(const struct journal *j)
{
	return j->member;
}

uint64_t
journal_position(const struct journal *j, unsigned bucket)
{
	CHECK(bucket < JOURNAL_BUCKETS);
	return j->heads.of[bucket].n;
}

uint64_t
journal_pruned(const struct journal *j, unsigned bucket)
{
	CHECK(bucket < JOURNAL_BUCKETS);
	return j->heads.of[bucket].pruned;
}

size_t
journal_members_n(const struct journal *j)
{
	return j->known_n;
}

const char *
journal_member_at(const struct journal *j, size_t i, const char **name)
{
	CHECK(i < j->known_n);
	if (name != NULL)
		*name = j->known[i].name;
	return j->known[i].id;
}

enum cs_err
journal_failed(struct journal *j, int rc)
{
	if (j->health == CS_ERR_UNAVAILABLE)
		return j->health;
	if ((rc & 0xff) == SQLITE_NOMEM)
		check_failed("out of memory", __FILE__, __LINE__);
	if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC) {
		/* What is on the disk and what only seems to be there can no longer be told apart by this process. */
		j->health = CS_ERR_UNAVAILABLE;
		snprintf(j->why, sizeof(j->why), "the disk of %s failed a sync: replace it, then start the broker again", j->path);
	} else {
		j->health = CS_ERR_FULL;
		snprintf(j->why, sizeof(j->why), "%s cannot be written (%s): %s", j->path, sqlite3_errstr(rc & 0xff),
		    (rc & 0xff) == SQLITE_FULL ? "make room on its disk" :
		    (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB ? "it is damaged: move it away, keep it, and start the broker again" :
		    "look at its disk, and at the mode and owner of the file");
	}
	return j->health;
}

enum cs_err
journal_health(const struct journal *j, char why[JOURNAL_WHY_TEXT])
{
	if (why != NULL)
		snprintf(why, JOURNAL_WHY_TEXT, "%s", j->why);
	return j->health;
}

enum cs_err
journal_row_account(struct journal_heads *h, uint64_t row, struct view bytes)
{
	struct journal_frame f;
	struct cursor frames;
	uint64_t time_ms;
	enum cs_err err = journal_row_open(bytes, row, &time_ms, &frames);

	if (err != CS_OK)
		return err;
	while ((err = journal_get_frame(&frames, &f)) == CS_OK) {
		struct journal_head *head = &h->of[f.entry.bucket];

		if (f.entry.n > head->n)
			head->n = f.entry.n;
		head->row = row;
		h->entries++;
	}
	h->row = row;
	h->bytes += bytes.len;
	h->time_ms = time_ms;
	return err == CS_ERR_NOT_FOUND ? CS_OK : err;
}

static struct journal_row *
row_begin(struct journal *j)
{
	struct journal_row *r;

	if (j->rows_n == j->rows_cap) {
		size_t cap = j->rows_cap == 0 ? 4 : j->rows_cap * 2;

		j->rows = realloc(j->rows, cap * sizeof(*j->rows));
		CHECK(j->rows != NULL);
		for (size_t i = j->rows_cap; i < cap; i++)
			bytes_init(&j->rows[i].bytes, GATHERED_ROW_BYTES + JOURNAL_FRAME_MAX + 64);
		j->rows_cap = cap;
	}
	r = &j->rows[j->rows_n];
	r->row = j->heads.row + 1 + j->rows_n++;
	r->entries = 0;
	journal_row_begin(&r->bytes.buf);
	return r;
}

static void
touch(struct journal *j, uint16_t bucket)
{
	if (j->touched_n == j->touched_cap) {
		j->touched_cap = j->touched_cap == 0 ? 64 : j->touched_cap * 2;
		j->touched = realloc(j->touched, j->touched_cap * sizeof(*j->touched));
		CHECK(j->touched != NULL);
	}
	j->touched[j->touched_n++] = bucket;
}

void
journal_put(struct journal *j, const struct journal_entry *e)
{
	struct journal_row *r = j->rows_n == 0 ? NULL : &j->rows[j->rows_n - 1];
	struct journal_head *head = e->bucket < JOURNAL_BUCKETS ? &j->ahead[e->bucket] : NULL;
	struct journal_frame f;

	CHECK(head != NULL && e->n > 0 && e->body.len <= JOURNAL_BODY_MAX);
	CHECK(e->kind == JOURNAL_COMMIT || e->kind == JOURNAL_CLAIM);
	if (r == NULL || r->bytes.buf.len >= GATHERED_ROW_BYTES)
		r = row_begin(j);
	f = (struct journal_frame){*e, head->row, head->n};
	journal_put_frame(&r->bytes.buf, &f);
	CHECK(!r->bytes.buf.full);
	r->entries++;
	touch(j, e->bucket);
	head->row = r->row;
	if (e->n > head->n)
		head->n = e->n;
}

bool
journal_waits(const struct journal *j)
{
	return j->rows_n > 0;
}

static uint64_t
journal_time(struct journal *j, int64_t now_mono_ms)
{
	if (j->mono_ms >= 0 && now_mono_ms > j->mono_ms)
		j->heads.time_ms += (uint64_t)(now_mono_ms - j->mono_ms);
	if (j->mono_ms < 0 || now_mono_ms > j->mono_ms)
		j->mono_ms = now_mono_ms;
	return j->heads.time_ms;
}

/* Forgets what was gathered; heads are as they are on disk. */
static void
gathered_drop(struct journal *j)
{
	for (size_t i = 0; i < j->touched_n; i++)
		j->ahead[j->touched[i]] = j->heads.of[j->touched[i]];
	for (size_t i = 0; i < j->rows_n; i++) {
		bytes_consume(&j->rows[i].bytes, j->rows[i].bytes.buf.len);
		bytes_shrink(&j->rows[i].bytes, GATHERED_ROW_BYTES);
	}
	j->touched_n = j->rows_n = 0;
}

static int
rows_write(struct journal *j, uint64_t time_ms)
{
	sqlite3_stmt *stmt = j->stmt[JOURNAL_INSERT];
	int rc = journal_begin(j);

	for (size_t i = 0; rc == SQLITE_OK && i < j->rows_n; i++) {
		struct buf *b = &j->rows[i].bytes.buf;

		journal_row_end(b, j->rows[i].row, time_ms);
		CHECK(!b->full);
		sqlite3_bind_int64(stmt, 1, (int64_t)j->rows[i].row);
		sqlite3_bind_blob(stmt, 2, b->data, (int)b->len, SQLITE_STATIC);
		rc = sqlite_run(stmt);
	}
	return journal_end(j, rc);
}

/* After a commit: the heads take in what is durable now. */
static void
rows_account(struct journal *j)
{
	for (size_t i = 0; i < j->touched_n; i++)
		j->heads.of[j->touched[i]] = j->ahead[j->touched[i]];
	for (size_t i = 0; i < j->rows_n; i++) {
		j->heads.row = j->rows[i].row;
		j->heads.entries += j->rows[i].entries;
		j->heads.bytes += j->rows[i].bytes.buf.len;
	}
}

static bool
checkpoint(struct journal *j)
{
	int left = 0, moved = 0;
	int rc = sqlite3_wal_checkpoint_v2(j->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &left, &moved);

	if (rc != SQLITE_OK) {
		(void)journal_failed(j, sqlite3_extended_errcode(j->db));
		return false;
	}
	j->wal_frames = left - moved;
	return true;
}

static void
heads_when_due(struct journal *j)
{
	int rc;

	if (j->heads.row - j->heads_row < HEADS_EVERY)
		return;
	rc = journal_begin(j);
	if (rc == SQLITE_OK)
		rc = journal_end(j, journal_heads_write(j));
	if (rc != SQLITE_OK)
		(void)journal_failed(j, rc);
	else
		j->heads_row = j->heads.row;
}

enum cs_err
journal_sync(struct journal *j, int64_t now_mono_ms)
{
	uint64_t time_ms = journal_time(j, now_mono_ms);
	size_t bytes = 0;
	int rc;

	if (j->rows_n == 0)
		return j->health == CS_ERR_UNAVAILABLE ? j->health : CS_OK;
	for (size_t i = 0; i < j->rows_n; i++)
		bytes += j->rows[i].bytes.buf.len;
	if (j->health != CS_ERR_UNAVAILABLE && j->heads.bytes + bytes > j->bytes_max) {
		j->health = CS_ERR_FULL;
		snprintf(j->why, sizeof(j->why), "the journal %s holds all it may (%llu bytes) and nothing is old enough to go: give it more, or keep less long",
		    j->path, (unsigned long long)j->bytes_max);
		gathered_drop(j);
		return j->health;
	}
	if (j->health == CS_ERR_UNAVAILABLE) {
		gathered_drop(j);
		return j->health;
	}
	rc = rows_write(j, time_ms);
	if (rc != SQLITE_OK) {
		gathered_drop(j);
		j->tried_ms = now_mono_ms;
		return journal_failed(j, rc);
	}
	rows_account(j);
	gathered_drop(j);
	j->syncs++;
	j->health = CS_OK;
	j->why[0] = '\0';
	heads_when_due(j);
	if (j->wal_frames >= CHECKPOINT_FRAMES_MAX)
		(void)checkpoint(j);
	return CS_OK;
}

enum cs_err
journal_row_get(struct journal *j, uint64_t row, struct view *out)
{
	sqlite3_stmt *stmt = j->stmt[JOURNAL_GET];
	int rc;

	sqlite3_reset(stmt);
	sqlite3_bind_int64(stmt, 1, (int64_t)row);
	rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW)
		return rc == SQLITE_DONE ? CS_ERR_NOT_FOUND : CS_ERR_CORRUPT;
	*out = view_of(sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0));
	return CS_OK;
}

/* Where an entry lies: the place of its frame in a row. */
struct place {
	uint64_t n, row;
	size_t frame;
};

struct places {
	struct place *at;
	size_t n, cap;
};

static void
place_add(struct places *p, uint64_t n, uint64_t row, size_t frame)
{
	if (p->n == p->cap) {
		p->cap = p->cap == 0 ? 64 : p->cap * 2;
		p->at = realloc(p->at, p->cap * sizeof(*p->at));
		CHECK(p->at != NULL);
	}
	p->at[p->n++] = (struct place){n, row, frame};
}

static int
place_order(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->n < y->n ? -1 : x->n > y->n;
}

/* Notes the bucket's frames of one row that are wanted; *before is where its frames in older rows end. */
static enum cs_err
row_places(struct journal *j, unsigned bucket, uint64_t row, uint64_t after_n, struct places *to, struct journal_head *before)
{
	struct journal_frame f;
	struct cursor frames;
	struct view in;
	uint64_t time_ms;
	bool found = false;
	enum cs_err err = journal_row_get(j, row, &in);

	if (err == CS_OK)
		err = journal_row_open(in, row, &time_ms, &frames);
	for (size_t i = 0; err == CS_OK && (err = journal_get_frame(&frames, &f)) == CS_OK; i++) {
		if (f.entry.bucket != bucket)
			continue;
		if (!found)
			*before = (struct journal_head){f.before_n, f.before_row, 0};
		found = true;
		if (f.entry.n > after_n)
			place_add(to, f.entry.n, row, i);
	}
	if (err != CS_ERR_NOT_FOUND || !found || before->row >= row)
		return CS_ERR_CORRUPT;
	return CS_OK;
}

static enum cs_err
place_give(struct journal *j, unsigned bucket, const struct place *at, journal_fn *fn, void *ctx, bool *more)
{
	struct journal_frame f;
	struct cursor frames;
	struct view in;
	uint64_t time_ms;
	enum cs_err err = journal_row_get(j, at->row, &in);

	if (err == CS_OK)
		err = journal_row_open(in, at->row, &time_ms, &frames);
	for (size_t i = 0; err == CS_OK && i <= at->frame; i++)
		err = journal_get_frame(&frames, &f);
	if (err != CS_OK || f.entry.bucket != bucket || f.entry.n != at->n)
		return CS_ERR_CORRUPT;
	*more = fn(ctx, &f.entry);
	return CS_OK;
}

enum cs_err
journal_since(struct journal *j, unsigned bucket, uint64_t after_n, size_t limit, journal_fn *fn, void *ctx)
{
	struct journal_head at;
	struct places places = {NULL, 0, 0};
	enum cs_err err = CS_OK;
	bool more = true;

	CHECK(bucket < JOURNAL_BUCKETS);
	at = j->heads.of[bucket];
	if (after_n < at.pruned)
		return CS_ERR_NOT_FOUND;
	while (err == CS_OK && at.n > after_n)
		err = at.row == 0 ? CS_ERR_CORRUPT : row_places(j, bucket, at.row, after_n, &places, &at);
	/* A damaged row hides what lies before it, so nothing can be given in order. */
	if (err == CS_OK && places.n > 0)
		qsort(places.at, places.n, sizeof(*places.at), place_order);
	for (size_t i = 0; err == CS_OK && more && i < places.n && i < limit; i++)
		err = place_give(j, bucket, &places.at[i], fn, ctx, &more);
	sqlite3_reset(j->stmt[JOURNAL_GET]);
	free(places.at);
	return err;
}

/* Takes the oldest row out of the heads where it is old enough; *row 0: it is not, or there is none. */
static int
oldest_take(struct journal *j, uint64_t now_ms, uint64_t *row)
{
	sqlite3_stmt *stmt = j->stmt[JOURNAL_OLDEST];
	struct journal_frame f;
	struct cursor frames;
	uint64_t time_ms, id;
	struct view in;
	int rc = sqlite3_step(stmt);

	*row = 0;
	if (rc == SQLITE_ROW) {
		id = (uint64_t)sqlite3_column_int64(stmt, 0);
		in = view_of(sqlite3_column_blob(stmt, 1), (size_t)sqlite3_column_bytes(stmt, 1));
		/* A damaged row stays: what it was is not known, so it cannot be said to be old. */
		if (journal_row_open(in, id, &time_ms, &frames) == CS_OK) {
			j->oldest_time_ms = time_ms;
			if (now_ms - time_ms >= (uint64_t)j->keep_ms && now_ms >= time_ms) {
				*row = id;
				while (journal_get_frame(&frames, &f) == CS_OK) {
					struct journal_head *head = &j->heads.of[f.entry.bucket];

					if (f.entry.n > head->pruned)
						head->pruned = f.entry.n;
					j->ahead[f.entry.bucket].pruned = head->pruned;
					j->heads.entries--;
				}
				j->heads.bytes -= in.len < j->heads.bytes ? in.len : j->heads.bytes;
			}
		}
		rc = SQLITE_OK;
	} else if (rc == SQLITE_DONE) {
		j->oldest_time_ms = 0;
		rc = SQLITE_OK;
	}
	sqlite3_reset(stmt);
	return rc;
}

/* Removes up to PRUNE_ROWS rows in one transaction; returns whether more may be old. */
static bool
prune(struct journal *j, uint64_t now_ms)
{
	struct journal_heads before = j->heads;
	uint64_t row = 0;
	size_t n = 0;
	int rc = journal_begin(j);

	for (; rc == SQLITE_OK && n < PRUNE_ROWS; n++) {
		rc = oldest_take(j, now_ms, &row);
		if (rc != SQLITE_OK || row == 0)
			break;
		sqlite3_bind_int64(j->stmt[JOURNAL_DELETE], 1, (int64_t)row);
		rc = sqlite_run(j->stmt[JOURNAL_DELETE]);
	}
	if (rc == SQLITE_OK && n > 0)
		rc = journal_heads_write(j);
	rc = journal_end(j, rc);
	if (rc == SQLITE_OK) {
		if (n > 0)
			j->heads_row = j->heads.row;
		return n == PRUNE_ROWS;
	}
	j->heads = before;
	for (size_t i = 0; i < JOURNAL_BUCKETS; i++)
		j->ahead[i].pruned = before.of[i].pruned;
	(void)journal_failed(j, rc);
	return false;
}

/* A full disk or a full journal: whether there is room again. */
static void
try_again(struct journal *j, int64_t now_mono_ms)
{
	int rc;

	if (now_mono_ms - j->tried_ms < TRY_AGAIN_MS)
		return;
	j->tried_ms = now_mono_ms;
	rc = journal_begin(j);
	if (rc == SQLITE_OK)
		rc = journal_end(j, journal_heads_write(j));
	if (rc != SQLITE_OK) {
		(void)journal_failed(j, rc);
		return;
	}
	j->heads_row = j->heads.row;
	if (j->heads.bytes < j->bytes_max - j->bytes_max / 16) {
		j->health = CS_OK;
		j->why[0] = '\0';
	}
}

bool
journal_idle(struct journal *j, int64_t now_mono_ms, bool whole, int64_t budget_us)
{
	int64_t until = sqlite_now_us() + budget_us;
	uint64_t now_ms = journal_time(j, now_mono_ms);
	bool more = false;

	if (j->rows_n > 0 || j->health == CS_ERR_UNAVAILABLE)
		return false; /* what is gathered goes first */
	if (whole && (j->oldest_time_ms == 0 || now_ms - j->oldest_time_ms >= (uint64_t)j->keep_ms) && j->heads.entries > 0) {
		do
			more = prune(j, now_ms);
		while (more && sqlite_now_us() < until);
	}
	if (j->health == CS_ERR_FULL)
		try_again(j, now_mono_ms);
	if (j->wal_frames >= CHECKPOINT_FRAMES)
		(void)checkpoint(j);
	return more;
}

void
journal_status(const struct journal *j, int64_t now_mono_ms, struct journal_status *out)
{
	struct stat st;
	uint64_t now_ms = j->heads.time_ms;

	if (j->mono_ms >= 0 && now_mono_ms > j->mono_ms)
		now_ms += (uint64_t)(now_mono_ms - j->mono_ms);
	memset(out, 0, sizeof(*out));
	out->entries = j->heads.entries;
	out->bytes = j->heads.bytes;
	out->bytes_max = j->bytes_max;
	out->file_bytes = stat(j->path, &st) == 0 ? (uint64_t)st.st_size : 0;
	out->oldest_ms = j->oldest_time_ms == 0 || j->heads.entries == 0 ? 0 : (int64_t)(now_ms - j->oldest_time_ms);
	out->syncs = j->syncs;
	out->health = j->health;
	snprintf(out->why, sizeof(out->why), "%s", j->why);
}
