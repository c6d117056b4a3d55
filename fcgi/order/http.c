#include "fcgi/order/http.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/failpoint.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/order/bodies.h"
#include "fcgi/order/courier.h"
#include "fcgi/paging.h"
#include "fcgi/peer.h"
#include "fcgi/reads.h"
#include "fcgi/service.h"
#include "fcgi/writes.h"

#define BODY_SMALL 1024
#define LOCATION_BYTES 64
#define PLACE_BYTES 64 /* "<milliseconds>-<order id>" */

/* ---- An order as clients see it ---- */

static const char *const status_names[] = {
    [ORDER_PENDING] = "PENDING", [ORDER_CONFIRMED] = "CONFIRMED", [ORDER_REJECTED] = "REJECTED"};
static const char *const reason_names[] = {[ORDER_NO_REASON] = "",
    [ORDER_NO_BOOK] = "not-found",
    [ORDER_SOLD_OUT] = "sold-out",
    [ORDER_INSUFFICIENT] = "insufficient-stock"};

/* What is not known before the order is confirmed is null. */
static void
write_order(struct jsonw *w, const char *key, const struct call *c, const struct order *o)
{
	char id[UUID_TEXT], created[TEXT_TIME];
	uuid_print(&o->id, id);
	text_time(o->created_ms, created);
	jsonw_open(w, key, '{');
	jsonw_text(w, "order_id", id);
	jsonw_int(w, "book_id", o->book_id);
	if (o->status == ORDER_CONFIRMED) {
		jsonw_text(w, "title", o->title);
		jsonw_cents(w, "price", o->price);
		jsonw_int(w, "quantity", o->quantity);
		jsonw_cents(w, "total", o->price * o->quantity);
	} else {
		jsonw_null(w, "title");
		jsonw_null(w, "price");
		jsonw_int(w, "quantity", o->quantity);
		jsonw_null(w, "total");
	}
	jsonw_text(w, "currency", c->worker->settings->currency);
	jsonw_text(w, "status", status_names[o->status]);
	if (o->status == ORDER_REJECTED)
		jsonw_text(w, "reason", reason_names[o->reason]);
	jsonw_text(w, "created_at", created);
	jsonw_close(w);
}

static void
answer_order(struct call *c, const char *message, const struct order *o)
{
	struct jsonw w = response_success(c->r, message);
	write_order(&w, "data", c, o);
	jsonw_close(&w);
}

/* ---- POST /buy/{id} ---- */

static void
answer_rejected(struct call *c, const struct order *o)
{
	switch (o->reason) {
	case ORDER_NO_BOOK:
		problem(c->r, c->q, PROBLEM_NOT_FOUND, "There is no book %" PRIu64 ".", o->book_id);
		break;
	case ORDER_SOLD_OUT:
		problem_stock(
		    c->r, c->q, PROBLEM_SOLD_OUT, 0, "Book %" PRIu64 " is sold out.", o->book_id);
		break;
	default:
		problem_stock(c->r, c->q, PROBLEM_INSUFFICIENT_STOCK, o->available,
		    "Only %" PRId64 " copies of book %" PRIu64 " are left.", o->available,
		    o->book_id);
	}
}

static void
answer_pending(struct call *c, const struct order *o)
{
	char id[UUID_TEXT], location[LOCATION_BYTES];
	uuid_print(&o->id, id);
	snprintf(location, sizeof(location), "/orders/%s", id);
	response_header(c->r, "Location", location);
	c->r->status = 202;
	answer_order(c, "The order was taken; its outcome comes later.", o);
}

static void
answer_buy(struct call *c, enum courier_result result, const struct order *o)
{
	switch (result) {
	case COURIER_DONE:
		write_decided(c);
		if (o->status == ORDER_CONFIRMED)
			answer_order(c, "Thank you for your purchase.", o);
		else
			answer_rejected(c, o);
		break;
	case COURIER_PENDING:
		answer_pending(c, o);
		break;
	case COURIER_KEY_REUSED:
		write_key_reused(c);
		break;
	case COURIER_IN_PROGRESS:
		write_in_progress(c);
		break;
	case COURIER_UNKNOWN:
		write_failed(c, CORE_UNKNOWN);
		break;
	case COURIER_NOT_PRIMARY:
		write_failed(c, CORE_NOT_PRIMARY);
		break;
	case COURIER_OVERLOADED:
		write_failed(c, CORE_OVERLOADED);
		break;
	case COURIER_NOT_APPLIED:
		write_failed(c, CORE_NOT_APPLIED);
	}
}

/* The secret name space of order ids. False, with a failure in c->r, before entry 1: that may also
 * be a store that was lost, and then an earlier purchase with the same key may be in the others'
 * logs. */
static bool
find_space(struct call *c, struct uuid *space)
{
	store_read_begin(c->worker->store);
	bool found = order_name_space(read_view(c), space);
	read_end(c);
	if (!found)
		write_failed(c, c->key != NULL ? CORE_UNKNOWN : CORE_NOT_APPLIED);
	return found;
}

/* A request that waits for its order's end, holding no thread. */
struct waiting {
	struct purchase purchase;
	struct call call;
	bool keep; /* the client can repeat it */
};

static void
answer_waiting(struct call *c)
{
	struct waiting *w = (struct waiting *)((char *)c - offsetof(struct waiting, call));
	const struct buyer *b = &w->purchase.buyer;
	failpoint("told");
	if (b->result == COURIER_DONE && b->replayed && w->keep)
		write_replayed(c);
	answer_buy(c, b->result, &b->order);
	free(w);
}

static void
resume(struct purchase *p)
{
	struct waiting *w = (struct waiting *)((char *)p - offsetof(struct waiting, purchase));
	call_resume(&w->call, answer_waiting);
}

static void
post_buy(struct call *c)
{
	uint32_t quantity;
	const char *why = NULL;
	struct uuid space;
	if (!body_check(c, body_buy(c->q->body, c->q->body_len, &quantity, &why), &why) ||
	    !find_space(c, &space))
		return;
	struct write_op op =
	    write_identify(c, &space, "POST /buy/%" PRIu64 " %" PRIu32, c->id, quantity);
	struct waiting *w = xmalloc(sizeof(*w));
	w->purchase.told = resume;
	w->keep = op.keep;
	uint64_t book = c->id;
	struct courier *courier = c->worker->courier;
	call_keep(c, &w->call);
	courier_buy(courier, &op.id, op.fingerprint, book, quantity, &w->purchase);
}

/* ---- GET /orders/{order} ---- */

static void
get_order(struct call *c)
{
	struct order o;
	uint64_t seq;
	if (!read_begin(c, order_key(&c->order), &seq))
		return;
	bool found = order_get(read_view(c), &c->order, &o);
	read_end(c);
	if (found)
		answer_order(c, NULL, &o);
	else
		problem(c->r, c->q, PROBLEM_NOT_FOUND, "There is no such order.");
}

/* ---- GET /orders, GET /peer/orders ---- */

struct page {
	struct call *call;
	struct jsonw w;
	size_t left;
	bool more;
	char next[PLACE_BYTES]; /* the last row's place */
};

static bool
page_order(void *arg, const struct order *o)
{
	struct page *p = arg;
	char id[UUID_TEXT];
	p->more = p->left == 0;
	if (p->more)
		return false;
	p->left--;
	write_order(&p->w, NULL, p->call, o);
	uuid_print(&o->id, id);
	snprintf(p->next, sizeof(p->next), "%" PRIu64 "-%s", o->created_ms, id);
	return true;
}

/* Query parameter `after`; *given tells whether it was sent. False: 400 is in c->r. */
static bool
read_place(struct call *c, struct order_place *place, bool *given)
{
	const char *text = request_param(c->q, "after");
	*given = text != NULL;
	if (text == NULL)
		return true;
	char number[PLACE_BYTES] = "";
	size_t digits = strcspn(text, "-");
	if (digits < sizeof(number))
		memcpy(number, text, digits);
	place->created_ms = text_parse_id(number);
	if (place->created_ms != 0 && text[digits] == '-' &&
	    uuid_parse_text(text + digits + 1, &place->id))
		return true;
	problem(c->r, c->q, PROBLEM_BAD_REQUEST, "The parameter after is no place in this list.");
	return false;
}

static void
get_orders(struct call *c)
{
	struct page p = {.call = c};
	struct order_place after;
	size_t limit;
	uint64_t seq;
	bool given;
	if (!read_limit(c, &limit) || !read_place(c, &after, &given) ||
	    !read_begin(c, order_key_list(), &seq))
		return;
	p.left = limit;
	p.w = response_success(c->r, NULL);
	jsonw_open(&p.w, "data", '[');
	order_list(read_view(c), given ? &after : NULL, page_order, &p);
	read_end(c);
	jsonw_close(&p.w);
	jsonw_close(&p.w);
	if (p.more)
		page_link_next(c->r, c->q, limit, p.next);
}

static void
get_peer_orders(struct call *c)
{
	struct page p = {.call = c};
	struct order_place after;
	bool given;
	if (!read_limit(c, &p.left) || !read_place(c, &after, &given))
		return;
	uint64_t applied = store_read_begin(c->worker->store);
	p.w = peer_page_start(c, applied);
	order_list(read_view(c), given ? &after : NULL, page_order, &p);
	read_end(c);
	peer_page_end(&p.w, p.more ? p.next : NULL);
}

const struct route order_routes[] = {
    {METHOD_POST, "/buy/{id}", NULL, BODY_SMALL, ROUTE_WRITE | ROUTE_KEYED, post_buy},
    {METHOD_GET, "/orders/{order}", NULL, 0, ROUTE_ETAG, get_order},
    {METHOD_GET, "/orders", "limit after", 0, ROUTE_ADMIN, get_orders},
    {0},
};

const struct route order_peer_routes[] = {
    {METHOD_GET, "/peer/orders", "after limit", 0, ROUTE_INTERNAL, get_peer_orders},
    {0},
};
