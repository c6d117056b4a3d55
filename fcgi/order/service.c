/* The order service: what fcgi/service.h asks of it. */
#include "fcgi/service.h"

#include "fcgi/order/courier.h"
#include "fcgi/order/http.h"
#include "fcgi/order/order.h"

const struct route *const service_client_routes = order_routes;
const struct route *const service_peer_routes = order_peer_routes;

enum node_service
service_kind(void)
{
	return NODE_ORDER;
}

const char *const *
service_tables(unsigned *count)
{
	*count = order_table_count;
	return order_tables;
}

struct machine
service_machine(const struct view *tables)
{
	return (struct machine){
	    .ctx = order_machine_new(tables),
	    .decided = order_decided,
	    .begin = order_begin_batch,
	    .execute = order_execute,
	};
}

void
service_machine_free(struct machine *machine)
{
	order_machine_free(machine->ctx);
}

int
service_start(struct worker *w)
{
	if (nodes_primary(w->nodes, NODE_CATALOG) == NULL) {
		log_error("The node file has no catalog to buy from.");
		return -1;
	}
	struct courier_config config = {
	    .replica = w->replica,
	    .store = w->store,
	    .nodes = w->nodes,
	    .secret = w->secret,
	    .deadline_ms = (unsigned)w->settings->buy_deadline_ms,
	};
	w->courier = courier_start(&config);
	if (w->courier == NULL)
		log_error("the courier cannot be started");
	return w->courier != NULL ? 0 : -1;
}

void
service_stop(struct worker *w)
{
	courier_stop(w->courier);
}

void
service_free(struct worker *w)
{
	courier_free(w->courier);
}

bool
service_courier(const struct worker *w, struct courier_stats *out)
{
	courier_stats(w->courier, out);
	return true;
}

bool
service_seeded(const struct view *tables)
{
	struct uuid space;
	return order_name_space(tables, &space);
}

int
service_seed(const struct worker *w, struct buf *args, uint8_t *kind)
{
	(void)w;
	struct uuid space = uuid_random();
	order_op_seed(args, &space);
	*kind = ORDER_SEED;
	return 0;
}
