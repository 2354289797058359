/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step-up page /c/{token}. GET shows a button and nothing else, so that prefetchers, previews and people who look over
 * a shoulder get nothing; the first POST binds the page to this browser.
 */
#include "broker/gateway/card.h"
#include "broker/gateway/handlers.h"
#include "broker/gateway/pages.h"
#include "broker/gateway/view_pages.h"
#include "broker/gateway/texts_step.h"

/* exchange.detail, while the engine is asked: what is to be said. */
enum {
	DETAIL_REPORT = 1,
	DETAIL_NEWS_SHIFT = 16, /* enum card_news */
};

enum { WAIT_S = 5 /* between looks at an approval, without a script: a person does not notice more */ };

/* How a challenge stands, once it is open no more. */
static void
state_page(struct exchange *x, const struct exchange_result *r)
{
	struct view state = result_str(r, "state"), return_url = result_str(r, "return_url");
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

	/* It was the way to the linked IDs: they open in this browser. */
	if (view_equal(result_str(r, "next"), VIEW("view"))) {
		view_go(x);
		return;
	}
	if ((x->detail & DETAIL_REPORT) != 0) {
		view_reported(x, r, TEXT_REPORTED, TEXT_REPORTED_MORE);
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

/* The step that the user chose, began, or was answering. */
static struct view
way_wanted(const struct form *form)
{
	static const char *const names[] = {"way", "begin", "shown"};
	struct view v = {NULL, 0};

	for (size_t i = 0; v.len == 0 && i < sizeof(names) / sizeof(names[0]); i++)
		v = form_get(form, names[i]);
	return v;
}

/* What the engine shows to the page's browser: the card, or how it ended. */
static void
opened_page(struct exchange *x, const struct exchange_result *r)
{
	struct page_head head = {.status = 200, .title = TEXT_TITLE, .flags = PAGE_SCRIPT | PAGE_OWN_HEADING};
	struct form posted;
	struct card_form form;
	struct page p;

	if (!view_equal(result_str(r, "state"), VIEW("open"))) {
		state_page(x, r);
		return;
	}
	form_parse(x, &posted);
	form = (struct card_form){
	    .cookie = result_str(r, "cookie"),
	    .way = way_wanted(&posted),
	    .news = (enum card_news)(x->detail >> DETAIL_NEWS_SHIFT),
	};
	if (form.news >= CARD_WRONG && form.news <= CARD_BUDGET)
		head.flags |= PAGE_PROBLEM;
	if (card_waits(r, &form))
		head.refresh_s = WAIT_S;
	if (page_begin_bound(x, &head, form.cookie, &p)) {
		card_write(&p, r, &form);
		/* Before the end: with its answer an exchange may be over, and gone. */
		form_clear(x, &posted);
		page_end(&p);
	}
}

static void
open_answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);

	if (r.error.len > 0)
		page_error_of(x, &r);
	else if (result_str(&r, "cookie").data == NULL)
		page_dead(x, result_str(&r, "state"));
	else
		opened_page(x, &r);
}

/* The button that a GET shows to whoever follows the link. */
static void
button_page(struct exchange *x)
{
	struct page p = page_begin(x, &(struct page_head){.status = 200, .title = TEXT_TITLE});

	html_put(p.out, "<p>");
	page_say(&p, TEXT_PROBE);
	html_put(p.out, "</p>\n<form method=\"post\" action=\"");
	html_text(p.out, x->request->path);
	html_put(p.out, "\">\n<button class=\"go\" id=\"open\" name=\"do\" value=\"open\">");
	page_say(&p, TEXT_SHOW);
	html_put(p.out, "</button>\n</form>\n");
	page_end(&p);
}

/* The browser that the page is bound to has the card again: a reload, or a look at what it waits for. */
static void
probe_answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);

	if (r.error.len > 0)
		page_error_of(x, &r);
	else if (result_str(&r, "cookie").data != NULL)
		opened_page(x, &r);
	else if (view_equal(result_str(&r, "state"), VIEW("open")))
		button_page(x);
	else
		page_dead(x, result_str(&r, "state"));
}

void
page_probe(struct exchange *x)
{
	struct json_writer w;

	page_language(x);
	if (page_call_token(x, "org.countersign.Internal.PageProbe", &w))
		page_call_send(x, &w, probe_answered);
}

/* For the script of a page that waits: {state, round}. Whoever is not that browser learns what the link shows anyway. */
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
	json_member_str(&w, "state", result_str(&r, "state"));
	json_member_int(&w, "round", result_int(&r, "round", 0));
	json_object_end(&w);
	reply_end(x, mark);
}

void
page_poll(struct exchange *x)
{
	struct json_writer w;

	if (page_call_token(x, "org.countersign.Internal.PageProbe", &w))
		page_call_send(x, &w, state_answered);
}

static void
page_open(struct exchange *x)
{
	struct json_writer w;

	if (!page_call_token(x, "org.countersign.Internal.PageOpen", &w))
		return;
	json_member_str(&w, "ip", x->ip);
	json_member_str(&w, "language", language_tag((enum language)x->language));
	page_call_send(x, &w, open_answered);
}

/* The card again, and what there is to say to it. */
static void
open_again(struct exchange *x, enum card_news news)
{
	x->detail |= (unsigned)news << DETAIL_NEWS_SHIFT;
	page_open(x);
}

static void
respond_answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);
	struct view reason = result_str(&r, "reason");

	if (r.error.len > 0)
		page_error_of(x, &r);
	else if (result_str(&r, "kind").data != NULL)
		page_dead(x, result_str(&r, "state"));
	else if (!view_equal(result_str(&r, "state"), VIEW("open")))
		state_page(x, &r);
	else if (result_bool(&r, "stale"))
		open_again(x, CARD_TWICE);
	else if (view_equal(reason, VIEW("asked"))) /* The approval on the device is to come first: the card says so. */
		open_again(x, CARD_FIRST);
	else if (reason.data == NULL) /* It was right, and there is more to do. */
		open_again(x, CARD_NEXT);
	else
		open_again(x, result_get(&r, "retry_after_ms", JSON_NUMBER) != 0 ? CARD_WAIT : CARD_WRONG);
}

/* A number that we wrote into the form ourselves; what is none is left out, and counts as no double submit. */
static void
round_write(struct json_writer *w, struct view text)
{
	int64_t round = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9' || i > 15)
			return;
		round = 10 * round + (text.data[i] - '0');
	}
	if (text.len > 0)
		json_member_int(w, "round", round);
}

static void
page_respond(struct exchange *x, const struct form *form)
{
	struct json_writer w;

	if (!prompt_answered(form)) {
		open_again(x, CARD_EMPTY);
		return;
	}
	if (!page_call_token(x, "org.countersign.Internal.PageRespond", &w))
		return;
	(void)prompt_answers(form, &w);
	round_write(&w, form_get(form, "round"));
	page_call_send(x, &w, respond_answered);
}

static void
begin_answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);

	if (r.error.len > 0)
		page_error_of(x, &r);
	else if (result_str(&r, "kind").data != NULL)
		page_dead(x, result_str(&r, "state"));
	else if (!view_equal(result_str(&r, "state"), VIEW("open")))
		state_page(x, &r);
	else if (result_str(&r, "reason").data == NULL)
		open_again(x, CARD_SENT);
	else
		open_again(x, result_get(&r, "retry_after_ms", JSON_NUMBER) != 0 ? CARD_WAIT : CARD_BUDGET);
}

static void
page_begin_step(struct exchange *x, struct view step)
{
	struct json_writer w;

	if (!page_call_token(x, "org.countersign.Internal.PageBegin", &w))
		return;
	json_member_str(&w, "step", step);
	json_member_str(&w, "language", x->language == LANGUAGE_ZH ? VIEW("zh") : VIEW("en"));
	page_call_send(x, &w, begin_answered);
}

static void
refuse_answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);

	if (r.error.len > 0)
		page_error_of(x, &r);
	else if (result_str(&r, "kind").data != NULL)
		page_dead(x, result_str(&r, "state"));
	else
		state_page(x, &r);
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
	struct view what = form_get(form, "do"), begin = form_get(form, "begin");

	if ((what.data == NULL && begin.data == NULL) || view_equal(what, VIEW("open")))
		page_open(x);
	else if (!form_proved(x, form))
		return;
	else if (begin.data != NULL)
		page_begin_step(x, begin);
	else if (view_equal(what, VIEW("answer")))
		page_respond(x, form);
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
