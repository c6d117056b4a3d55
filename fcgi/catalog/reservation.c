#include "fcgi/catalog/reservation.h"

#include <string.h>

#include "fcgi/catalog/kept.h"
#include "replica/core/entry.h"
#include "replica/core/plant.h"

/*
 * Of one line it is the answer every operation has, with the book (version 1, see operation.c); of
 * more it has this version, and no more of the books than an order needs.
 */
#define CART_ANSWER_VERSION 2

/* Worst case of what a cart writes: two rows a book, and their titles and prices twice, in the
 * answer and in the reservation's row. The entry must be one that every replica takes. */
#define CART_BYTES                                                                                 \
	(CATALOG_LINES_MAX * (4 * BOOK_TITLE_SIZE + BOOK_AUTHOR_SIZE + BOOK_TOPIC_SIZE +           \
				 BOOK_TOPIC_FOLDED_SIZE + 220))
_Static_assert(CART_BYTES + 8192 < ENTRY_BYTES_MAX, "a full cart fits an entry");
_Static_assert(2 * CATALOG_LINES_MAX + 1 <= ENTRY_KEYS_MAX, "a full cart's keys fit an entry");

/* ---- Deciding ---- */

static enum catalog_result
look(const struct view *v, const struct catalog_line *line, struct book *b)
{
	b->id = 0;
	if (!catalog_book(v, line->book_id, b))
		return CATALOG_NO_BOOK;
	if (b->quantity == 0)
		return CATALOG_SOLD_OUT;
	return b->quantity < line->quantity ? CATALOG_INSUFFICIENT : CATALOG_OK;
}

/* *count: of books looked at. The last one is the one that is refused, if any is. */
static enum catalog_result
look_at_all(const struct view *v, const struct request *r, struct book *books, size_t *count)
{
	enum catalog_result result = CATALOG_OK;
	for (*count = 0; *count < r->line_count && result == CATALOG_OK; ++*count)
		result = look(v, &r->lines[*count], &books[*count]);
	return result;
}

/* The books are others each, so what was seen of one is still so when those before it are taken. */
static void
take(struct change *c, const struct catalog_line *line, struct book *b)
{
	struct book before = *b;
	b->quantity -= line->quantity;
	change_book(c, &before, b);
}

/* ---- Answers ---- */

static int64_t
available(enum catalog_result result, const struct book *b)
{
	return result == CATALOG_SOLD_OUT || result == CATALOG_INSUFFICIENT ? b->quantity : 0;
}

static void
encode_one(struct buf *out, enum catalog_result result, const struct book *b)
{
	struct catalog_answer answer = {.result = result, .available = available(result, b)};
	if (b->id != 0)
		answer.book = *b;
	catalog_answer_encode(out, 0, &answer);
}

static void
encode_cart(struct buf *out, enum catalog_result result, const struct request *r,
    const struct book *books, size_t count)
{
	buf_u8(out, CART_ANSWER_VERSION);
	buf_u8(out, (uint8_t)result);
	if (result != CATALOG_OK) {
		buf_u64(out, r->lines[count - 1].book_id);
		buf_u64(out, (uint64_t)available(result, &books[count - 1]));
		return;
	}
	size_t emptied = 0;
	for (size_t i = 0; i < count; i++)
		emptied += books[i].quantity == 0;
	buf_u8(out, (uint8_t)emptied);
	buf_u8(out, (uint8_t)count);
	for (size_t i = 0; i < count; i++) {
		buf_u64(out, (uint64_t)books[i].price);
		buf_str(out, books[i].title);
	}
}

static bool
decode_cart(struct cur *c, struct catalog_reserved *out, struct catalog_sold *sold)
{
	uint8_t version = cur_u8(c), result = cur_u8(c);
	if (version != CART_ANSWER_VERSION || result > CATALOG_INSUFFICIENT)
		return false;
	out->result = (enum catalog_result)result;
	if (result != CATALOG_OK) {
		out->refused = cur_u64(c);
		out->available = (int64_t)cur_u64(c);
		return cur_end(c);
	}
	out->emptied = cur_u8(c);
	out->count = cur_u8(c);
	for (size_t i = 0; i < out->count && i < CATALOG_LINES_MAX; i++) {
		sold[i].price = (int64_t)cur_u64(c);
		cur_str(c, sold[i].title, sizeof(sold[i].title));
	}
	return out->count > 1 && out->count <= CATALOG_LINES_MAX && out->emptied <= out->count &&
	       cur_end(c);
}

int
catalog_reserved_decode(
    const void *bytes, size_t len, struct catalog_reserved *out, struct catalog_sold *sold)
{
	struct cur c = cur_make(bytes, len);
	struct catalog_answer one;
	*out = (struct catalog_reserved){0};
	if (decode_cart(&c, out, sold))
		return 0;
	if (catalog_answer_decode(bytes, len, 0, &one) != 0 || one.result > CATALOG_INSUFFICIENT)
		return -1;
	*out = (struct catalog_reserved){.result = one.result, .available = one.available};
	if (one.result != CATALOG_OK)
		return 0;
	out->count = 1;
	out->emptied = one.book.quantity == 0;
	sold->price = one.book.price;
	memcpy(sold->title, one.book.title, sizeof(sold->title));
	return 0;
}

/* ---- Both ---- */

void
reservation_execute(struct change *c, const struct op *op, const struct request *r)
{
	struct book books[CATALOG_LINES_MAX];
	size_t count;
	enum catalog_result result = look_at_all(overlay_view(c->overlay), r, books, &count);
	size_t taken = result == CATALOG_OK ? count : PLANTED(CART) ? count - 1 : 0;
	for (size_t i = 0; i < taken; i++)
		take(c, &r->lines[i], &books[i]);
	change_end(c);
	if (r->line_count == 1)
		encode_one(&c->out->answer, result, books);
	else
		encode_cart(&c->out->answer, result, r, books, count);
	kept_reservation(c, op, r);
}
