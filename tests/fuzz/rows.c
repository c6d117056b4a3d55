/*
 * What comes out of a log or table that may be damaged: effects, rows, operations, answers. The
 * first byte says which.
 * fuzzes: fcgi/store/effect.c fcgi/catalog/rows.c fcgi/catalog/index.c fcgi/catalog/operation.c
 * fcgi/base/buf.c
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
	uint32_t quantity;
	struct cur c = cur_make(data, size);
	book_decode(&c, &book);
	c = cur_make(data, size);
	topic_book_decode(&c, &book);
	c = cur_make(data, size);
	topic_decode(&c, &topic);
	c = cur_make(data, size);
	if (reservation_decode(&c, &number, &quantity, &answer))
		assert(answer.bytes + answer.len <= data + size);
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
	if (request_decode(&op, &request) == 0)
		assert(request.books.at <= request.books.end);
	buf_free(&op.args);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct catalog_answer answer;
	struct order order;
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
		catalog_answer_decode(data + 1, size - 1, 1, &answer);
		order_answer_decode(data + 1, size - 1, &order);
		break;
	default:
		return -1;
	}
	return 0;
}
