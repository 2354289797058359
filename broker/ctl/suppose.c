/* SPDX-License-Identifier: Apache-2.0 */
/* A supposed account, event by event. */
#include "broker/ctl/suppose.h"

#include "broker/base/check.h"
#include "broker/core/apply.h"

enum {
	OPENED_BEFORE_MS = 1000, /* the session: after the link, before now */
	MONTH_DAYS_MAX = 31,
};

static struct id
fresh_id(struct suppose *s)
{
	return (struct id){{++s->ids}};
}

static struct id
payee_of(const struct suppose *s)
{
	static const struct id unnamed = {{SUPPOSE_PAYEE_MARK}};

	return id_zero(&s->payee) ? unnamed : s->payee;
}

static struct event *
begin(struct suppose *s, enum event_type type, enum reason reason, int64_t time_ms)
{
	s->event = (struct event){.type = (uint16_t)type, .reason = (uint16_t)reason, .time_ms = time_ms,
	    .policy = s->rules->policy->digest, .service = name_tag(view_str(s->service->name))};
	s->event.day = window_day(s->rules->policy, time_ms);
	s->event.month = window_month(s->rules->policy, time_ms);
	return &s->event;
}

static void
happen(struct suppose *s)
{
	struct apply_left left;

	CHECK(apply(&s->account, &s->event, &left) == CS_OK);
}

/* The factor that signs: an independent one where there is one, as the owner would have had to use. */
static const struct factor *
signer(const struct suppose *s)
{
	const struct asked asked = suppose_asked(s);

	for (size_t i = 0; i < s->account.factors_n; i++) {
		const struct factor *f = &s->account.factors[i];
		bool assumed = false;

		if (s->provider == NULL || factor_independent(&asked, &s->account, f, s->provider->tag, &assumed))
			return f;
	}
	return &s->account.factors[0];
}

/* A challenge for this, answered rightly; gives its serial. */
static uint32_t
countersign(struct suppose *s, int64_t time_ms, enum op op, uint32_t link_no, uint32_t target_no,
    const struct id *session)
{
	const struct factor *f = signer(s);
	struct event *e = begin(s, EVENT_CHALLENGE_OPENED, REASON_COUNTERSIGNATURE_REQUIRED, time_ms);
	struct id id = fresh_id(s);
	uint32_t no = s->account.next_no, factor_no = f->no;

	e->op = op;
	e->no = no;
	e->id = id;
	e->session = *session;
	e->payment = op == OP_SPEND ? fresh_id(s) : (struct id){{0}};
	e->link_no = link_no;
	e->target_no = target_no;
	e->content.b[0] = s->ids;
	e->kinds = 1 << f->kind;
	e->need = 1;
	e->expires_ms = time_ms + s->rules->policy->challenge_ms;
	happen(s);
	e = begin(s, EVENT_CHALLENGE_ANSWERED, REASON_COUNTERSIGNED, time_ms);
	e->op = op;
	e->id = id;
	e->challenge_no = no;
	e->target_no = factor_no;
	e->flags = EVENT_FLAG_COMPLETE;
	e->usable_ms = time_ms;
	e->expires_ms = time_ms + s->rules->policy->redeem_ms + 1;
	happen(s);
	return no;
}

static void
enrol(struct suppose *s, enum factor_kind kind, int64_t time_ms)
{
	static const struct id nowhere;
	bool first = s->account.factors_n == 0;
	uint32_t signer_no = first ? 0 : signer(s)->no;
	uint32_t challenge_no = first ? 0 : countersign(s, time_ms, OP_FACTOR, 0, 0, &nowhere);
	struct event *e = begin(s, EVENT_FACTOR_ENROLLED, first ? REASON_FIRST_FACTOR : REASON_COUNTERSIGNED, time_ms);

	e->op = OP_FACTOR;
	e->no = s->account.next_no;
	e->id = fresh_id(s);
	e->kind = kind;
	e->plugin = s->rules->policy->factors[kind].plugin;
	e->usable_ms = time_ms;
	e->flags = first ? EVENT_FLAG_FIRST : 0;
	e->challenge_no = challenge_no;
	e->factors[0] = signer_no;
	if (s->bound) {
		e->copies = COPIES_NONE;
		e->rests[0] = SUPPOSE_THING;
	}
	happen(s);
}

static uint32_t
propose_link(struct suppose *s, int64_t time_ms)
{
	static const struct id nowhere;
	struct event *e = begin(s, EVENT_LINK_PROPOSED, REASON_ASKED, time_ms);
	uint32_t no = s->account.next_no;

	e->op = OP_LINK;
	e->no = no;
	e->id = fresh_id(s);
	e->provider = s->provider->tag;
	e->subject = fresh_id(s);
	happen(s);
	if (s->op != OP_LINK)
		(void)countersign(s, time_ms, OP_LINK, no, no, &nowhere);
	return no;
}

static struct id
open_session(struct suppose *s, uint32_t link_no, int64_t time_ms)
{
	struct event *e = begin(s, EVENT_SESSION_OPENED, REASON_ASKED, time_ms);
	struct id id = fresh_id(s);

	e->id = id;
	e->link_no = link_no;
	e->auth_ms = time_ms;
	e->usable_ms = time_ms - s->rules->policy->session_idle_ms;
	e->expires_ms = time_ms + s->rules->policy->session_max_ms;
	happen(s);
	return id;
}

static uint32_t
propose_allowance(struct suppose *s, uint32_t link_no, int64_t time_ms)
{
	struct event *e = begin(s, EVENT_ALLOWANCE_PROPOSED, REASON_ASKED, time_ms);
	uint32_t no = s->account.next_no;

	e->op = OP_GRANT;
	e->no = no;
	e->id = fresh_id(s);
	e->link_no = link_no;
	e->kind = ALLOWANCE_SESSION;
	e->currency = s->currency;
	e->per_payment_minor = s->per_payment_minor;
	e->per_day_minor = s->per_day_minor;
	e->total_minor = s->total_minor;
	e->expires_ms = time_ms + s->rules->policy->allowance_max_ms;
	happen(s);
	return no;
}

static void
spend(struct suppose *s, uint32_t link_no, uint32_t allowance_no, uint32_t challenge_no, const struct id *session)
{
	bool covered = allowance_no != 0 && s->spent_minor <= s->per_day_minor && s->spent_minor <= s->total_minor;
	struct event *e;

	if (!covered && challenge_no == 0)
		challenge_no = countersign(s, s->now_ms, OP_SPEND, link_no, 0, &(const struct id){{0}});
	e = begin(s, EVENT_PAYMENT_PERMITTED, covered ? REASON_ALLOWANCE : REASON_COUNTERSIGNED, s->now_ms);
	e->op = OP_SPEND;
	e->link_no = link_no;
	e->session = *session;
	e->subject = account_link_by_no(&s->account, link_no)->subject;
	e->payment = fresh_id(s);
	e->payee = fresh_id(s);
	e->content.b[0] = s->ids;
	e->currency = s->currency;
	e->amount_minor = s->spent_minor;
	e->flags = EVENT_FLAG_CAPTURE;
	e->needs = s->rules->policy->needs;
	e->basis = covered ? BASIS_ALLOWANCE : BASIS_COUNTERSIGNATURE;
	if (covered)
		e->allowance_no = allowance_no;
	else
		e->challenge_no = challenge_no;
	happen(s);
}

/* The least that makes the payee one that was paid: counted nowhere else, since every window of it is over. */
static void
pay_once(struct suppose *s, uint32_t link_no, int64_t time_ms)
{
	static const struct id nowhere;
	uint32_t challenge_no = countersign(s, time_ms, OP_SPEND, link_no, 0, &nowhere);
	struct event *e = begin(s, EVENT_PAYMENT_PERMITTED, REASON_COUNTERSIGNED, time_ms);

	e->op = OP_SPEND;
	e->day -= MONTH_DAYS_MAX;
	e->month--;
	e->link_no = link_no;
	e->subject = account_link_by_no(&s->account, link_no)->subject;
	e->payment = fresh_id(s);
	e->payee = payee_of(s);
	e->content.b[0] = s->ids;
	e->currency = s->currency;
	e->amount_minor = 1;
	e->flags = EVENT_FLAG_CAPTURE;
	e->needs = NEED_KNOWN;
	e->basis = BASIS_COUNTERSIGNATURE;
	e->challenge_no = challenge_no;
	happen(s);
}

/* What happened in this link's session before the question. */
static void
live(struct suppose *s, uint32_t link_no, const struct id *session)
{
	static const struct id nowhere;
	const struct id *in = s->countersigned ? session : &nowhere;
	uint32_t allowance_no = 0, challenge_no = 0;

	if (s->allowance) {
		allowance_no = propose_allowance(s, link_no, s->now_ms);
		(void)countersign(s, s->now_ms, OP_GRANT, link_no, allowance_no, in);
	} else if (s->countersigned) {
		challenge_no = countersign(s, s->now_ms, OP_SPEND, link_no, 0, in);
	}
	if (s->spent_minor > 0)
		spend(s, link_no, allowance_no, challenge_no, session);
}

/* An operation of the account has nothing but its content; the others name what they are about. */
static void
ask(struct suppose *s, uint32_t link_no, const struct id *session)
{
	struct request *r = &s->request;

	*r = (struct request){.op = s->op};
	r->content.b[0] = 1;
	r->content.b[1] = 1; /* no content that anything above was signed for */
	if (s->op == OP_SPEND) {
		r->session = *session;
		r->payment = fresh_id(s);
		r->payee = payee_of(s);
		r->currency = s->currency;
		r->amount_minor = s->amount_minor;
	} else if (s->op == OP_GRANT) {
		r->session = *session;
		r->target_no = link_no == 0 ? 0 : propose_allowance(s, link_no, s->now_ms);
	} else if (s->op == OP_LINK) {
		r->link_no = r->target_no = link_no;
	} else if (s->op == OP_THAW) {
		r->link_no = link_no;
	}
}

static void
freeze_link(struct suppose *s, uint32_t link_no)
{
	struct event *e = begin(s, EVENT_FROZEN, REASON_NARROWS, s->now_ms);

	e->link_no = link_no;
	e->author = AUTHOR_USER;
	happen(s);
}

static void
broker_well(struct suppose *s)
{
	s->broker = (struct broker_state){.clock_ok = true};
	for (size_t i = 0; i < s->rules->policy->providers_n; i++)
		s->broker.providers[s->broker.providers_n++] = (struct broker_provider){
		    .tag = s->rules->policy->providers[i].tag, .enabled = true, .pinned = true, .fresh = true};
}

void
suppose_account(struct suppose *s)
{
	int64_t before_ms = s->now_ms - DAY_MS;
	struct id session = {{0}}, key = {{1}};
	uint32_t link_no = 0;

	s->ids = 0;
	account_init(&s->account, &key);
	broker_well(s);
	for (size_t i = 0; i < s->kinds_n; i++)
		enrol(s, (enum factor_kind)s->kinds[i], before_ms);
	if (s->provider != NULL && s->kinds_n > 0)
		link_no = propose_link(s, before_ms);
	if (link_no != 0 && s->op == OP_SPEND && s->payee_known)
		pay_once(s, link_no, before_ms);
	if (link_no != 0 && s->op != OP_LINK) {
		session = open_session(s, link_no, s->now_ms - OPENED_BEFORE_MS);
		live(s, link_no, &session);
	}
	if (link_no != 0 && s->op == OP_THAW)
		freeze_link(s, link_no);
	ask(s, link_no, &session);
}

struct asked
suppose_asked(const struct suppose *s)
{
	return (struct asked){.policy = s->rules->policy, .broker = &s->broker,
	    .service = name_tag(view_str(s->service->name)), .door = s->service->doors, .now_ms = s->now_ms,
	    .fresh = {{{254}}, {{255}}}};
}

void
suppose_decide(const struct suppose *s, bool dry, struct decision_trace *trace, struct decision *d)
{
	struct asked asked = suppose_asked(s);
	struct request r = s->request;

	asked.trace = trace;
	if (trace != NULL)
		trace->n = 0;
	r.dry = dry;
	decide(&asked, &s->account, &r, d);
}
