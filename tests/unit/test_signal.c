/* SPDX-License-Identifier: Apache-2.0 */
/* Security events in the core: what each effect takes away, what lifts it, and that nothing else does. */
#include "tests/unit/unit.h"

#include "tests/unit/core_fixture.h"

static struct fixture f;
static struct id allowance_id, mandate_id;
static uint32_t allowance_no, mandate_no;

/* A session that was countersigned, an allowance and a mandate of the Apple link, and an allowance of nobody else's. */
static void
ready(void)
{
	struct grant g;

	fixture_ready(&f);
	g = grant_of(&f);
	assert_int_equal(do_grant(&f, &g, f.totp, &allowance_id, &allowance_no), REASON_COUNTERSIGNED);
	fixture_wait(&f, MINUTE_MS);
	g.kind = ALLOWANCE_MANDATE;
	assert_int_equal(do_grant(&f, &g, f.totp, &mandate_id, &mandate_no), REASON_COUNTERSIGNED);
	fixture_wait(&f, MINUTE_MS);
}

/* Both only ask what would be, so that no prompt is opened on the way. */
static enum reason
by_allowance(uint64_t payment)
{
	struct request r = spend_of(&f, payment, 1000);

	r.dry = true;
	return do_request(&f, &r);
}

static enum reason
by_mandate(uint64_t payment)
{
	struct request r = spend_of(&f, payment, 1000);

	r.session = (struct id){{0}};
	r.allowance = mandate_id;
	r.dry = true;
	spend_seal(&r);
	return do_request(&f, &r);
}

static void
sign_in(void)
{
	fixture_wait(&f, 1000);
	assert_int_equal(do_session(&f, f.apple, &f.session), REASON_ASKED);
}

static void
a_pause_lasts_until_a_countersignature_in_a_later_session(void **state)
{
	struct request r;

	(void)state;
	ready();
	assert_int_equal(by_allowance(1), REASON_ALLOWANCE);
	assert_int_equal(by_mandate(2), REASON_MANDATE);
	assert_int_equal(do_signal(&f, f.apple, SIGNAL_KIND_SESSION_REVOKED, SIGNAL_PAUSE_ALLOWANCES), REASON_SIGNALLED);
	assert_int_equal(by_allowance(3), REASON_ALLOWANCE_PAUSED);
	assert_int_equal(by_mandate(4), REASON_MANDATE_PAUSED);
	/* Countersigned in the session of before: that pays this one payment, and lifts nothing. */
	r = spend_of(&f, 5, 1000);
	assert_int_equal(do_countersigned(&f, &r, f.totp), REASON_COUNTERSIGNED);
	assert_int_equal(by_allowance(6), REASON_ALLOWANCE_PAUSED);
	/* A later session alone lifts nothing either. */
	sign_in();
	assert_int_equal(by_allowance(7), REASON_ALLOWANCE_PAUSED);
	assert_int_equal(by_mandate(8), REASON_MANDATE_PAUSED);
	r = spend_of(&f, 9, 1000);
	assert_int_equal(do_countersigned(&f, &r, f.totp), REASON_COUNTERSIGNED);
	assert_int_equal(by_allowance(10), REASON_ALLOWANCE);
	assert_int_equal(by_mandate(11), REASON_MANDATE);
	assert_int_equal(account_link_by_no(&f.account, f.apple)->signalled_ms, 0);
	assert_true(account_version(&f.account) < ACCOUNT_VERSION_SIGNALS);
}

static void
the_answer_says_that_it_lifts(void **state)
{
	struct request r;

	(void)state;
	ready();
	do_signal(&f, f.apple, SIGNAL_KIND_SESSION_REVOKED, SIGNAL_ASKS);
	sign_in();
	r = spend_of(&f, 1, 1000);
	assert_int_equal(do_request(&f, &r), REASON_ALLOWANCE_PAUSED);
	fixture_wait(&f, MINUTE_MS);
	do_answer(&f, &f.d.id, f.totp, true);
	assert_int_equal(f.d.events[0].type, EVENT_CHALLENGE_ANSWERED);
	assert_true((f.d.events[0].flags & EVENT_FLAG_RESUMES) != 0);
	r = spend_of(&f, 2, 99000);
	assert_int_equal(do_request(&f, &r), REASON_COUNTERSIGNATURE_REQUIRED);
	fixture_wait(&f, MINUTE_MS);
	do_answer(&f, &f.d.id, f.totp, true);
	assert_true((f.d.events[0].flags & EVENT_FLAG_COMPLETE) != 0);
	assert_true((f.d.events[0].flags & EVENT_FLAG_RESUMES) == 0);
}

static void
a_newer_event_needs_a_newer_session(void **state)
{
	struct request r;

	(void)state;
	ready();
	do_signal(&f, f.apple, SIGNAL_KIND_CREDENTIAL_CHANGE, SIGNAL_PAUSE_ALLOWANCES);
	sign_in();
	fixture_wait(&f, 1000);
	do_signal(&f, f.apple, SIGNAL_KIND_CREDENTIAL_CHANGE, SIGNAL_PAUSE_ALLOWANCES);
	r = spend_of(&f, 1, 1000);
	assert_int_equal(do_countersigned(&f, &r, f.totp), REASON_COUNTERSIGNED);
	assert_int_equal(by_allowance(2), REASON_ALLOWANCE_PAUSED);
}

static void
a_countersignature_through_another_link_lifts_nothing(void **state)
{
	struct request r;
	struct id apple = f.session;

	(void)state;
	ready();
	do_signal(&f, f.apple, SIGNAL_KIND_SESSION_REVOKED, SIGNAL_PAUSE_ALLOWANCES);
	sign_in();
	apple = f.session;
	assert_int_equal(do_session(&f, f.google, &f.session), REASON_ASKED);
	r = spend_of(&f, 1, 1000);
	assert_int_equal(do_countersigned(&f, &r, f.totp), REASON_COUNTERSIGNED);
	f.session = apple;
	assert_int_equal(by_allowance(2), REASON_ALLOWANCE_PAUSED);
}

/* A stack that knows no prompt: the pause is lifted by what opens the session, and one of before must be left. */
static void
a_stack_of_allowances_alone_asks_for_a_new_session(void **state)
{
	(void)state;
	ready();
	STACK(&f, &f.checkout, "spend", "required allowance");
	do_signal(&f, f.apple, SIGNAL_KIND_SESSION_REVOKED, SIGNAL_PAUSE_ALLOWANCES);
	assert_int_equal(by_allowance(1), REASON_SESSION_REVOKED);
	sign_in();
	assert_int_equal(by_allowance(2), REASON_ALLOWANCE_PAUSED);
}

static void
usual_effects_stop_or_ask(void **state)
{
	static const char *const stop[] = {"account-disabled", "account-purged", "identifier-recycled",
	    "credential-compromise", "consent-revoked", "account-delete", "account-deleted"};
	static const char *const ask[] = {"sessions-revoked", "session-revoked", "tokens-revoked", "token-revoked",
	    "credential-change", "account-credential-change-required", "recovery-activated"};
	static const char *const nothing[] = {"account-enabled", "opt-in", "session-established", "session-presented",
	    "token-claims-change", "email-enabled", "email-disabled", "other"};

	(void)state;
	for (size_t i = 0; i < sizeof(stop) / sizeof(stop[0]); i++) {
		ready();
		do_signal(&f, f.apple, signal_find(view_str(stop[i])), signal_effects_usual(signal_find(view_str(stop[i]))));
		assert_int_equal(by_allowance(1), REASON_SESSION_INVALID);
		assert_int_equal(do_session(&f, f.apple, &f.session), REASON_LINK_SUSPENDED);
		assert_int_equal(by_mandate(2), REASON_LINK_SUSPENDED);
		assert_int_equal(account_allowance_by_no(&f.account, mandate_no)->state, ALLOWANCE_REVOKED);
		assert_int_equal(f.account.sessions_n, 0);
	}
	for (size_t i = 0; i < sizeof(ask) / sizeof(ask[0]); i++) {
		ready();
		do_signal(&f, f.apple, signal_find(view_str(ask[i])), signal_effects_usual(signal_find(view_str(ask[i]))));
		assert_int_equal(by_allowance(1), REASON_SESSION_INVALID);
		assert_int_equal(by_mandate(2), REASON_MANDATE_PAUSED);
		assert_int_equal(account_link_by_no(&f.account, f.apple)->state, LINK_ACTIVE);
	}
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
		ready();
		do_signal(&f, f.apple, signal_find(view_str(nothing[i])),
		    signal_effects_usual(signal_find(view_str(nothing[i]))));
		assert_int_equal(f.d.events_n, 1);
		assert_int_equal(by_allowance(1), REASON_ALLOWANCE);
	}
}

/* Attack X2: whatever the provider takes back, what it stopped stays stopped. */
static void
nothing_that_a_provider_says_re_arms(void **state)
{
	(void)state;
	for (int kind = SIGNAL_KIND_NONE + 1; kind < SIGNAL_KIND__COUNT; kind++) {
		ready();
		do_signal(&f, f.apple, SIGNAL_KIND_ACCOUNT_DISABLED, SIGNAL_STOPS);
		fixture_wait(&f, 1000);
		do_signal(&f, f.apple, (enum signal_kind)kind, 0);
		do_signal(&f, f.apple, (enum signal_kind)kind, signal_effects_usual((enum signal_kind)kind));
		assert_int_equal(account_link_by_no(&f.account, f.apple)->state, LINK_SUSPENDED);
		assert_int_equal(do_session(&f, f.apple, &f.session), REASON_LINK_SUSPENDED);
	}
	/* The owner does, with a factor of their own; and what was revoked stays revoked. */
	assert_int_equal(do_thaw(&f, f.apple, AUTHOR_USER, f.totp), REASON_COUNTERSIGNED);
	assert_int_equal(account_link_by_no(&f.account, f.apple)->signalled_ms, 0);
	sign_in();
	assert_int_equal(by_allowance(1), REASON_COUNTERSIGNATURE_REQUIRED);
	assert_int_equal(by_mandate(2), REASON_LINK_SUSPENDED);
}

static void
challenges_and_countersignatures_of_before_fall(void **state)
{
	struct request r;
	struct id challenge;

	(void)state;
	ready();
	r = spend_of(&f, 1, 99000);
	assert_int_equal(do_request(&f, &r), REASON_COUNTERSIGNATURE_REQUIRED);
	challenge = f.d.id;
	do_signal(&f, f.apple, SIGNAL_KIND_OTHER, SIGNAL_VOID_CHALLENGES);
	fixture_wait(&f, MINUTE_MS);
	assert_int_equal(do_answer(&f, &challenge, f.totp, true), REASON_CHALLENGE_EXPIRED);
	/* Answered, and not used yet. */
	assert_int_equal(do_request(&f, &r), REASON_COUNTERSIGNATURE_REQUIRED);
	fixture_wait(&f, MINUTE_MS);
	assert_int_equal(do_answer(&f, &f.d.id, f.totp, true), REASON_COUNTERSIGNED);
	do_signal(&f, f.apple, SIGNAL_KIND_OTHER, SIGNAL_VOID_CHALLENGES);
	assert_int_equal(do_request(&f, &r), REASON_COUNTERSIGNATURE_REQUIRED);
}

static void
other_links_go_on(void **state)
{
	struct request r;

	(void)state;
	ready();
	assert_int_equal(do_session(&f, f.google, &f.session), REASON_ASKED);
	do_signal(&f, f.apple, SIGNAL_KIND_ACCOUNT_PURGED, SIGNAL_STOPS);
	r = spend_of(&f, 1, 1000);
	assert_int_equal(do_countersigned(&f, &r, f.totp), REASON_COUNTERSIGNED);
}

static void
a_link_that_does_not_stand_hears_nothing(void **state)
{
	(void)state;
	ready();
	do_narrow(&f, f.apple, LINK_REVOKED);
	assert_int_equal(do_signal(&f, f.apple, SIGNAL_KIND_ACCOUNT_PURGED, SIGNAL_STOPS), REASON_LINK_UNKNOWN);
	assert_int_equal(f.d.events_n, 0);
	assert_int_equal(do_signal(&f, 9999, SIGNAL_KIND_ACCOUNT_PURGED, SIGNAL_STOPS), REASON_LINK_UNKNOWN);
}

static void
names_and_words_are_found_again(void **state)
{
	(void)state;
	assert_int_equal(signal_find(VIEW("")), SIGNAL_KIND_NONE);
	assert_int_equal(signal_find(VIEW("account-disable")), SIGNAL_KIND_NONE);
	for (int i = SIGNAL_KIND_NONE + 1; i < SIGNAL_KIND__COUNT; i++)
		assert_int_equal(signal_find(view_str(signal_name((enum signal_kind)i))), i);
	for (int i = 0; i < SIGNAL_EFFECTS_N; i++)
		assert_int_equal(signal_effect_find(view_str(signal_effect_name((enum signal_effect_bit)i))), 1 << i);
	assert_int_equal(signal_effect_find(VIEW("ignore")), 0);
	assert_true(signal_is_good(SIGNAL_KIND_RISK_LEVEL_CHANGE, VIEW("low")));
	assert_true(signal_is_good(SIGNAL_KIND_RISK_LEVEL_CHANGE, VIEW("USER LOW")));
	assert_false(signal_is_good(SIGNAL_KIND_RISK_LEVEL_CHANGE, VIEW("high")));
	assert_false(signal_is_good(SIGNAL_KIND_RISK_LEVEL_CHANGE, VIEW("")));
	assert_false(signal_is_good(SIGNAL_KIND_DEVICE_COMPLIANCE_CHANGE, VIEW("not-compliant")));
	assert_false(signal_is_good(SIGNAL_KIND_ACCOUNT_DISABLED, VIEW("")));
}

/* The manual's words are what the table does. */
static void
the_usual_effects_are_told_as_they_are(void **state)
{
	static const char *const words[SIGNAL_KIND__COUNT] = {
	    "ignore",
#define X(id, name, effects, words, good, help) words,
	    SIGNAL_KINDS(X)
#undef X
	};

	(void)state;
	for (int kind = SIGNAL_KIND_NONE + 1; kind < SIGNAL_KIND__COUNT; kind++) {
		struct view rest = view_str(words[kind]);
		uint32_t mask = 0;

		while (rest.len > 0) {
			const char *space = memchr(rest.data, ' ', rest.len);
			size_t len = space == NULL ? rest.len : (size_t)(space - rest.data);

			mask |= signal_effect_find(view_of(rest.data, len));
			rest = space == NULL ? VIEW("") : view_of(space + 1, rest.len - len - 1);
		}
		assert_int_equal(mask, signal_effects_usual((enum signal_kind)kind));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_pause_lasts_until_a_countersignature_in_a_later_session),
	    cmocka_unit_test(the_answer_says_that_it_lifts),
	    cmocka_unit_test(a_newer_event_needs_a_newer_session),
	    cmocka_unit_test(a_countersignature_through_another_link_lifts_nothing),
	    cmocka_unit_test(a_stack_of_allowances_alone_asks_for_a_new_session),
	    cmocka_unit_test(usual_effects_stop_or_ask),
	    cmocka_unit_test(nothing_that_a_provider_says_re_arms),
	    cmocka_unit_test(challenges_and_countersignatures_of_before_fall),
	    cmocka_unit_test(other_links_go_on),
	    cmocka_unit_test(a_link_that_does_not_stand_hears_nothing),
	    cmocka_unit_test(names_and_words_are_found_again),
	    cmocka_unit_test(the_usual_effects_are_told_as_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
