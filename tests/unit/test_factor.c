/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Factors through their lives: what makes one independent of a provider (rule 11, with the edge that decides), recovery by
 * printed codes, replacement, locks that are lifted early, and several answers to one prompt.
 */
#include "tests/unit/unit.h"

#include "tests/unit/core_fixture.h"

enum { SEED = 20181010, ROUNDS = 4000 };

/* Things, as tags. */
enum { MAIL = 0x1001, PARENT_MAIL, PHONE, KEYCHAIN, MODEL };

static struct fixture fixture;

static int
ready(void **state)
{
	fixture_ready(&fixture);
	fixture.policy.factors[FACTOR_OTP] = (struct policy_factor){.plugin = 901, .cooling_off_ms = DAY_MS, .enabled = true};
	fixture.policy.factors[FACTOR_APPROVE] = (struct policy_factor){.plugin = 902, .cooling_off_ms = DAY_MS,
	    .enabled = true};
	fixture.policy.recovery_cooling_off_ms = 3 * DAY_MS;
	*state = &fixture;
	return 0;
}

static struct factor *
factor(const struct fixture *f, uint32_t no)
{
	return account_factor_by_no(&f->account, no);
}

static enum reason
answer(struct fixture *f, struct id challenge, uint32_t by, bool right)
{
	return do_answer(f, &challenge, by, right);
}

static enum reason
answer_step(struct fixture *f, struct id challenge, uint32_t by, int64_t step)
{
	return do_answer_step(f, &challenge, by, step);
}

/* --- rule 11 --- */

struct stand {
	const char *what;
	/* the factor */
	uint8_t kind;
	uint64_t rests[2];
	uint8_t copies;
	bool attested;
	/* the provider */
	bool syncs;
	uint64_t controls;
	uint8_t sorts, assume, controls_kinds;
	/* what must come out */
	uint8_t is, edge;
	bool assumed;
};

#define NO_COPIES .copies = COPIES_NONE
#define SYNCED .copies = COPIES_POSSIBLE
#define YES .is = INDEPENDENT, .edge = EDGE_NONE
#define NO(why) .is = DEPENDENT, .edge = EDGE_##why
#define UNKNOWN(why) .is = INDEPENDENCE_UNKNOWN, .edge = EDGE_##why

static const struct stand stands[] = {
	{"a passkey bound to its device", FACTOR_WEBAUTHN, NO_COPIES, .syncs = true, YES},
	{"the same, of a model that the provider controls", FACTOR_WEBAUTHN, {KEYCHAIN}, NO_COPIES, .controls = KEYCHAIN,
	    .sorts = THING_AAGUID, NO(THING)},
	{"a synced passkey, its keeper the provider", FACTOR_WEBAUTHN, {KEYCHAIN}, SYNCED, .syncs = true,
	    .controls = KEYCHAIN, .sorts = THING_AAGUID, NO(THING)},
	{"the same, however much its maker vouches for it", FACTOR_WEBAUTHN, {KEYCHAIN}, SYNCED, .attested = true,
	    .syncs = true, .controls = KEYCHAIN, .sorts = THING_AAGUID, NO(THING)},
	{"the same, and no word of the admin's mends it", FACTOR_WEBAUTHN, {KEYCHAIN}, SYNCED, .syncs = true,
	    .controls = KEYCHAIN, .sorts = THING_AAGUID, .assume = 1 << FACTOR_WEBAUTHN, NO(THING)},
	{"a synced passkey of another model, attested", FACTOR_WEBAUTHN, {MODEL}, SYNCED, .attested = true, .syncs = true,
	    .controls = KEYCHAIN, .sorts = THING_AAGUID, YES},
	{"a synced passkey that only says it is another model", FACTOR_WEBAUTHN, {MODEL}, SYNCED, .syncs = true,
	    .controls = KEYCHAIN, .sorts = THING_AAGUID, UNKNOWN(COPIES)},
	{"the same, where the provider controls models though it syncs nothing else", FACTOR_WEBAUTHN, {MODEL}, SYNCED,
	    .controls = KEYCHAIN, .sorts = THING_AAGUID, UNKNOWN(COPIES)},
	{"the same, by the admin's word", FACTOR_WEBAUTHN, {MODEL}, SYNCED, .syncs = true, .controls = KEYCHAIN,
	    .sorts = THING_AAGUID, .assume = 1 << FACTOR_WEBAUTHN, YES, .assumed = true},
	{"the same, by a word on another kind", FACTOR_WEBAUTHN, {MODEL}, SYNCED, .syncs = true,
	    .assume = 1 << FACTOR_TOTP, UNKNOWN(COPIES)},
	{"a passkey that says nothing, where secrets are synced", FACTOR_WEBAUTHN, .syncs = true, UNKNOWN(COPIES)},
	{"an attested passkey that says nothing of copies", FACTOR_WEBAUTHN, {MODEL}, .attested = true, .syncs = true,
	    UNKNOWN(COPIES)},
	{"a passkey that says nothing, where they are not", FACTOR_WEBAUTHN, YES},
	{"a device that approves, bound", FACTOR_APPROVE, NO_COPIES, .syncs = true, YES},
	{"a device that approves, synced", FACTOR_APPROVE, SYNCED, .syncs = true, UNKNOWN(COPIES)},
	{"a code by mail to the provider's own domain", FACTOR_OTP, {MAIL, PARENT_MAIL}, .controls = PARENT_MAIL,
	    .sorts = THING_MAIL, NO(THING)},
	{"a code by mail elsewhere", FACTOR_OTP, {MAIL}, .controls = PARENT_MAIL, .sorts = THING_MAIL, YES},
	{"a code by mail elsewhere, where secrets are synced", FACTOR_OTP, {MAIL}, .controls = PARENT_MAIL,
	    .sorts = THING_MAIL, .syncs = true, UNKNOWN(COPIES)},
	{"a code to a number that the provider controls", FACTOR_OTP, {PHONE}, .controls = PHONE, .sorts = THING_PHONE,
	    .assume = 1 << FACTOR_OTP, NO(THING)},
	{"a code to nobody knows where", FACTOR_OTP, .controls = PHONE, .sorts = THING_PHONE, UNKNOWN(COPIES)},
	{"a code to nobody knows where, of no matter here", FACTOR_OTP, .controls = KEYCHAIN, .sorts = THING_AAGUID, YES},
	{"a kind that the provider controls", FACTOR_OTP, {MAIL}, .controls_kinds = 1 << FACTOR_OTP, NO(KIND)},
	{"the same, by the admin's word", FACTOR_OTP, {MAIL}, .controls_kinds = 1 << FACTOR_OTP,
	    .assume = 1 << FACTOR_OTP, NO(KIND)},
	{"a seed", FACTOR_TOTP, YES},
	{"a seed, where secrets are synced", FACTOR_TOTP, .syncs = true, UNKNOWN(COPIES)},
	{"a seed, by the admin's word", FACTOR_TOTP, .syncs = true, .assume = 1 << FACTOR_TOTP, YES, .assumed = true},
	{"a word that was not needed", FACTOR_TOTP, .assume = 1 << FACTOR_TOTP, YES},
	{"a PAM conversation", FACTOR_PAM, .syncs = true, UNKNOWN(COPIES)},
	{"a printed code, where secrets are synced", FACTOR_RECOVERY, .syncs = true, YES},
};

static void
set_factor(struct fixture *f, const struct stand *s, struct factor *to)
{
	to->kind = s->kind;
	to->plugin = 900;
	to->copies = s->copies;
	to->attested = s->attested;
	memset(to->rests, 0, sizeof(to->rests));
	memcpy(to->rests, s->rests, sizeof(s->rests));
	f->policy.providers[0].syncs_secrets = s->syncs;
	f->policy.providers[0].controls[0] = s->controls;
	f->policy.providers[0].controls_n = s->controls != 0;
	f->policy.providers[0].controls_sorts = s->sorts;
	f->policy.providers[0].assume_kinds = s->assume;
	f->policy.providers[0].controls_kinds = s->controls_kinds;
}

static void
every_kind_stands_as_it_says(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(stands) / sizeof(stands[0]); i++) {
		const struct stand *s = &stands[i];
		struct edge edge = {.what = 99};
		bool assumed = false;
		enum independence is;

		set_factor(f, s, factor(f, f->totp));
		is = factor_stands(&f->asked, &f->account, factor(f, f->totp), APPLE, &edge, &assumed);
		if (is != s->is || edge.what != s->edge || assumed != s->assumed)
			fail_msg("%s: %d by edge %d, assumed %d", s->what, (int)is, edge.what, assumed);
		assert_int_equal(factor_independent(&f->asked, &f->account, factor(f, f->totp), APPLE, &assumed),
		    s->is == INDEPENDENT);
		if (edge.what != EDGE_NONE) {
			assert_int_equal(edge.factor_no, f->totp);
			assert_int_equal(edge.provider, APPLE);
		}
		if (edge.what == EDGE_THING)
			assert_int_equal(edge.thing, s->controls);
	}
}

static void
the_plugin_of_the_provider_is_the_provider(void **state)
{
	struct fixture *f = *state;
	struct edge edge;

	for (uint8_t kind = 0; kind < FACTOR__COUNT; kind++) {
		factor(f, f->totp)->kind = kind;
		factor(f, f->totp)->plugin = PLUGIN_OIDC;
		factor(f, f->totp)->copies = COPIES_NONE;
		f->policy.providers[0].assume_kinds = FACTOR_KINDS_ALL;
		assert_int_equal(factor_stands(&f->asked, &f->account, factor(f, f->totp), APPLE, &edge, NULL), DEPENDENT);
		assert_int_equal(edge.what, EDGE_PLUGIN);
	}
}

/* The passkey is bound to its device, and was enrolled on the word of a code that goes to the provider's own mail. */
static void
what_authorised_the_enrolment_counts(void **state)
{
	struct fixture *f = *state;
	struct edge edge;

	factor(f, f->webauthn)->copies = COPIES_NONE;
	factor(f, f->totp)->kind = FACTOR_OTP;
	factor(f, f->totp)->rests[3] = MAIL;
	f->policy.providers[0].controls[0] = MAIL;
	f->policy.providers[0].controls_n = 1;
	f->policy.providers[0].controls_sorts = THING_MAIL;
	assert_int_equal(factor_stands(&f->asked, &f->account, factor(f, f->webauthn), APPLE, &edge, NULL), DEPENDENT);
	assert_int_equal(edge.what, EDGE_THING);
	assert_int_equal(edge.factor_no, f->totp);
	assert_int_equal(factor_stands(&f->asked, &f->account, factor(f, f->webauthn), GOOGLE, &edge, NULL), INDEPENDENT);
	/* Of all that are linked. */
	assert_int_equal(factor_stands(&f->asked, &f->account, factor(f, f->webauthn), 0, &edge, NULL), DEPENDENT);
	assert_int_equal(edge.provider, APPLE);
}

static void
support_that_left_is_unknown_whatever_is_assumed(void **state)
{
	struct fixture *f = *state;
	struct edge edge;
	bool assumed = false;

	factor(f, f->webauthn)->rests_on[0] = 0;
	factor(f, f->webauthn)->rests_on[1] = 1000;
	f->policy.providers[0].assume_kinds = FACTOR_KINDS_ALL;
	assert_int_equal(factor_stands(&f->asked, &f->account, factor(f, f->webauthn), APPLE, &edge, &assumed),
	    INDEPENDENCE_UNKNOWN);
	assert_int_equal(edge.what, EDGE_SUPPORT);
	assert_int_equal(factor_stands(&f->asked, &f->account, factor(f, f->totp), 12345, &edge, &assumed),
	    INDEPENDENCE_UNKNOWN);
	assert_int_equal(edge.what, EDGE_PROVIDER);
	assert_false(assumed);
}

static uint64_t
next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void
random_stand(struct fixture *f, uint64_t *seed)
{
	struct policy_provider *p = &f->policy.providers[0];

	for (size_t i = 0; i < f->account.factors_n; i++) {
		struct factor *to = &f->account.factors[i];

		to->kind = (uint8_t)(next(seed) % FACTOR__COUNT);
		to->copies = (uint8_t)(next(seed) % COPIES__COUNT);
		to->attested = (uint8_t)(next(seed) % 2);
		for (size_t k = 0; k < FACTOR_RESTS_MAX; k++)
			to->rests[k] = next(seed) % 4 == 0 ? MAIL + next(seed) % 5 : 0;
	}
	p->syncs_secrets = next(seed) % 2 == 0;
	p->controls_kinds = (uint8_t)(1 << next(seed) % 12 & FACTOR_KINDS_ALL);
	p->assume_kinds = (uint8_t)(next(seed) & FACTOR_KINDS_ALL);
	p->controls_sorts = (uint8_t)(next(seed) & 7);
	p->controls_n = (uint8_t)(next(seed) % 3);
	for (size_t k = 0; k < p->controls_n; k++)
		p->controls[k] = MAIL + next(seed) % 5;
}

/* Whatever is added to what a provider controls, no factor comes to stand apart by it. */
static void
more_control_never_helps(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = SEED;
	unsigned lost = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct policy_provider *p = &f->policy.providers[0];
		const struct factor *of = factor(f, next(&seed) % 2 == 0 ? f->totp : f->webauthn);
		enum independence before, after;

		random_stand(f, &seed);
		before = factor_stands(&f->asked, &f->account, of, 0, NULL, NULL);
		switch (next(&seed) % 4) {
		case 0:
			p->controls[p->controls_n++] = MAIL + next(&seed) % 5;
			break;
		case 1:
			p->controls_sorts |= (uint8_t)(1 << next(&seed) % 3);
			break;
		case 2:
			p->controls_kinds |= (uint8_t)(1 << next(&seed) % FACTOR__COUNT);
			break;
		default:
			p->syncs_secrets = true;
		}
		after = factor_stands(&f->asked, &f->account, of, 0, NULL, NULL);
		if ((before != INDEPENDENT && after == INDEPENDENT) || (before == DEPENDENT && after != DEPENDENT))
			fail_msg("round %d of seed %d: %d became %d", i, SEED, (int)before, (int)after);
		lost += before == INDEPENDENT && after != INDEPENDENT;
	}
	assert_true(lost > ROUNDS / 100);
}

static void
an_account_is_bare_before_the_provider_that_none_of_its_factors_stands_apart_from(void **state)
{
	struct fixture *f = *state;
	uint64_t providers[ACCOUNT_LINKS_MAX];

	assert_int_equal(account_bare(&f->asked, &f->account, providers), 0);
	f->policy.providers[1].syncs_secrets = true;
	assert_int_equal(account_bare(&f->asked, &f->account, providers), 1);
	assert_int_equal(providers[0], GOOGLE);
	/* A printed code would stand apart, and countersigns nothing. */
	factor(f, f->totp)->kind = FACTOR_RECOVERY;
	assert_int_equal(account_bare(&f->asked, &f->account, providers), 1);
	factor(f, f->totp)->kind = FACTOR_TOTP;
	f->policy.providers[1].assume_kinds = 1 << FACTOR_TOTP;
	assert_int_equal(account_bare(&f->asked, &f->account, providers), 0);
	f->policy.factors[FACTOR_TOTP].enabled = false;
	assert_int_equal(account_bare(&f->asked, &f->account, providers), 1);
	f->policy.factors[FACTOR_TOTP].enabled = true;
	factor(f, f->totp)->removed = 1;
	assert_int_equal(account_bare(&f->asked, &f->account, providers), 1);
}

/* --- what the events carry --- */

static void
an_enrolment_keeps_what_the_factor_rests_on(void **state)
{
	struct fixture *f = *state;
	struct enrolment e = {.kind = FACTOR_OTP, .plugin = 901, .rests = {MAIL, PARENT_MAIL}, .copies = COPIES_POSSIBLE,
	    .attested = true};
	const struct factor *got;

	assert_int_equal(do_enrolment(f, &e, f->totp), REASON_COUNTERSIGNED);
	got = factor(f, f->d.no);
	assert_int_equal(got->rests[0], MAIL);
	assert_int_equal(got->rests[1], PARENT_MAIL);
	assert_int_equal(got->copies, COPIES_POSSIBLE);
	assert_int_equal(got->attested, 1);
}

/* The admin's word shows in the event of every operation that was countersigned on it, not of payments alone. */
static void
the_admins_word_shows_in_every_event(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(do_enrol(f, FACTOR_TOTP, PLUGIN_TOTP, f->totp), REASON_COUNTERSIGNED);
	assert_int_equal(f->d.events[0].flags & EVENT_FLAG_ASSUMED, 0);
	f->policy.providers[0].syncs_secrets = true;
	assert_int_equal(do_enrol(f, FACTOR_TOTP, PLUGIN_TOTP, f->totp), REASON_NO_INDEPENDENT_FACTOR);
	f->policy.providers[0].assume_kinds = 1 << FACTOR_TOTP;
	assert_int_equal(do_enrol(f, FACTOR_TOTP, PLUGIN_TOTP, f->totp), REASON_COUNTERSIGNED);
	assert_int_equal(f->d.events[0].type, EVENT_FACTOR_ENROLLED);
	assert_int_equal(f->d.events[0].flags & EVENT_FLAG_ASSUMED, EVENT_FLAG_ASSUMED);
}

/* --- recovery --- */

static uint32_t
enrol_codes(struct fixture *f)
{
	assert_int_equal(do_enrol(f, FACTOR_RECOVERY, PLUGIN_RECOVERY, f->totp), REASON_COUNTERSIGNED);
	uint32_t no = f->d.no;

	fixture_wait(f, DAY_MS);
	return no;
}

static enum reason
recover(struct fixture *f, enum factor_kind kind, uint32_t replaces, uint32_t by)
{
	struct enrolment e = {.kind = kind, .plugin = f->policy.factors[kind].plugin, .recovers = true,
	    .replaces_no = replaces};

	return do_enrolment(f, &e, by);
}

static void
a_recovery_code_replaces_a_factor_after_a_delay(void **state)
{
	struct fixture *f = *state;
	uint32_t codes = enrol_codes(f), new;

	assert_int_equal(recover(f, FACTOR_TOTP, f->totp, codes), REASON_COUNTERSIGNED);
	new = f->d.no;
	assert_int_equal(f->d.events[0].op, OP_RECOVER);
	assert_int_equal(factor(f, new)->usable_ms, f->asked.now_ms + 3 * DAY_MS);
	assert_int_equal(factor(f, new)->rests_on[0], codes);
	assert_int_equal(factor(f, codes)->last_step, 1);
	/* Until then the old one stands, and the new one does not countersign. */
	fixture_wait(f, 3 * DAY_MS - 1);
	assert_false(factor_gone(&f->account, factor(f, f->totp), f->asked.now_ms));
	assert_int_equal(do_session(f, f->apple, &f->session), REASON_ASKED);
	assert_int_equal(do_spend(f, 1, 2000), REASON_COUNTERSIGNATURE_REQUIRED);
	assert_int_equal(answer(f, f->d.id, new, true), REASON_FACTOR_COOLING_OFF);
	/* Then it is the other way round, without any event. */
	fixture_wait(f, 1);
	assert_true(factor_gone(&f->account, factor(f, f->totp), f->asked.now_ms));
	assert_int_equal(do_spend(f, 2, 2000), REASON_COUNTERSIGNATURE_REQUIRED);
	struct id challenge = f->d.id;

	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_NO_INDEPENDENT_FACTOR);
	assert_int_equal(do_answer(f, &challenge, new, true), REASON_COUNTERSIGNED);
	/* The event settled it: it does not come back when the new one goes. */
	assert_int_equal(factor(f, f->totp)->removed, 1);
	assert_int_equal(do_remove(f, new, f->webauthn), REASON_COUNTERSIGNED);
	assert_true(factor_gone(&f->account, factor(f, f->totp), f->asked.now_ms));
}

static void
what_the_replaced_factor_signed_goes_with_it(void **state)
{
	struct fixture *f = *state;
	struct grant g = grant_of(f);
	struct id allowance;
	uint32_t codes, no;

	assert_int_equal(do_grant(f, &g, f->totp, &allowance, &no), REASON_COUNTERSIGNED);
	assert_int_equal(do_spend(f, 1, 100), REASON_ALLOWANCE);
	codes = enrol_codes(f);
	assert_int_equal(recover(f, FACTOR_TOTP, f->totp, codes), REASON_COUNTERSIGNED);
	fixture_wait(f, 3 * DAY_MS);
	assert_int_equal(do_session(f, f->apple, &f->session), REASON_ASKED);
	assert_int_equal(account_allowance_by_no(&f->account, no)->state, ALLOWANCE_REVOKED);
	assert_int_equal(do_spend(f, 2, 100), REASON_COUNTERSIGNATURE_REQUIRED);
}

/* The kind's own time where that is longer. */
static void
recovery_never_shortens_the_wait(void **state)
{
	struct fixture *f = *state;
	uint32_t codes = enrol_codes(f);

	f->policy.factors[FACTOR_TOTP].cooling_off_ms = 9 * DAY_MS;
	assert_int_equal(recover(f, FACTOR_TOTP, 0, codes), REASON_COUNTERSIGNED);
	assert_int_equal(factor(f, f->d.no)->usable_ms, f->asked.now_ms + 9 * DAY_MS);
}

static void
nothing_but_a_code_recovers(void **state)
{
	struct fixture *f = *state;
	uint32_t codes;

	/* Without codes there is nobody to ask. */
	assert_int_equal(recover(f, FACTOR_TOTP, 0, f->webauthn), REASON_NO_INDEPENDENT_FACTOR);
	codes = enrol_codes(f);
	assert_int_equal(recover(f, FACTOR_TOTP, 0, f->webauthn), REASON_NO_INDEPENDENT_FACTOR);
	for (size_t i = 0; i < f->account.challenges_n; i++) {
		const struct challenge *c = &f->account.challenges[i];

		if (c->op != OP_RECOVER)
			continue;
		assert_int_equal(c->kinds, 1 << FACTOR_RECOVERY);
		assert_int_equal(answer(f, c->id, f->totp, true), REASON_NO_INDEPENDENT_FACTOR);
		assert_int_equal(answer(f, c->id, codes, true), REASON_COUNTERSIGNED);
	}
}

/* S4: one list of codes is one factor, and of one category. */
static void
a_code_is_no_second_factor(void **state)
{
	struct fixture *f = *state;
	uint32_t codes = enrol_codes(f);

	assert_int_equal(do_session(f, f->apple, &f->session), REASON_ASKED);
	STACK(f, &f->checkout, "spend", "required stepup factors=2");
	assert_int_equal(do_spend(f, 1, 2000), REASON_COUNTERSIGNATURE_REQUIRED);
	struct id challenge = f->d.id;

	assert_int_equal(do_answer(f, &challenge, codes, true), REASON_NO_INDEPENDENT_FACTOR);
	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_ASKED);
	assert_int_equal(do_answer(f, &challenge, codes, true), REASON_NO_INDEPENDENT_FACTOR);
	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_NO_INDEPENDENT_FACTOR);
	STACK(f, &f->checkout, "recover", "required stepup factors=2");
	assert_int_equal(recover(f, FACTOR_TOTP, 0, codes), REASON_NO_INDEPENDENT_FACTOR);
}

static void
each_code_is_used_once(void **state)
{
	struct fixture *f = *state;
	uint32_t codes = enrol_codes(f);
	static const int64_t bad[FACTOR_FAILURES_MAX] = {5, RECOVERY_CODES_MAX, -1, INT64_MIN, INT64_MAX};

	assert_int_equal(recover(f, FACTOR_TOTP, 0, 0), REASON_COUNTERSIGNATURE_REQUIRED);
	assert_int_equal(answer_step(f, f->d.id, codes, 5), REASON_COUNTERSIGNED);
	assert_int_equal(factor(f, codes)->last_step, 1 << 5);
	for (size_t i = 0; i < FACTOR_FAILURES_MAX; i++) {
		assert_int_equal(recover(f, FACTOR_WEBAUTHN, 0, 0), REASON_COUNTERSIGNATURE_REQUIRED);
		assert_int_equal(answer_step(f, f->d.id, codes, bad[i]), REASON_FACTOR_REJECTED);
		fixture_wait(f, 11 * MINUTE_MS * (i + 1 < FACTOR_FAILURES_MAX));
	}
	assert_int_equal(recover(f, FACTOR_WEBAUTHN, 0, 0), REASON_FACTOR_LOCKED);
	fixture_wait(f, DAY_MS);
	/* An older one than the newest that was used is as good as any. */
	assert_int_equal(recover(f, FACTOR_WEBAUTHN, 0, 0), REASON_COUNTERSIGNATURE_REQUIRED);
	assert_int_equal(answer_step(f, f->d.id, codes, 0), REASON_COUNTERSIGNED);
	assert_int_equal(factor(f, codes)->last_step, 1 << 5 | 1);
}

static void
a_code_gives_no_new_codes(void **state)
{
	struct fixture *f = *state;
	uint32_t codes = enrol_codes(f);

	assert_int_equal(recover(f, FACTOR_RECOVERY, codes, codes), REASON_NO_INDEPENDENT_FACTOR);
	assert_int_equal(f->d.events_n, 0);
}

/* S15: an account is recovered by what it has, never begun anew. */
static void
an_account_without_factors_is_not_recovered(void **state)
{
	struct fixture *f = *state;
	struct enrolment e = {.kind = FACTOR_TOTP, .plugin = PLUGIN_TOTP, .recovers = true};

	fixture_init(f);
	assert_int_equal(do_enrolment(f, &e, 0), REASON_NO_INDEPENDENT_FACTOR);
	assert_int_equal(f->account.status, ACCOUNT_NONE);
}

/* S9: codes that were enrolled on the word of a mailbox fall with it. */
static void
codes_that_a_dependent_factor_enrolled_do_not_recover(void **state)
{
	struct fixture *f = *state;
	uint32_t codes = enrol_codes(f);
	struct edge edge;

	f->policy.providers[0].controls[0] = MAIL;
	f->policy.providers[0].controls_n = 1;
	f->policy.providers[0].controls_sorts = THING_MAIL;
	factor(f, f->totp)->rests[0] = MAIL;
	assert_int_equal(recover(f, FACTOR_WEBAUTHN, 0, codes), REASON_NO_INDEPENDENT_FACTOR);
	assert_int_equal(factor_stands(&f->asked, &f->account, factor(f, codes), 0, &edge, NULL), DEPENDENT);
	assert_int_equal(edge.factor_no, f->totp);
}

static void
a_frozen_account_is_not_recovered(void **state)
{
	struct fixture *f = *state;
	uint32_t codes = enrol_codes(f);

	assert_int_equal(do_freeze(f, 0, AUTHOR_USER), REASON_NARROWS);
	assert_int_equal(recover(f, FACTOR_TOTP, 0, codes), REASON_ACCOUNT_FROZEN);
}

/* Anybody takes back what cannot be used yet; with that the replacement is off. */
static void
a_recovered_factor_is_removed_by_nobody_while_it_waits(void **state)
{
	struct fixture *f = *state;
	uint32_t codes = enrol_codes(f), new;

	assert_int_equal(recover(f, FACTOR_TOTP, f->totp, codes), REASON_COUNTERSIGNED);
	new = f->d.no;
	fixture_wait(f, 2 * DAY_MS);
	assert_int_equal(do_remove(f, new, 0), REASON_NARROWS);
	assert_int_equal(factor(f, new)->removed, 1);
	fixture_wait(f, 9 * DAY_MS);
	assert_int_equal(do_session(f, f->apple, &f->session), REASON_ASKED);
	assert_false(factor_gone(&f->account, factor(f, f->totp), f->asked.now_ms));
	assert_int_equal(factor(f, f->totp)->removed, 0);
}

static void
what_is_usable_is_not_removed_by_nobody(void **state)
{
	struct fixture *f = *state;
	uint32_t codes = enrol_codes(f), new;

	assert_int_equal(do_remove(f, f->webauthn, 0), REASON_COUNTERSIGNATURE_REQUIRED);
	assert_int_equal(recover(f, FACTOR_TOTP, 0, codes), REASON_COUNTERSIGNED);
	new = f->d.no;
	fixture_wait(f, 3 * DAY_MS);
	assert_int_equal(do_remove(f, new, 0), REASON_COUNTERSIGNATURE_REQUIRED);
	/* The service needs the right all the same. */
	f->policy.services[0].rights = RIGHT_SPEND;
	assert_int_equal(do_remove(f, new, 0), REASON_SERVICE_RIGHT);
}

/* S15: or the account would be nobody's for ever. */
static void
the_first_factor_is_not_removed_by_nobody(void **state)
{
	struct fixture *f = *state;

	fixture_init(f);
	assert_int_equal(do_enrol(f, FACTOR_TOTP, PLUGIN_TOTP, 0), REASON_FIRST_FACTOR);
	assert_int_not_equal(do_remove(f, f->d.no, 0), REASON_NARROWS);
	assert_int_equal(f->account.factors[0].removed, 0);
}

/* A replacement that other factors countersign waits no longer than any new factor. */
static void
a_factor_is_replaced_by_another_factors_word(void **state)
{
	struct fixture *f = *state;
	struct enrolment e = {.kind = FACTOR_TOTP, .plugin = PLUGIN_TOTP, .replaces_no = f->totp};

	assert_int_equal(do_enrolment(f, &e, f->webauthn), REASON_COUNTERSIGNED);
	fixture_wait(f, DAY_MS);
	assert_true(factor_gone(&f->account, factor(f, f->totp), f->asked.now_ms));
	e = (struct enrolment){.kind = FACTOR_TOTP, .plugin = PLUGIN_TOTP, .replaces_no = f->totp};
	assert_int_equal(do_enrolment(f, &e, f->webauthn), REASON_NO_INDEPENDENT_FACTOR);
	e = (struct enrolment){.kind = FACTOR_TOTP, .plugin = PLUGIN_TOTP, .replaces_no = 999};
	assert_int_equal(do_enrolment(f, &e, f->webauthn), REASON_NO_INDEPENDENT_FACTOR);
}

/* It is removed instead: else when the first one goes would hang on what happens in between. */
static void
what_waits_is_not_replaced(void **state)
{
	struct fixture *f = *state;
	struct enrolment e = {.kind = FACTOR_TOTP, .plugin = PLUGIN_TOTP, .replaces_no = f->totp};

	assert_int_equal(do_enrolment(f, &e, f->webauthn), REASON_COUNTERSIGNED);
	e = (struct enrolment){.kind = FACTOR_TOTP, .plugin = PLUGIN_TOTP, .replaces_no = f->d.no};
	assert_int_equal(do_enrolment(f, &e, f->webauthn), REASON_NO_INDEPENDENT_FACTOR);
}

/* --- locks --- */

static void
lock(struct fixture *f, uint32_t no, uint64_t payment)
{
	STACK(f, &f->checkout, "spend", "required stepup");
	assert_int_equal(do_spend(f, payment, 2000), REASON_COUNTERSIGNATURE_REQUIRED);
	struct id challenge = f->d.id;

	for (int i = 0; i < FACTOR_FAILURES_MAX; i++)
		assert_int_equal(do_answer(f, &challenge, no, false), REASON_FACTOR_REJECTED);
	assert_true(factor(f, no)->locked_until_ms > f->asked.now_ms);
}

static void
another_factor_lifts_a_lock(void **state)
{
	struct fixture *f = *state;

	lock(f, f->totp, 1);
	assert_int_equal(do_unlock(f, f->totp, f->webauthn), REASON_COUNTERSIGNED);
	assert_int_equal(f->d.events[0].type, EVENT_FACTOR_UNLOCKED);
	assert_int_equal(factor(f, f->totp)->locked_until_ms, 0);
	assert_int_equal(do_spend(f, 2, 2000), REASON_COUNTERSIGNATURE_REQUIRED);
	assert_int_equal(answer(f, f->d.id, f->totp, true), REASON_COUNTERSIGNED);
}

static void
a_locked_factor_lifts_no_lock(void **state)
{
	struct fixture *f = *state;

	lock(f, f->totp, 1);
	assert_int_equal(do_unlock(f, f->totp, f->totp), REASON_FACTOR_LOCKED);
	assert_true(factor(f, f->totp)->locked_until_ms > f->asked.now_ms);
	/* Nor a dependent one. */
	f->policy.providers[0].controls_kinds = 1 << FACTOR_WEBAUTHN;
	assert_int_not_equal(do_unlock(f, f->totp, f->webauthn), REASON_COUNTERSIGNED);
	assert_true(factor(f, f->totp)->locked_until_ms > f->asked.now_ms);
}

static void
a_recovery_code_lifts_no_lock(void **state)
{
	struct fixture *f = *state;
	uint32_t codes = enrol_codes(f);

	assert_int_equal(do_session(f, f->apple, &f->session), REASON_ASKED);
	lock(f, f->totp, 1);
	(void)do_unlock(f, f->totp, codes);
	assert_true(factor(f, f->totp)->locked_until_ms > f->asked.now_ms);
}

static void
without_a_lock_there_is_nothing_to_lift(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(do_unlock(f, f->totp, 0), REASON_ASKED);
	assert_true(f->d.replayed);
	assert_int_equal(f->d.events_n, 0);
}

/* "Not me" needs no factor; to thaw what it froze does. */
static void
not_me_needs_nothing_and_thawing_does(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(do_not_me(f, f->apple), REASON_NOT_ME);
	assert_int_equal(do_thaw(f, f->apple, AUTHOR_USER, 0), REASON_COUNTERSIGNATURE_REQUIRED);
	assert_int_equal(f->account.freezes_n, 1);
	assert_int_equal(do_thaw(f, f->apple, AUTHOR_USER, f->totp), REASON_COUNTERSIGNED);
	assert_int_equal(f->account.freezes_n, 0);
}

/* --- several answers --- */

static void
a_wrong_answer_voids_the_right_ones(void **state)
{
	struct fixture *f = *state;
	const struct challenge *c;
	unsigned round;

	STACK(f, &f->checkout, "spend", "required stepup factors=2");
	assert_int_equal(do_spend(f, 1, 2000), REASON_COUNTERSIGNATURE_REQUIRED);
	struct id challenge = f->d.id;

	c = account_challenge(&f->account, &challenge);
	assert_int_equal(challenge_round(c), 0);
	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_ASKED);
	round = challenge_round(c);
	assert_true(round > 0);
	assert_int_equal(do_answer(f, &challenge, f->webauthn, false), REASON_FACTOR_REJECTED);
	assert_int_equal(c->factors[0], 0);
	assert_true(challenge_round(c) > round);
	/* Both are asked for again, and both are enough. */
	assert_int_equal(do_answer(f, &challenge, f->webauthn, true), REASON_ASKED);
	assert_int_equal(do_answer(f, &challenge, f->totp, true), REASON_COUNTERSIGNED);
}

/* No order of right and wrong answers comes back to a round that was. */
static void
rounds_never_come_again(void **state)
{
	uint64_t seed = SEED;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct challenge c = {.need = CHALLENGE_FACTORS_MAX};
		unsigned last = challenge_round(&c), right = 0;

		while (c.wrong < CHALLENGE_WRONG_MAX && right < CHALLENGE_FACTORS_MAX) {
			if (next(&seed) % 2 == 0) {
				c.factors[right++] = 1;
			} else {
				memset(c.factors, 0, sizeof(c.factors));
				right = 0;
				c.wrong++;
			}
			assert_true(challenge_round(&c) > last);
			last = challenge_round(&c);
		}
	}
}

#define TEST(name) cmocka_unit_test_setup(name, ready)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(every_kind_stands_as_it_says),
	    TEST(the_plugin_of_the_provider_is_the_provider),
	    TEST(what_authorised_the_enrolment_counts),
	    TEST(support_that_left_is_unknown_whatever_is_assumed),
	    TEST(more_control_never_helps),
	    TEST(an_account_is_bare_before_the_provider_that_none_of_its_factors_stands_apart_from),
	    TEST(an_enrolment_keeps_what_the_factor_rests_on),
	    TEST(the_admins_word_shows_in_every_event),
	    TEST(a_recovery_code_replaces_a_factor_after_a_delay),
	    TEST(what_the_replaced_factor_signed_goes_with_it),
	    TEST(recovery_never_shortens_the_wait),
	    TEST(nothing_but_a_code_recovers),
	    TEST(a_code_is_no_second_factor),
	    TEST(each_code_is_used_once),
	    TEST(a_code_gives_no_new_codes),
	    TEST(an_account_without_factors_is_not_recovered),
	    TEST(codes_that_a_dependent_factor_enrolled_do_not_recover),
	    TEST(a_frozen_account_is_not_recovered),
	    TEST(a_recovered_factor_is_removed_by_nobody_while_it_waits),
	    TEST(what_is_usable_is_not_removed_by_nobody),
	    TEST(the_first_factor_is_not_removed_by_nobody),
	    TEST(a_factor_is_replaced_by_another_factors_word),
	    TEST(what_waits_is_not_replaced),
	    TEST(another_factor_lifts_a_lock),
	    TEST(a_locked_factor_lifts_no_lock),
	    TEST(a_recovery_code_lifts_no_lock),
	    TEST(without_a_lock_there_is_nothing_to_lift),
	    TEST(not_me_needs_nothing_and_thawing_does),
	    TEST(a_wrong_answer_voids_the_right_ones),
	    TEST(rounds_never_come_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
