/* The catalog's half of a reservation: see reserve.h. */
#include <stdio.h>
#include <stdlib.h>

#include "fcgi/catalog/reserve.h"

struct op *
reserve_op(const struct reserve_item *item)
{
	struct buf args = {0};
	catalog_op_reserve(&args, item->book_id, item->quantity);
	struct op *op = op_new(item->order_id, 0, CATALOG_RESERVE, &args);
	buf_free(&args);
	return op;
}

void
reserve_take(struct reserve_answer *out, enum core_result result, const uint8_t *answer, size_t len)
{
	struct catalog_answer a;
	*out = (struct reserve_answer){.state = RESERVE_NOT_APPLIED};
	if (result == CORE_UNKNOWN)
		out->state = RESERVE_UNKNOWN;
	if (result != CORE_DECIDED && result != CORE_REPLAYED)
		return;
	if (catalog_answer_decode(answer, len, 0, &a) != 0)
		abort(); /* our own machine wrote it */
	out->state = RESERVE_DECIDED;
	out->result = a.result;
	out->available = a.available;
	if (a.result == CATALOG_OK) {
		out->price = a.book.price;
		out->last = a.book.quantity == 0;
		snprintf(out->title, sizeof(out->title), "%s", a.book.title);
	}
}
