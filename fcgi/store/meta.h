/*
 * The protocol's own few facts, one row each in the table `meta`: what was promised to whom, what
 * the tables hold, and the replica set as of then.
 */
#ifndef BAZAR_STORE_META_H
#define BAZAR_STORE_META_H

#include "fcgi/store/tables.h"
#include "replica/core/core.h"
#include "replica/core/entry.h"

struct meta {
	struct core_pledge pledge;
	struct position applied;
	struct set set;         /* as of `applied`; .count 0: none */
	uint64_t partial_until; /* 0: the tables are exact */
};

/* All rows; what was never written is zero. 0, or -1 with the trouble. */
int meta_load(struct tables *t, unsigned table, struct meta *out, struct trouble *trouble);

/* Each writes one row within a transaction. */
void meta_save_pledge(
    struct tables *t, DB_TXN *txn, unsigned table, const struct core_pledge *pledge);
void meta_save_applied(struct tables *t, DB_TXN *txn, unsigned table, struct position applied);
void meta_save_set(struct tables *t, DB_TXN *txn, unsigned table, const void *encoded, size_t len);
void meta_save_partial(struct tables *t, DB_TXN *txn, unsigned table, uint64_t until);

#endif
