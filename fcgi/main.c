/*
 * A worker: one replica of one service. bazar-run (or systemd) starts it with its two listening
 * sockets already open, so a worker that dies costs no refused connection:
 *
 *     bazar-catalog --run DIR --name catalog-1
 *
 * Exit status: 0 after SIGTERM, otherwise one of enum worker_exit.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "fcgi/base/clock.h"
#include "fcgi/exit.h"
#include "fcgi/fcgi.h"
#include "fcgi/peer.h"
#include "fcgi/restore.h"
#include "fcgi/seeder.h"
#include "fcgi/service.h"

#define CLIENT_BODY_MAX (64u << 10)
#define STOP_MS 4500 /* from SIGTERM to the end of the last request in flight */
#define PATH_BYTES 4096
#define ERROR_BYTES 512

static struct settings settings;
static struct nodes nodes;
static char secret[SETTINGS_SECRET];
static struct fcgi_load client_load, peer_load;

static _Noreturn void
fail_usage(const char *sentence)
{
	log_error("%s", sentence);
	exit(EXIT_USAGE);
}

/* ---- What it is told ---- */

static const char *
option(int argc, char **argv, const char *name)
{
	for (int i = 1; i + 1 < argc; i += 2)
		if (strcmp(argv[i], name) == 0)
			return argv[i + 1];
	fail_usage("usage: bazar-catalog|bazar-order --run DIR --name REPLICA");
}

static void
read_configuration(struct worker *w, const char *name)
{
	char error[ERROR_BYTES], path[PATH_BYTES];
	if (settings_load(w->run, &settings, error) != 0 ||
	    settings_secret(w->run, secret, error) != 0)
		fail_usage(error);
	log_setup(name, settings_log_level(&settings));
	snprintf(path, sizeof(path), "%s/nodes", w->run);
	if (nodes_load(path, &nodes, error) != 0)
		fail_usage(error);
	w->node = nodes_find(&nodes, name);
	if (w->node == NULL || w->node->service != service_kind())
		fail_usage("The node file has no replica of this service and name.");
}

/* The descriptor of the inherited socket `name`. */
static int
inherited_socket(const char *name)
{
	static char **names;
	static int count = -1;
	if (count < 0)
		count = sd_listen_fds_with_names(0, &names);
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return SD_LISTEN_FDS_START + i;
	fail_usage("No listening sockets \"client\" and \"peer\" were inherited (LISTEN_FDS).");
}

/* ---- What it is made of ---- */

static void
open_store(struct worker *w)
{
	char path[PATH_BYTES], error[ERROR_BYTES];
	const char *const *tables = service_tables(&w->table_count);
	snprintf(path, sizeof(path), "%s/%s/db", w->run, w->node->name);
	w->store = store_open_or_abandon(
	    path, tables, w->table_count, settings.store_cache_bytes, error, sizeof(error));
	if (w->store == NULL)
		log_fatal("%s", error);
}

/* Bits of the catalog replicas on this host: those whose address has the same host part. */
static uint32_t
replicas_here(const struct worker *w)
{
	const char *own = w->node->address;
	size_t len = (size_t)(strrchr(own, ':') - own) + 1;
	uint32_t bits = 0;
	for (size_t i = 0; i < nodes.count; i++)
		if (nodes.node[i].service == NODE_CATALOG &&
		    strncmp(nodes.node[i].address, own, len) == 0)
			bits |= UINT32_C(1) << nodes.node[i].id;
	return bits;
}

/* Without a cache everything is slower, and nothing else. The replica opens it when it joins it,
 * and goes on trying. */
static void
set_up_cache(struct worker *w)
{
	char name[SETTINGS_SEGMENT];
	if (service_kind() != NODE_CATALOG || settings_segment(w->run, name) != 0)
		return;
	struct cache_geometry geometry = CACHE_GEOMETRY_DEFAULT;
	geometry.entries = (uint32_t)settings.cache_entries;
	geometry.blocks = (uint32_t)(settings.cache_bytes / geometry.block_size);
	geometry.expected = replicas_here(w);
	w->cache = cache_new(name, &geometry);
	if (w->cache == NULL)
		log_warn("no cache: %s", strerror(errno));
}

static void
start_replica(struct worker *w, const struct machine *machine)
{
	struct replica_config config = {
	    .name = w->node->name,
	    .nodes = &nodes,
	    .secret = secret,
	    .store = w->store,
	    .cache = w->cache,
	    .machine = machine,
	    .log_keep = settings.log_keep,
	};
	w->replica = replica_start(&config);
	if (w->replica == NULL)
		log_fatal("the replica cannot be started");
}

static struct fcgi_pool *
start_pool(const char *socket, uint64_t threads, size_t body_max, struct router *router,
    struct fcgi_load *load)
{
	struct fcgi_config config = {
	    .listen_fd = inherited_socket(socket),
	    .threads = (unsigned)threads,
	    .body_max = body_max,
	    .handler = router_answer,
	    .arg = router,
	    .load = load,
	};
	struct fcgi_pool *pool = fcgi_start(&config);
	if (pool == NULL)
		log_fatal("cannot serve the %s socket: %s", socket, strerror(errno));
	return pool;
}

/* A request that does not end in time is left to its fate: whatever it was doing, the log is as
 * sound as after a crash, which every start is made for. */
static void
stop_pool(struct fcgi_pool *pool, uint64_t deadline)
{
	uint64_t now = clock_ms();
	if (fcgi_stop(pool, now < deadline ? (unsigned)(deadline - now) : 0) == 0)
		return;
	log_warn("stopped while a request was still waiting");
	_exit(0);
}

/* Until a signal in `ends`. Where systemd watches us, it is told meanwhile that all is well: as
 * long as the replicator goes on, which ends for good when the disk or a lock hangs. */
static void
wait_for_end(const sigset_t *ends, struct replica *replica)
{
	uint64_t watchdog_us = 0;
	if (sd_watchdog_enabled(0, &watchdog_us) <= 0)
		watchdog_us = 0;
	uint64_t patience_ms = watchdog_us / 2000;
	struct timespec pause = {.tv_sec = (time_t)(watchdog_us / 4000000),
	    .tv_nsec = (long)(watchdog_us / 4 % 1000000) * 1000};
	for (;;) {
		if (watchdog_us != 0 && clock_ms() - replica_seen_ms(replica) < patience_ms)
			sd_notify(0, "WATCHDOG=1");
		int signal =
		    watchdog_us != 0 ? sigtimedwait(ends, NULL, &pause) : sigwaitinfo(ends, NULL);
		if (signal > 0)
			return;
	}
}

int
main(int argc, char **argv)
{
	const char *run = option(argc, argv, "--run"), *name = option(argc, argv, "--name");
	log_setup(name, LOG_INFO);
	struct worker worker = {.run = run,
	    .settings = &settings,
	    .nodes = &nodes,
	    .secret = secret,
	    .client_load = &client_load,
	    .peer_load = &peer_load,
	    .started_ms = clock_wall_ms()};
	read_configuration(&worker, name);

	sigset_t ends; /* blocked in every thread, taken by this one */
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	if (pthread_sigmask(SIG_BLOCK, &ends, NULL) != 0 || fcgi_setup() != 0)
		log_fatal("cannot set up signals and files: %s", strerror(errno));

	worker.metrics = metrics_new();
	open_store(&worker);
	restore_if_asked(&worker);
	set_up_cache(&worker);
	struct machine machine = service_machine(store_view(worker.store));
	start_replica(&worker, &machine);
	if (service_start(&worker) != 0)
		return EXIT_DISK;
	struct seeder *seeder = seeder_start(&worker);
	if (seeder == NULL)
		log_fatal("cannot start a thread: %s", strerror(errno));
	struct router client_router, peer_router;
	router_init(&client_router, &worker, service_client_routes, NULL);
	router_init(&peer_router, &worker, peer_routes, service_peer_routes);
	struct fcgi_pool *peers =
	    start_pool("peer", settings.peer_threads, PEER_BODY_MAX, &peer_router, &peer_load);
	struct fcgi_pool *clients = start_pool(
	    "client", settings.client_threads, CLIENT_BODY_MAX, &client_router, &client_load);
	sd_notify(0, "READY=1");
	log_info("started");

	wait_for_end(&ends, worker.replica);
	sd_notify(0, "STOPPING=1");
	log_info("stopping");
	uint64_t deadline = clock_ms() + STOP_MS;
	stop_pool(clients, deadline); /* first those who wait for the others */
	seeder_stop(seeder);
	service_stop(&worker);
	stop_pool(peers, deadline);
	replica_stop(worker.replica);
	service_free(&worker);
	service_machine_free(&machine);
	cache_close(worker.cache);
	store_close(worker.store);
	metrics_free(worker.metrics);
	log_info("stopped");
	return 0;
}
