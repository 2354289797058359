/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An issuer for tests: keys made with OpenSSL, tokens signed by hand, and the answers of its HTTP
 * endpoints.
 */
#ifndef CS_TESTS_OIDC_ISSUER_H
#define CS_TESTS_OIDC_ISSUER_H

#include <jansson.h>
#include <openssl/evp.h>

#include "tests/unit/plugin_host.h"

struct issuer_key {
	const char *kid, *alg;
	EVP_PKEY *key;
};

/* alg: RS256, ES256 or EdDSA. */
struct issuer_key issuer_key_new(const char *kid, const char *alg);
void issuer_key_free(struct issuer_key *k);

/* The public JWK, with kid, alg and use. */
json_t *issuer_jwk(const struct issuer_key *k);

/* base64url; to be freed. */
char *issuer_base64url(const void *data, size_t len);
/*
 * The claims and header of a good token, changed by a patch: a JSON object whose null members
 * delete.
 */
json_t *issuer_patch(json_t *base, const char *patch);
/* Compact JWS; releases header and claims; to be freed. */
char *issuer_sign(const struct issuer_key *k, json_t *header, json_t *claims);

#endif
