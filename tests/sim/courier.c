/* A process of the order service: what its courier's threads do (fcgi/order/courier*.c), one thing
 * at a time. */
#include <stdlib.h>

#include "fcgi/base/xalloc.h"
#include "tests/sim/market.h"

#define TRIP_MS 2000
#define WATCH_MS 100
#define SWEEP_MS 1000

struct courier {
	struct errands *errands;
	struct trip trip;
	bool out;       /* on a trip */
	uint64_t trips; /* to tell the answers of one from those of another */
	uint64_t go_at; /* the world's time when it looks whether to set out; 0: none is planned */
	uint64_t sweep_at;
};

static void
post_watch(struct node *n)
{
	market_post(n->world->market, WATCH_MS * SIM_MS,
	    (struct letter){.kind = LETTER_WATCH, .to = n, .boot = n->boot});
}

struct courier *
courier_new(struct node *n)
{
	struct courier *c = xcalloc(1, sizeof(*c));
	c->errands = errands_new(n->world->market->world[THE_CATALOG]->mood.nodes, c);
	post_watch(n);
	return c;
}

void
courier_free(struct courier *c)
{
	if (c == NULL)
		return;
	errands_free(c->errands);
	free(c);
}

struct errands *
courier_errands(struct courier *c)
{
	return c->errands;
}

/* ---- The driver ---- */

static void
plan_trip(struct node *n, struct courier *c)
{
	struct world *w = n->world;
	uint64_t at = errands_trip_at(c->errands), now = node_now(n);
	if (c->out || at == UINT64_MAX)
		return;
	uint64_t delay =
	    random_below(&w->random, 2 * SIM_MS) + (at > now ? (at - now) * SIM_MS : 0);
	if (c->go_at != 0 && c->go_at <= w->now + delay)
		return;
	c->go_at = w->now + delay;
	market_post(w->market, delay, (struct letter){.kind = LETTER_GO, .to = n, .boot = n->boot});
}

void
courier_moved(struct node *n)
{
	struct courier *c = market_process(n)->courier;
	buyers_told(n->world->market, errands_told(c->errands));
	plan_trip(n, c);
}

static void
ask(struct node *n, struct courier *c)
{
	struct market *m = n->world->market;
	struct world *w = n->world;
	struct letter l = {.kind = LETTER_REQUEST, .from = n, .boot = n->boot, .trip = ++c->trips};
	struct letter late = {.kind = LETTER_LATE, .to = n, .boot = n->boot, .trip = c->trips};
	l.to = &m->world[THE_CATALOG]->nodes[c->trip.catalog];
	market_post(m, TRIP_MS * SIM_MS, late);
	if (market_lost(m, n, l.to))
		return;
	reserve_request_encode(&l.bytes, &c->trip.request);
	market_post(m, random_below(&w->random, 2ul * w->mood.delay_us), l);
}

static void
set_out(struct node *n, struct courier *c)
{
	c->go_at = 0;
	if (c->out)
		return;
	c->out = errands_set_out(c->errands, node_now(n), &c->trip);
	if (c->out)
		ask(n, c);
	else
		plan_trip(n, c);
}

/* All that is known at its return is submitted before anything else happens here. */
static void
submit_ends(struct node *n, const struct trip *t)
{
	uint64_t boot = n->boot;
	for (size_t i = 0; i < t->ended; i++) {
		struct submission s = {.what = FOR_END, .op = t->ops[i], .hand = t->ends[i]};
		if (n->core == NULL || n->boot != boot)
			op_free(s.op); /* it died over the one before */
		else if (!market_submit(n, s))
			errands_ended(market_process(n)->courier->errands, node_now(n), s.hand,
			    CORE_OVERLOADED, NULL, 0);
	}
}

static void
come_back(struct node *n, struct courier *c, const struct buf *bytes)
{
	static struct reserve_answers answers;
	struct trip t;
	bool whole = bytes->len > 0 && reserve_answer_decode(bytes->data, bytes->len, &answers) &&
		     answers.count == c->trip.request.count;
	if (!errands_return(c->errands, node_now(n), &c->trip, whole ? &answers : NULL)) {
		ask(n, c);
		return;
	}
	c->out = false;
	t = c->trip;
	n->world->totals->trips++;
	submit_ends(n, &t);
	if (n->core != NULL && market_process(n)->courier == c)
		courier_moved(n);
}

/* ---- The watcher ---- */

static void
ask_catalogs(struct node *n, struct courier *c)
{
	struct market *m = n->world->market;
	struct world *w = m->world[THE_CATALOG];
	unsigned first = errands_catalog(c->errands), catalog = first;
	struct letter l = {.kind = LETTER_HEARD, .to = n, .boot = n->boot, .catalog = first};
	for (unsigned i = 0; i < w->mood.nodes && !l.writable; i++) {
		struct node *asked = &w->nodes[catalog];
		if (asked->core != NULL && !node_paused(asked) && !market_lost(m, n, asked) &&
		    node_status(asked).writable) {
			l.writable = true;
			l.catalog = catalog;
		}
		catalog = (catalog + 1) % w->mood.nodes;
	}
	market_post(m, random_below(&n->world->random, 2ul * n->world->mood.delay_us), l);
}

static bool
found(void *arg, const struct order *o)
{
	errands_found(arg, o);
	return true;
}

static void
watch(struct node *n, struct courier *c)
{
	uint64_t now = node_now(n);
	struct core_status s = node_status(n);
	errands_role(c->errands, s.role == CORE_PRIMARY);
	errands_tick(c->errands, now);
	bool known =
	    errands_writable(c->errands) && now < errands_decided_at(c->errands) + WATCH_MS;
	if (s.role != CORE_PRIMARY || s.phase != CORE_ACTIVE) {
		c->sweep_at = 0;
	} else {
		bool sweeps = now >= c->sweep_at;
		if (!known || sweeps)
			ask_catalogs(n, c);
		if (sweeps) {
			order_pending(&market_process(n)->view, found, c->errands);
			c->sweep_at = now + SWEEP_MS;
		}
	}
	courier_moved(n);
	post_watch(n);
}

void
courier_letter(struct node *n, struct letter *l)
{
	struct courier *c = market_process(n)->courier;
	switch (l->kind) {
	case LETTER_ANSWER:
	case LETTER_LATE:
		if (c->out && l->trip == c->trips)
			come_back(n, c, &l->bytes);
		break;
	case LETTER_HEARD:
		errands_heard(c->errands, l->catalog, l->writable);
		courier_moved(n);
		break;
	case LETTER_GO:
		set_out(n, c);
		break;
	case LETTER_WATCH:
		watch(n, c);
		break;
	case LETTER_REQUEST:
		break; /* goes to the catalog */
	}
}
