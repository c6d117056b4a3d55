/* Carrying out the core's actions, each finished before the next. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/failpoint.h"
#include "fcgi/log.h"
#include "replica/replicator.h"

/* A new or replaced segment believes nothing before every replica of the host has joined it. A
 * store without a history has nothing to say yet. */
void
perform_join_cache(struct replica *r)
{
	if (r->cache == NULL || uuid_is_nil(&r->incarnation) ||
	    cache_joined(r->cache, r->self, r->incarnation.bytes))
		return;
	int refused = cache_join(r->cache, r->self, r->incarnation.bytes, r->last_seq);
	if (refused != 0 && !r->cache_refused)
		log_warn(
		    "the cache cannot be joined (%s); it stays off until it can", strerror(errno));
	r->cache_refused = refused != 0;
}

/* While any replica of the host may read, so may whoever looks into the host's cache. */
void
perform_extend_cache(struct replica *r)
{
	uint64_t now = clock_ms(), until = now + CORE_LEASE_MS;
	if (until > r->serves_until)
		until = r->serves_until;
	if (r->cache != NULL && until > now &&
	    cache_joined(r->cache, r->self, r->incarnation.bytes))
		cache_extend(r->cache, until);
}

static void
save(struct replica *r, const struct core_action *a)
{
	store_save(r->store, &a->save);
	r->incarnation = a->save.incarnation;
	perform_join_cache(r);
}

static void
append(struct replica *r, const struct core_action *a)
{
	store_append(r->store, a->entries, a->count);
	r->last_seq = a->entries[a->count - 1]->at.seq;
}

static void
truncate_log(struct replica *r, uint64_t from_seq)
{
	store_truncate(r->store, from_seq);
	reads_truncate(r, from_seq);
	r->last_seq = from_seq - 1;
}

static void
raise_floors(struct replica *r, const struct core_action *a)
{
	if (r->cache == NULL)
		return;
	for (size_t i = 0; i < a->count; i++) {
		const struct entry *e = a->entries[i];
		cache_raise(r->cache, e->keys, e->key_count, e->at.seq);
	}
}

static void
apply(struct replica *r, const struct core_action *a)
{
	store_apply(r->store, a->entries, a->count);
	reads_applied(r, a->entries[a->count - 1]->at.seq);
}

/* The tables are another replica's now, and the log goes on behind them. */
static void
end_load(struct replica *r, const struct core_action *a)
{
	store_load_end(r->store, a->loaded.base, a->loaded.until, a->loaded.set);
	reads_applied(r, a->loaded.base.seq);
	r->last_seq = a->loaded.base.seq;
}

static void
open_gate(struct replica *r, const struct core_action *a)
{
	reads_open(r, a->gate.open, a->gate.until);
	r->serves_until = a->gate.open ? a->gate.until : 0;
	perform_extend_cache(r);
}

/* Requests go to the network; an answer goes to the peer thread that brought the question. */
static void
send_message(struct replica *r, const struct message *m)
{
	if (!message_is_answer(m)) {
		struct buf body = {0};
		if (m->entry_count > 0) {
			r->entries_to[m->to].request = m->request;
			r->entries_to[m->to].sent_ns = clock_ns();
		}
		message_encode(m, &body);
		peer_client_send(r->client, m->to, m->request, &body);
		return;
	}
	struct question *q = r->asking;
	if (q == NULL || q->message.from != m->to || q->message.request != m->request)
		return;
	r->asking = NULL;
	message_encode(m, &q->answer);
	inbox_answer(&r->inbox, q, m->verdict == VERDICT_OK ? 200 : 409);
}

void
perform_finish(struct replica *r, struct submission *s, struct replica_answer *answer)
{
	submissions_remove(&r->submitted, s);
	s->done(s->arg, answer);
	buf_free(&answer->bytes);
	free(s);
}

static void
answer_caller(struct replica *r, const struct core_action *a)
{
	struct replica_answer answer = {.result = a->result};
	buf_add(&answer.bytes, a->answer, a->answer_len);
	perform_finish(r, (struct submission *)(uintptr_t)a->ticket, &answer);
}

static void
tell(struct replica *r, const struct core_action *a)
{
	inbox_tell(&r->inbox, (struct instruction *)(uintptr_t)a->told.ticket, a->told.result);
}

static void
perform_one(struct replica *r, const struct core_action *a)
{
	switch (a->kind) {
	case ACT_PEER:
		peer_client_add(r->client, a->peer.id, a->peer.address);
		break;
	case ACT_SAVE:
		save(r, a);
		break;
	case ACT_APPEND:
		append(r, a);
		break;
	case ACT_TRUNCATE:
		truncate_log(r, a->seq);
		break;
	case ACT_FLUSH:
		store_flush(r->store);
		break;
	case ACT_MARK:
		reads_mark(r, a->entries, a->count);
		break;
	case ACT_FLOOR:
		raise_floors(r, a);
		break;
	case ACT_FLOOR_ALL:
		if (r->cache != NULL)
			cache_raise_all(r->cache, a->seq);
		break;
	case ACT_SEND:
		send_message(r, &a->message);
		break;
	case ACT_APPLY:
		apply(r, a);
		break;
	case ACT_ANSWER:
		answer_caller(r, a);
		break;
	case ACT_GATE:
		open_gate(r, a);
		break;
	case ACT_LOAD:
		store_load_rows(r->store, a->rows, a->rows_len);
		break;
	case ACT_LOADED:
		end_load(r, a);
		break;
	case ACT_TOLD:
		tell(r, a);
		break;
	case ACT_ABANDON:
		store_abandon(r->store, "superseded by the primary's");
		break;
	}
}

#ifdef FAILPOINTS
/* E.g. "2 before flush", of replica 2. */
static void
pass(const struct replica *r, const char *when, const struct core_action *a)
{
	static const char *const names[] = {[ACT_APPEND] = "append",
	    [ACT_FLUSH] = "flush",
	    [ACT_APPLY] = "apply",
	    [ACT_ANSWER] = "answer"};
	char place[64];
	if (a->kind >= sizeof(names) / sizeof(*names) || names[a->kind] == NULL)
		return;
	snprintf(place, sizeof(place), "%u %s %s", r->self, when, names[a->kind]);
	failpoint(place);
}
#else
#define pass(r, when, a) ((void)0)
#endif

void
perform(struct replica *r, const struct core_actions *actions)
{
	for (size_t i = 0; i < actions->count; i++) {
		pass(r, "before", &actions->list[i]);
		perform_one(r, &actions->list[i]);
		pass(r, "after", &actions->list[i]);
	}
}
