/* The first contents, as bazar-init prints them:
 * {"books":[{id,title,author,topic,price,quantity}]}, price in cents. */
#ifndef BAZAR_CATALOG_SEED_H
#define BAZAR_CATALOG_SEED_H

#include "fcgi/catalog/catalog.h"

/* 1 to CATALOG_IMPORT_MAX books, each without problem (book_problem), *books to be freed by the
 * caller. -1 with one sentence in `error`. */
int seed_load(const char *path, struct book **books, size_t *count, char *error, size_t error_size);

#endif
