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
 *  - `now` is a clock that goes on while the machine sleeps, and whose rate differs from the other
 *    replicas' by 5% at most: read leases rest on that, and on nothing else about time.
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
#define CORE_BACKOFF_MS 100          /* doubled after every attempt: 100, 200 */
#define CORE_RESEND_MS 250           /* a batch in doubt goes on being sent this often */
#define CORE_QUEUE_WAIT_MS 2000      /* an operation waits this long to be started */
#define CORE_QUEUE_MAX 8192          /* operations */
#define CORE_BATCH_MAX 512           /* operations */
#define CORE_LEASE_MS 1000           /* the holder counts it from its own sending ... */
#define CORE_GRANTED_MS 1100         /* ... the granter from having that */
#define CORE_OUTBID_MS 500           /* a primary that was outbid asks again after this long */
#define CORE_CAMPAIGN_MS 5000        /* a promotion that has not won by then is given up */
#define CORE_HELLO_MS 200            /* a replica without history asks around this often */
#define CORE_COMMAND_MS 10000        /* a command that is not done by then is answered TIMED_OUT */
#define CORE_LOAD_BYTES (512u << 10) /* of rows in a LOAD, about */
#define CORE_PEERS_MAX (SET_MEMBERS_MAX + 1) /* and one that is being added */

/* What a replica acts as now; it changes with the log and with promises. */
enum core_role { CORE_PRIMARY, CORE_BACKUP };

enum core_phase {
	/* primary, in this order */
	CORE_PROMISING, /* has taken a higher epoch, waits for every member's promise (R1, R2) */
	CORE_ADOPTING,  /* fetches the longest log among them (R2) */
	CORE_TAIL,      /* commits what its log holds above applied_seq (R3) */
	CORE_ACTIVE,    /* takes operations */
	/* backup */
	CORE_EMPTY,   /* has no history: asks the others who they are */
	CORE_LOADING, /* gets the primary's tables; the log it then needs is not all here yet */
	CORE_JOINING, /* not confirmed, or behind: serves nothing (R2, R7) */
	CORE_IN_SYNC  /* serves reads, while it has a lease where one is needed */
};

struct core_config {
	uint32_t self;                  /* own replica id, 1 to 31 */
	struct set first;               /* the set as the node file has it: all in sync, wanted 0 */
	uint64_t boot;                  /* random, not 0, new at every start */
	struct uuid incarnation_if_new; /* what a history that begins here is called */
	const struct machine *machine;
};

/* What a replica has bound itself to. */
struct core_pledge {
	struct epoch promised;   /* it follows no older one; a primary's: its own */
	struct epoch yielded;    /* the highest it promised to another replica */
	struct uuid incarnation; /* the history it belongs to; nil: none yet */
	struct uuid formerly;    /* the history that one replaced with loss; nil: none */
	struct epoch began; /* where this replica named the history: without an entry of that term
			       or a later one, the name is void */
};

/* What the store held at start; all zero: an empty store. */
struct core_durable {
	struct core_pledge pledge;
	struct position last;
	struct position applied;
	struct set set;         /* as of `applied`; .count 0: none */
	uint64_t partial_until; /* the tables are exact once this is applied; 0: they are */
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

enum core_told {
#define TOLD(name, word) TOLD_##name,
#include "replica/core/told.def"
#undef TOLD
};

enum core_action_kind {
	ACT_PEER,     /* replica .peer.id is spoken to at .peer.address from now on */
	ACT_SAVE,     /* .save, to be durable at the next FLUSH */
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
	ACT_GATE,      /* gate_set_open(.gate.open, .gate.until) */
	ACT_LOAD,      /* .rows (effects) into the tables of a store without log, which is partial
			  from then on: partial_until is UINT64_MAX */
	ACT_LOADED,    /* applied_seq and the end of the log are .loaded.base (which may be 0), the
			  set is .loaded.set (.count may be 0), partial_until is .loaded.until; then
			  gate_set_applied */
	ACT_TOLD,      /* .told.result to whoever gave the command .told.ticket */
	ACT_ABANDON    /* this store is of no use here any more: the process sets it aside and ends,
			  to start again with an empty one. Always the last action */
};

struct core_action {
	enum core_action_kind kind;
	union {
		struct {
			uint32_t id;
			const char *address;
		} peer;
		struct core_pledge save;
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
		struct {
			bool open;
			uint64_t until; /* as `now`; UINT64_MAX: no lease is needed */
		} gate;
		struct {
			const uint8_t *rows;
			size_t rows_len;
		};
		struct {
			struct position base;
			uint64_t until;
			const struct set *set;
		} loaded;
		struct {
			uint64_t ticket;
			enum core_told result;
		} told;
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
	bool in_doubt;          /* a batch has used up its attempts and is still being resent */
	bool writable;          /* an operation arriving now would be started */
	struct set set;         /* the latest in the log; .count 0: none yet */
	bool set_committed;     /* it is in the tables, too */
	uint64_t partial_until; /* as in core_durable */
	uint64_t read_until;    /* what the gate was last told; 0: closed */
	size_t queued;
	uint64_t batches, batched_ops; /* totals since start */
	struct {
		uint32_t id;
		bool reachable; /* answered its last message in time */
		bool matches; /* its log is known to end where ours does, or was when last heard */
		bool loading;
		uint32_t chunk; /* of the load, the last one it has */
		struct position last;
	} peers[CORE_PEERS_MAX];
	unsigned peer_count;
};

enum core_command_kind {
	COMMAND_MIN_INSYNC, /* primary: .min_insync replicas must be in sync; 0: all */
	COMMAND_ADD,        /* primary: .id at .address becomes a member, once it has everything */
	COMMAND_REMOVE,     /* primary: .id is none any more; .lost: its store will not come back */
	COMMAND_HAND_OVER,  /* primary: .id, which is in sync, becomes primary */
	COMMAND_PROMOTE     /* backup: become primary without the primary's help. Refused where a
			       committed entry could be lost (R10), unless .accept_data_loss */
};

struct core_command {
	enum core_command_kind kind;
	uint64_t ticket; /* given back with ACT_TOLD */
	uint32_t id;
	char address[SET_ADDRESS];
	uint32_t min_insync;
	bool lost; /* .id is, for good; REMOVE, or PROMOTE where its promise is needed */
	bool accept_data_loss;
	/* The operator's word that the old primary and its host's caches serve nothing any more.
	 * Needed where no lease tells (min = all). */
	bool primary_stopped;
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
const struct core_actions *core_command(
    struct core *c, uint64_t now, uint64_t wall, const struct core_command *command);
const struct core_actions *core_send_failed(
    struct core *c, uint64_t now, uint64_t wall, uint32_t to, uint64_t request);

/* When core_tick wants to be called next, at the latest. */
uint64_t core_deadline(const struct core *c);
void core_status(const struct core *c, struct core_status *out);

#endif
