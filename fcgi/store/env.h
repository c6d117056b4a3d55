/*
 * The Berkeley DB environment of one store: its directory and who may open it, recovery, the log,
 * checkpoints, and what its errors mean to people.
 *
 * No locking subsystem (DB_INIT_LOCK): the store has one writer, and its own two rwlocks keep
 * readers away from it, so page locks would only cost time and limits. DB_PRIVATE: no other process
 * may look inside, hence no region files; the memory is the process's own.
 */
#ifndef BAZAR_STORE_ENV_H
#define BAZAR_STORE_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <db.h>

#include "fcgi/store/trouble.h"

struct env;

/* Locks `dir` (created with mode 0700 when missing) against other processes, until the descriptor
 * is closed. -1 with the trouble. */
int env_lock(const char *dir, struct trouble *trouble);

/*
 * Locks `dir` and recovers what a crash left. NULL on failure, with the trouble.
 */
struct env *env_open(const char *dir, uint64_t cache_bytes, struct trouble *trouble);
void env_close(struct env *e); /* checkpoints, so that the next start has nothing to recover */

/* From here on this process writes no more to the store than its threads ask for. */
void env_stop_checkpoints(struct env *e);

DB_ENV *env_handle(struct env *e);

/* Something was flushed here before this process came. */
bool env_has_history(const struct env *e);

/* Everything committed so far is on disk when this returns. One thread. */
void env_flush(struct env *e);

/* The store is whole. Until now errors were kept for the sentence of a failed open; from now on
 * they are logged and final. Starts the checkpoint thread. */
void env_opened(struct env *e);
/* The trouble behind Berkeley DB's error code `rc`, while opening. Always returns -1. */
int env_explain(const struct env *e, int rc, struct trouble *trouble);

/* Ends the process unless rc is 0: after opening, every error is final. */
void env_check(int rc, const char *doing);

uint64_t env_bytes(const struct env *e); /* on disk, logs included */

#endif
