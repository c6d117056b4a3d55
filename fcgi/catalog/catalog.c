#include "fcgi/catalog/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"
#include "fcgi/catalog/change.h"
#include "fcgi/catalog/kept.h"
#include "fcgi/catalog/operation.h"
#include "fcgi/catalog/reservation.h"
#include "fcgi/catalog/rows.h"
#include "fcgi/log.h"
#include "replica/core/entry.h"

/* In the order of the table numbers in rows.h. */
const char *const catalog_tables[] = {"book", "topic_book", "topic", "reservation", "operation",
    "operation_time", "word", "withdrawn", "counter"};
const unsigned catalog_table_count = TABLE_COUNT;

struct catalog {
	const struct view *tables;
	struct overlay *overlay; /* what this batch decided so far, over the tables */
	struct time_key expired; /* see kept_expire */
};

/* Worst case of what the books of a chunk write: two rows each, a deleted one, two topics, and a
 * row of the index for each word that came or went. The entry must still be one that every replica
 * takes.
 */
#define IMPORT_INDEX (2 * WORDS_MAX * (INDEX_KEY_MAX + INDEX_VALUE_MAX + 10))
#define IMPORT_BYTES                                                                               \
	(CATALOG_IMPORT_MAX * (2 * BOOK_TITLE_SIZE + BOOK_AUTHOR_SIZE + 3 * BOOK_TOPIC_SIZE +      \
				  4 * BOOK_TOPIC_FOLDED_SIZE + 220 + IMPORT_INDEX))
#define IMPORT_KEYS (3 * CATALOG_IMPORT_MAX + 2)
_Static_assert(IMPORT_BYTES + 8192 < ENTRY_BYTES_MAX, "a full chunk fits an entry");
_Static_assert(IMPORT_KEYS <= ENTRY_KEYS_MAX, "a full chunk's keys fit an entry");

struct catalog *
catalog_new(const struct view *tables)
{
	struct catalog *c = xcalloc(1, sizeof(*c));
	c->tables = tables;
	c->overlay = overlay_new(tables);
	return c;
}

void
catalog_free(struct catalog *c)
{
	if (c == NULL)
		return;
	overlay_free(c->overlay);
	free(c);
}

bool
catalog_decided(void *catalog, const struct op *op, struct buf *answer)
{
	const struct catalog *c = catalog;
	return kept_find(c->tables, op, answer);
}

void
catalog_begin(void *catalog)
{
	struct catalog *c = catalog;
	overlay_reset(c->overlay);
	memset(&c->expired, 0, sizeof(c->expired));
}

/* ---- Decisions: each sets answer->book and, unless it refuses, says what changes ---- */

static bool
is_expected(const struct request *r, uint64_t current)
{
	bool expected = r->expected_count == 0;
	for (size_t i = 0; i < r->expected_count; i++)
		expected |= r->expected[i] == current;
	return expected;
}

static enum catalog_result
decide_price(struct change *ch, const struct request *r, struct catalog_answer *answer)
{
	struct book before;
	if (!catalog_book(overlay_view(ch->overlay), r->id, &before))
		return CATALOG_NO_BOOK;
	answer->book = before;
	if (!is_expected(r, (uint64_t)before.price))
		return CATALOG_PRECONDITION;
	answer->book.price = r->price;
	change_book(ch, &before, &answer->book);
	return CATALOG_OK;
}

static enum catalog_result
decide_stock(struct change *ch, const struct request *r, struct catalog_answer *answer)
{
	struct book before;
	if (!catalog_book(overlay_view(ch->overlay), r->id, &before))
		return CATALOG_NO_BOOK;
	answer->book = before;
	if (r->change > BOOK_QUANTITY_MAX - before.quantity)
		return CATALOG_OUT_OF_RANGE;
	if (r->change < -before.quantity)
		return CATALOG_INSUFFICIENT;
	answer->book.quantity += r->change;
	answer->book.stocked += r->change;
	change_book(ch, &before, &answer->book);
	return CATALOG_OK;
}

/* Whether one of the chunk's books has the id of a book with another title, be it one that exists
 * or an earlier one of the chunk. */
static bool
find_conflict(const struct view *v, const struct book *books, size_t count, struct book *out)
{
	for (size_t i = 0; i < count; i++) {
		if (catalog_book(v, books[i].id, out) && strcmp(out->title, books[i].title) != 0)
			return true;
		for (size_t j = 0; j < i; j++) {
			if (books[j].id != books[i].id ||
			    strcmp(books[j].title, books[i].title) == 0)
				continue;
			*out = books[j];
			return true;
		}
	}
	return false;
}

/* A new book. What was sold of a withdrawn one with its id stays in the sum. */
static void
put_new(struct change *ch, struct book *b)
{
	struct book sold;
	b->stocked = b->quantity;
	if (catalog_withdrawn(overlay_view(ch->overlay), b->id, &sold)) {
		b->stocked += sold.stocked;
		change_delete(ch, TABLE_WITHDRAWN, book_key(b->id).bytes, sizeof(struct book_key));
	}
	change_book(ch, NULL, b);
}

/* An existing book keeps its stock: what is sold meanwhile must not come back. */
static void
import_book(struct change *ch, struct book *b)
{
	struct book before;
	if (!catalog_book(overlay_view(ch->overlay), b->id, &before)) {
		put_new(ch, b);
		return;
	}
	b->quantity = before.quantity;
	b->stocked = before.stocked;
	change_book(ch, &before, b);
}

static enum catalog_result
decide_import(struct change *ch, const struct request *r, struct catalog_answer *answer)
{
	struct book *books = xcalloc(r->count, sizeof(*books));
	struct cur c = r->books;
	for (size_t i = 0; i < r->count; i++) {
		if (!book_decode(&c, &books[i]) || book_problem(&books[i]) != NULL)
			log_fatal("catalog: an unchecked book was imported");
	}
	bool conflict =
	    !r->replace && find_conflict(overlay_view(ch->overlay), books, r->count, &answer->book);
	if (!conflict) {
		memset(&answer->book, 0, sizeof(answer->book));
		for (size_t i = 0; i < r->count; i++)
			import_book(ch, &books[i]);
		answer->count = (uint32_t)r->count;
	}
	free(books);
	return conflict ? CATALOG_CONFLICT : CATALOG_OK;
}

static enum catalog_result
decide_add(struct change *ch, const struct request *r, struct catalog_answer *answer)
{
	const struct view *v = overlay_view(ch->overlay);
	struct book b;
	struct cur c = r->books;
	if (!book_decode(&c, &b))
		log_fatal("catalog: an unchecked book was added");
	uint64_t last = catalog_last_id(v);
	if (b.id == 0 && last == BOOK_ID_MAX)
		return CATALOG_OUT_OF_RANGE;
	if (b.id == 0)
		b.id = last + 1;
	else if (catalog_book(v, b.id, &answer->book))
		return CATALOG_CONFLICT;
	put_new(ch, &b);
	answer->book = b;
	return CATALOG_OK;
}

static enum catalog_result
decide_withdraw(struct change *ch, const struct request *r, struct catalog_answer *answer)
{
	if (!catalog_book(overlay_view(ch->overlay), r->id, &answer->book))
		return CATALOG_NO_BOOK;
	if (!is_expected(r, catalog_tag(&answer->book)))
		return CATALOG_PRECONDITION;
	change_withdraw(ch, &answer->book);
	return CATALOG_OK;
}

static enum catalog_result
decide(
    struct change *ch, const struct op *op, const struct request *r, struct catalog_answer *answer)
{
	switch ((enum catalog_op_kind)op->kind) {
	case CATALOG_PRICE:
		return decide_price(ch, r, answer);
	case CATALOG_STOCK:
		return decide_stock(ch, r, answer);
	case CATALOG_ADD:
		return decide_add(ch, r, answer);
	case CATALOG_WITHDRAW:
		return decide_withdraw(ch, r, answer);
	case CATALOG_SEED:
	case CATALOG_IMPORT:
	case CATALOG_RESERVE: /* has a way of its own */
		break;
	}
	return decide_import(ch, r, answer);
}

void
catalog_execute(void *catalog, const struct op *op, uint64_t time_ms, struct outcome *out)
{
	struct catalog *c = catalog;
	struct request r;
	if (request_decode(op, &r) != 0)
		log_fatal("catalog: operation of kind %u is malformed", op->kind);
	struct change ch = {.overlay = c->overlay, .out = out};
	struct catalog_answer answer;
	if (op->kind == CATALOG_RESERVE) {
		reservation_execute(&ch, op, &r);
		return;
	}
	memset(&answer, 0, sizeof(answer));
	answer.result = decide(&ch, op, &r, &answer);
	change_end(&ch);
	if (answer.result == CATALOG_INSUFFICIENT)
		answer.available = answer.book.quantity;
	catalog_answer_encode(&out->answer, r.fingerprint, &answer);
	if (r.keep || op->kind == CATALOG_SEED) {
		kept_operation(&ch, op, time_ms, op->kind == CATALOG_SEED);
		kept_expire(&ch, c->tables, time_ms, &c->expired);
	}
}
