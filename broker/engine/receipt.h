/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receipts: a permit as a JWS (RFC 7515, compact, ES256) of typ countersign-receipt+jwt that anyone can check offline with
 * the keys of /.well-known/jwks.json. It proves; it is not a right to capture.
 */
#ifndef CS_ENGINE_RECEIPT_H
#define CS_ENGINE_RECEIPT_H

#include "broker/engine/call.h"

/* "receipt": "eyJ..." */
void receipt_member(struct json_writer *w, struct call *call, const struct account *a, const struct payment *p,
    struct view payment_id, struct view payee_id, const struct hash *card);

#endif
