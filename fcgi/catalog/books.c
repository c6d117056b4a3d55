#include "fcgi/catalog/books.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/catalog/answer.h"
#include "fcgi/catalog/bodies.h"
#include "fcgi/catalog/inquiry.h"
#include "fcgi/paging.h"
#include "fcgi/reads.h"
#include "fcgi/service.h"

/* ---- GET /books ---- */

struct page {
	struct jsonw w;
	const struct call *c;
};

static void
write_found(void *arg, const struct book *b)
{
	struct page *p = arg;
	jsonw_open(&p->w, NULL, '{');
	answer_members(&p->w, p->c, b);
	jsonw_close(&p->w);
}

static void
end_page(struct page *p, struct call *c, const struct find *f, const struct found *found)
{
	char next[CURSOR_TEXT];
	jsonw_close(&p->w);
	if (found->counted)
		jsonw_int(&p->w, "total", (int64_t)found->total);
	if (found->more) {
		inquiry_print_place(f->sort, &found->next, next);
		jsonw_text(&p->w, "next", next);
		page_link_next(c->r, c->q, f->limit, next);
	}
	jsonw_close(&p->w);
}

/* Any entry that changes a book may change any page: the shelves as a whole must be clean. */
void
get_books(struct call *c)
{
	struct inquiry q;
	struct found found = {.counted = true};
	struct page p = {.c = c};
	uint64_t seq;
	if (!inquiry_read(c, &q) || !read_begin(c, catalog_key_shelves(), &seq))
		return;
	p.w = response_success(c->r, NULL);
	jsonw_open(&p.w, "data", '[');
	if (!q.none)
		found = catalog_find(read_view(c), &q.find, write_found, &p);
	read_end(c);
	end_page(&p, c, &q.find, &found);
}

/* ---- /books/{id} ---- */

static void
tag_book(struct response *r, const struct book *b)
{
	snprintf(r->etag, sizeof(r->etag), "\"%016" PRIx64 "\"", catalog_tag(b));
}

void
get_book(struct call *c)
{
	struct book b;
	if (!answer_read_book(c, &b))
		return;
	tag_book(c->r, &b);
	struct jsonw w = response_success(c->r, NULL);
	answer_book(&w, c, &b);
}

void
post_book(struct call *c)
{
	struct book b;
	const char *why = NULL;
	if (!body_check(c, body_book(c->q->body, c->q->body_len, &b, &why), &why))
		return;
	struct write_op op =
	    write_identify(c, &answer_key_space, "POST /books %016" PRIx64, catalog_tag(&b));
	struct catalog_answer a;
	struct buf args = {0};
	char location[32];
	catalog_op_add(&args, op.fingerprint, op.keep, &b);
	if (!answer_write(c, &op, CATALOG_ADD, &args, &a))
		return;
	snprintf(location, sizeof(location), "/books/%" PRIu64, a.book.id);
	response_header(c->r, "Location", location);
	c->r->status = 201;
	struct jsonw w = response_success(c->r, "The book was added.");
	answer_book(&w, c, &a.book);
}

/* The tags an If-Match value allows. None for `*` or no condition: any will do. A tag that is none
 * of ours, or a weak one, matches nothing, and stands here as 0. */
static size_t
expected_tags(const char *if_match, uint64_t expected[CATALOG_EXPECTED_MAX])
{
	const char *tag;
	size_t len, count = 0;
	bool weak;
	if (if_match == NULL || strcmp(if_match + strspn(if_match, " \t"), "*") == 0)
		return 0;
	while (count < CATALOG_EXPECTED_MAX && etag_next(&if_match, &tag, &len, &weak)) {
		uint64_t value = 0;
		bool ours = !weak && len == 18;
		for (size_t i = 1; ours && i < len - 1; i++) {
			ours = text_hex(tag[i]) >= 0;
			value = value << 4 | (uint64_t)(text_hex(tag[i]) & 15);
		}
		expected[count++] = ours ? value : 0;
	}
	if (count == 0)
		expected[count++] = 0;
	return count;
}

void
delete_book(struct call *c)
{
	uint64_t expected[CATALOG_EXPECTED_MAX];
	struct write_op op = write_identify(c, &answer_key_space, "DELETE /books/%" PRIu64, c->id);
	struct catalog_answer a;
	struct buf args = {0};
	size_t count = expected_tags(c->q->header.if_match, expected);
	catalog_op_withdraw(&args, op.fingerprint, op.keep, c->id, expected, count);
	if (!answer_write(c, &op, CATALOG_WITHDRAW, &args, &a))
		return;
	struct jsonw w = response_success(c->r, "The book was withdrawn.");
	answer_book(&w, c, &a.book);
}
