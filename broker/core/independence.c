/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule 11: a factor counts only when it is known to be independent of the third-party ID. A factor rests on its kind, on
 * its plugin, on the things that its plugin names (an address, a model of authenticator), and on the factors that
 * authorised its enrolment; what one of those rests on, it rests on too. What is unknown is dependent.
 */
#include "broker/core/inquiry.h"
#include "broker/core/money.h"

/* It says where it leads to. */
static bool
thing_known(const struct factor *f)
{
	uint64_t any = 0;

	for (size_t i = 0; i < FACTOR_RESTS_MAX; i++)
		any |= f->rests[i];
	return any != 0;
}

/*
 * Where what a factor says of itself leaves open whether the provider holds it, too: a passkey may be synced by anybody
 * unless it says that it cannot be copied, or its maker vouches for the model; a code goes to an address that must be
 * known; a seed or a password is kept wherever its owner keeps such things.
 */
static bool
copies_kept(const struct policy_provider *p, const struct factor *f)
{
	switch ((enum factor_kind)f->kind) {
	case FACTOR_WEBAUTHN:
	case FACTOR_APPROVE:
		if (f->copies == COPIES_NONE || (f->copies == COPIES_POSSIBLE && f->attested))
			return false;
		return p->syncs_secrets || (p->controls_sorts & THING_AAGUID) != 0;
	case FACTOR_OTP:
		return p->syncs_secrets || (!thing_known(f) && (p->controls_sorts & (THING_MAIL | THING_PHONE)) != 0);
	case FACTOR_TOTP:
	case FACTOR_PAM:
		return p->syncs_secrets;
	case FACTOR_RECOVERY: /* on paper */
	case FACTOR__COUNT:
		break;
	}
	return false;
}

/* The first thing that it rests on and the provider controls, or 0. */
static uint64_t
thing_controlled(const struct policy_provider *p, const struct factor *f)
{
	for (size_t i = 0; i < FACTOR_RESTS_MAX; i++) {
		for (size_t k = 0; f->rests[i] != 0 && k < p->controls_n; k++) {
			if (p->controls[k] == f->rests[i])
				return f->rests[i];
		}
	}
	return 0;
}

/* The factor by itself. */
static enum edge_kind
own_edge(const struct policy_provider *p, const struct factor *f, uint64_t *thing)
{
	if (f->plugin == p->plugin)
		return EDGE_PLUGIN;
	if ((p->controls_kinds & 1 << f->kind) != 0)
		return EDGE_KIND;
	*thing = thing_controlled(p, f);
	if (*thing != 0)
		return EDGE_THING;
	return copies_kept(p, f) ? EDGE_COPIES : EDGE_NONE;
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

static const uint8_t edge_means[EDGE__COUNT] = {
	[EDGE_NONE] = INDEPENDENT,
	[EDGE_PLUGIN] = DEPENDENT,
	[EDGE_KIND] = DEPENDENT,
	[EDGE_THING] = DEPENDENT,
	[EDGE_COPIES] = INDEPENDENCE_UNKNOWN,
	[EDGE_SUPPORT] = INDEPENDENCE_UNKNOWN,
	[EDGE_PROVIDER] = INDEPENDENCE_UNKNOWN,
};

static bool
worse(enum independence a, enum independence than)
{
	return than == INDEPENDENT ? a != INDEPENDENT : than == INDEPENDENCE_UNKNOWN && a == DEPENDENT;
}

/* What was found so far: the worst edge, and whether the admin's word mended one. */
struct finding {
	struct edge edge;
	bool assumed;
};

static void
find_edge(struct finding *found, const struct edge *e)
{
	if (worse((enum independence)edge_means[e->what], (enum independence)edge_means[found->edge.what]))
		found->edge = *e;
}

/* One factor of the closure. */
static void
find_of_factor(struct finding *found, const struct account *a, const struct policy_provider *p, const struct factor *f)
{
	struct edge e = {.factor_no = f->no, .provider = p->tag};

	e.what = (uint8_t)own_edge(p, f, &e.thing);
	if (e.what == EDGE_COPIES && (p->assume_kinds & 1 << f->kind) != 0) {
		found->assumed = true;
		e.what = EDGE_NONE;
	}
	find_edge(found, &e);
	if (!support_known(a, f)) {
		e = (struct edge){.what = EDGE_SUPPORT, .factor_no = f->no, .provider = p->tag};
		find_edge(found, &e);
	}
}

static void
find_of_provider(struct finding *found, const struct asked *asked, const struct account *a, const struct factor *f,
    uint32_t members, uint64_t provider)
{
	const struct policy_provider *p = policy_provider(asked->policy, provider);

	if (p == NULL) {
		const struct edge e = {.what = EDGE_PROVIDER, .factor_no = f->no, .provider = provider};

		find_edge(found, &e);
		return;
	}
	/* Its own edge is the one to tell of, where a support has one as bad. */
	find_of_factor(found, a, p, f);
	for (size_t i = 0; i < a->factors_n; i++) {
		if ((members & UINT32_C(1) << i) != 0 && a->factors[i].no != f->no)
			find_of_factor(found, a, p, &a->factors[i]);
	}
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

static int64_t
time_of(const struct asked *asked, const struct account *a)
{
	return asked->now_ms > a->time_ms ? asked->now_ms : a->time_ms;
}

enum independence
factor_stands(const struct asked *asked, const struct account *a, const struct factor *f, uint64_t provider,
    struct edge *edge, bool *assumed)
{
	uint32_t members = closure(a, f);
	struct finding found = {0};
	enum independence result;

	if (provider != 0)
		find_of_provider(&found, asked, a, f, members, provider);
	for (size_t i = 0; provider == 0 && i < a->links_n; i++) {
		if (link_counts(asked->policy, &a->links[i], time_of(asked, a)))
			find_of_provider(&found, asked, a, f, members, a->links[i].provider);
	}
	result = (enum independence)edge_means[found.edge.what];
	if (edge != NULL)
		*edge = found.edge;
	if (assumed != NULL && result == INDEPENDENT && found.assumed)
		*assumed = true;
	return result;
}

bool
factor_independent(const struct asked *asked, const struct account *a, const struct factor *f, uint64_t provider,
    bool *assumed)
{
	return factor_stands(asked, a, f, provider, NULL, assumed) == INDEPENDENT;
}

static bool
any_stands(const struct asked *asked, const struct account *a, uint64_t provider)
{
	for (size_t i = 0; i < a->factors_n; i++) {
		const struct factor *f = &a->factors[i];
		const struct policy_factor *configured = &asked->policy->factors[f->kind];

		if (f->kind == FACTOR_RECOVERY || !configured->enabled || configured->plugin != f->plugin ||
		    factor_gone(a, f, time_of(asked, a)))
			continue;
		if (factor_stands(asked, a, f, provider, NULL, NULL) == INDEPENDENT)
			return true;
	}
	return false;
}

static bool
noted(const uint64_t *tags, size_t n, uint64_t tag)
{
	for (size_t i = 0; i < n; i++) {
		if (tags[i] == tag)
			return true;
	}
	return false;
}

size_t
account_bare(const struct asked *asked, const struct account *a, uint64_t providers[ACCOUNT_LINKS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < a->links_n; i++) {
		const struct link *l = &a->links[i];

		if (link_counts(asked->policy, l, time_of(asked, a)) && !noted(providers, n, l->provider) &&
		    !any_stands(asked, a, l->provider))
			providers[n++] = l->provider;
	}
	return n;
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

/* A recovery code replaces lost factors and does nothing else; and nothing else does that. */
static bool
kind_fits(const struct inquiry *q, uint8_t kind)
{
	return (kind == FACTOR_RECOVERY) == (q->request != NULL && q->request->op == OP_RECOVER);
}

uint8_t
kinds_trusted(const struct inquiry *q, uint8_t kinds)
{
	for (uint8_t k = 0; k < FACTOR__COUNT; k++) {
		if (!kind_trusted(q, k) || (q->request->op == OP_RECOVER && !kind_fits(q, k)))
			kinds &= (uint8_t)~(1 << k);
	}
	return kinds;
}

/*
 * What is spent or granted through an ID can only be used through it, so the factors must be independent of that one. All
 * else may be asked by whoever holds any of the linked IDs, and changes more than that ID's own power.
 */
bool
factor_stands_apart(const struct inquiry *q, const struct factor *f, bool *assumed)
{
	enum op op = q->request == NULL ? OP_NONE : q->request->op;

	if (q->link != NULL && !factor_independent(q->asked, q->account, f, q->link->provider, assumed))
		return false;
	return (q->link != NULL && (op == OP_SPEND || op == OP_GRANT)) ||
	    factor_independent(q->asked, q->account, f, 0, assumed);
}

bool
factor_usable(const struct inquiry *q, const struct factor *f, enum reason *why, int64_t *until_ms)
{
	const struct policy_factor *configured = &q->asked->policy->factors[f->kind];
	bool assumed = false;

	*until_ms = 0;
	if (factor_gone(q->account, f, q->now_ms) || !configured->enabled || configured->plugin != f->plugin || !kind_trusted(q, f->kind) ||
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
