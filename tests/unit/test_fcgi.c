/* The FastCGI adapter, spoken to as nginx does: records over a Unix socket. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <CUnit/CUnit.h>

#include "fcgi/base/clock.h"
#include "fcgi/fcgi.h"
#include "tests/unit/suites.h"

#define BODY_MAX 1000
#define CONNECTIONS 20

enum { BEGIN_REQUEST = 1, END_REQUEST = 3, PARAMS = 4, STDIN = 5, STDOUT = 6 };

static char dir[] = "/tmp/bazar-fcgi-XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int listener;
static struct fcgi_pool *pool;
static struct fcgi_load load;
static atomic_int in_handler;

/* ---- What answers ---- */

static void
answer_now(const struct request *q, struct response *r)
{
	response_header(r, "X-Host", q->header.host != NULL ? q->header.host : "none");
	buf_printf(&r->body, "%s %s %zu%s", request_method_name(q->method), q->target, q->body_len,
	    q->body_too_large ? " too large" : "");
}

/* Requests to /later wait here until the test resumes them. */
static struct kept {
	struct request *q;
	struct response *r;
} kept[CONNECTIONS];
static atomic_int kept_count;

static void
answer_kept(void *arg)
{
	const struct kept *k = arg;
	answer_now(k->q, k->r);
}

static bool
answer(void *arg, struct request *q, struct response *r)
{
	(void)arg;
	if (strcmp(q->target, "/later") == 0 || strcmp(q->target, "/soon") == 0) {
		static atomic_int next;
		struct kept *k = &kept[atomic_fetch_add(&next, 1) % CONNECTIONS];
		bool soon = q->target[1] == 's';
		*k = (struct kept){q, r};
		if (soon)
			fcgi_resume(r, answer_kept, k);
		else
			atomic_fetch_add(&kept_count, 1);
		return false;
	}
	atomic_fetch_add(&in_handler, 1);
	if (strcmp(q->target, "/slow") == 0) {
		struct timespec pause = {.tv_nsec = 200 * 1000000L};
		nanosleep(&pause, NULL);
	}
	answer_now(q, r);
	atomic_fetch_sub(&in_handler, 1);
	return true;
}

static void
start(unsigned threads)
{
	struct fcgi_config config = {.listen_fd = listener,
	    .threads = threads,
	    .body_max = BODY_MAX,
	    .handler = answer,
	    .load = &load};
	pool = fcgi_start(&config);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
}

static void
stop(void)
{
	CU_ASSERT_EQUAL(fcgi_stop(pool, 5000), 0);
}

/* ---- nginx's side ---- */

static int
connect_to_pool(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval limit = {.tv_sec = 10};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void
add_record(struct buf *b, uint8_t type, const void *bytes, size_t len)
{
	buf_u8(b, 1);
	buf_u8(b, type);
	buf_u16(b, 1); /* request id */
	buf_u16(b, (uint16_t)len);
	buf_u16(b, 0); /* no padding */
	buf_add(b, bytes, len);
}

static void
add_param(struct buf *b, const char *name, const char *value)
{
	buf_u8(b, (uint8_t)strlen(name));
	buf_u8(b, (uint8_t)strlen(value));
	buf_add(b, name, strlen(name));
	buf_add(b, value, strlen(value));
}

static void
make_request(struct buf *b, const char *target, const char *body, size_t len)
{
	static const uint8_t begin[8] = {0, 1, 1}; /* responder, keep the connection */
	struct buf params = {0};
	add_param(&params, "REQUEST_METHOD", len > 0 ? "POST" : "GET");
	add_param(&params, "REQUEST_URI", target);
	add_param(&params, "HTTP_HOST", "localhost");
	add_param(&params, "HTTP_ORIGIN", "");
	add_record(b, BEGIN_REQUEST, begin, sizeof(begin));
	add_record(b, PARAMS, params.data, params.len);
	add_record(b, PARAMS, NULL, 0);
	for (size_t at = 0, part; at < len; at += part) {
		part = len - at < 30000 ? len - at : 30000;
		add_record(b, STDIN, body + at, part);
	}
	add_record(b, STDIN, NULL, 0);
	buf_free(&params);
}

static void
send_request(int fd, const char *target, const char *body, size_t len)
{
	struct buf b = {0};
	make_request(&b, target, body, len);
	CU_ASSERT_EQUAL(send(fd, b.data, b.len, MSG_NOSIGNAL), (ssize_t)b.len);
	buf_free(&b);
}

static bool
receive(int fd, void *out, size_t len)
{
	return len == 0 || recv(fd, out, len, MSG_WAITALL) == (ssize_t)len;
}

/* The answer up to its end; false when the connection ends before. */
static bool
receive_answer(int fd, char *text, size_t size)
{
	uint8_t head[8];
	static uint8_t content[65536 + 256];
	size_t used = 0;
	while (receive(fd, head, sizeof(head))) {
		size_t len = (size_t)head[4] << 8 | head[5], padding = head[6];
		if (!receive(fd, content, len + padding))
			return false;
		if (head[1] == END_REQUEST)
			return true;
		if (head[1] == STDOUT && used + len < size) {
			memcpy(text + used, content, len);
			used += len;
			text[used] = '\0';
		}
	}
	return false;
}

static void
expect(int fd, const char *body)
{
	char text[4096] = "";
	CU_ASSERT_TRUE_FATAL(receive_answer(fd, text, sizeof(text)));
	CU_ASSERT_EQUAL(strncmp(text, "Status: 200 OK\r\n", 16), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\r\nX-Host: localhost\r\n"));
	const char *end = strstr(text, "\r\n\r\n");
	NEED(end);
	CU_ASSERT_STRING_EQUAL(end + 4, body);
}

/* ---- Tests ---- */

static void
test_more_connections_than_threads(void)
{
	int fd[CONNECTIONS];
	start(2);
	for (int i = 0; i < CONNECTIONS; i++)
		fd[i] = connect_to_pool();
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < CONNECTIONS; i++)
			send_request(fd[i], "/a", NULL, 0);
		for (int i = CONNECTIONS - 1; i >= 0; i--)
			expect(fd[i], "GET /a 0");
	}
	for (int i = 0; i < CONNECTIONS; i++)
		close(fd[i]);
	stop();
}

static void
test_bodies_are_read_to_their_end(void)
{
	static char body[200000];
	start(1);
	int fd = connect_to_pool();
	send_request(fd, "/b", body, BODY_MAX);
	expect(fd, "POST /b 1000");
	send_request(fd, "/b", body, BODY_MAX + 1);
	expect(fd, "POST /b 0 too large");
	send_request(fd, "/b", body, sizeof(body));
	expect(fd, "POST /b 0 too large");
	send_request(fd, "/b", NULL, 0);
	expect(fd, "GET /b 0");
	close(fd);
	stop();
}

static void
test_half_a_request_holds_up_nobody_else(void)
{
	struct buf b = {0};
	char text[64];
	start(2);
	int half = connect_to_pool(), fd = connect_to_pool();
	make_request(&b, "/half", NULL, 0);
	CU_ASSERT_EQUAL(send(half, b.data, b.len / 2, MSG_NOSIGNAL), (ssize_t)b.len / 2);
	for (int i = 0; i < 10; i++) {
		send_request(fd, "/whole", NULL, 0);
		expect(fd, "GET /whole 0");
	}
	size_t rest = b.len - b.len / 2;
	CU_ASSERT_EQUAL(send(half, b.data + b.len / 2, rest, MSG_NOSIGNAL), (ssize_t)rest);
	expect(half, "GET /half 0");
	close(half);
	CU_ASSERT_EQUAL(send(fd, "this is no FastCGI", 18, MSG_NOSIGNAL), 18);
	CU_ASSERT_FALSE(receive_answer(fd, text, sizeof(text)));
	close(fd);
	buf_free(&b);
	stop();
}

static void
test_stopping_finishes_what_was_asked(void)
{
	char text[64];
	start(4);
	int busy = connect_to_pool(), idle = connect_to_pool();
	send_request(idle, "/fast", NULL, 0);
	expect(idle, "GET /fast 0");
	send_request(busy, "/slow", NULL, 0);
	while (atomic_load(&in_handler) == 0)
		sched_yield();
	uint64_t began = clock_ms();
	stop();
	CU_ASSERT_TRUE(clock_ms() - began < 2000);
	expect(busy, "GET /slow 0");
	CU_ASSERT_FALSE(receive_answer(busy, text, sizeof(text))); /* closed, not kept */
	CU_ASSERT_FALSE(receive_answer(idle, text, sizeof(text)));
	/* Whoever comes now waits in the backlog for the next pool. */
	int next = connect_to_pool();
	send_request(next, "/next", NULL, 0);
	start(1);
	expect(next, "GET /next 0");
	close(next);
	close(busy);
	close(idle);
	stop();
}

/* One thread has them all in hand, and answers others meanwhile. */
static void
test_answers_that_come_later(void)
{
	int fd[CONNECTIONS];
	start(1);
	atomic_store(&kept_count, 0);
	for (int i = 0; i < CONNECTIONS; i++) {
		fd[i] = connect_to_pool();
		send_request(fd[i], "/later", NULL, 0);
	}
	while (atomic_load(&kept_count) < CONNECTIONS)
		sched_yield();
	int other = connect_to_pool();
	send_request(other, "/a", NULL, 0);
	expect(other, "GET /a 0");
	CU_ASSERT_EQUAL(fcgi_busy(&load), 0);
	CU_ASSERT_EQUAL(atomic_load(&load.parked), CONNECTIONS);
	for (int i = 0; i < CONNECTIONS; i++)
		fcgi_resume(kept[i].r, answer_kept, &kept[i]);
	for (int i = 0; i < CONNECTIONS; i++)
		expect(fd[i], "GET /later 0");
	for (int i = 0; i < CONNECTIONS; i++) {
		send_request(fd[i], "/soon", NULL, 0);
		expect(fd[i], "GET /soon 0");
		close(fd[i]);
	}
	close(other);
	stop();
	CU_ASSERT_EQUAL(atomic_load(&load.requests), 0);
	CU_ASSERT_EQUAL(atomic_load(&load.parked), 0);
}

static void *
resume_one(void *arg)
{
	struct timespec pause = {.tv_nsec = 300 * 1000000L};
	nanosleep(&pause, NULL);
	fcgi_resume(((struct kept *)arg)->r, answer_kept, arg);
	return NULL;
}

static void
test_stopping_waits_for_later_answers(void)
{
	char text[64];
	pthread_t thread;
	start(2);
	int fd = connect_to_pool();
	atomic_store(&kept_count, 0);
	memset(kept, 0, sizeof(kept));
	send_request(fd, "/later", NULL, 0);
	while (atomic_load(&kept_count) == 0)
		sched_yield();
	struct kept *k = kept;
	while (k->r == NULL)
		k++;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, resume_one, k), 0);
	stop();
	expect(fd, "GET /later 0");
	CU_ASSERT_FALSE(receive_answer(fd, text, sizeof(text)));
	pthread_join(thread, NULL);
	close(fd);
}

static int
set_up(void)
{
	if (fcgi_setup() != 0 || mkdtemp(dir) == NULL)
		return -1;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", dir);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0)
		return -1;
	return listen(listener, 128);
}

static int
clean_up(void)
{
	close(listener);
	unlink(address.sun_path);
	return rmdir(dir);
}

void
register_fcgi(void)
{
	CU_pSuite suite = CU_add_suite("fcgi", set_up, clean_up);
	CU_add_test(suite, "more connections than threads", test_more_connections_than_threads);
	CU_add_test(suite, "bodies are read to their end", test_bodies_are_read_to_their_end);
	CU_add_test(suite, "half a request", test_half_a_request_holds_up_nobody_else);
	CU_add_test(suite, "stopping", test_stopping_finishes_what_was_asked);
	CU_add_test(suite, "answers that come later", test_answers_that_come_later);
	CU_add_test(
	    suite, "stopping waits for later answers", test_stopping_waits_for_later_answers);
}
