/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a long piece of work is: a bar on a terminal, a plain line now and then elsewhere, both on stderr; with --json
 * an object a line on stdout. The work has phases; each has a name of its own and counts one sort of thing.
 */
#ifndef CS_CTL_BAR_H
#define CS_CTL_BAR_H

#include "broker/ctl/ctl.h"

struct bar {
	const struct ctl *ctl;
	bool tty, drawn;
	const char *phase;         /* "records"; NULL before the first */
	uint64_t done, total;      /* total 0: not known */
	uint64_t begun;            /* what was done when it began here: a resumed one has a rate of its own */
	int64_t started_ms, told_ms;
};

void bar_init(struct bar *b, const struct ctl *ctl);
/* Ends the phase before, and begins this one with `done` done already. phase NULL: none. */
void bar_phase(struct bar *b, const char *phase, uint64_t done, uint64_t total);
/* To be called often: it draws a few times a second. */
void bar_at(struct bar *b, uint64_t done);
/* The total grew. */
void bar_total(struct bar *b, uint64_t total);
/* A sentence between, without hurting the bar. With --json {"note": "..."}. */
void bar_note(struct bar *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Takes the bar off the screen, so that something else may be printed. */
void bar_clear(struct bar *b);

/* "1,234,567" */
const char *bar_number(uint64_t n, char to[32]);
/* "7 s", "3 min", "2 h 5 min" */
const char *bar_span(int64_t ms, char to[32]);

#endif
