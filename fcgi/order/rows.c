#include "fcgi/order/rows.h"

#include <string.h>

#define ROW_VERSION 1
#define CART_VERSION 2

struct time_key
order_time_key(uint64_t created_ms, const struct uuid *id)
{
	struct time_key k = {{0}};
	uint64_t v = ~created_ms;
	for (int i = 7; i >= 0; i--, v >>= 8)
		k.bytes[i] = (uint8_t)v;
	memcpy(k.bytes + 8, id->bytes, sizeof(id->bytes));
	return k;
}

static void
add_uuid(struct buf *out, const struct uuid *id)
{
	buf_add(out, id->bytes, sizeof(id->bytes));
}

static void
cur_uuid(struct cur *c, struct uuid *out)
{
	const uint8_t *bytes = cur_take(c, sizeof(out->bytes));
	if (bytes != NULL)
		memcpy(out->bytes, bytes, sizeof(out->bytes));
}

/* ---- Orders ---- */

static void
encode_one(struct buf *out, const struct order *o)
{
	buf_u8(out, ROW_VERSION);
	add_uuid(out, &o->id);
	buf_u64(out, o->line.book_id);
	buf_u32(out, o->line.quantity);
	buf_u8(out, (uint8_t)o->status);
	buf_u8(out, (uint8_t)o->reason);
	buf_u64(out, (uint64_t)o->available);
	buf_u64(out, (uint64_t)o->line.price);
	buf_str(out, o->line.title);
	buf_u64(out, o->created_ms);
	buf_u64(out, o->fingerprint);
}

static void
encode_cart(struct buf *out, const struct order *o)
{
	buf_u8(out, CART_VERSION);
	add_uuid(out, &o->id);
	buf_u8(out, (uint8_t)o->status);
	buf_u8(out, (uint8_t)o->reason);
	buf_u64(out, o->refused);
	buf_u64(out, (uint64_t)o->available);
	buf_u64(out, o->created_ms);
	buf_u64(out, o->fingerprint);
	buf_u8(out, (uint8_t)order_lines(o));
	for (size_t i = 0; i < order_lines(o); i++) {
		const struct order_line *line = order_line(o, i);
		buf_u64(out, line->book_id);
		buf_u32(out, line->quantity);
		buf_u64(out, (uint64_t)line->price);
		buf_str(out, line->title);
	}
}

void
order_encode(struct buf *out, const struct order *o)
{
	if (order_lines(o) == 1)
		encode_one(out, o);
	else
		encode_cart(out, o);
}

static bool
decode_status(struct cur *c, struct order *out)
{
	uint8_t status = cur_u8(c), reason = cur_u8(c);
	out->status = (enum order_status)status;
	out->reason = (enum order_reason)reason;
	return status <= ORDER_REJECTED && reason <= ORDER_INSUFFICIENT;
}

static bool
decode_one(struct cur *c, struct order *out)
{
	cur_uuid(c, &out->id);
	out->line.book_id = cur_u64(c);
	out->line.quantity = cur_u32(c);
	bool known = decode_status(c, out);
	out->refused = out->status == ORDER_REJECTED ? out->line.book_id : 0;
	out->available = (int64_t)cur_u64(c);
	out->line.price = (int64_t)cur_u64(c);
	cur_str(c, out->line.title, sizeof(out->line.title));
	out->created_ms = cur_u64(c);
	out->fingerprint = cur_u64(c);
	return known && cur_end(c);
}

static bool
decode_cart(struct cur *c, struct order *out)
{
	cur_uuid(c, &out->id);
	bool known = decode_status(c, out);
	out->refused = cur_u64(c);
	out->available = (int64_t)cur_u64(c);
	out->created_ms = cur_u64(c);
	out->fingerprint = cur_u64(c);
	size_t count = cur_u8(c);
	if (!known || !cur_ok(c) || count < 2 || count > ORDER_LINES_MAX)
		return false;
	for (size_t i = 0; i < count && cur_ok(c); i++) {
		struct order_line *line = order_set_line(out, i);
		line->book_id = cur_u64(c);
		line->quantity = cur_u32(c);
		line->price = (int64_t)cur_u64(c);
		cur_str(c, line->title, sizeof(line->title));
	}
	return cur_end(c);
}

bool
order_decode(struct cur *c, struct order *out)
{
	uint8_t version = cur_u8(c);
	out->more = NULL;
	out->more_count = 0;
	if (version == ROW_VERSION)
		return decode_one(c, out);
	bool whole = version == CART_VERSION && decode_cart(c, out);
	if (!whole)
		order_free(out);
	return whole;
}

/* ---- The name space ---- */

void
name_space_encode(struct buf *out, const struct uuid *name_space)
{
	buf_u8(out, ROW_VERSION);
	add_uuid(out, name_space);
}

bool
name_space_decode(struct cur *c, struct uuid *out)
{
	bool known = cur_u8(c) == ROW_VERSION;
	cur_uuid(c, out);
	return known && cur_end(c);
}
