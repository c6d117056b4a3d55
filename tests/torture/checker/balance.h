/*
 * The stock equation: what a book has at the end is what it had at first, plus what was added, less
 * what was sold. Known before the search for an order, and in another way.
 */
#ifndef BAZAR_CHECKER_BALANCE_H
#define BAZAR_CHECKER_BALANCE_H

#include "tests/torture/checker/operation.h"

/* Returns how many of the topic's books were read after their last write, and so could be checked.
 */
size_t balance_check(
    const struct history *h, uint32_t topic, const struct operations *ops, struct findings *f);

#endif
