/* SPDX-License-Identifier: Apache-2.0 */
/* The card in HTML. Everything on it comes from the engine as text and is escaped here. */
#include "broker/gateway/card.h"

#include "broker/gateway/texts_step.h"

/* What a card is about: the question that is its heading, and what its amount means. The last row is for other words. */
static const struct subject {
	struct view what;
	unsigned question, amount;
} subjects[] = {
    {VIEW("payment"), TEXT_ASK_PAYMENT, TEXT_AMOUNT},
    {VIEW("spend"), TEXT_ASK_PAYMENT, TEXT_AMOUNT},
    {VIEW("link"), TEXT_ASK_LINK, TEXT_AMOUNT},
    {VIEW("factor"), TEXT_ASK_FACTOR, TEXT_AMOUNT},
    {VIEW("factor_removal"), TEXT_ASK_FACTOR_REMOVAL, TEXT_AMOUNT},
    {VIEW("factor_unlock"), TEXT_ASK_FACTOR_UNLOCK, TEXT_AMOUNT},
    {VIEW("recover"), TEXT_ASK_RECOVER, TEXT_AMOUNT},
    {VIEW("grant"), TEXT_ASK_ALLOWANCE, TEXT_AMOUNT_EACH},
    {VIEW("allowance"), TEXT_ASK_ALLOWANCE, TEXT_AMOUNT_EACH},
    {VIEW("mandate"), TEXT_ASK_MANDATE, TEXT_AMOUNT_EACH},
    {VIEW("limit"), TEXT_ASK_LIMIT, TEXT_AMOUNT},
    {VIEW("thaw"), TEXT_ASK_THAW, TEXT_AMOUNT},
    {VIEW("view"), TEXT_ASK_VIEW, TEXT_AMOUNT},
    {VIEW(""), TEXT_ASK_OTHER, TEXT_AMOUNT},
};

enum {
	SUBJECTS = sizeof(subjects) / sizeof(subjects[0]),
	AMOUNT_SHORT = sizeof("1234.50") - 1,  /* characters that stand in the largest letters without breaking on a small phone */
};

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

static const struct subject *
subject_of(struct view what)
{
	size_t i = 0;

	while (i < SUBJECTS - 1 && !view_equal(subjects[i].what, what))
		i++;
	return &subjects[i];
}

/* A payee by name and id. */
static void
payee_write(struct page *p, const struct exchange_result *card)
{
	struct view name = result_str(card, "payee"), id = result_str(card, "payee_id");

	if (view_equal(id, VIEW("*")))
		line(p, TEXT_PAYEE, text_get(TEXT_ANY_PAYEE, p->language), view_of(NULL, 0));
	else if (name.len == 0 || view_equal(name, id))
		line(p, TEXT_PAYEE, id, view_of(NULL, 0));
	else
		line(p, TEXT_PAYEE, name, id);
}

/* "totp: my phone": the kind in the reader's words, and the owner's own name for it. */
static void
label_write(struct page *p, struct view label)
{
	static const struct {
		struct view kind;
		unsigned text;
	} kinds[] = {
	    {VIEW("totp"), TEXT_KIND_TOTP},
	    {VIEW("otp"), TEXT_KIND_OTP},
	    {VIEW("webauthn"), TEXT_KIND_WEBAUTHN},
	    {VIEW("recovery"), TEXT_KIND_RECOVERY},
	    {VIEW("approve"), TEXT_KIND_APPROVE},
	    {VIEW("pam"), TEXT_KIND_PAM},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct view kind = kinds[i].kind;

		if (label.len < kind.len || memcmp(label.data, kind.data, kind.len) != 0)
			continue;
		if (label.len == kind.len) {
			line(p, TEXT_LABEL, text_get(kinds[i].text, p->language), VIEW(""));
			return;
		}
		if (label.len > kind.len + 2 && memcmp(label.data + kind.len, ": ", 2) == 0) {
			line(p, TEXT_LABEL, text_get(kinds[i].text, p->language),
			    view_of(label.data + kind.len + 2, label.len - kind.len - 2));
			return;
		}
	}
	line(p, TEXT_LABEL, label, VIEW(""));
}

void
card_facts(struct page *p, const struct exchange_result *card, const char *heading, const char *id)
{
	struct view currency = result_str(card, "currency"), title = result_str(card, "provider_title");
	struct view amount = result_str(card, "amount");
	const struct subject *s = subject_of(result_str(card, "what"));
	const struct view none = {NULL, 0};

	html_put(p->out, "<");
	html_put(p->out, heading);
	html_put(p->out, ">");
	page_say(p, s->question);
	html_put(p->out, "</");
	html_put(p->out, heading);
	html_put(p->out, ">\n<dl class=\"facts\"");
	html_put(p->out, id == NULL ? "" : " id=\"");
	html_put(p->out, id == NULL ? "" : id);
	html_put(p->out, id == NULL ? ">\n" : "\">\n");
	line_money(p, amount.len <= AMOUNT_SHORT ? " class=\"amount\"" : " class=\"amount long\"", s->amount, amount, currency);
	if (s->question == TEXT_ASK_OTHER)
		line(p, TEXT_WHAT, result_str(card, "what"), none);
	line_money(p, "", TEXT_WORST_CASE, result_str(card, "worst_case"), currency);
	payee_write(p, card);
	label_write(p, result_str(card, "label"));
	line(p, TEXT_SERVICE, result_str(card, "service"), none);
	line(p, TEXT_PROVIDER, title.len > 0 ? title : result_str(card, "provider"), result_str(card, "link"));
	line(p, TEXT_ACCOUNT, result_str(card, "account_hint"), none);
	line_time(p, TEXT_EXPIRES, result_str(card, "expires_at"));
	html_put(p->out, "</dl>\n");
}

/* What became of the answer before. */
static void
news_write(struct page *p, const struct exchange_result *r, const struct card_form *form)
{
	static const struct {
		bool problem;
		unsigned text;
	} says[] = {
	    [CARD_NEXT] = {false, TEXT_NEXT_STEP},
	    [CARD_WRONG] = {true, TEXT_WRONG},
	    [CARD_WAIT] = {true, TEXT_WAIT},
	    [CARD_EMPTY] = {true, TEXT_EMPTY},
	    [CARD_BUDGET] = {true, TEXT_BUDGET},
	    [CARD_SENT] = {false, TEXT_SENT},
	    [CARD_TWICE] = {false, TEXT_TWICE},
	};
	int64_t left = result_int(r, "attempts_left", -1);

	if (form->news == CARD_FIRST)
		return;
	html_put(p->out, says[form->news].problem ? "<p role=\"alert\" id=\"problem\">" : "<p class=\"notice good\" role=\"status\">");
	page_say(p, says[form->news].text);
	if (form->news == CARD_WRONG && left >= 0) {
		html_put(p->out, " ");
		page_say(p, TEXT_ATTEMPTS);
		html_put(p->out, " ");
		html_int(p->out, left);
	}
	html_put(p->out, "</p>\n");
}

/* Refusing is as easy as confirming: it stands beside it, is as large, and asks for nothing first. */
static void
refuse_write(struct page *p)
{
	html_put(p->out, "<button class=\"plain\" id=\"refuse\" name=\"do\" value=\"refuse\" formnovalidate>");
	page_say(p, TEXT_REFUSE);
	html_put(p->out, "</button>\n</div>\n<p class=\"help\">");
	page_say(p, TEXT_HOW_TO_REFUSE);
	html_put(p->out, "</p>\n");
}

static void
report_write(struct page *p, const struct exchange_result *card)
{
	html_put(p->out, "<div class=\"aside\"><p class=\"help\">");
	page_say(p, result_str(card, "provider").len > 0 ? TEXT_HOW_NOT_ME : TEXT_HOW_NOT_ME_ALONE);
	html_put(p->out, "</p>\n<button class=\"stop\" id=\"report\" name=\"do\" value=\"report\" formnovalidate>");
	page_say(p, TEXT_NOT_ME);
	html_put(p->out, "</button></div>\n");
}

/* With it a double submit is told from a second answer. */
static void
round_put(struct page *p, const struct exchange_result *r)
{
	if (result_get(r, "round", JSON_NUMBER) == 0)
		return;
	html_put(p->out, "<input type=\"hidden\" name=\"round\" value=\"");
	html_int(p->out, result_int(r, "round", 0));
	html_put(p->out, "\">\n");
}

void
card_write(struct page *p, const struct exchange_result *r, const struct card_form *form)
{
	struct exchange_result card = {.doc = r->doc, .body = result_get(r, "card", JSON_OBJECT)};

	card_facts(p, &card, "h1", "card");
	news_write(p, r, form);
	form_begin(p, form->cookie, "answer");
	round_put(p, r);
	card_steps(p, r, form);
	refuse_write(p);
	card_other_ways(p, r, form);
	report_write(p, &card);
	form_end(p);
	card_other_form(p, r, form);
}
