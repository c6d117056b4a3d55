/*
 * The replication log in its table: entries by seq, without holes. One writer; any thread reads. A
 * lock of its own, never held over an fsync, keeps readers off half-written transactions.
 */
#ifndef BAZAR_STORE_OPLOG_H
#define BAZAR_STORE_OPLOG_H

#include <pthread.h>
#include <stdatomic.h>

#include "fcgi/store/tables.h"
#include "replica/core/entry.h"

struct oplog {
	struct tables *tables;
	unsigned table;
	pthread_rwlock_t lock;
	/* Changed by the writer only. */
	_Atomic uint64_t first, last; /* 0: empty */
	_Atomic uint64_t bytes;       /* of all entries */
};

/* Reads the whole log: entries without holes, each as it was made, that go on from `applied` or
 * reach it. 0, or -1 with the trouble; destroy it in any case. */
int oplog_init(struct oplog *o, struct tables *tables, unsigned table, struct position applied,
    struct trouble *trouble);
void oplog_destroy(struct oplog *o);

/* NULL when it is not there. A damaged one ends the process. */
struct entry *oplog_entry(struct oplog *o, uint64_t seq);

/* The entries follow the last one, which is `last` when the table is empty. */
void oplog_append(struct oplog *o, uint64_t last, struct entry *const *entries, size_t count);
void oplog_truncate(struct oplog *o, uint64_t from_seq); /* drops entries with seq >= from_seq */
void oplog_prune(struct oplog *o, uint64_t below_seq);   /* drops entries with seq < below_seq */

#endif
