/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding and decoding of what a store writes. Every record is: version, fields, CRC-32C of all
 * before it.
 */
#include "broker/store/record.h"

#include "broker/store/crc32c.h"

enum { CRC_BYTES = 4, FLAG_MAX = 1 };

/* Checks version and checksum of a whole record; *body is set to the fields between. */
static enum cs_err
open_record(struct view in, struct cursor *body)
{
	const uint8_t *data = (const uint8_t *)in.data;
	struct cursor tail;

	if (in.len < 1 + CRC_BYTES)
		return CS_ERR_CORRUPT;
	tail = (struct cursor){data + in.len - CRC_BYTES, data + in.len, false};
	if (cursor_u32(&tail) != crc32c(0, data, in.len - CRC_BYTES))
		return CS_ERR_CORRUPT;
	if (data[0] != RECORD_VERSION)
		return data[0] > RECORD_VERSION ? CS_ERR_VERSION : CS_ERR_CORRUPT;
	*body = (struct cursor){data + 1, data + in.len - CRC_BYTES, false};
	return CS_OK;
}

static bool
all_read(const struct cursor *c)
{
	return !c->bad && c->at == c->end;
}

/* Closes the record that began at `start` of out. */
static void
close_record(struct buf *out, size_t start)
{
	if (!out->full)
		buf_put_u32(out, crc32c(0, out->data + start, out->len - start));
}

void
record_put_snapshot(struct buf *out, const struct record_snapshot *in)
{
	static const uint8_t zeros[RECORD_SNAPSHOT_UNIT];
	size_t start = out->len;
	size_t over;

	buf_put_u8(out, RECORD_VERSION);
	buf_put(out, in->key.b, sizeof(in->key.b));
	buf_put_var(out, in->revision);
	buf_put_var(out, in->last_seq);
	buf_put_lv(out, in->hot);
	buf_put_lv(out, in->cold);
	over = (out->len - start + CRC_BYTES) % RECORD_SNAPSHOT_UNIT;
	if (over != 0)
		buf_put(out, zeros, RECORD_SNAPSHOT_UNIT - over);
	close_record(out, start);
}

enum cs_err
record_get_snapshot(struct view in, struct record_snapshot *out)
{
	struct record_snapshot r;
	struct cursor c;
	enum cs_err err;

	if (in.len > RECORD_SNAPSHOT_MAX || in.len % RECORD_SNAPSHOT_UNIT != 0)
		return CS_ERR_CORRUPT;
	err = open_record(in, &c);
	if (err != CS_OK)
		return err;
	cursor_get(&c, r.key.b, sizeof(r.key.b));
	r.revision = cursor_var(&c);
	r.last_seq = cursor_var(&c);
	r.hot = cursor_lv(&c, STORE_HOT_MAX);
	r.cold = cursor_lv(&c, STORE_COLD_MAX);
	if (c.bad || c.end - c.at >= RECORD_SNAPSHOT_UNIT || r.revision == 0 ||
	    r.last_seq < r.revision)
		return CS_ERR_CORRUPT;
	while (c.at < c.end) {
		if (cursor_u8(&c) != 0)
			return CS_ERR_CORRUPT;
	}
	*out = r;
	return CS_OK;
}

static uint32_t
frame_crc(uint64_t seq, const uint8_t *body, size_t len)
{
	uint8_t x[8];
	struct buf b = buf_over(x, sizeof(x));

	buf_put_u64(&b, seq);
	return crc32c(crc32c(0, x, sizeof(x)), body, len);
}

static size_t
var_bytes(uint64_t v)
{
	size_t n = 1;

	while ((v >>= 7) != 0)
		n++;
	return n;
}

void
record_put_frame(struct buf *out, uint64_t seq, const struct record_frame *in)
{
	size_t len = 1 + STORE_KEY_BYTES + var_bytes(in->revision) + var_bytes(in->back) +
		     var_bytes(in->event.len) + in->event.len + var_bytes(in->extra.len) +
		     in->extra.len;
	size_t start;

	buf_put_var(out, len);
	start = out->len;
	buf_put_u8(out, RECORD_VERSION);
	buf_put(out, in->key.b, sizeof(in->key.b));
	buf_put_var(out, in->revision);
	buf_put_var(out, in->back);
	buf_put_lv(out, in->event);
	buf_put_lv(out, in->extra);
	if (!out->full)
		buf_put_u32(out, frame_crc(seq, out->data + start, len));
}

enum cs_err
record_get_frame(struct cursor *in, uint64_t seq, struct record_frame *out)
{
	struct view body = cursor_lv(in, RECORD_FRAME_MAX);
	uint32_t crc = cursor_u32(in);
	struct cursor c;
	struct record_frame r;
	uint8_t version;

	if (in->bad || crc != frame_crc(seq, (const uint8_t *)body.data, body.len))
		return CS_ERR_CORRUPT;
	c = (struct cursor){
	    (const uint8_t *)body.data, (const uint8_t *)body.data + body.len, false};
	version = cursor_u8(&c);
	if (version != RECORD_VERSION)
		return version > RECORD_VERSION ? CS_ERR_VERSION : CS_ERR_CORRUPT;
	cursor_get(&c, r.key.b, sizeof(r.key.b));
	r.revision = cursor_var(&c);
	r.back = cursor_var(&c);
	r.event = cursor_lv(&c, STORE_EVENT_MAX);
	r.extra = cursor_lv(&c, STORE_EXTRA_MAX);
	if (!all_read(&c) || r.revision == 0 || r.back >= seq || (r.back == 0) != (r.revision == 1))
		return CS_ERR_CORRUPT;
	*out = r;
	return CS_OK;
}

void
record_put_claim(struct buf *out, const struct record_claim *in)
{
	size_t start = out->len;

	buf_put_u8(out, RECORD_VERSION);
	buf_put(out, in->claim.b, sizeof(in->claim.b));
	buf_put(out, in->holder.b, sizeof(in->holder.b));
	buf_put_u8(out, in->held ? 1 : 0);
	close_record(out, start);
}

enum cs_err
record_get_claim(struct view in, struct record_claim *out)
{
	struct record_claim r;
	struct cursor c;
	uint8_t held;
	enum cs_err err = open_record(in, &c);

	if (err != CS_OK)
		return err;
	cursor_get(&c, r.claim.b, sizeof(r.claim.b));
	cursor_get(&c, r.holder.b, sizeof(r.holder.b));
	held = cursor_u8(&c);
	if (!all_read(&c) || held > FLAG_MAX)
		return CS_ERR_CORRUPT;
	r.held = held == 1;
	*out = r;
	return CS_OK;
}

void
record_put_payment(struct buf *out, const struct record_payment *in)
{
	size_t start = out->len;

	buf_put_u8(out, RECORD_VERSION);
	buf_put(out, in->key.b, sizeof(in->key.b));
	buf_put(out, in->payment.b, sizeof(in->payment.b));
	buf_put_lv(out, in->summary);
	close_record(out, start);
}

enum cs_err
record_get_payment(struct view in, struct record_payment *out)
{
	struct record_payment r;
	struct cursor c;
	enum cs_err err = open_record(in, &c);

	if (err != CS_OK)
		return err;
	cursor_get(&c, r.key.b, sizeof(r.key.b));
	cursor_get(&c, r.payment.b, sizeof(r.payment.b));
	r.summary = cursor_lv(&c, STORE_SUMMARY_MAX);
	if (!all_read(&c))
		return CS_ERR_CORRUPT;
	*out = r;
	return CS_OK;
}

void
record_put_meta(struct buf *out, const struct record_meta *in)
{
	size_t start = out->len;

	buf_put_u8(out, RECORD_VERSION);
	buf_put_var(out, in->folded);
	buf_put_var(out, in->records);
	buf_put_u8(out, in->clean ? 1 : 0);
	close_record(out, start);
}

enum cs_err
record_get_meta(struct view in, struct record_meta *out)
{
	struct record_meta r;
	struct cursor c;
	uint8_t clean;
	enum cs_err err = open_record(in, &c);

	if (err != CS_OK)
		return err;
	r.folded = cursor_var(&c);
	r.records = cursor_var(&c);
	clean = cursor_u8(&c);
	if (!all_read(&c) || clean > FLAG_MAX)
		return CS_ERR_CORRUPT;
	r.clean = clean == 1;
	*out = r;
	return CS_OK;
}
