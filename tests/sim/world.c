/* Events in the order of time: a binary heap. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"
#include "tests/sim/market.h"

#define AT_ONCE_MAX 5000             /* events of one moment */
#define REST_WITHIN (60000 * SIM_MS) /* from calm to rest */

void
world_trace(const struct world *w, const char *format, ...)
{
	va_list args;
	bool orders = w->market != NULL && w == w->market->world[THE_ORDERS];
	va_start(args, format);
	printf("%10.3f %c", (double)w->now / SIM_MS, orders ? 'o' : ' ');
	vprintf(format, args);
	putchar('\n');
	va_end(args);
}

static bool
before(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void
world_at(struct world *w, uint64_t delay, struct event e)
{
	e.at = w->now + delay;
	e.order = w->order++;
	if (w->heap_count == w->heap_cap) {
		w->heap_cap = w->heap_cap ? 2 * w->heap_cap : 256;
		w->heap = xrealloc(w->heap, w->heap_cap * sizeof(*w->heap));
	}
	size_t i = w->heap_count++;
	for (; i > 0 && before(&e, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = e;
}

static struct event
next_event(struct world *w)
{
	struct event first = w->heap[0], e = w->heap[--w->heap_count];
	size_t i = 0;
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= w->heap_count)
			break;
		if (child + 1 < w->heap_count && before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!before(&w->heap[child], &e))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = e;
	return first;
}

struct node *
world_node(struct world *w, uint32_t id)
{
	return &w->nodes[id - 1];
}

struct node *
world_primary(struct world *w)
{
	struct node *found = NULL;
	struct epoch latest = {0};
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		struct node *n = &w->nodes[i];
		if (n->core == NULL)
			continue;
		struct core_status s = node_status(n);
		if (s.role != CORE_PRIMARY || s.phase != CORE_ACTIVE ||
		    epoch_compare(s.epoch, latest) <= 0)
			continue;
		found = n;
		latest = s.epoch;
	}
	return found;
}

struct node *
world_ask_whom(struct world *w)
{
	struct node *primary = world_primary(w);
	if (primary == NULL || random_chance(&w->random, w->mood.astray))
		return &w->nodes[random_below(&w->random, w->mood.nodes)];
	return primary;
}

/* Nothing starts at a host that stands still. */
static void
start(struct world *w, struct node *n)
{
	if (n == NULL || n->core != NULL || n->stopped || n->gone)
		return;
	uint64_t until = w->hosts[n->host].paused_until;
	if (until > w->now)
		world_at(w, until - w->now, (struct event){.kind = EV_START, .index = n->id});
	else
		node_start(n);
}

static void
handle(struct world *w, const struct event *e)
{
	struct node *n = e->index > 0 && e->index <= w->mood.nodes ? world_node(w, e->index) : NULL;
	bool alive = n != NULL && n->core != NULL && n->boot == e->boot;
	switch (e->kind) {
	case EV_DELIVER:
		net_deliver(w, e->packet);
		break;
	case EV_SEND_FAILED:
		if (alive && n->inbox_count < SIM_INBOX)
			node_input(n,
			    (struct input){
				.kind = INPUT_SEND_FAILED, .peer = e->peer, .request = e->request});
		break;
	case EV_RUN:
		if (alive)
			node_run(n);
		break;
	case EV_TICK:
		if (alive && n->tick_at == e->at)
			node_tick(n);
		break;
	case EV_START:
		start(w, n);
		break;
	case EV_CHORES:
		if (alive)
			node_chores(n);
		break;
	case EV_OPERATOR:
		operator_act(w);
		break;
	case EV_WRITER:
		if (e->request == w->writers[e->index].ticket)
			client_write(w, e->index);
		break;
	case EV_READER:
		client_read(w, e->index);
		break;
	case EV_FAULT:
		schedule_fault(w);
		break;
	case EV_CALM:
		schedule_calm(w);
		break;
	case EV_BUYER:
		buyers_act(w->market, e->index, e->request);
		break;
	case EV_LETTER:
		market_deliver(e->letter);
		break;
	}
}

static void
drop(const struct event *e)
{
	if (e->kind == EV_DELIVER)
		net_release(e->packet);
	if (e->kind == EV_LETTER)
		letter_free(e->letter);
}

/* Whose event is next. */
static struct world *
next_world(struct world *worlds, unsigned count)
{
	bool second = count > 1 && worlds[1].heap[0].at < worlds[0].heap[0].at;
	return &worlds[second];
}

static bool
any_failed(const struct world *worlds, unsigned count)
{
	return worlds[0].oracle.failed || (count > 1 && worlds[1].oracle.failed);
}

static bool
all_at_rest(struct world *worlds, unsigned count)
{
	return schedule_at_rest(&worlds[0]) &&
	       (count == 1 || (schedule_at_rest(&worlds[1]) && ledger_at_rest(worlds->market)));
}

static void
step(struct world *worlds, unsigned count)
{
	struct world *w = next_world(worlds, count);
	struct event e = next_event(w);
	uint64_t calm = worlds[count - 1].mood.calm_at;
	if (calm < worlds->mood.calm_at)
		calm = worlds->mood.calm_at;
	w->at_once = e.at == w->now ? w->at_once + 1 : 0;
	for (unsigned i = 0; i < count; i++)
		worlds[i].now = e.at;
	if (w->at_once > AT_ONCE_MAX)
		oracle_fail(w, "time stands still");
	if (w->now > calm + REST_WITHIN) {
		drop(&e);
		oracle_fail(w, "no rest within %u s of calm", REST_WITHIN / SIM_MS / 1000);
		return;
	}
	handle(w, &e);
}

static void
run(struct world *worlds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		schedule_begin(&worlds[i]);
	if (count > 1)
		buyers_begin(worlds->market);
	while (!any_failed(worlds, count) && !all_at_rest(worlds, count))
		step(worlds, count);
	for (unsigned i = 0; i < count && !any_failed(worlds, count); i++)
		oracle_end(&worlds[i]);
	if (count > 1 && !any_failed(worlds, count))
		ledger_end(worlds->market);
}

static void
end(struct world *w)
{
	w->mood.loss = 0;
	for (unsigned i = 0; i < w->mood.nodes; i++)
		node_crash(&w->nodes[i]);
}

static void
clear(struct world *w)
{
	for (size_t i = 0; i < w->heap_count; i++)
		drop(&w->heap[i]);
	for (unsigned i = 0; i < w->mood.hosts; i++)
		host_free(&w->hosts[i]);
	oracle_free(&w->oracle);
}

static void
prepare(struct world *w, uint64_t seed, bool trace, struct totals *totals)
{
	struct event *heap = w->heap;
	size_t cap = w->heap_cap;
	memset(w, 0, sizeof(*w));
	w->heap = heap;
	w->heap_cap = cap;
	w->seed = seed;
	w->random.state = seed * 0xd1342543de82ef95u;
	w->trace = trace;
	w->totals = totals;
}

bool
schedule_run(uint64_t seed, bool losses, bool trace, struct totals *totals, char why[256])
{
	static struct world worlds[2]; /* big, and used again */
	static struct market market;
	unsigned count = seed % 10 == 0 ? 2 : 1;
	for (unsigned i = 0; i < count; i++) {
		prepare(&worlds[i], seed + i * UINT64_C(0x9e3779b97f4a7c15), trace, totals);
		worlds[i].losses = losses;
	}
	if (count > 1)
		market_begin(&market, &worlds[0], &worlds[1]);
	run(worlds, count);
	const struct world *failed = count > 1 && worlds[1].oracle.failed ? &worlds[1] : &worlds[0];
	memcpy(why, failed->oracle.why, sizeof(failed->oracle.why));
	bool passed = !failed->oracle.failed;
	totals->schedules++;
	totals->simulated_ms += worlds->now / SIM_MS;
	struct totals before = *totals;
	for (unsigned i = 0; i < count; i++) {
		worlds[i].trace = false;
		end(&worlds[i]);
	}
	for (unsigned i = 0; i < count; i++)
		clear(&worlds[i]);
	if (count > 1)
		market_end(&market);
	*totals = before; /* the end is no part of it */
	return passed;
}
