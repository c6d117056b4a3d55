/*
 * Reads answered from the host's shared cache: a hit is the ready body, a miss is made from the
 * tables and put there for the next reader, whichever replica asks. Trouble with the cache means
 * that every answer is made anew.
 */
#ifndef BAZAR_CATALOG_CACHED_H
#define BAZAR_CATALOG_CACHED_H

#include "fcgi/catalog/question.h"
#include "fcgi/store/view.h"

/* Makes the answer in c->r from rows. False: do not keep it. */
typedef bool (*cached_make)(struct call *c, const struct view *v, void *arg);

void cached_read(struct call *c, const struct question *k, cached_make make, void *arg);

#endif
