/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the shared store's front share: its struct, and the calls that are open. */
#ifndef CS_STORE_REDIS_REDIS_INT_H
#define CS_STORE_REDIS_REDIS_INT_H

#include "broker/store/cache.h"
#include "broker/store/redis/claims.h"
#include "broker/store/redis/commit_code.h"
#include "broker/store/redis/fleet.h"
#include "broker/store/redis/ground.h"
#include "broker/store/redis/journal.h"
#include "broker/store/redis/lanes.h"
#include "broker/store/redis/layout.h"
#include "broker/store/redis/members.h"
#include "broker/store/redis/pollset.h"
#include "broker/store/redis/redis.h"
#include "broker/store/redis/scan.h"
#include "broker/store/redis/scripts.h"
#include "broker/store/redis/tenure.h"

struct json_writer;
struct redisReply;
struct store_redis;

enum call_kind {
	CALL_LOAD,
	CALL_COMMIT,
	CALL_CHECK, /* a commit without events */
	CALL_FIND,
	CALL_PAYMENT,
	CALL_WORD, /* an admin's */
	CALL_SAID, /* one that was said offline */
};

enum call_state {
	CALL_WAITING, /* for earlier calls of the same record or claim */
	CALL_READY,   /* to be asked with the next flush, or once its bucket is open */
	CALL_ASKED,
	CALL_ENDED, /* its completion runs when the turn's journal is on disk */
};

struct call {
	struct lane_ticket ticket; /* first: lanes give it back */
	struct store_redis *s;
	struct call *older, *newer; /* all that are open, in the order of their beginning */
	struct call *next;	    /* in the list of its state */
	enum call_kind kind;
	enum call_state state;
	enum cs_err err;
	int64_t begun_ms;
	bool maybe;	  /* a commit that was asked, and nobody knows whether it was executed */
	unsigned segments; /* times it was sent to another segment */
	struct store_key key, payment;
	union {
		store_load_fn *load;
		store_commit_fn *commit;
		store_find_fn *find;
		store_payment_fn *payment;
		store_word_fn *word;
	} done;
	void *ctx;

	struct bytes body;	/* commit: all of it, as for the journal. Payment: its summary. Word: its name, of n bytes, and its value */
	struct bytes ground;	/* commit, check: what it builds on, where that was read and is in no journal of ours (ground.h) */
	uint64_t expected, events_n, n, seq;
	uint8_t before[LAYOUT_ID_BYTES]; /* of the revision expected; zeros: not known */
	uint32_t begun_turn;		 /* of the bucket, when the caller decided */
	uint64_t zero_revision;		 /* commit: of the broker's own record, as the lease had seen it then */
	struct cache_entry *entry;	 /* load: what was read */
	struct cache_entry *known;	 /* load: or what the cache has, pinned */
	uint32_t turn;			 /* of the bucket, when it was asked */
	struct claims_hold *hold;	 /* commit: the claims that were put down for it */
	struct store_key holder;	 /* find */
	bool tombstone;
	bool narrows;
};

struct call_list {
	struct call *first, **end;
	size_t n;
};

struct store_redis {
	struct store base;
	struct layout layout;
	char name[JOURNAL_NAME_TEXT];
	const char *member; /* the journal's */
	char journal_path[4096];
	enum fleet_mode mode;
	unsigned replicas;
	bool weaker_fsync, weaker_persistence;
	int64_t timeout_ms;
	struct pollset pollset;
	struct fleet *fleet;
	struct journal *journal;
	struct tenure *tenure;
	struct members *members;
	struct claims *claims;
	struct scans *scans;
	struct cache cache;
	struct lanes lanes;
	struct doubts doubts;
	struct call *oldest, *newest;
	size_t calls_n;
	struct call_list ready, ended;
	struct commit_call commit_call;
	uint32_t first_turn; /* of every bucket, until it is closed for the first time */
	uint64_t segments[LAYOUT_BUCKETS]; /* of each log, as last told */
	int64_t keep_ms;		   /* entries of the journal */
	uint64_t last_seq; /* greatest that was seen */
	uint64_t conflicts, unknowns, retries;
	bool full;
	bool zero_held; /* the broker's own record, when it was read last */
	bool closing;
	bool word_unread; /* that one of the words cannot be read was told */
};

/* redis_calls.c: begins with one of these, ends with its completion */
struct call *call_new(struct store_redis *s, enum call_kind kind, const struct store_key *key, void *ctx);
/* Enters the lanes; asked when its turn comes. `more`: claims. */
void call_begin(struct call *call, const struct store_claim *more, size_t more_n);
void call_finish(struct call *call, enum cs_err err);
/* The bucket was open from the asking on: else what was answered does not count. */
bool call_holds(const struct call *call);
/* Its bucket is not open, or the servers did not take it: once more later, or the end. */
void call_later(struct call *call, enum cs_err err);
/* For commands that may still be asked again: less than half of the time is over. */
bool call_in_time(const struct call *call);
void calls_ask(struct store_redis *s);
void calls_expire(struct store_redis *s);
/* Writes what was acknowledged into the journal, syncs it once, and runs the completions of all that has ended. */
void calls_settle(struct store_redis *s);

/* redis_commit.c, redis_read.c: what is asked of Redis when a call's turn has come */
void commit_ask(struct call *call, const char *tenure);
void check_ask(struct call *call, const char *tenure);
void load_ask(struct call *call, const char *tenure);
void payment_ask(struct call *call, const char *tenure);
void find_ask(struct call *call);
/* What the journal keeps of a commit that was executed. */
void commit_record(struct call *call);
/* After the journal: what the commit leaves in the cache. */
void commit_remember(struct call *call);

void redis_load(struct store *base, const struct store_key *key, store_load_fn *done, void *ctx);
void redis_commit(struct store *base, const struct store_commit *c, store_commit_fn *done, void *ctx);
void redis_find(struct store *base, const struct store_key *claim, store_find_fn *done, void *ctx);
void redis_find_payment(struct store *base, const struct store_key *key, const struct store_key *payment,
    store_payment_fn *done, void *ctx);
/* redis_open.c: connects, looks at whose store it is, proves and joins. */
enum cs_err redis_start(struct store_redis *s, const struct store_redis_options *o, char why[STORE_REDIS_WHY_TEXT]);
/* Before an orderly end: puts this broker out of all buckets, for a moment at most. */
void redis_leave(struct store_redis *s);
/* All parts, in the order in which they rest on one another. */
void redis_stop(struct store_redis *s);
int64_t redis_tick_parts(struct store_redis *s);

/* redis_report.c */
void redis_report(struct store *base, struct json_writer *w);
void redis_forget_member(struct store *base, const char *name, store_commit_fn *done, void *ctx);
void redis_release(struct store *base, const struct store_key *key, int bucket, store_commit_fn *done, void *ctx);

/* redis_words.c */
void redis_word(struct store *base, store_word_fn *done, void *ctx);
void redis_word_told(struct store *base, struct view name, store_commit_fn *done, void *ctx);
void word_complete(struct call *call);

/* The first number of a reply that is an array; 0 where it is none. */
long long answer_code(const struct redisReply *r);

#endif
