/* The overlay: a hash table of the rows changed so far; what is not in it is asked of the base. */
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/hash.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/store/view.h"

#define SLOTS_MIN 1024 /* a power of two, like every number of slots */

/* Key and value lie in `bytes`, at offsets because it moves as it grows. */
struct row {
	uint64_t hash;
	size_t key, key_len;
	size_t value, value_len;
	uint8_t table;
	bool is_deleted;
};

struct overlay {
	const struct view *base;
	struct view view;
	struct buf bytes;
	struct row *rows;
	size_t row_count, row_cap;
	uint32_t *slots; /* row number + 1, or 0: free; at most half are taken */
	size_t slot_count;
};

static uint64_t
row_hash(uint8_t table, const void *key, size_t len)
{
	return XXH3_64bits_withSeed(key, len, table);
}

/* The slot that holds the row, or the free one where it would go. */
static uint32_t *
slot_find(const struct overlay *o, uint64_t hash, uint8_t table, const void *key, size_t len)
{
	for (size_t i = hash & (o->slot_count - 1);; i = (i + 1) & (o->slot_count - 1)) {
		if (o->slots[i] == 0)
			return &o->slots[i];
		const struct row *r = &o->rows[o->slots[i] - 1];
		if (r->hash == hash && r->table == table && r->key_len == len &&
		    memcmp(o->bytes.data + r->key, key, len) == 0)
			return &o->slots[i];
	}
}

static void
slots_set(struct overlay *o, size_t count)
{
	free(o->slots);
	o->slots = xcalloc(count, sizeof(*o->slots));
	o->slot_count = count;
	for (size_t n = 0; n < o->row_count; n++) {
		const struct row *r = &o->rows[n];
		*slot_find(o, r->hash, r->table, o->bytes.data + r->key, r->key_len) =
		    (uint32_t)n + 1;
	}
}

static struct row *
row_add(struct overlay *o, const struct effect *e)
{
	if (o->row_count == o->row_cap) {
		o->row_cap = o->row_cap ? o->row_cap * 2 : SLOTS_MIN / 2;
		o->rows = xrealloc(o->rows, o->row_cap * sizeof(*o->rows));
	}
	if (2 * (o->row_count + 1) > o->slot_count)
		slots_set(o, o->slot_count * 2);
	struct row *r = &o->rows[o->row_count];
	*r = (struct row){.hash = row_hash(e->table, e->key, e->key_len),
	    .key = o->bytes.len,
	    .key_len = e->key_len,
	    .table = e->table};
	*slot_find(o, r->hash, e->table, e->key, e->key_len) = (uint32_t)++o->row_count;
	buf_add(&o->bytes, e->key, e->key_len);
	return r;
}

void
overlay_add(struct overlay *o, const struct buf *effects)
{
	struct cur c = cur_make(effects->data, effects->len);
	for (struct effect e; effect_next(&c, &e);) {
		uint64_t hash = row_hash(e.table, e.key, e.key_len);
		uint32_t found = *slot_find(o, hash, e.table, e.key, e.key_len);
		struct row *r = found ? &o->rows[found - 1] : row_add(o, &e);
		r->is_deleted = e.is_delete;
		r->value = o->bytes.len;
		r->value_len = e.value_len;
		buf_add(&o->bytes, e.value, e.value_len);
	}
}

static bool
overlay_get(void *ctx, uint8_t table, const void *key, size_t len, struct buf *value)
{
	const struct overlay *o = ctx;
	uint32_t found = *slot_find(o, row_hash(table, key, len), table, key, len);
	if (found == 0)
		return o->base->get(o->base->ctx, table, key, len, value);
	const struct row *r = &o->rows[found - 1];
	if (!r->is_deleted)
		buf_add(value, o->bytes.data + r->value, r->value_len);
	return !r->is_deleted;
}

static void
overlay_scan(void *ctx, uint8_t table, const void *from, size_t len, view_visit visit, void *arg)
{
	const struct overlay *o = ctx;
	o->base->scan(o->base->ctx, table, from, len, visit, arg);
}

struct overlay *
overlay_new(const struct view *base)
{
	struct overlay *o = xcalloc(1, sizeof(*o));
	o->base = base;
	o->view = (struct view){.get = overlay_get, .scan = overlay_scan, .ctx = o};
	slots_set(o, SLOTS_MIN);
	return o;
}

void
overlay_free(struct overlay *o)
{
	if (o == NULL)
		return;
	buf_free(&o->bytes);
	free(o->rows);
	free(o->slots);
	free(o);
}

void
overlay_reset(struct overlay *o)
{
	if (o->row_count == 0)
		return;
	o->row_count = 0;
	buf_clear(&o->bytes);
	slots_set(o, SLOTS_MIN);
}

const struct view *
overlay_view(struct overlay *o)
{
	return &o->view;
}
