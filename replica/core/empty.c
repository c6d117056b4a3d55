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

/* What we promised is forgotten with the store, so we promise again what the others have: else an
 * older primary could take our word for the set's. */
bool
empty_may_join(const struct core *c)
{
	bool all_heard = true;

	for (unsigned i = 0; i < c->peer_count; i++)
		all_heard &= c->peers[i].heard;
	return c->phase != CORE_EMPTY || all_heard || c->now - c->started >= PATIENCE_MS;
}

static bool
all_are_empty(const struct core *c)
{
	for (unsigned i = 0; i < c->peer_count; i++) {
		if (!c->peers[i].heard || c->peers[i].whole || c->peers[i].last.seq != 0)
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
		return 0; /* the primary is at it */
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
