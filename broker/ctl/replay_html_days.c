/* SPDX-License-Identifier: Apache-2.0 */
/* What changes on which day. */
#include <stdio.h>

#include "broker/ctl/replay_html.h"

/* Units of the drawing are those of its viewBox. */
enum {
	DAY_BARS_MAX = 62,       /* more days share bars */
	DAY_HEIGHT = 120,        /* of the higher side */
	DAY_TOP = 20,            /* a line of text stands above, and two below */
	DAY_WIDTH = 700,
};

struct bar {
	int32_t first, last;
	uint64_t payments, tighter, looser;
};

/* Days without a decision have no bar; when there are many, neighbours share one. */
static size_t
bars_of(const struct replay_tally *t, struct bar bars[DAY_BARS_MAX])
{
	size_t each = (t->days_n + DAY_BARS_MAX - 1) / DAY_BARS_MAX, n = 0;

	for (size_t i = 0; i < t->days_n; i++) {
		const struct replay_day *d = &t->days[i];
		uint64_t tighter = replay_tighter(d->n);

		if (i % each == 0)
			bars[n++] = (struct bar){.first = d->day};
		bars[n - 1].last = d->day;
		bars[n - 1].payments += replay_sum(d->n);
		bars[n - 1].tighter += tighter;
		bars[n - 1].looser += replay_differ(d->n) - tighter;
	}
	return n;
}

/* Both sides have one scale, and each has the room that its highest bar takes. */
struct chart {
	uint64_t looser, tighter; /* the most of a bar */
	double up, down;          /* heights of the sides */
	double unit;              /* height of one decision */
};

static struct chart
chart_of(const struct bar *bars, size_t n)
{
	struct chart c = {0};
	uint64_t most;

	for (size_t i = 0; i < n; i++) {
		c.tighter = bars[i].tighter > c.tighter ? bars[i].tighter : c.tighter;
		c.looser = bars[i].looser > c.looser ? bars[i].looser : c.looser;
	}
	most = c.tighter > c.looser ? c.tighter : c.looser;
	c.unit = most == 0 ? 0 : (double)DAY_HEIGHT / (double)most;
	c.up = (double)c.looser * c.unit;
	c.down = (double)c.tighter * c.unit;
	return c;
}

static void
put_bar(struct page *p, const struct bar *b, double x, double width, const struct chart *c)
{
	double up = (double)b->looser * c->unit, down = (double)b->tighter * c->unit, middle = DAY_TOP + c->up;
	char first[16], last[16];

	replay_day_text(b->first, first);
	replay_day_text(b->last, last);
	page_put(p, "<g><title>%s%s%s: ", first, b->first == b->last ? "" : " to ", b->first == b->last ? "" : last);
	page_number(p, b->tighter);
	page_put(p, " would permit less, ");
	page_number(p, b->looser);
	page_put(p, " more, of ");
	page_number(p, b->payments);
	page_put(p, "</title><rect class=\"track\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"2\"/>", x, middle - 1, width);
	if (b->looser > 0)
		page_put(p, "<rect class=\"f-permit\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", x, middle - 1 - up,
		    width, up);
	if (b->tighter > 0)
		page_put(p, "<rect class=\"f-deny\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", x, middle + 1, width,
		    down);
	page_put(p, "</g>\n");
}

/* What is above the line and what is below it, beside their scale; of a side that is empty, nothing. */
static void
put_sides(struct page *p, const struct chart *c)
{
	if (c->looser > 0) {
		page_put(p, "<text class=\"small\" x=\"0\" y=\"12\">more is permitted &#8593; (up to ");
		page_number(p, c->looser);
		page_put(p, ")</text>");
	}
	if (c->tighter > 0) {
		page_put(p, "<text class=\"small\" x=\"0\" y=\"%.1f\">less is permitted &#8595; (up to ",
		    DAY_TOP + c->up + c->down + 16);
		page_number(p, c->tighter);
		page_put(p, ")</text>");
	}
	page_put(p, "\n");
}

static void
put_days_drawing(struct page *p, const struct bar *bars, size_t n)
{
	const struct chart c = chart_of(bars, n);
	double step = n == 0 ? DAY_WIDTH : (double)DAY_WIDTH / (double)n, width = step * 0.72 > 40 ? 40 : step * 0.72;
	double foot = DAY_TOP + c.up + c.down + (c.tighter > 0 ? 36 : 18);
	char first[16] = "", last[16] = "";

	page_put(p, "<svg viewBox=\"0 0 760 %.0f\" role=\"img\" aria-labelledby=\"day-t\"><title id=\"day-t\">Payments by day whose "
	    "decision changes: above the line those that permit more, at most ", foot + 8);
	page_number(p, c.looser);
	page_put(p, " in a bar, below it those that permit less, at most ");
	page_number(p, c.tighter);
	page_put(p, ". The table has the numbers.</title>\n");
	put_sides(p, &c);
	page_put(p, "<path class=\"axis\" d=\"M30 %.1fH730\"/>\n", DAY_TOP + c.up);
	for (size_t i = 0; i < n; i++)
		put_bar(p, &bars[i], 30 + step * (double)i + (step - width) / 2, width, &c);
	if (n > 0) {
		replay_day_text(bars[0].first, first);
		replay_day_text(bars[n - 1].last, last);
	}
	page_put(p, "<text class=\"small\" x=\"30\" y=\"%.1f\">%s</text><text class=\"small\" x=\"730\" y=\"%.1f\" "
	    "text-anchor=\"end\">%s</text></svg>\n", foot, first, foot, n > 1 || strcmp(first, last) != 0 ? last : "");
}

void
page_days(struct page *p)
{
	static struct bar bars[DAY_BARS_MAX];
	const struct replay_tally *t = p->r->tally;
	char day[16];

	page_section_begin(p, "By day", "Payments whose decision changes, in the candidate's time zone.");
	put_days_drawing(p, bars, bars_of(t, bars));
	page_table_begin(p, "Payments by day");
	page_put(p, "<thead><tr><th scope=\"col\">day</th><th scope=\"col\" class=\"n\">decisions</th><th scope=\"col\" class=\"n\">"
	    "permit less</th><th scope=\"col\" class=\"n\">permit more</th></tr></thead>\n<tbody>");
	for (size_t i = 0; i < t->days_n; i++) {
		const struct replay_day *d = &t->days[i];

		replay_day_text(d->day, day);
		page_put(p, "<tr><th scope=\"row\">%s</th>", day);
		page_cell(p, replay_sum(d->n));
		page_cell(p, replay_tighter(d->n));
		page_cell(p, replay_differ(d->n) - replay_tighter(d->n));
		page_put(p, "</tr>\n");
	}
	if (t->days_n == 0)
		page_put(p, "<tr><td colspan=\"4\">nothing was decided</td></tr>");
	page_table_end(p);
	page_section_end(p);
}
