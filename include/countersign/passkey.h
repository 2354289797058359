/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the broker seals and keeps of a passkey, so that plugin and engine read the same bytes: the plugin makes the
 * record when a passkey is registered, and the engine verifies every assertion against it once more by itself.
 *
 * Version 1; numbers have the most significant byte first. A registration that was begun (the first secret):
 *
 *	1  version    1
 *	1  kind       COUNTERSIGN_PASSKEY_ASKED
 *	32 challenge  that the new passkey must sign
 *	16 handle     user handle (WebAuthn, section 5.4.3), random
 *
 * and the passkey (which takes its place):
 *
 *	1  version    1
 *	1  kind       COUNTERSIGN_PASSKEY_MADE
 *	1  algorithm  enum countersign_passkey_algorithm
 *	1  flags      of the authenticator data at registration: UV 0x04, BE 0x08, BS 0x10
 *	1  attested   0: nobody; 1: the key itself; 2: packed, 3: fido-u2f, by the certificate of its maker
 *	4  counter    of signatures, at registration
 *	16 aaguid
 *	16 handle
 *	2  length of the key
 *	2  length of the id
 *	   key        ES256: x and y, 32 bytes each; EdDSA: the 32 bytes of Ed25519; RS256: the modulus of 256 to 512
 *	              bytes, then the exponent of 3
 *	   id         credential id, 1 to 1023 bytes
 */
#ifndef COUNTERSIGN_PASSKEY_H
#define COUNTERSIGN_PASSKEY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
	COUNTERSIGN_PASSKEY_VERSION = 1,
	COUNTERSIGN_PASSKEY_ASKED = 1,
	COUNTERSIGN_PASSKEY_MADE = 2,
	COUNTERSIGN_PASSKEY_CHALLENGE = 32,
	COUNTERSIGN_PASSKEY_HANDLE = 16,
	COUNTERSIGN_PASSKEY_AAGUID = 16,
	COUNTERSIGN_PASSKEY_KEY_MAX = 515,
	COUNTERSIGN_PASSKEY_ID_MAX = 1023,
	COUNTERSIGN_PASSKEY_HEAD = 45,       /* bytes before the key */
};

/* Written to records: the numbers stay. */
enum countersign_passkey_algorithm {
	COUNTERSIGN_PASSKEY_ES256 = 1,       /* COSE -7 */
	COUNTERSIGN_PASSKEY_EDDSA = 2,       /* COSE -8, Ed25519 */
	COUNTERSIGN_PASSKEY_RS256 = 3,       /* COSE -257 */
};

/* A record that was read: pointers into it. */
struct countersign_passkey {
	unsigned algorithm, flags, attested;
	uint32_t counter;
	const unsigned char *aaguid, *handle, *key, *id;
	size_t key_len, id_len;
};

static inline size_t
countersign_passkey_u16(const unsigned char *at)
{
	return (size_t)at[0] << 8 | at[1];
}

/* 1: a passkey, all of it and nothing behind it; else 0, and *p is not touched. */
static inline int
countersign_passkey_read(const void *data, size_t len, struct countersign_passkey *p)
{
	const unsigned char *at = (const unsigned char *)data;
	struct countersign_passkey r;

	if (len < COUNTERSIGN_PASSKEY_HEAD || at[0] != COUNTERSIGN_PASSKEY_VERSION ||
	    at[1] != COUNTERSIGN_PASSKEY_MADE || at[2] < COUNTERSIGN_PASSKEY_ES256 ||
	    at[2] > COUNTERSIGN_PASSKEY_RS256)
		return 0;
	r.algorithm = at[2];
	r.flags = at[3];
	r.attested = at[4];
	r.counter = (uint32_t)at[5] << 24 | (uint32_t)at[6] << 16 | (uint32_t)at[7] << 8 | at[8];
	r.aaguid = at + 9;
	r.handle = r.aaguid + COUNTERSIGN_PASSKEY_AAGUID;
	r.key_len = countersign_passkey_u16(at + 41);
	r.id_len = countersign_passkey_u16(at + 43);
	r.key = at + COUNTERSIGN_PASSKEY_HEAD;
	r.id = r.key + r.key_len;
	if (r.key_len > COUNTERSIGN_PASSKEY_KEY_MAX || r.id_len == 0 || r.id_len > COUNTERSIGN_PASSKEY_ID_MAX ||
	    len != COUNTERSIGN_PASSKEY_HEAD + r.key_len + r.id_len)
		return 0;
	*p = r;
	return 1;
}

#ifdef __cplusplus
}
#endif

#endif
