/*
 * The replicator thread: takes whatever has come in, lets the core make a step of it, carries the
 * step out, sleeps until there is more. All operations that wait go into one step, so that batches
 * grow with the load.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/log.h"
#include "replica/replicator.h"

#define CHORES_MS 100
/* Entries at once: enough to be worth it, and so that the log's end never waits long for its
 * beginning. */
#define PRUNE_LEAST 100
#define LOG_KEEP_MORE 100000 /* entries, for a replica that is getting them or the tables */
#define PRUNE_MOST 2000
/* All of the log is read at every start. By their number alone, those of an import, a hundred times
 * as long as others, would outgrow the tables. */
#define LOG_BYTES (UINT64_C(64) << 20)

/* ---- Status ---- */

static void
tell_phase(const struct core_status *s)
{
	static const char *const names[] = {
	    [CORE_PROMISING] = "asks for promises",
	    [CORE_ADOPTING] = "adopts the longest log",
	    [CORE_TAIL] = "commits the log's tail",
	    [CORE_ACTIVE] = "is active",
	    [CORE_EMPTY] = "has no history yet",
	    [CORE_LOADING] = "gets the primary's tables",
	    [CORE_JOINING] = "waits to be confirmed",
	    [CORE_IN_SYNC] = "is in sync",
	};
	log_info("%s %s: epoch %u.%u, last entry %llu, applied %llu",
	    s->role == CORE_PRIMARY ? "primary" : "backup", names[s->phase], s->epoch.counter,
	    s->epoch.replica, (unsigned long long)s->last.seq, (unsigned long long)s->applied);
}

/* Who must have a write before it counts is worth a line when it is decided, and when it is so. */
static void
tell_set(const struct set *set, bool committed)
{
	char line[256];
	size_t len = 0;
	for (uint32_t i = 0; i < set->count && len < sizeof(line); i++)
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%u%s, ", set->member[i].id,
		    set->member[i].in_sync ? "" : " (away)");
	if (set->count == 0 || len >= sizeof(line))
		return;
	log_info("the replica set %s %sprimary %u, %u must be in sync",
	    committed ? "is" : "is to be", line, set->primary, set->min);
}

/* Before its actions are carried out: whoever is answered by one of them finds the state it comes
 * from. */
static void
publish_status(struct replica *r)
{
	struct core_status status;

	core_status(r->core, &status);
	bool news = status.phase != r->status.phase || status.role != r->status.role;
	bool other_set = !set_equal(&status.set, &r->status.set) ||
			 status.set_committed != r->status.set_committed;
	if (status.batches != r->status.batches)
		histogram_add(&r->meters.batch, &histogram_counts,
		    status.batched_ops - r->status.batched_ops);
	pthread_mutex_lock(&r->status_lock);
	r->status = status;
	pthread_mutex_unlock(&r->status_lock);
	if (news)
		tell_phase(&status);
	if (other_set)
		tell_set(&status.set, status.set_committed);
}

static void
carry_out(struct replica *r, const struct core_actions *actions)
{
	publish_status(r);
	perform(r, actions);
}

/* ---- Inputs ---- */

/* Nothing in a step's actions answers a message the core makes nothing of: its sender is told so,
 * and need not wait. */
static void
answer_question(struct replica *r, struct question *q)
{
	r->asking = q;
	carry_out(r, core_message(r->core, clock_ms(), clock_wall_ms(), &q->message));
	if (r->asking != NULL)
		inbox_answer(&r->inbox, q, 503);
	r->asking = NULL;
}

/* What is sent at once carries the trace of the first operation that has one. Operations that have
 * to wait for a batch in flight are sent with others, and without. */
static void
submit(struct replica *r, struct submission_list *l)
{
	struct op *ops[INBOX_OPERATIONS];
	size_t count = 0;

	for (struct submission *s = l->first; s != NULL; s = s->next) {
		if (*trace_here() == '\0')
			trace_enter(s->trace);
		ops[count++] = s->op;
	}
	submissions_move(&r->submitted, l);
	carry_out(r, core_submit(r->core, clock_ms(), clock_wall_ms(), ops, count));
	trace_enter(NULL);
}

static void
take_inbox(struct replica *r)
{
	struct submission_list submissions;
	struct question *q, *next;

	submissions_init(&submissions);
	inbox_take(&r->inbox, &submissions, &q);
	for (; q != NULL; q = next) {
		next = q->next;
		answer_question(r, q);
	}
	for (struct instruction *n; (n = inbox_take_instruction(&r->inbox)) != NULL;)
		carry_out(r, core_command(r->core, clock_ms(), clock_wall_ms(), &n->command));
	if (submissions.count > 0)
		submit(r, &submissions);
}

/* The answer to a request of ours, or the news that there will be none. */
static void
request_ended(void *arg, uint32_t id, uint64_t request, int status, const struct buf *answer)
{
	struct replica *r = arg;
	struct message m = {0};
	bool answered = (status == 200 || status == 409) &&
			message_decode(answer->data, answer->len, &m) == 0 && m.from == id;

	if (answered && m.verdict == VERDICT_OK && request == r->entries_to[id].request)
		histogram_add(
		    &r->meters.ack[id], &histogram_seconds, clock_ns() - r->entries_to[id].sent_ns);
	if (answered)
		carry_out(r, core_message(r->core, clock_ms(), clock_wall_ms(), &m));
	else
		carry_out(r, core_send_failed(r->core, clock_ms(), clock_wall_ms(), id, request));
	message_clear(&m);
}

/* ---- Chores ---- */

/* As many as are wanted, or as fit, going by their average. */
static uint64_t
entries_to_keep(const struct replica *r)
{
	uint64_t count, bytes = store_log_size(r->store, &count);
	uint64_t fit = bytes > LOG_BYTES ? count * LOG_BYTES / bytes : UINT64_MAX;
	return fit < r->log_keep ? fit : r->log_keep;
}

/*
 * Entries go when they are applied and old, whoever is away: a replica that comes back too late
 * gets the tables. Only one that is being given them, or that is catching up right now, is waited
 * for, and not for ever.
 */
static uint64_t
keep_from(const struct replica *r, const struct core_status *s)
{
	uint64_t longest = r->log_keep + LOG_KEEP_MORE, keep = entries_to_keep(r);
	uint64_t most = s->applied > longest ? s->applied - longest : 0;
	uint64_t from = s->applied > keep ? s->applied - keep : 0;
	for (unsigned i = 0; i < s->peer_count; i++) {
		uint64_t has = s->peers[i].loading ? 0 : s->peers[i].last.seq;
		if (s->peers[i].reachable && has < from)
			from = has > most ? has : most;
	}
	return from;
}

static void
prune(struct replica *r, const struct core_status *status)
{
	uint64_t from = keep_from(r, status), first = store_log_first(r->store);
	if (first == 0 || from < first + PRUNE_LEAST)
		return;
	store_prune(r->store, from < first + PRUNE_MOST ? from : first + PRUNE_MOST);
}

static void
do_chores(struct replica *r, uint64_t now)
{
	if (now < r->chores_at)
		return;
	r->chores_at = now + CHORES_MS;
	atomic_store_explicit(&r->seen_ms, now, memory_order_relaxed);
	perform_join_cache(r);
	perform_extend_cache(r);
	prune(r, &r->status);
}

/* ---- The thread ---- */

/* Asked to stop, and nobody waits any more, or has waited long enough. */
static bool
finished(struct replica *r, uint64_t now)
{
	uint64_t stop_by = atomic_load(&r->stop_by);
	return stop_by != 0 && (r->submitted.count == 0 || now >= stop_by);
}

/* With a batch in flight operations can only wait: its end is the time to look at them. */
static enum inbox_sleep
how_deep(const struct core_status *s)
{
	bool in_flight = s->phase == CORE_ACTIVE && s->last.seq > s->applied;
	return in_flight ? INBOX_DEEP : INBOX_LIGHT;
}

static void
rest(struct replica *r)
{
	uint64_t now = clock_ms(), until = core_deadline(r->core);
	if (until > r->chores_at)
		until = r->chores_at;
	if (until > now && inbox_fall_asleep(&r->inbox, how_deep(&r->status)))
		peer_client_wait(r->client, (unsigned)(until - now));
}

/* The core has them, so they may be in the log. */
static void
dismiss_all(struct replica *r)
{
	for (struct submission *s; (s = r->submitted.first) != NULL;) {
		struct replica_answer answer = {.result = CORE_UNKNOWN};
		perform_finish(r, s, &answer);
	}
}

void *
replicator_main(void *replica)
{
	struct replica *r = replica;

	carry_out(r, core_start(r->core, clock_ms()));
	for (;;) {
		take_inbox(r);
		peer_client_run(r->client, request_ended, r);
		if (clock_ms() >= core_deadline(r->core))
			carry_out(r, core_tick(r->core, clock_ms(), clock_wall_ms()));
		do_chores(r, clock_ms());
		if (finished(r, clock_ms()))
			break;
		rest(r);
	}
	take_inbox(r); /* what came in just before it was closed */
	dismiss_all(r);
	inbox_tell_all(&r->inbox, TOLD_TIMED_OUT);
	return NULL;
}
