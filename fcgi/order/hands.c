#include "fcgi/order/hands.h"

#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"

void
hands_init(struct hands *t)
{
	*t = (struct hands){.last = &t->first};
}

void
hands_destroy(struct hands *t)
{
	for (size_t i = 0; i < HANDS_BUCKETS; i++) {
		for (struct hand *h = t->buckets[i], *next; h != NULL; h = next) {
			next = h->next_in_bucket;
			order_free(&h->order);
			free(h);
		}
	}
	hands_init(t);
}

/* Where the hand of that id is linked in, or would be. Ids are random enough to be their own hash.
 */
static struct hand **
find_link(struct hands *t, const struct uuid *id)
{
	uint32_t hash;
	memcpy(&hash, id->bytes, sizeof(hash));
	struct hand **link = &t->buckets[hash % HANDS_BUCKETS];
	while (*link != NULL && !uuid_equal(&(*link)->order.id, id))
		link = &(*link)->next_in_bucket;
	return link;
}

struct hand *
hands_find(struct hands *t, const struct uuid *id)
{
	return *find_link(t, id);
}

struct hand *
hands_add(struct hands *t, const struct order *order)
{
	if (t->count == HANDS_MAX)
		return NULL;
	struct hand *h = xcalloc(1, sizeof(*h));
	order_copy(&h->order, order);
	*find_link(t, &order->id) = h;
	t->count++;
	return h;
}

void
hands_remove(struct hands *t, struct hand *h)
{
	*find_link(t, &h->order.id) = h->next_in_bucket;
	t->count--;
	order_free(&h->order);
	free(h);
}

void
hands_each(struct hands *t, void (*visit)(void *arg, struct hand *h), void *arg)
{
	for (size_t i = 0; i < HANDS_BUCKETS; i++) {
		for (struct hand *h = t->buckets[i]; h != NULL; h = h->next_in_bucket)
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
