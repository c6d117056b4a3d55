/*
 * What comes out of a log or table that may be damaged: effects, rows, operations, answers. The
 * first byte says which.
 * fuzzes: fcgi/store/effect.c fcgi/catalog/rows.c fcgi/catalog/index.c fcgi/catalog/operation.c
 * fcgi/catalog/reservation.c fcgi/order/rows.c fcgi/base/buf.c
 */
#include <string.h>

#include "fcgi/catalog/index.h"
#include "fcgi/catalog/operation.h"
#include "fcgi/catalog/rows.h"
#include "fcgi/order/order.h"
#include "tests/fuzz/fuzz.h"

/* Whole effects, written again, are the same bytes. */
static void
check_effects(const uint8_t *data, size_t size)
{
	struct cur c = cur_make(data, size);
	struct buf again = {0};
	for (struct effect e; effect_next(&c, &e);) {
		if (e.is_delete)
			effect_delete(&again, e.table, e.key, e.key_len);
		else
			effect_put(&again, e.table, e.key, e.key_len, e.value, e.value_len);
	}
	if (cur_ok(&c))
		assert(again.len == size && (size == 0 || memcmp(again.data, data, size) == 0));
	buf_free(&again);
}

static void
check_rows(const uint8_t *data, size_t size)
{
	struct book book = {0};
	struct topic topic;
	struct stored_answer answer = {0};
	uint64_t number;
	struct catalog_line lines[CATALOG_LINES_MAX];
	size_t count;
	struct cur c = cur_make(data, size);
	book_decode(&c, &book);
	c = cur_make(data, size);
	topic_book_decode(&c, &book);
	c = cur_make(data, size);
	topic_decode(&c, &topic);
	c = cur_make(data, size);
	if (reservation_decode(&c, lines, &count, &answer))
		assert(count <= CATALOG_LINES_MAX && answer.bytes + answer.len <= data + size);
	c = cur_make(data, size);
	if (operation_decode(&c, &number, &answer))
		assert(answer.bytes + answer.len <= data + size);
	c = cur_make(data, size);
	counter_decode(&c, &number);
}

/* The first byte says how long the key is. */
static void
check_index(const uint8_t *data, size_t size)
{
	struct index_row row;
	size_t key = size > 0 && data[0] < size ? data[0] : 0;
	if (!index_row(data + 1, key, data + 1 + key, size > 0 ? size - 1 - key : 0, &row))
		return;
	assert(row.word == data + 1 && row.word_len > 0);
	assert(row.postings + row.count == data + size);
	for (size_t i = 0; i < row.count; i++)
		assert(index_posting_id(&row, i) - row.first < INDEX_BLOCK);
}

static void
check_operation(const uint8_t *data, size_t size)
{
	struct request request;
	struct op op = {.kind = data[0]};
	buf_add(&op.args, data + 1, size - 1);
	if (request_decode(&op, &request) == 0) {
		assert(request.books.at <= request.books.end);
		assert(request.line_count <= CATALOG_LINES_MAX);
	}
	buf_free(&op.args);
}

static void
check_answer(const uint8_t *data, size_t size)
{
	struct catalog_answer answer;
	struct catalog_reserved says;
	struct catalog_sold sold[CATALOG_LINES_MAX];
	catalog_answer_decode(data, size, 1, &answer);
	if (catalog_reserved_decode(data, size, &says, sold) == 0)
		assert(says.count <= CATALOG_LINES_MAX);
}

/* A whole order, written again, is the same bytes. */
static void
check_order(const uint8_t *data, size_t size)
{
	struct order order;
	struct buf again = {0};
	if (order_answer_decode(data, size, &order) != 0)
		return;
	assert(order_lines(&order) <= ORDER_LINES_MAX);
	order_op_end(&again, &order);
	assert(again.len == size && memcmp(again.data, data, size) == 0);
	order_free(&order);
	buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return -1;
	switch (data[0]) {
	case 'e':
		check_effects(data + 1, size - 1);
		break;
	case 'r':
		check_rows(data + 1, size - 1);
		break;
	case 'x':
		check_index(data + 1, size - 1);
		break;
	case 'o':
		check_operation(data + 1, size - 1);
		break;
	case 'a':
		check_answer(data + 1, size - 1);
		check_order(data + 1, size - 1);
		break;
	default:
		return -1;
	}
	return 0;
}
