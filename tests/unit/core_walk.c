/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of the walk, and the oracle. */
#include "tests/unit/core_walk.h"

#include <time.h>

#include "broker/base/check.h"
#include "broker/core/counters.h"

#define LENGTH_MS (28 * DAY_MS) /* of one account's life: what was unlinked counts on for longer   \
				 */

static uint32_t
pick(struct walk *w, uint32_t n)
{
	return w->source->pick(w->source, n);
}

void
walk_begin(struct walk *w, struct walk_source *source)
{
	unsigned permitted = w->permitted, captured = w->captured, linked = w->linked,
		 enrolled = w->enrolled, recovered = w->recovered, unlocked = w->unlocked,
		 taken_back = w->taken_back, resumed = w->resumed, rekeyed = w->rekeyed, raised = w->raised;

	memset(w, 0, sizeof(*w));
	w->permitted = permitted;
	w->captured = captured;
	w->linked = linked;
	w->enrolled = enrolled;
	w->recovered = recovered;
	w->unlocked = unlocked;
	w->taken_back = taken_back;
	w->resumed = resumed;
	w->rekeyed = rekeyed;
	w->raised = raised;
	w->source = source;
	fixture_ready(&w->f);
	CHECK(do_enrol(&w->f, FACTOR_RECOVERY, PLUGIN_RECOVERY, w->f.totp) == REASON_COUNTERSIGNED);
	w->codes = w->f.d.no;
	fixture_wait(&w->f, DAY_MS);
	w->f.policy.recovery_cooling_off_ms = 3 * DAY_MS;
	w->f.policy.providers[0].controls_kinds = 1 << FACTOR_WEBAUTHN;
	w->f.policy.prompts_per_link_day = 40;
	w->f.policy.limits[0].count_day = 12;
	w->f.policy.limits[0].per_day_minor = 100000;
	w->f.policy.limits[0].per_month_minor = 400000;
	w->f.policy.link_cooling_off_ms = 10 * MINUTE_MS;
	w->f.policy.providers[1].limits[0] = (struct policy_limit){CNY, 30000, 60000, -1, -1, -1};
	w->f.policy.providers[1].limits_n = 1;
	/* As if a stack asked for them: they are kept, and what they stand at is compared with the oracle. */
	w->f.policy.needs = NEED(NEED_OF_ACCOUNT, COUNTER_YEAR) | NEED(NEED_OF_ACCOUNT, COUNTER_TOTAL) |
			    NEED(NEED_OF_ACCOUNT, COUNTER_HOURS) | NEED(NEED_OF_ACCOUNT, COUNTER_STEPUP) |
			    NEED(NEED_OF_LINK, COUNTER_TOTAL) | NEED_KNOWN;
	w->f.policy.limit_cooling_off_ms = 6 * HOUR_MS;
	STACK(&w->f, &w->f.wallet, "spend", "requisite session max-age=30d",
	    "requisite assurance phone max-age=10d source=apple,google,checkout", "sufficient allowance", "required stepup");
	w->f.account.sessions_n = 0;
	w->began_ms = w->f.asked.now_ms;
}

/* --- the oracle's own windows, by the C library --- */

static int64_t
now_of(const struct walk *w)
{
	const struct fixture *f = &w->f;

	return f->asked.now_ms > f->account.time_ms ? f->asked.now_ms : f->account.time_ms;
}

static void
civil(int64_t ms, int *day, int *month)
{
	time_t local_s = (time_t)(ms / 1000 + 8 * 3600);
	struct tm tm;

	CHECK(gmtime_r(&local_s, &tm) != NULL);
	*day = tm.tm_year * 366 + tm.tm_yday;
	*month = tm.tm_year * 12 + tm.tm_mon;
}

struct sums {
	int64_t day, month;
	int64_t day_count, month_count;
};

/* What was permitted in the windows of now; subject NULL: in all. Counts are of every currency. */
static struct sums
sums_of(const struct walk *w, const struct id *subject, uint16_t currency)
{
	struct sums s = {0};
	int day, month;

	civil(now_of(w), &day, &month);
	for (size_t i = 0; i < w->permits_n; i++) {
		const struct walk_permit *p = &w->permits[i];
		int its_day, its_month;

		if (subject != NULL && !id_equal(&p->subject, subject))
			continue;
		civil(p->ms, &its_day, &its_month);
		s.day_count += its_day == day;
		s.month_count += its_month == month;
		if (p->currency != currency)
			continue;
		s.day += its_day == day ? p->counted : 0;
		s.month += its_month == month ? p->counted : 0;
	}
	return s;
}

static void
within(const struct sums *s, int64_t amount, int64_t per_payment, int64_t per_day,
    int64_t per_month, int64_t count_day, int64_t count_month)
{
	CHECK(per_payment < 0 || amount <= per_payment);
	CHECK(per_day < 0 || s->day <= per_day);
	CHECK(per_month < 0 || s->month <= per_month);
	CHECK(count_day < 0 || s->day_count <= count_day);
	CHECK(count_month < 0 || s->month_count <= count_month);
}

static void
within_policy(const struct sums *s, int64_t amount, const struct policy_limit *l)
{
	within(s, amount, l->per_payment_minor, l->per_day_minor, l->per_month_minor, l->count_day,
	    l->count_month);
}

static void
limits_hold(const struct walk *w, const struct event *e)
{
	const struct fixture *f = &w->f;
	struct sums all = sums_of(w, NULL, (uint16_t)e->currency);
	struct sums subject = sums_of(w, &e->subject, (uint16_t)e->currency);

	CHECK(e->currency == CNY || e->currency == JPY);
	within_policy(&all, e->amount_minor, &f->policy.limits[e->currency == CNY ? 0 : 1]);
	if (e->provider == GOOGLE && e->currency == CNY)
		within_policy(&subject, e->amount_minor, &f->policy.providers[1].limits[0]);
	for (size_t i = 0; i < f->account.limits_n; i++) {
		const struct limit *l = &f->account.limits[i];

		if (l->currency != e->currency || (l->link_no != 0 && l->link_no != e->link_no) ||
		    !account_limit_binds(&f->account, l, now_of(w)))
			continue;
		within(l->link_no == 0 ? &all : &subject, e->amount_minor, l->per_payment_minor,
		    l->per_day_minor, l->per_month_minor, l->count_day, l->count_month);
	}
}

/* --- finding --- */

static struct walk_session *
session_by_id(struct walk *w, const struct id *id)
{
	for (size_t i = 0; i < w->sessions_n; i++) {
		if (id_equal(&w->sessions[i].id, id))
			return &w->sessions[i];
	}
	return NULL;
}

static struct walk_permit *
permit_by_id(struct walk *w, const struct id *id)
{
	for (size_t i = 0; i < w->permits_n; i++) {
		if (id_equal(&w->permits[i].id, id))
			return &w->permits[i];
	}
	return NULL;
}

static struct walk_allowance *
allowance_by_no(struct walk *w, int64_t no)
{
	for (size_t i = 0; i < w->allowances_n; i++) {
		if (w->allowances[i].no == no)
			return &w->allowances[i];
	}
	return NULL;
}

/* --- evidence --- */

static const struct walk_fact *
fact_of(const struct walk *w, uint32_t link_no, uint64_t kind, uint64_t by)
{
	for (size_t i = 0; i < w->facts_n; i++) {
		const struct walk_fact *f = &w->facts[i];

		if (f->link_no == link_no && f->kind == kind && f->by == by)
			return f;
	}
	return NULL;
}

static void
phone_is_known(const struct walk *w, int64_t link_no)
{
	bool counts = false;

	for (size_t i = 0; i < w->facts_n; i++) {
		const struct walk_fact *f = &w->facts[i];

		/* What the wallet vouches for itself is no source of its stack. */
		counts |= f->link_no == link_no && f->kind == VOUCHED_PHONE && f->by != WALLET && !f->lowered &&
			  now_of(w) - f->verified <= 10 * DAY_MS;
	}
	CHECK(counts);
}

/* --- what must be true of a permit --- */

static void
signature_backs(struct walk *w, const struct event *e, const struct request *r)
{
	struct walk_prompt *p = NULL;

	for (size_t i = 0; i < w->prompts_n; i++) {
		if (w->prompts[i].no == e->challenge_no)
			p = &w->prompts[i];
	}
	CHECK(p != NULL && !p->thief && !p->used && p->done_ms != 0);
	CHECK(p->request.op == r->op && hash_equal(&p->request.content, &r->content));
	CHECK(id_equal(&p->session, &r->session) && p->service == w->f.asked.service);
	CHECK(now_of(w) - p->done_ms <= 5 * MINUTE_MS);
	p->used = true;
}

static void
allowance_backs(struct walk *w, const struct event *e, const struct request *r)
{
	struct walk_allowance *a = allowance_by_no(w, e->allowance_no);
	int day, month;

	CHECK(a != NULL && a->open && !a->thief && a->service == w->f.asked.service &&
	      a->link_no == e->link_no);
	CHECK(a->paused_ms == 0);
	CHECK(a->grant.expires_ms > now_of(w) && a->grant.currency == r->currency);
	CHECK(id_zero(&a->grant.payee) || id_equal(&a->grant.payee, &r->payee));
	if (a->grant.kind == ALLOWANCE_SESSION) {
		const struct walk_session *s = session_by_id(w, &r->session);

		CHECK(s != NULL && s->countersigned);
	}
	civil(now_of(w), &day, &month);
	if (a->day != day) {
		a->day = day;
		a->day_spent = 0;
	}
	a->day_spent += r->amount_minor;
	a->spent += r->amount_minor;
	CHECK(r->amount_minor <= a->grant.per_payment_minor &&
	      a->day_spent <= a->grant.per_day_minor);
	CHECK(a->spent <= a->grant.total_minor);
}

static void
permit_seen(struct walk *w, const struct request *r, uint64_t n)
{
	const struct event *e = &w->f.d.events[0];
	const struct walk_session *s = session_by_id(w, &r->session);

	CHECK(w->f.d.events_n == 1 && e->type == EVENT_PAYMENT_PERMITTED);
	CHECK(id_zero(&r->session) ? e->basis == BASIS_MANDATE : s != NULL && !s->thief);
	CHECK(permit_by_id(w, &r->payment) == NULL);
	if (w->f.asked.service == WALLET)
		phone_is_known(w, e->link_no);
	if (e->basis == BASIS_COUNTERSIGNATURE)
		signature_backs(w, e, r);
	else
		allowance_backs(w, e, r);
	CHECK(w->permits_n < WALK_PERMITS_MAX);
	w->permits[w->permits_n++] =
	    (struct walk_permit){r->payment, e->subject, n, w->f.asked.service, r->amount_minor,
		e->time_ms, (uint32_t)e->allowance_no, r->currency, !r->capture};
	limits_hold(w, e);
	w->permitted++;
}

/* Of each link's subject, by whatever name it was paid for. */
static void
subjects_hold(const struct walk *w, uint16_t currency)
{
	const struct account *a = &w->f.account;
	int32_t month = window_month(&w->f.policy, now_of(w));

	for (size_t i = 0; i < a->links_n; i++) {
		const struct id *subject = &a->links[i].subject;
		int64_t all = 0;

		for (size_t k = 0; k < w->permits_n; k++)
			if (w->permits[k].currency == currency && id_equal(&w->permits[k].subject, subject))
				all += w->permits[k].counted;
		CHECK(counters_standing(a, COUNTER_TOTAL, COUNTER_OF_SUBJECT, subject, currency, month, now_of(w)).minor == all);
	}
}

/* In all exactly; in 24 hours never too little, and too much by an hour at most. */
static void
wider_windows_hold(const struct walk *w, uint16_t currency)
{
	static const struct id whole;
	const struct account *a = &w->f.account;
	int64_t now_ms = now_of(w), all = 0, day = 0, day_and_hour = 0;
	int32_t month = window_month(&w->f.policy, now_ms);
	struct standing s;

	for (size_t i = 0; i < w->permits_n; i++) {
		const struct walk_permit *p = &w->permits[i];

		if (p->currency != currency)
			continue;
		all += p->counted;
		day += now_ms - p->ms < DAY_MS ? p->counted : 0;
		day_and_hour += now_ms - p->ms < DAY_MS + HOUR_MS ? p->counted : 0;
	}
	s = counters_standing(a, COUNTER_TOTAL, COUNTER_OF_SUBJECT, &whole, currency, month, now_ms);
	CHECK(s.minor == all);
	s = counters_standing(a, COUNTER_HOURS, COUNTER_OF_SUBJECT, &whole, currency, month, now_ms);
	CHECK(s.minor >= day && s.minor <= day_and_hour);
}

/* After any step: what the books say is what the oracle says. */
static void
state_holds(struct walk *w)
{
	const struct fixture *f = &w->f;
	static const uint16_t currency[] = {CNY, JPY};

	CHECK(account_valid(&f->account));
	for (size_t i = 0; i < 2; i++) {
		struct sums s = sums_of(w, NULL, currency[i]);

		CHECK(spent_day(f, currency[i]) == s.day);
		wider_windows_hold(w, currency[i]);
		subjects_hold(w, currency[i]);
	}
	for (size_t i = 0; i < f->account.facts_n; i++) {
		const struct fact *of = &f->account.facts[i];
		const struct walk_fact *known = fact_of(w, of->link_no, of->kind, of->by);

		CHECK(known != NULL && known->lowered == of->lowered && known->verified == of->verified_ms);
	}
	for (size_t i = 0; i < f->account.links_n; i++) {
		const struct link *l = &f->account.links[i];

		/* Nobody is two links: not even by an older name. */
		for (size_t k = 0; k < f->account.links_n; k++) {
			const struct link *m = &f->account.links[k];

			if (i != k && (l->state == LINK_ACTIVE || l->state == LINK_SUSPENDED) &&
			    (m->state == LINK_ACTIVE || m->state == LINK_SUSPENDED))
				CHECK(!id_equal(&l->subject, &m->subject) && !id_equal(&l->was, &m->subject));
		}
		/* The thief's subjects are from 1000 on. */
		CHECK(l->subject.b[9] < 0x03 ||
		      (l->state != LINK_ACTIVE && l->state != LINK_SUSPENDED));
	}
}

/* --- steps --- */

static void
prompt_seen(struct walk *w, const struct request *r, bool thief)
{
	const struct decision *d = &w->f.d;

	if (d->outcome != OUTCOME_STEP_UP || d->replayed || r->dry)
		return;
	if (w->prompts_n == WALK_PROMPTS_MAX) {
		memmove(w->prompts, w->prompts + 1, (WALK_PROMPTS_MAX - 1) * sizeof(w->prompts[0]));
		w->prompts_n--;
	}
	w->prompts[w->prompts_n++] = (struct walk_prompt){.id = d->id,
	    .session = r->session,
	    .request = *r,
	    .service = w->f.asked.service,
	    .no = d->no,
	    .thief = thief};
}

/* What expires at the beginning of a step is given back. */
static void
begin(struct walk *w)
{
	for (size_t i = 0; i < w->permits_n; i++) {
		struct walk_permit *p = &w->permits[i];
		struct walk_allowance *a = allowance_by_no(w, p->allowance_no);
		int day, month, its_day;

		if (!p->held || now_of(w) - p->ms < 7 * DAY_MS)
			continue;
		civil(p->ms, &its_day, &month);
		civil(now_of(w), &day, &month);
		if (a != NULL) {
			a->spent -= p->counted;
			a->day_spent -= a->day == its_day ? p->counted : 0;
		}
		p->counted = 0;
		p->held = false;
	}
	fixture_begin(&w->f);
}

/* Most often one that lives, at its own service. */
static struct walk_session *
some_session(struct walk *w, bool thief)
{
	bool living = pick(w, 8) != 0;
	size_t start = w->sessions_n == 0 ? 0 : pick(w, (uint32_t)w->sessions_n);

	for (size_t i = 0; i < w->sessions_n; i++) {
		struct walk_session *s = &w->sessions[(start + i) % w->sessions_n];

		if (s->thief != thief || (living && account_session(&w->f.account, &s->id) == NULL))
			continue;
		if (living)
			w->f.asked.service = s->service;
		return s;
	}
	return NULL;
}

static uint32_t
link_of_provider(struct walk *w, uint64_t provider)
{
	for (size_t i = w->f.account.links_n; i > 0; i--) {
		const struct link *l = &w->f.account.links[i - 1];

		if (l->provider == provider && l->state != LINK_PROPOSED && l->subject.b[9] < 0x03)
			return l->no;
	}
	return 0;
}

static void
step_session(struct walk *w, bool thief)
{
	uint64_t provider = thief || pick(w, 2) == 0 ? APPLE : GOOGLE;
	uint32_t link_no = link_of_provider(w, provider);
	struct id id;

	begin(w);
	if (do_session(&w->f, link_no, &id) != REASON_ASKED)
		return;
	if (w->sessions_n == WALK_SESSIONS_MAX) {
		memmove(
		    w->sessions, w->sessions + 1, (WALK_SESSIONS_MAX - 1) * sizeof(w->sessions[0]));
		w->sessions_n--;
	}
	w->sessions[w->sessions_n++] =
	    (struct walk_session){id, w->f.asked.service, now_of(w), link_no, thief, false};
}

static void
ask(struct walk *w, const struct request *r, uint64_t n, bool thief)
{
	bool new_payment = permit_by_id(w, &r->payment) == NULL;

	begin(w);
	decide(&w->f.asked, &w->f.account, r, &w->f.d);
	prompt_seen(w, r, thief);
	if (r->op == OP_SPEND && w->f.d.outcome == OUTCOME_PERMIT && !r->dry) {
		CHECK(w->f.d.replayed == !new_payment);
		if (new_payment)
			permit_seen(w, r, n);
	}
	fixture_commit(&w->f);
}

static void
step_spend(struct walk *w, bool thief)
{
	static const int64_t amounts[] = {100, 999, 5000, 9000, 10000, 20000, 30001, 70000};
	/* First: it may choose the service, which the payment's id is scoped by. */
	const struct walk_session *s = some_session(w, thief);
	uint64_t n = pick(w, 3) == 0 && w->payments > 0
			 ? w->payments - pick(w, w->payments < 4 ? 1 : 4)
			 : ++w->payments;
	struct request r = spend_of(&w->f, n, amounts[pick(w, 8)]);

	if (s == NULL)
		return;
	if (permit_by_id(w, &r.payment) != NULL &&
	    account_payment(&w->f.account, &r.payment) == NULL)
		return; /* the store's table has it */
	r.session = s->id;
	r.payee = id_of('m', 1 + pick(w, 2));
	r.currency = pick(w, 8) == 0 ? JPY : CNY;
	r.capture = pick(w, 4) == 0;
	r.dry = pick(w, 16) == 0;
	if (pick(w, 16) == 0)
		r.link_no = link_of_provider(w, GOOGLE);
	if (pick(w, 8) == 0 && w->allowances_n > 0) {
		const struct walk_allowance *a = &w->allowances[pick(w, (uint32_t)w->allowances_n)];

		/* A service may use a mandate whoever stands before it; the thief asks as nobody.
		 */
		if (!thief) {
			r.allowance = a->id;
			r.session = (struct id){{0}};
		}
	}
	spend_seal(&r);
	ask(w, &r, n, thief);
}

/* Asks again with what was asked before, in some session: own or another. */
static void
step_redeem(struct walk *w, bool thief)
{
	struct walk_prompt *p =
	    w->prompts_n == 0 ? NULL
			      : &w->prompts[w->prompts_n - 1 -
					    pick(w, w->prompts_n < 6 ? (uint32_t)w->prompts_n : 6)];
	const struct walk_session *s = some_session(w, thief);
	struct request r;

	if (p == NULL)
		return;
	r = p->request;
	if (r.op != OP_SPEND || (thief && s == NULL))
		return;
	if (thief)
		r.session = s->id;
	else if (p->thief)
		return;
	if (!thief)
		w->f.asked.service = p->service;
	if (pick(w, 8) == 0) {
		r.amount_minor += 1;
		spend_seal(&r);
	}
	if (permit_by_id(w, &r.payment) != NULL &&
	    account_payment(&w->f.account, &r.payment) == NULL)
		return;
	ask(w, &r, w->payments + 1000000, thief);
}

/* The owner countersigned in this session: what was paused before it began goes on. */
static void
resumed(struct walk *w, const struct walk_session *s)
{
	for (size_t i = 0; i < w->allowances_n; i++) {
		struct walk_allowance *a = &w->allowances[i];

		if (!a->open || a->paused_ms == 0 || a->link_no != s->link_no || s->opened_ms <= a->paused_ms)
			continue;
		a->paused_ms = 0;
		w->resumed++;
	}
}

/* What was paid for by one name of the owner's is by another now. */
static void
renamed(struct walk *w, const struct id *from, const struct id *to)
{
	for (size_t i = 0; i < w->permits_n; i++) {
		if (id_equal(&w->permits[i].subject, from))
			w->permits[i].subject = *to;
	}
}

/* Who links by the name that another link had before is the same person. */
static void
linked_again(struct walk *w, uint32_t link_no)
{
	const struct account *a = &w->f.account;
	struct id to = account_link_by_no(a, link_no)->subject;

	for (size_t i = 0; i < a->links_n; i++) {
		if (id_equal(&a->links[i].was, &to))
			renamed(w, &a->links[i].subject, &to);
	}
}

static void
step_answer(struct walk *w, bool thief)
{
	struct walk_prompt *p =
	    w->prompts_n == 0 ? NULL
			      : &w->prompts[w->prompts_n - 1 -
					    pick(w, w->prompts_n < 4 ? (uint32_t)w->prompts_n : 4)];
	struct fixture *f = &w->f;
	bool right = pick(w, 8) != 0, passkey = pick(w, 2) == 0;
	uint32_t factor_no = passkey ? f->webauthn : f->totp;
	struct answer answer;
	struct walk_session *s;

	if (p == NULL || (!thief && p->thief))
		return;
	/* The thief can use the passkey that the stolen ID syncs, and guess at the rest. */
	if (thief && !passkey)
		right = false;
	if (thief && !p->thief)
		return;
	begin(w);
	/* The codes lie in the owner's drawer; anybody may try one for anything. */
	if (pick(w, 4) == 0 || (p->request.op == OP_RECOVER && pick(w, 4) != 0)) {
		factor_no = w->codes;
		right = right && !thief;
	}
	answer = (struct answer){p->id, factor_no, right, right ? fixture_step(f, factor_no) : 0};
	decide_answer(&f->asked, &f->account, &answer, &f->d);
	if (f->d.reason == REASON_COUNTERSIGNED) {
		CHECK(!thief && right && p->done_ms == 0);
		CHECK((factor_no == w->codes) == (p->request.op == OP_RECOVER));
		p->done_ms = now_of(w);
		s = session_by_id(w, &p->session);
		if (s != NULL)
			s->countersigned = true;
		if (s != NULL)
			resumed(w, s);
		if (p->request.op == OP_LINK || p->request.op == OP_GRANT)
			p->used = true;
		if (p->request.op == OP_GRANT)
			allowance_by_no(w, p->request.target_no)->open = true;
		w->linked += p->request.op == OP_LINK;
		if (p->request.op == OP_LINK)
			linked_again(w, p->request.target_no);
	}
	fixture_commit(f);
}

static void
step_grant(struct walk *w, bool thief)
{
	const struct walk_session *s = some_session(w, thief);
	struct grant g = grant_of(&w->f);
	struct request r;

	if (s == NULL || w->allowances_n == WALK_ALLOWANCES_MAX)
		return;
	g.session = s->id;
	g.kind = pick(w, 3) == 0 ? ALLOWANCE_MANDATE : ALLOWANCE_SESSION;
	if (g.kind == ALLOWANCE_SESSION && pick(w, 2) == 0)
		g.payee = (struct id){{0}};
	g.expires_ms = now_of(w) + (1 + pick(w, 20)) * DAY_MS;
	begin(w);
	decide_grant(&w->f.asked, &w->f.account, &g, &w->f.d);
	fixture_commit(&w->f);
	if (w->f.d.reason != REASON_ASKED)
		return;
	w->allowances[w->allowances_n++] = (struct walk_allowance){.grant = g,
	    .id = w->f.d.id,
	    .service = w->f.asked.service,
	    .no = w->f.d.no,
	    .link_no = s->link_no,
	    .thief = thief};
	r = grant_request(&w->f, &g, w->f.d.no);
	ask(w, &r, 0, thief);
}

static void
step_revoke(struct walk *w, bool thief)
{
	struct walk_allowance *a =
	    w->allowances_n == 0 ? NULL : &w->allowances[pick(w, (uint32_t)w->allowances_n)];

	(void)thief;
	if (a == NULL)
		return;
	begin(w);
	do_revoke(&w->f, a->no);
	a->open = false;
}

static void
step_link(struct walk *w, bool thief)
{
	if (!thief && pick(w, 8) != 0)
		return;

	uint64_t subject = thief ? 1000 + pick(w, 4) : 1 + pick(w, 3);
	uint64_t provider = subject == 1 ? APPLE : GOOGLE;
	struct request r;
	uint32_t no;

	begin(w);
	if (do_propose(&w->f, provider, subject, &no) != REASON_ASKED)
		return;
	r = link_of(no);
	if (pick(w, 8) == 0) {
		r.link_no = 0;
		ask(w, &r, 0, thief);
	} else {
		ask(w, &r, 0, thief);
	}
}

/* The newest answered one for this that was opened by the same: an id that the other one does not know. */
static struct id
done_prompt(const struct walk *w, const struct request *r, bool thief)
{
	struct id id = {{0}};

	for (size_t i = 0; i < w->prompts_n; i++) {
		const struct walk_prompt *p = &w->prompts[i];

		if (p->request.op == r->op && p->request.target_no == r->target_no && p->thief == thief && p->done_ms != 0 &&
		    !p->used)
			id = p->id;
	}
	return id;
}

/* Thief and owner ask for the very same. */
static void
step_factor(struct walk *w, bool thief)
{
	struct enrolment e = {.factor = id_new(&w->f),
	    .kind = FACTOR_TOTP,
	    .plugin = PLUGIN_TOTP,
	    .content = {{'e'}}};
	struct request r = {.op = OP_FACTOR, .content = e.content};

	begin(w);
	e.challenge = done_prompt(w, &r, thief);
	decide_enrol(&w->f.asked, &w->f.account, &e, &w->f.d);
	prompt_seen(w, &r, thief);
	if (w->f.d.outcome == OUTCOME_PERMIT) {
		CHECK(!thief);
		signature_backs(w, &w->f.d.events[0], &r);
		w->enrolled++;
		w->spare = w->f.d.no;
	}
	fixture_commit(&w->f);
}

static const struct factor *
spare(const struct walk *w)
{
	const struct factor *f = account_factor_by_no(&w->f.account, w->spare);

	return f != NULL && !factor_gone(&w->f.account, f, now_of(w)) ? f : NULL;
}

/* The passkey that the stolen ID syncs does not recover, and neither does the TOTP. */
static void
step_recover(struct walk *w, bool thief)
{
	const struct factor *old = pick(w, 2) == 0 ? spare(w) : NULL;
	bool seldom = pick(w, 3) != 0;
	struct enrolment e = {.factor = id_new(&w->f),
	    .kind = FACTOR_TOTP,
	    .plugin = PLUGIN_TOTP,
	    .recovers = true,
	    .replaces_no = old == NULL ? 0 : old->no,
	    .content = {{'r', (uint8_t)(old == NULL ? 0 : old->no)}}};
	struct request r = {.op = OP_RECOVER, .content = e.content, .target_no = e.replaces_no};

	if (seldom && !thief)
		return;
	begin(w);
	e.challenge = done_prompt(w, &r, thief);
	decide_enrol(&w->f.asked, &w->f.account, &e, &w->f.d);
	prompt_seen(w, &r, thief);
	if (w->f.d.outcome == OUTCOME_PERMIT) {
		const struct event *ev = &w->f.d.events[0];

		CHECK(!thief && ev->op == OP_RECOVER && ev->usable_ms >= now_of(w) + 3 * DAY_MS);
		CHECK(ev->factors[0] == w->codes && ev->factors[1] == 0);
		signature_backs(w, ev, &r);
		w->recovered++;
		w->spare = w->f.d.no;
	}
	fixture_commit(&w->f);
}

/* Anybody takes back what cannot be used yet, and nobody anything else without being asked. */
static void
step_remove(struct walk *w, bool thief)
{
	const struct factor *f = spare(w);
	struct request r = {.op = OP_FACTOR};
	struct id none = {{0}};

	/* Seldom: what is removed voids every prompt. */
	if (f == NULL || pick(w, 16) != 0)
		return;
	r.target_no = f->no;
	r.content.b[0] = 'x';
	r.content.b[1] = (uint8_t)f->no;
	begin(w);
	decide_factor_remove(&w->f.asked, &w->f.account, f->no, &none, &r.content, &w->f.d);
	prompt_seen(w, &r, thief);
	if (w->f.d.reason == REASON_NARROWS) {
		CHECK(f->usable_ms > now_of(w) && !f->first);
		w->taken_back++;
	} else if (w->f.d.outcome == OUTCOME_PERMIT) {
		signature_backs(w, &w->f.d.events[0], &r);
		CHECK(w->f.d.events[0].factors[0] != f->no);
	}
	fixture_commit(&w->f);
	/* What the removal voids, the prompts of the walk hear of when they are answered. */
}

/* Guesses at the codes, one after the other, until they are locked. */
static void
step_guess(struct walk *w, bool thief)
{
	const struct walk_prompt *p = NULL;

	for (size_t i = 0; i < w->prompts_n; i++) {
		if (w->prompts[i].thief && w->prompts[i].request.op == OP_RECOVER)
			p = &w->prompts[i];
	}
	if (!thief || p == NULL)
		return;
	for (int i = 0; i < FACTOR_FAILURES_MAX; i++) {
		begin(w);
		do_answer(&w->f, &p->id, w->codes, false);
		CHECK(w->f.d.outcome != OUTCOME_PERMIT);
	}
}

static void
step_unlock(struct walk *w, bool thief)
{
	const uint32_t nos[] = {w->f.totp, w->f.webauthn, w->codes};
	const struct factor *f = account_factor_by_no(&w->f.account, nos[pick(w, 3)]);
	struct request r = {.op = OP_FACTOR};
	struct id none = {{0}};

	begin(w);
	for (size_t i = 0; i < 3; i++) {
		if (account_factor_by_no(&w->f.account, nos[i])->locked_until_ms > now_of(w))
			f = account_factor_by_no(&w->f.account, nos[i]);
	}
	r.target_no = f->no;
	r.content = (struct hash){{'u', (uint8_t)f->no}};
	decide_factor_unlock(&w->f.asked, &w->f.account, f->no, &none, &r.content, &w->f.d);
	prompt_seen(w, &r, thief);
	if (w->f.d.reason == REASON_COUNTERSIGNED) {
		CHECK(f->locked_until_ms > now_of(w));
		signature_backs(w, &w->f.d.events[0], &r);
		CHECK(w->f.d.events[0].factors[0] != f->no);
		w->unlocked++;
	}
	fixture_commit(&w->f);
}

static void
step_limit(struct walk *w, bool thief)
{
	struct limit l = limit_of(
	    pick(w, 2) == 0 ? 0 : link_of_provider(w, pick(w, 2) == 0 ? APPLE : GOOGLE), CNY);
	struct id none = {{0}};
	struct hash content = {{'m', (uint8_t)l.link_no}};
	struct request r = {.op = OP_LIMIT, .content = content, .link_no = l.link_no};

	l.per_day_minor = 60000 + 10000 * (int64_t)pick(w, 8);
	content.b[2] = r.content.b[2] = (uint8_t)(l.per_day_minor / 10000);
	begin(w);
	decide_limit(&w->f.asked, &w->f.account, &l, &none, &content, &w->f.d);
	prompt_seen(w, &r, thief);
	/* Whoever asks again: it is what the owner signed. */
	if (w->f.d.reason == REASON_COUNTERSIGNED)
		signature_backs(w, &w->f.d.events[0], &r);
	fixture_commit(&w->f);
}

static void
step_thaw(struct walk *w, bool thief)
{
	uint32_t link_no =
	    pick(w, 3) == 0 ? 0 : link_of_provider(w, pick(w, 2) == 0 ? APPLE : GOOGLE);
	struct hash content = {{'t', (uint8_t)link_no}};
	struct request r = {.op = OP_THAW, .content = content, .link_no = link_no};
	struct id none = {{0}};

	begin(w);
	decide_thaw(&w->f.asked, &w->f.account, link_no, AUTHOR_USER, &none, &content, &w->f.d);
	prompt_seen(w, &r, thief);
	/* Whoever asks again: it is what the owner signed. */
	if (w->f.d.reason == REASON_COUNTERSIGNED)
		signature_backs(w, &w->f.d.events[0], &r);
	fixture_commit(&w->f);
}

static void
step_view(struct walk *w, bool thief)
{
	struct hash content = {{'v'}};
	struct request r = {.op = OP_VIEW, .content = content};
	struct id none = {{0}};

	begin(w);
	decide_view(&w->f.asked, &w->f.account, &none, &content, &w->f.d);
	prompt_seen(w, &r, thief);
	/* Whoever asks again: it is what the owner signed. */
	if (w->f.d.reason == REASON_COUNTERSIGNED)
		signature_backs(w, &w->f.d.events[0], &r);
	fixture_commit(&w->f);
}

static void
voided(struct walk *w, uint32_t link_no)
{
	for (size_t i = 0; i < w->allowances_n; i++) {
		if (link_no == 0 || w->allowances[i].link_no == link_no)
			w->allowances[i].open = false;
	}
}

/* No session, allowance or link is wider than it was before the event. */
static void
only_narrower(const struct account *was, const struct account *is)
{
	for (size_t i = 0; i < is->sessions_n; i++) {
		const struct session *s = account_session(was, &is->sessions[i].id);

		CHECK(s != NULL && s->countersigned == is->sessions[i].countersigned && s->opened_ms == is->sessions[i].opened_ms);
	}
	for (size_t i = 0; i < is->allowances_n; i++) {
		const struct allowance *n = &is->allowances[i], *o = account_allowance(was, &n->id);

		CHECK(o != NULL && (n->state != ALLOWANCE_OPEN || (o->state == ALLOWANCE_OPEN && n->paused_ms >= o->paused_ms)));
		CHECK(n->spent_minor == o->spent_minor && n->total_minor == o->total_minor && n->expires_ms == o->expires_ms);
	}
	for (size_t i = 0; i < is->links_n; i++) {
		const struct link *l = account_link(was, &is->links[i].id);

		CHECK(l != NULL && (is->links[i].state == l->state || is->links[i].state == LINK_SUSPENDED));
	}
	for (size_t i = 0; i < is->challenges_n; i++) {
		const struct challenge *c = account_challenge(was, &is->challenges[i].id);

		CHECK(c != NULL && (is->challenges[i].state == c->state || is->challenges[i].state == CHALLENGE_VOID));
	}
	CHECK(is->freezes_n == was->freezes_n && is->limits_n == was->limits_n && is->factors_n == was->factors_n);
}

/* The provider warns, of anything, with whatever effects are configured; and takes it back, which gives nothing back. */
static void
step_signal(struct walk *w, bool thief)
{
	static struct account before;
	uint32_t link_no = link_of_provider(w, pick(w, 2) == 0 ? APPLE : GOOGLE);
	enum signal_kind kind = (enum signal_kind)(1 + pick(w, SIGNAL_KIND__COUNT - 1));
	uint32_t effects = pick(w, 4) == 0 ? pick(w, SIGNAL_EFFECTS_ALL + 1) : signal_effects_usual(kind);

	(void)thief;
	if (link_no == 0)
		return;
	/* Suspending stops all of a link's spending: seldom. */
	if ((effects & (SIGNAL_SUSPEND_LINK | SIGNAL_VOID_ALLOWANCES)) != 0 && pick(w, 12) != 0)
		effects = SIGNAL_PAUSE_ALLOWANCES;
	if (pick(w, 3) != 0)
		return;
	begin(w);
	before = w->f.account;
	decide_signal(&w->f.asked, &w->f.account, link_no, kind, effects, now_of(w), &w->f.d);
	fixture_commit(&w->f);
	only_narrower(&before, &w->f.account);
	if (w->f.d.reason != REASON_SIGNALLED)
		return;
	for (size_t i = 0; (effects & SIGNAL_LOWER_EVIDENCE) != 0 && i < w->facts_n; i++) {
		if (w->facts[i].link_no != link_no)
			continue;
		w->facts[i].lowered = true;
		w->facts[i].since = now_of(w);
	}
	for (size_t i = 0; i < w->allowances_n; i++) {
		struct walk_allowance *a = &w->allowances[i];

		if (a->link_no != link_no || !a->open)
			continue;
		if ((effects & SIGNAL_VOID_ALLOWANCES) != 0)
			a->open = false;
		else if ((effects & SIGNAL_PAUSE_ALLOWANCES) != 0)
			a->paused_ms = now_of(w);
	}
}

/* The owner's ID goes by another name, in a window or by an admin; a thief says so at any time. */
static void
step_rekey(struct walk *w, bool thief)
{
	bool apple = pick(w, 2) == 0, admin = !thief && pick(w, 3) == 0;
	struct rekey r = {.link_no = link_of_provider(w, apple ? APPLE : GOOGLE),
	    .subject = id_of('s', 1 + pick(w, 6)),
	    .author = admin ? AUTHOR_ADMIN : AUTHOR_USER,
	    .undo = admin && pick(w, 2) == 0};
	struct broker_provider *p = &w->f.broker.providers[apple ? 0 : 1];
	const struct link *l;

	/* Seldom: it ends the sessions. */
	if (pick(w, 32) != 0 || r.link_no == 0)
		return;
	p->rekey_until_ms = !thief && pick(w, 2) == 0 ? now_of(w) + HOUR_MS : 0;
	begin(w);
	decide_link_rekey(&w->f.asked, &w->f.account, &r, &w->f.d);
	if (w->f.d.outcome == OUTCOME_PERMIT && !w->f.d.replayed) {
		const struct event *e = &w->f.d.events[0];

		CHECK(!thief && (admin || p->rekey_until_ms > now_of(w)));
		renamed(w, &e->digest, &e->subject);
		w->rekeyed++;
	}
	fixture_commit(&w->f);
	if (w->f.d.outcome != OUTCOME_PERMIT || w->f.d.replayed)
		return;
	l = account_link_by_no(&w->f.account, r.link_no);
	CHECK(l->usable_ms >= now_of(w) + 10 * MINUTE_MS);
	for (size_t i = 0; i < w->f.account.sessions_n; i++)
		CHECK(w->f.account.sessions[i].link_no != r.link_no);
}

/* What is vouched for, by providers at a sign-in and by services when they like. */
static void
step_attest(struct walk *w, bool thief)
{
	static const uint64_t vouchers[] = {APPLE, GOOGLE, CHECKOUT, WALLET};
	uint64_t by = vouchers[pick(w, 4)], kind = pick(w, 4) == 0 ? VOUCHED_DOCUMENT : VOUCHED_PHONE, value = 1 + (pick(w, 8) == 0);
	uint32_t link_no = link_of_provider(w, pick(w, 2) == 0 ? APPLE : GOOGLE);
	int64_t verified = now_of(w) - pick(w, 4) * DAY_MS;
	struct walk_fact *own = (struct walk_fact *)fact_of(w, link_no, kind, by);
	bool changed = own != NULL && own->value != value;

	(void)thief;
	begin(w);
	if (by == CHECKOUT || by == WALLET)
		w->f.asked.service = by;
	if (w->facts_n == WALK_FACTS_MAX || do_attest(&w->f, link_no, kind, by, value, verified) != REASON_ASKED)
		return;
	for (size_t i = 0; changed && i < w->facts_n; i++) {
		struct walk_fact *f = &w->facts[i];

		if (f != own && f->link_no == link_no && f->kind == kind && f->value != value) {
			f->lowered = true;
			f->since = now_of(w);
		}
	}
	if (own == NULL) {
		w->facts[w->facts_n++] =
		    (struct walk_fact){kind, by, value, verified, now_of(w), link_no, false};
	} else if (changed) {
		*own = (struct walk_fact){kind, by, value, verified, now_of(w), link_no, true};
	} else if (own->lowered && verified > own->since && now_of(w) - own->since >= 10 * MINUTE_MS) {
		own->lowered = false;
		own->verified = verified;
		w->raised++;
	} else if (verified > own->verified) {
		own->verified = verified;
	}
}

/* What anybody may do, since it only narrows. */
static void
step_narrow(struct walk *w, bool thief)
{
	uint32_t link_no = link_of_provider(w, pick(w, 2) == 0 ? APPLE : GOOGLE);
	struct walk_prompt *p =
	    w->prompts_n == 0 ? NULL : &w->prompts[pick(w, (uint32_t)w->prompts_n)];

	begin(w);
	/* Seldom, or nothing would ever be spent. */
	switch (pick(w, 60)) {
	case 0:
		do_narrow(&w->f, link_no, LINK_SUSPENDED);
		break;
	case 1:
		if (pick(w, 4) == 0 && do_narrow(&w->f, link_no, LINK_REVOKED) == REASON_NARROWS)
			voided(w, link_no);
		break;
	case 2:
		do_freeze(&w->f, pick(w, 2) == 0 ? 0 : link_no, AUTHOR_USER);
		break;
	case 3:
		if (p != NULL)
			do_refuse(&w->f, &p->id, false);
		break;
	case 4:
		if (!thief && link_no != 0 && pick(w, 4) == 0 &&
		    do_not_me(&w->f, link_no) == REASON_NOT_ME) {
			voided(w, link_no);
			for (size_t i = 0; i < w->permits_n; i++) {
				const struct payment *q =
				    account_payment(&w->f.account, &w->permits[i].id);

				w->permits[i].held &= q == NULL || q->state == PAYMENT_HELD;
			}
		}
		break;
	default:
		break;
	}
}

static void
step_admin(struct walk *w, bool thief)
{
	uint32_t link_no = pick(w, 2) == 0 ? 0 : link_of_provider(w, APPLE);

	(void)thief;
	begin(w);
	switch (pick(w, 8)) {
	case 0:
		if (pick(w, 8) == 0)
			do_freeze(&w->f, link_no, AUTHOR_ADMIN);
		break;
	case 1:
	case 2:
	case 6:
	case 7:
		do_thaw(&w->f, link_no, AUTHOR_ADMIN, 0);
		do_thaw(&w->f, 0, AUTHOR_ADMIN, 0);
		break;
	case 3:
		w->f.broker.frozen = pick(w, 16) == 0;
		break;
	case 4:
		w->f.broker.providers[0].frozen = pick(w, 16) == 0;
		break;
	default:
		w->f.broker.clock_ok = pick(w, 16) != 0;
	}
}

/* The service keeps its books. */
static void
step_book(struct walk *w, bool thief)
{
	struct walk_permit *p =
	    w->permits_n == 0 ? NULL
			      : &w->permits[w->permits_n - 1 -
					    pick(w, w->permits_n < 8 ? (uint32_t)w->permits_n : 8)];
	struct walk_allowance *a;
	int64_t part;
	int day, month;

	(void)thief;
	begin(w);
	if (p == NULL || account_payment(&w->f.account, &p->id) == NULL)
		return;
	a = allowance_by_no(w, p->allowance_no);
	part = 1 + pick(w, 2) * (p->counted / 2);
	civil(p->ms, &day, &month);
	w->f.asked.service = p->service;
	switch (pick(w, 3)) {
	case 0:
		if (part > p->counted || do_capture(&w->f, p->n, 1, part) != REASON_ASKED ||
		    w->f.d.replayed)
			break;
		CHECK(p->held && part <= p->counted);
		if (a != NULL) {
			a->spent -= p->counted - part;
			a->day_spent -= a->day == day ? p->counted - part : 0;
		}
		p->counted = part;
		p->held = false;
		w->captured++;
		break;
	case 1:
		if (do_release(&w->f, p->n) != REASON_NARROWS || w->f.d.replayed)
			break;
		CHECK(p->held);
		if (a != NULL) {
			a->spent -= p->counted;
			a->day_spent -= a->day == day ? p->counted : 0;
		}
		p->counted = 0;
		p->held = false;
		break;
	default:
		do_refund(&w->f, p->n, pick(w, 3), 1 + pick(w, 100));
	}
}

static void
step_clock(struct walk *w, bool thief)
{
	static const int64_t waits[] = {1, 1000, 20000, MINUTE_MS, MINUTE_MS, 4 * MINUTE_MS,
	    6 * MINUTE_MS, HOUR_MS, 6 * HOUR_MS, DAY_MS, 8 * DAY_MS, -MINUTE_MS};
	int64_t ms = waits[pick(w, pick(w, 16) == 0 ? 12 : 6)];

	(void)thief;
	if (w->f.asked.now_ms + ms - w->began_ms < LENGTH_MS)
		fixture_wait(&w->f, ms);
}

typedef void step_fn(struct walk *w, bool thief);

/* More than once: what gets further, more often. */
static step_fn *const steps[] = {
    step_session,
    step_session,
    step_spend,
    step_spend,
    step_spend,
    step_spend,
    step_redeem,
    step_redeem,
    step_redeem,
    step_answer,
    step_answer,
    step_answer,
    step_answer,
    step_grant,
    step_revoke,
    step_link,
    step_factor,
    step_recover,
    step_remove,
    step_guess,
    step_unlock,
    step_limit,
    step_thaw,
    step_thaw,
    step_thaw,
    step_view,
    step_rekey,
    step_attest,
    step_narrow,
    step_signal,
    step_admin,
    step_book,
    step_book,
    step_clock,
    step_clock,
};

void
walk_step(struct walk *w)
{
	bool thief = pick(w, 3) == 0;
	step_fn *step = steps[pick(w, sizeof(steps) / sizeof(steps[0]))];

	w->f.asked.service = pick(w, 4) == 0 ? WALLET : CHECKOUT;
	step(w, thief);
	state_holds(w);
}
