/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal: what this broker acknowledged, durable on its own disk, so that it can put back what the shared store lost.
 * One SQLite file (WAL, synchronous=FULL), locked, one writer. What is put is gathered; journal_sync() makes all of it
 * durable with one sync, and only then may a reply leave. README.md of this folder says what repair makes of it.
 *
 * Ages are counted in the time that this broker ran, by the monotonic clock it is given: a wall clock that is set, or a
 * broker that was down for a week, makes nothing old.
 */
#ifndef CS_STORE_REDIS_JOURNAL_H
#define CS_STORE_REDIS_JOURNAL_H

#include "broker/store/store.h"

enum {
	JOURNAL_BUCKETS = 1024,
	JOURNAL_MEMBER_TEXT = 17,            /* 16 hex digits and NUL */
	JOURNAL_MEMBERS_MAX = 64,            /* other brokers that ever shared the store and were not forgotten */
	JOURNAL_NAME_TEXT = 65,
	JOURNAL_WHY_TEXT = 256,
	/* A commit of 64 events with all that comes with them takes 1.3 MiB; twice that. */
	JOURNAL_BODY_MAX = 2816 * 1024,
};

enum journal_kind { JOURNAL_COMMIT = 1, JOURNAL_CLAIM = 2 };

/* One acknowledged write. n counts this broker's writes in the bucket (the head's w:<member>), from 1, with gaps. */
struct journal_entry {
	enum journal_kind kind;
	uint16_t bucket;
	uint64_t n;
	struct store_key key;    /* of the record or the claim */
	uint64_t revision;       /* after the write: of the record, or version of the claim */
	uint64_t seq;            /* of its last event; 0: none */
	struct view body;        /* all of it, see commit_code.h; opaque here */
};

struct journal_options {
	const char *path;             /* made, mode 0600, when absent */
	const struct store_key *realm;/* digest of the key file and prefix: a journal belongs to one store */
	uint64_t bytes_max;           /* of entries; 0: the default of 2 GiB. Reached, nothing can be acknowledged */
	int64_t keep_ms;              /* entries are kept at least so long; 0: the default of 10 minutes */
};

struct journal;

/*
 * On failure *why holds one sentence for the admin. CS_ERR_CONFLICT: another broker has it; CS_ERR_CORRUPT;
 * CS_ERR_VERSION; CS_ERR_DENIED (mode, owner, or it belongs to another store); CS_ERR_SYSTEM.
 */
enum cs_err journal_open(const struct journal_options *o, struct journal **out, char why[JOURNAL_WHY_TEXT]);
/* What was put and not synced is dropped: it was not acknowledged. */
void journal_close(struct journal *j);

/* This broker's id: random, made with the file. Lives as long as the journal. */
const char *journal_member(const struct journal *j);

/* Gathers a copy. */
void journal_put(struct journal *j, const struct journal_entry *e);
bool journal_waits(const struct journal *j);  /* something is gathered */
/*
 * CS_OK: all that was put is durable. Else nothing of it may be acknowledged: CS_ERR_FULL (disk full, or bytes_max
 * reached by entries that must be kept; room may come back) or CS_ERR_UNAVAILABLE (a sync failed: for good, until the
 * process starts anew). What was gathered is dropped then. An unset disk clock may not go back: now_mono_ms only grows.
 */
enum cs_err journal_sync(struct journal *j, int64_t now_mono_ms);
/* Whether a sync could succeed as far as is known: asked before a commit is sent. why: one sentence, or "". */
enum cs_err journal_health(const struct journal *j, char why[JOURNAL_WHY_TEXT]);

/* Greatest n acknowledged (durable) in the bucket, 0: none. */
uint64_t journal_position(const struct journal *j, unsigned bucket);
/* Greatest n of the bucket that is no longer kept; 0: none. Below it, what is missing cannot be put back. */
uint64_t journal_pruned(const struct journal *j, unsigned bucket);

/* Returns false to stop. The entry is borrowed until the function returns. */
typedef bool journal_fn(void *ctx, const struct journal_entry *e);
/*
 * The durable entries of the bucket with n > after_n, by growing n, at most `limit` of them. Costs what is read, not
 * what is kept. CS_ERR_NOT_FOUND: after_n is below what is still kept, nothing was given. CS_ERR_CORRUPT: damaged; what
 * was given until then is sound.
 */
enum cs_err journal_since(struct journal *j, unsigned bucket, uint64_t after_n, size_t limit, journal_fn *fn, void *ctx);

/* Other brokers that share the store: durable when this returns CS_OK. CS_ERR_FULL: there are too many, forget some. */
enum cs_err journal_member_add(struct journal *j, const char *id, const char *name);
enum cs_err journal_member_drop(struct journal *j, const char *id);
size_t journal_members_n(const struct journal *j);
/* i below journal_members_n(); by growing id. */
const char *journal_member_at(const struct journal *j, size_t i, const char **name);

/*
 * Work for quiet moments, for about budget_us: prunes what is older than keep_ms, and moves the WAL into the file.
 * `whole`: every bucket has been open without a pause for keep_ms, so that what is old is proven to be in the shared
 * store; else nothing is pruned. Returns whether more is waiting.
 */
bool journal_idle(struct journal *j, int64_t now_mono_ms, bool whole, int64_t budget_us);

struct journal_status {
	uint64_t entries, bytes, bytes_max;  /* kept; entries since this process started for those that were put by it */
	uint64_t file_bytes;
	int64_t oldest_ms;                   /* age of the oldest entry */
	uint64_t syncs;
	enum cs_err health;
	char why[JOURNAL_WHY_TEXT];
};
void journal_status(const struct journal *j, int64_t now_mono_ms, struct journal_status *out);

#endif
