#include "replica/peer_client.h"

#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "fcgi/base/trace.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/log.h"
#include "replica/core/message.h"

#define ANSWER_BYTES_MAX (MESSAGE_BYTES_MAX + (64u << 10))
#define URL_MAX 256
#define REPLICATE "/peer/replicate"

/* The headers of one request: those of all, behind the trace of the thread that sends it. */
struct traced_headers {
	struct curl_slist first;
	char line[sizeof("traceparent: ") + TRACE_SIZE];
};

/* A request: an easy handle that is used again and again, so that its connection is kept. */
struct request {
	CURL *easy;
	uint32_t to;
	uint64_t id;
	uint64_t turn; /* when it was sent, counted in requests; 0: not in flight */
	struct buf body, answer;
	struct traced_headers traced;
};

struct target {
	struct request requests[PEER_IN_FLIGHT];
};

struct peer_client {
	CURLM *multi;
	struct curl_slist *headers;
	uint64_t turn;
	struct target *targets[PEER_ID_MAX + 1]; /* by id; NULL: never heard of */
};

struct peer_call {
	CURL *easy;
	struct curl_slist *headers;
	struct traced_headers traced;
};

/* ---- What both have in common ---- */

static size_t
receive(char *bytes, size_t size, size_t count, void *arg)
{
	struct buf *answer = arg;
	size_t len = size * count;
	if (len > ANSWER_BYTES_MAX - answer->len)
		return 0; /* fails the request */
	buf_add(answer, bytes, len);
	return len;
}

/* No "Expect: 100-continue": it would cost a round trip for every large batch. */
static struct curl_slist *
make_headers(const char *secret)
{
	char line[URL_MAX];
	snprintf(line, sizeof(line), "X-Bazar-Secret: %s", secret);
	struct curl_slist *headers = curl_slist_append(NULL, line);
	headers = curl_slist_append(headers, "Content-Type: application/octet-stream");
	headers = curl_slist_append(headers, "Expect:");
	if (headers == NULL)
		log_fatal("libcurl: out of memory");
	return headers;
}

static void
set_url(CURL *easy, const char *address, const char *path)
{
	char url[URL_MAX];
	snprintf(url, sizeof(url), "http://%s%s", address, path);
	if (curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK)
		log_fatal("libcurl: out of memory");
}

static CURL *
make_easy(const char *address, const char *path)
{
	CURL *easy = curl_easy_init();
	if (easy == NULL)
		log_fatal("libcurl: out of memory");
	set_url(easy, address, path);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, receive);
	return easy;
}

/* *h stays where it is until the request has ended. */
static void
set_headers(CURL *easy, struct curl_slist *headers, struct traced_headers *h)
{
	if (*trace_here() != '\0') {
		snprintf(h->line, sizeof(h->line), "traceparent: %s", trace_here());
		h->first = (struct curl_slist){.data = h->line, .next = headers};
		headers = &h->first;
	}
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
}

/* A POST of *body, or a GET when it is NULL. Both buffers stay where they are until it has ended.
 */
static void
prepare(CURL *easy, const struct buf *body, unsigned timeout_ms, struct buf *answer)
{
	buf_clear(answer);
	if (body == NULL) {
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
	} else {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, (const char *)body->data);
	}
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
}

static int
http_status(CURL *easy, CURLcode result)
{
	long status = 0;
	if (result == CURLE_OK)
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

static void
initialize(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		log_fatal("libcurl: cannot be initialized");
}

/* ---- Many at once ---- */

struct peer_client *
peer_client_new(const char *secret)
{
	initialize();
	struct peer_client *c = xcalloc(1, sizeof(*c));
	c->multi = curl_multi_init();
	if (c->multi == NULL)
		log_fatal("libcurl: out of memory");
	c->headers = make_headers(secret);
	return c;
}

static void
withdraw(struct peer_client *c, struct request *r)
{
	curl_multi_remove_handle(c->multi, r->easy);
	r->turn = 0;
}

static void
free_target(struct peer_client *c, struct target *t)
{
	for (size_t i = 0; i < PEER_IN_FLIGHT; i++) {
		struct request *r = &t->requests[i];
		withdraw(c, r);
		curl_easy_cleanup(r->easy);
		buf_free(&r->body);
		buf_free(&r->answer);
	}
	free(t);
}

void
peer_client_free(struct peer_client *c)
{
	for (size_t id = 0; id <= PEER_ID_MAX; id++)
		if (c->targets[id] != NULL)
			free_target(c, c->targets[id]);
	curl_multi_cleanup(c->multi);
	curl_slist_free_all(c->headers);
	free(c);
	curl_global_cleanup();
}

static struct target *
make_target(uint32_t id, const char *address)
{
	struct target *t = xcalloc(1, sizeof(*t));
	for (size_t i = 0; i < PEER_IN_FLIGHT; i++) {
		struct request *r = &t->requests[i];
		r->easy = make_easy(address, REPLICATE);
		r->to = id;
		curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
	}
	return t;
}

void
peer_client_add(struct peer_client *c, uint32_t id, const char *address)
{
	if (id > PEER_ID_MAX)
		log_fatal("a replica cannot have the id %u", id);
	struct target *t = c->targets[id];
	if (t == NULL)
		c->targets[id] = make_target(id, address);
	else
		for (size_t i = 0; i < PEER_IN_FLIGHT; i++)
			set_url(t->requests[i].easy, address, REPLICATE);
}

/* One that is free, else the one sent longest ago. */
static struct request *
take_request(struct peer_client *c, struct target *t)
{
	struct request *oldest = &t->requests[0];
	for (size_t i = 1; i < PEER_IN_FLIGHT; i++) {
		if (t->requests[i].turn < oldest->turn)
			oldest = &t->requests[i];
	}
	if (oldest->turn != 0)
		withdraw(c, oldest);
	return oldest;
}

static void
perform(struct peer_client *c)
{
	int running;
	CURLMcode result = curl_multi_perform(c->multi, &running);
	if (result != CURLM_OK)
		log_fatal("libcurl: %s", curl_multi_strerror(result));
}

/* libcurl writes a piece of a large body at a time. All of it leaves before the caller turns to its
 * own disk, so that the disks of all replicas work at the same time. */
static void
push(struct peer_client *c, const struct request *r)
{
	curl_off_t before, sent = 0;
	do {
		before = sent;
		perform(c);
		curl_easy_getinfo(r->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
	} while (sent > before && sent < (curl_off_t)r->body.len);
}

void
peer_client_send(struct peer_client *c, uint32_t id, uint64_t request, struct buf *body)
{
	struct target *t = id <= PEER_ID_MAX ? c->targets[id] : NULL;
	if (t == NULL)
		return;
	struct request *r = take_request(c, t);
	buf_free(&r->body);
	r->body = *body;
	*body = (struct buf){0};
	r->id = request;
	r->turn = ++c->turn;
	set_headers(r->easy, c->headers, &r->traced);
	prepare(r->easy, &r->body, PEER_REQUEST_MS, &r->answer);
	CURLMcode result = curl_multi_add_handle(c->multi, r->easy);
	if (result != CURLM_OK)
		log_fatal("libcurl: %s", curl_multi_strerror(result));
	push(c, r);
}

static void
report(struct peer_client *c, struct request *r, CURLcode result, peer_ended ended, void *arg)
{
	int status = http_status(r->easy, result);
	struct buf answer = r->answer;
	r->answer = (struct buf){0};
	withdraw(c, r); /* the handler may use it again */
	ended(arg, r->to, r->id, status, &answer);
	buf_free(&answer);
}

void
peer_client_run(struct peer_client *c, peer_ended ended, void *arg)
{
	perform(c);
	int left;
	for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left)) != NULL;) {
		struct request *r = NULL;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &r);
		if (m->msg == CURLMSG_DONE)
			report(c, r, m->data.result, ended, arg);
	}
}

void
peer_client_wait(struct peer_client *c, unsigned timeout_ms)
{
	CURLMcode result = curl_multi_poll(c->multi, NULL, 0, (int)timeout_ms, NULL);
	if (result != CURLM_OK)
		log_fatal("libcurl: %s", curl_multi_strerror(result));
}

void
peer_client_wake(struct peer_client *c)
{
	CURLMcode result = curl_multi_wakeup(c->multi);
	if (result != CURLM_OK)
		log_fatal("libcurl: %s", curl_multi_strerror(result));
}

/* ---- One at a time ---- */

struct peer_call *
peer_call_new(const char *address, const char *path, const char *secret)
{
	initialize();
	struct peer_call *p = xcalloc(1, sizeof(*p));
	p->headers = make_headers(secret);
	p->easy = make_easy(address, path);
	return p;
}

void
peer_call_free(struct peer_call *p)
{
	curl_easy_cleanup(p->easy);
	curl_slist_free_all(p->headers);
	free(p);
	curl_global_cleanup();
}

int
peer_call(struct peer_call *p, const struct buf *body, unsigned timeout_ms, struct buf *answer)
{
	set_headers(p->easy, p->headers, &p->traced);
	prepare(p->easy, body, timeout_ms, answer);
	int status = http_status(p->easy, curl_easy_perform(p->easy));
	return status > 0 ? status : -1;
}
