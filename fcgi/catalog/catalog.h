/*
 * The catalog's rules: books, topics, prices, stock, reservations. Knows neither HTTP nor Berkeley
 * DB.
 *
 * Deciding (catalog_execute) happens on the replicator thread of the primary; looking up happens on
 * any thread of any replica inside store_read_begin/end.
 */
#ifndef BAZAR_CATALOG_H
#define BAZAR_CATALOG_H

#include "fcgi/base/text.h"
#include "fcgi/base/uuid.h"
#include "fcgi/store/view.h"
#include "replica/core/machine.h"

/* Sizes with the NUL, bytes of UTF-8; sql/schema.sql says the same and a test compares them. */
#define BOOK_TITLE_SIZE 513
#define BOOK_AUTHOR_SIZE 1025 /* an anthology names dozens */
#define BOOK_TOPIC_SIZE 129
#define BOOK_TOPIC_FOLDED_SIZE 513
#define BOOK_ID_MAX UINT64_C(999999999999999999) /* 18 digits */
#define BOOK_PRICE_MAX INT64_C(999999999)        /* cents */
#define BOOK_QUANTITY_MAX INT64_C(1000000000)
#define BUY_QUANTITY_MAX 1000
#define CATALOG_LINES_MAX 20 /* of a cart */
#define OPERATION_KEEP_MS (UINT64_C(7) * 24 * 3600 * 1000)

struct book {
	uint64_t id;
	char title[BOOK_TITLE_SIZE];
	char author[BOOK_AUTHOR_SIZE]; /* may be empty */
	char topic[BOOK_TOPIC_SIZE];
	int64_t price;    /* cents */
	int64_t quantity; /* in stock */
	int64_t stocked; /* first quantity plus all stock changes: quantity + reserved == stocked */
};

/* NULL, or a sentence about what is wrong with the book: for import, CSV files, first contents. Its
 * strings must be terminated; `stocked` is not looked at. */
const char *book_problem(const struct book *b);

/* ---- Tables, keys ---- */

/* Names in the order of table numbers, for store_open. */
extern const char *const catalog_tables[];
extern const unsigned catalog_table_count;

/* Hashes for dirty keys, cache floors: hash64 of "info:<id>", "search:<folded topic>", "topics",
 * and "shelves": touched by every change of any book. */
uint64_t catalog_key_book(uint64_t id);
uint64_t catalog_key_topic(const char *folded);
uint64_t catalog_key_topics(void);
uint64_t catalog_key_shelves(void);

/* ---- Operations ---- */

enum catalog_op_kind {
	CATALOG_SEED = 1, /* entry 1: first contents */
	CATALOG_PRICE,
	CATALOG_STOCK,
	CATALOG_RESERVE,
	CATALOG_IMPORT, /* a chunk of books, all or nothing */
	CATALOG_ADD,    /* one new book */
	CATALOG_WITHDRAW
};

/* Each fills *args for struct op. `fingerprint` is the hash of the request (0: none): a repeated op
 * id with another fingerprint is answered CATALOG_KEY_REUSED. `keep`: the caller can repeat this op
 * id, so the answer is stored (for OPERATION_KEEP_MS of the log's own time). */
void catalog_op_seed(struct buf *args, const struct book *books, size_t count);
/* `expected`: prices of which one must be the current one (If-Match); count 0: any; at most
 * CATALOG_EXPECTED_MAX. */
#define CATALOG_EXPECTED_MAX 16
void catalog_op_price(struct buf *args, uint64_t fingerprint, bool keep, uint64_t id, int64_t price,
    const int64_t *expected, size_t expected_count);
void catalog_op_stock(
    struct buf *args, uint64_t fingerprint, bool keep, uint64_t id, int64_t change);
/* All lines or none: 1 to CATALOG_LINES_MAX, each of another book. The op id is the order id.
 * Stored for good; the answer is read by catalog_reserved_decode. */
struct catalog_line {
	uint64_t book_id;
	uint32_t quantity; /* 1 to BUY_QUANTITY_MAX */
};
void catalog_op_reserve(struct buf *args, const struct catalog_line *lines, size_t count);
/* Books without problem (book_problem), at most CATALOG_IMPORT_MAX. New ones get their quantity; an
 * existing one keeps its own, and is a CATALOG_CONFLICT when its title differs, unless `replace`.
 */
void catalog_op_import(
    struct buf *args, uint64_t fingerprint, bool replace, const struct book *books, size_t count);

#define CATALOG_IMPORT_MAX 100 /* books a chunk: the longest ones must fit one log entry */

/* A book without problem, but id 0: the next one after the highest there ever was. */
void catalog_op_add(struct buf *args, uint64_t fingerprint, bool keep, const struct book *b);
/* `expected`: as above, tags of the book (catalog_tag). The book's orders stay. */
void catalog_op_withdraw(struct buf *args, uint64_t fingerprint, bool keep, uint64_t id,
    const uint64_t *expected, size_t expected_count);

enum catalog_result {
	CATALOG_OK = 0,
	CATALOG_NO_BOOK,
	CATALOG_SOLD_OUT,     /* none left */
	CATALOG_INSUFFICIENT, /* fewer than asked; .available */
	CATALOG_OUT_OF_RANGE, /* stock would pass BOOK_QUANTITY_MAX; a new id BOOK_ID_MAX */
	CATALOG_PRECONDITION, /* none of the expected; .book is the current one */
	CATALOG_KEY_REUSED,   /* same op id, other fingerprint */
	CATALOG_CONFLICT      /* book .book.id exists (import: with another title) */
};

struct catalog_answer {
	enum catalog_result result;
	int64_t available; /* CATALOG_SOLD_OUT, CATALOG_INSUFFICIENT */
	struct book book; /* after the operation, when there is one (IMPORT, SEED: only on CONFLICT;
			     WITHDRAW: as it was) */
	uint32_t count;   /* IMPORT, SEED: books written */
};

/* Decodes what the core gives back. `fingerprint` as given to the operation: it turns a stored
 * answer to another request into CATALOG_KEY_REUSED. -1 when malformed. */
int catalog_answer_decode(
    const void *bytes, size_t len, uint64_t fingerprint, struct catalog_answer *out);

/* A reservation's answer. */
struct catalog_reserved {
	enum catalog_result result; /* OK, NO_BOOK, SOLD_OUT or INSUFFICIENT */
	uint64_t refused;           /* the book; 0: that of the only line, or none */
	int64_t available;          /* SOLD_OUT, INSUFFICIENT */
	size_t count;               /* OK only: lines */
	size_t emptied;             /* OK only: books of which none is left */
};
struct catalog_sold {
	int64_t price; /* cents each */
	char title[BOOK_TITLE_SIZE];
};
/* Fills out->count elements of `sold`, at most CATALOG_LINES_MAX. -1 when malformed. */
int catalog_reserved_decode(
    const void *bytes, size_t len, struct catalog_reserved *out, struct catalog_sold *sold);

/* ---- The state machine (see replica/core/machine.h) ---- */

struct catalog;
struct catalog *catalog_new(const struct view *tables);
void catalog_free(struct catalog *c);
bool catalog_decided(void *catalog, const struct op *op, struct buf *answer);
void catalog_begin(void *catalog);
void catalog_execute(void *catalog, const struct op *op, uint64_t time_ms, struct outcome *out);

/* ---- Look-ups (inside store_read_begin/end) ---- */

bool catalog_book(const struct view *v, uint64_t id, struct book *out);
/* A book that was sold once, and is no more. */
bool catalog_withdrawn(const struct view *v, uint64_t id, struct book *out);
uint64_t catalog_last_id(const struct view *v); /* the highest there ever was; 0: none */

/* Tells states of a book from each other; never 0. */
uint64_t catalog_tag(const struct book *b);

/* Books of a folded topic by ascending id, from the first id > `after`; at most `limit`; returns
 * how many were visited; *more tells whether others follow. Reads the covering index only: topic
 * and author are empty, stocked is 0. The visited book is valid during the call; `visit` ends the
 * search by returning false. */
size_t catalog_search(const struct view *v, const char *folded, uint64_t after, size_t limit,
    bool *more, bool (*visit)(void *arg, const struct book *b), void *arg);

void catalog_topics(
    const struct view *v, void (*visit)(void *arg, const char *topic, uint64_t books), void *arg);

/* All books by ascending id > after, for export and reconcile; `stop` by returning false. */
void catalog_books(const struct view *v, uint64_t after,
    bool (*visit)(void *arg, const struct book *b), void *arg);

/* All withdrawn books in the same way. */
void catalog_withdrawn_books(const struct view *v, uint64_t after,
    bool (*visit)(void *arg, const struct book *b), void *arg);

struct reservation {
	struct uuid order_id;
	size_t count;
	struct catalog_line line[CATALOG_LINES_MAX];
	struct catalog_reserved answer;
	struct catalog_sold sold[CATALOG_LINES_MAX];
};
/* All reservations by ascending order id > *after (NULL: from the first). */
void catalog_reservations(const struct view *v, const struct uuid *after,
    bool (*visit)(void *arg, const struct reservation *r), void *arg);

#endif
