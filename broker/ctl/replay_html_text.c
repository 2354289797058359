/* SPDX-License-Identifier: Apache-2.0 */
/* Text, numbers, tables and sections of the report. */
#include <stdarg.h>
#include <stdio.h>

#include "broker/base/json.h"
#include "broker/core/money.h"
#include "broker/ctl/replay_html.h"

const enum outcome outcome_order[3] = {OUTCOME_PERMIT, OUTCOME_STEP_UP, OUTCOME_DENY};
const char *const outcome_words[3] = {"denied", "prompted", "permitted"};
const char *const outcome_classes[3] = {"deny", "ask", "permit"};

/* For our own words and numbers: nothing is escaped. */
void
page_put(struct page *p, const char *format, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		p->out->full = true;
	else
		buf_put(p->out, text, (size_t)n);
}

/* For names of others: whatever they are, they stay text, and turn nothing around that stands beside them. */
void
page_name(struct page *p, const char *name)
{
	bool good = json_printable(view_str(name));

	page_put(p, "<bdi>");
	for (const char *s = name; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '&' || c == '<' || c == '>' || c == '"')
			page_put(p, "&#%u;", c);
		else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !good))
			page_put(p, "?");
		else
			buf_put(p->out, s, 1);
	}
	page_put(p, "</bdi>");
}

/* "12,345" */
static const char *
number(uint64_t n, char to[32])
{
	char plain[24];
	int len = snprintf(plain, sizeof(plain), "%llu", (unsigned long long)n), at = 0;

	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			to[at++] = ',';
		to[at++] = plain[i];
	}
	to[at] = '\0';
	return to;
}

void
page_number(struct page *p, uint64_t n)
{
	char text[32];

	page_put(p, "%s", number(n, text));
}

void
page_cell(struct page *p, uint64_t n)
{
	page_put(p, "<td class=\"n\">");
	page_number(p, n);
	page_put(p, "</td>");
}

const char *
page_code(uint16_t currency)
{
	const struct currency *c = currency_get(currency);

	return c == NULL ? "?" : c->code;
}

void
page_section_begin(struct page *p, const char *title, const char *what)
{
	page_put(p, "<section><h2>%s</h2><p class=\"soft\">%s</p>\n<figure>\n", title, what);
}

void
page_section_end(struct page *p)
{
	page_put(p, "</figure></section>\n");
}

void
page_table_begin(struct page *p, const char *caption)
{
	page_put(p, "<details><summary>As a table</summary><div class=\"scroll\"><table><caption>%s</caption>\n", caption);
}

void
page_table_end(struct page *p)
{
	page_put(p, "</tbody></table></div></details>\n");
}
