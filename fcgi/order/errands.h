/*
 * The courier's decisions: which order goes to which replica of the catalog, what an answer means,
 * what ends an order, when to ask again, what a buyer is told. Pure: no threads, no clock, no I/O.
 * The worker (courier.c) and the simulator link this very object and differ in how they carry out
 * what it says.
 *
 *     errands_buy -> ORDER_BEGIN -> errands_begun -> queue -> errands_set_out -> /peer/reserve
 *                             errands_found (the sweep) -^            (again: the next replica)
 *     told <- errands_ended <- ORDER_END <- errands_return <-------------'
 *
 * Contract with the driver
 *  - One call at a time. `now` in milliseconds, never going back.
 *  - Operations it is given to submit (of errands_op_begin, of a trip) go to the order service's
 *    log with their hand as argument; for each, errands_begun or errands_ended follows exactly once
 *    with what the log says. In between the hand stays where it is.
 *  - After every call the buyers in errands_told are to be told. A buyer is the driver's memory,
 *    and ours from errands_buy until then.
 */
#ifndef BAZAR_ERRANDS_H
#define BAZAR_ERRANDS_H

#include "fcgi/base/trace.h"
#include "fcgi/catalog/reserve.h"
#include "fcgi/order/hands.h"
#include "replica/core/core.h"

#define ERRANDS_PAUSE_MS 100 /* after a trip that failed; doubled up to the next */
#define ERRANDS_PAUSE_MAX_MS 1000

enum courier_result {
	COURIER_DONE,        /* the order has ended: .order */
	COURIER_PENDING,     /* logged; its end comes later (202) */
	COURIER_NOT_APPLIED, /* never logged, never will be */
	COURIER_UNKNOWN, /* may be prepared, is not confirmed; what is, will be rolled forward */
	COURIER_NOT_PRIMARY, /* this request began nothing: another replica takes purchases */
	COURIER_KEY_REUSED,  /* the id belongs to another request */
	COURIER_IN_PROGRESS, /* another request with this id is waiting here right now */
	COURIER_OVERLOADED   /* never logged: too many orders in hand */
};

/* Somebody who waits for an order's end. */
struct buyer {
	uint64_t deadline;      /* when to be told at the latest that it is logged (errands_tick) */
	char trace[TRACE_SIZE]; /* of the request; "": none */
	/* once told: */
	enum courier_result result;
	struct order order; /* DONE, PENDING; to be freed, whatever the result */
	bool replayed;      /* DONE: an earlier request began it */
	struct buyer *next;
};

struct errands;

/* `catalogs`: how many replicas the catalog has; they are called 0 to catalogs-1. `owner` goes into
 * each hand, for callbacks. */
struct errands *errands_new(unsigned catalogs, void *owner);
void errands_free(struct errands *e);

/* Those to be told now, in order; the list is the caller's. */
struct buyer *errands_told(struct errands *e);

/* ---- Buying ---- */

/*
 * `wanted` (stays the caller's): id, lines, fingerprint. The same id again is the same order, and
 * its buyer waits for the same end. Returns the hand of an order that is to begin:
 * errands_op_begin, after errands_writable was true, or the log may hold it; or errands_drop. NULL:
 * nothing to do.
 */
struct hand *errands_buy(struct errands *e, const struct order *wanted, struct buyer *buyer);
struct op *errands_op_begin(struct hand *h);
void errands_drop(struct errands *e, struct hand *h); /* is told NOT_APPLIED */
void errands_begun(
    struct errands *e, struct hand *h, enum core_result result, const uint8_t *answer, size_t len);

/* ---- Ending ---- */

struct trip {
	unsigned catalog;       /* whom to ask */
	unsigned asked;         /* how many were asked before */
	char trace[TRACE_SIZE]; /* of the first buyer who has one, for the calls of the trip */
	struct reserve_request request;
	struct hand *hands[RESERVE_MAX]; /* of the request's items */
	size_t ended;
	struct op *ops[RESERVE_MAX]; /* ORDER_END of ends[i] */
	void *ends[RESERVE_MAX];
};

/* When errands_set_out has something to take along; UINT64_MAX: not before another call. */
uint64_t errands_trip_at(const struct errands *e);
/* False: not now. True: t->request is to be asked of t->catalog. */
bool errands_set_out(struct errands *e, uint64_t now, struct trip *t);
/* `answers`: as many as the request has items; NULL: none came, or none that counts. False: ask
 * t->catalog now, which is another one. True: the trip is over, t->ops are to be submitted. */
bool errands_return(
    struct errands *e, uint64_t now, struct trip *t, const struct reserve_answers *answers);
void errands_ended(struct errands *e, uint64_t now, struct hand *h, enum core_result result,
    const uint8_t *answer, size_t len);

/* A PENDING order of the tables: it is brought to its end, unless it is in hand already. */
void errands_found(struct errands *e, const struct order *order);

/* ---- News ---- */

/* The catalog has so many replicas by now; never fewer than before. */
void errands_catalogs(struct errands *e, unsigned catalogs);
/* What the catalog says of itself: `catalog` takes writes now, or none of them (false) does. */
void errands_heard(struct errands *e, unsigned catalog, bool writable);
bool errands_writable(const struct errands *e);
unsigned errands_catalog(const struct errands *e);    /* whom to ask first */
uint64_t errands_decided_at(const struct errands *e); /* when it last decided all we asked */
/* Whether this replica is primary. When it is not, orders go back to whoever is: buyers are told
 * PENDING of those that are logged. */
void errands_role(struct errands *e, bool primary);
void errands_tick(struct errands *e, uint64_t now); /* sends buyers away whose time is over */
void errands_close(struct errands *e);              /* sends all buyers away */

struct errands_stats {
	size_t in_hand;
	uint64_t ended;                   /* orders brought to their end since start */
	uint64_t batches;                 /* trips */
	uint64_t swept;                   /* orders picked up by the sweep */
	uint64_t outcomes[ORDER_REASONS]; /* orders that ended here first; NO_REASON: confirmed */
};
void errands_stats(const struct errands *e, struct errands_stats *out);

#endif
