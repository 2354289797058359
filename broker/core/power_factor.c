/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions about factors: enrolled, replaced after a loss, removed, unlocked. */
#include "broker/core/power.h"

static enum op
enrol_op(const struct enrolment *f)
{
	return f->recovers ? OP_RECOVER : OP_FACTOR;
}

/* What a recovery code countersigned waits longer, so that the owner hears of it in time. */
static int64_t
enrol_wait_ms(const struct policy *p, const struct enrolment *f)
{
	int64_t kind_ms = p->factors[f->kind].cooling_off_ms;

	return f->recovers && p->recovery_cooling_off_ms > kind_ms ? p->recovery_cooling_off_ms : kind_ms;
}

static void
enrol_event(struct inquiry *q, const struct enrolment *f, uint32_t challenge_no, struct decision *d, enum reason reason)
{
	const struct account *a = q->account;
	struct event *e = decision_event(d, q, EVENT_FACTOR_ENROLLED, reason);

	decision_set(d, reason);
	d->no = a->next_no;
	d->id = f->factor;
	e->op = enrol_op(f);
	e->no = d->no;
	e->id = f->factor;
	e->kind = f->kind;
	e->plugin = f->plugin;
	e->step = f->step;
	e->usable_ms = q->now_ms + enrol_wait_ms(q->asked->policy, f);
	memcpy(e->rests, f->rests, sizeof(e->rests));
	e->copies = f->copies;
	e->replaces_no = f->replaces_no;
	e->flags |= f->attested ? EVENT_FLAG_ATTESTED : 0;
	if (challenge_no != 0)
		power_signed(e, a, challenge_no, d);
	else
		e->flags |= EVENT_FLAG_FIRST;
}

/* The first factor: once per account, ever, on the service's word. It replaces nothing, and nothing was there to be lost. */
static void
enrol_first(struct inquiry *q, const struct enrolment *f, struct decision *d)
{
	enum reason reason = rule_account(q);

	if (f->recovers || f->replaces_no != 0)
		decision_set(d, REASON_NO_INDEPENDENT_FACTOR);
	else if (reason == REASON_NONE || reason == REASON_ACCOUNT_UNKNOWN)
		enrol_event(q, f, 0, d, REASON_FIRST_FACTOR);
	else
		decision_set(d, reason);
}

/* What is not usable yet is not replaced but removed, which takes no countersignature: so at most one factor waits in one's place. */
static bool
factor_replaceable(const struct inquiry *q, uint32_t no)
{
	const struct factor *f = account_factor_by_no(q->account, no);

	return f != NULL && !factor_gone(q->account, f, q->now_ms) && f->usable_ms <= q->now_ms;
}

void
decide_enrol(const struct asked *asked, const struct account *a, const struct enrolment *f, struct decision *d)
{
	struct request r = {.op = enrol_op(f), .own = true, .content = f->content, .target_no = f->replaces_no,
	    .challenge = f->challenge};
	struct inquiry q;
	uint32_t challenge_no = 0;

	power_begin(&q, asked, a, d);
	if (!power_service_may(&q, RIGHT_ENROL)) {
		decision_set(d, REASON_SERVICE_RIGHT);
		return;
	}
	if (!asked->policy->factors[f->kind].enabled || room_factor(a) < 0) {
		decision_set(d, room_factor(a) < 0 ? REASON_FULL : REASON_STACK);
		return;
	}
	if (!a->enrolled) {
		enrol_first(&q, f, d);
		return;
	}
	/* A code gives no new codes: one list would last for ever. What is replaced must be in use. */
	if ((f->recovers && f->kind == FACTOR_RECOVERY) || (f->replaces_no != 0 && !factor_replaceable(&q, f->replaces_no))) {
		decision_set(d, REASON_NO_INDEPENDENT_FACTOR);
		return;
	}
	if (power_guarded(asked, a, &r, d, &challenge_no))
		enrol_event(&q, f, challenge_no, d, REASON_COUNTERSIGNED);
}

static struct event *
factor_event(struct inquiry *q, const struct factor *f, struct decision *d, enum event_type type)
{
	struct event *e = decision_event(d, q, type, (enum reason)d->reason);

	e->op = OP_FACTOR;
	e->target_no = f->no;
	e->id = f->id;
	e->kind = f->kind;
	return e;
}

/* What cannot countersign yet was never power: whoever takes it away narrows. But never the one that began it all. */
static bool
removal_narrows(const struct inquiry *q, const struct factor *f)
{
	return f->usable_ms > q->now_ms && !f->first;
}

void
decide_factor_remove(const struct asked *asked, const struct account *a, uint32_t factor_no, const struct id *challenge,
    const struct hash *content, struct decision *d)
{
	struct request r = {.op = OP_FACTOR, .content = *content, .target_no = factor_no, .challenge = *challenge};
	const struct factor *f = account_factor_by_no(a, factor_no);
	struct inquiry q;
	uint32_t challenge_no;

	power_begin(&q, asked, a, d);
	if (f == NULL || factor_gone(a, f, q.now_ms))
		return;
	if (removal_narrows(&q, f)) {
		decision_set(d, power_service_may(&q, RIGHT_ENROL) ? REASON_NARROWS : REASON_SERVICE_RIGHT);
		if (d->outcome == OUTCOME_PERMIT)
			(void)factor_event(&q, f, d, EVENT_FACTOR_REMOVED);
		return;
	}
	if (power_guarded(asked, a, &r, d, &challenge_no))
		power_signed(factor_event(&q, f, d, EVENT_FACTOR_REMOVED), a, challenge_no, d);
}

void
decide_factor_unlock(const struct asked *asked, const struct account *a, uint32_t factor_no, const struct id *challenge,
    const struct hash *content, struct decision *d)
{
	struct request r = {.op = OP_FACTOR, .content = *content, .target_no = factor_no, .challenge = *challenge};
	const struct factor *f = account_factor_by_no(a, factor_no);
	struct inquiry q;
	uint32_t challenge_no;

	power_begin(&q, asked, a, d);
	if (f == NULL || factor_gone(a, f, q.now_ms))
		return;
	if (f->locked_until_ms <= q.now_ms) {
		decision_set(d, REASON_ASKED);
		d->replayed = true;
		return;
	}
	/* Rule 11 refuses the locked one itself, at this moment as at any other. */
	if (power_guarded(asked, a, &r, d, &challenge_no))
		power_signed(factor_event(&q, f, d, EVENT_FACTOR_UNLOCKED), a, challenge_no, d);
}
