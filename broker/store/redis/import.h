/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filling an empty shared store from another one. Until import_end() no broker starts on it. Everything may be written
 * again and again: an import that was killed goes on from its marks, and what it wrote twice is the same.
 */
#ifndef CS_STORE_REDIS_IMPORT_H
#define CS_STORE_REDIS_IMPORT_H

#include "broker/store/record.h"
#include "broker/store/redis/tool.h"

struct import;

enum { IMPORT_MARKS_MAX = 12, IMPORT_SOURCE_TEXT = 65 };

/*
 * source: what names the store that is copied (hexadecimal, up to 64 digits); realm: the check of the key file. CS_ERR_CONFLICT
 * with *why: there is something else, or another store's import, or one with another key file.
 */
enum cs_err import_begin(struct tool *t, const char *source, const char *realm, store_replay_fn *replay, struct import **out,
    bool *resumed, char why[TOOL_WHY_TEXT]);
void import_free(struct import *im);

/* Its marks are texts that the caller names; they are written after what they speak of. "" where there is none. */
enum cs_err import_mark_get(struct import *im, const char *name, char to[TOOL_META_TEXT], char why[TOOL_WHY_TEXT]);
/* CS_ERR_CONFLICT: another run has taken this import over. */
enum cs_err import_mark(struct import *im, const char *name, const char *value, char why[TOOL_WHY_TEXT]);

/* These gather what import_wait() then waits for. */
void import_record(struct import *im, const struct record_snapshot *snapshot);
void import_claim(struct import *im, const struct record_claim *claim);
/* The record's claims are to be given anew. */
void import_claims_drop(struct import *im, const struct store_key *key);
void import_payment(struct import *im, const struct record_payment *payment);
enum cs_err import_wait(struct import *im, char why[TOOL_WHY_TEXT]);

/*
 * The next events of the log, in order. Those after `folded` also make the new state of their record, where it is not there
 * yet. Written when this returns. CS_ERR_CORRUPT: an event does not fit its record.
 */
struct import_event {
	uint64_t seq;
	struct store_key key;
	uint64_t revision;
	uint64_t back;      /* sequence number of the record's event before, 0: none */
	struct view event, extra;
};
enum cs_err import_events(struct import *im, const struct import_event *events, size_t n, uint64_t folded,
    char why[TOOL_WHY_TEXT]);

/* All is there: brokers may start. */
enum cs_err import_end(struct import *im, char why[TOOL_WHY_TEXT]);

#endif
