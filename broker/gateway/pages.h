/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all pages behind a token share: the cookie that binds one to a browser, the proof that a form came from it, calls
 * to the engine, and the pages that end a visit.
 *
 * The first POST binds a page to a browser by a cookie of its own. Every later one needs that cookie, the form's proof (a
 * hash of token and cookie, which no other site can know), and an Origin of ours where the browser sends one.
 */
#ifndef CS_GATEWAY_PAGES_H
#define CS_GATEWAY_PAGES_H

#include "broker/gateway/html.h"

/* Of the browser that began a sign-in. */
#define PAGE_START_COOKIE "__Host-start"

enum { PAGE_COOKIE_NAME_MAX = 32 };

/* This page's cookie: its name (also the value that the browser sent); NULL data where the browser has none. */
struct view page_cookie_name(const struct exchange *x, char to[PAGE_COOKIE_NAME_MAX]);
struct view page_cookie(const struct exchange *x);
/* The same of a page that this one leads to. */
struct view page_cookie_name_of(struct view token, char to[PAGE_COOKIE_NAME_MAX]);
/* What the engine is to be given to bind the page by: the page's cookie, else that of a sign-in that led to it. */
struct view page_cookie_first(const struct exchange *x);
/* Begins a page that sets its cookie. False: the engine gave no cookie that could be set, and 503 was answered. */
bool page_begin_bound(struct exchange *x, const struct page_head *head, struct view cookie, struct page *p);

/* <form method="post" ...> with the proof in it; id may be NULL. */
void form_begin(struct page *p, struct view cookie, const char *id);
void form_end(struct page *p);

struct form {
	struct http_pair pairs[HTTP_PAIRS_MAX]; /* text in the gateway's scratch memory: gone with the next form */
	size_t count;
};

/* The posted form, if it comes from a page of ours as far as the browser says. False: an answer was given. */
bool form_read(struct exchange *x, struct form *form);
/* Reads it again, in the answer of a call that it led to. False: there is none, or a bad one. */
bool form_parse(struct exchange *x, struct form *form);
/* A member's value; NULL data where there is none. */
struct view form_get(const struct form *form, const char *name);
/* Cookie and proof fit. False: 403 was answered. */
bool form_proved(struct exchange *x, const struct form *form);
/* Zeroes what was read: codes may be in it. */
void form_clear(struct exchange *x, struct form *form);

/* A call of Internal (not forwarded for a service). begin false, or send without an answer: a page was answered. */
bool page_call_begin(struct exchange *x, const char *method, struct json_writer *w);
void page_call_send(struct exchange *x, struct json_writer *w, exchange_step *step);
/* The same, begun with the members token and, where the browser has one, page_cookie_first(). */
bool page_call_token(struct exchange *x, const char *method, struct json_writer *w);

enum page_end_kind { PAGE_END_DONE, PAGE_END_OTHER };

/* A visit's end: heading, a sentence, and the way back to the payment app (return_url may be empty). */
void page_say_end(struct exchange *x, enum page_end_kind kind, unsigned title, unsigned text, struct view return_url);
/* The same by its parts: sign and heading; a paragraph and "</div></div>" end it. */
void page_end_begin(struct page *p, enum page_end_kind kind, unsigned title);
/* For people, what an error of the engine means. */
void page_error_of(struct exchange *x, const struct exchange_result *r);
/* A link that leads nowhere: "expired", "used", "foreign", "unknown", "malformed". */
void page_dead(struct exchange *x, struct view state);
/* A problem in the words of `text`. */
void page_problem(struct exchange *x, unsigned status, unsigned text);
/* A link back, where there is one. */
void page_way_back(struct page *p, struct view return_url);

/* 303: whatever the browser came with, it goes on with GET, and says nothing of where it was. cookie may be NULL. */
void page_redirect(struct exchange *x, struct view location, const struct cookie *cookie);
/* Is it a place to send a browser to? Bounded, printable ASCII, absolute, http or https. */
bool page_location_ok(struct view url);

#endif
