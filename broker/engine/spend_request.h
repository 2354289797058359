/* SPDX-License-Identifier: Apache-2.0 */
/* A payment in words as the request that is decided: shared by who asks for one and who asks what would be decided. */
#ifndef CS_ENGINE_SPEND_REQUEST_H
#define CS_ENGINE_SPEND_REQUEST_H

#include "broker/core/decide.h"
#include "broker/engine/keyring.h"

struct spend_words {
	struct view payment_id;
	struct view payee_id;
	struct view payee_name;   /* data NULL: none */
};

/* Fills r's digests: payment, payee and content. Its amount and currency must be set. */
void spend_request_digests(const struct keyring *k, uint64_t service, const struct id *account,
    const struct spend_words *words, struct request *r);

#endif
