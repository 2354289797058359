/* SPDX-License-Identifier: Apache-2.0 */
/* The factor recovery: how codes are read, what a typing error is, and that each works once. */
#include <ctype.h>

#include "plugins/recovery/codes.h"
#include "tests/unit/plugin_host.h"
#include "tests/unit/unit.h"

struct fixture {
	struct fake_host host;
	const struct countersign_plugin_v1 *plugin;
	void *instance;
	char secret[512], shown[2048], ask[512];
	size_t secret_len;
	char codes[RECOVERY_COUNT][RECOVERY_PRINTED + 1];
	int64_t step;
	struct countersign_step steps[COUNTERSIGN_STEPS_MAX];
	size_t steps_count;
};

static void
enrol(struct fixture *f, const char *language)
{
	struct countersign_enrol in = {.size = sizeof(in), .language = countersign_view_of(language)};
	char request[16];
	struct countersign_enrol_answer out = {.size = sizeof(out), .request = {request, sizeof(request), 0},
	    .secret = {f->secret, sizeof(f->secret), 0}};
	char *line;

	in.call.request = countersign_view_of("r1");
	out.steps[0].value = (struct countersign_buffer){f->shown, sizeof(f->shown) - 1, 0};
	out.steps[1].value = (struct countersign_buffer){f->ask, sizeof(f->ask) - 1, 0};
	assert_int_equal(f->plugin->factor->enrol(f->instance, &in, &out), COUNTERSIGN_OK);
	assert_int_equal(out.steps_count, 2);
	assert_int_equal(out.steps[0].kind, COUNTERSIGN_STEP_SHOW);
	assert_int_equal(out.steps[1].kind, COUNTERSIGN_STEP_TEXT);
	f->secret_len = out.secret.len;
	f->shown[out.steps[0].value.len] = '\0';
	line = strchr(f->shown, '\n');
	for (int i = 0; i < RECOVERY_COUNT; i++, line = strchr(line + 1, '\n')) {
		assert_non_null(line);
		memcpy(f->codes[i], line + 1, RECOVERY_PRINTED);
		f->codes[i][RECOVERY_PRINTED] = '\0';
	}
	assert_null(line);
}

static void
start(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->plugin = countersign_plugin_v1();
	fake_host_init(&f->host, f->plugin, NULL);
	assert_int_equal(f->plugin->init(&f->host.table, &f->instance), COUNTERSIGN_OK);
	enrol(f, "en");
}

static void
stop(struct fixture *f)
{
	f->plugin->fini(f->instance);
	fake_host_clear(&f->host);
}

static int
verify_after(struct fixture *f, const char *answer, int64_t last_step, const char *challenge, const char *state)
{
	struct countersign_verify in = {.size = sizeof(in), .secret = {f->secret, f->secret_len},
	    .answer = countersign_view_of(answer), .last_step = last_step,
	    .challenge = countersign_view_of(challenge), .state = countersign_view_of(state)};
	char request[16], left[16];
	struct countersign_verify_answer out = {.size = sizeof(out), .request = {request, sizeof(request), 0},
	    .verdict = -1, .step = -1, .state = {left, sizeof(left), 0}};

	in.call.request = countersign_view_of("r2");
	out.steps[0].value = (struct countersign_buffer){f->shown, sizeof(f->shown), 0};
	out.steps[1].value = (struct countersign_buffer){f->ask, sizeof(f->ask), 0};
	assert_int_equal(f->plugin->factor->verify(f->instance, &in, &out), COUNTERSIGN_OK);
	assert_int_equal(out.request.len, 2);
	assert_int_equal(out.secret.len, 0);
	if (out.verdict == COUNTERSIGN_MORE)
		assert_true(out.state.len > 0 && out.steps_count == 2);
	f->step = out.step;
	return out.verdict;
}

static int
verify(struct fixture *f, const char *answer, int64_t last_step)
{
	return verify_after(f, answer, last_step, "challenge", NULL);
}

static void
test_self_test_passes(void **state)
{
	(void)state;
	assert_int_equal(countersign_plugin_v1()->self_test(NULL), COUNTERSIGN_OK);
}

static void
test_each_code_is_good_once(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	for (int i = 0; i < RECOVERY_COUNT; i++) {
		int64_t others = ((INT64_C(1) << RECOVERY_COUNT) - 1) & ~(INT64_C(1) << i);

		assert_int_equal(verify(&f, f.codes[i], -1), COUNTERSIGN_RIGHT);
		assert_int_equal(f.step, i);
		/* All the others used: still good. This one used: wrong. */
		assert_int_equal(verify(&f, f.codes[i], others), COUNTERSIGN_RIGHT);
		assert_int_equal(verify(&f, f.codes[i], INT64_C(1) << i), COUNTERSIGN_WRONG);
		assert_int_equal(f.step, -1);
	}
	stop(&f);
}

static void
test_is_read_as_people_type_it(void **state)
{
	char small[2 * RECOVERY_PRINTED + 1];
	struct fixture f;
	size_t n = 0;

	(void)state;
	start(&f);
	for (const char *c = f.codes[3]; *c != '\0'; c++) {
		if (*c == '-')
			continue;
		small[n++] = *c == '0' ? 'o' : *c == '1' ? 'l' : (char)tolower((unsigned char)*c);
		small[n++] = ' ';
	}
	small[n] = '\0';
	assert_int_equal(verify(&f, small, 0), COUNTERSIGN_RIGHT);
	assert_int_equal(f.step, 3);
	stop(&f);
}

/* One wrong letter, or two changed for each other: seen at every place. */
static void
test_typing_errors_are_seen(void **state)
{
	uint8_t letters[RECOVERY_LETTERS];
	struct fixture f;
	char typed[RECOVERY_PRINTED + 1];

	(void)state;
	start(&f);
	for (size_t i = 0; i < RECOVERY_PRINTED; i++) {
		for (size_t k = i + 1; k < RECOVERY_PRINTED; k++) {
			memcpy(typed, f.codes[0], sizeof(typed));
			if (typed[i] == '-' || typed[k] == '-' || typed[i] == typed[k])
				continue;
			typed[i] = f.codes[0][k];
			typed[k] = f.codes[0][i];
			assert_int_equal(recovery_read(countersign_view_of(typed), letters), RECOVERY_MISTYPED);
		}
		for (const char *c = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"; *c != '\0'; c++) {
			memcpy(typed, f.codes[0], sizeof(typed));
			if (typed[i] == '-' || typed[i] == *c)
				continue;
			typed[i] = *c;
			assert_int_equal(recovery_read(countersign_view_of(typed), letters), RECOVERY_MISTYPED);
		}
	}
	stop(&f);
}

static void
test_a_typing_error_is_told_once(void **state)
{
	struct fixture f;
	char typed[RECOVERY_PRINTED + 1];

	(void)state;
	start(&f);
	memcpy(typed, f.codes[0], sizeof(typed));
	typed[5] = typed[5] == 'A' ? 'B' : 'A';
	assert_int_equal(verify(&f, typed, 0), COUNTERSIGN_MORE);
	assert_int_equal(verify_after(&f, typed, 0, "challenge", "t"), COUNTERSIGN_WRONG);
	assert_int_equal(verify_after(&f, f.codes[0], 0, "challenge", "t"), COUNTERSIGN_RIGHT);
	/* While an enrolment is finished there is nothing to come back to. */
	assert_int_equal(verify_after(&f, typed, -1, NULL, NULL), COUNTERSIGN_WRONG);
	stop(&f);
}

static void
test_what_is_no_code_is_wrong(void **state)
{
	static const char *const wrong[] = {"", "0", "123456", "UUUU-UUUU-UUUU-UUUU", "7KQ2-M0XT-9ZVB", "\xe6\x81\xa2",
	    "0123-4567-89AB-CDEX-1", "0000-0000-0000-0000"};
	struct fixture f;

	(void)state;
	start(&f);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(verify(&f, wrong[i], 0), COUNTERSIGN_WRONG);
		assert_int_equal(f.step, -1);
	}
	stop(&f);
}

static void
test_enrolment_uses_no_code_up(void **state)
{
	struct fixture f;

	(void)state;
	start(&f);
	assert_int_equal(verify_after(&f, f.codes[4], -1, NULL, NULL), COUNTERSIGN_RIGHT);
	assert_int_equal(f.step, 0);
	assert_int_equal(verify_after(&f, "0000-0000-0000-0000", -1, NULL, NULL), COUNTERSIGN_WRONG);
	stop(&f);
}

static void
test_codes_of_another_set_are_wrong(void **state)
{
	struct fixture f;
	char old[RECOVERY_PRINTED + 1];

	(void)state;
	start(&f);
	memcpy(old, f.codes[0], sizeof(old));
	f.host.next_random = 1; /* other codes than the first set's */
	enrol(&f, "zh-CN");
	assert_string_not_equal(old, f.codes[0]);
	assert_int_equal(verify(&f, old, 0), COUNTERSIGN_WRONG);
	assert_int_equal(verify(&f, f.codes[0], 0), COUNTERSIGN_RIGHT);
	stop(&f);
}

static void
test_a_set_that_does_not_fit_is_not_shown(void **state)
{
	struct countersign_enrol in = {.size = sizeof(in)};
	char request[16];
	struct countersign_enrol_answer out = {.size = sizeof(out), .request = {request, sizeof(request), 0}};
	struct fixture f;

	(void)state;
	start(&f);
	memset(f.shown, 0, sizeof(f.shown));
	out.secret = (struct countersign_buffer){f.secret, 10, 0};
	out.steps[0].value = (struct countersign_buffer){f.shown, sizeof(f.shown), 0};
	out.steps[1].value = (struct countersign_buffer){f.ask, sizeof(f.ask), 0};
	assert_int_equal(f.plugin->factor->enrol(f.instance, &in, &out), COUNTERSIGN_FULL);
	assert_int_equal(f.shown[0], '\0');
	stop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_self_test_passes),
	    cmocka_unit_test(test_each_code_is_good_once),
	    cmocka_unit_test(test_is_read_as_people_type_it),
	    cmocka_unit_test(test_typing_errors_are_seen),
	    cmocka_unit_test(test_a_typing_error_is_told_once),
	    cmocka_unit_test(test_what_is_no_code_is_wrong),
	    cmocka_unit_test(test_enrolment_uses_no_code_up),
	    cmocka_unit_test(test_codes_of_another_set_are_wrong),
	    cmocka_unit_test(test_a_set_that_does_not_fit_is_not_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
