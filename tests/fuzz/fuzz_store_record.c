/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of the store. The first byte picks the kind; with its high bit set the checksum is put
 * right first, so that what lies behind it is reached. What decodes must be within the bounds and
 * encode to the very same bytes.
 */
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/store/crc32c.h"
#include "broker/store/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PUT_RIGHT = 0x80, SEQ = 1000, INPUT_MAX = RECORD_SNAPSHOT_MAX + 64 };

static uint8_t again[INPUT_MAX];

static void
same_again(const struct buf *out, const uint8_t *in, size_t len)
{
	CHECK(!out->full && out->len == len && memcmp(out->data, in, len) == 0);
}

static void
one_snapshot(const uint8_t *in, size_t len)
{
	struct record_snapshot r;
	struct buf out = buf_over(again, sizeof(again));

	if (record_get_snapshot(view_of(in, len), &r) != CS_OK)
		return;
	CHECK(r.hot.len <= STORE_HOT_MAX && r.cold.len <= STORE_COLD_MAX && r.revision > 0);
	record_put_snapshot(&out, &r);
	same_again(&out, in, len);
}

static void
some_frames(const uint8_t *in, size_t len)
{
	struct cursor c = {in, in + len, false};
	struct record_frame r;
	struct buf out = buf_over(again, sizeof(again));
	uint64_t seq = SEQ;

	while (c.at < c.end && record_get_frame(&c, seq, &r) == CS_OK) {
		CHECK(r.event.len <= STORE_EVENT_MAX && r.extra.len <= STORE_EXTRA_MAX &&
		      r.back < seq);
		record_put_frame(&out, seq++, &r);
		same_again(&out, in, (size_t)(c.at - in));
	}
}

static void
one_claim(const uint8_t *in, size_t len)
{
	struct record_claim r;
	struct buf out = buf_over(again, sizeof(again));

	if (record_get_claim(view_of(in, len), &r) != CS_OK)
		return;
	record_put_claim(&out, &r);
	same_again(&out, in, len);
}

static void
one_payment(const uint8_t *in, size_t len)
{
	struct record_payment r;
	struct buf out = buf_over(again, sizeof(again));

	if (record_get_payment(view_of(in, len), &r) != CS_OK)
		return;
	CHECK(r.summary.len <= STORE_SUMMARY_MAX);
	record_put_payment(&out, &r);
	same_again(&out, in, len);
}

static void
one_meta(const uint8_t *in, size_t len)
{
	struct record_meta r;
	struct buf out = buf_over(again, sizeof(again));

	if (record_get_meta(view_of(in, len), &r) != CS_OK)
		return;
	record_put_meta(&out, &r);
	same_again(&out, in, len);
}

static const struct {
	void (*run)(const uint8_t *in, size_t len);
	bool framed; /* its checksum covers the sequence number and leaves out the length before */
} kinds[] = {
    {one_snapshot, false},
    {some_frames, true},
    {one_claim, false},
    {one_payment, false},
    {one_meta, false},
};

static void
put_crc(uint8_t *at, uint32_t crc)
{
	struct buf b = buf_over(at, 4);

	buf_put_u32(&b, crc);
}

/* Of a row of frames only the first. */
static void
put_right(uint8_t *in, size_t len, bool framed)
{
	struct cursor c = {in, in + len, false};
	uint8_t seq[8];
	struct buf b = buf_over(seq, sizeof(seq));
	struct view body;

	if (!framed) {
		if (len >= 4)
			put_crc(in + len - 4, crc32c(0, in, len - 4));
		return;
	}
	body = cursor_lv(&c, RECORD_FRAME_MAX);
	buf_put_u64(&b, SEQ);
	if (!c.bad && c.end - c.at >= 4)
		put_crc(in + (c.at - in), crc32c(crc32c(0, seq, sizeof(seq)), body.data, body.len));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t kind, len = size - 1;
	uint8_t *in;

	if (size < 2 || size > INPUT_MAX)
		return 0;
	kind = (size_t)(data[0] & ~PUT_RIGHT) % (sizeof(kinds) / sizeof(kinds[0]));
	in = malloc(len);
	CHECK(in != NULL);
	memcpy(in, data + 1, len);
	CHECK(crc32c(0, in, len) == crc32c_portable(0, in, len));
	if ((data[0] & PUT_RIGHT) != 0)
		put_right(in, len, kinds[kind].framed);
	kinds[kind].run(in, len);
	free(in);
	return 0;
}
