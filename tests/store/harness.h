/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store's tests share: scratch directories, calls that wait for their completion, and a
 * way to replay.
 */
#ifndef TESTS_STORE_HARNESS_H
#define TESTS_STORE_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/store/mem.h"
#include "broker/store/sqlite.h"

/*
 * For stores that answer later and wait for descriptors: what does a round of waiting, of a few ms at most. NULL: a flush
 * is enough.
 */
extern void (*harness_wait)(void);

/* A new directory under $TMPDIR or /tmp; removed with all in it by scratch_remove(). */
char *scratch_make(void);
void scratch_remove(char *dir);
/* dir/store.db; in a static buffer. */
const char *scratch_db(const char *dir);

enum cs_err sqlite_open_at(
    const char *dir, size_t cache_bytes, uint64_t wal_max_bytes, struct store **s, char why[256]);

/* Spread as a salted hash is. */
struct store_key key_of(uint64_t n);
uint64_t random_next(uint64_t *state);
/* $SEED, or one from the clock; printed, so that a failure can be repeated. */
uint64_t seed_pick(const char *test);

struct loaded {
	int calls;
	enum cs_err err;
	uint64_t revision;
	struct view hot, cold; /* into the bytes below */
	uint8_t bytes[STORE_HOT_MAX + STORE_COLD_MAX];
};

/*
 * Into a static; the next load overwrites it. Flushes up to a few times where the store is slow to
 * answer.
 */
const struct loaded *load(struct store *s, const struct store_key *key);

struct committed {
	int calls;
	enum cs_err err;
};

/* The completion, for ctx a struct committed. */
void commit_told(void *ctx, enum cs_err err);
/* The call of `c` with commit_told. */
void commit_begin(struct store *s, const struct store_commit *c, struct committed *done);
/* Flushes, and waits where the store answers later, until *calls is 1. */
void await(struct store *s, const int *calls);
/* The same for every commit that was begun by commit_begin() or commit_set(). */
void settle(struct store *s);
/*
 * A commit of one event that sets hot, and cold where cold.data is not NULL; the event alone is
 * enough to replay it. `c` gives key, expected, claims, payments and narrows; its events, hot and
 * cold are set here.
 */
void commit_set(struct store *s, struct store_commit c, struct view hot, struct view cold,
    struct committed *done);
/* The same and a flush; returns what the completion said. */
enum cs_err commit_now(struct store *s, struct store_commit c, struct view hot, struct view cold);
/* Event bytes of that kind; extra is the cold part. */
void event_make(struct buf *to, struct view hot, bool has_cold);
enum cs_err event_replay(void *ctx, const struct store_key *key, uint64_t revision, struct buf *hot,
    struct buf *cold, struct view event, struct view extra);

struct found {
	int calls;
	enum cs_err err;
	struct store_key holder;
	bool tombstone;
};

struct found find(struct store *s, const struct store_key *claim);
/* The summary, as a NUL-terminated text in a static, or NULL when there is none. */
const char *find_payment(
    struct store *s, const struct store_key *key, const struct store_key *payment);

enum { SCANNED_MAX = 512 };

struct scanned {
	int calls;
	enum cs_err err;
	uint64_t next;
	size_t rows_n;
	size_t stop_at; /* stop after so many rows; 0: never */
	struct {
		uint64_t seq, revision;
		struct store_key key;
		size_t event_len, extra_len;
	} rows[SCANNED_MAX];
};

/* Newest first. */
void scan_back(struct store *s, uint64_t before, uint64_t limit, const struct store_key *key, struct scanned *out);
void scan(struct store *s, uint64_t after, uint64_t limit, const struct store_key *key,
    struct scanned *out);

#define assert_view(got, want)                                                                     \
	do {                                                                                       \
		struct view got_ = (got), want_ = (want);                                          \
		assert_int_equal(got_.len, want_.len);                                             \
		if (want_.len > 0)                                                                 \
			assert_memory_equal(got_.data, want_.data, want_.len);                     \
	} while (0)

#endif
