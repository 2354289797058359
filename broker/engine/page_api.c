/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages, as the gateway asks for them: a token names a challenge; the first browser that posts is the only one that ever
 * sees it. Whoever lacks that browser's cookie finds no page at all.
 */
#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/engine/api.h"
#include "broker/engine/page.h"
#include "broker/engine/stepup.h"

/* In the call's memory; what step-up needs comes first. */
struct page_call {
	struct stepup of;
	struct view token, cookie, ip, language, step;
	uint32_t answers;
	int64_t round;
	bool report;
};

#define PAGE(member, kind, need, high) {#member, kind, need, offsetof(struct page_call, member), 0, high}

static const struct json_field probe_fields[] = {
	PAGE(token, JSON_F_STRING, true, 0),
	PAGE(cookie, JSON_F_STRING, false, 0),
	{0},
};

static const struct json_field open_fields[] = {
	PAGE(token, JSON_F_STRING, true, 0),
	PAGE(cookie, JSON_F_STRING, false, 0),
	PAGE(ip, JSON_F_STRING, false, 0),
	PAGE(language, JSON_F_STRING, false, 0),
	{0},
};

static const struct json_field respond_fields[] = {
	PAGE(token, JSON_F_STRING, true, 0),
	PAGE(cookie, JSON_F_STRING, true, 0),
	PAGE(answers, JSON_F_ARRAY, true, 0),
	PAGE(round, JSON_F_INT, false, INT32_MAX),
	{0},
};

static const struct json_field begin_fields[] = {
	PAGE(token, JSON_F_STRING, true, 0),
	PAGE(cookie, JSON_F_STRING, true, 0),
	PAGE(step, JSON_F_STRING, true, ID_TEXT_MAX),
	PAGE(language, JSON_F_STRING, false, 0),
	{0},
};

static const struct json_field refuse_fields[] = {
	PAGE(token, JSON_F_STRING, true, 0),
	PAGE(cookie, JSON_F_STRING, true, 0),
	PAGE(report, JSON_F_BOOL, true, 0),
	{0},
};

/* What is over gives the user a way back. */
static void
way_back(struct json_writer *w, struct call *call, struct view state)
{
	const struct page_call *p = CALL_MEMORY_AS(struct page_call, call);
	struct page *page;

	(void)page_look(call->engine, PAGE_STEP, p->token, &page);
	if (page != NULL && page->return_url != NULL && !view_equal(state, VIEW("open")))
		json_member_str(w, "return_url", view_str(page->return_url));
	/* On to the linked IDs, /l/ and the same token. */
	if (page != NULL && page->opens_view && (view_equal(state, VIEW("done")) || view_equal(state, VIEW("used"))))
		json_member_str(w, "next", VIEW("view"));
}

static void
reply_state(struct call *call, const char *state)
{
	struct json_writer w = call_reply(call);

	json_member_str(&w, "state", view_str(state));
	json_member_str(&w, "kind", VIEW("step"));
	call_end(call, &w);
}

/* What the calls of a page are about. */
static void
about(struct page_call *p, const struct page *page)
{
	p->of.key = page->account;
	p->of.id = page->challenge;
	p->of.any_service = true;
	p->of.report = p->report;
	p->of.more = way_back;
}

/*
 * The page of this token, for its own browser, or for the first that comes. Answers the call itself: a link that is dead
 * is said to be so and why; another browser learns nothing.
 */
static struct page *
find(struct call *call, const struct json_field *fields, bool may_bind)
{
	struct page_call *p = CALL_MEMORY_AS(struct page_call, call);
	enum page_state state;
	struct page *page;
	bool own;

	if (!call_bind(call, fields, p, sizeof(*p)))
		return NULL;
	state = page_look(call->engine, PAGE_STEP, p->token, &page);
	own = page != NULL && page_fits(page, p->cookie);
	if (state == PAGE_MALFORMED)
		call_invalid(call, "token", "is no token of a page");
	else if (state == PAGE_UNKNOWN)
		call_not_found(call, "page");
	else if (state == PAGE_USED || (state == PAGE_EXPIRED && !own))
		reply_state(call, page_state_name(state));
	else if (!own && (page->bound || !may_bind))
		call_fail(call, "org.countersign.NotPermitted", "right", VIEW("browser"));
	else
		return about(p, page), page;
	return NULL;
}

/* For the browser that the page is bound to: all of it. */
static void
write_open(struct call *call, struct txn *t, const struct account *a, const struct challenge *c, const struct page *page)
{
	char cookie[2 * sizeof(page->cookie)];
	struct json_writer w = call_reply(call);

	json_member_str(&w, "cookie", view_of(cookie, base32_encode(page->cookie, sizeof(page->cookie), cookie)));
	stepup_write(&w, call, t, a, c);
	way_back(&w, call, view_str(stepup_state(call->engine, a, c)));
	call_end(call, &w);
	secret_wipe(cookie, sizeof(cookie));
}

/* A challenge whose place was taken by newer ones is one whose time is over. */
static void
open_txn(struct txn *t, struct account *a, struct call *call)
{
	struct page_call *p = CALL_MEMORY_AS(struct page_call, call);
	const struct challenge *c = account_challenge(a, &p->of.id);
	struct page *page;

	if (page_look(call->engine, PAGE_STEP, p->token, &page) == PAGE_USED || page == NULL)
		reply_state(call, page_state_name(PAGE_USED));
	else if (c == NULL)
		reply_state(call, page_state_name(PAGE_EXPIRED));
	else
		write_open(call, t, a, c, page);
}

/* What a browser may know that only follows a link: whether it still leads anywhere. */
static void
probe_txn(struct txn *t, struct account *a, struct call *call)
{
	struct page_call *p = CALL_MEMORY_AS(struct page_call, call);
	const struct challenge *c = account_challenge(a, &p->of.id);
	const char *state = c == NULL ? "expired" : stepup_state(call->engine, a, c);
	struct page *page;

	(void)t;
	(void)page_look(call->engine, PAGE_STEP, p->token, &page);
	if (page == NULL || page->used)
		state = "used";
	else if (strcmp(state, "open") == 0)
		state = page->bound ? "foreign" : "open";
	else if (strcmp(state, "expired") != 0)
		state = "used";
	reply_state(call, state);
}

void
internal_page_probe(struct call *call)
{
	struct page_call *p = CALL_MEMORY_AS(struct page_call, call);
	enum page_state state;
	struct page *page;

	if (!call_bind(call, probe_fields, p, sizeof(*p)))
		return;
	state = page_look(call->engine, PAGE_STEP, p->token, &page);
	if (page == NULL || state == PAGE_USED) {
		reply_state(call, page_state_name(state));
		return;
	}
	about(p, page);
	/* Its own browser, back again: after a lost connection, or to see whether something has happened. */
	if (page_fits(page, p->cookie))
		txn_run(call->engine, &page->account, call, open_txn);
	else if (state == PAGE_OPEN)
		txn_run(call->engine, &page->account, call, probe_txn);
	else
		reply_state(call, page_state_name(state));
}

void
internal_page_open(struct call *call)
{
	struct page *page = find(call, open_fields, true);

	if (page == NULL)
		return;
	if (!page->bound) {
		secret_random(page->cookie, sizeof(page->cookie));
		page->bound = true;
	}
	txn_run(call->engine, &page->account, call, open_txn);
}

void
internal_page_respond(struct call *call)
{
	struct page_call *p = CALL_MEMORY_AS(struct page_call, call);

	if (find(call, respond_fields, false) == NULL || !stepup_read_answers(call, p->answers, &p->of))
		return;
	p->of.round = p->round;
	stepup_answer(call);
}

void
internal_page_begin(struct call *call)
{
	struct page_call *p = CALL_MEMORY_AS(struct page_call, call);

	if (find(call, begin_fields, false) == NULL)
		return;
	p->of.step = p->step;
	p->of.language = p->language;
	stepup_begin_step(call);
}

void
internal_page_refuse(struct call *call)
{
	if (find(call, refuse_fields, false) != NULL)
		stepup_no(call);
}
