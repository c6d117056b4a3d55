#include "fcgi/order/courier.h"

#include <stdio.h>
#include <stdlib.h>

#include "fcgi/base/wait.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/log.h"
#include "fcgi/order/courier_inside.h"

/* ---- Changes both threads and the callbacks make; the lock is held ---- */

void
courier_enqueue(struct courier *c, struct hand *h)
{
	hands_enqueue(&c->hands, h);
	pthread_cond_signal(&c->work);
}

static void
ring(struct hand *h, enum courier_result result)
{
	struct bell *b = h->bell;
	h->bell = NULL;
	pthread_mutex_lock(&b->lock);
	b->rung = true;
	b->result = result;
	b->order = h->order;
	b->replayed = h->replayed;
	pthread_cond_signal(&b->ring);
	pthread_mutex_unlock(&b->lock);
}

void
courier_over(struct courier *c, struct hand *h, enum courier_result result)
{
	if (h->bell != NULL)
		ring(h, result);
	hands_remove(&c->hands, h);
}

void
courier_heard(struct courier *c, bool writable)
{
	bool news = writable != c->writable;
	c->writable = writable;
	if (!news)
		return;
	log_info("the catalog %s", writable ? "takes writes" : "takes no writes");
	if (writable) {
		c->not_before = 0;
		c->pause_ms = COURIER_PAUSE_MS;
		pthread_cond_signal(&c->work);
		pthread_cond_broadcast(&c->catalog_news);
	}
}

void
courier_pause(struct courier *c)
{
	c->not_before = clock_ms() + c->pause_ms;
	c->pause_ms *= 2;
	if (c->pause_ms > COURIER_PAUSE_MAX_MS)
		c->pause_ms = COURIER_PAUSE_MAX_MS;
}

/* ---- Starting, stopping ---- */

struct courier *
courier_start(const struct courier_config *config)
{
	struct courier *c = xcalloc(1, sizeof(*c));
	c->replica = config->replica;
	c->store = config->store;
	c->deadline_ms = config->deadline_ms;
	c->pause_ms = COURIER_PAUSE_MS;
	snprintf(c->catalog, sizeof(c->catalog), "%s", config->catalog);
	snprintf(c->secret, sizeof(c->secret), "%s", config->secret);
	pthread_mutex_init(&c->lock, NULL);
	hands_init(&c->hands);
	wait_init(&c->work);
	wait_init(&c->catalog_news);
	wait_init(&c->watch);
	if (pthread_create(&c->driver, NULL, courier_drive, c) != 0 ||
	    pthread_create(&c->watcher, NULL, courier_watch, c) != 0)
		log_fatal("no threads for the courier");
	return c;
}

/* What is to be said of an order that has not ended yet. */
static enum courier_result
unfinished(const struct hand *h)
{
	return h->state == HAND_NEW ? COURIER_UNKNOWN : COURIER_PENDING;
}

static void
send_away(struct hand *h)
{
	if (h->bell != NULL)
		ring(h, unfinished(h));
}

void
courier_stop(struct courier *c)
{
	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	hands_each(&c->hands, send_away);
	pthread_cond_signal(&c->work);
	pthread_cond_signal(&c->watch);
	pthread_cond_broadcast(&c->catalog_news);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->driver, NULL);
	pthread_join(c->watcher, NULL);
}

void
courier_free(struct courier *c)
{
	hands_destroy(&c->hands);
	pthread_cond_destroy(&c->work);
	pthread_cond_destroy(&c->catalog_news);
	pthread_cond_destroy(&c->watch);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* ---- Buying: before the order is logged ---- */

static bool
is_primary(struct courier *c)
{
	struct core_status status;
	replica_status(c->replica, &status);
	return status.role == CORE_PRIMARY && status.phase != CORE_FENCED;
}

/* Whether the log may hold this order already, so that "not applied" would be a lie. */
static bool
may_be_logged(struct courier *c, const struct uuid *id)
{
	struct order order;
	if (replica_read(c->replica, order_key(id)) != 0)
		return true;
	store_read_begin(c->store);
	bool found = order_get(store_view(c->store), id, &order);
	store_read_end(c->store);
	return found;
}

static bool
wait_for_catalog(struct courier *c, unsigned wait_ms)
{
	uint64_t deadline = clock_ms() + wait_ms;
	pthread_mutex_lock(&c->lock);
	while (!c->writable && !c->stopping && wait_until(&c->catalog_news, &c->lock, deadline))
		;
	bool writable = c->writable;
	pthread_mutex_unlock(&c->lock);
	return writable;
}

/* An order is not even logged while the catalog can't take its reservation. One that is logged, or
 * may be, goes on: the log tells what became of it. */
static bool
may_begin(struct courier *c, const struct uuid *id)
{
	return wait_for_catalog(c, 0) || !is_primary(c) || may_be_logged(c, id) ||
	       wait_for_catalog(c, COURIER_CATALOG_WAIT_MS) || may_be_logged(c, id);
}

static void
on_logged(struct courier *c, struct hand *h, const struct replica_answer *answer)
{
	struct order order;
	if (order_answer_decode(answer->bytes.data, answer->bytes.len, &order) != 0)
		log_fatal("order: the log's answer to a purchase is damaged");
	if (order.fingerprint != h->order.fingerprint) {
		courier_over(c, h, COURIER_KEY_REUSED);
		return;
	}
	h->order = order;
	h->replayed |= answer->result == CORE_REPLAYED;
	if (order.status == ORDER_PENDING)
		courier_enqueue(c, h);
	else
		courier_over(c, h, COURIER_DONE);
}

/* ORDER_BEGIN's answer. */
static void
begun(void *arg, struct replica_answer *answer)
{
	struct hand *h = arg;
	struct courier *c = h->courier;

	pthread_mutex_lock(&c->lock);
	switch (answer->result) {
	case CORE_DECIDED:
	case CORE_REPLAYED:
		on_logged(c, h, answer);
		break;
	case CORE_UNKNOWN: /* when it is rolled forward, the sweep finds it */
		courier_over(c, h, COURIER_UNKNOWN);
		break;
	case CORE_NOT_APPLIED:
		courier_over(c, h, COURIER_NOT_APPLIED);
		break;
	case CORE_NOT_PRIMARY:
		courier_over(c, h, COURIER_NOT_PRIMARY);
		break;
	case CORE_OVERLOADED:
		courier_over(c, h, COURIER_OVERLOADED);
		break;
	}
	pthread_mutex_unlock(&c->lock);
}

/* The hand is ours until ORDER_BEGIN is answered: nothing else moves it out of HAND_NEW. */
static void
begin(struct courier *c, struct hand *h)
{
	const struct order *o = &h->order;
	struct buf args = {0};

	if (!may_begin(c, &o->id)) {
		pthread_mutex_lock(&c->lock);
		courier_over(c, h, COURIER_NOT_APPLIED);
		pthread_mutex_unlock(&c->lock);
		return;
	}
	order_op_begin(&args, o->fingerprint, o->book_id, o->quantity);
	struct op *op = op_new(o->id, 0, ORDER_BEGIN, &args);
	buf_free(&args);
	void *hand = h;
	replica_submit(c->replica, &op, &hand, 1, begun);
}

/* ---- Buying ---- */

/* Becomes the buyer of an order that is in hand already; COURIER_PENDING: now wait for its end. */
static enum courier_result
join(struct hand *h, uint64_t fingerprint, struct bell *bell)
{
	if (h->state != HAND_NEW && h->order.fingerprint != fingerprint)
		return COURIER_KEY_REUSED;
	if (h->bell != NULL || h->order.fingerprint != fingerprint)
		return COURIER_IN_PROGRESS;
	h->bell = bell;
	h->replayed = true;
	return COURIER_PENDING;
}

/* *fresh: the new hand, whose order has to begin; NULL: it was in hand already. */
static enum courier_result
take_in_hand(struct courier *c, const struct order *wanted, struct bell *bell, struct hand **fresh)
{
	enum courier_result result = COURIER_PENDING;

	*fresh = NULL;
	pthread_mutex_lock(&c->lock);
	struct hand *h = hands_find(&c->hands, &wanted->id);
	if (h != NULL)
		result = join(h, wanted->fingerprint, bell);
	else if ((*fresh = hands_add(&c->hands, c, wanted)) != NULL)
		(*fresh)->bell = bell;
	else
		result = COURIER_OVERLOADED;
	pthread_mutex_unlock(&c->lock);
	return result;
}

static bool
wait_for_bell(struct bell *b, uint64_t deadline)
{
	pthread_mutex_lock(&b->lock);
	while (!b->rung && wait_until(&b->ring, &b->lock, deadline))
		;
	bool rung = b->rung;
	pthread_mutex_unlock(&b->lock);
	return rung;
}

/* Rings it ourselves, unless somebody was faster: afterwards nobody knows the bell any more. */
static void
give_up(struct courier *c, const struct uuid *id, struct bell *bell)
{
	pthread_mutex_lock(&c->lock);
	struct hand *h = hands_find(&c->hands, id);
	if (h != NULL && h->bell == bell)
		ring(h, unfinished(h));
	pthread_mutex_unlock(&c->lock);
}

enum courier_result
courier_buy(struct courier *c, const struct uuid *id, uint64_t fingerprint, uint64_t book,
    uint32_t quantity, struct order *order, bool *replayed)
{
	uint64_t deadline = clock_ms() + c->deadline_ms;
	struct order wanted = {
	    .id = *id, .book_id = book, .quantity = quantity, .fingerprint = fingerprint};
	struct bell bell = {.rung = false};
	struct hand *fresh;

	pthread_mutex_init(&bell.lock, NULL);
	wait_init(&bell.ring);
	enum courier_result result = take_in_hand(c, &wanted, &bell, &fresh);
	if (result == COURIER_PENDING) { /* from here on the bell may ring */
		if (fresh != NULL)
			begin(c, fresh);
		if (!wait_for_bell(&bell, deadline))
			give_up(c, id, &bell);
		result = bell.result;
	}
	*order = bell.order;
	*replayed = bell.replayed;
	pthread_cond_destroy(&bell.ring);
	pthread_mutex_destroy(&bell.lock);
	return result;
}

void
courier_stats(struct courier *c, struct courier_stats *out)
{
	pthread_mutex_lock(&c->lock);
	*out = c->stats;
	out->in_hand = c->hands.count;
	out->catalog_writable = c->writable;
	pthread_mutex_unlock(&c->lock);
}
