/* The unit tests' program is no service: its shop has no routes and needs no first contents. */
#include "fcgi/service.h"

static const struct route none[] = {{0}};
const struct route *const service_client_routes = none;

bool
service_seeded(const struct view *tables)
{
	(void)tables;
	return true;
}

int
service_seed(const struct worker *w, struct buf *args, uint8_t *kind)
{
	(void)w, (void)args, (void)kind;
	return -1;
}

bool
service_courier(const struct worker *w, struct courier_stats *out)
{
	(void)w, (void)out;
	return false;
}
