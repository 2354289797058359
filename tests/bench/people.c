/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the file whole and cuts it in place. */
#include "tests/bench/people.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/bench/driver.h"

static char *
file_read(const char *path)
{
	FILE *f = fopen(path, "re");
	struct stat st;
	char *text;

	if (f == NULL || fstat(fileno(f), &st) < 0)
		err(1, "cannot read %s", path);
	text = malloc((size_t)st.st_size + 1);
	if (text == NULL || fread(text, 1, (size_t)st.st_size, f) != (size_t)st.st_size)
		err(1, "cannot read %s", path);
	text[st.st_size] = '\0';
	fclose(f);
	return text;
}

void
people_read(struct people *p, const char *path)
{
	char *text = file_read(path), *rest = NULL;
	size_t cap = 0;

	*p = (struct people){0};
	for (char *line = strtok_r(text, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		char *space = strchr(line, ' ');

		if (space == NULL)
			errx(1, "%s: line %zu: two words expected", path, p->n + 1);
		if (p->n == cap) {
			cap = cap * 2 + 1024;
			p->people = realloc(p->people, cap * sizeof(*p->people));
			if (p->people == NULL)
				err(1, "realloc");
		}
		p->people[p->n++] = (struct person){.first = {line, (size_t)(space - line)},
		    .second = {space + 1, strlen(space + 1)}};
	}
	if (p->n == 0)
		errx(1, "%s: empty", path);
}

const struct person *
people_pick(struct people *p, bool once)
{
	if (!once)
		return &p->people[driver_random() % p->n];
	return p->next < p->n ? &p->people[p->next++] : NULL;
}
