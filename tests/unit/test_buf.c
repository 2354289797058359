/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf, cursor and bytes: nothing is written or read past an end, and every number has one encoding.
 */
#include "tests/unit/unit.h"

#include "broker/base/bytes.h"

static void
put_that_does_not_fit_writes_nothing_and_sticks(void **state)
{
	uint8_t mem[4] = {0};
	struct buf b = buf_over(mem, 3);

	(void)state;
	buf_put(&b, "ab", 2);
	buf_put(&b, "cd", 2);
	buf_put_u8(&b, 'e');
	assert_true(b.full);
	assert_view_equal(buf_view(&b), "ab");
	assert_int_equal(mem[2], 0);
}

static void
numbers_round_trip(void **state)
{
	static const int64_t values[] = {
	    0, 1, -1, 63, 64, 127, 128, INT32_MAX, INT64_MAX, INT64_MIN};
	const size_t n = sizeof(values) / sizeof(values[0]);
	uint8_t mem[512];
	struct buf b = buf_over(mem, sizeof(mem));
	struct cursor c;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		buf_put_svar(&b, values[i]);
		buf_put_var(&b, (uint64_t)values[i]);
		buf_put_u64(&b, (uint64_t)values[i]);
		buf_put_u32(&b, (uint32_t)values[i]);
		buf_put_u16(&b, (uint16_t)values[i]);
	}
	assert_false(b.full);
	c = cursor_over(b.data, b.len);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(cursor_svar(&c), values[i]);
		assert_int_equal(cursor_var(&c), (uint64_t)values[i]);
		assert_int_equal(cursor_u64(&c), (uint64_t)values[i]);
		assert_int_equal(cursor_u32(&c), (uint32_t)values[i]);
		assert_int_equal(cursor_u16(&c), (uint16_t)values[i]);
	}
	assert_false(c.bad);
	assert_int_equal(cursor_left(&c), 0);
}

static void
longer_forms_of_a_number_are_refused(void **state)
{
	static const uint8_t two_bytes_of_zero[] = {0x80, 0x00};
	static const uint8_t too_large[] = {
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
	static const uint8_t endless[] = {
	    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01};
	static const struct view cases[] = {
	    {(const char *)two_bytes_of_zero, sizeof(two_bytes_of_zero)},
	    {(const char *)too_large, sizeof(too_large)},
	    {(const char *)endless, sizeof(endless)},
	    {"\x80", 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cursor c = cursor_over(cases[i].data, cases[i].len);

		assert_int_equal(cursor_var(&c), 0);
		assert_true(c.bad);
	}
}

static void
reading_past_the_end_gives_zeros_for_good(void **state)
{
	struct cursor c = cursor_over("\x01\x02\x03", 3);
	uint8_t four[4] = {9, 9, 9, 9};

	(void)state;
	cursor_get(&c, four, 4);
	assert_memory_equal(four, "\0\0\0\0", 4);
	assert_true(c.bad);
	assert_int_equal(cursor_u8(&c), 0);
	assert_int_equal(cursor_left(&c), 0);
}

static void
length_beyond_the_maximum_is_refused(void **state)
{
	struct cursor c = cursor_over("\x03" "abc", 4);

	(void)state;
	assert_view_equal(cursor_lv(&c, 3), "abc");
	c = cursor_over("\x03" "abc", 4);
	assert_int_equal(cursor_lv(&c, 2).len, 0);
	assert_true(c.bad);
}

static void
bytes_grow_to_their_maximum_and_no_further(void **state)
{
	struct bytes b;

	(void)state;
	bytes_init(&b, 3000);
	for (int i = 0; i < 3000; i++)
		buf_put_u8(&b.buf, (uint8_t)i);
	assert_false(b.buf.full);
	buf_put_u8(&b.buf, 0);
	assert_true(b.buf.full);
	assert_int_equal(b.buf.len, 3000);
	bytes_consume(&b, 2999);
	assert_int_equal(b.buf.len, 1);
	assert_int_equal(b.buf.data[0], (uint8_t)2999);
	bytes_clear(&b);
	assert_null(b.buf.data);
	assert_false(b.buf.full);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(put_that_does_not_fit_writes_nothing_and_sticks),
	    cmocka_unit_test(numbers_round_trip),
	    cmocka_unit_test(longer_forms_of_a_number_are_refused),
	    cmocka_unit_test(reading_past_the_end_gives_zeros_for_good),
	    cmocka_unit_test(length_beyond_the_maximum_is_refused),
	    cmocka_unit_test(bytes_grow_to_their_maximum_and_no_further),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
