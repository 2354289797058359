/* SPDX-License-Identifier: Apache-2.0 */
/* Hash slots, and the tags of buckets, which are found once by trying numbers in order. */
#include "broker/store/redis/slots.h"

#include <stdio.h>

#include "broker/base/check.h"

enum {
	CRC16_POLYNOMIAL = 0x1021,
	TAGS_TRIED_MAX = 1000000, /* a thousand times more than buckets: all are found within the first 3,158 */
};

static struct {
	char tag[SLOTS_BUCKETS][SLOTS_TAG_TEXT];
	uint16_t slot[SLOTS_BUCKETS];
	bool made;
} tags;

uint16_t
slots_crc16(struct view v)
{
	uint16_t crc = 0;

	for (size_t i = 0; i < v.len; i++) {
		crc ^= (uint16_t)((uint8_t)v.data[i] << 8);
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)((crc & 0x8000) != 0 ? crc << 1 ^ CRC16_POLYNOMIAL : crc << 1);
	}
	return crc;
}

unsigned
slots_of_key(struct view key)
{
	const char *open = key.len == 0 ? NULL : memchr(key.data, '{', key.len);

	if (open != NULL) {
		size_t left = key.len - (size_t)(open + 1 - key.data);
		const char *close = left == 0 ? NULL : memchr(open + 1, '}', left);

		if (close != NULL && close > open + 1)
			key = view_of(open + 1, (size_t)(close - open - 1));
	}
	return slots_crc16(key) % SLOTS_ALL;
}

static void
tags_make(void)
{
	unsigned missing = SLOTS_BUCKETS;

	for (unsigned n = 0; missing > 0; n++) {
		char text[SLOTS_TAG_TEXT];
		unsigned slot;

		CHECK(n < TAGS_TRIED_MAX);
		snprintf(text, sizeof(text), "%u", n);
		slot = slots_crc16(view_str(text)) % SLOTS_ALL;
		if (tags.tag[slot / SLOTS_PER_BUCKET][0] != '\0')
			continue;
		memcpy(tags.tag[slot / SLOTS_PER_BUCKET], text, sizeof(text));
		tags.slot[slot / SLOTS_PER_BUCKET] = (uint16_t)slot;
		missing--;
	}
	tags.made = true;
}

const char *
slots_tag(unsigned bucket)
{
	CHECK(bucket < SLOTS_BUCKETS);
	if (!tags.made)
		tags_make();
	return tags.tag[bucket];
}

unsigned
slots_of_bucket(unsigned bucket)
{
	(void)slots_tag(bucket);
	return tags.slot[bucket];
}
