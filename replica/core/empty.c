/*
 * A replica without a history asks all others of the node file who they are. If all are empty too,
 * the first primary begins a history. If the set of those who have one names this replica as
 * primary, its store was lost: it hands over to the longest log, so that the shop goes on without a
 * person. Otherwise the primary finds it by itself.
 */
#include "replica/core/core_internal.h"

#define PATIENCE_MS 1000 /* for those who do not answer */

bool
empty_is(const struct core *c)
{
	bool partial = c->partial_until > c->last.seq && !PLANTED(PARTIAL);
	return uuid_is_nil(&c->pledge.incarnation) || partial;
}

void
empty_start(struct core *c)
{
	c->phase = CORE_EMPTY;
	c->started = c->now;
	for (unsigned i = 0; i < c->peer_count; i++) {
		c->peers[i].heard = false;
		peer_hurry(c, &c->peers[i]);
	}
}

/* Who has the longest log of all that name us as primary? NULL: nobody does, or not all who may
 * have a longer one had the time to say so. */
static struct peer *
find_heir(struct core *c)
{
	struct peer *best = NULL;
	bool all_heard = true;

	for (unsigned i = 0; i < c->peer_count; i++) {
		struct peer *p = &c->peers[i];
		all_heard &= p->heard;
		if (p->heard && p->whole && set_find(&p->set, p->id) != NULL &&
		    (best == NULL || position_compare(p->last, best->last) > 0))
			best = p;
	}
	if (best == NULL || best->set.primary != c->self)
		return NULL;
	return all_heard || c->now - c->started >= PATIENCE_MS ? best : NULL;
}

bool
empty_knows_all_but(const struct core *c, uint32_t id, uint64_t given_up)
{
	for (unsigned i = 0; i < c->peer_count; i++) {
		const struct peer *p = &c->peers[i];
		if (p->id != id && p->id != given_up && !p->heard)
			return false;
	}
	return true;
}

/* What we promised is forgotten with the store, so we promise again what the others have: else an
 * older primary could take our word for the set's. */
bool
empty_may_join(const struct core *c)
{
	return c->phase != CORE_EMPTY || empty_knows_all_but(c, c->self, 0) ||
	       c->now - c->started >= PATIENCE_MS;
}

static bool
all_are_empty(const struct core *c)
{
	for (unsigned i = 0; i < c->peer_count; i++) {
		const struct peer *p = &c->peers[i];
		if (!p->heard || p->whole || p->in_part || p->last.seq != 0)
			return false;
	}
	return true;
}

void
empty_run(struct core *c)
{
	if (c->first.primary != c->self || !all_are_empty(c))
		return;
	c->set = c->first;
	campaign_start(c, c->pledge.promised.counter + 1);
}

enum message_kind
empty_asks(const struct core *c, const struct peer *p)
{
	if (c->loaded != 0)
		return p->heard ? 0 : MSG_HELLO; /* the primary is at it */
	return c->heir == p->id ? MSG_HAND_OVER : MSG_HELLO;
}

void
empty_heard(struct core *c, struct peer *p)
{
	p->heard = true;
	p->due = c->now + CORE_HELLO_MS;
	struct peer *heir = find_heir(c);
	c->heir = heir != NULL ? heir->id : 0;
}
