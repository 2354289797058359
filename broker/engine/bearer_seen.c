/* SPDX-License-Identifier: Apache-2.0 */
/* Two tables with a bound. */
#include "broker/engine/bearer_seen.h"

#include <stdlib.h>
#include <string.h>

#include "broker/base/check.h"

enum { WAYS = 4 };  /* places that a token may stand in */

void
seen_init(struct seen *s)
{
	memset(s, 0, sizeof(*s));
}

void
seen_clear(struct seen *s)
{
	free(s->proofs);
	seen_init(s);
}

void
seen_forget_tokens(struct seen *s)
{
	memset(s->tokens, 0, sizeof(s->tokens));
}

static size_t
number_of(const void *digest)
{
	uint64_t n;

	memcpy(&n, digest, sizeof(n));
	return (size_t)n;
}

uint64_t
seen_token(const struct seen *s, const struct hash *key, int64_t now_ms)
{
	size_t at = number_of(key) % (SEEN_TOKENS / WAYS) * WAYS;

	for (size_t i = at; i < at + WAYS; i++) {
		if (s->tokens[i].until_ms > now_ms && memcmp(&s->tokens[i].key, key, sizeof(*key)) == 0)
			return s->tokens[i].service;
	}
	return 0;
}

void
seen_token_put(struct seen *s, const struct hash *key, uint64_t service, int64_t until_ms)
{
	size_t at = number_of(key) % (SEEN_TOKENS / WAYS) * WAYS, to = at;

	for (size_t i = at; i < at + WAYS; i++) {
		if (memcmp(&s->tokens[i].key, key, sizeof(*key)) == 0) {
			to = i;
			break;
		}
		if (s->tokens[i].until_ms < s->tokens[to].until_ms)
			to = i;
	}
	s->tokens[to] = (struct seen_token){*key, service, until_ms};
}

/* The place of the key, or the free one where it would stand. */
static struct seen_proof *
place_of(struct seen_proof *all, size_t cap, const struct id *key)
{
	size_t at = number_of(key) & (cap - 1);

	while (all[at].until_ms != 0 && memcmp(&all[at].key, key, sizeof(*key)) != 0)
		at = (at + 1) & (cap - 1);
	return &all[at];
}

/* Drops what is over; what is left takes at most half of the places. False: it does not fit in the largest table. */
static bool
make_room(struct seen *s, int64_t now_ms)
{
	size_t live = 0, cap = SEEN_PROOFS_MIN;
	struct seen_proof *to;

	for (size_t i = 0; i < s->proofs_cap; i++)
		live += s->proofs[i].until_ms > now_ms;
	while (cap < 4 * live)
		cap *= 2;
	if (cap > SEEN_PROOFS_MAX)
		cap = SEEN_PROOFS_MAX;
	if (live >= cap / 2)
		return false;
	to = calloc(cap, sizeof(*to));
	CHECK(to != NULL);
	for (size_t i = 0; i < s->proofs_cap; i++) {
		if (s->proofs[i].until_ms > now_ms)
			*place_of(to, cap, &s->proofs[i].key) = s->proofs[i];
	}
	free(s->proofs);
	s->proofs = to;
	s->proofs_cap = cap;
	s->proofs_n = live;
	return true;
}

enum seen_once
seen_proof(struct seen *s, const struct id *key, int64_t request, int64_t now_ms, int64_t until_ms)
{
	struct seen_proof *place;

	CHECK(until_ms > 0);
	if (s->proofs_n >= s->proofs_cap / 2 && !make_room(s, now_ms))
		return SEEN_FULL;
	place = place_of(s->proofs, s->proofs_cap, key);
	if (place->until_ms > now_ms)
		return place->request == request ? SEEN_FIRST : SEEN_AGAIN;
	s->proofs_n += place->until_ms == 0;
	*place = (struct seen_proof){*key, request, until_ms};
	return SEEN_FIRST;
}
