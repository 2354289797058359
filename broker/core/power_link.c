/* SPDX-License-Identifier: Apache-2.0 */
/* Links that live on under another name of their subject, and what is vouched for of the person behind them. */
#include "broker/core/power.h"

static int64_t
cooling_off_ms(const struct inquiry *q)
{
	int64_t own_ms = q->provider == NULL ? -1 : q->provider->cooling_off_ms;

	return own_ms >= 0 ? own_ms : q->asked->policy->link_cooling_off_ms;
}

static bool
is_subject_of_another(const struct account *a, const struct link *l, const struct id *subject)
{
	for (size_t i = 0; i < a->links_n; i++) {
		const struct link *other = &a->links[i];

		if (other != l && (other->state == LINK_ACTIVE || other->state == LINK_SUSPENDED) &&
		    (id_equal(&other->subject, subject) || id_equal(&other->was, subject)))
			return true;
	}
	return false;
}

/*
 * What stands in the way: rules 2 to 4, as of anything that is asked of a link, but for its cooling-off. An admin moves what is
 * suspended or frozen, too, and so takes back what should not have been.
 */
static enum reason
rekey_rules(struct inquiry *q, const struct rekey *r, const struct id *to)
{
	const struct link *l = q->link;
	enum reason reason;

	if (r->author == AUTHOR_ADMIN) {
		reason = q->account->status == ACCOUNT_CLOSED ? REASON_ACCOUNT_CLOSED :
		    l->state == LINK_REVOKED ? REASON_LINK_REVOKED :
		    l->state == LINK_PROPOSED ? REASON_LINK_UNKNOWN : REASON_NONE;
	} else if ((reason = rule_account(q)) == REASON_NONE && (reason = rule_provider(q)) == REASON_NONE &&
	    ((reason = rule_link(q)) == REASON_NONE || reason == REASON_LINK_COOLING_OFF)) {
		reason = q->provider_state->rekey_until_ms > q->now_ms ? REASON_NONE : REASON_REKEY_CLOSED;
	}
	if (reason == REASON_NONE && (r->taken || is_subject_of_another(q->account, l, to)))
		reason = REASON_LINK_TAKEN;
	q->detail = (struct detail){0};
	return reason;
}

void
decide_link_rekey(const struct asked *asked, const struct account *a, const struct rekey *r, struct decision *d)
{
	const struct link *l = account_link_by_no(a, r->link_no);
	const struct id *to;
	struct inquiry q;
	enum reason reason;
	struct event *e;

	power_begin(&q, asked, a, d);
	decision_set(d, REASON_LINK_UNKNOWN);
	if (l == NULL)
		return;
	inquiry_link(&q, l);
	to = r->undo ? &l->was : &r->subject;
	d->id = l->id;
	d->no = l->no;
	/* Nothing to take back, or nothing to do. */
	if (id_zero(to) || id_equal(to, &l->subject)) {
		d->replayed = true;
		decision_set(d, REASON_REKEYED);
		return;
	}
	reason = rekey_rules(&q, r, to);
	if (reason != REASON_NONE) {
		decision_deny(d, &q, reason);
		d->events[0].id = l->id;
		d->events[0].digest = *to;
		d->events[0].author = r->author;
		return;
	}
	decision_set(d, REASON_REKEYED);
	e = decision_event(d, &q, EVENT_LINK_REKEYED, REASON_REKEYED);
	e->id = l->id;
	e->subject = *to;
	e->digest = l->subject;
	e->author = r->author;
	e->usable_ms = q.now_ms + cooling_off_ms(&q);
	e->flags |= r->undo ? EVENT_FLAG_UNDONE : 0;
}

/* --- evidence --- */

/* Whether the fact, as it stood, counts for nothing after this was said. */
static bool
stays_lowered(const struct inquiry *q, const struct fact *was, const struct attesting *what, int64_t verified_ms)
{
	if (was == NULL)
		return false;
	if (!id_equal(&was->value, &what->value))
		return true;
	return was->lowered &&
	    (verified_ms <= was->since_ms || q->now_ms - was->since_ms < cooling_off_ms(q));
}

static enum reason
attest_rules(const struct inquiry *q, const struct attesting *what, const struct fact *like)
{
	if (what->by_service && !power_service_may(q, RIGHT_LINK))
		return REASON_SERVICE_RIGHT;
	if (q->account->status == ACCOUNT_CLOSED)
		return REASON_ACCOUNT_CLOSED;
	if (q->link->state == LINK_REVOKED)
		return REASON_LINK_REVOKED;
	return room_fact(q->account, like) < 0 ? REASON_FULL : REASON_NONE;
}

void
decide_attest(const struct asked *asked, const struct account *a, const struct attesting *what, struct decision *d)
{
	const struct fact like = {.link_no = what->link_no, .kind = what->kind, .by = what->by,
	    .by_service = what->by_service};
	const struct fact *was = account_fact(a, &like);
	int64_t verified_ms = what->verified_ms;
	struct inquiry q;
	enum reason reason;
	struct event *e;
	bool lowered;

	power_begin(&q, asked, a, d);
	inquiry_link(&q, account_link_by_no(a, what->link_no));
	decision_set(d, REASON_LINK_UNKNOWN);
	if (q.link == NULL)
		return;
	reason = attest_rules(&q, what, &like);
	if (reason != REASON_NONE) {
		decision_deny(d, &q, reason);
		return;
	}
	/* Nobody verified anything tomorrow. */
	if (verified_ms < 0 || verified_ms > q.now_ms)
		verified_ms = verified_ms < 0 ? 0 : q.now_ms;
	lowered = stays_lowered(&q, was, what, verified_ms);
	decision_set(d, REASON_ASKED);
	d->id = was == NULL ? asked->fresh[1] : was->id;
	d->replayed = was != NULL && id_equal(&was->value, &what->value) && lowered == was->lowered &&
	    verified_ms <= was->verified_ms;
	if (d->replayed)
		return;
	e = decision_event(d, &q, EVENT_LINK_ATTESTED, REASON_ASKED);
	e->id = d->id;
	e->rests[0] = what->kind;
	e->rests[1] = what->by;
	e->digest = what->value;
	e->auth_ms = verified_ms;
	e->flags |= (what->by_service ? EVENT_FLAG_SERVICE : 0) | (lowered ? EVENT_FLAG_LOWERED : 0);
}
