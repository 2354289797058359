/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All executions of a stack. A state is what a line can see of those before it: the impression, whether its status is
 * success, and what a `reset` in each open substack would bring back. Executions that reach one line in one state go on
 * alike, so states are merged, and a stack of hundreds of lines has few of them, although it has more executions than
 * could ever be run one by one. The model is written from the description of pam_dispatch() alone and knows nothing of
 * core/stack.c: prove.c holds the two against each other on every transition.
 */
#ifndef CS_CTL_WALK_H
#define CS_CTL_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/core/stack.h"

enum {
	WALK_LINES_MAX = STACK_LINES_MAX,
	WALK_LEVELS_MAX = STACK_LEVELS_MAX,
	WALK_STATES_MAX = 1 << 14, /* a second's work; only substacks in substacks in substacks make more */
};

#define WALK_NONE UINT32_MAX
#define WALK_ALL_RESULTS ((uint8_t)((1 << RESULT__COUNT) - 1))

struct walk_line {
	int8_t actions[RESULT__COUNT]; /* enum action */
	uint8_t results; /* mask: what the line may answer; 0: the head of a substack, whose lines follow one level deeper */
	uint8_t level;   /* 0: of no substack */
	uint8_t marks;   /* true at the end of an execution in which this line answered */
	uint8_t marking; /* one of these results: a mask */
	uint16_t line;   /* the caller's number for it */
};

struct walk_state {
	uint64_t key;
	uint32_t next[RESULT__COUNT]; /* by result; WALK_NONE where the line does not give it */
	uint32_t from;                /* the shortest way here; WALK_NONE at the beginning */
	uint8_t from_result;
	uint8_t to_yes, to_no;        /* results on a way to such an end; RESULT__COUNT: there is none */
	uint32_t node;                /* equal where what is still to come is equal, whatever the lines answer */
	uint64_t ways;                /* executions from here on; UINT64_MAX: that many, or more */
};

struct walk {
	uint16_t lines_n;
	struct walk_line lines[WALK_LINES_MAX];
	/* made by walk_run */
	struct walk_state *states;    /* [0] is the beginning, in the order of their distance from it */
	uint32_t states_n;
	bool asked[WALK_LINES_MAX];   /* in some execution */
	bool matters[WALK_LINES_MAX]; /* in some execution the end hangs on this line's answer alone */
	uint32_t *table;
	uint32_t table_size;
};

/* lines and lines_n are set, all else zero. False: there are more than WALK_STATES_MAX states. Ends with walk_clear. */
bool walk_run(struct walk *w);
void walk_clear(struct walk *w);

/* Where an execution ends, what was said, and which marks are true there. */
bool walk_is_end(const struct walk *w, uint32_t state);
bool walk_end_permits(const struct walk *w, uint32_t state);
uint8_t walk_end_marks(const struct walk *w, uint32_t state);
/* Of answers that do the same in this state, the first. */
bool walk_is_branch(const struct walk *w, uint32_t state, uint8_t result);
/* Index of the line that is asked in a state that is no end. */
uint16_t walk_line_of(const struct walk *w, uint32_t state);

/* Where a line's jump of n leads: an index, lines_n for the end; WALK_LINES_MAX + 1 past the end of its (sub)stack. */
uint16_t walk_jump(const struct walk *w, uint16_t line, int n);

/* One execution: which lines answered what, in order. */
struct walk_step {
	uint16_t line; /* index in walk.lines */
	uint8_t result;
};

/* The shortest execution that leads to this state; returns its length. */
size_t walk_way(const struct walk *w, uint32_t state, struct walk_step to[WALK_LINES_MAX]);
/* Goes on from a state to an end that permits (or does not), if there is one; returns the length, to + at being free. */
size_t walk_on(const struct walk *w, uint32_t state, bool permit, struct walk_step to[WALK_LINES_MAX], size_t at,
    uint32_t *end);

#endif
