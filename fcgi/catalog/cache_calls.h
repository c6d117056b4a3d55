/* GET /cache-stats and POST /invalidate-cache: the host's cache, seen and emptied by hand. */
#ifndef BAZAR_CATALOG_CACHE_CALLS_H
#define BAZAR_CATALOG_CACHE_CALLS_H

#include "fcgi/dispatch.h"

void get_cache_stats(struct call *c);
void post_invalidate(struct call *c);

#endif
