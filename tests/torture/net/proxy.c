/*
 * The network between the replicas of a tortured shop, one link for each direction of asking:
 *
 *     proxy SHOP-PORT OFFSET...      e.g. proxy 21000 80 81 82 83
 *
 * listens for i asking j on the port that tests/torture/net/links.c says, and passes whole HTTP
 * requests and answers on. Told on stdin how each link behaves; answers "ok" to each line; ends
 * with it:
 *
 *     FROM TO lose-requests lose-answers reset delay copies late
 *
 * lose-*: per cent that vanish; the asker then waits in vain, as on a cut cable, or with `reset` 1
 * loses its connection at once, as when a router knows that there is no way. delay: at most so many
 * milliseconds, by chance, before a request goes on and again before its answer does; also longer
 * than the asker waits, so that old requests arrive after newer ones. copies: per cent of requests
 * that are delivered once more, at most `late` milliseconds later; that answer is nobody's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fcgi/base/buf.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/log.h"

#define REPLICAS_MAX 16
#define HEAD_MAX (64u << 10)
#define BODY_MAX (64u << 20)
#define COPIES_MAX 64 /* under way at once */
#define UPSTREAM_S 60
#define HOLD_MS 60000 /* an asker in vain gives up earlier */

struct link {
	unsigned from, to; /* offsets 0 to 15 */
	int listener;
	atomic_uint lose_requests, lose_answers, reset, delay, copies, late;
};

static unsigned first; /* port of the replica with offset 0 */
static struct link links[REPLICAS_MAX][REPLICAS_MAX];
static atomic_uint copies_under_way;

/* ---- Chance and time ---- */

static unsigned
chance(unsigned limit)
{
	static _Thread_local unsigned short state[3];
	if (state[0] == 0) {
		struct timespec now;
		clock_gettime(CLOCK_MONOTONIC, &now);
		state[0] = (unsigned short)(now.tv_nsec | 1);
		state[1] = (unsigned short)(now.tv_nsec >> 16);
		state[2] = (unsigned short)now.tv_sec;
	}
	return limit > 0 ? (unsigned)nrand48(state) % limit : 0;
}

static void
sleep_ms(unsigned ms)
{
	struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
	nanosleep(&t, NULL);
}

/* ---- Whole messages ---- */

/* The head's value of `name` ("\r\nContent-Length:"), or NULL. */
static const char *
header(struct buf *message, size_t head, const char *name)
{
	const char *text = buf_cstr(message);
	for (const char *at = text; (at = strcasestr(at, name)) != NULL && at < text + head;)
		return at + strlen(name);
	return NULL;
}

static bool
receive_some(int fd, struct buf *message)
{
	char bytes[16384];
	ssize_t got;
	do
		got = recv(fd, bytes, sizeof(bytes), 0);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		buf_add(message, bytes, (size_t)got);
	return got > 0;
}

/* One request or answer into `message`; nginx and libcurl tell the length of what they send each
 * other here, or close at its end. */
static bool
receive(int fd, struct buf *message, bool answer)
{
	const uint8_t *end = NULL;
	buf_clear(message);
	while (end == NULL) {
		if (message->len > HEAD_MAX || !receive_some(fd, message))
			return false;
		end = memmem(message->data, message->len, "\r\n\r\n", 4);
	}
	size_t head = (size_t)(end - message->data) + 4;
	const char *length = header(message, head, "\r\nContent-Length:");
	if (length == NULL && answer) {
		while (message->len < BODY_MAX && receive_some(fd, message))
			;
		return true;
	}
	size_t body = length != NULL ? strtoul(length, NULL, 10) : 0;
	if (body > BODY_MAX)
		return false;
	while (message->len < head + body)
		if (!receive_some(fd, message))
			return false;
	return true;
}

static bool
send_all(int fd, const struct buf *message)
{
	size_t sent = 0;
	while (sent < message->len) {
		ssize_t now = send(fd, message->data + sent, message->len - sent, MSG_NOSIGNAL);
		if (now < 0 && errno != EINTR)
			return false;
		sent += now > 0 ? (size_t)now : 0;
	}
	return true;
}

/* ---- The far end ---- */

static struct sockaddr_in
address_of(unsigned port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* -1: nobody listens. */
static int
dial(const struct link *l)
{
	struct sockaddr_in address = address_of(first + l->to);
	struct timeval patience = {.tv_sec = UPSTREAM_S};
	int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Sends *request over *fd, a kept connection or -1, and reads the answer. */
static bool
ask(const struct link *l, int *fd, const struct buf *request, struct buf *answer)
{
	bool kept = *fd >= 0;
	if (!kept)
		*fd = dial(l);
	if (*fd >= 0 && send_all(*fd, request) && receive(*fd, answer, true))
		return true;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	/* A kept connection may just have been closed. Sending twice is no harm: copies may happen.
	 */
	return kept && ask(l, fd, request, answer);
}

/* ---- Copies ---- */

struct copy {
	const struct link *link;
	struct buf request;
	unsigned wait;
};

static void *
deliver_copy(void *arg)
{
	struct copy *c = arg;
	struct buf answer = {0};
	int fd = -1;
	sleep_ms(c->wait);
	if (ask(c->link, &fd, &c->request, &answer))
		close(fd);
	buf_free(&answer);
	buf_free(&c->request);
	free(c);
	atomic_fetch_sub(&copies_under_way, 1);
	return NULL;
}

static void
start_thread(void *(*run)(void *), void *arg)
{
	pthread_t thread;
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attributes, run, arg) != 0)
		log_fatal("cannot start a thread");
	pthread_attr_destroy(&attributes);
}

static void
copy(struct link *l, const struct buf *request)
{
	if (atomic_fetch_add(&copies_under_way, 1) >= COPIES_MAX) {
		atomic_fetch_sub(&copies_under_way, 1);
		return;
	}
	struct copy *c = xcalloc(1, sizeof(*c));
	c->link = l;
	c->wait = chance(atomic_load(&l->late));
	buf_add(&c->request, request->data, request->len);
	start_thread(deliver_copy, c);
}

/* ---- An asker's connection ---- */

struct connection {
	struct link *link;
	int fd;
};

/* Nothing more comes; the asker finds that out by itself, or is told. Always false. */
static bool
lose(struct link *l, int fd)
{
	struct pollfd gone = {.fd = fd, .events = POLLRDHUP};
	if (atomic_load(&l->reset) == 0)
		poll(&gone, 1, HOLD_MS);
	return false;
}

/* Pass one request and its answer on. False: the connection is over. */
static bool
pass(struct link *l, int fd, int *upstream, struct buf *request, struct buf *answer)
{
	if (!receive(fd, request, false))
		return false;
	sleep_ms(chance(atomic_load(&l->delay)));
	if (chance(100) < atomic_load(&l->lose_requests))
		return lose(l, fd);
	if (chance(100) < atomic_load(&l->copies))
		copy(l, request);
	bool answered = ask(l, upstream, request, answer);
	sleep_ms(chance(atomic_load(&l->delay)));
	if (chance(100) < atomic_load(&l->lose_answers))
		return lose(l, fd);
	return answered && send_all(fd, answer);
}

static void *
serve_connection(void *arg)
{
	struct connection *c = arg;
	struct buf request = {0}, answer = {0};
	int upstream = -1;
	while (pass(c->link, c->fd, &upstream, &request, &answer))
		;
	if (upstream >= 0)
		close(upstream);
	close(c->fd);
	buf_free(&request);
	buf_free(&answer);
	free(c);
	return NULL;
}

static void *
serve_link(void *arg)
{
	struct link *l = arg;
	int yes = 1;
	for (;;) {
		int fd = accept4(l->listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0) {
			sleep_ms(10);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		struct connection *c = xcalloc(1, sizeof(*c));
		*c = (struct connection){l, fd};
		start_thread(serve_connection, c);
	}
	return NULL;
}

static void
open_link(unsigned from, unsigned to)
{
	struct link *l = &links[from][to];
	unsigned port = first + 20 + REPLICAS_MAX * from + to;
	struct sockaddr_in address = address_of(port);
	int yes = 1;
	l->from = from;
	l->to = to;
	l->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->listener < 0 ||
	    setsockopt(l->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
	    bind(l->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(l->listener, 256) != 0)
		log_fatal("port %u: %s", port, strerror(errno));
	start_thread(serve_link, l);
}

/* ---- Being told ---- */

enum { FROM, TO, LOSE_REQUESTS, LOSE_ANSWERS, RESET, DELAY, COPIES, LATE, ORDER_WORDS };

static bool
take_order(const char *line)
{
	unsigned long v[ORDER_WORDS];
	for (int i = 0; i < ORDER_WORDS; i++) {
		char *end;
		v[i] = strtoul(line, &end, 10);
		if (end == line)
			return false;
		line = end;
	}
	if (v[FROM] < 80 || v[TO] < 80 || v[FROM] >= 80 + REPLICAS_MAX ||
	    v[TO] >= 80 + REPLICAS_MAX)
		return false;
	struct link *l = &links[v[FROM] - 80][v[TO] - 80];
	atomic_store(&l->lose_requests, (unsigned)v[LOSE_REQUESTS]);
	atomic_store(&l->lose_answers, (unsigned)v[LOSE_ANSWERS]);
	atomic_store(&l->reset, (unsigned)v[RESET]);
	atomic_store(&l->delay, (unsigned)v[DELAY]);
	atomic_store(&l->copies, (unsigned)v[COPIES]);
	atomic_store(&l->late, (unsigned)v[LATE]);
	return true;
}

int
main(int argc, char **argv)
{
	char line[256];
	log_setup("proxy", LOG_INFO);
	signal(SIGPIPE, SIG_IGN);
	if (argc < 3)
		log_fatal("usage: proxy SHOP-PORT OFFSET...");
	first = (unsigned)strtoul(argv[1], NULL, 10) + 80;
	for (int i = 2; i < argc; i++)
		for (int j = 2; j < argc; j++)
			if (i != j)
				open_link((unsigned)strtoul(argv[i], NULL, 10) - 80,
				    (unsigned)strtoul(argv[j], NULL, 10) - 80);
	do {
		puts("ok");
		fflush(stdout);
		if (fgets(line, sizeof(line), stdin) == NULL)
			return 0;
	} while (take_order(line));
	log_fatal("what is \"%s\"?", line);
}
