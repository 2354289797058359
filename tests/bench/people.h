/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks: a file of lines of two words, "session account" or "sign_in id_token", held in memory.
 */
#ifndef CS_BENCH_PEOPLE_H
#define CS_BENCH_PEOPLE_H

#include <stdbool.h>
#include <stddef.h>

struct word {
	const char *text;
	size_t len;
};

struct person {
	struct word first, second;
};

struct people {
	struct person *people;
	size_t n, next;
};

/* Exits with a message where the file cannot be read or has no line. */
void people_read(struct people *p, const char *path);
/* Anybody, at random; or, `once`, each in turn and then NULL. */
const struct person *people_pick(struct people *p, bool once);

#endif
