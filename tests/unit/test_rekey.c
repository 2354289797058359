/* SPDX-License-Identifier: Apache-2.0 */
/* Links that live on under another name of their subject, and evidence on links: what both do to an account. */
#include "tests/unit/unit.h"

#include "broker/core/counters.h"
#include "tests/unit/core_fixture.h"

static struct fixture fixture;

static struct fixture *
fresh(void)
{
	fixture_ready(&fixture);
	return &fixture;
}

static struct fixture *
in_a_window(void)
{
	struct fixture *f = fresh();

	f->broker.providers[0].rekey_until_ms = f->asked.now_ms + 30 * DAY_MS;
	return f;
}

static const struct link *
apple_of(const struct fixture *f)
{
	return account_link_by_no(&f->account, f->apple);
}

static int64_t
day_of(const struct fixture *f, uint64_t subject)
{
	struct id s = id_of('s', subject);
	const struct counter *c = account_counter(&f->account, &s, CNY);

	return c == NULL ? 0 : c->day_minor;
}

/* Countersigned with the TOTP; a new session first, since re-keys end them. */
static enum reason
spends(struct fixture *f, uint64_t payment, int64_t amount_minor)
{
	struct request r;

	fixture_wait(f, 1);
	if (do_session(f, f->apple, &f->session) != REASON_ASKED)
		return (enum reason)f->d.reason;
	r = spend_of(f, payment, amount_minor);
	return do_countersigned(f, &r, f->totp);
}

/* --- re-key --- */

static void
only_in_a_window_or_by_an_admin(void **state)
{
	struct fixture *f = fresh();
	struct id apple1 = id_of('s', 1);

	(void)state;
	assert_int_equal(do_rekey(f, f->apple, 11, AUTHOR_USER), REASON_REKEY_CLOSED);
	assert_int_equal(f->d.events_n, 1);
	assert_int_equal(f->d.events[0].type, EVENT_DENIED);
	assert_true(id_equal(&apple_of(f)->subject, &apple1));
	/* Of another provider. */
	f->broker.providers[1].rekey_until_ms = f->asked.now_ms + DAY_MS;
	assert_int_equal(do_rekey(f, f->apple, 11, AUTHOR_USER), REASON_REKEY_CLOSED);
	f->broker.providers[0].rekey_until_ms = f->asked.now_ms;
	assert_int_equal(do_rekey(f, f->apple, 11, AUTHOR_USER), REASON_REKEY_CLOSED);
	assert_int_equal(do_rekey(f, f->apple, 11, AUTHOR_ADMIN), REASON_REKEYED);
	assert_int_equal(do_rekey(f, f->apple, 12, AUTHOR_USER), REASON_REKEY_CLOSED);
	f->broker.providers[0].rekey_until_ms = f->asked.now_ms + 1;
	assert_int_equal(do_rekey(f, f->apple, 12, AUTHOR_USER), REASON_REKEYED);
}

static void
sessions_end_and_it_cools_off(void **state)
{
	struct fixture *f = in_a_window();
	struct request r = spend_of(f, 1, 100);
	struct id challenge;

	(void)state;
	assert_int_equal(do_request(f, &r), REASON_COUNTERSIGNATURE_REQUIRED);
	challenge = f->d.id;
	assert_int_equal(do_rekey(f, f->apple, 11, AUTHOR_USER), REASON_REKEYED);
	assert_int_equal(f->account.sessions_n, 0);
	assert_int_equal(account_challenge(&f->account, &challenge)->state, CHALLENGE_VOID);
	assert_int_equal(do_request(f, &r), REASON_SESSION_INVALID);
	assert_int_equal(spends(f, 2, 100), REASON_LINK_COOLING_OFF);
	fixture_wait(f, DAY_MS - 3);
	assert_int_equal(spends(f, 3, 100), REASON_LINK_COOLING_OFF);
	assert_int_equal(spends(f, 4, 100), REASON_COUNTERSIGNED);
}

static void
what_was_counted_goes_along(void **state)
{
	struct fixture *f = in_a_window();

	(void)state;
	assert_int_equal(spends(f, 1, 7000), REASON_COUNTERSIGNED);
	assert_int_equal(spends(f, 2, 5000), REASON_COUNTERSIGNED);
	assert_int_equal(do_rekey(f, f->apple, 11, AUTHOR_USER), REASON_REKEYED);
	assert_int_equal(day_of(f, 1), 0);
	assert_int_equal(day_of(f, 11), 12000);
	/* A hold of before is given back where it is counted now. */
	assert_int_equal(do_release(f, 1), REASON_NARROWS);
	assert_int_equal(day_of(f, 11), 5000);
	assert_int_equal(spent_day(f, CNY), 5000);
}

static void
sums_of_both_names_are_one(void **state)
{
	struct fixture *f = in_a_window();
	uint32_t no;

	(void)state;
	f->policy.link_cooling_off_ms = 0;
	f->policy.needs = NEED(NEED_OF_LINK, COUNTER_TOTAL) | NEED(NEED_OF_LINK, COUNTER_HOURS) |
	    NEED(NEED_OF_LINK, COUNTER_YEAR) | NEED(NEED_OF_LINK, COUNTER_STEPUP);
	assert_int_equal(spends(f, 1, 7000), REASON_COUNTERSIGNED);
	/* The same account was linked by the new name before. */
	assert_int_equal(do_narrow(f, f->apple, LINK_REVOKED), REASON_NARROWS);
	assert_int_equal(do_link(f, APPLE, 11, f->totp, &no), REASON_COUNTERSIGNED);
	f->apple = no;
	assert_int_equal(spends(f, 2, 500), REASON_COUNTERSIGNED);
	assert_int_equal(do_narrow(f, f->apple, LINK_REVOKED), REASON_NARROWS);
	assert_int_equal(do_link(f, APPLE, 1, f->totp, &f->apple), REASON_COUNTERSIGNED);
	assert_int_equal(do_rekey(f, f->apple, 11, AUTHOR_USER), REASON_REKEYED);
	assert_int_equal(day_of(f, 11), 7500);
	assert_int_equal(counters_standing(&f->account, COUNTER_TOTAL, COUNTER_OF_SUBJECT, &apple_of(f)->subject, CNY,
	    window_month(&f->policy, f->asked.now_ms), f->asked.now_ms).minor, 7500);
	assert_int_equal(counters_standing(&f->account, COUNTER_YEAR, COUNTER_OF_SUBJECT, &apple_of(f)->subject, CNY,
	    window_month(&f->policy, f->asked.now_ms), f->asked.now_ms).minor, 7500);
	assert_int_equal(counters_standing(&f->account, COUNTER_HOURS, COUNTER_OF_SUBJECT, &apple_of(f)->subject, CNY,
	    window_month(&f->policy, f->asked.now_ms), f->asked.now_ms).minor, 7500);
}

static void
the_older_name_is_nobody_elses(void **state)
{
	struct fixture *f = in_a_window();
	uint32_t no;

	(void)state;
	f->policy.link_cooling_off_ms = 0;
	assert_int_equal(spends(f, 1, 7000), REASON_COUNTERSIGNED);
	assert_int_equal(do_rekey(f, f->apple, 11, AUTHOR_USER), REASON_REKEYED);
	assert_int_equal(do_propose(f, APPLE, 1, &no), REASON_LINK_TAKEN);
	/* Unlinked and linked again by the older name: it is the same person. */
	assert_int_equal(do_narrow(f, f->apple, LINK_REVOKED), REASON_NARROWS);
	assert_int_equal(do_link(f, APPLE, 1, f->totp, &f->apple), REASON_COUNTERSIGNED);
	assert_int_equal(day_of(f, 11), 0);
	assert_int_equal(day_of(f, 1), 7000);
	assert_int_equal(do_propose(f, APPLE, 1, &no), REASON_LINK_TAKEN);
}

static void
an_admins_freeze_holds_by_either_name(void **state)
{
	struct fixture *f = in_a_window();
	uint32_t no;

	(void)state;
	assert_int_equal(do_rekey(f, f->apple, 11, AUTHOR_USER), REASON_REKEYED);
	assert_int_equal(do_freeze(f, f->apple, AUTHOR_ADMIN), REASON_NARROWS);
	assert_int_equal(do_narrow(f, f->apple, LINK_REVOKED), REASON_NARROWS);
	assert_int_equal(do_link(f, APPLE, 1, f->totp, &no), REASON_LINK_SUSPENDED);
	assert_int_equal(do_link(f, APPLE, 11, f->totp, &no), REASON_LINK_SUSPENDED);
}

static void
it_can_be_taken_back(void **state)
{
	struct fixture *f = in_a_window();
	struct id apple1 = id_of('s', 1), none = {{0}};
	uint32_t no;

	(void)state;
	assert_int_equal(do_rekey_undo(f, f->apple), REASON_REKEYED);
	assert_true(f->d.replayed && f->d.events_n == 0);
	assert_int_equal(spends(f, 1, 7000), REASON_COUNTERSIGNED);
	assert_int_equal(do_rekey(f, f->apple, 11, AUTHOR_USER), REASON_REKEYED);
	/* Whatever its state: it may be why it is taken back. */
	assert_int_equal(do_not_me(f, f->apple), REASON_NOT_ME);
	assert_int_equal(do_rekey_undo(f, f->apple), REASON_REKEYED);
	assert_int_equal(f->d.events[0].flags & EVENT_FLAG_UNDONE, EVENT_FLAG_UNDONE);
	assert_true(id_equal(&apple_of(f)->subject, &apple1) && id_equal(&apple_of(f)->was, &none));
	assert_int_equal(day_of(f, 1), 7000);
	assert_int_equal(do_rekey_undo(f, f->apple), REASON_REKEYED);
	assert_true(f->d.replayed);
	/* What it was called meanwhile is free. */
	assert_int_equal(do_propose(f, APPLE, 11, &no), REASON_ASKED);
}

static void
who_is_linked_already_is_not_taken_over(void **state)
{
	struct fixture *f = in_a_window();
	struct rekey r = {.link_no = f->apple, .subject = id_of('s', 11), .author = AUTHOR_ADMIN, .taken = true};

	(void)state;
	fixture_begin(f);
	decide_link_rekey(&f->asked, &f->account, &r, &f->d);
	assert_int_equal(f->d.reason, REASON_LINK_TAKEN);
	/* The account's own Google. */
	assert_int_equal(do_rekey(f, f->apple, 2, AUTHOR_USER), REASON_LINK_TAKEN);
	assert_int_equal(do_rekey(f, f->apple, 2, AUTHOR_ADMIN), REASON_LINK_TAKEN);
}

static void
what_is_stopped_is_not_moved(void **state)
{
	struct fixture *f = in_a_window();

	(void)state;
	f->broker.providers[0].pinned = false;
	assert_int_equal(do_rekey(f, f->apple, 11, AUTHOR_USER), REASON_PROVIDER_CHANGED);
	f->broker.providers[0].pinned = true;
	f->broker.providers[0].frozen = true;
	assert_int_equal(do_rekey(f, f->apple, 11, AUTHOR_USER), REASON_PROVIDER_FROZEN);
	f->broker.providers[0].frozen = false;
	assert_int_equal(do_narrow(f, f->apple, LINK_SUSPENDED), REASON_NARROWS);
	assert_int_equal(do_rekey(f, f->apple, 11, AUTHOR_USER), REASON_LINK_SUSPENDED);
	assert_int_equal(do_freeze(f, 0, AUTHOR_USER), REASON_NARROWS);
	assert_int_equal(do_rekey(f, f->apple, 11, AUTHOR_USER), REASON_ACCOUNT_FROZEN);
	assert_int_equal(do_narrow(f, f->apple, LINK_REVOKED), REASON_NARROWS);
	assert_int_equal(do_rekey(f, f->apple, 11, AUTHOR_ADMIN), REASON_LINK_REVOKED);
}

/* --- evidence --- */

static const struct fact *
fact_of(const struct fixture *f, uint64_t kind, uint64_t by)
{
	const struct fact like = {.link_no = f->apple, .kind = kind, .by = by, .by_service = by == CHECKOUT};

	return account_fact(&f->account, &like);
}

static bool
counts(const struct fixture *f, uint64_t kind, uint64_t by)
{
	const struct fact *of = fact_of(f, kind, by);

	return of != NULL && !of->lowered;
}

static void
a_change_lowers_all_that_is_vouched_for(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	assert_int_equal(do_attest(f, f->apple, VOUCHED_PHONE, APPLE, 1, f->asked.now_ms), REASON_ASKED);
	assert_int_equal(do_attest(f, f->apple, VOUCHED_PHONE, CHECKOUT, 1, f->asked.now_ms), REASON_ASKED);
	assert_int_equal(do_attest(f, f->apple, VOUCHED_DOCUMENT, CHECKOUT, 7, f->asked.now_ms), REASON_ASKED);
	assert_true(counts(f, VOUCHED_PHONE, APPLE) && counts(f, VOUCHED_PHONE, CHECKOUT) && counts(f, VOUCHED_DOCUMENT, CHECKOUT));
	/* The same again is no event. */
	assert_int_equal(do_attest(f, f->apple, VOUCHED_PHONE, APPLE, 1, f->asked.now_ms), REASON_ASKED);
	assert_true(f->d.replayed && f->d.events_n == 0);
	fixture_wait(f, HOUR_MS);
	assert_int_equal(do_attest(f, f->apple, VOUCHED_PHONE, APPLE, 2, f->asked.now_ms), REASON_ASKED);
	assert_true((f->d.events[0].flags & EVENT_FLAG_LOWERED) != 0);
	assert_false(counts(f, VOUCHED_PHONE, APPLE) || counts(f, VOUCHED_PHONE, CHECKOUT));
	assert_true(counts(f, VOUCHED_DOCUMENT, CHECKOUT));
	/* Not said any more is a change, too. */
	assert_int_equal(do_attest(f, f->apple, VOUCHED_DOCUMENT, CHECKOUT, 0, f->asked.now_ms), REASON_ASKED);
	assert_false(counts(f, VOUCHED_DOCUMENT, CHECKOUT));
}

static void
what_was_lowered_counts_after_a_while_and_a_new_look(void **state)
{
	struct fixture *f = fresh();
	int64_t changed_ms;

	(void)state;
	assert_int_equal(do_attest(f, f->apple, VOUCHED_PHONE, APPLE, 1, f->asked.now_ms), REASON_ASKED);
	fixture_wait(f, HOUR_MS);
	changed_ms = f->asked.now_ms;
	assert_int_equal(do_attest(f, f->apple, VOUCHED_PHONE, APPLE, 2, changed_ms), REASON_ASKED);
	fixture_wait(f, HOUR_MS);
	/* Verified later, but too soon. */
	assert_int_equal(do_attest(f, f->apple, VOUCHED_PHONE, APPLE, 2, f->asked.now_ms), REASON_ASKED);
	assert_false(counts(f, VOUCHED_PHONE, APPLE));
	assert_int_equal(fact_of(f, VOUCHED_PHONE, APPLE)->since_ms, changed_ms);
	fixture_wait(f, DAY_MS);
	/* Late enough, but verified before it changed, or nobody knows when. */
	assert_int_equal(do_attest(f, f->apple, VOUCHED_PHONE, CHECKOUT, 2, 0), REASON_ASKED);
	assert_true(counts(f, VOUCHED_PHONE, CHECKOUT));
	assert_int_equal(do_attest(f, f->apple, VOUCHED_PHONE, APPLE, 2, changed_ms), REASON_ASKED);
	assert_false(counts(f, VOUCHED_PHONE, APPLE));
	assert_int_equal(do_attest(f, f->apple, VOUCHED_PHONE, APPLE, 2, changed_ms + 1), REASON_ASKED);
	assert_true(counts(f, VOUCHED_PHONE, APPLE));
	/* Nobody verified it tomorrow. */
	assert_int_equal(do_attest(f, f->apple, VOUCHED_DOCUMENT, APPLE, 2, f->asked.now_ms + DAY_MS), REASON_ASKED);
	assert_int_equal(fact_of(f, VOUCHED_DOCUMENT, APPLE)->verified_ms, f->asked.now_ms);
}

static void
evidence_is_the_links_own(void **state)
{
	struct fixture *f = fresh();
	uint32_t no;

	(void)state;
	f->policy.services[0].rights &= ~(uint32_t)RIGHT_LINK;
	assert_int_equal(do_attest(f, f->apple, VOUCHED_PHONE, CHECKOUT, 1, 1), REASON_SERVICE_RIGHT);
	/* A provider speaks at a sign-in, whoever asked for that. */
	assert_int_equal(do_attest(f, f->apple, VOUCHED_PHONE, APPLE, 1, 1), REASON_ASKED);
	f->policy.services[0].rights |= RIGHT_LINK;
	assert_int_equal(do_attest(f, f->apple + 1000, VOUCHED_PHONE, APPLE, 1, 1), REASON_LINK_UNKNOWN);
	assert_int_equal(do_narrow(f, f->apple, LINK_REVOKED), REASON_NARROWS);
	assert_int_equal(f->account.facts_n, 0);
	assert_int_equal(do_attest(f, f->apple, VOUCHED_PHONE, CHECKOUT, 1, 1), REASON_LINK_REVOKED);
	/* Linked again it begins with nothing. */
	assert_int_equal(do_link(f, APPLE, 1, f->totp, &no), REASON_COUNTERSIGNED);
	assert_int_equal(f->account.facts_n, 0);
}

/* Whoever proposes links cannot take the places of those that are in force. */
static void
there_is_room_for_those_in_force(void **state)
{
	struct fixture *f = fresh();
	uint32_t no;

	(void)state;
	for (uint64_t i = 0; i < LINK_FACTS_MAX; i++)
		assert_int_equal(do_attest(f, f->apple, 600 + i, APPLE, 1, 1), REASON_ASKED);
	assert_int_equal(do_attest(f, f->apple, VOUCHED_PHONE, APPLE, 1, 1), REASON_FULL);
	assert_int_equal(do_attest(f, f->apple, 600, APPLE, 2, 1), REASON_ASKED);
	for (uint64_t p = 0; p < 3; p++) {
		assert_int_equal(do_propose(f, APPLE, 1000 + p, &no), REASON_ASKED);
		for (uint64_t i = 0; i < LINK_FACTS_MAX; i++)
			assert_int_equal(do_attest(f, no, 600 + i, APPLE, 1, 1), REASON_ASKED);
	}
	assert_int_equal(f->account.facts_n, ACCOUNT_FACTS_MAX);
	assert_int_equal(do_attest(f, f->google, VOUCHED_PHONE, GOOGLE, 1, 1), REASON_ASKED);
	assert_int_equal(f->account.facts_n, ACCOUNT_FACTS_MAX);
	assert_true(account_fact(&f->account, &(struct fact){.link_no = f->google, .kind = VOUCHED_PHONE, .by = GOOGLE}) != NULL);
}

static void
a_stack_asks_for_evidence(void **state)
{
	static const struct {
		const char *line;
		uint64_t kind, by; /* what is there, of three days ago */
		enum reason reason;
	} cases[] = {
	    {"requisite assurance phone", VOUCHED_DOCUMENT, APPLE, REASON_ASSURANCE_MISSING},
	    {"requisite assurance phone", VOUCHED_PHONE, APPLE, REASON_COUNTERSIGNATURE_REQUIRED},
	    {"requisite assurance phone identity-document", VOUCHED_PHONE, APPLE, REASON_ASSURANCE_MISSING},
	    {"requisite assurance phone source=apple", VOUCHED_PHONE, APPLE, REASON_COUNTERSIGNATURE_REQUIRED},
	    {"requisite assurance phone source=google,checkout", VOUCHED_PHONE, APPLE, REASON_ASSURANCE_MISSING},
	    {"requisite assurance phone source=google,checkout", VOUCHED_PHONE, CHECKOUT, REASON_COUNTERSIGNATURE_REQUIRED},
	    {"requisite assurance phone max-age=4d", VOUCHED_PHONE, APPLE, REASON_COUNTERSIGNATURE_REQUIRED},
	    {"requisite assurance phone max-age=2d", VOUCHED_PHONE, APPLE, REASON_ASSURANCE_LOWERED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = fresh();

		STACK(f, &f->checkout, "spend", cases[i].line, "required stepup");
		assert_int_equal(do_attest(f, f->apple, cases[i].kind, cases[i].by, 1, f->asked.now_ms - 3 * DAY_MS),
		    REASON_ASKED);
		/* Another link's says nothing of this one. */
		assert_int_equal(do_attest(f, f->google, VOUCHED_PHONE, GOOGLE, 1, f->asked.now_ms), REASON_ASKED);
		assert_int_equal(do_attest(f, f->google, VOUCHED_DOCUMENT, GOOGLE, 1, f->asked.now_ms), REASON_ASKED);
		if (do_spend(f, 1, 100) != cases[i].reason)
			fail_msg("%s: %s", cases[i].line, reason_name((enum reason)f->d.reason));
	}
}

static void
lowered_evidence_spends_nothing(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	STACK(f, &f->checkout, "spend", "requisite assurance phone", "required stepup");
	assert_int_equal(do_attest(f, f->apple, VOUCHED_PHONE, APPLE, 1, 0), REASON_ASKED);
	assert_int_equal(spends(f, 1, 100), REASON_COUNTERSIGNED);
	assert_int_equal(do_attest(f, f->apple, VOUCHED_PHONE, APPLE, 2, f->asked.now_ms), REASON_ASKED);
	assert_int_equal(spends(f, 2, 100), REASON_ASSURANCE_LOWERED);
	/* An operation of the whole account has no link whose evidence could be asked for. */
	STACK(f, &f->checkout, "factor", "[success=ok ignore=ignore default=die] assurance phone", "required stepup");
	assert_int_equal(do_enrol(f, FACTOR_TOTP, PLUGIN_TOTP, f->totp), REASON_COUNTERSIGNED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_in_a_window_or_by_an_admin),
	    cmocka_unit_test(sessions_end_and_it_cools_off),
	    cmocka_unit_test(what_was_counted_goes_along),
	    cmocka_unit_test(sums_of_both_names_are_one),
	    cmocka_unit_test(the_older_name_is_nobody_elses),
	    cmocka_unit_test(an_admins_freeze_holds_by_either_name),
	    cmocka_unit_test(it_can_be_taken_back),
	    cmocka_unit_test(who_is_linked_already_is_not_taken_over),
	    cmocka_unit_test(what_is_stopped_is_not_moved),
	    cmocka_unit_test(a_change_lowers_all_that_is_vouched_for),
	    cmocka_unit_test(what_was_lowered_counts_after_a_while_and_a_new_look),
	    cmocka_unit_test(evidence_is_the_links_own),
	    cmocka_unit_test(there_is_room_for_those_in_force),
	    cmocka_unit_test(a_stack_asks_for_evidence),
	    cmocka_unit_test(lowered_evidence_spends_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
