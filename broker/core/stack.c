/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling the lines of a stack, and running them as pam_dispatch() of Linux-PAM does. */
#include "broker/core/stack.h"

#include "broker/base/check.h"
#include "broker/core/rule.h"
#include "broker/core/words.h"

/* --- words --- */

static const struct word operation_words[OP__COUNT] = {
    [OP_NONE] = {"", ""},
    [OP_SPEND] = WORD("spend"),
    [OP_LINK] = WORD("link"),
    [OP_FACTOR] = WORD("factor"),
    [OP_GRANT] = WORD("grant"),
    [OP_LIMIT] = WORD("limit"),
    [OP_THAW] = WORD("thaw"),
    [OP_RECOVER] = WORD("recover"),
    [OP_VIEW] = WORD("view"),
};

static const struct word result_words[RESULT__COUNT + 1] = {
    [RESULT_SUCCESS] = WORD("success"),
    [RESULT_IGNORE] = WORD("ignore"),
    [RESULT_DENIED] = WORD("denied"),
    [RESULT_EXCEEDED] = WORD("exceeded"),
    [RESULT_UNVERIFIED] = WORD("unverified"),
    [RESULT_UNAVAILABLE] = WORD("unavailable"),
    [RESULT_ERROR] = WORD("error"),
    [RESULT__COUNT] = WORD("default"), /* in brackets only */
};

enum control {
	CONTROL_REQUIRED,
	CONTROL_REQUISITE,
	CONTROL_SUFFICIENT,
	CONTROL_OPTIONAL,
	CONTROL_INCLUDE,
	CONTROL_SUBSTACK,
	CONTROL__COUNT
};

static const struct word control_words[CONTROL__COUNT] = {
    [CONTROL_REQUIRED] = WORD("required"),
    [CONTROL_REQUISITE] = WORD("requisite"),
    [CONTROL_SUFFICIENT] = WORD("sufficient"),
    [CONTROL_OPTIONAL] = WORD("optional"),
    [CONTROL_INCLUDE] = WORD("include"),
    [CONTROL_SUBSTACK] = WORD("substack"),
};

#define CONTROLS_ALL                                                                               \
	"the controls are required, requisite, sufficient, optional, include, substack, and pairs in brackets like "  \
	"[success=ok default=bad]"

/* pam.conf(5): what each keyword means for success, for ignore, and for all else. */
static const struct {
	int8_t success, ignore, rest;
} control_actions[] = {
    [CONTROL_REQUIRED] = {ACTION_OK, ACTION_IGNORE, ACTION_BAD},
    [CONTROL_REQUISITE] = {ACTION_OK, ACTION_IGNORE, ACTION_DIE},
    [CONTROL_SUFFICIENT] = {ACTION_DONE, ACTION_IGNORE, ACTION_IGNORE},
    [CONTROL_OPTIONAL] = {ACTION_OK, ACTION_IGNORE, ACTION_IGNORE},
};

static const struct word action_words[] = {WORD("ignore"), WORD("ok"), WORD("done"), WORD("bad"), WORD("die"),
    WORD("reset")};
static const int8_t actions_named[] = {ACTION_IGNORE, ACTION_OK, ACTION_DONE, ACTION_BAD, ACTION_DIE, ACTION_RESET};

enum { ACTIONS_NAMED = sizeof(actions_named) / sizeof(actions_named[0]) };

const char *
result_name(enum result result)
{
	CHECK((unsigned)result < RESULT__COUNT);
	return result_words[result].name;
}

enum result
result_find(struct view name)
{
	const char *mend;
	int found = word_find(name, result_words, RESULT__COUNT, "", &mend);

	return found < 0 ? RESULT__COUNT : (enum result)found;
}

enum op
stack_operation(struct view word, bool *lenient, struct stack_error *err)
{
	bool dash = word.len > 0 && word.data[0] == '-';
	char mem[WORD_MAX];
	const char *mend;
	int found;

	if (dash)
		word = view_of(word.data + 1, word.len - 1);
	found = word_find(word_lower(word, mem), operation_words, OP__COUNT,
	    "the operations are spend, link, factor, grant, limit, thaw, recover and view", &mend);
	if (found < 0) {
		*err = (struct stack_error){.arg = STACK_AT_OPERATION, .message = "unknown operation", .mend = mend};
		return OP_NONE;
	}
	*lenient = dash;
	return (enum op)found;
}

/* --- controls --- */

static int
control_find(struct view control, const char **mend)
{
	char mem[WORD_MAX];

	return word_find(word_lower(control, mem), control_words, CONTROL__COUNT, CONTROLS_ALL, mend);
}

bool
stack_is_include(struct view control)
{
	const char *mend;

	return control_find(control, &mend) == CONTROL_INCLUDE;
}

bool
stack_is_substack(struct view control)
{
	const char *mend;

	return control_find(control, &mend) == CONTROL_SUBSTACK;
}

struct brackets {
	struct view text;
	size_t at;
	struct stack_error *err;
};

static bool
brackets_fail(struct brackets *b, struct view part, const char *message, const char *mend)
{
	*b->err = (struct stack_error){.arg = STACK_AT_CONTROL, .message = message, .mend = mend,
	    .at = (size_t)(part.data - b->text.data), .len = part.len};
	return false;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* A blank, or a backslash that joins the next line. */
static bool
brackets_at_blank(const struct brackets *b)
{
	const char *at = b->text.data + b->at;

	return is_blank(at[0]) || (at[0] == '\\' && b->at + 1 < b->text.len && at[1] == '\n');
}

static void
brackets_skip(struct brackets *b)
{
	while (b->at < b->text.len && brackets_at_blank(b))
		b->at++;
}

/* Up to a blank, "=" or the end; and the blanks after it. */
static struct view
brackets_word(struct brackets *b)
{
	size_t from = b->at;

	while (b->at < b->text.len && b->text.data[b->at] != '=' && !brackets_at_blank(b))
		b->at++;
	struct view word = view_of(b->text.data + from, b->at - from);

	brackets_skip(b);
	return word;
}

static bool
action_parse(struct brackets *b, struct view word, int8_t *action)
{
	const char *mend;
	int found = word_find(word, action_words, ACTIONS_NAMED,
	    "the actions are ok, done, bad, die, ignore, reset, and a number of lines to skip", &mend);
	int n = 0;

	if (found >= 0) {
		*action = actions_named[found];
		return true;
	}
	for (size_t i = 0; i < word.len; i++) {
		if (word.data[i] < '0' || word.data[i] > '9')
			return brackets_fail(b, word, "unknown action", mend);
		if (n <= STACK_JUMP_MAX)
			n = n * 10 + (word.data[i] - '0');
	}
	if (n == 0)
		return brackets_fail(b, word, "a jump over no line", "write how many lines to skip, or: ignore");
	if (n > STACK_JUMP_MAX)
		return brackets_fail(b, word, "the jump is too far", "skip at most 64 lines");
	*action = (int8_t)n;
	return true;
}

/* RESULT=ACTION. *result is RESULT__COUNT for `default`. */
static bool
pair_parse(struct brackets *b, struct view name, int *result, int8_t *action)
{
	const char *mend, *other;
	struct view word;

	*result = word_find(name, result_words, RESULT__COUNT + 1,
	    "the results are success, ignore, denied, exceeded, unverified, unavailable, error and default", &mend);
	if (*result < 0 && control_find(name, &other) >= 0)
		return brackets_fail(b, name, "a keyword stands in brackets", "write it without them");
	if (*result < 0)
		return brackets_fail(b, name, "unknown result", mend);
	if (b->at == b->text.len || b->text.data[b->at] != '=')
		return brackets_fail(b, name, "a result without an action", "write RESULT=ACTION, like success=ok");
	b->at++;
	brackets_skip(b);
	word = brackets_word(b);
	if (word.len == 0)
		return brackets_fail(b, name, "a result without an action", "write RESULT=ACTION, like success=ok");
	return action_parse(b, word, action);
}

static bool
brackets_parse(struct brackets *b, int8_t actions[RESULT__COUNT])
{
	bool set[RESULT__COUNT + 1] = {false};

	for (int r = 0; r < RESULT__COUNT; r++)
		actions[r] = ACTION_BAD;
	for (brackets_skip(b); b->at < b->text.len;) {
		struct view name = brackets_word(b);
		int8_t action = ACTION_BAD;
		int result;

		if (name.len == 0)
			return brackets_fail(b, view_of(b->text.data + b->at, 1), "an action without a result",
			    "write RESULT=ACTION, like success=ok");
		if (!pair_parse(b, name, &result, &action))
			return false;
		if (set[result])
			return brackets_fail(b, name, "the result is written twice", "write it once");
		set[result] = true;
		/* `default` is for what no pair names, wherever it stands. */
		for (int r = 0; r < RESULT__COUNT; r++) {
			if (r == result || (result == RESULT__COUNT && !set[r]))
				actions[r] = action;
		}
	}
	for (int r = 0; r <= RESULT__COUNT; r++) {
		if (set[r])
			return true;
	}
	return brackets_fail(b, view_of(b->text.data, 0), "the brackets are empty", "write pairs like [success=ok "
	    "default=bad]");
}

static bool
has_pair(struct view control)
{
	for (size_t i = 0; i < control.len; i++) {
		if (control.data[i] == '=')
			return true;
	}
	return false;
}

static bool
control_fail(struct stack_error *err, const char *message, const char *mend)
{
	*err = (struct stack_error){.arg = STACK_AT_CONTROL, .message = message, .mend = mend};
	return false;
}

bool
stack_control(struct view control, int8_t actions[RESULT__COUNT], struct stack_error *err)
{
	int8_t parsed[RESULT__COUNT];
	const char *mend;
	int found;

	if (control.len > 0 && control.data[0] == '[') {
		struct stack_error why;
		/* Offsets count from the bracket, which is left out here. */
		struct brackets b = {view_of(control.data + 1, control.len - 1), 0, &why};

		if (control.len < 2 || control.data[control.len - 1] != ']')
			return control_fail(err, "the brackets are not closed", "write ] after the last pair");
		b.text.len--;
		if (!brackets_parse(&b, parsed)) {
			why.at++;
			*err = why;
			return false;
		}
		memcpy(actions, parsed, sizeof(parsed));
		return true;
	}
	found = control_find(control, &mend);
	if (found < 0 && has_pair(control))
		return control_fail(err, "pairs stand without brackets", "write them in brackets, like [success=ok default=bad]");
	if (found < 0)
		return control_fail(err, "unknown control", mend);
	if (found == CONTROL_INCLUDE || found == CONTROL_SUBSTACK)
		return control_fail(err, "this control names a file", "write it in a stack's file");
	for (int r = 0; r < RESULT__COUNT; r++) {
		actions[r] = r == RESULT_SUCCESS  ? control_actions[found].success
			     : r == RESULT_IGNORE ? control_actions[found].ignore
						  : control_actions[found].rest;
	}
	return true;
}

/* --- a line --- */

static bool
line_fail(struct stack_error *err, int arg, const char *message, const char *mend)
{
	*err = (struct stack_error){.arg = arg, .message = message, .mend = mend};
	return false;
}

/* A level is entered by a mark, and left at any line. */
static bool
level_check(const struct stack *s, const struct stack_line *line, struct stack_error *err)
{
	const struct stack_line *before = s->count[line->op] == 0 ? NULL : &s->lines[s->first[line->op] +
	    s->count[line->op] - 1];
	unsigned deepest = before == NULL ? 0 : before->level + (before->substack ? 1U : 0U);

	if (line->level >= STACK_LEVELS_MAX || line->level > deepest)
		return line_fail(err, STACK_AT_OPERATION, "the line is in no substack", "begin the substack before it");
	return true;
}

static bool
line_parse(struct stack *s, struct stack_line *line, const struct stack_text *text, struct stack_error *err)
{
	line->op = (uint8_t)stack_operation(text->operation, &line->lenient, err);
	if (line->op == OP_NONE)
		return false;
	line->substack = stack_is_substack(text->control);
	if (!line->substack)
		return stack_control(text->control, line->actions, err) && rule_parse(s, line, text, err);
	if (text->args_n > 0)
		return line_fail(err, 0, "substack takes one file", "write a line of its own for each file");
	line->rule = RULE__COUNT;
	return true;
}

enum cs_err
stack_add(struct stack *s, const struct stack_text *text, struct stack_error *err)
{
	struct stack_line line = {
	    .file = text->file, .number = text->number, .level = text->level, .index = s->lines_n};
	struct stack_error why;
	size_t to;

	if (s->lines_n == STACK_LINES_MAX) {
		line_fail(err, STACK_AT_OPERATION, "the stack is full", "write at most 256 lines, with what is included");
		return CS_ERR_FULL;
	}
	if (!line_parse(s, &line, text, &why) || !level_check(s, &line, &why)) {
		*err = why;
		return CS_ERR_SYNTAX;
	}
	/* The programs lie one after the other, by operation. */
	to = (size_t)s->first[line.op] + s->count[line.op];
	memmove(&s->lines[to + 1], &s->lines[to], (s->lines_n - to) * sizeof(line));
	s->lines[to] = line;
	s->lines_n++;
	s->count[line.op]++;
	if (line.rule == RULE_RISK)
		s->risk_ops |= (uint16_t)(1U << line.op);
	for (int op = line.op + 1; op < OP__COUNT; op++)
		s->first[op]++;
	return CS_OK;
}

/*
 * Where a jump over n lines leads: past n lines of the same level, or past the end of the (sub)stack; *bad then, as it
 * would skip lines that are not there.
 */
static const struct stack_line *
jump(const struct stack_line *from, const struct stack_line *end, int n, bool *bad)
{
	const struct stack_line *to = from + 1;

	for (; n > 0 && to < end && to->level >= from->level; n--) {
		/* What is in a substack goes with its mark. */
		do
			to++;
		while (to < end && to->level > from->level);
	}
	*bad = n > 0;
	return to;
}

bool
stack_finish(const struct stack *s, struct stack_error *err)
{
	for (int op = 0; op < OP__COUNT; op++) {
		const struct stack_line *line = &s->lines[s->first[op]], *end = line + s->count[op];

		for (; line < end; line++) {
			for (int r = 0; r < RESULT__COUNT; r++) {
				bool bad = false;

				if (line->actions[r] > 0)
					(void)jump(line, end, line->actions[r], &bad);
				if (!bad)
					continue;
				line_fail(err, STACK_AT_CONTROL, "the jump goes past the end of its stack",
				    "skip fewer lines; a substack counts as one, and what is included line by line");
				err->index = line->index;
				return false;
			}
		}
	}
	return true;
}

/* --- running it --- */

enum impression { IMPRESSION_UNDEF, IMPRESSION_POSITIVE, IMPRESSION_NEGATIVE };

struct impressed {
	uint8_t impression; /* enum impression */
	uint8_t status;     /* enum result */
	uint16_t reason;
};

static const struct impressed unimpressed = {IMPRESSION_UNDEF, RESULT_DENIED, REASON_NONE};

/* What an action that is no jump makes of the state. True: the (sub)stack ends here. */
static bool
impress(struct impressed *d, int action, enum result result, enum reason reason)
{
	switch (action) {
	case ACTION_OK:
	case ACTION_DONE:
		if (d->impression == IMPRESSION_UNDEF ||
		    (d->impression == IMPRESSION_POSITIVE && d->status == RESULT_SUCCESS))
			*d = (struct impressed){IMPRESSION_POSITIVE, (uint8_t)result, (uint16_t)reason};
		/* After a failure a sufficient line ends nothing. */
		return action == ACTION_DONE && d->impression == IMPRESSION_POSITIVE;
	case ACTION_BAD:
	case ACTION_DIE:
		if (d->impression != IMPRESSION_NEGATIVE)
			*d = (struct impressed){IMPRESSION_NEGATIVE,
			    result == RESULT_IGNORE ? RESULT_DENIED : (uint8_t)result, (uint16_t)reason};
		return action == ACTION_DIE;
	default:
		return false;
	}
}

/* Asks one line, and writes it down. *action: what its result leads to. */
static enum result
line_ask(const struct stack_run *run, const struct stack_line *line, struct stack_verdict *v, enum reason *reason,
    int *action)
{
	enum result result = run->ask(run->ctx, line, reason);

	if ((unsigned)result < RESULT__COUNT) {
		*action = line->actions[result];
	} else {
		*action = ACTION_BAD;
		result = RESULT_DENIED;
	}
	v->executed[v->executed_n].line = (uint16_t)(line - run->stack->lines);
	v->executed[v->executed_n++].result = (uint8_t)result;
	return result;
}

void
stack_evaluate(const struct stack_run *run, struct stack_verdict *v)
{
	const struct stack_line *line = &run->stack->lines[run->stack->first[run->op]];
	const struct stack_line *end = line + run->stack->count[run->op];
	struct impressed d = unimpressed, entered[STACK_LEVELS_MAX]; /* the state when a level was entered */
	unsigned level = 0;

	entered[0] = unimpressed;
	v->executed_n = 0;
	while (line < end) {
		enum reason reason = REASON_NONE;
		enum result result;
		int action;
		bool bad;

		if (line->level > level)
			entered[line->level] = d;
		level = line->level;
		if (line->substack) {
			line++;
			continue;
		}
		result = line_ask(run, line, v, &reason, &action);
		if (action > 0) {
			line = jump(line, end, action, &bad);
			if (bad)
				d = (struct impressed){IMPRESSION_NEGATIVE, RESULT_DENIED, REASON_NONE};
			continue;
		}
		if (action == ACTION_RESET)
			d = entered[level];
		if (impress(&d, action, result, reason))
			while (line + 1 < end && line[1].level >= level)
				line++;
		line++;
	}
	v->permit = d.impression == IMPRESSION_POSITIVE && d.status == RESULT_SUCCESS;
	/* No success without a yes. */
	v->status = d.impression == IMPRESSION_POSITIVE || d.status != RESULT_SUCCESS ? (enum result)d.status : RESULT_DENIED;
	v->reason = v->permit ? REASON_NONE : d.reason == REASON_NONE ? REASON_STACK : (enum reason)d.reason;
}
