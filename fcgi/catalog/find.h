/*
 * Looking through all books: words, filters, an order, page by page.
 *
 * WORK. A request looks at a bounded part of what there is: FIND_SCAN postings a word, FIND_FETCH
 * rows of books that the postings do not tell enough about, FIND_ROWS books when there are no
 * words. When that is not enough, what was looked at is a window of ids: its matches are given in
 * their order, and the next window follows when it is exhausted. So every page costs the same, all
 * pages together have every match once, and up to a window's size the order is exact.
 *
 * One thing stays incomplete: of a last word of which only the beginning is known, and that stands
 * alone, the FIND_SCAN first postings of the words that begin so, in the alphabet.
 */
#ifndef BAZAR_CATALOG_FIND_H
#define BAZAR_CATALOG_FIND_H

#include "fcgi/catalog/words.h"

#define FIND_WORDS 16   /* different words looked for; further ones are ignored */
#define FIND_SCAN 16384 /* postings */
#define FIND_FETCH 4096 /* rows */
#define FIND_ROWS 16384 /* books */
#define FIND_KEY 32     /* bytes a title is ordered by */
#define FIND_PLACE_MAX (16 + FIND_KEY)

enum find_sort {
	FIND_BY_ID,
	FIND_BY_RELEVANCE, /* by what matched (words.h), then by id */
	FIND_BY_TITLE,     /* as folded text, by its first FIND_KEY bytes, then by id */
	FIND_BY_PRICE,
	FIND_BY_PRICE_DOWN
};

/* Where a page begins: behind (key, id) in the window of ids >= `window`. */
struct find_place {
	uint64_t window;
	bool inside; /* key and id are set; else the window's beginning */
	uint8_t key[FIND_KEY];
	uint64_t id;
};

struct find {
	struct words words;  /* all of them must match, the last by its beginning if open */
	const char *topic;   /* folded; NULL: any */
	int64_t least, most; /* cents */
	bool in_stock;
	enum find_sort sort;
	struct find_place from;
	size_t limit; /* at least 1 */
};

struct found {
	size_t count; /* books visited */
	bool more;    /* there may be further ones, from `next` on */
	struct find_place next;
	bool counted; /* `total` is how many match, on all pages */
	uint64_t total;
};

/* Inside store_read_begin/end. Visits whole books in order; each is valid during the call. */
struct found catalog_find(const struct view *v, const struct find *f,
    void (*visit)(void *arg, const struct book *b), void *arg);

/* A place as bytes that mean something for this `sort` only. Encoding appends. */
void find_place_encode(struct buf *out, enum find_sort sort, const struct find_place *place);
bool find_place_decode(const void *bytes, size_t len, enum find_sort sort, struct find_place *out);

#endif
