/* The catalog's half of a reservation: see reserve.h. */
#include <stdlib.h>

#include "fcgi/catalog/reserve.h"

struct op *
reserve_op(const struct reserve_request *r, size_t item)
{
	const struct reserve_item *i = &r->item[item];
	struct buf args = {0};
	catalog_op_reserve(&args, &r->line[i->first], i->count);
	struct op *op = op_new(i->order_id, 0, CATALOG_RESERVE, &args);
	buf_free(&args);
	return op;
}

/* What was sold stands where the lines stand in the request. */
void
reserve_take(struct reserve_answers *out, const struct reserve_request *r, size_t item,
    enum core_result result, const uint8_t *answer, size_t len)
{
	const struct reserve_item *i = &r->item[item];
	struct reserve_answer *a = &out->answer[item];
	*a = (struct reserve_answer){.state = RESERVE_NOT_APPLIED, .first = i->first};
	if (result == CORE_UNKNOWN)
		a->state = RESERVE_UNKNOWN;
	if (result != CORE_DECIDED && result != CORE_REPLAYED)
		return;
	if (catalog_reserved_decode(answer, len, &a->says, &out->sold[i->first]) != 0 ||
	    (a->says.result == CATALOG_OK && a->says.count != i->count))
		abort(); /* our own machine wrote it */
	a->state = RESERVE_DECIDED;
	if (a->says.result != CATALOG_OK && a->says.refused == 0)
		a->says.refused = r->line[i->first].book_id;
}
