/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts a configuration file into words, and says where each one stands. */
#include "broker/parent/config_words.h"

#include <stdarg.h>
#include <stdio.h>

#include "broker/base/utf8.h"

bool
config_fail(struct config_error *err, struct config_place place, const char *word, const char *mend,
    const char *format, ...)
{
	va_list ap;

	memset(err, 0, sizeof(*err));
	snprintf(err->file, sizeof(err->file), "%s", place.file == NULL ? "" : place.file);
	err->line = place.line;
	err->column = place.column;
	snprintf(err->word, sizeof(err->word), "%s", word == NULL ? "" : word);
	snprintf(err->mend, sizeof(err->mend), "%s", mend == NULL ? "" : mend);
	va_start(ap, format);
	vsnprintf(err->message, sizeof(err->message), format, ap);
	va_end(ap);
	return false;
}

bool
text_printable(const char *text, size_t len)
{
	const uint8_t *s = (const uint8_t *)text, *end = len == 0 ? s : s + len;

	while (s < end) {
		uint32_t code;
		size_t n = utf8_sequence(s, end, &code);

		if (n == 0 || !utf8_code_printable(code))
			return false;
		s += n;
	}
	return true;
}

void
words_init(struct words *w, const char *file, struct view text)
{
	w->at = text.data;
	w->end = text.len == 0 ? text.data : text.data + text.len;
	w->next = (struct config_place){file, 1, 1};
	w->type = WORD_LINE;
	w->place = w->next;
	w->len = 0;
	w->text[0] = '\0';
}

static char
take(struct words *w)
{
	char c = *w->at++;

	if (c == '\n') {
		w->next.line++;
		w->next.column = 1;
	} else {
		w->next.column++;
	}
	return c;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void
skip_blank(struct words *w)
{
	while (w->at < w->end && is_space(*w->at))
		take(w);
	if (w->at < w->end && *w->at == '#')
		while (w->at < w->end && *w->at != '\n')
			take(w);
}

static bool
word_add(struct words *w, char c, struct config_error *err)
{
	if (w->len == WORD_MAX)
		return config_fail(err, w->place, w->text, "shorten it", "a word is longer than %d bytes", WORD_MAX);
	w->text[w->len++] = c;
	w->text[w->len] = '\0';
	return true;
}

static bool
read_quoted(struct words *w, struct config_error *err)
{
	take(w);
	w->type = WORD_QUOTED;
	while (w->at < w->end && *w->at != '"' && *w->at != '\n') {
		char c = take(w);

		if (c == '\\') {
			if (w->at == w->end || (*w->at != '"' && *w->at != '\\'))
				return config_fail(err, w->place, "", "write \\\" or \\\\",
				    "a backslash in quotes stands before something else than a quote or a backslash");
			c = take(w);
		}
		if (!word_add(w, c, err))
			return false;
	}
	if (w->at == w->end || *w->at != '"')
		return config_fail(err, w->place, "", "close the quotes on the same line", "quotes are not closed");
	take(w);
	if (!text_printable(w->text, w->len))
		return config_fail(err, w->place, "", "write it in UTF-8, without control characters",
		    "text in quotes is not printable UTF-8");
	return true;
}

static bool
read_bare(struct words *w, struct config_error *err)
{
	w->type = WORD_BARE;
	while (w->at < w->end && !is_space(*w->at) && strchr("\n{}\"#", *w->at) == NULL) {
		if (*w->at <= 0x20 || *w->at >= 0x7f)
			return config_fail(err, w->next, w->text, "put the text in quotes",
			    "a byte outside printable ASCII stands outside quotes");
		if (!word_add(w, take(w), err))
			return false;
	}
	if (w->len == 0 || (w->at < w->end && (*w->at == '"' || *w->at == '#' || *w->at == '\0')))
		return config_fail(err, w->next, w->text, "put a space between words, or quotes round the whole",
		    "a word runs into a quote, a comment or a NUL byte");
	return true;
}

bool
words_next(struct words *w, struct config_error *err)
{
	static const struct {
		char c;
		enum word_type type;
	} signs[] = {{'\n', WORD_LINE}, {'{', WORD_OPEN}, {'}', WORD_CLOSE}};

	skip_blank(w);
	w->place = w->next;
	w->len = 0;
	w->text[0] = '\0';
	if (w->at == w->end) {
		w->type = WORD_END;
		return true;
	}
	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		if (*w->at == signs[i].c) {
			w->type = signs[i].type;
			w->text[0] = take(w);
			w->text[1] = '\0';
			return true;
		}
	}
	return *w->at == '"' ? read_quoted(w, err) : read_bare(w, err);
}

enum { NEAREST_LEN = 32 };

/* Edits between a and b (insert, delete, replace), both at most NEAREST_LEN long. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[NEAREST_LEN + 1], n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t best = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

const char *
name_nearest(const char *word, size_t count, const char *(*name_at)(const void *names, size_t i), const void *names)
{
	const char *found = NULL;
	size_t best = 3;  /* three edits make another word */

	if (strlen(word) > NEAREST_LEN)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		const char *name = name_at(names, i);
		size_t d;

		if (strlen(name) > NEAREST_LEN)
			continue;
		d = distance(word, name);
		if (d < best && d < strlen(name)) {
			best = d;
			found = name;
		}
	}
	return found;
}
