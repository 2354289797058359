/* SPDX-License-Identifier: Apache-2.0 */
/* org.countersign.Factors, but for enrolment (enrol.c): the factors of an account, and what is done with one. */
#include "broker/engine/factors.h"

#include <stdio.h>

#include "broker/base/check.h"
#include "broker/engine/api.h"
#include "broker/engine/edge_text.h"
#include "broker/engine/listing.h"
#include "broker/engine/notify.h"
#include "broker/engine/risk.h"
#include "broker/engine/stepup.h"
#include "broker/engine/tell.h"
#include "broker/engine/things.h"

bool
factor_read_challenge(struct call *call, struct view text, const struct id *key, struct id *challenge)
{
	struct id account;

	if (text.data == NULL)
		return true;
	if (!call_id(call, ID_CHALLENGE, text, "challenge", &account, challenge))
		return false;
	if (id_equal(&account, key))
		return true;
	call_not_found(call, "challenge");
	return false;
}

bool
factor_own_challenge(struct call *call, const struct account *a, const struct id *challenge)
{
	const struct challenge *c = id_zero(challenge) ? NULL : account_challenge(a, challenge);

	if (id_zero(challenge) || (c != NULL && c->service == call->caller.service))
		return true;
	call_not_found(call, "challenge");
	return false;
}

void
factor_card(struct texts *card, const char *what, enum factor_kind kind, struct view label,
    char text[FACTOR_CARD_TEXT_MAX])
{
	int n = snprintf(text, FACTOR_CARD_TEXT_MAX, "%s%s%.*s", factor_kind_name(kind), label.len > 0 ? ": " : "",
	    (int)label.len, label.len > 0 ? label.data : "");

	CHECK(n > 0 && n < FACTOR_CARD_TEXT_MAX);
	texts_init(card);
	card->of[TEXT_WHAT] = view_str(what);
	card->of[TEXT_LABEL] = view_of(text, (size_t)n);
}

/* The linked IDs that it is not known to be independent of: with one of them it may fall. */
static void
put_dependent_on(struct json_writer *w, struct call *call, const struct account *a, const struct factor *f)
{
	const struct ruleset *rules = call->engine->rules;
	uint64_t said[ACCOUNT_LINKS_MAX];
	char text[EDGE_TEXT_MAX];
	struct asked asked;
	struct edge edge;
	size_t n = 0;

	call_asked(call, &asked);
	json_key(w, VIEW("dependent_on"));
	json_array_begin(w);
	for (size_t i = 0; i < a->links_n; i++) {
		const struct link *l = &a->links[i];
		bool again = false;

		for (size_t k = 0; k < n; k++)
			again |= said[k] == l->provider;
		if (again || (l->state != LINK_ACTIVE && l->state != LINK_SUSPENDED) ||
		    factor_stands(&asked, a, f, l->provider, &edge, NULL) == INDEPENDENT)
			continue;
		said[n++] = l->provider;
		json_object_begin(w);
		json_member_str(w, "provider", view_str(ruleset_provider_name(rules, l->provider)));
		json_member_str(w, "why", view_of(text, edge_text(rules, a, f, &edge, text)));
		json_object_end(w);
	}
	json_array_end(w);
}

void
answer_factor(struct json_writer *w, struct call *call, const struct account *a, const struct factor *f,
    struct view label)
{
	const struct engine *e = call->engine;
	int64_t now = e->now.wall_ms;

	json_object_begin(w);
	answer_id(w, "id", ID_FACTOR, a, &f->id);
	json_member_str(w, "kind", view_str(factor_kind_name((enum factor_kind)f->kind)));
	json_member_str(w, "label", label.data != NULL ? label : VIEW(""));
	json_member_str(w, "state", f->usable_ms > now ? VIEW("cooling_off") :
	    f->locked_until_ms > now ? VIEW("locked") : VIEW("active"));
	answer_time(w, "since", f->since_ms);
	answer_time(w, "usable_from", f->usable_ms);
	put_dependent_on(w, call, a, f);
	json_object_end(w);
}

struct named {
	struct view factor, challenge_text;
	struct id key, id, challenge;
};

static void
write_factors(struct json_writer *w, struct call *call, struct txn *t, const struct account *a)
{
	static struct texts texts;

	for (size_t i = 0; i < a->factors_n; i++) {
		if (factor_gone(a, &a->factors[i], call->engine->now.wall_ms))
			continue;
		(void)texts_from_cold(call->engine->keys, a, txn_cold(t), &a->factors[i].id, &texts);
		answer_factor(w, call, a, &a->factors[i], texts.of[TEXT_LABEL]);
	}
}

void
factors_list(struct call *call)
{
	static const struct listing what = {"factors", write_factors};

	listing_answer(call, &what);
}

/* What the challenge is for: this to happen to that factor, asked by this service. */
static void
content_of(struct call *call, const char *what, const struct account *a, const struct factor *f, struct hash *to)
{
	struct view parts[] = {view_str(what),
	    view_of(&call->caller.service, sizeof(call->caller.service)), view_of(a->key.b, sizeof(a->key.b)),
	    view_of(f->id.b, sizeof(f->id.b))};

	keyring_digest(call->engine->keys, DIGEST_CONTENT, parts, 4, to);
}

/* A permit takes what the factor left in the cold state with it; else the challenge, or the denial. */
static void
remove_commit(struct txn *t, struct account *a, struct call *call, const struct factor *f, struct decision *d)
{
	static struct extra extra;
	static struct texts card, own;
	struct engine *e = call->engine;
	struct id id = f->id, secret = things_secret(&f->id), device = things_device(&f->id);
	enum factor_kind kind;
	uint32_t no;
	char text[FACTOR_CARD_TEXT_MAX];

	(void)texts_from_cold(e->keys, a, txn_cold(t), &f->id, &own);
	if (d->outcome != OUTCOME_PERMIT) {
		factor_card(&card, "factor_removal", (enum factor_kind)f->kind, own.of[TEXT_LABEL], text);
		stepup_open(t, a, call, d, &card);
		return;
	}
	extra_init(&extra);
	texts_to_event(e->keys, a, &own, &extra);
	extra_drop(&extra, &id);
	extra_drop(&extra, &secret);
	if (f->kind == FACTOR_APPROVE)
		extra_drop(&extra, &device);
	no = f->no;
	kind = (enum factor_kind)f->kind;
	txn_decision(t, a, d, &extra);
	tell_others(t, a, call, "factor_removed", no, view_str(factor_kind_name(kind)));
}

static void
remove_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	struct named *n = CALL_MEMORY_AS(struct named, call);
	const struct factor *f = account_factor(a, &n->id);
	struct hash content;
	struct asked asked;
	struct json_writer w;

	if (f == NULL || factor_gone(a, f, call->engine->now.wall_ms)) {
		call_not_found(call, "factor");
		return;
	}
	if (!factor_own_challenge(call, a, &n->challenge))
		return;
	content_of(call, "factor_removal", a, f, &content);
	call_asked(call, &asked);
	decide_factor_remove(&asked, a, f->no, &n->challenge, &content, &d);
	if (risk_wait_operation(a, call, OP_FACTOR, 0, remove_txn))
		return;
	remove_commit(t, a, call, f, &d);
	notify_operation(t, a, call, OP_FACTOR, &d);
	w = call_reply(call);
	stepup_outcome(&w, call, a, &d, view_of(NULL, 0));
	call_end(call, &w);
}

static void
unlock_commit(struct txn *t, struct account *a, struct call *call, const struct factor *f, struct decision *d)
{
	const enum factor_kind kind = (enum factor_kind)f->kind;
	const uint32_t no = f->no;

	txn_decision(t, a, d, NULL);
	tell_others(t, a, call, "factor_unlocked", no, view_str(factor_kind_name(kind)));
}

static void
unlock_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	static struct texts card, own;
	struct named *n = CALL_MEMORY_AS(struct named, call);
	const struct factor *f = account_factor(a, &n->id);
	char text[FACTOR_CARD_TEXT_MAX];
	struct hash content;
	struct asked asked;
	struct json_writer w;

	if (f == NULL || factor_gone(a, f, call->engine->now.wall_ms)) {
		call_not_found(call, "factor");
		return;
	}
	if (!factor_own_challenge(call, a, &n->challenge))
		return;
	content_of(call, "factor_unlock", a, f, &content);
	call_asked(call, &asked);
	decide_factor_unlock(&asked, a, f->no, &n->challenge, &content, &d);
	if (risk_wait_operation(a, call, OP_FACTOR, 0, unlock_txn))
		return;
	(void)texts_from_cold(call->engine->keys, a, txn_cold(t), &f->id, &own);
	factor_card(&card, "factor_unlock", (enum factor_kind)f->kind, own.of[TEXT_LABEL], text);
	if (d.outcome == OUTCOME_PERMIT)
		unlock_commit(t, a, call, f, &d);
	else
		stepup_open(t, a, call, &d, &card);
	notify_operation(t, a, call, OP_FACTOR, &d);
	w = call_reply(call);
	stepup_outcome(&w, call, a, &d, view_of(NULL, 0));
	call_end(call, &w);
}

static void
run_named(struct call *call, txn_fn *fn)
{
	static const struct json_field fields[] = {
		{"factor", JSON_F_STRING, true, offsetof(struct named, factor), 0, 0},
		{"challenge", JSON_F_STRING, false, offsetof(struct named, challenge_text), 0, 0},
		{0},
	};
	struct named *n = CALL_MEMORY_AS(struct named, call);

	if (call_bind(call, fields, n, sizeof(*n)) &&
	    call_id(call, ID_FACTOR, n->factor, "factor", &n->key, &n->id) &&
	    factor_read_challenge(call, n->challenge_text, &n->key, &n->challenge))
		txn_run(call->engine, &n->key, call, fn);
}

void
factors_remove(struct call *call)
{
	run_named(call, remove_txn);
}

void
factors_unlock(struct call *call)
{
	run_named(call, unlock_txn);
}
