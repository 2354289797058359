/* SPDX-License-Identifier: Apache-2.0 */
/* The enrolment page's contents. Everything on it comes from the engine as text and is escaped here. */
#include "broker/gateway/enrol_card.h"

#include "broker/gateway/pages.h"
#include "broker/gateway/prompt.h"
#include "broker/gateway/qr.h"
#include "broker/gateway/texts_device.h"
#include "broker/gateway/texts_enrol.h"
#include "broker/gateway/texts_step.h"

static const struct {
	struct view kind;
	unsigned title;
} kinds[] = {
    {VIEW("totp"), TEXT_ENROL_TOTP},
    {VIEW("otp"), TEXT_ENROL_OTP},
    {VIEW("webauthn"), TEXT_ENROL_WEBAUTHN},
    {VIEW("recovery"), TEXT_ENROL_RECOVERY},
    {VIEW("approve"), TEXT_ENROL_APPROVE},
    {VIEW("pam"), TEXT_ENROL_PAM},
};

static void
fact(struct page *p, unsigned name, struct view value)
{
	if (value.len == 0)
		return;
	html_put(p->out, "<div><dt>");
	page_say(p, name);
	html_put(p->out, "</dt><dd>");
	html_text(p->out, value);
	html_put(p->out, "</dd></div>\n");
}

static void
head_write(struct page *p, const struct exchange_result *r)
{
	struct view kind = result_str(r, "factor");
	unsigned title = TEXT_ENROL_OTHER;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (view_equal(kinds[i].kind, kind))
			title = kinds[i].title;
	html_put(p->out, "<h1>");
	page_say(p, title);
	html_put(p->out, "</h1>\n<dl class=\"facts\">\n");
	fact(p, TEXT_ENROL_FOR, result_str(r, "account_hint"));
	fact(p, TEXT_ENROL_NAME, result_str(r, "label"));
	fact(p, TEXT_SERVICE, result_str(r, "service"));
	html_put(p->out, "</dl>\n");
}

static void
news_write(struct page *p, const struct exchange_result *r, enum enrol_news news)
{
	static const unsigned says[] = {
	    [ENROL_MORE] = TEXT_ENROL_MORE, [ENROL_WRONG] = TEXT_ENROL_WRONG, [ENROL_EMPTY] = TEXT_EMPTY,
	    [ENROL_TWICE] = TEXT_TWICE};
	int64_t left = result_int(r, "tries_left", -1);

	if (news == ENROL_FIRST)
		return;
	html_put(p->out, news == ENROL_MORE || news == ENROL_TWICE ? "<p class=\"notice good\" role=\"status\">" : "<p role=\"alert\" id=\"problem\">");
	page_say(p, says[news]);
	if (news == ENROL_WRONG && left >= 0) {
		html_put(p->out, " ");
		page_say(p, TEXT_ATTEMPTS);
		html_put(p->out, " ");
		html_int(p->out, left);
	}
	html_put(p->out, "</p>\n");
}

/* The value of a member of a URI's query, still encoded; NULL data where it has none. */
static struct view
query_get(struct view uri, struct view name)
{
	const char *at = memchr(uri.data, '?', uri.len), *end = uri.data + uri.len;

	while (at != NULL && (size_t)(end - at) > name.len + 1) {
		const char *next;

		at++;
		next = memchr(at, '&', (size_t)(end - at));
		if (memcmp(at, name.data, name.len) == 0 && at[name.len] == '=') {
			at += name.len + 1;
			return view_of(at, (size_t)((next == NULL ? end : next) - at));
		}
		at = next;
	}
	return view_of(NULL, 0);
}

/* In groups of four, as people copy. */
static void
groups_put(struct buf *out, struct view text)
{
	for (size_t i = 0; i < text.len; i += 4) {
		html_put(out, i > 0 ? " " : "");
		html_text(out, view_of(text.data + i, text.len - i < 4 ? text.len - i : 4));
	}
}

static bool
begins(struct view v, struct view with)
{
	return v.len > with.len && memcmp(v.data, with.data, with.len) == 0;
}

/* An address that an app takes: as a picture, as a link for this device, and its key as text. */
static void
uri_write(struct page *p, struct view uri)
{
	struct view secret = query_get(uri, VIEW("secret"));
	bool app = begins(uri, VIEW("otpauth://")), web = begins(uri, VIEW("https://"));

	html_put(p->out, "<p>");
	page_say(p, TEXT_QR_HOW);
	html_put(p->out, "</p>\n");
	if (!qr_svg(p->out, uri, text_get(TEXT_QR_LABEL, p->language)))
		secret = uri;
	if (app || web) {
		html_put(p->out, "<p><a class=\"button\" id=\"app\" href=\"");
		html_text(p->out, uri);
		html_put(p->out, "\">");
		page_say(p, TEXT_OPEN_APP);
		html_put(p->out, "</a></p>\n");
	}
	if (secret.len == 0)
		return;
	html_put(p->out, "<p class=\"help\">");
	page_say(p, TEXT_SECRET_HOW);
	html_put(p->out, "</p>\n<p class=\"secret\" id=\"secret\">");
	groups_put(p->out, secret);
	html_put(p->out, "</p>\n");
}

static void
show_write(struct page *p, const struct exchange_result *step)
{
	struct view uri = result_str(step, "uri"), text = result_str(step, "text");

	if (uri.len > 0) {
		uri_write(p, uri);
		return;
	}
	if (text.len == 0)
		return;
	html_put(p->out, "<div id=\"shown\">\n");
	prompt_lines(p, text);
	/* Only a script can print: it shows the button. */
	html_put(p->out, "<p class=\"noprint\"><button type=\"button\" id=\"print\" hidden>");
	page_say(p, TEXT_PRINT);
	html_put(p->out, "</button></p></div>\n");
}

static void
passkey_write(struct page *p, const struct exchange_result *step, unsigned n)
{
	char name[PROMPT_NAME_MAX];

	prompt_name(name, "step", n, -1);
	html_put(p->out, "<div id=\"passkey\" data-into=\"");
	html_put(p->out, name);
	html_put(p->out, "\" data-step=\"");
	html_text(p->out, result_str(step, "id"));
	html_put(p->out, "\" data-options=\"");
	html_text(p->out, result_str(step, "options"));
	html_put(p->out, "\"><p>");
	page_say(p, TEXT_MAKE_PASSKEY);
	html_put(p->out, "</p>\n<p class=\"notice warn\" id=\"passkey-needs\">");
	page_say(p, TEXT_MAKE_PASSKEY_NEEDS);
	html_put(p->out, "</p>\n<p class=\"notice warn\" role=\"status\" id=\"passkey-failed\" hidden>");
	page_say(p, TEXT_MAKE_PASSKEY_FAILED);
	html_put(p->out, "</p></div>\n");
	prompt_name(name, "value", n, -1);
	prompt_hidden(p, name, name, VIEW(""));
}

static void
steps_write(struct page *p, const struct exchange_result *r, enum enrol_news news)
{
	uint32_t steps = result_get(r, "steps", JSON_ARRAY), token = steps == 0 ? 0 : json_first(r->doc, steps);
	struct prompt_form form = {.wrong = news == ENROL_WRONG || news == ENROL_EMPTY};
	bool totp = view_equal(result_str(r, "factor"), VIEW("totp"));
	unsigned n = 0;

	for (unsigned i = 0; steps != 0 && i < r->doc->tokens[steps].count; i++, token = json_next(r->doc, token)) {
		struct exchange_result step = {.doc = r->doc, .body = token};
		struct view type = json_type(r->doc, token) == JSON_OBJECT ? result_str(&step, "type") : VIEW("");
		bool passkey = view_equal(type, VIEW("passkey"));
		char name[PROMPT_NAME_MAX];

		if (view_equal(type, VIEW("show")))
			show_write(p, &step);
		if ((!passkey && !prompt_is_field(type)) || n == PROMPT_STEPS_MAX)
			continue;
		prompt_name(name, "step", ++n, -1);
		prompt_hidden(p, name, name, result_str(&step, "id"));
		if (passkey)
			passkey_write(p, &step, n);
		else
			prompt_field(p, &form, &step, n, -1,
			    result_str(&step, "label").len == 0 && totp ? text_get(TEXT_TOTP_PROVE, p->language) : VIEW(""));
	}
}

void
enrol_card_write(struct page *p, const struct exchange_result *r, struct view cookie, enum enrol_news news)
{
	head_write(p, r);
	news_write(p, r, news);
	/* What is shown stands in the form too, beside what it is to be proved with; a printer leaves the rest out. */
	form_begin(p, cookie, "answer");
	steps_write(p, r, news);
	html_put(p->out, "<div class=\"pair\">\n<button class=\"go\" id=\"confirm\" name=\"do\" value=\"answer\">");
	page_say(p, TEXT_ENROL_ADD);
	html_put(p->out, "</button>\n<button class=\"plain\" id=\"refuse\" name=\"do\" value=\"refuse\" formnovalidate>");
	page_say(p, TEXT_ENROL_CANCEL);
	html_put(p->out, "</button>\n</div>\n<p class=\"help\">");
	page_say(p, TEXT_ENROL_HOW_TO_CANCEL);
	html_put(p->out, "</p>\n");
	form_end(p);
}

/* "2026-11-22T10:00:00Z": when a factor that cools off may be used. */
static void
from_write(struct page *p, struct view time)
{
	if (time.len < 20 || time.data[10] != 'T') {
		page_say(p, TEXT_ENROLLED_MORE);
		return;
	}
	page_say(p, TEXT_ENROLLED_FROM);
	html_put(p->out, " <time data-local=\"date\" datetime=\"");
	html_text(p->out, time);
	html_put(p->out, "\">");
	html_text(p->out, view_of(time.data, 10));
	html_put(p->out, " ");
	html_text(p->out, view_of(time.data + 11, 5));
	html_put(p->out, " UTC</time>");
}

/* What the account lacks even so: something that does not fall with each of its IDs. */
static void
warnings_write(struct page *p, const struct exchange_result *r)
{
	uint32_t bare = result_get(r, "bare", JSON_ARRAY), token;

	if (bare == 0 || r->doc->tokens[bare].count == 0)
		return;
	html_put(p->out, "<div class=\"notice warn\" id=\"warnings\"><h2>");
	page_say(p, TEXT_WARNING);
	html_put(p->out, "</h2>\n<p>");
	page_say(p, TEXT_WARNING_WHAT);
	html_put(p->out, "</p>\n<ul>\n");
	token = json_first(r->doc, bare);
	for (unsigned i = 0; i < r->doc->tokens[bare].count; i++, token = json_next(r->doc, token)) {
		if (json_type(r->doc, token) != JSON_STRING)
			continue;
		html_put(p->out, "<li>");
		html_text(p->out, json_text(r->doc, token));
		html_put(p->out, "</li>\n");
	}
	html_put(p->out, "</ul>\n<p>");
	page_say(p, TEXT_WARNING_MEND);
	html_put(p->out, "</p></div>\n");
}

void
enrol_done_write(struct page *p, const struct exchange_result *r)
{
	struct exchange_result factor = {.doc = r->doc, .body = result_get(r, "factor", JSON_OBJECT)};
	bool cools = view_equal(result_str(&factor, "state"), VIEW("cooling_off"));

	page_end_begin(p, PAGE_END_DONE, TEXT_ENROLLED);
	html_put(p->out, "<p>");
	from_write(p, cools ? result_str(&factor, "usable_from") : VIEW(""));
	html_put(p->out, "</p></div></div>\n");
	warnings_write(p, r);
	if (result_str(r, "device").len > 0) {
		html_put(p->out, "<p>");
		page_say(p, TEXT_DEVICE_ENROLLED);
		html_put(p->out, "</p>\n<p><a class=\"button\" id=\"device\" href=\"/d\">");
		page_say(p, TEXT_DEVICE_OPEN);
		html_put(p->out, "</a></p>\n");
	}
	page_way_back(p, result_str(r, "return_url"));
}
