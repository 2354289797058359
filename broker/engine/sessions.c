/* SPDX-License-Identifier: Apache-2.0 */
/* org.countersign.Sessions: who is asking. A session says nothing about spending. */
#include "broker/engine/sessions.h"

#include <stdio.h>

#include "broker/base/check.h"
#include "broker/engine/answer.h"
#include "broker/engine/api.h"
#include "broker/engine/lookup.h"
#include "broker/engine/rekey.h"
#include "broker/engine/things.h"
#include "broker/engine/txn.h"

struct opening {
	struct identity who;
	struct signin *signin;
	session_end_fn *end;
	bool older;         /* the store is asked for the subject that it was */
};

/* The link of this person; one of the name before is brought up to date, if it may be. NULL with the answer given. */
static const struct link *
link_signed_in(struct txn *t, struct account *a, struct call *call, struct session_result *result, struct decision *d)
{
	struct opening *o = CALL_MEMORY_AS(struct opening, call);
	const struct link *l = link_of_subject(a, &o->who.claim);

	if (l == NULL && !id_zero(&o->who.was) && (l = link_of_subject(a, &o->who.was)) != NULL &&
	    !rekey_by_signin(t, a, call, l, &o->who, d)) {
		*result = (struct session_result){CS_OK, o->signin, t, a, l, d};
		l = NULL;
	}
	if (l == NULL)
		o->end(call, result);
	return l;
}

static void
open_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	struct opening *o = CALL_MEMORY_AS(struct opening, call);
	struct session_result result = {.err = CS_ERR_NOT_FOUND, .signin = o->signin};
	const struct link *l = link_signed_in(t, a, call, &result, &d);
	struct asked asked;

	if (l == NULL)
		return;
	evidence_of_signin(t, a, call, l->no, &o->who);
	call_asked(call, &asked);
	decide_session_open(&asked, a, l->no, o->who.auth_ms, &d);
	txn_decision(t, a, &d, NULL);
	result = (struct session_result){CS_OK, o->signin, t, a, l, &d};
	o->end(call, &result);
}

static void
holder_found(void *ctx, enum cs_err err, const struct store_key *holder, bool tombstone)
{
	struct call *call = ctx;
	struct opening *o = CALL_MEMORY_AS(struct opening, call);
	struct session_result result = {.err = CS_ERR_UNAVAILABLE, .signin = o->signin};
	struct id key;

	if (err == CS_OK && !tombstone) {
		memcpy(key.b, holder->b, sizeof(key.b));
		txn_run_held(call->engine, &key, call, open_txn);
		return;
	}
	/* Nobody has this name: perhaps somebody has the one before. */
	if ((err == CS_OK || err == CS_ERR_NOT_FOUND) && !o->older && !id_zero(&o->who.was)) {
		o->older = true;
		claim_holder(call, &o->who.was, holder_found);
		return;
	}
	if (err == CS_OK || err == CS_ERR_NOT_FOUND)
		result.err = CS_ERR_NOT_FOUND;
	o->end(call, &result);
	call_release(call);
}

void
session_open(struct call *call, struct signin *s, const struct identity *who, session_end_fn *end)
{
	struct opening *o = CALL_MEMORY_AS(struct opening, call);

	*o = (struct opening){*who, s, end, false};
	claim_holder(call, &who->claim, holder_found);
}

static void
answer_session(struct call *call, const struct txn *t, const struct account *a, const struct link *l,
    const struct id *session, const struct decision *d, int64_t expires_ms)
{
	struct json_writer w = call_reply(call);
	struct texts texts;

	answer_outcome(&w, d);
	if (d->outcome == OUTCOME_PERMIT) {
		answer_id(&w, "session", ID_SESSION, a, session);
		json_member_str(&w, "account", things_account(call->engine->keys, a, txn_cold(t), &texts));
		answer_id(&w, "link", ID_LINK, a, &l->id);
		answer_time(&w, "expires_at", expires_ms);
	}
	answer_detail(&w, a, d);
	call_end(call, &w);
}

static void
open_end(struct call *call, const struct session_result *r)
{
	signin_ends(call, r->signin);
	if (r->err == CS_ERR_NOT_FOUND)
		call_not_found(call, "link");
	else if (r->err != CS_OK)
		call_unavailable(call, "store");
	else
		answer_session(call, r->txn, r->account, r->link, &r->decision->id, r->decision,
		    r->decision->events_n > 0 ? r->decision->events[0].expires_ms : 0);
}

static void
open_identified(struct call *call, struct signin *s, const struct identity *who, const char *refusal)
{
	if (who != NULL) {
		session_open(call, s, who, open_end);
		return;
	}
	identify_failed(call, s, refusal);
	signin_end(call->engine, s);
	call_release(call);
}

void
sessions_open(struct call *call)
{
	struct proof proof;
	struct signin *s = proof_bind(call, SIGNIN_SESSION, &proof);

	if (s != NULL)
		identify(call_hold(call), s, &proof, open_identified);
}

struct begin {
	struct view provider, return_url;
};

void
sessions_begin(struct call *call)
{
	static const struct json_field fields[] = {
		{"provider", JSON_F_ID, true, offsetof(struct begin, provider), 1, CONFIG_NAME_MAX},
		{"return_url", JSON_F_ID, false, offsetof(struct begin, return_url), 1, SIGNIN_RETURN_URL_MAX},
		{0},
	};
	struct begin *b = CALL_MEMORY_AS(struct begin, call);
	struct json_writer w;
	struct signin *s;

	if (!call_bind(call, fields, b, sizeof(*b)))
		return;
	s = signin_for(call, SIGNIN_SESSION, b->provider, b->return_url);
	if (s == NULL)
		return;
	w = call_reply(call);
	answer_signin(&w, call->engine, s, true, true);
	call_end(call, &w);
}

/* What a browser brought home. */
static void
take_txn(struct txn *t, struct account *a, struct call *call)
{
	struct signin **at = CALL_MEMORY_AS(struct signin *, call), *s = *at;
	struct decision d = {.outcome = OUTCOME_PERMIT, .reason = REASON_ASKED};
	const struct session *session = account_session(a, &s->session);
	const struct link *l = session == NULL ? NULL : account_link_by_no(a, session->link_no);

	if (l == NULL)
		d = (struct decision){.outcome = OUTCOME_DENY, .reason = REASON_SESSION_REVOKED};
	answer_session(call, t, a, l, &s->session, &d,
	    l == NULL ? 0 : session->opened_ms + call->engine->rules->policy->session_max_ms);
	signin_ends(call, s);
}

static void
take_failed(struct call *call, struct signin *s)
{
	struct decision d = {.outcome = OUTCOME_DENY, .reason = s->reason};
	const char *refusal = s->refusal;

	if (s->reason == REASON_NONE && refusal == NULL)
		call_not_found(call, "link");
	else if (s->reason == REASON_UNAVAILABLE)
		call_unavailable(call, ruleset_provider_name(call->engine->rules, s->provider));
	else if (refusal != NULL)
		call_invalid(call, "sign_in", refusal);
	else
		answer_session(call, NULL, NULL, NULL, NULL, &d, 0);
	signin_end(call->engine, s);
}

void
sessions_take(struct call *call)
{
	static const struct json_field fields[] = {{"sign_in", JSON_F_STRING, true, 0, 0, 0}, {0}};
	struct signin **at = CALL_MEMORY_AS(struct signin *, call), *s;
	struct view text;

	if (!call_bind(call, fields, &text, sizeof(text)) || (s = signin_of(call, SIGNIN_SESSION, text)) == NULL)
		return;
	switch ((enum signin_state)s->state) {
	case SIGNIN_HOME:
		/* Nobody else takes it meanwhile; it ends with the answer. */
		s->state = SIGNIN_CHECKING;
		*at = s;
		txn_run(call->engine, &s->session_account, call, take_txn);
		break;
	case SIGNIN_FAILED:
		take_failed(call, s);
		break;
	default:
		call_conflict(call, "sign_in");
		break;
	}
}

struct close {
	struct id key, session;
};

static void
close_txn(struct txn *t, struct account *a, struct call *call)
{
	struct close *c = CALL_MEMORY_AS(struct close, call);
	const struct session *s = account_session(a, &c->session);
	struct decision d;
	struct asked asked;

	if (s == NULL || s->service != call->caller.service) {
		call_not_found(call, "session");
		return;
	}
	call_asked(call, &asked);
	decide_session_close(&asked, a, &c->session, &d);
	txn_narrows(t);
	txn_decision(t, a, &d, NULL);
	call_done(call);
}

void
sessions_close(struct call *call)
{
	static const struct json_field fields[] = {{"session", JSON_F_STRING, true, 0, 0, 0}, {0}};
	struct close *c = CALL_MEMORY_AS(struct close, call);
	struct view text;

	if (call_bind(call, fields, &text, sizeof(text)) &&
	    call_id(call, ID_SESSION, text, "session", &c->key, &c->session))
		txn_run(call->engine, &c->key, call, close_txn);
}
