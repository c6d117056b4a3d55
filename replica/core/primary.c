/* A primary's term of office, from the promises it was given to the last commit. */
#include "replica/core/core_internal.h"

/* ---- Its beginning ---- */

/* The members that go on with this term: at a restart those in sync so far, who all promised; at a
 * promotion those who promised and can be brought up to date from the log, if it is the same
 * history. */
static struct set
set_of_term(struct core *c)
{
	struct set s = c->set;

	s.primary = c->self;
	s.forced = c->promotion.active || (s.forced && primary_in_flight(c));
	for (uint32_t i = 0; c->promotion.active && i < s.count; i++) {
		struct set_member *m = &s.member[i];
		const struct peer *p = peer_find(c, m->id);
		bool comes_along = p != NULL && p->promised && p->whole &&
				   log_reaches(c, p->match.seq) && !c->promotion.with_loss;
		m->in_sync = m->id == c->self || comes_along;
	}
	for (uint32_t i = 0; i < s.count; i++) {
		if (!members_given_up(c, s.member[i].id))
			continue;
		s.member[i] = s.member[--s.count];
	}
	s.forced |= c->commanded && c->command.lost;
	if (s.wanted > s.count)
		s.wanted = s.count;
	uint32_t in_sync = set_count_in_sync(&s);
	if (s.min > in_sync) {
		s.min = in_sync;
		s.forced = true;
	}
	return s;
}

/* With loss: what only others had is given up, so this is another history. The process may have
 * given the one before its name, so the epoch goes into it. */
static void
name_history(struct core *c)
{
	bool founding = uuid_is_nil(&c->pledge.incarnation);

	if (!founding && !c->promotion.with_loss)
		return;
	c->pledge.formerly = c->pledge.incarnation;
	c->pledge.began = c->pledge.promised;
	c->pledge.incarnation = c->incarnation_if_new;
	for (unsigned i = 0; !founding && i < sizeof(uint32_t); i++)
		c->pledge.incarnation.bytes[15 - i] ^=
		    (uint8_t)(c->pledge.promised.counter >> (8 * i));
	act_save(c);
	act(c, ACT_FLUSH);
}

/* R3: the gate opens with the tail dirty. Its entries may be committed elsewhere, so no operation
 * is started until they are committed and applied here. C1: no older page is a hit from here on.
 * The term's first entry makes this log later than all that end in an older term. Every member may
 * have been granted a lease by the last primary. */
static void
begin_tail(struct core *c)
{
	name_history(c);
	c->phase = CORE_TAIL;
	c->in_doubt = false;
	for (unsigned i = 0; i < c->peer_count; i++) {
		struct peer *p = &c->peers[i];
		peer_learn_match(c, p);
		p->granted_until = c->now + CORE_GRANTED_MS;
	}
	struct set s = set_of_term(c);
	members_propose(c, &s);
	if (c->commanded && members_given_up(c, c->command.id))
		c->command_seq = c->last.seq;
	act_floor_all(c);
}

/* R2: the longest log is the one that goes on. */
void
primary_won(struct core *c, uint32_t source)
{
	c->source = source;
	if (source == 0) {
		begin_tail(c);
		return;
	}
	c->phase = CORE_ADOPTING;
	c->fetched = c->applied;
	peer_hurry(c, peer_find(c, source));
}

static void
adopt(struct core *c)
{
	const struct peer *source = peer_find(c, c->source);

	if (source == NULL ||
	    (c->promotion.active && c->now - c->promotion.since >= 2 * CORE_CAMPAIGN_MS)) {
		members_tell(c, TOLD_UNSAFE);
		primary_step_down(c);
	} else if (position_equal(c->fetched, source->last) && !c->applying) {
		c->phase =
		    CORE_PROMISING; /* by its sets, which are ours now, we may have to wait */
		campaign_run(c);
	}
}

/* Another has a higher epoch: this replica follows it. */
void
primary_step_down(struct core *c)
{
	batch_refuse(c);
	members_tell(c,
	    c->heir != 0 && c->heir == c->pledge.promised.replica ? TOLD_DONE : TOLD_NOT_PRIMARY);
	c->role = CORE_BACKUP;
	c->phase = CORE_JOINING;
	c->promotion = (struct promotion){0};
	c->learner = c->heir = 0;
	c->lease_until = 0;
	c->promised_to = 0;
	for (unsigned i = 0; i < c->peer_count; i++) {
		load_stop(&c->peers[i]);
		c->peers[i].request = 0;
	}
	log_find_sets(c);
	if (uuid_is_nil(&c->pledge.incarnation))
		empty_start(c);
}

/* ---- Committing ---- */

bool
primary_in_flight(const struct core *c)
{
	return c->last.seq > c->applied.seq;
}

/* A smaller min counts on every log knowing it, so it needs the last set's word as well. */
bool
primary_needs(const struct core *c, uint32_t id)
{
	bool lowers = set_weaker(&c->set, &c->applied_set) && !c->set.forced;

	return set_in_sync(&c->set, id) || (lowers && set_in_sync(&c->applied_set, id));
}

bool
primary_all_match(const struct core *c)
{
	for (unsigned i = 0; i < c->peer_count; i++) {
		const struct peer *p = &c->peers[i];
		if (!PLANTED(TABLE) && primary_needs(c, p->id) &&
		    !position_equal(p->match, c->last))
			return false;
	}
	return true;
}

/* Every member in sync has everything, and no other can be reading any more. */
static void
commit_if_acknowledged(struct core *c)
{
	uint64_t until;

	if ((c->phase != CORE_TAIL && c->phase != CORE_ACTIVE) || !primary_in_flight(c) ||
	    !primary_all_match(c) || !lease_all_excluded(c, &until))
		return;
	log_apply(c, c->last.seq);
	batch_decided(c);
	if (c->phase == CORE_TAIL) {
		c->phase = CORE_ACTIVE;
		bool promoted = c->promotion.active;
		c->promotion = (struct promotion){0};
		if (promoted)
			members_tell(c, TOLD_DONE);
	}
	for (unsigned i = 0; i < c->peer_count; i++) {
		struct peer *p = &c->peers[i];
		if (set_in_sync(&c->set, p->id))
			peer_hurry(c, p);
		else if (p->request == 0)
			p->due = c->now;
	}
}

void
primary_run(struct core *c)
{
	if (c->phase == CORE_PROMISING)
		campaign_run(c);
	if (c->phase == CORE_ADOPTING)
		adopt(c);
	if (c->role != CORE_PRIMARY)
		return;
	commit_if_acknowledged(c);
	members_run(c);
	batch_run(c);
	commit_if_acknowledged(c); /* a set of one needs nobody else */
	/* A commit travels with the next batch, if the next step (due at once) can start one. */
	if (c->applying && c->queue->count > 0)
		return;
	for (unsigned i = 0; i < c->peer_count; i++)
		peer_run(c, &c->peers[i]);
}
