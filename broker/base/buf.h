/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes: a borrowed view, a bounded writer over the caller's memory, and a reader that cannot run
 * past its end. All three are values; nothing here allocates, except that a buf may be given a grow
 * function by its owner (base/bytes.h). Numbers are little-endian. Everything is inline, so that
 * core needs nothing but this header.
 */
#ifndef CS_BASE_BUF_H
#define CS_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes, not NUL-terminated. data may be NULL when len is 0. */
struct view {
	const char *data;
	size_t len;
};

#define VIEW(literal) ((struct view){"" literal, sizeof(literal) - 1})

static inline struct view
view_of(const void *data, size_t len)
{
	return (struct view){data, len};
}

static inline struct view
view_str(const char *s)
{
	return (struct view){s, s == NULL ? 0 : strlen(s)};
}

static inline bool
view_equal(struct view a, struct view b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/*
 * Writer. A put that does not fit writes nothing, sets `full`, and every later put is ignored too:
 * a sequence of puts is checked once, at its end. `grow`, if set, is asked first for room for
 * `need` more bytes.
 */
struct buf {
	uint8_t *data;
	size_t len;
	size_t cap;
	bool full;
	bool (*grow)(struct buf *b, size_t need);
};

static inline struct buf
buf_over(void *mem, size_t cap)
{
	return (struct buf){mem, 0, cap, false, NULL};
}

static inline struct view
buf_view(const struct buf *b)
{
	return view_of(b->data, b->len);
}

/* Room for n bytes at data + len, or NULL and `full`. */
static inline uint8_t *
buf_room(struct buf *b, size_t n)
{
	if (b->full)
		return NULL;
	if (n > b->cap - b->len && (b->grow == NULL || !b->grow(b, n))) {
		b->full = true;
		return NULL;
	}
	return b->data + b->len;
}

static inline void
buf_put(struct buf *b, const void *data, size_t n)
{
	uint8_t *to = n == 0 ? NULL : buf_room(b, n); /* nothing needs no room, and a buf may have none yet */

	if (to == NULL)
		return;
	memcpy(to, data, n);
	b->len += n;
}

static inline void
buf_put_view(struct buf *b, struct view v)
{
	buf_put(b, v.data, v.len);
}

static inline void
buf_put_u8(struct buf *b, uint8_t v)
{
	buf_put(b, &v, 1);
}

static inline void
buf_put_u16(struct buf *b, uint16_t v)
{
	uint8_t x[2] = {(uint8_t)v, (uint8_t)(v >> 8)};

	buf_put(b, x, sizeof(x));
}

static inline void
buf_put_u32(struct buf *b, uint32_t v)
{
	uint8_t x[4];

	for (int i = 0; i < 4; i++)
		x[i] = (uint8_t)(v >> (8 * i));
	buf_put(b, x, sizeof(x));
}

static inline void
buf_put_u64(struct buf *b, uint64_t v)
{
	uint8_t x[8];

	for (int i = 0; i < 8; i++)
		x[i] = (uint8_t)(v >> (8 * i));
	buf_put(b, x, sizeof(x));
}

/* Unsigned LEB128, at most ten bytes. */
static inline void
buf_put_var(struct buf *b, uint64_t v)
{
	uint8_t x[10];
	size_t n = 0;

	do {
		x[n] = (uint8_t)(v & 0x7f);
		v >>= 7;
		if (v != 0)
			x[n] |= 0x80;
		n++;
	} while (v != 0);
	buf_put(b, x, n);
}

/* Signed, zigzag. */
static inline void
buf_put_svar(struct buf *b, int64_t v)
{
	buf_put_var(b, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0));
}

/* Length as LEB128, then the bytes. */
static inline void
buf_put_lv(struct buf *b, struct view v)
{
	buf_put_var(b, v.len);
	buf_put_view(b, v);
}

/* Reader. A get past the end gives zeros and sets `bad`, for good: check once, at the end. */
struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};

static inline struct cursor
cursor_over(const void *data, size_t len)
{
	const uint8_t *p = data;

	return (struct cursor){p, len == 0 ? p : p + len, false};
}

static inline size_t
cursor_left(const struct cursor *c)
{
	return c->bad ? 0 : (size_t)(c->end - c->at);
}

/* n bytes in place, or NULL. */
static inline const uint8_t *
cursor_take(struct cursor *c, size_t n)
{
	const uint8_t *p = c->at;

	if (c->bad || n > (size_t)(c->end - c->at)) {
		c->bad = true;
		return NULL;
	}
	c->at += n;
	return p;
}

static inline void
cursor_get(struct cursor *c, void *to, size_t n)
{
	const uint8_t *p = cursor_take(c, n);

	if (p == NULL)
		memset(to, 0, n);
	else if (n > 0)
		memcpy(to, p, n);
}

static inline uint8_t
cursor_u8(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 1);

	return p == NULL ? 0 : *p;
}

static inline uint16_t
cursor_u16(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 2);

	return p == NULL ? 0 : (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t
cursor_u32(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 4);
	uint32_t v = 0;

	for (int i = 0; p != NULL && i < 4; i++)
		v |= (uint32_t)p[i] << (8 * i);
	return v;
}

static inline uint64_t
cursor_u64(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 8);
	uint64_t v = 0;

	for (int i = 0; p != NULL && i < 8; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

/* Only the shortest form of a number is accepted, so that a value has one encoding. */
static inline uint64_t
cursor_var(struct cursor *c)
{
	uint64_t v = 0;

	for (int shift = 0; shift < 64; shift += 7) {
		uint8_t x = cursor_u8(c);

		if (c->bad || (shift == 63 && x > 1) || (shift > 0 && x == 0))
			break;
		v |= (uint64_t)(x & 0x7f) << shift;
		if ((x & 0x80) == 0)
			return v;
	}
	c->bad = true;
	return 0;
}

static inline int64_t
cursor_svar(struct cursor *c)
{
	uint64_t v = cursor_var(c);

	return (int64_t)((v >> 1) ^ ((v & 1) != 0 ? UINT64_MAX : 0));
}

/* Length, then bytes; a view into the cursor's memory, at most max bytes. */
static inline struct view
cursor_lv(struct cursor *c, size_t max)
{
	uint64_t n = cursor_var(c);
	const uint8_t *p;

	if (n > max)
		c->bad = true;
	p = c->bad ? NULL : cursor_take(c, (size_t)n);
	return p == NULL ? view_of(NULL, 0) : view_of(p, (size_t)n);
}

#endif
