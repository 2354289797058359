/* SPDX-License-Identifier: Apache-2.0 */
/* `controls`: what falls when a provider falls, each sort of thing with its own spelling. */
#include "broker/parent/config_option.h"

#include <ctype.h>

#include "broker/core/types.h"

enum {
	DOMAIN_MAX = 253,       /* RFC 1035, 2.3.4, without the final dot */
	DOMAIN_LABEL_MAX = 63,
	PHONE_DIGITS_MAX = 4,   /* a factor remembers the first four digits of its number, and no more */
	AAGUID_LEN = 36,
	TITLE_MAX = 64,
};

/* RFC 1035, 2.3.1, of two labels or more: one label is a whole registry. */
static bool
domain_sound(const char *value, size_t len)
{
	size_t label = 0, dots = 0;

	if (len == 0 || len > DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (value[i] == '.') {
			if (label == 0 || value[i - 1] == '-')
				return false;
			dots++;
			label = 0;
		} else if (!(isalnum((unsigned char)value[i]) || (value[i] == '-' && label > 0)) || ++label > DOMAIN_LABEL_MAX) {
			return false;
		}
	}
	return dots > 0 && label > 0 && value[len - 1] != '-';
}

static bool
phone_sound(const char *value, size_t len)
{
	if (len < 2 || len > 1 + PHONE_DIGITS_MAX || value[0] != '+' || value[1] == '0')
		return false;
	for (size_t i = 1; i < len; i++) {
		if (!isdigit((unsigned char)value[i]))
			return false;
	}
	return true;
}

static bool
aaguid_sound(const char *value, size_t len)
{
	if (len != AAGUID_LEN)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? value[i] != '-' : !isxdigit((unsigned char)value[i]))
			return false;
	}
	return true;
}

static bool
kind_sound(const char *value, size_t len)
{
	return factor_kind_find(view_of(value, len)) != FACTOR__COUNT;
}

static const struct sort {
	const char *name;
	bool (*sound)(const char *value, size_t len);
	const char *what, *mend;
} sorts[] = {
	{"mail-domain", domain_sound, "is no mail domain", "write it like: controls mail-domain \"icloud.com\""},
	{"phone", phone_sound, "is no beginning of a phone number",
	    "write + and the first one to four digits, like: controls phone \"+86\""},
	{"aaguid", aaguid_sound, "is no AAGUID",
	    "write 32 hexadecimal digits in groups, like: controls aaguid \"fbfc3007-154e-4ecc-8c0b-6e020557d7bd\""},
	{"kind", kind_sound, "is no kind of factor", "write one of: totp webauthn otp pam recovery approve"},
};

enum { SORTS = sizeof(sorts) / sizeof(sorts[0]) };

static const struct sort *
sort_read(struct reader *r, struct config_control *control)
{
	const char *names[SORTS + 1] = {0};

	for (size_t i = 0; i < SORTS; i++) {
		names[i] = sorts[i].name;
		if (strcmp(sorts[i].name, r->words.text) == 0)
			return reader_take_text(r, &control->kind) ? &sorts[i] : NULL;
	}
	(void)reader_fail_unknown(r, "thing that a provider controls:", names);
	return NULL;
}

/* What people call it stands behind it in quotes; an option never does. */
static bool
title_read(struct reader *r, struct config_control *control)
{
	if (r->words.type != WORD_QUOTED)
		return true;
	if (r->words.len == 0 || r->words.len > TITLE_MAX)
		return reader_fail(r, "write a short name for people", "a title must have 1 to %d bytes", TITLE_MAX);
	return reader_take_text(r, &control->title);
}

static bool
control_read(struct reader *r, const struct option *o, void *base, void *at)
{
	struct config_control *control = at;
	const struct sort *sort;

	(void)base;
	*control = (struct config_control){0};
	sort = sort_read(r, control);
	if (sort == NULL)
		return false;
	if (!words_at_value(&r->words))
		return reader_fail(r, sort->mend, "%s %s needs a value", o->name, sort->name);
	for (size_t k = 0; k < r->words.len; k++)
		r->words.text[k] = (char)tolower((unsigned char)r->words.text[k]);
	if (!sort->sound(r->words.text, r->words.len))
		return reader_fail(r, sort->mend, "\"%.80s\" %s", r->words.text, sort->what);
	return reader_take_text(r, &control->value) && title_read(r, control);
}

static bool
control_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	const struct config_control *control = at;

	(void)o;
	(void)base;
	print_text(b, " ");
	print_text(b, control->kind);
	print_quoted(b, control->value);
	if (control->title != NULL)
		print_quoted(b, control->title);
	return true;
}

const struct option_type type_control = {"mail-domain|phone|aaguid|kind VALUE [TITLE]", control_read, control_print, NULL};
