/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stack files, in PAM's grammar: reads what the services name, puts the lines of other files where `include`, `substack`
 * and `@include` name them, and refuses what Linux-PAM only degrades. What rules and arguments mean is the core's
 * business (core/stack.h).
 */
#include "broker/parent/config_stack.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "broker/base/check.h"
#include "broker/core/stack.h"
#include "broker/parent/config_stack_words.h"

enum {
	DEPTH_MAX = 15,   /* files that were named by one another, beside the first; as Linux-PAM */
	READS_MAX = 256,  /* files read for one stack: a few that include each other often would take for ever */
	CHAIN_MAX = 160,  /* bytes of a chain of names in a message */
};

/* One stack, as it is being read. */
struct reading {
	struct reader *r;
	struct config_stack *stack;
	const struct stack_source *source;
	unsigned reads;
};

/* One file of it, as it is being read; the chain of those that led to it lies on the call stack. */
struct stack_file {
	struct reading *in;
	const struct stack_file *from;
	const char *name;
	enum op only;             /* lines of this operation alone; OP_NONE: all */
	unsigned level, depth;
	struct stack_words words;
	char note[CONFIG_NOTE_MAX + 1];  /* the "#:" comments that stand directly above */
	size_t note_len;
};

static bool file_take(struct reading *in, const struct stack_file *from, const char *name, enum op only, unsigned level,
    struct config_place place);

#define file_fail(f, place, word, mend, ...) config_fail((f)->in->r->err, (place), (word), (mend), __VA_ARGS__)

/* --- notes --- */

/* Adds the comment to the note where it is one; any other stands between a note and its line. */
static bool
note_take(struct stack_file *f, bool alone)
{
	struct view text = f->words.comment;

	if (text.data == NULL || text.len == 0 || text.data[0] != ':') {
		if (alone)
			f->note_len = 0;
		return true;
	}
	for (text = view_of(text.data + 1, text.len - 1); text.len > 0 && strchr(" \t", text.data[0]) != NULL;)
		text = view_of(text.data + 1, text.len - 1);
	while (text.len > 0 && strchr(" \t\r", text.data[text.len - 1]) != NULL)
		text.len--;
	if (!text_printable(text.data, text.len) || text.len + f->note_len + 1 > CONFIG_NOTE_MAX)
		return file_fail(f, f->words.place, "#:", "write shorter notes of printable UTF-8, or begin the comment with #",
		    "a note is not printable, or longer than %d bytes", CONFIG_NOTE_MAX);
	if (f->note_len > 0 && text.len > 0)
		f->note[f->note_len++] = ' ';
	memcpy(f->note + f->note_len, text.data, text.len);
	f->note_len += text.len;
	return true;
}

/* --- a line --- */

static bool
next(struct stack_file *f)
{
	return stack_words_next(&f->words, f->in->r->err);
}

static void
word_text(const struct stack_file *f, char to[WORD_MAX + 1])
{
	(void)stack_word_text(f->words.word, false, to);
}

/* Keeps the word that is being looked at, and goes to the next one. */
static bool
word_keep(struct stack_file *f, bool control, struct config_word *to)
{
	struct config_place place = f->words.place;
	char text[WORD_MAX + 1];
	size_t len = stack_word_text(f->words.word, control, text);

	if (len == 0)
		return file_fail(f, place, "[]", "write something between the brackets, or remove them", "a word is empty");
	f->in->r->words.place = place;
	*to = (struct config_word){reader_keep(f->in->r, text, len), place.line, place.column};
	return to->text != NULL && next(f);
}

static bool
is_file_name(const char *name, size_t len)
{
	return len > 0 && len <= CONFIG_NAME_MAX && name[0] != '.' && memchr(name, '/', len) == NULL;
}

/* The one word after `what`, which names a file; *place is its own. */
static bool
file_name_take(struct stack_file *f, const char *what, const char *mend, char name[CONFIG_NAME_MAX + 1],
    struct config_place *place)
{
	char text[WORD_MAX + 1];
	size_t len = stack_word_text(f->words.word, false, text);

	*place = f->words.place;
	if (!is_file_name(text, len))
		return file_fail(f, *place, len == 0 ? what : text, mend, "%s needs the name of a stack file", what);
	memcpy(name, text, len + 1);
	if (!next(f))
		return false;
	if (f->words.word.len == 0)
		return true;
	word_text(f, text);
	return file_fail(f, f->words.place, text, "write a line of its own for each file", "%s has more than one file", what);
}

static bool
lines_full(struct stack_file *f, struct config_place place)
{
	if (f->in->r->c->line_count == CONFIG_LINES_MAX)
		return file_fail(f, place, "", "share less", "the stacks have more than %d lines together", CONFIG_LINES_MAX);
	return file_fail(f, place, "", "write fewer, or include less", "a stack has more than %d lines with what it includes",
	    STACK_LINES_MAX);
}

bool
stack_file_note(struct reader *r, struct config_stack *stack, struct config_line *line, struct config_place place)
{
	uint16_t i = 0;

	while (i < stack->file_count && strcmp(stack->files[i], line->file) != 0)
		i++;
	if (i == CONFIG_STACK_FILES_MAX)
		return config_fail(r->err, place, line->file, "include fewer files", "a stack is made of more than %d files",
		    CONFIG_STACK_FILES_MAX);
	if (i == stack->file_count)
		stack->files[stack->file_count++] = line->file;
	line->file_index = (uint8_t)i;
	return true;
}

/* The line is the stack's next one. */
static bool
line_add(struct stack_file *f, struct config_line *line, struct config_place place)
{
	struct reader *r = f->in->r;

	if (r->c->line_count == CONFIG_LINES_MAX || f->in->stack->line_count == STACK_LINES_MAX)
		return lines_full(f, place);
	line->file = f->words.place.file;
	line->level = (uint8_t)f->level;
	r->words.place = place;
	line->note = reader_keep(r, f->note, f->note_len);
	if (line->note == NULL || !stack_file_note(r, f->in->stack, line, place))
		return false;
	r->c->lines[r->c->line_count++] = *line;
	f->in->stack->line_count++;
	return true;
}

/* The words look at the control. */
static bool
control_check(struct stack_file *f)
{
	struct view word = f->words.word;
	int8_t actions[RESULT__COUNT];
	struct stack_error why;
	char text[WORD_MAX + 1];

	if (stack_control(word, actions, &why))
		return true;
	(void)stack_word_text(why.len == 0 ? word : view_of(word.data + why.at, why.len), true, text);
	return file_fail(f, stack_word_place(&f->words, why.at), text, why.mend, "%s: \"%.64s\"", why.message, text);
}

static bool
words_missing(struct stack_file *f, const struct config_line *line, const char *missing)
{
	struct config_place place = {f->words.place.file, line->operation.line, line->operation.column};

	return file_fail(f, place, line->operation.text, "write: operation control rule [argument ...]",
	    "the line has no %s", missing);
}

/* The words look at what follows the control `include` or `substack`. */
static bool
nested_line(struct stack_file *f, struct config_line *line, enum op op, bool substack)
{
	static const char *const mends[] = {"write: operation include NAME, of a file in the same directory",
		"write: operation substack NAME, of a file in the same directory"};
	char name[CONFIG_NAME_MAX + 1];
	struct config_place place;

	if (!file_name_take(f, substack ? "substack" : "include", mends[substack], name, &place))
		return false;
	if (f->only != OP_NONE && f->only != op)
		return true;
	if (!note_take(f, false))
		return false;
	if (substack) {
		f->in->r->words.place = place;
		line->rule = (struct config_word){reader_keep(f->in->r, name, strlen(name)), place.line, place.column};
		if (line->rule.text == NULL || !line_add(f, line, place))
			return false;
	}
	return file_take(f->in, f, name, op, f->level + (substack ? 1 : 0), place);
}

static bool
rule_words(struct stack_file *f, struct config_line *line)
{
	if (f->words.word.len == 0)
		return words_missing(f, line, "rule");
	if (!word_keep(f, false, &line->rule))
		return false;
	while (f->words.word.len > 0) {
		if (line->argument_count == CONFIG_ARGUMENTS_MAX)
			return file_fail(f, f->words.place, "", "write two lines", "a line has more than %d arguments",
			    CONFIG_ARGUMENTS_MAX);
		if (!word_keep(f, false, &line->arguments[line->argument_count]))
			return false;
		line->argument_count++;
	}
	line->file = f->words.place.file;
	return true;
}

/* The words look at the operation. */
static bool
operation_line(struct stack_file *f)
{
	struct config_line line = {.file = NULL};
	struct config_place place = f->words.place;
	struct stack_error why;
	bool lenient, substack;
	enum op op;

	op = stack_operation(f->words.word, &lenient, &why);
	if (f->words.word.data[0] == '@')
		why.mend = "write: @include NAME, of a file in the same directory";
	if (!word_keep(f, true, &line.operation))
		return false;
	if (op == OP_NONE)
		return file_fail(f, place, line.operation.text, why.mend, "%s: \"%.64s\"", why.message, line.operation.text);
	if (f->words.word.len == 0)
		return words_missing(f, &line, "control");
	substack = stack_is_substack(f->words.word);
	if (substack || stack_is_include(f->words.word))
		return word_keep(f, true, &line.control) && nested_line(f, &line, op, substack);
	if (!control_check(f) || !word_keep(f, true, &line.control) || !rule_words(f, &line) ||
	    !stack_line_compile(f->in->r, &line))
		return false;
	if (f->only != OP_NONE && f->only != op)
		return true;
	return note_take(f, false) && line_add(f, &line, place);
}

static bool
include_line(struct stack_file *f)
{
	char name[CONFIG_NAME_MAX + 1];
	struct config_place place;

	return next(f) && file_name_take(f, "@include", "write: @include NAME, of a file in the same directory", name,
	    &place) && file_take(f->in, f, name, f->only, f->level, place);
}

/* --- a file --- */

static bool
lines_read(struct stack_file *f)
{
	do {
		struct view word;

		if (!next(f))
			return false;
		word = f->words.word;
		if (word.len == 0) {
			if (!note_take(f, true))
				return false;
			continue;
		}
		if (!(word.len == strlen("@include") && strncasecmp(word.data, "@include", word.len) == 0 ? include_line(f) :
		    operation_line(f)))
			return false;
		f->note_len = 0;
	} while (stack_words_line(&f->words));
	return true;
}

/* "checkout -> common -> checkout" */
static size_t
chain_text(const struct stack_file *f, char *to, size_t size)
{
	size_t len = f->from == NULL ? 0 : chain_text(f->from, to, size);

	if (len < size)
		len += (size_t)snprintf(to + len, size - len, "%s%s", f->from == NULL ? "" : " -> ", f->name);
	return len;
}

/* May this file be read here? */
static bool
file_check(struct reading *in, const struct stack_file *from, const char *name, struct config_place place)
{
	char chain[CHAIN_MAX];

	for (const struct stack_file *f = from; f != NULL; f = f->from) {
		if (strcmp(f->name, name) != 0)
			continue;
		(void)chain_text(from, chain, sizeof(chain));
		return config_fail(in->r->err, place, name, "remove one of them", "the file includes itself: %.150s -> %s", chain,
		    name);
	}
	if (from != NULL && from->depth == DEPTH_MAX)
		return config_fail(in->r->err, place, name, "include it from a file nearer to the stack's own",
		    "files are nested more than %d deep", DEPTH_MAX);
	if (in->reads == READS_MAX)
		return config_fail(in->r->err, place, name, "include less", "a stack reads more than %d files", READS_MAX);
	in->reads++;
	return true;
}

static bool
file_take(struct reading *in, const struct stack_file *from, const char *name, enum op only, unsigned level,
    struct config_place place)
{
	struct stack_file f = {.in = in, .from = from, .name = name, .only = only, .level = level,
		.depth = from == NULL ? 0 : from->depth + 1};
	char path[PATH_MAX];
	const char *kept;
	char *text;
	size_t len;
	bool ok;

	if (!file_check(in, from, name, place))
		return false;
	snprintf(path, sizeof(path), "%s%s", in->source->directory, name);
	if (!in->source->read(in->source->ctx, in->r->err, place, path, &text, &len))
		return false;
	kept = reader_keep(in->r, path, strlen(path));
	ok = kept != NULL;
	stack_words_init(&f.words, kept, text);
	if (ok && strlen(text) != len)
		ok = config_fail(in->r->err, f.words.next, "", "write text", "the file holds a NUL byte");
	ok = ok && lines_read(&f);
	free(text);
	return ok;
}

bool
stack_read_from(struct reader *r, const struct stack_source *source, const char *name, struct config_place from)
{
	struct config *c = r->c;
	struct config_stack *stack = &c->stacks[c->stack_count++];
	struct reading in = {.r = r, .stack = stack, .source = source};

	stack->name = name;
	stack->first_line = c->line_count;
	return file_take(&in, NULL, name, OP_NONE, 0, from);
}

/* --- all that a configuration needs --- */

static bool
source_file_read(void *ctx, struct config_error *err, struct config_place from, const char *path, char **text, size_t *len)
{
	(void)ctx;
	return file_read(err, from, path, text, len);
}

static bool
stack_take(struct reader *r, const struct stack_source *source, const char *name, struct config_place from, uint16_t *index)
{
	struct config *c = r->c;

	for (uint16_t i = 0; i < c->stack_count; i++) {
		if (strcmp(c->stacks[i].name, name) == 0) {
			*index = i;
			return true;
		}
	}
	if (c->stack_count == CONFIG_STACKS_MAX)
		return config_fail(r->err, from, name, "share stacks", "there are more than %d stacks", CONFIG_STACKS_MAX);
	*index = c->stack_count;
	return stack_read_from(r, source, name, from);
}

static bool
stack_exists(const struct config *c, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", c->stacks_directory, name);
	return access(path, F_OK) == 0;
}

static bool
stacks_take(struct reader *r, const struct stack_source *source)
{
	struct config *c = r->c;
	uint16_t other;

	if (!stack_take(r, source, "other", reader_place(r, &c->stacks_directory), &other))
		return false;
	for (size_t i = 0; i < c->service_count; i++) {
		struct config_service *s = &c->services[i];
		struct config_place from = reader_place(r, &s->stack);

		if (s->stack == NULL)
			s->stack = stack_exists(c, s->name) ? s->name : c->stacks[other].name;
		else if (!stack_exists(c, s->stack))
			return config_fail(r->err, from, s->stack, "make the file, or name another stack",
			    "there is no stack \"%s\" in \"%.160s\"", s->stack, c->stacks_directory);
		if (!stack_take(r, source, s->stack, from, &s->stack_index))
			return false;
	}
	return true;
}

bool
stacks_load(struct reader *r)
{
	struct config *c = r->c;
	char directory[PATH_MAX + 1];
	struct stack_source source = {directory, source_file_read, NULL};

	snprintf(directory, sizeof(directory), "%s/", c->stacks_directory);
	if (!stack_exists(c, "other"))
		return config_fail(r->err, reader_place(r, &c->stacks_directory), "other",
		    "make the file, with a line such as: spend requisite deny",
		    "there is no stack \"other\" in \"%.160s\"", c->stacks_directory);
	return stacks_take(r, &source);
}

/* --- one file by itself --- */

enum cs_err
stack_load_from(const struct stack_source *source, const char *name, struct config **out, struct config_error *err)
{
	struct config *c = calloc(1, sizeof(*c));
	struct reader r = {.c = c, .err = err};
	struct config_place from = {"", 0, 0};
	const char *kept;
	bool ok;

	CHECK(c != NULL);
	memset(err, 0, sizeof(*err));
	c->under_test = true;
	kept = config_keep(c, name);
	ok = kept != NULL ? stack_read_from(&r, source, kept, from) :
	    config_fail(err, from, "", "shorten it", "the file's name is too long");
	free(r.places);
	if (!ok) {
		config_free(c);
		return CS_ERR_SYNTAX;
	}
	*out = c;
	return CS_OK;
}

enum cs_err
config_stack_load(const char *path, struct config **out, struct config_error *err)
{
	const char *slash = strrchr(path, '/');
	char directory[PATH_MAX + 1];
	struct stack_source source = {directory, source_file_read, NULL};

	snprintf(directory, sizeof(directory), "%.*s", slash == NULL ? 0 : (int)(slash - path) + 1, path);
	return stack_load_from(&source, slash == NULL ? path : slash + 1, out, err);
}
