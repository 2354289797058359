/* SPDX-License-Identifier: Apache-2.0 */
/* Moving links to another name of their subject: at a sign-in, or by an admin who asks the provider; and back. */
#include "broker/engine/rekey.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/base/check.h"
#include "broker/base/log.h"
#include "broker/engine/admin.h"
#include "broker/engine/answer.h"
#include "broker/engine/api.h"
#include "broker/engine/lookup.h"
#include "broker/engine/tell.h"
#include "broker/engine/texts.h"
#include "broker/engine/workers.h"

struct name {
	struct view issuer, subject, display;
};

/*
 * The event with its texts; the link's own texts; and its names in the store: the new one is taken, the one before is kept, so that
 * nobody else has it and it can be taken back, and the one before that is free.
 */
static void
carry_out(struct txn *t, struct account *a, struct call *call, const struct link *l, const struct name *to,
    struct view words, struct decision *d)
{
	const struct engine *e = call->engine;
	static struct extra extra;
	static struct texts own, texts;
	bool undo = (d->events[0].flags & EVENT_FLAG_UNDONE) != 0;

	if (texts_from_cold(e->keys, a, txn_cold(t), &l->id, &own) != CS_OK)
		texts_init(&own);
	texts_init(&texts);
	texts.of[TEXT_ISSUER] = undo ? own.of[TEXT_WAS_ISSUER] : to->issuer;
	texts.of[TEXT_SUBJECT] = undo ? own.of[TEXT_WAS_SUBJECT] : to->subject;
	texts.of[TEXT_DISPLAY] = to->display.len > 0 ? to->display : own.of[TEXT_DISPLAY];
	if (!undo) {
		texts.of[TEXT_WAS_ISSUER] = own.of[TEXT_ISSUER];
		texts.of[TEXT_WAS_SUBJECT] = own.of[TEXT_SUBJECT];
	}
	extra_init(&extra);
	texts_to_cold(e->keys, a, &texts, &l->id, &extra);
	texts.of[TEXT_WAS_ISSUER] = own.of[TEXT_ISSUER];
	texts.of[TEXT_WAS_SUBJECT] = own.of[TEXT_SUBJECT];
	if (words.len > 0)
		texts.of[TEXT_REASON] = words;
	texts_to_event(e->keys, a, &texts, &extra);
	if (undo)
		txn_claim(t, &l->subject, true);
	else
		txn_claim(t, &d->events[0].subject, false);
	/* Moved back to where it came from, it is that name which is kept. */
	if (!undo && !id_zero(&l->was) && !id_equal(&l->was, &d->events[0].subject))
		txn_claim(t, &l->was, true);
	txn_decision(t, a, d, &extra);
	tell_others(t, a, call, "link_rekeyed", 0, view_str(ruleset_provider_name(e->rules, d->events[0].provider)));
}

bool
rekey_by_signin(struct txn *t, struct account *a, struct call *call, const struct link *l, const struct identity *who,
    struct decision *d)
{
	const struct name to = {view_str(who->issuer), view_str(who->subject), view_str(who->display)};
	struct rekey r = {.link_no = l->no, .subject = who->claim, .author = AUTHOR_USER,
	    .taken = txn_taken(t, &who->claim)};
	struct asked asked;

	call_asked(call, &asked);
	decide_link_rekey(&asked, a, &r, d);
	if (d->outcome != OUTCOME_PERMIT) {
		txn_decision(t, a, d, NULL);
		return false;
	}
	carry_out(t, a, call, l, &to, view_of(NULL, 0), d);
	return true;
}

/* --- Admin.RekeyLink: by hand --- */

enum { PROOF_MAX = 1024 };

struct by_hand {
	struct view link, reason, proof;
	bool undo;
	bool asking;        /* the transaction that looked is not over */
	struct id key, id;
	/* what the provider answered */
	struct id claim;
	bool taken;
	char issuer[IDENTITY_TEXT_MAX + 1], subject[IDENTITY_TEXT_MAX + 1];
};

static void
answer_moved(struct call *call, struct txn *t, struct account *a, const struct decision *d, const struct link *l)
{
	struct json_writer w = call_reply(call);
	struct texts texts;

	answer_outcome(&w, d);
	answer_id(&w, "link", ID_LINK, a, &l->id);
	if (texts_from_cold(call->engine->keys, a, txn_cold(t), &l->id, &texts) == CS_OK) {
		json_member_str(&w, "issuer", texts.of[TEXT_ISSUER]);
		json_member_str(&w, "subject", texts.of[TEXT_SUBJECT]);
		json_member_str(&w, "was_issuer", texts.of[TEXT_WAS_ISSUER]);
		json_member_str(&w, "was_subject", texts.of[TEXT_WAS_SUBJECT]);
	}
	if (l->usable_ms > call->engine->now.wall_ms)
		answer_time(&w, "usable_from", l->usable_ms);
	call_end(call, &w);
}

static void
move_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	struct by_hand *x = CALL_MEMORY_AS(struct by_hand, call);
	const struct link *l = account_link(a, &x->id);
	const struct name to = {view_str(x->issuer), view_str(x->subject), view_of(NULL, 0)};
	struct asked asked;

	if (l == NULL) {
		call_not_found(call, "link");
		return;
	}
	struct rekey r = {.link_no = l->no, .subject = x->claim, .author = AUTHOR_ADMIN, .undo = x->undo,
	    .taken = x->taken || (!x->undo && txn_taken(t, &x->claim))};

	call_asked(call, &asked);
	decide_link_rekey(&asked, a, &r, &d);
	if (d.replayed && x->undo) {
		call_conflict(call, "this link was not moved");
		return;
	}
	if (d.outcome == OUTCOME_PERMIT && d.events_n > 0)
		carry_out(t, a, call, l, &to, x->reason, &d);
	else
		txn_decision(t, a, &d, NULL);
	answer_moved(call, t, a, &d, account_link(a, &x->id));
}

static void
new_holder_found(void *ctx, enum cs_err err, const struct store_key *holder, bool tombstone)
{
	struct call *call = ctx;
	struct by_hand *x = CALL_MEMORY_AS(struct by_hand, call);

	if (err != CS_OK && err != CS_ERR_NOT_FOUND) {
		call_unavailable(call, "store");
		call_release(call);
		return;
	}
	x->taken = err == CS_OK && !tombstone && memcmp(holder->b, x->key.b, sizeof(holder->b)) != 0;
	txn_run_held(call->engine, &x->key, call, move_txn);
}

struct renamed {
	struct view issuer, subject;
};

struct asking {
	struct call *call;
	char provider[CONFIG_NAME_MAX + 1];
};

static void
renamed(struct engine *e, void *ctx, const struct worker_result *result)
{
	static const struct json_field fields[] = {
		{"issuer", JSON_F_ID, true, offsetof(struct renamed, issuer), 1, IDENTITY_TEXT_MAX},
		{"subject", JSON_F_ID, true, offsetof(struct renamed, subject), 1, IDENTITY_TEXT_MAX},
		{0},
	};
	struct asking asking = *(struct asking *)ctx;
	struct call *call = asking.call;
	struct by_hand *x = CALL_MEMORY_AS(struct by_hand, call);
	const char *issuer = provider_issuer(e, asking.provider);
	struct json_problem problem;
	struct renamed to;

	free(ctx);
	/* The transaction that asked is over, unless this comes at once: then who runs it releases the call. */
	if (!x->asking)
		call->txn = NULL;
	if (result->err == CS_ERR_DENIED) {
		call_conflict(call, "the provider does not know it under another name");
	} else if (result->err != CS_OK ||
	    json_bind(result->doc, result->parameters, fields, true, &to, &problem) != CS_OK) {
		call_unavailable(call, asking.provider);
	} else if (issuer != NULL && !view_equal(to.issuer, view_str(issuer))) {
		log_error("msg=\"a plugin's answer contradicts the question\" provider=%s what=issuer", asking.provider);
		*result->lied = true;
		call_unavailable(call, asking.provider);
	} else {
		memcpy(x->issuer, to.issuer.data, to.issuer.len);
		memcpy(x->subject, to.subject.data, to.subject.len);
		x->claim = subject_claim(e, asking.provider, to.issuer, to.subject);
		claim_holder(call, &x->claim, new_holder_found);
		return;
	}
	if (!x->asking)
		call_release(call);
}

/* The client that the provider's plugin is configured with. */
static const char *
client_of(const struct engine *e, uint64_t provider)
{
	for (uint16_t i = 0; i < e->rules->policy->services_n; i++) {
		const char *id = client_id_for_browser(e, e->rules->policy->services[i].tag, provider);

		if (id != NULL)
			return id;
	}
	return NULL;
}

static void
ask_provider(struct call *call, const struct texts *of, const struct link *l)
{
	static char bytes[WORKER_REQUEST_MAX];
	struct by_hand *x = CALL_MEMORY_AS(struct by_hand, call);
	struct engine *e = call->engine;
	struct buf text = buf_over(bytes, sizeof(bytes));
	struct json_writer w = json_to(&text);
	struct asking *asking = calloc(1, sizeof(*asking));
	const char *client = client_of(e, l->provider);

	CHECK(asking != NULL);
	snprintf(asking->provider, sizeof(asking->provider), "%s", ruleset_provider_name(e->rules, l->provider));
	json_object_begin(&w);
	json_member_str(&w, "issuer", of->of[TEXT_ISSUER]);
	json_member_str(&w, "subject", of->of[TEXT_SUBJECT]);
	if (x->proof.len > 0)
		json_member_str(&w, "proof", x->proof);
	json_member_str(&w, "client_id", client == NULL ? VIEW("") : view_str(client));
	json_member_int(&w, "now_ms", e->now.wall_ms);
	json_object_end(&w);
	CHECK(!text.full);
	asking->call = call;
	x->asking = true;
	workers_ask(e, view_str(asking->provider), "Rekey", view_of(text.data + 1, text.len - 2), renamed, asking);
	x->asking = false;
}

/* Nothing is decided here: the provider is asked first, on what the link is called now. */
static void
look_txn(struct txn *t, struct account *a, struct call *call)
{
	struct by_hand *x = CALL_MEMORY_AS(struct by_hand, call);
	const struct link *l = account_link(a, &x->id);
	static struct texts texts;
	const char *provider;

	if (l == NULL) {
		call_not_found(call, "link");
		return;
	}
	provider = ruleset_provider_name(call->engine->rules, l->provider);
	if (texts_from_cold(call->engine->keys, a, txn_cold(t), &l->id, &texts) != CS_OK) {
		call_conflict(call, "this link is revoked");
		return;
	}
	if (!workers_said(call->engine, view_str(provider)).rekeys) {
		call_conflict(call, "this provider's plugin cannot ask for a new subject: open a window with rekey-links, in "
		    "which sign-ins prove it");
		return;
	}
	ask_provider(call, &texts, l);
}

void
admin_rekey_link(struct call *call)
{
	static const struct json_field fields[] = {
		{"link", JSON_F_STRING, true, offsetof(struct by_hand, link), 0, 0},
		{"reason", JSON_F_ID, true, offsetof(struct by_hand, reason), 1, ADMIN_WORDS_MAX - 1},
		{"proof", JSON_F_ID, false, offsetof(struct by_hand, proof), 1, PROOF_MAX},
		{"undo", JSON_F_BOOL, false, offsetof(struct by_hand, undo), 0, 0},
		{0},
	};
	struct by_hand *x = CALL_MEMORY_AS(struct by_hand, call);
	struct id key;

	if (!call_bind(call, fields, x, sizeof(*x)) || !call_id(call, ID_LINK, x->link, "link", &x->key, &x->id))
		return;
	key = x->key;
	if (x->undo)
		txn_run(call->engine, &key, call, move_txn);
	else
		txn_run_held(call->engine, &key, call_hold(call), look_txn);
}
