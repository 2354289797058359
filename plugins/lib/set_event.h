/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the events of a security event token say: their names, times and subjects. RFC 9493 subject identifiers, RISC 1.0,
 * CAEP 1.0, Google's and Apple's own.
 *
 * An event whose subject could not be a link's (a mail address, a token, another issuer's subject, a member that is
 * critical and not understood) has an empty subject: it is recorded, and concerns nobody here.
 */
#ifndef CS_PLUGIN_LIB_SET_EVENT_H
#define CS_PLUGIN_LIB_SET_EVENT_H

#include "plugins/lib/set.h"

/* Fills events, events_count and state. BAD_TOKEN: malformed, or more than COUNTERSIGN_SIGNAL_EVENTS. */
int set_read_events(const struct set_rules *rules, const json_t *claims, struct countersign_signal_answer *out);

/* 1 to max bytes without control characters: it becomes a key, or a line of a log. */
bool set_text_ok(struct countersign_view v, size_t max);

#endif
