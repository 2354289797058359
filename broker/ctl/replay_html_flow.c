/* SPDX-License-Identifier: Apache-2.0 */
/* The flow from recorded decisions to the candidate's. */
#include <stdio.h>

#include "broker/ctl/replay_html.h"

/* Units of the drawing are those of its viewBox. */
enum {
	FLOW_HEIGHT = 260,       /* of the bands */
	FLOW_GAP = 26,
};

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
		enum outcome o = outcome_order[i];

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
	page_put(p, "<rect class=\"f-%s\" x=\"%.1f\" y=\"%.1f\" width=\"14\" height=\"%.1f\" rx=\"2\"/>\n", outcome_classes[o], x, y,
	    h < 1.5 ? 1.5 : h);
	page_put(p, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"><tspan class=\"strong\">", left ? x - 10 : x + 24, y + h / 2 + 5,
	    left ? "end" : "start");
	page_number(p, n);
	page_put(p, "</tspan> %s</text>\n", outcome_words[o]);
}

static void
put_flow_band(struct page *p, enum outcome then, enum outcome now, double y1, double y2, double h, uint64_t n)
{
	double a = 214, b = 546, mid = (a + b) / 2;

	page_put(p, "<path class=\"f-%s %s\" d=\"M%.1f %.2fC%.1f %.2f %.1f %.2f %.1f %.2fV%.2fC%.1f %.2f %.1f %.2f %.1f %.2fZ\"><title>",
	    outcome_classes[now], then == now ? "same" : "other", a, y1, mid, y1, mid, y2, b, y2, y2 + h, mid, y2 + h, mid, y1 + h, a,
	    y1 + h);
	page_number(p, n);
	page_put(p, " %s, would be %s</title></path>\n", outcome_words[then], outcome_words[now]);
}

static void
put_flow_drawing(struct page *p, const uint64_t (*m)[3])
{
	uint64_t all = replay_sum(m);
	struct flow f;

	flow_lay(m, all, &f);
	page_put(p, "<svg viewBox=\"0 0 760 %.0f\" role=\"img\" aria-labelledby=\"flow-t\"><title id=\"flow-t\">Flow of ", f.height);
	page_number(p, all);
	page_put(p, " decisions about payments: as recorded on the left, by the candidate on the right. The table has the numbers."
	    "</title>\n<text class=\"small\" x=\"207\" y=\"16\" text-anchor=\"middle\">recorded</text>"
	    "<text class=\"small\" x=\"553\" y=\"16\" text-anchor=\"middle\">candidate</text>\n");
	for (int i = 0; i < 3; i++) {
		uint64_t left = 0, right = 0;

		for (int k = 0; k < 3; k++) {
			left += m[outcome_order[i]][k];
			right += m[k][outcome_order[i]];
		}
		put_flow_bar(p, outcome_order[i], 200, f.left[outcome_order[i]], f.left_h[outcome_order[i]], left, true);
		put_flow_bar(p, outcome_order[i], 546, f.right[outcome_order[i]], f.right_h[outcome_order[i]], right, false);
	}
	for (int i = 0; i < 9; i++) {
		enum outcome then = outcome_order[i / 3], now = outcome_order[i % 3];
		double h = flow_height(m[then][now], all);

		if (m[then][now] == 0)
			continue;
		put_flow_band(p, then, now, f.left[then], f.right[now], h, m[then][now]);
		f.left[then] += h;
		f.right[now] += h;
	}
	page_put(p, "</svg>\n");
}

static void
put_matrix_rows(struct page *p, const char *what, const uint64_t (*m)[3])
{
	for (int i = 0; i < 3; i++) {
		page_put(p, "<tr>");
		if (i == 0)
			page_put(p, "<th scope=\"rowgroup\" rowspan=\"3\">%s</th>", what);
		page_put(p, "<th scope=\"row\">%s</th>", outcome_words[outcome_order[i]]);
		for (int k = 0; k < 3; k++)
			page_cell(p, m[outcome_order[i]][outcome_order[k]]);
		page_put(p, "</tr>\n");
	}
}

void
page_flow(struct page *p)
{
	const struct replay_tally *t = p->r->tally;

	page_section_begin(p, "From what was decided to what would have been",
	    "Strong bands are decisions that change; pale ones stay as they were.");
	put_flow_drawing(p, t->kinds[OP_SPEND]);
	page_table_begin(p, "Decisions by what was recorded (rows) and what the candidate says (columns)");
	page_put(p, "<thead><tr><th scope=\"col\">operation</th><th scope=\"col\">recorded</th><th scope=\"col\" class=\"n\">would be "
	    "permitted</th><th scope=\"col\" class=\"n\">would be prompted</th><th scope=\"col\" class=\"n\">would be denied</th>"
	    "</tr></thead>\n<tbody>");
	put_matrix_rows(p, "payments", t->kinds[OP_SPEND]);
	for (unsigned k = 1; k < REPLAY_KINDS; k++)
		if (k != OP_SPEND && replay_sum(t->kinds[k]) > 0)
			put_matrix_rows(p, replay_kind_name(k), t->kinds[k]);
	page_table_end(p);
	page_section_end(p);
}
