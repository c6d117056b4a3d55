/* The shop to read without JavaScript: topics, their books, searches, a book; see fcgi/page.h. */
#ifndef BAZAR_CATALOG_PAGES_H
#define BAZAR_CATALOG_PAGES_H

#include "fcgi/dispatch.h"

void page_of_topics(struct call *c);
void page_of_topic(struct call *c);
void page_of_search(struct call *c);
void page_of_book(struct call *c);

#endif
