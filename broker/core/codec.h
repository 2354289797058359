/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One walk over a value that either writes it or reads it, so that encoder and decoder cannot
 * drift; private to core. Every function is inlined with a constant mode, so that each of the two
 * becomes straight code. Writing goes to memory that is large enough by a static bound of the
 * caller's; reading cannot pass the end, and turns `bad` instead.
 */
#ifndef CS_CORE_CODEC_H
#define CS_CORE_CODEC_H

#include "broker/base/check.h"
#include "broker/core/types.h"

#define CODEC_INLINE static inline __attribute__((always_inline))

enum codec_mode { CODEC_WRITE, CODEC_READ };

enum { VAR_BYTES_MAX = 10 };

struct codec {
	uint8_t *to;		   /* writing */
	const uint8_t *from, *end; /* reading */
	bool bad;
};

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LITTLE_ENDIAN_64(v) (v)
#else
#define LITTLE_ENDIAN_64(v) __builtin_bswap64(v)
#endif

/* Eight bytes, the lowest first. */
CODEC_INLINE uint64_t
bytes_load(const uint8_t *from)
{
	uint64_t v;

	memcpy(&v, from, sizeof(v));
	return LITTLE_ENDIAN_64(v);
}

CODEC_INLINE void
bytes_store(uint8_t *to, uint64_t v)
{
	v = LITTLE_ENDIAN_64(v);
	memcpy(to, &v, sizeof(v));
}

/*
 * LEB128 beyond one byte. Outside the inlined walk, with values for arguments, so that the codec
 * stays in registers.
 */
static __attribute__((noinline)) uint8_t *
var_write_long(uint8_t *to, uint64_t v)
{
	for (; v > 0x7f; v >>= 7)
		*to++ = (uint8_t)(v | 0x80);
	*to++ = (uint8_t)v;
	return to;
}

/* A number and where the next one begins; NULL: cut off, too large, or longer than it needs to be.
 */
struct var {
	uint64_t value;
	const uint8_t *next;
};

static __attribute__((noinline)) struct var
var_read_long(const uint8_t *from, const uint8_t *end)
{
	uint64_t sum = 0;

	for (unsigned shift = 0; shift < 64 && from < end; shift += 7) {
		uint8_t x = *from++;

		if ((shift == 63 && x > 1) || (shift > 0 && x == 0))
			break;
		sum |= (uint64_t)(x & 0x7f) << shift;
		if (x < 0x80)
			return (struct var){sum, from};
	}
	return (struct var){0, NULL};
}

CODEC_INLINE uint64_t
zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
}

CODEC_INLINE int64_t
unzigzag(uint64_t v)
{
	return (int64_t)((v >> 1) ^ ((v & 1) != 0 ? UINT64_MAX : 0));
}

CODEC_INLINE void
code_bytes(struct codec *c, enum codec_mode mode, void *bytes, size_t n)
{
	if (mode == CODEC_WRITE) {
		memcpy(c->to, bytes, n);
		c->to += n;
	} else if ((size_t)(c->end - c->from) >= n) {
		memcpy(bytes, c->from, n);
		c->from += n;
	} else {
		memset(bytes, 0, n);
		c->bad = true;
		c->from = c->end;
	}
}

CODEC_INLINE void
code_u8(struct codec *c, enum codec_mode mode, uint8_t *v)
{
	code_bytes(c, mode, v, 1);
}

CODEC_INLINE void
code_u64(struct codec *c, enum codec_mode mode, uint64_t *v)
{
	uint8_t x[8];

	if (mode == CODEC_WRITE)
		bytes_store(x, *v);
	code_bytes(c, mode, x, sizeof(x));
	if (mode == CODEC_READ)
		*v = bytes_load(x);
}

/* Unsigned LEB128, the shortest form only. */
CODEC_INLINE void
code_var(struct codec *c, enum codec_mode mode, uint64_t *v)
{
	if (mode == CODEC_WRITE) {
		if (*v < 0x80)
			*c->to++ = (uint8_t)*v;
		else
			c->to = var_write_long(c->to, *v);
	} else if (c->from < c->end && *c->from < 0x80) {
		*v = *c->from++;
	} else {
		struct var var = var_read_long(c->from, c->end);

		c->bad |= var.next == NULL;
		c->from = var.next == NULL ? c->end : var.next;
		*v = var.value;
	}
}

CODEC_INLINE void
code_u32(struct codec *c, enum codec_mode mode, uint32_t *v)
{
	uint64_t wide = mode == CODEC_WRITE ? *v : 0;

	code_var(c, mode, &wide);
	if (mode == CODEC_READ) {
		c->bad |= wide > UINT32_MAX;
		*v = (uint32_t)wide;
	}
}

CODEC_INLINE void
code_u16(struct codec *c, enum codec_mode mode, uint16_t *v)
{
	uint64_t wide = mode == CODEC_WRITE ? *v : 0;

	code_var(c, mode, &wide);
	if (mode == CODEC_READ) {
		c->bad |= wide > UINT16_MAX;
		*v = (uint16_t)wide;
	}
}

/* Signed, small values of both signs short. */
CODEC_INLINE void
code_num(struct codec *c, enum codec_mode mode, int64_t *v)
{
	uint64_t wide = mode == CODEC_WRITE ? zigzag(*v) : 0;

	code_var(c, mode, &wide);
	if (mode == CODEC_READ)
		*v = unzigzag(wide);
}

CODEC_INLINE void
code_i32(struct codec *c, enum codec_mode mode, int32_t *v)
{
	int64_t wide = mode == CODEC_WRITE ? *v : 0;

	code_num(c, mode, &wide);
	if (mode == CODEC_READ) {
		c->bad |= wide < INT32_MIN || wide > INT32_MAX;
		*v = (int32_t)wide;
	}
}

CODEC_INLINE void
code_id(struct codec *c, enum codec_mode mode, struct id *id)
{
	code_bytes(c, mode, id->b, sizeof(id->b));
}

#endif
