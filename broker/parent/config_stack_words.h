/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a stack's file, cut as Linux-PAM cuts them: at spaces and tabs; "[...]" is one word, in which "\]" is a
 * bracket; "#" where a word may begin starts a comment; a backslash at the end of a line joins the next one. What
 * Linux-PAM takes in ways that nobody expects is refused. Positions count bytes from 1.
 */
#ifndef CS_PARENT_CONFIG_STACK_WORDS_H
#define CS_PARENT_CONFIG_STACK_WORDS_H

#include "broker/parent/config_words.h"

struct stack_words {
	const char *at;            /* NUL-terminated text */
	struct config_place next;  /* of the byte at `at` */
	/* The word that is being looked at. */
	struct config_place place;
	struct view word;          /* as it stands in the file, with its brackets; empty: the line is over */
	struct view comment;       /* what follows the "#", where the line ended in a comment; data NULL: none */
	bool joined;               /* a backslash joined another line to this one */
};

/* Starts before the first word of text, which is NUL-terminated; file and text must outlive the words. */
void stack_words_init(struct stack_words *w, const char *file, const char *text);
/* Goes to the next word of the line; false with *err where there is none that could be one. */
bool stack_words_next(struct stack_words *w, struct config_error *err);
/* After the end of a line: goes to the next one. False at the end of the text. */
bool stack_words_line(struct stack_words *w);

/*
 * The word as it is meant, NUL-terminated; returns its length. A word in brackets loses them and its escapes (joined
 * lines become a space); with `control` it keeps them, and one space stands between its pairs.
 */
size_t stack_word_text(struct view word, bool control, char to[WORD_MAX + 1]);
/* Where the byte at this offset of the word stands. */
struct config_place stack_word_place(const struct stack_words *w, size_t offset);

#endif
