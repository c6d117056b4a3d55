/*
 * The tables of a store: one B-tree file each, 4 KB pages with checksums. Keys and values are
 * bytes.
 *
 * Neither writer nor readers are protected from each other here: fcgi/store/store.c does that.
 * Every error ends the process, except while opening.
 */
#ifndef BAZAR_STORE_TABLES_H
#define BAZAR_STORE_TABLES_H

#include <stdbool.h>

#include "fcgi/store/env.h"
#include "fcgi/store/view.h"

struct tables;

/*
 * Creates all tables of a new store in one transaction, or opens those of an existing one; then one
 * that is missing is an error, never an empty table. Reads every page once, so that damage shows
 * now and not to a customer. NULL on failure, with the trouble.
 */
struct tables *tables_open(struct env *e, const char *dir, const char *const names[],
    unsigned count, struct trouble *trouble);
void tables_close(struct tables *t);
unsigned tables_count(const struct tables *t);

/* Reading: any thread. As the members of struct view. */
bool tables_get(struct tables *t, unsigned table, const void *key, size_t len, struct buf *value);
size_t tables_value_len(struct tables *t, unsigned table, const void *key, size_t len); /* or 0 */
void tables_scan(
    struct tables *t, unsigned table, const void *from, size_t len, view_visit visit, void *arg);

/* Writing: one thread, between begin and commit. A commit is not durable before env_flush. */
DB_TXN *tables_begin(struct tables *t);
void tables_put(struct tables *t, DB_TXN *txn, unsigned table, const void *key, size_t key_len,
    const void *value, size_t value_len);
void tables_delete(struct tables *t, DB_TXN *txn, unsigned table, const void *key, size_t key_len);
void tables_commit(DB_TXN *txn);

#endif
