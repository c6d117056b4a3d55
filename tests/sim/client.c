/* Writers repeat an operation under its own id until they know its outcome; readers read. */
#include <string.h>

#include "tests/sim/sim.h"

/* ---- Writers ---- */

static void
call_again(struct world *w, unsigned writer, uint64_t delay)
{
	world_at(w, delay,
	    (struct event){
		.kind = EV_WRITER, .index = writer, .request = w->writers[writer].ticket});
}

static void
new_op(struct world *w, struct writer *me)
{
	struct sim_op *op = &w->ops[w->op_count];
	op->book = (unsigned)random_below(&w->random, SIM_BOOKS);
	op->delta = (int64_t)random_between(&w->random, 0, 7) - 5;
	me->op = (int)w->op_count++;
	me->quits = random_chance(&w->random, 100);
}

static void
call(struct world *w, unsigned writer)
{
	struct writer *me = &w->writers[writer];
	struct node *asked = world_ask_whom(w);
	if (asked->core == NULL || asked->inbox_count == SIM_INBOX ||
	    asked->ticket_count == SIM_OPS) {
		call_again(w, writer, random_between(&w->random, 1, 200) * SIM_MS);
		return;
	}
	struct sim_op *op = &w->ops[me->op];
	me->ticket = ++w->calls * SIM_OPS + (unsigned)me->op;
	me->waiting = true;
	op->calls++;
	op->outstanding++;
	op->denied = false;
	if (random_chance(&w->random, 150)) /* impatient: asks again before the answer is there */
		call_again(w, writer, random_between(&w->random, 1, 1500) * SIM_MS);
	TRACE(w, "writer %u calls %u: op %d, ticket %lu", writer, asked->id, me->op,
	    (unsigned long)me->ticket);
	node_input(asked, (struct input){.kind = INPUT_OP, .ticket = me->ticket});
}

void
client_write(struct world *w, unsigned writer)
{
	struct writer *me = &w->writers[writer];
	if (me->op < 0) {
		if (w->calm || w->op_count == w->mood.ops)
			return;
		new_op(w, me);
	}
	call(w, writer);
}

static void
rest(struct world *w, unsigned writer)
{
	w->writers[writer].op = -1;
	call_again(w, writer, random_between(&w->random, 0, 60) * SIM_MS);
}

/* What the writer does when its latest call has ended. */
static void
react(struct world *w, unsigned writer, enum core_result result)
{
	struct writer *me = &w->writers[writer];
	uint64_t soon = random_between(&w->random, 1, 300) * SIM_MS;
	me->waiting = false;
	switch (result) {
	case CORE_DECIDED:
	case CORE_REPLAYED:
		w->totals->decided++;
		rest(w, writer);
		return;
	case CORE_UNKNOWN:
		w->totals->unknown++;
		if (me->quits)
			rest(w, writer);
		else
			call_again(w, writer, soon);
		return;
	case CORE_NOT_APPLIED:
		w->totals->not_applied++;
		if (random_chance(&w->random, 500))
			rest(w, writer);
		else
			call_again(w, writer, soon);
		return;
	default:
		call_again(w, writer, soon);
	}
}

static void
ended(struct world *w, uint64_t ticket, enum core_result result)
{
	w->ops[ticket % SIM_OPS].outstanding--;
	for (unsigned i = 0; i < w->mood.writers; i++) {
		if (w->writers[i].waiting && w->writers[i].ticket == ticket)
			react(w, i, result);
	}
}

void
client_answer(struct world *w, uint64_t ticket, enum core_result result)
{
	static const char *const names[] = {
	    "DECIDED", "REPLAYED", "UNKNOWN", "NOT_APPLIED", "NOT_PRIMARY", "OVERLOADED"};
	TRACE(w, "ticket %lu (op %lu): %s", (unsigned long)ticket,
	    (unsigned long)(ticket % SIM_OPS), names[result]);
	ended(w, ticket, result);
}

void
client_lost(struct world *w, uint64_t ticket)
{
	ended(w, ticket, CORE_UNKNOWN);
}

bool
client_all_done(const struct world *w)
{
	for (unsigned i = 0; i < w->mood.writers; i++) {
		if (w->writers[i].op >= 0)
			return false;
	}
	return true;
}

/* ---- Readers ---- */

#define READ_WAIT_US 2000000u

enum { STAGE_CACHE, STAGE_STEPS, STAGE_ROWS, STAGE_FILL };

static void
next_read(struct world *w, unsigned reader)
{
	w->readers[reader].node = NULL;
	world_at(w, random_between(&w->random, 1, 80) * SIM_MS,
	    (struct event){.kind = EV_READER, .index = reader});
}

/* The next stage, at once or after a while. */
static void
go_on(struct world *w, unsigned reader, unsigned stage)
{
	uint64_t delay = 0;
	w->readers[reader].stage = stage;
	if (random_chance(&w->random, 400))
		delay = random_between(&w->random, 0, 3000);
	if (random_chance(&w->random, 10))
		delay = random_between(&w->random, 0, 2000) * SIM_MS;
	w->readers[reader].now = node_now(w->readers[reader].node);
	world_at(w, delay, (struct event){.kind = EV_READER, .index = reader});
}

static void
begin_read(struct world *w, unsigned reader)
{
	struct reader *r = &w->readers[reader];
	struct node *n = &w->nodes[random_below(&w->random, w->mood.nodes)];
	*r = (struct reader){.node = n};
	r->key = (unsigned)random_below(&w->random, SIM_KEYS);
	r->at_least = w->oracle.newest[r->key];
	go_on(w, reader, STAGE_CACHE);
}

static void
finish_read(struct world *w, unsigned reader, bool cached)
{
	w->totals->reads++;
	oracle_read(w, &w->readers[reader], cached);
	next_read(w, reader);
}

static void
refused(struct world *w, unsigned reader)
{
	w->totals->refused_reads++;
	next_read(w, reader);
}

/* As the front does, whether the replica runs or not. Only then the replica is asked. */
static void
look_in_cache(struct world *w, unsigned reader)
{
	struct reader *r = &w->readers[reader];
	char name[] = {'b', (char)('0' + r->key), '\0'};
	char value[32];
	struct cache_hit hit;
	if (cache_get(w->hosts[r->node->host].cache, name, shop_key(r->key), r->now, value,
		sizeof(value), &hit) == CACHE_HIT) {
		r->seq = hit.seq;
		memcpy(&r->row, value, sizeof(r->row));
		w->totals->hits++;
		finish_read(w, reader, true);
		return;
	}
	if (!node_alive(r->node)) {
		refused(w, reader);
		return;
	}
	r->boot = r->node->boot;
	read_start(&r->read);
	go_on(w, reader, STAGE_STEPS);
}

static void
fill_cache(struct world *w, unsigned reader)
{
	struct reader *r = &w->readers[reader];
	char name[] = {'b', (char)('0' + r->key), '\0'};
	cache_put(w->hosts[r->node->host].cache, name, shop_key(r->key), r->read.seq, &r->row,
	    sizeof(r->row));
	finish_read(w, reader, false);
}

static void
wait_for_applied(struct world *w, unsigned reader)
{
	struct reader *r = &w->readers[reader];
	if (r->since == 0)
		r->since = w->now;
	bool reached = gate_applied(r->node->gate) >= r->read.wait_for;
	if (reached || w->now - r->since >= READ_WAIT_US) {
		read_waited(&r->read, reached);
		go_on(w, reader, STAGE_STEPS);
		return;
	}
	world_at(w, random_between(&w->random, 1, 40) * SIM_MS,
	    (struct event){.kind = EV_READER, .index = reader});
}

static void
take_step(struct world *w, unsigned reader)
{
	struct reader *r = &w->readers[reader];
	enum gate_verdict verdict;
	uint64_t wait_for = 0;
	switch (read_next(&r->read)) {
	case READ_CHECK:
		verdict = gate_check(r->node->gate, r->now, shop_key(r->key), &wait_for);
		read_checked(&r->read, verdict, wait_for);
		go_on(w, reader, STAGE_STEPS);
		break;
	case READ_WAIT:
		wait_for_applied(w, reader);
		break;
	case READ_ROWS:
		r->seq = r->node->disk.live.applied;
		go_on(w, reader, STAGE_ROWS);
		break;
	case READ_DONE:
		go_on(w, reader, STAGE_FILL);
		break;
	case READ_REFUSED:
		refused(w, reader);
		break;
	}
}

/* A thread stands still with its process, one of the front with its host only. */
static uint64_t
paused_until(const struct reader *r, bool of_front)
{
	uint64_t host = r->node->world->hosts[r->node->host].paused_until;
	return of_front || host > r->node->paused_until ? host : r->node->paused_until;
}

void
client_read(struct world *w, unsigned reader)
{
	struct reader *r = &w->readers[reader];
	if (r->node == NULL) {
		begin_read(w, reader);
		return;
	}
	bool of_front = r->stage == STAGE_CACHE;
	if (!of_front && (r->node->core == NULL || r->node->boot != r->boot)) {
		next_read(w, reader); /* the connection broke */
		return;
	}
	uint64_t paused = paused_until(r, of_front);
	if (paused > w->now) {
		world_at(w, paused - w->now, (struct event){.kind = EV_READER, .index = reader});
		return;
	}
	switch (r->stage) {
	case STAGE_CACHE:
		look_in_cache(w, reader);
		break;
	case STAGE_STEPS:
		take_step(w, reader);
		break;
	case STAGE_ROWS:
		r->row = r->node->disk.live.table.rows[r->key];
		read_rows_done(&r->read, r->seq);
		go_on(w, reader, STAGE_STEPS);
		break;
	case STAGE_FILL:
		fill_cache(w, reader);
		break;
	}
}
