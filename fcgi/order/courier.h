/*
 * The courier brings every order to its end: it takes PENDING orders to the catalog, and what the
 * catalog has stored about them back into the order log. Nothing else ends an order. There is one
 * mechanism for all of them, whether their buyer waits, gave up, or was forgotten in a crash.
 *
 *     courier_buy -> ORDER_BEGIN -> queue -> POST /peer/reserve -> ORDER_END -> buyer wakes up
 *                    sweep of PENDING orders -^
 *
 * Two threads of its own: one drives the queue, the other watches (is the catalog able to write?
 * which PENDING orders are in nobody's hand?). Both idle unless this replica is the active primary.
 */
#ifndef BAZAR_COURIER_H
#define BAZAR_COURIER_H

#include "fcgi/order/order.h"
#include "replica/replica.h"

#define COURIER_HANDS_MAX 8192       /* orders in hand at once */
#define COURIER_CATALOG_WAIT_MS 2000 /* a buy waits this long for a catalog that can't write */

enum courier_result {
	COURIER_DONE,        /* the order has ended: *order */
	COURIER_PENDING,     /* logged; its end comes later (202) */
	COURIER_NOT_APPLIED, /* never logged, never will be */
	COURIER_UNKNOWN,     /* prepared, not confirmed; will be rolled forward */
	COURIER_NOT_PRIMARY,
	COURIER_KEY_REUSED,  /* the id belongs to another request */
	COURIER_IN_PROGRESS, /* another request with this id is waiting here right now */
	COURIER_OVERLOADED   /* never logged: too many orders in hand */
};

struct courier_config {
	struct replica *replica;
	struct store *store;
	const char *catalog;  /* host:port of the catalog's primary */
	const char *secret;   /* sent as X-Bazar-Secret */
	unsigned deadline_ms; /* how long courier_buy waits for the end */
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

/*
 * Buy `quantity` of `book` as order `id`. Any thread; waits at most about deadline_ms. The same id
 * again is the same order. *order is filled in on DONE and PENDING; *replayed tells (on DONE) that
 * an earlier request began it.
 */
enum courier_result courier_buy(struct courier *c, const struct uuid *id, uint64_t fingerprint,
    uint64_t book, uint32_t quantity, struct order *order, bool *replayed);

struct courier_stats {
	size_t in_hand;
	bool catalog_writable; /* as last heard */
	uint64_t ended;        /* orders brought to their end since start */
	uint64_t batches;      /* POSTs of /peer/reserve with orders */
	uint64_t swept;        /* orders picked up by the sweep */
};
void courier_stats(struct courier *c, struct courier_stats *out);

#endif
