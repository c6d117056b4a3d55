/*
 * The watcher: asks the catalog whether it takes writes, unless that is known from reservations
 * that just went well, and finds PENDING orders nobody drives: those of a crash, and those whose
 * ORDER_BEGIN was in doubt.
 */
#include <stdlib.h>

#include <jansson.h>

#include "fcgi/base/wait.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/order/courier_inside.h"
#include "replica/peer_client.h"

#define WATCH_MS 100
#define ASK_MS 300 /* no answer by then: no writes now */
#define SWEEP_MS 1000
#define SWEEP_MAX 1024 /* orders; the others' turn comes when these have ended */

struct watch {
	struct courier *courier;
	struct peer_call *status;
	struct buf answer;
	uint64_t sweep_at;
	size_t count;
	struct order found[SWEEP_MAX];
};

/* ---- The catalog's health ---- */

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

/* Reservations that went well a moment ago say more than a question. */
static bool
need_to_ask(struct courier *c, uint64_t now)
{
	pthread_mutex_lock(&c->lock);
	bool ask = !c->writable || now >= c->heard_ms + WATCH_MS;
	pthread_mutex_unlock(&c->lock);
	return ask;
}

static void
ask_catalog(struct watch *w)
{
	struct courier *c = w->courier;

	bool writable =
	    peer_call(w->status, NULL, ASK_MS, &w->answer) == 200 && says_writable(&w->answer);
	pthread_mutex_lock(&c->lock);
	courier_heard(c, writable);
	pthread_mutex_unlock(&c->lock);
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

	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < w->count; i++) {
		const struct order *o = &w->found[i];
		struct hand *h = NULL;
		if (hands_find(&c->hands, &o->id) == NULL)
			h = hands_add(&c->hands, c, o);
		if (h == NULL)
			continue;
		courier_enqueue(c, h);
		c->stats.swept++;
	}
	pthread_mutex_unlock(&c->lock);
}

/* ---- The thread ---- */

static bool
is_active(struct courier *c)
{
	struct core_status status;
	replica_status(c->replica, &status);
	return status.role == CORE_PRIMARY && status.phase == CORE_ACTIVE;
}

static void
watch_once(struct watch *w)
{
	uint64_t now = clock_ms();

	if (!is_active(w->courier)) {
		w->sweep_at = 0; /* at once when it is */
		return;
	}
	if (need_to_ask(w->courier, now))
		ask_catalog(w);
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
	struct courier *c = courier;
	struct watch *w = xcalloc(1, sizeof(*w));

	w->courier = c;
	w->status = peer_call_new(c->catalog, "/status", c->secret);
	do
		watch_once(w);
	while (wait_a_moment(c));
	peer_call_free(w->status);
	buf_free(&w->answer);
	free(w);
	return NULL;
}
