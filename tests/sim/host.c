/* A host: its clock, and its cache segment, which is small enough to evict, and with so few stripes
 * that keys share floors. */
#include <stdlib.h>

#include "fcgi/base/xalloc.h"
#include "tests/sim/sim.h"

#define RATE_MAX 25000 /* millionths; two clocks differ by 5% at most */
#define MILLION 1000000

void
host_format(struct world *w, unsigned host)
{
	struct host *h = &w->hosts[host];
	struct cache_geometry g = {
	    .entries = 3, .stripes = 8, .block_size = 16, .blocks = 6, .value_max = 32};

	for (unsigned i = 0; i < w->mood.nodes; i++) {
		const struct node *n = &w->nodes[i];
		if (n->host == host && !n->stopped && !n->gone)
			g.expected |= 1u << n->id;
	}
	h->expected = g.expected;
	cache_close(h->cache);
	free(h->memory);
	h->size = cache_size(&g);
	h->memory = xcalloc(1, h->size);
	h->cache = cache_format(h->memory, h->size, &g);
	if (h->cache == NULL)
		oracle_fail(w, "cache_format failed");
}

/* Most clocks are good; the others are as bad as they may be. */
void
host_boot(struct world *w, unsigned host)
{
	struct host *h = &w->hosts[host];
	h->started = w->now;
	h->paused_until = 0;
	h->base = random_between(&w->random, 1, 100000000);
	h->rate = (int)random_between(&w->random, 0, 2 * RATE_MAX) - RATE_MAX;
	if (random_chance(&w->random, 500))
		h->rate = h->rate < 0 ? -RATE_MAX : RATE_MAX;
	host_format(w, host);
}

uint64_t
host_now(const struct world *w, unsigned host)
{
	const struct host *h = &w->hosts[host];
	uint64_t passed = w->now - h->started;
	return h->base + passed * (uint64_t)(MILLION + h->rate) / MILLION / SIM_MS;
}

/* Rounded up: at that time the clock shows `ms`, or has just passed it. */
uint64_t
host_when(const struct world *w, unsigned host, uint64_t ms)
{
	const struct host *h = &w->hosts[host];
	if (ms <= h->base)
		return h->started;
	uint64_t rate = (uint64_t)(MILLION + h->rate);
	return h->started + ((ms - h->base) * SIM_MS * MILLION + rate - 1) / rate;
}

void
host_free(struct host *h)
{
	cache_close(h->cache);
	free(h->memory);
	*h = (struct host){0};
}
