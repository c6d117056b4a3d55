/*
 * Purchases over two services: two worlds under one time, that of the catalog and that of the order
 * service, and between them what production puts there: the courier's decisions (errands), the
 * rules of both services over their real rows, and the bytes of POST /peer/reserve. Of our own are
 * only the threads' doings (courier.c): who is asked when, and what gets lost on the way.
 *
 *   market.c   both worlds' processes, operations, letters   courier.c  a process of the order
 * service buyers.c   who buys, and who fills the shelves           rows.c     tables, made of the
 * log ledger.c   what must be true
 */
#ifndef BAZAR_SIM_MARKET_H
#define BAZAR_SIM_MARKET_H

#include "fcgi/catalog/reserve.h"
#include "fcgi/order/errands.h"
#include "fcgi/store/view.h"
#include "tests/sim/sim.h"

#define MARKET_BOOKS 3
#define MARKET_LINES 3 /* of an order, at most */
#define MARKET_ORDERS 48
#define MARKET_BUYERS 5
#define MARKET_RESTOCKS 8
#define MARKET_SUBMISSIONS 512 /* under way at once, the lost ones among them */
#define MARKET_ASKED 64        /* requests for reservations at the catalog's replicas at once */
#define MARKET_CALLS 64

/* ---- rows.c: what the entries applied so far have written; the oracle owns their bytes ---- */

struct sim_rows {
	struct effect *row; /* in the order of table and key */
	size_t count, cap;
};

void rows_apply(struct sim_rows *t, const struct entry *e);
bool rows_same(const struct sim_rows *a, const struct sim_rows *b);
struct view rows_view(struct sim_rows *t); /* good as long as t is */
void rows_free(struct sim_rows *t);

/* ---- market.c ---- */

enum service { THE_CATALOG, THE_ORDERS };

/* What of a replica is not the core's. */
struct process {
	struct sim_rows rows;
	struct view view;
	struct catalog *catalog;
	struct order_machine *orders;
	struct courier *courier; /* of a process of the order service that runs */
};

enum submitted { FOR_BEGIN, FOR_END, FOR_RESERVATION, FOR_SEED, FOR_RESTOCK };

/* An operation on its way through a service's log. */
struct submission {
	uint64_t ticket; /* 0: none */
	enum submitted what;
	struct op *op; /* until the core has it */
	struct hand *hand;
	unsigned asked, item; /* of FOR_RESERVATION */
	unsigned restock;
};

/* A request for reservations, while the catalog works at it. */
struct asked {
	bool used;
	struct node *catalog;
	uint64_t catalog_boot;
	struct node *from;
	uint64_t boot, trip;
	size_t open;
};

enum letter_kind {
	LETTER_REQUEST,
	LETTER_ANSWER,
	LETTER_LATE,
	LETTER_HEARD,
	LETTER_GO,
	LETTER_WATCH
};

struct letter {
	enum letter_kind kind;
	struct node *to, *from;
	uint64_t boot; /* of the process of the order service it concerns */
	uint64_t trip;
	unsigned catalog;
	bool writable;
	struct buf bytes; /* of a request, an answer; empty: there is none */
};

/* A buyer's request that is being answered. */
struct buy_call {
	bool used;
	struct buyer waits;
	struct node *at;
	unsigned who, order;
};

struct sim_order {
	struct uuid id;
	struct catalog_line line[MARKET_LINES];
	unsigned lines;
	unsigned outstanding;
	bool denied; /* the last answer was NOT_APPLIED, and there was no call since */
	bool told;   /* how it ended */
	enum order_status ended;
};

struct market {
	struct world *world[2]; /* by enum service */
	struct sim_rows committed[2];
	struct process process[2][SIM_NODES];
	struct submission submissions[MARKET_SUBMISSIONS];
	uint64_t tickets;
	struct asked asked[MARKET_ASKED];
	struct buy_call calls[MARKET_CALLS];
	bool cut[SIM_NODES][SIM_NODES]; /* from an order replica to one of the catalog, and back */
	struct sim_order orders[MARKET_ORDERS];
	unsigned order_count, orders_wanted;
	struct {
		int order; /* -1: none */
		bool waiting, quits;
	} buyers[MARKET_BUYERS];
	unsigned buyer_count;
	uint64_t turns[MARKET_BUYERS + 1];
	bool seeded;
	struct {
		unsigned book;
		int64_t change;
		bool decided;
	} restocks[MARKET_RESTOCKS];
	unsigned restock_count, restocks_wanted;
};

void market_begin(struct market *m, struct world *catalog, struct world *orders);
void market_end(struct market *m);
struct process *market_process(const struct node *n);
struct machine market_machine(struct node *n);
void market_started(struct node *n);
void market_ended(struct node *n); /* the process died */
void market_applied(struct node *n, const struct entry *e);
void market_change_cuts(struct world *w);
/* Into the node's inbox; false, and the op is freed: there is no room. */
bool market_submit(struct node *n, struct submission s);
struct op *market_op(struct node *n, uint64_t ticket); /* the core takes it now */
void market_answered(struct node *n, const struct core_action *a);
void market_post(struct market *m, uint64_t delay, struct letter l);
void market_deliver(struct letter *l); /* and free it */
void letter_free(struct letter *l);
bool market_lost(struct market *m, const struct node *orders, const struct node *catalog);

/* ---- courier.c ---- */

struct courier *courier_new(struct node *n);
void courier_free(struct courier *c);
struct errands *courier_errands(struct courier *c);
void courier_moved(struct node *n); /* after every call of errands_* */
void courier_letter(struct node *n, struct letter *l);

/* ---- buyers.c ---- */

void buyers_begin(struct market *m);
void buyers_act(struct market *m, unsigned who, uint64_t turn); /* the last fills the shelves */
void buyers_told(struct market *m, struct buyer *told);
void buyers_lost(struct market *m, const struct node *at); /* their connections broke */
void buyers_seeded(struct market *m, enum core_result result);
void buyers_restocked(struct market *m, unsigned restock, enum core_result result);
bool buyers_done(const struct market *m);

/* ---- ledger.c ---- */

void ledger_committed(struct world *w, const struct entry *e);
void ledger_told(struct market *m, const struct buy_call *c);
bool ledger_at_rest(struct market *m);
void ledger_end(struct market *m);

#endif
