#include "tests/torture/load/http.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "fcgi/base/buf.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/log.h"
#include "tests/torture/load/recorder.h"

#define CONNECT_MS 2000
#define TIMEOUT_MS 8000 /* longer than a buyer's deadline */
#define BODY_MAX (1u << 20)

struct http {
	CURL *easy;
	struct buf body;
	char served[HTTP_NAME], cache[HTTP_NAME];
};

static uint64_t this_run;

void
http_setup(uint64_t run)
{
	this_run = run;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		log_fatal("libcurl: cannot be initialized");
}

static size_t
take_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct http *h = arg;
	if (h->body.len + size * count > BODY_MAX)
		return 0;
	buf_add(&h->body, bytes, size * count);
	return size * count;
}

static void
take_value(const char *line, size_t len, const char *name, char out[HTTP_NAME])
{
	size_t skip = strlen(name);
	if (len <= skip || strncasecmp(line, name, skip) != 0)
		return;
	while (skip < len && line[skip] == ' ')
		skip++;
	size_t n = 0;
	while (skip + n < len && line[skip + n] > ' ' && n < HTTP_NAME - 1)
		n++;
	memcpy(out, line + skip, n);
	out[n] = '\0';
}

static size_t
take_header(char *line, size_t size, size_t count, void *arg)
{
	struct http *h = arg;
	take_value(line, size * count, "X-Served-By:", h->served);
	take_value(line, size * count, "X-Cache:", h->cache);
	return size * count;
}

struct http *
http_new(void)
{
	struct http *h = xcalloc(1, sizeof(*h));
	h->easy = curl_easy_init();
	if (h->easy == NULL)
		log_fatal("libcurl: out of memory");
	return h;
}

void
http_free(struct http *h)
{
	curl_easy_cleanup(h->easy);
	buf_free(&h->body);
	free(h);
}

char *
http_escape(struct http *h, const char *text)
{
	char *escaped = curl_easy_escape(h->easy, text, 0);
	if (escaped == NULL)
		log_fatal("libcurl: out of memory");
	char *copy = xstrdup(escaped);
	curl_free(escaped);
	return copy;
}

static struct curl_slist *
make_headers(const struct request *r)
{
	char line[128];
	struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
	if (r->body != NULL)
		headers = curl_slist_append(headers, "Content-Type: application/json");
	if (r->key != 0) {
		snprintf(line, sizeof(line), "Idempotency-Key: torture-%016" PRIx64 "-%" PRIu64,
		    this_run, r->key);
		headers = curl_slist_append(headers, line);
	}
	if (r->if_match != 0) {
		snprintf(line, sizeof(line), "If-Match: \"%" PRId64 "\"", r->if_match);
		headers = curl_slist_append(headers, line);
	}
	return headers;
}

static void
prepare(struct http *h, const struct request *r, struct curl_slist *headers)
{
	char url[512];
	bool write = strcmp(r->method, "GET") != 0;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", r->port, r->path);
	curl_easy_reset(h->easy); /* keeps the connections */
	curl_easy_setopt(h->easy, CURLOPT_URL, url);
	curl_easy_setopt(h->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(h->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(h->easy, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
	curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, h);
	curl_easy_setopt(h->easy, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(h->easy, CURLOPT_HEADERDATA, h);
	curl_easy_setopt(h->easy, CURLOPT_CUSTOMREQUEST, r->method);
	if (!write)
		return;
	curl_easy_setopt(h->easy, CURLOPT_POSTFIELDS, r->body != NULL ? r->body : "");
	curl_easy_setopt(h->easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(h->easy, CURLOPT_FORBID_REUSE, 1L);
}

struct reply
http_send(struct http *h, const struct request *request)
{
	struct reply reply = {0};
	long status = 0;
	struct curl_slist *headers = make_headers(request);
	prepare(h, request, headers);
	buf_clear(&h->body);
	strcpy(h->served, "-");
	strcpy(h->cache, "-");
	reply.invoked = recorder_now();
	CURLcode result = curl_easy_perform(h->easy);
	reply.returned = recorder_now();
	reply.sent = result != CURLE_COULDNT_CONNECT;
	if (result == CURLE_OK && curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status) == 0)
		reply.status = (int)status;
	if (reply.status != 0)
		reply.json = json_loadb((const char *)h->body.data, h->body.len, 0, NULL);
	memcpy(reply.served, h->served, sizeof(reply.served));
	memcpy(reply.cache, h->cache, sizeof(reply.cache));
	curl_slist_free_all(headers);
	return reply;
}
