/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time, and its text. Built twice: as it is installed, and with CS_TEST_CLOCK for the daemon that
 * the scenarios run. The test clock is 16 bytes of shared memory: two little-endian int64,
 * milliseconds added to wall time and to boot time. Where it has 8 more, a third: the real boot time
 * at which time stands still, for tests that no deadline may disturb; 0: it goes on. It is named by
 * a descriptor in CS_TEST_CLOCK_FD or by a path in CS_TEST_CLOCK; with neither, time is real.
 */
#include "broker/base/clock.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "broker/base/check.h"

enum {
	MS_PER_SECOND = 1000,
	NS_PER_MS = 1000000,
	SECONDS_PER_DAY = 86400,
};

static const int64_t ms_per_day = (int64_t)SECONDS_PER_DAY * MS_PER_SECOND;
/* 9999-12-31T23:59:59.999Z: RFC 3339 has four digits for a year. */
static const int64_t wall_ms_max = INT64_C(253402300799999);

#ifdef CS_TEST_CLOCK
#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int
test_clock_open(void)
{
	const char *fd = getenv("CS_TEST_CLOCK_FD");
	const char *path = getenv("CS_TEST_CLOCK");
	int got = -1;

	if (fd != NULL)
		got = dup((int)strtol(fd, NULL, 10));
	else if (path != NULL)
		got = open(path, O_RDONLY | O_CLOEXEC);
	else
		return -1;
	CHECK(got >= 0);
	return got;
}

static void
test_clock_add(struct clock_now *now)
{
	static const uint64_t real[3];
	static const uint64_t *offsets, *still = &real[2];
	int64_t still_ms;

	if (offsets == NULL) {
		int fd = test_clock_open();

		offsets = real;
		if (fd >= 0) {
			off_t size = lseek(fd, 0, SEEK_END);

			CHECK(size >= (off_t)(2 * sizeof(real[0])));
			offsets = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
			CHECK(offsets != MAP_FAILED);
			if (size >= (off_t)sizeof(real))
				still = &offsets[2];
			close(fd);
		}
	}
	still_ms = (int64_t)le64toh(__atomic_load_n(still, __ATOMIC_RELAXED));
	if (still_ms != 0 && now->boot_ms > still_ms) {
		now->wall_ms -= now->boot_ms - still_ms;
		now->boot_ms = still_ms;
	}
	now->wall_ms += (int64_t)le64toh(__atomic_load_n(&offsets[0], __ATOMIC_RELAXED));
	now->boot_ms += (int64_t)le64toh(__atomic_load_n(&offsets[1], __ATOMIC_RELAXED));
}
#endif

static int64_t
clock_ms(clockid_t id)
{
	struct timespec ts;

	CHECK(clock_gettime(id, &ts) == 0);
	return (int64_t)ts.tv_sec * MS_PER_SECOND + ts.tv_nsec / NS_PER_MS;
}

int64_t
clock_steady_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

void
clock_read(struct clock_now *now)
{
	now->wall_ms = clock_ms(CLOCK_REALTIME);
	now->boot_ms = now->steady_ms = clock_ms(CLOCK_BOOTTIME);
#ifdef CS_TEST_CLOCK
	test_clock_add(now);
#endif
}

static bool
year_is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int
month_days(int year, int month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && year_is_leap(year) ? 1 : 0);
}

/* Days from 1970-01-01 to the first of January. */
static int64_t
days_before_year(int year)
{
	int64_t y = year - 1;

	return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

static int
digits_get(const char *p, int n)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		v = v * 10 + (p[i] - '0');
	}
	return v;
}

static void
digits_put(char *p, int n, int v)
{
	for (int i = n - 1; i >= 0; i--) {
		p[i] = (char)('0' + v % 10);
		v /= 10;
	}
}

size_t
clock_text(int64_t wall_ms, char *to)
{
	int64_t ms = wall_ms < 0 ? 0 : wall_ms > wall_ms_max ? wall_ms_max : wall_ms;
	int64_t days = ms / ms_per_day;
	int second = (int)(ms % ms_per_day / MS_PER_SECOND);
	int milli = (int)(ms % MS_PER_SECOND);
	int year = 1970 + (int)(days / 366), month = 1;
	size_t len = 19;

	while (days_before_year(year + 1) <= days)
		year++;
	days -= days_before_year(year);
	for (; days >= month_days(year, month); month++)
		days -= month_days(year, month);
	memcpy(to, "0000-00-00T00:00:00", len);
	digits_put(to, 4, year);
	digits_put(to + 5, 2, month);
	digits_put(to + 8, 2, (int)days + 1);
	digits_put(to + 11, 2, second / 3600);
	digits_put(to + 14, 2, second / 60 % 60);
	digits_put(to + 17, 2, second % 60);
	if (milli != 0) {
		to[len] = '.';
		digits_put(to + len + 1, 3, milli);
		len += 4;
	}
	to[len++] = 'Z';
	to[len] = '\0';
	return len;
}

/*
 * Milliseconds since 1970 of "YYYY-MM-DDTHH:MM:SS", or -1. A leap second counts as the second after
 * it.
 */
static int64_t
parse_seconds(const char *p)
{
	int year = digits_get(p, 4), month = digits_get(p + 5, 2), day = digits_get(p + 8, 2);
	int hour = digits_get(p + 11, 2), minute = digits_get(p + 14, 2);
	int second = digits_get(p + 17, 2);
	int64_t days;

	if (p[4] != '-' || p[7] != '-' || (p[10] != 'T' && p[10] != 't') || p[13] != ':' ||
	    p[16] != ':')
		return -1;
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > month_days(year, month))
		return -1;
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
	    second > (hour == 23 && minute == 59 ? 60 : 59))
		return -1;
	days = days_before_year(year) + day - 1;
	for (int m = 1; m < month; m++)
		days += month_days(year, m);
	return (days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second) * MS_PER_SECOND;
}

int64_t
clock_parse(const char *text, size_t len)
{
	const char *end = text + len;
	const char *p = text + 19;
	int64_t ms;
	int milli = 0, weight = 100;

	if (len < 20)
		return -1;
	ms = parse_seconds(text);
	if (ms < 0)
		return -1;
	if (*p == '.') {
		if (++p == end || *p < '0' || *p > '9')
			return -1;
		for (; p < end && *p >= '0' && *p <= '9'; p++, weight /= 10)
			milli += (*p - '0') * weight;
	}
	if (!(end - p == 1 && (*p == 'Z' || *p == 'z')) &&
	    !(end - p == 6 && memcmp(p, "+00:00", 6) == 0))
		return -1;
	ms += milli;
	return ms > wall_ms_max ? -1 : ms;
}
