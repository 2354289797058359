/* SPDX-License-Identifier: Apache-2.0 */
/* Running decide() over all executions of a stack. */
#include "broker/ctl/prove.h"

#include "broker/base/check.h"
#include "broker/core/money.h"
#include "broker/ctl/suppose.h"

#define PROOF_NOW_MS (INT64_C(20000) * DAY_MS)

enum { AMOUNT_MINOR = 100, PROVIDER_TAG = 1, PROVIDER_PLUGIN = 2, FACTOR_PLUGIN = 3 };

/* What the account has to show. */
enum cover {
	COVER_NONE,
	COVER_DEPENDENT,
	COVER_LOCKED,
	COVER_USED,
	COVER_LATE,
	COVER_OTHER,
	COVER_STRANGE_SESSION,
	COVER_KIND,
	COVER_GOOD,
	COVER__COUNT
};

static const char *const cover_words[COVER__COUNT] = {
    [COVER_NONE] = "an account without any countersignature",
    [COVER_DEPENDENT] = "an account whose countersignature was given by a factor that the provider controls",
    [COVER_LOCKED] = "an account whose countersignature was given by a factor that is locked now",
    [COVER_USED] = "an account whose countersignature was used before",
    [COVER_LATE] = "an account whose countersignature is too old",
    [COVER_OTHER] = "an account whose countersignature was given for something else",
    [COVER_STRANGE_SESSION] = "an account with an allowance, in a session that was never countersigned",
    [COVER_KIND] = "an account whose countersignature was given by a kind of factor that counts for other operations only",
    [COVER_GOOD] = "an account with a good countersignature",
};

struct case_of {
	struct account account;
	struct request request;
};

struct prover {
	/* made once */
	struct ruleset rules;
	struct policy policy, dependent; /* the same, but for a provider that controls every factor */
	struct config_service service;
	struct broker_state broker;
	struct case_of cases[OP__COUNT][COVER__COUNT];
	/* of one proof */
	struct stack stack; /* every line a `debug` */
	enum op op;
	decide_fn *decide;
	struct proof *out;
};

/* --- accounts --- */

/*
 * A broker in which nothing but the stack and rules 10 to 12 could say no: every right, a provider, a factor and a
 * currency without limits. What the real configuration adds to this can only deny more.
 */
static void
policy_make(struct prover *p)
{
	struct policy *to = &p->policy;

	p->service = (struct config_service){.name = "proof", .doors = DOOR_UNIX};
	to->session_idle_ms = to->session_max_ms = to->hold_ms = to->allowance_max_ms = DAY_MS;
	to->challenge_ms = to->redeem_ms = HOUR_MS;
	to->prompts_per_link_day = UINT32_MAX;
	to->open_per_link = ACCOUNT_CHALLENGES_MAX;
	to->limits_n = 1;
	to->limits[0] = (struct policy_limit){currency_find(VIEW("CNY")), -1, -1, -1, -1, -1};
	to->factors[FACTOR_TOTP] = (struct policy_factor){.plugin = FACTOR_PLUGIN, .enabled = true, .reverified = true};
	to->factors[FACTOR_RECOVERY] = to->factors[FACTOR_TOTP];
	to->services_n = 1;
	to->services[0] = (struct policy_service){.tag = name_tag(view_str(p->service.name)), .rights = UINT32_MAX,
	    .doors = DOOR_UNIX, .stack = &p->stack};
	to->providers_n = 1;
	to->providers[0] = (struct policy_provider){.tag = PROVIDER_TAG, .plugin = PROVIDER_PLUGIN};
	p->rules.policy = to;
	p->dependent = *to;
	p->dependent.providers[0].controls_kinds = FACTOR_KINDS_ALL;
}

static uint32_t
link_of(const struct case_of *c)
{
	const struct session *s = account_session(&c->account, &c->request.session);

	return c->request.link_no != 0 ? c->request.link_no : s == NULL ? 0 : s->link_no;
}

/* A countersignature for exactly the request, given a moment ago. */
static void
sign(struct case_of *c, uint64_t service)
{
	struct challenge *to = &c->account.challenges[c->account.challenges_n++];

	CHECK(c->account.challenges_n <= ACCOUNT_CHALLENGES_MAX && c->account.factors_n == 1);
	*to = (struct challenge){.id = {{77}}, .content = c->request.content, .payment = c->request.payment,
	    .session = c->request.session, .service = service, .no = c->account.next_no++, .link_no = link_of(c),
	    .target_no = c->request.target_no, .op = (uint8_t)c->request.op, .state = CHALLENGE_DONE,
	    .kinds = FACTOR_KINDS_ALL, .need = 1, .opened_ms = PROOF_NOW_MS, .expires_ms = PROOF_NOW_MS + HOUR_MS,
	    .done_ms = PROOF_NOW_MS, .factors = {c->account.factors[0].no}};
}

static void
case_make(struct prover *p, enum op op, enum cover cover)
{
	static struct suppose s;
	struct case_of *c = &p->cases[op][cover];
	/* A recovery is countersigned by recovery codes alone, and they countersign nothing else. */
	uint8_t kind = op == OP_RECOVER ? FACTOR_RECOVERY : FACTOR_TOTP;
	struct challenge *last;

	s = (struct suppose){.rules = &p->rules, .now_ms = PROOF_NOW_MS, .service = &p->service,
	    .provider = &p->policy.providers[0], .kinds = {kind}, .kinds_n = 1, .op = op,
	    .countersigned = cover != COVER_STRANGE_SESSION, .allowance = cover == COVER_STRANGE_SESSION,
	    .per_payment_minor = AMOUNT_MINOR, .per_day_minor = AMOUNT_MINOR, .total_minor = AMOUNT_MINOR,
	    .currency = p->policy.limits[0].currency, .amount_minor = AMOUNT_MINOR};
	suppose_account(&s);
	p->broker = s.broker;
	c->account = s.account;
	c->request = s.request;
	if (cover == COVER_NONE || cover == COVER_STRANGE_SESSION)
		return;
	sign(c, p->policy.services[0].tag);
	last = &c->account.challenges[c->account.challenges_n - 1];
	if (cover == COVER_LOCKED)
		c->account.factors[0].locked_until_ms = PROOF_NOW_MS + HOUR_MS;
	else if (cover == COVER_USED)
		last->state = CHALLENGE_USED;
	else if (cover == COVER_LATE)
		last->done_ms = last->expires_ms = PROOF_NOW_MS - 2 * HOUR_MS;
	else if (cover == COVER_OTHER)
		last->content.b[0]++;
	else if (cover == COVER_KIND)
		c->account.factors[0].kind = op == OP_RECOVER ? FACTOR_TOTP : FACTOR_RECOVERY;
}

static void
prover_make(struct prover *p)
{
	policy_make(p);
	for (int op = OP_NONE + 1; op < OP__COUNT; op++)
		for (int cover = 0; cover < COVER__COUNT; cover++)
			case_make(p, (enum op)op, (enum cover)cover);
}

/* --- the stack --- */

void
walk_stack(struct walk *w, const struct stack *s, enum op op)
{
	CHECK(s->count[op] <= WALK_LINES_MAX);
	w->lines_n = s->count[op];
	for (uint16_t i = 0; i < s->count[op]; i++) {
		const struct stack_line *from = &s->lines[s->first[op] + i];
		struct walk_line *to = &w->lines[i];

		*to = (struct walk_line){.level = from->level, .line = (uint16_t)(s->first[op] + i),
		    .results = from->substack ? 0 : WALK_ALL_RESULTS};
		memcpy(to->actions, from->actions, sizeof(to->actions));
	}
}

static void
stack_make(struct prover *p, const struct stack *s)
{
	p->stack = *s;
	for (uint16_t i = 0; i < s->lines_n; i++) {
		struct stack_line *line = &p->stack.lines[i];

		if (line->substack)
			continue;
		line->rule = RULE_DEBUG;
		line->absent = false;
		line->debug = RESULT_DENIED;
	}
}

/* --- one execution --- */

static enum result
answer(void *ctx, const struct stack_line *line, enum reason *reason)
{
	(void)ctx;
	*reason = REASON_STACK;
	return (enum result)line->debug;
}

/* The core's dispatch alone must end as the model says, after the same lines. */
static bool
as_modelled(const struct prover *p, const struct walk_step *steps, size_t n, bool permit)
{
	static struct stack_verdict v;
	const struct stack_run run = {.stack = &p->stack, .op = (uint8_t)p->op, .ask = answer};

	stack_evaluate(&run, &v);
	if (v.permit != permit || v.executed_n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (v.executed[i].line != p->stack.first[p->op] + steps[i].line || v.executed[i].result != steps[i].result)
			return false;
	return true;
}

static enum outcome
outcome_of(struct prover *p, enum cover cover)
{
	static struct decision d;
	const struct case_of *c = &p->cases[p->op][cover];
	const struct asked asked = {.policy = cover == COVER_DEPENDENT ? &p->dependent : &p->policy, .broker = &p->broker,
	    .service = p->policy.services[0].tag, .door = DOOR_UNIX, .now_ms = PROOF_NOW_MS, .fresh = {{{254}}, {{255}}}};

	p->decide(&asked, &c->account, &c->request, &d);
	p->out->runs++;
	return (enum outcome)d.outcome;
}

static bool
ended(struct prover *p, const struct walk_step *steps, size_t n, enum proof_end end, const char *account)
{
	p->out->end = end;
	p->out->account = account;
	p->out->steps_n = (uint16_t)n;
	for (size_t i = 0; i < n; i++)
		p->out->steps[i] = (struct walk_step){(uint16_t)(p->stack.first[p->op] + steps[i].line), steps[i].result};
	return false;
}

/* False: the proof has ended. */
static bool
try(struct prover *p, const struct walk_step *steps, size_t n, bool permit)
{
	for (size_t i = 0; i < n; i++)
		p->stack.lines[p->stack.first[p->op] + steps[i].line].debug = steps[i].result;
	if (!as_modelled(p, steps, n, permit))
		return ended(p, steps, n, PROOF_DIFFERS, NULL);
	for (int cover = 0; cover < COVER_GOOD; cover++)
		if (outcome_of(p, (enum cover)cover) == OUTCOME_PERMIT)
			return ended(p, steps, n, PROOF_BROKEN, cover_words[cover]);
	if (permit && outcome_of(p, COVER_GOOD) != OUTCOME_PERMIT)
		return ended(p, steps, n, PROOF_DIFFERS, cover_words[COVER_GOOD]);
	return true;
}

/* One transition, with what is before it, and both ways on: to a yes and to a no, where there are such. */
static bool
try_transition(struct prover *p, const struct walk *w, uint32_t state, uint8_t result)
{
	struct walk_step steps[WALK_LINES_MAX];
	size_t n = walk_way(w, state, steps);

	steps[n++] = (struct walk_step){walk_line_of(w, state), result};
	for (int yes = 1; yes >= 0; yes--) {
		uint32_t end;
		size_t all = walk_on(w, w->states[state].next[result], yes != 0, steps, n, &end);

		if (walk_end_permits(w, end) != (yes != 0))
			continue;
		if (!try(p, steps, all, yes != 0))
			return false;
	}
	return true;
}

static void
try_all(struct prover *p, const struct walk *w)
{
	for (uint32_t i = 0; i < w->states_n; i++)
		for (uint8_t r = 0; !walk_is_end(w, i) && r < RESULT__COUNT; r++)
			if (walk_is_branch(w, i, r) && !try_transition(p, w, i, r))
				return;
	/* A stack without a line for this has one execution, and it is empty. */
	if (walk_is_end(w, 0))
		(void)try(p, NULL, 0, false);
}

void
prove_stack(const struct stack *s, enum op op, decide_fn *with, struct proof *out)
{
	static struct prover p;
	static struct walk w;

	if (p.rules.policy == NULL)
		prover_make(&p);
	memset(&w, 0, sizeof(w));
	p.op = op;
	p.decide = with;
	p.out = out;
	memset(out, 0, sizeof(*out));
	stack_make(&p, s);
	walk_stack(&w, s, op);
	if (!walk_run(&w)) {
		out->end = PROOF_TOO_LARGE;
	} else {
		out->combinations = w.states[0].ways;
		try_all(&p, &w);
	}
	out->states = w.states_n;
	walk_clear(&w);
}
