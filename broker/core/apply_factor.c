/* SPDX-License-Identifier: Apache-2.0 */
/* apply() for factors: enrolled, removed, replaced, unlocked. */
#include "broker/core/apply_internal.h"
#include "broker/core/room.h"

static bool
factor_room(struct account *a)
{
	int i = room_factor(a);

	if (i >= 0 && i < a->factors_n)
		ARRAY_DROP(a->factors, a->factors_n, i);
	return i >= 0;
}

/* What it signed falls with it. */
static void
factor_remove(struct account *a, struct factor *f)
{
	f->removed = 1;
	for (size_t i = 0; i < a->allowances_n; i++) {
		for (size_t k = 0; k < CHALLENGE_FACTORS_MAX; k++) {
			if (a->allowances[i].factors[k] == f->no)
				a->allowances[i].state = ALLOWANCE_REVOKED;
		}
	}
}

void
factors_settle(struct account *a, int64_t time_ms)
{
	for (size_t i = 0; i < a->factors_n; i++) {
		struct factor *f = account_factor_by_no(a, a->factors[i].replaces_no);

		/* Once and for all: it does not come back when the new one is removed later. */
		if (f != NULL && !f->removed && factor_gone(a, f, time_ms))
			factor_remove(a, f);
	}
}

/* A recovery code is never the first factor's proof, and so a list of codes begins with none used. */
static int64_t
first_step(const struct event *e)
{
	return e->kind == FACTOR_RECOVERY ? 0 : e->step;
}

bool
apply_factor_enrolled(struct account *a, const struct event *e, struct apply_left *left)
{
	bool first = (e->flags & EVENT_FLAG_FIRST) != 0;
	struct factor *f;

	(void)left;
	if (first == (a->enrolled != 0) || e->kind < 0 || e->kind >= FACTOR__COUNT || e->copies < 0 ||
	    e->copies >= COPIES__COUNT || e->replaces_no < 0 || e->replaces_no >= a->next_no)
		return false;
	if (a->status == ACCOUNT_NONE) {
		a->status = ACCOUNT_OPEN;
		a->next_no = 1;
	}
	if (!factor_room(a) || !take_no(a, e->no))
		return false;
	if (!first && !challenge_use(a, e->challenge_no))
		return false;
	f = &a->factors[a->factors_n++];
	*f = (struct factor){.id = e->id, .plugin = e->plugin, .no = (uint32_t)e->no, .kind = (uint8_t)e->kind,
	    .first = first, .since_ms = e->time_ms, .usable_ms = e->usable_ms, .last_step = first_step(e),
	    .copies = (uint8_t)e->copies, .attested = (e->flags & EVENT_FLAG_ATTESTED) != 0,
	    .replaces_no = (uint32_t)e->replaces_no};
	memcpy(f->rests, e->rests, sizeof(f->rests));
	if (!first)
		memcpy(f->rests_on, e->factors, sizeof(f->rests_on));
	a->enrolled = 1;
	return true;
}

bool
apply_factor_removed(struct account *a, const struct event *e, struct apply_left *left)
{
	struct factor *f = account_factor_by_no(a, (uint32_t)e->target_no);

	(void)left;
	/* Without a countersignature only what could not be used yet; see decide_factor_remove(). */
	if (f == NULL || f->removed ||
	    (e->challenge_no == 0 ? f->usable_ms <= e->time_ms : !challenge_use(a, e->challenge_no)))
		return false;
	factor_remove(a, f);
	challenges_void(a, 0, 0);
	return true;
}

bool
apply_factor_unlocked(struct account *a, const struct event *e, struct apply_left *left)
{
	struct factor *f = account_factor_by_no(a, (uint32_t)e->target_no);

	(void)left;
	if (f == NULL || f->removed || !challenge_use(a, e->challenge_no))
		return false;
	f->failures = 0;
	f->lock_level = 0;
	f->locked_until_ms = 0;
	return true;
}
