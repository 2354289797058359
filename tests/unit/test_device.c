/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that are matched across devices, and the cookie of a device. */
#include "broker/engine/device.h"

#include "broker/engine/things.h"

#include "tests/unit/unit.h"

static struct keyring *
counting(uint8_t first)
{
	uint8_t master[32];

	for (int i = 0; i < 32; i++)
		master[i] = (uint8_t)(first + i);
	return keyring_from(master);
}

static void
assert_sound(const struct device_numbers *n)
{
	size_t right = 0;

	for (size_t i = 0; i < DEVICE_NUMBERS; i++) {
		assert_in_range(n->of[i], DEVICE_NUMBER_MIN, DEVICE_NUMBER_MAX);
		right += n->of[i] == n->right;
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(n->of[i], n->of[k]);
	}
	assert_int_equal(right, 1);
}

/* Whatever the bytes are, there are three numbers of two digits, and one of them is right. */
static void
test_three_distinct_numbers(void **state)
{
	struct device_numbers n;
	struct hash bytes;

	(void)state;
	for (int fill = 0; fill < 256; fill++) {
		memset(bytes.b, fill, sizeof(bytes.b));
		device_numbers_of(&bytes, &n);
		assert_sound(&n);
	}
	/* All three the last one: they give way round the end. */
	memset(bytes.b, 0, sizeof(bytes.b));
	bytes.b[0] = bytes.b[4] = bytes.b[8] = 89;
	device_numbers_of(&bytes, &n);
	assert_int_equal(n.right, 99);
	assert_sound(&n);
}

/* Every number comes up about as often as any other, right and wrong ones alike, and the right one stands anywhere. */
static void
test_even(void **state)
{
	enum { ROUNDS = 90000, EACH = ROUNDS / 90 };
	static unsigned right[100], wrong[100], place[DEVICE_NUMBERS];
	struct keyring *k = counting(0);
	struct device_numbers n;

	(void)state;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		struct id id = {{(uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16)}};

		device_numbers(k, &id, &n);
		assert_sound(&n);
		right[n.right]++;
		for (size_t p = 0; p < DEVICE_NUMBERS; p++) {
			place[p] += n.of[p] == n.right;
			wrong[n.of[p]] += n.of[p] != n.right;
		}
	}
	/* Six standard deviations of a fair die. */
	for (int number = DEVICE_NUMBER_MIN; number <= DEVICE_NUMBER_MAX; number++) {
		assert_in_range(right[number], EACH - 200, EACH + 200);
		assert_in_range(wrong[number], 2 * EACH - 300, 2 * EACH + 300);
	}
	for (size_t p = 0; p < DEVICE_NUMBERS; p++)
		assert_in_range(place[p], ROUNDS / 3 - 900, ROUNDS / 3 + 900);
	keyring_free(k);
}

/* The same for a challenge, and under another key others: nobody computes them who has no key. */
static void
test_of_a_key(void **state)
{
	struct keyring *k = counting(0), *other = counting(1);
	unsigned same = 0;

	(void)state;
	for (uint8_t i = 0; i < 100; i++) {
		struct id id = {{i}};
		struct device_numbers one, again, theirs;

		device_numbers(k, &id, &one);
		device_numbers(k, &id, &again);
		device_numbers(other, &id, &theirs);
		assert_memory_equal(&one, &again, sizeof(one));
		same += one.right == theirs.right;
	}
	assert_true(same < 15);
	keyring_free(k);
	keyring_free(other);
}

/* A digest opens for its own account and factor alone, and a secret is no digest. */
static void
test_digest_has_its_place(void **state)
{
	static struct account a;
	static struct extra x;
	struct keyring *k = counting(0);
	struct id key = {{1}}, factor = {{2}}, other = {{3}}, secret_at, device_at;
	struct hash digest = {{7, 7}}, got;
	uint8_t bytes[512];
	struct buf cold = buf_over(bytes, sizeof(bytes));
	bool changed;

	(void)state;
	account_init(&a, &key);
	extra_init(&x);
	things_put_device(k, &a, &factor, &digest, &x);
	assert_int_equal(cold_apply(view_of(NULL, 0), buf_view(&x.buf), &cold, &changed), CS_OK);
	assert_int_equal(things_device_open(k, &a, buf_view(&cold), &factor, &got), CS_OK);
	assert_memory_equal(got.b, digest.b, sizeof(got.b));
	assert_int_equal(things_device_open(k, &a, buf_view(&cold), &other, &got), CS_ERR_NOT_FOUND);
	a.key.b[5] = 1;
	assert_int_equal(things_device_open(k, &a, buf_view(&cold), &factor, &got), CS_ERR_CORRUPT);
	a.key.b[5] = 0;
	secret_at = things_secret(&factor);
	device_at = things_device(&factor);
	assert_memory_not_equal(secret_at.b, device_at.b, sizeof(device_at.b));
	/* Sealed as a secret, and put where the digest stands. */
	extra_init(&x);
	things_put_secret(k, &a, &factor, view_of(digest.b, sizeof(digest.b)), &x);
	memcpy((char *)x.buf.data + 1, device_at.b, sizeof(device_at.b));
	cold = buf_over(bytes, sizeof(bytes));
	assert_int_equal(cold_apply(view_of(NULL, 0), buf_view(&x.buf), &cold, &changed), CS_OK);
	assert_int_equal(things_device_open(k, &a, buf_view(&cold), &factor, &got), CS_ERR_CORRUPT);
	keyring_free(k);
}

static void
test_cookie_is_read(void **state)
{
	static struct account a;
	static struct extra x;
	struct keyring *k = counting(0);
	struct id key = {{1}}, factor = {{2}}, got_key, got_factor;
	char cookie[DEVICE_COOKIE_TEXT];

	(void)state;
	account_init(&a, &key);
	extra_init(&x);
	device_make(k, &a, &factor, &x, cookie);
	assert_true(device_cookie_read(view_of(cookie, sizeof(cookie)), &got_key, &got_factor));
	assert_true(id_equal(&got_key, &key) && id_equal(&got_factor, &factor));
	assert_false(device_cookie_read(view_of(cookie, sizeof(cookie) - 1), &got_key, &got_factor));
	assert_false(device_cookie_read(view_of(NULL, 0), &got_key, &got_factor));
	/* Of no account. */
	memset(cookie, 'a', sizeof(cookie));
	assert_false(device_cookie_read(view_of(cookie, sizeof(cookie)), &got_key, &got_factor));
	keyring_free(k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_distinct_numbers),
		cmocka_unit_test(test_even),
		cmocka_unit_test(test_of_a_key),
		cmocka_unit_test(test_digest_has_its_place),
		cmocka_unit_test(test_cookie_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
