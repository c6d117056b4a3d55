/*
 * The orders in the courier's hands: a table by order id, and the queue of those that want to go to
 * the catalog. Data only; errands.c decides what happens to them.
 */
#ifndef BAZAR_HANDS_H
#define BAZAR_HANDS_H

#include <uthash.h>

#include "fcgi/order/order.h"

#define HANDS_MAX 8192 /* orders in hand at once */

struct buyer;

enum hand_state {
	HAND_NEW,       /* nothing was submitted for it yet */
	HAND_BEGINNING, /* ORDER_BEGIN is on its way: may be logged */
	HAND_QUEUED,    /* logged as PENDING; waits for the next trip to the catalog */
	HAND_OUT,       /* on that trip */
	HAND_ENDING     /* ORDER_END is on its way */
};

struct hand {
	void *owner; /* the driver's: whom callbacks belong to */
	enum hand_state state;
	struct buyer *buyer; /* who waits; NULL: nobody does */
	struct order order;  /* as far as known; id, lines, fingerprint always */
	bool replayed;
	struct hand *next_in_queue;
	UT_hash_handle hh;
};

struct hands {
	struct hand *table;         /* uthash's, by order.id */
	struct hand *first, **last; /* the queue */
};

void hands_init(struct hands *t);
void hands_destroy(struct hands *t); /* frees those left */
struct hand *hands_find(struct hands *t, const struct uuid *id);
/* With a copy of the order. NULL: all hands are full. The id must not be in the table. */
struct hand *hands_add(struct hands *t, const struct order *order);
void hands_remove(struct hands *t, struct hand *h); /* and free it; not while it is queued */
/* In the order they were added; a visit may remove its hand. */
void hands_each(struct hands *t, void (*visit)(void *arg, struct hand *h), void *arg);

void hands_enqueue(struct hands *t, struct hand *h); /* becomes HAND_QUEUED */
struct hand *hands_dequeue(struct hands *t);         /* NULL: none */

#endif
