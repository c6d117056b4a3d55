#include "tests/unit/web.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgi/base/xalloc.h"

#define CONNECTIONS_MAX 64
#define HEAD_MAX 4096
#define BODY_MAX (16u << 20)

struct connection {
	struct web *web;
	int fd;
	pthread_t thread;
};

struct web {
	int fd;
	pthread_t thread;
	web_handler handler;
	void *arg;
	struct connection connections[CONNECTIONS_MAX]; /* the accepting thread's until it ends */
	size_t count;
};

/* Reads byte by byte up to the empty line: slow and simple. */
static bool
read_head(int fd, char head[HEAD_MAX])
{
	size_t len = 0;
	while (len + 1 < HEAD_MAX && read(fd, head + len, 1) == 1) {
		head[++len] = '\0';
		if (len >= 4 && strcmp(head + len - 4, "\r\n\r\n") == 0)
			return true;
	}
	return false;
}

static bool
read_body(int fd, const char *head, struct buf *body)
{
	const char *field = strcasestr(head, "\r\nContent-Length:");
	size_t left = field != NULL ? strtoul(field + strlen("\r\nContent-Length:"), NULL, 10) : 0;
	uint8_t chunk[4096];

	while (left > 0 && left < BODY_MAX) {
		ssize_t n = read(fd, chunk, left < sizeof(chunk) ? left : sizeof(chunk));
		if (n <= 0)
			return false;
		buf_add(body, chunk, (size_t)n);
		left -= (size_t)n;
	}
	return left == 0;
}

static bool
answer_one(struct connection *c)
{
	char head[HEAD_MAX], path[256];
	struct buf body = {0}, answer = {0}, out = {0};
	bool ok = read_head(c->fd, head) && read_body(c->fd, head, &body) &&
		  sscanf(head, "%*s %255s", path) == 1;

	if (ok) {
		int status = c->web->handler(c->web->arg, path, body.data, body.len, &answer);
		buf_printf(
		    &out, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n", status, answer.len);
		buf_add(&out, answer.data, answer.len);
		ok = send(c->fd, out.data, out.len, MSG_NOSIGNAL) == (ssize_t)out.len;
	}
	buf_free(&body);
	buf_free(&answer);
	buf_free(&out);
	return ok;
}

static void *
serve(void *arg)
{
	struct connection *c = arg;
	while (answer_one(c))
		;
	shutdown(c->fd, SHUT_RDWR);
	return NULL;
}

static void *
accept_all(void *arg)
{
	struct web *w = arg;
	int fd, one = 1;
	while (w->count < CONNECTIONS_MAX && (fd = accept(w->fd, NULL, NULL)) >= 0) {
		struct connection *c = &w->connections[w->count];
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		*c = (struct connection){.web = w, .fd = fd};
		if (pthread_create(&c->thread, NULL, serve, c) != 0)
			abort();
		w->count++;
	}
	return NULL;
}

struct web *
web_start(char address[WEB_ADDRESS], web_handler handler, void *arg)
{
	struct web *w = xcalloc(1, sizeof(*w));
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(at);

	w->handler = handler;
	w->arg = arg;
	w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (w->fd < 0 || bind(w->fd, (struct sockaddr *)&at, len) != 0 || listen(w->fd, 64) != 0 ||
	    getsockname(w->fd, (struct sockaddr *)&at, &len) != 0 ||
	    pthread_create(&w->thread, NULL, accept_all, w) != 0)
		abort();
	snprintf(address, WEB_ADDRESS, "127.0.0.1:%u", ntohs(at.sin_port));
	return w;
}

void
web_stop(struct web *w)
{
	shutdown(w->fd, SHUT_RDWR);
	pthread_join(w->thread, NULL);
	close(w->fd);
	for (size_t i = 0; i < w->count; i++) {
		shutdown(w->connections[i].fd, SHUT_RDWR);
		pthread_join(w->connections[i].thread, NULL);
		close(w->connections[i].fd);
	}
	free(w);
}
