/* SPDX-License-Identifier: Apache-2.0 */
/* org.countersign.Admin: taking power away, giving it back, bounding it. */
#include "broker/engine/admin.h"

#include "broker/core/money.h"
#include "broker/engine/answer.h"
#include "broker/engine/api.h"
#include "broker/engine/record.h"
#include "broker/engine/texts.h"
#include "broker/engine/txn.h"

enum scope { SCOPE_BROKER, SCOPE_PROVIDER, SCOPE_ACCOUNT, SCOPE_LINK, SCOPE__COUNT };

static const char *const scope_names[SCOPE__COUNT] = {"broker", "provider", "account", "link"};

struct target {
	struct view scope_name, name, reason;
	uint32_t limits_token;
	enum scope scope;
	bool thaw;
	uint64_t provider;        /* tag */
	struct id account, link;
	/* SetLimit */
	struct view currency_code, amounts[3];
	int64_t counts[2];
	uint16_t currency;
	int64_t minor[3];
};

static bool
read_scope(struct call *call, struct target *t, enum scope first)
{
	for (int i = first; i < SCOPE__COUNT; i++) {
		if (view_equal(t->scope_name, view_str(scope_names[i]))) {
			t->scope = (enum scope)i;
			return true;
		}
	}
	call_invalid(call, "scope", first == SCOPE_BROKER ? "must be broker, provider, account or link" :
	    "must be provider, account or link");
	return false;
}

static bool
read_target(struct call *call, struct target *t, enum scope first)
{
	if (!read_scope(call, t, first))
		return false;
	if (t->scope == SCOPE_BROKER) {
		if (t->name.data != NULL)
			call_invalid(call, "target", "must be absent: the scope is the whole broker");
		return t->name.data == NULL;
	}
	if (t->name.data == NULL) {
		call_invalid(call, "target", "is missing");
		return false;
	}
	switch (t->scope) {
	case SCOPE_PROVIDER:
		t->provider = name_tag(t->name);
		if (ruleset_provider(call->engine->rules, t->provider) == NULL)
			call_not_found(call, "provider");
		return !call->answered;
	case SCOPE_LINK:
		return call_id(call, ID_LINK, t->name, "link", &t->account, &t->link);
	default:
		t->account = account_key_of(call->engine, t->name);
		return true;
	}
}

static void
answer_frozen(struct call *call, bool frozen)
{
	struct json_writer w = call_reply(call);

	json_member_bool(&w, "frozen", frozen);
	call_end(call, &w);
}

static void
record_frozen_done(struct call *call)
{
	answer_frozen(call, !CALL_MEMORY_AS(struct target, call)->thaw);
}

/* The broker or a provider: an event of the broker's own record. What is so already is said again, without an event. */
static void
freeze_record(struct call *call)
{
	const struct target *t = CALL_MEMORY_AS(struct target, call);
	struct event ev = {.reason = REASON_ASKED, .provider = t->provider};
	struct view words;
	int64_t since;

	if (record_frozen(call->engine, t->provider, &since, &words) != t->thaw) {
		answer_frozen(call, !t->thaw);
		return;
	}
	if (t->scope == SCOPE_BROKER)
		ev.type = t->thaw ? EVENT_BROKER_THAWED : EVENT_BROKER_FROZEN;
	else
		ev.type = t->thaw ? EVENT_PROVIDER_THAWED : EVENT_PROVIDER_FROZEN;
	record_commit(call->engine, &ev, t->reason, call, record_frozen_done);
}

/* The link that is meant, 0 for the account; answers NotFound itself. */
static bool
find_target(struct call *call, const struct account *a, const struct target *t, uint32_t *link_no)
{
	const struct link *l = t->scope == SCOPE_LINK ? account_link(a, &t->link) : NULL;

	if (a->status == ACCOUNT_NONE || (t->scope == SCOPE_LINK && l == NULL)) {
		call_not_found(call, scope_names[t->scope]);
		return false;
	}
	*link_no = l == NULL ? 0 : l->no;
	return true;
}

/* A user's freeze stays when an admin lifts their own. */
static bool
still_frozen(const struct account *a, uint32_t link_no)
{
	for (size_t i = 0; i < a->freezes_n; i++) {
		if (a->freezes[i].link_no == link_no || a->freezes[i].link_no == 0)
			return true;
	}
	return false;
}

static void
freeze_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	static struct extra extra;
	static const struct id no_challenge;
	static const struct hash no_content;
	struct target *to = CALL_MEMORY_AS(struct target, call);
	struct texts texts;
	struct asked asked;
	uint32_t link_no;

	if (!find_target(call, a, to, &link_no))
		return;
	call_asked(call, &asked);
	if (to->thaw)
		decide_thaw(&asked, a, link_no, AUTHOR_ADMIN, &no_challenge, &no_content, &d);
	else
		decide_freeze(&asked, a, link_no, AUTHOR_ADMIN, &d);
	if (d.events_n > 0) {
		extra_init(&extra);
		texts_init(&texts);
		texts.of[TEXT_REASON] = to->reason;
		texts_to_event(call->engine->keys, a, &texts, &extra);
		if (!to->thaw)
			txn_narrows(t);
		txn_decision(t, a, &d, &extra);
	}
	answer_frozen(call, still_frozen(a, link_no));
}

static void
freeze(struct call *call, bool thaw)
{
	static const struct json_field fields[] = {
		{"scope", JSON_F_STRING, true, offsetof(struct target, scope_name), 0, 0},
		{"target", JSON_F_ID, false, offsetof(struct target, name), 1, OUTSIDE_ID_MAX},
		{"reason", JSON_F_ID, true, offsetof(struct target, reason), 1, ADMIN_WORDS_MAX - 1},
		{0},
	};
	struct target *t = CALL_MEMORY_AS(struct target, call);

	if (!call_bind(call, fields, t, sizeof(*t)))
		return;
	t->thaw = thaw;
	if (!read_target(call, t, SCOPE_BROKER))
		return;
	if (t->scope == SCOPE_BROKER || t->scope == SCOPE_PROVIDER)
		record_current(call->engine, call, freeze_record);
	else
		txn_run(call->engine, &t->account, call, freeze_txn);
}

void
admin_freeze(struct call *call)
{
	freeze(call, false);
}

void
admin_thaw(struct call *call)
{
	freeze(call, true);
}

/* --- limits: what is not named stays as it is --- */

static const char *const amount_fields[3] = {"limits.per_payment", "limits.per_day", "limits.per_month"};

static bool
read_limits(struct call *call, struct target *t)
{
	static const struct json_field fields[] = {
		{"currency", JSON_F_STRING, true, offsetof(struct target, currency_code), 0, 0},
		{"per_payment", JSON_F_STRING, false, offsetof(struct target, amounts[0]), 0, 0},
		{"per_day", JSON_F_STRING, false, offsetof(struct target, amounts[1]), 0, 0},
		{"per_month", JSON_F_STRING, false, offsetof(struct target, amounts[2]), 0, 0},
		{"count_day", JSON_F_INT, false, offsetof(struct target, counts[0]), 0, INT32_MAX},
		{"count_month", JSON_F_INT, false, offsetof(struct target, counts[1]), 0, INT32_MAX},
		{0},
	};
	struct json_problem problem = {0};

	t->counts[0] = t->counts[1] = -1;
	if (json_bind(&call->doc, t->limits_token, fields, false, t, &problem) != CS_OK) {
		call_invalid(call, problem.field != NULL ? problem.field : "limits", problem.reason);
		return false;
	}
	t->currency = currency_find(t->currency_code);
	if (t->currency == CURRENCY_NONE) {
		call_invalid(call, "limits.currency", "is not an ISO 4217 code that can be paid in, such as CNY");
		return false;
	}
	for (int i = 0; i < 3; i++) {
		t->minor[i] = -1;
		if (t->amounts[i].data == NULL || money_parse(t->amounts[i], t->currency, &t->minor[i]) == CS_OK)
			continue;
		call_invalid(call, amount_fields[i],
		    "must be a decimal string with at most the currency's digits, such as \"20.00\"");
		return false;
	}
	return true;
}

static int64_t
given(int64_t value, int64_t otherwise)
{
	return value >= 0 ? value : otherwise;
}

static void
limit_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	static const struct id no_challenge;
	static const struct hash no_content;
	struct target *to = CALL_MEMORY_AS(struct target, call);
	struct limit limit = {.per_payment_minor = -1, .per_day_minor = -1, .per_month_minor = -1, .count_day = -1,
	    .count_month = -1};
	struct asked asked;
	uint32_t link_no;

	if (!find_target(call, a, to, &link_no))
		return;
	for (size_t i = 0; i < a->limits_n; i++) {
		const struct limit *l = &a->limits[i];

		if (l->link_no == link_no && l->currency == to->currency && l->author == AUTHOR_ADMIN)
			limit = *l;
	}
	limit = (struct limit){.link_no = link_no, .currency = to->currency, .author = AUTHOR_ADMIN,
	    .per_payment_minor = given(to->minor[0], limit.per_payment_minor),
	    .per_day_minor = given(to->minor[1], limit.per_day_minor),
	    .per_month_minor = given(to->minor[2], limit.per_month_minor),
	    .count_day = (int32_t)given(to->counts[0], limit.count_day),
	    .count_month = (int32_t)given(to->counts[1], limit.count_month)};
	call_asked(call, &asked);
	decide_limit(&asked, a, &limit, &no_challenge, &no_content, &d);
	if (d.outcome != OUTCOME_PERMIT) {
		call_conflict(call, "the account has no room for another limit");
		return;
	}
	txn_decision(t, a, &d, NULL);
	call_done(call);
}

static void
limit_provider(struct call *call, const struct target *t)
{
	const struct broker_provider *p = broker_provider(&call->engine->broker, t->provider);
	const struct policy_limit *old = p == NULL ? NULL : policy_limit(p->limits, p->limits_n, t->currency);
	struct policy_limit l = old != NULL ? *old : (struct policy_limit){t->currency, -1, -1, -1, -1, -1};
	/* Stored plus one, so that "no limit" is the empty field. */
	struct event ev = {.type = EVENT_PROVIDER_LIMIT, .reason = REASON_ASKED, .provider = t->provider,
	    .currency = t->currency,
	    .per_payment_minor = given(t->minor[0], l.per_payment_minor) + 1,
	    .per_day_minor = given(t->minor[1], l.per_day_minor) + 1,
	    .per_month_minor = given(t->minor[2], l.per_month_minor) + 1,
	    .count_day = given(t->counts[0], l.count_day) + 1, .count_month = given(t->counts[1], l.count_month) + 1};

	if (p == NULL || (old == NULL && p->limits_n == POLICY_LIMITS_MAX)) {
		call_conflict(call, "the provider has no room for a limit in another currency");
		return;
	}
	record_commit(call->engine, &ev, view_of(NULL, 0), call, call_done);
}

void
admin_set_limit(struct call *call)
{
	static const struct json_field fields[] = {
		{"scope", JSON_F_STRING, true, offsetof(struct target, scope_name), 0, 0},
		{"target", JSON_F_ID, true, offsetof(struct target, name), 1, OUTSIDE_ID_MAX},
		{"limits", JSON_F_OBJECT, true, offsetof(struct target, limits_token), 0, 0},
		{0},
	};
	struct target *t = CALL_MEMORY_AS(struct target, call);

	if (!call_bind(call, fields, t, sizeof(*t)) || !read_limits(call, t) || !read_target(call, t, SCOPE_PROVIDER))
		return;
	if (t->scope == SCOPE_PROVIDER)
		limit_provider(call, t);
	else
		txn_run(call->engine, &t->account, call, limit_txn);
}
