/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay --html: one file that needs nothing else, no script, font or picture from elsewhere. It is XML as well as HTML.
 * Every chart has a sentence for who does not see it, and its numbers in a table; no meaning hangs on colour alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "broker/base/bytes.h"
#include "broker/base/clock.h"
#include "broker/base/json.h"
#include "broker/core/money.h"
#include "broker/ctl/replay.h"

enum {
	HTML_BYTES_MAX = 8 * 1024 * 1024,
	FLOW_HEIGHT = 260,       /* of the bands; units of the drawings are those of their viewBox */
	FLOW_GAP = 26,
	DAY_BARS_MAX = 62,       /* more days share bars */
	DAY_HEIGHT = 90,         /* of either side */
	DAY_WIDTH = 700,
	TOP_REASONS = 12,
};

static const enum outcome order[3] = {OUTCOME_PERMIT, OUTCOME_STEP_UP, OUTCOME_DENY};
static const char *const words[3] = {"denied", "prompted", "permitted"}; /* by outcome */
static const char *const classes[3] = {"deny", "ask", "permit"};

static const char style[] =
    ":root{color-scheme:light dark;--page:#f6f5f1;--card:#fff;--ink:#1b1f24;--soft:#57606a;--line:#d8d6cf;"
    "--permit:#1a7f4e;--ask:#9a5b00;--deny:#b42318;--accent:#2f5bd0}"
    "@media (prefers-color-scheme:dark){:root{--page:#121417;--card:#1b1e23;--ink:#e9ebee;--soft:#a3abb6;--line:#343a42;"
    "--permit:#58c98f;--ask:#efb54d;--deny:#ff8b7e;--accent:#8fb0ff}}"
    "*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);"
    "font:16px/1.55 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",sans-serif}"
    "main,header,footer{max-width:60rem;margin:0 auto;padding:0 1.25rem}header{padding-top:2.5rem}"
    "h1{font-size:1.9rem;line-height:1.2;margin:0 0 .5rem;letter-spacing:-.01em}h2{font-size:1.2rem;margin:0 0 .25rem}"
    "p{margin:.25rem 0 .75rem}.soft{color:var(--soft)}.lead{font-size:1.15rem;max-width:46rem}"
    "section{background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:1.25rem 1.4rem;margin:1.1rem 0}"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.8rem;padding:0;margin:1.2rem 0;"
    "list-style:none}.tiles li{background:var(--card);border:1px solid var(--line);border-left:.35rem solid var(--line);"
    "border-radius:.6rem;padding:.7rem .9rem}.tiles b{display:block;font-size:1.7rem;line-height:1.2;"
    "font-variant-numeric:tabular-nums}.tiles .deny{border-left-color:var(--deny)}.tiles .ask{border-left-color:var(--ask)}"
    ".tiles .permit{border-left-color:var(--permit)}figure{margin:0}svg{display:block;width:100%;height:auto;margin:.5rem 0}"
    "svg text{fill:var(--ink);font-size:14px}svg .small{font-size:12px;fill:var(--soft)}svg .strong{font-weight:600}"
    ".f-permit{fill:var(--permit)}.f-ask{fill:var(--ask)}.f-deny{fill:var(--deny)}.axis{stroke:var(--line);stroke-width:1}"
    ".same{opacity:.22}.other{opacity:.72}.track{fill:var(--line);opacity:.5}table{border-collapse:collapse;width:100%;"
    "font-size:.92rem;font-variant-numeric:tabular-nums}th,td{text-align:left;padding:.3rem .6rem .3rem 0;"
    "border-bottom:1px solid var(--line);vertical-align:top}.n{text-align:right}caption{text-align:left;color:var(--soft);"
    "padding:.3rem 0}details{margin-top:.4rem}summary{cursor:pointer;color:var(--accent)}"
    "summary:focus-visible{outline:2px solid var(--accent);outline-offset:2px}.scroll{overflow-x:auto}"
    "code{font-family:ui-monospace,SFMono-Regular,Menlo,monospace;font-size:.92em;overflow-wrap:anywhere}"
    "footer{padding-bottom:3rem}@media print{body{background:#fff}section{break-inside:avoid}}";

struct page {
	struct buf *out;
	const struct replay_report *r;
};

static void put(struct page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For our own words and numbers: nothing is escaped. */
static void
put(struct page *p, const char *format, ...)
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
static void
put_name(struct page *p, const char *name)
{
	bool good = json_printable(view_str(name));

	put(p, "<bdi>");
	for (const char *s = name; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '&' || c == '<' || c == '>' || c == '"')
			put(p, "&#%u;", c);
		else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !good))
			put(p, "?");
		else
			buf_put(p->out, s, 1);
	}
	put(p, "</bdi>");
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

static void
put_number(struct page *p, uint64_t n)
{
	char text[32];

	put(p, "%s", number(n, text));
}

static void
put_cell(struct page *p, uint64_t n)
{
	put(p, "<td class=\"n\">");
	put_number(p, n);
	put(p, "</td>");
}

static const char *
code_of(uint16_t currency)
{
	const struct currency *c = currency_get(currency);

	return c == NULL ? "?" : c->code;
}

/* --- head --- */

static void
put_tile(struct page *p, enum outcome then, enum outcome now)
{
	uint64_t n = p->r->tally->kinds[OP_SPEND][then][now];

	put(p, "<li class=\"%s\"><b>", n == 0 ? "none" : classes[now]);
	put_number(p, n);
	put(p, "</b>%s, would be %s</li>\n", words[then], words[now]);
}

static void
put_head(struct page *p)
{
	const struct replay_tally *t = p->r->tally;
	const uint64_t (*m)[3] = t->kinds[OP_SPEND];
	char from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX], percent[16];
	uint64_t all = replay_sum(m), other = replay_differ(m);

	clock_text(t->from_ms, from);
	clock_text(t->to_ms, to);
	(void)snprintf(percent, sizeof(percent), "%.1f", all == 0 ? 0 : 100.0 * (double)other / (double)all);
	put(p, "<header><h1>What this policy would have decided</h1>\n<p class=\"lead\">Of ");
	put_number(p, all);
	put(p, " recorded decisions about payments, <strong>");
	put_number(p, other);
	put(p, " (%s %%)</strong> would have been others under ", percent);
	put_name(p, p->r->config);
	put(p, ".</p>\n<p class=\"soft\">");
	put_number(p, t->events);
	put(p, " events of ");
	put_number(p, t->accounts);
	put(p, " accounts");
	if (t->events > 0)
		put(p, ", from %.10s %.5s to %.10s %.5s UTC", from, from + 11, to, to + 11);
	put(p, "; ");
	put_number(p, t->by_candidate);
	put(p, " of ");
	put_number(p, t->decisions);
	put(p, " decisions were made by this very policy.</p></header>\n<main>\n<ul class=\"tiles\">\n");
	put_tile(p, OUTCOME_PERMIT, OUTCOME_DENY);
	put_tile(p, OUTCOME_PERMIT, OUTCOME_STEP_UP);
	put_tile(p, OUTCOME_STEP_UP, OUTCOME_DENY);
	put_tile(p, OUTCOME_STEP_UP, OUTCOME_PERMIT);
	put_tile(p, OUTCOME_DENY, OUTCOME_STEP_UP);
	put_tile(p, OUTCOME_DENY, OUTCOME_PERMIT);
	put(p, "</ul>\n");
}

static void
section_begin(struct page *p, const char *title, const char *what)
{
	put(p, "<section><h2>%s</h2><p class=\"soft\">%s</p>\n<figure>\n", title, what);
}

static void
section_end(struct page *p)
{
	put(p, "</figure></section>\n");
}

static void
table_begin(struct page *p, const char *caption)
{
	put(p, "<details><summary>As a table</summary><div class=\"scroll\"><table><caption>%s</caption>\n", caption);
}

static void
table_end(struct page *p)
{
	put(p, "</tbody></table></div></details>\n");
}

/* --- the flow from recorded to candidate --- */

/* What a few of millions would not show, shows as a hair. */
static double
flow_height(uint64_t n, uint64_t all)
{
	double h = all == 0 ? 0 : (double)n * FLOW_HEIGHT / (double)all;

	return n > 0 && h < 1.5 ? 1.5 : h;
}

struct flow {
	double left[3], right[3];   /* where each outcome's bar begins, and then its next band */
	double left_h[3], right_h[3];
	double height;
};

static void
flow_lay(const uint64_t (*m)[3], uint64_t all, struct flow *f)
{
	double left = 30, right = 30;

	for (int i = 0; i < 3; i++) {
		enum outcome o = order[i];

		f->left_h[o] = f->right_h[o] = 0;
		for (int k = 0; k < 3; k++) {
			f->left_h[o] += flow_height(m[o][k], all);
			f->right_h[o] += flow_height(m[k][o], all);
		}
		f->left[o] = left;
		f->right[o] = right;
		left += f->left_h[o] + FLOW_GAP;
		right += f->right_h[o] + FLOW_GAP;
	}
	f->height = left > right ? left : right;
}

static void
put_flow_bar(struct page *p, enum outcome o, double x, double y, double h, uint64_t n, bool left)
{
	put(p, "<rect class=\"f-%s\" x=\"%.1f\" y=\"%.1f\" width=\"14\" height=\"%.1f\" rx=\"2\"/>\n", classes[o], x, y,
	    h < 1.5 ? 1.5 : h);
	put(p, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"><tspan class=\"strong\">", left ? x - 10 : x + 24, y + h / 2 + 5,
	    left ? "end" : "start");
	put_number(p, n);
	put(p, "</tspan> %s</text>\n", words[o]);
}

static void
put_flow_band(struct page *p, enum outcome then, enum outcome now, double y1, double y2, double h, uint64_t n)
{
	double a = 214, b = 546, mid = (a + b) / 2;

	put(p, "<path class=\"f-%s %s\" d=\"M%.1f %.2fC%.1f %.2f %.1f %.2f %.1f %.2fV%.2fC%.1f %.2f %.1f %.2f %.1f %.2fZ\"><title>",
	    classes[now], then == now ? "same" : "other", a, y1, mid, y1, mid, y2, b, y2, y2 + h, mid, y2 + h, mid, y1 + h, a,
	    y1 + h);
	put_number(p, n);
	put(p, " %s, would be %s</title></path>\n", words[then], words[now]);
}

static void
put_flow_drawing(struct page *p, const uint64_t (*m)[3])
{
	uint64_t all = replay_sum(m);
	struct flow f;

	flow_lay(m, all, &f);
	put(p, "<svg viewBox=\"0 0 760 %.0f\" role=\"img\" aria-labelledby=\"flow-t\"><title id=\"flow-t\">Flow of ", f.height);
	put_number(p, all);
	put(p, " decisions about payments: as recorded on the left, by the candidate on the right. The table has the numbers."
	    "</title>\n<text class=\"small\" x=\"207\" y=\"16\" text-anchor=\"middle\">recorded</text>"
	    "<text class=\"small\" x=\"553\" y=\"16\" text-anchor=\"middle\">candidate</text>\n");
	for (int i = 0; i < 3; i++) {
		uint64_t left = 0, right = 0;

		for (int k = 0; k < 3; k++) {
			left += m[order[i]][k];
			right += m[k][order[i]];
		}
		put_flow_bar(p, order[i], 200, f.left[order[i]], f.left_h[order[i]], left, true);
		put_flow_bar(p, order[i], 546, f.right[order[i]], f.right_h[order[i]], right, false);
	}
	for (int i = 0; i < 9; i++) {
		enum outcome then = order[i / 3], now = order[i % 3];
		double h = flow_height(m[then][now], all);

		if (m[then][now] == 0)
			continue;
		put_flow_band(p, then, now, f.left[then], f.right[now], h, m[then][now]);
		f.left[then] += h;
		f.right[now] += h;
	}
	put(p, "</svg>\n");
}

static void
put_matrix_rows(struct page *p, const char *what, const uint64_t (*m)[3])
{
	for (int i = 0; i < 3; i++) {
		put(p, "<tr>");
		if (i == 0)
			put(p, "<th scope=\"rowgroup\" rowspan=\"3\">%s</th>", what);
		put(p, "<th scope=\"row\">%s</th>", words[order[i]]);
		for (int k = 0; k < 3; k++)
			put_cell(p, m[order[i]][order[k]]);
		put(p, "</tr>\n");
	}
}

static void
put_flow(struct page *p)
{
	const struct replay_tally *t = p->r->tally;

	section_begin(p, "From what was decided to what would have been",
	    "Strong bands are decisions that change; pale ones stay as they were.");
	put_flow_drawing(p, t->kinds[OP_SPEND]);
	table_begin(p, "Decisions by what was recorded (rows) and what the candidate says (columns)");
	put(p, "<thead><tr><th scope=\"col\">operation</th><th scope=\"col\">recorded</th><th scope=\"col\" class=\"n\">would be "
	    "permitted</th><th scope=\"col\" class=\"n\">would be prompted</th><th scope=\"col\" class=\"n\">would be denied</th>"
	    "</tr></thead>\n<tbody>");
	put_matrix_rows(p, "payments", t->kinds[OP_SPEND]);
	for (unsigned k = 1; k < REPLAY_KINDS; k++)
		if (k != OP_SPEND && replay_sum(t->kinds[k]) > 0)
			put_matrix_rows(p, replay_kind_name(k), t->kinds[k]);
	table_end(p);
	section_end(p);
}

/* --- by day --- */

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

static void
put_bar(struct page *p, const struct bar *b, double x, double width, uint64_t most)
{
	double up = (double)b->looser * DAY_HEIGHT / (double)most, down = (double)b->tighter * DAY_HEIGHT / (double)most;
	double middle = 20 + DAY_HEIGHT;
	char first[16], last[16];

	replay_day_text(b->first, first);
	replay_day_text(b->last, last);
	put(p, "<g><title>%s%s%s: ", first, b->first == b->last ? "" : " to ", b->first == b->last ? "" : last);
	put_number(p, b->tighter);
	put(p, " would permit less, ");
	put_number(p, b->looser);
	put(p, " more, of ");
	put_number(p, b->payments);
	put(p, "</title><rect class=\"track\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"2\"/>", x, middle - 1, width);
	if (b->looser > 0)
		put(p, "<rect class=\"f-permit\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", x, middle - 1 - up, width,
		    up);
	if (b->tighter > 0)
		put(p, "<rect class=\"f-deny\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", x, middle + 1, width, down);
	put(p, "</g>\n");
}

static void
put_days_drawing(struct page *p, const struct bar *bars, size_t n)
{
	uint64_t most = 1;
	double step = n == 0 ? DAY_WIDTH : (double)DAY_WIDTH / (double)n, width;
	char first[16] = "", last[16] = "";

	for (size_t i = 0; i < n; i++) {
		most = bars[i].tighter > most ? bars[i].tighter : most;
		most = bars[i].looser > most ? bars[i].looser : most;
	}
	width = step * 0.72 > 40 ? 40 : step * 0.72;
	put(p, "<svg viewBox=\"0 0 760 %d\" role=\"img\" aria-labelledby=\"day-t\"><title id=\"day-t\">Payments by day whose "
	    "decision changes: above the line those that permit more, below it those that permit less; at most ", 2 * DAY_HEIGHT + 64);
	put_number(p, most);
	put(p, " in a bar. The table has the numbers.</title>\n<text class=\"small\" x=\"0\" y=\"14\">more is permitted &#8593; "
	    "(up to ");
	put_number(p, most);
	put(p, ")</text><text class=\"small\" x=\"0\" y=\"%d\">less is permitted &#8595;</text>\n", 2 * DAY_HEIGHT + 36);
	for (size_t i = 0; i < n; i++)
		put_bar(p, &bars[i], 30 + step * (double)i + (step - width) / 2, width, most);
	if (n > 0) {
		replay_day_text(bars[0].first, first);
		replay_day_text(bars[n - 1].last, last);
	}
	put(p, "<text class=\"small\" x=\"30\" y=\"%d\">%s</text><text class=\"small\" x=\"730\" y=\"%d\" text-anchor=\"end\">%s"
	    "</text></svg>\n", 2 * DAY_HEIGHT + 58, first, 2 * DAY_HEIGHT + 58, n > 1 || strcmp(first, last) != 0 ? last : "");
}

static void
put_days(struct page *p)
{
	static struct bar bars[DAY_BARS_MAX];
	const struct replay_tally *t = p->r->tally;
	char day[16];

	section_begin(p, "By day", "Payments whose decision changes, in the candidate's time zone.");
	put_days_drawing(p, bars, bars_of(t, bars));
	table_begin(p, "Payments by day");
	put(p, "<thead><tr><th scope=\"col\">day</th><th scope=\"col\" class=\"n\">decisions</th><th scope=\"col\" class=\"n\">"
	    "permit less</th><th scope=\"col\" class=\"n\">permit more</th></tr></thead>\n<tbody>");
	for (size_t i = 0; i < t->days_n; i++) {
		const struct replay_day *d = &t->days[i];

		replay_day_text(d->day, day);
		put(p, "<tr><th scope=\"row\">%s</th>", day);
		put_cell(p, replay_sum(d->n));
		put_cell(p, replay_tighter(d->n));
		put_cell(p, replay_differ(d->n) - replay_tighter(d->n));
		put(p, "</tr>\n");
	}
	if (t->days_n == 0)
		put(p, "<tr><td colspan=\"4\">nothing was decided</td></tr>");
	table_end(p);
	section_end(p);
}

/* --- sums by currency --- */

static void
put_share(struct page *p, const char *class, double *x, double share, double y)
{
	double width = 560 * share;

	if (width <= 0)
		return;
	put(p, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"18\"/>", class, *x, y, width < 1.5 ? 1.5 : width);
	*x += width;
}

static void
put_currency(struct page *p, const struct replay_money *m, double y)
{
	const int64_t *kept = m->minor[OUTCOME_PERMIT];
	double all = (double)kept[0] + (double)kept[1] + (double)kept[2], x = 120;
	char text[32], less[32];
	int64_t gone = money_add(kept[OUTCOME_STEP_UP], kept[OUTCOME_DENY]);

	put(p, "<text class=\"strong\" x=\"0\" y=\"%.1f\">%.3s</text><rect class=\"track\" x=\"120\" y=\"%.1f\" width=\"560\" "
	    "height=\"18\"/>", y + 14, code_of(m->currency), y);
	if (all > 0) {
		put_share(p, "f-permit same", &x, (double)kept[OUTCOME_PERMIT] / all, y);
		put_share(p, "f-ask", &x, (double)kept[OUTCOME_STEP_UP] / all, y);
		put_share(p, "f-deny", &x, (double)kept[OUTCOME_DENY] / all, y);
	}
	put(p, "<text class=\"small\" x=\"120\" y=\"%.1f\">%s stay permitted, %s do not</text>\n", y + 34,
	    replay_money_text(kept[OUTCOME_PERMIT], m->currency, text), replay_money_text(gone, m->currency, less));
}

static void
put_sums_table(struct page *p)
{
	const struct replay_tally *t = p->r->tally;
	char text[32];

	table_begin(p, "Sums of payments by currency. A payment that was prompted for and then permitted is in two rows.");
	put(p, "<thead><tr><th scope=\"col\">currency</th><th scope=\"col\">recorded</th><th scope=\"col\">candidate</th>"
	    "<th scope=\"col\" class=\"n\">decisions</th><th scope=\"col\" class=\"n\">sum</th></tr></thead>\n<tbody>");
	for (size_t i = 0; i < t->money_n * 9; i++) {
		const struct replay_money *m = &t->money[i / 9];
		enum outcome then = order[i % 9 / 3], now = order[i % 3];

		if (m->count[then][now] == 0)
			continue;
		put(p, "<tr><th scope=\"row\">%.3s</th><td>%s</td><td>%s</td>", code_of(m->currency), words[then], words[now]);
		put_cell(p, m->count[then][now]);
		put(p, "<td class=\"n\">%s</td></tr>\n", replay_money_text(m->minor[then][now], m->currency, text));
	}
	if (t->money_n == 0)
		put(p, "<tr><td colspan=\"5\">no payments</td></tr>");
	table_end(p);
}

static void
put_sums(struct page *p)
{
	const struct replay_tally *t = p->r->tally;

	section_begin(p, "Sums by currency", "Of what was permitted: pale stays permitted, then what would be prompted for, "
	    "then what would be denied.");
	put(p, "<svg viewBox=\"0 0 760 %zu\" role=\"img\" aria-labelledby=\"sum-t\"><title id=\"sum-t\">Of the sums that were "
	    "permitted in each currency, the shares that stay permitted, would be prompted for, and would be denied. The table "
	    "has the numbers.</title>\n", t->money_n * 56 + 10);
	for (size_t i = 0; i < t->money_n; i++)
		put_currency(p, &t->money[i], 6 + 56 * (double)i);
	put(p, "</svg>\n");
	put_sums_table(p);
	section_end(p);
}

/* --- reasons, services, accounts --- */

static void
put_reason_words(struct page *p, const struct replay_reason *r)
{
	put(p, "%s: %s (%s) &#8594; %s (%s)", replay_kind_name(r->kind), words[reason_outcome((enum reason)r->then)],
	    reason_name((enum reason)r->then), words[reason_outcome((enum reason)r->now)], reason_name((enum reason)r->now));
}

static void
put_reasons(struct page *p)
{
	const struct replay_tally *t = p->r->tally;
	size_t n = t->reasons_n < TOP_REASONS ? t->reasons_n : TOP_REASONS;

	section_begin(p, "Reasons", "The most frequent differences, with the reason that was recorded and the candidate's.");
	put(p, "<svg viewBox=\"0 0 760 %zu\" role=\"img\" aria-labelledby=\"why-t\"><title id=\"why-t\">The %zu most frequent "
	    "differences. The table has the numbers.</title>\n", n * 44 + 10, n);
	for (size_t i = 0; i < n; i++) {
		const struct replay_reason *r = &t->reasons[i];
		double y = 16 + 44 * (double)i, width = 660.0 * (double)r->count / (double)t->reasons[0].count;

		put(p, "<text x=\"0\" y=\"%.1f\">", y);
		put_reason_words(p, r);
		put(p, "</text><rect class=\"f-%s other\" x=\"0\" y=\"%.1f\" width=\"%.1f\" height=\"12\" rx=\"2\"/>"
		    "<text class=\"small\" x=\"%.1f\" y=\"%.1f\">", classes[reason_outcome((enum reason)r->now)], y + 6,
		    width < 2 ? 2 : width, width + 8, y + 17);
		put_number(p, r->count);
		put(p, "</text>\n");
	}
	put(p, "</svg>\n");
	table_begin(p, "Differences by reason");
	put(p, "<thead><tr><th scope=\"col\">difference</th><th scope=\"col\" class=\"n\">decisions</th></tr></thead>\n<tbody>");
	for (size_t i = 0; i < t->reasons_n; i++) {
		put(p, "<tr><th scope=\"row\">");
		put_reason_words(p, &t->reasons[i]);
		put(p, "</th>");
		put_cell(p, t->reasons[i].count);
		put(p, "</tr>\n");
	}
	if (t->reasons_n == 0)
		put(p, "<tr><td colspan=\"2\">nothing differs</td></tr>");
	table_end(p);
	section_end(p);
}

static void
put_services(struct page *p)
{
	const struct replay_tally *t = p->r->tally;

	put(p, "<section><h2>Services</h2><div class=\"scroll\"><table><caption>Payments by service</caption>\n<thead><tr>"
	    "<th scope=\"col\">service</th><th scope=\"col\" class=\"n\">decisions</th><th scope=\"col\" class=\"n\">permit less"
	    "</th><th scope=\"col\" class=\"n\">permit more</th></tr></thead>\n<tbody>");
	for (size_t i = 0; i < t->services_n; i++) {
		const uint64_t (*m)[3] = t->services[i].n;

		put(p, "<tr><th scope=\"row\">");
		put_name(p, replay_service_name(p->r->rules, t->services[i].tag));
		put(p, "</th>");
		put_cell(p, replay_sum(m));
		put_cell(p, replay_tighter(m));
		put_cell(p, replay_differ(m) - replay_tighter(m));
		put(p, "</tr>\n");
	}
	if (t->services_n == 0)
		put(p, "<tr><td colspan=\"4\">none</td></tr>");
	put(p, "</tbody></table></div></section>\n");
}

static void
put_accounts(struct page *p)
{
	const struct replay_tally *t = p->r->tally;
	char text[REPLAY_NAME_MAX];

	put(p, "<section><h2>Accounts</h2><p class=\"soft\">");
	put_number(p, t->accounts_differ);
	put(p, " accounts have decisions that change%s.</p><div class=\"scroll\"><table><caption>Accounts with the most "
	    "decisions that change</caption>\n<thead><tr><th scope=\"col\">account</th><th scope=\"col\" class=\"n\">change</th>"
	    "<th scope=\"col\" class=\"n\">permit less</th><th scope=\"col\" class=\"n\">first event</th></tr></thead>\n<tbody>",
	    t->accounts_differ > t->listed_n ? "; those with the most are listed" : "");
	for (size_t i = 0; i < t->listed_n; i++) {
		put(p, "<tr><th scope=\"row\"><code>");
		put_name(p, replay_account_text(&t->listed[i], text));
		put(p, "</code></th>");
		put_cell(p, t->listed[i].differ);
		put_cell(p, t->listed[i].tighter);
		put_cell(p, t->listed[i].first_seq);
		put(p, "</tr>\n");
	}
	if (t->listed_n == 0)
		put(p, "<tr><td colspan=\"4\">none</td></tr>");
	put(p, "</tbody></table></div></section>\n");
}

static void
put_page(struct page *p)
{
	char digest[REPLAY_NAME_MAX];
	struct replay_account policy = {.key = p->r->rules->policy->digest};

	put(p, "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\"><head><meta charset=\"utf-8\"/>"
	    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>"
	    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>"
	    "<title>What this policy would have decided</title>\n<style>");
	buf_put_view(p->out, view_str(style));
	put(p, "</style></head><body>\n");
	put_head(p);
	put_flow(p);
	put_days(p);
	put_sums(p);
	put_reasons(p);
	put_services(p);
	put_accounts(p);
	put(p, "</main>\n<footer class=\"soft\"><p>Policy <code>%s</code>. A decision is replayed on the account as it was, and "
	    "what was recorded then happens: a payment that the candidate denies is spent all the same, so later payments meet "
	    "the sums that were really spent. countersignctl(8) says what a replay cannot know.</p></footer>\n</body></html>\n",
	    replay_account_text(&policy, digest));
}

int
replay_write_html(struct ctl *ctl, const struct replay_report *r, const char *path)
{
	struct bytes b;
	struct page p = {&b.buf, r};
	size_t done = 0;
	int fd;

	bytes_init(&b, HTML_BYTES_MAX);
	put_page(&p);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	while (fd >= 0 && !b.buf.full && done < b.buf.len) {
		ssize_t n = write(fd, b.buf.data + done, b.buf.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (b.buf.full || fd < 0 || done < b.buf.len)
		(void)ctl_fail(ctl, CTL_FAILED, "cannot write the report to %s: %s", path,
		    b.buf.full ? "it would be too long" : strerror(errno));
	else
		done = SIZE_MAX;
	if (fd >= 0 && close(fd) != 0 && done == SIZE_MAX)
		done = 0;
	bytes_clear(&b);
	return done == SIZE_MAX ? CTL_OK : CTL_FAILED;
}
