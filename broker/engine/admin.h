/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of org.countersign.Admin share. */
#ifndef CS_ENGINE_ADMIN_H
#define CS_ENGINE_ADMIN_H

#include "broker/engine/call.h"

enum { ADMIN_WORDS_MAX = 200 }; /* of a reason, in bytes */

/* Member `signals`: of each provider that sends security events, what was heard. */
void signals_write(struct json_writer *w, const struct engine *e);
/* The parent answered Reload: answers the call that waits for it, if there is one. */
void admin_reloaded(struct engine *e, uint64_t generation, const char *why);

#endif
