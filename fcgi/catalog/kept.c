#include "fcgi/catalog/kept.h"

#include <string.h>

#include "fcgi/log.h"

/* Each kept answer forgets up to this many old ones: the table shrinks faster than it grows, and no
 * single operation pays for many. */
#define EXPIRE_MAX 4

bool
kept_find(const struct view *v, const struct op *op, struct buf *answer)
{
	bool reserves = op->kind == CATALOG_RESERVE;
	struct buf row = {0};
	bool found = v->get(v->ctx, reserves ? TABLE_RESERVATION : TABLE_OPERATION, op->id.bytes,
	    sizeof(op->id.bytes), &row);
	if (found) {
		uint64_t time_ms;
		struct catalog_line lines[CATALOG_LINES_MAX];
		size_t count;
		struct stored_answer stored;
		struct cur c = cur_make(row.data, row.len);
		if (reserves ? !reservation_decode(&c, lines, &count, &stored)
			     : !operation_decode(&c, &time_ms, &stored))
			log_fatal("catalog: a kept answer is damaged");
		buf_add(answer, stored.bytes, stored.len);
	}
	buf_free(&row);
	return found;
}

void
kept_reservation(struct change *c, const struct op *op, const struct request *r)
{
	struct buf row = {0};
	reservation_encode(&row, r->lines, r->line_count, &c->out->answer);
	change_put(c, TABLE_RESERVATION, op->id.bytes, sizeof(op->id.bytes), &row);
	buf_free(&row);
}

void
kept_operation(struct change *c, const struct op *op, uint64_t time_ms, bool for_ever)
{
	struct buf row = {0};
	operation_encode(&row, time_ms, &c->out->answer);
	change_put(c, TABLE_OPERATION, op->id.bytes, sizeof(op->id.bytes), &row);
	if (!for_ever) {
		struct time_key key = operation_time_key(time_ms, &op->id);
		change_put(c, TABLE_OPERATION_TIME, key.bytes, sizeof(key.bytes), &(struct buf){0});
	}
	buf_free(&row);
}

struct expiry {
	struct time_key after;  /* exclusive */
	struct time_key before; /* exclusive */
	struct time_key found[EXPIRE_MAX];
	size_t count;
};

static bool
expiry_row(void *arg, const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len)
{
	(void)value, (void)value_len;
	struct expiry *x = arg;
	if (key_len != sizeof(x->before.bytes) || memcmp(key, x->before.bytes, key_len) >= 0)
		return false;
	if (memcmp(key, x->after.bytes, key_len) > 0)
		memcpy(x->found[x->count++].bytes, key, key_len);
	return x->count < EXPIRE_MAX;
}

void
kept_expire(struct change *c, const struct view *tables, uint64_t time_ms, struct time_key *last)
{
	if (time_ms <= OPERATION_KEEP_MS)
		return;
	struct uuid nil = {{0}};
	struct expiry x = {
	    .after = *last, .before = operation_time_key(time_ms - OPERATION_KEEP_MS, &nil)};
	tables->scan(tables->ctx, TABLE_OPERATION_TIME, x.after.bytes, sizeof(x.after.bytes),
	    expiry_row, &x);
	for (size_t i = 0; i < x.count; i++) {
		const uint8_t *key = x.found[i].bytes;
		change_delete(c, TABLE_OPERATION_TIME, key, sizeof(x.found[i].bytes));
		change_delete(c, TABLE_OPERATION, key + 8, sizeof(struct uuid));
		*last = x.found[i];
	}
}
