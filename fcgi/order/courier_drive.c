/*
 * The driver: takes all orders that wait to the catalog at once, and submits the ends it brings
 * back. It does not wait for those to be committed before its next trip.
 */
#include <stdlib.h>

#include "fcgi/base/failpoint.h"
#include "fcgi/base/wait.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/log.h"
#include "fcgi/order/courier_inside.h"

/* The catalog may take longer when its backup is away; then it is asked again. */
#define TRIP_MS 2000

struct luggage {
	struct courier *courier;
	struct trip trip;
	struct buf request, response;
	struct reserve_answers answers;
};

/* Waits until there is something to take along. False: time to stop. */
static bool
set_out(struct courier *c, struct trip *t)
{
	bool out = false;
	courier_enter(c);
	while (!c->stopping && !(out = errands_set_out(c->errands, clock_ms(), t))) {
		c->rests_until = errands_trip_at(c->errands);
		if (c->rests_until == UINT64_MAX)
			pthread_cond_wait(&c->work, &c->lock);
		else
			wait_until(&c->work, &c->lock, c->rests_until);
	}
	c->rests_until = 0;
	courier_leave(c);
	return out;
}

/* The answers, as many as items; NULL: none that can be read. */
static const struct reserve_answers *
ask(struct luggage *l)
{
	const struct trip *t = &l->trip;
	struct peer_call *call = catalog_calls_to(&l->courier->reserve, t->catalog);

	int status = peer_call(call, &l->request, TRIP_MS, &l->response);
	if (status == 200 &&
	    reserve_answer_decode(l->response.data, l->response.len, &l->answers) &&
	    l->answers.count == t->request.count)
		return &l->answers;
	log_debug(
	    "catalog %u answered %d to %zu reservations", t->catalog, status, t->request.count);
	return NULL;
}

/* ORDER_END's answer. */
static void
ended(void *arg, struct replica_answer *answer)
{
	struct hand *h = arg;
	struct courier *c = h->owner;

	failpoint("end logged");
	courier_enter(c);
	errands_ended(
	    c->errands, clock_ms(), h, answer->result, answer->bytes.data, answer->bytes.len);
	courier_leave(c);
}

static void
travel(struct luggage *l)
{
	struct courier *c = l->courier;
	struct trip *t = &l->trip;
	bool over;

	trace_enter(t->trace);
	buf_clear(&l->request);
	reserve_request_encode(&l->request, &t->request);
	do {
		failpoint("set out");
		const struct reserve_answers *answers = ask(l);
		failpoint("reserved");
		courier_enter(c);
		over = errands_return(c->errands, clock_ms(), t, answers);
		courier_leave(c);
	} while (!over);
	if (t->ended > 0)
		replica_submit(c->replica, t->ops, t->ends, t->ended, ended);
	failpoint("end submitted");
	trace_enter(NULL);
}

void *
courier_drive(void *courier)
{
	struct luggage *l = xcalloc(1, sizeof(*l));

	l->courier = courier;
	while (set_out(l->courier, &l->trip))
		travel(l);
	buf_free(&l->request);
	buf_free(&l->response);
	free(l);
	return NULL;
}
