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
};

enum control {
	CONTROL_REQUIRED,
	CONTROL_REQUISITE,
	CONTROL_SUFFICIENT,
	CONTROL_OPTIONAL,
	CONTROL__COUNT
};

static const struct word control_words[CONTROL__COUNT] = {
    [CONTROL_REQUIRED] = WORD("required"),
    [CONTROL_REQUISITE] = WORD("requisite"),
    [CONTROL_SUFFICIENT] = WORD("sufficient"),
    [CONTROL_OPTIONAL] = WORD("optional"),
};

/* pam.conf(5): what each keyword means for success, for ignore, and for all else. */
static const struct {
	uint8_t success, ignore, rest;
} control_actions[CONTROL__COUNT] = {
    [CONTROL_REQUIRED] = {ACTION_OK, ACTION_IGNORE, ACTION_BAD},
    [CONTROL_REQUISITE] = {ACTION_OK, ACTION_IGNORE, ACTION_DIE},
    [CONTROL_SUFFICIENT] = {ACTION_DONE, ACTION_IGNORE, ACTION_IGNORE},
    [CONTROL_OPTIONAL] = {ACTION_OK, ACTION_IGNORE, ACTION_IGNORE},
};

const char *
result_name(enum result result)
{
	static const char *const names[RESULT__COUNT] = {
	    "success", "ignore", "denied", "exceeded", "unverified", "unavailable", "error"};

	CHECK((unsigned)result < RESULT__COUNT);
	return names[result];
}

/* --- a line --- */

static bool
head_parse(struct stack_line *line, const struct stack_text *text, struct stack_error *err)
{
	char mem[WORD_MAX];
	const char *mend;
	int found;

	found = word_find(word_lower(text->operation, mem), operation_words, OP__COUNT,
	    "the operations are spend, link, factor, grant, limit, thaw and recover", &mend);
	if (found < 0) {
		*err = (struct stack_error){STACK_AT_OPERATION, "unknown operation", mend};
		return false;
	}
	line->op = (uint8_t)found;

	found = word_find(word_lower(text->control, mem), control_words, CONTROL__COUNT,
	    "the controls are required, requisite, sufficient and optional", &mend);
	if (found < 0) {
		*err = (struct stack_error){STACK_AT_CONTROL, "unknown control", mend};
		return false;
	}
	for (int r = 0; r < RESULT__COUNT; r++) {
		line->actions[r] = r == RESULT_SUCCESS  ? control_actions[found].success
				      : r == RESULT_IGNORE ? control_actions[found].ignore
							   : control_actions[found].rest;
	}
	return true;
}

enum cs_err
stack_add(struct stack *s, const struct stack_text *text, struct stack_error *err)
{
	struct stack_line line = {.need = 1,
	    .number = text->number,
	    .max_age_ms = -1,
	    .per_payment_minor = -1,
	    .per_day_minor = -1,
	    .per_month_minor = -1,
	    .count_day = -1,
	    .count_month = -1};
	struct stack_error why;

	if (s->lines_n == STACK_LINES_MAX) {
		*err = (struct stack_error){
		    STACK_AT_OPERATION, "the stack is full", "write at most 64 lines"};
		return CS_ERR_FULL;
	}
	if (!head_parse(&line, text, &why) || !rule_parse(&line, text, &why)) {
		*err = why;
		return CS_ERR_SYNTAX;
	}
	s->lines[s->lines_n++] = line;
	return CS_OK;
}

/* --- running it --- */

enum impression { IMPRESSION_UNDEF, IMPRESSION_POSITIVE, IMPRESSION_NEGATIVE };

struct dispatch {
	enum impression impression;
	enum result status;
	enum reason reason;
};

/* True: the stack ends here. */
static bool
dispatch_step(struct dispatch *d, enum action action, enum result result, enum reason reason)
{
	switch (action) {
	case ACTION_IGNORE:
		return false;
	case ACTION_OK:
	case ACTION_DONE:
		if (d->impression == IMPRESSION_UNDEF ||
		    (d->impression == IMPRESSION_POSITIVE && d->status == RESULT_SUCCESS))
			*d = (struct dispatch){IMPRESSION_POSITIVE, result, reason};
		/* After a failure a sufficient line ends nothing. */
		return action == ACTION_DONE && d->impression == IMPRESSION_POSITIVE;
	case ACTION_BAD:
	case ACTION_DIE:
		break;
	}
	if (d->impression != IMPRESSION_NEGATIVE)
		*d = (struct dispatch){
		    IMPRESSION_NEGATIVE, result == RESULT_IGNORE ? RESULT_DENIED : result, reason};
	return action == ACTION_DIE;
}

void
stack_evaluate(const struct stack_run *run, struct stack_verdict *verdict)
{
	struct dispatch d = {IMPRESSION_UNDEF, RESULT_DENIED, REASON_NONE};
	uint64_t executed = 0;

	for (size_t i = 0; i < run->stack->lines_n; i++) {
		const struct stack_line *line = &run->stack->lines[i];
		enum reason reason = REASON_NONE;
		enum action action = ACTION_BAD;
		enum result result;

		if (line->op != run->op)
			continue;
		result = run->ask(run->ctx, line, &reason);
		executed |= UINT64_C(1) << i;
		if ((unsigned)result < RESULT__COUNT)
			action = (enum action)line->actions[result];
		else
			result = RESULT_DENIED;
		if (dispatch_step(&d, action, result, reason))
			break;
	}
	verdict->permit = d.impression == IMPRESSION_POSITIVE && d.status == RESULT_SUCCESS;
	verdict->reason = verdict->permit	    ? REASON_NONE
			  : d.reason == REASON_NONE ? REASON_STACK
						    : d.reason;
	verdict->executed = executed;
}
