/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures of compact JWS by one given key. RSA and EC by liboauth2 (over cjose), Ed25519 by
 * OpenSSL, which cjose does not know. liboauth2 keeps semaphores and caches of its own, so one
 * `struct signature` a process, opened after the fork, and never shared.
 */
#ifndef CS_PLUGIN_LIB_SIGNATURE_H
#define CS_PLUGIN_LIB_SIGNATURE_H

#include "plugins/lib/oidc.h"

struct signature;
struct signature_key;

/* NULL where liboauth2 does not start. */
struct signature *signature_open(void);
void signature_close(struct signature *s);

/*
 * Prepares a public JWK (RFC 7517): RSA from 2048 to 8192 bits with a sane exponent, P-256, P-384,
 * P-521, Ed25519. NULL for all others. *algorithms is the set that the key can verify.
 */
struct signature_key *signature_key_new(struct signature *s, const json_t *jwk,
    unsigned *algorithms);
void signature_key_free(struct signature *s, struct signature_key *k);

/*
 * COUNTERSIGN_OK or COUNTERSIGN_BAD_SIGNATURE. token is NUL-terminated, in three parts, with this
 * algorithm.
 */
int signature_verify(struct signature *s, const struct signature_key *k, enum oidc_algorithm a,
    const char *token);

/* The RFCs' own examples, whole and tampered with. COUNTERSIGN_OK or COUNTERSIGN_INTERNAL. */
int signature_self_test(struct signature *s);

#endif
