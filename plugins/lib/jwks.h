/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The issuer's keys (RFC 7517): what is accepted, which one a token names, and how often they are
 * fetched.
 */
#ifndef CS_PLUGIN_LIB_JWKS_H
#define CS_PLUGIN_LIB_JWKS_H

#include "plugins/lib/oidc.h"

enum {
	JWKS_KEYS_MAX = 32, /* Microsoft publishes about 10 */
	JWKS_KID_MAX = 255,
	JWKS_FETCH_BURST =
	    4, /* fetches at once before the interval counts: a rotation is seen at once */
};

/* One key of a set. */
struct jwks_key {
	char kid[JWKS_KID_MAX + 1];    /* empty: none */
	size_t kid_len;
	char issuer[OIDC_TEXT_MAX + 1]; /* whom alone it may sign for, where the set says so (Microsoft's); else empty */
	unsigned algorithms;
	struct signature_key *signature; /* NULL: not for us, but its kid is taken */
};

/*
 * Reads a key set. Refused as a whole: private or symmetric members, two keys of one kid, too many
 * keys, a document of another shape. Keys of an unknown type, for encryption, or too weak are left
 * out. NULL: refused, *why says it.
 */
struct jwks *jwks_new(struct signature *s, const json_t *document, const char **why);
void jwks_free(struct signature *s, struct jwks *set);
size_t jwks_count(const struct jwks *set);

/*
 * The one key for this kid and algorithm. Without a kid (kid.data NULL) the set must hold exactly
 * one key that can verify the algorithm. NULL: none.
 */
const struct jwks_key *jwks_find(const struct jwks *set, struct countersign_view kid,
    enum oidc_algorithm a);

/*
 * The same in the provider's current keys, fetched where they are missing, stale, or do not hold
 * the kid: never more than JWKS_FETCH_BURST and then one an interval, so that made-up kids cause no
 * flood. COUNTERSIGN_BAD_KEY: there is no such key; UNREACHABLE, PROVIDER_ERROR and the like: it
 * could not be learned.
 */
int jwks_lookup(struct oidc *o, struct countersign_view kid, enum oidc_algorithm a,
    const struct jwks_key **key);

#endif
