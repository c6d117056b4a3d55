/* The catalog's calls: tables of routes for the two sockets. */
#ifndef BAZAR_CATALOG_HTTP_H
#define BAZAR_CATALOG_HTTP_H

#include "fcgi/dispatch.h"

extern const struct route catalog_routes[];      /* what clients may call */
extern const struct route catalog_peer_routes[]; /* what the order service and bazarctl may */

#endif
