/*
 * A running replica: the protocol core with its threads, disk, network and clock. What request
 * handlers see of replication.
 *
 * The replicator thread owns the core and is the only writer of the store. It carries out the
 * core's actions; messages to other replicas leave through peer_client.[ch], messages from them
 * arrive through replica_receive on a peer thread.
 */
#ifndef BAZAR_REPLICA_H
#define BAZAR_REPLICA_H

#include "fcgi/base/histogram.h"
#include "fcgi/cache/cache.h"
#include "fcgi/nodes.h"
#include "fcgi/store/store.h"
#include "replica/core/core.h"
#include "replica/peer_client.h"

struct replica;

struct replica_config {
	const char *name;          /* own name in `nodes` */
	const struct nodes *nodes; /* who there is at first (same service), where, and primary */
	const char *secret;        /* sent as X-Bazar-Secret */
	struct store *store;
	struct cache *cache;           /* NULL: this service has none */
	const struct machine *machine; /* decided, begin, execute; the rest is filled in here */
	uint64_t log_keep;             /* applied entries kept in the log, about */
};

struct replica *replica_start(const struct replica_config *config);
/* Lets what is in flight finish (bounded 3 s), then stops the threads. */
void replica_stop(struct replica *r);

/* ---- Writing (any thread) ---- */

struct replica_answer {
	enum core_result result;
	struct buf bytes; /* the machine's answer when DECIDED or REPLAYED; owner: whoever got the
			     struct */
};

/* Called once per submitted operation, on the replicator thread (or in replica_submit, when nothing
 * can be taken: OVERLOADED); must not block. May move answer->bytes out; what is left there is
 * freed afterwards. */
typedef void (*replica_done)(void *arg, struct replica_answer *answer);

/* Asynchronous: the operations are taken over, all or none; for each, done(args[i]) follows always,
 * exactly once. Submitted together they share batches. */
void replica_submit(
    struct replica *r, struct op **ops, void **args, size_t count, replica_done done);

/* The same, waiting for all answers. */
void replica_write(
    struct replica *r, struct op **ops, struct replica_answer *answers, size_t count);

/* ---- Reading (any thread) ---- */

/* The steps of a linearizable read up to READ_ROWS (replica/core/read.h): waits at most 2 s for a
 * dirty key. 0: go on with store_read_begin; -1: this replica can't answer now (503, another one is
 * asked). */
int replica_read(struct replica *r, uint64_t key);
/* Whether the gate is open: a cache hit needs it too. */
bool replica_serving(struct replica *r);

/* ---- Peers, status (any thread) ---- */

/* Handles the body of POST /peer/replicate; appends the answer's bytes. Returns the HTTP status:
 * 200, 409 (refused: the answer says why), 400 (malformed), 503 (stopping or too busy). */
int replica_receive(struct replica *r, const void *body, size_t len, struct buf *answer);

void replica_status(struct replica *r, struct core_status *out);

/* When the replicator last looked around, at most 100 ms ago unless it hangs (clock_ms). */
uint64_t replica_seen_ms(struct replica *r);

/* Measured since start; stays where it is until replica_stop. */
struct replica_meters {
	struct histogram batch;                /* histogram_counts: operations in a batch */
	struct histogram ack[PEER_ID_MAX + 1]; /* histogram_seconds, by replica: from sending it
						  entries until it had them on disk */
};
const struct replica_meters *replica_meters(const struct replica *r);

/* An operator's command; `ticket` is filled in here. Waits for its outcome, CORE_COMMAND_MS and a
 * second at most. */
enum core_told replica_command(struct replica *r, const struct core_command *command);

#endif
