/*
 * The courier brings every order to its end: it takes PENDING orders to the catalog, and what the
 * catalog has stored about them back into the order log. Nothing else ends an order. There is one
 * mechanism for all of them, whether their buyer waits, gave up, or was forgotten in a crash.
 *
 *     courier_buy -> ORDER_BEGIN -> queue -> POST /peer/reserve -> ORDER_END -> the buyer is told
 *                    sweep of PENDING orders -^
 *
 * What it does when is decided in errands.h; here are its threads, its lock and its HTTP. One
 * thread goes to the catalog, the other watches (am I primary? is the catalog able to write, and
 * which of its replicas is primary? which PENDING orders are in nobody's hand?). Both idle unless
 * this replica is primary; when it no longer is, the orders in hand are left to the one that is.
 */
#ifndef BAZAR_COURIER_H
#define BAZAR_COURIER_H

#include "fcgi/order/errands.h"
#include "replica/replica.h"

#define COURIER_CATALOG_WAIT_MS 2000 /* a buy waits this long for a catalog that can't write */
#define COURIER_SWEEP_MAX 1024       /* orders; the others' turn comes when these have ended */

struct courier_config {
	struct replica *replica;
	struct store *store;
	const struct nodes *nodes; /* the catalog's replicas are among them */
	const char *secret;        /* sent as X-Bazar-Secret */
	unsigned deadline_ms;      /* a buyer is told by then, give or take 100 ms */
};

struct courier;

/* The configuration's strings are copied. */
struct courier *courier_start(const struct courier_config *config);

/*
 * Stops the threads and sends waiting buyers away (COURIER_PENDING or COURIER_UNKNOWN). Answers of
 * operations under way may still arrive, so the order at the end is: courier_stop, replica_stop,
 * courier_free.
 */
void courier_stop(struct courier *c);
void courier_free(struct courier *c);

/* A purchase; the caller's memory, which is left alone from the call of `told` on. */
struct purchase {
	struct buyer buyer; /* filled in when told; its order is to be freed */
	/* Once, on any thread, also on the caller's before courier_buy returns; must not block. */
	void (*told)(struct purchase *p);
};

/*
 * Buy the order `wanted`: id, lines, fingerprint; it stays the caller's. The same id again is the
 * same order. Any thread; returns at once, unless the catalog can't write: then it may wait for
 * that, and for a clean read.
 */
void courier_buy(struct courier *c, const struct order *wanted, struct purchase *p);

struct courier_stats {
	struct errands_stats errands;
	bool catalog_writable;
	/* The last look for PENDING orders: when (since 1970; 0: never), how many it found
	 * (COURIER_SWEEP_MAX: or more), and for how long the oldest of them had been there. */
	uint64_t swept_ms;
	size_t pending;
	uint64_t oldest_ms;
};

void courier_stats(struct courier *c, struct courier_stats *out);

#endif
