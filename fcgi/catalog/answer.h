/* What the catalog's calls about books have in common: a book as clients see it, and the way of a
 * write to one. */
#ifndef BAZAR_CATALOG_ANSWER_H
#define BAZAR_CATALOG_ANSWER_H

#include "fcgi/catalog/catalog.h"
#include "fcgi/writes.h"

/* Operation ids of keyed writes are made in this name space. */
extern const struct uuid answer_key_space;

/* A book's members, into the object that is open. */
void answer_members(struct jsonw *w, const struct call *c, const struct book *b);
/* Ends a success with the book as its data. */
void answer_book(struct jsonw *w, const struct call *c, const struct book *b);
void answer_no_book(struct call *c);

/* The book the call is about, as it is. False: the failure is in c->r. */
bool answer_read_book(struct call *c, struct book *b);

/* Runs the operation (`args` are freed). True: it was done, *a tells. False: the failure, or the
 * refusal, is in c->r. */
bool answer_write(
    struct call *c, struct write_op *op, uint8_t kind, struct buf *args, struct catalog_answer *a);

#endif
