/* SPDX-License-Identifier: Apache-2.0 */
/* From the words of a stack's lines to what decisions run (core/stack.h), with the place of what is wrong. */
#include "broker/parent/config_option.h"

#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/core/stack.h"

struct names {
	const struct config *c;
	uint64_t (*tag)(struct view name);
};

static uint64_t
name_tag(void *ctx, enum stack_name kind, struct view name)
{
	const struct names *n = ctx;
	int found = -1;

	/* What is tested by itself knows of no configuration. */
	if (n->c->under_test)
		return n->tag(name);
	switch (kind) {
	case STACK_NAME_PROVIDER:
		found = config_find_provider(n->c, name);
		break;
	case STACK_NAME_SERVICE:
		found = config_find_service(n->c, name);
		break;
	case STACK_NAME_RISK:
		found = config_find_risk(n->c, name);
		break;
	case STACK_NAME_NOTIFY:
		found = config_find_notify(n->c, name);
		break;
	case STACK_NAME_EVIDENCE:
		return n->tag(name);
	}
	return found < 0 ? 0 : n->tag(name);
}

static const struct config_word *
word_at(const struct config_line *line, int arg)
{
	if (arg >= 0)
		return &line->arguments[arg];
	return arg == STACK_AT_OPERATION ? &line->operation : arg == STACK_AT_CONTROL ? &line->control : &line->rule;
}

static bool
line_fail(const struct config_line *line, const struct stack_error *why, struct config_error *err)
{
	const struct config_word *word = word_at(line, why->arg);

	return config_fail(err, (struct config_place){line->file, word->line, word->column}, word->text, why->mend,
	    "%s: \"%.64s\"", why->message, word->text);
}

static bool
line_compile(struct names *names, const struct config_line *line, struct stack *to, struct config_error *err)
{
	struct view args[CONFIG_ARGUMENTS_MAX];
	struct stack_text text = {.operation = view_str(line->operation.text), .control = view_str(line->control.text),
		.rule = view_str(line->rule.text), .args = args, .args_n = line->argument_count,
		.number = (uint16_t)line->operation.line, .name_tag = name_tag, .ctx = names, .file = line->file_index,
		.level = line->level, .under_test = names->c->under_test};
	struct stack_error why;

	for (size_t i = 0; i < line->argument_count; i++)
		args[i] = view_str(line->arguments[i].text);
	return stack_add(to, &text, &why) == CS_OK || line_fail(line, &why, err);
}

bool
config_stack_jumps(const struct config *c, const struct config_stack *from, const struct stack *compiled,
    struct config_error *err)
{
	struct stack_error why;

	return stack_finish(compiled, &why) || line_fail(&c->lines[from->first_line + why.index], &why, err);
}

enum cs_err
config_stack_compile(const struct config *c, const struct config_stack *from, uint64_t (*tag)(struct view name),
    struct stack *to, struct config_error *err)
{
	struct names names = {c, tag};

	for (uint32_t i = 0; i < from->line_count; i++) {
		if (!line_compile(&names, &c->lines[from->first_line + i], to, err))
			return CS_ERR_SYNTAX;
	}
	return c->under_test || config_stack_jumps(c, from, to, err) ? CS_OK : CS_ERR_SYNTAX;
}

/* --- to find out what is wrong now and not in the engine --- */

/* Enough to tell apart the names on one line. */
static uint64_t
name_sum(struct view name)
{
	uint64_t sum = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < name.len; i++)
		sum = (sum ^ (uint8_t)name.data[i]) * UINT64_C(1099511628211);
	return sum == 0 ? 1 : sum;
}

static struct stack *
scratch_new(void)
{
	struct stack *stack = calloc(1, sizeof(*stack));

	CHECK(stack != NULL);
	return stack;
}

bool
stack_line_compile(struct reader *r, const struct config_line *line)
{
	struct stack *stack = scratch_new();
	struct names names = {r->c, name_sum};
	struct config_line alone = *line;
	bool ok;

	alone.level = 0;
	ok = line_compile(&names, &alone, stack, r->err);
	free(stack);
	return ok;
}

bool
stacks_compile(struct reader *r)
{
	const struct config *c = r->c;
	bool ok = true;

	for (size_t i = 0; ok && i < c->stack_count; i++) {
		struct stack *stack = scratch_new();

		ok = config_stack_compile(c, &c->stacks[i], name_sum, stack, r->err) == CS_OK;
		free(stack);
	}
	return ok;
}
