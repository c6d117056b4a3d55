#include "fcgi/order/order.h"

#include <stdlib.h>
#include <string.h>

#include "fcgi/base/hash.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/log.h"
#include "fcgi/order/rows.h"

/* In the order of the table numbers in rows.h. */
const char *const order_tables[] = {"order", "order_time", "pending", "setting"};
const unsigned order_table_count = TABLE_COUNT;

/* ---- Keys, operations, answers ---- */

uint64_t
order_key(const struct uuid *id)
{
	char name[sizeof("order:") + UUID_TEXT] = "order:";
	uuid_print(id, name + strlen("order:"));
	return hash64(name, strlen(name));
}

uint64_t
order_key_list(void)
{
	return hash64("orders", strlen("orders"));
}

struct uuid
order_end_id(const struct uuid *order_id)
{
	return uuid_named(order_id, "end", strlen("end"));
}

void
order_op_seed(struct buf *args, const struct uuid *name_space)
{
	name_space_encode(args, name_space);
}

void
order_op_begin(struct buf *args, uint64_t fingerprint, uint64_t book_id, uint32_t quantity)
{
	buf_u64(args, fingerprint);
	buf_u64(args, book_id);
	buf_u32(args, quantity);
}

void
order_op_end(struct buf *args, const struct order *end)
{
	order_encode(args, end);
}

int
order_answer_decode(const void *bytes, size_t len, struct order *out)
{
	struct cur c = cur_make(bytes, len);
	memset(out, 0, sizeof(*out));
	return order_decode(&c, out) ? 0 : -1;
}

/* ---- The machine ---- */

struct order_machine {
	const struct view *tables;
	struct overlay *overlay; /* what this batch decided so far, over the tables */
};

struct order_machine *
order_machine_new(const struct view *tables)
{
	struct order_machine *m = xcalloc(1, sizeof(*m));
	m->tables = tables;
	m->overlay = overlay_new(tables);
	return m;
}

void
order_machine_free(struct order_machine *m)
{
	if (m == NULL)
		return;
	overlay_free(m->overlay);
	free(m);
}

void
order_begin_batch(void *machine)
{
	struct order_machine *m = machine;
	overlay_reset(m->overlay);
}

static void
malformed(const struct op *op)
{
	log_fatal("order: operation of kind %u is malformed", op->kind);
}

static void
decode_end(const struct op *op, struct order *end)
{
	if (order_answer_decode(op->args.data, op->args.len, end) != 0 ||
	    end->status == ORDER_PENDING)
		malformed(op);
}

bool
order_decided(void *machine, const struct op *op, struct buf *answer)
{
	const struct order_machine *m = machine;
	struct order o = {0}, end;
	struct uuid name_space;
	bool decided = false;
	switch ((enum order_op_kind)op->kind) {
	case ORDER_SEED:
		decided = order_name_space(m->tables, &name_space);
		break;
	case ORDER_BEGIN:
		decided = order_get(m->tables, &op->id, &o);
		break;
	case ORDER_END:
		decode_end(op, &end);
		decided = order_get(m->tables, &end.id, &o) && o.status != ORDER_PENDING;
		break;
	}
	if (decided)
		order_encode(answer, &o);
	return decided;
}

static void
put_order(struct outcome *out, const struct order *o)
{
	struct buf row = {0};
	order_encode(&row, o);
	effect_put(&out->effects, TABLE_ORDER, o->id.bytes, sizeof(o->id.bytes), row.data, row.len);
	buf_free(&row);
	uint64_t keys[] = {order_key(&o->id), order_key_list()};
	buf_add(&out->keys, keys, sizeof(keys));
}

static void
seed(const struct view *v, const struct op *op, struct outcome *out)
{
	struct uuid name_space;
	struct cur c = cur_make(op->args.data, op->args.len);
	if (!name_space_decode(&c, &name_space))
		malformed(op);
	if (!order_name_space(v, &name_space))
		effect_put(&out->effects, TABLE_SETTING, NAME_SPACE_KEY, strlen(NAME_SPACE_KEY),
		    op->args.data, op->args.len);
}

static void
begin(const struct view *v, const struct op *op, uint64_t time_ms, struct outcome *out,
    struct order *o)
{
	struct cur c = cur_make(op->args.data, op->args.len);
	struct order fresh = {.id = op->id, .created_ms = time_ms, .fingerprint = cur_u64(&c)};
	fresh.book_id = cur_u64(&c);
	fresh.quantity = cur_u32(&c);
	if (!cur_end(&c))
		malformed(op);
	if (order_get(v, &op->id, o))
		return;
	*o = fresh;
	put_order(out, o);
	struct time_key key = order_time_key(o->created_ms, &o->id);
	effect_put(&out->effects, TABLE_ORDER_TIME, key.bytes, sizeof(key.bytes), NULL, 0);
	effect_put(&out->effects, TABLE_PENDING, o->id.bytes, sizeof(o->id.bytes), NULL, 0);
}

static void
finish(const struct view *v, const struct op *op, struct outcome *out, struct order *o)
{
	struct order end;
	decode_end(op, &end);
	if (!order_get(v, &end.id, o)) {
		o->id = end.id;
		return;
	}
	if (o->status != ORDER_PENDING)
		return;
	o->status = end.status;
	o->reason = end.reason;
	o->available = end.available;
	o->price = end.price;
	memcpy(o->title, end.title, sizeof(o->title));
	put_order(out, o);
	effect_delete(&out->effects, TABLE_PENDING, o->id.bytes, sizeof(o->id.bytes));
}

void
order_execute(void *machine, const struct op *op, uint64_t time_ms, struct outcome *out)
{
	struct order_machine *m = machine;
	const struct view *v = overlay_view(m->overlay);
	struct order o = {0};
	switch ((enum order_op_kind)op->kind) {
	case ORDER_SEED:
		seed(v, op, out);
		break;
	case ORDER_BEGIN:
		begin(v, op, time_ms, out, &o);
		break;
	case ORDER_END:
		finish(v, op, out, &o);
		break;
	default:
		malformed(op);
	}
	overlay_add(m->overlay, &out->effects);
	order_encode(&out->answer, &o);
}
