/* What is committed: decided on what came before, changed as was asked for, and by nobody else. */
#include <inttypes.h>
#include <string.h>

#include "tests/sim/market.h"

/* The outcome must be what the operation does after all that was committed before it. */
static void
commit_operation(struct world *w, const struct entry *e)
{
	struct oracle *o = &w->oracle;
	unsigned op = shop_op(&e->op_id);
	if (o->table.decided[op] != 0)
		oracle_fail(w, "operation %u has two effects", op);
	if (w->ops[op].denied)
		oracle_fail(w, "operation %u is committed after NOT_APPLIED", op);
	struct row expected[SIM_KEYS];
	struct table *t = &o->table;
	memcpy(expected, t->rows, sizeof(expected));
	int64_t left = shop_execute(t, w->ops[op].book, w->ops[op].delta);
	struct row rows[SIM_KEYS];
	memcpy(rows, t->rows, sizeof(rows));
	memcpy(t->rows, expected, sizeof(expected));
	shop_apply(t, e);
	if (t->answers[op] != left)
		oracle_fail(w, "operation %u was decided on other rows", op);
	for (unsigned k = 0; k < SIM_KEYS; k++) {
		if (t->rows[k].stock != rows[k].stock)
			oracle_fail(w, "operation %u made wrong rows", op);
		if (t->rows[k].version == e->at.seq) {
			o->is_version[k][e->at.seq] = true;
			o->history[k][e->at.seq] = t->rows[k].stock;
		}
	}
}

static unsigned
members_of(const struct set *s)
{
	unsigned members = 0;
	for (uint32_t i = 0; i < s->count; i++)
		members |= 1u << s->member[i].id;
	return members;
}

static void
count_change(struct totals *t, const struct set *old, const struct set *new)
{
	t->shrinks += set_count_in_sync(new) < set_count_in_sync(old);
	t->grows += set_count_in_sync(new) > set_count_in_sync(old);
	t->terms += new->primary != old->primary;
}

/* A set changes as the operator said, or by what befell its members. */
static void
commit_set(struct world *w, const struct entry *e)
{
	const struct admin *op = &w->admin;
	struct oracle *o = &w->oracle;
	struct set old = o->table.set, *new = &o->table.set;
	if (set_decode(e->effects, e->effects_len, new) != 0) {
		oracle_fail(w, "entry %" PRIu64 " is no set", e->at.seq);
		return;
	}
	if (old.count == 0)
		return;
	count_change(w->totals, &old, new);
	if (members_of(&old) != members_of(new) && !op->set_may_change)
		oracle_fail(w, "entry %" PRIu64 " changes the members, unasked", e->at.seq);
	if (old.wanted != new->wanted && !op->min_may_change && !op->set_may_change)
		oracle_fail(w, "entry %" PRIu64 " changes what is wanted, unasked", e->at.seq);
	if (old.min > new->min && !op->min_may_change && !op->set_may_change && !new->forced)
		oracle_fail(w, "entry %" PRIu64 " lowers min, unasked", e->at.seq);
	if (old.primary != new->primary && (op->may_lead >> new->primary & 1) == 0)
		oracle_fail(w, "replica %u becomes primary, unasked", new->primary);
}

void
history_commit(struct world *w, struct entry *e)
{
	struct oracle *o = &w->oracle;
	o->committed[o->committed_count++] = e;
	if (e->kind == ENTRY_SET)
		commit_set(w, e);
	else if (w->market != NULL)
		ledger_committed(w, e);
	else
		commit_operation(w, e);
	TRACE(w, "entry %" PRIu64 " (%s %u) is committed", e->at.seq,
	    e->kind == ENTRY_SET ? "set" : "op", shop_op(&e->op_id));
}

/* What was told of operations and read in the old history binds nobody in the new one. */
static void
forget_what_was_told(struct world *w)
{
	struct oracle *o = &w->oracle;
	for (unsigned op = 0; op < w->op_count; op++) {
		struct sim_op *state = &w->ops[op];
		state->denied = state->promised = false;
		state->acked = state->acked && o->table.decided[op] != 0;
	}
	for (unsigned k = 0; k < SIM_KEYS; k++)
		o->newest[k] = o->table.rows[k].version;
	for (unsigned i = 0; i < w->mood.readers; i++)
		w->readers[i].overtaken = true;
	w->forgetful = true;
	/* What was commanded in the old one, and is in the log that goes on, comes about now. */
	w->admin.set_uncertain = w->admin.set_may_change = true;
	w->admin.min_uncertain = w->admin.min_may_change = true;
	w->admin.may_lead = UINT32_MAX;
}

void
history_replace(struct node *n)
{
	struct world *w = n->world;
	struct oracle *o = &w->oracle;
	TRACE(w, "the history of replica %u takes the place of the old one", n->id);
	w->totals->replaced++;
	o->replaced = true;
	o->incarnation = n->incarnation;
	if (n->disk.live.applied > o->committed_count)
		oracle_fail(w, "replica %u begins with what was never committed", n->id);
	o->committed_count = n->disk.live.applied;
	memset(&o->table, 0, sizeof(o->table));
	for (uint64_t i = 0; i < o->committed_count; i++)
		shop_apply(&o->table, o->committed[i]);
	for (unsigned k = 0; k < SIM_KEYS; k++)
		memset(&o->is_version[k][o->committed_count + 1], 0,
		    (SIM_LOG - o->committed_count) * sizeof(bool));
	forget_what_was_told(w);
}
