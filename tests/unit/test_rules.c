/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of stacks: what each answers on this side of its bound and on the other. Each case is a function on a fresh
 * account; the stack is written as an admin would.
 */
#include "tests/unit/unit.h"

#include "broker/base/check.h"
#include "tests/unit/core_fixture.h"

static struct fixture fixture;

#define SPEND(f, ...) STACK(f, &(f)->checkout, "spend", __VA_ARGS__)

static struct fixture *
fresh(void)
{
	struct fixture *f = &fixture;

	fixture_ready(f);
	/* Only what a case writes shall bind. */
	for (size_t i = 0; i < f->policy.limits_n; i++)
		f->policy.limits[i] = (struct policy_limit){f->policy.limits[i].currency, -1, -1, -1, -1, -1};
	f->policy.prompts_per_link_day = 1000;
	f->policy.open_per_link = ACCOUNT_CHALLENGES_MAX;
	return f;
}

/* Another day, another session. */
static void
wait_and_sign_in(struct fixture *f, int64_t ms)
{
	fixture_wait(f, ms);
	assert_int_equal(do_session(f, f->apple, &f->session), REASON_ASKED);
}

static enum reason
pay(struct fixture *f, uint64_t n, int64_t amount_minor, uint16_t currency, uint64_t payee)
{
	struct request r = spend_of(f, n, amount_minor);

	r.currency = currency;
	r.payee = id_of('m', payee);
	spend_seal(&r);
	return do_countersigned(f, &r, f->totp);
}

static void
paid(struct fixture *f, uint64_t n, int64_t amount_minor)
{
	assert_int_equal(pay(f, n, amount_minor, CNY, 1), REASON_COUNTERSIGNED);
}

static void
allow(struct fixture *f)
{
	struct grant g = grant_of(f);
	struct id id;
	uint32_t no;

	g.payee = (struct id){{0}};
	g.per_payment_minor = g.per_day_minor = g.total_minor = 1000000;
	assert_int_equal(do_grant(f, &g, f->totp, &id, &no), REASON_COUNTERSIGNED);
}

/* --- limit --- */

static void
sums_bind_at_their_bound(void **state)
{
	static const struct {
		const char *line;
		enum reason reason;
		int64_t wait_ms; /* after which it is over */
	} cases[] = {
	    {"requisite limit per-payment=100CNY", REASON_NONE, 0},
	    {"requisite limit per-day=100CNY", REASON_LIMIT_DAY, DAY_MS},
	    {"requisite limit per-month=100CNY", REASON_LIMIT_MONTH, 31 * DAY_MS},
	    {"requisite limit per-year=100CNY", REASON_LIMIT_YEAR, 366 * DAY_MS},
	    {"requisite limit per-24h=100CNY", REASON_LIMIT_24H, 25 * HOUR_MS},
	    {"requisite limit per-year=100CNY for=link", REASON_LIMIT_YEAR, 366 * DAY_MS},
	    {"requisite limit per-24h=100CNY for=provider", REASON_LIMIT_24H, 25 * HOUR_MS},
	    {"requisite limit per-day=100CNY for=payee", REASON_LIMIT_DAY, DAY_MS},
	    {"requisite limit per-month=100CNY for=payee", REASON_LIMIT_MONTH, 31 * DAY_MS},
	    {"requisite limit per-24h=100CNY for=payee", REASON_LIMIT_24H, 25 * HOUR_MS},
	    {"requisite limit count-24h=2", REASON_LIMIT_24H, 25 * HOUR_MS},
	    {"requisite limit count-day=2 for=payee", REASON_LIMIT_COUNT, DAY_MS},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = fresh();

		print_message("%s\n", cases[i].line);
		SPEND(f, cases[i].line, "required stepup");
		paid(f, 1, 6000);
		paid(f, 2, 4000);
		if (cases[i].reason == REASON_NONE) {
			assert_int_equal(do_spend(f, 3, 10001), REASON_LIMIT_PAYMENT);
			paid(f, 4, 10000);
			continue;
		}
		assert_int_equal(do_spend(f, 3, 1), cases[i].reason);
		assert_true(f->d.detail.set);
		wait_and_sign_in(f, cases[i].wait_ms);
		paid(f, 4, 1);
	}
}

/* Hours may over-count by one, never under-count. */
static void
a_rolling_day_is_never_short(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "requisite limit per-24h=100CNY", "required stepup");
	fixture_wait(f, HOUR_MS - 1); /* at 12:59:59.999 */
	assert_int_equal(do_session(f, f->apple, &f->session), REASON_ASKED);
	paid(f, 1, 10000);
	wait_and_sign_in(f, DAY_MS - 1);
	assert_int_equal(do_spend(f, 2, 1), REASON_LIMIT_24H);
	wait_and_sign_in(f, HOUR_MS + 1);
	paid(f, 3, 10000);
}

/* Two days of payments every hour: the buckets of one scope take no more slots than they need. */
static void
many_hours_take_few_slots(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "requisite limit per-24h=25CNY", "required stepup");
	for (uint64_t i = 1; i <= 60; i++) {
		struct request r = spend_of(f, i, 100);

		r.capture = true;
		assert_int_equal(do_countersigned(f, &r, f->totp), REASON_COUNTERSIGNED);
		wait_and_sign_in(f, HOUR_MS);
	}
	assert_true(f->account.counters_n <= 4 + 14);
	/* 24 or 25 of them stand within. */
	assert_int_equal(do_spend(f, 100, 101), REASON_LIMIT_24H);
}

static void
in_all_is_for_ever(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "requisite limit in-all=100CNY", "required stepup");
	paid(f, 1, 10000);
	assert_int_equal(do_capture(f, 1, 1, -1), REASON_ASKED);
	for (int i = 0; i < 4; i++)
		wait_and_sign_in(f, 365 * DAY_MS);
	assert_int_equal(do_spend(f, 2, 1), REASON_LIMIT_TOTAL);
}

static void
sums_do_not_wrap(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "requisite limit in-all=1000000000000CNY per-year=1000000000000CNY per-24h=1000000000000CNY",
	    "required stepup");
	paid(f, 1, MONEY_MAX);
	assert_int_equal(do_spend(f, 2, 1), REASON_LIMIT_YEAR);
	for (size_t i = 0; i < f->account.counters_n; i++)
		f->account.counters[i].day_minor = INT64_MAX;
	assert_int_equal(do_spend(f, 3, MONEY_MAX), REASON_LIMIT_YEAR);
}

static void
other_currencies_are_denied_unless_ignored(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "requisite limit per-day=100CNY,1000JPY", "required stepup");
	assert_int_equal(pay(f, 1, 10000, CNY, 1), REASON_COUNTERSIGNED);
	assert_int_equal(pay(f, 2, 1000, JPY, 1), REASON_COUNTERSIGNED);
	assert_int_equal(pay(f, 3, 1, JPY, 1), REASON_LIMIT_DAY);
	assert_int_equal(pay(f, 4, 1, BHD, 1), REASON_LIMIT_UNDEFINED);
	SPEND(f, "requisite limit per-day=100CNY other=ignore", "required stepup");
	assert_int_equal(pay(f, 5, 1, BHD, 1), REASON_COUNTERSIGNED);
	SPEND(f, "requisite limit count-24h=4", "required stepup");
	/* Counts are over all currencies. */
	f->policy.needs |= f->checkout.needs;
	assert_int_equal(pay(f, 6, 1, BHD, 1), REASON_COUNTERSIGNED);
}

static void
payees_are_counted_apart(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "requisite limit in-all=100CNY for=payee", "required stepup");
	assert_int_equal(pay(f, 1, 10000, CNY, 1), REASON_COUNTERSIGNED);
	assert_int_equal(pay(f, 2, 10000, CNY, 2), REASON_COUNTERSIGNED);
	assert_int_equal(pay(f, 3, 1, CNY, 2), REASON_LIMIT_TOTAL);
}

static void
links_are_counted_apart(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "requisite limit in-all=100CNY for=link", "required stepup");
	paid(f, 1, 10000);
	assert_int_equal(do_spend(f, 2, 1), REASON_LIMIT_TOTAL);
	assert_int_not_equal(f->d.detail.link_no, 0);
	assert_int_equal(do_session(f, f->google, &f->session), REASON_ASKED);
	paid(f, 3, 10000);
}

/* Payments without a step-up count up to the next countersigned one; it begins anew, and stands in none itself. */
static void
a_step_up_begins_its_counters_anew(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "[success=ignore exceeded=1 default=die] limit per-stepup=100CNY count-stepup=3",
	    "sufficient allowance note=sca-exempt-low-value", "required stepup");
	allow(f);
	assert_int_equal(do_spend(f, 1, 6000), REASON_ALLOWANCE);
	assert_int_equal(do_spend(f, 2, 4000), REASON_ALLOWANCE);
	assert_int_equal(do_spend(f, 3, 1), REASON_COUNTERSIGNATURE_REQUIRED);
	paid(f, 3, 1);
	for (uint64_t n = 10; n < 13; n++)
		assert_int_equal(do_spend(f, n, 1), REASON_ALLOWANCE);
	assert_int_equal(do_spend(f, 13, 1), REASON_COUNTERSIGNATURE_REQUIRED);
}

static void
a_new_payee_has_a_limit_of_its_own(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "requisite limit first-use=10CNY", "required stepup");
	assert_int_equal(pay(f, 1, 1001, CNY, 1), REASON_LIMIT_FIRST_USE);
	assert_int_equal(pay(f, 2, 1000, CNY, 1), REASON_COUNTERSIGNED);
	assert_int_equal(pay(f, 3, 50000, CNY, 1), REASON_COUNTERSIGNED);
	assert_int_equal(pay(f, 4, 1001, CNY, 2), REASON_LIMIT_FIRST_USE);
	/* Too many payees: the one paid longest ago is new again. */
	for (uint64_t n = 0; n < 24; n++) {
		fixture_wait(f, DAY_MS);
		wait_and_sign_in(f, 0);
		assert_int_equal(pay(f, 10 + n, 100, CNY, 100 + n), REASON_COUNTERSIGNED);
	}
	assert_int_equal(pay(f, 90, 1001, CNY, 1), REASON_LIMIT_FIRST_USE);
	assert_int_equal(pay(f, 91, 1001, CNY, 123), REASON_COUNTERSIGNED);
}

static void
releases_give_back_and_refunds_do_not(void **state)
{
	static const char *const lines[] = {"requisite limit per-year=100CNY", "requisite limit in-all=100CNY",
	    "requisite limit per-24h=100CNY", "requisite limit in-all=100CNY for=link"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct fixture *f = fresh();

		print_message("%s\n", lines[i]);
		SPEND(f, lines[i], "required stepup");
		paid(f, 1, 10000);
		assert_int_equal(do_release(f, 1), REASON_NARROWS);
		paid(f, 2, 10000);
		assert_int_equal(do_capture(f, 2, 1, 6000), REASON_ASKED);
		paid(f, 3, 4000);
		assert_int_equal(do_refund(f, 2, 1, 6000), REASON_ASKED);
		do_spend(f, 4, 1);
		assert_int_equal(f->d.outcome, OUTCOME_DENY);
	}
}

static void
released_allowance_payments_leave_the_step_up_sum(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "[success=ignore exceeded=1 default=die] limit per-stepup=100CNY", "sufficient allowance",
	    "required stepup");
	allow(f);
	fixture_wait(f, 1000);
	assert_int_equal(do_spend(f, 1, 10000), REASON_ALLOWANCE);
	assert_int_equal(do_release(f, 1), REASON_NARROWS);
	assert_int_equal(do_spend(f, 2, 10000), REASON_ALLOWANCE);
	paid(f, 3, 1);
	/* What was permitted before the step-up is in no sum any more. */
	fixture_wait(f, 1000);
	assert_int_equal(do_spend(f, 4, 9000), REASON_ALLOWANCE);
	assert_int_equal(do_release(f, 2), REASON_NARROWS);
	assert_int_equal(do_spend(f, 5, 1001), REASON_COUNTERSIGNATURE_REQUIRED);
}

/* What was permitted before a stack asked for the counter is not in it, and so is not given back. */
static void
what_was_not_counted_is_not_given_back(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "required stepup");
	f->policy.needs = 0;
	paid(f, 1, 10000);
	SPEND(f, "requisite limit in-all=100CNY", "required stepup");
	paid(f, 2, 10000);
	assert_int_equal(do_release(f, 1), REASON_NARROWS);
	assert_int_equal(do_spend(f, 3, 1), REASON_LIMIT_TOTAL);
}

static void
a_full_table_denies(void **state)
{
	struct fixture *f = fresh();
	uint64_t n;

	(void)state;
	SPEND(f, "requisite limit in-all=1000CNY for=payee", "required stepup");
	for (n = 1; f->account.counters_n < ACCOUNT_COUNTERS_MAX; n++) {
		struct request r = spend_of(f, n, 100);

		r.payee = id_of('m', n);
		r.capture = true;
		spend_seal(&r);
		assert_int_equal(do_countersigned(f, &r, f->totp), REASON_COUNTERSIGNED);
	}
	assert_int_equal(pay(f, 1000, 100, CNY, 1000), REASON_FULL);
	/* One that has its place may be paid on. */
	assert_int_equal(pay(f, 1001, 100, CNY, 1), REASON_COUNTERSIGNED);
}

static void
an_account_that_needs_nothing_is_written_as_before(void **state)
{
	static uint8_t mem[ACCOUNT_BYTES_MAX];
	struct fixture *f = fresh();
	struct buf out = buf_over(mem, sizeof(mem));

	(void)state;
	SPEND(f, "requisite limit per-day=100CNY count-month=20", "required stepup any=totp,webauthn factors=1");
	assert_int_equal(f->checkout.needs, 0);
	paid(f, 1, 100);
	account_encode(&f->account, &out);
	assert_int_equal(mem[0], 1);
}

/* What the last answer carries out is countersigned in the session that it was asked for in, as the prompt supposed. */
static void
the_answer_itself_countersigns_the_session(void **state)
{
	struct fixture *f = fresh();
	struct grant g = grant_of(f);
	uint32_t no;
	struct id id;

	(void)state;
	STACK(f, &f->checkout, "grant", "required session countersigned", "required stepup");
	assert_int_equal(do_grant(f, &g, f->totp, &id, &no), REASON_COUNTERSIGNED);
	assert_int_equal(account_allowance_by_no(&f->account, no)->state, ALLOWANCE_OPEN);
}

/* --- drain --- */

static void
a_drain_is_stopped(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "requisite drain", "required stepup");
	paid(f, 1, 100);
	paid(f, 2, 100);
	assert_int_equal(do_spend(f, 3, 100), REASON_DRAIN_SUSPECTED);
	fixture_wait(f, 5 * MINUTE_MS - 1);
	assert_int_equal(do_spend(f, 4, 100), REASON_DRAIN_SUSPECTED);
	fixture_wait(f, 1);
	paid(f, 5, 100);
}

static void
a_drain_is_of_one_link(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "requisite drain count=2 within=1m", "required stepup");
	paid(f, 1, 100);
	assert_int_equal(do_session(f, f->google, &f->session), REASON_ASKED);
	paid(f, 2, 100);
	assert_int_equal(do_spend(f, 3, 100), REASON_DRAIN_SUSPECTED);
}

static void
a_drain_has_a_sum(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "requisite drain count=16 within=60m sum=100CNY", "required stepup");
	paid(f, 1, 6000);
	paid(f, 2, 4000);
	assert_int_equal(do_spend(f, 3, 1), REASON_DRAIN_SUSPECTED);
	assert_int_equal(pay(f, 4, 1, JPY, 1), REASON_COUNTERSIGNED);
}

/* Another link's payments push the first's out of the ring: then all of them count. */
static void
a_drain_is_not_hidden_behind_another_link(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "requisite drain count=16 within=60m", "required stepup");
	for (uint64_t n = 1; n <= 15; n++) {
		struct request r = spend_of(f, n, 100);

		r.capture = true;
		assert_int_equal(do_countersigned(f, &r, f->totp), REASON_COUNTERSIGNED);
	}
	STACK(f, &f->checkout, "spend", "required stepup");
	assert_int_equal(do_session(f, f->google, &f->session), REASON_ASKED);
	for (uint64_t n = 21; n <= 36; n++) {
		struct request r = spend_of(f, n, 100);

		r.capture = true;
		assert_int_equal(do_countersigned(f, &r, f->totp), REASON_COUNTERSIGNED);
	}
	SPEND(f, "requisite drain count=16 within=60m", "required stepup");
	assert_int_equal(do_session(f, f->apple, &f->session), REASON_ASKED);
	assert_int_equal(do_spend(f, 50, 100), REASON_DRAIN_SUSPECTED);
}

/* M1: old holds that are captured now push nothing out of sight that was permitted now. */
static void
a_drain_is_not_hidden_behind_late_captures(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "required stepup");
	f->policy.prompts_per_link_day = 1000;
	for (uint64_t n = 1; n <= 20; n++)
		paid(f, n, 100);
	fixture_wait(f, 60 * MINUTE_MS);
	assert_int_equal(do_session(f, f->apple, &f->session), REASON_ASKED);
	SPEND(f, "requisite drain", "required stepup");
	for (uint64_t n = 31; n <= 32; n++) {
		struct request r = spend_of(f, n, 100);

		r.capture = true;
		assert_int_equal(do_countersigned(f, &r, f->totp), REASON_COUNTERSIGNED);
	}
	for (uint64_t n = 1; n <= 20; n++) {
		assert_int_equal(do_capture(f, n, n, 100), REASON_ASKED);
		/* What was finished last is there, whatever its age. */
		assert_non_null(account_payment(&f->account, &f->d.id));
	}
	assert_int_equal(do_spend(f, 40, 100), REASON_DRAIN_SUSPECTED);
}

/* --- payee, service, time, account --- */

static void
payees_are_listed_or_known(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "requisite payee id=shop,cafe", "required stepup");
	assert_int_equal(pay(f, 1, 100, CNY, 1), REASON_PAYEE_NOT_LISTED);
	f->checkout.ids[1] = id_of('m', 1);
	assert_int_equal(pay(f, 2, 100, CNY, 1), REASON_COUNTERSIGNED);
	SPEND(f, "requisite payee known", "required stepup");
	assert_int_equal(pay(f, 3, 100, CNY, 2), REASON_PAYEE_NOT_LISTED);
	SPEND(f, "[success=ignore denied=ignore default=die] payee known", "required stepup");
	assert_int_equal(pay(f, 4, 100, CNY, 2), REASON_COUNTERSIGNED);
	SPEND(f, "requisite payee known", "required stepup");
	assert_int_equal(pay(f, 5, 100, CNY, 2), REASON_COUNTERSIGNED);
}

static void
services_are_named(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "requisite service wallet", "required stepup");
	assert_int_equal(do_spend(f, 1, 100), REASON_SERVICE_NOT_LISTED);
	SPEND(f, "requisite service wallet checkout", "required stepup");
	assert_int_equal(do_spend(f, 1, 100), REASON_COUNTERSIGNATURE_REQUIRED);
}

/* NOON_MS is Tuesday, 2026-03-10, 12:00 in +08:00. */
static void
hours_and_days_are_the_zones(void **state)
{
	static const struct {
		const char *line;
		int minutes; /* after noon */
		bool within;
	} cases[] = {
	    {"requisite time from=12:00 to=13:00", 0, true},
	    {"requisite time from=12:00 to=13:00", 59, true},
	    {"requisite time from=12:00 to=13:00", 60, false},
	    {"requisite time from=12:01 to=13:00", 0, false},
	    {"requisite time from=22:00 to=06:00", 0, false},
	    {"requisite time from=22:00 to=06:00", 10 * 60, true},
	    {"requisite time from=22:00 to=06:00", 17 * 60 + 59, true},
	    {"requisite time from=22:00 to=06:00", 18 * 60, false},
	    {"requisite time from=22:00 to=06:00 days=tue", 17 * 60, true}, /* it is Wednesday: Tuesday's night */
	    {"requisite time from=22:00 to=06:00 days=wed", 17 * 60, false},
	    {"requisite time days=tue", 11 * 60 + 59, true},
	    {"requisite time days=tue", 12 * 60, false},
	    {"requisite time days=mon,wed-sun", 0, false},
	    {"requisite time days=sat-tue", 0, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = fresh();

		SPEND(f, cases[i].line, "required stepup");
		wait_and_sign_in(f, NOON_MS + 7 * DAY_MS - f->asked.now_ms + cases[i].minutes * MINUTE_MS);
		if (do_spend(f, 1, 100) != (cases[i].within ? REASON_COUNTERSIGNATURE_REQUIRED : REASON_OUTSIDE_HOURS))
			fail_msg("%s, %d minutes after noon: %s", cases[i].line, cases[i].minutes,
			    reason_name((enum reason)f->d.reason));
	}
}

static void
accounts_have_an_age_and_factors(void **state)
{
	static const struct {
		const char *line;
		enum reason reason;
	} cases[] = {
	    {"requisite account age=3650d", REASON_ACCOUNT_TOO_NEW},
	    {"requisite account age=1h", REASON_COUNTERSIGNATURE_REQUIRED},
	    {"requisite account link-age=3650d", REASON_ACCOUNT_TOO_NEW},
	    {"requisite account link-age=1h", REASON_COUNTERSIGNATURE_REQUIRED},
	    {"requisite account factors=2", REASON_COUNTERSIGNATURE_REQUIRED},
	    {"requisite account factors=3", REASON_ACCOUNT_FACTORS},
	    {"requisite account holds=totp,webauthn", REASON_COUNTERSIGNATURE_REQUIRED},
	    {"requisite account holds=totp,pam", REASON_ACCOUNT_FACTORS},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = fresh();

		SPEND(f, cases[i].line, "required stepup");
		if (do_spend(f, 1, 100) != cases[i].reason)
			fail_msg("%s: %s", cases[i].line, reason_name((enum reason)f->d.reason));
	}
}

/* --- risk, notify, notes --- */

static void
risk_reads_the_evidence(void **state)
{
	static const struct {
		struct evidence e;
		enum reason reason;
	} cases[] = {
	    {{RISK_SCORES, true, 40}, REASON_COUNTERSIGNATURE_REQUIRED},
	    {{RISK_SCORES, true, 41}, REASON_RISK_HIGH},
	    {{RISK_SCORES, false, 0}, REASON_RISK_UNAVAILABLE},
	    {{NOTIFY_HOOK, true, 0}, REASON_RISK_UNAVAILABLE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f = fresh();

		SPEND(f, "requisite risk scores max=40", "required stepup");
		f->asked.evidence = &cases[i].e;
		f->asked.evidence_n = 1;
		assert_int_equal(do_spend(f, 1, 100), cases[i].reason);
		f->asked.evidence_n = 0;
		assert_int_equal(do_spend(f, 2, 100), REASON_RISK_UNAVAILABLE);
	}
}

static void
notify_changes_nothing_and_is_told(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "required notify hook", "required stepup");
	assert_int_equal(do_spend(f, 1, 100), REASON_COUNTERSIGNATURE_REQUIRED);
	assert_int_equal(f->d.notify, 1);
	assert_int_equal(f->checkout.plugins[0], NOTIFY_HOOK);
	SPEND(f, "requisite deny", "required notify hook");
	assert_int_equal(do_spend(f, 2, 100), REASON_STACK);
	assert_int_equal(f->d.notify, 0);
	/* A stack of notify alone says nothing, and so denies. */
	SPEND(f, "required notify hook");
	assert_int_equal(do_spend(f, 3, 100), REASON_STACK);
}

static void
notes_stand_where_their_line_let_it_through(void **state)
{
	struct fixture *f = fresh();
	const struct event *e = &f->d.events[0];

	(void)state;
	SPEND(f, "[success=ignore exceeded=1 default=die] limit per-payment=10CNY note=sca-exempt-low-value",
	    "sufficient allowance", "required stepup note=liability-institution");
	allow(f);
	assert_int_equal(do_spend(f, 1, 1000), REASON_ALLOWANCE);
	assert_int_equal(e->notes, note_bit(NOTE_SCA_EXEMPT_LOW_VALUE));
	assert_int_equal(do_spend(f, 2, 1001), REASON_COUNTERSIGNATURE_REQUIRED);
	assert_int_equal(e->notes, note_bit(NOTE_LIABILITY_INSTITUTION));
	assert_int_equal(f->d.notes, note_bit(NOTE_LIABILITY_INSTITUTION));
}

/* --- session, stepup --- */

static void
a_session_may_have_to_be_countersigned(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "requisite session countersigned", "sufficient allowance", "required stepup");
	allow(f);
	assert_int_equal(do_spend(f, 1, 100), REASON_ALLOWANCE);
	assert_int_equal(do_session(f, f->apple, &f->session), REASON_ASKED);
	do_spend(f, 2, 100);
	assert_int_equal(f->d.outcome, OUTCOME_STEP_UP);
	paid(f, 2, 100);
	assert_int_equal(do_spend(f, 3, 100), REASON_ALLOWANCE);
}

/* Asks, answers with these factors in turn, and asks again; the reason of the last answer, or of the request. */
static enum reason
answered(struct fixture *f, const char *line, const uint32_t *factors, size_t n)
{
	static uint64_t payment = 500;
	struct request r = spend_of(f, ++payment, 100);
	struct id challenge;

	SPEND(f, line);
	if (do_request(f, &r) != REASON_COUNTERSIGNATURE_REQUIRED)
		return (enum reason)f->d.reason;
	challenge = f->d.id;
	for (size_t i = 0; i < n; i++) {
		enum reason reason = do_answer(f, &challenge, factors[i], true);

		if (reason != REASON_ASKED && reason != REASON_COUNTERSIGNED)
			return reason;
	}
	return do_request(f, &r);
}

static uint32_t
enrolled(struct fixture *f, enum factor_kind kind, uint64_t plugin)
{
	uint32_t no;

	assert_int_equal(do_enrol(f, kind, plugin, f->totp), REASON_COUNTERSIGNED);
	no = f->d.no;
	wait_and_sign_in(f, DAY_MS);
	return no;
}

static void
stepup_asks_for_what_it_says(void **state)
{
	struct fixture *f = fresh();
	uint32_t second, pam;

	(void)state;
	f->policy.trusted[0] = (struct policy_limit){.currency = CNY, .per_payment_minor = 100000};
	f->policy.trusted_n = 1;
	second = enrolled(f, FACTOR_TOTP, PLUGIN_TOTP);
	pam = enrolled(f, FACTOR_PAM, PLUGIN_PAM);

	const uint32_t totp = f->totp, webauthn = f->webauthn;
	const struct {
		const char *line;
		uint32_t by[3];
		size_t n;
		enum reason reason;
	} cases[] = {
	    {"required stepup", {totp}, 1, REASON_COUNTERSIGNED},
	    {"required stepup any=webauthn", {totp}, 1, REASON_NO_INDEPENDENT_FACTOR},
	    {"required stepup any=webauthn", {webauthn}, 1, REASON_COUNTERSIGNED},
	    {"required stepup factors=2", {totp, second}, 2, REASON_COUNTERSIGNED},
	    {"required stepup factors=2", {totp}, 1, REASON_COUNTERSIGNATURE_REQUIRED},
	    {"required stepup factors=2", {totp, totp}, 2, REASON_NO_INDEPENDENT_FACTOR},
	    {"required stepup all=totp,webauthn", {totp, webauthn}, 2, REASON_COUNTERSIGNED},
	    {"required stepup all=totp,webauthn", {totp, second}, 2, REASON_COUNTERSIGNATURE_REQUIRED},
	    {"required stepup all=totp,webauthn", {totp, second, webauthn}, 3, REASON_COUNTERSIGNED},
	    {"required stepup categories=2", {totp, webauthn}, 2, REASON_COUNTERSIGNATURE_REQUIRED},
	    {"required stepup categories=2", {totp, pam}, 2, REASON_COUNTERSIGNED},
	    {"required stepup categories=2 factors=3", {totp, pam, webauthn}, 3, REASON_COUNTERSIGNED},
	    {"required stepup categories=3", {totp}, 1, REASON_STACK}, /* no kind is of a third */
	    {"required stepup strongest", {totp}, 1, REASON_COUNTERSIGNATURE_REQUIRED},
	    {"required stepup strongest", {webauthn}, 1, REASON_COUNTERSIGNED},
	    {"required stepup strongest any=totp,pam", {totp}, 1, REASON_COUNTERSIGNED},
	    {"required stepup max-age=5m exact", {totp}, 1, REASON_COUNTERSIGNED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum reason reason = answered(f, cases[i].line, cases[i].by, cases[i].n);

		if (reason != cases[i].reason)
			fail_msg("case %zu, %s: %s", i, cases[i].line, reason_name(reason));
		wait_and_sign_in(f, HOUR_MS);
	}
}

/* Lines that overlap are satisfied together, and by as few factors as will do. */
static void
several_lines_are_satisfied_together(void **state)
{
	struct fixture *f = fresh();
	struct request r = spend_of(f, 1, 100);
	struct id challenge;

	(void)state;
	SPEND(f, "required stepup factors=2", "required stepup any=webauthn");
	assert_int_equal(do_request(f, &r), REASON_COUNTERSIGNATURE_REQUIRED);
	assert_int_equal(account_challenge(&f->account, &f->d.id)->need, 2);
	challenge = f->d.id;
	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_ASKED);
	assert_int_equal(do_answer(f, &challenge, f->webauthn, true), REASON_COUNTERSIGNED);
	assert_int_equal(do_request(f, &r), REASON_COUNTERSIGNED);
	/* Of two ways, the one that the account can go. */
	SPEND(f, "sufficient stepup any=pam", "required stepup any=webauthn");
	r = spend_of(f, 2, 100);
	assert_int_equal(do_countersigned(f, &r, f->webauthn), REASON_COUNTERSIGNED);
}

/* Whoever locks the strongest factor by wrong answers is not asked for a weaker one. */
static void
a_lock_does_not_weaken_strongest(void **state)
{
	struct fixture *f = fresh();

	(void)state;
	SPEND(f, "required stepup strongest");
	for (int i = 0; i < FACTOR_FAILURES_MAX; i++) {
		struct request r = spend_of(f, 10 + (uint64_t)i, 100);

		assert_int_equal(do_request(f, &r), REASON_COUNTERSIGNATURE_REQUIRED);
		struct id challenge = f->d.id;

		assert_int_equal(do_answer(f, &challenge, f->webauthn, false), REASON_FACTOR_REJECTED);
	}
	assert_int_equal(do_spend(f, 50, 100), REASON_FACTOR_LOCKED);
}

static void
a_signature_grows_old(void **state)
{
	struct fixture *f = fresh();
	struct request r = spend_of(f, 1, 100);
	struct id challenge;

	(void)state;
	SPEND(f, "required stepup max-age=1m");
	assert_int_equal(do_request(f, &r), REASON_COUNTERSIGNATURE_REQUIRED);
	challenge = f->d.id;
	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_COUNTERSIGNED);
	fixture_wait(f, MINUTE_MS + 1);
	do_request(f, &r);
	assert_int_equal(f->d.outcome, OUTCOME_STEP_UP);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sums_bind_at_their_bound),
	    cmocka_unit_test(a_rolling_day_is_never_short),
	    cmocka_unit_test(many_hours_take_few_slots),
	    cmocka_unit_test(in_all_is_for_ever),
	    cmocka_unit_test(sums_do_not_wrap),
	    cmocka_unit_test(other_currencies_are_denied_unless_ignored),
	    cmocka_unit_test(payees_are_counted_apart),
	    cmocka_unit_test(links_are_counted_apart),
	    cmocka_unit_test(a_step_up_begins_its_counters_anew),
	    cmocka_unit_test(a_new_payee_has_a_limit_of_its_own),
	    cmocka_unit_test(releases_give_back_and_refunds_do_not),
	    cmocka_unit_test(released_allowance_payments_leave_the_step_up_sum),
	    cmocka_unit_test(what_was_not_counted_is_not_given_back),
	    cmocka_unit_test(a_full_table_denies),
	    cmocka_unit_test(an_account_that_needs_nothing_is_written_as_before),
	    cmocka_unit_test(the_answer_itself_countersigns_the_session),
	    cmocka_unit_test(a_drain_is_stopped),
	    cmocka_unit_test(a_drain_is_of_one_link),
	    cmocka_unit_test(a_drain_has_a_sum),
	    cmocka_unit_test(a_drain_is_not_hidden_behind_another_link),
	    cmocka_unit_test(a_drain_is_not_hidden_behind_late_captures),
	    cmocka_unit_test(payees_are_listed_or_known),
	    cmocka_unit_test(services_are_named),
	    cmocka_unit_test(hours_and_days_are_the_zones),
	    cmocka_unit_test(accounts_have_an_age_and_factors),
	    cmocka_unit_test(risk_reads_the_evidence),
	    cmocka_unit_test(notify_changes_nothing_and_is_told),
	    cmocka_unit_test(notes_stand_where_their_line_let_it_through),
	    cmocka_unit_test(a_session_may_have_to_be_countersigned),
	    cmocka_unit_test(stepup_asks_for_what_it_says),
	    cmocka_unit_test(several_lines_are_satisfied_together),
	    cmocka_unit_test(a_lock_does_not_weaken_strongest),
	    cmocka_unit_test(a_signature_grows_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
