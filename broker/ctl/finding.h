/* SPDX-License-Identifier: Apache-2.0 */
/* What `check` finds, and how it is shown: grouped by file, with what, why, how to mend it, and an example where there is one. */
#ifndef CS_CTL_FINDING_H
#define CS_CTL_FINDING_H

#include "broker/ctl/ctl.h"
#include "broker/ctl/walk.h"
#include "broker/parent/config.h"

enum {
	FINDINGS_MAX = 256,     /* further ones wait until these are mended */
	FINDING_TEXT_MAX = 400,
};

struct finding {
	bool unsafe;                  /* fails the check; else a warning */
	const struct config_line *at; /* NULL: of the configuration as a whole */
	char what[FINDING_TEXT_MAX], why[FINDING_TEXT_MAX], mend[FINDING_TEXT_MAX];
	/* The example: what the lines answered, in order. line NULL: unknown. */
	uint16_t rows_n;
	struct {
		const struct config_line *line;
		uint8_t result;
	} rows[WALK_LINES_MAX];
};

struct findings {
	size_t n;
	size_t unsafe;  /* how many failed the check, kept or not */
	size_t lost;    /* had no room */
	struct finding all[FINDINGS_MAX + 1]; /* the last one takes what has no room */
};

/* A new one, to be completed. */
struct finding *finding_add(struct findings *f, const struct config_line *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* It fails the check. */
void finding_fail(struct findings *to, struct finding *f);
/* Append to the texts of one. */
void finding_why(struct finding *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
void finding_mend(struct finding *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* By place; those that say the same of the same place are one. */
void findings_sort(struct findings *f);

/* "checkout:5": without the directory. */
const char *finding_place(const struct config_line *line, char *to, size_t size);
/* Rule and arguments of a line, cut where they are longer. */
const char *finding_rule(const struct config_line *line, char *to, size_t size);

void findings_print(struct ctl *ctl, const struct findings *f);
/* Those that are unsafe, or all others, as the elements of a JSON array. */
void findings_print_json(struct ctl *ctl, const struct findings *f, bool unsafe);
/* "name": "text" */
void print_json_text(struct ctl *ctl, const char *name, const char *text);

#endif
