/* What the files that make up the store share. */
#ifndef BAZAR_STORE_INSIDE_H
#define BAZAR_STORE_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "fcgi/base/histogram.h"
#include "fcgi/store/meta.h"
#include "fcgi/store/oplog.h"
#include "fcgi/store/store.h"

/* The store's own tables come first; the service's table n is table OWN_TABLES + n. */
enum { TABLE_META, TABLE_LOG, OWN_TABLES };

struct store {
	char *dir;
	struct env *env;
	struct tables *tables;
	struct oplog log;
	struct view view;
	pthread_rwlock_t lock;   /* the service's tables and `applied`; never held over an fsync */
	struct position applied; /* changed by the writer only, under the lock */
	uint64_t partial_until;  /* the writer's: as in core_durable */
	struct histogram flush_took; /* nanoseconds */
	uint64_t set_aside_ms;       /* see struct store_stats */
	char set_aside_reason[STORE_REASON];
};

/* NULL with the trouble. */
struct store *store_try_open(const char *dir, const char *const tables[], unsigned table_count,
    uint64_t cache_bytes, struct trouble *trouble);

/* Writes the rows of a list of effects: those of entry `seq`, or copied ones (0). Ends the process
 * when it is malformed or names a table that does not exist. */
void store_write_effects(
    struct store *s, DB_TXN *txn, const void *effects, size_t len, uint64_t seq);

#endif
