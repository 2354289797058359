/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's own verification of a passkey's answer, beside the plugin's: WebAuthn Level 3, section 7.2, against the
 * record that is sealed in the store and the challenge that the engine made. So a plugin that lies can refuse what is
 * right, and never make right what is wrong. Pure, apart from OpenSSL (passkey_key.c).
 */
#ifndef CS_ENGINE_PASSKEY_H
#define CS_ENGINE_PASSKEY_H

#include "broker/base/buf.h"

struct rests;

enum { PASSKEY_ORIGINS_MAX = 16 };

enum passkey_verification {
	PASSKEY_VERIFICATION_REQUIRED,  /* of every answer */
	PASSKEY_VERIFICATION_PAYMENTS,  /* of payments and allowances */
	PASSKEY_VERIFICATION_PREFERRED,
};

/* What the configuration says; see plugins/webauthn/README.md. */
struct passkey_policy {
	struct view rp_id;
	struct view origins[PASSKEY_ORIGINS_MAX], top_origins[PASSKEY_ORIGINS_MAX];
	size_t origins_n, top_origins_n;
	bool cross_origin;
	bool payment_confirmation;        /* "payment.get" may stand for "webauthn.get" */
	enum passkey_verification verification;
};

struct passkey_question {
	struct view record;               /* the passkey, as countersign/passkey.h has it */
	struct view answer;               /* PublicKeyCredential.toJSON(), as text */
	struct view challenge;            /* the bytes that it must have signed */
	bool payment;                     /* of money, or an allowance */
	struct view card;                 /* what was shown, as card_write() has it */
	int64_t counter;                  /* newest one seen; not above 0: none */
};

/* False: it is wrong, whatever the reason. *counter: what this assertion says. */
bool passkey_right(const struct passkey_policy *p, const struct passkey_question *q, uint32_t *counter);

/*
 * Of an enrolment: the record that the plugin made is of the passkey that the browser made in answer to the registration
 * that was begun (the first secret). The key and the id of the record are those of the answer; it is for that challenge,
 * made at an origin of ours.
 */
bool passkey_made(const struct passkey_policy *p, struct view asked, struct view answer, struct view record);

/*
 * Of the record that was made: whether what the plugin says that it rests on (rule 11) is what it says itself: its model,
 * and whether it may be copied.
 */
bool passkey_rests(struct view record, const struct rests *said);

/* The credential id of a record, or data NULL. */
struct view passkey_id(struct view record);

/* passkey_key.c: the signature over the parts, by a record's key. */
bool passkey_signed(unsigned algorithm, struct view key, struct view signature, struct view authdata,
    const uint8_t client_data_hash[32]);

#endif
