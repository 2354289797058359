/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a decision for whoever asks why: the daemon's Explain and countersignctl, from files alone, write the same. */
#ifndef CS_ENGINE_STEPS_H
#define CS_ENGINE_STEPS_H

#include "broker/base/json.h"
#include "broker/core/decide.h"
#include "broker/parent/config.h"

struct ruleset;

/* Of one trace: with the rest of an answer it still is a message. */
enum { STEPS_BYTES_MAX = 24 * 1024 };

/* Which stack ran, and for what. config NULL: it is not known, and lines have numbers alone. */
struct steps_stack {
	const struct config *config;
	const struct config_stack *stack;
	enum op op;
	bool outside;             /* the asker is a service: files have no directory */
};

/* For each step that is a line of the stack, the line as it was written; else NULL. */
void steps_lines(const struct decision_trace *t, const struct steps_stack *s,
    const struct config_line *lines[TRACE_STEPS_MAX]);
/* "checkout:5 stepup any=totp", cut where it is longer; returns the length, less than size. */
size_t steps_line_text(const struct config_line *line, char *to, size_t size);

/* What would make it pass: sentences into an array that is open; none for a permit. */
void steps_mend(struct json_writer *w, const struct asked *asked, const struct account *a, const struct request *r,
    const struct decision *d);

/* One {"rule", "result", "why"} into an array that is open. */
void step_write(struct json_writer *w, struct view rule, const char *result, const char *why);
/*
 * All of them, with what a line of the stack adds: where its counter stood, its "#:" comment, what its note= records, and,
 * with a configuration, its file. Before those of pass 2 a step says that a countersignature is supposed. Past
 * STEPS_BYTES_MAX one last step says that the rest is left out.
 */
void steps_write(struct json_writer *w, const struct decision_trace *t, const struct steps_stack *s);
/*
 * Rules 10 and 11 for each factor: what the account's owner could countersign with, what makes one dependent, and whose
 * word one rests on. provider 0: all that are linked.
 */
void steps_factors(struct json_writer *w, const struct ruleset *rules, const struct asked *asked, const struct account *a,
    uint64_t provider);

#endif
