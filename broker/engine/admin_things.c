/* SPDX-License-Identifier: Apache-2.0 */
/* org.countersign.Admin: one account, one link, one factor, with all that the broker knows of them but their secrets. */
#include "broker/core/money.h"
#include "broker/engine/answer.h"
#include "broker/engine/api.h"
#include "broker/engine/evidence.h"
#include "broker/engine/lookup.h"
#include "broker/engine/things.h"
#include "broker/engine/txn.h"

enum { REPLY_ROOM = 4096 }; /* of a message: kept for what ends an account's answer */

struct asked_thing {
	struct view name;
	struct id account, id;
};

/* One answer in the making. */
struct showing {
	struct json_writer *w;
	const struct call *call;
	const struct engine *e;
	const struct account *a;
	struct view cold;
	bool cut;                 /* a list did not fit into the message */
};

static void
put_text(struct showing *s, const char *name, const struct texts *t, enum text_kind kind)
{
	json_member_str(s->w, name, t->of[kind]);
}

static void
begin_list(struct showing *s, const char *name)
{
	json_key(s->w, view_str(name));
	json_array_begin(s->w);
}

static bool
room(struct showing *s)
{
	if (s->w->out->len - s->call->start + REPLY_ROOM < VARLINK_MESSAGE_MAX)
		return true;
	s->cut = true;
	return false;
}

/* "frozen": who froze it, where anyone did. Of a link also what was frozen with the whole account. */
static void
put_frozen(struct showing *s, uint32_t link_no)
{
	const struct freeze *first = NULL;

	for (size_t i = 0; i < s->a->freezes_n; i++) {
		const struct freeze *f = &s->a->freezes[i];

		if (f->link_no == link_no && (first == NULL || f->author > first->author))
			first = f;
	}
	if (first == NULL)
		return;
	json_member_str(s->w, "frozen", view_str(author_name((enum author)first->author)));
	answer_time(s->w, "frozen_since", first->since_ms);
}

static void
put_bound(struct json_writer *w, const char *name, int64_t minor, uint16_t currency)
{
	if (minor >= 0)
		answer_amount(w, name, minor, currency);
}

static void
put_limits(struct showing *s, uint32_t link_no)
{
	begin_list(s, "limits");
	for (size_t i = 0; i < s->a->limits_n; i++) {
		const struct limit *l = &s->a->limits[i];

		/* What a raise has taken the place of is over. */
		if (l->link_no != link_no || (l->effective_ms == 0 && !account_limit_binds(s->a, l, s->e->now.wall_ms)))
			continue;
		json_object_begin(s->w);
		answer_currency(s->w, "currency", l->currency);
		json_member_str(s->w, "author", view_str(author_name((enum author)l->author)));
		put_bound(s->w, "per_payment", l->per_payment_minor, l->currency);
		put_bound(s->w, "per_day", l->per_day_minor, l->currency);
		put_bound(s->w, "per_month", l->per_month_minor, l->currency);
		if (l->count_day >= 0)
			json_member_int(s->w, "count_day", l->count_day);
		if (l->count_month >= 0)
			json_member_int(s->w, "count_month", l->count_month);
		if (l->effective_ms > s->e->now.wall_ms)
			answer_time(s->w, "effective_at", l->effective_ms);
		json_object_end(s->w);
	}
	json_array_end(s->w);
}

/* What was spent in the running windows; subject NULL: by the whole account. */
static void
put_spent(struct showing *s, const struct id *subject)
{
	static const struct id whole;
	const struct policy *p = s->e->rules->policy;
	int32_t day = window_day(p, s->e->now.wall_ms), month = window_month(p, s->e->now.wall_ms);

	begin_list(s, "spent");
	for (size_t i = 0; i < s->a->counters_n; i++) {
		const struct counter *c = &s->a->counters[i];

		if (!id_equal(&c->subject, subject == NULL ? &whole : subject) || c->month != month || c->kind != COUNTER_DAYS ||
		    c->of != COUNTER_OF_SUBJECT || !room(s))
			continue;
		json_object_begin(s->w);
		if (c->currency != CURRENCY_NONE) {
			answer_currency(s->w, "currency", c->currency);
			answer_amount(s->w, "day", c->day == day ? c->day_minor : 0, c->currency);
			answer_amount(s->w, "month", c->month_minor, c->currency);
		} else {
			json_member_int(s->w, "count_day", c->day == day ? c->day_count : 0);
			json_member_int(s->w, "count_month", c->month_count);
		}
		json_object_end(s->w);
	}
	json_array_end(s->w);
}

/* The provider has another issuer since: nobody signs in through this link any more. */
static void
put_stranded(struct showing *s, const struct link *l, const struct texts *t)
{
	const char *issuer = provider_issuer(s->e, ruleset_provider_name(s->e->rules, l->provider));

	if (issuer != NULL && t->of[TEXT_ISSUER].len > 0 && !view_equal(t->of[TEXT_ISSUER], view_str(issuer)))
		json_member_str(s->w, "issuer_now", view_str(issuer));
}

static void
put_link(struct showing *s, const struct link *l)
{
	struct texts t;

	answer_id(s->w, "id", ID_LINK, s->a, &l->id);
	json_member_int(s->w, "no", l->no);
	json_member_str(s->w, "provider", view_str(ruleset_provider_name(s->e->rules, l->provider)));
	json_member_str(s->w, "state", view_str(link_state_name(s->e, l)));
	put_frozen(s, l->no);
	answer_time(s->w, "since", l->since_ms);
	answer_time(s->w, "usable_from", l->usable_ms);
	if (l->sessions_since_ms > 0)
		answer_time(s->w, "sessions_since", l->sessions_since_ms);
	if (texts_from_cold(s->e->keys, s->a, s->cold, &l->id, &t) == CS_OK) {
		put_text(s, "issuer", &t, TEXT_ISSUER);
		put_text(s, "subject", &t, TEXT_SUBJECT);
		put_text(s, "display", &t, TEXT_DISPLAY);
		put_text(s, "was_issuer", &t, TEXT_WAS_ISSUER);
		put_text(s, "was_subject", &t, TEXT_WAS_SUBJECT);
		put_stranded(s, l, &t);
	}
	if (room(s))
		answer_evidence(s->w, s->e, s->a, s->cold, l);
}

static const char *
state_of_factor(const struct showing *s, const struct factor *f)
{
	if (factor_gone(s->a, f, s->e->now.wall_ms))
		return "removed";
	if (f->locked_until_ms > s->e->now.wall_ms)
		return "locked";
	return f->usable_ms > s->e->now.wall_ms ? "cooling_off" : "active";
}

/* Ids of the factors with these serials; of those that the account still has. */
static void
put_factor_ids(struct showing *s, const char *name, const uint32_t nos[CHALLENGE_FACTORS_MAX])
{
	begin_list(s, name);
	for (size_t i = 0; i < CHALLENGE_FACTORS_MAX; i++) {
		const struct factor *f = account_factor_by_no(s->a, nos[i]);
		struct id_text t;

		if (f == NULL)
			continue;
		t = id_format(ID_FACTOR, &s->a->key, &f->id);
		json_put_str(s->w, id_view(&t));
	}
	json_array_end(s->w);
}

static void
put_factor(struct showing *s, const struct factor *f)
{
	struct texts t;

	answer_id(s->w, "id", ID_FACTOR, s->a, &f->id);
	json_member_int(s->w, "no", f->no);
	json_member_str(s->w, "kind", view_str(factor_kind_name((enum factor_kind)f->kind)));
	if (texts_from_cold(s->e->keys, s->a, s->cold, &f->id, &t) == CS_OK)
		put_text(s, "label", &t, TEXT_LABEL);
	json_member_str(s->w, "state", view_str(state_of_factor(s, f)));
	answer_time(s->w, "since", f->since_ms);
	answer_time(s->w, "usable_from", f->usable_ms);
	json_member_bool(s->w, "first", f->first);
	if (f->failures > 0)
		json_member_int(s->w, "failures", f->failures);
	if (f->locked_until_ms > s->e->now.wall_ms)
		answer_time(s->w, "locked_until", f->locked_until_ms);
	put_factor_ids(s, "rests_on", f->rests_on);
	if (f->copies != COPIES_UNKNOWN)
		json_member_str(s->w, "copies", f->copies == COPIES_NONE ? VIEW("none") : VIEW("possible"));
	if (f->attested)
		json_member_bool(s->w, "attested", true);
	if (account_factor_by_no(s->a, f->replaces_no) != NULL)
		answer_id(s->w, "replaces", ID_FACTOR, s->a, &account_factor_by_no(s->a, f->replaces_no)->id);
}

static void
put_session(struct showing *s, const struct session *x)
{
	answer_id(s->w, "id", ID_SESSION, s->a, &x->id);
	json_member_int(s->w, "link_no", x->link_no);
	json_member_str(s->w, "service", view_str(ruleset_service_name(s->e->rules, x->service)));
	answer_time(s->w, "opened", x->opened_ms);
	answer_time(s->w, "used", x->used_ms);
	json_member_bool(s->w, "countersigned", x->countersigned);
}

static void
put_allowance(struct showing *s, const struct allowance *x)
{
	static const char *const states[] = {"proposed", "open", "revoked"};

	answer_id(s->w, "id", ID_ALLOWANCE, s->a, &x->id);
	json_member_int(s->w, "link_no", x->link_no);
	json_member_str(s->w, "service", view_str(ruleset_service_name(s->e->rules, x->service)));
	json_member_str(s->w, "kind", x->kind == ALLOWANCE_MANDATE ? VIEW("mandate") : VIEW("session"));
	json_member_str(s->w, "state", view_str(states[x->state]));
	answer_currency(s->w, "currency", x->currency);
	put_bound(s->w, "per_payment", x->per_payment_minor, x->currency);
	put_bound(s->w, "per_day", x->per_day_minor, x->currency);
	put_bound(s->w, "total", x->total_minor, x->currency);
	answer_amount(s->w, "spent", x->spent_minor, x->currency);
	answer_time(s->w, "expires_at", x->expires_ms);
	if (!room(s))
		return;
	put_factor_ids(s, "factors", x->factors);
}

static void
put_challenge(struct showing *s, const struct challenge *x)
{
	static const char *const states[CHALLENGE__STATES] = {"open", "done", "used", "refused", "void"};

	answer_id(s->w, "id", ID_CHALLENGE, s->a, &x->id);
	json_member_str(s->w, "operation", view_str(op_name((enum op)x->op)));
	json_member_str(s->w, "state", x->state == CHALLENGE_OPEN && x->expires_ms <= s->e->now.wall_ms ?
	    VIEW("expired") : view_str(states[x->state]));
	json_member_int(s->w, "link_no", x->link_no);
	json_member_str(s->w, "service", view_str(ruleset_service_name(s->e->rules, x->service)));
	answer_time(s->w, "opened", x->opened_ms);
	answer_time(s->w, "expires_at", x->expires_ms);
	if (x->wrong > 0)
		json_member_int(s->w, "wrong", x->wrong);
	answer_kinds(s->w, "kinds", s->a, x->kinds);
	json_member_int(s->w, "need", x->need);
	put_factor_ids(s, "factors", x->factors);
}

static void
put_payment(struct showing *s, const struct payment *x)
{
	static const char *const states[PAYMENT__STATES] = {"open", "captured", "released", "expired"};
	static const char *const bases[] = {"none", "countersignature", "allowance", "mandate"};

	answer_id(s->w, "id", ID_HOLD, s->a, &x->id);
	json_member_str(s->w, "state", view_str(states[x->state]));
	answer_amount(s->w, "amount", x->amount_minor, x->currency);
	answer_currency(s->w, "currency", x->currency);
	json_member_str(s->w, "service", view_str(ruleset_service_name(s->e->rules, x->service)));
	json_member_int(s->w, "link_no", x->link_no);
	json_member_str(s->w, "basis", view_str(bases[x->basis]));
	answer_time(s->w, "permitted", x->permitted_ms);
	if (x->state == PAYMENT_CAPTURED)
		answer_amount(s->w, "captured", x->captured_minor, x->currency);
	if (x->refunded_minor > 0)
		answer_amount(s->w, "refunded", x->refunded_minor, x->currency);
}

/* A list of the account's things, each an object, as far as the message holds them. */
#define PUT_LIST(s, name, array, n, put) do { \
	begin_list(s, name); \
	for (size_t i_ = 0; i_ < (n) && room(s); i_++) { \
		json_object_begin((s)->w); \
		put(s, &(array)[i_]); \
		json_object_end((s)->w); \
	} \
	json_array_end((s)->w); \
} while (0)

/* What is most needed in an incident comes first: a message that is full loses the end. */
static void
put_account(struct showing *s)
{
	static const char *const states[] = {"none", "open", "closed"};
	const struct account *a = s->a;

	json_member_str(s->w, "state", view_str(states[a->status]));
	put_frozen(s, 0);
	json_member_int(s->w, "revision", (int64_t)a->revision);
	answer_time(s->w, "changed", a->time_ms);
	PUT_LIST(s, "links", a->links, a->links_n, put_link);
	PUT_LIST(s, "factors", a->factors, a->factors_n, put_factor);
	put_limits(s, 0);
	put_spent(s, NULL);
	PUT_LIST(s, "challenges", a->challenges, a->challenges_n, put_challenge);
	PUT_LIST(s, "sessions", a->sessions, a->sessions_n, put_session);
	PUT_LIST(s, "allowances", a->allowances, a->allowances_n, put_allowance);
	PUT_LIST(s, "payments", a->payments, a->payments_n, put_payment);
	if (s->cut)
		json_member_bool(s->w, "cut", true);
}

/* --- the calls --- */

/* Begins the answer and its one object, whose first member is the realm's own id of the account. */
static struct json_writer
begin(struct call *call, struct txn *t, const struct account *a, const char *what, struct showing *s)
{
	struct json_writer w = call_reply(call);
	struct texts texts;

	*s = (struct showing){.call = call, .e = call->engine, .a = a, .cold = txn_cold(t)};
	json_key(&w, view_str(what));
	json_object_begin(&w);
	json_member_str(&w, "account", things_account(call->engine->keys, a, s->cold, &texts));
	return w;
}

static void
end(struct call *call, struct json_writer *w)
{
	json_object_end(w);
	call_end(call, w);
}

static void
account_txn(struct txn *t, struct account *a, struct call *call)
{
	struct showing s;
	struct json_writer w;

	if (a->status == ACCOUNT_NONE) {
		call_not_found(call, "account");
		return;
	}
	w = begin(call, t, a, "account", &s);
	s.w = &w;
	put_account(&s);
	end(call, &w);
}

static void
link_txn(struct txn *t, struct account *a, struct call *call)
{
	const struct link *l = account_link(a, &CALL_MEMORY_AS(struct asked_thing, call)->id);
	struct showing s;
	struct json_writer w;

	if (l == NULL) {
		call_not_found(call, "link");
		return;
	}
	w = begin(call, t, a, "link", &s);
	s.w = &w;
	put_link(&s, l);
	put_limits(&s, l->no);
	put_spent(&s, &l->subject);
	end(call, &w);
}

static void
factor_txn(struct txn *t, struct account *a, struct call *call)
{
	const struct factor *f = account_factor(a, &CALL_MEMORY_AS(struct asked_thing, call)->id);
	struct showing s;
	struct json_writer w;

	if (f == NULL) {
		call_not_found(call, "factor");
		return;
	}
	w = begin(call, t, a, "factor", &s);
	s.w = &w;
	put_factor(&s, f);
	end(call, &w);
}

static bool
bind_name(struct call *call, const char *what, struct asked_thing *x)
{
	const struct json_field fields[] = {
		{what, JSON_F_ID, true, offsetof(struct asked_thing, name), 1, OUTSIDE_ID_MAX},
		{0},
	};

	return call_bind(call, fields, x, sizeof(*x));
}

void
admin_account(struct call *call)
{
	struct asked_thing *x = CALL_MEMORY_AS(struct asked_thing, call);

	if (!bind_name(call, "account", x))
		return;
	x->account = account_key_of(call->engine, x->name);
	txn_run(call->engine, &x->account, call, account_txn);
}

void
admin_link(struct call *call)
{
	struct asked_thing *x = CALL_MEMORY_AS(struct asked_thing, call);

	if (bind_name(call, "link", x) && call_id(call, ID_LINK, x->name, "link", &x->account, &x->id))
		txn_run(call->engine, &x->account, call, link_txn);
}

void
admin_factor(struct call *call)
{
	struct asked_thing *x = CALL_MEMORY_AS(struct asked_thing, call);

	if (bind_name(call, "factor", x) && call_id(call, ID_FACTOR, x->name, "factor", &x->account, &x->id))
		txn_run(call->engine, &x->account, call, factor_txn);
}
