/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admin.Explain: what would be decided, rule by rule, by the very function that decides. It works on a copy of the
 * account. Where nobody is signed in, a session of the link is supposed and the answer says so.
 */
#include "broker/base/secret.h"
#include "broker/core/money.h"
#include "broker/engine/answer.h"
#include "broker/engine/api.h"
#include "broker/engine/risk.h"
#include "broker/engine/spend_request.h"
#include "broker/engine/steps.h"
#include "broker/engine/txn.h"

struct explain {
	/* as bound */
	struct view account, service, session, link, operation;
	uint32_t payment, payee;
	struct view amount, currency;
	struct spend_words words;
	/* as understood */
	uint64_t tag;
	struct id key, link_id, session_id;
	enum op op;
	struct request request;
};

#define FIELD(member, name, kind, need, high) \
	{name, kind, need, offsetof(struct explain, member), (high) > 0 ? 1 : 0, high}

static const struct json_field explain_fields[] = {
	FIELD(account, "account", JSON_F_ID, true, OUTSIDE_ID_MAX),
	FIELD(service, "service", JSON_F_ID, true, CONFIG_NAME_MAX),
	FIELD(session, "session", JSON_F_STRING, false, 0),
	FIELD(link, "link", JSON_F_STRING, false, 0),
	FIELD(operation, "operation", JSON_F_STRING, false, 0),
	FIELD(payment, "payment", JSON_F_OBJECT, true, 0),
	{0},
};

static const struct json_field payment_fields[] = {
	FIELD(words.payment_id, "id", JSON_F_ID, true, OUTSIDE_ID_MAX),
	FIELD(amount, "amount", JSON_F_STRING, true, 0),
	FIELD(currency, "currency", JSON_F_STRING, true, 0),
	FIELD(payee, "payee", JSON_F_OBJECT, true, 0),
	{0},
};

static const struct json_field payee_fields[] = {
	FIELD(words.payee_id, "id", JSON_F_ID, true, OUTSIDE_ID_MAX),
	FIELD(words.payee_name, "name", JSON_F_ID, false, OUTSIDE_NAME_MAX),
	{0},
};

static bool
bind_inner(struct call *call, uint32_t object, const struct json_field *fields, const char *name, struct explain *x)
{
	struct json_problem problem = {0};

	if (json_bind(&call->doc, object, fields, false, x, &problem) == CS_OK)
		return true;
	call_invalid(call, problem.field != NULL ? problem.field : name, problem.reason);
	return false;
}

static bool
read_payment(struct call *call, struct explain *x)
{
	struct request *r = &x->request;

	r->currency = currency_find(x->currency);
	if (r->currency == CURRENCY_NONE) {
		call_invalid(call, "payment.currency", "is not an ISO 4217 code that can be paid in, such as CNY");
		return false;
	}
	if (money_parse(x->amount, r->currency, &r->amount_minor) != CS_OK || r->amount_minor == 0) {
		call_invalid(call, "payment.amount",
		    "must be a decimal string above zero with at most the currency's digits, such as \"20.00\"");
		return false;
	}
	spend_request_digests(call->engine->keys, x->tag, &x->key, &x->words, r);
	return true;
}

/* A session or link of another account is no part of this question. */
static bool
read_ids(struct call *call, struct explain *x)
{
	struct id account;

	if (x->session.data != NULL) {
		if (!call_id(call, ID_SESSION, x->session, "session", &account, &x->session_id))
			return false;
		if (!id_equal(&account, &x->key)) {
			call_not_found(call, "session");
			return false;
		}
	}
	if (x->link.data != NULL) {
		if (!call_id(call, ID_LINK, x->link, "link", &account, &x->link_id))
			return false;
		if (!id_equal(&account, &x->key)) {
			call_not_found(call, "link");
			return false;
		}
	}
	return true;
}

static bool
read_question(struct call *call, struct explain *x)
{
	if (!call_bind(call, explain_fields, x, sizeof(*x)) ||
	    !bind_inner(call, x->payment, payment_fields, "payment", x) ||
	    !bind_inner(call, x->payee, payee_fields, "payment.payee", x))
		return false;
	x->tag = name_tag(x->service);
	if (ruleset_service(call->engine->rules, x->tag) == NULL) {
		call_not_found(call, "service");
		return false;
	}
	x->op = x->operation.data == NULL ? OP_SPEND : op_find(x->operation);
	if (x->op == OP_NONE) {
		call_invalid(call, "operation", "must be spend, link, factor, grant, limit, thaw or recover");
		return false;
	}
	x->key = account_key_of(call->engine, x->account);
	return read_ids(call, x) && read_payment(call, x);
}

/* The link that the question is about: the one named, the session's, or the one that was usable longest. */
static const struct link *
choose_link(const struct account *a, const struct explain *x)
{
	const struct link *l = NULL;

	if (!id_zero(&x->link_id))
		return account_link(a, &x->link_id);
	for (size_t i = 0; i < a->links_n; i++) {
		const struct link *other = &a->links[i];

		if (other->state == LINK_ACTIVE && (l == NULL || other->usable_ms < l->usable_ms))
			l = other;
	}
	return l;
}

static const struct session *
newest_session(const struct account *a, const struct explain *x, const struct link *l)
{
	const struct session *found = NULL;

	for (size_t i = 0; i < a->sessions_n; i++) {
		const struct session *s = &a->sessions[i];

		if (s->service == x->tag && (id_zero(&x->link_id) || (l != NULL && s->link_no == l->no)) &&
		    (found == NULL || s->used_ms > found->used_ms))
			found = s;
	}
	return found;
}

/* A session that is opened now, in the copy. A full account loses its first for it, as it would in earnest. */
static void
suppose_session(struct account *a, const struct explain *x, const struct link *l, int64_t now_ms, struct id *id)
{
	struct session *s = a->sessions_n < ACCOUNT_SESSIONS_MAX ? &a->sessions[a->sessions_n++] : &a->sessions[0];

	secret_random(id->b, sizeof(id->b));
	*s = (struct session){.id = *id, .service = x->tag, .link_no = l->no, .opened_ms = now_ms, .used_ms = now_ms,
	    .auth_ms = now_ms};
}

/* A proposed allowance over this payment, in the copy: what a grant is asked for. 0: there is no room for one. */
static uint32_t
suppose_grant(struct account *a, const struct explain *x, const struct link *l, int64_t now_ms)
{
	struct allowance *w = &a->allowances[a->allowances_n];
	int64_t amount = x->request.amount_minor;

	if (l == NULL || a->allowances_n == ACCOUNT_ALLOWANCES_MAX)
		return 0;
	a->allowances_n++;
	*w = (struct allowance){.service = x->tag, .no = a->next_no++, .link_no = l->no, .currency = x->request.currency,
	    .kind = ALLOWANCE_SESSION, .state = ALLOWANCE_PROPOSED, .per_payment_minor = amount, .per_day_minor = amount,
	    .total_minor = amount, .granted_ms = now_ms, .expires_ms = now_ms + DAY_MS};
	secret_random(w->id.b, sizeof(w->id.b));
	return w->no;
}

/* Completes the request: in which session, through which link. *supposed: there was no session to ask in. */
static const struct link *
choose(struct account *a, struct explain *x, int64_t now_ms, bool *supposed)
{
	struct request *r = &x->request;
	const struct link *l = choose_link(a, x);
	const struct session *s = newest_session(a, x, l);

	*supposed = id_zero(&x->session_id) && s == NULL && l != NULL;
	if (!id_zero(&x->session_id))
		r->session = x->session_id;
	else if (s != NULL)
		r->session = s->id;
	else if (l != NULL)
		suppose_session(a, x, l, now_ms, &r->session);
	s = account_session(a, &r->session);
	if (s != NULL)
		l = account_link_by_no(a, s->link_no);
	r->op = x->op;
	r->dry = true;
	if (x->op == OP_SPEND)
		return l;
	r->link_no = r->target_no = l == NULL ? 0 : l->no;
	if (x->op == OP_GRANT) {
		r->link_no = 0;
		r->target_no = suppose_grant(a, x, l, now_ms);
	}
	/* An operation of the account moves no money. */
	r->payment = r->payee = (struct id){{0}};
	r->amount_minor = 0;
	r->currency = CURRENCY_NONE;
	return l;
}

static void
explain_txn(struct txn *t, struct account *now, struct call *call)
{
	static struct account a;
	static struct decision d;
	static struct decision_trace trace;
	const struct config *config = call->engine->rules->config;
	struct explain *x = CALL_MEMORY_AS(struct explain, call);
	const struct config_service *service;
	const struct link *l;
	struct steps_stack stack;
	struct risk_question risk;
	struct asked asked;
	struct json_writer w;
	bool supposed;

	(void)t;
	a = *now;
	if (a.status == ACCOUNT_NONE || (!id_zero(&x->link_id) && account_link(&a, &x->link_id) == NULL)) {
		call_not_found(call, a.status == ACCOUNT_NONE ? "account" : "link");
		return;
	}
	risk = (struct risk_question){.service = x->tag, .session = &x->session_id, .currency = x->request.currency,
	    .amount_minor = x->request.amount_minor, .payee = x->words.payee_id};
	l = choose_link(&a, x);
	risk.link_no = l == NULL ? 0 : l->no;
	if (risk_wait(&a, call, x->op, &risk, explain_txn))
		return;
	service = ruleset_service(call->engine->rules, x->tag);
	if (service == NULL) {
		/* Removed from the configuration while this waited. */
		call_not_found(call, "service");
		return;
	}
	call_asked(call, &asked);
	asked.service = x->tag;
	asked.door = service->doors;
	asked.trace = &trace;
	trace.n = 0;
	l = choose(&a, x, asked.now_ms, &supposed);
	stack = (struct steps_stack){config, &config->stacks[service->stack_index], x->op, false};
	decide(&asked, &a, &x->request, &d);

	w = call_reply(call);
	answer_outcome(&w, &d);
	json_key(&w, VIEW("steps"));
	json_array_begin(&w);
	if (supposed)
		step_write(&w, VIEW("session"), "supposed", "the service has none for this account");
	steps_write(&w, &trace, &stack);
	steps_factors(&w, call->engine->rules, &asked, &a, l == NULL ? 0 : l->provider);
	json_array_end(&w);
	json_key(&w, VIEW("mend"));
	json_array_begin(&w);
	steps_mend(&w, &asked, &a, &x->request, &d);
	json_array_end(&w);
	if (d.notes != 0)
		answer_notes(&w, d.notes);
	call_end(call, &w);
}

void
admin_explain(struct call *call)
{
	struct explain *x = CALL_MEMORY_AS(struct explain, call);

	if (read_question(call, x))
		txn_run(call->engine, &x->key, call, explain_txn);
}
