/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of a configuration file: bare words, quoted strings ("\"" and "\\" are the only escapes), braces and line
 * ends; "#" before a word starts a comment. Positions count bytes from 1.
 */
#ifndef CS_PARENT_CONFIG_WORDS_H
#define CS_PARENT_CONFIG_WORDS_H

#include "broker/parent/config.h"

enum { WORD_MAX = 1024 };  /* bytes; a URL or a path is the longest that anyone writes */

enum word_type { WORD_END, WORD_LINE, WORD_OPEN, WORD_CLOSE, WORD_BARE, WORD_QUOTED };

struct config_place {
	const char *file;
	unsigned line, column;
};

struct words {
	const char *at, *end;
	struct config_place next;  /* of the byte at `at` */
	/* The word that is being looked at. */
	enum word_type type;
	struct config_place place;
	size_t len;
	char text[WORD_MAX + 1];
};

/* Sets *err; always false, so that a check can end in `return config_fail(...)`. mend may be NULL. */
bool config_fail(struct config_error *err, struct config_place place, const char *word, const char *mend,
    const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Starts before the first word; file must outlive the words. */
void words_init(struct words *w, const char *file, struct view text);
/* Goes to the next word; false with *err where there is none that could be one. */
bool words_next(struct words *w, struct config_error *err);
static inline bool
words_at_value(const struct words *w)
{
	return w->type == WORD_BARE || w->type == WORD_QUOTED;
}

/* UTF-8 without anything that could forge or disorder a line of text. */
bool text_printable(const char *text, size_t len);

/* The nearest of `count` names to word, or NULL when none is near enough to be meant. name_at gives the i-th. */
const char *name_nearest(const char *word, size_t count, const char *(*name_at)(const void *names, size_t i),
    const void *names);

#endif
