/* Who buys, and repeats a purchase under its own id until it knows its end; and who fills the
 * shelves. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/base/hash.h"
#include "tests/sim/market.h"

#define FILLER MARKET_BUYERS

/* Instead of whatever that one had planned. */
static void
act_again(struct market *m, unsigned who, uint64_t delay)
{
	world_at(m->world[THE_ORDERS], delay,
	    (struct event){.kind = EV_BUYER, .index = who, .request = ++m->turns[who]});
}

static uint64_t
soon(struct market *m)
{
	return random_between(&m->world[THE_ORDERS]->random, 1, 300) * SIM_MS;
}

/* ---- The shelves ---- */

static struct op *
seed_op(void)
{
	struct book books[MARKET_BOOKS] = {0};
	struct buf args = {0};
	for (unsigned i = 0; i < MARKET_BOOKS; i++) {
		books[i] =
		    (struct book){.id = i + 1, .topic = "t", .price = 100 + i, .quantity = 5};
		snprintf(books[i].title, sizeof(books[i].title), "Book %u", i + 1);
		books[i].stocked = books[i].quantity;
	}
	catalog_op_seed(&args, books, MARKET_BOOKS);
	struct op *op = op_new((struct uuid){{0x5e, 1}}, 0, CATALOG_SEED, &args);
	buf_free(&args);
	return op;
}

static struct op *
restock_op(const struct market *m, unsigned restock)
{
	struct buf args = {0};
	catalog_op_stock(
	    &args, restock + 1, true, m->restocks[restock].book, m->restocks[restock].change);
	struct op *op = op_new((struct uuid){{0x57, (uint8_t)restock}}, 0, CATALOG_STOCK, &args);
	buf_free(&args);
	return op;
}

static void
fill_shelves(struct market *m)
{
	struct world *w = m->world[THE_CATALOG];
	struct node *n = world_ask_whom(w);
	unsigned last = m->restock_count;
	struct submission s = {.what = FOR_SEED};
	if (n->core == NULL) {
		act_again(m, FILLER, soon(m));
		return;
	}
	if (!m->seeded) {
		s.op = seed_op();
	} else {
		if (last == 0 || m->restocks[last - 1].decided) {
			if (w->calm || last == m->restocks_wanted)
				return;
			m->restocks[last].book =
			    (unsigned)random_between(&w->random, 1, MARKET_BOOKS);
			m->restocks[last].change = (int64_t)random_between(&w->random, 1, 6);
			m->restock_count++;
		}
		s.what = FOR_RESTOCK;
		s.restock = m->restock_count - 1;
		s.op = restock_op(m, s.restock);
	}
	if (!market_submit(n, s))
		act_again(m, FILLER, soon(m));
}

static bool
is_decided(enum core_result result)
{
	return result == CORE_DECIDED || result == CORE_REPLAYED;
}

void
buyers_seeded(struct market *m, enum core_result result)
{
	m->seeded |= is_decided(result);
	act_again(m, FILLER, soon(m));
}

void
buyers_restocked(struct market *m, unsigned restock, enum core_result result)
{
	m->restocks[restock].decided |= is_decided(result);
	act_again(m, FILLER, soon(m));
}

/* ---- Buying ---- */

/* Half of them are carts: of each book after the first, round the shelf, and at times of one that
 * there is not. */
static void
choose_lines(struct random *r, struct sim_order *o)
{
	unsigned books = random_chance(r, 50) ? MARKET_BOOKS + 1 : MARKET_BOOKS;
	uint64_t first = random_below(r, books);
	o->lines = random_chance(r, 500) ? (unsigned)random_between(r, 2, MARKET_LINES) : 1;
	for (unsigned i = 0; i < o->lines; i++)
		o->line[i] = (struct catalog_line){
		    1 + (first + i) % books, (uint32_t)random_between(r, 1, 3)};
	if (o->lines > 1 && random_chance(r, 500)) { /* in the other order */
		struct catalog_line line = o->line[0];
		o->line[0] = o->line[o->lines - 1];
		o->line[o->lines - 1] = line;
	}
}

static void
choose(struct market *m, unsigned who)
{
	struct random *r = &m->world[THE_ORDERS]->random;
	struct sim_order *o = &m->orders[m->order_count];
	o->id = (struct uuid){{0x0d, (uint8_t)m->order_count}};
	choose_lines(r, o);
	m->buyers[who].order = (int)m->order_count++;
	m->buyers[who].quits = random_chance(r, 150);
}

static struct buy_call *
new_call(struct market *m)
{
	for (unsigned i = 0; i < MARKET_CALLS; i++) {
		if (!m->calls[i].used)
			return &m->calls[i];
	}
	return NULL;
}

/* Whether an order of that id may be logged: as may_begin in fcgi/order/courier.c. */
static bool
may_be_logged(const struct node *n, const struct uuid *id)
{
	const struct store *s = &n->disk.live;
	struct core_status status = node_status(n);
	if (!node_serves(n) || status.role != CORE_PRIMARY || status.phase != CORE_ACTIVE)
		return true;
	for (uint64_t i = 0; i < s->log_len; i++) {
		if (s->log[i]->kind == ENTRY_OPERATION && uuid_equal(&s->log[i]->op_id, id))
			return true;
	}
	return false;
}

static void
begin(struct node *n, struct errands *e, struct hand *h)
{
	struct submission s = {.what = FOR_BEGIN, .hand = h};
	if (!errands_writable(e) && !may_be_logged(n, &h->order.id)) {
		errands_drop(e, h);
		return;
	}
	s.op = errands_op_begin(h);
	if (!market_submit(n, s))
		errands_begun(e, h, CORE_OVERLOADED, NULL, 0);
}

/* As courier_buy. */
static void
call(struct market *m, unsigned who)
{
	struct world *w = m->world[THE_ORDERS];
	struct node *n = world_ask_whom(w);
	struct buy_call *c = new_call(m);
	unsigned order = (unsigned)m->buyers[who].order;
	struct sim_order *o = &m->orders[order];
	if (n->core == NULL || node_paused(n) || c == NULL) {
		act_again(m, who, soon(m));
		return;
	}
	struct order wanted = {.id = o->id, .fingerprint = order + 1};
	for (unsigned i = 0; i < o->lines; i++) {
		order_set_line(&wanted, i)->book_id = o->line[i].book_id;
		order_set_line(&wanted, i)->quantity = o->line[i].quantity;
	}
	*c = (struct buy_call){.used = true, .at = n, .who = who, .order = order};
	c->waits.deadline = node_now(n) + random_between(&w->random, 200, 6000);
	o->outstanding++;
	o->denied = false;
	m->buyers[who].waiting = true;
	if (random_chance(&w->random, 150)) /* impatient: asks again before the answer is there */
		act_again(m, who, random_between(&w->random, 1, 1500) * SIM_MS);
	TRACE(w, "buyer %u calls %u: order %u", who, n->id, order);
	struct errands *e = courier_errands(market_process(n)->courier);
	uint64_t boot = n->boot;
	struct hand *h = errands_buy(e, &wanted, &c->waits);
	order_free(&wanted);
	if (h != NULL)
		begin(n, e, h);
	if (n->core != NULL && n->boot == boot)
		courier_moved(n);
}

void
buyers_act(struct market *m, unsigned who, uint64_t turn)
{
	if (turn != m->turns[who])
		return;
	if (who == FILLER) {
		fill_shelves(m);
		return;
	}
	if (!m->seeded) {
		act_again(m, who, soon(m));
		return;
	}
	if (m->buyers[who].order < 0) {
		if (m->world[THE_ORDERS]->calm || m->order_count == m->orders_wanted)
			return;
		choose(m, who);
	}
	call(m, who);
}

/* What the buyer does when a call has ended. One that was impatient hears of two, and goes by the
 * first. */
static void
react(struct market *m, const struct buy_call *c, enum courier_result result)
{
	struct random *r = &m->world[THE_ORDERS]->random;
	struct totals *t = m->world[THE_ORDERS]->totals;
	bool over = result == COURIER_DONE;
	t->bought += over;
	t->carts += over && m->orders[c->order].lines > 1;
	t->bought_later += result == COURIER_PENDING;
	t->bought_unknown += result == COURIER_UNKNOWN;
	if (m->buyers[c->who].order != (int)c->order)
		return;
	over |= result == COURIER_NOT_APPLIED && random_chance(r, 500);
	over |= (result == COURIER_UNKNOWN || result == COURIER_PENDING) && m->buyers[c->who].quits;
	if (over)
		m->buyers[c->who].order = -1;
	if (m->buyers[c->who].waiting || over) {
		m->buyers[c->who].waiting = false;
		act_again(m, c->who, over ? soon(m) / 5 : soon(m));
	}
}

void
buyers_told(struct market *m, struct buyer *told)
{
	for (struct buyer *b = told, *next; b != NULL; b = next) {
		next = b->next;
		struct buy_call *c =
		    (struct buy_call *)((char *)b - offsetof(struct buy_call, waits));
		TRACE(m->world[THE_ORDERS], "buyer %u is told of order %u: %d", c->who, c->order,
		    b->result);
		c->used = false;
		m->orders[c->order].outstanding--;
		ledger_told(m, c);
		order_free(&b->order);
		react(m, c, b->result);
	}
}

void
buyers_lost(struct market *m, const struct node *at)
{
	for (unsigned i = 0; i < MARKET_CALLS; i++) {
		struct buy_call *c = &m->calls[i];
		if (!c->used || c->at != at)
			continue;
		c->used = false;
		m->orders[c->order].outstanding--;
		react(m, c, COURIER_UNKNOWN);
	}
}

bool
buyers_done(const struct market *m)
{
	for (unsigned i = 0; i < m->buyer_count; i++) {
		if (m->buyers[i].order >= 0)
			return false;
	}
	unsigned last = m->restock_count;
	return m->seeded && (last == 0 || m->restocks[last - 1].decided);
}

void
buyers_begin(struct market *m)
{
	struct random *r = &m->world[THE_ORDERS]->random;
	m->buyer_count = (unsigned)random_between(r, 1, MARKET_BUYERS);
	m->orders_wanted = (unsigned)random_between(r, 10, MARKET_ORDERS);
	m->restocks_wanted = (unsigned)random_between(r, 0, MARKET_RESTOCKS);
	act_again(m, FILLER, soon(m));
	for (unsigned i = 0; i < m->buyer_count; i++) {
		m->buyers[i].order = -1;
		act_again(m, i, soon(m));
	}
}
