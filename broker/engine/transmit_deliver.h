/* SPDX-License-Identifier: Apache-2.0 */
/* How what is due is told: the account behind an event is looked up, then its token is made; for a poll as for a push. */
#ifndef CS_ENGINE_TRANSMIT_DELIVER_H
#define CS_ENGINE_TRANSMIT_DELIVER_H

#include "broker/engine/transmit_queue.h"

/*
 * Looks up the accounts of the first events that wait, `most` of them, each for one transmit_set(). `done` runs at once or
 * when the store has answered; the stream may be gone by then. An event whose account could not be looked up is unavailable.
 */
void transmit_look(struct engine *e, struct receiver *r, size_t most, transmit_looked_fn *done, void *ctx);
/* The token that tells it: CS_ERR_NOT_FOUND where its account is erased. */
enum cs_err transmit_set(struct engine *e, struct receiver *r, const struct transmit_item *item, struct buf *out);

#endif
