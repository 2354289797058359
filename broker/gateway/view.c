/* SPDX-License-Identifier: Apache-2.0 */
/* /l/{token}: its requests, from the browser to the engine and back. */
#include "broker/gateway/view_pages.h"

#include "broker/base/clock.h"
#include "broker/gateway/handlers.h"

enum {
	LOCATION_MAX = 256,
	TOKEN_MAX = 64,
	READING_MAX = 32,       /* calls until the chart is complete: more than the engine ever takes */
	/* exchange.detail */
	DETAIL_READING = 0xff,
	DETAIL_WRONG = 1 << 8,  /* the posted amounts are shown again; which one was wrong: */
	DETAIL_WRONG_SHIFT = 9,
};

enum place { PLACE_LIST, PLACE_LIMITS, PLACE_UNLINK, PLACE_NOT_ME, PLACE_REVOKE, PLACE_HISTORY, PLACE__COUNT };

static const struct {
	struct view name;
	unsigned title;
	bool of;                /* it is about one thing, which its address names */
	void (*write)(struct view_page *v, struct view of);
} places[PLACE__COUNT] = {
    [PLACE_LIST] = {VIEW(""), TEXT_VIEW_TITLE, false, NULL},
    [PLACE_LIMITS] = {VIEW("limits"), TEXT_VIEW_LIMITS_TITLE, true, view_limits},
    [PLACE_UNLINK] = {VIEW("unlink"), TEXT_VIEW_UNLINK_TITLE, true, view_unlink},
    [PLACE_NOT_ME] = {VIEW("not-me"), TEXT_VIEW_NOT_ME_TITLE, true, view_not_me},
    [PLACE_REVOKE] = {VIEW("revoke"), TEXT_VIEW_REVOKE_TITLE, true, view_revoke},
    [PLACE_HISTORY] = {VIEW("history"), TEXT_VIEW_HISTORY_TITLE, false, NULL},
};

/* PLACE__COUNT: no such page. */
static enum place
place_of(const struct exchange *x)
{
	for (int i = 0; i < PLACE__COUNT; i++) {
		if (view_equal(places[i].name, x->params[1].data == NULL ? VIEW("") : x->params[1]) &&
		    places[i].of == (x->params[2].len > 0))
			return (enum place)i;
	}
	return PLACE__COUNT;
}

static void
go(struct exchange *x, const char *where, struct view token, const struct cookie *cookie)
{
	char text[LOCATION_MAX];
	struct buf b = buf_over(text, sizeof(text));

	html_put(&b, where);
	buf_put_view(&b, token);
	if (b.full || !cookie_ok(token))
		page_error(x, 503);
	else
		page_redirect(x, buf_view(&b), cookie);
}

void
view_go(struct exchange *x)
{
	go(x, "/l/", x->params[0], NULL);
}

static void
ended(struct exchange *x)
{
	struct page p = page_begin(x, &(struct page_head){.status = 410, .title = TEXT_VIEW_ENDED});

	html_put(p.out, "<p role=\"status\">");
	page_say(&p, TEXT_VIEW_ENDED_MORE);
	html_put(p.out, "</p>\n");
	page_end(&p);
}

/* What the engine's no means here. */
static void
refused(struct exchange *x, const struct exchange_result *r)
{
	struct view what = result_str(r, "what");

	if (view_equal(r->error, VIEW("org.countersign.NotPermitted")))
		page_problem(x, 403, TEXT_OTHER_BROWSER);
	else if (!view_equal(r->error, VIEW("org.countersign.NotFound")))
		page_error_of(x, r);
	else if (view_equal(what, VIEW("countersignature")))
		go(x, "/c/", x->params[0], NULL);
	else if (view_equal(what, VIEW("view")))
		ended(x);
	else if (place_of(x) != PLACE_LIST)
		view_go(x); /* it is the list that opens the page, or says why not */
	else
		page_error(x, 404);
}

/* --- showing --- */

static void ask(struct exchange *x);

static bool
page_start(struct exchange *x, const struct exchange_result *r, enum place place, struct page *p, struct view_page *v)
{
	struct page_head head = {.status = (x->detail & DETAIL_WRONG) != 0 ? 400 : 200, .title = places[place].title,
	    .flags = (place == PLACE_LIST || place == PLACE_HISTORY ? PAGE_WIDE : 0) |
		((x->detail & DETAIL_WRONG) != 0 ? PAGE_PROBLEM : 0)};
	struct view now = result_str(r, "now");

	*p = page_begin(x, &head);
	*v = (struct view_page){.page = p, .all = *r, .cookie = page_cookie(x), .offset_s = result_int(r, "offset_s", 0),
	    .now_ms = now.data == NULL ? 0 : clock_parse(now.data, now.len)};
	return true;
}

static void
answered(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);
	enum place place = place_of(x);
	struct view_page v;
	struct form posted;
	struct page p;

	if (r.error.len > 0) {
		refused(x, &r);
		return;
	}
	if (view_equal(result_str(&r, "state"), VIEW("reading"))) {
		if ((x->detail++ & DETAIL_READING) < READING_MAX)
			ask(x);
		else
			page_error(x, 503);
		return;
	}
	page_start(x, &r, place, &p, &v);
	if ((x->detail & DETAIL_WRONG) != 0 && form_parse(x, &posted))
		v.posted = &posted;
	v.wrong = x->detail >> DETAIL_WRONG_SHIFT;
	if (place == PLACE_HISTORY)
		view_history(&v);
	else if (places[place].write != NULL)
		places[place].write(&v, x->params[2]);
	else
		view_list(&v);
	/* Before the end: with its answer an exchange may be over, and gone. */
	if (v.posted != NULL)
		form_clear(x, &posted);
	page_end(&p);
}

/* The number after "before=" in the query; 0 where there is none. */
static int64_t
before_of(struct view query)
{
	static const struct view name = VIEW("before=");
	const char *at = memmem(query.data == NULL ? "" : query.data, query.len, name.data, name.len);
	int64_t n = 0;

	if (at == NULL || (at != query.data && at[-1] != '&'))
		return 0;
	for (at += name.len; at < query.data + query.len && *at >= '0' && *at <= '9'; at++) {
		if (n > INT64_MAX / 10 - 10)
			return 0;
		n = n * 10 + (*at - '0');
	}
	return n;
}

static void
ask(struct exchange *x)
{
	bool history = place_of(x) == PLACE_HISTORY;
	struct json_writer w;

	if (!page_call_token(x, history ? "org.countersign.Internal.ViewHistory" : "org.countersign.Internal.ViewGet", &w))
		return;
	if (history && before_of(x->request->query) > 0)
		json_member_int(&w, "before", before_of(x->request->query));
	page_call_send(x, &w, answered);
}

void
view_show(struct exchange *x)
{
	page_language(x);
	if (place_of(x) == PLACE__COUNT)
		page_error(x, 404);
	else if (page_cookie(x).data == NULL)
		page_problem(x, 403, TEXT_OTHER_BROWSER);
	else
		ask(x);
}

/* --- doing --- */

static void
wrong(struct exchange *x, struct view field)
{
	static const struct view fields[] = {VIEW("per_payment"), VIEW("per_day"), VIEW("per_month")};

	x->detail |= DETAIL_WRONG;
	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (view_equal(fields[i], field))
			x->detail |= i << DETAIL_WRONG_SHIFT;
	}
	ask(x);
}

/* Onwards with GET: to the page, or to the step-up page of what asks for one, which is this browser's already. */
static void
done(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);
	struct view page = result_str(&r, "page");
	char name[PAGE_COOKIE_NAME_MAX];
	struct cookie cookie;

	if (view_equal(r.error, VIEW("org.countersign.InvalidParameter")) && place_of(x) == PLACE_LIMITS) {
		wrong(x, result_str(&r, "field"));
	} else if (r.error.len > 0) {
		refused(x, &r);
	} else if (page.len > 0 && page.len <= TOKEN_MAX) {
		cookie = (struct cookie){page_cookie_name_of(page, name), page_cookie(x), "Lax", 0};
		go(x, "/c/", page, &cookie);
	} else {
		view_go(x);
	}
}

static void
closed(struct exchange *x, const struct engine_answer *answer)
{
	struct exchange_result r = call_result(answer);

	if (r.error.len > 0)
		refused(x, &r);
	else
		page_say_end(x, PAGE_END_OTHER, TEXT_VIEW_CLOSED, TEXT_VIEW_CLOSED_MORE, view_of(NULL, 0));
}

/* An amount as people type it: spaces and separators of thousands are left out; empty: none. */
static void
put_amount(struct json_writer *w, const struct form *form, const char *name)
{
	struct view v = form_get(form, name);
	char text[64];
	struct buf b = buf_over(text, sizeof(text));

	for (size_t i = 0; i < v.len; i++) {
		if (v.data[i] != ' ' && v.data[i] != ',')
			buf_put_u8(&b, (uint8_t)v.data[i]);
	}
	/* Too long for an amount: as it is, and the engine refuses it. */
	if (b.full)
		json_member_str(w, name, VIEW("?"));
	else if (b.len > 0)
		json_member_str(w, name, buf_view(&b));
}

static void
put_member(struct json_writer *w, const struct form *form, const char *name)
{
	struct view v = form_get(form, name);

	if (v.len > 0)
		json_member_str(w, name, v);
}

static const struct act {
	struct view name;
	const char *method;
	const char *member;     /* that it is about */
	bool amounts;
	exchange_step *then;
} acts[] = {
    {VIEW("limit"), "org.countersign.Internal.ViewLimit", "link", true, done},
    {VIEW("unlink"), "org.countersign.Internal.ViewUnlink", "link", false, done},
    {VIEW("not-me"), "org.countersign.Internal.ViewNotMe", "link", false, done},
    {VIEW("revoke"), "org.countersign.Internal.ViewRevoke", "allowance", false, done},
    {VIEW("resume"), "org.countersign.Internal.ViewResume", "link", false, done},
    {VIEW("close"), "org.countersign.Internal.ViewClose", NULL, false, closed},
};

static void
act(struct exchange *x, const struct act *a, const struct form *form)
{
	struct json_writer w;

	if (!page_call_token(x, a->method, &w))
		return;
	if (a->member != NULL)
		put_member(&w, form, a->member);
	if (a->amounts) {
		put_member(&w, form, "currency");
		put_amount(&w, form, "per_payment");
		put_amount(&w, form, "per_day");
		put_amount(&w, form, "per_month");
	}
	page_call_send(x, &w, a->then);
}

void
view_post(struct exchange *x)
{
	const struct act *a = NULL;
	struct form form;
	struct view what;

	page_language(x);
	if (place_of(x) == PLACE__COUNT) {
		page_error(x, 404);
		return;
	}
	if (!form_read(x, &form))
		return;
	what = form_get(&form, "do");
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		if (view_equal(acts[i].name, what))
			a = &acts[i];
	}
	/* The switch of languages comes by POST where the page did. */
	if (view_equal(what, VIEW("open")))
		view_go(x);
	else if (!form_proved(x, &form))
		; /* answered */
	else if (a == NULL)
		page_error(x, 400);
	else
		act(x, a, &form);
	form_clear(x, &form);
}
