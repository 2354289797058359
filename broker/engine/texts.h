/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts of an event or a card (payment id, payee, addresses): a short list of strings, sealed under the account's own
 * key. Destroying that key's salt erases them everywhere, and the chain of events still verifies.
 */
#ifndef CS_ENGINE_TEXTS_H
#define CS_ENGINE_TEXTS_H

#include "broker/core/account.h"
#include "broker/engine/cold.h"
#include "broker/engine/keyring.h"

enum text_kind {
	TEXT_ACCOUNT,       /* the realm's own id of the account */
	TEXT_PAYMENT,
	TEXT_PAYEE_ID,
	TEXT_PAYEE_NAME,
	TEXT_IP,
	TEXT_DEVICE,
	TEXT_LABEL,         /* of a factor */
	TEXT_PROOF,         /* on what the first factor was enrolled */
	TEXT_ISSUER,
	TEXT_SUBJECT,
	TEXT_DISPLAY,       /* what the provider says of the person; decides nothing */
	TEXT_REASON,        /* an admin's words */
	TEXT_RETURN_URL,
	TEXT_AMOUNT,        /* as a card shows it */
	TEXT_CURRENCY,
	TEXT_WORST_CASE,
	TEXT_WHAT,          /* of a card whose operation has more than one meaning */
	TEXT_EVIDENCE,      /* kind of what is vouched for: phone, identity-document */
	TEXT_SOURCE,        /* where a service has it from, in its words */
	TEXT_WAS_ISSUER,    /* of a link that was moved: what it was called before */
	TEXT_WAS_SUBJECT,
	TEXT_SIGNAL_ID,     /* of a security event's message, as the provider named it */
	TEXT_SIGNAL_NAME,   /* of the event */
	TEXT_DETAIL,        /* what it says besides, for people */
	TEXT__COUNT
};

enum { TEXTS_BYTES_MAX = 3 * 1024 };

const char *text_name(enum text_kind kind);

struct texts {
	struct view of[TEXT__COUNT];    /* data NULL: not there */
	uint8_t bytes[TEXTS_BYTES_MAX]; /* what texts_open() filled */
};

void texts_init(struct texts *t);
/* Seals what is there into `out`, for this account. */
void texts_seal(const struct keyring *k, const struct account *a, const struct texts *t, struct buf *out);
/* CS_ERR_CORRUPT; CS_ERR_NOT_FOUND where the account's key was destroyed. */
enum cs_err texts_open(const struct keyring *k, const struct id *account, const struct id *salt, struct view sealed,
    struct texts *t);

/* As an event's own texts, or as the cold entry of a thing. */
void texts_to_event(const struct keyring *k, const struct account *a, const struct texts *t, struct extra *x);
void texts_to_cold(const struct keyring *k, const struct account *a, const struct texts *t, const struct id *id,
    struct extra *x);
/* CS_ERR_NOT_FOUND where the id has no entry. */
enum cs_err texts_from_cold(const struct keyring *k, const struct account *a, struct view cold, const struct id *id,
    struct texts *t);

#endif
