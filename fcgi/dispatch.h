/*
 * Routing: a table of rows is the API, and one function enforces what a row says before its handler
 * sees the request. 404, 405 and the answers to OPTIONS and HEAD come from the table alone.
 */
#ifndef BAZAR_DISPATCH_H
#define BAZAR_DISPATCH_H

#include "fcgi/base/uuid.h"
#include "fcgi/problem.h"

struct worker;
struct call;

/* Answers into c->r; what it finds in *c has passed every check of its row. */
typedef void (*route_handler)(struct call *c);

enum {
	ROUTE_WRITE = 1,     /* no foreign page, no foreign Host; the answer is never stored */
	ROUTE_ADMIN = 2,     /* needs BAZAR_ADMIN_TOKEN, when there is one; a known Host */
	ROUTE_KEYED = 4,     /* honours Idempotency-Key */
	ROUTE_ETAG = 8,      /* the answer has an entity tag; GET honours If-None-Match */
	ROUTE_INTERNAL = 16, /* needs the replicas' secret */
	ROUTE_BINARY = 32,   /* the body is not JSON */
	ROUTE_SHARED = 64,   /* pages of other sites may read the answer (CORS) */
	ROUTE_PAGE = 128     /* for people: problems are pages, too (page.h) */
};

struct route {
	enum method method; /* GET answers HEAD too */
	/* `{id}`, `{order}` and `{topic}` stand for one segment that is not empty. */
	const char *path;
	const char *params; /* query parameters allowed, separated by blanks */
	size_t body_max;    /* bytes; 0: a body is ignored */
	unsigned flags;
	route_handler handler; /* NULL ends a table */
};

/* One request and all that is known about it. */
struct call {
	struct worker *worker;
	const struct request *q;
	struct response *r;
	const struct route *route;
	uint64_t id;       /* of {id} */
	struct uuid order; /* of {order} */
	const char *topic; /* of {topic}, not folded */
	const char *key;   /* Idempotency-Key; NULL: none */

	bool later;                        /* the handler answers by call_resume */
	void (*answer)(struct call *kept); /* then */
	unsigned slot;                     /* of the row, in the metrics */
	uint64_t began_ns;
	uint64_t kept_ns, resumed_ns; /* when it began to wait for call_resume, and no longer did */
};

/*
 * A handler that would have to wait: copies the call to where it keeps it, and says so in the one
 * it got. It goes on living until call_resume, from any thread and maybe before the handler
 * returns, has answer(kept) called on a thread that may take its time. That function answers into
 * kept->r, and may free what the call is kept in.
 */
void call_keep(struct call *c, struct call *kept);
void call_resume(struct call *kept, void (*answer)(struct call *kept));

#define ROUTER_TABLES 2

struct router {
	struct worker *worker;
	const struct route *tables[ROUTER_TABLES]; /* NULL: fewer */
	unsigned slots[ROUTER_TABLES];             /* metrics slot of each table's first row */
};

/* Ready to use as a pool's handler with the router as argument; the router must outlive it. */
void router_init(
    struct router *router, struct worker *w, const struct route *first, const struct route *second);
bool router_answer(void *router, struct request *q, struct response *r);

#endif
