/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the owner does on the page of linked IDs. What narrows is done at once, and done again is nothing new: a form that
 * is sent twice is sent once. What widens opens a challenge, whose page leads back.
 */
#include "broker/engine/view_acts.h"

#include "broker/base/check.h"
#include "broker/core/money.h"
#include "broker/engine/answer.h"
#include "broker/engine/api.h"
#include "broker/engine/limits_api.h"
#include "broker/engine/links.h"
#include "broker/engine/notify.h"
#include "broker/engine/risk.h"
#include "broker/engine/stepup.h"
#include "broker/engine/things.h"

const char *
view_provider_title(const struct engine *e, uint64_t provider)
{
	return ruleset_provider_title(e->rules, provider);
}

static void
tell(struct owner_view *v, enum view_news news, uint32_t link_no)
{
	v->news = (uint8_t)news;
	v->news_link_no = link_no;
	v->reason = REASON_NONE;
}

static void
tell_denied(struct owner_view *v, uint32_t link_no, const struct decision *d)
{
	tell(v, VIEW_NEWS_DENIED, link_no);
	v->reason = d->reason;
}

/* --- what is widened: a challenge, whose page belongs to this browser from the start --- */

/* The token of the challenge's page: the gateway sends the browser there with this page's cookie. */
static void
reply_challenge(struct call *call, struct owner_view *v, const struct account *a, const struct challenge *c)
{
	struct engine *e = call->engine;
	char back[PAGE_URL_MAX], url[PAGE_URL_MAX];
	size_t back_len = view_url(e, v, back);
	size_t len = page_new(e, &a->key, &c->id, c->expires_ms, view_of(back, back_len), url), from = len;
	struct json_writer w;
	struct page *page;

	while (from > 0 && url[from - 1] != '/')
		from--;
	page = page_find(e, view_of(url + from, len - from));
	CHECK(page != NULL && sizeof(page->cookie) == sizeof(v->cookie));
	page->bound = true;
	memcpy(page->cookie, v->cookie, sizeof(page->cookie));
	w = call_reply(call);
	json_member_str(&w, "outcome", VIEW("step_up"));
	json_member_str(&w, "page", view_of(url + from, len - from));
	call_end(call, &w);
}

/* --- limits --- */

struct view_limit {
	struct view_call of;
	uint32_t limits;
	struct view currency, per_payment, per_day, per_month;
	uint16_t currency_no;
	int64_t minor[3];          /* payment, day, month; -1: no limit of the user's own */
};

static const struct json_field limit_fields[] = {
	VIEW_CALL_FIELDS,
	{"link", JSON_F_STRING, false, offsetof(struct view_call, link_text), 0, 0},
	{"currency", JSON_F_STRING, true, offsetof(struct view_limit, currency), 0, 0},
	{"per_payment", JSON_F_STRING, false, offsetof(struct view_limit, per_payment), 0, 0},
	{"per_day", JSON_F_STRING, false, offsetof(struct view_limit, per_day), 0, 0},
	{"per_month", JSON_F_STRING, false, offsetof(struct view_limit, per_month), 0, 0},
	{0},
};

static int64_t
smaller(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

static bool
same_sums(const struct limit *a, const struct limit *b)
{
	return a->per_payment_minor == b->per_payment_minor && a->per_day_minor == b->per_day_minor &&
	    a->per_month_minor == b->per_month_minor;
}

/* The link's serial, 0 for the account; false: the call is answered. */
static bool
limit_where(struct call *call, const struct account *a, uint32_t *link_no)
{
	const struct view_limit *l = CALL_MEMORY_AS(struct view_limit, call);
	const struct link *link;

	*link_no = 0;
	if (l->of.link_text.data == NULL)
		return true;
	link = view_call_link(call, a);
	if (link != NULL && link->state == LINK_REVOKED) {
		call_not_found(call, "link");
		return false;
	}
	*link_no = link == NULL ? 0 : link->no;
	return link != NULL;
}

static void
raise_limit(struct txn *t, struct account *a, struct call *call, struct owner_view *v, const struct limit *to, txn_fn *again)
{
	static struct decision d;
	static struct texts card;
	static const struct id none;
	struct view_pending *pending;
	char text[LIMIT_TEXT_MAX];
	struct asked asked;
	struct hash content;

	if (risk_wait_operation(a, call, OP_LIMIT, to->link_no, again))
		return;
	call_asked(call, &asked);
	limits_content(call->engine, v->service, &a->key, to, &content);
	decide_limit(&asked, a, to, &none, &content, &d);
	texts_init(&card);
	card.of[TEXT_WORST_CASE] = limits_text(to, text);
	stepup_open(t, a, call, &d, &card);
	notify_operation(t, a, call, OP_LIMIT, &d);
	if (d.outcome == OUTCOME_STEP_UP) {
		pending = view_wait(v, OP_LIMIT, to->link_no);
		pending->challenge = d.id;
		pending->to = *to;
		reply_challenge(call, v, a, challenge_of(a, &d));
		return;
	}
	if (d.outcome == OUTCOME_DENY)
		tell_denied(v, to->link_no, &d);
	else
		tell(v, d.replayed ? VIEW_NEWS_RAISE_WAITS : VIEW_NEWS_RAISED, to->link_no);
	view_call_done(call);
}

/* Whatever is lower than it was is so at once, whatever else is asked. more: a raise follows. */
static void
lower_limit(struct txn *t, struct account *a, struct call *call, struct owner_view *v, const struct limit *less, bool more,
    txn_fn *again)
{
	static struct decision d;
	static const struct id none;
	struct hash content;
	struct asked asked;

	call_asked(call, &asked);
	limits_content(call->engine, v->service, &a->key, less, &content);
	decide_limit(&asked, a, less, &none, &content, &d);
	if (d.outcome == OUTCOME_PERMIT)
		txn_narrows(t);
	txn_decision(t, a, &d, NULL);
	if (d.outcome == OUTCOME_PERMIT && d.events_n > 0 && more) {
		txn_then(t, call, again);
		return;
	}
	if (d.outcome != OUTCOME_PERMIT)
		tell_denied(v, less->link_no, &d);
	else
		tell(v, VIEW_NEWS_LOWERED, less->link_no);
	view_call_done(call);
}

static void
limit_txn(struct txn *t, struct account *a, struct call *call)
{
	const struct view_limit *l = CALL_MEMORY_AS(struct view_limit, call);
	struct owner_view *v = view_call_here(call, a);
	struct limit own, to, less;
	uint32_t link_no;

	if (v == NULL || !limit_where(call, a, &link_no))
		return;
	own = limits_own(a, link_no, l->currency_no, call->engine->now.wall_ms > a->time_ms ?
	    call->engine->now.wall_ms : a->time_ms);
	to = less = own;
	to.per_payment_minor = l->minor[0];
	to.per_day_minor = l->minor[1];
	to.per_month_minor = l->minor[2];
	less.per_payment_minor = smaller(own.per_payment_minor, to.per_payment_minor);
	less.per_day_minor = smaller(own.per_day_minor, to.per_day_minor);
	less.per_month_minor = smaller(own.per_month_minor, to.per_month_minor);
	if (!same_sums(&less, &own)) {
		lower_limit(t, a, call, v, &less, !same_sums(&to, &less), limit_txn);
	} else if (!same_sums(&to, &own)) {
		raise_limit(t, a, call, v, &to, limit_txn);
	} else {
		tell(v, VIEW_NEWS_UNCHANGED, link_no);
		view_call_done(call);
	}
}

void
internal_view_limit(struct call *call)
{
	static const char *const names[3] = {"per_payment", "per_day", "per_month"};
	const struct policy *p = call->engine->rules->policy;
	struct view_limit *l = CALL_MEMORY_AS(struct view_limit, call);

	if (!view_call_bind(call, limit_fields, sizeof(*l)))
		return;
	const struct view texts[3] = {l->per_payment, l->per_day, l->per_month};

	l->currency_no = currency_find(l->currency);
	if (l->currency_no == CURRENCY_NONE || policy_limit(p->limits, p->limits_n, l->currency_no) == NULL) {
		call_invalid(call, "currency", "is not one that can be paid in");
		return;
	}
	for (int i = 0; i < 3; i++) {
		l->minor[i] = -1;
		if (texts[i].data != NULL && money_parse(texts[i], l->currency_no, &l->minor[i]) != CS_OK) {
			call_invalid(call, names[i], "must be a decimal string with at most the currency's digits");
			return;
		}
	}
	view_call_run(call, limit_txn);
}

/* --- taking an ID's power away --- */

static const struct json_field link_fields[] = {
	VIEW_CALL_FIELDS,
	{"link", JSON_F_STRING, true, offsetof(struct view_call, link_text), 0, 0},
	{0},
};

static void
unlink_txn(struct txn *t, struct account *a, struct call *call)
{
	struct owner_view *v = view_call_here(call, a);
	const struct link *l = v == NULL ? NULL : view_call_link(call, a);
	uint32_t no;

	if (l == NULL)
		return;
	no = l->no;
	link_narrow(t, a, call, l, LINK_REVOKED, view_of(NULL, 0));
	tell(v, VIEW_NEWS_UNLINKED, no);
	view_call_done(call);
}

void
internal_view_unlink(struct call *call)
{
	if (view_call_bind(call, link_fields, sizeof(struct view_call)))
		view_call_run(call, unlink_txn);
}

static bool
frozen_by_user(const struct account *a, uint32_t link_no)
{
	for (size_t i = 0; i < a->freezes_n; i++) {
		if (a->freezes[i].link_no == link_no && a->freezes[i].author == AUTHOR_USER)
			return true;
	}
	return false;
}

static void
not_me_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	struct owner_view *v = view_call_here(call, a);
	const struct link *l = v == NULL ? NULL : view_call_link(call, a);
	struct stopped stopped;
	struct asked asked;

	if (l == NULL)
		return;
	stopped_count(a, l->no, call->engine->now.wall_ms, &stopped);
	/* Said twice, it is heard once. */
	if (!frozen_by_user(a, l->no) || stopped_any(&stopped)) {
		v->stopped = stopped;
		call_asked(call, &asked);
		decide_not_me(&asked, a, l->no, &d);
		txn_narrows(t);
		txn_decision(t, a, &d, NULL);
	}
	tell(v, VIEW_NEWS_STOPPED, stopped.link_no);
	view_call_done(call);
}

void
internal_view_not_me(struct call *call)
{
	if (view_call_bind(call, link_fields, sizeof(struct view_call)))
		view_call_run(call, not_me_txn);
}

struct view_revoke {
	struct view_call of;
	struct view allowance_text;
	struct id allowance;
};

static void
revoke_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	const struct view_revoke *r = CALL_MEMORY_AS(struct view_revoke, call);
	struct owner_view *v = view_call_here(call, a);
	const struct allowance *m;
	struct asked asked;
	uint32_t link_no;

	if (v == NULL)
		return;
	m = account_allowance(a, &r->allowance);
	if (m == NULL) {
		call_not_found(call, "allowance");
		return;
	}
	link_no = m->link_no;
	call_asked(call, &asked);
	decide_allowance_revoke(&asked, a, m->no, &d);
	if (d.events_n > 0)
		txn_narrows(t);
	txn_decision(t, a, &d, NULL);
	tell(v, VIEW_NEWS_REVOKED, link_no);
	view_call_done(call);
}

void
internal_view_revoke(struct call *call)
{
	static const struct json_field fields[] = {
		VIEW_CALL_FIELDS,
		{"allowance", JSON_F_STRING, true, offsetof(struct view_revoke, allowance_text), 0, 0},
		{0},
	};
	struct view_revoke *r = CALL_MEMORY_AS(struct view_revoke, call);
	struct id key;

	if (!view_call_bind(call, fields, sizeof(*r)) ||
	    !call_id(call, ID_ALLOWANCE, r->allowance_text, "allowance", &key, &r->allowance))
		return;
	if (id_equal(&key, &r->of.key))
		view_call_run(call, revoke_txn);
	else
		call_not_found(call, "allowance");
}

/* --- getting it back --- */

static bool
account_resume(struct txn *t, struct account *a, struct call *call, txn_fn *again, struct decision *d)
{
	static struct texts card, own;
	struct view parts[] = {VIEW("thaw"), VIEW("account"),
	    view_of(&call->caller.service, sizeof(call->caller.service)), view_of(a->key.b, sizeof(a->key.b))};
	const struct id any = {{0}};
	struct hash content;
	struct asked asked;

	if (risk_wait_operation(a, call, OP_THAW, 0, again))
		return false;
	call_asked(call, &asked);
	keyring_digest(call->engine->keys, DIGEST_CONTENT, parts, sizeof(parts) / sizeof(parts[0]), &content);
	decide_thaw(&asked, a, 0, AUTHOR_USER, &any, &content, d);
	texts_init(&card);
	card.of[TEXT_ACCOUNT] = things_account(call->engine->keys, a, txn_cold(t), &own);
	if (d->outcome == OUTCOME_PERMIT)
		txn_decision(t, a, d, NULL);
	else
		stepup_open(t, a, call, d, &card);
	notify_operation(t, a, call, OP_THAW, d);
	return true;
}

/* Decided on the link (0: the account); false: later. */
static bool
resume(struct txn *t, struct account *a, struct call *call, uint32_t link_no, txn_fn *again, struct decision *d)
{
	const struct link *l = account_link_by_no(a, link_no);

	if (link_no == 0)
		return account_resume(t, a, call, again, d);
	/* It may have been unlinked while its owner confirmed. */
	if (l == NULL || l->state == LINK_REVOKED || l->state == LINK_PROPOSED) {
		*d = (struct decision){.outcome = OUTCOME_DENY, .reason = REASON_LINK_REVOKED};
		return true;
	}
	return link_resume(t, a, call, l, view_of(NULL, 0), again, d);
}

static void
resume_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	const struct view_call *c = CALL_MEMORY_AS(struct view_call, call);
	struct owner_view *v = view_call_here(call, a);
	const struct link *l = NULL;
	uint32_t no;

	if (v == NULL || (c->link_text.data != NULL && (l = view_call_link(call, a)) == NULL))
		return;
	no = l == NULL ? 0 : l->no;
	if (!resume(t, a, call, no, resume_txn, &d))
		return;
	if (d.outcome == OUTCOME_STEP_UP) {
		view_wait(v, OP_THAW, no)->challenge = d.id;
		reply_challenge(call, v, a, challenge_of(a, &d));
		return;
	}
	if (d.outcome == OUTCOME_PERMIT)
		tell(v, VIEW_NEWS_RESUMED, no);
	else
		tell_denied(v, no, &d);
	view_call_done(call);
}

void
internal_view_resume(struct call *call)
{
	static const struct json_field fields[] = {
		VIEW_CALL_FIELDS,
		{"link", JSON_F_STRING, false, offsetof(struct view_call, link_text), 0, 0},
		{0},
	};

	if (view_call_bind(call, fields, sizeof(struct view_call)))
		view_call_run(call, resume_txn);
}

/* --- what was countersigned meanwhile --- */

/* *d is what became of it; false: later. */
static bool
redeem(struct txn *t, struct account *a, struct call *call, const struct owner_view *v, const struct view_pending *p,
    txn_fn *again, struct decision *d)
{
	struct asked asked;
	struct hash content;

	if (p->op == OP_THAW)
		return resume(t, a, call, p->link_no, again, d);
	if (risk_wait_operation(a, call, OP_LIMIT, p->link_no, again))
		return false;
	call_asked(call, &asked);
	limits_content(call->engine, v->service, &a->key, &p->to, &content);
	decide_limit(&asked, a, &p->to, &p->challenge, &content, d);
	txn_decision(t, a, d, NULL);
	notify_operation(t, a, call, OP_LIMIT, d);
	return true;
}

static enum view_news
carried_out(const struct account *a, const struct view_pending *p, int64_t now_ms)
{
	if (p->op == OP_THAW)
		return VIEW_NEWS_RESUMED;
	for (size_t i = 0; i < a->limits_n; i++) {
		if (a->limits[i].link_no == p->link_no && a->limits[i].currency == p->to.currency &&
		    a->limits[i].effective_ms > now_ms)
			return VIEW_NEWS_RAISE_WAITS;
	}
	return VIEW_NEWS_RAISED;
}

bool
view_redeem(struct txn *t, struct account *a, struct call *call, struct owner_view *v, txn_fn *again)
{
	static struct decision d;

	for (size_t i = 0; i < VIEW_PENDING_MAX; i++) {
		struct view_pending *p = &v->pending[i];
		const struct challenge *c = p->op == OP_NONE ? NULL : account_challenge(a, &p->challenge);

		if (c != NULL && c->state == CHALLENGE_OPEN && stepup_open_now(call->engine, a, c))
			continue;
		if (c != NULL && c->state == CHALLENGE_USED) {
			/* By the call before this one, or by the service, which may ask for the same. */
			tell(v, carried_out(a, p, call->engine->now.wall_ms), p->link_no);
		} else if (c != NULL && c->state == CHALLENGE_DONE) {
			if (!redeem(t, a, call, v, p, again, &d))
				return false;
			if (d.outcome == OUTCOME_PERMIT && d.events_n > 0) {
				txn_then(t, call, again);
				return false;
			}
			if (d.outcome == OUTCOME_DENY)
				tell_denied(v, p->link_no, &d);
		}
		p->op = OP_NONE;
	}
	return true;
}
