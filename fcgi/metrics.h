/*
 * Numbers for Prometheus, all of them declared in metrics.def. Requests are counted here by route,
 * status and how long they took; so are events that nobody else keeps count of. Everything else is
 * asked of those who know it when /metrics is read.
 */
#ifndef BAZAR_METRICS_H
#define BAZAR_METRICS_H

#include <stdint.h>

#include "fcgi/base/buf.h"
#include "fcgi/base/histogram.h"
#include "fcgi/dispatch.h"

struct metrics;
struct worker;

#define METRICS_ROUTES 64
#define METRICS_OTHER 0 /* slot of requests that no route took */

enum metrics_event {
#define EVENT(group, id, name, help) EVENT_##id,
#define REQUESTS(name, help)
#define REQUEST_TOOK(name, help)
#define METRIC(name, type, help, value)
#define METRIC_OF(group, name, type, help, value)
#define HISTOGRAM_OF(group, name, scale, help, histogram)
#include "fcgi/metrics.def"
#undef EVENT
#undef REQUESTS
#undef REQUEST_TOOK
#undef METRIC
#undef METRIC_OF
#undef HISTOGRAM_OF
	METRICS_EVENTS
};

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

/* A slot for a route; its strings must outlive m. Before threads start; METRICS_OTHER when there
 * are METRICS_ROUTES already. */
unsigned metrics_route(struct metrics *m, const char *method, const char *path);

/* Any thread. */
void metrics_count(struct metrics *m, unsigned slot, int status, uint64_t nanoseconds);
void metrics_event(struct metrics *m, enum metrics_event event);

/* What was answered on the routes of a table. */
struct metrics_requests {
	uint64_t answered, failed;        /* failed: with 5xx */
	uint64_t took[HISTOGRAM_BUCKETS]; /* of histogram_seconds */
};
void metrics_requests(
    const struct metrics *m, const struct route *routes, struct metrics_requests *out);

/* The text exposition format, version 0.0.4. */
void metrics_render(const struct worker *w, struct buf *out);

#endif
