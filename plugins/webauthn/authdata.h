/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an authenticator says: the attestation object, authenticator data and the public key in it
 * (WebAuthn Level 3, sections 6.1, 6.5; RFC 9053). Pure: views into the input, no library.
 */
#ifndef CS_PLUGIN_WEBAUTHN_AUTHDATA_H
#define CS_PLUGIN_WEBAUTHN_AUTHDATA_H

#include <stdbool.h>

#include "countersign/plugin.h"

enum {
	AUTHDATA_RP_ID_HASH = 32,
	AUTHDATA_AAGUID = 16,
	CREDENTIAL_ID_MAX = 1023, /* section 7.1, step 25 */
	PUBLIC_KEY_MAX = 515,	  /* of RS256 with 4096 bits */
};

enum authdata_flag {
	AUTHDATA_UP = 0x01, /* user present */
	AUTHDATA_UV = 0x04, /* user verified */
	AUTHDATA_BE = 0x08, /* backup eligible */
	AUTHDATA_BS = 0x10, /* backed up */
	AUTHDATA_AT = 0x40, /* a credential follows */
	AUTHDATA_ED = 0x80, /* extensions follow */
};

/* Written to records: the numbers stay. */
enum webauthn_algorithm { ALGORITHM_NONE, ALGORITHM_ES256, ALGORITHM_EDDSA, ALGORITHM_RS256 };

/* The raw key as libfido2 takes it: x and y; x; n, of 256 to 512 bytes, and e, of 3. */
struct webauthn_key {
	enum webauthn_algorithm algorithm;
	unsigned char bytes[PUBLIC_KEY_MAX];
	size_t len;
};

/* Extensions of a registration that libfido2 wants to be told of. */
struct authdata_extensions {
	int64_t cred_protect;	/* 0: not there */
	int64_t min_pin_length; /* -1: not there */
	bool hmac_secret, cred_blob;
};

struct authdata {
	struct countersign_view raw, rp_id_hash;
	unsigned flags;
	uint32_t counter;
	/* with AUTHDATA_AT; else absent */
	struct countersign_view aaguid, credential_id, cose_key;
	struct authdata_extensions extensions;
};

/* All of v must be authenticator data, with or without a credential. */
bool authdata_read(struct countersign_view v, struct authdata *a);

/* COSE key of an algorithm that is offered; false where it is none, or of another form or size. */
bool authdata_key(struct countersign_view cose_key, struct webauthn_key *key);
/* The COSE number of its algorithm, whatever it is; false where the key has none. */
bool authdata_key_algorithm(struct countersign_view cose_key, int64_t *algorithm);

struct attestation {
	struct countersign_view format, statement, authdata; /* the statement as CBOR */
};

bool attestation_read(struct countersign_view v, struct attestation *a);

/* What a statement of `packed` or `fido-u2f` has: absent where it has not. */
struct statement {
	int64_t algorithm; /* 0: none */
	struct countersign_view signature, certificate;
	size_t certificates;
};

bool statement_read(struct countersign_view v, struct statement *s);

#endif
