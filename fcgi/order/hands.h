/*
 * The orders in the courier's hands: a table by order id, and the queue of those that want to go to
 * the catalog. Not locked: the courier's mutex is held around every call.
 */
#ifndef BAZAR_HANDS_H
#define BAZAR_HANDS_H

#include <pthread.h>

#include "fcgi/order/courier.h"

enum hand_state {
	HAND_NEW,    /* not known to be logged: ORDER_BEGIN is on its way, or soon will be */
	HAND_QUEUED, /* logged as PENDING; waits for the next trip to the catalog */
	HAND_OUT,    /* on that trip */
	HAND_ENDING  /* ORDER_END is on its way */
};

/* What a buyer waits at. It has a lock of its own, so that buyers who wake up together don't queue
 * for the courier's. */
struct bell {
	pthread_mutex_t lock;
	pthread_cond_t ring;
	bool rung;
	enum courier_result result;
	struct order order;
	bool replayed;
};

struct hand {
	struct courier *courier;
	enum hand_state state;
	struct bell *bell;  /* of the buyer who waits; NULL: nobody does */
	struct order order; /* as far as known; id, book_id, quantity, fingerprint always */
	bool replayed;
	struct hand *next_in_bucket, *next_in_queue;
};

#define HANDS_BUCKETS 4096

struct hands {
	struct hand *buckets[HANDS_BUCKETS];
	size_t count;
	struct hand *first, **last; /* the queue */
};

void hands_init(struct hands *t);
void hands_destroy(struct hands *t); /* frees those left */
struct hand *hands_find(struct hands *t, const struct uuid *id);
/* NULL: all hands are full. The id must not be in the table. */
struct hand *hands_add(struct hands *t, struct courier *courier, const struct order *order);
void hands_remove(struct hands *t, struct hand *h); /* and free it */
void hands_each(struct hands *t, void (*visit)(struct hand *h));

void hands_enqueue(struct hands *t, struct hand *h); /* becomes HAND_QUEUED */
struct hand *hands_dequeue(struct hands *t);         /* NULL: none */

#endif
