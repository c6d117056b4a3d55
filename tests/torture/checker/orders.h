/*
 * What was said of each order: pending until it ends, ended for good, never gone, always with the
 * same contents; and no two purchases are the same order. Only looks at names and times of orders,
 * so it takes them one by one.
 */
#ifndef BAZAR_CHECKER_ORDERS_H
#define BAZAR_CHECKER_ORDERS_H

#include "tests/torture/checker/findings.h"
#include "tests/torture/checker/history.h"

/* Returns how many orders there are. */
size_t orders_check(const struct history *h, struct findings *f);

#endif
