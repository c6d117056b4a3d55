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

/* I1: committed anywhere is prepared, durably, on every replica in sync. */
static bool
holds(const struct node *n, uint64_t seq, const struct entry *e)
{
	const struct store *s = &n->disk.durable;
	return seq <= s->log_len && s->log[seq - 1] == e;
}

void
oracle_survived(struct node *n)
{
	const struct oracle *o = &n->world->oracle;
	if (!n->member || n->behind)
		return;
	for (uint64_t seq = o->committed_count; seq > 0; seq--) {
		if (!holds(n, seq, o->committed[seq - 1])) {
			oracle_fail(n->world,
			    "I1: committed entry %" PRIu64 " is not on the disk of replica %u", seq,
			    n->id);
			return;
		}
	}
}

static void
check_prepared_everywhere(struct world *w, const struct entry *e)
{
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		const struct node *n = &w->nodes[i];
		if (n->member && !n->behind && !holds(n, e->at.seq, e))
			oracle_fail(w, "I1: entry %" PRIu64 " is committed but not on replica %u",
			    e->at.seq, n->id);
	}
}

/* The outcome must be what the operation does after all that was committed before it. */
static void
check_outcome(struct world *w, const struct entry *e)
{
	struct oracle *o = &w->oracle;
	unsigned op = shop_op(&e->op_id);
	if (o->table.decided[op] != 0)
		oracle_fail(w, "operation %u has two effects", op);
	if (w->ops[op].denied)
		oracle_fail(w, "operation %u is committed after NOT_APPLIED", op);
	struct table expected = o->table;
	int64_t left = shop_execute(&expected, w->ops[op].book, w->ops[op].delta);
	shop_apply(&o->table, e);
	if (o->table.answers[op] != left)
		oracle_fail(w, "operation %u was decided on other rows", op);
	for (unsigned k = 0; k < SIM_KEYS; k++) {
		if (o->table.rows[k].stock != expected.rows[k].stock)
			oracle_fail(w, "operation %u made wrong rows", op);
		if (o->table.rows[k].version == e->at.seq) {
			o->is_version[k][e->at.seq] = true;
			o->history[k][e->at.seq] = o->table.rows[k].stock;
		}
	}
}

/* I4: tables contain only committed entries; all agree which those are. */
void
oracle_applied(struct node *n, struct entry *e)
{
	struct world *w = n->world;
	struct oracle *o = &w->oracle;
	uint64_t seq = e->at.seq;
	if (seq != n->disk.live.applied + 1) {
		oracle_fail(w, "replica %u applies %" PRIu64 " out of order", n->id, seq);
		return;
	}
	if (seq <= o->committed_count) {
		if (o->committed[seq - 1] != e)
			oracle_fail(w, "I4: replica %u applies another entry %" PRIu64, n->id, seq);
		return;
	}
	o->committed[o->committed_count++] = e;
	TRACE(w, "entry %" PRIu64 " (op %u) is committed", seq, shop_op(&e->op_id));
	check_prepared_everywhere(w, e);
	check_outcome(w, e);
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
	for (uint64_t i = 0; i < n->disk.live.log_len; i++) {
		if (shop_op(&n->disk.live.log[i]->op_id) == op)
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

/* Linearizable, key by key: never older than what was acknowledged or read before it began. */
void
oracle_read(struct world *w, const struct reader *r, const char *source)
{
	struct oracle *o = &w->oracle;
	uint64_t version = r->row.version;
	if (version < r->at_least)
		oracle_fail(w,
		    "stale read of key %u from %s of replica %u: version %" PRIu64 ", but %" PRIu64
		    " was seen before",
		    r->key, source, r->node->id, version, r->at_least);
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
	else if (memcmp(&s->table, &o->table, sizeof(s->table)) != 0)
		oracle_fail(w, "at rest replica %u has other tables", n->id);
}

void
oracle_end(struct world *w)
{
	for (unsigned i = 0; i < w->mood.nodes; i++) {
		if (w->nodes[i].member)
			check_replica_at_rest(w, &w->nodes[i]);
	}
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
