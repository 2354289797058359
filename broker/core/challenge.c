/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Challenges: who may answer one, what an answer does, and the user's no. A wrong answer is counted in the account before
 * anyone hears of it; so parallel guesses are decided one after the other, and the sixth finds the factor locked.
 */
#include "broker/core/inquiry.h"

static bool
answered_by(const struct challenge *c, uint32_t factor_no)
{
	for (size_t i = 0; i < CHALLENGE_FACTORS_MAX; i++) {
		if (c->factors[i] == factor_no)
			return true;
	}
	return false;
}

static size_t
answers(const struct challenge *c)
{
	size_t n = 0;

	while (n < CHALLENGE_FACTORS_MAX && c->factors[n] != 0)
		n++;
	return n;
}

/* Whether with this factor there is all that the prompt asked for. */
static bool
enough(const struct inquiry *q, const struct challenge *c, const struct factor *f)
{
	uint8_t given[FACTOR__COUNT] = {0};

	for (size_t i = 0; i < answers(c); i++) {
		const struct factor *before = account_factor_by_no(q->account, c->factors[i]);

		if (before != NULL)
			given[before->kind]++;
	}
	given[f->kind]++;
	return answers(c) + 1 >= c->need && requires_met(c->requires, given);
}

static enum reason
state_reason(const struct challenge *c)
{
	switch (c->state) {
	case CHALLENGE_OPEN:
		return REASON_CHALLENGE_EXPIRED;
	case CHALLENGE_REFUSED:
		return REASON_CHALLENGE_REFUSED;
	default:
		return REASON_CHALLENGE_EXPIRED;
	}
}

static enum reason
may_answer(struct inquiry *q, const struct challenge *c, const struct factor *f, int64_t *until_ms)
{
	enum reason why = REASON_NONE;

	*until_ms = 0;
	if (!challenge_open(c, q->now_ms))
		return state_reason(c);
	if ((c->kinds & 1 << f->kind) == 0 || answered_by(c, f->no) || answers(c) == CHALLENGE_FACTORS_MAX)
		return REASON_NO_INDEPENDENT_FACTOR;
	factor_usable(q, f, &why, until_ms);
	return why;
}

enum reason
decide_may_answer(const struct asked *asked, const struct account *a, const struct challenge *c,
    const struct factor *f, int64_t *until_ms)
{
	struct request r = {.op = (enum op)c->op};
	struct inquiry q;

	inquiry_begin(&q, asked, a, &r);
	inquiry_link(&q, account_link_by_no(a, c->link_no));
	return may_answer(&q, c, f, until_ms);
}

/*
 * The last answer to a challenge about a link or an allowance carries it out, so the rules are asked again at that moment:
 * the account may have been frozen, or the link revoked, since the user was asked; and the stack, with the factors that
 * were really used: a prompt for one of each of two kinds may have been answered by two of one kind.
 */
static enum reason
completes(struct inquiry *q, const struct challenge *c, const struct factor *f)
{
	struct challenge done = *c;
	enum reason reason;

	if (c->op != OP_LINK && c->op != OP_GRANT)
		return REASON_NONE;
	done.factors[answers(c)] = f->no;
	done.done_ms = q->now_ms;
	/* The page may bring the answer; the stack is that of the service which asked. */
	q->service = policy_service(q->asked->policy, c->service);
	q->session = account_session(q->account, &c->session);
	if (q->service == NULL)
		return REASON_SERVICE_RIGHT;
	if ((reason = rule_account(q)) != REASON_NONE || (reason = rule_provider(q)) != REASON_NONE ||
	    (reason = rule_link(q)) != REASON_NONE)
		return reason;
	if (c->op == OP_GRANT ? !grant_pending(q, c->service, c->target_no) : q->link == NULL || q->link->no != c->target_no)
		return REASON_CHALLENGE_EXPIRED;
	return signature_stands(q, &done);
}

static struct event *
answer_event(struct decision *d, struct inquiry *q, const struct challenge *c, const struct factor *f,
    enum event_type type, enum reason reason)
{
	struct event *e = decision_event(d, q, type, reason);

	e->op = c->op;
	e->challenge_no = c->no;
	e->id = c->id;
	e->target_no = f->no;
	e->kind = f->kind;
	e->session = c->session;
	e->payment = c->payment;
	return e;
}

/* Unlike a request's denial it names the challenge, and the factor that answered. */
static void
deny_answer(struct inquiry *q, const struct challenge *c, const struct factor *f, struct decision *d, enum reason reason)
{
	decision_deny(d, q, reason);
	if (d->events_n == 0)
		return;
	d->events[0].challenge_no = c->no;
	d->events[0].target_no = f->no;
}

static void
wrong(struct inquiry *q, const struct challenge *c, const struct factor *f, struct decision *d)
{
	struct event *e = answer_event(d, q, c, f, EVENT_FACTOR_FAILED, REASON_FACTOR_REJECTED);

	/* Nobody learns which of several was wrong: all are asked for again. */
	e->flags |= answers(c) > 0 ? EVENT_FLAG_VOIDS : 0;
	decision_set(d, REASON_FACTOR_REJECTED);
}

static void
right(struct inquiry *q, const struct challenge *c, const struct factor *f, int64_t step, struct decision *d)
{
	bool complete = enough(q, c, f);
	enum reason reason = complete ? completes(q, c, f) : REASON_NONE;
	struct event *e;

	/* Of the stack, where it was asked. */
	d->notify = q->notify;
	if (reason != REASON_NONE) {
		deny_answer(q, c, f, d, reason);
		return;
	}
	e = answer_event(d, q, c, f, EVENT_CHALLENGE_ANSWERED, complete ? REASON_COUNTERSIGNED : REASON_ASKED);
	e->notes = d->notes = q->notes;
	e->step = step;
	e->content = c->content;
	(void)factor_stands_apart(q, f, &q->assumed);
	e->flags |= q->assumed ? EVENT_FLAG_ASSUMED : 0;
	if (complete) {
		e->flags |= EVENT_FLAG_COMPLETE | (signature_resumes(q->account, c) ? EVENT_FLAG_RESUMES : 0);
		/* Kept until the time to redeem it is over. */
		e->expires_ms = q->now_ms + q->asked->policy->redeem_ms + 1;
	}
	if (complete && c->op == OP_LINK && q->link != NULL) {
		int64_t wait_ms = q->provider->cooling_off_ms;

		e->subject = q->link->subject;
		e->usable_ms = q->now_ms + (wait_ms >= 0 ? wait_ms : q->asked->policy->link_cooling_off_ms);
	}
	if (complete && c->op == OP_GRANT)
		e->allowance_no = c->target_no;
	decision_set(d, complete ? REASON_COUNTERSIGNED : REASON_ASKED);
}

bool
decide_step_used(const struct factor *f, int64_t step)
{
	if (f->kind == FACTOR_RECOVERY)
		return step < 0 || step >= RECOVERY_CODES_MAX || (f->last_step >> step & 1) != 0;
	/* A passkey's counter: one that is used at all must grow (WebAuthn Level 3, section 7.2, step 22). */
	if (f->kind == FACTOR_WEBAUTHN || f->kind == FACTOR_APPROVE)
		return step > 0 ? step <= f->last_step : f->last_step > 0;
	return f->kind == FACTOR_TOTP && step <= f->last_step;
}

void
decide_answer(const struct asked *asked, const struct account *a, const struct answer *answer, struct decision *d)
{
	const struct challenge *c = account_challenge(a, &answer->challenge);
	const struct factor *f = account_factor_by_no(a, answer->factor_no);
	struct request r = {.op = c == NULL ? OP_SPEND : (enum op)c->op};
	struct inquiry q;
	enum reason reason;
	int64_t until_ms;

	*d = (struct decision){0};
	inquiry_begin(&q, asked, a, &r);
	if (c == NULL || f == NULL) {
		decision_set(d, REASON_CHALLENGE_EXPIRED);
		return;
	}
	inquiry_link(&q, account_link_by_no(a, c->link_no));
	d->id = c->id;
	d->no = c->no;
	reason = may_answer(&q, c, f, &until_ms);
	if (reason != REASON_NONE) {
		q.detail = (struct detail){.set = until_ms != 0, .until_ms = until_ms};
		deny_answer(&q, c, f, d, reason);
		return;
	}
	if (!answer->right || decide_step_used(f, answer->step))
		wrong(&q, c, f, d);
	else
		right(&q, c, f, answer->step, d);
}

void
decide_refuse(const struct asked *asked, const struct account *a, const struct id *challenge, bool report,
    struct decision *d)
{
	const struct challenge *c = account_challenge(a, challenge);
	struct inquiry q;
	struct event *e;

	*d = (struct decision){0};
	inquiry_begin(&q, asked, a, NULL);
	decision_set(d, REASON_CHALLENGE_EXPIRED);
	if (c == NULL)
		return;
	inquiry_link(&q, account_link_by_no(a, c->link_no));
	d->id = c->id;
	d->no = c->no;
	if (c->state == CHALLENGE_REFUSED) {
		d->replayed = true;
		decision_set(d, REASON_NARROWS);
		if (!report)
			return;
	} else if (!challenge_open(c, q.now_ms) && !challenge_redeemable(asked->policy, c, q.now_ms) && !report) {
		return;
	}
	decision_set(d, REASON_NARROWS);
	if (c->state == CHALLENGE_OPEN || c->state == CHALLENGE_DONE) {
		e = decision_event(d, &q, EVENT_CHALLENGE_REFUSED, REASON_CHALLENGE_REFUSED);
		e->op = c->op;
		e->challenge_no = c->no;
		e->id = c->id;
		e->payment = c->payment;
		e->flags |= report ? EVENT_FLAG_REPORT : 0;
	}
	if (report) {
		e = decision_event(d, &q, EVENT_NOT_ME, REASON_NOT_ME);
		e->author = AUTHOR_USER;
		e->id = c->id;
		e->day = q.day;
		e->month = q.month;
	}
}
