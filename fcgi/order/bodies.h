/* The JSON body of a purchase: a pure function of bytes, for handlers, tests and fuzzers. */
#ifndef BAZAR_ORDER_BODIES_H
#define BAZAR_ORDER_BODIES_H

#include "fcgi/body.h"

#define BUY_QUANTITY_MOST 1000

/* {"quantity": 2}; an empty body, or no member, is one copy. */
enum body_verdict body_buy(const void *bytes, size_t len, uint32_t *quantity, const char **why);

#endif
