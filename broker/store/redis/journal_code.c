/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding and decoding of the journal's rows and heads: version, fields, CRC-32C of the row's number and all before it. */
#include "broker/store/redis/journal_code.h"

#include "broker/store/crc32c.h"

enum { VERSION = 1 };

static uint32_t
sum_of(uint64_t row, const void *data, size_t n)
{
	uint8_t at[8];
	struct buf b = buf_over(at, sizeof(at));

	buf_put_u64(&b, row);
	return crc32c(crc32c(0, at, sizeof(at)), data, n);
}

static enum cs_err
open_whole(struct view in, uint64_t row, struct cursor *body)
{
	const uint8_t *data = (const uint8_t *)in.data;
	struct cursor tail;

	if (in.len < 1 + JOURNAL_CRC_BYTES)
		return CS_ERR_CORRUPT;
	tail = cursor_over(data + in.len - JOURNAL_CRC_BYTES, JOURNAL_CRC_BYTES);
	if (cursor_u32(&tail) != sum_of(row, data, in.len - JOURNAL_CRC_BYTES))
		return CS_ERR_CORRUPT;
	if (data[0] != VERSION)
		return data[0] > VERSION ? CS_ERR_VERSION : CS_ERR_CORRUPT;
	*body = cursor_over(data + 1, in.len - 1 - JOURNAL_CRC_BYTES);
	return CS_OK;
}

void
journal_row_begin(struct buf *out)
{
	buf_put_u8(out, VERSION);
	buf_put_u64(out, 0);
}

void
journal_put_frame(struct buf *out, const struct journal_frame *in)
{
	const struct journal_entry *e = &in->entry;

	buf_put_u8(out, (uint8_t)e->kind);
	buf_put_u16(out, e->bucket);
	buf_put_var(out, e->n);
	buf_put(out, e->key.b, sizeof(e->key.b));
	buf_put_var(out, e->revision);
	buf_put_var(out, e->seq);
	buf_put_var(out, in->before_row);
	buf_put_var(out, in->before_n);
	buf_put_lv(out, e->body);
}

void
journal_row_end(struct buf *out, uint64_t row, uint64_t time_ms)
{
	struct buf at;

	if (out->full)
		return;
	at = buf_over(out->data + 1, 8);
	buf_put_u64(&at, time_ms);
	buf_put_u32(out, sum_of(row, out->data, out->len));
}

enum cs_err
journal_row_open(struct view in, uint64_t row, uint64_t *time_ms, struct cursor *frames)
{
	struct cursor c;
	enum cs_err err = open_whole(in, row, &c);
	uint64_t time;

	if (err != CS_OK)
		return err;
	time = cursor_u64(&c);
	if (c.bad || cursor_left(&c) == 0)
		return CS_ERR_CORRUPT;
	*time_ms = time;
	*frames = c;
	return CS_OK;
}

enum cs_err
journal_get_frame(struct cursor *frames, struct journal_frame *out)
{
	struct journal_frame f = {{0}, 0, 0};
	uint8_t kind;

	if (cursor_left(frames) == 0)
		return frames->bad ? CS_ERR_CORRUPT : CS_ERR_NOT_FOUND;
	kind = cursor_u8(frames);
	f.entry.bucket = cursor_u16(frames);
	f.entry.n = cursor_var(frames);
	cursor_get(frames, f.entry.key.b, sizeof(f.entry.key.b));
	f.entry.revision = cursor_var(frames);
	f.entry.seq = cursor_var(frames);
	f.before_row = cursor_var(frames);
	f.before_n = cursor_var(frames);
	f.entry.body = cursor_lv(frames, JOURNAL_BODY_MAX);
	f.entry.kind = (enum journal_kind)kind;
	if (frames->bad || (kind != JOURNAL_COMMIT && kind != JOURNAL_CLAIM) || f.entry.bucket >= JOURNAL_BUCKETS || f.entry.n == 0) {
		frames->bad = true;
		return CS_ERR_CORRUPT;
	}
	*out = f;
	return CS_OK;
}

void
journal_put_heads(struct buf *out, const struct journal_heads *in)
{
	buf_put_u8(out, VERSION);
	buf_put_var(out, in->row);
	buf_put_var(out, in->entries);
	buf_put_var(out, in->bytes);
	buf_put_var(out, in->time_ms);
	for (size_t i = 0; i < JOURNAL_BUCKETS; i++) {
		buf_put_var(out, in->of[i].n);
		buf_put_var(out, in->of[i].row);
		buf_put_var(out, in->of[i].pruned);
	}
	if (!out->full)
		buf_put_u32(out, sum_of(0, out->data, out->len));
}

enum cs_err
journal_get_heads(struct view in, struct journal_heads *out)
{
	struct cursor c;
	enum cs_err err = open_whole(in, 0, &c);

	if (err != CS_OK)
		return err;
	out->row = cursor_var(&c);
	out->entries = cursor_var(&c);
	out->bytes = cursor_var(&c);
	out->time_ms = cursor_var(&c);
	for (size_t i = 0; i < JOURNAL_BUCKETS; i++) {
		out->of[i].n = cursor_var(&c);
		out->of[i].row = cursor_var(&c);
		out->of[i].pruned = cursor_var(&c);
		if (out->of[i].row > out->row)
			c.bad = true;
	}
	return c.bad || cursor_left(&c) != 0 ? CS_ERR_CORRUPT : CS_OK;
}
