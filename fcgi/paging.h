/*
 * Pages of a list: what the parameters `limit` and `after` say, and the way to the next page. All
 * functions of bytes.
 */
#ifndef BAZAR_PAGING_H
#define BAZAR_PAGING_H

#include "fcgi/request.h"
#include "fcgi/response.h"

#define PAGE_DEFAULT 100
#define PAGE_MAX 1000

/* Query parameter `name` as a number of at most 18 digits, 0 without one. False: it is none. */
bool page_number(const struct request *q, const char *name, uint64_t *number);
/* Query parameter `limit`, PAGE_DEFAULT without one. False: it is not 1 to PAGE_MAX. */
bool page_limit(const struct request *q, size_t *limit);

/* Link to the page after: the same path and parameters, but `after` as given (no escapes needed).
 */
void page_link_next(struct response *r, const struct request *q, size_t limit, const char *after);

#endif
