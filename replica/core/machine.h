/*
 * The state machine that the log replicates: what catalog and order are to the protocol.
 *
 * All calls come from one thread (the replicator, or the simulator) and change nothing. begin and
 * execute are called at the primary only, and only while the whole log is applied; log_read at
 * every replica, as are log_first and dump.
 */
#ifndef BAZAR_CORE_MACHINE_H
#define BAZAR_CORE_MACHINE_H

#include "fcgi/base/buf.h"
#include "fcgi/base/uuid.h"

/* An operation on its way to become an entry. */
struct op {
	struct uuid id; /* the same id: the same operation, decided once */
	uint64_t
	    ticket;   /* the driver's own name for the waiting caller; given back with the answer */
	uint8_t kind; /* the machine's own */
	struct buf args; /* the machine's own */
};

struct op *op_new(struct uuid id, uint64_t ticket, uint8_t kind, const struct buf *args);
void op_free(struct op *op);

/* What executing an operation gives: see struct entry. All three are empty when handed over. */
struct outcome {
	struct buf effects;
	struct buf answer;
	struct buf keys; /* uint64_t in host byte order, one after the other */
};

struct machine {
	void *ctx;
	/* Was this operation decided before? Then its stored answer is appended to *answer. Reads
	 * the tables only, never what begin/execute prepared. */
	bool (*decided)(void *ctx, const struct op *op, struct buf *answer);
	/* A new batch starts: forget what the last one prepared. */
	void (*begin)(void *ctx);
	/* Decide the operation on top of the tables and of what was executed since begin. Always
	 * gives an answer; a refusal is an answer too. Deterministic. An outcome that breaks the
	 * limits of an entry (entry.h) is thrown away, and the operation answered NOT_APPLIED. */
	void (*execute)(void *ctx, const struct op *op, uint64_t time_ms, struct outcome *out);
	/* The log's entry `seq`, read from disk; NULL when it is not (or no longer) there. Caller
	 * frees. */
	struct entry *(*log_read)(void *ctx, uint64_t seq);
	/* The oldest seq log_read still has; 0: none. */
	uint64_t (*log_first)(void *ctx);
	/* Some more of the tables as they are applied now: appends rows (as effects that put them)
	 * to *rows, from *cursor on (empty: from the first), about `max` bytes but at least one row
	 * when there is one. *cursor becomes where to go on. False: that was the last. */
	bool (*dump)(void *ctx, struct buf *cursor, size_t max, struct buf *rows);
};

#endif
