/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is refused before it is anybody's: sessions that do not exist, callers that are nobody, methods that are not
 * theirs. Such refusals belong to no account's log and cost an attacker nothing, so they are counted, and told in one
 * event a second at most.
 */
#ifndef CS_ENGINE_STRANGERS_H
#define CS_ENGINE_STRANGERS_H

#include "broker/engine/engine.h"

struct strangers *strangers_new(void);
void strangers_free(struct strangers *s);

/* One more. service 0: nobody that is known. what: a static word, such as "session". */
void strangers_note(struct engine *e, uint64_t service, const char *what);
/* Writes an event for the service with the most of them, once a second has passed since the last. */
void strangers_tick(struct engine *e);

#endif
