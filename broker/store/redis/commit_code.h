/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole commit as bytes, for the journal: everything that is needed to put it back where a failover lost it. And a
 * commit as the arguments of commit.lua, for who makes it first and for who puts it back.
 */
#ifndef CS_STORE_REDIS_COMMIT_CODE_H
#define CS_STORE_REDIS_COMMIT_CODE_H

#include "broker/base/bytes.h"
#include "broker/store/redis/layout.h"

enum {
	COMMIT_CODE_VERSION = 1,
	COMMIT_ON_VERSION = 2, /* of a commit with its ground */
	COMMIT_GROUNDS_MAX = 6,
	COMMIT_CODE_MAX = STORE_HOT_MAX + STORE_COLD_MAX + STORE_BATCH_MAX * (STORE_EVENT_MAX + STORE_EXTRA_MAX + 8) +
	    STORE_PAYMENTS_MAX * (STORE_KEY_BYTES + STORE_SUMMARY_MAX + 4) + 512,
	COMMIT_GROUND_MAX = STORE_HOT_MAX + STORE_COLD_MAX + LAYOUT_MAKING_MAX + 512, /* a record and its making */
	COMMIT_GROUNDS_BYTES = COMMIT_GROUNDS_MAX * COMMIT_GROUND_MAX,
	COMMIT_KEYS_MAX = 7 + STORE_PAYMENTS_MAX,
	COMMIT_ARGS_MAX = 18 + STORE_BATCH_MAX + STORE_CLAIMS_MAX + STORE_PAYMENTS_MAX,
};

struct commit_image {
	uint8_t id[LAYOUT_ID_BYTES];	 /* of this commit; never used again */
	uint8_t before[LAYOUT_ID_BYTES]; /* of the commit that made the revision before; zeros: not known, or there is none */
	uint64_t last_seq;		 /* of its last event, the others' are just before; 0: not written yet */
	struct store_commit commit;	 /* borrows; where it was decoded, its arrays are those below */
	struct store_event events[STORE_BATCH_MAX];
	struct store_claim claims[STORE_CLAIMS_MAX];
	struct store_payment payments[STORE_PAYMENTS_MAX];
};

/* Writes it without its sequence number and checksum, which commit_seal() adds. The arrays of `commit` are read, not those below it. */
void commit_encode(struct buf *out, const struct commit_image *in);
/* Of what commit_encode() wrote: the id of the commit that it builds on, as far as is known. */
void commit_set_before(struct buf *bytes, const uint8_t before[LAYOUT_ID_BYTES]);
/* Of what commit_encode() wrote: now it is written in Redis, with this number. */
void commit_seal(struct buf *bytes, uint64_t last_seq);
/* *out borrows from the bytes, and from itself. */
enum cs_err commit_decode(struct view in, struct commit_image *out);
/* The same of bytes that were not sealed, by who encoded them. */
void commit_view(struct view in, struct commit_image *out);

/*
 * What a record keeps of the commit that made it: all but the states, which are its own. Whoever builds on a commit that is in
 * no journal of his own keeps it as the ground of his own one, since nobody else may have it. Empty where it is too long.
 */
void commit_put_making(struct buf *out, const struct commit_image *in);

struct commit_made {
	struct store_key key;
	uint64_t revision, last_seq;
	uint8_t id[LAYOUT_ID_BYTES];
	struct view hot, cold, making;
};

/* That commit, as commit_seal() leaves it, into an empty buf. CS_ERR_NOT_FOUND: it was not kept; CS_ERR_CORRUPT, CS_ERR_VERSION. */
enum cs_err commit_of_record(struct buf *out, const struct commit_made *made);

/* Sealed commits one after the other, the oldest first: what somebody builds on. */
void commit_ground_add(struct buf *grounds, struct view sealed);
size_t commit_grounds(struct view grounds);
/* A sealed commit with its ground; an empty `sealed`: the newest of the ground is meant. */
void commit_put_grounded(struct buf *out, struct view grounds, struct view sealed);
/* Of a commit with or without ground: the ground, the oldest first, then the commit itself. Their number; 0: it is neither. */
size_t commit_parts(struct view in, struct view parts[COMMIT_GROUNDS_MAX + 1]);

/* Under what it is asked for. */
struct commit_where {
	const struct layout *layout;
	const char *tenure; /* as the head must have it */
	const char *member;
	uint64_t segment;
	uint64_t floor;        /* no event's time is before this, in units; 0: the server's clock alone says */
	uint64_t n_least;      /* repair: the member's count is at least this afterwards; 0: one more than before */
	uint64_t n_known;      /* the member's count must have come so far: the greatest that is acknowledged */
	const uint64_t *seqs;  /* of each event; NULL: given by the script */
};

/* Keys and arguments of commit.lua; they borrow from the image and from here. */
struct commit_call {
	struct view keys[COMMIT_KEYS_MAX], args[COMMIT_ARGS_MAX];
	size_t keys_n, args_n;
	struct layout_key names[COMMIT_KEYS_MAX];
	char numbers[10][24], member[48];
	uint8_t revisions[3 * LAYOUT_ID_BYTES];
	uint8_t seqs[STORE_BATCH_MAX * 8];
	struct bytes bytes;
};

void commit_call_init(struct commit_call *call);
void commit_call_clear(struct commit_call *call);
/* May be used for one commit after another. */
void commit_call_make(struct commit_call *call, const struct commit_where *where, const struct commit_image *image);

#endif
