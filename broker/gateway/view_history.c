/* SPDX-License-Identifier: Apache-2.0 */
/* What happened in the account, a line each. */
#include "broker/gateway/view_pages.h"

static const struct {
	struct view kind;
	unsigned text;
	bool no;                /* somebody was turned away, or something was stopped */
} kinds[] = {
    {VIEW("payment"), TEXT_VIEW_EV_PAYMENT, false},
    {VIEW("payment_denied"), TEXT_VIEW_EV_PAYMENT_DENIED, true},
    {VIEW("payment_released"), TEXT_VIEW_EV_RELEASED, false},
    {VIEW("payment_expired"), TEXT_VIEW_EV_EXPIRED, false},
    {VIEW("payment_refunded"), TEXT_VIEW_EV_REFUNDED, false},
    {VIEW("asked"), TEXT_VIEW_EV_ASKED, false},
    {VIEW("refused"), TEXT_VIEW_EV_REFUSED, true},
    {VIEW("wrong_answer"), TEXT_VIEW_EV_WRONG, true},
    {VIEW("linked"), TEXT_VIEW_EV_LINKED, false},
    {VIEW("suspended"), TEXT_VIEW_EV_SUSPENDED, true},
    {VIEW("signalled"), TEXT_VIEW_EV_SIGNALLED, true},
    {VIEW("unlinked"), TEXT_VIEW_EV_UNLINKED, false},
    {VIEW("link_moved"), TEXT_VIEW_EV_LINK_MOVED, true},
    {VIEW("evidence_lowered"), TEXT_VIEW_EV_EVIDENCE_LOWERED, true},
    {VIEW("allowance_opened"), TEXT_VIEW_EV_ALLOWANCE, false},
    {VIEW("allowance_revoked"), TEXT_VIEW_EV_ALLOWANCE_REVOKED, false},
    {VIEW("signed_in"), TEXT_VIEW_EV_SIGNED_IN, false},
    {VIEW("limit_set"), TEXT_VIEW_EV_LIMIT, false},
    {VIEW("limit_raised"), TEXT_VIEW_EV_LIMIT_RAISED, false},
    {VIEW("frozen"), TEXT_VIEW_EV_FROZEN, true},
    {VIEW("thawed"), TEXT_VIEW_EV_THAWED, false},
    {VIEW("not_me"), TEXT_VIEW_EV_NOT_ME, true},
    {VIEW("factor_added"), TEXT_VIEW_EV_FACTOR_ADDED, false},
    {VIEW("factor_removed"), TEXT_VIEW_EV_FACTOR_REMOVED, false},
    {VIEW("factor_unlocked"), TEXT_VIEW_EV_FACTOR_UNLOCKED, false},
    {VIEW("viewed"), TEXT_VIEW_EV_VIEWED, false},
};

static void
asked_for(struct view_page *v, struct view op)
{
	static const struct {
		struct view op;
		unsigned text;
	} ops[] = {{VIEW("spend"), TEXT_VIEW_OP_SPEND}, {VIEW("link"), TEXT_VIEW_OP_LINK}, {VIEW("factor"), TEXT_VIEW_OP_FACTOR},
	    {VIEW("grant"), TEXT_VIEW_OP_GRANT}, {VIEW("limit"), TEXT_VIEW_OP_LIMIT}, {VIEW("thaw"), TEXT_VIEW_OP_THAW},
	    {VIEW("recover"), TEXT_VIEW_OP_RECOVER}, {VIEW("view"), TEXT_VIEW_OP_VIEW}};

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (view_equal(ops[i].op, op)) {
			view_put(v, v->page->language == LANGUAGE_ZH ? "" : " ");
			view_say(v, ops[i].text);
		}
	}
}

static void
title(struct view_page *v, const struct exchange_result *e, struct view kind)
{
	size_t i = 0, n = sizeof(kinds) / sizeof(kinds[0]);
	struct view author = result_str(e, "author");

	while (i < n && !view_equal(kinds[i].kind, kind))
		i++;
	view_put(v, i < n && kinds[i].no ? "<strong class=\"no\">" : "<strong>");
	/* A kind that a newer engine knows. */
	if (i < n)
		view_say(v, kinds[i].text);
	else
		html_text(v->page->out, kind);
	if (view_equal(kind, VIEW("asked")))
		asked_for(v, result_str(e, "op"));
	view_put(v, "</strong>");
	if (author.len > 0 && (view_equal(kind, VIEW("frozen")) || view_equal(kind, VIEW("thawed")))) {
		view_put(v, " ");
		view_say(v, view_equal(author, VIEW("user")) ? TEXT_VIEW_BY_YOU : TEXT_VIEW_BY_ADMIN);
	}
}

static void
part(struct view_page *v, struct view text, const char *before)
{
	if (text.len == 0)
		return;
	view_put(v, before);
	html_text(v->page->out, text);
}

static void
state(struct view_page *v, struct view state_name)
{
	static const struct {
		struct view name;
		unsigned text;
	} says[] = {{VIEW("held"), TEXT_VIEW_PS_HELD}, {VIEW("captured"), TEXT_VIEW_PS_CAPTURED},
	    {VIEW("released"), TEXT_VIEW_PS_RELEASED}, {VIEW("expired"), TEXT_VIEW_PS_EXPIRED}};

	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
		if (view_equal(says[i].name, state_name)) {
			view_put(v, " · ");
			view_say(v, says[i].text);
		}
	}
}

static void
limits(struct view_page *v, const struct exchange_result *e)
{
	const char *before = "";

	for (size_t i = 0; i < VIEW_BOUNDS; i++) {
		if (result_str(e, view_bounds[i].name).len == 0)
			continue;
		view_put(v, before);
		before = " · ";
		view_say(v, view_bounds[i].text);
		view_put(v, " ");
		view_money(v, e, view_bounds[i].name, "currency");
	}
	view_put(v, before[0] == '\0' ? "" : "<br>");
}

static void
entry(struct view_page *v, const struct exchange_result *e)
{
	struct view kind = result_str(e, "kind"), payee = result_str(e, "payee"), label = result_str(e, "label");
	bool limit = view_equal(kind, VIEW("limit_set")) || view_equal(kind, VIEW("limit_raised"));

	view_put(v, "<li><div><p>");
	title(v, e, kind);
	if (payee.len > 0 || label.len > 0) {
		view_put(v, "<br><bdi>");
		/* An allowance for any payee is written as such. */
		if (view_equal(payee, VIEW("*")) && view_equal(result_str(e, "op"), VIEW("grant")))
			view_say(v, TEXT_VIEW_ANY_PAYEE);
		else
			html_text(v->page->out, payee.len > 0 ? payee : label);
		view_put(v, "</bdi>");
	}
	view_put(v, "</p><p class=\"help\">");
	if (limit)
		limits(v, e);
	view_date(v, result_str(e, "at"), true);
	part(v, result_str(e, "title"), " · ");
	part(v, result_str(e, "service"), " · ");
	state(v, result_str(e, "state"));
	part(v, result_str(e, v->page->language == LANGUAGE_ZH ? "text_zh" : "text_en"), "<br>");
	view_put(v, "</p></div>");
	if (result_str(e, "amount").len > 0) {
		view_put(v, "<p class=\"sum\">");
		view_money(v, e, "amount", "currency");
		view_put(v, "</p>");
	}
	view_put(v, "</li>\n");
}

void
view_history(struct view_page *v)
{
	struct exchange_result e;
	struct view_walk at = {0};
	size_t n = 0;
	int64_t next = result_int(&v->all, "next", 0);

	view_put(v, "<p>");
	view_say(v, TEXT_VIEW_HISTORY_LEAD);
	view_put(v, "</p>\n<ol class=\"log\">\n");
	while (view_each(&v->all, "entries", &at, &e)) {
		entry(v, &e);
		n++;
	}
	view_put(v, "</ol>\n");
	if (result_bool(&v->all, "unavailable") || (n == 0 && next == 0)) {
		view_put(v, "<p role=\"status\">");
		view_say(v, result_bool(&v->all, "unavailable") ? TEXT_VIEW_HISTORY_UNAVAILABLE : TEXT_VIEW_HISTORY_EMPTY);
		view_put(v, "</p>\n");
	}
	view_put(v, "<nav class=\"pair\">");
	if (next > 0) {
		view_put(v, "<a class=\"button\" href=\"");
		html_text(v->page->out, v->page->exchange->request->path);
		view_put(v, "?before=");
		html_int(v->page->out, next);
		view_put(v, "\">");
		view_say(v, TEXT_VIEW_HISTORY_OLDER);
		view_put(v, "</a>");
	}
	view_link(v, "button", NULL, VIEW(""), TEXT_VIEW_BACK_TO_LIST);
	view_put(v, "</nav>\n");
	view_zone(v);
}
