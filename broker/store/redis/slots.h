/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buckets and hash slots. All data is in 1024 buckets; a bucket's keys share one hash tag, chosen so that bucket b lies in
 * slots 16b to 16b+15 of a Redis Cluster: contiguous, so that an even split of slots is an even split of buckets.
 */
#ifndef CS_STORE_REDIS_SLOTS_H
#define CS_STORE_REDIS_SLOTS_H

#include <stdint.h>

#include "broker/base/buf.h"

enum {
	SLOTS_ALL = 16384,                        /* of a Redis Cluster */
	SLOTS_BUCKETS = 1024,                     /* for good: it is in every key */
	SLOTS_PER_BUCKET = SLOTS_ALL / SLOTS_BUCKETS,
	SLOTS_TAG_TEXT = 8,                       /* with its NUL */
};

/* CRC-16/XMODEM, as the cluster specification has it. */
uint16_t slots_crc16(struct view v);
/* The hash slot of a key: of what is between its first "{" and the "}" after it, unless that is empty. */
unsigned slots_of_key(struct view key);
/* The bucket of a record's key, a claim's digest or anything else that is evenly spread: the first 10 bits of its first two bytes. */
static inline unsigned
slots_bucket(const uint8_t *digest)
{
	return (unsigned)digest[0] << 2 | digest[1] >> 6;
}

/* The bucket's hash tag: the least decimal number whose slot is in the bucket's range. Never freed; not thread-safe at its first call. */
const char *slots_tag(unsigned bucket);
/* The slot of that tag. */
unsigned slots_of_bucket(unsigned bucket);

#endif
