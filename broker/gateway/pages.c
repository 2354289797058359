/* SPDX-License-Identifier: Apache-2.0 */
/* What all pages behind a token share. */
#include "broker/gateway/pages.h"

#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/gateway/digest.h"
#include "broker/gateway/handlers.h"

enum {
	COOKIE_TAG_HEX = 16, /* of the token's hash: enough to keep the pages of one browser apart */
};

static const struct view start_cookie = VIEW(PAGE_START_COOKIE);

struct view
page_cookie_name_of(struct view token, char to[PAGE_COOKIE_NAME_MAX])
{
	char hex[DIGEST_HEX];
	struct buf b = buf_over(to, PAGE_COOKIE_NAME_MAX);

	digest_hex("step cookie", token, VIEW(""), hex);
	buf_put_view(&b, VIEW("__Host-step-"));
	buf_put(&b, hex, COOKIE_TAG_HEX);
	CHECK(!b.full);
	return buf_view(&b);
}

struct view
page_cookie_name(const struct exchange *x, char to[PAGE_COOKIE_NAME_MAX])
{
	return page_cookie_name_of(x->params[0], to);
}

struct view
page_cookie(const struct exchange *x)
{
	char name[PAGE_COOKIE_NAME_MAX];
	struct view v = http_cookie(x->request->cookie, page_cookie_name(x, name));

	return v.data != NULL && cookie_ok(v) ? v : view_of(NULL, 0);
}

struct view
page_cookie_first(const struct exchange *x)
{
	struct view v = page_cookie(x);

	if (v.data == NULL)
		v = http_cookie(x->request->cookie, start_cookie);
	return v.data != NULL && cookie_ok(v) ? v : view_of(NULL, 0);
}

bool
page_begin_bound(struct exchange *x, const struct page_head *head, struct view cookie, struct page *p)
{
	char name[PAGE_COOKIE_NAME_MAX];
	struct cookie c = {page_cookie_name(x, name), cookie, "Lax", 0};
	struct page_head with = *head;

	if (!cookie_ok(cookie)) {
		page_error(x, 503);
		return false;
	}
	with.cookie = &c;
	*p = page_begin(x, &with);
	return true;
}

void
form_begin(struct page *p, struct view cookie, const char *id)
{
	char proof[DIGEST_HEX];

	digest_hex("step proof", p->exchange->params[0], cookie, proof);
	html_put(p->out, "<form method=\"post\" action=\"");
	html_text(p->out, p->exchange->request->path);
	if (id != NULL) {
		html_put(p->out, "\" id=\"");
		html_put(p->out, id);
	}
	html_put(p->out, "\">\n<input type=\"hidden\" name=\"proof\" value=\"");
	html_text(p->out, view_of(proof, sizeof(proof)));
	html_put(p->out, "\">\n");
}

void
form_end(struct page *p)
{
	html_put(p->out, "</form>\n");
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

bool
form_parse(struct exchange *x, struct form *form)
{
	struct buf text = buf_over(x->gateway->scratch, sizeof(x->gateway->scratch));

	form->count = 0;
	return x->request->body.len == 0 ||
	       (http_type_is(x->request->content_type, VIEW("application/x-www-form-urlencoded")) &&
		   http_pairs(x->request->body, &text, form->pairs, &form->count) == CS_OK);
}

bool
form_read(struct exchange *x, struct form *form)
{
	form->count = 0;
	if (!origin_ok(x)) {
		page_problem(x, 403, TEXT_FOREIGN_FORM);
		return false;
	}
	if (form_parse(x, form))
		return true;
	page_error(x, 400);
	return false;
}

struct view
form_get(const struct form *form, const char *name)
{
	return http_pair_get(form->pairs, form->count, view_str(name));
}

bool
form_proved(struct exchange *x, const struct form *form)
{
	struct view cookie = page_cookie(x), proof = form_get(form, "proof");
	char want[DIGEST_HEX];

	if (cookie.data != NULL && proof.len == sizeof(want)) {
		digest_hex("step proof", x->params[0], cookie, want);
		if (secret_equal(want, proof.data, sizeof(want)))
			return true;
	}
	page_problem(x, 403, TEXT_FOREIGN_FORM);
	return false;
}

void
form_clear(struct exchange *x, struct form *form)
{
	/* Decoded text is no longer than the body. */
	secret_wipe(x->gateway->scratch, x->request->body.len);
	form->count = 0;
}

bool
page_call_begin(struct exchange *x, const char *method, struct json_writer *w)
{
	if (exchange_call_begin(x, ENGINE_SLOW, view_str(method), w))
		return true;
	page_error(x, 503);
	return false;
}

void
page_call_send(struct exchange *x, struct json_writer *w, exchange_step *step)
{
	if (!exchange_send(x, w, step))
		page_error(x, 400);
}

bool
page_call_token(struct exchange *x, const char *method, struct json_writer *w)
{
	struct view cookie = page_cookie_first(x);

	if (!page_call_begin(x, method, w))
		return false;
	json_member_str(w, "token", x->params[0]);
	if (cookie.data != NULL)
		json_member_str(w, "cookie", cookie);
	return true;
}

void
page_way_back(struct page *p, struct view return_url)
{
	if (return_url.len == 0 || !page_location_ok(return_url))
		return;
	html_put(p->out, "<p><a class=\"button go\" id=\"back\" href=\"");
	html_text(p->out, return_url);
	html_put(p->out, "\">");
	page_say(p, TEXT_BACK);
	html_put(p->out, "</a></p>\n");
}

void
page_end_begin(struct page *p, enum page_end_kind kind, unsigned title)
{
	html_put(p->out, kind == PAGE_END_DONE
		? "<div class=\"end done\"><svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><g fill=\"none\" stroke=\"currentColor\" "
		  "stroke-width=\"2\" stroke-linecap=\"round\" stroke-linejoin=\"round\"><circle cx=\"12\" cy=\"12\" r=\"10\"/>"
		  "<path d=\"m7.5 12.3 3 3 6-6.3\"/></g></svg>"
		: "<div class=\"end\"><svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><g fill=\"none\" stroke=\"currentColor\" "
		  "stroke-width=\"2\" stroke-linecap=\"round\"><circle cx=\"12\" cy=\"12\" r=\"10\"/><path d=\"M7.5 12h9\"/></g></svg>");
	html_put(p->out, "<div role=\"status\"><h1>");
	page_say(p, title);
	html_put(p->out, "</h1>\n");
}

void
page_say_end(struct exchange *x, enum page_end_kind kind, unsigned title, unsigned text, struct view return_url)
{
	struct page p = page_begin(x, &(struct page_head){.status = 200, .title = title, .flags = PAGE_OWN_HEADING});

	page_end_begin(&p, kind, title);
	html_put(p.out, "<p>");
	page_say(&p, text);
	html_put(p.out, "</p></div></div>\n");
	page_way_back(&p, return_url);
	page_end(&p);
}

void
page_problem(struct exchange *x, unsigned status, unsigned text)
{
	struct page p;

	page_language(x);
	p = page_begin(x, &(struct page_head){.status = status, .title = TEXT_PROBLEM});
	html_put(p.out, "<p role=\"alert\">");
	page_say(&p, text);
	html_put(p.out, "</p>\n<p class=\"help\">");
	page_say(&p, TEXT_START_AGAIN);
	html_put(p.out, "</p>\n");
	page_end(&p);
}

void
page_dead(struct exchange *x, struct view state)
{
	static const struct {
		struct view state;
		unsigned status, text;
	} says[] = {
	    {VIEW("expired"), 410, TEXT_EXPIRED_PAGE},
	    {VIEW("used"), 410, TEXT_USED_PAGE},
	    {VIEW("foreign"), 403, TEXT_OTHER_BROWSER},
	    {VIEW("unknown"), 404, TEXT_UNKNOWN_PAGE},
	    {VIEW("malformed"), 400, TEXT_MALFORMED_PAGE},
	};

	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
		if (view_equal(says[i].state, state)) {
			page_problem(x, says[i].status, says[i].text);
			return;
		}
	}
	page_error(x, 503);
}

void
page_error(struct exchange *x, unsigned status)
{
	static const struct {
		unsigned status, text;
	} says[] = {
	    {400, TEXT_BAD_REQUEST},
	    {403, TEXT_OTHER_BROWSER},
	    {404, TEXT_UNKNOWN_PAGE},
	    {409, TEXT_OTHER_BROWSER},
	    {415, TEXT_BAD_REQUEST},
	    {429, TEXT_TOO_MANY},
	};
	unsigned text = TEXT_UNAVAILABLE;

	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++)
		if (says[i].status == status)
			text = says[i].text;
	page_problem(x, status, text);
}

void
page_error_of(struct exchange *x, const struct exchange_result *r)
{
	if (view_equal(r->error, VIEW("org.countersign.InvalidParameter")) && view_equal(result_str(r, "field"), VIEW("token")))
		page_dead(x, VIEW("malformed"));
	else
		page_error(x, error_status(r->error));
}

bool
page_location_ok(struct view url)
{
	for (size_t i = 0; i < url.len; i++)
		if (url.data[i] <= ' ' || url.data[i] >= 0x7f)
			return false;
	return (url.len > 8 && memcmp(url.data, "https://", 8) == 0) ||
	       (url.len > 7 && memcmp(url.data, "http://", 7) == 0);
}

void
page_redirect(struct exchange *x, struct view location, const struct cookie *cookie)
{
	reply_begin(x, 303);
	reply_header(x, VIEW("Location"), location);
	reply_header(x, VIEW("Cache-Control"), VIEW("no-store"));
	reply_header(x, VIEW("Referrer-Policy"), VIEW("no-referrer"));
	if (cookie != NULL)
		cookie_set(x, cookie);
	reply_empty(x);
}
