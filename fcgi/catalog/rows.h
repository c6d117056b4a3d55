/*
 * The catalog's tables and the binary form of their rows. Every row starts with a version byte.
 *
 *     book            id                       -> book
 *     topic_book      folded topic, 0, id      -> title, price, quantity    (a search reads only
 *                                                                            this)
 *     topic           folded topic             -> display name, number of books
 *     reservation     order id                 -> book ids, quantities, answer
 *     operation       operation id             -> time, answer
 *     operation_time  time, operation id       -> nothing                   (oldest first)
 *     word            word, 0, block of ids    -> books that have it        (see index.h)
 *     withdrawn       id                       -> book, as it last was, without stock
 *     counter         name                     -> number
 *
 * A decoder returns false for what is none of its rows; for a row of the store that means damage.
 */
#ifndef BAZAR_CATALOG_ROWS_H
#define BAZAR_CATALOG_ROWS_H

#include "fcgi/catalog/catalog.h"

enum {
	TABLE_BOOK,
	TABLE_TOPIC_BOOK,
	TABLE_TOPIC,
	TABLE_RESERVATION,
	TABLE_OPERATION,
	TABLE_OPERATION_TIME,
	TABLE_WORD,
	TABLE_WITHDRAWN,
	TABLE_COUNTER,
	TABLE_COUNT
};

/* ---- Keys: fixed sizes, or a buffer that is appended to ---- */

struct book_key {
	uint8_t bytes[8];
};
struct book_key book_key(uint64_t id);

void topic_book_key(struct buf *out, const char *folded, uint64_t id);

struct time_key {
	uint8_t bytes[8 + sizeof(struct uuid)];
};
struct time_key operation_time_key(uint64_t time_ms, const struct uuid *op_id);

/* ---- Values: encoders append ---- */

/* Whole, with its id: also the form of a book in answers and in operations. */
void book_encode(struct buf *out, const struct book *b);
bool book_decode(struct cur *c, struct book *out);

void topic_book_encode(struct buf *out, const struct book *b);
/* Fills title, price, quantity. */
bool topic_book_decode(struct cur *c, struct book *out);

struct topic {
	char name[BOOK_TOPIC_SIZE]; /* as written in the first book that had it */
	uint64_t books;
};
void topic_encode(struct buf *out, const struct topic *t);
bool topic_decode(struct cur *c, struct topic *out);

/* The only counter: the highest id a book ever had. */
#define COUNTER_LAST_ID "last id"
void counter_encode(struct buf *out, uint64_t number);
bool counter_decode(struct cur *c, uint64_t *number);

/* `answer` as it was encoded; when decoded, it points into the row. */
struct stored_answer {
	const uint8_t *bytes;
	size_t len;
};
/* One line makes a row of version 1, as every row was before there were carts; more make version 2.
 * `lines` holds CATALOG_LINES_MAX. */
void reservation_encode(
    struct buf *out, const struct catalog_line *lines, size_t count, const struct buf *answer);
bool reservation_decode(
    struct cur *c, struct catalog_line *lines, size_t *count, struct stored_answer *answer);
void operation_encode(struct buf *out, uint64_t time_ms, const struct buf *answer);
bool operation_decode(struct cur *c, uint64_t *time_ms, struct stored_answer *answer);

#endif
