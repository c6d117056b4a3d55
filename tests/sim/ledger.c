/* What must be true of purchases, at each entry that is committed, each answer, and in the end. */
#include <string.h>

#include "tests/sim/market.h"

/* ---- The books of both services, as committed ---- */

struct search {
	const struct uuid *id;
	struct reservation *found;
	bool is_found;
};

static bool
compare(void *arg, const struct reservation *r)
{
	struct search *s = arg;
	if (!uuid_equal(&r->order_id, s->id))
		return true;
	*s->found = *r;
	s->is_found = true;
	return false;
}

static bool
find_reservation(struct market *m, const struct uuid *id, struct reservation *found)
{
	struct view v = rows_view(&m->committed[THE_CATALOG]);
	struct search s = {.id = id, .found = found};
	catalog_reservations(&v, NULL, compare, &s);
	return s.is_found;
}

static bool
find_order(struct market *m, const struct uuid *id, struct order *found)
{
	struct view v = rows_view(&m->committed[THE_ORDERS]);
	return order_get(&v, id, found);
}

static bool
agree(const struct order *o, const struct reservation *r)
{
	static const enum order_reason reasons[] = {[CATALOG_OK] = ORDER_NO_REASON,
	    [CATALOG_NO_BOOK] = ORDER_NO_BOOK,
	    [CATALOG_SOLD_OUT] = ORDER_SOLD_OUT,
	    [CATALOG_INSUFFICIENT] = ORDER_INSUFFICIENT};
	enum catalog_result result = r->answer.result;
	bool sold = o->status == ORDER_CONFIRMED;
	bool same = order_lines(o) == r->count && sold == (result == CATALOG_OK) &&
		    result <= CATALOG_INSUFFICIENT;
	for (size_t i = 0; same && i < r->count; i++) {
		const struct order_line *line = order_line(o, i);
		same = line->book_id == r->line[i].book_id &&
		       line->quantity == r->line[i].quantity &&
		       (!sold || line->price == r->sold[i].price);
	}
	if (!same || sold)
		return same;
	return o->reason == reasons[result] && o->available == r->answer.available &&
	       (r->answer.refused == 0 || o->refused == r->answer.refused);
}

static bool
asks_for(const struct order *o, const struct sim_order *wanted)
{
	bool same = order_lines(o) == wanted->lines;
	for (size_t i = 0; same && i < wanted->lines; i++)
		same = order_line(o, i)->book_id == wanted->line[i].book_id &&
		       order_line(o, i)->quantity == wanted->line[i].quantity;
	return same;
}

/* ---- Entries ---- */

static struct sim_order *
wanted(struct market *m, const struct uuid *id)
{
	for (unsigned i = 0; i < m->order_count; i++) {
		if (uuid_equal(&m->orders[i].id, id))
			return &m->orders[i];
	}
	return NULL;
}

static void
check_order(struct market *m, const struct entry *e)
{
	struct world *w = m->world[THE_ORDERS];
	struct order now, before;
	struct reservation r;
	if (order_answer_decode(e->answer, e->answer_len, &now) != 0) {
		oracle_fail(w, "entry %lu tells of no order", (unsigned long)e->at.seq);
		return;
	}
	struct sim_order *o = wanted(m, &now.id);
	bool was = find_order(m, &now.id, &before);
	unsigned number = o != NULL ? (unsigned)(o - m->orders) : MARKET_ORDERS;
	if (o == NULL || !asks_for(&now, o))
		oracle_fail(w, "order %u is not what was asked for", number);
	else if (now.status == ORDER_PENDING && was)
		oracle_fail(w, "order %u begins twice", number);
	else if (now.status == ORDER_PENDING && o->denied)
		oracle_fail(w, "order %u begins after NOT_APPLIED", number);
	else if (now.status != ORDER_PENDING && (!was || before.status != ORDER_PENDING))
		oracle_fail(w, "order %u ends, but is not pending", number);
	else if (now.status != ORDER_PENDING && !find_reservation(m, &now.id, &r))
		oracle_fail(w, "order %u ends before its reservation is committed", number);
	else if (now.status != ORDER_PENDING && !agree(&now, &r))
		oracle_fail(w, "order %u ends otherwise than its reservation", number);
	order_free(&now);
	if (was)
		order_free(&before);
}

struct sums {
	int64_t sold[MARKET_BOOKS + 2];
};

static bool
add_up(void *arg, const struct reservation *r)
{
	struct sums *s = arg;
	for (size_t i = 0; r->answer.result == CATALOG_OK && i < r->count; i++)
		s->sold[r->line[i].book_id] += r->line[i].quantity;
	return true;
}

/* What was put on the shelves is there or sold: every line of a reservation or none. */
static void
check_stock(struct market *m)
{
	struct view v = rows_view(&m->committed[THE_CATALOG]);
	struct sums sums = {{0}};
	struct book b;
	catalog_reservations(&v, NULL, add_up, &sums);
	for (unsigned i = 1; i <= MARKET_BOOKS && catalog_book(&v, i, &b); i++) {
		if (b.quantity < 0 || b.quantity + sums.sold[i] != b.stocked)
			oracle_fail(m->world[THE_CATALOG], "book %u: %ld left and %ld sold of %ld",
			    i, (long)b.quantity, (long)sums.sold[i], (long)b.stocked);
	}
}

void
ledger_committed(struct world *w, const struct entry *e)
{
	struct market *m = w->market;
	enum service service = w == m->world[THE_ORDERS] ? THE_ORDERS : THE_CATALOG;
	if (service == THE_ORDERS && e->effects_len > 0)
		check_order(m, e);
	rows_apply(&m->committed[service], e);
	if (service == THE_CATALOG)
		check_stock(m);
}

/* ---- Answers ---- */

void
ledger_told(struct market *m, const struct buy_call *c)
{
	struct world *w = m->world[THE_ORDERS];
	struct sim_order *o = &m->orders[c->order];
	const struct order *told = &c->waits.order;
	struct order now = {0};
	bool is = find_order(m, &o->id, &now);
	switch (c->waits.result) {
	case COURIER_DONE:
		if (!is || now.status == ORDER_PENDING || now.status != told->status ||
		    order_total(&now) != order_total(told) || now.reason != told->reason ||
		    now.refused != told->refused)
			oracle_fail(w, "order %u is told to have ended, and has not so", c->order);
		if (o->told && o->ended != told->status)
			oracle_fail(w, "order %u is told to have ended in two ways", c->order);
		o->told = true;
		o->ended = told->status;
		break;
	case COURIER_PENDING:
		if (!is)
			oracle_fail(w, "order %u is told to be logged, and is not", c->order);
		break;
	case COURIER_NOT_APPLIED:
		o->denied = o->outstanding == 0;
		if (o->denied && is)
			oracle_fail(w, "order %u is logged, but told NOT_APPLIED", c->order);
		break;
	case COURIER_KEY_REUSED:
		oracle_fail(w, "order %u is told to be another one", c->order);
		break;
	default:
		break;
	}
	order_free(&now);
}

/* ---- The end ---- */

static bool
stop_at_first(void *arg, const struct order *o)
{
	(void)o;
	*(bool *)arg = true;
	return false;
}

bool
ledger_at_rest(struct market *m)
{
	struct view v = rows_view(&m->committed[THE_ORDERS]);
	bool pending = false;
	order_pending(&v, stop_at_first, &pending);
	return !pending && buyers_done(m);
}

static bool
has_order(void *arg, const struct reservation *r)
{
	struct market *m = arg;
	struct order o = {0};
	if (!find_order(m, &r->order_id, &o))
		oracle_fail(m->world[THE_CATALOG], "a reservation has no order");
	else if (!agree(&o, r))
		oracle_fail(m->world[THE_CATALOG], "a reservation and its order end differently");
	order_free(&o);
	return true;
}

static void
check_restocks(struct market *m)
{
	struct view v = rows_view(&m->committed[THE_CATALOG]);
	int64_t stocked[MARKET_BOOKS + 1] = {0, 5, 5, 5};
	struct book b;
	for (unsigned i = 0; i < m->restock_count; i++)
		stocked[m->restocks[i].book] += m->restocks[i].change;
	for (unsigned i = 1; i <= MARKET_BOOKS; i++) {
		if (!catalog_book(&v, i, &b) || b.stocked != stocked[i])
			oracle_fail(m->world[THE_CATALOG], "book %u was not stocked once each", i);
	}
}

static void
check_tables(struct market *m, enum service service)
{
	struct world *w = m->world[service];
	const struct set *s = &w->oracle.table.set;
	for (uint32_t i = 0; i < s->count; i++) {
		const struct node *n = world_node(w, s->member[i].id);
		if (!rows_same(&market_process(n)->rows, &m->committed[service]))
			oracle_fail(w, "at rest replica %u has other rows", n->id);
	}
}

void
ledger_end(struct market *m)
{
	struct view catalog = rows_view(&m->committed[THE_CATALOG]);
	struct order o = {0};
	check_tables(m, THE_CATALOG);
	check_tables(m, THE_ORDERS);
	check_restocks(m);
	catalog_reservations(&catalog, NULL, has_order, m);
	for (unsigned i = 0; i < m->order_count; i++) {
		if (m->orders[i].told && !find_order(m, &m->orders[i].id, &o))
			oracle_fail(m->world[THE_ORDERS], "order %u is lost", i);
		order_free(&o);
	}
}
