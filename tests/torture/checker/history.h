/*
 * A recorded history: what clients asked a shop and were answered, with the times between which it
 * must have happened. Text, so that it can be kept, read by a person, and checked again by itself.
 *
 * First the books, as they are before the first request:
 *
 *     book <id> <topic> <price> <stock>
 *
 * then a line for every request, in any order, words separated by one blank, `-` for nothing:
 *
 *     <invoked> <returned> <client> <at> <served> <cache> <kind> <object> <argument> <key>
 * <outcome> [<value>...]
 *
 * invoked, returned: nanoseconds of CLOCK_MONOTONIC, one clock for all clients. at: `front`, or the
 * replica whose own port was asked. served: the replica that answered. cache: HIT or MISS. key: the
 * number of the Idempotency-Key; requests with the same one are attempts at the same operation.
 * topic: percent-encoded. Prices are cents.
 *
 *     kind    object  argument             outcome
 *     info    book    -                    ok <price> <stock>
 *     tag     book    -                    ok <price>            (GET /update/<id>/price)
 *     search  topic   -                    ok <id>:<price>:<stock> ...
 *     buy     book    quantity             ok <price> <order> <created> | sold-out |
 *                                          insufficient <stock> | pending <order>
 *     cart    lines   -                    ok <price>,... <order> <created> | sold-out <book> |
 *                                          insufficient <book> <stock> | pending <order>
 *     stock   book    change               ok <price> <stock> | insufficient <stock>
 *     price   book    [<expected>>]price   ok <price> <stock> | refused   (If-Match failed)
 *     order   order   -                    confirmed <lines> <price>,... <created> |
 *                                          pending <lines> | rejected <lines> | none
 *
 * lines: <book>:<quantity>,<book>:<quantity>,... each of another book. An order of one purchased
 * book has one.
 *
 * Any write may also have come to
 *     not-applied   the shop's promise that this attempt did and will do nothing
 *     unsent        it never reached the shop, or the shop says that it is not for it to decide
 *     unknown       no answer, or one that does not tell: it may take effect at any later time
 * and a read to `failed`. Lines that begin with `#` or with `fault` are for others.
 */
#ifndef BAZAR_CHECKER_HISTORY_H
#define BAZAR_CHECKER_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi/base/uuid.h"

#define TOPIC_BOOKS_MAX 8 /* books of a topic */
#define LINES_MAX 8       /* of an order */
#define HISTORY_ERROR 256

enum kind { INFO, TAG, SEARCH, BUY, CART, STOCK, PRICE, ORDER, KIND_COUNT };

enum outcome {
	OK,
	SOLD_OUT,
	INSUFFICIENT,
	REFUSED,
	PENDING,
	CONFIRMED, /* of a read order, as are REJECTED and NONE */
	REJECTED,
	NONE,
	NOT_APPLIED,
	UNSENT,
	UNKNOWN,
	FAILED,
	OUTCOME_COUNT
};

struct book {
	uint64_t id;
	uint32_t topic; /* index */
	uint32_t place; /* which of its topic's books it is */
	int32_t price, stock;
};

struct topic {
	char *name;
	uint32_t books[TOPIC_BOOKS_MAX]; /* indexes */
	uint32_t count;
};

/* What a search said of one book. */
struct row {
	uint32_t place;
	int32_t price, stock;
};

/* Of an order: of a purchase, a cart, a read order. */
struct line {
	uint32_t book; /* index */
	int32_t quantity;
	int32_t price; /* -1: not said */
};

struct record {
	int64_t invoked, returned;
	uint32_t line;
	enum kind kind;
	enum outcome outcome;
	uint32_t
	    object; /* index of the book or topic; of a refused cart the book it is refused for */
	int32_t argument; /* quantity, change or price */
	int32_t expected; /* price: If-Match; 0: none */
	uint64_t key;     /* 0: none */
	int32_t price, stock;
	struct uuid order; /* nil: none was named */
	uint64_t created;  /* a hash; 0: none */
	uint64_t rows;     /* index of the first; a search has as many as its topic has books */
	uint64_t lines;    /* index of the first of BUY, CART, ORDER */
	uint32_t line_count;
};

struct history {
	struct book *books;
	struct topic *topics;
	struct record *records;
	struct row *rows;
	struct line *lines;
	size_t book_count, topic_count, record_count, row_count, line_count;
	size_t book_cap, topic_cap, record_cap, row_cap, line_cap;
};

/* Read all of `path`. 0, or -1 with a sentence in `error`. Free it in either case. */
int history_load(const char *path, struct history *out, char error[HISTORY_ERROR]);
/* The same of text that ends with a NUL. */
int history_parse(const char *text, struct history *out, char error[HISTORY_ERROR]);
void history_free(struct history *h);

const char *kind_name(enum kind kind);
const char *outcome_name(enum outcome outcome);

/* Does the line tell what became of the operation for good? Only of writes. */
static inline bool
is_decided(enum outcome outcome)
{
	return outcome <= REFUSED;
}

/* A write of the catalog, as opposed to a read of anything. */
static inline bool
is_write(enum kind kind)
{
	return kind == BUY || kind == CART || kind == STOCK || kind == PRICE;
}

/* What makes an order: by its key, one operation. */
static inline bool
is_purchase(enum kind kind)
{
	return kind == BUY || kind == CART;
}

/* Are two records of the same books in the same quantities? `prices`: and at the same prices? */
bool same_lines(
    const struct history *h, const struct record *a, const struct record *b, bool prices);

#endif
