/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client signs: JWTs that stand for a secret (RFC 7523 section 2.2, Apple's client secret, Google's
 * service accounts), and plain signatures of bytes (Alipay's RSA2 is OIDC_RS256).
 */
#ifndef CS_PLUGIN_LIB_SIGNING_H
#define CS_PLUGIN_LIB_SIGNING_H

#include <stdbool.h>

#include <jansson.h>

#include "plugins/lib/algorithm.h"

enum {
	SIGNING_BYTES_MAX = 1024, /* a signature by RSA of 8192 bits */
	SIGNING_JWT_MAX = 4096,   /* header, a dozen claims, and the signature */
	SIGNING_PEM_MAX = 4096,   /* the host's bound of a secret's file; RSA of 4096 bits has 3300 */
};

struct signing_key;

/*
 * A private key in PEM, without a passphrase: RSA from 2048 bits, P-256, P-384, P-521, Ed25519. NULL: it
 * is none of them. Freed with signing_key_free(), which wipes it.
 */
struct signing_key *signing_key_new(struct countersign_view pem);
void signing_key_free(struct signing_key *k);
/* For OpenSSL, as its pem_password_cb: no passphrase is asked for on a terminal, since there is nobody to ask. */
int signing_no_passphrase(char *to, int size, int writing, void *context);

/* The one algorithm of the key's curve; of RSA, RS256. */
enum oidc_algorithm signing_key_algorithm(const struct signing_key *k);
bool signing_key_can(const struct signing_key *k, enum oidc_algorithm a);

/* The signature as JWS has it (ECDSA: r and s). COUNTERSIGN_OK, FULL, INVALID (not by this key), INTERNAL. */
int signing_sign(const struct signing_key *k, enum oidc_algorithm a, struct countersign_view data,
    struct countersign_buffer *to);

/*
 * A compact JWS appended to `to`: header is {"alg": ..., and what `header` has besides}. header may be NULL.
 * Results as signing_sign(); the buffer's length is unchanged on failure.
 */
int signing_put_jwt(const struct signing_key *k, enum oidc_algorithm a, const json_t *header,
    const json_t *claims, struct countersign_buffer *to);

#endif
