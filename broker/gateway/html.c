/* SPDX-License-Identifier: Apache-2.0 */
/* HTML: escaping, cookies, the language of a page, its frame. */
#include "broker/gateway/html.h"

#include "broker/base/check.h"
#include "broker/gateway/digest.h"
#include "broker/gateway/handlers.h"

static const struct view language_cookie = VIEW("__Host-lang");

void
html_text(struct buf *out, struct view v)
{
	for (size_t i = 0; i < v.len; i++) {
		switch (v.data[i]) {
		case '&':
			buf_put_view(out, VIEW("&amp;"));
			break;
		case '<':
			buf_put_view(out, VIEW("&lt;"));
			break;
		case '>':
			buf_put_view(out, VIEW("&gt;"));
			break;
		case '"':
			buf_put_view(out, VIEW("&quot;"));
			break;
		case '\'':
			buf_put_view(out, VIEW("&#39;"));
			break;
		default:
			buf_put_u8(out, (uint8_t)v.data[i]);
		}
	}
}

void
html_put(struct buf *out, const char *markup)
{
	buf_put_view(out, view_str(markup));
}

void
html_say(struct buf *out, unsigned text, enum language language)
{
	html_text(out, text_get(text, language));
}

void
html_int(struct buf *out, int64_t v)
{
	struct json_writer w = json_to(out);

	json_put_int(&w, v);
}

bool
cookie_ok(struct view value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.data[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    c != '-' && c != '_' && c != '.')
			return false;
	}
	return value.len > 0;
}

void
cookie_set(struct exchange *x, const struct cookie *c)
{
	CHECK(cookie_ok(c->value));
	html_put(x->out, "Set-Cookie: ");
	buf_put_view(x->out, c->name);
	html_put(x->out, "=");
	buf_put_view(x->out, c->value);
	html_put(x->out, "; Path=/; Secure; HttpOnly; SameSite=");
	html_put(x->out, c->same_site);
	if (c->max_age_s > 0) {
		html_put(x->out, "; Max-Age=");
		html_int(x->out, c->max_age_s);
	}
	html_put(x->out, "\r\n");
}

/* The value of ?lang= in a query; NULL data where there is none. */
static struct view
language_asked(struct view query)
{
	while (query.len > 0) {
		const char *and = memchr(query.data, '&', query.len);
		size_t len = and == NULL ? query.len : (size_t)(and - query.data);

		if (len > 5 && memcmp(query.data, "lang=", 5) == 0)
			return view_of(query.data + 5, len - 5);
		query = and == NULL ? VIEW("") : view_of(and + 1, query.len - len - 1);
	}
	return view_of(NULL, 0);
}

void
page_language(struct exchange *x)
{
	struct view asked = language_asked(x->request->query);
	enum language language = language_choose(x->request->accept_language);

	language_find(http_cookie(x->request->cookie, language_cookie), &language);
	x->language_asked = asked.data != NULL && language_find(asked, &language);
	x->language = language;
}

/*
 * Referrer-Policy is same-origin: other sites learn nothing, as with no-referrer, but the browser still says where a form
 * of ours comes from (under no-referrer it sends "Origin: null" with our own forms).
 */
static void
headers(struct exchange *x, const struct page_head *head)
{
	static char style[DIGEST_BASE64 + 1];
	struct cookie language = {language_cookie, language_tag((enum language)x->language), "Lax", 0};

	if (style[0] == '\0')
		digest_base64(view_of(style_css, style_css_len), style);
	reply_begin(x, head->status);
	html_put(x->out, "Cache-Control: no-store\r\n"
			 "Content-Security-Policy: default-src 'none'; style-src 'sha256-");
	html_put(x->out, style);
	html_put(x->out, "'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
			 "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'\r\n"
			 "X-Frame-Options: DENY\r\n"
			 "X-Content-Type-Options: nosniff\r\n"
			 "Referrer-Policy: same-origin\r\n"
			 "Cross-Origin-Opener-Policy: same-origin\r\n"
			 "Cross-Origin-Resource-Policy: same-origin\r\n"
			 "Permissions-Policy: publickey-credentials-get=(self), publickey-credentials-create=(self), "
			 "payment=(self), camera=(), geolocation=(), microphone=()\r\n"
			 "Vary: Accept-Language, Cookie\r\n");
	if (head->cookie != NULL)
		cookie_set(x, head->cookie);
	if (x->language_asked)
		cookie_set(x, &language);
	reply_header(x, VIEW("Content-Language"), language_tag((enum language)x->language));
}

/* Its address names its contents: a browser that has it never asks again. */
static void
script_put(struct page *p)
{
	char sum[DIGEST_BASE64 + 1];

	digest_base64(view_of(countersign_js, countersign_js_len), sum);
	for (char *c = sum; *c != '\0'; c++)
		*c = *c == '+' || *c == '/' ? '-' : *c;
	html_put(p->out, "<script src=\"/countersign.js?v=");
	buf_put(p->out, sum, 12);
	html_put(p->out, "\" defer></script>\n");
}

struct page
page_begin(struct exchange *x, const struct page_head *head)
{
	struct page p = {x, x->out, (enum language)x->language, 0};

	headers(x, head);
	http_response_body(p.out, VIEW("text/html; charset=utf-8"), &p.mark);
	html_put(p.out, "<!DOCTYPE html>\n<html lang=\"");
	buf_put_view(p.out, language_tag(p.language));
	html_put(p.out, "\">\n<head>\n<meta charset=\"utf-8\">\n"
			"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
			"<meta name=\"color-scheme\" content=\"light dark\">\n"
			"<meta name=\"robots\" content=\"noindex\">\n");
	if (head->refresh_s > 0) {
		html_put(p.out, "<noscript><meta http-equiv=\"refresh\" content=\"");
		html_int(p.out, head->refresh_s);
		html_put(p.out, ";url=");
		html_text(p.out, x->request->path);
		html_put(p.out, "\"></noscript>\n");
	}
	html_put(p.out, "<title>");
	if ((head->flags & PAGE_PROBLEM) != 0) {
		page_say(&p, TEXT_PROBLEM_PREFIX);
		html_put(p.out, " ");
	}
	page_say(&p, head->title);
	html_put(p.out, "</title>\n<style>");
	buf_put(p.out, style_css, style_css_len);
	html_put(p.out, "</style>\n");
	if ((head->flags & PAGE_SCRIPT) != 0)
		script_put(&p);
	html_put(p.out, "</head>\n<body");
	html_put(p.out, (head->flags & PAGE_WIDE) != 0 ? " class=\"wide\"" : "");
	html_put(p.out, ">\n<header><svg viewBox=\"0 0 20 20\" aria-hidden=\"true\"><path fill=\"none\" stroke=\"currentColor\" "
			"stroke-width=\"1.75\" stroke-linecap=\"round\" stroke-linejoin=\"round\" d=\"M10 1.8 3.2 4.4v5c0 4.2 2.8 7.3 6.8 "
			"8.8 4-1.5 6.8-4.6 6.8-8.8v-5zM7 10l2.2 2.2L13.2 8\"/></svg>");
	page_say(&p, TEXT_BRAND);
	html_put(p.out, "</header>\n<main>\n");
	if ((head->flags & PAGE_OWN_HEADING) == 0) {
		html_put(p.out, "<h1>");
		page_say(&p, head->title);
		html_put(p.out, "</h1>\n");
	}
	return p;
}

void
page_say(struct page *p, unsigned text)
{
	html_say(p->out, text, p->language);
}

/* Path of this page in another language, as an attribute's value. */
static void
path_put(struct page *p, enum language language)
{
	html_text(p->out, p->exchange->request->path);
	html_put(p->out, "?lang=");
	buf_put_view(p->out, language_tag(language));
}

static void
switch_put(struct page *p, enum language language, bool posted)
{
	html_put(p->out, posted ? "<form method=\"post\" action=\"" : "<a class=\"button link\" href=\"");
	path_put(p, language);
	html_put(p->out, posted ? "\"><button class=\"link\" name=\"do\" value=\"open\" lang=\"" : "\" hreflang=\"");
	buf_put_view(p->out, language_tag(language));
	if (!posted) {
		html_put(p->out, "\" lang=\"");
		buf_put_view(p->out, language_tag(language));
	}
	html_put(p->out, "\">");
	html_text(p->out, language_name(language));
	html_put(p->out, posted ? "</button></form>\n" : "</a>\n");
}

void
page_end(struct page *p)
{
	bool posted = view_equal(p->exchange->request->method, VIEW("POST")) && p->exchange->status < 400;

	html_put(p->out, "</main>\n<footer><nav aria-label=\"");
	page_say(p, TEXT_LANGUAGE);
	html_put(p->out, "\">\n");
	for (int i = 0; i < LANGUAGE_COUNT; i++)
		if (i != (int)p->language)
			switch_put(p, (enum language)i, posted);
	html_put(p->out, "</nav></footer>\n</body>\n</html>\n");
	reply_end(p->exchange, p->mark);
}

void
page_script(struct exchange *x)
{
	size_t mark;

	reply_begin(x, 200);
	reply_header(x, VIEW("Cache-Control"), VIEW("public, max-age=31536000, immutable"));
	reply_header(x, VIEW("X-Content-Type-Options"), VIEW("nosniff"));
	reply_header(x, VIEW("Cross-Origin-Resource-Policy"), VIEW("same-origin"));
	http_response_body(x->out, VIEW("text/javascript; charset=utf-8"), &mark);
	buf_put(x->out, countersign_js, countersign_js_len);
	reply_end(x, mark);
}
