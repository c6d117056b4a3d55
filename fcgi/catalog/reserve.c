#include "fcgi/catalog/reserve.h"

#include <string.h>

/* ---- Lines ---- */

void
reserve_line_encode(struct buf *out, const struct catalog_line *line)
{
	buf_u64(out, line->book_id);
	buf_u32(out, line->quantity);
}

void
reserve_line_decode(struct cur *c, struct catalog_line *out)
{
	out->book_id = cur_u64(c);
	out->quantity = cur_u32(c);
}

bool
reserve_lines_valid(const struct catalog_line *lines, size_t count)
{
	bool valid = count >= 1 && count <= CATALOG_LINES_MAX;
	for (size_t i = 0; valid && i < count; i++) {
		valid = lines[i].book_id > 0 && lines[i].quantity >= 1 &&
			lines[i].quantity <= BUY_QUANTITY_MAX;
		for (size_t j = 0; j < i; j++)
			valid &= lines[j].book_id != lines[i].book_id;
	}
	return valid;
}

/* ---- Requests ---- */

struct catalog_line *
reserve_request_add(struct reserve_request *r, const struct uuid *order_id, size_t count)
{
	if (r->count == RESERVE_MAX || count > RESERVE_LINES_MAX - r->line_count)
		return NULL;
	struct catalog_line *lines = &r->line[r->line_count];
	r->item[r->count++] = (struct reserve_item){
	    .order_id = *order_id, .first = (uint16_t)r->line_count, .count = (uint16_t)count};
	r->line_count += count;
	return lines;
}

void
reserve_request_encode(struct buf *out, const struct reserve_request *r)
{
	buf_u32(out, (uint32_t)r->count);
	for (size_t i = 0; i < r->count; i++) {
		const struct reserve_item *item = &r->item[i];
		buf_add(out, item->order_id.bytes, sizeof(item->order_id.bytes));
		buf_u8(out, (uint8_t)item->count);
		for (size_t j = 0; j < item->count; j++)
			reserve_line_encode(out, &r->line[item->first + j]);
	}
}

static bool
decode_item(struct cur *c, struct reserve_request *out)
{
	struct uuid id;
	const uint8_t *bytes = cur_take(c, sizeof(id.bytes));
	size_t count = cur_u8(c);
	if (!cur_ok(c))
		return false;
	memcpy(id.bytes, bytes, sizeof(id.bytes));
	struct catalog_line *lines = reserve_request_add(out, &id, count);
	for (size_t i = 0; lines != NULL && i < count; i++)
		reserve_line_decode(c, &lines[i]);
	return lines != NULL && cur_ok(c) && reserve_lines_valid(lines, count);
}

/* The count a message starts with; 0 when it is not one we take. */
static size_t
decode_count(struct cur *c)
{
	uint32_t count = cur_u32(c);
	return count <= RESERVE_MAX ? count : 0;
}

bool
reserve_request_decode(const void *bytes, size_t len, struct reserve_request *out)
{
	struct cur c = cur_make(bytes, len);
	size_t count = decode_count(&c);
	out->count = out->line_count = 0;
	while (out->count < count)
		if (!decode_item(&c, out))
			return false;
	return count > 0 && cur_end(&c);
}

/* ---- Answers ---- */

static void
encode_decided(
    struct buf *out, const struct catalog_reserved *says, const struct catalog_sold *sold)
{
	buf_u8(out, (uint8_t)says->result);
	if (says->result != CATALOG_OK) {
		buf_u64(out, says->refused);
		buf_u64(out, (uint64_t)says->available);
		return;
	}
	buf_u8(out, (uint8_t)says->count);
	for (size_t i = 0; i < says->count; i++) {
		buf_u64(out, (uint64_t)sold[i].price);
		buf_str(out, sold[i].title);
	}
}

void
reserve_answer_encode(struct buf *out, const struct reserve_answers *answers)
{
	buf_u32(out, (uint32_t)answers->count);
	for (size_t i = 0; i < answers->count; i++) {
		const struct reserve_answer *a = &answers->answer[i];
		buf_u8(out, (uint8_t)a->state);
		if (a->state == RESERVE_DECIDED)
			encode_decided(out, &a->says, &answers->sold[a->first]);
	}
}

static bool
decode_sold(struct cur *c, struct catalog_sold *out)
{
	out->price = (int64_t)cur_u64(c);
	cur_str(c, out->title, sizeof(out->title));
	return cur_ok(c) && out->price >= 0 && out->price <= BOOK_PRICE_MAX;
}

/* *sold: how many of out->sold are taken. */
static bool
decode_decided(
    struct cur *c, struct reserve_answers *out, struct reserve_answer *answer, size_t *sold)
{
	struct catalog_reserved *says = &answer->says;
	uint8_t result = cur_u8(c);
	if (result > CATALOG_INSUFFICIENT)
		return false;
	says->result = (enum catalog_result)result;
	if (result != CATALOG_OK) {
		says->refused = cur_u64(c);
		says->available = (int64_t)cur_u64(c);
		return cur_ok(c) && says->refused > 0 && says->available >= 0;
	}
	says->count = cur_u8(c);
	answer->first = (uint16_t)*sold;
	if (says->count < 1 || says->count > CATALOG_LINES_MAX ||
	    says->count > RESERVE_LINES_MAX - *sold)
		return false;
	for (size_t end = *sold + says->count; *sold < end; ++*sold)
		if (!decode_sold(c, &out->sold[*sold]))
			return false;
	return true;
}

bool
reserve_answer_decode(const void *bytes, size_t len, struct reserve_answers *out)
{
	struct cur c = cur_make(bytes, len);
	size_t sold = 0;
	out->count = decode_count(&c);
	for (size_t i = 0; i < out->count; i++) {
		struct reserve_answer *a = &out->answer[i];
		uint8_t state = cur_u8(&c);
		*a = (struct reserve_answer){.state = (enum reserve_state)state};
		if (state > RESERVE_DECIDED ||
		    (state == RESERVE_DECIDED && !decode_decided(&c, out, a, &sold)))
			return false;
	}
	return out->count > 0 && cur_end(&c);
}
