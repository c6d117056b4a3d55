/*
 * Is there an order in which the operations on a topic's books could have happened one at a time,
 * each between its invocation and its return, with the answers that were given?
 *
 * J. M. Wing and C. Gong, "Testing and verifying concurrent objects", J. Parallel Distrib. Comput.
 * 17 (1993), search for such an order; G. Lowe, "Testing for linearizability", Concurrency
 * Computat. Pract. Exper. 29 (2017), remembers the configurations met (which pending operations
 * have taken effect, and the state they left), and makes operations take effect only just in time:
 * when one returns. Here all configurations are carried along together, from one return to the
 * next, so that wherever nothing is pending the history falls into parts that cost nothing to each
 * other. An operation that changes nothing takes effect as soon as its answer is true.
 *
 * Open operations are no pending ones, which would double the configurations each: an open price
 * that somebody saw must have been set before that answer, one that nobody saw changes nothing that
 * could be told; open changes of stock that are alike are only counted.
 */
#ifndef BAZAR_CHECKER_LINEAR_H
#define BAZAR_CHECKER_LINEAR_H

#include "tests/torture/checker/model.h"

#define LINEAR_CONFIGURATIONS_MAX (1u << 20)

enum linear_verdict {
	LINEAR,
	NOT_LINEAR,
	LINEAR_GAVE_UP /* too much was open or pending at once: nothing is known */
};

/* Checks the operations of h->topics[topic]; changes *ops (drops and closes open prices). The first
 * operation that fits nowhere is a finding, and so is giving up. *most, unless NULL: the most
 * configurations at once. */
enum linear_verdict linear_check(const struct history *h, uint32_t topic, struct operations *ops,
    struct findings *f, size_t *most);

#endif
