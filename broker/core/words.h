/* SPDX-License-Identifier: Apache-2.0 */
/* Words of a fixed list, found with a mend for one that is nearly right. Private to core. */
#ifndef CS_CORE_WORDS_H
#define CS_CORE_WORDS_H

#include "broker/base/buf.h"

enum { WORD_MAX = 24 };

struct word {
	const char *name;
	const char *mend; /* when another word is one or two letters away from this one */
};

#define WORD(name)                                                                                 \
	{                                                                                          \
		name, "did you mean \"" name "\"?"                                                 \
	}

/*
 * Lower case of A to Z, so that it does not depend on a locale. At most WORD_MAX bytes; longer
 * words become empty and so match nothing.
 */
struct view word_lower(struct view word, char mem[WORD_MAX]);

/* Index of the word, or -1 with the mend: the nearest word, or `all`. Entries with an empty name match nothing. */
int word_find(struct view word, const struct word *words, size_t n, const char *all, const char **mend);

#endif
