/* A store in a directory of its own, and a stand-in for the protocol: a log of one replica. */
#ifndef BAZAR_TESTS_FIXTURE_H
#define BAZAR_TESTS_FIXTURE_H

#include "fcgi/store/store.h"

#define FIXTURE_BATCH 64

struct fixture {
	char dir[64];
	const char *const *tables;
	unsigned table_count;
	struct store *store;
	struct position last; /* end of the log */
	uint64_t time_ms;     /* of the next entries */
	struct entry *batch[FIXTURE_BATCH];
	size_t batch_count;
	struct outcome out; /* of the operation decided last; its answer also when it was kept */
};

void fixture_open(struct fixture *f, const char *const tables[], unsigned table_count);
/* NULL and *error when the store cannot be opened. */
struct store *fixture_try_open(struct fixture *f, char *error, size_t error_size);
void fixture_reopen(struct fixture *f); /* closes, opens, recovers */
/* With the catalog's tables; its rules in *m, for catalog_free(m->ctx). */
void fixture_open_catalog(struct fixture *f, struct machine *m);
void fixture_close(struct fixture *f); /* and removes the directory */

/* The next entry of the log, not appended. Caller frees. */
struct entry *fixture_entry(struct fixture *f, const struct uuid *op_id, const struct outcome *out);

/* Decides an operation on top of the batch's others; its entry joins the batch. */
void fixture_decide(struct fixture *f, const struct machine *m, const struct uuid *id, uint8_t kind,
    const struct buf *args);
/* Appends and applies the batch (no test outlives its process, so none waits for the disk). */
void fixture_commit(struct fixture *f);

/* A batch of one; returns whether the operation had been decided before. Clears *args. */
bool fixture_run(struct fixture *f, const struct machine *m, const struct uuid *id, uint8_t kind,
    struct buf *args);

/* Whether the last outcome touched the key, and how many it touched. */
bool fixture_touched(const struct fixture *f, uint64_t key);
size_t fixture_touched_count(const struct fixture *f);

/* Runs `child` in a process of its own, silently; returns its wait status. */
int fixture_fork(void (*child)(void *arg), void *arg);

#endif
