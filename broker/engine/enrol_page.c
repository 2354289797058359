/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enrolment pages, as the gateway asks for them. What the page's browser answers, it answers for the service that began the
 * enrolment, which was permitted to; whoever lacks that browser's cookie learns nothing.
 */
#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/engine/api.h"
#include "broker/engine/card.h"
#include "broker/engine/enrol.h"
#include "broker/engine/page.h"

/* In the call's memory; what Factors.Finish needs comes first. */
struct enrol_call {
	struct finish of;
	struct view token, cookie, ip;
	uint32_t answers;
};

#define ENROL(member, kind, need) {#member, kind, need, offsetof(struct enrol_call, member), 0, 0}

static const struct json_field probe_fields[] = {
	ENROL(token, JSON_F_STRING, true),
	ENROL(cookie, JSON_F_STRING, false),
	{0},
};

static const struct json_field open_fields[] = {
	ENROL(token, JSON_F_STRING, true),
	ENROL(cookie, JSON_F_STRING, false),
	ENROL(ip, JSON_F_STRING, false),
	{0},
};

static const struct json_field answer_fields[] = {
	ENROL(token, JSON_F_STRING, true),
	ENROL(cookie, JSON_F_STRING, true),
	ENROL(answers, JSON_F_ARRAY, true),
	{0},
};

static const struct json_field refuse_fields[] = {
	ENROL(token, JSON_F_STRING, true),
	ENROL(cookie, JSON_F_STRING, true),
	{0},
};

static void
put_state(struct json_writer *w, const char *state)
{
	json_member_str(w, "state", view_str(state));
	json_member_str(w, "kind", VIEW("enrol"));
}

static void
put_return_url(struct json_writer *w, const struct page *page)
{
	if (page->return_url != NULL)
		json_member_str(w, "return_url", view_str(page->return_url));
}

static void
reply_state(struct call *call, const char *state)
{
	struct json_writer w = call_reply(call);

	put_state(&w, state);
	call_end(call, &w);
}

/* All of it, for the browser that it is bound to. */
static void
reply_open(struct call *call, const struct page *page, const struct enrolling *en)
{
	char cookie[2 * sizeof(page->cookie)], hint[ACCOUNT_HINT_MAX];
	struct json_writer w = call_reply(call);

	put_state(&w, "open");
	json_member_str(&w, "cookie", view_of(cookie, base32_encode(page->cookie, sizeof(page->cookie), cookie)));
	json_member_str(&w, "factor", view_str(factor_kind_name((enum factor_kind)en->kind)));
	if (en->label[0] != '\0')
		json_member_str(&w, "label", view_str(en->label));
	json_member_str(&w, "account_hint", view_of(hint, account_hint(view_str(en->account_text), hint)));
	json_member_str(&w, "service", view_str(ruleset_service_name(call->engine->rules, en->service)));
	json_key(&w, VIEW("steps"));
	json_put_raw(&w, view_of(en->shown, en->shown_len));
	json_member_int(&w, "tries_left", ENROLMENT_TRIES_MAX - en->tries);
	answer_time(&w, "expires_at", en->expires_ms);
	call_end(call, &w);
	secret_wipe(cookie, sizeof(cookie));
}

/*
 * The page of this token and its enrolment, for its own browser, or for the first that comes. Answers the call itself where
 * the link is dead or belongs to another browser.
 */
static struct page *
find(struct call *call, const struct json_field *fields, bool may_bind, struct enrolling **en)
{
	struct enrol_call *c = CALL_MEMORY_AS(struct enrol_call, call);
	enum page_state state;
	struct page *page;

	if (!call_bind(call, fields, c, sizeof(*c)))
		return NULL;
	state = page_look(call->engine, PAGE_ENROL, c->token, &page);
	*en = state == PAGE_OPEN ? enrolment_find(call->engine, &page->challenge) : NULL;
	if (state == PAGE_MALFORMED)
		call_invalid(call, "token", "is no token of a page");
	else if (state == PAGE_UNKNOWN)
		call_not_found(call, "page");
	else if (*en == NULL) /* Open without an enrolment: it was finished elsewhere. */
		reply_state(call, page_state_name(state == PAGE_OPEN ? PAGE_USED : state));
	else if (!page_fits(page, c->cookie) && (page->bound || !may_bind))
		call_fail(call, "org.countersign.NotPermitted", "right", VIEW("browser"));
	else
		return page;
	return NULL;
}

void
internal_enrol_probe(struct call *call)
{
	struct enrol_call *c = CALL_MEMORY_AS(struct enrol_call, call);
	const struct enrolling *en;
	enum page_state state;
	struct page *page;

	if (!call_bind(call, probe_fields, c, sizeof(*c)))
		return;
	state = page_look(call->engine, PAGE_ENROL, c->token, &page);
	en = state == PAGE_OPEN ? enrolment_find(call->engine, &page->challenge) : NULL;
	if (en == NULL)
		reply_state(call, page_state_name(state == PAGE_OPEN ? PAGE_USED : state));
	else if (page_fits(page, c->cookie))
		reply_open(call, page, en);
	else
		reply_state(call, page->bound ? "foreign" : "open");
}

void
internal_enrol_open(struct call *call)
{
	struct enrolling *en;
	struct page *page = find(call, open_fields, true, &en);

	if (page == NULL)
		return;
	if (!page->bound) {
		secret_random(page->cookie, sizeof(page->cookie));
		page->bound = true;
	}
	reply_open(call, page, en);
}

/* Behind what Factors.Finish replies. */
static void
more(struct json_writer *w, struct call *call, const char *state)
{
	const struct enrol_call *c = CALL_MEMORY_AS(struct enrol_call, call);
	const struct enrolling *en = enrolment_find(call->engine, &c->of.id);
	struct page *page;

	put_state(w, state);
	if (c->of.has_device && strcmp(state, "done") == 0)
		json_member_str(w, "device", view_of(c->of.device, sizeof(c->of.device)));
	if (en != NULL)
		json_member_int(w, "tries_left", ENROLMENT_TRIES_MAX - en->tries);
	(void)page_look(call->engine, PAGE_ENROL, c->token, &page);
	if (page == NULL || strcmp(state, "open") == 0)
		return;
	put_return_url(w, page);
	page_end(page);
}

void
internal_enrol_answer(struct call *call)
{
	struct enrol_call *c = CALL_MEMORY_AS(struct enrol_call, call);
	const struct config_service *service;
	struct enrolling *en;

	if (find(call, answer_fields, false, &en) == NULL || !stepup_read_answers(call, c->answers, &c->of.given))
		return;
	if (en->checking) {
		/* A double submit: the answer before this one is being looked at. */
		reply_state(call, "checking");
		return;
	}
	service = ruleset_service(call->engine->rules, en->service);
	if (service == NULL) {
		reply_state(call, page_state_name(PAGE_EXPIRED));
		return;
	}
	c->of.id = en->id;
	c->of.more = more;
	call->caller = (struct caller){.service = en->service, .rights = service->rights, .door = en->door};
	enrol_finish(call);
}

void
internal_enrol_refuse(struct call *call)
{
	struct enrolling *en;
	struct page *page = find(call, refuse_fields, false, &en);
	struct json_writer w;

	if (page == NULL)
		return;
	if (en->checking) {
		reply_state(call, "checking");
		return;
	}
	enrolment_end(call->engine, en);
	w = call_reply(call);
	put_state(&w, "refused");
	put_return_url(&w, page);
	call_end(call, &w);
	page_end(page);
}
