/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal.ViewGet: opens the owner's page with the countersignature that its step-up page took, and writes what it shows.
 * Internal.ViewClose ends it.
 */
#include "broker/base/check.h"
#include "broker/core/money.h"
#include "broker/engine/answer.h"
#include "broker/engine/api.h"
#include "broker/engine/card.h"
#include "broker/engine/factors.h"
#include "broker/engine/limits_api.h"
#include "broker/engine/lookup.h"
#include "broker/engine/notify.h"
#include "broker/engine/risk.h"
#include "broker/engine/things.h"
#include "broker/engine/view_acts.h"
#include "broker/engine/view_call.h"

enum {
	HOLDS_SHOWN_MAX = 16,     /* of one link, oldest first; the sum is of all */
	/* Beyond these further currencies, allowances, holds and factors are left out, and the answer says so. */
	GET_BYTES_MAX = 56 * 1024,
	GET_TOKENS_MAX = JSON_TOKENS_MAX - 128,
};

/* What parts take at most, in tokens of whoever reads it. */
enum { LINK_TOKENS = 36, CURRENCY_TOKENS = 60, ALLOWANCE_TOKENS = 26, HOLD_TOKENS = 14, FACTOR_TOKENS = 20 + ACCOUNT_LINKS_MAX };

static int tokens_left;

static const struct json_field get_fields[] = {VIEW_CALL_FIELDS, {0}};

/* --- what is written --- */

/* Whether there is room for one more part, which then has it. */
static bool
room(const struct json_writer *w, const struct call *call, int tokens)
{
	if (w->out->len - call->start >= GET_BYTES_MAX || tokens_left < tokens)
		tokens_left = 0;
	else
		tokens_left -= tokens;
	return tokens_left > 0;
}

static int64_t
now_of(const struct call *call, const struct account *a)
{
	return call->engine->now.wall_ms > a->time_ms ? call->engine->now.wall_ms : a->time_ms;
}

static const char *
frozen_by(const struct account *a, uint32_t link_no)
{
	const char *by = NULL;

	for (size_t i = 0; i < a->freezes_n; i++) {
		/* What an admin froze the user cannot lift: that is said first. */
		if (a->freezes[i].link_no == link_no && (by == NULL || a->freezes[i].author != AUTHOR_USER))
			by = author_name((enum author)a->freezes[i].author);
	}
	return by;
}

/* "0,0,1250": minor units by day, oldest first; one text, since an array would take a token each of whoever reads it. */
static void
write_days(struct json_writer *w, const struct spending_line *l)
{
	char text[SPENDING_DAYS * 20];
	struct buf b = buf_over(text, sizeof(text));
	struct json_writer number = json_to(&b);

	for (int i = 0; i < SPENDING_DAYS; i++) {
		if (i > 0)
			buf_put_u8(&b, ',');
		number = json_to(&b);
		json_put_int(&number, l->days_minor[i] < MONEY_MAX ? l->days_minor[i] : MONEY_MAX);
	}
	CHECK(!b.full);
	json_member_str(w, "days", buf_view(&b));
}

static void
write_own(struct json_writer *w, const char *name, const struct limit *l)
{
	struct policy_limit own = {l->currency, l->per_payment_minor, l->per_day_minor, l->per_month_minor, l->count_day,
	    l->count_month};

	json_key(w, view_str(name));
	limits_write(w, &own, l->effective_ms);
}

/* link NULL: of the whole account. */
static void
write_currency(struct json_writer *w, const struct call *call, const struct account *a, const struct owner_view *v,
    const struct link *l, const struct policy_limit *configured, uint16_t currency)
{
	static const struct id whole;
	const struct policy *p = call->engine->rules->policy;
	const struct counter *c = account_counter(a, l == NULL ? &whole : &l->subject, currency);
	const struct spending_line *days = l == NULL ? NULL : spending_line(v->spending, &l->subject, currency);
	uint32_t no = l == NULL ? 0 : l->no;
	int64_t now_ms = now_of(call, a);
	struct policy_limit in_force = limits_in_force(a, no, configured, currency, now_ms);
	struct limit own = limits_own(a, no, currency, now_ms);

	json_object_begin(w);
	answer_currency(w, "currency", currency);
	json_member_int(w, "exponent", currency_get(currency)->exponent);
	answer_amount(w, "today", c != NULL && c->day >= window_day(p, now_ms) ? c->day_minor : 0, currency);
	answer_amount(w, "month", c != NULL && c->month >= window_month(p, now_ms) ? c->month_minor : 0, currency);
	json_key(w, VIEW("limits"));
	limits_write(w, &in_force, 0);
	write_own(w, "own", &own);
	for (size_t i = 0; i < a->limits_n; i++) {
		const struct limit *raise = &a->limits[i];

		if (raise->link_no == no && raise->currency == currency && raise->effective_ms > now_ms)
			write_own(w, "waiting", raise);
	}
	if (days != NULL)
		write_days(w, days);
	json_object_end(w);
}

/* Whether there is anything to say of it for this ID. */
static bool
says_something(const struct account *a, const struct owner_view *v, const struct link *l, uint16_t currency)
{
	const struct counter *c = account_counter(a, &l->subject, currency);

	for (size_t i = 0; i < a->limits_n; i++) {
		if (a->limits[i].link_no == l->no && a->limits[i].currency == currency)
			return true;
	}
	return (c != NULL && c->month_minor > 0) || spending_line(v->spending, &l->subject, currency) != NULL;
}

/* The account in every currency that can be paid in at all; an ID in the first of them and in those that it has used. */
static void
write_spent(struct json_writer *w, const struct call *call, const struct account *a, const struct owner_view *v,
    const struct link *l)
{
	const struct policy *p = call->engine->rules->policy;
	const struct policy_provider *provider = l == NULL ? NULL : policy_provider(p, l->provider);

	json_key(w, VIEW("spent"));
	json_array_begin(w);
	for (size_t i = 0; i < p->limits_n; i++) {
		uint16_t currency = p->limits[i].currency;

		if (currency == CURRENCY_NONE || (l != NULL && i > 0 && !says_something(a, v, l, currency)) ||
		    !room(w, call, CURRENCY_TOKENS))
			continue;
		write_currency(w, call, a, v, l, l == NULL ? &p->limits[i] : provider == NULL ? NULL :
		    policy_limit(provider->limits, provider->limits_n, currency), currency);
	}
	json_array_end(w);
}

static void
write_allowances(struct json_writer *w, struct call *call, struct txn *t, const struct account *a, const struct link *l)
{
	static struct texts texts;
	const struct engine *e = call->engine;

	json_key(w, VIEW("allowances"));
	json_array_begin(w);
	for (size_t i = 0; i < a->allowances_n; i++) {
		const struct allowance *m = &a->allowances[i];

		if (m->link_no != l->no || m->state != ALLOWANCE_OPEN || m->expires_ms <= now_of(call, a) ||
		    !room(w, call, ALLOWANCE_TOKENS))
			continue;
		(void)texts_from_cold(e->keys, a, txn_cold(t), &m->id, &texts);
		json_object_begin(w);
		answer_id(w, "id", ID_ALLOWANCE, a, &m->id);
		json_member_str(w, "kind", m->kind == ALLOWANCE_MANDATE ? VIEW("mandate") : VIEW("allowance"));
		json_member_str(w, "service", view_str(ruleset_service_name(e->rules, m->service)));
		json_member_bool(w, "any_payee", id_zero(&m->payee));
		json_member_str(w, "payee", texts.of[TEXT_PAYEE_NAME].data != NULL ? texts.of[TEXT_PAYEE_NAME] :
		    texts.of[TEXT_PAYEE_ID]);
		answer_currency(w, "currency", m->currency);
		answer_amount(w, "per_payment", m->per_payment_minor, m->currency);
		answer_amount(w, "per_day", m->per_day_minor, m->currency);
		answer_amount(w, "total", m->total_minor, m->currency);
		answer_amount(w, "left", m->total_minor > m->spent_minor ? m->total_minor - m->spent_minor : 0, m->currency);
		answer_time(w, "expires_at", m->expires_ms);
		json_object_end(w);
	}
	json_array_end(w);
}

static void
write_holds(struct json_writer *w, struct call *call, const struct account *a, const struct owner_view *v,
    const struct link *l)
{
	const struct engine *e = call->engine;
	int64_t shown = 0, all = 0;

	json_key(w, VIEW("holds"));
	json_array_begin(w);
	for (size_t i = 0; i < a->payments_n; i++) {
		const struct payment *p = &a->payments[i];

		if (p->link_no != l->no || p->state != PAYMENT_HELD)
			continue;
		all++;
		if (shown == HOLDS_SHOWN_MAX || !room(w, call, HOLD_TOKENS))
			continue;
		shown++;
		json_object_begin(w);
		answer_amount(w, "amount", p->amount_minor, p->currency);
		answer_currency(w, "currency", p->currency);
		json_member_str(w, "payee", spending_payee(v->spending, &p->id));
		json_member_str(w, "service", view_str(ruleset_service_name(e->rules, p->service)));
		answer_time(w, "at", p->permitted_ms);
		answer_time(w, "expires_at", p->expires_ms);
		json_object_end(w);
	}
	json_array_end(w);
	json_member_int(w, "holds_more", all - shown);
}

static void
write_link(struct json_writer *w, struct call *call, struct txn *t, const struct account *a, const struct owner_view *v,
    const struct link *l)
{
	static struct texts texts;
	const struct engine *e = call->engine;
	const char *frozen = frozen_by(a, l->no);

	(void)texts_from_cold(e->keys, a, txn_cold(t), &l->id, &texts);
	json_object_begin(w);
	answer_id(w, "id", ID_LINK, a, &l->id);
	json_member_str(w, "provider", view_str(ruleset_provider_name(e->rules, l->provider)));
	json_member_str(w, "title", view_str(view_provider_title(e, l->provider)));
	json_member_str(w, "person", texts.of[TEXT_DISPLAY]);
	json_member_str(w, "state", view_str(link_state_name(e, l)));
	answer_time(w, "since", l->since_ms);
	if (l->state == LINK_ACTIVE && l->usable_ms > now_of(call, a))
		answer_time(w, "usable_from", l->usable_ms);
	if (frozen != NULL)
		json_member_str(w, "frozen", view_str(frozen));
	if (l->signalled_ms != 0)
		answer_time(w, "signalled_at", l->signalled_ms);
	write_spent(w, call, a, v, l);
	write_allowances(w, call, t, a, l);
	write_holds(w, call, a, v, l);
	if (v->stopped.link_no == l->no && frozen != NULL)
		stopped_write(w, &v->stopped);
	json_object_end(w);
}

static void
write_factor(struct json_writer *w, struct call *call, struct txn *t, const struct account *a, const struct factor *f)
{
	static struct texts texts;
	const struct engine *e = call->engine;
	struct asked asked;

	call_asked(call, &asked);
	(void)texts_from_cold(e->keys, a, txn_cold(t), &f->id, &texts);
	json_object_begin(w);
	json_member_str(w, "kind", view_str(factor_kind_name((enum factor_kind)f->kind)));
	json_member_str(w, "label", texts.of[TEXT_LABEL].data != NULL ? texts.of[TEXT_LABEL] : VIEW(""));
	answer_time(w, "since", f->since_ms);
	json_member_str(w, "state", f->usable_ms > now_of(call, a) ? VIEW("cooling_off") :
	    f->locked_until_ms > now_of(call, a) ? VIEW("locked") : VIEW("active"));
	if (f->usable_ms > now_of(call, a))
		answer_time(w, "until", f->usable_ms);
	else if (f->locked_until_ms > now_of(call, a))
		answer_time(w, "until", f->locked_until_ms);
	/* Of which linked IDs it is not known to be independent: for those it confirms nothing. */
	json_key(w, VIEW("depends"));
	json_array_begin(w);
	for (size_t i = 0; i < a->links_n; i++) {
		const struct link *l = &a->links[i];
		bool again = false;

		for (size_t k = 0; k < i; k++)
			again |= a->links[k].provider == l->provider && a->links[k].state == l->state;
		if ((l->state == LINK_ACTIVE || l->state == LINK_SUSPENDED) && !again &&
		    factor_stands(&asked, a, f, l->provider, NULL, NULL) != INDEPENDENT)
			json_put_str(w, view_str(view_provider_title(e, l->provider)));
	}
	json_array_end(w);
	json_object_end(w);
}

static void
write_head(struct json_writer *w, struct call *call, struct txn *t, const struct account *a, struct owner_view *v)
{
	static struct texts own;
	const struct engine *e = call->engine;
	char hint[ACCOUNT_HINT_MAX];
	size_t hint_len = account_hint(things_account(e->keys, a, txn_cold(t), &own), hint);
	const struct link *l = account_link_by_no(a, v->news_link_no);

	json_member_str(w, "state", VIEW("open"));
	json_member_str(w, "account_hint", view_of(hint, hint_len));
	json_member_str(w, "service", view_str(ruleset_service_name(e->rules, v->service)));
	if (v->return_url != NULL)
		json_member_str(w, "return_url", view_str(v->return_url));
	json_member_int(w, "offset_s", zone_offset_s(e->rules->policy, now_of(call, a)));
	answer_time(w, "now", now_of(call, a));
	json_member_int(w, "chart_from", v->spending == NULL ? SPENDING_DAYS : v->spending->from);
	if (frozen_by(a, 0) != NULL)
		json_member_str(w, "frozen", view_str(frozen_by(a, 0)));
	if (v->news == VIEW_NEWS_NONE)
		return;
	json_key(w, VIEW("news"));
	json_object_begin(w);
	json_member_str(w, "kind", view_str(view_news_name((enum view_news)v->news)));
	if (v->reason != REASON_NONE) {
		json_member_str(w, "reason", view_str(reason_name((enum reason)v->reason)));
		json_member_str(w, "text_en", view_str(reason_text_en((enum reason)v->reason)));
		json_member_str(w, "text_zh", view_str(reason_text_zh((enum reason)v->reason)));
	}
	if (l != NULL)
		json_member_str(w, "title", view_str(view_provider_title(e, l->provider)));
	json_object_end(w);
	v->news = VIEW_NEWS_NONE;
	v->reason = REASON_NONE;
}

/* Those that were revoked stay for a while, as they stay in the state: the page says that they are gone. */
static void
write_view(struct json_writer *w, struct call *call, struct txn *t, const struct account *a, struct owner_view *v)
{
	tokens_left = GET_TOKENS_MAX - LINK_TOKENS * a->links_n;
	write_head(w, call, t, a, v);
	write_spent(w, call, a, v, NULL);
	json_key(w, VIEW("links"));
	json_array_begin(w);
	for (size_t i = 0; i < a->links_n; i++) {
		if (a->links[i].state == LINK_ACTIVE || a->links[i].state == LINK_SUSPENDED)
			write_link(w, call, t, a, v, &a->links[i]);
	}
	json_array_end(w);
	json_key(w, VIEW("factors"));
	json_array_begin(w);
	for (size_t i = 0; i < a->factors_n; i++) {
		if (!factor_gone(a, &a->factors[i], call->engine->now.wall_ms) && room(w, call, FACTOR_TOKENS))
			write_factor(w, call, t, a, &a->factors[i]);
	}
	json_array_end(w);
	json_member_bool(w, "cut", tokens_left <= 0);
}

/* --- Get --- */

static void
get_txn(struct txn *t, struct account *a, struct call *call)
{
	struct owner_view *v = view_call_here(call, a);
	struct json_writer w;

	if (v == NULL || !view_redeem(t, a, call, v, get_txn))
		return;
	/* Without a chart where the store does not say: the rest stands all the same. */
	if (spending_step(call->engine, a, &v->spending) != CS_OK) {
		spending_free(v->spending);
		v->spending = NULL;
	}
	if (spending_wait(v->spending, call, get_txn))
		return;
	w = call_reply(call);
	if (v->spending != NULL && !v->spending->done)
		json_member_str(&w, "state", VIEW("reading"));
	else
		write_view(&w, call, t, a, v);
	call_end(call, &w);
}

/* --- opening --- */

static void
opened_txn(struct txn *t, struct account *a, struct call *call)
{
	struct view_call *c = CALL_MEMORY_AS(struct view_call, call);
	struct engine *e = call->engine;
	const struct page *page = page_find(e, c->token);
	const struct challenge *done = page == NULL ? NULL : account_challenge(a, &page->challenge);

	/* Two tabs at once: the other has opened it. */
	if (view_find(e, c->token, c->cookie) == NULL && (done == NULL || done->state != CHALLENGE_USED ||
	    view_open(e, page, done->service, done->factors, a->time_ms) == NULL)) {
		call_not_found(call, "view");
		return;
	}
	get_txn(t, a, call);
}

static void
open_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	struct view_call *c = CALL_MEMORY_AS(struct view_call, call);
	const struct page *page = page_find(call->engine, c->token);
	const struct challenge *done = page == NULL ? NULL : account_challenge(a, &page->challenge);
	struct asked asked;
	struct hash content;

	if (done == NULL || done->op != OP_VIEW || !view_call_as(call, done->service)) {
		call_not_found(call, "page");
		return;
	}
	/* Used a moment ago, and not durable yet. */
	if (done->state == CHALLENGE_USED && txn_pending(t)) {
		txn_then(t, call, opened_txn);
		return;
	}
	if (done->state != CHALLENGE_DONE) {
		call_not_found(call, done->state == CHALLENGE_OPEN ? "countersignature" : "view");
		return;
	}
	if (risk_wait_operation(a, call, OP_VIEW, 0, open_txn))
		return;
	call_asked(call, &asked);
	content = view_content(call->engine, a, done->service);
	decide_view(&asked, a, &page->challenge, &content, &d);
	txn_decision(t, a, &d, NULL);
	notify_operation(t, a, call, OP_VIEW, &d);
	if (d.outcome == OUTCOME_PERMIT)
		txn_then(t, call, opened_txn);
	else
		call_not_found(call, "view");
}

void
internal_view_get(struct call *call)
{
	struct view_call *c = CALL_MEMORY_AS(struct view_call, call);
	enum page_state state;
	struct page *page;

	if (!call_bind(call, get_fields, c, sizeof(*c)))
		return;
	if (view_find(call->engine, c->token, c->cookie) != NULL) {
		if (view_call_bind(call, get_fields, sizeof(*c)))
			view_call_run(call, get_txn);
		return;
	}
	state = page_look(call->engine, PAGE_STEP, c->token, &page);
	if (state == PAGE_MALFORMED) {
		call_invalid(call, "token", "is no token of a page");
		return;
	}
	if (page == NULL) {
		call_not_found(call, "page");
		return;
	}
	if (!page_fits(page, c->cookie)) {
		call_fail(call, "org.countersign.NotPermitted", "right", VIEW("browser"));
		return;
	}
	if (state != PAGE_OPEN) {
		call_not_found(call, "view");
		return;
	}
	c->key = page->account;
	txn_run(call->engine, &c->key, call, open_txn);
}

/* --- closing --- */

void
internal_view_close(struct call *call)
{
	struct view_call *c = CALL_MEMORY_AS(struct view_call, call);
	struct owner_view *v;

	if (!call_bind(call, get_fields, c, sizeof(*c)))
		return;
	v = view_find(call->engine, c->token, c->cookie);
	if (v == NULL) {
		call_not_found(call, "page");
		return;
	}
	view_end(v);
	call_done(call);
}
