/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts a stack's file into words, and says where each one stands. */
#include "broker/parent/config_stack_words.h"

#include "broker/base/check.h"

void
stack_words_init(struct stack_words *w, const char *file, const char *text)
{
	*w = (struct stack_words){.at = text, .next = {file, 1, 1}, .place = {file, 1, 1}};
}

static void
place_step(struct config_place *place, char c)
{
	if (c == '\n') {
		place->line++;
		place->column = 1;
	} else {
		place->column++;
	}
}

static void
skip(struct stack_words *w, size_t n)
{
	for (; n > 0; n--)
		place_step(&w->next, *w->at++);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Bytes of a backslash that joins the next line, or 0. */
static size_t
joint(const char *at)
{
	return at[0] == '\\' && at[1] == '\n' ? 2 : 0;
}

/* For Linux-PAM a carriage return belongs to the word before it. */
static bool
return_fail(struct stack_words *w, struct config_error *err)
{
	return config_fail(err, w->next, "", "save the file with the line ends of Unix",
	    "a carriage return stands in the line");
}

/* Linux-PAM reads on past what is empty after a backslash, and would lose the line that comes next. */
static bool
joint_check(struct stack_words *w, struct config_error *err)
{
	const char *at = w->at;

	while (is_blank(*at))
		at++;
	if (*at == '\n' || *at == '\0')
		return config_fail(err, w->next, "\\", "remove the backslash at the end of the line before",
		    "a backslash joins %s", *at == '\0' ? "the end of the file" : "an empty line");
	if (*at == '#')
		return config_fail(err, w->next, "#", "put the comment above the line, or remove the backslash",
		    "a backslash joins a comment");
	return true;
}

/* A backslash that looks as if it joined the next line. */
static bool
backslash_check(struct stack_words *w, struct config_error *err)
{
	const char *at = w->at + 1;

	while (is_blank(*at) || *at == '\r')
		at++;
	if (*at == '\0')
		return config_fail(err, w->next, "\\", "remove the backslash", "a backslash joins the end of the file");
	if (*at == '\n')
		return config_fail(err, w->next, "\\", "end the line with the backslash",
		    "blanks or a carriage return stand between a backslash and the end of its line");
	return true;
}

static bool
blanks_skip(struct stack_words *w, struct config_error *err)
{
	for (;;) {
		size_t n = joint(w->at);

		if (n > 0) {
			skip(w, n);
			w->joined = true;
			if (!joint_check(w, err))
				return false;
		} else if (is_blank(*w->at)) {
			skip(w, 1);
		} else {
			return *w->at != '\r' || return_fail(w, err);
		}
	}
}

static bool
brackets_read(struct stack_words *w, struct config_error *err)
{
	static const char mend[] = "write ] after the last word that belongs to it";

	do {
		if (w->at[0] == '\\' && w->at[1] == ']')
			skip(w, 1);
		else if (joint(w->at) > 0)
			w->joined = true;
		skip(w, joint(w->at) > 0 ? joint(w->at) : 1);
		if (*w->at == '\0' || *w->at == '\n')
			return config_fail(err, w->place, "[", mend, "the brackets are not closed");
		if (*w->at == '#')
			return config_fail(err, w->next, "#", "put the comment at the end of the line",
			    "a comment stands in brackets");
		if (*w->at == '\r')
			return return_fail(w, err);
		if (*w->at == '\\' && joint(w->at) == 0 && !backslash_check(w, err))
			return false;
	} while (*w->at != ']');
	skip(w, 1);
	if (*w->at == '\0' || *w->at == '\n' || *w->at == '#' || is_blank(*w->at) || joint(w->at) > 0)
		return true;
	return config_fail(err, w->next, "]", "write a space after the bracket", "text runs into a bracket");
}

static bool
bare_read(struct stack_words *w, struct config_error *err)
{
	while (*w->at != '\0' && *w->at != '\n' && *w->at != '#' && !is_blank(*w->at) && joint(w->at) == 0) {
		if (*w->at == '\r')
			return return_fail(w, err);
		if (*w->at == '\\' && !backslash_check(w, err))
			return false;
		skip(w, 1);
	}
	return true;
}

static bool
word_check(struct stack_words *w, struct config_error *err)
{
	char text[WORD_MAX + 1];
	size_t len;

	if (*w->at == '#')
		return config_fail(err, w->next, "#", "write a space before the comment", "a comment runs into a word");
	if (w->word.len <= WORD_MAX) {
		len = stack_word_text(w->word, true, text);
		if (text_printable(text, len))
			return true;
	}
	return config_fail(err, w->place, "", "write shorter words of printable UTF-8",
	    "a word is not printable, or longer than %d bytes", WORD_MAX);
}

bool
stack_words_next(struct stack_words *w, struct config_error *err)
{
	const char *from;

	w->word = view_of("", 0);
	w->comment = view_of(NULL, 0);
	if (!blanks_skip(w, err))
		return false;
	w->place = w->next;
	from = w->at;
	if (*from == '#') {
		while (*w->at != '\0' && *w->at != '\n')
			skip(w, 1);
		w->comment = view_of(from + 1, (size_t)(w->at - from) - 1);
		return true;
	}
	if (*from == '\0' || *from == '\n')
		return true;
	if (!(*from == '[' ? brackets_read(w, err) : bare_read(w, err)))
		return false;
	w->word = view_of(from, (size_t)(w->at - from));
	return word_check(w, err);
}

bool
stack_words_line(struct stack_words *w)
{
	CHECK(*w->at == '\n' || *w->at == '\0');
	w->joined = false;
	if (*w->at == '\0')
		return false;
	skip(w, 1);
	return *w->at != '\0';
}

/* Spaces of a control are not meant: one of them is kept between two words. */
static size_t
control_text(struct view word, char *to)
{
	size_t n = 0;

	for (size_t i = 0; i < word.len; i++) {
		size_t join = joint(word.data + i);

		if (join > 0 || is_blank(word.data[i])) {
			i += join > 0 ? join - 1 : 0;
			if (n > 1 && to[n - 1] != ' ')
				to[n++] = ' ';
			continue;
		}
		if (word.data[i] == ']' && i + 1 == word.len && to[n - 1] == ' ')
			n--;
		to[n++] = word.data[i];
	}
	return n;
}

static size_t
argument_text(struct view word, char *to)
{
	size_t n = 0;

	for (size_t i = 1; i + 1 < word.len; i++) {
		size_t join = joint(word.data + i);

		if (word.data[i] == '\\' && word.data[i + 1] == ']' && i + 2 < word.len)
			continue;
		to[n++] = join > 0 ? ' ' : word.data[i];
		i += join > 0 ? join - 1 : 0;
	}
	return n;
}

size_t
stack_word_text(struct view word, bool control, char to[WORD_MAX + 1])
{
	size_t n = word.len;

	CHECK(word.len <= WORD_MAX);
	if (word.len == 0 || word.data[0] != '[')
		memcpy(to, word.data, n);
	else
		n = control ? control_text(word, to) : argument_text(word, to);
	to[n] = '\0';
	return n;
}

struct config_place
stack_word_place(const struct stack_words *w, size_t offset)
{
	struct config_place place = w->place;

	for (size_t i = 0; i < offset && i < w->word.len; i++)
		place_step(&place, w->word.data[i]);
	return place;
}
