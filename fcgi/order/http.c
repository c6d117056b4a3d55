#include "fcgi/order/http.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/failpoint.h"
#include "fcgi/base/hash.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/order/bodies.h"
#include "fcgi/order/courier.h"
#include "fcgi/paging.h"
#include "fcgi/peer.h"
#include "fcgi/reads.h"
#include "fcgi/service.h"
#include "fcgi/writes.h"

#define BODY_SMALL 1024
#define BODY_CART 4096
#define LOCATION_BYTES 64
#define PLACE_BYTES 64 /* "<milliseconds>-<order id>" */

/* ---- An order as clients see it ---- */

static const char *const status_names[] = {
    [ORDER_PENDING] = "PENDING", [ORDER_CONFIRMED] = "CONFIRMED", [ORDER_REJECTED] = "REJECTED"};
static const char *const reason_names[] = {[ORDER_NO_REASON] = "",
    [ORDER_NO_BOOK] = "not-found",
    [ORDER_SOLD_OUT] = "sold-out",
    [ORDER_INSUFFICIENT] = "insufficient-stock"};

/* The members of a line. What is not known before the order is confirmed is null. */
static void
write_line(struct jsonw *w, const struct order *o, const struct order_line *line)
{
	jsonw_int(w, "book_id", (int64_t)line->book_id);
	if (o->status == ORDER_CONFIRMED) {
		jsonw_text(w, "title", line->title);
		jsonw_cents(w, "price", line->price);
		jsonw_int(w, "quantity", line->quantity);
		jsonw_cents(w, "total", line->price * line->quantity);
	} else {
		jsonw_null(w, "title");
		jsonw_null(w, "price");
		jsonw_int(w, "quantity", line->quantity);
		jsonw_null(w, "total");
	}
}

static void
write_lines(struct jsonw *w, const struct order *o)
{
	jsonw_open(w, "lines", '[');
	for (size_t i = 0; i < order_lines(o); i++) {
		jsonw_open(w, NULL, '{');
		write_line(w, o, order_line(o, i));
		jsonw_close(w);
	}
	jsonw_close(w);
}

enum form {
	FLAT,  /* POST /buy/{id}: the only line's members, as since before there were carts */
	LINES, /* the lines; the only one's members, too */
};

static void
write_order(
    struct jsonw *w, const char *key, const struct call *c, const struct order *o, enum form form)
{
	char id[UUID_TEXT], created[TEXT_TIME];
	uuid_print(&o->id, id);
	text_time(o->created_ms, created);
	jsonw_open(w, key, '{');
	jsonw_text(w, "order_id", id);
	if (order_lines(o) == 1)
		write_line(w, o, &o->line);
	else if (o->status == ORDER_CONFIRMED)
		jsonw_cents(w, "total", order_total(o));
	else
		jsonw_null(w, "total");
	if (form == LINES)
		write_lines(w, o);
	jsonw_text(w, "currency", c->worker->settings->currency);
	jsonw_text(w, "status", status_names[o->status]);
	if (o->status == ORDER_REJECTED)
		jsonw_text(w, "reason", reason_names[o->reason]);
	if (o->status == ORDER_REJECTED && form == LINES)
		jsonw_int(w, "refused_book_id", (int64_t)o->refused);
	jsonw_text(w, "created_at", created);
	jsonw_close(w);
}

static void
answer_order(struct call *c, const char *message, const struct order *o, enum form form)
{
	struct jsonw w = response_success(c->r, message);
	write_order(&w, "data", c, o, form);
	jsonw_close(&w);
}

/* ---- POST /buy/{id}, POST /orders ---- */

static void
answer_rejected(struct call *c, const struct order *o, enum form form)
{
	struct jsonw w;
	switch (o->reason) {
	case ORDER_NO_BOOK:
		w = problem_open(
		    c->r, c->q, PROBLEM_NOT_FOUND, "There is no book %" PRIu64 ".", o->refused);
		break;
	case ORDER_SOLD_OUT:
		w = problem_open(
		    c->r, c->q, PROBLEM_SOLD_OUT, "Book %" PRIu64 " is sold out.", o->refused);
		break;
	default:
		w = problem_open(c->r, c->q, PROBLEM_INSUFFICIENT_STOCK,
		    "Only %" PRId64 " copies of book %" PRIu64 " are left.", o->available,
		    o->refused);
	}
	if (form == LINES)
		jsonw_int(&w, "book_id", (int64_t)o->refused);
	if (o->reason != ORDER_NO_BOOK)
		jsonw_int(&w, "available", o->available);
	jsonw_close(&w);
}

static void
answer_pending(struct call *c, const struct order *o, enum form form)
{
	char id[UUID_TEXT], location[LOCATION_BYTES];
	uuid_print(&o->id, id);
	snprintf(location, sizeof(location), "/orders/%s", id);
	response_header(c->r, "Location", location);
	c->r->status = 202;
	answer_order(c, "The order was taken; its outcome comes later.", o, form);
}

static void
answer_buy(struct call *c, enum courier_result result, const struct order *o, enum form form)
{
	switch (result) {
	case COURIER_DONE:
		write_decided(c);
		if (o->status == ORDER_CONFIRMED)
			answer_order(c, "Thank you for your purchase.", o, form);
		else
			answer_rejected(c, o, form);
		break;
	case COURIER_PENDING:
		answer_pending(c, o, form);
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
	enum form form;
};

static void
answer_waiting(struct call *c)
{
	struct waiting *w = (struct waiting *)((char *)c - offsetof(struct waiting, call));
	struct buyer *b = &w->purchase.buyer;
	failpoint("told");
	if (b->result == COURIER_DONE && b->replayed && w->keep)
		write_replayed(c);
	answer_buy(c, b->result, &b->order, w->form);
	order_free(&b->order);
	free(w);
}

static void
resume(struct purchase *p)
{
	struct waiting *w = (struct waiting *)((char *)p - offsetof(struct waiting, purchase));
	call_resume(&w->call, answer_waiting);
}

static void
buy(struct call *c, const struct write_op *op, struct order *wanted, enum form form)
{
	struct courier *courier = c->worker->courier;
	struct waiting *w = xmalloc(sizeof(*w));
	wanted->id = op->id;
	wanted->fingerprint = op->fingerprint;
	w->purchase.told = resume;
	w->keep = op->keep;
	w->form = form;
	call_keep(c, &w->call);
	courier_buy(courier, wanted, &w->purchase);
}

static void
post_buy(struct call *c)
{
	struct order wanted = {.line.book_id = c->id};
	const char *why = NULL;
	struct uuid space;
	if (!body_check(
		c, body_buy(c->q->body, c->q->body_len, &wanted.line.quantity, &why), &why) ||
	    !find_space(c, &space))
		return;
	struct write_op op = write_identify(
	    c, &space, "POST /buy/%" PRIu64 " %" PRIu32, c->id, wanted.line.quantity);
	buy(c, &op, &wanted, FLAT);
}

/* The fingerprint is that of the lines in their order, however the body was written. */
static uint64_t
hash_lines(const struct order *o)
{
	uint64_t numbers[2 * ORDER_LINES_MAX];
	size_t count = order_lines(o);
	for (size_t i = 0; i < count; i++) {
		numbers[2 * i] = order_line(o, i)->book_id;
		numbers[2 * i + 1] = order_line(o, i)->quantity;
	}
	return hash64(numbers, 2 * count * sizeof(numbers[0]));
}

static void
post_order(struct call *c)
{
	struct order wanted;
	const char *why = NULL;
	struct uuid space;
	if (!body_check(c, body_cart(c->q->body, c->q->body_len, &wanted, &why), &why))
		return;
	if (find_space(c, &space)) {
		struct write_op op =
		    write_identify(c, &space, "POST /orders %016" PRIx64, hash_lines(&wanted));
		buy(c, &op, &wanted, LINES);
	}
	order_free(&wanted);
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
		answer_order(c, NULL, &o, LINES);
	else
		problem(c->r, c->q, PROBLEM_NOT_FOUND, "There is no such order.");
	if (found)
		order_free(&o);
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
	write_order(&p->w, NULL, p->call, o, LINES);
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
    {METHOD_POST, "/orders", NULL, BODY_CART, ROUTE_WRITE | ROUTE_KEYED, post_order},
    {METHOD_GET, "/orders", "limit after", 0, ROUTE_ADMIN, get_orders},
    {0},
};

const struct route order_peer_routes[] = {
    {METHOD_GET, "/peer/orders", "after limit", 0, ROUTE_INTERNAL, get_peer_orders},
    {0},
};
