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

static void
check_request(const struct reserve_request *r)
{
	size_t lines = 0;
	assert(r->count >= 1 && r->count <= RESERVE_MAX && r->line_count <= RESERVE_LINES_MAX);
	for (size_t i = 0; i < r->count; i++) {
		assert(r->item[i].first == lines);
		assert(reserve_lines_valid(&r->line[lines], r->item[i].count));
		lines += r->item[i].count;
	}
	assert(lines == r->line_count);
}

static void
check_answers(const struct reserve_answers *answers)
{
	assert(answers->count >= 1 && answers->count <= RESERVE_MAX);
	for (size_t i = 0; i < answers->count; i++) {
		const struct reserve_answer *a = &answers->answer[i];
		assert(a->first + a->says.count <= RESERVE_LINES_MAX);
		assert(a->says.count <= CATALOG_LINES_MAX);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reserve_request request;
	static struct reserve_answers answers;
	struct buf again = {0};

	if (reserve_request_decode(data, size, &request)) {
		check_request(&request);
		reserve_request_encode(&again, &request);
		check_same(&again, data, size);
	}
	if (reserve_answer_decode(data, size, &answers)) {
		check_answers(&answers);
		reserve_answer_encode(&again, &answers);
		check_same(&again, data, size);
	}
	return 0;
}
