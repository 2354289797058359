/* SPDX-License-Identifier: Apache-2.0 */
/* Security events: the tables, the decision, and what the event does to an account. */
#include "broker/core/signal.h"

#include "broker/base/check.h"
#include "broker/core/apply_internal.h"
#include "broker/core/inquiry.h"
#include "broker/core/power.h"

static const struct {
	const char *name;
	uint32_t effects;
	const char *good;
} kinds[SIGNAL_KIND__COUNT] = {
	[SIGNAL_KIND_NONE] = {"", 0, ""},
#define X(id, name, effects, words, good, help) [SIGNAL_KIND_##id] = {name, effects, good},
	SIGNAL_KINDS(X)
#undef X
};

static const struct {
	const char *name, *help;
} effects[SIGNAL_EFFECTS_N] = {
#define X(id, name, help) [SIGNAL_BIT_##id] = {name, help},
	SIGNAL_EFFECTS(X)
#undef X
};

const char *
signal_name(enum signal_kind kind)
{
	CHECK((unsigned)kind < SIGNAL_KIND__COUNT);
	return kinds[kind].name;
}

enum signal_kind
signal_find(struct view name)
{
	for (int i = SIGNAL_KIND_NONE + 1; i < SIGNAL_KIND__COUNT; i++) {
		if (view_equal(name, view_str(kinds[i].name)))
			return (enum signal_kind)i;
	}
	return SIGNAL_KIND_NONE;
}

uint32_t
signal_effects_usual(enum signal_kind kind)
{
	CHECK((unsigned)kind < SIGNAL_KIND__COUNT);
	return kinds[kind].effects;
}

bool
signal_is_good(enum signal_kind kind, struct view detail)
{
	const char *good = kinds[kind].good;
	size_t len = strlen(good);

	CHECK((unsigned)kind < SIGNAL_KIND__COUNT);
	if (len == 0 || detail.len < len || (detail.len > len && detail.data[detail.len - len - 1] != ' '))
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = detail.data[detail.len - len + i];

		if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != good[i])
			return false;
	}
	return true;
}

const char *
signal_effect_name(enum signal_effect_bit bit)
{
	CHECK((unsigned)bit < SIGNAL_EFFECTS_N);
	return effects[bit].name;
}

const char *
signal_effect_help(enum signal_effect_bit bit)
{
	CHECK((unsigned)bit < SIGNAL_EFFECTS_N);
	return effects[bit].help;
}

uint32_t
signal_effect_find(struct view word)
{
	for (int i = 0; i < SIGNAL_EFFECTS_N; i++) {
		if (view_equal(word, view_str(effects[i].name)))
			return UINT32_C(1) << i;
	}
	return 0;
}

/* --- the decision --- */

void
decide_signal(const struct asked *asked, const struct account *a, uint32_t link_no, enum signal_kind kind,
    uint32_t mask, int64_t at_ms, struct decision *d)
{
	const struct link *l = account_link_by_no(a, link_no);
	struct inquiry q;
	struct event *e;

	CHECK(kind > SIGNAL_KIND_NONE && kind < SIGNAL_KIND__COUNT && (mask & ~(uint32_t)SIGNAL_EFFECTS_ALL) == 0);
	power_begin(&q, asked, a, d);
	if (l == NULL || (l->state != LINK_ACTIVE && l->state != LINK_SUSPENDED)) {
		decision_set(d, REASON_LINK_UNKNOWN);
		return;
	}
	inquiry_link(&q, l);
	d->id = l->id;
	d->no = l->no;
	decision_set(d, REASON_SIGNALLED);
	e = decision_event(d, &q, EVENT_SIGNALLED, REASON_SIGNALLED);
	e->id = l->id;
	e->subject = l->subject;
	e->kind = kind;
	e->effects = mask;
	/* A provider's clock may be ahead; nothing happened tomorrow. */
	e->auth_ms = at_ms < 0 ? 0 : at_ms > q.now_ms ? q.now_ms : at_ms;
}

/* --- what it does --- */

/* Whether there was any. */
static bool
allowances_pause(struct account *a, uint32_t link_no, int64_t time_ms)
{
	bool any = false;

	for (size_t i = 0; i < a->allowances_n; i++) {
		struct allowance *w = &a->allowances[i];

		if (w->link_no != link_no || w->state != ALLOWANCE_OPEN)
			continue;
		w->paused_ms = time_ms;
		any = true;
	}
	return any;
}

bool
apply_signalled(struct account *a, const struct event *e, struct apply_left *left)
{
	struct link *l = account_link_by_no(a, (uint32_t)e->link_no);
	uint32_t mask = (uint32_t)e->effects;
	bool stands = (mask & SIGNAL_SUSPEND_LINK) != 0;

	(void)left;
	if (l == NULL || (l->state != LINK_ACTIVE && l->state != LINK_SUSPENDED) || e->kind <= SIGNAL_KIND_NONE ||
	    e->kind >= SIGNAL_KIND__COUNT || e->effects < 0 || e->effects > SIGNAL_EFFECTS_ALL)
		return false;
	if ((mask & SIGNAL_SUSPEND_LINK) != 0) {
		l->state = LINK_SUSPENDED;
		/* A mandate that it had is not one that was granted since. */
		l->sessions_since_ms = e->time_ms;
	}
	/* Not the time of the link's sessions: mandates are paused by a word of their own. */
	if ((mask & (SIGNAL_SUSPEND_LINK | SIGNAL_VOID_SESSIONS)) != 0)
		sessions_drop(a, l->no);
	if ((mask & (SIGNAL_SUSPEND_LINK | SIGNAL_VOID_CHALLENGES)) != 0)
		challenges_void(a, l->no, 0);
	if ((mask & SIGNAL_VOID_ALLOWANCES) != 0)
		allowances_void(a, l->no);
	if ((mask & SIGNAL_PAUSE_ALLOWANCES) != 0)
		stands |= allowances_pause(a, l->no, e->time_ms);
	/* The event does not say what of it changed, or changed hands: none of it counts until it is looked at again. */
	if ((mask & SIGNAL_LOWER_EVIDENCE) != 0)
		facts_lower(a, l->no, 0, NULL, e->time_ms);
	if (stands) {
		l->signal = (uint8_t)e->kind;
		l->signalled_ms = e->time_ms;
	}
	return true;
}

/* --- and what lifts it --- */

/* An allowance that this session, once countersigned, opens again. */
static bool
resumable(const struct allowance *w, const struct session *s)
{
	return w->paused_ms != 0 && w->state == ALLOWANCE_OPEN && w->link_no == s->link_no && s->opened_ms > w->paused_ms;
}

bool
signature_resumes(const struct account *a, const struct challenge *c)
{
	const struct session *s = account_session(a, &c->session);

	if (s == NULL || s->link_no != c->link_no)
		return false;
	for (size_t i = 0; i < a->allowances_n; i++) {
		if (resumable(&a->allowances[i], s))
			return true;
	}
	return false;
}

void
signal_lifted(struct account *a, uint32_t link_no)
{
	struct link *l = account_link_by_no(a, link_no);
	bool paused = false;

	for (size_t i = 0; i < a->allowances_n; i++)
		paused |= a->allowances[i].link_no == link_no && a->allowances[i].paused_ms != 0 &&
		    a->allowances[i].expires_ms > a->time_ms;
	if (l == NULL || l->state == LINK_SUSPENDED || paused)
		return;
	l->signal = SIGNAL_KIND_NONE;
	l->signalled_ms = 0;
}

void
allowances_resume(struct account *a, const struct session *s)
{
	for (size_t i = 0; i < a->allowances_n; i++) {
		if (resumable(&a->allowances[i], s))
			a->allowances[i].paused_ms = 0;
	}
	signal_lifted(a, s->link_no);
}
