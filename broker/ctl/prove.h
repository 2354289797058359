/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proof of a stack: whatever its lines answer, decide() never permits without a countersignature that rules 10 to 12
 * accept. Every line becomes `debug`, so nothing is taken for granted of what a rule may answer; every transition of
 * every execution (walk.h) is run, with the core's own decide(), for accounts that have no cover, or one that must not
 * count. An account with a good cover is asked as well: were it not permitted, the proof would prove nothing.
 */
#ifndef CS_CTL_PROVE_H
#define CS_CTL_PROVE_H

#include "broker/core/decide.h"
#include "broker/ctl/walk.h"

/* decide(), or in tests one that is broken. */
typedef void decide_fn(const struct asked *asked, const struct account *a, const struct request *r, struct decision *d);

enum proof_end {
	PROOF_HOLDS,
	PROOF_BROKEN,    /* a permit that must not be: see the steps */
	PROOF_TOO_LARGE, /* nothing is proved */
	PROOF_DIFFERS,   /* the model of walk.h and the core's dispatch disagree: nothing is proved; see the steps */
};

struct proof {
	enum proof_end end;
	uint64_t combinations;     /* executions, where answers that do the same are one; UINT64_MAX: that many, or more */
	uint32_t states, runs;     /* merged states; calls of decide() */
	const char *account;       /* which account was permitted, in words; or NULL */
	uint16_t steps_n;
	struct walk_step steps[WALK_LINES_MAX]; /* line: index in stack.lines */
};

void prove_stack(const struct stack *s, enum op op, decide_fn *with, struct proof *out);

/* The program of an operation, for walk_run; walk_line.line is the index in stack.lines. Every line may answer anything. */
void walk_stack(struct walk *w, const struct stack *s, enum op op);

#endif
