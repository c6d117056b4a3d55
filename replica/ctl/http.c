#include "replica/ctl/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/xalloc.h"
#include "replica/ctl/ctl.h"

#define CONNECT_MS 2000L
#define PAGE_ROWS 1000
#define ANSWER_MAX ((size_t)64 << 20) /* no page of a replica comes near */

struct http {
	CURL *curl;
	char secret[160]; /* a header line */
	char error[512];
};

struct http *
http_new(const char *secret)
{
	struct http *h = xcalloc(1, sizeof(*h));
	snprintf(h->secret, sizeof(h->secret), "X-Bazar-Secret: %s", secret);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    (h->curl = curl_easy_init()) == NULL) {
		free(h);
		return NULL;
	}
	return h;
}

void
http_free(struct http *h)
{
	if (h == NULL)
		return;
	curl_easy_cleanup(h->curl);
	curl_global_cleanup();
	free(h);
}

static size_t
take_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct http_answer *a = arg;
	if (a->body.len + size * count > ANSWER_MAX)
		return 0; /* ends the transfer */
	buf_add(&a->body, bytes, size * count);
	return size * count;
}

static size_t
take_header(char *bytes, size_t size, size_t count, void *arg)
{
	static const char replayed[] = "Idempotent-Replayed: true";
	struct http_answer *a = arg;
	if (size * count >= sizeof(replayed) - 1 &&
	    strncasecmp(bytes, replayed, sizeof(replayed) - 1) == 0)
		a->replayed = true;
	return size * count;
}

/* The sentence of a problem+json body, into h->error. */
static void
explain(struct http *h, const struct node *node, struct http_answer *a)
{
	json_t *problem = json_loadb((const char *)a->body.data, a->body.len, 0, NULL);
	const char *message = json_string_value(json_object_get(problem, "message"));
	snprintf(h->error, sizeof(h->error), "%s answers %d%s%s", node->name, a->status,
	    message != NULL ? ": " : "", message != NULL ? message : "");
	json_decref(problem);
}

static int
perform(struct http *h, const struct node *node, const char *path, struct curl_slist *headers,
    unsigned timeout_ms, struct http_answer *a)
{
	char url[512];
	long status = 0;
	buf_clear(&a->body);
	a->status = 0;
	a->replayed = false;
	snprintf(url, sizeof(url), "http://%s%s", node->address, path);
	curl_easy_setopt(h->curl, CURLOPT_URL, url);
	curl_easy_setopt(h->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, a);
	curl_easy_setopt(h->curl, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(h->curl, CURLOPT_HEADERDATA, a);
	CURLcode code = curl_easy_perform(h->curl);
	if (code != CURLE_OK) {
		snprintf(h->error, sizeof(h->error), "%s (%s) does not answer: %s", node->name,
		    node->address, curl_easy_strerror(code));
		return 0;
	}
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	a->status = (int)status;
	if (a->status != 200)
		explain(h, node, a);
	return a->status;
}

/* Appends a line; without memory the program ends, as everywhere. */
static struct curl_slist *
add_header(struct curl_slist *list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(list, line);
	if (longer == NULL)
		abort();
	return longer;
}

int
http_get(struct http *h, const struct node *node, const char *path, unsigned timeout_ms,
    struct http_answer *a)
{
	struct curl_slist *headers = add_header(NULL, h->secret);
	curl_easy_setopt(h->curl, CURLOPT_HTTPGET, 1L);
	int status = perform(h, node, path, headers, timeout_ms, a);
	curl_slist_free_all(headers);
	return status;
}

int
http_post(struct http *h, const struct node *node, const char *path, const char *key,
    const struct buf *body, struct http_answer *a)
{
	char line[300];
	struct curl_slist *headers = add_header(NULL, h->secret);
	headers = add_header(headers, "Content-Type: application/json");
	/* Curl would first ask with "Expect: 100-continue" and wait. */
	headers = add_header(headers, "Expect:");
	if (key != NULL) {
		snprintf(line, sizeof(line), "Idempotency-Key: %s", key);
		headers = add_header(headers, line);
	}
	curl_easy_setopt(h->curl, CURLOPT_POST, 1L);
	curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, (const char *)body->data);
	curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
	int status = perform(h, node, path, headers, HTTP_TIMEOUT_MS, a);
	curl_slist_free_all(headers);
	return status;
}

const char *
http_error(const struct http *h)
{
	return h->error;
}

bool
http_again(int status)
{
	return status == 0 || status == 502 || status == 503 || status == 504;
}

unsigned
http_pause_ms(unsigned attempt)
{
	return attempt < 5 ? 100u << (attempt - 1) : 2000;
}

/* The answer's object; NULL (and h->error) when it is none with a member `data`. */
static json_t *
take_object(struct http *h, const struct node *node, const char *path, const struct http_answer *a)
{
	json_t *json = json_loadb((const char *)a->body.data, a->body.len, 0, NULL);
	if (json_object_get(json, "data") != NULL)
		return json;
	snprintf(h->error, sizeof(h->error), "%s answers GET %s with something else than data",
	    node->name, path);
	json_decref(json);
	return NULL;
}

json_t *
http_fetch(struct http *h, const struct node *node, const char *path)
{
	struct http_answer a = {0};
	json_t *json = NULL;
	uint64_t end = clock_ms() + HTTP_PATIENCE_MS;
	for (unsigned attempt = 1;; attempt++) {
		int status = http_get(h, node, path, HTTP_TIMEOUT_MS, &a);
		if (status == 200)
			json = take_object(h, node, path, &a);
		if (!http_again(status) || clock_ms() + http_pause_ms(attempt) > end)
			break;
		ctl_sleep_ms(http_pause_ms(attempt));
	}
	buf_free(&a.body);
	if (json == NULL)
		ctl_fail("%s", h->error);
	return json;
}

int
http_walk(struct http *h, const struct node *node, const char *path, const char *cursor,
    const char *from, http_visit visit, void *arg)
{
	char url[256], next[96];
	snprintf(next, sizeof(next), "%s", from != NULL ? from : "");
	do {
		int len = snprintf(url, sizeof(url), "%s?limit=%d", path, PAGE_ROWS);
		if (*next != '\0')
			snprintf(url + len, sizeof(url) - (size_t)len, "&%s=%s", cursor, next);
		json_t *page = http_fetch(h, node, url), *row;
		if (page == NULL)
			return -1;
		bool more = true;
		size_t i;
		json_array_foreach(json_object_get(page, "data"), i, row) if (more) more =
		    visit(arg, row);
		const char *text = json_string_value(json_object_get(page, "next"));
		snprintf(next, sizeof(next), "%s", more && text != NULL ? text : "");
		json_decref(page);
	} while (*next != '\0');
	return 0;
}
