/*
 * The driver: takes all orders that wait to the catalog at once, and turns what it has stored about
 * them into ORDER_END. It does not wait for those to be committed before its next trip. An order
 * the catalog did not decide goes back into the queue.
 */
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/wait.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/catalog/reserve.h"
#include "fcgi/log.h"
#include "fcgi/order/courier_inside.h"
#include "replica/peer_client.h"

/* The catalog may take longer when its backup is away; then it is asked again. */
#define TRIP_MS 2000

struct trip {
	struct courier *courier;
	struct peer_call *reserve;
	struct buf request, response;
	size_t count, ended;
	struct hand *hands[RESERVE_MAX];
	struct reserve_item items[RESERVE_MAX];
	struct reserve_answer answers[RESERVE_MAX];
	struct op *ops[RESERVE_MAX]; /* ORDER_END of hands[ends[i]] */
	void *ends[RESERVE_MAX];
};

/* ---- Setting out ---- */

/* False: time to stop. */
static bool
wait_for_work(struct courier *c)
{
	while (!c->stopping) {
		if (c->hands.first == NULL)
			pthread_cond_wait(&c->work, &c->lock);
		else if (clock_ms() < c->not_before)
			wait_until(&c->work, &c->lock, c->not_before);
		else
			return true;
	}
	return false;
}

static bool
load(struct trip *t)
{
	struct courier *c = t->courier;

	t->count = 0;
	pthread_mutex_lock(&c->lock);
	bool go = wait_for_work(c);
	while (go && t->count < RESERVE_MAX && c->hands.first != NULL) {
		struct hand *h = hands_dequeue(&c->hands);
		h->state = HAND_OUT;
		t->items[t->count] =
		    (struct reserve_item){h->order.id, h->order.book_id, h->order.quantity};
		t->hands[t->count++] = h;
	}
	c->stats.batches += t->count > 0;
	pthread_mutex_unlock(&c->lock);
	return go;
}

/* ---- At the catalog ---- */

/* Without an answer every item stays undecided, which is what NOT_APPLIED says here. */
static void
travel(struct trip *t)
{
	buf_clear(&t->request);
	reserve_request_encode(&t->request, t->items, t->count);
	int status = peer_call(t->reserve, &t->request, TRIP_MS, &t->response);
	if (status == 200 &&
	    reserve_answer_decode(t->response.data, t->response.len, t->answers) == t->count)
		return;
	log_debug("the catalog answered %d to %zu reservations", status, t->count);
	for (size_t i = 0; i < t->count; i++)
		t->answers[i].state = RESERVE_NOT_APPLIED;
}

/* ---- Home again ---- */

/* ORDER_END's answer. */
static void
ended(void *arg, struct replica_answer *answer)
{
	struct hand *h = arg;
	struct courier *c = h->courier;

	pthread_mutex_lock(&c->lock);
	if (answer->result == CORE_DECIDED || answer->result == CORE_REPLAYED) {
		if (order_answer_decode(answer->bytes.data, answer->bytes.len, &h->order) != 0)
			log_fatal("order: the log's answer to an order's end is damaged");
		c->stats.ended++;
		c->pause_ms = COURIER_PAUSE_MS;
		courier_over(c, h, COURIER_DONE);
	} else if (answer->result == CORE_NOT_PRIMARY) {
		courier_over(c, h, COURIER_PENDING); /* whoever is primary now ends it */
	} else {
		courier_pause(c);
		courier_enqueue(c, h);
	}
	pthread_mutex_unlock(&c->lock);
}

/* The end the catalog's answer stands for; false: it stands for none. */
static bool
read_end(const struct reserve_answer *a, struct order *end)
{
	end->status = ORDER_REJECTED;
	end->available = a->available;
	switch (a->result) {
	case CATALOG_OK:
		end->status = ORDER_CONFIRMED;
		end->price = a->price;
		memcpy(end->title, a->title, sizeof(end->title));
		return true;
	case CATALOG_NO_BOOK:
		end->reason = ORDER_NO_BOOK;
		return true;
	case CATALOG_SOLD_OUT:
		end->reason = ORDER_SOLD_OUT;
		return true;
	case CATALOG_INSUFFICIENT:
		end->reason = ORDER_INSUFFICIENT;
		return true;
	default:
		return false;
	}
}

static struct op *
make_end(const struct order *order, const struct reserve_answer *a)
{
	struct order end = *order;
	struct buf args = {0};

	if (a->state != RESERVE_DECIDED || !read_end(a, &end))
		return NULL;
	order_op_end(&args, &end);
	struct op *op = op_new(order_end_id(&end.id), 0, ORDER_END, &args);
	buf_free(&args);
	return op;
}

static void
unload(struct trip *t)
{
	struct courier *c = t->courier;

	t->ended = 0;
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < t->count; i++) {
		struct hand *h = t->hands[i];
		struct op *op = make_end(&h->order, &t->answers[i]);
		if (op == NULL) {
			courier_enqueue(c, h);
			continue;
		}
		h->state = HAND_ENDING;
		t->ops[t->ended] = op;
		t->ends[t->ended++] = h;
	}
	if (t->ended == t->count)
		c->heard_ms = clock_ms();
	else
		courier_pause(c);
	courier_heard(c, t->ended == t->count);
	pthread_mutex_unlock(&c->lock);
	if (t->ended > 0)
		replica_submit(c->replica, t->ops, t->ends, t->ended, ended);
}

void *
courier_drive(void *courier)
{
	struct courier *c = courier;
	struct trip *t = xcalloc(1, sizeof(*t));

	t->courier = c;
	t->reserve = peer_call_new(c->catalog, "/peer/reserve", c->secret);
	while (load(t)) {
		travel(t);
		unload(t);
	}
	peer_call_free(t->reserve);
	buf_free(&t->request);
	buf_free(&t->response);
	free(t);
	return NULL;
}
