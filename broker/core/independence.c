/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule 11: a factor counts only when it is known to be independent of the third-party ID. A factor rests on its kind, on
 * its plugin, and on the factors that authorised its enrolment; what one of those rests on, it rests on too. What is
 * unknown is dependent.
 */
#include "broker/core/inquiry.h"
#include "broker/core/money.h"

/* Kinds whose secret a provider with cloud copies may hold as well; nobody can tell, so the answer is "unknown". */
static const uint8_t kinds_unknown = 1 << FACTOR_TOTP | 1 << FACTOR_WEBAUTHN | 1 << FACTOR_OTP | 1 << FACTOR_PAM;

static bool
kind_independent(const struct policy_provider *p, const struct factor *f, bool *assumed)
{
	uint8_t kind = (uint8_t)(1 << f->kind);

	if (f->plugin == p->plugin || (p->controls_kinds & kind) != 0)
		return false;
	if (p->syncs_secrets && (kinds_unknown & kind) != 0) {
		if ((p->assume_kinds & kind) == 0)
			return false;
		*assumed = true;
	}
	return true;
}

/*
 * Factors are few, and each rests on older ones only (a new factor's serial is above those that signed it), so one walk
 * from the newest to the oldest finds the closure.
 */
static uint32_t
closure(const struct account *a, const struct factor *f)
{
	uint32_t members = 0, before;

	for (size_t i = 0; i < a->factors_n; i++) {
		if (a->factors[i].no == f->no)
			members |= UINT32_C(1) << i;
	}
	do {
		before = members;
		for (size_t i = 0; i < a->factors_n; i++) {
			if ((members & UINT32_C(1) << i) == 0)
				continue;
			for (size_t j = 0; j < a->factors_n; j++) {
				for (size_t k = 0; k < CHALLENGE_FACTORS_MAX; k++) {
					if (a->factors[i].rests_on[k] != 0 &&
					    a->factors[i].rests_on[k] == a->factors[j].no)
						members |= UINT32_C(1) << j;
				}
			}
		}
	} while (members != before);
	return members;
}

/* A factor whose support has left the state rests on something unknown. */
static bool
support_known(const struct account *a, const struct factor *f)
{
	for (size_t k = 0; k < CHALLENGE_FACTORS_MAX; k++) {
		if (f->rests_on[k] != 0 && account_factor_by_no(a, f->rests_on[k]) == NULL)
			return false;
	}
	return true;
}

static bool
independent_of(const struct asked *asked, const struct account *a, uint32_t members, uint64_t provider, bool *assumed)
{
	const struct policy_provider *p = policy_provider(asked->policy, provider);

	if (p == NULL)
		return false;
	for (size_t i = 0; i < a->factors_n; i++) {
		if ((members & UINT32_C(1) << i) == 0)
			continue;
		if (!support_known(a, &a->factors[i]) || !kind_independent(p, &a->factors[i], assumed))
			return false;
	}
	return true;
}

/*
 * Unlinking needs no factor; so a thief could unlink the stolen ID, and what that ID controls would be independent of
 * everything that is still linked. Its provider counts on, for as long as a user needs to notice.
 */
#define LINK_SHADOW_MS (30 * DAY_MS)

static bool
link_counts(const struct policy *p, const struct link *l, int64_t now_ms)
{
	if (l->state == LINK_REVOKED)
		return now_ms - l->sessions_since_ms < LINK_SHADOW_MS && l->usable_ms != 0 &&
		    policy_provider(p, l->provider) != NULL;
	return l->state == LINK_ACTIVE || l->state == LINK_SUSPENDED;
}

bool
factor_independent(const struct asked *asked, const struct account *a, const struct factor *f, uint64_t provider,
    bool *assumed)
{
	uint32_t members = closure(a, f);

	if (provider != 0)
		return independent_of(asked, a, members, provider, assumed);
	int64_t now_ms = asked->now_ms > a->time_ms ? asked->now_ms : a->time_ms;

	for (size_t i = 0; i < a->links_n; i++) {
		const struct link *l = &a->links[i];

		if (link_counts(asked->policy, l, now_ms) && !independent_of(asked, a, members, l->provider, assumed))
			return false;
	}
	return true;
}

/* What the engine cannot verify again by itself countersigns only up to the admin's `trusted-factor-limit`. */
static bool
kind_trusted(const struct inquiry *q, uint8_t kind)
{
	const struct policy *p = q->asked->policy;
	const struct policy_limit *trusted;

	/* An answer brings no amount: its prompt was opened for trusted kinds only, and its redemption asks again. */
	if (p->factors[kind].reverified || q->request == NULL || q->request->op != OP_SPEND ||
	    q->request->currency == CURRENCY_NONE)
		return true;
	trusted = policy_limit(p->trusted, p->trusted_n, q->request->currency);
	return trusted != NULL && q->request->amount_minor <= trusted->per_payment_minor;
}

uint8_t
kinds_trusted(const struct inquiry *q, uint8_t kinds)
{
	for (uint8_t k = 0; k < FACTOR__COUNT; k++) {
		if (!kind_trusted(q, k))
			kinds &= (uint8_t)~(1 << k);
	}
	return kinds;
}

/*
 * What is spent or granted through an ID can only be used through it, so the factors must be independent of that one. All
 * else may be asked by whoever holds any of the linked IDs, and changes more than that ID's own power.
 */
static bool
factor_stands_apart(const struct inquiry *q, const struct factor *f, bool *assumed)
{
	enum op op = q->request == NULL ? OP_NONE : q->request->op;

	if (q->link != NULL && !factor_independent(q->asked, q->account, f, q->link->provider, assumed))
		return false;
	return (q->link != NULL && (op == OP_SPEND || op == OP_GRANT)) ||
	    factor_independent(q->asked, q->account, f, 0, assumed);
}

/* A recovery code replaces lost factors, and does nothing else. */
static bool
kind_fits(const struct inquiry *q, uint8_t kind)
{
	return kind != FACTOR_RECOVERY || (q->request != NULL && q->request->op == OP_RECOVER);
}

bool
factor_usable(const struct inquiry *q, const struct factor *f, enum reason *why, int64_t *until_ms)
{
	const struct policy_factor *configured = &q->asked->policy->factors[f->kind];
	bool assumed = false;

	*until_ms = 0;
	if (f->removed || !configured->enabled || configured->plugin != f->plugin || !kind_trusted(q, f->kind) ||
	    !kind_fits(q, f->kind) || !factor_stands_apart(q, f, &assumed)) {
		*why = REASON_NO_INDEPENDENT_FACTOR;
		return false;
	}
	if (f->usable_ms > q->now_ms) {
		*why = REASON_FACTOR_COOLING_OFF;
		*until_ms = f->usable_ms;
		return false;
	}
	if (f->locked_until_ms > q->now_ms) {
		*why = REASON_FACTOR_LOCKED;
		*until_ms = f->locked_until_ms;
		return false;
	}
	return true;
}

size_t
factors_usable(struct inquiry *q, uint8_t kinds)
{
	size_t n = 0;

	q->unusable = REASON_NO_INDEPENDENT_FACTOR;
	for (size_t i = 0; i < q->account->factors_n; i++) {
		const struct factor *f = &q->account->factors[i];
		enum reason why = REASON_NONE;
		int64_t until_ms;

		if (kinds != 0 && (kinds & 1 << f->kind) == 0)
			continue;
		if (!factor_usable(q, f, &why, &until_ms)) {
			/* A lock or a cooling-off ends: the more useful answer. */
			if (why != REASON_NO_INDEPENDENT_FACTOR) {
				q->unusable = why;
				q->detail.until_ms = until_ms;
				q->detail.set = true;
			}
			continue;
		}
		n++;
	}
	return n;
}
