/* The JSON bodies of purchases: a pure function of bytes, for handlers, tests and fuzzers. */
#ifndef BAZAR_ORDER_BODIES_H
#define BAZAR_ORDER_BODIES_H

#include "fcgi/body.h"
#include "fcgi/order/order.h"

#define BUY_QUANTITY_MOST 1000

/* {"quantity": 2}; an empty body, or no member, is one copy. */
enum body_verdict body_buy(const void *bytes, size_t len, uint32_t *quantity, const char **why);

/* {"lines": [{"book_id": 2, "quantity": 3}, ...]}: 1 to ORDER_LINES_MAX lines, each of another
 * book; no quantity is one copy. FINE: out's lines are set, and are to be freed. */
enum body_verdict body_cart(const void *bytes, size_t len, struct order *out, const char **why);

#endif
