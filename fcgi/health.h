/* What a replica says about itself on its own port: alive, ready, numbers, state. */
#ifndef BAZAR_HEALTH_H
#define BAZAR_HEALTH_H

#include "fcgi/dispatch.h"

void health_alive(struct call *c);   /* 200: the process answers */
void health_ready(struct call *c);   /* 200: serves reads, and as a primary takes writes */
void health_metrics(struct call *c); /* for Prometheus */
void health_status(struct call *c);  /* for people and bazarctl */

#endif
