/* SPDX-License-Identifier: Apache-2.0 */
/* What every decision begins with: who asks, for which link, and rules 2 to 4 that payments, captures and grants share. */
#include "broker/base/check.h"
#include "broker/core/inquiry.h"

void
inquiry_begin(struct inquiry *q, const struct asked *asked, const struct account *a, const struct request *r)
{
	*q = (struct inquiry){.asked = asked, .account = a, .request = r};
	q->now_ms = asked->now_ms > a->time_ms ? asked->now_ms : a->time_ms;
	q->day = window_day(asked->policy, q->now_ms);
	q->month = window_month(asked->policy, q->now_ms);
	q->service = policy_service(asked->policy, asked->service);
	q->unusable = REASON_NO_INDEPENDENT_FACTOR;
}

void
inquiry_link(struct inquiry *q, const struct link *link)
{
	q->link = link;
	if (link == NULL)
		return;
	q->provider = policy_provider(q->asked->policy, link->provider);
	q->provider_state = broker_provider(q->asked->broker, link->provider);
}

bool
account_frozen(const struct account *a, uint32_t link_no, uint8_t but_author)
{
	for (size_t i = 0; i < a->freezes_n; i++) {
		if (a->freezes[i].link_no == link_no && a->freezes[i].author != but_author)
			return true;
	}
	return false;
}

/*
 * Rule 2. The thaw itself passes its own author's freeze; so does the owner's page, on which what was frozen is seen and
 * thawed.
 */
enum reason
rule_account(const struct inquiry *q)
{
	const struct account *a = q->account;
	enum op op = q->request == NULL ? OP_NONE : q->request->op;
	bool passes = op == OP_VIEW || (op == OP_THAW && q->request->link_no == 0);

	if (a->status == ACCOUNT_CLOSED)
		return REASON_ACCOUNT_CLOSED;
	if (q->asked->broker->frozen)
		return REASON_BROKER_FROZEN;
	if (account_frozen(a, 0, passes ? AUTHOR_USER : AUTHOR__COUNT))
		return REASON_ACCOUNT_FROZEN;
	if (!q->asked->broker->clock_ok)
		return REASON_CLOCK;
	/* Where it is about a provider, rule 3 says it. */
	if (q->asked->broker->stale && q->link == NULL)
		return REASON_PROVIDER_STALE;
	/* Last: the first factor makes the account, and only this may stand in its way. */
	return a->status == ACCOUNT_NONE ? REASON_ACCOUNT_UNKNOWN : REASON_NONE;
}

/* Rule 3. */
enum reason
rule_provider(const struct inquiry *q)
{
	if (q->link == NULL)
		return REASON_NONE;
	if (q->provider == NULL)
		return REASON_PROVIDER_DISABLED;
	if (q->provider_state == NULL || !q->provider_state->fresh || q->asked->broker->stale)
		return REASON_PROVIDER_STALE;
	if (!q->provider_state->enabled)
		return REASON_PROVIDER_DISABLED;
	if (!q->provider_state->pinned)
		return REASON_PROVIDER_CHANGED;
	if (q->provider_state->frozen)
		return REASON_PROVIDER_FROZEN;
	return REASON_NONE;
}

/* What was frozen stays so when it is unlinked and linked again; a user's freeze falls with the new countersignature. */
static bool
subject_frozen(const struct account *a, const struct link *l)
{
	for (size_t i = 0; i < a->links_n; i++) {
		const struct link *other = &a->links[i];

		if ((id_equal(&other->subject, &l->subject) || id_equal(&other->was, &l->subject)) && account_frozen(a, other->no, other == l ? AUTHOR__COUNT :
		    AUTHOR_USER))
			return true;
	}
	return false;
}

bool
subject_linked(const struct account *a, const struct id *subject)
{
	for (size_t i = 0; i < a->links_n; i++) {
		const struct link *l = &a->links[i];

		/* Under an older name it is linked as well. */
		if ((id_equal(&l->subject, subject) || id_equal(&l->was, subject)) &&
		    (l->state == LINK_ACTIVE || l->state == LINK_SUSPENDED))
			return true;
	}
	return false;
}

/* Rule 4. A link that is being made, or thawed, need not be active yet. */
enum reason
rule_link(struct inquiry *q)
{
	enum op op = q->request == NULL ? OP_SPEND : q->request->op;
	const struct link *l = q->link;

	if (l == NULL)
		return REASON_NONE;
	if (l->state == LINK_REVOKED)
		return REASON_LINK_REVOKED;
	if (op == OP_LINK && subject_frozen(q->account, l))
		return REASON_LINK_SUSPENDED;
	if (op == OP_LINK)
		return l->state == LINK_PROPOSED && !subject_linked(q->account, &l->subject) ? REASON_NONE :
		    REASON_LINK_TAKEN;
	if (l->state == LINK_PROPOSED)
		return REASON_LINK_UNKNOWN;
	if (account_frozen(q->account, l->no, op == OP_THAW ? AUTHOR_USER : AUTHOR__COUNT))
		return REASON_LINK_SUSPENDED;
	if (op == OP_THAW)
		return REASON_NONE;
	if (l->state == LINK_SUSPENDED)
		return REASON_LINK_SUSPENDED;
	if (l->usable_ms > q->now_ms) {
		q->detail = (struct detail){.set = true, .until_ms = l->usable_ms, .link_no = l->no};
		return REASON_LINK_COOLING_OFF;
	}
	return REASON_NONE;
}

void
decision_set(struct decision *d, enum reason reason)
{
	d->outcome = (uint8_t)reason_outcome(reason);
	d->reason = (uint8_t)reason;
}

/* What was said of the request, so that it can be decided again. */
static void
note_evidence(const struct asked *asked, struct event *e)
{
	for (size_t i = 0; i < asked->evidence_n; i++) {
		const struct evidence *v = &asked->evidence[i];

		if (!v->answered)
			continue;
		if (e->risk == 0) {
			e->risk = v->plugin;
			e->risk_score = v->score + 1;
		} else if (e->other_risk == 0) {
			e->other_risk = v->plugin;
			e->other_risk_score = v->score + 1;
		}
	}
}

struct event *
decision_event(struct decision *d, const struct inquiry *q, enum event_type type, enum reason reason)
{
	struct event *e = &d->events[d->events_n++];

	CHECK(d->events_n <= DECISION_EVENTS_MAX);
	*e = (struct event){.type = (uint16_t)type, .reason = (uint16_t)reason, .time_ms = q->now_ms};
	e->service = q->asked->service;
	e->policy = q->asked->policy->digest;
	note_evidence(q->asked, e);
	e->broker = (int64_t)q->asked->broker->revision;
	e->flags = q->asked->door == DOOR_HTTPS ? EVENT_FLAG_HTTPS : 0;
	if (q->link != NULL) {
		e->link_no = q->link->no;
		e->provider = q->link->provider;
	}
	return e;
}

void
decision_deny(struct decision *d, struct inquiry *q, enum reason reason)
{
	const struct request *r = q->request;
	struct event *e;

	CHECK(reason_outcome(reason) == OUTCOME_DENY);
	decision_set(d, reason);
	d->detail = q->detail;
	if (q->account->status == ACCOUNT_NONE || (r != NULL && r->dry))
		return;
	e = decision_event(d, q, EVENT_DENIED, reason);
	if (r == NULL)
		return;
	e->op = r->op;
	e->flags |= r->own ? EVENT_FLAG_OWN : 0;
	e->session = r->session;
	e->payment = r->payment;
	e->payee = r->payee;
	e->content = r->content;
	/* What else the request named, so that it can be decided again. */
	e->id = r->op == OP_SPEND ? r->allowance : r->challenge;
	e->currency = r->currency;
	e->amount_minor = r->amount_minor;
	e->target_no = r->target_no;
	if (r->op == OP_SPEND)
		counters_note(q, r->currency, e);
}

void
trace(struct inquiry *q, uint8_t rule, enum result result, enum reason reason)
{
	struct decision_trace *t = q->asked->trace;

	if (t == NULL || t->n == TRACE_STEPS_MAX)
		return;
	t->steps[t->n++] = (struct trace_step){.rule = rule, .pass = q->pass, .result = (uint8_t)result,
	    .reason = (uint16_t)reason, .limit = -1};
}

bool
challenge_open(const struct challenge *c, int64_t now_ms)
{
	return c->state == CHALLENGE_OPEN && c->expires_ms > now_ms;
}

bool
challenge_redeemable(const struct policy *p, const struct challenge *c, int64_t now_ms)
{
	return c->state == CHALLENGE_DONE && challenge_kept(c, now_ms) && now_ms - c->done_ms <= p->redeem_ms;
}
