/*
 * What one decided operation writes: effects, and the keys of everything a reader could see change
 * (rule R8: a book's info, the searches of its old and its new topic, the list of topics). Each
 * effect goes to the overlay at once, so the next decision stands on it.
 */
#ifndef BAZAR_CATALOG_CHANGE_H
#define BAZAR_CATALOG_CHANGE_H

#include "fcgi/catalog/catalog.h"

struct change {
	struct overlay *overlay;
	struct outcome *out;
};

void change_put(
    struct change *c, uint8_t table, const void *key, size_t key_len, const struct buf *value);
void change_delete(struct change *c, uint8_t table, const void *key, size_t key_len);

/* The book's row, its index row, its topics' counts and names. `before` is NULL for a new book. */
void change_book(struct change *c, const struct book *before, const struct book *after);

#endif
