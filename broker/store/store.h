/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store contract. One process, one thread, completions. A record belongs to a 16-byte key (an account, or the
 * broker's own record at the zero key) and has a revision that grows by one with every event. The event is the redo
 * record: log and state are one thing. The store understands neither events nor states; it keeps their bytes.
 *
 * Order of things in one turn of the engine's loop: any number of loads, finds and commits, then store_flush(). What
 * was committed is durable, and may be told to anyone, only when its completion has run with CS_OK; completions of
 * commits run inside store_flush() or later from the loop, never inside store_commit(). A load or a find may
 * complete before it returns, or in a later turn; so may a scan. A load or a find sees the commits that this process has issued before it, durable or
 * not, so an answer made from it waits for the flush as well. A scan gives only what is durable. A completion may call
 * anything here but store_flush(), store_idle() and store_close(); what it commits belongs to the next turn.
 *
 * A shared store (ops->shared) is written by other processes too. Its loads may give what this process remembers, so an
 * answer that rests on a load alone is asked about first: by a commit without events, which changes nothing and says
 * whether the record is still at that revision. All of its completions run inside store_flush(), store_idle() or
 * store_tick(), never when a descriptor becomes ready.
 *
 * What a completion may say:
 *   CS_OK               done (durable, for a commit)
 *   CS_ERR_NOT_FOUND    load: no such record yet (a commit with expected revision 0 makes it); find: nobody holds it
 *   CS_ERR_CONFLICT     commit: the revision is another, or a claim is held by another; nothing was written
 *   CS_ERR_FULL         disk nearly full: only commits marked `narrows` are taken; nothing was written
 *   CS_ERR_UNAVAILABLE  nothing was written, and it may be asked again
 *   CS_ERR_UNKNOWN      it may have been written: never answer this as success, never as failure
 *   CS_ERR_CORRUPT      the stored bytes fail their checksum
 */
#ifndef CS_STORE_STORE_H
#define CS_STORE_STORE_H

#include "broker/base/buf.h"
#include "broker/base/err.h"

enum {
	STORE_KEY_BYTES = 16,
	STORE_HOT_MAX = 44 * 1024,    /* as ACCOUNT_BYTES_MAX; the usual one takes under 1 KiB */
	STORE_COLD_MAX = 96 * 1024,   /* 16 links (22 KiB), 16 factors, 8 cards, 32 allowances, 32 facts: 70 KiB with the longest of texts */
	STORE_EVENT_MAX = 4 * 1024,
	STORE_EXTRA_MAX = 16 * 1024,  /* sealed texts and cold changes that come with an event */
	STORE_BATCH_MAX = 64,         /* events in one commit of one record */
	STORE_CLAIMS_MAX = 4,
	STORE_PAYMENTS_MAX = 64,      /* the whole ring of a record at once */
	STORE_SUMMARY_MAX = 256,
};

/* A salted hash, so its bits are spread evenly: stores place records by its first eight bytes. */
struct store_key {
	uint8_t b[STORE_KEY_BYTES];
};

/* Borrowed; valid until the completion that received it returns. */
struct store_record {
	uint64_t revision;
	struct view hot;
	struct view cold;
};

struct store_event {
	struct view event;   /* chained bytes, see broker/core/event.h */
	struct view extra;   /* outside the chain; the event holds its hash. May be empty */
};

/*
 * A unique key: the salted digest of (realm, provider, issuer, subject). Held by one record at a time. A released one
 * stays as a tombstone that remembers its last holder and may be claimed again.
 */
struct store_claim {
	struct store_key claim;
	/* Take: CS_ERR_CONFLICT where another record holds it. Release: CS_ERR_CONFLICT where this record does not. */
	bool release;
	/* A take that happens once: CS_ERR_CONFLICT where this record holds it, too. */
	bool once;
};

/* A payment that left the ring of the hot state; found again by its digest. Written in the same commit. */
struct store_payment {
	struct store_key payment;
	struct view summary;   /* at most STORE_SUMMARY_MAX bytes */
};

struct store_commit {
	struct store_key key;
	uint64_t expected;     /* revision before; afterwards expected + events_n */
	const struct store_event *events;
	/*
	 * 1 to STORE_BATCH_MAX. 0: is the record still at `expected` (0: still absent)? CS_OK or CS_ERR_CONFLICT; nothing is
	 * written, and all below is empty.
	 */
	size_t events_n;
	struct view hot;       /* the state after the last event */
	struct view cold;      /* data NULL: unchanged */
	const struct store_claim *claims;
	size_t claims_n;
	const struct store_payment *payments;
	size_t payments_n;
	bool narrows;          /* takes power away: accepted even when the disk is nearly full */
};

/* One event as scan gives it; borrowed. Sequence numbers grow, with gaps allowed, in commit order. */
struct store_row {
	uint64_t seq;
	struct store_key key;
	uint64_t revision;     /* of the record after this event */
	struct view event;
	struct view extra;
};

/* What an admin said to what is shared itself while no process answered: it stands there until it is told. Borrowed. */
struct store_word {
	struct view name;      /* which word it is, for store_word_told() */
	int64_t said_ms;       /* by the clock of the machine where it was said */
	int bucket;            /* that was released; -1: the member was forgotten */
	struct view member, member_id;
	struct view by;        /* who said it, and where */
	struct view reason;
};

typedef void store_load_fn(void *ctx, enum cs_err err, const struct store_record *record);
typedef void store_commit_fn(void *ctx, enum cs_err err);
/* found: the holder of a claim, or the last holder when `tombstone`. */
typedef void store_find_fn(void *ctx, enum cs_err err, const struct store_key *holder, bool tombstone);
typedef void store_payment_fn(void *ctx, enum cs_err err, struct view summary);
typedef void store_word_fn(void *ctx, enum cs_err err, const struct store_word *word);
/* Returns false to stop. */
typedef bool store_row_fn(void *ctx, const struct store_row *row);
/* After the last row: `next` is where to go on after. With `next` equal to the scan's `after` there is nothing more now. */
typedef void store_scan_fn(void *ctx, enum cs_err err, uint64_t next);

/*
 * How a state is rebuilt from an event; given by the engine, used by a store that replays its log when it is opened.
 * hot and cold hold the state before (empty for a new record) and are overwritten with the state after.
 */
typedef enum cs_err store_replay_fn(void *ctx, const struct store_key *key, uint64_t revision, struct buf *hot,
    struct buf *cold, struct view event, struct view extra);

struct json_writer;

struct store_scan {
	uint64_t after;              /* sequence number, exclusive; 0 for the start */
	uint64_t limit;              /* rows at most, 1 or more; a store may cut a scan earlier so that the loop goes on */
	const struct store_key *key; /* of one record only, or NULL */
	/*
	 * Of one record, newest first: below `after`, which is 0 (from the newest on) or the number of one of its rows. `next` is
	 * what to go on with; 0 once the record's first event was given, and where `after` is no row of the record.
	 */
	bool back;
};

struct store_status {
	const char *kind;            /* "sqlite", "mem" */
	uint64_t records;            /* may be an estimate */
	uint64_t log_first, log_last;
	uint64_t folded;             /* log is folded into snapshots up to here */
	uint64_t cache_bytes, cache_records, dirty_records;
	uint64_t wal_bytes, db_bytes, disk_free_bytes;
	bool narrow_only;            /* the disk is nearly full */
	bool fresh, leads;           /* as in struct store_view */
	int64_t fresh_for_ms;        /* how long the view of what is shared may still be trusted; INT64_MAX: always */
	uint64_t shared_revision;    /* of the zero record, the newest that the lease saw; 0: not shared */
	char detail[256];            /* what keeps it from serving all, for people; "" nothing */
	char way_out[192];           /* what to do about that; ends in a command of countersignctl that also works where no broker answers. "" none */
};

/* What this process may rest on for this turn. Of a store that is not shared: { true, true, 0 }. */
struct store_view {
	bool fresh;                  /* its view of what is shared is within its lease */
	bool leads;                  /* it does what only one may do: the transmitter's pushes, polls of providers */
	uint64_t zero_revision;      /* of the zero record, as the lease saw it; newer than what was loaded: load it again */
	uint32_t history;            /* another one than at the last load: again too, whatever the revision; what was seen may be lost */
};

struct store;

/*
 * A backend: one struct in one file. All operations are required but tick, view, report, forget_member, release, word and word_told. The wrapper functions below check arguments and
 * results (bounds, revision arithmetic, completions never twice) once for all backends.
 */
struct store_ops {
	const char *kind;
	bool shared;  /* other processes commit too */
	void (*load)(struct store *s, const struct store_key *key, store_load_fn *done, void *ctx);
	void (*commit)(struct store *s, const struct store_commit *c, store_commit_fn *done, void *ctx);
	void (*find)(struct store *s, const struct store_key *claim, store_find_fn *done, void *ctx);
	void (*find_payment)(struct store *s, const struct store_key *key, const struct store_key *payment,
	    store_payment_fn *done, void *ctx);
	void (*scan)(struct store *s, const struct store_scan *scan, store_row_fn *row, store_scan_fn *done, void *ctx);
	/* Ends the turn: everything committed since the last flush becomes durable and its completions run. */
	void (*flush)(struct store *s);
	/*
	 * Work that need not hold up a reply (folding, checkpoints), for at most about budget_us. Called between turns;
	 * returns whether more is waiting.
	 */
	bool (*idle)(struct store *s, int64_t budget_us);
	/* Time passed: milliseconds until it wants to be called again. NULL: never. */
	int64_t (*tick)(struct store *s, int64_t now_mono_ms);
	/* Cheap: asked for in each turn. NULL: not shared. */
	void (*view)(struct store *s, struct store_view *out);
	void (*status)(struct store *s, struct store_status *out);
	/* All that it can tell an admin, as members of the object that w is in. NULL: no more than the status. */
	void (*report)(struct store *s, struct json_writer *w);
	/* An admin's word on what is shared; see store_forget_member() and store_release(). NULL: not shared. */
	void (*forget_member)(struct store *s, const char *name, store_commit_fn *done, void *ctx);
	void (*release)(struct store *s, const struct store_key *key, int bucket, store_commit_fn *done, void *ctx);
	/* Words that were said while no process answered; see store_word(). NULL: there are none. */
	void (*word)(struct store *s, store_word_fn *done, void *ctx);
	void (*word_told)(struct store *s, struct view name, store_commit_fn *done, void *ctx);
	/* Flushes, folds what is cheap, closes. Completions that are still open run with CS_ERR_UNAVAILABLE. */
	void (*close)(struct store *s);
};

struct store_guard;

/* First member of every backend's own struct; set by store_init(), cleared by store_clear() at the end of close. */
struct store {
	const struct store_ops *ops;
	struct store_guard *guard; /* what the wrapper knows: open calls, depth */
};

void store_init(struct store *s, const struct store_ops *ops);
void store_clear(struct store *s);
/* Voids every open call: their completions must not run any more. */
void store_forget(struct store *s);

void store_load(struct store *s, const struct store_key *key, store_load_fn *done, void *ctx);
void store_commit(struct store *s, const struct store_commit *c, store_commit_fn *done, void *ctx);
void store_find(struct store *s, const struct store_key *claim, store_find_fn *done, void *ctx);
void store_find_payment(struct store *s, const struct store_key *key, const struct store_key *payment,
    store_payment_fn *done, void *ctx);
void store_scan(struct store *s, const struct store_scan *scan, store_row_fn *row, store_scan_fn *done, void *ctx);
void store_flush(struct store *s);
bool store_idle(struct store *s, int64_t budget_us);
/* INT64_MAX: never. */
int64_t store_tick(struct store *s, int64_t now_mono_ms);
struct store_view store_view(const struct store *s);
void store_status(struct store *s, struct store_status *out);
/* False where there is no more than the status. */
bool store_report(struct store *s, struct json_writer *w);
/*
 * The member of this name will never come back: nothing waits any more for what it alone knew. CS_ERR_NOT_FOUND: no such
 * member; CS_ERR_CONFLICT: it is alive; CS_ERR_DENIED: this store has no members.
 */
void store_forget_member(struct store *s, const char *name, store_commit_fn *done, void *ctx);
/*
 * What was held back because it could not be proven whole goes on as it stands: this record, or (bucket from 0 on) all of a
 * bucket, and key is not looked at. CS_ERR_NOT_FOUND: it is not held; CS_ERR_DENIED: this store holds nothing back.
 */
void store_release(struct store *s, const struct store_key *key, int bucket, store_commit_fn *done, void *ctx);
/*
 * The oldest word of an admin that was said while no process answered, and that is not told yet. CS_ERR_NOT_FOUND: there is none.
 * The same word may be given to several processes, and again after it was told, so whoever tells it sees to it that it is told once.
 */
void store_word(struct store *s, store_word_fn *done, void *ctx);
/* It is told, durably: store_word() need not give it any more. */
void store_word_told(struct store *s, struct view name, store_commit_fn *done, void *ctx);
void store_close(struct store *s);

#endif
