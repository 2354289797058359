/* SPDX-License-Identifier: Apache-2.0 */
/* The rules that a line of a stack may name, and their arguments. Private to core. */
#ifndef CS_CORE_RULE_H
#define CS_CORE_RULE_H

#include "broker/core/stack.h"

/* Finds the rule of the line and reads its arguments into *line and the stack's pools. False, with *err. */
bool rule_parse(struct stack *s, struct stack_line *line, const struct stack_text *text, struct stack_error *err);

/* What is being read: one argument after the other. */
struct rule_parse {
	struct stack *stack;
	struct stack_line *line;
	const struct stack_text *text;
	struct stack_error *err;
	int at;                    /* index of the argument, or STACK_AT_* */
};

/* False, with the error set. */
bool rule_refuse(struct rule_parse *p, const char *message, const char *mend);

/* The longest word for a kind of evidence, as plugin.h has it. */
enum { EVIDENCE_WORD_MAX = 32 };

/* The tag of a configured thing's name, or 0; where names are not resolved, any tag of it. */
uint64_t rule_name_tag(struct rule_parse *p, enum stack_name kind, struct view name);

/*
 * rule_value.c: one function a form of value; each says what is wrong. `to` is the member of the line; `bound` what the
 * table of arguments says for it.
 */
typedef bool rule_value_fn(struct rule_parse *p, struct view value, void *to, int64_t bound);

rule_value_fn rule_value_duration;  /* int64_t, at most bound milliseconds (0: ten years) */
rule_value_fn rule_value_short;     /* int32_t milliseconds: 10ms to 5s */
rule_value_fn rule_value_sums;      /* the pool of sums; bound is the enum stack_sum_kind */
rule_value_fn rule_value_count;     /* int32_t */
rule_value_fn rule_value_number;    /* uint8_t, 1 to bound */
rule_value_fn rule_value_score;     /* uint8_t, 0 to 100 */
rule_value_fn rule_value_kinds;     /* uint8_t mask of factor kinds */
rule_value_fn rule_value_result;    /* uint8_t, enum result */
rule_value_fn rule_value_note;      /* uint8_t, enum note */
rule_value_fn rule_value_scope;     /* uint8_t, enum need_scope */
rule_value_fn rule_value_other;     /* bool: ignore instead of denied */
rule_value_fn rule_value_payees;    /* the pool of ids */
rule_value_fn rule_value_clock;     /* int16_t minutes of the day */
rule_value_fn rule_value_days;      /* uint8_t mask, bit 0 is Monday */
rule_value_fn rule_value_sources;   /* providers and services, and which of them are services */
rule_value_fn rule_value_flag;      /* bool; the word stands alone */

#endif
