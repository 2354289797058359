/* SPDX-License-Identifier: Apache-2.0 */
/* Calls with `more` that wait for something to happen: a challenge's next state, the next events. */
#ifndef CS_ENGINE_WATCH_H
#define CS_ENGINE_WATCH_H

#include "broker/engine/call.h"

enum { WATCHES_MAX = 4096 };

typedef void watch_fn(struct call *call);

struct watches *watches_new(void);
void watches_free(struct watches *w);
/*
 * Holds the call; `wake` runs at the end of a turn in which an event of this account was committed (key NULL: of any),
 * and may answer for good (then the watch ends) or with call_reply_more(). False where there are too many.
 */
bool watch_add(struct engine *e, struct call *call, const struct id *key, watch_fn *wake);
/* It has more to say than it could: it is woken again once its peer has read what was written. */
void watch_again(struct engine *e, const struct call *call);
/* It is woken at this time of the wall clock too. */
void watch_until(struct engine *e, const struct call *call, int64_t wall_ms);
/* The waiting call of this number; NULL where it is not there any more. */
struct call *watch_find(const struct engine *e, uint64_t number);
/* Time passed. */
void watches_tick(struct engine *e);
/* A committed event. */
void watches_event(struct engine *e, const struct id *key, struct view event);
/* All of them look again: other brokers may have done something that nobody told. */
void watches_all(struct engine *e);
/* End of a turn: wakes what has something to hear. */
void watches_run(struct engine *e);
/* The stream of a held call is gone. */
void watches_gone(struct engine *e, struct call *call);

#endif
