#include "replica/core/core.h"

#include <stdlib.h>

#include "fcgi/base/xalloc.h"
#include "replica/core/core_internal.h"

static void
take_over_log(struct core *c, const struct core_durable *durable)
{
	c->promised = durable->promised;
	c->incarnation = durable->incarnation;
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
	c->role = config->role;
	c->boot = config->boot;
	c->incarnation_if_new = config->incarnation_if_new;
	c->machine = config->machine;
	for (unsigned i = 0; i < config->member_count; i++) {
		if (config->members[i] != config->self)
			c->peers[c->peer_count++].id = config->members[i];
	}
	if (c->role == CORE_PRIMARY)
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
	for (size_t i = 0; c->queue != NULL && i < c->queue->count; i++)
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
	return uuid_is_nil(&c->incarnation) || uuid_is_nil(&m->incarnation) ||
	       uuid_equal(&c->incarnation, &m->incarnation);
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
	if (c->role == CORE_PRIMARY && c->phase != CORE_FENCED)
		primary_run(c);
	return &c->actions;
}

/* At every start: what the log holds above applied_seq may be committed, so its keys are dirty
 * (R3), and no cached page may be older than the log (C1). A store without a history has no log
 * either, and joins the host's cache when it gets one. */
const struct core_actions *
core_start(struct core *c, uint64_t now)
{
	begin_step(c, now, 0);
	if (!uuid_is_nil(&c->incarnation))
		act_floor_all(c);
	if (!PLANTED(R3))
		act_entries(c, ACT_MARK, c->tail, c->tail_count);
	if (c->role == CORE_BACKUP)
		backup_start(c);
	else
		primary_start(c);
	return end_step(c);
}

const struct core_actions *
core_tick(struct core *c, uint64_t now, uint64_t wall)
{
	begin_step(c, now, wall);
	return end_step(c);
}

const struct core_actions *
core_message(struct core *c, uint64_t now, uint64_t wall, const struct message *m)
{
	begin_step(c, now, wall);
	struct peer *p = peer_find(c, m->from);
	bool answer = message_is_answer(m);
	if (p != NULL && m->to == c->self) {
		if (c->role == CORE_PRIMARY && answer && c->phase != CORE_FENCED)
			peer_answer(c, p, m);
		else if (c->role == CORE_PRIMARY && !answer)
			primary_request(c, m);
		else if (c->role == CORE_BACKUP && !answer && m->epoch.replica == m->from)
			backup_message(c, m);
	}
	return end_step(c);
}

const struct core_actions *
core_submit(struct core *c, uint64_t now, uint64_t wall, struct op **ops, size_t count)
{
	begin_step(c, now, wall);
	batch_submit(c, ops, count);
	return end_step(c);
}

const struct core_actions *
core_send_failed(struct core *c, uint64_t now, uint64_t wall, uint32_t to, uint64_t request)
{
	begin_step(c, now, wall);
	struct peer *p = peer_find(c, to);
	if (c->role == CORE_PRIMARY && p != NULL && request != 0 && p->request == request)
		peer_failed(c, p);
	return end_step(c);
}

uint64_t
core_deadline(const struct core *c)
{
	if (c->role != CORE_PRIMARY || c->phase == CORE_FENCED)
		return UINT64_MAX;
	if (c->applying)
		return c->now; /* what waits for the tables can go on */
	uint64_t earliest = batch_deadline(c);
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
	bool ready = c->phase == CORE_ACTIVE && !in_doubt(c);

	for (unsigned i = 0; i < c->peer_count; i++) {
		const struct peer *p = &c->peers[i];
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
	    .epoch = c->promised,
	    .incarnation = c->incarnation,
	    .last = c->last,
	    .commit = c->applied,
	    .applied = c->applied.seq,
	    .in_doubt = in_doubt(c),
	    .writable = c->role == CORE_PRIMARY && writable(c),
	    .queued = c->queue != NULL ? c->queue->count : 0,
	    .batches = c->batches,
	    .batched_ops = c->batched_ops,
	    .peer_count = c->role == CORE_PRIMARY ? c->peer_count : 0,
	};
	for (unsigned i = 0; i < out->peer_count; i++) {
		const struct peer *p = &c->peers[i];
		out->peers[i].id = p->id;
		out->peers[i].reachable = p->reachable;
		out->peers[i].in_sync = position_equal(p->match, c->last);
		out->peers[i].last = p->last;
	}
}
