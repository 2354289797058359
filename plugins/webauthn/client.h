/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the browser says: the credential as JSON (PublicKeyCredential.toJSON()), and the client data
 * in it, which the authenticator signed.
 */
#ifndef CS_PLUGIN_WEBAUTHN_CLIENT_H
#define CS_PLUGIN_WEBAUTHN_CLIENT_H

#include <stdbool.h>

#include "countersign/plugin.h"
#include "plugins/webauthn/policy.h"

enum {
	CLIENT_DATA_MAX = 2048, /* type, challenge, two origins, and what is to come */
	ATTESTATION_MAX = 6144, /* two certificates and the longest credential id fit */
	AUTHDATA_MAX = 2048,
	SIGNATURE_MAX = 512, /* 256 of RSA with 2048 bits */
	CLIENT_DEPTH_MAX = 8,
};

/* What was decoded from base64url: bytes here, lengths bounded by them. */
struct client_answer {
	size_t id_len, client_data_len, attestation_len, authdata_len, signature_len,
	    user_handle_len;
	bool has_attestation, has_assertion, has_user_handle;
	unsigned char id[1024];
	unsigned char client_data[CLIENT_DATA_MAX];
	unsigned char attestation[ATTESTATION_MAX];
	unsigned char authdata[AUTHDATA_MAX];
	unsigned char signature[SIGNATURE_MAX];
	unsigned char user_handle[64];
};

/* False: malformed. Members beside those that are read are tolerated. */
bool client_read_answer(struct countersign_view text, struct client_answer *a);

/*
 * Sections 7.1 steps 5 to 11 and 7.2 steps 9 to 14: the client data is JSON (a byte order mark may
 * stand before it, members that we do not know may be there), its type is `type`, its challenge is
 * exactly these bytes, and where it was made is allowed. Where the configuration allows it and a card
 * is given, the type may be "payment.get" instead: then what the browser showed must be the card.
 */
enum refusal client_check(const struct policy *p, struct countersign_view client_data,
    const char *type, struct countersign_view challenge, struct countersign_view card);

/* RFC 4648, section 5, without padding. */
size_t client_encode(const unsigned char *data, size_t len, char *to);

#endif
