/* SPDX-License-Identifier: Apache-2.0 */
/* The provider alipay without a network: keys, signatures over raw bytes, what is cut from an answer, settings. */
#include "plugins/alipay/answer.h"
#include "plugins/alipay/key.h"
#include "plugins/alipay/request.h"
#include "plugins/lib/encoding.h"
#include "tests/unit/unit.h"

#include <stdio.h>

#include "tests/unit/alipay_vectors.h"
#include "tests/unit/plugin_host.h"

#define NODE "alipay_system_oauth_token_response"

static struct countersign_view
of(const char *text)
{
	return countersign_view_of(text);
}

/* ---- keys ---- */

static void
keys_in_every_spelling(void **state)
{
	const char *const texts[] = {app_pkcs8, app_pkcs1, app_pem};
	EVP_PKEY *same = key_read_public(of(app_public));

	(void)state;
	assert_non_null(same);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		EVP_PKEY *key = key_read_private(of(texts[i]));

		assert_non_null(key);
		assert_int_equal(EVP_PKEY_eq(key, same), 1);
		EVP_PKEY_free(key);
	}
	EVP_PKEY_free(same);
}

static void
keys_that_will_not_do(void **state)
{
	static const char *const texts[] = {small_public, curve_public, "", "=", "AAAA", "no key at all",
	    "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"};
	char broken[sizeof(alipay_public) + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_null(key_read_public(of(texts[i])));
		assert_null(key_read_private(of(texts[i])));
	}
	assert_null(key_read_private(of(alipay_public)));
	/* One line: nothing is skipped in it. */
	snprintf(broken, sizeof(broken), "%.40s\n%s", alipay_public, alipay_public + 40);
	assert_null(key_read_public(of(broken)));
}

static void
a_certificate_has_its_sn(void **state)
{
	char serial[KEY_SERIAL_LEN + 1];
	EVP_PKEY *key = key_read_certificate(of(alipay_certificate), serial), *same = key_read_public(of(alipay_public));

	(void)state;
	assert_non_null(key);
	assert_int_equal(EVP_PKEY_eq(key, same), 1);
	assert_string_equal(serial, alipay_sn);
	assert_null(key_read_certificate(of(alipay_public), serial));
	EVP_PKEY_free(key);
	EVP_PKEY_free(same);
}

static void
it_signs_as_rsa2(void **state)
{
	char memory[1024];
	struct countersign_buffer to = {memory, sizeof(memory), 0}, small = {memory, 16, 0};
	EVP_PKEY *key = key_read_private(of(app_pkcs8));

	(void)state;
	assert_int_equal(key_sign(key, of(app_text), &to), COUNTERSIGN_OK);
	assert_true(view_is_text((struct countersign_view){to.data, to.len}, app_signature));
	assert_int_equal(key_sign(key, of(app_text), &small), COUNTERSIGN_FULL);
	EVP_PKEY_free(key);
}

static void
signatures_are_over_the_very_bytes(void **state)
{
	EVP_PKEY *key = key_read_public(of(alipay_public)), *other = key_read_public(of(app_public));
	char text[sizeof(signed_text)], signature[sizeof(signed_signature) + 4];

	(void)state;
	assert_true(key_verify(key, of(signed_text), of(signed_signature)));
	assert_false(key_verify(other, of(signed_text), of(signed_signature)));
	for (size_t i = 0; i + 1 < sizeof(signed_text); i++) {
		memcpy(text, signed_text, sizeof(text));
		text[i] ^= 1;
		assert_false(key_verify(key, of(text), of(signed_signature)));
	}
	assert_false(key_verify(key, of(""), of(signed_signature)));
	assert_false(key_verify(key, of(signed_text), of("")));
	assert_false(key_verify(key, of(signed_text), (struct countersign_view){signed_signature,
	    sizeof(signed_signature) - 2}));
	snprintf(signature, sizeof(signature), "%s====", signed_signature);
	assert_false(key_verify(key, of(signed_text), of(signature)));
	snprintf(signature, sizeof(signature), "%s", signed_signature);
	signature[0] = ' ';
	assert_false(key_verify(key, of(signed_text), of(signature)));
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

/* ---- requests ---- */

static void
what_is_signed_is_sorted_and_unescaped(void **state)
{
	struct alipay_request r = {0};
	char memory[256];
	struct countersign_buffer to = {memory, sizeof(memory), 0};

	(void)state;
	assert_int_equal(request_add(&r, "version", of("1.0"), 0), COUNTERSIGN_OK);
	assert_int_equal(request_add(&r, "timestamp", of("2026-01-01 00:00:00"), 0), COUNTERSIGN_OK);
	assert_int_equal(request_add(&r, "app_cert_sn", of(""), 0), COUNTERSIGN_OK);
	assert_int_equal(request_add(&r, "code", of("a+b/c=&d"), 1), COUNTERSIGN_OK);
	assert_int_equal(request_add(&r, "app_id", of("2021"), 0), COUNTERSIGN_OK);
	assert_int_equal(request_to_be_signed(&r, &to), COUNTERSIGN_OK);
	assert_true(view_is_text((struct countersign_view){to.data, to.len},
	    "app_id=2021&code=a+b/c=&d&timestamp=2026-01-01 00:00:00&version=1.0"));
}

static void
times_are_those_of_china(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{0, "1970-01-01 08:00:00"},
		{INT64_C(1709135999000), "2024-02-28 23:59:59"},
		{INT64_C(1709136000000), "2024-02-29 00:00:00"},
		{INT64_C(1735660799999), "2024-12-31 23:59:59"},
		{INT64_C(1735660800000), "2025-01-01 00:00:00"},
	};
	char text[REQUEST_TIME_LEN + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		request_time(cases[i].ms, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void
the_code_goes_into_the_form(void **state)
{
	struct alipay_request r = {0};
	char memory[3][2048];
	struct countersign_buffer scratch = {memory[0], 2048, 0}, query = {memory[1], 2047, 0}, form = {memory[2], 2047, 0};
	EVP_PKEY *key = key_read_private(of(app_pkcs8));

	(void)state;
	assert_int_equal(request_add(&r, "method", of("m"), 0), COUNTERSIGN_OK);
	assert_int_equal(request_add(&r, "code", of("c"), 1), COUNTERSIGN_OK);
	assert_int_equal(request_add(&r, "app_id", of("2021"), 0), COUNTERSIGN_OK);
	assert_int_equal(request_write(&r, key, &scratch, &query, &form), COUNTERSIGN_OK);
	query.data[query.len] = form.data[form.len] = '\0';
	assert_string_equal(form.data, "code=c");
	assert_memory_equal(query.data, "method=m&app_id=2021&sign=", 26);
	assert_null(strpbrk(query.data + 26, "+/="));
	EVP_PKEY_free(key);
}

/* ---- answers ---- */

static void
what_is_cut(void **state)
{
	static const struct {
		const char *text, *inner, *sign;
		bool error;
	} cases[] = {
		{"{\"" NODE "\":{\"a\":1},\"sign\":\"eA==\"}", "{\"a\":1}", "eA==", false},
		{" { \"sign\" : \"eA==\" , \"" NODE "\"\t:\r\n { \"a\" : 1 } \n } ", "{ \"a\" : 1 }", "eA==", false},
		{"{\"" NODE "\":{\"a\":\"\\/\\\"}{\",\"sign\":\"inner\",\"b\":[{},{}]},\"sign\":\"x\"}",
		    "{\"a\":\"\\/\\\"}{\",\"sign\":\"inner\",\"b\":[{},{}]}", "x", false},
		{"{\"note\":\"\\\"" NODE "\\\":{\\\"a\\\":2}\",\"" NODE "\":{}}", "{}", NULL, false},
		{"{\"deep\":{\"" NODE "\":{\"a\":3}},\"list\":[{\"error_response\":{}}],\"n\":-1.5e3,\"t\":true,\"" NODE "\":{}}",
		    "{}", NULL, false},
		{"{\"error_response\":{\"code\":\"40002\"}}", "{\"code\":\"40002\"}", NULL, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct alipay_cut cut;

		assert_int_equal(answer_cut(of(cases[i].text), NODE, &cut), COUNTERSIGN_OK);
		assert_true(view_is_text(cut.inner, cases[i].inner));
		assert_true(cases[i].sign == NULL ? cut.sign.data == NULL : view_is_text(cut.sign, cases[i].sign));
		assert_true(cut.error == cases[i].error);
	}
}

static void
what_cannot_be_cut(void **state)
{
	static const char *const texts[] = {"", "{", "null", "[]", "{}", "{\"" NODE "\":1}", "{\"" NODE "\":\"{}\"}",
	    "{\"" NODE "\":[]}", "{\"" NODE "\":{}}x", "{\"" NODE "\":{},\"" NODE "\":{}}",
	    /* The same name in two spellings, of which a reader takes the one and another the other. */
	    "{\"" NODE "\":{},\"\\u0061lipay_system_oauth_token_response\":{\"user_id\":\"2088\"}}",
	    "{\"\\u0061lipay_system_oauth_token_response\":{}}",
	    "{\"" NODE "\":{\"a\":1,\"a\":2},\"sign\":\"x\"}",
	    "{\"" NODE "\":{},\"error_response\":{}}", "{\"" NODE "\":{},\"sign\":1}", "{\"" NODE "\":{},\"sign\":\"\\u0041\"}",
	    "{\"" NODE "\":{},\"sign\":\"a\",\"sign\":\"b\"}", "{\"" NODE "\":{},\"alipay_cert_sn\":{}}"};
	struct alipay_cut cut;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(answer_cut(of(texts[i]), NODE, &cut), COUNTERSIGN_PROVIDER_ERROR);
}

static void
what_answers_mean(void **state)
{
	static const struct {
		const char *inner;
		bool error;
		int result;
		const char *word;
	} cases[] = {
		{"{\"user_id\":\"2088102150477652\"}", false, COUNTERSIGN_OK, ""},
		{"{\"code\":\"10000\",\"open_id\":\"074a1Cc-_\"}", false, COUNTERSIGN_OK, ""},
		{"{}", false, COUNTERSIGN_PROVIDER_ERROR, ""},
		{"{\"user_id\":2088102150477652}", false, COUNTERSIGN_PROVIDER_ERROR, ""},
		{"{\"user_id\":\"\",\"open_id\":\"o\"}", false, COUNTERSIGN_PROVIDER_ERROR, ""},
		{"{\"user_id\":\"2088\",\"open_id\":null}", false, COUNTERSIGN_PROVIDER_ERROR, ""},
		{"{\"user_id\":\"2088 1\"}", false, COUNTERSIGN_PROVIDER_ERROR, ""},
		{"{\"user_id\":\"a/b\"}", false, COUNTERSIGN_PROVIDER_ERROR, ""},
		{"{\"code\":10000,\"user_id\":\"2088\"}", false, COUNTERSIGN_PROVIDER_ERROR, ""},
		{"{\"code\":\"40002\",\"sub_code\":\"isv.code-invalid\",\"user_id\":\"2088\"}", false, COUNTERSIGN_BAD_CODE,
		    "isv.code-invalid"},
		{"{\"code\":\"40002\",\"sub_code\":\"isv.code-invalid\"}", true, COUNTERSIGN_BAD_CODE, "isv.code-invalid"},
		{"{\"code\":\"20000\"}", true, COUNTERSIGN_UNREACHABLE, "20000"},
		{"{\"code\":\"40004\",\"sub_code\":\"isp.busy\"}", true, COUNTERSIGN_UNREACHABLE, "isp.busy"},
		{"{\"code\":\"40002\",\"sub_code\":\"isv.\\u001b[2J\"}", true, COUNTERSIGN_PROVIDER_ERROR, "40002"},
		/* An error that says who it is says nothing. */
		{"{\"user_id\":\"2088102150477652\"}", true, COUNTERSIGN_PROVIDER_ERROR, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct alipay_cut cut = {.inner = of(cases[i].inner), .error = cases[i].error};
		struct alipay_answer a;

		assert_int_equal(answer_judge(&cut, &a), cases[i].result);
		assert_string_equal(a.word, cases[i].word);
		answer_clear(&a);
	}
}

static void
the_certificate_must_be_the_one(void **state)
{
	EVP_PKEY *key = key_read_public(of(alipay_public));
	struct alipay_answer a;
	char text[2048];

	(void)state;
	snprintf(text, sizeof(text), "{\"" NODE "\":%s,\"sign\":\"%s\"}", signed_text, signed_signature);
	assert_int_equal(answer_read(of(text), NODE, key, of(""), &a), COUNTERSIGN_OK);
	assert_true(view_is_text(a.user_id, "2088102150477652"));
	answer_clear(&a);
	assert_int_equal(answer_read(of(text), NODE, key, of(alipay_sn), &a), COUNTERSIGN_BAD_KEY);
	assert_int_equal(answer_read(of(text), "another_response", key, of(""), &a), COUNTERSIGN_PROVIDER_ERROR);
	snprintf(text, sizeof(text), "{\"alipay_cert_sn\":\"%s\",\"" NODE "\":%s,\"sign\":\"%s\"}", alipay_sn, signed_text,
	    signed_signature);
	assert_int_equal(answer_read(of(text), NODE, key, of(alipay_sn), &a), COUNTERSIGN_OK);
	answer_clear(&a);
	assert_int_equal(answer_read(of(text), NODE, key, of(""), &a), COUNTERSIGN_BAD_KEY);
	EVP_PKEY_free(key);
}

/* ---- settings ---- */

#define USUAL {"client-id", "2021"}, {"private-key", app_pkcs8}

static void
settings(void **state)
{
	static const struct {
		struct fake_setting given[8];
		const char *says; /* NULL: well */
	} cases[] = {
		{{USUAL, {"alipay-public-key", alipay_public}}, NULL},
		{{USUAL, {"alipay-public-key", alipay_public}, {"scope", "auth_user"}, {"display-claim", "nick_name"}}, NULL},
		{{{"client-id", "2021"}, {"private-key", small_public}}, "private-key is no RSA key"},
		{{USUAL}, "give alipay-public-key, or"},
		{{USUAL, {"alipay-public-key", alipay_public}, {"alipay-root-cert-sn", alipay_sn}}, "give alipay-public-key, or"},
		{{USUAL, {"alipay-public-key", app_public}}, "alipay-public-key is the app's own"},
		{{USUAL, {"alipay-public-key", small_public}}, "alipay-public-key is no RSA key"},
		{{USUAL, {"app-certificate", alipay_certificate}, {"alipay-certificate", alipay_certificate},
		     {"alipay-root-cert-sn", alipay_sn}}, "app-certificate is not of private-key"},
		{{USUAL, {"alipay-certificate", alipay_certificate}}, "app-certificate is missing"},
		{{USUAL, {"alipay-public-key", alipay_public}, {"display-claim", "nick_name"}}, "display-claim nick_name needs"},
	};
	const struct countersign_plugin_v1 *plugin = countersign_plugin_v1();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fake_host host;
		void *instance = NULL;
		int rc;

		fake_host_init(&host, plugin, cases[i].given);
		rc = plugin->init(&host.table, &instance);
		assert_int_equal(rc, cases[i].says == NULL ? COUNTERSIGN_OK : COUNTERSIGN_INVALID);
		assert_true(cases[i].says == NULL || strstr(host.log, cases[i].says) == host.log);
		if (rc == COUNTERSIGN_OK)
			plugin->fini(instance);
		fake_host_clear(&host);
	}
}

static void
it_proves_itself(void **state)
{
	const struct countersign_plugin_v1 *plugin = countersign_plugin_v1();
	struct countersign_profile profile = {.size = sizeof(profile)};
	struct fake_host host;

	(void)state;
	fake_host_init(&host, plugin, NULL);
	assert_int_equal(plugin->self_test(&host.table), COUNTERSIGN_OK);
	assert_int_equal(plugin->profile(NULL, &profile), COUNTERSIGN_OK);
	assert_true((profile.assurance & COUNTERSIGN_CODE_ALONE) != 0);
	assert_string_equal(profile.code_parameter, "auth_code");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_in_every_spelling),
		cmocka_unit_test(keys_that_will_not_do),
		cmocka_unit_test(a_certificate_has_its_sn),
		cmocka_unit_test(it_signs_as_rsa2),
		cmocka_unit_test(signatures_are_over_the_very_bytes),
		cmocka_unit_test(what_is_signed_is_sorted_and_unescaped),
		cmocka_unit_test(times_are_those_of_china),
		cmocka_unit_test(the_code_goes_into_the_form),
		cmocka_unit_test(what_is_cut),
		cmocka_unit_test(what_cannot_be_cut),
		cmocka_unit_test(what_answers_mean),
		cmocka_unit_test(the_certificate_must_be_the_one),
		cmocka_unit_test(settings),
		cmocka_unit_test(it_proves_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
