#include "fcgi/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/service.h"

/* Upper bounds in nanoseconds, from 0.1 ms on; the last bucket has none. */
static const uint64_t bounds[] = {100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
    25000000, 50000000, 100000000, 250000000, 500000000, 1000000000, 2500000000, 5000000000};
#define BOUNDS (sizeof(bounds) / sizeof(bounds[0]))
#define CLASSES 4 /* 2xx to 5xx */

struct slot {
	const char *method, *path;
	atomic_uint_least64_t requests[CLASSES];
	atomic_uint_least64_t took[BOUNDS + 1];
	atomic_uint_least64_t nanoseconds;
};

struct metrics {
	struct slot slots[METRICS_ROUTES];
	unsigned count;
};

struct metrics *
metrics_new(void)
{
	struct metrics *m = xcalloc(1, sizeof(*m));
	metrics_route(m, "other", "other");
	return m;
}

void
metrics_free(struct metrics *m)
{
	free(m);
}

unsigned
metrics_route(struct metrics *m, const char *method, const char *path)
{
	if (m->count == METRICS_ROUTES)
		return METRICS_OTHER;
	m->slots[m->count].method = method;
	m->slots[m->count].path = path;
	return m->count++;
}

static void
add(atomic_uint_least64_t *counter, uint64_t more)
{
	atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

void
metrics_count(struct metrics *m, unsigned slot, int status, uint64_t nanoseconds)
{
	struct slot *s = &m->slots[slot];
	size_t bucket = 0;
	while (bucket < BOUNDS && nanoseconds > bounds[bucket])
		bucket++;
	int class = status / 100 - 2;
	add(&s->requests[class >= 0 && class < CLASSES ? class : CLASSES - 1], 1);
	add(&s->took[bucket], 1);
	add(&s->nanoseconds, nanoseconds);
}

/* ---- Rendering ---- */

static uint64_t
get(const atomic_uint_least64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void
header(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
render_counts(const struct metrics *m, struct buf *out)
{
	header(out, "bazar_requests_total", "counter", "Requests answered.");
	for (const struct slot *s = m->slots; s < m->slots + m->count; s++)
		for (int class = 0; class < CLASSES; class ++)
			buf_printf(out,
			    "bazar_requests_total{method=\"%s\",route=\"%s\",status=\"%dxx\"} "
			    "%" PRIu64 "\n",
			    s->method, s->path, class + 2, get(&s->requests[class]));
}

static void
render_times(const struct slot *s, struct buf *out)
{
	static const char name[] = "bazar_request_seconds";
	char labels[128];
	snprintf(labels, sizeof(labels), "method=\"%s\",route=\"%s\"", s->method, s->path);
	uint64_t total = 0;
	for (size_t i = 0; i < BOUNDS; i++) {
		total += get(&s->took[i]);
		buf_printf(out, "%s_bucket{%s,le=\"%g\"} %" PRIu64 "\n", name, labels,
		    (double)bounds[i] / 1e9, total);
	}
	total += get(&s->took[BOUNDS]);
	buf_printf(out, "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", name, labels, total);
	buf_printf(out, "%s_sum{%s} %.9g\n", name, labels, (double)get(&s->nanoseconds) / 1e9);
	buf_printf(out, "%s_count{%s} %" PRIu64 "\n", name, labels, total);
}

struct sample {
	struct core_status core;
	struct store_stats store;
	struct cache_stats cache;
	bool serving;
	uint64_t started_ms;
};

static void
render_peers(const struct core_status *core, struct buf *out)
{
	header(out, "bazar_peer_reachable", "gauge", "1 while the replica answers.");
	for (unsigned i = 0; i < core->peer_count; i++)
		buf_printf(out, "bazar_peer_reachable{id=\"%u\"} %d\n", core->peers[i].id,
		    core->peers[i].reachable);
	header(out, "bazar_peer_in_sync", "gauge", "1 while it must have every write.");
	for (unsigned i = 0; i < core->peer_count; i++)
		buf_printf(out, "bazar_peer_in_sync{id=\"%u\"} %d\n", core->peers[i].id,
		    set_in_sync(&core->set, core->peers[i].id));
	header(out, "bazar_peer_lag_entries", "gauge", "Entries of our log that it did not have.");
	for (unsigned i = 0; i < core->peer_count; i++) {
		uint64_t has = core->peers[i].last.seq;
		buf_printf(out, "bazar_peer_lag_entries{id=\"%u\"} %" PRIu64 "\n",
		    core->peers[i].id, core->last.seq > has ? core->last.seq - has : 0);
	}
	header(out, "bazar_peer_loading", "gauge", "1 while it is being given our tables.");
	for (unsigned i = 0; i < core->peer_count; i++)
		buf_printf(out, "bazar_peer_loading{id=\"%u\"} %d\n", core->peers[i].id,
		    core->peers[i].loading);
}

static double
lease_seconds(const struct core_status *core)
{
	uint64_t now = clock_ms();
	if (core->read_until == UINT64_MAX)
		return INFINITY;
	return core->read_until > now ? (double)(core->read_until - now) / 1e3 : 0;
}

static void
render_value(struct buf *out, const char *name, double value)
{
	if (isinf(value))
		buf_printf(out, "%s +Inf\n", name);
	else
		buf_printf(out, "%s %.15g\n", name, value);
}

static void
render_sample(const struct sample *s, bool has_cache, struct buf *out)
{
#define METRIC(name, type, help, value)                                                            \
	header(out, name, type, help);                                                             \
	render_value(out, name, (double)(value));
#define METRIC_CACHE(name, type, help, value)                                                      \
	if (has_cache) {                                                                           \
		METRIC(name, type, help, value)                                                    \
	}
#include "fcgi/metrics.def"
#undef METRIC
#undef METRIC_CACHE
}

void
metrics_render(const struct worker *w, struct buf *out)
{
	struct sample s = {.serving = replica_serving(w->replica), .started_ms = w->started_ms};
	replica_status(w->replica, &s.core);
	store_stats(w->store, &s.store);
	bool has_cache = w->cache != NULL && cache_stats(w->cache, clock_ms(), &s.cache) == 0;
	render_counts(w->metrics, out);
	header(out, "bazar_request_seconds", "histogram", "Time from request to answer.");
	for (unsigned i = 0; i < w->metrics->count; i++)
		render_times(&w->metrics->slots[i], out);
	render_sample(&s, has_cache, out);
	render_peers(&s.core, out);
}
