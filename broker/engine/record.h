/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's own record, at the store's zero key: what an admin froze, how each provider was when it was first loaded,
 * and limits set while running. Its events are in the same log, with a chain of their own.
 */
#ifndef CS_ENGINE_RECORD_H
#define CS_ENGINE_RECORD_H

#include "broker/engine/call.h"
#include "broker/engine/cold.h"
#include "broker/engine/record_state.h"

enum {
	RECORD_BYTES_MAX = 32 * 1024,
	RECORD_WORDS_MAX = 512, /* that an event keeps: an admin's reason, and of whom and by whom it is */
};

/* Loads it, pins new providers, notes the start. To be called once, before the first turn. */
enum cs_err record_open(struct engine *e, char why[256]);
void record_free(struct broker_record *r);
/* After a reload: providers that are new are pinned, changed ones are marked. */
void record_configure(struct engine *e);

/*
 * Decides and commits an event of the broker; `done` answers the call when it is durable (or has answered Unavailable).
 * type: EVENT_PROVIDER_FROZEN, ... reason: the admin's words.
 */
typedef void record_done_fn(struct call *call);
void record_commit(struct engine *e, struct event *ev, struct view words, struct call *call, record_done_fn *done);

/*
 * The same for a change with bytes of the record's cold state (see record_state.h), as extra_put() and extra_drop() write
 * them, asked for by `author`.
 */
void record_change(struct engine *e, struct event *ev, enum author author, struct view words, struct view changes,
    struct call *call, record_done_fn *done);
/*
 * The call goes on with fn, held, when the record is known to be as it is here: other brokers are asked where the store is
 * shared. fn answers, or gives the call to record_commit().
 */
void record_current(struct engine *e, struct call *call, record_done_fn *fn);
/* As it is; what is in flight not yet. */
const struct record_state *record_state_of(const struct engine *e);
/* What stands under this id in the cold state; data NULL: nothing. Until the next change. */
struct view record_cold(const struct engine *e, const struct id *id);
/*
 * Begin of a turn, of a shared store: reads the record again where another broker changed it, and says whether what is known
 * of it may be decided on.
 */
bool record_turn(struct engine *e);
/* A change is on its way: another is refused now. */
bool record_busy(const struct engine *e);

/* The broker's own word on what it saw, durable when this returns; false where it cannot be written now. */
bool record_note(struct engine *e, struct event *ev, struct view words);
/*
 * The same for an admin's word, with a claim that is taken once: false also where an event has it already, which the claim's
 * holder, the broker's own record, tells.
 */
bool record_note_once(struct engine *e, struct event *ev, struct view words, const struct store_claim *once);

/* What decisions by another policy see. pins: record_pins() of its configuration. */
void record_view(const struct engine *e, const struct policy *p, const struct id *pins, struct broker_state *to);

/* Since when, and the admin's words; false where it is not frozen. tag 0: the broker itself. */
bool record_frozen(const struct engine *e, uint64_t tag, int64_t *since_ms, struct view *words);

/* What the provider is by the configuration, what is accepted, and what was before that (or zero). */
struct record_pin {
	struct id configured, accepted, before;
};
struct record_pin record_pin(const struct engine *e, uint64_t tag);

#endif
