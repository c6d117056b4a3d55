/*
 * The order service's tables. Every row with a value starts it with a version byte.
 *
 *     order       order id                    -> the order
 *     order_time  ~created_ms, order id       -> nothing       (newest first)
 *     pending     order id                    -> nothing
 *     setting     name                        -> value         ("name space")
 */
#ifndef BAZAR_ORDER_ROWS_H
#define BAZAR_ORDER_ROWS_H

#include "fcgi/order/order.h"

enum { TABLE_ORDER, TABLE_ORDER_TIME, TABLE_PENDING, TABLE_SETTING, TABLE_COUNT };

/* Inverted, so that going forward is going back in time. */
struct time_key {
	uint8_t bytes[8 + sizeof(struct uuid)];
};
struct time_key order_time_key(uint64_t created_ms, const struct uuid *id);

/* A whole order: a row, an answer, the argument of ORDER_END. One line makes version 1, as every
 * order was before there were carts; more make version 2. The decoded order is to be freed, unless
 * it is none (false). */
void order_encode(struct buf *out, const struct order *o);
bool order_decode(struct cur *c, struct order *out);

#define NAME_SPACE_KEY "name space"
void name_space_encode(struct buf *out, const struct uuid *name_space);
bool name_space_decode(struct cur *c, struct uuid *out);

#endif
