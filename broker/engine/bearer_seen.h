/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is remembered of tokens, in memory only: whose a token is, for the short time that its plugin allows, and which
 * proofs were used (RFC 9449, section 11.1). Keys are digests: no token and no proof is kept.
 */
#ifndef CS_ENGINE_BEARER_SEEN_H
#define CS_ENGINE_BEARER_SEEN_H

#include "broker/core/types.h"

enum {
	SEEN_TOKENS = 1024,           /* beyond that the one that ends first is forgotten, and its plugin asked again */
	SEEN_PROOFS_MIN = 1 << 10,
	SEEN_PROOFS_MAX = 1 << 20,    /* 32 MiB; a service that shows more of them in a minute is told to wait */
};

struct seen_token {
	struct hash key;
	uint64_t service;
	int64_t until_ms;             /* wall clock; 0: free */
};

struct seen_proof {
	struct id key;
	int64_t request;              /* whose calls showed it */
	int64_t until_ms;             /* wall clock; 0: free */
};

struct seen {
	struct seen_token tokens[SEEN_TOKENS];
	struct seen_proof *proofs;    /* open addressing; a power of two of places */
	size_t proofs_cap, proofs_n;
};

void seen_init(struct seen *s);
void seen_clear(struct seen *s);
void seen_forget_tokens(struct seen *s);

/* The service, or 0. */
uint64_t seen_token(const struct seen *s, const struct hash *key, int64_t now_ms);
void seen_token_put(struct seen *s, const struct hash *key, uint64_t service, int64_t until_ms);

enum seen_once { SEEN_FIRST, SEEN_AGAIN, SEEN_FULL };

/* Takes a proof, which counts for one request until `until_ms`. */
enum seen_once seen_proof(struct seen *s, const struct id *key, int64_t request, int64_t now_ms, int64_t until_ms);

#endif
