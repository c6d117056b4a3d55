/*
 * Counters for Prometheus. Requests are counted by route, by class of status, and by how long they
 * took; everything else is asked of those who know it when /metrics is read (metrics.def).
 */
#ifndef BAZAR_METRICS_H
#define BAZAR_METRICS_H

#include <stdint.h>

#include "fcgi/base/buf.h"

struct metrics;
struct worker;

#define METRICS_ROUTES 64
#define METRICS_OTHER 0 /* slot of requests that no route took */

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

/* A slot for a route; its strings must outlive m. Before threads start; METRICS_OTHER when there
 * are METRICS_ROUTES already. */
unsigned metrics_route(struct metrics *m, const char *method, const char *path);

/* Any thread. */
void metrics_count(struct metrics *m, unsigned slot, int status, uint64_t nanoseconds);

/* The text exposition format, version 0.0.4. */
void metrics_render(const struct worker *w, struct buf *out);

#endif
