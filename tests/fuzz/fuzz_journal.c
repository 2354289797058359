/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows and heads of a broker's journal. The first byte picks one; with its high bit set the checksum is put right first, so
 * that what lies behind it is reached. What decodes must be within the bounds and encode to the very same bytes.
 */
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/store/crc32c.h"
#include "broker/store/redis/journal_code.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PUT_RIGHT = 0x80, HEADS = 1, ROW = 7, INPUT_MAX = 1 << 20 };

static uint8_t again[INPUT_MAX + 64];

static void
same_again(const struct buf *out, const uint8_t *in, size_t len)
{
	CHECK(!out->full && out->len == len && memcmp(out->data, in, len) == 0);
}

static void
one_row(const uint8_t *in, size_t len)
{
	struct buf out = buf_over(again, sizeof(again));
	struct journal_frame f;
	struct cursor frames;
	uint64_t time_ms;
	enum cs_err err;

	if (journal_row_open(view_of(in, len), ROW, &time_ms, &frames) != CS_OK)
		return;
	journal_row_begin(&out);
	while ((err = journal_get_frame(&frames, &f)) == CS_OK) {
		CHECK(f.entry.bucket < JOURNAL_BUCKETS && f.entry.n > 0 && f.entry.body.len <= JOURNAL_BODY_MAX);
		journal_put_frame(&out, &f);
	}
	if (err != CS_ERR_NOT_FOUND)
		return;
	journal_row_end(&out, ROW, time_ms);
	same_again(&out, in, len);
}

static void
one_heads(const uint8_t *in, size_t len)
{
	static struct journal_heads heads;
	struct buf out = buf_over(again, sizeof(again));

	if (journal_get_heads(view_of(in, len), &heads) != CS_OK)
		return;
	journal_put_heads(&out, &heads);
	same_again(&out, in, len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t number[8] = {0}, *in;
	size_t len = size - 1;
	struct buf crc;

	if (size < 2 || size > INPUT_MAX)
		return 0;
	in = malloc(len);
	CHECK(in != NULL);
	memcpy(in, data + 1, len);
	if ((data[0] & HEADS) == 0)
		number[0] = ROW;
	if ((data[0] & PUT_RIGHT) != 0 && len > JOURNAL_CRC_BYTES) {
		crc = buf_over(in + len - JOURNAL_CRC_BYTES, JOURNAL_CRC_BYTES);
		buf_put_u32(&crc, crc32c(crc32c(0, number, sizeof(number)), in, len - JOURNAL_CRC_BYTES));
	}
	if ((data[0] & HEADS) != 0)
		one_heads(in, len);
	else
		one_row(in, len);
	free(in);
	return 0;
}
