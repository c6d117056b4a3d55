#include "fcgi/catalog/reserve.h"

#include <string.h>

void
reserve_request_encode(struct buf *out, const struct reserve_item *items, size_t count)
{
	buf_u32(out, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		buf_add(out, items[i].order_id.bytes, sizeof(items[i].order_id.bytes));
		buf_u64(out, items[i].book_id);
		buf_u32(out, items[i].quantity);
	}
}

/* The count a message starts with; 0 when it is not one we take. */
static size_t
decode_count(struct cur *c)
{
	uint32_t count = cur_u32(c);
	return count <= RESERVE_MAX ? count : 0;
}

static bool
decode_item(struct cur *c, struct reserve_item *item)
{
	const uint8_t *id = cur_take(c, sizeof(item->order_id.bytes));
	if (id == NULL)
		return false;
	memcpy(item->order_id.bytes, id, sizeof(item->order_id.bytes));
	item->book_id = cur_u64(c);
	item->quantity = cur_u32(c);
	return cur_ok(c) && item->book_id > 0 && item->quantity >= 1 &&
	       item->quantity <= BUY_QUANTITY_MAX;
}

size_t
reserve_request_decode(const void *bytes, size_t len, struct reserve_item *items)
{
	struct cur c = cur_make(bytes, len);
	size_t count = decode_count(&c);
	for (size_t i = 0; i < count; i++)
		if (!decode_item(&c, &items[i]))
			return 0;
	return cur_end(&c) ? count : 0;
}

void
reserve_answer_encode(struct buf *out, const struct reserve_answer *answers, size_t count)
{
	buf_u32(out, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		buf_u8(out, (uint8_t)answers[i].state);
		if (answers[i].state != RESERVE_DECIDED)
			continue;
		buf_u8(out, (uint8_t)answers[i].result);
		buf_u64(out, (uint64_t)answers[i].available);
		buf_u64(out, (uint64_t)answers[i].price);
		buf_str(out, answers[i].title);
	}
}

static bool
decode_answer(struct cur *c, struct reserve_answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	uint8_t state = cur_u8(c);
	if (state > RESERVE_DECIDED)
		return false;
	answer->state = (enum reserve_state)state;
	if (state != RESERVE_DECIDED)
		return cur_ok(c);
	uint8_t result = cur_u8(c);
	if (result > CATALOG_INSUFFICIENT)
		return false;
	answer->result = (enum catalog_result)result;
	answer->available = (int64_t)cur_u64(c);
	answer->price = (int64_t)cur_u64(c);
	cur_str(c, answer->title, sizeof(answer->title));
	return cur_ok(c) && answer->available >= 0 && answer->price >= 0 &&
	       answer->price <= BOOK_PRICE_MAX;
}

size_t
reserve_answer_decode(const void *bytes, size_t len, struct reserve_answer *answers)
{
	struct cur c = cur_make(bytes, len);
	size_t count = decode_count(&c);
	for (size_t i = 0; i < count; i++)
		if (!decode_answer(&c, &answers[i]))
			return 0;
	return cur_end(&c) ? count : 0;
}
