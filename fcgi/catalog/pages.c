#include "fcgi/catalog/pages.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/catalog/answer.h"
#include "fcgi/catalog/inquiry.h"
#include "fcgi/page.h"
#include "fcgi/reads.h"
#include "fcgi/service.h"

#define FEW 5 /* copies; as on the page with JavaScript */

/* ---- A book's price and stock ---- */

static void
add_price(struct call *c, const struct book *b)
{
	page_add(c->r, "%" PRId64 ".%02" PRId64 " %s", b->price / 100, b->price % 100,
	    c->worker->settings->currency);
}

static void
add_stock(struct call *c, const struct book *b)
{
	if (b->quantity == 0)
		page_add(c->r, "<span class=\"stock out\">Sold out</span>");
	else if (b->quantity <= FEW)
		page_add(
		    c->r, "<span class=\"stock low\">Only %" PRId64 " left</span>", b->quantity);
	else
		page_add(c->r, "<span class=\"stock in\">In stock</span>");
}

/* ---- All topics ---- */

static void
add_topic(void *arg, const char *topic, uint64_t books)
{
	struct call *c = arg;
	page_add(c->r, "<li><a href=\"/topic/");
	page_part(c->r, topic);
	page_add(c->r, "?plain\"><span>");
	page_text(c->r, topic);
	page_add(c->r,
	    "</span> <span class=\"number\">%" PRIu64
	    "<span class=\"unseen\"> %s</span></span></a></li>\n",
	    books, books == 1 ? "book" : "books");
}

void
page_of_topics(struct call *c)
{
	uint64_t seq;
	if (!read_begin(c, catalog_key_topics(), &seq))
		return;
	page_start(c->r, "", "");
	page_add(
	    c->r, "<h1>A bookshop that keeps its word</h1>\n<ul class=\"topics\" role=\"list\">\n");
	catalog_topics(read_view(c), add_topic, c);
	read_end(c);
	page_add(c->r, "</ul>\n");
	page_end(c->r);
}

/* ---- Lists of books ---- */

static void
add_card(void *arg, const struct book *b)
{
	struct call *c = arg;
	page_add(
	    c->r, "<li><span><a class=\"card-title\" href=\"/book/%" PRIu64 "?plain\">", b->id);
	page_text(c->r, b->title);
	page_add(c->r, "</a>");
	if (*b->author != '\0') {
		page_add(c->r, " <span class=\"card-by\">");
		page_text(c->r, b->author);
		page_add(c->r, "</span>");
	}
	page_add(c->r, "</span>\n<span class=\"sum\"><strong>");
	add_price(c, b);
	page_add(c->r, "</strong><br>");
	add_stock(c, b);
	page_add(c->r, "</span></li>\n");
}

/* The link repeats the words that were looked for, if any. */
static void
add_next(struct call *c, const struct inquiry *q, const struct found *found)
{
	const char *words = request_param(c->q, "q");
	char next[CURSOR_TEXT];
	inquiry_print_place(q->find.sort, &found->next, next);
	page_add(c->r, "<p class=\"more\"><a class=\"button quiet\" href=\"?plain&amp;");
	if (words != NULL) {
		page_add(c->r, "q=");
		page_part(c->r, words);
		page_add(c->r, "&amp;");
	}
	page_add(c->r, "after=%s\">Next page</a></p>\n", next);
}

/* Behind the heading: the books that the call's parameters ask for. False: a failure is in c->r. */
static bool
add_books(struct call *c, const char *none)
{
	struct inquiry q;
	struct found found = {0};
	uint64_t seq;
	if (!inquiry_read(c, &q) || !read_begin(c, catalog_key_shelves(), &seq))
		return false;
	page_add(c->r, "<ul class=\"orders bare\" role=\"list\">\n");
	if (!q.none)
		found = catalog_find(read_view(c), &q.find, add_card, c);
	read_end(c);
	page_add(c->r, "</ul>\n");
	if (found.count == 0)
		page_add(c->r, "<p class=\"tally\">%s</p>\n", none);
	if (found.more)
		add_next(c, &q, &found);
	return true;
}

static void
add_trail(struct call *c)
{
	page_add(c->r,
	    "<nav class=\"trail\" aria-label=\"You are here\"><a href=\"/?plain\">All topics</a>");
}

void
page_of_topic(struct call *c)
{
	page_start(c->r, c->topic, "");
	add_trail(c);
	page_add(c->r, "</nav>\n<h1 class=\"topic-name\">");
	page_text(c->r, c->topic);
	page_add(c->r, "</h1>\n");
	if (add_books(c, "No book is here."))
		page_end(c->r);
}

void
page_of_search(struct call *c)
{
	const char *words = request_param(c->q, "q");
	if (words == NULL || *words == '\0') {
		page_start(c->r, "Search", "");
		page_add(c->r, "<h1>Search</h1>\n<p class=\"tally\">Type words of a title, or an "
			       "author, into the box above.</p>\n");
		page_end(c->r);
		return;
	}
	page_start(c->r, words, words);
	page_add(c->r, "<h1>Books for <q>");
	page_text(c->r, words);
	page_add(c->r, "</q></h1>\n");
	if (add_books(c, "Nothing matches all these words. Fewer or shorter ones find more."))
		page_end(c->r);
}

/* ---- A book ---- */

void
page_of_book(struct call *c)
{
	struct book b;
	if (!answer_read_book(c, &b))
		return;
	page_start(c->r, b.title, "");
	add_trail(c);
	page_add(c->r, " <span aria-hidden=\"true\">›</span> <a href=\"/topic/");
	page_part(c->r, b.topic);
	page_add(c->r, "?plain\">");
	page_text(c->r, b.topic);
	page_add(c->r, "</a></nav>\n<h1>");
	page_text(c->r, b.title);
	page_add(c->r, "</h1>\n");
	if (*b.author != '\0') {
		page_add(c->r, "<p class=\"by\">by ");
		page_text(c->r, b.author);
		page_add(c->r, "</p>\n");
	}
	page_add(c->r, "<p class=\"price\">");
	add_price(c, &b);
	page_add(c->r, "</p>\n<p class=\"stock-line\">");
	add_stock(c, &b);
	if (b.quantity > FEW)
		page_add(c->r, " <span class=\"copies\">%" PRId64 " copies on the shelf now</span>",
		    b.quantity);
	page_add(
	    c->r, "</p>\n<p><a href=\"/book/%" PRIu64 "\">Buy it, with JavaScript</a></p>\n", b.id);
	page_end(c->r);
}
