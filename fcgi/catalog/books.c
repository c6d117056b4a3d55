#include "fcgi/catalog/books.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/catalog/answer.h"
#include "fcgi/catalog/bodies.h"
#include "fcgi/catalog/find.h"
#include "fcgi/reads.h"
#include "fcgi/service.h"

#define CURSOR_TEXT (2 * FIND_PLACE_MAX + 1)

/* ---- GET /books: the question ---- */

/* A form sends what was left empty too. */
static const char *
param(const struct call *c, const char *name)
{
	const char *value = request_param(c->q, name);
	return value != NULL && *value != '\0' ? value : NULL;
}

static bool
refuse(struct call *c, const char *why)
{
	problem(c->r, c->q, PROBLEM_BAD_REQUEST, "%s", why);
	return false;
}

static bool
read_price(struct call *c, const char *name, int64_t *cents)
{
	const char *text = param(c, name);
	if (text == NULL || text_parse_cents(text, BOOK_PRICE_MAX, cents) == 0)
		return true;
	problem(c->r, c->q, PROBLEM_BAD_REQUEST,
	    "The parameter %s must be a price: at most two decimals, 9999999.99 at most.", name);
	return false;
}

static bool
read_stock(struct call *c, struct find *f)
{
	const char *text = param(c, "in_stock");
	f->in_stock = text != NULL && strcmp(text, "true") == 0;
	return text == NULL || f->in_stock || strcmp(text, "false") == 0 ||
	       refuse(c, "The parameter in_stock must be true or false.");
}

/* What matches best comes first, where there is something to match. */
static bool
read_sort(struct call *c, struct find *f)
{
	static const struct {
		const char *name;
		enum find_sort sort;
	} rows[] = {{"id", FIND_BY_ID}, {"relevance", FIND_BY_RELEVANCE}, {"title", FIND_BY_TITLE},
	    {"price", FIND_BY_PRICE}, {"-price", FIND_BY_PRICE_DOWN}};
	const char *name = param(c, "sort");
	f->sort = f->words.count > 0 ? FIND_BY_RELEVANCE : FIND_BY_ID;
	for (size_t i = 0; name != NULL && i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].name, name) != 0)
			continue;
		if (rows[i].sort != FIND_BY_RELEVANCE)
			f->sort = rows[i].sort;
		return true;
	}
	return name == NULL ||
	       refuse(c, "The parameter sort must be relevance, id, title, price or -price.");
}

static int
hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
read_place(struct call *c, struct find *f)
{
	uint8_t bytes[FIND_PLACE_MAX];
	const char *text = param(c, "after");
	size_t len = text != NULL ? strlen(text) / 2 : 0;
	if (text == NULL)
		return true;
	bool good = len <= sizeof(bytes) && strlen(text) == 2 * len;
	for (size_t i = 0; good && i < len; i++) {
		int high = hex(text[2 * i]), low = hex(text[2 * i + 1]);
		good = high >= 0 && low >= 0;
		bytes[i] = good ? (uint8_t)(high << 4 | low) : 0;
	}
	return (good && find_place_decode(bytes, len, f->sort, &f->from)) ||
	       refuse(c, "The parameter after is not one that a page before this one gave.");
}

/* Everything the parameters say; *none: nothing can match. */
static bool
read_question(struct call *c, struct find *f, char topic[BOOK_TOPIC_FOLDED_SIZE], bool *none)
{
	const char *text = param(c, "q"), *name = param(c, "topic");
	f->words.count = 0;
	f->words.open = false;
	if (text != NULL)
		words_of_text(text, FIND_WORDS, &f->words);
	*none = text != NULL && f->words.count == 0;
	if (name != NULL) {
		f->topic = topic;
		*none |= text_fold(name, strlen(name), topic, BOOK_TOPIC_FOLDED_SIZE) != 0;
	}
	f->most = BOOK_PRICE_MAX;
	return read_limit(c, &f->limit) && read_price(c, "min_price", &f->least) &&
	       read_price(c, "max_price", &f->most) && read_stock(c, f) && read_sort(c, f) &&
	       read_place(c, f);
}

/* ---- The answer ---- */

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
print_cursor(enum find_sort sort, const struct find_place *place, char out[CURSOR_TEXT])
{
	struct buf bytes = {0};
	find_place_encode(&bytes, sort, place);
	for (size_t i = 0; i < bytes.len; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes.data[i]);
	buf_free(&bytes);
}

static void
end_page(struct page *p, struct call *c, const struct find *f, const struct found *found)
{
	char next[CURSOR_TEXT] = "";
	jsonw_close(&p->w);
	if (found->counted)
		jsonw_int(&p->w, "total", (int64_t)found->total);
	if (found->more) {
		print_cursor(f->sort, &found->next, next);
		jsonw_text(&p->w, "next", next);
		read_link_next(c, f->limit, next);
	}
	jsonw_close(&p->w);
}

/* Any entry that changes a book may change any page: the shelves as a whole must be clean. */
void
get_books(struct call *c)
{
	char topic[BOOK_TOPIC_FOLDED_SIZE];
	struct find f = {0};
	struct found found = {.counted = true};
	struct page p = {.c = c};
	bool none;
	uint64_t seq;
	if (!read_question(c, &f, topic, &none) || !read_begin(c, catalog_key_shelves(), &seq))
		return;
	p.w = response_success(c->r, NULL);
	jsonw_open(&p.w, "data", '[');
	if (!none)
		found = catalog_find(read_view(c), &f, write_found, &p);
	read_end(c);
	end_page(&p, c, &f, &found);
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
			ours = hex(tag[i]) >= 0;
			value = value << 4 | (uint64_t)(hex(tag[i]) & 15);
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
