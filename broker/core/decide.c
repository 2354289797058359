/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule. A third-party ID can say who is asking; it can never say yes to spending. The outcome starts as deny; only
 * when all of the following hold does it become permit:
 *
 *  1. The service is known, came through one of its doors, and holds the right for this operation.
 *  2. The account is open; no freeze covers account or broker.
 *  3. The provider is enabled, not frozen, still the one that it was, and its state is fresh.
 *  4. The link is active, belongs to this account, and is past its cooling-off time.
 *  5. There is a session of this service and link: verified, not expired, not older than the newest revocation. A mandate
 *     needs none; then the link was neither suspended nor revoked since its grant.
 *  6. The payment is well formed.
 *  7. Payment ids are unique per service and account. A permit sticks; the same id with other content is denied.
 *  8. With this payment added, no limit is passed.
 *  9. The service's stack says yes.
 * 10. A countersignature covers it: made for exactly this; or an open allowance, used in a countersigned session; or an
 *     open mandate; neither of which a security event of the provider has paused.
 * 11. Every factor behind it is known to be independent of the provider, past its cooling-off time, and not locked.
 * 12. It has not been used before, beyond what an allowance allows.
 *
 * Two passes. Pass 1 uses what is there. If it is not a permit, pass 2 keeps everything but the stack's `stepup` and
 * `allowance` and rules 10 to 12, and supposes a countersignature by factors that the account really holds: if that would
 * permit, the outcome is step_up. So nobody is prompted for what would be denied anyway.
 *
 * Rules 10 to 12 are asked after the stack and outside of it: nothing that a stack says can skip them.
 */
#include "broker/base/check.h"
#include "broker/core/inquiry.h"
#include "broker/core/money.h"

static uint32_t
right_for(enum op op)
{
	static const uint32_t rights[OP__COUNT] = {
		[OP_SPEND] = RIGHT_SPEND,
		[OP_LINK] = RIGHT_LINK,
		[OP_FACTOR] = RIGHT_ENROL,
		[OP_GRANT] = RIGHT_SPEND,
		[OP_LIMIT] = RIGHT_SPEND,
		[OP_THAW] = RIGHT_LINK,
		[OP_RECOVER] = RIGHT_ENROL,
		[OP_VIEW] = RIGHT_LINK,
	};

	return rights[op];
}

/* What the request names: session, link, provider, mandate, and what was decided of this payment before. */
static void
resolve(struct inquiry *q)
{
	const struct request *r = q->request;
	const struct account *a = q->account;

	if (!id_zero(&r->session)) {
		q->session = account_session(a, &r->session);
		if (q->session != NULL && q->session->service != q->asked->service)
			q->session = NULL;
	}
	if (!id_zero(&r->allowance)) {
		q->allowance = account_allowance(a, &r->allowance);
		if (q->allowance != NULL && (q->allowance->kind != ALLOWANCE_MANDATE ||
		    q->allowance->service != q->asked->service))
			q->allowance = NULL;
	}
	if (r->link_no != 0)
		inquiry_link(q, account_link_by_no(a, r->link_no));
	else if (q->session != NULL)
		inquiry_link(q, account_link_by_no(a, q->session->link_no));
	else if (q->allowance != NULL)
		inquiry_link(q, account_link_by_no(a, q->allowance->link_no));
	if (r->op == OP_SPEND) {
		q->payment = account_payment(a, &r->payment);
		if (q->payment == NULL)
			q->payment = r->old;
	}
}

static enum reason
rule_1_service(struct inquiry *q)
{
	const struct policy_service *s = q->service;

	if (s == NULL || (s->doors & q->asked->door) == 0 || (s->rights & right_for(q->request->op)) == 0)
		return REASON_SERVICE_RIGHT;
	return REASON_NONE;
}

static enum reason
rule_2_account(struct inquiry *q)
{
	return rule_account(q);
}

static enum reason
rule_3_provider(struct inquiry *q)
{
	return rule_provider(q);
}

static enum reason
rule_4_link(struct inquiry *q)
{
	const struct request *r = q->request;

	if (q->link == NULL && (r->link_no != 0 || r->op == OP_LINK))
		return REASON_LINK_UNKNOWN;
	/* What is linked is the link whose provider the factors must be independent of. */
	if (r->op == OP_LINK && q->link->no != r->target_no)
		return REASON_LINK_UNKNOWN;
	return rule_link(q);
}

static bool
session_revoked(const struct inquiry *q, int64_t since_ms)
{
	return since_ms <= q->account->sessions_since_ms || since_ms <= q->link->sessions_since_ms ||
	    since_ms <= q->provider_state->sessions_since_ms;
}

static enum reason
rule_5_session(struct inquiry *q)
{
	const struct policy *p = q->asked->policy;
	const struct request *r = q->request;
	const struct session *s = q->session;

	/* Other operations need none; one that they are asked in must be good all the same. */
	if (r->op != OP_SPEND && r->op != OP_GRANT && (id_zero(&r->session) || r->link_no != 0))
		return REASON_NONE;
	if (q->link == NULL)
		return REASON_SESSION_INVALID;
	if (r->op == OP_SPEND && id_zero(&r->session) && q->allowance != NULL && q->allowance->link_no == q->link->no)
		return q->allowance->granted_ms <= q->link->sessions_since_ms ? REASON_LINK_SUSPENDED : REASON_NONE;
	if (s == NULL || s->link_no != q->link->no)
		return REASON_SESSION_INVALID;
	if (session_revoked(q, s->opened_ms))
		return REASON_SESSION_REVOKED;
	if (q->now_ms - s->used_ms > p->session_idle_ms || q->now_ms - s->opened_ms > p->session_max_ms)
		return REASON_SESSION_EXPIRED;
	return REASON_NONE;
}

/* The allowance that would be opened: proposed by this service, for this link. */
bool
grant_pending(const struct inquiry *q, uint64_t service, uint32_t no)
{
	const struct allowance *w = account_allowance_by_no(q->account, no);

	return w != NULL && w->state == ALLOWANCE_PROPOSED && w->service == service && q->link != NULL &&
	    w->link_no == q->link->no;
}

/* The engine refuses malformed requests with the field's name before they come here; this is the last line. */
static enum reason
rule_6_payment(struct inquiry *q)
{
	const struct request *r = q->request;

	if (r->op == OP_GRANT)
		return grant_pending(q, q->asked->service, r->target_no) ? REASON_NONE : REASON_PAYMENT_MISMATCH;
	if (r->op != OP_SPEND)
		return REASON_NONE;
	if (currency_get(r->currency) == NULL || r->amount_minor <= 0 || r->amount_minor > MONEY_MAX ||
	    id_zero(&r->payment) || id_zero(&r->payee))
		return REASON_PAYMENT_MISMATCH;
	return REASON_NONE;
}

static enum reason
rule_7_unique(struct inquiry *q)
{
	const struct payment *p = q->payment;

	if (p == NULL)
		return REASON_NONE;
	return memcmp(p->content.b, q->request->content.b, sizeof(p->content.b)) == 0 ? REASON_NONE :
	    REASON_PAYMENT_MISMATCH;
}

static enum reason
rule_8_limits(struct inquiry *q)
{
	if (q->request->op != OP_SPEND)
		return REASON_NONE;
	if (account_holds(q->account) >= ACCOUNT_HOLDS_MAX || !counters_fit(q, q->request->currency))
		return REASON_FULL;
	return limits_check(q, q->request->currency, q->request->amount_minor);
}

typedef enum reason rule_fn(struct inquiry *q);

static rule_fn *const rules[] = {
	rule_1_service,
	rule_2_account,
	rule_3_provider,
	rule_4_link,
	rule_5_session,
	rule_6_payment,
	rule_7_unique,
	rule_8_limits,
};

/* What was compared, in the newest step. */
static void
trace_detail(struct inquiry *q, const struct detail *detail)
{
	struct decision_trace *t = q->asked->trace;
	struct trace_step *step;

	if (t == NULL || t->n == 0 || !detail->set || detail->until_ms != 0)
		return;
	step = &t->steps[t->n - 1];
	step->limit = detail->limit;
	step->used = detail->used;
	step->currency = detail->currency;
	step->bound = detail->bound;
}

/* Which line it was, and what that compared. */
static void
trace_line(struct inquiry *q, const struct stack_line *line)
{
	struct trace_step *step = &q->asked->trace->steps[q->asked->trace->n - 1];

	step->line = line->number;
	step->line_rule = line->rule;
	step->file = line->file;
	step->index = line->index;
	step->note = line->note;
	trace_detail(q, &q->seen);
}

static enum result
ask_traced(void *ctx, const struct stack_line *line, enum reason *reason)
{
	struct inquiry *q = ctx;
	const struct decision_trace *t = q->asked->trace;
	enum result result;

	if (t != NULL)
		q->seen = (struct detail){0};
	result = rule_ask(q, line, reason);
	if (t != NULL && t->n < TRACE_STEPS_MAX) {
		trace(q, 0, result, result == RESULT_SUCCESS ? REASON_NONE : *reason);
		trace_line(q, line);
	}
	if (result == RESULT_SUCCESS)
		q->notes |= note_bit((enum note)line->note);
	return result;
}

bool
rule_9_stack(struct inquiry *q, enum reason *reason)
{
	struct stack_run run = {.stack = q->service->stack, .op = (uint8_t)q->request->op, .ask = ask_traced, .ctx = q};
	struct stack_verdict verdict;

	q->allowance_asked = false;
	q->notes = q->notify = 0;
	if (run.stack == NULL) {
		*reason = REASON_STACK;
		return false;
	}
	stack_evaluate(&run, &verdict);
	*reason = verdict.permit ? REASON_NONE : verdict.reason;
	trace(q, 9, verdict.permit ? RESULT_SUCCESS : RESULT_DENIED, *reason);
	return verdict.permit;
}

/* Whether this completed challenge, redeemed for the inquiry's request, is what the stack asks for. */
enum reason
signature_stands(struct inquiry *q, const struct challenge *c)
{
	enum reason reason = signature_factors(q, c);

	if (reason != REASON_NONE)
		return reason;
	q->pass = 1;
	q->signature = c;
	if (rule_9_stack(q, &reason))
		return REASON_NONE;
	return reason_outcome(reason) == OUTCOME_DENY ? reason : REASON_STACK;
}

/* Rules 10 to 12 for what is there: the reason of the permit, or none. find_cover() has asked 11 and 12 of each. */
static enum reason
cover(struct inquiry *q)
{
	const struct request *r = q->request;

	if (q->signature != NULL)
		return REASON_COUNTERSIGNED;
	if (r->op == OP_SPEND && q->allowance != NULL && q->allowance_asked)
		return q->allowance->kind == ALLOWANCE_MANDATE ? REASON_MANDATE : REASON_ALLOWANCE;
	return REASON_NONE;
}

/* Refused by the user: the same payment is not prompted for again while that stands. */
static bool
refused(const struct inquiry *q)
{
	const struct account *a = q->account;

	for (size_t i = 0; i < a->challenges_n; i++) {
		const struct challenge *c = &a->challenges[i];

		if (c->state == CHALLENGE_REFUSED && c->op == q->request->op && c->service == q->asked->service &&
		    c->expires_ms > q->now_ms && hash_equal(&c->content, &q->request->content))
			return true;
	}
	return false;
}

static const struct challenge *
same_open_challenge(const struct inquiry *q)
{
	const struct account *a = q->account;

	for (size_t i = 0; i < a->challenges_n; i++) {
		const struct challenge *c = &a->challenges[i];

		if (q->request->own && !id_equal(&q->request->challenge, &c->id))
			continue;
		if (challenge_open(c, q->now_ms) && c->op == q->request->op && c->service == q->asked->service &&
		    c->link_no == (q->link == NULL ? 0 : q->link->no) && c->target_no == q->request->target_no && id_equal(&c->payment, &q->request->payment) &&
		    id_equal(&c->session, &q->request->session) && hash_equal(&c->content, &q->request->content))
			return c;
	}
	return NULL;
}

/* Prompts are rationed per link, so that one stolen ID can neither tire the owner out nor take all the places. */
static bool
prompt_allowed(const struct inquiry *q)
{
	const struct policy *p = q->asked->policy;
	const struct account *a = q->account;
	uint32_t link_no = q->link == NULL ? 0 : q->link->no;
	size_t kept = 0, of_link = 0;

	for (size_t i = 0; i < a->challenges_n; i++) {
		const struct challenge *c = &a->challenges[i];

		if (!challenge_kept(c, q->now_ms))
			continue;
		kept++;
		/* Links that are only proposed share one part: anybody may bring IDs of his own. */
		of_link += c->link_no == link_no || (c->op == OP_LINK && q->request->op == OP_LINK);
	}
	if (kept >= ACCOUNT_CHALLENGES_MAX || of_link >= p->open_per_link)
		return false;
	return q->link == NULL || q->link->prompts_day != q->day || q->link->prompts < p->prompts_per_link_day;
}

static void
open_challenge(struct inquiry *q, struct decision *d, enum reason reason)
{
	const struct request *r = q->request;
	struct event *e = decision_event(d, q, EVENT_CHALLENGE_OPENED, reason);

	d->id = q->asked->fresh[0];
	d->no = q->account->next_no;
	e->op = r->op;
	e->no = d->no;
	e->id = d->id;
	e->session = r->session;
	e->payment = r->payment;
	e->payee = r->payee;
	e->content = r->content;
	e->target_no = r->target_no;
	e->currency = r->currency;
	e->amount_minor = r->amount_minor;
	e->kinds = kinds_trusted(q, q->kinds);
	e->need = q->need;
	for (size_t i = 0; i < REQUIREMENTS_MAX; i++) {
		const struct requirement *of = &q->requires[i];

		e->requires |= (int64_t)(of->any | of->all << 8 | of->need << 16) << (24 * i);
	}
	e->notes = q->notes;
	e->flags |= r->own ? EVENT_FLAG_OWN : 0;
	e->day = q->day;
	e->expires_ms = q->now_ms + q->asked->policy->challenge_ms;
	if (r->op == OP_SPEND)
		counters_note(q, r->currency, e);
}

static void
step_up(struct inquiry *q, struct decision *d)
{
	const struct challenge *c = same_open_challenge(q);
	enum reason reason = REASON_COUNTERSIGNATURE_REQUIRED;

	if (q->signature != NULL)
		reason = REASON_STRONGER_FACTOR_REQUIRED;
	else if (q->paused)
		reason = REASON_ALLOWANCE_PAUSED;
	else if (q->new_session)
		reason = REASON_NEW_SESSION;
	decision_set(d, reason);
	if (q->request->dry)
		return;
	if (c != NULL) {
		d->replayed = true;
		d->id = c->id;
		d->no = c->no;
		return;
	}
	if (!prompt_allowed(q)) {
		decision_deny(d, q, REASON_PROMPT_BUDGET);
		return;
	}
	open_challenge(q, d, reason);
}

/* Pass 2: would a countersignature by factors that the account really holds be enough? */
static void
decide_supposing(struct inquiry *q, struct decision *d)
{
	enum reason reason;

	q->pass = 2;
	q->detail = (struct detail){0};
	if (!suppose(q, &reason)) {
		/* A line that failed for want of an allowance cannot be mended by a prompt; of one that is paused, by a new session. */
		decision_deny(d, q, reason_outcome(reason) == OUTCOME_DENY ? reason :
		    q->paused ? REASON_SESSION_REVOKED : REASON_STACK);
		return;
	}
	if (refused(q)) {
		decision_deny(d, q, REASON_CHALLENGE_REFUSED);
		return;
	}
	trace(q, 10, RESULT_UNVERIFIED, q->paused ? REASON_ALLOWANCE_PAUSED : REASON_COUNTERSIGNATURE_REQUIRED);
	d->notes = q->notes;
	step_up(q, d);
}

static void
permit_payment(struct inquiry *q, struct decision *d, enum reason reason)
{
	const struct request *r = q->request;
	struct event *e = decision_event(d, q, EVENT_PAYMENT_PERMITTED, reason);
	bool signature = reason == REASON_COUNTERSIGNED;

	d->id = r->payment;
	e->op = r->op;
	e->session = r->session;
	e->subject = q->link->subject;
	e->payment = r->payment;
	e->payee = r->payee;
	e->content = r->content;
	e->currency = r->currency;
	e->amount_minor = r->amount_minor;
	e->basis = signature ? BASIS_COUNTERSIGNATURE : reason == REASON_MANDATE ? BASIS_MANDATE : BASIS_ALLOWANCE;
	if (signature)
		e->challenge_no = q->signature->no;
	else
		e->allowance_no = q->allowance->no;
	memcpy(e->factors, signature ? q->signature->factors : q->allowance->factors, sizeof(e->factors));
	e->flags |= (r->capture ? EVENT_FLAG_CAPTURE : 0) | (q->assumed ? EVENT_FLAG_ASSUMED : 0);
	e->expires_ms = r->capture ? 0 : q->now_ms + q->asked->policy->hold_ms;
	e->needs = q->asked->policy->needs;
	e->notes = d->notes;
	counters_note(q, r->currency, e);
}

/* A permit of another operation: the operation's own event will use the countersignature up. */
static void
permit_operation(struct inquiry *q, struct decision *d)
{
	d->no = q->signature->no;
	d->id = q->signature->id;
}

/* Rule 7 first: an answer that was given stays given, whatever has changed since; the hold's own state tells. */
static bool
replay(struct inquiry *q, struct decision *d)
{
	static const uint8_t reasons[] = {
		[BASIS_NONE] = REASON_COUNTERSIGNED,
		[BASIS_COUNTERSIGNATURE] = REASON_COUNTERSIGNED,
		[BASIS_ALLOWANCE] = REASON_ALLOWANCE,
		[BASIS_MANDATE] = REASON_MANDATE,
	};

	if (q->payment == NULL || rule_1_service(q) != REASON_NONE)
		return false;
	if (rule_7_unique(q) != REASON_NONE) {
		trace(q, 7, RESULT_DENIED, REASON_PAYMENT_MISMATCH);
		decision_deny(d, q, REASON_PAYMENT_MISMATCH);
		return true;
	}
	decision_set(d, (enum reason)reasons[q->payment->basis]);
	d->id = q->payment->id;
	d->replayed = true;
	trace(q, 7, RESULT_SUCCESS, REASON_NONE);
	return true;
}

static void
rules_asked(struct inquiry *q, struct decision *d)
{
	const struct request *r = q->request;
	enum reason reason, yes;
	bool stack_yes;

	q->pass = 1;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		reason = rules[i](q);
		trace(q, (uint8_t)(i + 1), reason == REASON_NONE ? RESULT_SUCCESS : RESULT_DENIED, reason);
		if (reason != REASON_NONE) {
			trace_detail(q, &q->detail);
			decision_deny(d, q, reason);
			return;
		}
	}
	find_cover(q);
	stack_yes = rule_9_stack(q, &reason);
	yes = cover(q);
	if ((!stack_yes || yes == REASON_NONE) && r->op == OP_SPEND && q->session == NULL) {
		/* A mandate's user is not there to be asked. */
		decision_deny(d, q, q->paused ? REASON_MANDATE_PAUSED :
		    q->allowance == NULL || stack_yes ? REASON_ALLOWANCE_EXHAUSTED :
		    reason_outcome(reason) == OUTCOME_DENY ? reason : REASON_STACK);
		return;
	}
	if (!stack_yes || yes == REASON_NONE) {
		decide_supposing(q, d);
		return;
	}
	trace(q, 10, RESULT_SUCCESS, yes);
	trace(q, 11, RESULT_SUCCESS, REASON_NONE);
	trace(q, 12, RESULT_SUCCESS, REASON_NONE);
	decision_set(d, yes);
	d->notes = q->notes;
	d->assumed = q->assumed;
	if (r->op == OP_SPEND && !r->dry)
		permit_payment(q, d, yes);
	else if (r->op != OP_SPEND)
		permit_operation(q, d);
	CHECK(d->outcome == OUTCOME_PERMIT && (q->signature != NULL || q->allowance != NULL));
}

void
decide(const struct asked *asked, const struct account *a, const struct request *r, struct decision *d)
{
	struct inquiry q;

	CHECK(r->op > OP_NONE && r->op < OP__COUNT);
	d->events_n = 0;
	d->replayed = false;
	d->no = 0;
	d->id = (struct id){0};
	d->notes = d->notify = 0;
	d->assumed = false;
	d->detail = (struct detail){0};
	decision_set(d, REASON_STACK);

	inquiry_begin(&q, asked, a, r);
	resolve(&q);
	if (replay(&q, d))
		return;
	rules_asked(&q, d);
	d->notify = q.notify;
}
