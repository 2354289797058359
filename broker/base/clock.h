/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All roles read time here. Milliseconds throughout. The test build (CS_TEST_CLOCK) takes the wall
 * clock from a shared file that scenarios move, so that no test sleeps; an installed build has no
 * such door.
 */
#ifndef CS_BASE_CLOCK_H
#define CS_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

struct clock_now {
	int64_t wall_ms;  /* since 1970, UTC */
	int64_t boot_ms;  /* since boot, suspended time included; never steps */
	int64_t steady_ms; /* the same as the kernel tells it, which no test moves: for leases between machines */
};

void clock_read(struct clock_now *now);
int64_t clock_steady_ms(void);

enum { CLOCK_TEXT_MAX = sizeof("2026-11-22T09:46:28.123Z") };

/*
 * RFC 3339 UTC with milliseconds when there are any; writes at most CLOCK_TEXT_MAX bytes with NUL;
 * returns the length.
 */
size_t clock_text(int64_t wall_ms, char *to);
/* Inverse; -1 where it is not RFC 3339 in UTC ("Z" or "+00:00") between 1970 and 9999. */
int64_t clock_parse(const char *text, size_t len);

#endif
