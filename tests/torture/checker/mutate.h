/*
 * Does the checker still see? Falsifies one answer of a good history at a time, in a way that must
 * show.
 */
#ifndef BAZAR_CHECKER_MUTATE_H
#define BAZAR_CHECKER_MUTATE_H

#include "tests/torture/checker/linear.h"

struct mutations {
	size_t made, seen;
};

/*
 * `count` times: take one read of a book or topic during which no write of that book was pending,
 * so that its answer was the only true one, and give it a price or a stock that the book had at
 * another time, or never; then check again. Those not seen are findings. The history must be
 * linear. Less are made when there are too few such reads.
 */
struct mutations mutate(const struct history *h, struct operations *topics, size_t count,
    uint64_t seed, struct findings *f);

#endif
