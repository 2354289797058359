/* SPDX-License-Identifier: Apache-2.0 */
/* Times as text, held against libc's calendar; and the clock that tests move. */
#include "tests/unit/unit.h"

#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "broker/base/clock.h"

static char clock_path[] = "/tmp/test_clock.XXXXXX";

static int
clock_file_make(void **state)
{
	int fd = mkstemp(clock_path);

	(void)state;
	if (fd < 0 || ftruncate(fd, 24) != 0)
		return -1;
	close(fd);
	return setenv("CS_TEST_CLOCK", clock_path, 1);
}

static int
clock_file_remove(void **state)
{
	(void)state;
	return unlink(clock_path);
}

static void
clock_file_set(int64_t wall_ms, int64_t boot_ms)
{
	uint64_t offsets[2] = {htole64((uint64_t)wall_ms), htole64((uint64_t)boot_ms)};
	int fd = open(clock_path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, offsets, sizeof(offsets), 0), sizeof(offsets));
	close(fd);
}

static int64_t
real_boot_ms(void)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &ts), 0);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
test_clock_stands_still(void **state)
{
	struct clock_now before, after;
	uint64_t still;
	int fd = open(clock_path, O_WRONLY);

	(void)state;
	assert_true(fd >= 0);
	clock_read(&before);
	still = htole64((uint64_t)before.boot_ms);
	assert_int_equal(pwrite(fd, &still, sizeof(still), 16), sizeof(still));
	while (real_boot_ms() < before.boot_ms + 3)
		continue;
	clock_read(&after);
	assert_int_equal(after.boot_ms, before.boot_ms);
	assert_true(after.wall_ms - before.wall_ms <= 1);
	still = 0;
	assert_int_equal(pwrite(fd, &still, sizeof(still), 16), sizeof(still));
	clock_read(&after);
	assert_true(after.boot_ms >= before.boot_ms + 3);
	close(fd);
}

static void
test_clock_moves_while_the_process_runs(void **state)
{
	struct clock_now before, after;

	(void)state;
	clock_read(&before);
	clock_file_set(INT64_C(86400000), INT64_C(5000000));
	clock_read(&after);
	assert_in_range(after.wall_ms - before.wall_ms, 86400000, 86460000);
	assert_in_range(after.boot_ms - before.boot_ms, 5000000, 5060000);
	clock_file_set(-1000000, 0);
	clock_read(&after);
	assert_in_range(before.wall_ms - after.wall_ms, 900000, 1000000);
	clock_file_set(0, 0);
}

static void
text_is_that_of_the_calendar_and_reads_back(void **state)
{
	char text[CLOCK_TEXT_MAX], expected[CLOCK_TEXT_MAX];

	(void)state;
	/*
	 * A step of 29 hours, prime in seconds: until 2400 it meets each hour, month and kind of
	 * year.
	 */
	for (int64_t s = 0; s < INT64_C(13600000000); s += 104729) {
		time_t t = (time_t)s;
		struct tm tm;
		size_t n;

		assert_non_null(gmtime_r(&t, &tm));
		n = strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%SZ", &tm);
		assert_int_equal(clock_text(s * 1000, text), n);
		assert_string_equal(text, expected);
		assert_int_equal(clock_parse(text, n), s * 1000);
	}
	assert_int_equal(clock_text(INT64_C(1795340788123), text), sizeof(text) - 1);
	assert_string_equal(text, "2026-11-22T09:46:28.123Z");
	assert_int_equal(clock_parse(text, strlen(text)), INT64_C(1795340788123));
}

static void
text_out_of_range_is_the_nearest_in_it(void **state)
{
	char text[CLOCK_TEXT_MAX];

	(void)state;
	clock_text(INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
	clock_text(INT64_MIN, text);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
}

static void
other_spellings_of_utc_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} cases[] = {
	    {"1970-01-01T00:00:01+00:00", 1000},
	    {"1970-01-01t00:00:01z", 1000},
	    {"1970-01-01T00:00:01.5Z", 1500},
	    {"1970-01-01T00:00:01.0019999999Z", 1001},
	    {"2016-12-31T23:59:60Z", INT64_C(1483228800000)},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(clock_parse(cases[i].text, strlen(cases[i].text)), cases[i].ms);
}

static void
what_is_not_a_time_in_utc_is_refused(void **state)
{
	static const char *const cases[] = {"", "2026-11-22", "2026-11-22T09:46:28",
	    "2026-11-22T09:46:28+01:00", "2026-11-22T09:46:28-00:00", "2026-11-22 09:46:28Z",
	    "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
	    "2026-01-00T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-01T24:00:00Z",
	    "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00.Z",
	    "2026-01-01T00:00:00ZZ", "2026-01-01T00:00:00.1", "1969-12-31T23:59:59Z",
	    "-026-01-01T00:00:00Z", "2026-01-01T00:00:0xZ", "2026-1-01T00:00:000Z",
	    "9999-12-31T23:59:60Z"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(clock_parse(cases[i], strlen(cases[i])), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clock_stands_still),
	    cmocka_unit_test(test_clock_moves_while_the_process_runs),
	    cmocka_unit_test(text_is_that_of_the_calendar_and_reads_back),
	    cmocka_unit_test(text_out_of_range_is_the_nearest_in_it),
	    cmocka_unit_test(other_spellings_of_utc_are_read),
	    cmocka_unit_test(what_is_not_a_time_in_utc_is_refused),
	};

	return cmocka_run_group_tests(tests, clock_file_make, clock_file_remove);
}
