/*
 * Double-entry book-keeping over the two services: what the catalog says it gave away, what the
 * order service says it sold, and what must hold between them at rest. No I/O but telling.
 */
#ifndef BAZAR_CTL_LEDGER_H
#define BAZAR_CTL_LEDGER_H

#include <stddef.h>
#include <stdint.h>

#include "fcgi/base/uuid.h"

struct ledger_book {
	uint64_t id;
	int64_t quantity; /* in stock */
	int64_t stocked;  /* first quantity and restocks */
	int64_t sold;     /* worked out: copies of confirmed orders */
};

enum ledger_state { LEDGER_PENDING, LEDGER_CONFIRMED, LEDGER_REJECTED };

/* A line of an order, or what the catalog stored about one (CONFIRMED: copies given, REJECTED:
 * refused, which is the same for all lines). No two of an order are of the same book. */
struct ledger_line {
	struct uuid id; /* the order's */
	uint64_t book;
	int64_t quantity;
	enum ledger_state state;
};

/* Each list may be added to in any order; ledger_check sorts them. */
struct ledger {
	struct ledger_book *books;
	struct ledger_line *orders, *reservations;
	size_t book_count, order_count, reservation_count; /* of books, lines, lines */
};

void ledger_add_book(struct ledger *l, const struct ledger_book *book);
void ledger_add_order(struct ledger *l, const struct ledger_line *line);
void ledger_add_reservation(struct ledger *l, const struct ledger_line *line);
void ledger_clear(struct ledger *l); /* leaves an empty ledger */

struct ledger_totals {
	int64_t stock, sold, stocked;        /* copies */
	size_t pending, confirmed, rejected; /* orders */
	size_t reservations;                 /* and refusals */
	size_t mismatches;
};

/*
 * Stock and sold copies of every book make what was stocked, and no stock is below 0; every
 * line of a confirmed order is reserved in the same quantity, none of another order is, and nothing
 * is reserved, or refused, without an order that asks for it. `tell` gets a sentence for each
 * mismatch.
 */
void ledger_check(struct ledger *l, struct ledger_totals *out, void (*tell)(const char *sentence));

#endif
