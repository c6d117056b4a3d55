/* The operator: changes the replica set while it works, and says only what is true. */
#include <string.h>

#include "tests/sim/sim.h"

#define PATIENCE (15000 * SIM_MS) /* without a primary, before one that is gone is replaced */
#define CALM_MS 500

static void
again(struct world *w, uint64_t ms)
{
	world_at(w, ms * SIM_MS, (struct event){.kind = EV_OPERATOR});
}

static void
bring_back(struct node *n)
{
	n->stopped = false;
	if (n->core == NULL && !n->gone)
		world_at(n->world, random_between(&n->world->random, 1, 200) * SIM_MS,
		    (struct event){.kind = EV_START, .index = n->id});
}

static void
trace_command(const struct world *w, const struct node *n, const struct core_command *c)
{
	static const char *const kinds[] = {"MIN_INSYNC", "ADD", "REMOVE", "HAND_OVER", "PROMOTE"};
	world_trace(w, "operator tells %u: %s, id %u, min %u%s%s%s", n->id, kinds[c->kind], c->id,
	    c->min_insync, c->lost ? ", lost" : "", c->accept_data_loss ? ", loss accepted" : "",
	    c->primary_stopped ? ", primary stopped" : "");
}

/* The node file is kept up to date, so that a replica that has lost its store asks everybody. */
static void
write_down(struct world *w, uint32_t id)
{
	struct set *file = &w->first;
	if (set_find(file, id) != NULL)
		return;
	struct set_member *m = &file->member[file->count++];
	m->id = id;
	m->in_sync = true;
	node_address(id, m->address);
	file->min = file->count;
}

/* Whoever is to lead writes its own members down. */
static void
write_down_members(struct world *w, const struct node *n)
{
	struct set space;
	const struct set *s = disk_set(&n->disk.live, &space);
	for (uint32_t i = 0; s != NULL && i < s->count; i++)
		write_down(w, s->member[i].id);
}

static void
give(struct world *w, struct node *n, struct core_command command)
{
	struct admin *o = &w->admin;
	if (n->core == NULL || n->inbox_count == SIM_INBOX)
		return;
	o->ticket = ++w->calls;
	o->command = command;
	o->command.ticket = o->ticket;
	o->node = n;
	w->totals->commands++;
	o->min_may_change |= command.kind == COMMAND_MIN_INSYNC;
	o->set_may_change |=
	    command.kind == COMMAND_ADD || command.kind == COMMAND_REMOVE || command.lost;
	if (command.kind == COMMAND_HAND_OVER || command.kind == COMMAND_PROMOTE) {
		o->may_lead |= 1u << (command.kind == COMMAND_PROMOTE ? n->id : command.id);
		w->forgetful = true;
	}
	if (command.kind == COMMAND_PROMOTE)
		write_down_members(w, n);
	o->loss_accepted |= command.accept_data_loss;
	if (w->trace)
		trace_command(w, n, &command);
	node_input(n, (struct input){.kind = INPUT_COMMAND, .ticket = o->ticket});
}

/* ---- What is said of replicas is true ---- */

/* Down with an empty disk, or for good: until the command is answered at least. */
static bool
make_lost(struct world *w, struct node *n)
{
	if (n->gone)
		return true;
	if (!schedule_can_spare(w, n))
		return false;
	w->admin.may_lead = UINT32_MAX; /* it may have been promoted: then it hands over */
	node_lose_disk(n);
	w->totals->wipes++;
	if (random_chance(&w->random, 500) || !schedule_leave(w, n))
		n->stopped = true;
	return true;
}

static struct node *
named_primary(struct world *w, const struct node *by)
{
	struct set space;
	const struct set *s = disk_set(&by->disk.live, &space);
	return s != NULL ? world_node(w, s->primary) : NULL;
}

/* Down, or without a history. */
static bool
serves_nothing(const struct node *n)
{
	return n->core == NULL || uuid_is_nil(&n->incarnation);
}

/* Neither the primary that the candidate knows nor the real one runs, nor does anything hit their
 * hosts' caches. Until the answer they stay down, or start again, which is no matter. */
static bool
make_stopped(struct world *w, const struct node *candidate)
{
	struct node *stopped[] = {named_primary(w, candidate), NULL};
	if (w->oracle.table.set.count > 0)
		stopped[1] = world_node(w, w->oracle.table.set.primary);
	for (unsigned i = 0; i < 2; i++) {
		if (stopped[i] == NULL || stopped[i] == candidate || !serves_nothing(stopped[i]))
			return false;
	}
	bool stay = random_chance(&w->random, 500);
	for (unsigned i = 0; i < 2; i++) {
		stopped[i]->stopped |= stay && stopped[i]->core == NULL;
		host_format(w, stopped[i]->host);
	}
	return true;
}

/* ---- Commands, while everything fails ---- */

static struct node *
any_node(struct world *w)
{
	return &w->nodes[random_below(&w->random, w->mood.nodes)];
}

static void
cross_out(struct world *w, uint32_t id)
{
	struct set *file = &w->first;
	struct set_member *m = set_find(file, id);
	if (m == NULL || file->count == 1)
		return;
	*m = file->member[--file->count];
	file->min = file->count;
	if (file->primary == id)
		file->primary = w->oracle.table.set.primary;
}

static void
add(struct world *w, struct node *primary, const struct set *s)
{
	struct node *n = any_node(w);
	struct core_command c = {.kind = COMMAND_ADD, .id = n->id};
	if (n->gone || (set_find(s, n->id) != NULL && random_chance(&w->random, 900)))
		return;
	node_address(n->id, c.address);
	if (n->stopped)
		bring_back(n);
	write_down(w, n->id);
	give(w, primary, c);
}

static void
remove_one(struct world *w, struct node *primary)
{
	struct node *n = any_node(w);
	struct core_command c = {.kind = COMMAND_REMOVE, .id = n->id};
	if (w->admin.loss_accepted)
		return; /* it may be the one whose history all shall follow */
	if (n != primary && random_chance(&w->random, 500))
		c.lost = make_lost(w, n);
	give(w, primary, c);
}

/* Of those that run, the one that would lose the most. */
static struct node *
worst_node(struct world *w)
{
	struct node *worst = NULL;
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		struct node *n = &w->nodes[i];
		const struct store *s = &n->disk.live;
		if (n->core == NULL || s->log_len == 0 || s->partial_until != 0)
			continue;
		if (worst == NULL || s->log_len < worst->disk.live.log_len)
			worst = n;
	}
	return worst;
}

/* Loss is accepted where the others can't be reached. */
static void
promote_with_loss(struct world *w)
{
	struct core_command c = {.kind = COMMAND_PROMOTE, .accept_data_loss = true};
	struct node *n = worst_node(w);
	if (n == NULL)
		return;
	for (unsigned i = 1; i <= w->mood.nodes; i++)
		w->cut[i][n->id] = w->cut[n->id][i] = true;
	give(w, n, c);
}

static void
promote(struct world *w)
{
	struct node *n = any_node(w);
	struct core_command c = {.kind = COMMAND_PROMOTE};
	if (w->mood.losses && !w->admin.loss_accepted && random_chance(&w->random, 300)) {
		promote_with_loss(w);
		return;
	}
	if (n->core == NULL)
		return;
	c.primary_stopped = make_stopped(w, n);
	give(w, n, c);
}

static void
meddle(struct world *w)
{
	struct node *primary = world_primary(w);
	unsigned what = (unsigned)random_below(&w->random, 100);
	if (primary == NULL || what < 20) {
		promote(w);
		return;
	}
	struct core_status s = node_status(primary);
	struct core_command c = {.kind = COMMAND_MIN_INSYNC};
	if (what < 45) {
		c.min_insync = (uint32_t)random_below(&w->random, w->mood.nodes);
		give(w, primary, c);
	} else if (what < 60) {
		add(w, primary, &s.set);
	} else if (what < 75) {
		remove_one(w, primary);
	} else {
		c.kind = COMMAND_HAND_OVER;
		c.id = any_node(w)->id;
		give(w, primary, c);
	}
}

/* ---- In the calm: only what nobody else can do ---- */

/* The primary may wait for one that is no member any more by the latest set, which is not
 * committed. */
static void
give_up_gone(struct world *w, struct node *primary)
{
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		if (w->nodes[i].gone)
			give(w, primary,
			    (struct core_command){
				.kind = COMMAND_REMOVE, .id = i + 1, .lost = true});
	}
}

static void
remove_gone(struct world *w, struct node *primary)
{
	struct core_status s = node_status(primary);
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		const struct node *n = &w->nodes[i];
		bool counts = set_find(&s.set, n->id) != NULL ||
			      set_find(&w->oracle.table.set, n->id) != NULL;
		if (!n->gone || !counts)
			continue;
		give(w, primary,
		    (struct core_command){.kind = COMMAND_REMOVE, .id = n->id, .lost = true});
		return;
	}
}

/* By its own log. */
static bool
is_member(const struct node *n)
{
	struct set space;
	const struct set *s = disk_set(&n->disk.live, &space);
	return s == NULL || set_find(s, n->id) != NULL;
}

/* The one with the most, so that there is nothing to refuse. */
static void
replace_primary(struct world *w)
{
	const struct admin *o = &w->admin;
	struct node *best = NULL;
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		struct node *n = &w->nodes[i];
		const struct store *s = &n->disk.live;
		if (n->core == NULL || s->partial_until > s->log_len || !oracle_current(n) ||
		    !is_member(n))
			continue;
		if (best == NULL || position_compare(disk_end(s), disk_end(&best->disk.live)) > 0)
			best = n;
	}
	struct core_command c = {.kind = COMMAND_PROMOTE};
	if (best == NULL)
		return;
	c.primary_stopped = make_stopped(w, best);
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		if (w->nodes[i].gone) {
			c.id = i + 1;
			c.lost = true;
		}
	}
	/* There is none, or some was accepted before, by a replica that then lost its store. */
	c.accept_data_loss = w->oracle.committed_count == 0 || o->loss_accepted;
	give(w, best, c);
}

/* One that waits for the promise of a replica that is gone. */
static struct node *
waiting_primary(struct world *w)
{
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		struct node *n = &w->nodes[i];
		if (n->core != NULL && node_status(n).role == CORE_PRIMARY)
			return n;
	}
	return NULL;
}

static void
help(struct world *w)
{
	struct admin *o = &w->admin;
	struct node *primary = world_primary(w);
	if (primary != NULL) {
		o->without = 0;
		remove_gone(w, primary);
		return;
	}
	/* died in the first second of all */
	bool stuck = w->oracle.committed_count == 0 || o->loss_accepted, gone = false;
	for (unsigned i = 0; i < w->mood.nodes; i++)
		gone |= w->nodes[i].gone;
	stuck |= gone;
	if (o->without == 0)
		o->without = w->now;
	else if (gone && w->now - o->without > PATIENCE && w->oracle.committed_count > 0 &&
		 (primary = waiting_primary(w)) != NULL)
		give_up_gone(w, primary);
	else if (stuck && w->now - o->without > PATIENCE)
		replace_primary(w);
}

void
operator_act(struct world *w)
{
	again(w, w->calm ? CALM_MS : random_between(&w->random, 1, 2ul * w->mood.operator_ms));
	if (w->admin.ticket != 0)
		return;
	if (w->calm)
		help(w);
	else
		meddle(w);
}

/* ---- Answers ---- */

static void
check_done(struct node *n, const struct core_command *c)
{
	struct world *w = n->world;
	const struct set *s = &w->oracle.table.set;
	bool holds = true;
	switch (c->kind) {
	case COMMAND_MIN_INSYNC:
		holds = s->wanted == c->min_insync;
		break;
	case COMMAND_ADD:
		holds = set_find(s, c->id) != NULL;
		break;
	case COMMAND_REMOVE:
		holds = set_find(s, c->id) == NULL;
		if (holds)
			cross_out(w, c->id);
		break;
	case COMMAND_PROMOTE:
		holds = s->primary == n->id;
		break;
	case COMMAND_HAND_OVER:
		break;
	}
	w->totals->done[c->kind]++;
	if (!holds && oracle_current(n))
		oracle_fail(w, "command %u is done, but not in force", c->kind);
}

/* The command is over. What it was said of may be started again. */
static void
end_command(struct world *w, bool done)
{
	struct admin *o = &w->admin;
	o->ticket = 0;
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		struct node *n = &w->nodes[i];
		bool removed = done && o->command.kind == COMMAND_REMOVE && o->command.id == n->id;
		if (!w->calm && removed && !n->stopped && !n->gone &&
		    random_chance(&w->random, 500)) {
			n->stopped = true;
			node_crash(n);
		} else if (w->calm ||
			   (n->stopped && (!removed || random_chance(&w->random, 500)))) {
			bring_back(n);
		}
	}
}

void
operator_told(struct node *n, uint64_t ticket, enum core_told result)
{
	static const char *const results[] = {"done", "not primary", "is primary", "busy",
	    "invalid", "not in sync", "unsafe", "timed out"};
	struct world *w = n->world;
	struct admin *o = &w->admin;
	TRACE(w, "operator is told: %s", results[result]);
	if (ticket != o->ticket || n != o->node) {
		oracle_fail(w, "an answer to no command");
		return;
	}
	if (result == TOLD_DONE)
		check_done(n, &o->command);
	if (result != TOLD_TIMED_OUT && result != TOLD_NOT_PRIMARY) {
		o->set_may_change = o->set_uncertain;
		o->min_may_change = o->min_uncertain;
	}
	o->set_uncertain = o->set_may_change;
	o->min_uncertain = o->min_may_change;
	end_command(w, result == TOLD_DONE);
}

void
operator_lost(struct node *n)
{
	struct world *w = n->world;
	struct admin *o = &w->admin;
	if (o->ticket == 0 || o->node != n)
		return;
	o->set_uncertain = o->set_may_change;
	o->min_uncertain = o->min_may_change;
	end_command(w, false);
}
