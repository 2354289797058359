/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page's frame, and the one function through which text gets into HTML.
 *
 * A page is head, one <main> with one <h1>, and a foot with the switch of languages. Its style travels within it, so that
 * a page is complete in one round trip; the policy allows that very style by its digest, our own script, and nothing else.
 */
#ifndef CS_GATEWAY_HTML_H
#define CS_GATEWAY_HTML_H

#include "broker/gateway/exchange.h"
#include "broker/gateway/texts.h"

/* v as text or attribute value, in double or single quotes: & < > " ' are escaped. */
void html_text(struct buf *out, struct view v);
/* Markup of our own. */
void html_put(struct buf *out, const char *markup);
void html_say(struct buf *out, unsigned text, enum language language);
void html_int(struct buf *out, int64_t v);
/*
 * An amount in the main unit ("1234.50") with its ISO 4217 code, as people of that language write it: ¥1,234.50 <small>CNY</small>.
 * What is no such amount is shown as it stands.
 */
void html_money(struct buf *out, enum language language, struct view amount, struct view currency);

/* A cookie as we set them: __Host- prefix, Secure, HttpOnly. */
struct cookie {
	struct view name, value;
	const char *same_site; /* "Lax", "None" */
	int64_t max_age_s;     /* 0: until the browser is closed */
};

/* False where value has other than letters, digits, -, _, '.'. */
bool cookie_ok(struct view value);
void cookie_set(struct exchange *x, const struct cookie *c);

enum page_flag {
	PAGE_SCRIPT = 1,      /* /countersign.js runs on it */
	PAGE_OWN_HEADING = 2, /* the page writes its <h1> itself */
	PAGE_WIDE = 4,        /* tables and charts */
	PAGE_PROBLEM = 8,     /* the title says so first: it is what screen readers say first */
};

struct page_head {
	unsigned status;
	unsigned title; /* a text: of the document, and the heading */
	unsigned flags;
	const struct cookie *cookie; /* may be NULL */
	unsigned refresh_s;          /* without a script, asked for again (GET) after so long; 0: not */
};

struct page {
	struct exchange *exchange;
	struct buf *out;
	enum language language;
	size_t mark;
};

/*
 * The language that a page is in: ?lang=, else the cookie that the switch left, else what the browser asks for. Every
 * handler of a page begins with it.
 */
void page_language(struct exchange *x);

/* Head of the response and of the document, up to the heading in <main>. */
struct page page_begin(struct exchange *x, const struct page_head *head);
/* The foot: the switch of languages leads to the same page, by GET where it came by GET, else by POST of do=open. */
void page_end(struct page *p);
void page_say(struct page *p, unsigned text);

/* Made by embed.sh. */
extern const char style_css[], countersign_js[];
extern const size_t style_css_len, countersign_js_len;

#endif
