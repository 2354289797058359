/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the daemon: begin, write the parameters, call. What came back is ctl->doc at ctl->reply. */
#ifndef CS_CTL_CALL_H
#define CS_CTL_CALL_H

#include "broker/ctl/ctl.h"

struct json_writer call_begin(struct ctl *ctl, const char *method, bool more);

/* A member that is NULL is left out. */
void call_put(struct json_writer *w, const char *name, const char *value);

/*
 * Sends, and receives the first reply. CTL_OK, or the exit code after the reason was printed. A reply without
 * parameters counts as an empty object.
 */
int call_run(struct ctl *ctl, struct json_writer *w);

/*
 * The next reply to a call with `more`. Waits as long as it takes. lost (may be NULL) is set, and nothing is printed,
 * where the connection broke.
 */
int call_next(struct ctl *ctl, bool *lost);

/* Closes the connection: the call with `more` is at an end. */
void call_close(struct ctl *ctl);

/* Begin, put, run and print for a method with at most one parameter: the whole of most commands. */
int call_and_print(struct ctl *ctl, const char *method, const char *name, const char *value, const char *member);

/* The member's token if it is of this type, or 0. */
uint32_t reply_get(const struct ctl *ctl, uint32_t object, const char *name, enum json_type type);
/* The member's text, or an empty view. */
struct view reply_text(const struct ctl *ctl, uint32_t object, const char *name);

#endif
