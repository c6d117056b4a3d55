/* Copying a whole store: its tables go out in pieces, and in at another one. */
#include <inttypes.h>
#include <string.h>

#include "fcgi/log.h"
#include "fcgi/store/inside.h"

/* ---- Out ---- */

/* The cursor: {u8 table, the last key that was dumped of it, or nothing}. */
struct dump {
	struct buf *cursor, *rows;
	size_t start, max; /* of rows, in bytes */
	bool is_full;      /* and there is at least one row more */
};

static void
set_cursor(struct buf *cursor, uint8_t table, const uint8_t *key, size_t len)
{
	buf_clear(cursor);
	buf_u8(cursor, table);
	buf_add(cursor, key, len);
}

static bool
dump_row(void *arg, const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len)
{
	struct dump *d = arg;
	const uint8_t *last = d->cursor->data + 1;
	size_t last_len = d->cursor->len - 1, len = d->rows->len - d->start;
	if (key_len == last_len && memcmp(key, last, key_len) == 0)
		return true; /* the scan begins where the last piece ended */
	if (len > 0 && len >= d->max) {
		d->is_full = true;
		return false;
	}
	uint8_t table = d->cursor->data[0];
	effect_put(d->rows, table, key, key_len, value, value_len);
	set_cursor(d->cursor, table, key, key_len);
	return true;
}

/* From the cursor to the table's end, or until there is enough. */
static void
dump_table(struct store *s, struct dump *d)
{
	struct buf from = {0}; /* the cursor moves */
	uint8_t table = d->cursor->data[0];
	buf_add(&from, d->cursor->data + 1, d->cursor->len - 1);
	s->view.scan(s->view.ctx, table, from.data, from.len, dump_row, d);
	buf_free(&from);
}

bool
store_dump(struct store *s, struct buf *cursor, size_t max, struct buf *rows)
{
	struct dump d = {.cursor = cursor, .rows = rows, .start = rows->len, .max = max};
	unsigned count = tables_count(s->tables) - OWN_TABLES;
	if (cursor->len == 0)
		buf_u8(cursor, 0);
	store_read_begin(s);
	while (cursor->data[0] < count && !d.is_full) {
		dump_table(s, &d);
		if (!d.is_full)
			set_cursor(cursor, cursor->data[0] + 1, NULL, 0);
	}
	store_read_end(s);
	return d.is_full;
}

/* ---- In ---- */

static void
set_partial(struct store *s, DB_TXN *txn, uint64_t until)
{
	s->partial_until = until;
	meta_save_partial(s->tables, txn, TABLE_META, until);
}

static void
check_no_log(struct store *s)
{
	if (s->applied.seq != 0 || atomic_load(&s->log.last) != 0)
		log_fatal(
		    "store: asked to load tables over those of entry %" PRIu64, s->applied.seq);
}

void
store_load_rows(struct store *s, const void *rows, size_t len)
{
	check_no_log(s);
	pthread_rwlock_wrlock(&s->lock);
	DB_TXN *txn = tables_begin(s->tables);
	if (s->partial_until != UINT64_MAX)
		set_partial(s, txn, UINT64_MAX);
	store_write_effects(s, txn, rows, len, 0);
	tables_commit(txn);
	pthread_rwlock_unlock(&s->lock);
}

void
store_load_end(struct store *s, struct position base, uint64_t until, const struct set *set)
{
	struct buf encoded = {0};
	check_no_log(s);
	set_encode(set, &encoded);
	pthread_rwlock_wrlock(&s->lock);
	DB_TXN *txn = tables_begin(s->tables);
	meta_save_applied(s->tables, txn, TABLE_META, base);
	meta_save_set(s->tables, txn, TABLE_META, encoded.data, encoded.len);
	set_partial(s, txn, until > base.seq ? until : 0);
	tables_commit(txn);
	s->applied = base;
	pthread_rwlock_unlock(&s->lock);
	buf_free(&encoded);
}
