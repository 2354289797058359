/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything but payments and factors: links, sessions, allowances, limits and freezes. What widens power goes through
 * decide() and names the countersignature that it used up; what narrows power needs none and takes effect at once.
 */
#include "broker/core/power.h"
#include "broker/core/money.h"

void
power_begin(struct inquiry *q, const struct asked *asked, const struct account *a, struct decision *d)
{
	*d = (struct decision){0};
	inquiry_begin(q, asked, a, NULL);
	decision_set(d, REASON_STACK);
}

bool
power_guarded(const struct asked *asked, const struct account *a, const struct request *r, struct decision *d,
    uint32_t *challenge_no)
{
	decide(asked, a, r, d);
	if (d->outcome != OUTCOME_PERMIT)
		return false;
	*challenge_no = d->no;
	return true;
}

bool
power_service_may(const struct inquiry *q, uint32_t right)
{
	return q->service != NULL && (q->service->rights & right) != 0 && (q->service->doors & q->asked->door) != 0;
}

static const struct challenge *
challenge_of(const struct account *a, uint32_t no)
{
	for (size_t i = 0; i < a->challenges_n; i++) {
		if (a->challenges[i].no == no)
			return &a->challenges[i];
	}
	return NULL;
}

void
power_signed(struct event *e, const struct account *a, uint32_t challenge_no, const struct decision *d)
{
	const struct challenge *c = challenge_of(a, challenge_no);

	if (c != NULL)
		memcpy(e->factors, c->factors, sizeof(e->factors));
	e->challenge_no = challenge_no;
	e->flags |= d->assumed ? EVENT_FLAG_ASSUMED : 0;
}

void
decide_link_propose(const struct asked *asked, const struct account *a, uint64_t provider, const struct id *subject,
    struct decision *d)
{
	struct inquiry q;
	enum reason reason;
	struct event *e;

	power_begin(&q, asked, a, d);
	q.provider = policy_provider(asked->policy, provider);
	q.provider_state = broker_provider(asked->broker, provider);
	if (!power_service_may(&q, RIGHT_LINK)) {
		decision_set(d, REASON_SERVICE_RIGHT);
		return;
	}
	reason = rule_account(&q);
	if (reason == REASON_NONE && (q.provider == NULL || q.provider_state == NULL || !q.provider_state->enabled))
		reason = REASON_PROVIDER_DISABLED;
	if (reason == REASON_NONE && q.provider_state->frozen)
		reason = REASON_PROVIDER_FROZEN;
	if (reason == REASON_NONE && !q.provider_state->pinned)
		reason = REASON_PROVIDER_CHANGED;
	if (reason == REASON_NONE && (!q.provider_state->fresh || asked->broker->stale))
		reason = REASON_PROVIDER_STALE;
	if (reason == REASON_NONE && subject_linked(a, subject))
		reason = REASON_LINK_TAKEN;
	if (reason == REASON_NONE && room_link(a, subject) < 0)
		reason = REASON_FULL;
	if (reason != REASON_NONE) {
		decision_deny(d, &q, reason);
		return;
	}
	decision_set(d, REASON_ASKED);
	d->no = a->next_no;
	d->id = asked->fresh[1];
	e = decision_event(d, &q, EVENT_LINK_PROPOSED, REASON_ASKED);
	e->op = OP_LINK;
	e->no = d->no;
	e->id = d->id;
	e->provider = provider;
	e->subject = *subject;
}

void
decide_link_narrow(const struct asked *asked, const struct account *a, uint32_t link_no, enum link_state to,
    struct decision *d)
{
	const struct link *l = account_link_by_no(a, link_no);
	struct inquiry q;
	struct event *e;

	power_begin(&q, asked, a, d);
	if (l == NULL)
		return;
	inquiry_link(&q, l);
	d->id = l->id;
	d->no = l->no;
	decision_set(d, REASON_NARROWS);
	/* A proposal was never in force: there is nothing to come back to. */
	if (l->state == LINK_PROPOSED)
		to = LINK_REVOKED;
	if (l->state == LINK_REVOKED || l->state == to) {
		d->replayed = true;
		return;
	}
	e = decision_event(d, &q, to == LINK_REVOKED ? EVENT_LINK_REVOKED : EVENT_LINK_SUSPENDED, REASON_NARROWS);
	e->id = l->id;
	e->subject = l->subject;
}

static bool
session_replaceable(const struct inquiry *q, const struct session *s, uint32_t link_no)
{
	const struct policy *p = q->asked->policy;

	return s->link_no == link_no || q->now_ms - s->used_ms > p->session_idle_ms ||
	    q->now_ms - s->opened_ms > p->session_max_ms;
}

void
decide_session_open(const struct asked *asked, const struct account *a, uint32_t link_no, int64_t auth_ms,
    struct decision *d)
{
	struct inquiry q;
	enum reason reason;
	struct event *e;
	bool room = a->sessions_n < ACCOUNT_SESSIONS_MAX;

	power_begin(&q, asked, a, d);
	inquiry_link(&q, account_link_by_no(a, link_no));
	if (q.service == NULL || (q.service->doors & asked->door) == 0)
		reason = REASON_SERVICE_RIGHT;
	else if (q.link == NULL)
		reason = REASON_LINK_UNKNOWN;
	else if ((reason = rule_account(&q)) == REASON_NONE && (reason = rule_provider(&q)) == REASON_NONE)
		reason = rule_link(&q);
	/* Who is asking may be said while the link cools off; spending waits. */
	if (reason == REASON_LINK_COOLING_OFF)
		reason = REASON_NONE;
	/* A stolen ID may push out its own link's sessions, never another's. */
	for (size_t i = 0; i < a->sessions_n && !room; i++)
		room = session_replaceable(&q, &a->sessions[i], link_no);
	if (reason == REASON_NONE && !room)
		reason = REASON_FULL;
	if (reason != REASON_NONE) {
		decision_deny(d, &q, reason);
		return;
	}
	decision_set(d, REASON_ASKED);
	d->id = asked->fresh[0];
	e = decision_event(d, &q, EVENT_SESSION_OPENED, REASON_ASKED);
	e->id = d->id;
	/* A provider's clock may be ahead; nobody signed in tomorrow. */
	e->auth_ms = auth_ms < 0 ? 0 : auth_ms > q.now_ms ? q.now_ms : auth_ms;
	e->usable_ms = q.now_ms - asked->policy->session_idle_ms;
	e->expires_ms = q.now_ms + asked->policy->session_max_ms;
}

void
decide_session_close(const struct asked *asked, const struct account *a, const struct id *session, struct decision *d)
{
	const struct session *s = account_session(a, session);
	struct inquiry q;

	power_begin(&q, asked, a, d);
	decision_set(d, REASON_NARROWS);
	if (s != NULL && asked->service != 0 && s->service != asked->service)
		s = NULL;
	d->replayed = s == NULL;
	if (s != NULL)
		decision_event(d, &q, EVENT_SESSION_CLOSED, REASON_NARROWS)->id = *session;
}

static bool
grant_sane(const struct inquiry *q, const struct grant *g)
{
	return g->per_payment_minor > 0 && g->per_day_minor <= MONEY_MAX && g->total_minor <= MONEY_MAX &&
	    g->kind <= ALLOWANCE_MANDATE && currency_get(g->currency) != NULL && g->per_day_minor >= g->per_payment_minor &&
	    g->total_minor >= g->per_payment_minor && g->expires_ms > q->now_ms &&
	    g->expires_ms - q->now_ms <= q->asked->policy->allowance_max_ms &&
	    (g->kind != ALLOWANCE_MANDATE || !id_zero(&g->payee));
}

void
decide_grant(const struct asked *asked, const struct account *a, const struct grant *g, struct decision *d)
{
	const struct session *s = account_session(a, &g->session);
	struct inquiry q;
	struct event *e;
	enum reason reason = REASON_NONE;
	bool room = a->allowances_n < ACCOUNT_ALLOWANCES_MAX;

	power_begin(&q, asked, a, d);
	if (s == NULL || s->service != asked->service)
		reason = REASON_SESSION_INVALID;
	else
		inquiry_link(&q, account_link_by_no(a, s->link_no));
	if (reason == REASON_NONE && !grant_sane(&q, g))
		reason = REASON_PAYMENT_MISMATCH;
	if (reason == REASON_NONE && policy_limit(asked->policy->limits, asked->policy->limits_n, g->currency) == NULL)
		reason = REASON_LIMIT_UNDEFINED;
	for (size_t i = 0; i < a->allowances_n && !room; i++)
		room = a->allowances[i].state != ALLOWANCE_OPEN || a->allowances[i].expires_ms <= q.now_ms;
	if (reason == REASON_NONE && !room)
		reason = REASON_FULL;
	if (reason != REASON_NONE) {
		decision_deny(d, &q, reason);
		return;
	}
	decision_set(d, REASON_ASKED);
	d->no = a->next_no;
	d->id = asked->fresh[1];
	e = decision_event(d, &q, EVENT_ALLOWANCE_PROPOSED, REASON_ASKED);
	e->op = OP_GRANT;
	e->no = d->no;
	e->id = d->id;
	e->session = g->session;
	e->payee = g->payee;
	e->kind = g->kind;
	e->currency = g->currency;
	e->per_payment_minor = g->per_payment_minor;
	e->per_day_minor = g->per_day_minor;
	e->total_minor = g->total_minor;
	e->expires_ms = g->expires_ms;
}

void
decide_allowance_revoke(const struct asked *asked, const struct account *a, uint32_t no, struct decision *d)
{
	const struct allowance *w = account_allowance_by_no(a, no);
	struct inquiry q;
	struct event *e;

	power_begin(&q, asked, a, d);
	if (w == NULL)
		return;
	inquiry_link(&q, account_link_by_no(a, w->link_no));
	decision_set(d, REASON_NARROWS);
	d->id = w->id;
	d->no = no;
	d->replayed = w->state == ALLOWANCE_REVOKED;
	if (d->replayed)
		return;
	e = decision_event(d, &q, EVENT_ALLOWANCE_REVOKED, REASON_NARROWS);
	e->allowance_no = no;
	e->id = w->id;
}

static bool
wider(int64_t to, int64_t from)
{
	return from >= 0 && (to < 0 || to > from);
}

static bool
same_level(const struct limit *a, const struct limit *b)
{
	return a->link_no == b->link_no && a->currency == b->currency && a->author == b->author;
}

static bool
raises(const struct account *a, const struct limit *to, int64_t now_ms)
{
	for (size_t i = 0; i < a->limits_n; i++) {
		const struct limit *l = &a->limits[i];

		if (!same_level(l, to) || !account_limit_binds(a, l, now_ms))
			continue;
		return wider(to->per_payment_minor, l->per_payment_minor) ||
		    wider(to->per_day_minor, l->per_day_minor) || wider(to->per_month_minor, l->per_month_minor) ||
		    wider(to->count_day, l->count_day) || wider(to->count_month, l->count_month);
	}
	return false;
}

/* A raise that waits takes a place beside the limit that binds until then. */
static bool
limit_fits(const struct account *a, const struct limit *to, bool waits)
{
	bool there = false;

	for (size_t i = 0; i < a->limits_n; i++)
		there |= same_level(&a->limits[i], to) && (!waits || a->limits[i].effective_ms != 0);
	return there || a->limits_n < ACCOUNT_LIMITS_MAX;
}

/* The very same raise waits already: who asks again is told so, and it binds no later. */
static bool
raise_waits(const struct account *a, const struct limit *to, int64_t now_ms)
{
	for (size_t i = 0; i < a->limits_n; i++) {
		const struct limit *l = &a->limits[i];

		if (l->effective_ms > now_ms && same_level(l, to) && l->per_payment_minor == to->per_payment_minor &&
		    l->per_day_minor == to->per_day_minor && l->per_month_minor == to->per_month_minor &&
		    l->count_day == to->count_day && l->count_month == to->count_month)
			return true;
	}
	return false;
}

static bool
minor_sane(int64_t minor)
{
	return minor >= -1 && minor <= MONEY_MAX;
}

/* Without a currency it can only count. */
static bool
limit_sane(const struct limit *l)
{
	bool counts_only = l->per_payment_minor == -1 && l->per_day_minor == -1 && l->per_month_minor == -1;

	return l->author < AUTHOR__COUNT && minor_sane(l->per_payment_minor) && minor_sane(l->per_day_minor) &&
	    minor_sane(l->per_month_minor) && l->count_day >= -1 && l->count_month >= -1 &&
	    (l->currency == CURRENCY_NONE ? counts_only : currency_get(l->currency) != NULL);
}

void
decide_limit(const struct asked *asked, const struct account *a, const struct limit *to, const struct id *challenge,
    const struct hash *content, struct decision *d)
{
	struct request r = {.op = OP_LIMIT, .content = *content, .link_no = to->link_no, .challenge = *challenge};
	int64_t wait_ms = asked->policy->limit_cooling_off_ms;
	bool countersign;
	struct inquiry q;
	uint32_t challenge_no = 0;
	struct event *e;

	power_begin(&q, asked, a, d);
	countersign = to->author == AUTHOR_USER && raises(a, to, q.now_ms);
	decision_set(d, a->status == ACCOUNT_NONE ? REASON_ACCOUNT_UNKNOWN :
	    to->link_no != 0 && account_link_by_no(a, to->link_no) == NULL ? REASON_LINK_UNKNOWN :
	    !limit_sane(to) ? REASON_LIMIT_UNDEFINED : !limit_fits(a, to, countersign && wait_ms > 0) ? REASON_FULL :
	    REASON_NONE);
	if (d->reason != REASON_NONE)
		return;
	if (to->author == AUTHOR_USER && raise_waits(a, to, q.now_ms)) {
		decision_set(d, REASON_ASKED);
		d->replayed = true;
		return;
	}
	if (countersign && !power_guarded(asked, a, &r, d, &challenge_no))
		return;
	if (!countersign)
		decision_set(d, to->author == AUTHOR_ADMIN ? REASON_ASKED : REASON_NARROWS);
	e = decision_event(d, &q, EVENT_LIMIT_SET, (enum reason)d->reason);
	if (countersign) {
		power_signed(e, a, challenge_no, d);
		e->usable_ms = wait_ms > 0 ? q.now_ms + wait_ms : 0;
	}
	e->link_no = to->link_no;
	e->author = to->author;
	e->currency = to->currency;
	/* Stored plus one, so that "no limit" is the empty field. */
	e->per_payment_minor = to->per_payment_minor + 1;
	e->per_day_minor = to->per_day_minor + 1;
	e->per_month_minor = to->per_month_minor + 1;
	e->count_day = to->count_day + 1;
	e->count_month = to->count_month + 1;
}

static const struct freeze *
freeze_of(const struct account *a, uint32_t link_no, enum author author)
{
	for (size_t i = 0; i < a->freezes_n; i++) {
		if (a->freezes[i].link_no == link_no && a->freezes[i].author == author)
			return &a->freezes[i];
	}
	return NULL;
}

void
decide_freeze(const struct asked *asked, const struct account *a, uint32_t link_no, enum author author,
    struct decision *d)
{
	struct inquiry q;
	struct event *e;

	power_begin(&q, asked, a, d);
	inquiry_link(&q, account_link_by_no(a, link_no));
	if (a->status == ACCOUNT_NONE || (link_no != 0 && q.link == NULL)) {
		decision_set(d, a->status == ACCOUNT_NONE ? REASON_ACCOUNT_UNKNOWN : REASON_LINK_UNKNOWN);
		return;
	}
	decision_set(d, REASON_NARROWS);
	if (freeze_of(a, link_no, author) != NULL) {
		d->replayed = true;
		return;
	}
	/* No room for one link's record: the whole account is frozen instead, which covers it. */
	e = decision_event(d, &q, EVENT_FROZEN, REASON_NARROWS);
	e->link_no = room_freeze(a) ? link_no : 0;
	e->author = author;
	if (e->link_no == 0 && freeze_of(a, 0, author) != NULL) {
		d->events_n = 0;
		d->replayed = true;
	}
}

void
decide_thaw(const struct asked *asked, const struct account *a, uint32_t link_no, enum author author,
    const struct id *challenge, const struct hash *content, struct decision *d)
{
	struct request r = {.op = OP_THAW, .content = *content, .link_no = link_no, .challenge = *challenge};
	const struct link *l = account_link_by_no(a, link_no);
	bool suspended = l != NULL && l->state == LINK_SUSPENDED && author == AUTHOR_USER;
	struct inquiry q;
	uint32_t challenge_no = 0;
	struct event *e;

	power_begin(&q, asked, a, d);
	inquiry_link(&q, l);
	if (freeze_of(a, link_no, author) == NULL && !suspended) {
		d->replayed = true;
		decision_set(d, REASON_ASKED);
		return;
	}
	if (author == AUTHOR_USER && !power_guarded(asked, a, &r, d, &challenge_no))
		return;
	decision_set(d, author == AUTHOR_USER ? REASON_COUNTERSIGNED : REASON_ASKED);
	e = decision_event(d, &q, EVENT_THAWED, (enum reason)d->reason);
	e->link_no = link_no;
	e->author = author;
	if (challenge_no != 0)
		power_signed(e, a, challenge_no, d);
}

void
decide_not_me(const struct asked *asked, const struct account *a, uint32_t link_no, struct decision *d)
{
	struct inquiry q;
	struct event *e;

	power_begin(&q, asked, a, d);
	inquiry_link(&q, account_link_by_no(a, link_no));
	if (a->status == ACCOUNT_NONE || (link_no != 0 && q.link == NULL)) {
		decision_set(d, a->status == ACCOUNT_NONE ? REASON_ACCOUNT_UNKNOWN : REASON_LINK_UNKNOWN);
		return;
	}
	decision_set(d, REASON_NOT_ME);
	e = decision_event(d, &q, EVENT_NOT_ME, REASON_NOT_ME);
	e->link_no = link_no;
	e->author = AUTHOR_USER;
	e->day = q.day;
	e->month = q.month;
}

void
decide_view(const struct asked *asked, const struct account *a, const struct id *challenge, const struct hash *content,
    struct decision *d)
{
	struct request r = {.op = OP_VIEW, .own = true, .content = *content, .challenge = *challenge};
	struct inquiry q;
	uint32_t challenge_no;
	struct event *e;

	power_begin(&q, asked, a, d);
	if (!power_guarded(asked, a, &r, d, &challenge_no))
		return;
	e = decision_event(d, &q, EVENT_VIEW_OPENED, REASON_COUNTERSIGNED);
	e->op = OP_VIEW;
	e->id = *challenge;
	power_signed(e, a, challenge_no, d);
}

void
decide_close(const struct asked *asked, const struct account *a, struct decision *d)
{
	struct inquiry q;

	power_begin(&q, asked, a, d);
	decision_set(d, REASON_NARROWS);
	d->replayed = a->status == ACCOUNT_CLOSED;
	if (a->status == ACCOUNT_NONE)
		decision_set(d, REASON_ACCOUNT_UNKNOWN);
	else if (!d->replayed)
		decision_event(d, &q, EVENT_ACCOUNT_CLOSED, REASON_NARROWS);
}
