/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the journal's rows look on disk: one encoder, one decoder. A row is what one sync wrote, a run of frames; its number
 * is under its checksum, so that a row found in another place is damaged. The heads say, for each bucket, where its
 * frames end. Decoders take any bytes at all.
 */
#ifndef CS_STORE_REDIS_JOURNAL_CODE_H
#define CS_STORE_REDIS_JOURNAL_CODE_H

#include "broker/store/redis/journal.h"

enum {
	JOURNAL_ROW_HEAD_BYTES = 9,  /* version, time */
	JOURNAL_CRC_BYTES = 4,
	JOURNAL_FRAME_MAX = JOURNAL_BODY_MAX + 80,
	JOURNAL_HEADS_MAX = JOURNAL_BUCKETS * 30 + 64,
};

/* An entry and where the bucket's frames before it end: the bucket's frames are a chain through the rows. */
struct journal_frame {
	struct journal_entry entry;
	uint64_t before_row;  /* 0: it is the bucket's first */
	uint64_t before_n;    /* greatest n of all frames of the bucket before it */
};

struct journal_head {
	uint64_t n;           /* greatest acknowledged */
	uint64_t row;         /* that has the bucket's newest frame; 0: none */
	uint64_t pruned;      /* greatest n of those that were removed */
};

struct journal_heads {
	uint64_t row;         /* heads hold all rows up to this one */
	uint64_t entries, bytes;
	uint64_t time_ms;     /* of the journal, see journal.h on ages */
	struct journal_head of[JOURNAL_BUCKETS];
};

void journal_row_begin(struct buf *out);
void journal_put_frame(struct buf *out, const struct journal_frame *in);
/* Sets the time and closes the row that is all of out. */
void journal_row_end(struct buf *out, uint64_t row, uint64_t time_ms);
/* Checks a whole row; *frames is set to what lies between. CS_ERR_CORRUPT, CS_ERR_VERSION. */
enum cs_err journal_row_open(struct view in, uint64_t row, uint64_t *time_ms, struct cursor *frames);
/* Reads the next frame; views borrow from the row. CS_ERR_NOT_FOUND after the last. */
enum cs_err journal_get_frame(struct cursor *frames, struct journal_frame *out);

void journal_put_heads(struct buf *out, const struct journal_heads *in);
enum cs_err journal_get_heads(struct view in, struct journal_heads *out);

#endif
