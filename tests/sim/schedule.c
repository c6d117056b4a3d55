/* What goes wrong in a schedule, and when. */
#include <string.h>

#include "tests/sim/market.h"

static unsigned
pick(struct world *w, const unsigned *values, size_t count)
{
	return values[random_below(&w->random, count)];
}

#define PICK(w, ...)                                                                               \
	pick(w, (const unsigned[]){__VA_ARGS__},                                                   \
	    sizeof((const unsigned[]){__VA_ARGS__}) / sizeof(unsigned))

static void
draw_mood(struct world *w)
{
	struct mood *m = &w->mood;
	m->nodes = PICK(w, 2, 2, 3, 3, 4);
	m->members = random_chance(&w->random, 700)
			 ? m->nodes
			 : (unsigned)random_between(&w->random, 1, m->nodes);
	m->hosts = (unsigned)random_between(&w->random, 1, m->nodes);
	m->writers = (unsigned)random_between(&w->random, 1, SIM_WRITERS);
	m->readers = (unsigned)random_between(&w->random, 1, SIM_READERS);
	m->ops = PICK(w, 10, 25, SIM_OPS, SIM_OPS);
	m->astray = PICK(w, 50, 50, 400);
	m->loss = PICK(w, 0, 0, 20, 100, 300);
	m->twice = PICK(w, 0, 0, 50, 200);
	m->late = PICK(w, 0, 0, 20, 100);
	m->crash_step = PICK(w, 0, 2, 5, 20);
	m->crash_fault = PICK(w, 0, 200, 500);
	m->slow_disk = PICK(w, 0, 0, 0, 50);
	m->yield = PICK(w, 0, 50, 300);
	m->delay_us = PICK(w, 100, 1000, 20000);
	m->fault_ms = PICK(w, 100, 300, 1000, 2000);
	m->operator_ms = PICK(w, 0, 200, 500, 1000, 2000);
	m->keep = PICK(w, 3, 5, 10, 20);
	m->chunk = PICK(w, 1, 2);
	m->calm_at = random_between(&w->random, 500, 12000) * SIM_MS;
	m->wipes = random_chance(&w->random, 300);
	m->cuts = random_chance(&w->random, 500);
	m->pauses = random_chance(&w->random, 500);
	m->losses = random_chance(&w->random, 100) || w->losses;
	m->leavers = random_chance(&w->random, 150);
}

/* Purchases are made by a market's own people. Its logs are whole; and where a service may lose
 * what was committed, the other one can't agree with it. */
static void
suit_market(struct mood *m)
{
	m->writers = m->readers = 0;
	m->losses = false;
	m->keep = SIM_LOG;
}

static void
draw_first_set(struct world *w)
{
	w->first = (struct set){.primary = 1, .min = w->mood.members};
	for (; w->first.count < w->mood.members; w->first.count++) {
		struct set_member *m = &w->first.member[w->first.count];
		m->id = w->first.count + 1;
		m->in_sync = true;
		node_address(m->id, m->address);
	}
}

void
schedule_begin(struct world *w)
{
	draw_mood(w);
	if (w->market != NULL)
		suit_market(&w->mood);
	w->oracle.table.real = w->market != NULL;
	draw_first_set(w);
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		struct node *n = &w->nodes[i];
		*n = (struct node){.world = w, .id = i + 1};
		n->host = i % w->mood.hosts;
		n->machine = w->market != NULL ? market_machine(n) : shop_machine(n);
		world_at(w, random_between(&w->random, 0, 50) * SIM_MS,
		    (struct event){.kind = EV_START, .index = n->id});
	}
	for (unsigned i = 0; i < w->mood.hosts; i++)
		host_boot(w, i);
	for (unsigned i = 0; i < w->mood.writers; i++) {
		w->writers[i].op = -1;
		world_at(w, random_between(&w->random, 0, 100) * SIM_MS,
		    (struct event){.kind = EV_WRITER, .index = i});
	}
	for (unsigned i = 0; i < w->mood.readers; i++)
		world_at(w, random_between(&w->random, 0, 100) * SIM_MS,
		    (struct event){.kind = EV_READER, .index = i});
	if (w->mood.operator_ms > 0)
		world_at(w, random_between(&w->random, 0, 1000) * SIM_MS,
		    (struct event){.kind = EV_OPERATOR});
	world_at(w, w->mood.fault_ms * SIM_MS / 2, (struct event){.kind = EV_FAULT});
	world_at(w, w->mood.calm_at, (struct event){.kind = EV_CALM});
}

static struct node *
any_node(struct world *w)
{
	return &w->nodes[random_below(&w->random, w->mood.nodes)];
}

static void
power_cut(struct world *w)
{
	unsigned host = any_node(w)->host;
	TRACE(w, "power cut at host %u", host);
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		if (w->nodes[i].host == host)
			node_crash(&w->nodes[i]);
	}
	host_boot(w, host);
}

static void
change_cuts(struct world *w)
{
	for (unsigned a = 1; a <= w->mood.nodes; a++) {
		for (unsigned b = 1; b <= w->mood.nodes; b++)
			w->cut[a][b] = w->mood.cuts && random_chance(&w->random, 250);
	}
	if (w->market != NULL)
		market_change_cuts(w->market->world[THE_ORDERS]);
}

/* ---- What may be lost ---- */

/* One that lacks what is pruned elsewhere will be asked to give up what it has. */
static bool
is_far_behind(const struct node *n)
{
	const struct world *w = n->world;
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		if (w->nodes[i].disk.live.log_first > n->disk.live.log_len + 1)
			return true;
	}
	return false;
}

/* A store of a history that was given up is one, too. */
static bool
is_lost(const struct node *n)
{
	const struct store *s = &n->disk.durable;
	return n->gone || n->amnesia || s->partial_until > s->log_len || is_far_behind(n) ||
	       !uuid_equal(&s->pledge.incarnation, &n->world->oracle.incarnation);
}

/* A promotion can do without min - 1 logs, by whichever of the sets that may be in force. */
static bool
enough_left(const struct world *w, const struct set *s, const struct node *without)
{
	unsigned lost = 0;
	for (uint32_t i = 0; i < s->count; i++) {
		const struct node *n = &w->nodes[s->member[i].id - 1];
		lost += n == without || is_lost(n);
	}
	return lost < s->min;
}

/* The promise: no loss by the loss of any min - 1 stores at a time. A store that was lost counts
 * until it holds again all that is committed. */
bool
schedule_can_spare(struct world *w, const struct node *n)
{
	const struct oracle *o = &w->oracle;
	if (o->committed_count == 0 || !enough_left(w, &o->table.set, n))
		return false;
	if (w->admin.loss_accepted && !o->replaced)
		return false; /* one replica alone may know of the new history */
	/* A smaller min may be on its way: then one store at a time. */
	for (unsigned i = 0; w->admin.min_may_change && i < w->mood.nodes; i++) {
		if (&w->nodes[i] != n && is_lost(&w->nodes[i]) &&
		    set_find(&o->table.set, i + 1) != NULL)
			return false;
	}
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		const struct node *m = &w->nodes[i];
		struct set space;
		const struct set *s = disk_set(&m->disk.durable, &space);
		if (s != NULL && oracle_current(m) && !enough_left(w, s, n))
			return false;
		s = disk_set(&m->disk.live, &space);
		if (s != NULL && oracle_current(m) && !enough_left(w, s, n))
			return false;
	}
	return true;
}

/* For good: one at a time, until the operator has taken it out of the set. */
bool
schedule_leave(struct world *w, struct node *n)
{
	if (!w->mood.leavers)
		return false;
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		if (w->nodes[i].gone)
			return false;
	}
	TRACE(w, "replica %u is gone for good", n->id);
	n->gone = true;
	w->totals->gone++;
	return true;
}

/* A disk is replaced by an empty one, or the replica never comes back. */
static void
lose_disk(struct world *w)
{
	struct node *lost = any_node(w);
	if (lost->gone || !schedule_can_spare(w, lost))
		return;
	w->totals->wipes++;
	w->forgetful = true;
	w->admin.may_lead = UINT32_MAX; /* a primary that lost its store hands over */
	node_lose_disk(lost);
	if (random_chance(&w->random, 300))
		schedule_leave(w, lost);
}

/* ---- Faults ---- */

static uint64_t
pause_time(struct world *w)
{
	return random_between(&w->random, 10, random_chance(&w->random, 300) ? 5000 : 1500) *
	       SIM_MS;
}

static void
pause_host(struct world *w)
{
	unsigned host = any_node(w)->host;
	uint64_t us = pause_time(w);
	TRACE(w, "host %u pauses for %lu ms", host, (unsigned long)us / SIM_MS);
	w->hosts[host].paused_until = w->now + us;
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		const struct node *n = &w->nodes[i];
		if (n->host == host)
			world_at(
			    w, us, (struct event){.kind = EV_RUN, .index = n->id, .boot = n->boot});
	}
}

static void
break_something(struct world *w)
{
	switch (random_below(&w->random, 10)) {
	case 0:
		power_cut(w);
		break;
	case 1:
		host_format(w, any_node(w)->host);
		break;
	case 2:
	case 3:
		change_cuts(w);
		break;
	case 4:
		if (w->mood.wipes)
			lose_disk(w);
		break;
	case 5:
	case 6:
		if (w->mood.pauses)
			node_pause(any_node(w), pause_time(w));
		break;
	case 7:
		if (w->mood.pauses)
			pause_host(w);
		break;
	default:
		break;
	}
}

void
schedule_fault(struct world *w)
{
	if (w->calm)
		return;
	if (random_chance(&w->random, w->mood.crash_fault))
		node_crash(any_node(w));
	break_something(w);
	world_at(w, random_between(&w->random, w->mood.fault_ms / 2, w->mood.fault_ms * 2) * SIM_MS,
	    (struct event){.kind = EV_FAULT});
}

/* From here on everything works, and must come to rest: without the operator, except where a
 * replica is gone for good. */
void
schedule_calm(struct world *w)
{
	TRACE(w, "calm");
	w->calm = true;
	w->mood.loss = w->mood.twice = w->mood.late = w->mood.crash_step = w->mood.slow_disk = 0;
	w->mood.delay_us = 500;
	memset(w->cut, 0, sizeof(w->cut));
	if (w->market != NULL)
		market_change_cuts(w->market->world[THE_ORDERS]);
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		if (w->admin.ticket == 0) /* else when it is answered */
			w->nodes[i].stopped = false;
		world_at(w, 0, (struct event){.kind = EV_START, .index = i + 1});
	}
	if (w->mood.operator_ms == 0)
		world_at(w, 0, (struct event){.kind = EV_OPERATOR});
}

static bool
replica_at_rest(const struct world *w, const struct node *n)
{
	const struct store *s = &n->disk.live;
	return n->core != NULL && n->todo == NULL && node_serves(n) && oracle_current(n) &&
	       s->partial_until == 0 && s->applied == w->oracle.committed_count &&
	       s->log_len == w->oracle.committed_count;
}

bool
schedule_at_rest(struct world *w)
{
	const struct set *s = &w->oracle.table.set;
	uint32_t wanted = s->wanted == 0 || s->wanted > s->count ? s->count : s->wanted;
	if (!w->calm || s->count == 0 || s->min < wanted || set_degraded(s) ||
	    w->admin.ticket != 0 || !client_all_done(w))
		return false;
	for (uint32_t i = 0; i < s->count; i++) {
		if (!replica_at_rest(w, world_node(w, s->member[i].id)))
			return false;
	}
	return true;
}
