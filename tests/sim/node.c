/* A replica: the core with a gate, a disk, a cache and an inbox, as the workers drive it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/xalloc.h"
#include "tests/sim/market.h"

#define NEVER SIZE_MAX

#define WALL 1700000000000u

uint64_t
node_now(const struct node *n)
{
	return host_now(n->world, n->host);
}

bool
node_alive(const struct node *n)
{
	return n->core != NULL;
}

bool
node_paused(const struct node *n)
{
	const struct world *w = n->world;
	return w->now < n->paused_until || w->now < w->hosts[n->host].paused_until;
}

bool
node_serves(const struct node *n)
{
	return n->core != NULL && node_now(n) < gate_open_until(n->gate);
}

struct core_status
node_status(const struct node *n)
{
	struct core_status status;
	core_status(n->core, &status);
	return status;
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

/* ---- What a process does besides ---- */

/* As replica/perform.c: one that has a history belongs to its host's cache. */
static void
join_cache(struct node *n)
{
	struct cache *cache = n->world->hosts[n->host].cache;
	if (!uuid_is_nil(&n->incarnation) && !cache_joined(cache, n->id, n->incarnation.bytes))
		cache_join(cache, n->id, n->incarnation.bytes, n->disk.live.log_len);
}

static void
extend_cache(struct node *n)
{
	struct cache *cache = n->world->hosts[n->host].cache;
	uint64_t now = node_now(n), until = now + CORE_LEASE_MS;
	if (until > gate_open_until(n->gate))
		until = gate_open_until(n->gate);
	if (until > now && cache_joined(cache, n->id, n->incarnation.bytes))
		cache_extend(cache, until);
}

/* As replica/replicator.c: waits a little for those that are catching up or being loaded. */
static uint64_t
keep_from(const struct node *n, const struct core_status *s)
{
	uint64_t keep = n->world->mood.keep;
	uint64_t most = s->applied > 2 * keep ? s->applied - 2 * keep : 0;
	uint64_t from = s->applied > keep ? s->applied - keep : 0;
	for (unsigned i = 0; i < s->peer_count; i++) {
		uint64_t has = s->peers[i].loading ? 0 : s->peers[i].last.seq;
		if (s->peers[i].reachable && has < from)
			from = has > most ? has : most;
	}
	return from;
}

static void
prune(struct node *n)
{
	const struct store *s = &n->disk.live;
	if (s->log_first == 0 || s->log_first > s->log_len ||
	    s->log_first + n->world->mood.keep > s->applied)
		return;
	struct core_status status = node_status(n);
	uint64_t from = keep_from(n, &status);
	if (from > s->log_first)
		disk_write(&n->disk, (struct record){.kind = REC_PRUNE, .seq = from});
}

void
node_chores(struct node *n)
{
	uint64_t next = SIM_CHORES * SIM_MS;
	if (node_paused(n) || n->todo != NULL) {
		next = 5 * SIM_MS; /* one thread: not before it has finished */
	} else {
		join_cache(n);
		prune(n);
		extend_cache(n);
	}
	world_at(
	    n->world, next, (struct event){.kind = EV_CHORES, .index = n->id, .boot = n->boot});
}

/* ---- Carrying out actions ---- */

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
	const struct store *s = &n->disk.live;
	for (size_t i = 0; i < a->count; i++) {
		struct entry *e = oracle_prepared(n->world, a->entries[i]);
		if (e == NULL)
			return;
		if (e->at.seq != s->log_len + 1 || !position_equal(e->prev, disk_end(s))) {
			oracle_fail(n->world, "replica %u appends %lu after %lu", n->id,
			    (unsigned long)e->at.seq, (unsigned long)s->log_len);
			return;
		}
		disk_write(
		    &n->disk, (struct record){.kind = REC_APPEND, .seq = e->at.seq, .entry = e});
	}
}

static void
apply(struct node *n, const struct core_action *a)
{
	struct entry *entries[SIM_LOG];
	for (size_t i = 0; i < a->count; i++) {
		entries[i] = oracle_prepared(n->world, a->entries[i]);
		if (entries[i] == NULL)
			return;
	}
	oracle_applied(n, entries, a->count);
	for (size_t i = 0; i < a->count && !n->world->oracle.failed; i++)
		disk_write(&n->disk,
		    (struct record){
			.kind = REC_APPLY, .seq = entries[i]->at.seq, .entry = entries[i]});
	for (size_t i = 0; i < a->count && n->world->market != NULL; i++)
		market_applied(n, entries[i]);
	gate_set_applied(n->gate, n->disk.live.applied);
}

static void
load(struct node *n, const struct core_action *a)
{
	struct record r = {.kind = REC_LOAD, .rows_len = a->rows_len};
	if (n->disk.live.log_len != 0 || a->rows_len > sizeof(r.rows)) {
		oracle_fail(n->world, "replica %u loads into a store with a log", n->id);
		return;
	}
	memcpy(r.rows, a->rows, a->rows_len);
	disk_write(&n->disk, r);
}

static void
loaded(struct node *n, const struct core_action *a)
{
	n->world->totals->loads++;
	memcpy(&n->disk.loaded_set, a->loaded.set, sizeof(n->disk.loaded_set));
	disk_write(&n->disk, (struct record){.kind = REC_LOADED,
				 .base = a->loaded.base,
				 .seq = a->loaded.until,
				 .set = &n->disk.loaded_set});
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
	if (n->world->market != NULL) {
		market_answered(n, a);
		return;
	}
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
	if (!uuid_equal(&n->incarnation, &a->save.incarnation))
		oracle_began(n, a->save.incarnation, a->save.formerly);
	n->incarnation = a->save.incarnation;
	n->formerly = a->save.formerly;
	disk_write(&n->disk, (struct record){.kind = REC_SAVE, .save = a->save});
	join_cache(n);
}

static void
send_message(struct node *n, const struct message *m)
{
	bool known = m->to <= SIM_NODES && (message_is_answer(m) || n->addressed[m->to]);
	if (!known) {
		oracle_fail(n->world, "replica %u sends to %u, but not where to", n->id, m->to);
		return;
	}
	if (m->kind == MSG_APPEND)
		oracle_leads(n, m->epoch);
	net_send(n->world, m);
}

static void
learn_address(struct node *n, const struct core_action *a)
{
	char expected[SET_ADDRESS];
	node_address(a->peer.id, expected);
	if (a->peer.id == 0 || a->peer.id > SIM_NODES || strcmp(a->peer.address, expected) != 0)
		oracle_fail(n->world, "replica %u is told that %u is at %s", n->id, a->peer.id,
		    a->peer.address);
	else
		n->addressed[a->peer.id] = true;
}

static void
open_gate(struct node *n, const struct core_action *a)
{
	gate_set_open(n->gate, a->gate.open, a->gate.until);
	oracle_opened(n);
	extend_cache(n);
}

static void
trace_message(const struct node *n, const struct message *m)
{
	static const char *const kinds[] = {"?", "PROMISE", "PROMISED", "FETCH", "FETCHED",
	    "APPEND", "APPENDED", "LOAD", "LOADED", "HELLO", "HELLOED", "HAND_OVER", "HANDED"};
	static const char *const verdicts[] = {
	    "", " OLD_EPOCH", " GAP", " OTHER_HISTORY", " SUPERSEDED"};
	world_trace(n->world,
	    "  %u SEND to %u: %s%s #%lu epoch %u.%u prev %u.%u/%lu last %u.%u/%lu commit "
	    "%u.%u/%lu, "
	    "%zu entries, chunk %u, granted %lu",
	    n->id, m->to, kinds[m->kind], verdicts[m->verdict], (unsigned long)m->request,
	    m->epoch.counter, m->epoch.replica, m->prev.epoch.counter, m->prev.epoch.replica,
	    (unsigned long)m->prev.seq, m->last.epoch.counter, m->last.epoch.replica,
	    (unsigned long)m->last.seq, m->commit.epoch.counter, m->commit.epoch.replica,
	    (unsigned long)m->commit.seq, m->entry_count, m->chunk, (unsigned long)m->granted);
}

static void
trace_set(const struct node *n, const struct entry *e)
{
	struct set s;
	char text[128];
	size_t len = 0;
	if (e->kind != ENTRY_SET || set_decode(e->effects, e->effects_len, &s) != 0)
		return;
	for (uint32_t i = 0; i < s.count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, " %u%s", s.member[i].id,
		    s.member[i].in_sync ? "" : "(away)");
	world_trace(n->world, "    set%s, primary %u, min %u, wanted %u%s", text, s.primary, s.min,
	    s.wanted, s.forced ? ", forced" : "");
}

static void
trace_action(const struct node *n, const struct core_action *a)
{
	static const char *const kinds[] = {"PEER", "SAVE", "APPEND", "TRUNCATE", "FLUSH", "MARK",
	    "FLOOR", "FLOOR_ALL", "SEND", "APPLY", "ANSWER", "GATE", "LOAD", "LOADED", "TOLD",
	    "ABANDON"};

	switch (a->kind) {
	case ACT_SEND:
		trace_message(n, &a->message);
		break;
	case ACT_APPEND:
	case ACT_MARK:
	case ACT_FLOOR:
	case ACT_APPLY:
		world_trace(n->world, "  %u %s %zu entries from %u.%u/%lu", n->id, kinds[a->kind],
		    a->count, a->entries[0]->at.epoch.counter, a->entries[0]->at.epoch.replica,
		    (unsigned long)a->entries[0]->at.seq);
		for (size_t i = 0; a->kind == ACT_APPEND && i < a->count; i++)
			trace_set(n, a->entries[i]);
		break;
	case ACT_SAVE:
		world_trace(n->world, "  %u SAVE %u.%u, history %u", n->id,
		    a->save.promised.counter, a->save.promised.replica,
		    a->save.incarnation.bytes[0]);
		break;
	case ACT_GATE:
		world_trace(n->world, "  %u GATE %s, until %lu, now %lu", n->id,
		    a->gate.open ? "open" : "closed", (unsigned long)a->gate.until,
		    (unsigned long)node_now(n));
		break;
	case ACT_LOADED:
		world_trace(n->world, "  %u LOADED from %lu until %lu", n->id,
		    (unsigned long)a->loaded.base.seq, (unsigned long)a->loaded.until);
		break;
	case ACT_TRUNCATE:
	case ACT_FLOOR_ALL:
		world_trace(n->world, "  %u %s %lu", n->id, kinds[a->kind], (unsigned long)a->seq);
		break;
	default:
		world_trace(n->world, "  %u %s", n->id, kinds[a->kind]);
	}
}

static void
carry_out(struct node *n, const struct core_action *a)
{
	if (n->world->trace)
		trace_action(n, a);
	switch (a->kind) {
	case ACT_PEER:
		learn_address(n, a);
		break;
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
		break;
	case ACT_SEND:
		send_message(n, &a->message);
		break;
	case ACT_APPLY:
		apply(n, a);
		break;
	case ACT_ANSWER:
		answer(n, a);
		break;
	case ACT_GATE:
		open_gate(n, a);
		break;
	case ACT_LOAD:
		load(n, a);
		break;
	case ACT_LOADED:
		loaded(n, a);
		break;
	case ACT_TOLD:
		operator_told(n, a->told.ticket, a->told.result);
		break;
	case ACT_ABANDON:
		oracle_abandoned(n);
		n->world->totals->abandoned++;
		node_lose_disk(n);
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
	uint64_t now = node_now(n), wall = now + WALL;
	struct message m;
	struct op *op;

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
		op = w->market != NULL ? market_op(n, in.ticket)
				       : shop_new_op(w, (unsigned)(in.ticket % SIM_OPS), in.ticket);
		take_actions(n, core_submit(n->core, now, wall, &op, 1));
		break;
	case INPUT_SEND_FAILED:
		take_actions(n, core_send_failed(n->core, now, wall, in.peer, in.request));
		break;
	case INPUT_COMMAND:
		take_actions(n, core_command(n->core, now, wall, &w->admin.command));
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
	uint64_t at = host_when(n->world, n->host, deadline);
	if (at < now)
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
		if (n->core == NULL)
			return false; /* it was abandoned */
	}
	n->todo = NULL;
	return true;
}

void
node_run(struct node *n)
{
	if (node_paused(n))
		return; /* it goes on where it was, later */
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
	n->tick_at = 0;
	if (node_paused(n))
		return;
	uint64_t now = node_now(n);
	take_actions(n, core_tick(n->core, now, now + WALL));
	node_run(n);
}

void
node_input(struct node *n, struct input in)
{
	n->inbox[(n->inbox_head + n->inbox_count++) % SIM_INBOX] = in;
	if (in.kind == INPUT_OP)
		n->tickets[n->ticket_count++] = in.ticket;
	if (n->todo == NULL && !node_paused(n))
		node_run(n);
}

void
node_pause(struct node *n, uint64_t us)
{
	TRACE(n->world, "replica %u pauses for %lu ms", n->id, (unsigned long)us / SIM_MS);
	n->world->totals->pauses++;
	n->paused_until = n->world->now + us;
	world_at(n->world, us, (struct event){.kind = EV_RUN, .index = n->id, .boot = n->boot});
}

void
node_address(uint32_t id, char text[SET_ADDRESS])
{
	snprintf(text, SET_ADDRESS, "replica-%u:80", id);
}

void
node_start(struct node *n)
{
	struct world *w = n->world;
	struct core_durable durable;
	if ((w->hosts[n->host].expected >> n->id & 1) == 0)
		host_format(w, n->host); /* a segment waits for all replicas of its host */
	if (n->disk.durable.partial_until == UINT64_MAX)
		node_lose_disk(n); /* as store_open_or_abandon */
	disk_load(&n->disk, &durable);
	n->boot = ++w->boots;
	struct core_config config = {
	    .self = n->id,
	    .first = w->first,
	    .boot = n->boot,
	    .machine = &n->machine,
	};
	memcpy(config.incarnation_if_new.bytes, &n->boot, sizeof(n->boot));
	n->gate = gate_new();
	gate_set_applied(n->gate, n->disk.live.applied);
	n->incarnation = n->disk.live.pledge.incarnation;
	n->formerly = n->disk.live.pledge.formerly;
	n->waited = false;
	n->tick_at = 0;
	n->paused_until = 0;
	memset(n->addressed, 0, sizeof(n->addressed));
	n->disk.live.table.real = n->disk.durable.table.real = w->market != NULL;
	if (w->market != NULL)
		market_started(n);
	n->core = core_new(&config, &durable);
	TRACE(w, "replica %u starts, boot %lu, log %lu, applied %lu, now %lu", n->id,
	    (unsigned long)n->boot, (unsigned long)n->disk.live.log_len,
	    (unsigned long)n->disk.live.applied, (unsigned long)node_now(n));
	world_at(w, 0, (struct event){.kind = EV_CHORES, .index = n->id, .boot = n->boot});
	take_actions(n, core_start(n->core, node_now(n)));
	node_run(n);
}

/* The process is gone, with all that was under way in it. */
static void
end_process(struct node *n)
{
	core_free(n->core);
	gate_free(n->gate);
	n->core = NULL;
	n->gate = NULL;
	n->todo = NULL;
	if (n->world->market != NULL)
		market_ended(n);
	for (; n->inbox_count > 0; n->inbox_count--) {
		if (n->inbox[n->inbox_head].kind == INPUT_MESSAGE)
			net_release(n->inbox[n->inbox_head].packet);
		n->inbox_head = (n->inbox_head + 1) % SIM_INBOX;
	}
	while (n->ticket_count > 0)
		client_lost(n->world, n->tickets[--n->ticket_count]);
	operator_lost(n);
}

static void
start_later(struct node *n)
{
	struct world *w = n->world;
	uint64_t most = random_chance(&w->random, 100) ? 3000 : 200;
	world_at(w, random_between(&w->random, 1, most) * SIM_MS,
	    (struct event){.kind = EV_START, .index = n->id});
}

void
node_crash(struct node *n)
{
	struct world *w = n->world;
	if (n->core == NULL)
		return;
	TRACE(w, "replica %u crashes", n->id);
	w->totals->crashes++;
	end_process(n);
	disk_crash(&n->disk, &w->random);
	oracle_survived(n);
	start_later(n);
}

void
node_lose_disk(struct node *n)
{
	TRACE(n->world, "replica %u loses its disk", n->id);
	if (n->core != NULL) {
		end_process(n);
		start_later(n);
	}
	disk_wipe(&n->disk);
	n->amnesia = true;
}
