/*
 * Changes of the replica set, by the primary: it leaves out who does not answer, takes back who has
 * caught up, and does what the operator commands. Each is an entry of the log, in force at once.
 */
#include <string.h>

#include "fcgi/base/xalloc.h"
#include "replica/core/core_internal.h"

#define LAG_MAX MESSAGE_ENTRIES_MAX /* entries: who lacks no more is taken in, and gets them */
#define HAND_OVER_MS 3000

/* ---- Peers ---- */

/* The node file knows best where a replica is now. */
static void
learn_members(struct core *c, const struct set *s)
{
	for (uint32_t i = 0; i < s->count; i++) {
		const struct set_member *m = &s->member[i];
		const struct set_member *known = set_find(&c->first, m->id);
		if (m->id != c->self)
			peer_add(c, m->id, known != NULL ? known->address : m->address);
	}
}

struct set
members_before(const struct core *c)
{
	struct set before = c->applied_set;

	for (size_t i = 0; before.count == 0 && i < c->tail_count; i++) {
		const struct entry *e = c->tail[i];
		if (e->kind == ENTRY_SET)
			set_decode(e->effects, e->effects_len, &before);
	}
	return before;
}

/* Those of the set before are asked, too, while it may still be the one in force. */
void
members_learn_peers(struct core *c)
{
	const struct set *s = c->set.count > 0 ? &c->set : &c->first;
	struct set before = members_before(c);

	for (unsigned i = c->peer_count; i > 0; i--) {
		uint32_t id = c->peers[i - 1].id;
		if (set_find(s, id) == NULL && set_find(&before, id) == NULL && c->learner != id)
			peer_drop(c, &c->peers[i - 1]);
	}
	learn_members(c, s);
	learn_members(c, &before);
	if (c->learner != 0)
		peer_add(c, c->learner, c->learner_address);
}

/* ---- Proposing ---- */

void
members_propose(struct core *c, const struct set *next)
{
	struct buf effects = {0};

	set_encode(next, &effects);
	struct entry_parts parts = {
	    .kind = ENTRY_SET,
	    .at = {c->pledge.promised, c->last.seq + 1},
	    .prev = c->last,
	    .time_ms = log_time(c),
	    .effects = effects.data,
	    .effects_len = effects.len,
	};
	struct entry *e = entry_new(&parts);
	buf_free(&effects);
	log_push(c, e);
	act_entries(c, ACT_APPEND, &e, 1);
	act(c, ACT_FLUSH);
	for (unsigned i = 0; i < c->peer_count; i++) {
		c->peers[i].attempts = 0;
		if (primary_needs(c, c->peers[i].id))
			peer_hurry(c, &c->peers[i]);
	}
}

/* While a set that was forced is not committed, what follows it cannot ask for more. */
static struct set
next_set(const struct core *c)
{
	struct set next = c->set;
	next.forced &= primary_in_flight(c);
	return next;
}

/* Never below what any log may still count on. */
bool
members_shrink(struct core *c, const struct peer *p)
{
	uint32_t min = c->set.min > c->applied_set.min ? c->set.min : c->applied_set.min;
	struct set next = next_set(c);

	if (next.forced)
		min = next.min;
	if ((c->phase != CORE_ACTIVE && c->phase != CORE_TAIL) || !set_in_sync(&c->set, p->id))
		return false;
	set_find(&next, p->id)->in_sync = false;
	if (set_count_in_sync(&next) < min && !PLANTED(SHRINK))
		return false;
	if (next.min > set_count_in_sync(&next))
		next.min = set_count_in_sync(&next); /* planted only */
	members_propose(c, &next);
	return true;
}

/* ---- Taking in ---- */

static bool
caught_up(const struct core *c, const struct peer *p)
{
	return p->reachable && p->whole && !p->load.active && p->request == 0 &&
	       log_holds(c, p->last) && c->last.seq - p->match.seq <= LAG_MAX;
}

static bool
take_back(struct core *c, struct set *next)
{
	bool changed = false;

	for (unsigned i = 0; i < c->peer_count; i++) {
		const struct peer *p = &c->peers[i];
		struct set_member *m = set_find(next, p->id);
		if (m != NULL && !m->in_sync && caught_up(c, p))
			m->in_sync = changed = true;
	}
	return changed;
}

/* Everybody must know of it (set_weaker), so nobody may be away. */
static bool
take_in_learner(struct core *c, struct set *next)
{
	const struct peer *p = c->learner != 0 ? peer_find(c, c->learner) : NULL;

	if (p == NULL || set_degraded(&c->set) || !caught_up(c, p) ||
	    next->count == SET_MEMBERS_MAX)
		return false;
	struct set_member *m = &next->member[next->count++];
	*m = (struct set_member){.id = c->learner, .in_sync = true};
	memcpy(m->address, c->learner_address, sizeof(m->address));
	c->learner = 0;
	return true;
}

/* ---- Commands ---- */

static void
tell(struct core *c, const struct core_command *command, enum core_told result)
{
	struct core_action *a = act(c, ACT_TOLD);
	a->told.ticket = command->ticket;
	a->told.result = result;
}

void
members_tell(struct core *c, enum core_told result)
{
	if (c->commanded)
		tell(c, &c->command, result);
	c->commanded = false;
}

/* What the command makes of the set; TOLD_DONE: *next is it. */
static enum core_told
change_min(const struct core *c, struct set *next)
{
	uint32_t target = c->command.min_insync == 0 ? next->count : c->command.min_insync;

	if (target > next->count)
		return TOLD_INVALID;
	next->wanted = c->command.min_insync;
	if (target < next->min) {
		if (set_degraded(next))
			return TOLD_NOT_IN_SYNC;
		next->min = target;
	}
	set_raise_min(next);
	return TOLD_DONE;
}

static enum core_told
take_out(struct core *c, struct set *next)
{
	struct set_member *m = set_find(next, c->command.id);

	/* It was taken out, and its word is waited for. */
	if (m == NULL && c->command.lost && set_find(&c->applied_set, c->command.id) != NULL) {
		next->forced = true;
		return TOLD_DONE;
	}
	if (m == NULL || m->id == c->self)
		return TOLD_INVALID;
	struct peer *p = peer_find(c, m->id);
	uint32_t min = next->min > c->applied_set.min ? next->min : c->applied_set.min;
	*m = next->member[--next->count];
	if (c->command.lost)
		(void)take_back(c, next); /* what is in flight may wait for the lost one only */
	if (next->min > next->count)
		next->min = next->count;
	if (next->wanted > next->count)
		next->wanted = next->count;
	if (next->min > set_count_in_sync(next))
		return TOLD_NOT_IN_SYNC;
	if (c->command.lost && p != NULL)
		p->granted_until = c->now + CORE_GRANTED_MS;
	if (next->min < min && c->command.lost)
		next->forced = true;
	else if (next->min < min && set_degraded(&c->set))
		return TOLD_NOT_IN_SYNC;
	return TOLD_DONE;
}

static void
change_by_command(struct core *c)
{
	struct set next = next_set(c);
	enum core_told told =
	    c->command.kind == COMMAND_REMOVE ? take_out(c, &next) : change_min(c, &next);

	if (told != TOLD_DONE) {
		members_tell(c, told);
		return;
	}
	members_propose(c, &next);
	c->command_seq = c->last.seq;
}

static void
begin_hand_over(struct core *c)
{
	const struct peer *p = peer_find(c, c->command.id);

	if (p == NULL || set_find(&c->set, c->command.id) == NULL)
		members_tell(c, TOLD_INVALID);
	else if (!set_in_sync(&c->set, p->id) || !p->reachable)
		members_tell(c, TOLD_NOT_IN_SYNC);
	else
		c->heir = p->id; /* peers are told when nothing is in flight */
}

static void
begin_add(struct core *c)
{
	const struct core_command *command = &c->command;
	bool possible = command->id >= 1 && command->id <= SET_ID_MAX &&
			command->address[0] != '\0' && set_find(&c->set, command->id) == NULL &&
			c->set.count < SET_MEMBERS_MAX;

	if (!possible) {
		members_tell(c, TOLD_INVALID);
		return;
	}
	c->learner = command->id;
	memcpy(c->learner_address, command->address, sizeof(c->learner_address));
	members_learn_peers(c);
}

bool
members_given_up(const struct core *c, uint32_t id)
{
	return c->commanded && c->command.lost && c->command.id == id && id != c->self;
}

/* A primary that starts again may wait for the promise or the log of one that is lost; or those
 * whose promise it needs wait for its word. */
static bool
waits_for_the_lost(const struct core *c, const struct core_command *command)
{
	return command->kind == COMMAND_REMOVE && command->lost && c->role == CORE_PRIMARY &&
	       c->phase != CORE_ACTIVE && command->id != c->self;
}

static enum core_told
why_not(const struct core *c, const struct core_command *command)
{
	bool promote = command->kind == COMMAND_PROMOTE;

	if (c->commanded)
		return TOLD_BUSY;
	if (promote && c->role == CORE_PRIMARY && c->phase != CORE_PROMISING)
		return TOLD_IS_PRIMARY;
	if (promote && (empty_is(c) || set_find(&c->set, c->self) == NULL))
		return TOLD_INVALID;
	if (!promote && (c->role != CORE_PRIMARY || c->phase != CORE_ACTIVE) &&
	    !waits_for_the_lost(c, command))
		return TOLD_NOT_PRIMARY;
	return TOLD_DONE;
}

void
members_command(struct core *c, const struct core_command *command)
{
	enum core_told told = why_not(c, command);

	if (told != TOLD_DONE) {
		tell(c, command, told);
		return;
	}
	c->command = *command;
	c->commanded = true;
	c->command_since = c->now;
	c->command_seq = 0;
	if (command->kind == COMMAND_PROMOTE)
		campaign_promote(c, command->accept_data_loss, command->primary_stopped);
	else if (command->kind == COMMAND_HAND_OVER)
		begin_hand_over(c);
	else if (command->kind == COMMAND_ADD)
		begin_add(c);
	else if (c->phase == CORE_ADOPTING && c->source == command->id)
		campaign_without_source(c);
}

void
members_applied(struct core *c)
{
	if (c->commanded && c->command_seq != 0 && c->applied.seq >= c->command_seq)
		members_tell(c, TOLD_DONE);
}

/* ---- Whatever is due ---- */

static void
end_waits(struct core *c)
{
	if (!c->commanded)
		return;
	uint64_t waited = c->now - c->command_since;
	if (c->command.kind == COMMAND_HAND_OVER && waited >= HAND_OVER_MS) {
		c->heir = 0;
		members_tell(c, TOLD_TIMED_OUT);
	} else if (waited >= CORE_COMMAND_MS) {
		members_tell(c, TOLD_TIMED_OUT);
	}
}

/* One that is said to be lost is not, as long as it answers. */
static bool
command_waits(struct core *c)
{
	const struct core_command *command = &c->command;
	const struct peer *p = peer_find(c, command->id);

	if (!c->commanded || c->command_seq != 0)
		return false;
	if (command->kind == COMMAND_REMOVE)
		return !command->lost || p == NULL || !p->reachable;
	return command->kind == COMMAND_MIN_INSYNC;
}

/* What is in flight may be waiting for the very member that is lost. */
static bool
may_change(struct core *c)
{
	bool removes_lost =
	    command_waits(c) && c->command.kind == COMMAND_REMOVE && c->command.lost;

	bool in_office = c->phase == CORE_ACTIVE || (c->phase == CORE_TAIL && removes_lost);
	return in_office && c->heir == 0 && (removes_lost || !primary_in_flight(c));
}

/* One change at a time, between two batches. */
void
members_run(struct core *c)
{
	end_waits(c);
	if (!may_change(c))
		return;
	if (command_waits(c)) {
		change_by_command(c);
		return;
	}
	struct set next = next_set(c);
	bool learned = take_in_learner(c, &next);
	bool changed = take_back(c, &next) || learned;
	uint32_t min = next.min;
	set_raise_min(&next);
	if (!changed && next.min == min)
		return;
	members_propose(c, &next);
	if (learned && c->commanded && c->command.kind == COMMAND_ADD)
		c->command_seq = c->last.seq;
}

uint64_t
members_deadline(const struct core *c)
{
	uint64_t granted = UINT64_MAX;

	if (primary_in_flight(c))
		(void)lease_all_excluded(c, &granted);
	uint64_t command = c->commanded ? c->command_since + HAND_OVER_MS : UINT64_MAX;
	if (c->commanded && c->now >= command)
		command = c->command_since + CORE_COMMAND_MS;
	return granted < command ? granted : command;
}
