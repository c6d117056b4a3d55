#include "fcgi/base/histogram.h"

const struct histogram_scale histogram_seconds = {
    {100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 25000000, 50000000, 100000000,
	250000000, 500000000, 1000000000, 2500000000, 5000000000},
    1e-9};

const struct histogram_scale histogram_counts = {{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}, 1};

void
histogram_add(struct histogram *h, const struct histogram_scale *scale, uint64_t value)
{
	size_t i = 0;
	while (i < HISTOGRAM_BUCKETS - 1 && scale->bound[i] != 0 && value > scale->bound[i])
		i++;
	atomic_fetch_add_explicit(&h->bucket[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum, value, memory_order_relaxed);
}

uint64_t
histogram_count(const struct histogram *h)
{
	uint64_t count = 0;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		count += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
	return count;
}
