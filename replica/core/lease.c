/*
 * Who may read until when (R9). Where nothing can be committed without this replica, its clean keys
 * are current and no lease is needed. Elsewhere a backup reads by a lease from the primary, and the
 * primary by leases from so many backups that nobody can be promoted without one of them.
 *
 * A holder counts from its own sending of something, the granter from having it, and longer by what
 * two clocks may differ. So the lease is over at its
 * holder first (I6). A new primary assumes that every member was granted one as its term begins: a
 * backup that has promised it answers the old primary no more, so that one's lease, too, ends
 * within that time.
 */
#include <string.h>

#include "replica/core/core_internal.h"

/* A gate is told of a longer lease only when it has grown by this much. */
#define WORTH_TELLING_MS 50

/* ---- Backup ---- */

/* Of a request that comes twice the first answer counts: it may be that one which the primary has.
 */
void
lease_answered(struct core *c, const struct message *m)
{
	for (unsigned i = 0; i < ANSWERS_KEPT; i++) {
		if (c->answers[i].request >= m->request)
			return;
	}
	c->answers[c->answers_next].request = m->request;
	c->answers[c->answers_next].at = c->now;
	c->answers_next = (c->answers_next + 1) % ANSWERS_KEPT;
}

/* Requests are numbered anew when a primary starts, so the answers must have been to that start. */
void
lease_promise(struct core *c, uint64_t boot)
{
	if (boot == c->promised_to)
		return;
	memset(c->answers, 0, sizeof(c->answers));
	c->promised_to = boot;
}

void
lease_taken(struct core *c, const struct message *m)
{
	lease_promise(c, m->boot);
	for (unsigned i = 0; m->granted != 0 && i < ANSWERS_KEPT; i++) {
		uint64_t until = c->answers[i].at + CORE_LEASE_MS;
		if (c->answers[i].request == m->granted && c->lease_until < until)
			c->lease_until = until;
	}
}

/* A later request of the same primary was answered: this one was delayed, or is a double. */
bool
lease_overtaken(const struct core *c, const struct message *m)
{
	for (unsigned i = 0; m->boot == c->promised_to && i < ANSWERS_KEPT; i++) {
		if (c->answers[i].request > m->request)
			return true;
	}
	return false;
}

/* ---- Primary ---- */

/* The answer may be of a time when it was not in the set, and so had none. */
void
lease_grant(const struct core *c, struct peer *p, struct message *m)
{
	if (!c->leases || !set_in_sync(&c->set, p->id) || p->answered == 0)
		return;
	m->granted = p->answered;
	if (p->granted_until < p->answered_at + CORE_GRANTED_MS)
		p->granted_until = p->answered_at + CORE_GRANTED_MS;
}

/* Where it needs no lease for its reads, its host's cache has got one from it, when it answered
 * this at the latest. One that is being left out gives none any more once it has that set. */
void
lease_heard(const struct core *c, struct peer *p, bool knew)
{
	if (p->lease_until < p->sent_at + CORE_LEASE_MS)
		p->lease_until = p->sent_at + CORE_LEASE_MS;
	if (set_in_sync(&c->set, p->id) || (primary_needs(c, p->id) && !knew))
		p->granted_until = c->now + CORE_GRANTED_MS;
}

bool
lease_all_excluded(const struct core *c, uint64_t *until)
{
	for (unsigned i = 0; i < c->peer_count; i++) {
		const struct peer *p = &c->peers[i];
		if (PLANTED(GRANTED) || set_in_sync(&c->set, p->id) || p->granted_until <= c->now)
			continue;
		*until = p->granted_until;
		return false;
	}
	return true;
}

/* The time until which at least `count` backups promise nobody else. */
static uint64_t
promised_by(const struct core *c, uint32_t count)
{
	uint64_t best = UINT64_MAX;
	uint64_t until[CORE_PEERS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < c->peer_count; i++) {
		if (set_in_sync(&c->set, c->peers[i].id))
			until[n++] = c->peers[i].lease_until;
	}
	for (; count > 0; count--) { /* the longest is taken away, `count` times */
		unsigned longest = 0;
		if (n == 0)
			return 0;
		for (unsigned i = 1; i < n; i++) {
			if (until[i] > until[longest])
				longest = i;
		}
		best = until[longest];
		until[longest] = until[--n];
	}
	return best;
}

/* ---- Both ---- */

static uint64_t
may_read_until(const struct core *c)
{
	if (c->role == CORE_PRIMARY) {
		if (c->phase != CORE_TAIL && c->phase != CORE_ACTIVE)
			return 0;
		return c->leases ? promised_by(c, c->set.min - 1) : UINT64_MAX;
	}
	/* A set that is not committed yet may come to nothing, and its new member be unknown to
	 * whoever is primary next. */
	if (c->phase != CORE_IN_SYNC || !set_in_sync(&c->set, c->self) ||
	    !set_in_sync(&c->applied_set, c->self))
		return 0;
	return c->leases ? c->lease_until : UINT64_MAX;
}

bool
lease_holds(const struct core *c)
{
	return may_read_until(c) > c->now;
}

static void
tell_gate(struct core *c, uint64_t until)
{
	c->read_until = until;
	struct core_action *a = act(c, ACT_GATE);
	a->gate.open = until != 0;
	a->gate.until = until;
}

void
lease_restrict(struct core *c)
{
	uint64_t until = may_read_until(c);

	if (until < c->read_until)
		tell_gate(c, until <= c->now ? 0 : until);
}

void
lease_run(struct core *c)
{
	uint64_t until = may_read_until(c);
	bool fresh = c->read_until > c->now + CORE_LEASE_MS / 2;

	lease_restrict(c);
	if (until > c->now && until > c->read_until &&
	    (!fresh || until >= c->read_until + WORTH_TELLING_MS))
		tell_gate(c, until);
}
