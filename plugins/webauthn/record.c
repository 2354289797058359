/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding of what the engine keeps. */
#include "plugins/webauthn/record.h"

enum { VERSION = 1, KIND_REGISTRATION = 1, KIND_PASSKEY = 2 };
/* Of a passkey: version, kind, algorithm, flags, attested, counter, aaguid, handle, two lengths. */
enum { HEAD = 2, PASSKEY_HEAD = HEAD + 3 + 4 + AUTHDATA_AAGUID + USER_HANDLE + 4 };
_Static_assert(PASSKEY_HEAD + PUBLIC_KEY_MAX + CREDENTIAL_ID_MAX <= RECORD_MAX, "a passkey fits");

size_t
registration_encode(const struct registration *r, unsigned char to[RECORD_MAX])
{
	to[0] = VERSION;
	to[1] = KIND_REGISTRATION;
	memcpy(to + HEAD, r->challenge, sizeof(r->challenge));
	memcpy(to + HEAD + sizeof(r->challenge), r->user_handle, sizeof(r->user_handle));
	return HEAD + sizeof(r->challenge) + sizeof(r->user_handle);
}

bool
registration_decode(struct countersign_view v, struct registration *r)
{
	if (v.len != HEAD + sizeof(r->challenge) + sizeof(r->user_handle) || v.data[0] != VERSION ||
	    v.data[1] != KIND_REGISTRATION)
		return false;
	memcpy(r->challenge, v.data + HEAD, sizeof(r->challenge));
	memcpy(r->user_handle, v.data + HEAD + sizeof(r->challenge), sizeof(r->user_handle));
	return true;
}

size_t
passkey_encode(const struct passkey *p, unsigned char to[RECORD_MAX])
{
	unsigned char *at = to;

	*at++ = VERSION;
	*at++ = KIND_PASSKEY;
	*at++ = (unsigned char)p->key.algorithm;
	*at++ = (unsigned char)p->flags;
	*at++ = (unsigned char)p->attested;
	for (int shift = 24; shift >= 0; shift -= 8)
		*at++ = (unsigned char)(p->counter >> shift);
	memcpy(at, p->aaguid, sizeof(p->aaguid));
	at += sizeof(p->aaguid);
	memcpy(at, p->user_handle, sizeof(p->user_handle));
	at += sizeof(p->user_handle);
	*at++ = (unsigned char)(p->key.len >> 8);
	*at++ = (unsigned char)p->key.len;
	*at++ = (unsigned char)(p->id_len >> 8);
	*at++ = (unsigned char)p->id_len;
	memcpy(at, p->key.bytes, p->key.len);
	at += p->key.len;
	memcpy(at, p->id, p->id_len);
	return (size_t)(at - to) + p->id_len;
}

bool
passkey_decode(struct countersign_view v, struct passkey *p)
{
	const unsigned char *at = (const unsigned char *)v.data;

	if (v.len < PASSKEY_HEAD || at[0] != VERSION || at[1] != KIND_PASSKEY)
		return false;
	p->key.algorithm = (enum webauthn_algorithm)at[2];
	p->flags = at[3];
	p->attested = (enum attestation_kind)at[4];
	p->counter = (uint32_t)at[5] << 24 | (uint32_t)at[6] << 16 | (uint32_t)at[7] << 8 | at[8];
	at += HEAD + 3 + 4;
	memcpy(p->aaguid, at, sizeof(p->aaguid));
	at += sizeof(p->aaguid);
	memcpy(p->user_handle, at, sizeof(p->user_handle));
	at += sizeof(p->user_handle);
	p->key.len = (size_t)at[0] << 8 | at[1];
	p->id_len = (size_t)at[2] << 8 | at[3];
	at += 4;
	if (p->key.algorithm == ALGORITHM_NONE || p->key.algorithm > ALGORITHM_RS256 ||
	    p->key.len > sizeof(p->key.bytes) || p->id_len == 0 || p->id_len > sizeof(p->id) ||
	    v.len != PASSKEY_HEAD + p->key.len + p->id_len)
		return false;
	memcpy(p->key.bytes, at, p->key.len);
	memcpy(p->id, at + p->key.len, p->id_len);
	return true;
}
