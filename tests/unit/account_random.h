/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts and events for tests: any that account_valid() accepts, from a seed. Members are set one
 * by one in zeroed memory, so that two equal accounts are equal bytes.
 */
#ifndef CS_TESTS_ACCOUNT_RANDOM_H
#define CS_TESTS_ACCOUNT_RANDOM_H

#include "broker/core/event.h"
#include "broker/core/money.h"

/* splitmix64: small, good enough, and the same everywhere. */
static inline uint64_t
random_next(uint64_t *seed)
{
	uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline uint64_t
random_below(uint64_t *seed, uint64_t n)
{
	return random_next(seed) % n;
}

static inline void
random_fill(uint64_t *seed, void *to, size_t n)
{
	uint8_t *p = to;

	while (n-- > 0)
		*p++ = (uint8_t)random_next(seed);
}

/* Of every size, with the ends more often than chance would have it. */
static inline int64_t
random_up_to(uint64_t *seed, int64_t max)
{
	switch (random_below(seed, 8)) {
	case 0:
		return 0;
	case 1:
		return max;
	default:
		return (int64_t)(random_next(seed) >> random_below(seed, 64)) & INT64_MAX & max;
	}
}

static inline int64_t
random_minor(uint64_t *seed)
{
	int64_t v = random_up_to(seed, INT64_MAX);

	return v % (MONEY_MAX + 1);
}

/* -1 to MONEY_MAX */
static inline int64_t
random_limit(uint64_t *seed)
{
	return random_below(seed, 3) == 0 ? -1 : random_minor(seed);
}

static inline uint16_t
random_currency(uint64_t *seed)
{
	return currencies[random_below(seed, currencies_n)].number;
}

static inline uint64_t
random_tag(uint64_t *seed)
{
	/* Few, so that they repeat, and now and then one more. */
	return random_below(seed, 8) == 0 ? random_next(seed) : 1 + random_below(seed, 3);
}

static inline void
random_nos(uint64_t *seed, uint32_t below, uint32_t nos[CHALLENGE_FACTORS_MAX])
{
	for (size_t i = 0; i < CHALLENGE_FACTORS_MAX; i++)
		nos[i] = (uint32_t)random_below(seed, random_below(seed, 2) == 0 ? 1 : below);
}

static inline struct id
random_subject(uint64_t *seed, const struct account *a)
{
	struct id subject = {{0}};

	if (a->links_n > 0 && random_below(seed, 2) == 0)
		return a->links[random_below(seed, a->links_n)].subject;
	if (random_below(seed, 2) == 0)
		random_fill(seed, &subject, sizeof(subject));
	return subject;
}

static inline void
random_links(uint64_t *seed, struct account *a)
{
	for (size_t i = 0; i < a->links_n; i++) {
		struct link *l = &a->links[i];

		random_fill(seed, &l->id, sizeof(l->id));
		random_fill(seed, &l->subject, sizeof(l->subject));
		l->provider = random_tag(seed);
		l->no = a->next_no++;
		l->state = (uint8_t)random_below(seed, LINK__STATES);
		l->since_ms = random_up_to(seed, a->time_ms);
		l->usable_ms = random_up_to(seed, INT64_MAX);
		l->sessions_since_ms = random_up_to(seed, INT64_MAX);
		l->prompts_day = random_up_to(seed, 30000);
		l->prompts = (uint32_t)random_up_to(seed, UINT32_MAX);
		l->signalled_ms = random_below(seed, 16) == 0 ? random_up_to(seed, a->time_ms) : 0;
		l->signal = l->signalled_ms == 0 ? 0 : 1;
		/* Mostly not, so that older versions are written too. */
		if (random_below(seed, 32) == 0)
			random_fill(seed, &l->was, sizeof(l->was));
	}
}

static inline void
random_facts(uint64_t *seed, struct account *a)
{
	uint8_t of_link[ACCOUNT_LINKS_MAX] = {0}, n = 0;

	for (size_t i = 0; i < a->facts_n; i++) {
		struct fact *f = &a->facts[n];
		size_t link = random_below(seed, a->links_n);

		if (++of_link[link] > LINK_FACTS_MAX)
			continue;
		random_fill(seed, &f->id, sizeof(f->id));
		f->value = random_subject(seed, a);
		f->kind = random_tag(seed);
		f->by = random_next(seed) | 1;
		f->link_no = a->links[link].no;
		f->by_service = (uint8_t)random_below(seed, 2);
		f->lowered = (uint8_t)random_below(seed, 2);
		f->verified_ms = random_up_to(seed, INT64_MAX);
		f->since_ms = random_up_to(seed, a->time_ms);
		n++;
	}
	a->facts_n = n;
}

static inline void
random_tags(uint64_t *seed, uint64_t tags[FACTOR_RESTS_MAX])
{
	for (size_t i = 0; i < FACTOR_RESTS_MAX; i++)
		tags[i] = random_below(seed, 2) == 0 ? random_next(seed) : 0;
}

static inline void
random_factors(uint64_t *seed, struct account *a)
{
	for (size_t i = 0; i < a->factors_n; i++) {
		struct factor *f = &a->factors[i];

		random_fill(seed, &f->id, sizeof(f->id));
		f->plugin = random_tag(seed);
		f->no = a->next_no++;
		f->kind = (uint8_t)random_below(seed, FACTOR__COUNT);
		f->removed = (uint8_t)random_below(seed, 2);
		f->first = i == 0;
		f->failures = (uint8_t)random_next(seed);
		f->lock_level = (uint8_t)random_next(seed);
		f->since_ms = random_up_to(seed, a->time_ms);
		f->usable_ms = random_up_to(seed, INT64_MAX);
		f->locked_until_ms = random_up_to(seed, INT64_MAX);
		f->last_step = (int64_t)random_next(seed);
		random_nos(seed, f->no, f->rests_on);
		/* Mostly nothing, so that older versions are written too. */
		if (random_below(seed, 16) != 0)
			continue;
		f->copies = (uint8_t)random_below(seed, COPIES__COUNT);
		f->attested = (uint8_t)random_below(seed, 2);
		f->replaces_no = (uint32_t)random_below(seed, f->no);
		random_tags(seed, f->rests);
	}
}

static inline void
random_sessions(uint64_t *seed, struct account *a)
{
	for (size_t i = 0; i < a->sessions_n; i++) {
		struct session *s = &a->sessions[i];

		random_fill(seed, &s->id, sizeof(s->id));
		s->service = random_tag(seed);
		s->link_no = a->links[random_below(seed, a->links_n)].no;
		s->countersigned = (uint8_t)random_below(seed, 2);
		s->opened_ms = random_up_to(seed, a->time_ms);
		s->used_ms = random_up_to(seed, INT64_MAX);
		s->auth_ms = random_up_to(seed, INT64_MAX);
	}
}

static inline void
random_allowances(uint64_t *seed, struct account *a)
{
	for (size_t i = 0; i < a->allowances_n; i++) {
		struct allowance *w = &a->allowances[i];

		random_fill(seed, &w->id, sizeof(w->id));
		w->payee = random_subject(seed, a);
		w->service = random_tag(seed);
		w->no = a->next_no++;
		w->link_no = a->links[random_below(seed, a->links_n)].no;
		random_nos(seed, w->no, w->factors);
		w->currency = random_currency(seed);
		w->kind = (uint8_t)random_below(seed, ALLOWANCE_MANDATE + 1);
		w->state = (uint8_t)random_below(seed, ALLOWANCE_REVOKED + 1);
		w->day = (int32_t)random_next(seed);
		w->per_payment_minor = random_limit(seed);
		w->per_day_minor = random_limit(seed);
		w->total_minor = random_minor(seed);
		w->spent_minor = random_up_to(seed, INT64_MAX) % (w->total_minor + 1);
		w->day_spent_minor = random_minor(seed);
		w->granted_ms = random_up_to(seed, INT64_MAX);
		w->expires_ms = random_up_to(seed, INT64_MAX);
		w->paused_ms = random_below(seed, 8) == 0 ? random_up_to(seed, a->time_ms) : 0;
	}
}

static inline void
random_challenges(uint64_t *seed, struct account *a)
{
	for (size_t i = 0; i < a->challenges_n; i++) {
		struct challenge *c = &a->challenges[i];

		random_fill(seed, &c->id, sizeof(c->id));
		random_fill(seed, &c->content, sizeof(c->content));
		c->payment = random_subject(seed, a);
		c->session = random_subject(seed, a);
		c->service = random_tag(seed);
		c->no = a->next_no++;
		c->link_no = a->links_n == 0 || random_below(seed, 2) == 0 ? 0 : a->links[0].no;
		c->target_no = (uint32_t)random_below(seed, a->next_no);
		c->op = (uint8_t)(1 + random_below(seed, OP__COUNT - 1));
		c->state = (uint8_t)random_below(seed, CHALLENGE__STATES);
		c->kinds = (uint8_t)random_below(seed, 1 << FACTOR__COUNT);
		c->need = (uint8_t)(1 + random_below(seed, CHALLENGE_FACTORS_MAX));
		c->wrong = (uint8_t)random_next(seed);
		c->opened_ms = random_up_to(seed, a->time_ms);
		c->expires_ms = random_up_to(seed, INT64_MAX);
		c->done_ms = random_up_to(seed, INT64_MAX);
		random_nos(seed, c->no, c->factors);
		for (size_t r = random_below(seed, REQUIREMENTS_MAX + 1); r > 0; r--)
			c->requires[r - 1] = (struct requirement){
			    (uint8_t)(1 + random_below(seed, FACTOR_KINDS_ALL)),
			    (uint8_t)random_below(seed, FACTOR_KINDS_ALL + 1),
			    (uint8_t)(1 + random_below(seed, CHALLENGE_FACTORS_MAX) +
				16 * random_below(seed, CHALLENGE_FACTORS_MAX + 1))};
	}
}

static inline void
random_payment(uint64_t *seed, const struct account *a, struct payment *p)
{
	random_fill(seed, &p->id, sizeof(p->id));
	random_fill(seed, &p->content, sizeof(p->content));
	p->capture = random_subject(seed, a);
	p->subject = random_subject(seed, a);
	p->service = random_tag(seed);
	p->link_no = (uint32_t)random_below(seed, a->next_no);
	p->allowance_no = (uint32_t)random_below(seed, a->next_no);
	p->currency = random_currency(seed);
	p->state = (uint8_t)random_below(seed, PAYMENT__STATES);
	p->basis = (uint8_t)random_below(seed, BASIS_MANDATE + 1);
	p->amount_minor = 1 + random_minor(seed) % MONEY_MAX;
	if (p->state == PAYMENT_CAPTURED) {
		p->captured_minor = random_below(seed, 2) == 0
					? p->amount_minor
					: random_minor(seed) % (p->amount_minor + 1);
		p->refunded_minor = random_minor(seed) % (p->captured_minor + 1);
	}
	p->permitted_ms = random_up_to(seed, INT64_MAX);
	p->expires_ms = random_up_to(seed, INT64_MAX);
	if (random_below(seed, 4) == 0)
		p->needs = (uint16_t)random_below(seed, NEEDS_ALL + 1);
}

/* Of days, or one account in two of any kind. */
static inline void
random_counter_kind(uint64_t *seed, struct counter *c, bool wide)
{
	if (!wide)
		return;
	c->kind = (uint8_t)random_below(seed, COUNTER__KINDS);
	c->of = c->kind == COUNTER_KNOWN ? COUNTER_OF_PAYEE : (uint8_t)random_below(seed, 2);
	if (c->kind == COUNTER_KNOWN)
		c->currency = CURRENCY_NONE;
	while (c->currency == CURRENCY_NONE && c->kind != COUNTER_KNOWN &&
	       (c->kind != COUNTER_DAYS || c->of != COUNTER_OF_SUBJECT))
		c->currency = random_currency(seed);
}

static inline bool
random_counter_taken(const struct account *a, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		if (id_equal(&a->counters[j].subject, &a->counters[i].subject) &&
		    a->counters[j].currency == a->counters[i].currency)
			return true;
	}
	return false;
}

static inline void
random_books(uint64_t *seed, struct account *a)
{
	size_t holds = 0;
	bool wide = random_below(seed, 2) == 0;

	for (size_t i = 0; i < a->payments_n; i++) {
		random_payment(seed, a, &a->payments[i]);
		if (a->payments[i].state == PAYMENT_HELD && ++holds > ACCOUNT_HOLDS_MAX)
			a->payments[i].state = PAYMENT_RELEASED;
	}
	for (size_t i = 0; i < a->refunds_n; i++) {
		random_fill(seed, &a->refunds[i].id, sizeof(struct id));
		random_fill(seed, &a->refunds[i].payment, sizeof(struct id));
		a->refunds[i].amount_minor = random_minor(seed);
	}
	for (size_t i = 0; i < a->counters_n; i++) {
		struct counter *c = &a->counters[i];

		c->subject = random_subject(seed, a);
		c->currency = random_below(seed, 4) == 0 ? CURRENCY_NONE : random_currency(seed);
		random_counter_kind(seed, c, wide);
		while (random_counter_taken(a, i))
			random_fill(seed, &c->subject, sizeof(c->subject));
		c->day = (int32_t)random_next(seed);
		c->month = (int32_t)random_next(seed);
		c->day_minor = random_up_to(seed, INT64_MAX);
		c->month_minor = random_up_to(seed, INT64_MAX);
		c->day_count = (uint32_t)random_next(seed);
		c->month_count = (uint32_t)random_next(seed);
	}
}

static inline void
random_limits(uint64_t *seed, struct account *a)
{
	for (size_t i = 0; i < a->limits_n; i++) {
		struct limit *l = &a->limits[i];

		l->link_no = (uint32_t)random_below(seed, a->next_no);
		l->currency = random_below(seed, 4) == 0 ? CURRENCY_NONE : random_currency(seed);
		l->author = (uint8_t)random_below(seed, AUTHOR__COUNT);
		l->per_payment_minor = random_limit(seed);
		l->per_day_minor = random_limit(seed);
		l->per_month_minor = random_limit(seed);
		l->count_day = (int32_t)(random_limit(seed) & INT32_MAX);
		l->count_month = random_below(seed, 2) == 0 ? -1 : (int32_t)random_below(seed, INT32_MAX);
		l->effective_ms = random_below(seed, 3) == 0 ? random_up_to(seed, INT64_MAX) : 0;
	}
	for (size_t i = 0; i < a->freezes_n; i++) {
		a->freezes[i].link_no = (uint32_t)random_below(seed, a->next_no);
		a->freezes[i].author = (uint8_t)random_below(seed, AUTHOR__COUNT);
		a->freezes[i].since_ms = random_up_to(seed, INT64_MAX);
	}
}

/* How many of an array: none, one, all, or any number. */
static inline uint8_t
random_count(uint64_t *seed, uint8_t max)
{
	switch (random_below(seed, 4)) {
	case 0:
		return 0;
	case 1:
		return 1;
	case 2:
		return max;
	default:
		return (uint8_t)random_below(seed, max + 1U);
	}
}

static inline void
account_random(uint64_t *seed, struct account *a)
{
	struct id key;

	random_fill(seed, &key, sizeof(key));
	account_init(a, &key);
	a->revision = random_next(seed);
	random_fill(seed, &a->chain, sizeof(a->chain));
	random_fill(seed, &a->salt, sizeof(a->salt));
	a->time_ms = random_up_to(seed, INT64_MAX);
	a->sessions_since_ms = random_up_to(seed, INT64_MAX);
	a->status = (uint8_t)(ACCOUNT_OPEN + random_below(seed, 2));
	a->enrolled = (uint8_t)random_below(seed, 2);
	a->overflowed = (uint8_t)random_below(seed, 2);
	a->next_no = 1 + (uint32_t)(random_next(seed) >> (33 + random_below(seed, 30)));
	a->links_n = random_count(seed, ACCOUNT_LINKS_MAX);
	a->factors_n = random_count(seed, ACCOUNT_FACTORS_MAX);
	a->sessions_n = a->links_n == 0 ? 0 : random_count(seed, ACCOUNT_SESSIONS_MAX);
	a->allowances_n = a->links_n == 0 ? 0 : random_count(seed, ACCOUNT_ALLOWANCES_MAX);
	a->challenges_n = random_count(seed, ACCOUNT_CHALLENGES_MAX);
	a->payments_n = random_count(seed, ACCOUNT_PAYMENTS_MAX);
	a->refunds_n = random_count(seed, ACCOUNT_REFUNDS_MAX);
	a->counters_n = random_count(seed, ACCOUNT_COUNTERS_MAX);
	a->limits_n = random_count(seed, ACCOUNT_LIMITS_MAX);
	a->freezes_n = random_count(seed, ACCOUNT_FREEZES_MAX);
	a->facts_n = a->links_n == 0 || random_below(seed, 2) == 0 ? 0 : random_count(seed, ACCOUNT_FACTS_MAX);
	random_links(seed, a);
	random_facts(seed, a);
	random_factors(seed, a);
	random_sessions(seed, a);
	random_allowances(seed, a);
	random_challenges(seed, a);
	random_books(seed, a);
	random_limits(seed, a);
}

/* Any event: fields are there or not as the seed has it. */
static inline void
event_random(uint64_t *seed, struct event *e)
{
	memset(e, 0, sizeof(*e));
	e->type = (uint16_t)(1 + random_below(seed, EVENT__COUNT - 1));
	e->reason = (uint16_t)random_below(seed, REASON__COUNT);
	e->time_ms = (int64_t)random_next(seed) >> random_below(seed, 64);
	random_fill(seed, &e->prev, sizeof(e->prev));
#define RANDOM_ID(m) random_fill(seed, &(m), sizeof(m))
#define RANDOM_HASH(m) random_fill(seed, &(m), sizeof(m))
#define RANDOM_U64(m) random_fill(seed, &(m), sizeof(m))
#define RANDOM_NUM(m) (m) = (int64_t)random_next(seed) >> random_below(seed, 64)
#define RANDOM_NOS(m) random_nos(seed, UINT32_MAX, (m))
#define RANDOM_TAGS(m) random_tags(seed, (m))
#define X(member, kind, name)                                                                      \
	if (random_below(seed, 2) == 0)                                                            \
		RANDOM_##kind(e->member);
	EVENT_FIELDS(X)
#undef X
#undef RANDOM_ID
#undef RANDOM_HASH
#undef RANDOM_U64
#undef RANDOM_NUM
#undef RANDOM_NOS
#undef RANDOM_TAGS
}

#endif
