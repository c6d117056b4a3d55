/*
 * What the two programs have in common, and where they differ. main.c builds a worker and runs it;
 * fcgi/catalog/service.c and fcgi/order/service.c each define the service_* functions below, and
 * the linker puts one of them into each program.
 */
#ifndef BAZAR_SERVICE_H
#define BAZAR_SERVICE_H

#include <stdint.h>

#include "fcgi/dispatch.h"
#include "fcgi/fcgi.h"
#include "fcgi/metrics.h"
#include "fcgi/nodes.h"
#include "fcgi/order/courier.h"
#include "fcgi/settings.h"
#include "replica/replica.h"

/* One replica's process: everything a handler may use. Made by main, never changed while threads
 * run. */
struct worker {
	const char *run; /* directory of the stack */
	const struct settings *settings;
	const struct nodes *nodes;
	const struct node *node; /* this replica */
	const char *secret;
	struct store *store;
	unsigned table_count;
	struct cache *cache; /* NULL: this service has none, or it cannot be had */
	struct replica *replica;
	struct courier *courier; /* order service only */
	struct metrics *metrics;
	const struct fcgi_load *client_load, *peer_load;
	uint64_t started_ms; /* wall clock */
};

/* ---- The service ---- */

enum node_service service_kind(void);
const char *const *service_tables(unsigned *count);

/* Its own routes, ended by a row without a handler. */
extern const struct route *const service_client_routes;
extern const struct route *const service_peer_routes;

/* The rules as a state machine over the store's tables. */
struct machine service_machine(const struct view *tables);
void service_machine_free(struct machine *machine);

/* Its own threads. -1: a log line says why. */
int service_start(struct worker *w);
void service_stop(struct worker *w); /* before replica_stop */
void service_free(struct worker *w); /* after replica_stop */

/* False where there is no courier. */
bool service_courier(const struct worker *w, struct courier_stats *out);

/* Whether the tables have their first contents. */
bool service_seeded(const struct view *tables);
/* Arguments of the operation that makes them, and its kind in *kind. -1: a log line. */
int service_seed(const struct worker *w, struct buf *args, uint8_t *kind);

#endif
