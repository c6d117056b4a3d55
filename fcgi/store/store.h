/*
 * A replica's store: one Berkeley DB environment, opened by one process only (flock), with the
 * replication log, the protocol's own few facts, and the service's tables.
 *
 * Who may call what
 *  - One thread, the replicator, writes: save, append, truncate, flush, apply, prune, load; and
 * dumps.
 *  - Any thread reads between store_read_begin and store_read_end: a shared lock that store_apply
 * takes exclusively, so that all rows read in between belong to one applied_seq. No fsync happens
 * under it.
 *  - A background thread checkpoints every second.
 *
 * Errors: opening reports one clear sentence. Afterwards every failed write, read or fsync ends
 * the process (log_fatal): a store that may be lying must not go on; recovery runs at the next
 * start.
 */
#ifndef BAZAR_STORE_STORE_H
#define BAZAR_STORE_STORE_H

#include <stdint.h>

#include "fcgi/base/histogram.h"
#include "fcgi/store/view.h"
#include "replica/core/core.h"

struct store;

#define STORE_TABLES_MAX 16
#define STORE_REASON 40 /* with the NUL */

/*
 * Opens (creates, recovers) the environment in `dir`. `tables` names the service's tables; an
 * effect's table number is its index here. NULL on failure, with the reason in `error`.
 */
struct store *store_open(const char *dir, const char *const tables[], unsigned table_count,
    uint64_t cache_bytes, char *error, size_t error_size);
void store_close(struct store *s); /* flushes, checkpoints */

/*
 * The same for a worker, which has a peer to get everything from: a store that is certainly damaged
 * is set aside, and so is half a copy; then the process ends with EXIT_ANEW, to be started again
 * with an empty store.
 */
struct store *store_open_or_abandon(const char *dir, const char *const tables[],
    unsigned table_count, uint64_t cache_bytes, char *error, size_t error_size);

/* This store is of no use any more, for this reason (a few words): logs that, sets it aside, and
 * ends the process with EXIT_ANEW. Any thread. */
_Noreturn void store_abandon(struct store *s, const char *reason);

/* What the protocol needs to start. Allocates durable->tail and its entries (the core takes them
 * over). Before the first write. */
void store_load(struct store *s, struct core_durable *out);

/* The writer's calls; none is durable before store_flush returns. */
void store_save(struct store *s, const struct core_pledge *pledge);
void store_append(struct store *s, struct entry *const *entries, size_t count);
void store_truncate(struct store *s, uint64_t from_seq);
void store_flush(struct store *s);
/* One transaction: rows, applied_seq, the replica set when entries change it, and the end of a
 * partial store once it is reached. */
void store_apply(struct store *s, struct entry *const *entries, size_t count);
void store_prune(
    struct store *s, uint64_t below_seq); /* drops applied log entries with seq < below_seq */

/*
 * Copying a whole store. At the source, the tables in pieces, in key order: store_dump appends
 * rows, as effects that put them, as they are applied now: about `max` bytes, but at least one row
 * when there is one. *cursor (empty at first) becomes where to go on; false: that was the last.
 *
 * At the destination, which has no log: rows go in, each call one transaction; from the first one
 * on the store is partial (core_durable.partial_until is UINT64_MAX). store_load_end says what they
 * are worth: the log goes on after `base`, and the tables are exact once `until` is applied.
 */
bool store_dump(struct store *s, struct buf *cursor, size_t max, struct buf *rows);
void store_load_rows(struct store *s, const void *rows, size_t len);
void store_load_end(struct store *s, struct position base, uint64_t until, const struct set *set);

/* Entry `seq` of the log, or NULL. Any thread. Caller frees. */
struct entry *store_entry(struct store *s, uint64_t seq);

/* A consistent read; returns applied_seq. Keep it short: an apply waits for it. */
uint64_t store_read_begin(struct store *s);
void store_read_end(struct store *s);
const struct view *store_view(struct store *s);

uint64_t store_log_first(struct store *s); /* the oldest seq the log still has. Any thread. */
/* Bytes of the log's entries, and how many they are. The writer. */
uint64_t store_log_size(struct store *s, uint64_t *entries);

/* Asks the file system for `bytes`: for people and metrics, not for a hot path. Any thread. */
struct store_stats {
	uint64_t log_first, log_last;   /* seqs held */
	uint64_t bytes;                 /* on disk */
	uint64_t disk_bytes, disk_free; /* of the file system it is on; free: for us */
	const struct histogram
	    *flush_took; /* histogram_seconds; since start, as long as the store */
	/* The store that this one stands in for, while it is kept: when it was set aside
	 * (milliseconds since 1970; 0: there is none), and why. */
	uint64_t set_aside_ms;
	char set_aside_reason[STORE_REASON];
};
void store_stats(struct store *s, struct store_stats *out);

#endif
