/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers to a challenge: read, given to their plugins one after the other, looked at again, and decided all at once. A
 * prompt for several factors takes their answers together, in one round: either all of them are right and count, or the
 * round is wrong, and nothing says which of them it was. For the same reason every factor of a wrong round is counted as
 * failed.
 */
#include "broker/base/base64url.h"
#include "broker/base/check.h"
#include "broker/base/secret.h"
#include "broker/engine/card.h"
#include "broker/engine/device.h"
#include "broker/engine/enrolment.h"
#include "broker/engine/links.h"
#include "broker/engine/notify.h"
#include "broker/engine/prompt.h"
#include "broker/engine/proof.h"
#include "broker/engine/risk.h"
#include "broker/engine/stepup.h"
#include "broker/engine/talk.h"
#include "broker/engine/tell.h"
#include "broker/engine/things.h"

/* ---- replying -------------------------------------------------------------------------------- */

void
stepup_reply(struct call *call, struct txn *t, const struct account *a, enum reason reason, int64_t retry_after_ms)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	const struct engine *e = call->engine;
	const struct challenge *c = account_challenge(a, &s->id);
	const char *state = stepup_state(e, a, c);
	struct json_writer w = call_reply(call);

	json_member_str(&w, "state", view_str(state));
	if (reason != REASON_NONE)
		json_member_str(&w, "reason", view_str(reason_name(reason)));
	if (s->stale)
		json_member_bool(&w, "stale", true);
	if (stepup_open_now(e, a, c) && !s->device)
		prompt_steps(&w, call, t, a, c);
	json_member_int(&w, "attempts_left", prompt_attempts_left(e, a, c));
	json_member_int(&w, "round", prompt_round(c));
	json_member_int(&w, "need", prompt_missing(c));
	if (retry_after_ms > 0)
		json_member_int(&w, "retry_after_ms", retry_after_ms);
	if (s->more != NULL)
		s->more(&w, call, view_str(state));
	call_end(call, &w);
}

static void
reply_until(struct call *call, struct txn *t, const struct account *a, enum reason reason, int64_t until_ms)
{
	stepup_reply(call, t, a, reason, until_ms - call->engine->now.wall_ms);
}

/* ---- asking the plugins ---------------------------------------------------------------------- */

static void answer_checked(struct engine *e, void *ctx, const struct worker_result *result);

const struct factor *
stepup_factor(struct call *call, const struct account *a, struct view step, struct id *id)
{
	const struct factor *f = NULL;
	struct id key;

	if (id_parse(ID_FACTOR, step, &key, id) == CS_OK && id_equal(&key, &a->key))
		f = account_factor(a, id);
	if (f != NULL && !factor_gone(a, f, call->engine->now.wall_ms))
		return f;
	call_not_found(call, "step");
	return NULL;
}

/* The factor that an answer is for, if it may answer this challenge now; answers the call itself. */
static const struct factor *
answering(struct call *call, struct txn *t, struct account *a, const struct challenge *c)
{
	static struct decision d;
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct answer answer = {.challenge = s->id};
	const struct factor *f = stepup_factor(call, a, s->answers[s->at].step, &s->answers[s->at].factor);
	struct asked asked;
	enum reason reason;
	int64_t until_ms;

	if (f == NULL)
		return NULL;
	if (f->kind == FACTOR_APPROVE && !s->device) {
		call_invalid(call, "answers", "a step of type approve is answered on its device, and nowhere else");
		return NULL;
	}
	if (!proof_answer_fits((enum factor_kind)f->kind, stepup_value(s, s->at))) {
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
	reply_until(call, t, a, reason, until_ms);
	return NULL;
}

static bool
is_answered(const struct stepup *s, const struct id *factor)
{
	for (size_t i = 0; i < s->answers_n; i++) {
		if (id_equal(&s->answers[i].factor, factor))
			return true;
	}
	return false;
}

/* Conversations that are over, and about which nothing was said, count with the answers of this round. */
static size_t
unsaid(const struct engine *e, const struct stepup *s)
{
	size_t n = 0;

	for (const struct talk *talk = talk_unsaid(e, &s->id, NULL); talk != NULL; talk = talk_unsaid(e, &s->id, talk))
		n += !is_answered(s, &talk->factor);
	return n;
}

/* Whether what is missing beside these answers may come from a device of the owner's. */
static bool
waits_for_device(struct call *call, const struct account *a, const struct challenge *c)
{
	struct asked asked;
	int64_t until_ms;

	stepup_asked(call, c, &asked);
	for (size_t i = 0; i < a->factors_n; i++) {
		if (a->factors[i].kind == FACTOR_APPROVE &&
		    decide_may_answer(&asked, a, c, &a->factors[i], &until_ms) == REASON_NONE)
			return true;
	}
	return false;
}

/* All answers that are missing, in one round; or the next one of a conversation. Answers the call itself. */
static bool
round_is_whole(struct call *call, struct txn *t, const struct account *a, const struct challenge *c)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	const struct talk *talk;

	if (!stepup_open_now(call->engine, a, c))
		return true;
	for (size_t i = 0; i < s->answers_n; i++) {
		if (stepup_factor(call, a, s->answers[i].step, &s->answers[i].factor) == NULL)
			return false;
		for (size_t k = 0; k < i; k++) {
			if (!id_equal(&s->answers[k].factor, &s->answers[i].factor))
				continue;
			call_invalid(call, "answers", "must be one answer a step, or one for each of its prompts");
			return false;
		}
	}
	s->whole = s->answers_n + unsaid(call->engine, s) >= (size_t)prompt_missing(c);
	if (s->whole || s->device)
		return true;
	talk = talk_find(call->engine, &c->id, &s->answers[0].factor);
	if (s->answers_n == 1 && talk != NULL && !talk->sends)
		return true;
	if (waits_for_device(call, a, c))
		/* The approval comes first: nothing is looked at, and nothing is counted. */
		stepup_reply(call, t, a, REASON_ASKED, 0);
	else
		call_invalid(call, "answers", "must be those of all factors that are needed, in one call");
	return false;
}

/* A prompt that must be begun was, and every part of it is answered. Answers the call itself. */
static bool
prompt_is_ready(struct call *call, struct txn *t, const struct account *a, const struct factor *f)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	const struct stepup_answer *answer = &s->answers[s->at];
	const struct talk *talk = talk_find(call->engine, &s->id, &f->id);

	if (!proof_said(call->engine, (enum factor_kind)f->kind).begins)
		return true;
	if (!talk_begun(call->engine, talk) || talk->busy) {
		/* Nothing was sent, or a restart lost it: the step says so, and nothing is counted. */
		stepup_reply(call, t, a, REASON_NONE, 0);
		return false;
	}
	if (answer->parts == talk->asks)
		return true;
	call_invalid(call, "answers", "must be one for each prompt of a step, told apart by `prompt`");
	return false;
}

/* What is asked about answer i, with the memory that it needs. */
struct question {
	struct proof_question of;
	uint8_t secret[ENROLMENT_SECRET_MAX], card[CARD_BYTES_MAX];
};

static bool
question_make(struct question *q, struct call *call, struct view cold, const struct account *a,
    const struct challenge *c, const struct factor *f, size_t i)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	const struct engine *e = call->engine;
	const struct talk *talk = talk_find(e, &c->id, &f->id);
	struct device_numbers numbers;
	struct buf secret = buf_over(q->secret, sizeof(q->secret)), card = buf_over(q->card, sizeof(q->card));

	card_write(e, a, cold, c, &card);
	device_numbers(e->keys, &c->id, &numbers);
	q->of = (struct proof_question){.kind = (enum factor_kind)f->kind, .answer = stepup_value(s, i),
	    .last_step = f->last_step, .challenge = c, .card = buf_view(&card),
	    .number = f->kind == FACTOR_APPROVE ? numbers.right : 0};
	if (talk != NULL && talk->state_len > 0)
		q->of.state = view_of(talk->state, talk->state_len);
	if (things_secret_open(e->keys, a, cold, &f->id, &secret) != CS_OK || secret.full)
		return false;
	q->of.secret = buf_view(&secret);
	return true;
}

/* Gives the answer to its plugin, with the secret of this very factor of this very account. */
static void
ask_txn(struct txn *t, struct account *a, struct call *call)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct engine *e = call->engine;
	const struct challenge *c = stepup_find(call, a, s);
	const struct factor *f;
	struct question q;

	if (c == NULL)
		return;
	if (s->at == 0 && s->round > 0 && s->round != prompt_round(c)) {
		/* The same answers twice, or a page that was left open: what became of it, and nothing is counted. */
		s->stale = true;
		stepup_reply(call, t, a, REASON_NONE, 0);
		return;
	}
	if ((s->at == 0 && !round_is_whole(call, t, a, c)) || (f = answering(call, t, a, c)) == NULL ||
	    !prompt_is_ready(call, t, a, f))
		return;
	if (!question_make(&q, call, txn_cold(t), a, c, f, s->at)) {
		call_unavailable(call, "factor");
	} else {
		s->answers[s->at].asked_ms = e->now.wall_ms;
		s->answers[s->at].last_step = q.of.last_step;
		s->asking = true;
		proof_ask(e, &q.of, answer_checked, call);
		s->asking = false;
	}
	secret_wipe(&q, sizeof(q));
}

/* ---- deciding -------------------------------------------------------------------------------- */

/*
 * The engine's own look at what the plugin said yes to. A yes that does not hold by what it was told was a lie. A code or a
 * counter that was used meanwhile, by the same answer sent twice, is as wrong as any other, and nobody's lie.
 */
static bool
right_again(struct call *call, struct txn *t, const struct account *a, const struct challenge *c,
    const struct factor *f, size_t i)
{
	const struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct verdict v = {.yes = s->answers[i].yes, .step = s->answers[i].step_no};
	struct question q;
	/* Of one that is over the card says another end; and nothing is decided on it any more. */
	bool made = stepup_open_now(call->engine, a, c) && question_make(&q, call, txn_cold(t), a, c, f, i), right;

	q.of.last_step = s->answers[i].last_step;
	right = made && proof_again(call->engine, &q.of, &v, s->answers[i].asked_ms);
	secret_wipe(&q, sizeof(q));
	if (v.yes && made && !right)
		workers_lied(call->engine, s->answers[i].server);
	return right && !decide_step_used(f, v.step);
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

/* Whether all answers of the round are right; false in *there where a factor is gone meanwhile, and the call is answered. */
static bool
all_right(struct call *call, struct txn *t, const struct account *a, const struct challenge *c, bool *there)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	bool right = true;

	*there = true;
	for (size_t i = 0; i < s->answers_n; i++) {
		const struct factor *f = account_factor(a, &s->answers[i].factor);

		if (f == NULL) {
			call_not_found(call, "step");
			*there = false;
			return false;
		}
		right &= s->answers[i].kept ? s->answers[i].yes : right_again(call, t, a, c, f, i);
	}
	return right;
}

/* Nothing is said until the others have answered too. */
static void
keep_unsaid(struct call *call, struct txn *t, const struct account *a, bool right)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct talk *talk = talk_find(call->engine, &s->id, &s->answers[0].factor);

	if (talk != NULL) {
		talk_over(talk);
		talk->verdict = right ? TALK_RIGHT : TALK_WRONG;
		talk->step = s->answers[0].step_no;
	}
	stepup_reply(call, t, a, REASON_NONE, 0);
}

/* What was kept comes to the answers that were waited for: from here on it is of this call. */
static void
take_unsaid(struct engine *e, struct stepup *s)
{
	for (struct talk *talk = talk_unsaid(e, &s->id, NULL), *next; talk != NULL; talk = next) {
		next = talk_unsaid(e, &s->id, talk);
		if (!is_answered(s, &talk->factor) && s->answers_n < STEPUP_ANSWERS_MAX)
			s->answers[s->answers_n++] = (struct stepup_answer){.factor = talk->factor, .kept = true,
			    .yes = talk->verdict == TALK_RIGHT, .step_no = talk->step};
		talk_over(talk);
	}
}

/* Conversations end with their last answer, right or wrong; a code that was sent is good until it was right. */
static void
talks_over(struct engine *e, const struct stepup *s, bool right)
{
	for (size_t i = 0; i < s->answers_n; i++) {
		struct talk *talk = talk_find(e, &s->id, &s->answers[i].factor);

		if (talk != NULL && (right || !talk->sends))
			talk_over(talk);
	}
}

static void
challenge_over(struct call *call, void *none)
{
	const struct stepup *s = CALL_MEMORY_AS(struct stepup, call);

	(void)none;
	if (s->closed)
		talk_end_all(call->engine, &s->id);
}

/* Each answer is decided on the state that the one before left; the last decision is the one that is told. */
static void
decide_round(struct txn *t, struct account *a, struct call *call, bool right, struct decision *d)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	const struct challenge *c = account_challenge(a, &s->id);
	struct asked asked;

	for (size_t i = 0; i < s->answers_n && (i == 0 || stepup_open_now(call->engine, a, c)); i++) {
		struct answer answer = {.challenge = s->id, .right = right, .step = s->answers[i].step_no,
		    .factor_no = account_factor(a, &s->answers[i].factor)->no};

		stepup_asked(call, c, &asked);
		decide_answer(&asked, a, &answer, d);
		txn_decision(t, a, d, NULL);
		c = account_challenge(a, &s->id);
		notify_decision(t, a, call, &(struct notice){.op = (enum op)c->op, .service = c->service}, d);
		if (right && d->outcome != OUTCOME_DENY && account_factor_by_no(a, answer.factor_no)->kind == FACTOR_RECOVERY)
			tell_others(t, a, call, "recovery_code_used", answer.factor_no, view_of(NULL, 0));
		if (d->outcome == OUTCOME_DENY && right)
			break;
	}
}

static void
decide_txn(struct txn *t, struct account *a, struct call *call)
{
	static struct decision d;
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	const struct challenge *c = stepup_find(call, a, s);
	const struct link *l;
	bool right, there;

	if (c == NULL)
		return;
	right = all_right(call, t, a, c, &there);
	if (!there)
		return;
	if (stepup_open_now(call->engine, a, c) && !s->whole && !s->device) {
		keep_unsaid(call, t, a, right);
		return;
	}
	/* What was kept went into another round, which ran beside this one: half a round says nothing of its answers. */
	right = right && (s->device || s->answers_n >= (size_t)prompt_missing(c));
	l = account_link_by_no(a, c->target_no);
	if (right && c->op == OP_LINK && l != NULL && txn_taken(t, &l->subject)) {
		link_deny_taken(t, a, call->engine, c->service, l->provider);
		stepup_reply(call, t, a, REASON_LINK_TAKEN, 0);
		return;
	}
	if (right && scores_wait(a, call, c))
		return;
	decide_round(t, a, call, right, &d);
	c = account_challenge(a, &s->id);
	l = account_link_by_no(a, c->target_no);
	/* The link is active from this commit on, or, where another account holds the subject, not at all. */
	if (d.reason == REASON_COUNTERSIGNED && c->op == OP_LINK && l != NULL && l->state == LINK_ACTIVE)
		txn_claim(t, &l->subject, false);
	s->closed = !stepup_open_now(call->engine, a, c);
	talks_over(call->engine, s, right);
	reply_until(call, t, a, d.outcome == OUTCOME_DENY ? (enum reason)d.reason : REASON_NONE, d.detail.until_ms);
	call_after(call, challenge_over, NULL);
}

/* ---- what the plugins said ------------------------------------------------------------------- */

static void
reply_txn(struct txn *t, struct account *a, struct call *call)
{
	if (stepup_find(call, a, CALL_MEMORY_AS(struct stepup, call)) != NULL)
		stepup_reply(call, t, a, REASON_NONE, 0);
}

/* Right so far: what is asked next takes the place of what was asked. False where it cannot go on. */
static bool
goes_on(struct engine *e, const struct stepup *s, const struct worker_result *result, const struct verdict *v)
{
	struct talk *talk = talk_open(e, &s->key, &s->id, &s->answers[s->at].factor);
	uint8_t state[TALK_STATE_MAX];
	size_t len = 0;
	bool good;

	if (talk == NULL)
		return false;
	good = ++talk->turns <= TALK_TURNS_MAX &&
	    base64url_decode(v->state, state, sizeof(state), &len) == CS_OK && len > 0 &&
	    talk_prompts(talk, result->doc, v->steps);
	if (good)
		talk_state(talk, state, len);
	else
		talk_over(talk);
	secret_wipe(state, sizeof(state));
	return good;
}

static void
give_up(struct call *call)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);

	/* The transaction that asked is over, unless this comes at once: then who runs it releases the call. */
	if (!s->asking)
		call->txn = NULL;
	call_unavailable(call, "factor");
	if (!s->asking)
		call_release(call);
}

static void
answer_checked(struct engine *e, void *ctx, const struct worker_result *result)
{
	struct call *call = ctx;
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct stepup_answer *answer = &s->answers[s->at];
	struct verdict v;

	if (proof_verdict(result, &v) != CS_OK) {
		give_up(call);
		return;
	}
	/* Only an enrolment may change what is kept: a plugin that tries now is given up, and its word with it. */
	if (v.secret.data != NULL || v.rests_on != 0)
		*result->lied = true;
	answer->yes = v.yes && v.secret.data == NULL && v.rests_on == 0;
	answer->step_no = v.step;
	answer->server = result->server;
	if (v.more && !goes_on(e, s, result, &v)) {
		give_up(call);
		return;
	}
	if (v.more) {
		txn_run_held(e, &s->key, call, reply_txn);
		return;
	}
	if (++s->at < s->answers_n) {
		txn_run_held(e, &s->key, call, ask_txn);
		return;
	}
	if (s->whole)
		take_unsaid(e, s);
	txn_run_held(e, &s->key, call, decide_txn);
}

void
stepup_answer_txn(struct txn *t, struct account *a, struct call *call)
{
	ask_txn(t, a, call);
}

void
stepup_answer(struct call *call)
{
	struct stepup *s = CALL_MEMORY_AS(struct stepup, call);
	struct id key = s->key;

	txn_run_held(call->engine, &key, call_hold(call), ask_txn);
}
