/*
 * Plain HTML, for browsers without JavaScript: the frame around every such page, and what goes into
 * a page from outside. The address of a plain page is that of the view, with the parameter `plain`.
 */
#ifndef BAZAR_PAGE_H
#define BAZAR_PAGE_H

#include "fcgi/response.h"

/* Starts the body: everything up to the open <main>. `title`, as text, is in the window's title
 * ("": the shop's name alone); `words` stand in the search box. */
void page_start(struct response *r, const char *title, const char *words);
void page_end(struct response *r);

/* Markup and format, both of our own making; what comes from elsewhere goes through page_text. */
void page_add(struct response *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Text, with all that HTML gives a meaning escaped, in attributes too. */
void page_text(struct response *r, const char *text);
/* One segment or parameter of an address. */
void page_part(struct response *r, const char *text);

#endif
