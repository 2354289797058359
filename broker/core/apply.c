/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply(state, event): events in, state out. It decides nothing: an event was decided on the state that it is applied to,
 * so what does not fit means that log and state are not one any more.
 */
#include "broker/core/apply_internal.h"
#include "broker/core/room.h"

/* What names a link falls with it: no challenge and no user's freeze outlives it. */
static bool
link_room(struct account *a, const struct id *subject)
{
	int place = room_link(a, subject);
	uint32_t no;

	if (place < 0 || place == a->links_n)
		return place >= 0;
	no = a->links[place].no;
	challenges_void(a, no, 0);
	facts_drop(a, no);
	for (uint8_t i = 0; i < a->freezes_n;) {
		if (a->freezes[i].link_no == no)
			ARRAY_DROP(a->freezes, a->freezes_n, i);
		else
			i++;
	}
	ARRAY_DROP(a->links, a->links_n, place);
	return true;
}

/* The prompt budget follows the subject: proposing it again buys no prompts. */
static void
prompts_follow(const struct account *a, struct link *l)
{
	for (size_t i = 0; i < a->links_n; i++) {
		const struct link *old = &a->links[i];

		if ((id_equal(&old->subject, &l->subject) || id_equal(&old->was, &l->subject)) && (old->prompts_day > l->prompts_day ||
		    (old->prompts_day == l->prompts_day && old->prompts > l->prompts))) {
			l->prompts_day = old->prompts_day;
			l->prompts = old->prompts;
		}
	}
}

static bool
link_proposed(struct account *a, const struct event *e, struct apply_left *left)
{
	struct link l = {.id = e->id, .subject = e->subject, .provider = e->provider, .no = (uint32_t)e->no,
	    .state = LINK_PROPOSED, .since_ms = e->time_ms};

	(void)left;
	prompts_follow(a, &l);
	if (!link_room(a, &e->subject) || !take_no(a, e->no))
		return false;
	a->links[a->links_n++] = l;
	return true;
}

static bool
link_narrowed(struct account *a, const struct event *e, struct apply_left *left)
{
	struct link *l = account_link_by_no(a, (uint32_t)e->link_no);

	(void)left;
	/* Only what was active once is suspended: a thaw makes it active again. */
	if (l == NULL || l->state == LINK_REVOKED ||
	    (e->type == EVENT_LINK_SUSPENDED && l->state != LINK_ACTIVE && l->state != LINK_SUSPENDED))
		return false;
	l->state = e->type == EVENT_LINK_REVOKED ? LINK_REVOKED : LINK_SUSPENDED;
	l->sessions_since_ms = e->time_ms;
	sessions_drop(a, l->no);
	challenges_void(a, l->no, 0);
	if (l->state == LINK_REVOKED) {
		allowances_void(a, l->no);
		facts_drop(a, l->no);
	}
	return true;
}

static bool
session_opened(struct account *a, const struct event *e, struct apply_left *left)
{
	uint8_t oldest = 0;

	(void)left;
	if (account_link_by_no(a, (uint32_t)e->link_no) == NULL)
		return false;
	if (a->sessions_n == ACCOUNT_SESSIONS_MAX) {
		bool found = false;

		/* The idle ones first, then the oldest of the same link; decide() has seen that there is one. */
		for (uint8_t i = 0; i < a->sessions_n; i++) {
			const struct session *s = &a->sessions[i];

			if (s->link_no != e->link_no && s->used_ms >= e->usable_ms &&
			    e->time_ms - s->opened_ms <= e->expires_ms - e->time_ms)
				continue;
			if (!found || s->used_ms < a->sessions[oldest].used_ms)
				oldest = i;
			found = true;
		}
		if (!found)
			return false;
		ARRAY_DROP(a->sessions, a->sessions_n, oldest);
	}
	a->sessions[a->sessions_n++] = (struct session){.id = e->id, .service = e->service,
	    .link_no = (uint32_t)e->link_no, .opened_ms = e->time_ms, .used_ms = e->time_ms, .auth_ms = e->auth_ms};
	return true;
}

static bool
session_closed(struct account *a, const struct event *e, struct apply_left *left)
{
	(void)left;
	for (uint8_t i = 0; i < a->sessions_n; i++) {
		if (id_equal(&a->sessions[i].id, &e->id)) {
			ARRAY_DROP(a->sessions, a->sessions_n, i);
			return true;
		}
	}
	return false;
}

static bool
allowance_proposed(struct account *a, const struct event *e, struct apply_left *left)
{
	(void)left;
	for (uint8_t i = 0; a->allowances_n == ACCOUNT_ALLOWANCES_MAX && i < a->allowances_n; i++) {
		const struct allowance *w = &a->allowances[i];

		if (w->state != ALLOWANCE_OPEN || w->expires_ms <= e->time_ms)
			ARRAY_DROP(a->allowances, a->allowances_n, i);
	}
	if (a->allowances_n == ACCOUNT_ALLOWANCES_MAX || !take_no(a, e->no))
		return false;
	a->allowances[a->allowances_n++] = (struct allowance){.id = e->id, .payee = e->payee, .service = e->service,
	    .no = (uint32_t)e->no, .link_no = (uint32_t)e->link_no, .currency = (uint16_t)e->currency,
	    .kind = (uint8_t)e->kind, .state = ALLOWANCE_PROPOSED, .per_payment_minor = e->per_payment_minor,
	    .per_day_minor = e->per_day_minor, .total_minor = e->total_minor, .expires_ms = e->expires_ms};
	return true;
}

static bool
allowance_revoked(struct account *a, const struct event *e, struct apply_left *left)
{
	struct allowance *w = account_allowance_by_no(a, (uint32_t)e->allowance_no);

	(void)left;
	if (w == NULL)
		return false;
	w->state = ALLOWANCE_REVOKED;
	w->paused_ms = 0;
	signal_lifted(a, w->link_no);
	return true;
}

/* The place of a level's limit in force, or of its raise; limits_n where there is none. */
static uint8_t
limit_place(const struct account *a, const struct limit *of, bool raise)
{
	uint8_t i = 0;

	while (i < a->limits_n && (a->limits[i].link_no != of->link_no || a->limits[i].currency != of->currency ||
	    a->limits[i].author != of->author || (a->limits[i].effective_ms != 0) != raise))
		i++;
	return i;
}

static int64_t
narrower(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

void
limit_narrow(struct limit *l, const struct limit *by)
{
	l->per_payment_minor = narrower(l->per_payment_minor, by->per_payment_minor);
	l->per_day_minor = narrower(l->per_day_minor, by->per_day_minor);
	l->per_month_minor = narrower(l->per_month_minor, by->per_month_minor);
	l->count_day = (int32_t)narrower(l->count_day, by->count_day);
	l->count_month = (int32_t)narrower(l->count_month, by->count_month);
}

/* A raise whose time has come is the limit in force. */
static void
raise_settle(struct account *a, const struct limit *of, int64_t time_ms)
{
	uint8_t base = limit_place(a, of, false), raise = limit_place(a, of, true);

	if (raise == a->limits_n || a->limits[raise].effective_ms > time_ms)
		return;
	a->limits[raise].effective_ms = 0;
	if (base < a->limits_n) {
		a->limits[base] = a->limits[raise];
		ARRAY_DROP(a->limits, a->limits_n, raise);
	}
}

static bool
limit_put(struct account *a, const struct limit *to, bool raise)
{
	uint8_t place = limit_place(a, to, raise);

	if (place == ACCOUNT_LIMITS_MAX)
		return false;
	if (place == a->limits_n)
		a->limits_n++;
	a->limits[place] = *to;
	return true;
}

/* What is lowered is lowered at once, and takes back a raise that waits. */
static bool
limit_set(struct account *a, const struct event *e, struct apply_left *left)
{
	struct limit to = {.link_no = (uint32_t)e->link_no, .currency = (uint16_t)e->currency,
	    .author = (uint8_t)e->author, .per_payment_minor = e->per_payment_minor - 1,
	    .per_day_minor = e->per_day_minor - 1, .per_month_minor = e->per_month_minor - 1,
	    .count_day = (int32_t)(e->count_day - 1), .count_month = (int32_t)(e->count_month - 1)};
	struct limit base;
	uint8_t at;

	(void)left;
	if (e->challenge_no != 0 && !challenge_use(a, e->challenge_no))
		return false;
	raise_settle(a, &to, e->time_ms);
	if (e->usable_ms <= e->time_ms) {
		at = limit_place(a, &to, true);
		if (at < a->limits_n)
			ARRAY_DROP(a->limits, a->limits_n, at);
		return limit_put(a, &to, false);
	}
	at = limit_place(a, &to, false);
	if (at == a->limits_n)
		return false;
	base = to;
	limit_narrow(&base, &a->limits[at]);
	to.effective_ms = e->usable_ms;
	return limit_put(a, &base, false) && limit_put(a, &to, true);
}

static void
sessions_end(struct account *a, uint32_t link_no, int64_t time_ms)
{
	struct link *l = account_link_by_no(a, link_no);

	sessions_drop(a, link_no);
	if (l != NULL)
		l->sessions_since_ms = time_ms;
	else
		a->sessions_since_ms = time_ms;
	challenges_void(a, link_no, 0);
}

static bool
frozen(struct account *a, const struct event *e, struct apply_left *left)
{
	uint32_t link_no = (uint32_t)e->link_no;

	(void)left;
	if (a->freezes_n == ACCOUNT_FREEZES_MAX || (link_no != 0 && account_link_by_no(a, link_no) == NULL))
		return false;
	a->freezes[a->freezes_n++] = (struct freeze){.link_no = link_no, .author = (uint8_t)e->author,
	    .since_ms = e->time_ms};
	sessions_end(a, link_no, e->time_ms);
	return true;
}

static bool
thawed(struct account *a, const struct event *e, struct apply_left *left)
{
	uint32_t link_no = (uint32_t)e->link_no;
	struct link *l = account_link_by_no(a, link_no);

	(void)left;
	if (e->challenge_no != 0 && !challenge_use(a, e->challenge_no))
		return false;
	for (uint8_t i = 0; i < a->freezes_n; i++) {
		if (a->freezes[i].link_no == link_no && a->freezes[i].author == e->author) {
			ARRAY_DROP(a->freezes, a->freezes_n, i);
			break;
		}
	}
	/* An admin's thaw lifts the admin's freeze, not the user's suspension. */
	if (l != NULL && l->state == LINK_SUSPENDED && e->author == AUTHOR_USER) {
		l->state = LINK_ACTIVE;
		signal_lifted(a, link_no);
	}
	return true;
}

static bool
frozen_by(const struct account *a, uint32_t link_no, uint8_t author)
{
	for (size_t i = 0; i < a->freezes_n; i++) {
		if (a->freezes[i].link_no == link_no && a->freezes[i].author == author)
			return true;
	}
	return false;
}

static bool
not_me(struct account *a, const struct event *e, struct apply_left *left)
{
	uint32_t link_no = (uint32_t)e->link_no;
	/* No place left for one link's record: the whole account, which covers it. */
	uint32_t frozen_no = room_freeze(a) || frozen_by(a, link_no, AUTHOR_USER) ? link_no : 0;

	(void)left;
	if (!frozen_by(a, frozen_no, AUTHOR_USER)) {
		if (a->freezes_n == ACCOUNT_FREEZES_MAX)
			return false;
		a->freezes[a->freezes_n++] = (struct freeze){.link_no = frozen_no, .author = AUTHOR_USER,
		    .since_ms = e->time_ms};
	}
	if (frozen_no != link_no)
		sessions_end(a, 0, e->time_ms);
	sessions_end(a, link_no, e->time_ms);
	allowances_void(a, link_no);
	holds_void(a, link_no);
	return true;
}

static bool
closed(struct account *a, const struct event *e, struct apply_left *left)
{
	(void)e;
	(void)left;
	a->status = ACCOUNT_CLOSED;
	sessions_drop(a, 0);
	challenges_void(a, 0, 0);
	allowances_void(a, 0);
	holds_void(a, 0);
	return true;
}

static bool
view_opened(struct account *a, const struct event *e, struct apply_left *left)
{
	(void)left;
	return challenge_use(a, e->challenge_no);
}

static bool
denied(struct account *a, const struct event *e, struct apply_left *left)
{
	(void)a;
	(void)e;
	(void)left;
	return true;
}

typedef bool apply_fn(struct account *a, const struct event *e, struct apply_left *left);

static apply_fn *const table[EVENT__COUNT] = {
	[EVENT_FACTOR_ENROLLED] = apply_factor_enrolled,
	[EVENT_FACTOR_REMOVED] = apply_factor_removed,
	[EVENT_FACTOR_FAILED] = apply_failed,
	[EVENT_LINK_PROPOSED] = link_proposed,
	[EVENT_LINK_SUSPENDED] = link_narrowed,
	[EVENT_LINK_REVOKED] = link_narrowed,
	[EVENT_SESSION_OPENED] = session_opened,
	[EVENT_SESSION_CLOSED] = session_closed,
	[EVENT_CHALLENGE_OPENED] = apply_challenge_opened,
	[EVENT_CHALLENGE_ANSWERED] = apply_answered,
	[EVENT_CHALLENGE_REFUSED] = apply_refused,
	[EVENT_PAYMENT_PERMITTED] = apply_permitted,
	[EVENT_PAYMENT_CAPTURED] = apply_captured,
	[EVENT_PAYMENT_RELEASED] = apply_given_back,
	[EVENT_PAYMENT_EXPIRED] = apply_given_back,
	[EVENT_PAYMENT_REFUNDED] = apply_refunded,
	[EVENT_DENIED] = denied,
	[EVENT_ALLOWANCE_PROPOSED] = allowance_proposed,
	[EVENT_ALLOWANCE_REVOKED] = allowance_revoked,
	[EVENT_LIMIT_SET] = limit_set,
	[EVENT_FROZEN] = frozen,
	[EVENT_THAWED] = thawed,
	[EVENT_NOT_ME] = not_me,
	[EVENT_ACCOUNT_CLOSED] = closed,
	[EVENT_VIEW_OPENED] = view_opened,
	[EVENT_FACTOR_UNLOCKED] = apply_factor_unlocked,
	[EVENT_SIGNALLED] = apply_signalled,
	[EVENT_LINK_REKEYED] = apply_link_rekeyed,
	[EVENT_LINK_ATTESTED] = apply_link_attested,
};

enum cs_err
apply(struct account *a, const struct event *e, struct apply_left *left)
{
	left->payments_n = left->refunds_n = 0;
	if (e->type >= EVENT__COUNT || table[e->type] == NULL || e->time_ms < a->time_ms)
		return CS_ERR_CONFLICT;
	if (a->status == ACCOUNT_NONE && e->type != EVENT_FACTOR_ENROLLED)
		return CS_ERR_CONFLICT;
	factors_settle(a, e->time_ms);
	if (!table[e->type](a, e, left))
		return CS_ERR_CONFLICT;
	a->time_ms = e->time_ms;
	a->revision++;
	return account_valid(a) ? CS_OK : CS_ERR_CONFLICT;
}
