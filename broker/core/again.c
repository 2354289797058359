/* SPDX-License-Identifier: Apache-2.0 */
/* Requests rebuilt from the events that recorded their decisions. */
#include "broker/core/again.h"

#include "broker/core/money.h"

enum way { WAY_NONE, WAY_REQUEST, WAY_SIGNED, WAY_ANSWER, WAY_CAPTURE };

static const struct challenge *
challenge_of(const struct account *a, int64_t no)
{
	for (size_t i = 0; no != 0 && i < a->challenges_n; i++) {
		if (a->challenges[i].no == no)
			return &a->challenges[i];
	}
	return NULL;
}

static bool
known_op(const struct event *e)
{
	return e->op > OP_NONE && e->op < OP__COUNT;
}

static enum way
denied_way(const struct event *e)
{
	if (!id_zero(&e->capture))
		return WAY_CAPTURE;
	if (!known_op(e))
		return WAY_NONE;
	/* Of answers, only those that carry an operation out decide about it. */
	if (e->challenge_no != 0)
		return e->op == OP_LINK || e->op == OP_GRANT ? WAY_ANSWER : WAY_NONE;
	/* A subject that another account holds: the engine's word, before any decision. */
	return e->op == OP_LINK && e->target_no == 0 ? WAY_NONE : WAY_REQUEST;
}

static enum way
way_of(const struct event *e)
{
	switch ((enum event_type)e->type) {
	case EVENT_PAYMENT_PERMITTED:
	case EVENT_CHALLENGE_OPENED:
		return known_op(e) ? WAY_REQUEST : WAY_NONE;
	case EVENT_DENIED:
		return denied_way(e);
	case EVENT_PAYMENT_CAPTURED:
		return WAY_CAPTURE;
	case EVENT_CHALLENGE_ANSWERED:
		return (e->flags & EVENT_FLAG_COMPLETE) != 0 && (e->op == OP_LINK || e->op == OP_GRANT) ? WAY_ANSWER :
		    WAY_NONE;
	case EVENT_FACTOR_ENROLLED:
	case EVENT_FACTOR_REMOVED:
	case EVENT_LIMIT_SET:
	case EVENT_THAWED:
	case EVENT_VIEW_OPENED:
		return e->challenge_no != 0 ? WAY_SIGNED : WAY_NONE;
	default:
		return WAY_NONE;
	}
}

/*
 * As it was asked. A payment's link came from its session or mandate, and is named all the same: it is the same link.
 * Other operations name a link or a session.
 */
static struct request
request_of(const struct account *a, const struct event *e)
{
	bool names_link = e->op == OP_SPEND || e->op == OP_GRANT || id_zero(&e->session);
	struct request r = {.op = (enum op)e->op, .session = e->session, .payment = e->payment, .payee = e->payee,
	    .content = e->content, .currency = (uint16_t)e->currency, .amount_minor = e->amount_minor,
	    .capture = (e->flags & EVENT_FLAG_CAPTURE) != 0, .link_no = names_link ? (uint32_t)e->link_no : 0,
	    .target_no = (uint32_t)e->target_no, .own = (e->flags & EVENT_FLAG_OWN) != 0};
	const struct allowance *w = account_allowance_by_no(a, (uint32_t)e->allowance_no);

	if (e->type == EVENT_DENIED && e->op == OP_SPEND)
		r.allowance = e->id;
	else if (e->type == EVENT_DENIED)
		r.challenge = e->id;
	/* Nothing that was signed counted, whatever the request named: as if it had named the prompt that was to come. */
	else if (e->type == EVENT_CHALLENGE_OPENED && e->reason == REASON_COUNTERSIGNATURE_REQUIRED)
		r.challenge = e->id;
	/* It named one that did not do, which the event does not tell: any that is there. */
	else if (e->type == EVENT_CHALLENGE_OPENED)
		r.own = false;
	/* A link that was named and is not there has no serial; nor has any link this one. */
	if (e->type == EVENT_DENIED && e->reason == REASON_LINK_UNKNOWN && e->link_no == 0)
		r.link_no = UINT32_MAX;
	/* A mandate was named by its id; the event has its serial. */
	if (e->type == EVENT_PAYMENT_PERMITTED && e->basis == BASIS_MANDATE && w != NULL)
		r.allowance = w->id;
	return r;
}

/* What used up a countersignature was exactly what that was given for. */
static struct request
signed_request(const struct challenge *c)
{
	bool names_link = id_zero(&c->session);

	return (struct request){.op = (enum op)c->op, .session = c->session, .payment = c->payment, .content = c->content,
	    .link_no = names_link ? c->link_no : 0, .target_no = c->target_no, .challenge = c->id};
}

static void
ask_request(const struct asked *asked, const struct account *a, const struct event *e, struct decision *d)
{
	struct request r = request_of(a, e);
	struct payment other = {.id = e->payment, .state = PAYMENT_CAPTURED};

	/* The payment had left the ring, and what is left of it is that it was another. */
	if (e->type == EVENT_DENIED && e->op == OP_SPEND && e->reason == REASON_PAYMENT_MISMATCH) {
		for (size_t i = 0; i < sizeof(other.content.b); i++)
			other.content.b[i] = (uint8_t)~e->content.b[i];
		r.old = &other;
	}
	decide(asked, a, &r, d);
}

static bool
ask_signed(struct asked *asked, const struct account *a, const struct event *e, struct decision *d)
{
	const struct challenge *c = challenge_of(a, e->challenge_no);
	struct request r;

	if (c == NULL || c->op <= OP_NONE || c->op >= OP__COUNT)
		return false;
	asked->service = c->service;
	r = signed_request(c);
	decide(asked, a, &r, d);
	return true;
}

static bool
ask_answer(struct asked *asked, const struct account *a, const struct event *e, struct decision *d)
{
	const struct challenge *c = challenge_of(a, e->challenge_no);
	struct answer answer = {.factor_no = (uint32_t)e->target_no, .right = true,
	    .step = e->type == EVENT_DENIED ? INT64_MAX : e->step};

	if (c == NULL)
		return false;
	answer.challenge = c->id;
	decide_answer(asked, a, &answer, d);
	return true;
}

bool
decide_again(const struct policy *policy, struct broker_state *broker, const struct account *before,
    const struct event *e, struct again *out)
{
	struct asked asked = {.policy = policy, .broker = broker, .service = e->service, .now_ms = e->time_ms,
	    .door = (e->flags & EVENT_FLAG_HTTPS) != 0 ? DOOR_HTTPS : DOOR_UNIX};
	struct evidence evidence[2] = {
	    {e->risk, e->risk != 0, (uint8_t)(e->risk_score - 1)},
	    {e->other_risk, e->other_risk != 0, (uint8_t)(e->other_risk_score - 1)}};
	enum way way = way_of(e);
	bool done = true;

	if (way == WAY_NONE)
		return false;
	asked.evidence = evidence;
	asked.evidence_n = (size_t)(e->risk != 0) + (e->other_risk != 0);
	broker->clock_ok = e->reason != REASON_CLOCK;
	broker->stale = e->reason == REASON_PROVIDER_STALE;
	out->op = known_op(e) ? (enum op)e->op : OP_SPEND;
	out->capture = way == WAY_CAPTURE;
	out->outcome = (uint8_t)reason_outcome((enum reason)e->reason);
	out->reason = (uint8_t)e->reason;
	out->currency = (uint16_t)e->currency;
	out->amount_minor = e->type == EVENT_PAYMENT_CAPTURED ? e->captured_minor : e->amount_minor;
	if (way == WAY_REQUEST)
		ask_request(&asked, before, e, &out->now);
	else if (way == WAY_CAPTURE)
		decide_capture(&asked, before, NULL, &e->payment, &e->capture, out->amount_minor, &out->now);
	else
		done = (way == WAY_SIGNED ? ask_signed : ask_answer)(&asked, before, e, &out->now);
	if (done && way == WAY_SIGNED)
		out->op = (enum op)challenge_of(before, e->challenge_no)->op;
	/* A limit has an amount of its own, which is not one that was asked for. */
	if (out->op != OP_SPEND)
		out->currency = CURRENCY_NONE;
	return done;
}

bool
again_differs(const struct again *a)
{
	return a->outcome != a->now.outcome || a->reason != a->now.reason;
}
