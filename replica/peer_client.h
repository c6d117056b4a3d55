/*
 * HTTP from this process to other replicas, through the nginx in front of each; the only user of
 * libcurl in a worker. Bodies are binary and bounded; X-Bazar-Secret goes along, and the trace of
 * the thread that sends (base/trace.h). Redirects and proxies are not followed.
 */
#ifndef BAZAR_PEER_CLIENT_H
#define BAZAR_PEER_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi/base/buf.h"

/* ---- Many requests at once, without waiting: the replicator's ---- */

#define PEER_REQUEST_MS 1000 /* then a request has failed */
#define PEER_IN_FLIGHT 4     /* requests to one peer */
#define PEER_ID_MAX 31

struct peer_client;

/* One thread calls these, but peer_client_wake, which any thread may. */
struct peer_client *peer_client_new(const char *secret);
void peer_client_free(struct peer_client *c);

/* Requests to replica `id` (1 to PEER_ID_MAX) are POSTed to http://<address>/peer/replicate from
 * now on; those on their way to another address go on. */
void peer_client_add(struct peer_client *c, uint32_t id, const char *address);

/*
 * Takes over *body (leaves it empty). When this returns the request is on the wire, if the
 * connection was there and had room. When PEER_IN_FLIGHT requests are out already, the oldest is
 * given up without a report: a newer message to the same peer has taken its place.
 */
void peer_client_send(struct peer_client *c, uint32_t id, uint64_t request, struct buf *body);

/* A request that ended: `status` is the HTTP status, 0 when there was none. The handler may send.
 */
typedef void (*peer_ended)(
    void *arg, uint32_t id, uint64_t request, int status, const struct buf *answer);
void peer_client_run(struct peer_client *c, peer_ended ended, void *arg);

/* Sleeps until there is something to run, peer_client_wake was called (also before), or the time is
 * over. */
void peer_client_wait(struct peer_client *c, unsigned timeout_ms);
void peer_client_wake(struct peer_client *c);

/* ---- One at a time, waiting for the answer: the courier's ---- */

struct peer_call;

/* Calls of http://<address><path> over a kept connection. One thread. */
struct peer_call *peer_call_new(const char *address, const char *path, const char *secret);
void peer_call_free(struct peer_call *p);
/* POST of *body, or GET when it is NULL. The HTTP status, and the answer's bytes in *answer (which
 * is emptied first); -1: no answer in time. */
int peer_call(struct peer_call *p, const struct buf *body, unsigned timeout_ms, struct buf *answer);

#endif
