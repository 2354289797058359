/* SPDX-License-Identifier: Apache-2.0 */
/* A page's frame, and the one function through which text gets into HTML. */
#ifndef CS_GATEWAY_HTML_H
#define CS_GATEWAY_HTML_H

#include "broker/gateway/exchange.h"
#include "broker/gateway/texts.h"

/* v as text or attribute value, in double or single quotes: & < > " ' are escaped. */
void html_text(struct buf *out, struct view v);
/* Markup of our own. */
void html_put(struct buf *out, const char *markup);
void html_say(struct buf *out, enum text text, enum language language);

struct page {
	struct exchange *exchange;
	struct buf *out;
	enum language language;
	size_t mark;
};

struct cookie {
	struct view name, value;
	const char *same_site; /* "Lax", "None" */
};

/*
 * Head of the response and of the document up to <main>, with the headers that every page has (no
 * scripts, no frames, no store, no referrer to others). cookie may be NULL. The title is also the
 * heading.
 */
struct page page_begin(struct exchange *x, unsigned status, enum language language, enum text title,
    const struct cookie *cookie);
void page_end(struct page *p);

/* A cookie as we set them: __Host- prefix, Secure, HttpOnly. False where value has other than
 * letters, digits, -, _, '.'. */
bool cookie_ok(struct view value);
void cookie_set(struct exchange *x, const struct cookie *c);

extern const char style_css[];

#endif
