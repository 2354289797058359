/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What admins said to a shared store itself, while no broker answered (countersignctl --offline), becomes events of the broker's own
 * record: each word once, whichever brokers find it and whenever they die. The event takes a claim that is made of the word, once
 * for all brokers; only when it is durable is the word marked as told.
 */
#ifndef CS_ENGINE_SAID_H
#define CS_ENGINE_SAID_H

#include "broker/engine/engine.h"

struct said *said_new(void);
void said_free(struct said *s);
/* Looks for a word now and then, where this broker leads, and tells the one that it found. */
void said_tick(struct engine *e);

#endif
