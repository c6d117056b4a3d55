/*
 * Requests that come when they come, whether or not earlier ones are answered: an open loop. Every
 * request is due at a time drawn beforehand (a Poisson process: customers know nothing of each
 * other), and its latency counts from then, also when it had to wait here for a connection. A
 * generator that counts from the sending hides just the waits that it is to find.
 *
 *     bench_openloop <port> get|buy <file of paths> <requests/s> <seconds> <connections> <seed>
 *
 * Prints: RESULT requests failed p50 p99 p99.9 max late micros. All times are microseconds; `late`
 * is the 99th percentile of how long after its time a request was sent; the last is the whole run.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX (64 << 10)
#define PATH_MAX_BYTES 512
#define CONNECTIONS_MAX 10000
#define GRACE_NS (10 * UINT64_C(1000000000)) /* after the last request was due */
#define EVENTS 256

struct text {
	char *bytes;
	size_t len;
};

struct connection {
	int fd;
	bool busy;
	uint64_t due; /* of the request under way */
	size_t len;
	char answer[ANSWER_MAX + 1];
	struct connection *next_free;
};

static struct {
	uint16_t port;
	int epoll;
	struct text *request;
	size_t requests;
	struct connection *connections, *free;
	double gap_ns;
	uint64_t random;
	uint64_t due; /* of the next request: those that wait need no other queue */
	uint32_t *latency, *late;
	size_t total, sent, answered, failed;
} load;

static void
die(const char *what)
{
	fprintf(stderr, "bench_openloop: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t
now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* splitmix64 */
static uint64_t
draw(void)
{
	uint64_t z = load.random += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t
draw_gap(void)
{
	double u = (double)((draw() >> 11) + 1) / 9007199254740992.0; /* (0, 1] */
	return (uint64_t)(-log(u) * load.gap_ns);
}

/* ---- Connections ---- */

static void
open_connection(struct connection *c)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(load.port)};
	int yes = 1;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		die("connect");
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	if (setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) != 0 ||
	    fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0 ||
	    epoll_ctl(load.epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
		die("a connection");
}

static void
reopen(struct connection *c)
{
	close(c->fd);
	open_connection(c);
}

/* Its request is over, well or not. */
static void
end_request(struct connection *c, bool good)
{
	load.latency[load.answered++] = (uint32_t)((now_ns() - c->due) / 1000);
	load.failed += !good;
	c->busy = false;
	c->len = 0;
	c->next_free = load.free;
	load.free = c;
}

static void
send_next(uint64_t now)
{
	struct connection *c = load.free;
	const struct text *q = &load.request[draw() % load.requests];
	load.free = c->next_free;
	c->busy = true;
	c->due = load.due;
	load.late[load.sent++] = (uint32_t)((now - load.due) / 1000);
	load.due += draw_gap();
	/* A request is far smaller than a socket's buffer. */
	if (send(c->fd, q->bytes, q->len, MSG_NOSIGNAL) != (ssize_t)q->len) {
		reopen(c);
		end_request(c, false);
	}
}

/* ---- Answers ---- */

static const char *
header(const char *head, const char *name)
{
	for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, name, strlen(name)) == 0)
			return line + strlen(name);
	}
	return NULL;
}

/* Ends the request when its answer is whole. */
static void
look_at_answer(struct connection *c)
{
	c->answer[c->len] = '\0';
	char *body = strstr(c->answer, "\r\n\r\n");
	if (body == NULL)
		return;
	body[2] = '\0'; /* headers end here */
	const char *length = header(c->answer, "Content-Length: ");
	const char *kept = header(c->answer, "Connection: ");
	size_t whole = (size_t)(body + 4 - c->answer) +
		       (length == NULL ? 0 : (size_t)strtoul(length, NULL, 10));
	body[2] = '\r';
	if (c->len < whole)
		return;
	bool last = kept != NULL && strncasecmp(kept, "close", 5) == 0;
	bool good =
	    c->len == whole && length != NULL && strncmp(c->answer, "HTTP/1.1 200 ", 13) == 0;
	if (last)
		reopen(c);
	end_request(c, good);
}

static void
take(struct connection *c)
{
	ssize_t n = recv(c->fd, c->answer + c->len, ANSWER_MAX - c->len, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || !c->busy) { /* closed, or longer than we take, or nobody asked */
		reopen(c);
		if (c->busy)
			end_request(c, false);
		return;
	}
	c->len += (size_t)n;
	look_at_answer(c);
}

/* ---- The run ---- */

static void
wait_for_events(uint64_t until)
{
	struct epoll_event event[EVENTS];
	uint64_t now = now_ns(), left = until > now ? until - now : 0;
	struct timespec wait = {(time_t)(left / 1000000000U), (long)(left % 1000000000U)};
	int n = epoll_pwait2(load.epoll, event, EVENTS, &wait, NULL);
	if (n < 0 && errno != EINTR)
		die("epoll");
	for (int i = 0; i < n; i++)
		take(event[i].data.ptr);
}

static uint64_t
run(void)
{
	uint64_t began = now_ns(), give_up = UINT64_MAX;
	load.due = began + draw_gap();
	while (load.answered < load.total) {
		uint64_t now = now_ns();
		if (now > give_up)
			break;
		while (load.sent < load.total && load.free != NULL && load.due <= now)
			send_next(now);
		bool more = load.sent < load.total;
		if (give_up == UINT64_MAX &&
		    now > began + (uint64_t)(load.gap_ns * (double)load.total))
			give_up = now + GRACE_NS;
		wait_for_events(more && load.free != NULL ? load.due : now + GRACE_NS / 100);
	}
	return now_ns() - began;
}

static void
read_requests(const char *path, const char *method)
{
	FILE *file = fopen(path, "r");
	char line[PATH_MAX_BYTES], text[2 * PATH_MAX_BYTES];
	if (file == NULL)
		die(path);
	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		int len = snprintf(text, sizeof(text),
		    "%s %s HTTP/1.1\r\nHost: localhost:%u\r\n%s\r\n", method, line, load.port,
		    strcmp(method, "POST") == 0 ? "Content-Length: 0\r\n" : "");
		load.request = reallocarray(load.request, load.requests + 1, sizeof(*load.request));
		char *copy = strdup(text);
		if (load.request == NULL || copy == NULL)
			die("memory");
		load.request[load.requests++] = (struct text){copy, (size_t)len};
	}
	fclose(file);
	if (load.requests == 0) {
		errno = EINVAL;
		die(path);
	}
}

static void
set_up(unsigned connections)
{
	load.latency = calloc(load.total, sizeof(*load.latency));
	load.late = calloc(load.total, sizeof(*load.late));
	load.connections = calloc(connections, sizeof(*load.connections));
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	/* Else the kernel lets a sleeper sleep on for another 50 us. */
	if (load.latency == NULL || load.late == NULL || load.connections == NULL ||
	    load.epoll < 0 || prctl(PR_SET_TIMERSLACK, 1) != 0)
		die("setting up");
	for (unsigned i = 0; i < connections; i++) {
		struct connection *c = &load.connections[i];
		open_connection(c);
		c->next_free = load.free;
		load.free = c;
	}
}

static int
by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static uint32_t
percentile(const uint32_t *sorted, size_t count, double part)
{
	return count == 0 ? 0 : sorted[(size_t)((double)(count - 1) * part)];
}

int
main(int argc, char **argv)
{
	if (argc != 8 || (strcmp(argv[2], "get") != 0 && strcmp(argv[2], "buy") != 0)) {
		fprintf(stderr, "usage: bench_openloop <port> get|buy <file of paths> <requests/s> "
				"<seconds> <connections> <seed>\n");
		return 2;
	}
	double rate = strtod(argv[4], NULL), seconds = strtod(argv[5], NULL);
	unsigned long connections = strtoul(argv[6], NULL, 10);
	load.port = (uint16_t)strtoul(argv[1], NULL, 10);
	load.random = strtoull(argv[7], NULL, 10);
	if (!(rate >= 1 && rate <= 1e6 && seconds > 0 && seconds <= 3600) || connections < 1 ||
	    connections > CONNECTIONS_MAX) {
		fprintf(stderr,
		    "bench_openloop: 1 to 1000000 requests/s, up to 3600 s, 1 to %d "
		    "connections\n",
		    CONNECTIONS_MAX);
		return 2;
	}
	load.gap_ns = 1e9 / rate;
	load.total = (size_t)ceil(rate * seconds);
	read_requests(argv[3], strcmp(argv[2], "buy") == 0 ? "POST" : "GET");
	set_up((unsigned)connections);
	uint64_t took = run();
	qsort(load.latency, load.answered, sizeof(*load.latency), by_size);
	qsort(load.late, load.sent, sizeof(*load.late), by_size);
	printf("RESULT %zu %zu %u %u %u %u %u %llu\n", load.total,
	    load.failed + load.total - load.answered, percentile(load.latency, load.answered, .5),
	    percentile(load.latency, load.answered, .99),
	    percentile(load.latency, load.answered, .999),
	    percentile(load.latency, load.answered, 1), percentile(load.late, load.sent, .99),
	    (unsigned long long)(took / 1000));
	return 0;
}
