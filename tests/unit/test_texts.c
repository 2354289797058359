/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of an account: sealed for it alone, and gone with its salt. */
#include "broker/engine/texts.h"

#include "tests/unit/unit.h"

static const uint8_t master[32] = {9, 8, 7};

static struct account alice, bob;
static struct texts in, out;
static uint8_t bytes[TEXTS_BYTES_MAX + SEAL_OVERHEAD];

static struct view
seal(const struct keyring *k)
{
	struct buf sealed = buf_over(bytes, sizeof(bytes));

	account_init(&alice, &(struct id){{1}});
	account_init(&bob, &(struct id){{2}});
	alice.salt = (struct id){{11}};
	bob.salt = (struct id){{12}};
	texts_init(&in);
	in.of[TEXT_PAYMENT] = VIEW("order-1");
	in.of[TEXT_PAYEE_NAME] = VIEW("Corner Shop \xe4\xb8\xad");
	in.of[TEXT_RETURN_URL] = VIEW("");
	texts_seal(k, &alice, &in, &sealed);
	assert_false(sealed.full);
	return buf_view(&sealed);
}

static void
test_what_was_sealed_opens(void **state)
{
	struct keyring *k = keyring_from(master);
	struct view sealed = seal(k);

	(void)state;
	assert_null(memmem(sealed.data, sealed.len, "order-1", 7));
	assert_int_equal(texts_open(k, &alice.key, &alice.salt, sealed, &out), CS_OK);
	assert_view_equal(out.of[TEXT_PAYMENT], "order-1");
	assert_view_equal(out.of[TEXT_PAYEE_NAME], "Corner Shop \xe4\xb8\xad");
	/* Empty is not absent. */
	assert_non_null(out.of[TEXT_RETURN_URL].data);
	assert_null(out.of[TEXT_IP].data);
	keyring_free(k);
}

static void
test_nobody_elses_key_opens_it(void **state)
{
	struct keyring *k = keyring_from(master);
	static const uint8_t other_master[32] = {1};
	struct keyring *other = keyring_from(other_master);
	struct view sealed = seal(k);

	(void)state;
	assert_int_equal(texts_open(k, &bob.key, &alice.salt, sealed, &out), CS_ERR_CORRUPT);
	assert_int_equal(texts_open(k, &alice.key, &bob.salt, sealed, &out), CS_ERR_CORRUPT);
	assert_int_equal(texts_open(other, &alice.key, &alice.salt, sealed, &out), CS_ERR_CORRUPT);
	assert_null(out.of[TEXT_PAYMENT].data);
	keyring_free(other);
	keyring_free(k);
}

static void
test_every_changed_byte_is_noticed(void **state)
{
	struct keyring *k = keyring_from(master);
	struct view sealed = seal(k);

	(void)state;
	for (size_t i = 0; i < sealed.len; i++) {
		bytes[i] ^= 1;
		assert_int_equal(texts_open(k, &alice.key, &alice.salt, sealed, &out), CS_ERR_CORRUPT);
		bytes[i] ^= 1;
	}
	for (size_t n = 0; n < sealed.len; n++)
		assert_int_equal(texts_open(k, &alice.key, &alice.salt, view_of(bytes, n), &out), CS_ERR_CORRUPT);
	keyring_free(k);
}

static void
test_without_the_salt_they_are_erased(void **state)
{
	struct keyring *k = keyring_from(master);
	struct view sealed = seal(k);

	(void)state;
	assert_int_equal(texts_open(k, &alice.key, &(struct id){{0}}, sealed, &out), CS_ERR_NOT_FOUND);
	assert_null(out.of[TEXT_PAYMENT].data);
	keyring_free(k);
}

static void
test_every_kind_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < TEXT__COUNT; i++) {
		for (int k = 0; k < i; k++)
			assert_string_not_equal(text_name((enum text_kind)i), text_name((enum text_kind)k));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_sealed_opens),
		cmocka_unit_test(test_nobody_elses_key_opens_it),
		cmocka_unit_test(test_every_changed_byte_is_noticed),
		cmocka_unit_test(test_without_the_salt_they_are_erased),
		cmocka_unit_test(test_every_kind_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
