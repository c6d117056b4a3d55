#include "fcgi/catalog/rows.h"

#include <string.h>

#include "fcgi/catalog/reserve.h"

#define ROW_VERSION 1
#define CART_VERSION 2

static void
store_be64(uint8_t out[8], uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		out[i] = (uint8_t)v;
}

struct book_key
book_key(uint64_t id)
{
	struct book_key k = {{0}};
	store_be64(k.bytes, id);
	return k;
}

/* No folded topic holds a 0 byte, so topics cannot run into each other. */
void
topic_book_key(struct buf *out, const char *folded, uint64_t id)
{
	buf_add(out, folded, strlen(folded) + 1);
	buf_u64(out, id);
}

struct time_key
operation_time_key(uint64_t time_ms, const struct uuid *op_id)
{
	struct time_key k = {{0}};
	store_be64(k.bytes, time_ms);
	memcpy(k.bytes + 8, op_id->bytes, sizeof(op_id->bytes));
	return k;
}

void
book_encode(struct buf *out, const struct book *b)
{
	buf_u8(out, ROW_VERSION);
	buf_u64(out, b->id);
	buf_str(out, b->title);
	buf_str(out, b->author);
	buf_str(out, b->topic);
	buf_u64(out, (uint64_t)b->price);
	buf_u64(out, (uint64_t)b->quantity);
	buf_u64(out, (uint64_t)b->stocked);
}

bool
book_decode(struct cur *c, struct book *out)
{
	bool known = cur_u8(c) == ROW_VERSION;
	out->id = cur_u64(c);
	cur_str(c, out->title, sizeof(out->title));
	cur_str(c, out->author, sizeof(out->author));
	cur_str(c, out->topic, sizeof(out->topic));
	out->price = (int64_t)cur_u64(c);
	out->quantity = (int64_t)cur_u64(c);
	out->stocked = (int64_t)cur_u64(c);
	return known && cur_ok(c);
}

void
topic_book_encode(struct buf *out, const struct book *b)
{
	buf_u8(out, ROW_VERSION);
	buf_str(out, b->title);
	buf_u64(out, (uint64_t)b->price);
	buf_u64(out, (uint64_t)b->quantity);
}

bool
topic_book_decode(struct cur *c, struct book *out)
{
	bool known = cur_u8(c) == ROW_VERSION;
	cur_str(c, out->title, sizeof(out->title));
	out->price = (int64_t)cur_u64(c);
	out->quantity = (int64_t)cur_u64(c);
	return known && cur_end(c);
}

void
topic_encode(struct buf *out, const struct topic *t)
{
	buf_u8(out, ROW_VERSION);
	buf_str(out, t->name);
	buf_u64(out, t->books);
}

bool
topic_decode(struct cur *c, struct topic *out)
{
	bool known = cur_u8(c) == ROW_VERSION;
	cur_str(c, out->name, sizeof(out->name));
	out->books = cur_u64(c);
	return known && cur_end(c);
}

void
counter_encode(struct buf *out, uint64_t number)
{
	buf_u8(out, ROW_VERSION);
	buf_u64(out, number);
}

bool
counter_decode(struct cur *c, uint64_t *number)
{
	bool known = cur_u8(c) == ROW_VERSION;
	*number = cur_u64(c);
	return known && cur_end(c);
}

void
reservation_encode(
    struct buf *out, const struct catalog_line *lines, size_t count, const struct buf *answer)
{
	buf_u8(out, count == 1 ? ROW_VERSION : CART_VERSION);
	if (count > 1)
		buf_u8(out, (uint8_t)count);
	for (size_t i = 0; i < count; i++)
		reserve_line_encode(out, &lines[i]);
	buf_bytes(out, answer->data, answer->len);
}

bool
reservation_decode(
    struct cur *c, struct catalog_line *lines, size_t *count, struct stored_answer *answer)
{
	uint8_t version = cur_u8(c);
	*count = version == CART_VERSION ? cur_u8(c) : 1;
	bool known = version == ROW_VERSION ||
		     (version == CART_VERSION && *count > 1 && *count <= CATALOG_LINES_MAX);
	for (size_t i = 0; known && i < *count; i++)
		reserve_line_decode(c, &lines[i]);
	answer->bytes = cur_bytes(c, &answer->len);
	return known && cur_end(c);
}

void
operation_encode(struct buf *out, uint64_t time_ms, const struct buf *answer)
{
	buf_u8(out, ROW_VERSION);
	buf_u64(out, time_ms);
	buf_bytes(out, answer->data, answer->len);
}

bool
operation_decode(struct cur *c, uint64_t *time_ms, struct stored_answer *answer)
{
	bool known = cur_u8(c) == ROW_VERSION;
	*time_ms = cur_u64(c);
	answer->bytes = cur_bytes(c, &answer->len);
	return known && cur_end(c);
}
