#include "fcgi/catalog/question.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/paging.h"

bool
question_of(const struct request *q, struct question *k)
{
	size_t limit;
	uint64_t id, after;
	if ((q->method != METHOD_GET && q->method != METHOD_HEAD) || q->segment_count != 2)
		return false;
	if (strcmp(q->segment[0], "info") == 0) {
		id = text_parse_id(q->segment[1]);
		if (id == 0 || q->param_count > 0)
			return false;
		question_info(k, id);
		return true;
	}
	if (strcmp(q->segment[0], "search") != 0 || q->segment[1][0] == '\0' ||
	    request_odd_param(q, QUESTION_PARAMS) != NULL || !page_limit(q, &limit) ||
	    !page_number(q, "after", &after))
		return false;
	question_search(k, q->segment[1], limit, after);
	return true;
}

void
question_info(struct question *k, uint64_t id)
{
	k->floor_key = catalog_key_book(id);
	k->topic[0] = '\0';
	k->limit = 0;
	k->after = 0;
	snprintf(k->key, sizeof(k->key), "info:%" PRIu64, id);
}

void
question_search(struct question *k, const char *topic, size_t limit, uint64_t after)
{
	/* A topic too long to be any book's is an unknown topic. */
	if (text_fold(topic, strlen(topic), k->topic, sizeof(k->topic)) != 0)
		k->topic[0] = '\0';
	if (limit == PAGE_DEFAULT && after == 0)
		snprintf(k->key, sizeof(k->key), "search:%s", k->topic);
	else
		snprintf(
		    k->key, sizeof(k->key), "search@%zu,%" PRIu64 ":%s", limit, after, k->topic);
	k->floor_key = catalog_key_topic(k->topic);
	k->limit = limit;
	k->after = after;
}

void
question_hit(struct response *r, const struct cache_hit *hit)
{
	r->from_cache = true;
	r->body.len = hit->len;
	response_etag(r, hit->hash);
	response_header(r, "X-Cache", "HIT");
	response_header(r, "Cache-Status", "bazar; hit");
}

/* ---- The next page ---- */

void
question_next(struct jsonw *w, uint64_t last_id)
{
	char id[24];
	snprintf(id, sizeof(id), "%" PRIu64, last_id);
	jsonw_text(w, "next", id);
}

/* Inside a JSON string the quotes of the mark would be escaped, so it cannot be part of a title. */
void
question_link(struct response *r, const struct request *q, const struct question *k)
{
	static const char mark[] = "],\"next\":\"", end[] = "\"}";
	const struct buf *body = &r->body;
	char after[24];
	size_t tail = sizeof(mark) + sizeof(after);
	size_t from = body->len > tail ? body->len - tail : 0;
	if (k->limit == 0 || body->len == 0)
		return;
	const uint8_t *at = memmem(body->data + from, body->len - from, mark, sizeof(mark) - 1);
	if (at == NULL)
		return;
	at += sizeof(mark) - 1;
	size_t left = (size_t)(body->data + body->len - at);
	size_t len = left > sizeof(end) - 1 ? left - (sizeof(end) - 1) : 0;
	snprintf(after, sizeof(after), "%.*s", (int)len, (const char *)at);
	if (text_parse_id(after) != 0)
		page_link_next(r, q, k->limit, after);
}
