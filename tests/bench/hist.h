/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A histogram of latencies in the manner of HdrHistogram: a bucket for each power of two, cut into
 * HIST_SUB parts, so that a percentile is off by at most one part in HIST_SUB (1.6 %) at any size.
 * Fixed memory, one addition a value.
 */
#ifndef CS_BENCH_HIST_H
#define CS_BENCH_HIST_H

#include <stdint.h>

enum {
	HIST_SUB_BITS = 6,
	HIST_SUB = 1 << HIST_SUB_BITS,
	HIST_POWERS =
	    40, /* up to 2^40 ns, 18 minutes; what is longer is counted in the last bucket */
};

struct hist {
	uint64_t n;
	int64_t max_ns;
	uint64_t buckets[HIST_POWERS * HIST_SUB];
};

void hist_add(struct hist *h, int64_t ns);
/* The smallest value that `percent` (0 to 100) of all values do not pass; 0 where there are none.
 */
int64_t hist_percentile_ns(const struct hist *h, double percent);

#endif
