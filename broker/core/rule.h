/* SPDX-License-Identifier: Apache-2.0 */
/* The rules that a line of a stack may name, and their arguments. Private to core. */
#ifndef CS_CORE_RULE_H
#define CS_CORE_RULE_H

#include "broker/core/stack.h"

/* Finds the rule of the line and reads its arguments into *line. False, with *err. */
bool rule_parse(struct stack_line *line, const struct stack_text *text, struct stack_error *err);

#endif
