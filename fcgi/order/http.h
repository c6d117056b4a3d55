/* The order service's calls: tables of routes for the two sockets. */
#ifndef BAZAR_ORDER_HTTP_H
#define BAZAR_ORDER_HTTP_H

#include "fcgi/dispatch.h"

extern const struct route order_routes[];      /* what clients may call */
extern const struct route order_peer_routes[]; /* what bazarctl may */

#endif
