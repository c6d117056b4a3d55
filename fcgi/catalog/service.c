/* The catalog as a service: what fcgi/service.h asks of it. */
#include "fcgi/service.h"

#include <stdio.h>
#include <stdlib.h>

#include "fcgi/catalog/catalog.h"
#include "fcgi/catalog/http.h"
#include "fcgi/catalog/seed.h"

#define PATH_BYTES 4096
#define ERROR_BYTES 512

const struct route *const service_client_routes = catalog_routes;
const struct route *const service_peer_routes = catalog_peer_routes;

enum node_service
service_kind(void)
{
	return NODE_CATALOG;
}

const char *const *
service_tables(unsigned *count)
{
	*count = catalog_table_count;
	return catalog_tables;
}

struct machine
service_machine(const struct view *tables)
{
	return (struct machine){
	    .ctx = catalog_new(tables),
	    .decided = catalog_decided,
	    .begin = catalog_begin,
	    .execute = catalog_execute,
	};
}

void
service_machine_free(struct machine *machine)
{
	catalog_free(machine->ctx);
}

/* The catalog does nothing by itself. */
int
service_start(struct worker *w)
{
	(void)w;
	return 0;
}

void
service_stop(struct worker *w)
{
	(void)w;
}

void
service_free(struct worker *w)
{
	(void)w;
}

bool
service_courier(const struct worker *w, struct courier_stats *out)
{
	(void)w, (void)out;
	return false;
}

static bool
stop_at_first(void *found, const struct book *b)
{
	(void)b;
	*(bool *)found = true;
	return false;
}

/* A book that goes leaves its row among the withdrawn ones. */
bool
service_seeded(const struct view *tables)
{
	bool found = false;
	catalog_books(tables, 0, stop_at_first, &found);
	if (!found)
		catalog_withdrawn_books(tables, 0, stop_at_first, &found);
	return found;
}

int
service_seed(const struct worker *w, struct buf *args, uint8_t *kind)
{
	char path[PATH_BYTES], error[ERROR_BYTES];
	struct book *books;
	size_t count;
	snprintf(path, sizeof(path), "%s/seed.json", w->run);
	if (seed_load(path, &books, &count, error, sizeof(error)) != 0) {
		log_error("%s", error);
		return -1;
	}
	catalog_op_seed(args, books, count);
	free(books);
	*kind = CATALOG_SEED;
	return 0;
}
