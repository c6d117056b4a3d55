/*
 * Asking for promises: by a primary that starts again, or was outbid (R1, R2), and by a replica
 * that is to become one (R10). Every promise comes with the end of a log and the set in it; the
 * longest log says which set counts.
 */
#include "replica/core/core_internal.h"

#define PATIENCE_MS 1000 /* for those whose promise would be welcome but is not needed */

#define RESUME_MS (CORE_CAMPAIGN_MS + 1000)

enum verdict { NOT_YET, WON, ANOTHER_IS_PRIMARY };

/* R1: nothing leaves in an epoch that was used before, whatever happened to what was sent then. */
void
campaign_start(struct core *c, uint32_t counter)
{
	c->role = CORE_PRIMARY;
	c->phase = CORE_PROMISING;
	c->pledge.promised = (struct epoch){.counter = counter, .replica = c->self};
	act_save(c);
	act(c, ACT_FLUSH);
	c->campaign_from = c->now;
	c->source = 0;
	c->heir = 0;
	for (unsigned i = 0; i < c->peer_count; i++) {
		struct peer *p = &c->peers[i];
		p->promised = p->heard = p->whole = false;
		p->match = (struct position){0};
		p->lease_until = 0;
		p->answered = 0;
		p->attempts = 0;
		load_stop(p);
		peer_hurry(c, p);
	}
}

void
campaign_promote(struct core *c, bool accept_data_loss, bool primary_stopped)
{
	c->promotion = (struct promotion){.active = true,
	    .accept_data_loss = accept_data_loss,
	    .primary_stopped = primary_stopped,
	    .since = c->now};
	campaign_start(c, c->pledge.promised.counter + 1);
}

/* Somebody has promised a higher epoch: to another candidate, or to us before we lost our disk. We
 * ask again, but leave a candidate the time to win, unless we hear that it is none any more. */
void
campaign_outbid(struct core *c, const struct message *m)
{
	struct epoch e = m->epoch;

	if (epoch_compare(e, c->pledge.promised) < 0)
		return;
	if (c->phase != CORE_PROMISING)
		batch_doubt(c);
	bool over = e.replica == c->self || (e.replica == m->from && !m->promotion);
	uint64_t from = over ? c->now : c->now + CORE_OUTBID_MS;
	campaign_start(c, e.counter + 1);
	if (c->campaign_from < from)
		c->campaign_from = from;
}

/* The set names us, but we promised another, and heard no more of it: its campaign may have failed,
 * so we try again. If it had won, enough of the others know. */
uint64_t
campaign_resume_at(const struct core *c)
{
	bool was_primary =
	    c->role == CORE_BACKUP && c->phase == CORE_JOINING && c->set.primary == c->self;

	return was_primary ? c->heard_at + RESUME_MS : UINT64_MAX;
}

void
campaign_resume(struct core *c)
{
	if (c->now >= campaign_resume_at(c))
		campaign_start(c, c->pledge.promised.counter + 1);
}

static struct peer *
longest_log(struct core *c)
{
	struct peer *longest = NULL;

	for (unsigned i = 0; i < c->peer_count && !PLANTED(R2); i++) {
		struct peer *p = &c->peers[i];
		if (p->promised && p->whole &&
		    position_compare(p->last, longest != NULL ? longest->last : c->last) > 0)
			longest = p;
	}
	return longest;
}

void
campaign_without_source(struct core *c)
{
	struct peer *lost = peer_find(c, c->source);

	lost->promised = lost->whole = false;
	c->phase = CORE_PROMISING;
}

static bool
promised(struct core *c, uint32_t id, bool with_log)
{
	const struct peer *p = peer_find(c, id);
	return id == c->self || (p != NULL && p->promised && (p->whole || !with_log));
}

static uint32_t
count_logs(struct core *c, const struct set *s)
{
	uint32_t logs = 0;

	for (uint32_t i = 0; i < s->count; i++)
		logs += promised(c, s->member[i].id, true);
	return logs;
}

static bool
all_promised(struct core *c, const struct set *s)
{
	for (uint32_t i = 0; i < s->count; i++) {
		uint32_t id = s->member[i].id;
		if (!promised(c, id, false) && !members_given_up(c, id))
			return false;
	}
	return true;
}

/* R2, for one whom its own set names: nothing is committed any more but by us. What was committed
 * is in our log, since we had been the primary; so a member that has lost its own counts, too, and
 * one that the operator gives up. But if we promised another since that term of ours, it may have
 * won, and then it is the logs that tell: enough of them, or all there are. */
static bool
may_go_on(struct core *c, const struct set *s)
{
	bool yielded = epoch_compare(c->pledge.yielded, c->last.epoch) > 0;

	for (uint32_t i = 0; i < s->count; i++) {
		uint32_t id = s->member[i].id;
		if (s->member[i].in_sync && !promised(c, id, false) && !members_given_up(c, id))
			return false;
	}
	return !yielded || count_logs(c, s) >= set_quorum(s) || all_promised(c, s);
}

/* R10: no committed entry is missed, and the old primary serves nothing any more. Where fewer than
 * `min` logs are left, all but the old primary must promise: anybody else could later be promoted
 * by the logs that the old set asks for, without what is committed from now on. (One that has lost
 * its log cannot, so its promise will do.) */
static bool
is_safe(struct core *c, const struct set *s)
{
	uint32_t logs = count_logs(c, s);
	bool others = true;

	if (PLANTED(R10))
		return true;
	if (s->primary == c->self)
		return may_go_on(c, s);
	for (uint32_t i = 0; i < s->count; i++) {
		uint32_t id = s->member[i].id;
		others &= id == s->primary || promised(c, id, false) || members_given_up(c, id);
	}
	bool stopped = promised(c, s->primary, false) || set_needs_leases(s) ||
		       c->promotion.primary_stopped || members_given_up(c, s->primary);
	return stopped && logs >= set_quorum(s) && (logs >= s->min || others);
}

/* A set with a smaller min is in force for sure only when it is committed, or was forced: until
 * then members of the one before may know of no other. (Of another's log we know the last set only;
 * with that log adopted, this is asked again.) */
static bool
holds_before(struct core *c, const struct set *s, bool (*holds)(struct core *, const struct set *))
{
	struct set before = members_before(c);

	return s != &c->set || s->forced || !set_weaker(s, &before) || holds(c, &before);
}

static enum verdict
judge_promotion(struct core *c, const struct set *s)
{
	uint64_t waited = c->now - c->promotion.since;
	bool safe = is_safe(c, s) && holds_before(c, s, is_safe);

	if (!safe && !c->promotion.accept_data_loss)
		return NOT_YET;
	if (!all_promised(c, s) && waited < PATIENCE_MS)
		return NOT_YET;
	c->promotion.with_loss = !safe;
	return WON;
}

/* A log that ends in a later term than ours tells who is primary now. (One with nothing at all
 * tells us to hand over, not to go on.) */
static enum verdict
judge_restart(struct core *c, const struct peer *longest, const struct set *s)
{
	if (longest != NULL && (s->primary != c->self || c->last.seq == 0))
		return ANOTHER_IS_PRIMARY;
	return may_go_on(c, s) && holds_before(c, s, may_go_on) ? WON : NOT_YET;
}

static void
give_up(struct core *c, enum core_told why)
{
	members_tell(c, why);
	primary_step_down(c);
}

void
campaign_run(struct core *c)
{
	if (c->now < c->campaign_from)
		return;
	struct peer *longest = longest_log(c);
	const struct set *s = longest != NULL ? &longest->set : &c->set;
	enum verdict verdict =
	    c->promotion.active ? judge_promotion(c, s) : judge_restart(c, longest, s);

	if (c->promotion.active && set_find(s, c->self) == NULL)
		give_up(c, TOLD_INVALID); /* we were removed */
	else if (verdict == WON)
		primary_won(c, longest != NULL ? longest->id : 0);
	else if (verdict == ANOTHER_IS_PRIMARY)
		primary_step_down(c);
	else if (c->promotion.active && c->now - c->promotion.since >= CORE_CAMPAIGN_MS)
		give_up(c, TOLD_UNSAFE);
}
