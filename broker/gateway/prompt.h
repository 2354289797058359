/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person is asked, as fields of a form. The n-th thing that is asked (n from 1) is named in the form by the hidden
 * field step<n>, and answered by code<n> (from which blanks are taken out) or value<n>, or, where it has several prompts, by
 * code<n>.<index> or value<n>.<index>.
 */
#ifndef CS_GATEWAY_PROMPT_H
#define CS_GATEWAY_PROMPT_H

#include "broker/gateway/html.h"
#include "broker/gateway/pages.h"

enum {
	PROMPT_STEPS_MAX = 4,	   /* answers in one form: no more factors than that are ever asked together */
	PROMPTS_MAX = 4,	   /* of one step; plugin.h allows no more */
	PROMPT_NAME_MAX = 16,
	PROMPT_VALUE_MAX = 12 * 1024, /* the engine takes no more: a passkey's answer */
};

/* How the fields of one form are written. */
struct prompt_form {
	unsigned fields;     /* written so far: the first one has the focus */
	bool wrong;	     /* the answer before was not right: fields say so */
	bool optional;	     /* not every field has to be filled in */
};

/* "code", "text", "secret" or "choice": something that a field asks for. */
bool prompt_is_field(struct view type);
/*
 * Label and field for one prompt: {type, label, digits?, choices?}, the index-th (or alone: -1) of the n-th step. label, where
 * it is not empty, is said instead of the prompt's own.
 */
void prompt_field(struct page *p, struct prompt_form *form, const struct exchange_result *prompt, unsigned n, int index,
    struct view label);
/* Plain text for people, line by line: sentences as paragraphs; what looks like a code as a list to print or write down. */
void prompt_lines(struct page *p, struct view text);
/* "step<n>", say; where index >= 0, "step<n>.<index>". */
void prompt_name(char to[PROMPT_NAME_MAX], const char *what, unsigned n, int index);
/* <input type="hidden">; id may be NULL. */
void prompt_hidden(struct page *p, const char *id, const char *name, struct view value);

/*
 * The form's answers as the array `answers` of a call: [{step, value, prompt?}]. Codes lose the blanks that people type.
 * False: the form holds no answer, or one that is too long; nothing is answered.
 */
bool prompt_answers(const struct form *form, struct json_writer *w);
/* The same question without writing. */
bool prompt_answered(const struct form *form);

#endif
