#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/log.h"
#include "fcgi/store/aside.h"
#include "fcgi/store/inside.h"

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

/* Everything but the memory of the store itself. 0, or -1 with the trouble. */
static int
open_parts(struct store *s, const char *dir, const char *const names[], unsigned count,
    uint64_t cache_bytes, struct trouble *trouble)
{
	struct meta meta;
	s->env = env_open(dir, cache_bytes, trouble);
	if (s->env == NULL)
		return -1;
	s->tables = tables_open(s->env, dir, names, count, trouble);
	if (s->tables == NULL)
		goto no_tables;
	if (meta_load(s->tables, TABLE_META, &meta, trouble) != 0)
		goto no_meta;
	s->applied = meta.applied;
	s->partial_until = meta.partial_until;
	if (oplog_init(&s->log, s->tables, TABLE_LOG, meta.applied, trouble) == 0)
		return 0;
	oplog_destroy(&s->log);

no_meta:
	tables_close(s->tables);
no_tables:
	env_close(s->env);
	return -1;
}

struct store *
store_try_open(const char *dir, const char *const tables[], unsigned table_count,
    uint64_t cache_bytes, struct trouble *trouble)
{
	const char *names[OWN_TABLES + STORE_TABLES_MAX] = {"meta", "log"};
	if (table_count > STORE_TABLES_MAX) {
		trouble_say(trouble, NULL, "a store has at most %d tables", STORE_TABLES_MAX);
		return NULL;
	}
	memcpy(names + OWN_TABLES, tables, table_count * sizeof(*tables));
	struct store *s = xcalloc(1, sizeof(*s));
	if (open_parts(s, dir, names, OWN_TABLES + table_count, cache_bytes, trouble) != 0) {
		free(s);
		return NULL;
	}
	env_opened(s->env);
	init_lock(s);
	s->dir = xstrdup(dir);
	s->view = (struct view){.get = view_get, .scan = view_scan, .ctx = s->tables};
	s->set_aside_ms = aside_last(dir, s->set_aside_reason);
	return s;
}

struct store *
store_open(const char *dir, const char *const tables[], unsigned table_count, uint64_t cache_bytes,
    char *error, size_t error_size)
{
	struct trouble trouble = {0};
	struct store *s = store_try_open(dir, tables, table_count, cache_bytes, &trouble);
	if (s == NULL)
		snprintf(error, error_size, "%s", trouble.sentence);
	return s;
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
	free(s->dir);
	free(s);
}

/* ---- What the protocol starts from ---- */

struct entry *
store_entry(struct store *s, uint64_t seq)
{
	return oplog_entry(&s->log, seq);
}

/* Opening has checked that there are no holes. */
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
	struct meta meta;
	struct trouble trouble = {0};
	if (meta_load(s->tables, TABLE_META, &meta, &trouble) != 0)
		log_fatal("store: %s", trouble.sentence);
	*out = (struct core_durable){
	    .pledge = meta.pledge,
	    .last = meta.applied,
	    .applied = meta.applied,
	    .set = meta.set,
	    .partial_until = meta.partial_until,
	};
	load_tail(s, out);
}

/* ---- Writing (the replicator's thread) ---- */

void
store_save(struct store *s, const struct core_pledge *pledge)
{
	DB_TXN *txn = tables_begin(s->tables);
	meta_save_pledge(s->tables, txn, TABLE_META, pledge);
	tables_commit(txn);
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
	uint64_t from = clock_ns();
	env_flush(s->env);
	histogram_add(&s->flush_took, &histogram_seconds, clock_ns() - from);
}

static _Noreturn void
refuse_effects(uint64_t seq, const char *why)
{
	if (seq == 0)
		log_fatal("store: a copied row %s", why);
	log_fatal("store: entry %" PRIu64 " %s", seq, why);
}

void
store_write_effects(struct store *s, DB_TXN *txn, const void *effects, size_t len, uint64_t seq)
{
	struct cur c = cur_make(effects, len);
	for (struct effect f; effect_next(&c, &f);) {
		unsigned table = OWN_TABLES + f.table;
		if (table >= tables_count(s->tables))
			refuse_effects(seq, "writes a table that does not exist");
		if (f.is_delete)
			tables_delete(s->tables, txn, table, f.key, f.key_len);
		else
			tables_put(s->tables, txn, table, f.key, f.key_len, f.value, f.value_len);
	}
	if (!cur_ok(&c))
		refuse_effects(seq, "is malformed");
}

static void
apply_set(struct store *s, DB_TXN *txn, const struct entry *e)
{
	struct set set;
	if (set_decode(e->effects, e->effects_len, &set) != 0)
		log_fatal("store: entry %" PRIu64 " holds no replica set", e->at.seq);
	meta_save_set(s->tables, txn, TABLE_META, e->effects, e->effects_len);
}

static void
apply_entry(struct store *s, DB_TXN *txn, const struct entry *e)
{
	if (e->kind == ENTRY_SET)
		apply_set(s, txn, e);
	else
		store_write_effects(s, txn, e->effects, e->effects_len, e->at.seq);
}

/* The copied tables are exact from here on. */
static void
end_partial(struct store *s, DB_TXN *txn, uint64_t applied)
{
	if (s->partial_until == 0 || applied < s->partial_until)
		return;
	s->partial_until = 0;
	meta_save_partial(s->tables, txn, TABLE_META, 0);
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
		apply_entry(s, txn, entries[i]);
		applied = entries[i]->at;
	}
	meta_save_applied(s->tables, txn, TABLE_META, applied);
	end_partial(s, txn, applied.seq);
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

uint64_t
store_log_size(struct store *s, uint64_t *entries)
{
	uint64_t first = store_log_first(s);
	*entries = first == 0 ? 0 : atomic_load(&s->log.last) - first + 1;
	return atomic_load(&s->log.bytes);
}

/* Left at 0 when it does not say. */
static void
ask_file_system(const char *dir, struct store_stats *out)
{
	struct statvfs fs;
	if (statvfs(dir, &fs) != 0)
		return;
	out->disk_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
	out->disk_free = (uint64_t)fs.f_bavail * fs.f_frsize;
}

void
store_stats(struct store *s, struct store_stats *out)
{
	*out = (struct store_stats){
	    .log_first = store_log_first(s),
	    .log_last = atomic_load(&s->log.last),
	    .bytes = env_bytes(s->env),
	    .flush_took = &s->flush_took,
	    .set_aside_ms = s->set_aside_ms,
	};
	ask_file_system(s->dir, out);
	memcpy(out->set_aside_reason, s->set_aside_reason, sizeof(out->set_aside_reason));
}
