#include "fcgi/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/histogram.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/service.h"

#define STATUS_FIRST 100
#define STATUSES 500
#define LABEL_BYTES 64

struct slot {
	const char *method, *path;
	atomic_uint_least64_t requests[STATUSES]; /* by status, from STATUS_FIRST on */
	struct histogram took;
};

struct metrics {
	struct slot slots[METRICS_ROUTES];
	unsigned count;
	atomic_uint_least64_t events[METRICS_EVENTS];
};

/* ---- Counting ---- */

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
add_one(atomic_uint_least64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void
metrics_count(struct metrics *m, unsigned slot, int status, uint64_t nanoseconds)
{
	struct slot *s = &m->slots[slot];
	if (status >= STATUS_FIRST && status < STATUS_FIRST + STATUSES)
		add_one(&s->requests[status - STATUS_FIRST]);
	histogram_add(&s->took, &histogram_seconds, nanoseconds);
}

void
metrics_event(struct metrics *m, enum metrics_event event)
{
	add_one(&m->events[event]);
}

static bool
is_of(const struct slot *s, const struct route *routes)
{
	for (; routes->handler != NULL; routes++)
		if (strcmp(routes->path, s->path) == 0 &&
		    strcmp(request_method_name(routes->method), s->method) == 0)
			return true;
	return false;
}

static uint64_t
get(const atomic_uint_least64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void
metrics_requests(const struct metrics *m, const struct route *routes, struct metrics_requests *out)
{
	memset(out, 0, sizeof(*out));
	for (const struct slot *s = m->slots; s < m->slots + m->count; s++) {
		if (!is_of(s, routes))
			continue;
		for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
			out->took[i] += get(&s->took.bucket[i]);
			out->answered += get(&s->took.bucket[i]);
		}
		for (size_t status = 500; status < STATUS_FIRST + STATUSES; status++)
			out->failed += get(&s->requests[status - STATUS_FIRST]);
	}
}

/* ---- What is asked of others ---- */

struct pool_sample {
	const char *name;
	uint64_t threads;
	const struct fcgi_load *load;
};

struct sample {
	struct store *log;
	struct core_status core;
	struct store_stats store;
	struct cache_stats cache;
	struct courier_stats courier;
	const struct replica_meters *meters;
	struct pool_sample pools[2];
	bool serving, has_cache, has_courier;
	char peers[CORE_PEERS_MAX][NODE_NAME];
};

/* What a peer is called in the node file; one that was added later, as it had to be. */
static void
name_peer(const struct worker *w, uint32_t id, char out[NODE_NAME])
{
	const struct node *self = w->node;
	snprintf(out, NODE_NAME, "%s-%u", node_service_name(self->service), id);
	for (size_t i = 0; i < w->nodes->count; i++) {
		const struct node *n = &w->nodes->node[i];
		if (n->service == self->service && n->id == id)
			snprintf(out, NODE_NAME, "%s", n->name);
	}
}

static void
take_sample(const struct worker *w, struct sample *s)
{
	*s = (struct sample){
	    .log = w->store,
	    .meters = replica_meters(w->replica),
	    .pools = {{"client", w->settings->client_threads, w->client_load},
		{"peer", w->settings->peer_threads, w->peer_load}},
	    .serving = replica_serving(w->replica),
	};
	replica_status(w->replica, &s->core);
	store_stats(w->store, &s->store);
	s->has_cache = w->cache != NULL && cache_stats(w->cache, clock_ms(), &s->cache) == 0;
	s->has_courier = service_courier(w, &s->courier);
	for (unsigned i = 0; i < s->core.peer_count; i++)
		name_peer(w, s->core.peers[i].id, s->peers[i]);
}

static double
lease_seconds(const struct core_status *core)
{
	uint64_t now = clock_ms();
	if (core->read_until == UINT64_MAX)
		return INFINITY;
	return core->read_until > now ? (double)(core->read_until - now) / 1e3 : 0;
}

static uint64_t
lag_entries(const struct sample *s, unsigned peer)
{
	uint64_t has = s->core.peers[peer].last.seq;
	return s->core.last.seq > has ? s->core.last.seq - has : 0;
}

/* By the time of the first entry that it lacks; where that was pruned, of the oldest there is. */
static double
lag_seconds(const struct sample *s, unsigned peer)
{
	if (lag_entries(s, peer) == 0)
		return 0;
	uint64_t lacks = s->core.peers[peer].last.seq + 1, now = clock_wall_ms();
	if (lacks < s->store.log_first)
		lacks = s->store.log_first;
	struct entry *e = store_entry(s->log, lacks);
	double seconds = e != NULL && now > e->time_ms ? (double)(now - e->time_ms) / 1e3 : 0;
	entry_free(e);
	return seconds;
}

static double
cpu_seconds(void)
{
	struct rusage used;
	if (getrusage(RUSAGE_SELF, &used) != 0)
		return 0;
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static double
resident_bytes(void)
{
	char line[128] = ""; /* all of it, then what is in memory, in pages */
	FILE *file = fopen("/proc/self/statm", "re");
	if (file != NULL && fgets(line, sizeof(line), file) == NULL)
		line[0] = '\0';
	if (file != NULL)
		fclose(file);
	const char *resident = strchr(line, ' ');
	return resident != NULL ? strtod(resident, NULL) * (double)sysconf(_SC_PAGESIZE) : 0;
}

/* ---- Groups: how many lines a metric has, and the label of each ---- */

typedef void (*label_printer)(const struct sample *s, unsigned i, char out[LABEL_BYTES]);

static void
label_none(const struct sample *s, unsigned i, char out[LABEL_BYTES])
{
	(void)s, (void)i;
	out[0] = '\0';
}

static void
label_peer(const struct sample *s, unsigned i, char out[LABEL_BYTES])
{
	snprintf(out, LABEL_BYTES, "peer=\"%s\"", s->peers[i]);
}

static void
label_pool(const struct sample *s, unsigned i, char out[LABEL_BYTES])
{
	snprintf(out, LABEL_BYTES, "pool=\"%s\"", s->pools[i].name);
}

static void
label_outcome(const struct sample *s, unsigned i, char out[LABEL_BYTES])
{
	static const char *const names[ORDER_REASONS] = {
	    [ORDER_NO_REASON] = "confirmed",
	    [ORDER_NO_BOOK] = "not_found",
	    [ORDER_SOLD_OUT] = "sold_out",
	    [ORDER_INSUFFICIENT] = "insufficient_stock",
	};
	(void)s;
	snprintf(out, LABEL_BYTES, "outcome=\"%s\"", names[i]);
}

#define GROUP_ONE 1, label_none
#define GROUP_PEERS s->core.peer_count, label_peer
#define GROUP_POOLS 2, label_pool
#define GROUP_CACHE s->has_cache, label_none
#define GROUP_CATALOG !s->has_courier, label_none
#define GROUP_COURIER s->has_courier, label_none
#define GROUP_OUTCOMES (s->has_courier ? ORDER_REASONS : 0), label_outcome

/* ---- Rendering ---- */

static void
render_header(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* `value` is finite, or INFINITY. */
static void
render_value(struct buf *out, const char *name, const char *label, double value)
{
	buf_printf(out, *label != '\0' ? "%s{%s} " : "%s%s ", name, label);
	if (isinf(value))
		buf_printf(out, "+Inf\n");
	else
		buf_printf(out, "%.15g\n", value);
}

static void
render_histogram(struct buf *out, const char *name, const char *label,
    const struct histogram_scale *scale, const struct histogram *h)
{
	const char *comma = *label != '\0' ? "," : "";
	uint64_t total = 0;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS - 1 && scale->bound[i] != 0; i++) {
		total += get(&h->bucket[i]);
		buf_printf(out, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", name, label, comma,
		    (double)scale->bound[i] * scale->unit, total);
	}
	total = histogram_count(h);
	buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, label, comma, total);
	char part[128];
	snprintf(part, sizeof(part), "%s_sum", name);
	render_value(out, part, label, (double)get(&h->sum) * scale->unit);
	snprintf(part, sizeof(part), "%s_count", name);
	render_value(out, part, label, (double)total);
}

/* A route's statuses as they are met. 503 is there from the start: a failure must be seen as a step
 * up from nothing. */
static void
render_requests(const struct metrics *m, struct buf *out, const char *name)
{
	for (const struct slot *s = m->slots; s < m->slots + m->count; s++)
		for (int i = 0; i < STATUSES; i++) {
			uint64_t count = get(&s->requests[i]);
			if (count > 0 || i + STATUS_FIRST == 503)
				buf_printf(out,
				    "%s{method=\"%s\",route=\"%s\",status=\"%d\"} %" PRIu64 "\n",
				    name, s->method, s->path, i + STATUS_FIRST, count);
		}
}

static void
render_took(const struct metrics *m, struct buf *out, const char *name)
{
	char label[128];
	for (const struct slot *s = m->slots; s < m->slots + m->count; s++) {
		snprintf(label, sizeof(label), "method=\"%s\",route=\"%s\"", s->method, s->path);
		render_histogram(out, name, label, &histogram_seconds, &s->took);
	}
}

/* As the group says: a header and its lines, or nothing at all. */
#define EACH(name, type, help, count, labels, render)                                              \
	for (unsigned i = 0, n = (count); i < n; i++) {                                            \
		char label[LABEL_BYTES];                                                           \
		if (i == 0)                                                                        \
			render_header(out, name, type, help);                                      \
		labels(s, i, label);                                                               \
		render;                                                                            \
	}
#define EACH_OF(...) EACH(__VA_ARGS__) /* a group is two arguments */

#define METRIC(name, type, help, value) METRIC_OF(ONE, name, type, help, value)
#define METRIC_OF(group, name, type, help, value)                                                  \
	EACH_OF(name, type, help, GROUP_##group, render_value(out, name, label, (double)(value)))
#define HISTOGRAM_OF(group, name, scale, help, histogram)                                          \
	EACH_OF(name, "histogram", help, GROUP_##group,                                            \
	    render_histogram(out, name, label, &(scale), histogram))
#define EVENT(group, id, name, help)                                                               \
	METRIC_OF(group, name, "counter", help, get(&w->metrics->events[EVENT_##id]))
#define REQUESTS(name, help)                                                                       \
	render_header(out, name, "counter", help);                                                 \
	render_requests(w->metrics, out, name);
#define REQUEST_TOOK(name, help)                                                                   \
	render_header(out, name, "histogram", help);                                               \
	render_took(w->metrics, out, name);

static void
render_all(const struct worker *w, const struct sample *s, struct buf *out)
{
#include "fcgi/metrics.def"
}

void
metrics_render(const struct worker *w, struct buf *out)
{
	struct sample s;
	take_sample(w, &s);
	render_all(w, &s, out);
}
