/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pass 2: would a countersignature be enough? The stack is asked again as if sets of factors had countersigned, the
 * smallest first, of those that the account really has and rule 11 accepts. The first size at which a set satisfies it is
 * what the user is asked for. So nobody is prompted for what would be denied anyway, nor for more than is needed.
 */
#include "broker/base/check.h"
#include "broker/core/inquiry.h"

enum category { CATEGORY_POSSESSION, CATEGORY_KNOWLEDGE, CATEGORY__COUNT };

/*
 * One category a kind. A passkey may have verified its user as well, but the engine is not told so in a way that it could
 * check: so it counts as possession alone.
 */
static const uint8_t categories[FACTOR__COUNT] = {
	[FACTOR_TOTP] = CATEGORY_POSSESSION,
	[FACTOR_WEBAUTHN] = CATEGORY_POSSESSION,
	[FACTOR_OTP] = CATEGORY_POSSESSION,
	[FACTOR_PAM] = CATEGORY_KNOWLEDGE,
	[FACTOR_RECOVERY] = CATEGORY_POSSESSION,
	[FACTOR_APPROVE] = CATEGORY_POSSESSION,
};

unsigned
categories_of(const uint8_t given[FACTOR__COUNT])
{
	unsigned n = 0, mask = 0;

	for (int k = 0; k < FACTOR__COUNT; k++)
		mask |= given[k] > 0 ? 1U << categories[k] : 0;
	for (; mask != 0; mask &= mask - 1)
		n++;
	return n;
}

static bool
requirement_met(const struct requirement *r, const uint8_t given[FACTOR__COUNT])
{
	uint8_t counting[FACTOR__COUNT] = {0};
	unsigned n = 0;

	for (int k = 0; k < FACTOR__COUNT; k++) {
		if ((r->all & 1 << k) != 0 && given[k] == 0)
			return false;
		counting[k] = (r->any & 1 << k) != 0 ? given[k] : 0;
		n += counting[k];
	}
	return n >= (r->need & 0x0fU) && categories_of(counting) >= r->need >> 4;
}

bool
requires_met(const struct requirement requires[REQUIREMENTS_MAX], const uint8_t given[FACTOR__COUNT])
{
	for (size_t i = 0; i < REQUIREMENTS_MAX && requires[i].any != 0; i++) {
		if (!requirement_met(&requires[i], given))
			return false;
	}
	return true;
}

void
supposed_by_line(struct inquiry *q, uint8_t kinds, uint8_t all, uint8_t need, uint8_t categories_n)
{
	struct requirement r = {(uint8_t)(kinds | all), all, (uint8_t)(need | categories_n << 4)};

	for (size_t i = 0; i < q->requires_n; i++) {
		if (memcmp(&q->requires[i], &r, sizeof(r)) == 0)
			return;
	}
	if (q->requires_n == REQUIREMENTS_MAX)
		q->requires_more = true;
	else
		q->requires[q->requires_n++] = r;
}

static bool
asked_supposing(struct inquiry *q, enum reason *reason)
{
	memset(q->requires, 0, sizeof(q->requires));
	q->requires_n = 0;
	q->requires_more = false;
	return rule_9_stack(q, reason);
}

/* --- sets of factors --- */

struct search {
	struct inquiry *q;
	uint8_t usable[FACTOR__COUNT];
	/* what was found at this size */
	bool found, differ;
	uint8_t kinds;             /* of all the sets that satisfy */
	uint8_t set[FACTOR__COUNT];/* the first of them */
	struct requirement requires[REQUIREMENTS_MAX];
};

static void
set_try(struct search *s)
{
	struct inquiry *q = s->q;
	enum reason reason;

	if (!asked_supposing(q, &reason))
		return;
	for (int k = 0; k < FACTOR__COUNT; k++)
		s->kinds |= q->supposed[k] > 0 ? (uint8_t)(1 << k) : 0;
	if (!s->found) {
		memcpy(s->set, q->supposed, sizeof(s->set));
		memcpy(s->requires, q->requires, sizeof(s->requires));
	}
	s->differ |= s->found && memcmp(s->requires, q->requires, sizeof(s->requires)) != 0;
	s->found = true;
}

/* Every choice of `left` more factors of kinds from `kind` on. At most some two hundred sets of four of six kinds. */
static void
sets_try(struct search *s, int kind, uint8_t left)
{
	if (left == 0) {
		set_try(s);
		return;
	}
	if (kind == FACTOR__COUNT)
		return;
	for (uint8_t n = 0; n <= left && n <= s->usable[kind]; n++) {
		s->q->supposed[kind] = n;
		sets_try(s, kind + 1, (uint8_t)(left - n));
	}
	s->q->supposed[kind] = 0;
}

static void
usable_count(const struct inquiry *q, uint8_t usable[FACTOR__COUNT])
{
	const struct account *a = q->account;

	for (size_t i = 0; i < a->factors_n; i++) {
		enum reason why;
		int64_t until_ms;

		if (usable[a->factors[i].kind] < CHALLENGE_FACTORS_MAX &&
		    factor_usable(q, &a->factors[i], &why, &until_ms))
			usable[a->factors[i].kind]++;
	}
}

/* What one requirement of the usual sort says is said by kinds and need alone, and kept nowhere else. */
static void
prompt_set(struct inquiry *q, const struct search *s, uint8_t size)
{
	bool simple = q->requires_n == 1 && !q->requires_more && q->requires[0].all == 0 &&
	    (q->requires[0].need & 0x0f) == size && q->requires[0].need >> 4 <= 1;

	q->need = size;
	q->kinds = q->requires_n == 0 ? FACTOR_KINDS_ALL : 0;
	for (size_t i = 0; i < q->requires_n; i++)
		q->kinds |= q->requires[i].any;
	/* Several ways through the stack: whoever answers is asked again by the stack itself. */
	if (s->differ || q->requires_more)
		q->kinds |= s->kinds;
	if (simple || s->differ || q->requires_more)
		memset(q->requires, 0, sizeof(q->requires));
}

/* As if the account had every kind: whether the stack could be satisfied at all, and by which kinds. */
static bool
possible(struct inquiry *q, enum reason *reason)
{
	memset(q->supposed, CHALLENGE_FACTORS_MAX, sizeof(q->supposed));
	if (asked_supposing(q, reason))
		return true;
	/* A stack that lives on allowances alone: the countersignature would open this one for the session. */
	q->suppose_allowance = q->new_session;
	return q->suppose_allowance && asked_supposing(q, reason);
}

bool
suppose(struct inquiry *q, enum reason *reason)
{
	struct decision_trace *t = q->asked->trace;
	uint16_t traced = t == NULL ? 0 : t->n;
	struct search s = {.q = q};
	uint8_t wanted = 0;

	if (!possible(q, reason))
		return false;
	for (size_t i = 0; i < q->requires_n; i++)
		wanted |= q->requires[i].any;
	memset(q->supposed, 0, sizeof(q->supposed));
	usable_count(q, s.usable);
	for (uint8_t size = 1; size <= CHALLENGE_FACTORS_MAX; size++) {
		if (t != NULL)
			t->n = traced;
		sets_try(&s, 0, size);
		if (!s.found)
			continue;
		/* Once more the one that stands: its lines are what the trace and the event tell of. */
		if (t != NULL)
			t->n = traced;
		memcpy(q->supposed, s.set, sizeof(q->supposed));
		CHECK(asked_supposing(q, reason));
		prompt_set(q, &s, size);
		return true;
	}
	(void)factors_usable(q, wanted);
	*reason = q->unusable;
	if (t != NULL)
		t->n = traced;
	memset(q->supposed, CHALLENGE_FACTORS_MAX, sizeof(q->supposed));
	enum reason ignored;
	(void)asked_supposing(q, &ignored);
	trace(q, 11, RESULT_DENIED, q->unusable);
	return false;
}
