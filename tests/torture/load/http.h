/* One client's HTTP: a request, its answer, and whether it can have reached anybody. */
#ifndef BAZAR_LOAD_HTTP_H
#define BAZAR_LOAD_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#define HTTP_NAME 48

struct http;

struct request {
	const char *method, *path; /* path: percent-encoded */
	unsigned port;             /* of 127.0.0.1 */
	const char *body;          /* JSON; NULL: none */
	uint64_t key;              /* Idempotency-Key; 0: none */
	int64_t if_match;          /* a price's tag; 0: none */
};

struct reply {
	int64_t invoked, returned;
	bool sent;                                /* false: nobody can have received it */
	int status;                               /* 0: no answer */
	json_t *json;                             /* NULL: none; json_decref it */
	char served[HTTP_NAME], cache[HTTP_NAME]; /* "-" when nobody said */
};

/* Before any thread starts. `run` makes this run's keys differ from those of any other. */
void http_setup(uint64_t run);

struct http *http_new(void);
void http_free(struct http *h);

/*
 * Waits for the answer, several seconds at most. A write goes over a connection of its own: on a
 * kept one that broke libcurl would send it again by itself.
 */
struct reply http_send(struct http *h, const struct request *request);

/* Text as a part of a path; free it. */
char *http_escape(struct http *h, const char *text);

#endif
