#include "fcgi/order/hands.h"

#include <stdlib.h>

#include "fcgi/base/xalloc.h"

void
hands_init(struct hands *t)
{
	*t = (struct hands){.last = &t->first};
}

void
hands_destroy(struct hands *t)
{
	struct hand *h = t->table;
	HASH_CLEAR(hh, t->table);
	for (struct hand *next; h != NULL; h = next) {
		next = h->hh.next;
		order_free(&h->order);
		free(h);
	}
	hands_init(t);
}

struct hand *
hands_find(struct hands *t, const struct uuid *id)
{
	struct hand *h;
	HASH_FIND(hh, t->table, id, sizeof(*id), h);
	return h;
}

struct hand *
hands_add(struct hands *t, const struct order *order)
{
	if (HASH_COUNT(t->table) == HANDS_MAX)
		return NULL;
	struct hand *h = xcalloc(1, sizeof(*h));
	order_copy(&h->order, order);
	HASH_ADD(hh, t->table, order.id, sizeof(h->order.id), h);
	return h;
}

void
hands_remove(struct hands *t, struct hand *h)
{
	HASH_DEL(t->table, h); /* NOLINT(clang-analyzer-unix.Malloc): it loses sight of the table */
	order_free(&h->order);
	free(h);
}

void
hands_each(struct hands *t, void (*visit)(void *arg, struct hand *h), void *arg)
{
	for (struct hand *h = t->table, *next; h != NULL; h = next) {
		next = h->hh.next;
		visit(arg, h);
	}
}

void
hands_enqueue(struct hands *t, struct hand *h)
{
	h->state = HAND_QUEUED;
	h->next_in_queue = NULL;
	*t->last = h;
	t->last = &h->next_in_queue;
}

struct hand *
hands_dequeue(struct hands *t)
{
	struct hand *h = t->first;
	if (h == NULL)
		return NULL;
	t->first = h->next_in_queue;
	if (t->first == NULL)
		t->last = &t->first;
	return h;
}
