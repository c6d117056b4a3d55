#include "fcgi/order/rows.h"

#include <string.h>

#define ROW_VERSION 1

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

void
order_encode(struct buf *out, const struct order *o)
{
	buf_u8(out, ROW_VERSION);
	add_uuid(out, &o->id);
	buf_u64(out, o->book_id);
	buf_u32(out, o->quantity);
	buf_u8(out, (uint8_t)o->status);
	buf_u8(out, (uint8_t)o->reason);
	buf_u64(out, (uint64_t)o->available);
	buf_u64(out, (uint64_t)o->price);
	buf_str(out, o->title);
	buf_u64(out, o->created_ms);
	buf_u64(out, o->fingerprint);
}

bool
order_decode(struct cur *c, struct order *out)
{
	bool known = cur_u8(c) == ROW_VERSION;
	cur_uuid(c, &out->id);
	out->book_id = cur_u64(c);
	out->quantity = cur_u32(c);
	uint8_t status = cur_u8(c), reason = cur_u8(c);
	out->status = (enum order_status)status;
	out->reason = (enum order_reason)reason;
	out->available = (int64_t)cur_u64(c);
	out->price = (int64_t)cur_u64(c);
	cur_str(c, out->title, sizeof(out->title));
	out->created_ms = cur_u64(c);
	out->fingerprint = cur_u64(c);
	return known && status <= ORDER_REJECTED && reason <= ORDER_INSUFFICIENT && cur_end(c);
}

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
