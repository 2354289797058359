/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin's side of a conversation: one request, one event, within the call's deadline. */
#ifndef CS_PLUGIN_PAM_TALK_H
#define CS_PLUGIN_PAM_TALK_H

#include "plugins/pam/wire.h"

enum talk_result {
	TALK_EVENT,    /* prompts, or the end */
	TALK_SILENT,   /* nothing came in this time; the event is what there is to be shown */
	TALK_GONE,     /* there is no such conversation (any more) */
};

/* answers: NULL: waits only, and leaves the end to be fetched. */
enum talk_result talk(const struct wire_address *at, uint8_t round, const struct countersign_view *answers, int64_t wait_ms,
    struct wire *event);
/* Ends the conversation, where there is one. */
void talk_quit(const struct wire_address *at);

#endif
