/* SPDX-License-Identifier: Apache-2.0 */
/* HTML: escaping, the frame of a page, the style. */
#include "broker/gateway/html.h"

#include "broker/base/check.h"

const char style_css[] =
    ":root{color-scheme:light "
    "dark;--ink:#17181c;--soft:#50545f;--paper:#fff;--line:#c9ccd4;--go:#0b57d0;"
    "--stop:#a50e0e;--alert:#fdecea}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#eceef3;--soft:#b4b8c2;--paper:#17181c;--line:#"
    "464a55;"
    "--go:#9ec1ff;--stop:#ffb4ab;--alert:#48191a}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--paper);color:var(--ink);font:1.0625rem/1.5 "
    "system-ui,sans-serif}\n"
    "main{max-width:30rem;margin:0 auto;padding:2rem 1.25rem 4rem}\n"
    "h1{font-size:1.375rem;line-height:1.25;margin:0 0 1.25rem}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.5rem 1rem;margin:0 0 "
    "1.5rem;padding:1rem 0;"
    "border:solid var(--line);border-width:1px 0}\n"
    "dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}\n"
    "dd.amount{font-size:1.5rem;line-height:1.2;font-weight:600;font-variant-numeric:tabular-nums}"
    "\n"
    "label{display:block;margin:0 0 .375rem}\n"
    "fieldset{border:0;margin:0 0 1rem;padding:0}fieldset "
    "label{display:inline}legend{padding:0;color:var(--soft)}\n"
    "input.code{width:100%;font:inherit;font-size:1.5rem;letter-spacing:.1em;padding:.5rem "
    ".75rem;color:inherit;"
    "background:transparent;border:1px solid var(--soft);border-radius:.375rem;margin:0 0 1rem}\n"
    "button{font:inherit;width:100%;min-height:3rem;margin:0 0 .75rem;padding:.5rem "
    "1rem;border-radius:.375rem;"
    "border:1px solid var(--soft);background:transparent;color:inherit;cursor:pointer}\n"
    "button.go{background:var(--go);border-color:var(--go);color:var(--paper);font-weight:600}\n"
    "button.stop{border-color:var(--stop);color:var(--stop)}\n"
    "button:focus-visible,input:focus-visible,a:focus-visible{outline:3px solid "
    "var(--go);outline-offset:2px}\n"
    "[role=alert]{background:var(--alert);border-radius:.375rem;padding:.75rem 1rem;margin:0 0 "
    "1rem}\n"
    ".help{color:var(--soft)}a{color:var(--go)}\n"
    ".switch{margin:2rem 0 0}.switch button{width:auto;min-height:2.75rem}\n";

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
html_say(struct buf *out, enum text text, enum language language)
{
	html_text(out, text_get(text, language));
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
	html_put(x->out, "\r\n");
}

/*
 * Referrer-Policy is same-origin: other sites learn nothing, as with no-referrer, but the browser
 * still says where a form of ours comes from (under no-referrer it sends "Origin: null" with our
 * own forms).
 */
struct page
page_begin(struct exchange *x, unsigned status, enum language language, enum text title,
    const struct cookie *cookie)
{
	struct page p = {x, x->out, language, 0};

	reply_begin(x, status);
	html_put(p.out, "Cache-Control: no-store\r\n"
			"Content-Security-Policy: default-src 'none'; style-src 'self'; "
			"form-action 'self'; base-uri 'none'; "
			"frame-ancestors 'none'\r\n"
			"X-Frame-Options: DENY\r\n"
			"X-Content-Type-Options: nosniff\r\n"
			"Referrer-Policy: same-origin\r\n"
			"Cross-Origin-Opener-Policy: same-origin\r\n"
			"Vary: Accept-Language\r\n");
	if (cookie != NULL)
		cookie_set(x, cookie);
	reply_header(x, VIEW("Content-Language"), language_tag(language));
	http_response_body(p.out, VIEW("text/html; charset=utf-8"), &p.mark);
	html_put(p.out, "<!DOCTYPE html>\n<html lang=\"");
	buf_put_view(p.out, language_tag(language));
	html_put(p.out, "\">\n<head>\n<meta charset=\"utf-8\">\n"
			"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
			"<meta name=\"robots\" content=\"noindex\">\n<title>");
	html_say(p.out, title, language);
	html_put(p.out, "</title>\n<link rel=\"stylesheet\" "
			"href=\"/style.css\">\n</head>\n<body>\n<main>\n<h1>");
	html_say(p.out, title, language);
	html_put(p.out, "</h1>\n");
	return p;
}

void
page_end(struct page *p)
{
	html_put(p->out, "</main>\n</body>\n</html>\n");
	reply_end(p->exchange, p->mark);
}
