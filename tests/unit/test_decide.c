/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule, case by case. The table at the end gives every case the number of its rule and the
 * reason that the last step must end with; the function of the case makes the setup and takes that
 * step.
 */
#include "tests/unit/unit.h"

#include "tests/unit/core_fixture.h"

#define CASE(name) static void name(struct fixture *f)

static const struct factor *
factor(const struct fixture *f, uint32_t no)
{
	return account_factor_by_no(&f->account, no);
}

static const struct payment *
payment(const struct fixture *f, uint64_t n)
{
	struct id id = id_of((char)f->asked.service, n);

	return account_payment(&f->account, &id);
}

static size_t
prompts_open(const struct fixture *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->account.challenges_n; i++)
		n += f->account.challenges[i].state == CHALLENGE_OPEN;
	return n;
}

/* --- rule 1 --- */

CASE(service_unknown)
{
	f->asked.service = 999;
	do_spend(f, 1, 2000);
}

CASE(service_through_another_door)
{
	f->asked.service = WALLET;
	f->asked.door = DOOR_HTTPS;
	do_spend(f, 1, 2000);
}

CASE(service_without_right)
{
	f->policy.services[0].rights = RIGHT_LOOKUP | RIGHT_REFUND;
	do_spend(f, 1, 2000);
}

CASE(service_without_right_links)
{
	uint32_t no;

	f->policy.services[0].rights = RIGHT_SPEND;
	do_propose(f, APPLE, 7, &no);
}

CASE(service_without_right_enrols)
{
	f->policy.services[0].rights = RIGHT_SPEND;
	do_enrol(f, FACTOR_TOTP, PLUGIN_TOTP, f->totp);
}

CASE(session_of_another_service)
{
	f->asked.service = WALLET;
	do_spend(f, 1, 2000);
}

CASE(capture_of_another_service)
{
	struct request r = spend_of(f, 1, 2000);
	struct id capture = id_of('c', 1);

	assert_int_equal(do_countersigned(f, &r, f->totp), REASON_COUNTERSIGNED);
	f->asked.service = WALLET;
	fixture_begin(f);
	decide_capture(&f->asked, &f->account, NULL, &r.payment, &capture, -1, &f->d);
	fixture_commit(f);
	assert_int_equal(f->d.events_n, 0);
}

CASE(release_of_another_service)
{
	struct request r = spend_of(f, 1, 2000);

	assert_int_equal(do_countersigned(f, &r, f->totp), REASON_COUNTERSIGNED);
	f->asked.service = WALLET;
	fixture_begin(f);
	decide_release(&f->asked, &f->account, &r.payment, &f->d);
	fixture_commit(f);
	assert_int_equal(f->d.events_n, 0);
}

CASE(refund_without_right)
{
	struct request r = spend_of(f, 1, 2000);

	r.capture = true;
	assert_int_equal(do_countersigned(f, &r, f->totp), REASON_COUNTERSIGNED);
	f->policy.services[0].rights &= ~(uint32_t)RIGHT_REFUND;
	do_refund(f, 1, 1, 100);
}

/* --- rule 2 --- */

CASE(account_unknown)
{
	fixture_init(f);
	do_spend(f, 1, 2000);
	assert_int_equal(f->d.events_n, 0);
}

CASE(account_unknown_is_not_limited)
{
	struct limit l = limit_of(0, CNY);

	fixture_init(f);
	do_limit(f, &l, 0);
}

CASE(account_unknown_is_not_frozen)
{
	fixture_init(f);
	do_freeze(f, 0, AUTHOR_ADMIN);
}

CASE(account_closed)
{
	assert_int_equal(do_close(f), REASON_NARROWS);
	do_spend(f, 1, 2000);
}

CASE(account_frozen_by_user)
{
	do_freeze(f, 0, AUTHOR_USER);
	do_spend(f, 1, 2000);
}

CASE(account_frozen_by_admin)
{
	do_freeze(f, 0, AUTHOR_ADMIN);
	do_spend(f, 1, 2000);
}

CASE(broker_frozen)
{
	f->broker.frozen = true;
	do_spend(f, 1, 2000);
}

CASE(clock_not_ok)
{
	f->broker.clock_ok = false;
	do_spend(f, 1, 2000);
}

CASE(frozen_account_enrols_no_factor)
{
	do_freeze(f, 0, AUTHOR_ADMIN);
	do_enrol(f, FACTOR_TOTP, PLUGIN_TOTP, f->totp);
}

CASE(frozen_account_gets_no_link)
{
	uint32_t no;

	do_freeze(f, 0, AUTHOR_USER);
	do_propose(f, APPLE, 7, &no);
}

CASE(frozen_account_opens_no_session)
{
	struct id session;

	do_freeze(f, 0, AUTHOR_ADMIN);
	do_session(f, f->apple, &session);
}

CASE(closed_account_refunds)
{
	struct request r = spend_of(f, 1, 2000);

	r.capture = true;
	assert_int_equal(do_countersigned(f, &r, f->totp), REASON_COUNTERSIGNED);
	do_freeze(f, 0, AUTHOR_ADMIN);
	do_refund(f, 1, 1, 2000);
}

/* --- rule 3 --- */

CASE(provider_disabled)
{
	f->broker.providers[0].enabled = false;
	do_spend(f, 1, 2000);
}

CASE(provider_not_configured)
{
	f->policy.providers[0].tag = 999;
	do_spend(f, 1, 2000);
}

CASE(provider_changed)
{
	f->broker.providers[0].pinned = false;
	do_spend(f, 1, 2000);
}

CASE(provider_frozen)
{
	f->broker.providers[0].frozen = true;
	do_spend(f, 1, 2000);
}

CASE(provider_stale)
{
	f->broker.providers[0].fresh = false;
	do_spend(f, 1, 2000);
}

CASE(provider_without_state)
{
	f->broker.providers[0].tag = 999;
	do_spend(f, 1, 2000);
}

CASE(provider_frozen_does_not_stop_another)
{
	f->broker.providers[1].frozen = true;
	do_spend(f, 1, 2000);
}

/* --- rule 4 --- */

CASE(link_revoked)
{
	struct request r = spend_of(f, 1, 2000);

	do_narrow(f, f->apple, LINK_REVOKED);
	r.link_no = f->apple;
	do_request(f, &r);
}

CASE(link_suspended)
{
	struct request r = spend_of(f, 1, 2000);

	do_narrow(f, f->apple, LINK_SUSPENDED);
	r.link_no = f->apple;
	do_request(f, &r);
}

CASE(link_frozen)
{
	struct id session;

	do_freeze(f, f->apple, AUTHOR_ADMIN);
	do_session(f, f->apple, &session);
}

CASE(link_unknown)
{
	struct request r = spend_of(f, 1, 2000);

	r.link_no = 999;
	do_request(f, &r);
}

CASE(link_cooling_off_spends_later)
{
	uint32_t no;

	assert_int_equal(do_link(f, GOOGLE, 9, f->totp, &no), REASON_COUNTERSIGNED);
	fixture_wait(f, DAY_MS - 1);
	assert_int_equal(do_session(f, no, &f->session), REASON_ASKED);
	assert_int_equal(do_spend(f, 1, 2000), REASON_LINK_COOLING_OFF);
	assert_true(f->d.detail.set && f->d.detail.until_ms == f->asked.now_ms + 1);
	fixture_wait(f, 1);
	do_spend(f, 2, 2000);
}

CASE(link_of_own_time_of_provider)
{
	uint32_t no;

	f->policy.providers[1].cooling_off_ms = 0;
	assert_int_equal(do_link(f, GOOGLE, 9, f->totp, &no), REASON_COUNTERSIGNED);
	fixture_wait(f, 1);
	assert_int_equal(do_session(f, no, &f->session), REASON_ASKED);
	do_spend(f, 1, 2000);
}

CASE(link_taken)
{
	uint32_t no;

	do_propose(f, APPLE, 1, &no);
}

CASE(link_taken_after_relink)
{
	uint32_t no;

	do_narrow(f, f->apple, LINK_REVOKED);
	assert_int_equal(do_link(f, APPLE, 1, f->totp, &no), REASON_COUNTERSIGNED);
	do_propose(f, APPLE, 1, &no);
}

CASE(two_proposals_of_a_subject_make_one_link)
{
	uint32_t one, two;
	struct request r;

	assert_int_equal(do_propose(f, APPLE, 7, &one), REASON_ASKED);
	assert_int_equal(do_propose(f, APPLE, 7, &two), REASON_ASKED);
	assert_null(account_link_by_no(&f->account, one));
	r = link_of(one);
	do_request(f, &r);
}

CASE(proposed_link_opens_no_session)
{
	struct id session;
	uint32_t no;

	assert_int_equal(do_propose(f, APPLE, 7, &no), REASON_ASKED);
	do_session(f, no, &session);
}

CASE(link_of_nothing)
{
	struct request r = link_of(0);

	do_request(f, &r);
}

/* What is linked must be what the factors are independent of. */
CASE(link_under_another_links_name)
{
	struct request r;
	uint32_t one, two;

	do_propose(f, APPLE, 7, &one);
	do_propose(f, GOOGLE, 8, &two);
	r = link_of(one);
	r.target_no = two;
	do_request(f, &r);
}

CASE(link_suspended_before_it_was_made)
{
	uint32_t no;

	assert_int_equal(do_propose(f, APPLE, 7, &no), REASON_ASKED);
	do_narrow(f, no, LINK_SUSPENDED);
	assert_int_equal(account_link_by_no(&f->account, no)->state, LINK_REVOKED);
	do_thaw(f, no, AUTHOR_ADMIN, 0);
	assert_int_equal(account_link_by_no(&f->account, no)->state, LINK_REVOKED);
	do_thaw(f, no, AUTHOR_USER, f->totp);
	assert_int_equal(account_link_by_no(&f->account, no)->state, LINK_REVOKED);
}

/* L1: what was begun before a link was made is ended by it. */
CASE(linking_ends_sessions)
{
	uint32_t no;

	assert_int_equal(do_link(f, GOOGLE, 9, f->totp, &no), REASON_COUNTERSIGNED);
	assert_int_equal(f->account.sessions_n, 0);
	do_spend(f, 1, 2000);
}

CASE(linking_ends_prompts)
{
	struct id challenge;
	uint32_t no;

	do_spend(f, 1, 2000);
	challenge = f->d.id;
	assert_int_equal(do_link(f, GOOGLE, 9, f->totp, &no), REASON_COUNTERSIGNED);
	do_answer(f, &challenge, f->totp, true);
}

/* The link is decided again at the moment of the last answer. */
static void
link_answered(struct fixture *f, void (*between)(struct fixture *f))
{
	struct id challenge;
	struct request r;
	uint32_t no;

	do_propose(f, GOOGLE, 9, &no);
	r = link_of(no);
	assert_int_equal(do_request(f, &r), REASON_COUNTERSIGNATURE_REQUIRED);
	challenge = f->d.id;
	between(f);
	do_answer(f, &challenge, f->totp, true);
	assert_int_not_equal(account_link_by_no(&f->account, no)->state, LINK_ACTIVE);
}

static void
freeze_broker(struct fixture *f)
{
	f->broker.frozen = true;
}

CASE(broker_frozen_before_the_last_answer)
{
	link_answered(f, freeze_broker);
}

static void
freeze_provider(struct fixture *f)
{
	f->broker.providers[1].frozen = true;
}

CASE(provider_frozen_before_the_last_answer)
{
	link_answered(f, freeze_provider);
}

static void
freeze_account(struct fixture *f)
{
	do_freeze(f, 0, AUTHOR_ADMIN);
}

CASE(account_frozen_before_the_last_answer)
{
	link_answered(f, freeze_account);
}

static void
stack_denies(struct fixture *f)
{
	STACK(f, &f->checkout, "link", "requisite deny");
}

CASE(stack_changed_before_the_last_answer)
{
	link_answered(f, stack_denies);
}

/* One of each kind was asked for; two of one kind do not make a link. */
CASE(link_by_two_of_one_kind)
{
	struct id challenge;
	struct request r;
	uint32_t no, second;

	assert_int_equal(do_enrol(f, FACTOR_TOTP, PLUGIN_TOTP, f->totp), REASON_COUNTERSIGNED);
	second = f->d.no;
	fixture_wait(f, DAY_MS);
	STACK(f, &f->checkout, "link", "required stepup any=totp", "required stepup any=webauthn");
	do_propose(f, GOOGLE, 9, &no);
	r = link_of(no);
	assert_int_equal(do_request(f, &r), REASON_COUNTERSIGNATURE_REQUIRED);
	challenge = f->d.id;
	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_ASKED);
	assert_int_equal(do_answer(f, &challenge, second, true), REASON_ASKED);
	assert_int_equal(account_link_by_no(&f->account, no)->state, LINK_PROPOSED);
	do_answer(f, &challenge, f->webauthn, true);
	assert_int_equal(account_link_by_no(&f->account, no)->state, LINK_ACTIVE);
}

CASE(link_by_one_of_each_kind)
{
	struct id challenge;
	struct request r;
	uint32_t no;

	STACK(f, &f->checkout, "link", "required stepup any=totp", "required stepup any=webauthn");
	do_propose(f, GOOGLE, 9, &no);
	r = link_of(no);
	assert_int_equal(do_request(f, &r), REASON_COUNTERSIGNATURE_REQUIRED);
	challenge = f->d.id;
	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_ASKED);
	do_answer(f, &challenge, f->webauthn, true);
	assert_int_equal(account_link_by_no(&f->account, no)->state, LINK_ACTIVE);
}

/* L14: counters, limits, freezes and prompts follow the subject. */
CASE(relink_keeps_counters)
{
	struct limit l = limit_of(f->apple, CNY);
	struct request r = spend_of(f, 1, 20000);
	uint32_t no;

	l.per_day_minor = 30000;
	do_limit(f, &l, 0);
	assert_int_equal(do_countersigned(f, &r, f->totp), REASON_COUNTERSIGNED);
	do_narrow(f, f->apple, LINK_REVOKED);
	f->policy.link_cooling_off_ms = 0;
	assert_int_equal(do_link(f, APPLE, 1, f->totp, &no), REASON_COUNTERSIGNED);
	fixture_wait(f, 1);
	assert_int_equal(do_session(f, no, &f->session), REASON_ASKED);
	do_spend(f, 2, 20000);
}

CASE(relink_keeps_an_admins_freeze)
{
	uint32_t no;

	do_freeze(f, f->apple, AUTHOR_ADMIN);
	do_narrow(f, f->apple, LINK_REVOKED);
	do_link(f, APPLE, 1, f->totp, &no);
}

CASE(relink_cools_off_again)
{
	uint32_t no;

	do_narrow(f, f->apple, LINK_REVOKED);
	assert_int_equal(do_link(f, APPLE, 1, f->totp, &no), REASON_COUNTERSIGNED);
	fixture_wait(f, 1);
	assert_int_equal(do_session(f, no, &f->session), REASON_ASKED);
	do_spend(f, 1, 2000);
}

/* --- rule 5 --- */

CASE(no_session)
{
	f->session = (struct id){{0}};
	do_spend(f, 1, 2000);
}

CASE(session_invented)
{
	f->session = id_of('?', 1);
	do_spend(f, 1, 2000);
}

CASE(session_closed)
{
	fixture_begin(f);
	decide_session_close(&f->asked, &f->account, &f->session, &f->d);
	fixture_commit(f);
	do_spend(f, 1, 2000);
}

CASE(session_closed_by_another_service)
{
	f->asked.service = WALLET;
	fixture_begin(f);
	decide_session_close(&f->asked, &f->account, &f->session, &f->d);
	fixture_commit(f);
	f->asked.service = CHECKOUT;
	do_spend(f, 1, 2000);
}

CASE(session_idle)
{
	fixture_wait(f, 15 * MINUTE_MS + 1);
	do_spend(f, 1, 2000);
}

CASE(session_not_yet_idle)
{
	fixture_wait(f, 15 * MINUTE_MS);
	do_spend(f, 1, 2000);
}

CASE(session_too_old)
{
	struct request r;

	f->policy.prompts_per_link_day = 1000;
	f->policy.session_idle_ms = 2 * DAY_MS;
	fixture_wait(f, DAY_MS + 1);
	r = spend_of(f, 1, 2000);
	do_request(f, &r);
}

CASE(session_older_than_the_thaw)
{
	do_freeze(f, f->apple, AUTHOR_ADMIN);
	assert_int_equal(do_thaw(f, f->apple, AUTHOR_ADMIN, 0), REASON_ASKED);
	do_spend(f, 1, 2000);
}

CASE(session_older_than_the_providers_thaw)
{
	f->broker.providers[0].sessions_since_ms = f->asked.now_ms;
	do_spend(f, 1, 2000);
}

CASE(session_of_another_link)
{
	struct request r = spend_of(f, 1, 2000);

	r.link_no = f->google;
	do_request(f, &r);
}

CASE(session_that_is_over_names_no_link)
{
	struct request r = {.op = OP_FACTOR, .session = f->session, .content = {{1}}};

	fixture_wait(f, DAY_MS + 1);
	do_request(f, &r);
}

CASE(session_max_age)
{
	STACK(f, &f->checkout, "spend", "requisite session max-age=5m", "required stepup");
	fixture_wait(f, 5 * MINUTE_MS + 1);
	do_spend(f, 1, 2000);
}

CASE(session_max_age_needs_auth_time)
{
	STACK(f, &f->checkout, "spend", "requisite session max-age=5m", "required stepup");
	fixture_begin(f);
	decide_session_open(&f->asked, &f->account, f->apple, 0, &f->d);
	f->session = f->d.id;
	fixture_commit(f);
	do_spend(f, 1, 2000);
}

CASE(session_max_age_of_a_future_auth_time)
{
	STACK(f, &f->checkout, "spend", "requisite session max-age=5m", "required stepup");
	fixture_begin(f);
	decide_session_open(&f->asked, &f->account, f->apple, f->asked.now_ms + DAY_MS, &f->d);
	f->session = f->d.id;
	fixture_commit(f);
	fixture_wait(f, 6 * MINUTE_MS);
	do_spend(f, 1, 2000);
}

CASE(mandate_of_a_link_that_was_suspended)
{
	struct grant g = grant_of(f);
	struct request r = spend_of(f, 1, 2000);
	uint32_t no;

	g.kind = ALLOWANCE_MANDATE;
	assert_int_equal(do_grant(f, &g, f->totp, &r.allowance, &no), REASON_COUNTERSIGNED);
	r.session = (struct id){{0}};
	assert_int_equal(do_request(f, &r), REASON_MANDATE);
	fixture_wait(f, 1);
	do_narrow(f, f->apple, LINK_SUSPENDED);
	assert_int_equal(do_thaw(f, f->apple, AUTHOR_USER, f->totp), REASON_COUNTERSIGNED);
	r.payment = id_of(CHECKOUT, 2);
	spend_seal(&r);
	do_request(f, &r);
}

/* --- rule 6 --- */

CASE(amount_zero)
{
	do_spend(f, 1, 0);
}

CASE(amount_negative)
{
	do_spend(f, 1, -1);
}

CASE(amount_huge)
{
	do_spend(f, 1, INT64_MAX);
}

CASE(currency_unknown)
{
	struct request r = spend_of(f, 1, 2000);

	r.currency = 1;
	do_request(f, &r);
}

CASE(payee_missing)
{
	struct request r = spend_of(f, 1, 2000);

	r.payee = (struct id){{0}};
	do_request(f, &r);
}

CASE(payment_id_missing)
{
	struct request r = spend_of(f, 1, 2000);

	r.payment = (struct id){{0}};
	do_request(f, &r);
}

/* --- rule 7 --- */

static void
permitted(struct fixture *f, uint64_t n, int64_t amount_minor)
{
	struct request r = spend_of(f, n, amount_minor);

	assert_int_equal(do_countersigned(f, &r, f->totp), REASON_COUNTERSIGNED);
	assert_false(f->d.replayed);
}

static void
assert_replayed(struct fixture *f)
{
	assert_true(f->d.replayed);
	assert_int_equal(f->d.events_n, 0);
	assert_int_equal(f->d.outcome, OUTCOME_PERMIT);
}

CASE(permit_sticks)
{
	permitted(f, 1, 2000);
	do_spend(f, 1, 2000);
	assert_replayed(f);
	assert_int_equal(spent_day(f, CNY), 2000);
}

CASE(permit_sticks_while_frozen)
{
	permitted(f, 1, 2000);
	do_freeze(f, 0, AUTHOR_ADMIN);
	do_spend(f, 1, 2000);
	assert_replayed(f);
}

CASE(permit_sticks_captured)
{
	permitted(f, 1, 2000);
	do_capture(f, 1, 1, -1);
	do_spend(f, 1, 2000);
	assert_replayed(f);
	assert_int_equal(payment(f, 1)->state, PAYMENT_CAPTURED);
}

CASE(permit_sticks_released)
{
	permitted(f, 1, 2000);
	do_release(f, 1);
	do_spend(f, 1, 2000);
	assert_replayed(f);
	assert_int_equal(payment(f, 1)->state, PAYMENT_RELEASED);
}

CASE(permit_sticks_expired)
{
	permitted(f, 1, 2000);
	fixture_wait(f, 7 * DAY_MS);
	do_spend(f, 1, 2000);
	assert_replayed(f);
	assert_int_equal(payment(f, 1)->state, PAYMENT_EXPIRED);
}

CASE(permit_sticks_out_of_the_ring)
{
	struct request r = spend_of(f, 1, 2000);
	struct payment old;

	permitted(f, 1, 2000);
	do_release(f, 1);
	old = *payment(f, 1);
	r.old = &old;
	f->account.payments_n = 0;
	do_request(f, &r);
	assert_replayed(f);
}

CASE(old_permit_with_another_amount)
{
	struct request r = spend_of(f, 1, 2001);
	struct payment old;

	permitted(f, 1, 2000);
	do_release(f, 1);
	old = *payment(f, 1);
	r.old = &old;
	f->account.payments_n = 0;
	do_request(f, &r);
}

CASE(same_id_another_amount)
{
	permitted(f, 1, 2000);
	do_spend(f, 1, 2001);
}

CASE(same_id_another_currency)
{
	struct request r = spend_of(f, 1, 2000);

	permitted(f, 1, 2000);
	r.currency = JPY;
	spend_seal(&r);
	do_request(f, &r);
}

CASE(same_id_another_payee)
{
	struct request r = spend_of(f, 1, 2000);

	permitted(f, 1, 2000);
	r.payee = id_of('m', 2);
	spend_seal(&r);
	do_request(f, &r);
}

CASE(same_open_challenge)
{
	struct id first;

	do_spend(f, 1, 2000);
	first = f->d.id;
	do_spend(f, 1, 2000);
	assert_true(f->d.replayed && id_equal(&f->d.id, &first));
	assert_int_equal(prompts_open(f), 1);
}

CASE(another_challenge_for_another_amount)
{
	struct id first;

	do_spend(f, 1, 2000);
	first = f->d.id;
	do_spend(f, 1, 2001);
	assert_false(f->d.replayed || id_equal(&f->d.id, &first));
}

CASE(another_challenge_after_the_first_expired)
{
	struct id first;

	do_spend(f, 1, 2000);
	first = f->d.id;
	fixture_wait(f, 10 * MINUTE_MS);
	do_spend(f, 1, 2000);
	assert_false(f->d.replayed || id_equal(&f->d.id, &first));
}

CASE(evaluate_does_nothing)
{
	struct request r = spend_of(f, 1, 2000);

	r.dry = true;
	do_request(f, &r);
	assert_int_equal(f->d.events_n, 0);
}

CASE(evaluate_denies_without_event)
{
	struct request r = spend_of(f, 1, 0);

	r.dry = true;
	do_request(f, &r);
	assert_int_equal(f->d.events_n, 0);
}

/* --- rule 8 --- */

static void
link_spends(struct fixture *f, uint32_t link_no)
{
	assert_int_equal(do_session(f, link_no, &f->session), REASON_ASKED);
}

CASE(limit_payment_of_policy)
{
	do_spend(f, 1, 200001);
	assert_true(f->d.detail.set);
	assert_int_equal(f->d.detail.limit, 200000);
}

CASE(limit_payment_reached)
{
	do_spend(f, 1, 200000);
}

CASE(limit_day_of_policy)
{
	f->policy.limits[0].per_payment_minor = -1;
	permitted(f, 1, 490000);
	do_spend(f, 2, 10001);
	assert_int_equal(f->d.detail.limit, 500000);
	assert_int_equal(f->d.detail.used, 490000);
}

CASE(limit_day_reached)
{
	permitted(f, 1, 200000);
	permitted(f, 2, 200000);
	do_spend(f, 3, 100000);
}

CASE(limit_day_counts_all_links)
{
	permitted(f, 1, 200000);
	permitted(f, 2, 200000);
	link_spends(f, f->google);
	do_spend(f, 3, 100001);
}

CASE(limit_month_of_policy)
{
	f->policy.limits[0].per_day_minor = -1;
	f->policy.limits[0].per_month_minor = 300000;
	permitted(f, 1, 200000);
	fixture_wait(f, 3 * DAY_MS);
	link_spends(f, f->apple);
	do_spend(f, 2, 100001);
}

CASE(limit_count_of_policy)
{
	f->policy.limits[0].count_day = 2;
	permitted(f, 1, 100);
	permitted(f, 2, 100);
	do_spend(f, 3, 100);
}

CASE(limit_count_month)
{
	f->policy.limits[0].count_month = 1;
	permitted(f, 1, 100);
	fixture_wait(f, DAY_MS);
	link_spends(f, f->apple);
	do_spend(f, 2, 100);
}

CASE(limit_count_over_currencies)
{
	struct request r = spend_of(f, 3, 100);

	f->policy.limits[1].count_day = 2;
	permitted(f, 1, 100);
	permitted(f, 2, 100);
	r.currency = JPY;
	spend_seal(&r);
	do_request(f, &r);
}

CASE(limit_count_without_currency)
{
	struct limit l = limit_of(0, CURRENCY_NONE);

	l.count_day = 1;
	assert_int_equal(do_limit(f, &l, 0), REASON_NARROWS);
	permitted(f, 1, 100);
	do_spend(f, 2, 100);
}

CASE(limit_undefined)
{
	struct request r = spend_of(f, 1, 2000);

	r.currency = KWD;
	spend_seal(&r);
	do_request(f, &r);
}

CASE(limit_of_account)
{
	struct limit l = limit_of(0, CNY);

	l.per_day_minor = 3000;
	do_limit(f, &l, 0);
	permitted(f, 1, 2000);
	link_spends(f, f->google);
	do_spend(f, 2, 1001);
}

CASE(limit_of_link)
{
	struct limit l = limit_of(f->apple, CNY);

	l.per_day_minor = 3000;
	do_limit(f, &l, 0);
	permitted(f, 1, 2000);
	do_spend(f, 2, 1001);
	assert_int_equal(f->d.detail.link_no, f->apple);
}

CASE(limit_of_link_binds_that_link)
{
	struct limit l = limit_of(f->apple, CNY);

	l.per_day_minor = 3000;
	do_limit(f, &l, 0);
	permitted(f, 1, 3000);
	link_spends(f, f->google);
	do_spend(f, 2, 2000);
}

CASE(limit_of_provider)
{
	f->policy.providers[0].limits[0] = (struct policy_limit){CNY, -1, 3000, -1, -1, -1};
	f->policy.providers[0].limits_n = 1;
	permitted(f, 1, 2000);
	do_spend(f, 2, 1001);
}

CASE(limit_of_provider_by_an_admin)
{
	f->broker.providers[0].limits[0] = (struct policy_limit){CNY, 1000, -1, -1, -1, -1};
	f->broker.providers[0].limits_n = 1;
	do_spend(f, 1, 1001);
}

CASE(limit_smallest_room_wins)
{
	struct limit account = limit_of(0, CNY), link = limit_of(f->apple, CNY);

	account.per_day_minor = 9000;
	link.per_day_minor = 5000;
	do_limit(f, &account, 0);
	do_limit(f, &link, 0);
	permitted(f, 1, 4000);
	do_spend(f, 2, 1001);
	assert_int_equal(f->d.detail.limit, 5000);
}

CASE(hold_counts)
{
	f->policy.limits[0].per_day_minor = 2000;
	permitted(f, 1, 2000);
	assert_int_equal(payment(f, 1)->state, PAYMENT_HELD);
	do_spend(f, 2, 1);
}

CASE(release_gives_back)
{
	f->policy.limits[0].per_day_minor = 2000;
	permitted(f, 1, 2000);
	assert_int_equal(do_release(f, 1), REASON_NARROWS);
	assert_int_equal(spent_day(f, CNY), 0);
	do_spend(f, 2, 2000);
}

/* M3, M4: the same hold gives back once, and the count of payments stands. */
CASE(release_gives_back_once)
{
	f->policy.limits[0].count_day = 2;
	permitted(f, 1, 2000);
	permitted(f, 2, 3000);
	do_release(f, 1);
	do_release(f, 1);
	assert_true(f->d.replayed);
	assert_int_equal(spent_day(f, CNY), 3000);
	do_spend(f, 3, 100);
}

CASE(release_the_next_day_gives_nothing_to_it)
{
	f->policy.limits[0].per_day_minor = 2000;
	permitted(f, 1, 2000);
	fixture_wait(f, DAY_MS);
	link_spends(f, f->apple);
	permitted(f, 2, 2000);
	do_release(f, 1);
	assert_int_equal(spent_day(f, CNY), 2000);
	do_spend(f, 3, 1);
}

CASE(expiry_gives_back_to_the_month)
{
	f->policy.limits[0].per_month_minor = 2000;
	permitted(f, 1, 2000);
	fixture_wait(f, 7 * DAY_MS);
	link_spends(f, f->apple);
	do_spend(f, 2, 2000);
	assert_int_equal(payment(f, 1)->state, PAYMENT_EXPIRED);
}

CASE(part_capture_gives_back_the_rest)
{
	f->policy.limits[0].per_day_minor = 2000;
	permitted(f, 1, 2000);
	assert_int_equal(do_capture(f, 1, 1, 500), REASON_ASKED);
	assert_int_equal(spent_day(f, CNY), 500);
	do_spend(f, 2, 1500);
}

CASE(denied_payments_count_nothing)
{
	do_spend(f, 1, 200001);
	do_spend(f, 2, 200001);
	assert_int_equal(spent_day(f, CNY), 0);
	do_spend(f, 3, 2000);
}

CASE(refund_gives_back_no_limit)
{
	struct request r = spend_of(f, 1, 2000);

	r.capture = true;
	f->policy.limits[0].per_day_minor = 2000;
	assert_int_equal(do_countersigned(f, &r, f->totp), REASON_COUNTERSIGNED);
	assert_int_equal(do_refund(f, 1, 1, 2000), REASON_ASKED);
	do_spend(f, 2, 1);
}

CASE(sums_do_not_wrap)
{
	f->policy.limits[0] = (struct policy_limit){CNY, -1, INT64_MAX - 1, INT64_MAX - 1, -1, -1};
	permitted(f, 1, MONEY_MAX);
	for (size_t i = 0; i < f->account.counters_n; i++) {
		f->account.counters[i].day_minor = INT64_MAX - 1;
		f->account.counters[i].month_minor = INT64_MAX - 1;
	}
	do_spend(f, 2, 5);
}

CASE(holds_are_bounded)
{
	f->policy.limits[0] = (struct policy_limit){CNY, -1, -1, -1, -1, -1};
	f->policy.prompts_per_link_day = 1000;
	for (uint64_t i = 1; i <= ACCOUNT_HOLDS_MAX; i++)
		permitted(f, i, 100);
	do_spend(f, 100, 100);
}

/* A slot of last month that is needed itself is no room for another. */
CASE(counters_are_bounded)
{
	struct counter *c;

	permitted(f, 1, 100);
	while (f->account.counters_n < ACCOUNT_COUNTERS_MAX) {
		c = &f->account.counters[f->account.counters_n];
		*c = f->account.counters[0];
		c->subject = id_of('f', f->account.counters_n++);
	}
	for (size_t i = 0; i < f->account.counters_n; i++) {
		if (f->account.counters[i].currency == CURRENCY_NONE)
			f->account.counters[i].month--;
	}
	struct request r = spend_of(f, 2, 100);

	r.currency = JPY;
	spend_seal(&r);
	do_request(f, &r);
}

/* A raise waits: until then the smaller one binds, then the larger. */
CASE(raise_waits)
{
	struct limit l = limit_of(0, CNY);

	f->policy.limit_cooling_off_ms = DAY_MS;
	l.per_payment_minor = 1000;
	assert_int_equal(do_limit(f, &l, 0), REASON_NARROWS);
	l.per_payment_minor = 5000;
	assert_int_equal(do_limit(f, &l, f->totp), REASON_COUNTERSIGNED);
	assert_int_equal(f->account.limits_n, 2);
	fixture_wait(f, DAY_MS - 1000);
	link_spends(f, f->apple);
	do_spend(f, 1, 1001);
}

CASE(raise_binds_in_time)
{
	struct limit l = limit_of(0, CNY);

	f->policy.limit_cooling_off_ms = DAY_MS;
	l.per_payment_minor = 1000;
	assert_int_equal(do_limit(f, &l, 0), REASON_NARROWS);
	l.per_payment_minor = 5000;
	assert_int_equal(do_limit(f, &l, f->totp), REASON_COUNTERSIGNED);
	/* The same again says so, and binds no later. */
	assert_int_equal(do_limit(f, &l, 0), REASON_ASKED);
	assert_true(f->d.replayed);
	fixture_wait(f, DAY_MS);
	link_spends(f, f->apple);
	permitted(f, 1, 5000);
	do_spend(f, 2, 5001);
	/* What has come is one limit again. */
	l.per_payment_minor = 4000;
	assert_int_equal(do_limit(f, &l, 0), REASON_NARROWS);
	assert_int_equal(f->account.limits_n, 1);
	do_spend(f, 3, 4001);
}

CASE(second_raise_waits_anew)
{
	struct limit l = limit_of(0, CNY);

	f->policy.limit_cooling_off_ms = DAY_MS;
	l.per_payment_minor = 1000;
	do_limit(f, &l, 0);
	l.per_payment_minor = 5000;
	assert_int_equal(do_limit(f, &l, f->totp), REASON_COUNTERSIGNED);
	fixture_wait(f, DAY_MS / 2);
	l.per_payment_minor = 3000;
	assert_int_equal(do_limit(f, &l, f->totp), REASON_COUNTERSIGNED);
	assert_int_equal(f->account.limits_n, 2);
	fixture_wait(f, DAY_MS / 2);
	link_spends(f, f->apple);
	do_spend(f, 1, 1001);
}

CASE(lowering_takes_a_raise_back)
{
	struct limit l = limit_of(0, CNY);

	f->policy.limit_cooling_off_ms = DAY_MS;
	l.per_payment_minor = 1000;
	do_limit(f, &l, 0);
	l.per_payment_minor = 5000;
	assert_int_equal(do_limit(f, &l, f->totp), REASON_COUNTERSIGNED);
	l.per_payment_minor = 900;
	assert_int_equal(do_limit(f, &l, 0), REASON_NARROWS);
	assert_int_equal(f->account.limits_n, 1);
	fixture_wait(f, 2 * DAY_MS);
	link_spends(f, f->apple);
	do_spend(f, 1, 901);
}

/* One number up, one down: down at once, up in time. */
CASE(raise_that_lowers_something_lowers_it_at_once)
{
	struct limit l = limit_of(0, CNY);

	f->policy.limit_cooling_off_ms = DAY_MS;
	l.per_payment_minor = 1000;
	l.per_day_minor = 4000;
	do_limit(f, &l, 0);
	l.per_payment_minor = 5000;
	l.per_day_minor = 900;
	assert_int_equal(do_limit(f, &l, f->totp), REASON_COUNTERSIGNED);
	do_spend(f, 1, 901);
}

CASE(admins_raise_at_once)
{
	struct limit l = limit_of(0, CNY);

	f->policy.limit_cooling_off_ms = DAY_MS;
	l.author = AUTHOR_ADMIN;
	l.per_payment_minor = 1000;
	do_limit(f, &l, 0);
	l.per_payment_minor = 5000;
	assert_int_equal(do_limit(f, &l, 0), REASON_ASKED);
	do_spend(f, 1, 5001);
}

/* L14: a limit was set for an ID that was only proposed, and its older link had one: they become one, the smaller. */
CASE(relink_joins_limits)
{
	struct limit l = limit_of(f->apple, CNY), filler = limit_of(0, CURRENCY_NONE);
	struct request r;
	uint32_t no;
	struct id challenge;

	f->policy.limit_cooling_off_ms = DAY_MS;
	f->policy.link_cooling_off_ms = 0;
	l.per_payment_minor = 1000;
	assert_int_equal(do_limit(f, &l, 0), REASON_NARROWS);
	do_narrow(f, f->apple, LINK_REVOKED);
	assert_int_equal(do_propose(f, APPLE, 1, &no), REASON_ASKED);
	l.link_no = no;
	l.per_payment_minor = 90000;
	l.count_day = 7;
	assert_int_equal(do_limit(f, &l, 0), REASON_NARROWS);
	r = link_of(no);
	do_request(f, &r);
	challenge = f->d.id;
	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_COUNTERSIGNED);
	fixture_wait(f, 1);
	link_spends(f, no);
	do_spend(f, 1, 1001);
	assert_int_equal(f->d.reason, REASON_LIMIT_PAYMENT);
	/* There is no room for its raise: that is said, and breaks nothing. */
	for (size_t i = 0; f->account.limits_n < ACCOUNT_LIMITS_MAX; i++) {
		filler.currency = currencies[i].number;
		filler.per_day_minor = 100000;
		do_limit(f, &filler, 0);
	}
	l.per_payment_minor = 5000;
	assert_int_equal(do_limit(f, &l, f->totp), REASON_FULL);
	do_spend(f, 3, 1001);
}

/* The zone moves west over midnight: the day that was counted stays counted. */
CASE(another_zone_empties_no_counter)
{
	f->policy.limits[0].per_day_minor = 2000;
	f->asked.now_ms += 13 * 60 * MINUTE_MS;
	link_spends(f, f->apple);
	permitted(f, 1, 2000);
	f->policy.utc_offset_s = -8 * 3600;
	do_spend(f, 2, 1);
}

/* --- rule 9 --- */

CASE(stack_missing)
{
	f->policy.services[0].stack = NULL;
	do_spend(f, 1, 2000);
}

CASE(stack_empty)
{
	fixture_stack(f, &f->checkout, "spend", NULL, 0);
	do_spend(f, 1, 2000);
}

CASE(stack_denies_spend)
{
	STACK(f, &f->checkout, "spend", "requisite deny", "required stepup");
	do_spend(f, 1, 2000);
}

/* S19: nothing that a stack says skips rules 10 to 12. */
CASE(stack_permit_alone)
{
	STACK(f, &f->checkout, "spend", "required permit");
	do_spend(f, 1, 2000);
}

CASE(stack_sufficient_before_stepup)
{
	STACK(f, &f->checkout, "spend", "sufficient permit", "required stepup");
	do_spend(f, 1, 2000);
}

CASE(stack_optional_lines_only)
{
	STACK(f, &f->checkout, "spend", "optional permit", "optional stepup");
	do_spend(f, 1, 2000);
}

CASE(stack_failed_optional_stepup)
{
	STACK(f, &f->checkout, "spend", "optional stepup");
	do_spend(f, 1, 2000);
}

CASE(stack_links_without_stepup)
{
	uint32_t no;
	struct request r;

	STACK(f, &f->checkout, "link", "sufficient permit");
	do_propose(f, GOOGLE, 9, &no);
	r = link_of(no);
	do_request(f, &r);
}

CASE(stack_provider_not_named)
{
	STACK(f, &f->checkout, "spend", "requisite provider google", "required stepup");
	do_spend(f, 1, 2000);
}

CASE(stack_limit_line)
{
	STACK(f, &f->checkout, "spend", "requisite limit per-payment=10CNY", "required stepup");
	do_spend(f, 1, 1001);
}

CASE(stack_limit_line_of_another_currency)
{
	STACK(f, &f->checkout, "spend", "requisite limit per-payment=10JPY", "required stepup");
	do_spend(f, 1, 1001);
}

CASE(stack_limit_line_ignores_another_currency)
{
	STACK(f, &f->checkout, "spend", "requisite limit per-payment=10JPY other=ignore", "required stepup");
	do_spend(f, 1, 1001);
}

CASE(stack_needs_two)
{
	struct request r = spend_of(f, 1, 2000);
	struct id challenge;

	STACK(f, &f->checkout, "spend", "required stepup factors=2");
	assert_int_equal(do_request(f, &r), REASON_COUNTERSIGNATURE_REQUIRED);
	challenge = f->d.id;
	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_ASKED);
	assert_int_equal(do_request(f, &r), REASON_COUNTERSIGNATURE_REQUIRED);
	assert_int_equal(do_answer(f, &challenge, f->webauthn, true), REASON_COUNTERSIGNED);
	do_request(f, &r);
}

CASE(stack_needs_more_than_there_are)
{
	STACK(f, &f->checkout, "spend", "required stepup factors=3");
	do_spend(f, 1, 2000);
}

CASE(stack_needs_a_kind_that_is_not_held)
{
	STACK(f, &f->checkout, "spend", "required stepup any=approve");
	do_spend(f, 1, 2000);
	assert_int_equal(prompts_open(f), 0);
}

CASE(stack_became_stricter)
{
	struct request r = spend_of(f, 1, 2000);
	struct id challenge;

	do_request(f, &r);
	challenge = f->d.id;
	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_COUNTERSIGNED);
	STACK(f, &f->checkout, "spend", "required stepup any=webauthn");
	do_request(f, &r);
}

/* --- rule 10: a countersignature --- */

static struct id
signed_for(struct fixture *f, const struct request *r)
{
	struct id challenge;

	assert_int_equal(do_request(f, r), REASON_COUNTERSIGNATURE_REQUIRED);
	challenge = f->d.id;
	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_COUNTERSIGNED);
	return challenge;
}

CASE(countersigned)
{
	struct request r = spend_of(f, 1, 2000);

	signed_for(f, &r);
	do_request(f, &r);
	assert_int_equal(f->account.challenges[0].state, CHALLENGE_USED);
	assert_int_equal(payment(f, 1)->basis, BASIS_COUNTERSIGNATURE);
}

CASE(signed_for_another_amount)
{
	struct request r = spend_of(f, 1, 2000);

	signed_for(f, &r);
	do_spend(f, 1, 2001);
}

CASE(signed_for_another_payment)
{
	struct request r = spend_of(f, 1, 2000), other = spend_of(f, 2, 2000);

	other.content = r.content;
	signed_for(f, &r);
	do_request(f, &other);
}

CASE(signed_for_another_content)
{
	struct request r = spend_of(f, 1, 2000);

	signed_for(f, &r);
	r.content.b[31] ^= 1;
	do_request(f, &r);
}

CASE(signed_in_another_session)
{
	struct request r = spend_of(f, 1, 2000);

	signed_for(f, &r);
	link_spends(f, f->apple);
	r.session = f->session;
	do_request(f, &r);
}

CASE(signed_through_another_link)
{
	struct request r = spend_of(f, 1, 2000);

	signed_for(f, &r);
	link_spends(f, f->google);
	r.session = f->session;
	do_request(f, &r);
}

CASE(signed_for_another_service)
{
	struct request r = spend_of(f, 1, 2000);

	signed_for(f, &r);
	f->asked.service = WALLET;
	link_spends(f, f->apple);
	r.session = f->session;
	do_request(f, &r);
}

CASE(signed_for_another_operation)
{
	struct hash content = {{'t'}};
	struct request thaw = {.op = OP_THAW, .content = content, .link_no = f->apple},
		       limit = thaw;

	limit.op = OP_LIMIT;
	assert_int_equal(do_request(f, &limit), REASON_COUNTERSIGNATURE_REQUIRED);
	struct id challenge = f->d.id;
	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_COUNTERSIGNED);
	do_request(f, &thaw);
}

CASE(signed_for_another_target)
{
	struct hash content = {{'x'}};
	struct request one = {.op = OP_FACTOR, .content = content, .target_no = f->webauthn},
		       two = one;

	assert_int_equal(do_request(f, &one), REASON_COUNTERSIGNATURE_REQUIRED);
	struct id challenge = f->d.id;
	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_COUNTERSIGNED);
	two.target_no = f->totp;
	do_request(f, &two);
}

CASE(signed_for_another_service_outside_a_session)
{
	struct request r = {.op = OP_THAW, .content = {{'t'}}, .link_no = f->apple};

	signed_for(f, &r);
	f->asked.service = WALLET;
	do_request(f, &r);
}

CASE(signed_for_another_link_outside_a_session)
{
	struct request r = {.op = OP_THAW, .content = {{'t'}}, .link_no = f->apple};

	signed_for(f, &r);
	r.link_no = f->google;
	do_request(f, &r);
}

/* --- the owner's page --- */

CASE(view_without_the_right)
{
	f->policy.services[0].rights &= ~(uint32_t)RIGHT_LINK;
	do_view(f, f->totp);
}

CASE(view_asks)
{
	do_view(f, 0);
}

CASE(view_opens)
{
	do_view(f, f->totp);
	assert_int_equal(f->d.events[0].type, EVENT_VIEW_OPENED);
	assert_int_equal(f->d.events[0].factors[0], f->totp);
}

CASE(view_opens_once)
{
	assert_int_equal(do_view(f, f->totp), REASON_COUNTERSIGNED);
	do_view(f, 0);
}

CASE(view_without_lines)
{
	STACK(f, &f->checkout, "view", "requisite deny");
	do_view(f, f->totp);
}

/* No link is named: whatever any of the linked providers controls opens nothing. */
CASE(view_by_what_a_provider_controls)
{
	f->policy.providers[1].controls_kinds = 1 << FACTOR_TOTP | 1 << FACTOR_WEBAUTHN;
	do_view(f, f->totp);
}

CASE(view_by_the_factor_that_stands)
{
	f->policy.providers[1].controls_kinds = 1 << FACTOR_WEBAUTHN;
	do_view(f, f->totp);
}

CASE(view_of_what_the_owner_froze)
{
	do_freeze(f, 0, AUTHOR_USER);
	do_view(f, f->totp);
}

CASE(view_of_what_an_admin_froze)
{
	do_freeze(f, 0, AUTHOR_ADMIN);
	do_view(f, f->totp);
}

CASE(view_with_what_was_signed_for_a_thaw)
{
	struct request r = {.op = OP_THAW, .content = {{'v'}}};

	do_freeze(f, 0, AUTHOR_USER);
	signed_for(f, &r);
	do_view(f, 0);
}

CASE(view_of_another_service)
{
	struct request r = {.op = OP_VIEW, .content = {{'v'}}};

	signed_for(f, &r);
	f->asked.service = WALLET;
	do_view(f, 0);
}

CASE(another_challenge_is_named)
{
	struct request r = spend_of(f, 1, 2000);

	signed_for(f, &r);
	r.challenge = id_of('?', 1);
	do_request(f, &r);
}

CASE(redeemed_at_the_last_moment)
{
	struct request r = spend_of(f, 1, 2000);

	signed_for(f, &r);
	fixture_wait(f, 5 * MINUTE_MS);
	do_request(f, &r);
}

CASE(redeemed_too_late)
{
	struct request r = spend_of(f, 1, 2000);

	signed_for(f, &r);
	fixture_wait(f, 5 * MINUTE_MS + 1);
	do_request(f, &r);
}

CASE(redeemed_after_the_time_was_shortened)
{
	struct request r = spend_of(f, 1, 2000);

	signed_for(f, &r);
	f->policy.redeem_ms = MINUTE_MS;
	fixture_wait(f, MINUTE_MS + 1);
	do_request(f, &r);
}

/* Prompts live ten minutes and are redeemed in five: eight that can no longer be redeemed are no
 * longer in the way. */
CASE(late_countersignatures_give_their_places)
{
	f->policy.open_per_link = 100;
	f->policy.prompts_per_link_day = 100;
	for (uint64_t i = 1; i <= ACCOUNT_CHALLENGES_MAX; i++) {
		struct request r = spend_of(f, i, 2000);

		signed_for(f, &r);
	}
	fixture_wait(f, 5 * MINUTE_MS + 1);
	do_spend(f, 100, 2000);
}

/* One that was answered at the end of its life is redeemed all the same, however many came after.
 */
CASE(answered_at_the_last_moment)
{
	struct request r = spend_of(f, 1, 2000);
	struct id challenge;

	f->policy.open_per_link = 100;
	f->policy.prompts_per_link_day = 100;
	do_request(f, &r);
	challenge = f->d.id;
	fixture_wait(f, 10 * MINUTE_MS - 1);
	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_COUNTERSIGNED);
	fixture_wait(f, 2 * MINUTE_MS);
	for (uint64_t i = 2; i <= ACCOUNT_CHALLENGES_MAX + 2; i++)
		do_spend(f, i, 2000);
	do_request(f, &r);
}

CASE(answered_too_late)
{
	struct id challenge;

	do_spend(f, 1, 2000);
	challenge = f->d.id;
	fixture_wait(f, 10 * MINUTE_MS);
	do_answer(f, &challenge, f->totp, true);
}

CASE(refused_is_not_asked_again)
{
	struct id challenge;

	do_spend(f, 1, 2000);
	challenge = f->d.id;
	assert_int_equal(do_refuse(f, &challenge, false), REASON_NARROWS);
	assert_int_equal(do_spend(f, 1, 2000), REASON_CHALLENGE_REFUSED);
	do_answer(f, &challenge, f->totp, true);
}

CASE(refused_after_it_was_signed)
{
	struct request r = spend_of(f, 1, 2000);
	struct id challenge = signed_for(f, &r);

	assert_int_equal(do_refuse(f, &challenge, false), REASON_NARROWS);
	do_request(f, &r);
}

/* --- rule 10: an allowance --- */

static struct id
allowed(struct fixture *f, const struct grant *g)
{
	struct id id;
	uint32_t no;

	assert_int_equal(do_grant(f, g, f->totp, &id, &no), REASON_COUNTERSIGNED);
	return id;
}

static void
allowed_usual(struct fixture *f)
{
	struct grant g = grant_of(f);

	allowed(f, &g);
}

CASE(allowance)
{
	allowed_usual(f);
	do_spend(f, 1, 10000);
	assert_int_equal(payment(f, 1)->basis, BASIS_ALLOWANCE);
	assert_int_equal(f->account.allowances[0].spent_minor, 10000);
}

CASE(allowance_payment_above)
{
	allowed_usual(f);
	do_spend(f, 1, 10001);
}

CASE(allowance_day_above)
{
	allowed_usual(f);
	assert_int_equal(do_spend(f, 1, 10000), REASON_ALLOWANCE);
	assert_int_equal(do_spend(f, 2, 9999), REASON_ALLOWANCE);
	do_spend(f, 3, 2);
}

static void
next_day(struct fixture *f)
{
	struct request r;

	fixture_wait(f, DAY_MS);
	link_spends(f, f->apple);
	r = spend_of(f, 900 + (uint64_t)f->asked.now_ms % 97, 199999);
	assert_int_equal(do_countersigned(f, &r, f->webauthn), REASON_COUNTERSIGNED);
}

CASE(allowance_next_day)
{
	allowed_usual(f);
	assert_int_equal(do_spend(f, 1, 10000), REASON_ALLOWANCE);
	assert_int_equal(do_spend(f, 2, 10000), REASON_ALLOWANCE);
	next_day(f);
	do_spend(f, 3, 10000);
}

CASE(allowance_total_above)
{
	allowed_usual(f);
	assert_int_equal(do_spend(f, 1, 10000), REASON_ALLOWANCE);
	assert_int_equal(do_spend(f, 2, 10000), REASON_ALLOWANCE);
	next_day(f);
	assert_int_equal(do_spend(f, 3, 10000), REASON_ALLOWANCE);
	do_spend(f, 4, 1);
}

CASE(allowance_gets_back)
{
	allowed_usual(f);
	do_spend(f, 1, 10000);
	do_spend(f, 2, 10000);
	do_release(f, 1);
	do_spend(f, 3, 10000);
	assert_int_equal(f->account.allowances[0].spent_minor, 20000);
}

CASE(allowance_expired)
{
	struct grant g = grant_of(f);

	g.expires_ms = f->asked.now_ms + MINUTE_MS;
	allowed(f, &g);
	fixture_wait(f, MINUTE_MS);
	do_spend(f, 1, 10000);
}

CASE(allowance_at_another_payee)
{
	struct request r = spend_of(f, 1, 10000);

	allowed_usual(f);
	r.payee = id_of('m', 2);
	spend_seal(&r);
	do_request(f, &r);
}

CASE(allowance_for_any_payee)
{
	struct request r = spend_of(f, 1, 10000);
	struct grant g = grant_of(f);

	g.payee = (struct id){{0}};
	allowed(f, &g);
	r.payee = id_of('m', 2);
	spend_seal(&r);
	do_request(f, &r);
}

CASE(allowance_in_another_currency)
{
	struct request r = spend_of(f, 1, 1000);

	allowed_usual(f);
	r.currency = JPY;
	spend_seal(&r);
	do_request(f, &r);
}

/* M7 */
CASE(allowance_in_a_new_session)
{
	allowed_usual(f);
	link_spends(f, f->apple);
	do_spend(f, 1, 10000);
}

CASE(allowance_alone_in_a_new_session)
{
	struct request r;

	allowed_usual(f);
	STACK(f, &f->checkout, "spend", "required allowance");
	link_spends(f, f->apple);
	r = spend_of(f, 1, 10000);
	assert_int_equal(do_request(f, &r), REASON_NEW_SESSION);
	do_countersigned(f, &r, f->totp);
}

CASE(allowance_through_another_link)
{
	allowed_usual(f);
	link_spends(f, f->google);
	do_spend(f, 1, 10000);
}

CASE(allowance_at_another_service)
{
	allowed_usual(f);
	f->asked.service = WALLET;
	link_spends(f, f->apple);
	do_spend(f, 1, 10000);
}

CASE(allowance_revoked)
{
	allowed_usual(f);
	do_revoke(f, f->account.allowances[0].no);
	do_spend(f, 1, 10000);
}

CASE(allowance_not_yet_signed)
{
	struct grant g = grant_of(f);
	struct id id;
	uint32_t no;

	do_grant(f, &g, 0, &id, &no);
	f->account.sessions[0].countersigned = 1;
	do_spend(f, 1, 10000);
}

CASE(allowance_without_its_line)
{
	allowed_usual(f);
	STACK(f, &f->checkout, "spend", "required session", "required stepup");
	do_spend(f, 1, 10000);
}

CASE(allowance_not_asked_for)
{
	allowed_usual(f);
	STACK(f, &f->checkout, "spend", "required permit");
	do_spend(f, 1, 10000);
}

CASE(countersigned_payment_debits_no_allowance)
{
	struct request r = spend_of(f, 1, 10001);

	allowed_usual(f);
	signed_for(f, &r);
	do_request(f, &r);
	assert_int_equal(f->account.allowances[0].spent_minor, 0);
}

CASE(allowance_within_limits_only)
{
	allowed_usual(f);
	f->policy.limits[0].per_payment_minor = 5000;
	do_spend(f, 1, 10000);
}

CASE(allowance_whose_factor_was_removed)
{
	allowed_usual(f);
	assert_int_equal(do_remove(f, f->totp, f->webauthn), REASON_COUNTERSIGNED);
	do_spend(f, 1, 10000);
}

CASE(allowance_whose_factor_is_locked)
{
	allowed_usual(f);
	account_factor_by_no(&f->account, f->totp)->locked_until_ms = f->asked.now_ms + DAY_MS;
	do_spend(f, 1, 10000);
}

CASE(allowance_whose_factor_became_dependent)
{
	allowed_usual(f);
	f->policy.providers[0].controls_kinds = 1 << FACTOR_TOTP;
	do_spend(f, 1, 10000);
}

CASE(grant_too_wide)
{
	struct grant g = grant_of(f);
	struct id id;
	uint32_t no;

	g.total_minor = INT64_MAX;
	do_grant(f, &g, f->totp, &id, &no);
}

CASE(grant_too_long)
{
	struct grant g = grant_of(f);
	struct id id;
	uint32_t no;

	g.expires_ms = f->asked.now_ms + 90 * DAY_MS + 1;
	do_grant(f, &g, f->totp, &id, &no);
}

CASE(grant_without_limit_in_its_currency)
{
	struct grant g = grant_of(f);
	struct id id;
	uint32_t no;

	g.currency = KWD;
	do_grant(f, &g, f->totp, &id, &no);
}

CASE(grant_in_no_session)
{
	struct grant g = grant_of(f);
	struct id id;
	uint32_t no;

	g.session = id_of('?', 1);
	do_grant(f, &g, f->totp, &id, &no);
}

CASE(mandate_for_anybody)
{
	struct grant g = grant_of(f);
	struct id id;
	uint32_t no;

	g.kind = ALLOWANCE_MANDATE;
	g.payee = (struct id){{0}};
	do_grant(f, &g, f->totp, &id, &no);
}

/* What is opened must be what was asked in this session's link, of this service. */
CASE(grant_of_another_links_proposal)
{
	struct grant g = grant_of(f);
	struct request r;
	struct id id;
	uint32_t no;

	do_grant(f, &g, 0, &id, &no);
	link_spends(f, f->google);
	g.session = f->session;
	r = grant_request(f, &g, no);
	do_request(f, &r);
}

CASE(grant_of_another_services_proposal)
{
	struct grant g = grant_of(f);
	struct request r;
	struct id id;
	uint32_t no;

	do_grant(f, &g, 0, &id, &no);
	f->asked.service = WALLET;
	link_spends(f, f->apple);
	g.session = f->session;
	r = grant_request(f, &g, no);
	do_request(f, &r);
}

CASE(grant_revoked_before_the_last_answer)
{
	struct grant g = grant_of(f);
	struct id id, challenge;
	uint32_t no;

	do_grant(f, &g, 0, &id, &no);
	challenge = f->d.id;
	do_revoke(f, no);
	do_answer(f, &challenge, f->totp, true);
}

/* --- rule 10: a mandate --- */

static struct request
mandated(struct fixture *f)
{
	struct grant g = grant_of(f);
	struct request r;

	g.kind = ALLOWANCE_MANDATE;
	r = spend_of(f, 1, 10000);
	r.allowance = allowed(f, &g);
	r.session = (struct id){{0}};
	return r;
}

CASE(mandate)
{
	struct request r = mandated(f);

	fixture_wait(f, DAY_MS);
	do_request(f, &r);
	assert_int_equal(payment(f, 1)->basis, BASIS_MANDATE);
}

CASE(mandate_exhausted)
{
	struct request r = mandated(f);

	r.amount_minor = 10001;
	spend_seal(&r);
	do_request(f, &r);
}

/* Nobody is there to be asked: no prompt, and no payment without a session. */
CASE(mandate_revoked)
{
	struct request r = mandated(f);

	do_revoke(f, f->account.allowances[0].no);
	do_request(f, &r);
}

CASE(mandate_of_another_service)
{
	struct request r = mandated(f);

	f->asked.service = WALLET;
	do_request(f, &r);
}

CASE(mandate_at_another_payee)
{
	struct request r = mandated(f);

	r.payee = id_of('m', 2);
	spend_seal(&r);
	do_request(f, &r);
}

CASE(mandate_is_no_allowance_for_a_session)
{
	struct request r = mandated(f);

	r.session = f->session;
	r.allowance = (struct id){{0}};
	do_request(f, &r);
}

CASE(allowance_is_no_mandate)
{
	struct grant g = grant_of(f);
	struct request r = spend_of(f, 1, 10000);

	r.allowance = allowed(f, &g);
	r.session = (struct id){{0}};
	do_request(f, &r);
}

/* The link that it was for has given its place to others. */
CASE(mandate_of_a_link_that_is_gone)
{
	struct request r = mandated(f);
	uint32_t no;

	do_narrow(f, f->apple, LINK_REVOKED);
	for (uint64_t i = 0; i < ACCOUNT_LINKS_MAX; i++) {
		f->policy.prompts_per_link_day = 1000;
		assert_int_equal(do_link(f, GOOGLE, 100 + i, f->totp, &no), REASON_COUNTERSIGNED);
		if (i < ACCOUNT_LINKS_MAX - 1)
			do_narrow(f, no, LINK_REVOKED);
	}
	assert_null(account_link_by_no(&f->account, f->apple));
	do_request(f, &r);
}

/* --- rule 11 --- */

CASE(provider_controls_the_kind)
{
	f->policy.providers[0].controls_kinds = 1 << FACTOR_TOTP | 1 << FACTOR_WEBAUTHN;
	do_spend(f, 1, 2000);
}

/* The passkey was enrolled on the word of the TOTP; what that rests on, it rests on. */
CASE(enrolled_on_the_word_of_a_dependent_factor)
{
	f->policy.providers[0].controls_kinds = 1 << FACTOR_TOTP;
	do_spend(f, 1, 2000);
}

CASE(enrolled_before_the_dependent_factor)
{
	f->policy.providers[0].controls_kinds = 1 << FACTOR_WEBAUTHN;
	do_spend(f, 1, 2000);
}

CASE(plugin_of_the_provider)
{
	f->policy.providers[0].plugin = PLUGIN_TOTP;
	do_spend(f, 1, 2000);
}

CASE(syncs_secrets_is_unknown)
{
	f->policy.providers[0].syncs_secrets = true;
	do_spend(f, 1, 2000);
}

CASE(syncs_secrets_assumed_independent)
{
	struct request r = spend_of(f, 1, 2000);

	f->policy.providers[0].syncs_secrets = true;
	f->policy.providers[0].assume_kinds = 1 << FACTOR_TOTP;
	signed_for(f, &r);
	fixture_begin(f);
	decide(&f->asked, &f->account, &r, &f->d);
	assert_true((f->d.events[0].flags & EVENT_FLAG_ASSUMED) != 0);
	fixture_commit(f);
}

CASE(known_independent_is_not_assumed)
{
	struct request r = spend_of(f, 1, 2000);

	signed_for(f, &r);
	fixture_begin(f);
	decide(&f->asked, &f->account, &r, &f->d);
	assert_true((f->d.events[0].flags & EVENT_FLAG_ASSUMED) == 0);
	fixture_commit(f);
}

CASE(support_left_the_state)
{
	struct factor *w = account_factor_by_no(&f->account, f->webauthn);

	w->rests_on[0] = 999;
	f->account.next_no = 2000;
	w->no = 1000;
	do_remove(f, f->totp, f->totp);
	do_spend(f, 1, 2000);
}

CASE(support_removed_still_counts)
{
	assert_int_equal(do_remove(f, f->totp, f->totp), REASON_COUNTERSIGNED);
	f->policy.providers[0].controls_kinds = 1 << FACTOR_TOTP;
	do_spend(f, 1, 2000);
}

CASE(dependent_since_it_was_signed)
{
	struct request r = spend_of(f, 1, 2000);

	signed_for(f, &r);
	f->policy.providers[0].controls_kinds = 1 << FACTOR_TOTP;
	do_request(f, &r);
}

CASE(dependent_factor_may_not_answer)
{
	struct id challenge;

	do_spend(f, 1, 2000);
	challenge = f->d.id;
	f->policy.providers[0].controls_kinds = 1 << FACTOR_WEBAUTHN;
	do_answer(f, &challenge, f->webauthn, true);
}

CASE(kind_that_was_not_asked_may_not_answer)
{
	struct id challenge;

	STACK(f, &f->checkout, "spend", "required stepup any=totp");
	do_spend(f, 1, 2000);
	challenge = f->d.id;
	do_answer(f, &challenge, f->webauthn, true);
}

/* S13: what the stolen ID controls must not link the thief's own ID, which it would be independent
 * of. */
CASE(dependent_factor_links_another_id)
{
	struct id challenge;
	struct request r;
	uint32_t no;

	f->policy.providers[0].controls_kinds = 1 << FACTOR_WEBAUTHN;
	do_propose(f, GOOGLE, 66, &no);
	r = link_of(no);
	assert_int_equal(do_request(f, &r), REASON_COUNTERSIGNATURE_REQUIRED);
	challenge = f->d.id;
	do_answer(f, &challenge, f->webauthn, true);
}

/* Nor after the thief has unlinked the stolen ID, which needs no factor. */
CASE(dependent_factor_links_after_unlinking)
{
	f->policy.providers[0].controls_kinds = 1 << FACTOR_TOTP | 1 << FACTOR_WEBAUTHN;
	do_narrow(f, f->apple, LINK_REVOKED);
	uint32_t no;
	struct request r;

	do_propose(f, GOOGLE, 66, &no);
	r = link_of(no);
	do_request(f, &r);
}

CASE(dependent_factor_enrols_another)
{
	f->policy.providers[0].controls_kinds = 1 << FACTOR_TOTP;
	do_enrol(f, FACTOR_WEBAUTHN, PLUGIN_WEBAUTHN, 0);
}

/* The stolen Apple ID and its passkey do not raise what may be spent through Google. */
CASE(dependent_factor_raises_another_links_limit)
{
	struct limit l = limit_of(f->google, CNY);

	f->policy.providers[0].controls_kinds = 1 << FACTOR_TOTP | 1 << FACTOR_WEBAUTHN;
	l.per_day_minor = 1000;
	do_limit(f, &l, 0);
	l.per_day_minor = 2000;
	do_limit(f, &l, 0);
}

CASE(factor_cooling_off)
{
	fixture_init(f);
	f->policy.link_cooling_off_ms = 0;
	f->policy.factors[FACTOR_TOTP].cooling_off_ms = 2 * DAY_MS;
	do_enrol(f, FACTOR_TOTP, PLUGIN_TOTP, 0);
	do_enrol(f, FACTOR_WEBAUTHN, PLUGIN_WEBAUTHN, 0);
	assert_int_equal(f->d.detail.until_ms, f->asked.now_ms + 2 * DAY_MS);
}

CASE(factor_removed)
{
	do_remove(f, f->webauthn, f->totp);
	STACK(f, &f->checkout, "spend", "required stepup any=webauthn");
	do_spend(f, 1, 2000);
}

CASE(factor_disabled)
{
	f->policy.factors[FACTOR_TOTP].enabled = false;
	f->policy.factors[FACTOR_WEBAUTHN].enabled = false;
	do_spend(f, 1, 2000);
}

CASE(factor_of_another_plugin)
{
	f->policy.factors[FACTOR_TOTP].plugin = 999;
	f->policy.factors[FACTOR_WEBAUTHN].plugin = 999;
	do_spend(f, 1, 2000);
}

/* A PAM conversation, which the engine cannot check again. */
static void
pam_only(struct fixture *f)
{
	fixture_init(f);
	f->policy.factors[FACTOR_PAM].cooling_off_ms = 0;
	f->policy.link_cooling_off_ms = 0;
	f->policy.trusted[0] = (struct policy_limit){CNY, 5000, -1, -1, -1, -1};
	f->policy.trusted_n = 1;
	do_enrol(f, FACTOR_PAM, PLUGIN_PAM, 0);
	f->totp = f->d.no;
	fixture_wait(f, 1);
	assert_int_equal(do_link(f, APPLE, 1, f->totp, &f->apple), REASON_COUNTERSIGNED);
	fixture_wait(f, 1);
	link_spends(f, f->apple);
}

CASE(trusted_factor_within_its_limit)
{
	struct request r;

	pam_only(f);
	r = spend_of(f, 1, 5000);
	do_countersigned(f, &r, f->totp);
}

CASE(trusted_factor_above_its_limit)
{
	pam_only(f);
	do_spend(f, 1, 5001);
}

CASE(trusted_factor_in_another_currency)
{
	struct request r;

	pam_only(f);
	r = spend_of(f, 1, 1000);
	r.currency = JPY;
	spend_seal(&r);
	do_request(f, &r);
}

CASE(trusted_factor_beside_a_better_one)
{
	struct id challenge;

	assert_int_equal(do_enrol(f, FACTOR_PAM, PLUGIN_PAM, f->totp), REASON_COUNTERSIGNED);
	uint32_t pam = f->d.no;

	fixture_wait(f, DAY_MS);
	link_spends(f, f->apple);
	assert_int_equal(do_spend(f, 1, 2000), REASON_COUNTERSIGNATURE_REQUIRED);
	challenge = f->d.id;
	do_answer(f, &challenge, pam, true);
}

CASE(recovery_code_does_not_pay)
{
	assert_int_equal(
	    do_enrol(f, FACTOR_RECOVERY, PLUGIN_RECOVERY, f->totp), REASON_COUNTERSIGNED);
	fixture_wait(f, DAY_MS);
	link_spends(f, f->apple);
	STACK(f, &f->checkout, "spend", "required stepup any=recovery");
	do_spend(f, 1, 2000);
}

/* Locks: a minute, then twice as long each time, to a day. */
static int64_t
lock(struct fixture *f)
{
	struct id challenge;

	assert_int_equal(
	    do_spend(f, 50 + (uint64_t)f->ids, 2000), REASON_COUNTERSIGNATURE_REQUIRED);
	challenge = f->d.id;
	for (int i = 0; i < 5; i++)
		assert_int_equal(do_answer(f, &challenge, f->totp, false), REASON_FACTOR_REJECTED);
	return factor(f, f->totp)->locked_until_ms - f->asked.now_ms;
}

CASE(locks_grow)
{
	int64_t expected = MINUTE_MS;

	f->policy.prompts_per_link_day = 1000;
	f->policy.session_idle_ms = f->policy.session_max_ms = 300 * DAY_MS;
	STACK(f, &f->checkout, "spend", "required stepup");
	for (int i = 0; i < 14; i++) {
		assert_int_equal(lock(f), expected);
		f->asked.now_ms = factor(f, f->totp)->locked_until_ms;
		expected = expected * 2 < DAY_MS ? expected * 2 : DAY_MS;
	}
	do_spend(f, 1, 2000);
}

CASE(right_answer_after_five_wrong_ones)
{
	struct id challenge;

	STACK(f, &f->checkout, "spend", "required stepup any=totp");
	do_spend(f, 1, 2000);
	challenge = f->d.id;
	for (int i = 0; i < 5; i++)
		do_answer(f, &challenge, f->totp, false);
	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_CHALLENGE_EXPIRED);
	do_spend(f, 1, 2000);
}

/* Over several prompts: the count is the factor's. */
CASE(wrong_answers_count_over_prompts)
{
	struct id one, two;

	do_spend(f, 1, 2000);
	one = f->d.id;
	do_spend(f, 2, 2000);
	two = f->d.id;
	for (int i = 0; i < 3; i++)
		do_answer(f, &one, f->totp, false);
	for (int i = 0; i < 2; i++)
		do_answer(f, &two, f->totp, false);
	do_answer(f, &two, f->totp, true);
}

CASE(right_answer_resets_the_count)
{
	struct request r = spend_of(f, 1, 2000);
	struct id challenge;

	do_request(f, &r);
	challenge = f->d.id;
	for (int i = 0; i < 4; i++)
		do_answer(f, &challenge, f->totp, false);
	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_COUNTERSIGNED);
	assert_int_equal(factor(f, f->totp)->failures, 0);
	do_request(f, &r);
}

CASE(locked_since_it_was_signed)
{
	struct request r = spend_of(f, 1, 2000);

	signed_for(f, &r);
	account_factor_by_no(&f->account, f->totp)->locked_until_ms = f->asked.now_ms + MINUTE_MS;
	do_request(f, &r);
}

CASE(other_factor_works_while_one_is_locked)
{
	struct request r = spend_of(f, 1, 2000);

	account_factor_by_no(&f->account, f->totp)->locked_until_ms = f->asked.now_ms + MINUTE_MS;
	do_countersigned(f, &r, f->webauthn);
}

CASE(totp_step_once)
{
	struct id one, two;

	do_spend(f, 1, 2000);
	one = f->d.id;
	do_spend(f, 2, 2000);
	two = f->d.id;
	assert_int_equal(do_answer_step(f, &one, f->totp, 1000), REASON_COUNTERSIGNED);
	do_answer_step(f, &two, f->totp, 1000);
}

CASE(totp_step_of_the_past)
{
	struct id one, two;

	do_spend(f, 1, 2000);
	one = f->d.id;
	do_spend(f, 2, 2000);
	two = f->d.id;
	assert_int_equal(do_answer_step(f, &one, f->totp, 1000), REASON_COUNTERSIGNED);
	do_answer_step(f, &two, f->totp, 999);
}

/* S4 */
CASE(same_factor_twice)
{
	struct id challenge;

	STACK(f, &f->checkout, "spend", "required stepup factors=2");
	do_spend(f, 1, 2000);
	challenge = f->d.id;
	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_ASKED);
	do_answer(f, &challenge, f->totp, true);
}

/* --- rule 12 --- */

CASE(countersignature_once)
{
	struct request r = spend_of(f, 1, 2000);
	struct id challenge = signed_for(f, &r);

	assert_int_equal(do_request(f, &r), REASON_COUNTERSIGNED);
	f->account.payments_n = 0; /* as if it had never been */
	r.challenge = challenge;
	do_request(f, &r);
}

CASE(enrolment_uses_its_countersignature_up)
{
	struct enrolment e = {.factor = id_of('f', 1),
	    .kind = FACTOR_TOTP,
	    .plugin = PLUGIN_TOTP,
	    .content = {{'e'}}};
	struct id challenge;

	fixture_begin(f);
	decide_enrol(&f->asked, &f->account, &e, &f->d);
	challenge = f->d.id;
	fixture_commit(f);
	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_COUNTERSIGNED);
	e.challenge = challenge;
	fixture_begin(f);
	decide_enrol(&f->asked, &f->account, &e, &f->d);
	fixture_commit(f);
	assert_int_equal(f->d.reason, REASON_COUNTERSIGNED);
	assert_int_equal(factor(f, f->d.no)->rests_on[0], f->totp);
	e.factor = id_of('f', 2);
	fixture_begin(f);
	decide_enrol(&f->asked, &f->account, &e, &f->d);
	fixture_commit(f);
}

/* --- prompts --- */

CASE(prompts_open_per_link)
{
	for (uint64_t i = 1; i <= 3; i++)
		assert_int_equal(do_spend(f, i, 2000), REASON_COUNTERSIGNATURE_REQUIRED);
	do_spend(f, 4, 2000);
}

/* S16: one stolen ID leaves places for the others. */
CASE(prompts_reserve_for_other_links)
{
	for (uint64_t i = 1; i <= 3; i++)
		do_spend(f, i, 2000);
	link_spends(f, f->google);
	do_spend(f, 5, 2000);
}

CASE(prompts_per_day)
{
	f->policy.session_idle_ms = DAY_MS;
	for (uint64_t i = 1; i <= 10; i++) {
		assert_int_equal(do_spend(f, i, 2000), REASON_COUNTERSIGNATURE_REQUIRED);
		fixture_wait(f, 10 * MINUTE_MS);
	}
	do_spend(f, 11, 2000);
}

CASE(prompts_the_next_day)
{
	f->policy.prompts_per_link_day = 1;
	assert_int_equal(do_spend(f, 1, 2000), REASON_COUNTERSIGNATURE_REQUIRED);
	assert_int_equal(do_spend(f, 2, 2000), REASON_PROMPT_BUDGET);
	fixture_wait(f, DAY_MS);
	link_spends(f, f->apple);
	do_spend(f, 3, 2000);
}

CASE(prompts_of_a_subject_proposed_again)
{
	struct request r;
	uint32_t no;

	f->policy.prompts_per_link_day = 1;
	do_propose(f, GOOGLE, 66, &no);
	r = link_of(no);
	assert_int_equal(do_request(f, &r), REASON_COUNTERSIGNATURE_REQUIRED);
	do_propose(f, GOOGLE, 66, &no);
	r = link_of(no);
	do_request(f, &r);
}

CASE(prompts_of_many_proposed_links)
{
	struct request r;
	uint32_t no;

	for (uint64_t i = 0; i < 3; i++) {
		do_propose(f, GOOGLE, 66 + i, &no);
		r = link_of(no);
		assert_int_equal(do_request(f, &r), REASON_COUNTERSIGNATURE_REQUIRED);
	}
	do_propose(f, GOOGLE, 70, &no);
	r = link_of(no);
	do_request(f, &r);
}

CASE(no_prompt_for_what_would_be_denied)
{
	f->policy.limits[0].per_payment_minor = 100;
	do_spend(f, 1, 2000);
	assert_int_equal(prompts_open(f), 0);
}

/* --- factors --- */

CASE(first_factor_once)
{
	do_remove(f, f->webauthn, f->totp);
	do_remove(f, f->totp, f->totp);
	do_enrol(f, FACTOR_TOTP, PLUGIN_TOTP, 0);
}

CASE(factors_are_bounded)
{
	f->policy.factors[FACTOR_TOTP].cooling_off_ms = 0;
	for (int i = 0; i < ACCOUNT_FACTORS_MAX - 2; i++)
		assert_int_equal(
		    do_enrol(f, FACTOR_TOTP, PLUGIN_TOTP, f->totp), REASON_COUNTERSIGNED);
	do_enrol(f, FACTOR_TOTP, PLUGIN_TOTP, f->totp);
}

/* One that was removed, but that others rest on, keeps its place. */
CASE(removed_factors_that_are_needed_keep_their_place)
{
	f->policy.factors[FACTOR_TOTP].cooling_off_ms = 0;
	for (int i = 0; i < ACCOUNT_FACTORS_MAX - 2; i++)
		assert_int_equal(
		    do_enrol(f, FACTOR_TOTP, PLUGIN_TOTP, f->totp), REASON_COUNTERSIGNED);
	assert_int_equal(do_remove(f, f->totp, f->webauthn), REASON_COUNTERSIGNED);
	do_enrol(f, FACTOR_TOTP, PLUGIN_TOTP, f->webauthn);
}

CASE(factor_of_a_kind_that_is_not_configured)
{
	do_enrol(f, FACTOR_APPROVE, 999, f->totp);
}

/* --- limits, freezes --- */

CASE(limit_lowered_at_once)
{
	struct limit l = limit_of(0, CNY);

	l.per_day_minor = 1000;
	do_limit(f, &l, 0);
	assert_int_equal(f->account.limits_n, 1);
}

CASE(limit_raised_with_a_prompt)
{
	struct limit l = limit_of(0, CNY);

	l.per_day_minor = 1000;
	do_limit(f, &l, 0);
	l.per_day_minor = 1001;
	do_limit(f, &l, 0);
	assert_int_equal(f->account.limits[0].per_day_minor, 1000);
}

CASE(limit_dropped_with_a_prompt)
{
	struct limit l = limit_of(0, CNY);

	l.per_day_minor = 1000;
	do_limit(f, &l, 0);
	l.per_day_minor = -1;
	do_limit(f, &l, 0);
}

CASE(limit_raised)
{
	struct limit l = limit_of(0, CNY);

	l.per_day_minor = 1000;
	do_limit(f, &l, 0);
	l.per_day_minor = 2000;
	do_limit(f, &l, f->totp);
	assert_int_equal(f->account.limits[0].per_day_minor, 2000);
}

CASE(limit_of_an_admin_stands_beside)
{
	struct limit l = limit_of(0, CNY);

	l.per_day_minor = 1000;
	l.author = AUTHOR_ADMIN;
	assert_int_equal(do_limit(f, &l, 0), REASON_ASKED);
	l.author = AUTHOR_USER;
	l.per_day_minor = 5000;
	do_limit(f, &l, 0);
	do_spend(f, 1, 1001);
}

CASE(limit_of_an_unknown_link)
{
	struct limit l = limit_of(999, CNY);

	do_limit(f, &l, 0);
}

CASE(limit_beyond_all_money)
{
	struct limit l = limit_of(0, CNY);

	l.per_day_minor = INT64_MAX;
	do_limit(f, &l, 0);
}

CASE(freeze_of_an_unknown_link)
{
	do_freeze(f, 999, AUTHOR_USER);
}

CASE(not_me_of_an_unknown_link)
{
	do_not_me(f, 999);
}

CASE(freeze_again)
{
	do_freeze(f, 0, AUTHOR_USER);
	do_freeze(f, 0, AUTHOR_USER);
	assert_true(f->d.replayed);
}

CASE(users_freeze_thawed_with_a_prompt)
{
	do_freeze(f, 0, AUTHOR_USER);
	do_thaw(f, 0, AUTHOR_USER, 0);
	assert_int_equal(f->account.freezes_n, 1);
}

CASE(users_freeze_thawed)
{
	do_freeze(f, 0, AUTHOR_USER);
	do_thaw(f, 0, AUTHOR_USER, f->totp);
	assert_int_equal(f->account.freezes_n, 0);
}

CASE(users_freeze_not_thawed_by_an_admin)
{
	do_freeze(f, 0, AUTHOR_USER);
	do_thaw(f, 0, AUTHOR_ADMIN, 0);
	assert_int_equal(f->account.freezes_n, 1);
	do_spend(f, 1, 2000);
}

CASE(admins_freeze_not_thawed_by_the_user)
{
	do_freeze(f, 0, AUTHOR_ADMIN);
	do_freeze(f, 0, AUTHOR_USER);
	do_thaw(f, 0, AUTHOR_USER, f->totp);
	assert_int_equal(f->account.freezes_n, 2);
}

CASE(suspension_not_lifted_by_an_admins_thaw)
{
	do_narrow(f, f->apple, LINK_SUSPENDED);
	do_freeze(f, f->apple, AUTHOR_ADMIN);
	do_thaw(f, f->apple, AUTHOR_ADMIN, 0);
	assert_int_equal(account_link_by_no(&f->account, f->apple)->state, LINK_SUSPENDED);
	fixture_wait(f, 1);
	do_session(f, f->apple, &f->session);
}

CASE(suspension_lifted_by_the_user)
{
	do_narrow(f, f->apple, LINK_SUSPENDED);
	assert_int_equal(do_thaw(f, f->apple, AUTHOR_USER, f->totp), REASON_COUNTERSIGNED);
	fixture_wait(f, 1);
	link_spends(f, f->apple);
	do_spend(f, 1, 2000);
}

CASE(thaw_by_a_dependent_factor)
{
	f->policy.providers[0].controls_kinds = 1 << FACTOR_TOTP;
	do_freeze(f, f->apple, AUTHOR_USER);
	do_thaw(f, f->apple, AUTHOR_USER, 0);
}

CASE(not_me)
{
	struct id challenge;

	allowed_usual(f);
	permitted(f, 1, 10001);
	do_spend(f, 2, 10002);
	challenge = f->d.id;
	assert_int_equal(do_not_me(f, f->apple), REASON_NOT_ME);
	assert_int_equal(payment(f, 1)->state, PAYMENT_RELEASED);
	assert_int_equal(spent_day(f, CNY), 10001);
	assert_int_equal(f->account.allowances[0].state, ALLOWANCE_REVOKED);
	assert_int_equal(f->account.sessions_n, 0);
	assert_int_equal(f->account.freezes[0].link_no, f->apple);
	assert_int_equal(do_capture(f, 1, 1, -1), REASON_HOLD_RELEASED);
	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_CHALLENGE_EXPIRED);
	do_session(f, f->apple, &f->session);
}

CASE(not_me_spares_other_links)
{
	do_not_me(f, f->apple);
	link_spends(f, f->google);
	do_spend(f, 1, 2000);
}

CASE(not_me_reported_on_the_card)
{
	struct id challenge, session;

	do_spend(f, 1, 2000);
	challenge = f->d.id;
	assert_int_equal(do_refuse(f, &challenge, true), REASON_NARROWS);
	assert_int_equal(f->account.freezes[0].author, AUTHOR_USER);
	do_session(f, f->apple, &session);
}

/* Freezes of single links leave places for those of the account; beyond them, not-me freezes the
 * account. */
CASE(not_me_without_a_place)
{
	uint32_t no;

	f->policy.prompts_per_link_day = 100;
	f->policy.open_per_link = 100;
	do_freeze(f, f->google, AUTHOR_ADMIN);
	for (uint64_t i = 0; i < 6; i++) {
		assert_int_equal(do_link(f, APPLE, 100 + i, f->totp, &no), REASON_COUNTERSIGNED);
		do_not_me(f, no);
		if (i == 3)
			assert_int_equal(f->account.freezes_n, 5);
		if (i >= 4)
			break;
	}
	assert_int_equal(f->account.freezes[0].link_no, f->google);
	assert_int_equal(f->account.freezes[0].author, AUTHOR_ADMIN);
	assert_int_equal(do_freeze(f, 0, AUTHOR_ADMIN), REASON_NARROWS);
	do_session(f, f->apple, &f->session);
}

CASE(close_ends_everything)
{
	allowed_usual(f);
	permitted(f, 1, 20000);
	assert_int_equal(do_close(f), REASON_NARROWS);
	assert_int_equal(f->account.sessions_n, 0);
	assert_int_equal(payment(f, 1)->state, PAYMENT_RELEASED);
	do_enrol(f, FACTOR_TOTP, PLUGIN_TOTP, f->totp);
}

/* --- capture and refund --- */

CASE(capture)
{
	permitted(f, 1, 2000);
	do_capture(f, 1, 1, -1);
	assert_int_equal(payment(f, 1)->captured_minor, 2000);
}

CASE(capture_again)
{
	permitted(f, 1, 2000);
	do_capture(f, 1, 1, 1500);
	do_capture(f, 1, 1, 1500);
	assert_true(f->d.replayed);
	assert_int_equal(spent_day(f, CNY), 1500);
}

CASE(capture_under_another_id)
{
	permitted(f, 1, 2000);
	do_capture(f, 1, 1, 1500);
	do_capture(f, 1, 2, 1500);
}

CASE(capture_another_amount)
{
	permitted(f, 1, 2000);
	do_capture(f, 1, 1, 1500);
	do_capture(f, 1, 1, 1400);
}

CASE(capture_more_than_held)
{
	permitted(f, 1, 2000);
	do_capture(f, 1, 1, 2001);
	assert_int_equal(payment(f, 1)->state, PAYMENT_HELD);
}

CASE(capture_nothing)
{
	permitted(f, 1, 2000);
	do_capture(f, 1, 1, 0);
}

CASE(capture_less_than_nothing)
{
	permitted(f, 1, 2000);
	do_capture(f, 1, 1, -2);
}

CASE(capture_after_freeze)
{
	permitted(f, 1, 2000);
	do_freeze(f, 0, AUTHOR_ADMIN);
	do_capture(f, 1, 1, -1);
}

CASE(capture_after_suspension)
{
	permitted(f, 1, 2000);
	do_narrow(f, f->apple, LINK_SUSPENDED);
	do_capture(f, 1, 1, -1);
}

CASE(capture_after_unlinking)
{
	permitted(f, 1, 2000);
	do_narrow(f, f->apple, LINK_REVOKED);
	do_capture(f, 1, 1, -1);
}

CASE(capture_from_a_frozen_provider)
{
	permitted(f, 1, 2000);
	f->broker.providers[0].frozen = true;
	do_capture(f, 1, 1, -1);
}

CASE(capture_after_lowered_payment_limit)
{
	struct limit l = limit_of(0, CNY);

	permitted(f, 1, 2000);
	l.per_payment_minor = 1999;
	do_limit(f, &l, 0);
	do_capture(f, 1, 1, -1);
}

CASE(capture_after_lowered_day_limit)
{
	struct limit l = limit_of(f->apple, CNY);

	permitted(f, 1, 2000);
	l.per_day_minor = 1999;
	do_limit(f, &l, 0);
	do_capture(f, 1, 1, -1);
}

CASE(capture_after_an_admin_lowered_the_provider)
{
	permitted(f, 1, 2000);
	f->broker.providers[0].limits[0] = (struct policy_limit){CNY, 1999, -1, -1, -1, -1};
	f->broker.providers[0].limits_n = 1;
	do_capture(f, 1, 1, -1);
}

CASE(capture_at_the_limit)
{
	f->policy.limits[0] = (struct policy_limit){CNY, 2000, 2000, 2000, 1, 1};
	permitted(f, 1, 2000);
	do_capture(f, 1, 1, -1);
}

CASE(capture_expired)
{
	permitted(f, 1, 2000);
	fixture_wait(f, 7 * DAY_MS);
	do_capture(f, 1, 1, -1);
}

CASE(capture_released)
{
	permitted(f, 1, 2000);
	do_release(f, 1);
	do_capture(f, 1, 1, -1);
}

CASE(release_captured)
{
	permitted(f, 1, 2000);
	do_capture(f, 1, 1, -1);
	do_release(f, 1);
}

static void
captured(struct fixture *f, uint64_t n, int64_t amount_minor)
{
	struct request r = spend_of(f, n, amount_minor);

	r.capture = true;
	assert_int_equal(do_countersigned(f, &r, f->totp), REASON_COUNTERSIGNED);
}

CASE(refund_again)
{
	captured(f, 1, 2000);
	do_refund(f, 1, 1, 1500);
	do_refund(f, 1, 1, 1500);
	assert_true(f->d.replayed);
	assert_int_equal(payment(f, 1)->refunded_minor, 1500);
}

CASE(refund_again_another_amount)
{
	captured(f, 1, 2000);
	do_refund(f, 1, 1, 1500);
	do_refund(f, 1, 1, 100);
}

CASE(refunds_above_what_was_captured)
{
	captured(f, 1, 2000);
	do_refund(f, 1, 1, 1500);
	do_refund(f, 1, 2, 501);
	assert_int_equal(payment(f, 1)->refunded_minor, 1500);
}

CASE(refund_negative)
{
	captured(f, 1, 2000);
	do_refund(f, 1, 1, -5);
}

CASE(refund_of_a_hold)
{
	permitted(f, 1, 2000);
	do_refund(f, 1, 1, 100);
}

CASE(refund_of_a_payment_that_left_the_ring)
{
	struct id refund = id_of('r', 1), id = id_of(CHECKOUT, 1);
	struct payment old;

	captured(f, 1, 2000);
	old = *payment(f, 1);
	f->account.payments_n = 0;
	fixture_begin(f);
	decide_refund(&f->asked, &f->account, &old, &id, &refund, 2000, &f->d);
	fixture_commit(f);
	assert_int_equal(payment(f, 1)->refunded_minor, 2000);
	assert_int_equal(payment(f, 1)->permitted_ms, old.permitted_ms);
	do_refund(f, 1, 2, 1);
}

/* Sixty-four holds and a full ring: the revived payment takes the place of the oldest. */
CASE(refund_into_a_full_state)
{
	struct id refund = id_of('r', 1), id = id_of(CHECKOUT, 1000);
	struct payment old;

	f->policy.limits[0] = (struct policy_limit){CNY, -1, -1, -1, -1, -1};
	f->policy.prompts_per_link_day = 1000;
	captured(f, 1000, 2000);
	old = *payment(f, 1000);
	for (uint64_t i = 1; i <= ACCOUNT_RECENT_MAX; i++)
		captured(f, i, 100);
	assert_null(payment(f, 1000));
	for (uint64_t i = 100; i < 100 + ACCOUNT_HOLDS_MAX; i++)
		permitted(f, i, 100);
	assert_int_equal(f->account.payments_n, ACCOUNT_PAYMENTS_MAX);
	fixture_begin(f);
	decide_refund(&f->asked, &f->account, &old, &id, &refund, 2000, &f->d);
	fixture_commit(f);
	assert_int_equal(f->left.payments_n, 1);
	assert_int_equal(payment(f, 1000)->refunded_minor, 2000);
}

/* --- time --- */

CASE(clock_back)
{
	f->policy.limits[0].per_day_minor = 2000;
	permitted(f, 1, 2000);
	f->asked.now_ms -= 3 * DAY_MS;
	do_spend(f, 2, 1);
}

/* --- the table --- */

struct row {
	const char *name;
	void (*run)(struct fixture *f);
	enum reason reason;
};

#define ROW(rule, name, reason)                                                                    \
	{                                                                                          \
		"rule " rule ": " #name, name, REASON_##reason                                     \
	}

static const struct row rows[] = {
    ROW("1", service_unknown, SERVICE_RIGHT),
    ROW("1", service_through_another_door, SERVICE_RIGHT),
    ROW("1", service_without_right, SERVICE_RIGHT),
    ROW("1", view_without_the_right, SERVICE_RIGHT),
    ROW("1", service_without_right_links, SERVICE_RIGHT),
    ROW("1", service_without_right_enrols, SERVICE_RIGHT),
    ROW("1", session_of_another_service, SESSION_INVALID),
    ROW("1", capture_of_another_service, HOLD_EXPIRED),
    ROW("1", release_of_another_service, HOLD_EXPIRED),
    ROW("1", refund_without_right, SERVICE_RIGHT),
    ROW("2", account_unknown, ACCOUNT_UNKNOWN),
    ROW("2", view_of_what_the_owner_froze, COUNTERSIGNED),
    ROW("2", view_of_what_an_admin_froze, ACCOUNT_FROZEN),
    ROW("2", account_unknown_is_not_limited, ACCOUNT_UNKNOWN),
    ROW("2", account_unknown_is_not_frozen, ACCOUNT_UNKNOWN),
    ROW("2", account_closed, ACCOUNT_CLOSED),
    ROW("2", account_frozen_by_user, ACCOUNT_FROZEN),
    ROW("2", account_frozen_by_admin, ACCOUNT_FROZEN),
    ROW("2", broker_frozen, BROKER_FROZEN),
    ROW("2", clock_not_ok, CLOCK),
    ROW("2", frozen_account_enrols_no_factor, ACCOUNT_FROZEN),
    ROW("2", frozen_account_gets_no_link, ACCOUNT_FROZEN),
    ROW("2", frozen_account_opens_no_session, ACCOUNT_FROZEN),
    ROW("2", closed_account_refunds, ASKED),
    ROW("3", provider_disabled, PROVIDER_DISABLED),
    ROW("3", provider_not_configured, PROVIDER_DISABLED),
    ROW("3", provider_changed, PROVIDER_CHANGED),
    ROW("3", provider_frozen, PROVIDER_FROZEN),
    ROW("3", provider_stale, PROVIDER_STALE),
    ROW("3", provider_without_state, PROVIDER_STALE),
    ROW("3", provider_frozen_does_not_stop_another, COUNTERSIGNATURE_REQUIRED),
    ROW("4", link_revoked, LINK_REVOKED),
    ROW("4", link_suspended, LINK_SUSPENDED),
    ROW("4", link_frozen, LINK_SUSPENDED),
    ROW("4", link_unknown, LINK_UNKNOWN),
    ROW("4", link_cooling_off_spends_later, COUNTERSIGNATURE_REQUIRED),
    ROW("4", link_of_own_time_of_provider, COUNTERSIGNATURE_REQUIRED),
    ROW("4", link_taken, LINK_TAKEN),
    ROW("4", link_taken_after_relink, LINK_TAKEN),
    ROW("4", two_proposals_of_a_subject_make_one_link, LINK_UNKNOWN),
    ROW("4", proposed_link_opens_no_session, LINK_UNKNOWN),
    ROW("4", link_of_nothing, LINK_UNKNOWN),
    ROW("4", link_under_another_links_name, LINK_UNKNOWN),
    ROW("4", link_suspended_before_it_was_made, ASKED),
    ROW("4", linking_ends_sessions, SESSION_INVALID),
    ROW("4", linking_ends_prompts, CHALLENGE_EXPIRED),
    ROW("4", broker_frozen_before_the_last_answer, BROKER_FROZEN),
    ROW("4", provider_frozen_before_the_last_answer, PROVIDER_FROZEN),
    ROW("4", account_frozen_before_the_last_answer, CHALLENGE_EXPIRED),
    ROW("4", stack_changed_before_the_last_answer, STACK),
    ROW("4", link_by_two_of_one_kind, COUNTERSIGNED),
    ROW("4", link_by_one_of_each_kind, COUNTERSIGNED),
    ROW("4", relink_keeps_counters, LIMIT_DAY),
    ROW("4", relink_keeps_an_admins_freeze, LINK_SUSPENDED),
    ROW("4", relink_cools_off_again, LINK_COOLING_OFF),
    ROW("5", no_session, SESSION_INVALID),
    ROW("5", session_invented, SESSION_INVALID),
    ROW("5", session_closed, SESSION_INVALID),
    ROW("5", session_closed_by_another_service, COUNTERSIGNATURE_REQUIRED),
    ROW("5", session_idle, SESSION_EXPIRED),
    ROW("5", session_not_yet_idle, COUNTERSIGNATURE_REQUIRED),
    ROW("5", session_too_old, SESSION_EXPIRED),
    ROW("5", session_older_than_the_thaw, SESSION_INVALID),
    ROW("5", session_older_than_the_providers_thaw, SESSION_REVOKED),
    ROW("5", session_of_another_link, SESSION_INVALID),
    ROW("5", session_that_is_over_names_no_link, SESSION_EXPIRED),
    ROW("5", session_max_age, SESSION_EXPIRED),
    ROW("5", session_max_age_needs_auth_time, SESSION_EXPIRED),
    ROW("5", session_max_age_of_a_future_auth_time, SESSION_EXPIRED),
    ROW("5", mandate_of_a_link_that_was_suspended, LINK_SUSPENDED),
    ROW("6", amount_zero, PAYMENT_MISMATCH),
    ROW("6", amount_negative, PAYMENT_MISMATCH),
    ROW("6", amount_huge, PAYMENT_MISMATCH),
    ROW("6", currency_unknown, PAYMENT_MISMATCH),
    ROW("6", payee_missing, PAYMENT_MISMATCH),
    ROW("6", payment_id_missing, PAYMENT_MISMATCH),
    ROW("7", permit_sticks, COUNTERSIGNED),
    ROW("7", permit_sticks_while_frozen, COUNTERSIGNED),
    ROW("7", permit_sticks_captured, COUNTERSIGNED),
    ROW("7", permit_sticks_released, COUNTERSIGNED),
    ROW("7", permit_sticks_expired, COUNTERSIGNED),
    ROW("7", permit_sticks_out_of_the_ring, COUNTERSIGNED),
    ROW("7", old_permit_with_another_amount, PAYMENT_MISMATCH),
    ROW("7", same_id_another_amount, PAYMENT_MISMATCH),
    ROW("7", same_id_another_currency, PAYMENT_MISMATCH),
    ROW("7", same_id_another_payee, PAYMENT_MISMATCH),
    ROW("7", same_open_challenge, COUNTERSIGNATURE_REQUIRED),
    ROW("7", another_challenge_for_another_amount, COUNTERSIGNATURE_REQUIRED),
    ROW("7", another_challenge_after_the_first_expired, COUNTERSIGNATURE_REQUIRED),
    ROW("7", evaluate_does_nothing, COUNTERSIGNATURE_REQUIRED),
    ROW("7", evaluate_denies_without_event, PAYMENT_MISMATCH),
    ROW("8", limit_payment_of_policy, LIMIT_PAYMENT),
    ROW("8", limit_payment_reached, COUNTERSIGNATURE_REQUIRED),
    ROW("8", limit_day_of_policy, LIMIT_DAY),
    ROW("8", limit_day_reached, COUNTERSIGNATURE_REQUIRED),
    ROW("8", limit_day_counts_all_links, LIMIT_DAY),
    ROW("8", limit_month_of_policy, LIMIT_MONTH),
    ROW("8", limit_count_of_policy, LIMIT_COUNT),
    ROW("8", limit_count_month, LIMIT_COUNT),
    ROW("8", limit_count_over_currencies, LIMIT_COUNT),
    ROW("8", limit_count_without_currency, LIMIT_COUNT),
    ROW("8", limit_undefined, LIMIT_UNDEFINED),
    ROW("8", limit_of_account, LIMIT_DAY),
    ROW("8", limit_of_link, LIMIT_DAY),
    ROW("8", limit_of_link_binds_that_link, COUNTERSIGNATURE_REQUIRED),
    ROW("8", limit_of_provider, LIMIT_DAY),
    ROW("8", limit_of_provider_by_an_admin, LIMIT_PAYMENT),
    ROW("8", limit_smallest_room_wins, LIMIT_DAY),
    ROW("8", hold_counts, LIMIT_DAY),
    ROW("8", release_gives_back, COUNTERSIGNATURE_REQUIRED),
    ROW("8", release_gives_back_once, LIMIT_COUNT),
    ROW("8", release_the_next_day_gives_nothing_to_it, LIMIT_DAY),
    ROW("8", expiry_gives_back_to_the_month, COUNTERSIGNATURE_REQUIRED),
    ROW("8", part_capture_gives_back_the_rest, COUNTERSIGNATURE_REQUIRED),
    ROW("8", denied_payments_count_nothing, COUNTERSIGNATURE_REQUIRED),
    ROW("8", refund_gives_back_no_limit, LIMIT_DAY),
    ROW("8", sums_do_not_wrap, LIMIT_DAY),
    ROW("8", holds_are_bounded, FULL),
    ROW("8", counters_are_bounded, FULL),
    ROW("8", raise_waits, LIMIT_PAYMENT),
    ROW("8", raise_binds_in_time, LIMIT_PAYMENT),
    ROW("8", second_raise_waits_anew, LIMIT_PAYMENT),
    ROW("8", lowering_takes_a_raise_back, LIMIT_PAYMENT),
    ROW("8", raise_that_lowers_something_lowers_it_at_once, LIMIT_DAY),
    ROW("8", admins_raise_at_once, LIMIT_PAYMENT),
    ROW("8", relink_joins_limits, LIMIT_PAYMENT),
    ROW("8", another_zone_empties_no_counter, LIMIT_DAY),
    ROW("8", clock_back, LIMIT_DAY),
    ROW("9", stack_missing, STACK),
    ROW("9", stack_empty, STACK),
    ROW("9", stack_denies_spend, STACK),
    ROW("9", stack_permit_alone, COUNTERSIGNATURE_REQUIRED),
    ROW("9", stack_sufficient_before_stepup, COUNTERSIGNATURE_REQUIRED),
    ROW("9", stack_optional_lines_only, COUNTERSIGNATURE_REQUIRED),
    ROW("9", stack_failed_optional_stepup, COUNTERSIGNATURE_REQUIRED),
    ROW("9", stack_links_without_stepup, COUNTERSIGNATURE_REQUIRED),
    ROW("9", stack_provider_not_named, STACK),
    ROW("9", stack_limit_line, LIMIT_PAYMENT),
    ROW("9", stack_limit_line_of_another_currency, LIMIT_UNDEFINED),
    ROW("9", stack_limit_line_ignores_another_currency, COUNTERSIGNATURE_REQUIRED),
    ROW("9", stack_needs_two, COUNTERSIGNED),
    ROW("9", stack_needs_more_than_there_are, NO_INDEPENDENT_FACTOR),
    ROW("9", stack_needs_a_kind_that_is_not_held, NO_INDEPENDENT_FACTOR),
    ROW("9", stack_became_stricter, STRONGER_FACTOR_REQUIRED),
    ROW("10", countersigned, COUNTERSIGNED),
    ROW("10", signed_for_another_amount, COUNTERSIGNATURE_REQUIRED),
    ROW("10", signed_for_another_payment, COUNTERSIGNATURE_REQUIRED),
    ROW("10", signed_for_another_content, COUNTERSIGNATURE_REQUIRED),
    ROW("10", signed_in_another_session, COUNTERSIGNATURE_REQUIRED),
    ROW("10", signed_through_another_link, COUNTERSIGNATURE_REQUIRED),
    ROW("10", signed_for_another_service, COUNTERSIGNATURE_REQUIRED),
    ROW("10", signed_for_another_operation, COUNTERSIGNATURE_REQUIRED),
    ROW("10", signed_for_another_target, COUNTERSIGNATURE_REQUIRED),
    ROW("10", signed_for_another_service_outside_a_session, COUNTERSIGNATURE_REQUIRED),
    ROW("10", signed_for_another_link_outside_a_session, COUNTERSIGNATURE_REQUIRED),
    ROW("9", view_without_lines, STACK),
    ROW("10", view_asks, COUNTERSIGNATURE_REQUIRED),
    ROW("10", view_opens, COUNTERSIGNED),
    ROW("10", view_with_what_was_signed_for_a_thaw, COUNTERSIGNATURE_REQUIRED),
    ROW("10", view_of_another_service, COUNTERSIGNATURE_REQUIRED),
    ROW("10", another_challenge_is_named, COUNTERSIGNATURE_REQUIRED),
    ROW("10", redeemed_at_the_last_moment, COUNTERSIGNED),
    ROW("10", redeemed_too_late, COUNTERSIGNATURE_REQUIRED),
    ROW("10", redeemed_after_the_time_was_shortened, COUNTERSIGNATURE_REQUIRED),
    ROW("10", late_countersignatures_give_their_places, COUNTERSIGNATURE_REQUIRED),
    ROW("10", answered_at_the_last_moment, COUNTERSIGNED),
    ROW("10", answered_too_late, CHALLENGE_EXPIRED),
    ROW("10", refused_is_not_asked_again, CHALLENGE_REFUSED),
    ROW("10", refused_after_it_was_signed, CHALLENGE_REFUSED),
    ROW("10", allowance, ALLOWANCE),
    ROW("10", allowance_payment_above, COUNTERSIGNATURE_REQUIRED),
    ROW("10", allowance_day_above, COUNTERSIGNATURE_REQUIRED),
    ROW("10", allowance_next_day, ALLOWANCE),
    ROW("10", allowance_total_above, COUNTERSIGNATURE_REQUIRED),
    ROW("10", allowance_gets_back, ALLOWANCE),
    ROW("10", allowance_expired, COUNTERSIGNATURE_REQUIRED),
    ROW("10", allowance_at_another_payee, COUNTERSIGNATURE_REQUIRED),
    ROW("10", allowance_for_any_payee, ALLOWANCE),
    ROW("10", allowance_in_another_currency, COUNTERSIGNATURE_REQUIRED),
    ROW("10", allowance_in_a_new_session, NEW_SESSION),
    ROW("10", allowance_alone_in_a_new_session, COUNTERSIGNED),
    ROW("10", allowance_through_another_link, COUNTERSIGNATURE_REQUIRED),
    ROW("10", allowance_at_another_service, COUNTERSIGNATURE_REQUIRED),
    ROW("10", allowance_revoked, COUNTERSIGNATURE_REQUIRED),
    ROW("10", allowance_not_yet_signed, COUNTERSIGNATURE_REQUIRED),
    ROW("10", allowance_without_its_line, COUNTERSIGNATURE_REQUIRED),
    ROW("10", allowance_not_asked_for, COUNTERSIGNATURE_REQUIRED),
    ROW("10", countersigned_payment_debits_no_allowance, COUNTERSIGNED),
    ROW("10", allowance_within_limits_only, LIMIT_PAYMENT),
    ROW("10", grant_too_wide, PAYMENT_MISMATCH),
    ROW("10", grant_too_long, PAYMENT_MISMATCH),
    ROW("10", grant_without_limit_in_its_currency, LIMIT_UNDEFINED),
    ROW("10", grant_in_no_session, SESSION_INVALID),
    ROW("10", mandate_for_anybody, PAYMENT_MISMATCH),
    ROW("10", grant_of_another_links_proposal, PAYMENT_MISMATCH),
    ROW("10", grant_of_another_services_proposal, PAYMENT_MISMATCH),
    ROW("10", grant_revoked_before_the_last_answer, CHALLENGE_EXPIRED),
    ROW("10", mandate, MANDATE),
    ROW("10", mandate_exhausted, ALLOWANCE_EXHAUSTED),
    ROW("10", mandate_revoked, ALLOWANCE_EXHAUSTED),
    ROW("10", mandate_of_another_service, SESSION_INVALID),
    ROW("10", mandate_at_another_payee, ALLOWANCE_EXHAUSTED),
    ROW("10", mandate_is_no_allowance_for_a_session, COUNTERSIGNATURE_REQUIRED),
    ROW("10", allowance_is_no_mandate, SESSION_INVALID),
    ROW("10", mandate_of_a_link_that_is_gone, SESSION_INVALID),
    ROW("11", view_by_what_a_provider_controls, NO_INDEPENDENT_FACTOR),
    ROW("11", view_by_the_factor_that_stands, COUNTERSIGNED),
    ROW("11", provider_controls_the_kind, NO_INDEPENDENT_FACTOR),
    ROW("11", enrolled_on_the_word_of_a_dependent_factor, NO_INDEPENDENT_FACTOR),
    ROW("11", enrolled_before_the_dependent_factor, COUNTERSIGNATURE_REQUIRED),
    ROW("11", plugin_of_the_provider, NO_INDEPENDENT_FACTOR),
    ROW("11", syncs_secrets_is_unknown, NO_INDEPENDENT_FACTOR),
    ROW("11", syncs_secrets_assumed_independent, COUNTERSIGNED),
    ROW("11", known_independent_is_not_assumed, COUNTERSIGNED),
    ROW("11", support_left_the_state, NO_INDEPENDENT_FACTOR),
    ROW("11", support_removed_still_counts, NO_INDEPENDENT_FACTOR),
    ROW("11", dependent_since_it_was_signed, NO_INDEPENDENT_FACTOR),
    ROW("11", dependent_factor_may_not_answer, NO_INDEPENDENT_FACTOR),
    ROW("11", kind_that_was_not_asked_may_not_answer, NO_INDEPENDENT_FACTOR),
    ROW("11", dependent_factor_links_another_id, NO_INDEPENDENT_FACTOR),
    ROW("11", dependent_factor_links_after_unlinking, NO_INDEPENDENT_FACTOR),
    ROW("11", dependent_factor_enrols_another, NO_INDEPENDENT_FACTOR),
    ROW("11", allowance_whose_factor_was_removed, COUNTERSIGNATURE_REQUIRED),
    ROW("11", allowance_whose_factor_is_locked, ALLOWANCE),
    ROW("11", allowance_whose_factor_became_dependent, NO_INDEPENDENT_FACTOR),
    ROW("11", dependent_factor_raises_another_links_limit, NO_INDEPENDENT_FACTOR),
    ROW("11", factor_cooling_off, FACTOR_COOLING_OFF),
    ROW("11", factor_removed, NO_INDEPENDENT_FACTOR),
    ROW("11", factor_disabled, NO_INDEPENDENT_FACTOR),
    ROW("11", factor_of_another_plugin, NO_INDEPENDENT_FACTOR),
    ROW("11", trusted_factor_within_its_limit, COUNTERSIGNED),
    ROW("11", trusted_factor_above_its_limit, NO_INDEPENDENT_FACTOR),
    ROW("11", trusted_factor_in_another_currency, NO_INDEPENDENT_FACTOR),
    ROW("11", trusted_factor_beside_a_better_one, NO_INDEPENDENT_FACTOR),
    ROW("11", recovery_code_does_not_pay, NO_INDEPENDENT_FACTOR),
    ROW("11", locks_grow, COUNTERSIGNATURE_REQUIRED),
    ROW("11", right_answer_after_five_wrong_ones, FACTOR_LOCKED),
    ROW("11", wrong_answers_count_over_prompts, FACTOR_LOCKED),
    ROW("11", right_answer_resets_the_count, COUNTERSIGNED),
    ROW("11", locked_since_it_was_signed, COUNTERSIGNATURE_REQUIRED),
    ROW("11", other_factor_works_while_one_is_locked, COUNTERSIGNED),
    ROW("11", totp_step_once, FACTOR_REJECTED),
    ROW("11", totp_step_of_the_past, FACTOR_REJECTED),
    ROW("11", same_factor_twice, NO_INDEPENDENT_FACTOR),
    ROW("12", view_opens_once, COUNTERSIGNATURE_REQUIRED),
    ROW("12", countersignature_once, COUNTERSIGNATURE_REQUIRED),
    ROW("12", enrolment_uses_its_countersignature_up, COUNTERSIGNATURE_REQUIRED),
    ROW("10", prompts_open_per_link, PROMPT_BUDGET),
    ROW("10", prompts_reserve_for_other_links, COUNTERSIGNATURE_REQUIRED),
    ROW("10", prompts_per_day, PROMPT_BUDGET),
    ROW("10", prompts_the_next_day, COUNTERSIGNATURE_REQUIRED),
    ROW("10", prompts_of_a_subject_proposed_again, PROMPT_BUDGET),
    ROW("10", prompts_of_many_proposed_links, PROMPT_BUDGET),
    ROW("8", no_prompt_for_what_would_be_denied, LIMIT_PAYMENT),
    ROW("11", first_factor_once, NO_INDEPENDENT_FACTOR),
    ROW("11", factors_are_bounded, FULL),
    ROW("11", removed_factors_that_are_needed_keep_their_place, FULL),
    ROW("11", factor_of_a_kind_that_is_not_configured, STACK),
    ROW("8", limit_lowered_at_once, NARROWS),
    ROW("10", limit_raised_with_a_prompt, COUNTERSIGNATURE_REQUIRED),
    ROW("10", limit_dropped_with_a_prompt, COUNTERSIGNATURE_REQUIRED),
    ROW("10", limit_raised, COUNTERSIGNED),
    ROW("8", limit_of_an_admin_stands_beside, LIMIT_DAY),
    ROW("8", limit_of_an_unknown_link, LINK_UNKNOWN),
    ROW("8", limit_beyond_all_money, LIMIT_UNDEFINED),
    ROW("2", freeze_of_an_unknown_link, LINK_UNKNOWN),
    ROW("2", not_me_of_an_unknown_link, LINK_UNKNOWN),
    ROW("2", freeze_again, NARROWS),
    ROW("10", users_freeze_thawed_with_a_prompt, COUNTERSIGNATURE_REQUIRED),
    ROW("10", users_freeze_thawed, COUNTERSIGNED),
    ROW("2", users_freeze_not_thawed_by_an_admin, ACCOUNT_FROZEN),
    ROW("2", admins_freeze_not_thawed_by_the_user, ACCOUNT_FROZEN),
    ROW("4", suspension_not_lifted_by_an_admins_thaw, LINK_SUSPENDED),
    ROW("4", suspension_lifted_by_the_user, COUNTERSIGNATURE_REQUIRED),
    ROW("11", thaw_by_a_dependent_factor, NO_INDEPENDENT_FACTOR),
    ROW("4", not_me, LINK_SUSPENDED),
    ROW("4", not_me_spares_other_links, COUNTERSIGNATURE_REQUIRED),
    ROW("4", not_me_reported_on_the_card, LINK_SUSPENDED),
    ROW("2", not_me_without_a_place, ACCOUNT_FROZEN),
    ROW("2", close_ends_everything, ACCOUNT_CLOSED),
    ROW("7", capture, ASKED),
    ROW("7", capture_again, ASKED),
    ROW("7", capture_under_another_id, PAYMENT_MISMATCH),
    ROW("7", capture_another_amount, PAYMENT_MISMATCH),
    ROW("7", capture_more_than_held, PAYMENT_MISMATCH),
    ROW("6", capture_nothing, PAYMENT_MISMATCH),
    ROW("6", capture_less_than_nothing, PAYMENT_MISMATCH),
    ROW("2", capture_after_freeze, ACCOUNT_FROZEN),
    ROW("4", capture_after_suspension, LINK_SUSPENDED),
    ROW("4", capture_after_unlinking, LINK_REVOKED),
    ROW("3", capture_from_a_frozen_provider, PROVIDER_FROZEN),
    ROW("8", capture_after_lowered_payment_limit, LIMIT_PAYMENT),
    ROW("8", capture_after_lowered_day_limit, LIMIT_DAY),
    ROW("8", capture_after_an_admin_lowered_the_provider, LIMIT_PAYMENT),
    ROW("8", capture_at_the_limit, ASKED),
    ROW("7", capture_expired, HOLD_EXPIRED),
    ROW("7", capture_released, HOLD_RELEASED),
    ROW("7", release_captured, PAYMENT_MISMATCH),
    ROW("7", refund_again, ASKED),
    ROW("7", refund_again_another_amount, PAYMENT_MISMATCH),
    ROW("8", refunds_above_what_was_captured, PAYMENT_MISMATCH),
    ROW("6", refund_negative, PAYMENT_MISMATCH),
    ROW("7", refund_of_a_hold, PAYMENT_MISMATCH),
    ROW("7", refund_of_a_payment_that_left_the_ring, PAYMENT_MISMATCH),
    ROW("7", refund_into_a_full_state, ASKED),
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static void
run_row(void **state)
{
	const struct row *row = *state;
	static struct fixture f;

	fixture_ready(&f);
	row->run(&f);
	if (f.d.reason != row->reason)
		fail_msg("%s: %s instead of %s", row->name, reason_name((enum reason)f.d.reason),
		    reason_name(row->reason));
	assert_int_equal(f.d.outcome, reason_outcome(row->reason));
}

/* --- the windows of rule 8 --- */

/* Seconds since 1970 in UTC, and the number of month that it falls into at +08:00 and in UTC. */
static void
windows_at_their_edges(void **state)
{
	static const struct {
		int64_t utc_s;
		int32_t offset_s;
		int32_t day, month;
	} edges[] = {
	    {0, 0, 0, 0}, {-1, 0, -1, -1}, {86399, 0, 0, 0}, {86400, 0, 1, 0},
	    {57599, 8 * 3600, 0, 0},				  /* 1970-01-01 23:59:59 +08:00 */
	    {57600, 8 * 3600, 1, 0}, {1709164799, 0, 19781, 649}, /* 2024-02-28 23:59:59 */
	    {1709164800, 0, 19782, 649},			  /* 2024-02-29, a leap day */
	    {1709251199, 0, 19782, 649}, {1709251200, 0, 19783, 650}, /* 2024-03-01 */
	    {1709222399, 8 * 3600, 19782, 649}, /* 2024-02-29 23:59:59 +08:00 */
	    {1709222400, 8 * 3600, 19783, 650},
	    {1740787199, 0, 20147, 661}, /* 2025-02-28 23:59:59, no leap year */
	    {1740787200, 0, 20148, 662},
	    {1767196799, 8 * 3600, 20453, 671}, /* 2025-12-31 23:59:59 +08:00 */
	    {1767196800, 8 * 3600, 20454, 672}, {1767225599, 0, 20453, 671},
	    {1767225600, 0, 20454, 672},
	    {4107542399, 0, 47540, 1561}, /* 2100-02-28 23:59:59: 2100 is no leap year */
	    {4107542400, 0, 47541, 1562}, {951782400, 0, 11016, 361}, /* 2000-02-29: 2000 is one */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		static struct policy p;

		p.utc_offset_s = edges[i].offset_s;
		assert_int_equal(window_day(&p, edges[i].utc_s * 1000), edges[i].day);
		assert_int_equal(window_month(&p, edges[i].utc_s * 1000 + 999), edges[i].month);
	}
}

/* The day's limit is open again at midnight of the zone, and not a millisecond before. */
static void
a_day_ends_at_midnight_of_its_zone(void **state)
{
	static struct fixture f;
	struct request r;

	(void)state;
	fixture_ready(&f);
	f.policy.limits[0].per_day_minor = 2000;
	f.policy.session_idle_ms = DAY_MS;
	r = spend_of(&f, 1, 2000);
	assert_int_equal(do_countersigned(&f, &r, f.totp), REASON_COUNTERSIGNED);
	f.asked.now_ms = NOON_MS + 12 * HOUR_MS - 1;
	assert_int_equal(do_spend(&f, 2, 1), REASON_LIMIT_DAY);
	fixture_wait(&f, 1);
	assert_int_equal(do_spend(&f, 2, 1), REASON_COUNTERSIGNATURE_REQUIRED);
}

/* Currencies with none and with three digits are counted in their own minor units. */
static void
currencies_are_counted_apart(void **state)
{
	static struct fixture f;
	static const uint16_t currency[] = {JPY, BHD};
	static const int64_t limit[] = {40000, 2000000};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct request r;

		fixture_ready(&f);
		r = spend_of(&f, 1, limit[i]);
		r.currency = currency[i];
		spend_seal(&r);
		assert_int_equal(do_countersigned(&f, &r, f.totp), REASON_COUNTERSIGNED);
		assert_int_equal(spent_day(&f, currency[i]), limit[i]);
		assert_int_equal(spent_day(&f, CNY), 0);
		r.payment = id_of(CHECKOUT, 2);
		r.amount_minor++;
		spend_seal(&r);
		assert_int_equal(do_request(&f, &r), REASON_LIMIT_PAYMENT);
	}
}

/* M1, M6: of two requests that were decided on one state, only one is applied. */
static void
one_revision_one_permit(void **state)
{
	static struct fixture f;
	static struct account copy;
	struct decision first;
	struct request r;
	struct id challenge;

	(void)state;
	fixture_ready(&f);
	r = spend_of(&f, 1, 2000);
	do_request(&f, &r);
	challenge = f.d.id;
	do_answer(&f, &challenge, f.totp, true);
	fixture_begin(&f);
	decide(&f.asked, &f.account, &r, &first);
	assert_int_equal(first.reason, REASON_COUNTERSIGNED);
	fixture_begin(&f);
	decide(&f.asked, &f.account, &r, &f.d);
	fixture_commit(&f);
	copy = f.account;
	assert_int_equal(apply(&copy, &first.events[0], &f.left), CS_ERR_CONFLICT);
}

int
main(void)
{
	static struct CMUnitTest tests[ROWS + 4];
	size_t n = 0;

	for (; n < ROWS; n++) {
		tests[n] = (struct CMUnitTest){
		    .name = rows[n].name, .test_func = run_row, .initial_state = (void *)&rows[n]};
	}
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(windows_at_their_edges);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_day_ends_at_midnight_of_its_zone);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(currencies_are_counted_apart);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(one_revision_one_permit);
	return cmocka_run_group_tests_name("decide", tests, NULL, NULL);
}
