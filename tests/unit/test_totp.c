/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The factor totp: the RFC's vectors, each step once, the window's edges, and what an app is shown.
 */
#include <stdio.h>
#include <unistd.h>
#include <jansson.h>

#include "plugins/totp/code.h"
#include "tests/unit/plugin_host.h"
#include "tests/unit/unit.h"

static const char seed[] = "12345678901234567890";

struct fixture {
	struct fake_host host;
	const struct countersign_plugin_v1 *plugin;
	void *instance;
};

static void
start(struct fixture *f, const struct fake_setting *settings)
{
	f->plugin = countersign_plugin_v1();
	fake_host_init(&f->host, f->plugin, settings);
	assert_int_equal(f->plugin->init(&f->host.table, &f->instance), COUNTERSIGN_OK);
}

static void
stop(struct fixture *f)
{
	f->plugin->fini(f->instance);
	fake_host_clear(&f->host);
}

/* The step that the answer matches, or -1. */
static int64_t
verify(struct fixture *f, const char *answer, int64_t last_step, int64_t now_ms)
{
	char request[16];
	struct countersign_verify in = {.size = sizeof(in), .call = {.now_ms = now_ms},
	    .secret = {seed, 20}, .answer = countersign_view_of(answer), .last_step = last_step};
	struct countersign_verify_answer out = {.size = sizeof(out),
	    .request = {request, sizeof(request), 0}, .verdict = -1};

	in.call.request = countersign_view_of("r1");
	assert_int_equal(f->plugin->factor->verify(f->instance, &in, &out), COUNTERSIGN_OK);
	assert_int_equal(out.request.len, 2);
	assert_memory_equal(request, "r1", 2);
	assert_int_equal(out.verdict, out.step >= 0);
	return out.step;
}

static void
test_self_test_passes(void **state)
{
	(void)state;
	assert_int_equal(countersign_plugin_v1()->self_test(NULL), COUNTERSIGN_OK);
}

/* RFC 6238 appendix B, six digits of the eight. */
static void
test_good_code_is_good_once(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, NULL);
	assert_int_equal(verify(&f, "287082", -1, 59000), 1);
	assert_int_equal(verify(&f, "287082", 0, 59000), 1);
	assert_int_equal(verify(&f, "287082", 1, 59000), -1);
	/* A newer step was used: what came before it is used up too. */
	assert_int_equal(verify(&f, "287082", 2, 59000), -1);
	stop(&f);
}

static void
test_window_ends_where_it_should(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, NULL);
	assert_int_equal(verify(&f, "287082", -1, 0), 1);        /* a step early */
	assert_int_equal(verify(&f, "287082", -1, 89999), 1);    /* a step late */
	assert_int_equal(verify(&f, "287082", -1, 90000), -1);   /* two steps late */
	stop(&f);
	start(&f, (struct fake_setting[]){{"drift", "0"}, {NULL, NULL}});
	assert_int_equal(verify(&f, "287082", -1, 29999), -1);
	assert_int_equal(verify(&f, "287082", -1, 30000), 1);
	assert_int_equal(verify(&f, "287082", -1, 60000), -1);
	stop(&f);
}

static void
test_wrong_answers_are_all_alike(void **state)
{
	static const char *const wrong[] = {"", "0", "287083", "28708", "2870820", "28708\xff",
	    "287082 ", "94287082", "28708\n"};
	struct fixture f;

	(void)state;
	start(&f, NULL);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(verify(&f, wrong[i], -1, 59000), -1);
	stop(&f);
}

static void
test_enrolment_shows_what_apps_read(void **state)
{
	char request[16], secret[64], uri[512];
	struct fixture f;
	struct countersign_enrol in = {.size = sizeof(in)};
	struct countersign_enrol_answer out = {.size = sizeof(out),
	    .request = {request, sizeof(request), 0}, .secret = {secret, sizeof(secret), 0}};

	(void)state;
	start(&f, (struct fake_setting[]){{"issuer", "Corner Shop"}, {"algorithm", "SHA256"},
	    {NULL, NULL}});
	in.call.request = countersign_view_of("r7");
	in.account_hint = countersign_view_of("a\xc3\xa9&b");
	out.steps[0].value = (struct countersign_buffer){uri, sizeof(uri), 0};
	assert_int_equal(f.plugin->factor->enrol(f.instance, &in, &out), COUNTERSIGN_OK);
	assert_int_equal(out.secret.len, 20);
	assert_int_equal(out.steps_count, 2);
	uri[out.steps[0].value.len] = '\0';
	/* The fake host's randomness counts from zero: 00 01 02 ... 13. */
	assert_string_equal(uri,
	    "otpauth://totp/Corner%20Shop:a%C3%A9%26b?secret=AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQT"
	    "&issuer=Corner%20Shop&algorithm=SHA256&digits=6&period=30");
	out.steps[0].value = (struct countersign_buffer){uri, 20, 0};
	assert_int_equal(f.plugin->factor->enrol(f.instance, &in, &out), COUNTERSIGN_FULL);
	stop(&f);
}

static void
test_secret_too_short_is_no_secret(void **state)
{
	char request[16];
	struct fixture f;
	struct countersign_verify in = {.size = sizeof(in), .secret = {seed, 15}};
	struct countersign_verify_answer out = {.size = sizeof(out),
	    .request = {request, sizeof(request), 0}};

	(void)state;
	start(&f, NULL);
	assert_int_equal(f.plugin->factor->verify(f.instance, &in, &out), COUNTERSIGN_INVALID);
	assert_int_equal(out.verdict, 0);
	stop(&f);
}

static void
check_case(const json_t *c, unsigned digits)
{
	unsigned char secret[TOTP_SECRET_MAX_BYTES];
	const char *hex = json_string_value(json_object_get(c, "secret_hex"));
	size_t len = strlen(hex) / 2;
	char code[TOTP_DIGITS_MAX + 1];
	struct totp_parameters p = {.period_s = 30, .digits = digits};

	for (size_t i = 0; i < len; i++) {
		unsigned byte;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		secret[i] = (unsigned char)byte;
	}
	p.algorithm = totp_algorithm_of(
	    countersign_view_of(json_string_value(json_object_get(c, "mode"))));
	assert_int_equal(totp_code(&p, (struct countersign_view){(char *)secret, len},
	    json_integer_value(json_object_get(c, "time")) / 30, code), COUNTERSIGN_OK);
	assert_string_equal(code, json_string_value(json_object_get(c, "totp")));
}

static void
test_published_vectors(void **state)
{
	char path[4096];
	const char *dir = getenv("CS_VECTORS");
	json_t *doc, *c;
	size_t i;

	(void)state;
	snprintf(path, sizeof(path), "%s/otp/hotp-totp.json", dir == NULL ? "" : dir);
	if (dir == NULL || access(path, F_OK) != 0) {
		print_message("skipped: there are no vectors at CS_VECTORS/otp\n");
		skip();
	}
	doc = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(doc);
	json_array_foreach(json_object_get(json_object_get(doc, "totp"), "cases"), i, c)
		check_case(c, 8);
	assert_true(i > 10);
	json_decref(doc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_self_test_passes),
		cmocka_unit_test(test_good_code_is_good_once),
		cmocka_unit_test(test_window_ends_where_it_should),
		cmocka_unit_test(test_wrong_answers_are_all_alike),
		cmocka_unit_test(test_enrolment_shows_what_apps_read),
		cmocka_unit_test(test_secret_too_short_is_no_secret),
		cmocka_unit_test(test_published_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
