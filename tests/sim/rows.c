/* Tables made of the log: every row points into the entry that wrote it last. */
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"
#include "tests/sim/market.h"

static int
compare(const struct effect *a, uint8_t table, const void *key, size_t len)
{
	if (a->table != table)
		return a->table < table ? -1 : 1;
	size_t least = a->key_len < len ? a->key_len : len;
	int order = memcmp(a->key, key, least);
	if (order != 0)
		return order;
	return a->key_len < len ? -1 : a->key_len > len;
}

/* Where the row is, or would be: rows are in order of table and key. */
static size_t
place(const struct sim_rows *t, uint8_t table, const void *key, size_t len)
{
	size_t low = 0, high = t->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (compare(&t->row[middle], table, key, len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
is_at(const struct sim_rows *t, size_t i, uint8_t table, const void *key, size_t len)
{
	return i < t->count && compare(&t->row[i], table, key, len) == 0;
}

static void
write_row(struct sim_rows *t, const struct effect *e)
{
	size_t i = place(t, e->table, e->key, e->key_len);
	bool there = is_at(t, i, e->table, e->key, e->key_len);
	if (e->is_delete) {
		if (there)
			memmove(&t->row[i], &t->row[i + 1], (--t->count - i) * sizeof(*t->row));
		return;
	}
	if (!there) {
		if (t->count == t->cap) {
			t->cap = t->cap ? 2 * t->cap : 128;
			t->row = xrealloc(t->row, t->cap * sizeof(*t->row));
		}
		memmove(&t->row[i + 1], &t->row[i], (t->count++ - i) * sizeof(*t->row));
	}
	t->row[i] = *e;
}

void
rows_apply(struct sim_rows *t, const struct entry *e)
{
	struct cur effects = cur_make(e->effects, e->effects_len);
	struct effect one;
	while (e->kind == ENTRY_OPERATION && effect_next(&effects, &one))
		write_row(t, &one);
}

bool
rows_same(const struct sim_rows *a, const struct sim_rows *b)
{
	bool same = a->count == b->count;
	for (size_t i = 0; same && i < a->count; i++) {
		const struct effect *x = &a->row[i], *y = &b->row[i];
		same = compare(x, y->table, y->key, y->key_len) == 0 &&
		       x->value_len == y->value_len &&
		       memcmp(x->value, y->value, x->value_len) == 0;
	}
	return same;
}

static bool
get(void *ctx, uint8_t table, const void *key, size_t len, struct buf *value)
{
	const struct sim_rows *t = ctx;
	size_t i = place(t, table, key, len);
	if (!is_at(t, i, table, key, len))
		return false;
	buf_add(value, t->row[i].value, t->row[i].value_len);
	return true;
}

static void
scan(void *ctx, uint8_t table, const void *from, size_t len, view_visit visit, void *arg)
{
	const struct sim_rows *t = ctx;
	for (size_t i = place(t, table, from, len); i < t->count && t->row[i].table == table; i++) {
		const struct effect *e = &t->row[i];
		if (!visit(arg, e->key, e->key_len, e->value, e->value_len))
			return;
	}
}

struct view
rows_view(struct sim_rows *t)
{
	return (struct view){get, scan, t};
}

void
rows_free(struct sim_rows *t)
{
	free(t->row);
	*t = (struct sim_rows){0};
}
