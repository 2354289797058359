/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stack files, in PAM's grammar: a line is operation, control, rule and arguments; a backslash at the end of a line
 * joins the next one; "#" before a word starts a comment; "@include NAME" reads a file of the same directory. This
 * file cuts lines into words; what the arguments mean is the core's business (core/stack.h).
 */
#include "broker/parent/config_option.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/core/stack.h"

bool
stack_line_check(struct reader *r, const struct config_line *line)
{
	static const char *const later[] = {"include", "substack", NULL};
	const struct config_word *control = &line->control;
	struct config_place place = {line->file, control->line, control->column};
	bool unsupported = control->text[0] == '[';

	for (size_t i = 0; later[i] != NULL; i++)
		unsupported = unsupported || strcmp(later[i], control->text) == 0;
	if (unsupported)
		return config_fail(r->err, place, control->text,
		    "write required, requisite, sufficient or optional; other files are read by a line of their own: @include NAME",
		    "the control \"%.64s\" is not supported by this release", control->text);
	return true;
}

/* --- compiling, to find out what is wrong now and not in the engine --- */

static uint64_t
provider_tag(void *ctx, struct view name)
{
	return (uint64_t)(config_find_provider(ctx, name) + 1);
}

static bool
line_compile(struct reader *r, const struct config_line *line, struct stack *stack)
{
	const struct config_word *const heads[] = {&line->operation, &line->control, &line->rule};
	struct view args[CONFIG_ARGUMENTS_MAX];
	struct stack_text text = {.operation = view_str(line->operation.text), .control = view_str(line->control.text),
		.rule = view_str(line->rule.text), .args = args, .args_n = line->argument_count,
		.number = (uint16_t)line->operation.line, .provider_tag = provider_tag, .ctx = r->c,
		.file = line->file_index, .level = line->level};
	const struct config_word *word;
	struct stack_error err;

	for (size_t i = 0; i < line->argument_count; i++)
		args[i] = view_str(line->arguments[i].text);
	if (stack_add(stack, &text, &err) == CS_OK)
		return true;
	word = err.arg >= 0 ? &line->arguments[err.arg]
	                   : heads[err.arg == STACK_AT_OPERATION ? 0 : err.arg == STACK_AT_CONTROL ? 1 : 2];
	return config_fail(r->err, (struct config_place){line->file, word->line, word->column}, word->text, err.mend,
	    "%s: \"%.64s\"", err.message, word->text);
}

bool
stacks_compile(struct reader *r)
{
	const struct config *c = r->c;
	struct stack *stack = malloc(sizeof(*stack));
	bool ok = true;

	CHECK(stack != NULL);
	for (size_t i = 0; ok && i < c->stack_count; i++) {
		memset(stack, 0, sizeof(*stack));
		for (uint32_t k = 0; ok && k < c->stacks[i].line_count; k++)
			ok = line_compile(r, &c->lines[c->stacks[i].first_line + k], stack);
	}
	free(stack);
	return ok;
}

/* --- reading --- */

/* One word of the file, or none (len 0) at the end of the line. */
struct scan {
	const char *at;           /* NUL-terminated text */
	struct config_place next;
	struct config_place place;
	const char *word;
	size_t len;
};

static void
skip(struct scan *s)
{
	if (*s->at == '\n') {
		s->next.line++;
		s->next.column = 1;
	} else {
		s->next.column++;
	}
	s->at++;
}

static bool
is_joint(const char *at)
{
	return at[0] == '\\' && at[1] == '\n';
}

static bool
scan_word(struct reader *r, struct scan *s)
{
	for (;; skip(s)) {
		if (is_joint(s->at))
			skip(s);
		else if (*s->at != ' ' && *s->at != '\t' && *s->at != '\r')
			break;
	}
	s->place = s->next;
	s->word = s->at;
	if (*s->at == '#')
		while (*s->at != '\0' && *s->at != '\n')
			skip(s);
	else
		while (*s->at != '\0' && strchr(" \t\r\n#", *s->at) == NULL && !is_joint(s->at))
			skip(s);
	s->len = *s->word == '#' ? 0 : (size_t)(s->at - s->word);
	if (s->len > 0 && *s->at == '#')
		return config_fail(r->err, s->next, "#", "write a space before the comment", "a comment runs into a word");
	if (s->len > WORD_MAX || !text_printable(s->word, s->len))
		return config_fail(r->err, s->place, "", "write shorter words of printable UTF-8",
		    "a word is not printable, or longer than %d bytes", WORD_MAX);
	return true;
}

static bool stack_file_read(struct reader *r, struct config_stack *stack, const char *name, struct config_place from);

static bool
is_file_name(const char *name, size_t len)
{
	return len > 0 && len <= CONFIG_NAME_MAX && name[0] != '.' && memchr(name, '/', len) == NULL;
}

static bool
include_line(struct reader *r, struct config_stack *stack, struct scan *s)
{
	char name[CONFIG_NAME_MAX + 1];
	struct config_place from;
	bool ok;

	if (!scan_word(r, s))
		return false;
	if (!is_file_name(s->word, s->len))
		return config_fail(r->err, s->place, "@include", "write: @include NAME, of a file in the same directory",
		    "@include needs the name of a stack file");
	snprintf(name, sizeof(name), "%.*s", (int)s->len, s->word);
	from = s->place;
	if (!scan_word(r, s))
		return false;
	if (s->len > 0)
		return config_fail(r->err, s->place, "", "write one @include a line", "@include has more than one argument");
	if (r->depth == CONFIG_INCLUDE_DEPTH_MAX)
		return config_fail(r->err, from, name, "look for a file that includes itself",
		    "includes are nested more than %d deep", CONFIG_INCLUDE_DEPTH_MAX);
	r->depth++;
	ok = stack_file_read(r, stack, name, from);
	r->depth--;
	return ok;
}

/* The word that was scanned is kept as the line's next one. */
static bool
line_add(struct reader *r, struct config_line *line, size_t n, const struct scan *s)
{
	struct config_word *first[] = {&line->operation, &line->control, &line->rule};
	struct config_word *to;

	if (n >= 3 + CONFIG_ARGUMENTS_MAX)
		return config_fail(r->err, s->place, "", "write two lines", "a line has more than %d arguments",
		    CONFIG_ARGUMENTS_MAX);
	to = n < 3 ? first[n] : &line->arguments[line->argument_count++];
	r->words.place = s->place;
	*to = (struct config_word){reader_keep(r, s->word, s->len), s->place.line, s->place.column};
	return to->text != NULL;
}

static bool
rule_line(struct reader *r, struct config_stack *stack, struct scan *s)
{
	struct config *c = r->c;
	struct config_line *line = &c->lines[c->line_count];
	struct config_place start = s->place;
	size_t n = 0;

	if (c->line_count == CONFIG_LINES_MAX)
		return config_fail(r->err, s->place, "", "share less", "the stacks have more than %d lines together",
		    CONFIG_LINES_MAX);
	memset(line, 0, sizeof(*line));
	line->file = start.file;
	while (s->len > 0) {
		if (!line_add(r, line, n++, s) || !scan_word(r, s))
			return false;
	}
	if (n < 3)
		return config_fail(r->err, start, line->operation.text, "write: operation control rule [argument ...]",
		    "a line has %zu word%s where operation, control and rule belong", n, n == 1 ? "" : "s");
	if (!stack_line_check(r, line))
		return false;
	c->line_count++;
	stack->line_count++;
	return true;
}

static bool
lines_read(struct reader *r, struct config_stack *stack, struct scan *s)
{
	while (*s->at != '\0') {
		bool ok = scan_word(r, s);

		if (ok && s->len > 0)
			ok = s->len == strlen("@include") && memcmp(s->word, "@include", s->len) == 0
			    ? include_line(r, stack, s)
			    : rule_line(r, stack, s);
		if (!ok)
			return false;
		if (*s->at == '\n')
			skip(s);
	}
	return true;
}

static bool
stack_file_read(struct reader *r, struct config_stack *stack, const char *name, struct config_place from)
{
	char path[PATH_MAX];
	struct scan s = {.next = {NULL, 1, 1}};
	char *text;
	size_t len;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", r->c->stacks_directory, name);
	if (!file_read(r->err, from, path, &text, &len))
		return false;
	s.at = text;
	s.next.file = reader_keep(r, path, strlen(path));
	ok = s.next.file != NULL;
	if (ok && strlen(text) != len)
		ok = config_fail(r->err, s.next, "", "write text", "the file holds a NUL byte");
	ok = ok && lines_read(r, stack, &s);
	free(text);
	return ok;
}

/* The stack of that name, read when it is first asked for. */
static bool
stack_take(struct reader *r, const char *name, struct config_place from, uint16_t *index)
{
	struct config *c = r->c;
	struct config_stack *stack;

	for (uint16_t i = 0; i < c->stack_count; i++) {
		if (strcmp(c->stacks[i].name, name) == 0) {
			*index = i;
			return true;
		}
	}
	if (c->stack_count == CONFIG_STACKS_MAX)
		return config_fail(r->err, from, name, "share stacks", "there are more than %d stacks", CONFIG_STACKS_MAX);
	*index = c->stack_count;
	stack = &c->stacks[c->stack_count++];
	stack->name = name;
	stack->first_line = c->line_count;
	return stack_file_read(r, stack, name, from);
}

static bool
stack_exists(const struct config *c, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", c->stacks_directory, name);
	return access(path, F_OK) == 0;
}

bool
stacks_load(struct reader *r)
{
	struct config *c = r->c;
	uint16_t other;

	if (!stack_exists(c, "other"))
		return config_fail(r->err, reader_place(r, &c->stacks_directory), "other",
		    "make the file, with a line such as: spend requisite deny",
		    "there is no stack \"other\" in \"%.160s\"", c->stacks_directory);
	if (!stack_take(r, "other", reader_place(r, &c->stacks_directory), &other))
		return false;
	for (size_t i = 0; i < c->service_count; i++) {
		struct config_service *s = &c->services[i];
		struct config_place from = reader_place(r, &s->stack);

		if (s->stack == NULL)
			s->stack = stack_exists(c, s->name) ? s->name : c->stacks[other].name;
		else if (!stack_exists(c, s->stack))
			return config_fail(r->err, from, s->stack, "make the file, or name another stack",
			    "there is no stack \"%s\" in \"%.160s\"", s->stack, c->stacks_directory);
		if (!stack_take(r, s->stack, from, &s->stack_index))
			return false;
	}
	return true;
}
