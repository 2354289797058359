/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what the table of options has read: the canonical text, that of one worker, and the manual's list of options. */
#include "broker/parent/config_option.h"

static void
option_print(struct buf *b, const struct option *o, const void *base, const void *at)
{
	size_t before = b->len;

	print_text(b, o->name);
	if (o->type->print(b, o, base, at))
		print_text(b, "\n");
	else
		b->len = before;
}

static void
options_print(struct buf *b, const struct block *block, const void *base)
{
	for (const struct option *o = block->options; o->name != NULL; o++) {
		const char *at = (const char *)base + o->offset;
		size_t n = o->items_max == 0 ? 1 : *(const uint16_t *)((const char *)base + o->count_offset);

		for (size_t i = 0; i < n && (o->flags & OPTION_ADMIN) == 0; i++)
			option_print(b, o, base, at + i * o->item_size);
	}
}

void
block_print(struct buf *b, const struct block *block, const void *base)
{
	print_text(b, "{\n");
	options_print(b, block, base);
	print_text(b, "}");
}

void
config_print(const struct config *c, struct buf *out)
{
	options_print(out, &block_top, c);
}

void
config_print_worker(const struct config *c, const char *name, struct buf *out)
{
	for (const struct option *o = block_top.options; o->name != NULL; o++) {
		size_t n = o->type == &type_named ? *(const uint16_t *)((const char *)c + o->count_offset) : 0;

		for (size_t i = 0; i < n; i++) {
			const void *at = (const char *)c + o->offset + i * o->item_size;

			if (strcmp(o->name, "service") != 0 && strcmp(o->name, "profile") != 0 && strcmp(*(const char *const *)at, name) == 0)
				option_print(out, o, c, at);
		}
	}
}

/* The manual's list of options. */

/* mdoc wants each sentence on a line of its own. */
static void
manual_sentences(struct buf *out, const char *text)
{
	for (const char *s = text; *s != '\0'; s++) {
		bool ends = s > text && s[-1] == '.' && *s == ' ';

		buf_put(out, ends ? "\n" : s, 1);
	}
	print_text(out, "\n");
}

/* Of the types that have them; every number that a user id may be needs no saying. */
static void
manual_bounds(struct buf *out, const struct option *o)
{
	static const struct option_type *const bounded[] = {&type_number, &type_count, &type_duration, &type_size};
	const int64_t *const ends[] = {&o->min, &o->max};
	bool has = false;

	for (size_t i = 0; i < sizeof(bounded) / sizeof(bounded[0]); i++)
		has = has || o->type == bounded[i];
	has = has && (o->type != &type_number || o->max < UINT32_MAX - 1);
	for (size_t i = o->min == 0 ? 1 : 0; has && i < 2; i++) {
		print_text(out, i == 0 ? "At least" : o->min == 0 ? "At most" : "and at most");
		print_text(out, "\n.Li");
		if (o->type == &type_number || o->type == &type_count)
			print_number(out, *ends[i]);
		else
			(void)o->type->print(out, o, NULL, ends[i]);
		print_text(out, i == 0 ? "\n" : " .\n");
	}
}

static void
manual_block(struct buf *out, const struct block *block)
{
	print_text(out, ".Bl -tag -width Ds\n");
	for (const struct option *o = block->options; o->name != NULL; o++) {
		if ((o->flags & OPTION_CANONICAL) != 0)
			continue;
		print_text(out, ".It Ic ");
		print_text(out, o->name);
		print_text(out, " Ar ");
		print_text(out, o->argument == NULL ? o->type->argument : o->argument);
		print_text(out, "\n");
		manual_sentences(out, o->help);
		manual_bounds(out, o);
		if (o->preset != NULL && o->type != &type_block) {
			print_text(out, "Default:\n.Li ");
			print_text(out, o->preset[0] == '"' ? "" : o->preset);
			for (const char *s = o->preset; *s != '\0' && o->preset[0] == '"'; s++)
				if (*s != '"')
					buf_put(out, s, 1);
			print_text(out, " .\n");
		}
		if (o->block != NULL)
			manual_block(out, o->block);
	}
	print_text(out, ".El\n");
}

void
config_manual(struct buf *out)
{
	manual_block(out, &block_top);
}
