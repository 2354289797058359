/* SPDX-License-Identifier: Apache-2.0 */
/* A sign-in's two stops here: its start /s/{token} and its end /callback/{provider}. */
#include "broker/base/secret.h"
#include "broker/gateway/handlers.h"
#include "broker/gateway/pages.h"

static const struct view start_cookie = VIEW(PAGE_START_COOKIE);

static void
start_answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);
	/* None: a provider that answers by form_post comes back across sites. */
	struct cookie cookie = {start_cookie, result_str(&r, "cookie"), "None", 0};
	struct view location = result_str(&r, "location");

	if (r.error.len > 0)
		page_error_of(x, &r);
	else if (!page_location_ok(location) || !cookie_ok(cookie.value))
		page_error(x, 503);
	else
		page_redirect(x, location, &cookie);
}

void
browser_start(struct exchange *x)
{
	struct json_writer w;

	page_language(x);
	if (!page_call_begin(x, "org.countersign.Internal.BrowserStart", &w))
		return;
	json_member_str(&w, "token", x->params[0]);
	json_member_str(&w, "ip", x->ip);
	page_call_send(x, &w, start_answered);
}

static void
callback_answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);
	struct view location = result_str(&r, "location");

	if (r.error.len > 0)
		page_error_of(x, &r);
	else if (location.data != NULL && page_location_ok(location))
		page_redirect(x, location, NULL);
	else if (view_equal(result_str(&r, "state"), VIEW("done")))
		page_say_end(x, PAGE_END_DONE, TEXT_SIGNED_IN, TEXT_GO_BACK, view_of(NULL, 0));
	else
		page_problem(x, 400, TEXT_SIGN_IN_FAILED);
}

/* Query or form, whichever the provider sends; not from a page of ours. False: an answer was given. */
static bool
callback_read(struct exchange *x, struct form *form)
{
	struct buf text = buf_over(x->gateway->scratch, sizeof(x->gateway->scratch));
	bool posted = view_equal(x->request->method, VIEW("POST"));
	struct view from = posted ? x->request->body : x->request->query;

	form->count = 0;
	if (posted && from.len == 0)
		return true;
	if ((!posted || http_type_is(x->request->content_type, VIEW("application/x-www-form-urlencoded"))) &&
	    http_pairs(from, &text, form->pairs, &form->count) == CS_OK)
		return true;
	page_error(x, 400);
	return false;
}

void
browser_callback(struct exchange *x)
{
	struct view cookie = http_cookie(x->request->cookie, start_cookie);
	struct json_writer w;
	struct form form;

	page_language(x);
	if (!callback_read(x, &form))
		return;
	if (!page_call_begin(x, "org.countersign.Internal.BrowserCallback", &w))
		return;
	json_member_str(&w, "provider", x->params[0]);
	json_member_str(
	    &w, "cookie", cookie.data != NULL && cookie_ok(cookie) ? cookie : view_of(NULL, 0));
	json_member_str(&w, "ip", x->ip);
	json_key(&w, VIEW("parameters"));
	json_object_begin(&w);
	for (size_t i = 0; i < form.count; i++) {
		json_key(&w, form.pairs[i].name);
		json_put_str(&w, form.pairs[i].value);
	}
	json_object_end(&w);
	page_call_send(x, &w, callback_answered);
	secret_wipe(x->gateway->scratch, sizeof(x->gateway->scratch));
}
