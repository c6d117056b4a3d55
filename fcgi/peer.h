/* The routes of the peer socket that both services have: replication, health, numbers. */
#ifndef BAZAR_PEER_H
#define BAZAR_PEER_H

#include "fcgi/dispatch.h"
#include "replica/core/entry.h"

extern const struct route peer_routes[];

/* Bytes of a body the peer pool must take. */
#define PEER_BODY_MAX (9u << 20)

/* A page of rows for other programs: the envelope with `applied_seq` and `data`, still open. */
struct jsonw peer_page_start(struct call *c, uint64_t applied_seq);
/* Closes it; `next`: the `after` of the page behind it, NULL when there is none. */
void peer_page_end(struct jsonw *w, const char *next);

/* {"counter", "replica", "seq"} */
void peer_write_position(struct jsonw *w, const char *key, const struct position *p);

#endif
