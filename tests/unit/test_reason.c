/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reasons and the other words: each has one name of its own, and users get a sentence in both
 * languages.
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "broker/base/utf8.h"
#include "broker/core/event.h"
#include "broker/core/reason.h"

static void
assert_is_word(const char *name)
{
	assert_true(strlen(name) > 0 && strlen(name) < 40);
	for (const char *p = name; *p != '\0'; p++)
		assert_true((*p >= 'a' && *p <= 'z') ||
		            ((*p == '_' || (*p >= '0' && *p <= '9')) && p > name));
}

static void
assert_is_sentence(const char *text)
{
	const uint8_t *p = (const uint8_t *)text, *end = p + strlen(text);

	assert_true(p < end);
	while (p < end) {
		uint32_t code;
		size_t n = utf8_sequence(p, end, &code);

		assert_true(n > 0 && utf8_code_printable(code));
		p += n;
	}
}

static void
every_reason_has_its_own_name(void **state)
{
	(void)state;
	for (int i = 0; i < REASON__COUNT; i++) {
		assert_is_word(reason_name((enum reason)i));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(
			    reason_name((enum reason)i), reason_name((enum reason)j));
	}
}

static void
every_reason_speaks_both_languages(void **state)
{
	(void)state;
	for (int i = 0; i < REASON__COUNT; i++) {
		assert_is_sentence(reason_text_en((enum reason)i));
		assert_is_sentence(reason_text_zh((enum reason)i));
		/* A Chinese text that is the English one was forgotten. */
		assert_string_not_equal(
		    reason_text_en((enum reason)i), reason_text_zh((enum reason)i));
	}
}

static void
what_was_not_decided_is_a_denial(void **state)
{
	(void)state;
	assert_int_equal(REASON_NONE, 0);
	assert_int_equal(reason_outcome(REASON_NONE), OUTCOME_DENY);
	assert_int_equal(OUTCOME_DENY, 0);
	assert_int_equal(reason_outcome(REASON_ALLOWANCE), OUTCOME_PERMIT);
	assert_int_equal(reason_outcome(REASON_COUNTERSIGNATURE_REQUIRED), OUTCOME_STEP_UP);
	assert_int_equal(reason_outcome(REASON_UNAVAILABLE), OUTCOME_DENY);
}

static void
words_are_found_by_their_names(void **state)
{
	(void)state;
	for (int i = OP_NONE + 1; i < OP__COUNT; i++) {
		assert_is_word(op_name((enum op)i));
		assert_int_equal(op_find(view_str(op_name((enum op)i))), i);
	}
	for (int i = 0; i < FACTOR__COUNT; i++) {
		assert_is_word(factor_kind_name((enum factor_kind)i));
		assert_int_equal(
		    factor_kind_find(view_str(factor_kind_name((enum factor_kind)i))), i);
	}
	for (int i = 0; i < AUTHOR__COUNT; i++)
		assert_is_word(author_name((enum author)i));
	for (int i = EVENT_NONE + 1; i < EVENT__COUNT; i++) {
		assert_is_word(event_type_name((enum event_type)i));
		assert_int_equal(event_type_find(view_str(event_type_name((enum event_type)i))), i);
	}
	assert_int_equal(op_find(VIEW("none")), OP_NONE);
	assert_int_equal(op_find(VIEW("")), OP_NONE);
	assert_int_equal(op_find(VIEW("SPEND")), OP_NONE);
	assert_int_equal(factor_kind_find(VIEW("sms")), FACTOR__COUNT);
	assert_int_equal(event_type_find(VIEW("payment")), EVENT_NONE);
	assert_string_equal(outcome_name(OUTCOME_DENY), "deny");
	assert_string_equal(outcome_name(OUTCOME_STEP_UP), "step_up");
	assert_string_equal(outcome_name(OUTCOME_PERMIT), "permit");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_reason_has_its_own_name),
	    cmocka_unit_test(every_reason_speaks_both_languages),
	    cmocka_unit_test(what_was_not_decided_is_a_denial),
	    cmocka_unit_test(words_are_found_by_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
