/*
 * JSON bodies: the first byte says whose, the rest is the body.
 * fuzzes: fcgi/body.c fcgi/catalog/bodies.c fcgi/order/bodies.c
 */
#include <stdlib.h>

#include "fcgi/catalog/bodies.h"
#include "fcgi/order/bodies.h"
#include "tests/fuzz/fuzz.h"

static void
check_import(const uint8_t *data, size_t size)
{
	struct book *books = NULL;
	size_t count = 0;
	bool replace;
	const char *why = NULL;
	if (body_import(data, size, &replace, &books, &count, &why) != BODY_FINE) {
		assert(why != NULL);
		return;
	}
	assert(count >= 1 && count <= CATALOG_IMPORT_MAX);
	for (size_t i = 0; i < count; i++)
		assert(book_problem(&books[i]) == NULL);
	free(books);
}

static void
check_book(const uint8_t *data, size_t size)
{
	struct book b;
	const char *why = NULL;
	if (body_book(data, size, &b, &why) != BODY_FINE) {
		assert(why != NULL);
		return;
	}
	b.id = b.id == 0 ? 1 : b.id;
	assert(book_problem(&b) == NULL);
}

static void
check_cart(const uint8_t *data, size_t size)
{
	struct order o;
	const char *why = NULL;
	if (body_cart(data, size, &o, &why) != BODY_FINE) {
		assert(why != NULL);
		return;
	}
	assert(order_lines(&o) <= ORDER_LINES_MAX);
	for (size_t i = 0; i < order_lines(&o); i++) {
		const struct order_line *line = order_line(&o, i);
		assert(line->book_id >= 1 && line->book_id <= BOOK_ID_MAX);
		assert(line->quantity >= 1 && line->quantity <= BUY_QUANTITY_MOST);
	}
	order_free(&o);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct invalidation invalidation;
	const char *why = NULL;
	int64_t value = 0;
	uint32_t quantity = 0;
	if (size == 0)
		return -1;
	const uint8_t *body = data + 1;
	switch (data[0]) {
	case 'b':
		if (body_buy(body, size - 1, &quantity, &why) == BODY_FINE)
			assert(quantity >= 1 && quantity <= BUY_QUANTITY_MOST);
		break;
	case 'p':
		if (body_price(body, size - 1, &value, &why) == BODY_FINE)
			assert(value >= 1 && value <= BOOK_PRICE_MAX);
		break;
	case 's':
		if (body_stock(body, size - 1, &value, &why) == BODY_FINE)
			assert(value != 0 && llabs(value) <= BOOK_QUANTITY_MAX);
		break;
	case 'c':
		if (body_invalidation(body, size - 1, &invalidation, &why) == BODY_FINE)
			assert(invalidation.topic_count <= INVALIDATION_TOPICS);
		break;
	case 'o':
		check_cart(body, size - 1);
		break;
	case 'k':
		check_book(body, size - 1);
		break;
	case 'i':
		check_import(body, size - 1);
		break;
	default:
		return -1;
	}
	return 0;
}
