#include "replica/core/core.h"

#include <stdlib.h>

#include "fcgi/base/xalloc.h"
#include "replica/core/core_internal.h"

static void
take_over_log(struct core *c, const struct core_durable *durable)
{
	c->pledge = durable->pledge;
	/* It died while it began this history, and nobody knows of it. */
	if (epoch_compare(durable->last.epoch, c->pledge.began) < 0) {
		c->pledge.incarnation = c->pledge.formerly;
		c->pledge.formerly = (struct uuid){{0}};
		c->pledge.began = (struct epoch){0};
	}
	c->applied_set = durable->set;
	c->partial_until = durable->partial_until;
	c->applied = durable->applied;
	c->last = durable->last;
	c->tail = durable->tail;
	c->tail_count = c->tail_cap = durable->tail_count;
	struct entry *end = c->tail_count > 0 ? c->tail[c->tail_count - 1] : NULL;
	if (end != NULL) {
		c->last_time = end->time_ms;
		return;
	}
	end = c->last.seq > 0 ? c->machine->log_read(c->machine->ctx, c->last.seq) : NULL;
	if (end != NULL)
		c->last_time = end->time_ms;
	entry_free(end);
}

struct core *
core_new(const struct core_config *config, const struct core_durable *durable)
{
	struct core *c = xcalloc(1, sizeof(*c));

	c->self = config->self;
	c->role = CORE_BACKUP;
	c->boot = config->boot;
	c->incarnation_if_new = config->incarnation_if_new;
	c->machine = config->machine;
	c->first = config->first;
	c->queue = xcalloc(1, sizeof(*c->queue));
	take_over_log(c, durable);
	return c;
}

void
core_free(struct core *c)
{
	if (c == NULL)
		return;
	actions_reset(c);
	for (size_t i = 0; i < c->tail_count; i++)
		entry_free(c->tail[i]);
	for (unsigned i = 0; i < c->peer_count; i++)
		load_stop(&c->peers[i]);
	for (size_t i = 0; i < c->queue->count; i++)
		op_free(c->queue->slots[(c->queue->head + i) % CORE_QUEUE_MAX].op);
	free(c->queue);
	free(c->tail);
	free(c->kept);
	free(c->actions.list);
	free(c);
}

bool
core_history_agrees(const struct core *c, const struct message *m)
{
	return uuid_is_nil(&c->pledge.incarnation) || uuid_is_nil(&m->incarnation) ||
	       uuid_equal(&c->pledge.incarnation, &m->incarnation);
}

static void
begin_step(struct core *c, uint64_t now, uint64_t wall)
{
	actions_reset(c);
	c->applying = false;
	c->now = now;
	c->wall = wall;
}

static const struct core_actions *
end_step(struct core *c)
{
	if (c->phase == CORE_EMPTY) {
		empty_run(c);
		for (unsigned i = 0; i < c->peer_count && c->phase == CORE_EMPTY; i++)
			peer_run(c, &c->peers[i]);
	}
	campaign_resume(c);
	if (c->role == CORE_PRIMARY)
		primary_run(c);
	if (!c->abandoned)
		lease_run(c);
	return &c->actions;
}

/* Whoever was primary goes on, unless it has promised to follow another since. */
static void
take_up_role(struct core *c)
{
	if (uuid_is_nil(&c->pledge.incarnation))
		empty_start(c);
	else if (empty_is(c))
		c->phase = CORE_LOADING;
	else if (c->set.primary == c->self && c->pledge.promised.replica == c->self)
		campaign_start(
		    c, PLANTED(R1) ? c->pledge.promised.counter : c->pledge.promised.counter + 1);
	else
		c->phase = PLANTED(CONFIRM) ? CORE_IN_SYNC : CORE_JOINING;
}

/* At every start: what the log holds above applied_seq may be committed, so its keys are dirty
 * (R3), and no cached page may be older than the log (C1). A store without a history has no log
 * either, and joins the host's cache when it gets one. */
const struct core_actions *
core_start(struct core *c, uint64_t now)
{
	begin_step(c, now, 0);
	c->started = c->heard_at = now;
	log_find_sets(c);
	if (!uuid_is_nil(&c->pledge.incarnation))
		act_floor_all(c);
	if (!PLANTED(R3))
		act_entries(c, ACT_MARK, c->tail, c->tail_count);
	take_up_role(c);
	return end_step(c);
}

const struct core_actions *
core_tick(struct core *c, uint64_t now, uint64_t wall)
{
	begin_step(c, now, wall);
	return end_step(c);
}

/* Our history was given up for the sender's, which began with a copy of a part of it. */
static bool
superseded(const struct core *c, const struct message *m)
{
	return !uuid_is_nil(&m->formerly) && uuid_equal(&m->formerly, &c->pledge.incarnation) &&
	       !core_history_agrees(c, m);
}

const struct core_actions *
core_message(struct core *c, uint64_t now, uint64_t wall, const struct message *m)
{
	begin_step(c, now, wall);
	struct peer *p = peer_find(c, m->from);
	if (c->abandoned || m->to != c->self || m->from == c->self)
		return &c->actions;
	if (superseded(c, m)) {
		act_abandon(c);
		return &c->actions;
	}
	if (!message_is_answer(m))
		backup_message(c, m);
	else if (p != NULL)
		peer_answer(c, p, m);
	return c->abandoned ? &c->actions : end_step(c);
}

const struct core_actions *
core_submit(struct core *c, uint64_t now, uint64_t wall, struct op **ops, size_t count)
{
	begin_step(c, now, wall);
	batch_submit(c, ops, count);
	return end_step(c);
}

const struct core_actions *
core_command(struct core *c, uint64_t now, uint64_t wall, const struct core_command *command)
{
	begin_step(c, now, wall);
	members_command(c, command);
	return end_step(c);
}

const struct core_actions *
core_send_failed(struct core *c, uint64_t now, uint64_t wall, uint32_t to, uint64_t request)
{
	begin_step(c, now, wall);
	struct peer *p = peer_find(c, to);
	if (p != NULL && request != 0 && p->request == request)
		peer_failed(c, p);
	return end_step(c);
}

uint64_t
core_deadline(const struct core *c)
{
	if (c->abandoned)
		return UINT64_MAX;
	if (c->role == CORE_BACKUP && c->phase != CORE_EMPTY)
		return campaign_resume_at(c);
	if (c->applying)
		return c->now; /* what waits for the tables can go on */
	uint64_t earliest = batch_deadline(c), members = members_deadline(c);
	if (members < earliest)
		earliest = members;
	for (unsigned i = 0; i < c->peer_count; i++) {
		if (c->peers[i].due < earliest)
			earliest = c->peers[i].due;
	}
	return earliest;
}

static bool
in_doubt(const struct core *c)
{
	return c->in_doubt && primary_in_flight(c);
}

static bool
writable(const struct core *c)
{
	bool ready = c->phase == CORE_ACTIVE && !in_doubt(c) && c->heir == 0;

	for (unsigned i = 0; i < c->peer_count; i++) {
		const struct peer *p = &c->peers[i];
		if (!primary_needs(c, p->id))
			continue;
		ready &= p->reachable;
		ready &= primary_in_flight(c) || position_equal(p->match, c->last);
	}
	return ready;
}

void
core_status(const struct core *c, struct core_status *out)
{
	*out = (struct core_status){
	    .role = c->role,
	    .phase = c->phase,
	    .epoch = c->pledge.promised,
	    .incarnation = c->pledge.incarnation,
	    .last = c->last,
	    .commit = c->applied,
	    .applied = c->applied.seq,
	    .in_doubt = c->role == CORE_PRIMARY && in_doubt(c),
	    .writable = c->role == CORE_PRIMARY && writable(c),
	    .set = c->set,
	    .set_committed = set_equal(&c->set, &c->applied_set),
	    .partial_until = c->partial_until,
	    .read_until = c->read_until,
	    .queued = c->queue->count,
	    .batches = c->batches,
	    .batched_ops = c->batched_ops,
	    .peer_count = c->role == CORE_PRIMARY ? c->peer_count : 0,
	};
	for (unsigned i = 0; i < out->peer_count; i++) {
		const struct peer *p = &c->peers[i];
		out->peers[i].id = p->id;
		out->peers[i].reachable = p->reachable;
		out->peers[i].matches = position_equal(p->match, c->last);
		out->peers[i].loading = p->load.active;
		out->peers[i].chunk = p->load.chunk;
		out->peers[i].last = p->last;
	}
}
