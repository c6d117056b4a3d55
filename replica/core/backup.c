/* A backup: answers what a primary asks, and holds back its own readers until it is confirmed. */
#include "replica/core/core_internal.h"

void
backup_start(struct core *c)
{
	c->phase = CORE_JOINING;
	if (PLANTED(CONFIRM)) {
		c->phase = CORE_IN_SYNC;
		act_gate(c, true);
	}
}

static struct message *
reply(struct core *c, const struct message *m, enum message_verdict verdict)
{
	static const enum message_kind answers[] = {
	    [MSG_PROMISE] = MSG_PROMISED,
	    [MSG_FETCH] = MSG_FETCHED,
	    [MSG_APPEND] = MSG_APPENDED,
	};
	struct message *answer = act_send(c, answers[m->kind], m->from);
	answer->verdict = verdict;
	answer->peer_boot = m->boot;
	answer->request = m->request;
	return answer;
}

/* Every start takes a new epoch (R1), so a promise is asked for again by the same process only: a
 * primary that lost its disk, and with it the count, is told to take a higher one. */
static bool
is_old(const struct core *c, const struct message *m)
{
	int order = epoch_compare(m->epoch, c->promised);
	bool again = order == 0 && m->kind == MSG_PROMISE;

	return order < 0 || (again && m->boot != c->promised_to && !PLANTED(R1));
}

/* On disk before anything is answered in this epoch. */
static void
follow(struct core *c, struct epoch e)
{
	if (epoch_compare(e, c->promised) <= 0)
		return;
	c->promised = e;
	act_save(c);
	act(c, ACT_FLUSH);
}

static void
fetched(struct core *c, const struct message *m)
{
	struct message *answer = reply(c, m, VERDICT_OK);

	if (!log_holds(c, m->prev) || !log_fill(c, answer, m->prev)) {
		answer->verdict = VERDICT_GAP;
		answer->prev = m->prev;
	}
}

/* An empty store takes the primary's history, but not from a message that was meant for what was
 * here before: such a one may tell of entries that were never decided. */
static bool
join_history(struct core *c, const struct message *m)
{
	if (!uuid_is_nil(&c->incarnation))
		return true;
	if (m->peer_boot != c->boot)
		return false;
	c->incarnation = m->incarnation;
	act_save(c);
	act(c, ACT_FLUSH);
	return true;
}

/* R2, R7: a primary that knows of this start has nothing that is not here. */
static void
confirm(struct core *c, const struct message *m)
{
	if (c->phase == CORE_IN_SYNC || m->peer_boot != c->boot ||
	    !position_equal(m->last, c->last))
		return;
	c->phase = CORE_IN_SYNC;
	act_floor_all(c);
	act_gate(c, true);
}

static void
append(struct core *c, const struct message *m)
{
	bool joined = join_history(c, m);
	/* What is applied is committed, so every primary's log begins with it. */
	bool fits = joined && (m->prev.seq <= c->applied.seq || log_holds(c, m->prev));

	if (fits && log_place(c, m->entries, m->entry_count)) {
		confirm(c, m);
		reply(c, m, VERDICT_OK);
	} else {
		reply(c, m, VERDICT_GAP);
	}
	if (joined)
		log_commit(c, m->commit); /* after the answer, which the primary waits for */
}

void
backup_message(struct core *c, const struct message *m)
{
	if (is_old(c, m)) {
		reply(c, m, VERDICT_OLD_EPOCH);
		return;
	}
	if (!core_history_agrees(c, m)) {
		reply(c, m, VERDICT_OTHER_HISTORY);
		return;
	}
	follow(c, m->epoch);
	if (m->kind == MSG_PROMISE) {
		c->promised_to = m->boot;
		reply(c, m, VERDICT_OK);
	}
	if (m->kind == MSG_FETCH)
		fetched(c, m);
	if (m->kind == MSG_APPEND)
		append(c, m);
}
