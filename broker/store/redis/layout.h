/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things lie in Redis and how their bytes look: names of keys, encodings of values, and the
 * arithmetic of sequence numbers. README.md has the table. Decoders take any bytes at all:
 * CS_ERR_VERSION for a newer version, CS_ERR_CORRUPT for all else that is not right; their views
 * borrow from what was read.
 */
#ifndef CS_STORE_REDIS_LAYOUT_H
#define CS_STORE_REDIS_LAYOUT_H

#include "broker/store/redis/slots.h"
#include "broker/store/store.h"

enum {
	LAYOUT_VERSION = 1,
	LAYOUT_BUCKETS = SLOTS_BUCKETS,
	LAYOUT_BUCKET_BITS = 10,
	LAYOUT_PREFIX_MAX = 32,
	LAYOUT_KEY_MAX = 96, /* prefix, tag in braces, kind, two keys */
	LAYOUT_ID_BYTES = 8, /* of a commit */
	LAYOUT_HEADER_BYTES = 40,
	LAYOUT_MAKING_MAX = 32 * 1024, /* a commit that is larger is not kept with its record */
	LAYOUT_HOT_MAX = LAYOUT_HEADER_BYTES + 5 + 3 + LAYOUT_MAKING_MAX + STORE_HOT_MAX,
	LAYOUT_COLD_MAX = 8 + 5 + STORE_COLD_MAX,
	LAYOUT_EVENT_MAX = 8 + STORE_EVENT_MAX + STORE_EXTRA_MAX + 48,
	LAYOUT_EVENT_BACK_BYTES = 8, /* before what layout_put_event() writes; the script puts it there */
	/* As in commit.lua. A segment may end with one commit more. */
	LAYOUT_SEGMENT_EVENTS = 4096,
	LAYOUT_UNIT_US = 128,
	LAYOUT_EPOCH_S = 1735689600, /* 2025-01-01 */
	LAYOUT_HELD = 0x80,	     /* in the first byte of a hot value: the record is held */
};

enum layout_kind {
	LAYOUT_HEAD = 'h',
	LAYOUT_RECORD = 'r',   /* key */
	LAYOUT_COLD = 'c',     /* key */
	LAYOUT_CLAIMS = 's',   /* key: the claims that the record holds */
	LAYOUT_LOG = 'l',      /* segment number */
	LAYOUT_SEGMENTS = 'i',
	LAYOUT_PAYMENT = 'p',  /* key, payment */
	LAYOUT_CLAIM = 'k',    /* claim */
	LAYOUT_POISON = 'x',   /* commit id */
	LAYOUT_REPAIR = 'q',
	LAYOUT_HELD_MARK = 'y', /* key */
	LAYOUT_FENCE = 'f',
	LAYOUT_BEATS = 'z',
	LAYOUT_META = 'm', /* "eta" */
};

struct layout {
	char prefix[LAYOUT_PREFIX_MAX + 1];
};

/* The prefix has letters, digits, '-', '_', '.' and ':' only, 1 to LAYOUT_PREFIX_MAX; else CS_ERR_RANGE. */
enum cs_err layout_init(struct layout *l, const char *prefix);

unsigned layout_bucket(const struct store_key *key);

struct layout_key {
	size_t len;
	char text[LAYOUT_KEY_MAX];
};

/* The name of a key; the view borrows from *to. */
struct view layout_key(const struct layout *l, unsigned bucket, enum layout_kind kind, const void *rest,
    size_t rest_len, struct layout_key *to);
/* The same for what belongs to a record (or claim), in its own bucket. */
struct view layout_key_of(const struct layout *l, enum layout_kind kind, const struct store_key *key,
    struct layout_key *to);
struct view layout_log(const struct layout *l, unsigned bucket, uint64_t segment, struct layout_key *to);
struct view layout_payment(const struct layout *l, const struct store_key *key, const struct store_key *payment,
    struct layout_key *to);

/* Sequence numbers: time in units of 128 us since 2025, then the bucket. Below 2^53, as numbers of scripts and JSON must be. */
uint64_t layout_seq(uint64_t units, unsigned bucket);
uint64_t layout_units_of(uint64_t seq);
uint64_t layout_units_at(int64_t time_us); /* since 1970; 0 before 2025 */
/* The greatest number that an event can have that was written before that time. */
uint64_t layout_seq_before(int64_t time_us);

/* Big-endian, so that the bytes compare as the numbers do. */
void layout_put_be(uint8_t to[8], uint64_t v);
uint64_t layout_get_be(const uint8_t from[8]);

struct layout_hot {
	uint64_t revision, last_seq, n, cold_revision;
	uint8_t id[LAYOUT_ID_BYTES]; /* of the commit that wrote it */
	bool held;		     /* then the rest is not to be used */
	struct view making;	     /* of that commit, see commit_put_making(); empty: not kept */
	struct view hot;
};

/* What comes after the header of a hot value; the script writes the header. making: at most LAYOUT_MAKING_MAX bytes. */
void layout_put_tail(struct buf *out, const struct store_key *key, uint64_t revision,
    const uint8_t id[LAYOUT_ID_BYTES], struct view making, struct view hot);
enum cs_err layout_get_hot(struct view in, const struct store_key *key, struct layout_hot *out);

void layout_put_cold(struct buf *out, const struct store_key *key, uint64_t revision, struct view cold);
/* Only the cold part that was written at that revision. */
enum cs_err layout_get_cold(struct view in, const struct store_key *key, uint64_t revision, struct view *cold);

struct layout_event {
	struct store_key key;
	uint64_t revision;
	uint64_t back; /* sequence number of the record's event before; 0: none */
	struct view event;
	struct view extra;
};

/* Without `back`, which the script puts before it. */
void layout_put_event(struct buf *out, const struct store_key *key, uint64_t revision, const struct store_event *event);
/* A whole value of the log. */
enum cs_err layout_get_event(struct view in, struct layout_event *out);

#endif
