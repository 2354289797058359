/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the shared store reads from Redis and from its journal. The first byte picks the kind; with its high bit set the
 * checksum is put right first, so that what lies behind it is reached. What decodes must be within the bounds and
 * encode to the very same bytes.
 */
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/store/crc32c.h"
#include "broker/store/redis/claim_code.h"
#include "broker/store/redis/commit_code.h"
#include "broker/store/redis/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PUT_RIGHT = 0x80, COLD_REVISION = 3, CRC_BYTES = 4 };

static const struct store_key key = {"the record's key"};
static uint8_t again[COMMIT_CODE_MAX];

static void
same_again(const struct buf *out, const uint8_t *in, size_t len)
{
	CHECK(!out->full && out->len == len && memcmp(out->data, in, len) == 0);
}

static void
one_hot(const uint8_t *in, size_t len)
{
	struct buf out = buf_over(again, sizeof(again));
	struct layout_hot r;

	if (layout_get_hot(view_of(in, len), &key, &r) != CS_OK || r.held)
		return;
	CHECK(r.revision > 0 && r.hot.len <= STORE_HOT_MAX && r.cold_revision <= r.revision);
	layout_put_tail(&out, &key, r.revision, r.id, r.making, r.hot);
	same_again(&out, in + LAYOUT_HEADER_BYTES, len - LAYOUT_HEADER_BYTES);
}

static void
one_cold(const uint8_t *in, size_t len)
{
	struct buf out = buf_over(again, sizeof(again));
	struct view cold;

	if (layout_get_cold(view_of(in, len), &key, COLD_REVISION, &cold) != CS_OK)
		return;
	CHECK(cold.len <= STORE_COLD_MAX);
	layout_put_cold(&out, &key, COLD_REVISION, cold);
	same_again(&out, in, len);
}

static void
one_event(const uint8_t *in, size_t len)
{
	struct buf out = buf_over(again, sizeof(again));
	struct layout_event r;

	if (layout_get_event(view_of(in, len), &r) != CS_OK)
		return;
	layout_put_event(&out, &r.key, r.revision, &(struct store_event){r.event, r.extra});
	same_again(&out, in + LAYOUT_EVENT_BACK_BYTES, len - LAYOUT_EVENT_BACK_BYTES);
}

static void
one_commit(const uint8_t *in, size_t len)
{
	static struct commit_image r;
	struct buf out = buf_over(again, sizeof(again));

	if (commit_decode(view_of(in, len), &r) != CS_OK)
		return;
	commit_encode(&out, &r);
	commit_seal(&out, r.last_seq);
	same_again(&out, in, len);
}

/* A commit made of what a record says of it is one, and says the same. */
static void
one_making(const uint8_t *in, size_t len)
{
	static struct commit_image r;
	struct commit_made made = {.key = key, .last_seq = 1, .hot = VIEW("hot"), .cold = VIEW("cold"), .making = view_of(in, len)};
	struct cursor c = cursor_over(in, len);
	struct buf out = buf_over(again, sizeof(again));
	static uint8_t sealed[COMMIT_CODE_MAX];
	struct buf to = buf_over(sealed, sizeof(sealed));

	if (len > LAYOUT_MAKING_MAX)
		return;
	(void)cursor_u8(&c);
	cursor_get(&c, made.id, sizeof(made.id));
	made.revision = cursor_var(&c);
	(void)cursor_u8(&c);
	made.revision += cursor_var(&c);
	if (commit_of_record(&to, &made) != CS_OK)
		return;
	CHECK(!to.full && commit_decode(buf_view(&to), &r) == CS_OK);
	commit_put_making(&out, &r);
	same_again(&out, in, len);
}

static void
one_grounded(const uint8_t *in, size_t len)
{
	struct view parts[COMMIT_GROUNDS_MAX + 1];
	struct buf out = buf_over(again, sizeof(again));
	size_t n = commit_parts(view_of(in, len), parts);

	if (n == 0 || in[0] != COMMIT_ON_VERSION)
		return;
	buf_put_u8(&out, COMMIT_ON_VERSION);
	for (size_t i = 0; i < n; i++)
		commit_ground_add(&out, parts[i]);
	same_again(&out, in, len);
}

static void
one_claim(const uint8_t *in, size_t len)
{
	struct claim_value r;

	if (claim_decode(view_of(in, len), &key, &r) != CS_OK)
		return;
	CHECK(len == CLAIM_BYTES && r.version > 0 && r.state < CLAIM_STATE__COUNT);
	claim_encode(again, &key, &r);
	CHECK(memcmp(again, in, len) == 0);
	if (r.state == CLAIM_PENDING && r.version < UINT64_MAX) {
		/* What follows a pending one is a good value, too. */
		struct claim_value after = claim_after(&r, (in[0] & 1) != 0), read;

		claim_encode(again, &key, &after);
		CHECK(claim_decode(view_of(again, CLAIM_BYTES), &key, &read) == CS_OK && read.version == r.version + 1);
	}
}

static const struct {
	void (*run)(const uint8_t *in, size_t len);
	size_t covers; /* where what the checksum at the end covers begins; 0 with `before`: it stands before what it covers */
	bool before;
	bool with_key; /* it covers the key before all */
} kinds[] = {
    {one_hot, 0, true, true},
    {one_cold, 0, true, true},
    {one_event, LAYOUT_EVENT_BACK_BYTES, false, false},
    {one_commit, 0, false, false},
    {one_making, 0, false, false},
    {one_grounded, 0, false, false},
    {one_claim, 0, false, true},
};

static void
put_crc(uint8_t *at, uint32_t crc)
{
	struct buf b = buf_over(at, CRC_BYTES);

	buf_put_u32(&b, crc);
}

/* The checksum of a value before its bytes, as layout.c has it. */
static void
put_right_before(uint8_t *in, size_t len, bool hot)
{
	size_t at = hot ? LAYOUT_HEADER_BYTES + 1 : 8 + 1;
	uint32_t crc;

	if (len < at + CRC_BYTES)
		return;
	crc = crc32c(crc32c(0, key.b, sizeof(key.b)), in, 8);
	if (hot)
		crc = crc32c(crc, in + 8, LAYOUT_ID_BYTES);
	put_crc(in + at, crc32c(crc, in + at + CRC_BYTES, len - at - CRC_BYTES));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t kind, len = size - 1;
	uint8_t *in;

	if (size < 2 || size > COMMIT_CODE_MAX)
		return 0;
	kind = (size_t)(data[0] & ~PUT_RIGHT) % (sizeof(kinds) / sizeof(kinds[0]));
	in = malloc(len);
	CHECK(in != NULL);
	memcpy(in, data + 1, len);
	if ((data[0] & PUT_RIGHT) != 0 && kinds[kind].before)
		put_right_before(in, len, kinds[kind].run == one_hot);
	else if ((data[0] & PUT_RIGHT) != 0 && len > kinds[kind].covers + CRC_BYTES)
		put_crc(in + len - CRC_BYTES, crc32c(kinds[kind].with_key ? crc32c(0, key.b, sizeof(key.b)) : 0, in + kinds[kind].covers, len - kinds[kind].covers - CRC_BYTES));
	kinds[kind].run(in, len);
	free(in);
	return 0;
}
