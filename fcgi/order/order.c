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

/* ---- Lines ---- */

size_t
order_lines(const struct order *o)
{
	return 1 + o->more_count;
}

const struct order_line *
order_line(const struct order *o, size_t i)
{
	return i == 0 ? &o->line : &o->more[i - 1];
}

/* The second line makes room for all there can be. */
struct order_line *
order_set_line(struct order *o, size_t i)
{
	if (i == 0)
		return &o->line;
	if (i >= ORDER_LINES_MAX)
		return NULL;
	if (o->more == NULL)
		o->more = xcalloc(ORDER_LINES_MAX - 1, sizeof(*o->more));
	if (i > o->more_count)
		o->more_count = (uint32_t)i;
	return &o->more[i - 1];
}

int64_t
order_total(const struct order *o)
{
	int64_t total = 0;
	for (size_t i = 0; i < order_lines(o); i++)
		total += order_line(o, i)->price * order_line(o, i)->quantity;
	return total;
}

void
order_copy(struct order *to, const struct order *from)
{
	*to = *from;
	if (from->more_count == 0) {
		to->more = NULL;
		return;
	}
	to->more = xcalloc(ORDER_LINES_MAX - 1, sizeof(*to->more));
	memcpy(to->more, from->more, from->more_count * sizeof(*to->more));
}

void
order_free(struct order *o)
{
	free(o->more);
	o->more = NULL;
	o->more_count = 0;
}

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
order_op_begin(struct buf *args, const struct order *wanted)
{
	buf_u64(args, wanted->fingerprint);
	for (size_t i = 0; i < order_lines(wanted); i++) {
		buf_u64(args, order_line(wanted, i)->book_id);
		buf_u32(args, order_line(wanted, i)->quantity);
	}
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
		order_free(&end);
		break;
	}
	if (decided)
		order_encode(answer, &o);
	order_free(&o);
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
decode_begin(const struct op *op, struct order *o)
{
	struct cur c = cur_make(op->args.data, op->args.len);
	size_t i = 0;
	o->fingerprint = cur_u64(&c);
	do {
		struct order_line *line = order_set_line(o, i++);
		if (line == NULL)
			malformed(op);
		line->book_id = cur_u64(&c);
		line->quantity = cur_u32(&c);
	} while (cur_ok(&c) && !cur_end(&c));
	if (!cur_ok(&c))
		malformed(op);
}

static void
begin(const struct view *v, const struct op *op, uint64_t time_ms, struct outcome *out,
    struct order *o)
{
	if (order_get(v, &op->id, o))
		return;
	o->id = op->id;
	o->created_ms = time_ms;
	decode_begin(op, o);
	put_order(out, o);
	struct time_key key = order_time_key(o->created_ms, &o->id);
	effect_put(&out->effects, TABLE_ORDER_TIME, key.bytes, sizeof(key.bytes), NULL, 0);
	effect_put(&out->effects, TABLE_PENDING, o->id.bytes, sizeof(o->id.bytes), NULL, 0);
}

static void
apply_end(const struct op *op, const struct order *end, struct order *o)
{
	if (order_lines(end) != order_lines(o))
		malformed(op);
	o->status = end->status;
	o->reason = end->reason;
	o->refused = end->refused;
	o->available = end->available;
	for (size_t i = 0; i < order_lines(o); i++) {
		struct order_line *line = order_set_line(o, i);
		line->price = order_line(end, i)->price;
		memcpy(line->title, order_line(end, i)->title, sizeof(line->title));
	}
}

static void
finish(const struct view *v, const struct op *op, struct outcome *out, struct order *o)
{
	struct order end;
	decode_end(op, &end);
	if (!order_get(v, &end.id, o)) {
		o->id = end.id;
	} else if (o->status == ORDER_PENDING) {
		apply_end(op, &end, o);
		put_order(out, o);
		effect_delete(&out->effects, TABLE_PENDING, o->id.bytes, sizeof(o->id.bytes));
	}
	order_free(&end);
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
	order_free(&o);
}
