/*
 * What one decided operation writes: effects, and the keys of everything a reader could see change
 * (rule R8: a book's info, the searches of its old and its new topic, the list of topics, and
 * always the shelves as a whole, which a look through all books depends on). Each effect goes to
 * the overlay at once, so the next decision stands on it; the index and the counter follow in
 * change_end.
 */
#ifndef BAZAR_CATALOG_CHANGE_H
#define BAZAR_CATALOG_CHANGE_H

#include "fcgi/catalog/catalog.h"
#include "fcgi/catalog/index.h"

struct change {
	struct overlay *overlay;
	struct outcome *out;
	struct index_changes index;
	uint64_t last_id; /* the highest id of a new book; 0: none */
};

void change_put(
    struct change *c, uint8_t table, const void *key, size_t key_len, const struct buf *value);
void change_delete(struct change *c, uint8_t table, const void *key, size_t key_len);

/* The book's row, its topic's, its topics' counts and names. `before` is NULL for a new book. */
void change_book(struct change *c, const struct book *before, const struct book *after);
/* The book's rows go; its row among the withdrawn comes. */
void change_withdraw(struct change *c, const struct book *b);

/* What the operation's books have in common: once, after the last of them. */
void change_end(struct change *c);

#endif
