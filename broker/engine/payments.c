/* SPDX-License-Identifier: Apache-2.0 */
/* org.countersign.Payments: may this account, reached through this ID, spend this much at this payee? */
#include "broker/base/check.h"
#include "broker/base/json.h"
#include "broker/core/money.h"
#include "broker/engine/answer.h"
#include "broker/engine/api.h"
#include "broker/engine/notify.h"
#include "broker/engine/receipt.h"
#include "broker/engine/risk.h"
#include "broker/engine/spend_request.h"
#include "broker/engine/texts.h"
#include "broker/engine/things.h"
#include "broker/engine/txn.h"

struct spend {
	/* as bound */
	struct view session, allowance, account, return_url;
	uint32_t payment, context;
	bool capture, receipt, explain;
	struct view payment_id, amount, currency;
	uint32_t payee;
	struct view payee_id, payee_name;
	struct view ip, device;
	/* as understood */
	bool dry;
	struct id key;
	struct request request;
};

#define FIELD(member, name, kind, need, low, high) \
	{name, kind, need, offsetof(struct spend, member), low, high}

static const struct json_field spend_fields[] = {
	FIELD(session, "session", JSON_F_STRING, false, 0, 0),
	FIELD(allowance, "allowance", JSON_F_STRING, false, 0, 0),
	FIELD(account, "account", JSON_F_ID, false, 1, OUTSIDE_ID_MAX),
	FIELD(payment, "payment", JSON_F_OBJECT, true, 0, 0),
	FIELD(context, "context", JSON_F_OBJECT, false, 0, 0),
	FIELD(return_url, "return_url", JSON_F_ID, false, 1, 1024),
	FIELD(capture, "capture", JSON_F_BOOL, false, 0, 0),
	FIELD(receipt, "receipt", JSON_F_BOOL, false, 0, 0),
	FIELD(explain, "explain", JSON_F_BOOL, false, 0, 0),
	{0},
};

static const struct json_field payment_fields[] = {
	FIELD(payment_id, "id", JSON_F_ID, true, 1, OUTSIDE_ID_MAX),
	FIELD(amount, "amount", JSON_F_STRING, true, 0, 0),
	FIELD(currency, "currency", JSON_F_STRING, true, 0, 0),
	FIELD(payee, "payee", JSON_F_OBJECT, true, 0, 0),
	{0},
};

static const struct json_field payee_fields[] = {
	FIELD(payee_id, "id", JSON_F_ID, true, 1, OUTSIDE_ID_MAX),
	FIELD(payee_name, "name", JSON_F_ID, false, 1, OUTSIDE_NAME_MAX),
	{0},
};

static const struct json_field context_fields[] = {
	FIELD(ip, "ip", JSON_F_ID, false, 1, 64),
	FIELD(device, "device", JSON_F_ID, false, 1, 128),
	{0},
};

/* A nested object: a problem is answered with the path to the field. */
static bool
bind_inner(struct call *call, uint32_t object, const struct json_field *fields, const char *path, struct spend *s)
{
	struct json_problem problem = {0};
	char field[96];
	struct buf b = buf_over(field, sizeof(field) - 1);

	if (json_bind(&call->doc, object, fields, false, s, &problem) == CS_OK)
		return true;
	buf_put_view(&b, view_str(path));
	buf_put_u8(&b, '.');
	buf_put_view(&b, problem.field != NULL ? view_str(problem.field) : problem.member);
	field[b.len] = '\0';
	call_invalid(call, field, problem.reason);
	return false;
}

static bool
read_money(struct call *call, struct spend *s)
{
	struct request *r = &s->request;

	r->currency = currency_find(s->currency);
	if (r->currency == CURRENCY_NONE) {
		call_invalid(call, "payment.currency", "is not an ISO 4217 code that can be paid in, such as CNY");
		return false;
	}
	switch (money_parse(s->amount, r->currency, &r->amount_minor)) {
	case CS_OK:
		break;
	case CS_ERR_RANGE:
		call_invalid(call, "payment.amount", "is too large");
		return false;
	default:
		call_invalid(call, "payment.amount",
		    "must be a decimal string with at most the currency's digits, such as \"20.00\"");
		return false;
	}
	if (r->amount_minor == 0) {
		call_invalid(call, "payment.amount", "must be above zero");
		return false;
	}
	return true;
}

/* Whose account, and reached how: by a session, or by a mandate. An account that is named too must be that one. */
static bool
read_who(struct call *call, struct spend *s)
{
	struct id named;

	if (s->session.data == NULL && s->allowance.data == NULL) {
		call_invalid(call, "session", "is missing (or name a mandate in allowance)");
		return false;
	}
	if (!(s->session.data != NULL ? call_id(call, ID_SESSION, s->session, "session", &s->key, &s->request.session) :
	    call_id(call, ID_ALLOWANCE, s->allowance, "allowance", &s->key, &s->request.allowance)))
		return false;
	if (s->account.data == NULL)
		return true;
	named = account_key_of(call->engine, s->account);
	if (id_equal(&named, &s->key))
		return true;
	call_not_found(call, "account");
	return false;
}

static bool
read_spend(struct call *call, struct spend *s)
{
	struct spend_words words;

	if (!call_bind(call, spend_fields, s, sizeof(*s)) ||
	    !bind_inner(call, s->payment, payment_fields, "payment", s) ||
	    !bind_inner(call, s->payee, payee_fields, "payment.payee", s) ||
	    (s->context != 0 && !bind_inner(call, s->context, context_fields, "context", s)) ||
	    !read_money(call, s) || !read_who(call, s))
		return false;
	if (!return_url_known(call, s->return_url)) {
		call_invalid(call, "return_url", "is not one of the service's configured return URLs");
		return false;
	}
	if (s->explain && !call_needs(call, RIGHT_EXPLAIN, "explain"))
		return false;
	s->request.op = OP_SPEND;
	s->request.capture = s->capture;
	words = (struct spend_words){s->payment_id, s->payee_id, s->payee_name};
	spend_request_digests(call->engine->keys, call->caller.service, &s->key, &words, &s->request);
	return true;
}

static void
spend_texts(const struct spend *s, struct texts *t)
{
	texts_init(t);
	t->of[TEXT_PAYMENT] = s->payment_id;
	t->of[TEXT_PAYEE_ID] = s->payee_id;
	t->of[TEXT_PAYEE_NAME] = s->payee_name;
	t->of[TEXT_IP] = s->ip;
	t->of[TEXT_DEVICE] = s->device;
}

/*
 * A payment that left the ring long ago. False: the store finds it later, and fn runs again. *err: CS_OK with *found, or why
 * it cannot be told.
 */
static bool
find_old(struct txn *t, struct call *call, const struct account *a, const struct id *payment, txn_fn *fn,
    struct payment *to, bool *found, enum cs_err *err)
{
	struct view summary = txn_left(t, payment);

	*found = false;
	*err = CS_OK;
	if (!a->overflowed || account_payment(a, payment) != NULL)
		return true;
	if (summary.data == NULL && !txn_find_payment(t, call, payment, fn, &summary, err))
		return false;
	if (*err == CS_OK) {
		*err = payment_decode(summary, to);
		*found = *err == CS_OK;
	}
	if (*err == CS_ERR_NOT_FOUND)
		*err = CS_OK;
	return true;
}

static void
answer_spend(struct call *call, const struct spend *s, const struct account *a, const struct decision *d,
    const struct payment *old, const struct asked *asked)
{
	const struct payment *p = d->outcome == OUTCOME_PERMIT ? account_payment(a, &d->id) : NULL;
	struct json_writer w;

	if (d->outcome == OUTCOME_PERMIT && p == NULL)
		p = old;
	w = call_reply(call);
	answer_outcome(&w, d);
	if (p != NULL && !s->dry) {
		answer_hold(&w, a, p);
		if (d->replayed)
			json_member_bool(&w, "replayed", true);
		if (s->receipt || (!d->replayed && d->reason == REASON_COUNTERSIGNED))
			receipt_member(&w, call, a, p, s->payment_id, s->payee_id, &s->request.content);
	}
	if (d->outcome == OUTCOME_STEP_UP && !s->dry)
		answer_challenge(&w, call, a, challenge_of(a, d), s->return_url);
	else if (d->outcome == OUTCOME_STEP_UP)
		answer_kinds(&w, "factors", a, UINT8_MAX);
	answer_detail(&w, a, d);
	if (s->explain)
		answer_explain(&w, call, asked, a, &s->request, d);
	call_end(call, &w);
}

/* That the money comes through: the session's, or the mandate's. */
static const struct link *
spend_link(const struct account *a, const struct spend *s)
{
	const struct session *session = account_session(a, &s->request.session);
	const struct allowance *mandate = account_allowance(a, &s->request.allowance);

	return account_link_by_no(a, session != NULL ? session->link_no : mandate != NULL ? mandate->link_no : 0);
}

/* A payment id that was answered is answered as before: nobody's opinion counts any more. */
static bool
spend_waits(const struct account *a, struct call *call, const struct spend *s, bool old, txn_fn *fn)
{
	const struct request *r = &s->request;
	const struct link *l = spend_link(a, s);
	const struct risk_question q = {.service = call->caller.service, .session = &r->session,
	    .link_no = l == NULL ? 0 : l->no, .currency = r->currency, .amount_minor = r->amount_minor,
	    .payee = s->payee_id, .ip = s->ip, .device = s->device};

	return !old && account_payment(a, &r->payment) == NULL && risk_wait(a, call, OP_SPEND, &q, fn);
}

static void
spend_notify(struct txn *t, const struct account *a, struct call *call, const struct spend *s, const struct decision *d)
{
	const struct link *l = spend_link(a, s);
	const struct notice n = {.op = OP_SPEND, .provider = l == NULL ? 0 : l->provider, .currency = s->request.currency,
	    .amount_minor = s->request.amount_minor, .payment = s->payment_id, .payee = s->payee_id};

	notify_decision(t, a, call, &n, d);
}

static void
spend_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	static struct decision_trace trace;
	static struct extra extra;
	struct spend *s = CALL_MEMORY_AS(struct spend, call);
	struct engine *e = call->engine;
	const struct session *session = account_session(a, &s->request.session);
	struct payment old;
	struct texts texts;
	struct asked asked;
	char money[MONEY_TEXT_MAX];
	enum cs_err err;
	bool found;

	/* What belongs to another service does not exist for this one. */
	if (a->status == ACCOUNT_NONE || (session != NULL && session->service != call->caller.service)) {
		call_not_found(call, s->session.data != NULL ? "session" : "allowance");
		return;
	}
	if (!find_old(t, call, a, &s->request.payment, spend_txn, &old, &found, &err))
		return;
	if (err != CS_OK) {
		call_unavailable(call, "store");
		return;
	}
	if (risk_any(call, OP_SPEND) && spend_waits(a, call, s, found, spend_txn))
		return;
	s->request.old = found ? &old : NULL;
	call_asked(call, &asked);
	if (s->explain) {
		trace.n = 0;
		asked.trace = &trace;
	}
	decide(&asked, a, &s->request, &d);
	e->outcomes[d.outcome]++;
	if (d.events_n > 0) {
		extra_init(&extra);
		spend_texts(s, &texts);
		texts_to_event(e->keys, a, &texts, &extra);
		if (d.outcome == OUTCOME_STEP_UP) {
			texts.of[TEXT_RETURN_URL] = s->return_url;
			texts.of[TEXT_AMOUNT] = view_of(money,
			    money_format(s->request.amount_minor, s->request.currency, money));
			texts.of[TEXT_CURRENCY] = s->currency;
			things_tidy(e, a, txn_cold(t), &extra);
			texts_to_cold(e->keys, a, &texts, &d.id, &extra);
		}
		txn_decision(t, a, &d, &extra);
		spend_notify(t, a, call, s, &d);
	}
	answer_spend(call, s, a, &d, found ? &old : NULL, &asked);
}

static void
spend(struct call *call, bool dry)
{
	struct spend *s = CALL_MEMORY_AS(struct spend, call);

	if (!read_spend(call, s))
		return;
	s->dry = s->request.dry = dry;
	txn_run(call->engine, &s->key, call, spend_txn);
}

void
payments_authorize(struct call *call)
{
	spend(call, false);
}

void
payments_evaluate(struct call *call)
{
	spend(call, true);
}

/* What is done to a hold or a payment. */
struct book {
	struct view hold, account, payment, idempotency, amount;
	struct id key, id, once;
};

#define BOOK(member, name, kind, need, high) {name, kind, need, offsetof(struct book, member), (high) > 0 ? 1 : 0, high}

static const struct json_field capture_fields[] = {
	BOOK(hold, "hold", JSON_F_STRING, true, 0),
	BOOK(idempotency, "capture_id", JSON_F_ID, true, OUTSIDE_ID_MAX),
	BOOK(amount, "amount", JSON_F_STRING, false, 0),
	{0},
};

static const struct json_field release_fields[] = {
	BOOK(hold, "hold", JSON_F_STRING, true, 0),
	{0},
};

static const struct json_field refund_fields[] = {
	BOOK(account, "account", JSON_F_ID, true, OUTSIDE_ID_MAX),
	BOOK(payment, "payment", JSON_F_ID, true, OUTSIDE_ID_MAX),
	BOOK(idempotency, "refund_id", JSON_F_ID, true, OUTSIDE_ID_MAX),
	BOOK(amount, "amount", JSON_F_STRING, true, 0),
	{0},
};

static const struct json_field get_fields[] = {
	BOOK(account, "account", JSON_F_ID, true, OUTSIDE_ID_MAX),
	BOOK(payment, "payment", JSON_F_ID, true, OUTSIDE_ID_MAX),
	{0},
};

static struct id
once_of(struct call *call, enum digest_kind kind, const struct id *payment, struct view text)
{
	struct view parts[2] = {view_of(payment->b, sizeof(payment->b)), text};

	return keyring_id(call->engine->keys, kind, parts, 2);
}

static void
payment_of(struct call *call, struct book *b)
{
	struct view parts[3] = {view_of(&call->caller.service, sizeof(call->caller.service)), view_of(b->key.b, 16),
	    b->payment};

	b->key = account_key_of(call->engine, b->account);
	b->id = keyring_id(call->engine->keys, DIGEST_PAYMENT, parts, 3);
}

/*
 * The service's own payment, from the ring or from the store's table; answers NotFound itself. NULL: answered, or fn runs
 * again.
 */
static const struct payment *
own_payment(struct txn *t, struct call *call, const struct account *a, const struct id *id, txn_fn *fn, struct payment *old,
    const char *what)
{
	const struct payment *p = account_payment(a, id);
	enum cs_err err = CS_OK;
	bool found = false;

	if (p == NULL && !find_old(t, call, a, id, fn, old, &found, &err))
		return NULL;
	if (err != CS_OK) {
		call_unavailable(call, "store");
		return NULL;
	}
	if (found)
		p = old;
	if (p == NULL || p->service != call->caller.service) {
		call_not_found(call, what);
		return NULL;
	}
	return p;
}

static bool
read_amount(struct call *call, struct view text, uint16_t currency, int64_t *minor)
{
	if (money_parse(text, currency, minor) == CS_OK && *minor > 0)
		return true;
	call_invalid(call, "amount", "must be a decimal string above zero with at most the currency's digits");
	return false;
}

static void
capture_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	struct book *b = CALL_MEMORY_AS(struct book, call);
	struct payment old;
	const struct payment *p = own_payment(t, call, a, &b->id, capture_txn, &old, "hold");
	struct asked asked;
	struct json_writer w;
	int64_t amount = -1;

	if (p == NULL || (b->amount.data != NULL && !read_amount(call, b->amount, p->currency, &amount)))
		return;
	call_asked(call, &asked);
	decide_capture(&asked, a, p == &old ? &old : NULL, &b->id, &b->once, amount, &d);
	if (d.reason == REASON_PAYMENT_MISMATCH) {
		call_conflict(call, p->state == PAYMENT_CAPTURED ? "captured otherwise" : "amount above the hold");
		return;
	}
	txn_decision(t, a, &d, NULL);
	w = call_reply(call);
	answer_outcome(&w, &d);
	p = account_payment(a, &b->id);
	answer_hold(&w, a, p == NULL ? &old : p);
	if (d.replayed)
		json_member_bool(&w, "replayed", true);
	answer_detail(&w, a, &d);
	call_end(call, &w);
}

void
payments_capture(struct call *call)
{
	struct book *b = CALL_MEMORY_AS(struct book, call);

	if (!call_bind(call, capture_fields, b, sizeof(*b)) ||
	    !call_id(call, ID_HOLD, b->hold, "hold", &b->key, &b->id))
		return;
	b->once = once_of(call, DIGEST_CAPTURE, &b->id, b->idempotency);
	txn_run(call->engine, &b->key, call, capture_txn);
}

/* Answers of release and refund: the hold as it stands. */
static void
answer_book(struct call *call, const struct account *a, const struct book *b, const struct decision *d,
    const struct payment *old)
{
	const struct payment *p = account_payment(a, &b->id);
	struct json_writer w = call_reply(call);

	answer_hold(&w, a, p == NULL ? old : p);
	if (d->replayed)
		json_member_bool(&w, "replayed", true);
	call_end(call, &w);
}

static void
release_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	struct book *b = CALL_MEMORY_AS(struct book, call);
	struct payment old;
	struct asked asked;

	if (own_payment(t, call, a, &b->id, release_txn, &old, "hold") == NULL)
		return;
	call_asked(call, &asked);
	decide_release(&asked, a, &b->id, &d);
	if (d.outcome != OUTCOME_PERMIT) {
		call_conflict(call, "hold is captured: refund it");
		return;
	}
	txn_narrows(t);
	txn_decision(t, a, &d, NULL);
	answer_book(call, a, b, &d, &old);
}

void
payments_release(struct call *call)
{
	struct book *b = CALL_MEMORY_AS(struct book, call);

	if (!call_bind(call, release_fields, b, sizeof(*b)) ||
	    !call_id(call, ID_HOLD, b->hold, "hold", &b->key, &b->id))
		return;
	txn_run(call->engine, &b->key, call, release_txn);
}

static void refund_txn(struct txn *t, struct account *a, struct call *call);

static enum cs_err
refund_decode(struct view summary, struct id *payment, int64_t *amount)
{
	struct cursor c = cursor_over(summary.data, summary.len);

	cursor_get(&c, payment->b, sizeof(payment->b));
	*amount = (int64_t)cursor_u64(&c);
	return c.bad ? CS_ERR_CORRUPT : CS_OK;
}

/*
 * A refund that left the state long ago was done: the same again is a replay, another is a conflict. False: the store finds it
 * later, and refund_txn runs again.
 */
static bool
refunded_before(struct txn *t, struct call *call, const struct account *a, const struct book *b, int64_t amount,
    bool *before, bool *same, enum cs_err *err)
{
	struct view summary = txn_left(t, &b->once);
	struct id payment;
	int64_t was;

	*before = *same = false;
	*err = CS_OK;
	if (account_refund(a, &b->once) != NULL || a->refunds_n < ACCOUNT_REFUNDS_MAX)
		return true;
	if (summary.data == NULL && !txn_find_payment(t, call, &b->once, refund_txn, &summary, err))
		return false;
	if (*err == CS_OK)
		*err = refund_decode(summary, &payment, &was);
	*before = *err == CS_OK;
	*same = *before && id_equal(&payment, &b->id) && was == amount;
	if (*err == CS_ERR_NOT_FOUND)
		*err = CS_OK;
	return true;
}

static void
refund_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	struct book *b = CALL_MEMORY_AS(struct book, call);
	struct payment old;
	const struct payment *p = own_payment(t, call, a, &b->id, refund_txn, &old, "payment");
	struct asked asked;
	int64_t amount;
	bool before, same;
	enum cs_err err;

	if (p == NULL || !read_amount(call, b->amount, p->currency, &amount) ||
	    !refunded_before(t, call, a, b, amount, &before, &same, &err))
		return;
	if (err != CS_OK) {
		call_unavailable(call, "store");
		return;
	}
	d = (struct decision){.replayed = true};
	if (!before) {
		call_asked(call, &asked);
		decide_refund(&asked, a, p == &old ? &old : NULL, &b->id, &b->once, amount, &d);
		same = d.outcome == OUTCOME_PERMIT;
	}
	if (!same) {
		call_conflict(call, "refunds sum to at most what was captured, and a refund id is for one refund");
		return;
	}
	txn_decision(t, a, &d, NULL);
	answer_book(call, a, b, &d, &old);
}

void
payments_refund(struct call *call)
{
	struct book *b = CALL_MEMORY_AS(struct book, call);

	if (!call_bind(call, refund_fields, b, sizeof(*b)))
		return;
	payment_of(call, b);
	b->once = once_of(call, DIGEST_REFUND, &b->id, b->idempotency);
	txn_run(call->engine, &b->key, call, refund_txn);
}

static void
get_txn(struct txn *t, struct account *a, struct call *call)
{
	struct book *b = CALL_MEMORY_AS(struct book, call);
	struct payment old;
	const struct payment *p = own_payment(t, call, a, &b->id, get_txn, &old, "payment");
	struct json_writer w;

	if (p == NULL)
		return;
	w = call_reply(call);
	answer_hold(&w, a, p);
	call_end(call, &w);
}

void
payments_get(struct call *call)
{
	struct book *b = CALL_MEMORY_AS(struct book, call);

	if (!call_bind(call, get_fields, b, sizeof(*b)))
		return;
	payment_of(call, b);
	txn_run(call->engine, &b->key, call, get_txn);
}
