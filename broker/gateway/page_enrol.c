/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The enrolment page /e/{token}: like the step-up page it shows a button to whoever follows the link, and the rest to the
 * first browser that presses it. What it shows is a secret that makes payments possible: it is never given to another.
 */
#include "broker/gateway/device.h"
#include "broker/gateway/enrol_card.h"
#include "broker/gateway/handlers.h"
#include "broker/gateway/pages.h"
#include "broker/gateway/prompt.h"
#include "broker/gateway/texts_enrol.h"

static void
button_page(struct exchange *x)
{
	struct page p = page_begin(x, &(struct page_head){.status = 200, .title = TEXT_ENROL_TITLE});

	html_put(p.out, "<p>");
	page_say(&p, TEXT_ENROL_PROBE);
	html_put(p.out, "</p>\n<form method=\"post\" action=\"");
	html_text(p.out, x->request->path);
	html_put(p.out, "\">\n<button class=\"go\" id=\"open\" name=\"do\" value=\"open\">");
	page_say(&p, TEXT_ENROL_SHOW);
	html_put(p.out, "</button>\n</form>\n");
	page_end(&p);
}

static void
opened_page(struct exchange *x, const struct exchange_result *r)
{
	struct page_head head = {.status = 200, .title = TEXT_ENROL_TITLE, .flags = PAGE_SCRIPT | PAGE_OWN_HEADING};
	enum enrol_news news = (enum enrol_news)x->detail;
	struct page p;

	if (news == ENROL_WRONG || news == ENROL_EMPTY)
		head.flags |= PAGE_PROBLEM;
	if (!page_begin_bound(x, &head, result_str(r, "cookie"), &p))
		return;
	enrol_card_write(&p, r, result_str(r, "cookie"), news);
	page_end(&p);
}

/* Of EnrolProbe and EnrolOpen alike: all of it for the page's browser, and how it stands for others. */
static void
open_answered(struct exchange *x, const struct engine_answer *answer)
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
enrol_probe(struct exchange *x)
{
	struct json_writer w;

	page_language(x);
	if (page_call_token(x, "org.countersign.Internal.EnrolProbe", &w))
		page_call_send(x, &w, open_answered);
}

static void
enrol_open(struct exchange *x)
{
	struct json_writer w;

	if (!page_call_token(x, "org.countersign.Internal.EnrolOpen", &w))
		return;
	json_member_str(&w, "ip", x->ip);
	page_call_send(x, &w, open_answered);
}

static void
done_page(struct exchange *x, const struct exchange_result *r)
{
	struct view device = result_str(r, "device");
	struct cookie cookie = DEVICE_COOKIE(device);
	struct page_head head = {.status = 200, .title = TEXT_ENROLLED, .flags = PAGE_OWN_HEADING | PAGE_SCRIPT};
	struct page p;

	/* From now on this browser is a device that approves. */
	if (device.len > 0 && cookie_ok(device))
		head.cookie = &cookie;
	p = page_begin(x, &head);
	enrol_done_write(&p, r);
	page_end(&p);
}

static void
answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);
	struct view state = result_str(&r, "state"), back = result_str(&r, "return_url");

	if (r.error.len > 0) {
		page_error_of(x, &r);
	} else if (view_equal(state, VIEW("done"))) {
		done_page(x, &r);
	} else if (view_equal(state, VIEW("refused"))) {
		page_say_end(x, PAGE_END_OTHER, TEXT_CANCELLED, TEXT_CANCELLED_MORE, back);
	} else if (view_equal(state, VIEW("denied"))) {
		page_say_end(x, PAGE_END_OTHER, TEXT_ENROL_REFUSED, TEXT_ENROL_REFUSED_MORE, back);
	} else if (view_equal(state, VIEW("open"))) {
		x->detail = view_equal(result_str(&r, "outcome"), VIEW("deny")) ? ENROL_WRONG : ENROL_MORE;
		enrol_open(x);
	} else if (view_equal(state, VIEW("checking"))) {
		x->detail = ENROL_TWICE;
		enrol_open(x);
	} else {
		page_dead(x, state);
	}
}

static void
enrol_answer(struct exchange *x, const struct form *form)
{
	struct json_writer w;

	if (!prompt_answered(form)) {
		x->detail = ENROL_EMPTY;
		enrol_open(x);
		return;
	}
	if (!page_call_token(x, "org.countersign.Internal.EnrolAnswer", &w))
		return;
	(void)prompt_answers(form, &w);
	page_call_send(x, &w, answered);
}

static void
enrol_dispatch(struct exchange *x, const struct form *form)
{
	struct view what = form_get(form, "do");
	struct json_writer w;

	if (what.data == NULL || view_equal(what, VIEW("open"))) {
		enrol_open(x);
	} else if (!form_proved(x, form)) {
		return;
	} else if (view_equal(what, VIEW("answer"))) {
		enrol_answer(x, form);
	} else if (!view_equal(what, VIEW("refuse"))) {
		page_error(x, 400);
	} else if (page_call_token(x, "org.countersign.Internal.EnrolRefuse", &w)) {
		page_call_send(x, &w, answered);
	}
}

void
enrol_post(struct exchange *x)
{
	struct form form;

	page_language(x);
	if (!form_read(x, &form))
		return;
	enrol_dispatch(x, &form);
	form_clear(x, &form);
}
