/* A backup: answers what a primary or a candidate asks. Its readers are held back until a primary
 * has confirmed that it has everything. */
#include "replica/core/core_internal.h"

/* Every start takes a new epoch (R1), so a promise is asked for again by the same process only: a
 * primary that lost its disk, and with it the count, is told to take a higher one. */
static bool
is_old(const struct core *c, const struct message *m)
{
	int order = epoch_compare(m->epoch, c->pledge.promised);
	bool again = order == 0 && m->kind == MSG_PROMISE;

	if (PLANTED(FENCE) && m->kind == MSG_APPEND)
		return false;
	return order < 0 || (again && m->boot != c->promised_to && !PLANTED(R1));
}

void
backup_follow(struct core *c, struct epoch e)
{
	if (epoch_compare(e, c->pledge.promised) <= 0)
		return;
	c->pledge.promised = e;
	act_save(c);
	act(c, ACT_FLUSH);
}

/* One that was removed, and may not know it, can't stop the shop by asking. */
static bool
is_stranger(const struct core *c, uint32_t id)
{
	return c->phase == CORE_ACTIVE && set_find(&c->set, id) == NULL;
}

/* That any log has an entry of, as far as we know; that of the one who asks aside. */
static struct epoch
latest_term(const struct core *c, uint32_t asks)
{
	struct epoch latest = c->last.epoch;

	for (unsigned i = 0; empty_is(c) && i < c->peer_count; i++) {
		const struct peer *p = &c->peers[i];
		if (p->id != asks && p->whole && epoch_compare(p->last.epoch, latest) > 0)
			latest = p->last.epoch;
	}
	return latest;
}

static void
promise(struct core *c, const struct message *m)
{
	if (is_stranger(c, m->from)) {
		act_reply(c, m, VERDICT_OTHER_HISTORY);
		return;
	}
	/* One that was primary, and says that it goes on: was another promoted since? Who has lost
	 * its log may have promised that one, and must know from the rest first. */
	bool goes_on = !m->promotion || m->set.primary == m->from;
	if (goes_on && empty_is(c) && !empty_knows_all_but(c, m->from, m->granted)) {
		if (c->phase != CORE_EMPTY)
			empty_start(c);
		return;
	}
	if (goes_on && epoch_compare(latest_term(c, m->from), m->last.epoch) > 0) {
		if (!m->promotion)
			act_reply(c, m, VERDICT_SUPERSEDED); /* it need not stop that one */
		if (!m->promotion || empty_is(c))
			return; /* the logs tell, and we have none */
	}
	if (epoch_compare(m->epoch, c->pledge.yielded) != 0) {
		c->pledge.yielded = c->pledge.promised = m->epoch;
		act_save(c);
		act(c, ACT_FLUSH);
	}
	if (c->role == CORE_PRIMARY)
		primary_step_down(c);
	lease_promise(c, m->boot);
	c->heard_at = c->now;
	/* What is promoted may go on without us, so nobody reads here until it has said otherwise.
	 */
	if (m->promotion && c->phase == CORE_IN_SYNC)
		c->phase = CORE_JOINING;
	lease_restrict(c);
	act_reply(c, m, VERDICT_OK)->set = c->set;
}

static void
fetched(struct core *c, const struct message *m)
{
	struct message *answer = act_reply(c, m, VERDICT_OK);

	if (!log_holds(c, m->prev) || !log_fill(c, answer, m->prev)) {
		answer->verdict = VERDICT_GAP;
		answer->prev = m->prev;
	}
}

/* An empty store takes the primary's history, but not from a message that was meant for what was
 * here before: such a one may tell of entries that were never decided. It is as good as empty until
 * it has all that the primary has now. */
static bool
join_history(struct core *c, const struct message *m)
{
	if (!uuid_is_nil(&c->pledge.incarnation))
		return true;
	if (m->peer_boot != c->boot || !empty_may_join(c))
		return false;
	if (c->loaded != 0) {
		if (m->boot != c->load_boot)
			act_abandon(c); /* that primary will not go on with the tables: it has the
					   whole log */
		return false;
	}
	c->pledge.incarnation = m->incarnation;
	c->pledge.formerly = m->formerly;
	c->pledge.began = (struct epoch){0};
	c->phase = CORE_LOADING;
	log_begin(c, (struct position){0}, &c->applied_set, m->last.seq);
	act_save(
	    c); /* the history's name last: with it, but not partial, it would count as whole */
	act(c, ACT_FLUSH);
	return true;
}

/* R2, R7: a primary that knows of this start has nothing that is not here. */
static void
confirm(struct core *c, const struct message *m)
{
	if (c->phase == CORE_IN_SYNC || m->peer_boot != c->boot ||
	    !position_equal(m->last, c->last) || (c->partial_until != 0 && !PLANTED(PARTIAL)))
		return;
	c->phase = CORE_IN_SYNC;
	act_floor_all(c);
}

static void
append(struct core *c, const struct message *m)
{
	lease_taken(c, m);
	bool joined = join_history(c, m);
	/* What is applied is committed, so every primary's log begins with it. */
	bool fits =
	    joined && (PLANTED(PREV) || m->prev.seq <= c->applied.seq || log_holds(c, m->prev));

	if (fits && log_place(c, m->entries, m->entry_count)) {
		confirm(c, m);
		act_reply(c, m, VERDICT_OK);
	} else {
		act_reply(c, m, VERDICT_GAP);
	}
	lease_answered(c, m);
	if (joined)
		log_commit(c, m->commit); /* after the answer, which the primary waits for */
	if ((c->phase == CORE_LOADING || c->phase == CORE_EMPTY) && !empty_is(c))
		c->phase = CORE_JOINING;
}

/* Whoever has a part of a history is neither empty nor of any help. */
static void
hello(struct core *c, const struct message *m)
{
	act_reply(c, m, c->phase == CORE_LOADING ? VERDICT_GAP : VERDICT_OK)->set = c->set;
}

/* Only the primary of our set can hand over, and it stops reading before it says so. */
static void
handed(struct core *c, const struct message *m)
{
	bool ours = m->from == c->set.primary && m->peer_boot == c->boot;

	if (c->role == CORE_BACKUP && ours && !empty_is(c) && set_find(&c->set, c->self) != NULL) {
		act_reply(c, m, VERDICT_OK);
		campaign_promote(c, false, false);
	} else {
		act_reply(c, m, VERDICT_GAP); /* which tells of our start, at least */
	}
}

/* In the words of an epoch, by the replica that has it. */
static void
follow_primary(struct core *c, const struct message *m)
{
	bool of_primary = m->kind == MSG_APPEND || m->kind == MSG_LOAD;
	if (m->epoch.replica != m->from || (of_primary && uuid_is_nil(&m->incarnation)))
		return;
	if (is_old(c, m)) {
		act_reply(c, m, VERDICT_OLD_EPOCH);
		return;
	}
	if (m->kind == MSG_PROMISE) {
		promise(c, m);
		return;
	}
	if (c->role == CORE_PRIMARY && epoch_compare(m->epoch, c->pledge.promised) <= 0)
		return;
	backup_follow(c, m->epoch);
	c->heard_at = c->now;
	if (c->role == CORE_PRIMARY)
		primary_step_down(c);
	if (m->kind == MSG_FETCH)
		fetched(c, m);
	else if (m->kind == MSG_APPEND)
		append(c, m);
	else if (m->kind == MSG_LOAD)
		load_take(c, m);
}

void
backup_message(struct core *c, const struct message *m)
{
	if (m->kind == MSG_HELLO)
		hello(c, m);
	else if (!core_history_agrees(c, m))
		act_reply(c, m, VERDICT_OTHER_HISTORY);
	else if (m->kind == MSG_HAND_OVER)
		handed(c, m);
	else
		follow_primary(c, m);
}
