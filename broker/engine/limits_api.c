/* SPDX-License-Identifier: Apache-2.0 */
/*
 * org.countersign.Limits: what an account or a link may spend. Lowering is instant, raising takes a countersignature
 * and the cooling-off of the configuration.
 */
#include <stdio.h>

#include "broker/base/check.h"
#include "broker/core/money.h"
#include "broker/engine/api.h"
#include "broker/engine/limits_api.h"
#include "broker/engine/notify.h"
#include "broker/engine/risk.h"
#include "broker/engine/stepup.h"

enum { COUNT_MAX = 1000000 };

/* In the call's memory. */
struct limits_call {
	/* as bound */
	struct view account, link, challenge_text;
	uint32_t limits;
	struct view currency, per_payment, per_day, per_month;
	int64_t count_day, count_month;
	/* as understood */
	struct id key, link_id, challenge;
	uint16_t currency_no;
	int64_t minor[3];       /* payment, day, month; -1: as it was */
};

#define LIMIT(member, type, need, low, high) \
	{#member, type, need, offsetof(struct limits_call, member), low, high}

static const struct json_field get_fields[] = {
	LIMIT(account, JSON_F_ID, true, 1, OUTSIDE_ID_MAX),
	LIMIT(link, JSON_F_STRING, false, 0, 0),
	{0},
};

static const struct json_field set_fields[] = {
	LIMIT(account, JSON_F_ID, true, 1, OUTSIDE_ID_MAX),
	LIMIT(link, JSON_F_STRING, false, 0, 0),
	LIMIT(limits, JSON_F_OBJECT, true, 0, 0),
	{"challenge", JSON_F_STRING, false, offsetof(struct limits_call, challenge_text), 0, 0},
	{0},
};

static const struct json_field inner_fields[] = {
	LIMIT(currency, JSON_F_STRING, true, 0, 0),
	LIMIT(per_payment, JSON_F_STRING, false, 0, 0),
	LIMIT(per_day, JSON_F_STRING, false, 0, 0),
	LIMIT(per_month, JSON_F_STRING, false, 0, 0),
	LIMIT(count_day, JSON_F_INT, false, 0, COUNT_MAX),
	LIMIT(count_month, JSON_F_INT, false, 0, COUNT_MAX),
	{0},
};

/* Account and link; answers the call itself. */
static bool
read_where(struct call *call, struct limits_call *l)
{
	struct id key;

	l->key = account_key_of(call->engine, l->account);
	if (l->link.data == NULL)
		return true;
	if (!call_id(call, ID_LINK, l->link, "link", &key, &l->link_id))
		return false;
	if (id_equal(&key, &l->key))
		return true;
	call_not_found(call, "link");
	return false;
}

/* The link's serial, 0 for the account; false and NotFound where there is none. */
static bool
find_where(struct call *call, const struct account *a, const struct limits_call *l, uint32_t *link_no)
{
	const struct link *link = l->link.data == NULL ? NULL : account_link(a, &l->link_id);

	*link_no = link == NULL ? 0 : link->no;
	if (a->status == ACCOUNT_NONE)
		call_not_found(call, "account");
	else if (l->link.data != NULL && (link == NULL || link->state == LINK_REVOKED))
		call_not_found(call, "link");
	else
		return true;
	return false;
}

static void
narrow(int64_t *to, int64_t with)
{
	if (with >= 0 && (*to < 0 || with < *to))
		*to = with;
}

struct policy_limit
limits_in_force(const struct account *a, uint32_t link_no, const struct policy_limit *configured, uint16_t currency,
    int64_t now_ms)
{
	struct policy_limit l = {.currency = currency, .per_payment_minor = -1, .per_day_minor = -1,
	    .per_month_minor = -1, .count_day = -1, .count_month = -1};

	if (configured != NULL)
		l = *configured;
	for (size_t i = 0; i < a->limits_n; i++) {
		const struct limit *own = &a->limits[i];

		if (own->link_no != link_no || own->currency != currency || !account_limit_binds(a, own, now_ms))
			continue;
		narrow(&l.per_payment_minor, own->per_payment_minor);
		narrow(&l.per_day_minor, own->per_day_minor);
		narrow(&l.per_month_minor, own->per_month_minor);
		narrow(&l.count_day, own->count_day);
		narrow(&l.count_month, own->count_month);
	}
	return l;
}

void
limits_write(struct json_writer *w, const struct policy_limit *l, int64_t effective_ms)
{
	json_object_begin(w);
	answer_currency(w, "currency", l->currency);
	if (l->per_payment_minor >= 0)
		answer_amount(w, "per_payment", l->per_payment_minor, l->currency);
	if (l->per_day_minor >= 0)
		answer_amount(w, "per_day", l->per_day_minor, l->currency);
	if (l->per_month_minor >= 0)
		answer_amount(w, "per_month", l->per_month_minor, l->currency);
	if (l->count_day >= 0)
		json_member_int(w, "count_day", l->count_day);
	if (l->count_month >= 0)
		json_member_int(w, "count_month", l->count_month);
	if (effective_ms != 0)
		answer_time(w, "effective_at", effective_ms);
	json_object_end(w);
}

void
limits_write_raises(struct json_writer *w, const struct account *a, uint32_t link_no, int64_t now_ms)
{
	for (size_t i = 0; i < a->limits_n; i++) {
		const struct limit *own = &a->limits[i];
		struct policy_limit l = {own->currency, own->per_payment_minor, own->per_day_minor, own->per_month_minor,
		    own->count_day, own->count_month};

		if (own->link_no == link_no && own->effective_ms > now_ms)
			limits_write(w, &l, own->effective_ms);
	}
}

static void
get_txn(struct txn *t, struct account *a, struct call *call)
{
	const struct limits_call *l = CALL_MEMORY_AS(struct limits_call, call);
	const struct policy *p = call->engine->rules->policy;
	const struct policy_provider *provider = NULL;
	int64_t now_ms = call->engine->now.wall_ms > a->time_ms ? call->engine->now.wall_ms : a->time_ms;
	struct json_writer w;
	uint32_t link_no;

	(void)t;
	if (!find_where(call, a, l, &link_no))
		return;
	if (link_no != 0)
		provider = policy_provider(p, account_link_by_no(a, link_no)->provider);
	w = call_reply(call);
	json_key(&w, VIEW("limits"));
	json_array_begin(&w);
	/* A currency without a limit of the realm cannot be paid in at all. */
	for (size_t i = 0; i < p->limits_n; i++) {
		uint16_t currency = p->limits[i].currency;
		const struct policy_limit *configured = link_no == 0 ? &p->limits[i] :
		    provider == NULL ? NULL : policy_limit(provider->limits, provider->limits_n, currency);
		struct policy_limit limit = limits_in_force(a, link_no, configured, currency, now_ms);

		limits_write(&w, &limit, 0);
	}
	limits_write_raises(&w, a, link_no, now_ms);
	json_array_end(&w);
	call_end(call, &w);
}

void
limits_get(struct call *call)
{
	struct limits_call *l = CALL_MEMORY_AS(struct limits_call, call);

	if (call_bind(call, get_fields, l, sizeof(*l)) && read_where(call, l))
		txn_run(call->engine, &l->key, call, get_txn);
}

static bool
read_money(struct call *call, struct limits_call *l)
{
	static const char *const names[3] = {"limits.per_payment", "limits.per_day", "limits.per_month"};
	const struct view texts[3] = {l->per_payment, l->per_day, l->per_month};

	l->currency_no = currency_find(l->currency);
	if (l->currency_no == CURRENCY_NONE) {
		call_invalid(call, "limits.currency", "is not an ISO 4217 code that can be paid in, such as CNY");
		return false;
	}
	for (int i = 0; i < 3; i++) {
		l->minor[i] = -1;
		if (texts[i].data != NULL && money_parse(texts[i], l->currency_no, &l->minor[i]) != CS_OK) {
			call_invalid(call, names[i], "must be a decimal string with at most the currency's digits");
			return false;
		}
	}
	return true;
}

struct limit
limits_own(const struct account *a, uint32_t link_no, uint16_t currency, int64_t now_ms)
{
	struct limit own = {.link_no = link_no, .currency = currency, .author = AUTHOR_USER,
	    .per_payment_minor = -1, .per_day_minor = -1, .per_month_minor = -1, .count_day = -1, .count_month = -1};

	for (size_t i = 0; i < a->limits_n; i++) {
		if (a->limits[i].link_no == link_no && a->limits[i].currency == currency &&
		    a->limits[i].author == AUTHOR_USER && account_limit_binds(a, &a->limits[i], now_ms))
			own = a->limits[i];
	}
	own.effective_ms = 0;
	return own;
}

/* The user's own limit at this level, with what is asked for put over it. */
static struct limit
wanted(const struct account *a, const struct limits_call *l, uint32_t link_no, int64_t now_ms)
{
	struct limit to = limits_own(a, link_no, l->currency_no, now_ms);

	to.per_payment_minor = l->minor[0] >= 0 ? l->minor[0] : to.per_payment_minor;
	to.per_day_minor = l->minor[1] >= 0 ? l->minor[1] : to.per_day_minor;
	to.per_month_minor = l->minor[2] >= 0 ? l->minor[2] : to.per_month_minor;
	to.count_day = l->count_day >= 0 ? (int32_t)l->count_day : to.count_day;
	to.count_month = l->count_month >= 0 ? (int32_t)l->count_month : to.count_month;
	return to;
}

void
limits_content(const struct engine *e, uint64_t service, const struct id *account, const struct limit *to,
    struct hash *content)
{
	const int64_t numbers[] = {to->link_no, to->currency, to->per_payment_minor, to->per_day_minor,
	    to->per_month_minor, to->count_day, to->count_month};
	struct view parts[] = {VIEW("limit"), view_of(&service, sizeof(service)), view_of(account->b, sizeof(account->b)),
	    view_of(numbers, sizeof(numbers))};

	keyring_digest(e->keys, DIGEST_CONTENT, parts, 4, content);
}

struct view
limits_text(const struct limit *to, char text[LIMIT_TEXT_MAX])
{
	const struct {
		const char *name;
		int64_t minor;
	} sums[] = {{"payment", to->per_payment_minor}, {"day", to->per_day_minor}, {"month", to->per_month_minor}};
	struct buf b = buf_over(text, LIMIT_TEXT_MAX);
	char number[MONEY_TEXT_MAX + 48];
	int n;

	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
		size_t len;

		if (sums[i].minor < 0)
			continue;
		len = money_format(sums[i].minor, to->currency, number);
		buf_put(&b, number, len);
		n = snprintf(number, sizeof(number), " %s / %s; ", currency_get(to->currency)->code, sums[i].name);
		buf_put(&b, number, (size_t)n);
	}
	if (to->count_day >= 0) {
		n = snprintf(number, sizeof(number), "%lld x / day; ", (long long)to->count_day);
		buf_put(&b, number, (size_t)n);
	}
	if (to->count_month >= 0) {
		n = snprintf(number, sizeof(number), "%lld x / month; ", (long long)to->count_month);
		buf_put(&b, number, (size_t)n);
	}
	CHECK(!b.full);
	return view_of(text, b.len < 2 ? 0 : b.len - 2);
}

static void
set_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	static struct texts card;
	const struct limits_call *l = CALL_MEMORY_AS(struct limits_call, call);
	const struct challenge *c = id_zero(&l->challenge) ? NULL : account_challenge(a, &l->challenge);
	char text[LIMIT_TEXT_MAX];
	struct limit to;
	struct hash content;
	struct asked asked;
	struct json_writer w;
	uint32_t link_no;

	if (!find_where(call, a, l, &link_no))
		return;
	if (!id_zero(&l->challenge) && (c == NULL || c->service != call->caller.service)) {
		call_not_found(call, "challenge");
		return;
	}
	call_asked(call, &asked);
	to = wanted(a, l, link_no, asked.now_ms > a->time_ms ? asked.now_ms : a->time_ms);
	limits_content(call->engine, call->caller.service, &l->key, &to, &content);
	decide_limit(&asked, a, &to, &l->challenge, &content, &d);
	/* Lowering waits for nobody. Anything else is asked now, and decided again with what is said. */
	if (d.reason == REASON_NARROWS)
		txn_narrows(t);
	else if (risk_wait_operation(a, call, OP_LIMIT, link_no, set_txn))
		return;
	texts_init(&card);
	card.of[TEXT_WORST_CASE] = limits_text(&to, text);
	stepup_open(t, a, call, &d, &card);
	notify_operation(t, a, call, OP_LIMIT, &d);
	w = call_reply(call);
	stepup_outcome(&w, call, a, &d, view_of(NULL, 0));
	call_end(call, &w);
}

void
limits_set(struct call *call)
{
	struct limits_call *l = CALL_MEMORY_AS(struct limits_call, call);
	struct json_problem problem = {0};
	struct id key;

	if (!call_bind(call, set_fields, l, sizeof(*l)))
		return;
	l->count_day = l->count_month = -1;
	if (json_bind(&call->doc, l->limits, inner_fields, false, l, &problem) != CS_OK) {
		call_invalid(call, "limits", problem.reason);
		return;
	}
	if (!read_money(call, l) || !read_where(call, l))
		return;
	if (l->challenge_text.data != NULL &&
	    (!call_id(call, ID_CHALLENGE, l->challenge_text, "challenge", &key, &l->challenge)))
		return;
	if (l->challenge_text.data != NULL && !id_equal(&key, &l->key)) {
		call_not_found(call, "challenge");
		return;
	}
	txn_run(call->engine, &l->key, call, set_txn);
}
