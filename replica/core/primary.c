/* A primary's term of office, from its first promise to the last commit. */
#include "replica/core/core_internal.h"

/* R1: nothing leaves in an epoch that was used before, whatever happened to what was sent then. */
static void
take_epoch(struct core *c, uint32_t counter)
{
	c->promised = (struct epoch){.counter = counter, .replica = c->self};
	act_save(c);
	act(c, ACT_FLUSH);
	c->phase = CORE_PROMISING;
	for (unsigned i = 0; i < c->peer_count; i++) {
		struct peer *p = &c->peers[i];
		p->promised = false;
		p->match = (struct position){0};
		peer_hurry(c, p);
	}
}

void
primary_start(struct core *c)
{
	uint32_t seen = c->promised.counter; /* no entry of ours is of a later epoch */

	take_epoch(c, PLANTED(R1) && seen > 0 ? seen : seen + 1);
}

void
primary_fence(struct core *c)
{
	c->phase = CORE_FENCED;
	act_gate(c, false);
	batch_refuse(c);
}

/* A backup follows a higher epoch, or promised ours to a process that is gone. Before our own term
 * began that is a trace of an earlier one. Later it means that somebody else was elected, unless
 * the epoch is our own: we lost our disk, and a message sent before that has just arrived. */
void
primary_outbid(struct core *c, struct epoch e)
{
	if (epoch_compare(e, c->promised) < 0)
		return;
	if (c->phase != CORE_PROMISING && e.replica != c->self) {
		primary_fence(c);
		return;
	}
	batch_doubt(c);
	take_epoch(c, e.counter + 1);
}

/* Only a primary sends requests. Before our members have promised, it may be one of the past, and
 * one of today gets no promise from us; after that, it was elected over our head. */
void
primary_request(struct core *c, const struct message *m)
{
	bool settled = c->phase != CORE_PROMISING && c->phase != CORE_FENCED;

	if (settled && epoch_compare(m->epoch, c->promised) > 0)
		primary_fence(c);
}

bool
primary_in_flight(const struct core *c)
{
	return c->last.seq > c->applied.seq;
}

bool
primary_all_match(const struct core *c)
{
	for (unsigned i = 0; i < c->peer_count; i++) {
		if (!position_equal(c->peers[i].match, c->last))
			return false;
	}
	return true;
}

/* R3: the gate opens with the tail dirty. Its entries may be committed elsewhere, so no operation
 * is started until they are committed and applied here. C1: no older page is a hit from here on. */
static void
begin_tail(struct core *c)
{
	c->phase = CORE_TAIL;
	for (unsigned i = 0; i < c->peer_count; i++) {
		peer_learn_match(c, &c->peers[i]);
		peer_hurry(c, &c->peers[i]);
	}
	act_floor_all(c);
	act_gate(c, true);
}

/* R2: the longest log among all members is the one that goes on. */
static void
choose_log(struct core *c)
{
	struct position longest = c->last;

	c->source = NULL;
	for (unsigned i = 0; i < c->peer_count; i++) {
		struct peer *p = &c->peers[i];
		if (!p->promised)
			return;
		if (!PLANTED(R2) && position_compare(p->last, longest) > 0) {
			longest = p->last;
			c->source = p;
		}
	}
	if (uuid_is_nil(&c->incarnation)) {
		c->incarnation = c->incarnation_if_new;
		act_save(c);
		act(c, ACT_FLUSH);
	}
	if (c->source == NULL) {
		begin_tail(c);
		return;
	}
	c->phase = CORE_ADOPTING;
	c->fetched = c->applied;
	peer_hurry(c, c->source);
}

/* Every member has everything. */
static void
commit_if_acknowledged(struct core *c)
{
	if ((c->phase != CORE_TAIL && c->phase != CORE_ACTIVE) || !primary_all_match(c))
		return;
	if (c->phase == CORE_TAIL)
		c->phase = CORE_ACTIVE;
	if (!primary_in_flight(c))
		return;
	log_apply(c, c->last.seq);
	batch_decided(c);
	for (unsigned i = 0; i < c->peer_count; i++)
		peer_hurry(c, &c->peers[i]);
}

void
primary_run(struct core *c)
{
	if (c->phase == CORE_PROMISING)
		choose_log(c);
	if (c->phase == CORE_ADOPTING && position_equal(c->fetched, c->source->last) &&
	    !c->applying)
		begin_tail(c);
	commit_if_acknowledged(c);
	batch_run(c);
	if (c->peer_count == 0)
		commit_if_acknowledged(c); /* a set of one needs nobody else */
	/* A commit travels with the next batch, if the next step (due at once) can start one. */
	if (c->applying && c->queue->count > 0)
		return;
	for (unsigned i = 0; i < c->peer_count; i++)
		peer_run(c, &c->peers[i]);
}
