/* What a request that looks through the books asks, by its parameters. */
#ifndef BAZAR_CATALOG_INQUIRY_H
#define BAZAR_CATALOG_INQUIRY_H

#include "fcgi/catalog/find.h"
#include "fcgi/dispatch.h"

#define CURSOR_TEXT (2 * FIND_PLACE_MAX + 1)

struct inquiry {
	struct find find;
	char topic[BOOK_TOPIC_FOLDED_SIZE]; /* what find.topic points to */
	bool none;                          /* nothing can match */
};

/* Reads `q`, `topic` (of the path, or a parameter) and the others; the inquiry stays where it is.
 * False: 400 is in c->r. */
bool inquiry_read(struct call *c, struct inquiry *q);

/* A place as the parameter `after` names it. */
void inquiry_print_place(
    enum find_sort sort, const struct find_place *place, char out[CURSOR_TEXT]);

#endif
