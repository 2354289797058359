/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked before something is done: new limits, and whether to unlink, to stop, to take back. One thing a page. */
#include "broker/gateway/view_pages.h"

/* The object of that id in an array; body 0: gone. */
static struct exchange_result
find(const struct exchange_result *r, const char *array, struct view id)
{
	struct exchange_result one;
	struct view_walk at = {0};

	while (view_each(r, array, &at, &one)) {
		if (view_equal(result_str(&one, "id"), id))
			return one;
	}
	return (struct exchange_result){.doc = r->doc};
}

static void
back(struct view_page *v, unsigned text)
{
	view_link(v, "button", NULL, VIEW(""), text);
}

static void
gone(struct view_page *v)
{
	view_put(v, "<p role=\"status\">");
	view_say(v, TEXT_VIEW_GONE);
	view_put(v, "</p>\n<p>");
	back(v, TEXT_VIEW_BACK_TO_LIST);
	view_put(v, "</p>\n");
}

/* Which ID it is about. */
static void
about(struct view_page *v, const struct exchange_result *link)
{
	view_put(v, "<p class=\"about\"><strong><bdi>");
	html_text(v->page->out, result_str(link, "title"));
	view_put(v, "</bdi></strong>");
	if (result_str(link, "person").len > 0) {
		view_put(v, " <bdi>");
		html_text(v->page->out, result_str(link, "person"));
		view_put(v, "</bdi>");
	}
	view_put(v, "</p>\n");
}

static void
say(struct view_page *v, const char *class, unsigned text)
{
	view_put(v, "<p");
	view_put(v, class);
	view_put(v, ">");
	view_say(v, text);
	view_put(v, "</p>\n");
}

/* --- limits --- */

static void
field(struct view_page *v, const struct exchange_result *spent, size_t i, bool wrong, unsigned n)
{
	struct exchange_result own = view_member(spent, "own"), in_force = view_member(spent, "limits");
	struct buf *out = v->page->out;

	html_put(out, "<label for=\"f");
	html_int(out, n);
	html_put(out, view_bounds[i].name);
	html_put(out, "\">");
	view_say(v, view_bounds[i].text);
	html_put(out, "</label>\n<input class=\"field\" inputmode=\"decimal\" autocomplete=\"off\" maxlength=\"24\" id=\"f");
	html_int(out, n);
	html_put(out, view_bounds[i].name);
	html_put(out, "\" name=\"");
	html_put(out, view_bounds[i].name);
	html_put(out, "\" value=\"");
	html_text(out, wrong ? form_get(v->posted, view_bounds[i].name) : result_str(&own, view_bounds[i].name));
	html_put(out, "\" aria-describedby=\"h");
	html_int(out, n);
	html_put(out, view_bounds[i].name);
	html_put(out, "\"");
	html_put(out, wrong && i == v->wrong ? " aria-invalid=\"true\">\n" : ">\n");
	html_put(out, "<p class=\"help under\" id=\"h");
	html_int(out, n);
	html_put(out, view_bounds[i].name);
	html_put(out, "\">");
	view_say(v, TEXT_VIEW_LIMITS_IN_FORCE);
	html_put(out, " ");
	if (result_str(&in_force, view_bounds[i].name).len > 0)
		view_money(v, &in_force, view_bounds[i].name, "currency");
	else
		view_say(v, TEXT_VIEW_NO_LIMIT);
	html_put(out, "</p>\n");
}

static void
form(struct view_page *v, const struct exchange_result *spent, struct view link, unsigned n)
{
	struct view currency = result_str(spent, "currency");
	bool wrong = v->posted != NULL && view_equal(form_get(v->posted, "currency"), currency);
	struct buf *out = v->page->out;

	form_begin(v->page, v->cookie, NULL);
	html_put(out, "<input type=\"hidden\" name=\"currency\" value=\"");
	html_text(out, currency);
	html_put(out, "\">\n");
	if (link.len > 0) {
		html_put(out, "<input type=\"hidden\" name=\"link\" value=\"");
		html_text(out, link);
		html_put(out, "\">\n");
	}
	html_put(out, "<fieldset><legend>");
	html_text(out, currency);
	html_put(out, "</legend>\n");
	if (wrong)
		say(v, " role=\"alert\"", TEXT_VIEW_LIMITS_WRONG);
	for (size_t i = 0; i < VIEW_BOUNDS; i++)
		field(v, spent, i, wrong, n);
	html_put(out, "</fieldset>\n<button class=\"go\" name=\"do\" value=\"limit\">");
	view_say(v, TEXT_VIEW_LIMITS_SAVE);
	html_put(out, "</button>\n");
	form_end(v->page);
}

void
view_limits(struct view_page *v, struct view of)
{
	bool account = view_equal(of, VIEW("account"));
	struct exchange_result link = account ? v->all : find(&v->all, "links", of), spent;
	struct view_walk at = {0};
	unsigned n = 0;

	if (link.body == 0) {
		gone(v);
		return;
	}
	if (account)
		say(v, " class=\"about\"", TEXT_VIEW_ACCOUNT_LIMITS);
	else
		about(v, &link);
	say(v, " class=\"help\"", TEXT_VIEW_LIMITS_HELP);
	say(v, " class=\"help\"", TEXT_VIEW_LIMITS_EMPTY);
	view_put(v, "<div class=\"rows\">\n");
	while (view_each(&link, "spent", &at, &spent))
		form(v, &spent, account ? VIEW("") : of, ++n);
	back(v, TEXT_VIEW_CANCEL);
	view_put(v, "</div>\n");
}

/* --- yes or no --- */

static void
choice(struct view_page *v, const char *what, const char *member, struct view id, unsigned yes)
{
	view_put(v, "<div class=\"rows\">\n");
	view_button(v, what, member, id, "stop", yes);
	back(v, TEXT_VIEW_CANCEL);
	view_put(v, "</div>\n");
}

void
view_unlink(struct view_page *v, struct view of)
{
	struct exchange_result link = find(&v->all, "links", of);

	if (link.body == 0) {
		gone(v);
		return;
	}
	about(v, &link);
	say(v, "", TEXT_VIEW_UNLINK_MORE);
	choice(v, "unlink", "link", of, TEXT_VIEW_UNLINK_DO);
}

void
view_not_me(struct view_page *v, struct view of)
{
	struct exchange_result link = find(&v->all, "links", of);
	size_t holds = view_count(&link, "holds") + (size_t)result_int(&link, "holds_more", 0);
	size_t allowances = view_count(&link, "allowances");

	if (link.body == 0) {
		gone(v);
		return;
	}
	about(v, &link);
	say(v, "", TEXT_VIEW_NOT_ME_MORE);
	view_put(v, "<p>");
	view_say(v, TEXT_VIEW_NOT_ME_STOPS);
	view_put(v, "</p>\n<ul><li>");
	view_say(v, TEXT_VIEW_NOT_ME_ALL);
	view_put(v, "</li>");
	if (holds > 0) {
		view_put(v, "<li>");
		view_say(v, TEXT_VIEW_NOT_ME_HOLDS);
		view_put(v, " <strong>");
		html_int(v->page->out, (int64_t)holds);
		view_put(v, "</strong></li>");
	}
	if (allowances > 0) {
		view_put(v, "<li>");
		view_say(v, TEXT_VIEW_NOT_ME_ALLOWANCES);
		view_put(v, " <strong>");
		html_int(v->page->out, (int64_t)allowances);
		view_put(v, "</strong></li>");
	}
	view_put(v, "</ul>\n");
	say(v, " class=\"help\"", TEXT_VIEW_NOT_ME_TELL);
	say(v, " class=\"help\"", TEXT_VIEW_NOT_ME_BACK);
	choice(v, "not-me", "link", of, TEXT_VIEW_NOT_ME_DO);
}

void
view_revoke(struct view_page *v, struct view of)
{
	struct exchange_result link, one = {.doc = v->all.doc};
	struct view_walk at = {0};

	while (one.body == 0 && view_each(&v->all, "links", &at, &link))
		one = find(&link, "allowances", of);
	if (one.body == 0) {
		gone(v);
		return;
	}
	view_put(v, "<p class=\"about\"><strong><bdi>");
	if (result_bool(&one, "any_payee"))
		view_say(v, TEXT_VIEW_ANY_PAYEE);
	else
		html_text(v->page->out, result_str(&one, "payee"));
	view_put(v, "</bdi></strong><br>");
	view_left(v, &one);
	view_put(v, "</p>\n");
	say(v, "", TEXT_VIEW_REVOKE_MORE);
	choice(v, "revoke", "allowance", of, TEXT_VIEW_REVOKE_DO);
}

void
view_reported(struct exchange *x, const struct exchange_result *r, unsigned title, unsigned text)
{
	struct page p = page_begin(x, &(struct page_head){.status = 200, .title = title});
	struct view_page v = {.page = &p, .all = *r};
	struct exchange_result stopped = view_member(r, "stopped");

	html_put(p.out, "<p role=\"status\">");
	page_say(&p, text);
	html_put(p.out, "</p>\n");
	if (stopped.body != 0)
		view_stopped(&v, &stopped);
	say(&v, " class=\"help\"", TEXT_VIEW_NOT_ME_BACK_LATER);
	page_way_back(&p, result_str(r, "return_url"));
	page_end(&p);
}
