/*
 * An answer on its way out: status, header lines, body. Reused from request to request, so that a
 * warm thread allocates nothing.
 */
#ifndef BAZAR_RESPONSE_H
#define BAZAR_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/buf.h"
#include "fcgi/jsonw.h"

#define RESPONSE_ETAG 24 /* with quotes and NUL */

struct response {
	int status;
	const char *type; /* media type of the body */
	struct buf head;  /* further header lines, each with its CR LF */
	struct buf body;
	char etag[RESPONSE_ETAG]; /* with its quotes; "" none */
	bool degraded;            /* a success says so */
	bool page;                /* people read it: a problem is HTML, not JSON */
	bool from_cache;          /* the shared cache answered, not this replica */
	bool no_body;             /* HEAD: say how long the body is, and leave it out */
};

void response_reset(struct response *r); /* 200, JSON, empty; keeps the memory */
void response_free(struct response *r);

void response_header(struct response *r, const char *name, const char *value);

/* Starts the body of a success: `{"success":true` is written (and `"degraded":true` if so), the
 * caller goes on and ends with jsonw_close(&w, '}'). `message` may be NULL. */
struct jsonw response_success(struct response *r, const char *message);

/* What HTTP calls a status we use. */
const char *response_reason(int status);

/* Strong: the hash of the body (hash64). */
void response_etag(struct response *r, uint64_t hash);

/* Whether an If-None-Match value (RFC 9110 section 13.1.2, weak comparison) names `etag`. */
bool etag_listed(const char *if_none_match, const char *etag);

/* The next entity tag of a list: its bytes (quotes included) at *tag, *len. Advances *list; false
 * at the end or at what is no tag. A weak tag has *weak. */
bool etag_next(const char **list, const char **tag, size_t *len, bool *weak);

#endif
