#include "fcgi/store/meta.h"

#include <string.h>

#define ROW_VERSION 2

static const char pledge_key[] = "pledge";   /* {promised, yielded, incarnation, formerly, began} */
static const char applied_key[] = "applied"; /* {epoch, seq} */
static const char set_key[] = "set";         /* the encoded set */
static const char partial_key[] = "partial"; /* {until} */

/* ---- Reading ---- */

struct reading {
	struct tables *tables;
	unsigned table;
	struct buf row;
	struct trouble *trouble;
};

/* 1: the row is there and the cursor behind its version; 0: it was never written; -1: trouble. */
static int
find(struct reading *r, const char *key, struct cur *c)
{
	buf_clear(&r->row);
	if (!tables_get(r->tables, r->table, key, strlen(key), &r->row))
		return 0;
	*c = cur_make(r->row.data, r->row.len);
	uint8_t version = cur_u8(c);
	if (version == ROW_VERSION)
		return 1;
	return trouble_say(r->trouble, NULL,
	    "the store was written by %s program: its format is %u, this program's is %u",
	    version < ROW_VERSION ? "an older" : "a newer", version, ROW_VERSION);
}

static int
check(struct reading *r, const char *key, bool whole)
{
	return whole ? 0
		     : trouble_say(r->trouble, "damaged-row",
			   "the store is damaged: its row %s is malformed", key);
}

static struct uuid
get_uuid(struct cur *c)
{
	struct uuid id = {{0}};
	const uint8_t *bytes = cur_take(c, sizeof(id.bytes));
	if (bytes != NULL)
		memcpy(id.bytes, bytes, sizeof(id.bytes));
	return id;
}

static int
load_pledge(struct reading *r, struct meta *out)
{
	struct cur c;
	int found = find(r, pledge_key, &c);
	if (found <= 0)
		return found;
	out->pledge.promised = epoch_get(&c);
	out->pledge.yielded = epoch_get(&c);
	out->pledge.incarnation = get_uuid(&c);
	out->pledge.formerly = get_uuid(&c);
	out->pledge.began = epoch_get(&c);
	return check(r, pledge_key, cur_end(&c));
}

static int
load_applied(struct reading *r, struct meta *out)
{
	struct cur c;
	int found = find(r, applied_key, &c);
	if (found <= 0)
		return found;
	out->applied = position_get(&c);
	return check(r, applied_key, cur_end(&c));
}

static int
load_set(struct reading *r, struct meta *out)
{
	struct cur c;
	int found = find(r, set_key, &c);
	if (found <= 0)
		return found;
	return check(r, set_key, set_decode(c.at, (size_t)(c.end - c.at), &out->set) == 0);
}

static int
load_partial(struct reading *r, struct meta *out)
{
	struct cur c;
	int found = find(r, partial_key, &c);
	if (found <= 0)
		return found;
	out->partial_until = cur_u64(&c);
	return check(r, partial_key, cur_end(&c));
}

int
meta_load(struct tables *t, unsigned table, struct meta *out, struct trouble *trouble)
{
	struct reading r = {.tables = t, .table = table, .trouble = trouble};
	*out = (struct meta){0};
	bool good = load_pledge(&r, out) == 0 && load_applied(&r, out) == 0 &&
		    load_set(&r, out) == 0 && load_partial(&r, out) == 0;
	buf_free(&r.row);
	return good ? 0 : -1;
}

/* ---- Writing ---- */

static struct buf
start_row(void)
{
	struct buf row = {0};
	buf_u8(&row, ROW_VERSION);
	return row;
}

static void
finish_row(struct tables *t, DB_TXN *txn, unsigned table, const char *key, struct buf *row)
{
	tables_put(t, txn, table, key, strlen(key), row->data, row->len);
	buf_free(row);
}

void
meta_save_pledge(struct tables *t, DB_TXN *txn, unsigned table, const struct core_pledge *pledge)
{
	struct buf row = start_row();
	epoch_put(&row, pledge->promised);
	epoch_put(&row, pledge->yielded);
	buf_add(&row, pledge->incarnation.bytes, sizeof(pledge->incarnation.bytes));
	buf_add(&row, pledge->formerly.bytes, sizeof(pledge->formerly.bytes));
	epoch_put(&row, pledge->began);
	finish_row(t, txn, table, pledge_key, &row);
}

void
meta_save_applied(struct tables *t, DB_TXN *txn, unsigned table, struct position applied)
{
	struct buf row = start_row();
	position_put(&row, applied);
	finish_row(t, txn, table, applied_key, &row);
}

void
meta_save_set(struct tables *t, DB_TXN *txn, unsigned table, const void *encoded, size_t len)
{
	struct buf row = start_row();
	buf_add(&row, encoded, len);
	finish_row(t, txn, table, set_key, &row);
}

void
meta_save_partial(struct tables *t, DB_TXN *txn, unsigned table, uint64_t until)
{
	struct buf row = start_row();
	buf_u64(&row, until);
	finish_row(t, txn, table, partial_key, &row);
}
