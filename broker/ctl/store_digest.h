/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checksums of the two sides of a migration, one a bucket, of what must be the same in both: sums of SHA-256 over single
 * things, so that the order in which they are read does not matter.
 */
#ifndef CS_CTL_STORE_DIGEST_H
#define CS_CTL_STORE_DIGEST_H

#include "broker/store/redis/layout.h"

struct store_digest {
	uint64_t n;
	uint64_t sum[4];
};

/* seq 0: the sequence number does not count, since the other side gives its own. */
void store_digest_event(struct store_digest *d, uint64_t seq, const struct store_key *key, uint64_t revision, struct view event,
    struct view extra);
bool store_digest_equal(const struct store_digest *a, const struct store_digest *b);
void store_digest_add(struct store_digest *to, const struct store_digest *other);
/* 64 hexadecimal digits. */
const char *store_digest_text(const struct store_digest *d, char to[65]);

#endif
