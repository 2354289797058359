/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An account comes back from its bytes as it was; broken bytes give an error or a valid account,
 * never anything else.
 */
#include "tests/unit/unit.h"

#include "tests/unit/account_random.h"
#include "broker/core/signal.h"

enum { SEED = 20181010, ACCOUNTS = 400, FLIPS = 10000, DAY = 20717 };

static uint8_t mem[ACCOUNT_BYTES_MAX];
static struct account account, back;

static struct view
encoded(const struct account *a)
{
	struct buf out = buf_over(mem, sizeof(mem));

	account_encode(a, &out);
	assert_false(out.full);
	return buf_view(&out);
}

static enum cs_err
decoded(struct view bytes)
{
	memset(&back, 0, sizeof(back));
	return account_decode(bytes, &account.key, account.revision, &back);
}

static void
accounts_come_back_as_they_were(void **state)
{
	uint64_t seed = SEED;

	(void)state;
	for (int i = 0; i < ACCOUNTS; i++) {
		account_random(&seed, &account);
		assert_true(account_valid(&account));
		if (decoded(encoded(&account)) != CS_OK ||
		    memcmp(&account, &back, sizeof(account)) != 0)
			fail_msg("account %d of seed %d", i, SEED);
	}
}

static void
an_untouched_account_takes_few_bytes(void **state)
{
	struct id key = {{1}};

	(void)state;
	account_init(&account, &key);
	assert_true(account_valid(&account));
	assert_true(encoded(&account).len < 80);
	assert_int_equal(decoded(encoded(&account)), CS_OK);
	assert_memory_equal(&account, &back, sizeof(account));
}

/* A user's account on a usual day: one link, factor, session and allowance, eight payments. */
static void
usual_account(uint64_t *seed, struct account *a)
{
	const int64_t now_ms = DAY * DAY_MS;
	struct id key;

	random_fill(seed, &key, sizeof(key));
	account_init(a, &key);
	random_fill(seed, &a->chain, sizeof(a->chain));
	random_fill(seed, &a->salt, sizeof(a->salt));
	a->time_ms = now_ms;
	a->status = ACCOUNT_OPEN;
	a->links_n = a->factors_n = a->sessions_n = a->allowances_n = 1;
	a->payments_n = 8;
	a->counters_n = 3;
	random_links(seed, a);
	random_factors(seed, a);
	random_sessions(seed, a);
	random_allowances(seed, a);
	random_books(seed, a);
	a->links[0].since_ms = a->links[0].usable_ms = a->factors[0].since_ms =
	    now_ms - 90 * DAY_MS;
	a->links[0].sessions_since_ms = a->factors[0].locked_until_ms = 0;
	a->links[0].prompts = 3;
	a->factors[0].usable_ms = a->factors[0].since_ms + DAY_MS;
	a->factors[0].last_step = now_ms / 30000;
	a->sessions[0].opened_ms = a->sessions[0].auth_ms = now_ms - HOUR_MS;
	a->sessions[0].used_ms = now_ms - 1;
	a->allowances[0].per_payment_minor = 10000;
	a->allowances[0].per_day_minor = 30000;
	a->allowances[0].total_minor = a->allowances[0].spent_minor = 50000;
	a->allowances[0].day = DAY;
	a->allowances[0].day_spent_minor = 16000;
	a->allowances[0].granted_ms = now_ms - HOUR_MS;
	a->allowances[0].expires_ms = a->allowances[0].granted_ms + 30 * DAY_MS;
	for (int i = 0; i < 8; i++) {
		struct payment *p = &a->payments[i];

		memset(&p->capture, 0, sizeof(p->capture));
		p->needs = 0;
		p->subject = a->links[0].subject;
		p->service = a->sessions[0].service;
		p->link_no = a->links[0].no;
		p->allowance_no = a->allowances[0].no;
		p->currency = a->allowances[0].currency;
		p->state = PAYMENT_CAPTURED;
		p->amount_minor = p->captured_minor = 2000;
		p->refunded_minor = 0;
		p->permitted_ms = now_ms - HOUR_MS + i * 123456;
		p->expires_ms = p->permitted_ms + 7 * DAY_MS;
	}
	for (int i = 0; i < 3; i++) {
		struct counter *c = &a->counters[i];

		*c = (struct counter){.day = DAY,
		    .month = 680,
		    .day_minor = 16000,
		    .month_minor = 316000,
		    .day_count = 8,
		    .month_count = 100,
		    .currency = i == 2 ? CURRENCY_NONE : a->payments[0].currency};
		if (i == 1)
			c->subject = a->links[0].subject;
	}
}

static void
a_usual_account_takes_less_than_700_bytes(void **state)
{
	uint64_t seed = SEED;

	(void)state;
	usual_account(&seed, &account);
	assert_true(account_valid(&account));
	assert_in_range(encoded(&account).len, 1, 699);
}

static void
no_encoding_is_longer_than_its_bound(void **state)
{
	uint64_t seed = SEED;

	(void)state;
	/* Everything full and every number large: not valid, but as long as it gets. */
	random_fill(&seed, &account, sizeof(account));
	account.links_n = ACCOUNT_LINKS_MAX;
	account.factors_n = ACCOUNT_FACTORS_MAX;
	account.facts_n = ACCOUNT_FACTS_MAX;
	account.sessions_n = ACCOUNT_SESSIONS_MAX;
	account.allowances_n = ACCOUNT_ALLOWANCES_MAX;
	account.challenges_n = ACCOUNT_CHALLENGES_MAX;
	account.payments_n = ACCOUNT_PAYMENTS_MAX;
	account.refunds_n = ACCOUNT_REFUNDS_MAX;
	account.counters_n = ACCOUNT_COUNTERS_MAX;
	account.limits_n = ACCOUNT_LIMITS_MAX;
	account.freezes_n = ACCOUNT_FREEZES_MAX;
	assert_false(account_valid(&account));
	assert_true(encoded(&account).len > 20000);
}

static void
a_buffer_that_is_too_small_is_full(void **state)
{
	uint64_t seed = SEED;
	uint8_t small[64];
	struct buf out = buf_over(small, sizeof(small));

	(void)state;
	account_random(&seed, &account);
	account_encode(&account, &out);
	assert_true(out.full);
	assert_int_equal(out.len, 0);
}

static void
every_truncation_is_refused(void **state)
{
	uint64_t seed = SEED + 1;

	(void)state;
	for (int i = 0; i < 8; i++) {
		static uint8_t whole[ACCOUNT_BYTES_MAX];
		struct view bytes;

		account_random(&seed, &account);
		bytes = encoded(&account);
		memcpy(whole, bytes.data, bytes.len);
		for (size_t len = 0; len < bytes.len; len++)
			assert_int_equal(decoded(view_of(whole, len)), CS_ERR_CORRUPT);
		whole[bytes.len] = 0;
		assert_int_equal(decoded(view_of(whole, bytes.len + 1)), CS_ERR_CORRUPT);
	}
}

static void
flipped_bits_give_an_error_or_a_valid_account(void **state)
{
	static uint8_t whole[ACCOUNT_BYTES_MAX];
	uint64_t seed = SEED + 2;
	size_t len = 0;
	int accepted = 0;

	(void)state;
	for (int i = 0; i < FLIPS; i++) {
		size_t at;
		enum cs_err err;

		if (i % 100 == 0) {
			account_random(&seed, &account);
			len = encoded(&account).len;
			memcpy(whole, mem, len);
		}
		at = random_below(&seed, len * 8);
		whole[at / 8] ^= (uint8_t)(1 << at % 8);
		err = decoded(view_of(whole, len));
		if (err == CS_OK) {
			/* What was accepted has this encoding and no other. */
			assert_true(account_valid(&back));
			assert_int_equal(encoded(&back).len, len);
			assert_memory_equal(mem, whole, len);
			accepted++;
		} else {
			assert_true(err == CS_ERR_CORRUPT || err == CS_ERR_VERSION);
		}
		whole[at / 8] ^= (uint8_t)(1 << at % 8);
	}
	assert_true(accepted > 0 && accepted < FLIPS);
}

static void
newer_versions_are_told_from_damage(void **state)
{
	uint8_t bytes[] = {ACCOUNT_VERSION__END, 0, 0};

	(void)state;
	assert_int_equal(decoded(view_of(bytes, sizeof(bytes))), CS_ERR_VERSION);
	bytes[0] = 0;
	assert_int_equal(decoded(view_of(bytes, sizeof(bytes))), CS_ERR_CORRUPT);
	assert_int_equal(decoded(view_of(NULL, 0)), CS_ERR_CORRUPT);
}

/* Each breaks one inequality of README.md. */
#define BREAK(what, statement)                                                                     \
	do {                                                                                       \
		account = *good;                                                                   \
		statement;                                                                         \
		if (account_valid(&account))                                                       \
			fail_msg("accepted: %s", what);                                            \
	} while (0)

static void
broken_accounts_are_not_valid(void **state)
{
	static struct account usual;
	const struct account *good = &usual;
	uint64_t seed = SEED;

	(void)state;
	usual_account(&seed, &usual);
	usual.freezes_n = usual.limits_n = 1;
	usual.freezes[0] = (struct freeze){0};
	usual.limits[0] =
	    (struct limit){.per_day_minor = -1, .currency = usual.payments[0].currency};
	assert_true(account_valid(&usual));
	BREAK("more links than there is room for", account.links_n = ACCOUNT_LINKS_MAX + 1);
	BREAK(
	    "more payments than there is room for", account.payments_n = ACCOUNT_PAYMENTS_MAX + 1);
	BREAK("no status", account.status = ACCOUNT_CLOSED + 1);
	BREAK("links in an account that nothing opened", account.status = ACCOUNT_NONE);
	BREAK("a serial that was not given out", account.links[0].no = account.next_no);
	BREAK("serial zero", account.factors[0].no = 0);
	BREAK("a session of no link", account.sessions[0].link_no = account.factors[0].no);
	BREAK("an open allowance of no link",
	    (account.allowances[0].state = ALLOWANCE_OPEN,
		account.allowances[0].link_no = account.factors[0].no));
	BREAK("a factor that rests on itself",
	    account.factors[0].rests_on[3] = account.factors[0].no);
	BREAK("an unknown kind of factor", account.factors[0].kind = FACTOR__COUNT);
	BREAK("an overspent allowance",
	    account.allowances[0].spent_minor = account.allowances[0].total_minor + 1);
	BREAK("an allowance without a currency", account.allowances[0].currency = CURRENCY_NONE);
	BREAK("two payments with one id", account.payments[7].id = account.payments[0].id);
	BREAK("a payment of nothing", account.payments[0].amount_minor = 0);
	BREAK("a payment past the range",
	    account.payments[0].amount_minor = account.payments[0].captured_minor = MONEY_MAX + 1);
	BREAK("more captured than permitted",
	    account.payments[0].captured_minor = account.payments[0].amount_minor + 1);
	BREAK("more refunded than captured",
	    account.payments[0].refunded_minor = account.payments[0].captured_minor + 1);
	BREAK("captured, but only held", account.payments[0].state = PAYMENT_HELD);
	BREAK("an unknown currency", account.payments[0].currency = 1);
	BREAK("two counters of one subject and currency",
	    account.counters[1].subject = account.counters[0].subject);
	BREAK("a negative sum", account.counters[0].day_minor = -1);
	BREAK("a counter of no kind", account.counters[0].kind = COUNTER__KINDS);
	BREAK("a counter of nobody", account.counters[0].of = COUNTER_OF_PAYEE + 1);
	BREAK("a year over all currencies", account.counters[2].kind = COUNTER_YEAR);
	BREAK("a payee that is known in a currency",
	    (account.counters[0].kind = COUNTER_KNOWN, account.counters[0].currency = 1));
	BREAK("a limit below none", account.limits[0].per_day_minor = -2);
	BREAK("a freeze by nobody", account.freezes[0].author = AUTHOR__COUNT);
	BREAK("a time before all time", account.sessions[0].opened_ms = -1);
}

/* What needs nothing new keeps its bytes; what does is told by its version, and has no other spelling. */
static void
only_what_needs_it_is_written_wide(void **state)
{
	static uint8_t narrow[ACCOUNT_BYTES_MAX];
	uint64_t seed = SEED;
	struct view bytes;
	size_t len;

	(void)state;
	usual_account(&seed, &account);
	bytes = encoded(&account);
	assert_int_equal(bytes.data[0], 1);
	len = bytes.len;
	memcpy(narrow, bytes.data, len);
	narrow[0] = 2;
	assert_int_equal(decoded(view_of(narrow, len)), CS_ERR_CORRUPT);

	account.counters[1].kind = COUNTER_YEAR;
	bytes = encoded(&account);
	assert_int_equal(bytes.data[0], 2);
	assert_int_equal(decoded(bytes), CS_OK);
	assert_memory_equal(&account, &back, sizeof(account));
	/* Read as the old version, a year is no day. */
	memcpy(narrow, bytes.data, bytes.len);
	narrow[0] = 1;
	assert_int_equal(decoded(view_of(narrow, bytes.len)), CS_ERR_CORRUPT);
	/* The same account without it, spelt wide. */
	account.counters[1].kind = COUNTER_TOTAL;
	bytes = encoded(&account);
	memcpy(narrow, bytes.data, bytes.len);
	for (size_t i = 0; i < bytes.len; i++) {
		uint8_t was = narrow[i];

		narrow[i] = was == COUNTER_TOTAL ? 0 : was;
		if (decoded(view_of(narrow, bytes.len)) == CS_OK)
			assert_int_equal(account_version(&back), ACCOUNT_VERSION_WIDE);
		narrow[i] = was;
	}
}

static void
what_factors_rest_on_has_a_version_of_its_own(void **state)
{
	uint64_t seed = SEED;
	uint8_t other[ACCOUNT_BYTES_MAX];
	struct view bytes;

	(void)state;
	usual_account(&seed, &account);
	account.factors[0].rests[0] = 0x1122334455667788;
	account.factors[0].rests[7] = 1;
	account.factors[0].copies = COPIES_POSSIBLE;
	account.factors[0].attested = 1;
	bytes = encoded(&account);
	assert_int_equal(bytes.data[0], ACCOUNT_VERSION_RESTS);
	assert_int_equal(decoded(bytes), CS_OK);
	assert_memory_equal(&account, &back, sizeof(account));
	memcpy(other, bytes.data, bytes.len);
	for (uint8_t version = ACCOUNT_VERSION_NARROW; version < ACCOUNT_VERSION_RESTS; version++) {
		other[0] = version;
		assert_int_equal(decoded(view_of(other, bytes.len)), CS_ERR_CORRUPT);
	}
	account.factors[0].copies = COPIES__COUNT;
	assert_false(account_valid(&account));
	account.factors[0].copies = COPIES_NONE;
	account.factors[0].replaces_no = account.factors[0].no;
	assert_false(account_valid(&account));
}

static void
what_security_events_left_has_a_version_of_its_own(void **state)
{
	uint64_t seed = SEED;
	uint8_t other[ACCOUNT_BYTES_MAX];
	struct view bytes;

	(void)state;
	usual_account(&seed, &account);
	account.allowances[0].paused_ms = account.time_ms;
	account.links[0].signal = SIGNAL_KIND_SESSION_REVOKED;
	account.links[0].signalled_ms = account.time_ms;
	bytes = encoded(&account);
	assert_int_equal(bytes.data[0], ACCOUNT_VERSION_SIGNALS);
	assert_int_equal(decoded(bytes), CS_OK);
	assert_memory_equal(&account, &back, sizeof(account));
	memcpy(other, bytes.data, bytes.len);
	for (uint8_t version = ACCOUNT_VERSION_NARROW; version < ACCOUNT_VERSION_SIGNALS; version++) {
		other[0] = version;
		assert_int_equal(decoded(view_of(other, bytes.len)), CS_ERR_CORRUPT);
	}
	account.links[0].signal = SIGNAL_KIND_NONE;
	assert_false(account_valid(&account));
	account.links[0].signal = SIGNAL_KIND__COUNT;
	assert_false(account_valid(&account));
	account.links[0].signal = SIGNAL_KIND_OTHER;
	account.allowances[0].paused_ms = -1;
	assert_false(account_valid(&account));
}

static void
evidence_on_links_has_a_version_of_its_own(void **state)
{
	uint64_t seed = SEED;
	uint8_t other[ACCOUNT_BYTES_MAX];
	struct view bytes;

	(void)state;
	usual_account(&seed, &account);
	account.facts_n = 1;
	random_facts(&seed, &account);
	bytes = encoded(&account);
	assert_int_equal(bytes.data[0], ACCOUNT_VERSION_FACTS);
	assert_int_equal(decoded(bytes), CS_OK);
	assert_memory_equal(&account, &back, sizeof(account));
	memcpy(other, bytes.data, bytes.len);
	for (uint8_t version = ACCOUNT_VERSION_NARROW; version < ACCOUNT_VERSION_FACTS; version++) {
		other[0] = version;
		assert_int_equal(decoded(view_of(other, bytes.len)), CS_ERR_CORRUPT);
	}
	account.facts[0].link_no = account.next_no - 1;
	assert_false(account_valid(&account));
	account.facts_n = 0;
	account.links[0].was.b[0] = 1;
	assert_int_equal(encoded(&account).data[0], ACCOUNT_VERSION_FACTS);
	account.links[0].was = account.links[0].subject;
	assert_false(account_valid(&account));
}

static void
payments_come_back_as_they_were(void **state)
{
	uint64_t seed = SEED + 3;

	(void)state;
	account_random(&seed, &account);
	for (int i = 0; i < ACCOUNTS; i++) {
		struct payment p, q;
		struct buf out = buf_over(mem, PAYMENT_BYTES_MAX);

		memset(&p, 0, sizeof(p));
		memset(&q, 0, sizeof(q));
		random_payment(&seed, &account, &p);
		payment_encode(&p, &out);
		assert_false(out.full);
		assert_int_equal(payment_decode(buf_view(&out), &q), CS_OK);
		assert_true(id_equal(&p.id, &q.id) && id_equal(&p.content, &q.content));
		assert_true(id_equal(&p.capture, &q.capture) && id_equal(&p.subject, &q.subject));
		assert_true(p.service == q.service && p.link_no == q.link_no &&
			    p.allowance_no == q.allowance_no);
		assert_true(p.currency == q.currency && p.state == q.state && p.basis == q.basis);
		assert_true(
		    p.amount_minor == q.amount_minor && p.captured_minor == q.captured_minor);
		assert_true(
		    p.refunded_minor == q.refunded_minor && p.permitted_ms == q.permitted_ms);
		assert_int_equal(p.expires_ms, q.expires_ms);
		for (size_t len = 0; len < out.len; len++)
			assert_int_equal(payment_decode(view_of(mem, len), &q), CS_ERR_CORRUPT);
	}
}

static void
things_are_found_by_their_ids_and_serials(void **state)
{
	uint64_t seed = SEED;
	struct id stranger = {{9}};

	(void)state;
	usual_account(&seed, &account);
	assert_ptr_equal(account_link(&account, &account.links[0].id), &account.links[0]);
	assert_ptr_equal(
	    account_link_by_subject(&account, &account.links[0].subject), &account.links[0]);
	assert_ptr_equal(
	    account_factor_by_no(&account, account.factors[0].no), &account.factors[0]);
	assert_ptr_equal(account_payment(&account, &account.payments[7].id), &account.payments[7]);
	assert_null(account_payment(&account, &stranger));
	assert_null(account_link_by_no(&account, 0));
	assert_null(account_allowance_by_no(&account, 0));
	/* What lies beyond the count is not there. */
	account.payments_n = 7;
	assert_null(account_payment(&account, &account.payments[7].id));
	account.payments[2].state = PAYMENT_HELD;
	assert_int_equal(account_holds(&account), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(things_are_found_by_their_ids_and_serials),
	    cmocka_unit_test(an_untouched_account_takes_few_bytes),
	    cmocka_unit_test(accounts_come_back_as_they_were),
	    cmocka_unit_test(what_security_events_left_has_a_version_of_its_own),
	    cmocka_unit_test(payments_come_back_as_they_were),
	    cmocka_unit_test(a_usual_account_takes_less_than_700_bytes),
	    cmocka_unit_test(no_encoding_is_longer_than_its_bound),
	    cmocka_unit_test(a_buffer_that_is_too_small_is_full),
	    cmocka_unit_test(every_truncation_is_refused),
	    cmocka_unit_test(flipped_bits_give_an_error_or_a_valid_account),
	    cmocka_unit_test(newer_versions_are_told_from_damage),
	    cmocka_unit_test(broken_accounts_are_not_valid),
	    cmocka_unit_test(only_what_needs_it_is_written_wide),
	    cmocka_unit_test(what_factors_rest_on_has_a_version_of_its_own),
	    cmocka_unit_test(evidence_on_links_has_a_version_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
