/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums of a migration. */
#include "broker/ctl/store_digest.h"

#include <stdio.h>

#include "broker/base/bytes.h"
#include "broker/base/check.h"
#include "broker/engine/keyring.h"

void
store_digest_event(struct store_digest *d, uint64_t seq, const struct store_key *key, uint64_t revision, struct view event,
    struct view extra)
{
	static uint8_t bytes[STORE_EVENT_MAX + STORE_EXTRA_MAX + 64];
	struct buf b = buf_over(bytes, sizeof(bytes));
	uint64_t part[4];
	struct hash h;

	buf_put_u64(&b, seq);
	buf_put(&b, key->b, sizeof(key->b));
	buf_put_u64(&b, revision);
	buf_put_lv(&b, event);
	buf_put_lv(&b, extra);
	CHECK(!b.full);
	sha256(buf_view(&b), &h);
	memcpy(part, h.b, sizeof(part));
	d->n++;
	for (int i = 0; i < 4; i++)
		d->sum[i] += part[i];
}

bool
store_digest_equal(const struct store_digest *a, const struct store_digest *b)
{
	return a->n == b->n && memcmp(a->sum, b->sum, sizeof(a->sum)) == 0;
}

void
store_digest_add(struct store_digest *to, const struct store_digest *other)
{
	to->n += other->n;
	for (int i = 0; i < 4; i++)
		to->sum[i] += other->sum[i];
}

const char *
store_digest_text(const struct store_digest *d, char to[65])
{
	for (int i = 0; i < 4; i++)
		(void)snprintf(to + (size_t)16 * (size_t)i, 17, "%016llx", (unsigned long long)d->sum[i]);
	return to;
}
