/* SPDX-License-Identifier: Apache-2.0 */
/* org.countersign.Accounts: an account as the broker knows it, "this was not me", and its end. */
#include "broker/base/check.h"
#include "broker/engine/answer.h"
#include "broker/engine/api.h"
#include "broker/engine/notify.h"
#include "broker/engine/risk.h"
#include "broker/engine/stepup.h"
#include "broker/engine/things.h"
#include "broker/engine/view.h"
#include "broker/engine/txn.h"

/* In the call's memory. */
struct accounts_call {
	struct view account, link, return_url;
	struct id key, link_id;
};

static const struct json_field account_fields[] = {
	{"account", JSON_F_ID, true, offsetof(struct accounts_call, account), 1, OUTSIDE_ID_MAX},
	{0},
};

static const struct json_field not_me_fields[] = {
	{"account", JSON_F_ID, true, offsetof(struct accounts_call, account), 1, OUTSIDE_ID_MAX},
	{"link", JSON_F_STRING, false, offsetof(struct accounts_call, link), 0, 0},
	{0},
};

static const struct json_field view_fields[] = {
	{"account", JSON_F_ID, true, offsetof(struct accounts_call, account), 1, OUTSIDE_ID_MAX},
	{"return_url", JSON_F_ID, false, offsetof(struct accounts_call, return_url), 1, PAGE_RETURN_URL_MAX},
	{0},
};

static const char *const account_states[] = {
	[ACCOUNT_NONE] = "none", [ACCOUNT_OPEN] = "open", [ACCOUNT_CLOSED] = "closed",
};

/* What is frozen: "account", or a link's id; once each, whoever froze it. */
static void
write_frozen(struct json_writer *w, const struct account *a)
{
	json_key(w, VIEW("frozen"));
	json_array_begin(w);
	for (size_t i = 0; i < a->freezes_n; i++) {
		const struct link *l = account_link_by_no(a, a->freezes[i].link_no);
		struct id_text text;
		bool again = false;

		for (size_t k = 0; k < i; k++)
			again |= a->freezes[k].link_no == a->freezes[i].link_no;
		if (again)
			continue;
		if (a->freezes[i].link_no == 0) {
			json_put_str(w, VIEW("account"));
		} else if (l != NULL) {
			text = id_format(ID_LINK, &a->key, &l->id);
			json_put_str(w, id_view(&text));
		}
	}
	json_array_end(w);
}

static void
get_txn(struct txn *t, struct account *a, struct call *call)
{
	const struct accounts_call *c = CALL_MEMORY_AS(struct accounts_call, call);
	struct json_writer w;
	int factors = 0, links = 0;

	(void)t;
	if (a->status == ACCOUNT_NONE) {
		call_not_found(call, "account");
		return;
	}
	for (size_t i = 0; i < a->factors_n; i++)
		factors += !factor_gone(a, &a->factors[i], call->engine->now.wall_ms);
	for (size_t i = 0; i < a->links_n; i++)
		links += a->links[i].state == LINK_ACTIVE || a->links[i].state == LINK_SUSPENDED;
	w = call_reply(call);
	json_member_str(&w, "account", c->account);
	json_member_str(&w, "state", view_str(account_states[a->status]));
	write_frozen(&w, a);
	json_member_int(&w, "factors", factors);
	json_member_int(&w, "links", links);
	call_end(call, &w);
}

/* Binds, finds the account's key, runs. */
static void
run(struct call *call, const struct json_field *fields, txn_fn *fn)
{
	struct accounts_call *c = CALL_MEMORY_AS(struct accounts_call, call);
	struct id key;

	if (!call_bind(call, fields, c, sizeof(*c)))
		return;
	c->key = account_key_of(call->engine, c->account);
	if (c->link.data != NULL && !call_id(call, ID_LINK, c->link, "link", &key, &c->link_id))
		return;
	if (c->link.data != NULL && !id_equal(&key, &c->key))
		call_not_found(call, "link");
	else
		txn_run(call->engine, &c->key, call, fn);
}

void
accounts_get(struct call *call)
{
	run(call, account_fields, get_txn);
}

/* What a report voids, of one link or (0) of all. */
static int
voidable(const struct account *a, uint32_t link_no, int64_t now_ms)
{
	int n = 0;

	for (size_t i = 0; i < a->payments_n; i++)
		n += a->payments[i].state == PAYMENT_HELD && (link_no == 0 || a->payments[i].link_no == link_no);
	for (size_t i = 0; i < a->challenges_n; i++) {
		const struct challenge *c = &a->challenges[i];

		n += (c->state == CHALLENGE_OPEN || c->state == CHALLENGE_DONE) && c->expires_ms > now_ms &&
		    (link_no == 0 || c->link_no == link_no);
	}
	for (size_t i = 0; i < a->allowances_n; i++)
		n += a->allowances[i].state == ALLOWANCE_OPEN && (link_no == 0 || a->allowances[i].link_no == link_no);
	for (size_t i = 0; i < a->sessions_n; i++)
		n += link_no == 0 || a->sessions[i].link_no == link_no;
	return n;
}

static void
not_me_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	const struct accounts_call *c = CALL_MEMORY_AS(struct accounts_call, call);
	const struct link *l = c->link.data == NULL ? NULL : account_link(a, &c->link_id);
	struct asked asked;
	struct json_writer w;
	int n;

	if (a->status == ACCOUNT_NONE || (c->link.data != NULL && l == NULL)) {
		call_not_found(call, a->status == ACCOUNT_NONE ? "account" : "link");
		return;
	}
	n = voidable(a, l == NULL ? 0 : l->no, call->engine->now.wall_ms);
	call_asked(call, &asked);
	decide_not_me(&asked, a, l == NULL ? 0 : l->no, &d);
	txn_narrows(t);
	txn_decision(t, a, &d, NULL);
	w = call_reply(call);
	write_frozen(&w, a);
	json_member_int(&w, "voided", n);
	call_end(call, &w);
}

void
accounts_report_not_me(struct call *call)
{
	run(call, not_me_fields, not_me_txn);
}

/* Whoever asks is asked back, however often: a countersignature opens one page, and that page itself redeems it. */
static void
view_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	static struct texts card, own;
	const struct accounts_call *c = CALL_MEMORY_AS(struct accounts_call, call);
	struct request r = {.op = OP_VIEW, .own = true};
	struct asked asked;
	struct json_writer w;

	if (a->status == ACCOUNT_NONE) {
		call_not_found(call, "account");
		return;
	}
	if (risk_wait_operation(a, call, OP_VIEW, 0, view_txn))
		return;
	call_asked(call, &asked);
	r.content = view_content(call->engine, a, call->caller.service);
	decide(&asked, a, &r, &d);
	texts_init(&card);
	card.of[TEXT_ACCOUNT] = things_account(call->engine->keys, a, txn_cold(t), &own);
	card.of[TEXT_RETURN_URL] = c->return_url;
	stepup_open(t, a, call, &d, &card);
	notify_operation(t, a, call, OP_VIEW, &d);
	w = call_reply(call);
	stepup_outcome(&w, call, a, &d, c->return_url);
	call_end(call, &w);
}

void
accounts_view(struct call *call)
{
	struct accounts_call *c = CALL_MEMORY_AS(struct accounts_call, call);

	if (!call_bind(call, view_fields, c, sizeof(*c)))
		return;
	if (call->engine->rules->config->public_url == NULL) {
		call_invalid(call, "account", "has no page: this broker has no HTTPS to show one on");
		return;
	}
	if (!return_url_known(call, c->return_url)) {
		call_invalid(call, "return_url", "is not one of the service's configured return URLs");
		return;
	}
	c->key = account_key_of(call->engine, c->account);
	txn_run(call->engine, &c->key, call, view_txn);
}

static void
close_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	struct asked asked;
	struct json_writer w;

	if (a->status == ACCOUNT_NONE) {
		call_not_found(call, "account");
		return;
	}
	call_asked(call, &asked);
	decide_close(&asked, a, &d);
	if (d.events_n > 0)
		txn_narrows(t);
	txn_decision(t, a, &d, NULL);
	w = call_reply(call);
	json_member_str(&w, "state", view_str(account_states[a->status]));
	call_end(call, &w);
}

void
accounts_close(struct call *call)
{
	run(call, account_fields, close_txn);
}
