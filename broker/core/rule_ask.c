/* SPDX-License-Identifier: Apache-2.0 */
/* What each rule of a stack answers for one inquiry: rule 9 asks line by line. */
#include "broker/core/inquiry.h"
#include "broker/core/money.h"

static enum result
ask_session(const struct inquiry *q, const struct stack_line *line, enum reason *reason)
{
	*reason = REASON_SESSION_EXPIRED;
	if (q->session == NULL)
		return RESULT_IGNORE;
	if (line->max_age_ms < 0)
		return RESULT_SUCCESS;
	/* The provider's own word on when the user signed in, or nothing: the session's age says nothing of it. */
	return q->session->auth_ms > 0 && q->now_ms - q->session->auth_ms <= line->max_age_ms ? RESULT_SUCCESS :
	    RESULT_DENIED;
}

static enum result
ask_stepup(struct inquiry *q, const struct stack_line *line, enum reason *reason)
{
	uint8_t kinds = line->kinds == 0 ? FACTOR_KINDS_ALL : line->kinds;
	size_t n = 0;

	*reason = REASON_COUNTERSIGNATURE_REQUIRED;
	if (q->pass == 2) {
		bool apart = (q->kinds & kinds) == 0;

		/* Several lines: what satisfies all of them; lines with nothing in common need a factor each. */
		q->need = apart ? (uint8_t)(q->need + line->need) : q->need > line->need ? q->need : line->need;
		q->kinds = apart ? q->kinds | kinds : q->kinds & kinds;
		if (factors_usable(q, kinds) >= line->need)
			return RESULT_SUCCESS;
		*reason = q->unusable;
		return RESULT_UNVERIFIED;
	}
	for (size_t i = 0; q->signature != NULL && i < CHALLENGE_FACTORS_MAX; i++) {
		const struct factor *f = account_factor_by_no(q->account, q->signature->factors[i]);

		n += f != NULL && (kinds & 1 << f->kind) != 0;
	}
	return n >= line->need ? RESULT_SUCCESS : RESULT_UNVERIFIED;
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
		for (size_t i = 0; q->link != NULL && i < line->providers_n; i++) {
			if (line->providers[i] == q->link->provider)
				return RESULT_SUCCESS;
		}
		return RESULT_DENIED;
	case RULE_SESSION:
		return ask_session(q, line, reason);
	case RULE_LIMIT:
		if (q->request->op != OP_SPEND || (line->currency != CURRENCY_NONE &&
		    line->currency != q->request->currency))
			return RESULT_IGNORE;
		*reason = limit_line_check(q, line);
		return *reason == REASON_NONE ? RESULT_SUCCESS : RESULT_EXCEEDED;
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
	case RULE_DEBUG:
		return (enum result)line->debug;
	case RULE__COUNT:
		break;
	}
	return RESULT_ERROR;
}
