/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts that people read on the pages, in every language. Each subject has a table of its own: an enum in texts_NAME.h
 * that begins at its TEXTS_ base, its words in texts_NAME.c, and a row in texts.c. This file's own are what every page has.
 */
#ifndef CS_GATEWAY_TEXTS_H
#define CS_GATEWAY_TEXTS_H

#include "broker/base/buf.h"

enum language { LANGUAGE_EN, LANGUAGE_ZH, LANGUAGE_COUNT };

/* The first number of each table; a text is its table's base plus its place in it. */
enum { TEXTS_EACH_MAX = 256, TEXTS_FRAME = 0, TEXTS_STEP = 256, TEXTS_ENROL = 512, TEXTS_VIEW = 768, TEXTS_DEVICE = 1024 };

enum frame_text {
	TEXT_BRAND = TEXTS_FRAME,
	TEXT_LANGUAGE,
	TEXT_PROBLEM,
	TEXT_PROBLEM_PREFIX,
	TEXT_BACK,
	TEXT_START_AGAIN,
	TEXT_GO_BACK,
	TEXT_SIGNED_IN,
	TEXT_SIGN_IN_FAILED,
	TEXT_UNKNOWN_PAGE,
	TEXT_MALFORMED_PAGE,
	TEXT_EXPIRED_PAGE,
	TEXT_USED_PAGE,
	TEXT_OTHER_BROWSER,
	TEXT_FOREIGN_FORM,
	TEXT_BAD_REQUEST,
	TEXT_TOO_MANY,
	TEXT_UNAVAILABLE,
	TEXT_FRAME_END
};

/* The words of one text, by language; UTF-8, never empty. */
struct text {
	const char *words[LANGUAGE_COUNT];
};

struct text_table {
	const char *name;
	unsigned base, end;       /* base <= text < end */
	const struct text *texts; /* end - base of them */
};

/* Ended by NULL. */
extern const struct text_table *const text_tables[];
extern const struct text_table frame_texts, step_texts, enrol_texts, view_texts, device_texts;

/* Never empty. */
struct view text_get(unsigned text, enum language language);
/* BCP 47 tag, and the language's name for itself. */
struct view language_tag(enum language language);
struct view language_name(enum language language);
/* What the browser asks for (RFC 9110 section 12.5.4), English where it asks for nothing that we have. */
enum language language_choose(struct view accept_language);
/* By its tag ("en", "zh"); false where unknown. */
bool language_find(struct view tag, enum language *language);

#endif
