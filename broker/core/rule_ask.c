/* SPDX-License-Identifier: Apache-2.0 */
/* What each rule of a stack answers for one inquiry: rule 9 asks line by line. */
#include "broker/core/counters.h"
#include "broker/core/inquiry.h"
#include "broker/core/money.h"

static enum result
ask_provider(const struct inquiry *q, const struct stack_line *line)
{
	if (q->link == NULL)
		return RESULT_IGNORE;
	for (size_t i = 0; i < line->providers_n; i++) {
		if (line->providers[i] == q->link->provider)
			return RESULT_SUCCESS;
	}
	return RESULT_DENIED;
}

static enum result
ask_session(const struct inquiry *q, const struct stack_line *line, enum reason *reason)
{
	*reason = REASON_SESSION_EXPIRED;
	if (q->session == NULL)
		return RESULT_IGNORE;
	/* The provider's own word on when the user signed in, or nothing: the session's age says nothing of it. */
	if (line->max_age_ms >= 0 &&
	    (q->session->auth_ms <= 0 || q->now_ms - q->session->auth_ms > line->max_age_ms))
		return RESULT_DENIED;
	/* What pass 2 supposes is given in this session, and so may be the answer that is just carrying something out. */
	if (!line->countersigned || q->session->countersigned || q->pass == 2 ||
	    (q->signature != NULL && id_equal(&q->signature->session, &q->session->id)))
		return RESULT_SUCCESS;
	*reason = REASON_NEW_SESSION;
	return RESULT_UNVERIFIED;
}

/* --- stepup --- */

/*
 * How hard each kind is to take from its owner: a passkey cannot be phished, an approval shows what it is for on a device
 * of the owner's, and so on down to what is read out to anybody who asks.
 */
static const uint8_t strengths[FACTOR__COUNT] = {
	[FACTOR_WEBAUTHN] = 6,
	[FACTOR_APPROVE] = 5,
	[FACTOR_TOTP] = 4,
	[FACTOR_PAM] = 3,
	[FACTOR_OTP] = 2,
	[FACTOR_RECOVERY] = 1,
};

/*
 * The strongest of these kinds that the account could use, were it not for a lock: whoever locks the passkey by wrong
 * answers must not be asked for something weaker. A mask of one kind, or 0.
 */
static uint8_t
strongest_kind(const struct inquiry *q, uint8_t kinds)
{
	const struct account *a = q->account;
	uint8_t strength = 0, mask = 0;

	for (size_t i = 0; i < a->factors_n; i++) {
		const struct factor *f = &a->factors[i];
		enum reason why = REASON_NONE;
		int64_t until_ms;

		if ((kinds & 1 << f->kind) == 0 || strengths[f->kind] <= strength)
			continue;
		if (factor_usable(q, f, &why, &until_ms) || why == REASON_FACTOR_LOCKED) {
			strength = strengths[f->kind];
			mask = (uint8_t)(1 << f->kind);
		}
	}
	return mask;
}

/* How many factors of each kind have countersigned, or are supposed to. */
static bool
given_by_kind(const struct inquiry *q, uint8_t given[FACTOR__COUNT])
{
	memset(given, 0, FACTOR__COUNT);
	if (q->pass == 2) {
		memcpy(given, q->supposed, FACTOR__COUNT);
		return true;
	}
	for (size_t i = 0; q->signature != NULL && i < CHALLENGE_FACTORS_MAX; i++) {
		const struct factor *f = account_factor_by_no(q->account, q->signature->factors[i]);

		if (f != NULL)
			given[f->kind]++;
	}
	return q->signature != NULL;
}

/* Too old, or for something else than exactly this. Rule 10 asks the latter of every countersignature all the same. */
static bool
signature_stale(const struct inquiry *q, const struct stack_line *line)
{
	const struct challenge *c = q->signature;

	if (q->pass == 2)
		return false;
	if (line->signature_age_ms > 0 && q->now_ms - c->done_ms > line->signature_age_ms)
		return true;
	return line->exact && q->request->op == OP_SPEND && !hash_equal(&c->content, &q->request->content);
}

static enum result
ask_stepup(struct inquiry *q, const struct stack_line *line, enum reason *reason)
{
	uint8_t kinds = line->kinds == 0 ? FACTOR_KINDS_ALL : line->kinds, all = line->all;
	uint8_t given[FACTOR__COUNT];
	unsigned n = 0;

	*reason = REASON_COUNTERSIGNATURE_REQUIRED;
	if (!given_by_kind(q, given) || signature_stale(q, line))
		return RESULT_UNVERIFIED;
	if (line->strongest) {
		uint8_t strongest = strongest_kind(q, kinds);

		/* No factor at all: what fails is the count. */
		all |= strongest;
	}
	for (int k = 0; k < FACTOR__COUNT; k++) {
		if ((all & 1 << k) != 0 && given[k] == 0)
			return RESULT_UNVERIFIED;
		if ((kinds & 1 << k) == 0)
			given[k] = 0;
		n += given[k];
	}
	if (n < line->need || categories_of(given) < line->categories)
		return RESULT_UNVERIFIED;
	if (q->pass == 2)
		supposed_by_line(q, kinds, all, line->need, line->categories);
	return RESULT_SUCCESS;
}

/* --- who, whom, when --- */

static enum result
ask_payee(const struct inquiry *q, const struct stack_line *line, enum reason *reason)
{
	const struct id *payee = &q->request->payee;

	*reason = REASON_PAYEE_NOT_LISTED;
	for (size_t i = 0; i < line->ids_n; i++) {
		if (id_equal(&q->service->stack->ids[line->ids_at + i], payee))
			return RESULT_SUCCESS;
	}
	return line->known && counters_known(q->account, payee) ? RESULT_SUCCESS : RESULT_DENIED;
}

static enum result
ask_service(const struct inquiry *q, const struct stack_line *line, enum reason *reason)
{
	*reason = REASON_SERVICE_NOT_LISTED;
	for (size_t i = 0; i < line->providers_n; i++) {
		if (line->providers[i] == q->service->tag)
			return RESULT_SUCCESS;
	}
	return RESULT_DENIED;
}

/* Days are those on which a span begins: "mon 22:00 to 06:00" lasts until Tuesday. */
static enum result
ask_time(const struct inquiry *q, const struct stack_line *line, enum reason *reason)
{
	const struct policy *p = q->asked->policy;
	int64_t local_ms = q->now_ms + (int64_t)zone_offset_s(p, q->now_ms) * 1000;
	int32_t day = window_day(p, q->now_ms);
	int minute = (int)((local_ms - (int64_t)day * DAY_MS) / 60000);
	/* 1970-01-01 was a Thursday. */
	int weekday = (int)(((int64_t)day % 7 + 7 + 3) % 7);
	bool within = line->from_min < 0;

	*reason = REASON_OUTSIDE_HOURS;
	if (line->from_min >= 0 && line->from_min < line->to_min) {
		within = minute >= line->from_min && minute < line->to_min;
	} else if (line->from_min >= 0) {
		within = minute >= line->from_min || minute < line->to_min;
		if (minute < line->to_min)
			weekday = (weekday + 6) % 7;
	}
	return within && (line->days == 0 || (line->days & 1 << weekday) != 0) ? RESULT_SUCCESS : RESULT_DENIED;
}

/* --- the account --- */

static bool
account_old(const struct inquiry *q, int64_t age_ms)
{
	const struct account *a = q->account;
	int64_t first_ms = -1;

	for (size_t i = 0; i < a->factors_n; i++) {
		if (first_ms < 0 || a->factors[i].since_ms < first_ms)
			first_ms = a->factors[i].since_ms;
	}
	return first_ms >= 0 && q->now_ms - first_ms >= age_ms;
}

static enum result
ask_account(const struct inquiry *q, const struct stack_line *line, enum reason *reason)
{
	const struct account *a = q->account;
	unsigned usable = 0;
	uint8_t held = 0;

	*reason = REASON_ACCOUNT_TOO_NEW;
	if (line->age_ms >= 0 && !account_old(q, line->age_ms))
		return RESULT_DENIED;
	if (line->link_age_ms >= 0 && (q->link == NULL || q->now_ms - q->link->since_ms < line->link_age_ms))
		return RESULT_DENIED;
	*reason = REASON_ACCOUNT_FACTORS;
	for (size_t i = 0; (line->held_n > 0 || line->held != 0) && i < a->factors_n; i++) {
		enum reason why;
		int64_t until_ms;

		if (!factor_usable(q, &a->factors[i], &why, &until_ms))
			continue;
		usable++;
		held |= (uint8_t)(1 << a->factors[i].kind);
	}
	return usable < line->held_n || (line->held & ~held) != 0 ? RESULT_DENIED : RESULT_SUCCESS;
}

/* --- what is vouched for --- */

static bool
source_listed(const struct stack_line *line, const struct fact *f)
{
	for (size_t i = 0; i < line->sources_n; i++) {
		if (line->sources[i] == f->by && (line->sources_services >> i & 1) == f->by_service)
			return true;
	}
	return line->sources_n == 0;
}

/* What was verified longer ago than is asked for, or nobody said when, is as good as lowered: it has to be verified again. */
static bool
fact_counts(const struct inquiry *q, const struct stack_line *line, const struct fact *f)
{
	return !f->lowered && (line->fact_age_ms < 0 ||
	    (f->verified_ms > 0 && q->now_ms - f->verified_ms <= line->fact_age_ms));
}

static enum result
ask_assurance(const struct inquiry *q, const struct stack_line *line, enum reason *reason)
{
	if (q->link == NULL)
		return RESULT_IGNORE;
	for (size_t k = 0; k < line->facts_n; k++) {
		bool there = false, counts = false;

		for (size_t i = 0; i < q->account->facts_n; i++) {
			const struct fact *f = &q->account->facts[i];

			if (f->link_no != q->link->no || f->kind != line->facts[k] || !source_listed(line, f))
				continue;
			there = true;
			counts |= fact_counts(q, line, f);
		}
		*reason = there ? REASON_ASSURANCE_LOWERED : REASON_ASSURANCE_MISSING;
		if (!counts)
			return RESULT_DENIED;
	}
	return RESULT_SUCCESS;
}

/* --- plugins --- */

static enum result
ask_risk(struct inquiry *q, const struct stack_line *line, enum reason *reason)
{
	const struct asked *asked = q->asked;

	for (size_t i = 0; i < asked->evidence_n; i++) {
		const struct evidence *e = &asked->evidence[i];

		if (e->plugin != line->plugin || !e->answered)
			continue;
		q->seen = (struct detail){.limit = line->score_max, .used = e->score, .set = true};
		*reason = REASON_RISK_HIGH;
		return e->score <= line->score_max ? RESULT_SUCCESS : RESULT_DENIED;
	}
	*reason = REASON_RISK_UNAVAILABLE;
	return RESULT_UNAVAILABLE;
}

/* The result of one line: rule 9 asks, this answers. */
enum result
rule_ask(struct inquiry *q, const struct stack_line *line, enum reason *reason)
{
	*reason = REASON_STACK;
	if (line->absent)
		return RESULT_UNAVAILABLE;
	switch ((enum rule)line->rule) {
	case RULE_PROVIDER:
		return ask_provider(q, line);
	case RULE_SESSION:
		return ask_session(q, line, reason);
	case RULE_LIMIT:
		return limit_line_ask(q, line, reason);
	case RULE_ALLOWANCE:
		*reason = REASON_COUNTERSIGNATURE_REQUIRED;
		q->allowance_asked |= q->allowance != NULL;
		return q->allowance != NULL || q->suppose_allowance ? RESULT_SUCCESS : RESULT_UNVERIFIED;
	case RULE_STEPUP:
		return ask_stepup(q, line, reason);
	case RULE_PERMIT:
		return RESULT_SUCCESS;
	case RULE_DENY:
		return RESULT_DENIED;
	case RULE_PAYEE:
		return ask_payee(q, line, reason);
	case RULE_SERVICE:
		return ask_service(q, line, reason);
	case RULE_TIME:
		return ask_time(q, line, reason);
	case RULE_ACCOUNT:
		return ask_account(q, line, reason);
	case RULE_DRAIN:
		return drain_line_ask(q, line, reason);
	case RULE_RISK:
		return ask_risk(q, line, reason);
	case RULE_NOTIFY:
		q->notify |= UINT32_C(1) << line->plugin_at;
		return RESULT_IGNORE;
	case RULE_ASSURANCE:
		return ask_assurance(q, line, reason);
	case RULE_DEBUG:
		return (enum result)line->debug;
	case RULE__COUNT:
		break;
	}
	return RESULT_ERROR;
}
