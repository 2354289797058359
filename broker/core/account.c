/* SPDX-License-Identifier: Apache-2.0 */
/* Finding things in an account, and the rules that every account state keeps. */
#include "broker/core/account.h"

#include "broker/base/check.h"
#include "broker/core/money.h"
#include "broker/core/signal.h"

void
account_init(struct account *a, const struct id *key)
{
	memset(a, 0, sizeof(*a));
	a->key = *key;
	a->next_no = 1;
}

/*
 * A finder: the first used entry that matches. The account may be const while what is found is not:
 * like strchr(), the caller knows whether its account may be changed.
 */
#define FIND(array, count, match)                                                                  \
	do {                                                                                       \
		for (size_t i = 0; i < (count); i++) {                                             \
			if (match)                                                                 \
				return (void *)&(array)[i];                                        \
		}                                                                                  \
		return NULL;                                                                       \
	} while (0)

struct link *
account_link(const struct account *a, const struct id *id)
{
	FIND(a->links, a->links_n, id_equal(&a->links[i].id, id));
}

struct link *
account_link_by_no(const struct account *a, uint32_t no)
{
	FIND(a->links, a->links_n, no != 0 && a->links[i].no == no);
}

struct link *
account_link_by_subject(const struct account *a, const struct id *subject)
{
	FIND(a->links, a->links_n, id_equal(&a->links[i].subject, subject));
}

struct factor *
account_factor(const struct account *a, const struct id *id)
{
	FIND(a->factors, a->factors_n, id_equal(&a->factors[i].id, id));
}

struct factor *
account_factor_by_no(const struct account *a, uint32_t no)
{
	FIND(a->factors, a->factors_n, no != 0 && a->factors[i].no == no);
}

bool
factor_gone(const struct account *a, const struct factor *f, int64_t now_ms)
{
	for (size_t i = 0; i < a->factors_n && !f->removed; i++) {
		const struct factor *by = &a->factors[i];

		if (by->replaces_no == f->no && !by->removed && by->usable_ms <= now_ms)
			return true;
	}
	return f->removed;
}

struct session *
account_session(const struct account *a, const struct id *id)
{
	FIND(a->sessions, a->sessions_n, id_equal(&a->sessions[i].id, id));
}

struct allowance *
account_allowance(const struct account *a, const struct id *id)
{
	FIND(a->allowances, a->allowances_n, id_equal(&a->allowances[i].id, id));
}

struct allowance *
account_allowance_by_no(const struct account *a, uint32_t no)
{
	FIND(a->allowances, a->allowances_n, no != 0 && a->allowances[i].no == no);
}

struct challenge *
account_challenge(const struct account *a, const struct id *id)
{
	FIND(a->challenges, a->challenges_n, id_equal(&a->challenges[i].id, id));
}

struct payment *
account_payment(const struct account *a, const struct id *id)
{
	FIND(a->payments, a->payments_n, id_equal(&a->payments[i].id, id));
}

struct refund *
account_refund(const struct account *a, const struct id *id)
{
	FIND(a->refunds, a->refunds_n, id_equal(&a->refunds[i].id, id));
}

struct fact *
account_fact(const struct account *a, const struct fact *like)
{
	FIND(a->facts, a->facts_n,
	    a->facts[i].link_no == like->link_no && a->facts[i].kind == like->kind &&
		a->facts[i].by == like->by && a->facts[i].by_service == like->by_service);
}

struct counter *
account_counter(const struct account *a, const struct id *subject, uint16_t currency)
{
	FIND(a->counters, a->counters_n,
	    a->counters[i].currency == currency && a->counters[i].kind == COUNTER_DAYS &&
		a->counters[i].of == COUNTER_OF_SUBJECT &&
		id_equal(&a->counters[i].subject, subject));
}

/* A wrong answer may take back all the right ones, and still counts for more. */
unsigned
challenge_round(const struct challenge *c)
{
	unsigned right = 0;

	while (right < CHALLENGE_FACTORS_MAX && c->factors[right] != 0)
		right++;
	return c->wrong * (CHALLENGE_FACTORS_MAX + 1U) + right;
}

/* The raise that waits, or has come, beside a limit in force. */
static const struct limit *
raise_of(const struct account *a, const struct limit *l)
{
	for (size_t i = 0; i < a->limits_n; i++) {
		const struct limit *r = &a->limits[i];

		if (r->effective_ms != 0 && r->link_no == l->link_no &&
		    r->currency == l->currency && r->author == l->author)
			return r;
	}
	return NULL;
}

bool
account_limit_binds(const struct account *a, const struct limit *l, int64_t now_ms)
{
	const struct limit *r;

	if (l->effective_ms != 0)
		return l->effective_ms <= now_ms;
	r = raise_of(a, l);
	return r == NULL || r->effective_ms > now_ms;
}

static bool
factor_rests(const struct factor *f)
{
	uint64_t any = f->copies | f->attested | f->replaces_no;

	for (size_t i = 0; i < FACTOR_RESTS_MAX; i++)
		any |= f->rests[i];
	return any != 0;
}

enum account_version
account_version(const struct account *a)
{
	uint32_t wide = 0;

	for (size_t i = 0; i < a->links_n; i++) {
		if (a->facts_n > 0 || !id_zero(&a->links[i].was))
			return ACCOUNT_VERSION_FACTS;
	}
	for (size_t i = 0; i < a->links_n; i++) {
		if (a->links[i].signalled_ms != 0)
			return ACCOUNT_VERSION_SIGNALS;
	}
	for (size_t i = 0; i < a->allowances_n; i++) {
		if (a->allowances[i].paused_ms != 0)
			return ACCOUNT_VERSION_SIGNALS;
	}
	for (size_t i = 0; i < a->factors_n; i++) {
		if (factor_rests(&a->factors[i]))
			return ACCOUNT_VERSION_RESTS;
	}
	for (size_t i = 0; i < a->counters_n; i++)
		wide |= a->counters[i].kind | a->counters[i].of;
	for (size_t i = 0; i < a->payments_n; i++)
		wide |= a->payments[i].needs;
	for (size_t i = 0; i < a->limits_n; i++)
		wide |= a->limits[i].effective_ms != 0;
	for (size_t i = 0; i < a->challenges_n; i++)
		wide |= a->challenges[i].requires[0].any;
	return wide != 0 ? ACCOUNT_VERSION_WIDE : ACCOUNT_VERSION_NARROW;
}

size_t
account_holds(const struct account *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->payments_n; i++)
		n += a->payments[i].state == PAYMENT_HELD;
	return n;
}

/* --- account_valid: one function a kind of entry, each over the used entries only --- */

/*
 * Entry i of the array is used and no earlier one has the same id. Quadratic over what is used: a
 * usual account has few of each, a full one costs some microseconds.
 */
#define ID_IS_NEW(array, i) id_is_new((array), sizeof((array)[0]), (i))

/* The id is the first member of every kind of entry. */
static inline bool
id_is_new(const void *array, size_t size, size_t i)
{
	const uint8_t *bytes = array;
	const struct id *mine = (const void *)(bytes + i * size);

	for (size_t j = 0; j < i; j++) {
		if (id_equal((const void *)(bytes + j * size), mine))
			return false;
	}
	return true;
}

static inline bool
no_given(const struct account *a, uint32_t no)
{
	return no > 0 && no < a->next_no;
}

/* A reference by serial: nothing, or a number that was given out. */
static inline bool
no_known(const struct account *a, uint32_t no)
{
	return no < a->next_no;
}

static inline bool
nos_known(const struct account *a, const uint32_t nos[CHALLENGE_FACTORS_MAX])
{
	for (size_t i = 0; i < CHALLENGE_FACTORS_MAX; i++) {
		if (!no_known(a, nos[i]))
			return false;
	}
	return true;
}

static inline bool
minor_valid(int64_t minor)
{
	return minor >= 0 && minor <= MONEY_MAX;
}

/* -1 stands for none. */
static inline bool
limit_minor_valid(int64_t minor)
{
	return minor >= -1 && minor <= MONEY_MAX;
}

static bool
links_valid(const struct account *a)
{
	for (size_t i = 0; i < a->links_n; i++) {
		const struct link *l = &a->links[i];

		if (!no_given(a, l->no) || account_link_by_no(a, l->no) != l ||
		    !ID_IS_NEW(a->links, i) || l->state >= LINK__STATES || l->since_ms < 0 ||
		    l->usable_ms < 0 || l->sessions_since_ms < 0 || l->signalled_ms < 0 ||
		    l->signal >= SIGNAL_KIND__COUNT || (l->signal != 0) != (l->signalled_ms != 0) ||
		    id_equal(&l->was, &l->subject))
			return false;
	}
	return true;
}

static bool
facts_valid(const struct account *a)
{
	for (size_t i = 0; i < a->facts_n; i++) {
		const struct fact *f = &a->facts[i];
		size_t of_link = 0;

		if (!ID_IS_NEW(a->facts, i) || account_fact(a, f) != f || account_link_by_no(a, f->link_no) == NULL ||
		    f->kind == 0 || f->by == 0 || f->by_service > 1 || f->lowered > 1 || f->verified_ms < 0 ||
		    f->since_ms < 0)
			return false;
		for (size_t j = 0; j <= i; j++)
			of_link += a->facts[j].link_no == f->link_no;
		if (of_link > LINK_FACTS_MAX)
			return false;
	}
	return true;
}

static bool
factors_valid(const struct account *a)
{
	for (size_t i = 0; i < a->factors_n; i++) {
		const struct factor *f = &a->factors[i];

		if (!no_given(a, f->no) || account_factor_by_no(a, f->no) != f ||
		    !ID_IS_NEW(a->factors, i) || f->kind >= FACTOR__COUNT || f->removed > 1 ||
		    f->first > 1 || f->since_ms < 0 || f->usable_ms < 0 || f->locked_until_ms < 0 ||
		    f->copies >= COPIES__COUNT || f->attested > 1 || f->replaces_no >= f->no)
			return false;
		/*
		 * Enrolment is authorised by what was there before: so the graph of rule 11 has no
		 * cycle.
		 */
		for (size_t k = 0; k < CHALLENGE_FACTORS_MAX; k++) {
			if (f->rests_on[k] >= f->no)
				return false;
		}
	}
	return true;
}

static bool
sessions_valid(const struct account *a)
{
	for (size_t i = 0; i < a->sessions_n; i++) {
		const struct session *s = &a->sessions[i];

		if (!ID_IS_NEW(a->sessions, i) || account_link_by_no(a, s->link_no) == NULL ||
		    s->countersigned > 1 || s->opened_ms < 0 || s->used_ms < 0 || s->auth_ms < 0)
			return false;
	}
	return true;
}

static bool
allowances_valid(const struct account *a)
{
	for (size_t i = 0; i < a->allowances_n; i++) {
		const struct allowance *w = &a->allowances[i];

		if (!no_given(a, w->no) || account_allowance_by_no(a, w->no) != w ||
		    !ID_IS_NEW(a->allowances, i) || w->kind > ALLOWANCE_MANDATE ||
		    w->state > ALLOWANCE_REVOKED || currency_get(w->currency) == NULL ||
		    !limit_minor_valid(w->per_payment_minor) ||
		    !limit_minor_valid(w->per_day_minor) || !limit_minor_valid(w->total_minor) ||
		    w->spent_minor < 0 || w->day_spent_minor < 0 || w->granted_ms < 0 || w->paused_ms < 0 ||
		    w->expires_ms < 0 || !nos_known(a, w->factors) || !no_known(a, w->link_no))
			return false;
		if (w->total_minor >= 0 && w->spent_minor > w->total_minor)
			return false;
		if (w->state == ALLOWANCE_OPEN && account_link_by_no(a, w->link_no) == NULL)
			return false;
	}
	return true;
}

/* Dense, and each within its bounds. */
static bool
requires_valid(const struct requirement r[REQUIREMENTS_MAX])
{
	static const struct requirement none;

	for (size_t i = 0; i < REQUIREMENTS_MAX; i++) {
		if (r[i].any == 0 ? memcmp(&r[i], &none, sizeof(none)) != 0
				  : r[i].any > FACTOR_KINDS_ALL || r[i].all > FACTOR_KINDS_ALL ||
					(r[i].need & 0x0f) < 1 ||
					(r[i].need & 0x0f) > CHALLENGE_FACTORS_MAX ||
					r[i].need >> 4 > CHALLENGE_FACTORS_MAX)
			return false;
		if (i > 0 && r[i].any != 0 && r[i - 1].any == 0)
			return false;
	}
	return true;
}

static bool
challenges_valid(const struct account *a)
{
	for (size_t i = 0; i < a->challenges_n; i++) {
		const struct challenge *c = &a->challenges[i];

		if (!no_given(a, c->no) || !ID_IS_NEW(a->challenges, i) || c->op == OP_NONE ||
		    c->op >= OP__COUNT || c->state >= CHALLENGE__STATES || c->need < 1 ||
		    c->need > CHALLENGE_FACTORS_MAX || c->kinds >= 1 << FACTOR__COUNT ||
		    c->opened_ms < 0 || c->expires_ms < 0 || c->done_ms < 0 ||
		    !nos_known(a, c->factors) || !no_known(a, c->link_no) ||
		    !no_known(a, c->target_no))
			return false;
		if (!requires_valid(c->requires))
			return false;
		for (size_t j = 0; j < i; j++) {
			if (a->challenges[j].no == c->no)
				return false;
		}
		if ((c->state == CHALLENGE_OPEN || c->state == CHALLENGE_DONE) && c->link_no != 0 &&
		    account_link_by_no(a, c->link_no) == NULL)
			return false;
	}
	return true;
}

bool
payment_valid(const struct payment *p)
{
	return p->state < PAYMENT__STATES && p->basis <= BASIS_MANDATE &&
	       currency_get(p->currency) != NULL && p->amount_minor > 0 &&
	       p->amount_minor <= MONEY_MAX && p->captured_minor >= 0 &&
	       p->captured_minor <= p->amount_minor && p->refunded_minor >= 0 &&
	       p->refunded_minor <= p->captured_minor &&
	       (p->state == PAYMENT_CAPTURED || p->captured_minor == 0) && p->permitted_ms >= 0 &&
	       p->expires_ms >= 0;
}

static bool
payments_valid(const struct account *a)
{
	size_t holds = 0;

	for (size_t i = 0; i < a->payments_n; i++) {
		const struct payment *p = &a->payments[i];

		if (!payment_valid(p) || !ID_IS_NEW(a->payments, i) || !no_known(a, p->link_no) ||
		    !no_known(a, p->allowance_no))
			return false;
		holds += p->state == PAYMENT_HELD;
	}
	for (size_t i = 0; i < a->refunds_n; i++) {
		if (!minor_valid(a->refunds[i].amount_minor) || !ID_IS_NEW(a->refunds, i))
			return false;
	}
	return holds <= ACCOUNT_HOLDS_MAX;
}

/* Entry i is the first of its kind, owner and currency. Hours take several slots. */
static bool
counter_new(const struct account *a, size_t i)
{
	const struct counter *c = &a->counters[i];

	for (size_t j = 0; j < i; j++) {
		const struct counter *d = &a->counters[j];

		if (d->currency == c->currency && d->kind == c->kind && d->of == c->of &&
		    c->kind != COUNTER_HOURS && id_equal(&d->subject, &c->subject))
			return false;
	}
	return true;
}

static bool
counters_valid(const struct account *a)
{
	for (size_t i = 0; i < a->counters_n; i++) {
		const struct counter *c = &a->counters[i];

		if (c->kind >= COUNTER__KINDS || c->of > COUNTER_OF_PAYEE || c->day_minor < 0 ||
		    c->month_minor < 0 || !counter_new(a, i))
			return false;
		if (c->currency == CURRENCY_NONE ? c->kind != COUNTER_KNOWN &&
						       (c->kind != COUNTER_DAYS || c->of != 0)
						 : currency_get(c->currency) == NULL)
			return false;
	}
	return true;
}

static bool
limits_valid(const struct account *a)
{
	for (size_t i = 0; i < a->limits_n; i++) {
		const struct limit *l = &a->limits[i];

		if (!no_known(a, l->link_no) || l->author >= AUTHOR__COUNT || l->count_day < -1 ||
		    l->count_month < -1 || !limit_minor_valid(l->per_payment_minor) ||
		    !limit_minor_valid(l->per_day_minor) ||
		    !limit_minor_valid(l->per_month_minor) ||
		    (l->currency != CURRENCY_NONE && currency_get(l->currency) == NULL) ||
		    l->effective_ms < 0)
			return false;
	}
	for (size_t i = 0; i < a->freezes_n; i++) {
		const struct freeze *f = &a->freezes[i];

		if (!no_known(a, f->link_no) || f->author >= AUTHOR__COUNT || f->since_ms < 0)
			return false;
	}
	return true;
}

bool
account_bounded(const struct account *a)
{
	return a->links_n <= ACCOUNT_LINKS_MAX && a->factors_n <= ACCOUNT_FACTORS_MAX &&
	       a->sessions_n <= ACCOUNT_SESSIONS_MAX && a->allowances_n <= ACCOUNT_ALLOWANCES_MAX &&
	       a->challenges_n <= ACCOUNT_CHALLENGES_MAX && a->payments_n <= ACCOUNT_PAYMENTS_MAX &&
	       a->refunds_n <= ACCOUNT_REFUNDS_MAX && a->counters_n <= ACCOUNT_COUNTERS_MAX &&
	       a->limits_n <= ACCOUNT_LIMITS_MAX && a->freezes_n <= ACCOUNT_FREEZES_MAX &&
	       a->facts_n <= ACCOUNT_FACTS_MAX;
}

bool
account_valid(const struct account *a)
{
	if (!account_bounded(a) || a->status > ACCOUNT_CLOSED || a->enrolled > 1 ||
	    a->overflowed > 1 || a->next_no < 1 || a->time_ms < 0 || a->sessions_since_ms < 0)
		return false;
	/* An account that nothing has opened yet may be frozen or limited, and holds nothing. */
	if (a->status == ACCOUNT_NONE &&
	    (a->links_n | a->factors_n | a->sessions_n | a->allowances_n | a->challenges_n |
		a->payments_n | a->refunds_n | a->facts_n) != 0)
		return false;
	return links_valid(a) && factors_valid(a) && sessions_valid(a) && allowances_valid(a) &&
	       challenges_valid(a) && payments_valid(a) && counters_valid(a) && limits_valid(a) &&
	       facts_valid(a);
}
