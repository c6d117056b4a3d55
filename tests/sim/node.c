/* A replica: the core with a gate, a disk, a cache and an inbox, as the workers drive it. */
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"
#include "tests/sim/sim.h"

#define NEVER SIZE_MAX

/* Every machine has its own idea of the time. */
static uint64_t
clock_offset(const struct node *n)
{
	return 1000003u * n->id;
}

static uint64_t
clock_now(const struct node *n)
{
	return n->world->now / SIM_MS + clock_offset(n);
}

static void
take_actions(struct node *n, const struct core_actions *list)
{
	struct world *w = n->world;
	n->todo = list;
	n->todo_next = 0;
	n->crash_at = NEVER;
	w->totals->steps++;
	if (list->count > 0 && random_chance(&w->random, w->mood.crash_step))
		n->crash_at = random_below(&w->random, list->count);
}

static void
cache_join_again(struct node *n)
{
	struct cache *cache = n->world->hosts[n->host].cache;
	if (n->joined && !cache_joined(cache, n->id, n->incarnation.bytes))
		cache_join(cache, n->id, n->incarnation.bytes, n->disk.live.log_len);
}

static void
floors_raise(struct node *n, const struct core_action *a)
{
	struct cache *cache = n->world->hosts[n->host].cache;
	for (size_t i = 0; i < a->count; i++)
		cache_raise(
		    cache, a->entries[i]->keys, a->entries[i]->key_count, a->entries[i]->at.seq);
}

static void
append(struct node *n, const struct core_action *a)
{
	for (size_t i = 0; i < a->count; i++) {
		struct entry *e = oracle_prepared(n->world, a->entries[i]);
		if (e == NULL)
			return;
		if (e->at.seq != n->disk.live.log_len + 1) {
			oracle_fail(n->world, "replica %u appends %lu after %lu", n->id,
			    (unsigned long)e->at.seq, (unsigned long)n->disk.live.log_len);
			return;
		}
		disk_write(
		    &n->disk, (struct record){.kind = REC_APPEND, .seq = e->at.seq, .entry = e});
	}
}

static void
apply(struct node *n, const struct core_action *a)
{
	for (size_t i = 0; i < a->count && !n->world->oracle.failed; i++) {
		struct entry *e = oracle_prepared(n->world, a->entries[i]);
		if (e == NULL)
			return;
		oracle_applied(n, e);
		disk_write(
		    &n->disk, (struct record){.kind = REC_APPLY, .seq = e->at.seq, .entry = e});
	}
	gate_set_applied(n->gate, n->disk.live.applied);
}

static void
answer(struct node *n, const struct core_action *a)
{
	size_t i = 0;
	while (i < n->ticket_count && n->tickets[i] != a->ticket)
		i++;
	if (i == n->ticket_count) {
		oracle_fail(n->world, "ticket %lu is answered twice", (unsigned long)a->ticket);
		return;
	}
	n->tickets[i] = n->tickets[--n->ticket_count];
	client_answer(n->world, a->ticket, a->result);
	oracle_answered(n, (unsigned)(a->ticket % SIM_OPS), a->result, a->answer, a->answer_len);
}

static void
mark(struct node *n, const struct core_action *a)
{
	for (size_t i = 0; i < a->count; i++)
		gate_mark(
		    n->gate, a->entries[i]->keys, a->entries[i]->key_count, a->entries[i]->at.seq);
}

static void
save(struct node *n, const struct core_action *a)
{
	n->incarnation = a->save.incarnation;
	disk_write(&n->disk, (struct record){.kind = REC_SAVE,
				 .promised = a->save.promised,
				 .incarnation = a->save.incarnation});
}

static void
trace_action(const struct node *n, const struct core_action *a)
{
	static const char *const kinds[] = {"SAVE", "APPEND", "TRUNCATE", "FLUSH", "MARK", "FLOOR",
	    "FLOOR_ALL", "SEND", "APPLY", "ANSWER", "GATE"};
	static const char *const messages[] = {
	    "?", "PROMISE", "PROMISED", "FETCH", "FETCHED", "APPEND", "APPENDED"};
	static const char *const verdicts[] = {"", " OLD_EPOCH", " GAP", " OTHER_HISTORY"};
	const struct message *m = &a->message;
	unsigned long seq = a->seq;

	if (a->kind == ACT_SEND)
		world_trace(n->world,
		    "  %u SEND to %u: %s%s #%lu epoch %u.%u prev %u/%lu last %u/%lu commit %u/%lu, "
		    "%zu entries",
		    n->id, m->to, messages[m->kind], verdicts[m->verdict],
		    (unsigned long)m->request, m->epoch.counter, m->epoch.replica,
		    m->prev.epoch.counter, (unsigned long)m->prev.seq, m->last.epoch.counter,
		    (unsigned long)m->last.seq, m->commit.epoch.counter,
		    (unsigned long)m->commit.seq, m->entry_count);
	else if (a->kind == ACT_APPEND || a->kind == ACT_MARK || a->kind == ACT_FLOOR ||
		 a->kind == ACT_APPLY)
		world_trace(n->world, "  %u %s %zu entries from %u/%lu", n->id, kinds[a->kind],
		    a->count, a->entries[0]->at.epoch.counter,
		    (unsigned long)a->entries[0]->at.seq);
	else
		world_trace(n->world, "  %u %s %lu", n->id, kinds[a->kind], seq);
}

static void
carry_out(struct node *n, const struct core_action *a)
{
	if (n->world->trace)
		trace_action(n, a);
	switch (a->kind) {
	case ACT_SAVE:
		save(n, a);
		break;
	case ACT_APPEND:
		append(n, a);
		break;
	case ACT_TRUNCATE:
		oracle_truncated(n, a->seq);
		disk_write(&n->disk, (struct record){.kind = REC_TRUNCATE, .seq = a->seq});
		gate_truncate(n->gate, a->seq);
		break;
	case ACT_FLUSH:
		disk_flush(&n->disk);
		oracle_survived(n);
		break;
	case ACT_MARK:
		mark(n, a);
		break;
	case ACT_FLOOR:
		floors_raise(n, a);
		break;
	case ACT_FLOOR_ALL:
		cache_join(n->world->hosts[n->host].cache, n->id, n->incarnation.bytes, a->seq);
		n->joined = true;
		break;
	case ACT_SEND:
		net_send(n->world, &a->message);
		break;
	case ACT_APPLY:
		apply(n, a);
		break;
	case ACT_ANSWER:
		answer(n, a);
		break;
	case ACT_GATE:
		gate_set_open(n->gate, a->open);
		if (a->open)
			n->behind = false;
		break;
	}
}

/* How long an action takes before it is done; others run meanwhile. */
static uint64_t
duration(struct node *n, const struct core_action *a)
{
	struct world *w = n->world;
	if (a->kind == ACT_FLUSH) {
		if (random_chance(&w->random, w->mood.slow_disk))
			return random_between(&w->random, 1, 1500) * SIM_MS;
		return random_between(&w->random, 50, 3000);
	}
	if (random_chance(&w->random, w->mood.yield))
		return random_between(&w->random, 1, 2000);
	return 0;
}

static void
step(struct node *n, struct input in)
{
	struct world *w = n->world;
	uint64_t now = clock_now(n), wall = now + 1700000000000u;
	struct message m;
	struct op *op;

	cache_join_again(n);
	switch (in.kind) {
	case INPUT_MESSAGE:
		if (message_decode(in.packet->bytes, in.packet->len, &m) != 0) {
			oracle_fail(w, "a message can't be decoded");
		} else {
			take_actions(n, core_message(n->core, now, wall, &m));
			message_clear(&m);
		}
		net_release(in.packet);
		break;
	case INPUT_OP:
		op = shop_new_op(w, (unsigned)(in.ticket % SIM_OPS), in.ticket);
		take_actions(n, core_submit(n->core, now, wall, &op, 1));
		break;
	case INPUT_SEND_FAILED:
		take_actions(n, core_send_failed(n->core, now, wall, in.peer, in.request));
		break;
	}
}

/* Nothing to do before the core's deadline. */
static void
sleep_until_deadline(struct node *n)
{
	uint64_t deadline = core_deadline(n->core), now = n->world->now;
	if (deadline == UINT64_MAX)
		return;
	uint64_t at = (deadline - clock_offset(n)) * SIM_MS;
	if (deadline <= clock_offset(n) || at < now)
		at = now;
	if (n->tick_at == at && at > now)
		return;
	n->tick_at = at;
	world_at(
	    n->world, at - now, (struct event){.kind = EV_TICK, .index = n->id, .boot = n->boot});
}

/* Carries out actions until one takes time (false), or none is left. */
static bool
finish_actions(struct node *n)
{
	struct world *w = n->world;
	while (n->todo_next < n->todo->count && !w->oracle.failed) {
		const struct core_action *a = &n->todo->list[n->todo_next];
		if (n->todo_next == n->crash_at) {
			node_crash(n);
			return false;
		}
		if (!n->waited) {
			uint64_t takes = duration(n, a);
			if (takes > 0) {
				n->waited = true;
				world_at(w, takes,
				    (struct event){
					.kind = EV_RUN, .index = n->id, .boot = n->boot});
				return false;
			}
		}
		n->waited = false;
		n->todo_next++;
		carry_out(n, a);
	}
	n->todo = NULL;
	return true;
}

void
node_run(struct node *n)
{
	while (n->core != NULL && !n->world->oracle.failed) {
		if (n->todo != NULL && !finish_actions(n))
			return;
		if (n->inbox_count == 0)
			break;
		struct input in = n->inbox[n->inbox_head];
		n->inbox_head = (n->inbox_head + 1) % SIM_INBOX;
		n->inbox_count--;
		step(n, in);
	}
	if (n->core != NULL)
		sleep_until_deadline(n);
}

void
node_tick(struct node *n)
{
	if (n->todo != NULL)
		return; /* busy: it will look at its deadline when it is not */
	uint64_t now = clock_now(n);
	n->tick_at = 0;
	cache_join_again(n);
	take_actions(n, core_tick(n->core, now, now + 1700000000000u));
	node_run(n);
}

void
node_input(struct node *n, struct input in)
{
	n->inbox[(n->inbox_head + n->inbox_count++) % SIM_INBOX] = in;
	if (in.kind == INPUT_OP)
		n->tickets[n->ticket_count++] = in.ticket;
	if (n->todo == NULL)
		node_run(n);
}

void
node_start(struct node *n)
{
	struct world *w = n->world;
	struct core_durable durable;
	disk_load(&n->disk, &durable);
	n->boot = ++w->boots;
	struct core_config config = {
	    .self = n->id,
	    .role = n->role,
	    .boot = n->boot,
	    .machine = &n->machine,
	};
	memcpy(config.incarnation_if_new.bytes, &n->boot, sizeof(n->boot));
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		if (w->nodes[i].member)
			config.members[config.member_count++] = w->nodes[i].id;
	}
	n->gate = gate_new();
	gate_set_applied(n->gate, n->disk.live.applied);
	n->incarnation = n->disk.live.incarnation;
	n->joined = false;
	n->waited = false;
	n->tick_at = 0;
	n->core = core_new(&config, &durable);
	TRACE(w, "replica %u starts as %s, boot %lu, log %lu, applied %lu", n->id,
	    n->role == CORE_PRIMARY ? "primary" : "backup", (unsigned long)n->boot,
	    (unsigned long)n->disk.live.log_len, (unsigned long)n->disk.live.applied);
	take_actions(n, core_start(n->core, clock_now(n)));
	node_run(n);
}

void
node_crash(struct node *n)
{
	struct world *w = n->world;
	if (n->core == NULL)
		return;
	TRACE(w, "replica %u crashes", n->id);
	w->totals->crashes++;
	core_free(n->core);
	gate_free(n->gate);
	n->core = NULL;
	n->gate = NULL;
	n->todo = NULL;
	for (; n->inbox_count > 0; n->inbox_count--) {
		if (n->inbox[n->inbox_head].kind == INPUT_MESSAGE)
			net_release(n->inbox[n->inbox_head].packet);
		n->inbox_head = (n->inbox_head + 1) % SIM_INBOX;
	}
	while (n->ticket_count > 0)
		client_lost(w, n->tickets[--n->ticket_count]);
	disk_crash(&n->disk, &w->random);
	oracle_survived(n);
	world_at(w,
	    random_between(&w->random, 1, random_chance(&w->random, 100) ? 3000 : 200) * SIM_MS,
	    (struct event){.kind = EV_START, .index = n->id});
}
