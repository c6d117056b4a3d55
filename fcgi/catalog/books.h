/* /books: looking through all of them, and each by its own address. */
#ifndef BAZAR_CATALOG_BOOKS_H
#define BAZAR_CATALOG_BOOKS_H

#include "fcgi/dispatch.h"

void get_books(struct call *c);
void post_book(struct call *c);
void get_book(struct call *c);
void delete_book(struct call *c);

#endif
