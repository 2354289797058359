/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The card: what a user is shown when they are asked. It has one form, so that what is shown, what a plugin is told and
 * what a passkey signs the digest of are the same bytes. Members, each left out where there is nothing to say, in this
 * order: service, account_hint, what, provider, provider_title, payee, payee_id, amount, currency, worst_case, link,
 * label, expires_at.
 */
#ifndef CS_ENGINE_CARD_H
#define CS_ENGINE_CARD_H

#include "broker/engine/engine.h"

/* All texts of a card together are far shorter, with every byte escaped too. A worker takes as much. */
enum { CARD_BYTES_MAX = 4096 };

/* One JSON object, without spaces, behind what is in `out`, which has room for CARD_BYTES_MAX. cold: the account's. */
void card_write(const struct engine *e, const struct account *a, struct view cold, const struct challenge *c,
    struct buf *out);

/* An account's id as a card shows it: enough to know it again, too little to use it. Returns the length. */
enum { ACCOUNT_HINT_MAX = 32 };
size_t account_hint(struct view account, char to[ACCOUNT_HINT_MAX]);

#endif
