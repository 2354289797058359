/* SPDX-License-Identifier: Apache-2.0 */
/* Ids that the broker gives out: one text for one id, and nothing else is taken for it. */
#include "broker/base/base64url.h"
#include "broker/engine/ids.h"

#include "tests/unit/unit.h"

static const struct id account = {{0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xfe}};
static const struct id thing = {{0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

static bool
of_account(enum id_kind kind)
{
	return kind != ID_SIGN_IN && kind != ID_ENROLMENT;
}

static void
test_every_kind_comes_back(void **state)
{
	(void)state;
	for (int k = 0; k < ID__COUNT; k++) {
		struct id_text t = id_format((enum id_kind)k, of_account((enum id_kind)k) ? &account : NULL, &thing);
		struct id a = {{0}}, id = {{0}};

		assert_true(t.len <= ID_TEXT_MAX);
		assert_int_equal(id_parse((enum id_kind)k, id_view(&t), &a, &id), CS_OK);
		assert_memory_equal(id.b, thing.b, 16);
		if (of_account((enum id_kind)k))
			assert_memory_equal(a.b, account.b, 16);
	}
}

static void
test_one_kind_is_not_another(void **state)
{
	struct id a, id;

	(void)state;
	for (int k = 0; k < ID__COUNT; k++) {
		struct id_text t = id_format((enum id_kind)k, of_account((enum id_kind)k) ? &account : NULL, &thing);

		for (int other = 0; other < ID__COUNT; other++) {
			if (other != k)
				assert_int_equal(id_parse((enum id_kind)other, id_view(&t), &a, &id), CS_ERR_SYNTAX);
		}
	}
}

static void
test_no_other_text_is_the_id(void **state)
{
	struct id_text t = id_format(ID_SESSION, &account, &thing);
	struct id a, id;

	(void)state;
	for (size_t cut = 0; cut < t.len; cut++)
		assert_int_equal(id_parse(ID_SESSION, view_of(t.data, cut), &a, &id), CS_ERR_SYNTAX);
	/* Every character, changed to every byte: another id, or none; never this one. */
	for (size_t i = 0; i < t.len; i++) {
		for (int c = 0; c < 256; c++) {
			struct id_text u = t;

			u.data[i] = (char)c;
			if (u.data[i] == t.data[i] || id_parse(ID_SESSION, id_view(&u), &a, &id) != CS_OK)
				continue;
			assert_false(id_equal(&a, &account) && id_equal(&id, &thing));
		}
	}
}

/* The zero key is the broker's own record: an id that names it must not lead there. */
static void
test_no_id_leads_to_the_brokers_record(void **state)
{
	static const struct id zero;
	struct id a, id;

	(void)state;
	for (int k = 0; k < ID__COUNT; k++) {
		struct id_text t;

		if (!of_account((enum id_kind)k))
			continue;
		t = id_format((enum id_kind)k, &zero, &thing);
		assert_int_equal(id_parse((enum id_kind)k, id_view(&t), &a, &id), CS_ERR_SYNTAX);
	}
}

static void
test_base32_is_rfc_4648(void **state)
{
	/* RFC 4648, 10, in lower case and without padding. */
	static const char *const vectors[][2] = {{"f", "my"}, {"fo", "mzxq"}, {"foo", "mzxw6"}, {"foob", "mzxw6yq"},
		{"fooba", "mzxw6ytb"}, {"foobar", "mzxw6ytboi"}};
	char text[32];
	uint8_t back[8];

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		size_t n = strlen(vectors[i][0]), len = base32_encode((const uint8_t *)vectors[i][0], n, text);

		assert_int_equal(len, strlen(vectors[i][1]));
		assert_memory_equal(text, vectors[i][1], len);
		assert_true(base32_decode(view_of(text, len), back, n));
		assert_memory_equal(back, vectors[i][0], n);
	}
	/* What is left over must be zero, and letters are lower case. */
	assert_false(base32_decode(VIEW("mz"), back, 1));
	assert_false(base32_decode(VIEW("MY"), back, 1));
	assert_false(base32_decode(VIEW("my======"), back, 1));
}

static void
test_base64url_is_rfc_7515(void **state)
{
	/* RFC 7515, appendix C. */
	static const uint8_t bytes[] = {3, 236, 255, 224, 193};
	char text[16];
	uint8_t back[8];
	size_t n = 0;

	(void)state;
	assert_view_equal(view_of(text, base64url_encode(bytes, sizeof(bytes), text)), "A-z_4ME");
	assert_int_equal(base64url_decode(VIEW("A-z_4ME"), back, sizeof(back), &n), CS_OK);
	assert_int_equal(n, sizeof(bytes));
	assert_memory_equal(back, bytes, n);
	assert_int_equal(base64url_decode(VIEW("A-z_4MF"), back, sizeof(back), &n), CS_ERR_SYNTAX);
	assert_int_equal(base64url_decode(VIEW("A+z/4ME"), back, sizeof(back), &n), CS_ERR_SYNTAX);
	assert_int_equal(base64url_decode(VIEW("A-z_4ME="), back, sizeof(back), &n), CS_ERR_SYNTAX);
	assert_int_equal(base64url_decode(VIEW("A-z_4"), back, sizeof(back), &n), CS_ERR_SYNTAX);
	assert_int_equal(base64url_decode(VIEW("A-z_4ME"), back, 4, &n), CS_ERR_SYNTAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_comes_back),
		cmocka_unit_test(test_one_kind_is_not_another),
		cmocka_unit_test(test_no_other_text_is_the_id),
		cmocka_unit_test(test_no_id_leads_to_the_brokers_record),
		cmocka_unit_test(test_base32_is_rfc_4648),
		cmocka_unit_test(test_base64url_is_rfc_7515),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
