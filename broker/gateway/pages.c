/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What browsers see: the step-up page /c/{token}, the start of a sign-in /s/{token}, and its end
 * /callback/{provider}.
 *
 * GET /c/{token} shows a button and nothing else, so that prefetchers, previews and people who look
 * over a shoulder get nothing. The first POST binds the page to this browser by a cookie; every
 * later one needs that cookie, the form's proof (a hash of token and cookie, which no other site
 * can know), and an Origin of ours where the browser sends one.
 */
#include <openssl/evp.h>

#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/gateway/card.h"
#include "broker/gateway/handlers.h"
#include "broker/gateway/html.h"
#include "broker/gateway/routes.h"

enum {
	DIGEST = 32,
	COOKIE_TAG_HEX =
	    16, /* of the token's hash: enough to keep the pages of one browser apart */
	COOKIE_NAME_MAX = sizeof("__Host-step-") + COOKIE_TAG_HEX,
	CODE_MAX = 128,
};

/* exchange.detail, while the engine is asked: the language, and what is to be said. */
enum {
	DETAIL_LANGUAGE = 0xff,
	DETAIL_REPORT = 1 << 8,
	DETAIL_NEWS_SHIFT = 16, /* enum card_news */
};

static const struct view start_cookie = VIEW("__Host-start");

static enum language
language_of(const struct exchange *x)
{
	return (enum language)(x->detail & DETAIL_LANGUAGE);
}

/* ?lang=, else what the browser asks for. Kept in the exchange. */
static void
language_set(struct exchange *x)
{
	struct view query = x->request->query;
	enum language language = language_choose(x->request->accept_language);

	if (query.len > 5 && memcmp(query.data, "lang=", 5) == 0)
		language_find(view_of(query.data + 5, query.len - 5), &language);
	x->detail = language;
}

static void
hex_put(char *to, const uint8_t *from, size_t n)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		to[2 * i] = hex[from[i] >> 4];
		to[2 * i + 1] = hex[from[i] & 15];
	}
}

/* SHA-256 over a label and up to two texts, each ended by a NUL, which none of them can hold. */
static void
digest_hex(const char *label, struct view a, struct view b, char to[2 * DIGEST])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t sum[DIGEST];

	CHECK(ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1);
	CHECK(EVP_DigestUpdate(ctx, label, strlen(label) + 1) == 1);
	CHECK(EVP_DigestUpdate(ctx, a.data, a.len) == 1 && EVP_DigestUpdate(ctx, "", 1) == 1);
	CHECK(EVP_DigestUpdate(ctx, b.data, b.len) == 1 && EVP_DigestFinal_ex(ctx, sum, NULL) == 1);
	EVP_MD_CTX_free(ctx);
	hex_put(to, sum, sizeof(sum));
}

static struct view
step_cookie_name(const struct exchange *x, char to[COOKIE_NAME_MAX])
{
	char hex[2 * DIGEST];
	struct buf b = buf_over(to, COOKIE_NAME_MAX);

	digest_hex("step cookie", x->params[0], VIEW(""), hex);
	buf_put_view(&b, VIEW("__Host-step-"));
	buf_put(&b, hex, COOKIE_TAG_HEX);
	return buf_view(&b);
}

/* This page's cookie; NULL data where this browser has none. */
static struct view
step_cookie(const struct exchange *x)
{
	char name[COOKIE_NAME_MAX];
	struct view v = http_cookie(x->request->cookie, step_cookie_name(x, name));

	return v.data != NULL && cookie_ok(v) ? v : view_of(NULL, 0);
}

static void
say_page(
    struct exchange *x, unsigned status, enum text title, enum text text, struct view return_url)
{
	enum language language = language_of(x);
	struct page p = page_begin(x, status, language, title, NULL);

	html_put(p.out, status >= 400 ? "<p role=\"alert\">" : "<p role=\"status\">");
	html_say(p.out, text, language);
	html_put(p.out, "</p>\n");
	if (return_url.len > 0) {
		html_put(p.out, "<p><a href=\"");
		html_text(p.out, return_url);
		html_put(p.out, "\">");
		html_say(p.out, TEXT_BACK, language);
		html_put(p.out, "</a></p>\n");
	}
	page_end(&p);
}

void
page_error(struct exchange *x, unsigned status)
{
	static const struct {
		unsigned status;
		enum text text;
	} says[] = {
	    {400, TEXT_BAD_REQUEST},
	    {403, TEXT_OTHER_BROWSER},
	    {404, TEXT_UNKNOWN_PAGE},
	    {409, TEXT_OTHER_BROWSER},
	    {415, TEXT_BAD_REQUEST},
	    {429, TEXT_TOO_MANY},
	};
	enum text text = TEXT_UNAVAILABLE;

	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++)
		if (says[i].status == status)
			text = says[i].text;
	language_set(x);
	say_page(x, status, TEXT_PROBLEM, text, view_of(NULL, 0));
}

/* For people, what the engine's error means. */
static void
page_error_of(struct exchange *x, const struct exchange_result *r)
{
	page_error(x, error_status(r->error));
}

void
page_style(struct exchange *x)
{
	size_t mark;

	reply_begin(x, 200);
	reply_header(x, VIEW("Cache-Control"), VIEW("public, max-age=3600"));
	reply_header(x, VIEW("X-Content-Type-Options"), VIEW("nosniff"));
	http_response_body(x->out, VIEW("text/css; charset=utf-8"), &mark);
	html_put(x->out, style_css);
	reply_end(x, mark);
}

/* A call that is not forwarded for a service. The engine away: answered. */
static bool
call_begin(struct exchange *x, const char *method, struct json_writer *w)
{
	if (exchange_call_begin(x, ENGINE_SLOW, view_str(method), w))
		return true;
	page_error(x, 503);
	return false;
}

static void
call_send(struct exchange *x, struct json_writer *w, exchange_step *step)
{
	if (!exchange_send(x, w, step))
		page_error(x, 400);
}

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
	p = page_begin(x, 200, language_of(x), TEXT_TITLE, NULL);
	html_put(p.out, "<p>");
	html_say(p.out, TEXT_PROBE, p.language);
	html_put(p.out, "</p>\n<form method=\"post\" action=\"");
	html_text(p.out, x->request->path);
	html_put(p.out, "?lang=");
	buf_put_view(p.out, language_tag(p.language));
	html_put(p.out, "\">\n<button class=\"go\" name=\"do\" value=\"open\">");
	html_say(p.out, TEXT_SHOW, p.language);
	html_put(p.out, "</button>\n</form>\n<p class=\"switch\">");
	for (int i = 0; i < LANGUAGE_COUNT; i++) {
		if (i == (int)p.language)
			continue;
		html_put(p.out, "<a href=\"");
		html_text(p.out, x->request->path);
		html_put(p.out, "?lang=");
		buf_put_view(p.out, language_tag((enum language)i));
		html_put(p.out, "\" lang=\"");
		buf_put_view(p.out, language_tag((enum language)i));
		html_put(p.out, "\">");
		html_text(p.out, language_name((enum language)i));
		html_put(p.out, "</a>");
	}
	html_put(p.out, "</p>\n");
	page_end(&p);
}

void
page_probe(struct exchange *x)
{
	struct json_writer w;

	language_set(x);
	if (!call_begin(x, "org.countersign.Internal.PageProbe", &w))
		return;
	json_member_str(&w, "token", x->params[0]);
	call_send(x, &w, probe_answered);
}

/* How a challenge stands, once it is open no more. */
static void
state_page(struct exchange *x, struct view state, struct view return_url)
{
	static const struct {
		struct view state;
		enum text text;
	} says[] = {
	    {VIEW("done"), TEXT_DONE},
	    {VIEW("used"), TEXT_USED},
	    {VIEW("locked"), TEXT_LOCKED},
	    {VIEW("refused"), TEXT_REFUSED},
	    {VIEW("expired"), TEXT_EXPIRED},
	};

	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
		if (!view_equal(says[i].state, state))
			continue;
		say_page(x, 200, TEXT_TITLE,
		    (x->detail & DETAIL_REPORT) != 0 ? TEXT_REPORTED : says[i].text, return_url);
		return;
	}
	page_error(x, 503);
}

static void
open_answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);
	char name[COOKIE_NAME_MAX], proof[2 * DIGEST];
	struct cookie cookie = {step_cookie_name(x, name), result_str(&r, "cookie"), "Lax"};
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
	if (!cookie_ok(cookie.value)) {
		page_error(x, 503);
		return;
	}
	digest_hex("step proof", x->params[0], cookie.value, proof);
	form = (struct card_form){
	    .action = x->request->path,
	    .proof = view_of(proof, sizeof(proof)),
	    .news = (enum card_news)(x->detail >> DETAIL_NEWS_SHIFT),
	    .attempts_left = result_int(&r, "attempts_left", -1),
	};
	p = page_begin(x, 200, language_of(x), TEXT_TITLE, &cookie);
	card_write(&p, &r, &form);
	page_end(&p);
}

static void
page_open(struct exchange *x)
{
	struct view cookie = step_cookie(x);
	struct json_writer w;

	/* A page that belongs to a sign-in wants the browser that began it. */
	if (cookie.data == NULL)
		cookie = http_cookie(x->request->cookie, start_cookie);
	if (cookie.data != NULL && !cookie_ok(cookie))
		cookie = view_of(NULL, 0);
	if (!call_begin(x, "org.countersign.Internal.PageOpen", &w))
		return;
	json_member_str(&w, "token", x->params[0]);
	json_member_str(&w, "cookie", cookie);
	json_member_str(&w, "ip", x->ip);
	json_member_str(&w, "language", language_tag(language_of(x)));
	call_send(x, &w, open_answered);
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
page_respond(struct exchange *x, struct view cookie, struct view step, struct view code)
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
	} else if (call_begin(x, "org.countersign.Internal.PageRespond", &w)) {
		json_member_str(&w, "token", x->params[0]);
		json_member_str(&w, "cookie", cookie);
		json_key(&w, VIEW("answers"));
		json_array_begin(&w);
		json_object_begin(&w);
		json_member_str(&w, "step", step);
		json_member_str(&w, "value", buf_view(&text));
		json_object_end(&w);
		json_array_end(&w);
		call_send(x, &w, respond_answered);
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
page_refuse(struct exchange *x, struct view cookie, bool report)
{
	struct json_writer w;

	if (report)
		x->detail |= DETAIL_REPORT;
	if (!call_begin(x, "org.countersign.Internal.PageRefuse", &w))
		return;
	json_member_str(&w, "token", x->params[0]);
	json_member_str(&w, "cookie", cookie);
	json_member_bool(&w, "report", report);
	call_send(x, &w, refuse_answered);
}

/* Did this form come from a page of ours, as far as the browser says? */
static bool
origin_ok(const struct exchange *x)
{
	struct view origin = x->request->origin, site = x->request->fetch_site;

	if (origin.data != NULL && !view_equal(origin, x->gateway->origin))
		return false;
	return site.data == NULL || view_equal(site, VIEW("same-origin")) ||
	       view_equal(site, VIEW("none"));
}

static bool
proof_ok(const struct exchange *x, struct view cookie, struct view proof)
{
	char want[2 * DIGEST];

	if (cookie.data == NULL || proof.len != sizeof(want))
		return false;
	digest_hex("step proof", x->params[0], cookie, want);
	return secret_equal(want, proof.data, sizeof(want));
}

/* The members of a posted form. False: an answer was given. */
static bool
form_read(struct exchange *x, struct http_pair pairs[HTTP_PAIRS_MAX], size_t *count)
{
	struct buf text = buf_over(x->gateway->scratch, sizeof(x->gateway->scratch));

	*count = 0;
	if (x->request->body.len == 0)
		return true;
	if (http_type_is(x->request->content_type, VIEW("application/x-www-form-urlencoded")) &&
	    http_pairs(x->request->body, &text, pairs, count) == CS_OK)
		return true;
	page_error(x, 400);
	return false;
}

static void
page_dispatch(struct exchange *x, const struct http_pair *form, size_t count)
{
	struct view what = http_pair_get(form, count, VIEW("do"));
	struct view cookie = step_cookie(x);

	if (what.data == NULL || view_equal(what, VIEW("open")))
		page_open(x);
	else if (!proof_ok(x, cookie, http_pair_get(form, count, VIEW("proof"))))
		page_error(x, 403);
	else if (view_equal(what, VIEW("answer")))
		page_respond(x, cookie, http_pair_get(form, count, VIEW("step")),
		    http_pair_get(form, count, VIEW("code")));
	else if (view_equal(what, VIEW("refuse")) || view_equal(what, VIEW("report")))
		page_refuse(x, cookie, view_equal(what, VIEW("report")));
	else
		page_error(x, 400);
}

void
page_post(struct exchange *x)
{
	struct http_pair form[HTTP_PAIRS_MAX];
	size_t count;

	language_set(x);
	if (!origin_ok(x)) {
		page_error(x, 403);
		return;
	}
	if (!form_read(x, form, &count))
		return;
	page_dispatch(x, form, count);
	secret_wipe(x->gateway->scratch, x->request->body.len);
}

/* Is it a place to send a browser to? Bounded, printable ASCII, absolute, http or https. */
static bool
location_ok(struct view url)
{
	for (size_t i = 0; i < url.len; i++)
		if (url.data[i] <= ' ' || url.data[i] >= 0x7f)
			return false;
	return (url.len > 8 && memcmp(url.data, "https://", 8) == 0) ||
	       (url.len > 7 && memcmp(url.data, "http://", 7) == 0);
}

/* 303: whatever the browser came with, it goes on with GET, and says nothing of where it was. */
static void
redirect(struct exchange *x, struct view location, const struct cookie *cookie)
{
	reply_begin(x, 303);
	reply_header(x, VIEW("Location"), location);
	reply_header(x, VIEW("Cache-Control"), VIEW("no-store"));
	reply_header(x, VIEW("Referrer-Policy"), VIEW("no-referrer"));
	if (cookie != NULL)
		cookie_set(x, cookie);
	reply_empty(x);
}

static void
start_answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);
	/* None: a provider that answers by form_post comes back across sites. */
	struct cookie cookie = {start_cookie, result_str(&r, "cookie"), "None"};
	struct view location = result_str(&r, "location");

	if (r.error.len > 0)
		page_error_of(x, &r);
	else if (!location_ok(location) || !cookie_ok(cookie.value))
		page_error(x, 503);
	else
		redirect(x, location, &cookie);
}

void
browser_start(struct exchange *x)
{
	struct json_writer w;

	language_set(x);
	if (!call_begin(x, "org.countersign.Internal.BrowserStart", &w))
		return;
	json_member_str(&w, "token", x->params[0]);
	json_member_str(&w, "ip", x->ip);
	call_send(x, &w, start_answered);
}

static void
callback_answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);
	struct view location = result_str(&r, "location");
	bool done = view_equal(result_str(&r, "state"), VIEW("done"));

	if (r.error.len > 0)
		page_error_of(x, &r);
	else if (location.data != NULL && location_ok(location))
		redirect(x, location, NULL);
	else
		say_page(x, done ? 200 : 400, done ? TEXT_TITLE : TEXT_PROBLEM,
		    done ? TEXT_SIGNED_IN : TEXT_SIGN_IN_FAILED, view_of(NULL, 0));
}

void
browser_callback(struct exchange *x)
{
	struct buf text = buf_over(x->gateway->scratch, sizeof(x->gateway->scratch));
	struct http_pair pairs[HTTP_PAIRS_MAX];
	struct view cookie = http_cookie(x->request->cookie, start_cookie);
	struct json_writer w;
	size_t count;

	language_set(x);
	if (view_equal(x->request->method, VIEW("POST"))) {
		if (!form_read(x, pairs, &count))
			return;
	} else if (http_pairs(x->request->query, &text, pairs, &count) != CS_OK) {
		page_error(x, 400);
		return;
	}
	if (!call_begin(x, "org.countersign.Internal.BrowserCallback", &w))
		return;
	json_member_str(&w, "provider", x->params[0]);
	json_member_str(
	    &w, "cookie", cookie.data != NULL && cookie_ok(cookie) ? cookie : view_of(NULL, 0));
	json_member_str(&w, "ip", x->ip);
	json_key(&w, VIEW("parameters"));
	json_object_begin(&w);
	for (size_t i = 0; i < count; i++) {
		json_key(&w, pairs[i].name);
		json_put_str(&w, pairs[i].value);
	}
	json_object_end(&w);
	call_send(x, &w, callback_answered);
	secret_wipe(x->gateway->scratch, sizeof(x->gateway->scratch));
}
