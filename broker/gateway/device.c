/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page of a device that approves, /d. GET shows a button and nothing else, unless the page itself asks again; what
 * waits is shown to a POST with the device's cookie. Without a script a request can be refused; approving takes the
 * device's passkey.
 */
#include "broker/gateway/device.h"

#include "broker/base/secret.h"
#include "broker/gateway/card.h"
#include "broker/gateway/digest.h"
#include "broker/gateway/handlers.h"
#include "broker/gateway/pages.h"
#include "broker/gateway/texts_device.h"
#include "broker/gateway/texts_step.h"

enum { LOOK_S = 5 /* between looks without a script */ };

/* exchange.detail, while the engine is asked again: what there is to say. */
enum news {
	NEWS_NONE,
	NEWS_APPROVED,
	NEWS_COUNTED,
	NEWS_WRONG_NUMBER,
	NEWS_REJECTED,
	NEWS_NOT_NOW,
	NEWS_UNSIGNED,
	NEWS_REFUSED,
	NEWS_REPORTED,
	NEWS_GONE,
};

/* The device's cookie, or data NULL. */
static struct view
device_cookie(const struct exchange *x)
{
	struct view v = http_cookie(x->request->cookie, VIEW("__Host-device"));

	return v.data != NULL && v.len > 0 && cookie_ok(v) ? v : view_of(NULL, 0);
}

/* ---- forms ----------------------------------------------------------------------------------- */

static void
proof_make(struct view cookie, struct view challenge, char to[DIGEST_HEX])
{
	digest_hex("device proof", challenge, cookie, to);
}

static void
hidden(struct page *p, const char *name, struct view value)
{
	html_put(p->out, "<input type=\"hidden\" name=\"");
	html_put(p->out, name);
	html_put(p->out, "\" value=\"");
	html_text(p->out, value);
	html_put(p->out, "\">\n");
}

/* The cookie and the form's proof for this challenge fit. False: 403 was answered. */
static bool
is_proved(struct exchange *x, const struct form *form)
{
	struct view cookie = device_cookie(x), proof = form_get(form, "proof");
	char want[DIGEST_HEX];

	if (cookie.data != NULL && proof.len == sizeof(want)) {
		proof_make(cookie, form_get(form, "challenge"), want);
		if (secret_equal(want, proof.data, sizeof(want)))
			return true;
	}
	page_problem(x, 403, TEXT_FOREIGN_FORM);
	return false;
}

/* ---- the page -------------------------------------------------------------------------------- */

static void
button_page(struct exchange *x)
{
	struct page p = page_begin(x, &(struct page_head){.status = 200, .title = TEXT_DEVICE_TITLE});

	html_put(p.out, "<p>");
	page_say(&p, TEXT_DEVICE_PROBE);
	html_put(p.out, "</p>\n<form method=\"post\" action=\"/d\">\n<button class=\"go\" id=\"open\" name=\"do\" value=\"open\">");
	page_say(&p, TEXT_DEVICE_SHOW);
	html_put(p.out, "</button>\n</form>\n");
	page_end(&p);
}

static void
stranger_page(struct exchange *x)
{
	struct page p = page_begin(x, &(struct page_head){.status = 403, .title = TEXT_DEVICE_STRANGER_TITLE});

	html_put(p.out, "<p role=\"alert\">");
	page_say(&p, TEXT_DEVICE_STRANGER);
	html_put(p.out, "</p>\n");
	page_end(&p);
}

static void
news_write(struct page *p, enum news news)
{
	static const struct {
		bool problem;
		unsigned text;
	} says[] = {
	    [NEWS_APPROVED] = {false, TEXT_DEVICE_APPROVED},
	    [NEWS_COUNTED] = {false, TEXT_DEVICE_COUNTED},
	    [NEWS_WRONG_NUMBER] = {true, TEXT_DEVICE_WRONG_NUMBER},
	    [NEWS_REJECTED] = {true, TEXT_DEVICE_REJECTED},
	    [NEWS_NOT_NOW] = {true, TEXT_DEVICE_NOT_NOW},
	    [NEWS_UNSIGNED] = {true, TEXT_DEVICE_UNSIGNED},
	    [NEWS_REFUSED] = {false, TEXT_DEVICE_REFUSED},
	    [NEWS_REPORTED] = {false, TEXT_DEVICE_REPORTED},
	    [NEWS_GONE] = {true, TEXT_DEVICE_GONE},
	};

	if (news == NEWS_NONE)
		return;
	html_put(p->out, says[news].problem ? "<p role=\"alert\" id=\"problem\">" : "<p class=\"notice good\" role=\"status\">");
	page_say(p, says[news].text);
	html_put(p->out, "</p>\n");
}

/* The factor may not answer yet, or for a while. */
static void
waits_write(struct page *p, const struct exchange_result *r)
{
	struct view state = result_str(r, "state"), until = result_str(r, "until");

	if (view_equal(state, VIEW("open")) || until.len < 20)
		return;
	html_put(p->out, "<p class=\"notice warn\" id=\"until\">");
	page_say(p, view_equal(state, VIEW("locked")) ? TEXT_DEVICE_LOCKED : TEXT_DEVICE_COOLING);
	html_put(p->out, " <time data-local=\"date\" datetime=\"");
	html_text(p->out, until);
	html_put(p->out, "\">");
	html_text(p->out, view_of(until.data, 10));
	html_put(p->out, " ");
	html_text(p->out, view_of(until.data + 11, 5));
	html_put(p->out, " UTC</time></p>\n");
}

/* Each number is a button; the script has the passkey sign what that one stands for, and shows them only where it can. */
static void
numbers_write(struct page *p, const struct exchange_result *request)
{
	uint32_t numbers = result_get(request, "numbers", JSON_ARRAY), token;

	html_put(p->out, "<p class=\"notice warn needs\">");
	page_say(p, TEXT_DEVICE_NEEDS);
	html_put(p->out, "</p>\n<p class=\"notice warn failed\" role=\"status\" hidden>");
	page_say(p, TEXT_DEVICE_FAILED);
	html_put(p->out, "</p>\n<fieldset class=\"numbers\" hidden><legend>");
	page_say(p, TEXT_DEVICE_NUMBER);
	html_put(p->out, "</legend>\n<div>\n");
	token = numbers == 0 ? 0 : json_first(request->doc, numbers);
	for (unsigned i = 0; numbers != 0 && i < request->doc->tokens[numbers].count; i++) {
		struct exchange_result n = {.doc = request->doc, .body = token};

		token = json_next(request->doc, token);
		html_put(p->out, "<button name=\"number\" value=\"");
		html_text(p->out, result_str(&n, "number"));
		html_put(p->out, "\" data-challenge=\"");
		html_text(p->out, result_str(&n, "challenge"));
		html_put(p->out, "\">");
		html_text(p->out, result_str(&n, "number"));
		html_put(p->out, "</button>\n");
	}
	html_put(p->out, "</div></fieldset>\n<p class=\"help\">");
	page_say(p, TEXT_DEVICE_NO_NUMBER);
	html_put(p->out, "</p>\n");
}

static void
form_write(struct page *p, const struct exchange_result *r, const struct exchange_result *request, struct view cookie)
{
	struct exchange_result card = {.doc = r->doc, .body = result_get(request, "card", JSON_OBJECT)};
	struct view challenge = result_str(request, "challenge");
	char proof[DIGEST_HEX];

	proof_make(cookie, challenge, proof);
	html_put(p->out, "<form method=\"post\" action=\"/d\" data-rp-id=\"");
	html_text(p->out, result_str(r, "rp_id"));
	html_put(p->out, "\" data-credentials=\"");
	html_text(p->out, result_str(r, "step"));
	html_put(p->out, "=");
	html_text(p->out, result_str(r, "credential"));
	html_put(p->out, "\">\n");
	hidden(p, "proof", view_of(proof, sizeof(proof)));
	hidden(p, "challenge", challenge);
	html_put(p->out, "<input type=\"hidden\" name=\"round\" value=\"");
	html_int(p->out, result_int(request, "round", 0));
	html_put(p->out, "\">\n");
	hidden(p, "step1", result_str(r, "step"));
	hidden(p, "value1", VIEW(""));
	numbers_write(p, request);
	html_put(p->out, "<button class=\"plain\" name=\"do\" value=\"refuse\">");
	page_say(p, TEXT_REFUSE);
	html_put(p->out, "</button>\n<div class=\"aside\"><p class=\"help\">");
	page_say(p, result_str(&card, "provider").len > 0 ? TEXT_HOW_NOT_ME : TEXT_HOW_NOT_ME_ALONE);
	html_put(p->out, "</p>\n<button class=\"stop\" name=\"do\" value=\"report\">");
	page_say(p, TEXT_NOT_ME);
	html_put(p->out, "</button></div>\n</form>\n");
}

static void
requests_write(struct page *p, const struct exchange_result *r, struct view cookie)
{
	uint32_t requests = result_get(r, "requests", JSON_ARRAY), token = requests == 0 ? 0 : json_first(r->doc, requests);
	unsigned count = requests == 0 ? 0 : r->doc->tokens[requests].count;

	if (count == 0 && view_equal(result_str(r, "state"), VIEW("open"))) {
		html_put(p->out, "<p id=\"none\">");
		page_say(p, TEXT_DEVICE_NONE);
		html_put(p->out, "</p>\n");
	}
	for (unsigned i = 0; i < count; i++, token = json_next(r->doc, token)) {
		struct exchange_result request = {.doc = r->doc, .body = token};
		struct exchange_result card = {.doc = r->doc, .body = result_get(&request, "card", JSON_OBJECT)};

		html_put(p->out, "<section class=\"request\">\n");
		card_facts(p, &card, "h2", NULL);
		form_write(p, r, &request, cookie);
		html_put(p->out, "</section>\n");
	}
}

/* Whose device it is, and the way to look again. */
static void
foot_write(struct page *p, const struct exchange_result *r)
{
	html_put(p->out, "<p class=\"help\">");
	page_say(p, TEXT_DEVICE_LOOKS);
	html_put(p->out, "</p>\n<form method=\"post\" action=\"/d\" id=\"look\" data-seen=\"");
	html_text(p->out, result_str(r, "seen"));
	html_put(p->out, "\"><button class=\"link\" name=\"do\" value=\"open\">");
	page_say(p, TEXT_DEVICE_LOOK);
	html_put(p->out, "</button></form>\n<p class=\"help\">");
	page_say(p, TEXT_DEVICE_OF);
	html_put(p->out, " ");
	html_text(p->out, result_str(r, "account_hint"));
	if (result_str(r, "label").len > 0) {
		html_put(p->out, " · ");
		html_text(p->out, result_str(r, "label"));
	}
	html_put(p->out, "</p>\n");
}

static void
opened(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);
	enum news news = (enum news)x->detail;
	struct view value = device_cookie(x);
	struct cookie cookie = DEVICE_COOKIE(value);
	struct page_head head = {.status = 200, .title = TEXT_DEVICE_TITLE, .flags = PAGE_SCRIPT, .cookie = &cookie,
	    .refresh_s = LOOK_S};
	struct page p;

	if (view_equal(r.error, VIEW("org.countersign.NotPermitted"))) {
		stranger_page(x);
		return;
	}
	if (r.error.len > 0) {
		page_error_of(x, &r);
		return;
	}
	if (news >= NEWS_WRONG_NUMBER && news <= NEWS_UNSIGNED)
		head.flags |= PAGE_PROBLEM;
	p = page_begin(x, &head);
	news_write(&p, news);
	waits_write(&p, &r);
	requests_write(&p, &r, value);
	foot_write(&p, &r);
	page_end(&p);
}

/* A call with the device's cookie; begin false: the page for strangers, or another one, was answered. */
static bool
call_begin(struct exchange *x, const char *method, struct json_writer *w)
{
	struct view cookie = device_cookie(x);

	if (cookie.data == NULL) {
		stranger_page(x);
		return false;
	}
	if (!page_call_begin(x, method, w))
		return false;
	json_member_str(w, "cookie", cookie);
	return true;
}

static void
device_open(struct exchange *x, enum news news)
{
	struct json_writer w;

	x->detail = (unsigned)news;
	if (call_begin(x, "org.countersign.Internal.DeviceOpen", &w))
		page_call_send(x, &w, opened);
}

void
device_probe(struct exchange *x)
{
	page_language(x);
	/* The page itself asks again. Whatever leads here from elsewhere has the button. */
	if (device_cookie(x).data != NULL && view_equal(x->request->fetch_site, VIEW("same-origin")))
		device_open(x, NEWS_NONE);
	else
		button_page(x);
}

/* For the script: whether there is something else to show. */
static void
state_answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);
	struct json_writer w;
	size_t mark;

	if (r.error.len > 0) {
		reply_problem_of(x, &r);
		return;
	}
	mark = reply_json_begin(x, 200);
	w = json_to(x->out);
	json_object_begin(&w);
	json_member_str(&w, "seen", result_str(&r, "seen"));
	json_object_end(&w);
	reply_end(x, mark);
}

void
device_poll(struct exchange *x)
{
	struct view cookie = device_cookie(x);
	struct json_writer w;

	if (cookie.data == NULL) {
		reply_problem(x, 403, "NotPermitted", "this browser is no registered device");
		return;
	}
	if (!page_call_begin(x, "org.countersign.Internal.DeviceOpen", &w))
		return;
	json_member_str(&w, "cookie", cookie);
	page_call_send(x, &w, state_answered);
}

/* ---- answers --------------------------------------------------------------------------------- */

static enum news
news_of(const struct exchange_result *r)
{
	struct view state = result_str(r, "state"), reason = result_str(r, "reason");
	bool rejected = view_equal(reason, VIEW("factor_rejected"));

	if (view_equal(state, VIEW("done")) || view_equal(state, VIEW("used")))
		return NEWS_APPROVED;
	if (view_equal(state, VIEW("refused")) && rejected)
		return NEWS_WRONG_NUMBER;
	if (!view_equal(state, VIEW("open")))
		return NEWS_GONE;
	return reason.data == NULL ? NEWS_COUNTED : rejected ? NEWS_REJECTED : NEWS_NOT_NOW;
}

static void
answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);

	if (view_equal(r.error, VIEW("org.countersign.NotPermitted")))
		stranger_page(x);
	else if (view_equal(r.error, VIEW("org.countersign.NotFound")))
		device_open(x, NEWS_GONE);
	else if (r.error.len > 0)
		page_error_of(x, &r);
	else
		device_open(x, news_of(&r));
}

/* Two digits that we wrote into the form ourselves, or 0, which no challenge has. */
static int64_t
number_of(struct view text)
{
	int64_t number = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9' || text.len > 9)
			return 0;
		number = 10 * number + (text.data[i] - '0');
	}
	return number;
}

static void
device_answer(struct exchange *x, const struct form *form)
{
	struct view number = form_get(form, "number");
	struct json_writer w;

	/* Without the passkey there is nothing to ask. */
	if (form_get(form, "value1").len == 0 || number.len != 2) {
		device_open(x, NEWS_UNSIGNED);
		return;
	}
	if (!call_begin(x, "org.countersign.Internal.DeviceAnswer", &w))
		return;
	json_member_str(&w, "challenge", form_get(form, "challenge"));
	json_member_int(&w, "number", number_of(number));
	(void)prompt_answers(form, &w);
	if (number_of(form_get(form, "round")) > 0)
		json_member_int(&w, "round", number_of(form_get(form, "round")));
	page_call_send(x, &w, answered);
}

static void
refused(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);
	enum news news = (enum news)x->detail;

	if (r.error.len > 0)
		answered(x, answer);
	else
		device_open(x, news == NEWS_REPORTED || view_equal(result_str(&r, "state"), VIEW("refused")) ? news : NEWS_GONE);
}

static void
device_refuse(struct exchange *x, const struct form *form, bool report)
{
	struct json_writer w;

	x->detail = report ? NEWS_REPORTED : NEWS_REFUSED;
	if (!call_begin(x, "org.countersign.Internal.DeviceRefuse", &w))
		return;
	json_member_str(&w, "challenge", form_get(form, "challenge"));
	json_member_bool(&w, "report", report);
	page_call_send(x, &w, refused);
}

static void
dispatch(struct exchange *x, const struct form *form)
{
	struct view what = form_get(form, "do");

	if (form_get(form, "challenge").data == NULL)
		device_open(x, NEWS_NONE);
	else if (!is_proved(x, form))
		return;
	else if (form_get(form, "number").data != NULL)
		device_answer(x, form);
	else if (view_equal(what, VIEW("refuse")) || view_equal(what, VIEW("report")))
		device_refuse(x, form, view_equal(what, VIEW("report")));
	else
		device_open(x, NEWS_NONE);
}

void
device_post(struct exchange *x)
{
	struct form form;

	page_language(x);
	if (!form_read(x, &form))
		return;
	dispatch(x, &form);
	form_clear(x, &form);
}
