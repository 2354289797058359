/* SPDX-License-Identifier: Apache-2.0 */
/* Tables with aligned columns, and objects as lines: nothing that the daemon said is left out. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/ctl/print.h"

enum {
	COLUMNS_MAX = 32,           /* no object of the interfaces has more members; further ones are not shown */
	CELL_MAX = 6 * JSON_TEXT_MAX, /* a message whose every byte is escaped */
	GAP = 2,                    /* blanks between columns */
	SIZE_SUFFIX = sizeof("_bytes") - 1,
	TENURE_SHOWN = 8,           /* digits of a run id */
	LINE_WIDTH = 100,           /* columns of a terminal that an admin has */
};

struct columns {
	struct view names[COLUMNS_MAX];
	size_t widths[COLUMNS_MAX];
	size_t count;
};

static bool
is_word_column(struct view name)
{
	return view_equal(name, VIEW("state")) || view_equal(name, VIEW("outcome")) || view_equal(name, VIEW("result"));
}

static bool
columns_have(const struct columns *c, struct view name)
{
	for (size_t i = 0; i < c->count; i++)
		if (view_equal(c->names[i], name))
			return true;
	return false;
}

static void
columns_add(struct columns *c, struct view name)
{
	if (c->count < COLUMNS_MAX && !columns_have(c, name))
		c->names[c->count++] = name;
}

/* The members of all rows that are there in at least one; where `first` is given, those of it. */
static void
columns_find(const struct ctl *ctl, struct columns *c, uint32_t array, const char *const *first)
{
	for (size_t i = 0; first != NULL && first[i] != NULL; i++) {
		uint32_t row = json_first(&ctl->doc, array);

		for (unsigned r = 0; r < ctl->doc.tokens[array].count; r++) {
			if (json_type(&ctl->doc, row) == JSON_OBJECT && json_get(&ctl->doc, row, view_str(first[i])) != 0)
				columns_add(c, view_str(first[i]));
			row = json_next(&ctl->doc, row);
		}
	}
	for (uint32_t row = json_first(&ctl->doc, array), r = 0; r < ctl->doc.tokens[array].count; r++) {
		uint32_t at = json_first(&ctl->doc, row);

		for (unsigned i = 0; json_type(&ctl->doc, row) == JSON_OBJECT && i < ctl->doc.tokens[row].count; i++) {
			if (json_type(&ctl->doc, at + 1) != JSON_NULL)
				columns_add(c, json_text(&ctl->doc, at));
			at = json_next(&ctl->doc, at + 1);
		}
		row = json_next(&ctl->doc, row);
	}
}

static bool
is_size(struct view name)
{
	return name.len > SIZE_SUFFIX && memcmp(name.data + name.len - SIZE_SUFFIX, "_bytes", SIZE_SUFFIX) == 0;
}

/* 18197 of a member called something_bytes: "17.7 KiB", under the name "something". */
static bool
size_text(const struct ctl *ctl, struct bytes *cell, uint32_t key)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	struct view name = json_text(&ctl->doc, key);
	int64_t bytes = 0, tenths;
	size_t unit = 0;
	char text[40];

	if (!is_size(name) ||
	    json_type(&ctl->doc, key + 1) != JSON_NUMBER || json_int(&ctl->doc, key + 1, &bytes) != CS_OK ||
	    bytes < 0 || bytes > INT64_MAX / 10)
		return false;
	for (tenths = bytes * 10; tenths >= 10240 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		tenths /= 1024;
	cell->buf.len = 0;
	if (unit == 0 || tenths % 10 == 0)
		buf_put(&cell->buf, text, (size_t)snprintf(text, sizeof(text), "%lld %s", (long long)(tenths / 10), units[unit]));
	else
		buf_put(&cell->buf, text, (size_t)snprintf(text, sizeof(text), "%lld.%lld %s", (long long)(tenths / 10),
		    (long long)(tenths % 10), units[unit]));
	return true;
}

/* The cell's text, escaped, in `cell`, which is emptied first. */
static struct view
cell_text(const struct ctl *ctl, struct bytes *cell, uint32_t row, struct view name)
{
	uint32_t value = json_type(&ctl->doc, row) == JSON_OBJECT ? json_get(&ctl->doc, row, name) : 0;

	cell->buf.len = 0;
	if (value == 0)
		buf_put_u8(&cell->buf, '-');
	else if (!size_text(ctl, cell, value - 1))
		text_value(ctl, &cell->buf, value);
	/* Who serves a bucket, and since which start: to be told from another, not to be typed. */
	if (view_equal(name, VIEW("tenure")) && cell->buf.len > TENURE_SHOWN)
		cell->buf.len = TENURE_SHOWN;
	return buf_view(&cell->buf);
}

static struct view
title_text(const struct ctl *ctl, struct bytes *cell, struct view name)
{
	cell->buf.len = 0;
	text_escape(ctl, &cell->buf, is_size(name) ? view_of(name.data, name.len - SIZE_SUFFIX) : name);
	for (size_t i = 0; i < cell->buf.len; i++)
		cell->buf.data[i] = cell->buf.data[i] == '_' ? ' ' : (uint8_t)toupper(cell->buf.data[i]);
	return buf_view(&cell->buf);
}

static void
columns_measure(const struct ctl *ctl, struct columns *c, struct bytes *cell, uint32_t array)
{
	for (size_t i = 0; i < c->count; i++) {
		uint32_t row = json_first(&ctl->doc, array);

		c->widths[i] = text_width(ctl, title_text(ctl, cell, c->names[i]));
		for (unsigned r = 0; r < ctl->doc.tokens[array].count; r++) {
			size_t width = text_width(ctl, cell_text(ctl, cell, row, c->names[i]));

			if (width > c->widths[i])
				c->widths[i] = width;
			row = json_next(&ctl->doc, row);
		}
	}
}

static void
print_cell(const struct ctl *ctl, const struct columns *c, size_t i, struct view text, const char *color)
{
	size_t blanks = c->widths[i] + GAP - text_width(ctl, text);

	(void)printf("%s%.*s%s", color, (int)text.len, text.data, color_off(ctl, color));
	if (i + 1 < c->count)
		(void)printf("%*s", (int)blanks, "");
	else
		(void)putchar('\n');
}

void
print_table(const struct ctl *ctl, uint32_t array, const char *const *first, int indent)
{
	struct columns c = {.count = 0};
	uint32_t row = json_first(&ctl->doc, array);
	struct bytes cell;

	bytes_init(&cell, CELL_MAX);
	columns_find(ctl, &c, array, first);
	columns_measure(ctl, &c, &cell, array);
	(void)printf("%*s", indent, "");
	for (size_t i = 0; i < c.count; i++)
		print_cell(ctl, &c, i, title_text(ctl, &cell, c.names[i]), color_strong(ctl));
	for (unsigned r = 0; r < ctl->doc.tokens[array].count; r++) {
		(void)printf("%*s", indent, "");
		for (size_t i = 0; i < c.count; i++) {
			struct view text = cell_text(ctl, &cell, row, c.names[i]);

			print_cell(ctl, &c, i, text, is_word_column(c.names[i]) ? color_of(ctl, text) : "");
		}
		row = json_next(&ctl->doc, row);
	}
	bytes_clear(&cell);
}

static bool
is_table(const struct ctl *ctl, uint32_t token)
{
	return json_type(&ctl->doc, token) == JSON_ARRAY && ctl->doc.tokens[token].count > 0 &&
	    json_type(&ctl->doc, token + 1) == JSON_OBJECT;
}

static bool
is_block(const struct ctl *ctl, uint32_t token)
{
	return is_table(ctl, token) ||
	    (json_type(&ctl->doc, token) == JSON_OBJECT && ctl->doc.tokens[token].count > 0);
}

static struct view
name_text(const struct ctl *ctl, struct bytes *cell, struct view name)
{
	cell->buf.len = 0;
	text_escape(ctl, &cell->buf, is_size(name) ? view_of(name.data, name.len - SIZE_SUFFIX) : name);
	for (size_t i = 0; i < cell->buf.len; i++)
		if (cell->buf.data[i] == '_')
			cell->buf.data[i] = ' ';
	return buf_view(&cell->buf);
}

/* A sentence goes on below itself where the line is full. */
static void
print_wrapped(const struct ctl *ctl, struct view text, size_t from)
{
	size_t column = from;

	while (text.len > 0) {
		const char *blank = memchr(text.data, ' ', text.len);
		struct view word = view_of(text.data, blank == NULL ? text.len : (size_t)(blank - text.data));
		size_t width = text_width(ctl, word);

		if (column > from && column + 1 + width > LINE_WIDTH) {
			(void)printf("\n%*s", (int)from, "");
			column = from;
		} else if (column > from) {
			(void)putchar(' ');
			column++;
		}
		(void)printf("%.*s", (int)word.len, word.data);
		column += width;
		text = blank == NULL ? VIEW("") : view_of(blank + 1, text.len - word.len - 1);
	}
}

/* "name   value", names padded to `width`. */
static void
print_line(const struct ctl *ctl, struct bytes *cell, uint32_t key, size_t width, int indent)
{
	struct view name = json_text(&ctl->doc, key);
	struct view text = name_text(ctl, cell, name);
	const char *color;

	(void)printf("%*s%.*s%*s", indent, "", (int)text.len, text.data, (int)(width + GAP - text_width(ctl, text)), "");
	if (!size_text(ctl, cell, key)) {
		cell->buf.len = 0;
		text_value(ctl, &cell->buf, key + 1);
	}
	text = buf_view(&cell->buf);
	color = is_word_column(name) ? color_of(ctl, text) : "";
	(void)printf("%s", color);
	print_wrapped(ctl, text, (size_t)indent + width + GAP);
	(void)printf("%s\n", color_off(ctl, color));
}

static void
print_block(const struct ctl *ctl, struct bytes *cell, uint32_t key, int indent)
{
	struct view name = name_text(ctl, cell, json_text(&ctl->doc, key));
	const char *strong = color_strong(ctl);

	(void)printf("\n%*s%s%.*s%s\n", indent, "", strong, (int)name.len, name.data, color_off(ctl, strong));
	if (is_table(ctl, key + 1))
		print_table(ctl, key + 1, NULL, indent + GAP);
	else
		print_object(ctl, key + 1, indent + GAP);
}

/* What has nothing to say in text: null, an empty list, and what the caller has said already. */
static bool
is_silent(const struct ctl *ctl, uint32_t key, const char *said)
{
	enum json_type type = json_type(&ctl->doc, key + 1);

	if (said != NULL && view_equal(json_text(&ctl->doc, key), view_str(said)))
		return true;
	return type == JSON_NULL || ((type == JSON_ARRAY || type == JSON_OBJECT) && ctl->doc.tokens[key + 1].count == 0);
}

void
print_object(const struct ctl *ctl, uint32_t token, int indent)
{
	print_object_but(ctl, token, indent, NULL);
}

void
print_object_but(const struct ctl *ctl, uint32_t token, int indent, const char *said)
{
	unsigned count = ctl->doc.tokens[token].count;
	size_t width = 0;
	struct bytes cell;

	bytes_init(&cell, CELL_MAX);
	/* First how wide the names are, then the plain lines, then what takes more than a line. */
	for (int pass = 0; json_type(&ctl->doc, token) == JSON_OBJECT && pass < 3; pass++) {
		uint32_t at = json_first(&ctl->doc, token);

		for (unsigned i = 0; i < count; i++) {
			size_t len = text_width(ctl, name_text(ctl, &cell, json_text(&ctl->doc, at)));
			bool silent = is_silent(ctl, at, said);

			if (!silent && pass == 0 && !is_block(ctl, at + 1))
				width = len > width ? len : width;
			else if (!silent && pass == 1 && !is_block(ctl, at + 1))
				print_line(ctl, &cell, at, width, indent);
			else if (!silent && pass == 2 && is_block(ctl, at + 1))
				print_block(ctl, &cell, at, indent);
			at = json_next(&ctl->doc, at + 1);
		}
	}
	bytes_clear(&cell);
}
