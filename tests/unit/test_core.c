/*
 * The protocol core by hand: one core, whose peers are played by the test. What happens under all
 * kinds of trouble is the simulator's business (tests/sim); here are the plain scenes, with the
 * order of actions and the times.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "fcgi/base/xalloc.h"
#include "replica/core/core.h"
#include "replica/core/gate.h"
#include "replica/core/read.h"
#include "tests/unit/suites.h"

#define BOOT 1001      /* the core's */
#define PEER_BOOT 2002 /* the other replica's */
#define LOG_MAX (MESSAGE_ENTRIES_MAX + 64)
#define NOWHERE ((struct position){0})

/* ---- A core with a log on a pretended disk ---- */

struct rig {
	struct core *core;
	struct machine machine;
	struct entry *log[LOG_MAX];
	size_t log_len;
	uint64_t first; /* what is before is pruned */
	size_t applied;
	const struct core_actions *did;
	uint64_t now;
};

static bool
decided(void *ctx, const struct op *op, struct buf *answer)
{
	const struct rig *r = ctx;
	for (size_t i = 0; i < r->applied; i++) {
		if (uuid_equal(&r->log[i]->op_id, &op->id)) {
			buf_add(answer, r->log[i]->answer, r->log[i]->answer_len);
			return true;
		}
	}
	return false;
}

static void
begin(void *ctx)
{
	(void)ctx;
}

static void
execute(void *ctx, const struct op *op, uint64_t time_ms, struct outcome *out)
{
	(void)ctx;
	(void)time_ms;
	uint64_t key = op->id.bytes[0];
	buf_add(&out->keys, &key, sizeof(key));
	buf_printf(&out->answer, "answer %u", op->id.bytes[0]);
	while (op->kind == 1 && out->effects.len <= ENTRY_BYTES_MAX)
		buf_u64(&out->effects, 0); /* more than an entry can be */
}

static struct entry *
log_read(void *ctx, uint64_t seq)
{
	const struct rig *r = ctx;
	return seq >= r->first && seq <= r->log_len ? entry_copy(r->log[seq - 1]) : NULL;
}

static uint64_t
log_first(void *ctx)
{
	const struct rig *r = ctx;
	return r->log_len >= r->first ? r->first : 0;
}

/* Three rows, one a chunk. */
static bool
dump(void *ctx, struct buf *cursor, size_t max, struct buf *rows)
{
	(void)ctx;
	(void)max;
	buf_u8(cursor, 0);
	buf_printf(rows, "row %zu", cursor->len);
	return cursor->len < 3;
}

static void
truncate_log(struct rig *r, size_t len)
{
	while (r->log_len > len)
		entry_free(r->log[--r->log_len]);
}

/* Carries out what concerns the disk. */
static void
carry_out(struct rig *r, const struct core_actions *did)
{
	r->did = did;
	for (size_t i = 0; i < did->count; i++) {
		const struct core_action *a = &did->list[i];
		if (a->kind == ACT_TRUNCATE)
			truncate_log(r, (size_t)a->seq - 1);
		if (a->kind == ACT_APPLY)
			r->applied += a->count;
		for (size_t k = 0; a->kind == ACT_APPEND && k < a->count; k++)
			r->log[r->log_len++] = entry_copy(a->entries[k]);
	}
}

/* What the last step did, such as "SAVE FLUSH SEND". */
static const char *
did(const struct rig *r)
{
	static const char *const names[] = {"PEER", "SAVE", "APPEND", "TRUNCATE", "FLUSH", "MARK",
	    "FLOOR", "FLOOR_ALL", "SEND", "APPLY", "ANSWER", "GATE", "LOAD", "LOADED", "TOLD",
	    "ABANDON"};
	static char text[512];
	size_t len = 0;
	text[0] = '\0';
	for (size_t i = 0; i < r->did->count && len < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "",
		    names[r->did->list[i].kind]);
	return text;
}

/* The nth action of a kind in the last step, counted from 0; ends the test when there is none. */
static const struct core_action *
action(const struct rig *r, enum core_action_kind kind, size_t nth)
{
	for (size_t i = 0; i < r->did->count; i++) {
		if (r->did->list[i].kind == kind && nth-- == 0)
			return &r->did->list[i];
	}
	CU_FAIL_FATAL("the action is missing");
	return NULL;
}

static const struct message *
sent(const struct rig *r)
{
	return &action(r, ACT_SEND, 0)->message;
}

static void
expect_answer(const struct rig *r, size_t nth, uint64_t ticket, enum core_result result)
{
	const struct core_action *a = action(r, ACT_ANSWER, nth);
	CU_ASSERT_EQUAL(a->ticket, ticket);
	CU_ASSERT_EQUAL(a->result, result);
}

static void
tick(struct rig *r, uint64_t now)
{
	r->now = now;
	carry_out(r, core_tick(r->core, now, now));
}

/* What is due now, after what was just done. */
static void
settle(struct rig *r)
{
	CU_ASSERT_EQUAL(core_deadline(r->core), r->now);
	tick(r, r->now);
}

static void
submit(struct rig *r, uint8_t id, uint64_t ticket)
{
	struct op *op = op_new((struct uuid){{id}}, ticket, 0, NULL);
	carry_out(r, core_submit(r->core, r->now, r->now, &op, 1));
}

static void
receive(struct rig *r, const struct message *m)
{
	carry_out(r, core_message(r->core, r->now, r->now, m));
}

/* The other replica's answer to the request just sent. */
static struct message
answer_to(const struct message *request, enum message_kind kind, struct position last)
{
	return (struct message){
	    .kind = kind,
	    .from = request->to,
	    .to = request->from,
	    .epoch = request->epoch,
	    .incarnation = {{7}},
	    .boot = PEER_BOOT,
	    .peer_boot = request->boot,
	    .request = request->request,
	    .last = last,
	};
}

/* The other replica says that it has all of our log. */
static void
acknowledge(struct rig *r)
{
	const struct message *request = sent(r);
	struct message m = answer_to(request, MSG_APPENDED, request->last);
	receive(r, &m);
}

static struct entry *
entry_at(uint32_t epoch, uint64_t seq, uint32_t prev_epoch, uint8_t id)
{
	const uint64_t key = id;
	const struct entry_parts parts = {
	    .at = {{epoch, 1}, seq},
	    .prev = {{prev_epoch, prev_epoch > 0}, seq - 1},
	    .op_id = {{id}},
	    .keys = &key,
	    .key_count = 1,
	    .answer = (const uint8_t *)"old",
	    .answer_len = 3,
	};
	return entry_new(&parts);
}

/* Replicas 1 (the primary) to `members`, all in sync. */
static struct set
set_of(unsigned members, uint32_t min)
{
	struct set s = {.primary = 1, .min = min, .count = members};
	s.wanted = min == members ? 0 : min;
	for (uint32_t i = 0; i < members; i++) {
		s.member[i] = (struct set_member){.id = i + 1, .in_sync = true};
		snprintf(s.member[i].address, SET_ADDRESS, "127.0.0.1:%u", 9080 + i);
	}
	return s;
}

static struct entry *
set_entry(const struct set *s, struct position at, struct position prev)
{
	struct buf effects = {0};
	set_encode(s, &effects);
	struct entry_parts parts = {.kind = ENTRY_SET,
	    .at = at,
	    .prev = prev,
	    .effects = effects.data,
	    .effects_len = effects.len};
	struct entry *e = entry_new(&parts);
	buf_free(&effects);
	return e;
}

struct scene {
	uint32_t self;
	unsigned members;
	uint32_t min;   /* 0: all */
	size_t len;     /* entries of epoch 1 on disk, the first of which is the set */
	size_t applied; /* of these */
	bool removes;   /* the last of them is a set without the last member */
};

static struct rig *
rig_new(struct scene s)
{
	struct rig *r = xcalloc(1, sizeof(*r));
	struct set set = set_of(s.members, s.min == 0 ? s.members : s.min);
	r->machine = (struct machine){r, decided, begin, execute, log_read, log_first, dump};
	struct core_config config = {
	    .self = s.self,
	    .first = set_of(s.members, s.members),
	    .boot = BOOT,
	    .incarnation_if_new = {{s.len == 0 ? 7 : 8}},
	    .machine = &r->machine,
	};
	struct core_durable durable = {.tail_count = s.len - s.applied};
	durable.tail = xcalloc(s.len + 1, sizeof(struct entry *));
	for (size_t i = 0; i < s.len; i++) {
		r->log[i] = i == 0 ? set_entry(&set, (struct position){{1, 1}, 1}, NOWHERE)
				   : entry_at(1, i + 1, 1, (uint8_t)(100 + i));
		if (s.removes && i == s.len - 1) {
			struct set fewer = set_of(s.members - 1, s.members - 1);
			entry_free(r->log[i]);
			r->log[i] =
			    set_entry(&fewer, (struct position){{1, 1}, i + 1}, r->log[i - 1]->at);
		}
		if (i >= s.applied)
			durable.tail[i - s.applied] = entry_copy(r->log[i]);
	}
	r->first = r->log_len = s.len;
	r->first = 1;
	r->applied = s.applied;
	if (s.len > 0) {
		durable.pledge.promised = (struct epoch){1, 1};
		durable.pledge.incarnation = (struct uuid){{7}};
		durable.last = r->log[s.len - 1]->at;
	}
	if (s.applied > 0) {
		durable.applied = r->log[s.applied - 1]->at;
		durable.set = set;
	}
	r->core = core_new(&config, &durable);
	carry_out(r, core_start(r->core, r->now));
	return r;
}

static void
rig_free(struct rig *r)
{
	core_free(r->core);
	truncate_log(r, 0);
	free(r);
}

static struct core_status
status(const struct rig *r)
{
	struct core_status s;
	core_status(r->core, &s);
	return s;
}

static enum core_phase
phase(const struct rig *r)
{
	return status(r).phase;
}

static bool
is_degraded(const struct rig *r)
{
	struct core_status s = status(r);
	return set_degraded(&s.set);
}

static bool
writable(const struct rig *r)
{
	return status(r).writable;
}

/* The backup promises; its log is ours. */
static void
promise(struct rig *r)
{
	struct message m = answer_to(sent(r), MSG_PROMISED, r->log[r->log_len - 1]->at);
	m.set = status(r).set;
	receive(r, &m);
}

/* A primary of two whose backup is in sync; its log has the first term's set and its own. */
static struct rig *
active_with(uint32_t min)
{
	struct rig *r =
	    rig_new((struct scene){.self = 1, .members = 2, .min = min, .len = 1, .applied = 1});
	promise(r);
	acknowledge(r);
	CU_ASSERT_EQUAL(phase(r), CORE_ACTIVE);
	acknowledge(r);
	CU_ASSERT_TRUE(writable(r));
	return r;
}

static struct rig *
active_new(void)
{
	return active_with(2);
}

/* ---- A primary ---- */

static struct rig *
primary_new(size_t len, size_t applied)
{
	return rig_new((struct scene){.self = 1, .members = 2, .len = len, .applied = applied});
}

static struct rig *
backup_new(size_t len, size_t applied)
{
	return rig_new((struct scene){.self = 2, .members = 2, .len = len, .applied = applied});
}

static void
test_a_set_of_one_needs_nobody(void)
{
	struct rig *r = rig_new((struct scene){.self = 1, .members = 1});
	CU_ASSERT_STRING_EQUAL(did(r), "SAVE FLUSH SAVE FLUSH APPEND FLUSH FLOOR_ALL APPLY GATE");
	CU_ASSERT_EQUAL(status(r).set.primary, 1);
	settle(r);
	submit(r, 1, 10);
	CU_ASSERT_STRING_EQUAL(did(r), "MARK FLOOR APPEND FLUSH APPLY ANSWER");
	expect_answer(r, 0, 10, CORE_DECIDED);
	rig_free(r);
}

static void
test_a_start_takes_a_new_epoch_first(void)
{
	struct rig *r = primary_new(2, 1);
	CU_ASSERT_STRING_EQUAL(did(r), "PEER FLOOR_ALL MARK SAVE FLUSH SEND");
	CU_ASSERT_EQUAL(sent(r)->kind, MSG_PROMISE);
	CU_ASSERT_EQUAL(sent(r)->epoch.counter, 2);
	/* lost: asked again after the time-out and a heartbeat */
	CU_ASSERT_EQUAL(core_deadline(r->core), CORE_ATTEMPT_MS);
	tick(r, 1000);
	tick(r, 1100);
	CU_ASSERT_EQUAL(sent(r)->kind, MSG_PROMISE);
	/* the backup holds the tail; the gate opens with that dirty, and the term gets its set */
	promise(r);
	CU_ASSERT_STRING_EQUAL(did(r), "APPEND FLUSH FLOOR_ALL SEND GATE");
	CU_ASSERT_EQUAL(r->log[2]->kind, ENTRY_SET);
	CU_ASSERT_EQUAL(sent(r)->entry_count, 1);
	CU_ASSERT_EQUAL(phase(r), CORE_TAIL);
	acknowledge(r);
	CU_ASSERT_STRING_EQUAL(did(r), "APPLY SEND");
	CU_ASSERT_EQUAL(sent(r)->commit.seq, 3);
	CU_ASSERT_EQUAL(phase(r), CORE_ACTIVE);
	rig_free(r);
}

static void
test_a_higher_promise_is_outbid(void)
{
	struct rig *r = primary_new(1, 1);
	struct message m = answer_to(sent(r), MSG_PROMISED, NOWHERE);
	m.verdict = VERDICT_OLD_EPOCH;
	m.epoch = (struct epoch){8, 1}; /* ours, before we lost our disk */
	receive(r, &m);
	CU_ASSERT_STRING_EQUAL(did(r), "SAVE FLUSH SEND");
	CU_ASSERT_EQUAL(sent(r)->epoch.counter, 9);
	m = answer_to(sent(r), MSG_PROMISED, NOWHERE);
	m.verdict = VERDICT_OLD_EPOCH;
	m.promotion = true;
	m.epoch = (struct epoch){12, 2}; /* another candidate's, which has its time */
	receive(r, &m);
	CU_ASSERT_STRING_EQUAL(did(r), "SAVE FLUSH");
	for (uint64_t t = 100; t < CORE_OUTBID_MS; t += 100) {
		tick(r, t);
		CU_ASSERT_STRING_EQUAL(did(r), "");
	}
	tick(r, CORE_OUTBID_MS);
	CU_ASSERT_EQUAL(sent(r)->epoch.counter, 13);
	rig_free(r);
}

static void
test_prepare_acknowledge_commit(void)
{
	struct rig *r = active_new();
	submit(r, 1, 10);
	CU_ASSERT_STRING_EQUAL(did(r), "MARK SEND FLOOR APPEND FLUSH");
	CU_ASSERT_EQUAL(sent(r)->entry_count, 1);
	CU_ASSERT_EQUAL(sent(r)->commit.seq, 2);
	acknowledge(r);
	CU_ASSERT_STRING_EQUAL(did(r), "APPLY ANSWER SEND");
	expect_answer(r, 0, 10, CORE_DECIDED);
	CU_ASSERT_EQUAL(sent(r)->entry_count, 0);
	CU_ASSERT_EQUAL(sent(r)->commit.seq, 3);
	rig_free(r);
}

static void
test_waiting_operations_become_one_batch(void)
{
	struct rig *r = active_new();
	submit(r, 1, 10);
	struct message m = answer_to(sent(r), MSG_APPENDED, sent(r)->last);
	submit(r, 2, 11);
	submit(r, 3, 12);
	submit(r, 2, 13); /* the same operation again */
	CU_ASSERT_STRING_EQUAL(did(r), "");
	receive(r, &m);
	CU_ASSERT_STRING_EQUAL(did(r), "APPLY ANSWER"); /* the commit goes with the batch */
	settle(r);
	CU_ASSERT_STRING_EQUAL(did(r), "MARK SEND FLOOR APPEND FLUSH");
	CU_ASSERT_EQUAL(sent(r)->entry_count, 2);
	CU_ASSERT_EQUAL(sent(r)->commit.seq, 3);
	acknowledge(r);
	expect_answer(r, 0, 11, CORE_DECIDED);
	expect_answer(r, 1, 12, CORE_DECIDED);
	expect_answer(r, 2, 13, CORE_REPLAYED);
	settle(r);
	submit(r, 1, 14);
	CU_ASSERT_STRING_EQUAL(did(r), "ANSWER");
	expect_answer(r, 0, 14, CORE_REPLAYED);
	CU_ASSERT_EQUAL(action(r, ACT_ANSWER, 0)->answer_len, strlen("answer 1"));
	rig_free(r);
}

/* Nobody answers: 1 s each, pauses of 0.1 and 0.2 s, then for ever every 0.25 s. */
static void
test_three_attempts(void)
{
	struct rig *r = active_new();
	submit(r, 1, 10);
	static const uint64_t times[] = {1000, 1100, 2100, 2300};
	for (size_t i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(core_deadline(r->core), times[i]);
		tick(r, times[i]);
		CU_ASSERT_STRING_EQUAL(did(r), i % 2 ? "SEND" : "");
	}
	CU_ASSERT_EQUAL(sent(r)->entry_count, 1);
	CU_ASSERT_EQUAL(core_deadline(r->core), 3300);
	tick(r, 3300);
	expect_answer(r, 0, 10, CORE_UNKNOWN);
	CU_ASSERT_FALSE(writable(r));
	tick(r, 3300 + CORE_RESEND_MS);
	CU_ASSERT_EQUAL(sent(r)->entry_count, 1);
	acknowledge(r); /* rolled forward, though nobody waits any more */
	CU_ASSERT_STRING_EQUAL(did(r), "APPLY SEND");
	CU_ASSERT_TRUE(writable(r));
	rig_free(r);
}

static void
fail_send(struct rig *r)
{
	carry_out(r, core_send_failed(r->core, r->now, r->now, sent(r)->to, sent(r)->request));
}

static void
test_a_refused_connection_ends_an_attempt(void)
{
	struct rig *r = active_new();
	submit(r, 1, 10);
	fail_send(r);
	CU_ASSERT_EQUAL(core_deadline(r->core), 100);
	tick(r, 100);
	fail_send(r);
	CU_ASSERT_EQUAL(core_deadline(r->core), 300);
	tick(r, 300);
	fail_send(r);
	expect_answer(r, 0, 10, CORE_UNKNOWN);
	rig_free(r);
}

static void
test_nothing_starts_without_the_backup(void)
{
	struct rig *r = active_new();
	tick(r, CORE_HEARTBEAT_MS);
	fail_send(r);
	CU_ASSERT_FALSE(writable(r));
	submit(r, 1, 10);
	submit(r, 2, 11);
	CU_ASSERT_STRING_EQUAL(did(r), "");
	tick(r, 1000);
	acknowledge(r); /* it is back in time for these */
	CU_ASSERT_STRING_EQUAL(did(r), "MARK SEND FLOOR APPEND FLUSH");
	acknowledge(r);
	fail_send(r); /* and gone again */
	submit(r, 3, 12);
	tick(r, 1000 + CORE_QUEUE_WAIT_MS);
	expect_answer(r, 0, 12, CORE_NOT_APPLIED);
	submit(r, 1, 13); /* a repeat gets its answer all the same */
	tick(r, 1000 + 2 * CORE_QUEUE_WAIT_MS);
	expect_answer(r, 0, 13, CORE_REPLAYED);
	rig_free(r);
}

static void
test_a_prepared_operation_is_unknown(void)
{
	struct rig *r = active_new();
	submit(r, 1, 10);
	for (uint64_t t = 0; t <= 300; t += 100) {
		tick(r, t);
		if (r->did->count > 0)
			fail_send(r);
	}
	submit(r, 1, 11);
	submit(r, 2, 12);
	tick(r, r->now + CORE_QUEUE_WAIT_MS);
	expect_answer(r, 0, 11, CORE_UNKNOWN);
	expect_answer(r, 1, 12, CORE_NOT_APPLIED);
	rig_free(r);
}

/* Before the logs are compared, a backup may hold an operation that we have never seen. */
static void
test_before_the_logs_are_compared_all_is_unknown(void)
{
	struct rig *r = primary_new(1, 1);
	submit(r, 1, 10);
	tick(r, CORE_QUEUE_WAIT_MS);
	expect_answer(r, 0, 10, CORE_UNKNOWN);
	rig_free(r);
}

static void
test_a_backup_behind_is_caught_up(void)
{
	struct rig *r = primary_new(3, 3);
	struct message m = answer_to(sent(r), MSG_PROMISED, (struct position){0});
	m.incarnation = (struct uuid){{0}};
	receive(r, &m);
	CU_ASSERT_EQUAL(sent(r)->kind, MSG_APPEND);
	CU_ASSERT_EQUAL(sent(r)->prev.seq, 0);
	CU_ASSERT_EQUAL(sent(r)->entry_count, 4);
	CU_ASSERT_FALSE(writable(r));
	acknowledge(r);
	CU_ASSERT_EQUAL(phase(r), CORE_ACTIVE);
	acknowledge(r);
	/* it starts again with an older disk: the gap shows where it ends */
	tick(r, CORE_HEARTBEAT_MS);
	m = answer_to(sent(r), MSG_APPENDED, r->log[0]->at);
	m.verdict = VERDICT_GAP;
	m.boot = PEER_BOOT + 1;
	receive(r, &m);
	CU_ASSERT_EQUAL(sent(r)->prev.seq, 1);
	CU_ASSERT_EQUAL(sent(r)->entry_count, 3);
	CU_ASSERT_EQUAL(sent(r)->peer_boot, PEER_BOOT + 1);
	rig_free(r);
}

/* As much as a message takes; the commit is told only as far as the message goes. */
static void
test_catching_up_goes_in_chunks(void)
{
	const size_t len = MESSAGE_ENTRIES_MAX + 10;
	struct rig *r = primary_new(len, len);
	struct message m = answer_to(sent(r), MSG_PROMISED, (struct position){0});
	m.incarnation = (struct uuid){{0}};
	receive(r, &m);
	CU_ASSERT_EQUAL(sent(r)->entry_count, MESSAGE_ENTRIES_MAX);
	CU_ASSERT_EQUAL(sent(r)->commit.seq, MESSAGE_ENTRIES_MAX);
	m = answer_to(sent(r), MSG_APPENDED, r->log[MESSAGE_ENTRIES_MAX - 1]->at);
	receive(r, &m);
	CU_ASSERT_EQUAL(sent(r)->entry_count, 11);
	CU_ASSERT_EQUAL(sent(r)->commit.seq, len);
	acknowledge(r);
	CU_ASSERT_TRUE(writable(r));
	rig_free(r);
}

static void
test_gaps_do_not_go_on_for_ever(void)
{
	struct rig *r = active_new();
	submit(r, 1, 10);
	unsigned sends = 1;
	for (; sends < 10 && strcmp(did(r), "") != 0; sends++) {
		struct message m = answer_to(sent(r), MSG_APPENDED, (struct position){0});
		m.verdict = VERDICT_GAP;
		receive(r, &m);
	}
	CU_ASSERT_EQUAL(sends, 5);
	CU_ASSERT_EQUAL(core_deadline(r->core), CORE_BACKOFF_MS);
	rig_free(r);
}

static void
test_the_longest_log_is_adopted(void)
{
	struct rig *r = primary_new(2, 1);
	struct entry *more[] = {
	    entry_at(1, 2, 1, 101), entry_at(1, 3, 1, 102), entry_at(1, 4, 1, 103)};
	struct message m = answer_to(sent(r), MSG_PROMISED, more[2]->at);
	m.commit = more[0]->at;
	m.set = status(r).set;
	receive(r, &m);
	CU_ASSERT_STRING_EQUAL(did(r), "APPLY SEND"); /* ours is as committed as the backup's */
	CU_ASSERT_EQUAL(sent(r)->kind, MSG_FETCH);
	m = answer_to(sent(r), MSG_FETCHED, more[2]->at);
	m.prev = sent(r)->prev;
	m.entries = &more[1];
	m.entry_count = 2;
	m.commit = more[0]->at;
	receive(r, &m);
	CU_ASSERT_STRING_EQUAL(did(r), "APPEND FLUSH MARK FLOOR APPEND FLUSH FLOOR_ALL SEND GATE");
	CU_ASSERT_EQUAL(r->log_len, 5);
	acknowledge(r);
	CU_ASSERT_EQUAL(phase(r), CORE_ACTIVE);
	for (size_t i = 0; i < 3; i++)
		entry_free(more[i]);
	rig_free(r);
}

static void
test_a_second_primary_ends_the_first(void)
{
	struct rig *r = active_new();
	submit(r, 1, 10);
	submit(r, 2, 11);
	struct message m = {
	    .kind = MSG_PROMISE, .from = 2, .to = 1, .epoch = {9, 2}, .boot = 5, .request = 1};
	receive(r, &m); /* it starts again, and does not know of us */
	CU_ASSERT_EQUAL(sent(r)->verdict, VERDICT_SUPERSEDED);
	m.promotion = true;
	receive(r, &m);
	CU_ASSERT_STRING_EQUAL(did(r), "SAVE FLUSH ANSWER ANSWER GATE SEND");
	CU_ASSERT_FALSE(action(r, ACT_GATE, 0)->gate.open); /* before it promises */
	CU_ASSERT_EQUAL(phase(r), CORE_JOINING);
	expect_answer(r, 0, 10, CORE_UNKNOWN);
	expect_answer(r, 1, 11, CORE_NOT_PRIMARY);
	submit(r, 3, 12);
	expect_answer(r, 0, 12, CORE_NOT_PRIMARY);
	rig_free(r);
}

static void
test_answers_to_an_earlier_start_are_ignored(void)
{
	struct rig *r = primary_new(1, 1);
	struct message m = answer_to(sent(r), MSG_PROMISED, (struct position){0});
	m.peer_boot = BOOT + 1;
	receive(r, &m);
	CU_ASSERT_EQUAL(phase(r), CORE_PROMISING);
	rig_free(r);
}

static void
test_the_queue_is_bounded(void)
{
	struct rig *r = primary_new(1, 1);
	for (unsigned i = 0; i < CORE_QUEUE_MAX; i++)
		submit(r, (uint8_t)i, i);
	CU_ASSERT_STRING_EQUAL(did(r), "");
	submit(r, 1, 99);
	expect_answer(r, 0, 99, CORE_OVERLOADED);
	rig_free(r);
}

static void
test_an_outcome_too_big_is_thrown_away(void)
{
	struct rig *r = rig_new((struct scene){.self = 1, .members = 1});
	struct op *op = op_new((struct uuid){{1}}, 10, 1, NULL);
	carry_out(r, core_submit(r->core, 0, 0, &op, 1));
	CU_ASSERT_STRING_EQUAL(did(r), "ANSWER");
	expect_answer(r, 0, 10, CORE_NOT_APPLIED);
	rig_free(r);
}

/* ---- A backup ---- */

static struct message
request(enum message_kind kind, uint32_t epoch, struct position last)
{
	return (struct message){
	    .kind = kind,
	    .from = 1,
	    .to = 2,
	    .epoch = {epoch, 1},
	    .incarnation = {{7}},
	    .boot = PEER_BOOT,
	    .peer_boot = BOOT,
	    .request = 1,
	    .prev = last,
	    .last = last,
	};
}

static void
test_a_backup_serves_when_it_is_confirmed(void)
{
	struct rig *r = backup_new(2, 1);
	CU_ASSERT_STRING_EQUAL(did(r), "PEER FLOOR_ALL MARK");
	struct message m = request(MSG_APPEND, 1, r->log[1]->at);
	m.peer_boot = BOOT + 1; /* meant for an earlier start */
	receive(r, &m);
	CU_ASSERT_STRING_EQUAL(did(r), "SEND");
	m.peer_boot = BOOT;
	receive(r, &m);
	CU_ASSERT_STRING_EQUAL(did(r), "FLOOR_ALL SEND GATE");
	CU_ASSERT_EQUAL(phase(r), CORE_IN_SYNC);
	rig_free(r);
}

static void
test_a_promise_is_kept(void)
{
	struct rig *r = backup_new(1, 1);
	struct message m = request(MSG_PROMISE, 5, r->log[0]->at);
	receive(r, &m);
	CU_ASSERT_STRING_EQUAL(did(r), "SAVE FLUSH SEND");
	CU_ASSERT_EQUAL(sent(r)->last.seq, 1);
	receive(r, &m); /* asked again */
	CU_ASSERT_STRING_EQUAL(did(r), "SEND");
	CU_ASSERT_EQUAL(sent(r)->verdict, VERDICT_OK);
	m.boot++; /* a primary without a memory takes the same epoch again */
	receive(r, &m);
	CU_ASSERT_EQUAL(sent(r)->verdict, VERDICT_OLD_EPOCH);
	m = request(MSG_APPEND, 4, r->log[0]->at);
	receive(r, &m);
	CU_ASSERT_EQUAL(sent(r)->verdict, VERDICT_OLD_EPOCH);
	CU_ASSERT_EQUAL(sent(r)->epoch.counter, 5);
	rig_free(r);
}

static void
test_a_backup_prepares_then_commits(void)
{
	struct rig *r = backup_new(1, 1);
	struct entry *two = entry_at(1, 2, 1, 1);
	struct message m = request(MSG_APPEND, 1, r->log[0]->at);
	m.entries = &two;
	m.entry_count = 1;
	m.last = two->at;
	receive(r, &m);
	CU_ASSERT_STRING_EQUAL(did(r), "APPEND FLUSH MARK FLOOR FLOOR_ALL SEND GATE");
	CU_ASSERT_EQUAL(sent(r)->last.seq, 2);
	receive(r, &m); /* doubled: nothing is appended, the floors are raised again */
	CU_ASSERT_STRING_EQUAL(did(r), "MARK FLOOR SEND");
	m = request(MSG_APPEND, 1, two->at);
	m.commit = two->at;
	m.commit.epoch.counter = 9; /* another entry 2 */
	receive(r, &m);
	CU_ASSERT_STRING_EQUAL(did(r), "SEND");
	m.commit = two->at;
	receive(r, &m);
	CU_ASSERT_STRING_EQUAL(did(r), "SEND APPLY");
	entry_free(two);
	rig_free(r);
}

static void
test_a_gap_tells_where_the_log_ends(void)
{
	struct rig *r = backup_new(1, 1);
	struct message m = request(MSG_APPEND, 1, (struct position){{1, 1}, 4});
	receive(r, &m);
	CU_ASSERT_EQUAL(sent(r)->verdict, VERDICT_GAP);
	CU_ASSERT_EQUAL(sent(r)->last.seq, 1);
	CU_ASSERT_EQUAL(phase(r), CORE_JOINING);
	rig_free(r);
}

/* R7: what an older epoch left unapplied makes room; what this epoch brought stays. */
static void
test_only_older_entries_make_room(void)
{
	struct rig *r = backup_new(3, 1);
	struct entry *two = entry_at(4, 2, 1, 1), *other = entry_at(3, 2, 1, 2);
	struct message m = request(MSG_APPEND, 4, r->log[0]->at);
	m.entries = &two;
	m.entry_count = 1;
	m.last = two->at;
	receive(r, &m);
	CU_ASSERT_STRING_EQUAL(
	    did(r), "SAVE FLUSH TRUNCATE APPEND FLUSH MARK FLOOR FLOOR_ALL SEND GATE");
	CU_ASSERT_EQUAL(r->log_len, 2);
	m.entries = &other;
	receive(r, &m);
	CU_ASSERT_EQUAL(sent(r)->verdict, VERDICT_GAP);
	CU_ASSERT_EQUAL(r->log_len, 2);
	entry_free(two);
	entry_free(other);
	rig_free(r);
}

static void
test_histories_do_not_mix(void)
{
	struct rig *r = backup_new(1, 1);
	struct message m = request(MSG_PROMISE, 5, (struct position){0});
	m.incarnation = (struct uuid){{8}};
	receive(r, &m);
	CU_ASSERT_STRING_EQUAL(did(r), "SEND");
	CU_ASSERT_EQUAL(sent(r)->verdict, VERDICT_OTHER_HISTORY);
	rig_free(r);
	/* an empty store takes one, from a message that is meant for it, once the others were asked
	 */
	r = backup_new(0, 0);
	CU_ASSERT_STRING_EQUAL(did(r), "PEER SEND");
	CU_ASSERT_EQUAL(sent(r)->kind, MSG_HELLO);
	m = request(MSG_APPEND, 5, (struct position){0});
	receive(r, &m);
	CU_ASSERT_EQUAL(sent(r)->verdict, VERDICT_GAP);
	tick(r, 1000);
	m.peer_boot = 0;
	receive(r, &m);
	CU_ASSERT_EQUAL(sent(r)->verdict, VERDICT_GAP);
	m.peer_boot = BOOT;
	m.last.seq = 7; /* so far it is worth nothing */
	receive(r, &m);
	CU_ASSERT_STRING_EQUAL(did(r), "LOADED SAVE FLUSH SEND");
	CU_ASSERT_EQUAL(phase(r), CORE_LOADING);
	CU_ASSERT_EQUAL(action(r, ACT_LOADED, 0)->loaded.until, 7);
	CU_ASSERT_TRUE(uuid_is_nil(&sent(r)->incarnation));
	rig_free(r);
}

static void
test_a_backup_takes_no_writes(void)
{
	struct rig *r = backup_new(1, 1);
	submit(r, 1, 10);
	expect_answer(r, 0, 10, CORE_NOT_PRIMARY);
	CU_ASSERT_EQUAL(core_deadline(r->core), UINT64_MAX);
	rig_free(r);
}

static void
test_a_backup_gives_its_log(void)
{
	struct rig *r = backup_new(3, 2);
	struct message m = request(MSG_FETCH, 5, (struct position){0});
	m.prev = r->log[0]->at;
	receive(r, &m);
	CU_ASSERT_EQUAL(sent(r)->kind, MSG_FETCHED);
	CU_ASSERT_EQUAL(sent(r)->entry_count, 2);
	CU_ASSERT_EQUAL(sent(r)->commit.seq, 2);
	m.prev.epoch.counter = 3; /* not in its log */
	receive(r, &m);
	CU_ASSERT_EQUAL(sent(r)->verdict, VERDICT_GAP);
	rig_free(r);
}

/* ---- Sets, leases, promotion ---- */

static struct message
from_two(enum message_kind kind, uint32_t epoch)
{
	return (struct message){.kind = kind,
	    .from = 2,
	    .to = 1,
	    .epoch = {epoch, 2},
	    .incarnation = {{7}},
	    .boot = PEER_BOOT,
	    .request = 1,
	    .promotion = true};
}

static void
test_all_empty_begin_a_history(void)
{
	struct rig *r = primary_new(0, 0);
	CU_ASSERT_EQUAL(sent(r)->kind, MSG_HELLO);
	struct message m = answer_to(sent(r), MSG_HELLOED, NOWHERE);
	m.incarnation = (struct uuid){{0}};
	m.epoch = (struct epoch){0};
	receive(r, &m);
	CU_ASSERT_EQUAL(sent(r)->kind, MSG_PROMISE);
	m = answer_to(sent(r), MSG_PROMISED, NOWHERE);
	m.incarnation = (struct uuid){{0}};
	receive(r, &m);
	CU_ASSERT_EQUAL(sent(r)->kind, MSG_APPEND);
	CU_ASSERT_EQUAL(sent(r)->entries[0]->kind, ENTRY_SET);
	CU_ASSERT_EQUAL(sent(r)->incarnation.bytes[0], 7);
	rig_free(r);
}

static void
test_a_primary_that_lost_its_store_hands_over(void)
{
	struct rig *r = primary_new(0, 0);
	struct message m = answer_to(sent(r), MSG_HELLOED, (struct position){{3, 1}, 9});
	m.set = set_of(2, 2);
	m.epoch = (struct epoch){3, 1};
	receive(r, &m);
	tick(r, CORE_HELLO_MS);
	CU_ASSERT_EQUAL(sent(r)->kind, MSG_HAND_OVER);
	CU_ASSERT_EQUAL(sent(r)->epoch.counter, 3); /* it follows what it had promised */
	m = from_two(MSG_PROMISE, 4);
	receive(r, &m);
	CU_ASSERT_EQUAL(sent(r)->kind, MSG_PROMISED);
	CU_ASSERT_TRUE(uuid_is_nil(&sent(r)->incarnation));
	rig_free(r);
}

static void
hear(struct rig *r, size_t nth, struct position last, enum message_verdict verdict)
{
	struct message m = answer_to(&action(r, ACT_SEND, nth)->message, MSG_HELLOED, last);
	m.epoch = last.epoch;
	m.verdict = verdict;
	if (last.seq == 0)
		m.incarnation = (struct uuid){{0}};
	receive(r, &m);
}

/* With its store it lost what it had promised, so it asks who has a later term than the one that
 * starts again. */
static void
test_one_that_lost_its_store_learns_before_it_promises(void)
{
	struct rig *r = rig_new((struct scene){.self = 2, .members = 3});
	struct message first = action(r, ACT_SEND, 0)->message;
	struct message promise = request(MSG_PROMISE, 9, (struct position){{2, 1}, 5});
	CU_ASSERT_EQUAL(first.to, 1);
	struct message other =
	    answer_to(&action(r, ACT_SEND, 1)->message, MSG_HELLOED, (struct position){{3, 3}, 6});
	other.epoch = (struct epoch){3, 3};
	hear(r, 0, (struct position){{2, 1}, 5}, VERDICT_OK);
	receive(r, &promise);
	CU_ASSERT_STRING_EQUAL(did(r), "");
	promise.granted = 3; /* the operator gave that one up */
	receive(r, &promise);
	CU_ASSERT_EQUAL(sent(r)->kind, MSG_PROMISED);
	CU_ASSERT_EQUAL(sent(r)->verdict, VERDICT_OK);
	promise.granted = 0;
	promise.epoch.counter++;
	receive(r, &other);
	receive(r, &promise);
	CU_ASSERT_EQUAL(sent(r)->verdict, VERDICT_SUPERSEDED);
	rig_free(r);
}

static void
test_a_part_of_a_history_is_not_nothing(void)
{
	struct rig *r = primary_new(0, 0);
	hear(r, 0, NOWHERE, VERDICT_GAP);
	CU_ASSERT_EQUAL(phase(r), CORE_EMPTY); /* and begins none */
	rig_free(r);
}

/* The backup's answers give us the right to read; ours give it one. */
static void
test_leases(void)
{
	struct rig *r = active_with(1);
	CU_ASSERT_EQUAL(status(r).read_until, UINT64_MAX); /* n = 2, min = 1: nobody without us */
	tick(r, 100);
	CU_ASSERT_TRUE(sent(r)->granted != 0);
	rig_free(r);

	r = rig_new((struct scene){.self = 2, .members = 2, .min = 1, .len = 1, .applied = 1});
	r->now = 5000;
	struct message m = request(MSG_APPEND, 1, r->log[0]->at);
	receive(r, &m);
	CU_ASSERT_EQUAL(phase(r), CORE_IN_SYNC);
	CU_ASSERT_EQUAL(status(r).read_until, 0);
	r->now = 5100;
	m.request = 2;
	m.granted = 1; /* our answer of 5000 */
	receive(r, &m);
	CU_ASSERT_EQUAL(status(r).read_until, 5000 + CORE_LEASE_MS);
	m.request = 3;
	m.granted = 9; /* no answer of ours */
	receive(r, &m);
	CU_ASSERT_EQUAL(status(r).read_until, 5000 + CORE_LEASE_MS);
	r->now = 5200;
	m.granted = 0;
	receive(r, &m); /* a double: the primary has the first answer */
	m.request = 4;
	m.granted = 3;
	receive(r, &m);
	CU_ASSERT_EQUAL(status(r).read_until, 5100 + CORE_LEASE_MS);
	rig_free(r);
}

static void
both_acknowledge(struct rig *r)
{
	const struct message *sent_last = &action(r, ACT_SEND, 1)->message;
	struct message last = answer_to(sent_last, MSG_APPENDED, sent_last->last);
	acknowledge(r);
	receive(r, &last);
}

/* Two of three may have made another one primary once their leases are over. */
static void
test_without_a_lease_nothing_is_known_not_to_be_applied(void)
{
	struct rig *r =
	    rig_new((struct scene){.self = 1, .members = 3, .min = 2, .len = 1, .applied = 1});
	struct message m = answer_to(&action(r, ACT_SEND, 1)->message, MSG_PROMISED, r->log[0]->at);
	m.set = status(r).set;
	promise(r);
	receive(r, &m);
	both_acknowledge(r);
	CU_ASSERT_EQUAL(phase(r), CORE_ACTIVE);
	CU_ASSERT_TRUE(status(r).read_until > r->now);
	submit(r, 1, 10); /* keeps the next one waiting */
	submit(r, 2, 11);
	tick(r, CORE_QUEUE_WAIT_MS);
	expect_answer(r, 0, 11, CORE_UNKNOWN);
	CU_ASSERT_TRUE(status(r).read_until <= r->now);
	rig_free(r);
}

/* Three attempts, a smaller set, the end of the lease: then the primary goes on alone. */
static void
test_a_set_shrinks_and_grows_again(void)
{
	struct rig *r = active_with(1);
	tick(r, 100);
	acknowledge(r);
	tick(r, 200);
	acknowledge(r); /* granted a lease at 200 */
	submit(r, 1, 10);
	fail_send(r);
	tick(r, 300);
	fail_send(r);
	tick(r, 500);
	fail_send(r);
	CU_ASSERT_TRUE(is_degraded(r));
	CU_ASSERT_EQUAL(status(r).applied, 2);
	tick(r, 200 + CORE_GRANTED_MS - 1);
	CU_ASSERT_EQUAL(status(r).applied, 2);
	tick(r, 200 + CORE_GRANTED_MS);
	expect_answer(r, 0, 10, CORE_DECIDED);
	CU_ASSERT_TRUE(writable(r));
	tick(r, 2300);
	tick(r, 2400);
	acknowledge(r); /* it is back, with everything */
	CU_ASSERT_FALSE(is_degraded(r));
	CU_ASSERT_EQUAL(sent(r)->entries[0]->kind, ENTRY_SET);
	CU_ASSERT_TRUE(sent(r)->granted != 0); /* for an answer it gave while it was away */
	uint64_t applied = status(r).applied;
	fail_send(r);
	tick(r, 2500);
	fail_send(r);
	tick(r, 2700);
	fail_send(r); /* and is gone again */
	CU_ASSERT_TRUE(is_degraded(r));
	tick(r, 2400 + CORE_GRANTED_MS - 1);
	CU_ASSERT_EQUAL(status(r).applied, applied);
	tick(r, 2400 + CORE_GRANTED_MS);
	CU_ASSERT_TRUE(status(r).applied > applied);
	rig_free(r);
}

static void
command(struct rig *r, struct core_command c)
{
	c.ticket = 77;
	carry_out(r, core_command(r->core, r->now, r->now, &c));
}

static void
expect_told(const struct rig *r, enum core_told result)
{
	const struct core_action *a = action(r, ACT_TOLD, 0);
	CU_ASSERT_EQUAL(a->told.ticket, 77);
	CU_ASSERT_EQUAL(a->told.result, result);
}

/* The old set's word is needed, so that its logs know. */
static void
test_a_lower_minimum_needs_everybody(void)
{
	struct rig *r = active_new();
	command(r, (struct core_command){.kind = COMMAND_MIN_INSYNC, .min_insync = 3});
	expect_told(r, TOLD_INVALID);
	command(r, (struct core_command){.kind = COMMAND_MIN_INSYNC, .min_insync = 1});
	CU_ASSERT_EQUAL(status(r).set.min, 1);
	for (uint64_t t = 0; t <= 2000; t += 100) {
		tick(r, t);
		if (r->did->count > 0)
			fail_send(r);
	}
	CU_ASSERT_FALSE(is_degraded(r));
	CU_ASSERT_EQUAL(status(r).applied, 2);
	tick(r, 2250);
	acknowledge(r);
	expect_told(r, TOLD_DONE);
	rig_free(r);
}

static void
test_switchover(void)
{
	struct rig *r = active_new();
	submit(r, 1, 10);
	struct message m = answer_to(sent(r), MSG_APPENDED, sent(r)->last);
	command(r, (struct core_command){.kind = COMMAND_HAND_OVER, .id = 2});
	submit(r, 2, 11);
	receive(r, &m); /* what is in flight is finished first */
	expect_answer(r, 0, 10, CORE_DECIDED);
	settle(r);
	CU_ASSERT_EQUAL(sent(r)->kind, MSG_HAND_OVER);
	m = from_two(MSG_PROMISE, 9);
	receive(r, &m);
	expect_told(r, TOLD_DONE);
	expect_answer(r, 0, 11, CORE_NOT_PRIMARY);
	CU_ASSERT_EQUAL(status(r).role, CORE_BACKUP);
	rig_free(r);
}

static struct rig *
promote(bool loss, bool stopped)
{
	struct rig *r = backup_new(2, 2);
	struct core_command c = {
	    .kind = COMMAND_PROMOTE, .accept_data_loss = loss, .primary_stopped = stopped};
	command(r, c);
	CU_ASSERT_EQUAL(sent(r)->kind, MSG_PROMISE);
	while (phase(r) == CORE_PROMISING) {
		tick(r, r->now + 100);
		for (size_t i = 0; i < r->did->count; i++) {
			if (r->did->list[i].kind == ACT_SEND && phase(r) == CORE_PROMISING)
				fail_send(r);
		}
	}
	return r;
}

static void
test_promotion_needs_a_stopped_primary(void)
{
	struct rig *r = promote(false, false);
	expect_told(r, TOLD_UNSAFE);
	CU_ASSERT_EQUAL(status(r).role, CORE_BACKUP);
	rig_free(r);
	r = promote(false, true);
	tick(r, r->now + CORE_GRANTED_MS);
	CU_ASSERT_EQUAL(phase(r), CORE_ACTIVE);
	expect_told(r, TOLD_DONE);
	CU_ASSERT_EQUAL(status(r).set.min, 1);
	CU_ASSERT_TRUE(is_degraded(r));
	CU_ASSERT_EQUAL(status(r).incarnation.bytes[0], 7);
	rig_free(r);
}

/* Three members, two must be in sync: one log alone may miss something. */
static void
test_accepted_loss_is_another_history(void)
{
	struct rig *r =
	    rig_new((struct scene){.self = 2, .members = 3, .min = 2, .len = 2, .applied = 2});
	command(r, (struct core_command){.kind = COMMAND_PROMOTE, .accept_data_loss = true});
	tick(r, 1000);
	CU_ASSERT_EQUAL(phase(r), CORE_TAIL);
	CU_ASSERT_EQUAL(status(r).incarnation.bytes[0], 8);
	CU_ASSERT_EQUAL(action(r, ACT_SAVE, 0)->save.formerly.bytes[0], 7);
	rig_free(r);
	/* whoever is of the former history gives up its store for that one */
	r = backup_new(2, 2);
	struct message m = request(MSG_APPEND, 9, (struct position){0});
	m.incarnation = (struct uuid){{8}};
	m.formerly = (struct uuid){{7}};
	receive(r, &m);
	CU_ASSERT_STRING_EQUAL(did(r), "ABANDON");
	rig_free(r);
}

/* It may be in force still: nothing is applied, and the removal perhaps on no other log. */
static void
test_a_member_whose_removal_is_in_doubt_is_asked(void)
{
	struct rig *r = rig_new((struct scene){.self = 1, .members = 3, .len = 2, .removes = true});
	unsigned asked = 0;
	for (size_t i = 0; i < r->did->count; i++) {
		const struct core_action *a = &r->did->list[i];
		if (a->kind == ACT_SEND && a->message.kind == MSG_PROMISE)
			asked |= 1u << a->message.to;
	}
	CU_ASSERT_EQUAL(asked, 1u << 2 | 1u << 3);
	rig_free(r);
}

/* ---- Loading ---- */

static void
test_what_is_pruned_is_loaded(void)
{
	struct rig *r = active_with(2);
	for (uint8_t id = 1; id <= 3; id++) {
		submit(r, id, id);
		acknowledge(r);
	}
	acknowledge(r);
	r->first = 4;
	tick(r, CORE_HEARTBEAT_MS);
	struct message m = answer_to(sent(r), MSG_APPENDED, NOWHERE);
	m.verdict = VERDICT_GAP; /* its disk was replaced */
	m.incarnation = (struct uuid){{0}};
	m.boot = PEER_BOOT + 1;
	receive(r, &m);
	for (uint32_t chunk = 1; chunk <= 3; chunk++) {
		CU_ASSERT_EQUAL(sent(r)->kind, MSG_LOAD);
		CU_ASSERT_EQUAL(sent(r)->chunk, chunk);
		CU_ASSERT_EQUAL(sent(r)->prev.seq, 5);
		CU_ASSERT_EQUAL(sent(r)->until, chunk == 3 ? 5 : 0);
		m = answer_to(sent(r), MSG_LOADED, NOWHERE);
		m.chunk = chunk;
		m.boot = PEER_BOOT + 1;
		m.incarnation = (struct uuid){{chunk == 3 ? 7 : 0}};
		if (chunk == 3)
			m.last = r->log[4]->at;
		receive(r, &m);
	}
	CU_ASSERT_EQUAL(sent(r)->kind, MSG_APPEND);
	CU_ASSERT_EQUAL(sent(r)->prev.seq, 5);
	rig_free(r);
}

static void
load(struct rig *r, uint32_t chunk, uint64_t until, uint64_t end)
{
	struct message m = request(MSG_LOAD, 3, (struct position){{2, 1}, 5});
	m.chunk = chunk;
	m.until = until;
	m.granted = end;
	m.set = set_of(2, 2);
	m.rows = (uint8_t *)"row";
	m.rows_len = 3;
	receive(r, &m);
}

static void
test_an_empty_store_is_loaded(void)
{
	struct rig *r = backup_new(0, 0);
	tick(r, 1000);
	load(r, 1, 0, 0);
	CU_ASSERT_STRING_EQUAL(did(r), "SAVE FLUSH LOAD FLUSH SEND");
	CU_ASSERT_EQUAL(phase(r), CORE_LOADING);
	load(r, 1, 0, 0); /* doubled */
	CU_ASSERT_STRING_EQUAL(did(r), "SEND");
	CU_ASSERT_EQUAL(sent(r)->verdict, VERDICT_OK);
	load(r, 3, 0, 0); /* one is missing */
	CU_ASSERT_EQUAL(sent(r)->verdict, VERDICT_GAP);
	load(r, 2, 6, 0);
	CU_ASSERT_STRING_EQUAL(did(r), "LOAD SAVE LOADED FLOOR_ALL FLUSH SEND");
	CU_ASSERT_EQUAL(phase(r), CORE_LOADING); /* until entry 6 is applied */
	CU_ASSERT_EQUAL(status(r).partial_until, 6);
	CU_ASSERT_EQUAL(status(r).last.seq, 5);
	rig_free(r);
	r = backup_new(2, 2); /* one that holds something is set aside first */
	load(r, 1, 0, 0);     /* which is old news */
	CU_ASSERT_EQUAL(sent(r)->verdict, VERDICT_GAP);
	load(r, 1, 0, 2);
	CU_ASSERT_STRING_EQUAL(did(r), "ABANDON");
	rig_free(r);
	r = backup_new(
	    0, 0); /* a part is of no use to a primary that has the log from its beginning */
	tick(r, 1000);
	load(r, 1, 0, 0);
	struct message m = request(MSG_APPEND, 3, (struct position){0});
	receive(r, &m); /* sent before the tables */
	CU_ASSERT_EQUAL(sent(r)->verdict, VERDICT_GAP);
	m = request(MSG_APPEND, 4, (struct position){0});
	m.boot++;
	receive(r, &m);
	action(r, ACT_ABANDON, 0);
	rig_free(r);
}

/* ---- Gate and read ---- */

static void
test_gate(void)
{
	struct gate *g = gate_new();
	const uint64_t keys[] = {1, 2};
	uint64_t wait_for = 0;
	CU_ASSERT_EQUAL(gate_check(g, 0, 1, &wait_for), GATE_CLOSED);
	gate_set_open(g, true, UINT64_MAX);
	gate_mark(g, keys, 2, 5);
	gate_mark(g, keys, 1, 6);
	CU_ASSERT_EQUAL(gate_check(g, 0, 1, &wait_for), GATE_DIRTY);
	CU_ASSERT_EQUAL(wait_for, 6);
	CU_ASSERT_EQUAL(gate_check(g, 0, 3, &wait_for), GATE_CLEAN);
	gate_set_applied(g, 5);
	CU_ASSERT_EQUAL(gate_check(g, 0, 2, &wait_for), GATE_CLEAN);
	CU_ASSERT_EQUAL(gate_check(g, 0, 1, &wait_for), GATE_DIRTY);
	gate_truncate(g, 6);
	CU_ASSERT_EQUAL(gate_check(g, 0, 1, &wait_for), GATE_CLEAN);
	gate_free(g);
}

static void
test_gate_holds_many_keys(void)
{
	struct gate *g = gate_new();
	uint64_t wait_for;
	gate_set_open(g, true, UINT64_MAX);
	for (uint64_t key = 0; key < 10000; key++) {
		gate_mark(g, &key, 1, key + 1);
		gate_set_applied(g, key < 5000 ? key : 5000);
	}
	for (uint64_t key = 0; key < 10000; key++) {
		enum gate_verdict wanted = key < 5000 ? GATE_CLEAN : GATE_DIRTY;
		CU_ASSERT_EQUAL(gate_check(g, 0, key, &wait_for), wanted);
	}
	gate_truncate(g, 1);
	CU_ASSERT_EQUAL(gate_check(g, 0, 9999, &wait_for), GATE_CLEAN);
	gate_free(g);
}

static void
test_the_row_is_read_after_the_check(void)
{
	struct read r;
	read_start(&r);
	CU_ASSERT_EQUAL(read_next(&r), READ_CHECK);
	read_checked(&r, GATE_DIRTY, 9);
	CU_ASSERT_EQUAL(read_next(&r), READ_WAIT);
	CU_ASSERT_EQUAL(r.wait_for, 9);
	read_waited(&r, true);
	CU_ASSERT_EQUAL(read_next(&r), READ_ROWS);
	read_rows_done(&r, 10);
	CU_ASSERT_EQUAL(read_next(&r), READ_DONE);
	CU_ASSERT_EQUAL(r.seq, 10);
	read_start(&r);
	read_checked(&r, GATE_CLOSED, 0);
	CU_ASSERT_EQUAL(read_next(&r), READ_REFUSED);
	read_start(&r);
	read_checked(&r, GATE_DIRTY, 9);
	read_waited(&r, false);
	CU_ASSERT_EQUAL(read_next(&r), READ_REFUSED);
}

void
register_core(void)
{
	CU_pSuite suite = CU_add_suite("core", NULL, NULL);
	CU_ADD_TEST(suite, test_a_set_of_one_needs_nobody);
	CU_ADD_TEST(suite, test_a_start_takes_a_new_epoch_first);
	CU_ADD_TEST(suite, test_a_higher_promise_is_outbid);
	CU_ADD_TEST(suite, test_prepare_acknowledge_commit);
	CU_ADD_TEST(suite, test_waiting_operations_become_one_batch);
	CU_ADD_TEST(suite, test_three_attempts);
	CU_ADD_TEST(suite, test_a_refused_connection_ends_an_attempt);
	CU_ADD_TEST(suite, test_nothing_starts_without_the_backup);
	CU_ADD_TEST(suite, test_a_prepared_operation_is_unknown);
	CU_ADD_TEST(suite, test_before_the_logs_are_compared_all_is_unknown);
	CU_ADD_TEST(suite, test_a_backup_behind_is_caught_up);
	CU_ADD_TEST(suite, test_catching_up_goes_in_chunks);
	CU_ADD_TEST(suite, test_gaps_do_not_go_on_for_ever);
	CU_ADD_TEST(suite, test_the_longest_log_is_adopted);
	CU_ADD_TEST(suite, test_a_second_primary_ends_the_first);
	CU_ADD_TEST(suite, test_answers_to_an_earlier_start_are_ignored);
	CU_ADD_TEST(suite, test_the_queue_is_bounded);
	CU_ADD_TEST(suite, test_an_outcome_too_big_is_thrown_away);
	CU_ADD_TEST(suite, test_a_backup_serves_when_it_is_confirmed);
	CU_ADD_TEST(suite, test_a_promise_is_kept);
	CU_ADD_TEST(suite, test_a_backup_prepares_then_commits);
	CU_ADD_TEST(suite, test_a_gap_tells_where_the_log_ends);
	CU_ADD_TEST(suite, test_only_older_entries_make_room);
	CU_ADD_TEST(suite, test_histories_do_not_mix);
	CU_ADD_TEST(suite, test_a_backup_takes_no_writes);
	CU_ADD_TEST(suite, test_a_backup_gives_its_log);
	CU_ADD_TEST(suite, test_all_empty_begin_a_history);
	CU_ADD_TEST(suite, test_a_primary_that_lost_its_store_hands_over);
	CU_ADD_TEST(suite, test_one_that_lost_its_store_learns_before_it_promises);
	CU_ADD_TEST(suite, test_a_part_of_a_history_is_not_nothing);
	CU_ADD_TEST(suite, test_leases);
	CU_ADD_TEST(suite, test_without_a_lease_nothing_is_known_not_to_be_applied);
	CU_ADD_TEST(suite, test_a_set_shrinks_and_grows_again);
	CU_ADD_TEST(suite, test_a_lower_minimum_needs_everybody);
	CU_ADD_TEST(suite, test_switchover);
	CU_ADD_TEST(suite, test_promotion_needs_a_stopped_primary);
	CU_ADD_TEST(suite, test_accepted_loss_is_another_history);
	CU_ADD_TEST(suite, test_a_member_whose_removal_is_in_doubt_is_asked);
	CU_ADD_TEST(suite, test_what_is_pruned_is_loaded);
	CU_ADD_TEST(suite, test_an_empty_store_is_loaded);
	CU_ADD_TEST(suite, test_gate);
	CU_ADD_TEST(suite, test_gate_holds_many_keys);
	CU_ADD_TEST(suite, test_the_row_is_read_after_the_check);
}
