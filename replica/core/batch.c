/*
 * Operations wait in a queue; when nothing is in flight and every backup is there, all that wait
 * become one batch. One batch is in flight at a time: under load batches grow, and throughput with
 * them.
 */
#include <stdlib.h>

#include "fcgi/base/xalloc.h"
#include "replica/core/core_internal.h"

/* So that one more entry, and the message's header, still fit. */
#define BATCH_BYTES_MAX (MESSAGE_BYTES_MAX - 2 * ENTRY_BYTES_MAX)

static void
queue_push(struct core *c, struct op *op)
{
	struct queue *q = c->queue;
	q->slots[(q->head + q->count++) % CORE_QUEUE_MAX] = (struct waiting){op, c->now};
}

static struct op *
queue_pop(struct core *c)
{
	struct queue *q = c->queue;
	struct op *op = q->slots[q->head].op;
	q->head = (q->head + 1) % CORE_QUEUE_MAX;
	q->count--;
	return op;
}

static void
answer_and_free(struct core *c, struct op *op, enum core_result result)
{
	act_answer(c, op->ticket, result, NULL, 0);
	op_free(op);
}

void
batch_submit(struct core *c, struct op **ops, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (c->role != CORE_PRIMARY)
			answer_and_free(c, ops[i], CORE_NOT_PRIMARY);
		else if (c->queue->count == CORE_QUEUE_MAX)
			answer_and_free(c, ops[i], CORE_OVERLOADED);
		else
			queue_push(c, ops[i]);
	}
}

/* An operation decided before gets its stored answer. */
static bool
answer_if_decided(struct core *c, struct op *op)
{
	struct buf answer = {0};

	if (PLANTED(DEDUP) || !c->machine->decided(c->machine->ctx, op, &answer))
		return false;
	act_answer(c, op->ticket, CORE_REPLAYED, answer.data, answer.len);
	keep(c, answer.data);
	op_free(op);
	return true;
}

static const struct entry *
find_prepared(const struct core *c, const struct uuid *id)
{
	if (PLANTED(DEDUP))
		return NULL;
	for (size_t i = 0; i < c->tail_count; i++) {
		if (uuid_equal(&c->tail[i]->op_id, id))
			return c->tail[i];
	}
	return NULL;
}

static void
add_caller(struct core *c, const struct op *op, const struct entry *e, bool replay)
{
	c->callers[c->caller_count++] = (struct caller){op->ticket, e, replay};
}

static struct entry *
make_entry(struct core *c, const struct op *op)
{
	struct outcome out = {0};
	uint64_t time_ms = log_time(c);

	c->machine->execute(c->machine->ctx, op, time_ms, &out);
	struct entry_parts parts = {
	    .at = {c->pledge.promised, c->last.seq + 1},
	    .prev = c->last,
	    .time_ms = time_ms,
	    .op_id = op->id,
	    .keys = (const uint64_t *)out.keys.data,
	    .key_count = out.keys.len / sizeof(uint64_t),
	    .effects = out.effects.data,
	    .effects_len = out.effects.len,
	    .answer = out.answer.data,
	    .answer_len = out.answer.len,
	};
	struct entry *e = entry_new(&parts);
	buf_free(&out.effects);
	buf_free(&out.answer);
	buf_free(&out.keys);
	return e;
}

/* Decides one operation, unless that was done before. False: the batch must end here, because the
 * machine has counted in an outcome that is too big to become an entry. */
static bool
decide(struct core *c, struct op *op, size_t *bytes)
{
	const struct entry *same = find_prepared(c, &op->id);

	if (same != NULL) {
		add_caller(c, op, same, true);
		op_free(op);
		return true;
	}
	if (answer_if_decided(c, op))
		return true;
	struct entry *e = make_entry(c, op);
	if (e == NULL) {
		answer_and_free(c, op, CORE_NOT_APPLIED);
		return false;
	}
	log_push(c, e);
	add_caller(c, op, e, false);
	op_free(op);
	*bytes += e->bytes_len + sizeof(uint32_t);
	return true;
}

static void
fill_batch(struct core *c)
{
	size_t bytes = 0;

	c->caller_count = 0;
	c->machine->begin(c->machine->ctx);
	while (
	    c->queue->count > 0 && c->caller_count < CORE_BATCH_MAX && bytes <= BATCH_BYTES_MAX) {
		if (!decide(c, queue_pop(c), &bytes))
			break;
	}
}

/* Sent first, so that the disks of all replicas work at the same time; dirty before that, because
 * from then on it may be committed by an answer. */
static void
start_batch(struct core *c)
{
	fill_batch(c);
	if (c->tail_count == 0)
		return;
	c->in_doubt = false;
	c->batches++;
	c->batched_ops += c->tail_count;
	act_entries(c, ACT_MARK, c->tail, c->tail_count);
	for (unsigned i = 0; i < c->peer_count; i++) {
		struct peer *p = &c->peers[i];
		p->gaps = 0;
		if (set_in_sync(&c->set, p->id))
			peer_send(c, p);
	}
	if (!PLANTED(FLOORS))
		act_entries(c, ACT_FLOOR, c->tail, c->tail_count);
	act_entries(c, ACT_APPEND, c->tail, c->tail_count);
	act(c, ACT_FLUSH);
}

/* One batch at a time, and only when every member in sync is there to take it. */
static bool
may_start(const struct core *c)
{
	if (c->phase != CORE_ACTIVE || primary_in_flight(c) || !primary_all_match(c) ||
	    c->heir != 0)
		return false;
	for (unsigned i = 0; i < c->peer_count; i++) {
		const struct peer *p = &c->peers[i];
		if (set_in_sync(&c->set, p->id) && !p->reachable)
			return false;
	}
	return c->queue->count > 0;
}

/* "Not applied" must be true of the operation, not only of this call: an earlier one with the same
 * id may have decided or prepared it, here, or (before this term has its first committed entry) in
 * a log that could still be the longest, or at another primary by now, unless our lease excludes
 * one. */
static void
refuse(struct core *c, struct op *op)
{
	bool log_known = c->phase == CORE_ACTIVE && lease_holds(c);

	if (answer_if_decided(c, op))
		return;
	if (!log_known || find_prepared(c, &op->id) != NULL)
		answer_and_free(c, op, CORE_UNKNOWN);
	else
		answer_and_free(c, op, CORE_NOT_APPLIED);
}

void
batch_run(struct core *c)
{
	if (c->applying)
		return; /* the machine may not be asked before the tables are there */
	if (may_start(c))
		start_batch(c);
	while (c->queue->count > 0 &&
	       c->now - c->queue->slots[c->queue->head].since >= CORE_QUEUE_WAIT_MS)
		refuse(c, queue_pop(c));
}

void
batch_decided(struct core *c)
{
	for (size_t i = 0; i < c->caller_count; i++) {
		const struct caller *caller = &c->callers[i];
		act_answer(c, caller->ticket, caller->replay ? CORE_REPLAYED : CORE_DECIDED,
		    caller->entry->answer, caller->entry->answer_len);
	}
	c->caller_count = 0;
	c->in_doubt = false;
}

void
batch_doubt(struct core *c)
{
	for (size_t i = 0; i < c->caller_count; i++)
		act_answer(c, c->callers[i].ticket, CORE_UNKNOWN, NULL, 0);
	c->caller_count = 0;
	c->in_doubt = true;
}

void
batch_refuse(struct core *c)
{
	batch_doubt(c);
	while (c->queue->count > 0)
		answer_and_free(c, queue_pop(c), CORE_NOT_PRIMARY);
}

uint64_t
batch_deadline(const struct core *c)
{
	const struct queue *q = c->queue;

	return q->count > 0 ? q->slots[q->head].since + CORE_QUEUE_WAIT_MS : UINT64_MAX;
}
