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
	struct view token, cookie, ip, language;
	uint32_t answers;
	bool report;
};

#define PAGE(member, kind, need, high) {#member, kind, need, offsetof(struct page_call, member), 0, high}

static const struct json_field probe_fields[] = {PAGE(token, JSON_F_STRING, true, 0), {0}};

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
	{0},
};

static const struct json_field refuse_fields[] = {
	PAGE(token, JSON_F_STRING, true, 0),
	PAGE(cookie, JSON_F_STRING, true, 0),
	PAGE(report, JSON_F_BOOL, true, 0),
	{0},
};

static bool
cookie_fits(const struct page *page, struct view cookie)
{
	uint8_t given[sizeof(page->cookie)];
	bool fits = page->bound && base32_decode(cookie, given, sizeof(given)) &&
	    secret_equal(given, page->cookie, sizeof(given));

	secret_wipe(given, sizeof(given));
	return fits;
}

/* What is over gives the user a way back. */
static void
way_back(struct json_writer *w, struct call *call, struct view state)
{
	const struct page_call *p = CALL_MEMORY_AS(struct page_call, call);
	const struct page *page = page_find(call->engine, p->token);

	if (page != NULL && page->return_url != NULL && !view_equal(state, VIEW("open")))
		json_member_str(w, "return_url", view_str(page->return_url));
}

/* The page of this token; answers NotFound itself, which is also what another browser hears. */
static struct page *
find(struct call *call, const struct json_field *fields, bool may_bind)
{
	struct page_call *p = CALL_MEMORY_AS(struct page_call, call);
	struct page *page;

	if (!call_bind(call, fields, p, sizeof(*p)))
		return NULL;
	page = page_find(call->engine, p->token);
	if (page == NULL || ((page->bound || !may_bind) && !cookie_fits(page, p->cookie))) {
		call_not_found(call, "page");
		return NULL;
	}
	p->of.key = page->account;
	p->of.id = page->challenge;
	p->of.any_service = true;
	p->of.report = p->report;
	p->of.more = way_back;
	return page;
}

void
internal_page_probe(struct call *call)
{
	struct page_call *p = CALL_MEMORY_AS(struct page_call, call);
	struct json_writer w;

	if (!call_bind(call, probe_fields, p, sizeof(*p)))
		return;
	w = call_reply(call);
	json_member_bool(&w, "known", page_find(call->engine, p->token) != NULL);
	call_end(call, &w);
}

static void
open_txn(struct txn *t, struct account *a, struct call *call)
{
	struct page_call *p = CALL_MEMORY_AS(struct page_call, call);
	const struct page *page = page_find(call->engine, p->token);
	const struct challenge *c = page == NULL ? NULL : stepup_find(call, a, &p->of);
	char cookie[2 * sizeof(page->cookie)];
	struct json_writer w;

	if (page == NULL)
		call_not_found(call, "page");
	if (c == NULL)
		return;
	w = call_reply(call);
	json_member_str(&w, "cookie", view_of(cookie, base32_encode(page->cookie, sizeof(page->cookie), cookie)));
	stepup_write(&w, call, t, a, c);
	way_back(&w, call, view_str(stepup_state(call->engine, a, c)));
	call_end(call, &w);
	secret_wipe(cookie, sizeof(cookie));
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

	if (find(call, respond_fields, false) != NULL && stepup_read_answers(call, p->answers, &p->of))
		stepup_answer(call);
}

void
internal_page_refuse(struct call *call)
{
	if (find(call, refuse_fields, false) != NULL)
		stepup_no(call);
}
