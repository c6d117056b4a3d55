/*
 * The courier's inside, shared by its files:
 *   courier.c        buying, starting, stopping     courier_drive.c  the thread that goes to the
 *   hands.[ch]       the orders in hand                              catalog and ends orders
 *   courier_watch.c  the thread that watches the catalog and sweeps
 *
 * LOCK ORDER. The courier's mutex, then a bell's; whoever holds the first calls nothing but
 * hands_*. Done callbacks take it where the replica gives its answers, so nobody may hold it for
 * long.
 */
#ifndef BAZAR_COURIER_INSIDE_H
#define BAZAR_COURIER_INSIDE_H

#include "fcgi/order/hands.h"

#define COURIER_ADDRESS 64
#define COURIER_SECRET 128
#define COURIER_PAUSE_MS 100 /* after a trip that failed; doubled up to the next */
#define COURIER_PAUSE_MAX_MS 1000

struct courier {
	struct replica *replica;
	struct store *store;
	char catalog[COURIER_ADDRESS];
	char secret[COURIER_SECRET];
	unsigned deadline_ms;
	pthread_t driver, watcher;

	pthread_mutex_t lock; /* over all that follows */
	bool stopping;
	struct hands hands;
	pthread_cond_t work; /* for the driver: queue, not_before, stopping */
	uint64_t not_before; /* when the next trip may start */
	unsigned pause_ms;   /* what the next failure adds */

	pthread_cond_t catalog_news; /* for buyers: writable, stopping */
	bool writable;               /* the catalog, as last heard */
	uint64_t heard_ms;           /* when it last decided a reservation */
	pthread_cond_t watch;        /* for the watcher: stopping */

	struct courier_stats stats;
};

/* All with the lock held. */
void courier_enqueue(struct courier *c, struct hand *h);
void courier_over(struct courier *c, struct hand *h, enum courier_result result); /* h is gone */
void courier_heard(struct courier *c, bool writable); /* what the catalog says of itself */
void courier_pause(struct courier *c);                /* a trip failed */

void *courier_drive(void *courier);
void *courier_watch(void *courier);

#endif
