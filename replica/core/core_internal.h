/*
 * The core's own state, shared by its files:
 *   core.c      life cycle, inputs, status      actions.c  the action list and what it points to
 *   log.c       the log both roles keep         lease.c    who may read until when, at both ends
 *   empty.c     a replica without a history     backup.c   answering a primary
 *   campaign.c  asking for promises (R1, R2, R10)
 *   primary.c   a term of office: adoption, tail, commit
 *   members.c   changes of the set, commands
 *   peer.c      talking to one replica: sending, time-outs, attempts, answers
 *   load.c      giving and taking whole tables
 *   batch.c     the queue of operations and the batch in flight
 */
#ifndef BAZAR_CORE_INTERNAL_H
#define BAZAR_CORE_INTERNAL_H

#include "replica/core/core.h"
#include "replica/core/plant.h"

#define ANSWERS_KEPT 4

/* Tables on their way to a peer. */
struct load {
	bool active;
	uint32_t chunk; /* the one that is sent; from 1 */
	struct position base;
	struct set set; /* at base */
	uint64_t until; /* 0: there is more to read */
	struct buf cursor, rows;
};

/* What is known of another replica. */
struct peer {
	uint32_t id;
	uint64_t boot;     /* as last heard; 0: never */
	uint64_t request;  /* the one whose answer is waited for; 0: none */
	uint64_t sent_at;  /* when that was sent */
	uint64_t due;      /* when `request` times out, or when the next message goes */
	unsigned attempts; /* failed ones in a row */
	unsigned gaps;     /* VERDICT_GAP in a row */
	bool in_part;      /* as it said when asked by an empty one: it is being loaded */
	bool heard;        /* since our start, or since our campaign began */
	bool promised;     /* our epoch */
	bool reachable;
	bool whole;                    /* it has a history, all of it up to `last` */
	struct set set;                /* the latest in its log, as last said */
	struct position match;         /* its log is durable and like ours up to here, at least */
	struct position last, applied; /* as it says itself */
	uint64_t told;                 /* the commit it was last sent */
	uint64_t answered;             /* the latest request it has answered; 0: none */
	uint64_t answered_at;          /* and when */
	uint64_t granted_until;        /* it, or its host's cache, may be read by our leave */
	uint64_t lease_until;          /* by it, a primary may be reading until then */
	struct load load;
};

struct waiting {
	struct op *op;
	uint64_t since;
};

/* A ring. */
struct queue {
	struct waiting slots[CORE_QUEUE_MAX];
	size_t head, count;
};

/* A caller waiting for the batch in flight. */
struct caller {
	uint64_t ticket;
	const struct entry *entry; /* that answers it; in the tail */
	bool replay;               /* it is not the first to ask */
};

/* A promotion that was asked for; a primary that starts again has none. */
struct promotion {
	bool active;
	bool accept_data_loss, primary_stopped;
	bool with_loss; /* won by that only */
	uint64_t since;
};

struct core {
	uint32_t self;
	enum core_role role;
	uint64_t boot;
	struct uuid incarnation_if_new;
	const struct machine *machine;
	struct set first; /* the node file's */

	enum core_phase phase;
	uint64_t now, wall;
	bool abandoned; /* ACT_ABANDON was given: nothing more happens */

	struct core_pledge pledge;
	uint64_t heard_at; /* a primary or candidate; or our own start */

	/* The log: what is applied is on disk, what is not is here as well. All that is known to be
	 * committed is applied at once, so there is no commit position besides. */
	struct position applied, last;
	uint64_t last_time;  /* of the entry `last` */
	struct entry **tail; /* entries applied+1 .. last */
	size_t tail_count, tail_cap;
	bool applying; /* an APPLY is in this step's list: the tables are not there yet */
	uint64_t partial_until;

	/* The set in force is the latest in the log. */
	struct set set, applied_set;
	bool leases; /* a set from the applied one on needs them */

	/* reading */
	uint64_t read_until;  /* as the gate was last told; 0: closed */
	uint64_t lease_until; /* backup: its read lease */
	struct {
		uint64_t request, at;
	} answers[ANSWERS_KEPT]; /* the last ones sent to the primary, and when */
	unsigned answers_next;

	/* backup */
	uint64_t promised_to;      /* boot of the primary we promised; 0: not since our own start */
	uint32_t loaded;           /* the last chunk taken ... */
	struct position load_base; /* ... of the load that begins here */
	uint64_t load_boot;        /* ... by this start of the primary */

	struct peer peers[CORE_PEERS_MAX];
	unsigned peer_count;
	uint64_t last_request;
	uint64_t started;

	/* candidate, primary */
	struct promotion promotion;
	uint64_t campaign_from;  /* no promise is asked for before that */
	uint32_t source;         /* adopting: who has the longest log; 0: ourselves */
	struct position fetched; /* adopting: up to where it was compared with ours */
	struct queue *queue;
	struct caller callers[CORE_BATCH_MAX];
	size_t caller_count;
	bool in_doubt; /* what is in flight is, if anything */
	uint64_t batches, batched_ops;
	uint32_t learner; /* being added; 0: none */
	char learner_address[SET_ADDRESS];
	uint32_t heir; /* being handed over to; 0: nobody */

	/* The command under way. */
	struct core_command command;
	bool commanded;
	uint64_t command_since;
	uint64_t command_seq; /* its entry; 0: none yet */

	struct core_actions actions;
	void **kept; /* memory the action list points to, freed by the next step */
	size_t kept_count, kept_cap;
};

/* actions.c */
struct core_action *act(struct core *c, enum core_action_kind kind);
void act_entries(
    struct core *c, enum core_action_kind kind, struct entry *const *entries, size_t count);
void act_peer(struct core *c, uint32_t id, const char *address);
void act_save(struct core *c); /* promised and history */
void act_answer(struct core *c, uint64_t ticket, enum core_result result, const uint8_t *answer,
    size_t answer_len);
void act_floor_all(struct core *c); /* to the last seq */
void act_abandon(struct core *c);
/* A message whose header says who and where we are; the caller fills in the rest. */
struct message *act_send(struct core *c, enum message_kind kind, uint32_t to);
struct message *act_reply(
    struct core *c, const struct message *request, enum message_verdict verdict);
void *keep(struct core *c, void *memory); /* until the next step; returns it */
void actions_reset(struct core *c);

/* log.c */
struct entry *log_tail_at(const struct core *c, uint64_t seq); /* NULL: not in the tail */
bool log_holds(const struct core *c, struct position at);
/* The log still has what comes after seq. */
bool log_reaches(const struct core *c, uint64_t seq);
/* Adds a new entry to the tail, which takes it over: the memory only, no action. */
void log_push(struct core *c, struct entry *e);
uint64_t log_time(const struct core *c); /* for the next entry */
/* Places what a primary sent (or a backup, to an adopting primary) into the log: durable, dirty
 * and floored. False, and nothing done, if an entry that must stay is in the way (R7). */
bool log_place(struct core *c, struct entry *const *entries, size_t count);
void log_apply(struct core *c, uint64_t seq);            /* entries up to seq are committed */
void log_commit(struct core *c, struct position commit); /* the same, if it is in our log (R6) */
/* Fills .prev, .entries and .commit with what follows prev, as much as one message takes. False:
 * the log no longer has it. */
bool log_fill(struct core *c, struct message *m, struct position prev);
/* Some entries of kind SET came, went or were applied: which sets are in force now? */
void log_find_sets(struct core *c);
/* The log of a store that had none begins at `base`; it is partial until `until`. */
void log_begin(struct core *c, struct position base, const struct set *set, uint64_t until);

/* lease.c */
void lease_promise(struct core *c, uint64_t boot);            /* backup: follows that start */
void lease_answered(struct core *c, const struct message *m); /* backup: m is being answered */
void lease_taken(struct core *c, const struct message *m);    /* backup: m may grant one */
bool lease_overtaken(const struct core *c, const struct message *m); /* backup */
void lease_grant(
    const struct core *c, struct peer *p, struct message *m);      /* primary: in an APPEND */
void lease_heard(const struct core *c, struct peer *p, bool knew); /* primary: it answered */
void lease_restrict(
    struct core *c);            /* closes the gate, or ends it earlier, where the set says so */
void lease_run(struct core *c); /* opens and closes the gate */
bool lease_holds(const struct core *c); /* nobody else can be primary, or have excluded us, yet */
/* Every member that nothing waits for has stopped reading. *until: else ask again then. */
bool lease_all_excluded(const struct core *c, uint64_t *until);

/* empty.c */
bool empty_is(const struct core *c); /* no history of our own, or not all of it */
void empty_start(struct core *c);
void empty_run(struct core *c);
bool empty_may_join(const struct core *c); /* a primary's history: the others were asked first */
bool empty_knows_all_but(const struct core *c, uint32_t id, uint64_t given_up); /* who they are */
void empty_heard(struct core *c, struct peer *p);
enum message_kind empty_asks(const struct core *c, const struct peer *p); /* 0: nothing */

/* campaign.c */
void campaign_start(struct core *c, uint32_t counter); /* with the epoch {counter, self} */
void campaign_promote(struct core *c, bool accept_data_loss, bool primary_stopped);
void campaign_outbid(struct core *c, const struct message *m); /* an OLD_EPOCH answer */
void campaign_without_source(struct core *c); /* whose log was to be adopted: it is lost */
void campaign_run(struct core *c);            /* won, lost, or not yet? */
void campaign_resume(struct core *c);
uint64_t campaign_resume_at(const struct core *c);

/* primary.c */
void primary_won(struct core *c, uint32_t source);
void primary_run(struct core *c); /* whatever is due, at the end of every step */
void primary_step_down(struct core *c);
bool primary_in_flight(const struct core *c);
bool primary_needs(const struct core *c, uint32_t id); /* its word, to commit what is in flight */
bool primary_all_match(const struct core *c);

/* members.c */
void members_learn_peers(struct core *c); /* peers follow the sets */
/* The set in force before the latest: the applied one; where nothing is applied, the log's first.
 */
struct set members_before(const struct core *c);
void members_propose(struct core *c, const struct set *next);
bool members_shrink(struct core *c, const struct peer *p); /* false: it can't be done without it */
void members_run(struct core *c);
void members_command(struct core *c, const struct core_command *command);
void members_applied(struct core *c);
void members_tell(struct core *c, enum core_told result); /* the command under way has ended */
uint64_t members_deadline(const struct core *c);
bool members_given_up(const struct core *c, uint32_t id); /* by the command under way */

/* peer.c */
struct peer *peer_find(struct core *c, uint32_t id);
struct peer *peer_add(struct core *c, uint32_t id, const char *address);
void peer_drop(struct core *c, struct peer *p);
void peer_answer(struct core *c, struct peer *p, const struct message *m);
void peer_learn_match(const struct core *c, struct peer *p); /* from its .last and .applied */
void peer_failed(struct core *c, struct peer *p);
void peer_hurry(struct core *c, struct peer *p); /* forget what is waited for, send now */
void peer_send(struct core *c, struct peer *p);
void peer_run(struct core *c, struct peer *p); /* time-outs and messages due */

/* load.c */
bool load_needed(const struct core *c, const struct peer *p);
struct message *load_request(struct core *c, struct peer *p); /* NULL: not now */
void load_answer(struct core *c, struct peer *p, const struct message *m);
void load_stop(struct peer *p);
void load_take(struct core *c, const struct message *m); /* backup: a LOAD */

/* batch.c */
void batch_submit(struct core *c, struct op **ops, size_t count);
void batch_run(struct core *c); /* starts a batch if one may be; ends waits that lasted too long */
void batch_decided(struct core *c); /* its entries were just applied */
void batch_doubt(struct core *c);   /* its callers are told UNKNOWN */
void batch_refuse(struct core *c);  /* no primary any more: so is everybody who waits */
uint64_t batch_deadline(const struct core *c);

/* backup.c */
void backup_message(struct core *c, const struct message *m);
void backup_follow(struct core *c, struct epoch e); /* on disk before anything else is said */

/* core.c */
bool core_history_agrees(const struct core *c, const struct message *m);

#endif
