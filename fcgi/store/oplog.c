#include "fcgi/store/oplog.h"

#include <inttypes.h>

#include "fcgi/log.h"

#define PRUNE_STEP 256 /* entries dropped a transaction, so that readers never wait long */

struct seq_key {
	uint8_t bytes[8];
};

/* Big-endian, so that the log's order is the table's. */
static struct seq_key
seq_key(uint64_t seq)
{
	struct seq_key k = {{0}};
	for (int i = 7; i >= 0; i--, seq >>= 8)
		k.bytes[i] = (uint8_t)seq;
	return k;
}

static uint64_t
key_seq(const void *key, size_t len)
{
	struct cur c = cur_make(key, len);
	return cur_u64(&c);
}

/* ---- Opening ---- */

struct check {
	struct position applied;
	uint64_t first, bytes;
	struct position last; /* seq 0: none so far */
	struct trouble *trouble;
};

static int
check_entry(struct check *c, uint64_t seq, const struct entry *e)
{
	if (e == NULL || e->at.seq != seq)
		return trouble_say(c->trouble, "damaged-log",
		    "the store is damaged: log entry %" PRIu64 " is not what was written", seq);
	if (c->last.seq != 0 && !position_equal(e->prev, c->last))
		return trouble_say(c->trouble, "damaged-log",
		    "the store is damaged: its log has a hole between entries %" PRIu64
		    " and %" PRIu64,
		    c->last.seq, seq);
	if ((seq == c->applied.seq && !position_equal(e->at, c->applied)) ||
	    (seq == c->applied.seq + 1 && !position_equal(e->prev, c->applied)))
		return trouble_say(c->trouble, "damaged-log",
		    "the store is damaged: log entry %" PRIu64 " does not belong to the tables",
		    seq);
	return 0;
}

static bool
check_next(void *arg, const uint8_t *key, size_t key_len, const uint8_t *value, size_t value_len)
{
	struct check *c = arg;
	uint64_t seq = key_seq(key, key_len);
	struct entry *e = entry_decode(value, value_len);
	bool good = check_entry(c, seq, e) == 0;
	if (good) {
		c->first = c->first == 0 ? seq : c->first;
		c->last = e->at;
		c->bytes += value_len;
	}
	entry_free(e);
	return good;
}

static int
check_ends(const struct check *c)
{
	uint64_t applied = c->applied.seq;
	if (c->last.seq == 0 || (c->last.seq >= applied && c->first <= applied + 1))
		return 0;
	return trouble_say(c->trouble, "damaged-log",
	    "the store is damaged: its log has entries %" PRIu64 " to %" PRIu64
	    ", and the tables are of entry %" PRIu64,
	    c->first, c->last.seq, applied);
}

int
oplog_init(struct oplog *o, struct tables *tables, unsigned table, struct position applied,
    struct trouble *trouble)
{
	struct check c = {.applied = applied, .trouble = trouble};
	o->tables = tables;
	o->table = table;
	pthread_rwlock_init(&o->lock, NULL);
	tables_scan(tables, table, NULL, 0, check_next, &c);
	atomic_init(&o->first, c.first);
	atomic_init(&o->last, c.last.seq);
	atomic_init(&o->bytes, c.bytes);
	return trouble->sentence[0] == '\0' ? check_ends(&c) : -1;
}

void
oplog_destroy(struct oplog *o)
{
	pthread_rwlock_destroy(&o->lock);
}

struct entry *
oplog_entry(struct oplog *o, uint64_t seq)
{
	struct buf bytes = {0};
	struct entry *e = NULL;
	struct seq_key key = seq_key(seq);
	pthread_rwlock_rdlock(&o->lock);
	bool found = tables_get(o->tables, o->table, key.bytes, sizeof(key.bytes), &bytes);
	pthread_rwlock_unlock(&o->lock);
	if (found) {
		e = entry_decode(bytes.data, bytes.len);
		if (e == NULL || e->at.seq != seq)
			log_fatal("store: log entry %" PRIu64 " is damaged", seq);
	}
	buf_free(&bytes);
	return e;
}

/* The log now holds first .. last; nothing when first > last. */
static void
set_ends(struct oplog *o, uint64_t first, uint64_t last)
{
	bool is_empty = first > last;
	atomic_store(&o->first, is_empty ? 0 : first);
	atomic_store(&o->last, is_empty ? 0 : last);
}

void
oplog_append(struct oplog *o, uint64_t last, struct entry *const *entries, size_t count)
{
	uint64_t first = atomic_load(&o->first);
	if (first != 0)
		last = atomic_load(&o->last);
	uint64_t bytes = 0;
	pthread_rwlock_wrlock(&o->lock);
	DB_TXN *txn = tables_begin(o->tables);
	for (size_t i = 0; i < count; i++) {
		const struct entry *e = entries[i];
		if (e->at.seq != last + 1 + i)
			log_fatal("store: entry %" PRIu64 " appended where %" PRIu64 " belongs",
			    e->at.seq, last + 1 + i);
		struct seq_key key = seq_key(e->at.seq);
		tables_put(
		    o->tables, txn, o->table, key.bytes, sizeof(key.bytes), e->bytes, e->bytes_len);
		bytes += e->bytes_len;
	}
	tables_commit(txn);
	pthread_rwlock_unlock(&o->lock);
	atomic_fetch_add(&o->bytes, bytes);
	set_ends(o, first != 0 ? first : last + 1, last + count);
}

/* Drops entries first .. last in one transaction. */
static void
drop(struct oplog *o, uint64_t first, uint64_t last)
{
	uint64_t bytes = 0;
	pthread_rwlock_wrlock(&o->lock);
	DB_TXN *txn = tables_begin(o->tables);
	for (uint64_t seq = first; seq <= last; seq++) {
		struct seq_key key = seq_key(seq);
		bytes += tables_value_len(o->tables, o->table, key.bytes, sizeof(key.bytes));
		tables_delete(o->tables, txn, o->table, key.bytes, sizeof(key.bytes));
	}
	tables_commit(txn);
	pthread_rwlock_unlock(&o->lock);
	atomic_fetch_sub(&o->bytes, bytes);
}

void
oplog_truncate(struct oplog *o, uint64_t from_seq)
{
	uint64_t first = atomic_load(&o->first), last = atomic_load(&o->last);
	if (last < from_seq)
		return;
	if (from_seq < first)
		from_seq = first;
	drop(o, from_seq, last);
	set_ends(o, first, from_seq - 1);
}

void
oplog_prune(struct oplog *o, uint64_t below_seq)
{
	uint64_t first = atomic_load(&o->first), last = atomic_load(&o->last);
	if (below_seq > last + 1)
		below_seq = last + 1;
	while (first != 0 && first < below_seq) {
		uint64_t end = below_seq - first > PRUNE_STEP ? first + PRUNE_STEP : below_seq;
		drop(o, first, end - 1);
		set_ends(o, end, last);
		first = end;
	}
}
