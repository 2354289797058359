/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A supposition asked again with something changed: in what is supposed, or in a copy of the policy. What is offered to a
 * person as a mend was tried here first.
 */
#ifndef CS_CTL_TRIAL_H
#define CS_CTL_TRIAL_H

#include "broker/ctl/suppose.h"

struct trial {
	struct suppose s;               /* to change: what is supposed */
	struct policy policy;           /* to change: a copy */
	struct stack stack;             /* to change: a copy, of the service's stack */
	struct policy_service *service; /* in that policy */
	struct policy_provider *provider; /* in that policy, of the link; NULL: no link */
	struct ruleset rules;
	struct decision d;              /* of the last trial_ask */
	struct decision_trace trace;
};

void trial_begin(struct trial *t, const struct suppose *from);

/* Decides, and gives the outcome. */
enum outcome trial_ask(struct trial *t);
/* Whether the outcome is anything but a denial. */
bool trial_passes(struct trial *t);

/* The line of the stack that gave the denial of this trace; NULL: none did. `index` of steps is the line's. */
const struct config_line *trial_line(const struct suppose *s, const struct decision_trace *t, enum reason reason,
    uint16_t *index);
/* The compiled line, to change; NULL where there is none. */
struct stack_line *trial_compiled(struct trial *t, uint16_t index);

/* The line says yes whatever comes, or is as if it were not there. */
void trial_line_yes(struct stack_line *line);
void trial_line_away(struct stack_line *line);

/*
 * Lifts the limit that the last trial_ask was denied for: of a line, the provider or the policy. False where it was
 * denied for something else, or nothing can be lifted.
 */
bool trial_lift(struct trial *t, const struct decision *d, struct stack_line *line);

#endif
