/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The owner's page of linked IDs, /l/{token}, and the pages below it: limits, unlink, not-me and revoke, each about one
 * thing, and history. Plain HTML; a form is answered by a redirect to what it made.
 */
#ifndef CS_GATEWAY_VIEW_PAGES_H
#define CS_GATEWAY_VIEW_PAGES_H

#include "broker/gateway/pages.h"
#include "broker/gateway/texts_view.h"

/* What Internal.ViewGet or ViewHistory gave, as it is written. */
struct view_page {
	struct page *page;
	struct exchange_result all;
	struct view cookie;
	int64_t offset_s;             /* of the operator's zone, which days are counted in */
	int64_t now_ms;
	const struct form *posted;    /* limits: as they were sent, where one was wrong; else NULL */
	unsigned wrong;               /* which one: its place among the fields */
};

/* Sends the browser from its step-up page to /l/{token}. */
void view_go(struct exchange *x);

/* view_list.c: what "not me" stopped, as a list. */
void view_stopped(struct view_page *v, const struct exchange_result *stopped);
/* view_confirm.c: the end of a step-up page on which "this was not me" was said; r is what PageRefuse gave. */
void view_reported(struct exchange *x, const struct exchange_result *r, unsigned title, unsigned text);
/* view_list.c: all of them, and what is asked before something is done. of: a link's or an allowance's id. */
void view_list(struct view_page *v);
void view_limits(struct view_page *v, struct view of);
void view_unlink(struct view_page *v, struct view of);
void view_not_me(struct view_page *v, struct view of);
void view_revoke(struct view_page *v, struct view of);
/* view_history.c */
void view_history(struct view_page *v);

/* view_chart.c: one ID's spending by day in one currency; `spent` is a ViewSpent, n tells several charts apart. */
void view_chart(struct view_page *v, const struct exchange_result *spent, int64_t from, unsigned n);

/* The members of limits, and what they are called. */
enum { VIEW_BOUNDS = 3 };
extern const struct view_bound {
	const char *name;
	unsigned text;
} view_bounds[VIEW_BOUNDS];

/* The object of an array or a member; body 0: nothing there. */
struct exchange_result view_member(const struct exchange_result *r, const char *name);
/* Steps through an array member: begin with all zero. False at its end; one->body is the element. */
struct view_walk {
	uint32_t at, left;
	bool begun;
};
bool view_each(const struct exchange_result *r, const char *name, struct view_walk *walk, struct exchange_result *one);
/* How many elements an array member has. */
size_t view_count(const struct exchange_result *r, const char *name);
/* "22 Nov 2026", "2026年11月22日"; with the time of day where asked. time: RFC 3339, UTC. */
void view_date(struct view_page *v, struct view time, bool clock);
/* "22 Nov" of a day's number since 1970. */
void view_day(struct view_page *v, int64_t day);
/* The zone of all times, as a line of help. */
void view_zone(struct view_page *v);
void view_money(struct view_page *v, const struct exchange_result *r, const char *amount, const char *currency);
/* What is left of an allowance, of how much. */
void view_left(struct view_page *v, const struct exchange_result *allowance);
/* <a class=... href="/l/{token}/{place}/{of}">text</a>; place NULL: the page itself; of may be empty. */
void view_link(struct view_page *v, const char *class, const char *place, struct view of, unsigned text);
/* <form> to the page itself with do=what, a hidden member (NULL: none) and a button. */
void view_button(struct view_page *v, const char *what, const char *member, struct view value, const char *class,
    unsigned text);
static inline void
view_say(struct view_page *v, unsigned text)
{
	page_say(v->page, text);
}
static inline void
view_put(struct view_page *v, const char *markup)
{
	html_put(v->page->out, markup);
}

#endif
