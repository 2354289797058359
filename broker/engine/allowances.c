/* SPDX-License-Identifier: Apache-2.0 */
/* org.countersign.Allowances: bounded standing permissions that one countersignature creates. */
#include <stdio.h>

#include "broker/base/check.h"
#include "broker/core/money.h"
#include "broker/engine/api.h"
#include "broker/engine/listing.h"
#include "broker/engine/notify.h"
#include "broker/engine/risk.h"
#include "broker/engine/stepup.h"
#include "broker/engine/things.h"

/* In the call's memory while one is asked for. */
struct granting {
	/* as bound */
	struct view session, kind, payee, currency, per_payment, per_day, total, expires_at, return_url;
	/* as understood */
	struct id key;
	struct grant grant;
	struct hash content;
};

#define GRANT(member, type, need, high) {#member, type, need, offsetof(struct granting, member), (high) > 0 ? 1 : 0, high}

static const struct json_field grant_fields[] = {
	GRANT(session, JSON_F_STRING, true, 0),
	GRANT(kind, JSON_F_STRING, true, 0),
	GRANT(payee, JSON_F_ID, true, OUTSIDE_ID_MAX),
	GRANT(currency, JSON_F_STRING, true, 0),
	GRANT(per_payment, JSON_F_STRING, true, 0),
	GRANT(per_day, JSON_F_STRING, true, 0),
	GRANT(total, JSON_F_STRING, true, 0),
	GRANT(expires_at, JSON_F_STRING, true, 0),
	GRANT(return_url, JSON_F_ID, false, 1024),
	{0},
};

static bool
invalid(struct call *call, const char *field, const char *reason)
{
	call_invalid(call, field, reason);
	return false;
}

static bool
read_amount(struct call *call, struct view text, uint16_t currency, const char *field, int64_t *minor)
{
	if (money_parse(text, currency, minor) == CS_OK && *minor > 0)
		return true;
	return invalid(call, field, "must be a decimal string above zero with at most the currency's digits");
}

static bool
read_amounts(struct call *call, struct granting *s)
{
	struct grant *g = &s->grant;

	g->currency = currency_find(s->currency);
	if (g->currency == CURRENCY_NONE)
		return invalid(call, "currency", "is not an ISO 4217 code that can be paid in, such as CNY");
	if (!read_amount(call, s->per_payment, g->currency, "per_payment", &g->per_payment_minor) ||
	    !read_amount(call, s->per_day, g->currency, "per_day", &g->per_day_minor) ||
	    !read_amount(call, s->total, g->currency, "total", &g->total_minor))
		return false;
	if (g->per_day_minor < g->per_payment_minor)
		return invalid(call, "per_day", "must be at least per_payment");
	if (g->total_minor < g->per_payment_minor)
		return invalid(call, "total", "must be at least per_payment");
	return true;
}

static bool
read_terms(struct call *call, struct granting *s)
{
	const struct engine *e = call->engine;
	struct grant *g = &s->grant;
	bool any = view_equal(s->payee, VIEW("*"));

	if (!view_equal(s->kind, VIEW("allowance")) && !view_equal(s->kind, VIEW("mandate")))
		return invalid(call, "kind", "must be allowance or mandate");
	g->kind = view_equal(s->kind, VIEW("mandate")) ? ALLOWANCE_MANDATE : ALLOWANCE_SESSION;
	if (g->kind == ALLOWANCE_MANDATE && any)
		return invalid(call, "payee", "a mandate names its one payee");
	if (!any)
		g->payee = keyring_id(e->keys, DIGEST_PAYEE, &s->payee, 1);
	g->expires_ms = clock_parse(s->expires_at.data, s->expires_at.len);
	if (g->expires_ms <= e->now.wall_ms || g->expires_ms - e->now.wall_ms > e->rules->policy->allowance_max_ms)
		return invalid(call, "expires_at", "must be a time in UTC (2026-12-31T00:00:00Z), at most 90 days ahead");
	if (!return_url_known(call, s->return_url))
		return invalid(call, "return_url", "is not one of the service's configured return URLs");
	return true;
}

/* All terms, for all of them are on the card. */
static void
grant_content(struct call *call, struct granting *s)
{
	const struct grant *g = &s->grant;
	const int64_t numbers[] = {g->kind, g->currency, g->per_payment_minor, g->per_day_minor, g->total_minor,
	    g->expires_ms};
	struct view parts[] = {VIEW("grant"), view_of(&call->caller.service, sizeof(call->caller.service)),
	    view_of(s->key.b, sizeof(s->key.b)), s->payee, view_of(numbers, sizeof(numbers))};

	keyring_digest(call->engine->keys, DIGEST_CONTENT, parts, 5, &s->content);
}

static size_t
money_text(int64_t minor, uint16_t currency, char to[MONEY_TEXT_MAX + 4])
{
	size_t len = money_format(minor, currency, to);

	to[len++] = ' ';
	memcpy(to + len, currency_get(currency)->code, 3);
	return len + 3;
}

static void
grant_texts(const struct granting *s, struct texts *t)
{
	texts_init(t);
	t->of[TEXT_PAYEE_ID] = s->payee;
}

/* The proposal with its payee; the proposal that gives its place takes its own with it. */
static void
propose(struct txn *t, struct account *a, struct call *call, struct decision *d)
{
	static struct extra extra;
	struct granting *s = CALL_MEMORY_AS(struct granting, call);
	struct texts texts;

	extra_init(&extra);
	grant_texts(s, &texts);
	texts_to_event(call->engine->keys, a, &texts, &extra);
	for (size_t i = 0; a->allowances_n == ACCOUNT_ALLOWANCES_MAX && i < a->allowances_n; i++) {
		const struct allowance *w = &a->allowances[i];

		if (w->state != ALLOWANCE_OPEN || w->expires_ms <= d->events[0].time_ms) {
			extra_drop(&extra, &w->id);
			break;
		}
	}
	texts_to_cold(call->engine->keys, a, &texts, &d->id, &extra);
	txn_decision(t, a, d, &extra);
}

static void
grant_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	static struct texts card;
	struct granting *s = CALL_MEMORY_AS(struct granting, call);
	const struct session *session = account_session(a, &s->grant.session);
	struct request r = {.op = OP_GRANT, .session = s->grant.session, .content = s->content,
	    .currency = s->grant.currency, .amount_minor = s->grant.total_minor, .payee = s->grant.payee};
	char worst[MONEY_TEXT_MAX + 4];
	const struct risk_question risk = {.service = call->caller.service, .session = &s->grant.session,
	    .currency = s->grant.currency, .amount_minor = s->grant.total_minor};
	struct asked asked;
	struct json_writer w;
	struct id made;

	if (session == NULL || session->service != call->caller.service) {
		call_not_found(call, "session");
		return;
	}
	if (risk_wait(a, call, OP_GRANT, &risk, grant_txn))
		return;
	call_asked(call, &asked);
	decide_grant(&asked, a, &s->grant, &d);
	made = d.id;
	if (d.outcome == OUTCOME_DENY) {
		txn_decision(t, a, &d, NULL);
	} else {
		propose(t, a, call, &d);
		r.target_no = d.no;
		decide(&asked, a, &r, &d);
		grant_texts(s, &card);
		card.of[TEXT_WORST_CASE] = view_of(worst, money_text(s->grant.total_minor, s->grant.currency, worst));
		card.of[TEXT_AMOUNT] = s->per_payment;
		card.of[TEXT_CURRENCY] = s->currency;
		card.of[TEXT_RETURN_URL] = s->return_url;
		stepup_open(t, a, call, &d, &card);
		notify_operation(t, a, call, OP_GRANT, &d);
	}
	w = call_reply(call);
	stepup_outcome(&w, call, a, &d, s->return_url);
	if (d.outcome == OUTCOME_STEP_UP)
		answer_id(&w, "allowance", ID_ALLOWANCE, a, &made);
	call_end(call, &w);
}

void
allowances_grant(struct call *call)
{
	struct granting *s = CALL_MEMORY_AS(struct granting, call);

	if (!call_bind(call, grant_fields, s, sizeof(*s)) || !read_amounts(call, s) || !read_terms(call, s) ||
	    !call_id(call, ID_SESSION, s->session, "session", &s->key, &s->grant.session))
		return;
	grant_content(call, s);
	txn_run(call->engine, &s->key, call, grant_txn);
}

static const char *
state_of(const struct allowance *w, int64_t now_ms)
{
	static const char *const names[] = {
		[ALLOWANCE_PROPOSED] = "proposed", [ALLOWANCE_OPEN] = "open", [ALLOWANCE_REVOKED] = "revoked",
	};

	return w->state == ALLOWANCE_OPEN && w->expires_ms <= now_ms ? "expired" : names[w->state];
}

static void
write_allowance(struct json_writer *w, struct call *call, struct txn *t, const struct account *a,
    const struct allowance *m)
{
	const struct engine *e = call->engine;
	const struct link *l = account_link_by_no(a, m->link_no);
	struct texts texts;

	(void)texts_from_cold(e->keys, a, txn_cold(t), &m->id, &texts);
	json_object_begin(w);
	answer_id(w, "id", ID_ALLOWANCE, a, &m->id);
	json_member_str(w, "kind", m->kind == ALLOWANCE_MANDATE ? VIEW("mandate") : VIEW("allowance"));
	if (l != NULL)
		answer_id(w, "link", ID_LINK, a, &l->id);
	else
		json_member_str(w, "link", VIEW(""));
	json_member_str(w, "payee", texts.of[TEXT_PAYEE_ID].data != NULL ? texts.of[TEXT_PAYEE_ID] : VIEW(""));
	answer_currency(w, "currency", m->currency);
	answer_amount(w, "per_payment", m->per_payment_minor, m->currency);
	answer_amount(w, "per_day", m->per_day_minor, m->currency);
	answer_amount(w, "total", m->total_minor, m->currency);
	answer_amount(w, "spent", m->spent_minor, m->currency);
	answer_amount(w, "spent_today", m->day == window_day(e->rules->policy, e->now.wall_ms) ? m->day_spent_minor : 0,
	    m->currency);
	answer_time(w, "expires_at", m->expires_ms);
	json_member_str(w, "state", view_str(state_of(m, e->now.wall_ms)));
	json_object_end(w);
}

struct named {
	struct view allowance;
	struct id key, id;
};

static void
write_allowances(struct json_writer *w, struct call *call, struct txn *t, const struct account *a)
{
	for (size_t i = 0; i < a->allowances_n; i++) {
		if (a->allowances[i].service == call->caller.service)
			write_allowance(w, call, t, a, &a->allowances[i]);
	}
}

void
allowances_list(struct call *call)
{
	static const struct listing what = {"allowances", write_allowances};

	listing_answer(call, &what);
}

static void
revoke_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	struct named *n = CALL_MEMORY_AS(struct named, call);
	const struct allowance *m = account_allowance(a, &n->id);
	struct asked asked;
	struct json_writer w;

	if (m == NULL || m->service != call->caller.service) {
		call_not_found(call, "allowance");
		return;
	}
	call_asked(call, &asked);
	decide_allowance_revoke(&asked, a, m->no, &d);
	if (d.events_n > 0)
		txn_narrows(t);
	txn_decision(t, a, &d, NULL);
	w = call_reply(call);
	json_key(&w, VIEW("allowance"));
	write_allowance(&w, call, t, a, account_allowance(a, &n->id));
	call_end(call, &w);
}

void
allowances_revoke(struct call *call)
{
	static const struct json_field fields[] = {
		{"allowance", JSON_F_STRING, true, offsetof(struct named, allowance), 0, 0},
		{0},
	};
	struct named *n = CALL_MEMORY_AS(struct named, call);

	if (call_bind(call, fields, n, sizeof(*n)) &&
	    call_id(call, ID_ALLOWANCE, n->allowance, "allowance", &n->key, &n->id))
		txn_run(call->engine, &n->key, call, revoke_txn);
}
