/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets: values below HIST_SUB have one each; above, the top HIST_SUB_BITS bits after the leading
 * one choose. */
#include "tests/bench/hist.h"

static unsigned
bucket_of(uint64_t ns)
{
	unsigned power, index;

	if (ns < HIST_SUB)
		return (unsigned)ns;
	power = 63 - (unsigned)__builtin_clzll(ns) -
		HIST_SUB_BITS; /* 0 for the first power that is cut */
	index = (power + 1) * HIST_SUB + (unsigned)(ns >> power) - HIST_SUB;
	return index < HIST_POWERS * HIST_SUB ? index : HIST_POWERS * HIST_SUB - 1;
}

/* The largest value that falls into the bucket. */
static int64_t
bucket_top_ns(unsigned index)
{
	unsigned power = index / HIST_SUB;

	if (power == 0)
		return index;
	return (int64_t)(((uint64_t)(index % HIST_SUB + HIST_SUB + 1) << (power - 1)) - 1);
}

void
hist_add(struct hist *h, int64_t ns)
{
	if (ns < 0)
		ns = 0;
	h->buckets[bucket_of((uint64_t)ns)]++;
	h->n++;
	if (ns > h->max_ns)
		h->max_ns = ns;
}

int64_t
hist_percentile_ns(const struct hist *h, double percent)
{
	uint64_t want = (uint64_t)((double)h->n * percent / 100 + 0.5), seen = 0;

	if (h->n == 0)
		return 0;
	if (want == 0)
		want = 1;
	for (unsigned i = 0; i < HIST_POWERS * HIST_SUB; i++) {
		seen += h->buckets[i];
		if (seen >= want)
			return bucket_top_ns(i) < h->max_ns ? bucket_top_ns(i) : h->max_ns;
	}
	return h->max_ns;
}
