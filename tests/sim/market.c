/* Two worlds under one time, and what travels between them. */
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"
#include "tests/sim/market.h"

/* What each of market.asked asked, and is answered: too big to be wiped for every schedule. */
static struct papers {
	struct reserve_request request;
	struct reserve_answers answers;
} papers[MARKET_ASKED];

static struct papers *
papers_of(const struct market *m, const struct asked *a)
{
	return &papers[a - m->asked];
}

static enum service
service_of(const struct node *n)
{
	return n->world == n->world->market->world[THE_ORDERS] ? THE_ORDERS : THE_CATALOG;
}

struct process *
market_process(const struct node *n)
{
	return &n->world->market->process[service_of(n)][n->id - 1];
}

/* ---- The rules of a service, as the core calls them ---- */

static bool
decided(void *ctx, const struct op *op, struct buf *answer)
{
	const struct process *p = market_process(ctx);
	return p->orders != NULL ? order_decided(p->orders, op, answer)
				 : catalog_decided(p->catalog, op, answer);
}

static void
begin(void *ctx)
{
	const struct process *p = market_process(ctx);
	if (p->orders != NULL)
		order_begin_batch(p->orders);
	else
		catalog_begin(p->catalog);
}

static void
execute(void *ctx, const struct op *op, uint64_t time_ms, struct outcome *out)
{
	const struct process *p = market_process(ctx);
	if (p->orders != NULL)
		order_execute(p->orders, op, time_ms, out);
	else
		catalog_execute(p->catalog, op, time_ms, out);
}

/* Logs are whole here, so nobody asks for tables. */
static bool
dump(void *ctx, struct buf *cursor, size_t max, struct buf *rows)
{
	const struct node *n = ctx;
	(void)cursor;
	(void)max;
	(void)rows;
	oracle_fail(n->world, "replica %u is asked for its tables", n->id);
	return false;
}

struct machine
market_machine(struct node *n)
{
	struct machine m = shop_machine(n);
	m.decided = decided;
	m.begin = begin;
	m.execute = execute;
	m.dump = dump;
	return m;
}

/* ---- Processes ---- */

void
market_started(struct node *n)
{
	struct process *p = market_process(n);
	const struct store *s = &n->disk.live;
	for (uint64_t seq = 1; seq <= s->applied; seq++)
		rows_apply(&p->rows, s->log[seq - 1]);
	p->view = rows_view(&p->rows);
	if (service_of(n) == THE_CATALOG) {
		p->catalog = catalog_new(&p->view);
	} else {
		p->orders = order_machine_new(&p->view);
		p->courier = courier_new(n);
	}
}

static void
forget_submissions(struct node *n)
{
	struct market *m = n->world->market;
	for (size_t i = 0; i < n->ticket_count; i++) {
		struct submission *s = &m->submissions[n->tickets[i] % MARKET_SUBMISSIONS];
		if (s->op != NULL)
			op_free(s->op);
		if (s->what == FOR_SEED)
			buyers_seeded(m, CORE_UNKNOWN);
		if (s->what == FOR_RESTOCK)
			buyers_restocked(m, s->restock, CORE_UNKNOWN);
		s->ticket = 0;
	}
	n->ticket_count = 0;
}

static uint64_t
travel_time(struct market *m)
{
	struct world *w = m->world[THE_ORDERS];
	return w->mood.delay_us / 4 + random_below(&w->random, 2ul * w->mood.delay_us);
}

/* Whoever waits for this process's answer sees the connection break. */
static void
break_connections(struct node *catalog)
{
	struct market *m = catalog->world->market;
	for (unsigned i = 0; i < MARKET_ASKED; i++) {
		struct asked *a = &m->asked[i];
		if (!a->used || a->catalog != catalog)
			continue;
		a->used = false;
		market_post(m, travel_time(m),
		    (struct letter){
			.kind = LETTER_ANSWER, .to = a->from, .boot = a->boot, .trip = a->trip});
	}
}

void
market_ended(struct node *n)
{
	struct market *m = n->world->market;
	struct process *p = market_process(n);
	forget_submissions(n);
	if (service_of(n) == THE_CATALOG) {
		break_connections(n);
	} else {
		courier_free(p->courier);
		buyers_lost(m, n);
	}
	catalog_free(p->catalog);
	order_machine_free(p->orders);
	rows_free(&p->rows);
	*p = (struct process){0};
}

void
market_applied(struct node *n, const struct entry *e)
{
	rows_apply(&market_process(n)->rows, e);
}

/* ---- Operations ---- */

bool
market_submit(struct node *n, struct submission s)
{
	struct market *m = n->world->market;
	struct submission *slot = &m->submissions[++m->tickets % MARKET_SUBMISSIONS];
	if (n->inbox_count == SIM_INBOX || n->ticket_count == SIM_OPS || slot->ticket != 0) {
		op_free(s.op);
		return false;
	}
	*slot = s;
	slot->ticket = slot->op->ticket = m->tickets;
	node_input(n, (struct input){.kind = INPUT_OP, .ticket = slot->ticket});
	return true;
}

struct op *
market_op(struct node *n, uint64_t ticket)
{
	struct submission *s = &n->world->market->submissions[ticket % MARKET_SUBMISSIONS];
	struct op *op = s->op;
	s->op = NULL;
	return op;
}

static void
send_answer(struct market *m, struct asked *a)
{
	struct letter l = {.kind = LETTER_ANSWER, .to = a->from, .boot = a->boot, .trip = a->trip};
	a->used = false;
	if (market_lost(m, a->from, a->catalog))
		return;
	reserve_answer_encode(&l.bytes, &papers_of(m, a)->answers);
	market_post(m, travel_time(m), l);
}

static void
reserved(struct market *m, const struct submission *s, enum core_result result,
    const uint8_t *answer, size_t len)
{
	struct asked *a = &m->asked[s->asked];
	struct papers *p = papers_of(m, a);
	reserve_take(&p->answers, &p->request, s->item, result, answer, len);
	if (--a->open == 0)
		send_answer(m, a);
}

void
market_answered(struct node *n, const struct core_action *a)
{
	struct market *m = n->world->market;
	struct submission s = m->submissions[a->ticket % MARKET_SUBMISSIONS];
	struct process *p = market_process(n);
	m->submissions[a->ticket % MARKET_SUBMISSIONS].ticket = 0;
	switch (s.what) {
	case FOR_BEGIN:
		errands_begun(
		    courier_errands(p->courier), s.hand, a->result, a->answer, a->answer_len);
		courier_moved(n);
		break;
	case FOR_END:
		errands_ended(courier_errands(p->courier), node_now(n), s.hand, a->result,
		    a->answer, a->answer_len);
		courier_moved(n);
		break;
	case FOR_RESERVATION:
		reserved(m, &s, a->result, a->answer, a->answer_len);
		break;
	case FOR_SEED:
		buyers_seeded(m, a->result);
		break;
	case FOR_RESTOCK:
		buyers_restocked(m, s.restock, a->result);
		break;
	}
}

/* ---- Between the services ---- */

bool
market_lost(struct market *m, const struct node *orders, const struct node *catalog)
{
	struct world *w = m->world[THE_ORDERS];
	return m->cut[orders->id - 1][catalog->id - 1] || random_chance(&w->random, w->mood.loss);
}

void
market_change_cuts(struct world *w)
{
	struct market *m = w->market;
	for (unsigned i = 0; i < SIM_NODES * SIM_NODES; i++)
		m->cut[i / SIM_NODES][i % SIM_NODES] =
		    !w->calm && w->mood.cuts && random_chance(&w->random, 250);
}

void
market_post(struct market *m, uint64_t delay, struct letter l)
{
	struct letter *posted = xmalloc(sizeof(*posted));
	*posted = l;
	world_at(m->world[THE_ORDERS], delay, (struct event){.kind = EV_LETTER, .letter = posted});
}

void
letter_free(struct letter *l)
{
	buf_free(&l->bytes);
	free(l);
}

static void
refuse(struct market *m, const struct letter *l)
{
	market_post(m, travel_time(m),
	    (struct letter){
		.kind = LETTER_ANSWER, .to = l->from, .boot = l->boot, .trip = l->trip});
}

static struct asked *
new_asked(struct market *m, const struct letter *l)
{
	for (unsigned i = 0; i < MARKET_ASKED; i++) {
		struct asked *a = &m->asked[i];
		if (a->used)
			continue;
		struct papers *p = papers_of(m, a);
		if (!reserve_request_decode(l->bytes.data, l->bytes.len, &p->request))
			return NULL;
		a->used = true;
		a->catalog = l->to;
		a->catalog_boot = l->to->boot;
		a->from = l->from;
		a->boot = l->boot;
		a->trip = l->trip;
		p->answers.count = a->open = p->request.count;
		return a;
	}
	return NULL;
}

/* As POST /peer/reserve: see fcgi/catalog/internal.c. */
static void
reserve(struct market *m, const struct letter *l)
{
	struct node *n = l->to;
	if (n->core == NULL || node_status(n).role != CORE_PRIMARY) {
		refuse(m, l);
		return;
	}
	struct asked *a = new_asked(m, l);
	if (a == NULL || a->open > MARKET_ORDERS) {
		oracle_fail(n->world, "a request for reservations can't be taken");
		return;
	}
	const struct reserve_request *r = &papers_of(m, a)->request;
	for (unsigned i = 0; i < r->count && a->used && n->boot == a->catalog_boot; i++) {
		struct submission s = {.what = FOR_RESERVATION, .asked = (unsigned)(a - m->asked)};
		s.item = i;
		s.op = reserve_op(r, i);
		if (!market_submit(n, s))
			reserved(m, &s, CORE_NOT_APPLIED, NULL, 0);
	}
}

/* A process that stands still takes it later. */
void
market_deliver(struct letter *l)
{
	struct node *n = l->to;
	struct market *m = n->world->market;
	if (n->core != NULL && node_paused(n)) {
		world_at(m->world[THE_ORDERS], 5 * SIM_MS,
		    (struct event){.kind = EV_LETTER, .letter = l});
		return;
	}
	if (l->kind == LETTER_REQUEST)
		reserve(m, l);
	else if (n->core != NULL && n->boot == l->boot)
		courier_letter(n, l);
	letter_free(l);
}

/* ---- Beginning, end ---- */

void
market_begin(struct market *m, struct world *catalog, struct world *orders)
{
	memset(m, 0, sizeof(*m));
	m->world[THE_CATALOG] = catalog;
	m->world[THE_ORDERS] = orders;
	catalog->market = orders->market = m;
}

void
market_end(struct market *m)
{
	rows_free(&m->committed[THE_CATALOG]);
	rows_free(&m->committed[THE_ORDERS]);
}
