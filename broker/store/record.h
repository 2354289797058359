/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a store's records look on disk: one encoder and one decoder for each kind. All carry a
 * version and a CRC-32C, are bounded by the limits of store.h, and have exactly one encoding.
 * Decoders take any bytes at all: CS_ERR_VERSION for a newer version, CS_ERR_CORRUPT for everything
 * else that is not right. Decoded views borrow from the bytes that were read.
 */
#ifndef CS_STORE_RECORD_H
#define CS_STORE_RECORD_H

#include "broker/store/store.h"

enum {
	RECORD_VERSION = 1,
	/* Snapshots are padded to a multiple of this, so that most are overwritten in place. */
	RECORD_SNAPSHOT_UNIT = 64,
	RECORD_SNAPSHOT_MAX = STORE_HOT_MAX + STORE_COLD_MAX + 192,
	RECORD_FRAME_MAX = STORE_EVENT_MAX + STORE_EXTRA_MAX + 64,
};

struct record_snapshot {
	struct store_key key;
	uint64_t revision;
	uint64_t last_seq; /* sequence number of the record's newest event in it */
	struct view hot;
	struct view cold;
};

/* One event in the log. A row of the log is a run of frames with consecutive sequence numbers. */
struct record_frame {
	struct store_key key;
	uint64_t revision; /* after it */
	uint64_t back; /* this sequence number minus that of the record's event before; 0 for its
			  first */
	struct view event;
	struct view extra;
};

struct record_claim {
	struct store_key claim;
	struct store_key holder;
	bool held; /* else a tombstone */
};

struct record_payment {
	struct store_key key;
	struct store_key payment;
	struct view summary;
};

struct record_meta {
	uint64_t folded;  /* every event up to here is in a snapshot */
	uint64_t records; /* how many there are; an estimate after a crash */
	bool clean;	  /* the last close was orderly */
};

void record_put_snapshot(struct buf *out, const struct record_snapshot *in);
enum cs_err record_get_snapshot(struct view in, struct record_snapshot *out);

/*
 * The sequence number is under the checksum, not in the bytes: a frame found in another place is
 * corrupt.
 */
void record_put_frame(struct buf *out, uint64_t seq, const struct record_frame *in);
/* Reads one frame at the cursor and moves on. */
enum cs_err record_get_frame(struct cursor *in, uint64_t seq, struct record_frame *out);

void record_put_claim(struct buf *out, const struct record_claim *in);
enum cs_err record_get_claim(struct view in, struct record_claim *out);

void record_put_payment(struct buf *out, const struct record_payment *in);
enum cs_err record_get_payment(struct view in, struct record_payment *out);

void record_put_meta(struct buf *out, const struct record_meta *in);
enum cs_err record_get_meta(struct view in, struct record_meta *out);

#endif
