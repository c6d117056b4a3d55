/*
 * Kept answers: what a repeated operation is told. A reservation's is kept for good, that of any
 * other operation for OPERATION_KEEP_MS of the log's own time.
 */
#ifndef BAZAR_CATALOG_KEPT_H
#define BAZAR_CATALOG_KEPT_H

#include "fcgi/catalog/change.h"
#include "fcgi/catalog/operation.h"
#include "fcgi/catalog/rows.h"

/* Appends the kept answer to *answer; false when there is none. */
bool kept_find(const struct view *v, const struct op *op, struct buf *answer);

/* Keeps the answer in c->out. `for_ever`: never to be forgotten. */
void kept_reservation(struct change *c, const struct op *op, const struct request *r);
void kept_operation(struct change *c, const struct op *op, uint64_t time_ms, bool for_ever);

/*
 * Forgets a few of the oldest answers kept too long, on top of `tables`. *last is the last one this
 * batch has forgotten, all 0 at its start: the tables still show those.
 */
void kept_expire(
    struct change *c, const struct view *tables, uint64_t time_ms, struct time_key *last);

#endif
