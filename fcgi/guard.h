/*
 * Who may ask: pure checks of what a request says about where it comes from and who sent it.
 */
#ifndef BAZAR_GUARD_H
#define BAZAR_GUARD_H

#include <stdbool.h>

/* Whether a Host value is one of the words of `allowed` (separated by blanks), with any port. A web
 * page that had its own name resolve to our address is found out by this. */
bool guard_host(const char *allowed, const char *host);

/* Whether a page that says so may write: an Origin of our own (the same host and port as Host), a
 * Sec-Fetch-Site of `same-origin` or `none`. NULL, no page at all, is fine. */
bool guard_origin(const char *origin, const char *host);
bool guard_site(const char *sec_fetch_site);

/* The token of an Authorization value of the Bearer scheme; NULL when it has none. */
const char *guard_bearer(const char *authorization);

/* Equal, told in a time that does not depend on where they differ. NULL equals nothing. */
bool guard_equal(const char *secret, const char *shown);

#endif
