/*
 * Both halves of POST /peer/reserve: what is taken is written again as the very same bytes.
 * fuzzes: fcgi/catalog/reserve.c
 */
#include <string.h>

#include "fcgi/catalog/reserve.h"
#include "tests/fuzz/fuzz.h"

static void
check_same(struct buf *again, const uint8_t *data, size_t size)
{
	assert(again->len == size && memcmp(again->data, data, size) == 0);
	buf_free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reserve_item items[RESERVE_MAX];
	static struct reserve_answer answers[RESERVE_MAX];
	struct buf again = {0};

	size_t count = reserve_request_decode(data, size, items);
	assert(count <= RESERVE_MAX);
	for (size_t i = 0; i < count; i++)
		assert(items[i].quantity >= 1 && items[i].quantity <= BUY_QUANTITY_MAX);
	if (count > 0) {
		reserve_request_encode(&again, items, count);
		check_same(&again, data, size);
	}

	count = reserve_answer_decode(data, size, answers);
	assert(count <= RESERVE_MAX);
	if (count > 0) {
		reserve_answer_encode(&again, answers, count);
		check_same(&again, data, size);
	}
	return 0;
}
