/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step-up page /c/{token}. GET shows a button and nothing else, so that prefetchers, previews and people who look over
 * a shoulder get nothing; the first POST binds the page to this browser.
 */
#include "broker/base/secret.h"
#include "broker/gateway/card.h"
#include "broker/gateway/handlers.h"
#include "broker/gateway/pages.h"
#include "broker/gateway/texts_step.h"

enum { CODE_MAX = 128 };

/* exchange.detail, while the engine is asked: what is to be said. */
enum {
	DETAIL_REPORT = 1,
	DETAIL_NEWS_SHIFT = 16, /* enum card_news */
};

/* The button that a GET shows. */
static void
probe_answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);
	struct page p;

	if (r.error.len > 0) {
		page_error_of(x, &r);
		return;
	}
	if (!result_bool(&r, "known")) {
		page_error(x, 404);
		return;
	}
	p = page_begin(x, &(struct page_head){.status = 200, .title = TEXT_TITLE});
	html_put(p.out, "<p>");
	page_say(&p, TEXT_PROBE);
	html_put(p.out, "</p>\n<form method=\"post\" action=\"");
	html_text(p.out, x->request->path);
	html_put(p.out, "\">\n<button class=\"go\" id=\"open\" name=\"do\" value=\"open\">");
	page_say(&p, TEXT_SHOW);
	html_put(p.out, "</button>\n</form>\n");
	page_end(&p);
}

void
page_probe(struct exchange *x)
{
	struct json_writer w;

	page_language(x);
	if (!page_call_begin(x, "org.countersign.Internal.PageProbe", &w))
		return;
	json_member_str(&w, "token", x->params[0]);
	page_call_send(x, &w, probe_answered);
}

/* How a challenge stands, once it is open no more. */
static void
state_page(struct exchange *x, struct view state, struct view return_url)
{
	static const struct {
		struct view state;
		enum page_end_kind kind;
		unsigned title, text;
	} says[] = {
	    {VIEW("done"), PAGE_END_DONE, TEXT_DONE, TEXT_DONE_MORE},
	    {VIEW("used"), PAGE_END_OTHER, TEXT_USED, TEXT_USED_MORE},
	    {VIEW("locked"), PAGE_END_OTHER, TEXT_LOCKED, TEXT_LOCKED_MORE},
	    {VIEW("refused"), PAGE_END_OTHER, TEXT_REFUSED, TEXT_REFUSED_MORE},
	    {VIEW("expired"), PAGE_END_OTHER, TEXT_EXPIRED, TEXT_EXPIRED_MORE},
	};

	if ((x->detail & DETAIL_REPORT) != 0) {
		page_say_end(x, PAGE_END_OTHER, TEXT_REPORTED, TEXT_REPORTED_MORE, return_url);
		return;
	}
	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
		if (!view_equal(says[i].state, state))
			continue;
		page_say_end(x, says[i].kind, says[i].title, says[i].text, return_url);
		return;
	}
	page_error(x, 503);
}

static void
open_answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);
	struct page_head head = {.status = 200, .title = TEXT_TITLE, .flags = PAGE_SCRIPT | PAGE_OWN_HEADING};
	struct card_form form;
	struct page p;

	if (r.error.len > 0) {
		page_error_of(x, &r);
		return;
	}
	if (!view_equal(result_str(&r, "state"), VIEW("open"))) {
		state_page(x, result_str(&r, "state"), result_str(&r, "return_url"));
		return;
	}
	form = (struct card_form){
	    .cookie = result_str(&r, "cookie"),
	    .news = (enum card_news)(x->detail >> DETAIL_NEWS_SHIFT),
	    .attempts_left = result_int(&r, "attempts_left", -1),
	};
	if (form.news == CARD_WRONG || form.news == CARD_WAIT)
		head.flags |= PAGE_PROBLEM;
	if (!page_begin_bound(x, &head, form.cookie, &p))
		return;
	card_write(&p, &r, &form);
	page_end(&p);
}

static void
page_open(struct exchange *x)
{
	struct json_writer w;

	/* A page that belongs to a sign-in wants the browser that began it. */
	if (!page_call_begin(x, "org.countersign.Internal.PageOpen", &w))
		return;
	json_member_str(&w, "token", x->params[0]);
	json_member_str(&w, "cookie", page_cookie_first(x));
	json_member_str(&w, "ip", x->ip);
	json_member_str(&w, "language", language_tag((enum language)x->language));
	page_call_send(x, &w, open_answered);
}

static void
respond_answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);
	enum card_news news;

	if (r.error.len > 0) {
		page_error_of(x, &r);
	} else if (view_equal(result_str(&r, "state"), VIEW("open"))) {
		/* The card again. Without a reason the answer was right, and there is another step.
		 */
		news = result_str(&r, "reason").data == NULL		    ? CARD_NEXT
		       : result_get(&r, "retry_after_ms", JSON_NUMBER) != 0 ? CARD_WAIT
									    : CARD_WRONG;
		x->detail |= (unsigned)news << DETAIL_NEWS_SHIFT;
		page_open(x);
	} else {
		state_page(x, result_str(&r, "state"), result_str(&r, "return_url"));
	}
}

static void
page_respond(struct exchange *x, struct view step, struct view code)
{
	char plain[CODE_MAX];
	struct buf text = buf_over(plain, sizeof(plain));
	struct json_writer w;

	/* People type codes in groups. */
	for (size_t i = 0; i < code.len; i++)
		if (code.data[i] != ' ')
			buf_put_u8(&text, (uint8_t)code.data[i]);
	if (text.full || step.len == 0) {
		page_error(x, 400);
	} else if (page_call_token(x, "org.countersign.Internal.PageRespond", &w)) {
		json_key(&w, VIEW("answers"));
		json_array_begin(&w);
		json_object_begin(&w);
		json_member_str(&w, "step", step);
		json_member_str(&w, "value", buf_view(&text));
		json_object_end(&w);
		json_array_end(&w);
		page_call_send(x, &w, respond_answered);
	}
	secret_wipe(plain, sizeof(plain));
}

static void
refuse_answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);

	if (r.error.len > 0)
		page_error_of(x, &r);
	else
		state_page(x, result_str(&r, "state"), result_str(&r, "return_url"));
}

static void
page_refuse(struct exchange *x, bool report)
{
	struct json_writer w;

	if (report)
		x->detail |= DETAIL_REPORT;
	if (!page_call_token(x, "org.countersign.Internal.PageRefuse", &w))
		return;
	json_member_bool(&w, "report", report);
	page_call_send(x, &w, refuse_answered);
}

static void
page_dispatch(struct exchange *x, const struct form *form)
{
	struct view what = form_get(form, "do");

	if (what.data == NULL || view_equal(what, VIEW("open")))
		page_open(x);
	else if (!form_proved(x, form))
		return;
	else if (view_equal(what, VIEW("answer")))
		page_respond(x, form_get(form, "step"), form_get(form, "code"));
	else if (view_equal(what, VIEW("refuse")) || view_equal(what, VIEW("report")))
		page_refuse(x, view_equal(what, VIEW("report")));
	else
		page_error(x, 400);
}

void
page_post(struct exchange *x)
{
	struct form form;

	page_language(x);
	if (!form_read(x, &form))
		return;
	page_dispatch(x, &form);
	form_clear(x, &form);
}
