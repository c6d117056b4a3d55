#include "fcgi/fcgi.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
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
#define WAKE_SIGNAL SIGUSR2

struct fcgi_pool {
	struct fcgi_config config;
	int epoll;
	atomic_bool stopping;
	atomic_uint idle; /* threads waiting for any connection */
	sigset_t asleep;  /* signal mask while waiting: only WAKE_SIGNAL comes through */
	pthread_t *threads;
	unsigned thread_count;
};

/* What one thread works with, reused from request to request. */
struct server {
	struct fcgi_pool *pool;
	FCGX_Request fcgx;
	struct request request;
	struct response response;
	struct buf body;
	struct buf head;
};

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
}

static void
take_params(struct server *s)
{
	struct request *q = &s->request;
	q->method = METHOD_OTHER;
	q->target = "";
	memset(&q->header, 0, sizeof(q->header));
	for (char **param = s->fcgx.envp; *param != NULL; param++) {
		const char *equals = strchr(*param, '=');
		if (equals != NULL)
			take_param(q, *param, (size_t)(equals - *param), equals + 1);
	}
}

/* Reads the body to its very end: what is left over would be taken for the next request. -1 when
 * there is no end to it. */
static int
take_body(struct server *s)
{
	char chunk[16384];
	size_t total = 0, max = s->pool->config.body_max;
	int len;
	buf_clear(&s->body);
	while ((len = FCGX_GetStr(chunk, sizeof(chunk), s->fcgx.in)) > 0) {
		total += (size_t)len;
		if (total <= max)
			buf_add(&s->body, chunk, (size_t)len);
		else if (total > DRAIN_MAX)
			return -1;
	}
	s->request.body_too_large = total > max;
	s->request.body = s->body.data;
	s->request.body_len = total > max ? 0 : total;
	return FCGX_GetError(s->fcgx.in) == 0 ? 0 : -1;
}

/* ---- Answering ---- */

static void
give(struct server *s, const struct buf *bytes)
{
	if (bytes->len > 0)
		FCGX_PutStr((const char *)bytes->data, (int)bytes->len, s->fcgx.out);
}

static void
send_answer(struct server *s)
{
	struct response *r = &s->response;
	bool has_body = r->status != 204 && r->status != 304;
	buf_clear(&s->head);
	buf_printf(&s->head, "Status: %d %s\r\n", r->status, response_reason(r->status));
	if (has_body)
		buf_printf(
		    &s->head, "Content-Type: %s\r\nContent-Length: %zu\r\n", r->type, r->body.len);
	buf_add(&s->head, r->head.data, r->head.len);
	buf_add(&s->head, "\r\n", 2);
	give(s, &s->head);
	if (has_body && !r->no_body)
		give(s, &r->body);
}

/* One request on a connection that has something to read. Returns the connection if it can be used
 * again, -1 when it is closed. */
static int
answer_one(struct server *s, int fd)
{
	s->fcgx.ipcFd = fd;
	s->fcgx.keepConnection = 1; /* else the next call closes it first */
	s->fcgx.detached = 1;       /* closing must not wait for the other side */
	if (FCGX_Accept_r(&s->fcgx) != 0)
		return -1; /* closed by the other side, or not FastCGI */
	take_params(s);
	if (take_body(s) == 0) {
		response_reset(&s->response);
		s->pool->config.handler(s->pool->config.arg, &s->request, &s->response);
		send_answer(s);
	} else {
		s->fcgx.keepConnection = 0;
	}
	if (s->body.cap > BODY_KEEP)
		buf_free(&s->body);
	if (atomic_load_explicit(&s->pool->stopping, memory_order_relaxed))
		s->fcgx.keepConnection = 0;
	FCGX_Finish_r(&s->fcgx);
	int kept = s->fcgx.ipcFd;
	s->fcgx.ipcFd = -1;
	return kept;
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

/* The next descriptor with something to read; -1: stopping, and nobody asks any more. */
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
		if (n == 0 && stopping)
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

static void *
serve(void *arg)
{
	struct server *s = xcalloc(1, sizeof(*s));
	s->pool = arg;
	if (FCGX_InitRequest(&s->fcgx, -1, FCGI_FAIL_ACCEPT_ON_INTR) != 0)
		log_fatal("libfcgi cannot be initialised");
	int fd;
	while ((fd = next_ready(s->pool)) >= 0) {
		if (fd == s->pool->config.listen_fd)
			fd = accept_connection(s->pool);
		else if (watch(s->pool, EPOLL_CTL_DEL, fd) != 0)
			log_error("cannot take over a connection: %s", strerror(errno));
		while (fd >= 0) {
			fd = answer_one(s, fd);
			if (fd >= 0 && !asks_again(s->pool, fd))
				break;
		}
		if (fd >= 0 && watch(s->pool, EPOLL_CTL_ADD, fd) != 0)
			close(fd);
	}
	response_free(&s->response);
	buf_free(&s->body);
	buf_free(&s->head);
	free(s);
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
	int flags = fcntl(config->listen_fd, F_GETFL);
	pool->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (pool->epoll >= 0 && flags >= 0 &&
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
	if (pool->epoll >= 0)
		close(pool->epoll);
	free(pool->threads);
	free(pool);
	return 0;
}
