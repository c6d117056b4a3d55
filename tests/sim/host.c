/* A host's cache segment: small enough to evict, with so few stripes that keys share floors. */
#include <stdlib.h>

#include "fcgi/base/xalloc.h"
#include "tests/sim/sim.h"

void
host_format(struct world *w, unsigned host)
{
	struct host *h = &w->hosts[host];
	struct cache_geometry g = {
	    .entries = 3, .stripes = 8, .block_size = 16, .blocks = 6, .value_max = 32};

	for (unsigned i = 0; i < w->mood.nodes; i++) {
		if (w->nodes[i].member && w->nodes[i].host == host)
			g.expected |= 1u << w->nodes[i].id;
	}
	host_free(h);
	h->size = cache_size(&g);
	h->memory = xcalloc(1, h->size);
	h->cache = cache_format(h->memory, h->size, &g);
	if (h->cache == NULL)
		oracle_fail(w, "cache_format failed");
}

void
host_free(struct host *h)
{
	cache_close(h->cache);
	free(h->memory);
	*h = (struct host){0};
}
