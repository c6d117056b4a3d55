/*
 * Operations: what the requests of a history come to. Attempts with the same key are one operation,
 * which happened at most once: it may have taken effect from its first attempt on (not counting
 * those that the shop promised are nothing) until its first decided answer; without one it stays
 * open.
 */
#ifndef BAZAR_CHECKER_OPERATION_H
#define BAZAR_CHECKER_OPERATION_H

#include "tests/torture/checker/findings.h"
#include "tests/torture/checker/history.h"

#define NEVER INT64_MAX

struct operation {
	int64_t invoked, returned; /* returned NEVER: open, may take effect any time or never */
	enum kind kind;            /* any but ORDER */
	enum outcome outcome;      /* OK to REFUSED; UNKNOWN when open */
	uint32_t place; /* the book among its topic's; not of a search; of a cart the refused */
	uint32_t line;  /* of the attempt that was answered, else of the first */
	int32_t argument, expected, price, stock; /* as in struct record */
	uint64_t rows, lines;
	uint32_t line_count; /* of a cart: of all of its topics */
};

struct operations {
	struct operation *list; /* in the order of invocation */
	size_t count;
};

/*
 * The operations on each topic's books (of a cart, what it is of its topic's books: the whole of it
 * when it was bought or is open, the refused book's topic only when it was refused), an element a
 * topic (free each with operations_free, then the array). Finds: attempts with one key that were
 * answered differently; a decided operation of which the shop said later that it did not take
 * place.
 */
struct operations *operations_make(const struct history *h, struct findings *f);
void operations_free(struct operations *o);

/* The line of a purchase that is of this book (an index). NULL: none. */
const struct line *operation_line(
    const struct history *h, const struct operation *op, uint32_t book);
/* What the operation, when it takes effect, adds to the stock of the book. */
int64_t operation_adds(const struct history *h, const struct operation *op, uint32_t book);
/* Whether it is a write of the book. */
bool operation_writes(const struct history *h, const struct operation *op, uint32_t book);

#endif
