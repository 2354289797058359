/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into a redis-server: its wall clock is WRONG_CLOCK_S seconds ahead. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>

int
gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	static int (*real)(struct timeval *restrict, void *restrict);
	const char *ahead = getenv("WRONG_CLOCK_S");
	int err;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "gettimeofday");
	err = real(t, zone);
	if (ahead != NULL)
		t->tv_sec += strtol(ahead, NULL, 10);
	return err;
}
