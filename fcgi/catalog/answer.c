#include "fcgi/catalog/answer.h"

#include <inttypes.h>
#include <stdlib.h>

#include "fcgi/reads.h"
#include "fcgi/service.h"

const struct uuid answer_key_space = {{0x0e, 0x3c, 0x52, 0x9d, 0x1b, 0x6f, 0x4a, 0x0c, 0x9e, 0x71,
    0x5d, 0x20, 0xc4, 0x8a, 0x66, 0xf3}};

void
answer_members(struct jsonw *w, const struct call *c, const struct book *b)
{
	jsonw_int(w, "id", (int64_t)b->id);
	jsonw_text(w, "title", b->title);
	jsonw_text(w, "topic", b->topic);
	jsonw_text(w, "author", b->author);
	jsonw_cents(w, "price", b->price);
	jsonw_int(w, "quantity", b->quantity);
	jsonw_text(w, "currency", c->worker->settings->currency);
}

void
answer_book(struct jsonw *w, const struct call *c, const struct book *b)
{
	jsonw_open(w, "data", '{');
	answer_members(w, c, b);
	jsonw_close(w);
	jsonw_close(w);
}

void
answer_no_book(struct call *c)
{
	problem(c->r, c->q, PROBLEM_NOT_FOUND, "There is no book %" PRIu64 ".", c->id);
}

bool
answer_read_book(struct call *c, struct book *b)
{
	uint64_t seq;
	if (!read_begin(c, catalog_key_book(c->id), &seq))
		return false;
	bool found = catalog_book(read_view(c), c->id, b);
	read_end(c);
	if (!found)
		answer_no_book(c);
	return found;
}

static void
answer_stock(struct call *c, int64_t available)
{
	struct jsonw w = problem_open(c->r, c->q, PROBLEM_INSUFFICIENT_STOCK,
	    "Only %" PRId64 " copies are in stock.", available);
	jsonw_int(&w, "available", available);
	jsonw_close(&w);
}

/* Every decided answer but success. */
static void
answer_refusal(struct call *c, uint8_t kind, const struct catalog_answer *a)
{
	switch (a->result) {
	case CATALOG_NO_BOOK:
		answer_no_book(c);
		break;
	case CATALOG_INSUFFICIENT:
		answer_stock(c, a->available);
		break;
	case CATALOG_OUT_OF_RANGE:
		if (kind == CATALOG_ADD)
			problem(c->r, c->q, PROBLEM_INVALID_REQUEST,
			    "The highest id there can be is taken: give the book an id.");
		else
			problem(c->r, c->q, PROBLEM_INVALID_REQUEST,
			    "No book can have more than %" PRId64 " copies.", BOOK_QUANTITY_MAX);
		break;
	case CATALOG_PRECONDITION:
		problem(c->r, c->q, PROBLEM_PRECONDITION, "The %s has changed meanwhile.",
		    kind == CATALOG_PRICE ? "price" : "book");
		break;
	case CATALOG_CONFLICT:
		problem(c->r, c->q, PROBLEM_ALREADY_EXISTS, "There is a book %" PRIu64 " already.",
		    a->book.id);
		break;
	default:
		write_key_reused(c);
	}
}

bool
answer_write(
    struct call *c, struct write_op *op, uint8_t kind, struct buf *args, struct catalog_answer *a)
{
	struct buf answer = {0};
	bool decided = write_run(c, op, kind, args, &answer);
	if (decided && catalog_answer_decode(answer.data, answer.len, op->fingerprint, a) != 0)
		abort(); /* our own machine wrote it */
	buf_free(&answer);
	if (decided && op->replayed && a->result != CATALOG_KEY_REUSED)
		write_replayed(c);
	if (decided && a->result != CATALOG_OK)
		answer_refusal(c, kind, a);
	return decided && a->result == CATALOG_OK;
}
