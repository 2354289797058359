/* SPDX-License-Identifier: Apache-2.0 */
/* Names of keys, encodings of values, sequence numbers: see layout.h. */
#include "broker/store/redis/layout.h"

#include <stdio.h>

#include "broker/base/check.h"
#include "broker/store/crc32c.h"

enum { CRC_BYTES = 4, BE_BYTES = 8 };

/* Where the parts of a hot value's header begin. */
enum { AT_REVISION = 0, AT_ID = 8, AT_LAST_SEQ = 16, AT_N = 24, AT_COLD = 32 };

static bool
prefix_good(const char *prefix)
{
	size_t n = strspn(prefix, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:");

	return n >= 1 && n <= LAYOUT_PREFIX_MAX && prefix[n] == '\0';
}

enum cs_err
layout_init(struct layout *l, const char *prefix)
{
	if (!prefix_good(prefix))
		return CS_ERR_RANGE;
	snprintf(l->prefix, sizeof(l->prefix), "%s", prefix);
	return CS_OK;
}

unsigned
layout_bucket(const struct store_key *key)
{
	return slots_bucket(key->b);
}

struct view
layout_key(const struct layout *l, unsigned bucket, enum layout_kind kind, const void *rest, size_t rest_len,
    struct layout_key *to)
{
	CHECK(bucket < LAYOUT_BUCKETS && rest_len <= 2 * STORE_KEY_BYTES);
	to->len = (size_t)snprintf(to->text, sizeof(to->text), "%s{%s}%c", l->prefix, slots_tag(bucket), kind);
	if (rest_len > 0)
		memcpy(to->text + to->len, rest, rest_len);
	to->len += rest_len;
	return view_of(to->text, to->len);
}

struct view
layout_key_of(const struct layout *l, enum layout_kind kind, const struct store_key *key, struct layout_key *to)
{
	return layout_key(l, layout_bucket(key), kind, key->b, sizeof(key->b), to);
}

struct view
layout_log(const struct layout *l, unsigned bucket, uint64_t segment, struct layout_key *to)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)segment);

	return layout_key(l, bucket, LAYOUT_LOG, text, (size_t)n, to);
}

struct view
layout_payment(const struct layout *l, const struct store_key *key, const struct store_key *payment,
    struct layout_key *to)
{
	struct store_key both[2] = {*key, *payment};

	return layout_key(l, layout_bucket(key), LAYOUT_PAYMENT, both, sizeof(both), to);
}

uint64_t
layout_seq(uint64_t units, unsigned bucket)
{
	return units << LAYOUT_BUCKET_BITS | bucket;
}

uint64_t
layout_units_of(uint64_t seq)
{
	return seq >> LAYOUT_BUCKET_BITS;
}

uint64_t
layout_units_at(int64_t time_us)
{
	int64_t since = time_us - (int64_t)LAYOUT_EPOCH_S * 1000000;

	return since < 0 ? 0 : (uint64_t)since / LAYOUT_UNIT_US;
}

uint64_t
layout_seq_before(int64_t time_us)
{
	uint64_t units = layout_units_at(time_us);

	return units == 0 ? 0 : layout_seq(units, 0) - 1;
}

void
layout_put_be(uint8_t to[8], uint64_t v)
{
	for (int i = 0; i < BE_BYTES; i++)
		to[i] = (uint8_t)(v >> (56 - 8 * i));
}

uint64_t
layout_get_be(const uint8_t from[8])
{
	uint64_t v = 0;

	for (int i = 0; i < BE_BYTES; i++)
		v = v << 8 | from[i];
	return v;
}

/* Over what the bytes belong to, then the bytes. */
static uint32_t
crc_of(const struct store_key *key, uint64_t revision, const uint8_t *id, struct view bytes)
{
	uint8_t x[BE_BYTES];
	uint32_t crc;

	layout_put_be(x, revision);
	crc = crc32c(crc32c(0, key->b, sizeof(key->b)), x, sizeof(x));
	if (id != NULL)
		crc = crc32c(crc, id, LAYOUT_ID_BYTES);
	return crc32c(crc, bytes.data, bytes.len);
}

static void
put_guarded(struct buf *out, uint32_t crc, struct view bytes)
{
	buf_put_u8(out, LAYOUT_VERSION);
	buf_put_u32(out, crc);
	buf_put_view(out, bytes);
}

/* Version, checksum and bytes, to the end of in. */
static enum cs_err
get_guarded(struct view in, const struct store_key *key, uint64_t revision, const uint8_t *id, size_t max,
    struct view *out)
{
	struct cursor c = cursor_over(in.data, in.len);
	uint8_t version = cursor_u8(&c);
	uint32_t crc = cursor_u32(&c);
	struct view bytes = view_of(c.at, cursor_left(&c));

	if (c.bad || bytes.len > max)
		return CS_ERR_CORRUPT;
	if (version != LAYOUT_VERSION)
		return version > LAYOUT_VERSION ? CS_ERR_VERSION : CS_ERR_CORRUPT;
	if (crc != crc_of(key, revision, id, bytes))
		return CS_ERR_CORRUPT;
	*out = bytes;
	return CS_OK;
}

void
layout_put_tail(struct buf *out, const struct store_key *key, uint64_t revision, const uint8_t id[LAYOUT_ID_BYTES],
    struct view making, struct view hot)
{
	size_t at, from;
	struct buf crc;

	CHECK(making.len <= LAYOUT_MAKING_MAX);
	buf_put_u8(out, LAYOUT_VERSION);
	at = out->len;
	buf_put_u32(out, 0);
	from = out->len;
	buf_put_lv(out, making);
	buf_put_view(out, hot);
	if (out->full)
		return;
	crc = buf_over(out->data + at, CRC_BYTES);
	buf_put_u32(&crc, crc_of(key, revision, id, view_of(out->data + from, out->len - from)));
}

enum cs_err
layout_get_hot(struct view in, const struct store_key *key, struct layout_hot *out)
{
	const uint8_t *p = (const uint8_t *)in.data;
	struct layout_hot r = {0};
	struct view bytes;
	struct cursor c;
	enum cs_err err;

	if (in.len < LAYOUT_HEADER_BYTES)
		return CS_ERR_CORRUPT;
	r.held = (p[0] & LAYOUT_HELD) != 0;
	if (r.held) {
		*out = r;
		return CS_OK;
	}
	r.revision = layout_get_be(p + AT_REVISION);
	r.last_seq = layout_get_be(p + AT_LAST_SEQ);
	r.n = layout_get_be(p + AT_N);
	r.cold_revision = layout_get_be(p + AT_COLD);
	memcpy(r.id, p + AT_ID, sizeof(r.id));
	if (r.revision == 0 || r.last_seq == 0 || r.cold_revision > r.revision)
		return CS_ERR_CORRUPT;
	err = get_guarded(view_of(p + LAYOUT_HEADER_BYTES, in.len - LAYOUT_HEADER_BYTES), key, r.revision, r.id,
	    LAYOUT_HOT_MAX, &bytes);
	if (err != CS_OK)
		return err;
	c = cursor_over(bytes.data, bytes.len);
	r.making = cursor_lv(&c, LAYOUT_MAKING_MAX);
	r.hot = view_of(c.at, cursor_left(&c));
	if (c.bad || r.hot.len > STORE_HOT_MAX)
		return CS_ERR_CORRUPT;
	*out = r;
	return CS_OK;
}

void
layout_put_cold(struct buf *out, const struct store_key *key, uint64_t revision, struct view cold)
{
	uint8_t x[BE_BYTES];

	layout_put_be(x, revision);
	buf_put(out, x, sizeof(x));
	put_guarded(out, crc_of(key, revision, NULL, cold), cold);
}

enum cs_err
layout_get_cold(struct view in, const struct store_key *key, uint64_t revision, struct view *cold)
{
	if (in.len < BE_BYTES || layout_get_be((const uint8_t *)in.data) != revision)
		return CS_ERR_CORRUPT;
	return get_guarded(view_of(in.data + BE_BYTES, in.len - BE_BYTES), key, revision, NULL, STORE_COLD_MAX, cold);
}

void
layout_put_event(struct buf *out, const struct store_key *key, uint64_t revision, const struct store_event *event)
{
	size_t start = out->len;

	buf_put_u8(out, LAYOUT_VERSION);
	buf_put(out, key->b, sizeof(key->b));
	buf_put_var(out, revision);
	buf_put_lv(out, event->event);
	buf_put_lv(out, event->extra);
	if (!out->full)
		buf_put_u32(out, crc32c(0, out->data + start, out->len - start));
}

enum cs_err
layout_get_event(struct view in, struct layout_event *out)
{
	const uint8_t *p = (const uint8_t *)in.data;
	struct layout_event r;
	struct cursor c, tail;
	uint8_t version;

	if (in.len > LAYOUT_EVENT_MAX || in.len < LAYOUT_EVENT_BACK_BYTES + 1 + CRC_BYTES)
		return CS_ERR_CORRUPT;
	r.back = layout_get_be(p);
	c = cursor_over(p + LAYOUT_EVENT_BACK_BYTES, in.len - LAYOUT_EVENT_BACK_BYTES - CRC_BYTES);
	tail = cursor_over(p + in.len - CRC_BYTES, CRC_BYTES);
	if (cursor_u32(&tail) != crc32c(0, c.at, cursor_left(&c)))
		return CS_ERR_CORRUPT;
	version = cursor_u8(&c);
	if (version != LAYOUT_VERSION)
		return version > LAYOUT_VERSION ? CS_ERR_VERSION : CS_ERR_CORRUPT;
	cursor_get(&c, r.key.b, sizeof(r.key.b));
	r.revision = cursor_var(&c);
	r.event = cursor_lv(&c, STORE_EVENT_MAX);
	r.extra = cursor_lv(&c, STORE_EXTRA_MAX);
	if (c.bad || cursor_left(&c) > 0 || r.revision == 0 || r.event.len == 0)
		return CS_ERR_CORRUPT;
	*out = r;
	return CS_OK;
}
