/*
 * The replication protocol as a pure step function: (state, input, time) -> (state, actions).
 * No I/O, no clock, no threads, no randomness. The worker (replica/replicator.c) and the simulator
 * (tests/sim) link this very object and differ only in how they carry out the actions.
 *
 * Contract with the driver
 *  - One thread. core_step is called with one input; then the driver carries out *all* actions of
 * the list in their order, each finished before the next (a SEND is finished when it is on its
 * way), before it calls core_step again. If the process dies between two actions, the next start
 *    finds what the finished ones made durable; every such state is handled.
 *  - APPEND, TRUNCATE and SAVE become durable at the next FLUSH, not before.
 *  - Pointers in actions stay valid until the next core_step.
 *  - Messages may be lost, duplicated, delayed and reordered at will; a message that will certainly
 *    not be answered should be reported by core_send_failed, to save waiting for the time-out.
 */
#ifndef BAZAR_CORE_CORE_H
#define BAZAR_CORE_CORE_H

#include "replica/core/entry.h"
#include "replica/core/machine.h"
#include "replica/core/message.h"

/* Protocol constants, milliseconds unless said otherwise. */
#define CORE_HEARTBEAT_MS 100
#define CORE_ATTEMPTS 3
#define CORE_ATTEMPT_MS 1000
#define CORE_BACKOFF_MS 100     /* doubled after every attempt: 100, 200 */
#define CORE_RESEND_MS 250      /* a batch in doubt goes on being sent this often */
#define CORE_QUEUE_WAIT_MS 2000 /* an operation waits this long to be started */
#define CORE_QUEUE_MAX 8192     /* operations */
#define CORE_BATCH_MAX 512      /* operations */
#define CORE_MEMBERS_MAX 8

enum core_role { CORE_PRIMARY, CORE_BACKUP };

enum core_phase {
	/* primary, in this order */
	CORE_PROMISING, /* has taken a higher epoch, waits for every member's promise (R1, R2) */
	CORE_ADOPTING,  /* fetches the longest log among them (R2) */
	CORE_TAIL,      /* commits what its log holds above applied_seq (R3) */
	CORE_ACTIVE,    /* takes operations */
	CORE_FENCED,    /* met a higher epoch of another primary: serves nothing any more */
	/* backup */
	CORE_JOINING, /* not confirmed, or behind: serves nothing (R2, R7) */
	CORE_IN_SYNC
};

struct core_config {
	uint32_t self; /* own replica id, not 0 */
	enum core_role role;
	uint32_t members[CORE_MEMBERS_MAX]; /* ids of all replicas of this service, own included */
	unsigned member_count;
	uint64_t boot;                  /* random, not 0, new at every start */
	struct uuid incarnation_if_new; /* what a primary with an empty log will call its history */
	const struct machine *machine;
};

/* What the store held at start; all zero: an empty store. */
struct core_durable {
	struct epoch promised;
	struct uuid incarnation; /* nil: none yet */
	struct position last;
	struct position applied;
	/* entries applied+1 .. last, in order; the core takes over the array and the entries */
	struct entry **tail;
	size_t tail_count;
};

/*
 * UNKNOWN and NOT_APPLIED speak of the operation id, as far as it was submitted so far. The last
 * two speak of this one call only: an earlier one with the same id may still be waiting, prepared
 * or decided, so a caller who may be repeating itself must take them as UNKNOWN.
 */
enum core_result {
	CORE_DECIDED,  /* committed and applied here; .answer */
	CORE_REPLAYED, /* was decided before; .answer is the stored one */
	CORE_UNKNOWN,  /* may be prepared, is not confirmed; what is prepared is rolled forward */
	CORE_NOT_APPLIED, /* never started, never will be */
	CORE_NOT_PRIMARY, /* this call started nothing: this replica takes no writes */
	CORE_OVERLOADED   /* this call started nothing: the queue is full */
};

enum core_action_kind {
	ACT_SAVE,     /* promised epoch and incarnation, to be durable at the next FLUSH */
	ACT_APPEND,   /* .entries[.count] to the log */
	ACT_TRUNCATE, /* drop entries with seq >= .seq (never an applied one), then gate_truncate */
	ACT_FLUSH,    /* everything before is on disk when this returns */
	ACT_MARK,     /* gate_mark each of .entries: its keys are dirty up to its seq */
	ACT_FLOOR,    /* raise cache floors: .entries' keys, each to its seq */
	ACT_FLOOR_ALL, /* cache_join: raise every stripe's floor to .seq, for the incarnation saved
			  last */
	ACT_SEND,      /* .message to replica .message.to (an answer when message_is_answer) */
	ACT_APPLY,     /* .entries to the tables with applied_seq, one transaction, then
			  gate_set_applied */
	ACT_ANSWER,    /* .result (and .answer) to the caller .ticket */
	ACT_GATE       /* gate_set_open(.open) */
};

struct core_action {
	enum core_action_kind kind;
	union {
		struct {
			struct epoch promised;
			struct uuid incarnation;
		} save;
		struct {
			struct entry *const *entries;
			size_t count;
		};
		uint64_t seq;
		struct message message; /* its entries belong to the core */
		struct {
			uint64_t ticket;
			enum core_result result;
			const uint8_t *answer;
			size_t answer_len;
		};
		bool open;
	};
};

struct core_actions {
	struct core_action *list;
	size_t count;
	size_t cap;
};

struct core_status {
	enum core_role role;
	enum core_phase phase;
	struct epoch epoch; /* promised */
	struct uuid incarnation;
	struct position last, commit;
	uint64_t applied;
	bool in_doubt; /* a batch has used up its attempts and is still being resent */
	bool writable; /* an operation arriving now would be started */
	size_t queued;
	uint64_t batches, batched_ops; /* totals since start */
	struct {
		uint32_t id;
		bool reachable; /* answered its last message in time */
		bool in_sync; /* its log is known to end where ours does, or was when last heard */
		struct position last;
	} peers[CORE_MEMBERS_MAX];
	unsigned peer_count;
};

struct core;

/* Takes over durable->tail. The first actions come from core_start. */
struct core *core_new(const struct core_config *config, const struct core_durable *durable);
void core_free(struct core *c);

/* Inputs. `now` in milliseconds, never going back; `wall` milliseconds since 1970, for entry times.
 * Each replaces the contents of the core's action list and returns it. */
const struct core_actions *core_start(struct core *c, uint64_t now);
const struct core_actions *core_tick(struct core *c, uint64_t now, uint64_t wall);
const struct core_actions *core_message(
    struct core *c, uint64_t now, uint64_t wall, const struct message *m);
const struct core_actions *core_submit(
    struct core *c, uint64_t now, uint64_t wall, struct op **ops, size_t count); /* takes the ops */
const struct core_actions *core_send_failed(
    struct core *c, uint64_t now, uint64_t wall, uint32_t to, uint64_t request);

/* When core_tick wants to be called next, at the latest. */
uint64_t core_deadline(const struct core *c);
void core_status(const struct core *c, struct core_status *out);

#endif
