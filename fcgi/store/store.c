#include "fcgi/store/store.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fcgi/base/xalloc.h"
#include "fcgi/log.h"
#include "fcgi/store/oplog.h"
#include "fcgi/store/tables.h"

#define ROW_VERSION 1

/* The store's own tables come first; the service's table n is table OWN_TABLES + n. */
enum { TABLE_META, TABLE_LOG, OWN_TABLES };

/* Rows of TABLE_META. */
static const char promised_key[] = "promised"; /* {epoch, incarnation} */
static const char applied_key[] = "applied";   /* {epoch, seq} */

struct store {
	struct env *env;
	struct tables *tables;
	struct oplog log;
	struct view view;
	pthread_rwlock_t lock;   /* the service's tables and `applied`; never held over an fsync */
	struct position applied; /* changed by the writer only, under the lock */
	_Atomic uint64_t flushes, flush_nanoseconds;
};

/* ---- Rows of the store's own tables ---- */

/* A row of TABLE_META into *row, its version read; false when it was never written. */
static bool
meta_get(struct store *s, const char *key, struct buf *row, struct cur *c)
{
	if (!tables_get(s->tables, TABLE_META, key, strlen(key), row))
		return false;
	*c = cur_make(row->data, row->len);
	if (cur_u8(c) != ROW_VERSION)
		log_fatal("store: row %s is of another version", key);
	return true;
}

static void
meta_put(struct store *s, DB_TXN *txn, const char *key, const struct buf *row)
{
	tables_put(s->tables, txn, TABLE_META, key, strlen(key), row->data, row->len);
}

static struct position
load_applied(struct store *s)
{
	struct position applied = {0};
	struct buf row = {0};
	struct cur c;
	if (meta_get(s, applied_key, &row, &c)) {
		applied = position_get(&c);
		if (!cur_end(&c))
			log_fatal("store: row %s is malformed", applied_key);
	}
	buf_free(&row);
	return applied;
}

static void
save_applied(struct store *s, DB_TXN *txn, struct position applied)
{
	struct buf row = {0};
	buf_u8(&row, ROW_VERSION);
	position_put(&row, applied);
	meta_put(s, txn, applied_key, &row);
	buf_free(&row);
}

/* ---- Opening, closing ---- */

static bool
view_get(void *ctx, uint8_t table, const void *key, size_t len, struct buf *value)
{
	return tables_get(ctx, OWN_TABLES + table, key, len, value);
}

static void
view_scan(void *ctx, uint8_t table, const void *from, size_t len, view_visit visit, void *arg)
{
	tables_scan(ctx, OWN_TABLES + table, from, len, visit, arg);
}

/* An apply waits for the readers it finds, never for those who come later. */
static void
init_lock(struct store *s)
{
	pthread_rwlockattr_t attr;
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&s->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
}

struct store *
store_open(const char *dir, const char *const tables[], unsigned table_count, uint64_t cache_bytes,
    char *error, size_t error_size)
{
	const char *names[OWN_TABLES + STORE_TABLES_MAX] = {"meta", "log"};
	if (table_count > STORE_TABLES_MAX) {
		snprintf(error, error_size, "a store has at most %d tables", STORE_TABLES_MAX);
		return NULL;
	}
	memcpy(names + OWN_TABLES, tables, table_count * sizeof(*tables));
	struct store *s = xcalloc(1, sizeof(*s));
	s->env = env_open(dir, cache_bytes, error, error_size);
	if (s->env == NULL)
		goto no_env;
	s->tables = tables_open(s->env, dir, names, OWN_TABLES + table_count, error, error_size);
	if (s->tables == NULL)
		goto no_tables;
	env_opened(s->env);
	init_lock(s);
	s->view = (struct view){.get = view_get, .scan = view_scan, .ctx = s->tables};
	s->applied = load_applied(s);
	oplog_init(&s->log, s->tables, TABLE_LOG);
	return s;

no_tables:
	env_close(s->env);
no_env:
	free(s);
	return NULL;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	env_flush(s->env);
	tables_close(s->tables);
	env_close(s->env);
	oplog_destroy(&s->log);
	pthread_rwlock_destroy(&s->lock);
	free(s);
}

/* ---- What the protocol starts from ---- */

struct entry *
store_entry(struct store *s, uint64_t seq)
{
	return oplog_entry(&s->log, seq);
}

/* Transactions are recovered in their order, so whatever survives a crash is some moment of the
 * past: a log without holes that reaches at least to `applied`. Anything else is damage. */
static void
load_tail(struct store *s, struct core_durable *out)
{
	uint64_t last = atomic_load(&s->log.last);
	if (last <= s->applied.seq)
		return;
	out->tail_count = last - s->applied.seq;
	out->tail = xcalloc(out->tail_count, sizeof(struct entry *));
	for (size_t i = 0; i < out->tail_count; i++) {
		struct entry *e = store_entry(s, s->applied.seq + 1 + i);
		if (e == NULL || !position_equal(e->prev, out->last))
			log_fatal("store: the log has a hole after entry %" PRIu64, out->last.seq);
		out->tail[i] = e;
		out->last = e->at;
	}
}

void
store_load(struct store *s, struct core_durable *out)
{
	*out = (struct core_durable){.applied = s->applied, .last = s->applied};
	struct buf row = {0};
	struct cur c;
	if (meta_get(s, promised_key, &row, &c)) {
		out->promised = epoch_get(&c);
		const uint8_t *id = cur_take(&c, sizeof(out->incarnation.bytes));
		if (!cur_end(&c))
			log_fatal("store: row %s is malformed", promised_key);
		memcpy(out->incarnation.bytes, id, sizeof(out->incarnation.bytes));
	}
	buf_free(&row);
	load_tail(s, out);
}

/* ---- Writing (the replicator's thread) ---- */

void
store_save(struct store *s, struct epoch promised, const struct uuid *incarnation)
{
	struct buf row = {0};
	buf_u8(&row, ROW_VERSION);
	epoch_put(&row, promised);
	buf_add(&row, incarnation->bytes, sizeof(incarnation->bytes));
	DB_TXN *txn = tables_begin(s->tables);
	meta_put(s, txn, promised_key, &row);
	tables_commit(txn);
	buf_free(&row);
}

void
store_append(struct store *s, struct entry *const *entries, size_t count)
{
	if (count > 0)
		oplog_append(&s->log, s->applied.seq, entries, count);
}

void
store_truncate(struct store *s, uint64_t from_seq)
{
	if (from_seq <= s->applied.seq)
		log_fatal("store: asked to drop applied entry %" PRIu64, from_seq);
	oplog_truncate(&s->log, from_seq);
}

void
store_prune(struct store *s, uint64_t below_seq)
{
	uint64_t applied = s->applied.seq;
	oplog_prune(&s->log, below_seq <= applied ? below_seq : applied + 1);
}

void
store_flush(struct store *s)
{
	struct timespec from, to;
	clock_gettime(CLOCK_MONOTONIC, &from);
	env_flush(s->env);
	clock_gettime(CLOCK_MONOTONIC, &to);
	atomic_fetch_add(&s->flushes, 1);
	int64_t took = (int64_t)(to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec;
	atomic_fetch_add(&s->flush_nanoseconds, (uint64_t)took);
}

static void
apply_effects(struct store *s, DB_TXN *txn, const struct entry *e)
{
	struct cur c = cur_make(e->effects, e->effects_len);
	for (struct effect f; effect_next(&c, &f);) {
		unsigned table = OWN_TABLES + f.table;
		if (table >= tables_count(s->tables))
			log_fatal("store: entry %" PRIu64 " writes table %u, which does not exist",
			    e->at.seq, f.table);
		if (f.is_delete)
			tables_delete(s->tables, txn, table, f.key, f.key_len);
		else
			tables_put(s->tables, txn, table, f.key, f.key_len, f.value, f.value_len);
	}
	if (!cur_ok(&c))
		log_fatal("store: entry %" PRIu64 " is malformed", e->at.seq);
}

void
store_apply(struct store *s, struct entry *const *entries, size_t count)
{
	if (count == 0)
		return;
	pthread_rwlock_wrlock(&s->lock);
	DB_TXN *txn = tables_begin(s->tables);
	struct position applied = s->applied;
	for (size_t i = 0; i < count; i++) {
		if (!position_equal(entries[i]->prev, applied))
			log_fatal("store: entry %" PRIu64 " applied after entry %" PRIu64,
			    entries[i]->at.seq, applied.seq);
		apply_effects(s, txn, entries[i]);
		applied = entries[i]->at;
	}
	save_applied(s, txn, applied);
	tables_commit(txn);
	s->applied = applied;
	pthread_rwlock_unlock(&s->lock);
}

/* ---- Reading (any thread) ---- */

uint64_t
store_read_begin(struct store *s)
{
	pthread_rwlock_rdlock(&s->lock);
	return s->applied.seq;
}

void
store_read_end(struct store *s)
{
	pthread_rwlock_unlock(&s->lock);
}

const struct view *
store_view(struct store *s)
{
	return &s->view;
}

uint64_t
store_log_first(struct store *s)
{
	return atomic_load(&s->log.first);
}

void
store_stats(struct store *s, struct store_stats *out)
{
	*out = (struct store_stats){
	    .flushes = atomic_load(&s->flushes),
	    .flush_nanoseconds = atomic_load(&s->flush_nanoseconds),
	    .log_first = store_log_first(s),
	    .log_last = atomic_load(&s->log.last),
	    .bytes = env_bytes(s->env),
	};
}
