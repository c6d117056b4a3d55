#include "fcgi/order/courier.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/failpoint.h"
#include "fcgi/base/wait.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/log.h"
#include "fcgi/order/courier_inside.h"

/* ---- The lock ---- */

void
courier_enter(struct courier *c)
{
	pthread_mutex_lock(&c->lock);
}

static void
tell(struct buyer *told)
{
	for (struct buyer *b = told, *next; b != NULL; b = next) {
		next = b->next;
		struct purchase *p =
		    (struct purchase *)((char *)b - offsetof(struct purchase, buyer));
		p->told(p);
	}
}

void
courier_leave(struct courier *c)
{
	struct buyer *told = errands_told(c->errands);
	bool go = errands_trip_at(c->errands) < c->rests_until;
	bool writable = errands_writable(c->errands), news = writable != c->writable;

	if (go)
		c->rests_until = 0;
	c->writable = writable;
	pthread_mutex_unlock(&c->lock);
	if (go)
		pthread_cond_signal(&c->work);
	if (news) {
		log_info("the catalog %s", writable ? "takes writes" : "takes no writes");
		pthread_cond_broadcast(&c->catalog_news);
	}
	tell(told);
}

/* ---- Starting, stopping ---- */

struct courier *
courier_start(const struct courier_config *config)
{
	struct courier *c = xcalloc(1, sizeof(*c));
	c->replica = config->replica;
	c->store = config->store;
	c->deadline_ms = config->deadline_ms;
	catalogs_init(&c->catalogs, config->nodes, config->secret);
	c->reserve = (struct catalog_calls){&c->catalogs, .path = "/peer/reserve"};
	c->status = (struct catalog_calls){&c->catalogs, .path = "/status"};
	c->errands = errands_new(c->catalogs.count, c);
	pthread_mutex_init(&c->lock, NULL);
	wait_init(&c->work);
	wait_init(&c->catalog_news);
	wait_init(&c->watch);
	if (pthread_create(&c->driver, NULL, courier_drive, c) != 0 ||
	    pthread_create(&c->watcher, NULL, courier_watch, c) != 0)
		log_fatal("no threads for the courier");
	return c;
}

void
courier_stop(struct courier *c)
{
	courier_enter(c);
	c->stopping = true;
	errands_close(c->errands);
	pthread_cond_signal(&c->work);
	pthread_cond_signal(&c->watch);
	pthread_cond_broadcast(&c->catalog_news);
	courier_leave(c);
	pthread_join(c->driver, NULL);
	pthread_join(c->watcher, NULL);
}

void
courier_free(struct courier *c)
{
	errands_free(c->errands);
	catalog_calls_free(&c->reserve);
	catalog_calls_free(&c->status);
	catalogs_free(&c->catalogs);
	pthread_cond_destroy(&c->work);
	pthread_cond_destroy(&c->catalog_news);
	pthread_cond_destroy(&c->watch);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* ---- Buying while the catalog can't write ---- */

/* Whose log tells what will be applied: a candidate's does not, though it may serve reads. */
static bool
is_active(struct courier *c)
{
	struct core_status status;
	replica_status(c->replica, &status);
	return status.role == CORE_PRIMARY && status.phase == CORE_ACTIVE;
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
	if (found)
		order_free(&order);
	return found;
}

static bool
wait_for_catalog(struct courier *c)
{
	uint64_t deadline = clock_ms() + COURIER_CATALOG_WAIT_MS;
	courier_enter(c);
	while (!errands_writable(c->errands) && !c->stopping &&
	       wait_until(&c->catalog_news, &c->lock, deadline))
		;
	bool writable = errands_writable(c->errands);
	courier_leave(c);
	return writable;
}

/* An order is not even logged while the catalog can't take its reservation. One that is logged, or
 * may be, goes on: the log tells what became of it. */
static bool
may_begin(struct courier *c, const struct uuid *id)
{
	return !is_active(c) || may_be_logged(c, id) || wait_for_catalog(c) || !is_active(c) ||
	       may_be_logged(c, id);
}

/* ---- Buying ---- */

/* ORDER_BEGIN's answer. */
static void
begun(void *arg, struct replica_answer *answer)
{
	struct hand *h = arg;
	struct courier *c = h->owner;

	failpoint("begin logged");
	courier_enter(c);
	errands_begun(c->errands, h, answer->result, answer->bytes.data, answer->bytes.len);
	courier_leave(c);
}

/* The hand is ours until ORDER_BEGIN is submitted. NULL: it was dropped. */
static struct op *
begin_later(struct courier *c, struct hand *h)
{
	bool may = may_begin(c, &h->order.id);
	struct op *op = NULL;

	courier_enter(c);
	if (may)
		op = errands_op_begin(h);
	else
		errands_drop(c->errands, h);
	courier_leave(c);
	return op;
}

void
courier_buy(struct courier *c, const struct order *wanted, struct purchase *p)
{
	struct op *op = NULL;

	p->buyer.deadline = clock_ms() + c->deadline_ms;
	strcpy(p->buyer.trace, trace_here());
	courier_enter(c);
	struct hand *h = errands_buy(c->errands, wanted, &p->buyer);
	if (h != NULL && errands_writable(c->errands))
		op = errands_op_begin(h);
	courier_leave(c);
	if (h == NULL)
		return;
	if (op == NULL)
		op = begin_later(c, h);
	void *hand = h;
	if (op != NULL)
		replica_submit(c->replica, &op, &hand, 1, begun);
	failpoint("begin submitted");
}

void
courier_stats(struct courier *c, struct courier_stats *out)
{
	courier_enter(c);
	*out = c->swept;
	errands_stats(c->errands, &out->errands);
	out->catalog_writable = errands_writable(c->errands);
	courier_leave(c);
}
