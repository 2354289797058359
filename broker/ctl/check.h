/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the configuration that --config names, and what check says of it. */
#ifndef CS_CTL_CHECK_H
#define CS_CTL_CHECK_H

#include "broker/core/policy.h"
#include "broker/ctl/ctl.h"
#include "broker/ctl/finding.h"
#include "broker/ctl/prove.h"

struct ruleset;

/* CTL_OK and a config for config_free(); or CTL_BAD_CONFIG after the problem was printed with its place and its mend. */
int check_load(struct ctl *ctl, struct config **config);

/* The same, compiled as the engine compiles it; for ruleset_free(). */
int check_rules(struct ctl *ctl, struct ruleset **rules);

/* check_config.c: what the configuration outside of its stacks denies, and hardly means to. */
void check_config(const struct ruleset *rules, struct findings *to);
/* That a currency has no policy limit, if so; where: what speaks of it, in words. */
void check_currency(const struct policy *p, uint16_t currency, const struct config_line *at, const char *where,
    struct findings *to);
/* Kinds of configured factors that could countersign for this provider (rule 11), as a mask. */
uint8_t check_kinds(const struct ruleset *rules, const struct policy_provider *p);

/* One stack under examination, with the lines that it was written in. */
struct subject {
	const struct config *config;
	const struct config_stack *from;
	const struct stack *stack;
	const struct ruleset *rules; /* NULL: a file by itself, and nothing is known but the file */
	enum op op;
	struct findings *to;
	uint64_t provider;           /* tag of the link's; 0: any */
	const uint8_t *kinds;        /* check_kinds() of each provider; NULL without rules */
};

/* Of a line of the program, by its index in stack.lines, the line as it was written. */
const struct config_line *subject_line(const struct subject *s, uint16_t line);

/* Sums over all proofs. */
struct proved {
	unsigned stacks, operations;
	uint64_t combinations, runs;
};

/* check_stack.c: the proof, and lines that are never asked, never matter, or never jump; and yeses that are too cheap. */
void check_stack(const struct subject *s, struct proved *sum);

/*
 * The program of the operation for walk_run: what its lines may answer to a payment in this currency (CURRENCY_NONE: in
 * any), without marks.
 */
void subject_program(const struct subject *s, uint16_t currency, struct walk *w);

/* check_limits.c: limits that can never bind; of the stack, and of the configuration. */
void check_limits(const struct subject *s);
void check_policy_limits(const struct ruleset *rules, struct findings *to);

/* check_stepup.c: lines `stepup` that no configured factor could satisfy for a provider. */
void check_stepups(const struct subject *s);

/* check_lines.c: currencies of single lines that cannot be paid in. */
void check_lines(const struct subject *s);
/* What a line of the program may answer to a payment in this currency, as a mask. */
uint8_t line_results(const struct subject *s, uint16_t line, uint16_t currency);

#endif
