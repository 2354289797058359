/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures and certificates, by libfido2 and OpenSSL. Form and policy were checked before. */
#ifndef CS_PLUGIN_WEBAUTHN_PROOF_H
#define CS_PLUGIN_WEBAUTHN_PROOF_H

#include "plugins/webauthn/record.h"

enum { CLIENT_DATA_HASH = 32 };

void proof_hash(struct countersign_view data, unsigned char to[CLIENT_DATA_HASH]);

/* Whether the key is one: a point on its curve, a modulus with an exponent that is odd and above
 * one. */
bool proof_key_good(const struct webauthn_key *key);

/*
 * The signature of a statement `packed` or `fido-u2f` over the credential. self: by the new key;
 * else by the certificate's. COUNTERSIGN_OK, COUNTERSIGN_BAD_SIGNATURE or COUNTERSIGN_INTERNAL.
 */
int proof_attestation(struct countersign_view rp_id, const struct attestation *at,
    const struct authdata *a, const struct webauthn_key *key, bool self,
    const unsigned char client_data_hash[CLIENT_DATA_HASH]);

/*
 * Section 8.2.1: version 3, of an authenticator, no authority, and where it names an AAGUID, of
 * this one. u2f (8.6): a key on P-256 is asked for instead.
 */
bool proof_certificate_good(struct countersign_view der, struct countersign_view aaguid, bool u2f);

/* The signature of an assertion, by the passkey's key. Results as above. */
int proof_assertion(struct countersign_view rp_id, const struct webauthn_key *key,
    struct countersign_view authdata, const unsigned char client_data_hash[CLIENT_DATA_HASH],
    struct countersign_view signature);

#endif
