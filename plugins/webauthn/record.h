/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engine seals and keeps for us: first what a registration was asked to sign, then the
 * passkey. The layout is countersign/passkey.h's, since the engine reads it too.
 */
#ifndef CS_PLUGIN_WEBAUTHN_RECORD_H
#define CS_PLUGIN_WEBAUTHN_RECORD_H

#include "plugins/webauthn/authdata.h"

enum {
	REGISTRATION_CHALLENGE = 32,
	USER_HANDLE = 16,
	RECORD_MAX = 1600, /* the longest credential id, the longest key and 45 bytes before them */
};

struct registration {
	unsigned char challenge[REGISTRATION_CHALLENGE];
	unsigned char user_handle[USER_HANDLE];
};

enum attestation_kind { ATTESTED_NONE, ATTESTED_SELF, ATTESTED_PACKED, ATTESTED_U2F };

struct passkey {
	struct webauthn_key key;
	unsigned flags;	  /* of authenticator data at registration: UV, BE, BS */
	uint32_t counter; /* at registration */
	unsigned char aaguid[AUTHDATA_AAGUID];
	enum attestation_kind attested;
	unsigned char user_handle[USER_HANDLE];
	unsigned char id[CREDENTIAL_ID_MAX];
	size_t id_len;
};

size_t registration_encode(const struct registration *r, unsigned char to[RECORD_MAX]);
bool registration_decode(struct countersign_view v, struct registration *r);
size_t passkey_encode(const struct passkey *p, unsigned char to[RECORD_MAX]);
bool passkey_decode(struct countersign_view v, struct passkey *p);

#endif
