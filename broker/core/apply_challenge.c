/* SPDX-License-Identifier: Apache-2.0 */
/* apply() for challenges, answers, and what falls when a link, a session or a factor does. */
#include "broker/core/apply_internal.h"
#include "broker/core/room.h"

#define LOCK_FIRST_MS INT64_C(60000)

struct challenge *
challenge_by_no(struct account *a, uint32_t no)
{
	for (size_t i = 0; i < a->challenges_n; i++) {
		if (a->challenges[i].no == no)
			return &a->challenges[i];
	}
	return NULL;
}

bool
challenge_use(struct account *a, int64_t no)
{
	struct challenge *c = challenge_by_no(a, (uint32_t)no);

	if (c == NULL || c->state != CHALLENGE_DONE)
		return false;
	c->state = CHALLENGE_USED;
	return true;
}

void
challenges_void(struct account *a, uint32_t link_no, uint32_t but)
{
	for (size_t i = 0; i < a->challenges_n; i++) {
		struct challenge *c = &a->challenges[i];

		if ((link_no == 0 || c->link_no == link_no) && c->no != but &&
		    (c->state == CHALLENGE_OPEN || c->state == CHALLENGE_DONE))
			c->state = CHALLENGE_VOID;
	}
}

void
allowances_void(struct account *a, uint32_t link_no)
{
	for (size_t i = 0; i < a->allowances_n; i++) {
		if (link_no != 0 && a->allowances[i].link_no != link_no)
			continue;
		a->allowances[i].state = ALLOWANCE_REVOKED;
		a->allowances[i].paused_ms = 0;
	}
}

void
sessions_drop(struct account *a, uint32_t link_no)
{
	uint8_t kept = 0;

	for (uint8_t i = 0; i < a->sessions_n; i++) {
		if (link_no != 0 && a->sessions[i].link_no != link_no)
			a->sessions[kept++] = a->sessions[i];
	}
	a->sessions_n = kept;
}

static bool
challenge_room(struct account *a, int64_t time_ms)
{
	int i = room_challenge(a, time_ms);

	if (i < 0)
		return false;
	if (i < a->challenges_n) {
		memmove(&a->challenges[i], &a->challenges[i + 1],
		    ((size_t)(a->challenges_n - i) - 1) * sizeof(a->challenges[0]));
		a->challenges_n--;
	}
	return true;
}

bool
apply_challenge_opened(struct account *a, const struct event *e, struct apply_left *left)
{
	struct link *l = account_link_by_no(a, (uint32_t)e->link_no);
	struct challenge *c;

	(void)left;
	if (!challenge_room(a, e->time_ms) || e->no != a->next_no || e->need < 1 || e->need > CHALLENGE_FACTORS_MAX)
		return false;
	a->next_no++;
	c = &a->challenges[a->challenges_n++];
	*c = (struct challenge){.id = e->id, .content = e->content,
	    .payment = e->payment, .session = e->session, .service = e->service, .no = (uint32_t)e->no,
	    .link_no = (uint32_t)e->link_no, .target_no = (uint32_t)e->target_no, .op = (uint8_t)e->op,
	    .state = CHALLENGE_OPEN, .kinds = (uint8_t)e->kinds, .need = (uint8_t)e->need, .opened_ms = e->time_ms,
	    .expires_ms = e->expires_ms};
	for (size_t i = 0; i < REQUIREMENTS_MAX; i++) {
		int64_t of = e->requires >> (24 * i);

		c->requires[i] = (struct requirement){(uint8_t)of, (uint8_t)(of >> 8), (uint8_t)(of >> 16)};
	}
	if (l != NULL) {
		if (l->prompts_day != e->day)
			l->prompts = 0;
		l->prompts_day = e->day;
		l->prompts++;
	}
	return true;
}

/* A limit that was set for the link while it was only proposed takes the older one's numbers where they are smaller. */
static bool
limit_joined(struct account *a, uint32_t link_no, const struct limit *old)
{
	for (size_t i = 0; i < a->limits_n; i++) {
		struct limit *l = &a->limits[i];

		if (l->link_no != link_no || l->currency != old->currency || l->author != old->author)
			continue;
		/* No raise was ever put beside it: the older link's falls, as it does when a limit is set anew. */
		if (old->effective_ms != 0)
			return true;
		limit_narrow(l, old);
		return true;
	}
	return false;
}

/* Limits that were set for the subject's older link bind the new one: unlinking and linking again raises nothing. */
static void
own_follows(struct account *a, const struct link *l)
{
	for (size_t i = 0; i < a->links_n; i++) {
		const struct link *old = &a->links[i];
		uint8_t kept = 0;

		if (old == l || !id_equal(&old->subject, &l->subject))
			continue;
		for (uint8_t k = 0; k < a->limits_n; k++) {
			if (a->limits[k].link_no != old->no || !limit_joined(a, l->no, &a->limits[k]))
				a->limits[kept++] = a->limits[k];
		}
		a->limits_n = kept;
		for (uint8_t k = 0; k < a->limits_n; k++) {
			if (a->limits[k].link_no == old->no)
				a->limits[k].link_no = l->no;
		}
	}
}

static bool
link_activated(struct account *a, const struct event *e, const struct challenge *c)
{
	struct link *l = account_link_by_no(a, c->target_no);

	if (l == NULL || l->state != LINK_PROPOSED)
		return false;
	/* Under the name that an older link of this account was moved from: it is the same person. */
	for (size_t i = 0; i < a->links_n; i++) {
		struct id newer = a->links[i].subject;

		if (!id_equal(&a->links[i].was, &l->subject))
			continue;
		subject_moves(a, &newer, &l->subject);
		a->links[i].was = (struct id){{0}};
	}
	own_follows(a, l);
	l->state = LINK_ACTIVE;
	l->since_ms = e->time_ms;
	l->usable_ms = e->usable_ms;
	/* Whatever was begun before this link was made may be an attacker's: sessions and prompts end. */
	sessions_drop(a, 0);
	a->sessions_since_ms = e->time_ms;
	challenges_void(a, 0, c->no);
	return true;
}

static bool
allowance_opened(struct account *a, const struct event *e, const struct challenge *c)
{
	struct allowance *w = account_allowance_by_no(a, c->target_no);

	if (w == NULL || w->state != ALLOWANCE_PROPOSED)
		return false;
	w->state = ALLOWANCE_OPEN;
	w->granted_ms = e->time_ms;
	memcpy(w->factors, c->factors, sizeof(w->factors));
	return true;
}

static bool
completed(struct account *a, const struct event *e, struct challenge *c)
{
	struct session *s = account_session(a, &c->session);

	c->state = CHALLENGE_DONE;
	c->done_ms = e->time_ms;
	c->expires_ms = e->expires_ms;
	if (s != NULL) {
		s->countersigned = 1;
		s->used_ms = e->time_ms;
	}
	if ((e->flags & EVENT_FLAG_RESUMES) != 0) {
		if (s == NULL)
			return false;
		allowances_resume(a, s);
	}
	if (c->op != OP_LINK && c->op != OP_GRANT)
		return true;
	/* These are carried out by the answer itself, which so uses the countersignature up. */
	c->state = CHALLENGE_USED;
	return c->op == OP_LINK ? link_activated(a, e, c) : allowance_opened(a, e, c);
}

/* Each code of a list is used once, in any order; all else counts up. */
static void
note_step(struct factor *f, int64_t step)
{
	if (f->kind == FACTOR_RECOVERY)
		f->last_step |= step >= 0 && step < RECOVERY_CODES_MAX ? INT64_C(1) << step : 0;
	else if (step > f->last_step)
		f->last_step = step;
}

bool
apply_answered(struct account *a, const struct event *e, struct apply_left *left)
{
	struct challenge *c = challenge_by_no(a, (uint32_t)e->challenge_no);
	struct factor *f = account_factor_by_no(a, (uint32_t)e->target_no);
	size_t n = 0;

	(void)left;
	if (c == NULL || f == NULL || c->state != CHALLENGE_OPEN || f->removed)
		return false;
	while (n < CHALLENGE_FACTORS_MAX && c->factors[n] != 0 && c->factors[n] != f->no)
		n++;
	if (n == CHALLENGE_FACTORS_MAX || c->factors[n] == f->no)
		return false;
	c->factors[n] = f->no;
	f->failures = 0;
	f->lock_level = 0;
	f->locked_until_ms = 0;
	note_step(f, e->step);
	if ((e->flags & EVENT_FLAG_COMPLETE) == 0)
		return true;
	return n + 1 >= c->need && completed(a, e, c);
}

bool
apply_failed(struct account *a, const struct event *e, struct apply_left *left)
{
	struct challenge *c = challenge_by_no(a, (uint32_t)e->challenge_no);
	struct factor *f = account_factor_by_no(a, (uint32_t)e->target_no);

	(void)left;
	if (c == NULL || f == NULL)
		return false;
	if ((e->flags & EVENT_FLAG_VOIDS) != 0)
		memset(c->factors, 0, sizeof(c->factors));
	if (++c->wrong >= CHALLENGE_WRONG_MAX && c->state == CHALLENGE_OPEN)
		c->state = CHALLENGE_VOID;
	if (++f->failures < FACTOR_FAILURES_MAX)
		return true;
	/* A minute, then twice as long each time, to a day. */
	f->failures = 0;
	f->locked_until_ms = LOCK_FIRST_MS << (f->lock_level < 11 ? f->lock_level : 11);
	if (f->locked_until_ms > DAY_MS)
		f->locked_until_ms = DAY_MS;
	f->locked_until_ms += e->time_ms;
	if (f->lock_level < UINT8_MAX)
		f->lock_level++;
	return true;
}

bool
apply_refused(struct account *a, const struct event *e, struct apply_left *left)
{
	struct challenge *c = challenge_by_no(a, (uint32_t)e->challenge_no);

	(void)left;
	if (c == NULL || (c->state != CHALLENGE_OPEN && c->state != CHALLENGE_DONE))
		return false;
	c->state = CHALLENGE_REFUSED;
	return true;
}
