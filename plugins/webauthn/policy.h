/* SPDX-License-Identifier: Apache-2.0 */
/* What the configuration asks of a passkey, and why one is refused. */
#ifndef CS_PLUGIN_WEBAUTHN_POLICY_H
#define CS_PLUGIN_WEBAUTHN_POLICY_H

#include <stdbool.h>

#include "countersign/plugin.h"

/* Names are for the log and for tests; who answers learns no more than that it was wrong. */
#define REFUSALS(X)                                                                                \
	X(NOT, "accepted")                                                                         \
	X(ANSWER, "the answer is no credential")                                                   \
	X(CLIENT_DATA, "the client data is malformed")                                             \
	X(TYPE, "the client data is of another type")                                              \
	X(CHALLENGE, "it signs another challenge")                                                 \
	X(ORIGIN, "it was made at another origin")                                                 \
	X(CROSS_ORIGIN, "it was made in a frame of another site")                                  \
	X(PAYMENT, "the browser showed another payment than the card")                            \
	X(TOP_ORIGIN, "it was made in a frame of a site that is not listed")                       \
	X(AUTHDATA, "the authenticator data is malformed")                                         \
	X(RP_ID, "it was made for another relying party")                                          \
	X(PRESENCE, "the user was not present")                                                    \
	X(VERIFICATION, "the user was not verified")                                               \
	X(BACKUP, "backed up, but not eligible for it")                                            \
	X(ELIGIBILITY, "its eligibility for backup changed")                                       \
	X(KEY, "the key is of an algorithm or form that was not offered")                          \
	X(CREDENTIAL, "another credential")                                                        \
	X(USER, "another user handle")                                                             \
	X(FORMAT, "an attestation of a format that is not known")                                  \
	X(ATTESTATION, "the attestation is less than `attestation` asks for")                      \
	X(STATEMENT, "the attestation is wrong")                                                   \
	X(CERTIFICATE, "the attestation's certificate is not one of an authenticator")             \
	X(SIGNATURE, "the signature is wrong")                                                     \
	X(COUNTER, "the signature counter went back: there may be a copy of this key")

enum refusal {
#define X(name, text) REFUSED_##name,
	REFUSALS(X)
#undef X
	    REFUSAL__COUNT
};

const char *refusal_text(enum refusal r);

enum { ORIGINS_MAX = 16, ORIGIN_MAX = 255, RP_ID_MAX = 253, RP_NAME_MAX = 64 };

enum verification_policy {
	VERIFICATION_REQUIRED,	/* of every answer */
	VERIFICATION_PAYMENTS,	/* of new passkeys and of payments */
	VERIFICATION_PREFERRED, /* asked for, not insisted on */
};

enum attestation_policy {
	ATTESTATION_ANY,	 /* none, or one that is right */
	ATTESTATION_SIGNED,	 /* not none */
	ATTESTATION_CERTIFICATE, /* with the certificate of a maker */
};

struct policy {
	struct countersign_view rp_id, rp_name;
	struct countersign_view origins[ORIGINS_MAX], top_origins[ORIGINS_MAX];
	size_t origins_count, top_origins_count;
	bool cross_origin;
	bool payment_confirmation; /* "payment.get" may stand for "webauthn.get" */
	enum verification_policy verification;
	enum attestation_policy attestation;
};

/* An origin as browsers write it, https or of localhost, whose host is rp_id or under it. */
bool policy_origin_fits(struct countersign_view origin, struct countersign_view rp_id);
/* An origin as browsers write it. */
bool policy_origin_good(struct countersign_view origin);
/* Lower-case host name. */
bool policy_rp_id_good(struct countersign_view rp_id);

bool view_is_view(struct countersign_view a, struct countersign_view b);
bool view_is_str(struct countersign_view a, const char *b);

#endif
