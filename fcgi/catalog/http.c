#include "fcgi/catalog/http.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/catalog/answer.h"
#include "fcgi/catalog/bodies.h"
#include "fcgi/catalog/books.h"
#include "fcgi/catalog/cache_calls.h"
#include "fcgi/catalog/cached.h"
#include "fcgi/catalog/pages.h"
#include "fcgi/reads.h"
#include "fcgi/service.h"
#include "fcgi/writes.h"

#define BODY_SMALL 1024
#define BODY_BOOK 16384
#define BODY_INVALIDATION 65536

/* ---- GET /info/{id} ---- */

static bool
make_info(struct call *c, const struct view *v, void *arg)
{
	(void)arg;
	struct book b;
	if (!catalog_book(v, c->id, &b)) {
		answer_no_book(c);
		return false;
	}
	struct jsonw w = response_success(c->r, NULL);
	answer_book(&w, c, &b);
	return true;
}

static void
get_info(struct call *c)
{
	struct question k;
	question_info(&k, c->id);
	cached_read(c, &k, make_info, NULL);
}

/* ---- GET /search/{topic} ---- */

struct search {
	struct question k;
	const char *currency;
	struct jsonw w;
	uint64_t last; /* id */
};

static bool
write_found(void *arg, const struct book *b)
{
	struct search *s = arg;
	jsonw_open(&s->w, NULL, '{');
	jsonw_int(&s->w, "id", b->id);
	jsonw_text(&s->w, "title", b->title);
	jsonw_cents(&s->w, "price", b->price);
	jsonw_int(&s->w, "quantity", b->quantity);
	jsonw_text(&s->w, "currency", s->currency);
	jsonw_close(&s->w);
	s->last = b->id;
	return true;
}

/* The whole page, as it is kept. An unknown topic is not worth a place. */
static bool
make_search(struct call *c, const struct view *v, void *arg)
{
	struct search *s = arg;
	bool more;
	s->w = response_success(c->r, NULL);
	jsonw_open(&s->w, "data", '[');
	size_t found = catalog_search(v, s->k.topic, s->k.after, s->k.limit, &more, write_found, s);
	jsonw_close(&s->w);
	if (more)
		question_next(&s->w, s->last);
	jsonw_close(&s->w);
	return found > 0;
}

static void
get_search(struct call *c)
{
	struct search s = {.currency = c->worker->settings->currency};
	size_t limit;
	uint64_t after;
	if (!read_limit(c, &limit) || !read_number(c, "after", &after))
		return;
	question_search(&s.k, c->topic, limit, after);
	cached_read(c, &s.k, make_search, &s);
	if (c->r->status == 200)
		question_link(c->r, c->q, &s.k);
}

/* ---- GET /topics ---- */

static void
write_topic(void *arg, const char *topic, uint64_t books)
{
	struct jsonw *w = arg;
	jsonw_open(w, NULL, '{');
	jsonw_text(w, "topic", topic);
	jsonw_int(w, "books", books);
	jsonw_close(w);
}

static void
get_topics(struct call *c)
{
	uint64_t seq;
	if (!read_begin(c, catalog_key_topics(), &seq))
		return;
	struct jsonw w = response_success(c->r, NULL);
	jsonw_open(&w, "data", '[');
	catalog_topics(read_view(c), write_topic, &w);
	read_end(c);
	jsonw_close(&w);
	jsonw_close(&w);
}

/* ---- /update/{id}/price and /update/{id}/stock ---- */

/* The entity tag of a price is the price, so that a condition can be checked where the write is
 * decided, and a change of stock does not change it. */
static void
tag_price(struct response *r, int64_t price)
{
	snprintf(r->etag, sizeof(r->etag), "\"%" PRId64 "\"", price);
}

static void
get_price(struct call *c)
{
	struct book b;
	if (!answer_read_book(c, &b))
		return;
	tag_price(c->r, b.price);
	struct jsonw w = response_success(c->r, NULL);
	jsonw_open(&w, "data", '{');
	jsonw_int(&w, "id", b.id);
	jsonw_cents(&w, "price", b.price);
	jsonw_text(&w, "currency", c->worker->settings->currency);
	jsonw_close(&w);
	jsonw_close(&w);
}

/* The prices an If-Match value allows. None for `*` or no condition: any will do. A tag that is no
 * price, or a weak one, matches nothing, and stands here as a price that no book has. */
static size_t
expected_prices(const char *if_match, int64_t expected[CATALOG_EXPECTED_MAX])
{
	const char *tag;
	size_t len, count = 0;
	bool weak;
	if (if_match == NULL || strcmp(if_match + strspn(if_match, " \t"), "*") == 0)
		return 0;
	while (count < CATALOG_EXPECTED_MAX && etag_next(&if_match, &tag, &len, &weak)) {
		char text[RESPONSE_ETAG] = "";
		if (!weak && len - 2 < sizeof(text))
			memcpy(text, tag + 1, len - 2);
		int64_t price = (int64_t)text_parse_id(text);
		expected[count++] = price > 0 ? price : -1;
	}
	if (count == 0)
		expected[count++] = -1;
	return count;
}

static void
put_price(struct call *c)
{
	int64_t price, expected[CATALOG_EXPECTED_MAX];
	const char *why = NULL;
	if (!body_check(c, body_price(c->q->body, c->q->body_len, &price, &why), &why))
		return;
	struct write_op op = write_identify(
	    c, &answer_key_space, "PUT /update/%" PRIu64 "/price %" PRId64, c->id, price);
	struct catalog_answer a;
	struct buf args = {0};
	size_t count = expected_prices(c->q->header.if_match, expected);
	catalog_op_price(&args, op.fingerprint, op.keep, c->id, price, expected, count);
	if (!answer_write(c, &op, CATALOG_PRICE, &args, &a))
		return;
	tag_price(c->r, a.book.price);
	struct jsonw w = response_success(c->r, "The price was changed.");
	answer_book(&w, c, &a.book);
}

static void
put_stock(struct call *c)
{
	int64_t change;
	const char *why = NULL;
	if (!body_check(c, body_stock(c->q->body, c->q->body_len, &change, &why), &why))
		return;
	struct write_op op = write_identify(
	    c, &answer_key_space, "PUT /update/%" PRIu64 "/stock %" PRId64, c->id, change);
	struct catalog_answer a;
	struct buf args = {0};
	catalog_op_stock(&args, op.fingerprint, op.keep, c->id, change);
	if (!answer_write(c, &op, CATALOG_STOCK, &args, &a))
		return;
	struct jsonw w = response_success(c->r, "The stock was changed.");
	answer_book(&w, c, &a.book);
}

const struct route catalog_routes[] = {
    {METHOD_GET, "/search/{topic}", "limit after", 0, ROUTE_ETAG | ROUTE_SHARED, get_search},
    {METHOD_GET, "/info/{id}", NULL, 0, ROUTE_ETAG | ROUTE_SHARED, get_info},
    {METHOD_GET, "/topics", NULL, 0, ROUTE_ETAG | ROUTE_SHARED, get_topics},
    {METHOD_GET, "/books", "q topic min_price max_price in_stock sort limit after", 0,
	ROUTE_ETAG | ROUTE_SHARED, get_books},
    {METHOD_POST, "/books", NULL, BODY_BOOK, ROUTE_WRITE | ROUTE_ADMIN | ROUTE_KEYED, post_book},
    {METHOD_GET, "/books/{id}", NULL, 0, ROUTE_ETAG | ROUTE_SHARED, get_book},
    {METHOD_DELETE, "/books/{id}", NULL, 0, ROUTE_WRITE | ROUTE_ADMIN | ROUTE_KEYED, delete_book},
    {METHOD_GET, "/update/{id}/price", NULL, 0, ROUTE_ADMIN | ROUTE_ETAG, get_price},
    {METHOD_PUT, "/update/{id}/price", NULL, BODY_SMALL,
	ROUTE_WRITE | ROUTE_ADMIN | ROUTE_KEYED | ROUTE_ETAG, put_price},
    {METHOD_PUT, "/update/{id}/stock", NULL, BODY_SMALL, ROUTE_WRITE | ROUTE_ADMIN | ROUTE_KEYED,
	put_stock},
    {METHOD_GET, "/cache-stats", NULL, 0, ROUTE_SHARED, get_cache_stats},
    {METHOD_POST, "/invalidate-cache", NULL, BODY_INVALIDATION, ROUTE_WRITE | ROUTE_ADMIN,
	post_invalidate},
    {METHOD_GET, "/", "plain", 0, ROUTE_ETAG | ROUTE_PAGE, page_of_topics},
    {METHOD_GET, "/topic/{topic}", "plain after", 0, ROUTE_ETAG | ROUTE_PAGE, page_of_topic},
    {METHOD_GET, "/find", "plain q after", 0, ROUTE_ETAG | ROUTE_PAGE, page_of_search},
    {METHOD_GET, "/book/{id}", "plain", 0, ROUTE_ETAG | ROUTE_PAGE, page_of_book},
    {0},
};
