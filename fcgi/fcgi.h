/*
 * FastCGI, and the only file that knows libfcgi: a listening socket, its connections, and the
 * threads that answer what comes in on them.
 *
 * nginx may keep more connections open than there are threads, so none belongs to a thread: all
 * wait in one epoll set, and whichever thread is free takes the next one that is ready, for one
 * request.
 */
#ifndef BAZAR_FCGI_H
#define BAZAR_FCGI_H

#include <stdatomic.h>
#include <stddef.h>

#include "fcgi/request.h"
#include "fcgi/response.h"

struct fcgi_pool;

/* What a pool is doing; for whoever wants to know, at any time. On a cache line of its own: every
 * request writes it. */
struct fcgi_load {
	_Alignas(64) atomic_uint requests; /* being answered */
	atomic_uint parked;                /* of these, those that hold no thread */
};

/* How many threads are answering right now. */
unsigned fcgi_busy(const struct fcgi_load *load);

/*
 * Answers one request; any number of threads at a time. `q` holds method, target, headers and body;
 * the rest is up to request_parse. `r` was reset. True: the answer is in *r. False: it comes later;
 * until then the request holds no thread, `q` and `r` stay where they are, and somebody calls
 * fcgi_resume, maybe before the handler returns.
 */
typedef bool (*fcgi_handler)(void *arg, struct request *q, struct response *r);

struct fcgi_config {
	int listen_fd; /* a listening stream socket; stays open after fcgi_stop */
	unsigned threads;
	size_t body_max; /* bytes; what is longer is read and thrown away (body_too_large) */
	fcgi_handler handler;
	void *arg;
	struct fcgi_load *load; /* all 0; outlives the pool */
};

/* Once in a process, before the first pool and before other threads: signals, open files, memory.
 */
int fcgi_setup(void);

/* NULL: errno. The threads block all signals. */
struct fcgi_pool *fcgi_start(const struct fcgi_config *config);

/* Once for a request whose handler returned false; any thread, does not block: answer(arg) is
 * called on a thread of the pool and leaves the answer in *r, which is then sent. */
void fcgi_resume(struct response *r, void (*answer)(void *arg), void *arg);

/*
 * Takes no new connections, answers what was asked on the open ones, ends the threads, and closes
 * the connections: whoever asks next connects anew, and waits for the process that comes next. -1:
 * some request was not done after `wait_ms`; its thread goes on, and the pool must not be touched
 * again.
 */
int fcgi_stop(struct fcgi_pool *pool, unsigned wait_ms);

#endif
