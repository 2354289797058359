/* SPDX-License-Identifier: Apache-2.0 */
/* Time zones by name: their tables are what the C library says of them, and windows begin where they say. */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "broker/core/decide.h"
#include "broker/parent/config_zone.h"

static struct config_timezone zone;
static struct policy policy;

static void
load(const char *name)
{
	const char *why;

	memset(&zone, 0, sizeof(zone));
	zone.name = name;
	why = zone_load(name, &zone);
	if (why != NULL)
		fail_msg("%s: %s", name, why);
	memset(&policy, 0, sizeof(policy));
	policy.utc_offset_s = zone.offset_s;
	policy.transitions_n = zone.transition_count;
	for (size_t i = 0; i < zone.transition_count; i++)
		policy.transitions[i] =
		    (struct zone_transition){zone.transitions[i].at_s * 1000, zone.transitions[i].offset_s};
}

static void
tables_are_what_the_c_library_says(void **state)
{
	static const char *const names[] = {"Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
	    "Asia/Kolkata", "Pacific/Kiritimati", "Europe/Dublin", "America/Sao_Paulo", "Asia/Kathmandu", "UTC"};

	(void)state;
	if (access("/usr/share/zoneinfo/Asia/Shanghai", R_OK) != 0)
		skip(); /* install tzdata */
	for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
		load(names[n]);
		assert_int_equal(setenv("TZ", names[n], 1), 0);
		tzset();
		for (time_t t = ZONE_FROM_S; t < ZONE_TO_S; t += 7 * 3600 + 1200) {
			struct tm tm;

			assert_non_null(localtime_r(&t, &tm));
			if (zone_offset_s(&policy, (int64_t)t * 1000) != tm.tm_gmtoff)
				fail_msg("%s at %lld", names[n], (long long)t);
		}
	}
	unsetenv("TZ");
}

/* The second before and the second of a change of the clocks, a leap day, the end of a year. */
static void
windows_begin_at_local_midnight(void **state)
{
	static const struct {
		const char *name;
		int64_t before_s; /* the last second of a local day */
		bool month;       /* and of a month */
	} cases[] = {
	    {"Europe/Berlin", 1774738799, false}, /* 2026-03-28 23:59:59 +01:00 */
	    {"Europe/Berlin", 1774821599, false}, /* 2026-03-29 23:59:59 +02:00, a day of 23 hours */
	    {"Europe/Berlin", 1792879199, false}, /* 2026-10-24 23:59:59 +02:00 */
	    {"Europe/Berlin", 1792969199, false}, /* 2026-10-25 23:59:59 +01:00, a day of 25 hours */
	    {"Asia/Shanghai", 1835366399, false}, /* 2028-02-28 23:59:59 */
	    {"Asia/Shanghai", 1835452799, true},  /* 2028-02-29 23:59:59 */
	    {"Asia/Shanghai", 1798732799, true},  /* 2026-12-31 23:59:59 */
	    {"America/New_York", 1798779599, true}, /* 2026-12-31 23:59:59 -05:00 */
	};

	(void)state;
	if (access("/usr/share/zoneinfo/Asia/Shanghai", R_OK) != 0)
		skip();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t ms = cases[i].before_s * 1000;

		load(cases[i].name);
		if (window_day(&policy, ms + 1000) != window_day(&policy, ms) + 1 ||
		    window_day(&policy, ms + 999) != window_day(&policy, ms) ||
		    window_month(&policy, ms + 1000) != window_month(&policy, ms) + cases[i].month)
			fail_msg("case %zu: %s", i, cases[i].name);
	}
}

static void
broken_files_are_refused(void **state)
{
	unsigned char bytes[256] = "TZif2";

	(void)state;
	for (size_t len = 0; len < sizeof(bytes); len++)
		assert_non_null(zone_read(bytes, len, &zone));
	assert_non_null(zone_load("../../etc/passwd", &zone));
	assert_non_null(zone_load("/etc/localtime", &zone));
	assert_non_null(zone_load("Asia", &zone));
	assert_non_null(zone_load("", &zone));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tables_are_what_the_c_library_says),
	    cmocka_unit_test(windows_begin_at_local_midnight),
	    cmocka_unit_test(broken_files_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
