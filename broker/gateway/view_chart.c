/* SPDX-License-Identifier: Apache-2.0 */
/* Spending by day: a small chart, the same numbers as a table for who cannot or would not see it. */
#include <stdio.h>

#include "broker/gateway/view_pages.h"

enum { DAYS = 30, BAR = 10, HEIGHT = 60, DAY_MS = 24 * 3600 * 1000 };

/* "0,0,1250" into numbers. False where it is something else. */
static bool
days_read(struct view text, int64_t days[DAYS])
{
	size_t n = 0;

	for (size_t i = 0; i < text.len && n < DAYS; n++, i++) {
		days[n] = 0;
		for (; i < text.len && text.data[i] >= '0' && text.data[i] <= '9' && days[n] < INT64_MAX / 10 - 10; i++)
			days[n] = days[n] * 10 + (text.data[i] - '0');
		if (i < text.len && text.data[i] != ',')
			return false;
	}
	return n == DAYS;
}

/* Minor units as an amount of the main unit: "12.50". */
static struct view
amount_text(int64_t minor, int64_t exponent, char text[32])
{
	int64_t unit = 1;
	int n;

	for (int64_t i = 0; i < exponent && i < 6; i++)
		unit *= 10;
	n = exponent == 0 ? snprintf(text, 32, "%lld", (long long)minor) :
	    snprintf(text, 32, "%lld.%0*lld", (long long)(minor / unit), (int)exponent, (long long)(minor % unit));
	return view_of(text, (size_t)n);
}

static void
money(struct view_page *v, const struct exchange_result *spent, int64_t minor)
{
	char text[32];

	html_money(v->page->out, v->page->language, amount_text(minor, result_int(spent, "exponent", 2), text),
	    result_str(spent, "currency"));
}

/* The number of the day that index i of the chart is. */
static int64_t
day_at(const struct view_page *v, int i)
{
	return (v->now_ms + v->offset_s * 1000) / DAY_MS - (DAYS - 1) + i;
}

static void
bars(struct view_page *v, const int64_t days[DAYS], int64_t most, int64_t from)
{
	struct buf *out = v->page->out;

	for (int i = (int)from; i < DAYS; i++) {
		/* What is little is seen all the same. */
		int64_t tall = days[i] == 0 ? 0 : 2 + days[i] / (most / (HEIGHT - 2) + 1);

		if (tall > HEIGHT)
			tall = HEIGHT;
		html_put(out, i == DAYS - 1 ? "<rect class=\"today\" x=\"" : "<rect x=\"");
		html_int(out, i * BAR + 1);
		html_put(out, "\" y=\"");
		html_int(out, tall == 0 ? HEIGHT - 1 : HEIGHT - tall);
		html_put(out, "\" width=\"8\" height=\"");
		html_int(out, tall == 0 ? 1 : tall);
		html_put(out, tall == 0 ? "\"/>" : "\" rx=\"1.5\"/>");
	}
}

static void
picture(struct view_page *v, const struct exchange_result *spent, const int64_t days[DAYS], int64_t most, int64_t from,
    unsigned n)
{
	struct buf *out = v->page->out;

	html_put(out, "<figure class=\"chart\"><svg viewBox=\"0 0 300 60\" preserveAspectRatio=\"none\" role=\"img\" aria-labelledby=\"ct");
	html_int(out, n);
	html_put(out, "\" aria-describedby=\"cd");
	html_int(out, n);
	html_put(out, "\"><title id=\"ct");
	html_int(out, n);
	html_put(out, "\">");
	view_say(v, TEXT_VIEW_CHART);
	html_put(out, "</title><desc id=\"cd");
	html_int(out, n);
	html_put(out, "\">");
	view_say(v, TEXT_VIEW_CHART_HIGHEST);
	html_put(out, " ");
	{
		char text[32];

		html_text(out, amount_text(most, result_int(spent, "exponent", 2), text));
		html_put(out, " ");
		html_text(out, result_str(spent, "currency"));
	}
	html_put(out, "</desc>");
	bars(v, days, most, from);
	html_put(out, "</svg><figcaption><span>");
	view_day(v, day_at(v, 0));
	html_put(out, "</span><span>");
	view_say(v, TEXT_VIEW_CHART_HIGHEST);
	html_put(out, " ");
	money(v, spent, most);
	html_put(out, "</span><span>");
	view_say(v, TEXT_VIEW_TODAY);
	html_put(out, "</span></figcaption></figure>\n");
}

static void
table(struct view_page *v, const struct exchange_result *spent, const int64_t days[DAYS], int64_t from)
{
	view_put(v, "<details><summary>");
	view_say(v, TEXT_VIEW_CHART_TABLE);
	view_put(v, "</summary><table><caption class=\"hidden\">");
	view_say(v, TEXT_VIEW_CHART);
	view_put(v, "</caption><thead><tr><th scope=\"col\">");
	view_say(v, TEXT_VIEW_DAY);
	view_put(v, "</th><th scope=\"col\" class=\"sum\">");
	view_say(v, TEXT_VIEW_SPENT);
	view_put(v, "</th></tr></thead><tbody>");
	for (int i = DAYS - 1; i >= (int)from; i--) {
		if (days[i] == 0)
			continue;
		view_put(v, "<tr><th scope=\"row\">");
		view_day(v, day_at(v, i));
		view_put(v, "</th><td class=\"sum\">");
		money(v, spent, days[i]);
		view_put(v, "</td></tr>");
	}
	view_put(v, "</tbody></table><p class=\"help\">");
	view_say(v, TEXT_VIEW_NO_OTHER_DAYS);
	view_put(v, "</p></details>\n");
}

void
view_chart(struct view_page *v, const struct exchange_result *spent, int64_t from, unsigned n)
{
	int64_t days[DAYS], most = 0;

	view_put(v, "<h3>");
	view_say(v, TEXT_VIEW_CHART);
	view_put(v, "</h3>\n");
	if (from >= DAYS || from < 0) {
		view_put(v, "<p class=\"help\">");
		view_say(v, TEXT_VIEW_CHART_UNKNOWN);
		view_put(v, "</p>\n");
		return;
	}
	if (!days_read(result_str(spent, "days"), days))
		memset(days, 0, sizeof(days));
	for (int i = 0; i < DAYS; i++)
		most = days[i] > most ? days[i] : most;
	if (most == 0) {
		view_put(v, "<p class=\"help\">");
		view_say(v, TEXT_VIEW_CHART_EMPTY);
		view_put(v, "</p>\n");
	} else {
		picture(v, spent, days, most, from, n);
		table(v, spent, days, from);
	}
	if (from > 0) {
		view_put(v, "<p class=\"help\">");
		view_say(v, TEXT_VIEW_CHART_PART);
		view_put(v, "</p>\n");
	}
}
