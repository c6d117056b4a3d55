/*
 * The courier's inside, shared by its files:
 *   errands.[ch], hands.[ch]  what to do: no threads       courier_drive.c  the thread that goes to
 *   courier.c                 buying, starting, stopping                    the catalog
 *   courier_watch.c  the thread that watches and sweeps    catalogs.[ch]    whom both ask
 *
 * LOCK. Callbacks of the log take it where the replica gives its answers, so nobody may hold it for
 * long: whoever has it calls nothing but errands_*. Buyers are told, and threads woken, after it
 * was let go.
 */
#ifndef BAZAR_COURIER_INSIDE_H
#define BAZAR_COURIER_INSIDE_H

#include <pthread.h>

#include "fcgi/order/catalogs.h"
#include "fcgi/order/courier.h"

struct courier {
	struct replica *replica;
	struct store *store;
	unsigned deadline_ms;
	struct catalog_calls reserve; /* the driver's */
	struct catalog_calls status;  /* the watcher's */
	pthread_t driver, watcher;

	pthread_mutex_t lock; /* over all that follows */
	bool stopping;
	struct errands *errands;
	struct catalogs catalogs;
	pthread_cond_t work;         /* for the driver: trip_at, stopping */
	uint64_t rests_until;        /* the driver sleeps until then; 0: it is awake */
	bool writable;               /* what errands_writable was when the lock was let go last */
	pthread_cond_t catalog_news; /* for those who wait to begin: writable, stopping */
	pthread_cond_t watch;        /* for the watcher: stopping */
	struct courier_stats swept;  /* what it says of the last sweep */
};

void courier_enter(struct courier *c);
/* Lets go of the lock; wakes whom it concerns, tells the buyers that are to be told. */
void courier_leave(struct courier *c);

void *courier_drive(void *courier);
void *courier_watch(void *courier);

#endif
