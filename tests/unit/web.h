/*
 * A web server for unit tests: what nginx and a worker are to the HTTP client under test. HTTP/1.1
 * with kept connections on a port of 127.0.0.1 that the system picks; a thread a connection.
 */
#ifndef BAZAR_TESTS_WEB_H
#define BAZAR_TESTS_WEB_H

#include "fcgi/base/buf.h"

#define WEB_ADDRESS 64

struct web;

/* Any thread, several at once. Appends the answer's body and returns the HTTP status. */
typedef int (*web_handler)(
    void *arg, const char *path, const void *body, size_t len, struct buf *answer);

/* *address is host:port. Starts to answer at once. */
struct web *web_start(char address[WEB_ADDRESS], web_handler handler, void *arg);
void web_stop(struct web *w); /* closes all connections; waits for the handlers */

#endif
