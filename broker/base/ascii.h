/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fast way through text: how many bytes at the front are plain ASCII, eight at a time. Nearly
 * every string that the broker meets is plain to its end, and reading, checking and writing it are
 * most of what a message costs.
 */
#ifndef CS_BASE_ASCII_H
#define CS_BASE_ASCII_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t
ascii_load(const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return le64toh(w);
}

/* Two overlapping or adjacent groups of four bytes. */
static inline uint64_t
ascii_load_halves(const uint8_t *first, const uint8_t *second)
{
	uint32_t a, b;

	memcpy(&a, first, sizeof(a));
	memcpy(&b, second, sizeof(b));
	return (uint64_t)le32toh(b) << 32 | le32toh(a);
}

/*
 * The high bit of each byte that is not plain; only the lowest set one is to be relied on, since a
 * borrow may reach the bytes above it.
 */
static inline uint64_t
ascii_unplain(uint64_t w)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t quote = (w ^ ones * '"') - ones;
	uint64_t backslash = (w ^ ones * '\\') - ones;
	uint64_t control = w - ones * 0x20;
	uint64_t del = w + ones;

	return (w | quote | backslash | control | del) & ones * 0x80;
}

/* Index of the first byte of eight that is not plain. */
static inline size_t
ascii_first(uint64_t unplain)
{
	return (size_t)__builtin_ctzll(unplain) / 8;
}

/* Length of the run of plain bytes at p: 20 to 7E, without quotation mark and backslash. */
static inline size_t
ascii_plain(const uint8_t *p, size_t n)
{
	uint64_t unplain;
	size_t i = 0;

	for (; n - i >= 8; i += 8) {
		unplain = ascii_unplain(ascii_load(p + i));
		if (unplain != 0)
			return i + ascii_first(unplain);
	}
	if (i == n)
		return n;
	if (n >= 8) {
		unplain = ascii_unplain(ascii_load(p + n - 8));
		return unplain == 0 ? n : n - 8 + ascii_first(unplain);
	}
	if (n >= 4) {
		unplain = ascii_unplain(ascii_load_halves(p, p + n - 4));
		i = unplain == 0 ? 8 : ascii_first(unplain);
		return i < 4 ? i : n - 8 + i;
	}
	while (i < n && p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\')
		i++;
	return i;
}

#endif
