/* SPDX-License-Identifier: Apache-2.0 */
/* Sums by currency, reasons, services and accounts. */
#include <stdio.h>

#include "broker/core/money.h"
#include "broker/ctl/replay_html.h"

enum { TOP_REASONS = 12 };

/* --- sums by currency --- */

static void
put_share(struct page *p, const char *class, double *x, double share, double y)
{
	double width = 560 * share;

	if (width <= 0)
		return;
	page_put(p, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"18\"/>", class, *x, y, width < 1.5 ? 1.5 : width);
	*x += width;
}

static void
put_currency(struct page *p, const struct replay_money *m, double y)
{
	const int64_t *kept = m->minor[OUTCOME_PERMIT];
	double all = (double)kept[0] + (double)kept[1] + (double)kept[2], x = 120;
	char text[32], less[32];
	int64_t gone = money_add(kept[OUTCOME_STEP_UP], kept[OUTCOME_DENY]);

	page_put(p, "<text class=\"strong\" x=\"0\" y=\"%.1f\">%.3s</text><rect class=\"track\" x=\"120\" y=\"%.1f\" width=\"560\" "
	    "height=\"18\"/>", y + 14, page_code(m->currency), y);
	if (all > 0) {
		put_share(p, "f-permit same", &x, (double)kept[OUTCOME_PERMIT] / all, y);
		put_share(p, "f-ask", &x, (double)kept[OUTCOME_STEP_UP] / all, y);
		put_share(p, "f-deny", &x, (double)kept[OUTCOME_DENY] / all, y);
	}
	page_put(p, "<text class=\"small\" x=\"120\" y=\"%.1f\">%s stay permitted, %s do not</text>\n", y + 34,
	    replay_money_text(kept[OUTCOME_PERMIT], m->currency, text), replay_money_text(gone, m->currency, less));
}

static void
put_sums_table(struct page *p)
{
	const struct replay_tally *t = p->r->tally;
	char text[32];

	page_table_begin(p, "Sums of payments by currency. A payment that was prompted for and then permitted is in two rows.");
	page_put(p, "<thead><tr><th scope=\"col\">currency</th><th scope=\"col\">recorded</th><th scope=\"col\">candidate</th>"
	    "<th scope=\"col\" class=\"n\">decisions</th><th scope=\"col\" class=\"n\">sum</th></tr></thead>\n<tbody>");
	for (size_t i = 0; i < t->money_n * 9; i++) {
		const struct replay_money *m = &t->money[i / 9];
		enum outcome then = outcome_order[i % 9 / 3], now = outcome_order[i % 3];

		if (m->count[then][now] == 0)
			continue;
		page_put(p, "<tr><th scope=\"row\">%.3s</th><td>%s</td><td>%s</td>", page_code(m->currency), outcome_words[then], outcome_words[now]);
		page_cell(p, m->count[then][now]);
		page_put(p, "<td class=\"n\">%s</td></tr>\n", replay_money_text(m->minor[then][now], m->currency, text));
	}
	if (t->money_n == 0)
		page_put(p, "<tr><td colspan=\"5\">no payments</td></tr>");
	page_table_end(p);
}

void
page_sums(struct page *p)
{
	const struct replay_tally *t = p->r->tally;

	page_section_begin(p, "Sums by currency", "Of what was permitted: pale stays permitted, then what would be prompted for, "
	    "then what would be denied.");
	page_put(p, "<svg viewBox=\"0 0 760 %zu\" role=\"img\" aria-labelledby=\"sum-t\"><title id=\"sum-t\">Of the sums that were "
	    "permitted in each currency, the shares that stay permitted, would be prompted for, and would be denied. The table "
	    "has the numbers.</title>\n", t->money_n * 56 + 10);
	for (size_t i = 0; i < t->money_n; i++)
		put_currency(p, &t->money[i], 6 + 56 * (double)i);
	page_put(p, "</svg>\n");
	put_sums_table(p);
	page_section_end(p);
}

/* --- reasons, services, accounts --- */

static void
put_reason_words(struct page *p, const struct replay_reason *r)
{
	page_put(p, "%s: %s (%s) &#8594; %s (%s)", replay_kind_name(r->kind), outcome_words[reason_outcome((enum reason)r->then)],
	    reason_name((enum reason)r->then), outcome_words[reason_outcome((enum reason)r->now)], reason_name((enum reason)r->now));
}

void
page_reasons(struct page *p)
{
	const struct replay_tally *t = p->r->tally;
	size_t n = t->reasons_n < TOP_REASONS ? t->reasons_n : TOP_REASONS;

	page_section_begin(p, "Reasons", "The most frequent differences, with the reason that was recorded and the candidate's.");
	page_put(p, "<svg viewBox=\"0 0 760 %zu\" role=\"img\" aria-labelledby=\"why-t\"><title id=\"why-t\">The %zu most frequent "
	    "differences. The table has the numbers.</title>\n", n * 44 + 10, n);
	for (size_t i = 0; i < n; i++) {
		const struct replay_reason *r = &t->reasons[i];
		double y = 16 + 44 * (double)i, width = 660.0 * (double)r->count / (double)t->reasons[0].count;

		page_put(p, "<text x=\"0\" y=\"%.1f\">", y);
		put_reason_words(p, r);
		page_put(p, "</text><rect class=\"f-%s other\" x=\"0\" y=\"%.1f\" width=\"%.1f\" height=\"12\" rx=\"2\"/>"
		    "<text class=\"small\" x=\"%.1f\" y=\"%.1f\">", outcome_classes[reason_outcome((enum reason)r->now)], y + 6,
		    width < 2 ? 2 : width, width + 8, y + 17);
		page_number(p, r->count);
		page_put(p, "</text>\n");
	}
	page_put(p, "</svg>\n");
	page_table_begin(p, "Differences by reason");
	page_put(p, "<thead><tr><th scope=\"col\">difference</th><th scope=\"col\" class=\"n\">decisions</th></tr></thead>\n<tbody>");
	for (size_t i = 0; i < t->reasons_n; i++) {
		page_put(p, "<tr><th scope=\"row\">");
		put_reason_words(p, &t->reasons[i]);
		page_put(p, "</th>");
		page_cell(p, t->reasons[i].count);
		page_put(p, "</tr>\n");
	}
	if (t->reasons_n == 0)
		page_put(p, "<tr><td colspan=\"2\">nothing differs</td></tr>");
	page_table_end(p);
	page_section_end(p);
}

void
page_services(struct page *p)
{
	const struct replay_tally *t = p->r->tally;

	page_put(p, "<section><h2>Services</h2><div class=\"scroll\"><table><caption>Payments by service</caption>\n<thead><tr>"
	    "<th scope=\"col\">service</th><th scope=\"col\" class=\"n\">decisions</th><th scope=\"col\" class=\"n\">permit less"
	    "</th><th scope=\"col\" class=\"n\">permit more</th></tr></thead>\n<tbody>");
	for (size_t i = 0; i < t->services_n; i++) {
		const uint64_t (*m)[3] = t->services[i].n;

		page_put(p, "<tr><th scope=\"row\">");
		page_name(p, replay_service_name(p->r->rules, t->services[i].tag));
		page_put(p, "</th>");
		page_cell(p, replay_sum(m));
		page_cell(p, replay_tighter(m));
		page_cell(p, replay_differ(m) - replay_tighter(m));
		page_put(p, "</tr>\n");
	}
	if (t->services_n == 0)
		page_put(p, "<tr><td colspan=\"4\">none</td></tr>");
	page_put(p, "</tbody></table></div></section>\n");
}

void
page_accounts(struct page *p)
{
	const struct replay_tally *t = p->r->tally;
	char text[REPLAY_NAME_MAX];

	page_put(p, "<section><h2>Accounts</h2><p class=\"soft\">");
	page_number(p, t->accounts_differ);
	page_put(p, " accounts have decisions that change%s.</p><div class=\"scroll\"><table><caption>Accounts with the most "
	    "decisions that change</caption>\n<thead><tr><th scope=\"col\">account</th><th scope=\"col\" class=\"n\">change</th>"
	    "<th scope=\"col\" class=\"n\">permit less</th><th scope=\"col\" class=\"n\">first event</th></tr></thead>\n<tbody>",
	    t->accounts_differ > t->listed_n ? "; those with the most are listed" : "");
	for (size_t i = 0; i < t->listed_n; i++) {
		page_put(p, "<tr><th scope=\"row\"><code>");
		page_name(p, replay_account_text(&t->listed[i], text));
		page_put(p, "</code></th>");
		page_cell(p, t->listed[i].differ);
		page_cell(p, t->listed[i].tighter);
		page_cell(p, t->listed[i].first_seq);
		page_put(p, "</tr>\n");
	}
	if (t->listed_n == 0)
		page_put(p, "<tr><td colspan=\"4\">none</td></tr>");
	page_put(p, "</tbody></table></div></section>\n");
}
