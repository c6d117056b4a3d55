/* The JSON bodies the catalog takes: pure functions of bytes, for handlers, tests and fuzzers. */
#ifndef BAZAR_CATALOG_BODIES_H
#define BAZAR_CATALOG_BODIES_H

#include "fcgi/body.h"
#include "fcgi/catalog/catalog.h"

/* {"price": 12.99} */
enum body_verdict body_price(const void *bytes, size_t len, int64_t *cents, const char **why);

/* {"quantity_change": -5}: not 0, at most BOOK_QUANTITY_MAX either way */
enum body_verdict body_stock(const void *bytes, size_t len, int64_t *change, const char **why);

#define INVALIDATION_TOPICS 100

/* {"book_id": 1, "topics": ["..."]}, at least one of the two; an empty body means all. */
struct invalidation {
	bool all;
	uint64_t book; /* 0: none */
	size_t topic_count;
	char topics[INVALIDATION_TOPICS][BOOK_TOPIC_FOLDED_SIZE]; /* folded */
};
enum body_verdict body_invalidation(
    const void *bytes, size_t len, struct invalidation *out, const char **why);

/* {"title", "topic", "price"}, and maybe "id" (0: none was given), "author", "quantity". */
enum body_verdict body_book(const void *bytes, size_t len, struct book *out, const char **why);

/* {"replace": false, "books": [{id, title, author, topic, price, quantity}]}, 1 to
 * CATALOG_IMPORT_MAX of them, each without problem; *books is the caller's to free. */
enum body_verdict body_import(const void *bytes, size_t len, bool *replace, struct book **books,
    size_t *count, const char **why);

#endif
