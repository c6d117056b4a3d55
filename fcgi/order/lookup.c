/* Looking up orders. */
#include <string.h>

#include "fcgi/log.h"
#include "fcgi/order/order.h"
#include "fcgi/order/rows.h"

bool
order_get(const struct view *v, const struct uuid *id, struct order *out)
{
	struct buf row = {0};
	bool found = v->get(v->ctx, TABLE_ORDER, id->bytes, sizeof(id->bytes), &row);
	struct cur c = cur_make(row.data, row.len);
	if (found && !order_decode(&c, out))
		log_fatal("order: a row of table order is damaged");
	buf_free(&row);
	return found;
}

bool
order_name_space(const struct view *v, struct uuid *out)
{
	struct buf row = {0};
	bool found = v->get(v->ctx, TABLE_SETTING, NAME_SPACE_KEY, strlen(NAME_SPACE_KEY), &row);
	struct cur c = cur_make(row.data, row.len);
	if (found && !name_space_decode(&c, out))
		log_fatal("order: the name space's row is damaged");
	buf_free(&row);
	return found;
}

/* ---- Lists: tables whose keys end with an order's id, in key order ---- */

struct list {
	const struct view *view;
	struct time_key after; /* skipped, when the scan starts at it */
	bool (*visit)(void *arg, const struct order *o);
	void *arg;
	struct order order;
};

static bool
list_row(void *arg, const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len)
{
	(void)value, (void)value_len;
	struct list *l = arg;
	if (key_len == sizeof(l->after.bytes) && memcmp(key, l->after.bytes, key_len) == 0)
		return true;
	struct uuid id;
	if (key_len < sizeof(id.bytes))
		log_fatal("order: a list's row is damaged");
	memcpy(id.bytes, key + key_len - sizeof(id.bytes), sizeof(id.bytes));
	if (!order_get(l->view, &id, &l->order))
		log_fatal("order: a list names an order that does not exist");
	bool more = l->visit(l->arg, &l->order);
	order_free(&l->order);
	return more;
}

void
order_list(const struct view *v, const struct order_place *after,
    bool (*visit)(void *arg, const struct order *o), void *arg)
{
	struct list l = {.view = v, .visit = visit, .arg = arg};
	if (after != NULL)
		l.after = order_time_key(after->created_ms, &after->id);
	v->scan(v->ctx, TABLE_ORDER_TIME, l.after.bytes, after != NULL ? sizeof(l.after.bytes) : 0,
	    list_row, &l);
}

void
order_pending(const struct view *v, bool (*visit)(void *arg, const struct order *o), void *arg)
{
	struct list l = {.view = v, .visit = visit, .arg = arg};
	v->scan(v->ctx, TABLE_PENDING, NULL, 0, list_row, &l);
}
