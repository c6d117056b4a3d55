/* What goes wrong in a schedule, and when. */
#include "tests/sim/sim.h"

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
	m->nodes = PICK(w, 2, 2, 2, 3);
	m->hosts = (unsigned)random_between(&w->random, 1, m->nodes);
	m->writers = (unsigned)random_between(&w->random, 1, SIM_WRITERS);
	m->readers = (unsigned)random_between(&w->random, 1, SIM_READERS);
	m->ops = PICK(w, 10, 25, SIM_OPS, SIM_OPS);
	m->loss = PICK(w, 0, 0, 20, 100, 300);
	m->twice = PICK(w, 0, 0, 50, 200);
	m->late = PICK(w, 0, 0, 20, 100);
	m->crash_step = PICK(w, 0, 2, 5, 20);
	m->crash_fault = PICK(w, 200, 500);
	m->slow_disk = PICK(w, 0, 0, 0, 50);
	m->yield = PICK(w, 0, 50, 300);
	m->delay_us = PICK(w, 100, 1000, 20000);
	m->fault_ms = PICK(w, 100, 300, 1000, 2000);
	m->calm_at = random_between(&w->random, 500, 15000) * SIM_MS;
	m->wipes = random_chance(&w->random, 200);
	m->takeovers = random_chance(&w->random, 200);
	m->cuts = random_chance(&w->random, 500);
}

void
schedule_begin(struct world *w)
{
	draw_mood(w);
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		struct node *n = &w->nodes[i];
		*n = (struct node){.world = w, .id = i + 1};
		n->host = i % w->mood.hosts;
		n->role = i == 0 ? CORE_PRIMARY : CORE_BACKUP;
		n->member = true;
		n->behind = i > 0;
		n->machine = shop_machine(n);
		world_at(w, random_between(&w->random, 0, 50) * SIM_MS,
		    (struct event){.kind = EV_START, .index = n->id});
	}
	for (unsigned i = 0; i < w->mood.hosts; i++)
		host_format(w, i);
	for (unsigned i = 0; i < w->mood.writers; i++) {
		w->writers[i].op = -1;
		world_at(w, random_between(&w->random, 0, 100) * SIM_MS,
		    (struct event){.kind = EV_WRITER, .index = i});
	}
	for (unsigned i = 0; i < w->mood.readers; i++)
		world_at(w, random_between(&w->random, 0, 100) * SIM_MS,
		    (struct event){.kind = EV_READER, .index = i});
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
	host_format(w, host);
}

static void
change_cuts(struct world *w)
{
	for (unsigned a = 1; a <= w->mood.nodes; a++) {
		for (unsigned b = 1; b <= w->mood.nodes; b++)
			w->cut[a][b] = w->mood.cuts && random_chance(&w->random, 250);
	}
}

/* A replica known to be complete. One without a history may not even know that there is one. */
static bool
trusted(const struct node *n)
{
	return n->member && !n->behind && !uuid_is_nil(&n->disk.durable.incarnation);
}

/* A disk is replaced by an empty one; never the last complete one. */
static void
lose_disk(struct world *w)
{
	struct node *lost = any_node(w);
	bool safe = false;
	for (unsigned i = 0; i < w->mood.nodes; i++)
		safe |= &w->nodes[i] != lost && trusted(&w->nodes[i]);
	if (!safe || !lost->member)
		return;
	TRACE(w, "replica %u loses its disk", lost->id);
	w->totals->wipes++;
	w->forgetful = true;
	node_crash(lost);
	disk_wipe(&lost->disk);
	lost->behind = true;
}

static unsigned
members_on(const struct world *w, unsigned host)
{
	unsigned members = 0;
	for (unsigned i = 0; i < w->mood.nodes; i++)
		members |= w->nodes[i].host == host && w->nodes[i].member ? 1u << i : 0;
	return members;
}

static void
change_set(struct world *w, unsigned set, unsigned primary)
{
	TRACE(w, "the operator changes the set to %x, primary %u", set, primary + 1);
	unsigned before[SIM_NODES] = {0};
	for (unsigned h = 0; h < w->mood.hosts; h++)
		before[h] = members_on(w, h);
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		struct node *n = &w->nodes[i];
		node_crash(n);
		n->member = (set >> i & 1) != 0;
		n->role = i == primary ? CORE_PRIMARY : CORE_BACKUP;
		if (!n->member)
			n->behind = true;
		world_at(w, random_between(&w->random, 1, 100) * SIM_MS,
		    (struct event){.kind = EV_START, .index = n->id});
	}
	/* A segment waits for all replicas of its host, so another set needs another segment; one
	 * that is left alone keeps its pages, old as they may get. */
	for (unsigned h = 0; h < w->mood.hosts; h++) {
		if (members_on(w, h) != 0 && members_on(w, h) != before[h])
			host_format(w, h);
	}
	/* What a call was told of its operation may now be overruled by a log that was away. */
	w->forgetful = true;
	for (unsigned i = 0; i < w->op_count; i++)
		w->ops[i].denied = false;
}

/* Everything is stopped, and started again with other members or another primary. At least one of
 * them has been in sync in the last set. */
static void
take_over(struct world *w)
{
	unsigned set = (unsigned)random_between(&w->random, 1, (1u << w->mood.nodes) - 1);
	unsigned primary = (unsigned)random_below(&w->random, w->mood.nodes);
	bool complete = false;
	for (unsigned i = 0; i < w->mood.nodes; i++)
		complete |= (set >> i & 1) != 0 && trusted(&w->nodes[i]);
	if (!complete || (set >> primary & 1) == 0)
		return;
	w->totals->takeovers++;
	change_set(w, set, primary);
}

void
schedule_fault(struct world *w)
{
	if (w->calm)
		return;
	if (random_chance(&w->random, w->mood.crash_fault))
		node_crash(any_node(w));
	switch (random_below(&w->random, 8)) {
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
		if (w->mood.takeovers)
			take_over(w);
		break;
	default:
		break;
	}
	world_at(w, random_between(&w->random, w->mood.fault_ms / 2, w->mood.fault_ms * 2) * SIM_MS,
	    (struct event){.kind = EV_FAULT});
}

/* From here on everything works, and must come to rest. */
void
schedule_calm(struct world *w)
{
	TRACE(w, "calm");
	w->calm = true;
	w->mood.loss = w->mood.twice = w->mood.late = w->mood.crash_step = w->mood.slow_disk = 0;
	w->mood.delay_us = 500;
	for (unsigned a = 1; a <= w->mood.nodes; a++) {
		for (unsigned b = 1; b <= w->mood.nodes; b++)
			w->cut[a][b] = false;
	}
}

bool
schedule_at_rest(struct world *w)
{
	if (!w->calm || !client_all_done(w))
		return false;
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		const struct node *n = &w->nodes[i];
		if (!n->member)
			continue;
		if (n->core == NULL || n->todo != NULL || !gate_is_open(n->gate) ||
		    n->disk.live.applied != w->oracle.committed_count ||
		    n->disk.live.log_len != w->oracle.committed_count)
			return false;
	}
	return true;
}
