/*
 * The simulator: one seed is one schedule. A small shop (a few books and the topic they share) runs
 * on the real core, gate, read steps, message encoding and cache, over a simulated network, disks,
 * clocks and hosts that fail in every way they may, while an operator changes the replica set. Time
 * is simulated, in microseconds.
 *
 *   main.c     options, many schedules, totals      schedule.c  what goes wrong, and when
 *   world.c    events in the order of time          net.c       messages: lost, doubled, late
 *   node.c     a replica: carries out actions       disk.c      what survives a crash
 *   shop.c     the state machine: books and stock   host.c      a host: its clock, its cache
 *   client.c   writers and readers                  operator.c  commands, and what they promise
 *   oracle.c   what must be true                    history.c   what was committed
 *
 * Every tenth schedule has two such worlds, the catalog and the order service, with the rules, rows
 * and courier of production between them: market.h.
 */
#ifndef BAZAR_SIM_H
#define BAZAR_SIM_H

#include "fcgi/cache/cache.h"
#include "replica/core/core.h"
#include "replica/core/gate.h"
#include "replica/core/read.h"
#include "tests/sim/random.h"

#define SIM_NODES 4
#define SIM_BOOKS 3
#define SIM_KEYS (SIM_BOOKS + 1) /* the last is the topic of all books */
#define SIM_OPS 64
#define SIM_LOG 768   /* entries a schedule can have */
#define SIM_SEEN 1536 /* all that were ever prepared, decided or not */
#define SIM_WRITERS 3
#define SIM_READERS 4
#define SIM_INBOX 64
#define SIM_PENDING 64
#define SIM_ROWS 64     /* bytes of rows in a LOAD: two rows */
#define SIM_MS 1000u    /* microseconds */
#define SIM_CHORES 100u /* ms: how often a process looks after log and cache */

/* ---- shop.c: tables, operations, machine ---- */

struct row {
	uint64_t version; /* seq of the entry that wrote it */
	int64_t stock;
};

struct table {
	struct row rows[SIM_KEYS];
	uint64_t decided[SIM_OPS]; /* seq of the operation's entry; 0: none */
	int64_t answers[SIM_OPS];
	bool real;      /* the rows are those of a service, and kept elsewhere: market.h */
	struct set set; /* .count 0: none */
};

struct node;
struct world;
struct market;
struct letter;

uint64_t shop_key(unsigned key);
struct uuid shop_op_id(unsigned op);
unsigned shop_op(const struct uuid *id);
struct op *shop_new_op(const struct world *w, unsigned op, uint64_t ticket);
/* What the operation does to the table, and its answer: stock left, or -1 when refused. */
int64_t shop_execute(struct table *t, unsigned book, int64_t delta);
void shop_apply(struct table *t, const struct entry *e);               /* the entry's effects */
void shop_load(struct table *t, const uint8_t *rows, size_t rows_len); /* as dumped */
bool shop_same(const struct table *a, const struct table *b);
struct machine shop_machine(struct node *n);

/* ---- disk.c ---- */

enum record_kind { REC_SAVE, REC_APPEND, REC_TRUNCATE, REC_APPLY, REC_PRUNE, REC_LOAD, REC_LOADED };

/* What the log and the tables on a disk hold. */
struct store {
	struct core_pledge pledge;
	struct entry *log[SIM_LOG]; /* entry seq is at seq - 1; owned by the oracle */
	uint64_t log_first;         /* the oldest not pruned */
	uint64_t log_len;           /* seq of the last */
	struct position base;       /* where the log begins, of a store that was loaded */
	uint64_t applied;
	uint64_t partial_until;
	struct table table;
};

struct record {
	enum record_kind kind;
	uint64_t seq; /* LOADED: until */
	struct entry *entry;
	union {
		struct core_pledge save;
		struct {
			uint8_t rows[SIM_ROWS];
			size_t rows_len;
		};
		struct {
			struct position base;
			const struct set *set;
		};
	};
};

struct disk {
	struct store live;    /* as the running process sees it */
	struct store durable; /* as a crash would leave it at least */
	struct record pending[SIM_PENDING];
	size_t pending_count;
	struct set loaded_set; /* a store is loaded only once */
};

void disk_write(struct disk *d, struct record r);
void disk_flush(struct disk *d);
void disk_crash(struct disk *d, struct random *r); /* some of what was not flushed survives */
void disk_wipe(struct disk *d);
void disk_load(const struct disk *d, struct core_durable *out); /* what core_new wants */
struct position disk_end(const struct store *s);
/* The set in force by this log: the latest in it, applied or not. NULL: none. */
const struct set *disk_set(const struct store *s, struct set *space);

/* ---- host.c ---- */

/* Replicas of a host share its clock and its cache. The clock runs a little fast or slow, and
 * begins anew at a power cut. */
struct host {
	void *memory;
	size_t size;
	struct cache *cache;
	uint64_t started;  /* the world's time when the clock showed `base` */
	uint64_t base;     /* ms */
	int rate;          /* fast by so many millionths */
	uint32_t expected; /* replicas that the segment waits for: bits */
	uint64_t paused_until;
};

void host_format(struct world *w, unsigned host); /* a new, empty segment */
void host_boot(struct world *w, unsigned host);   /* another time, and a new segment */
void host_free(struct host *h);
uint64_t host_now(const struct world *w, unsigned host);            /* ms */
uint64_t host_when(const struct world *w, unsigned host, uint64_t); /* the world's time of it */

/* ---- node.c ---- */

enum input_kind { INPUT_MESSAGE, INPUT_OP, INPUT_SEND_FAILED, INPUT_COMMAND };

struct input {
	enum input_kind kind;
	struct packet *packet; /* MESSAGE */
	uint64_t ticket;       /* OP */
	uint32_t peer;         /* SEND_FAILED */
	uint64_t request;
};

struct node {
	struct world *world;
	uint32_t id;
	unsigned host;
	bool stopped;          /* by the operator: not started again until told */
	bool gone;             /* for good, with its store */
	uint64_t paused_until; /* nothing runs before */
	/* the process */
	struct core *core; /* NULL: down */
	struct gate *gate;
	uint64_t boot;
	struct uuid incarnation, formerly; /* saved last */
	const struct core_actions *todo;
	size_t todo_next;
	size_t crash_at; /* dies before this action */
	bool waited;     /* for the action at todo_next to take its time */
	uint64_t tick_at;
	bool addressed[SIM_NODES + 1]; /* it was told where that replica is */
	struct input inbox[SIM_INBOX];
	size_t inbox_head, inbox_count;
	uint64_t tickets[SIM_OPS]; /* accepted, not answered */
	size_t ticket_count;
	/* the disk */
	struct machine machine;
	struct table scratch;
	struct disk disk;
	/* Its store was lost, and has not had all that is committed since: nobody can blame it. */
	bool amnesia;
};

void node_address(uint32_t id, char text[SET_ADDRESS]);
void node_start(struct node *n);
void node_crash(struct node *n);
void node_lose_disk(struct node *n); /* crashes, too */
void node_pause(struct node *n, uint64_t us);
bool node_paused(const struct node *n);
bool node_alive(const struct node *n);
uint64_t node_now(const struct node *n); /* its clock, ms */
bool node_serves(const struct node *n);  /* its gate is open now */
void node_input(struct node *n, struct input in);
void node_run(struct node *n); /* goes on with actions, then inputs */
void node_tick(struct node *n);
void node_chores(struct node *n);
struct core_status node_status(const struct node *n);

/* ---- net.c ---- */

struct packet {
	unsigned references;
	uint32_t from, to;
	uint64_t request; /* 0: an answer */
	size_t len;
	uint8_t bytes[];
};

void net_send(struct world *w, const struct message *m);
void net_deliver(struct world *w, struct packet *p);
void net_release(struct packet *p);

/* ---- client.c ---- */

struct writer {
	int op; /* -1: none */
	uint64_t ticket;
	bool waiting; /* for the answer to `ticket` */
	bool quits;   /* gives up when told UNKNOWN */
};

struct reader {
	struct node *node; /* NULL: idle */
	uint64_t boot;     /* of the process asked */
	unsigned key;
	unsigned stage;
	struct read read;
	uint64_t now;      /* as its host's clock said before this stage */
	uint64_t since;    /* waiting */
	uint64_t at_least; /* the version it must see */
	uint64_t seq;
	struct row row;
	bool overtaken; /* by another history */
};

void client_write(struct world *w, unsigned writer);
void client_read(struct world *w, unsigned reader);
void client_answer(struct world *w, uint64_t ticket, enum core_result result);
void client_lost(struct world *w, uint64_t ticket); /* the connection broke */
bool client_all_done(const struct world *w);

/* ---- operator.c ---- */

struct admin {
	uint64_t ticket; /* of the command under way; 0: none */
	struct core_command command;
	struct node *node;  /* it was given to */
	uint64_t without;   /* a primary, since then; 0: there is one */
	bool loss_accepted; /* ever */
	/* A command may have such an effect: the one under way, or an earlier one whose end is
	 * not known. */
	bool set_may_change, min_may_change;
	bool set_uncertain, min_uncertain;
	unsigned may_lead; /* bits: replicas that were told to become primary */
};

void operator_act(struct world *w);
void operator_told(struct node *n, uint64_t ticket, enum core_told result);
void operator_lost(struct node *n); /* the process died */

/* ---- oracle.c, history.c ---- */

struct sim_op {
	unsigned book;
	int64_t delta;
	unsigned outstanding; /* calls not answered */
	unsigned calls;
	bool denied;   /* the last answer was NOT_APPLIED, and there was no call since */
	bool promised; /* told UNKNOWN while it was in the primary's log */
	bool acked;
};

struct oracle {
	struct entry *seen[SIM_SEEN]; /* every entry ever prepared, by (epoch, seq) */
	size_t seen_count;
	/* The history in force. Where loss was accepted, another takes its place. */
	struct uuid incarnation;
	struct entry *committed[SIM_LOG];
	uint64_t committed_count;
	struct table table;                     /* of what is committed */
	int64_t history[SIM_KEYS][SIM_LOG + 1]; /* stock at a version */
	bool is_version[SIM_KEYS][SIM_LOG + 1];
	uint64_t newest[SIM_KEYS]; /* version somebody was told or has read */
	bool replaced;
	struct {
		struct epoch epoch;
		struct uuid incarnation;
		uint64_t boot; /* of the process that led it */
	} terms[SIM_LOG];
	size_t term_count;
	bool failed;
	char why[256];
};

void oracle_fail(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct entry *oracle_prepared(struct world *w, const struct entry *e); /* the one copy of it (I3) */
void oracle_leads(struct node *n, struct epoch e); /* it speaks as this epoch's primary (I2) */
void oracle_truncated(struct node *n, uint64_t seq);
void oracle_applied(struct node *n, struct entry *const *entries, size_t count);
void oracle_opened(struct node *n); /* its gate */
void oracle_abandoned(struct node *n);
void oracle_began(struct node *n, struct uuid incarnation, struct uuid formerly);
void oracle_answered(
    struct node *n, unsigned op, enum core_result result, const uint8_t *answer, size_t len);
void oracle_read(struct world *w, const struct reader *r, bool cached);
void oracle_survived(struct node *n); /* after a crash or a flush: what must be on its disk */
void oracle_end(struct world *w);     /* everything has come to rest */
void oracle_free(struct oracle *o);

/* Of the history in force, or not heard of it. */
bool oracle_current(const struct node *n);
void history_commit(struct world *w, struct entry *e);
/* The replica's history takes the place of the one in force. */
void history_replace(struct node *n);

/* ---- world.c, schedule.c ---- */

enum event_kind {
	EV_DELIVER,
	EV_SEND_FAILED,
	EV_RUN,
	EV_TICK,
	EV_CHORES,
	EV_START,
	EV_WRITER,
	EV_READER,
	EV_FAULT,
	EV_OPERATOR,
	EV_CALM,
	EV_BUYER,
	EV_LETTER
};

struct event {
	uint64_t at;
	uint64_t order; /* of equal times */
	enum event_kind kind;
	uint32_t index; /* node, writer or reader */
	uint64_t boot;  /* RUN, TICK, CHORES: of the process meant */
	uint64_t request;
	uint32_t peer;
	struct packet *packet;
	struct letter *letter;
};

/* How this schedule is: drawn from its seed. Chances in permille. */
struct mood {
	unsigned nodes, members, hosts, writers, readers, ops;
	unsigned astray, loss, twice, late, crash_step, crash_fault, slow_disk, yield;
	unsigned delay_us;    /* of a message, about */
	unsigned fault_ms;    /* between faults, about */
	unsigned operator_ms; /* between commands, about; 0: none */
	unsigned keep;        /* entries of the log, at least */
	unsigned chunk;       /* rows in a LOAD */
	uint64_t calm_at;     /* no more faults from then on */
	bool wipes, cuts, pauses, losses, leavers;
};

struct totals {
	uint64_t schedules, steps, crashes, lost, wipes, pauses, reads, hits, refused_reads;
	uint64_t decided, unknown, not_applied, simulated_ms;
	uint64_t shrinks, grows, terms, loads, abandoned, replaced, gone;
	uint64_t commands, done[5];
	uint64_t bought, carts, bought_later, bought_unknown, trips;
};

struct world {
	struct random random;
	struct mood mood;
	uint64_t seed;
	uint64_t now;
	bool calm;
	bool losses; /* asked for, whatever the seed says */
	bool trace;
	/* A disk was lost, or somebody else led: what was only prepared may be gone. */
	bool forgetful;
	struct event *heap;
	size_t heap_count, heap_cap;
	uint64_t order;
	unsigned at_once; /* events at this very time */
	uint64_t boots;
	bool cut[SIM_NODES + 1][SIM_NODES + 1];
	struct node nodes[SIM_NODES];
	struct host hosts[SIM_NODES];
	struct set first; /* as the node file has it */
	struct writer writers[SIM_WRITERS];
	struct reader readers[SIM_READERS];
	struct sim_op ops[SIM_OPS];
	unsigned op_count;
	uint64_t calls;
	struct admin admin;
	struct oracle oracle;
	struct totals *totals;
	struct market *market; /* NULL: a world of its own */
};

void world_at(struct world *w, uint64_t delay, struct event e);
struct node *world_node(struct world *w, uint32_t id);
struct node *world_primary(struct world *w);  /* the active one of the latest epoch, or NULL */
struct node *world_ask_whom(struct world *w); /* where a front sends writes: mostly to that one */

void schedule_begin(struct world *w);
void schedule_fault(struct world *w);
void schedule_calm(struct world *w);
bool schedule_at_rest(struct world *w);
/* Could this replica lose its disk now, and nothing that was promised? */
bool schedule_can_spare(struct world *w, const struct node *n);
bool schedule_leave(struct world *w, struct node *n); /* for good, if this schedule has that */
/* Runs one schedule. False: it failed; `why` tells. With `losses` it is one of those in which the
 * operator may accept that data are lost, as one in ten is otherwise. */
bool schedule_run(uint64_t seed, bool losses, bool trace, struct totals *totals, char why[256]);

#define TRACE(w, ...)                                                                              \
	do {                                                                                       \
		if ((w)->trace)                                                                    \
			world_trace(w, __VA_ARGS__);                                               \
	} while (0)
void world_trace(const struct world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
