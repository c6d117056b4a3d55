/*
 * The watcher: notices when this replica becomes primary, or no longer is; asks the catalog whether
 * it takes writes, often unless that is known from reservations that just went well, and of which
 * replicas it consists; sends buyers away
 * whose time is over; and finds PENDING orders nobody drives: those of a crash or of another
 * primary, and those whose ORDER_BEGIN was in doubt.
 */
#include <stdlib.h>

#include <jansson.h>

#include "fcgi/base/wait.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/order/courier_inside.h"

#define WATCH_MS 100
#define ASK_MS 300 /* no answer by then: no writes now */
#define SWEEP_MS 1000

struct watch {
	struct courier *courier;
	struct buf answer;
	uint64_t sweep_at;
	size_t count;
	struct order found[COURIER_SWEEP_MAX];
};

/* ---- The catalog's health ---- */

/* The members of its replica set: one that joined after this process began may be primary next. */
static void
learn_members(struct courier *c, const json_t *set)
{
	const json_t *member;
	size_t i;

	courier_enter(c);
	json_array_foreach(json_object_get(set, "members"), i, member)
	{
		const char *address = json_string_value(json_object_get(member, "address"));
		if (address != NULL)
			catalogs_learn(&c->catalogs, address);
	}
	errands_catalogs(c->errands, c->catalogs.count);
	courier_leave(c);
}

/* Whether it takes writes: only an active primary says so of itself. */
static bool
ask(struct watch *w, unsigned catalog)
{
	struct courier *c = w->courier;
	struct peer_call *call = catalog_calls_to(&c->status, catalog);

	if (peer_call(call, NULL, ASK_MS, &w->answer) != 200)
		return false;
	json_t *answer = json_loadb((const char *)w->answer.data, w->answer.len, 0, NULL);
	const json_t *status = json_object_get(answer, "data");
	bool writable = json_is_true(json_object_get(status, "writable"));
	learn_members(c, json_object_get(status, "set"));
	json_decref(answer);
	return writable;
}

static void
ask_catalogs(struct watch *w, unsigned first)
{
	struct courier *c = w->courier;
	unsigned asked = 0, catalog = first;
	bool writable;

	/* Only this thread makes them more. */
	while (!(writable = ask(w, catalog)) && ++asked < c->catalogs.count)
		catalog = (catalog + 1) % c->catalogs.count;
	courier_enter(c);
	errands_heard(c->errands, writable ? catalog : first, writable);
	courier_leave(c);
}

/* ---- The sweep ---- */

static bool
collect(void *arg, const struct order *o)
{
	struct watch *w = arg;
	order_copy(&w->found[w->count++], o);
	return w->count < COURIER_SWEEP_MAX;
}

/* What ended since the scan is driven once more, and stays as it ended. */
static void
sweep(struct watch *w)
{
	struct courier *c = w->courier;

	w->count = 0;
	store_read_begin(c->store);
	order_pending(store_view(c->store), collect, w);
	store_read_end(c->store);

	uint64_t now = clock_wall_ms(), oldest = now;
	courier_enter(c);
	for (size_t i = 0; i < w->count; i++) {
		errands_found(c->errands, &w->found[i]);
		if (w->found[i].created_ms < oldest)
			oldest = w->found[i].created_ms;
	}
	c->swept.swept_ms = now;
	c->swept.pending = w->count;
	c->swept.oldest_ms = now - oldest;
	courier_leave(c);
	for (size_t i = 0; i < w->count; i++)
		order_free(&w->found[i]);
}

/* ---- The thread ---- */

static void
watch_once(struct watch *w)
{
	struct courier *c = w->courier;
	struct core_status status;
	uint64_t now = clock_ms();

	replica_status(c->replica, &status);
	bool primary = status.role == CORE_PRIMARY;
	bool active = primary && status.phase == CORE_ACTIVE;
	courier_enter(c);
	errands_role(c->errands, primary);
	errands_tick(c->errands, now);
	/* Reservations that went well a moment ago say more than a question. */
	bool known =
	    errands_writable(c->errands) && now < errands_decided_at(c->errands) + WATCH_MS;
	unsigned first = errands_catalog(c->errands);
	courier_leave(c);
	if (!active) {
		w->sweep_at = 0; /* at once when it is */
		return;
	}
	bool sweeps = now >= w->sweep_at;
	if (!known || sweeps)
		ask_catalogs(w, first);
	if (sweeps) {
		sweep(w);
		w->sweep_at = now + SWEEP_MS;
	}
}

/* False: time to stop. */
static bool
wait_a_moment(struct courier *c)
{
	uint64_t until = clock_ms() + WATCH_MS;
	pthread_mutex_lock(&c->lock);
	while (!c->stopping && wait_until(&c->watch, &c->lock, until))
		;
	bool go = !c->stopping;
	pthread_mutex_unlock(&c->lock);
	return go;
}

void *
courier_watch(void *courier)
{
	struct watch *w = xcalloc(1, sizeof(*w));

	w->courier = courier;
	do
		watch_once(w);
	while (wait_a_moment(w->courier));
	buf_free(&w->answer);
	free(w);
	return NULL;
}
