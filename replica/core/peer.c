/*
 * A primary's talk with one backup. At most one message is waited for: a newer one takes the place
 * of an older, whose answer is then ignored. That keeps late and doubled answers out.
 */
#include "replica/core/core_internal.h"

#define GAPS_MAX 3 /* in a row; then the backup's log and ours don't meet by themselves */

struct peer *
peer_find(struct core *c, uint32_t id)
{
	for (unsigned i = 0; i < c->peer_count; i++) {
		if (c->peers[i].id == id)
			return &c->peers[i];
	}
	return NULL;
}

static struct message *
append_for(struct core *c, struct peer *p)
{
	struct message *m = act_send(c, MSG_APPEND, p->id);

	/* What it lacks may be pruned here: then it only hears that we are alive, and where our
	 * log ends. */
	if (!log_fill(c, m, p->match))
		m->prev = c->last;
	p->told = m->commit.seq;
	return m;
}

/* What this phase has to say to it; NULL: nothing. */
static struct message *
request_for(struct core *c, struct peer *p)
{
	struct message *m;

	switch (c->phase) {
	case CORE_PROMISING:
		return p->promised ? NULL : act_send(c, MSG_PROMISE, p->id);
	case CORE_ADOPTING:
		if (p != c->source)
			return NULL;
		m = act_send(c, MSG_FETCH, p->id);
		m->prev = c->fetched;
		return m;
	case CORE_TAIL:
	case CORE_ACTIVE:
		return append_for(c, p);
	default:
		return NULL;
	}
}

void
peer_send(struct core *c, struct peer *p)
{
	struct message *m = request_for(c, p);

	p->request = m != NULL ? ++c->last_request : 0;
	p->due = c->now + (m != NULL ? CORE_ATTEMPT_MS : CORE_HEARTBEAT_MS);
	if (m == NULL)
		return;
	m->request = p->request;
	m->peer_boot = p->boot;
}

/* When to try again after a failure. The batch in flight has its attempts, with growing pauses;
 * when they are used up, its callers are told and it goes on being sent. */
static uint64_t
pause_after_failure(struct core *c, struct peer *p)
{
	bool committing =
	    (c->phase == CORE_TAIL || c->phase == CORE_ACTIVE) && primary_in_flight(c);

	if (!committing || position_equal(p->match, c->last))
		return CORE_HEARTBEAT_MS;
	if (c->in_doubt || c->phase == CORE_TAIL)
		return CORE_RESEND_MS;
	if (++p->attempts < CORE_ATTEMPTS)
		return (uint64_t)CORE_BACKOFF_MS << (p->attempts - 1);
	batch_doubt(c);
	return CORE_RESEND_MS;
}

void
peer_failed(struct core *c, struct peer *p)
{
	p->request = 0;
	p->reachable = false;
	p->due = c->now + pause_after_failure(c, p);
}

void
peer_hurry(struct core *c, struct peer *p)
{
	p->request = 0;
	p->due = c->now;
}

void
peer_run(struct core *c, struct peer *p)
{
	if (p->due > c->now)
		return;
	if (p->request != 0)
		peer_failed(c, p);
	else
		peer_send(c, p);
}

/* Where its log and ours meet. All it has applied is committed, so that is in our log for sure. */
void
peer_learn_match(const struct core *c, struct peer *p)
{
	if (log_holds(c, p->last))
		p->match = p->last;
	else if (log_holds(c, p->applied))
		p->match = p->applied;
	else
		p->match = (struct position){0};
}

static void
on_promised(struct core *c, struct peer *p, const struct message *m)
{
	if (c->phase != CORE_PROMISING)
		return;
	if (uuid_is_nil(&c->incarnation) && !uuid_is_nil(&m->incarnation)) {
		c->incarnation = m->incarnation;
		act_save(c);
	}
	p->promised = true;
	log_commit(c, m->commit);
}

/* One that has restarted may have lost its log since it promised: all is asked anew. One that has
 * pruned what we lack can't help us (yet: with a snapshot it could); we go on asking. */
static void
on_fetched(struct core *c, struct peer *p, const struct message *m, bool restarted)
{
	if (c->phase != CORE_ADOPTING || p != c->source)
		return;
	if (restarted) {
		p->promised = false;
		c->phase = CORE_PROMISING;
		return;
	}
	if (m->entry_count == 0 || !log_place(c, m->entries, m->entry_count))
		return;
	c->fetched = m->entries[m->entry_count - 1]->at;
	p->due = c->now;
	log_commit(c, m->commit);
}

static void
on_appended(struct core *c, struct peer *p, const struct message *m, bool restarted)
{
	if (c->phase != CORE_TAIL && c->phase != CORE_ACTIVE)
		return;
	peer_learn_match(c, p);
	p->gaps = m->verdict == VERDICT_GAP ? p->gaps + 1 : 0;
	if (p->gaps > GAPS_MAX) {
		peer_failed(c, p);
		return;
	}
	/* It lacks something, does not know the latest commit, or waits to be confirmed. */
	if (restarted || !position_equal(p->match, c->last) || p->told < c->applied.seq)
		p->due = c->now;
}

void
peer_answer(struct core *c, struct peer *p, const struct message *m)
{
	bool restarted = p->boot != m->boot;

	/* Requests are numbered from 1 at every start, so the boot counts too. */
	if (m->peer_boot != c->boot && !PLANTED(BOOT))
		return;
	if (m->request == 0 || m->request != p->request)
		return;
	p->request = 0;
	p->boot = m->boot;
	p->due = c->now + CORE_HEARTBEAT_MS;
	if (m->verdict == VERDICT_OLD_EPOCH) {
		primary_outbid(c, m->epoch);
		return;
	}
	p->reachable = m->verdict != VERDICT_OTHER_HISTORY && core_history_agrees(c, m);
	if (!p->reachable) {
		p->match = (struct position){0};
		return;
	}
	p->last = m->last;
	p->applied = m->commit;
	if (m->kind == MSG_PROMISED)
		on_promised(c, p, m);
	else if (m->kind == MSG_FETCHED)
		on_fetched(c, p, m, restarted);
	else if (m->kind == MSG_APPENDED)
		on_appended(c, p, m, restarted);
}
