/*
 * Talking to one other replica. At most one message is waited for: a newer one takes the place
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

/* There is room for all members of the set in force, the one before and one more, since they differ
 * by one at most. */
struct peer *
peer_add(struct core *c, uint32_t id, const char *address)
{
	struct peer *p = peer_find(c, id);

	if (p != NULL || c->peer_count == CORE_PEERS_MAX)
		return p;
	p = &c->peers[c->peer_count++];
	*p = (struct peer){.id = id, .due = c->now};
	act_peer(c, id, address);
	return p;
}

void
peer_drop(struct core *c, struct peer *p)
{
	load_stop(p);
	*p = c->peers[--c->peer_count];
	c->peers[c->peer_count] = (struct peer){0};
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
	lease_grant(c, p, m);
	return m;
}

/* What there is to say to it now; NULL: nothing. */
static struct message *
request_for(struct core *c, struct peer *p)
{
	struct message *m;

	switch (c->phase) {
	case CORE_EMPTY:
		return empty_asks(c, p) != 0 ? act_send(c, empty_asks(c, p), p->id) : NULL;
	case CORE_PROMISING:
		if (p->promised || c->now < c->campaign_from)
			return NULL;
		m = act_send(c, MSG_PROMISE, p->id);
		m->set = c->set;
		m->granted = members_given_up(c, c->command.id) ? c->command.id : 0;
		return m;
	case CORE_ADOPTING:
		if (p->id != c->source)
			return NULL;
		m = act_send(c, MSG_FETCH, p->id);
		m->prev = c->fetched;
		return m;
	case CORE_TAIL:
	case CORE_ACTIVE:
		if (c->heir == p->id && !primary_in_flight(c))
			return act_send(c, MSG_HAND_OVER, p->id);
		return load_needed(c, p) ? load_request(c, p) : append_for(c, p);
	default:
		return NULL;
	}
}

void
peer_send(struct core *c, struct peer *p)
{
	struct message *m = request_for(c, p);

	p->request = m != NULL ? ++c->last_request : 0;
	p->sent_at = c->now;
	p->due = c->now + (m != NULL ? CORE_ATTEMPT_MS : CORE_HEARTBEAT_MS);
	if (m == NULL && c->applying)
		p->due =
		    c->now; /* it may wait for the tables only, and under load most steps apply */
	if (m == NULL)
		return;
	m->request = p->request;
	m->peer_boot = p->boot;
}

/* When to try again after a failure. A member in sync has its attempts, with growing pauses. Then
 * it is left out of the set, if it may be; else the callers of the batch in flight are told, and it
 * goes on being sent. */
static uint64_t
pause_after_failure(struct core *c, struct peer *p)
{
	bool in_office = c->phase == CORE_TAIL || c->phase == CORE_ACTIVE;
	bool committing = in_office && primary_in_flight(c) && primary_needs(c, p->id);

	if (!in_office || !set_in_sync(&c->set, p->id))
		return CORE_HEARTBEAT_MS;
	if (++p->attempts < CORE_ATTEMPTS)
		return (uint64_t)CORE_BACKOFF_MS << (p->attempts - 1);
	if (members_shrink(c, p) || !committing)
		return CORE_HEARTBEAT_MS;
	if (c->phase == CORE_ACTIVE && !c->in_doubt)
		batch_doubt(c);
	return CORE_RESEND_MS;
}

void
peer_failed(struct core *c, struct peer *p)
{
	p->request = 0;
	p->reachable = false;
	if (c->heir == p->id && c->phase == CORE_EMPTY)
		c->heir = 0; /* it may have started anew: asked again who it is */
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

static bool
is_whole(const struct message *m)
{
	return !uuid_is_nil(&m->incarnation);
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
	if (c->phase == CORE_TAIL || c->phase == CORE_ACTIVE)
		peer_learn_match(c, p); /* its promise comes late, but we hear of its log */
	if (c->phase != CORE_PROMISING)
		return;
	p->promised = true;
	p->set = m->set;
	if (p->whole)
		log_commit(c, m->commit);
}

/* One that has restarted may have lost its log since it promised: all is asked anew. One that has
 * pruned what we lack can't help us; we go on asking. */
static void
on_fetched(struct core *c, struct peer *p, const struct message *m, bool restarted)
{
	if (c->phase != CORE_ADOPTING || p->id != c->source)
		return;
	if (restarted) {
		p->promised = false;
		c->phase = CORE_PROMISING;
		return;
	}
	if (m->entry_count == 0)
		return;
	p->due = c->now;
	if (!log_place(c, m->entries, m->entry_count)) /* which may move the peers */
		return;
	c->fetched = m->entries[m->entry_count - 1]->at;
	log_commit(c, m->commit);
}

static void
on_appended(struct core *c, struct peer *p, const struct message *m, bool restarted)
{
	if (c->phase != CORE_TAIL && c->phase != CORE_ACTIVE)
		return;
	bool knew = position_equal(p->match, c->last);
	peer_learn_match(c, p);
	lease_heard(c, p, knew);
	p->gaps = m->verdict == VERDICT_GAP ? p->gaps + 1 : 0;
	if (p->gaps > GAPS_MAX) {
		peer_failed(c, p);
		return;
	}
	/* It lacks something, does not know the latest commit, or waits to be confirmed. */
	if (restarted || !position_equal(p->match, c->last) || p->told < c->applied.seq)
		p->due = c->now;
}

static void
on_answer(struct core *c, struct peer *p, const struct message *m, bool restarted)
{
	p->last = m->last;
	p->applied = m->commit;
	p->whole = is_whole(m);
	p->heard = true;
	if (restarted)
		load_stop(p);
	if (!p->whole)
		members_shrink(c, p); /* it will take long until it has everything */
	if (m->kind == MSG_PROMISED)
		on_promised(c, p, m);
	else if (m->kind == MSG_FETCHED)
		on_fetched(c, p, m, restarted);
	else if (m->kind == MSG_APPENDED)
		on_appended(c, p, m, restarted);
	else if (m->kind == MSG_LOADED)
		load_answer(c, p, m);
	else if (m->kind == MSG_HELLOED && c->phase == CORE_EMPTY) {
		p->set = m->set;
		p->in_part = m->verdict == VERDICT_GAP;
		if (m->epoch.replica == m->from && epoch_compare(m->epoch, c->pledge.promised) > 0)
			lease_promise(c, m->boot); /* it may be that start's campaign */
		backup_follow(c, m->epoch);
		empty_heard(c, p);
	}
}

void
peer_answer(struct core *c, struct peer *p, const struct message *m)
{
	bool restarted = p->boot != m->boot;

	/* Requests are numbered from 1 at every start, so the boot counts too. */
	if (m->peer_boot != c->boot)
		return;
	if (m->request == 0 || m->request != p->request)
		return;
	p->answered = restarted ? 0 : p->request;
	p->answered_at = c->now;
	p->request = 0;
	p->boot = m->boot;
	p->due = c->now + CORE_HEARTBEAT_MS;
	if (m->verdict == VERDICT_OLD_EPOCH) {
		if (c->role == CORE_PRIMARY)
			campaign_outbid(c, m);
		return;
	}
	if (m->verdict == VERDICT_SUPERSEDED) {
		c->heard_at = c->now; /* of another primary: it has its time to be heard itself */
		if (c->phase == CORE_PROMISING)
			primary_step_down(c);
		return;
	}
	p->reachable = m->verdict != VERDICT_OTHER_HISTORY && core_history_agrees(c, m);
	if (p->reachable) {
		p->attempts = 0;
		on_answer(c, p, m, restarted);
	} else {
		p->match = (struct position){0};
		p->whole = false;
	}
}
