/* What the order service and bazarctl may call: reservations, chunks of an import, tables. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fcgi/base/hash.h"
#include "fcgi/base/xalloc.h"
#include "fcgi/catalog/bodies.h"
#include "fcgi/catalog/http.h"
#include "fcgi/catalog/reserve.h"
#include "fcgi/peer.h"
#include "fcgi/reads.h"
#include "fcgi/service.h"
#include "fcgi/writes.h"

#define BODY_RESERVE (64u << 10)
#define BODY_IMPORT (2u << 20)

static const struct uuid import_space = {{0x7a, 0x90, 0x1c, 0x44, 0x02, 0xb8, 0x4d, 0xe5, 0xa3,
    0x1f, 0x80, 0x6d, 0x35, 0xee, 0x12, 0x5b}};

/* ---- POST /peer/reserve ---- */

static void
reserve_all(struct call *c, const struct reserve_request *r)
{
	struct op **ops = xcalloc(r->count, sizeof(struct op *));
	struct replica_answer *got = xcalloc(r->count, sizeof(*got));
	struct reserve_answers *answers = xmalloc(sizeof(*answers));
	for (size_t i = 0; i < r->count; i++)
		ops[i] = reserve_op(r, i);
	replica_write(c->worker->replica, ops, got, r->count);
	answers->count = r->count;
	for (size_t i = 0; i < r->count; i++) {
		reserve_take(answers, r, i, got[i].result, got[i].bytes.data, got[i].bytes.len);
		for (size_t n = 0;
		     got[i].result == CORE_DECIDED && n < answers->answer[i].says.emptied; n++)
			metrics_event(c->worker->metrics, EVENT_SOLD_OUT);
		buf_free(&got[i].bytes);
	}
	reserve_answer_encode(&c->r->body, answers);
	free(answers);
	free(got);
	free(ops);
}

static bool
is_primary(const struct call *c)
{
	struct core_status core;
	replica_status(c->worker->replica, &core);
	return core.role == CORE_PRIMARY;
}

/* A replica that is not primary says so at once (421): the order service asks the next one. */
static void
post_reserve(struct call *c)
{
	if (!is_primary(c)) {
		write_failed(c, CORE_NOT_PRIMARY);
		return;
	}
	struct reserve_request *r = xmalloc(sizeof(*r));
	if (!reserve_request_decode(c->q->body, c->q->body_len, r)) {
		problem(c->r, c->q, PROBLEM_BAD_BODY, "This is no request for reservations.");
	} else if (!write_ready(c)) {
		write_failed(c, CORE_NOT_APPLIED);
	} else {
		c->r->type = "application/octet-stream";
		reserve_all(c, r);
	}
	free(r);
}

/* ---- POST /peer/import ---- */

static void
answer_import(struct call *c, const struct write_op *op, const struct catalog_answer *a)
{
	if (a->result == CATALOG_KEY_REUSED) {
		write_key_reused(c);
		return;
	}
	if (op->replayed)
		write_replayed(c);
	if (a->result == CATALOG_CONFLICT) {
		problem(c->r, c->q, PROBLEM_INVALID_REQUEST,
		    "Book %" PRIu64 " exists with another title.", a->book.id);
		return;
	}
	struct jsonw w = response_success(c->r, "The books were imported.");
	jsonw_open(&w, "data", '{');
	jsonw_int(&w, "books", a->count);
	jsonw_close(&w);
	jsonw_close(&w);
}

static void
post_import(struct call *c)
{
	struct book *books;
	size_t count;
	bool replace;
	const char *why = NULL;
	if (!body_check(
		c, body_import(c->q->body, c->q->body_len, &replace, &books, &count, &why), &why))
		return;
	struct write_op op = write_identify(
	    c, &import_space, "POST /peer/import %016" PRIx64, hash64(c->q->body, c->q->body_len));
	struct catalog_answer a;
	struct buf args = {0}, answer = {0};
	catalog_op_import(&args, op.fingerprint, replace, books, count);
	free(books);
	if (write_run(c, &op, CATALOG_IMPORT, &args, &answer)) {
		if (catalog_answer_decode(answer.data, answer.len, op.fingerprint, &a) != 0)
			abort(); /* our own machine wrote it */
		answer_import(c, &op, &a);
	}
	buf_free(&answer);
}

/* ---- Pages of tables ---- */

struct page {
	struct jsonw w;
	size_t left;
	bool more;
	char next[UUID_TEXT]; /* the last row's key */
};

/* Opens the next row; false when the page is full. */
static bool
page_row(struct page *p)
{
	p->more = p->left == 0;
	if (p->more)
		return false;
	p->left--;
	jsonw_open(&p->w, NULL, '{');
	return true;
}

static bool
page_book(void *arg, const struct book *b)
{
	struct page *p = arg;
	if (!page_row(p))
		return false;
	jsonw_int(&p->w, "id", b->id);
	jsonw_text(&p->w, "title", b->title);
	jsonw_text(&p->w, "author", b->author);
	jsonw_text(&p->w, "topic", b->topic);
	jsonw_cents(&p->w, "price", b->price);
	jsonw_int(&p->w, "quantity", b->quantity);
	jsonw_int(&p->w, "stocked", b->stocked);
	jsonw_close(&p->w);
	snprintf(p->next, sizeof(p->next), "%" PRIu64, b->id);
	return true;
}

/* Books on sale, or withdrawn ones. */
static void
page_of_books(struct call *c, void (*books)(const struct view *v, uint64_t after,
				  bool (*visit)(void *arg, const struct book *b), void *arg))
{
	struct page p = {0};
	uint64_t after;
	if (!read_limit(c, &p.left) || !read_number(c, "after", &after))
		return;
	uint64_t applied = store_read_begin(c->worker->store);
	p.w = peer_page_start(c, applied);
	books(read_view(c), after, page_book, &p);
	read_end(c);
	peer_page_end(&p.w, p.more ? p.next : NULL);
}

static void
get_all_books(struct call *c)
{
	page_of_books(c, catalog_books);
}

static void
get_withdrawn(struct call *c)
{
	page_of_books(c, catalog_withdrawn_books);
}

static const char *const result_names[] = {[CATALOG_OK] = "ok",
    [CATALOG_NO_BOOK] = "not-found",
    [CATALOG_SOLD_OUT] = "sold-out",
    [CATALOG_INSUFFICIENT] = "insufficient-stock"};

static bool
page_reservation(void *arg, const struct reservation *r)
{
	struct page *p = arg;
	if (!page_row(p))
		return false;
	uuid_print(&r->order_id, p->next);
	jsonw_text(&p->w, "order_id", p->next);
	jsonw_text(&p->w, "result", result_names[r->answer.result]);
	jsonw_int(&p->w, "available", r->answer.available);
	jsonw_open(&p->w, "lines", '[');
	for (size_t i = 0; i < r->count; i++) {
		jsonw_open(&p->w, NULL, '{');
		jsonw_int(&p->w, "book_id", (int64_t)r->line[i].book_id);
		jsonw_int(&p->w, "quantity", r->line[i].quantity);
		if (r->answer.result == CATALOG_OK)
			jsonw_cents(&p->w, "price", r->sold[i].price);
		jsonw_close(&p->w);
	}
	jsonw_close(&p->w);
	jsonw_close(&p->w);
	return true;
}

static void
get_reservations(struct call *c)
{
	struct page p = {0};
	struct uuid after;
	const char *text = request_param(c->q, "after");
	if (!read_limit(c, &p.left))
		return;
	if (text != NULL && !uuid_parse_text(text, &after)) {
		problem(c->r, c->q, PROBLEM_BAD_REQUEST, "The parameter after must be a UUID.");
		return;
	}
	uint64_t applied = store_read_begin(c->worker->store);
	p.w = peer_page_start(c, applied);
	catalog_reservations(read_view(c), text != NULL ? &after : NULL, page_reservation, &p);
	read_end(c);
	peer_page_end(&p.w, p.more ? p.next : NULL);
}

const struct route catalog_peer_routes[] = {
    {METHOD_POST, "/peer/reserve", NULL, BODY_RESERVE, ROUTE_INTERNAL | ROUTE_BINARY, post_reserve},
    {METHOD_POST, "/peer/import", NULL, BODY_IMPORT, ROUTE_INTERNAL | ROUTE_KEYED, post_import},
    {METHOD_GET, "/peer/books", "after limit", 0, ROUTE_INTERNAL, get_all_books},
    {METHOD_GET, "/peer/withdrawn", "after limit", 0, ROUTE_INTERNAL, get_withdrawn},
    {METHOD_GET, "/peer/reservations", "after limit", 0, ROUTE_INTERNAL, get_reservations},
    {0},
};
