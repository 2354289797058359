/* SPDX-License-Identifier: Apache-2.0 */
/* What the mends share; private to mend*.c. Each is tried before it is said. */
#ifndef CS_CTL_MEND_INTERNAL_H
#define CS_CTL_MEND_INTERNAL_H

#include "broker/core/money.h"
#include "broker/ctl/mend.h"
#include "broker/ctl/trial.h"

enum {
	SENTENCE_MAX = 1024,
	PLACE_MAX = 160,
	AMOUNT_MAX = MONEY_TEXT_MAX + 8,
	RAISES_MAX = 8, /* who must change more than that at once is not helped by a sentence */
};

struct mend {
	struct json_writer *w;
	const struct suppose *s;
	const struct decision *d;
	/* the line of the stack that said no, where one did */
	const struct config_line *line;
	const struct stack_line *compiled;
	uint16_t index;
	char place[PLACE_MAX]; /* "checkout:5" */
	struct trial *trial;   /* scratch */
};

void mend_say(const struct mend *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A change that was tried: m->trial has its decision. Where more is in the way, this says what. */
void mend_say_rest(const struct mend *m, const char *or, const char *text);
/* "20.00 CNY" */
const char *mend_amount(int64_t minor, uint16_t currency, char to[AMOUNT_MAX]);
/* "checkout:5" */
void mend_place(const struct config_line *line, char to[PLACE_MAX]);
const char *mend_provider(const struct mend *m);
/* "totp or webauthn" */
void mend_kinds(uint8_t kinds, char *to, size_t size);
/* Those of the supposed account. */
uint8_t mend_kinds_held(const struct suppose *s);

/* mend_limit.c */
void mend_limit(const struct mend *m);
void mend_undefined(const struct mend *m);
void mend_known_payee(const struct mend *m);
/* mend_factor.c */
void mend_factor(const struct mend *m);

#endif
