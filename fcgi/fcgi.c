#include "fcgi/fcgi.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <fcgiapp.h>

#include "fcgi/base/xalloc.h"
#include "fcgi/log.h"

#define STUCK_SECONDS 5        /* a connection that stands still this long in a request is closed */
#define LINGER_MS 10           /* a thread stays this long with a connection it has answered */
#define ACCEPT_PAUSE_MS 50     /* after running out of files */
#define DRAIN_MAX (32u << 20)  /* bytes of a body thrown away before the connection is */
#define STOP_QUIET_MS 100      /* stopping: nothing asked for this long means nobody asks */
#define BODY_KEEP (256u << 10) /* a thread keeps this much memory for the next body */
#define SPARE_MAX 256          /* exchanges kept for the next ones that are answered later */
#define WAKE_SIGNAL SIGUSR2
/* Batches come and go by the megabyte: memory that was freed is kept for the next one, not given
 * back to the system and taken anew. */
#define KEEP_FREE (64 << 20)
#define TAKE_AHEAD (1 << 20)
#define MAP_ALONE (4 << 20)

struct exchange;

struct exchange_list {
	struct exchange *first, **last;
};

struct fcgi_pool {
	struct fcgi_config config;
	int epoll;
	int resumed; /* eventfd: an edge of it sends a thread to the answers that came later */
	atomic_bool stopping;
	atomic_int highest;  /* descriptor of a connection */
	atomic_uint idle;    /* threads waiting for any connection */
	atomic_uint staying; /* threads that have not left yet */
	sigset_t asleep;     /* signal mask while waiting: only WAKE_SIGNAL comes through */
	pthread_t *threads;
	unsigned thread_count;

	pthread_mutex_t lock; /* over all that follows */
	struct exchange_list answers;
	bool delivering; /* a thread is at the answers, or on its way */
	struct exchange *spare;
	unsigned spare_count;
};

/* A request and its answer. A thread uses its own again and again; one whose answer comes later
 * goes its own way, and the thread takes another. */
struct exchange {
	struct fcgi_pool *pool;
	FCGX_Request fcgx;
	struct request request;
	struct response response;
	struct buf body;
	struct buf head;
	void (*answer)(void *arg);
	void *arg;
	struct exchange *next;
};

static struct exchange *
exchange_new(struct fcgi_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	struct exchange *x = pool->spare;
	if (x != NULL) {
		pool->spare = x->next;
		pool->spare_count--;
	}
	pthread_mutex_unlock(&pool->lock);
	if (x != NULL)
		return x;
	x = xcalloc(1, sizeof(*x));
	x->pool = pool;
	if (FCGX_InitRequest(&x->fcgx, -1, FCGI_FAIL_ACCEPT_ON_INTR) != 0)
		log_fatal("libfcgi cannot be initialised");
	return x;
}

static void
exchange_free(struct exchange *x)
{
	response_free(&x->response);
	buf_free(&x->body);
	buf_free(&x->head);
	free(x);
}

static void
exchange_spare(struct exchange *x)
{
	struct fcgi_pool *pool = x->pool;
	pthread_mutex_lock(&pool->lock);
	bool keep = pool->spare_count < SPARE_MAX;
	if (keep) {
		x->next = pool->spare;
		pool->spare = x;
		pool->spare_count++;
	}
	pthread_mutex_unlock(&pool->lock);
	if (!keep)
		exchange_free(x);
}

/* ---- Reading a request ---- */

#define HEADER(name, field)                                                                        \
	{                                                                                          \
		name, sizeof(name) - 1, offsetof(struct request_headers, field)                    \
	}
static const struct {
	const char *name;
	size_t len;
	size_t field;
} known_headers[] = {
    HEADER("HTTP_HOST", host),
    HEADER("HTTP_ORIGIN", origin),
    HEADER("HTTP_SEC_FETCH_SITE", sec_fetch_site),
    HEADER("HTTP_AUTHORIZATION", authorization),
    HEADER("CONTENT_TYPE", content_type),
    HEADER("HTTP_IDEMPOTENCY_KEY", idempotency_key),
    HEADER("HTTP_IF_MATCH", if_match),
    HEADER("HTTP_IF_NONE_MATCH", if_none_match),
    HEADER("HTTP_X_BAZAR_SECRET", bazar_secret),
    HEADER("REQUEST_ID", request_id),
    HEADER("HTTP_TRACEPARENT", traceparent),
    HEADER("BAZAR_FRONT", front),
};
#undef HEADER

static void
take_param(struct request *q, const char *name, size_t len, const char *value)
{
	for (size_t i = 0; i < sizeof(known_headers) / sizeof(known_headers[0]); i++) {
		if (len != known_headers[i].len || memcmp(name, known_headers[i].name, len) != 0)
			continue;
		const char **field = (const char **)((char *)&q->header + known_headers[i].field);
		/* An empty header is none, except where a write must not go on without it. */
		if (*value != '\0' || field == &q->header.idempotency_key ||
		    field == &q->header.if_match)
			*field = value;
		return;
	}
	if (len == 14 && memcmp(name, "REQUEST_METHOD", len) == 0)
		q->method = request_method(value);
	else if (len == 11 && memcmp(name, "REQUEST_URI", len) == 0)
		q->target = value;
	else if (len == 13 && memcmp(name, "BAZAR_ELAPSED", len) == 0)
		q->elapsed_ms = (uint64_t)(strtod(value, NULL) * 1000);
}

static void
take_params(struct exchange *x)
{
	struct request *q = &x->request;
	q->method = METHOD_OTHER;
	q->target = "";
	q->elapsed_ms = 0;
	memset(&q->header, 0, sizeof(q->header));
	for (char **param = x->fcgx.envp; *param != NULL; param++) {
		const char *equals = strchr(*param, '=');
		if (equals != NULL)
			take_param(q, *param, (size_t)(equals - *param), equals + 1);
	}
}

/* Reads the body to its very end: what is left over would be taken for the next request. -1 when
 * there is no end to it. */
static int
take_body(struct exchange *x)
{
	char chunk[16384];
	size_t total = 0, max = x->pool->config.body_max;
	int len;
	buf_clear(&x->body);
	while ((len = FCGX_GetStr(chunk, sizeof(chunk), x->fcgx.in)) > 0) {
		total += (size_t)len;
		if (total <= max)
			buf_add(&x->body, chunk, (size_t)len);
		else if (total > DRAIN_MAX)
			return -1;
	}
	x->request.body_too_large = total > max;
	x->request.body = x->body.data;
	x->request.body_len = total > max ? 0 : total;
	return FCGX_GetError(x->fcgx.in) == 0 ? 0 : -1;
}

/* ---- Answering ---- */

static void
give(struct exchange *x, const struct buf *bytes)
{
	if (bytes->len > 0)
		FCGX_PutStr((const char *)bytes->data, (int)bytes->len, x->fcgx.out);
}

static void
send_answer(struct exchange *x)
{
	struct response *r = &x->response;
	bool has_body = r->status != 204 && r->status != 304;
	buf_clear(&x->head);
	buf_printf(&x->head, "Status: %d %s\r\n", r->status, response_reason(r->status));
	if (has_body)
		buf_printf(
		    &x->head, "Content-Type: %s\r\nContent-Length: %zu\r\n", r->type, r->body.len);
	buf_add(&x->head, r->head.data, r->head.len);
	buf_add(&x->head, "\r\n", 2);
	give(x, &x->head);
	if (has_body && !r->no_body)
		give(x, &r->body);
}

/* Ends a request that was answered, or failed. Returns the connection if it can be used again, -1
 * when it is closed. */
static int
finish(struct exchange *x)
{
	if (x->body.cap > BODY_KEEP)
		buf_free(&x->body);
	if (atomic_load_explicit(&x->pool->stopping, memory_order_relaxed))
		x->fcgx.keepConnection = 0;
	FCGX_Finish_r(&x->fcgx);
	int kept = x->fcgx.ipcFd;
	x->fcgx.ipcFd = -1;
	return kept;
}

static void
count(atomic_uint *counter, int more)
{
	atomic_fetch_add_explicit(counter, (unsigned)more, memory_order_relaxed);
}

/* A request may be taken up again before it was counted as parked: `parked` wraps for a moment. */
unsigned
fcgi_busy(const struct fcgi_load *load)
{
	int requests = (int)atomic_load_explicit(&load->requests, memory_order_relaxed);
	int parked = (int)atomic_load_explicit(&load->parked, memory_order_relaxed);
	int busy = requests - (parked > 0 ? parked : 0);
	return busy > 0 ? (unsigned)busy : 0;
}

enum progress { ANSWERED, BROKEN, LATER };

/* One request on a connection that has something to read. LATER: the exchange is no longer ours. */
static enum progress
take_one(struct exchange *x, int fd)
{
	struct fcgi_pool *pool = x->pool;
	x->fcgx.ipcFd = fd;
	x->fcgx.keepConnection = 1; /* else the next call closes it first */
	x->fcgx.detached = 1;       /* closing must not wait for the other side */
	if (FCGX_Accept_r(&x->fcgx) != 0)
		return BROKEN; /* closed by the other side, or not FastCGI */
	take_params(x);
	if (take_body(x) != 0) {
		x->fcgx.keepConnection = 0;
		finish(x);
		return BROKEN;
	}
	response_reset(&x->response);
	count(&pool->config.load->requests, 1);
	if (!pool->config.handler(pool->config.arg, &x->request, &x->response)) {
		count(&pool->config.load->parked, 1);
		return LATER;
	}
	count(&pool->config.load->requests, -1);
	send_answer(x);
	return ANSWERED;
}

/* ---- Connections ---- */

/* Give the descriptor to one thread when there is something to read. `operation`: a connection is
 * added, and removed by the thread that gets it (adding again, unlike arming anew, is an order of
 * events that thread checkers know); the listening socket is armed anew. */
static int
watch(struct fcgi_pool *pool, int operation, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = fd};
	return epoll_ctl(pool->epoll, operation, fd, &event);
}

static int
set_limits(int fd)
{
	struct timeval limit = {.tv_sec = STUCK_SECONDS};
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0)
		return -1;
	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

/* A new connection, and the listening socket for the next thread. nginx asks as soon as it is
 * connected, so whoever accepts a connection answers its first request. -1: there was none. */
static int
accept_connection(struct fcgi_pool *pool)
{
	int fd = accept4(pool->config.listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
		log_warn("cannot accept connections: %s", strerror(errno));
		struct timespec pause = {.tv_nsec = ACCEPT_PAUSE_MS * 1000000L};
		nanosleep(&pause, NULL);
	}
	if (!atomic_load(&pool->stopping) &&
	    watch(pool, EPOLL_CTL_MOD, pool->config.listen_fd) != 0)
		log_error("cannot watch the listening socket: %s", strerror(errno));
	if (fd >= 0 && set_limits(fd) != 0) {
		log_warn("cannot take a connection: %s", strerror(errno));
		close(fd);
		fd = -1;
	}
	return fd;
}

/* The next descriptor with something to read; -1: stopping, and nobody asks, or waits, any more. */
static int
next_ready(struct fcgi_pool *pool)
{
	struct epoll_event event;
	for (;;) {
		bool stopping = atomic_load_explicit(&pool->stopping, memory_order_relaxed);
		atomic_fetch_add_explicit(&pool->idle, 1, memory_order_relaxed);
		int n = epoll_pwait(
		    pool->epoll, &event, 1, stopping ? STOP_QUIET_MS : -1, &pool->asleep);
		atomic_fetch_sub_explicit(&pool->idle, 1, memory_order_relaxed);
		if (n == 1)
			return event.data.fd;
		if (n == 0 && stopping &&
		    atomic_load_explicit(&pool->config.load->requests, memory_order_relaxed) == 0)
			return -1;
		if (n < 0 && errno != EINTR)
			log_fatal("epoll: %s", strerror(errno));
	}
}

/* Whether this connection asks again right away, or ends. While enough others wait for the rest, a
 * thread stays a moment with the connection it has: that spares two system calls a request. */
static bool
asks_again(struct fcgi_pool *pool, int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	return atomic_load_explicit(&pool->idle, memory_order_relaxed) * 2 >=
		   pool->config.threads &&
	       poll(&ready, 1, LINGER_MS) == 1;
}

static void
put_back(struct fcgi_pool *pool, int fd)
{
	int highest = atomic_load_explicit(&pool->highest, memory_order_relaxed);
	while (fd > highest && !atomic_compare_exchange_weak(&pool->highest, &highest, fd))
		;
	if (fd >= 0 && watch(pool, EPOLL_CTL_ADD, fd) != 0)
		close(fd);
}

/* All requests that come on a connection while this thread stays with it. Returns the exchange to
 * go on with. */
static struct exchange *
serve_connection(struct exchange *x, int fd)
{
	struct fcgi_pool *pool = x->pool;
	while (fd >= 0) {
		switch (take_one(x, fd)) {
		case LATER:
			return exchange_new(pool);
		case BROKEN:
			return x;
		case ANSWERED:
			fd = finish(x);
		}
		if (fd >= 0 && !asks_again(pool, fd))
			break;
	}
	put_back(pool, fd);
	return x;
}

/* The last thread ends the connections on which nobody asks. Only the epoll set knows which they
 * are. Each is looked at right before: a request on its way into a closed connection would be lost.
 */
static struct exchange *
close_idle(struct exchange *x)
{
	struct fcgi_pool *pool = x->pool;
	for (int fd = 0; fd <= atomic_load(&pool->highest); fd++) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		if (fd == pool->resumed || epoll_ctl(pool->epoll, EPOLL_CTL_DEL, fd, NULL) != 0)
			continue;
		if (poll(&ready, 1, 0) == 1)
			x = serve_connection(x, fd);
		else
			close(fd);
	}
	return x;
}

/* ---- Answers that come later ---- */

void
fcgi_resume(struct response *r, void (*answer)(void *arg), void *arg)
{
	struct exchange *x = (struct exchange *)((char *)r - offsetof(struct exchange, response));
	struct fcgi_pool *pool = x->pool;
	x->answer = answer;
	x->arg = arg;
	x->next = NULL;
	pthread_mutex_lock(&pool->lock);
	*pool->answers.last = x;
	pool->answers.last = &x->next;
	bool wake = !pool->delivering;
	pool->delivering = true;
	/* With the lock held: when the answer is out, the pool may be gone. */
	if (wake && eventfd_write(pool->resumed, 1) != 0)
		log_fatal("eventfd: %s", strerror(errno));
	pthread_mutex_unlock(&pool->lock);
}

static struct exchange *
next_answer(struct fcgi_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	struct exchange *x = pool->answers.first;
	if (x != NULL)
		pool->answers.first = x->next;
	else
		pool->delivering = false;
	if (pool->answers.first == NULL)
		pool->answers.last = &pool->answers.first;
	pthread_mutex_unlock(&pool->lock);
	return x;
}

/* Everything there is: buyers who waited for one batch get their answers without a thread each
 * having to wake up for it. */
static void
deliver(struct fcgi_pool *pool)
{
	for (struct exchange *x; (x = next_answer(pool)) != NULL;) {
		count(&pool->config.load->parked, -1);
		x->answer(x->arg);
		send_answer(x);
		put_back(pool, finish(x));
		exchange_spare(x);
		count(&pool->config.load->requests, -1);
	}
}

/* Until nobody asks any more. Returns the exchange to go on with. */
static struct exchange *
serve_all(struct exchange *x)
{
	struct fcgi_pool *pool = x->pool;
	int fd;
	while ((fd = next_ready(pool)) >= 0) {
		if (fd == pool->resumed) {
			deliver(pool);
			continue;
		}
		if (fd == pool->config.listen_fd)
			fd = accept_connection(pool);
		else if (watch(pool, EPOLL_CTL_DEL, fd) != 0)
			log_error("cannot take over a connection: %s", strerror(errno));
		x = serve_connection(x, fd);
	}
	return x;
}

static void *
serve(void *arg)
{
	struct fcgi_pool *pool = arg;
	struct exchange *x = serve_all(exchange_new(pool));
	if (atomic_fetch_sub(&pool->staying, 1) == 1) {
		x = close_idle(x);
		if (atomic_load(&pool->config.load->requests) > 0)
			x = serve_all(x);
	}
	exchange_free(x);
	return NULL;
}

/* ---- Pools ---- */

static void
wake(int signal)
{
	(void)signal; /* only to end a wait */
}

int
fcgi_setup(void)
{
	struct rlimit files;
	struct sigaction ignore = {.sa_handler = SIG_IGN}, interrupt = {.sa_handler = wake};
	if (sigaction(SIGPIPE, &ignore, NULL) != 0 ||
	    sigaction(WAKE_SIGNAL, &interrupt, NULL) != 0 || FCGX_Init() != 0)
		return -1;
	/* Another allocator, a sanitizer's for one, has no such thing, and works. */
	mallopt(M_TRIM_THRESHOLD, KEEP_FREE);
	mallopt(M_TOP_PAD, TAKE_AHEAD);
	mallopt(M_MMAP_THRESHOLD, MAP_ALONE);
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return -1;
	files.rlim_cur = files.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &files);
}

static int
start_threads(struct fcgi_pool *pool)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pool->asleep = all;
	sigdelset(&pool->asleep, WAKE_SIGNAL);
	int error = 0;
	atomic_store(&pool->staying, pool->config.threads);
	while (error == 0 && pool->thread_count < pool->config.threads) {
		error = pthread_create(&pool->threads[pool->thread_count], NULL, serve, pool);
		if (error == 0)
			pool->thread_count++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return error == 0 ? 0 : -1;
}

struct fcgi_pool *
fcgi_start(const struct fcgi_config *config)
{
	struct fcgi_pool *pool = xcalloc(1, sizeof(*pool));
	pool->config = *config;
	pool->threads = xcalloc(config->threads, sizeof(*pool->threads));
	pool->answers.last = &pool->answers.first;
	pthread_mutex_init(&pool->lock, NULL);
	pool->resumed = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int flags = fcntl(config->listen_fd, F_GETFL);
	pool->epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event edge = {.events = EPOLLIN | EPOLLET, .data.fd = pool->resumed};
	if (pool->epoll >= 0 && pool->resumed >= 0 && flags >= 0 &&
	    epoll_ctl(pool->epoll, EPOLL_CTL_ADD, pool->resumed, &edge) == 0 &&
	    fcntl(config->listen_fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
	    watch(pool, EPOLL_CTL_ADD, config->listen_fd) == 0 && start_threads(pool) == 0)
		return pool;
	int error = errno;
	fcgi_stop(pool, 1000);
	errno = error;
	return NULL;
}

int
fcgi_stop(struct fcgi_pool *pool, unsigned wait_ms)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += wait_ms / 1000;
	until.tv_nsec += (long)(wait_ms % 1000) * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	atomic_store(&pool->stopping, true);
	epoll_ctl(pool->epoll, EPOLL_CTL_DEL, pool->config.listen_fd, NULL);
	for (unsigned i = 0; i < pool->thread_count; i++)
		pthread_kill(pool->threads[i], WAKE_SIGNAL);
	for (unsigned i = 0; i < pool->thread_count; i++)
		if (pthread_timedjoin_np(pool->threads[i], NULL, &until) != 0)
			return -1;
	for (struct exchange *x; (x = pool->spare) != NULL;) {
		pool->spare = x->next;
		exchange_free(x);
	}
	if (pool->resumed >= 0)
		close(pool->resumed);
	if (pool->epoll >= 0)
		close(pool->epoll);
	pthread_mutex_destroy(&pool->lock);
	free(pool->threads);
	free(pool);
	return 0;
}
