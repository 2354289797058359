/* SPDX-License-Identifier: Apache-2.0 */
/* The card in HTML. Everything on it comes from the engine as text and is escaped here. */
#include "broker/gateway/card.h"

#include "broker/gateway/pages.h"
#include "broker/gateway/texts_step.h"

/* What a card is about; another word is shown as it stands. */
static const struct {
	struct view what;
	unsigned text;
} whats[] = {
    {VIEW("payment"), TEXT_WHAT_PAYMENT},
    {VIEW("spend"), TEXT_WHAT_PAYMENT},
    {VIEW("link"), TEXT_WHAT_LINK},
    {VIEW("factor"), TEXT_WHAT_FACTOR},
    {VIEW("recover"), TEXT_WHAT_FACTOR},
    {VIEW("grant"), TEXT_WHAT_ALLOWANCE},
    {VIEW("factor_removal"), TEXT_WHAT_FACTOR_REMOVAL},
    {VIEW("allowance"), TEXT_WHAT_ALLOWANCE},
    {VIEW("mandate"), TEXT_WHAT_MANDATE},
    {VIEW("limit"), TEXT_WHAT_LIMIT},
    {VIEW("thaw"), TEXT_WHAT_THAW},
    {VIEW("view"), TEXT_WHAT_VIEW},
};

/* Types of step that one field can answer. */
static const struct {
	struct view type;
	const char *attributes;
} fields[] = {
    {VIEW("code"), "type=\"text\" autocomplete=\"one-time-code\" inputmode=\"numeric\" "
		   "autocapitalize=\"off\""},
    {VIEW("text"), "type=\"text\" autocomplete=\"off\""},
    {VIEW("secret"), "type=\"password\" autocomplete=\"off\""},
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]), WHATS = sizeof(whats) / sizeof(whats[0]) };

/* One fact; more stands behind the value in a small hand. */
static void
line(struct page *p, unsigned name, struct view value, struct view more)
{
	if (value.len == 0)
		return;
	html_put(p->out, "<div><dt>");
	page_say(p, name);
	html_put(p->out, "</dt><dd>");
	html_text(p->out, value);
	if (more.len > 0) {
		html_put(p->out, " <small>");
		html_text(p->out, more);
		html_put(p->out, "</small>");
	}
	html_put(p->out, "</dd></div>\n");
}

static void
line_money(struct page *p, const char *class, unsigned name, struct view amount, struct view currency)
{
	if (amount.len == 0)
		return;
	html_put(p->out, "<div");
	html_put(p->out, class);
	html_put(p->out, "><dt>");
	page_say(p, name);
	html_put(p->out, "</dt><dd>");
	html_money(p->out, p->language, amount, currency);
	html_put(p->out, "</dd></div>\n");
}

/* "2026-11-22T10:00:00Z" as "10:00 UTC"; the script puts it into the reader's own time. */
static void
line_time(struct page *p, unsigned name, struct view time)
{
	if (time.len < 20 || time.data[10] != 'T' || time.data[time.len - 1] != 'Z') {
		line(p, name, time, view_of(NULL, 0));
		return;
	}
	html_put(p->out, "<div><dt>");
	page_say(p, name);
	html_put(p->out, "</dt><dd><time data-local datetime=\"");
	html_text(p->out, time);
	html_put(p->out, "\">");
	html_text(p->out, view_of(time.data + 11, 5));
	html_put(p->out, " UTC</time></dd></div>\n");
}

static struct view
what_of(const struct page *p, struct view what)
{
	for (size_t i = 0; i < WHATS; i++)
		if (view_equal(whats[i].what, what))
			return text_get(whats[i].text, p->language);
	return what;
}

/* A payee by name and id; without an id it is the name of what is changed, a factor's for instance. */
static void
payee_write(struct page *p, const struct exchange_result *card)
{
	struct view name = result_str(card, "payee"), id = result_str(card, "payee_id");

	if (view_equal(id, VIEW("*")))
		line(p, TEXT_PAYEE, text_get(TEXT_ANY_PAYEE, p->language), view_of(NULL, 0));
	else if (id.len == 0)
		line(p, TEXT_LABEL, result_str(card, "label"), id);
	else if (name.len == 0 || view_equal(name, id))
		line(p, TEXT_PAYEE, id, view_of(NULL, 0));
	else
		line(p, TEXT_PAYEE, name, id);
}

static void
facts_write(struct page *p, const struct exchange_result *r)
{
	struct exchange_result card = {.doc = r->doc, .body = result_get(r, "card", JSON_OBJECT)};
	struct view currency = result_str(&card, "currency"), title = result_str(&card, "provider_title");
	const struct view none = {NULL, 0};

	html_put(p->out, "<h1>");
	html_text(p->out, what_of(p, result_str(&card, "what")));
	html_put(p->out, "</h1>\n<dl class=\"facts\">\n");
	line_money(p, " class=\"amount\"", TEXT_AMOUNT, result_str(&card, "amount"), currency);
	payee_write(p, &card);
	line(p, TEXT_SERVICE, result_str(&card, "service"), none);
	line(p, TEXT_PROVIDER, title.len > 0 ? title : result_str(&card, "provider"), none);
	line(p, TEXT_ACCOUNT, result_str(&card, "account_hint"), none);
	line_money(p, "", TEXT_WORST_CASE, result_str(&card, "worst_case"), currency);
	line_time(p, TEXT_EXPIRES, result_str(&card, "expires_at"));
	html_put(p->out, "</dl>\n");
}

/* The row of `fields` for this step, or FIELDS. */
static size_t
field_of(const struct exchange_result *step)
{
	struct view type = result_str(step, "type");
	size_t i = 0;

	while (i < FIELDS && !view_equal(fields[i].type, type))
		i++;
	return result_str(step, "id").len == 0 ? FIELDS : i;
}

static void
choice_write(struct page *p, const struct exchange_result *step, unsigned n, bool only)
{
	struct view label = result_str(step, "label");
	char id[] = {'s', 't', 'e', 'p', '-', (char)('a' + n % 26), '\0'};

	if (only) {
		html_put(p->out, "<input type=\"hidden\" name=\"step\" value=\"");
		html_text(p->out, result_str(step, "id"));
		html_put(p->out, "\">\n<label for=\"code\">");
		html_text(p->out, label.len > 0 ? label : text_get(TEXT_CODE, p->language));
		html_put(p->out, "</label>\n");
		return;
	}
	html_put(p->out, "<div><input type=\"radio\" name=\"step\" required id=\"");
	html_put(p->out, id);
	html_put(p->out, "\" value=\"");
	html_text(p->out, result_str(step, "id"));
	html_put(p->out, n == 0 ? "\" checked> <label for=\"" : "\"> <label for=\"");
	html_put(p->out, id);
	html_put(p->out, "\">");
	html_text(p->out, label.len > 0 ? label : result_str(step, "kind"));
	html_put(p->out, "</label></div>\n");
}

/* One field; with several ways to answer, a choice before it. False: there is no way to answer
 * here. */
static bool
steps_write(struct page *p, const struct exchange_result *r, const struct card_form *form)
{
	uint32_t steps = result_get(r, "steps", JSON_ARRAY);
	size_t row = FIELDS;
	unsigned usable = 0, n = 0;

	for (int pass = 0; steps != 0 && pass < 2; pass++) {
		uint32_t at = json_first(r->doc, steps);

		if (pass == 1 && usable > 1) {
			html_put(p->out, "<fieldset><legend>");
			html_say(p->out, TEXT_METHOD, p->language);
			html_put(p->out, "</legend>\n");
		}
		for (unsigned i = 0; i < r->doc->tokens[steps].count;
		     i++, at = json_next(r->doc, at)) {
			struct exchange_result step = {.doc = r->doc, .body = at};

			if (json_type(r->doc, at) != JSON_OBJECT || field_of(&step) == FIELDS)
				continue;
			row = row == FIELDS ? field_of(&step) : row;
			if (pass == 0)
				usable++;
			else
				choice_write(p, &step, n++, usable == 1);
		}
	}
	if (usable == 0)
		return false;
	if (usable > 1) {
		html_put(p->out, "</fieldset>\n<label for=\"code\">");
		html_say(p->out, TEXT_CODE, p->language);
		html_put(p->out, "</label>\n");
	}
	html_put(p->out, "<input class=\"field code\" id=\"code\" name=\"code\" required autofocus "
			 "maxlength=\"128\" ");
	html_put(p->out, fields[row].attributes);
	html_put(p->out, form->news == CARD_WRONG
			     ? " aria-invalid=\"true\" aria-describedby=\"problem\">\n"
			     : ">\n");
	return true;
}

static void
button(struct page *p, const char *class, const char *what, unsigned text)
{
	html_put(p->out, "<button class=\"");
	html_put(p->out, class);
	html_put(p->out, "\" name=\"do\" value=\"");
	html_put(p->out, what);
	/* Refusing must not ask for a code first. */
	html_put(p->out, text == TEXT_CONFIRM ? "\">" : "\" formnovalidate>");
	html_say(p->out, text, p->language);
	html_put(p->out, "</button>\n");
}

/* What became of the answer before. */
static void
news_write(struct page *p, const struct card_form *form)
{
	static const unsigned says[] = {
	    [CARD_NEXT] = TEXT_NEXT_STEP,
	    [CARD_WRONG] = TEXT_WRONG,
	    [CARD_WAIT] = TEXT_WAIT,
	};
	if (form->news == CARD_FIRST)
		return;
	html_put(p->out,
	    form->news == CARD_NEXT ? "<p role=\"status\">" : "<p role=\"alert\" id=\"problem\">");
	html_say(p->out, says[form->news], p->language);
	if (form->news == CARD_WRONG && form->attempts_left >= 0) {
		html_put(p->out, " ");
		page_say(p, TEXT_ATTEMPTS);
		html_put(p->out, " ");
		html_int(p->out, form->attempts_left);
	}
	html_put(p->out, "</p>\n");
}

void
card_write(struct page *p, const struct exchange_result *r, const struct card_form *form)
{
	facts_write(p, r);
	news_write(p, form);
	form_begin(p, form->cookie, "answer");
	if (steps_write(p, r, form)) {
		html_put(p->out, "<div class=\"pair\">\n");
		button(p, "go", "answer", TEXT_CONFIRM);
	} else {
		html_put(p->out, "<p role=\"alert\">");
		page_say(p, TEXT_NO_STEP);
		html_put(p->out, "</p>\n<div class=\"pair\">\n");
	}
	button(p, "plain", "refuse", TEXT_REFUSE);
	html_put(p->out, "</div>\n<p class=\"help\">");
	page_say(p, TEXT_HOW_TO_REFUSE);
	html_put(p->out, "</p>\n<div class=\"aside\"><p class=\"help\">");
	page_say(p, TEXT_HOW_NOT_ME);
	html_put(p->out, "</p>\n");
	button(p, "stop", "report", TEXT_NOT_ME);
	html_put(p->out, "</div>\n");
	form_end(p);
}
