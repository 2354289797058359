/* SPDX-License-Identifier: Apache-2.0 */
/* Answers to a challenge: read, given to their plugins, looked at again, and decided. */
#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/engine/enrolment.h"
#include "broker/engine/links.h"
#include "broker/engine/notify.h"
#include "broker/engine/prompt.h"
#include "broker/engine/proof.h"
#include "broker/engine/risk.h"
#include "broker/engine/stepup.h"
#include "broker/engine/things.h"

bool
stepup_read_answers(struct call *call, uint32_t array, struct stepup *s)
{
	struct given {
		struct view step, value;
	} given;
	static const struct json_field fields[] = {
		{"step", JSON_F_ID, true, offsetof(struct given, step), 1, ID_TEXT_MAX},
		{"value", JSON_F_ID, true, offsetof(struct given, value), 1, PROOF_ANSWER_MAX},
		{0},
	};
	struct json_problem problem = {0};
	uint32_t at = json_first(&call->doc, array);

	if (json_token_at(&call->doc, array)->count > STEPUP_ANSWERS_MAX || at == 0) {
		call_invalid(call, "answers", "must be one to four answers");
		return false;
	}
	for (; s->answers_n < json_token_at(&call->doc, array)->count; at = json_next(&call->doc, at)) {
		given = (struct given){0};
		if (json_type(&call->doc, at) != JSON_OBJECT ||
		    json_bind(&call->doc, at, fields, false, &given, &problem) != CS_OK) {
			call_invalid(call, "answers", "each is {step, value}, the value at most 12 KiB");
			return false;
		}
		s->answers[s->answers_n].step = given.step;
		s->answers[s->answers_n++].value = given.value;
	}
	return true;
}

static void
reply_state(struct call *call, struct txn *t, const struct account *a, enum reason reason, int64_t until_ms)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	const struct engine *e = call->engine;
	const struct challenge *c = account_challenge(a, &s->id);
	const char *state = stepup_state(e, a, c);
	struct json_writer w = call_reply(call);

	json_member_str(&w, "state", view_str(state));
	if (reason != REASON_NONE)
		json_member_str(&w, "reason", view_str(reason_name(reason)));
	if (s->more == NULL && stepup_open_now(e, a, c))
		prompt_steps(&w, call, t, a, c);
	json_member_int(&w, "attempts_left", prompt_attempts_left(e, a, c));
	if (until_ms > e->now.wall_ms)
		json_member_int(&w, "retry_after_ms", until_ms - e->now.wall_ms);
	if (s->more != NULL)
		s->more(&w, call, view_str(state));
	call_end(call, &w);
}

static void answer_checked(struct engine *e, void *ctx, const struct worker_result *result);

/* The factor that an answer is for, if it may answer this challenge now; answers the call itself. */
static const struct factor *
answering(struct call *call, struct txn *t, struct account *a, const struct challenge *c)
{
	static struct decision d;
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct answer answer = {.challenge = s->id};
	const struct factor *f = NULL;
	struct asked asked;
	struct id key;
	enum reason reason;
	int64_t until_ms;

	if (id_parse(ID_FACTOR, s->answers[s->at].step, &key, &s->factor) == CS_OK && id_equal(&key, &a->key))
		f = account_factor(a, &s->factor);
	if (f == NULL || f->removed) {
		call_not_found(call, "step");
		return NULL;
	}
	if (!proof_answer_fits((enum factor_kind)f->kind, s->answers[s->at].value)) {
		call_invalid(call, "answers", "the value is longer than an answer of this factor");
		return NULL;
	}
	stepup_asked(call, c, &asked);
	reason = decide_may_answer(&asked, a, c, f, &until_ms);
	if (reason == REASON_NONE)
		return f;
	/* No plugin is asked, so nobody learns whether it was right; that somebody tried is an event. */
	answer.factor_no = f->no;
	decide_answer(&asked, a, &answer, &d);
	CHECK(d.outcome == OUTCOME_DENY && d.reason == reason);
	txn_decision(t, a, &d, NULL);
	reply_state(call, t, a, reason, until_ms);
	return NULL;
}

/* Gives the answer to its plugin, with the secret of this very factor of this very account. */
static void
ask_txn(struct txn *t, struct account *a, struct call *call)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct engine *e = call->engine;
	const struct challenge *c = stepup_find(call, a, s);
	const struct factor *f;
	uint8_t bytes[ENROLMENT_SECRET_MAX];
	struct buf secret = buf_over(bytes, sizeof(bytes));

	if (c == NULL || (f = answering(call, t, a, c)) == NULL)
		return;
	if (things_secret_open(e->keys, a, txn_cold(t), &f->id, &secret) != CS_OK || secret.full) {
		call_unavailable(call, "factor");
	} else {
		s->asked_ms = e->now.wall_ms;
		s->asking = true;
		proof_ask(e, (enum factor_kind)f->kind, buf_view(&secret), s->answers[s->at].value, f->last_step, c,
		    answer_checked, call);
		s->asking = false;
	}
	secret_wipe(bytes, sizeof(bytes));
}

/* The engine's own look at what the plugin said yes to. */
static bool
right_again(struct call *call, struct txn *t, const struct account *a, const struct factor *f)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct verdict v = {.yes = s->yes, .step = s->step};
	uint8_t bytes[ENROLMENT_SECRET_MAX];
	struct buf secret = buf_over(bytes, sizeof(bytes));
	bool right = things_secret_open(call->engine->keys, a, txn_cold(t), &f->id, &secret) == CS_OK && !secret.full &&
	    proof_again(call->engine, (enum factor_kind)f->kind, buf_view(&secret), s->answers[s->at].value, &v,
	        s->asked_ms);

	secret_wipe(bytes, sizeof(bytes));
	return right;
}

static void decide_txn(struct txn *t, struct account *a, struct call *call);

/*
 * The last answer about a link or an allowance carries it out by its service's stack: that is asked with scores of now,
 * not with those of when the user was prompted. True: the call waits for them.
 */
static bool
scores_wait(const struct account *a, struct call *call, const struct challenge *c)
{
	const struct allowance *w = c->op == OP_GRANT ? account_allowance_by_no(a, c->target_no) : NULL;
	const struct risk_question q = {.service = c->service, .session = &c->session, .link_no = c->link_no,
	    .currency = w == NULL ? 0 : w->currency, .amount_minor = w == NULL ? 0 : w->total_minor};

	return (c->op == OP_LINK || c->op == OP_GRANT) && risk_wait(a, call, (enum op)c->op, &q, decide_txn);
}

static void
decide_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	const struct challenge *c = stepup_find(call, a, s);
	const struct factor *f;
	const struct link *l;
	struct answer answer = {.challenge = s->id, .step = s->step};
	struct asked asked;

	if (c == NULL)
		return;
	f = account_factor(a, &s->factor);
	if (f == NULL) {
		call_not_found(call, "step");
		return;
	}
	answer.factor_no = f->no;
	answer.right = right_again(call, t, a, f);
	l = account_link_by_no(a, c->target_no);
	if (answer.right && c->op == OP_LINK && l != NULL && txn_taken(t, &l->subject)) {
		link_deny_taken(t, a, call->engine, c->service, l->provider);
		reply_state(call, t, a, REASON_LINK_TAKEN, 0);
		return;
	}
	if (answer.right && scores_wait(a, call, c))
		return;
	stepup_asked(call, c, &asked);
	decide_answer(&asked, a, &answer, &d);
	txn_decision(t, a, &d, NULL);
	c = account_challenge(a, &s->id);
	notify_decision(t, a, call, &(struct notice){.op = (enum op)c->op, .service = c->service}, &d);
	l = account_link_by_no(a, c->target_no);
	/* The link is active from this commit on, or, where another account holds the subject, not at all. */
	if (d.reason == REASON_COUNTERSIGNED && c->op == OP_LINK && l != NULL && l->state == LINK_ACTIVE)
		txn_claim(t, &l->subject, false);
	if (d.reason == REASON_ASKED && ++s->at < s->answers_n) {
		/* The next plugin is asked once this answer counts. */
		txn_then(t, call, ask_txn);
		return;
	}
	reply_state(call, t, a, d.outcome == OUTCOME_DENY ? (enum reason)d.reason : REASON_NONE, d.detail.until_ms);
}

static void
answer_checked(struct engine *e, void *ctx, const struct worker_result *result)
{
	struct call *call = ctx;
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct verdict v;

	if (proof_verdict(result, &v) != CS_OK) {
		/* The transaction that asked is over, unless this comes at once: then who runs it releases the call. */
		if (!s->asking)
			call->txn = NULL;
		call_unavailable(call, "factor");
		if (!s->asking)
			call_release(call);
		return;
	}
	/* Only an enrolment may change what is kept: a plugin that tries now is given up, and its word with it. */
	if (v.secret.data != NULL)
		*result->lied = true;
	s->yes = v.yes && v.secret.data == NULL;
	s->step = v.step;
	txn_run_held(e, &s->key, call, decide_txn);
}

void
stepup_answer(struct call *call)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct id key = s->key;

	txn_run_held(call->engine, &key, call_hold(call), ask_txn);
}
