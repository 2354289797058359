/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes: version, last sequence number (8 bytes, so that it can be set later), id, id before, key, revision before,
 * flags, events, hot, cold where it changed, claims, payments, CRC-32C of all before it.
 */
#include "broker/store/redis/commit_code.h"

#include "broker/base/check.h"
#include "broker/store/crc32c.h"

enum { CLAIM_TAKEN, CLAIM_RELEASED, CLAIM_TAKEN_ONCE };
enum { CRC_BYTES = 4, FLAG_COLD = 1, AT_SEQ = 1, AT_BEFORE = 1 + 8 + LAYOUT_ID_BYTES };

/* Revision before, flags, events. */
static void
put_events(struct buf *out, const struct store_commit *c)
{
	buf_put_var(out, c->expected);
	buf_put_u8(out, c->cold.data != NULL ? FLAG_COLD : 0);
	buf_put_var(out, c->events_n);
	for (size_t i = 0; i < c->events_n; i++) {
		buf_put_lv(out, c->events[i].event);
		buf_put_lv(out, c->events[i].extra);
	}
}

static void
put_lists(struct buf *out, const struct store_commit *c)
{
	buf_put_var(out, c->claims_n);
	for (size_t i = 0; i < c->claims_n; i++) {
		buf_put(out, c->claims[i].claim.b, STORE_KEY_BYTES);
		buf_put_u8(out, c->claims[i].release ? CLAIM_RELEASED : c->claims[i].once ? CLAIM_TAKEN_ONCE : CLAIM_TAKEN);
	}
	buf_put_var(out, c->payments_n);
	for (size_t i = 0; i < c->payments_n; i++) {
		buf_put(out, c->payments[i].payment.b, STORE_KEY_BYTES);
		buf_put_lv(out, c->payments[i].summary);
	}
}

void
commit_encode(struct buf *out, const struct commit_image *in)
{
	const struct store_commit *c = &in->commit;

	buf_put_u8(out, COMMIT_CODE_VERSION);
	buf_put_u64(out, 0);
	buf_put(out, in->id, sizeof(in->id));
	buf_put(out, in->before, sizeof(in->before));
	buf_put(out, c->key.b, sizeof(c->key.b));
	put_events(out, c);
	buf_put_lv(out, c->hot);
	if (c->cold.data != NULL)
		buf_put_lv(out, c->cold);
	put_lists(out, c);
	buf_put_u32(out, 0);
}

void
commit_put_making(struct buf *out, const struct commit_image *in)
{
	size_t start = out->len;

	buf_put_u8(out, COMMIT_CODE_VERSION);
	buf_put(out, in->before, sizeof(in->before));
	put_events(out, &in->commit);
	put_lists(out, &in->commit);
	if (!out->full && out->len - start > LAYOUT_MAKING_MAX)
		out->len = start;
}

void
commit_set_before(struct buf *bytes, const uint8_t before[LAYOUT_ID_BYTES])
{
	CHECK(!bytes->full && bytes->len > AT_BEFORE + LAYOUT_ID_BYTES);
	memcpy(bytes->data + AT_BEFORE, before, LAYOUT_ID_BYTES);
}

void
commit_seal(struct buf *bytes, uint64_t last_seq)
{
	struct buf at;

	CHECK(!bytes->full && bytes->len > AT_SEQ + sizeof(last_seq) + CRC_BYTES);
	at = buf_over(bytes->data + AT_SEQ, sizeof(last_seq));
	buf_put_u64(&at, last_seq);
	at = buf_over(bytes->data + bytes->len - CRC_BYTES, CRC_BYTES);
	buf_put_u32(&at, crc32c(0, bytes->data, bytes->len - CRC_BYTES));
}

/* A count of what follows; bad where it is more than max. */
static size_t
get_count(struct cursor *c, size_t max)
{
	uint64_t n = cursor_var(c);

	if (n > max)
		c->bad = true;
	return c->bad ? 0 : (size_t)n;
}

static void
get_lists(struct cursor *c, struct commit_image *r)
{
	uint8_t flag;

	r->commit.claims_n = get_count(c, STORE_CLAIMS_MAX);
	for (size_t i = 0; i < r->commit.claims_n; i++) {
		cursor_get(c, r->claims[i].claim.b, STORE_KEY_BYTES);
		flag = cursor_u8(c);
		if (flag > CLAIM_TAKEN_ONCE)
			c->bad = true;
		r->claims[i].release = flag == CLAIM_RELEASED;
		r->claims[i].once = flag == CLAIM_TAKEN_ONCE;
	}
	r->commit.payments_n = get_count(c, STORE_PAYMENTS_MAX);
	for (size_t i = 0; i < r->commit.payments_n; i++) {
		cursor_get(c, r->payments[i].payment.b, STORE_KEY_BYTES);
		r->payments[i].summary = cursor_lv(c, STORE_SUMMARY_MAX);
	}
}

/* As put_events() wrote them; gives the flags. */
static uint8_t
get_events(struct cursor *c, struct commit_image *r)
{
	uint8_t flags;

	r->commit.expected = cursor_var(c);
	flags = cursor_u8(c);
	r->commit.events_n = get_count(c, STORE_BATCH_MAX);
	for (size_t i = 0; i < r->commit.events_n; i++) {
		r->events[i].event = cursor_lv(c, STORE_EVENT_MAX);
		r->events[i].extra = cursor_lv(c, STORE_EXTRA_MAX);
		if (r->events[i].event.len == 0)
			c->bad = true;
	}
	if (flags > FLAG_COLD || r->commit.events_n == 0 || r->commit.expected > UINT64_MAX - STORE_BATCH_MAX)
		c->bad = true;
	return flags;
}

/* The arrays are those of the image itself. */
static void
borrow_own(struct commit_image *r)
{
	r->commit.events = r->events;
	r->commit.claims = r->claims;
	r->commit.payments = r->payments;
	r->commit.narrows = false;
}

/* All between the version and the checksum. */
static enum cs_err
get_body(struct cursor *c, struct commit_image *r)
{
	uint8_t flags;

	r->last_seq = cursor_u64(c);
	cursor_get(c, r->id, sizeof(r->id));
	cursor_get(c, r->before, sizeof(r->before));
	cursor_get(c, r->commit.key.b, STORE_KEY_BYTES);
	flags = get_events(c, r);
	r->commit.hot = cursor_lv(c, STORE_HOT_MAX);
	r->commit.cold = view_of(NULL, 0);
	if (flags == FLAG_COLD)
		r->commit.cold = cursor_lv(c, STORE_COLD_MAX);
	get_lists(c, r);
	if (c->bad || cursor_left(c) > 0)
		return CS_ERR_CORRUPT;
	borrow_own(r);
	return CS_OK;
}

enum cs_err
commit_of_record(struct buf *out, const struct commit_made *made)
{
	struct cursor c = cursor_over(made->making.data, made->making.len);
	struct commit_image r = {.last_seq = made->last_seq};
	uint8_t flags;

	if (made->making.len == 0)
		return CS_ERR_NOT_FOUND;
	if (cursor_u8(&c) != COMMIT_CODE_VERSION)
		return CS_ERR_VERSION;
	cursor_get(&c, r.before, sizeof(r.before));
	flags = get_events(&c, &r);
	get_lists(&c, &r);
	if (c.bad || cursor_left(&c) > 0 || r.commit.expected + r.commit.events_n != made->revision)
		return CS_ERR_CORRUPT;
	borrow_own(&r);
	memcpy(r.id, made->id, sizeof(r.id));
	r.commit.key = made->key;
	r.commit.hot = made->hot;
	r.commit.cold = flags == FLAG_COLD ? view_of(made->cold.data == NULL ? (const void *)"" : made->cold.data, made->cold.len) : view_of(NULL, 0);
	commit_encode(out, &r);
	commit_seal(out, made->last_seq);
	return CS_OK;
}

enum cs_err
commit_decode(struct view in, struct commit_image *out)
{
	const uint8_t *p = (const uint8_t *)in.data;
	struct cursor c, tail;
	enum cs_err err;

	if (in.len < 1 + CRC_BYTES || in.len > COMMIT_CODE_MAX)
		return CS_ERR_CORRUPT;
	tail = cursor_over(p + in.len - CRC_BYTES, CRC_BYTES);
	if (cursor_u32(&tail) != crc32c(0, p, in.len - CRC_BYTES))
		return CS_ERR_CORRUPT;
	if (p[0] != COMMIT_CODE_VERSION)
		return p[0] > COMMIT_CODE_VERSION ? CS_ERR_VERSION : CS_ERR_CORRUPT;
	c = cursor_over(p + 1, in.len - 1 - CRC_BYTES);
	err = get_body(&c, out);
	if (err == CS_OK && out->last_seq == 0)
		err = CS_ERR_CORRUPT;
	return err;
}

void
commit_ground_add(struct buf *grounds, struct view sealed)
{
	buf_put_lv(grounds, sealed);
}

void
commit_put_grounded(struct buf *out, struct view grounds, struct view sealed)
{
	buf_put_u8(out, COMMIT_ON_VERSION);
	buf_put_view(out, grounds);
	if (sealed.len > 0)
		buf_put_lv(out, sealed);
}

size_t
commit_grounds(struct view grounds)
{
	struct cursor c = cursor_over(grounds.data, grounds.len);
	size_t n = 0;

	for (; !c.bad && cursor_left(&c) > 0; n++)
		(void)cursor_lv(&c, COMMIT_CODE_MAX);
	return n;
}

size_t
commit_parts(struct view in, struct view parts[COMMIT_GROUNDS_MAX + 1])
{
	struct cursor c = cursor_over(in.data, in.len);
	size_t n = 0;

	if (in.len == 0)
		return 0;
	if (in.data[0] != COMMIT_ON_VERSION) {
		parts[0] = in;
		return 1;
	}
	(void)cursor_u8(&c);
	while (!c.bad && cursor_left(&c) > 0 && n <= COMMIT_GROUNDS_MAX)
		parts[n++] = cursor_lv(&c, COMMIT_CODE_MAX);
	return c.bad || cursor_left(&c) > 0 ? 0 : n;
}

void
commit_view(struct view in, struct commit_image *out)
{
	struct cursor c = cursor_over(in.data + 1, in.len - 1 - CRC_BYTES);

	CHECK(get_body(&c, out) == CS_OK);
}

void
commit_call_init(struct commit_call *call)
{
	*call = (struct commit_call){.keys_n = 0};
	bytes_init(&call->bytes, 2 * COMMIT_CODE_MAX);
}

void
commit_call_clear(struct commit_call *call)
{
	bytes_clear(&call->bytes);
}
