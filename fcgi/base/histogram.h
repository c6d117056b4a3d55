/*
 * How often a measured value fell where: buckets by upper bound, and the sum of all values. Zero
 * bytes are an empty histogram. Any thread adds, without a lock; a reader may see a value's bucket
 * before its part of the sum.
 */
#ifndef BAZAR_BASE_HISTOGRAM_H
#define BAZAR_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BUCKETS 16 /* the last one has no bound */

struct histogram {
	atomic_uint_least64_t bucket[HISTOGRAM_BUCKETS];
	atomic_uint_least64_t sum;
};

struct histogram_scale {
	uint64_t bound[HISTOGRAM_BUCKETS - 1]; /* values up to and including this one; 0: no more */
	double unit;                           /* what a value of 1 stands for */
};

/* Values in nanoseconds, shown in seconds: from 0.1 ms to 5 s. */
extern const struct histogram_scale histogram_seconds;
/* Numbers of things: 1, 2, 4 ... 512. */
extern const struct histogram_scale histogram_counts;

void histogram_add(struct histogram *h, const struct histogram_scale *scale, uint64_t value);

/* How many values were added: for those who only count. */
uint64_t histogram_count(const struct histogram *h);

#endif
