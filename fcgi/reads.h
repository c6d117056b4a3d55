/*
 * What handlers of reads share: a linearizable look at the tables, and paging.
 */
#ifndef BAZAR_READS_H
#define BAZAR_READS_H

#include "fcgi/dispatch.h"

/*
 * Begins a linearizable read of what `key` names. True: rows may be read until read_end; *seq is
 * the applied_seq they all belong to. False: this replica can't answer, 503 is in c->r, and nginx
 * asks another one.
 */
bool read_begin(struct call *c, uint64_t key, uint64_t *seq);
const struct view *read_view(const struct call *c);
void read_end(const struct call *c);

/* Query parameter `limit`; PAGE_DEFAULT without. False: 400 is in c->r. */
bool read_limit(struct call *c, size_t *limit);
/* Query parameter `name` as a number of at most 18 digits (0 without). False: 400 is in c->r. */
bool read_number(struct call *c, const char *name, uint64_t *number);

#endif
