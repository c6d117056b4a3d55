/*
 * The core's own state, shared by its files:
 *   core.c     life cycle, inputs, status     actions.c  the action list and what it points to
 *   log.c      the log both roles keep        backup.c   answering a primary
 *   primary.c  a term of office: promises, adoption, tail, commit
 *   peer.c     a primary's talk with one backup: sending, time-outs, attempts, answers
 *   batch.c    the queue of operations and the batch in flight
 */
#ifndef BAZAR_CORE_INTERNAL_H
#define BAZAR_CORE_INTERNAL_H

#include "replica/core/core.h"
#include "replica/core/plant.h"

/* What a primary knows of one backup. */
struct peer {
	uint32_t id;
	uint64_t boot;     /* as last heard; 0: never */
	uint64_t request;  /* the one whose answer is waited for; 0: none */
	uint64_t due;      /* when `request` times out, or when the next message goes */
	unsigned attempts; /* failed ones of the batch in flight */
	unsigned gaps;     /* VERDICT_GAP in a row */
	bool promised;     /* our epoch */
	bool reachable;
	struct position match;         /* its log is durable and like ours up to here, at least */
	struct position last, applied; /* as it says itself */
	uint64_t told;                 /* the commit it was last sent */
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

struct core {
	uint32_t self;
	enum core_role role;
	uint64_t boot;
	struct uuid incarnation_if_new;
	const struct machine *machine;

	enum core_phase phase;
	uint64_t now, wall;

	struct epoch promised; /* a primary's: its own epoch */
	struct uuid incarnation;

	/* The log: what is applied is on disk, what is not is here as well. All that is known to be
	 * committed is applied at once, so there is no commit position besides. */
	struct position applied, last;
	uint64_t last_time;  /* of the entry `last` */
	struct entry **tail; /* entries applied+1 .. last */
	size_t tail_count, tail_cap;
	bool applying; /* an APPLY is in this step's list: the tables are not there yet */

	/* backup */
	uint64_t promised_to; /* boot of the primary we promised; 0: not since our own start */

	/* primary */
	struct peer peers[CORE_MEMBERS_MAX];
	unsigned peer_count;
	struct peer *source;     /* adopting: who has the longest log */
	struct position fetched; /* adopting: up to where it was compared with ours */
	uint64_t last_request;
	struct queue *queue; /* NULL at a backup */
	struct caller callers[CORE_BATCH_MAX];
	size_t caller_count;
	bool in_doubt; /* what is in flight is, if anything */
	uint64_t batches, batched_ops;

	struct core_actions actions;
	void **kept; /* memory the action list points to, freed by the next step */
	size_t kept_count, kept_cap;
};

/* actions.c */
struct core_action *act(struct core *c, enum core_action_kind kind);
void act_entries(
    struct core *c, enum core_action_kind kind, struct entry *const *entries, size_t count);
void act_save(struct core *c); /* promised and incarnation */
void act_answer(struct core *c, uint64_t ticket, enum core_result result, const uint8_t *answer,
    size_t answer_len);
void act_gate(struct core *c, bool open);
void act_floor_all(struct core *c); /* to the last seq */
/* A SEND whose header says who and where we are; the caller fills in the rest. */
struct message *act_send(struct core *c, enum message_kind kind, uint32_t to);
void *keep(struct core *c, void *memory); /* until the next step; returns it */
void actions_reset(struct core *c);

/* log.c */
struct entry *log_tail_at(const struct core *c, uint64_t seq); /* NULL: not in the tail */
/* False: this place of the log can't be read (beyond its end, or pruned). */
bool log_position(const struct core *c, uint64_t seq, struct position *out);
bool log_holds(const struct core *c, struct position at);
/* Adds entries to the tail, which takes them over: the memory only, no action. */
void log_push(struct core *c, struct entry *e);
/* Places what a primary sent (or a backup, to an adopting primary) into the log: durable, dirty
 * and floored. False, and nothing done, if an entry that must stay is in the way (R7). */
bool log_place(struct core *c, struct entry *const *entries, size_t count);
void log_apply(struct core *c, uint64_t seq);            /* entries up to seq are committed */
void log_commit(struct core *c, struct position commit); /* the same, if it is in our log (R6) */
/* Fills .prev, .entries and .commit with what follows prev, as much as one message takes. False:
 * the log no longer has it. */
bool log_fill(struct core *c, struct message *m, struct position prev);

/* primary.c */
void primary_start(struct core *c);
void primary_run(struct core *c); /* whatever is due, at the end of every step */
void primary_request(struct core *c, const struct message *m); /* from another "primary" */
void primary_outbid(struct core *c, struct epoch e);
void primary_fence(struct core *c);
bool primary_in_flight(const struct core *c);
bool primary_all_match(const struct core *c);

/* peer.c */
struct peer *peer_find(struct core *c, uint32_t id);
void peer_answer(struct core *c, struct peer *p, const struct message *m);
void peer_learn_match(const struct core *c, struct peer *p); /* from its .last and .applied */
void peer_failed(struct core *c, struct peer *p);
void peer_hurry(struct core *c, struct peer *p); /* forget what is waited for, send now */
void peer_send(struct core *c, struct peer *p);
void peer_run(struct core *c, struct peer *p); /* time-outs and messages due */

/* batch.c */
void batch_submit(struct core *c, struct op **ops, size_t count);
void batch_run(struct core *c); /* starts a batch if one may be; ends waits that lasted too long */
void batch_decided(struct core *c); /* its entries were just applied */
void batch_doubt(struct core *c);   /* its callers are told UNKNOWN */
void batch_refuse(struct core *c);  /* fenced: so is everybody who waits */
uint64_t batch_deadline(const struct core *c);

/* backup.c */
void backup_start(struct core *c);
void backup_message(struct core *c, const struct message *m);

/* core.c */
bool core_history_agrees(const struct core *c, const struct message *m);

#endif
