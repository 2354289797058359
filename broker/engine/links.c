/* SPDX-License-Identifier: Apache-2.0 */
/* org.countersign.Links: binding third-party IDs to an account. A link alone never permits spending. */
#include "broker/engine/links.h"

#include "broker/base/check.h"
#include "broker/core/room.h"
#include "broker/engine/api.h"
#include "broker/engine/listing.h"
#include "broker/engine/lookup.h"
#include "broker/engine/notify.h"
#include "broker/engine/rekey.h"
#include "broker/engine/risk.h"
#include "broker/engine/stepup.h"
#include "broker/engine/things.h"

enum { REASON_TEXT_MAX = 128 };

void
answer_link(struct json_writer *w, const char *name, struct call *call, const struct txn *t, const struct account *a,
    const struct link *l)
{
	struct engine *e = call->engine;
	struct texts texts;

	if (name != NULL)
		json_key(w, view_str(name));
	json_object_begin(w);
	answer_id(w, "id", ID_LINK, a, &l->id);
	json_member_str(w, "account", things_account(e->keys, a, txn_cold(t), &texts));
	json_member_str(w, "provider", view_str(ruleset_provider_name(e->rules, l->provider)));
	json_member_str(w, "state", view_str(link_state_name(e, l)));
	answer_time(w, "since", l->since_ms);
	if (l->state == LINK_ACTIVE && l->usable_ms > e->now.wall_ms)
		answer_time(w, "usable_from", l->usable_ms);
	answer_evidence(w, e, a, txn_cold(t), l);
	json_object_end(w);
}

/* ---- Begin ---- */

struct begin {
	struct view account, provider, return_url;
	bool native;
	struct id key;
};

static void
begin_txn(struct txn *t, struct account *a, struct call *call)
{
	struct begin *b = CALL_MEMORY_AS(struct begin, call);
	struct json_writer w;
	struct signin *s;

	(void)t;
	if (a->status == ACCOUNT_NONE) {
		call_not_found(call, "account");
		return;
	}
	s = signin_for(call, SIGNIN_LINK, b->provider, b->return_url);
	if (s == NULL)
		return;
	s->native = b->native;
	s->account = b->key;
	w = call_reply(call);
	answer_signin(&w, call->engine, s, b->native, !b->native);
	call_end(call, &w);
}

void
links_begin(struct call *call)
{
	static const struct json_field fields[] = {
		{"account", JSON_F_ID, true, offsetof(struct begin, account), 1, OUTSIDE_ID_MAX},
		{"provider", JSON_F_ID, true, offsetof(struct begin, provider), 1, CONFIG_NAME_MAX},
		{"return_url", JSON_F_ID, false, offsetof(struct begin, return_url), 1, SIGNIN_RETURN_URL_MAX},
		{"native", JSON_F_BOOL, false, offsetof(struct begin, native), 0, 0},
		{0},
	};
	struct begin *b = CALL_MEMORY_AS(struct begin, call);

	if (!call_bind(call, fields, b, sizeof(*b)))
		return;
	if (!b->native && call->engine->rules->config->public_url == NULL) {
		call_invalid(call, "native", "must be true: this broker has no HTTPS to send a browser to");
		return;
	}
	b->key = account_key_of(call->engine, b->account);
	txn_run(call->engine, &b->key, call, begin_txn);
}

/* ---- Complete ---- */

struct proposing {
	struct identity who;
	struct signin *signin;
	link_end_fn *end;
	bool taken;         /* another account holds this subject, or the one that it was */
	bool older;         /* the store is asked for the one that it was */
};

/* Everything that the countersignature of a link is for. */
static void
link_content(const struct call *call, const struct account *a, const struct link *l, struct view what, struct hash *to)
{
	struct view parts[] = {what, view_of(&call->caller.service, sizeof(call->caller.service)),
	    view_of(a->key.b, sizeof(a->key.b)), view_of(&l->provider, sizeof(l->provider)),
	    view_of(l->subject.b, sizeof(l->subject.b))};

	keyring_digest(call->engine->keys, DIGEST_CONTENT, parts, sizeof(parts) / sizeof(parts[0]), to);
}

/* What the card of a link's challenge shows: whose ID, and which account it opens. */
static void
link_card(const struct engine *e, const struct account *a, struct view cold, const struct link *l, struct texts *of_link,
    struct texts *own, struct texts *card)
{
	texts_init(card);
	if (texts_from_cold(e->keys, a, cold, &l->id, of_link) == CS_OK) {
		card->of[TEXT_ISSUER] = of_link->of[TEXT_ISSUER];
		card->of[TEXT_SUBJECT] = of_link->of[TEXT_SUBJECT];
		card->of[TEXT_LABEL] = of_link->of[TEXT_DISPLAY];
	}
	card->of[TEXT_ACCOUNT] = things_account(e->keys, a, cold, own);
}

/* The step-up of an operation on this link, opened with its card. */
static void
link_stepup(struct txn *t, struct account *a, struct call *call, const struct link *l, struct view return_url,
    struct decision *d)
{
	static struct texts of_link, own, card;

	link_card(call->engine, a, txn_cold(t), l, &of_link, &own, &card);
	if (return_url.len > 0)
		card.of[TEXT_RETURN_URL] = return_url;
	stepup_open(t, a, call, d, &card);
}

void
link_deny_taken(struct txn *t, struct account *a, const struct engine *e, uint64_t service, uint64_t provider)
{
	struct event ev = {.type = EVENT_DENIED, .reason = REASON_LINK_TAKEN, .op = OP_LINK,
	    .service = service, .provider = provider, .policy = e->rules->policy->digest};

	ev.time_ms = e->now.wall_ms > a->time_ms ? e->now.wall_ms : a->time_ms;
	txn_event(t, a, &ev, NULL);
}

/* The link as proposed, with its texts; those of a proposal that gave its place go. */
static void
note_proposal(struct txn *t, struct account *a, struct call *call, const struct identity *who, struct decision *d)
{
	static struct extra extra;
	struct texts texts;
	int place = room_link(a, &who->claim);

	texts_init(&texts);
	texts.of[TEXT_ISSUER] = view_str(who->issuer);
	texts.of[TEXT_SUBJECT] = view_str(who->subject);
	if (who->display[0] != '\0')
		texts.of[TEXT_DISPLAY] = view_str(who->display);
	extra_init(&extra);
	if (place >= 0 && place < a->links_n) {
		extra_drop(&extra, &a->links[place].id);
		evidence_drop(a, a->links[place].no, &extra);
	}
	texts_to_cold(call->engine->keys, a, &texts, &d->id, &extra);
	txn_decision(t, a, d, &extra);
}

static void
propose_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	struct proposing *p = CALL_MEMORY_AS(struct proposing, call);
	struct link_result result = {.err = CS_OK, .signin = p->signin, .txn = t, .account = a, .decision = &d};
	struct request r = {.op = OP_LINK};
	const struct risk_question risk = {.service = call->caller.service, .provider = p->signin->provider};
	struct asked asked;
	struct link *l;

	if (p->taken && a->status == ACCOUNT_OPEN) {
		link_deny_taken(t, a, call->engine, call->caller.service, p->signin->provider);
		d = (struct decision){.outcome = OUTCOME_DENY, .reason = REASON_LINK_TAKEN};
		p->end(call, &result);
		return;
	}
	/* This account has linked this person under another name: then that is what is brought up to date. */
	l = id_zero(&p->who.was) ? NULL : (struct link *)link_of_subject(a, &p->who.was);
	if (l != NULL && link_of_subject(a, &p->who.claim) == NULL) {
		if (rekey_by_signin(t, a, call, l, &p->who, &d)) {
			evidence_of_signin(t, a, call, l->no, &p->who);
			result.link = l;
		}
		p->end(call, &result);
		return;
	}
	if (risk_wait(a, call, OP_LINK, &risk, propose_txn))
		return;
	call_asked(call, &asked);
	decide_link_propose(&asked, a, p->signin->provider, &p->who.claim, &d);
	if (d.outcome != OUTCOME_PERMIT) {
		txn_decision(t, a, &d, NULL);
		p->end(call, &result);
		return;
	}
	r.link_no = r.target_no = d.no;
	note_proposal(t, a, call, &p->who, &d);
	evidence_of_signin(t, a, call, r.link_no, &p->who);
	l = account_link_by_no(a, r.link_no);
	CHECK(l != NULL);
	link_content(call, a, l, VIEW("link"), &r.content);
	decide(&asked, a, &r, &d);
	link_stepup(t, a, call, l, view_str(p->signin->return_url), &d);
	notify_decision(t, a, call, &(struct notice){.op = OP_LINK, .provider = p->signin->provider}, &d);
	result.link = account_link_by_no(a, r.link_no);
	p->end(call, &result);
}

/* Only another account's link is in the way here; the account's own is the decision's business. */
static void
holder_found(void *ctx, enum cs_err err, const struct store_key *holder, bool tombstone)
{
	struct call *call = ctx;
	struct proposing *p = CALL_MEMORY_AS(struct proposing, call);

	if (err != CS_OK && err != CS_ERR_NOT_FOUND) {
		struct link_result result = {.err = CS_ERR_UNAVAILABLE, .signin = p->signin};

		p->end(call, &result);
		call_release(call);
		return;
	}
	p->taken = err == CS_OK && !tombstone && memcmp(holder->b, p->signin->account.b, sizeof(holder->b)) != 0;
	/* Nobody is two: who is linked elsewhere by an older name is linked. */
	if (!p->taken && !p->older && !id_zero(&p->who.was)) {
		p->older = true;
		claim_holder(call, &p->who.was, holder_found);
		return;
	}
	txn_run_held(call->engine, &p->signin->account, call, propose_txn);
}

void
link_propose(struct call *call, struct signin *s, const struct identity *who, link_end_fn *end)
{
	struct proposing *p = CALL_MEMORY_AS(struct proposing, call);

	*p = (struct proposing){*who, s, end, false, false};
	claim_holder(call, &who->claim, holder_found);
}

static void
complete_end(struct call *call, const struct link_result *r)
{
	struct json_writer w;

	if (r->err != CS_OK) {
		call_unavailable(call, "store");
	} else {
		w = call_reply(call);
		stepup_outcome(&w, call, r->account, r->decision, view_str(r->signin->return_url));
		if (r->link != NULL && r->decision->outcome != OUTCOME_DENY)
			answer_link(&w, "link", call, r->txn, r->account, r->link);
		call_end(call, &w);
	}
	signin_ends(call, r->signin);
}

static void
complete_identified(struct call *call, struct signin *s, const struct identity *who, const char *refusal)
{
	if (who != NULL) {
		link_propose(call, s, who, complete_end);
		return;
	}
	identify_failed(call, s, refusal);
	signin_end(call->engine, s);
	call_release(call);
}

void
links_complete(struct call *call)
{
	struct proof proof;
	struct signin *s = proof_bind(call, SIGNIN_LINK, &proof);

	if (s == NULL)
		return;
	/* A sign-in for a browser is bound to that browser, and nothing that is handed in here is. */
	if (!s->native) {
		call_not_found(call, "sign_in");
		return;
	}
	identify(call_hold(call), s, &proof, complete_identified);
}

/* ---- what is there ---- */

struct named {
	struct view link, reason;
	struct id key, id;
};

static const struct json_field link_fields[] = {
	{"link", JSON_F_STRING, true, offsetof(struct named, link), 0, 0},
	{0},
};

/* Reads a link's id and runs fn on its account. */
static void
with_link(struct call *call, const struct json_field *fields, txn_fn *fn)
{
	struct named *n = CALL_MEMORY_AS(struct named, call);

	if (call_bind(call, fields, n, sizeof(*n)) && call_id(call, ID_LINK, n->link, "link", &n->key, &n->id))
		txn_run(call->engine, &n->key, call, fn);
}

/* The link that the call names; answers NotFound itself. */
static const struct link *
link_named(struct call *call, const struct account *a)
{
	struct named *n = CALL_MEMORY_AS(struct named, call);
	const struct link *l = account_link(a, &n->id);

	if (l == NULL)
		call_not_found(call, "link");
	return l;
}

static void
reply_link(struct call *call, const struct txn *t, const struct account *a)
{
	struct named *n = CALL_MEMORY_AS(struct named, call);
	struct json_writer w = call_reply(call);

	answer_link(&w, "link", call, t, a, account_link(a, &n->id));
	call_end(call, &w);
}

static void
get_txn(struct txn *t, struct account *a, struct call *call)
{
	if (link_named(call, a) != NULL)
		reply_link(call, t, a);
}

void
links_get(struct call *call)
{
	with_link(call, link_fields, get_txn);
}

static void
write_links(struct json_writer *w, struct call *call, struct txn *t, const struct account *a)
{
	for (size_t i = 0; i < a->links_n; i++)
		answer_link(w, NULL, call, t, a, &a->links[i]);
}

void
links_list(struct call *call)
{
	static const struct listing what = {"links", write_links};

	listing_answer(call, &what);
}

/* ---- taking power away ---- */

void
link_narrow(struct txn *t, struct account *a, struct call *call, const struct link *l, enum link_state to,
    struct view words)
{
	static struct decision d;
	static struct extra extra;
	bool held = l->state == LINK_ACTIVE || l->state == LINK_SUSPENDED;
	struct texts texts;
	struct asked asked;

	call_asked(call, &asked);
	decide_link_narrow(&asked, a, l->no, to, &d);
	if (d.events_n == 0)
		return;
	extra_init(&extra);
	texts_init(&texts);
	texts.of[TEXT_REASON] = words;
	if (words.data != NULL)
		texts_to_event(call->engine->keys, a, &texts, &extra);
	/* Who it was stays in the log; the subject is free for another account. */
	if (to == LINK_REVOKED) {
		extra_drop(&extra, &l->id);
		evidence_drop(a, l->no, &extra);
	}
	if (to == LINK_REVOKED && held)
		txn_claim(t, &l->subject, true);
	if (to == LINK_REVOKED && held && !id_zero(&l->was))
		txn_claim(t, &l->was, true);
	txn_narrows(t);
	txn_decision(t, a, &d, &extra);
}

static void
narrow(struct txn *t, struct account *a, struct call *call, enum link_state to)
{
	struct named *n = CALL_MEMORY_AS(struct named, call);
	const struct link *l = link_named(call, a);

	if (l == NULL)
		return;
	link_narrow(t, a, call, l, to, n->reason);
	reply_link(call, t, a);
}

static void
suspend_txn(struct txn *t, struct account *a, struct call *call)
{
	narrow(t, a, call, LINK_SUSPENDED);
}

static void
remove_txn(struct txn *t, struct account *a, struct call *call)
{
	narrow(t, a, call, LINK_REVOKED);
}

void
links_suspend(struct call *call)
{
	static const struct json_field fields[] = {
		{"link", JSON_F_STRING, true, offsetof(struct named, link), 0, 0},
		{"reason", JSON_F_ID, false, offsetof(struct named, reason), 1, REASON_TEXT_MAX},
		{0},
	};

	with_link(call, fields, suspend_txn);
}

void
links_remove(struct call *call)
{
	with_link(call, link_fields, remove_txn);
}

/* ---- Resume ---- */

/* Asked again after its countersignature, the decision finds that by its content. */
bool
link_resume(struct txn *t, struct account *a, struct call *call, const struct link *l, struct view return_url,
    txn_fn *again, struct decision *d)
{
	const struct id any = {{0}};
	struct asked asked;
	struct hash content;

	call_asked(call, &asked);
	link_content(call, a, l, VIEW("thaw"), &content);
	decide_thaw(&asked, a, l->no, AUTHOR_USER, &any, &content, d);
	/* Asked now, and decided again with what is said. */
	if (risk_wait_operation(a, call, OP_THAW, l->no, again))
		return false;
	if (d->outcome == OUTCOME_PERMIT)
		txn_decision(t, a, d, NULL);
	else
		link_stepup(t, a, call, l, return_url, d);
	notify_operation(t, a, call, OP_THAW, d);
	return true;
}

static void
resume_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	const struct link *l = link_named(call, a);
	struct json_writer w;
	uint32_t no;

	if (l == NULL)
		return;
	if (l->state == LINK_REVOKED || l->state == LINK_PROPOSED) {
		call_conflict(call, "link");
		return;
	}
	no = l->no;
	if (!link_resume(t, a, call, l, view_of(NULL, 0), resume_txn, &d))
		return;
	w = call_reply(call);
	stepup_outcome(&w, call, a, &d, view_of(NULL, 0));
	answer_link(&w, "link", call, t, a, account_link_by_no(a, no));
	call_end(call, &w);
}

void
links_resume(struct call *call)
{
	with_link(call, link_fields, resume_txn);
}
