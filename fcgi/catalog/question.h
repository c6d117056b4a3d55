/*
 * What the cache answers: GET /info/{id} and GET /search/{topic}. Under which key an answer is
 * kept, and what an answer made of a kept body looks like. Workers go by this, and so does nginx's
 * module (nginx/module/), which answers without a worker; so nothing in here knows more than bytes.
 */
#ifndef BAZAR_CATALOG_QUESTION_H
#define BAZAR_CATALOG_QUESTION_H

#include "fcgi/cache/cache.h"
#include "fcgi/catalog/catalog.h"
#include "fcgi/dispatch.h"

/* As the rows of both say (fcgi/catalog/http.c). */
#define QUESTION_PARAMS "limit after" /* of a search */
#define QUESTION_FLAGS (ROUTE_ETAG | ROUTE_SHARED)

struct question {
	char key[CACHE_KEY_MAX + 1];
	uint64_t floor_key;                 /* what log entries touch; also the dirty key */
	char topic[BOOK_TOPIC_FOLDED_SIZE]; /* folded; of a search */
	size_t limit;                       /* 0: not a search */
	uint64_t after;
};

/* The question that a parsed request asks. False: none of these, or one with a mistake in it. */
bool question_of(const struct request *q, struct question *k);

/* The same from what a route's checks have found. */
void question_info(struct question *k, uint64_t id);
void question_search(struct question *k, const char *topic, size_t limit, uint64_t after);

/* Says in the headers that r->body is what the cache gave. */
void question_hit(struct response *r, const struct cache_hit *hit);

/* The end of a page of a search, which the link to the next one is made from: a hit has nothing but
 * the body, so it stands there. question_link makes no link of anything else. */
void question_next(struct jsonw *w, uint64_t last_id);
void question_link(struct response *r, const struct request *q, const struct question *k);

#endif
