/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of reasons and of notes, and the names of the small enums of types.h. */
#include "broker/core/reason.h"

#include "broker/base/check.h"
#include "broker/core/note.h"

static const struct {
	const char *name;
	enum outcome outcome;
	const char *en, *zh;
} reasons[REASON__COUNT] = {
#define X(id, name, outcome, en, zh) [REASON_##id] = {name, OUTCOME_##outcome, en, zh},
	REASONS(X)
#undef X
};

const char *
reason_name(enum reason reason)
{
	CHECK((unsigned)reason < REASON__COUNT);
	return reasons[reason].name;
}

enum outcome
reason_outcome(enum reason reason)
{
	CHECK((unsigned)reason < REASON__COUNT);
	return reasons[reason].outcome;
}

const char *
reason_text_en(enum reason reason)
{
	CHECK((unsigned)reason < REASON__COUNT);
	return reasons[reason].en;
}

const char *
reason_text_zh(enum reason reason)
{
	CHECK((unsigned)reason < REASON__COUNT);
	return reasons[reason].zh;
}

static const char *const ops[OP__COUNT] = {"none", "spend", "link", "factor", "grant", "limit", "thaw", "recover",
	"view"};
static const char *const outcomes[] = {"deny", "step_up", "permit"};
static const char *const factor_kinds[FACTOR__COUNT] = {"totp", "webauthn", "otp", "pam", "recovery", "approve"};
static const char *const authors[AUTHOR__COUNT] = {"user", "admin", "broker"};

const char *
op_name(enum op op)
{
	CHECK((unsigned)op < OP__COUNT);
	return ops[op];
}

enum op
op_find(struct view name)
{
	for (int i = OP_NONE + 1; i < OP__COUNT; i++) {
		if (view_equal(name, view_str(ops[i])))
			return (enum op)i;
	}
	return OP_NONE;
}

const char *
outcome_name(enum outcome outcome)
{
	CHECK((unsigned)outcome <= OUTCOME_PERMIT);
	return outcomes[outcome];
}

const char *
factor_kind_name(enum factor_kind kind)
{
	CHECK((unsigned)kind < FACTOR__COUNT);
	return factor_kinds[kind];
}

enum factor_kind
factor_kind_find(struct view name)
{
	for (int i = 0; i < FACTOR__COUNT; i++) {
		if (view_equal(name, view_str(factor_kinds[i])))
			return (enum factor_kind)i;
	}
	return FACTOR__COUNT;
}

const char *
author_name(enum author author)
{
	CHECK((unsigned)author < AUTHOR__COUNT);
	return authors[author];
}

static const struct {
	const char *name, *text;
} notes[NOTE__COUNT] = {
	[NOTE_NONE] = {"", ""},
#define X(id, name, text) [NOTE_##id] = {name, text},
	NOTES(X)
#undef X
};

const char *
note_name(enum note note)
{
	CHECK((unsigned)note < NOTE__COUNT);
	return notes[note].name;
}

const char *
note_text(enum note note)
{
	CHECK((unsigned)note < NOTE__COUNT);
	return notes[note].text;
}

enum note
note_find(struct view name)
{
	for (int i = NOTE_NONE + 1; i < NOTE__COUNT; i++) {
		if (view_equal(name, view_str(notes[i].name)))
			return (enum note)i;
	}
	return NOTE_NONE;
}
