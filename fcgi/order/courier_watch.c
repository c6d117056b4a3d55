/*
 * The watcher: notices when this replica becomes primary, or no longer is; asks the catalog whether
 * it takes writes, unless that is known from reservations that just went well; sends buyers away
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
#define SWEEP_MAX 1024 /* orders; the others' turn comes when these have ended */

struct watch {
	struct courier *courier;
	struct buf answer;
	uint64_t sweep_at;
	size_t count;
	struct order found[SWEEP_MAX];
};

/* ---- The catalog's health ---- */

/* Only an active primary says so of itself. */
static bool
says_writable(const struct buf *answer)
{
	int writable = 0;
	json_t *status = json_loadb((const char *)answer->data, answer->len, 0, NULL);
	if (json_unpack(status, "{s:{s:b}}", "data", "writable", &writable) != 0)
		writable = 0;
	json_decref(status);
	return writable != 0;
}

static bool
ask(struct watch *w, unsigned catalog)
{
	struct peer_call *call = w->courier->status->calls[catalog];
	return peer_call(call, NULL, ASK_MS, &w->answer) == 200 && says_writable(&w->answer);
}

static void
ask_catalogs(struct watch *w, unsigned first)
{
	struct courier *c = w->courier;
	unsigned count = c->status->count, asked = 0, catalog = first;
	bool writable;

	while (!(writable = ask(w, catalog)) && ++asked < count)
		catalog = (catalog + 1) % count;
	courier_enter(c);
	errands_heard(c->errands, writable ? catalog : first, writable);
	courier_leave(c);
}

/* ---- The sweep ---- */

static bool
collect(void *arg, const struct order *o)
{
	struct watch *w = arg;
	w->found[w->count++] = *o;
	return w->count < SWEEP_MAX;
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

	courier_enter(c);
	for (size_t i = 0; i < w->count; i++)
		errands_found(c->errands, &w->found[i]);
	courier_leave(c);
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
	if (!known)
		ask_catalogs(w, first);
	if (now >= w->sweep_at) {
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
