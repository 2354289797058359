/* SPDX-License-Identifier: Apache-2.0 */
/* Findings: kept, sorted, printed. */
#include "broker/ctl/finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/ctl/print.h"

enum { PLACE_MAX = 300, RULE_MAX = 160 };

/* --- making --- */

struct finding *
finding_add(struct findings *f, const struct config_line *at, const char *format, ...)
{
	struct finding *to = &f->all[f->n];
	va_list ap;

	if (f->n < FINDINGS_MAX)
		f->n++;
	else
		f->lost++;
	memset(to, 0, sizeof(*to));
	to->at = at;
	va_start(ap, format);
	(void)vsnprintf(to->what, sizeof(to->what), format, ap);
	va_end(ap);
	return to;
}

void
finding_fail(struct findings *to, struct finding *f)
{
	f->unsafe = true;
	to->unsafe++;
}

static void __attribute__((format(printf, 2, 0)))
append(char *to, const char *format, va_list ap)
{
	size_t len = strlen(to);

	(void)vsnprintf(to + len, FINDING_TEXT_MAX - len, format, ap);
}

void
finding_why(struct finding *f, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	append(f->why, format, ap);
	va_end(ap);
}

void
finding_mend(struct finding *f, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	append(f->mend, format, ap);
	va_end(ap);
}

static int
compare(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;
	int order;

	if ((x->at == NULL) != (y->at == NULL))
		return x->at == NULL ? -1 : 1;
	order = x->at == NULL ? 0 : strcmp(x->at->file, y->at->file);
	if (order == 0 && x->at != NULL && x->at->operation.line != y->at->operation.line)
		order = x->at->operation.line < y->at->operation.line ? -1 : 1;
	if (order == 0)
		order = (int)y->unsafe - (int)x->unsafe;
	return order != 0 ? order : strcmp(x->what, y->what);
}

void
findings_sort(struct findings *f)
{
	size_t n = 0;

	qsort(f->all, f->n, sizeof(f->all[0]), compare);
	for (size_t i = 0; i < f->n; i++) {
		if (n > 0 && compare(&f->all[n - 1], &f->all[i]) == 0)
			continue;
		if (n != i)
			f->all[n] = f->all[i];
		n++;
	}
	f->n = n;
}

/* --- texts of lines --- */

const char *
finding_place(const struct config_line *line, char *to, size_t size)
{
	const char *slash = strrchr(line->file, '/');

	(void)snprintf(to, size, "%s:%u", slash == NULL ? line->file : slash + 1, line->operation.line);
	return to;
}

const char *
finding_rule(const struct config_line *line, char *to, size_t size)
{
	size_t len = (size_t)snprintf(to, size, "%s", line->rule.text);

	for (uint16_t i = 0; i < line->argument_count && len < size; i++)
		len += (size_t)snprintf(to + len, size - len, " %s", line->arguments[i].text);
	return to;
}

/* --- printing --- */

static void
put_escaped(struct ctl *ctl, const char *before, const char *text, const char *then)
{
	struct bytes out;

	bytes_init(&out, 8 * FINDING_TEXT_MAX);
	text_escape(ctl, &out.buf, view_str(text));
	(void)printf("%s%.*s%s", before, (int)out.buf.len, (const char *)out.buf.data, then);
	bytes_clear(&out);
}

static void
print_rows(struct ctl *ctl, const struct finding *f)
{
	char place[PLACE_MAX], rule[RULE_MAX];
	int places = 0, rules = 0;

	for (uint16_t i = 0; i < f->rows_n; i++) {
		int wide = (int)strlen(finding_place(f->rows[i].line, place, sizeof(place)));

		places = wide > places ? wide : places;
		wide = (int)strlen(finding_rule(f->rows[i].line, rule, sizeof(rule)));
		rules = wide > rules ? wide : rules;
	}
	for (uint16_t i = 0; i < f->rows_n; i++) {
		char padded[PLACE_MAX + RULE_MAX + 8];

		(void)snprintf(padded, sizeof(padded), "%-*s  %-*s", places, finding_place(f->rows[i].line, place, sizeof(place)),
		    rules, finding_rule(f->rows[i].line, rule, sizeof(rule)));
		put_escaped(ctl, i == 0 ? "    for example:\n        " : "        ", padded, "  ");
		(void)printf("%s\n", result_name((enum result)f->rows[i].result));
	}
}

void
findings_print(struct ctl *ctl, const struct findings *f)
{
	const char *red = color_of(ctl, VIEW("failed")), *yellow = color_of(ctl, VIEW("stale"));

	for (size_t i = 0; i < f->n; i++) {
		const struct finding *one = &f->all[i];
		const struct finding *before = i == 0 ? NULL : &f->all[i - 1];
		const char *color = one->unsafe ? red : yellow;
		char place[PLACE_MAX];

		if (before != NULL && one->at != NULL && (before->at == NULL || strcmp(before->at->file, one->at->file) != 0))
			(void)printf("\n");
		if (one->at != NULL) {
			(void)snprintf(place, sizeof(place), "%s:%u", one->at->file, one->at->operation.line);
			put_escaped(ctl, "", place, ": ");
		}
		(void)printf("%s%s:%s", color, one->unsafe ? "error" : "warning", color_off(ctl, color));
		put_escaped(ctl, " ", one->what, "\n");
		if (one->why[0] != '\0')
			put_escaped(ctl, "    why: ", one->why, "\n");
		if (one->mend[0] != '\0')
			put_escaped(ctl, "    to mend it: ", one->mend, "\n");
		print_rows(ctl, one);
	}
	if (f->lost > 0)
		(void)printf("\nand %zu more: mend these first\n", f->lost);
}

void
print_json_text(struct ctl *ctl, const char *name, const char *text)
{
	char copy[512]; /* longer than any text of struct config_error or struct finding */
	struct json_token token = {.type = JSON_STRING, .next = 1};

	token.len = (uint32_t)snprintf(copy, sizeof(copy), "%s", text);
	ctl->doc = (struct json){copy, &token, 1};
	(void)printf("\"%s\": ", name);
	print_json_value(ctl, 0);
}

static void
print_rows_json(struct ctl *ctl, const struct finding *f)
{
	char rule[RULE_MAX];

	(void)printf(", \"example\": [");
	for (uint16_t i = 0; i < f->rows_n; i++) {
		(void)printf("%s{", i > 0 ? ", " : "");
		print_json_text(ctl, "file", f->rows[i].line->file);
		(void)printf(", \"line\": %u, ", f->rows[i].line->operation.line);
		print_json_text(ctl, "rule", finding_rule(f->rows[i].line, rule, sizeof(rule)));
		(void)printf(", \"result\": \"%s\"}", result_name((enum result)f->rows[i].result));
	}
	(void)printf("]");
}

void
findings_print_json(struct ctl *ctl, const struct findings *f, bool unsafe)
{
	bool any = false;

	for (size_t i = 0; i < f->n; i++) {
		const struct finding *one = &f->all[i];

		if (one->unsafe != unsafe)
			continue;
		(void)printf("%s{", any ? ", " : "");
		any = true;
		if (one->at != NULL) {
			print_json_text(ctl, "file", one->at->file);
			(void)printf(", \"line\": %u, ", one->at->operation.line);
		}
		print_json_text(ctl, "message", one->what);
		(void)printf(", ");
		print_json_text(ctl, "why", one->why);
		(void)printf(", ");
		print_json_text(ctl, "mend", one->mend);
		if (one->rows_n > 0)
			print_rows_json(ctl, one);
		(void)printf("}");
	}
}
