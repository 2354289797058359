/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the broker's own record share; private to them. */
#ifndef CS_ENGINE_RECORD_INTERNAL_H
#define CS_ENGINE_RECORD_INTERNAL_H

#include "broker/engine/record.h"

enum {
	WORDS_MAX = 200,           /* of a freeze */
	TRIES_MAX = 8,             /* commits of one event that met a conflict */
	NOTE_WAIT_MS = 500,        /* for one event while the broker serves; the loop stands still */
	STEP_WAIT_MS = 50,
};

struct broker_record {
	struct record_state now;
	uint64_t revision;
	uint32_t history, history_asked;        /* of the store, at the last load; at the one under way */
	bool committing;                        /* an event is on its way, perhaps for the second time */
	bool loading;                           /* it is read again */
	bool again;                             /* and then the event is committed again */
	bool caller_decides;                    /* or not: whoever waits for it decides anew */
	unsigned tries;
	enum cs_err err;                        /* of the last load */
	enum cs_err outcome;                    /* of the last event */
	int64_t behind_ms, next_load_ms, next_pins_ms; /* steady clock; 0: not behind */
	bool starting;                          /* record_open() waits for the store */
	bool pins_due;                          /* of the configuration: they could not be written */
	struct id pins[POLICY_PROVIDERS_MAX];   /* of the providers as configured */
	struct bytes hot, event, extra, words, changes;
	struct bytes cold, cold_next;           /* as it is; after the event in flight */
	bool cold_changes;
	char freeze_words[RECORD_ENTRIES_MAX][WORDS_MAX];
	struct call *call;
	record_done_fn *done;
	struct event in_flight;
	struct store_claim once;                /* that it takes; */
	bool has_once;                          /* or none */
	struct record_entry was_entry;          /* what it was decided on */
	struct record_receiver was_receiver;
	bool had_entry, had_receiver;
};

/* record.c: what decisions see. */
void record_publish(struct engine *e);
/*
 * Commits on its own behalf, before the first turn or between turns: waits for the store. CS_ERR_CONFLICT, where the caller
 * decides: the record was read again.
 */
enum cs_err record_commit_now(struct engine *e, struct event *ev, struct view words, bool caller_decides, int64_t wait_ms);
/* The record was read again: the event in flight is committed on it as it is now, or whoever asked hears why not. */
void record_commit_again(struct engine *e);
/* Until nothing of the record is on its way any more, or the time is over. Outside completions. */
void record_settle(struct engine *e, int64_t wait_ms);

/* record_load.c: reads it again, unless that is under way. */
void record_reload(struct engine *e);

#endif
