/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a word in a list, and the nearest one when it is not there. */
#include "broker/core/words.h"

struct view
word_lower(struct view word, char mem[WORD_MAX])
{
	if (word.len > WORD_MAX)
		return view_of(NULL, 0);
	for (size_t i = 0; i < word.len; i++) {
		char c = word.data[i];

		mem[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	return view_of(mem, word.len);
}

static size_t
min3(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* Levenshtein's distance, row by row; both at most WORD_MAX long. */
static size_t
word_distance(struct view a, struct view b)
{
	size_t row[WORD_MAX + 1];

	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			size_t above = row[j];

			row[j] = min3(
			    above + 1, row[j - 1] + 1, corner + (a.data[i - 1] != b.data[j - 1]));
			corner = above;
		}
	}
	return row[b.len];
}

int
word_find(struct view word, const struct word *words, size_t n, const char *all, const char **mend)
{
	size_t nearest = n, distance = 3;

	for (size_t i = 0; i < n; i++) {
		struct view name = view_str(words[i].name);
		size_t d;

		if (name.len == 0)
			continue;
		if (view_equal(word, name))
			return (int)i;
		d = word.len == 0 || word.len > WORD_MAX ? distance : word_distance(word, name);
		/* Short words are near to everything. */
		if (d < distance && d < name.len - 1) {
			nearest = i;
			distance = d;
		}
	}
	*mend = nearest < n ? words[nearest].mend : all;
	return -1;
}
