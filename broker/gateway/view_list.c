/* SPDX-License-Identifier: Apache-2.0 */
/* All linked IDs: a section each, what was spent first; then how the owner confirms. */
#include "broker/gateway/view_pages.h"

static void
paragraph(struct view_page *v, const char *class, unsigned text)
{
	view_put(v, "<p");
	if (class != NULL) {
		view_put(v, " class=\"");
		view_put(v, class);
		view_put(v, "\"");
	}
	view_put(v, ">");
	view_say(v, text);
	view_put(v, "</p>\n");
}

/* --- what has just been done --- */

static void
news(struct view_page *v)
{
	static const struct {
		struct view kind;
		unsigned text;
		bool good, named;
	} says[] = {
	    {VIEW("lowered"), TEXT_VIEW_NEWS_LOWERED, true, false},
	    {VIEW("raised"), TEXT_VIEW_NEWS_RAISED, true, false},
	    {VIEW("raise_waits"), TEXT_VIEW_NEWS_WAITS, true, false},
	    {VIEW("unchanged"), TEXT_VIEW_NEWS_UNCHANGED, true, false},
	    {VIEW("unlinked"), TEXT_VIEW_NEWS_UNLINKED, true, true},
	    {VIEW("stopped"), TEXT_VIEW_NEWS_STOPPED, true, true},
	    {VIEW("resumed"), TEXT_VIEW_NEWS_RESUMED, true, false},
	    {VIEW("revoked"), TEXT_VIEW_NEWS_REVOKED, true, false},
	    {VIEW("denied"), TEXT_VIEW_NEWS_DENIED, false, false},
	};
	struct exchange_result n = view_member(&v->all, "news");
	struct view why = result_str(&n, v->page->language == LANGUAGE_ZH ? "text_zh" : "text_en");

	if (n.body == 0)
		return;
	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
		if (!view_equal(says[i].kind, result_str(&n, "kind")))
			continue;
		view_put(v, says[i].good ? "<p class=\"notice good\" role=\"status\">" : "<p role=\"alert\">");
		view_say(v, says[i].text);
		if (says[i].named) {
			view_put(v, " <bdi>");
			html_text(v->page->out, result_str(&n, "title"));
			view_put(v, "</bdi>");
		}
		if (why.len > 0) {
			view_put(v, " ");
			html_text(v->page->out, why);
		}
		view_put(v, "</p>\n");
	}
}

/* --- one ID --- */

static void
badge(struct view_page *v, const struct exchange_result *link)
{
	struct view state = result_str(link, "state"), frozen = result_str(link, "frozen");
	unsigned text = TEXT_VIEW_STATE_ACTIVE;
	const char *class = "badge good";

	if (frozen.len > 0) {
		text = view_equal(frozen, VIEW("user")) ? TEXT_VIEW_STATE_STOPPED : TEXT_VIEW_STATE_FROZEN;
		class = "badge no";
	} else if (view_equal(state, VIEW("suspended"))) {
		text = TEXT_VIEW_STATE_SUSPENDED;
		class = "badge no";
	} else if (view_equal(state, VIEW("cooling_off"))) {
		text = TEXT_VIEW_STATE_COOLING;
		class = "badge";
	}
	view_put(v, "<span class=\"");
	view_put(v, class);
	view_put(v, "\">");
	view_say(v, text);
	view_put(v, "</span>");
}

static void
head(struct view_page *v, const struct exchange_result *link)
{
	view_put(v, "<div class=\"idhead\"><h2><bdi>");
	html_text(v->page->out, result_str(link, "title"));
	view_put(v, "</bdi></h2>");
	badge(v, link);
	view_put(v, "</div>\n<p class=\"help\">");
	if (result_str(link, "person").len > 0) {
		view_put(v, "<bdi>");
		html_text(v->page->out, result_str(link, "person"));
		view_put(v, "</bdi> · ");
	}
	view_say(v, TEXT_VIEW_SINCE);
	view_put(v, " ");
	view_date(v, result_str(link, "since"), false);
	if (result_str(link, "usable_from").len > 0) {
		view_put(v, " · ");
		view_say(v, TEXT_VIEW_USABLE_FROM);
		view_put(v, " ");
		view_date(v, result_str(link, "usable_from"), true);
	}
	view_put(v, "</p>\n");
}

static void
sums(struct view_page *v, const struct exchange_result *stopped)
{
	struct exchange_result sum;
	struct view_walk at = {0};

	while (view_each(stopped, "sums", &at, &sum)) {
		view_put(v, " · <strong>");
		view_money(v, &sum, "amount", "currency");
		view_put(v, "</strong>");
	}
}

static void
count_line(struct view_page *v, unsigned text, int64_t n, const struct exchange_result *of)
{
	if (n == 0)
		return;
	view_put(v, "<li>");
	view_say(v, text);
	view_put(v, " ");
	html_int(v->page->out, n);
	if (of != NULL)
		sums(v, of);
	view_put(v, "</li>");
}

void
view_stopped(struct view_page *v, const struct exchange_result *stopped)
{
	view_put(v, "<ul>");
	count_line(v, TEXT_VIEW_STOPPED_HOLDS, result_int(stopped, "holds", 0), stopped);
	count_line(v, TEXT_VIEW_STOPPED_ALLOWANCES, result_int(stopped, "allowances", 0), NULL);
	count_line(v, TEXT_VIEW_STOPPED_ASKED, result_int(stopped, "challenges", 0), NULL);
	count_line(v, TEXT_VIEW_STOPPED_SESSIONS, result_int(stopped, "sessions", 0), NULL);
	view_put(v, "<li>");
	view_say(v, TEXT_VIEW_STOPPED_TOLD);
	view_put(v, "</li></ul>\n");
}

static void
stopped_box(struct view_page *v, const struct exchange_result *link)
{
	struct exchange_result s = view_member(link, "stopped");

	view_put(v, "<div class=\"notice\">");
	paragraph(v, NULL, TEXT_VIEW_STOPPED);
	if (s.body != 0)
		view_stopped(v, &s);
	paragraph(v, "help", TEXT_VIEW_RESUME_MORE);
	view_button(v, "resume", "link", result_str(link, "id"), "", TEXT_VIEW_RESUME);
	view_put(v, "</div>\n");
}

/* Stopped by its owner, by the operator, or paused by a service: who can lift it differs. */
static void
stop_note(struct view_page *v, const struct exchange_result *link)
{
	struct view frozen = result_str(link, "frozen");

	if (view_equal(frozen, VIEW("user"))) {
		stopped_box(v, link);
	} else if (frozen.len > 0) {
		view_put(v, "<div class=\"notice\">");
		paragraph(v, NULL, TEXT_VIEW_FROZEN_MORE);
		view_put(v, "</div>\n");
	} else if (view_equal(result_str(link, "state"), VIEW("suspended"))) {
		view_put(v, "<div class=\"notice\">");
		paragraph(v, NULL, result_str(link, "signalled_at").len > 0 ? TEXT_VIEW_SIGNAL_STOPPED :
		    TEXT_VIEW_PAUSED_MORE);
		paragraph(v, "help", TEXT_VIEW_RESUME_MORE);
		view_button(v, "resume", "link", result_str(link, "id"), "", TEXT_VIEW_RESUME);
		view_put(v, "</div>\n");
	} else if (result_str(link, "signalled_at").len > 0) {
		view_put(v, "<div class=\"notice\">");
		paragraph(v, NULL, TEXT_VIEW_SIGNAL_PAUSED);
		view_put(v, "</div>\n");
	}
}

static void
amounts(struct view_page *v, const struct exchange_result *spent)
{
	struct exchange_result limits = view_member(spent, "limits");

	view_put(v, "<dl class=\"facts\"><div class=\"amount\"><dt>");
	view_say(v, TEXT_VIEW_MONTH);
	view_put(v, "</dt><dd>");
	view_money(v, spent, "month", "currency");
	view_put(v, "</dd></div><div><dt>");
	view_say(v, TEXT_VIEW_TODAY);
	view_put(v, "</dt><dd>");
	view_money(v, spent, "today", "currency");
	if (result_str(&limits, "per_day").len > 0) {
		view_put(v, " <span class=\"of\">");
		view_say(v, TEXT_VIEW_OF_DAY);
		view_put(v, " ");
		view_money(v, &limits, "per_day", "currency");
		view_put(v, "</span>");
	}
	view_put(v, "</dd></div></dl>\n");
}

/* Only what there is; most IDs have none of their own. */
static void
limits(struct view_page *v, const struct exchange_result *spent)
{
	struct exchange_result in_force = view_member(spent, "limits"), waiting = view_member(spent, "waiting");
	size_t n = 0;

	for (size_t i = 0; i < VIEW_BOUNDS; i++) {
		if (result_str(&in_force, view_bounds[i].name).len == 0)
			continue;
		view_put(v, n++ == 0 ? "<dl class=\"facts\"><div><dt>" : "<div><dt>");
		view_say(v, view_bounds[i].text);
		view_put(v, "</dt><dd>");
		view_money(v, &in_force, view_bounds[i].name, "currency");
		view_put(v, "</dd></div>");
	}
	if (n > 0)
		view_put(v, "</dl>\n");
	else
		paragraph(v, NULL, TEXT_VIEW_NO_LIMITS);
	if (waiting.body == 0)
		return;
	view_put(v, "<p class=\"notice warn\">");
	view_say(v, TEXT_VIEW_RAISE_WAITS);
	view_put(v, " ");
	view_date(v, result_str(&waiting, "effective_at"), true);
	for (size_t i = 0; i < VIEW_BOUNDS; i++) {
		if (result_str(&waiting, view_bounds[i].name).len == 0)
			continue;
		view_put(v, " · ");
		view_say(v, view_bounds[i].text);
		view_put(v, " ");
		view_money(v, &waiting, view_bounds[i].name, "currency");
	}
	view_put(v, "</p>\n");
}

static void
payee(struct view_page *v, const struct exchange_result *of)
{
	struct view name = result_str(of, "payee");

	view_put(v, "<bdi>");
	if (result_bool(of, "any_payee"))
		view_say(v, TEXT_VIEW_ANY_PAYEE);
	else
		html_text(v->page->out, name.len > 0 ? name : result_str(of, "service"));
	view_put(v, "</bdi>");
}

static void
allowances(struct view_page *v, const struct exchange_result *link)
{
	struct exchange_result one;
	struct view_walk at = {0};

	if (view_count(link, "allowances") == 0)
		return;
	view_put(v, "<h3>");
	view_say(v, TEXT_VIEW_ALLOWANCES);
	view_put(v, "</h3>\n<ul class=\"log\">\n");
	while (view_each(link, "allowances", &at, &one)) {
		view_put(v, "<li><div><p><strong>");
		payee(v, &one);
		view_put(v, "</strong><br>");
		view_left(v, &one);
		view_put(v, "</p><p class=\"help\">");
		view_say(v, TEXT_VIEW_PER_PAYMENT);
		view_put(v, " ");
		view_money(v, &one, "per_payment", "currency");
		view_put(v, " · ");
		view_say(v, TEXT_VIEW_PER_DAY);
		view_put(v, " ");
		view_money(v, &one, "per_day", "currency");
		view_put(v, " · ");
		view_say(v, TEXT_VIEW_UNTIL);
		view_put(v, " ");
		view_date(v, result_str(&one, "expires_at"), false);
		view_put(v, " · ");
		html_text(v->page->out, result_str(&one, "service"));
		view_put(v, "</p></div>");
		view_link(v, "button small", "revoke", result_str(&one, "id"), TEXT_VIEW_REVOKE);
		view_put(v, "</li>\n");
	}
	view_put(v, "</ul>\n");
}

static void
holds(struct view_page *v, const struct exchange_result *link)
{
	struct exchange_result one;
	struct view_walk at = {0};
	int64_t more = result_int(link, "holds_more", 0);

	if (view_count(link, "holds") == 0)
		return;
	view_put(v, "<h3>");
	view_say(v, TEXT_VIEW_HOLDS);
	view_put(v, "</h3>\n<ul class=\"log\">\n");
	while (view_each(link, "holds", &at, &one)) {
		view_put(v, "<li><div><p><strong>");
		payee(v, &one);
		view_put(v, "</strong></p><p class=\"help\">");
		view_date(v, result_str(&one, "at"), true);
		view_put(v, " · ");
		html_text(v->page->out, result_str(&one, "service"));
		view_put(v, "</p></div><p class=\"sum\">");
		view_money(v, &one, "amount", "currency");
		view_put(v, "</p></li>\n");
	}
	view_put(v, "</ul>\n");
	if (more > 0) {
		view_put(v, "<p class=\"help\">");
		view_say(v, TEXT_VIEW_HOLDS_MORE);
		view_put(v, " ");
		html_int(v->page->out, more);
		view_put(v, "</p>\n");
	}
}

static void
one_id(struct view_page *v, const struct exchange_result *link, unsigned *charts)
{
	struct exchange_result spent;
	struct view_walk at = {0};
	struct view id = result_str(link, "id");
	bool frozen = result_str(link, "frozen").len > 0;

	view_put(v, "<section class=\"id\">\n");
	head(v, link);
	stop_note(v, link);
	while (view_each(link, "spent", &at, &spent)) {
		amounts(v, &spent);
		view_chart(v, &spent, result_int(&v->all, "chart_from", -1), ++*charts);
		view_put(v, "<h3>");
		view_say(v, TEXT_VIEW_LIMITS);
		view_put(v, "</h3>\n");
		limits(v, &spent);
	}
	view_put(v, "<p>");
	view_link(v, "button", "limits", id, TEXT_VIEW_CHANGE_LIMITS);
	view_put(v, "</p>\n");
	allowances(v, link);
	holds(v, link);
	view_put(v, "<div class=\"pair ends\">");
	if (!frozen)
		view_link(v, "button stop", "not-me", id, TEXT_VIEW_NOT_ME);
	view_link(v, "button", "unlink", id, TEXT_VIEW_UNLINK);
	view_put(v, "</div>\n</section>\n");
}

/* --- the rest --- */

static void
account_limits(struct view_page *v)
{
	struct exchange_result spent;
	struct view_walk at = {0};

	view_put(v, "<section class=\"id\">\n<h2>");
	view_say(v, TEXT_VIEW_ACCOUNT_LIMITS);
	view_put(v, "</h2>\n");
	paragraph(v, "help", TEXT_VIEW_ACCOUNT_LIMITS_HELP);
	while (view_each(&v->all, "spent", &at, &spent))
		limits(v, &spent);
	view_put(v, "<p>");
	view_link(v, "button", "limits", VIEW("account"), TEXT_VIEW_CHANGE_LIMITS);
	view_put(v, "</p>\n</section>\n");
}

static void
depends(struct view_page *v, const struct exchange_result *factor)
{
	struct exchange_result one;
	struct view_walk at = {0};
	const char *before = " ";

	if (view_count(factor, "depends") == 0)
		return;
	view_put(v, "<br>");
	view_say(v, TEXT_VIEW_FACTOR_DEPENDS);
	while (view_each(factor, "depends", &at, &one)) {
		view_put(v, before);
		before = ", ";
		view_put(v, "<bdi>");
		html_text(v->page->out, json_text(one.doc, one.body));
		view_put(v, "</bdi>");
	}
	view_put(v, v->page->language == LANGUAGE_ZH ? "，" : ", ");
	view_say(v, TEXT_VIEW_FACTOR_DEPENDS_WHY);
	view_put(v, v->page->language == LANGUAGE_ZH ? "。" : ".");
}

static void
one_factor(struct view_page *v, const struct exchange_result *factor)
{
	static const struct {
		struct view kind;
		unsigned text;
	} kinds[] = {{VIEW("totp"), TEXT_VIEW_KIND_TOTP}, {VIEW("webauthn"), TEXT_VIEW_KIND_WEBAUTHN},
	    {VIEW("otp"), TEXT_VIEW_KIND_OTP}, {VIEW("pam"), TEXT_VIEW_KIND_PAM}, {VIEW("recovery"), TEXT_VIEW_KIND_RECOVERY},
	    {VIEW("approve"), TEXT_VIEW_KIND_APPROVE}};
	struct view state = result_str(factor, "state");

	view_put(v, "<li><div><p><strong>");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (view_equal(kinds[i].kind, result_str(factor, "kind")))
			view_say(v, kinds[i].text);
	}
	view_put(v, "</strong>");
	if (result_str(factor, "label").len > 0) {
		view_put(v, " <bdi>");
		html_text(v->page->out, result_str(factor, "label"));
		view_put(v, "</bdi>");
	}
	view_put(v, "</p><p class=\"help\">");
	view_date(v, result_str(factor, "since"), false);
	if (!view_equal(state, VIEW("active"))) {
		view_put(v, " · ");
		view_say(v, view_equal(state, VIEW("locked")) ? TEXT_VIEW_FACTOR_LOCKED : TEXT_VIEW_FACTOR_COOLING);
		view_put(v, " ");
		view_date(v, result_str(factor, "until"), true);
	}
	depends(v, factor);
	view_put(v, "</p></div></li>\n");
}

static void
factors(struct view_page *v)
{
	struct exchange_result one;
	struct view_walk at = {0};

	view_put(v, "<section class=\"id\">\n<h2>");
	view_say(v, TEXT_VIEW_FACTORS);
	view_put(v, "</h2>\n<ul class=\"log\">\n");
	while (view_each(&v->all, "factors", &at, &one))
		one_factor(v, &one);
	view_put(v, "</ul>\n</section>\n");
}

static void
foot(struct view_page *v)
{
	view_put(v, "<section class=\"id\">\n<div class=\"pair\">");
	view_link(v, "button", "history", VIEW(""), TEXT_VIEW_HISTORY);
	view_button(v, "close", NULL, VIEW(""), "", TEXT_VIEW_CLOSE);
	view_put(v, "</div>\n");
	page_way_back(v->page, result_str(&v->all, "return_url"));
	view_zone(v);
	view_put(v, "</section>\n");
}

void
view_list(struct view_page *v)
{
	struct exchange_result link;
	unsigned charts = 0;
	struct view_walk at = {0};

	view_put(v, "<p>");
	view_say(v, TEXT_VIEW_LEAD);
	view_put(v, "<br><span class=\"help\">");
	view_say(v, TEXT_VIEW_ACCOUNT);
	view_put(v, " <bdi>");
	html_text(v->page->out, result_str(&v->all, "account_hint"));
	view_put(v, "</bdi> · ");
	html_text(v->page->out, result_str(&v->all, "service"));
	view_put(v, "</span></p>\n");
	news(v);
	if (view_equal(result_str(&v->all, "frozen"), VIEW("user"))) {
		view_put(v, "<div class=\"notice\">");
		paragraph(v, NULL, TEXT_VIEW_ACCOUNT_STOPPED);
		paragraph(v, "help", TEXT_VIEW_RESUME_MORE);
		view_button(v, "resume", NULL, VIEW(""), "", TEXT_VIEW_RESUME);
		view_put(v, "</div>\n");
	}
	while (view_each(&v->all, "links", &at, &link))
		one_id(v, &link, &charts);
	if (view_count(&v->all, "links") == 0)
		paragraph(v, "notice", TEXT_VIEW_NONE);
	account_limits(v);
	factors(v);
	foot(v);
}
