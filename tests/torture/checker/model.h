/*
 * A topic's books as the sequential specification: what one operation does when nothing else
 * happens.
 */
#ifndef BAZAR_CHECKER_MODEL_H
#define BAZAR_CHECKER_MODEL_H

#include "tests/torture/checker/operation.h"

struct state {
	int32_t price[TOPIC_BOOKS_MAX];
	int32_t stock[TOPIC_BOOKS_MAX];
};

/* The books as they are before the first request. */
struct state model_start(const struct history *h, uint32_t topic);

/*
 * May the operation take place now, with the answer it was given? Then *s is what it leaves. An
 * open one may if it would change something.
 */
bool model_apply(
    struct state *s, const struct operation *op, const struct history *h, uint32_t topic);

/* An answer that changes nothing: it only says what was. */
static inline bool
is_look(const struct operation *op)
{
	return !is_write(op->kind) || (op->outcome != OK && op->outcome != UNKNOWN);
}

#endif
