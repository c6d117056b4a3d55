/* What must be true, whatever happens: the invariants of the protocol, and what clients see. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim.h"

void
oracle_fail(struct world *w, const char *format, ...)
{
	if (w->oracle.failed)
		return;
	w->oracle.failed = true;
	va_list args;
	va_start(args, format);
	vsnprintf(w->oracle.why, sizeof(w->oracle.why), format, args);
	va_end(args);
	TRACE(w, "FAILED: %s", w->oracle.why);
}

/* I3: the same (epoch, seq), the same bytes, everywhere. */
struct entry *
oracle_prepared(struct world *w, const struct entry *e)
{
	struct oracle *o = &w->oracle;
	for (size_t i = o->seen_count; i-- > 0;) {
		if (!position_equal(o->seen[i]->at, e->at))
			continue;
		if (o->seen[i]->crc == e->crc)
			return o->seen[i];
		oracle_fail(w, "I3: two entries %u.%u/%" PRIu64, e->at.epoch.counter,
		    e->at.epoch.replica, e->at.seq);
		return NULL;
	}
	if (o->seen_count == SIM_SEEN || e->at.seq > SIM_LOG) {
		oracle_fail(w, "the log grows without end");
		return NULL;
	}
	return o->seen[o->seen_count++] = entry_copy(e);
}

void
oracle_truncated(struct node *n, uint64_t seq)
{
	TRACE(n->world, "replica %u drops entries from %" PRIu64, n->id, seq);
	if (seq <= n->disk.live.applied)
		oracle_fail(n->world, "replica %u drops an applied entry, %" PRIu64, n->id, seq);
}

/* I2: one process speaks as an epoch's primary. */
void
oracle_leads(struct node *n, struct epoch e)
{
	struct world *w = n->world;
	struct oracle *o = &w->oracle;
	if (e.replica != n->id) {
		oracle_fail(w, "replica %u leads in the name of %u", n->id, e.replica);
		return;
	}
	for (size_t i = o->term_count; i-- > 0;) {
		if (epoch_compare(o->terms[i].epoch, e) != 0 ||
		    !uuid_equal(&o->terms[i].incarnation, &n->incarnation))
			continue;
		if (o->terms[i].boot != n->boot)
			oracle_fail(w, "I2: epoch %u.%u has two primaries", e.counter, e.replica);
		return;
	}
	if (o->term_count == SIM_LOG) {
		oracle_fail(w, "epochs without end");
		return;
	}
	o->terms[o->term_count].epoch = e;
	o->terms[o->term_count].incarnation = n->incarnation;
	o->terms[o->term_count++].boot = n->boot;
}

bool
oracle_current(const struct node *n)
{
	return uuid_equal(&n->incarnation, &n->world->oracle.incarnation);
}

/* Entries follow each other by .prev, so who has the last that is committed has all. */
static bool
has_committed(const struct store *s, const struct oracle *o)
{
	uint64_t seq = o->committed_count;
	if (seq == 0)
		return true;
	if (s->partial_until > s->log_len || seq > s->log_len)
		return false;
	const struct entry *last = o->committed[seq - 1];
	if (seq <= s->base.seq)
		return seq < s->base.seq || position_equal(s->base, last->at);
	return s->log[seq - 1] == last;
}

/* I1: committed anywhere is prepared, durably, on every replica in sync. */
void
oracle_survived(struct node *n)
{
	const struct oracle *o = &n->world->oracle;
	if (!oracle_current(n) || o->committed_count == 0)
		return;
	if (has_committed(&n->disk.durable, o))
		n->amnesia = false;
	else if (!n->amnesia && set_in_sync(&o->table.set, n->id))
		oracle_fail(n->world,
		    "I1: committed entry %" PRIu64 " is not on the disk of replica %u",
		    o->committed_count, n->id);
}

/* I6: whoever may still read has what is committed, prepared at least. */
static void
check_reader_knows(struct node *n)
{
	struct world *w = n->world;
	if (node_serves(n) && oracle_current(n) && !has_committed(&n->disk.live, &w->oracle))
		oracle_fail(w, "I6: replica %u may read, but lacks entry %" PRIu64, n->id,
		    w->oracle.committed_count);
}

void
oracle_opened(struct node *n)
{
	check_reader_knows(n);
}

static void
check_prepared_everywhere(struct node *n)
{
	struct world *w = n->world;
	struct set space;
	const struct set *s = disk_set(&n->disk.live, &space);
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		struct node *m = &w->nodes[i];
		bool bound = s != NULL && set_in_sync(s, m->id) && oracle_current(m);
		if (bound && !m->amnesia && !has_committed(&m->disk.durable, &w->oracle))
			oracle_fail(w, "I1: entry %" PRIu64 " is committed but not on replica %u",
			    w->oracle.committed_count, m->id);
		check_reader_knows(m);
	}
}

/* I4: tables contain only committed entries; all agree which those are. */
static void
check_applied(struct node *n, struct entry *e)
{
	struct oracle *o = &n->world->oracle;
	uint64_t seq = e->at.seq;
	if (seq > o->committed_count)
		history_commit(n->world, e);
	else if (o->committed[seq - 1] != e)
		oracle_fail(n->world, "I4: replica %u applies another entry %" PRIu64, n->id, seq);
}

void
oracle_applied(struct node *n, struct entry *const *entries, size_t count)
{
	struct world *w = n->world;
	struct oracle *o = &w->oracle;
	uint64_t before = o->committed_count, next = n->disk.live.applied + 1;
	if (entries[0]->at.seq != next || next + count - 1 > n->disk.live.log_len) {
		oracle_fail(
		    w, "replica %u applies %" PRIu64 " out of order", n->id, entries[0]->at.seq);
		return;
	}
	if (!oracle_current(n)) {
		if (!uuid_equal(&n->formerly, &o->incarnation))
			return; /* a history that was given up */
		history_replace(n);
		before = o->committed_count;
	}
	for (size_t i = 0; i < count && !o->failed; i++)
		check_applied(n, entries[i]);
	if (o->committed_count > before)
		check_prepared_everywhere(n);
}

/* A history begins once, unless the operator says that it may be replaced. */
void
oracle_began(struct node *n, struct uuid incarnation, struct uuid formerly)
{
	struct world *w = n->world;
	struct oracle *o = &w->oracle;
	if (memcmp(incarnation.bytes, &n->boot, sizeof(n->boot)) != 0)
		return; /* it joins one */
	TRACE(w, "replica %u begins a history", n->id);
	if (uuid_is_nil(&formerly)) {
		if (o->committed_count > 0)
			oracle_fail(w, "replica %u begins another history", n->id);
		o->incarnation = incarnation;
	} else if (!w->admin.loss_accepted) {
		oracle_fail(w, "replica %u replaces the history, unasked", n->id);
	}
}

/* Only what nobody needs is set aside. */
void
oracle_abandoned(struct node *n)
{
	const struct oracle *o = &n->world->oracle;
	if (n->world->admin.loss_accepted)
		return; /* it makes way for another history */
	if (oracle_current(n) && !n->amnesia && set_in_sync(&o->table.set, n->id))
		oracle_fail(n->world, "I1: replica %u is in sync and abandons its store", n->id);
}

/* I5: acknowledged is committed, and every repeat gets the same answer. */
static void
check_acknowledged(struct world *w, unsigned op, const uint8_t *answer, size_t len)
{
	struct oracle *o = &w->oracle;
	struct cur c = cur_make(answer, len);
	int64_t told = (int64_t)cur_u64(&c);
	uint64_t version = o->table.decided[op];
	if (version == 0) {
		oracle_fail(w, "I5: operation %u is acknowledged but not committed", op);
		return;
	}
	if (!cur_end(&c) || told != o->table.answers[op])
		oracle_fail(w, "operation %u gets another answer", op);
	w->ops[op].acked = true;
	for (unsigned k = 0; k < SIM_KEYS; k++) {
		if (o->is_version[k][version] && o->newest[k] < version)
			o->newest[k] = version;
	}
}

static bool
in_log(const struct node *n, unsigned op)
{
	const struct store *s = &n->disk.live;
	for (uint64_t i = s->base.seq; i < s->log_len; i++) {
		if (s->log[i]->kind == ENTRY_OPERATION && shop_op(&s->log[i]->op_id) == op)
			return true;
	}
	return false;
}

void
oracle_answered(
    struct node *n, unsigned op, enum core_result result, const uint8_t *answer, size_t len)
{
	struct world *w = n->world;
	struct sim_op *state = &w->ops[op];
	if (!oracle_current(n) && w->oracle.replaced)
		return;
	switch (result) {
	case CORE_DECIDED:
	case CORE_REPLAYED:
		check_acknowledged(w, op, answer, len);
		break;
	case CORE_UNKNOWN:
		state->promised |= in_log(n, op);
		break;
	case CORE_NOT_APPLIED:
		state->denied = state->outstanding == 0;
		if (state->denied && w->oracle.table.decided[op] != 0)
			oracle_fail(w, "operation %u is committed, but told NOT_APPLIED", op);
		break;
	default:
		break;
	}
}

/* The replica asked, or its host's cache, still shows the history that was given up. */
static bool
of_the_past(struct world *w, const struct reader *r, bool cached)
{
	struct oracle *o = &w->oracle;
	if (!w->admin.loss_accepted)
		return false;
	if (!cached)
		return r->overtaken || !oracle_current(r->node);
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		const struct node *n = &w->nodes[i];
		if (n->host == r->node->host &&
		    cache_joined(w->hosts[n->host].cache, n->id, o->incarnation.bytes))
			return r->overtaken;
	}
	return true;
}

/* Linearizable, key by key: never older than what was acknowledged or read before it began. */
void
oracle_read(struct world *w, const struct reader *r, bool cached)
{
	struct oracle *o = &w->oracle;
	uint64_t version = r->row.version;
	if (of_the_past(w, r, cached))
		return;
	if (version < r->at_least)
		oracle_fail(w,
		    "stale read of key %u from %s of replica %u: version %" PRIu64 ", but %" PRIu64
		    " was seen before",
		    r->key, cached ? "the cache" : "the rows", r->node->id, version, r->at_least);
	else if (version > o->committed_count || (version > 0 && !o->is_version[r->key][version]))
		oracle_fail(w, "key %u read with a version that never was", r->key);
	else if (version > 0 && o->history[r->key][version] != r->row.stock)
		oracle_fail(w, "key %u read with a wrong value", r->key);
	if (o->newest[r->key] < version)
		o->newest[r->key] = version;
}

static void
check_replica_at_rest(struct world *w, const struct node *n)
{
	const struct oracle *o = &w->oracle;
	const struct store *s = &n->disk.live;
	if (s->log_len != o->committed_count || s->applied != o->committed_count)
		oracle_fail(w, "at rest replica %u is at %" PRIu64 ", not %" PRIu64, n->id,
		    s->applied, o->committed_count);
	else if (!shop_same(&s->table, &o->table))
		oracle_fail(w, "at rest replica %u has other tables", n->id);
	else if (!oracle_current(n))
		oracle_fail(w, "at rest replica %u is of another history", n->id);
}

void
oracle_end(struct world *w)
{
	const struct set *s = &w->oracle.table.set;
	for (uint32_t i = 0; i < s->count; i++)
		check_replica_at_rest(w, world_node(w, s->member[i].id));
	for (unsigned op = 0; op < w->op_count; op++) {
		bool decided = w->oracle.table.decided[op] != 0;
		if (w->ops[op].acked && !decided)
			oracle_fail(w, "acknowledged operation %u is lost", op);
		if (w->ops[op].promised && !decided && !w->forgetful)
			oracle_fail(w, "operation %u stays unknown for ever", op);
	}
}

void
oracle_free(struct oracle *o)
{
	for (size_t i = 0; i < o->seen_count; i++)
		entry_free(o->seen[i]);
}
