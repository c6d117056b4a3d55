/*
 * A handle: which segment this process has mapped. For fcgi/cache/ only.
 *
 * Every call uses the mapping under a process-private read lock, so that cache_reopen can replace
 * it and no thread is left in memory that is no longer there.
 */
#ifndef BAZAR_CACHE_HANDLE_H
#define BAZAR_CACHE_HANDLE_H

#include <pthread.h>
#include <sys/types.h>

#include "fcgi/cache/segment.h"

struct cache {
	pthread_rwlock_t map_lock;
	struct segment segment;
	char *name; /* NULL: the caller's memory */
	dev_t dev;  /* which file is mapped: its name may have gone to another */
	ino_t ino;
	struct cache_geometry geometry; /* for a segment made by cache_reopen */
	bool may_create;
	bool front; /* waits for nobody, counts no misses */
};

/* Whether a segment is mapped and can be used. One whose name is gone or leads elsewhere is marked
 * dead, for others may be at a new one already. */
bool handle_alive(struct cache *c);

#endif
