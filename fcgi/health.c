#include "fcgi/health.h"

#include <string.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/peer.h"
#include "fcgi/seeder.h"
#include "fcgi/service.h"

static const char *
phase_name(enum core_phase phase)
{
	switch (phase) {
	case CORE_PROMISING:
		return "promising";
	case CORE_ADOPTING:
		return "adopting";
	case CORE_TAIL:
		return "tail";
	case CORE_ACTIVE:
		return "active";
	case CORE_EMPTY:
		return "empty";
	case CORE_LOADING:
		return "loading";
	case CORE_JOINING:
		return "joining";
	case CORE_IN_SYNC:
		return "in-sync";
	}
	return "unknown";
}

void
health_alive(struct call *c)
{
	struct jsonw w = response_success(c->r, NULL);
	jsonw_close(&w);
}

void
health_ready(struct call *c)
{
	struct core_status core;
	replica_status(c->worker->replica, &core);
	bool active = core.role == CORE_BACKUP || core.phase == CORE_ACTIVE;
	if (active && replica_serving(c->worker->replica) && seeder_done(c->worker)) {
		health_alive(c);
		return;
	}
	problem(c->r, c->q, PROBLEM_OVERLOADED, "Not ready: %s, applied up to entry %llu.",
	    phase_name(core.phase), (unsigned long long)core.applied);
}

void
health_metrics(struct call *c)
{
	c->r->type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_render(c->worker, &c->r->body);
}

/* ---- Status ---- */

static void
write_peers(struct jsonw *w, const struct core_status *core)
{
	jsonw_open(w, "peers", '[');
	for (unsigned i = 0; i < core->peer_count; i++) {
		jsonw_open(w, NULL, '{');
		jsonw_int(w, "id", core->peers[i].id);
		jsonw_bool(w, "reachable", core->peers[i].reachable);
		jsonw_bool(w, "in_sync", set_in_sync(&core->set, core->peers[i].id));
		jsonw_bool(w, "matches", core->peers[i].matches);
		jsonw_bool(w, "loading", core->peers[i].loading);
		jsonw_int(w, "chunk", core->peers[i].chunk);
		peer_write_position(w, "last", &core->peers[i].last);
		jsonw_close(w);
	}
	jsonw_close(w);
}

/* The replica set as the log has it. */
static void
write_set(struct jsonw *w, const struct set *set)
{
	jsonw_bool(w, "degraded", set_degraded(set));
	jsonw_open(w, "set", '{');
	jsonw_int(w, "primary", set->primary);
	jsonw_int(w, "wanted", set->wanted);
	jsonw_int(w, "min_insync", set->min);
	jsonw_int(w, "in_sync", set_count_in_sync(set));
	jsonw_bool(w, "forced", set->forced);
	jsonw_open(w, "members", '[');
	for (uint32_t i = 0; i < set->count; i++) {
		jsonw_open(w, NULL, '{');
		jsonw_int(w, "id", set->member[i].id);
		jsonw_text(w, "address", set->member[i].address);
		jsonw_bool(w, "in_sync", set->member[i].in_sync);
		jsonw_close(w);
	}
	jsonw_close(w);
	jsonw_close(w);
}

/* Milliseconds for which reads may go on without another word: null, without end. */
static void
write_lease(struct jsonw *w, const struct core_status *core)
{
	uint64_t now = clock_ms();
	if (core->read_until == UINT64_MAX)
		jsonw_null(w, "lease_ms");
	else
		jsonw_int(
		    w, "lease_ms", core->read_until > now ? (int64_t)(core->read_until - now) : 0);
}

static void
write_core(struct jsonw *w, const struct core_status *core)
{
	char incarnation[UUID_TEXT];
	uuid_print(&core->incarnation, incarnation);
	jsonw_text(w, "role", core->role == CORE_PRIMARY ? "primary" : "backup");
	jsonw_text(w, "phase", phase_name(core->phase));
	jsonw_open(w, "epoch", '{');
	jsonw_int(w, "counter", core->epoch.counter);
	jsonw_int(w, "replica", core->epoch.replica);
	jsonw_close(w);
	jsonw_text(w, "incarnation", incarnation);
	peer_write_position(w, "last", &core->last);
	peer_write_position(w, "commit", &core->commit);
	jsonw_int(w, "applied", core->applied);
	jsonw_bool(w, "in_doubt", core->in_doubt);
	jsonw_bool(w, "writable", core->writable);
	jsonw_int(w, "queue", core->queued);
	jsonw_bool(w, "partial", core->partial_until != 0);
	write_lease(w, core);
	write_set(w, &core->set);
	write_peers(w, core);
}

static void
write_cache(struct jsonw *w, struct cache *cache)
{
	struct cache_stats stats;
	if (cache == NULL || cache_stats(cache, clock_ms(), &stats) != 0) {
		jsonw_null(w, "cache");
		return;
	}
	jsonw_open(w, "cache", '{');
	jsonw_bool(w, "ready", stats.ready);
	jsonw_bool(w, "leased", stats.leased);
	jsonw_int(w, "entries", stats.entries);
	jsonw_int(w, "max_entries", stats.max_entries);
	jsonw_int(w, "hits", stats.hits);
	jsonw_int(w, "misses", stats.misses);
	jsonw_close(w);
}

/* Those of clients; what the cache in nginx answers never comes here. */
static void
write_requests(struct jsonw *w, const struct worker *worker)
{
	struct metrics_requests sum;
	metrics_requests(worker->metrics, service_client_routes, &sum);
	jsonw_open(w, "requests", '{');
	jsonw_int(w, "answered", (int64_t)sum.answered);
	jsonw_int(w, "failed", (int64_t)sum.failed);
	jsonw_open(w, "bounds_us", '[');
	for (size_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++)
		jsonw_int(w, NULL, (int64_t)(histogram_seconds.bound[i] / 1000));
	jsonw_close(w);
	jsonw_open(w, "took", '[');
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		jsonw_int(w, NULL, (int64_t)sum.took[i]);
	jsonw_close(w);
	jsonw_close(w);
}

void
health_status(struct call *c)
{
	struct core_status core;
	replica_status(c->worker->replica, &core);
	struct jsonw w = response_success(c->r, NULL);
	jsonw_open(&w, "data", '{');
	jsonw_text(&w, "name", c->worker->node->name);
	jsonw_text(&w, "service", node_service_name(c->worker->node->service));
	jsonw_int(&w, "id", c->worker->node->id);
	jsonw_int(&w, "pid", getpid());
	jsonw_int(&w, "uptime", (clock_wall_ms() - c->worker->started_ms) / 1000);
	jsonw_bool(&w, "serving", replica_serving(c->worker->replica));
	write_core(&w, &core);
	write_cache(&w, c->worker->cache);
	write_requests(&w, c->worker);
	jsonw_close(&w);
	jsonw_close(&w);
}
