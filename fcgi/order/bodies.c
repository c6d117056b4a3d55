#include "fcgi/order/bodies.h"

#define BOOK_ID_MOST INT64_C(999999999999999999) /* 18 digits */
#define QUANTITY_SENTENCE "quantity must be an integer from 1 to 1000."

/* True: it is there and well, or left out, which is one copy. */
static bool
read_quantity(const json_t *object, uint32_t *quantity)
{
	int64_t number = 1;
	bool fine = json_object_get(object, "quantity") == NULL ||
		    body_integer(object, "quantity", 1, BUY_QUANTITY_MOST, &number);
	*quantity = (uint32_t)number;
	return fine;
}

enum body_verdict
body_buy(const void *bytes, size_t len, uint32_t *quantity, const char **why)
{
	*quantity = 1;
	if (len == 0)
		return BODY_FINE;
	json_t *json;
	enum body_verdict verdict = body_parse(bytes, len, "quantity", &json, why);
	if (verdict != BODY_FINE)
		return verdict;
	if (!read_quantity(json, quantity)) {
		*why = QUANTITY_SENTENCE;
		verdict = BODY_REFUSED;
	}
	json_decref(json);
	return verdict;
}

/* ---- Carts ---- */

static bool
has_book(const struct order *o, size_t lines, int64_t book)
{
	bool found = false;
	for (size_t i = 0; i < lines; i++)
		found |= order_line(o, i)->book_id == (uint64_t)book;
	return found;
}

/* NULL, or what is wrong with the line. */
static const char *
read_line(const json_t *json, struct order *out, size_t i)
{
	int64_t book;
	uint32_t quantity;
	if (!body_has_only(json, "book_id quantity"))
		return "A line must be an object of book_id and quantity.";
	if (!body_integer(json, "book_id", 1, BOOK_ID_MOST, &book))
		return "book_id must be an integer from 1 to 999999999999999999.";
	if (!read_quantity(json, &quantity))
		return QUANTITY_SENTENCE;
	if (has_book(out, i, book))
		return "Two lines are of the same book.";
	struct order_line *line = order_set_line(out, i);
	line->book_id = (uint64_t)book;
	line->quantity = quantity;
	return NULL;
}

static const char *
read_lines(const json_t *lines, struct order *out)
{
	const char *why = NULL;
	size_t count = json_array_size(lines); /* 0 of what is no array, too */
	if (count < 1 || count > ORDER_LINES_MAX)
		return "lines must be a list of 1 to 20 lines.";
	for (size_t i = 0; i < count && why == NULL; i++)
		why = read_line(json_array_get(lines, i), out, i);
	return why;
}

enum body_verdict
body_cart(const void *bytes, size_t len, struct order *out, const char **why)
{
	json_t *json;
	enum body_verdict verdict = body_parse(bytes, len, "lines", &json, why);
	if (verdict != BODY_FINE)
		return verdict;
	*out = (struct order){0};
	*why = read_lines(json_object_get(json, "lines"), out);
	json_decref(json);
	if (*why == NULL)
		return BODY_FINE;
	order_free(out);
	return BODY_REFUSED;
}
