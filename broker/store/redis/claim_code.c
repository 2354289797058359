/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a claim's value. The version comes first and big-endian, since claim_repair.lua reads it. */
#include "broker/store/redis/claim_code.h"

#include "broker/base/check.h"
#include "broker/store/crc32c.h"

enum { CRC_BYTES = 4 };

static uint32_t
crc_of(const struct store_key *claim, const uint8_t *bytes)
{
	return crc32c(crc32c(0, claim->b, sizeof(claim->b)), bytes, CLAIM_BYTES - CRC_BYTES);
}

void
claim_encode(uint8_t out[CLAIM_BYTES], const struct store_key *claim, const struct claim_value *in)
{
	struct buf b = buf_over(out, CLAIM_BYTES);
	uint8_t version[8];

	layout_put_be(version, in->version);
	buf_put(&b, version, sizeof(version));
	buf_put_u8(&b, (uint8_t)in->state);
	buf_put(&b, in->holder.b, sizeof(in->holder.b));
	buf_put(&b, in->commit, sizeof(in->commit));
	buf_put_u8(&b, in->has_last);
	buf_put(&b, in->last.b, sizeof(in->last.b));
	buf_put_u32(&b, crc_of(claim, out));
	CHECK(!b.full && b.len == CLAIM_BYTES);
}

/* One value has one encoding: what a state does not have is zero. */
static bool
good(const struct claim_value *v)
{
	static const struct store_key zero;
	static const uint8_t none[LAYOUT_ID_BYTES];
	bool last = memcmp(v->last.b, zero.b, sizeof(zero.b)) != 0;

	if (v->version == 0 || (last && !v->has_last))
		return false;
	if (v->state == CLAIM_FREE)
		return !v->has_last && memcmp(v->holder.b, zero.b, sizeof(zero.b)) == 0 && memcmp(v->commit, none, sizeof(none)) == 0;
	return v->state == CLAIM_PENDING ? true : !v->has_last && memcmp(v->commit, none, sizeof(none)) == 0;
}

enum cs_err
claim_decode(struct view in, const struct store_key *claim, struct claim_value *out)
{
	struct cursor c = cursor_over(in.data, in.len);
	struct claim_value v = {0};
	uint8_t version[8], state, has_last;

	if (in.len == 0)
		return CS_ERR_NOT_FOUND;
	cursor_get(&c, version, sizeof(version));
	state = cursor_u8(&c);
	cursor_get(&c, v.holder.b, sizeof(v.holder.b));
	cursor_get(&c, v.commit, sizeof(v.commit));
	has_last = cursor_u8(&c);
	cursor_get(&c, v.last.b, sizeof(v.last.b));
	if (in.len != CLAIM_BYTES || state >= CLAIM_STATE__COUNT || has_last > 1 ||
	    cursor_u32(&c) != crc_of(claim, (const uint8_t *)in.data))
		return CS_ERR_CORRUPT;
	v.version = layout_get_be(version);
	v.state = (enum claim_state)state;
	v.has_last = has_last != 0;
	if (!good(&v))
		return CS_ERR_CORRUPT;
	*out = v;
	return CS_OK;
}

struct claim_value
claim_after(const struct claim_value *pending, bool committed)
{
	struct claim_value v = {.version = pending->version + 1, .state = CLAIM_SETTLED};

	CHECK(pending->state == CLAIM_PENDING);
	if (committed)
		v.holder = pending->holder;
	else if (pending->has_last)
		v.holder = pending->last;
	else
		v.state = CLAIM_FREE;
	return v;
}
