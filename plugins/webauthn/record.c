/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding of what the engine keeps. */
#include "plugins/webauthn/record.h"

#include "countersign/passkey.h"

enum {
	VERSION = COUNTERSIGN_PASSKEY_VERSION,
	KIND_REGISTRATION = COUNTERSIGN_PASSKEY_ASKED,
	KIND_PASSKEY = COUNTERSIGN_PASSKEY_MADE,
	HEAD = 2,
};
_Static_assert(COUNTERSIGN_PASSKEY_HEAD == HEAD + 3 + 4 + AUTHDATA_AAGUID + USER_HANDLE + 4, "all before the key");
_Static_assert(COUNTERSIGN_PASSKEY_HEAD + PUBLIC_KEY_MAX + CREDENTIAL_ID_MAX <= RECORD_MAX, "a passkey fits");
_Static_assert((int)ALGORITHM_ES256 == COUNTERSIGN_PASSKEY_ES256 && (int)ALGORITHM_EDDSA == COUNTERSIGN_PASSKEY_EDDSA &&
    (int)ALGORITHM_RS256 == COUNTERSIGN_PASSKEY_RS256, "as they are written");
_Static_assert((int)REGISTRATION_CHALLENGE == COUNTERSIGN_PASSKEY_CHALLENGE &&
    (int)PUBLIC_KEY_MAX == COUNTERSIGN_PASSKEY_KEY_MAX && (int)CREDENTIAL_ID_MAX == COUNTERSIGN_PASSKEY_ID_MAX,
    "as long as they are written");

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
	struct countersign_passkey r;

	if (countersign_passkey_read(v.data, v.len, &r) == 0)
		return false;
	p->key.algorithm = (enum webauthn_algorithm)r.algorithm;
	p->flags = r.flags;
	p->attested = (enum attestation_kind)r.attested;
	p->counter = r.counter;
	memcpy(p->aaguid, r.aaguid, sizeof(p->aaguid));
	memcpy(p->user_handle, r.handle, sizeof(p->user_handle));
	p->key.len = r.key_len;
	p->id_len = r.id_len;
	memcpy(p->key.bytes, r.key, r.key_len);
	memcpy(p->id, r.id, r.id_len);
	return true;
}
